/* kinds.mjs - the kinds of servers that are attacked: settings over those of siege.mjs. */

import { AUTH } from '../lib/token.mjs';

export const PLAIN = { settings: {} };
/** Takes large messages. */
export const LARGE = { settings: { 'limits.max_message': 8 << 20 } };
/** Asks for tokens. `sub`: whose token the attacker has. */
export const TOKENS = { settings: { ...AUTH, 'auth.timeout': 2 }, sub: 'mallory' };
/** Its logs may take little, and the attacker's rooms forget soon. */
export const FULL = {
  settings: { 'limits.memory': 8 << 20, rooms: [{ match: 'fill-*', ttl: 2 }], 'limits.messages_per_second': 0, 'retention.max_bytes': 64 << 20 },
};
/** Looks after sessions that are silent at once. */
export const IMPATIENT = { settings: { 'limits.ping_interval': 1, 'limits.idle_timeout': 2, 'limits.recoverable': 1000 } };
