/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engine's answers come to: where one packet ends, who gets in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "netguard/explain.h"
#include "tests/unit/fixture_random.h"
#include "tests/unit/fixture_world.h"

static const struct ng_endpoint web_endpoint = {
    .network = "bridge",
    .network_id = "",
    .addr4 = {NG_IP4, 0xac110002},
    .addr6 = {NG_IP6, ((ng_u128)0xfd00 << 112) | 2},
};
static const struct ng_published web_published[] = {
    {{NG_IP4, 0}, 8080, 80, NG_TCP},
    {{NG_IP4, 0}, 5353, 53, NG_UDP},
};
static const struct ng_container web = {
    .id = "4f1c09",
    .name = "web",
    .image = "web",
    .network_mode = "default",
    .endpoints = &web_endpoint,
    .n_endpoints = 1,
    .published = web_published,
    .n_published = ARRAY_SIZE(web_published),
};
static const struct ng_engine engine = {.containers = &web, .n_containers = 1};
static const struct ng_listener sshd = {
    .addr = {NG_IP6, 0}, .port = 22, .proto = NG_TCP, .process = "sshd"};

struct desk {
    struct lab *lab;
    struct ng_tracer *tracer;
    struct ng_trace trace;
};

static void desk_close(struct desk *desk) {
    ng_tracer_free(desk->tracer);
    lab_free(desk->lab);
}

#define _desk_ _cleanup_(desk_close) struct desk

static struct desk desk_open(void) {
    struct desk desk = {.lab = lab_new()};
    desk.lab->world.engines = &engine;
    desk.lab->world.n_engines = 1;
    desk.lab->world.listeners = &sshd;
    desk.lab->world.n_listeners = 1;
    return desk;
}

static void make_ready(struct desk *desk) {
    ng_tracer_free(desk->tracer);
    desk->tracer = NULL;
    assert_int_equal(ng_tracer_new(&desk->lab->world, lab_ruleset(desk->lab), &desk->tracer), 0);
}

static struct ng_question question(const char *dst, uint8_t proto, uint16_t port) {
    struct ng_addr destination = addr(dst);
    return (struct ng_question){.family = destination.family,
                                .proto = proto,
                                .iif = ETH0,
                                .daddr = destination.value,
                                .dport = port};
}

/* "delivered host 192.0.2.1:22 listener by 1" */
static const char *packet(struct desk *desk, const char *src, const char *dst, uint8_t proto,
                          uint16_t port) {
    static const char *const listening[] = {
        [NG_LISTENING_UNTOLD] = "?", [NG_LISTENING_NO] = "nobody", [NG_LISTENING_YES] = "listener"};
    struct ng_question asked = question(dst, proto, port);
    struct ng_trace *trace = &desk->trace;
    char buffer[NG_ADDR_TEXT];
    asked.one_source = true;
    asked.saddr = addr(src).value;
    asked.sport = 40000;
    make_ready(desk);
    assert_int_equal(ng_trace(desk->tracer, &asked, desk->lab->arena, trace), 0);
    const char *text = ng_trace_verdict_text(trace->packet);
    for (size_t i = 0; i < trace->n_endings; i++) {
        const struct ng_ending *ending = &trace->endings[i];
        text = ng_arena_printf(
            desk->lab->arena, "%s %s %s:%u %s", text, ng_target_text(ending->target),
            ng_addr_text((struct ng_addr){asked.family, ending->daddr}, buffer), ending->dport,
            ending->oif ? desk->lab->links[ending->oif - 1].name : listening[ending->listening]);
    }
    if (trace->decisive && trace->decisive->by_rule != NG_NONE)
        text = ng_arena_printf(desk->lab->arena, "%s by %llu", text,
                               (unsigned long long)ng_tracer_ruleset(desk->tracer)
                                   ->rules[trace->decisive->by_rule]
                                   .handle);
    else if (trace->decisive && trace->decisive->by_chain != NG_NONE)
        text = ng_arena_printf(desk->lab->arena, "%s by policy", text);
    return text;
}

/* "partly 10.0.0.0/8 maybe 192.0.2.0/24 ports 53-53" */
static const char *reach_text(struct desk *desk, uint8_t family) {
    struct ng_arena *arena = desk->lab->arena;
    const struct ng_trace *trace = &desk->trace;
    const char *text = ng_reach_verdict_text(trace->reach);
    if (!ng_addrset_empty(trace->sources))
        text = ng_arena_printf(arena, "%s %s", text, addrs_text(desk->lab, trace->sources, family));
    if (!ng_addrset_empty(trace->maybe))
        text = ng_arena_printf(arena, "%s maybe %s", text,
                               addrs_text(desk->lab, trace->maybe, family));
    for (size_t i = 0; i < trace->n_source_ports; i++)
        text = ng_arena_printf(arena, "%s ports %u-%u", text, trace->source_ports[i].lo,
                               trace->source_ports[i].hi);
    return text;
}

