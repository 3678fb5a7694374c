/* wait.mjs - waiting for conditions, and how much of a test to do. */

/** Generous: sanitizer builds are up to fifteen times slower, and machines are shared. */
export const DEADLINE_MS = 90_000;
export const QUICK = process.env.QUICK === '1';

/** The amount of work: `full`, or with QUICK=1 the smaller one. */
export const amount = (full, quick) => (QUICK ? quick : full);

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** The promise's value, or an error that says what did not come. */
export async function within(promise, what, ms = DEADLINE_MS) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks until the answer is truthy, and returns it. `what` may be a function that describes the failure. */
export async function until(question, what, ms = DEADLINE_MS, every = 20) {
  const end = Date.now() + ms;
  for (;;) {
    const answer = await question();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`${typeof what === 'function' ? what() : what}: not within ${ms} ms`);
    await sleep(every);
  }
}

/** A small generator with a seed, so that a failing run can be had again: SEED=n. */
export function seeded(seed = Number(process.env.SEED ?? Date.now() % 1e9)) {
  let state = seed >>> 0;
  const random = () => { // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  random.seed = seed;
  random.below = (n) => Math.floor(random() * n);
  random.bytes = (n) => Buffer.from(Array.from({ length: n }, () => random.below(256)));
  return random;
}

/** Where sessions live for less than a second or two, as with the suites' heartbeat, one may be over before a
 *  busy machine gets to it: what fails is tried again, and fails for good at the fifth time. */
export async function patiently(attempt) {
  for (let tries = 5; ; tries--) {
    try {
      return await attempt();
    } catch (error) {
      if (tries === 1) throw error;
    }
  }
}
