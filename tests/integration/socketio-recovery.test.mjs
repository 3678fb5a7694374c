/* A stock client that lost its connection comes back recovered, with what it missed, in order, each once. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshRoom, numbers } from '../lib/client.mjs';
import { withProxy } from '../lib/proxy.mjs';
import { everyWay, last, Server, withServer } from '../lib/server.mjs';
import { Page, TRANSPORTS, withPages } from '../lib/socketio.mjs';
import { amount, QUICK, seeded, sleep, until } from '../lib/wait.mjs';

const WAYS = [{ shards: 1, tls: false }, { shards: 2, tls: true }, { shards: 4, tls: false }, { shards: 4, tls: true }];
const QUICK_BEAT = { 'limits.ping_interval': 1, 'limits.idle_timeout': 2 };

/** Ada, over a network that can break, and Ben, over a good one, both in the room. */
const pair = (at, transport, use) => withProxy(at, (proxy) => withPages(at, async (open) => {
  const room = freshRoom();
  const ben = await open(TRANSPORTS['WebSocket only']);
  await ben.join(room);
  const ada = await open({ url: proxy.url, ...transport });
  if (transport.upgrade !== false && !transport.transports) await ada.upgraded();
  return use({ proxy, open, room, ada, ben });
}));

const seqs = (page, room) => page.messages(room).map(({ seq }) => seq);

