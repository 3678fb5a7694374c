/* Total order at scale: many senders, several rooms, every member sees the same gapless sequence. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { freshRoom, withClients } from '../lib/client.mjs';
import { everyWay, last } from '../lib/server.mjs';
import { amount } from '../lib/wait.mjs';

const SENDERS = 16;
const ROOMS = 8;
const ROOMS_EACH = 4; // of one sender
const MESSAGES = amount(50_000, 5_000);
const UNACKED_MAX = 64; // per sender
const settings = { 'retention.max_messages': 100_000, 'retention.max_bytes': 64 << 20 };
const WAYS = [{ shards: 1, tls: true }, { shards: 4, tls: false }, { shards: 4, tls: true }];

/** What one member has seen of one room: checks the numbers as they come, and remembers all in a digest. */
class Sight {
  constructor(room, joined) {
    this.room = room;
    this.first = joined.first;
    this.next = joined.first;
    this.digest = createHash('sha256');
    this.lastOf = new Map(); // uid -> that sender's own counter
    this.ts = 0;
  }

  see({ seq, uid, data, ts, ...rest }) {
    assert.equal(seq, this.next++, `${this.room}: number ${seq} after ${this.next - 2}`);
    assert.ok(ts >= this.ts, `${this.room}: time goes backwards at ${seq}`);
    assert.equal(rest.room, this.room);
    const last = this.lastOf.get(uid);
    if (last !== undefined || this.first === 1) assert.equal(data, (last ?? 0) + 1, `${this.room}: ${uid} out of its order at ${seq}`);
    this.lastOf.set(uid, data);
    this.ts = ts;
    this.digest.update(`${seq} ${ts} ${uid} ${data}\n`);
  }
}

/** A member that watches what comes. */
async function watcher(connect, rooms, fields) {
  const chat = await connect();
  const sights = new Map();
  let trouble;
  chat.listen((event) => {
    try {
      if (event.ev === 'joined') sights.set(event.room, new Sight(event.room, event));
      else if (event.ev === 'message') sights.get(event.room).see(event);
      else assert.ok(['member', 'pong'].includes(event.ev), JSON.stringify(event));
    } catch (error) {
      trouble ??= error;
    }
  });
  await Promise.all(rooms.map((room) => chat.join(room, fields)));
  return { chat, sights, check() { if (trouble) throw trouble; } };
}

/** Sends n messages, round robin over the rooms, at most UNACKED_MAX at a time; acks must fit what was seen. */
async function publish(member, rooms, n) {
  const count = new Map(rooms.map((room) => [room, 0]));
  const acked = new Map(rooms.map((room) => [room, 0]));
  const under = new Set();
  for (let i = 0; i < n; i++) {
    const room = rooms[i % rooms.length];
    const data = count.get(room) + 1;
    count.set(room, data);
    const ack = member.chat.ask('send', { room, data }).then(({ ev, seq }) => {
      assert.equal(ev, 'ack');
      assert.ok(seq > acked.get(room), `acks of ${room} come in order`);
      acked.set(room, seq);
      under.delete(ack);
    });
    under.add(ack);
    if (under.size >= UNACKED_MAX) await Promise.race(under);
    member.check();
  }
  await Promise.all(under);
  return { count, acked };
}

everyWay(last(WAYS), settings, (at) => {
  test(`${MESSAGES} messages of ${SENDERS} senders: one gapless order for all, joiners in mid-traffic too`, () => withClients(at, async (connect) => {
    const rooms = Array.from({ length: ROOMS }, () => freshRoom());
    const roomsOf = (i) => Array.from({ length: ROOMS_EACH }, (_, k) => rooms[(i + k * 2 + 1) % ROOMS]);
    const senders = await Promise.all(Array.from({ length: SENDERS }, (_, i) => watcher(connect, roomsOf(i))));
    const total = new Map(rooms.map((room) => [room, 0]));
    const late = [];
    const sending = Promise.all(senders.map(async (member, i) => {
      const { count, acked } = await publish(member, roomsOf(i), MESSAGES / SENDERS);
      for (const [room, n] of count) total.set(room, total.get(room) + n);
      return acked;
    }));
    let over = false;
    sending.finally(() => { over = true; }).catch(() => {});
    while (!over && late.length < 8)
      late.push(await watcher(connect, [rooms[late.length]], late.length % 2 ? { history: 10 } : {}));
    const acks = await sending;
    const members = [...senders, ...late];
    for (const member of members) {
      for (const [room, sight] of member.sights) {
        while (sight.next <= total.get(room)) {
          member.check();
          const before = sight.next;
          await member.chat.ping();
          if (sight.next === before) await new Promise((done) => setTimeout(done, 20));
          assert.equal(member.chat.closedWith, null);
        }
      }
      member.check();
    }
    for (const room of rooms) {
      const whole = members.map(({ sights }) => sights.get(room)).filter((sight) => sight?.first === 1);
      assert.ok(whole.length >= SENDERS * ROOMS_EACH / ROOMS);
      for (const sight of whole) assert.equal(sight.next - 1, total.get(room), 'nothing twice, nothing lost');
      assert.equal(new Set(whole.map((sight) => sight.digest.copy().digest('hex'))).size, 1, `all see ${room} alike`);
      const newest = Math.max(...acks.map((acked) => acked.get(room) ?? 0));
      assert.equal(newest, total.get(room), 'the last ack is of the last message');
    }
  }));

  test('acks carry the numbers under which the messages are kept', () => withClients(at, async (connect) => {
    const room = freshRoom();
    const chats = await Promise.all(Array.from({ length: 4 }, () => connect()));
    for (const chat of chats) await chat.join(room, { history: 0 });
    const kept = new Map();
    await Promise.all(chats.flatMap((chat, c) => Array.from({ length: 50 }, async (_, i) => {
      const text = `${c} ${i}`;
      kept.set((await chat.send(room, text)).seq, text);
    })));
    const { messages } = await chats[0].history(room, { limit: 1000 });
    assert.deepEqual(messages.map(({ seq, text }) => [seq, text]), [...kept].sort(([a], [b]) => a - b));
  }));
});
