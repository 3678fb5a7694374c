/* attacker.mjs - one attack, in a process of its own, so that what it costs the attacker is not taken for
 * what it costs the server's clients. It runs until its time is up, reports, cuts all it has open, ends. */

import net from 'node:net';
import nodeTls from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { seeded } from '../lib/wait.mjs';
import { Line } from './line.mjs';

/** What an attack is given. */
class Attack {
  tally = { connections: 0, bytes: 0, frames: 0, requests: 0 };
  answers = new Map(); // what the server did: how often
  lines = new Set(); // open connections
  random = seeded();

  constructor({ ports, ca, token, addresses }) {
    Object.assign(this, { ports, ca, token, addresses });
  }

  begin(ms) { this.end = performance.now() + ms; }

  get going() { return performance.now() < this.end; }
  left() { return Math.max(0, this.end - performance.now()); }
  sleep(ms) { return sleep(Math.min(ms, this.left())); }
  saw(what) { this.answers.set(what, (this.answers.get(what) ?? 0) + 1); }

  /** An address to come from: always the same one, or any of many. */
  address() { return this.addresses === 'one' ? '127.0.0.2' : `127.66.${this.random.below(256)}.${1 + this.random.below(250)}`; }

  #open(ready, quiet, make) {
    return new Promise((done) => {
      const { socket, under } = make();
      const line = new Line(this, socket, { under, quiet });
      this.lines.add(line);
      socket.once('close', () => { this.lines.delete(line); done(null); });
      socket.once(ready, () => { this.tally.connections++; done(line); });
      socket.on('error', (error) => line.failed(error));
    });
  }

  #connect(port) {
    const socket = net.connect({ host: '127.0.0.1', port, localAddress: this.address(), allowHalfOpen: true, noDelay: true });
    socket.on('error', () => {}); // what is upon it tells
    return socket;
  }

  /** A TCP connection to the port that speaks TLS, or the plain one; null where it could not be had.
   *  `quiet`: how it ends is not told. */
  tcp({ plain = false, quiet = false } = {}) {
    return this.#open('connect', quiet, () => {
      const socket = this.#connect(plain ? this.ports.http : this.ports.https);
      return { socket, under: socket };
    });
  }

  /** One with its TLS handshake done. */
  tls({ quiet = false, ...options } = {}) {
    return this.#open('secureConnect', quiet, () => {
      const under = this.#connect(this.ports.https);
      return { under, socket: nodeTls.connect({ socket: under, ca: this.ca, servername: 'localhost', allowHalfOpen: true, ...options }) };
    });
  }

  /** A WebSocket, over TLS unless `plain`. */
  async ws({ path = '/ws', fields = '', plain = false, ...options } = {}) {
    const line = await (plain ? this.tcp({ plain, ...options }) : this.tls(options));
    if (!line || await line.upgrade(path, this.token ? `Authorization: Bearer ${this.token}\r\n${fields}` : fields)) return line;
    line.cut();
    return null;
  }

  /** `n` workers that do it again and again. */
  workers(n, work) {
    return Promise.all(Array.from({ length: n }, async (_, i) => {
      while (this.going) {
        await work(i);
        await new Promise(setImmediate); // whatever it is, others have their turn
      }
    }));
  }

  /** `n` connections by `open` are kept open; with each, `use` is done until it has ended. */
  async hold(n, open, use) {
    await this.workers(n, async () => {
      const line = await open();
      if (!line) return this.sleep(50);
      while (this.going && !line.over) await use(line);
      line.cut();
    });
  }
}

process.once('message', async ({ file, name, ms, ...about }) => {
  const attack = new Attack(about);
  const { default: attacks } = await import(file);
  let failed = null;
  try {
    await attacks[name].prepare?.();
    attack.begin(ms);
    await attacks[name].run(attack);
  } catch (error) {
    failed = error.stack;
  }
  const told = { tally: attack.tally, answers: [...attack.answers], seed: attack.random.seed, failed, open: attack.lines.size };
  process.send(told, () => {
    for (const line of attack.lines) line.cut();
    process.exit(0);
  });
});

process.once('disconnect', () => process.exit(1)); // whoever started it is gone
