/* exposition.c - Prometheus' text format: a line of help, one of type, one for each sample. */
#include "ringroom/proto/exposition.h"

#include <stdio.h>

enum { SECONDS_TEXT_MAX = sizeof("18446744073709.551615") };

static void put(struct exposition *exposition, const char *text, size_t len)
{
    if (!exposition->error)
        exposition->error = buf_append(exposition->out, text, len);
}

static void put_text(struct exposition *exposition, const char *text)
{
    put(exposition, text, strlen(text));
}

/* Line breaks and backslashes would be misunderstood; in a label's value quotes, too. */
static void put_escaped(struct exposition *exposition, const char *text, const char *special)
{
    while (*text) {
        size_t plain = strcspn(text, special);
        put(exposition, text, plain);
        text += plain;
        if (!*text)
            break;
        put_text(exposition, *text == '\n' ? "\\n" : *text == '"' ? "\\\"" : "\\\\");
        text++;
    }
}

void exposition_family(struct exposition *exposition, const char *name, const char *type,
                       const char *help)
{
    exposition->name = name;
    put_text(exposition, "# HELP ");
    put_text(exposition, name);
    put_text(exposition, " ");
    put_escaped(exposition, help, "\\\n");
    put_text(exposition, "\n# TYPE ");
    put_text(exposition, name);
    put_text(exposition, " ");
    put_text(exposition, type);
    put_text(exposition, "\n");
}

static void put_sample(struct exposition *exposition, const char *suffix,
                       const struct exposition_label *labels, size_t labels_count,
                       const char *value)
{
    put_text(exposition, exposition->name);
    put_text(exposition, suffix);
    for (size_t i = 0; i < labels_count; i++) {
        put_text(exposition, i ? "," : "{");
        put_text(exposition, labels[i].name);
        put_text(exposition, "=\"");
        put_escaped(exposition, labels[i].value, "\\\n\"");
        put_text(exposition, "\"");
    }
    put_text(exposition, labels_count ? "} " : " ");
    put_text(exposition, value);
    put_text(exposition, "\n");
}

static void put_number(struct exposition *exposition, const char *suffix,
                       const struct exposition_label *labels, size_t labels_count, uint64_t value)
{
    char text[sizeof("18446744073709551615")];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    put_sample(exposition, suffix, labels, labels_count, text);
}

void exposition_number(struct exposition *exposition, const struct exposition_label *labels,
                       size_t labels_count, uint64_t value)
{
    put_number(exposition, "", labels, labels_count, value);
}

/* Exact, without zeros at the end: 1500 is "0.0015". */
static void format_seconds(uint64_t us, char text[SECONDS_TEXT_MAX])
{
    int len = snprintf(text, SECONDS_TEXT_MAX, "%llu.%06llu", (unsigned long long)(us / 1000000),
                       (unsigned long long)(us % 1000000));

    while (text[len - 1] == '0')
        text[--len] = '\0';
    if (text[len - 1] == '.')
        text[--len] = '\0';
}

void exposition_seconds(struct exposition *exposition, const struct exposition_label *labels,
                        size_t labels_count, uint64_t us)
{
    char text[SECONDS_TEXT_MAX];

    format_seconds(us, text);
    put_sample(exposition, "", labels, labels_count, text);
}

void exposition_histogram(struct exposition *exposition,
                          const struct exposition_histogram *histogram)
{
    char text[SECONDS_TEXT_MAX];
    struct exposition_label le = {.name = "le", .value = text};
    uint64_t count = 0;

    for (size_t i = 0; i < histogram->bounds_count; i++) {
        count += histogram->counts[i];
        format_seconds(histogram->bounds_us[i], text);
        put_number(exposition, "_bucket", &le, 1, count);
    }
    count += histogram->counts[histogram->bounds_count];
    le.value = "+Inf";
    put_number(exposition, "_bucket", &le, 1, count);
    format_seconds(histogram->sum_us, text);
    put_sample(exposition, "_sum", NULL, 0, text);
    put_number(exposition, "_count", NULL, 0, count);
}
