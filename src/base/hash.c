#include "ringroom/base/hash.h"

#include "ringroom/base/random.h"

/* Written by hash_init() before any thread starts, only read from then on. */
static struct hash_key process_key;

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate_left(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate_left(s->v1, 13) ^ s->v0;
    s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 = rotate_left(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate_left(s->v1, 17) ^ s->v2;
    s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 = rotate_left(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

/* Up to 8 bytes as a little-endian number, whatever this machine's order. */
static inline uint64_t load_le(const uint8_t *bytes, size_t len)
{
    uint64_t word = 0;

    for (size_t i = 0; i < len; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

uint64_t hash_keyed(const struct hash_key *key, struct slice bytes)
{
    struct sip s = {
        .v0 = key->k0 ^ 0x736f6d6570736575u,
        .v1 = key->k1 ^ 0x646f72616e646f6du,
        .v2 = key->k0 ^ 0x6c7967656e657261u,
        .v3 = key->k1 ^ 0x7465646279746573u,
    };
    size_t whole = bytes.len & ~(size_t)7;

    for (size_t i = 0; i < whole; i += 8)
        sip_word(&s, load_le(bytes.data + i, 8));
    uint64_t tail = bytes.len > whole ? load_le(bytes.data + whole, bytes.len - whole) : 0;
    sip_word(&s, tail | (uint64_t)bytes.len << 56);

    s.v2 ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

void hash_init(void)
{
    random_bytes(&process_key, sizeof(process_key));
}

uint64_t hash_bytes(struct slice bytes)
{
    return hash_keyed(&process_key, bytes);
}
