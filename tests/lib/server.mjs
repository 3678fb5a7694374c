/* server.mjs - the real server under test: free ports, a certificate made for the occasion, its log
 * and its end watched. A report of a sanitizer, a failed check or a wrong exit status is an error. */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, before, describe } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DEADLINE_MS, QUICK, until, within } from './wait.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
export const BINARY = process.env.RINGROOM
  ? resolve(process.env.RINGROOM)
  : resolve(HERE, '../../build/release/ringroom');
/** A program of tests/helpers, built beside the server. */
export const helper = (name) => join(dirname(BINARY), 'tests/helpers', name);
const TROUBLE = /Sanitizer|runtime error:|check failed/;
const running = new Set();

process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

let made;

/** {cert, key, ca}: file names, and the certificate's text for clients to trust. One for all servers of a file. */
export function certificate() {
  if (made) return made;
  const dir = mkdtempSync(join(tmpdir(), 'ringroom-test-'));
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
  const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
    '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
    '-keyout', key, '-out', cert], { stdio: 'ignore' });
  made = { dir, cert, key, ca: readFileSync(cert, 'utf8') };
  return made;
}

const flags = (settings) => Object.entries(settings).flatMap(([key, value]) =>
  ['--set', `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`]);

/* How it is started: `env` is added to the environment, `command` stands before the arguments. */
const start = (args, { env = {}, command: [program, ...first] = [BINARY] }) =>
  spawn(program, [...first, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });

/** Runs it to its end: {code, signal, stdout, stderr}. For starts that are to fail. */
export async function run(args, how = {}) {
  const child = start(args, how);
  const out = { stdout: '', stderr: '' };
  running.add(child);
  child.stdout.on('data', (chunk) => { out.stdout += chunk; });
  child.stderr.on('data', (chunk) => { out.stderr += chunk; });
  const end = new Promise((done) => child.on('close', (code, signal) => done({ code, signal, ...out })));
  try {
    return await within(end, `the end of ringroom ${args.join(' ')}`);
  } finally {
    child.kill('SIGKILL');
    running.delete(child);
  }
}

export const serveArgs = (settings) => ['serve', ...flags(settings)];

export class Server {
  log = '';
  ports = {}; // https, http, metrics
  port6 = null; // without TLS, where it listens at [::1] too

  /** Settings as for --set, over: both listeners on port 0, no rate limits, 2 shards. `how.ports`: so many `ready` lines;
   *  `how.args`: more arguments. */
  static async start(settings = {}, how = {}) {
    if (!existsSync(BINARY)) throw new Error(`no server at ${BINARY}: build it, or name it in RINGROOM`);
    const { cert, key, ca } = certificate();
    const server = new Server();
    server.ca = ca;
    server.settings = { listen: '127.0.0.1:0', listen_plain: '127.0.0.1:0', 'tls.cert': cert, 'tls.key': key,
      shards: 2, 'limits.messages_per_second': 0, 'limits.requests_per_second': 0, 'limits.handshakes_per_ip': 0, 'limits.bad_requests_per_ip': 0,
      'debug.core_dumps': process.getuid() !== 0, // else only root could count its files
      ...settings };
    /* AddressSanitizer keeps freed memory back for a while: not so much that it looks like a leak. */
    const env = { ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? 'quarantine_size_mb=8', ...how.env };
    server.child = start([...serveArgs(server.settings), ...how.args ?? []], { ...how, env });
    running.add(server.child);
    server.exit = new Promise((done) => server.child.on('close', (code, signal) => {
      running.delete(server.child);
      done({ code, signal });
    }));
    server.child.stderr.on('data', (chunk) => { server.log += chunk; });
    await server.#ready(how.ports);
    return server;
  }

  #ready(wantedPorts) {
    const wanted = wantedPorts ?? ['listen', 'listen_plain', 'metrics.listen'].filter((key) => this.settings[key]?.length > 0).length;
    let out = '';
    const ready = new Promise((done, fail) => {
      this.exit.then(({ code, signal }) => fail(new Error(`ended with ${code ?? signal}:\n${this.log}`)));
      this.child.stdout.on('data', (chunk) => {
        out += chunk;
        for (const [, scheme, port] of out.matchAll(/^ready (https?|metrics):\/\/127\.0\.0\.1:(\d+)\n/gm))
          this.ports[scheme] = Number(port);
        this.port6 = Number(/^ready http:\/\/\[::1\]:(\d+)\n/m.exec(out)?.[1]);
        if (Object.keys(this.ports).length === wanted) done();
      });
    });
    return within(ready, 'ready');
  }

  get pid() { return this.child.pid; }
  port(tls) { return tls ? this.ports.https : this.ports.http; }
  url(tls, path = '/') { return `${tls ? 'https' : 'http'}://127.0.0.1:${this.port(tls)}${path}`; }
  wsUrl(tls, path = '/ws') { return `${tls ? 'wss' : 'ws'}://127.0.0.1:${this.port(tls)}${path}`; }

  /** Resident bytes. */
  rss() {
    return 1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))[1]);
  }

  fds() { return Number(execFileSync('sh', ['-c', `ls /proc/${this.pid}/fd | wc -l`])); }

  #verify() {
    const at = this.log.search(TROUBLE);
    if (at >= 0) throw new Error(`the server reported:\n${this.log.slice(Math.max(0, at - 200), at + 6000)}`);
  }

  /** SIGTERM; it must exit with 0 and without complaint. */
  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGTERM');
    return this.ended();
  }

  /** Waits for its end, which must be a good one. */
  async ended() {
    let end;
    try {
      end = await within(this.exit, 'the server\'s end');
    } catch (error) {
      this.child.kill('SIGKILL');
      throw new Error(`${error.message}\n${this.log.slice(-3000)}`);
    }
    this.#verify();
    if (end.code !== 0) throw new Error(`the server ended with ${end.code ?? end.signal}:\n${this.log.slice(-3000)}`);
  }
}

