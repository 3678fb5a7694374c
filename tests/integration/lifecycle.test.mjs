/* The server's life: start errors, stop, and peers that are silently gone. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Chat, freshRoom, withClients } from '../lib/client.mjs';
import { clientFrame, Raw } from '../lib/raw.mjs';
import { certificate, run, serveArgs, Server, withServer } from '../lib/server.mjs';
import { sleep, within } from '../lib/wait.mjs';

/* Each test has a server of its own, and mostly waits. */
describe('the server\'s life:', { concurrency: 8 }, () => {
for (const tls of [false, true]) {
  const way = tls ? 'TLS' : 'plain';

  test(`SIGTERM: every client is told when to come back, at spread-out times, and closed with 1012; exit 0: ${way}`, async () => {
    const server = await Server.start({ shards: 4 });
    const chats = await Promise.all(Array.from({ length: 40 }, () => Chat.connect(server, { tls })));
    const room = freshRoom();
    for (const chat of chats) await chat.join(room);
    const idle = await Raw.connect(server, { tls });
    await server.stop();
    const after = [];
    for (const chat of chats) {
      assert.equal((await chat.gone()).code, 1012);
      const told = chat.take('reconnect');
      assert.equal(told.length, 1);
      assert.ok(Number.isInteger(told[0].after_ms) && told[0].after_ms >= 0);
      after.push(told[0].after_ms);
    }
    assert.ok(new Set(after).size > 10, `spread out: ${after}`);
    idle.destroy();
  });

  test(`SIGTERM in mid-traffic: who comes back later has an unbroken account up to its close: ${way}`, async () => {
    const server = await Server.start({ shards: 4 });
    const [sender, reader] = [await Chat.connect(server, { tls }), await Chat.connect(server, { tls })];
    const room = freshRoom();
    await sender.join(room);
    await reader.join(room);
    let covered = 0, acked = 0;
    reader.listen(({ ev, seq }) => { if (ev === 'message') assert.equal(seq, ++covered); });
    const sends = Array.from({ length: 500 }, () => sender.send(room, 'x').then(() => acked++, () => {}));
    await Promise.race(sends);
    await server.stop();
    await Promise.all([...sends, reader.gone(), sender.gone()]);
    assert.ok(acked > 0 && covered > 0);
    assert.equal(reader.closedWith.code, 1012);
  });

  test(`a second SIGTERM cuts those who do not go: ${way}`, async () => {
    const server = await Server.start({ drain: 3600 });
    const chat = await Chat.connect(server, { tls });
    const room = freshRoom();
    await chat.join(room);
    chat.ws.pause(); // neither reads nor answers the close frame
    server.child.kill('SIGTERM');
    await sleep(200);
    server.child.kill('SIGTERM');
    await server.ended();
    chat.cut();
  });

  test(`a peer that answers no ping is closed with 4011, however much is sent to it: ${way}`, () => withServer({ 'limits.idle_timeout': 2, 'limits.ping_interval': 1, shards: 2 }, (server) => withClients({ server, tls }, async (connect) => {
    const sender = await connect();
    const room = freshRoom();
    await sender.join(room);
    const pings = [];
    sender.ws.on('ping', () => pings.push(Date.now()));
    const timer = setInterval(() => sender.raw({ op: 'send', room, text: 'a broadcast' }), 50);
    try {
      const dead = await connect({ autoPong: false });
      await dead.join(room, { history: 0 });
      assert.equal((await dead.gone()).code, 4011);
      assert.ok(dead.take('message').length > 2, 'it has been sent some');
      await sleep(2500);
      await sender.ping();
      assert.ok(pings.length >= 2, 'who answers is pinged, and stays');
    } finally {
      clearInterval(timer);
    }
  })));

  test(`only frames received count as life: a silent reader goes, one that pings stays: ${way}`, () => withServer({ 'limits.idle_timeout': 2, 'limits.ping_interval': 1, shards: 1 }, async (server) => {
    const [silent, pinging] = [await Raw.connect(server, { tls }), await Raw.connect(server, { tls })];
    for (const socket of [silent, pinging]) await socket.upgrade();
    const timer = setInterval(() => pinging.write(clientFrame(9, 'x')), 200);
    try {
      assert.equal((await silent.closeFrame()).code, 4011);
      await silent.whenEnded();
      await sleep(1500);
      assert.equal(pinging.ended, false);
    } finally {
      clearInterval(timer);
      silent.destroy();
      pinging.destroy();
    }
  }));
}

test('SIGINT stops it too, and a server without clients ends at once', async () => {
  const server = await Server.start({ drain: 3600 });
  server.child.kill('SIGINT');
  await server.ended();
});


const fails = async (settings, named) => {
  const { code, stdout, stderr } = await run(serveArgs(settings));
  assert.equal(code, 2, stderr);
  assert.equal(stdout, '');
  assert.match(stderr, named);
  assert.equal(stderr.trim().split('\n').length, 1, stderr);
};

test('a port that another server listens on is a start error', () => withServer({}, async (server) => {
  const { cert, key } = certificate();
  await fails({ listen: `127.0.0.1:${server.ports.https}`, 'tls.cert': cert, 'tls.key': key }, new RegExp(`listen: can't listen at 127.0.0.1:${server.ports.https}`));
  await fails({ listen: [], listen_plain: `127.0.0.1:${server.ports.http}` }, new RegExp(`listen_plain: can't listen at 127.0.0.1:${server.ports.http}`));
  (await Chat.connect(server)).cut();
}));

test('a certificate that is missing, broken, or not the key\'s is a start error', async () => {
  const { dir, cert, key } = certificate();
  const broken = join(dir, 'broken.pem');
  writeFileSync(broken, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  const listen = '127.0.0.1:0';
  await fails({ listen }, /tls\.cert/);
  await fails({ listen, 'tls.cert': join(dir, 'none.pem'), 'tls.key': key }, /none\.pem/);
  await fails({ listen, 'tls.cert': broken, 'tls.key': key }, /broken\.pem/);
  await fails({ listen, 'tls.cert': cert, 'tls.key': cert }, /no private key in .*cert\.pem/);
});

test('wrong settings are start errors that name the key', async () => {
  const plain = { listen: [], listen_plain: '127.0.0.1:0' };
  await fails({ ...plain, 'limits.brust': 5 }, /limits\.brust.*limits\.burst/);
  await fails({ ...plain, shards: -1 }, /shards/);
  await fails({ ...plain, 'retention.ttl': 0 }, /retention\.ttl/);
  await fails({ listen: [], listen_plain: '0.0.0.0:0', 'conformance.enabled': true }, /conformance\.enabled/);
});

test('ready is printed once for each listener, with its scheme and port', () => withServer({ listen_plain: ['127.0.0.1:0'] }, async (server) => {
  assert.ok(server.ports.http > 0 && server.ports.https > 0 && server.ports.http !== server.ports.https);
  const { status } = await within(fetch(server.url(false, '/readyz')), 'readyz');
  assert.equal(status, 200);
}));
});
