/* ringroom.js - the client library of Ringroom: live, short-lived chat rooms.
 *
 * A plain ES module without dependencies, for browsers and for Node 20 or newer.
 *
 *     const chat = new Ringroom('wss://chat.example.org/ws');
 *     chat.on('message', (m) => console.log(m.history ? 'earlier' : 'now', m.from, m.text));
 *     await chat.join('lobby', { name: 'Ada' });
 *     const { seq } = await chat.send('lobby', 'Hello!');
 *
 * Where there is no global WebSocket, hand one over: `new Ringroom(url, { WebSocket })`.
 *
 * What it promises while connections come and go:
 *   Nothing missed  After a break it joins its rooms again from where it was. What can no longer
 *                   be had is told by a `gap` event, never passed over in silence.
 *   Nothing twice   Each message is known by (epoch, seq); one seen before is dropped.
 *   Sent once       What was not acknowledged is sent again after a break, in the same order,
 *                   under the same `cid`: but only after the replay, and not what is found there.
 *                   A `send` settles exactly once: stored, or refused with a reason.
 *   Broken is seen  A connection that falls silent is probed, and given up if it stays silent. */

/**
 * @typedef {object} Message     What a `message` event carries. (epoch, seq) is its position.
 * @property {string} room
 * @property {string} epoch      names one life of the room's log
 * @property {number} seq        1, 2, 3 … within the epoch
 * @property {number} ts         when the server took it, Unix milliseconds
 * @property {string} from       the writer's display name
 * @property {string} uid        the writer's identity
 * @property {string} [text]
 * @property {any}    [data]
 * @property {string} [cid]      the id that the writer's program gave it
 * @property {boolean} history   it was said before the (latest) join
 * @property {boolean} own       this client wrote it
 *
 * @typedef {object} Joined      What `join` resolves with, and a `joined` event carries.
 * @property {string} room
 * @property {string} epoch
 * @property {number} first      the oldest number that is going to be replayed
 * @property {number} seq        the newest number at the time of the join
 * @property {number} members    how many are there
 * @property {boolean} recovered nothing is missing since the last position
 * @property {boolean} again     this client was in the room before, and came back
 * @property {boolean} anew      meanwhile the room's log began anew: what was said before is gone
 * @property {{ttl: number, ttl_from: string, max_messages: number, max_bytes: number,
 *             expires_in?: number}} retention
 *
 * Events, for `on`:
 *   state     {state, ms?, code?, reason?}: connecting, open, waiting (`ms` until the next try), or
 *             closed (for good: by `close()`, or with `code` because the server said so)
 *   hello     the server's greeting: {sid, uid, server, version, ping_ms, max_message}
 *   joined    {@link Joined}: at the first join of a room and after every reconnect
 *   message   {@link Message}: old and new in one stream, in order
 *   gap       {room, epoch, from, to, count}: these numbers can no longer be had
 *   member    {room, uid, name, on, count}; in very large rooms only {room, count}
 *   typing    {room, uid, from, on}
 *   deleted   {room, seq}
 *   closed    {room, reason}: this client is out of the room
 *   expiring  {in_ms}: the token runs out; a `token` function is asked by itself
 *   error     {@link RingroomError}: a failure that belongs to no call
 */

/** Why something was refused. `code` is the server's (`rate_limited`, `forbidden`, …), or
 * `disconnected`, `closed`, `too_large` from this library. `retryMs`, where the server said so:
 * after how long another try makes sense. */
export class RingroomError extends Error {
  constructor(code, message, retryMs) {
    super(message);
    Object.assign(this, { name: 'RingroomError', code, retryMs });
  }
}

/** A fresh id for a message: 96 random bits. @returns {string} */
export function newCid() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

/** Close codes after which coming back by itself would be wrong. */
const FINAL_CODES = new Set([4001, 4003, 4010]);

