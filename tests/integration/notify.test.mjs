/* What the service manager is told: ready, what goes on, alive, stopping. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Chat, freshRoom } from '../lib/client.mjs';
import { helper, Server } from '../lib/server.mjs';
import { sleep, until, within } from '../lib/wait.mjs';

const WATCHDOG_MS = 900;

/** A helper that is at work from its first line on: {lines, end()}. */
async function working(name, args) {
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
async function managed(settings, env, use) {
  const dir = mkdtempSync(join(tmpdir(), 'ringroom-notify-'));
  const path = join(dir, 'notify');
  const manager = await working('notify_socket', [path]);
  try {
    const server = await Server.start(settings, { env: { NOTIFY_SOCKET: path, ...env } });
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

const alive = (lines) => lines.filter((line) => line.includes('WATCHDOG=1')).length;
const watched = { WATCHDOG_USEC: String(WATCHDOG_MS * 1000) };

/** Thread ids of the shards: all but the first thread. A kernel worker of a ring is a thread too, with another name. */
const shardThreads = (pid) => readdirSync(`/proc/${pid}/task`).filter((task) => task !== String(pid)
  && !readFileSync(`/proc/${pid}/task/${task}/comm`, 'utf8').startsWith('iou-'));

for (const shards of [1, 4]) {
  test(`READY=1 comes first, then WATCHDOG=1 while idle shards sleep, with who is served: ${shards} shards`, () => managed({ shards }, watched, async (server, lines) => {
    await until(() => lines.length > 0, 'a message');
    assert.match(lines[0], new RegExp(`^READY=1 STATUS=Serving 0 clients in 0 rooms, ${shards} shards?$`));
    await until(() => alive(lines) >= 3, 'three signs of life');
    const chat = await Chat.connect(server);
    const room = freshRoom();
    await chat.join(room);
    await until(() => lines.at(-1).includes('STATUS=Serving 1 client in 1 room'), () => lines.at(-1));
    chat.cut();
  }));
}

test('a shard that hangs is missed: no WATCHDOG=1 until it goes on', () => managed({ shards: 3 }, watched, async (server, lines) => {
  await until(() => alive(lines) > 0, 'a sign of life');
  const thread = await working('stop_thread', [shardThreads(server.pid)[1]]);
  await until(() => / warn shard \d has not answered for \d+ ms/.test(server.log), 'the warning');
  const count = alive(lines);
  await sleep(2 * WATCHDOG_MS);
  assert.equal(alive(lines), count, 'not a word');
  await thread.end();
  await until(() => alive(lines) > count, 'a sign of life');
  assert.match(server.log, /every shard answers again/);
}));

test('while clients are given time to go, it is alive', () => managed({ drain: 3600 }, watched, async (server, lines) => {
  const chat = await Chat.connect(server);
  await chat.join(freshRoom());
  chat.ws.pause(); // neither reads nor answers the close frame
  server.child.kill('SIGTERM');
  await until(() => lines.some((line) => line.startsWith('STOPPING=1')), 'STOPPING=1');
  const count = alive(lines);
  await until(() => alive(lines) > count + 1 && lines.at(-1).includes('STATUS=Stopping; 1 client still to go'), () => lines.at(-1));
  server.child.kill('SIGTERM');
  await server.ended();
  chat.cut();
}));

test('nobody is told of life who does not watch this process', () => managed({}, { ...watched, WATCHDOG_PID: '1' }, async (server, lines) => {
  await sleep(2 * WATCHDOG_MS);
  assert.equal(alive(lines), 0);
}));
