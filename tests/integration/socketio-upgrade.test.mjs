/* The network breaks at every stage of the upgrade, while both sides talk: every message arrives
 * exactly once and in order, with its acknowledgement. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshRoom, numbers } from '../lib/client.mjs';
import { withProxy } from '../lib/proxy.mjs';
import { everyWay, last } from '../lib/server.mjs';
import { TRANSPORTS, withPages } from '../lib/socketio.mjs';
import { amount, sleep, within } from '../lib/wait.mjs';

const WAYS = [{ shards: 1, tls: false }, { shards: 2, tls: true }, { shards: 4, tls: false }, { shards: 4, tls: true }];

/** When: of what passes on the WebSocket. `before` it is passed on, or after. */
const STAGES = {
  'before the WebSocket is asked for': { from: 'client', head: /^GET / },
  'before the WebSocket is granted': { from: 'server', head: /^HTTP/ },
  'before the probe arrives': { from: 'client', text: '2probe' },
  'after the probe was sent, before it is answered': { from: 'server', text: '3probe' },
  'after the probe was answered': { from: 'server', text: '3probe', after: true },
  'before the upgrade arrives': { from: 'client', text: '5' },
  'just after the upgrade': { from: 'client', text: '5', after: true },
  'with the first event on the WebSocket': { from: 'client', text: /^42/ },
  'with the first event after the upgrade': { from: 'server', text: /^4[23]/ },
};

/** A rule for the proxy that does it to the first link that comes so far. */
function once(stage, what) {
  const { from, text, head, after = false } = stage;
  const rule = (piece) => {
    if (rule.done || !piece.link.websocket || piece.from !== from) return 'pass';
    const fits = head ? head.test(piece.head ?? '') : typeof text === 'string' ? piece.text === text : text.test(piece.text ?? '');
    if (!fits) return 'pass';
    rule.done = true;
    return after ? `${what}-after` : what;
  };
  rule.done = false;
  return rule;
}

everyWay(last(WAYS), { 'limits.ping_interval': 1, 'limits.idle_timeout': 2 }, (at) => {
  for (const what of ['cut', 'silence']) {
    for (const [when, stage] of Object.entries(STAGES)) {
      test(`${what === 'cut' ? 'cut off' : 'gone silent'} ${when}`, () => withProxy(at, (proxy) => withPages(at, async (open) => {
        const room = freshRoom();
        const ben = await open(TRANSPORTS['WebSocket only']);
        await ben.join(room);
        proxy.rule = once(stage, what);
        /* A stock client sends again what was not acknowledged, if told to; `cid` lets the server know it again. */
        const ada = await open({ url: proxy.url, retries: 50, ackTimeout: 1000 });
        const { chatHistory } = await ada.join(room);
        assert.deepEqual(chatHistory, []);

        const n = amount(100, 30); // more while the break has not been yet
        const acks = [];
        let over = false;
        const [adaSaid, benSaid] = await within(Promise.all([
          (async () => {
            let i = 0;
            for (; i < n || !proxy.rule.done; i++) acks.push(await ada.socket.emitWithAck('message', { room, message: `ada ${i}`, name: 'Ada', cid: `c${i}` }));
            over = true;
            return i;
          })(),
          (async () => {
            let i = 0;
            for (; i < n || !over; i++) {
              await ben.say(room, `ben ${i}`, { name: 'Ben' });
              await sleep(5);
            }
            return i;
          })(),
        ]), 'what is said');
        const total = adaSaid + benSaid;
        for (const page of [ada, ben]) {
          const said = await page.heard(room, total);
          assert.deepEqual(said.map(({ seq }) => seq), numbers(1, total), 'each once, in order');
          for (const [who, count] of [['Ada', adaSaid], ['Ben', benSaid]]) {
            const theirs = said.filter(({ username }) => username === who).map(({ message }) => message);
            assert.deepEqual(theirs, Array.from({ length: count }, (_, i) => `${who.toLowerCase()} ${i}`));
          }
        }
        assert.equal(acks.length, adaSaid);
        const own = ada.messages(room).filter(({ username }) => username === 'Ada');
        acks.forEach(({ ok, seq }, i) => assert.deepEqual([ok, seq], [true, own[i].seq]));
        for (const { recovered } of ada.connects.slice(1)) assert.equal(recovered, true);
      })));
    }
  }
});