everyWay(last(WAYS), QUICK_BEAT, (at) => {
  for (const [name, transport] of Object.entries(TRANSPORTS)) {
    const broken = (what, use) => test(`${what}: ${name}`, () => pair(at, transport, use));

    broken('what was missed comes in order, each once', async ({ proxy, room, ada, ben }) => {
      await ada.join(room);
      await ben.say(room, 'before');
      await ada.heard(room, 1);
      const { id } = ada.socket;
      for (let round = 0; round < amount(5, 2); round++) {
        proxy.break();
        await ada.disconnected(round + 1);
        for (let i = 0; i < 10; i++) await ben.say(room, `missed ${i}`);
        proxy.mend();
        await ada.connected(round + 2);
        assert.deepEqual(ada.connects.at(-1), { id, recovered: true });
        await ben.say(room, 'after');
        await ada.heard(room, 1 + 11 * (round + 1));
        assert.deepEqual(seqs(ada, room), numbers(1, 1 + 11 * (round + 1)));
      }
      await ada.say(room, 'still in the room');
      assert.equal(ada.of('joined').length, 1, 'nobody joins anew');
    });

    broken('nothing had come before the break, not even a room', async ({ proxy, ada }) => {
      const { id } = ada.socket;
      proxy.break();
      await ada.disconnected();
      proxy.mend();
      await ada.connected(2);
      assert.deepEqual(ada.connects.at(-1), { id, recovered: true });
    });

    broken('no message had come before the break', async ({ proxy, room, ada, ben }) => {
      await ada.join(room);
      proxy.break();
      await ada.disconnected();
      for (let i = 1; i <= 5; i++) await ben.say(room, i);
      proxy.mend();
      await ada.connected(2);
      assert.equal(ada.connects.at(-1).recovered, true);
      await ben.say(room, 'after');
      await ada.heard(room, 6);
      assert.deepEqual(seqs(ada, room), numbers(1, 6));
    });

    broken('several rooms: each goes on where it was', async ({ proxy, room, ada, ben }) => {
      const rooms = [room, freshRoom(), freshRoom()];
      for (const one of rooms) {
        await ben.join(one);
        await ada.join(one);
      }
      const said = Object.fromEntries(rooms.map((one) => [one, 0]));
      const say = async (one) => said[one] = (await ben.say(one, 'x')).seq;
      for (let i = 0; i < 10; i++) await say(rooms[i % 2]); // the third stays silent
      for (const one of rooms) await ada.heard(one, said[one]);
      proxy.break();
      await ada.disconnected();
      for (let i = 0; i < 15; i++) await say(rooms[i % 3]);
      proxy.mend();
      await ada.connected(2);
      assert.equal(ada.connects.at(-1).recovered, true);
      for (const one of rooms) await say(one);
      for (const one of rooms) {
        await ada.heard(one, said[one]);
        assert.deepEqual(seqs(ada, one), numbers(1, said[one]));
      }
    });

    broken('a long break, of many heartbeats', async ({ proxy, room, ada, ben }) => {
      await ada.join(room);
      await ben.say(room, 'before');
      await ada.heard(room, 1);
      proxy.break();
      await ada.disconnected();
      for (let i = 0; i < 5; i++) {
        await ben.say(room, `missed ${i}`);
        await sleep(amount(3000, 1000));
      }
      proxy.mend();
      await ada.connected(2);
      assert.equal(ada.connects.at(-1).recovered, true);
      await ada.heard(room, 6);
      await ben.say(room, 'after');
      await ada.heard(room, 7);
      assert.deepEqual(seqs(ada, room), numbers(1, 7));
    });

    broken('a network that goes silent, and is given up by heartbeat', async ({ proxy, room, ada, ben }) => {
      await ada.join(room);
      await ben.say(room, 'before');
      await ada.heard(room, 1);
      for (const link of proxy.links) link.silence();
      for (let i = 0; i < 5; i++) await ben.say(room, `missed ${i}`);
      await ada.connected(2);
      assert.equal(ada.connects.at(-1).recovered, true);
      await ben.say(room, 'after');
      await ada.heard(room, 7);
      assert.deepEqual(seqs(ada, room), numbers(1, 7));
    });
  }

  test('the break swallows `joined` itself: it comes after it', () => pair(at, TRANSPORTS['WebSocket only'], async ({ proxy, room, ada, ben }) => {
    for (let i = 0; i < 3; i++) await ben.say(room, `before ${i}`);
    proxy.rule = ({ from, text }) => (from === 'server' && text?.includes('"joined"') ? 'cut' : 'pass');
    ada.socket.emit('join', { room });
    await ada.disconnected();
    proxy.rule = null;
    await ada.connected(2);
    assert.equal(ada.connects.at(-1).recovered, true);
    await until(() => ada.of('joined').length, 'joined');
    const { chatHistory } = ada.of('joined')[0];
    await ben.say(room, 'after');
    await until(() => ada.messages(room).at(-1)?.message === 'after', 'what comes after');
    assert.deepEqual([...chatHistory.map(({ seq }) => seq), ...seqs(ada, room)], numbers(1, 4));
    assert.equal(ada.of('joined').length, 1);
  }));

  test('readers cut at random, by every transport, miss nothing and get nothing twice', () => withProxy(at, (proxy) => withPages(at, async (open) => {
    const random = seeded();
    const room = freshRoom();
    const ben = await open(TRANSPORTS['WebSocket only']);
    await ben.join(room);
    const readers = await Promise.all(Object.values(TRANSPORTS).flatMap((transport) => [transport, transport]).map((transport) => open({ url: proxy.url, ...transport })));
    for (const reader of readers) await reader.join(room);
    proxy.rule = () => (random.below(60) ? 'pass' : random.below(2) ? 'cut' : 'cut-after');
    const n = amount(2000, 120);
    for (let i = 1; i <= n; i++) {
      await ben.say(room, i);
      if (!random.below(5)) await sleep(random.below(15));
    }
    proxy.rule = null;
    for (const reader of readers) {
      await until(() => reader.messages(room).length >= n, () => `${reader.messages(room).length} of ${n} (SEED=${random.seed})`);
      assert.deepEqual(seqs(reader, room), numbers(1, n), `SEED=${random.seed}`);
      for (const { recovered } of reader.connects.slice(1)) assert.equal(recovered, true, `SEED=${random.seed}`);
    }
    assert.ok(readers.some(({ connects }) => connects.length > 1));
  })));

  test('who says goodbye is not remembered', () => pair(at, TRANSPORTS['WebSocket only'], async ({ room, ada, ben }) => {
    await ada.join(room);
    await ben.say(room, 'x');
    await ada.heard(room, 1);
    ada.socket.disconnect();
    await sleep(200);
    ada.socket.connect();
    await ada.connected(2);
    assert.equal(ada.connects.at(-1).recovered, false);
    await ada.refused('not_joined', 'message', { room, message: 'x' });
    assert.equal((await ada.join(room)).chatHistory.length, 1);
  }));

  test('with what nobody was given nobody is recovered', () => withPages(at, async (open) => {
    const ada = await open(TRANSPORTS['WebSocket only']);
    for (const [pid, offset] of [['x', 'y'], ['x'.repeat(27), undefined], ['x'.repeat(5000), 'y'], [1, 2], [ada.socket.id, 'z'], [ada.socket.io.engine.id, 'z']]) {
      const other = await open({ ...TRANSPORTS['WebSocket only'], auth: { pid, offset } });
      assert.ok(!other.socket.recovered);
      assert.notEqual(other.socket.id, ada.socket.id);
    }
  }));

  test('an offset that nobody gave out does no harm: all comes again, or recovered is false', () => pair(at, TRANSPORTS['WebSocket only'], async ({ proxy, room, ada, ben }) => {
    await ada.join(room);
    await ben.say(room, 'one');
    await ada.heard(room, 1);
    ada.socket._lastOffset = 'something else';
    proxy.break();
    await ada.disconnected();
    proxy.mend();
    await ada.connected(2);
    if (!ada.socket.recovered) await ada.join(room);
    await ben.say(room, 'two');
    await until(() => ada.messages(room).at(-1)?.message === 'two', 'it goes on');
  }));
});

