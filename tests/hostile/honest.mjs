/* honest.mjs - the honest clients beside an attack, in a process of their own: four in one room over TLS,
 * each sending ten messages a second with the time in them, and a newcomer twice a second that opens a
 * connection for one request.
 *
 * Every message that was acknowledged must reach all four, once and in order; what was answered
 * `unavailable` must reach nobody. A closed connection, a gap, another error is trouble. The parent asks
 * for `settle` at the end of each window of time; the answer is what happened in it. */

import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { Chat } from '../lib/client.mjs';
import { until } from '../lib/wait.mjs';

const CLIENTS = 4;
const EVERY_MS = 100;
const OUTSTANDING_MAX = 20; // unanswered, where the server is slow: a burst of all of them is still within its rate
const NEWCOMER_MS = 500;
const ROOM = 'honest';

let server; // what Chat needs of it: wsUrl(), ca
let token;
let sending = true;
const clients = []; // {chat, due: unanswered, sent: [{acked, refused}], got: [[n, …] of each sender], seq}
const troubles = [];
let delays = []; // of this window, milliseconds from send to arrival, one for each recipient
let refused = 0; // of this window
let newcomers = { ok: 0, failed: 0, slowest: 0 };

const complain = (text) => { if (troubles.length < 20) troubles.push(text); };
const now = () => performance.now();

function hear(client, who, event) {
  if (event.room !== ROOM) return;
  if (event.ev === 'gap') complain(`client ${who} is told of a gap ${event.from}…${event.to}`);
  if (event.ev !== 'message') return;
  if (event.seq !== client.seq + 1) complain(`client ${who} got number ${event.seq} after ${client.seq}`);
  client.seq = event.seq;
  if (!event.data?.honest) return; // an attacker's, in this room
  const { sender, n, at } = event.data;
  const got = client.got[sender];
  if (got.length && n <= got.at(-1)) complain(`client ${who} got message ${n} of ${sender} after ${got.at(-1)}`);
  got.push(n);
  delays.push(now() - at);
}

async function enter(who) {
  const client = { due: 0, sent: [], got: Array.from({ length: CLIENTS }, () => []), seq: 0 };
  client.chat = await Chat.connect(server, { tls: true, headers: token ? { authorization: `Bearer ${token}` } : {} });
  client.seq = (await client.chat.join(ROOM, { name: `honest ${who}`, history: 0 })).seq;
  client.chat.listen((event) => hear(client, who, event));
  client.chat.closed.then(({ code, reason }) => { if (sending) complain(`client ${who} was closed with ${code} ${reason}`); });
  clients.push(client);
}

async function say(who) {
  const client = clients[who];
  const { chat, sent } = client;
  const message = { acked: false, refused: null };
  const n = sent.push(message) - 1;
  client.due++;
  try {
    const reply = await chat.ask('send', { room: ROOM, data: { honest: true, sender: who, n, at: now() } });
    message.acked = reply.ev === 'ack';
    message.refused = message.acked ? null : reply.code;
    if (!message.acked) refused++;
    if (!message.acked && reply.code !== 'unavailable') complain(`message ${n} of ${who} was refused: ${reply.code} ${reply.message}`);
  } catch (error) {
    complain(`message ${n} of ${who}: ${error.message}`);
    message.refused = 'lost';
  }
  client.due--;
}

async function talk(who) {
  await sleep((who * EVERY_MS) / CLIENTS);
  for (let next = now(); sending; next += EVERY_MS) {
    if (clients[who].due < OUTSTANDING_MAX) say(who);
    await sleep(Math.max(0, next + EVERY_MS - now()));
    next = Math.max(next, now() - EVERY_MS); // who was held up does not catch up
  }
}

/** A connection of its own, and /healthz on it. */
function visit() {
  return new Promise((done) => {
    const began = now();
    const over = (ok) => done({ ok, ms: now() - began });
    const asking = https.get({ host: '127.0.0.1', port: server.port, path: '/healthz', ca: server.ca, servername: 'localhost', agent: false },
      (answer) => answer.resume().on('end', () => over(answer.statusCode === 200)).on('error', () => over(false)));
    asking.setTimeout(30_000, () => asking.destroy());
    asking.on('error', () => over(false));
  });
}

async function visitors() {
  while (sending) {
    visit().then(({ ok, ms }) => {
      newcomers[ok ? 'ok' : 'failed']++;
      newcomers.slowest = Math.max(newcomers.slowest, ms);
    });
    await sleep(NEWCOMER_MS);
  }
}

/** Everything sent by now has been answered, and has come everywhere, or nowhere where it was refused. */
async function settle() {
  const upto = clients.map(({ sent }) => sent.length);
  const expected = () => clients.map(({ sent }, who) => sent.slice(0, upto[who]).flatMap(({ acked }, n) => (acked ? [n] : [])));
  const answered = () => clients.every(({ sent }, who) => sent.slice(0, upto[who]).every(({ acked, refused }) => acked || refused));
  const arrived = () => expected().every((list, who) => clients.every(({ got }) => got[who].filter((n) => n < upto[who]).length >= list.length));
  const closed = () => clients.some(({ chat }) => chat.closedWith);
  await until(() => closed() || (answered() && arrived()), 'what was sent has arrived').catch((error) => complain(error.message));
  expected().forEach((list, from) => clients.forEach(({ got }, who) => {
    const have = got[from].filter((n) => n < upto[from]);
    if (have.join() !== list.join())
      complain(`of ${list.length} messages of ${from} client ${who} has ${have.length}; the first that differs is number ${list.findIndex((n, i) => n !== have[i])}`);
  }));
}

function window() {
  const sorted = delays.sort((a, b) => a - b);
  const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
  const told = {
    arrived: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1),
    refused, newcomers, troubles: troubles.splice(0),
  };
  delays = [];
  refused = 0;
  newcomers = { ok: 0, failed: 0, slowest: 0 };
  return told;
}

const orders = {
  async enter(about) {
    token = about.token;
    server = { port: about.port, ca: about.ca, wsUrl: (tls, path) => `wss://127.0.0.1:${about.port}${path}` };
    for (let who = 0; who < CLIENTS; who++) await enter(who);
    for (let who = 0; who < CLIENTS; who++) talk(who);
    visitors();
  },
  async settle() {
    await settle();
    return window();
  },
  async leave() {
    sending = false;
    await settle();
    const told = window();
    for (const { chat } of clients) await chat.close();
    return told;
  },
};

process.on('message', async ({ order, ...about }) => {
  try {
    process.send({ done: await orders[order](about) });
  } catch (error) {
    process.send({ failed: error.stack });
  }
  if (order === 'leave') process.disconnect();
});

process.once('disconnect', () => process.exit()); // whoever asked is gone, or has been told all
