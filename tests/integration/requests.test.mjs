/* The native protocol's requests: their shape, their replies, their errors. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshRoom, withClients } from '../lib/client.mjs';
import { everyWay, fewer, WAYS } from '../lib/server.mjs';

/** Says this text as a frame, and takes the next reply, error or not. */
const say = async (chat, text) => {
  chat.raw(text);
  return chat.next((event) => event.re !== undefined || event.ev === 'error', `an answer to ${String(text).slice(0, 80)}`);
};

everyWay(fewer(WAYS), {}, (at) => {
  test('hello is the first frame, and names session, user, server and limits', () => withClients(at, async (connect) => {
    const [a, b] = [await connect(), await connect()];
    assert.match(a.hello.sid, /^[\w-]{22}$/);
    assert.match(a.hello.uid, /^[\w-]+$/);
    assert.notEqual(a.hello.sid, b.hello.sid);
    assert.notEqual(a.hello.uid, b.hello.uid);
    assert.equal(a.hello.server, 'ringroom');
    assert.match(a.hello.version, /^\d+\.\d+/);
    assert.equal(a.hello.ping_ms, 25_000);
    assert.equal(a.hello.max_message, 16384);
  }));

  test('ids come back as they were: integers to 2^53-1, strings to 64 bytes', () => withClients(at, async (connect) => {
    const chat = await connect();
    for (const id of [0, 1, -1, 9007199254740991, -9007199254740991, '', 'a', 'ü'.repeat(32), 'quote " and \\', '\u0000', '1'])
      assert.deepEqual(await say(chat, { op: 'ping', id }), { ev: 'pong', re: id });
  }));

  test('ids of other kinds are refused, and the refusal carries none', () => withClients(at, async (connect) => {
    const chat = await connect();
    for (const id of ['1.5', '1.0', '1e3', '9007199254740992', '-9007199254740992', '123456789012345678901234567890', 'true',
      'null', '[]', '{}', JSON.stringify('a'.repeat(65)), JSON.stringify('ü'.repeat(33))]) {
      const { ev, re, code, message } = await say(chat, `{"op":"ping","id":${id}}`);
      assert.deepEqual({ ev, re, code }, { ev: 'error', re: undefined, code: 'bad_request' }, `id ${id}`);
      assert.match(message, /^id:/);
    }
  }));

  test('a request without id gets no reply unless it fails', () => withClients(at, async (connect) => {
    const chat = await connect();
    const room = freshRoom();
    chat.raw({ op: 'join', room });
    assert.equal('re' in await chat.next('joined'), false);
    for (const request of [{ op: 'ping' }, { op: 'typing', room, on: true }, { op: 'send', room, text: 'x' }, { op: 'leave', room }])
      chat.raw(request);
    chat.raw({ op: 'leave', room });
    const error = await chat.next('error');
    assert.equal(error.code, 'not_joined');
    assert.equal('re' in error, false);
    await chat.ping();
    for (const event of chat.events) assert.match(event.ev, /^(pong|message)$/, JSON.stringify(event));
  }));

  test('a failed request is answered once, with its id', () => withClients(at, async (connect) => {
    const chat = await connect();
    const error = await chat.refused('not_joined', 'send', { room: freshRoom(), text: 'x' });
    assert.deepEqual(Object.keys(error).sort(), ['code', 'ev', 'message', 're']);
    await chat.ping();
    assert.deepEqual(chat.events, []);
  }));

  test('what is not JSON, or has a key twice, is bad_json, and the connection stays', () => withClients(at, async (connect) => {
    const chat = await connect();
    for (const text of ['', '{', 'hello', '{"op":"ping","id":1,}', '{"op":"ping" "id":1}', "{'op':'ping'}", '{"op":"ping","op":"ping"}',
      '{"op":"ping","id":1,"x":{"a":1,"a":2}}', '{"op":"ping","id":1} x', '[1,]', '{"op":"ping","id":01}', '\u0000', '{"a":"\n"}',
      '{"op":"ping","x":"\\ud800"}', '{"op":"ping","x":NaN}', '['.repeat(10_000)]) {
      const { ev, code } = await say(chat, text);
      assert.deepEqual({ ev, code }, { ev: 'error', code: 'bad_json' }, text.slice(0, 60));
    }
    await chat.ping();
  }));

  test('JSON that is no object is refused, and the connection stays', () => withClients(at, async (connect) => {
    const chat = await connect();
    for (const text of ['[]', '1', '"ping"', 'null', 'true', '[{"op":"ping"}]'])
      assert.match((await say(chat, text)).code, /^bad_(request|json)$/, text);
    await chat.ping();
  }));

  test('unknown fields are ignored, unknown ops are refused', () => withClients(at, async (connect) => {
    const chat = await connect();
    assert.equal((await chat.ask('ping', { colour: 'red', room: 7, nested: [{ op: 'x' }] })).ev, 'pong');
    await chat.join(freshRoom(), { text: 5, limit: 'x', on: 'y' });
    await chat.refused('unknown_op', 'dance');
    await chat.refused('unknown_op', 'Ping');
    await chat.refused('unknown_op', '');
    for (const text of ['{"id":1}', '{"op":1,"id":1}', '{"op":null,"id":1}'])
      assert.equal((await say(chat, text)).code, 'bad_request', text);
  }));

  test('every wrong field is refused, and the message names it', () => withClients(at, async (connect) => {
    const chat = await connect();
    const room = freshRoom();
    await chat.join(room);
    const wrong = [
      ['join', {}, /room/], ['join', { room: 1 }, /room/], ['join', { room: null }, /room/], ['join', { room: ['a'] }, /room/],
      ['join', { room: freshRoom(), name: 1 }, /name/], ['join', { room: freshRoom(), name: 'x'.repeat(129) }, /name/],
      ['join', { room: freshRoom(), name: 'a\nb' }, /name/], ['join', { room: freshRoom(), since: 1 }, /since/],
      ['join', { room: freshRoom(), since: {} }, /since/], ['join', { room: freshRoom(), since: { epoch: 'x' } }, /since/],
      ['join', { room: freshRoom(), since: { seq: 1 } }, /since/], ['join', { room: freshRoom(), since: { epoch: 1, seq: 1 } }, /since/],
      ['join', { room: freshRoom(), since: { epoch: 'x', seq: -1 } }, /since/], ['join', { room: freshRoom(), since: { epoch: 'x', seq: 1.5 } }, /since/],
      ['join', { room: freshRoom(), history: -1 }, /history/], ['join', { room: freshRoom(), history: 'all' }, /history/],
      ['join', { room: freshRoom(), history: 0.5 }, /history/],
      ['leave', {}, /room/], ['send', { text: 'x' }, /room/], ['send', { room }, /text/], ['send', { room, text: 1 }, /text/],
      ['send', { room, text: null }, /text/], ['send', { room, text: 'x', cid: 1 }, /cid/], ['send', { room, text: 'x', cid: 'x'.repeat(65) }, /cid/],
      ['send', { room, text: 'x', cid: 'ü'.repeat(33) }, /cid/],
      ['history', {}, /room/], ['history', { room, limit: 0 }, /limit/], ['history', { room, limit: 1001 }, /limit/],
      ['history', { room, limit: 'x' }, /limit/], ['history', { room, before: 'x' }, /before/], ['history', { room, after: -1 }, /after/],
      ['history', { room, after: 1.5 }, /after/], ['members', {}, /room/],
      ['typing', { room }, /on/], ['typing', { room, on: 1 }, /on/], ['typing', { on: true }, /room/],
    ];
    for (const [op, fields, named] of wrong) {
      const error = await chat.refused('bad_request', op, fields);
      assert.match(error.message, named, `${op} ${JSON.stringify(fields)}`);
    }
    await chat.ping();
    assert.deepEqual(chat.events, [], 'nothing has come of any of them');
  }));

  test('rooms that do not exist and rooms not joined are told apart', () => withClients(at, async (connect) => {
    const [chat, other] = [await connect(), await connect()];
    const [nowhere, room] = [freshRoom(), freshRoom()];
    await other.join(room);
    for (const op of ['history', 'members']) await chat.refused('no_such_room', op, { room: nowhere });
    for (const [op, fields] of [['send', { text: 'x' }], ['typing', { on: true }], ['leave', {}]]) {
      await chat.refused('not_joined', op, { room, ...fields });
      await chat.refused('not_joined', op, { room: nowhere, ...fields });
    }
    assert.equal((await chat.history(room)).messages.length, 0, 'reading needs no membership');
    assert.equal((await chat.members(room)).count, 1);
  }));

  test('moderation is forbidden to everyone in open mode', () => withClients(at, async (connect) => {
    const chat = await connect();
    const room = freshRoom();
    await chat.join(room);
    await chat.refused('forbidden', 'kick', { room, uid: chat.uid });
    await chat.refused('forbidden', 'mute', { room, uid: chat.uid, seconds: 5 });
    await chat.refused('forbidden', 'close', { room });
  }));

  test('room names: 1 to 128 bytes, any characters but control characters', () => withClients(at, async (connect) => {
    const chat = await connect();
    const fine = ['a', 'x'.repeat(128), 'ü'.repeat(64), '🦜'.repeat(32), ' ', '../..', '<b>"\'\\', 'a/b?c#d', '\u00a0', 'a\u2028b'];
    for (const room of fine) {
      assert.equal((await chat.join(room, { history: 0 })).room, room);
      const { seq } = await chat.send(room, 'here');
      const message = await chat.next((event) => event.ev === 'message' && event.seq === seq);
      assert.equal(message.room, room);
      await chat.leave(room);
    }
    const controls = [0x00, 0x01, 0x09, 0x0a, 0x0d, 0x1f, 0x7f, 0x80, 0x85, 0x9f].map((code) => `a${String.fromCharCode(code)}b`);
    for (const room of ['', 'x'.repeat(129), 'ü'.repeat(65), ...controls])
      await chat.refused('bad_request', 'join', { room });
  }));

  test('binary messages close with 1003', () => withClients(at, async (connect) => {
    const chat = await connect();
    chat.raw(Buffer.from('{"op":"ping"}'), { binary: true });
    assert.equal((await chat.gone()).code, 1003);
  }));

  test('a message of exactly max_message is fine, one byte more closes with 1009', () => withClients(at, async (connect) => {
    const chat = await connect();
    const room = freshRoom();
    await chat.join(room);
    const sized = (bytes) => {
      const shell = JSON.stringify({ op: 'send', id: 'big', room, text: '' });
      return JSON.stringify({ op: 'send', id: 'big', room, text: 'x'.repeat(bytes - shell.length) });
    };
    const { ev, seq } = await say(chat, sized(16384));
    assert.equal(ev, 'ack');
    assert.equal((await chat.next('message')).seq, seq);
    chat.raw(sized(16385));
    assert.equal((await chat.gone()).code, 1009);
  }));

  test('a message too large in many fragments closes with 1009 as well', () => withClients(at, async (connect) => {
    const chat = await connect();
    for (let i = 0; i < 20 && !chat.closedWith; i++) chat.ws.send('x'.repeat(1000), { fin: false });
    assert.equal((await chat.gone()).code, 1009);
  }));

  test('requests are answered in the order in which they were sent, whatever shards their rooms live on', () => withClients(at, async (connect) => {
    const chat = await connect();
    const rooms = Array.from({ length: 16 }, () => freshRoom());
    const order = [];
    const asked = rooms.flatMap((room) => [['join', { room }], ['members', { room }], ['history', { room }], ['ping', {}], ['leave', { room }]]);
    await Promise.all(asked.map(([op, fields], i) => chat.ask(op, fields).then((reply) => {
      order.push(i);
      assert.notEqual(reply.ev, 'error', JSON.stringify(reply));
    })));
    assert.deepEqual(order, [...asked.keys()]);
  }));
});
