/* What may be done in a room against its members' will: delete, kick, mute, close. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshRoom, numbers, withClients } from '../lib/client.mjs';
import { withProxy } from '../lib/proxy.mjs';
import { everyWay, last } from '../lib/server.mjs';
import { TRANSPORTS, withPages } from '../lib/socketio.mjs';
import { AUTH, bearer, mint } from '../lib/token.mjs';
import { amount, sleep, until } from '../lib/wait.mjs';

const WAYS = [{ shards: 1, tls: false }, { shards: 4, tls: true }];
const settings = { ...AUTH, rooms: [{ match: 'brief-*', ttl: 1, ttl_from: 'message' }, { match: 'few-*', max_messages: 3 }] };
const SESSIONS = 6; // of one user: on several shards, as the kernel spreads them
const MODERATOR = { sub: 'mod', can: { '*': 'read write moderate' } };

const done = async (chat, op, fields) => assert.equal((await chat.ask(op, fields)).ev, 'done', op);
const withoutTs = ({ ev, seq, text }) => ({ ev, seq, text });

everyWay(last(WAYS), settings, (at) => {
  /** `native` and `page` come in as a user; claims may be given. */
  const both = (name, use) => test(name, () => withPages(at, (open) => withClients(at, (connect) => use({
    native: async (sub, claims) => connect(bearer(await mint({ sub, ...claims }))),
    moderator: async () => connect(bearer(await mint(MODERATOR))),
    page: async (sub, options = {}) => {
      const token = await mint({ sub });
      return open({ auth: { token }, ...options });
    },
  }))));

  /* delete */

  both('the author and a moderator may delete; everyone is told, once', async ({ native, moderator, page }) => {
    const room = freshRoom();
    const [ada, ben, mod] = [await native('ada'), await native('ben'), await moderator()];
    const pages = [await page('cem', TRANSPORTS['WebSocket only']), await page('dora', TRANSPORTS['polling only'])];
    for (const one of [ada, ben, ...pages]) await one.join(room);
    for (let i = 1; i <= 4; i++) await ada.send(room, `number ${i}`);
    for (const chat of [ada, ben]) await chat.messages(room, 4);
    for (const one of pages) await one.heard(room, 4);

    await ben.refused('forbidden', 'delete', { room, seq: 2 });
    await done(ada, 'delete', { room, seq: 2 });
    await done(mod, 'delete', { room, seq: 3 }); // who is not in the room
    for (const chat of [ada, ben]) {
      for (const seq of [2, 3]) assert.deepEqual(await chat.next('deleted'), { ev: 'deleted', room, seq });
    }
    for (const one of pages) {
      await until(() => one.of('deleted').length >= 2, 'both');
      assert.deepEqual(one.of('deleted'), [{ room, seq: 2 }, { room, seq: 3 }]);
    }
    await done(ada, 'delete', { room, seq: 2 }); // again: nothing to tell
    await ada.send(room, 'number 5');
    for (const chat of [ada, ben]) {
      await chat.messages(room, 1);
      assert.deepEqual(chat.take('deleted'), []);
    }
  });

  both('who comes later is told in its place, and history leaves it out', async ({ native, moderator, page }) => {
    const room = freshRoom();
    const [ada, ben, mod] = [await native('ada'), await native('ben'), await moderator()];
    await ada.join(room);
    for (let i = 1; i <= 6; i++) await ada.send(room, `number ${i}`);
    for (const seq of [1, 3, 4, 6]) await done(mod, 'delete', { room, seq });
    const { first, seq, epoch } = await ben.join(room);
    assert.deepEqual([first, seq], [1, 6]);
    await ada.send(room, 'number 7');
    await ben.next(({ ev, seq: n }) => ev === 'message' && n === 7);
    assert.deepEqual(ben.events.filter(({ ev }) => /deleted|message|gap/.test(ev)).map(withoutTs),
      numbers(1, 6).map((n) => ([2, 5].includes(n) ? { ev: 'message', seq: n, text: `number ${n}` } : { ev: 'deleted', seq: n, text: undefined })));

    const back = await native('ben');
    assert.equal((await back.join(room, { since: { epoch, seq: 2 } })).recovered, true);
    await back.next(({ seq: n }) => n === 7);
    assert.deepEqual(back.events.filter(({ ev }) => /deleted|message|gap/.test(ev)).map(({ ev, seq: n }) => [ev, n]),
      [['deleted', 3], ['deleted', 4], ['message', 5], ['deleted', 6]]);

    const left = [2, 5, 7];
    assert.deepEqual((await mod.history(room)).messages.map(({ seq: n }) => n), left);
    const { messages, more } = await mod.history(room, { after: 2, limit: 1 });
    assert.deepEqual([messages.map(({ seq: n }) => n), more], [[5], true]);
    for (const fields of [{ limit: 1 }, { limit: 1, after: 0 }]) { // page by page: none is empty before the last
      const seen = [];
      for (let reply = { more: true }, at = fields; reply.more;) {
        reply = await mod.history(room, at);
        seen.push(...reply.messages.map(({ seq: n }) => n));
        if (reply.more) assert.equal(reply.messages.length, 1);
        at = 'after' in fields ? { ...fields, after: seen.at(-1) } : { ...fields, before: seen.at(-1) };
      }
      assert.deepEqual(seen, 'after' in fields ? left : left.toReversed());
    }
    const late = await page('cem');
    const { chatHistory } = await late.join(room);
    assert.deepEqual(chatHistory.map(({ seq: n }) => n), left);
    await ada.send(room, 'number 8');
    assert.equal((await late.heard(room, 1))[0].seq, 8);
    assert.deepEqual(late.of('deleted'), []);
  });

  both('a page that comes back recovered is told of what was deleted meanwhile', async ({ native, page }) => {
    await withProxy(at, async (proxy) => {
      const room = freshRoom();
      const ada = await native('ada');
      await ada.join(room);
      const one = await page('cem', { url: proxy.url, ...TRANSPORTS['WebSocket only'] });
      await one.join(room);
      await ada.send(room, 'before');
      await one.heard(room, 1);
      proxy.break();
      await one.disconnected();
      for (const text of ['missed', 'missed and deleted']) await ada.send(room, text);
      await done(ada, 'delete', { room, seq: 3 });
      proxy.mend();
      await one.connected(2);
      assert.equal(one.connects[1].recovered, true);
      await ada.send(room, 'after');
      await one.heard(room, 3);
      assert.deepEqual(one.messages(room).map(({ seq }) => seq), [1, 2, 4]);
      assert.deepEqual(one.of('deleted'), [{ room, seq: 3 }]);
    });
  });

  both('who wrote from a page deletes by a native connection of the same user', async ({ native, page }) => {
    const room = freshRoom();
    const one = await page('cem');
    await one.join(room);
    const { seq } = await one.say(room, 'oops');
    const [cem, ben] = [await native('cem'), await native('ben')];
    await ben.refused('forbidden', 'delete', { room, seq });
    await done(cem, 'delete', { room, seq });
    await until(() => one.of('deleted').length, 'deleted');
  });

  both('what is not there cannot be deleted', async ({ native, moderator }) => {
    const [few, brief] = [freshRoom('few'), freshRoom('brief')];
    const [ada, mod] = [await native('ada'), await moderator()];
    for (const room of [few, brief]) {
      await ada.join(room);
      for (let i = 0; i < 5; i++) await ada.send(room, 'x');
    }
    await sleep(1100);
    for (const [room, seq] of [[few, 6], [few, 2 ** 53 - 1], [brief, 1]]) {
      await mod.refused('bad_request', 'delete', { room, seq });
      await ada.refused('forbidden', 'delete', { room, seq });
    }
    for (const seq of [0, -1, 1.5, '1', null, undefined]) await mod.refused('bad_request', 'delete', { room: few, seq });
    await mod.refused('no_such_room', 'delete', { room: freshRoom(), seq: 1 });
  });

  both('a deleted message\'s cid stays taken: a retry does not bring it back', async ({ native }) => {
    const room = freshRoom();
    const ada = await native('ada');
    await ada.join(room);
    const { seq } = await ada.send(room, 'x', { cid: 'c' });
    await done(ada, 'delete', { room, seq });
    const again = await ada.send(room, 'x', { cid: 'c' });
    assert.deepEqual([again.seq, again.dup], [seq, true]);
    assert.deepEqual((await ada.history(room)).messages, []);
  });

  both('all of a room, while its members talk: every number is told once', async ({ native, moderator }) => {
    const room = freshRoom();
    const mod = await moderator();
    const readers = await Promise.all(numbers(1, 4).map((i) => native(`r${i}`)));
    for (const chat of readers) await chat.join(room);
    const n = amount(300, 60);
    const writer = await native('ada');
    await writer.join(room);
    for (let i = 1; i <= n; i++) {
      const { seq } = await writer.send(room, `number ${i}`);
      if (i % 3 === 0) await done(mod, 'delete', { room, seq });
    }
    const late = await native('late');
    await late.join(room);
    for (const chat of [...readers, late]) {
      const seen = () => new Map(chat.events.filter(({ ev }) => ev === 'message' || ev === 'deleted').map(({ seq, ev }) => [seq, ev]));
      await chat.when(() => [...seen().values()].filter((ev) => ev === 'deleted').length === n / 3 && seen().size === n, 'all of them');
      for (const [seq, ev] of seen()) assert.equal(ev, seq % 3 ? 'message' : 'deleted', `number ${seq}`);
      const messages = chat.events.filter(({ ev }) => ev === 'message').map(({ seq }) => seq);
      assert.deepEqual(messages, [...new Set(messages)].sort((a, b) => a - b));
    }
    assert.deepEqual(late.events.filter(({ ev }) => ev === 'message' || ev === 'deleted').map(({ seq }) => seq), numbers(1, n));
  });

  /* kick */

  both('all of a user\'s sessions leave, on every shard and by every transport, and keep their other rooms', async ({ native, moderator, page }) => {
    const [room, other] = [freshRoom(), freshRoom()];
    const [ben, mod] = [await native('ben'), await moderator()];
    const adas = await Promise.all(Array.from({ length: SESSIONS }, () => native('ada')));
    const pages = await Promise.all(Object.values(TRANSPORTS).map((options) => page('ada', options)));
    for (const one of [ben, ...adas, ...pages]) {
      await one.join(room);
      await one.join(other);
    }
    await done(mod, 'kick', { room, uid: 'ada', seconds: 600 });
    for (const ada of adas) assert.deepEqual(await ada.next('closed'), { ev: 'closed', room, reason: 'kicked' });
    for (const one of pages) {
      await until(() => one.of('closed').length, 'closed');
      assert.deepEqual(one.of('closed'), [{ room, reason: 'kicked' }]);
    }
    const { uid, on, count } = await ben.next((event) => event.ev === 'member' && event.room === room && !event.on, 'its going');
    assert.deepEqual([uid, on, count], ['ada', false, 1]);
    for (const ada of adas) await ada.refused('not_joined', 'send', { room, text: 'x' });
    for (const one of pages) await one.refused('not_joined', 'message', { room, message: 'x' });
    await ben.send(room, 'without them');
    await ben.send(other, 'with them');
    for (const ada of adas) {
      assert.equal((await ada.next('message')).room, other);
      const { retry_ms } = await ada.refused('forbidden', 'join', { room });
      assert.ok(retry_ms > 500_000 && retry_ms <= 600_000, `${retry_ms}`);
    }
    for (const one of pages) {
      await one.heard(other, 1);
      assert.deepEqual(one.messages(room), []);
      const { retry_ms } = await one.refused('forbidden', 'join', { room });
      assert.ok(retry_ms > 500_000, `${retry_ms}`);
    }
    assert.equal((await ben.members(other)).count, 2);
    const again = await native('ada'); // a new session as well
    for (const op of ['join', 'history', 'members']) assert.ok((await again.refused('forbidden', op, { room })).retry_ms > 500_000);
    assert.equal((await again.members(other)).count, 2);
  });

  both('until the time is up, even if the room is empty meanwhile', async ({ native, moderator }) => {
    const room = freshRoom();
    const [ada, mod] = [await native('ada'), await moderator()];
    await ada.join(room);
    const start = Date.now();
    await done(mod, 'kick', { room, uid: 'ada', seconds: 2 });
    await ada.next('closed');
    let reply;
    await until(async () => {
      reply = await ada.ask('join', { room });
      if (reply.ev === 'joined') return true;
      assert.equal(reply.code, 'forbidden');
      assert.ok(reply.retry_ms > 0 && reply.retry_ms <= 2000, `${reply.retry_ms}`);
      await sleep(Math.min(reply.retry_ms, 500));
      return false;
    }, 'let in');
    assert.ok(Date.now() - start >= 1990, `after ${Date.now() - start} ms`);
    await ada.send(room, 'back');
  });

  both('without seconds it may come back at once; who is not there is kept out as well', async ({ native, moderator }) => {
    const room = freshRoom();
    const [ada, ben, mod] = [await native('ada'), await native('ben'), await moderator()];
    await ada.join(room);
    await done(mod, 'kick', { room, uid: 'ada' });
    await ada.next('closed');
    await ada.join(room);
    await done(mod, 'kick', { room, uid: 'ben', seconds: 600 });
    await ben.refused('forbidden', 'join', { room });
    await done(mod, 'kick', { room, uid: 'ben', seconds: 0 }); // lifted
    await ben.join(room);
    await done(mod, 'kick', { room, uid: 'nobody' });
    await ada.send(room, 'x');
    await mod.refused('no_such_room', 'kick', { room: freshRoom(), uid: 'ada', seconds: 5 });
  });

  both('a moderator may go by its own hand', async ({ moderator }) => {
    const room = freshRoom();
    const mod = await moderator();
    await mod.join(room);
    await done(mod, 'kick', { room, uid: 'mod' });
    assert.equal((await mod.next('closed')).reason, 'kicked');
  });

  both('uids alike are told apart', async ({ native, moderator }) => {
    const room = freshRoom();
    const subs = ['ada', 'ada ', 'Ada', 'adaa', 'ad', 'a'.repeat(128), '😀'];
    const chats = Object.fromEntries(await Promise.all(subs.map(async (sub) => [sub, await native(sub)])));
    for (const chat of Object.values(chats)) await chat.join(room);
    const mod = await moderator();
    for (const uid of ['ada', 'a'.repeat(128), '😀']) {
      await done(mod, 'kick', { room, uid, seconds: 60 });
      await chats[uid].next('closed');
      await chats[uid].refused('forbidden', 'join', { room });
    }
    await chats.Ada.send(room, 'x');
    for (const sub of ['ada ', 'Ada', 'adaa', 'ad']) assert.equal((await chats[sub].next('message')).text, 'x');
  });

  both('a page that is away while its user is kicked does not come back into the room', async ({ native, moderator, page }) => {
    await withProxy(at, async (proxy) => {
      const room = freshRoom();
      const [ben, mod] = [await native('ben'), await moderator()];
      await ben.join(room);
      const one = await page('ada', { url: proxy.url, ...TRANSPORTS['WebSocket only'] });
      await one.join(room);
      proxy.break();
      await one.disconnected();
      await done(mod, 'kick', { room, uid: 'ada', seconds: 600 });
      await ben.send(room, 'not for her');
      proxy.mend();
      await one.connected(2);
      assert.equal(one.connects[1].recovered, false);
      await one.refused('forbidden', 'join', { room });
      assert.deepEqual(one.messages(room), []);
      assert.equal((await ben.members(room)).count, 1);
    });
  });

  both('kicked and joining, again and again: it is in or out, and hears of it', async ({ native, moderator }) => {
    const room = freshRoom();
    const [ben, mod] = [await native('ben'), await moderator()];
    await ben.join(room);
    const adas = await Promise.all(Array.from({ length: SESSIONS }, () => native('ada')));
    const n = amount(60, 20);
    await Promise.all([
      ...adas.map(async (ada) => {
        for (let i = 0; i < n; i++) {
          const { ev, code } = await ada.ask('join', { room, history: 0 });
          assert.ok(ev === 'joined' || code === 'unavailable', code); // made to leave between question and answer
          await ada.ask('send', { room, text: 'x' }); // an ack, or not_joined
        }
      }),
      (async () => { for (let i = 0; i < n; i++) await done(mod, 'kick', { room, uid: 'ada' }); })(),
    ]);
    await done(mod, 'kick', { room, uid: 'ada', seconds: 60 });
    await until(async () => (await ben.members(room)).count === 1, 'all out');
    for (const ada of adas) {
      await ada.refused('not_joined', 'leave', { room });
      assert.ok(ada.take('closed').length >= 1);
    }
    await ben.next((event) => event.ev === 'member' && !event.on && event.count === 1, 'its last going');
  });

  /* mute */

  both('a muted user hears and does not speak, by any session, until the time is up', async ({ native, moderator, page }) => {
    const room = freshRoom();
    const [ben, mod, one] = [await native('ben'), await moderator(), await page('ada')];
    const adas = [await native('ada'), await native('ada')];
    for (const chat of [ben, one, ...adas]) await chat.join(room);
    await done(mod, 'mute', { room, uid: 'ada', seconds: 2 });
    const until_ms = Date.now() + 2000;
    for (const ada of adas) {
      const { retry_ms } = await ada.refused('muted', 'send', { room, text: 'x' });
      assert.ok(retry_ms > 0 && retry_ms <= 2000, `${retry_ms}`);
    }
    const { retry_ms } = await one.refused('muted', 'message', { room, message: 'x' });
    assert.ok(retry_ms > 0 && retry_ms <= 2000);
    await adas[1].refused('muted', 'typing', { room, on: true });
    await adas[0].leave(room);
    await adas[0].join(room);
    await adas[0].refused('muted', 'send', { room, text: 'x' });
    await ben.send(room, 'to all');
    assert.equal((await adas[1].next('message')).text, 'to all');
    await sleep(until_ms + 50 - Date.now());
    assert.equal((await adas[0].send(room, 'again')).seq, 2);
    await one.say(room, 'me too');
    assert.deepEqual((await ben.messages(room, 3)).map(({ text }) => text), ['to all', 'again', 'me too']);
  });

  both('0 lifts it, another time takes its place, and it is of this room alone', async ({ native, moderator }) => {
    const [room, other] = [freshRoom(), freshRoom()];
    const [ada, mod] = [await native('ada'), await moderator()];
    for (const one of [room, other]) await ada.join(one);
    await done(mod, 'mute', { room, uid: 'ada', seconds: 600 });
    await ada.refused('muted', 'send', { room, text: 'x' });
    await ada.send(other, 'x');
    await done(mod, 'mute', { room, uid: 'ada', seconds: 5 });
    assert.ok((await ada.refused('muted', 'send', { room, text: 'x' })).retry_ms <= 5000);
    await done(mod, 'mute', { room, uid: 'ada', seconds: 0 });
    await ada.send(room, 'x');
    for (const seconds of [undefined, -1, 1.5, '5', 2592001]) await mod.refused('bad_request', 'mute', { room, uid: 'ada', seconds });
    for (const uid of [undefined, '', 5, 'x'.repeat(129)]) await mod.refused('bad_request', 'mute', { room, uid, seconds: 5 });
  });

  both('what was said before it may still be said again, and be deleted', async ({ native, moderator }) => {
    const room = freshRoom();
    const [ada, mod] = [await native('ada'), await moderator()];
    await ada.join(room);
    const { seq } = await ada.send(room, 'x', { cid: 'c' });
    await done(mod, 'mute', { room, uid: 'ada', seconds: 60 });
    assert.deepEqual((({ seq: n, dup }) => [n, dup])(await ada.send(room, 'x', { cid: 'c' })), [seq, true]);
    await done(ada, 'delete', { room, seq });
  });

  /* close */

  both('everyone is told and out; the room begins anew; bans and mutes outlive it', async ({ native, moderator, page }) => {
    const room = freshRoom();
    const mod = await moderator();
    const chats = await Promise.all(['ada', 'ben', 'cem', 'dora'].map((sub) => native(sub)));
    const pages = await Promise.all(Object.values(TRANSPORTS).map((options) => page('eva', options)));
    for (const one of [...chats, ...pages, mod]) await one.join(room);
    const [ada, ben, cem] = chats;
    const { epoch } = await ada.join(room);
    await ada.send(room, 'all of this');
    await done(mod, 'kick', { room, uid: 'ben', seconds: 600 });
    await done(mod, 'mute', { room, uid: 'cem', seconds: 600 });
    await ben.next('closed');
    await done(mod, 'close', { room });
    for (const chat of [...chats.filter((one) => one !== ben), mod]) assert.deepEqual(await chat.next('closed'), { ev: 'closed', room, reason: 'closed' });
    for (const one of pages) {
      await until(() => one.of('closed').length, 'closed');
      assert.deepEqual(one.of('closed'), [{ room, reason: 'closed' }]);
      await one.refused('not_joined', 'message', { room, message: 'x' });
    }
    await ada.refused('not_joined', 'send', { room, text: 'x' });
    /* The few turns until all have left. */
    let joined;
    await until(async () => {
      joined = await ada.ask('join', { room, since: { epoch, seq: 1 } });
      return joined.ev === 'joined' || (assert.equal(joined.code, 'unavailable'), false);
    }, 'the next life');
    assert.notEqual(joined.epoch, epoch);
    assert.deepEqual([joined.seq, joined.first, joined.members, joined.recovered], [0, 1, 1, false]);
    await ben.refused('forbidden', 'join', { room });
    await cem.join(room);
    await cem.refused('muted', 'send', { room, text: 'x' });
    assert.equal((await ada.send(room, 'new')).seq, 1);
    const late = await pages[0].join(room);
    assert.deepEqual(late.chatHistory.map(({ message }) => message), ['new']);
  });

  both('a page that was away comes back to a room that has begun anew, and is told nothing of before', async ({ native, moderator, page }) => {
    await withProxy(at, async (proxy) => {
      const room = freshRoom();
      const [ben, mod] = [await native('ben'), await moderator()];
      await ben.join(room);
      const one = await page('ada', { url: proxy.url, ...TRANSPORTS['WebSocket only'] });
      await one.join(room);
      await ben.send(room, 'before');
      await one.heard(room, 1);
      proxy.break();
      await one.disconnected();
      await ben.send(room, 'missed');
      await done(mod, 'close', { room });
      await ben.next('closed');
      proxy.mend();
      await one.connected(2);
      assert.equal(one.connects[1].recovered, false);
      const { chatHistory } = await one.join(room);
      assert.deepEqual(chatHistory, []);
      assert.equal(one.messages(room).length, 1);
    });
  });

  both('an empty room with history closes too; one that is not there does not', async ({ native, moderator }) => {
    const room = freshRoom();
    const [ada, mod] = [await native('ada'), await moderator()];
    const { epoch } = await ada.join(room);
    await ada.send(room, 'x');
    await ada.leave(room);
    await done(mod, 'close', { room });
    await mod.refused('no_such_room', 'history', { room });
    await mod.refused('no_such_room', 'close', { room });
    assert.notEqual((await ada.join(room)).epoch, epoch);
  });

  both('closed again and again while its members talk and come back', async ({ native, moderator, page }) => {
    const room = freshRoom();
    const mod = await moderator();
    const chats = await Promise.all(numbers(1, SESSIONS).map((i) => native(`u${i}`)));
    const one = await page('eva', TRANSPORTS['WebSocket only']);
    let going = true;
    const talk = chats.map(async (chat) => {
      while (going) {
        const { ev, code } = await chat.ask('join', { room });
        assert.ok(ev === 'joined' || code === 'unavailable', code);
        for (let i = 0; i < 5; i++) {
          const reply = await chat.ask('send', { room, text: 'x' });
          assert.match(reply.ev === 'ack' ? 'ack' : reply.code, /^(ack|not_joined|unavailable)$/);
        }
      }
    });
    const listens = (async () => { while (going) await one.ask('join', { room }); })();
    for (let i = 0; i < amount(40, 10); i++) {
      const { ev, code } = await mod.ask('close', { room });
      assert.ok(ev === 'done' || code === 'no_such_room', code);
      await sleep(10);
    }
    going = false;
    await Promise.all([...talk, listens]);
    await mod.ask('close', { room });
    await until(async () => (await mod.ask('join', { room })).ev === 'joined', 'a new life');
    assert.equal((await mod.members(room)).count, 1);
    assert.equal((await mod.send(room, 'x')).seq, 1);
    /* Within one life numbers ascend. */
    for (const chat of chats) {
      let seq = 0;
      for (const event of chat.events.filter((one) => one.room === room)) {
        if (event.ev === 'closed') seq = 0;
        else if (event.ev === 'message') assert.ok(event.seq > seq, `${event.seq} after ${seq}`), seq = event.seq;
      }
    }
  });

  both('only moderators: everyone else is forbidden, and nothing is done', async ({ native }) => {
    const room = freshRoom();
    const [ada, ben] = [await native('ada'), await native('ben')];
    for (const chat of [ada, ben]) await chat.join(room);
    await ada.send(room, 'x');
    for (const [op, fields] of [['delete', { seq: 1 }], ['kick', { uid: 'ada' }], ['kick', { uid: 'ben' }], ['mute', { uid: 'ada', seconds: 5 }], ['mute', { uid: 'ada', seconds: 0 }], ['close', {}]])
      await ben.refused('forbidden', op, { room, ...fields });
    await ada.send(room, 'y');
    assert.deepEqual((await ben.messages(room, 2)).map(({ text }) => text), ['x', 'y']);
  });
}, { concurrency: 4 });

everyWay(last(WAYS), {}, (at) => {
  test('in open mode the author deletes, also on the next connection of the session; all else is forbidden', () => withClients(at, async (connect) => {
    const room = freshRoom();
    const [ada, ben] = [await connect(), await connect()];
    for (const chat of [ada, ben]) await chat.join(room);
    for (let i = 0; i < 3; i++) await ada.send(room, 'x');
    await ben.refused('forbidden', 'delete', { room, seq: 1 });
    await done(ada, 'delete', { room, seq: 1 });
    assert.deepEqual(await ben.next('deleted'), { ev: 'deleted', room, seq: 1 });
    await ada.close();
    const again = await connect({ path: `/ws?session=${ada.hello.sid}` });
    await done(again, 'delete', { room, seq: 2 });
    await ben.refused('forbidden', 'delete', { room, seq: 3 });
    for (const [op, fields] of [['kick', { uid: ben.uid }], ['mute', { uid: ben.uid, seconds: 1 }], ['close', {}]])
      await again.refused('forbidden', op, { room, ...fields });
    assert.deepEqual((await ben.history(room)).messages.map(({ seq }) => seq), [3]);
  }));
});
