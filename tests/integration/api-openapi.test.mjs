/* /v1/openapi.json is a good description, and tells of what the server really does: each call that is
 * made here is in it, and so is what it is answered. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { API, API_KEY, call, roomPath } from '../lib/api.mjs';
import { freshRoom, numbers, withClients } from '../lib/client.mjs';
import { withServer } from '../lib/server.mjs';
import { AUTH, bearer, mint } from '../lib/token.mjs';

const FILE = new URL('../../web/v1/openapi.json', import.meta.url);
const described = JSON.parse(readFileSync(FILE, 'utf8'));

test('it is a valid OpenAPI document', async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(described));
  assert.ok(valid, JSON.stringify(errors));
});

/** The path as it is described: /v1/rooms/{room}. */
function pathOf(path) {
  const pieces = path.split('?')[0].split('/');
  return Object.keys(described.paths).find((known) => {
    const wanted = known.split('/');
    return wanted.length === pieces.length && wanted.every((piece, i) => piece.startsWith('{') || piece === pieces[i]);
  });
}

const resolve = (node) => (node?.$ref ? node.$ref.slice(2).split('/').reduce((at, key) => at[key], described) : node);

const ajv = new Ajv2020({ strict: false });
ajv.addSchema(described, 'openapi');
const pointerOf = (...keys) => `openapi#/${keys.map((key) => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`;

/** The answer is one that the description tells of. */
function assertDescribed(method, path, { status, json, text }) {
  const known = pathOf(path);
  assert.ok(known, `${path} is described`);
  const operation = described.paths[known][method.toLowerCase()];
  assert.ok(operation, `${method} ${known} is described`);
  const response = resolve(operation.responses[status]);
  assert.ok(response, `${method} ${known}: ${status} is described: ${text}`);
  const keys = operation.responses[status].$ref ? operation.responses[status].$ref.slice(2).split('/')
    : ['paths', known, method.toLowerCase(), 'responses', String(status)];
  if (!response.content) return assert.equal(text, '');
  const validate = ajv.getSchema(pointerOf(...keys, 'content', 'application/json', 'schema'));
  assert.ok(validate(json), `${method} ${path}: ${JSON.stringify(validate.errors)} in ${text}`);
}

/** What a body that is taken, or refused, is by the description. */
function assertBody(method, path, body, good) {
  const keys = ['paths', pathOf(path), method.toLowerCase(), 'requestBody', 'content', 'application/json', 'schema'];
  const validate = ajv.getSchema(pointerOf(...keys));
  assert.equal(validate(body), good, `${method} ${path}: ${JSON.stringify(body)}: ${JSON.stringify(validate.errors)}`);
}

