/* proxied.mjs - what a proxy in front says of its clients: PROXY headers, version 2, and connections that
 * begin with one. (proxy.mjs is a bad network.) */

import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import nodeTls from 'node:tls';

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
export const [LOCAL, PROXY] = [0x20, 0x21];
export const [UNSPEC, TCP4, UDP4, TCP6, UNIX] = [0x00, 0x11, 0x12, 0x21, 0x31];

/** Of an address, its bytes. */
function bytesOf(address) {
  if (net.isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [left, right] = address.split('::').map((half) => (half ? half.split(':') : []));
  const words = right ? [...left, ...Array(8 - left.length - right.length).fill('0'), ...right] : left;
  return Buffer.from(words.flatMap((word) => [parseInt(word, 16) >> 8, parseInt(word, 16) & 255]));
}

/** Any header, proper or not: `length` is what it says of itself. */
export function anyHeader({ command = PROXY, family = UNSPEC, rest = Buffer.alloc(0), length = rest.length } = {}) {
  return Buffer.concat([SIGNATURE, Buffer.from([command, family, length >> 8, length & 255]), rest]);
}

/** A proxy speaks for this address. */
export function header(source, tlvs = Buffer.alloc(0)) {
  const address = bytesOf(source);
  const ports = Buffer.from([0x12, 0x67, 0x01, 0xbb]);
  return anyHeader({ family: net.isIPv4(source) ? TCP4 : TCP6, rest: Buffer.concat([address, address, ports, tlvs]) });
}

/** An agent for any client: each of its connections begins with these bytes, then comes TLS or HTTP. */
export function agentWith({ tls, first = Buffer.alloc(0), localAddress = '127.0.0.1' }) {
  const agent = new (tls ? https : http).Agent();
  agent.createConnection = (options) => {
    const socket = net.connect({ host: '127.0.0.1', port: options.port, localAddress });
    socket.write(first);
    return tls ? nodeTls.connect({ ...options, servername: 'localhost', socket }) : socket;
  };
  return agent;
}
