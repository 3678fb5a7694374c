/* The HTTP API on what others are in the middle of: rooms set, closed and listed, users kicked, muted
 * and disconnected, on native and Socket.IO members alike. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { API, apiOf, keptAlive, roomPath } from '../lib/api.mjs';
import { freshRoom, numbers, withClients } from '../lib/client.mjs';
import { everyWay, last, marker, wiped, withServer } from '../lib/server.mjs';
import { TRANSPORTS, withPages } from '../lib/socketio.mjs';
import { AUTH, bearer, mint } from '../lib/token.mjs';
import { amount, QUICK, sleep, until } from '../lib/wait.mjs';

const WAYS = [{ shards: 1, tls: false }, { shards: 4, tls: true }];
/* Handshakes by the hundred on a busy machine. */
const SLOW = { ...API, 'limits.handshake_timeout': 120 };
const ROOT = process.getuid() === 0;

everyWay(last(WAYS), { ...SLOW, ...AUTH, delivery_window: 0 }, (at) => {
  const api = apiOf(at);
  const both = (name, use, options = {}) => test(name, options, () => withPages(at, (open) => withClients(at, (connect) => use({
    native: async (sub, claims) => connect(bearer(await mint({ sub, ...claims }))),
    page: async (sub, options = {}) => {
      const token = await mint({ sub });
      return open({ auth: { token }, ...options });
    },
  }))));

  both('a deleted message is told to everyone', async ({ native, page }) => {
    const room = freshRoom();
    const [ada, ben] = [await native('ada'), await page('ben')];
    await ada.join(room);
    await ben.join(room);
    await api.publish(room, numbers(1, 3).map((n) => ({ from: 'shop', text: `${n}` })));
    await ada.messages(room, 3);
    await ben.heard(room, 3);
    await api.remove(room, 2);
    assert.deepEqual(await ada.next('deleted'), { ev: 'deleted', room, seq: 2 });
    await until(() => ben.of('deleted').length, 'deleted');
    await api.remove(room, 2); // again: nothing to tell
    assert.deepEqual((await api.history(room)).messages.map(({ seq }) => seq), [1, 3]);
    await api.refused(404, 'not_found', 'DELETE', roomPath(room, '/messages/9'));
    await api.refused(404, 'no_such_room', 'DELETE', roomPath(freshRoom(), '/messages/1'));
  });

  both('kick and mute hold for users, not for the API', async ({ native, page }) => {
    const room = freshRoom();
    const [ada, ben] = [await native('ada'), await page('ben')];
    await ada.join(room);
    await ben.join(room);
    await api.mute(room, 'ada', 60);
    await ada.refused('muted', 'send', { room, text: 'x' });
    await api.publish(room, { from: 'Ada', uid: 'ada', text: 'as ada' });
    await ada.messages(room, 1);
    await api.mute(room, 'ada', 0);
    await ada.send(room, 'back');
    await api.kick(room, 'ben', 60);
    await until(() => ben.of('closed').length, 'closed');
    await api.kick(room, 'ada');
    assert.equal((await ada.next('closed')).reason, 'kicked');
    await ada.join(room);
    await ben.refused('forbidden', 'join', { room });
    await api.refused(404, 'no_such_room', 'POST', roomPath(freshRoom(), '/kick'), { uid: 'x' });
  });

  both('DELETE closes a room, and wipes it', async ({ native, page }) => {
    const room = freshRoom(), word = marker();
    const [ada, ben] = [await native('ada'), await page('ben')];
    await ada.join(room);
    await ben.join(room);
    const { epoch } = await api.publish(room, { from: 'shop', text: word });
    await ada.messages(room, 1);
    await ben.heard(room, 1);
    const since = Date.now();
    await api.close(room);
    assert.equal((await ada.next('closed')).reason, 'closed');
    await until(() => ben.of('closed').length, 'closed');
    if (ROOT) await wiped(at.server, [word], since);
    await api.refused(404, 'no_such_room', 'GET', roomPath(room));
    await api.refused(404, 'no_such_room', 'DELETE', roomPath(room));
    const again = await api.publish(room, { from: 'shop', text: 'anew' });
    assert.notEqual(again.epoch, epoch);
    assert.equal(again.seq, 1);
  });

  both('PUT holds for what is kept: fewer, and then none', async ({ native, page }) => {
    const room = freshRoom(), words = numbers(1, 6).map(marker);
    const [ada, ben] = [await native('ada'), await page('ben')];
    await ada.join(room);
    await ben.join(room);
    for (const text of words) await api.publish(room, { from: 'shop', text });
    await ada.messages(room, 6);
    await ben.heard(room, 6);
    const before = await api.room(room);
    const state = await api.put(room, { max_messages: 2 });
    assert.deepEqual([state.epoch, state.messages, state.max_messages, state.ttl], [before.epoch, 2, 2, 3600]);
    assert.deepEqual((await api.history(room)).messages.map(({ seq }) => seq), [5, 6]);
    const since = Date.now();
    await sleep(1100);
    const { ttl, ttl_from: from, max_messages: most } = await api.put(room, { ttl: 1, ttl_from: 'message' });
    assert.deepEqual([ttl, from, most], [1, 'message', 10000]); // what is not given is the rule's
    assert.deepEqual((await api.history(room)).messages, []);
    if (ROOT) await wiped(at.server, words, since);
    const joined = await ada.ask('join', { room });
    assert.deepEqual(joined.retention, { ttl: 1, ttl_from: 'message', max_messages: 10000, max_bytes: 4194304 });
    assert.equal((await api.put(room, {})).ttl, 3600);
  });

  both('a room that is set waits for its first member, as it was set', async ({ native }) => {
    const room = freshRoom();
    const { epoch, seq } = await api.put(room, { ttl: 100, max_members: 1 });
    assert.equal(seq, 0);
    const [ada, ben] = [await native('ada'), await native('ben')];
    assert.equal((await ada.join(room)).epoch, epoch);
    await ben.refused('room_full', 'join', { room });
    assert.equal((await api.put(room, { ttl: 100, max_members: 2 })).epoch, epoch);
    await ben.join(room);
    await ada.leave(room);
    await ben.leave(room);
    assert.deepEqual([(await api.room(room)).ttl, (await api.room(room)).members], [100, 0]);
    await api.close(room);
    await ada.join(room);
    assert.equal((await api.room(room)).ttl, 3600);
  });

  both('and goes when nobody has come for its ttl', async () => {
    const room = freshRoom();
    await api.put(room, { ttl: 1 });
    await api.room(room);
    await until(async () => (await api.call('GET', roomPath(room))).status === 404, 'gone');
  });

  both('disconnect closes all that a user has, everywhere, and only that', async ({ native, page }) => {
    const room = freshRoom(), sub = freshRoom('user ü/');
    const chats = [], pages = [];
    for (let i = 0; i < 5; i++) chats.push(await native(sub));
    for (const options of [TRANSPORTS['WebSocket only'], TRANSPORTS['polling only'], { reconnection: false, ...TRANSPORTS['WebSocket only'] }]) pages.push(await page(sub, options));
    const [ada, ben] = [await native('ada'), await page('ben', TRANSPORTS['polling only'])];
    for (const one of [...chats, ...pages, ada, ben]) await one.join(room);
    pages[2].socket.io.engine.transport.ws.terminate(); // lost: can be come back to, were it not for what follows
    await pages[2].disconnected();
    await until(async () => (await api.members(room)).members.find(({ uid }) => uid === sub)?.sessions === 7, 'the loss is noticed');
    assert.equal(await api.disconnect(sub), 8);
    for (const chat of chats) assert.equal((await chat.gone()).code, 4010);
    for (const one of pages.slice(0, 2)) {
      await one.disconnected();
      assert.deepEqual(one.disconnects, ['io server disconnect']);
    }
    assert.equal(await api.disconnect(sub), 0);
    await until(async () => (await api.members(room)).count === 2, 'gone from the room');
    await ada.send(room, 'still here');
    await ben.heard(room, 1);
    pages[2].socket.connect();
    await pages[2].connected(2);
    assert.equal(pages[2].socket.recovered, false);
  });

  both('a token that it makes is good for what it says', async ({ native }) => {
    const room = freshRoom('minted');
    await (await native('ada')).join(room);
    const { token, exp } = await api.token({ sub: 'cem', name: 'Cem', rooms: [{ room: 'minted-*', can: ['read'] }], ttl: 60 });
    assert.ok(Math.abs(exp - Date.now() / 1000 - 60) < 30);
    await withClients(at, async (connect) => {
      const cem = await connect(bearer(token));
      assert.equal(cem.uid, 'cem');
      await cem.join(room);
      await cem.refused('forbidden', 'send', { room, text: 'x' });
      await cem.refused('forbidden', 'join', { room: 'other' });
    });
    const { message } = await api.refused(400, 'bad_request', 'POST', '/v1/tokens', { sub: 'a', rooms: [{ room: 'x', can: ['fly'] }] });
    assert.match(message, /^in rooms, can must be/);
  });
});

