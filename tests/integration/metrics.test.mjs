/* /metrics: in form by the letter, complete, right, cheap; and only for whom it is meant. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Chat, freshRoom, withClients } from '../lib/client.mjs';
import { scrape } from '../lib/exposition.mjs';
import { Raw } from '../lib/raw.mjs';
import { fewer, withServer } from '../lib/server.mjs';
import { withPages } from '../lib/socketio.mjs';
import { AUTH, bearer, mint } from '../lib/token.mjs';
import { until } from '../lib/wait.mjs';

const OPEN = { 'metrics.listen': '127.0.0.1:0' };
const get = (path, method = 'GET') => `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
const docs = (name) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

/** A shard tells what it has counted at the end of its turn, which may be after an answer is here. */
async function counted(server, name, labels, expected) {
  let value;
  await until(async () => (value = (await scrape(server)).value(name, labels)) === expected,
    () => `${name} ${JSON.stringify(labels)} is ${value}, not ${expected}`);
}

const measured = (name, settings, use, tls = false) => test(name, () => withServer({ ...OPEN, ...settings }, (server) =>
  withClients({ server, tls }, (connect) => use(connect, server))));

for (const shards of fewer([1, 4])) {
  measured(`clients, rooms, messages and deliveries are counted, on ${shards} shards`, { shards }, async (connect, server) => {
    const chats = [await connect(), await connect(), await connect()];
    const rooms = [freshRoom(), freshRoom()];
    for (const room of rooms) for (const chat of chats) await chat.join(room);
    for (let i = 0; i < 10; i++) await chats[0].send(rooms[i % 2], `message ${i}`);
    for (const chat of chats) for (const room of rooms) await chat.messages(room, 5);
    await counted(server, 'ringroom_clients', { kind: 'native' }, 3);
    await counted(server, 'ringroom_rooms', {}, 2);
    await counted(server, 'ringroom_members', {}, 6);
    await counted(server, 'ringroom_memberships', {}, 6);
    await counted(server, 'ringroom_messages_accepted_total', {}, 10);
    await counted(server, 'ringroom_messages_kept', {}, 10);
    await counted(server, 'ringroom_deliveries_total', {}, 30);
    await counted(server, 'ringroom_http_requests_total', { status: 101 }, 3);
    await counted(server, 'ringroom_connections_accepted_total', { listener: 'plain' }, 3);
    await counted(server, 'ringroom_connections', { listener: 'plain' }, 3);
    const told = await scrape(server);
    assert.equal(told.families.get('ringroom_turns_total').samples.length, shards);
    assert.equal(told.value('ringroom_shards'), shards);
    assert.ok(told.value('ringroom_log_bytes') > 0);
    assert.ok(told.value('ringroom_delivered_bytes_total') > 30 * 'message 0'.length);
    assert.ok(told.value('ringroom_sent_bytes_total') > told.value('ringroom_delivered_bytes_total'));
    assert.ok(told.value('ringroom_received_bytes_total') > 0);
    /* In each room ten times at most, on each shard; presence is timed too. */
    assert.ok(told.value('ringroom_delivery_seconds_count') >= 10);
    assert.ok(told.value('ringroom_delivery_seconds_sum') > 0);
    assert.ok(told.value('ringroom_turn_seconds_count') <= told.value('ringroom_turns_total'));
    if (shards > 1) assert.ok(told.value('ringroom_letters_total') > 0);
    await chats[0].close();
    await counted(server, 'ringroom_clients', { kind: 'native' }, 2);
    await counted(server, 'ringroom_closes_total', { code: 'client' }, 1);
    chats[1].cut();
    await counted(server, 'ringroom_closes_total', { code: 'broken' }, 1);
    await counted(server, 'ringroom_memberships', {}, 2);
    await counted(server, 'ringroom_connections', { listener: 'plain' }, 1);
  });
}

test('polling and WebSocket sessions are told apart, and detached ones counted', () => withServer(OPEN, (server) =>
  withPages({ server, tls: false }, async (open) => {
    const [polling, websocket] = [await open({ transports: ['polling'] }), await open({ transports: ['websocket'] })];
    const room = freshRoom();
    await polling.join(room);
    await websocket.join(room);
    await polling.say(room, 'hello');
    await websocket.heard(room, 1);
    await polling.heard(room, 1);
    await counted(server, 'ringroom_clients', { kind: 'socketio_polling' }, 1);
    await counted(server, 'ringroom_clients', { kind: 'socketio_websocket' }, 1);
    await counted(server, 'ringroom_deliveries_total', {}, 2);
    websocket.socket.io.reconnection(false);
    websocket.socket.io.engine.transport.ws.terminate();
    await counted(server, 'ringroom_detached_sessions', {}, 1);
    await counted(server, 'ringroom_clients', { kind: 'socketio_websocket' }, 0);
    polling.close();
    await counted(server, 'ringroom_clients', { kind: 'socketio_polling' }, 0);
  })));

