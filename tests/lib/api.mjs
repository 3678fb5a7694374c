/* api.mjs - the HTTP API as a back end calls it. */

import assert from 'node:assert/strict';
import http from 'node:http';
import https from 'node:https';
import { within } from './wait.mjs';

export const API_KEY = 'a-key-of-the-tests-and-of-the-tests-alone';
/** A server that has the API. */
export const API = { 'api.keys': [{ name: 'tests', key: API_KEY }] };

/** A few connections for many calls; destroy() it. */
export const keptAlive = (at) => new (at.tls ? https : http).Agent({ keepAlive: true, maxSockets: 4 });

const segment = (text) => encodeURIComponent(text);
export const roomPath = (room, rest = '') => `/v1/rooms/${segment(room)}${rest}`;

/** One call, by default on a connection of its own: any shard may get it. {status, headers, text, json}.
 *  `body` is JSON, unless it is a string or bytes. */
export function call(at, method, path, body, { key = API_KEY, headers = {}, agent = false, type = 'application/json' } = {}) {
  const { request } = at.tls ? https : http;
  const bytes = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const options = { method, agent, ca: at.server.ca, servername: 'localhost', headers: { ...headers } };
  if (key) options.headers.authorization ??= `Bearer ${key}`;
  if (bytes !== undefined) {
    if (type) options.headers['content-type'] ??= type;
    options.headers['content-length'] ??= Buffer.byteLength(bytes);
  }
  const answered = new Promise((done, fail) => {
    const asking = request(at.server.url(at.tls, path), options, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk) => { text += chunk; });
      answer.on('end', () => {
        const json = /json/.test(answer.headers['content-type'] ?? '') && text ? JSON.parse(text) : undefined;
        done({ status: answer.statusCode, headers: answer.headers, text, json });
      });
      answer.on('error', fail);
    });
    asking.on('error', fail);
    asking.end(bytes);
  });
  return within(answered, `the answer to ${method} ${path}`);
}

/** One server's calls; each must succeed, but for `refused`. */
export const apiOf = (at) => {
  const good = async (method, path, body, options) => {
    const answer = await call(at, method, path, body, options);
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.json;
  };
  return {
    call: (...args) => call(at, ...args),
    publish: (room, body, options) => good('POST', roomPath(room, '/messages'), body, options),
    history: (room, query = '') => good('GET', roomPath(room, `/messages${query}`)),
    members: (room) => good('GET', roomPath(room, '/members')),
    room: (room) => good('GET', roomPath(room)),
    put: (room, body) => good('PUT', roomPath(room), body),
    close: (room) => good('DELETE', roomPath(room)),
    remove: (room, seq) => good('DELETE', roomPath(room, `/messages/${seq}`)),
    kick: (room, uid, seconds) => good('POST', roomPath(room, '/kick'), { uid, seconds }),
    mute: (room, uid, seconds) => good('POST', roomPath(room, '/mute'), { uid, seconds }),
    disconnect: async (uid) => (await good('POST', `/v1/users/${segment(uid)}/disconnect`)).disconnected,
    token: (body) => good('POST', '/v1/tokens', body),
    list: (query = '') => good('GET', `/v1/rooms${query}`),
    refused: async (status, code, method, path, body, options) => {
      const answer = await call(at, method, path, body, options);
      assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
      assert.equal(answer.json.error.code, code, answer.text);
      return { ...answer.json.error, headers: answer.headers };
    },
  };
};
