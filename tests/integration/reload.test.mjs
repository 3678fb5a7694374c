/* SIGHUP: the configuration read again under live connections. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { call, roomPath } from '../lib/api.mjs';
import { Chat, freshRoom } from '../lib/client.mjs';
import { managed } from '../lib/manager.mjs';
import { header } from '../lib/proxied.mjs';
import { Raw, upgradeRequest } from '../lib/raw.mjs';
import { fewer, withServer } from '../lib/server.mjs';
import { AUTH, bearer, mint, SECRET } from '../lib/token.mjs';
import { amount, sleep, until } from '../lib/wait.mjs';

const WAYS = fewer([{ shards: 1, tls: false }, { shards: 4, tls: true }]);
const READ = /configuration, certificate and keys read again; changed: (.*)/g;
const REFUSED = /error the configuration is refused, and the old one stays: (.*)/g;

/** A configuration file: write() replaces it as a whole, for the server may be reading it. */
class File {
  dir = mkdtempSync(join(tmpdir(), 'ringroom-reload-'));
  path = join(this.dir, 'ringroom.json');
  args = ['--config', this.path];
  constructor(content) { this.write(content); }
  write(content) {
    writeFileSync(`${this.path}.new`, typeof content === 'string' ? content : JSON.stringify(content));
    renameSync(`${this.path}.new`, this.path);
  }
  remove() { rmSync(this.dir, { recursive: true, force: true }); }
}

const count = (server, line) => [...server.log.matchAll(line)].length;

/** SIGHUP, and what the log says of it. Every shard goes by it after that line, or is about to: ask until(). */
async function reload(server, line = READ) {
  const before = count(server, line);
  server.child.kill('SIGHUP');
  await until(() => count(server, line) > before, 'the reload');
  return [...server.log.matchAll(line)].at(-1)[1];
}

async function withFile(settings, content, use) {
  const file = new File(content);
  try {
    await withServer(settings, (server) => use(server, file), { args: file.args });
  } finally {
    file.remove();
  }
}

const upgradeStatus = async (server, tls, fields) => {
  const raw = await Raw.connect(server, { tls });
  const { status } = await raw.request(upgradeRequest('/ws', fields));
  raw.destroy();
  return status;
};

