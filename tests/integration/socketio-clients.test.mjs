/* The classic chat page on stock clients of several versions, by every transport. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshRoom, numbers } from '../lib/client.mjs';
import { everyWay, WAYS } from '../lib/server.mjs';
import { CLIENTS, TRANSPORTS, withPages } from '../lib/socketio.mjs';
import { amount, QUICK, until } from '../lib/wait.mjs';

const ways = QUICK ? [WAYS.at(0), WAYS.at(2), WAYS.at(-1)] : WAYS;
/** Every one of two lists with each of the other; in a hurry each at least once. */
const pairs = (ones, others) => ones.flatMap((one, i) => others.filter((_, j) => !QUICK || i % others.length === j || i === 0).map((other) => [one, other]));

everyWay(ways, {}, (at) => {
  for (const [client, transport] of pairs(Object.keys(CLIENTS), Object.keys(TRANSPORTS))) {
    const page = { client, ...TRANSPORTS[transport] };

    test(`client ${client}, ${transport}: join, talk, history, leave`, () => withPages(at, async (open) => {
      const room = freshRoom('caf\u00e9');
      const ada = await open(page);
      assert.match(ada.socket.id, /^[\w-]{10,64}$/);
      assert.deepEqual(await ada.join(room), { room, chatHistory: [] });

      ada.socket.emit('message', { room, message: 'Hello!', name: 'Ada' });
      ada.socket.emit('message', { room, message: 'Anybody here?' });
      const [hello, anybody] = await ada.heard(room, 2);
      assert.equal(hello.username, 'Ada');
      assert.equal(hello.message, 'Hello!');
      assert.equal(hello.seq, 1);
      assert.ok(Math.abs(hello.ts - Date.now()) < 60_000);
      assert.equal(anybody.username, ada.socket.id, 'who gives no name is called by the socket\'s id');
      for (const event of ada.of('message')) assert.deepEqual(Object.keys(event).sort(), ['chatMessage', 'room']);

      const ben = await open(page);
      const { chatHistory } = await ben.join(room);
      assert.deepEqual(chatHistory, [hello, anybody]);
      const n = amount(40, 10);
      for (let i = 0; i < n; i++) (i % 2 ? ada : ben).socket.emit('message', { room, message: `word ${i}`, name: i % 2 ? 'Ada' : 'Ben' });
      const [atAda, atBen] = [await ada.heard(room, 2 + n), await ben.heard(room, n)];
      assert.deepEqual(atAda.slice(2), atBen, 'both see one order');
      assert.deepEqual(atAda.map(({ seq }) => seq), numbers(1, 2 + n));
      assert.deepEqual(new Set(atBen.map(({ message }) => message)), new Set(Array.from({ length: n }, (_, i) => `word ${i}`)));

      ben.socket.emit('leave', { room });
      await until(async () => ben.ask('message', { room, message: 'gone' }).then(({ ok }) => !ok), 'ben has left');
      await ada.say(room, 'just us');
      await ada.heard(room, 3 + n);
      assert.equal(ben.messages(room).length, n);
      assert.deepEqual([...ada.disconnects, ...ben.disconnects, ...ada.troubles, ...ben.troubles], []);
    }));

    test(`client ${client}, ${transport}: acknowledgements carry number and time`, () => withPages(at, async (open) => {
      const room = freshRoom();
      const ada = await open(page);
      assert.deepEqual(await ada.ask('join', { room, name: 'Ada' }), { ok: true });
      const acks = await Promise.all(numbers(1, 10).map((i) => ada.say(room, i)));
      assert.deepEqual(acks.map(({ seq }) => seq), numbers(1, 10));
      const said = await ada.heard(room, 10);
      assert.deepEqual(said.map(({ seq, ts }) => ({ seq, ts })), acks.map(({ seq, ts }) => ({ seq, ts })));
      assert.deepEqual(said.map(({ message }) => message), numbers(1, 10));
      assert.deepEqual(await ada.ask('leave', { room }), { ok: true });
      await ada.refused('not_joined', 'message', { room, message: 'x' });
    }));
  }

  test('the defaults begin with polling, and come to WebSocket', () => withPages(at, async (open) => {
    const ada = await open();
    assert.equal(ada.began, 'polling');
    await ada.upgraded();
    const room = freshRoom();
    await ada.join(room);
    await ada.say(room, 'over WebSocket');
    const only = await open({ transports: ['polling'] });
    await only.join(room);
    await ada.say(room, 'to all');
    await only.heard(room, 1);
    assert.equal(only.transport, 'polling');
    const both = await open({ transports: ['websocket', 'polling'] });
    assert.equal(both.transport, 'websocket');
  }));

  test('what is said while the upgrade goes on comes once and in order', () => withPages(at, async (open) => {
    const room = freshRoom();
    await Promise.all(Array.from({ length: amount(20, 5) }, async () => {
      const ada = await open();
      const { chatHistory } = await ada.join(room);
      const [before, n] = [chatHistory.at(-1)?.seq ?? 0, 30];
      for (let i = 0; i < n; i++) ada.socket.emit('message', { room, message: i, name: ada.socket.id });
      await ada.upgraded();
      const last = (await ada.say(room, 'done')).seq;
      await until(() => ada.messages(room).at(-1)?.seq >= last, 'all of it');
      const said = ada.messages(room);
      assert.deepEqual(said.map(({ seq }) => seq), numbers(before + 1, said.at(-1).seq));
      assert.deepEqual(said.filter(({ username }) => username === ada.socket.id).map(({ message }) => message), [...numbers(0, n - 1), 'done']);
    }));
  }));

  test('large and many messages by polling keep to maxPayload', () => withPages(at, async (open) => {
    const room = freshRoom();
    const [ada, ben] = [await open(TRANSPORTS['polling only']), await open(TRANSPORTS['polling only'])];
    for (const page of [ada, ben]) await page.join(room);
    const n = amount(200, 60);
    for (let i = 0; i < n; i++) ada.socket.emit('message', { room, message: `${i} ${'\u20ac'.repeat(3000)}` });
    const said = await ben.heard(room, n);
    assert.deepEqual(said.map(({ message }) => Number(message.split(' ')[0])), numbers(0, n - 1));
    assert.deepEqual(ada.disconnects, []);
  }));

  test('the transport\'s id stays a secret: the socket has another one', () => withPages(at, async (open) => {
    const ada = await open(TRANSPORTS['WebSocket only']);
    assert.notEqual(ada.socket.id, ada.socket.io.engine.id);
  }));
});
