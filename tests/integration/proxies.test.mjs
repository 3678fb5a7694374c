/* Behind a proxy: the client's address is what a configured proxy says, and what nobody else says. Which
 * address was taken is seen by the limit of connections by address. 127.0.0.1 is the proxy, 127.0.0.2 is
 * not. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Chat, freshRoom } from '../lib/client.mjs';
import { Polling, request } from '../lib/engineio.mjs';
import { agentWith, anyHeader, header, LOCAL, PROXY, TCP4, TCP6, UDP4, UNIX, UNSPEC } from '../lib/proxied.mjs';
import { Raw, upgradeRequest } from '../lib/raw.mjs';
import { BOTH, everyWay, run, serveArgs, withServer } from '../lib/server.mjs';
import { Page } from '../lib/socketio.mjs';
import { sleep, until, within } from '../lib/wait.mjs';

const LIMIT = 5; // connections of one address: a Socket.IO client that upgrades has three for a moment
const HANDSHAKE_S = 3;
const settings = { 'proxy.from': ['127.0.0.1'], 'limits.connections_per_ip': LIMIT, 'limits.handshake_timeout': HANDSHAKE_S };

const get = (path, fields = '') => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${fields}\r\n`;
const xff = (list) => `X-Forwarded-For: ${list}\r\n`;

let hosts = 0;
/** An address that no other test has. */
const freshAddress = () => `192.0.2.${++hosts}`;

/** What one test opens, closed at its end. */
async function withOpen(at, use) {
  const opened = [];
  const keep = (thing) => { opened.push(thing); return thing; };
  const raw = async (options) => keep(await Raw.connect(at.server, { tls: at.tls, ...options }));
  try {
    return await use({ raw, keep });
  } finally {
    for (const thing of opened) thing.destroy();
    await Promise.all(opened.map((thing) => thing.closed ?? within(new Promise((done) => { thing.on('close', done); }), 'the close')));
  }
}

/** The last connection of an address takes a moment to be gone. */
const freed = (attempt) => until(async () => (await attempt()) !== 429, 'room for one more connection', undefined, 50);

