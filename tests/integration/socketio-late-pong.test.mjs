/* A pong tells what has arrived: all that was sent before its ping, and nothing else. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chat, freshRoom } from '../lib/client.mjs';
import { withSessions } from '../lib/engineio.mjs';
import { withServer } from '../lib/server.mjs';
import { sleep } from '../lib/wait.mjs';

for (const shards of [1, 4]) {
  test(`one that answers a ping from before the upgrade confirms nothing that came after it: ${shards} shards`, () => withServer({ shards, 'limits.ping_interval': 1, 'limits.idle_timeout': 20 }, (server) => withSessions({ server, tls: false }, async ({ polling, websocket }) => {
    const room = freshRoom();
    const ben = await Chat.connect(server, { tls: false });
    await ben.join(room);
    ben.listen(() => {});

    const session = await polling();
    const { sid, pid } = await session.connect();
    await session.say(`42["join",{"room":"${room}"}]`);
    const joined = await session.event('joined');
    const offset = joined.at(-1);
    while (!(await session.poll()).includes('2')); // a ping, not answered yet

    const socket = await websocket({ sid: session.sid });
    socket.say('2probe');
    assert.equal(await socket.next({ pings: true }), '3probe');
    socket.say('5');
    await ben.send(room, 'on its way when the network breaks');
    while (!(await socket.next({ pings: true })).startsWith('42["message"')); // the server has sent it
    await sleep(2500); // more than a ping's time
    socket.say('3');
    await sleep(300);
    socket.cut();

    const again = await websocket();
    const back = await again.connect({ pid, offset });
    assert.deepEqual([back.sid, back.pid], [sid, pid]);
    const [, { chatMessage }] = await again.event('message');
    assert.equal(JSON.parse(chatMessage).seq, 1);
    ben.cut();
  })));
}
