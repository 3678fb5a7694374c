/* The classic socket.io page in Chromium, from another origin, on the stock client. Screenshots go to
 * build/artifacts/. */

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import http from 'node:http';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { io } from 'socket.io-client';
import { Server } from './server.mjs';

const file = (path) => fileURLToPath(new URL(path, import.meta.url));
const ARTIFACTS = file('../../build/artifacts/');
const PAGE = readFileSync(file('../../examples/socketio-chat/index.html'));
const CLIENTS = Object.fromEntries(['socket.io-client', 'socket.io-client-4-0', 'socket.io-client-4-6']
  .map((name) => [name, readFileSync(file(`../node_modules/${name}/dist/socket.io.min.js`), 'utf8')]));
const ARGS = ['--no-sandbox', '--headless', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const WAIT_MS = 15_000;

let browser, server, pages, origin, stranger;
let opened = []; // contexts of the present test
let bots = [];

before(async () => {
  mkdirSync(ARTIFACTS, { recursive: true });
  pages = http.createServer((request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE));
  await new Promise((done) => pages.listen(0, '127.0.0.1', done));
  origin = `http://127.0.0.1:${pages.address().port}`;
  stranger = `http://localhost:${pages.address().port}`;
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGS });
  server = await Server.start({ origins: JSON.stringify([origin]), 'limits.messages_per_second': 0 });
});

after(async () => {
  await browser?.close();
  await server?.kill();
  pages?.close();
});

afterEach(async () => {
  for (const bot of bots.splice(0)) bot.disconnect();
  for (const context of opened.splice(0)) await context.close();
});

/** The page in a window of its own; the client file comes from here in place of the makers' host. */
async function open(room, { from = origin, client = 'socket.io-client', transports, at = server, ...options } = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 760, height: 760 }, ...options });
  opened.push(context);
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  page.errors = [];
  page.on('pageerror', (error) => page.errors.push(String(error)));
  await page.route('https://cdn.socket.io/**', (route) => route.fulfill({ contentType: 'text/javascript',
    body: `${CLIENTS[client]}\n;{ const { io } = window; window.io = (url) => window.socket = io(url, { reconnectionDelay: 50, reconnectionDelayMax: 200, ...${JSON.stringify(transports ? { transports } : {})} }); }` }));
  await page.goto(`${from}/?url=${encodeURIComponent(at.url)}&room=${encodeURIComponent(room)}`);
  return page;
}

const connected = (page) => page.locator('#state', { hasText: /^connected$/ }).waitFor();
const transport = (page) => page.evaluate(() => globalThis.socket.io.engine.transport.name);
const upgraded = (page) => page.waitForFunction(() => globalThis.socket.io.engine.transport.name === 'websocket');
const lines = (page) => page.locator('#log li').evaluateAll((all) => all.map((line) => [line.firstChild.textContent, line.lastChild.textContent]));
const shown = (page, text) => page.locator('#log li', { hasText: text }).first().waitFor();

async function enter(name, room, options) {
  const page = await open(room, options);
  await connected(page);
  await page.getByLabel('Your name').fill(name);
  return page;
}

async function say(page, text) {
  await page.getByLabel('Your message').fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}

/** Someone without a window. */
async function bot(name, room, at = server) {
  const socket = io(at.url, { rejectUnauthorized: false, forceNew: true, transports: ['websocket'] });
  bots.push(socket);
  await new Promise((done) => { socket.on('connect', done); });
  await new Promise((done) => { socket.emit('join', { room, name }, done); });
  return (message) => new Promise((done) => { socket.emit('message', { room, message, name }, done); });
}

test('two people chat, from long-polling to WebSocket, and a third reads the history', async () => {
  const ada = await enter('Ada', 'pair');
  const ben = await enter('Ben', 'pair');
  await Promise.all([upgraded(ada), upgraded(ben)]);
  await say(ada, 'Is anybody here?');
  await shown(ben, 'Is anybody here?');
  await say(ben, 'I am!');
  await shown(ada, 'I am!');
  await say(ada, 'Good. <b>Where</b> did the server go?');
  await say(ben, 'Which server?');
  await shown(ada, 'Which server?');
  const all = [['Ada', 'Is anybody here?'], ['Ben', 'I am!'], ['Ada', 'Good. <b>Where</b> did the server go?'], ['Ben', 'Which server?']];
  for (const page of [ada, ben]) {
    await shown(page, 'Which server?');
    assert.deepEqual(await lines(page), all);
  }
  const cem = await enter('Cem', 'pair');
  await shown(cem, 'Which server?');
  assert.deepEqual(await lines(cem), all);
  await ada.screenshot({ path: `${ARTIFACTS}socketio-chat.png` });
  await ben.emulateMedia({ colorScheme: 'dark' });
  await ben.setViewportSize({ width: 390, height: 700 });
  await ben.screenshot({ path: `${ARTIFACTS}socketio-chat-dark.png` });
  for (const page of [ada, ben, cem]) assert.deepEqual(page.errors, []);
});

