/* raw.mjs - bytes on a socket, for what a proper client would never send. */

import { createHash } from 'node:crypto';
import net from 'node:net';
import nodeTls from 'node:tls';
import { DEADLINE_MS, within } from './wait.mjs';

export class Raw {
  received = Buffer.alloc(0);
  ended = false; // the server has ended its direction
  closed = false;
  error = null;
  #waiting = new Set();

  /** `first`: bytes in front of all others, TLS's too. */
  static async connect(server, { tls = true, port = server.port(tls), first, ...options } = {}) {
    const raw = new Raw();
    const to = { host: '127.0.0.1', port, allowHalfOpen: true, ...options };
    const plain = !tls || first ? net.connect(to) : undefined;
    if (first) plain.write(first);
    raw.socket = tls ? nodeTls.connect({ ca: server.ca, servername: 'localhost', ...(plain ? { socket: plain } : to) }) : plain;
    raw.socket.on('data', (chunk) => {
      raw.received = raw.received.length ? Buffer.concat([raw.received, chunk]) : chunk;
      raw.#wake();
    });
    raw.socket.on('end', () => { raw.ended = true; raw.#wake(); });
    raw.socket.on('close', () => { raw.closed = raw.ended = true; raw.#wake(); });
    raw.socket.on('error', (error) => { raw.error = error; });
    await within(new Promise((done, fail) => {
      raw.socket.once(tls ? 'secureConnect' : 'connect', done);
      raw.socket.once('error', fail);
    }), 'the raw connection');
    return raw;
  }

  #wake() { for (const look of [...this.#waiting]) look(); }

  write(data) { return this.socket.write(data); }
  end() { this.socket.end(); }
  destroy() { this.socket.destroy(); }

  /** Looks after each arrival, until the answer is truthy. */
  when(question, what, ms = DEADLINE_MS) {
    return within(new Promise((done, fail) => {
      const look = () => {
        const answer = question();
        if (!answer && !this.ended) return;
        this.#waiting.delete(look);
        if (answer) done(answer);
        else fail(new Error(`ended while waiting for ${what}; received: ${this.received.toString('latin1').slice(0, 500)}`));
      };
      this.#waiting.add(look);
      look();
    }), what, ms);
  }

  whenEnded(what = 'the server\'s end') { return this.when(() => this.ended, what); }

  /** Takes the first n bytes. */
  async take(n) {
    await this.when(() => this.received.length >= n, `${n} bytes`);
    const taken = this.received.subarray(0, n);
    this.received = this.received.subarray(n);
    return taken;
  }

  /** Takes one HTTP answer: {status, headers, body}. `headOnly`: no body follows. */
  async answer({ headOnly = false } = {}) {
    const end = await this.when(() => this.received.indexOf('\r\n\r\n') + 1, 'an HTTP answer');
    const [line, ...fields] = (await this.take(end + 3)).toString('latin1').trimEnd().split('\r\n');
    const headers = Object.fromEntries(fields.map((field) => {
      const colon = field.indexOf(':');
      return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
    }));
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(line)?.[1] ?? NaN);
    const bare = headOnly || status === 304 || status === 204 || status < 200;
    return { status, headers, body: bare ? Buffer.alloc(0) : await this.take(Number(headers['content-length'])) };
  }

  /** One request on this connection. */
  async request(text, options) {
    this.write(text);
    return this.answer(options);
  }

  /** Becomes a WebSocket; the answer must be 101. */
  async upgrade(path = '/ws', fields = '') {
    const answer = await this.request(upgradeRequest(path, fields));
    if (answer.status !== 101) throw new Error(`upgrade answered ${answer.status}`);
    const accept = createHash('sha1').update(`${WS_KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    if (answer.headers['sec-websocket-accept'] !== accept) throw new Error('Sec-WebSocket-Accept is wrong');
    return answer;
  }

  /** Takes one server frame: {fin, rsv, opcode, payload}. */
  async frame() {
    const head = await this.take(2);
    let length = head[1] & 127;
    if (head[1] & 128) throw new Error('a masked frame from the server');
    if (length === 126) length = (await this.take(2)).readUInt16BE();
    else if (length === 127) length = Number((await this.take(8)).readBigUInt64BE());
    return { fin: head[0] >> 7, rsv: (head[0] >> 4) & 7, opcode: head[0] & 15, payload: await this.take(length) };
  }

  /** Takes frames up to the close frame: {code, reason}. */
  async closeFrame() {
    for (;;) {
      const { opcode, payload } = await this.frame();
      if (opcode === 8) return { code: payload.length ? payload.readUInt16BE() : 1005, reason: payload.toString('utf8', 2) };
    }
  }
}

export const WS_KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

export const upgradeRequest = (path, fields = '') => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n`
  + `Connection: Upgrade\r\nSec-WebSocket-Key: ${WS_KEY}\r\nSec-WebSocket-Version: 13\r\n${fields}\r\n`;

/** A client frame. length: what the header says, where it is to lie. */
export function clientFrame(opcode, payload = '', { fin = 1, rsv = 0, masked = true, mask = [0x37, 0xfa, 0x21, 0x3d], length } = {}) {
  const body = Buffer.from(payload);
  const said = length ?? body.length;
  const head = [(fin << 7) | (rsv << 4) | opcode];
  const flag = masked ? 128 : 0;
  if (said < 126) head.push(flag | said);
  else if (said < 65536) head.push(flag | 126, said >> 8, said & 255);
  else {
    const long = Buffer.alloc(8);
    long.writeBigUInt64BE(BigInt(said));
    head.push(flag | 127, ...long);
  }
  if (!masked) return Buffer.concat([Buffer.from(head), body]);
  const sent = Buffer.allocUnsafe(body.length);
  for (let i = 0; i < body.length; i++) sent[i] = body[i] ^ mask[i & 3];
  return Buffer.concat([Buffer.from([...head, ...mask]), sent]);
}

/** The payload of a close frame. */
export const closePayload = (code, reason = '') => Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]);
