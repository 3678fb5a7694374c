/* Verdicts over a room that meet what its members are doing at the same moment. */

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { freshRoom, withClients } from '../lib/client.mjs';
import { Server } from '../lib/server.mjs';
import { Page, withPages } from '../lib/socketio.mjs';

const SECRET = 'a secret of the verdicts, and of nothing else';
const base64url = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

const token = (sub, can = ['read', 'write'], fields = {}) => {
  const text = `${base64url({ alg: 'HS256' })}.${base64url({ sub, exp: Math.floor(Date.now() / 1000) + 600, rooms: [{ room: '*', can }], ...fields })}`;
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
};
const ALL = ['read', 'write', 'moderate'];

async function withServer(settings, use) {
  const server = await Server.start({ 'auth.mode': 'token', 'auth.keys': [{ alg: 'HS256', secret: SECRET }], ...settings });
  try {
    await withClients({ server, tls: false }, (connect) =>
      use((sub, can) => connect({ headers: { authorization: `Bearer ${token(sub, can)}` } }), server));
  } finally {
    await server.stop();
  }
}

/** All in one segment. */
function atOnce(chat, ...requests) {
  chat.ws._socket.cork();
  for (const request of requests) chat.raw(request);
  chat.ws._socket.uncork();
}

for (const shards of [1, 4]) {
  test(`the last member leaves in the moment of the verdict, ${shards} shards`, () => withServer({ shards }, async (come) => {
    const ada = await come('ada', ALL);
    for (let i = 0; i < 20; i++) {
      const room = freshRoom('gone');
      const verdict = i % 2 ? { op: 'close', room } : { op: 'kick', room, uid: 'ada', seconds: 0 };
      await ada.join(room);
      atOnce(ada, { ...verdict, id: 'verdict' }, { op: 'leave', room, id: 'leave' });
      await ada.ping();
      assert.equal((await ada.next((event) => event.re === 'verdict')).ev, 'done');
      await ada.next((event) => event.re === 'leave'); // left, or not_joined
    }
  }));

  test(`who joins a room right after it was closed is in the next one, ${shards} shards`, () => withServer({ shards }, async (come) => {
    const ada = await come('ada', ALL);
    for (let i = 0; i < 20; i++) {
      const room = freshRoom('again');
      await ada.join(room);
      atOnce(ada, { op: 'close', room, id: 'close' }, { op: 'leave', room, id: 'leave' }, { op: 'join', room, id: 'join' });
      const joined = await ada.next((event) => event.re === 'join');
      await ada.ping();
      const told = ada.events.filter((event) => event.ev === 'closed').length;
      if (joined.ev === 'joined') assert.ok((await ada.send(room, 'hello')).seq, `closed ${told} times`);
      else assert.equal(joined.code, 'unavailable');
      ada.events.length = 0;
    }
  }));
}

test('who is kept out may not read either; who is muted may not even type', () => withServer({ shards: 2 }, async (come) => {
  const [ada, ben] = [await come('ada', ALL), await come('ben')];
  const room = freshRoom();
  for (const chat of [ada, ben]) await chat.join(room);
  await ada.ask('mute', { room, uid: 'ben', seconds: 60 });
  await ben.refused('muted', 'typing', { room, on: true });
  await ada.ask('kick', { room, uid: 'ben', seconds: 60 });
  await ben.next('closed');
  for (const op of ['join', 'history', 'members']) {
    const { retry_ms: left } = await ben.refused('forbidden', op, { room });
    assert.ok(left > 50000 && left <= 60000, `${op}: ${left}`);
  }
  await ada.ask('kick', { room, uid: 'ben', seconds: 0 });
  await ben.history(room);
}));

for (const transports of [['polling'], ['websocket']]) {
  test(`a pid ends no session of another user, ${transports}`, () => withServer({ shards: 2 }, (come, server) =>
    withPages({ server, tls: false }, async (open, pages) => {
      const room = freshRoom();
      const ada = await open({ transports, auth: { token: token('ada') } });
      await ada.join(room);
      const ben = new Page({ server, tls: false }, { transports, autoConnect: false, auth: { token: token('ben') } });
      pages.push(ben);
      ben.socket._pid = ada.socket._pid;
      ben.socket.connect();
      await ben.connected();
      assert.ok(ada.socket._pid);
      assert.equal(ben.connects[0].recovered, false);
      assert.notEqual(ben.socket._pid, ada.socket._pid);
      await ben.refused('not_joined', 'message', { room, message: 'x' });
      await ada.say(room, 'still here');
      assert.deepEqual(ada.disconnects, []);
    })));
}
