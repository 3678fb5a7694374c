/* A member that stops reading: the others go on, memory stays bounded, and when it reads again it gets
 * what is still there, and is told exactly what is not. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshRoom, withClients } from '../lib/client.mjs';
import { everyWay, last } from '../lib/server.mjs';
import { amount, DEADLINE_MS, until } from '../lib/wait.mjs';

const WINDOW = 256 << 10;
const settings = { 'retention.max_messages': 100, delivery_window: WINDOW, 'limits.max_message': 65536 };
const WAYS = [{ shards: 1, tls: false }, { shards: 4, tls: false }, { shards: 4, tls: true }];
const PAD = 'x'.repeat(4000);

/** Collects which numbers came, and which were told as gaps: together 1 … n, each once. */
class Account {
  covered = 0;
  received = 0;
  missed = 0;
  trouble = null;

  take(event) {
    const [from, to] = event.ev === 'message' ? [event.seq, event.seq] : event.ev === 'gap' ? [event.from, event.to] : [];
    if (from === undefined) return;
    if (from !== this.covered + 1 || to < from) this.trouble ??= new Error(`${event.ev} ${from}…${to} after ${this.covered}`);
    this.covered = to;
    if (event.ev === 'message') this.received++;
    else this.missed += to - from + 1;
  }
}

async function account(chat, room, fields) {
  const book = new Account();
  book.joined = await chat.join(room, fields);
  chat.listen((event) => { if (event.room === room) book.take(event); });
  return book;
}

const LAG_MAX = 40; // messages; less than WINDOW holds

/** n large messages, a few under way at a time, and not too far ahead of the one who reads. */
async function flood(chat, room, n, reader) {
  const under = new Set();
  for (let i = 0; i < n; i++) {
    const ack = chat.send(room, PAD).finally(() => under.delete(ack));
    under.add(ack);
    if (under.size >= 32) await Promise.race(under);
    if (!reader) continue;
    const { seq } = i % 16 ? {} : await ack;
    if (seq) await until(() => reader.covered > seq - LAG_MAX, () => `the reader lags: ${reader.covered} of ${seq}`, DEADLINE_MS, 1);
  }
  await Promise.all(under);
}

everyWay(last(WAYS), settings, (at) => {
  test('it misses what passes the window, and the gap events name exactly that', () => withClients(at, async (connect) => {
    const room = freshRoom();
    const [sender, reader, stalled] = [await connect(), await connect(), await connect()];
    await sender.join(room);
    sender.listen(() => {});
    const read = await account(reader, room);
    const book = await account(stalled, room);
    await flood(sender, room, 50);
    await until(() => book.covered === 50, 'the first fifty');
    stalled.ws.pause();
    const before = at.server.rss();
    const n = amount(10_000, 3_000);
    await flood(sender, room, n, read);
    const grown = at.server.rss() - before;
    await until(() => read.covered === n + 50, () => `the reader has ${read.covered} of ${n + 50}`);
    assert.equal(read.trouble, null);
    assert.equal(read.missed, 0, 'whoever reads misses nothing');
    assert.ok(grown < 48 << 20, `the server has grown by ${grown >> 20} MiB`);
    stalled.ws.resume();
    await until(() => book.covered === n + 50, () => `the stalled one has ${book.covered} of ${n + 50}, closed: ${JSON.stringify(stalled.closedWith)}`);
    assert.equal(book.trouble, null);
    assert.ok(book.missed > 0, 'it has been too slow for some');
    assert.ok(book.received > 50 + 60, `it got what was still there: ${book.received}`);
    await flood(sender, room, 20);
    await until(() => book.covered === n + 70, 'live traffic again');
    assert.equal(book.trouble, null);
  }));

  test('one that stalls only for a while within the window misses nothing', () => withClients(at, async (connect) => {
    const room = freshRoom();
    const [sender, stalled] = [await connect(), await connect()];
    await sender.join(room);
    sender.listen(() => {});
    const book = await account(stalled, room);
    for (let round = 1; round <= amount(10, 3); round++) {
      stalled.ws.pause();
      await flood(sender, room, 50);
      stalled.ws.resume();
      await until(() => book.covered === round * 50, () => `${book.covered} of ${round * 50}`);
    }
    assert.equal(book.trouble, null);
    assert.equal(book.missed, 0);
  }));

  test('it is answered when it reads again, and its other rooms have not suffered', () => withClients(at, async (connect) => {
    const [busy, calm] = [freshRoom(), freshRoom()];
    const [sender, stalled] = [await connect(), await connect()];
    for (const room of [busy, calm]) await sender.join(room);
    sender.listen(() => {});
    const books = {};
    for (const room of [busy, calm]) {
      books[room] = new Account();
      await stalled.join(room);
    }
    stalled.listen((event) => books[event.room]?.take(event));
    stalled.ws.pause();
    const pong = stalled.ping();
    await flood(sender, busy, 3000);
    for (let i = 0; i < 10; i++) await sender.send(calm, `calm ${i}`);
    stalled.ws.resume();
    await pong;
    await until(() => books[busy].covered === 3000 && books[calm].covered === 10, () => JSON.stringify(books));
    assert.equal(books[busy].trouble ?? books[calm].trouble, null);
    assert.equal(books[calm].missed, 0);
  }));

  test('many stalled members cost cursors, not queues', () => withClients(at, async (connect) => {
    const room = freshRoom();
    const sender = await connect();
    await sender.join(room);
    sender.listen(() => {});
    const stalled = await Promise.all(Array.from({ length: 30 }, () => connect()));
    const books = await Promise.all(stalled.map((chat) => account(chat, room)));
    await flood(sender, room, 20);
    await until(() => books.every(({ covered }) => covered === 20), 'a first part for all');
    for (const chat of stalled) chat.ws.pause();
    const before = at.server.rss();
    const n = amount(4000, 2000);
    await flood(sender, room, n);
    const grown = at.server.rss() - before;
    assert.ok(grown < 64 << 20, `the server has grown by ${grown >> 20} MiB`);
    for (const chat of stalled.splice(0, 10)) chat.cut(); // some go without ever reading again
    for (const chat of stalled) chat.ws.resume();
    const left = books.slice(10);
    await until(() => left.every(({ covered }) => covered === n + 20), () => left.map(({ covered }) => covered).join(' '));
    for (const { trouble } of left) assert.equal(trouble, null);
    await until(async () => (await sender.members(room)).count === 21, 'those who were cut to be members no more');
  }));

  test('a frame sent in part is completed before anything else, at any pace', () => withClients(at, async (connect) => {
    const room = freshRoom();
    const [sender, slow] = [await connect(), await connect()];
    await sender.join(room);
    sender.listen(() => {});
    const book = await account(slow, room);
    const big = 'y'.repeat(60_000); // more than one TLS record
    const stutter = setInterval(() => (slow.ws.isPaused ? slow.ws.resume() : slow.ws.pause()), 2);
    try {
      for (let i = 1; i <= 200; i++) {
        const ack = sender.send(room, big);
        if (i % 8) continue;
        await ack;
        await slow.leave(room); // in the middle of a frame, perhaps
        const joined = await slow.join(room, { since: { epoch: book.joined.epoch, seq: book.covered } });
        assert.equal(joined.recovered, true);
        if (i % 24 === 0) await until(() => book.covered === i, () => `${book.covered} of ${i}`);
      }
    } finally {
      clearInterval(stutter);
    }
    slow.ws.resume();
    await until(() => book.covered === 200, () => `${book.covered} of 200, ${JSON.stringify(slow.closedWith)}`);
    assert.equal(book.trouble, null);
  }));
});
