/* SPDX-License-Identifier: GPL-2.0-or-later */
/* print_guard SAMPLE   the text of a guard that is made up: see `samples` */
#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/act/guard_text.h"

enum { MOST = 64, MANY = 10000 };

static struct ng_guard_set sets[MOST];
static struct ng_guard_rule rules[MOST];
static struct ng_guard_test tests[MOST][2];
static struct ng_guard_element elements[MOST][8], many[3][MANY];
static const struct ng_guard_rule dropping[] = {{.log = "netguard no-stores "},
                                                {.counter = true, .verdict = NG_GUARD_DROP}};
static struct ng_guard_chain chains[] = {
    {.name = "rule_no-stores", .rules = dropping, .n_rules = ARRAY_SIZE(dropping)},
    {.name = "forward", .base = true, .hook = NG_HOOK_FORWARD, .priority = -1, .rules = rules},
    {.name = "input", .base = true, .hook = NG_HOOK_INPUT, .priority = -1}};
static struct ng_guard guard = {
    .sets = sets, .chains = chains, .n_chains = ARRAY_SIZE(chains), .armed_s = 300};

static const struct ng_guard_value values[] = {
    [NG_GUARD_NFPROTO] = {.number = NFPROTO_IPV6},
    [NG_GUARD_IIFNAME] = {.name = "wg*"},
    [NG_GUARD_OIFNAME] = {.name = "docker0"},
    [NG_GUARD_SADDR4] = {.number = 0x0a000001},
    [NG_GUARD_SADDR6] = {.number = (ng_u128)0x20010db8 << 96},
    [NG_GUARD_DADDR4] = {.number = 0xac110002},
    [NG_GUARD_DADDR6] = {.number = 1},
    [NG_GUARD_ASKED4] = {.number = 0xc0000201},
    [NG_GUARD_ASKED6] = {.number = (ng_u128)0xfd00 << 112 | 2},
    [NG_GUARD_L4PROTO] = {.number = NG_SCTP},
    [NG_GUARD_DPORT] = {.number = 80},
    [NG_GUARD_ASKED_PORT] = {.number = 6379},
};

/* After `meta l4proto tcp`, as the port that was asked for has to stand. */
static struct ng_guard_test *add_rule(enum ng_guard_test_kind kind, enum ng_guard_verdict verdict) {
    size_t at = chains[1].n_rules++;
    struct ng_guard_test *pair = tests[at];

    pair[0] = (struct ng_guard_test){.kind = NG_GUARD_IS,
                                     .fields = {NG_GUARD_L4PROTO},
                                     .n_fields = 1,
                                     .value = {.number = NG_TCP}};
    pair[1] = (struct ng_guard_test){.kind = kind};
    rules[at] = (struct ng_guard_rule){
        .tests = pair, .n_tests = 2, .verdict = verdict, .chain = "rule_no-stores"};
    return &pair[1];
}

static void add_compare(enum ng_guard_test_kind kind, enum ng_guard_field field,
                        struct ng_guard_value value) {
    struct ng_guard_test *test = add_rule(kind, NG_GUARD_ACCEPT);

    test->fields[0] = field;
    test->n_fields = 1;
    test->value = value;
    test->end = value.number + 5;
}

static struct ng_guard_set *add_set(const char *name, const enum ng_guard_field *fields,
                                    size_t n_fields) {
    struct ng_guard_set *set = &sets[guard.n_sets];

    *set = (struct ng_guard_set){
        .name = name, .n_fields = n_fields, .elements = elements[guard.n_sets++]};
    memcpy(set->fields, fields, n_fields * sizeof(fields[0]));
    return set;
}

static void add_lookup(enum ng_guard_test_kind kind, const struct ng_guard_set *set) {
    struct ng_guard_test *test =
        add_rule(kind, kind == NG_GUARD_VMAP ? NG_GUARD_CONTINUE : NG_GUARD_JUMP);

    memcpy(test->fields, set->fields, sizeof(test->fields));
    test->n_fields = set->n_fields;
    test->set = set->name;
}

#define SET(name, ...)                                                                             \
    add_set(name, (const enum ng_guard_field[]){__VA_ARGS__},                                      \
            ARRAY_SIZE(((const enum ng_guard_field[]){__VA_ARGS__})))

static void add_element(struct ng_guard_set *set, struct ng_guard_element element) {
    element.chain = "rule_no-stores";
    elements[set - sets][set->n_elements++] = element;
}

/* -- samples --------------------------------------------------------------------------- */

static void make_empty(void) {
    guard.n_chains = 0;
}

static void make_tests(void) {
    for (enum ng_guard_test_kind kind = NG_GUARD_TO_BRIDGE; kind <= NG_GUARD_UNTRACKED; kind++)
        add_rule(kind, NG_GUARD_ACCEPT);
    for (enum ng_guard_verdict verdict = NG_GUARD_ACCEPT; verdict <= NG_GUARD_JUMP; verdict++) {
        add_rule(NG_GUARD_UNTRACKED, verdict);
        rules[chains[1].n_rules - 1].counter = true;
    }
}

