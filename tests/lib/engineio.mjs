/* engineio.mjs - Engine.IO in the raw: single polls and posts, single packets on a WebSocket, for what
 * a proper client would never send. */

import assert from 'node:assert/strict';
import http from 'node:http';
import https from 'node:https';
import WebSocket from 'ws';
import { DEADLINE_MS, within } from './wait.mjs';

export const SEPARATOR = '\x1e';
export const POLLING = 'EIO=4&transport=polling';

/** One request, by default on a connection of its own: any shard may get it. {status, headers, text}. */
export function request(at, { method = 'GET', path = '/socket.io/', query = POLLING, body, headers = {}, agent = false, signal } = {}) {
  const { request: ask } = at.tls ? https : http;
  const options = { method, agent, ca: at.server.ca, servername: 'localhost', signal, headers: { ...headers } };
  if (body !== undefined) options.headers['content-length'] ??= Buffer.byteLength(body);
  const answered = new Promise((done, fail) => {
    const asking = ask(at.server.url(at.tls, `${path}${query ? `?${query}` : ''}`), options, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk) => { text += chunk; });
      answer.on('end', () => done({ status: answer.statusCode, headers: answer.headers, text }));
      answer.on('error', fail);
    });
    asking.on('error', fail);
    asking.end(body);
  });
  return within(answered, `the answer to ${method} ${path}?${query}`);
}

/** The refusal that the protocol's servers give. */
export function assertFault({ status, text }, code, message) {
  assert.equal(status, code === 4 ? 403 : 400, text);
  assert.deepEqual(JSON.parse(text), { code, message });
}

/** One session that polls. Packets are strings, binary ones `b` and base64. */
export class Polling {
  packets = []; // come, and not taken yet

  static async open(at, { path = '/socket.io/', headers, agent } = {}) {
    const session = new Polling();
    Object.assign(session, { at, path, headers, agent });
    const { status, headers: answered, text } = await session.get();
    assert.equal(status, 200, text);
    assert.match(answered['content-type'], /^text\/plain; *charset=utf-8$/i);
    session.packets = text.split(SEPARATOR);
    session.handshake = JSON.parse(session.packets.shift().slice(1));
    session.sid = session.handshake.sid;
    return session;
  }

  get query() { return this.sid ? `${POLLING}&sid=${this.sid}` : POLLING; }
  ask(options) { return request(this.at, { path: this.path, query: this.query, headers: this.headers, agent: this.agent, ...options }); }
  get(options) { return this.ask({ ...options }); }
  post(...packets) { return this.ask({ method: 'POST', body: packets.join(SEPARATOR), headers: { 'content-type': 'text/plain;charset=UTF-8', ...this.headers } }); }

  /** A poll that must be answered by packets. */
  async poll(options) {
    const { status, text } = await this.get(options);
    assert.equal(status, 200, text);
    return text.split(SEPARATOR);
  }

  /** Posts what must be taken. */
  async say(...packets) {
    const { status, text } = await this.post(...packets);
    assert.equal(status, 200, text);
    assert.equal(text, 'ok');
  }

  /** Takes the next packet; pings are answered in passing, unless they are what is wanted. */
  async next({ pings = false } = {}) {
    const end = Date.now() + DEADLINE_MS;
    for (;;) {
      while (!this.packets.length) {
        assert.ok(Date.now() < end, 'a packet in time');
        this.packets.push(...await this.poll());
      }
      const packet = this.packets.shift();
      if (packet === '2' && !pings) await this.say('3');
      else if (packet !== '6') return packet;
    }
  }

