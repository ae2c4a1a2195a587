/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guard as nft writes it; that nft reads it is shown by tests/kernel/test_guard_text.py. */
#include <linux/netfilter.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/act/guard_text.h"

#define _arena_ _cleanup_(ng_arena_freep) struct ng_arena *

static ng_u128 number_of(const char *addr) {
    struct ng_addr parsed;

    assert_int_equal(ng_addr_parse(addr, &parsed), 0);
    return parsed.value;
}

static struct ng_guard_value number(ng_u128 value) {
    return (struct ng_guard_value){.number = value};
}

/* -- rules ----------------------------------------------------------------------------- */

static void assert_rule(struct ng_guard_rule rule, const char *expected) {
    _arena_ arena = ng_arena_new();
    const char *text = ng_guard_rule_text(arena, &rule);

    assert_non_null(text);
    assert_string_equal(text, expected);
}

static void assert_test(struct ng_guard_test test, const char *expected) {
    assert_rule((struct ng_guard_rule){.tests = &test, .n_tests = 1}, expected);
}

static struct ng_guard_test compare(enum ng_guard_test_kind kind, enum ng_guard_field field,
                                    ng_u128 value) {
    return (struct ng_guard_test){
        .kind = kind, .fields = {field}, .n_fields = 1, .value = number(value)};
}

static struct ng_guard_test named(enum ng_guard_test_kind kind, const char *name) {
    return (struct ng_guard_test){
        .kind = kind, .fields = {NG_GUARD_IIFNAME}, .n_fields = 1, .value = {.name = name}};
}

