/* server.mjs - the real server for browser tests: a free port, a certificate made for the occasion. */

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '../..');
const BINARY = resolve(ROOT, process.env.RINGROOM ?? 'build/release/ringroom');
const READY_MS = 10_000;

let certificate; // {dir, cert, key}, one for all servers of a test file

function makeCertificate() {
  const dir = mkdtempSync(join(tmpdir(), 'ringroom-browser-'));
  certificate = { dir, cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem') };
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
    '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
    '-keyout', certificate.key, '-out', certificate.cert], { stdio: 'ignore' });
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
}

/** A running server. `settings`: key -> value, as for `--set`. */
export class Server {
  #child;
  #settings;
  #log = '';

  static async start(settings = {}) {
    if (!existsSync(BINARY)) throw new Error(`no server at ${BINARY}: build it, or name it in RINGROOM`);
    if (!certificate) makeCertificate();
    const server = new Server();
    server.#settings = settings;
    await server.#spawn('127.0.0.1:0');
    return server;
  }

  async #spawn(listen) {
    const all = { listen, 'tls.cert': certificate.cert, 'tls.key': certificate.key, shards: 2, ...this.#settings };
    const args = Object.entries(all).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
    this.#child = spawn(BINARY, ['serve', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stderr.on('data', (chunk) => { this.#log += chunk; });
    this.url = await new Promise((ready, fail) => {
      let out = '';
      const timer = setTimeout(() => fail(new Error(`not ready after ${READY_MS} ms:\n${this.#log}`)), READY_MS);
      this.#child.on('exit', (code) => fail(new Error(`ended with ${code}:\n${this.#log}`)));
      this.#child.stdout.on('data', (chunk) => {
        const url = /^ready (https:\S+)$/m.exec(out += chunk)?.[1];
        if (!url) return;
        clearTimeout(timer);
        ready(url);
      });
    });
    this.port = Number(new URL(this.url).port);
  }

  /** Ends it at once, as a crash would. Its memory is gone. */
  async kill(signal = 'SIGKILL') {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((done) => this.#child.once('exit', done));
    this.#child.kill(signal);
    await gone;
  }

  /** Starts it anew on the same port. */
  async again(settings = this.#settings) {
    this.#settings = settings;
    await this.#spawn(`127.0.0.1:${this.port}`);
  }
}
