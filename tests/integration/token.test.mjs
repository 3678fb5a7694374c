/* `ringroom token`, read by a library that is not ours. */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { decodeProtectedHeader, jwtVerify } from 'jose';
import { BINARY, run } from '../lib/server.mjs';
import { within } from '../lib/wait.mjs';

const PLAIN = ['--set', 'listen=[]', '--set', 'listen_plain=127.0.0.1:0'];
const SECRET = 'a secret that is known to this test alone';
let dir;
const at = (name) => join(dir, name);
const openssl = (...args) => execFileSync('openssl', args, { stdio: 'ignore' });

before(() => {
  dir = mkdtempSync(join(tmpdir(), 'ringroom-token-'));
  openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', at('rsa.pem'));
  openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', at('ec.pem'));
  openssl('pkey', '-in', at('ec.pem'), '-pubout', '-out', at('ec-public.pem'));
  writeFileSync(at('secret'), `${SECRET}\n`);
});
after(() => rmSync(dir, { recursive: true, force: true }));

/** A configuration file with these auth.keys; its options. */
const withKeys = (keys, auth = {}) => {
  writeFileSync(at('ringroom.json'), JSON.stringify({ auth: { keys, ...auth } }));
  return ['--config', at('ringroom.json')];
};
const key = (name) => createPublicKey(readFileSync(at(name)));

for (const [alg, file, verifier] of [
  ['HS256', 'secret', () => new TextEncoder().encode(SECRET)],
  ['RS256', 'rsa.pem', () => key('rsa.pem')],
  ['ES256', 'ec.pem', () => key('ec.pem')],
]) {
  test(`a token by ${alg} is taken by another library`, async () => {
    const { code, stdout, stderr } = await run(['token', ...withKeys([{ kid: 'one', alg, file: at(file) }], { audience: 'chat' }),
      '--sub', 'üser "17"', '--name', 'Ada 😀', '--room', 'game-*:read,write', '--room', 'a:b:moderate', '--ttl', '60']);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const token = stdout.trim();
    assert.deepEqual(decodeProtectedHeader(token), { alg, typ: 'JWT', kid: 'one' });
    const { payload } = await jwtVerify(token, verifier(), { algorithms: [alg], audience: 'chat', subject: 'üser "17"' });
    assert.equal(payload.name, 'Ada 😀');
    assert.deepEqual(payload.rooms, [{ room: 'game-*', can: ['read', 'write'] }, { room: 'a:b', can: ['moderate'] }]);
    assert.equal(payload.exp - payload.iat, 60);
    assert.ok(Math.abs(payload.iat - Date.now() / 1000) < 30);
    await assert.rejects(jwtVerify(`${token.slice(0, -3)}AAA`, verifier()));
  });
}

test('a public key is enough to serve with, not to sign with', async () => {
  const keys = withKeys([{ alg: 'ES256', file: at('ec-public.pem') }]);
  const checked = await run(['check', ...keys, ...PLAIN]);
  assert.equal(checked.code, 0, checked.stderr);
  const { code, stdout, stderr } = await run(['token', ...keys, '--sub', 'a']);
  assert.equal(code, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /^ringroom: auth\.keys: its keys can only verify: [^\n]+\n$/);
});

test('a key that cannot be used is refused by check and serve alike', async () => {
  const keys = withKeys([{ alg: 'RS256', file: at('ec.pem') }]);
  for (const command of ['check', 'serve']) {
    const { code, stderr } = await run([command, ...keys, ...PLAIN]);
    assert.equal(code, 2);
    assert.match(stderr, /auth\.keys\[0\]\.file: \S+ec\.pem: must be an RSA key for RS256, not EC/);
  }
});

test('a key may be a credential of the service', async () => {
  const keys = withKeys([{ alg: 'HS256', file: 'credential:secret' }]);
  const { code, stdout, stderr } = await run(['token', ...keys, '--sub', 'a'], { env: { CREDENTIALS_DIRECTORY: dir } });
  assert.equal(code, 0, stderr);
  await jwtVerify(stdout.trim(), new TextEncoder().encode(SECRET));
});

test('check shows no secret, nor does an error', async () => {
  const good = await run(['check', ...PLAIN, ...withKeys([{ alg: 'HS256', secret: SECRET }])]);
  assert.equal(good.code, 0, good.stderr);
  assert.equal(JSON.parse(good.stdout).auth.keys[0].secret, '***');
  const bad = await run(['check', ...PLAIN, ...withKeys([{ alg: 'ES256', secret: SECRET }])]);
  assert.equal(bad.code, 2);
  for (const { stdout, stderr } of [good, bad]) assert.ok(!`${stdout}${stderr}`.includes('known to this test'));
});

test('a server that everyone can reach in open mode says so once, one on loopback does not', async () => {
  const warning = /auth\.mode is open: anyone who reaches ([\d.]+:\d+) can read and write every room/g;
  for (const [address, times] of [['0.0.0.0', 1], ['127.0.0.1', 0]]) {
    const child = spawn(BINARY, ['serve', '--set', 'listen=[]', '--set', `listen_plain=["${address}:0","127.0.0.1:0"]`, '--set', 'shards=2'],
      { stdio: ['ignore', 'pipe', 'pipe'] });
    let log = '';
    child.stderr.on('data', (chunk) => { log += chunk; });
    const end = new Promise((done) => child.on('close', done));
    await within(new Promise((done) => child.stdout.once('data', done)), 'ready');
    child.kill('SIGTERM');
    assert.equal(await within(end, 'the server\'s end'), 0, log);
    const found = [...log.matchAll(warning)];
    assert.equal(found.length, times, log);
    for (const [, reached] of found) assert.match(reached, /^0\.0\.0\.0:[1-9]/);
  }
});

test('token mode needs a key, which a usual start does not have', async () => {
  const { code, stderr } = await run(['serve', ...PLAIN, ...withKeys([], { mode: 'token' })]);
  assert.equal(code, 2);
  assert.match(stderr, /auth\.keys/);
});
