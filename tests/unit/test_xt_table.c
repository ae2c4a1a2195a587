/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/observe/ruleset_decode.h"
#include "agent/observe/ruleset_parts.h"
#include "tests/unit/fixture_world.h"
#include "tests/unit/fixture_xt_table.h"

#include <errno.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_state.h>
#include <linux/netfilter/xt_tcpudp.h>

static struct ng_ruleset *decode(struct xt_build *build) {
    const struct ng_xt_table table = xt_built(build);
    const struct ng_world world = {.nft = {.read = true}, .xt_tables = &table, .n_xt_tables = 1};
    struct ng_ruleset *ruleset = NULL;
    struct ng_error error = {0};
    if (ng_ruleset_decode(&world, &ruleset, &error) < 0)
        fail_msg("%s: %s", error.source, error.message);
    return ruleset;
}

#define _ruleset_ _cleanup_(ng_ruleset_freep) struct ng_ruleset *

static void assert_refused(struct xt_build *build, const char *why) {
    const struct ng_xt_table table = xt_built(build);
    const struct ng_world world = {.nft = {.read = true}, .xt_tables = &table, .n_xt_tables = 1};
    struct ng_ruleset *ruleset = NULL;
    struct ng_error error = {0};
    assert_int_equal(ng_ruleset_decode(&world, &ruleset, &error), -EBADMSG);
    assert_null(ruleset);
    assert_string_equal(error.source, "iptables-legacy");
    if (!strstr(error.message, why) || !strstr(error.message, "table filter at byte"))
        fail_msg("\"%s\" does not say \"%s\"", error.message, why);
}

static const struct ng_chain *chain_named(const struct ng_ruleset *ruleset, const char *name) {
    for (size_t i = 0; i < ruleset->n_chains; i++)
        if (strcmp(ruleset->chains[i].name, name) == 0)
            return &ruleset->chains[i];
    fail_msg("no chain %s", name);
    return NULL;
}

static void assert_rule(struct ng_ruleset *ruleset, const char *chain, size_t number,
                        const char *expected) {
    const struct ng_chain *of = chain_named(ruleset, chain);
    assert_in_range(number, 1, of->n_rules);
    const struct ng_rule *rule = &ruleset->rules[of->first_rule + number - 1];
    assert_int_equal(rule->handle, number);
    assert_string_equal(ng_rule_text(ruleset->arena, ruleset, rule), expected);
}

/* -- tables and chains --------------------------------------------------------------- */

static void test_empty_table(void **state) {
    (void)state;
    struct xt_build build = {0};
    xt_begin(&build, NG_IP4, "filter");
    xt_policy(&build, NF_INET_LOCAL_IN, NF_DROP);
    xt_policy(&build, NF_INET_FORWARD, NF_ACCEPT);
    xt_policy(&build, NF_INET_LOCAL_OUT, NF_ACCEPT);
    xt_end(&build);
    _ruleset_ ruleset = decode(&build);

    assert_int_equal(ruleset->n_tables, 1);
    assert_int_equal(ruleset->tables[0].family, NG_TABLE_IP);
    assert_string_equal(ruleset->tables[0].name, "filter");
    assert_true(ruleset->tables[0].legacy);
    assert_int_equal(ruleset->n_chains, 3);
    assert_int_equal(ruleset->n_rules, 0);
    assert_true(chain_named(ruleset, "INPUT")->policy_drop);
    assert_false(chain_named(ruleset, "FORWARD")->policy_drop);
    assert_int_equal(chain_named(ruleset, "INPUT")->handle, 0);
}

