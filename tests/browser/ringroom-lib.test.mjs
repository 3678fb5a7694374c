/* The client library against a WebSocket that the test plays itself: no server, no waiting. */

import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { Ringroom } from '../../web/ringroom.js';

/** The newest socket is `sockets.at(-1)`; the test speaks as the server through it. */
const sockets = [];

class FakeSocket {
  sent = [];
  closed = false;

  constructor(url, protocols) {
    Object.assign(this, { url, protocols });
    sockets.push(this);
  }

  send(text) { this.sent.push(JSON.parse(text)); }
  close() { this.closed = true; }

  say(event) { this.onmessage?.({ data: JSON.stringify(event) }); }
  drop(code = 1006, reason = '') { this.onclose?.({ code, reason }); }

  hello(uid = 'me', more = {}) {
    this.say({ ev: 'hello', sid: 's', uid, server: 'ringroom', version: '1', ping_ms: 20_000, max_message: 500, ...more });
  }

  /** The newest request of that kind. */
  asked(op) { return this.sent.findLast((request) => request.op === op); }
  count(op) { return this.sent.filter((request) => request.op === op).length; }

  /** Answers the newest join. */
  joined(first, seq, more = {}) {
    const { id, room } = this.asked('join');
    const retention = { ttl: 60, ttl_from: 'last_message', max_messages: 10, max_bytes: 1000 };
    this.say({ ev: 'joined', re: id, room, epoch: 'e1', first, seq, members: 1, recovered: false, retention, ...more });
  }

  message(seq, text, more = {}) {
    this.say({ ev: 'message', room: 'r', seq, ts: 1000 + seq, from: 'Ada', uid: 'ada', text, ...more });
  }

  ack(request, seq, more = {}) {
    this.say({ ev: 'ack', re: request.id, room: request.room, seq, ts: 1000 + seq, ...more });
  }

  refuse(request, code, more = {}) {
    this.say({ ev: 'error', re: request.id, code, message: `no: ${code}`, ...more });
  }
}

const socket = () => sockets.at(-1);
/** Lets time go by. In steps: the mock shows all timers of one tick the same, latest moment. */
function pass(ms) {
  for (let left = ms; left > 0; left -= 250) mock.timers.tick(Math.min(left, 250));
}
/** Lets time go by until the client tries to connect again. */
async function untilNextTry() {
  const tries = sockets.length;
  for (let i = 0; i < 400 && sockets.length === tries; i++) {
    mock.timers.tick(250);
    await settle();
  }
}
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A client, and all that it emits as [event, detail]. */
async function client(options = {}) {
  const chat = new Ringroom('https://chat.example/ws', { WebSocket: FakeSocket, ...options });
  const events = [];
  for (const event of ['state', 'hello', 'joined', 'message', 'member', 'typing', 'deleted', 'gap', 'closed', 'expiring', 'error']) {
    chat.on(event, (detail) => events.push([event, detail]));
  }
  const of = (event) => events.filter(([name]) => name === event).map(([, detail]) => detail);
  await settle();
  return { chat, of };
}

/** A client in room `r`, whose history is 1 and 2. */
async function member(options) {
  const { chat, of } = await client(options);
  const join = chat.join('r', { name: 'Me' });
  socket().hello();
  socket().joined(1, 2);
  socket().message(1, 'one');
  socket().message(2, 'two');
  await join;
  return { chat, of };
}

/** Breaks the connection and greets the next one. */
async function comeBack(uid = 'me2') {
  socket().drop();
  await untilNextTry();
  socket().hello(uid);
}

beforeEach(() => {
  mock.restoreAll();
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1_000_000 });
  mock.method(Math, 'random', () => 1);
  sockets.length = 0;
});

test('a join asked for before the connection is open is made once it is', async () => {
  const { chat } = await client();
  const join = chat.join('r', { name: 'Me', history: 5 });
  assert.equal(socket().url, 'wss://chat.example/ws');
  assert.deepEqual(socket().protocols, ['ringroom.v1']);
  assert.deepEqual(socket().sent, []);
  socket().hello();
  assert.equal(chat.state, 'open');
  const { id, ...rest } = socket().asked('join');
  assert.deepEqual(rest, { op: 'join', room: 'r', name: 'Me', history: 5 });
  socket().joined(1, 0);
  assert.equal((await join).again, false);
});

test('a connection that comes back, and a client that is given a session, is the same user', async () => {
  await member();
  await comeBack();
  assert.equal(socket().url, 'wss://chat.example/ws?session=s');
  await client({ session: 'earlier' });
  assert.equal(socket().url, 'wss://chat.example/ws?session=earlier');
});

