/* Grace: who breaks and comes back was never gone; who does not is told as gone when it ends; who
 * leaves on purpose goes at once. And a crowd that breaks at once costs what it is, not its square. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chat, freshRoom, withClients } from '../lib/client.mjs';
import { withProxy } from '../lib/proxy.mjs';
import { everyWay, last, withServer } from '../lib/server.mjs';
import { Page, TRANSPORTS, withPages } from '../lib/socketio.mjs';
import { AUTH, bearer, mint } from '../lib/token.mjs';
import { amount, sleep, until } from '../lib/wait.mjs';

const WAYS = [{ shards: 1, tls: false }, { shards: 4, tls: true }];
const LONG = 300; // nobody waits for it
const LONG_MS = LONG * 1000;
const SHORT = 1;

const again = (chat) => ({ path: `/ws?session=${chat.hello.sid}` });
const sessionsOf = async (observer, room, uid) => (await observer.members(room)).members.find((member) => member.uid === uid)?.sessions;
const isLost = (observer, room, uid) => until(async () => await sessionsOf(observer, room, uid) === 0, 'the break is noticed');
/** All that is told of members until now. */
const told = async (observer) => {
  await observer.ping();
  return observer.take('member').map(({ uid, on }) => ({ uid, on }));
};
const goesAtOnce = async (observer, uid) => {
  const from = Date.now();
  await observer.next((event) => event.ev === 'member' && event.uid === uid && !event.on, 'its going');
  assert.ok(Date.now() - from < LONG_MS / 2);
};

/* That a polling client is gone may be heard by its silence alone, where no poll was waiting. */
everyWay(last(WAYS), { 'presence.grace': LONG, 'limits.idle_timeout': 15, 'limits.ping_interval': 5 }, (at) => {
  const both = (name, use) => test(name, () => withPages(at, (open) => withClients(at, (connect) => use(connect, open))));

  for (const [name, go] of Object.entries({
    'breaks': (chat) => chat.cut(),
    'is a page that is loaded anew (1001)': (chat) => chat.ws.close(1001),
    'says that it comes back (4000)': (chat) => chat.ws.close(4000),
  })) {
    both(`who ${name} and comes back was never gone`, async (connect) => {
      const [observer, ada] = [await connect(), await connect()];
      const room = freshRoom();
      await observer.join(room);
      await ada.join(room, { name: 'Ada' });
      assert.deepEqual(await told(observer), [{ uid: ada.uid, on: true }]);
      let now = ada;
      for (let i = 0; i < 3; i++) {
        go(now);
        await isLost(observer, room, ada.uid);
        assert.equal((await observer.members(room)).count, 2);
        now = await connect(again(ada));
        assert.equal((await now.join(room, { name: i % 2 ? 'Ada' : 'Ada L.' })).members, 2);
        assert.equal(await sessionsOf(observer, room, ada.uid), 1);
      }
      assert.deepEqual(await told(observer), []);
    });
  }

  for (const [name, go] of Object.entries({
    'leaves': (chat, room) => chat.leave(room),
    'closes with 1000': (chat) => chat.ws.close(1000),
    'closes without a code': (chat) => chat.ws.close(),
  })) {
    both(`who ${name} goes at once`, async (connect) => {
      const [observer, ada] = [await connect(), await connect()];
      const room = freshRoom();
      await observer.join(room);
      await ada.join(room);
      go(ada, room);
      await goesAtOnce(observer, ada.uid);
      assert.equal((await observer.members(room)).count, 1);
    });
  }

  both('one user on all shards: lost one by one, told only when the last says that it goes', async (connect) => {
    const observer = await connect();
    const room = freshRoom();
    await observer.join(room);
    const first = await connect();
    const others = await Promise.all(Array.from({ length: 7 }, () => connect(again(first))));
    for (const chat of [first, ...others]) await chat.join(room);
    assert.equal(await sessionsOf(observer, room, first.uid), 8);
    for (const chat of [first, ...others]) chat.cut();
    await isLost(observer, room, first.uid);
    const back = await Promise.all([connect(again(first)), connect(again(first))]);
    await Promise.all(back.map((chat) => chat.join(room)));
    back[0].cut();
    await until(async () => await sessionsOf(observer, room, first.uid) === 1, 'one is left');
    assert.deepEqual(await told(observer), [{ uid: first.uid, on: true }]);
    await back[1].close();
    await goesAtOnce(observer, first.uid);
  });

  both('the room of one who is absent ends as ever', async (connect) => {
    const [observer, ada] = [await connect(), await connect()];
    const room = freshRoom();
    const { epoch } = await ada.join(room);
    ada.cut();
    await until(async () => (await observer.ask('members', { room })).code === 'no_such_room', 'the end of the room');
    assert.notEqual((await observer.join(room)).epoch, epoch);
    assert.equal((await observer.members(room)).count, 1);
  });

  for (const [name, transport] of Object.entries(TRANSPORTS)) {
    both(`a Socket.IO client that breaks and recovers was never gone; by disconnect() it goes at once: ${name}`, (connect, open) => withProxy(at, async (proxy) => {
      const observer = await connect();
      const room = freshRoom();
      await observer.join(room);
      const ada = await open({ url: proxy.url, ...transport });
      if (!transport.transports) await ada.upgraded();
      await ada.join(room, { name: 'Ada' });
      const { uid } = await observer.next('member');
      for (let i = 1; i <= 3; i++) {
        proxy.break();
        await ada.disconnected(i);
        await isLost(observer, room, uid);
        proxy.mend();
        await ada.connected(i + 1);
        assert.equal(ada.connects.at(-1).recovered, true);
        await until(async () => await sessionsOf(observer, room, uid) === 1, 'it is back');
      }
      ada.socket.io.engine.close(); // no disconnect packet
      await ada.connected(5);
      await until(async () => await sessionsOf(observer, room, uid) === 1, 'it is back');
      assert.deepEqual(await told(observer), []);
      ada.close();
      await goesAtOnce(observer, uid);
    }));
  }
}, { concurrency: 4 });

