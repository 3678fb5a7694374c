/* Tokens of Socket.IO clients: by CONNECT and by the handshake, refused, running out, and on coming back. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshRoom, numbers, withClients } from '../lib/client.mjs';
import { POLLING, withSessions } from '../lib/engineio.mjs';
import { withProxy } from '../lib/proxy.mjs';
import { everyWay, last, withServer } from '../lib/server.mjs';
import { CLIENTS, Page, TRANSPORTS, withPages } from '../lib/socketio.mjs';
import { AUTH, bearer, mint } from '../lib/token.mjs';
import { QUICK, sleep, until } from '../lib/wait.mjs';

const WAYS = [{ shards: 1, tls: false }, { shards: 4, tls: true }];
const WEBSOCKET = TRANSPORTS['WebSocket only'];
const POLLING_ONLY = TRANSPORTS['polling only'];

/** A page that is not let in: why not. */
async function turnedAway(at, pages, options) {
  const page = new Page(at, { reconnection: false, ...options });
  pages.push(page);
  await until(() => page.troubles.length, 'the refusal');
  assert.equal(page.connects.length, 0);
  return page.troubles[0];
}

everyWay(last(WAYS), AUTH, (at) => {
  const both = (name, use) => test(name, () => withPages(at, (open, pages) => withClients(at, (connect) => use({ open, pages, connect }))));

  for (const [transport, options] of Object.entries(TRANSPORTS)) {
    both(`a token comes by auth, by the query, by a header: ${transport}`, async ({ open, connect }) => {
      const room = freshRoom();
      const ben = await connect(bearer(await mint({ sub: 'ben' })));
      await ben.join(room);
      const token = await mint({ name: 'Ada L.' });
      for (const way of [{ auth: { token } }, { auth: (tell) => tell({ token }) }, { query: { token } }, { extraHeaders: { authorization: `Bearer ${token}` } }]) {
        const page = await open({ ...way, ...options });
        await page.join(room, { name: 'Queen' });
        await page.say(room, 'hi', { name: 'Empress' });
        const { uid, from } = await ben.next('message');
        assert.deepEqual([uid, from], ['ada', 'Ada L.'], 'the token says who it is');
        page.close();
        await ben.next((event) => event.ev === 'member' && !event.on, 'its going');
      }
      await ben.send(room, 'x');
      assert.equal((await ben.members(room)).count, 1);
    });

    both(`without a token, or with a bad one, CONNECT is refused: ${transport}`, async ({ pages }) => {
      assert.match((await turnedAway(at, pages, options)).message, /^unauthorized/);
      for (const token of [await mint({ left: -1 }), await mint({ aud: 'shop' }), await mint({ rooms: undefined }), 'nonsense'])
        assert.match((await turnedAway(at, pages, { auth: { token }, ...options })).message, /^token: /);
      assert.match((await turnedAway(at, pages, { auth: { token: 5 }, ...options })).message, /^unauthorized/);
      await turnedAway(at, pages, { query: { token: await mint({ left: -1 }) }, ...options });
    });
  }

  if (!QUICK) {
    for (const client of Object.keys(CLIENTS)) {
      both(`clients of ${client} come in, and are refused`, async ({ open, pages }) => {
        const page = await open({ client, auth: { token: await mint() } });
        await page.join(freshRoom());
        assert.match((await turnedAway(at, pages, { client })).message, /^unauthorized/);
      });
    }
  }

  test('a bad token at the handshake is 401, on either transport', () => withSessions(at, async ({ request, websocket }) => {
    const bad = await mint({ left: -1 });
    for (const options of [{ query: `${POLLING}&token=${bad}` }, bearer(bad)]) {
      const { status, text } = await request(options);
      assert.equal(status, 401);
      assert.match(JSON.parse(text).message, /expired/);
    }
    const noRooms = await request(bearer(await mint({ rooms: undefined })));
    assert.match(JSON.parse(noRooms.text).message, /rooms/);
    await assert.rejects(websocket({ query: `EIO=4&transport=websocket&token=${bad}` }), /401/);
  }));

  test('after a refusal the connection stays, and a good token is taken; before that nothing else is', () => withSessions(at, async ({ polling, websocket }) => {
    for (const open of [polling, websocket]) {
      const session = await open();
      await session.say('40');
      assert.match(await session.next(), /^44\{"message":"unauthorized/);
      await session.say(`40${JSON.stringify({ token: await mint({ left: -1 }) })}`);
      assert.match(await session.next(), /^44\{"message":"token: it has expired"\}$/);
      const { sid } = await session.connect({ token: await mint() });
      assert.match(sid, /./);
      const other = await open();
      await other.say(`40${JSON.stringify({ token: 'x' })}`);
      assert.match(await other.next(), /^44/);
      if (open === polling) {
        await other.post('42["join","room"]');
        await other.assertGone();
      } else {
        other.say('42["join","room"]');
        assert.equal(await other.gone(), 1000);
      }
    }
  }));

  test('the third bad token ends the session', () => withSessions(at, async ({ polling, websocket }) => {
    for (const open of [polling, websocket]) {
      const session = await open();
      const bad = `40${JSON.stringify({ token: await mint({ left: -1 }) })}`;
      await session.say('40'); // none is not a bad one
      assert.match(await session.next(), /^44/);
      for (let i = 0; i < 2; i++) {
        await session.say(bad);
        assert.match(await session.next(), /^44/);
      }
      if (open === polling) {
        await session.post(bad);
        await session.assertGone();
      } else {
        session.say(bad);
        assert.match(await session.next(), /^44/);
        assert.equal(await session.gone(), 4001);
      }
    }
  }));

  test('CONNECT may bring a fresh token for the same user, not one for another', () => withSessions(at, async ({ websocket }) => {
    const session = await websocket({ headers: bearer(await mint()).headers });
    await session.say(`40${JSON.stringify({ token: await mint({ sub: 'ben' }) })}`);
    assert.match(await session.next(), /^44\{"message":"token: is another user's"\}$/);
    await session.connect({ token: await mint() });
  }));

  both('a user is one member, whichever way it comes', async ({ open, connect }) => {
    const room = freshRoom();
    const ben = await connect(bearer(await mint({ sub: 'ben' })));
    await ben.join(room);
    const ada = await connect(bearer(await mint()));
    await ada.join(room);
    for (const options of Object.values(TRANSPORTS)) await (await open({ auth: { token: await mint() }, ...options })).join(room);
    const { members } = await ben.members(room);
    assert.deepEqual(members.find(({ uid }) => uid === 'ada').sessions, 4);
    assert.equal(members.length, 2);
    assert.equal(ben.take('member').length, 1);
  });

  for (const [transport, options] of Object.entries({ polling: POLLING_ONLY, WebSocket: WEBSOCKET })) {
    both(`a token that runs out ends the session, told before: ${transport}`, async ({ open, connect }) => {
      const room = freshRoom();
      const ben = await connect(bearer(await mint({ sub: 'ben' })));
      await ben.join(room);
      const page = await open({ auth: { token: await mint({ left: 3 }) }, ...options });
      await page.join(room);
      await until(() => page.of('expiring').length, 'expiring');
      const { in_ms } = page.of('expiring')[0];
      assert.ok(in_ms > 0 && in_ms <= 1600, `${in_ms} ms`);
      await page.disconnected();
      const { uid } = await ben.next((event) => event.ev === 'member' && !event.on, 'its going');
      assert.equal(uid, 'ada');
      await until(() => page.troubles.length, 'it comes back with what has expired');
      assert.match(page.troubles[0].message, /expired/);
    });
  }

  both('a page that brings a fresh one each time goes on, recovered', async ({ open, connect }) => {
    const room = freshRoom();
    const ben = await connect(bearer(await mint({ sub: 'ben' })));
    await ben.join(room);
    let times = 0;
    const page = await open({ auth: (tell) => mint({ left: times++ ? 300 : 3 }).then((token) => tell({ token })), ...WEBSOCKET });
    await page.join(room);
    await ben.send(room, 'before');
    await page.heard(room, 1);
    await page.connected(2);
    assert.equal(page.connects[1].recovered, true);
    await ben.send(room, 'after');
    await page.heard(room, 2);
    assert.deepEqual(page.messages(room).map(({ seq }) => seq), [1, 2]);
  });

  /** Ada on a network that breaks; her next token is `again`. */
  const broken = (name, options, again, use) => both(`coming back ${name}`, ({ open, connect }) => withProxy(at, async (proxy) => {
    const rooms = [freshRoom('one'), freshRoom('two')];
    const ben = await connect(bearer(await mint({ sub: 'ben' })));
    let token = await mint();
    const page = await open({ url: proxy.url, auth: (tell) => tell({ token }), ...options });
    for (const room of rooms) {
      await ben.join(room);
      await page.join(room);
      await ben.send(room, 'before');
      await page.heard(room, 1);
    }
    const { id } = page.socket;
    proxy.break();
    await page.disconnected();
    for (const room of rooms) await ben.send(room, 'missed');
    token = again && await mint(again);
    proxy.mend();
    await use({ page, ben, rooms, id, renew: async (claims) => { token = await mint(claims); } });
  }));

  for (const [transport, options] of Object.entries({ polling: POLLING_ONLY, WebSocket: WEBSOCKET })) {
    broken(`with a fresh token of the same user is recovered: ${transport}`, options, { left: 200 }, async ({ page, ben, rooms, id }) => {
      await page.connected(2);
      assert.deepEqual(page.connects[1], { id, recovered: true });
      for (const room of rooms) {
        await ben.send(room, 'after');
        await page.heard(room, 3);
        assert.deepEqual(page.messages(room).map(({ seq }) => seq), numbers(1, 3));
      }
      await page.say(rooms[0], 'mine');
      await until(() => ben.events.some(({ text, uid }) => text === 'mine' && uid === 'ada'), 'her message');
    });

    broken(`as another user is not recovered, and hears nothing of what was missed: ${transport}`, options, { sub: 'mallory' }, async ({ page, ben, rooms, id }) => {
      await page.connected(2);
      assert.equal(page.connects[1].recovered, false);
      assert.notEqual(page.connects[1].id, id);
      for (const room of rooms) {
        await ben.send(room, 'after');
        await page.refused('not_joined', 'message', { room, message: 'x' });
        assert.equal(page.messages(room).length, 1);
        /* Her own session may still be there: one that polls is missed only at its next heartbeat, unless a
         * poll of it was cut off. */
        const uids = async () => (await ben.members(room)).members.map(({ uid }) => uid);
        assert.ok(!(await uids()).includes('mallory'));
        if (options === WEBSOCKET) await until(async () => (await uids()).join() === 'ben', 'her going');
      }
      await page.join(rooms[0]);
      assert.equal((await ben.members(rooms[0])).members.some(({ uid }) => uid === 'mallory'), true);
    });

    broken(`with fewer rights is not recovered, and reads only what is left: ${transport}`, options, { can: { 'one-*': 'read write' } }, async ({ page, ben, rooms }) => {
      await page.connected(2);
      assert.equal(page.connects[1].recovered, false);
      for (const room of rooms) await ben.send(room, 'after');
      await page.refused('forbidden', 'join', { room: rooms[1] });
      const { chatHistory } = await page.join(rooms[0]);
      assert.deepEqual(chatHistory.map(({ message }) => message), ['before', 'missed', 'after']);
      assert.equal(page.messages(rooms[1]).length, 1);
      /* It broke, and may not come back: it is absent until the grace is over. */
      await until(async () => (await ben.members(rooms[1])).count === 1, 'the end of the grace');
    });
  }

  broken('without a token is refused; with one in the end it is recovered', WEBSOCKET, null, async ({ page, rooms, renew }) => {
    await until(() => page.troubles.some(({ message }) => /^unauthorized/.test(message)), 'the refusal');
    assert.equal(page.connects.length, 1);
    await renew({});
    page.socket.connect(); // a refused CONNECT is not tried again by itself
    await page.connected(2);
    assert.equal(page.connects[1].recovered, true);
    for (const room of rooms) await page.heard(room, 2);
  });

  both('the upgrade takes the token along', async ({ open, connect }) => {
    const room = freshRoom();
    const ben = await connect(bearer(await mint({ sub: 'ben' })));
    await ben.join(room);
    const page = await open({ auth: { token: await mint({ left: 4, can: { [room]: 'read write' } }) } });
    await page.upgraded();
    await page.join(room);
    await page.refused('forbidden', 'join', { room: 'elsewhere' });
    await page.say(room, 'x');
    assert.equal((await ben.next('message')).uid, 'ada');
    await page.disconnected();
    assert.equal(page.of('expiring').length, 1);
  });
}, { concurrency: 6 });

test('who sends no good token in time is gone, on either transport', () => withServer({ ...AUTH, 'auth.timeout': 1 }, (server) =>
  withSessions({ server, tls: false }, async ({ polling, websocket }) => {
    const [silent, wrong, polls] = [await websocket(), await websocket(), await polling()];
    wrong.say('40{"token":"x"}');
    assert.equal(await silent.gone({ pongs: true }), 4001);
    assert.equal(await wrong.gone({ pongs: true }), 4001);
    await sleep(500);
    await polls.get();
    await polls.assertGone();
    const good = await websocket();
    await good.connect({ token: await mint() });
    await sleep(1500);
    good.say('420["join","room"]');
    assert.match(await good.next(), /^430/);
  })));
