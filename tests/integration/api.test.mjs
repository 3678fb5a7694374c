/* The HTTP API: keys, publishing, history, members, and what is refused. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import http from 'node:http';
import { test } from 'node:test';
import { API, API_KEY, apiOf, call, roomPath } from '../lib/api.mjs';
import { freshRoom, numbers, withClients } from '../lib/client.mjs';
import { Raw } from '../lib/raw.mjs';
import { everyWay, last, run, serveArgs, withServer } from '../lib/server.mjs';
import { withPages } from '../lib/socketio.mjs';
import { amount } from '../lib/wait.mjs';

const WAYS = [{ shards: 1, tls: false }, { shards: 4, tls: true }];

everyWay(last(WAYS), { ...API, 'limits.max_message': 4096, 'limits.handshake_timeout': 120 }, (at) => {
  const api = apiOf(at);

  test('a message reaches every member once, and is the same in the history', () => withPages(at, (open) => withClients(at, async (connect) => {
    const room = freshRoom('höhle /?#');
    const [ada, page] = [await connect(), await open()];
    await ada.join(room);
    await page.join(room);
    const { epoch, seq, ts } = await api.publish(room, { from: 'the shop', text: 'sold "out"', data: { id: 12345678901234567890n.toString() }, cid: 'order 1' });
    assert.equal(seq, 1);
    assert.ok(Math.abs(Date.now() - ts) < 60_000);
    const [message] = await ada.messages(room, 1);
    assert.deepEqual(message, { ev: 'message', room, seq, ts, from: 'the shop', uid: '', text: 'sold "out"', data: { id: '12345678901234567890' }, cid: 'order 1' });
    const [heard] = await page.heard(room, 1);
    assert.deepEqual([heard.username, heard.message, heard.seq], ['the shop', 'sold "out"', 1]);
    const history = await api.history(room);
    assert.deepEqual(history, { room, epoch, messages: [message], more: false });
    const state = await api.room(room);
    assert.deepEqual([state.name, state.members, state.messages, state.seq, state.epoch, state.ttl], [room, 2, 1, 1, epoch, 3600]);
    assert.ok(state.bytes > 50 && state.expires_in > 3500);
    const later = await connect();
    assert.equal((await later.join(room)).epoch, epoch);
    assert.deepEqual(await later.messages(room, 1), [message]);
  })));

  test('numbers of any size and escapes pass as they are', () => withClients(at, async (connect) => {
    const room = freshRoom();
    const ada = await connect();
    await ada.join(room);
    await api.publish(room, '{"from":"a","data":[123456789012345678901234567890,1e400,"\\u0000"]}');
    const message = await ada.next('message');
    assert.match(message.raw, /"data":\[123456789012345678901234567890,1e400,"\\u0000"\]/);
  }));

  test('a user\'s uid makes the message his own', () => withClients(at, async (connect) => {
    const room = freshRoom();
    const ada = await connect();
    await ada.join(room);
    const { seq } = await api.publish(room, { from: 'Ada', uid: ada.uid, text: 'by another way' });
    const other = await api.publish(room, { from: 'Ada', text: 'nobody\'s' });
    await ada.refused('forbidden', 'delete', { room, seq: other.seq });
    assert.equal((await ada.ask('delete', { room, seq })).ev, 'done');
    const sent = await ada.send(room, 'x', { cid: 'shared' });
    const again = await api.publish(room, { from: 'Ada', uid: ada.uid, text: 'x', cid: 'shared' });
    assert.deepEqual([again.seq, again.dup], [sent.seq, true]);
    const system = await api.publish(room, { from: 'Ada', text: 'x', cid: 'shared' });
    assert.equal(system.dup, undefined);
  }));

  test('an array is published in order, side by side', () => withClients(at, async (connect) => {
    const room = freshRoom();
    const ada = await connect();
    await ada.join(room);
    const texts = numbers(1, 1000).map((n) => `number ${n}`);
    const busy = (async () => { for (let i = 0; i < 30; i++) await ada.send(room, 'in between'); })();
    const all = await api.publish(room, texts.map((text) => ({ from: 'shop', text })));
    await busy;
    assert.deepEqual(all.map(({ seq }) => seq), numbers(all[0].seq, all[0].seq + 999));
    const got = (await ada.messages(room, 1030)).map(({ text }) => text).filter((text) => text !== 'in between');
    assert.deepEqual(got, texts);
  }));

  test('one wrong message and nothing of the array is published', async () => {
    const room = freshRoom();
    const path = roomPath(room, '/messages');
    const { message } = await api.refused(400, 'bad_request', 'POST', path, [{ from: 'a', text: 'good' }, { from: 'a' }]);
    assert.equal(message, '[1] text, data: one of them is needed');
    await api.refused(404, 'no_such_room', 'GET', roomPath(room));
    await api.refused(413, 'too_large', 'POST', path, [{ from: 'a', text: 'good' }, { from: 'a', text: 'x'.repeat(5000) }]);
    await api.refused(400, 'bad_request', 'POST', path, []);
    await api.refused(400, 'bad_request', 'POST', path, Array(1001).fill({ from: 'a', text: '' }));
    await api.refused(404, 'no_such_room', 'GET', roomPath(room));
  });

  test('a cid is stored once, however often and wherever it is retried', () => withClients(at, async (connect) => {
    const room = freshRoom();
    const ada = await connect();
    await ada.join(room);
    const tries = amount(40, 12);
    const answers = await Promise.all(numbers(1, tries).map(() => api.publish(room, { from: 'shop', text: 'once', cid: 'one' })));
    assert.equal(answers.filter(({ dup }) => !dup).length, 1);
    assert.deepEqual([...new Set(answers.map(({ seq, ts, epoch }) => `${seq} ${ts} ${epoch}`))].length, 1);
    const mixed = await api.publish(room, ['one', 'two', 'two', 'three'].map((cid) => ({ from: 'shop', text: cid, cid })));
    assert.deepEqual(mixed.map(({ seq, dup }) => [seq, dup]), [[1, true], [2, undefined], [2, true], [3, undefined]]);
    assert.deepEqual((await ada.messages(room, 3)).map(({ seq, text }) => [seq, text]), [[1, 'once'], [2, 'two'], [3, 'three']]);
    await ada.ping();
    assert.deepEqual(ada.take('message'), []);
  }));

  test('history by pages, members by name', () => withClients(at, async (connect) => {
    const room = freshRoom();
    await api.publish(room, numbers(1, 7).map((n) => ({ from: 'shop', text: `${n}` })));
    const seqs = async (query) => {
      const { messages, more } = await api.history(room, query);
      return [messages.map(({ seq }) => seq), more];
    };
    assert.deepEqual(await seqs('?limit=3'), [[5, 6, 7], true]);
    assert.deepEqual(await seqs('?before=5&limit=2'), [[3, 4], true]);
    assert.deepEqual(await seqs('?after=0&limit=2'), [[1, 2], true]);
    assert.deepEqual(await seqs('?after=5'), [[6, 7], false]);
    for (const query of ['?limit=0', '?limit=1001', '?limit=x', '?limit=', '?after=-1', '?after=1&before=2', '?before=9007199254740992'])
      await api.refused(400, 'bad_request', 'GET', roomPath(room, `/messages${query}`));
    const ada = await connect();
    await ada.join(room, { name: 'Ada' });
    assert.deepEqual(await api.members(room), { room, count: 1, members: [{ uid: ada.uid, name: 'Ada', sessions: 1 }] });
    await api.refused(404, 'no_such_room', 'GET', roomPath(freshRoom(), '/members'));
  }));

  test('HEAD is GET without the body, OPTIONS tells the methods', async () => {
    const room = freshRoom();
    await api.publish(room, { from: 'a', text: 'b' });
    const get = await api.call('GET', roomPath(room)), head = await api.call('HEAD', roomPath(room));
    assert.deepEqual([head.status, head.headers['content-length'], head.text], [200, String(get.text.length), '']);
    const options = await api.call('OPTIONS', roomPath(room));
    assert.deepEqual([options.status, options.headers.allow, options.text], [204, 'GET, HEAD, PUT, DELETE, OPTIONS', '']);
    for (const { headers } of [get, options]) {
      assert.equal(headers['access-control-allow-origin'], undefined);
      assert.equal(headers['cache-control'], 'no-store');
    }
  });

  test('what is no call is refused with the status that fits', async () => {
    const room = freshRoom(), messages = roomPath(room, '/messages');
    for (const path of ['/v1/', '/v1/room', '/v1/rooms/', '/v1/rooms/a/', '/v1/rooms/a/messages/', '/v1/rooms/a/b', '/v1/users/a', '/v1/rooms/a/messages/1/x', '/v1/stat'])
      await api.refused(404, 'not_found', 'GET', path);
    const { headers } = await api.refused(405, 'method_not_allowed', 'POST', '/v1/rooms');
    assert.equal(headers.allow, 'GET, HEAD, OPTIONS');
    await api.refused(405, 'method_not_allowed', 'PATCH', roomPath(room));
    for (const path of ['/v1/rooms/%', '/v1/rooms/%zz', '/v1/rooms/%00', '/v1/rooms/%ff', '/v1/rooms/%c0%af', '/v1/rooms/%ed%a0%80', '/v1/rooms//members', `/v1/rooms/${'x'.repeat(129)}`])
      await api.refused(400, 'bad_request', 'GET', path);
    assert.equal((await api.call('GET', `/v1/rooms/${'x'.repeat(128)}`)).json.error.code, 'no_such_room');
    for (const body of ['', '{', '{"from":"a","text":"b"} x', '{"from":"a","from":"b","text":"c"}', Buffer.from('{"from":"a","text":"\xff"}', 'latin1')])
      await api.refused(400, 'bad_json', 'POST', messages, body);
    for (const body of ['1', '"x"', 'null', '[1]', { text: 'a' }, { from: '', text: 'a' }, { from: 1, text: 'a' }, { from: 'a\n', text: 'a' }, { from: 'a', text: 1 }, { from: 'a' },
      { from: 'a', text: 'b', cid: '' }, { from: 'a', text: 'b', uid: '' }, { from: 'a', text: 'b', uid: 'x'.repeat(129) }, { from: 'x'.repeat(129), text: 'b' }])
      await api.refused(400, 'bad_request', 'POST', messages, body);
    for (const type of ['text/plain', 'application/jsonx', null])
      await api.refused(415, 'unsupported_media_type', 'POST', messages, { from: 'a', text: 'b' }, { type });
    assert.equal((await api.call('POST', messages, { from: 'a', text: 'b' }, { type: 'Application/JSON; charset=utf-8' })).status, 200);
    assert.equal((await api.call('POST', messages, 'x'.repeat((1 << 20) + 1))).status, 413);
    for (const seq of ['0', '-1', 'x', '1e3'])
      await api.refused(400, 'bad_request', 'DELETE', roomPath(room, `/messages/${seq}`));
    await api.refused(404, 'not_found', 'DELETE', roomPath(room, '/messages/99'));
  });

  test('only a key opens it', async () => {
    const path = '/v1/rooms';
    for (const key of [null, 'x', `${API_KEY}x`, API_KEY.slice(0, -1), 'x'.repeat(8000)]) {
      const { headers, message } = await api.refused(401, 'unauthorized', 'GET', path, undefined, { key });
      assert.equal(headers['www-authenticate'], 'Bearer');
      assert.ok(!message.includes(API_KEY));
    }
    await api.refused(401, 'unauthorized', 'GET', path, undefined, { headers: { authorization: `Basic ${API_KEY}` } });
    await api.refused(401, 'unauthorized', 'GET', '/v1/nothing', undefined, { key: null });
    assert.equal((await api.call('POST', '/v1/rooms/a/messages', 'x'.repeat(100_000), { key: 'wrong' })).status, 413); // not even read
    assert.equal((await api.call('GET', path, undefined, { headers: { authorization: `bearer ${API_KEY}` } })).status, 200);
  });

  test('requests that come at once are answered in their order, also to a client that has ended its side', async () => {
    const rooms = numbers(1, 12).map(() => freshRoom());
    const head = (method, path, body = '') => `${method} ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${API_KEY}\r\n`
      + (body && `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`) + `\r\n${body}`;
    const raw = await Raw.connect(at.server, { tls: at.tls });
    raw.write(rooms.map((room) => head('POST', roomPath(room, '/messages'), JSON.stringify({ from: 'a', text: room })) + head('GET', roomPath(room)) + head('GET', '/v1/nothing')).join(''));
    raw.end();
    for (const room of rooms) {
      const [published, state, nothing] = [await raw.answer(), await raw.answer(), await raw.answer()];
      assert.equal(JSON.parse(published.body).seq, 1);
      assert.equal(JSON.parse(state.body).name, room);
      assert.equal(nothing.status, 404);
    }
    await raw.whenEnded();
    raw.destroy();
  });

  test('one connection is answered in the order of its requests', async () => {
    const rooms = numbers(1, 8).map(() => freshRoom());
    const agent = new (at.tls ? (await import('node:https')).Agent : http.Agent)({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set();
    agent.on('free', (socket) => sockets.add(socket));
    for (const room of rooms) {
      await api.publish(room, { from: 'a', text: 'b' }, { agent });
      assert.equal((await api.call('GET', roomPath(room), undefined, { agent })).json.name, room);
      await api.call('GET', '/v1/nothing', undefined, { agent });
    }
    assert.equal(sockets.size, 1);
    agent.destroy();
  });
});

test('without a key it is off', () => withServer({}, async (server) => {
  const at = { server, tls: false };
  const { status, json } = await call(at, 'GET', '/v1/rooms');
  assert.deepEqual([status, json.error.code], [404, 'not_found']);
  assert.match(json.error.message, /api\.keys/);
}));

test('a key may be a hash, and no key is ever shown', async () => {
  const sha256 = createHash('sha256').update(API_KEY).digest('hex');
  const settings = { 'api.keys': [{ name: 'one', sha256 }, { name: 'two', key: 'another-key-of-the-tests' }] };
  await withServer({ ...settings, 'log.level': 'debug' }, async (server) => {
    const at = { server, tls: true };
    for (const key of [API_KEY, 'another-key-of-the-tests']) assert.equal((await call(at, 'GET', '/v1/rooms', undefined, { key })).status, 200);
    assert.equal((await call(at, 'GET', '/v1/rooms', undefined, { key: sha256 })).status, 401);
    assert.ok(!server.log.includes('another-key'));
  });
  const args = serveArgs({ ...settings, listen: [], listen_plain: '127.0.0.1:0' });
  const { code, stdout } = await run(['check', ...args.slice(1)]);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout).api.keys, [{ name: 'one', sha256 }, { name: 'two', key: '***' }]);
  for (const key of ['too short', 'a key with a blank in it', 17]) {
    const wrong = await run(['check', '--set', 'listen=[]', '--set', 'listen_plain=127.0.0.1:0', '--set', `api.keys=${JSON.stringify([{ name: 'x', key }])}`]);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /^ringroom: api\.keys\[0\]\.key: \*\*\* \(from --set\): must have 16 to 4096/);
  }
});

test('who tries wrong keys is held back, who has one is not', () => withServer({ ...API, 'limits.bad_requests_per_ip': 1 }, async (server) => {
  const ask = (key) => `GET /v1/rooms HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key}\r\n\r\n`;
  const [good, bad] = [await Raw.connect(server, { tls: false }), await Raw.connect(server, { tls: false })];
  const answers = [];
  while (answers.length < 1000 && answers.at(-1)?.status !== 429) answers.push(await bad.request(ask('a-wrong-key-of-the-tests')));
  assert.equal(answers[0].status, 401);
  assert.equal(answers.at(-1).status, 429);
  assert.ok(Number(answers.at(-1).headers['retry-after']) >= 1);
  assert.equal((await good.request(ask(API_KEY))).status, 200);
  for (const socket of [good, bad]) socket.destroy();
}));

test('at the bound of memory an array is refused as a whole', () => withServer({ ...API, shards: 1, 'limits.memory': 200_000 }, async (server) => {
  const at = { server, tls: false };
  const api = apiOf(at);
  await withClients(at, async (connect) => {
    const room = freshRoom();
    const ada = await connect();
    await ada.join(room);
    await api.publish(room, { from: 'a', text: 'first' });
    const big = numbers(1, 30).map((n) => ({ from: 'a', text: 'x'.repeat(10_000), cid: `${n}` }));
    const { headers } = await api.refused(503, 'unavailable', 'POST', roomPath(room, '/messages'), big);
    assert.equal(headers['retry-after'], '1');
    assert.equal((await api.room(room)).seq, 1);
    const few = await api.publish(room, big.slice(0, 5));
    assert.deepEqual(few.map(({ seq, dup }) => [seq, dup]), numbers(2, 6).map((seq) => [seq, undefined])); // no cid was left behind
    await ada.messages(room, 6);
  });
}));
