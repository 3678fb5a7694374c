/* WebSocket (RFC 6455) as an odd or hostile client sees it, on /ws and on the conformance path /echo. */

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Chat } from '../lib/client.mjs';
import { clientFrame, closePayload, Raw } from '../lib/raw.mjs';
import { BOTH, everyWay, last } from '../lib/server.mjs';
import { amount, within } from '../lib/wait.mjs';

const [TEXT, BINARY, CLOSE, PING, PONG] = [1, 2, 8, 9, 10];

everyWay(last(BOTH), { 'conformance.enabled': true }, (at) => {
  const on = (path, name, use) => test(name, async () => {
    const socket = await Raw.connect(at.server, { tls: at.tls });
    try {
      await socket.upgrade(path);
      if (path === '/ws') await socket.frame();
      await use(socket);
    } finally {
      socket.destroy();
    }
  });

  on('/echo', 'messages come back as they were, whole or in fragments, with control frames between', async (socket) => {
    for (const [opcode, text] of [[TEXT, 'Hello'], [BINARY, '\u0000\u00ff'], [TEXT, ''], [BINARY, ''], [TEXT, 'ü\u{1F99C}'], [TEXT, 'x'.repeat(125)], [TEXT, 'x'.repeat(126)], [BINARY, 'x'.repeat(65535)], [TEXT, 'x'.repeat(65536)]]) {
      socket.write(clientFrame(opcode, text));
      const frame = await socket.frame();
      assert.deepEqual([frame.opcode, frame.fin, frame.rsv], [opcode, 1, 0]);
      assert.equal(String(frame.payload), text);
    }
    socket.write(clientFrame(TEXT, 'f\u00fc', { fin: 0 }).subarray(0, -1)); // cut inside a character
    socket.write(clientFrame(TEXT, 'f\u00fc', { fin: 0 }).subarray(-1));
    socket.write(clientFrame(PING, 'between'));
    assert.deepEqual(await socket.frame(), { fin: 1, rsv: 0, opcode: PONG, payload: Buffer.from('between') });
    socket.write(clientFrame(0, '', { fin: 0 }));
    socket.write(clientFrame(PONG, 'unasked'));
    socket.write(clientFrame(0, 'r'));
    const { opcode, payload } = await socket.frame();
    assert.deepEqual([opcode, String(payload)], [TEXT, 'f\u00fcr']);
  });

  on('/echo', 'a character may be cut by a fragment', async (socket) => {
    const bytes = Buffer.from('\u{1F99C}');
    for (let i = 0; i < 4; i++) socket.write(clientFrame(i ? 0 : TEXT, bytes.subarray(i, i + 1), { fin: i === 3 ? 1 : 0 }));
    assert.deepEqual((await socket.frame()).payload, bytes);
  });

  on('/ws', 'pings are answered in order, also many at once', async (socket) => {
    socket.write(Buffer.concat(Array.from({ length: 500 }, (_, i) => clientFrame(PING, String(i)))));
    for (let i = 0; i < 500; i++) assert.deepEqual(await socket.frame(), { fin: 1, rsv: 0, opcode: PONG, payload: Buffer.from(String(i)) });
  });

  on('/ws', 'one byte at a time it is understood just the same', async (socket) => {
    socket.socket.setNoDelay(true);
    const request = Buffer.concat([clientFrame(TEXT, '{"op":"pi', { fin: 0 }), clientFrame(PING, 'x'), clientFrame(0, 'ng","id":"ü"}')]);
    for (const byte of request) {
      socket.write(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    assert.equal((await socket.frame()).opcode, PONG);
    assert.deepEqual(JSON.parse((await socket.frame()).payload), { ev: 'pong', re: 'ü' });
  });

  for (const path of ['/ws', '/echo']) {
    test(`bad frames on ${path} end with the fitting code, at once, and the server ends the connection`, async () => {
      const half = (bytes, length = 1000) => clientFrame(TEXT, Buffer.from(bytes), { length }); // the rest never comes
      const bad = {
        unmasked: [1002, clientFrame(TEXT, 'x', { masked: false })], 'reserved bit': [1002, clientFrame(TEXT, 'x', { rsv: 4 })],
        'reserved opcode': [1002, clientFrame(3, 'x')], 'reserved control': [1002, clientFrame(11, 'x')], 'long ping': [1002, clientFrame(PING, 'x'.repeat(126))],
        'ping in fragments': [1002, clientFrame(PING, 'x', { fin: 0 })], 'continuation of nothing': [1002, clientFrame(0, 'x')],
        'a message within a message': [1002, Buffer.concat([clientFrame(TEXT, 'x', { fin: 0 }), clientFrame(TEXT, 'y')])],
        'close of one byte': [1002, clientFrame(CLOSE, 'x')], 'close code 1005': [1002, clientFrame(CLOSE, closePayload(1005))],
        'close code 999': [1002, clientFrame(CLOSE, closePayload(999))], 'close code 5000': [1002, clientFrame(CLOSE, closePayload(5000))],
        'close reason not UTF-8': [1007, clientFrame(CLOSE, Buffer.concat([closePayload(1000), Buffer.from([0xff])]))],
        'bad UTF-8': [1007, clientFrame(TEXT, Buffer.from([0xc3, 0x28]))], 'UTF-8 that ends too early': [1007, clientFrame(TEXT, Buffer.from([0xc3]))],
        'bad UTF-8 at the start of a long frame': [1007, half([0x41, 0xff])], surrogate: [1007, half([0xed, 0xa0, 0x80])], overlong: [1007, half([0xc0, 0x80])],
        'beyond Unicode': [1007, half([0xf4, 0x90])], 'bad UTF-8 in a first fragment': [1007, clientFrame(TEXT, Buffer.from([0xce, 0xce]), { fin: 0 })],
        'too large by its header': [1009, half([0x41], path === '/ws' ? 20_000 : 17 << 20)],
      };
      await Promise.all(Object.entries(bad).map(async ([name, [code, bytes]]) => {
        const socket = await Raw.connect(at.server, { tls: at.tls });
        try {
          await socket.upgrade(path);
          socket.write(bytes);
          assert.equal((await socket.closeFrame()).code, code, name);
          await socket.whenEnded(name);
        } finally {
          socket.destroy();
        }
      }));
    });

    test(`the close handshake on ${path}: the code comes back, then the server closes TCP, first and soon`, async () => {
      for (const [payload, code] of [['', 1005], [closePayload(1000, 'bye'), 1000], [closePayload(1001), 1001], [closePayload(3000), 3000], [closePayload(4999), 4999]]) {
        const socket = await Raw.connect(at.server, { tls: at.tls });
        try {
          await socket.upgrade(path);
          socket.write(Buffer.concat([clientFrame(CLOSE, payload), clientFrame(TEXT, '{"op":"ping","id":1}')]));
          assert.equal((await socket.closeFrame()).code, code);
          const start = Date.now();
          await socket.whenEnded();
          assert.equal(socket.received.length, 0, 'nothing after the close frame');
          assert.ok(Date.now() - start < 10_000);
        } finally {
          socket.destroy();
        }
      }
    });
  }

  on('/ws', 'a client that never answers our close frame is cut', async (socket) => {
    socket.write(clientFrame(BINARY, 'x'));
    assert.equal((await socket.closeFrame()).code, 1003);
    await socket.whenEnded();
  });

  const client = (name, use) => test(name, async () => {
    const chat = await Chat.connect(at.server, { tls: at.tls, path: '/echo', greeted: false, protocols: [], maxPayload: 32 << 20 });
    chat.ws.removeAllListeners('message');
    const next = () => within(new Promise((done) => chat.ws.once('message', (data, binary) => done({ data, binary }))), 'the echo');
    try {
      await use(chat.ws, next);
      await chat.close();
      assert.equal(chat.closedWith.code, 1000);
    } finally {
      chat.cut();
    }
  });

  client('16 MiB in one message come back', async (ws, next) => {
    const digest = (bytes) => createHash('sha256').update(bytes).digest('hex');
    for (const binary of [true, false]) {
      const payload = binary ? randomBytes(16 << 20) : Buffer.alloc(16 << 20, '0123456789abcde ');
      ws.send(payload, { binary });
      const echo = await next();
      assert.equal(echo.binary, binary);
      assert.equal(digest(echo.data), digest(payload));
    }
  });

  client('65,536 fragments make one message', async (ws, next) => {
    const fragments = amount(65536, 16384);
    for (let i = 0; i < fragments; i++) ws.send(String(i % 10), { fin: i === fragments - 1 });
    const { data } = await next();
    assert.equal(String(data), '0123456789'.repeat(fragments / 10 + 1).slice(0, fragments));
  });
});