static const char *reach(struct desk *desk, const char *dst, uint8_t proto, uint16_t port) {
    struct ng_question asked = question(dst, proto, port);
    make_ready(desk);
    assert_int_equal(ng_trace(desk->tracer, &asked, desk->lab->arena, &desk->trace), 0);
    return reach_text(desk, asked.family);
}

static const char *reach_from(struct desk *desk, const char *src, const char *dst, uint16_t port) {
    struct ng_question asked = question(dst, NG_TCP, port);
    asked.record = true;
    make_ready(desk);
    assert_int_equal(
        ng_trace_from(desk->tracer, &asked, addr(src).value, desk->lab->arena, &desk->trace), 0);
    return reach_text(desk, asked.family);
}

/* -- one packet ---------------------------------------------------------------------- */

static void test_where_it_ends(void **state) {
    _desk_ desk = desk_open();
    (void)state;
    assert_string_equal(packet(&desk, "203.0.113.7", "192.0.2.1", NG_TCP, 22),
                        "delivered host 192.0.2.1:22 listener");
    assert_string_equal(packet(&desk, "203.0.113.7", "192.0.2.1", NG_TCP, 23),
                        "delivered host 192.0.2.1:23 nobody");
    assert_string_equal(packet(&desk, "203.0.113.7", "192.0.2.1", NG_UDP, 22),
                        "delivered host 192.0.2.1:22 nobody");
    assert_string_equal(packet(&desk, "203.0.113.7", "192.0.2.1", NG_ICMP, 0),
                        "delivered host 192.0.2.1:0 ?");
    assert_string_equal(packet(&desk, "203.0.113.7", "172.17.0.2", NG_TCP, 80),
                        "delivered container 172.17.0.2:80 docker0");
    assert_string_equal(packet(&desk, "2001:db8::7", "fd00::2", NG_TCP, 80),
                        "delivered container fd00::2:80 docker0");
    assert_string_equal(packet(&desk, "203.0.113.7", "10.0.0.9", NG_TCP, 80),
                        "delivered forwarded 10.0.0.9:80 eth1");
    desk.lab->world.listeners_read = false;
    assert_string_equal(packet(&desk, "203.0.113.7", "192.0.2.1", NG_TCP, 22),
                        "delivered host 192.0.2.1:22 ?");
}

static void test_who_decided(void **state) {
    _desk_ desk = desk_open();
    struct lab *lab = desk.lab;
    (void)state;
    filter_chain(lab, NG_HOOK_INPUT, 0, true);
    RULE(lab, 0, from(lab, "10.0.0.0/8"), ACCEPT);
    RULE(lab, 0, from(lab, "203.0.113.0/24"), DROP);
    assert_string_equal(packet(&desk, "10.1.1.1", "192.0.2.1", NG_TCP, 22),
                        "delivered host 192.0.2.1:22 listener by 1");
    assert_string_equal(packet(&desk, "203.0.113.7", "192.0.2.1", NG_TCP, 22), "dropped by 2");
    assert_string_equal(packet(&desk, "198.51.100.7", "192.0.2.1", NG_TCP, 22),
                        "dropped by policy");
    assert_int_equal(desk.trace.unsure.count, 0);
    /* IP itself refuses this one. */
    assert_string_equal(packet(&desk, "127.0.0.1", "192.0.2.1", NG_TCP, 22), "dropped");
}

static void test_doubt(void **state) {
    _desk_ desk = desk_open();
    struct lab *lab = desk.lab;
    (void)state;
    filter_chain(lab, NG_HOOK_INPUT, 0, true);
    RULE(lab, 0, from(lab, "10.0.0.0/8"), UNDECIDED("limit rate 5/second"), ACCEPT);
    assert_string_equal(packet(&desk, "10.1.1.1", "192.0.2.1", NG_TCP, 22),
                        "unknown host 192.0.2.1:22 listener by 1");
    assert_int_equal(desk.trace.unsure.count, 1);
    assert_string_equal(desk.trace.unsure.items[0],
                        "limit rate 5/second (inet filter filter handle 1)");
    lab->tables[0].legacy = true;
    (void)packet(&desk, "10.1.1.1", "192.0.2.1", NG_TCP, 22);
    assert_string_equal(desk.trace.unsure.items[0],
                        "limit rate 5/second (inet filter filter (legacy) rule 1)");
    assert_string_equal(packet(&desk, "203.0.113.7", "192.0.2.1", NG_TCP, 22), "dropped by policy");
    assert_int_equal(desk.trace.unsure.count, 0);
    /* Whatever happens, it gets in: by whom is not worth a doubt. */
    RULE(lab, 0, from(lab, "10.0.0.0/8"), ACCEPT);
    assert_string_equal(packet(&desk, "10.1.1.1", "192.0.2.1", NG_TCP, 22),
                        "delivered host 192.0.2.1:22 listener by 1");
    assert_int_equal(desk.trace.unsure.count, 0);
}

