/* The chat page in Chromium, against the real server. Screenshots go to build/artifacts/. */

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import WebSocket from 'ws';
import { Ringroom } from '../../web/ringroom.js';
import { Server } from './server.mjs';

const ARTIFACTS = fileURLToPath(new URL('../../build/artifacts/', import.meta.url));
const ARGS = ['--no-sandbox', '--headless', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const DESKTOP = { width: 1200, height: 800 };
const PHONE = { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const WAIT_MS = 15_000;

/** Trusts the test's certificate; a name of its own keeps it out of the page's way. */
class TrustingWebSocket extends WebSocket {
  constructor(url, protocols) { super(url, protocols, { rejectUnauthorized: false }); }
}

let browser;
let server;
let visits = []; // {context, complaints} of the present test
let bots = [];

before(async () => {
  mkdirSync(ARTIFACTS, { recursive: true });
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGS });
  server = await Server.start({ 'limits.messages_per_second': 0 });
});

after(async () => {
  await browser?.close();
  await server?.kill();
});

afterEach(async () => {
  for (const bot of bots) bot.close();
  for (const { context } of visits) await context.close();
  const complaints = visits.flatMap((visit) => visit.complaints);
  visits = [];
  bots = [];
  assert.deepEqual(complaints, [], 'the page is free of errors and of violations of its policy');
});

/** A window of its own. All that goes wrong in it is collected, but for refused connections. */
async function open(room, { options = {}, at = server } = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: DESKTOP, locale: 'en-GB', ...options });
  const complaints = [];
  visits.push({ context, complaints });
  context.on('weberror', ({ error }) => complaints.push(String(error())));
  context.on('console', (message) => {
    const expected = /WebSocket connection to/.test(message.text());
    if (['error', 'warning'].includes(message.type()) && !expected) complaints.push(message.text());
  });
  await context.exposeFunction('complain', (text) => complaints.push(text));
  await context.addInitScript(() => document.addEventListener('securitypolicyviolation',
    (event) => globalThis.complain(`policy: ${event.violatedDirective} ${event.blockedURI}`)));
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  await page.goto(`${at.url}/#${encodeURIComponent(room)}`);
  return page;
}

async function enter(name, room, options) {
  const page = await open(room, options);
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: 'Come in' }).click();
  await page.locator('#state[data-state=open]').waitFor();
  return page;
}

/** Someone without a window. */
async function bot(name, room, at = server) {
  const chat = new Ringroom(`${at.url}/ws`, { WebSocket: TrustingWebSocket });
  bots.push(chat);
  await chat.join(room, { name });
  return chat;
}

