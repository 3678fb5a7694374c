/* proxy.mjs - a bad network between client and server: connections that are cut or go silent at
 * chosen moments. Towards the client it speaks plain TCP, so that it can see what passes; towards the
 * server TLS where that is what is tested. */

import net from 'node:net';
import nodeTls from 'node:tls';

/** One connection through the proxy. */
class Link {
  websocket = false; // its request asks for one
  head = ''; // of the client's first request
  silent = false; // bytes go nowhere, in either direction

  constructor(client, server) { Object.assign(this, { client, server }); }

  cut() {
    this.client.destroy();
    this.server.destroy();
  }

  /** From now on the other end hears nothing, and TCP keeps it waiting. */
  silence() { this.silent = true; }
}

/** Cuts a stream of bytes into the head of HTTP and frames; what is no frame passes as it comes. */
class Frames {
  #held = Buffer.alloc(0);
  #head = true;

  /** [{bytes, text}]: text only of whole small text frames. */
  take(chunk) {
    const out = [];
    this.#held = Buffer.concat([this.#held, chunk]);
    if (this.#head) {
      const end = this.#held.indexOf('\r\n\r\n');
      if (end < 0) return out;
      out.push({ bytes: this.#held.subarray(0, end + 4), head: this.#held.toString('latin1', 0, end) });
      this.#held = this.#held.subarray(end + 4);
      this.#head = false;
    }
    for (let frame; (frame = this.#frame());) out.push(frame);
    return out;
  }

  #frame() {
    const bytes = this.#held;
    if (bytes.length < 2) return null;
    const short = bytes[1] & 127;
    const wide = short === 126 ? 2 : short === 127 ? 8 : 0;
    const masked = bytes[1] >> 7;
    const start = 2 + wide + 4 * masked;
    if (bytes.length < start) return null;
    const length = wide === 2 ? bytes.readUInt16BE(2) : wide === 8 ? Number(bytes.readBigUInt64BE(2)) : short;
    if (bytes.length < start + length) return null;
    const payload = Buffer.from(bytes.subarray(start, start + length));
    if (masked) for (let i = 0; i < length; i++) payload[i] ^= bytes[start - 4 + (i & 3)];
    this.#held = bytes.subarray(start + length);
    return { bytes: bytes.subarray(0, start + length), text: (bytes[0] & 15) < 2 ? payload.toString() : '' };
  }
}

export class Proxy {
  links = new Set();
  accepts = true; // else whoever comes is cut at once
  /* What becomes of a piece: ({link, from: 'client' | 'server', text?, head?}) => 'pass' (or nothing),
   * 'cut' and 'silence' (both before it is passed on), 'cut-after', 'silence-after'. A piece is a chunk
   * of HTTP, or a frame of a WebSocket; `text` is the frame's, `head` the request's or the answer's. */
  rule = null;

  static async start(at) {
    const proxy = new Proxy();
    proxy.at = at;
    proxy.listener = net.createServer({ noDelay: true }, (client) => proxy.#accept(client));
    await new Promise((done) => proxy.listener.listen(0, '127.0.0.1', done));
    proxy.url = `http://127.0.0.1:${proxy.listener.address().port}`;
    return proxy;
  }

  #accept(client) {
    if (!this.accepts) return client.resetAndDestroy();
    const { server: { ca }, tls } = this.at;
    const to = { host: '127.0.0.1', port: this.at.server.port(tls), noDelay: true };
    const server = tls ? nodeTls.connect({ ca, servername: 'localhost', ...to }) : net.connect(to);
    const link = new Link(client, server);
    this.links.add(link);
    for (const [socket, other] of [[client, server], [server, client]]) {
      socket.on('error', () => {});
      socket.on('end', () => { if (!link.silent) other.end(); });
      socket.on('close', () => {
        if (link.silent) return;
        other.destroy();
        this.links.delete(link);
      });
    }
    const frames = { client: new Frames(), server: new Frames() };
    client.on('data', (chunk) => {
      if (!link.head) {
        link.head = chunk.toString('latin1');
        link.websocket = /^upgrade: *websocket\r?$/im.test(link.head);
      }
      this.#pass(link, 'client', frames.client, chunk);
    });
    server.on('data', (chunk) => this.#pass(link, 'server', frames.server, chunk));
  }

  #pass(link, from, frames, chunk) {
    const to = from === 'client' ? link.server : link.client;
    const pieces = link.websocket ? frames.take(chunk) : [{ bytes: chunk, chunk: chunk.toString('latin1') }];
    for (const piece of pieces) {
      if (link.silent || to.destroyed) return;
      const fate = this.rule?.({ link, from, ...piece }) ?? 'pass';
      if (fate === 'cut') return link.cut();
      if (fate === 'silence') return link.silence();
      if (fate === 'cut-after') {
        link.server.on('close', () => link.cut());
        to.end(piece.bytes, () => setTimeout(() => link.cut(), 20)); // the bytes arrive before the end
        return;
      }
      to.write(piece.bytes);
      if (fate === 'silence-after') return link.silence();
    }
  }

  /** The network fails, until mend(). */
  break() {
    this.accepts = false;
    for (const link of this.links) link.cut();
  }

  mend() { this.accepts = true; }

  async stop() {
    for (const link of this.links) link.cut();
    await new Promise((done) => this.listener.close(done));
  }
}

/** A proxy for one test's time. */
export async function withProxy(at, use) {
  const proxy = await Proxy.start(at);
  try {
    return await use(proxy);
  } finally {
    await proxy.stop();
  }
}