static void test_fields(void **state) {
    (void)state;
    static const struct {
        enum ng_guard_field field;
        const char *value, *text;
    } addrs[] = {
        {NG_GUARD_SADDR4, "10.0.0.1", "ip saddr 10.0.0.1"},
        {NG_GUARD_SADDR6, "fd00::1", "ip6 saddr fd00::1"},
        {NG_GUARD_DADDR4, "172.17.0.2", "ip daddr 172.17.0.2"},
        {NG_GUARD_DADDR6, "::1", "ip6 daddr ::1"},
        {NG_GUARD_ASKED4, "0.0.0.0", "ct original ip daddr 0.0.0.0"},
        {NG_GUARD_ASKED6, "2001:db8::", "ct original ip6 daddr 2001:db8::"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(addrs); i++)
        assert_test(compare(NG_GUARD_IS, addrs[i].field, number_of(addrs[i].value)), addrs[i].text);
    assert_test(compare(NG_GUARD_IS, NG_GUARD_NFPROTO, NFPROTO_IPV4), "meta nfproto ipv4");
    assert_test(compare(NG_GUARD_IS_NOT, NG_GUARD_NFPROTO, NFPROTO_IPV6), "meta nfproto != ipv6");
    assert_test(compare(NG_GUARD_IS, NG_GUARD_DPORT, 80), "th dport 80");
    assert_test(compare(NG_GUARD_IS_NOT, NG_GUARD_ASKED_PORT, 65535),
                "ct original proto-dst != 65535");
    assert_test(named(NG_GUARD_IS, "eth0"), "iifname \"eth0\"");
    assert_test((struct ng_guard_test){.kind = NG_GUARD_IS_NOT,
                                       .fields = {NG_GUARD_OIFNAME},
                                       .n_fields = 1,
                                       .value = {.name = "docker0"}},
                "oifname != \"docker0\"");
}

static void test_transports(void **state) {
    (void)state;
    static const struct {
        unsigned number;
        const char *text;
    } cases[] = {{1, "icmp"}, {6, "tcp"},    {17, "udp"}, {50, "esp"}, {58, "icmpv6"},
                 {0, "0"},    {132, "sctp"}, {47, "47"},  {255, "255"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char expected[64];

        snprintf(expected, sizeof(expected), "meta l4proto %s", cases[i].text);
        assert_test(compare(NG_GUARD_IS, NG_GUARD_L4PROTO, cases[i].number), expected);
    }
}

static void test_tests(void **state) {
    (void)state;
    static const struct {
        enum ng_guard_test_kind kind;
        const char *text;
    } bare[] = {
        {NG_GUARD_TO_BRIDGE, "meta oifkind \"bridge\""},
        {NG_GUARD_TO_NO_BRIDGE, "meta oifkind != \"bridge\""},
        {NG_GUARD_TRANSLATED, "ct status dnat"},
        {NG_GUARD_UNTRANSLATED, "ct status ! dnat"},
        {NG_GUARD_REPLY, "ct direction reply"},
        {NG_GUARD_ORIGINAL, "ct direction original"},
        {NG_GUARD_UNTRACKED, "ct state untracked"},
    };
    struct ng_guard_test in = {
        .kind = NG_GUARD_IN,
        .fields = {NG_GUARD_L4PROTO, NG_GUARD_ASKED4, NG_GUARD_DADDR4, NG_GUARD_DPORT},
        .n_fields = 4,
        .set = "bound4"};
    struct ng_guard_test between = compare(NG_GUARD_BETWEEN, NG_GUARD_DPORT, 32768);

    for (size_t i = 0; i < ARRAY_SIZE(bare); i++)
        assert_test((struct ng_guard_test){.kind = bare[i].kind}, bare[i].text);
    assert_test(in, "meta l4proto . ct original ip daddr . ip daddr . th dport @bound4");
    in.kind = NG_GUARD_NOT_IN;
    in.n_fields = 1;
    assert_test(in, "meta l4proto != @bound4");
    in.kind = NG_GUARD_VMAP;
    assert_test(in, "meta l4proto vmap @bound4");
    between.end = 60999;
    assert_test(between, "th dport 32768-60999");
    between = compare(NG_GUARD_BETWEEN, NG_GUARD_L4PROTO, 6);
    between.end = 17;
    assert_test(between, "meta l4proto 6-17");
    between = compare(NG_GUARD_BETWEEN, NG_GUARD_SADDR6, number_of("fd00::"));
    between.end = number_of("fd00::ff");
    assert_test(between, "ip6 saddr fd00::-fd00::ff");
}

static void test_verdicts(void **state) {
    (void)state;
    struct ng_guard_test tests[] = {compare(NG_GUARD_IS, NG_GUARD_L4PROTO, 6),
                                    compare(NG_GUARD_IS, NG_GUARD_ASKED_PORT, 80)};

    assert_rule((struct ng_guard_rule){.verdict = NG_GUARD_ACCEPT}, "accept");
    assert_rule((struct ng_guard_rule){.counter = true, .verdict = NG_GUARD_DROP}, "counter drop");
    assert_rule((struct ng_guard_rule){.verdict = NG_GUARD_GOTO, .chain = "a"}, "goto a");
    assert_rule((struct ng_guard_rule){tests, 2, NULL, true, NG_GUARD_JUMP, "b.c"},
                "meta l4proto tcp ct original proto-dst 80 counter jump b.c");
    assert_rule((struct ng_guard_rule){.log = "netguard no-stores "},
                "limit rate 10/second burst 20 packets log prefix \"netguard no-stores \" "
                "group 4789");
    assert_rule((struct ng_guard_rule){tests, 1, "x", true, NG_GUARD_DROP, NULL},
                "meta l4proto tcp limit rate 10/second burst 20 packets log prefix \"x\" "
                "group 4789 counter drop");
}

/* -- elements and sets ----------------------------------------------------------------- */

static void assert_element(struct ng_guard_set set, struct ng_guard_element element,
                           const char *expected) {
    _arena_ arena = ng_arena_new();
    const char *text = ng_guard_element_text(arena, &set, &element);

    assert_non_null(text);
    assert_string_equal(text, expected);
}

static void assert_interval(enum ng_guard_field field, ng_u128 first, ng_u128 last,
                            const char *expected) {
    assert_element((struct ng_guard_set){.fields = {field}, .n_fields = 1, .intervals = true},
                   (struct ng_guard_element){.key = {number(first)}, .end = last}, expected);
}

static void test_intervals(void **state) {
    (void)state;
    assert_interval(NG_GUARD_DPORT, 80, 80, "80");
    assert_interval(NG_GUARD_DPORT, 7000, 7005, "7000-7005");
    assert_interval(NG_GUARD_DPORT, 0, 65535, "0-65535");
    assert_interval(NG_GUARD_L4PROTO, 6, 6, "tcp");
    assert_interval(NG_GUARD_L4PROTO, 6, 17, "6-17");
    assert_interval(NG_GUARD_SADDR4, number_of("10.0.0.0"), number_of("10.255.255.255"),
                    "10.0.0.0/8");
    assert_interval(NG_GUARD_SADDR4, 0, UINT32_MAX, "0.0.0.0/0");
    assert_interval(NG_GUARD_SADDR4, number_of("10.0.0.2"), number_of("10.0.0.3"), "10.0.0.2/31");
    assert_interval(NG_GUARD_SADDR4, number_of("10.0.0.1"), number_of("10.0.0.2"),
                    "10.0.0.1-10.0.0.2");
    assert_interval(NG_GUARD_SADDR4, number_of("10.0.0.1"), number_of("10.0.0.1"), "10.0.0.1");
    assert_interval(NG_GUARD_DADDR6, 0, ng_family_max(NG_IP6), "::/0");
    assert_interval(NG_GUARD_DADDR6, 1, ng_family_max(NG_IP6),
                    "::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

static void test_elements(void **state) {
    (void)state;
    struct ng_guard_set set = {.fields = {NG_GUARD_L4PROTO, NG_GUARD_DADDR4, NG_GUARD_DPORT},
                               .n_fields = 3};
    struct ng_guard_element element = {
        .key = {number(6), number(number_of("172.17.0.2")), number(80)}, .chain = "rule_x"};

    assert_element(set, element, "tcp . 172.17.0.2 . 80");
    set.is_map = true;
    assert_element(set, element, "tcp . 172.17.0.2 . 80 : goto rule_x");
    set = (struct ng_guard_set){
        .fields = {NG_GUARD_DPORT}, .n_fields = 1, .intervals = true, .is_map = true};
    element =
        (struct ng_guard_element){.key = {number(7000)}, .end = 7005, .chain = "rule_no-stores"};
    assert_element(set, element, "7000-7005 : goto rule_no-stores");
    set = (struct ng_guard_set){.fields = {NG_GUARD_OIFNAME, NG_GUARD_NFPROTO}, .n_fields = 2};
    element = (struct ng_guard_element){.key = {{.name = "br-lan"}, number(NFPROTO_IPV6)}};
    assert_element(set, element, "\"br-lan\" . ipv6");
}

/* -- names of interfaces --------------------------------------------------------------- */

#define LEFT_OUT "# left out, as nft cannot be told of such a name: "

/* What nft reads as the same name stands as it is, what it does not read is a comment. */
static void test_names_in_rules(void **state) {
    (void)state;
    assert_test(named(NG_GUARD_IS, "wg*"), "iifname \"wg*\"");
    assert_test(named(NG_GUARD_IS, "**"), "iifname \"**\"");
    assert_test(named(NG_GUARD_IS, "a\\b*"), "iifname \"a\\b*\"");
    assert_test(named(NG_GUARD_IS, "abcdefghijklmn*"), "iifname \"abcdefghijklmn*\"");
    assert_test(named(NG_GUARD_IS, "a;b}#$@'\\"), "iifname \"a;b}#$@'\\\"");
    assert_test(named(NG_GUARD_IS, "b\u00fcro0"), "iifname \"b\u00fcro0\"");

    assert_test(named(NG_GUARD_IS, "a\"b"), LEFT_OUT "iifname \"a\\x22b\"");
    assert_test(named(NG_GUARD_IS, "a\nb"), LEFT_OUT "iifname \"a\\x0ab\"");
    assert_test(named(NG_GUARD_IS, "\x1b[31m"), LEFT_OUT "iifname \"\\x1b[31m\"");
    assert_test(named(NG_GUARD_IS, "a\xff"), LEFT_OUT "iifname \"a\\xff\"");
    assert_test(named(NG_GUARD_IS, "a\u202e"), LEFT_OUT "iifname \"a\\u202e\"");
    assert_test(named(NG_GUARD_IS, ""), LEFT_OUT "iifname \"\"");
    assert_test(named(NG_GUARD_IS, "*"), LEFT_OUT "iifname \"*\"");
    assert_test(named(NG_GUARD_IS, "a\\*"), LEFT_OUT "iifname \"a\\*\"");
    assert_test(named(NG_GUARD_IS, "abcdefghijklmno*"), LEFT_OUT "iifname \"abcdefghijklmno*\"");
    assert_test(named(NG_GUARD_IS, "abcdefghijklmnop"), LEFT_OUT "iifname \"abcdefghijklmnop\"");
    assert_test(named(NG_GUARD_IS_NOT, "a\"b"), LEFT_OUT "iifname != \"a\\x22b\"");

    /* The rule goes as a whole: with one test less it would be about more packets. */
    struct ng_guard_test tests[] = {compare(NG_GUARD_IS, NG_GUARD_DPORT, 80),
                                    named(NG_GUARD_IS, "a\"\ndrop")};
    assert_rule((struct ng_guard_rule){tests, 2, NULL, false, NG_GUARD_ACCEPT, NULL},
                LEFT_OUT "th dport 80 iifname \"a\\x22\\x0adrop\" accept");
}

static void test_long_names(void **state) {
    (void)state;
    _arena_ arena = ng_arena_new();
    char name[4096];

    memset(name, '\x1b', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    struct ng_guard_test test = named(NG_GUARD_IS, name);
    struct ng_guard_rule rule = {.tests = &test, .n_tests = 1};
    const char *text = ng_guard_rule_text(arena, &rule);

    assert_non_null(text);
    assert_true(text[0] == '#' && strlen(text) < sizeof(name) && !strchr(text, '\x1b'));
}

/* -- the table ------------------------------------------------------------------------- */

static const struct ng_guard_element bridges[] = {{.key = {{.name = "a\"b"}}},
                                                  {.key = {{.name = "abcdefghijklmn*"}}},
                                                  {.key = {{.name = "br*"}}},
                                                  {.key = {{.name = "docker0"}}},
                                                  {.key = {{.name = "x\\y*"}}}};

static void assert_guard(const struct ng_guard *guard, const char *expected) {
    static const char head[] = "table inet netguard\n"
                               "delete table inet netguard\n"
                               "table inet netguard {\n"
                               "\tcomment \"made by netguard, see netguard(8)\"\n";
    _arena_ arena = ng_arena_new();
    const char *text = ng_guard_text(arena, guard);

    assert_non_null(text);
    assert_memory_equal(text, head, sizeof(head) - 1);
    assert_string_equal(text + sizeof(head) - 1, expected);
}

static void test_empty(void **state) {
    (void)state;
    assert_guard(&(struct ng_guard){0}, "}\n");
}

static void test_table(void **state) {
    (void)state;
    static const struct ng_guard_element armed[] = {{.key = {{.number = NFPROTO_IPV4}}},
                                                    {.key = {{.number = NFPROTO_IPV6}}}};
    static const struct ng_guard_element ports[] = {
        {.key = {{.number = 80}}, .end = 80, .chain = "rule_x"},
        {.key = {{.number = 90}}, .end = 99, .chain = "rule_x"}};
    static const struct ng_guard_set sets[] = {
        {.name = "armed",
         .fields = {NG_GUARD_NFPROTO},
         .n_fields = 1,
         .timeout = true,
         .elements = armed,
         .n_elements = 2},
        {.name = "bridges",
         .fields = {NG_GUARD_OIFNAME},
         .n_fields = 1,
         .elements = bridges,
         .n_elements = ARRAY_SIZE(bridges)},
        {.name = "lost",
         .fields = {NG_GUARD_OIFNAME},
         .n_fields = 1,
         .elements = bridges,
         .n_elements = 1},
        {.name = "none", .fields = {NG_GUARD_L4PROTO, NG_GUARD_DADDR6}, .n_fields = 2},
        {.name = "ports",
         .fields = {NG_GUARD_DPORT},
         .n_fields = 1,
         .intervals = true,
         .is_map = true,
         .timeout = true,
         .elements = ports,
         .n_elements = 2},
    };
    static const struct ng_guard_rule count = {.counter = true, .verdict = NG_GUARD_DROP};
    static const struct ng_guard_rule forward[] = {{.log = "x "},
                                                   {.verdict = NG_GUARD_GOTO, .chain = "rule_x"}};
    static const struct ng_guard_chain chains[] = {
        {.name = "rule_x", .rules = &count, .n_rules = 1},
        {.name = "forward",
         .base = true,
         .hook = NG_HOOK_FORWARD,
         .priority = -1,
         .rules = forward,
         .n_rules = 2},
        {.name = "input", .base = true, .hook = NG_HOOK_INPUT, .priority = -201},
    };
    static const struct ng_guard guard = {.sets = sets,
                                          .n_sets = ARRAY_SIZE(sets),
                                          .chains = chains,
                                          .n_chains = ARRAY_SIZE(chains),
                                          .armed_s = 300};

    assert_guard(&guard, "\n\tset armed {\n"
                         "\t\ttype nf_proto\n"
                         "\t\tflags timeout\n"
                         "\t\telements = {\n"
                         "\t\t\tipv4 timeout 300s,\n"
                         "\t\t\tipv6 timeout 300s\n"
                         "\t\t}\n"
                         "\t}\n"
                         "\n\tset bridges {\n"
                         "\t\ttype ifname\n"
                         "\t\t" LEFT_OUT "\"a\\x22b\"\n"
                         "\t\t" LEFT_OUT "\"abcdefghijklmn*\"\n"
                         "\t\t" LEFT_OUT "\"x\\y*\"\n"
                         "\t\telements = {\n"
                         "\t\t\t\"br\\*\",\n"
                         "\t\t\t\"docker0\"\n"
                         "\t\t}\n"
                         "\t}\n"
                         "\n\tset lost {\n"
                         "\t\ttype ifname\n"
                         "\t\t" LEFT_OUT "\"a\\x22b\"\n"
                         "\t}\n"
                         "\n\tset none {\n"
                         "\t\ttype inet_proto . ipv6_addr\n"
                         "\t}\n"
                         "\n\tmap ports {\n"
                         "\t\ttype inet_service : verdict\n"
                         "\t\tflags interval,timeout\n"
                         "\t\telements = {\n"
                         "\t\t\t80 timeout 300s : goto rule_x,\n"
                         "\t\t\t90-99 timeout 300s : goto rule_x\n"
                         "\t\t}\n"
                         "\t}\n"
                         "\n\tchain rule_x {\n"
                         "\t\tcounter drop\n"
                         "\t}\n"
                         "\n\tchain forward {\n"
                         "\t\ttype filter hook forward priority -1; policy accept;\n"
                         "\t\tlimit rate 10/second burst 20 packets log prefix \"x \" group 4789\n"
                         "\t\tgoto rule_x\n"
                         "\t}\n"
                         "\n\tchain input {\n"
                         "\t\ttype filter hook input priority -201; policy accept;\n"
                         "\t}\n"
                         "}\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),         cmocka_unit_test(test_transports),
        cmocka_unit_test(test_tests),          cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_intervals),      cmocka_unit_test(test_elements),
        cmocka_unit_test(test_names_in_rules), cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_empty),          cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
