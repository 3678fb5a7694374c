/* Wiping of all that is not a message: soon after a user or a room is gone, its names, uids, sids and
 * tokens are nowhere in the process. Needs root, to read its memory. And no log line tells of them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshRoom, withClients } from '../lib/client.mjs';
import { Packets, Polling, request } from '../lib/engineio.mjs';
import { everyWay, findInMemory, marker, wiped } from '../lib/server.mjs';
import { Page, TRANSPORTS } from '../lib/socketio.mjs';
import { AUTH, bearer, mint } from '../lib/token.mjs';
import { sleep, until } from '../lib/wait.mjs';

const WAYS = [{ shards: 1, tls: false }, { shards: 4, tls: true }];
const NOTICE_MS = 10_000; // passing events are kept so long for those who are busy reading
const GHOST_MS = 10_000; // and the sid of a session that has moved to another transport
/* Reading all of its memory keeps this process busy for long: no upgrade shall be late for that. */
const settings = { 'log.level': 'debug', 'limits.handshake_timeout': 90, 'presence.grace': 1, 'limits.recovery': 1, 'retention.ttl': 2 };
const skip = process.getuid() !== 0 && 'not root';

const found = (at, marks) => assert.ok(findInMemory(at.server.pid, marks).length > 0, 'it is found while it is needed: the search works');
const noSuchRoom = (chat, room) => until(async () => (await chat.ask('members', { room })).code === 'no_such_room', 'the end of the room');

/* All run at once, so that no later traffic covers what an earlier test has left. */
everyWay(WAYS, settings, (at) => {
  const gone = (name, use) => test(`nowhere in the process: ${name}`, { skip }, () => withClients(at, use));

  for (const [way, go] of Object.entries({ 'says goodbye': (chat) => chat.close(), 'breaks': (chat) => chat.cut(), 'leaves, then closes': async (chat, room) => {
    await chat.leave(room);
    await chat.close();
  } })) {
    gone(`a user alone in a room, who ${way}`, async (connect) => {
      const [chat, other] = [await connect(), await connect()];
      const [room, name, second] = [marker(), marker(), marker()];
      await chat.join(room, { name });
      await chat.join(room, { name: second });
      await chat.ask('typing', { room, on: true });
      await chat.members(room);
      await other.history(room);
      await other.members(room);
      const { sid, uid } = chat.hello;
      found(at, [room, second, uid, sid]);
      await go(chat, room);
      await noSuchRoom(other, room);
      await wiped(at.server, [room, name, second, uid, sid], Date.now());
    });
  }

  gone('a user who has left others behind, once that is no news any more', async (connect) => {
    const [chat, other, third] = [await connect(), await connect(), await connect()];
    const room = marker();
    const [name, wrong] = [marker(), marker()];
    await other.join(room);
    await chat.join(room, { name });
    await third.join(room);
    await chat.ask('typing', { room, on: true });
    await chat.ask('members', { room: wrong });
    await other.members(room);
    const { sid, uid } = chat.hello;
    chat.cut();
    await other.next((event) => event.ev === 'member' && !event.on, 'its going');
    await sleep(NOTICE_MS);
    await wiped(at.server, [name, uid, sid, wrong], Date.now());
    found(at, [room]);
    await other.close();
    await third.close();
    await wiped(at.server, [room], Date.now());
  });

  gone('one that came back, by its sid', async (connect) => {
    const chat = await connect();
    const { sid, uid } = chat.hello;
    const room = marker();
    await chat.join(room);
    chat.cut();
    const back = await connect({ path: `/ws?session=${sid}` });
    assert.equal(back.uid, uid);
    await back.join(room);
    await back.close();
    const since = Date.now();
    await wiped(at.server, [sid, uid, room], since);
  });

  gone('what a request that was refused has named', async (connect) => {
    const chat = await connect();
    const marks = [marker(), marker(), marker(), marker()];
    await chat.ask('join', { room: marks[0], name: 5 });
    await chat.ask('kick', { room: marks[1], uid: marks[2] });
    chat.raw(`{"op":"join","room":"${marks[3]}`);
    await chat.next('error');
    await wiped(at.server, marks, Date.now());
  });

  for (const [name, transport] of Object.entries(TRANSPORTS)) {
    gone(`a Socket.IO client: ${name}`, async (connect) => {
      const other = await connect();
      const [room, shown, once] = [marker(), marker(), marker()];
      const page = new Page(at, transport);
      try {
        await page.connected();
        if (!transport.transports) await page.upgraded();
        await page.join(room, { name: shown });
        await page.say(room, 'expires soon', { name: once });
        const [{ uid }] = (await other.members(room)).members;
        const { id, _pid: pid } = page.socket;
        const { id: sid } = page.socket.io.engine;
        found(at, [shown, uid, sid]);
        page.close();
        await noSuchRoom(other, room);
        await sleep(transport.transports ? 0 : GHOST_MS);
        await wiped(at.server, [room, shown, once, uid, id, pid, sid].filter(Boolean), Date.now());
      } finally {
        page.close();
      }
    });
  }

  gone('a Socket.IO session that was lost, and is not remembered any more', async (connect) => {
    const other = await connect();
    const [room, shown] = [marker(), marker()];
    await other.join(room);
    const socket = await Packets.open(at);
    const { sid: id, pid } = await socket.connect();
    socket.say(`42${JSON.stringify(['join', { room, name: shown }])}`);
    await socket.event('joined');
    const { uid } = await other.next('member');
    socket.cut();
    await other.next((event) => event.ev === 'member' && !event.on, 'its going');
    await sleep(NOTICE_MS);
    await wiped(at.server, [shown, uid, id, pid, socket.sid], Date.now());
  });

  gone('a polling session that ends in the middle', async () => {
    const session = await Polling.open(at);
    const room = marker();
    await session.post('40');
    await session.post(`42${JSON.stringify(['join', { room, name: room }])}`);
    const answers = [];
    await until(async () => {
      answers.push((await session.get()).text);
      return answers.join().includes('joined');
    }, 'joined');
    const pid = /"pid":"([^"]+)"/.exec(answers.join())[1];
    await session.post('41\x1e1');
    await wiped(at.server, [room, session.sid, pid], Date.now());
  });
}, { concurrency: 16 });