everyWay(BOTH, settings, (at) => {
  describe('X-Forwarded-For:', () => {
    const forwarded = (name, use) => test(name, () => withOpen(at, ({ raw }) => {
      /** The status that an upgrade gets; the connection stays open. */
      const upgrade = async (fields, options) => (await (await raw(options)).request(upgradeRequest('/ws', fields))).status;
      /** The address has so many connections: no more than fit. */
      const fill = async (fields, n = LIMIT, options = {}) => {
        for (let i = 0; i < n; i++) assert.equal(await upgrade(fields, options), 101, `connection ${i + 1}`);
        assert.equal(await upgrade(fields, options), 429, 'one more');
      };
      return use({ raw, upgrade, fill });
    }));

    forwarded('each client is limited for itself, not the proxy', async ({ fill, upgrade }) => {
      const [a, b] = [freshAddress(), freshAddress()];
      await fill(xff(a));
      await fill(xff(b));
      await fill(xff('2001:db8:a::1'));
      assert.equal(await upgrade(xff('[2001:db8:a::2]:4711')), 429, 'of the same /64');
      assert.equal(await upgrade(xff('2001:db8:a:1::1')), 101, 'of the next');
    });

    forwarded('who is refused is told so, and only he', async ({ raw, fill }) => {
      const a = freshAddress();
      await fill(xff(a));
      const socket = await raw();
      const answer = await socket.request(get('/healthz', xff(a)));
      assert.equal(answer.status, 429);
      assert.equal(JSON.parse(answer.body).error.code, 'rate_limited');
      assert.ok(Number(answer.headers['retry-after']) > 0);
      await socket.whenEnded();
    });

    forwarded('on one connection each request may be another client\'s', async ({ raw, fill }) => {
      const [a, b, c] = [freshAddress(), freshAddress(), freshAddress()];
      await fill(xff(a));
      const socket = await raw();
      for (const client of [b, c, b, c]) assert.equal((await socket.request(get('/healthz', xff(client)))).status, 200, client);
      assert.equal((await socket.request(get('/healthz', xff(a)))).status, 429);
    });

    forwarded('pipelined requests are each their own client\'s', async ({ raw, fill }) => {
      const [a, b] = [freshAddress(), freshAddress()];
      await fill(xff(a));
      const socket = await raw();
      socket.write(get('/healthz', xff(b)) + get('/readyz', xff(b)) + get('/healthz', xff(a)) + get('/healthz', xff(b)));
      for (const status of [200, 200, 429]) assert.equal((await socket.answer()).status, status);
      await socket.whenEnded();
      assert.equal(socket.received.length, 0, 'nothing behind the refusal is answered');
    });

    forwarded('between requests a connection of the proxy is nobody\'s', async ({ raw, fill }) => {
      const a = freshAddress();
      for (let i = 0; i < 3 * LIMIT; i++) {
        const socket = await raw();
        assert.equal((await socket.request(get('/healthz', xff(a)))).status, 200);
      }
      await fill(xff(a));
    });

    forwarded('an upgrade fixes the address, until its end', async ({ raw, upgrade }) => {
      const a = freshAddress();
      const sockets = [];
      for (let i = 0; i < LIMIT; i++) {
        sockets.push(await raw());
        assert.equal((await sockets[i].request(get('/healthz', xff(freshAddress())))).status, 200);
        await sockets[i].upgrade('/ws', xff(a));
      }
      assert.equal(await upgrade(xff(a)), 429);
      sockets[0].destroy();
      await freed(() => upgrade(xff(a)));
      assert.equal(await upgrade(xff(a)), 429);
    });

    forwarded('what stands left of the proxy\'s own entry is not read', async ({ upgrade, fill }) => {
      const a = freshAddress();
      await fill(xff(a));
      for (const forged of [freshAddress(), '127.0.0.1', 'unknown', '<script>', freshAddress()])
        assert.equal(await upgrade(xff(`${forged}, ${a}`)), 429, forged);
      assert.equal(await upgrade(xff(freshAddress()) + xff(a)), 429, 'in a line of its own');
      assert.equal(await upgrade(xff(`${a}, ${freshAddress()}`)), 101, 'nor can he be blamed for others');
    });

    forwarded('other proxies of ours are passed over', async ({ upgrade, fill }) => {
      const a = freshAddress();
      await fill(xff(`${freshAddress()}, ${a}, 127.0.0.1`));
      assert.equal(await upgrade(xff(a) + xff('127.0.0.1:80')), 429);
    });

    forwarded('from anybody else the header is ignored', async ({ fill, upgrade, raw }) => {
      const stranger = { localAddress: '127.0.0.2' };
      const a = freshAddress();
      await fill(xff(a));
      for (let i = 0; i < LIMIT; i++) assert.equal(await upgrade(xff(a), stranger), 101);
      /* TLS is not even begun with who is over his limit. */
      if (at.tls) await assert.rejects(upgrade(xff(freshAddress()), stranger));
      else assert.equal((await (await raw(stranger)).answer()).status, 429);
    });

    forwarded('nor is nonsense in it minded from there', async ({ raw }) => {
      const socket = await raw({ localAddress: '127.0.0.3' });
      assert.equal((await socket.request(get('/healthz', xff('unknown')))).status, 200);
    });

    forwarded('what is no address where it counts is a bad request', async ({ raw }) => {
      for (const list of ['unknown', '192.0.2.1, _hidden', '192.0.2.999', '192.0.2.1, for=192.0.2.2', 'x, 127.0.0.1', '[2001:db8::1']) {
        const socket = await raw();
        const answer = await socket.request(get('/healthz', xff(list)));
        assert.equal(answer.status, 400, list);
        const { error } = JSON.parse(answer.body);
        assert.equal(error.code, 'bad_request');
        assert.match(error.message, /X-Forwarded-For/);
        await socket.whenEnded();
      }
      assert.match(at.server.log, /proxy\.from.*X-Forwarded-For/);
      assert.doesNotMatch(at.server.log, /192\.0\.2|_hidden/);
    });

    forwarded('without the header the proxy speaks for itself', async ({ raw, fill }) => {
      await fill('');
      const socket = await raw();
      assert.equal((await socket.request(get('/healthz'))).status, 429);
      assert.equal((await (await raw()).request(get('/healthz', xff(freshAddress())))).status, 200, 'its clients are let in');
    });

    test('each request of a polling session is its own client\'s', async () => {
      const [a, b] = [freshAddress(), freshAddress()];
      const ask = (client, options) => request(at, { headers: { 'x-forwarded-for': client }, ...options });
      const sessions = [];
      for (let i = 0; i < LIMIT; i++) {
        sessions.push(await Polling.open(at, { headers: { 'x-forwarded-for': b } }));
        await sessions[i].connect();
      }
      const end = new AbortController();
      const polls = sessions.map(async ({ query }) => {
        /* One that comes while we ask below is one too many. */
        while ((await ask(a, { query, signal: end.signal }).catch(() => {}))?.status === 429) await sleep(10);
      });
      await until(async () => (await ask(a)).status === 429, 'the polls waiting');
      assert.equal((await ask(b)).status, 200);
      end.abort();
      await Promise.all(polls);
      await until(async () => (await ask(a)).status === 200, 'the polls gone');
    });

    test('stock Socket.IO clients chat, and upgrade', async () => {
      const room = freshRoom();
      const pages = [freshAddress(), '2001:db8:b::1'].map((client) => new Page(at, { extraHeaders: { 'X-Forwarded-For': client } }));
      try {
        for (const page of pages) {
          await page.connected();
          await page.upgraded();
          await page.join(room);
        }
        await pages[0].say(room, 'hello');
        await pages[1].heard(room, 1);
      } finally {
        for (const page of pages) page.close();
      }
    });
  });
});

