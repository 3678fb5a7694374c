#include "ringroom/wire/proxy_header.h"

#include "unit.h"

enum { LOCAL = 0x20, PROXY = 0x21, UNSPEC = 0x00, TCP4 = 0x11, TCP6 = 0x21 };

#define SIGNATURE '\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'

struct sent {
    uint8_t bytes[PROXY_HEADER_MAX + 64];
    size_t len;
};

/* A header with `rest` zeros behind the fixed part. */
static struct sent header(uint8_t command, uint8_t family, size_t rest)
{
    struct sent sent = {{SIGNATURE, command, family, (uint8_t)(rest >> 8), (uint8_t)rest},
                        PROXY_FIXED_BYTES + rest};
    return sent;
}

/* From 192.0.2.33:4711 to 198.51.100.1:443, and `tlvs` bytes that nobody reads. */
static struct sent tcp4(size_t tlvs)
{
    static const uint8_t addresses[12] = {192, 0, 2, 33, 198, 51, 100, 1, 0x12, 0x67, 1, 0xbb};
    struct sent sent = header(PROXY, TCP4, sizeof(addresses) + tlvs);

    memcpy(sent.bytes + PROXY_FIXED_BYTES, addresses, sizeof(addresses));
    memset(sent.bytes + PROXY_FIXED_BYTES + sizeof(addresses), 0xee, tlvs);
    return sent;
}

/* From 2001:db8::7. */
static struct sent tcp6(size_t tlvs)
{
    static const uint8_t addresses[36] = {0x20, 0x01, 0x0d, 0xb8, [15] = 7, [31] = 9, [35] = 80};
    struct sent sent = header(PROXY, TCP6, sizeof(addresses) + tlvs);

    memcpy(sent.bytes + PROXY_FIXED_BYTES, addresses, sizeof(addresses));
    return sent;
}

static void add(struct sent *sent, const char *text)
{
    memcpy(sent->bytes + sent->len, text, strlen(text));
    sent->len += strlen(text);
}

/* What reading came to. */
struct heard {
    enum proxy_result result;
    struct proxy_header header;
    const char *why;
    size_t left; /* bytes behind the header, of those lent */
};

/* Lends a piece as an allocation of its own size. */
static void feed(struct proxy_reader *reader, struct heard *heard, const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);

    memcpy(copy, data, len);
    struct slice in = slice_make(copy, len);
    heard->result = proxy_read(reader, &in, &heard->header, &heard->why);
    heard->left = in.len;
    if (heard->result == PROXY_MORE)
        CU_ASSERT_EQUAL(in.len, 0);
    if (heard->result == PROXY_HEADER)
        CU_ASSERT_PTR_EQUAL(in.data + in.len, copy + len);
    free(copy);
}

static struct heard read_in_steps(const struct sent *sent, size_t step)
{
    struct proxy_reader reader = {0};
    struct heard heard = {.result = PROXY_MORE};

    for (size_t at = 0; at < sent->len && heard.result == PROXY_MORE; at += step) {
        size_t n = step < sent->len - at ? step : sent->len - at;
        feed(&reader, &heard, sent->bytes + at, n);
        heard.left += sent->len - at - n;
    }
    return heard;
}

static struct heard read_whole(const struct sent *sent)
{
    return read_in_steps(sent, sent->len);
}

static bool is_from(const struct heard *heard, const char *address)
{
    struct ip ip;

    CU_ASSERT_FATAL(ip_parse(slice_of(address), &ip));
    return heard->result == PROXY_HEADER && !heard->header.local &&
           ip_equal(&heard->header.source, &ip);
}

static bool is_refused(struct sent sent, const char *why)
{
    for (size_t step = 1; step <= sent.len; step++) {
        struct heard heard = read_in_steps(&sent, step);

        if (heard.result != PROXY_FAILED || !strstr(heard.why, why)) {
            printf("\n    in steps of %zu: %d, %s\n", step, (int)heard.result,
                   heard.why ? heard.why : "");
            return false;
        }
    }
    return true;
}