/* What the kernel's own iptable_*.c and ip6table_*.c register. */
static void test_places(void **state) {
    (void)state;
    static const struct {
        const char *table;
        unsigned hook;
        enum ng_hook expected;
        enum ng_chain_type type;
        int32_t priority;
    } places[] = {
        {"raw", NF_INET_PRE_ROUTING, NG_HOOK_PREROUTING, NG_CHAIN_FILTER, -300},
        {"raw", NF_INET_LOCAL_OUT, NG_HOOK_OUTPUT, NG_CHAIN_FILTER, -300},
        {"mangle", NF_INET_PRE_ROUTING, NG_HOOK_PREROUTING, NG_CHAIN_FILTER, -150},
        {"mangle", NF_INET_LOCAL_IN, NG_HOOK_INPUT, NG_CHAIN_FILTER, -150},
        {"mangle", NF_INET_FORWARD, NG_HOOK_FORWARD, NG_CHAIN_FILTER, -150},
        {"mangle", NF_INET_LOCAL_OUT, NG_HOOK_OUTPUT, NG_CHAIN_ROUTE, -150},
        {"mangle", NF_INET_POST_ROUTING, NG_HOOK_POSTROUTING, NG_CHAIN_FILTER, -150},
        {"nat", NF_INET_PRE_ROUTING, NG_HOOK_PREROUTING, NG_CHAIN_NAT, -100},
        {"nat", NF_INET_LOCAL_IN, NG_HOOK_INPUT, NG_CHAIN_NAT, 100},
        {"nat", NF_INET_LOCAL_OUT, NG_HOOK_OUTPUT, NG_CHAIN_NAT, -100},
        {"nat", NF_INET_POST_ROUTING, NG_HOOK_POSTROUTING, NG_CHAIN_NAT, 100},
        {"filter", NF_INET_LOCAL_IN, NG_HOOK_INPUT, NG_CHAIN_FILTER, 0},
        {"filter", NF_INET_FORWARD, NG_HOOK_FORWARD, NG_CHAIN_FILTER, 0},
        {"security", NF_INET_LOCAL_IN, NG_HOOK_INPUT, NG_CHAIN_FILTER, 50},
    };
    static const uint8_t families[] = {NG_IP4, NG_IP6};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
            struct xt_build build = {0};
            xt_begin(&build, families[f], places[i].table);
            xt_policy(&build, places[i].hook, NF_ACCEPT);
            xt_end(&build);
            _ruleset_ ruleset = decode(&build);
            assert_int_equal(ruleset->n_chains, 1);
            const struct ng_chain *chain = &ruleset->chains[0];
            assert_true(chain->base);
            assert_int_equal(chain->hook, places[i].expected);
            assert_int_equal(chain->type, places[i].type);
            assert_int_equal(chain->priority, places[i].priority);
            assert_int_equal(ruleset->tables[0].family,
                             families[f] == NG_IP4 ? NG_TABLE_IP : NG_TABLE_IP6);
        }
}

/* A module from elsewhere may hook its table in before all others, and do anything. */
static void test_table_of_unknown_kind(void **state) {
    (void)state;
    struct xt_build build = {0};
    xt_begin(&build, NG_IP4, "rawpost");
    xt_policy(&build, NF_INET_POST_ROUTING, NF_ACCEPT);
    xt_end(&build);
    _ruleset_ ruleset = decode(&build);
    assert_int_equal(ruleset->chains[0].priority, INT32_MIN);
    assert_int_equal(ruleset->n_rules, 1);
    assert_int_equal(ruleset->rules[0].n_ops, 1);
    assert_int_equal(ruleset->rules[0].ops[0].kind, NG_OP_UNKNOWN);
    assert_true(ruleset->rules[0].ops[0].undecoded);
}

static void begin_input(struct xt_build *build, uint8_t family) {
    xt_begin(build, family, "filter");
    xt_hook(build, NF_INET_LOCAL_IN);
}

/* INPUT ends, with the policy accept, and the table. */
static void end_input(struct xt_build *build) {
    xt_policy(build, NF_INET_LOCAL_IN, NF_ACCEPT);
    xt_end(build);
}