test('a room joined by a listener of the opening is joined once', async () => {
  const { chat } = await client();
  chat.on('hello', () => chat.join('r'));
  socket().hello();
  assert.equal(socket().count('join'), 1);
});

test('a refused join is told to the caller', async () => {
  const { chat } = await client();
  const join = chat.join('r');
  socket().hello();
  socket().refuse(socket().asked('join'), 'forbidden');
  await assert.rejects(join, { name: 'RingroomError', code: 'forbidden' });
});

test('messages up to the join are history, and one\'s own are known', async () => {
  const { of } = await member();
  socket().message(3, 'three', { uid: 'me' });
  assert.deepEqual(of('message').map((m) => [m.seq, m.history, m.own, m.epoch]),
    [[1, true, false, 'e1'], [2, true, false, 'e1'], [3, false, true, 'e1']]);
});

test('after a break it goes on from its position, and hands out nothing twice', async () => {
  const { of } = await member();
  await comeBack();
  assert.deepEqual(socket().asked('join').since, { epoch: 'e1', seq: 2 });
  socket().joined(3, 3, { recovered: true });
  socket().message(2, 'two');
  socket().message(3, 'three');
  socket().message(3, 'three');
  assert.deepEqual(of('message').map((m) => m.seq), [1, 2, 3]);
  assert.deepEqual(of('joined').map((j) => [j.again, j.anew]), [[false, false], [true, false]]);
  assert.equal(of('gap').length, 0);
});

