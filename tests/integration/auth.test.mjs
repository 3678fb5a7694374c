/* Tokens on native connections: how they come, which are refused, how they run out and are renewed. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { exportSPKI, generateKeyPair, UnsecuredJWT } from 'jose';
import { freshRoom, withClients } from '../lib/client.mjs';
import { Raw, upgradeRequest } from '../lib/raw.mjs';
import { everyWay, last, run, withServer } from '../lib/server.mjs';
import { AUTH, bearer, KEY, mint, rooms } from '../lib/token.mjs';
import { sleep, until } from '../lib/wait.mjs';

const WAYS = [{ shards: 1, tls: false }, { shards: 4, tls: true }];
const base64url = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const now = () => Date.now() / 1000;

/** The answer to an upgrade: {status, headers, error}. */
async function knock(at, path, fields = '') {
  const raw = await Raw.connect(at.server, { tls: at.tls });
  const { status, headers, body } = await raw.request(upgradeRequest(path, fields));
  raw.destroy();
  return { status, headers, error: status === 101 ? null : JSON.parse(body).error };
}

const knockStatus = async (at, token) => (await knock(at, '/ws', `Authorization: Bearer ${token}\r\n`)).status;

/** Each way in which a token may come with the upgrade: [path, fields]. */
const BROUGHT = {
  'a header': (token) => ['/ws', `Authorization: Bearer ${token}\r\n`],
  'a header, its scheme in other letters': (token) => ['/ws', `authorization: bEARER ${token}\r\n`],
  'the query': (token) => [`/ws?token=${token}`, ''],
  'the query, among others': (token) => [`/ws?a=b&token=${token}&c=d`, ''],
  'a sub-protocol': (token) => ['/ws', `Sec-WebSocket-Protocol: ringroom.v1, bearer.${token}\r\n`],
  'a sub-protocol, the first': (token) => ['/ws', `Sec-WebSocket-Protocol: bearer.${token},ringroom.v1\r\n`],
};

/** Tokens that must not pass, and what the answer says. */
const ODD = {
  'no token at all': [() => 'hello', /JSON Web Token/],
  'empty parts': [() => '..', /header/],
  'alg none': [() => new UnsecuredJWT({ sub: 'ada', aud: 'chat', exp: now() + 60, rooms: rooms({ '*': 'read' }) }).encode(), /alg/],
  'alg None, signed': [async () => (await mint()).replace(/^[^.]+/, base64url({ alg: 'None' })), /alg/],
  'another key': [() => mint({ key: new TextEncoder().encode('another secret that nobody has told us about') }), /signature is wrong/],
  'a signature cut short': [async () => (await mint()).slice(0, -4), /signature/],
  'no signature': [async () => (await mint()).replace(/[^.]+$/, ''), /signature/],
  'other claims under the signature': [async () => (await mint()).replace(/\.[^.]+\./, `.${base64url({ sub: 'root', aud: 'chat', exp: now() + 60, rooms: [] })}.`), /signature is wrong/],
  'a stronger HMAC': [() => mint({ alg: 'HS512' }), /alg must be/],
  'an algorithm of no key here': [async () => mint({ alg: 'ES256', key: (await generateKeyPair('ES256')).privateKey }), /alg is not that of the key/],
  'an unknown kid': [() => mint({ header: { kid: 'nobody' } }), /kid/],
  'a kid that is a path': [() => mint({ header: { kid: '/dev/null' } }), /kid/],
  'a key of its own': [() => mint({ key: new TextEncoder().encode('x'.repeat(32)), header: { jwk: { kty: 'oct', k: base64url('x'.repeat(32)) } } }), /signature is wrong/],
  'expired': [() => mint({ left: -1 }), /has expired/],
  'long expired': [() => mint({ exp: 1 }), /has expired/],
  'not valid yet': [() => mint({ nbf: now() + 60 }), /not valid yet/],
  'no exp': [() => mint({ exp: undefined }), /exp is missing/],
  'exp as text': [() => mint({ exp: String(now() + 60) }), /exp must be a number/],
  'another audience': [() => mint({ aud: 'shop' }), /aud/],
  'no audience': [() => mint({ aud: undefined }), /aud/],
  'no sub': [() => mint({ sub: null }), /sub/],
  'an empty sub': [() => mint({ sub: '' }), /sub/],
  'a sub with a line break': [() => mint({ sub: 'a\nb' }), /sub/],
  'a name that is none': [() => mint({ name: 7 }), /name/],
  'no rooms': [() => mint({ rooms: undefined }), /rooms/],
  'an unknown right': [() => mint({ can: { '*': 'read fly' } }), /can must be/],
  'too many rooms': [() => mint({ rooms: Array.from({ length: 65 }, () => ({ room: 'a', can: [] })) }), /64/],
};

