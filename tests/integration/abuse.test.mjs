/* Abuse: junk, floods, churn. The server goes on serving, and its memory stays bounded. */

import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { Chat, freshRoom, withClients } from '../lib/client.mjs';
import { clientFrame, Raw, upgradeRequest } from '../lib/raw.mjs';
import { everyWay, last, withServer } from '../lib/server.mjs';
import { amount, seeded, sleep, until, within } from '../lib/wait.mjs';

const WAYS = [{ shards: 2, tls: false }, { shards: 4, tls: true }];
const BAD = amount(200_000, 20_000); // bad requests and frames, all kinds and both ways together
const GROWN_MAX = 96 << 20;

const settings = { 'limits.handshake_timeout': 5, 'log.level': 'error' };

everyWay(last(WAYS), settings, (at) => {
  /** During and after `use` the server serves, and has not grown much. */
  const survives = (name, use) => test(name, () => withClients(at, async (connect) => {
    const random = seeded();
    const watch = await connect();
    const room = freshRoom();
    await watch.join(room);
    const before = at.server.rss();
    await use({ random, room, connect });
    await watch.send(room, 'still here');
    await watch.next((event) => event.text === 'still here');
    (await connect()).cut();
    const grown = at.server.rss() - before;
    assert.ok(grown < GROWN_MAX, `the server has grown by ${grown >> 20} MiB (SEED=${random.seed})`);
  }));

  const badRequests = [
    '', '{', '[', '"', 'x', '{"op":1}', '{"op":"x"}', '{"op":"join"}', '{"op":"join","room":""}', '{"op":"join","room":"\\u0000"}', '{"op":"send","room":"a"}',
    '{"op":"send","op":"send"}', '{"op":"ping","id":1.5}', '{"op":"history","room":"never","limit":-1}', '{"op":"join","room":"a","since":{"epoch":"x","seq":1e400}}',
    `{"op":"ping","id":"${'x'.repeat(100)}"}`, '['.repeat(3000), `{"a":${'{"a":'.repeat(1000)}`, `{"op":"join","room":"a","history":${'9'.repeat(4000)}}`,
    `{"op":"send","room":"${'r'.repeat(200)}","text":"x"}`, '{"op":"typing","room":"a","on":"yes"}', '{"op":"leave","room":"never"}', '\u0000', '{"op":"kick"}',
  ];

  survives('bad requests, each answered by an error', async ({ connect }) => {
    const chats = await Promise.all(Array.from({ length: 8 }, () => connect()));
    await Promise.all(chats.map(async (chat, c) => {
      let errors = 0;
      chat.listen(({ ev }) => { errors += Number(ev === 'error'); });
      const n = Math.floor(BAD / 4 / chats.length);
      for (let i = 0; i < n; i++) {
        chat.raw(badRequests[(i + c) % badRequests.length]);
        if (i % 200 === 199) await until(() => errors > i - 1000, () => `${errors} errors of ${i}`, undefined, 1);
      }
      await until(() => errors === n, () => `${errors} errors of ${n}`);
    }));
  });

  survives('junk bytes in place of TLS, HTTP and frames', async ({ random }) => {
    const junk = () => {
      switch (random.below(6)) {
        case 0: return random.bytes(1 + random.below(300));
        case 1: return Buffer.concat([Buffer.from([0x16, 3, 1, random.below(3), random.below(256)]), random.bytes(random.below(200))]);
        case 2: return Buffer.from(`GET ${String(random.bytes(20).toString('latin1'))} HTTP/1.1\r\n\r\n`, 'latin1');
        case 3: return Buffer.concat([Buffer.from(upgradeRequest('/ws')), random.bytes(random.below(200))]);
        case 4: return Buffer.concat([Buffer.from(upgradeRequest('/ws')), clientFrame(1, random.bytes(random.below(100)))]);
        default: return Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.slice(0, random.below(30)));
      }
    };
    const n = BAD / 40; // connections: the dearest kind
    const port = at.server.port(at.tls);
    let next = 0;
    await Promise.all(Array.from({ length: 50 }, async () => {
      while (next++ < n) {
        await new Promise((done) => {
          const socket = net.connect(port, '127.0.0.1', () => {
            socket.write(junk());
            if (random.below(2)) socket.write(junk());
            if (random.below(2)) socket.end();
            else setTimeout(() => (random.below(2) ? socket.destroy() : socket.resetAndDestroy()), random.below(10));
          });
          socket.resume();
          socket.on('error', () => {});
          socket.on('close', done);
          socket.setTimeout(30, () => socket.destroy());
        });
      }
    }));
  });

  survives('bad HTTP requests, and good ones without end', async () => {
    const n = BAD / 4;
    const requests = ['GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc', 'DELETE /healthz HTTP/1.1\r\nHost: a\r\n\r\n'];
    await Promise.all(Array.from({ length: 8 }, async (_, c) => {
      const socket = await Raw.connect(at.server, { tls: at.tls });
      for (let sent = 0; sent < n / 8; sent += 50) {
        socket.write(requests[(c + sent / 50) % 3].repeat(50));
        for (let i = 0; i < 50; i++) {
          const { status } = await socket.answer();
          assert.ok([404, 405].includes(status), String(status));
        }
      }
      socket.destroy();
    }));
  });

  survives('bad frames, each of which ends its connection', async ({ random }) => {
    const n = BAD / 200;
    let next = 0;
    await Promise.all(Array.from({ length: 16 }, async () => {
      while (next++ < n) {
        const socket = await Raw.connect(at.server, { tls: at.tls });
        await socket.upgrade();
        socket.write([clientFrame(3, 'x'), clientFrame(1, 'x', { rsv: 7 }), clientFrame(1, Buffer.from([0xff])), clientFrame(2, 'x'),
          clientFrame(1, 'x', { length: 2 ** 40 }), clientFrame(0, 'x')][random.below(6)]);
        if (random.below(2)) await socket.whenEnded();
        socket.destroy();
      }
    }));
  });

  survives('half-open handshakes and connections that come and go', async ({ random, room }) => {
    const idle = [];
    for (let i = 0; i < amount(500, 100); i++) {
      const socket = net.connect(at.server.port(at.tls), '127.0.0.1');
      socket.on('error', () => {});
      socket.write(at.tls ? Buffer.from([0x16, 3, 1, 2, 0, 1, 0]) : 'GET /ws HT');
      socket.resume();
      idle.push(new Promise((done) => socket.once('close', done)));
    }
    let next = 0;
    await Promise.all(Array.from({ length: 8 }, async () => {
      while (next++ < amount(2000, 200)) {
        const chat = await Chat.connect(at.server, { tls: at.tls });
        const joining = chat.join(room).catch(() => {});
        if (random.below(2)) await joining;
        chat.cut();
        await Promise.all([joining, chat.gone()]);
      }
    }));
    await within(Promise.all(idle), 'the half-open ones to be dropped, by limits.handshake_timeout');
    const watch = await Chat.connect(at.server, { tls: at.tls });
    await until(async () => (await watch.members(room)).count === 1, 'all that came have gone');
    watch.cut();
  });

  survives('who asks without reading the answers is slowed by TCP, not buffered', async ({ room }) => {
    const deaf = await Chat.connect(at.server, { tls: at.tls });
    await deaf.join(room);
    const filler = await Chat.connect(at.server, { tls: at.tls });
    await filler.join(room, { history: 0 });
    await Promise.all(Array.from({ length: 60 }, () => filler.send(room, 'x'.repeat(8000))));
    deaf.ws.pause();
    deaf.listen(() => {});
    const before = at.server.rss();
    const request = JSON.stringify({ op: 'history', room, limit: 1000 });
    for (let i = 0; i < 20_000; i++) deaf.ws.send(i % 2 ? request : '{"op":"ping","id":1}'); // a gigabyte of answers and more
    let last = -1;
    await until(async () => { // until no more bytes are taken
      const waits = deaf.ws.bufferedAmount;
      const same = waits === last;
      last = waits;
      await sleep(300);
      return same;
    }, 'the flood to halt');
    const grown = at.server.rss() - before;
    assert.ok(grown < 32 << 20, `the server has grown by ${grown >> 20} MiB`);
    deaf.cut();
    filler.cut();
    await Promise.all([deaf.gone(), filler.gone()]);
  });
});

/* The end of one connection is asked of the kernel by a number that the next one may have by then. */
test('an old connection that ends never takes a fresh one with it', () => withServer({ shards: 1, 'log.level': 'error' }, async (server) => {
  const random = seeded();
  let next = 0;
  await Promise.all(Array.from({ length: 16 }, async () => {
    while (next++ < amount(60_000, 10_000)) {
      const socket = await Raw.connect(server, { tls: false });
      try {
        await socket.upgrade();
        socket.write(clientFrame(3, 'x')); // closed with 1002, by the server
        if (random.below(2)) await socket.whenEnded();
      } finally {
        socket.destroy();
      }
    }
  }));
}));