test('waits double with full jitter, up to the bound, and begin anew after a stable connection', async () => {
  const { chat, of } = await client();
  for (let i = 0; i < 7; i++) {
    socket().drop();
    await untilNextTry();
  }
  assert.deepEqual(of('state').filter((s) => s.ms !== undefined).map((s) => s.ms), [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  socket().hello();
  pass(6000);
  Math.random.mock.mockImplementation(() => 0.25);
  socket().drop();
  assert.equal(of('state').at(-1).ms, 250);
  assert.equal(chat.state, 'waiting');
});

test('the server\'s time to come back is kept, whether or not it closes first', async () => {
  const { of } = await member();
  socket().say({ ev: 'reconnect', after_ms: 7000 });
  pass(3000);
  socket().drop(1012);
  assert.equal(of('state').at(-1).ms, 4000);
  pass(3999);
  assert.equal(sockets.length, 1);
  pass(1);
  assert.equal(sockets.length, 2);

  socket().hello();
  socket().say({ ev: 'reconnect', after_ms: 500 });
  pass(500);
  assert.equal(sockets[1].closed, true);
  mock.timers.tick(0);
  assert.equal(sockets.length, 3);
});

for (const code of [4001, 4003, 4010]) {
  test(`close code ${code} ends it: no coming back, and nothing left in doubt`, async () => {
    const { chat, of } = await member();
    const send = chat.send('r', 'hello');
    socket().drop(code, 'why');
    pass(600_000);
    assert.equal(sockets.length, 1);
    assert.deepEqual(of('state').at(-1), { state: 'closed', code, reason: 'why' });
    await assert.rejects(send, { code: 'closed' });
    await assert.rejects(chat.send('r', 'again'), { code: 'not_joined' });
  });
}

test('after being closed for flooding it waits longer', async () => {
  const { of } = await member();
  socket().drop(4009);
  assert.ok(of('state').at(-1).ms >= 5000);
});

test('a message is acknowledged with its number', async () => {
  const { chat } = await member();
  const send = chat.send('r', { text: 'hi', data: { a: 1 }, cid: 'c1' });
  const { id, ...rest } = socket().asked('send');
  assert.deepEqual(rest, { op: 'send', room: 'r', text: 'hi', data: { a: 1 }, cid: 'c1' });
  socket().ack({ id, room: 'r' }, 3);
  assert.deepEqual(await send, { seq: 3, ts: 1003, dup: false });
});

test('what the break left in doubt is looked for in the replay; only what is missing is sent again, in order', async () => {
  const { chat } = await member();
  const stored = chat.send('r', { text: 'stored', cid: 'c1' });
  const lost = chat.send('r', { text: 'lost', cid: 'c2' });
  await comeBack();
  const written = chat.send('r', { text: 'written meanwhile', cid: 'c3' });
  socket().joined(3, 4, { recovered: true });
  socket().message(3, 'stored', { uid: 'me', cid: 'c1' });
  assert.equal(socket().count('send'), 0, 'the replay is not over');
  socket().message(4, 'another', { uid: 'ada', cid: 'c2' }); // not ours, whatever its cid says
  assert.deepEqual(await stored, { seq: 3, ts: 1003, dup: true });
  assert.deepEqual(socket().sent.filter((r) => r.op === 'send').map((r) => r.cid), ['c2', 'c3']);
  const [second, third] = socket().sent.filter((r) => r.op === 'send');
  socket().ack(second, 5, { dup: true });
  socket().ack(third, 6);
  assert.deepEqual(await lost, { seq: 5, ts: 1005, dup: true });
  assert.equal((await written).dup, false);

  await comeBack('me3');
  socket().joined(5, 6, { recovered: true });
  socket().message(5, 'lost', { uid: 'me2', cid: 'c2' });
  socket().message(6, 'written meanwhile', { uid: 'me2', cid: 'c3' });
  assert.equal(socket().count('send'), 0, 'what was acknowledged is not sent again');
});

test('sending the same cid twice while it is under way sends it once', async () => {
  const { chat } = await member();
  const first = chat.send('r', { text: 'a', cid: 'c1' });
  assert.equal(chat.send('r', { text: 'a', cid: 'c1' }), first);
  assert.equal(socket().count('send'), 1);
});

test('a refused message is refused once, with the server\'s reason, and not sent again', async () => {
  const { chat } = await member();
  const send = chat.send('r', 'hi');
  socket().refuse(socket().asked('send'), 'rate_limited', { retry_ms: 250 });
  await assert.rejects(send, { code: 'rate_limited', retryMs: 250 });
  await comeBack();
  socket().joined(3, 2, { recovered: true });
  assert.equal(socket().count('send'), 0);
});

test('a message that the server would choke on is not sent', async () => {
  const { chat } = await member();
  assert.equal(chat.excess('r', { text: 'short' }), 0);
  assert.ok(chat.excess('r', { text: 'ä'.repeat(300) }) > 0, 'bytes count, not characters');
  await assert.rejects(chat.send('r', 'ä'.repeat(300)), { code: 'too_large' });
  assert.equal(socket().count('send'), 0);
});

test('a connection closed for a frame too large does not send that frame for ever', async () => {
  const { chat } = await member();
  const send = chat.send('r', 'hi');
  socket().drop(1009);
  await assert.rejects(send, { code: 'too_large' });
});

test('a gap is told once, with its bounds, and the stream goes on after it', async () => {
  const { of } = await member();
  socket().say({ ev: 'gap', room: 'r', epoch: 'e1', from: 3, to: 5 });
  socket().message(6, 'six');
  assert.deepEqual(of('gap'), [{ room: 'r', epoch: 'e1', from: 3, to: 5, count: 3 }]);

  await comeBack();
  assert.deepEqual(socket().asked('join').since, { epoch: 'e1', seq: 6 });
  socket().joined(9, 9);
  socket().say({ ev: 'gap', room: 'r', epoch: 'e1', from: 7, to: 8 });
  socket().message(9, 'nine');
  assert.deepEqual(of('gap').at(-1), { room: 'r', epoch: 'e1', from: 7, to: 8, count: 2 });
  assert.equal(of('gap').length, 2);
  assert.equal(of('message').at(-1).seq, 9);
});

test('a part of the history that was not asked for is no gap', async () => {
  const { chat, of } = await client();
  chat.join('r', { history: 1 });
  socket().hello();
  socket().joined(8, 8);
  socket().message(8, 'eight');
  assert.equal(of('gap').length, 0);
  await comeBack();
  assert.equal('history' in socket().asked('join'), false);
});

test('a room that began anew says so, starts from its first number, and gets what was not acknowledged', async () => {
  const { chat, of } = await member();
  chat.send('r', { text: 'hi', cid: 'c1' });
  await comeBack();
  socket().joined(1, 1, { epoch: 'e2' });
  assert.equal(of('joined').at(-1).anew, true);
  assert.equal(socket().count('send'), 0);
  socket().message(1, 'first of a new life');
  assert.equal(of('message').at(-1).epoch, 'e2');
  assert.equal(of('gap').length, 0);
  assert.equal(socket().asked('send').cid, 'c1');
});

test('a position that the server does not know is given up', async () => {
  const { chat, of } = await client();
  chat.join('r', { since: { epoch: 'e1', seq: 900 } });
  socket().hello();
  assert.deepEqual(socket().asked('join').since, { epoch: 'e1', seq: 900 });
  socket().refuse(socket().asked('join'), 'bad_request');
  assert.equal(socket().asked('join').since, undefined);
  socket().joined(1, 1);
  socket().message(1, 'one');
  assert.equal(of('message').length, 1);
});

test('a room that can not be joined again just now is tried again', async () => {
  const { of } = await member();
  await comeBack();
  socket().refuse(socket().asked('join'), 'unavailable', { retry_ms: 300 });
  pass(300);
  assert.equal(socket().count('join'), 2);
  socket().refuse(socket().asked('join'), 'forbidden');
  assert.deepEqual(of('closed'), [{ room: 'r', reason: 'forbidden' }]);
});

test('joining again changes the name and moves no position', async () => {
  const { chat, of } = await member();
  const join = chat.join('r', { name: 'Other' });
  assert.equal(socket().asked('join').name, 'Other');
  socket().joined(1, 5);
  await join;
  socket().message(3, 'three');
  assert.deepEqual(of('message').map((m) => [m.seq, m.history]), [[1, true], [2, true], [3, false]]);
  assert.equal(of('gap').length, 0);
});

test('a number told as deleted in a replay counts as read', async () => {
  const { chat, of } = await member();
  chat.send('r', { text: 'hi', cid: 'c1' });
  await comeBack();
  socket().joined(3, 3, { recovered: true });
  socket().say({ ev: 'deleted', room: 'r', seq: 3 });
  assert.deepEqual(of('deleted'), [{ ev: 'deleted', room: 'r', seq: 3 }]);
  assert.equal(socket().count('send'), 1, 'the replay is over');
  socket().message(4, 'four');
  assert.equal(of('gap').length, 0);
});

test('a silent connection is probed, and given up if it stays silent', async () => {
  const { chat, of } = await member();
  pass(20_000);
  assert.equal(socket().count('ping'), 0);
  pass(5_000);
  assert.equal(socket().count('ping'), 1);
  socket().say({ ev: 'pong', re: socket().asked('ping').id });
  pass(20_000);
  assert.equal(chat.state, 'open');
  pass(30_000);
  assert.equal(sockets[0].count('ping'), 2);
  assert.equal(of('state').find((s) => s.state === 'waiting')?.code, 1006);
  assert.equal(sockets[0].closed, true);
});

test('a server that never greets is given up', async () => {
  const { chat } = await client();
  pass(11_000);
  assert.equal(chat.state, 'waiting');
  assert.equal(sockets[0].closed, true);
});

test('typing is told at most every three seconds, and taken back', async () => {
  const { chat } = await member();
  for (let i = 0; i < 8; i++) {
    chat.typing('r');
    pass(500);
  }
  assert.deepEqual(socket().sent.filter((r) => r.op === 'typing').map((r) => r.on), [true, true]);
  pass(5000);
  assert.equal(socket().asked('typing').on, false);
  chat.typing('r');
  chat.send('r', 'done');
  assert.equal(socket().asked('typing').on, false);
  chat.send('r', 'more');
  assert.equal(socket().count('typing'), 5, 'nothing to take back');
});

test('a closed room is left, and what waits for it is refused', async () => {
  const { chat, of } = await member();
  const send = chat.send('r', 'hi');
  socket().say({ ev: 'closed', room: 'r', reason: 'kicked' });
  await assert.rejects(send, { code: 'closed' });
  assert.equal(of('closed')[0].reason, 'kicked');
  await comeBack();
  assert.equal(socket().count('join'), 0);
});

test('other requests are answered, or refused when the connection breaks', async () => {
  const { chat } = await member();
  const members = chat.members('r');
  socket().say({ ev: 'members', re: socket().asked('members').id, room: 'r', count: 1, members: [] });
  assert.equal((await members).count, 1);
  const history = chat.history('r', { before: 5 });
  assert.equal(socket().asked('history').before, 5);
  socket().drop();
  await assert.rejects(history, { code: 'disconnected' });
  await assert.rejects(chat.members('r'), { code: 'disconnected' });
});

test('a token is asked for anew for every connection, and before it expires', async () => {
  let n = 0;
  await client({ token: async () => `t${++n}` });
  assert.deepEqual(socket().protocols, ['ringroom.v1', 'bearer.t1']);
  socket().hello();
  socket().say({ ev: 'expiring', in_ms: 30_000 });
  await settle();
  assert.equal(socket().asked('auth').token, 't2');
  pass(6000);
  socket().drop(4001);
  await untilNextTry();
  assert.deepEqual(socket().protocols, ['ringroom.v1', 'bearer.t3']);
  socket().hello();
  socket().drop(4001);
  await untilNextTry();
  assert.equal(sockets.length, 2, 'refused at once: a third token would be no better');
});

test('close ends it for good, and connect begins again', async () => {
  const { chat, of } = await member();
  chat.close();
  assert.equal(socket().closed, true);
  pass(600_000);
  assert.equal(sockets.length, 1);
  assert.equal(of('state').at(-1).state, 'closed');
  chat.connect();
  assert.equal(sockets.length, 2);
});