measured('handshakes of TLS are counted by how they end', {}, async (connect, server) => {
  await connect();
  const broken = await Raw.connect(server, { tls: false, port: server.port(true) });
  broken.write('GET / HTTP/1.1\r\n\r\n');
  await broken.whenEnded();
  await counted(server, 'ringroom_tls_handshakes_total', { result: 'full' }, 1);
  await counted(server, 'ringroom_tls_handshakes_total', { result: 'failed' }, 1);
  await counted(server, 'ringroom_connections', { listener: 'tls' }, 1);
}, true);

measured('answers are counted by status', {}, async (connect, server) => {
  for (const [path, method, n] of [['/', 'GET', 3], ['/nothing', 'GET', 2], ['/healthz', 'POST', 1], ['/ws', 'GET', 1]])
    for (let i = 0; i < n; i++) await fetch(server.url(false, path), { method });
  for (const [status, n] of [[404, 2], [405, 1], [426, 1]]) await counted(server, 'ringroom_http_requests_total', { status }, n);
  const before = (await scrape(server)).value('ringroom_http_requests_total', { status: 200 });
  assert.ok(before >= 3);
  await counted(server, 'ringroom_http_requests_total', { status: 200 }, before + 1); // the one before itself
});

test('tokens are counted, good and bad', () => withServer({ ...OPEN, ...AUTH }, async (server) => {
  const chat = await Chat.connect(server, { tls: false, ...bearer(await mint()) });
  await assert.rejects(Chat.connect(server, { tls: false, ...bearer('none') }), /401/);
  await counted(server, 'ringroom_tokens_total', { result: 'verified' }, 1);
  await counted(server, 'ringroom_tokens_total', { result: 'refused' }, 1);
  chat.cut();
}));

/* Each limit, and how it is run into. */

const limited = (limit, settings, use) => measured(`who runs into limits.${limit} is counted`, settings, async (connect, server) => {
  await counted(server, 'ringroom_limited_total', { limit }, 0);
  const times = await use(connect, server);
  await counted(server, 'ringroom_limited_total', { limit }, times);
});

limited('messages_per_second', { 'limits.messages_per_second': 1, 'limits.burst': 1 }, async (connect, server) => {
  const [chat, room] = [await connect(), freshRoom()];
  await chat.join(room);
  for (let i = 0; i < 11; i++) chat.raw({ op: 'send', room, text: 'x' });
  assert.equal((await chat.gone()).code, 4009);
  await counted(server, 'ringroom_errors_total', { code: 'rate_limited' }, 10);
  await counted(server, 'ringroom_closes_total', { code: 4009 }, 1);
  return 10;
});

limited('rooms_per_connection', { 'limits.rooms_per_connection': 1 }, async (connect, server) => {
  const chat = await connect();
  await chat.join(freshRoom());
  for (let i = 0; i < 3; i++) await chat.refused('too_many_rooms', 'join', { room: freshRoom() });
  await counted(server, 'ringroom_errors_total', { code: 'too_many_rooms' }, 3);
  return 3;
});

limited('members_per_room', { 'limits.members_per_room': 1 }, async (connect) => {
  const [a, b, room] = [await connect(), await connect(), freshRoom()];
  await a.join(room);
  await b.refused('room_full', 'join', { room });
  return 1;
});

limited('memory', { 'limits.memory': 262144, delivery_window: 0 }, async (connect) => {
  const [chat, room] = [await connect(), freshRoom()];
  await chat.join(room);
  for (let i = 0; i < 100; i++) {
    const reply = await chat.ask('send', { room, text: 'x'.repeat(8000) });
    if (reply.ev === 'error') return 1;
  }
  assert.fail('never refused');
});

limited('max_message', { 'limits.max_message': 1000 }, async (connect, server) => {
  const chat = await connect();
  chat.raw({ op: 'send', room: 'a', text: 'x'.repeat(2000) });
  assert.equal((await chat.gone()).code, 1009);
  await counted(server, 'ringroom_closes_total', { code: 1009 }, 1);
  return 1;
});

limited('connections', { shards: 1, 'limits.connections': 2 }, async (connect, server) => {
  await connect();
  await connect();
  const extra = await Raw.connect(server, { tls: false });
  await extra.whenEnded();
  return 1;
});