/** A server for one test's time. */
export async function withServer(settings, use, how) {
  const server = await Server.start(settings, how);
  let failure;
  try {
    return await use(server);
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    await server.stop().catch((error) => {
      if (failure) error.message = `${failure.message}\nand then: ${error.message}`;
      throw error;
    });
  }
}

export const WAYS = [1, 2, 4].flatMap((shards) => [{ shards, tls: false }, { shards, tls: true }]);
/** For what does not depend on the number of shards. */
export const BOTH = [{ shards: 2, tls: false }, { shards: 2, tls: true }];
/** In a hurry: the first and the last way, or only the last. */
export const fewer = (ways) => (QUICK ? [ways.at(0), ways.at(-1)] : ways);
export const last = (ways) => (QUICK ? [ways.at(-1)] : ways);

/** Defines a suite once for each way, each with a server of its own: at = {server, tls, shards}. */
export function everyWay(ways, settings, define, options = {}) {
  for (const way of ways) {
    describe(`${way.tls ? 'TLS' : 'plain'}, ${way.shards} shard${way.shards === 1 ? '' : 's'}:`, options, () => {
      const at = { ...way };
      before(async () => { at.server = await Server.start({ shards: way.shards, ...settings }); });
      after(() => at.server?.stop());
      define(at);
    });
  }
}

/* Memory */

/** Where any of these strings stands in the process's memory: [{needle, address, map, context}]. Needs root. */
export function findInMemory(pid, needles) {
  const wanted = needles.map((needle) => Buffer.from(needle));
  const found = [];
  const fd = openSync(`/proc/${pid}/mem`, 'r');
  const overlap = Math.max(...wanted.map((needle) => needle.length)) + 96;
  const chunk = Buffer.alloc(8 << 20);
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const [, from, to, rights, name] = /^(\w+)-(\w+) (\S+) \S+ \S+ \d+\s*(.*)$/.exec(line) ?? [];
      if (!from || !rights.startsWith('rw') || name === '[vvar]') continue;
      const [start, end] = [parseInt(from, 16), parseInt(to, 16)];
      if (end - start > 2 ** 32) continue; // a sanitizer's shadow
      for (let at = start; at < end; at += chunk.length - overlap) {
        let n = 0;
        try {
          n = readSync(fd, chunk, 0, Math.min(chunk.length, end - at), at);
        } catch { break; }
        scan(chunk.subarray(0, n), at, name || `${from}-${to}`, wanted, found);
      }
    }
  } finally {
    closeSync(fd);
  }
  return found;
}

function scan(bytes, base, map, wanted, found) {
  for (const needle of wanted) {
    for (let i = bytes.indexOf(needle); i >= 0; i = bytes.indexOf(needle, i + 1)) {
      const context = bytes.subarray(Math.max(0, i - 96), i + needle.length + 24).toString('latin1').replace(/[^ -~]/g, '.');
      found.push({ needle: needle.toString(), address: `0x${(base + i).toString(16)}`, map, context });
    }
  }
}

const WIPED_MS = 3000; // the contract says 1 s, and machines are slow

/** Words that stand nowhere else. */
export const marker = () => `marker${randomBytes(12).toString('hex')}`;

/** None of these strings is found in the server's memory, soon after `since` (expiry, deletion). */
export async function wiped(server, markers, since) {
  let found;
  try {
    await until(() => (found = findInMemory(server.pid, markers)).length === 0, 'wiped', Math.max(500, since + WIPED_MS - Date.now()), 250);
  } catch {
    const places = found.map(({ address, map, context }) => `${address} in ${map}: ${context}`);
    assert.fail(`in ${found.length} places after ${Date.now() - since} ms:\n${places.slice(0, 12).join('\n')}`);
  }
}
