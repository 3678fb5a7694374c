/* Connections cut at random points come back with `since`, miss nothing and get nothing twice. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chat, freshRoom, withClients } from '../lib/client.mjs';
import { everyWay, last } from '../lib/server.mjs';
import { amount, seeded, sleep, until } from '../lib/wait.mjs';

const WAYS = [{ shards: 1, tls: true }, { shards: 4, tls: false }, { shards: 4, tls: true }];
const MESSAGES = amount(6000, 1500);
const COMERS = 6;

/** Reads a room, and is cut off again and again until `over()` and all has come. */
async function unsteady(at, room, random, over) {
  let epoch, covered = 0, cuts = 0;
  while (!over() || covered < over()) {
    const chat = await Chat.connect(at.server, { tls: at.tls });
    try {
      const joined = await chat.join(room, epoch ? { since: { epoch, seq: covered } } : {});
      if (epoch) {
        assert.equal(joined.recovered, true, `since ${covered} of ${joined.seq}`);
        assert.equal(joined.epoch, epoch);
      }
      epoch = joined.epoch;
      assert.equal(joined.first, covered + 1);
      const stopAt = covered + 1 + random.below(MESSAGES / 10);
      let trouble = null;
      chat.listen((event) => {
        if (event.ev === 'gap') trouble ??= new Error(`a gap ${event.from}…${event.to}`);
        if (event.ev !== 'message') return;
        if (event.seq !== covered + 1) trouble ??= new Error(`number ${event.seq} after ${covered}`);
        covered = event.seq;
        if (covered === stopAt) chat.ws._socket.destroy();
      });
      const pause = random.below(3) ? 0 : random.below(30);
      if (pause) {
        await sleep(pause);
        chat.ws._socket.destroy();
      }
      await until(() => trouble || chat.closedWith || (over() && covered >= over()), () => `the end of a visit at ${covered}`);
      assert.equal(trouble, null);
    } finally {
      chat.cut();
      cuts++;
      await chat.gone();
    }
  }
  return { covered, cuts };
}

everyWay(last(WAYS), {}, (at) => {
  test('readers cut at random points miss nothing, twice nothing', () => withClients(at, async (connect) => {
    const random = seeded();
    const room = freshRoom();
    const sender = await connect();
    await sender.join(room);
    sender.listen(() => {});
    let total = 0;
    const readers = Array.from({ length: COMERS }, () => unsteady(at, room, random, () => total));
    const sending = (async () => {
      for (let i = 0; i < MESSAGES;) {
        const burst = Math.min(1 + random.below(60), MESSAGES - i);
        await Promise.all(Array.from({ length: burst }, () => sender.send(room, `message ${++i}`)));
        if (!random.below(4)) await sleep(random.below(10));
      }
      total = MESSAGES;
    })();
    const seen = await Promise.all([...readers, sending]).catch((error) => {
      total = 1;
      error.message += ` (SEED=${random.seed})`;
      throw error;
    });
    for (const reader of seen.slice(0, COMERS)) {
      assert.equal(reader.covered, MESSAGES);
      assert.ok(reader.cuts > 1);
    }
    await until(async () => (await sender.members(room)).count === 1, 'the cut ones have left');
  }));

  test('a sender cut in the middle sends again with the same cids, and all is stored once, in order', () => withClients(at, async (connect) => {
    const random = seeded();
    const room = freshRoom();
    const watcher = await connect();
    await watcher.join(room);
    const texts = [];
    const n = amount(1000, 300);
    /* In open mode each connection is a user of its own: what was sent in vain is seen by what came back. */
    let next = 0;
    while (next < n) {
      const sender = await Chat.connect(at.server, { tls: at.tls });
      await sender.join(room);
      const burst = Math.min(n - next, 1 + random.below(50));
      const acks = [];
      for (let i = 0; i < burst; i++) {
        const asked = sender.send(room, `t${next + i}`, { cid: `c${i}` });
        const again = sender.send(room, `t${next + i}`, { cid: `c${i}` });
        acks.push(Promise.all([asked, again]).then(([first, second]) => {
          assert.equal(second.dup, true);
          assert.equal(second.seq, first.seq);
        }));
      }
      await Promise.all(acks);
      for (let i = 0; i < burst; i++) texts.push(`t${next + i}`);
      next += burst;
      sender.cut();
      await sender.gone();
    }
    assert.deepEqual((await watcher.messages(room, n)).map(({ text }) => text), texts);
  }));
});