everyWay(last(WAYS), { 'presence.grace': SHORT, 'limits.idle_timeout': 4, 'limits.ping_interval': 1 }, (at) => {
  const both = (name, use) => test(name, () => withClients(at, use));

  both('who does not come back is told as gone when the grace ends, and not before', async (connect) => {
    const [observer, ada] = [await connect(), await connect()];
    const room = freshRoom();
    await observer.join(room);
    await ada.join(room, { name: 'Ada' });
    await told(observer);
    const from = Date.now();
    ada.cut();
    assert.deepEqual(await observer.next('member'), { ev: 'member', room, uid: ada.uid, name: 'Ada', on: false, count: 1 });
    assert.ok(Date.now() - from >= SHORT * 1000 - 50, `${Date.now() - from} ms`);
    const back = await connect(again(ada));
    await back.join(room);
    assert.deepEqual(await told(observer), [{ uid: ada.uid, on: true }]);
  });

  both('who does not answer pings is lost, and gone when the grace ends', async (connect) => {
    const [observer, ada] = [await connect(), await connect({ autoPong: false })];
    const room = freshRoom();
    await observer.join(room);
    await ada.join(room);
    assert.equal((await ada.gone()).code, 4011);
    const from = Date.now();
    await observer.next((event) => event.uid === ada.uid && event.on === false, 'its going');
    assert.ok(Date.now() - from >= SHORT * 1000 / 2, 'not when the server gave it up');
  });

  test('a Socket.IO client that does not come back is told as gone', () => withClients(at, async (connect) => {
    const observer = await connect();
    const room = freshRoom();
    await observer.join(room);
    const page = new Page(at, { ...TRANSPORTS['WebSocket only'], reconnection: false });
    await page.connected();
    await page.join(room);
    const { uid } = await observer.next('member');
    page.socket.io.engine.close();
    await observer.next((event) => event.uid === uid && event.on === false, 'its going');
  }));
}, { concurrency: 4 });