static void test_several_ways(void **state) {
    _desk_ desk = desk_open();
    struct lab *lab = desk.lab;
    struct ng_nat range = nat_to("172.17.0.2", 80);
    (void)state;
    range.addr_hi.value++;
    nat_chain(lab, NG_HOOK_PREROUTING, -100, false);
    RULE(lab, 0, nat_op(lab, NG_OP_DNAT, range));
    assert_string_equal(packet(&desk, "203.0.113.7", "192.0.2.1", NG_TCP, 8080),
                        "delivered container 172.17.0.2:80 docker0 "
                        "forwarded 172.17.0.3:80 docker0");
    assert_int_equal(desk.trace.unsure.count, 1);
    assert_string_equal(reach(&desk, "192.0.2.1", NG_TCP, 8080), "reachable all");
    assert_int_equal(desk.trace.n_endings, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(ng_addrset_empty(desk.trace.endings[i].sources));
        assert_false(ng_addrset_empty(desk.trace.endings[i].maybe));
    }
}

/* -- everybody ----------------------------------------------------------------------- */

static void test_who_gets_in(void **state) {
    _desk_ desk = desk_open();
    struct lab *lab = desk.lab;
    (void)state;
    assert_string_equal(reach(&desk, "192.0.2.1", NG_TCP, 22), "reachable all");
    assert_null(desk.trace.source_ports);
    filter_chain(lab, NG_HOOK_INPUT, 0, true);
    assert_string_equal(reach(&desk, "192.0.2.1", NG_TCP, 22), "blocked");
    assert_int_equal(desk.trace.decisive->by_chain, 0);
    assert_int_equal(desk.trace.n_endings, 0);
    RULE(lab, 0, is(lab, NG_FIELD_NFPROTO, 2), from(lab, "10.0.0.0/8"), ACCEPT);
    RULE(lab, 0, is(lab, NG_FIELD_NFPROTO, 2), from(lab, "11.0.0.0/8"), UNDECIDED("recent"),
         ACCEPT);
    assert_string_equal(reach(&desk, "192.0.2.1", NG_TCP, 22),
                        "partly 10.0.0.0/8 maybe 11.0.0.0/8");
    assert_int_equal(desk.trace.unsure.count, 1);
    assert_int_equal(desk.trace.decisive->by_rule, 0); /* and not who drops 0.0.0.0 */
    assert_string_equal(reach(&desk, "2001:db8::1", NG_TCP, 22), "blocked");
}

static void test_source_ports(void **state) {
    _desk_ desk = desk_open();
    struct lab *lab = desk.lab;
    (void)state;
    filter_chain(lab, NG_HOOK_INPUT, 0, true);
    RULE(lab, 0, is(lab, NG_FIELD_SPORT, 53), ACCEPT);
    assert_string_equal(reach(&desk, "192.0.2.1", NG_TCP, 22), "partly all ports 53-53");
    assert_string_equal(reach_from(&desk, "203.0.113.7", "192.0.2.1", 22),
                        "partly 203.0.113.7 ports 53-53");
    /* Who gets in from one port for certain may from another perhaps. */
    RULE(lab, 0, is(lab, NG_FIELD_NFPROTO, 2), from(lab, "203.0.113.0/24"), UNDECIDED("recent"),
         ACCEPT);
    assert_string_equal(reach(&desk, "192.0.2.1", NG_TCP, 22),
                        "partly all maybe 203.0.113.0/24 ports 53-53");
    assert_int_equal(desk.trace.unsure.count, 1);
}