for (const { shards, tls } of WAYS) {
  const way = `${shards} shards, ${tls ? 'TLS' : 'plain'}`;

  test(`limits, origins, retention of rooms that exist, and the log change under a live connection: ${way}`, () => withFile({ shards }, { limits: { rooms_per_connection: 2 }, retention: { max_messages: 10 }, delivery_window: 0 }, async (server, file) => {
    const chats = await Promise.all(Array.from({ length: 8 }, () => Chat.connect(server, { tls })));
    const rooms = chats.map(() => freshRoom());
    for (const [i, chat] of chats.entries()) {
      await chat.join(rooms[i]);
      for (let n = 1; n <= 6; n++) await chat.send(rooms[i], `m${n}`);
      await chat.join(freshRoom());
      assert.equal((await chat.ask('join', { room: freshRoom() })).ev, 'error');
    }
    const foreign = () => upgradeStatus(server, tls, 'Origin: https://a.example\r\n');
    assert.equal(await foreign(), 403);

    file.write({ limits: { rooms_per_connection: 3 }, retention: { max_messages: 10 }, delivery_window: 0, origins: ['https://a.example'],
      rooms: [{ match: '*', max_messages: 4 }], log: { format: 'json' } });
    server.child.kill('SIGHUP');
    await until(() => /"message":"configuration, certificate and keys read again; changed: origins, rooms, limits\.rooms_per_connection, log\.format"/.test(server.log), () => server.log);
    await until(async () => await foreign() === 101, 'the new origin');
    for (const [i, chat] of chats.entries()) {
      await until(async () => (await chat.history(rooms[i])).messages.length === 4, 'the new retention');
      await until(async () => (await chat.ask('join', { room: rooms[i] + '-third' })).ev === 'joined', 'the new limit');
      assert.deepEqual((await chat.send(rooms[i], 'goes on')).seq, 7);
      chat.cut();
    }
  }));

  test(`a wrong file changes nothing, and the log says why: ${way}`, () => withFile({ shards }, { limits: { rooms_per_connection: 1 } }, async (server, file) => {
    const chat = await Chat.connect(server, { tls });
    await chat.join(freshRoom());
    const wrong = {
      '{ "limits": ': /line 1, column/,
      '{ "limits": { "rooms_per_connection": 9, "burst": -1 } }': /limits\.burst: -1 .*must be a whole number/,
      '{ "limits": { "rooms_per_connection": 9 }, "tls": { "ocsp": "/nonexistent" } }': /tls\.ocsp: .*cannot read/,
      '{ "limits": { "rooms_per_connection": 9 }, "auth": { "keys": [{ "alg": "HS256", "file": "/nonexistent" }] } }': /auth\.keys\[0\]\.file/,
    };
    for (const [text, why] of Object.entries(wrong)) {
      file.write(text);
      assert.match(await reload(server, REFUSED), why);
      assert.equal((await chat.ask('join', { room: freshRoom() })).ev, 'error', 'the old limit');
    }
    file.write({ limits: { rooms_per_connection: 9 } });
    assert.equal(await reload(server), 'limits.rooms_per_connection');
    await until(async () => (await chat.ask('join', { room: freshRoom() })).ev === 'joined', 'the new limit');
    chat.cut();
  }));

  test(`what takes a restart is said by key, and stays: ${way}`, () => withFile({ shards }, {}, async (server, file) => {
    file.write({ limits: { max_message: 300, connections: 3 }, auth: { mode: 'token', keys: [{ alg: 'HS256', secret: SECRET }] }, drain: 1 });
    assert.equal(await reload(server), 'auth.keys, drain');
    for (const key of ['limits.max_message', 'limits.connections', 'auth.mode'])
      assert.match(server.log, new RegExp(` warn ${key.replace('.', '\\.')}: has changed, which takes a restart`));
    const chat = await Chat.connect(server, { tls });
    const room = freshRoom();
    assert.equal(chat.hello.max_message, 16384);
    await chat.join(room);
    await chat.send(room, 'x'.repeat(1000));
    chat.cut();
  }));

  test(`keys for tokens change, and who is there stays: ${way}`, () => {
    const { 'auth.mode': mode, 'auth.audience': audience } = AUTH;
    const auth = (...secrets) => ({ auth: { mode, audience, keys: secrets.map(([kid, secret]) => ({ kid, alg: 'HS256', secret })) } });
    const other = 'another secret of the tests, and of the tests alone';
    const token = (kid, secret) => mint({ header: { kid }, key: new TextEncoder().encode(secret) });
    return withFile({ shards }, auth(['one', SECRET]), async (server, file) => {
      const options = async (kid, secret) => ({ tls, ...bearer(await token(kid, secret)) });
      const chat = await Chat.connect(server, await options('one', SECRET));
      const room = freshRoom();
      await chat.join(room);
      await assert.rejects(Chat.connect(server, await options('two', other)), /401/);
      file.write(auth(['two', other]));
      await reload(server);
      const later = await until(async () => Chat.connect(server, await options('two', other)).catch(() => null), 'the new key');
      await until(async () => Chat.connect(server, await options('one', SECRET)).then((old) => { old.cut(); return false; }, () => true), 'the old key has gone');
      await chat.send(room, 'still here');
      file.write({});
      assert.match(await reload(server, REFUSED), /auth\.keys: none are left/);
      later.cut();
      chat.cut();
    });
  });

  test(`reloads without pause, under traffic: ${way}`, () => withFile({ shards }, {}, async (server, file) => {
    const chats = await Promise.all(Array.from({ length: 6 }, () => Chat.connect(server, { tls })));
    const room = freshRoom();
    for (const chat of chats) await chat.join(room);
    let going = true;
    const sending = chats.map(async (chat) => { while (going) await chat.send(room, 'x'); });
    for (let i = 0; i < amount(200, 60); i++) {
      file.write({ retention: { ttl: 60 + i }, rooms: [{ match: `*${i % 2 ? '' : 'none'}`, max_messages: 50 }], origins: [`https://${i}.example`] });
      server.child.kill('SIGHUP');
      if (i % 3 === 0) (await Chat.connect(server, { tls })).cut();
    }
    going = false;
    await Promise.all(sending);
    await reload(server);
    assert.equal(count(server, REFUSED), 0, server.log);
    for (const chat of chats) {
      assert.equal(chat.closedWith, null);
      chat.cut();
    }
  }));
}

/* Certificates */

function makeCertificate(dir, name) {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
    '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', join(dir, 'key.pem'), '-out', join(dir, 'cert.pem')], { stdio: 'ignore' });
  return readFileSync(join(dir, 'cert.pem'), 'utf8');
}

/** {name, session, resumed} of one connection; the ticket comes after the handshake. */
async function shakeHands(server, session) {
  const socket = connectTls({ port: server.ports.https, host: '127.0.0.1', rejectUnauthorized: false, session });
  const ticket = once(socket, 'session');
  await once(socket, 'secureConnect');
  const resumed = socket.isSessionReused();
  const name = socket.getPeerCertificate().subject?.CN;
  const [next] = await ticket;
  socket.destroy();
  return { name, resumed, session: next };
}