const say = async (page, text) => {
  await page.getByLabel('Your message').fill(text);
  await page.getByLabel('Your message').press('Enter');
};
const shown = (page, text) => page.locator('#log .words', { hasText: text }).first().waitFor();
const words = (page) => page.locator('#log .words').allTextContents();
const shot = (page, name) => page.screenshot({ path: `${ARTIFACTS}${name}.png` });
const eventually = async (question, answer) => {
  const end = Date.now() + WAIT_MS;
  let got;
  do {
    got = await question();
    if (JSON.stringify(got) === JSON.stringify(answer)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  } while (Date.now() < end);
  assert.deepEqual(got, answer);
};

const TALK = [
  ['Mara', 'Morning! Is the stream already live for you?'],
  ['Jonas', 'Not yet, still the holding slide here'],
  ['Jonas', 'There’s a countdown though: 4 minutes'],
  ['Mara', 'Ah, then I’m early. First time.'],
  ['Aiko', 'Hi all! The schedule is at https://example.org/schedule?day=2 (I had to look for it too).'],
  ['Mara', 'Thank you!\n\nSo it’s:\n– keynote\n– the two short talks\n– then questions, here in the room'],
  ['Jonas', 'Good. I’ll collect the questions as they come and read them out at the end. Just write “Q:” in front.'],
  ['Aiko', 'Q: will the recordings be kept, or do they go the way of this chat?'],
];

async function talk(room) {
  const chats = {};
  for (const [name, text] of TALK) {
    chats[name] ??= await bot(name, room);
    await chats[name].send(room, text);
  }
  return chats;
}

test('two people see each other, and what each of them says', async () => {
  const ada = await enter('Ada', 'pair');
  await ada.getByText('Nothing has been said here yet').waitFor();
  const ben = await enter('Ben', 'pair');
  await eventually(() => ada.locator('#people-list .who').allTextContents(), ['Ada', 'Ben']);
  await say(ada, 'Hello, Ben');
  await shown(ben, 'Hello, Ben');
  await say(ben, 'Hello yourself');
  await shown(ada, 'Hello yourself');
  assert.equal(await ada.locator('#log .own .words').allTextContents().then(String), 'Hello, Ben');
  assert.equal(await ben.locator('#log .own .words').allTextContents().then(String), 'Hello yourself');
  await eventually(() => ada.locator('#pending li').count(), 0);
  await ben.getByRole('button', { name: 'Leave' }).click();
  await ben.getByLabel('Your name').waitFor();
  await eventually(() => ada.locator('#people-list .who').allTextContents(), ['Ada']);
});

test('a second window shows everything said so far, and where the present begins', async () => {
  const room = 'live-event';
  const chats = await talk(room);
  for (const colorScheme of ['light', 'dark']) {
    const door = await open(room, { options: { colorScheme } });
    await shot(door, `door-${colorScheme}`);
    const page = await enter('Ben', room, { options: { colorScheme } });
    await page.getByText(/You came in at/).waitFor();
    assert.deepEqual((await words(page)).slice(0, TALK.length), TALK.map(([, text]) => text));
    await say(page, 'Hello from the back row');
    await shown(page, 'Hello from the back row');
    await chats.Mara.send(room, 'Glad you made it!');
    await shown(page, 'Glad you made it!');
    const order = await page.locator('#log > li').allTextContents();
    const line = order.findIndex((text) => text.includes('You came in'));
    assert.ok(order.findIndex((text) => text.includes('Q: will')) < line);
    assert.ok(order.findLastIndex((text) => text.includes('back row')) > line);
    chats.Aiko.typing(room);
    await page.getByText('Aiko is typing…').waitFor();
    await shot(page, `room-${colorScheme}`);
    chats.Aiko.typing(room, false);
    const phone = await enter('Lena', room, { options: { ...PHONE, colorScheme } });
    await phone.getByText(/You came in at/).waitFor();
    await shot(phone, `phone-${colorScheme}`);
  }
  const link = visits[1].context.pages()[0].getByRole('link', { name: /example\.org/ });
  assert.equal(await link.getAttribute('href'), 'https://example.org/schedule?day=2');
  assert.match(await link.getAttribute('rel'), /noopener noreferrer/);
});

test('a reload shows everything once, and knows one\'s own messages', async () => {
  const page = await enter('Ada', 'reload');
  for (const text of ['one', 'two', 'three']) await say(page, text);
  await shown(page, 'three');
  await page.reload();
  await shown(page, 'three');
  assert.deepEqual(await words(page), ['one', 'two', 'three']);
  assert.equal(await page.locator('#log .own').count(), 3);
  assert.equal(await page.locator('#people-list li').count(), 1);
});

test('two windows of one browser may have two names, and see who is typing', async () => {
  const ada = await enter('Ada', 'typing');
  const ben = await ada.context().newPage();
  await ben.goto(`${server.url}/#typing`);
  assert.equal(await ben.getByLabel('Your name').inputValue(), 'Ada', 'remembered as a proposal');
  await ben.getByLabel('Your name').fill('Ben');
  await ben.getByLabel('Your name').press('Enter');
  await ben.locator('#state[data-state=open]').waitFor();
  await ada.getByLabel('Your message').pressSequentially('hel');
  await ben.getByText('Ada is typing…').waitFor();
  assert.equal(await ada.locator('#typing').textContent(), '');
  await ada.getByLabel('Your message').press('Enter');
  await shown(ben, 'hel');
  await eventually(() => ben.locator('#typing').textContent(), '');
});

test('markup in names and texts stays text', async () => {
  const page = await enter('<b>Ada</b>', 'markup');
  await say(page, '<img src=x onerror=alert(1)> javascript:alert(1) https://a.example/<script>');
  await shown(page, '<img');
  assert.equal(await page.locator('#log img, #log script, #log b').count(), 0);
  assert.deepEqual(await page.locator('#log a').evaluateAll((all) => all.map((a) => a.href)), ['https://a.example/']);
});

test('when the server dies and comes back, the page reconnects, and says that the room began anew', async () => {
  const own = await Server.start();
  try {
    const page = await enter('Ada', 'phoenix', { at: own });
    await say(page, 'before the fall');
    await shown(page, 'before the fall');
    await own.kill();
    await page.getByText(/The connection was lost/).waitFor();
    await say(page, 'into the dark');
    await page.getByText('Waiting for the connection').waitFor();
    await shot(page, 'lost');
    await own.again();
    await page.getByText('Connected again').waitFor();
    await page.getByText(/The room began anew/).waitFor();
    await page.locator('#log .entry:not(.former) .words', { hasText: 'into the dark' }).waitFor();
    await eventually(() => page.locator('#pending li').count(), 0);
    assert.deepEqual(await words(page), ['before the fall', 'into the dark']);
    assert.equal(await page.locator('#banner').isVisible(), false);
    await shot(page, 'began-anew');
  } finally {
    await own.kill();
  }
});

test('a message that is too long is refused in plain words before it is sent', async () => {
  const page = await enter('Ada', 'long');
  await say(page, 'x'.repeat(17_000));
  await page.getByText(/too long by about \d+ characters/).waitFor();
  assert.equal((await page.getByLabel('Your message').inputValue()).length, 17_000);
  await shot(page, 'too-long');
  await say(page, 'x'.repeat(10_000));
  await shown(page, 'xxx');
  assert.equal(await page.locator('#text-error').textContent(), '');
});

test('writing too fast is told in plain words, and can be tried again', async () => {
  const own = await Server.start({ 'limits.messages_per_second': 1, 'limits.burst': 4 });
  try {
    const page = await enter('Ada', 'fast', { at: own });
    const failed = page.locator('.failed .note', { hasText: 'writing faster than this room allows' });
    let said = 0;
    for (; said < 20 && await failed.count() === 0; said++) await say(page, `message ${said + 1}`);
    await failed.first().waitFor();
    await shot(page, 'rate-limited');
    await page.waitForTimeout(1200); // the limit is counted in real time
    while (await failed.count()) {
      await page.getByRole('button', { name: 'Try again' }).first().click();
      await page.waitForTimeout(1200);
    }
    await eventually(async () => (await words(page)).length, said);
  } finally {
    await own.kill();
  }
});

test('the time of all that is kept is shown, and when it is up, all is gone', async () => {
  const own = await Server.start({ 'retention.ttl': 6 });
  try {
    const page = await enter('Ada', 'short', { at: own });
    await page.getByText('Messages are kept 6 s').waitFor();
    const writer = await bot('Mara', 'short', own);
    await writer.send('short', 'this will not last');
    await shown(page, 'this will not last');
    await page.getByText(/All deleted in 0:0\d/).waitFor();
    await page.getByText('What was said here has expired, and is gone').waitFor();
    assert.deepEqual(await words(page), []);
    await writer.send('short', 'a new beginning');
    await shown(page, 'a new beginning');
  } finally {
    await own.kill();
  }
});

test('what was missed for good is told', async () => {
  const own = await Server.start({ 'retention.ttl': 2, 'retention.ttl_from': 'message' });
  try {
    const writer = await bot('Mara', 'gap', own);
    const page = await enter('Ada', 'gap', { at: own });
    let open;
    const gate = new Promise((resolve) => { open = resolve; });
    const lines = [];
    await page.context().routeWebSocket(/\/ws(\?|$)/, async (line) => {
      if (lines.push(line) > 1) await gate;
      line.connectToServer();
    });
    await page.reload();
    await writer.send('gap', 'seen');
    await shown(page, 'seen');
    await lines[0].close({ code: 1011, reason: 'a break' });
    for (let i = 1; i <= 3; i++) await writer.send('gap', `missed ${i}`);
    await page.waitForTimeout(2500); // the messages have to grow old in real time
    open();
    await page.getByText('3 messages can no longer be had').waitFor();
    await writer.send('gap', 'and on it goes');
    await shown(page, 'and on it goes');
  } finally {
    await own.kill();
  }
});

test('where each message has its own time, each goes by itself, and the reader stays where they are', async () => {
  const own = await Server.start({ 'retention.ttl': 5, 'retention.ttl_from': 'message', 'limits.messages_per_second': 0 });
  try {
    const page = await enter('Ada', 'each', { at: own });
    await page.getByText('Messages are kept 5 s').waitFor();
    const writer = await bot('Mara', 'each', own);
    await writer.send('each', 'the first');
    await shown(page, 'the first');
    await page.waitForTimeout(2000); // so that their ends lie apart, in real time
    for (let i = 1; i <= 40; i++) writer.send('each', `number ${i}`);
    await shown(page, 'number 40');
    assert.equal((await words(page))[0], 'the first');
    await eventually(async () => (await words(page))[0], 'number 1');
    assert.equal(await page.locator('#log > li').first().locator('.name').textContent(), 'Mara');
    await eventually(() => words(page), []);
  } finally {
    await own.kill();
  }
});

test('a deleted message is wiped from the page', async () => {
  const writer = await bot('Mara', 'deleted');
  const page = await enter('Ada', 'deleted');
  const { seq } = await writer.send('deleted', 'I should not have said that');
  await shown(page, 'I should not');
  await writer.delete('deleted', seq);
  await shown(page, 'Message deleted');
  assert.deepEqual(await words(page), ['Message deleted']);
});

test('it can be used with the keyboard alone', async () => {
  const page = await open('keys');
  await page.keyboard.type('Ada');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.locator('#state[data-state=open]').waitFor();
  await page.keyboard.type('first line');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('second line');
  await page.keyboard.press('Enter');
  await shown(page, 'second line');
  assert.deepEqual(await words(page), ['first line\nsecond line']);

  const focused = () => page.locator(':focus').evaluate((e) => e.id);
  await page.keyboard.press('Shift+Tab');
  assert.equal(await focused(), 'scroller', 'what was said can be scrolled by keys');
  await page.keyboard.press('Shift+Tab');
  assert.equal(await focused(), 'leave');
  await page.keyboard.press('Shift+Tab');
  assert.equal(await focused(), 'skip');
  await page.keyboard.press('Enter');
  assert.equal(await focused(), 'text');
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Enter');
  await page.getByLabel('Your name').waitFor();
});

test('landmarks, names and live regions are there for a screen reader', async () => {
  const page = await enter('Ada', 'aria');
  for (const [role, name] of [['main', 'Conversation'], ['complementary', 'Who is here'], ['log', 'What was said'],
    ['textbox', 'Your message'], ['button', 'Send'], ['heading', 'aria']]) {
    assert.equal(await page.getByRole(role, { name, exact: true }).count(), 1, `${role} ${name}`);
  }
  assert.equal(await page.getByRole('status').filter({ hasText: 'Connected' }).count(), 1);
  await eventually(() => page.locator('#log').getAttribute('aria-busy'), 'false');
});

test('on a phone everything fits, and who is here opens and closes', async () => {
  const page = await enter('Ada', 'phone', { options: PHONE });
  await say(page, `${'A long word: '}${'x'.repeat(200)}`);
  await shown(page, 'xxx');
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing sticks out');
  assert.ok(await page.getByRole('button', { name: 'Send' }).boundingBox().then((box) => box.y + box.height <= 780));
  await page.getByRole('button', { name: /people here/ }).tap();
  assert.equal(await page.locator('#people').isVisible(), true);
  await shot(page, 'phone-people');
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('#people').isVisible(), false);
});

