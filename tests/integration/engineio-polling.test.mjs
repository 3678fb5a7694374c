/* Engine.IO over long-polling: handshake, payloads, the order of requests, errors, the end of a session. */

import assert from 'node:assert/strict';
import http from 'node:http';
import https from 'node:https';
import { test } from 'node:test';
import { freshRoom } from '../lib/client.mjs';
import { assertFault, POLLING, request, SEPARATOR, withSessions } from '../lib/engineio.mjs';
import { Raw } from '../lib/raw.mjs';
import { everyWay, fewer, WAYS, withServer } from '../lib/server.mjs';
import { amount, sleep, until } from '../lib/wait.mjs';

everyWay(fewer(WAYS), {}, (at) => {
  const sessions = (name, use) => test(name, () => withSessions(at, use));

  sessions('the handshake names the session, the upgrade and the times', async ({ polling }) => {
    const { handshake } = await polling();
    assert.deepEqual(Object.keys(handshake).sort(), ['maxPayload', 'pingInterval', 'pingTimeout', 'sid', 'upgrades']);
    assert.match(handshake.sid, /^[\w-]{20,64}$/);
    assert.deepEqual(handshake.upgrades, ['websocket']);
    assert.equal(handshake.pingInterval, 25_000);
    assert.equal(handshake.pingTimeout, 35_000);
    assert.ok(handshake.maxPayload >= 16_384);
  });

  sessions('no two sessions have one id', async ({ polling }) => {
    const all = await Promise.all(Array.from({ length: 20 }, () => polling()));
    assert.equal(new Set(all.map(({ sid }) => sid)).size, 20);
  });

  sessions('nothing of it may be cached, and a fresh stamp in the query does no harm', async ({ request: ask }) => {
    for (const query of [POLLING, `t=abc1&${POLLING}`, `EIO=4&t=x.0&transport=polling&b64=1&extra`]) {
      const { status, headers, text } = await ask({ query });
      assert.equal(status, 200, text);
      assert.match(headers['cache-control'], /no-store/);
      assert.match(text, /^0\{/);
    }
  });

  sessions('requests that are none get the status, code and words that clients know', async ({ polling, request: ask }) => {
    const TRANSPORT = [0, 'Transport unknown'];
    const [UNKNOWN, METHOD, BAD, VERSION] = [[1, 'Session ID unknown'], [2, 'Bad handshake method'], [3, 'Bad request'], [5, 'Unsupported protocol version']];
    for (const [fault, query, method = 'GET'] of [
      [TRANSPORT, ''], [TRANSPORT, 'EIO=4'], [TRANSPORT, 'EIO=4&transport='], [TRANSPORT, 'EIO=4&transport=tube'], [TRANSPORT, 'EIO=4&transport=Polling'],
      [TRANSPORT, 'EIO=4&transport=webtransport'], [TRANSPORT, 'EIO=4&transport=constructor'], [TRANSPORT, 'EIO=4&transport=tube', 'POST'],
      [VERSION, 'transport=polling'], [VERSION, 'EIO=3&transport=polling'], [VERSION, 'EIO=5&transport=polling'], [VERSION, 'EIO=x&transport=polling'],
      [UNKNOWN, `${POLLING}&sid=nobody`], [UNKNOWN, `${POLLING}&sid=nobody`, 'POST'], [UNKNOWN, `${POLLING}&sid=${'x'.repeat(300)}`],
      [UNKNOWN, `${POLLING}&sid=__proto__`], [UNKNOWN, 'EIO=3&transport=polling&sid=nobody'],
      [METHOD, POLLING, 'POST'], [METHOD, POLLING, 'PUT'], [METHOD, POLLING, 'DELETE'], [BAD, 'EIO=4&transport=websocket'],
    ]) {
      const answer = await ask({ query, method, ...(method === 'GET' ? {} : { body: 'x' }) });
      assertFault(answer, ...fault);
      assert.match(answer.headers['content-type'], /^application\/json/);
    }
    const { sid } = await polling();
    assertFault(await ask({ query: `EIO=3&transport=polling&sid=${sid}` }), ...BAD);
    assertFault(await ask({ query: `EIO=4&transport=websocket&sid=${sid}` }), ...BAD);
    assertFault(await ask({ query: `EIO=4&transport=tube&sid=${sid}` }), ...TRANSPORT);
    assert.ok((await ask({ method: 'PUT', query: `${POLLING}&sid=${sid}`, body: '3' })).status >= 400);
  });

  sessions('a poll waits until there is something to say', async ({ polling }) => {
    const session = await polling();
    let answered = false;
    const waits = session.poll().finally(() => { answered = true; });
    await sleep(100);
    assert.equal(answered, false);
    await session.say('40');
    const [packet, ...more] = await waits;
    assert.match(packet, /^40\{"sid":"[\w-]+"/);
    assert.deepEqual(more, []);
  });

  sessions('many packets go in one body, and come back in one', async ({ polling }) => {
    const session = await polling();
    const room = freshRoom();
    await session.connect();
    await session.say(...[['join', { room }], ...Array.from({ length: 20 }, (_, i) => ['message', { room, message: `${i}` }])].map((event, i) => `42${i}${JSON.stringify(event)}`));
    const come = [];
    let bodies = 0;
    while (come.filter((packet) => packet.startsWith('42["message"')).length < 20) {
      come.push(...await session.poll());
      bodies++;
    }
    assert.ok(bodies < come.length, `${come.length} packets in ${bodies} bodies`);
    const said = come.filter((packet) => packet.startsWith('42["message"')).map((packet) => JSON.parse(JSON.parse(packet.slice(2))[1].chatMessage).message);
    assert.deepEqual(said, Array.from({ length: 20 }, (_, i) => `${i}`));
  });

  sessions('what comes between two polls waits for the next one', async ({ polling }) => {
    const [ada, ben] = [await polling(), await polling()];
    const room = freshRoom();
    for (const session of [ada, ben]) {
      await session.connect();
      await session.say(`42["join",{"room":"${room}"}]`);
      await session.event('joined');
    }
    for (let i = 0; i < 10; i++) await ada.say(`42["message",{"room":"${room}","message":${i}}]`);
    for (let i = 0; i < 10; i++) assert.equal(JSON.parse((await ben.event('message'))[1].chatMessage).message, i);
  });

  sessions('characters of every width pass, and bodies cut anywhere', async ({ polling }) => {
    const session = await polling();
    const room = freshRoom();
    const words = 'a€\u{1f600}ü\u2028"\\\u0000\u001e end';
    await session.connect();
    await session.say(`42["join",{"room":"${room}"}]`);
    const body = Buffer.from(`420${JSON.stringify(['message', { room, message: words }])}`);
    const raw = await Raw.connect(at.server, { tls: at.tls });
    raw.write(`POST /socket.io/?${session.query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: ${body.length}\r\n\r\n`);
    for (let i = 0; i < body.length; i += 3) {
      raw.write(body.subarray(i, i + 3));
      if (i % 12 === 0) await sleep(1);
    }
    assert.equal((await raw.answer()).status, 200);
    raw.destroy();
    assert.equal(JSON.parse((await session.event('message'))[1].chatMessage).message, words);
  });

  sessions('a second poll beside the first is an error, and the session is over', async ({ polling }) => {
    const session = await polling();
    const first = session.get();
    await sleep(300); // it is the first
    const second = await session.get();
    assert.equal(second.status, 400);
    const { status, text } = await first;
    assert.equal(status, 200);
    assert.match(text, /^[16]$/);
    await session.assertGone();
  });

  sessions('a POST whose body is slow to come holds no other up', async ({ polling }) => {
    const session = await polling();
    const raw = await Raw.connect(at.server, { tls: at.tls });
    raw.write(`POST /socket.io/?${session.query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20\r\n\r\n42`);
    await sleep(300); // it is under way
    assert.equal((await session.post('40')).status, 200);
    assert.match((await session.next()), /^40{"sid"/);
    raw.destroy();
    await session.say('42["join",{"room":"r"}]');
    assert.match((await session.next()), /^42\["joined"/);
  });

  sessions('bodies that are no payload end the session', async ({ polling }) => {
    for (const body of ['', 'x', '9', 'abc', `40${SEPARATOR}`, `${SEPARATOR}40`, `40${SEPARATOR}${SEPARATOR}3`, '2', '2probe']) {
      const session = await polling();
      const answer = await session.post(body).catch(() => null); // cut off, or answered
      if (answer) assert.ok([200, 400].includes(answer.status), `${JSON.stringify(body)}: ${answer.status}`);
      await until(async () => (await session.get()).status === 400, `the end after ${JSON.stringify(body)}`);
      await session.assertGone();
    }
  });

  sessions('bytes in place of text are refused by their content type', async ({ polling }) => {
    const session = await polling();
    const answer = await session.ask({ method: 'POST', body: '40', headers: { 'content-type': 'application/octet-stream' } }).catch(() => null);
    if (answer) assert.equal(answer.status, 400);
    await session.assertGone();
  });

  sessions('noop and unasked pongs are no errors', async ({ polling }) => {
    const session = await polling();
    await session.say('3', '6', '3');
    await session.connect();
  });

  sessions('a body beyond maxPayload is 413', async ({ polling }) => {
    const session = await polling();
    const answer = await session.post('4'.padEnd(session.handshake.maxPayload + 1, 'x')).catch(() => null); // may be cut while it sends
    if (answer) assert.equal(answer.status, 413);
    const raw = await Raw.connect(at.server, { tls: at.tls });
    raw.write(`POST /socket.io/?${(await polling()).query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${session.handshake.maxPayload + 1}\r\n\r\n`);
    raw.write('4'.padEnd(session.handshake.maxPayload + 1, 'x'));
    assert.equal(Number(/^HTTP\/1\.1 (\d+)/.exec(await raw.when(() => raw.received.includes('\r\n\r\n') && raw.received.toString(), 'the answer'))[1]), 413);
    raw.destroy();
  });

  sessions('a body of just maxPayload is taken', async ({ polling }) => {
    const session = await polling();
    await session.connect();
    const packet = (bytes) => `42["unheard","${'x'.repeat(bytes - 16)}"]`;
    const packets = [];
    let left = session.handshake.maxPayload;
    for (; left > 8192; left -= 4097) packets.push(packet(4096)); // and a separator
    packets.push(packet(left));
    const body = packets.join(SEPARATOR);
    assert.equal(body.length, session.handshake.maxPayload);
    assert.equal((await session.post(body)).status, 200);
    await session.say('41');
    assert.equal((await session.post('3')).status, 200);
  });

  sessions('a client that says close is let go: its poll is answered, its id forgotten', async ({ polling }) => {
    const session = await polling();
    await session.connect();
    const waits = session.get();
    await sleep(300); // it waits
    await session.say('1');
    const { status, text } = await waits;
    assert.equal(status, 200);
    assert.equal(text, '6');
    await session.assertGone();
    assertFault(await session.post('3'), 1, 'Session ID unknown');
  });

  sessions('a poll that is given up ends the session', async ({ polling }) => {
    const session = await polling();
    const patience = new AbortController();
    const waits = session.get({ signal: patience.signal });
    await sleep(300);
    patience.abort();
    await assert.rejects(waits);
    await until(async () => (await session.post('3')).status === 400, 'the end');
    await session.assertGone();
  });

  sessions('polls over one kept connection, pipelined with other requests, stay in order', async ({ polling }) => {
    const agent = new (at.tls ? https : http).Agent({ keepAlive: true, maxSockets: 1 });
    const session = await polling({ agent });
    const room = freshRoom();
    await session.say('40');
    await session.next();
    for (let i = 0; i < 20; i++) {
      await session.say(`42${i}["join",{"room":"${room}"}]`);
      await until(async () => (session.packets.push(...await session.poll()), session.packets.some((packet) => packet.startsWith(`43${i}[`))), `acknowledgement ${i}`);
    }
    assert.equal((await request(at, { path: '/healthz', query: '', agent })).status, 200);
    agent.destroy();
  });

  sessions('both ways at once, and every packet once and in order', async ({ polling }) => {
    const session = await polling();
    const room = freshRoom();
    await session.connect();
    await session.say(`42["join",{"room":"${room}"}]`);
    await session.event('joined');
    const n = amount(300, 60);
    const posting = (async () => {
      for (let i = 0; i < n; i++) await session.say(...[0, 1, 2].map((j) => `42${JSON.stringify(['message', { room, message: 3 * i + j }])}`));
    })();
    for (let i = 0; i < 3 * n; i++) {
      const { message, seq } = JSON.parse((await session.event('message'))[1].chatMessage);
      assert.deepEqual({ message, seq }, { message: i, seq: i + 1 });
    }
    await posting;
  });
});

everyWay([{ shards: 2, tls: false }], { 'limits.ping_interval': 1, 'limits.idle_timeout': 3 }, (at) => {
  const sessions = (name, use) => test(name, () => withSessions(at, use));

  sessions('the server pings, and goes on with who answers', async ({ polling }) => {
    const session = await polling();
    assert.deepEqual([session.handshake.pingInterval, session.handshake.pingTimeout], [1000, 2000]);
    for (let i = 0; i < amount(5, 2); i++) {
      assert.equal(await session.next({ pings: true }), '2');
      await session.say('3');
    }
    await session.connect();
  });

  sessions('who answers no ping is forgotten', async ({ polling }) => {
    const session = await polling();
    assert.equal(await session.next({ pings: true }), '2');
    await until(async () => (await session.post('6')).status === 400, 'the end');
    await session.assertGone();
  });

  sessions('who never polls is forgotten', async ({ polling }) => {
    const session = await polling();
    await sleep(6000); // a poll would be an answer of a kind
    await session.assertGone();
  });
});

for (const tls of [false, true]) {
  test(`a stopping server answers polls 503: ${tls ? 'TLS' : 'plain'}`, () => withServer({ shards: 2 }, (server) => withSessions({ server, tls }, async ({ polling }) => {
    const session = await polling();
    await session.connect();
    const waits = session.get();
    await sleep(300); // it waits
    server.child.kill('SIGTERM');
    assert.equal((await waits).status, 503);
  })));
}