const BACKOFF_MIN_MS = 1_000; // the first wait is 0 to this, each further one up to twice as long …
const BACKOFF_MAX_MS = 30_000; // … up to this bound
const HELLO_TIMEOUT_MS = 10_000; // from the first packet to the server's greeting
const STABLE_MS = 5_000; // a connection that held this long resets the backoff
const COMES_BACK = 4000; // said to a server that still hears us: not a goodbye, as 1000 would be
const FLOOD_DELAY_MS = 5_000; // extra wait after being closed for sending too fast
const TYPING_REPEAT_MS = 3_000;
const TYPING_IDLE_MS = 5_000;

/** What is known of one room, across connections. */
class Room {
  live = false; // joined on the present connection
  epoch = null; // with seq: the position up to which everything was handed out
  seq = 0;
  horizon = 0; // `seq` of the latest `joined`: up to here it is history
  waiters = []; // of join(): {resolve, reject}
  outbox = new Map(); // cid -> message not yet acknowledged, in the order of sending
  typingAt = 0; // when `typing` was last told, 0 = told off
  typingTimer = undefined;

  constructor(id, { name, history, since }) {
    this.id = id;
    this.name = name;
    this.history = history;
    if (since) ({ epoch: this.epoch, seq: this.seq } = since);
  }
}

export class Ringroom {
  /** @type {'connecting' | 'open' | 'waiting' | 'closed'} */
  state = 'closed';
  /** The server's greeting on the latest connection. */
  hello = null;
  /** Every uid this client has had: a restarted server may give it a new one. */
  uids = new Set();

  #url;
  #session; // the sid: with it, a returning connection is the same user
  #options;
  #listeners = new Map(); // event -> Set of functions
  #rooms = new Map(); // room name -> Room
  #requests = new Map(); // request id -> {ok, fail, kept}
  #nextId = 1;
  #socket = null;
  #turn = 0; // counts connection attempts, to tell a late token from a current one
  #attempt = 0; // failed connections in a row
  #openedAt = 0;
  #comeBackAt = 0; // the moment the server asked us to come back, 0 = it did not
  #retry; // timer: the next attempt
  #watch; // interval: is the connection alive?
  #heardAt = 0;
  #probedAt = 0; // when an unanswered ping was sent, 0 = none
  #platform = null; // AbortController of the browser's event listeners