test('a long history stays fluid, the view stays where the reader is, and earlier messages can be had', async () => {
  const writer = await bot('Mara', 'big');
  const all = [];
  for (let i = 1; i <= 3000; i++) all.push(writer.send('big', `number ${i}`));
  await Promise.all(all);
  const page = await enter('Ada', 'big');
  await page.getByText(/You came in at/).waitFor();
  assert.ok(await page.locator('#log > li').count() <= 600);
  const fromEnd = () => page.locator('#scroller').evaluate((e) => Math.round(e.scrollHeight - e.scrollTop - e.clientHeight));
  assert.ok(await fromEnd() < 2);

  await page.locator('#scroller').evaluate((e) => { e.scrollTop = 0; });
  await page.waitForTimeout(50);
  await writer.send('big', 'said while reading');
  await page.getByRole('button', { name: '1 new message' }).waitFor();
  assert.equal(await page.locator('#scroller').evaluate((e) => e.scrollTop), 0);
  await shot(page, 'long-history');
  const first = await page.locator('#log .words').first().textContent();
  await page.getByRole('button', { name: /Show earlier/ }).click();
  assert.notEqual(await page.locator('#log .words').first().textContent(), first);
  await page.getByRole('button', { name: '1 new message' }).click();
  assert.ok(await fromEnd() < 2);
  await writer.send('big', 'said at the end');
  await shown(page, 'said at the end');
  assert.ok(await fromEnd() < 2, 'it follows again');
});

test('the room in the address can be changed', async () => {
  const page = await enter('Ada', 'one room');
  await say(page, 'here');
  await shown(page, 'here');
  await page.evaluate(() => { location.hash = '#another'; });
  await page.getByRole('heading', { name: 'another' }).waitFor();
  await page.getByText('Nothing has been said here yet').waitFor();
  await page.goBack();
  await shown(page, 'here');
});