everyWay(WAYS, { ...settings, ...AUTH }, (at) => {
  const gone = (name, use) => test(`nowhere in the process: ${name}`, { skip }, () => withClients(at, use));
  const parts = (token) => token.split('.').slice(1); // the header is every token's

  gone('a token, by whichever way it came, and what it says', async (connect) => {
    const tokens = [], marks = [];
    const claims = () => {
      const [sub, name, room] = [marker(), marker(), marker()];
      marks.push(sub, name, room);
      return { sub, name, can: { [room]: 'read write' } };
    };
    const fresh = async () => {
      tokens.push(await mint(claims()));
      return tokens.at(-1);
    };
    const chats = [await connect(bearer(await fresh())), await connect({ path: `/ws?token=${await fresh()}` }),
      await connect({ protocols: ['ringroom.v1', `bearer.${await fresh()}`] }), await connect()];
    const own = claims();
    tokens.push(await mint(own), await mint({ ...own, left: 400 }), await mint({ ...own, left: -100 }));
    await chats[3].ask('auth', { token: tokens.at(-3) });
    await chats[3].ask('auth', { token: tokens.at(-2) });
    await chats[3].refused('unauthorized', 'auth', { token: tokens.at(-1) });
    for (const [i, chat] of chats.entries()) await chat.join(marks[3 * i + 2]);
    found(at, [marks[0]]);
    for (const chat of chats) await chat.close();
    await wiped(at.server, [...tokens.flatMap(parts), ...marks], Date.now());
  });

  gone('a token of Socket.IO, in the handshake and in CONNECT', async () => {
    const marks = [marker(), marker(), marker()];
    const tokens = await Promise.all(marks.map((sub) => mint({ sub })));
    const polling = await Polling.open(at, { headers: { authorization: `Bearer ${tokens[0]}` } });
    await polling.post('40');
    await polling.post('41\x1e1');
    const socket = await Packets.open(at);
    await socket.connect({ token: tokens[1] });
    socket.say('41');
    socket.cut();
    await request(at, { query: `EIO=4&transport=polling&token=${tokens[2].slice(0, -2)}` });
    await wiped(at.server, [...tokens.flatMap(parts).map((part) => part.slice(0, 40)), ...marks, polling.sid, socket.sid], Date.now());
  });

  gone('a uid that was kicked and muted, when that is over', async (connect) => {
    const room = freshRoom();
    const uid = marker();
    const mod = await connect(bearer(await mint({ sub: 'mod', can: { '*': 'read write moderate' } })));
    await mod.join(room);
    const chat = await connect(bearer(await mint({ sub: uid })));
    await chat.join(room);
    await mod.ask('mute', { room, uid, seconds: 2 });
    await mod.ask('kick', { room, uid, seconds: 2 });
    await chat.next('closed');
    await chat.ask('join', { room });
    await chat.close();
    await sleep(NOTICE_MS);
    await wiped(at.server, [uid], Date.now());
  });
}, { concurrency: 16 });

everyWay([{ shards: 2, tls: true }], { ...settings, ...AUTH, 'limits.messages_per_second': 5, 'limits.requests_per_second': 50 }, (at) => {
  test('no line of the log names a room, a user, an address, a token or a text', () => withClients(at, async (connect) => {
    const [room, name, sub, text] = [marker(), marker(), marker(), marker()];
    const token = await mint({ sub, name });
    const mod = await connect(bearer(await mint({ sub: `${sub}-mod`, can: { '*': 'read write moderate' } })));
    const chat = await connect(bearer(token));
    const page = new Page(at, { auth: { token }, ...TRANSPORTS['WebSocket only'] });
    try {
      await page.connected();
      await page.join(room);
      await mod.join(room);
      await chat.join(room);
      for (let i = 0; i < 60; i++) chat.raw({ op: 'send', room, text }); // until it is sent away
      await chat.gone();
      page.socket.emit('message', { room, message: text });
      await mod.ask('delete', { room, seq: 1 });
      await mod.ask('mute', { room, uid: sub, seconds: 60 });
      await mod.ask('kick', { room, uid: sub, seconds: 60 });
      await mod.refused('unauthorized', 'auth', { token: `${token}x` });
      await mod.refused('no_such_room', 'history', { room: `${room}-2` });
      mod.raw(`{"op":"${text}`);
      await (await connect(bearer(token))).refused('forbidden', 'join', { room });
      await mod.ask('close', { room });
      for (const path of [`/${room}`, `/ws?session=${text}`]) await request(at, { path, query: '' });
      mod.cut();
    } finally {
      page.close();
    }
    await at.server.stop();
    for (const word of [room, name, sub, text, token, token.split('.')[2], '127.0.0.1', '::1', 'marker'])
      assert.ok(!at.server.log.includes(word), `${word} in:\n${at.server.log}`);
    assert.match(at.server.log, /stopp/);
  }));
});
