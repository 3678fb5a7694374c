/* What docs/api.md says is run as it stands there: its examples, in their order, against a real
 * server, and what they are shown to be answered. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { API, API_KEY } from '../lib/api.mjs';
import { withServer } from '../lib/server.mjs';
import { AUTH } from '../lib/token.mjs';

const TEXT = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8');
const run = promisify(execFile);

/** [{command, shown}]: each sh block, and the json block right behind it. */
const examples = [...TEXT.matchAll(/^```sh\n(.*?)^```\n(?:\n```json\n(.*?)^```\n)?/gms)].map(([, command, shown]) => ({ command, shown }));

/** The same but for what differs from run to run: strings, numbers and times of the same kind. */
function assertAlike(got, shown, where) {
  assert.equal(Array.isArray(got) ? 'array' : typeof got, Array.isArray(shown) ? 'array' : typeof shown, where);
  if (shown && typeof shown === 'object') {
    assert.deepEqual(Object.keys(got), Object.keys(shown), where);
    for (const key of Object.keys(shown)) assertAlike(got[key], shown[key], `${where}.${key}`);
  } else if (!/\.(epoch|ts|token|exp|bytes|expires_in)$/.test(where)) {
    assert.equal(got, shown, where);
  }
}

test('its examples do what it says', () => withServer({ ...API, ...AUTH }, async (server) => {
  const env = { ...process.env, URL: server.url(false, '').replace(/\/$/, ''), KEY: API_KEY };
  assert.ok(examples.length >= 12);
  for (const { command, shown } of examples) {
    assert.match(command, /^curl /);
    const { stdout } = await run('bash', ['-euc', command.replaceAll('curl ', 'curl --silent --show-error ')], { env });
    if (shown) assertAlike(JSON.parse(stdout), JSON.parse(shown), command);
    else assert.equal(stdout, '', command);
  }
}));
