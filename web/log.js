/* log.js - the list of what was said, as the chat page shows it.
 *
 * Every entry is kept in memory; the document holds the newest few hundred, and more on request, so
 * a history of ten thousand messages costs no more than one of three hundred. What comes in is put
 * into the document once per animation frame. The view follows new messages only while it is at
 * the bottom; otherwise a pill tells how many have come. */

const SHOWN = 300; // entries in the document at first, and to which it is trimmed
const TRIM_ABOVE = 600;
const STEP = 300; // more of them for each "show earlier"
const KEPT = 20_000; // entries in memory
const GROUP_MS = 5 * 60_000; // a person's messages closer than this stand together
const REPLAY_MS = 1000; // between two looks at a replay under way
const NEAR_BOTTOM_PX = 48;

/** Makes an element. Texts of users only ever come in as text nodes. */
export function el(tag, className = '', ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

/** "1 message", "1,204 messages" */
export const count = (n, one, many) => `${n.toLocaleString()} ${n === 1 ? one : many}`;

const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const precise = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
export const timeOf = (ms) => clock.format(ms);
const dayOf = (ms) => new Date(ms).toDateString();

function dayName(ms) {
  if (dayOf(ms) === dayOf(Date.now())) return 'Today';
  if (dayOf(ms) === dayOf(Date.now() - 86_400_000)) return 'Yesterday';
  return weekday.format(ms);
}

function time(ms) {
  const node = el('time', 'time', timeOf(ms));
  node.dateTime = new Date(ms).toISOString();
  node.title = precise.format(ms);
  return node;
}

/** A person's ring: the first letter in a circle whose hue comes from the name. */
export function ring(name) {
  const node = el('span', 'ring', [...name.trim()][0]?.toUpperCase() ?? '·');
  node.setAttribute('aria-hidden', 'true');
  node.style.setProperty('--hue', hueOf(name));
  return node;
}

export function hueOf(name) {
  let hash = 2166136261;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
  return ((hash >>> 0) % 24) * 15;
}

/** Text with its http(s) addresses made into links. */
function linked(text) {
  const parts = document.createDocumentFragment();
  let end = 0;
  for (const match of text.matchAll(/https?:\/\/[^\s<>"“”]+/gi)) {
    // Punctuation after an address belongs to the sentence, a bracket only if it was opened outside.
    let address = match[0].replace(/[.,;:!?'’»…]+$/, '');
    if (address.endsWith(')') && !address.includes('(')) address = address.slice(0, -1);
    if (!URL.canParse(address)) continue;
    const link = el('a', '', address);
    link.href = address;
    link.target = '_blank';
    link.rel = 'noopener noreferrer nofollow';
    parts.append(text.slice(end, match.index), link);
    end = match.index + address.length;
  }
  parts.append(text.slice(end));
  return parts;
}

function wordsOf(message) {
  if (message.wiped) return el('p', 'words wiped', 'Message deleted');
  if (message.text) return el('p', 'words', linked(message.text));
  if (message.data !== undefined) {
    return el('pre', 'words', JSON.stringify(message.data, null, 2).slice(0, 4000));
  }
  return el('p', 'words wiped', 'Empty message');
}

export class Log {
  #parts; // {scroller, list, pending, earlier, pill, empty}
  #entries = []; // {at, message} or {at, rule, text}, the oldest first
  #queue = []; // entries that the next frame puts in
  #frame = 0; // the next animation frame …
  #timer = 0; // … or, during a replay, the pause before it
  #from = 0; // index of the first entry in the document
  #bySeq = new Map(); // of the present epoch
  #unsent = new Map(); // cid -> li
  #stuck = true; // the view is at the bottom, and stays there
  #unseen = 0; // came in below the view
  #busy = false; // a replay is coming in
  #ready = false; // whether "nothing has been said" may be claimed

  constructor(parts) {
    this.#parts = parts;
    const { scroller, earlier, pill } = parts;
    scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#settle()).observe(scroller);
    earlier.addEventListener('click', () => this.#showEarlier());
    pill.addEventListener('click', () => {
      this.toBottom();
      scroller.focus({ preventScroll: true });
    });
  }

  /** Adds a message. */
  add(message) {
    const entry = { at: message.ts, message };
    if (message.seq !== undefined) this.#bySeq.set(message.seq, entry);
    this.#enqueue(entry);
  }

  /** Adds a line across the column. `kind`: new, gap, anew. */
  rule(kind, text) {
    this.#enqueue({ at: Date.now(), rule: kind, text });
  }

  /** While a replay runs, the document is brought up to date only now and then, and screen readers
   * are not read the whole history. */
  busy(on) {
    if (on === this.#busy) return;
    this.#busy = on;
    if (on) this.#parts.list.setAttribute('aria-busy', true);
    else this.#ready = true;
    this.#schedule();
  }

  /** The room began anew: what is shown stays, faded, under numbers of its own. */
  begunAnew() {
    this.#flush();
    this.#bySeq.clear();
    for (const entry of this.#entries) {
      entry.former = true;
      entry.node?.classList.add('former');
    }
  }

  /** A message was deleted. @returns {boolean} whether it was known here */
  wipe(seq) {
    const entry = this.#bySeq.get(seq);
    if (!entry) return false;
    entry.message = { ...entry.message, text: undefined, data: undefined, wiped: true };
    entry.node?.querySelector('.words').replaceWith(wordsOf(entry.message));
    return true;
  }

  /** Takes out what was said up to that moment. */
  expire(upTo) {
    this.#flush();
    let gone = 0;
    while (gone < this.#entries.length && this.#entries[gone].at <= upTo) gone++;
    if (!gone) return;
    this.#drop(gone);
    this.#schedule();
  }

  clear() {
    this.#queue.length = 0;
    this.#entries.length = 0;
    this.#bySeq.clear();
    this.#unsent.clear();
    this.#parts.pending.replaceChildren();
    this.#ready = false;
    this.#stuck = true;
    this.#show(0);
    this.#schedule();
  }

  toBottom() {
    this.#stuck = true;
    this.#trim();
    this.#settle();
  }

  /* -- one's own messages on their way ------------------------------------------------------ */

  /** Shows a message that is not stored yet, below all others. */
  pend(cid, text) {
    const note = el('p', 'note');
    note.setAttribute('role', 'status');
    const body = el('div', 'body', el('p', 'words', linked(text)), note);
    const li = el('li', 'entry own pending', el('div', 'message', body));
    this.#unsent.set(cid, li);
    this.#parts.pending.append(li);
    this.#updateEmpty();
    this.toBottom();
  }

  /** Says how it stands with it. `actions`: label -> function, as buttons. */
  mark(cid, text, { failed = false, actions = {} } = {}) {
    const li = this.#unsent.get(cid);
    if (!li) return;
    li.classList.toggle('failed', failed);
    const buttons = Object.entries(actions).map(([label, action]) => {
      const button = el('button', '', label);
      button.type = 'button';
      button.addEventListener('click', action);
      return button;
    });
    li.querySelector('.note').replaceChildren(text, ...(buttons.length ? [el('span', 'retry', ...buttons)] : []));
    this.#settle();
  }

  unpend(cid) {
    this.#unsent.get(cid)?.remove();
    this.#unsent.delete(cid);
    this.#updateEmpty();
  }

  /* -- putting it into the document --------------------------------------------------------- */

  #enqueue(entry) {
    this.#queue.push(entry);
    this.#schedule();
  }

  #schedule() {
    if (this.#busy && this.#entries.length > 0) this.#timer ||= setTimeout(() => this.#nextFrame(), REPLAY_MS);
    else this.#nextFrame();
  }

  #nextFrame() {
    this.#frame ||= requestAnimationFrame(() => this.#flush());
  }

  #flush() {
    clearTimeout(this.#timer);
    cancelAnimationFrame(this.#frame);
    this.#timer = this.#frame = 0;
    const first = this.#entries.length;
    for (const entry of this.#queue) this.#entries.push(entry);
    this.#queue.length = 0;
    const added = this.#entries.length - first;
    for (const { message } of this.#entries.slice(first)) {
      if (message?.own && message.cid) this.unpend(message.cid);
      if (message && !message.own && !this.#stuck) this.#unseen++;
    }
    if (this.#stuck && added >= SHOWN) {
      this.#show(this.#entries.length - SHOWN);
    } else if (added) {
      const fragment = document.createDocumentFragment();
      for (let i = first; i < this.#entries.length; i++) fragment.append(this.#render(i));
      this.#parts.list.append(fragment);
      if (this.#stuck) this.#trim();
    }
    if (this.#entries.length > KEPT && this.#stuck) this.#drop(this.#entries.length - KEPT + STEP);
    this.#updateEmpty();
    this.#settle();
    if (!this.#busy) requestAnimationFrame(() => this.#parts.list.setAttribute('aria-busy', this.#busy));
  }

  /** Rebuilds the document's part of the list from that entry on. */
  #show(from) {
    this.#from = Math.max(0, from);
    const fragment = document.createDocumentFragment();
    for (let i = this.#from; i < this.#entries.length; i++) fragment.append(this.#render(i));
    this.#parts.list.replaceChildren(fragment);
    this.#updateEarlier();
  }

  #trim() {
    if (this.#entries.length - this.#from > TRIM_ABOVE) this.#show(this.#entries.length - SHOWN);
  }

  /** Forgets the oldest `n` entries, and leaves the reader where they are. */
  #drop(n) {
    const { scroller } = this.#parts;
    const below = scroller.scrollHeight - scroller.scrollTop;
    for (const { message, node } of this.#entries.splice(0, n)) {
      node?.remove();
      if (message && this.#bySeq.get(message.seq)?.message === message) this.#bySeq.delete(message.seq);
    }
    const shown = n > this.#from ? this.#entries[0]?.node : undefined;
    this.#from = Math.max(0, this.#from - n);
    shown?.replaceWith(this.#render(0)); // the first one tells its day and its writer
    if (!this.#stuck) scroller.scrollTop = scroller.scrollHeight - below;
    this.#updateEarlier();
  }

  #showEarlier() {
    const { scroller, list, earlier } = this.#parts;
    const before = scroller.scrollHeight;
    this.#stuck = false;
    list.setAttribute('aria-busy', true);
    this.#show(this.#from - STEP);
    scroller.scrollTop += scroller.scrollHeight - before;
    list.setAttribute('aria-busy', false);
    if (earlier.hidden) scroller.focus({ preventScroll: true });
  }

  /** One entry as a list item: a day's line if a day begins, then the line or message itself. */
  #render(index) {
    const entry = this.#entries[index];
    const before = index > this.#from ? this.#entries[index - 1] : undefined;
    const li = el('li', 'entry');
    entry.node = li;
    if (entry.former) li.classList.add('former');
    if (entry.rule) {
      li.classList.add('line');
      li.append(el('p', `rule ${entry.rule}`, el('span', '', entry.text)));
      return li;
    }
    const { message } = entry;
    const from = message.from || 'Someone';
    const newDay = !before || dayOf(before.at) !== dayOf(entry.at);
    if (newDay) li.append(el('p', 'rule day', el('span', '', dayName(entry.at))));
    const joined = !newDay && before.message?.uid === message.uid && before.message.from === message.from
      && entry.at - before.at < GROUP_MS;
    li.classList.toggle('joined', joined);
    li.classList.toggle('own', Boolean(message.own));

    const name = el('span', message.own ? 'unseen' : 'name', message.own ? 'You' : from);
    const words = wordsOf(message);
    if (joined) {
      name.className = 'unseen';
      li.append(el('div', 'message', el('div', 'body', name, words, time(entry.at))));
    } else {
      name.style.setProperty('--hue', hueOf(from));
      const head = el('div', 'head', name, time(entry.at));
      li.append(el('div', 'message', ...(message.own ? [] : [ring(from)]), head, el('div', 'body', words)));
    }
    return li;
  }

  /* -- where the view is -------------------------------------------------------------------- */

  #scrolled() {
    const { scroller } = this.#parts;
    this.#stuck = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_BOTTOM_PX;
    if (this.#stuck) this.#updatePill();
  }

  /** Keeps the bottom in view, if that is where the reader is. */
  #settle() {
    const { scroller } = this.#parts;
    if (this.#stuck) scroller.scrollTop = scroller.scrollHeight;
    this.#updatePill();
  }

  #updatePill() {
    if (this.#stuck) this.#unseen = 0;
    const { pill } = this.#parts;
    if (pill.hidden && this.#unseen === 0) return; // an idle write would cost a layout
    pill.hidden = this.#unseen === 0;
    pill.textContent = count(this.#unseen, 'new message', 'new messages');
  }

  #updateEarlier() {
    const { earlier } = this.#parts;
    earlier.hidden = this.#from === 0;
    earlier.textContent = `Show earlier (${count(this.#from, 'message', 'messages')})`;
  }

  #updateEmpty() {
    const { empty } = this.#parts;
    empty.hidden = !this.#ready || this.#entries.length + this.#queue.length + this.#unsent.size > 0;
  }
}
