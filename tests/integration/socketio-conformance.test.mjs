/* What public test suites ask of a Socket.IO 5 server, of the test server on /socket.io/. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Packets, POLLING, Polling, request, withSessions } from '../lib/engineio.mjs';
import { everyWay, fewer } from '../lib/server.mjs';
import { patiently, sleep, until } from '../lib/wait.mjs';

const WAYS = [1, 4].flatMap((shards) => [{ shards, tls: false }, { shards, tls: true }]);

everyWay(fewer(WAYS), { 'conformance.enabled': true }, (at) => {
  const sessions = (name, use) => test(name, () => patiently(() => withSessions(at, use)));
  const connected = async (websocket) => {
    const socket = await websocket();
    await socket.connect();
    assert.match(await socket.next(), /^42\["auth"/);
    return socket;
  };

  sessions('opening: polling and WebSocket, with the suite\'s times', async ({ polling, websocket }) => {
    for (const { handshake } of [await polling(), await websocket()]) {
      assert.deepEqual(Object.keys(handshake).sort(), ['maxPayload', 'pingInterval', 'pingTimeout', 'sid', 'upgrades']);
      assert.deepEqual([handshake.pingInterval, handshake.pingTimeout, handshake.maxPayload], [300, 200, 1_000_000]);
    }
  });

  test('opening: what is no request is refused, by either transport', async () => {
    for (const query of ['transport=polling', 'EIO=abc&transport=polling', 'EIO=4', 'EIO=4&transport=abc', `${POLLING}&sid=abc`])
      assert.equal((await request(at, { query })).status, 400, query);
    for (const method of ['POST', 'PUT']) assert.equal((await request(at, { method, body: '' })).status, 400, method);
    for (const query of ['transport=websocket', 'EIO=abc&transport=websocket', 'EIO=4', 'EIO=4&transport=abc', 'EIO=4&transport=websocket&sid=abc'])
      await assert.rejects(Packets.open(at, { query }), /400|closed/, query);
  });

  sessions('heartbeat: it pings both kinds, and closes on silence', async ({ polling, websocket }) => {
    const session = await polling();
    assert.deepEqual(await session.poll(), ['2']);
    await session.say('3');
    assert.deepEqual(await session.poll(), ['2']);
    await sleep(1500);
    assert.equal((await session.get()).status, 400);
    const socket = await websocket();
    assert.equal(await socket.next({ pings: true }), '2');
    socket.say('3');
    assert.equal(await socket.next({ pings: true }), '2');
    await socket.gone();
  });

  sessions('closing: by packet, either kind', async ({ polling, websocket }) => {
    const session = await polling();
    const waits = session.poll();
    await sleep(50);
    await session.say('1');
    assert.deepEqual(await waits, ['6']);
    assert.equal((await session.get()).status, 400);
    const socket = await websocket();
    socket.say('1');
    await socket.gone();
  });

  sessions('upgrading: with the probe, and only once', async ({ polling, websocket }) => {
    const session = await polling();
    const socket = await websocket({ sid: session.sid });
    socket.say('2probe', '5');
    assert.equal(await socket.next({ pings: true }), '3probe');
    assert.match(JSON.stringify(await socket.connect()), /"sid"/);
    assert.equal((await session.get()).status, 400);
    await (await websocket({ sid: session.sid })).gone();
  });

  sessions('connecting: to the main namespace, by both transports', async ({ polling, websocket }) => {
    for (const session of [await polling(), await websocket()]) {
      const answer = await session.connect();
      assert.deepEqual(Object.keys(answer), ['sid']);
      assert.equal(typeof answer.sid, 'string');
      assert.equal(await session.next(), '42["auth",{}]');
    }
  });

  sessions('connecting: with a payload, which comes back', async ({ websocket }) => {
    const socket = await websocket();
    assert.deepEqual(Object.keys(await socket.connect({ token: '123', deep: { list: [1, null] } })), ['sid']);
    assert.equal(await socket.next(), '42["auth",{"token":"123","deep":{"list":[1,null]}}]');
  });

  sessions('connecting: to another namespace, without and with a payload', async ({ websocket }) => {
    for (const [payload, back] of [[undefined, '{}'], [{ token: 'abc' }, '{"token":"abc"}']]) {
      const socket = await websocket();
      socket.say(`40/custom,${payload ? JSON.stringify(payload) : ''}`);
      const packet = await socket.next();
      assert.match(packet, /^40\/custom,\{"sid":"[^"]+"\}$/);
      assert.equal(await socket.next(), `42/custom,["auth",${back}]`);
    }
  });

  sessions('connecting: each namespace has an id of its own', async ({ websocket }) => {
    const socket = await websocket();
    const main = await socket.connect();
    const custom = await socket.connect(undefined, '/custom');
    assert.notEqual(main.sid, custom.sid);
    assert.notEqual(main.sid, socket.sid, 'nor is it the transport\'s, which is a secret');
  });

  sessions('connecting: to an unknown namespace is an error, the connection stays', async ({ websocket }) => {
    const socket = await websocket();
    socket.say('40/random');
    assert.equal(await socket.next(), '44/random,{"message":"Invalid namespace"}');
    await socket.connect();
  });

  sessions('connecting: twice to one namespace closes', async ({ websocket }) => {
    const socket = await websocket();
    await socket.connect();
    socket.say('40');
    await socket.gone({ pongs: true });
  });

  for (const packet of ['4', '4abc', '4x0', '440{}', '47', '4"', '40"x"', '40[]', '40{', '40/custom,"x"'])
    sessions(`connecting: ${packet} closes`, async ({ websocket }) => {
      const socket = await websocket();
      socket.say(packet);
      await socket.gone({ pongs: true });
    });

  for (const transport of ['polling', 'websocket'])
    sessions(`connecting: not at all in time closes, ${transport}`, async (by) => {
      const session = await by[transport]();
      const started = Date.now();
      if (session instanceof Polling) await until(async () => { // pongs go back all the time
        const { status, text } = await session.get();
        if (status === 200 && text === '2') await session.post('3');
        return status !== 200 || text === '1';
      }, 'the close');
      else await session.gone({ pongs: true });
      assert.ok(Date.now() - started > 1000, 'not for a missed pong');
    });

  sessions('leaving: another namespace, and the main one goes on', async ({ websocket }) => {
    const socket = await websocket();
    await socket.connect();
    await socket.connect(undefined, '/custom');
    socket.say('41/custom', '42["message","still"]');
    assert.deepEqual(await socket.event('message-back'), ['message-back', 'still']);
  });

  sessions('leaving: the main namespace, and another one goes on', async ({ websocket }) => {
    const socket = await websocket();
    await socket.connect();
    await socket.connect(undefined, '/custom');
    socket.say('41', '42/custom,["message","nobody listens"]');
    for (let pings = 0; pings < 3;) {
      if (await socket.next({ pings: true }) !== '2') continue; // an `auth` is still to come
      socket.say('3');
      pings++;
    }
    socket.say('42["message"]'); // it has been left
    await socket.gone({ pongs: true });
  });

  sessions('leaving: the last namespace leaves the connection, and it can be entered again', async ({ websocket }) => {
    const socket = await connected(websocket);
    socket.say('41');
    assert.equal(await socket.next({ pings: true }), '2');
    socket.say('3');
    assert.equal(await socket.next({ pings: true }), '2');
    socket.say('3');
    await socket.connect();
    socket.say('42["message",1]');
    assert.deepEqual(await socket.event('message-back'), ['message-back', 1]);
  });

  sessions('events: any arguments come back, and as compact as they were sent', async ({ websocket, polling }) => {
    const texts = ['', ',1', ',"1",{"2":[false]}', ',null,true,[],{},"\\u0000 \u20ac"', ',{"b":1,"a":[1.5,-2,1e21]}', ',"a","b","c","d","e","f"'];
    const socket = await connected(websocket);
    for (const args of texts) {
      socket.say(`42["message"${args}]`);
      const packet = await socket.next();
      assert.match(packet, /^42\["message-back"/);
      assert.deepEqual(JSON.parse(packet.slice(2)), JSON.parse(`["message-back"${args}]`));
    }
    socket.say('42["message",1,"2",{"3":[true]}]');
    assert.equal(await socket.next(), '42["message-back",1,"2",{"3":[true]}]');
    const session = await polling();
    await session.connect();
    await session.event('auth');
    await session.say('42["message",{"x":[1,2]}]');
    assert.equal(await session.next(), '42["message-back",{"x":[1,2]}]');
  });

  sessions('events: with attachments, in order and place', async ({ websocket }) => {
    const socket = await connected(websocket);
    const [one, two] = [Buffer.from([1, 2, 3]), Buffer.from([4, 5, 6, 0])];
    socket.say('452-["message",{"_placeholder":true,"num":0},{"deep":[{"_placeholder":true,"num":1}]}]', one, two);
    assert.equal(await socket.next(), '452-["message-back",{"_placeholder":true,"num":0},{"deep":[{"_placeholder":true,"num":1}]}]');
    assert.deepEqual(await socket.next(), one);
    assert.deepEqual(await socket.next(), two);
  });

  sessions('events: with attachments by polling', async ({ polling }) => {
    const session = await polling();
    await session.connect();
    await session.event('auth');
    await session.say('451-["message",{"_placeholder":true,"num":0}]', `b${Buffer.from([1, 2, 3]).toString('base64')}`);
    assert.equal(await session.next(), '451-["message-back",{"_placeholder":true,"num":0}]');
    assert.equal(await session.next(), 'bAQID');
  });

  sessions('acks: the same arguments, the same number', async ({ websocket }) => {
    const socket = await connected(websocket);
    socket.say('42456["message-with-ack",1,"2",{"3":[false]}]');
    assert.equal(await socket.next(), '43456[1,"2",{"3":[false]}]');
    socket.say('420["message-with-ack"]');
    assert.equal(await socket.next(), '430[]');
  });

  sessions('acks: with attachments', async ({ websocket }) => {
    const socket = await connected(websocket);
    const [one, two] = [Buffer.from([1, 2, 3]), Buffer.from([4, 5, 6])];
    socket.say('452-789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', one, two);
    assert.equal(await socket.next(), '462-789[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]');
    assert.deepEqual(await socket.next(), one);
    assert.deepEqual(await socket.next(), two);
  });

  for (const packet of ['42{', '42{}', '42[]', '42"x"', '42[{}]', '42["connect"]', '42["disconnect"]', '42["message"', '42abc', '45["message"]', '45x-["message"]', '42/other,["message"]', '49["x"]', '44{"message":"x"}'])
    sessions(`events: ${packet} closes`, async ({ websocket }) => {
      const socket = await connected(websocket);
      socket.say(packet);
      await socket.gone({ pongs: true });
    });

  sessions('events: text where bytes are due closes, and bytes where none are', async ({ websocket }) => {
    for (const packets of [['451-["message",{"_placeholder":true,"num":0}]', '42["message"]'], [Buffer.from([1])], ['451-["message",{"_placeholder":true,"num":7}]', Buffer.from([1])]]) {
      const socket = await connected(websocket);
      socket.say(...packets);
      await socket.gone({ pongs: true });
    }
  });

  sessions('events: before CONNECT close', async ({ websocket }) => {
    const socket = await websocket();
    socket.say('42["message","x"]');
    await socket.gone({ pongs: true });
  });
});
