/* Half-made sessions, abandoned polls, broken upgrades: they leave memory and files where they were. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientFrame, Raw, upgradeRequest } from '../lib/raw.mjs';
import { Polling, POLLING, withSessions } from '../lib/engineio.mjs';
import { everyWay, last } from '../lib/server.mjs';
import { amount, patiently, seeded, sleep, until } from '../lib/wait.mjs';

const WAYS = [{ shards: 1, tls: false }, { shards: 4, tls: false }, { shards: 2, tls: true }];
const GROWN_MAX = 24 << 20; // a sanitizer's quarantine, and the allocator's own; a hundred thousand leaks are more
const settings = { 'limits.recoverable': 1000, 'limits.ping_interval': 1, 'limits.idle_timeout': 2, 'limits.handshake_timeout': 2, 'log.level': 'error' };
const LIFE_MS = 4000; // of a session that says nothing, with time to spare

everyWay(last(WAYS), settings, (at) => {
  /** The same in small before, so that what is kept for good is there already. */
  const leavesNothing = (name, n, use) => test(name, async () => {
    const random = seeded();
    await use(Math.ceil(n / 5), random);
    await sleep(LIFE_MS);
    const [rss, fds] = [at.server.rss(), at.server.fds()];
    await use(n, random);
    await until(() => at.server.fds() <= fds, () => `${at.server.fds() - fds} files are left (SEED=${random.seed})`);
    await until(() => at.server.rss() < rss + GROWN_MAX, () => `the server has grown by ${(at.server.rss() - rss) >> 20} MiB (SEED=${random.seed})`);
    await withSessions(at, async ({ polling }) => (await polling()).connect());
  });

  /** Several workers share the numbers up to n. A session may end before its turn comes, on a busy machine. */
  const share = (n, workers, work) => {
    let next = 0;
    return Promise.all(Array.from({ length: workers }, async () => { while (next++ < n) await patiently(work); }));
  };

  const BATCH = 50;
  leavesNothing('sessions that nobody comes back for', amount(100_000, 4000), async (n) => {
    await Promise.all([0, 1, 2, 3].map(async () => {
      const socket = await Raw.connect(at.server, { tls: at.tls });
      for (let made = 0; made < n / 4; made += BATCH) {
        socket.write(`GET /socket.io/?${POLLING} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`.repeat(BATCH));
        for (let i = 0; i < BATCH; i++) assert.equal((await socket.answer()).status, 200);
      }
      socket.destroy();
    }));
  });

  leavesNothing('sessions that joined, by polling, and went silent', amount(5000, 300), (n) => share(n, 8, async () => {
    const session = await Polling.open(at);
    await session.say('40', '42["join",{"room":"leaks"}]', '451-["message",{"_placeholder":true,"num":0}]');
  }));

  leavesNothing('polls and posts given up in the middle', amount(10_000, 400), (n, random) => share(n, 8, async () => {
    const session = await Polling.open(at);
    const socket = await Raw.connect(at.server, { tls: at.tls });
    const head = `${random.below(2) ? 'GET' : 'POST'} /socket.io/?${session.query} HTTP/1.1\r\nHost: 127.0.0.1\r\n`;
    socket.write(head.startsWith('GET') ? `${head}\r\n` : `${head}Content-Length: 1000\r\n\r\n40`);
    await sleep(random.below(4));
    socket.destroy();
  }));

  leavesNothing('upgrades broken at every stage', amount(5000, 300), (n, random) => share(n, 8, async () => {
    const session = await Polling.open(at);
    if (random.below(2)) await session.say('40', '42["join",{"room":"leaks"}]');
    const socket = await Raw.connect(at.server, { tls: at.tls });
    const stage = random.below(5);
    socket.write(upgradeRequest(`/socket.io/?EIO=4&transport=websocket&sid=${session.sid}`));
    if (stage > 0) await socket.answer({ headOnly: true });
    if (stage > 1) socket.write(clientFrame(1, '2probe'));
    if (stage > 2) await socket.frame();
    if (stage > 3) socket.write(clientFrame(1, '5'));
    if (stage > 3 && random.below(2)) socket.write(clientFrame(1, '42["message",{"room":"leaks","message":"x"}]'));
    if (random.below(2)) await sleep(random.below(4));
    socket.destroy();
  }));

  leavesNothing('sessions that break off and are remembered, up to limits.recoverable', amount(20_000, 800), (n) => share(n, 8, async () => {
    const socket = await Raw.connect(at.server, { tls: at.tls });
    await socket.upgrade('/socket.io/?EIO=4&transport=websocket');
    await socket.frame();
    socket.write(Buffer.concat([clientFrame(1, '40'), clientFrame(1, '42["join",{"room":"leaks"}]')]));
    await socket.frame();
    socket.destroy();
  }));
});

everyWay([{ shards: 2, tls: false }], { ...settings, 'limits.recoverable': 100 }, (at) => {
  test('of those that break off only so many are remembered, the newest', () => withSessions(at, async ({ websocket }) => {
    const pids = [];
    for (let i = 0; i < 300; i++) {
      const socket = await websocket();
      pids.push((await socket.connect()).pid);
      socket.cut();
    }
    let recovered = 0;
    for (const pid of pids) {
      const socket = await websocket();
      if ((await socket.connect({ pid })).pid === pid) recovered++;
      socket.say('41'); // for good
      socket.cut();
    }
    assert.ok(recovered > 20 && recovered <= 130, `${recovered} of 300`);
  }));
});
