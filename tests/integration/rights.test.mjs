/* What a token allows, room by room: read, write, moderate. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshRoom, withClients } from '../lib/client.mjs';
import { everyWay, last } from '../lib/server.mjs';
import { withPages } from '../lib/socketio.mjs';
import { AUTH, bearer, mint } from '../lib/token.mjs';

const WAYS = [{ shards: 1, tls: false }, { shards: 4, tls: true }];

/** Every set of rights. */
const SETS = Array.from({ length: 8 }, (_, bits) => ['read', 'write', 'moderate'].filter((_right, i) => bits & (1 << i)).join(' '));

/** Done, or refused with `forbidden`, as it is said. */
async function allowed(chat, may, op, fields) {
  const reply = await chat.ask(op, fields);
  assert.equal(reply.code, may ? undefined : 'forbidden', `${op}: ${JSON.stringify(reply)}`);
}

everyWay(last(WAYS), AUTH, (at) => {
  const both = (name, use) => test(name, () => withPages(at, (open) => withClients(at, (connect) => use({ open, connect }))));

  for (const can of SETS) {
    both(`with "${can}" goes what it says, and nothing else`, async ({ connect }) => {
      const room = freshRoom();
      const [read, write, moderate] = ['read', 'write', 'moderate'].map((right) => can.includes(right));
      const ben = await connect(bearer(await mint({ sub: 'ben' })));
      await ben.join(room);
      await ben.send(room, 'from ben');
      const ada = await connect(bearer(await mint({ can: { [room]: can } })));
      await allowed(ada, read, 'join', { room });
      await allowed(ada, read, 'history', { room });
      await allowed(ada, read, 'members', { room });
      if (read) {
        await allowed(ada, write, 'typing', { room, on: true });
        await allowed(ada, write, 'send', { room, text: 'from ada' });
        if (write) await allowed(ada, true, 'delete', { room, seq: 2 });
      } else {
        await ada.refused('not_joined', 'send', { room, text: 'x' });
        await ada.refused('not_joined', 'typing', { room, on: true });
      }
      await ada.ping();
      assert.equal(ada.take('message').length > 0, read, 'who may not read hears nothing');
      await allowed(ada, moderate, 'delete', { room, seq: 1 });
      await allowed(ada, moderate, 'mute', { room, uid: 'ben', seconds: 0 });
      await allowed(ada, moderate, 'kick', { room, uid: 'ben' });
      await allowed(ada, moderate, 'close', { room });
      await allowed(ada, false, 'join', { room: `${room}-other` });
      await allowed(ada, false, 'close', { room: `${room}-other` });
    });
  }

  both('patterns match any run of characters; of several entries all that any allows counts', async ({ connect }) => {
    const chat = await connect(bearer(await mint({ can: { 'game-*': 'read', 'game-7': 'write', '*-hall': 'read write', 'a*b*c': 'read', 'exact': 'read' } })));
    for (const [room, read, write] of [['game-', true, false], ['game-1', true, false], ['game-7', true, true], ['game-77', true, false],
      ['Game-1', false, false], ['xgame-1', false, false], ['-hall', true, true], ['the-hall', true, true], ['the-halls', false, false],
      ['game-hall', true, true], ['abc', true, false], ['a..b..c', true, false], ['acb', false, false], ['exact', true, false], ['exac', false, false],
      ['exact ', false, false], ['game-*', true, false], ['*', false, false]]) {
      await allowed(chat, read, 'join', { room });
      if (read) await allowed(chat, write, 'send', { room, text: 'x' });
    }
  });

  both('without any entry every room is closed', async ({ connect }) => {
    const chat = await connect(bearer(await mint({ can: {} })));
    for (const room of ['a', '*', '']) await chat.refused(room ? 'forbidden' : 'bad_request', 'join', { room });
  });

  both('what one may not read tells nothing of whether it is there', async ({ connect }) => {
    const room = freshRoom();
    await (await connect(bearer(await mint({ sub: 'ben' })))).join(room);
    const chat = await connect(bearer(await mint({ can: { other: 'read write moderate' } })));
    for (const [op, fields] of [['join', {}], ['history', {}], ['members', {}], ['delete', { seq: 1 }], ['kick', { uid: 'ben' }], ['close', {}]]) {
      const [there, not] = [await chat.refused('forbidden', op, { room, ...fields }), await chat.ask(op, { room: freshRoom(), ...fields })];
      assert.deepEqual([not.code, not.message], [there.code, there.message], op);
    }
  });

  both('Socket.IO: the same rights', async ({ open, connect }) => {
    const [quiet, none] = [freshRoom('quiet'), freshRoom('none')];
    const page = await open({ auth: { token: await mint({ can: { 'quiet-*': 'read', 'none-*': 'write moderate' } }) } });
    await page.join(quiet);
    await page.refused('forbidden', 'message', { room: quiet, message: 'x' });
    await page.refused('forbidden', 'join', { room: none });
    page.socket.emit('join', { room: none });
    page.socket.emit('message', { room: quiet, message: 'x' });
    const ben = await connect(bearer(await mint({ sub: 'ben' })));
    await ben.join(quiet);
    await ben.join(none);
    await ben.send(none, 'not for her');
    await ben.send(quiet, 'for her');
    assert.deepEqual((await page.heard(quiet, 1)).map(({ message, uid }) => [message, uid]), [['for her', 'ben']]);
    assert.deepEqual(page.messages(none), []);
    assert.deepEqual(page.of('error').map(({ event, code }) => [event, code]), [['join', 'forbidden'], ['message', 'forbidden']]);
    assert.deepEqual((await ben.members(none)).members.map(({ uid }) => uid), ['ben']);
  });
}, { concurrency: 4 });