static void test_verdicts(void **state) {
    (void)state;
    struct xt_build build = {0};
    begin_input(&build, NG_IP4);
    xt_standard(&build, -NF_ACCEPT - 1);
    xt_standard(&build, -NF_DROP - 1);
    xt_standard(&build, -NF_QUEUE - 1);
    xt_standard(&build, XT_RETURN);
    xt_through(&build);
    end_input(&build);
    _ruleset_ ruleset = decode(&build);
    assert_rule(ruleset, "INPUT", 1, "accept");
    assert_rule(ruleset, "INPUT", 2, "drop");
    assert_rule(ruleset, "INPUT", 3, "queue");
    assert_rule(ruleset, "INPUT", 4, "return");
    assert_rule(ruleset, "INPUT", 5, "");
    assert_int_equal(ruleset->rules[2].ops[0].verdict.kind, NG_VERDICT_UNKNOWN);
    assert_int_equal(ruleset->rules[4].n_ops, 0);
}

/* INPUT: jump to b, go to a; a and b as chains of one rule each. Offsets are known afterwards. */
static void build_jumps(struct xt_build *build, uint8_t family) {
    begin_input(build, family);
    size_t jump = xt_standard(build, 0), go = xt_standard(build, 0);
    xt_policy(build, NF_INET_LOCAL_IN, NF_ACCEPT);
    size_t a = xt_chain(build, "a");
    xt_standard(build, -NF_DROP - 1);
    xt_standard(build, XT_RETURN);
    size_t b = xt_chain(build, "b");
    xt_standard(build, -NF_ACCEPT - 1);
    xt_standard(build, XT_RETURN);
    xt_end(build);
    xt_set_verdict(build, jump, (int)b);
    xt_set_verdict(build, go, (int)a);
    xt_set_goto(build, go);
}

static void test_jumps(void **state) {
    (void)state;
    static const uint8_t families[] = {NG_IP4, NG_IP6};
    for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
        struct xt_build build = {0};
        build_jumps(&build, families[f]);
        _ruleset_ ruleset = decode(&build);
        assert_int_equal(ruleset->n_rules, 4);
        assert_false(chain_named(ruleset, "a")->base);
        assert_rule(ruleset, "INPUT", 1, "jump b");
        assert_rule(ruleset, "INPUT", 2, "goto a");
        assert_rule(ruleset, "a", 1, "drop");
        assert_rule(ruleset, "b", 1, "accept");
        /* The return that ends each is no rule. */
        assert_int_equal(chain_named(ruleset, "b")->n_rules, 1);
    }
}

/* iptables never does, and the kernel takes it. */
static void test_jump_into_a_chain(void **state) {
    (void)state;
    struct xt_build build = {0};
    begin_input(&build, NG_IP4);
    size_t jump = xt_standard(&build, 0);
    size_t middle = xt_standard(&build, -NF_DROP - 1);
    xt_through(&build);
    end_input(&build);
    xt_set_verdict(&build, jump, (int)(middle + xt_entry_len(&build, middle)));
    _ruleset_ ruleset = decode(&build);
    const struct ng_op *op = &ruleset->rules[0].ops[0];
    assert_int_equal(op->kind, NG_OP_UNKNOWN);
    assert_true(op->undecoded);
}

/* -- tests of the header ------------------------------------------------------------- */

static void assert_header4(const struct ipt_ip *ip, const char *expected) {
    struct xt_build build = {0};
    begin_input(&build, NG_IP4);
    size_t at = xt_standard(&build, -NF_ACCEPT - 1);
    xt_entry4(&build, at)->ip = *ip;
    end_input(&build);
    _ruleset_ ruleset = decode(&build);
    assert_rule(ruleset, "INPUT", 1, expected);
}

static void assert_header6(const struct ip6t_ip6 *ip, const char *expected) {
    struct xt_build build = {0};
    begin_input(&build, NG_IP6);
    size_t at = xt_standard(&build, -NF_ACCEPT - 1);
    xt_entry6(&build, at)->ipv6 = *ip;
    end_input(&build);
    _ruleset_ ruleset = decode(&build);
    assert_rule(ruleset, "INPUT", 1, expected);
}

#define IP(a, b, c, d)                                                                             \
    { htonl((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d)) }
#define ETH_EXACT                                                                                  \
    { 255, 255, 255, 255, 255 }
#define ETH_WILDCARD                                                                               \
    { 255, 255, 255 }