everyWay(BOTH, { ...settings, 'proxy.by': 'protocol' }, (at) => {
  describe('PROXY protocol:', () => {
    const proxied = (name, use) => test(name, () => withOpen(at, ({ raw, keep }) => {
      const connect = (first, options) => raw({ first, ...options });
      /** Bytes as they are, without TLS of ours; the socket tells what comes back. */
      const bytes = async (pieces, options) => {
        const socket = keep(await Raw.connect(at.server, { tls: false, port: at.server.port(at.tls), ...options }));
        for (const piece of pieces) socket.write(piece);
        return socket;
      };
      const refused = async (first) => {
        const socket = at.tls ? null : await connect(first);
        if (at.tls) return assert.rejects(connect(first));
        const answer = await socket.answer();
        assert.equal(answer.status, 429);
        return socket.whenEnded();
      };
      const upgrade = async (first, fields) => {
        const socket = await connect(first);
        await socket.upgrade('/ws', fields);
        return socket;
      };
      const fill = async (first, n = LIMIT) => {
        const sockets = [];
        for (let i = 0; i < n; i++) sockets.push(await upgrade(first));
        await refused(first);
        return sockets;
      };
      return use({ connect, bytes, fill, refused, upgrade });
    }));

    /** Closed without a byte. */
    const silent = async (socket) => {
      await socket.whenEnded();
      assert.equal(socket.received.length, 0, socket.received.toString('latin1'));
    };

    proxied('each client is limited for itself, not the proxy', async ({ fill, refused, upgrade }) => {
      const a = freshAddress();
      await fill(header(a));
      await fill(header(freshAddress()));
      await fill(header('2001:db8:c::1'));
      await refused(header('2001:db8:c::ffff'));
      await upgrade(header('2001:db8:c:1::1'));
      await refused(header(`::ffff:c000:2${Number(a.split('.')[3]).toString(16).padStart(2, '0')}`)); // a, in IPv6 clothes
    });

    proxied('who has left makes room', async ({ fill, connect }) => {
      const a = freshAddress();
      const [first] = await fill(header(a));
      first.destroy();
      await freed(async () => {
        try {
          return (await (await connect(header(a))).request(get('/healthz'))).status;
        } catch { // closed, before TLS
          return 429;
        }
      });
    });

    proxied('the header may come byte by byte, and with what follows', async ({ bytes, connect }) => {
      const whole = header(freshAddress(), Buffer.from([4, 0, 3, 1, 2, 3]));
      const socket = await bytes([]);
      for (const byte of whole) {
        socket.write(Buffer.from([byte]));
        await sleep(1);
      }
      if (at.tls) return;
      assert.equal((await socket.request(get('/healthz'))).status, 200);
      const together = await bytes([Buffer.concat([header(freshAddress()), Buffer.from(get('/healthz'))])]);
      assert.equal((await together.answer()).status, 200);
      for (const n of [1, 12, 15, 16, 27, 28, 29, 40]) {
        const cut = Buffer.concat([header(freshAddress()), Buffer.from(get('/healthz'))]);
        const pieces = await connect(cut.subarray(0, n));
        await sleep(5);
        assert.equal((await pieces.request(cut.subarray(n))).status, 200, String(n));
      }
    });

    proxied('what else a proxy may put into it is passed over', async ({ connect }) => {
      for (const n of [1, 100, 484, 4000]) {
        const socket = await connect(header(freshAddress(), Buffer.alloc(n, 0xee)));
        assert.equal((await socket.request(get('/healthz'))).status, 200, String(n));
      }
    });

    proxied('a proxy may speak for itself', async ({ connect, fill }) => {
      const own = [anyHeader({ command: LOCAL }), anyHeader({ command: LOCAL, family: TCP4, rest: Buffer.alloc(12, 1) }), anyHeader({ command: PROXY, family: UNSPEC })];
      for (const first of own) assert.equal((await (await connect(first)).request(get('/healthz'))).status, 200);
      await fill(own[0], LIMIT - own.length); // all of them are its own address's
      assert.equal((await (await connect(header(freshAddress()))).request(get('/healthz'))).status, 200, 'its clients are let in');
    });

    proxied('without a header nothing is answered', async ({ bytes }) => {
      await silent(await bytes([get('/healthz')]));
      await silent(await bytes([Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3])]));
    });

    proxied('nor with a bad one', async ({ bytes }) => {
      const a = Buffer.alloc(216, 1);
      const bad = {
        'version 1': Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n'),
        'another signature': Buffer.concat([header('192.0.2.1').subarray(0, 11), Buffer.from([11])]),
        'version 3': anyHeader({ command: 0x31, family: TCP4, rest: a.subarray(0, 12) }),
        'an unknown command': anyHeader({ command: 0x22, family: TCP4, rest: a.subarray(0, 12) }),
        UDP: anyHeader({ family: UDP4, rest: a.subarray(0, 12) }),
        'a UNIX socket': anyHeader({ family: UNIX, rest: a }),
        'too short for IPv4': anyHeader({ family: TCP4, rest: a.subarray(0, 11) }),
        'too short for IPv6': anyHeader({ family: TCP6, rest: a.subarray(0, 35) }),
        'too long': anyHeader({ family: TCP4, length: 4081 }),
        'longer than can be': anyHeader({ family: UNSPEC, length: 65535 }),
      };
      for (const [name, first] of Object.entries(bad)) {
        const socket = await bytes([first, get('/healthz')]);
        await silent(socket).catch((error) => { throw new Error(`${name}: ${error.message}`); });
      }
      assert.match(at.server.log, /from a proxy in proxy\.from, a connection was closed: /);
      assert.doesNotMatch(at.server.log, /192\.0\.2/);
    });

    proxied('one without an end is closed in time', async ({ bytes }) => {
      const began = Date.now();
      const endless = anyHeader({ family: TCP4, rest: Buffer.alloc(30), length: 4000 });
      const sockets = await Promise.all([bytes([]), bytes([header('192.0.2.1').subarray(0, 20)]), bytes([endless])]);
      const drip = setInterval(() => sockets[2].write('x'), 100);
      try {
        for (const socket of sockets) await silent(socket);
      } finally {
        clearInterval(drip);
      }
      assert.ok(Date.now() - began > HANDSHAKE_S * 1000 - 1500, 'not before');
    });

    proxied('one that is broken off harms nobody', async ({ bytes, connect }) => {
      for (const n of [0, 1, 13, 20, 27]) {
        const socket = await bytes([header('192.0.2.1').subarray(0, n)]);
        socket.end();
        await silent(socket);
      }
      assert.equal((await (await connect(header(freshAddress()))).request(get('/healthz'))).status, 200);
    });

    proxied('who is no proxy speaks TLS and HTTP as ever, and a header from there is garbage', async ({ bytes, connect }) => {
      const stranger = { localAddress: '127.0.0.2' };
      assert.equal((await (await connect(undefined, stranger)).request(get('/healthz'))).status, 200);
      const forged = await bytes([Buffer.concat([header(freshAddress()), Buffer.from(get('/healthz'))])], stranger);
      if (at.tls) {
        await forged.whenEnded();
        assert.doesNotMatch(forged.received.toString('latin1'), /HTTP/);
      } else {
        assert.equal((await forged.answer()).status, 400);
      }
    });

    proxied('a client can put no second header behind the proxy\'s', async ({ bytes, fill }) => {
      const a = freshAddress();
      await fill(header(a), LIMIT);
      const second = await bytes([Buffer.concat([header(freshAddress()), header(a), Buffer.from(get('/healthz'))])]);
      if (at.tls) {
        await second.whenEnded();
        assert.doesNotMatch(second.received.toString('latin1'), /HTTP/);
      } else {
        assert.equal((await second.answer()).status, 400);
      }
    });

    proxied('X-Forwarded-For is the client\'s own word here, and ignored', async ({ fill, connect }) => {
      const a = freshAddress();
      const [one] = await fill(header(a));
      one.destroy();
      const socket = await connect(header(freshAddress()));
      for (const list of [a, 'unknown']) assert.equal((await socket.request(get('/healthz', xff(list)))).status, 200, list);
    });

    test('native and Socket.IO clients chat, whatever their transport', async () => {
      const room = freshRoom();
      const agent = (source) => agentWith({ tls: at.tls, first: header(source) });
      const ada = await Chat.connect(at.server, { tls: at.tls, agent: agent(freshAddress()) });
      const pages = [['polling'], ['websocket'], ['polling', 'websocket']].map((transports, i) => new Page(at, { transports, agent: agent(`2001:db8:d:${i}::1`) }));
      try {
        await ada.join(room);
        for (const page of pages) {
          await page.connected();
          await page.join(room);
        }
        await pages[2].upgraded();
        await ada.send(room, 'hello');
        for (const page of pages) {
          await page.heard(room, 1);
          await page.say(room, 'hello, Ada');
        }
        await ada.messages(room, 1 + pages.length);
      } finally {
        for (const page of pages) page.close();
        ada.cut();
      }
    });
  });
});

