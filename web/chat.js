/* chat.js - the chat page: the door, the room, and what happens between them.
 *
 * All that is known of the protocol is in ringroom.js, all that is known of showing messages in
 * log.js. Here they meet the rest of the page: connection, people, expiry, writing. */

import { Ringroom, newCid } from './ringroom.js';
import { Log, count, el, ring, timeOf } from './log.js';

const $ = (id) => document.getElementById(id);

/* -- memory: the name for next time; name and session of this window for a reload ----------- */

/** Storage may be forbidden; the page then only forgets. */
const memory = {
  get(storage, key) {
    try { return JSON.parse(globalThis[storage].getItem(`ringroom.${key}`)); } catch { return null; }
  },
  set(storage, key, value) {
    try { globalThis[storage].setItem(`ringroom.${key}`, JSON.stringify(value)); } catch { /* forgotten */ }
  },
};

const roomInAddress = () => {
  try { return decodeURIComponent(location.hash.slice(1)).trim(); } catch { return ''; }
};

/* -- state of the visit --------------------------------------------------------------------- */

let chat = null; // the Ringroom, while in a room
let room = '';
let name = '';
let joined = null; // the latest `joined` event
let seen = 0; // the newest seq that was shown
let replaying = false;
let wasOpen = false;
let unread = 0;

const log = new Log({
  scroller: $('scroller'), list: $('log'), pending: $('pending'), earlier: $('earlier'), pill: $('pill'), empty: $('empty'),
});

/* -- the door ------------------------------------------------------------------------------- */

function showDoor() {
  $('chat').hidden = true;
  $('door').hidden = false;
  document.title = 'Ringroom';
  $('name').value = memory.get('sessionStorage', 'name') ?? memory.get('localStorage', 'name') ?? '';
  $('room-name').value = roomInAddress() || memory.get('sessionStorage', 'room') || 'lobby';
  ($('name').value ? $('room-name') : $('name')).focus();
}

$('door-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const wanted = { name: $('name').value.trim(), room: $('room-name').value.trim() };
  const error = !wanted.name ? 'Please give a name, so that others know who is speaking.'
    : !wanted.room ? 'Please name a room.'
    : new TextEncoder().encode(wanted.room).length > 128 ? 'That name of a room is too long.'
    : '';
  $('door-error').textContent = error;
  if (error) return $(wanted.name ? 'room-name' : 'name').focus();
  memory.set('localStorage', 'name', wanted.name);
  memory.set('sessionStorage', 'name', wanted.name);
  enter(wanted.name, wanted.room);
});

addEventListener('hashchange', () => {
  const wanted = roomInAddress();
  if (chat && wanted && wanted !== room) enter(name, wanted);
  else if (!chat) $('room-name').value = wanted || $('room-name').value;
});

$('leave').addEventListener('click', leave);

function leave() {
  memory.set('sessionStorage', 'inside', false);
  exit();
  showDoor();
}

/* -- the room ------------------------------------------------------------------------------- */

function exit() {
  chat?.close();
  chat = joined = null;
  log.clear();
  people.clear();
  typists.clear();
  endsAt = null;
  hideBanner();
  fail('');
}

function enter(newName, newRoom) {
  exit();
  name = newName;
  room = newRoom;
  seen = unread = 0;
  wasOpen = false;
  memory.set('sessionStorage', 'inside', true);
  memory.set('sessionStorage', 'room', room);
  if (roomInAddress() !== room) history.pushState(null, '', `#${encodeURIComponent(room)}`);
  $('door').hidden = true;
  $('chat').hidden = false;
  $('title').textContent = room;
  $('text').disabled = false;
  showTitle();
  showPeople(0);
  showTyping();
  showExpiry();

  chat = new Ringroom(new URL('ws', document.baseURI), { session: memory.get('sessionStorage', 'sid') ?? undefined });
  chat.on('hello', ({ sid }) => memory.set('sessionStorage', 'sid', sid));
  chat.on('state', onState);
  chat.on('joined', onJoined);
  chat.on('message', onMessage);
  chat.on('deleted', ({ seq }) => {
    if (!log.wipe(seq)) read(seq);
  });
  chat.on('gap', (gap) => {
    log.rule('gap', `${count(gap.count, 'message', 'messages')} can no longer be had`);
    read(gap.to);
  });
  chat.on('member', onMember);
  chat.on('typing', onTyping);
  chat.on('closed', ({ reason }) => shut(reason));
  chat.on('error', (error) => fail(plainly(error)));
  chat.join(room, { name }).catch((error) => {
    if (error.code !== 'closed') shut(error.code, error.message);
  });
  // On a touch screen the keyboard would cover half of what one has come to read.
  if (matchMedia('(hover: hover)').matches) $('text').focus();
}