static void test_proxy_header__tells_the_clients_address(void)
{
    struct sent v4 = tcp4(0), v6 = tcp6(0);
    struct heard heard = read_whole(&v4);

    CU_ASSERT(is_from(&heard, "192.0.2.33"));
    CU_ASSERT_EQUAL(heard.left, 0);
    heard = read_whole(&v6);
    CU_ASSERT(is_from(&heard, "2001:db8::7"));
    CU_ASSERT_EQUAL(heard.left, 0);
}

static void test_proxy_header__an_ipv4_address_in_ipv6_clothes_is_an_ipv4_address(void)
{
    struct sent sent = tcp6(0);
    static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1};

    memcpy(sent.bytes + PROXY_FIXED_BYTES, mapped, sizeof(mapped));
    struct heard heard = read_whole(&sent);
    CU_ASSERT(is_from(&heard, "192.0.2.1"));
}

static void test_proxy_header__what_follows_is_left_where_it_is(void)
{
    struct sent sent = tcp4(0);

    add(&sent, "GET / HTTP/1.1\r\n");
    struct heard heard = read_whole(&sent);
    CU_ASSERT(is_from(&heard, "192.0.2.33"));
    CU_ASSERT_EQUAL(heard.left, strlen("GET / HTTP/1.1\r\n"));
    sent = tcp4(100);
    add(&sent, "\x16\x03\x01");
    heard = read_whole(&sent);
    CU_ASSERT(is_from(&heard, "192.0.2.33"));
    CU_ASSERT_EQUAL(heard.left, 3);
    /* A second header is none: it is what follows. */
    sent = tcp4(0);
    struct sent second = tcp6(0);
    memcpy(sent.bytes + sent.len, second.bytes, second.len);
    sent.len += second.len;
    heard = read_whole(&sent);
    CU_ASSERT(is_from(&heard, "192.0.2.33"));
    CU_ASSERT_EQUAL(heard.left, second.len);
}

static void test_proxy_header__any_split_yields_the_same(void)
{
    struct sent all[] = {tcp4(0), tcp6(0), tcp4(7), tcp6(300), header(LOCAL, UNSPEC, 0)};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        add(&all[i], "GET /");
        struct heard whole = read_whole(&all[i]);
        CU_ASSERT_EQUAL(whole.result, PROXY_HEADER);
        for (size_t split = 0; split <= all[i].len; split++) {
            struct proxy_reader reader = {0};
            struct heard heard;
            bool within = split < all[i].len - strlen("GET /");

            feed(&reader, &heard, all[i].bytes, split);
            CU_ASSERT_EQUAL(heard.result, within ? PROXY_MORE : PROXY_HEADER);
            if (within)
                feed(&reader, &heard, all[i].bytes + split, all[i].len - split);
            CU_ASSERT_EQUAL(heard.result, PROXY_HEADER);
            CU_ASSERT_EQUAL(heard.header.local, whole.header.local);
            CU_ASSERT(whole.header.local || ip_equal(&heard.header.source, &whole.header.source));
        }
        for (size_t step = 1; step < 20; step++) {
            struct heard heard = read_in_steps(&all[i], step);
            CU_ASSERT_EQUAL(heard.result, PROXY_HEADER);
            CU_ASSERT_EQUAL(heard.left, strlen("GET /"));
        }
    }
}

static void test_proxy_header__a_proxy_may_speak_for_itself(void)
{
    struct sent all[] = {header(LOCAL, UNSPEC, 0), header(LOCAL, TCP4, 12),
                         header(LOCAL, 0x99, 5),   header(LOCAL, TCP6, 0),
                         header(PROXY, UNSPEC, 0), header(PROXY, UNSPEC, 40)};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct heard heard = read_whole(&all[i]);
        CU_ASSERT_EQUAL(heard.result, PROXY_HEADER);
        CU_ASSERT(heard.header.local);
        CU_ASSERT_EQUAL(heard.left, 0);
    }
}

static void test_proxy_header__each_byte_of_the_signature_counts_and_at_once(void)
{
    for (size_t i = 0; i < 12; i++) {
        struct sent sent = tcp4(0);
        struct proxy_reader reader = {0};
        struct heard heard;

        sent.bytes[i] ^= 1;
        sent.len = i + 1; /* nothing is waited for behind it */
        CU_ASSERT(is_refused(sent, "does not begin with"));
        if (i > 0)
            feed(&reader, &heard, sent.bytes, i);
        CU_ASSERT(i == 0 || heard.result == PROXY_MORE);
    }
}

