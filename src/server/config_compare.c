/* config_compare.c - two configurations beside each other, for a reload. */
#include "config_parts.h"
#include "ringroom/base/check.h"

bool config_differs(const struct config *a, const struct config *b, const struct config_key *key)
{
    json_t *of_a = config_value_load(a, key), *of_b = config_value_load(b, key);
    bool differs = !of_a || !of_b || !json_equal(of_a, of_b);

    json_decref(of_a);
    json_decref(of_b);
    return differs;
}

static void swap(void *a, void *b, size_t bytes)
{
    uint8_t kept[sizeof(struct config_listeners)];

    CHECK(bytes <= sizeof(kept));
    memcpy(kept, a, bytes);
    memcpy(a, b, bytes);
    memcpy(b, kept, bytes);
}

void config_keep(struct config *config, struct config *from, const struct config_key *key)
{
    void *field = (char *)config + key->offset, *old = (char *)from + key->offset;

    switch (key->type) {
    case CONFIG_U32:
    case CONFIG_CHOICE:
        memcpy(field, old, sizeof(uint32_t));
        break;
    case CONFIG_U64:
        memcpy(field, old, sizeof(uint64_t));
        break;
    case CONFIG_BOOL:
        memcpy(field, old, sizeof(bool));
        break;
    case CONFIG_PATH:
    case CONFIG_ACCOUNT:
    case CONFIG_TEXT:
        swap(field, old, sizeof(char *));
        break;
    case CONFIG_LISTENERS:
        swap(field, old, sizeof(struct config_listeners));
        break;
    default:
        CHECK(!"a key that can change at any time");
    }
}