static void test_addresses(void **state) {
    (void)state;
    struct ipt_ip ip = {.src = IP(10, 0, 0, 0), .smsk = IP(255, 0, 0, 0)};
    assert_header4(&ip, "ip saddr 10.0.0.0/8 accept");
    ip.invflags = IPT_INV_SRCIP;
    assert_header4(&ip, "ip saddr != 10.0.0.0/8 accept");
    ip = (struct ipt_ip){.dst = IP(192, 0, 2, 1), .dmsk = IP(255, 255, 255, 255)};
    assert_header4(&ip, "ip daddr 192.0.2.1 accept");
    ip.invflags = IPT_INV_DSTIP;
    assert_header4(&ip, "ip daddr != 192.0.2.1 accept");
    /* A mask with holes stays a mask. */
    ip = (struct ipt_ip){.src = IP(10, 0, 0, 7), .smsk = IP(255, 0, 0, 255)};
    assert_header4(&ip, "ip saddr & 255.0.0.255 == 10.0.0.7 accept");

    struct ip6t_ip6 ip6 = {.src.s6_addr = {0xfd, 0x09}, .smsk.s6_addr = {0xff, 0xff}};
    assert_header6(&ip6, "ip6 saddr fd09::/16 accept");
    ip6.invflags = IP6T_INV_SRCIP;
    assert_header6(&ip6, "ip6 saddr != fd09::/16 accept");
    ip6 = (struct ip6t_ip6){.dst.s6_addr = {0xfe, 0x80}, .dmsk.s6_addr = {0xff, 0xc0}};
    assert_header6(&ip6, "ip6 daddr fe80::/10 accept");
}

/* A bit of the address beside its mask: IPv4 then matches nobody, IPv6 does not look at it. */
static void test_bits_beside_the_mask(void **state) {
    (void)state;
    struct xt_build build = {0};
    begin_input(&build, NG_IP4);
    size_t at = xt_standard(&build, -NF_ACCEPT - 1);
    xt_entry4(&build, at)->ip = (struct ipt_ip){.src = IP(10, 0, 0, 1), .smsk = IP(255, 0, 0, 0)};
    end_input(&build);
    _ruleset_ ruleset = decode(&build);
    assert_int_equal(ruleset->rules[0].ops[0].kind, NG_OP_MATCH);
    assert_int_equal(ruleset->rules[0].ops[0].match->values.count, 0);

    const struct ip6t_ip6 ip6 = {.src.s6_addr = {0xfd, 0x09, 1}, .smsk.s6_addr = {0xff, 0xff}};
    assert_header6(&ip6, "ip6 saddr fd09::/16 accept");
}

static void test_interfaces(void **state) {
    (void)state;
    struct ipt_ip ip = {.iniface = "eth0", .iniface_mask = ETH_EXACT};
    assert_header4(&ip, "iifname \"eth0\" accept");
    ip.invflags = IPT_INV_VIA_IN;
    assert_header4(&ip, "iifname != \"eth0\" accept");
    ip = (struct ipt_ip){.outiface = "eth", .outiface_mask = ETH_WILDCARD};
    assert_header4(&ip, "oifname \"eth*\" accept");
    ip.invflags = IPT_INV_VIA_OUT;
    assert_header4(&ip, "oifname != \"eth*\" accept");
    /* Only what the mask covers is compared. */
    ip = (struct ipt_ip){.iniface = "eth0", .iniface_mask = ETH_WILDCARD};
    assert_header4(&ip, "iifname \"eth*\" accept");
    const struct ip6t_ip6 ip6 = {.iniface = "eth0", .iniface_mask = ETH_EXACT};
    assert_header6(&ip6, "iifname \"eth0\" accept");
}

static void test_protocols(void **state) {
    (void)state;
    struct ipt_ip ip = {.proto = NG_TCP};
    assert_header4(&ip, "meta l4proto tcp accept");
    ip.invflags = IPT_INV_PROTO;
    assert_header4(&ip, "meta l4proto != tcp accept");
    ip.proto = 0; /* any: negated or not */
    assert_header4(&ip, "accept");
    struct ip6t_ip6 ip6 = {.proto = NG_UDP, .flags = IP6T_F_PROTO};
    assert_header6(&ip6, "meta l4proto udp accept");
    ip6.flags = 0;
    assert_header6(&ip6, "accept");
}