static void make_fields(void) {
    static const uint8_t transports[] = {0,      NG_ICMP,  NG_TCP,  NG_UDP,
                                         NG_ESP, NG_ICMP6, NG_SCTP, 200};

    for (enum ng_guard_field field = NG_GUARD_NFPROTO; field < ARRAY_SIZE(values); field++) {
        add_compare(NG_GUARD_IS, field, values[field]);
        add_compare(NG_GUARD_IS_NOT, field, values[field]);
        if (!values[field].name && field != NG_GUARD_NFPROTO)
            add_compare(NG_GUARD_BETWEEN, field, values[field]);
    }
    /* nft leaves out of a rule what it knows already, and takes another transport for a fault. */
    for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
        add_compare(NG_GUARD_IS, NG_GUARD_L4PROTO,
                    (struct ng_guard_value){.number = transports[i]});
        rules[chains[1].n_rules - 1].tests++;
        rules[chains[1].n_rules - 1].n_tests--;
    }
}

static void make_sets(void) {
    static char names[ARRAY_SIZE(values)][16];
    struct ng_guard_set *set;

    for (enum ng_guard_field field = NG_GUARD_NFPROTO; field < ARRAY_SIZE(values); field++) {
        snprintf(names[field], sizeof(names[field]), "field%u", field);
        set = SET(names[field], field);
        add_element(set, (struct ng_guard_element){
                             .key = {values[field].name ? (struct ng_guard_value){.name = "eth0"}
                                                        : values[field]}});
        add_lookup(NG_GUARD_IN, set);
        add_lookup(NG_GUARD_NOT_IN, set);
    }
    set = SET("ranges", NG_GUARD_DPORT);
    set->intervals = true;
    add_element(set, (struct ng_guard_element){.end = 5});
    add_element(set, (struct ng_guard_element){.key = {{.number = 80}}, .end = 80});
    add_element(set, (struct ng_guard_element){.key = {{.number = 65530}}, .end = 65535});
    add_lookup(NG_GUARD_IN, set);
    set = SET("ranges4", NG_GUARD_SADDR4);
    set->intervals = true;
    add_element(set, (struct ng_guard_element){.end = 0x00ffffff});
    add_element(set, (struct ng_guard_element){.key = {{.number = 0x0a000001}}, .end = 0x0a000003});
    add_element(set, (struct ng_guard_element){.key = {{.number = 0xe0000000}}, .end = 0xffffffff});
    set = SET("ranges6", NG_GUARD_DADDR6);
    set->intervals = true;
    add_element(set, (struct ng_guard_element){.key = {{.number = 1}}, .end = 9});
    add_element(set, (struct ng_guard_element){.key = {{.number = (ng_u128)0xfe80 << 112}},
                                               .end = ng_family_max(NG_IP6)});
    set = SET("ranges_proto", NG_GUARD_L4PROTO);
    set->intervals = true;
    add_element(set, (struct ng_guard_element){.key = {{.number = 6}}, .end = 17});
    add_element(set, (struct ng_guard_element){.key = {{.number = 58}}, .end = 58});
    set = SET("empty", NG_GUARD_NFPROTO, NG_GUARD_IIFNAME);
    add_lookup(NG_GUARD_IN, set);
    set = SET("bound4", NG_GUARD_L4PROTO, NG_GUARD_ASKED4, NG_GUARD_DADDR4, NG_GUARD_DPORT);
    add_element(
        set, (struct ng_guard_element){.key = {values[NG_GUARD_L4PROTO], values[NG_GUARD_ASKED4],
                                               values[NG_GUARD_DADDR4], values[NG_GUARD_DPORT]}});
    add_lookup(NG_GUARD_IN, set);
    set = SET("bound6", NG_GUARD_L4PROTO, NG_GUARD_ASKED6, NG_GUARD_DADDR6, NG_GUARD_DPORT);
    add_element(set, (struct ng_guard_element){.key = {{.number = NG_ICMP6},
                                                       values[NG_GUARD_ASKED6],
                                                       values[NG_GUARD_DADDR6],
                                                       values[NG_GUARD_DPORT]}});
    add_lookup(NG_GUARD_NOT_IN, set);
    set = SET("ports", NG_GUARD_DPORT);
    set->intervals = set->is_map = true;
    add_element(set, (struct ng_guard_element){.key = {{.number = 80}}, .end = 80});
    add_element(set, (struct ng_guard_element){.key = {{.number = 7000}}, .end = 7005});
    add_lookup(NG_GUARD_VMAP, set);
    set = SET("pairs", NG_GUARD_OIFNAME, NG_GUARD_L4PROTO, NG_GUARD_DPORT);
    set->is_map = true;
    add_element(set, (struct ng_guard_element){
                         .key = {values[NG_GUARD_OIFNAME], {.number = 200}, {.number = 80}}});
    add_lookup(NG_GUARD_VMAP, set);
}

