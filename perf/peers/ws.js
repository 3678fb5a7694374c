// A room broadcaster as one writes it with npm `ws`: TLS, rooms in a Map, one JSON text for all
// members of a room. It speaks the part of the native protocol that ringroom-bench uses (join,
// send, leave, message), so that the same generator measures both.
//
// Usage: node ws.js CERT KEY [HISTORY]   HISTORY: how many messages a room keeps for joiners, 0
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { randomBytes } from 'node:crypto';
import { WebSocketServer } from 'ws';

const [cert, key, history = '0'] = process.argv.slice(2);
const historyMax = Number(history);
const rooms = new Map();

const server = createServer({
  cert: readFileSync(cert),
  key: readFileSync(key),
  minVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256',
});
const sockets = new WebSocketServer({ server, path: '/ws', perMessageDeflate: false });

function roomOf(name) {
  let room = rooms.get(name);
  if (!room) {
    room = { seq: 0, epoch: randomBytes(6).toString('base64url'), members: new Set(), kept: [] };
    rooms.set(name, room);
  }
  return room;
}

const operations = {
  join(socket, request) {
    const room = roomOf(request.room);
    room.members.add(socket);
    socket.rooms.set(request.room, room);
    socket.name = request.name ?? socket.uid;
    const kept = request.history === 0 ? [] : room.kept;
    socket.send(JSON.stringify({
      ev: 'joined', re: request.id, room: request.room, epoch: room.epoch,
      first: room.seq - kept.length + 1, seq: room.seq, members: room.members.size,
    }));
    for (const text of kept) socket.send(text);
  },
  send(socket, request) {
    const room = socket.rooms.get(request.room);
    if (!room) return fail(socket, request, 'not_joined');
    const ts = Date.now();
    const text = JSON.stringify({
      ev: 'message', room: request.room, seq: ++room.seq, ts,
      from: socket.name, uid: socket.uid, text: request.text,
    });
    for (const member of room.members) member.send(text);
    if (historyMax && room.kept.push(text) > historyMax) room.kept.shift();
    if (request.id !== undefined) {
      socket.send(JSON.stringify({ ev: 'ack', re: request.id, room: request.room, seq: room.seq, ts }));
    }
  },
  leave(socket, request) {
    depart(socket, request.room);
    socket.send(JSON.stringify({ ev: 'left', re: request.id, room: request.room }));
  },
};

function depart(socket, name) {
  const room = socket.rooms.get(name);
  if (!room) return;
  socket.rooms.delete(name);
  room.members.delete(socket);
  if (!room.members.size && !room.kept.length) rooms.delete(name);
}

function fail(socket, request, code) {
  socket.send(JSON.stringify({ ev: 'error', re: request.id, code }));
}

sockets.on('connection', (socket) => {
  socket.uid = randomBytes(6).toString('base64url');
  socket.rooms = new Map();
  socket.on('message', (data) => {
    const request = JSON.parse(data);
    const operation = operations[request.op];
    if (operation) operation(socket, request);
    else fail(socket, request, 'unknown_op');
  });
  socket.on('close', () => { for (const name of [...socket.rooms.keys()]) depart(socket, name); });
  socket.on('error', () => socket.terminate());
});

server.listen(0, '127.0.0.1', 4096, () => {
  console.log(`ready https://127.0.0.1:${server.address().port}`);
});
