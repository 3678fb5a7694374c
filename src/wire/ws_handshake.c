/* The opening handshake, server side (RFC 6455 section 4.2). */
#include "ringroom/wire/ws.h"

#include "ringroom/base/encode.h"

#include <assert.h>
#include <openssl/evp.h>
#include <strings.h>

#define KEY_HEADER     "Sec-WebSocket-Key"
#define VERSION_HEADER "Sec-WebSocket-Version"

enum { SHA1_BYTES = 20 };

static_assert(ENCODE_BASE64_BYTES(16) == WS_KEY_BYTES, "a key is 16 bytes");
static_assert(ENCODE_BASE64_BYTES(SHA1_BYTES) == WS_ACCEPT_BYTES, "an accept value is a SHA-1");

static size_t count_headers(const struct http_request *request, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < request->headers_count; i++)
        count += request->headers[i].name.len == strlen(name) &&
                 strncasecmp((const char *)request->headers[i].name.data, name, strlen(name)) == 0;
    return count;
}

static bool is_base64(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '+' ||
           c == '/';
}

static bool key_valid(struct slice key)
{
    if (key.len != WS_KEY_BYTES || key.data[WS_KEY_BYTES - 1] != '=' ||
        key.data[WS_KEY_BYTES - 2] != '=')
        return false;
    for (size_t i = 0; i < WS_KEY_BYTES - 2; i++)
        if (!is_base64(key.data[i]))
            return false;
    return true;
}

static unsigned refuse(unsigned status, const char *why, const char **ret_why)
{
    *ret_why = why;
    return status;
}

unsigned ws_upgrade_status(const struct http_request *request, const char **ret_why)
{
    if (request->method != HTTP_M_GET)
        return refuse(405, "a WebSocket begins with GET", ret_why);
    if (!http_header_lists(request, "Upgrade", "websocket"))
        return refuse(426, "this address speaks WebSocket only", ret_why);
    if (request->version_minor == 0)
        return refuse(400, "a WebSocket begins with HTTP/1.1", ret_why);
    if (!http_header_lists(request, "Connection", "upgrade"))
        return refuse(400, "the Connection header does not list upgrade", ret_why);
    if (count_headers(request, "Host") != 1)
        return refuse(400, "there must be one Host header", ret_why);
    if (request->body.len > 0)
        return refuse(400, "an upgrade request has no body", ret_why);
    if (count_headers(request, VERSION_HEADER) > 1)
        return refuse(400, "there must be one Sec-WebSocket-Version header", ret_why);
    if (!slice_is(http_header(request, VERSION_HEADER), "13"))
        return refuse(426, "only WebSocket version 13 is spoken here", ret_why);
    if (count_headers(request, KEY_HEADER) != 1 || !key_valid(http_header(request, KEY_HEADER)))
        return refuse(400, "Sec-WebSocket-Key must be 16 bytes in base64", ret_why);
    *ret_why = "";
    return 101;
}

void ws_accept(const struct http_request *request, char dst[WS_ACCEPT_BYTES])
{
    ws_accept_key(http_header(request, KEY_HEADER), dst);
}

void ws_accept_key(struct slice key, char dst[WS_ACCEPT_BYTES])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t text[WS_KEY_BYTES + sizeof(guid) - 1];
    uint8_t digest[EVP_MAX_MD_SIZE];

    memset(dst, 'x', WS_ACCEPT_BYTES); /* should SHA-1 fail, the client sees a wrong answer */
    if (key.len != WS_KEY_BYTES)
        return;
    memcpy(text, key.data, WS_KEY_BYTES);
    memcpy(text + WS_KEY_BYTES, guid, sizeof(guid) - 1);
    if (EVP_Digest(text, sizeof(text), digest, NULL, EVP_sha1(), NULL) == 1)
        encode_base64(dst, digest, SHA1_BYTES);
}
