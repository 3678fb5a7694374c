/* Limits by client address: what one address does too much of is refused to that address alone, good
 * connections of its go on, and all of it passes. On loopback 127.0.0.2 and its neighbours are
 * addresses like any other. */

import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { freshRoom, withClients } from '../lib/client.mjs';
import { clientFrame, Raw, upgradeRequest } from '../lib/raw.mjs';
import { everyWay, fewer, last, withServer } from '../lib/server.mjs';
import { AUTH, bearer, mint } from '../lib/token.mjs';
import { amount, until } from '../lib/wait.mjs';

const WAYS = [1, 4].flatMap((shards) => [{ shards, tls: false }, { shards, tls: true }]);
const BURST_S = 60; // what may be taken at once, in seconds' worth
const get = (path) => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;

/* An address of its own for each test: what one has spent is not missing to the next. */
let hosts = 1;
const freshAddress = () => `127.0.0.${++hosts}`;

function assertLimited({ status, headers, body }, message) {
  assert.equal(status, 429);
  assert.equal(headers.connection, 'close');
  assert.ok(Number(headers['retry-after']) >= 1, `Retry-After: ${headers['retry-after']}`);
  const { code, message: said } = JSON.parse(body).error;
  assert.equal(code, 'rate_limited');
  assert.match(said, message);
}

/** A connection that has been let in, or null. Who has no TLS must be told why not. */
async function connect(at, from, message = /address/) {
  let raw;
  try {
    raw = await Raw.connect(at.server, { tls: at.tls, localAddress: from });
  } catch (error) {
    assert.ok(at.tls, `a connection without TLS is accepted first: ${error.message}`);
    return null;
  }
  if (at.tls) return raw;
  /* The refusal comes unasked, and must be readable whatever the client has sent. */
  const answer = await raw.request(get('/healthz'));
  if (answer.status === 200) return raw;
  assertLimited(answer, message);
  await raw.whenEnded();
  raw.destroy();
  return null;
}

async function served(at, from, message) {
  const raw = await connect(at, from, message);
  raw?.destroy();
  return raw !== null;
}

/** Tries until it is refused: how often it went well. */
async function untilRefused(attempt, most) {
  for (let good = 0; good <= most; good++)
    if (!await attempt()) return good;
  assert.fail(`never refused in ${most} attempts`);
}

everyWay(fewer(WAYS), { 'limits.connections_per_ip': 5 }, (at) => {
  test('an address has as many connections as it may, over all shards', async () => {
    const [greedy, other] = [freshAddress(), freshAddress()];
    const all = await Promise.all(Array.from({ length: 30 }, () => connect(at, greedy, /too many connections/)));
    const open = all.filter(Boolean);
    assert.equal(open.length, 5);
    assert.ok(await served(at, other), 'another address');
    for (const raw of open) assert.equal((await raw.request(get('/healthz'))).status, 200, 'those that it has go on');
    assert.ok(!await served(at, greedy));
    open.pop().destroy();
    const again = await until(() => connect(at, greedy), 'one may come for one that has gone');
    assert.ok(!await served(at, greedy));
    for (const raw of [...open, again]) raw.destroy();
    await until(() => served(at, greedy), 'all have gone');
  });

  test('churn at the limit leaves nothing behind', async () => {
    const from = freshAddress();
    for (let round = 0; round < amount(10, 3); round++) {
      const all = await Promise.all(Array.from({ length: 12 }, () => connect(at, from)));
      for (const raw of all) raw?.destroy();
    }
    await until(async () => {
      const all = await Promise.all(Array.from({ length: 8 }, () => connect(at, from)));
      for (const raw of all) raw?.destroy();
      return all.filter(Boolean).length === 5;
    }, 'exactly five once more');
  });
});

everyWay(fewer(WAYS), { 'limits.handshakes_per_ip': 2 }, (at) => {
  test('an address opens connections as fast as it may', () => withClients(at, async (join) => {
    const [hasty, other] = [freshAddress(), freshAddress()];
    const chat = await join({ localAddress: hasty });
    const room = freshRoom();
    await chat.join(room);
    const start = Date.now();
    const good = await untilRefused(() => served(at, hasty, /too fast/), 10 * BURST_S);
    const most = 2 * (BURST_S + (Date.now() - start) / 1000 + 1);
    assert.ok(good >= 2 * BURST_S - 1 && good <= most, `${good} at once, and at most ${most}`);
    assert.ok(await served(at, other), 'another address');
    await chat.send(room, 'still here');
    await chat.ping();
    await until(() => served(at, hasty), 'some time later');
  }));
});