static void test_one_of_everybody(void **state) {
    _desk_ desk = desk_open();
    struct lab *lab = desk.lab;
    (void)state;
    filter_chain(lab, NG_HOOK_INPUT, 0, true);
    RULE(lab, 0, from(lab, "10.0.0.0/8"), ACCEPT);
    RULE(lab, 0, from(lab, "11.0.0.0/8"), UNDECIDED("recent"), ACCEPT);
    assert_string_equal(reach_from(&desk, "10.1.1.1", "192.0.2.1", 22), "reachable 10.1.1.1");
    assert_int_equal(desk.trace.unsure.count, 0);
    for (size_t i = 0; i < desk.trace.answer.n_steps; i++)
        assert_false(desk.trace.answer.steps[i].doubtful);
    assert_string_equal(reach_from(&desk, "11.1.1.1", "192.0.2.1", 22), "unknown maybe 11.1.1.1");
    assert_int_equal(desk.trace.unsure.count, 1);
    assert_string_equal(reach_from(&desk, "12.1.1.1", "192.0.2.1", 22), "blocked");
    /* "Everybody" does not care that IP refuses it; who asks about it alone does. */
    assert_string_equal(reach(&desk, "192.0.2.1", NG_TCP, 22),
                        "partly 10.0.0.0/8 maybe 11.0.0.0/8");
    RULE(lab, 0, from(lab, "127.0.0.0/8"), ACCEPT);
    assert_string_equal(reach_from(&desk, "127.0.0.1", "192.0.2.1", 22), "blocked");
}

static void test_blindness(void **state) {
    _desk_ desk = desk_open();
    (void)state;
    desk.lab->world.nft.read = false;
    assert_string_equal(reach(&desk, "192.0.2.1", NG_TCP, 22), "unknown maybe all");
    assert_string_equal(packet(&desk, "203.0.113.7", "192.0.2.1", NG_TCP, 22), "unknown");
    assert_int_equal(desk.trace.unsure.count, 1);
    assert_string_equal(reach_from(&desk, "203.0.113.7", "192.0.2.1", 22), "unknown maybe all");
}

/* -- the two agree ------------------------------------------------------------------- */

static struct ng_op roll_test(struct dice *dice, struct lab *lab) {
    static const char *const nets[] = {"10.0.0.0/8",  "10.1.0.0/16",  "203.0.113.0/24",
                                       "203.0.113.7", "192.0.2.0/24", "0.0.0.0/1"};
    switch (roll(dice, 4)) {
    case 0:
        return UNDECIDED("recent");
    case 1:
        return is_between(lab, NG_FIELD_SPORT, 1024, 1024 + roll(dice, 60000));
    case 2:
        return not(from(lab, nets[roll(dice, ARRAY_SIZE(nets))]));
    default:
        return from(lab, nets[roll(dice, ARRAY_SIZE(nets))]);
    }
}

static struct ng_op roll_effect(struct dice *dice, struct lab *lab, uint32_t user) {
    switch (roll(dice, 6)) {
    case 0:
        return ACCEPT;
    case 1:
        return DROP;
    case 2:
        return user ? JUMP(user) : RETURN;
    case 3:
        return set_mark(lab, 0xff, roll(dice, 4));
    case 4:
        return UNKNOWN("queue");
    default:
        return RETURN;
    }
}

/* reach contains every source for which trace delivers or does not know. */
static void test_reach_contains_trace(void **state) {
    static const char *const sources[] = {"10.0.0.1",     "10.1.0.1",  "203.0.113.7", "203.0.113.8",
                                          "198.51.100.1", "192.0.2.9", "172.17.0.9",  "0.1.2.3"};
    struct dice dice = {0x7ace};
    (void)state;
    for (unsigned round = 0; round < 400; round++) {
        _desk_ desk = desk_open();
        struct lab *lab = desk.lab;
        filter_chain(lab, NG_HOOK_INPUT, 0, roll(&dice, 2));
        filter_chain(lab, NG_HOOK_FORWARD, 0, roll(&dice, 2));
        nat_chain(lab, NG_HOOK_PREROUTING, -100, false);
        uint32_t user = chain(lab, 0, "user");
        for (unsigned i = 0; i < 8; i++) {
            uint32_t to_chain = (uint32_t[]){0, 1, user}[roll(&dice, 3)];
            RULE(lab, to_chain, roll_test(&dice, lab),
                 roll_effect(&dice, lab, to_chain == user ? 0 : user));
        }
        RULE(lab, 2, roll_test(&dice, lab), dnat(lab, "172.17.0.2", 80));
        reach(&desk, "192.0.2.1", NG_TCP, 22);
        struct ng_addrset in;
        assert_int_equal(ng_addrset_union(lab->arena, desk.trace.sources, desk.trace.maybe, &in),
                         0);
        for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
            packet(&desk, sources[i], "192.0.2.1", NG_TCP, 22);
            if (desk.trace.packet != NG_DROPPED)
                assert_true(ng_addrset_contains(in, addr(sources[i]).value));
        }
    }
}

