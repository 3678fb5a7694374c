/* kinds.mjs - the kinds of servers that are attacked: settings over those of siege.mjs. Limits by address are off
 * but in GUARDED: attackers may come from thousands of them. */

import { AUTH } from '../lib/token.mjs';

export const PLAIN = { settings: {} };
/** Lets one address do little. */
export const GUARDED = { settings: { 'limits.connections_per_ip': 100, 'limits.handshakes_per_ip': 20, 'limits.bad_requests_per_ip': 5 } };
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
