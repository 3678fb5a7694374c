#include "ringroom/base/ip.h"

#include "unit.h"
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>

/* From a copy of its own, whose end is the buffer's, so that a sanitizer sees a read beyond it. */
static bool parse(const char *text, size_t len, struct ip *ret_ip)
{
    char *copy = malloc(len ? len : 1);

    memcpy(copy, text, len);
    bool good = ip_parse(slice_make(copy, len), ret_ip);
    free(copy);
    return good;
}

static bool parse_network(const char *text, struct ip_network *ret_network)
{
    size_t len = strlen(text);
    char *copy = malloc(len ? len : 1);

    memcpy(copy, text, len);
    bool good = ip_network_parse(slice_make(copy, len), ret_network);
    free(copy);
    return good;
}

static struct ip ip(const char *text)
{
    struct ip parsed;

    CU_ASSERT_FATAL(parse(text, strlen(text), &parsed));
    return parsed;
}

static struct ip_network network(const char *text)
{
    struct ip_network parsed;

    CU_ASSERT_FATAL(parse_network(text, &parsed));
    return parsed;
}

static bool has(const char *net, const char *address)
{
    struct ip_network in = network(net);
    struct ip what = ip(address);

    return ip_network_has(&in, &what);
}

static bool formats_as(const char *text, const char *expected)
{
    struct ip_network net = network(text), again;
    char out[IP_NETWORK_TEXT_MAX];

    ip_network_format(&net, out);
    again = network(out);
    return strcmp(out, expected) == 0 && again.bits == net.bits && ip_equal(&again.ip, &net.ip);
}

static bool same_holder(const char *a, const char *b)
{
    struct ip one = ip(a), two = ip(b);
    struct ip holder_one = ip_holder(&one), holder_two = ip_holder(&two);

    return ip_equal(&holder_one, &holder_two);
}

