/* JSON that costs its reader more than its writer, where large messages are allowed. */

import { clientFrame } from '../../lib/raw.mjs';
import { LARGE } from '../kinds.mjs';

const MIB = 1 << 20;

/** Requests of these forms on a few connections, each answered before the next is sent. */
function requests(makes, about) {
  let frames;
  return {
    kind: LARGE,
    grown: 256,
    kept: 96,
    ...about,
    prepare() { frames = makes().map((text) => clientFrame(1, text)); },
    run: (attack) => attack.hold(4, () => attack.ws(), async (line) => {
      line.heard = '';
      await line.frames(1, frames[attack.random.below(frames.length)]);
      await line.said('"ev"', 10_000);
      const [, answer] = /"code":"(\w+)"/.exec(line.heard) ?? /"ev":"(\w+)"/.exec(line.heard) ?? [];
      if (answer) attack.saw(answer);
    }),
  };
}

const say = (data) => `{"op":"send","id":1,"room":"nowhere","data":${data}}`;
const keys = (n, key) => `{${Array.from({ length: n }, (_, i) => `"${key(i)}":1`).join(',')}}`;

export default {
  'deep-json': requests(() => [say('['.repeat(10_000) + ']'.repeat(10_000)), say(`${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`), '['.repeat(10_000), '['.repeat(2 * MIB)],
    { what: 'arrays and objects 10,000 deep, and unending ones' }),
  'long-numbers': requests(() => [say('9'.repeat(MIB)), say(`0.${'1'.repeat(MIB)}`), say(`1e${'9'.repeat(1000)}`), say(`[${'1e308,'.repeat(60_000)}1]`), `{"op":"history","id":1,"room":"a","limit":${'9'.repeat(MIB)}}`],
    { what: 'numbers of a million digits' }),
  'long-strings': requests(() => [say(`"${'\\u0041'.repeat(MIB / 4)}"`), say(`"${'\\ud83d\\ude00'.repeat(MIB / 8)}"`), `{"op":"${'x'.repeat(2 * MIB)}","id":1}`, `{"${'k'.repeat(2 * MIB)}":1,"op":"ping","id":1}`, say(`"${'\\ud83d'.repeat(MIB / 4)}"`)],
    { what: 'strings of megabytes, of escapes alone, and as keys' }),
  'doubled-keys': requests(() => [say(keys(1_000_000, () => 'a')), keys(600_000, (i) => `k${i % 300_000}`)],
    { what: 'a million keys, doubled' }),
  'many-keys': requests(() => [say(keys(60_000, (i) => i.toString(36))), say(keys(700_000, (i) => i.toString(36))), say(`[${'[],'.repeat(2_000_000)}[]]`), say(`[${'{},'.repeat(32_000)}{}]`)],
    { what: 'hundreds of thousands of keys, millions of empty arrays, and as many as are taken' }),
};