/* -f, ! -f, and a negation of nothing, which never matches. */
static void test_fragments(void **state) {
    (void)state;
    static const struct {
        uint8_t flags, invflags;
        bool matches;
    } cases[] = {
        {IPT_F_FRAG, 0, false},
        {IPT_F_FRAG, IPT_INV_FRAG, true},
        {0, IPT_INV_FRAG, false},
        {0, 0, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct xt_build build = {0};
        begin_input(&build, NG_IP4);
        size_t at = xt_standard(&build, -NF_DROP - 1);
        xt_entry4(&build, at)->ip.flags = cases[i].flags;
        xt_entry4(&build, at)->ip.invflags = cases[i].invflags;
        end_input(&build);
        _ruleset_ ruleset = decode(&build);
        _lab_ lab = lab_new();
        const struct ng_question question = {.family = NG_IP4,
                                             .proto = NG_UDP,
                                             .iif = ETH0,
                                             .daddr = addr("192.0.2.1").value,
                                             .dport = 53};
        struct ng_answer answer;
        assert_int_equal(ng_reach_new(&lab->world, ruleset, &lab->engine), 0);
        assert_int_equal(ng_reach_ask(lab->engine, &question, lab->arena, &answer), 0);
        assert_int_equal(answer.n_outcomes, 1);
        /* No packet at all, whatever its offset. */
        if (!cases[i].flags && cases[i].invflags)
            assert_int_equal(ruleset->rules[0].ops[0].match->values.intervals[0].hi, UINT16_MAX);
        assert_int_equal(answer.outcomes[0].fate,
                         cases[i].matches ? NG_FATE_DROPPED : NG_FATE_LOCAL);
    }
}

/* -- matches and targets ------------------------------------------------------------- */

static void test_extensions(void **state) {
    (void)state;
    struct xt_build build = {0};
    const struct xt_tcp tcp = {.spts = {0, 65535}, .dpts = {22, 22}};
    const struct xt_mark_mtinfo1 mark = {.mark = 7, .mask = UINT32_MAX};
    const uint8_t odd[16] = {0};
    begin_input(&build, NG_IP4);
    size_t at = xt_open(&build);
    xt_entry4(&build, at)->ip.proto = NG_TCP;
    xt_match(&build, at, "tcp", 0, &tcp, sizeof(tcp));
    xt_match(&build, at, "mark", 1, &mark, sizeof(mark));
    xt_match(&build, at, "oddity", 3, odd, sizeof(odd));
    xt_target(&build, at, "NOTRACK", 0, NULL, 0);
    at = xt_open(&build);
    xt_target(&build, at, "ODDITY", 0, odd, sizeof(odd));
    end_input(&build);
    _ruleset_ ruleset = decode(&build);
    assert_int_equal(ruleset->n_rules, 2);
    const struct ng_rule *rule = &ruleset->rules[0];
    assert_int_equal(rule->n_ops, 5);
    assert_int_equal(rule->ops[1].match->operands[0].field, NG_FIELD_DPORT);
    assert_int_equal(rule->ops[2].kind, NG_OP_MATCH);
    assert_int_equal(rule->ops[2].match->operands[0].field, NG_FIELD_MARK);
    assert_int_equal(rule->ops[3].kind, NG_OP_UNDECIDED);
    assert_int_equal(rule->ops[4].kind, NG_OP_NOTRACK);
    assert_int_equal(ruleset->rules[1].ops[0].kind, NG_OP_UNKNOWN);
}

/* A rule that asks for the connection makes the kernel track; the nat table alone does not. */
static void test_tracking(void **state) {
    (void)state;
    const struct xt_state_info state_info = {.statemask = 8};
    struct xt_build build = {0};
    xt_begin(&build, NG_IP4, "nat");
    xt_hook(&build, NF_INET_PRE_ROUTING);
    xt_standard(&build, -NF_ACCEPT - 1);
    size_t at = xt_open(&build);
    xt_match(&build, at, "state", 0, &state_info, sizeof(state_info));
    xt_close(&build, at, -NF_ACCEPT - 1);
    xt_policy(&build, NF_INET_PRE_ROUTING, NF_ACCEPT);
    xt_end(&build);
    _ruleset_ ruleset = decode(&build);
    assert_int_equal(ruleset->n_rules, 2);
    assert_false(ruleset->rules[0].tracks);
    assert_true(ruleset->rules[1].tracks);
}

/* Where a legacy rule gives connections a zone, an nf_tables rule or one of another table that
 * asks for it is told nothing. */
static void test_zones(void **state) {
    (void)state;
    const struct xt_ct_target_info_v1 zone = {.zone = 7};
    struct xt_build build = {0};
    xt_begin(&build, NG_IP4, "raw");
    xt_hook(&build, NF_INET_PRE_ROUTING);
    xt_target(&build, xt_open(&build), "CT", 1, &zone, sizeof(zone));
    xt_policy(&build, NF_INET_PRE_ROUTING, NF_ACCEPT);
    xt_end(&build);
    const struct ng_xt_table table = xt_built(&build);
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    assert_non_null(arena);
    struct decoder decoder = {.arena = arena, .scratch = arena};
    assert_int_equal(ng_xt_table_decode(&decoder, &table, NULL), 0);
    assert_true(decoder.sets_zone);
    assert_false(decoder.sets_label);
}

/* Tables of both families and several names stand side by side, nf_tables' first. */
static void test_several_tables(void **state) {
    (void)state;
    struct xt_build builds[2] = {0};
    build_jumps(&builds[0], NG_IP4);
    build_jumps(&builds[1], NG_IP6);
    const struct ng_xt_table tables[] = {xt_built(&builds[0]), xt_built(&builds[1])};
    const struct ng_world world = {
        .nft = {.read = true}, .xt_tables = tables, .n_xt_tables = ARRAY_SIZE(tables)};
    _ruleset_ ruleset = NULL;
    assert_int_equal(ng_ruleset_decode(&world, &ruleset, NULL), 0);
    assert_int_equal(ruleset->n_tables, 2);
    assert_int_equal(ruleset->n_chains, 6);
    assert_int_equal(ruleset->n_rules, 8);
    /* Each jumps into its own table. */
    for (size_t i = 0; i < ruleset->n_rules; i++) {
        const struct ng_op *op = &ruleset->rules[i].ops[0];
        if (op->verdict.kind == NG_VERDICT_JUMP || op->verdict.kind == NG_VERDICT_GOTO)
            assert_int_equal(ruleset->chains[op->verdict.chain].table,
                             ruleset->chains[ruleset->rules[i].chain].table);
    }
}

/* -- what the kernel would never say ------------------------------------------------- */

static void simple(struct xt_build *build) {
    *build = (struct xt_build){0};
    build_jumps(build, NG_IP4);
}

static void test_cut_short(void **state) {
    (void)state;
    struct xt_build build;
    simple(&build);
    size_t whole = build.len;
    for (size_t len = 0; len < whole; len++) {
        simple(&build);
        /* A table that was cut, and one that says so. */
        build.len = len;
        assert_refused(&build, "");
        build.info.size = (uint32_t)len;
        assert_refused(&build, "");
    }
    const struct ng_xt_table table = {.family = NG_IP4, .name = "filter"};
    const struct ng_world world = {.nft = {.read = true}, .xt_tables = &table, .n_xt_tables = 1};
    struct ng_ruleset *ruleset = NULL;
    assert_int_equal(ng_ruleset_decode(&world, &ruleset, NULL), -EBADMSG);
}

static void test_offsets(void **state) {
    (void)state;
    struct xt_build build;
    const uint16_t small = sizeof(struct ipt_entry), target = sizeof(struct xt_entry_target);
    static const uint16_t odd[] = {0, 1, 4, 65535};
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
        simple(&build);
        xt_entry4(&build, 0)->next_offset = odd[i];
        assert_refused(&build, "where it may be");
        simple(&build);
        xt_entry4(&build, 0)->target_offset = odd[i];
        assert_refused(&build, "where it may be");
    }
    simple(&build);
    xt_entry4(&build, 0)->next_offset = (uint16_t)(small + target - 8);
    assert_refused(&build, "where it may be");
    simple(&build);
    xt_target_of(&build, 0)->u.user.target_size = (uint16_t)(target - 1);
    assert_refused(&build, "target does not fit");
    simple(&build);
    xt_target_of(&build, 0)->u.user.target_size = 65535;
    assert_refused(&build, "target does not fit");
    simple(&build);
    xt_target_of(&build, 0)->u.user.target_size = target;
    assert_refused(&build, "cut short");
    simple(&build);
    memset(xt_target_of(&build, 0)->u.user.name, 'x', XT_EXTENSION_MAXNAMELEN);
    assert_refused(&build, "name does not end");
}

