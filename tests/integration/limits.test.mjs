/* Limits: each hurts the one who goes beyond it, and nobody else. */

import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { Chat, freshRoom, withClients } from '../lib/client.mjs';
import { request } from '../lib/engineio.mjs';
import { Raw } from '../lib/raw.mjs';
import { withServer } from '../lib/server.mjs';
import { TRANSPORTS, withPages } from '../lib/socketio.mjs';
import { AUTH, mint } from '../lib/token.mjs';
import { sleep, until } from '../lib/wait.mjs';

for (const tls of [false, true]) {
  const limited = (name, settings, use) => test(`${name}: ${tls ? 'TLS' : 'plain'}`, () =>
    withServer(settings, (server) => withClients({ server, tls }, (connect) => use(connect, server))));

  limited('who sends too fast is told when to try again, and after ten refusals closed with 4009', { 'limits.messages_per_second': 1, 'limits.burst': 5 }, async (connect) => {
    const [chat, other] = [await connect(), await connect()];
    const room = freshRoom();
    await chat.join(room);
    await other.join(room);
    for (let i = 0; i < 5; i++) await chat.send(room, `${i}`);
    const { retry_ms: retryMs } = await chat.refused('rate_limited', 'send', { room, text: 'x' });
    assert.ok(retryMs > 0 && retryMs <= 1000, retryMs);
    await sleep(retryMs + 5);
    await chat.send(room, 'after the wait');
    await chat.ping(); // other requests are not counted
    for (let i = 0; i < 10; i++) chat.raw({ op: 'send', room, text: 'x' });
    assert.equal((await chat.gone()).code, 4009);
    assert.equal(chat.take('error').filter(({ code }) => code === 'rate_limited').length, 10);
    await other.send(room, 'still here');
  });

  /* In open mode moderation is refused, but it is counted before. */
  const REQUESTS = Object.entries({
    join: { room: freshRoom() }, history: { room: freshRoom() }, members: { room: freshRoom() }, auth: { token: 'none' },
    delete: { room: freshRoom(), seq: 1 }, kick: { room: freshRoom(), uid: 'x' }, mute: { room: freshRoom(), uid: 'x', seconds: 1 }, close: { room: freshRoom() },
  });

  limited('other requests are counted together, apart from messages; leave and ping are not', { 'limits.requests_per_second': 1, 'limits.requests_burst': 10, 'limits.messages_per_second': 1, 'limits.burst': 3 }, async (connect) => {
    const chat = await connect();
    const room = freshRoom();
    await chat.join(room);
    for (const [op, fields] of REQUESTS) assert.notEqual((await chat.ask(op, fields)).code, 'rate_limited', op);
    await chat.join(room);
    for (const [op, fields] of REQUESTS) {
      const { retry_ms: retryMs } = await chat.refused('rate_limited', op, fields);
      assert.ok(retryMs > 0 && retryMs <= 1000, `${op}: ${retryMs}`);
    }
    for (let i = 0; i < 3; i++) await chat.send(room, 'messages have a bucket of their own');
    await chat.refused('rate_limited', 'send', { room, text: 'x' });
    for (let i = 0; i < 20; i++) await chat.ping();
    await chat.leave(room);
    const { retry_ms: retryMs } = await chat.refused('rate_limited', 'join', { room });
    await sleep(retryMs + 5);
    await chat.join(room);
  });

  limited('ten refusals in a row, of messages and other requests together, are too many', { 'limits.requests_per_second': 1, 'limits.requests_burst': 2, 'limits.messages_per_second': 1, 'limits.burst': 1 }, async (connect) => {
    const [chat, other] = [await connect(), await connect()];
    const room = freshRoom();
    await chat.join(room);
    await chat.history(room);
    await chat.send(room, 'x');
    for (let i = 0; i < 5; i++) {
      chat.raw({ op: 'send', room, text: 'x' });
      chat.raw({ op: 'members', room });
    }
    assert.equal((await chat.gone()).code, 4009);
    assert.equal(chat.take('error').filter(({ code }) => code === 'rate_limited').length, 10);
    await other.join(room);
  });

  limited('too many rooms are refused, and leaving one makes place', { 'limits.rooms_per_connection': 3 }, async (connect) => {
    const chat = await connect();
    const rooms = Array.from({ length: 4 }, () => freshRoom());
    for (const room of rooms.slice(0, 3)) await chat.join(room);
    await chat.refused('too_many_rooms', 'join', { room: rooms[3] });
    await chat.join(rooms[0]); // not one more
    await chat.leave(rooms[0]);
    await chat.join(rooms[3]);
  });

  limited('a full room refuses, and takes the next when one has left', { 'limits.members_per_room': 2 }, async (connect) => {
    const [a, b, c] = [await connect(), await connect(), await connect()];
    const room = freshRoom();
    await a.join(room);
    await b.join(room);
    await c.refused('room_full', 'join', { room });
    await c.join(freshRoom());
    b.cut();
    await until(async () => (await c.ask('join', { room })).ev === 'joined', 'a place');
  });

  limited('beyond limits.memory new messages are unavailable, and expiry makes place', { 'limits.memory': 262144, 'retention.ttl': 2, delivery_window: 0 }, async (connect) => {
    const chat = await connect();
    const room = freshRoom();
    await chat.join(room);
    let refusal;
    for (let i = 0; i < 100 && !refusal; i++) {
      const reply = await chat.ask('send', { room, text: 'x'.repeat(8000) });
      if (reply.ev === 'error') refusal = reply;
    }
    assert.equal(refusal?.code, 'unavailable');
    await chat.ping();
    await until(async () => (await chat.ask('send', { room, text: 'x' })).ev === 'ack', 'place again');
  });
}