everyWay(last(WAYS), SLOW, (at) => {
  const api = apiOf(at);

  /** All pages, one after the other. */
  async function everyRoom(prefix, limit, between = () => {}) {
    const names = [];
    let cursor = '';
    for (let pages = 0; cursor !== null; pages++) {
      assert.ok(pages < 10_000);
      const page = await api.list(`?prefix=${encodeURIComponent(prefix)}&limit=${limit}${cursor && `&cursor=${cursor}`}`);
      assert.ok(page.rooms.length <= limit);
      names.push(...page.rooms.map(({ name }) => name));
      cursor = page.cursor;
      await between();
    }
    return names;
  }

  test('every room is listed once, while others come and go', async () => {
    const stay = numbers(1, amount(100, 40)).map(() => freshRoom('stays+%&'));
    const agent = keptAlive(at);
    const publish = (room) => api.publish(room, { from: 'a', text: 'b' }, { agent });
    for (const room of stay) await publish(room);
    for (const limit of [3, 1000]) {
      const passing = [];
      const names = await everyRoom('stays+%&', limit, async () => {
        if (passing.length < 100) {
          const more = numbers(1, 4).map(() => freshRoom('stays+%& not'));
          passing.push(...more);
          await Promise.all(more.map(publish));
        }
        if (passing.length > 6) await api.close(passing.shift());
      });
      const listed = names.filter((name) => !name.includes('not'));
      assert.deepEqual(listed.toSorted(), stay.toSorted());
      await Promise.all(passing.map((room) => api.close(room)));
    }
    agent.destroy();
    assert.deepEqual(await everyRoom('nowhere', 10), []);
  });

  test('a cursor that is none is refused', async () => {
    for (const cursor of ['x', 'A'.repeat(19), 'A'.repeat(20), '%00'])
      await api.refused(400, 'bad_request', 'GET', `/v1/rooms?cursor=${cursor}`);
  });
});

test('a listing looks at so many places and no more', { skip: QUICK }, () => withServer({ ...SLOW, shards: 1 }, async (server) => {
  const at = { server, tls: false };
  const api = apiOf(at), agent = keptAlive(at);
  for (let i = 0; i < 6000; i += 20) // and 8192 buckets
    await Promise.all(numbers(i, i + 19).map((n) => api.call('PUT', roomPath(`many-${n}`), undefined, { agent })));
  agent.destroy();
  const pages = [];
  for (let cursor = ''; cursor !== null;) {
    const page = await api.list(`?prefix=many-5555${cursor && `&cursor=${cursor}`}`);
    pages.push(page.rooms.length);
    cursor = page.cursor;
  }
  assert.ok(pages.length > 1, 'several');
  assert.equal(pages.reduce((sum, n) => sum + n), 1);
}));
