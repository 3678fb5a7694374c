/* The server's memory for messages, run full. */

import { FULL } from '../kinds.mjs';

const PAD = 'x'.repeat(16_000);

export default {
  'memory-full': {
    what: 'rooms filled until limits.memory is reached, for as long as it lasts',
    kind: FULL,
    refuses: true, // honest messages too, while it is full
    grown: 128,
    run: (attack) => attack.workers(16, async (i) => {
      const line = await attack.ws();
      if (!line) return;
      const room = `fill-${i}`;
      line.ask({ op: 'join', id: 1, room, history: 0 });
      for (let n = 0; attack.going && !line.over; n++) {
        line.heard = '';
        await line.ask({ op: 'send', id: n, room, text: PAD });
        await line.said(`"re":${n},`, 5000);
        attack.saw(/"code":"(\w+)"/.exec(line.heard)?.[1] ?? 'stored');
      }
      line.cut();
    }),
  },
};
