/* The command line and its exit status, as a shell sees them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run } from '../lib/server.mjs';

const PLAIN = ['--set', 'listen=[]', '--set', 'listen_plain=127.0.0.1:0'];

/** Exit status 2, nothing on standard output, one line on standard error that matches. */
const refused = async (args, line, env) => {
  const { code, stdout, stderr } = await run(args, { env });
  assert.equal(code, 2, stderr);
  assert.equal(stdout, '');
  assert.match(stderr, line);
  assert.match(stderr, /^ringroom: [^\n]+\n$/);
};

test('help and version are words as well as options', async () => {
  for (const [word, option] of [['help', '--help'], ['version', '--version']]) {
    const [asWord, asOption] = await Promise.all([run([word]), run([option])]);
    assert.equal(asWord.code, 0);
    assert.equal(asWord.stderr, '');
    assert.ok(asWord.stdout.length > 0);
    assert.deepEqual(asWord, asOption);
  }
});

test('a wrong word is refused, with a guess only where one is near', async () => {
  await refused(['sever'], /sever: no such command; the nearest is serve /);
  await refused(['start'], /start: no such command \(allowed are serve, check, doctor, token, chat, help, version\)/);
  await refused(['check', '--confg', 'x'], /--confg: no such option; the nearest is --config /);
  await refused([], /a command is needed/);
});

test('a variable that is no key is refused with its right name, and its value is kept quiet', async () => {
  await refused(['check', ...PLAIN], /RINGROOM_LIMITS_BURST: .* rename it to RINGROOM_LIMITS__BURST, or unset it/, { RINGROOM_LIMITS_BURST: '5' });
  await refused(['check', ...PLAIN], /RINGROOM_PASSWORD: no such key: unset it(?!.*hunter2)/, { RINGROOM_PASSWORD: 'hunter2' });
});

test('check prints what would be in force, as a file that is taken', async () => {
  const { code, stdout, stderr } = await run(['check', ...PLAIN, '--set', 'limits.recovery=60'], { env: { RINGROOM_LIMITS__RECOVERABLE: '7' } });
  assert.equal(code, 0, stderr);
  const { limits } = JSON.parse(stdout);
  assert.equal(limits.recovery, 60);
  assert.equal(limits.recoverable, 7);
});