static void test_torn_matches(void **state) {
    (void)state;
    static const uint16_t sizes[] = {0, 8, 31, 33, 36, 48, 65535};
    const uint8_t info[8] = {0};
    for (size_t i = 0; i <= ARRAY_SIZE(sizes); i++) {
        struct xt_build build = {0};
        begin_input(&build, NG_IP4);
        size_t at = xt_open(&build);
        xt_match(&build, at, "mark", 1, info, sizeof(info));
        struct xt_entry_match *match =
            (struct xt_entry_match *)(build.entries + at + sizeof(struct ipt_entry));
        xt_close(&build, at, -NF_DROP - 1);
        end_input(&build);
        if (i == ARRAY_SIZE(sizes))
            memset(match->u.user.name, 'x', XT_EXTENSION_MAXNAMELEN);
        else
            match->u.user.match_size = sizes[i];
        assert_refused(&build, i == ARRAY_SIZE(sizes) ? "name does not end" : "does not fit");
    }
}

/* Two matches, the first of which claims to end inside of the second: at a place where what
 * follows looks like a match that fills the rest, but where the kernel would have none. */
static void test_crooked_matches(void **state) {
    (void)state;
    const uint8_t info[8] = {0};
    struct xt_build build = {0};
    begin_input(&build, NG_IP4);
    size_t at = xt_open(&build);
    xt_match(&build, at, "mark", 1, info, sizeof(info));
    xt_match(&build, at, "mark", 1, info, sizeof(info));
    xt_close(&build, at, -NF_DROP - 1);
    end_input(&build);
    uint8_t *first = build.entries + at + sizeof(struct ipt_entry);
    const uint16_t sizes[] = {36, 44};
    memset(first + sizes[0], 0, sizes[1]);
    memcpy(first, &sizes[0], sizeof(sizes[0]));
    memcpy(first + sizes[0], &sizes[1], sizeof(sizes[1]));
    assert_refused(&build, "does not fit");
}

