/* `ringroom doctor`: what it sees, what it says, and its exit status. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BINARY, certificate, helper, run, withServer } from '../lib/server.mjs';

const PLAIN = ['--set', 'listen=[]', '--set', 'listen_plain=127.0.0.1:0'];

/** Its answer by subject, each with the lines of mending: {code, says: {subject: 'ok text mend'}}. */
async function doctor(args, how) {
  const { code, stdout, stderr } = await run(['doctor', ...args], how);
  assert.equal(stderr, '');
  const says = {};
  let subject;
  for (const line of stdout.trimEnd().split('\n')) {
    const [, verdict, what, text] = /^(ok  |warn|FAIL)  (.{13})  (\S.*)$/.exec(line) ?? [];
    if (verdict) says[subject = what.trim()] = `${verdict.trim()} ${text}`;
    else says[subject] += ` ${/^ {21}(\S.*)$/.exec(line)[1]}`;
  }
  return { code, says, lines: stdout.split('\n').length };
}

test('where all is well nothing fails, in one screen and without colour', async () => {
  const { cert, key } = certificate();
  const { code, says, lines } = await doctor(['--set', 'listen=127.0.0.1:0', '--set', `tls.cert=${cert}`, '--set', `tls.key=${key}`, '--set', 'shards=2']);
  assert.equal(code, 0, JSON.stringify(says));
  assert.match(says.kernel, /^ok Linux \d/);
  assert.match(says.io_uring, /^ok 2 rings/);
  assert.match(says.certificate, /^ok [12] days left; for localhost, 127\.0\.0\.1/); // a third of two days is less than that
  assert.match(says['who may enter'], /^warn everyone/);
  assert.ok(lines <= 24);
});

test('a filter of system calls that forbids io_uring is named, as what it is', async () => {
  const { code, says } = await doctor(PLAIN, { command: [helper('without_io_uring'), BINARY] });
  assert.equal(code, 1);
  assert.match(says.io_uring, /^FAIL a seccomp filter forbids io_uring \(Operation not permitted\)/);
});

test('too few open files, and few', async () => {
  const limited = (files) => ({ command: ['sh', '-c', `ulimit -n ${files}; exec "$0" "$@"`, BINARY] });
  const none = await doctor([...PLAIN, '--set', 'limits.connections=500'], limited(200));
  assert.equal(none.code, 1);
  assert.match(none.says['open files'], /^FAIL limits\.connections: 500: must be at most \d+: this process may have 200 files open/);
  const few = await doctor(PLAIN, limited(400));
  assert.equal(few.code, 0);
  assert.match(few.says['open files'], /^warn 400 allowed: \d+ connections.* for more: LimitNOFILE=/);
});

test('a configuration that is refused fails, and the machine is looked at all the same', async () => {
  const { code, says } = await doctor([...PLAIN, '--set', 'drain=-1']);
  assert.equal(code, 1);
  assert.match(says.configuration, /^FAIL drain: -1 \(from --set\): must be a whole number/);
  assert.match(says.io_uring, /^ok/);
});

test('a port that is taken: by a server of ours it may be, by another process not', () => withServer({}, async (server) => {
  const { code, says } = await doctor(['--set', 'listen=[]', '--set', `listen_plain=127.0.0.1:${server.ports.http}`]);
  assert.equal(code, 0);
  assert.match(says.port, new RegExp(`^warn .* is taken by ringroom \\(pid ${server.pid}\\)`));
}));

test('a certificate without its key, and a key that everyone may read', async () => {
  const { cert, key, dir } = certificate();
  const tls = (keyFile) => ['--set', 'listen=127.0.0.1:0', '--set', `tls.cert=${cert}`, '--set', `tls.key=${keyFile}`];
  const other = join(dir, 'other-key.pem'), open = join(dir, 'open-key.pem');
  execFileSync('openssl', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', other], { stdio: 'ignore' });
  const foreign = await doctor(tls(other));
  assert.equal(foreign.code, 1);
  assert.match(foreign.says.certificate, /^FAIL the key in .* does not fit/);
  copyFileSync(key, open);
  chmodSync(open, 0o644);
  assert.match((await doctor(tls(open))).says['private key'], /^warn .* is open to every user chmod 600/);
});

test('wrong options are exit status 2', async () => {
  const { code, stdout, stderr } = await run(['doctor', '--confg', 'x']);
  assert.equal(code, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /the nearest is --config/);
});
