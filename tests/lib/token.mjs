/* token.mjs - tokens by a library that is not ours, proper ones and others. */

import { SignJWT } from 'jose';

export const SECRET = 'a secret of the tests, and of the tests alone';
export const KEY = new TextEncoder().encode(SECRET);
/** A server that asks for tokens. */
export const AUTH = { 'auth.mode': 'token', 'auth.keys': [{ alg: 'HS256', secret: SECRET }], 'auth.audience': 'chat' };

/** {'game-*': 'read write'} as the claim. */
export const rooms = (can) => Object.entries(can).map(([room, rights]) => ({ room, can: rights.split(' ').filter(Boolean) }));

/** Seconds that a server takes an expired token for. */
export const LEEWAY_S = 10;

/** A token, for 5 minutes if not told otherwise. `left`: seconds until the server ends it, leeway
 *  included. Other fields are claims: one that is undefined is left out. */
export function mint({ sub = 'ada', can = { '*': 'read write' }, left = 300 + LEEWAY_S, alg = 'HS256', key = KEY, header, ...claims } = {}) {
  return new SignJWT({ sub, aud: 'chat', exp: Date.now() / 1000 + left - LEEWAY_S, rooms: rooms(can), ...claims })
    .setProtectedHeader({ alg, ...header }).sign(key);
}

/** Options of a client: the token as a browser can't send it. */
export const bearer = (token) => ({ headers: { authorization: `Bearer ${token}` } });