const hurry = { shards: 2, ...QUICK_BEAT };
const WS = TRANSPORTS['WebSocket only'];

test('what the room no longer has can\'t be recovered, and the client is told so', () => withServer({ ...hurry, 'retention.max_messages': 10, delivery_window: 0 }, (server) => pair({ server, tls: true }, WS, async ({ proxy, room, ada, ben }) => {
  await ada.join(room);
  await ben.say(room, 'before');
  await ada.heard(room, 1);
  const { id } = ada.socket;
  proxy.break();
  await ada.disconnected();
  for (let i = 0; i < 30; i++) await ben.say(room, `missed ${i}`);
  proxy.mend();
  await ada.connected(2);
  assert.equal(ada.connects.at(-1).recovered, false);
  assert.notEqual(ada.socket.id, id);
  assert.equal((await ada.join(room)).chatHistory.length, 10);
})));

test('after limits.recovery nobody is remembered', () => withServer({ ...hurry, 'limits.recovery': 1 }, (server) => pair({ server, tls: false }, WS, async ({ proxy, room, ada, ben }) => {
  await ada.join(room);
  await ben.say(room, 'before');
  await ada.heard(room, 1);
  proxy.break();
  await ada.disconnected();
  await sleep(6000);
  proxy.mend();
  await ada.connected(2);
  assert.equal(ada.connects.at(-1).recovered, false);
})));

test('without recovery clients are not told of any', () => withServer({ ...hurry, 'limits.recovery': 0 }, (server) => pair({ server, tls: false }, WS, async ({ proxy, ada }) => {
  proxy.break();
  await ada.disconnected();
  proxy.mend();
  await ada.connected(2);
  assert.ok(!ada.connects.at(-1).recovered);
})));

test('clients come back by themselves to a server that was restarted, and the page joins again', () => withServer(hurry, (server) => withProxy({ server, tls: true }, (proxy) => withPages({ server, tls: true }, async (open, pages) => {
  const room = freshRoom();
  for (const transport of Object.values(TRANSPORTS)) await open({ url: proxy.url, ...transport });
  for (const page of pages) {
    page.socket.on('connect', () => { if (!page.socket.recovered) page.socket.emit('join', { room }); });
    await page.join(room);
  }
  await server.stop();
  const next = await Server.start(hurry);
  try {
    proxy.at = { server: next, tls: true };
    for (const page of pages) {
      await page.connected(2);
      assert.ok(!page.connects.at(-1).recovered);
      await until(() => page.of('joined').length >= 2, 'it has joined again');
    }
    await pages[0].say(room, 'here we are');
    for (const page of pages) await page.heard(room, 1);
  } finally {
    for (const page of pages) page.close();
    await next.stop();
  }
}))));