limited('handshake_timeout', { 'limits.handshake_timeout': 1 }, async (connect, server) => {
  const silent = await Raw.connect(server, { tls: false });
  await silent.whenEnded();
  return 1;
});

limited('idle_timeout', { 'limits.idle_timeout': 2, 'limits.ping_interval': 1 }, async (connect, server) => {
  const mute = await Raw.connect(server, { tls: false });
  await mute.upgrade('/ws');
  await counted(server, 'ringroom_closes_total', { code: 4011 }, 1);
  mute.destroy();
  return 1;
});

measured('what leaves a history is counted by why, and the gap that it leaves', { 'retention.ttl': 2, 'retention.ttl_from': 'message', 'retention.max_messages': 5 }, async (connect, server) => {
  const [chat, room, closed] = [await connect(), freshRoom(), freshRoom()];
  await chat.join(room);
  for (let i = 0; i < 8; i++) await chat.send(room, 'x');
  await counted(server, 'ringroom_messages_removed_total', { reason: 'trimmed' }, 3);
  await counted(server, 'ringroom_messages_removed_total', { reason: 'expired' }, 5);
  await counted(server, 'ringroom_messages_kept', {}, 0);
  await until(async () => (await scrape(server)).value('ringroom_wiped_bytes_total') > 8, 'wiped');
  await chat.join(closed);
  const { seq } = await chat.send(closed, 'x');
  assert.equal((await chat.ask('delete', { room: closed, seq })).ev, 'done');
  await counted(server, 'ringroom_messages_removed_total', { reason: 'deleted' }, 1);
});

test('every limit that is configured can be seen', () => withServer({ ...OPEN, 'limits.max_message': 4321, 'limits.memory': 0 }, async (server) => {
  const told = await scrape(server);
  const names = [...docs('configuration.md').matchAll(/^\| `limits\.(\w+)` \|/gm)].map(([, name]) => name);
  assert.ok(names.length > 8);
  assert.deepEqual(told.families.get('ringroom_limit').samples.map(({ labels }) => labels.limit).sort(), names.sort());
  assert.equal(told.value('ringroom_limit', { limit: 'max_message' }), 4321);
  assert.equal(told.value('ringroom_limit', { limit: 'memory' }), 0);
  assert.ok(told.value('ringroom_limit', { limit: 'connections' }) > 0, 'as it was resolved');
  /* What only shapes another limit, or is no refusal. */
  const silent = ['burst', 'ping_interval', 'requests_burst'];
  const counting = told.families.get('ringroom_limited_total').samples.map(({ labels }) => labels.limit);
  assert.deepEqual(counting.sort(), names.filter((name) => !silent.includes(name)));
}));

test('every code of an error and of a close that is documented has a line', () => withServer(OPEN, async (server) => {
  const told = await scrape(server);
  const [, errors, closes] = /## 6\. Errors and close codes\n([^]*?)\n\| close code[^]*?\n([^]*?)\n## 7/.exec(docs('protocol.md'));
  const first = (text) => [...text.matchAll(/^\| ([^|]+) \|/gm)].flatMap(([, cell]) => cell.match(/\w+/g) ?? []).filter((word) => !['code'].includes(word));
  const lines = (name) => told.families.get(name).samples.map(({ labels }) => labels.code);
  assert.ok(first(errors).length >= 12 && first(closes).length >= 10);
  for (const code of first(errors)) assert.ok(lines('ringroom_errors_total').includes(code), code);
  for (const code of first(closes)) assert.ok(lines('ringroom_closes_total').includes(code), code);
}));

test('the process is told as by convention', () => withServer(OPEN, async (server) => {
  const told = await scrape(server);
  assert.ok(Math.abs(told.value('process_start_time_seconds') - Date.now() / 1000) < 60);
  assert.ok(Math.abs(told.value('process_resident_memory_bytes') / server.rss() - 1) < 0.5);
  assert.ok(told.value('process_virtual_memory_bytes') > told.value('process_resident_memory_bytes'));
  assert.ok(told.value('process_cpu_seconds_total') > 0);
  assert.ok(told.value('process_open_fds') > 5 && told.value('process_open_fds') < told.value('process_max_fds'));
}));

