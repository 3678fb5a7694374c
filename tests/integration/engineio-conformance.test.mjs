/* What public test suites ask of an Engine.IO 4 server, of the echo on /engine.io/. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { POLLING, SEPARATOR, Packets, request, withSessions } from '../lib/engineio.mjs';
import { everyWay, fewer } from '../lib/server.mjs';
import { patiently, sleep, until, within } from '../lib/wait.mjs';

const WAYS = [1, 4].flatMap((shards) => [{ shards, tls: false }, { shards, tls: true }]);
const PATH = { path: '/engine.io/' };
const WEBSOCKET = 'EIO=4&transport=websocket';
const KEYS = ['maxPayload', 'pingInterval', 'pingTimeout', 'sid', 'upgrades'];

everyWay(fewer(WAYS), { 'conformance.enabled': true }, (at) => {
  const sessions = (name, use) => test(name, () => patiently(() => withSessions(at, use, PATH)));
  const ask = (options) => request(at, { ...PATH, ...options });
  const refused = async (options) => assert.equal((await ask(options)).status, 400, JSON.stringify(options));
  const notOpened = (query) => assert.rejects(Packets.open(at, { ...PATH, query }), /400|closed/, query);

  const assertTimes = ({ pingInterval, pingTimeout, maxPayload }) => assert.deepEqual([pingInterval, pingTimeout, maxPayload], [300, 200, 1_000_000]);

  sessions('opening: a poll opens a session', async ({ polling }) => {
    const { handshake } = await polling();
    assert.deepEqual(Object.keys(handshake).sort(), KEYS);
    assert.equal(typeof handshake.sid, 'string');
    assert.deepEqual(handshake.upgrades, ['websocket']);
    assertTimes(handshake);
  });

  sessions('opening: so does a WebSocket', async ({ websocket }) => {
    const { handshake } = await websocket();
    assert.deepEqual(Object.keys(handshake).sort(), KEYS);
    assert.deepEqual(handshake.upgrades, []);
    assertTimes(handshake);
  });

  test('opening: a poll without EIO is refused', () => refused({ query: 'transport=polling' }));
  test('opening: a poll with an EIO that nobody speaks is refused', () => refused({ query: 'EIO=abc&transport=polling' }));
  test('opening: a poll without a transport is refused', () => refused({ query: 'EIO=4' }));
  test('opening: a poll with an unknown transport is refused', () => refused({ query: 'EIO=4&transport=abc' }));
  test('opening: a POST is refused', () => refused({ method: 'POST', body: '', query: POLLING }));
  test('opening: a PUT is refused', () => refused({ method: 'PUT', body: '', query: POLLING }));
  test('opening: a WebSocket without EIO is refused', () => notOpened('transport=websocket'));
  test('opening: a WebSocket with an EIO that nobody speaks is refused', () => notOpened('EIO=abc&transport=websocket'));
  test('opening: a WebSocket without a transport is refused', () => notOpened('EIO=4'));
  test('opening: a WebSocket with an unknown transport is refused', () => notOpened('EIO=4&transport=abc'));

  sessions('messages: one packet there and back by polling', async ({ polling }) => {
    const session = await polling();
    await session.say('4hello');
    assert.deepEqual(await session.poll(), ['4hello']);
  });

  sessions('messages: several packets in a body, text and bytes', async ({ polling }) => {
    const session = await polling();
    const packets = ['4one', '4tw\u00f6 \u20ac \u{1f600}', 'bAQIDBA==', '4', '4three'];
    await session.say(...packets);
    const come = [];
    while (come.length < packets.length) come.push(await session.next());
    assert.deepEqual(come, packets);
  });

  sessions('messages: an ill-formed body ends the polling session', async ({ polling }) => {
    for (const body of ['abc', `4a${SEPARATOR}zz`]) {
      const session = await polling();
      const answer = await session.post(body).catch(() => ({ status: 400 }));
      assert.ok([200, 400].includes(answer.status), String(answer.status));
      await until(async () => (await session.get()).status === 400, 'the end');
    }
  });

  sessions('messages: two polls at a time end the session', async ({ polling }) => {
    const session = await polling();
    const first = session.get();
    await sleep(50);
    assert.equal((await session.get()).status, 400);
    const { status, text } = await first;
    assert.deepEqual([status, text], [200, '1']);
    assert.equal((await session.get()).status, 400);
  });

  sessions('messages: there and back over WebSocket', async ({ websocket }) => {
    const socket = await websocket();
    socket.say('4hello', '4\u{1f600}', '4');
    for (const packet of ['4hello', '4\u{1f600}', '4']) assert.equal(await socket.next(), packet);
  });

  sessions('messages: bytes over WebSocket', async ({ websocket }) => {
    const socket = await websocket();
    const bytes = Buffer.from([1, 2, 3, 4, 0, 255]);
    socket.say(bytes);
    assert.deepEqual(await socket.next(), bytes);
  });

  sessions('messages: an ill-formed packet ends the WebSocket', async ({ websocket }) => {
    for (const packet of ['abc', 'x', '7']) {
      const socket = await websocket();
      socket.say(packet);
      await socket.gone({ pongs: true });
    }
  });

  sessions('messages: up to maxPayload, in either direction', async ({ polling, websocket }) => {
    const large = `4${'x'.repeat(999_999)}`;
    const session = await polling();
    await session.say(large);
    assert.equal(await session.next(), large);
    const socket = await websocket();
    socket.say(large);
    assert.equal(await socket.next(), large);
  });

  sessions('heartbeat: pings come by polling, as long as pongs go back', async ({ polling }) => {
    const session = await polling();
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(await session.poll(), ['2']);
      await session.say('3');
    }
  });

  sessions('heartbeat: a polling session without pongs ends', async ({ polling }) => {
    const session = await polling();
    await sleep(1500);
    assert.equal((await session.get()).status, 400);
  });

  sessions('heartbeat: pings come over WebSocket, as long as pongs go back', async ({ websocket }) => {
    const socket = await websocket();
    for (let i = 0; i < 3; i++) {
      assert.equal(await socket.next({ pings: true }), '2');
      socket.say('3');
    }
  });

  sessions('heartbeat: a WebSocket without pongs is closed', async ({ websocket }) => {
    const socket = await websocket();
    assert.equal(await socket.next({ pings: true }), '2');
    await socket.gone();
  });

  sessions('closing: the packet ends a polling session, whose poll gets noop', async ({ polling }) => {
    const session = await polling();
    const waits = session.poll();
    await sleep(50);
    await session.say('1');
    assert.deepEqual(await waits, ['6']);
    assert.equal((await session.get()).status, 400);
  });

  sessions('closing: the packet ends a WebSocket', async ({ websocket }) => {
    const socket = await websocket();
    socket.say('1');
    await socket.gone();
  });

  sessions('upgrading: from polling to WebSocket, with the probe', async ({ polling, websocket }) => {
    const session = await polling();
    const socket = await websocket({ sid: session.sid });
    socket.say('2probe');
    assert.equal(await socket.next({ pings: true }), '3probe');
    socket.say('5', '4over it');
    assert.equal(await socket.next(), '4over it');
  });

  sessions('upgrading: the poll under way is let go with noop', async ({ polling, websocket }) => {
    const session = await polling();
    const waits = session.poll();
    const socket = await websocket({ sid: session.sid });
    socket.say('2probe');
    assert.equal(await socket.next({ pings: true }), '3probe');
    assert.deepEqual(await within(waits, 'noop'), ['6']);
    socket.say('5', '4x');
    assert.equal(await socket.next(), '4x');
  });

  sessions('upgrading: no polling after it', async ({ polling, websocket }) => {
    const session = await polling();
    const socket = await websocket({ sid: session.sid });
    socket.say('2probe', '5', '4x');
    assert.equal(await socket.next({ pings: true }), '3probe');
    assert.equal(await socket.next(), '4x');
    assert.equal((await session.get()).status, 400);
    socket.say('4y');
    assert.equal(await socket.next(), '4y');
  });

  sessions('upgrading: no second WebSocket with that id', async ({ polling, websocket }) => {
    const session = await polling();
    const socket = await websocket({ sid: session.sid });
    socket.say('2probe', '5', '4x');
    assert.equal(await socket.next({ pings: true }), '3probe');
    assert.equal(await socket.next(), '4x');
    await (await websocket({ sid: session.sid })).gone();
    socket.say('4y');
    assert.equal(await socket.next(), '4y');
  });

  test('ids: unknown ones are refused', async () => {
    await refused({ query: `${POLLING}&sid=abc` });
    await refused({ query: `${POLLING}&sid=abc`, method: 'POST', body: '4x' });
    await notOpened(`${WEBSOCKET}&sid=abc`);
  });
});