everyWay(fewer(WAYS), { 'limits.bad_requests_per_ip': 1 }, (at) => {
  test('bad requests are answered as ever, then 429; good ones of the same address go on', () => withClients(at, async (join) => {
    const [clumsy, other] = [freshAddress(), freshAddress()];
    const chat = await join({ localAddress: clumsy });
    const room = freshRoom();
    await chat.join(room);
    const good = await connect(at, clumsy);
    const keen = await connect(at, clumsy);
    let answer;
    const bad = await untilRefused(async () => {
      answer = await keen.request(get('/nothing/here'));
      return answer.status === 404;
    }, 10 * BURST_S);
    assert.ok(bad >= BURST_S);
    assertLimited(answer, /bad requests/);
    await keen.whenEnded();
    keen.destroy();
    assert.ok(!await served(at, clumsy, /bad requests/), 'no new connection');
    assert.ok(await served(at, other), 'another address');
    assert.equal((await good.request(get('/healthz'))).status, 200, 'a good request of the same address');
    good.destroy();
    await chat.send(room, 'still here');
    await until(() => served(at, clumsy), 'some time later');
  }));
});

/* Everything that counts as a bad request, each from an address of its own. An attempt resolves to false
 * where it was not let in. */

const WEBSOCKET = '/socket.io/?EIO=4&transport=websocket';
const POLLING = '/socket.io/?EIO=4&transport=polling';

const asks = (text, status) => async (raw) => assert.equal((await raw.request(text)).status, status);
const breaks = (frame, code) => async (raw) => {
  await raw.upgrade('/ws', `Authorization: Bearer ${await mint()}\r\n`);
  raw.write(frame);
  assert.equal((await raw.closeFrame()).code, code);
};

async function polls(raw, sid, body) {
  return raw.request(`${body === undefined ? 'GET' : 'POST'} ${POLLING}${sid ? `&sid=${sid}` : ''} HTTP/1.1\r\nHost: 127.0.0.1\r\n`
    + (body === undefined ? '\r\n' : `Content-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`));
}

async function connectsByPolling(raw) {
  const { sid } = JSON.parse(String((await polls(raw)).body).slice(1));
  assert.equal(String((await polls(raw, sid, '40{"token":"x"}')).body), 'ok');
}

async function connectsByWebSocket(raw) {
  await raw.upgrade(WEBSOCKET);
  raw.write(clientFrame(1, '40{"token":"x"}'));
  for (;;)
    if (/^44/.test((await raw.frame()).payload)) return;
}

async function authenticates(raw) {
  await raw.upgrade();
  raw.write(clientFrame(1, JSON.stringify({ op: 'auth', id: 1, token: 'x' })));
  for (;;)
    if (JSON.parse((await raw.frame()).payload).ev === 'error') return;
}

async function sendsTooFast(raw) {
  await raw.upgrade('/ws', `Authorization: Bearer ${await mint()}\r\n`);
  raw.write(clientFrame(1, '{"op":"join","room":"a"}'));
  raw.write(Buffer.concat(Array.from({ length: 20 }, () => clientFrame(1, '{"op":"send","room":"a","text":"x"}'))));
  assert.equal((await raw.closeFrame()).code, 4009);
}

const BAD = {
  'a request that is none': asks('nonsense\r\n\r\n', 400),
  'a method that nobody knows': asks('BREW / HTTP/1.1\r\nHost: h\r\n\r\n', 400),
  'a method that does not fit': asks('DELETE / HTTP/1.1\r\nHost: h\r\n\r\n', 405),
  'a target that is too long': asks(get(`/${'x'.repeat(9000)}`), 414),
  'a path that is not there': asks(get('/x'), 404),
  'an upgrade that is none': asks(get('/ws'), 426),
  'another page\'s origin': asks(upgradeRequest('/ws', 'Origin: https://evil.example\r\n'), 403),
  'another page\'s origin, Socket.IO': asks(upgradeRequest(WEBSOCKET, 'Origin: https://evil.example\r\n'), 403),
  'a session that nobody knows': asks(get(`${POLLING}&sid=x`), 400),
  'a bad token at the upgrade': asks(upgradeRequest('/ws', 'Authorization: Bearer x\r\n'), 401),
  'a bad token at the handshake': asks(get(`${POLLING}&token=x`), 401),
  'a bad token by auth': authenticates,
  'a bad token by CONNECT': connectsByWebSocket,
  'a bad token by CONNECT, polling': connectsByPolling,
  'a frame without a mask': breaks(clientFrame(1, 'x', { masked: false }), 1002),
  'a binary frame': breaks(clientFrame(2, 'x'), 1003),
  'text that is no UTF-8': breaks(clientFrame(1, Buffer.from([0xff])), 1007),
  'a message that is too large': breaks(clientFrame(1, '', { length: 1 << 20 }), 1009),
  'messages that come too fast': sendsTooFast,
};

