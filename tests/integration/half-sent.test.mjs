/* A frame longer than a record, sent in part to a member who stalls, and then expired: it can't be
 * completed, and whoever says goodbye in that state, in several rooms, harms nobody else. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chat } from '../lib/client.mjs';
import { clientFrame, closePayload, Raw } from '../lib/raw.mjs';
import { withServer } from '../lib/server.mjs';
import { sleep } from '../lib/wait.mjs';

const ROOMS = ['a', 'b', 'c', 'd'];
/* Long enough for the sender to read each of its own messages in time, on a loaded machine too: whose
 * frame expires half-sent is cut off, and the sender must not be. */
const TTL_S = 4;
const settings = { 'retention.ttl': TTL_S, 'retention.ttl_from': 'message', 'limits.max_message': 1 << 20, 'retention.max_bytes': 64 << 20 };

async function stalledMember(server) {
  const raw = await Raw.connect(server, { tls: false });
  await raw.upgrade('/ws');
  for (const room of ROOMS) raw.write(clientFrame(1, JSON.stringify({ op: 'join', room })));
  await sleep(300);
  raw.socket.pause();
  return raw;
}

for (const shards of [1, 2]) {
  for (const [how, frame] of [['closes', clientFrame(8, closePayload(1000))], ['sends what is not spoken', clientFrame(2, 'x')]]) {
    test(`a member with a half-sent frame that has expired ${how}: ${shards} shards`, () => withServer({ shards, ...settings }, async (server) => {
      const stalled = await Promise.all(ROOMS.map(() => stalledMember(server)));
      const chat = await Chat.connect(server, { tls: false });
      for (const room of ROOMS) await chat.join(room);
      chat.listen(() => {});
      for (let i = 0; i < 4; i++) for (const room of ROOMS) await chat.send(room, 'x'.repeat(900000));
      await sleep(TTL_S * 1000 + 1500);
      for (const raw of stalled) raw.write(frame);
      await sleep(500);
      for (let i = 0; i < 8; i++) {
        const other = await Chat.connect(server, { tls: false });
        assert.equal((await other.join(`new-${i}`)).seq, 0);
        other.cut();
      }
      for (const raw of stalled) raw.socket.destroy();
    }));
  }
}
