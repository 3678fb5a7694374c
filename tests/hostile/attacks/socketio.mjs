/* Engine.IO sessions that are begun and left, and Socket.IO packets that lie. */

import { clientFrame } from '../../lib/raw.mjs';
import { IMPATIENT } from '../kinds.mjs';

const QUERY = 'EIO=4&transport=polling';
const get = (sid) => `GET /socket.io/?${QUERY}${sid ? `&sid=${sid}` : ''} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
const post = (sid, length, body) => `POST /socket.io/?${QUERY}&sid=${sid} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${length}\r\n\r\n${body}`;

/** A session's id, or null where the connection is gone. */
async function open(line) {
  line.heard = '';
  await line.request(get());
  await line.said('"maxPayload"');
  return /"sid":"([^"]+)"/.exec(line.heard)?.[1] ?? null;
}

/** On its own WebSocket, connected, and in a room. */
async function session(attack, options) {
  const line = await attack.ws({ path: '/socket.io/?EIO=4&transport=websocket', ...options });
  if (!line) return null;
  await line.frames(2, Buffer.concat([clientFrame(1, '40'), clientFrame(1, '42["join",{"room":"placeholders"}]')]));
  await line.said('joined');
  return line;
}

/** One packet on a fresh session, and what becomes of it. */
const packet = (about, ...frames) => ({
  ...about,
  run: (attack) => attack.workers(16, async () => {
    const line = await session(attack);
    if (!line) return;
    for (const [opcode, payload] of frames[attack.random.below(frames.length)]) await line.frame(opcode, payload);
    await line.ended(500);
    line.cut();
  }),
});

export default {
  'engine-handshakes': {
    what: 'handshakes whose sessions are never polled',
    kind: IMPATIENT,
    grown: 192,
    kept: 96,
    run: (attack) => attack.workers(8, async () => {
      const line = await attack.tls();
      if (!line) return;
      for (let i = 0; i < 100 && attack.going && !line.over; i++) {
        line.heard = '';
        await line.request(get().repeat(20), 20);
        await line.ended(20);
      }
      line.cut();
    }),
  },
  'piled-polls': {
    what: 'hundreds of sessions whose GETs wait, and second GETs on top',
    kind: IMPATIENT,
    grown: 160,
    run: (attack) => attack.hold(300, () => attack.tls(), async (line) => {
      const sid = await open(line);
      if (!sid) return line.ended();
      line.request(post(sid, 2, '40'));
      for (let i = 0; i < 3; i++) line.request(get(sid));
      const other = attack.random.below(3) ? null : await attack.tls({ quiet: true });
      other?.request(get(sid));
      await line.ended(2000);
      other?.cut();
    }),
  },
  'slow-posts': {
    what: 'bodies of POSTs, a byte at a time',
    kind: IMPATIENT,
    grown: 128,
    run: (attack) => attack.hold(200, () => attack.tls(), async (line) => {
      const sid = await open(line);
      if (!sid) return line.ended();
      line.request(post(sid, 60_000, '40'));
      while (attack.going && !line.over) {
        line.write('x');
        await attack.sleep(100);
      }
    }),
  },
  'abandoned-upgrades': {
    what: 'upgrades that stop after the probe, several for one session',
    kind: IMPATIENT,
    grown: 192,
    kept: 96,
    run: (attack) => attack.workers(16, async () => {
      const line = await attack.tls();
      const sid = line && await open(line);
      if (!sid) return line?.cut();
      line.request(get(sid));
      for (let i = 0; i < 3; i++) {
        const probe = await attack.ws({ path: `/socket.io/?EIO=4&transport=websocket&sid=${sid}` });
        await probe?.frame(1, ['2probe', '2probe', '2', 'x'][attack.random.below(4)]);
        if (attack.random.below(2)) await probe?.said('3probe', 200);
        if (attack.random.below(2)) probe?.cut();
      }
      if (attack.random.below(2)) line.cut();
    }),
  },
  'connect-churn': {
    what: 'CONNECT and DISCONNECT by the thousand, in one POST and in one segment',
    kind: IMPATIENT,
    grown: 96,
    run: (attack) => attack.workers(8, async (i) => {
      if (i % 2) {
        const line = await attack.ws({ path: '/socket.io/?EIO=4&transport=websocket' });
        const pairs = Buffer.concat(Array.from({ length: 500 }, () => [clientFrame(1, '40'), clientFrame(1, '42["join","churned"]'), clientFrame(1, '41')]).flat());
        while (line && attack.going && !line.over) await line.frames(1500, pairs);
        return line?.cut();
      }
      const line = await attack.tls();
      const sid = line && await open(line);
      if (sid) {
        const body = `${'40\x1e42["join","churned"]\x1e41\x1e'.repeat(1500)}40`;
        await line.request(post(sid, body.length, body));
        line.request(get(sid));
        await line.ended(500);
      }
      line?.cut();
    }),
  },
  'packed-posts': {
    what: 'bodies full of the smallest packets',
    kind: IMPATIENT,
    run: (attack) => attack.workers(8, async (i) => {
      const line = await attack.tls();
      const sid = line && await open(line);
      const body = [`40\x1e${'3\x1e'.repeat(30_000)}3`, `40\x1e${'42["x"]\x1e'.repeat(7000)}42["x"]`, `40\x1e${'420["leave",""]\x1e'.repeat(3500)}420["leave",""]`, '\x1e'.repeat(60_000)][i % 4];
      for (let n = 0; sid && n < 20 && attack.going && !line.over; n++) {
        line.heard = '';
        await line.request(post(sid, body.length - (n && 3), body.slice(n && 3)));
        await line.said('HTTP/1.1', 2000);
      }
      line?.cut();
    }),
  },
  attachments: packet({ what: 'attachments announced by the million, and too many of them' },
    [[1, '451000000-["message",{"_placeholder":true,"num":0}]']], [[1, `45${'9'.repeat(15_000)}-["message"]`]], [[1, '4510-["message",{"_placeholder":true,"num":0}]'], [2, 'x'.repeat(16_000)], [2, 'y'.repeat(16_000)]],
    [[1, '4511-["message",{"_placeholder":true,"num":0}]']], [[1, '451-']], [[1, '45-["x"]']]),
  placeholders: packet({ what: 'placeholders without attachments, for ones that do not exist, and thousands of them' },
    [[1, '42["message",{"room":"placeholders","message":{"_placeholder":true,"num":0}}]']], [[1, '451-["message",{"_placeholder":true,"num":1e9}]'], [2, 'x']],
    [[1, `451-["message",[${'{"_placeholder":true,"num":0},'.repeat(400)}0]]`], [2, 'x'.repeat(10_000)]], [[1, '450-["message",{"_placeholder":true,"num":-1}]']],
    [[1, '4510-["message"]']], [[2, 'x'], [2, 'y']]),
};
