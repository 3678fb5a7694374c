/* WebSocket frames: small ones by the thousand, large ones that never come, and what was not agreed. */

import { clientFrame } from '../../lib/raw.mjs';

/** The same bytes, which are `frames` frames, as fast as they are taken. */
const flood = (lines, frames, bytes, { reads = true } = {}) => (attack) => attack.hold(lines, () => attack.ws(), async (line) => {
  if (!reads) line.pause();
  await line.frames(frames, bytes);
  await attack.sleep(0);
});

const times = (n, frame) => Buffer.concat(Array.from({ length: n }, () => frame));
const PINGS = times(500, clientFrame(9, 'x'.repeat(125)));

export default {
  'one-byte-fragments': {
    what: 'messages in fragments of one byte',
    run: flood(16, 1000, Buffer.concat([clientFrame(1, '{', { fin: 0 }), times(998, clientFrame(0, ' ', { fin: 0 })), clientFrame(0, '}')])),
  },
  'unfinished-messages': {
    what: 'fragments of one byte, and nearly whole messages, that are never finished',
    grown: 96,
    run: (attack) => attack.hold(400, () => attack.ws(), async (line) => {
      await line.frame(1, '{"op":"send","room":"', { fin: 0 });
      if (attack.random.below(2)) await line.frame(0, 'x'.repeat(16000), { fin: 0 });
      else await line.frames(1000, times(1000, clientFrame(0, 'x', { fin: 0 })));
      await line.ended();
    }),
  },
  pings: { what: 'pings of 125 bytes, the pongs read', run: flood(16, 500, PINGS) },
  'pings-unread': { what: 'pings of 125 bytes, the pongs not read', run: flood(64, 500, PINGS, { reads: false }) },
  pongs: { what: 'pongs that nobody asked for', run: flood(16, 2000, times(2000, clientFrame(10))) },
  'empty-frames': {
    what: 'empty text messages, and messages of empty fragments',
    run: (attack) => {
      const empty = times(500, clientFrame(1));
      const fragments = Buffer.concat([clientFrame(1, '', { fin: 0 }), times(2000, clientFrame(0, '', { fin: 0 }))]);
      return attack.hold(16, () => attack.ws(), async (line) => {
        await (attack.random.below(4) ? line.frames(500, empty) : line.frames(2001, Buffer.concat([fragments, clientFrame(0)])));
        await attack.sleep(0);
      });
    },
  },
  announced: {
    what: 'frames of up to 2^63 bytes announced, few sent',
    run: (attack) => attack.workers(24, async () => {
      const line = await attack.ws();
      if (!line) return;
      const length = [2 ** 63 - 2 ** 10, 2 ** 62, 2 ** 32, 2 ** 31, 2 ** 24, 16384, 16385][attack.random.below(7)];
      await line.frame(1 + attack.random.below(2), 'x'.repeat(100), { length, fin: attack.random.below(2) });
      if (length > 16384) await line.ended(2000);
      line.cut();
    }),
  },
  compression: {
    what: 'compression offered, and compressed frames and other reserved bits sent all the same',
    run: (attack) => attack.workers(24, async () => {
      const offers = ['permessage-deflate', 'permessage-deflate; client_max_window_bits=99; server_no_context_takeover', `${'permessage-deflate, '.repeat(200)}x`, 'permessage-bzip2; a="\\""', ';;;,,,='];
      const line = await attack.ws({ fields: `Sec-WebSocket-Extensions: ${offers[attack.random.below(offers.length)]}\r\n` });
      if (!line) return;
      if (/sec-websocket-extensions/i.test(line.heard)) attack.saw('an extension agreed to');
      await line.frame([1, 0, 9, 10, 3, 11][attack.random.below(6)], attack.random.bytes(100), { rsv: 1 + attack.random.below(7) });
      await line.ended(2000);
      line.cut();
    }),
  },
};