test('what a client does wrong, and how fast it comes, is counted for itself', () => withServer(
  { ...settings, 'limits.connections_per_ip': 0, 'limits.bad_requests_per_ip': 1, 'limits.handshakes_per_ip': 1 },
  async (server) => {
    const [a, b, c] = [freshAddress(), freshAddress(), freshAddress()];
    const AT_ONCE = 20; // seconds' worth
    await withOpen({ server, tls: false }, async ({ raw }) => {
      const status = async (request, socket) => (await (socket ?? await raw()).request(request)).status;
      const kept = await raw();
      for (let i = 0; i < 2 * AT_ONCE; i++) assert.equal(await status(get('/healthz', xff(a)), kept), 200, 'requests are no new connections');
      let allowed = 0;
      while (await status(get('/nothing', xff(a))) === 404) assert.ok(++allowed < 10 * AT_ONCE);
      assert.ok(allowed >= AT_ONCE, `${allowed} bad requests`);
      assert.equal(await status(get('/nothing', xff(b))), 404, 'another client is not blamed');
      assert.equal(await status(get('/healthz', xff(a)), kept), 200, 'what is in order is answered');
      assert.equal(await status(upgradeRequest('/ws', xff(a))), 429, 'who has done wrong gets no new WebSocket');
      allowed = 0;
      while (await status(upgradeRequest('/ws', xff(c))) === 101) assert.ok(++allowed < 10 * AT_ONCE);
      assert.ok(allowed >= AT_ONCE, `${allowed} upgrades`);
      assert.equal(await status(upgradeRequest('/ws', xff(b))), 101);
    });
  },
));

