/* Limits: each hurts the one who goes beyond it, and nobody else. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chat, freshRoom, withClients } from '../lib/client.mjs';
import { Raw } from '../lib/raw.mjs';
import { withServer } from '../lib/server.mjs';
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
