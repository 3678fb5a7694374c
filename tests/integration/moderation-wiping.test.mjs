/* What is deleted, or said in a room that is closed, is soon nowhere in the process, whoever has read it,
 * was reading it or was yet to. Needs root, to read its memory. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshRoom, withClients } from '../lib/client.mjs';
import { withSessions } from '../lib/engineio.mjs';
import { withProxy } from '../lib/proxy.mjs';
import { everyWay, findInMemory, last, marker, wiped } from '../lib/server.mjs';
import { TRANSPORTS, withPages } from '../lib/socketio.mjs';
import { AUTH, bearer, mint } from '../lib/token.mjs';
import { amount, until } from '../lib/wait.mjs';

const WAYS = [{ shards: 1, tls: false }, { shards: 4, tls: true }];
const READERS = 6; // on several shards, as the kernel spreads them

/* All run at once, so that no later traffic covers what an earlier test has left. */
everyWay(last(WAYS), AUTH, (at) => {
  const moderator = () => mint({ sub: 'mod', can: { '*': 'read write moderate' } });

  /** `body` says what is to vanish, and returns [{seq, mark}]; then it is deleted, and in another room closed. */
  const gone = (name, body) => {
    for (const how of ['deleted', 'closed']) {
      test(`${how}, its bytes are nowhere in the process: ${name}`, { skip: process.getuid() !== 0 && 'not root' }, () =>
        withPages(at, (open) => withSessions(at, (sessions) => withClients(at, async (connect) => {
          const native = async (sub) => connect(bearer(await mint({ sub })));
          const page = async (sub, options) => open({ auth: { token: await mint({ sub }) }, ...options });
          const [room, mod, ada] = [freshRoom(how), await connect(bearer(await moderator())), await native('ada')];
          await ada.join(room);
          ada.listen(() => {});
          const ended = []; // what to do at the end
          const said = await body({ room, ada, native, page, sessions, ended });
          const marks = said.map(({ mark }) => mark);
          const found = findInMemory(at.server.pid, marks);
          for (const mark of marks) assert.ok(found.some(({ needle }) => needle === mark), 'it is found while it lives: the search works');
          const since = Date.now();
          if (how === 'closed') assert.equal((await mod.ask('close', { room })).ev, 'done');
          else for (const { seq } of said) assert.equal((await mod.ask('delete', { room, seq })).ev, 'done');
          await wiped(at.server, marks, since);
          for (const end of ended) end();
        }))));
    }
  };

  const say = async (chat, room, text = (mark) => mark) => {
    const mark = marker();
    const { seq } = await chat.send(room, text(mark), { data: { mark } });
    return { seq, mark };
  };

  gone('a message read by many', async ({ room, ada, native }) => {
    const readers = await Promise.all(Array.from({ length: READERS }, (_, i) => native(`r${i}`)));
    for (const chat of readers) await chat.join(room);
    const said = [await say(ada, room), await say(ada, room)];
    for (const chat of readers) await chat.messages(room, 2);
    await readers[0].history(room);
    await (await native('late')).join(room);
    return said;
  });

  gone('a message read by pages, on every transport', async ({ room, ada, page }) => {
    const pages = await Promise.all(Object.values(TRANSPORTS).map((options, i) => page(`p${i}`, options)));
    for (const one of pages) await one.join(room);
    const said = [await say(ada, room), await say(ada, room)];
    for (const one of pages) await one.heard(room, 2);
    await (await page('late')).join(room);
    return said;
  });

  gone('the last of many, large ones', async ({ room, ada, native, page }) => {
    const [ben, one] = [await native('ben'), await page('cem', TRANSPORTS['WebSocket only'])];
    for (const chat of [ben, one]) await chat.join(room);
    const said = [];
    for (let i = 0; i < 20; i++) said.push(await say(ada, room, (mark) => `${mark} ${'x'.repeat(i * 700)} ${mark}`));
    await ben.messages(room, 20);
    await one.heard(room, 20);
    return said;
  });

  gone('what stalled members have not been sent, or only a part of', async ({ room, ada, native, page, ended }) => {
    const stalled = await Promise.all(Array.from({ length: READERS }, (_, i) => native(`s${i}`)));
    for (const chat of stalled) await chat.join(room);
    const one = await page('cem', TRANSPORTS['WebSocket only']);
    await one.join(room);
    for (const chat of stalled) chat.ws.pause();
    const { ws } = one.socket.io.engine.transport;
    ws._socket.pause();
    ended.push(() => ws.terminate()); // it would wait long for the answer to its close
    const said = [];
    const filler = 'x'.repeat(12000);
    for (let i = 0; i < amount(700, 350); i++) { // more than the kernel takes for them: some of it is under way
      if (i % 20) await ada.send(room, filler);
      else said.push(await say(ada, room, (mark) => `${mark}${filler}`));
    }
    const first = (await ada.history(room, { after: 0, limit: 1 })).messages[0].seq;
    return said.filter(({ seq }) => seq >= first);
  });

  gone('what a poll has not fetched', async ({ room, ada, sessions }) => {
    const session = await sessions.polling();
    await session.connect({ token: await mint({ sub: 'cem' }) });
    await session.say(`42${JSON.stringify(['join', room])}`);
    assert.equal((await session.event('joined'))[1].room, room);
    return [await say(ada, room), await say(ada, room)];
  });

  gone('what a lost page has not come back for', async ({ room, ada, page, native }) => {
    const ben = await native('ben');
    await ben.join(room);
    const said = [];
    await withProxy(at, async (proxy) => {
      const one = await page('cem', { url: proxy.url, ...TRANSPORTS['WebSocket only'] });
      await one.join(room);
      said.push(await say(ada, room));
      await one.heard(room, 1);
      proxy.break();
      await ben.next((event) => event.ev === 'member' && event.uid === 'cem' && !event.on, 'its going');
      said.push(await say(ada, room));
      one.close();
    });
    return said;
  });

  gone('of one who has left', async ({ room, native }) => {
    const cem = await native('cem');
    await cem.join(room);
    const said = [await say(cem, room)];
    await cem.close();
    return said;
  });

  test('the stalled member goes on after what was deleted', { skip: process.getuid() !== 0 && 'not root' }, () => withClients(at, async (connect) => {
    const room = freshRoom();
    const [ada, ben, mod] = [await connect(bearer(await mint())), await connect(bearer(await mint({ sub: 'ben' }))), await connect(bearer(await moderator()))];
    for (const chat of [ada, ben]) await chat.join(room);
    ada.listen(() => {});
    ben.ws.pause();
    const n = amount(400, 250);
    const half = [];
    for (let i = 1; i <= n; i++) {
      const { seq } = await ada.send(room, 'x'.repeat(8000));
      if (i > n / 2 && i % 2) half.push(seq);
    }
    for (const seq of half) assert.equal((await mod.ask('delete', { room, seq })).ev, 'done');
    ben.ws.resume();
    /* One that was sent a part of what was deleted is cut off; then it comes back. */
    await until(() => ben.closedWith || ben.events.some(({ ev, seq }) => ev === 'message' && seq === n), 'the last one, or the end');
    const covered = new Map();
    for (const event of ben.events) {
      if (event.ev === 'message' || event.ev === 'deleted') covered.set(event.seq, event.ev);
      if (event.ev === 'gap') for (let seq = event.from; seq <= event.to; seq++) covered.set(seq, 'gap');
    }
    const reached = Math.max(...covered.keys());
    for (let seq = 1; seq <= reached; seq++) assert.ok(covered.has(seq), `number ${seq} is told of`);
    if (!ben.closedWith) assert.ok(reached >= n);
  }));
}, { concurrency: 16 });