static void test_proxy_header__other_protocols_are_refused_by_their_first_byte_or_two(void)
{
    static const char *const all[] = {"GET / HTTP/1.1\r\n\r\n",
                                      "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "\x16\x03\x01",
                                      "\r\nGET / HTTP/1.1", "\r\n\r\nGET"};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct sent sent = {.len = 0};
        add(&sent, all[i]);
        CU_ASSERT(is_refused(sent, "does not begin with"));
    }
}

static void test_proxy_header__other_versions_and_commands_are_refused(void)
{
    for (unsigned command = 0; command < 256; command++) {
        struct sent sent = header((uint8_t)command, TCP4, 12);

        if (command == LOCAL || command == PROXY)
            continue;
        sent.len = 13;
        CU_ASSERT(is_refused(sent, "not of version 2"));
    }
}

static void test_proxy_header__other_families_are_refused(void)
{
    for (unsigned family = 0; family < 256; family++) {
        struct sent sent = header(PROXY, (uint8_t)family, 216);

        if (family == UNSPEC || family == TCP4 || family == TCP6)
            continue;
        sent.len = 14;
        CU_ASSERT(is_refused(sent, "not about TCP"));
    }
}

static void test_proxy_header__a_length_too_small_for_its_addresses_is_refused(void)
{
    for (size_t rest = 0; rest < 36; rest++) {
        struct sent v4 = header(PROXY, TCP4, rest), v6 = header(PROXY, TCP6, rest);

        v4.len = v6.len = PROXY_FIXED_BYTES;
        if (rest < 12)
            CU_ASSERT(is_refused(v4, "no room for its addresses"));
        CU_ASSERT(is_refused(v6, "no room for its addresses"));
    }
}

static void test_proxy_header__is_bounded(void)
{
    enum { REST_MAX = PROXY_HEADER_MAX - PROXY_FIXED_BYTES };
    struct sent longest = tcp4(REST_MAX - 12);
    struct heard heard = read_whole(&longest);

    CU_ASSERT(is_from(&heard, "192.0.2.33"));
    heard = read_in_steps(&longest, 1);
    CU_ASSERT(is_from(&heard, "192.0.2.33"));
    longest = header(LOCAL, UNSPEC, REST_MAX);
    heard = read_whole(&longest);
    CU_ASSERT_EQUAL(heard.result, PROXY_HEADER);

    struct sent longer = header(PROXY, TCP4, REST_MAX + 1);
    longer.len = PROXY_FIXED_BYTES; /* refused before its bytes come */
    CU_ASSERT(is_refused(longer, "too long"));
    longer.bytes[12] = LOCAL;
    CU_ASSERT(is_refused(longer, "too long"));
    longer.bytes[14] = longer.bytes[15] = 0xff;
    CU_ASSERT(is_refused(longer, "too long"));
}

static void test_proxy_header__nothing_is_no_fault(void)
{
    struct proxy_reader reader = {0};
    struct slice none = {0};
    struct proxy_header read;
    const char *why;

    CU_ASSERT_EQUAL(proxy_read(&reader, &none, &read, &why), PROXY_MORE);
}

UNIT_MAIN("proxy_header", UNIT_TEST(test_proxy_header__tells_the_clients_address),
          UNIT_TEST(test_proxy_header__an_ipv4_address_in_ipv6_clothes_is_an_ipv4_address),
          UNIT_TEST(test_proxy_header__what_follows_is_left_where_it_is),
          UNIT_TEST(test_proxy_header__any_split_yields_the_same),
          UNIT_TEST(test_proxy_header__a_proxy_may_speak_for_itself),
          UNIT_TEST(test_proxy_header__each_byte_of_the_signature_counts_and_at_once),
          UNIT_TEST(test_proxy_header__other_protocols_are_refused_by_their_first_byte_or_two),
          UNIT_TEST(test_proxy_header__other_versions_and_commands_are_refused),
          UNIT_TEST(test_proxy_header__other_families_are_refused),
          UNIT_TEST(test_proxy_header__a_length_too_small_for_its_addresses_is_refused),
          UNIT_TEST(test_proxy_header__is_bounded),
          UNIT_TEST(test_proxy_header__nothing_is_no_fault))
