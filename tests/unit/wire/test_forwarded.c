#include "ringroom/wire/forwarded.h"

#include "unit.h"

static struct ip ip_of(const char *text)
{
    struct ip ip = {{0}};

    CU_ASSERT_FATAL(ip_parse(slice_of(text), &ip));
    return ip;
}

static struct ip_network network_of(const char *text)
{
    struct ip_network network = {.bits = 0};

    CU_ASSERT_FATAL(ip_network_parse(slice_of(text), &network));
    return network;
}

static struct http_request request_of(const char *const *lines)
{
    struct http_request request = {.headers_count = 0};

    for (; *lines; lines++)
        request.headers[request.headers_count++] =
            (struct http_header){slice_of("X-Forwarded-For"), slice_of(*lines)};
    return request;
}

#define LINES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The peer is 10.0.0.1; 10.0.0.0/8 and 2001:db8:ff::/48 are proxies. */
static bool ask(const struct http_request *request, struct ip *ret_client)
{
    struct ip_network proxies[] = {network_of("10.0.0.0/8"), network_of("2001:db8:ff::/48")};
    struct ip peer = ip_of("10.0.0.1");

    return forwarded_for(request, proxies, 2, &peer, ret_client);
}

static bool is_client(const char *const *lines, const char *client)
{
    struct http_request request = request_of(lines);
    struct ip got, wanted = ip_of(client);

    return ask(&request, &got) && ip_equal(&got, &wanted);
}

static bool is_refused(const char *const *lines)
{
    struct http_request request = request_of(lines);
    struct ip client;

    return !ask(&request, &client);
}

static void test_forwarded__one_element_is_the_client(void)
{
    CU_ASSERT(is_client(LINES("192.0.2.1"), "192.0.2.1"));
    CU_ASSERT(is_client(LINES("192.0.2.1:4711"), "192.0.2.1"));
    CU_ASSERT(is_client(LINES("2001:db8::1"), "2001:db8::1"));
    CU_ASSERT(is_client(LINES("[2001:db8::1]"), "2001:db8::1"));
    CU_ASSERT(is_client(LINES("[2001:db8::1]:65535"), "2001:db8::1"));
    CU_ASSERT(is_client(LINES("::ffff:192.0.2.1"), "192.0.2.1"));
    CU_ASSERT(is_client(LINES("::1"), "::1"));
    CU_ASSERT(is_client(LINES(" \t192.0.2.1 "), "192.0.2.1"));
}

static void test_forwarded__without_the_header_it_is_the_peer(void)
{
    struct http_request request = {.headers_count = 1};
    struct ip client, peer = ip_of("10.0.0.1");

    request.headers[0] = (struct http_header){slice_of("X-Real-IP"), slice_of("192.0.2.9")};
    CU_ASSERT(ask(&request, &client));
    CU_ASSERT(ip_equal(&client, &peer));
    CU_ASSERT(is_client(LINES(""), "10.0.0.1"));
    CU_ASSERT(is_client(LINES(" , ,,"), "10.0.0.1"));
}

static void test_forwarded__the_name_is_taken_in_any_case(void)
{
    struct http_request request = request_of(LINES("192.0.2.1"));
    struct ip client, wanted = ip_of("192.0.2.1");

    request.headers[0].name = slice_of("x-fORWARDED-fOR");
    CU_ASSERT(ask(&request, &client));
    CU_ASSERT(ip_equal(&client, &wanted));
}

static void test_forwarded__the_rightmost_that_is_no_proxy_is_the_client(void)
{
    CU_ASSERT(is_client(LINES("198.51.100.7, 192.0.2.1"), "192.0.2.1"));
    CU_ASSERT(is_client(LINES("192.0.2.1, 10.9.9.9"), "192.0.2.1"));
    CU_ASSERT(
        is_client(LINES("192.0.2.1,10.9.9.9:80 , [2001:db8:ff::5]:4711,10.0.0.2"), "192.0.2.1"));
    CU_ASSERT(is_client(LINES("10.1.1.1, 2001:db8:fe::5, 10.9.9.9"), "2001:db8:fe::5"));
    CU_ASSERT(is_client(LINES("192.0.2.1,,10.0.0.2,"), "192.0.2.1"));
}