everyWay(last(WAYS), AUTH, (at) => {
  for (const [name, bring] of Object.entries(BROUGHT)) {
    test(`a token comes by ${name}: a good one is let in, a bad one is 401`, async () => {
      const { status, headers } = await knock(at, ...bring(await mint()));
      assert.equal(status, 101);
      assert.equal(headers['sec-websocket-protocol'], name.startsWith('a sub-protocol') ? 'ringroom.v1' : undefined, 'the token is never chosen');
      const bad = await knock(at, ...bring(await mint({ left: -1 })));
      assert.equal(bad.status, 401);
      assert.equal(bad.error.code, 'unauthorized');
      assert.match(bad.headers['www-authenticate'], /^Bearer/);
    });
  }

  test('hello says who one is, and all goes on as that user', () => withClients(at, async (connect) => {
    const sub = 'üser "17" \\ 😀';
    const chat = await connect(bearer(await mint({ sub })));
    const room = freshRoom();
    assert.equal(chat.hello.uid, sub);
    await chat.join(room);
    await chat.send(room, 'hi');
    const { uid, from } = await chat.next('message');
    assert.deepEqual([uid, from], [sub, sub]);
    assert.deepEqual((await chat.members(room)).members, [{ uid: sub, name: sub, sessions: 1 }]);
  }));

  test('until a token has come nothing but `auth` and `ping` is answered', () => withClients(at, async (connect) => {
    const chat = await connect();
    const room = freshRoom();
    assert.equal(chat.hello.uid, null);
    for (const [op, fields] of [['join', { room }], ['leave', { room }], ['send', { room, text: 'x' }], ['history', { room }], ['members', { room }],
      ['typing', { room, on: true }], ['delete', { room, seq: 1 }], ['kick', { room, uid: 'x' }], ['mute', { room, uid: 'x', seconds: 1 }], ['close', { room }]])
      await chat.refused('unauthorized', op, fields);
    await chat.ping();
    await chat.refused('bad_request', 'auth', {});
    await chat.refused('bad_request', 'auth', { token: 5 });
    await chat.refused('bad_request', 'auth', { token: await mint({ more: 'x'.repeat(8192) }) });
    assert.equal((await chat.ask('auth', { token: await mint() })).ev, 'done');
    await chat.join(room);
    assert.deepEqual((await chat.members(room)).members.map(({ uid }) => uid), ['ada']);
  }));

  for (const [name, [make, says]] of Object.entries(ODD)) {
    test(`refused, at the upgrade and by \`auth\`: ${name}`, () => withClients(at, async (connect) => {
      const token = await make();
      assert.equal(await knockStatus(at, token), 401);
      const chat = await connect();
      const { message } = await chat.refused('unauthorized', 'auth', { token });
      assert.match(message, says);
      for (const part of token.split('.')) assert.ok(part.length < 8 || !message.includes(part), 'it holds nothing of the token');
      await chat.refused('unauthorized', 'join', { room: freshRoom() });
      assert.equal((await chat.ask('auth', { token: await mint() })).ev, 'done', 'the connection stays, and may try again');
      assert.equal((await chat.join(freshRoom())).members, 1);
    }));
  }

  test('what is just good enough passes: clocks 10 s apart, one audience of several, other claims', async () => {
    for (const fields of [{ left: 5 }, { nbf: now() + 8 }, { aud: ['shop', 'chat'] }, { iss: 'x', scope: [1] }, { header: { typ: 'anything' } }])
      assert.equal(await knockStatus(at, await mint(fields)), 101, JSON.stringify(fields));
  });

  test('the third bad token on a connection is its last', () => withClients(at, async (connect) => {
    const stranger = await connect();
    const friend = await connect(bearer(await mint()));
    const room = freshRoom();
    await friend.join(room);
    for (const chat of [stranger, friend]) {
      for (const token of ['x', await mint({ left: -1 })]) await chat.refused('unauthorized', 'auth', { token });
      await chat.refused('bad_request', 'auth', { token: 5 }); // no token at all
    }
    assert.equal((await stranger.ask('auth', { token: await mint() })).ev, 'done');
    await stranger.refused('unauthorized', 'auth', { token: 'x' }); // a good one in between makes up for none
    await friend.refused('forbidden', 'auth', { token: await mint({ sub: 'ben' }) });
    for (const chat of [stranger, friend]) assert.deepEqual(await chat.gone(), { code: 4001, reason: 'too many bad tokens' });
  }));

  test('another user\'s token is forbidden on a live connection, a bad one an error, and it stays what it was', () => withClients(at, async (connect) => {
    const chat = await connect(bearer(await mint()));
    const room = freshRoom();
    await chat.join(room);
    await chat.refused('forbidden', 'auth', { token: await mint({ sub: 'ben', can: { '*': 'read write moderate' } }) });
    await chat.refused('unauthorized', 'auth', { token: 'x.y.z' });
    await chat.refused('forbidden', 'kick', { room, uid: 'ada' });
    await chat.send(room, 'still here');
    assert.equal((await chat.next('message')).uid, 'ada');
  }));

  test('a session\'s id makes nobody: in token mode the token alone does', () => withClients(at, async (connect) => {
    const ada = await connect(bearer(await mint()));
    const thief = await connect({ path: `/ws?session=${ada.hello.sid}` });
    assert.equal(thief.hello.uid, null);
    await thief.refused('unauthorized', 'join', { room: freshRoom() });
    const ben = await connect({ path: `/ws?session=${ada.hello.sid}`, ...bearer(await mint({ sub: 'ben' })) });
    assert.equal(ben.hello.uid, 'ben');
  }));

  test('several connections by one sub are one member', () => withClients(at, async (connect) => {
    const room = freshRoom();
    const ben = await connect(bearer(await mint({ sub: 'ben' })));
    await ben.join(room);
    const adas = [];
    for (let i = 0; i < 6; i++) adas.push(await connect(bearer(await mint())));
    for (const ada of adas) assert.equal((await ada.join(room)).members, 2);
    assert.deepEqual((await ben.members(room)).members.find(({ uid }) => uid === 'ada').sessions, 6);
    for (const ada of adas) await ada.close();
    await ben.next((event) => event.ev === 'member' && !event.on, 'the going of the last');
    assert.deepEqual(ben.take('member').map(({ on }) => on), [true], 'one coming and one going');
  }));

  test('a cid sent again on another connection of the same sub is the same message', () => withClients(at, async (connect) => {
    const room = freshRoom();
    const [one, two] = [await connect(bearer(await mint())), await connect(bearer(await mint()))];
    const ben = await connect(bearer(await mint({ sub: 'ben' })));
    for (const chat of [one, two, ben]) await chat.join(room);
    const { seq } = await one.send(room, 'x', { cid: 'c' });
    const again = await two.send(room, 'x', { cid: 'c' });
    assert.deepEqual([again.seq, again.dup], [seq, true]);
    assert.notEqual((await ben.send(room, 'x', { cid: 'c' })).seq, seq);
  }));

  test('the token\'s name wins over the one that is asked for', () => withClients(at, async (connect) => {
    const room = freshRoom();
    const chat = await connect(bearer(await mint({ name: 'Ada L.' })));
    await chat.join(room, { name: 'Queen' });
    await chat.send(room, 'x');
    assert.equal((await chat.next('message')).from, 'Ada L.');
    assert.equal((await chat.members(room)).members[0].name, 'Ada L.');
    const free = await connect(bearer(await mint({ sub: 'ben' })));
    await free.join(room, { name: 'Ben' });
    assert.deepEqual((await chat.members(room)).members.map(({ name }) => name).sort(), ['Ada L.', 'Ben']);
  }));

  test('a fresh token that opens a room no more closes it at once, and that one alone', () => withClients(at, async (connect) => {
    const kept = freshRoom('kept');
    const lost = Array.from({ length: 5 }, () => freshRoom('lost')); // on several shards
    const [ada, ben] = [await connect(bearer(await mint())), await connect(bearer(await mint({ sub: 'ben' })))];
    for (const chat of [ben, ada]) for (const room of [kept, ...lost]) await chat.join(room);
    const token = await mint({ can: { 'kept-*': 'read', 'lost-*': 'write' } });
    assert.equal((await ada.ask('auth', { token })).ev, 'done');
    await ada.ping();
    assert.deepEqual(ada.take('closed').sort((a, b) => (a.room < b.room ? -1 : 1)),
      [...lost].sort().map((room) => ({ ev: 'closed', room, reason: 'kicked' })));
    for (const room of lost) {
      await ben.next((event) => event.ev === 'member' && event.room === room && !event.on, 'its going');
      await ben.send(room, 'without her');
      await ada.refused('forbidden', 'join', { room });
    }
    await ada.refused('forbidden', 'send', { room: kept, text: 'x' });
    await ben.send(kept, 'with her');
    assert.equal((await ada.next((event) => event.ev === 'message', 'what she may still read')).text, 'with her');
    await ada.ping();
    assert.deepEqual(ada.take('message'), []);
    assert.equal((await ada.ask('auth', { token: await mint() })).ev, 'done');
    for (const room of lost) await ada.join(room);
  }));

  test('a token runs out: told before, then closed; a fresh one in time goes on', () => withClients(at, async (connect) => {
    const [late, keen] = [await connect(bearer(await mint({ left: 3 }))), await connect()];
    await keen.ask('auth', { token: await mint({ sub: 'ben', left: 3 }) });
    const room = freshRoom();
    for (const chat of [late, keen]) await chat.join(room);
    for (const chat of [late, keen]) {
      const { in_ms, ...rest } = await chat.next('expiring');
      assert.deepEqual(rest, { ev: 'expiring' });
      assert.ok(in_ms > 0 && in_ms <= 1600, `${in_ms} ms`);
    }
    assert.equal((await keen.ask('auth', { token: await mint({ sub: 'ben' }) })).ev, 'done');
    const { code, reason } = await late.gone();
    assert.equal(code, 4001, reason);
    const { uid, on } = await keen.next((event) => event.ev === 'member' && !event.on, 'its going');
    assert.deepEqual([uid, on], ['ada', false]);
    await sleep(1000);
    await keen.send(room, 'still here');
    assert.deepEqual(keen.take('expiring'), [], 'told once');
    assert.equal(await knockStatus(at, await mint({ left: -0.1 })), 401);
  }));

  test('a fresh token that runs out is told of again', () => withClients(at, async (connect) => {
    const chat = await connect(bearer(await mint({ left: 2.5 })));
    await chat.next('expiring');
    await chat.ask('auth', { token: await mint({ left: 3 }) });
    await chat.next('expiring');
    assert.equal((await chat.gone()).code, 4001);
  }));
}, { concurrency: 8 });

