/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/guard_text.h"

#include <linux/netfilter.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/print/escape.h"

/* Begins a line that nft skips. */
#define LEFT_OUT "# left out, as nft cannot be told of such a name: "

static const struct {
    const char *expression, *type;
    uint8_t family; /* of an address */
} fields[] = {
    [NG_GUARD_NFPROTO] = {"meta nfproto", "nf_proto", 0},
    [NG_GUARD_IIFNAME] = {"iifname", "ifname", 0},
    [NG_GUARD_OIFNAME] = {"oifname", "ifname", 0},
    [NG_GUARD_SADDR4] = {"ip saddr", "ipv4_addr", NG_IP4},
    [NG_GUARD_SADDR6] = {"ip6 saddr", "ipv6_addr", NG_IP6},
    [NG_GUARD_DADDR4] = {"ip daddr", "ipv4_addr", NG_IP4},
    [NG_GUARD_DADDR6] = {"ip6 daddr", "ipv6_addr", NG_IP6},
    [NG_GUARD_ASKED4] = {"ct original ip daddr", "ipv4_addr", NG_IP4},
    [NG_GUARD_ASKED6] = {"ct original ip6 daddr", "ipv6_addr", NG_IP6},
    [NG_GUARD_L4PROTO] = {"meta l4proto", "inet_proto", 0},
    [NG_GUARD_DPORT] = {"th dport", "inet_service", 0},
    [NG_GUARD_ASKED_PORT] = {"ct original proto-dst", "inet_service", 0},
};

static bool is_name(enum ng_guard_field field) {
    return field == NG_GUARD_IIFNAME || field == NG_GUARD_OIFNAME;
}

/* -- names of interfaces --------------------------------------------------------------- */

/* Does nft read it back as the same name? A string of nft reaches to the next double quote,
 * whatever stands before that. A * at its end makes it a prefix; \* is the character, but then
 * every other backslash is dropped. What is written has to be shorter than IFNAMSIZ, and what
 * would drive a terminal, and so grows when it is escaped, is not written at all. */
static bool can_write_name(const char *name, bool pattern) {
    size_t len = strlen(name);
    bool star = len > 0 && name[len - 1] == '*';

    if (len == 0 || strchr(name, '"') || ng_escape(NULL, 0, name) != len)
        return false;
    if (star && pattern)
        return len > 1 && len < IFNAMSIZ && name[len - 2] != '\\';
    if (star)
        return len + 1 < IFNAMSIZ && !strchr(name, '\\');
    return len < IFNAMSIZ;
}

static bool can_write(const enum ng_guard_field *keys, const struct ng_guard_value *values,
                      size_t count, bool pattern) {
    for (size_t i = 0; i < count; i++)
        if (is_name(keys[i]) && !can_write_name(values[i].name, pattern))
            return false;
    return true;
}

static bool can_write_element(const struct ng_guard_set *set,
                              const struct ng_guard_element *element) {
    return can_write(set->fields, element->key, set->n_fields, false);
}

/* Safe to print also of a name that cannot be written: it stays in its quotes and on its line. */
static void put_name(FILE *out, const char *name, bool pattern) {
    char text[256]; /* of what is no name of an interface the beginning will do */
    size_t len = strlen(name);

    if (!pattern && can_write_name(name, false) && name[len - 1] == '*') {
        fprintf(out, "\"%.*s\\*\"", (int)len - 1, name);
        return;
    }
    ng_escape(text, sizeof(text), name);
    fputc('"', out);
    for (const char *c = text; *c; c++)
        if (*c == '"')
            fputs("\\x22", out);
        else
            fputc(*c, out);
    fputc('"', out);
}

/* -- values ---------------------------------------------------------------------------- */

/* Of those that nft knows by itself: it looks up others, "ipv6-icmp" too, in /etc/protocols, which
 * need not be there. */
static const char *transport_name(ng_u128 number) {
    switch (number) {
    case NG_ICMP:
        return "icmp";
    case NG_TCP:
        return "tcp";
    case NG_UDP:
        return "udp";
    case NG_ESP:
        return "esp";
    case NG_ICMP6:
        return "icmpv6";
    case NG_SCTP:
        return "sctp";
    default:
        return NULL;
    }
}

static const char *number_name(enum ng_guard_field field, ng_u128 number) {
    if (field == NG_GUARD_L4PROTO)
        return transport_name(number);
    if (field == NG_GUARD_NFPROTO && number == NFPROTO_IPV4)
        return "ipv4";
    if (field == NG_GUARD_NFPROTO && number == NFPROTO_IPV6)
        return "ipv6";
    return NULL;
}

static void put_value(FILE *out, enum ng_guard_field field, struct ng_guard_value value,
                      bool pattern) {
    struct ng_addr addr = {fields[field].family, value.number};
    char buffer[NG_ADDR_TEXT];

    if (is_name(field)) {
        put_name(out, value.name, pattern);
    } else if (addr.family) {
        fputs(ng_addr_text(addr, buffer), out);
    } else {
        const char *name = number_name(field, value.number);

        if (name)
            fputs(name, out);
        else
            fprintf(out, "%llu", (unsigned long long)value.number);
    }
}