static void make_many(void) {
    struct ng_guard_set *set;

    SET("ports", NG_GUARD_L4PROTO, NG_GUARD_DADDR4, NG_GUARD_DPORT);
    SET("ranges", NG_GUARD_SADDR6)->intervals = true;
    set = SET("verdicts", NG_GUARD_DADDR4, NG_GUARD_DPORT);
    set->is_map = true;
    for (size_t i = 0; i < MANY; i++) {
        many[0][i].key[0].number = i % 2 ? NG_UDP : NG_TCP;
        many[0][i].key[1].number = many[2][i].key[0].number = 0x0a000000 + i;
        many[0][i].key[2].number = many[2][i].key[1].number = i;
        many[1][i].key[0].number = (ng_u128)i << 64;
        many[1][i].end = many[1][i].key[0].number + i;
        many[2][i].chain = "rule_no-stores";
    }
    for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
        sets[i].elements = many[i];
        sets[i].n_elements = MANY;
        add_lookup(sets[i].is_map ? NG_GUARD_VMAP : NG_GUARD_IN, &sets[i]);
    }
}

static const char *const written[] = {"a\\b",     "a\\",  "a*b",    "#x",      "$x",
                                      "@x;}{,.:", "a'b",  "123",    "0x10",    "b\u00fcro",
                                      "!-x=&|<>", "drop", "\ufffd", "(a)[b]^", "abcdefghijklmno"};
static const char *const left_out[] = {
    "a\"b",  "\"",       "a\" drop #",      "\"; }\naccept",
    "a\nb",  "\x1b[31m", "\xff\xfe",        "\u202ea",
    "a\\b*", "",         "abcdefghijklmn*", "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd"};

static void add_names(const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct ng_guard_value name = {.name = names[i]};

        if (!sets[guard.n_sets - 1].n_elements)
            add_lookup(NG_GUARD_IN, &sets[guard.n_sets - 1]);
        sets[guard.n_sets - 1].n_elements++;
        many[guard.n_sets - 1][i].key[0] = name;
        many[guard.n_sets - 1][i].key[1].number = i;
        add_compare(NG_GUARD_IS, NG_GUARD_IIFNAME, name);
    }
    sets[guard.n_sets - 1].elements = many[guard.n_sets - 1];
}

static void make_names(void) {
    SET("written", NG_GUARD_IIFNAME, NG_GUARD_DPORT);
    add_names(written, ARRAY_SIZE(written));
    SET("left_out", NG_GUARD_OIFNAME);
    add_names(left_out, ARRAY_SIZE(left_out));
    add_compare(NG_GUARD_IS, NG_GUARD_OIFNAME, (struct ng_guard_value){.name = "wg*"});
    add_compare(NG_GUARD_IS, NG_GUARD_OIFNAME, (struct ng_guard_value){.name = "a\\*"});
    add_compare(NG_GUARD_IS, NG_GUARD_OIFNAME, (struct ng_guard_value){.name = "*"});
}

static void make_star(void) {
    struct ng_guard_set *set = SET("star", NG_GUARD_OIFNAME);

    add_element(set, (struct ng_guard_element){.key = {{.name = "br*"}}});
    add_lookup(NG_GUARD_IN, set);
}

static void make_armed(void) {
    struct ng_guard_set *set = SET("armed", NG_GUARD_NFPROTO);

    set->timeout = true;
    add_element(set, (struct ng_guard_element){.key = {{.number = NFPROTO_IPV4}}});
    add_element(set, (struct ng_guard_element){.key = {{.number = NFPROTO_IPV6}}});
    add_lookup(NG_GUARD_NOT_IN, set);
    set = SET("ports", NG_GUARD_DPORT);
    set->timeout = set->intervals = set->is_map = true;
    add_element(set, (struct ng_guard_element){.key = {{.number = 80}}, .end = 89});
    add_lookup(NG_GUARD_VMAP, set);
}

static const struct {
    const char *name;
    void (*make)(void);
} samples[] = {{"empty", make_empty}, {"tests", make_tests}, {"fields", make_fields},
               {"sets", make_sets},   {"many", make_many},   {"names", make_names},
               {"star", make_star},   {"armed", make_armed}};

int main(int argc, char *argv[]) {
    for (size_t i = 0; argc == 2 && i < ARRAY_SIZE(samples); i++)
        if (strcmp(argv[1], samples[i].name) == 0) {
            struct ng_arena *arena = ng_arena_new();

            samples[i].make();
            const char *text = arena ? ng_guard_text(arena, &guard) : NULL;
            int r = text && fputs(text, stdout) >= 0 ? EXIT_SUCCESS : EXIT_FAILURE;
            ng_arena_free(arena);
            return r;
        }
    fprintf(stderr, "usage: print_guard SAMPLE\n");
    return EXIT_FAILURE;
}
