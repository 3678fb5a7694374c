/* What no stock client does with Socket.IO sessions, but anyone can. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import WebSocket from 'ws';
import { freshRoom } from '../lib/client.mjs';
import { everyWay, fewer } from '../lib/server.mjs';
import { amount, until } from '../lib/wait.mjs';

const WAYS = [{ shards: 1, tls: false }, { shards: 4, tls: false }];

/** A WebSocket that takes packets as they are. */
class Raw {
  packets = [];

  static async open(at) {
    const raw = new Raw();
    raw.socket = new WebSocket(at.server.wsUrl(at.tls, '/socket.io/?EIO=4&transport=websocket'), { ca: at.server.ca });
    raw.socket.on('message', (data) => raw.packets.push(data.toString()));
    raw.socket.on('error', () => {});
    raw.closed = new Promise((done) => raw.socket.on('close', (code) => done(code)));
    await raw.heard('0');
    return raw;
  }

  /** The first packet that begins so. */
  async heard(lead, from = 0) {
    const found = () => this.packets.slice(from).find((packet) => packet.startsWith(lead));
    await until(found, () => `a packet ${lead}; have come: ${this.packets.slice(-5)}`);
    return found();
  }

  async connect(auth) {
    const from = this.packets.length;
    this.socket.send(`40${auth ? JSON.stringify(auth) : ''}`);
    return JSON.parse((await this.heard('40', from)).slice(2));
  }

  /** In one segment. */
  send(...packets) {
    const under = this.socket._socket;
    under.cork();
    for (const packet of packets) this.socket.send(packet);
    under.uncork();
  }

  cut() { this.socket.terminate(); return this.closed; }
}

everyWay(fewer(WAYS), {}, (at) => {
  test('who leaves rooms and at once asks to be another session stays who it was', async () => {
    for (let round = 0; round < amount(30, 8); round++) {
      const other = await Raw.open(at);
      const { pid } = await other.connect();
      await other.cut();
      const raw = await Raw.open(at);
      await raw.connect();
      for (let i = 0; i < 20; i++) raw.send(`42${i}["join",{"room":"${freshRoom()}"}]`);
      await raw.heard('4319');
      const from = raw.packets.length;
      raw.send('41', `40${JSON.stringify({ pid, offset: '' })}`);
      const connected = JSON.parse((await raw.heard('40', from)).slice(2));
      assert.notEqual(connected.pid, pid);
      await raw.cut();
    }
  });

  test('an offset of an older session does not prove that `joined` has come', async () => {
    const room = freshRoom();
    const join = async (raw) => {
      const from = raw.packets.length;
      raw.socket.send(`42["join",{"room":"${room}"}]`);
      return JSON.parse((await raw.heard('42["joined"', from)).slice(2)).at(-1);
    };
    const first = await Raw.open(at);
    await first.connect();
    await join(first);
    first.socket.send(`42["message",{"room":"${room}","message":"x"}]`);
    const stale = JSON.parse((await first.heard('42["message"')).slice(2)).at(-1);
    await first.cut();

    for (const recovers of [false, true]) {
      const second = await Raw.open(at);
      const { pid } = await second.connect();
      const offset = await join(second);
      await second.cut();
      const third = await Raw.open(at);
      const connected = await third.connect({ pid, offset: recovers ? offset : stale });
      assert.equal(connected.pid === pid, recovers);
      await third.cut();
    }
  });
});