everyWay(last([{ shards: 2, tls: false }, { shards: 2, tls: true }]), { ...AUTH, 'limits.bad_requests_per_ip': 1,
  'limits.messages_per_second': 1, 'limits.burst': 1 }, (at) => {
  for (const [name, does] of Object.entries(BAD)) {
    test(`is bad: ${name}`, async () => {
      const from = freshAddress();
      const attempt = async () => {
        const raw = await connect(at, from, /bad requests/);
        if (!raw) return false;
        await does(raw);
        raw.destroy();
        return true;
      };
      const bad = await untilRefused(attempt, 10 * BURST_S);
      assert.ok(bad >= BURST_S, `refused after ${bad}`);
    });
  }

  test('is not bad: a refusal in the protocol, a goodbye with any code, an upgrade that goes well', () => withClients(at, async (join) => {
    const from = freshAddress();
    const chat = await join({ localAddress: from, ...bearer(await mint()) });
    for (let i = 0; i < 3 * BURST_S; i++) await chat.refused('not_joined', 'send', { room: 'elsewhere', text: 'x' });
    for (let i = 0; i < 2 * BURST_S; i++) {
      const raw = await connect(at, from);
      assert.ok(raw, `let in the ${i + 1}th time`);
      await raw.upgrade();
      raw.write(clientFrame(8, Buffer.from([1002 >> 8, 1002 & 255])));
      await raw.closeFrame();
      raw.destroy();
    }
    assert.ok(await served(at, from));
  }));
});

/* TLS that goes wrong. An attempt resolves to false where it was closed unheard. */
const BAD_TLS = {
  'a handshake without a common cipher': async (server, localAddress) => {
    const trouble = await Raw.connect(server, { localAddress, maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA' }).catch((error) => error);
    return /alert/i.test(trouble.code ?? trouble.message);
  },
  'what is no handshake': async (server, localAddress) => {
    const raw = await Raw.connect(server, { tls: false, port: server.port(true), localAddress });
    raw.write(Buffer.from('16030100050100000100', 'hex')); // a ClientHello of one byte
    await raw.whenEnded();
    return raw.received.length > 0; // an alert
  },
  'a record that nobody has sealed': async (server, localAddress) => {
    const wire = net.connect({ host: '127.0.0.1', port: server.port(true), localAddress });
    const raw = await Raw.connect(server, { socket: wire }).catch(() => null);
    if (!raw) return false;
    assert.equal((await raw.request(get('/healthz'))).status, 200);
    wire.write(Buffer.from(`1703030020${'00'.repeat(32)}`, 'hex'));
    await raw.whenEnded();
    return true;
  },
};

for (const [name, does] of Object.entries(BAD_TLS)) {
  test(`is bad: ${name}`, () => withServer({ 'limits.bad_requests_per_ip': 1 }, async (server) => {
    const from = freshAddress();
    const bad = await untilRefused(() => does(server, from), 10 * BURST_S);
    assert.ok(bad >= BURST_S, `refused after ${bad}`);
    assert.ok(!await served({ server, tls: false }, from, /bad requests/), 'without TLS neither');
    assert.ok(await served({ server, tls: true }, freshAddress()));
  }));
}

test('who is refused takes no place from others', () => withServer({ shards: 2, 'limits.connections': 64, 'limits.connections_per_ip': 8 }, async (server) => {
  const [flood, other] = [freshAddress(), freshAddress()];
  const at = { server, tls: false };
  /* They ask for nothing and do not go. */
  const silent = await Promise.all(Array.from({ length: 200 }, () => Raw.connect(server, { tls: false, localAddress: flood }).catch(() => null)));
  assert.ok(await served(at, other), 'another address');
  await until(() => silent.filter((raw) => raw && !raw.ended).length === 8, 'all but those that it may have are over');
  for (const raw of silent.filter((one) => one?.received.length)) assertLimited(await raw.answer(), /too many connections/);
  for (const raw of silent) raw?.destroy();
}));

test('an IPv6 address has its own account', () => withServer({ listen: [], listen_plain: ['127.0.0.1:0', '[::1]:0'], 'limits.connections_per_ip': 2 }, async (server) => {
  const six = () => Raw.connect(server, { tls: false, host: '::1', port: server.port6 });
  const [one, two] = [await six(), await six()];
  for (const raw of [one, two]) assert.equal((await raw.request(get('/healthz'))).status, 200);
  const third = await six();
  assertLimited(await third.answer(), /too many connections/);
  assert.ok(await served({ server, tls: false }, freshAddress()));
  for (const raw of [one, two, third]) raw.destroy();
}));

test('no limit is no limit', () => withServer({ 'limits.connections_per_ip': 0, 'limits.handshakes_per_ip': 0, 'limits.bad_requests_per_ip': 0 }, async (server) => {
  const from = freshAddress();
  const raw = await connect({ server, tls: false }, from);
  for (let i = 0; i < 500; i++) assert.equal((await raw.request(get('/x'))).status, 404);
  const more = await Promise.all(Array.from({ length: 50 }, () => connect({ server, tls: false }, from)));
  assert.ok(more.every(Boolean));
  for (const one of [raw, ...more]) one.destroy();
}));
