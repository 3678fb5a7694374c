/* What can be done within TLS. */

import { handshake, keyUpdates, seal } from '../tls13.mjs';

const record = (type, payload, said = payload.length) => Buffer.concat([Buffer.from([type, 3, 3, said >> 8, said & 255]), payload]);

export default {
  'tls-garbage': {
    what: 'random bytes and random, empty, unending and misplaced records, in place of a handshake',
    run: (attack) => attack.workers(24, async () => {
      const { random } = attack;
      const line = await attack.tcp();
      if (!line) return;
      const many = (n, make) => Buffer.concat(Array.from({ length: n }, (_, i) => make(i)));
      line.write([
        () => random.bytes(1 + random.below(2000)),
        () => record(22, random.bytes(random.below(600))),
        () => record(22, random.bytes(100), 0xffff),
        () => record(23, random.bytes(16_000)),
        () => many(200, () => record(21, Buffer.from([1, 90]))), // warnings
        () => many(200, () => record(22, Buffer.alloc(0))),
        () => many(200, () => record(20, Buffer.from([1]))), // ChangeCipherSpec
        () => many(40, (i) => record(22, i ? Buffer.alloc(16384, 1) : Buffer.from([1, 0xff, 0xff, 0xff]))), // a hello of 16 MB
      ][random.below(8)]());
      if (random.below(2)) await line.ended(1000);
      line.cut();
    }),
  },
  'tls-garbage-inside': {
    what: 'a handshake, then records that cannot be opened',
    run: (attack) => attack.workers(12, async () => {
      const line = await attack.tls();
      if (!line) return;
      line.under.write(record(23, attack.random.bytes(1 + attack.random.below(3000))));
      await line.ended(2000);
      line.cut();
    }),
  },
  'tls-handshakes': {
    what: 'whole handshakes without resumption, as fast as it goes',
    run: (attack) => attack.workers(24, async () => {
      const line = await attack.tls({ quiet: true, ...(attack.random.below(2) ? { maxVersion: 'TLSv1.2' } : {}) });
      line?.cut();
    }),
  },
  'key-updates': {
    what: 'TLS 1.3 KeyUpdates that ask for one in return, between requests and alone, the answers not read',
    run: (attack) => attack.workers(8, async (i) => {
      const line = await attack.tcp();
      let keys = line && await handshake(line);
      if (!keys) return line?.cut();
      if (i % 2) line.pause();
      while (attack.going && !line.over) {
        if (i % 4 > 1) await line.request(seal(keys, 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'));
        const { bytes, keys: next } = keyUpdates(keys, 100);
        keys = next;
        await line.frames(100, bytes);
        await attack.sleep(0);
      }
      line.cut();
    }),
  },
  renegotiation: {
    what: 'a TLS 1.2 client that asks for renegotiation, again and again',
    run: (attack) => attack.workers(8, async () => {
      const line = await attack.tls({ maxVersion: 'TLSv1.2' });
      if (!line) return;
      for (let i = 0; i < 100 && !line.over && attack.going; i++) {
        const answered = new Promise((done) => { if (!line.socket.renegotiate({}, done)) done(); });
        attack.tally.requests++;
        await Promise.race([answered, line.ended()]);
      }
      await line.ended(1000);
      line.cut();
    }),
  },
};