  /** Takes the next event: [name, ...arguments]. */
  async event(wanted) {
    for (;;) {
      const packet = await this.next();
      const event = /^42(?=\[)/.test(packet) && JSON.parse(packet.slice(2));
      if (event && (!wanted || event[0] === wanted)) return event;
    }
  }

  /** Into a namespace: what CONNECT was answered. */
  async connect(auth, nsp = '') {
    await this.say(`40${nsp && `${nsp},`}${auth ? JSON.stringify(auth) : ''}`);
    for (;;) {
      const packet = await this.next();
      if (packet.startsWith('40')) return JSON.parse(packet.slice(packet.indexOf('{')));
    }
  }

  /** The server knows it no more. */
  async assertGone() { assertFault(await this.get(), 1, 'Session ID unknown'); }
}

/** A WebSocket whose messages are packets. */
export class Packets {
  packets = []; // come, and not taken yet; binary ones as Buffer
  closedWith = null;
  #waiting = new Set();
  #pongs = false; // pings are answered as they come

  /** Without `sid` a session of its own, its handshake taken; with one a candidate for the upgrade. */
  static async open(at, { path = '/socket.io/', sid, query = `EIO=4&transport=websocket${sid ? `&sid=${sid}` : ''}`, headers } = {}) {
    const socket = new Packets();
    socket.ws = new WebSocket(at.server.wsUrl(at.tls, `${path}?${query}`), { ca: at.server.ca, perMessageDeflate: false, headers });
    const wake = () => { for (const look of [...socket.#waiting]) look(); };
    const opened = new Promise((done, fail) => {
      socket.ws.on('open', done);
      socket.ws.on('error', fail);
      socket.ws.on('close', (code) => {
        socket.closedWith = code;
        wake();
      });
    });
    socket.ws.on('message', (data, binary) => {
      if (socket.#pongs && String(data) === '2') return socket.say('3');
      socket.packets.push(binary ? data : data.toString());
      wake();
    });
    await within(opened, 'the opened WebSocket');
    if (sid) return socket;
    const packet = await socket.next();
    assert.equal(packet[0], '0');
    socket.handshake = JSON.parse(packet.slice(1));
    socket.sid = socket.handshake.sid;
    return socket;
  }

  #when(question, what) {
    return within(new Promise((done, fail) => {
      const look = () => {
        const answer = question();
        if (answer === undefined && this.closedWith === null) return;
        this.#waiting.delete(look);
        if (answer === undefined) fail(new Error(`closed with ${this.closedWith} while waiting for ${what}`));
        else done(answer);
      };
      this.#waiting.add(look);
      look();
    }), what);
  }

  say(...packets) { for (const packet of packets) this.ws.send(packet); }

  /** Takes the next packet; pings are answered in passing, unless they are what is wanted. */
  async next({ pings = false } = {}) {
    for (;;) {
      const packet = await this.#when(() => this.packets.shift(), 'a packet');
      if (packet !== '2' || pings) return packet;
      this.say('3');
    }
  }

  async event(wanted) {
    for (;;) {
      const packet = await this.next();
      const event = typeof packet === 'string' && /^42(?=\[)/.test(packet) && JSON.parse(packet.slice(2));
      if (event && (!wanted || event[0] === wanted)) return event;
    }
  }

  async connect(auth, nsp = '') {
    this.say(`40${nsp && `${nsp},`}${auth ? JSON.stringify(auth) : ''}`);
    for (;;) {
      const packet = await this.next();
      if (typeof packet === 'string' && packet.startsWith('40')) return JSON.parse(packet.slice(packet.indexOf('{')));
    }
  }

  /** The code it was closed with by the server. With `pongs` not for want of them. */
  async gone({ pongs = false } = {}) {
    this.#pongs = pongs;
    if (pongs) this.say(...this.packets.splice(0).filter((packet) => packet === '2').map(() => '3'));
    return this.#when(() => this.closedWith ?? undefined, 'the close');
  }
  cut() { this.ws.terminate(); }
}

/** Sessions for one test's time: all sockets are cut at the end. */
export async function withSessions(at, use, defaults = {}) {
  const sockets = [];
  const websocket = async (options) => {
    const socket = await Packets.open(at, { ...defaults, ...options });
    sockets.push(socket);
    return socket;
  };
  const polling = (options) => Polling.open(at, { ...defaults, ...options });
  try {
    return await use({ polling, websocket, request: (options) => request(at, { ...defaults, ...options }) });
  } finally {
    for (const socket of sockets) socket.cut();
  }
}