  /** Connects at once, and stays connected until `close()`.
   * @param {string | URL} [url] ws(s) or http(s), absolute or relative to the page
   * @param {{WebSocket?: any, token?: string | (() => string | Promise<string>), session?: string}}
   *   [options] `token`: where the server asks for one; a function is asked anew for each connection
   *   and before expiry. `session`: the `sid` of an earlier hello, to be the same user again, as
   *   after a reload */
  constructor(url = '/ws', options = {}) {
    this.#url = new URL(url, globalThis.location?.href);
    this.#url.protocol = this.#url.protocol.replace('http', 'ws');
    this.#options = { WebSocket: globalThis.WebSocket, ...options };
    this.#session = options.session;
    if (!this.#options.WebSocket) throw new TypeError('no WebSocket here: pass one as an option');
    queueMicrotask(() => this.connect());
  }

  /** Listens to an event. @param {string} event @param {(detail: any) => void} listener
   * @returns {() => void} stops listening */
  on(event, listener) {
    if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
    this.#listeners.get(event).add(listener);
    return () => this.#listeners.get(event).delete(listener);
  }

  /** Connects now: after `close()`, after a final refusal, or instead of waiting. */
  connect() {
    if (this.state === 'connecting' || this.state === 'open') return;
    clearTimeout(this.#retry);
    this.#comeBackAt = 0;
    this.#watchPlatform();
    this.#setState('connecting');
    this.#open();
  }

  /** Disconnects for good. Everything still under way is refused with code `closed`. */
  close() {
    this.#finish({ reason: 'closed by this client' }, 1000);
  }

  /** Joins a room. Its messages come as `message` events. Survives reconnects; joining again
   * changes the name. @param {string} room
   * @param {{name?: string, history?: number, since?: {epoch: string, seq: number}}} [options]
   *   `history`: only the newest so many (absent: all); `since`: from this position on
   * @returns {Promise<Joined>} */
  join(room, options = {}) {
    let r = this.#rooms.get(room);
    if (!r) this.#rooms.set(room, (r = new Room(room, options)));
    else if (options.name !== undefined) r.name = options.name;
    return new Promise((resolve, reject) => {
      r.waiters.push({ resolve, reject });
      if (this.state === 'open') this.#enter(r);
    });
  }

  /** Leaves a room. What was not yet acknowledged there is refused. @param {string} room */
  async leave(room) {
    const r = this.#rooms.get(room);
    if (!r) return;
    this.#forget(r, 'the room was left');
    if (this.state === 'open') await this.request('leave', { room }).catch(() => {});
  }

  /** Says something. Resolves when the server has stored it, however many connections that takes.
   * @param {string} room
   * @param {string | {text?: string, data?: any, cid?: string}} message
   * @returns {Promise<Sent>} */
  send(room, message) {
    const r = this.#rooms.get(room);
    if (!r) return Promise.reject(new RingroomError('not_joined', `not in the room ${room}`));
    const { text, data, cid = newCid() } = typeof message === 'string' ? { text: message } : message;
    const same = r.outbox.get(cid);
    if (same) return same.promise;
    this.typing(room, false);
    const entry = { text, data, tries: 0, onWire: false };
    entry.promise = new Promise((resolve, reject) => Object.assign(entry, { resolve, reject }));
    r.outbox.set(cid, entry);
    this.#flush(r);
    return entry.promise;
  }

  /** By how many bytes a message exceeds what the server takes; 0 if it fits, or before the first
   * connection. @param {string} room @param {{text?: string, data?: any}} message */
  excess(room, { text, data }) {
    const frame = JSON.stringify({ op: 'send', id: 2 ** 31, room, text, data, cid: '0'.repeat(24) });
    return Math.max(0, byteLength(frame) - (this.hello?.max_message ?? Infinity));
  }

  /** Kept messages, ascending. @param {string} room
   * @param {{before?: number, after?: number, limit?: number}} [range]
   * @returns {Promise<{epoch: string, messages: Message[], more: boolean}>} */
  history(room, range = {}) { return this.request('history', { ...range, room }); }

  /** Who is there. @param {string} room
   * @returns {Promise<{count: number, members: {uid: string, name: string, sessions: number}[]}>} */
  members(room) { return this.request('members', { room }); }

  /** Tells the others that this user is typing. May be called on every key: it is told at most every
   * three seconds, and taken back after five without a call, and by `send`.
   * @param {string} room @param {boolean} [on] */
  typing(room, on = true) {
    const r = this.#rooms.get(room);
    if (!r?.live) return;
    clearTimeout(r.typingTimer);
    if (on) r.typingTimer = setTimeout(() => this.typing(room, false), TYPING_IDLE_MS);
    const now = Date.now();
    if (on ? now - r.typingAt < TYPING_REPEAT_MS : r.typingAt === 0) return;
    r.typingAt = on ? now : 0;
    // With an id, so that a refusal comes back here: nobody has to know that it was not told.
    this.#ask({ op: 'typing', room, on }, { ok() {}, fail() {} });
  }

  /** Wipes a message: one's own, or any as a moderator. @param {string} room @param {number} seq */
  delete(room, seq) { return this.request('delete', { room, seq }); }

  /** Measures the way to the server and back. @returns {Promise<number>} milliseconds */
  async ping() {
    const start = performance.now();
    await this.request('ping');
    return performance.now() - start;
  }

  /** Any other request of the protocol (`kick`, `mute`, `close`, `auth`), on this connection.
   * @param {string} op @param {object} [fields] @returns {Promise<any>} the reply */
  request(op, fields = {}) {
    return new Promise((ok, fail) => {
      if (this.state !== 'open') fail(new RingroomError('disconnected', 'not connected'));
      else this.#ask({ op, ...fields }, { ok, fail });
    });
  }

  /* -- the connection ---------------------------------------------------------------------- */

  async #open() {
    const turn = ++this.#turn;
    const protocols = ['ringroom.v1'];
    try {
      const { token } = this.#options;
      const value = typeof token === 'function' ? await token() : token;
      if (turn !== this.#turn) return; // closed, or started again, meanwhile
      // As a sub-protocol the token stays out of addresses, and so out of logs.
      if (value) protocols.push(`bearer.${value}`);
      if (this.#session) this.#url.searchParams.set('session', this.#session);
      const socket = new this.#options.WebSocket(this.#url.href, protocols);
      this.#socket = socket;
      this.#heardAt = Date.now();
      this.#watch = setInterval(() => {
        if (Date.now() - this.#heardAt > HELLO_TIMEOUT_MS) this.#lost(1006, 'no greeting');
      }, 1000);
      socket.onmessage = (event) => this.#receive(event.data);
      socket.onclose = (event) => this.#lost(event.code, event.reason);
      socket.onerror = () => {}; // a close event follows, and says more
    } catch (cause) {
      if (turn === this.#turn) this.#lost(1006, String(cause));
    }
  }

  /** The first frame of a connection has come: it is open. Come back to all rooms. */
  #welcome(hello) {
    this.hello = hello;
    this.#session = hello.sid;
    this.#openedAt = Date.now();
    this.#probedAt = 0;
    if (hello.uid) this.uids.add(hello.uid);
    clearInterval(this.#watch);
    this.#watch = setInterval(() => this.#checkAlive(), hello.ping_ms / 4);
    const rooms = [...this.#rooms.values()]; // a listener may join more of them by itself
    this.#setState('open');
    this.#emit('hello', hello);
    for (const room of rooms) if (this.#rooms.get(room.id) === room) this.#enter(room);
  }

  /** Browsers hide the server's pings from pages, so silence is judged by our own. */
  #checkAlive() {
    const now = Date.now();
    const { ping_ms } = this.hello;
    if (this.#probedAt && now - this.#probedAt > Math.min(ping_ms, 10_000)) this.#lost(1006, 'no answer');
    else if (now - this.#heardAt > ping_ms) this.#probe();
  }

  #probe() {
    if (this.#probedAt) return;
    this.#probedAt = Date.now();
    this.#write({ op: 'ping', id: this.#nextId++ });
  }

  /** The network or the page came back: do not wait for timers that may have slept. */
  #wake() {
    if (globalThis.document?.visibilityState === 'hidden') return;
    if (this.state === 'open') this.#probe();
    else if (this.state === 'waiting' && Date.now() >= this.#comeBackAt) this.connect();
  }

  #watchPlatform() {
    if (this.#platform || !globalThis.addEventListener) return;
    this.#platform = new AbortController();
    const { signal } = this.#platform;
    const wake = () => this.#wake();
    globalThis.addEventListener('online', wake, { signal });
    globalThis.addEventListener('offline', wake, { signal });
    globalThis.document?.addEventListener('visibilitychange', wake, { signal });
  }

  /** The connection is gone. Its requests are refused; rooms and unsent messages are kept. */
  #lost(code, reason) {
    const opened = this.state === 'open' ? Date.now() - this.#openedAt : 0;
    this.#detach(code);
    if (code === 1009) this.#refuseWritten(new RingroomError('too_large', 'larger than the server takes'));
    for (const room of this.#rooms.values()) {
      room.live = false;
      room.typingAt = 0;
      for (const entry of room.outbox.values()) entry.onWire = false;
    }
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const { fail, kept } of requests) {
      if (!kept) fail(new RingroomError('disconnected', 'the connection was lost'));
    }
    // A token function may well have a better token, unless the last one was refused at once.
    const renewable = code === 4001 && typeof this.#options.token === 'function' && opened >= STABLE_MS;
    if (FINAL_CODES.has(code) && !renewable) return this.#finish({ code, reason }, code);

    if (opened >= STABLE_MS) this.#attempt = 0;
    // Full jitter: thousands of clients that lost one server do not return in step.
    let ms = Math.random() * Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.#attempt++);
    if (this.#comeBackAt) ms = Math.max(0, this.#comeBackAt - Date.now());
    if (code === 4009) ms += FLOOD_DELAY_MS;
    ms = Math.round(ms);
    this.#retry = setTimeout(() => this.connect(), ms);
    this.#setState('waiting', { ms, code, reason });
  }

  /** Lets go of the socket without waiting for its closing handshake: it may be dead. */
  #detach(code) {
    const socket = this.#socket;
    this.#socket = null;
    this.#turn++;
    clearTimeout(this.#retry);
    clearInterval(this.#watch);
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close(code === 1000 ? 1000 : COMES_BACK);
  }

  #finish(detail, code) {
    this.#detach(code);
    this.#platform?.abort();
    this.#platform = null;
    const error = new RingroomError('closed', detail.reason || 'the connection is closed');
    for (const { fail, kept } of this.#requests.values()) if (!kept) fail(error);
    this.#requests.clear();
    for (const room of this.#rooms.values()) this.#forget(room, error.message);
    if (this.state !== 'closed') this.#setState('closed', detail);
  }

  #write(frame) {
    this.#socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  /** Sends a request whose reply calls `ok` or `fail`. `kept`: survives the connection elsewhere. */
  #ask(fields, request) {
    const id = this.#nextId++;
    this.#requests.set(id, request);
    this.#write({ ...fields, id });
  }

  #receive(text) {
    this.#heardAt = Date.now();
    this.#probedAt = 0;
    const event = JSON.parse(text);
    const request = this.#requests.get(event.re);
    if (request) {
      this.#requests.delete(event.re);
      if (event.ev === 'error') request.fail(toError(event));
      else request.ok(event);
      return;
    }
    const room = this.#rooms.get(event.room);
    switch (event.ev) {
      case 'hello': return this.#welcome(event);
      case 'message': return room?.live && this.#message(room, event);
      case 'gap': return room?.live && this.#gap(room, event.to);
      case 'deleted': return room?.live && this.#deleted(room, event);
      case 'closed':
        if (room) this.#forget(room, `the room was closed: ${event.reason}`);
        return this.#emit('closed', event);
      case 'reconnect': return this.#comeBack(event.after_ms);
      case 'expiring': return this.#expiring(event);
      case 'error': return this.#emit('error', toError(event));
      case 'ack': case 'pong': return; // of a message found in the replay before; of a probe
      default: return this.#emit(event.ev, event);
    }
  }

  /** The server is going away, and has told us when to come back: then, not before. */
  #comeBack(afterMs) {
    this.#comeBackAt = Date.now() + afterMs;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#lost(1012, 'the server asked to reconnect'), afterMs);
  }

  async #expiring(event) {
    this.#emit('expiring', event);
    if (typeof this.#options.token !== 'function') return;
    try {
      await this.request('auth', { token: await this.#options.token() });
    } catch (error) {
      this.#emit('error', error);
    }
  }

  /* -- rooms ------------------------------------------------------------------------------- */

  #enter(room) {
    // A position says where to go on; only a first join may ask for a part of the history.
    const since = room.epoch === null ? undefined : { epoch: room.epoch, seq: room.seq };
    const history = since ? undefined : room.history;
    this.#ask({ op: 'join', room: room.id, name: room.name, since, history }, {
      kept: true,
      ok: (joined) => this.#rooms.get(room.id) === room && this.#joined(room, joined),
      fail: (error) => this.#rooms.get(room.id) === room && this.#joinFailed(room, error),
    });
  }

  #joined(room, joined) {
    joined.again = room.epoch !== null;
    joined.anew = room.epoch !== null && room.epoch !== joined.epoch;
    const fresh = !room.live; // else only the name was changed, and nothing is replayed
    if (fresh) {
      room.live = true;
      room.horizon = joined.seq;
      if (room.epoch !== joined.epoch) {
        room.epoch = joined.epoch;
        room.seq = joined.first - 1;
      }
    }
    this.#emit('joined', joined);
    for (const { resolve } of room.waiters.splice(0)) resolve(joined);
    if (fresh && joined.first - 1 > room.seq) this.#gap(room, joined.first - 1);
    this.#flush(room);
  }

  #joinFailed(room, error) {
    const passing = ['unavailable', 'rate_limited'].includes(error.code);
    if (error.code === 'bad_request' && room.epoch !== null) {
      room.epoch = null; // a position that the server does not know: begin afresh
      this.#enter(room);
    } else if (passing && room.epoch !== null) {
      setTimeout(() => {
        if (this.state === 'open' && this.#rooms.get(room.id) === room) this.#enter(room);
      }, error.retryMs ?? BACKOFF_MIN_MS);
    } else {
      const known = room.epoch !== null;
      this.#forget(room, error.message, error);
      if (known) this.#emit('closed', { room: room.id, reason: error.code });
    }
  }

  /** The room is no longer ours; whatever waits for it is refused. */
  #forget(room, why, error = new RingroomError('closed', why)) {
    this.#rooms.delete(room.id);
    clearTimeout(room.typingTimer);
    for (const { reject } of room.waiters.splice(0)) reject(error);
    for (const { reject } of room.outbox.values()) reject(error);
    room.outbox.clear();
  }

  #message(room, message) {
    if (message.seq <= room.seq) return; // seen before
    if (message.seq > room.seq + 1) this.#gap(room, message.seq - 1);
    message.epoch = room.epoch;
    message.history = message.seq <= room.horizon;
    message.own = this.uids.has(message.uid);
    const entry = message.own && room.outbox.get(message.cid);
    if (entry) this.#stored(room, message.cid, { ...message, dup: entry.tries > 1 || !entry.onWire });
    this.#advance(room, message.seq, () => this.#emit('message', message));
  }

