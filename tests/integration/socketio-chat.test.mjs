/* The chat's events on Socket.IO: refusals, limits, namespaces, bytes, and what closes a connection. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshRoom, numbers } from '../lib/client.mjs';
import { withSessions } from '../lib/engineio.mjs';
import { everyWay, fewer, WAYS, withServer } from '../lib/server.mjs';
import { TRANSPORTS, Page, withPages } from '../lib/socketio.mjs';
import { sleep, until } from '../lib/wait.mjs';

const BAD = [
  ['join', {}], ['join', { room: '' }], ['join', { room: 7 }], ['join', { room: null }], ['join', { room: 'x'.repeat(129) }], ['join', { room: 'a\u0000b' }], ['join', null], ['join', 7], ['join', []], ['join'],
  ['leave', {}], ['leave', { room: '' }], ['leave', 7],
  ['message', {}], ['message', { room: 'x' }], ['message', { message: 'x' }], ['message', { room: '', message: 'x' }], ['message', 'words'], ['message', null], ['message'],
];

everyWay(fewer(WAYS), {}, (at) => {
  const pages = (name, use) => test(name, () => withPages(at, use));

  pages('bad events are refused in the acknowledgement, and the connection stays', async (open) => {
    const page = await open(TRANSPORTS['WebSocket only']);
    for (const [event, ...args] of BAD) await page.refused('bad_request', event, ...args);
    await page.join(freshRoom());
    assert.deepEqual(page.disconnects, []);
  });

  pages('who asks for no acknowledgement is told by the event `error`', async (open) => {
    const page = await open(TRANSPORTS['WebSocket only']);
    for (const [event, ...args] of BAD) page.socket.emit(event, ...args);
    await until(() => page.of('error').length === BAD.length, () => `${page.of('error').length} errors`);
    page.of('error').forEach(({ event, code, message }, i) => {
      assert.deepEqual([event, code], [BAD[i][0], 'bad_request']);
      assert.equal(typeof message, 'string');
    });
  });

  pages('talking and leaving need membership', async (open) => {
    const page = await open();
    const room = freshRoom();
    await page.refused('not_joined', 'message', { room, message: 'x' });
    await page.refused('not_joined', 'leave', { room });
    await page.join(room);
    await page.say(room, 'x');
  });

  pages('a second join brings the history again, and nobody twice', async (open) => {
    const [ada, ben] = [await open(TRANSPORTS['WebSocket only']), await open(TRANSPORTS['WebSocket only'])];
    const room = freshRoom();
    for (const page of [ada, ben]) await page.join(room);
    await ada.say(room, 'one');
    await ben.heard(room, 1);
    assert.deepEqual(await ben.ask('join', { room }), { ok: true });
    await ada.say(room, 'two');
    await ben.heard(room, 2);
    assert.deepEqual(ben.messages(room).map(({ seq }) => seq), [1, 2]);
  });

  pages('events that nobody listens to do no harm', async (open) => {
    const page = await open();
    page.socket.emit('nonsense', 1, { two: [3] });
    page.socket.emit('', 'x');
    page.socket.emit('typing', { room: 'nowhere' });
    await page.join(freshRoom());
    assert.deepEqual(page.disconnects, []);
  });

  pages('rooms and names of any characters', async (open) => {
    const page = await open();
    for (const room of [freshRoom('\u{1f600} "x" \\ /'), freshRoom('r\u00e4ume'), 'x'.repeat(100) + freshRoom()]) {
      await page.join(room);
      await page.say(room, '"\\\u2028\u{1f600}\u0000\n', { name: 'Z\u00f6e "the" \\ \u{1f600}' });
      const [{ username, message }] = await page.heard(room, 1);
      assert.deepEqual([username, message], ['Z\u00f6e "the" \\ \u{1f600}', '"\\\u2028\u{1f600}\u0000\n']);
    }
  });

  pages('a message is any JSON value, and comes back as it was', async (open) => {
    const page = await open();
    const room = freshRoom();
    await page.join(room);
    const values = ['', 'x', 0, -1.5, 1e300, true, false, null, [], {}, [[1], { a: { b: [null] } }], { text: 'x', data: 1, room: 'other' }];
    for (const value of values) await page.say(room, value);
    assert.deepEqual((await page.heard(room, values.length)).map(({ message }) => message), values);
    assert.deepEqual((await (await open()).join(room)).chatHistory.map(({ message }) => message), values);
  });

  pages('the same cid is stored once, and its acknowledgement says so', async (open) => {
    const page = await open();
    const room = freshRoom();
    await page.join(room);
    const first = await page.say(room, 'x', { cid: 'one' });
    const second = await page.say(room, 'x', { cid: 'one' });
    assert.deepEqual(second, { ...first, dup: true });
    assert.equal((await page.say(room, 'y', { cid: 'two' })).seq, 2);
    assert.deepEqual((await page.heard(room, 2)).map(({ seq }) => seq), [1, 2]);
  });

  pages('bytes in a message are refused, by either transport, and what follows is in step', async (open) => {
    for (const transport of Object.values(TRANSPORTS)) {
      const page = await open(transport);
      const room = freshRoom();
      await page.join(room);
      await page.refused('bad_request', 'message', { room, message: Buffer.from([1, 2, 3]) });
      await page.refused('bad_request', 'message', { room, message: { deep: [Buffer.from('x'), Buffer.alloc(2000)] } });
      page.socket.emit('nonsense', Buffer.from('x'));
      await page.say(room, 'after');
      assert.equal((await page.heard(room, 1))[0].seq, 1);
    }
  });

  pages('only the main namespace is there', async (open, opened) => {
    const main = await open();
    for (const nsp of ['/admin', '/chat', '/custom']) {
      for (const options of [{}, TRANSPORTS['WebSocket only']]) {
        const page = new Page(at, { nsp, ...options });
        opened.push(page);
        await until(() => page.troubles.length, 'the refusal');
        assert.equal(page.troubles[0].message, 'Invalid namespace');
        assert.equal(page.socket.connected, false);
      }
    }
    const other = main.socket.io.socket('/other'); // over the same connection
    const refused = await new Promise((done) => { other.on('connect_error', done); });
    assert.equal(refused.message, 'Invalid namespace');
    await main.join(freshRoom());
  });

  pages('what is given at connect does no harm', async (open) => {
    for (const auth of [{ token: 'x' }, { deep: { list: [1, null] } }, { pid: null }, (done) => done({ late: true })]) {
      const page = await open({ ...TRANSPORTS['WebSocket only'], auth });
      await page.join(freshRoom());
    }
  });

  pages('disconnect and connect: a new socket, in no room', async (open) => {
    const page = await open();
    const room = freshRoom();
    await page.join(room);
    const { id } = page.socket;
    page.socket.disconnect();
    page.socket.connect();
    await page.connected(2);
    assert.notEqual(page.socket.id, id);
    await page.refused('not_joined', 'message', { room, message: 'x' });
  });

  for (const transport of ['polling', 'websocket']) {
    const sessions = (name, use) => test(`${name}: ${transport}`, () => withSessions(at, (by) => use(() => by[transport]())));

    sessions('CONNECT gives the socket\'s id, and what to come back with', async (open) => {
      const session = await open();
      const { sid, pid, ...more } = await session.connect();
      assert.match(sid, /^[\w-]{10,64}$/);
      assert.match(pid, /^[\w-]{20,64}$/);
      assert.deepEqual(more, {});
      assert.equal(new Set([sid, pid, session.sid]).size, 3);
    });

    sessions('each message brings the position that a client comes back with as its last argument', async (open) => {
      const session = await open();
      const room = freshRoom();
      await session.connect();
      await session.say(`42["join",{"room":"${room}"}]`);
      const joined = await session.event('joined');
      assert.equal(joined.length, 3);
      assert.equal(typeof joined[2], 'string');
      const seen = new Set([joined[2]]);
      for (let i = 0; i < 3; i++) {
        await session.say(`42["message",{"room":"${room}","message":"x"}]`);
        const event = await session.event('message');
        assert.equal(event.length, 3);
        seen.add(event[2]);
      }
      assert.equal(seen.size, 4);
    });

    sessions('packets that break the rules close the connection', async (open) => {
      const closing = [
        ['4'], ['4x'], ['47'], ['42{'], ['42{}'], ['42[]'], ['42[{}]'], ['42["connect"]'], ['42["disconnecting"]'], ['42["join",{"room":"a"}'], ['40'], ['44{"message":"x"}'],
        ['45["message"]'], ['45x-["message"]'], ['4599999-["message"]'], ['451-["message",{"_placeholder":true,"num":0}]', '42["join",{"room":"a"}]'], ['42/other,["x"]'], ['41{}'], ['43{}'],
      ];
      for (const packets of closing) {
        const session = await open();
        await session.connect();
        if (transport === 'polling') {
          await session.post(...packets).catch(() => {}); // answered, or cut
          await until(async () => { // what is left is taken first
            const { status, text } = await session.get();
            return status === 400 || text.endsWith('1');
          }, `the end after ${packets}`);
        } else {
          session.say(...packets);
          await session.gone();
        }
      }
    });

    sessions('an event before CONNECT closes the connection', async (open) => {
      const session = await open();
      if (transport === 'polling') {
        await session.post('42["join",{"room":"a"}]').catch(() => {});
        await until(async () => { const { status, text } = await session.get(); return status === 400 || text.endsWith('1'); }, 'the end');
      } else {
        session.say('42["join",{"room":"a"}]');
        await session.gone();
      }
    });
  }
});

for (const [name, transport] of Object.entries(TRANSPORTS)) {
  test(`too fast is refused with the time to wait, and after ten refusals the connection ends: ${name}`, () => withServer({ 'limits.messages_per_second': 1, 'limits.burst': 3 }, (server) => withPages({ server, tls: true }, async (open) => {
    const page = await open({ ...transport, reconnection: false });
    const room = freshRoom();
    await page.join(room);
    for (let i = 0; i < 3; i++) await page.say(room, i);
    const { retry_ms: wait } = await page.refused('rate_limited', 'message', { room, message: 'x' });
    assert.ok(wait > 0 && wait <= 1000, `${wait}`);
    await sleep(1100);
    await page.say(room, 'after a pause');
    for (let i = 0; i < 30; i++) page.socket.emit('message', { room, message: 'x' });
    await page.disconnected();
  })));
}

test('a page that reads too slowly is told what it missed', () => withServer({ shards: 2, 'retention.max_messages': 50, delivery_window: 65536, 'limits.max_message': 16384 }, (server) => withPages({ server, tls: false }, async (open) => {
  const room = freshRoom();
  const [ada, slow] = [await open(TRANSPORTS['WebSocket only']), await open(TRANSPORTS['WebSocket only'])];
  for (const page of [ada, slow]) await page.join(room);
  slow.socket.io.engine.transport.ws.pause();
  const n = 3000;
  for (let i = 0; i < n; i += 20) await Promise.all(numbers(1, 20).map(() => ada.say(room, 'x'.repeat(8000))));
  slow.socket.io.engine.transport.ws.resume();
  await until(() => slow.messages(room).at(-1)?.seq === n, 'the newest');
  let next = 1;
  for (const [event, argument] of slow.events) {
    if (event === 'message') assert.equal(JSON.parse(argument.chatMessage).seq, next++);
    if (event !== 'gap') continue;
    assert.deepEqual([argument.room, argument.from, typeof argument.epoch], [room, next, 'string']);
    next = argument.to + 1;
  }
  assert.equal(next, n + 1);
  assert.ok(slow.of('gap').length > 0);
})));