test('who sends no good token in time is closed with 4001, whatever else it sends', () =>
  withServer({ ...AUTH, 'auth.timeout': 1 }, (server) => withClients({ server, tls: false }, async (connect) => {
    const [silent, busy, wrong, good] = [await connect(), await connect(), await connect(), await connect()];
    const beating = setInterval(() => { if (!busy.closedWith) busy.raw({ op: 'ping' }); }, 100);
    try {
      await good.ask('auth', { token: await mint() });
      await wrong.refused('unauthorized', 'auth', { token: await mint({ left: -1 }) });
      for (const chat of [silent, busy, wrong]) assert.equal((await chat.gone()).code, 4001);
      await good.join(freshRoom());
    } finally {
      clearInterval(beating);
    }
  })));

test('in open mode a token is no matter: it is passed over at the upgrade, and `auth` says so', () =>
  withServer({}, (server) => withClients({ server, tls: true }, async (connect) => {
    const chat = await connect(bearer('nonsense'));
    assert.match(chat.uid, /^[\w-]{8}$/);
    await chat.refused('bad_request', 'auth', { token: await mint() });
    await chat.join(freshRoom());
  })));

test('RS256 and ES256 keys by kid, and no HMAC keyed with what is public', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'ringroom-auth-'));
  try {
    const pairs = { RS256: await generateKeyPair('RS256'), ES256: await generateKeyPair('ES256') };
    const pems = {};
    for (const [alg, { publicKey }] of Object.entries(pairs)) writeFileSync(join(dir, alg), pems[alg] = await exportSPKI(publicKey));
    const settings = { 'auth.mode': 'token', 'auth.keys': Object.keys(pairs).map((alg) => ({ kid: alg, alg, file: join(dir, alg) })) };
    await withServer(settings, async (server) => {
      const at = { server, tls: true };
      for (const [alg, { privateKey: key }] of Object.entries(pairs)) {
        const header = { kid: alg };
        assert.equal(await knockStatus(at, await mint({ alg, key, header })), 101, alg);
        assert.equal(await knockStatus(at, await mint({ alg, key })), 401, `${alg} without its kid`);
        assert.equal(await knockStatus(at, await mint({ alg, key, header: { kid: alg === 'RS256' ? 'ES256' : 'RS256' } })), 401, `${alg} under the other's kid`);
        for (const pem of [pems[alg], pems[alg].trim()])
          assert.equal(await knockStatus(at, await mint({ key: new TextEncoder().encode(pem), header })), 401, `HS256 with ${alg}'s public key`);
      }
      assert.equal(await knockStatus(at, await mint({ alg: 'RS512', key: pairs.RS256.privateKey, header: { kid: 'RS256' } }).catch(() => 'x')), 401);
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('`ringroom token` opens the door of the server with the same keys', async () => {
  const flags = Object.entries({ 'auth.keys': AUTH['auth.keys'], 'auth.audience': 'chat' })
    .flatMap(([key, value]) => ['--set', `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`]);
  const { code, stdout, stderr } = await run(['token', ...flags, '--sub', 'user-17', '--name', 'Ada', '--room', 'room-*:read,write']);
  assert.equal(code, 0, stderr);
  await withServer(AUTH, (server) => withClients({ server, tls: true }, async (connect) => {
    const chat = await connect(bearer(stdout.trim()));
    assert.equal(chat.uid, 'user-17');
    const room = freshRoom();
    await chat.join(room);
    await chat.send(room, 'x');
    assert.equal((await chat.next('message')).from, 'Ada');
    await chat.refused('forbidden', 'join', { room: 'elsewhere' });
  }));
});

test('no log tells a token or a secret', () => withServer({ ...AUTH, 'log.level': 'debug' }, (server) => withClients({ server, tls: false }, async (connect) => {
  const tokens = [await mint(), await mint({ left: -1 })];
  await connect(bearer(tokens[0]));
  await connect({ path: `/ws?token=${tokens[0]}` });
  await knock({ server, tls: false }, `/ws?token=${tokens[1]}`);
  const chat = await connect();
  for (const token of tokens) await chat.ask('auth', { token });
  await until(() => server.log.length > 0, 'a log');
  for (const secret of [new TextDecoder().decode(KEY), ...tokens.flatMap((token) => token.split('.').slice(1))])
    assert.ok(!server.log.includes(secret));
})));
