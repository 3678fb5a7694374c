/* Wiping: soon after expiry a message's bytes are nowhere in the process. Needs root, to read its memory. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshRoom, withClients } from '../lib/client.mjs';
import { everyWay, findInMemory, marker, wiped } from '../lib/server.mjs';
import { sleep, until } from '../lib/wait.mjs';

const TTL = 2;
const TTL_MS = TTL * 1000;
const settings = {
  'log.level': 'debug',
  rooms: [
    { match: 'last-*', ttl: TTL, ttl_from: 'last_message' },
    { match: 'each-*', ttl: TTL, ttl_from: 'message' },
    { match: 'first-*', ttl: TTL, ttl_from: 'first_message' },
  ],
};
const WAYS = [{ shards: 1, tls: false }, { shards: 4, tls: true }];

/* All run at once, so that no later traffic covers what an earlier test has left. */
everyWay(WAYS, settings, (at) => {
  const both = (name, body) => test(name, { skip: process.getuid() !== 0 && 'not root' }, () => withClients(at, body));

  const gone = (name, kind, body) => both(`after expiry its bytes are nowhere in the process: ${name}`, async (connect) => {
    const [chat, reader] = [await connect(), await connect()];
    const room = freshRoom(kind);
    await chat.join(room, { name: 'Ada' });
    await reader.join(room);
    const marks = await body({ chat, reader, room, connect });
    const expires = Date.now() + TTL_MS;
    await until(() => Date.now() >= expires, 'expiry');
    await wiped(at.server, marks, expires);
  });

  gone('a message sent, replayed and read in history', 'last', async ({ chat, reader, room, connect }) => {
    const mark = marker();
    await chat.send(room, `text ${mark}`, { data: { mark: `data ${mark}` } });
    await reader.next('message');
    await reader.history(room);
    await (await connect()).join(room);
    assert.ok(findInMemory(at.server.pid, [mark]).length > 0, 'it is found while it lives: the search works');
    return [mark];
  });

  gone('with an id and a cid, by one who has left', 'last', async ({ reader, room, connect }) => {
    const chat = await connect();
    const [id, cid, text] = [marker(), marker(), marker()];
    await chat.join(room);
    chat.raw({ op: 'send', id, room, text, cid });
    await reader.next('message');
    await chat.close();
    return [id, cid, text];
  });

  gone('many, large ones too', 'first', async ({ chat, reader, room }) => {
    const marks = Array.from({ length: 40 }, marker);
    await Promise.all(marks.map((mark, i) => chat.send(room, `${mark} ${'x'.repeat(i * 300)} ${mark}`)));
    await reader.messages(room, 40);
    return marks;
  });

  gone('refused ones', 'last', async ({ chat, room }) => {
    const marks = [marker(), marker(), marker()];
    await chat.ask('send', { room: freshRoom(), text: marks[0] });
    await chat.ask('send', { room, text: marks[1], cid: 5 });
    chat.raw(`{"op":"send","room":"x","text":"${marks[2]}`);
    await chat.next('error');
    return marks;
  });

  gone('sent in fragments, by a client that has gone', 'last', async ({ reader, room, connect }) => {
    const chat = await connect();
    const mark = marker();
    await chat.join(room);
    for (const part of JSON.stringify({ op: 'send', room, text: `${mark} ${mark}` }).match(/.{1,20}/g)) chat.ws.send(part, { fin: false });
    chat.ws.send('', { fin: true });
    await reader.next('message');
    chat.cut();
    return [mark];
  });

  both('after expiry its bytes are nowhere in the process: inside a segment that is partly alive', async (connect) => {
    const chat = await connect();
    const room = freshRoom('each');
    await chat.join(room);
    const mark = marker();
    await chat.send(room, `old ${mark}`);
    const { ts } = await chat.next('message');
    const alive = setInterval(() => chat.raw({ op: 'send', room, text: 'young' }), 100);
    try {
      await sleep(Math.max(0, ts + TTL_MS - Date.now()));
      await wiped(at.server, [mark], ts + TTL_MS);
      const { messages } = await chat.history(room);
      assert.ok(messages.length > 0, 'the young ones live'); // how many depends on the machine's load
      assert.ok(messages.every(({ text }) => text === 'young'));
    } finally {
      clearInterval(alive);
    }
  });

  both('what a stalled member has not been sent is gone as well', async (connect) => {
    const [chat, stalled] = [await connect(), await connect()];
    const room = freshRoom('last');
    await chat.join(room);
    await stalled.join(room);
    chat.listen(() => {});
    stalled.ws.pause();
    for (let i = 0; i < 2000; i += 50) await Promise.all(Array.from({ length: 50 }, () => chat.send(room, 'x'.repeat(4000))));
    const mark = marker();
    await chat.send(room, mark);
    const expires = Date.now() + TTL_MS;
    await sleep(TTL_MS);
    await wiped(at.server, [mark], expires);
  });
}, { concurrency: 16 });
