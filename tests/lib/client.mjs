/* client.mjs - a native chat client on the `ws` library: requests by id, events kept until taken. */

import assert from 'node:assert/strict';
import WebSocket from 'ws';
import { DEADLINE_MS, within } from './wait.mjs';

export class Chat {
  events = []; // not taken yet
  closedWith = null; // {code, reason}
  #ids = 0;
  #replies = new Map();
  #waiting = new Set(); // functions to call when something has come
  #listener = null;

  /** Connected, and greeted. */
  static async connect(server, { tls = true, path = '/ws', protocols = ['ringroom.v1'], greeted = true, ...options } = {}) {
    const chat = new Chat();
    chat.ws = new WebSocket(server.wsUrl(tls, path), protocols, { ca: server.ca, perMessageDeflate: false, ...options });
    chat.closed = new Promise((done) => chat.ws.on('close', (code, reason) => {
      chat.closedWith = { code, reason: String(reason) };
      for (const { fail } of chat.#replies.values()) fail(new Error(`closed with ${code} before the reply`));
      done(chat.closedWith);
      chat.#wake();
    }));
    const opened = new Promise((done, fail) => {
      chat.ws.on('open', done);
      chat.ws.on('error', fail);
    });
    chat.ws.on('message', (data, binary) => chat.#receive(data, binary));
    await within(opened, 'the opened connection');
    if (greeted) {
      chat.hello = await chat.next('hello');
      chat.uid = chat.hello.uid;
    }
    return chat;
  }

  #receive(data, binary) {
    const raw = data.toString();
    const event = binary ? { binary: data } : JSON.parse(raw);
    const reply = event.re !== undefined && this.#replies.get(event.re);
    if (reply) {
      this.#replies.delete(event.re);
      if (this.#listener && event.ev !== 'ack') this.#listener(event);
      reply.done(event);
      return;
    }
    if (this.#listener) return this.#listener(event);
    Object.defineProperty(event, 'raw', { value: raw });
    this.events.push(event);
    this.#wake();
  }

  #wake() { for (const look of [...this.#waiting]) look(); }

  /** From now on events go to `listener`, not into `events`; replies other than acks too, in their place. */
  listen(listener) {
    this.#listener = listener;
    for (const event of this.events.splice(0)) listener(event);
  }

  raw(data, options = {}) { this.ws.send(typeof data === 'string' || Buffer.isBuffer(data) ? data : JSON.stringify(data), options); }

  /** The reply, whichever it is. */
  ask(op, fields = {}) {
    const id = ++this.#ids;
    const reply = new Promise((done, fail) => this.#replies.set(id, { done, fail }));
    this.raw({ op, id, ...fields });
    return within(reply, `the reply to ${op}`);
  }

  async #get(ev, op, fields) {
    const reply = await this.ask(op, fields);
    assert.equal(reply.ev, ev, `${op} ${JSON.stringify(fields)} is answered by ${JSON.stringify(reply)}`);
    return reply;
  }

  join(room, fields) { return this.#get('joined', 'join', { room, ...fields }); }
  leave(room) { return this.#get('left', 'leave', { room }); }
  send(room, text, fields) { return this.#get('ack', 'send', { room, text, ...fields }); }
  history(room, fields) { return this.#get('history', 'history', { room, ...fields }); }
  members(room) { return this.#get('members', 'members', { room }); }
  /** All requests made before have been answered. */
  ping() { return this.#get('pong', 'ping', {}); }

  async refused(code, op, fields) {
    const reply = await this.#get('error', op, fields);
    assert.equal(reply.code, code, reply.message);
    return reply;
  }

  /** Takes the first event that fits: a name of event, or a function. */
  next(wanted, what = String(wanted), ms = DEADLINE_MS) {
    const fits = typeof wanted === 'string' ? (event) => event.ev === wanted : wanted;
    return this.when(() => {
      const at = this.events.findIndex(fits);
      return at >= 0 ? this.events.splice(at, 1)[0] : null;
    }, what, ms);
  }

  /** Takes all events of a kind that are here. */
  take(ev) {
    const taken = this.events.filter((event) => event.ev === ev);
    this.events = this.events.filter((event) => event.ev !== ev);
    return taken;
  }

  /** Takes n messages of a room. */
  async messages(room, n) {
    const taken = [];
    while (taken.length < n)
      taken.push(await this.next((event) => event.ev === 'message' && event.room === room, `message ${taken.length + 1} of ${n} in ${room}`));
    return taken;
  }

  /** Asks after each event, until the answer is truthy. */
  when(question, what, ms = DEADLINE_MS) {
    const answered = new Promise((done, fail) => {
      const look = () => {
        const answer = question();
        if (!answer && !this.closedWith) return;
        this.#waiting.delete(look);
        if (answer) done(answer);
        else fail(new Error(`closed with ${this.closedWith.code} ${this.closedWith.reason} while waiting for ${what}`));
      };
      this.#waiting.add(look);
      look();
    });
    return within(answered, what, ms);
  }

  /** Waits for the close: {code, reason}. */
  gone() { return within(this.closed, 'the close'); }

  /** Cuts the connection, as a broken network does. */
  cut() { this.ws.terminate(); }

  /** A proper goodbye. */
  async close() {
    if (this.ws.readyState <= WebSocket.OPEN) this.ws.close(1000);
    await this.gone();
  }
}

/** Clients for one test's time: `connect` them, all are cut at the end. */
export async function withClients(at, use) {
  const chats = [];
  const connect = async (options = {}) => {
    const chat = await Chat.connect(at.server, { tls: at.tls, ...options });
    chats.push(chat);
    return chat;
  };
  try {
    return await use(connect);
  } finally {
    for (const chat of chats) chat.cut();
    await Promise.all(chats.map((chat) => chat.gone()));
  }
}

/** Numbers from..to, for comparison. */
export const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

let rooms = 0;
/** A room's name that no other test has. */
export const freshRoom = (name = 'room') => `${name}-${process.pid}-${++rooms}`;
