/* Connections that are opened, held and dropped. */

import { GUARDED } from '../kinds.mjs';

const HELLO = Buffer.concat([Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]), Buffer.alloc(501, 0x2a)]); // a ClientHello's beginning
const HEAD = `GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n${'X-Slow: and slow\r\n'.repeat(100)}`;

/** A byte of it at a time. */
const drip = async (line, bytes, attack) => {
  for (let i = 0; i < bytes.length && attack.going && !line.over; i++) {
    line.write(bytes.slice(i, i + 1));
    await attack.sleep(100);
  }
  await line.ended();
};

export default {
  'slow-heads': {
    what: 'request heads, a byte at a time, over TLS',
    grown: 128,
    run: (attack) => attack.hold(300, () => attack.tls(), (line) => drip(line, HEAD, attack)),
  },
  'slow-hellos': {
    what: 'TLS ClientHellos, a byte at a time',
    grown: 96,
    run: (attack) => attack.hold(500, () => attack.tcp(), (line) => drip(line, HELLO, attack)),
  },
  silent: {
    what: 'connections that say nothing, half of them after a TLS handshake',
    grown: 128,
    run: (attack) => attack.hold(600, () => (attack.random.below(2) ? attack.tcp() : attack.tls()), (line) => line.ended()),
  },
  'one-address': {
    what: 'as many connections as one address gets, up to 2000, that say nothing',
    addresses: 'one',
    grown: 192,
    run: (attack) => attack.hold(2000, () => attack.tcp(), (line) => line.ended()),
  },
  'one-address-guarded': {
    what: 'handshakes, bad requests and silent connections from one address, where those have limits',
    kind: GUARDED,
    addresses: 'one',
    run: (attack) => attack.workers(200, async (i) => {
      const line = await attack.tls();
      if (!line) return attack.sleep(20);
      await line.request('GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'.repeat(5), 5);
      await (i < 100 ? line.ended() : line.said('HTTP/1.1'));
      line.cut();
    }),
  },
  churn: {
    what: 'connect, upgrade, join, and cut, again and again; with TLS, and without it by RST',
    run: (attack) => attack.workers(16, async () => {
      const line = await attack.ws({ quiet: true, plain: attack.random.below(2) === 1 });
      if (!line) return;
      line.ask({ op: 'join', id: 1, room: 'honest', history: 100 });
      if (attack.random.below(2)) await line.said('"joined"');
      line.reset();
    }),
  },
  'reset-at-once': {
    what: 'TCP connections that are reset as soon as they stand, or in the middle of what they say',
    grown: 384, // a server that gets little of the processor has thousands of them open at once
    run: (attack) => attack.workers(32, async () => {
      const line = await attack.tcp({ plain: attack.random.below(2) === 1, quiet: true });
      if (!line) return;
      if (attack.random.below(2)) line.write([HELLO, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'][attack.random.below(2)]);
      if (attack.random.below(2)) await attack.sleep(attack.random.below(5));
      line.reset();
    }),
  },
  'half-closed': {
    what: 'FIN after half a head, a head, an upgrade or half a frame, while the other direction is held open',
    grown: 128,
    run: (attack) => attack.hold(300, () => attack.tcp({ plain: true }), async (line) => {
      const stage = attack.random.below(4);
      if (stage === 0) line.write('GET /ws HTTP/1.1\r\nHo');
      if (stage === 1) line.request('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
      if (stage > 1) await line.upgrade('/ws');
      if (stage === 3) line.frame(1, '{"op":"ping"}', { length: 1000 });
      line.finish();
      await line.ended();
    }),
  },
};