test('what is answered is described, with and without success', () => withServer({ ...API, ...AUTH, shards: 2, 'limits.memory': 300_000 }, async (server) => {
  const at = { server, tls: true };
  const room = freshRoom('described'), messages = roomPath(room, '/messages');
  const seen = new Set();
  const made = async (status, method, path, body, options) => {
    const answer = await call(at, method, path, body, options);
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
    assertDescribed(method, path, answer);
    if (body !== undefined && typeof body !== 'string' && [200, 201, 204, 404].includes(status)) assertBody(method, path, body, true);
    if (body !== undefined && typeof body !== 'string' && status === 400) assertBody(method, path, body, false);
    seen.add(`${method} ${pathOf(path)} ${status}`);
    return answer.json;
  };

  await withClients(at, async (connect) => {
    await made(201, 'PUT', roomPath(room), { ttl: 60, ttl_from: 'message', max_messages: 10, max_bytes: 100_000, max_members: 5 });
    await made(200, 'PUT', roomPath(room), { ttl: null, ttl_from: null, max_members: 0 });
    await made(200, 'PUT', roomPath(room));
    for (const body of [{ ttl: 0 }, { ttl: 2592001 }, { ttl: '60' }, { ttl_from: 'now' }, { max_messages: 0 }, { max_bytes: 0.5 }, { max_members: -1 }, []]) await made(400, 'PUT', roomPath(room), body);
    const ada = await connect(bearer(await mint({ sub: 'ada', name: 'Ada' })));
    await ada.join(room);
    await made(200, 'POST', messages, { from: 'a', text: 'one', cid: 'x', uid: 'ada', data: null });
    await made(200, 'POST', messages, [{ from: 'a', data: [] }, { from: 'a', text: 'one', cid: 'x', uid: 'ada' }]);
    for (const body of [{}, [], { from: 'a' }, { from: '', text: '' }, { from: 'a', text: 1 }, { from: 'a', text: '', cid: '' }, { from: 'a', text: '', uid: '' }, 7]) await made(400, 'POST', messages, body);
    await made(400, 'POST', messages, '{');
    await made(413, 'POST', messages, { from: 'a', text: 'x'.repeat(20_000) });
    await made(415, 'POST', messages, { from: 'a', text: 'x' }, { type: 'text/plain' });
    await made(503, 'POST', messages, numbers(1, 30).map(() => ({ from: 'a', text: 'x'.repeat(15_000) })));
    await made(200, 'GET', messages);
    await made(200, 'GET', `${messages}?limit=1&after=0`);
    await made(400, 'GET', `${messages}?limit=0`);
    await made(200, 'GET', roomPath(room));
    await made(200, 'GET', roomPath(room, '/members'));
    await made(200, 'GET', '/v1/rooms');
    await made(200, 'GET', '/v1/rooms?limit=1&prefix=d');
    for (const query of ['?limit=x', '?cursor=x', '?prefix=%00']) await made(400, 'GET', `/v1/rooms${query}`);
    await made(204, 'DELETE', `${messages}/1`);
    await made(404, 'DELETE', `${messages}/99`);
    await made(400, 'DELETE', `${messages}/0`);
    for (const what of ['kick', 'mute']) {
      await made(204, 'POST', roomPath(room, `/${what}`), { uid: 'ben', seconds: 5 });
      await made(404, 'POST', roomPath(freshRoom(), `/${what}`), { uid: 'ben', seconds: 5 });
      for (const body of [{}, { uid: '', seconds: 1 }, { uid: 'ben', seconds: -1 }, { uid: 'ben', seconds: 2592001 }]) await made(400, 'POST', roomPath(room, `/${what}`), body);
    }
    await made(204, 'POST', roomPath(room, '/kick'), { uid: 'cem' });
    await made(400, 'POST', roomPath(room, '/mute'), { uid: 'cem' });
    await made(200, 'POST', '/v1/tokens', { sub: 'ada', name: 'Ada', rooms: [{ room: 'game-*', can: ['read', 'write', 'moderate'] }], ttl: 60 });
    for (const body of [{}, { sub: 'a' }, { sub: '', rooms: [] }, { sub: 'a', rooms: [{ room: '', can: [] }] }, { sub: 'a', rooms: [{ room: 'x', can: ['fly'] }] }, { sub: 'a', rooms: [], ttl: 0 }, { sub: 'a', rooms: [], ttl: 86401 }])
      await made(400, 'POST', '/v1/tokens', body);
    await made(200, 'POST', '/v1/users/ada/disconnect');
    await made(400, 'POST', '/v1/users/%00/disconnect');
    await made(204, 'DELETE', roomPath(room));
    await made(404, 'DELETE', roomPath(freshRoom()));
    for (const [path, operations] of Object.entries(described.paths)) {
      const concrete = path.replace('{room}', 'x').replace('{uid}', 'x').replace('{seq}', '1');
      for (const method of Object.keys(operations).filter((key) => key !== 'parameters')) await made(401, method.toUpperCase(), concrete, undefined, { key: null });
    }
  });

  const missing = Object.entries(described.paths).flatMap(([path, operations]) => Object.keys(operations)
    .filter((key) => key !== 'parameters' && !['200', '201', '204'].some((status) => seen.has(`${key.toUpperCase()} ${path} ${status}`)))
    .map((method) => `${method} ${path}`));
  assert.deepEqual(missing, [], 'every call that is described has been made');
}));

test('methods that a path allows are those that are described', () => withServer(API, async (server) => {
  const at = { server, tls: false };
  for (const [path, operations] of Object.entries(described.paths)) {
    const { headers } = await call(at, 'OPTIONS', path.replace('{room}', 'x').replace('{uid}', 'x').replace('{seq}', '1'));
    const allowed = headers.allow.split(', ').filter((method) => !['HEAD', 'OPTIONS'].includes(method)).sort();
    assert.deepEqual(allowed, Object.keys(operations).filter((key) => key !== 'parameters').map((key) => key.toUpperCase()).sort(), path);
  }
}));

test('it is served without a key, whether the API is on or not', async () => {
  for (const settings of [{}, API]) {
    await withServer(settings, async (server) => {
      const answer = await call({ server, tls: true }, 'GET', '/v1/openapi.json', undefined, { key: null });
      assert.equal(answer.status, 200);
      assert.deepEqual(answer.json, described);
      assert.ok(!answer.text.includes(API_KEY));
    });
  }
});

test('without a key to sign with, no token is made', () => withServer(API, async (server) => {
  const answer = await call({ server, tls: false }, 'POST', '/v1/tokens', { sub: 'a', rooms: [] });
  assert.deepEqual([answer.status, answer.json.error.code], [403, 'forbidden']);
  assertDescribed('POST', '/v1/tokens', answer);
}));
