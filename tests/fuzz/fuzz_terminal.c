/* What a hostile server could say to `ringroom chat`: the first byte chooses how it is shown, the
 * rest is one event. Whatever it is, what reaches the terminal is safe text in lines of ours. */
#include "ringroom/base/check.h"
#include "ringroom/terminal/render.h"
#include "ringroom/terminal/talk.h"

#include <locale.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    setlocale(LC_CTYPE, "C.UTF-8"); /* for the widths of characters */
    return 0;
}

/* Said anew here, apart from text_safe(): no control, nothing that turns the direction. */
static bool harmless(uint32_t c)
{
    return c >= 0x20 && (c < 0x7f || c > 0x9f) && (c < 0x2028 || c > 0x202e) &&
           (c < 0x2066 || c > 0x2069) && c != 0x200e && c != 0x200f && c != 0x61c && c != 0xfeff;
}

/* Lines of safe characters; without a width, one line. */
static void check_lines(const struct render *render, struct slice text)
{
    size_t lines = 0;

    CHECK(text.len == 0 || text.data[text.len - 1] == '\n');
    while (text.len) {
        uint32_t character = text_take(&text);
        lines += character == '\n';
        CHECK(character == '\n' || harmless(character));
        if (character == '\n' && text.len) /* a further row is indented */
            CHECK(text.len >= 6 && memcmp(text.data, "      ", 6) == 0);
    }
    CHECK(render->columns || lines <= 1);
}

static void check_shown(uint8_t how, const struct event *event, struct slice raw)
{
    struct render *render = calloc(1, sizeof(*render));
    struct buf out;

    CHECK(render);
    render->json = how & 1;
    render->columns = render->json ? 0 : how & 0xfe;
    buf_init(&out, 64 << 20);
    CHECK(render_event(render, event, raw, &out) == 0);
    check_lines(render, buf_slice(&out));
    buf_deinit(&out);
    free(render);
}

/* Taken at any moment, it leaves the talk able to go on. */
static void check_talk(const struct event *event)
{
    struct talk_wish wish = {.room = "r", .name = "n", .history = UINT64_MAX};
    struct talk talk;

    talk_init(&talk, &wish);
    talk_say(&talk, slice_of("x"));
    for (uint64_t now_ms = 1; now_ms < 4; now_ms++) {
        talk_receive(&talk, event, now_ms);
        talk_turn(&talk, now_ms);
        CHECK(talk.out.len == 0 || talk.out.data[talk.out.len - 1] == '\n');
    }
    talk_lost(&talk);
    talk_receive(&talk, event, 4);
    talk_deinit(&talk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct event event;

    if (size == 0)
        return 0;
    /* A copy of its own, so that a sanitizer sees a read beyond it. */
    uint8_t *copy = malloc(size);
    memcpy(copy, data, size);
    struct slice raw = slice_make(copy + 1, size - 1);
    if (event_parse(raw, &event)) {
        check_shown(copy[0], &event, raw);
        check_talk(&event);
    }
    event_deinit(&event);
    char refusal[256];
    event_refusal(raw, refusal, sizeof(refusal));
    free(copy);
    return 0;
}
