/* run.mjs - attacks on the real server, and a table of how it held.
 *
 *     RINGROOM=build/asan/ringroom node tests/hostile/run.mjs [ATTACK…]
 *
 * Without a name all of them. QUICK=1: 3 seconds for each in place of 15. The exit status is 1 where one
 * did not hold. */

import { readdirSync } from 'node:fs';
import { BINARY } from '../lib/server.mjs';
import { PLAIN } from './kinds.mjs';
import { ATTACK_MS, siege } from './siege.mjs';

const MIB = 1 << 20;
const GROWN_MIB = 64; // what the server may grow by where an attack names nothing else, AddressSanitizer's part included
const KEPT_MIB = 48; // of that, what may be held soon afterwards: allocators and quarantines give back late

/** All attacks, by file, as [{file, name, attack}]. */
async function attacks() {
  const found = [];
  for (const file of readdirSync(new URL('attacks/', import.meta.url)).sort()) {
    const url = new URL(`attacks/${file}`, import.meta.url).href;
    for (const [name, attack] of Object.entries((await import(url)).default))
      found.push({ file: url, name, attack: { grown: GROWN_MIB, kept: KEPT_MIB, kind: PLAIN, addresses: 'many', ...attack } });
  }
  return found;
}

const wanted = process.argv.slice(2);
const all = await attacks();
const unknown = wanted.filter((name) => !all.some((each) => each.name === name));
if (unknown.length) {
  console.error(`no such attack: ${unknown.join(' ')}. There are:\n${all.map(({ name, attack }) => `  ${name}: ${attack.what}`).join('\n')}`);
  process.exit(2);
}

/* The table */

const ms = (value) => (Number.isNaN(value) ? '-' : value < 10 ? value.toFixed(1) : String(Math.round(value)));
const latency = ({ p50, p99, max }) => `${ms(p50)} / ${ms(p99)} / ${ms(max)}`;
const newcomers = ({ newcomers: { slowest, failed } }) => (failed ? `${ms(slowest)}, ${failed} unserved` : ms(slowest));
const short = (n) => (n < 1e4 ? String(n) : n < 1e6 ? `${Math.round(n / 1e3)}k` : `${(n / 1e6).toFixed(1)}M`);
const bytes = (n) => (n < 1e4 ? `${n} B` : n < 1e6 ? `${Math.round(n / 1e3)} kB` : `${(n / 1e6).toFixed(1)} MB`);

function row({ still, result: { name, tally, answers, honest, watch } }) {
  const done = [`${short(tally.connections)} conn.`, bytes(tally.bytes)];
  if (tally.frames) done.push(`${short(tally.frames)} frames`);
  if (tally.requests) done.push(`${short(tally.requests)} requests`);
  const said = answers.sort(([, a], [, b]) => b - a).slice(0, 4).map(([what, n]) => `${what} × ${short(n)}`).join(', ');
  const rss = [watch.before, watch.peak, watch.after].map((n) => Math.round(n / MIB)).join(' / ');
  return [name, done.join(', '), said || 'nothing', latency(still), latency(honest), newcomers(honest), watch.load.toFixed(2), rss];
}

const HEAD = ['attack', 'what was done', 'what the server answered', 'calm: p50 / p99 / max ms', 'beside it', 'newcomer, slowest ms', 'CPUs', 'MiB before / peak / after'];
const print = (cells) => console.log(`| ${cells.join(' | ')} |`);

console.log(`${BINARY}, ${ATTACK_MS / 1000} s for each attack\n`);
print(HEAD);
print(HEAD.map(() => '---'));

const chosen = all.filter(({ name }) => !wanted.length || wanted.includes(name));
const kinds = new Map(); // attacks on the same kind of server
for (const each of chosen) kinds.set(each.attack.kind, [...(kinds.get(each.attack.kind) ?? []), each]);

const wrong = [];
for (const [kind, list] of kinds) {
  try {
    await siege(kind, list, (told) => {
      print(row(told));
      for (const words of told.wrong) wrong.push(`${told.result.name}: ${words}`);
    });
  } catch (error) {
    wrong.push(`${list.map(({ name }) => name).join(' ')}: ${error.stack}`);
  }
}
console.log(wrong.length ? `\n${wrong.join('\n')}` : `\nall ${chosen.length} held`);
process.exit(wrong.length ? 1 : 0);
