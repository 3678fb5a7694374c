/* HTTP on the same port: pages, errors, keep-alive, pipelining, slow and half-closed clients, the upgrade. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chat } from '../lib/client.mjs';
import { Raw, upgradeRequest, WS_KEY } from '../lib/raw.mjs';
import { BOTH, everyWay, withServer } from '../lib/server.mjs';

const get = (path, fields = '', method = 'GET') => `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${fields}\r\n`;

everyWay(BOTH, {}, (at) => {
  const raw = async (use) => {
    const socket = await Raw.connect(at.server, { tls: at.tls });
    try {
      return await use(socket);
    } finally {
      socket.destroy();
    }
  };
  const both = (name, use) => test(name, () => raw(use));

  both('the page comes with type, length, ETag and a strict policy', async (socket) => {
    const page = await socket.request(get('/'));
    assert.equal(page.status, 200);
    assert.match(page.headers['content-type'], /^text\/html/);
    assert.match(page.headers['content-security-policy'], /default-src 'none'/);
    assert.match(page.headers.etag, /^"[^"]+"$/);
    assert.match(String(page.body), /<!doctype html>/i);
    const links = [...String(page.body).matchAll(/(?:src|href)="\.?\/?([\w.-]+\.(?:js|css|svg|webmanifest))"/g)];
    assert.ok(links.length > 0);
    for (const [, name] of links) assert.equal((await socket.request(get(`/${name}`))).status, 200, name);
  });

  both('HEAD answers like GET, without the body', async (socket) => {
    const page = await socket.request(get('/'));
    for (const path of ['/', '/healthz', '/nothing']) {
      const whole = await socket.request(get(path));
      const head = await socket.request(get(path, '', 'HEAD'), { headOnly: true });
      assert.equal(head.status, whole.status, path);
      assert.equal(head.headers['content-length'], whole.headers['content-length'], path);
    }
    assert.equal((await socket.request(get('/'))).body.length, page.body.length, 'the connection is still in step');
  });

  both('If-None-Match is answered by 304 without a body', async (socket) => {
    const { headers: { etag } } = await socket.request(get('/'));
    for (const tags of [etag, '*', `"other", ${etag}`, `W/${etag}`]) {
      const answer = await socket.request(get('/', `If-None-Match: ${tags}\r\n`));
      assert.equal(answer.status, 304, tags);
      assert.equal(answer.headers.etag, etag);
    }
    assert.equal((await socket.request(get('/', 'If-None-Match: "other"\r\n'))).status, 200);
  });

  both('healthz and readyz say so, unknown paths 404, other methods 405 with Allow', async (socket) => {
    assert.equal((await socket.request(get('/healthz'))).status, 200);
    assert.equal((await socket.request(get('/readyz'))).status, 200);
    for (const path of ['/nothing', '/../etc/passwd', '/%2e%2e/', '//', '/ws/', '/echo']) assert.equal((await socket.request(get(path))).status, 404, path);
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const { status, headers } = await socket.request(get('/', 'Content-Length: 0\r\n', method));
      assert.equal(status, 405, method);
      assert.match(headers.allow, /GET/);
    }
  });

  test('broken requests are answered with the fitting status, and the connection ends', async () => {
    const long = 'x'.repeat(100_000);
    const broken = [
      [400, 'GET / HTTP/1.1\r\n\r\n'], [400, 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n'], [400, 'G@T / HTTP/1.1\r\nHost: a\r\n\r\n'],
      [400, 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'], [400, 'GET / HTTP/1.1\r\nHost : a\r\n\r\n'], [400, 'GET / HTTP/1.1\r\nHost: a\r\nx\r\n\r\n'],
      [400, 'GET / HTTP/1.1\r\nHost: a\r\nX: a\u0000b\r\n\r\n'], [400, '\u0016\u0003\u0001\u0000\r\n\r\n'],
      [400, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx'],
      [400, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n'], [400, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
      [505, 'GET / HTTP/3.0\r\nHost: a\r\n\r\n'],
      [413, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n'],
      [414, `GET /${long} HTTP/1.1\r\nHost: a\r\n\r\n`], [431, `GET / HTTP/1.1\r\nHost: a\r\nX: ${long}\r\n\r\n`],
      [431, `GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(1000)}\r\n`],
    ];
    for (const [status, request] of broken) {
      await raw(async (socket) => {
        const answer = await socket.request(Buffer.from(request, 'latin1'));
        assert.equal(answer.status, status, JSON.stringify(request.slice(0, 80)));
        assert.ok(JSON.parse(answer.body).error.code);
        assert.equal(answer.headers.connection, 'close');
        await socket.whenEnded();
      });
    }
  });

  both('keep-alive serves many requests; Connection: close and HTTP/1.0 end after one', async (socket) => {
    for (let i = 0; i < 50; i++) assert.equal((await socket.request(get('/healthz'))).status, 200);
    assert.equal((await socket.request(get('/healthz', 'Connection: close\r\n'))).headers.connection, 'close');
    await socket.whenEnded();
    await raw(async (old) => {
      assert.equal((await old.request('GET /healthz HTTP/1.0\r\n\r\n')).status, 200);
      await old.whenEnded();
    });
  });

  both('pipelined requests are answered in order, however their bytes are cut', async (socket) => {
    const paths = ['/healthz', '/nothing', '/', '/readyz', '/missing'];
    const all = Buffer.from(paths.map((path) => get(path)).join('').repeat(6));
    for (let i = 0; i < all.length; i += 97) socket.write(all.subarray(i, i + 97));
    for (let i = 0; i < 6; i++)
      for (const path of paths) assert.equal((await socket.answer()).status, path.startsWith('/nothing') || path === '/missing' ? 404 : 200);
  });

  both('a client that ends its direction after the request still gets the answer', async (socket) => {
    socket.write(get('/'));
    socket.end();
    const { status, body } = await socket.answer();
    assert.equal(status, 200);
    assert.ok(body.length > 100);
    await socket.whenEnded();
  });

  both('the upgrade is answered by 101, then hello', async (socket) => {
    const { headers } = await socket.upgrade('/ws', 'Sec-WebSocket-Protocol: other, ringroom.v1\r\n');
    assert.equal(headers.upgrade.toLowerCase(), 'websocket');
    assert.equal(headers['sec-websocket-protocol'], 'ringroom.v1');
    assert.equal('sec-websocket-extensions' in headers, false);
    const { opcode, payload } = await socket.frame();
    assert.equal(opcode, 1);
    assert.equal(JSON.parse(payload).ev, 'hello');
  });

  both('without a known sub-protocol it is served too, and none is named', async (socket) => {
    const { headers } = await socket.upgrade('/ws', 'Sec-WebSocket-Protocol: chat\r\n');
    assert.equal('sec-websocket-protocol' in headers, false);
  });

  test('wrong upgrades are refused', async () => {
    const whole = upgradeRequest('/ws');
    for (const [status, request] of [
      [426, get('/ws')], [426, whole.replace('Version: 13', 'Version: 8')], [400, whole.replace(WS_KEY, 'short')],
      [400, whole.replace(`Sec-WebSocket-Key: ${WS_KEY}\r\n`, '')], [405, whole.replace('GET', 'POST')],
      [403, upgradeRequest('/ws', 'Origin: https://evil.example\r\n')], [403, upgradeRequest('/ws', 'Origin: null\r\n')],
    ]) {
      await raw(async (socket) => {
        const answer = await socket.request(request);
        assert.equal(answer.status, status, request);
        if (status === 426) assert.equal(answer.headers['sec-websocket-version'], '13');
      });
    }
    await raw((socket) => socket.upgrade('/ws', `Origin: ${at.tls ? 'https' : 'http'}://127.0.0.1\r\n`));
  });
});

test('origins: the listed ones may connect, with their wildcards, and no others', () => withServer({ origins: ['https://a.example', 'https://*.b.example'] }, async (server) => {
  for (const [origin, fine] of [['https://a.example', true], ['https://x.b.example', true], ['https://b.example', false], ['http://a.example', false],
    ['https://a.example.evil', false], [undefined, true]]) {
    const connecting = Chat.connect(server, { tls: true, origin });
    if (fine) (await connecting).cut();
    else await assert.rejects(connecting, /403/, origin);
  }
}));

for (const tls of [false, true]) {
  test(`who is too slow with a request gets 408, who says nothing is closed: ${tls ? 'TLS' : 'plain'}`, () => withServer({ 'limits.handshake_timeout': 1 }, async (server) => {
    const drip = await Raw.connect(server, { tls });
    const timer = setInterval(() => drip.write('x'), 100); // every byte in time, the request never
    drip.write('GET / HTTP/1.1\r\nHost: a\r\nX: ');
    const silent = await Raw.connect(server, { tls });
    const mute = await Raw.connect(server, { tls: false, port: server.port(tls) });
    if (tls) mute.write(Buffer.from([0x16, 3, 1, 0, 100])); // a handshake that stops at once
    try {
      assert.equal((await drip.answer()).status, 408);
      await Promise.all([drip.whenEnded(), silent.whenEnded(), mute.whenEnded()]);
      assert.equal(silent.received.length, 0);
      const again = await Raw.connect(server, { tls });
      assert.equal((await again.request(get('/healthz'))).status, 200);
      again.write('GET /hea'); // the second request must come whole in time as well
      assert.equal((await again.answer()).status, 408);
      again.destroy();
    } finally {
      clearInterval(timer);
      for (const socket of [drip, silent, mute]) socket.destroy();
    }
  }));
}
