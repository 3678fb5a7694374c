/* HTTP without end, and answers that nobody reads. */

const POST = 'POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n';

/** After a beginning, the same piece until the server has enough of it. */
const without_end = (beginning, piece) => ({
  run: (attack) => attack.workers(24, async () => {
    const line = await attack.tls();
    if (!line) return;
    await line.request(beginning);
    while (attack.going && !line.over) {
      await line.write(piece);
      await attack.sleep(0);
    }
    line.cut();
  }),
});

export default {
  'giant-header': { what: 'one header that does not end', ...without_end('GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Giant: ', 'x'.repeat(4096)) },
  'endless-headers': { what: 'header lines without end', ...without_end('GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n', 'X-More: and more\r\n'.repeat(200)) },
  'tiny-headers': { what: 'as many of the shortest header lines as go in', ...without_end('GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n', 'a:\r\n'.repeat(500)) },
  'endless-line': { what: 'a request line that does not end', ...without_end('GET /', 'a'.repeat(4096)) },
  'endless-chunks': { what: 'a body of chunks without end', ...without_end(POST, `400\r\n${'2'.repeat(1024)}\r\n`.repeat(4)) },
  'one-byte-chunks': { what: 'a body of chunks of one byte', ...without_end(POST, '1\r\n2\r\n'.repeat(500)) },
  'chunk-extensions': { what: 'a chunk whose extension does not end', ...without_end(`${POST}1;`, 'x=y;'.repeat(1000)) },
  'unread-answers': {
    what: 'requests for the largest file, pipelined, and not a byte of the answers read',
    grown: 128,
    run: (attack) => attack.hold(150, () => attack.tls(), async (line) => {
      line.pause();
      const requests = 'GET /ringroom.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'.repeat(100);
      while (attack.going && !line.over) {
        await line.request(requests, 100);
        await attack.sleep(100);
      }
    }),
  },
};