static void test_contradictions(void **state) {
    (void)state;
    struct xt_build build;
    simple(&build);
    build.info.num_entries++;
    assert_refused(&build, "fewer entries");
    simple(&build);
    build.info.num_entries--;
    assert_refused(&build, "more entries");
    simple(&build);
    build.info.num_entries = UINT32_MAX;
    assert_refused(&build, "fewer entries");
    simple(&build);
    build.info.valid_hooks |= 1 << NF_INET_NUMHOOKS;
    assert_refused(&build, "hooks");
    simple(&build);
    strcpy(build.info.name, "nat");
    assert_refused(&build, "another name");
    simple(&build);
    build.info.hook_entry[NF_INET_LOCAL_IN] = 8;
    assert_refused(&build, "begin and end");
    simple(&build);
    build.info.underflow[NF_INET_LOCAL_IN] = UINT32_MAX;
    assert_refused(&build, "begin and end");
    simple(&build);
    build.info.hook_entry[NF_INET_LOCAL_IN] = build.last;
    assert_refused(&build, "begin and end");
    simple(&build);
    build.info.underflow[NF_INET_LOCAL_IN] = build.last;
    assert_refused(&build, "runs into another");
    simple(&build); /* a rule as policy */
    build.info.underflow[NF_INET_LOCAL_IN] = 0;
    assert_refused(&build, "policy");
    simple(&build);
    xt_set_verdict(&build, build.info.underflow[NF_INET_LOCAL_IN], XT_RETURN);
    assert_refused(&build, "policy");
    simple(&build);
    xt_entry4(&build, build.info.underflow[NF_INET_LOCAL_IN])->ip.proto = NG_TCP;
    assert_refused(&build, "policy");
    simple(&build);
    xt_set_verdict(&build, 0, 8);
    assert_refused(&build, "no entry begins");
    static const int verdicts[] = {0, -3, -6, INT_MIN};
    for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
        simple(&build);
        xt_set_verdict(&build, 0, verdicts[i]);
        assert_refused(&build, "no such verdict");
    }
}