function onJoined(event) {
  joined = event;
  const missed = event.again && !event.anew && event.seq > seen;
  replaying = !event.again || event.anew || missed;
  log.busy(true);
  if (event.anew) {
    log.begunAnew();
    log.rule('anew', `The room began anew at ${timeOf(Date.now())}. What is above is no longer kept.`);
    seen = 0;
  } else if (missed) {
    log.rule('new', 'While you were away');
  }
  if (wasOpen) announceReturn();
  else showState('open', 'Connected');
  wasOpen = true;
  hideBanner();
  setEnd(event.retention.expires_in);
  read(event.first - 1);
  chat.members(room).then(onMembers, () => {});
}

function onMessage(message) {
  log.add(message);
  forgetTypist(message.uid);
  if (!message.history) {
    clockSkew = Date.now() - message.ts;
    const { ttl, ttl_from: from } = joined.retention;
    if (from !== 'first_message' || endsAt === null) setEnd(ttl);
    if (document.hidden && !message.own) unread++, showTitle();
  }
  read(message.seq);
}

/** Everything up to `seq` has been shown. Where that ends the replay, the present begins. */
function read(seq) {
  seen = Math.max(seen, seq);
  if (!replaying) return log.busy(false);
  if (seen < joined.seq) return;
  replaying = false;
  if (!joined.again && joined.seq >= joined.first) log.rule('new', `You came in at ${timeOf(Date.now())}`);
  log.busy(false);
}

/** This client is out of the room, for good. */
function shut(reason, message) {
  const words = {
    expired: 'This room’s time is up. What was said in it is gone.',
    closed: 'This room was closed. What was said in it is gone.',
    kicked: 'You were removed from this room.',
    forbidden: 'You may not come into this room.',
    room_full: 'This room is full. Try again later.',
    unauthorized: 'The server did not let you in. Please sign in again.',
  }[reason] ?? message ?? `You are out of this room (${reason}).`;
  if (reason === 'expired' || reason === 'closed') log.clear();
  endsAt = null;
  showExpiry();
  $('text').disabled = true;
  banner(words, { bad: true, label: 'Back to the door', action: leave });
}

/* -- the connection's state ------------------------------------------------------------------ */

let nextTry = 0;
let stateTimer;

function onState({ state, ms, code, reason }) {
  clearTimeout(stateTimer);
  clearInterval(stateTimer);
  if (state === 'connecting') showState(state, wasOpen ? 'Reconnecting…' : 'Connecting…');
  if (state === 'open' && !joined) showState('connecting', 'Joining…');
  if (state === 'waiting') {
    showState(state, 'Not connected');
    typists.clear();
    showTyping();
    nextTry = Date.now() + ms;
    // A break that mends itself at once need not be spoken of.
    stateTimer = setTimeout(() => {
      showWaiting();
      stateTimer = setInterval(showWaiting, 1000);
    }, 400);
  }
  if (state === 'closed') {
    showState(state, 'Disconnected');
    if (code) shut({ 4001: 'unauthorized', 4003: 'forbidden', 4010: 'kicked' }[code] ?? 'closed', reason);
  }
}

function showWaiting() {
  const seconds = Math.max(0, Math.ceil((nextTry - Date.now()) / 1000));
  const lost = wasOpen ? 'The connection was lost.' : 'The server can’t be reached.';
  banner(`${lost} Trying again ${seconds > 1 ? `in ${seconds} seconds` : 'now'}.`, { label: 'Try now', action: () => chat.connect() });
}

function showState(state, text, news = false) {
  $('state').dataset.state = state;
  $('state').classList.toggle('news', news);
  if ($('state-text').textContent !== text) $('state-text').textContent = text;
}

function announceReturn() {
  showState('open', 'Connected again', true);
  stateTimer = setTimeout(() => showState('open', 'Connected'), 5000);
}

let bannerAction = null;

