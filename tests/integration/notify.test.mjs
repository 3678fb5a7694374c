/* What the service manager is told: ready, what goes on, alive, stopping. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Chat, freshRoom } from '../lib/client.mjs';
import { managed, working } from '../lib/manager.mjs';
import { sleep, until } from '../lib/wait.mjs';

const WATCHDOG_MS = 900;

const alive = (lines) => lines.filter((line) => line.includes('WATCHDOG=1')).length;
const watched = { env: { WATCHDOG_USEC: String(WATCHDOG_MS * 1000) } };

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

test('nobody is told of life who does not watch this process', () => managed({}, { env: { ...watched.env, WATCHDOG_PID: '1' } }, async (server, lines) => {
  await sleep(2 * WATCHDOG_MS);
  assert.equal(alive(lines), 0);
}));