test('a renewed certificate: new clients see it, who is there stays, tickets go on', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'ringroom-reload-'));
  const ca = makeCertificate(dir, 'first');
  await withServer({ shards: 4, 'tls.cert': join(dir, 'cert.pem'), 'tls.key': join(dir, 'key.pem') }, async (server) => {
    const chat = await Chat.connect(server, { tls: true, ca });
    const room = freshRoom();
    await chat.join(room);
    const before = await shakeHands(server);
    assert.deepEqual([before.name, before.resumed], ['first', false]);
    makeCertificate(dir, 'second');
    await reload(server);
    await until(async () => (await shakeHands(server)).name === 'second', 'the new certificate');
    assert.equal((await shakeHands(server, before.session)).resumed, true);
    await chat.send(room, 'still here');
    writeFileSync(join(dir, 'key.pem'), 'half written');
    assert.match(await reload(server, REFUSED), /tls\.cert: .*there is no private key/);
    assert.equal((await shakeHands(server)).name, 'second');
    chat.cut();
  });
  rmSync(dir, { recursive: true, force: true });
});

test('the service manager is told: reloading, and ready again, good or not', async () => {
  const file = new File({});
  await managed({}, { args: file.args }, async (server, lines) => {
    for (const content of [{ drain: 2 }, { drain: -2 }]) {
      const seen = lines.length;
      file.write(content);
      server.child.kill('SIGHUP');
      await until(() => lines.slice(seen).some((line) => line.startsWith('READY=1')), 'ready again');
      assert.match(lines.slice(seen).find((line) => line.startsWith('RELOADING=1')), /^RELOADING=1 MONOTONIC_USEC=\d+$/);
    }
  });
  file.remove();
});

test('a proxy goes on as it has begun: proxy.by is for new connections', () => {
  const proxy = (by) => ({ proxy: { from: ['127.0.0.1'], by } });
  return withFile({ shards: 1 }, proxy('forwarded'), async (server, file) => {
    const request = 'GET /healthz HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n';
    const connect = (first) => Raw.connect(server, { tls: false, first });
    /** By a connection of its own. */
    const isAnswered = async (first) => {
      const socket = await connect(first);
      const status = await socket.request(request).then((answer) => answer.status, () => null);
      socket.destroy();
      return status === 200;
    };
    const old = await connect();
    assert.equal((await old.request(request)).status, 200);
    file.write(proxy('protocol'));
    assert.equal(await reload(server), 'proxy.by');
    await until(async () => !await isAnswered(), 'a header wanted');
    assert.ok(await isAnswered(header('192.0.2.1')));
    assert.equal((await old.request(request)).status, 200, 'it has begun with X-Forwarded-For');

    const due = await connect(header('192.0.2.1').subarray(0, 5));
    await sleep(100);
    file.write(proxy('forwarded'));
    assert.equal(await reload(server), 'proxy.by');
    await until(() => isAnswered(), 'no header wanted');
    due.write(header('192.0.2.1').subarray(5));
    assert.equal((await due.request(request)).status, 200, 'it has begun with a header');
    for (const socket of [old, due]) socket.destroy();
  });
});

test('a key of the HTTP API is taken out, and what a room has of its own stays', () => withFile({}, { api: { keys: [{ name: 'old', key: 'an-old-key-of-the-tests' }] } }, async (server, file) => {
  const at = { server, tls: false };
  const status = async (key) => (await call(at, 'GET', '/v1/rooms', undefined, { key })).status;
  const room = freshRoom();
  assert.equal((await call(at, 'PUT', roomPath(room), { ttl: 100 }, { key: 'an-old-key-of-the-tests' })).status, 201);
  file.write({ api: { keys: [{ name: 'new', key: 'a-new-key-of-the-tests' }] }, retention: { ttl: 7, max_messages: 8 } });
  assert.match(await reload(server), /api\.keys/);
  await until(async () => (await status('a-new-key-of-the-tests')) === 200 && (await status('an-old-key-of-the-tests')) === 401, 'the new key alone');
  await until(async () => {
    const { json } = await call(at, 'GET', roomPath(room), undefined, { key: 'a-new-key-of-the-tests' });
    assert.equal(json.ttl, 100);
    return json.max_messages === 8;
  }, 'the new rule for what is not the room\'s own');
  file.write({});
  await reload(server);
  await until(async () => (await status('a-new-key-of-the-tests')) === 404, 'off');
}));