test('a stopping server waits for no header', async () => {
  const started = { ...settings, 'proxy.by': 'protocol', 'limits.handshake_timeout': 300, drain: 300 };
  const sockets = [];
  await withServer(started, async (server) => {
    for (const tls of [false, true]) {
      for (const first of [Buffer.alloc(0), header('192.0.2.1').subarray(0, 20)]) {
        const socket = await Raw.connect(server, { tls: false, port: server.port(tls) });
        socket.write(first);
        sockets.push(socket);
      }
    }
    await sleep(200);
  });
  for (const socket of sockets) {
    await socket.whenEnded();
    assert.equal(socket.received.length, 0);
    socket.destroy();
  }
});

test('a wrong configuration is refused by name', async () => {
  const plain = { listen: [], listen_plain: '127.0.0.1:0' };
  for (const [wrong, line] of [
    [{ 'proxy.from': ['10.0.0.1/8'] }, /proxy\.from\[0\]: "10\.0\.0\.1\/8" \(from --set\): must be an address or a network/],
    [{ 'proxy.by': 'xff' }, /proxy\.by: "xff" \(from --set\): must be one of "forwarded", "protocol"/],
    [{ 'proxy.by': 'protocol' }, /proxy\.by: "protocol" \(from --set\): needs proxy\.from/],
  ]) {
    const { code, stderr } = await run(serveArgs({ ...plain, ...wrong }));
    assert.equal(code, 2);
    assert.match(stderr, line);
  }
});
