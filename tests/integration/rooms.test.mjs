/* Rooms over the native protocol: messages, history, replay, coming back. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshRoom, numbers, withClients } from '../lib/client.mjs';
import { everyWay, fewer, WAYS } from '../lib/server.mjs';

const seqs = (messages) => messages.map(({ seq }) => seq);

/** A room in which n messages have been sent. */
async function filled(connect, n, fields = {}) {
  const author = await connect();
  const room = freshRoom();
  const { epoch } = await author.join(room, { name: 'Author', ...fields });
  await Promise.all(numbers(1, n).map((i) => author.send(room, `message ${i}`)));
  await author.messages(room, n);
  return { author, room, epoch };
}

const settings = { 'retention.max_messages': 5000, rooms: [{ match: 'ten-*', max_messages: 10 }] };

everyWay(fewer(WAYS), settings, (at) => {
  test('joined tells the room\'s state, retention included', () => withClients(at, async (connect) => {
    const chat = await connect();
    const room = freshRoom();
    const joined = await chat.join(room);
    assert.match(joined.epoch, /^[\w-]{4,}$/);
    assert.deepEqual({ ...joined, re: 0, epoch: '' }, { ev: 'joined', re: 0, room, epoch: '', first: 1, seq: 0, members: 1, recovered: false,
      retention: { ttl: 3600, ttl_from: 'last_message', max_messages: 5000, max_bytes: 4194304 } });
    await chat.send(room, 'x');
    const { seq, first, retention } = await (await connect()).join(room);
    assert.deepEqual([first, seq], [1, 1]);
    assert.ok(retention.expires_in > 3500 && retention.expires_in <= 3600, retention.expires_in);
  }));

  test('every member, the sender too, gets the message as it was sent', () => withClients(at, async (connect) => {
    const [a, b] = [await connect(), await connect()];
    const room = freshRoom();
    await a.join(room, { name: 'Ada' });
    await b.join(room, { name: 'Ben' });
    const before = Date.now();
    const data = { a: [1, 2.5, null, true], ü: '\u{1F99C}' };
    const ack = await a.send(room, 'Hello', { data, cid: 'c1' });
    assert.deepEqual(Object.keys(ack).sort(), ['ev', 're', 'room', 'seq', 'ts']);
    assert.ok(Math.abs(ack.ts - before) < 60_000);
    const [mine, theirs] = [await a.next('message'), await b.next('message')];
    assert.deepEqual(mine, { ev: 'message', room, seq: 1, ts: ack.ts, from: 'Ada', uid: a.uid, text: 'Hello', data, cid: 'c1' });
    assert.deepEqual(theirs, mine);
    await b.send(room, undefined, { data: 5 });
    assert.deepEqual(Object.keys(await a.next('message')).sort(), ['data', 'ev', 'from', 'room', 'seq', 'ts', 'uid']);
  }));

  test('who gives no name is shown by its uid', () => withClients(at, async (connect) => {
    const chat = await connect();
    const room = freshRoom();
    await chat.join(room);
    await chat.send(room, 'x');
    const { from, uid } = await chat.next('message');
    assert.equal(from, chat.uid);
    assert.equal(uid, chat.uid);
  }));

  test('text comes through unchanged: empty, U+0000, surrogates, markup, line ends', () => withClients(at, async (connect) => {
    const [chat, reader] = [await connect(), await connect()];
    const room = freshRoom();
    await chat.join(room);
    await reader.join(room);
    for (const text of ['', '\u0000', 'a\u0000b', '\u{10FFFF}\uFFFF', '"\\/\b\f\n\r\t', '\u2028\u2029', '</script>', 'é'.repeat(4000), '\u007f\u0080']) {
      const { seq } = await chat.send(room, text);
      assert.equal((await reader.next((event) => event.seq === seq)).text, text);
    }
    const { messages } = await reader.history(room);
    assert.equal(messages[1].text, '\u0000');
  }));

  test('numbers in data pass unchanged at any size, live and in history', () => withClients(at, async (connect) => {
    const chat = await connect();
    const room = freshRoom();
    await chat.join(room);
    for (const number of ['9007199254740993', '-9223372036854775809', '123456789012345678901234567890123456789', '1e400', '0.1000000000000000055511151231257827', '1E+2', '-0', '-0.0', '1.0']) {
      chat.raw(`{"op":"send","room":${JSON.stringify(room)},"data":{"n":[${number}]}}`);
      const { raw } = await chat.next('message');
      assert.ok(raw.includes(`[${number}]`), `${number} came as ${raw}`);
      assert.equal(JSON.parse(raw).data.n.length, 1);
    }
    chat.raw({ op: 'history', id: 'h', room });
    const { raw } = await chat.next('history');
    assert.ok(raw.includes('[123456789012345678901234567890123456789]'));
  }));

  test('data may be any JSON value', () => withClients(at, async (connect) => {
    const chat = await connect();
    const room = freshRoom();
    await chat.join(room);
    for (const data of [null, true, false, 0, '', 'x', [], {}, [[[[]]]], { '': { '': 1 } }, { text: 'inner', room: 'x' }]) {
      const { seq } = await chat.send(room, undefined, { data });
      assert.deepEqual((await chat.next((event) => event.seq === seq)).data, data);
    }
  }));

  test('a cid is stored once per user and room, and the second ack says dup', () => withClients(at, async (connect) => {
    const [a, b] = [await connect(), await connect()];
    const [room, second] = [freshRoom(), freshRoom()];
    for (const chat of [a, b]) for (const name of [room, second]) await chat.join(name);
    const first = await a.send(room, 'once', { cid: 'c' });
    const again = await a.send(room, 'twice', { cid: 'c' });
    assert.deepEqual([again.seq, again.ts, again.dup], [first.seq, first.ts, true]);
    assert.equal('dup' in first, false);
    assert.equal((await b.send(room, 'other user', { cid: 'c' })).dup, undefined);
    assert.equal((await a.send(second, 'other room', { cid: 'c' })).dup, undefined);
    assert.equal((await a.send(room, 'other cid', { cid: 'C' })).dup, undefined);
    assert.deepEqual((await a.history(room)).messages.map(({ text }) => text), ['once', 'other user', 'other cid']);
  }));

  test('a cid can be used again when its message has left the history', () => withClients(at, async (connect) => {
    const chat = await connect();
    const room = freshRoom('ten');
    await chat.join(room);
    await chat.send(room, 'first', { cid: 'c' });
    for (let i = 0; i < 9; i++) await chat.send(room, 'x');
    assert.equal((await chat.send(room, 'still there', { cid: 'c' })).dup, true);
    await chat.send(room, 'the one that pushes it out');
    const { dup, seq } = await chat.send(room, 'anew', { cid: 'c' });
    assert.deepEqual([dup, seq], [undefined, 12]);
  }));

  test('history: the newest 50, or before, after, limit; more tells of the direction asked', () => withClients(at, async (connect) => {
    const { author: chat, room, epoch } = await filled(connect, 120);
    const ask = async (fields) => {
      const { messages, more, ev, room: of, epoch: life } = await chat.history(room, fields);
      assert.deepEqual([ev, of, life], ['history', room, epoch]);
      return [seqs(messages), more];
    };
    assert.deepEqual(await ask({}), [numbers(71, 120), true]);
    assert.deepEqual(await ask({ limit: 1000 }), [numbers(1, 120), false]);
    assert.deepEqual(await ask({ limit: 1 }), [[120], true]);
    assert.deepEqual(await ask({ before: 71 }), [numbers(21, 70), true]);
    assert.deepEqual(await ask({ before: 21 }), [numbers(1, 20), false]);
    assert.deepEqual(await ask({ before: 51 }), [numbers(1, 50), false]);
    assert.deepEqual(await ask({ before: 1 }), [[], false]);
    assert.deepEqual(await ask({ before: 0 }), [[], false]);
    assert.deepEqual(await ask({ before: 1000, limit: 2 }), [[119, 120], true]);
    assert.deepEqual(await ask({ after: 0, limit: 3 }), [[1, 2, 3], true]);
    assert.deepEqual(await ask({ after: 70 }), [numbers(71, 120), false]);
    assert.deepEqual(await ask({ after: 69 }), [numbers(70, 119), true]);
    assert.deepEqual(await ask({ after: 120 }), [[], false]);
    assert.deepEqual(await ask({ after: 9007199254740991 }), [[], false]);
    const { messages: [message] } = await chat.history(room, { before: 6, limit: 1 });
    assert.deepEqual({ ...message, ts: 0 }, { ev: 'message', room, seq: 5, ts: 0, from: 'Author', uid: chat.uid, text: 'message 5' });
  }));

  test('a long history is had page by page, in both directions, though a page may hold less than asked', () => withClients(at, async (connect) => {
    const author = await connect();
    const room = freshRoom();
    await author.join(room);
    await Promise.all(numbers(1, 200).map((i) => author.send(room, `${i} `.padEnd(4000, 'x'))));
    const forth = [];
    for (let after = 0, more = true; more; after = forth.at(-1)) {
      const page = await author.history(room, { after, limit: 1000 });
      assert.ok(page.messages.length > 0);
      forth.push(...seqs(page.messages));
      more = page.more;
    }
    assert.deepEqual(forth, numbers(1, 200));
    const back = [];
    for (let before = 201, more = true; more; before = back[0]) {
      const page = await author.history(room, { before, limit: 1000 });
      assert.ok(page.messages.length > 0);
      back.unshift(...seqs(page.messages));
      more = page.more;
    }
    assert.deepEqual(back, numbers(1, 200));
  }));

  test('joining replays all that is kept, or the newest N, or nothing; then comes live traffic', () => withClients(at, async (connect) => {
    const { author, room } = await filled(connect, 30);
    let newest = 30;
    for (const history of [undefined, 0, 5, 100, 30, 9007199254740991]) {
      const chat = await connect();
      const joined = await chat.join(room, { history });
      assert.deepEqual([joined.seq, joined.recovered], [newest, false]);
      assert.equal(joined.first, Math.max(1, newest + 1 - (history ?? Infinity)), `history ${history}`);
      newest = (await author.send(room, 'live')).seq;
      assert.deepEqual(seqs(await chat.messages(room, newest + 1 - joined.first)), numbers(joined.first, newest));
    }
  }));

  test('who comes back with since gets exactly what is missing, and recovered', () => withClients(at, async (connect) => {
    const { room, epoch } = await filled(connect, 30);
    for (const seq of [0, 12, 29, 30]) {
      const chat = await connect();
      const joined = await chat.join(room, { since: { epoch, seq } });
      assert.deepEqual([joined.first, joined.seq, joined.recovered], [seq + 1, 30, true]);
      assert.deepEqual(seqs(await chat.messages(room, 30 - seq)), numbers(seq + 1, 30));
    }
    const chat = await connect();
    await chat.join(room, { since: { epoch, seq: 20 }, history: 2 });
    assert.deepEqual(seqs(await chat.messages(room, 10)), numbers(21, 30), 'since is stronger than history');
  }));

  test('a since of another epoch gets the whole history and recovered false', () => withClients(at, async (connect) => {
    const { room } = await filled(connect, 10);
    const chat = await connect();
    for (const epoch of ['another', '']) {
      const joined = await chat.join(room, { since: { epoch, seq: 7 } });
      assert.deepEqual([joined.first, joined.seq, joined.recovered], [1, 10, false]);
      assert.deepEqual(seqs(await chat.messages(room, 10)), numbers(1, 10));
      await chat.leave(room);
    }
    const joined = await chat.join(room, { since: { epoch: 'another', seq: 10_000 } });
    assert.equal(joined.recovered, false);
  }));

  test('a since beyond the newest message is a bad_request, and no membership', () => withClients(at, async (connect) => {
    const { author, room, epoch } = await filled(connect, 3);
    const chat = await connect();
    await chat.refused('bad_request', 'join', { room, since: { epoch, seq: 4 } });
    await chat.refused('bad_request', 'join', { room, since: { epoch, seq: 9007199254740991 } });
    await chat.refused('not_joined', 'send', { room, text: 'x' });
    assert.equal((await author.members(room)).count, 1);
  }));

  test('a second join answers with the present state, replays nothing, and may rename', () => withClients(at, async (connect) => {
    const { author: chat, room, epoch } = await filled(connect, 3);
    const joined = await chat.join(room, { name: 'Renamed', history: 3 });
    assert.deepEqual([joined.epoch, joined.first, joined.seq, joined.members], [epoch, 4, 3, 1]);
    await chat.ping();
    assert.deepEqual(chat.take('message'), []);
    await chat.send(room, 'x');
    assert.equal((await chat.next('message')).from, 'Renamed');
    assert.equal((await chat.members(room)).members[0].name, 'Renamed');
    await chat.join(room);
    await chat.send(room, 'y');
    assert.equal((await chat.next('message')).from, 'Renamed', 'a join without a name changes none');
  }));

  test('leaving ends the events; coming back starts them anew', () => withClients(at, async (connect) => {
    const { author, room } = await filled(connect, 2);
    const chat = await connect();
    await chat.join(room);
    await chat.messages(room, 2);
    assert.equal((await chat.leave(room)).room, room);
    await author.send(room, 'while away');
    await chat.ping();
    assert.deepEqual(chat.take('message'), []);
    await chat.refused('not_joined', 'leave', { room });
    assert.equal((await chat.join(room)).seq, 3);
    assert.deepEqual(seqs(await chat.messages(room, 3)), [1, 2, 3]);
  }));

  test('a room that nobody is in and that holds nothing is gone: its epoch is a new one', () => withClients(at, async (connect) => {
    const chat = await connect();
    const room = freshRoom();
    const first = await chat.join(room);
    await chat.leave(room);
    await chat.refused('no_such_room', 'members', { room });
    const second = await chat.join(room, { since: { epoch: first.epoch, seq: 0 } });
    assert.notEqual(second.epoch, first.epoch);
    assert.equal(second.recovered, false);
  }));

  test('what max_messages drops is gone from history and joins', () => withClients(at, async (connect) => {
    const chat = await connect();
    const room = freshRoom('ten');
    assert.equal((await chat.join(room)).retention.max_messages, 10);
    await Promise.all(numbers(1, 35).map((i) => chat.send(room, `m${i}`)));
    assert.deepEqual(seqs(await chat.messages(room, 35)), numbers(1, 35), 'the live reader gets all of them');
    assert.deepEqual(seqs((await chat.history(room, { limit: 1000 })).messages), numbers(26, 35));
    const late = await connect();
    const joined = await late.join(room);
    assert.deepEqual([joined.first, joined.seq], [26, 35]);
    assert.deepEqual(seqs(await late.messages(room, 10)), numbers(26, 35));
  }));

  test('ts never goes backwards, and ack and message agree on it', () => withClients(at, async (connect) => {
    const { author, room } = await filled(connect, 1);
    let last = 0;
    const acks = await Promise.all(numbers(1, 200).map((i) => author.send(room, `t${i}`)));
    const messages = await author.messages(room, 200);
    for (const [i, { ts }] of messages.entries()) {
      assert.ok(ts >= last);
      assert.equal(ts, acks[i].ts);
      last = ts;
    }
  }));
});
