/* manager.mjs - stands for the service manager: what the server tells it, and helpers at work. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { helper, Server } from './server.mjs';
import { until, within } from './wait.mjs';

/** A helper that is at work from its first line on: {lines, end()}. */
export async function working(name, args) {
  const child = spawn(helper(name), args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = [];
  let rest = '';
  child.stdout.on('data', (chunk) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop();
    lines.push(...parts);
  });
  const ended = new Promise((done) => child.on('close', done));
  await until(() => lines.length > 0 || child.exitCode !== null, name);
  assert.equal(child.exitCode, null, `${name} is at work`);
  lines.shift();
  return { lines, end: () => { child.stdin.end(); return within(ended, `the end of ${name}`); } };
}

/** `use(server, messages)` with a server that has a manager, which watches it where `env` says so. */
export async function managed(settings, { env, ...how }, use) {
  const dir = mkdtempSync(join(tmpdir(), 'ringroom-notify-'));
  const path = join(dir, 'notify');
  const manager = await working('notify_socket', [path]);
  try {
    const server = await Server.start(settings, { ...how, env: { NOTIFY_SOCKET: path, ...env } });
    try {
      await use(server, manager.lines);
    } finally {
      await server.stop();
      await until(() => manager.lines.some((line) => line.startsWith('STOPPING=1')), 'STOPPING=1');
    }
  } finally {
    await manager.end();
    rmSync(dir, { recursive: true, force: true });
  }
}