  #gap(room, to) {
    const from = room.seq + 1;
    if (to < from) return; // told before
    const gap = { room: room.id, epoch: room.epoch, from, to, count: to - room.seq };
    this.#advance(room, to, () => this.#emit('gap', gap));
  }

  #deleted(room, event) {
    // On replay a deleted message's number is told in its place, and so counts as read.
    const seq = event.seq === room.seq + 1 ? event.seq : room.seq;
    this.#advance(room, seq, () => this.#emit('deleted', event));
  }

  /** Moves the position. At the end of a replay, sends what the replay has shown to be missing. */
  #advance(room, seq, emit) {
    const replaying = room.seq < room.horizon;
    room.seq = seq;
    emit();
    if (replaying && seq >= room.horizon) this.#flush(room);
  }

  /* -- sending ----------------------------------------------------------------------------- */

  /** Puts on the wire what is not there yet, in order. */
  #flush(room) {
    if (!room.live) return;
    // What an earlier connection carried may be stored: the rest of the replay will tell.
    const unsure = [...room.outbox.values()].some((entry) => entry.tries > 0 && !entry.onWire);
    if (unsure && room.seq < room.horizon) return;
    for (const [cid, entry] of room.outbox) {
      if (entry.onWire) continue;
      const { text, data } = entry;
      if (this.excess(room.id, { text, data })) {
        this.#refuse(room, cid, new RingroomError('too_large', 'longer than the server takes'));
        continue;
      }
      entry.onWire = true;
      entry.tries++;
      this.#ask({ op: 'send', room: room.id, text, data, cid }, {
        kept: true,
        ok: (ack) => this.#stored(room, cid, ack),
        fail: (error) => this.#refuse(room, cid, error),
      });
    }
  }

  #stored(room, cid, { seq, ts, dup = false }) {
    room.outbox.get(cid)?.resolve({ seq, ts, dup });
    room.outbox.delete(cid);
  }

  #refuse(room, cid, error) {
    room.outbox.get(cid)?.reject(error);
    room.outbox.delete(cid);
  }

  /** The server choked on something this connection carried: sending it again would loop. */
  #refuseWritten(error) {
    for (const room of this.#rooms.values()) {
      for (const [cid, entry] of room.outbox) if (entry.onWire) this.#refuse(room, cid, error);
    }
  }

  /* -- events ------------------------------------------------------------------------------ */

  #setState(state, detail = {}) {
    this.state = state;
    this.#emit('state', { state, ...detail });
  }

  #emit(event, detail) {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      // A listener's mistake is its own: it must not keep the others from hearing.
      try { listener(detail); } catch (error) { queueMicrotask(() => { throw error; }); }
    }
  }
}

const encoder = new TextEncoder();
const byteLength = (text) => encoder.encode(text).length;
const toError = (event) => new RingroomError(event.code, event.message, event.retry_ms);
