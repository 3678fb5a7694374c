/* socketio.mjs - the classic socket.io chat page, without a window, on stock clients of several versions. */

import assert from 'node:assert/strict';
import { io } from 'socket.io-client';
import { io as io40 } from 'socket.io-client-4-0';
import { io as io44 } from 'socket.io-client-4-4';
import { io as io46 } from 'socket.io-client-4-6';
import { io as io47 } from 'socket.io-client-4-7';
import { until, within } from './wait.mjs';

export const CLIENTS = { '4.8': io, '4.7': io47, '4.6': io46, '4.4': io44, '4.0': io40 };
export const TRANSPORTS = { 'polling only': { transports: ['polling'] }, 'WebSocket only': { transports: ['websocket'] }, 'the defaults': {} };

const IMPATIENT = { reconnectionDelay: 20, reconnectionDelayMax: 100 };

export class Page {
  events = []; // [name, ...arguments], all that have come
  connects = []; // {id, recovered} of each
  disconnects = []; // reasons
  troubles = []; // connect_error
  began; // the first transport

  constructor(at, { client = '4.8', url = at.server.url(at.tls), nsp = '', ...options } = {}) {
    this.socket = CLIENTS[client](`${url.replace(/\/$/, '')}${nsp}`, { ca: at.server.ca, rejectUnauthorized: false, forceNew: true, ...IMPATIENT, ...options });
    this.began = this.transport;
    this.socket.onAny((...event) => this.events.push(event));
    this.socket.on('connect', () => this.connects.push({ id: this.socket.id, recovered: this.socket.recovered }));
    this.socket.on('disconnect', (reason) => this.disconnects.push(reason));
    this.socket.on('connect_error', (error) => this.troubles.push(error));
  }

  get transport() { return this.socket.io.engine?.transport?.name; }
  upgraded() { return until(() => this.transport === 'websocket', 'the upgrade'); }
  connected(times = 1) { return until(() => this.connects.length >= times && this.socket.connected, () => `connection ${times}; last: ${this.troubles.at(-1)}`); }
  disconnected(times = 1) { return until(() => this.disconnects.length >= times, `disconnection ${times}`); }

  /** Emits, and takes the acknowledgement. */
  ask(event, ...args) { return within(new Promise((done) => { this.socket.emit(event, ...args, done); }), `the acknowledgement of ${event}`); }

  async say(room, message, fields = {}) {
    const ack = await this.ask('message', { room, message, ...fields });
    assert.equal(ack.ok, true, JSON.stringify(ack));
    return ack;
  }

  async refused(code, event, ...args) {
    const ack = await this.ask(event, ...args);
    assert.equal(ack.ok, false, JSON.stringify(ack));
    assert.equal(ack.error, code, ack.message);
    assert.equal(typeof ack.message, 'string');
    return ack;
  }

  /** As the page does it: the answer is the event. */
  async join(room, fields = {}) {
    const before = this.of('joined').length;
    this.socket.emit('join', { room, ...fields });
    const joined = () => this.of('joined').slice(before).find((event) => event.room === room);
    await until(joined, `joined ${room}`);
    return joined();
  }

  /** The first arguments of the events of that name. */
  of(name) { return this.events.filter(([event]) => event === name).map(([, argument]) => argument); }

  /** A room's messages: {username, message, seq, ts, uid}, as the page parses them. */
  messages(room) { return this.of('message').filter((event) => event.room === room).map(({ chatMessage }) => JSON.parse(chatMessage)); }

  async heard(room, n) {
    await until(() => this.messages(room).length >= n, () => `message ${n} in ${room}: ${this.messages(room).length} have come`);
    return this.messages(room);
  }

  close() { this.socket.disconnect(); }
}

/** Pages for one test's time. */
export async function withPages(at, use) {
  const pages = [];
  const open = async (options = {}) => {
    const page = new Page(at, options);
    pages.push(page);
    await page.connected();
    return page;
  };
  try {
    return await use(open, pages);
  } finally {
    for (const page of pages) page.close();
  }
}
