/* siege.mjs - one server with two shards, honest clients on it, and attacks one after another: a calm time
 * first, then each attack for as long.
 *
 * What must hold: the honest lose nothing (honest.mjs), the server's memory stays within what the attack
 * may cost, none of the attacker's connections outlives it for long, /healthz answers, no sanitizer reports, and SIGTERM ends it with status 0 (Server.stop()). */

import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { request } from '../lib/engineio.mjs';
import { Server } from '../lib/server.mjs';
import { mint } from '../lib/token.mjs';
import { amount, sleep, until, within } from '../lib/wait.mjs';

export const ATTACK_MS = amount(15_000, 2000);
const AFTER_MS = amount(5000, 300); // until memory is looked at again
const LATE_MS = 15_000; // what an honest message may take at the very most: machines are shared, and sanitizers slow
const CLOSED_MS = 15_000; // until all that the attacker had open is closed on the server's side too
const FILES_MORE = 2; // newcomers
const UNSERVED_MAX = 0.25; // newcomers without an answer, to those with one: a starved machine misses deadlines of its own
const SAMPLE_MS = 50;

const HERE = fileURLToPath(new URL('.', import.meta.url));
const MIB = 1 << 20;

/** A process that is given orders, one at a time, and answers each. */
class Helper {
  constructor(file) {
    this.child = fork(`${HERE}${file}`, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.gone = new Promise((done) => this.child.once('exit', done));
  }

  order(about, what, ms) {
    const answered = new Promise((done, fail) => {
      this.child.once('message', done);
      this.gone.then((code) => fail(new Error(`${what}: the process has ended with ${code}`)));
    });
    this.child.send(about);
    return within(answered, what, ms);
  }

  kill() { this.child.kill('SIGKILL'); }
}

class Honest extends Helper {
  async ask(order, about = {}) {
    const { done, failed } = await this.order({ order, ...about }, `the honest clients' ${order}`, 200_000);
    if (failed) throw new Error(failed);
    return done;
  }
}

/** Watches the server's memory and time. */
class Watch {
  constructor(server) {
    this.server = server;
    this.before = this.peak = server.rss();
    this.files = server.fds();
    this.cpu = this.#seconds();
    this.began = performance.now();
    this.timer = setInterval(() => { this.peak = Math.max(this.peak, server.rss()); }, SAMPLE_MS);
  }

  /** Seconds of processor time. */
  #seconds() {
    const fields = readFileSync(`/proc/${this.server.pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' '); // from the third on
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** What it is when all is over. */
  stop() {
    clearInterval(this.timer);
    this.load = (this.#seconds() - this.cpu) / ((performance.now() - this.began) / 1000);
    this.after = this.server.rss();
  }
}

async function calm(honest) {
  await honest.ask('settle'); // what was before does not count
  await sleep(ATTACK_MS);
  return honest.ask('settle');
}

/** The honest are taken at their word again. */
async function recovered(honest) {
  await until(async () => {
    await sleep(1000);
    return (await honest.ask('settle')).refused === 0;
  }, 'honest messages are taken again', 30_000);
}

/** One attack beside the honest: all that is known about it afterwards. `attacker`: where it is to run. */
async function strike(server, honest, attacker, { file, name, attack, token }) {
  await honest.ask('settle');
  const watch = new Watch(server);
  try {
    const about = { file, name, ports: server.ports, ca: server.ca, ms: ATTACK_MS, token, addresses: attack.addresses };
    const told = await attacker.order(about, `the attack ${name}`, ATTACK_MS + 60_000)
      .catch((error) => ({ tally: {}, answers: [], failed: error.message }));
    const window = await honest.ask('settle');
    await sleep(AFTER_MS);
    await until(() => server.fds() <= watch.files + FILES_MORE, '', CLOSED_MS, 200).catch(() => {}); // faults() judges
    watch.left = server.fds() - watch.files;
    const health = await request({ server, tls: true }, { path: '/healthz', query: '' });
    watch.stop();
    if (attack.refuses) await recovered(honest);
    const after = await honest.ask('settle');
    return { name, attack, ...told, watch, honest: window, after, health: health.status };
  } finally {
    attacker.kill();
    watch.stop();
  }
}

/** What is wrong with it, in words; nothing where it held. */
function faults({ attack, failed, seed, watch, honest, after, health, tally }) {
  const wrong = [];
  const claim = (holds, words) => { if (!holds) wrong.push(words); };
  const mib = (bytes) => `${Math.round(bytes / MIB)} MiB`;
  claim(!failed, `the attacker failed (SEED=${seed}): ${failed}`);
  claim(tally.connections > 0, 'the attacker got no connection: nothing was attacked');
  for (const trouble of [...honest.troubles, ...after.troubles]) wrong.push(trouble);
  claim(honest.arrived > 0, 'no honest message arrived beside it');
  claim(attack.refuses || honest.refused === 0, `${honest.refused} honest messages were refused`);
  claim(after.refused === 0, `${after.refused} honest messages were refused afterwards`);
  claim(!(honest.max > LATE_MS), `an honest message took ${Math.round(honest.max)} ms`);
  claim(honest.newcomers.failed <= honest.newcomers.ok * UNSERVED_MAX, `${honest.newcomers.failed} newcomers got no answer, ${honest.newcomers.ok} did`);
  claim(health === 200, `/healthz answers ${health}`);
  claim(watch.left <= FILES_MORE, `${watch.left} connections are left open`);
  claim(watch.peak - watch.before <= attack.grown * MIB, `it grew by ${mib(watch.peak - watch.before)}; at most ${attack.grown} MiB are allowed`);
  claim(watch.after - watch.before <= attack.kept * MIB, `${mib(watch.after - watch.before)} are still held afterwards; at most ${attack.kept} MiB are allowed`);
  return wrong;
}

/** All attacks of one kind of server. `report` is told of each as it is over: ({calm, result, wrong}). */
export async function siege({ settings, sub }, attacks, report) {
  const server = await Server.start({ 'limits.messages_per_second': 20, 'limits.handshake_timeout': 5, 'log.level': 'error', ...settings });
  const honest = new Honest('honest.mjs');
  let spare = new Helper('attacker.mjs');
  let failure = null;
  try {
    const token = sub ? await mint({ sub }) : undefined;
    await honest.ask('enter', { port: server.ports.https, ca: server.ca, token: sub ? await mint({ sub: 'honest' }) : undefined });
    const still = await calm(honest);
    for (const { file, name, attack } of attacks) {
      const attacker = spare;
      spare = new Helper('attacker.mjs'); // starting takes it a while
      const result = await strike(server, honest, attacker, { file, name, attack, token });
      report({ still, result, wrong: faults(result) });
    }
    const { troubles } = await honest.ask('leave');
    assert.deepEqual(troubles, []);
  } catch (error) {
    failure = error;
  } finally {
    honest.kill();
    spare.kill();
    await server.stop().catch((error) => { failure = failure ? new Error(`${failure.message}\nand then: ${error.message}`) : error; });
  }
  if (failure) throw failure;
}
