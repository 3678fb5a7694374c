/* proxy_header.c - version 2's header, read as its bytes come. */
#include "ringroom/wire/proxy_header.h"

#include <assert.h>

static const uint8_t signature[12] = {'\r', '\n', '\r', '\n', 0,   '\r',
                                      '\n', 'Q',  'U',  'I',  'T', '\n'};

/* Where the fields of the fixed part stand. */
enum { AT_COMMAND = sizeof(signature), AT_FAMILY, AT_LENGTH };
enum { VERSION_2_LOCAL = 0x20, VERSION_2_PROXY = 0x21 };
enum { FAMILY_UNSPEC = 0x00, FAMILY_TCP4 = 0x11, FAMILY_TCP6 = 0x21 };
enum { TCP4_BYTES = 12, TCP6_BYTES = 36 }; /* source, destination, their ports */

static_assert(AT_LENGTH + 2 == PROXY_FIXED_BYTES, "the length ends the fixed part");
static_assert(PROXY_KEPT_MAX == PROXY_FIXED_BYTES + TCP6_BYTES, "the longest addresses are kept");
static_assert(PROXY_HEADER_MAX <= UINT16_MAX, "what has come is counted in 16 bits");

/* Takes bytes until `upto` have come. True when they have. */
static bool take(struct proxy_reader *reader, struct slice *in, size_t upto)
{
    size_t wanted = upto > reader->come ? upto - reader->come : 0;
    size_t taken = wanted < in->len ? wanted : in->len;

    if (taken && reader->come < PROXY_KEPT_MAX) {
        size_t space = PROXY_KEPT_MAX - reader->come;
        memcpy(reader->kept + reader->come, in->data, taken < space ? taken : space);
    }
    if (taken)
        *in = slice_from(*in, taken);
    reader->come += (uint16_t)taken;
    return reader->come >= upto;
}

/* Bytes that follow the fixed part. */
static size_t rest_bytes(const struct proxy_reader *reader)
{
    return (size_t)reader->kept[AT_LENGTH] << 8 | reader->kept[AT_LENGTH + 1];
}

/* What LOCAL says behind the fixed part is not looked at, whatever its family. */
static bool is_local(const struct proxy_reader *reader)
{
    return reader->kept[AT_COMMAND] == VERSION_2_LOCAL || reader->kept[AT_FAMILY] == FAMILY_UNSPEC;
}

static size_t addresses_bytes(const struct proxy_reader *reader)
{
    if (is_local(reader))
        return 0;
    return reader->kept[AT_FAMILY] == FAMILY_TCP4 ? TCP4_BYTES : TCP6_BYTES;
}

/* NULL, or what is wrong with the fixed part, as far as it has come. */
static const char *fixed_fault(const struct proxy_reader *reader)
{
    size_t n = reader->come < sizeof(signature) ? reader->come : sizeof(signature);
    uint8_t command = reader->kept[AT_COMMAND], family = reader->kept[AT_FAMILY];

    if (memcmp(reader->kept, signature, n) != 0)
        return "it does not begin with the PROXY protocol's header, version 2";
    if (reader->come > AT_COMMAND && command != VERSION_2_LOCAL && command != VERSION_2_PROXY)
        return "its header is not of version 2, or neither LOCAL nor PROXY";
    if (reader->come > AT_FAMILY && !is_local(reader) && family != FAMILY_TCP4 &&
        family != FAMILY_TCP6)
        return "its header is not about TCP over IPv4 or IPv6";
    if (reader->come < PROXY_FIXED_BYTES)
        return NULL;
    if (rest_bytes(reader) < addresses_bytes(reader))
        return "its header has no room for its addresses";
    if (rest_bytes(reader) > PROXY_HEADER_MAX - PROXY_FIXED_BYTES)
        return "its header is too long";
    return NULL;
}

static struct proxy_header header_of(const struct proxy_reader *reader)
{
    const uint8_t *addresses = reader->kept + PROXY_FIXED_BYTES;
    struct proxy_header header = {.local = is_local(reader)};

    if (header.local)
        return header;
    if (reader->kept[AT_FAMILY] == FAMILY_TCP4)
        header.source = ip_of_v4(addresses);
    else
        memcpy(header.source.bytes, addresses, sizeof(header.source.bytes));
    return header;
}

enum proxy_result proxy_read(struct proxy_reader *reader, struct slice *in,
                             struct proxy_header *ret_header, const char **ret_why)
{
    bool fixed = take(reader, in, PROXY_FIXED_BYTES);
    const char *fault = fixed_fault(reader);

    if (fault) {
        *ret_why = fault;
        return PROXY_FAILED;
    }
    if (!fixed || !take(reader, in, PROXY_FIXED_BYTES + rest_bytes(reader)))
        return PROXY_MORE;
    *ret_header = header_of(reader);
    return PROXY_HEADER;
}