function banner(text, { bad = false, label = '', action = null }) {
  $('banner').hidden = false;
  $('banner').classList.toggle('bad', bad);
  if ($('banner-text').textContent !== text) $('banner-text').textContent = text;
  $('banner-button').hidden = !label;
  $('banner-button').textContent = label;
  bannerAction = action;
}

function hideBanner() {
  if ($('banner').contains(document.activeElement)) $('text').focus();
  $('banner').hidden = true;
}

$('banner-button').addEventListener('click', () => bannerAction?.());

/* -- when it all ends ------------------------------------------------------------------------ */

let endsAt = null; // by this computer's clock; null: nothing is kept, so nothing ends
let clockSkew = 0; // this computer's clock less the server's

function setEnd(seconds) {
  endsAt = seconds === undefined || seconds === null ? null : Date.now() + seconds * 1000;
  showExpiry();
}

/** "45 s", "12 min", "2 h 5 min", "3 days" */
function span(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.round((seconds % 3600) / 60);
  if (hours < 48) return `${hours} h${minutes ? ` ${minutes} min` : ''}`;
  return count(Math.round(hours / 24), 'day', 'days');
}

/** A countdown: "59:07" within the last hour, else as `span`. */
function remaining(seconds) {
  if (seconds >= 3600) return span(seconds - (seconds % 60));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

function showExpiry() {
  $('expiry').hidden = !joined || !chat;
  if (!joined) return;
  const { ttl, ttl_from: from } = joined.retention;
  const each = from === 'message';
  $('expiry').title = {
    last_message: `Everything said here is deleted ${span(ttl)} after the last message.`,
    first_message: `Everything said here is deleted ${span(ttl)} after the first message.`,
    message: `Each message is deleted ${span(ttl)} after it was sent.`,
  }[from];
  const left = endsAt === null ? null : Math.max(0, Math.ceil((endsAt - Date.now()) / 1000));
  $('expiry').classList.toggle('soon', !each && left !== null && left <= 60);
  $('expiry-text').textContent = each || left === null ? `Messages are kept ${span(ttl)}` : `All deleted in ${remaining(left)}`;
}

setInterval(() => {
  if (!chat || !joined) return;
  if (endsAt !== null && Date.now() >= endsAt) {
    endsAt = null;
    log.expire(Infinity);
    log.rule('gap', 'What was said here has expired, and is gone');
  } else if (joined.retention.ttl_from === 'message') {
    log.expire(Date.now() - clockSkew - joined.retention.ttl * 1000);
  }
  showExpiry();
}, 1000);

/* -- who is here, who is typing ---------------------------------------------------------------- */

const people = new Map(); // uid -> name
const LISTED = 200;

function onMembers({ count: n, members }) {
  people.clear();
  for (const { uid, name: who } of members) people.set(uid, who);
  showPeople(n);
}

function onMember({ uid, name: who, on, count: n }) {
  if (uid && on) people.set(uid, who);
  if (uid && !on) {
    people.delete(uid);
    forgetTypist(uid);
  }
  showPeople(n);
}

function showPeople(n) {
  $('people-count').textContent = $('people-total').textContent = n.toLocaleString();
  const me = chat?.hello?.uid;
  const sorted = [...people].sort((a, b) => (b[0] === me) - (a[0] === me) || a[1].localeCompare(b[1]));
  $('people-list').replaceChildren(...sorted.slice(0, LISTED).map(([uid, who]) => {
    const row = el('li', '', ring(who || '?'), el('span', 'who', who || 'Someone'));
    if (uid === me) row.append(el('span', 'you', 'you'));
    return row;
  }));
  const more = n - Math.min(people.size, LISTED);
  $('people-more').hidden = more <= 0;
  $('people-more').textContent = `and ${count(more, 'other', 'others')}`;
}

function showPanel(on) {
  $('people').classList.toggle('shown', on);
  $('people-button').setAttribute('aria-expanded', on);
}

$('people-button').addEventListener('click', () => showPanel(!$('people').classList.contains('shown')));
addEventListener('pointerdown', ({ target }) => {
  if (!$('people').contains(target) && !$('people-button').contains(target)) showPanel(false);
});
addEventListener('keydown', ({ key }) => {
  if (key !== 'Escape' || !$('people').classList.contains('shown')) return;
  showPanel(false);
  $('people-button').focus();
});

const typists = new Map(); // uid -> {from, timer}
const TYPING_MS = 8000; // for typists whose last word on it was lost

function onTyping({ uid, from, on }) {
  forgetTypist(uid);
  if (!on) return;
  typists.set(uid, { from: from || 'Someone', timer: setTimeout(() => forgetTypist(uid), TYPING_MS) });
  showTyping();
}

function forgetTypist(uid) {
  clearTimeout(typists.get(uid)?.timer);
  if (typists.delete(uid)) showTyping();
}

function showTyping() {
  const names = [...typists.values()].map(({ from }) => from);
  $('typing').textContent = names.length === 0 ? ''
    : names.length === 1 ? `${names[0]} is typing…`
    : names.length <= 3 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)} are typing…`
    : 'Several people are typing…';
}

/* -- writing ------------------------------------------------------------------------------------ */

function plainly(error) {
  return {
    rate_limited: 'You are writing faster than this room allows. Wait a moment.',
    muted: 'A moderator has muted you for now.',
    forbidden: 'You may read here, but not write.',
    unavailable: 'The server can take no more messages just now.',
    too_large: 'This message is too long.',
    closed: 'The room was left before this was sent.',
  }[error.code] ?? error.message;
}

/** Says under the composer what is wrong; '' = nothing. */
function fail(text) {
  if ($('text-error').textContent !== text) $('text-error').textContent = text;
  $('text').toggleAttribute('aria-invalid', Boolean(text));
}

function tooLong(text) {
  const excess = chat.excess(room, { text });
  if (!excess) return '';
  // The limit is in bytes; for people it is a matter of characters, so say about how many.
  const over = Math.ceil((excess * text.length) / new TextEncoder().encode(text).length);
  return `This message is too long by about ${count(over, 'character', 'characters')}.`;
}

function submit(text, cid = newCid()) {
  log.pend(cid, text);
  const waits = setTimeout(() => log.mark(cid, chat?.state === 'open' ? 'Sending…' : 'Waiting for the connection'), 600);
  chat.send(room, { text, cid }).then(
    () => clearTimeout(waits), // the message itself comes, and takes the place of this one
    (error) => {
      clearTimeout(waits);
      log.mark(cid, `Not sent. ${plainly(error)}`, {
        failed: true,
        actions: {
          'Try again': () => {
            log.unpend(cid);
            if (chat) submit(text, cid);
          },
          Edit: () => {
            log.unpend(cid);
            $('text').value = [text, $('text').value].filter(Boolean).join('\n');
            grow();
            $('text').focus();
          },
        },
      });
    },
  );
}

/** The field is as high as its text, up to the bound that the style sheet sets. */
function grow() {
  const field = $('text');
  field.style.height = 'auto';
  field.style.height = `${field.scrollHeight}px`;
}

$('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = $('text').value.trim();
  if (!chat || !text || $('text').disabled) return;
  const problem = tooLong(text);
  fail(problem);
  if (problem) return;
  $('text').value = '';
  grow();
  submit(text);
});

$('text').addEventListener('input', () => {
  grow();
  if (!chat) return;
  const text = $('text').value;
  chat.typing(room, text.trim() !== '');
  fail(tooLong(text.trim()));
});

$('text').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $('composer').requestSubmit();
});

$('skip').addEventListener('click', (event) => {
  event.preventDefault();
  $('text').focus();
});

/* -- the window ------------------------------------------------------------------------------ */

function showTitle() {
  document.title = `${unread ? `(${unread}) ` : ''}${room} · Ringroom`;
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden || !chat) return;
  unread = 0;
  showTitle();
});

// Where a virtual keyboard covers the page instead of shrinking it (iOS), shrink it ourselves.
visualViewport?.addEventListener('resize', () => {
  const covered = innerHeight - visualViewport.height * visualViewport.scale > 80;
  document.documentElement.style.setProperty('--height', covered ? `${visualViewport.height}px` : '100dvh');
  if (covered) scrollTo(0, 0);
});

// A reload comes back into the room; a new window asks for a name first.
if (memory.get('sessionStorage', 'inside') && memory.get('sessionStorage', 'name') && roomInAddress()) {
  enter(memory.get('sessionStorage', 'name'), roomInAddress());
} else {
  showDoor();
}