static void test_ip__an_address_has_one_form(void)
{
    struct ip v4 = ip("192.0.2.1"), mapped = ip("::ffff:192.0.2.1"), hex = ip("::FFFF:c000:201");

    CU_ASSERT(ip_equal(&v4, &mapped) && ip_equal(&v4, &hex));
    CU_ASSERT(ip_is_v4(&v4));
    CU_ASSERT(memcmp(v4.bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1", 16) == 0);

    struct ip v6 = ip("2001:db8::1"), spelled = ip("2001:0DB8:0:0:0:0:0:1"),
              other = ip("2001:db8::2");
    CU_ASSERT(ip_equal(&v6, &spelled) && !ip_equal(&v6, &other));
    CU_ASSERT(!ip_is_v4(&v6));
    struct ip compatible = ip("::192.0.2.1"); /* deprecated, and no IPv4 address */
    CU_ASSERT(!ip_is_v4(&compatible));
}

static void test_ip__what_is_no_address_is_refused(void)
{
    static const char *const bad[] = {
        "",
        " ",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "1.2.3.4 ",
        " 1.2.3.4",
        "1.2.3.4:80",
        "0x7f.0.0.1",
        "127.1",
        "1.2.3.4/32",
        "::1%lo",
        "fe80::1%1",
        "[::1]",
        "::1]",
        "1::2::3",
        "12345::",
        ":::",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "::ffff:1.2.3.256",
        "localhost",
        "g::",
        "1111:2222:3333:4444:5555:6666:123.123.123.1234", /* as long as a text may be, and longer */
        "1111:2222:3333:4444:5555:6666:123.123.123.123456789",
    };
    struct ip parsed;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_FALSE(parse(bad[i], strlen(bad[i]), &parsed));
    CU_ASSERT_FALSE(parse("1.2.3.4\0", 8, &parsed));
    CU_ASSERT_FALSE(parse("1.2\0.3.4", 8, &parsed));
    CU_ASSERT_FALSE(ip_parse((struct slice){0}, &parsed));
    CU_ASSERT(parse("1111:2222:3333:4444:5555:6666:123.123.123.123", 45, &parsed));
}

static void test_ip__is_taken_from_a_socket_address(void)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct ip got, wanted = ip("192.0.2.7");

    inet_pton(AF_INET, "192.0.2.7", &v4.sin_addr);
    CU_ASSERT(ip_from_sockaddr((struct sockaddr *)&v4, &got) && ip_equal(&got, &wanted));
    inet_pton(AF_INET6, "::ffff:192.0.2.7", &v6.sin6_addr); /* as a socket for both has it */
    CU_ASSERT(ip_from_sockaddr((struct sockaddr *)&v6, &got) && ip_equal(&got, &wanted));
    inet_pton(AF_INET6, "2001:db8::7", &v6.sin6_addr);
    wanted = ip("2001:db8::7");
    CU_ASSERT(ip_from_sockaddr((struct sockaddr *)&v6, &got) && ip_equal(&got, &wanted));
    CU_ASSERT_FALSE(ip_from_sockaddr((struct sockaddr *)&local, &got));
}

static void test_ip__a_network_has_what_begins_like_it(void)
{
    CU_ASSERT(has("10.0.0.0/8", "10.255.255.255"));
    CU_ASSERT_FALSE(has("10.0.0.0/8", "11.0.0.0"));
    CU_ASSERT(has("192.0.2.128/25", "192.0.2.200"));
    CU_ASSERT_FALSE(has("192.0.2.128/25", "192.0.2.127"));
    CU_ASSERT(has("192.0.2.1", "192.0.2.1") && has("192.0.2.1/32", "::ffff:192.0.2.1"));
    CU_ASSERT_FALSE(has("192.0.2.1", "192.0.2.0"));
    CU_ASSERT(has("0.0.0.0/0", "255.1.2.3"));
    CU_ASSERT_FALSE(has("0.0.0.0/0", "2001:db8::1"));

    CU_ASSERT(has("2001:db8::/32", "2001:db8:ffff::1"));
    CU_ASSERT_FALSE(has("2001:db8::/32", "2001:db9::1"));
    CU_ASSERT(has("fc00::/7", "fdff::1"));
    CU_ASSERT_FALSE(has("fc00::/7", "fe00::1"));
    CU_ASSERT(has("::1", "::1") && has("::/0", "2001:db8::1"));
    CU_ASSERT_FALSE(has("::/0", "192.0.2.1"));
    CU_ASSERT_FALSE(has("::/80", "192.0.2.1"));
    CU_ASSERT(has("::ffff:0:0/96", "192.0.2.1"));
}

/* Against bits looked at one by one. */
static void test_ip__any_network_has_exactly_its_prefix(void)
{
    uint64_t random = unit_seed();

    for (unsigned round = 0; round < unit_rounds(2000); round++) {
        struct ip_network net = {.bits = (uint8_t)(unit_random(&random) % (IP_BITS + 1))};
        struct ip what;
        for (unsigned i = 0; i < 16; i++)
            what.bytes[i] = (uint8_t)unit_random(&random);
        for (unsigned i = 0; i < net.bits; i++)
            net.ip.bytes[i / 8] |= what.bytes[i / 8] & (0x80 >> i % 8);
        CU_ASSERT(ip_network_has(&net, &what));
        unsigned flip = (unsigned)(unit_random(&random) % IP_BITS);
        what.bytes[flip / 8] ^= 0x80 >> flip % 8;
        CU_ASSERT_EQUAL(ip_network_has(&net, &what), flip >= net.bits);
    }
}

static void test_ip__networks_have_what_any_of_them_has(void)
{
    struct ip_network networks[2];
    struct ip ip;

    CU_ASSERT(parse_network("10.0.0.0/8", &networks[0]));
    CU_ASSERT(parse_network("2001:db8::/32", &networks[1]));
    CU_ASSERT(ip_parse(slice_of("10.1.2.3"), &ip));
    CU_ASSERT(ip_networks_have(networks, 2, &ip));
    CU_ASSERT_FALSE(ip_networks_have(networks + 1, 1, &ip));
    CU_ASSERT_FALSE(ip_networks_have(NULL, 0, &ip));
    CU_ASSERT(ip_parse(slice_of("2001:db8::1"), &ip));
    CU_ASSERT(ip_networks_have(networks, 2, &ip));
    CU_ASSERT(ip_parse(slice_of("192.0.2.1"), &ip));
    CU_ASSERT_FALSE(ip_networks_have(networks, 2, &ip));
}

static void test_ip__what_is_no_network_is_refused(void)
{
    static const char *const bad[] = {
        "",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/08",
        "10.0.0.0/+8",
        "10.0.0.0/-1",
        "10.0.0.0/8 ",
        "10.0.0.0 /8",
        "10.0.0.0/8/8",
        "10.0.0.0/1000",
        "10.0.0.1/8",
        "192.0.2.3/31",
        "10/8",
        "::/129",
        "2001:db8::1/32",
        "::/00",
        "2001:db8::/ffff::",
        "10.0.0.0/255.0.0.0",
    };
    struct ip_network parsed;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_FALSE(parse_network(bad[i], &parsed));
    CU_ASSERT_FALSE(ip_network_parse((struct slice){0}, &parsed));
}

static void test_ip__a_network_is_written_as_it_is_read(void)
{
    CU_ASSERT(formats_as("10.0.0.0/8", "10.0.0.0/8"));
    CU_ASSERT(formats_as("0.0.0.0/0", "0.0.0.0/0"));
    CU_ASSERT(formats_as("::ffff:0:0/96", "0.0.0.0/0"));
    CU_ASSERT(formats_as("192.0.2.1/32", "192.0.2.1"));
    CU_ASSERT(formats_as("2001:DB8:0::/32", "2001:db8::/32"));
    CU_ASSERT(formats_as("::/0", "::/0"));
    CU_ASSERT(formats_as("::1/128", "::1"));
    CU_ASSERT(formats_as("1111:2222:3333:4444:5555:6666:7777:8000/113",
                         "1111:2222:3333:4444:5555:6666:7777:8000/113"));
}

static void test_ip__a_holder_is_an_ipv4_address_or_an_ipv6_64(void)
{
    CU_ASSERT_FALSE(same_holder("192.0.2.1", "192.0.2.2"));
    CU_ASSERT(same_holder("192.0.2.1", "::ffff:192.0.2.1"));
    CU_ASSERT(same_holder("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"));
    CU_ASSERT_FALSE(same_holder("2001:db8::1", "2001:db8:0:1::1"));
    CU_ASSERT_FALSE(same_holder("::ffff:192.0.2.1", "::1"));
}

UNIT_MAIN("ip", UNIT_TEST(test_ip__an_address_has_one_form),
          UNIT_TEST(test_ip__what_is_no_address_is_refused),
          UNIT_TEST(test_ip__is_taken_from_a_socket_address),
          UNIT_TEST(test_ip__a_network_has_what_begins_like_it),
          UNIT_TEST(test_ip__any_network_has_exactly_its_prefix),
          UNIT_TEST(test_ip__networks_have_what_any_of_them_has),
          UNIT_TEST(test_ip__what_is_no_network_is_refused),
          UNIT_TEST(test_ip__a_network_is_written_as_it_is_read),
          UNIT_TEST(test_ip__a_holder_is_an_ipv4_address_or_an_ipv6_64))