test('beyond limits.connections new ones are closed, and those here stay', () => withServer({ shards: 1, 'limits.connections': 5 }, async (server) => {
  const chats = [];
  for (let i = 0; i < 5; i++) chats.push(await Chat.connect(server, { tls: false }));
  const extra = await Raw.connect(server, { tls: false });
  await extra.whenEnded();
  assert.equal(extra.received.length, 0);
  for (const chat of chats) await chat.ping();
  chats.pop().cut();
  await until(() => Chat.connect(server, { tls: false }).then((chat) => chats.push(chat), () => false), 'a place');
  for (const chat of chats) chat.cut();
}));

test('tokens are counted with other requests, on one connection', () => withServer({ ...AUTH, 'limits.requests_per_second': 1, 'limits.requests_burst': 5 }, (server) => withClients({ server, tls: false }, async (connect) => {
  const chat = await connect();
  const token = await mint();
  for (let i = 0; i < 5; i++) assert.equal((await chat.ask('auth', { token })).ev, 'done');
  for (let i = 0; i < 12; i++) chat.raw({ op: 'auth', token });
  assert.equal((await chat.gone()).code, 4009);
})));

test('handshakes of Socket.IO with tokens are counted on one connection', () => withServer({ ...AUTH, 'limits.requests_per_second': 1, 'limits.requests_burst': 5 }, async (server) => {
  const at = { server, tls: false };
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  try {
    const answers = [];
    for (let i = 0; i < 12; i++) answers.push(await request(at, { agent, headers: { authorization: 'Bearer none' } }));
    assert.ok(answers.every(({ status }) => status === 401));
    assert.ok(answers.some(({ text }) => JSON.parse(text).message.startsWith('too many')), JSON.stringify(answers));
  } finally {
    agent.destroy();
  }
}));

for (const [name, transport] of Object.entries(TRANSPORTS)) {
  test(`Socket.IO: joins are counted, refused with the time to wait, and end the connection: ${name}`, () => withServer({ 'limits.requests_per_second': 1, 'limits.requests_burst': 3 }, (server) => withPages({ server, tls: false }, async (open) => {
    const page = await open({ ...transport, reconnection: false });
    if (!transport.transports) await page.upgraded();
    const room = freshRoom();
    const answers = await Promise.all(Array.from({ length: 6 }, () => page.ask('join', { room })));
    const { error, retry_ms: wait } = answers.find(({ ok }) => !ok);
    assert.equal(error, 'rate_limited');
    assert.ok(wait > 0 && wait <= 1000, `${wait}`);
    await sleep(wait + 5);
    await page.join(room);
    for (let i = 0; i < 30; i++) page.socket.emit('join', { room });
    await page.disconnected();
  })));
}

/* More frames than a connection may have acted on in one turn of the loop come in one piece. */
for (const tls of [false, true]) {
  test(`frames in any number are acted on in their order, and others are served between: ${tls ? 'TLS' : 'plain'}`, () => withServer({ shards: 1 }, (server) => withClients({ server, tls }, async (connect) => {
    const [flood, other] = [await connect(), await connect()];
    const pongs = [];
    flood.ws.on('pong', (data) => pongs.push(Number(data)));
    flood.ws._socket.cork();
    for (let i = 0; i < 20_000; i++) flood.ws.ping(String(i));
    const last = flood.ping();
    flood.ws._socket.uncork();
    await other.ping();
    await last;
    await until(() => pongs.length === 20_000, () => `${pongs.length} pongs`);
    assert.ok(pongs.every((n, i) => n === i), 'in their order');
  })));
}
