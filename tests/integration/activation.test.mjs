/* Listening sockets that are passed on, as systemd does it. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { Chat, freshRoom } from '../lib/client.mjs';
import { BINARY, helper, run, serveArgs, Server, withServer } from '../lib/server.mjs';
import { amount, patiently } from '../lib/wait.mjs';

async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

/** How to start the server with sockets at these addresses. */
const passing = (addresses, names, env = {}) => ({
  command: [helper('activate'), addresses.join(), BINARY],
  env: { ...names && { LISTEN_FDNAMES: names }, ...env },
  ports: addresses.length,
});

const NOT_BOUND = { listen: '127.0.0.1:1', listen_plain: [] };

test('passed sockets are used instead of listen, with TLS or without by their names', () => patiently(async () => {
  const [http, https] = await freePorts(2);
  const server = await Server.start({ ...NOT_BOUND, shards: 2 }, passing([`127.0.0.1:${http}`, `127.0.0.1:${https}`], 'plain:tls'));
  assert.deepEqual(server.ports, { http, https });
  const room = freshRoom();
  for (const tls of [false, true]) {
    const chat = await Chat.connect(server, { tls });
    await chat.join(room);
    chat.cut();
  }
  await server.stop();
}));

test('without a name of ours the address decides, and an unknown one is refused', () => patiently(async () => {
  const [https, http] = await freePorts(2);
  const [a, b] = [`127.0.0.1:${https}`, `127.0.0.1:${http}`];
  const server = await Server.start({ listen: a, listen_plain: b }, passing([a, b], 'ringroom.socket:ringroom.socket'));
  assert.deepEqual(server.ports, { https, http });
  await server.stop();
  const { code, stderr } = await run(serveArgs({ listen: [], listen_plain: a }), passing([a, b]));
  assert.equal(code, 2);
  assert.match(stderr, new RegExp(`the socket at ${b} that was passed is called neither \`tls\` nor \`plain\``));
}));

test('what is no listening TCP socket is refused; so is TLS without a certificate, and what is open to test suites', async () => {
  const refused = async (settings, how, why) => {
    const { code, stdout, stderr } = await run(serveArgs(settings), how);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, why);
  };
  const plain = { listen: [], listen_plain: '127.0.0.1:1' };
  await refused(plain, passing(['127.0.0.1:0', '-']), /neither|descriptor 4 is not a listening TCP socket/);
  await refused(plain, passing(['-']), /descriptor 3 is not a listening TCP socket/);
  await refused(plain, passing(['127.0.0.1:0'], 'tls'), /is for TLS, which needs tls\.cert/);
  await refused({ ...plain, 'conformance.enabled': true }, passing(['0.0.0.0:0'], 'plain'), /conformance\.enabled/);
});

test('sockets for another process are left alone', async () => {
  const [port] = await freePorts(1);
  const server = await Server.start({ listen_plain: [] }, passing([`127.0.0.1:${port}`], 'tls', { LISTEN_PID: '1' }));
  assert.notEqual(server.ports.https, port);
  await server.stop();
});

/** Nanoseconds of CPU time of each thread but the first, by its id. */
const threadTimes = (pid) => new Map(readdirSync(`/proc/${pid}/task`)
  .filter((task) => task !== String(pid) && !readFileSync(`/proc/${pid}/task/${task}/comm`, 'utf8').startsWith('iou-'))
  .map((task) => [task, Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0])]));

/* Which shard has a connection can't be seen from outside; its TLS handshake is work of that shard's thread. */
test('several shards share one socket: each serves some', () => withServer({ ...NOT_BOUND, shards: 4 }, async (server) => {
  const before = threadTimes(server.pid);
  for (let i = 0; i < amount(10, 5); i++) {
    const chats = await Promise.all(Array.from({ length: 20 }, () => Chat.connect(server, { tls: true })));
    chats.forEach((chat) => chat.cut());
  }
  /* ThreadSanitizer has a thread of its own, which does next to nothing. */
  const used = [...threadTimes(server.pid)].map(([task, ns]) => ns - before.get(task)).sort((a, b) => b - a).slice(0, 4);
  const mean = used.reduce((a, b) => a + b) / used.length;
  assert.ok(used.every((ns) => ns > mean / 4), `ns of the shards: ${used}`);
}, passing(['127.0.0.1:0'], 'tls')));
