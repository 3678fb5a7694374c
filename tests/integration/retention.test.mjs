/* Retention: what has expired is never served again. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshRoom, numbers, withClients } from '../lib/client.mjs';
import { everyWay, last } from '../lib/server.mjs';
import { sleep, until } from '../lib/wait.mjs';

const TTL = 2;
const TTL_MS = TTL * 1000;
const settings = {
  delivery_window: 64 << 10,
  rooms: [
    { match: 'last-special', ttl: 77, max_messages: 3, max_bytes: 1000, ttl_from: 'message' },
    { match: 'last-*', ttl: TTL, ttl_from: 'last_message' },
    { match: 'each-*', ttl: TTL, ttl_from: 'message' },
    { match: 'first-*', ttl: TTL, ttl_from: 'first_message' },
    { match: 'few-*', max_messages: 5 },
    { match: 'small-*', max_bytes: 2000 },
  ],
};
const WAYS = [{ shards: 1, tls: false }, { shards: 2, tls: true }, { shards: 4, tls: true }];
const seqs = (messages) => messages.map(({ seq }) => seq);

everyWay(last(WAYS), settings, (at) => {
  const both = (name, body) => test(name, () => withClients(at, body));

  both('rules by pattern: the first that matches decides, the rest comes from the defaults', async (connect) => {
    const chat = await connect();
    const retention = async (room) => (await chat.join(room)).retention;
    assert.deepEqual(await retention('last-special'), { ttl: 77, ttl_from: 'message', max_messages: 3, max_bytes: 1000 });
    assert.deepEqual(await retention(freshRoom('last')), { ttl: TTL, ttl_from: 'last_message', max_messages: 10000, max_bytes: 4194304 });
    assert.deepEqual(await retention(freshRoom('few')), { ttl: 3600, ttl_from: 'last_message', max_messages: 5, max_bytes: 4194304 });
    assert.deepEqual(await retention('last'), { ttl: 3600, ttl_from: 'last_message', max_messages: 10000, max_bytes: 4194304 });
  });

  both('ttl from the last message: each message renews the whole history, then all of it ends', async (connect) => {
    const chat = await connect();
    const room = freshRoom('last');
    const { epoch } = await chat.join(room);
    const start = Date.now();
    let newest;
    for (let i = 0; i < 6; i++) {
      newest = await chat.send(room, `m${i}`);
      await sleep(TTL_MS / 4);
    }
    assert.ok(Date.now() - start > TTL_MS, 'longer than the ttl');
    assert.equal((await chat.history(room)).messages.length, 6, 'nothing has gone');
    await sleep(Math.max(0, newest.ts + TTL_MS - Date.now()) + 50); // two clocks: ts may be slewed
    assert.deepEqual((await chat.history(room)).messages, []);
    const other = await connect();
    const joined = await other.join(room);
    assert.deepEqual([joined.epoch, joined.first, joined.seq], [epoch, 7, 6], 'a room with members goes on');
    assert.equal('expires_in' in joined.retention, false);
    assert.equal((await chat.send(room, 'next')).seq, 7);
    assert.deepEqual(chat.take('closed'), []);
  });

  both('ttl from each message: the old ones go one by one', async (connect) => {
    const chat = await connect();
    const room = freshRoom('each');
    await chat.join(room);
    const acks = [];
    for (let i = 0; i < 8; i++) {
      acks.push(await chat.send(room, `m${i}`));
      await sleep(TTL_MS / 8);
    }
    for (;;) {
      const { messages } = await chat.history(room);
      const now = Date.now();
      for (const { seq, ts } of messages) assert.ok(now - ts < TTL_MS + 1500, `${seq} is ${now - ts} ms old`);
      if (!messages.length) break;
      assert.equal(messages.at(-1).seq, 8);
      const { first, seq } = await (await connect()).join(room);
      assert.ok(first >= messages[0].seq && seq === 8);
      await sleep(50);
    }
    assert.ok(Date.now() >= acks[7].ts + TTL_MS - 20, 'the newest has lived as long as it should');
  });

  both('ttl from the first message: all of it ends together, expires_in says when', async (connect) => {
    const chat = await connect();
    const room = freshRoom('first');
    await chat.join(room);
    const { ts } = await chat.send(room, 'first');
    await sleep(TTL_MS * 0.6);
    await chat.send(room, 'second');
    const { retention } = await (await connect()).join(room);
    assert.equal(retention.expires_in, 1);
    // The wall clock, which ts tells, may be slewed; expiry counts in monotonic time.
    await sleep(Math.max(0, ts + TTL_MS - Date.now()) + 50);
    assert.deepEqual((await chat.history(room)).messages, []);
    await chat.send(room, 'a new first');
    await sleep(TTL_MS * 0.5);
    assert.equal((await chat.history(room)).messages.length, 1, 'counted anew');
  });

  both('max_messages and max_bytes: the oldest go first, the newest stays whatever its size', async (connect) => {
    const chat = await connect();
    const [few, small] = [freshRoom('few'), freshRoom('small')];
    await chat.join(few);
    await chat.join(small);
    for (let i = 1; i <= 12; i++) await chat.send(few, `m${i}`);
    assert.deepEqual(seqs((await chat.history(few)).messages), numbers(8, 12));
    for (let i = 1; i <= 12; i++) await chat.send(small, 'x'.repeat(400));
    const kept = (await chat.history(small)).messages;
    assert.ok(kept.length >= 2 && kept.length <= 4, `${kept.length}`);
    assert.equal(kept.at(-1).seq, 12);
    await chat.send(small, 'y'.repeat(5000));
    assert.deepEqual(seqs((await chat.history(small)).messages), [13]);
    const { first } = await (await connect()).join(few);
    assert.equal(first, 8);
  });

  both('when the last one has left and the last message has expired, the room is gone: a new epoch, numbers from 1', async (connect) => {
    const chat = await connect();
    const room = freshRoom('last');
    const { epoch } = await chat.join(room);
    await chat.send(room, 'x');
    await chat.leave(room);
    const back = await chat.join(room);
    assert.equal(back.epoch, epoch, 'its message still holds it');
    await chat.leave(room);
    await until(async () => (await chat.ask('history', { room })).code === 'no_such_room', 'the end of the room');
    const anew = await chat.join(room, { since: { epoch, seq: 1 } });
    assert.notEqual(anew.epoch, epoch);
    assert.deepEqual([anew.seq, anew.recovered], [0, false]);
    assert.equal((await chat.send(room, 'y')).seq, 1);
  });

  both('who comes back with since for what has expired gets a gap, and recovered false', async (connect) => {
    const [chat, holder] = [await connect(), await connect()];
    const room = freshRoom('each');
    await holder.join(room);
    const { epoch } = await chat.join(room);
    for (let i = 0; i < 5; i++) await chat.send(room, `m${i}`);
    await until(async () => !(await chat.history(room)).messages.length, 'expiry');
    await chat.send(room, 'young');
    const late = await connect();
    const joined = await late.join(room, { since: { epoch, seq: 2 } });
    assert.deepEqual([joined.recovered, joined.first, joined.seq], [false, 6, 6]);
    assert.deepEqual(await late.next('gap'), { ev: 'gap', room, epoch, from: 3, to: 5 });
    assert.equal((await late.next('message')).seq, 6);
  });

  both('a stalled reader is never sent what expired meanwhile, and is told the gap at once, not with the next message', async (connect) => {
    const [sender, stalled] = [await connect(), await connect()];
    const room = freshRoom('each');
    await sender.join(room);
    await stalled.join(room);
    sender.listen(() => {});
    stalled.ws.pause();
    const n = 4000;
    let sent;
    for (let i = 0; i < n; i += 50) sent = (await Promise.all(Array.from({ length: 50 }, () => sender.send(room, 'x'.repeat(4000))))).at(-1);
    await sleep(Math.max(0, sent.ts + TTL_MS - Date.now()) + 1000);
    let covered = 0, missed = 0;
    stalled.listen(({ ev, seq, from, to }) => {
      if (ev === 'message') assert.equal(seq, ++covered);
      else if (ev === 'gap') {
        assert.equal(from, covered + 1);
        missed += to - from + 1;
        covered = to;
      }
    });
    stalled.ws.resume();
    await until(() => covered === n, () => `${covered} of ${n}`);
    assert.ok(missed > 0, 'more than sockets hold');
  });
}, { concurrency: 8 });
