/* Addresses of rooms, proper ones and others. */
#include "ringroom/terminal/address.h"
#include "unit.h"

struct wanted {
    const char *text, *host, *port, *authority, *target, *room;
    bool tls;
};

static void test_address__proper_ones_are_taken_apart(void)
{
    static const struct wanted all[] = {
        {"wss://chat.example.org/garden", "chat.example.org", "443", "chat.example.org", "/ws",
         "garden", true},
        {"ws://localhost:8080/a", "localhost", "8080", "localhost:8080", "/ws", "a", false},
        {"WS://h:80/a", "h", "80", "h", "/ws", "a", false},
        {"wss://[::1]:8443/x", "::1", "8443", "[::1]:8443", "/ws", "x", true},
        {"wss://[2001:db8::1]/x", "2001:db8::1", "443", "[2001:db8::1]", "/ws", "x", true},
        {"wss://h:/x", "h", "443", "h", "/ws", "x", true},
        {"wss://h/chat/rooms/x", "h", "443", "h", "/chat/rooms/ws", "x", true},
        {"wss://h/a%2Fb%20%C3%BC", "h", "443", "h", "/ws", "a/b ü", true},
        {"wss://h/grün", "h", "443", "h", "/ws", "grün", true},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct address address;
        const char *why = "";
        if (!address_parse(all[i].text, &address, &why)) {
            printf("\n    %s: %s\n", all[i].text, why);
            CU_FAIL_FATAL("refused");
        }
        CU_ASSERT_STRING_EQUAL(address.host, all[i].host);
        CU_ASSERT_STRING_EQUAL(address.port, all[i].port);
        CU_ASSERT_STRING_EQUAL(address.authority, all[i].authority);
        CU_ASSERT_STRING_EQUAL(address.target, all[i].target);
        CU_ASSERT_STRING_EQUAL(address.room, all[i].room);
        CU_ASSERT_EQUAL(address.tls, all[i].tls);
    }
}

static void test_address__others_are_refused_with_a_reason(void)
{
    static const struct {
        const char *text, *why;
    } all[] = {
        {"", "wss://"},
        {"http://h/x", "wss://"},
        {"wss://", "host"},
        {"wss:///x", "host"},
        {"wss://[::1/x", "host"},
        {"wss://a b/x", "room must be named"},
        {"wss://h", "room must be named"},
        {"wss://h/", "room"},
        {"wss://h:0/x", "port"},
        {"wss://h:65536/x", "port"},
        {"wss://h:8o/x", "room must be named"},
        {"wss://h:-1/x", "port"},
        {"wss://u@h/x", "%40"},
        {"wss://h/x?y", "%3F"},
        {"wss://h/x#y", "%23"},
        {"wss://h/%", "room"},
        {"wss://h/%4", "room"},
        {"wss://h/%zz", "room"},
        {"wss://h/%00", "room"},
        {"wss://h/a%0a", "room"},
        {"wss://h/%ff", "room"},
        {"wss://h/a\r\nX:/b", "percent"},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct address address;
        const char *why = "";
        bool taken = address_parse(all[i].text, &address, &why);
        if (taken || !strstr(why, all[i].why))
            printf("\n    %s: %s\n", all[i].text, taken ? "taken" : why);
        CU_ASSERT(!taken && strstr(why, all[i].why) != NULL);
    }
}

static void test_address__long_ones_are_refused(void)
{
    static const struct {
        const char *front, *back;
        size_t most;
    } all[] = {{"wss://", "/x", ADDRESS_HOST_MAX},
               {"wss://h/", "", ADDRESS_ROOM_MAX},
               {"wss://h/", "/x", ADDRESS_PREFIX_MAX - 1}};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        for (size_t extra = 0; extra < 2; extra++) {
            char middle[2048], text[4096];
            struct address address;
            const char *why;
            memset(middle, 'a', sizeof(middle));
            snprintf(text, sizeof(text), "%s%.*s%s", all[i].front, (int)(all[i].most + extra),
                     middle, all[i].back);
            CU_ASSERT_EQUAL(address_parse(text, &address, &why), extra == 0);
        }
    }
}

UNIT_MAIN("terminal/address", UNIT_TEST(test_address__proper_ones_are_taken_apart),
          UNIT_TEST(test_address__others_are_refused_with_a_reason),
          UNIT_TEST(test_address__long_ones_are_refused))
