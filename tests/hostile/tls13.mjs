/* tls13.mjs - as much of a TLS 1.3 client (RFC 8446) as it takes to send what no library will: X25519,
 * AES-128-GCM, nothing verified. */

import { createCipheriv, createDecipheriv, createHash, createHmac, createPublicKey, diffieHellman, generateKeyPairSync, randomBytes } from 'node:crypto';

const HANDSHAKE = 22, APPLICATION = 23;
const FINISHED = 20, KEY_UPDATE = 24;
const ZEROS = Buffer.alloc(32);

const u16 = (n) => Buffer.from([n >> 8, n & 255]);
const u24 = (n) => Buffer.from([n >> 16, (n >> 8) & 255, n & 255]);
const with16 = (...parts) => { const body = Buffer.concat(parts); return Buffer.concat([u16(body.length), body]); };
const extension = (type, ...parts) => Buffer.concat([u16(type), with16(...parts)]);
const message = (type, body) => Buffer.concat([Buffer.from([type]), u24(body.length), body]);
const record = (type, body) => Buffer.concat([Buffer.from([type, 3, 3]), u16(body.length), body]);

const hash = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest();
const hmac = (key, data) => createHmac('sha256', key).update(data).digest();

/** HKDF-Expand-Label, for at most 32 bytes. */
function expand(secret, label, context, bytes) {
  const name = Buffer.from(`tls13 ${label}`);
  const info = Buffer.concat([u16(bytes), Buffer.from([name.length]), name, Buffer.from([context.length]), context, Buffer.from([1])]);
  return hmac(secret, info).subarray(0, bytes);
}

/** One direction's keys. */
class Keys {
  constructor(secret) {
    this.secret = secret;
    this.key = expand(secret, 'key', Buffer.alloc(0), 16);
    this.iv = expand(secret, 'iv', Buffer.alloc(0), 12);
    this.count = 0;
  }

  #nonce() {
    const nonce = Buffer.from(this.iv);
    nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ this.count++) >>> 0, 8);
    return nonce;
  }

  seal(type, plain) {
    const head = Buffer.concat([Buffer.from([APPLICATION, 3, 3]), u16(plain.length + 17)]);
    const cipher = createCipheriv('aes-128-gcm', this.key, this.#nonce()).setAAD(head);
    return Buffer.concat([head, cipher.update(Buffer.concat([plain, Buffer.from([type])])), cipher.final(), cipher.getAuthTag()]);
  }

  /** The content, without its type. */
  open(sealed) {
    const decipher = createDecipheriv('aes-128-gcm', this.key, this.#nonce()).setAAD(sealed.subarray(0, 5));
    decipher.setAuthTag(sealed.subarray(-16));
    return Buffer.concat([decipher.update(sealed.subarray(5, -16)), decipher.final()]).subarray(0, -1);
  }

  /** Those after a KeyUpdate. */
  next() { return new Keys(expand(this.secret, 'traffic upd', Buffer.alloc(0), 32)); }
}

function clientHello(share) {
  return message(1, Buffer.concat([
    u16(0x0303), randomBytes(32), Buffer.from([0]), with16(u16(0x1301)), Buffer.from([1, 0]),
    with16(
      extension(43, Buffer.from([2]), u16(0x0304)),
      extension(10, with16(u16(29))),
      extension(13, with16(u16(0x0403), u16(0x0804))),
      extension(51, with16(u16(29), with16(share)))),
  ]));
}

/** The server's share in its ServerHello. */
function serverShare(hello) {
  const at = hello.indexOf(Buffer.concat([u16(51), u16(36), u16(29), u16(32)]));
  return hello.subarray(at + 8, at + 40);
}

/** The records in these bytes that are whole. */
function records(bytes) {
  const found = [];
  for (let at = 0; at + 5 <= bytes.length && at + 5 + bytes.readUInt16BE(at + 3) <= bytes.length;) {
    const end = at + 5 + bytes.readUInt16BE(at + 3);
    found.push(bytes.subarray(at, end));
    at = end;
  }
  return found;
}

/** The handshake messages in the server's flight, up to its Finished; null where it is not whole yet. */
function flight(secret, sealed) {
  const keys = new Keys(secret);
  const plain = Buffer.concat(sealed.map((each) => keys.open(each)));
  for (let at = 0; at + 4 <= plain.length;) {
    const end = at + 4 + plain.readUIntBE(at + 1, 3);
    if (plain[at] === FINISHED && end <= plain.length) return plain.subarray(0, end);
    at = end;
  }
  return null;
}

/** The handshake on a TCP line; then the keys to write with, or null where it came to nothing. */
export async function handshake(line) {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  const hello = clientHello(Buffer.from(publicKey.export({ format: 'jwk' }).x, 'base64url'));
  await line.write(record(HANDSHAKE, hello));
  while (line.attack.going && !line.over) {
    await line.attack.sleep(2);
    const [first, ...rest] = records(Buffer.from(line.heard, 'latin1'));
    if (!first || first[0] !== HANDSHAKE) continue;
    const answer = first.subarray(5);
    const theirs = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'X25519', x: serverShare(answer).toString('base64url') } });
    const shared = diffieHellman({ privateKey, publicKey: theirs });
    const early = hmac(ZEROS, ZEROS);
    const secret = hmac(expand(early, 'derived', hash(), 32), shared);
    const said = flight(expand(secret, 's hs traffic', hash(hello, answer), 32), rest.filter(([type]) => type === APPLICATION));
    if (!said) continue;
    const ours = expand(secret, 'c hs traffic', hash(hello, answer), 32);
    const finished = hmac(expand(ours, 'finished', Buffer.alloc(0), 32), hash(hello, answer, said));
    await line.write(new Keys(ours).seal(HANDSHAKE, message(FINISHED, finished)));
    const master = hmac(expand(secret, 'derived', hash(), 32), ZEROS);
    return new Keys(expand(master, 'c ap traffic', hash(hello, answer, said), 32));
  }
  return null;
}

/** `n` KeyUpdates, each of which asks for one in return: {bytes, keys}, the keys after them. */
export function keyUpdates(keys, n) {
  const sealed = [];
  for (let i = 0; i < n; i++) {
    sealed.push(keys.seal(HANDSHAKE, message(KEY_UPDATE, Buffer.from([1]))));
    keys = keys.next();
  }
  return { bytes: Buffer.concat(sealed), keys };
}

/** Application data. */
export const seal = (keys, text) => keys.seal(APPLICATION, Buffer.from(text));
