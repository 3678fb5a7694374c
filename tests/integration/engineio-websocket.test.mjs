/* Engine.IO over WebSocket, and the upgrade to it, packet by packet. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshRoom } from '../lib/client.mjs';
import { assertFault, Packets, withSessions } from '../lib/engineio.mjs';
import { Raw, clientFrame, closePayload } from '../lib/raw.mjs';
import { everyWay, fewer, WAYS, withServer } from '../lib/server.mjs';
import { amount, sleep, until } from '../lib/wait.mjs';

/** Upgrades by the book: its WebSocket. */
async function upgrade(session, websocket) {
  const socket = await websocket({ sid: session.sid });
  socket.say('2probe');
  assert.equal(await socket.next({ pings: true }), '3probe');
  socket.say('5');
  return socket;
}

everyWay(fewer(WAYS), {}, (at) => {
  const sessions = (name, use) => test(name, () => withSessions(at, use));

  sessions('the handshake comes as the first packet, and names no upgrade', async ({ websocket }) => {
    const { handshake } = await websocket();
    assert.deepEqual(Object.keys(handshake).sort(), ['maxPayload', 'pingInterval', 'pingTimeout', 'sid', 'upgrades']);
    assert.deepEqual(handshake.upgrades, []);
  });

  test('upgrades that are none are refused', async () => {
    for (const query of ['', 'EIO=4', 'EIO=4&transport=tube', 'EIO=3&transport=websocket', 'transport=websocket', 'EIO=4&transport=websocket&sid=nobody'])
      await assert.rejects(Packets.open(at, { query: query || 'x' }), /400|closed with/, query);
  });

  sessions('packets that are none end the connection', async ({ websocket }) => {
    for (const packet of ['', 'x', '9', 'abc', '2']) {
      const socket = await websocket();
      socket.say(packet);
      await socket.gone();
    }
  });

  sessions('a client that closes is gone at once', async ({ websocket, request }) => {
    const socket = await websocket();
    await socket.connect();
    socket.ws.close(1000);
    await socket.gone();
    await until(async () => JSON.parse((await request({ query: `EIO=4&transport=polling&sid=${socket.sid}` })).text).code === 1, 'forgotten');
  });

  sessions('there is no polling beside a WebSocket', async ({ websocket, request }) => {
    const { sid } = await websocket();
    for (const method of ['GET', 'POST']) assertFault(await request({ method, query: `EIO=4&transport=polling&sid=${sid}`, body: method === 'POST' ? '3' : undefined }), 3, 'Bad request');
  });

  test('fragments and control frames in between are one packet', async () => {
    const raw = await Raw.connect(at.server, { tls: at.tls });
    await raw.upgrade('/socket.io/?EIO=4&transport=websocket');
    assert.match(String((await raw.frame()).payload), /^0\{/);
    raw.write(Buffer.concat([clientFrame(1, '4', { fin: 0 }), clientFrame(9, 'are you there'), clientFrame(0, '', { fin: 0 }), clientFrame(0, '0')]));
    const come = [await raw.frame(), await raw.frame()];
    assert.deepEqual(come.map(({ opcode }) => opcode).sort(), [1, 10]);
    assert.match(String(come.find(({ opcode }) => opcode === 1).payload), /^40\{"sid":"/);
    raw.write(clientFrame(8, closePayload(1000)));
    assert.equal((await raw.closeFrame()).code, 1000);
    raw.destroy();
  });

  sessions('the upgrade: probe, answer, the waiting poll is let go, and all goes on over the WebSocket', async ({ polling, websocket }) => {
    const session = await polling();
    const room = freshRoom();
    await session.connect();
    await session.say(`42["join",{"room":"${room}"}]`);
    await session.event('joined');
    const waits = session.poll();
    await sleep(200); // it waits
    const socket = await websocket({ sid: session.sid });
    socket.say('2probe');
    assert.equal(await socket.next({ pings: true }), '3probe');
    assert.deepEqual(await waits, ['6']);
    socket.say('5');
    socket.say(`420["message",{"room":"${room}","message":"over it"}]`);
    const [, { chatMessage }] = await socket.event('message');
    assert.equal(JSON.parse(chatMessage).message, 'over it');
    for (const method of ['GET', 'POST']) assertFault(await session.ask({ method, body: method === 'POST' ? '3' : undefined }), 3, 'Bad request');
  });

  sessions('what was written while nobody polled is not lost in the upgrade', async ({ polling, websocket }) => {
    const [session, other] = [await polling(), await websocket()];
    const room = freshRoom();
    for (const one of [session, other]) {
      await one.connect();
      const joins = one.say(`42["join",{"room":"${room}"}]`);
      await joins;
      await one.event('joined');
    }
    const socket = await websocket({ sid: session.sid });
    socket.say('2probe');
    assert.equal(await socket.next({ pings: true }), '3probe');
    for (let i = 0; i < 10; i++) other.say(`42["message",{"room":"${room}","message":${i}}]`);
    for (let i = 0; i < 10; i++) await other.event('message');
    socket.say('5');
    for (let i = 0; i < 10; i++) assert.equal(JSON.parse((await socket.event('message'))[1].chatMessage).message, i);
  });

  sessions('polling goes on where the probe is not followed by the upgrade', async ({ polling, websocket }) => {
    const session = await polling();
    await session.connect();
    const socket = await websocket({ sid: session.sid });
    socket.say('2probe');
    assert.equal(await socket.next({ pings: true }), '3probe');
    const room = freshRoom();
    await session.say(`42["join",{"room":"${room}"}]`);
    await session.event('joined');
    socket.cut();
    await session.say(`42["message",{"room":"${room}","message":"still here"}]`);
    await session.event('message');
    const again = await upgrade(session, websocket);
    again.say(`42["message",{"room":"${room}","message":"and now there"}]`);
    await again.event('message');
  });

  sessions('anything else than the probe ends the candidate, and not the session', async ({ polling, websocket }) => {
    const session = await polling();
    for (const packet of ['2', '2other', '40', 'x', '3probe']) {
      const socket = await websocket({ sid: session.sid });
      socket.say(packet);
      await socket.gone();
    }
    await session.connect();
  });

  sessions('a second candidate is closed, and the first goes on', async ({ polling, websocket }) => {
    const session = await polling();
    await session.connect();
    const first = await websocket({ sid: session.sid });
    first.say('2probe');
    assert.equal(await first.next({ pings: true }), '3probe');
    await (await websocket({ sid: session.sid })).gone();
    first.say('5');
    const room = freshRoom();
    first.say(`42["join",{"room":"${room}"}]`);
    await first.event('joined');
    await (await websocket({ sid: session.sid })).gone(); // upgraded already
    first.say(`42["leave",{"room":"${room}"}]`, `42["join",{"room":"${room}"}]`);
    await first.event('joined');
  });

  sessions('the session ends with its WebSocket, not with its old polls', async ({ polling, websocket }) => {
    const session = await polling();
    await session.connect();
    const socket = await upgrade(session, websocket);
    const room = freshRoom();
    socket.say(`42["join",{"room":"${room}"}]`);
    await socket.event('joined');
    socket.cut();
    await until(async () => JSON.parse((await session.get()).text).code === 1, 'the end');
  });

  sessions('close by packet from a polling client takes the candidate with it', async ({ polling, websocket }) => {
    const session = await polling();
    const socket = await websocket({ sid: session.sid });
    socket.say('2probe');
    assert.equal(await socket.next({ pings: true }), '3probe');
    await session.say('1');
    await socket.gone();
    await session.assertGone();
  });

  sessions('many upgrades at once, each with its own', async ({ polling, websocket }) => {
    await Promise.all(Array.from({ length: amount(60, 20) }, async (_, i) => {
      const session = await polling();
      const room = freshRoom();
      await session.connect();
      const socket = await upgrade(session, websocket);
      socket.say(`42["join",{"room":"${room}"}]`, `42["message",{"room":"${room}","message":${i}}]`);
      const { message, seq } = JSON.parse((await socket.event('message'))[1].chatMessage);
      assert.deepEqual({ message, seq }, { message: i, seq: 1 });
    }));
  });
});

everyWay([{ shards: 2, tls: false }], { 'limits.ping_interval': 1, 'limits.idle_timeout': 3 }, (at) => {
  const sessions = (name, use) => test(name, () => withSessions(at, use));

  sessions('the server pings, and goes on with who answers', async ({ websocket }) => {
    const socket = await websocket();
    for (let i = 0; i < amount(5, 2); i++) {
      assert.equal(await socket.next({ pings: true }), '2');
      socket.say('3');
    }
    await socket.connect();
  });

  sessions('who answers no ping is cut off', async ({ websocket }) => {
    const socket = await websocket();
    assert.equal(await socket.next({ pings: true }), '2');
    await socket.gone();
  });

  sessions('pings go on over the WebSocket after the upgrade, and are asked for there', async ({ polling, websocket }) => {
    const session = await polling();
    const socket = await upgrade(session, websocket);
    for (let i = 0; i < 2; i++) {
      assert.equal(await socket.next({ pings: true }), '2');
      socket.say('3');
    }
    assert.equal(await socket.next({ pings: true }), '2');
    await socket.gone();
  });
});

test('a stopping server closes WebSockets with 1012', () => withServer({ shards: 2 }, (server) => withSessions({ server, tls: true }, async ({ websocket, polling }) => {
  const socket = await websocket();
  await socket.connect();
  const upgraded = await upgrade(await polling(), websocket);
  server.child.kill('SIGTERM');
  assert.equal(await socket.gone(), 1012);
  assert.equal(await upgraded.gone(), 1012);
})));