/* Numbers have no names here: to nft "tcp-udp" is one word. */
static void put_range(FILE *out, enum ng_guard_field field, ng_u128 first, ng_u128 last) {
    struct ng_addr lo = {fields[field].family, first}, hi = {fields[field].family, last};
    char buffer[NG_ADDR_TEXT];

    if (!lo.family) {
        fprintf(out, "%llu-%llu", (unsigned long long)first, (unsigned long long)last);
        return;
    }
    fprintf(out, "%s-", ng_addr_text(lo, buffer));
    fputs(ng_addr_text(hi, buffer), out);
}

/* -- sets ------------------------------------------------------------------------------ */

/* "80", "7000-7005", "10.0.0.0/8" */
static void put_interval(FILE *out, enum ng_guard_field field, struct ng_guard_value first,
                         ng_u128 last) {
    uint8_t family = fields[field].family;
    char buffer[NG_ADDR_TEXT];

    if (first.number == last) {
        put_value(out, field, first, false);
        return;
    }
    for (unsigned len = 0; family && len < ng_family_bits(family); len++) {
        ng_u128 rest = ng_family_max(family) ^ ng_prefix_mask(family, len);

        if ((first.number & rest) == 0 && (first.number | rest) == last) {
            fputs(ng_prefix_text((struct ng_addr){family, first.number}, len, buffer), out);
            return;
        }
    }
    put_range(out, field, first.number, last);
}

static void put_element(FILE *out, const struct ng_guard_set *set,
                        const struct ng_guard_element *element, unsigned timeout_s) {
    if (set->intervals) {
        put_interval(out, set->fields[0], element->key[0], element->end);
    } else {
        for (size_t i = 0; i < set->n_fields; i++) {
            fputs(i ? " . " : "", out);
            put_value(out, set->fields[i], element->key[i], false);
        }
    }
    if (timeout_s)
        fprintf(out, " timeout %us", timeout_s);
    if (set->is_map)
        fprintf(out, " : goto %s", element->chain);
}

static void put_set(FILE *out, const struct ng_guard_set *set, unsigned armed_s) {
    unsigned timeout_s = set->timeout ? armed_s : 0;
    bool any = false;

    fprintf(out, "\n\t%s %s {\n\t\ttype ", set->is_map ? "map" : "set", set->name);
    for (size_t i = 0; i < set->n_fields; i++)
        fprintf(out, "%s%s", i ? " . " : "", fields[set->fields[i]].type);
    fprintf(out, "%s\n", set->is_map ? " : verdict" : "");
    if (set->intervals || set->timeout)
        fprintf(out, "\t\tflags %s%s%s\n", set->intervals ? "interval" : "",
                set->intervals && set->timeout ? "," : "", set->timeout ? "timeout" : "");
    /* Not within the braces: nft takes empty ones for an error. */
    for (size_t i = 0; i < set->n_elements; i++)
        if (!can_write_element(set, &set->elements[i])) {
            fputs("\t\t" LEFT_OUT, out);
            put_element(out, set, &set->elements[i], timeout_s);
            fputc('\n', out);
        }
    for (size_t i = 0; i < set->n_elements; i++)
        if (can_write_element(set, &set->elements[i])) {
            fputs(any ? ",\n\t\t\t" : "\t\telements = {\n\t\t\t", out);
            put_element(out, set, &set->elements[i], timeout_s);
            any = true;
        }
    fputs(any ? "\n\t\t}\n\t}\n" : "\t}\n", out);
}

/* -- rules ----------------------------------------------------------------------------- */

static void put_expression(FILE *out, const struct ng_guard_test *test) {
    for (size_t i = 0; i < test->n_fields; i++)
        fprintf(out, "%s%s", i ? " . " : "", fields[test->fields[i]].expression);
}

static void put_test(FILE *out, const struct ng_guard_test *test) {
    static const char *const words[] = {
        [NG_GUARD_IS] = " ",
        [NG_GUARD_IS_NOT] = " != ",
        [NG_GUARD_IN] = " @",
        [NG_GUARD_NOT_IN] = " != @",
        [NG_GUARD_VMAP] = " vmap @",
        [NG_GUARD_BETWEEN] = " ",
        [NG_GUARD_TO_BRIDGE] = "meta oifkind \"bridge\"",
        [NG_GUARD_TO_NO_BRIDGE] = "meta oifkind != \"bridge\"",
        [NG_GUARD_TRANSLATED] = "ct status dnat",
        [NG_GUARD_UNTRANSLATED] = "ct status ! dnat",
        [NG_GUARD_REPLY] = "ct direction reply",
        [NG_GUARD_ORIGINAL] = "ct direction original",
        [NG_GUARD_UNTRACKED] = "ct state untracked",
    };

    put_expression(out, test);
    fputs(words[test->kind], out);
    switch (test->kind) {
    case NG_GUARD_IS:
    case NG_GUARD_IS_NOT:
        put_value(out, test->fields[0], test->value, true);
        return;
    case NG_GUARD_IN:
    case NG_GUARD_NOT_IN:
    case NG_GUARD_VMAP:
        fputs(test->set, out);
        return;
    case NG_GUARD_BETWEEN:
        put_range(out, test->fields[0], test->value.number, test->end);
        return;
    default:
        return;
    }
}

