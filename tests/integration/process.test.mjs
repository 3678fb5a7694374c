/* The process: whose it is, what it may do, and what others may see of it. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, test } from 'node:test';
import { Chat, freshRoom } from '../lib/client.mjs';
import { certificate, findInMemory, run, serveArgs, withServer } from '../lib/server.mjs';
import { until } from '../lib/wait.mjs';

const ROOT = process.getuid() === 0;
const asRoot = { skip: !ROOT && 'not root' };
const id = (flag, name) => Number(execFileSync('id', [flag, name], { encoding: 'utf8' }));
const NOBODY = ROOT && { uid: id('-u', 'nobody'), gid: id('-g', 'nobody') };

/** /proc/PID/status of each of its threads: {Uid: '0 0 0 0', ...}. */
const threads = (pid) => readdirSync(`/proc/${pid}/task`).map((task) => Object.fromEntries(
  readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8').split('\n').map((line) => line.split(/:\s*/))
    .map(([key, value]) => [key, value?.replaceAll('\t', ' ').trim()])));

const assertIs = (server, { uid, gid }) => {
  for (const status of threads(server.pid)) {
    assert.equal(status.Uid, `${uid} ${uid} ${uid} ${uid}`);
    assert.equal(status.Gid, `${gid} ${gid} ${gid} ${gid}`);
    assert.equal(status.Groups, '');
    assert.equal(status.NoNewPrivs, '1');
    for (const set of ['CapEff', 'CapPrm', 'CapInh', 'CapAmb']) assert.match(status[set], /^0+$/);
  }
};

const chats = async (server) => {
  for (const tls of [false, true]) {
    const chat = await Chat.connect(server, { tls });
    const room = freshRoom();
    await chat.join(room);
    await chat.send(room, 'hello');
    assert.equal((await chat.next('message')).text, 'hello');
    await chat.close();
  }
};

/** A port below 1024 that nobody listens on. */
async function lowPort() {
  for (let port = 1023; port > 600; port -= 1) {
    const probe = createServer();
    const free = await new Promise((done) => {
      probe.on('error', () => done(false));
      probe.listen(port, '127.0.0.1', () => done(true));
    });
    await new Promise((done) => { probe.close(done); });
    if (free) return port;
  }
  throw new Error('no free port below 1024');
}

const fails = async (settings, line) => {
  const { code, stdout, stderr } = await run(serveArgs({ listen: [], listen_plain: '127.0.0.1:0', ...settings }));
  assert.equal(code, 2, stderr);
  assert.equal(stdout, '');
  assert.match(stderr, line);
  assert.match(stderr, /^ringroom: [^\n]+\n$/);
};

describe('the process:', { concurrency: 4 }, () => {
test('no core dumps, nothing to be seen by others of the same user, no new privileges', () => withServer({ 'debug.core_dumps': false }, async (server) => {
  const limits = readFileSync(`/proc/${server.pid}/limits`, 'utf8');
  assert.match(limits, /^Max core file size +0 +0 /m);
  assert.equal(statSync(`/proc/${server.pid}/mem`).uid, 0, 'not dumpable: /proc/PID is root\'s');
  for (const status of threads(server.pid)) assert.equal(status.NoNewPrivs, '1');
}));

test('debug.core_dumps brings them back', () => withServer({ 'debug.core_dumps': true }, (server) => {
  const limits = readFileSync(`/proc/${server.pid}/limits`, 'utf8');
  const [, soft, hard] = /^Max core file size +(\S+) +(\S+)/m.exec(limits);
  assert.equal(soft, hard);
  assert.equal(statSync(`/proc/${server.pid}/mem`).uid, process.getuid());
}));

test('started as root with a user it becomes that user, in every thread, and serves', asRoot, async () => {
  const port = await lowPort();
  assert.equal(statSync(certificate().key).mode & 0o777, 0o600, 'a key that only root can read');
  await withServer({ user: 'nobody', listen_plain: `127.0.0.1:${port}` }, async (server) => {
    assertIs(server, NOBODY);
    assert.equal(statSync(`/proc/${server.pid}/mem`).uid, 0, 'still not dumpable');
    assert.match(readFileSync(`/proc/${server.pid}/limits`, 'utf8'), /^Max core file size +0 +0 /m);
    await chats(server);
    assert.doesNotMatch(server.log, /running as root/);
  });
});

test('by numbers too, of no user that the machine knows', asRoot, () => withServer({ user: 54321, group: '54322' }, async (server) => {
  assertIs(server, { uid: 54321, gid: 54322 });
  await chats(server);
}));

test('as another user, core dumps come back where they are wanted', asRoot, () => withServer({ user: 'nobody', 'debug.core_dumps': true }, (server) => {
  assert.equal(statSync(`/proc/${server.pid}/mem`).uid, NOBODY.uid);
}));

test('its memory can be searched by root all the same', asRoot, () => withServer({ user: 'nobody' }, async (server) => {
  const chat = await Chat.connect(server);
  const [room, mark] = [freshRoom(), `marker${process.pid}${Date.now()}`];
  await chat.join(room);
  await chat.send(room, mark);
  assert.ok(findInMemory(server.pid, [mark]).length > 0);
  await chat.close();
}));

test('root without a user is warned about', asRoot, () => withServer({}, async (server) => {
  await until(() => server.log.includes('running as root'), 'the warning');
  assert.equal(server.log.match(/running as root/g).length, 1);
}));

test('a user or group that cannot be is a start error that names the key', async () => {
  await fails({ user: 'no-such-user' }, /user: no-such-user: there is no such user/);
  await fails({ user: 'nobody', group: 'no-such-group' }, /group: no-such-group: there is no such group/);
  await fails({ user: 'root' }, /user: root: must not be root/);
  await fails({ user: 0 }, /user: 0: must not be root/);
  await fails({ user: 'nobody', group: 'root' }, /group: root: must not be root/);
  await fails({ user: 54321 }, /user: 54321: has no group .*set `group` too/);
  await fails({ group: 'nogroup' }, /group: nogroup: needs `user`/);
  await fails({ user: 'a b' }, /user: "a b" .*must be a name or a number/);
  if (!ROOT) await fails({ user: 54321, group: 54322 }, /user: only root can become somebody else/);
});

test('check says so as well', async () => {
  const { code, stderr } = await run(['check', '--set', 'listen=[]', '--set', 'listen_plain=127.0.0.1:0', '--set', 'user=no-such-user']);
  assert.equal(code, 2);
  assert.match(stderr, /^ringroom: user: no-such-user: there is no such user on this machine\n$/);
});
});