measured('scrapes under load are well-formed, never go back, and disturb nobody', { shards: 2 }, async (connect, server) => {
  const [writers, reader, room] = [[await connect(), await connect(), await connect()], await connect(), freshRoom()];
  for (const chat of [...writers, reader]) await chat.join(room);
  let done = false;
  const writing = Promise.all(writers.map(async (chat) => { for (let i = 0; i < 300; i++) await chat.send(room, `${i}`); })).then(() => { done = true; });
  let before = new Map();
  let scrapes = 0;
  do {
    const now = new Map((await scrape(server)).counters());
    for (const [sample, value] of before) assert.ok(now.get(sample) >= value, `${sample} went back from ${value} to ${now.get(sample)}`);
    before = now;
    scrapes++;
  } while (!done || scrapes < 3);
  await writing;
  const seqs = (await reader.messages(room, 900)).map(({ seq }) => seq);
  assert.deepEqual(seqs, Array.from({ length: 900 }, (_, i) => i + 1));
  await counted(server, 'ringroom_deliveries_total', {}, 3600);
});

/* Who may have it */

test('the listener for metrics has these, and health, and nothing else', () => withServer(OPEN, async (server) => {
  const socket = await Raw.connect(server, { tls: false, port: server.ports.metrics });
  const status = async (path, method) => (await socket.request(get(path, method), { headOnly: method === 'HEAD' })).status;
  assert.equal(await status('/metrics'), 200);
  const head = await socket.request(get('/metrics', 'HEAD'), { headOnly: true });
  assert.equal(head.status, 200);
  assert.ok(head.headers['content-length'] > 1000);
  assert.equal(await status('/healthz'), 200);
  assert.equal(await status('/readyz'), 200);
  for (const path of ['/', '/ws', '/socket.io/?EIO=4&transport=polling', '/index.html', '/metrics/', '/echo']) assert.equal(await status(path), 404, path);
  const wrong = await socket.request('POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
  assert.equal(wrong.status, 405);
  assert.equal(wrong.headers.allow, 'GET, HEAD');
  socket.destroy();
}));

const statusOf = async (server, tls, port, headers = '') => {
  const socket = await Raw.connect(server, { tls, port });
  const { status } = await socket.request(`GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}\r\n`);
  socket.destroy();
  return status;
};

for (const [allow, status] of [[undefined, 200], [['127.0.0.1'], 200], ['127.0.0.0/8', 200], [[], 404], [['10.0.0.0/8', '::1'], 404]]) {
  test(`at the other listeners ${JSON.stringify(allow) ?? 'the default'} gives a client of loopback ${status}`, () =>
    withServer({ ...OPEN, ...(allow === undefined ? {} : { 'metrics.allow': allow }) }, async (server) => {
      for (const tls of [false, true]) assert.equal(await statusOf(server, tls, server.port(tls)), status);
      assert.equal(await statusOf(server, false, server.ports.metrics), 200);
    }));
}

test('behind a proxy it is the client that counts', () => withServer({ ...OPEN, 'proxy.from': '127.0.0.1', 'metrics.allow': ['127.0.0.1', '192.0.2.0/24'] }, async (server) => {
  for (const [client, status] of [['192.0.2.7', 200], ['198.51.100.7', 404], ['127.0.0.1', 200]])
    assert.equal(await statusOf(server, false, server.port(false), `X-Forwarded-For: ${client}\r\n`), status, client);
  const socket = await Raw.connect(server, { tls: false });
  for (const [client, status] of [['192.0.2.7', 200], ['198.51.100.7', 404], ['192.0.2.7', 200]])
    assert.equal((await socket.request(`GET /metrics HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ${client}\r\n\r\n`)).status, status, client);
  socket.destroy();
}));

/* The documentation */

test('docs/metrics.md has every metric, as it is', () => withServer(OPEN, async (server) => {
  const told = await scrape(server);
  const rows = [...docs('metrics.md').matchAll(/^\| `((?:ringroom|process)_\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \|$/gm)]
    .map(([, name, type, labels, help]) => ({ name, type, labels: labels.match(/`\w+`/g)?.map((label) => label.slice(1, -1)).sort() ?? [], help }));
  const families = [...told.families.values()].map(({ name, type, help, samples }) =>
    ({ name, type, labels: Object.keys(samples[0].labels).filter((label) => label !== 'le').sort(), help }));
  assert.deepEqual(rows, families);
}));

test('docs/grafana.json asks for nothing that is not there', () => withServer(OPEN, async (server) => {
  const told = await scrape(server);
  const { panels } = JSON.parse(docs('grafana.json'));
  const asked = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)).join('\n');
  const names = new Set(asked.match(/\b(?:ringroom|process)_\w+/g));
  assert.ok(names.size > 20);
  for (const name of names) {
    const family = told.families.get(name) ?? told.families.get(name.replace(/_(bucket|sum|count)$/, ''));
    assert.ok(family, name);
  }
}));