static bool can_write_rule(const struct ng_guard_rule *rule) {
    for (size_t i = 0; i < rule->n_tests; i++) {
        const struct ng_guard_test *test = &rule->tests[i];

        if ((test->kind == NG_GUARD_IS || test->kind == NG_GUARD_IS_NOT) &&
            !can_write(test->fields, &test->value, 1, true))
            return false;
    }
    return true;
}

static void put_rule(FILE *out, const struct ng_guard_rule *rule) {
    static const char *const verdicts[] = {
        [NG_GUARD_ACCEPT] = "accept",
        [NG_GUARD_DROP] = "drop",
        [NG_GUARD_GOTO] = "goto ",
        [NG_GUARD_JUMP] = "jump ",
    };
    const char *space = "";

    if (!can_write_rule(rule))
        fputs(LEFT_OUT, out);
    for (size_t i = 0; i < rule->n_tests; i++) {
        fputs(space, out);
        put_test(out, &rule->tests[i]);
        space = " ";
    }
    if (rule->log) {
        fprintf(out, "%slimit rate %u/second burst %u packets log prefix \"%s\" group %u", space,
                NG_GUARD_LOG_PER_S, NG_GUARD_LOG_BURST, rule->log, NG_GUARD_LOG_GROUP);
        space = " ";
    }
    if (rule->counter) {
        fprintf(out, "%scounter", space);
        space = " ";
    }
    if (rule->verdict == NG_GUARD_CONTINUE)
        return;
    fprintf(out, "%s%s", space, verdicts[rule->verdict]);
    if (rule->verdict == NG_GUARD_GOTO || rule->verdict == NG_GUARD_JUMP)
        fputs(rule->chain, out);
}

static void put_chain(FILE *out, const struct ng_guard_chain *chain) {
    fprintf(out, "\n\tchain %s {\n", chain->name);
    if (chain->base)
        fprintf(out, "\t\ttype filter hook %s priority %d; policy accept;\n",
                chain->hook == NG_HOOK_INPUT ? "input" : "forward", chain->priority);
    for (size_t i = 0; i < chain->n_rules; i++) {
        fputs("\t\t", out);
        put_rule(out, &chain->rules[i]);
        fputc('\n', out);
    }
    fputs("\t}\n", out);
}

static void put_guard(FILE *out, const struct ng_guard *guard) {
    /* Made first, as what is not there cannot be deleted. */
    fputs("table inet " NG_GUARD_TABLE_NAME "\n"
          "delete table inet " NG_GUARD_TABLE_NAME "\n"
          "table inet " NG_GUARD_TABLE_NAME " {\n"
          "\tcomment \"" NG_GUARD_COMMENT "\"\n",
          out);
    for (size_t i = 0; i < guard->n_sets; i++)
        put_set(out, &guard->sets[i], guard->armed_s);
    for (size_t i = 0; i < guard->n_chains; i++)
        put_chain(out, &guard->chains[i]);
    fputs("}\n", out);
}

/* -- texts ----------------------------------------------------------------------------- */

struct text {
    FILE *out;
    char *bytes;
    size_t len;
};

static bool text_open(struct text *text) {
    *text = (struct text){0};
    text->out = open_memstream(&text->bytes, &text->len);
    return text->out;
}

static char *text_close(struct text *text, struct ng_arena *arena) {
    bool failed = ferror(text->out) != 0;

    if (fclose(text->out) != 0 || failed || ng_arena_adopt(arena, text->bytes) < 0) {
        free(text->bytes);
        return NULL;
    }
    return text->bytes;
}

char *ng_guard_text(struct ng_arena *arena, const struct ng_guard *guard) {
    struct text text;

    if (!text_open(&text))
        return NULL;
    put_guard(text.out, guard);
    return text_close(&text, arena);
}

char *ng_guard_element_text(struct ng_arena *arena, const struct ng_guard_set *set,
                            const struct ng_guard_element *element) {
    struct text text;

    if (!text_open(&text))
        return NULL;
    put_element(text.out, set, element, 0);
    return text_close(&text, arena);
}

char *ng_guard_rule_text(struct ng_arena *arena, const struct ng_guard_rule *rule) {
    struct text text;

    if (!text_open(&text))
        return NULL;
    put_rule(text.out, rule);
    return text_close(&text, arena);
}
