/* TLS as a scanner sees it: what is refused, what is chosen, and the stapled OCSP response. By
 * OpenSSL's own tools, with their own security level out of the way. */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Server, run, serveArgs, withServer } from '../lib/server.mjs';
import { until, within } from '../lib/wait.mjs';

/** What s_client prints; `input` is typed once the session stands. */
async function client(server, args, input = '') {
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${server.ports.https}`, ...args], { stdio: 'pipe' });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => { text += chunk; });
  child.stdin.on('error', () => {}); // it may have gone already
  const end = new Promise((done) => { child.on('close', (code) => done(code)); });
  try {
    if (input) await until(() => /---\n.*(SSL-Session|New, )[^]*---\n/.test(text) || child.exitCode !== null, 'a session');
    child.stdin.write(input);
    if (input) await until(() => /RENEGOTIATING/.test(text) || child.exitCode !== null, 'the renegotiation');
    if (!input) child.stdin.end();
    const code = await within(end, 's_client');
    return { text, code, cipher: /Cipher is (\S+)/.exec(text)?.[1], group: /Server Temp Key: (\w+|ECDH, [\w-]+)/.exec(text)?.[1] };
  } finally {
    child.kill('SIGKILL');
  }
}

describe('TLS, from outside:', { concurrency: 2 }, () => {
let server;
before(async () => { server = await Server.start({ listen_plain: [] }); });
after(() => server?.stop());

const accepted = async (args) => {
  const got = await client(server, args);
  assert.equal(got.code, 0, `${args.join(' ')}\n${got.text}`);
  assert.notEqual(got.cipher, '(NONE)', got.text);
  return got;
};
const refused = async (args, alert) => {
  const { text, code, cipher } = await client(server, args);
  assert.notEqual(code, 0, `${args.join(' ')}\n${text}`);
  assert.equal(cipher ?? '(NONE)', '(NONE)');
  assert.match(text, alert);
};

test('versions before TLS 1.2 are refused', async () => {
  for (const version of ['-tls1', '-tls1_1'])
    await refused([version, '-cipher', 'ALL:@SECLEVEL=0'], /alert protocol version/);
  assert.match((await accepted(['-tls1_2'])).text, /Protocol *: TLSv1\.2/);
  assert.match((await accepted([])).text, /New, TLSv1\.3/);
});

test('of TLS 1.2 suites none but ECDHE with AEAD is taken', async () => {
  const all = execFileSync('openssl', ['ciphers', '-s', '-tls1_2', 'ALL:COMPLEMENTOFALL:@SECLEVEL=0'], { encoding: 'utf8' }).trim().split(':');
  const good = /^ECDHE-ECDSA-(AES(128|256)-GCM-SHA(256|384)|CHACHA20-POLY1305)$/; // the test's key is ECDSA
  const weak = all.filter((name) => !good.test(name));
  for (const kind of [/^DHE-/, /-SHA$/, /^AES/, /^A?(EC)?DH-|ADH/, /^ECDHE-ECDSA-AES128-SHA256$/, /CCM/, /CAMELLIA/])
    assert.ok(weak.some((name) => kind.test(name)), `one like ${kind} is among them`);
  await refused(['-tls1_2', '-cipher', `${weak.join(':')}:@SECLEVEL=0`], /alert handshake failure/);
  for (const name of all.filter((suite) => good.test(suite)))
    assert.equal((await accepted(['-tls1_2', '-cipher', name])).cipher, name);
});

test('ChaCha20 for those who put it first, AES-128-GCM for all others', async () => {
  const choices = [
    [['-ciphersuites', 'TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256'], 'TLS_CHACHA20_POLY1305_SHA256'],
    [['-ciphersuites', 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256'], 'TLS_AES_128_GCM_SHA256'],
    [['-tls1_2', '-cipher', 'ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256'], 'ECDHE-ECDSA-CHACHA20-POLY1305'],
    [['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256'], 'ECDHE-ECDSA-AES128-GCM-SHA256'],
  ];
  for (const [args, cipher] of choices) assert.equal((await accepted(args)).cipher, cipher);
});

test('groups: X25519, P-256, P-384, and nothing weaker or other', async () => {
  assert.match((await accepted([])).text, /Server Temp Key: X25519/);
  for (const group of ['X25519', 'P-256', 'P-384']) await accepted(['-tls1_3', '-groups', group]);
  for (const group of ['P-521', 'X448', 'ffdhe2048']) await refused(['-tls1_3', '-groups', group], /alert handshake failure/);
  for (const [groups, chosen] of [['secp224r1:P-256', /prime256v1/], ['P-521:P-384:P-256', /prime256v1/], ['P-521:P-256:X25519', /X25519/]])
    assert.match((await accepted(['-tls1_2', '-groups', groups, '-cipher', 'ECDHE:@SECLEVEL=0'])).text, new RegExp(`Server Temp Key: .*${chosen.source}`));
});

test('no SHA-1 in signatures', () => refused(['-tls1_2', '-sigalgs', 'ECDSA+SHA1:RSA+SHA1', '-cipher', 'ALL:@SECLEVEL=0'], /alert (handshake failure|internal error)/));

test('neither renegotiation, asked for by the client, nor compression', async () => {
  const { text } = await client(server, ['-tls1_2'], 'R\n');
  assert.match(text, /RENEGOTIATING[^]*no renegotiation/);
  assert.match(text, /Secure Renegotiation IS supported/);
  assert.match((await accepted(['-tls1_2', '-comp'])).text, /Compression: NONE/);
});

test('without a response none is stapled', async () => {
  assert.match((await accepted(['-status'])).text, /OCSP response: no response sent/);
});
});

/* A certificate authority, a certificate of it, and what its responder says. */
class Issuer {
  constructor() {
    this.dir = mkdtempSync(join(tmpdir(), 'ringroom-ocsp-'));
    process.on('exit', () => rmSync(this.dir, { recursive: true, force: true }));
    for (const name of ['ca', 'other']) {
      this.openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.pem`);
    }
    for (const [name, serial] of [['leaf', 17], ['sibling', 18]]) {
      this.openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=localhost', '-keyout', `${name}.key`, '-out', `${name}.csr`);
      this.openssl('x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-days', '2', '-set_serial', String(serial), '-out', `${name}.pem`);
    }
    const read = (name) => readFileSync(join(this.dir, name), 'utf8');
    writeFileSync(join(this.dir, 'chain.pem'), read('leaf.pem') + read('ca.pem'));
  }

  openssl(...args) { return execFileSync('openssl', args, { cwd: this.dir, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' }); }

  /** A response about the certificate `of`; status as in openssl-ca's index. */
  response(name, { of = 'leaf', state = 'V', signer = 'ca', past = false } = {}) {
    const serial = of === 'leaf' ? '11' : '12';
    const revoked = state === 'R' ? '240101000000Z' : '';
    const [index, file] = [`${name}.index`, join(this.dir, name)];
    writeFileSync(join(this.dir, index), state ? `${state}\t490101000000Z\t${revoked}\t${serial}\tunknown\t/CN=localhost\n` : '');
    this.openssl('ocsp', '-issuer', 'ca.pem', '-cert', `${of}.pem`, '-no_nonce', '-reqout', `${name}.req`);
    this.openssl('ocsp', '-index', index, '-CA', 'ca.pem', '-rsigner', `${signer}.pem`, '-rkey', `${signer}.key`, '-reqin', `${name}.req`, '-respout', name, '-ndays', '1');
    if (past) { // its last time is its end; the signature is gone with it, but nobody looks so far
      const der = readFileSync(file, 'latin1').replace(/(.*)\d{14}Z/s, (all, before) => `${before}20200101000000Z`);
      writeFileSync(file, der, 'latin1');
    }
    return file;
  }

  settings(ocsp, cert = 'chain.pem') {
    return { listen: '127.0.0.1:0', listen_plain: [], 'tls.cert': join(this.dir, cert), 'tls.key': join(this.dir, 'leaf.key'), 'tls.ocsp': ocsp };
  }
}

describe('OCSP:', { concurrency: 2 }, () => {
let issuer;
before(() => { issuer = new Issuer(); });

test('the response goes to those who ask, in both versions, and is the issuer\'s', async () => {
  await withServer(issuer.settings(issuer.response('good')), async (server) => {
    for (const version of ['-tls1_2', '-tls1_3']) {
      const { text } = await client(server, [version, '-status', '-CAfile', join(issuer.dir, 'ca.pem')]);
      assert.match(text, /OCSP Response Status: successful[^]*Serial Number: 11[^]*Cert Status: good/);
      assert.doesNotMatch((await client(server, [version])).text, /OCSP/);
    }
    assert.doesNotMatch(server.log, /tls\.ocsp/);
  });
});

test('without the issuer in the chain it is known by its number', async () => {
  await withServer(issuer.settings(issuer.response('alone'), 'leaf.pem'), async (server) => {
    assert.match((await client(server, ['-status'])).text, /Cert Status: good/);
  });
  await fails(issuer.response('alone-other', { of: 'sibling' }), /about another certificate/, 'leaf.pem');
});

test('an expired one is warned about, and not sent', async () => {
  const file = issuer.response('expired', { past: true });
  await withServer(issuer.settings(file), async (server) => {
    await until(() => /tls\.ocsp: the OCSP response in \S+ has been expired since .* UTC: it is not sent/.test(server.log), 'the warning');
    assert.match((await client(server, ['-status'])).text, /OCSP response: no response sent/);
  });
  const settings = Object.entries(issuer.settings(file)).flatMap(([key, value]) => ['--set', `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`]);
  const { code, stderr } = await run(['check', ...settings]);
  assert.equal(code, 0);
  assert.match(stderr, /^ringroom: tls\.ocsp: .* expired since [^\n]*\n$/);
});

const fails = async (file, line, cert) => {
  const { code, stdout, stderr } = await run(serveArgs(issuer.settings(file, cert)));
  assert.equal(code, 2, stderr);
  assert.equal(stdout, '');
  assert.match(stderr, line);
  assert.match(stderr, /^ringroom: tls\.ocsp: [^\n]+\n$/);
};

test('what is no response, of another certificate or issuer, or bad news, is a start error', async () => {
  const junk = join(issuer.dir, 'junk');
  writeFileSync(junk, 'hello');
  await fails(join(issuer.dir, 'none'), /cannot read .*none: No such file/);
  await fails(junk, /no OCSP response \(DER\) in/);
  await fails('/dev/zero', /too large/);
  await fails(issuer.response('sibling-response', { of: 'sibling' }), /about another certificate/);
  await fails(issuer.response('forged', { signer: 'other' }), /not signed by the certificate's issuer/);
  await fails(issuer.response('revoked', { state: 'R' }), /says that the certificate is revoked/);
  await fails(issuer.response('unknown', { state: '' }), /says that the certificate is unknown/);
});
});