static void test_forwarded__among_proxies_alone_it_is_the_farthest(void)
{
    CU_ASSERT(is_client(LINES("10.3.3.3, 10.2.2.2"), "10.3.3.3"));
    CU_ASSERT(is_client(LINES("10.3.3.3"), "10.3.3.3"));
    CU_ASSERT(is_client(LINES(",10.3.3.3"), "10.3.3.3"));
}

static void test_forwarded__what_a_client_forges_stands_left_of_it_and_is_not_read(void)
{
    CU_ASSERT(is_client(LINES("10.0.0.9, 192.0.2.1"), "192.0.2.1"));
    CU_ASSERT(is_client(LINES("unknown, 192.0.2.1"), "192.0.2.1"));
    CU_ASSERT(is_client(LINES("'; DROP TABLE, <script>, 192.0.2.1"), "192.0.2.1"));
    CU_ASSERT(is_client(LINES("nonsense", "192.0.2.1, 10.0.0.3"), "192.0.2.1"));
}

static void test_forwarded__several_lines_are_one_list(void)
{
    CU_ASSERT(is_client(LINES("198.51.100.7", "192.0.2.1"), "192.0.2.1"));
    CU_ASSERT(is_client(LINES("198.51.100.7, 192.0.2.1", "10.0.0.2", "10.0.0.3"), "192.0.2.1"));
    CU_ASSERT(is_client(LINES("192.0.2.1", "", "10.0.0.3"), "192.0.2.1"));
    CU_ASSERT(is_client(LINES("10.7.7.7", "10.0.0.2"), "10.7.7.7"));
}

static void test_forwarded__what_is_no_address_is_refused_where_it_counts(void)
{
    static const char *const bad[] = {
        "unknown",
        "_hidden",
        "192.0.2",
        "192.0.2.1.5",
        "192.0.2.256",
        "192.0.2.1:",
        "192.0.2.1:65536",
        "192.0.2.1:a",
        "192.0.2.1:1:2",
        "192.0.2.1 x",
        "192.0.2.1:000001",
        "[192.0.2.1]",
        "[2001:db8::1",
        "2001:db8::1]",
        "[2001:db8::1]4711",
        "[2001:db8::1]:",
        "[2001:db8::1]:x",
        "[2001:db8::1]]",
        "[[2001:db8::1]]",
        "[]",
        "[",
        "]",
        ":",
        ":80",
        "fe80::1%eth0",
        "2001:db8::1::2",
        "\"192.0.2.1\"",
        "for=192.0.2.1",
        "1.2.3.4;5.6.7.8",
        "[2001:db8::1]:123456",
        "[2001:db8::1]:65536",
        "2001:db8:2001:db8:2001:db8:255.255.255.2555",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char list[128];

        if (!is_refused(LINES(bad[i]))) {
            printf("\n    \"%s\" was taken\n", bad[i]);
            CU_FAIL("what is no address was taken");
        }
        snprintf(list, sizeof(list), "192.0.2.1, %s", bad[i]);
        CU_ASSERT(is_refused(LINES(list)));
        snprintf(list, sizeof(list), "%s, 10.0.0.2", bad[i]);
        CU_ASSERT(is_refused(LINES(list)));
        CU_ASSERT(is_refused(LINES(bad[i], "10.0.0.2")));
        CU_ASSERT(is_client(LINES(bad[i], "192.0.2.1"), "192.0.2.1"));
    }
}

UNIT_MAIN("forwarded", UNIT_TEST(test_forwarded__one_element_is_the_client),
          UNIT_TEST(test_forwarded__without_the_header_it_is_the_peer),
          UNIT_TEST(test_forwarded__the_name_is_taken_in_any_case),
          UNIT_TEST(test_forwarded__the_rightmost_that_is_no_proxy_is_the_client),
          UNIT_TEST(test_forwarded__among_proxies_alone_it_is_the_farthest),
          UNIT_TEST(test_forwarded__what_a_client_forges_stands_left_of_it_and_is_not_read),
          UNIT_TEST(test_forwarded__several_lines_are_one_list),
          UNIT_TEST(test_forwarded__what_is_no_address_is_refused_where_it_counts))
