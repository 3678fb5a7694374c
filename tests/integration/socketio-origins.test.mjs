/* Which web pages may speak to /socket.io/: CORS as browsers ask for it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Packets, POLLING, request, withSessions } from '../lib/engineio.mjs';
import { everyWay, withServer } from '../lib/server.mjs';

const FRIEND = 'https://page.example';

everyWay([{ shards: 2, tls: true }, { shards: 1, tls: false }], { origins: [FRIEND, 'https://*.wide.example'] }, (at) => {
  const assertAllowed = ({ headers }, origin) => {
    assert.equal(headers['access-control-allow-origin'], origin);
    assert.equal(headers['access-control-allow-credentials'], 'true');
    assert.match(headers.vary, /\borigin\b/i, 'caches are told');
  };

  test('pages of the listed origins are let in, by name and with credentials', () => withSessions(at, async ({ polling }) => {
    for (const origin of [FRIEND, 'https://a.wide.example', 'https://b.c.wide.example']) {
      const session = await polling({ headers: { origin } });
      assertAllowed(await session.post('40'), origin);
      assertAllowed(await session.get(), origin);
      const closing = await session.post('x').catch(() => null);
      if (closing) assertAllowed(closing, origin);
    }
  }));

  test('errors can be read by the page as well', async () => {
    for (const query of ['EIO=4', `${POLLING}&sid=nobody`, 'EIO=3&transport=polling']) {
      const answer = await request(at, { query, headers: { origin: FRIEND } });
      assert.equal(answer.status, 400);
      assertAllowed(answer, FRIEND);
    }
  });

  test('pages of other origins get no session, and no leave to read why', async () => {
    for (const origin of ['https://evil.example', 'http://page.example', 'https://page.example.evil', 'https://page.example:444', 'https://wide.example', 'null']) {
      const answer = await request(at, { headers: { origin } });
      assert.equal(answer.status, 403, origin);
      assert.equal(JSON.parse(answer.text).code, 4);
      assert.equal('access-control-allow-origin' in answer.headers, false);
      await assert.rejects(Packets.open(at, { headers: { origin } }), /40[03]/, origin);
    }
    (await Packets.open(at, { headers: { origin: FRIEND } })).cut();
  });

  test('clients that are no pages need no origin', async () => {
    const answer = await request(at);
    assert.equal(answer.status, 200);
    assert.equal('access-control-allow-origin' in answer.headers, false);
    (await Packets.open(at)).cut();
  });

  test('a preflight is answered for what clients send, without a session', async () => {
    const ask = (origin, more) => request(at, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST', ...more } });
    const answer = await ask(FRIEND, { 'access-control-request-headers': 'content-type,x-token' });
    assert.equal(answer.status, 204);
    assert.equal(answer.text, '');
    assertAllowed(answer, FRIEND);
    assert.match(answer.headers['access-control-allow-methods'], /GET/);
    assert.match(answer.headers['access-control-allow-methods'], /POST/);
    assert.match(answer.headers['access-control-allow-headers'], /content-type/i);
    assert.match(answer.headers['access-control-allow-headers'], /x-token/i);
    assert.equal('access-control-allow-origin' in (await ask('https://evil.example')).headers, false);
  });
});

test('without a list, only pages of the same host are let in', () => withServer({ shards: 1 }, async (server) => {
  for (const tls of [true, false]) {
    const at = { server, tls };
    const own = server.url(tls, '').replace(/\/$/, '');
    assert.equal((await request(at, { headers: { origin: own } })).status, 200);
    const answer = await request(at, { headers: { origin: FRIEND } });
    assert.equal(answer.status, 403);
    assert.equal('access-control-allow-origin' in answer.headers, false);
  }
}));

test('a star alone lets every page in', () => withServer({ origins: '*' }, async (server) => {
  const at = { server, tls: true };
  const answer = await request(at, { headers: { origin: FRIEND } });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['access-control-allow-origin'], FRIEND, 'by name: credentials do not go with a star');
}));