static void test_chains_without_end(void **state) {
    (void)state;
    struct xt_build build = {0};
    begin_input(&build, NG_IP4);
    xt_policy(&build, NF_INET_LOCAL_IN, NF_ACCEPT);
    xt_chain(&build, "a");
    xt_standard(&build, -NF_DROP - 1);
    xt_end(&build);
    assert_refused(&build, "chain does not end");

    build = (struct xt_build){0};
    begin_input(&build, NG_IP4);
    xt_policy(&build, NF_INET_LOCAL_IN, NF_ACCEPT);
    xt_chain(&build, "a");
    xt_end(&build);
    assert_refused(&build, "chain does not end");

    build = (struct xt_build){0};
    begin_input(&build, NG_IP4);
    xt_policy(&build, NF_INET_LOCAL_IN, NF_ACCEPT);
    assert_refused(&build, "last entry is missing");

    simple(&build);
    xt_standard(&build, -NF_ACCEPT - 1);
    assert_refused(&build, "last entry is missing");

    build = (struct xt_build){0};
    begin_input(&build, NG_IP4);
    xt_policy(&build, NF_INET_LOCAL_IN, NF_ACCEPT);
    xt_target(&build, xt_open(&build), XT_ERROR_TARGET, 0, NULL, 0);
    assert_refused(&build, "cut short");

    simple(&build);
    struct xt_error_target *name = (struct xt_error_target *)xt_target_of(&build, build.last);
    memset(name->errorname, 'x', sizeof(name->errorname));
    assert_refused(&build, "cut short");
}

/* The kernel refuses loops; a snapshot may hold one, and who is asked about it answers. */
static void test_loop(void **state) {
    (void)state;
    struct xt_build build = {0};
    begin_input(&build, NG_IP4);
    size_t jump = xt_standard(&build, 0);
    xt_policy(&build, NF_INET_LOCAL_IN, NF_ACCEPT);
    size_t a = xt_chain(&build, "a");
    xt_standard(&build, (int)a);
    size_t go = xt_standard(&build, (int)a);
    xt_set_goto(&build, go);
    xt_standard(&build, XT_RETURN);
    xt_end(&build);
    xt_set_verdict(&build, jump, (int)a);
    _ruleset_ ruleset = decode(&build);
    assert_rule(ruleset, "a", 1, "jump a");
    assert_rule(ruleset, "a", 2, "goto a");

    _lab_ lab = lab_new();
    const struct ng_question question = {.family = NG_IP4,
                                         .proto = NG_TCP,
                                         .iif = ETH0,
                                         .daddr = addr("192.0.2.1").value,
                                         .dport = 1};
    struct ng_answer answer;
    assert_int_equal(ng_reach_new(&lab->world, ruleset, &lab->engine), 0);
    assert_int_equal(ng_reach_ask(lab->engine, &question, lab->arena, &answer), 0);
    assert_true(answer.n_undecided > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_table),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_table_of_unknown_kind),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_jumps),
        cmocka_unit_test(test_jump_into_a_chain),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_bits_beside_the_mask),
        cmocka_unit_test(test_interfaces),
        cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_fragments),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_tracking),
        cmocka_unit_test(test_zones),
        cmocka_unit_test(test_several_tables),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_torn_matches),
        cmocka_unit_test(test_crooked_matches),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_chains_without_end),
        cmocka_unit_test(test_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
