/* line.mjs - one of an attacker's connections: what goes over it is counted, and how the server ended it. */

import { clientFrame, upgradeRequest } from '../lib/raw.mjs';

const HEARD_MAX = 1 << 16; // of what the server says the last so much is kept

export class Line {
  over = false; // the server has ended it, or it is cut
  heard = '';
  #full = null; // until the server takes more
  #cut = false;
  #webSocket = false;
  #waiting = new Set();

  constructor(attack, socket, { under, quiet }) { // under: the TCP beneath TLS, or the same
    Object.assign(this, { attack, socket, under, quiet });
    socket.on('data', (chunk) => {
      this.heard = (this.heard + chunk.toString('latin1')).slice(-HEARD_MAX);
      this.#wake();
    });
    socket.on('end', () => this.#ended('end'));
    socket.on('close', () => this.#ended('end'));
  }

  #wake() { for (const look of [...this.#waiting]) look(); }

  failed(error) {
    if (!this.over && !this.#cut && !this.quiet) this.attack.saw(error.code === 'ECONNRESET' || error.code === 'EPIPE' ? 'reset' : error.code ?? error.message);
    this.over = true;
    this.#wake();
  }

  #ended(how) {
    if (!this.over && !this.#cut && !this.quiet) this.attack.saw(this.#verdict() ?? how);
    this.over = true;
    this.#wake();
    if (!this.socket.writableEnded) this.socket.end();
  }

  /** The last that the server said: a close code, or the status of an HTTP answer. */
  #verdict() {
    const { heard } = this;
    if (!this.#webSocket) {
      const status = [...heard.matchAll(/HTTP\/1\.1 (\d{3}) /g)].at(-1);
      return status ? `HTTP ${status[1]}` : null;
    }
    for (let at = heard.lastIndexOf('\x88'); at >= 0; at = at ? heard.lastIndexOf('\x88', at - 1) : -1) {
      if (heard.charCodeAt(at + 1) !== heard.length - at - 2) continue; // its payload ends what was heard
      return heard.length - at > 3 ? `close ${(heard.charCodeAt(at + 2) << 8) | heard.charCodeAt(at + 3)}` : 'close';
    }
    return null;
  }

  /** Waits until the server has said it, or has ended; whether it has. */
  async said(text, ms = 30_000) {
    if (!this.heard.includes(text) && !this.over) {
      await new Promise((done) => {
        const timer = setTimeout(done, Math.min(ms, this.attack.left() + 100));
        const look = () => {
          if (!this.heard.includes(text) && !this.over) return;
          this.#waiting.delete(look);
          clearTimeout(timer);
          done();
        };
        this.#waiting.add(look);
      });
    }
    return this.heard.includes(text);
  }

  /** Waits until the server has ended it, or the attack is over. */
  async ended(ms = 30_000) {
    await this.said('\0never\0', ms);
    return this.over;
  }

  async upgrade(path, fields = '') {
    this.write(upgradeRequest(path, fields));
    if (!await this.said('\r\n\r\n')) return false;
    this.#webSocket = this.heard.includes(' 101 ');
    if (!this.#webSocket && !this.quiet && !this.over) this.attack.saw(this.#verdict());
    return this.#webSocket;
  }

  /** Writes, and waits where the server does not take it. */
  async write(data) {
    if (this.over) return;
    this.attack.tally.bytes += data.length;
    if (this.socket.write(data)) return;
    await (this.#full ??= this.#drained());
  }

  async #drained() {
    await new Promise((done) => {
      const timer = setTimeout(done, this.attack.left() + 10);
      const go = () => {
        clearTimeout(timer);
        this.socket.off('drain', go).off('close', go);
        done();
      };
      this.socket.on('drain', go).on('close', go);
    });
    this.#full = null;
  }

  frames(n, bytes) {
    this.attack.tally.frames += n;
    return this.write(bytes);
  }

  frame(opcode, payload, options) { return this.frames(1, clientFrame(opcode, payload, options)); }
  ask(request) { return this.frame(1, typeof request === 'string' ? request : JSON.stringify(request)); }

  request(text, n = 1) {
    this.attack.tally.requests += n;
    return this.write(text);
  }

  /** Stops reading. */
  pause() { this.socket.pause(); }
  resume() { this.socket.resume(); }
  /** FIN. */
  finish() { this.socket.end(); }

  cut() {
    this.#cut = this.over = true;
    this.socket.destroy();
    this.#wake();
  }

  /** RST; above TLS, which Node can't reset, FIN, and RST for what the server says then. */
  reset() {
    if (this.socket === this.under && !this.socket.destroyed) {
      this.#cut = this.over = true;
      this.socket.resetAndDestroy();
    }
    this.cut();
  }
}