test('after a reload all is there again', async () => {
  const ada = await enter('Ada', 'reload');
  await say(ada, 'before the reload');
  await shown(ada, 'before the reload');
  await ada.reload();
  await connected(ada);
  await shown(ada, 'before the reload');
  await say(ada, 'and after it');
  await shown(ada, 'and after it');
  assert.equal((await lines(ada)).length, 2);
});

for (const only of ['polling', 'websocket'])
  test(`by ${only} alone`, async () => {
    const [ada, ben] = [await enter('Ada', only, { transports: [only] }), await enter('Ben', only, { transports: [only] })];
    for (let i = 0; i < 5; i++) await say(i % 2 ? ada : ben, `word ${i}`);
    for (const page of [ada, ben]) {
      await page.waitForFunction(() => document.querySelectorAll('#log li').length === 5);
      assert.equal(await transport(page), only);
    }
    assert.deepEqual(await lines(ada), await lines(ben));
  });

for (const client of ['socket.io-client-4-0', 'socket.io-client-4-6'])
  test(`with an older client: ${client}`, async () => {
    const [ada, ben] = [await enter('Ada', client, { client }), await enter('Ben', client)];
    await upgraded(ada);
    await say(ada, 'from an old one');
    await shown(ben, 'from an old one');
    await say(ben, 'from a new one');
    await shown(ada, 'from a new one');
  });

for (const transports of [undefined, ['polling']])
  test(`a break: it comes back, and what was missed is there once${transports ? ', by polling' : ''}`, async () => {
    const room = `break-${transports}`;
    const ada = await enter('Ada', room, { transports });
    const tell = await bot('Bot', room);
    if (!transports) await upgraded(ada);
    await tell('one');
    await shown(ada, 'one');
    await ada.evaluate(() => {
      const { engine } = globalThis.socket.io;
      globalThis.away = true;
      globalThis.socket.io.reconnectionDelay(1500); // time to miss something
      globalThis.socket.io.reconnectionDelayMax(1500);
      if (engine.transport.ws) engine.transport.ws.close(); // without a goodbye of the page
      else engine.transport.onError('gone');
    });
    await ada.locator('#state', { hasText: 'connection lost' }).waitFor();
    for (const text of ['two', 'three']) await tell(text);
    await connected(ada);
    await tell('four');
    await shown(ada, 'four');
    assert.deepEqual((await lines(ada)).map(([, text]) => text), ['one', 'two', 'three', 'four']);
    assert.equal(await ada.evaluate(() => globalThis.socket.recovered), true);
  });

test('the server is restarted: the page comes back by itself', async () => {
  const other = await Server.start({ origins: JSON.stringify([origin]) });
  try {
    const ada = await enter('Ada', 'again', { at: other });
    await say(ada, 'gone with the process');
    await shown(ada, 'gone with the process');
    await other.kill('SIGTERM');
    await ada.locator('#state', { hasText: /lost|can’t/ }).waitFor();
    await other.again();
    await connected(ada);
    await ada.waitForFunction(() => document.querySelectorAll('#log li').length === 0);
    await say(ada, 'a new start');
    await shown(ada, 'a new start');
  } finally {
    await other.kill();
  }
});

test('a page of an origin that is not listed gets nothing', async () => {
  const tell = await bot('Bot', 'closed');
  await tell('not for everybody');
  for (const transports of [undefined, ['polling'], ['websocket']]) {
    const page = await open('closed', { from: stranger, transports });
    await page.locator('#state', { hasText: 'can’t connect' }).waitFor();
    assert.deepEqual(await lines(page), []);
    assert.equal(await page.evaluate(() => globalThis.socket.connected), false);
  }
});
