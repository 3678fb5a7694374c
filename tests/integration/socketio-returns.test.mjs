/* Coming back again and again: what was recovered once counts as had. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshRoom, numbers } from '../lib/client.mjs';
import { withProxy } from '../lib/proxy.mjs';
import { everyWay } from '../lib/server.mjs';
import { TRANSPORTS, withPages } from '../lib/socketio.mjs';

const seqs = (page, room) => page.messages(room).map(({ seq }) => seq);

everyWay([{ shards: 1, tls: false }, { shards: 4, tls: false }], {}, (at) => {
  /** Ada, over a network that can break, in two rooms with five messages each; Ben says them. */
  const pair = (transport, use) => withProxy(at, (proxy) => withPages(at, async (open) => {
    const rooms = [freshRoom(), freshRoom()];
    const ben = await open(TRANSPORTS['WebSocket only']);
    const ada = await open({ url: proxy.url, ...transport });
    if (!transport.transports) await ada.upgraded();
    for (const room of rooms) {
      await ben.join(room);
      await ada.join(room);
      for (let i = 0; i < 5; i++) await ben.say(room, i);
      await ada.heard(room, 5);
    }
    const comeBack = async (during = () => {}) => {
      const { length } = ada.connects;
      proxy.break();
      await ada.disconnected(length);
      await during();
      proxy.mend();
      await ada.connected(length + 1);
      assert.equal(ada.connects.at(-1).recovered, true, `return ${length}`);
    };
    return use({ proxy, ada, ben, rooms, comeBack });
  }));

  for (const [name, transport] of Object.entries(TRANSPORTS)) {
    test(`twice with nothing new in between: ${name}`, () => pair(transport, async ({ ada, ben, rooms, comeBack }) => {
      for (let i = 0; i < 3; i++) await comeBack();
      for (const room of rooms) {
        await ben.say(room, 'after');
        await ada.heard(room, 6);
        assert.deepEqual(seqs(ada, room), numbers(1, 6));
      }
    }));

    test(`news in another room than before: ${name}`, () => pair(transport, async ({ ada, ben, rooms, comeBack }) => {
      await comeBack(() => ben.say(rooms[0], 'missed'));
      await ada.heard(rooms[0], 6);
      await ben.say(rooms[1], 'live');
      await ada.heard(rooms[1], 6);
      await comeBack(() => ben.say(rooms[0], 'missed again'));
      for (const [i, room] of rooms.entries()) {
        await ben.say(room, 'after');
        await ada.heard(room, 8 - i);
        assert.deepEqual(seqs(ada, room), numbers(1, 8 - i));
      }
    }));
  }
});
