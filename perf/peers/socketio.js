// The classic chat as one writes it with npm `socket.io`: TLS, rooms of the library's own, and beside
// them the latest messages of each room in memory, which stands for the cache that such servers
// keep them in. It speaks what Ringroom's Socket.IO side does, so that the same generator measures
// both. The library's defaults are left as they are (perMessageDeflate is off in them).
//
// A message gets a number, so that the generator can tell a lost one from a late one; `joined` ends
// with the room's newest. That is all that the classic page would not have.
//
// Usage: node socketio.js CERT KEY [HISTORY [TTL [WS_ENGINE]]]
//   HISTORY    how many messages a room keeps for joiners, 1000
//   TTL        seconds that it keeps them, 3600
//   WS_ENGINE  a package to serve WebSockets with, where it is not to be the library's own choice
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { createRequire } from 'node:module';
import { randomBytes } from 'node:crypto';
import { Server } from 'socket.io';

const [cert, key, history = '1000', ttl = '3600', wsEngine] = process.argv.slice(2);
const historyMax = Number(history);
const ttlMs = Number(ttl) * 1000;
const epoch = randomBytes(6).toString('base64url');
const rooms = new Map();

const server = createServer({
  cert: readFileSync(cert),
  key: readFileSync(key),
  minVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256',
});
const io = new Server(server, wsEngine
  ? { wsEngine: createRequire(import.meta.url)(wsEngine).Server } : {});

function roomOf(name) {
  let room = rooms.get(name);
  if (!room) {
    room = { seq: 0, kept: [] };
    rooms.set(name, room);
  }
  return room;
}

function dropOld(room, now) {
  while (room.kept.length && (room.kept.length > historyMax || room.kept[0].ts + ttlMs <= now)) {
    room.kept.shift();
  }
}

io.on('connection', (socket) => {
  socket.on('join', ({ room: name }) => {
    const room = roomOf(name);
    dropOld(room, Date.now());
    socket.join(name);
    socket.emit('joined', { room: name, chatHistory: room.kept }, `${epoch}.${room.seq}`);
  });
  socket.on('message', ({ room: name, message, name: username = socket.id }, ack) => {
    if (!socket.rooms.has(name)) {
      ack?.({ ok: false, error: 'not_joined' });
      return;
    }
    const room = roomOf(name);
    const ts = Date.now();
    const entry = { username, message, seq: ++room.seq, ts };
    room.kept.push(entry);
    dropOld(room, ts);
    io.to(name).emit('message', { room: name, chatMessage: JSON.stringify(entry) });
    ack?.({ ok: true, seq: entry.seq, ts });
  });
  socket.on('leave', ({ room: name }) => socket.leave(name));
});

// The library forgets a room with its last member; so do we, once nothing is kept of it.
io.of('/').adapter.on('delete-room', (name) => {
  const room = rooms.get(name);
  if (!room) return;
  dropOld(room, Date.now());
  if (!room.kept.length) rooms.delete(name);
});

server.listen(0, '127.0.0.1', 4096, () => {
  console.log(`ready https://127.0.0.1:${server.address().port}`);
});
