/* Who is in a room: sessions, member and typing events, presence in crowds. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshRoom, withClients } from '../lib/client.mjs';
import { everyWay, last, WAYS } from '../lib/server.mjs';

everyWay(last(WAYS), { 'presence.max': 5 }, (at) => {
  test('the others are told who came and who went; the one who comes is not told of itself', () => withClients(at, async (connect) => {
    const [a, b] = [await connect(), await connect()];
    const room = freshRoom();
    await a.join(room, { name: 'Ada' });
    assert.equal((await b.join(room, { name: 'Ben' })).members, 2);
    assert.deepEqual(await a.next('member'), { ev: 'member', room, uid: b.uid, name: 'Ben', on: true, count: 2 });
    await b.leave(room);
    assert.deepEqual(await a.next('member'), { ev: 'member', room, uid: b.uid, name: 'Ben', on: false, count: 1 });
    await Promise.all([a.ping(), b.ping()]);
    assert.deepEqual([...a.take('member'), ...b.take('member')], []);
  }));

  test('a connection that breaks or closes has left its rooms', () => withClients(at, async (connect) => {
    const [a, b, c] = [await connect(), await connect(), await connect()];
    const rooms = [freshRoom(), freshRoom()];
    for (const room of rooms) for (const chat of [a, b, c]) await chat.join(room);
    b.cut();
    for (const room of rooms)
      await a.next((event) => event.ev === 'member' && event.room === room && event.uid === b.uid && !event.on, 'the broken one\'s going');
    await c.close();
    for (const room of rooms)
      await a.next((event) => event.ev === 'member' && event.room === room && event.uid === c.uid && !event.on, 'the closed one\'s going');
    assert.equal((await a.members(rooms[0])).count, 1);
  }));

  test('members lists everyone with name and sessions', () => withClients(at, async (connect) => {
    const [a, b, reader] = [await connect(), await connect(), await connect()];
    const room = freshRoom();
    await a.join(room, { name: 'Ada' });
    await b.join(room);
    const { count, members, room: of } = await reader.members(room);
    assert.equal(of, room);
    assert.equal(count, 2);
    const byUid = Object.fromEntries(members.map((member) => [member.uid, member]));
    assert.deepEqual(byUid, { [a.uid]: { uid: a.uid, name: 'Ada', sessions: 1 }, [b.uid]: { uid: b.uid, name: b.uid, sessions: 1 } });
  }));

  test('names may differ from room to room, and are as they were given', () => withClients(at, async (connect) => {
    const chat = await connect();
    const [first, second] = [freshRoom(), freshRoom()];
    await chat.join(first, { name: 'Ada "the \\ 1st" <b>🦜' });
    await chat.join(second, { name: 'Other' });
    assert.equal((await chat.members(first)).members[0].name, 'Ada "the \\ 1st" <b>🦜');
    assert.equal((await chat.members(second)).members[0].name, 'Other');
  }));

  test('typing reaches the others, never the sender, and is not stored', () => withClients(at, async (connect) => {
    const [a, b, outside] = [await connect(), await connect(), await connect()];
    const room = freshRoom();
    await a.join(room, { name: 'Ada' });
    await b.join(room);
    await outside.join(freshRoom());
    for (const on of [true, false]) {
      assert.equal((await a.ask('typing', { room, on })).ev, 'done');
      assert.deepEqual(await b.next('typing'), { ev: 'typing', room, uid: a.uid, from: 'Ada', on });
    }
    await Promise.all([a.ping(), outside.ping()]);
    assert.deepEqual([...a.take('typing'), ...outside.take('typing')], []);
    const late = await connect();
    assert.equal((await late.join(room)).seq, 0);
    await late.ping();
    assert.deepEqual(late.take('typing'), []);
  }));

  test('a newcomer gets no presence of the time before it', () => withClients(at, async (connect) => {
    const [a, b, c] = [await connect(), await connect(), await connect()];
    const room = freshRoom();
    await a.join(room);
    await b.join(room);
    await b.leave(room);
    await c.join(room);
    await c.ping();
    assert.deepEqual(c.take('member'), []);
  }));

  test('above the presence limit only counts are told, and in the end the right one', () => withClients(at, async (connect) => {
    const room = freshRoom();
    const first = await connect();
    await first.join(room);
    const crowd = await Promise.all(Array.from({ length: 11 }, () => connect()));
    for (const chat of crowd) await chat.join(room);
    const counted = await first.next((event) => event.ev === 'member' && event.count === 12 && !('uid' in event), 'the count of the crowd');
    assert.deepEqual(Object.keys(counted).sort(), ['count', 'ev', 'room']);
    const told = first.take('member');
    assert.ok(told.filter(({ uid }) => uid).every(({ count }) => count <= 5), JSON.stringify(told));
    for (const chat of crowd.splice(0, 3)) chat.cut();
    await first.next((event) => event.ev === 'member' && event.count === 9 && !('uid' in event), 'the count after three have gone');
    for (const chat of crowd) chat.cut();
    await first.next((event) => event.ev === 'member' && event.count === 1, 'the count when all have gone');
  }));
}, { concurrency: 4 });
