/* Requests by the thousand, each of them allowed. */

import { TOKENS } from '../kinds.mjs';

const OUTSTANDING = 50; // requests whose answers are still due

/** A request of `make` after the other on `n` connections. */
const requests = (n, make, { enter = async () => {}, ...about }) => ({
  ...about,
  run: (attack) => attack.workers(n, async (i) => {
    const line = await attack.ws();
    if (!line) return;
    await enter(line, attack);
    for (let sent = 0; attack.going && !line.over;) {
      line.heard = '';
      for (let k = 0; k < OUTSTANDING; k++) line.ask({ id: sent + k, ...make(sent + k, i, attack) });
      sent += OUTSTANDING;
      await line.said(`"re":${sent - 1}`, 5000);
      if (/"code":"(\w+)"/.test(line.heard)) attack.saw(/"code":"(\w+)"/.exec(line.heard)[1]);
    }
    line.cut();
  }),
});

const join = (room) => async (line) => {
  line.ask({ op: 'join', id: 'in', room, history: 0 });
  await line.said('"re":"in"');
};

let rooms = 0;

export default {
  'join-churn': requests(12, (n, i) => ({ op: n % 2 ? 'leave' : 'join', room: `room-${((n >> 1) + i * 997) % 5000}` }),
    { what: 'join and leave, over five thousand rooms' }),
  'presence-noise': requests(8, (n) => ({ op: n % 2 ? 'leave' : 'join', room: 'honest', history: 0 }),
    { what: 'join and leave of the room of the honest' }),
  'room-creation': {
    what: 'room after room, each with a message, and left',
    grown: 384, // rooms that hold a message are kept: only limits.memory bounds them
    kept: 384,
    run: (attack) => attack.workers(64, async () => {
      const line = await attack.ws();
      if (!line) return;
      for (let sent = 0; sent < 40 && attack.going && !line.over; sent++) { // a connection's burst
        const room = `made-${++rooms}`;
        line.ask({ op: 'join', id: 1, room });
        line.ask({ op: 'send', id: 2, room, text: 'x' });
        line.ask({ op: 'leave', id: 3, room });
      }
      await line.said('"left"');
      line.cut();
    }),
  },
  'history-flood': requests(8, () => ({ op: 'history', room: 'honest', limit: 1000 }), { what: 'the whole history, again and again' }),
  'members-flood': requests(8, () => ({ op: 'members', room: 'honest' }), { what: 'the list of members, again and again' }),
  'typing-flood': requests(8, (n) => ({ op: 'typing', room: 'honest', on: n % 2 === 0 }),
    { what: 'typing in the room of the honest, far beyond the rate', enter: join('honest') }),
  'send-flood': requests(8, (n) => ({ op: 'send', room: 'honest', text: `${n}` }),
    { what: 'messages to the room of the honest, far beyond the rate, until closed', enter: join('honest') }),
  'cid-flood': requests(32, (n, i) => ({ op: 'send', room: 'cids', text: 'x', cid: `${i}-${n % 7}-${'c'.repeat(50)}` }),
    { what: 'messages with marks of their own, new and known ones', enter: join('cids') }),
  'bad-tokens': {
    what: 'tokens with wrong signatures, of wrong form and of 8 kB, on connections and in upgrades',
    kind: TOKENS,
    run: (attack) => {
      const [head, claims, signature] = attack.token.split('.');
      const bad = () => [`${head}.${claims}.${'A'.repeat(signature.length)}`, `${head}.${'x'.repeat(8000)}.${signature}`, '.'.repeat(8000),
        `${Buffer.from('{"alg":"none"}').toString('base64url')}.${claims}.`, 'x'][attack.random.below(5)];
      return attack.workers(12, async () => {
        const line = await attack.tls();
        const upgrade = attack.random.below(8) === 0;
        if (!line || !await line.upgrade('/ws', upgrade ? `Authorization: Bearer ${bad()}\r\n` : '') || upgrade) return line?.cut();
        for (let sent = 0; attack.going && !line.over; sent += OUTSTANDING) {
          for (let k = 0; k < OUTSTANDING; k++) line.ask({ op: 'auth', id: sent + k, token: bad() });
          if (await line.said(`"re":${sent + OUTSTANDING - 1},`, 5000)) attack.saw('unauthorized');
          line.heard = '';
        }
        line.cut();
      });
    },
  },
  'forbidden-rooms': requests(8, (n) => ({ op: ['join', 'history', 'kick', 'close', 'mute'][n % 5], room: 'honest', uid: 'honest', seconds: 1 }),
    { what: 'kick, mute and close without the right to', kind: TOKENS }),
};
