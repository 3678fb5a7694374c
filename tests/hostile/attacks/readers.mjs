/* Members that do not read. */

const PAD = 'x'.repeat(4000);
const STALLED = 300;

export default {
  'stalled-readers': {
    what: `${STALLED} members of two busy rooms, the honest one among them, stop reading; some are cut, the rest reads on`,
    grown: 192,
    kept: 128,
    async run(attack) {
      const lines = (await Promise.all(Array.from({ length: STALLED }, async () => {
        const line = await attack.ws();
        line?.ask({ op: 'join', id: 1, room: 'busy' });
        line?.ask({ op: 'join', id: 2, room: 'honest' });
        await line?.said('"re":2');
        line?.pause();
        return line;
      }))).filter(Boolean);
      const quarter = attack.left() / 4;
      const talk = attack.workers(12, async () => { // 20 a second is what each may say
        const line = await attack.ws();
        if (!line) return;
        line.ask({ op: 'join', id: 1, room: 'busy', history: 0 });
        while (attack.going && !line.over) {
          await line.ask({ op: 'send', room: 'busy', text: PAD });
          await attack.sleep(60);
        }
      });
      await attack.sleep(2 * quarter);
      for (const line of lines.splice(0, STALLED / 3)) attack.random.below(2) ? line.reset() : line.cut();
      for (const line of lines.splice(0, STALLED / 3)) line.resume();
      await talk;
    },
  },
  'trickling-readers': {
    what: '100 members of a busy room read a little now and then',
    grown: 128,
    run: (attack) => Promise.all([
      attack.hold(100, async () => {
        const line = await attack.ws();
        line?.ask({ op: 'join', id: 1, room: 'honest' });
        line?.ask({ op: 'join', id: 2, room: 'trickle' });
        return line;
      }, async (line) => {
        line.pause();
        await attack.sleep(300 + attack.random.below(300));
        line.resume();
        await attack.sleep(1);
      }),
      attack.workers(8, async () => {
        const line = await attack.ws();
        if (!line) return;
        line.ask({ op: 'join', id: 1, room: 'trickle', history: 0 });
        while (attack.going && !line.over) {
          await line.ask({ op: 'send', room: 'trickle', text: PAD });
          await attack.sleep(60);
        }
      }),
    ]),
  },
};