everyWay(last(WAYS), { ...AUTH, 'presence.grace': LONG }, (at) => {
  const both = (name, use) => test(name, () => withClients(at, (connect) => use(async (sub, claims) => connect(bearer(await mint({ sub, ...claims }))))));
  const MODERATOR = { can: { '*': 'read write moderate' } };

  both('who is kicked while absent, or as it breaks, is gone at once', async (native) => {
    const [mod, ada] = [await native('mod', MODERATOR), await native('ada')];
    const room = freshRoom();
    await mod.join(room);
    await ada.join(room);
    ada.cut();
    await isLost(mod, room, 'ada');
    assert.equal((await mod.ask('kick', { room, uid: 'ada' })).ev, 'done');
    await goesAtOnce(mod, 'ada');
    assert.equal((await mod.members(room)).count, 1);
    for (let i = 0; i < 10; i++) {
      const ben = await native('ben');
      await ben.join(room);
      mod.raw({ op: 'kick', room, uid: 'ben' });
      ben.cut();
      await goesAtOnce(mod, 'ben');
    }
  });

  both('the end of a token is no break', async (native) => {
    const [observer, ada] = [await native('mod'), await native('ada', { left: 2 })];
    const room = freshRoom();
    await observer.join(room);
    await ada.join(room);
    assert.equal((await ada.gone()).code, 4001);
    await goesAtOnce(observer, 'ada');
  });

  both('a closed room waits for nobody', async (native) => {
    const [mod, ada] = [await native('mod', MODERATOR), await native('ada')];
    const room = freshRoom();
    await ada.join(room);
    await ada.send(room, 'keeps the room');
    ada.cut();
    await isLost(mod, room, 'ada');
    assert.equal((await mod.ask('close', { room })).ev, 'done');
    await mod.refused('no_such_room', 'members', { room });
  });
}, { concurrency: 4 });

test('without grace a break is told at once', () => withServer({ 'presence.grace': 0 }, (server) => withClients({ server, tls: false }, async (connect) => {
  const [observer, ada] = [await connect(), await connect()];
  const room = freshRoom();
  await observer.join(room);
  await ada.join(room);
  ada.cut();
  await goesAtOnce(observer, ada.uid);
})));

test('in a full room who is absent keeps its place, and a newcomer is told when to try again', () => withServer({ 'presence.grace': LONG, 'limits.members_per_room': 2 }, (server) => withClients({ server, tls: false }, async (connect) => {
  const [observer, ada, ben] = [await connect(), await connect(), await connect()];
  const room = freshRoom();
  await observer.join(room);
  await ada.join(room);
  assert.equal((await ben.refused('room_full', 'join', { room })).retry_ms, undefined);
  ada.cut();
  await isLost(observer, room, ada.uid);
  const { retry_ms: wait } = await ben.refused('room_full', 'join', { room });
  assert.ok(wait > LONG_MS / 2 && wait <= LONG_MS, `${wait}`);
  await (await connect(again(ada))).join(room);
  await ben.refused('room_full', 'join', { room });
})));

/** The frames that all of them got, by what they tell. */
const counted = (chats) => {
  const counts = { joined: 0, member: 0, other: 0 };
  for (const chat of chats) chat.listen(({ ev }) => { counts[ev in counts ? ev : 'other']++; });
  return counts;
};

test('a crowd that breaks and comes back at once is sent a few counts, not its square', { timeout: 600_000 }, () => withServer({ shards: 2, 'presence.grace': 30 }, async (server) => {
  const SIZE = amount(2000, 500);
  const room = freshRoom();
  const batches = async (items, act) => {
    const results = [];
    for (let i = 0; i < items.length; i += 100) results.push(...await Promise.all(items.slice(i, i + 100).map(act)));
    return results;
  };
  const enter = async (path) => {
    const chat = await Chat.connect(server, { tls: false, path });
    await chat.join(room);
    return chat;
  };
  const observer = await enter('/ws');
  let chats = await batches(Array.from({ length: SIZE }, () => '/ws'), enter);
  try {
    await told(observer); // those who came one by one, while there were few
    const before = Date.now();
    const seen = counted([observer]);
    for (const chat of chats) chat.cut();
    await Promise.all(chats.map((chat) => chat.gone()));
    chats = await batches(chats.map((chat) => again(chat).path), enter);
    const counts = counted(chats);
    await sleep(2000); // the last count
    const seconds = (Date.now() - before) / 1000;
    const { count } = await observer.members(room);
    assert.equal(count, SIZE + 1);
    assert.ok(seen.member <= seconds + 3, `${seen.member} in ${seconds} s to one who stayed`);
    assert.ok(counts.member <= SIZE * (seconds + 3), `${counts.member} in ${seconds} s to ${SIZE}`);
  } finally {
    for (const chat of [observer, ...chats]) chat.cut();
  }
}));