/* -- what a person asks about --------------------------------------------------------- */

/* "0.0.0.0:8080/tcp eth0 eth1; …": the subjects, and where they are asked from. */
static const char *explained(struct desk *desk, struct ng_explain_target target,
                             struct ng_explain_options options) {
    struct ng_explanation explanation;
    struct ng_arena *arena = desk->lab->arena;
    const char *text = "";
    char buffer[NG_ADDR_TEXT];
    make_ready(desk);
    assert_int_equal(ng_explain(desk->tracer, &target, &options, arena, &explanation), 0);
    for (size_t i = 0; i < explanation.n_subjects; i++) {
        const struct ng_subject *subject = &explanation.subjects[i];
        const struct ng_exposure *exposure = &subject->exposure;
        bool direct = exposure->kind == NG_KIND_DIRECT;
        text = ng_arena_printf(
            arena, "%s%s%s:%u/%s%s", text, i ? "; " : "",
            ng_addr_text(direct ? exposure->container_addr : exposure->host_addr, buffer),
            direct ? exposure->container_port : exposure->host_port, ng_proto_text(exposure->proto),
            subject->exists ? "" : "?");
        for (size_t k = 0; k < subject->n_items; k++)
            if (k == 0 || subject->items[k].link != subject->items[k - 1].link)
                text = ng_arena_printf(arena, "%s %s", text, subject->items[k].link->name);
    }
    return text;
}

static void test_subjects(void **state) {
    _desk_ desk = desk_open();
    struct ng_explain_options on_eth0 = {.link = &desk.lab->links[ETH0 - 1]};
    struct ng_explain_target port = {.has_port = true, .port = 8080};
    struct ng_explain_target container = {.container = &web};
    struct ng_explain_target one = {.addr = addr("192.0.2.1"), .has_port = true, .port = 8080};
    (void)state;
    assert_string_equal(explained(&desk, port, (struct ng_explain_options){0}),
                        "0.0.0.0:8080/tcp eth0 eth1 docker0");
    assert_string_equal(explained(&desk, port, on_eth0), "0.0.0.0:8080/tcp eth0");
    port.port = 80; /* the container's own */
    assert_string_equal(explained(&desk, port, on_eth0), "0.0.0.0:8080/tcp eth0");
    port.port = 22;
    assert_string_equal(explained(&desk, port, on_eth0), "0.0.0.0:22/tcp eth0; :::22/tcp eth0");
    port.port = 9;
    assert_string_equal(explained(&desk, port, on_eth0), "0.0.0.0:9/tcp? eth0; :::9/tcp? eth0");
    port.proto = NG_UDP;
    on_eth0.from = addr("203.0.113.7");
    assert_string_equal(explained(&desk, port, on_eth0), "0.0.0.0:9/udp? eth0");
    assert_string_equal(explained(&desk, container, on_eth0),
                        "0.0.0.0:8080/tcp eth0; 0.0.0.0:5353/udp eth0; 172.17.0.2:80/tcp? eth0; "
                        "172.17.0.2:53/udp? eth0");
    container.has_port = true;
    container.port = 9;
    assert_string_equal(explained(&desk, container, on_eth0), "172.17.0.2:9/tcp? eth0");
    assert_string_equal(explained(&desk, one, on_eth0), "192.0.2.1:8080/tcp eth0");
    one.port = 5353; /* only UDP is published there */
    assert_string_equal(explained(&desk, one, on_eth0), "192.0.2.1:5353/udp eth0");
    one.port = 9;
    assert_string_equal(explained(&desk, one, on_eth0), "192.0.2.1:9/tcp? eth0");
    one.addr = addr("172.17.0.2");
    assert_string_equal(explained(&desk, one, on_eth0), "172.17.0.2:9/tcp? eth0");
    one.addr = addr("fd00::2"); /* nobody asks for IPv6 from an IPv4 address */
    assert_string_equal(explained(&desk, one, on_eth0), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_it_ends),
        cmocka_unit_test(test_who_decided),
        cmocka_unit_test(test_doubt),
        cmocka_unit_test(test_several_ways),
        cmocka_unit_test(test_who_gets_in),
        cmocka_unit_test(test_source_ports),
        cmocka_unit_test(test_one_of_everybody),
        cmocka_unit_test(test_blindness),
        cmocka_unit_test(test_reach_contains_trace),
        cmocka_unit_test(test_subjects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
