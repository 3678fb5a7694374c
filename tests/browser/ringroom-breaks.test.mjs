/* The client library against the real server, over connections that keep breaking: whatever breaks,
 * each message is stored once, in the order of sending, and each reader hands it out once. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, mock, test } from 'node:test';
import WebSocket from 'ws';
import { Ringroom } from '../../web/ringroom.js';
import { Server } from './server.mjs';

const MESSAGES = 300;
const BUDGET_MIN_BYTES = 3_000; // the TLS handshake takes about 2,000
const BUDGET_MAX_BYTES = 30_000;

class TrustingWebSocket extends WebSocket {
  constructor(url, protocols) { super(url, protocols, { rejectUnauthorized: false }); }
}

/** Pseudo-random numbers of [0, 1) from a seed (mulberry32). */
function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

let server;

before(async () => {
  server = await Server.start({ 'limits.messages_per_second': 0 });
});

after(() => server?.kill());

/** A proxy that breaks each connection after some bytes, wherever that is, until told to stop. */
async function breakingProxy(next) {
  const proxy = { breaks: 0, breaking: true };
  const listener = net.createServer((inner) => {
    let budget = BUDGET_MIN_BYTES + next() * (BUDGET_MAX_BYTES - BUDGET_MIN_BYTES);
    const outer = net.connect(server.port, '127.0.0.1');
    const pass = (from, to) => from.on('data', (chunk) => {
      budget -= chunk.length;
      if (proxy.breaking && budget < 0) {
        // What fits goes through still: a frame may be cut, or arrive while its answer is lost.
        to.end(chunk.subarray(0, Math.max(0, chunk.length + budget)));
        from.destroy();
        proxy.breaks++;
        budget = Infinity;
      } else {
        to.write(chunk);
      }
    });
    pass(inner, outer);
    pass(outer, inner);
    for (const [one, other] of [[inner, outer], [outer, inner]]) {
      one.on('error', () => {});
      one.on('close', () => other.end());
    }
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  proxy.url = `https://127.0.0.1:${listener.address().port}/ws`;
  proxy.close = () => listener.close();
  return proxy;
}

test('whatever breaks, each message is stored once, in order, and read once', { timeout: 120_000 }, async (t) => {
  const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
  t.diagnostic(`SEED=${seed}`);
  const next = random(seed);
  const proxy = await breakingProxy(next);
  mock.method(Math, 'random', () => 0.01); // come back soon
  const writer = new Ringroom(proxy.url, { WebSocket: TrustingWebSocket });
  const reader = new Ringroom(proxy.url, { WebSocket: TrustingWebSocket });
  const witness = new Ringroom(`${server.url}/ws`, { WebSocket: TrustingWebSocket });
  const read = [];
  try {
    reader.on('message', (m) => read.push(m.seq));
    reader.on('gap', (gap) => read.push(gap));
    await Promise.all([writer.join('breaks', { name: 'Writer' }), reader.join('breaks', { name: 'Reader' })]);

    const sends = [];
    for (let i = 0; i < MESSAGES; i++) {
      sends.push(writer.send('breaks', `${i} ${'x'.repeat(next() * 400)}`));
      if (next() < 0.3) await new Promise((resolve) => setTimeout(resolve, next() * 20));
    }
    const acks = await Promise.all(sends);
    proxy.breaking = false;

    const stored = [];
    await witness.join('breaks', { history: 0 });
    const { messages } = await witness.history('breaks', { after: 0, limit: 1000 });
    for (const m of messages) stored.push(Number(m.text.split(' ')[0]));
    assert.ok(proxy.breaks > 5, `${proxy.breaks} breaks`);
    assert.deepEqual(stored, Array.from({ length: MESSAGES }, (_, i) => i), `after ${proxy.breaks} breaks`);
    assert.deepEqual(acks.map((ack) => ack.seq), messages.map((m) => m.seq));

    while (read.length < MESSAGES) await new Promise((resolve) => reader.on('message', resolve));
    assert.deepEqual(read, messages.map((m) => m.seq));
  } finally {
    for (const chat of [writer, reader, witness]) chat.close();
    proxy.close();
  }
});
