/* `ringroom chat` against the real server: in pipes, at a terminal, over networks that break. */

import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { freshRoom, withClients } from '../lib/client.mjs';
import { withProxy } from '../lib/proxy.mjs';
import { certificate, everyWay, run, Server, withServer } from '../lib/server.mjs';
import { chat, Screen, talk } from '../lib/terminal.mjs';
import { AUTH, mint } from '../lib/token.mjs';
import { amount, until } from '../lib/wait.mjs';

const address = (at, room) => `${at.tls ? 'wss' : 'ws'}://127.0.0.1:${at.server.port(at.tls)}/${encodeURIComponent(room)}`;
const trust = (at) => (at.tls ? ['--ca', certificate().cert] : []);
const texts = (out) => out.split('\n').filter(Boolean).map((line) => /^\d\d:\d\d \S+  (.*)$/.exec(line)?.[1] ?? line);
const lines = (n) => Array.from({ length: n }, (_, i) => `line ${i + 1}`);

/** Kills what a test has begun, at its end. */
async function withPrograms(use) {
  const programs = [];
  const begin = (program) => { programs.push(program); return program; };
  try {
    return await use(begin);
  } finally {
    for (const program of programs) program.kill('SIGKILL');
  }
}

everyWay([{ shards: 2, tls: false }, { shards: 2, tls: true }], {}, (at) => {
  test('what is piped in is said in order, and comes out', async () => {
    const room = freshRoom('grün & /50%');
    const said = [...lines(amount(300, 100)), '', 'ü 漢字', ' blank '];
    const first = await talk(address(at, room), ['--name', 'ann', ...trust(at)], said.join('\n'));
    assert.equal(first.code, 0, first.err);
    assert.equal(first.err, '');
    assert.deepEqual(texts(first.out), said.map((line) => line || texts(`12:00 ann  `)[0]));
    assert.match(first.out, /^\d\d:\d\d ann  line 1\n/);

    const later = await talk(address(at, room), trust(at));
    assert.deepEqual([later.code, later.out], [0, first.out]);
    const newest = await talk(address(at, room), ['--history', '2', ...trust(at)]);
    assert.deepEqual(texts(newest.out), said.slice(-2));
    assert.equal((await talk(address(at, room), ['--no-history', ...trust(at)])).out, '');
  });

  test('events come as they are with --json, one a line', () => withClients(at, async (connect) => {
    const room = freshRoom();
    const other = await connect();
    await other.join(room, { name: 'ben' });
    other.raw(`{"op":"send","id":"s","room":"${room}","text":"a\\u001bb","data":{"n":\n123456789012345678901234567890}}`);
    await other.next('message');
    const { code, out } = await talk(address(at, room), ['--json', ...trust(at)], 'hello\n');
    assert.equal(code, 0);
    const events = out.trimEnd().split('\n').map((line) => JSON.parse(line));
    assert.deepEqual(events.map(({ ev }) => ev).filter((ev) => ev !== 'ack'), ['hello', 'joined', 'message', 'message']);
    assert.match(out, /"text":"a\\u001bb","data":\{"n": 123456789012345678901234567890\}/);
    assert.equal(events.findLast(({ ev }) => ev === 'message').text, 'hello');
  }));

  test('with --follow it reads on, and a signal ends it well', () => withClients(at, (connect) => withPrograms(async (begin) => {
    const room = freshRoom();
    const program = begin(chat(address(at, room), ['--follow', '--name', 'ann', ...trust(at)]));
    program.close();
    const other = await connect();
    await other.join(room, { name: 'ben' });
    await until(async () => (await other.members(room)).count === 2, 'the follower');
    const { seq } = await other.send(room, 'one');
    await program.says('ben  one\n');
    await other.ask('delete', { room, seq });
    await program.says(/-- the message of \d\d:\d\d by ben was deleted\n/);
    await other.leave(room);
    await program.says('-- ben left (1 here)\n');
    program.kill('SIGTERM');
    assert.equal((await program.ended()).code, 0);
  })));

  test('two at it talk with each other', () => withPrograms(async (begin) => {
    const room = freshRoom();
    const ann = begin(chat(address(at, room), ['--name', 'ann', ...trust(at)]));
    const ben = begin(chat(address(at, room), ['--name', 'ben', ...trust(at)]));
    ann.type('hi\n');
    await ben.says('ann  hi\n');
    ben.type('hello\n');
    await ann.says('ben  hello\n');
    ann.close();
    ben.close();
    for (const { code, out } of [await ann.ended(), await ben.ended()]) {
      assert.equal(code, 0);
      assert.deepEqual(texts(out).filter((line) => !line.startsWith('--')), ['hi', 'hello']);
    }
  }));

  test('what others send cannot command the terminal', () => withClients(at, async (connect) => {
    const room = freshRoom();
    const other = await connect();
    await other.join(room, { name: 'x' });
    for (const text of ['\u001b[2J\u001b]0;t\u0007', '\u009b31m\u0085', 'a\r\nb\u0000\u007f', '\u202e\u2066'])
      await other.send(room, text, { data: { text, '\u001b[': '\u009b' } });
    for (const args of [[], ['--json']]) {
      const { out } = await talk(address(at, room), [...args, ...trust(at)]);
      assert.equal(out.trimEnd().split('\n').filter((line) => /\{/.test(line)).length, args.length ? 6 : 4);
      assert.doesNotMatch(out, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
    }
  }));

  test('a message that the server refuses ends it with 1', async () => {
    const long = await talk(address(at, freshRoom()), trust(at), `short\n${'x'.repeat(20000)}\nnot said\n`);
    assert.equal(long.code, 1);
    assert.match(long.err, /^ringroom: too_large: .*16384\n$/);
    const broken = await talk(address(at, freshRoom()), trust(at), Buffer.from([0x61, 0xff, 0x0a]));
    assert.equal(broken.code, 1);
    assert.match(broken.err, /not UTF-8/);
  });

  test('at a terminal: history, what is said, a line below', () => withClients(at, (connect) => withPrograms(async (begin) => {
    const room = freshRoom();
    const ben = await connect();
    await ben.join(room, { name: 'ben' });
    await ben.send(room, 'earlier\n12:00 ann  forged');
    const screen = begin(new Screen(address(at, room), ['--name', 'ann', ...trust(at)]));
    await screen.shows((rows) => rows.at(-1) === 'ann> ' && rows.some((row) => row.endsWith('2 here; kept for 3600 s (/help)')));
    const at0 = screen.rows.findIndex((row) => row.endsWith('ben  earlier'));
    assert.equal(screen.rows[at0 + 1], '      12:00 ann  forged');

    screen.type('hi 漢ü\x7fx');
    await screen.shows((rows) => rows.at(-1) === 'ann> hi 漢x');
    await ben.next('typing');
    await ben.send(room, 'while you type \u001b[31m');
    await screen.shows((rows) => rows.at(-1) === 'ann> hi 漢x' && rows.at(-2).endsWith('ben  while you type ␛[31m'));
    assert.equal(screen.column, 'ann> hi 漢x'.length + 1);
    ben.raw({ op: 'typing', room, on: true });
    await screen.shows((rows) => rows.at(-2) === 'ben is typing' && rows.at(-1) === 'ann> hi 漢x');
    screen.type('\r');
    assert.equal((await ben.next((event) => event.ev === 'message' && event.from === 'ann')).text, 'hi 漢x');
    await screen.shows((rows) => rows.at(-1) === 'ann> ' && rows.some((row) => row.endsWith('ann  hi 漢x')));

    screen.type('/who\r');
    await screen.shows((rows) => rows.some((row) => /^-- 2 here: (ann, ben|ben, ann)$/.test(row)));
    screen.type('/nonsense\r//slash\r');
    await screen.shows((rows) => rows.some((row) => row.startsWith('-- /nonsense: no such command')));
    await screen.shows((rows) => rows.some((row) => row.endsWith('ann  /slash')));

    screen.resize(40, 12);
    screen.type('0123456789'.repeat(5));
    await screen.shows((rows) => rows.at(-1) === `ann> ${'0123456789'.repeat(5).slice(-34)}`);
    screen.type('\x15');
    await ben.send(room, 'w'.repeat(60));
    await screen.shows((rows) => rows.at(-1) === 'ann> ' && rows.at(-2) === `      ${'w'.repeat(31)}`);
    assert.ok(screen.colours);
    screen.type('\x04');
    assert.equal((await screen.ended()).code, 0);
    await screen.shows((rows) => rows.at(-1) === '');
  })));

  test('NO_COLOR keeps the terminal free of colours for text', () => withPrograms(async (begin) => {
    const screen = begin(new Screen(address(at, freshRoom()), ['--name', 'ann', ...trust(at)], { env: { NO_COLOR: '1' } }));
    screen.type('hi\r');
    await screen.shows((rows) => rows.some((row) => row.endsWith('ann  hi')));
    assert.equal(screen.colours, undefined);
    screen.type('/quit\r');
    assert.equal((await screen.ended()).code, 0);
  }));
});

describe('a network that breaks:', () => {
  const at = { tls: false };
  before(async () => { at.server = await Server.start(); });
  after(() => at.server?.stop());
  const by = (proxy, room) => `${proxy.url.replace('http', 'ws')}/${room}`;

  test('nothing is missed, doubled or reordered', () => withClients(at, (connect) => withProxy(at, (proxy) => withPrograms(async (begin) => {
    const room = freshRoom();
    const said = lines(amount(200, 60));
    const [heard, other] = [await connect(), await connect()];
    await heard.join(room);
    await other.join(room, { name: 'ben' });
    let acks = 0;
    proxy.rule = ({ from, text }) => { // every twentieth answer never arrives: stored, and not known to be
      if (from === 'server' && text?.includes('"ev":"ack"') && ++acks % 20 === 0) return 'cut';
    };
    const program = begin(chat(by(proxy, room), ['--name', 'ann', '--json']));
    program.type(`${said.join('\n')}\n`);
    program.close();
    await other.send(room, 'between');
    const { code, out, err } = await program.ended();
    assert.equal(code, 0, err);
    assert.match(err, /^ringroom: the connection broke.*; trying again in \d+ s\nringroom: back\n/);
    assert.ok(acks > said.length / 20);
    const seen = out.trimEnd().split('\n').map((line) => JSON.parse(line)).filter(({ ev }) => ev === 'message');
    assert.deepEqual(seen.map(({ seq }) => seq), seen.map((_, i) => i + 1));
    assert.deepEqual(seen.filter(({ from }) => from === 'ann').map(({ text }) => text), said);
    assert.deepEqual((await heard.messages(room, said.length + 1)).filter(({ from }) => from === 'ann').map(({ text }) => text), said);
  }))));

  test('one who sits there is told, types on, and it is sent when the network is back', () => withClients(at, (connect) => withProxy(at, (proxy) => withPrograms(async (begin) => {
    const room = freshRoom();
    const other = await connect();
    await other.join(room, { name: 'ben' });
    const screen = begin(new Screen(by(proxy, room), ['--name', 'ann']));
    await screen.shows((rows) => rows.some((row) => row.includes('2 here')));
    proxy.break();
    await screen.shows((rows) => rows.some((row) => /^-- .*trying again in \d+ s$/.test(row)) && rows.at(-2) === 'not connected');
    await other.send(room, 'missed');
    screen.type('said meanwhile\r');
    await screen.shows((rows) => rows.at(-2) === 'not connected; not sent yet: 1');
    proxy.mend();
    await other.next((event) => event.ev === 'message' && event.text === 'said meanwhile');
    await screen.shows((rows) => rows.includes('-- back') && rows.some((row) => row.endsWith('ben  missed')) && rows.some((row) => row.endsWith('ann  said meanwhile')) && rows.at(-1) === 'ann> ');
    assert.equal(screen.rows.filter((row) => row.endsWith('ann  said meanwhile')).length, 1);
    screen.type('\x03'); // ctrl-c
    assert.equal((await screen.ended()).code, 0);
  }))));

  test('a server that is started anew is come back to, in a new room', () => withPrograms(async (begin) => {
    const reserved = net.createServer().listen(0, '127.0.0.1');
    await new Promise((done) => { reserved.on('listening', done); });
    const { port } = reserved.address();
    await new Promise((done) => { reserved.close(done); });
    let server = await Server.start({ listen: [], listen_plain: `127.0.0.1:${port}` });
    const program = begin(chat(`ws://127.0.0.1:${port}/r`, ['--name', 'ann', '--follow']));
    try {
      program.type('before\n');
      await program.says('ann  before\n');
      await server.stop();
      await program.says('trying again', 'err');
      server = await Server.start({ listen: [], listen_plain: `127.0.0.1:${port}` });
      program.type('after\n');
      await program.says('ann  after\n');
      assert.match(program.err, /the room has begun anew/);
    } finally {
      await server.stop();
    }
  }));
});

test('certificates are checked, and what is wrong is said', () => withServer({}, async (server) => {
  const at = { server, tls: true };
  const refused = async (url, args, words) => {
    const { code, out, err } = await talk(url, args, 'secret\n');
    assert.equal(code, 1);
    assert.equal(out, '');
    assert.match(err, words);
    assert.match(err, /^ringroom: [^\n]+\n$/);
  };
  const port = server.port(true);
  await refused(address(at, 'r'), [], /certificate of 127\.0\.0\.1 cannot be trusted: nobody whom this system trusts .*--ca FILE/);
  await refused(`wss://localhost.:${port}/r`, ['--ca', certificate().cert], /cannot be trusted: it is for another name|cannot find/);
  await refused(`wss://127.0.0.1:${server.port(false)}/r`, [], /does not speak TLS there: is it a ws:\/\/ address/);
  await refused(`ws://127.0.0.1:${port}/r`, [], /is it a wss:\/\/ address/);
  await refused(`ws://127.0.0.1:${server.port(false)}/somewhere/r`, [], /404, .*no Ringroom at this address/);
  await refused('ws://127.0.0.1:1/r', [], /cannot connect to 127\.0\.0\.1:1: Connection refused/);
  await refused('ws://name.invalid/r', [], /cannot find name\.invalid/);
  const named = await talk(`wss://localhost:${port}/r`, ['--ca', certificate().cert], 'hi\n');
  assert.equal(named.code, 0, named.err);
  const insecure = await talk(address(at, 'r'), ['--insecure']);
  assert.equal(insecure.code, 0);
  assert.match(insecure.err, /^ringroom: --insecure: whoever is on the way/);
}));

test('tokens say who one is', () => withServer(AUTH, async (server) => {
  const at = { server, tls: true };
  const url = address(at, 'r');
  const token = await mint({ name: 'Ada' });
  const none = await talk(url, trust(at), 'hi\n');
  assert.deepEqual([none.code, none.out], [1, '']);
  assert.match(none.err, /unauthorized: .* \(--token, --token-file\)/);
  const bad = await talk(url, ['--token', 'nonsense', ...trust(at)], 'hi\n');
  assert.equal(bad.code, 1);
  assert.match(bad.err, /refuses the connection: 401, .*JSON Web Token/);

  const file = join(certificate().dir, 'token');
  writeFileSync(file, `${token}\n`);
  chmodSync(file, 0o600);
  for (const [args, env] of [[['--token', token], {}], [['--token-file', file], {}], [[], { RINGROOM_TOKEN: token }]]) {
    const { code, out, err } = await talk(url, ['--no-history', ...args, ...trust(at)], 'hi\n', { env });
    assert.equal(code, 0, err);
    assert.match(out, /^\d\d:\d\d Ada  hi\n$/);
  }
  const muzzled = await talk(url, ['--token', await mint({ can: { '*': 'read' } }), ...trust(at)], 'hi\n');
  assert.equal(muzzled.code, 1);
  assert.match(muzzled.err, /^ringroom: forbidden: /);
}));

test('a token in a file is renewed while it runs', () => withServer(AUTH, (server) => withPrograms(async (begin) => {
  const at = { server, tls: true };
  const file = join(certificate().dir, 'short-token');
  writeFileSync(file, await mint({ left: 6 }));
  const program = begin(chat(address(at, 'r'), ['--token-file', file, '--json', ...trust(at)]));
  await program.says('"ev":"joined"');
  writeFileSync(file, await mint());
  await new Promise((done) => { setTimeout(done, 7000); }); // longer than the first was good for
  program.type('still here\n');
  program.close();
  const { code, out, err } = await program.ended();
  assert.equal(code, 0, err);
  assert.equal(err, '');
  assert.match(out, /"text":"still here"/);
})));

test('it heeds the rate, and a pipe is sent whole', () => withServer({ 'limits.messages_per_second': 50, 'limits.burst': 5 }, async (server) => {
  const at = { server, tls: false };
  const { code, out, err } = await talk(address(at, 'r'), [], `${lines(40).join('\n')}\n`);
  assert.equal(code, 0, err);
  assert.deepEqual(texts(out), lines(40));
}));

test('one who is made to leave is told so, and does not come back', () => withServer(AUTH, (server) => withPrograms(async (begin) => {
  const at = { server, tls: true };
  const program = begin(chat(address(at, 'r'), ['--follow', '--token', await mint(), ...trust(at)]));
  program.type('here\n');
  await program.says('here');
  await withClients(at, async (connect) => {
    const moderator = await connect({ headers: { authorization: `Bearer ${await mint({ sub: 'mod', can: { '*': 'read moderate' } })}` } });
    await moderator.ask('kick', { room: 'r', uid: 'ada' });
  });
  const { code, err } = await program.ended();
  assert.equal(code, 1);
  assert.equal(err, 'ringroom: you were made to leave the room\n');
})));

test('a server that answers nonsense is left', async () => {
  const answers = ['SSH-2.0-x\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 'HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n'];
  for (const answer of answers) {
    const listener = net.createServer((socket) => { socket.on('error', () => {}).on('data', () => socket.write(answer)); });
    await new Promise((done) => { listener.listen(0, '127.0.0.1', done); });
    const { code, err } = await talk(`ws://127.0.0.1:${listener.address().port}/r`, [], 'hi\n');
    listener.close();
    assert.equal(code, 1);
    assert.match(err, /^ringroom: 127\.0\.0\.1:\d+: [^\n]+\n$/);
  }
});

test('wrong words are refused with status 2', async () => {
  const refused = async (args, line) => {
    const { code, stdout, stderr } = await run(['chat', ...args]);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, line);
    assert.match(stderr, /^ringroom: [^\n]+\n$/);
  };
  await refused([], /the address of a room is needed/);
  await refused(['http://h/r'], /must begin with wss:\/\/ or ws:\/\//);
  await refused(['wss://h/'], /the room must have/);
  await refused(['wss://h/a', 'b'], /b: not expected/);
  await refused(['wss://h/a', '--nam', 'x'], /--nam: no such option; the nearest is --name/);
  await refused(['wss://h/a', '--set', 'x=1'], /--set: no such option/);
  await refused(['wss://h/a', '--history', 'all'], /--history all: must be a whole number/);
  await refused(['wss://h/a', '--history', '1', '--no-history'], /only one of them/);
  await refused(['wss://h/a', '--name', 'a\nb'], /--name: must be/);
  await refused(['wss://h/a', '--token', 'a b'], /--token: must be/);
  await refused(['wss://h/a', '--ca', '/nonexistent'], /--ca: \/nonexistent: cannot be read/);
  await refused(['ws://h/a', '--insecure'], /is for wss/);
  const { code, stdout } = await run(['help', 'chat']);
  assert.equal(code, 0);
  assert.match(stdout, /^Usage: ringroom chat wss:/);
});
