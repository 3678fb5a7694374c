/* terminal.mjs - `ringroom chat` as a program that is talked to: over pipes, and at a terminal whose
 * screen is looked at. */

import { spawn } from 'node:child_process';
import { BINARY, helper } from './server.mjs';
import { DEADLINE_MS, until, within } from './wait.mjs';

/** A program with what it has said so far: out, err. */
class Program {
  out = '';
  err = '';

  constructor(file, args, { env = {}, stdio = ['pipe', 'pipe', 'pipe'] } = {}) {
    const { RINGROOM_TOKEN, NO_COLOR, ...own } = process.env;
    this.child = spawn(file, args, { stdio, env: { ...own, TZ: 'UTC', TERM: 'xterm', LC_ALL: 'C.UTF-8', ...env } });
    this.child.stdin.on('error', () => {}); // it may have gone already
    this.child.stdout.setEncoding('utf8').on('data', (text) => { this.out += text; this.drawn?.(text); });
    this.child.stderr?.setEncoding('utf8').on('data', (text) => { this.err += text; });
    this.end = new Promise((done) => this.child.on('close', (code, signal) => done({ code: code ?? signal, out: this.out, err: this.err })));
  }

  type(text) { this.child.stdin.write(text); }
  close() { this.child.stdin.end(); }
  kill(signal) { this.child.kill(signal); }
  /** Waits for its end: {code, out, err}. */
  ended() { return within(this.end, `its end\n${this.out}\n${this.err}`); }
  /** Waits until the program has said it. */
  says(what, stream = 'out') {
    return until(() => (what instanceof RegExp ? what.test(this[stream]) : this[stream].includes(what)),
      () => `${what} in\n${this.out}\n${this.err}`);
  }
}

/** `ringroom chat` between pipes. */
export const chat = (url, args = [], options) => new Program(BINARY, ['chat', url, ...args], options);

/** All of it: these lines go in, and it runs to its end. */
export async function talk(url, args, input = '', options) {
  const program = chat(url, args, options);
  program.type(input);
  program.close();
  return program.ended();
}

/** As much of a terminal as the program uses: what does not belong there is an error. */
export class Screen extends Program {
  rows = [''];
  row = 0;
  column = 0;
  #held = '';

  constructor(url, args = [], { columns = 60, rows = 12, ...options } = {}) {
    super(helper('pty'), [columns, rows, BINARY, 'chat', url, ...args].map(String),
      { ...options, stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
  }

  resize(columns, rows) { this.child.stdio[3].write(`${columns} ${rows}\n`); }

  drawn(text) {
    this.#held += text;
    for (let match; this.#held && (match = /^(?:\x1b\[([?\d;]*)([A-Za-z])|\r|\n|[^\x00-\x1f\x7f-\x9f])/u.exec(this.#held));) {
      this.#held = this.#held.slice(match[0].length);
      this.#take(match);
    }
    if (this.#held && !/^\x1b(\[[?\d;]*)?$/.test(this.#held))
      this.alarm ??= `on the terminal: ${JSON.stringify(this.#held.slice(0, 20))}`;
  }

  #take([all, parameter, command]) {
    const n = Number(parameter || 1);
    if (all === '\r') this.column = 0;
    else if (all === '\n') { if (++this.row === this.rows.length) this.rows.push(''); }
    else if (command === 'A') this.row = Math.max(0, this.row - n);
    else if (command === 'C') this.column += n;
    else if (command === 'J' && !parameter) this.rows = [...this.rows.slice(0, this.row), this.#line().slice(0, this.column).join('')];
    else if (command === 'm') this.colours = true;
    else if (command) this.alarm ??= `a sequence: ${JSON.stringify(all)}`;
    else this.#put(all);
  }

  /** A row as its columns: what is two wide has an empty one behind it. */
  #line() { return [...this.rows[this.row]].flatMap((c) => (/[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uff00-\uff60]/.test(c) ? [c, ''] : [c])); }

  #put(character) {
    const line = this.#line();
    while (line.length < this.column) line.push(' ');
    line[this.column] = character;
    this.rows[this.row] = line.join('');
    this.column += /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uff00-\uff60]/.test(character) ? 2 : 1;
  }

  /** Waits for the screen to fit; the rows. */
  async shows(fits, what = String(fits), ms = DEADLINE_MS) {
    await until(() => this.alarm || fits(this.rows), () => `${what} on\n${this.rows.join('\n')}`, ms);
    if (this.alarm) throw new Error(this.alarm);
    return this.rows;
  }
}
