/* Socket.IO members and native members of one room: one talk, one order, one presence, one history. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshRoom, numbers, withClients } from '../lib/client.mjs';
import { everyWay, fewer, WAYS } from '../lib/server.mjs';
import { TRANSPORTS, withPages } from '../lib/socketio.mjs';
import { amount, until } from '../lib/wait.mjs';

everyWay(fewer(WAYS), {}, (at) => {
  const both = (name, use) => test(name, () => withPages(at, (open) => withClients(at, (connect) => use({ open, connect }))));

  for (const [name, transport] of Object.entries(TRANSPORTS)) {
    both(`each sees what the other says: ${name}`, async ({ open, connect }) => {
      const room = freshRoom();
      const [page, chat] = [await open(transport), await connect()];
      await page.join(room);
      await chat.join(room, { name: 'Nat' });

      const { seq, ts } = await page.say(room, 'from the page', { name: 'Ada' });
      const heard = await chat.next('message');
      assert.deepEqual([heard.seq, heard.ts, heard.from, heard.text, heard.data], [seq, ts, 'Ada', 'from the page', undefined]);

      const ack = await chat.send(room, 'from the native one');
      const [, seen] = await page.heard(room, 2);
      assert.deepEqual(seen, { username: 'Nat', message: 'from the native one', seq: ack.seq, ts: ack.ts, uid: chat.uid });
      assert.equal(page.messages(room)[0].uid, heard.uid);
    });
  }

  both('values that are no text: data here, message there', async ({ open, connect }) => {
    const room = freshRoom();
    const [page, chat] = [await open(), await connect()];
    await page.join(room);
    await chat.join(room);
    const values = [{ mood: 'fine', list: [1, null, 'x'] }, [1, [2]], 42, -1.5, true, false, null, ''];
    for (const value of values) {
      await page.say(room, value);
      const event = await chat.next('message');
      assert.deepEqual('text' in event ? event.text : event.data, value);
      assert.equal('text' in event, typeof value === 'string');
    }
    for (const value of values.slice(0, 7)) await chat.ask('send', { room, data: value });
    const said = (await page.heard(room, 2 * values.length - 1)).map(({ message }) => message);
    assert.deepEqual(said, [...values, ...values.slice(0, 7)]);
    await chat.ask('send', { room, text: 'with', data: { more: 1 } });
    const { message, data } = (await page.heard(room, 2 * values.length)).at(-1);
    assert.deepEqual([message, data], ['with', { more: 1 }]);
  });

  both('all talk at once, and everybody has the same order and numbers', async ({ open, connect }) => {
    const room = freshRoom();
    const pages = await Promise.all(Object.values(TRANSPORTS).map((transport) => open(transport)));
    const chats = await Promise.all([0, 1, 2].map(() => connect()));
    for (const one of [...pages, ...chats]) await one.join(room);
    const n = amount(100, 30);
    await Promise.all([
      ...pages.map(async (page, p) => { for (let i = 0; i < n; i++) await page.say(room, `p${p} ${i}`); }),
      ...chats.map(async (chat, c) => { for (let i = 0; i < n; i++) await chat.send(room, `c${c} ${i}`); }),
    ]);
    const total = 6 * n;
    const truth = (await chats[0].messages(room, total)).map(({ seq, ts, text, uid }) => ({ seq, ts, text, uid }));
    assert.deepEqual(truth.map(({ seq }) => seq), numbers(1, total));
    for (const chat of chats.slice(1)) assert.deepEqual((await chat.messages(room, total)).map(({ seq, ts, text, uid }) => ({ seq, ts, text, uid })), truth);
    for (const page of pages) assert.deepEqual((await page.heard(room, total)).map(({ seq, ts, message, uid }) => ({ seq, ts, text: message, uid })), truth);
    for (const who of ['p0', 'p1', 'p2', 'c0', 'c1', 'c2'])
      assert.deepEqual(truth.filter(({ text }) => text.startsWith(who)).map(({ text }) => Number(text.split(' ')[1])), numbers(0, n - 1));
  });

  both('one history for both', async ({ open, connect }) => {
    const room = freshRoom();
    const [page, chat] = [await open(), await connect()];
    await page.join(room);
    await chat.join(room, { name: 'Nat' });
    for (let i = 0; i < 5; i++) {
      await page.say(room, `page ${i}`, { name: 'Ada' });
      await chat.send(room, `native ${i}`);
    }
    const { chatHistory } = await (await open()).join(room);
    const late = await connect();
    await late.join(room);
    const replay = await late.messages(room, 10);
    const { messages } = await late.history(room);
    const plain = ({ seq, ts, from, uid, text }) => ({ username: from, message: text, seq, ts, uid });
    assert.deepEqual(chatHistory, replay.map(plain));
    assert.deepEqual(chatHistory, messages.map(plain));
    assert.deepEqual(chatHistory.map(({ message }) => message), numbers(0, 4).flatMap((i) => [`page ${i}`, `native ${i}`]));
  });

  both('each sees the other come and go', async ({ open, connect }) => {
    const room = freshRoom();
    const [page, chat] = [await open(), await connect()];
    await page.join(room, { name: 'Ada' });
    await chat.join(room, { name: 'Nat' });
    await until(() => page.of('member').length === 1, 'the native one');
    assert.deepEqual(page.of('member')[0], { room, uid: chat.uid, name: 'Nat', on: true, count: 2 });

    const third = await open();
    await third.join(room, { name: 'Cem' });
    const { uid, ...come } = await chat.next('member');
    assert.deepEqual(come, { ev: 'member', room, name: 'Cem', on: true, count: 3 });
    assert.deepEqual((await chat.members(room)).members.map(({ name }) => name).sort(), ['Ada', 'Cem', 'Nat']);
    third.close();
    const gone = await chat.next('member');
    assert.deepEqual([gone.uid, gone.on, gone.count], [uid, false, 2]);
    await chat.leave(room);
    await until(() => page.of('member').at(-1).count === 1, 'it has left');
    assert.deepEqual(page.of('member').at(-1), { room, uid: chat.uid, name: 'Nat', on: false, count: 1 });
    page.socket.emit('leave', { room });
    await until(async () => (await chat.ask('members', { room })).code === 'no_such_room', 'all have left, and nothing was said');
  });

  both('the upgrade is nobody\'s going and coming', async ({ open, connect }) => {
    const room = freshRoom();
    const chat = await connect();
    await chat.join(room);
    for (let i = 0; i < amount(20, 5); i++) {
      const page = await open();
      await page.join(room);
      await page.upgraded();
      await page.say(room, `${i}`);
      await chat.next('message');
      page.close();
      await until(() => chat.events.some((event) => event.ev === 'member' && !event.on), 'it goes');
      assert.deepEqual(chat.take('member').map(({ on }) => on), [true, false]);
    }
  });

  both('typing is told to the pages', async ({ open, connect }) => {
    const room = freshRoom();
    const [page, chat] = [await open(), await connect()];
    await page.join(room);
    await chat.join(room, { name: 'Nat' });
    for (const on of [true, false]) await chat.ask('typing', { room, on });
    await until(() => page.of('typing').length === 2, 'both');
    assert.deepEqual(page.of('typing'), [true, false].map((on) => ({ room, uid: chat.uid, from: 'Nat', on })));
  });
});
