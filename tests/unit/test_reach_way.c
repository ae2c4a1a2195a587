/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way of a packet: links that stand on others, bridges, VRFs, routing by more than destination.
 */
#include "tests/unit/fixture_reach.h"

/* -- links that stand on others ------------------------------------------------------- */

/* What a link brings has passed the link below it, where that sees the same packets. */
static void test_ingress_of_the_link_below(void **state) {
    static const struct {
        const char *kind;
        bool sees;
    } table_[] = {{"vlan", true},   {"macvlan", true}, {"macvtap", true},    {"ipvlan", true},
                  {"ipvtap", true}, {"vxlan", false},  {"wireguard", false}, {"", false}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        uint32_t below = device_chain(lab, NG_HOOK_INGRESS, "eth0", false);
        struct ng_link *upper = lab_link(lab, "upper0", table_[i].kind);
        upper->lower = ETH0;
        RULE(lab, below, named(lab, NG_FIELD_IIFNAME, "eth0"), is(lab, NG_FIELD_OIF, 0), DROP);
        assert_string_equal(ask(lab, upper->index, "192.0.2.1", NG_TCP, 80),
                            table_[i].sees ? "dropped all by 1" : "local all");
    }
}

/* From the outermost to the innermost, each by its own name; after that it has come by the one that
 * is asked about. */
static void test_a_stack_of_links(void **state) {
    _lab_ lab = lab_new();
    uint32_t inner = device_chain(lab, NG_HOOK_INGRESS, "vlan1", false);
    uint32_t outer = device_chain(lab, NG_HOOK_INGRESS, "eth0", false);
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    struct ng_link *vlan = lab_link(lab, "vlan1", "vlan");
    (void)state;
    vlan->lower = ETH0;
    RULE(lab, outer, named(lab, NG_FIELD_IIFNAME, "eth0"), set_mark(lab, 0, 1));
    RULE(lab, inner, named(lab, NG_FIELD_IIFNAME, "vlan1"), is(lab, NG_FIELD_MARK, 1),
         set_mark(lab, 0, 2));
    RULE(lab, input, named(lab, NG_FIELD_IIFNAME, "vlan1"), is(lab, NG_FIELD_MARK, 2), ACCEPT);
    assert_string_equal(ask(lab, vlan->index, "192.0.2.1", NG_TCP, 80), "local all by 3");
    /* The other way round on the way out. */
    lab->ruleset.n_rules = lab->ruleset.n_chains = 0;
    inner = device_chain(lab, NG_HOOK_EGRESS, "vlan1", false);
    outer = device_chain(lab, NG_HOOK_EGRESS, "eth0", true);
    lab_route(lab, NG_ROUTE_UNICAST, 254, "198.51.100.0/24", vlan->index);
    RULE(lab, inner, is(lab, NG_FIELD_OIF, vlan->index), is(lab, NG_FIELD_IIF, 0),
         set_mark(lab, 0, 1));
    RULE(lab, outer, is(lab, NG_FIELD_OIF, ETH0), is(lab, NG_FIELD_MARK, 1), ACCEPT);
    assert_string_equal(ask(lab, ETH1, "198.51.100.7", NG_TCP, 80), "forwarded vlan1 all by 2");
}

/* A frame for a macvlan has another address than that of the link below, in all of its modes but
 * one: what sort of packet it is there cannot be told. Of one to all it can. */
static void test_packet_types_below_a_macvlan(void **state) {
    static const struct {
        const char *kind, *daddr, *answer;
    } table_[] = {{"macvlan", "192.0.2.1", "dropped all by 1; local all ? meta pkttype host"},
                  {"macvlan", "255.255.255.255", "local all"},
                  {"vlan", "192.0.2.1", "dropped all by 1"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        uint32_t below = device_chain(lab, NG_HOOK_INGRESS, "eth0", false);
        struct ng_link *upper = lab_link(lab, "upper0", table_[i].kind);
        upper->lower = ETH0;
        RULE(lab, below, is(lab, NG_FIELD_PKTTYPE, 0), DROP);
        assert_string_equal(ask(lab, upper->index, table_[i].daddr, NG_UDP, 67), table_[i].answer);
    }
}

/* A link in another namespace that stands on this one: no hook of IP sees its frames. */
static void test_below_ip(void **state) {
    _lab_ lab = lab_new();
    uint32_t below = device_chain(lab, NG_HOOK_INGRESS, "eth0", false);
    struct ng_question question = {.family = NG_IP4,
                                   .proto = NG_TCP,
                                   .iif = ETH0,
                                   .dport = 80,
                                   .daddr = addr("192.0.2.77").value,
                                   .below_ip = true};
    (void)state;
    filter_chain(lab, PREROUTING, -300, true);
    filter_chain(lab, FORWARD, 0, true);
    filter_chain(lab, INPUT, 0, true);
    RULE(lab, below, from(lab, "10.0.0.0/8"), DROP);
    struct ng_answer answer = lab_ask(lab, &question);
    assert_int_equal(answer.n_outcomes, 2);
    assert_string_equal(addrs_text(lab, answer.outcomes[0].region.bands[0].addrs, NG_IP4),
                        "10.0.0.0/8");
    assert_int_equal(answer.outcomes[0].fate, NG_FATE_DROPPED);
    assert_int_equal(answer.outcomes[1].fate, NG_FATE_FORWARDED);
    assert_int_equal(answer.outcomes[1].oif, 0);
}

/* The type of "the incoming link" is that of the link that has the packet. */
static void test_link_types_on_the_way_out(void **state) {
    _lab_ lab = lab_new();
    uint32_t forward = filter_chain(lab, FORWARD, 0, false);
    uint32_t post = filter_chain(lab, POSTROUTING, 0, false);
    uint32_t egress = device_chain(lab, NG_HOOK_EGRESS, "docker0", true);
    (void)state;
    lab->links[ETH0 - 1].type = 7;
    lab->links[DOCKER0 - 1].type = 8;
    RULE(lab, forward, is(lab, NG_FIELD_IIFTYPE, 7), set_mark(lab, 0, 1));
    RULE(lab, post, is(lab, NG_FIELD_MARK, 1), is(lab, NG_FIELD_IIFTYPE, 8), set_mark(lab, 0, 2));
    RULE(lab, egress, is(lab, NG_FIELD_MARK, 2), is(lab, NG_FIELD_IIFTYPE, 8), ACCEPT);
    assert_string_equal(ask_container(lab), "forwarded docker0 all by 3");
}

/* Who has sent the frame that came in is not who sends the one that goes out. */
static void test_ethernet_addresses_on_the_way_out(void **state) {
    _lab_ lab = lab_new();
    uint32_t forward = filter_chain(lab, FORWARD, 0, true);
    uint32_t egress = device_chain(lab, NG_HOOK_EGRESS, "docker0", false);
    struct ng_question question = question_to(ETH0, "172.17.0.2", NG_TCP, 80);
    (void)state;
    lab->links[ETH0 - 1].type = lab->links[DOCKER0 - 1].type = 1;
    question.has_smac = true;
    question.smac = 0x020000000001;
    RULE(lab, forward, is(lab, NG_FIELD_ETHER_SADDR, 0x020000000001), ACCEPT);
    RULE(lab, egress, is(lab, NG_FIELD_ETHER_SADDR, 0x020000000001), DROP);
    assert_non_null(strstr(ask_this(lab, question), "dropped all by 2; forwarded docker0 all"));
    lab->links[DOCKER0 - 1].type = 65534; /* without such addresses */
    assert_string_equal(ask_this(lab, question), "forwarded docker0 all by 1");
}

/* Links that claim to stand on each other are followed so far and no further. */
static void test_links_in_a_circle(void **state) {
    _lab_ lab = lab_new();
    struct ng_link *a = lab_link(lab, "a", "vlan"), *b = lab_link(lab, "b", "vlan");
    (void)state;
    device_chain(lab, NG_HOOK_INGRESS, "eth0", true);
    a->lower = b->index;
    b->lower = a->index;
    assert_string_equal(ask(lab, a->index, "192.0.2.1", NG_TCP, 80), "local all");
}

/* Which port of a bond or bridge it comes by is not known: those with chains of their own count. */
static void test_ports_with_chains_of_their_own(void **state) {
    _lab_ lab = lab_new();
    uint32_t port = device_chain(lab, NG_HOOK_INGRESS, "eth2", false);
    struct ng_link *bond = lab_link(lab, "bond0", "bond"), *eth2 = lab_link(lab, "eth2", "");
    (void)state;
    lab_link(lab, "eth3", "")->master = bond->index;
    eth2->master = bond->index;
    RULE(lab, port, from(lab, "128.0.0.0/1"), named(lab, NG_FIELD_IIFNAME, "eth2"), DROP);
    assert_string_equal(ask(lab, bond->index, "192.0.2.1", NG_TCP, 80),
                        "dropped 128.0.0.0/1 by 1; local all; local 0.0.0.0/1 ? which port of a "
                        "bridge a packet goes by");
    assert_string_equal(ask(lab, ETH1, "192.0.2.1", NG_TCP, 80), "local all");
}

static void test_egress(void **state) {
    _lab_ lab = lab_new();
    uint32_t egress = device_chain(lab, NG_HOOK_EGRESS, "docker0", false);
    struct ng_link *veth = lab_link(lab, "veth1", "veth");
    (void)state;
    veth->master = DOCKER0;
    RULE(lab, egress, from(lab, "128.0.0.0/1"), DROP);
    assert_string_equal(ask_container(lab), "dropped 128.0.0.0/1 by 1; forwarded docker0 "
                                            "0.0.0.0/1 by policy of 0");
    assert_string_equal(ask_host(lab), "local all");
    assert_string_equal(ask(lab, ETH0, "10.0.0.9", NG_TCP, 80), "forwarded eth1 all");
    /* Of a port of the bridge it may be. */
    lab->ruleset.n_rules = lab->ruleset.n_chains = 0;
    egress = device_chain(lab, NG_HOOK_EGRESS, "veth1", true);
    assert_string_equal(ask_container(lab),
                        "dropped all by policy of 0; forwarded docker0 all ? which port of a "
                        "bridge a packet goes by");
}

/* -- bridges -------------------------------------------------------------------------- */

/* Chains of the bridge family on a bridge with these ports. */
static struct lab *bridged(unsigned ports) {
    static const char *const names[] = {"veth1", "veth2"};
    struct lab *lab = lab_new();
    table(lab, NG_TABLE_BRIDGE, "bridge");
    for (unsigned i = 0; i < ports; i++)
        lab_link(lab, names[i], "veth")->master = DOCKER0;
    return lab;
}

static void test_bridge_chains_by_port(void **state) {
    _lab_ lab = bridged(2);
    uint32_t pre = filter_chain(lab, PREROUTING, 0, false);
    uint32_t in = filter_chain(lab, INPUT, 0, false);
    (void)state;
    RULE(lab, pre, named(lab, NG_FIELD_IIFNAME, "veth1"), from(lab, "128.0.0.0/1"), DROP);
    RULE(lab, in, from(lab, "64.0.0.0/2"), DROP);
    assert_string_equal(ask(lab, DOCKER0, "192.0.2.1", NG_TCP, 80),
                        "dropped 128.0.0.0/1 by 1; dropped 64.0.0.0/2 by 2; dropped 64.0.0.0/2 by "
                        "2; local 0.0.0.0/2,128.0.0.0/1 ? which port of a bridge a packet goes by");
    /* Other links are no bridges. */
    assert_string_equal(ask_host(lab), "local all");
}

static void test_bridge_chains_of_one_port(void **state) {
    _lab_ lab = bridged(1);
    uint32_t pre = filter_chain(lab, PREROUTING, 0, true);
    uint32_t out = filter_chain(lab, NG_HOOK_OUTPUT, 0, true);
    uint32_t post = filter_chain(lab, POSTROUTING, 0, false);
    (void)state;
    RULE(lab, pre, named(lab, NG_FIELD_IIFNAME, "veth1"), is(lab, NG_FIELD_OIF, 0), ACCEPT);
    RULE(lab, out, named(lab, NG_FIELD_OIFNAME, "veth1"), is(lab, NG_FIELD_IIF, 0), ACCEPT);
    RULE(lab, post, from(lab, "128.0.0.0/1"), DROP);
    assert_string_equal(ask(lab, DOCKER0, "192.0.2.1", NG_TCP, 80), "local all");
    assert_string_equal(ask_container(lab),
                        "dropped 128.0.0.0/1 by 3; forwarded docker0 0.0.0.0/1 by 2");
    /* After the bridge, IP has the bridge before it, not its port. */
    uint32_t ip =
        base_chain(lab, table(lab, NG_TABLE_IP, "ip"), "ip", INPUT, NG_CHAIN_FILTER, 0, true);
    RULE(lab, ip, named(lab, NG_FIELD_IIFNAME, "docker0"), ACCEPT);
    assert_string_equal(ask(lab, DOCKER0, "192.0.2.1", NG_TCP, 80), "local all by 4");
}

/* A bridge without ports has nothing to bring or to take; what it tracks is its own affair. */
static void test_bridges_and_connections(void **state) {
    _lab_ empty = bridged(0);
    _lab_ lab = bridged(1);
    (void)state;
    filter_chain(empty, PREROUTING, 0, true);
    assert_string_equal(ask(empty, DOCKER0, "192.0.2.1", NG_TCP, 80), "local all");
    uint32_t pre = filter_chain(lab, PREROUTING, 0, false);
    RULE(lab, pre, has_bit(lab, NG_FIELD_CT_STATE, 8), DROP);
    assert_string_equal(ask(lab, DOCKER0, "192.0.2.1", NG_TCP, 80),
                        "dropped all by 1; local all ? ct state new");
}

/* -- VRFs ----------------------------------------------------------------------------- */

/* A VRF hands on what its links bring as its own: prerouting sees it twice. */
static void test_prerouting_twice_in_a_vrf(void **state) {
    _lab_ lab = lab_new();
    uint32_t pre = filter_chain(lab, PREROUTING, 0, false);
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    struct ng_link *vrf = lab_link(lab, "vrf0", "vrf"), *eth2 = lab_link(lab, "eth2", "");
    (void)state;
    eth2->master = vrf->index;
    eth2->vrf_table = vrf->vrf_table = 10;
    lab->ifaddrs[lab->world.n_ifaddrs++] =
        (struct ng_ifaddr){.addr = addr("203.0.113.1"), .prefix_len = 24, .link = eth2->index};
    lab_route(lab, NG_ROUTE_LOCAL, 10, "203.0.113.1/32", eth2->index);
    lab_route(lab, NG_ROUTE_UNICAST, 10, "203.0.113.0/24", eth2->index);
    lab_route_rule(lab, (struct ng_route_rule){.family = NG_IP4, .action = 1, .priority = 1000});
    RULE(lab, pre, named(lab, NG_FIELD_IIFNAME, "eth2"), set_mark(lab, 0, 1));
    RULE(lab, pre, named(lab, NG_FIELD_IIFNAME, "vrf0"), set_mark(lab, 1, 2));
    RULE(lab, input, named(lab, NG_FIELD_IIFNAME, "vrf0"), is(lab, NG_FIELD_MARK, 3), ACCEPT);
    assert_string_equal(ask(lab, eth2->index, "203.0.113.1", NG_TCP, 80), "local all by 3");
    assert_string_equal(ask(lab, eth2->index, "203.0.113.7", NG_TCP, 80), "forwarded eth2 all");
    /* NAT has made up its mind when it sees the packet for the second time. */
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    RULE(lab, nat, named(lab, NG_FIELD_IIFNAME, "vrf0"), dnat(lab, "10.0.0.9", 0));
    assert_string_equal(ask(lab, eth2->index, "203.0.113.1", NG_TCP, 80), "local all by 3");
    /* Others do not know the table. */
    assert_string_equal(ask(lab, ETH0, "203.0.113.1", NG_TCP, 80), "forwarded eth0 all");
    /* A bridge or bond is none. */
    vrf->kind = "bond";
    assert_string_equal(ask(lab, eth2->index, "203.0.113.1", NG_TCP, 80),
                        "dropped all by policy of 1");
}

/* -- routing -------------------------------------------------------------------------- */

static void test_forwarding_off(void **state) {
    _lab_ lab = lab_new();
    (void)state;
    lab->links[ETH0 - 1].forwarding4 = false;
    assert_string_equal(ask(lab, ETH0, "172.17.0.2", NG_TCP, 80), "no-route all");
    assert_string_equal(ask(lab, ETH0, "fd00::2", NG_TCP, 80),
                        "no-route fe80::/10; forwarded docker0 " NOT_LINK_LOCAL);
    assert_string_equal(ask(lab, ETH1, "172.17.0.2", NG_TCP, 80), "forwarded docker0 all");
    assert_string_equal(ask_host(lab), "local all");
}

static void test_martian_destinations(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    (void)state;
    RULE(lab, nat, dport(lab, 8080), dnat(lab, "172.17.0.2", 80));
    RULE(lab, nat, dport(lab, 8081), dnat(lab, "127.0.0.1", 80));
    assert_string_equal(ask(lab, ETH0, "127.0.0.1", NG_TCP, 80), "no-route all");
    /* Translated before it is looked at. */
    assert_string_equal(ask(lab, ETH0, "127.0.0.1", NG_TCP, 8080),
                        "forwarded 172.17.0.2:80 docker0 all");
    assert_string_equal(ask(lab, ETH0, "192.0.2.1", NG_TCP, 8081), "no-route 127.0.0.1:80 all");
    lab->links[ETH0 - 1].route_localnet = true;
    assert_string_equal(ask(lab, ETH0, "127.0.0.1", NG_TCP, 80), "local all");
    assert_string_equal(ask(lab, ETH0, "192.0.2.1", NG_TCP, 8081), "local 127.0.0.1:80 all");
    assert_string_equal(ask(lab, LO, "127.0.0.1", NG_TCP, 80), "local all");
}

/* ::1 is refused off the wire, before any hook could translate it. */
static void test_loopback6(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    (void)state;
    RULE(lab, nat, dnat(lab, "fd00::2", 0));
    assert_string_equal(ask(lab, ETH0, "::1", NG_TCP, 80), "no-route all");
    assert_string_equal(
        ask(lab, LO, "::1", NG_TCP, 80),
        "no-route fd00::2:80 fe80::/10; forwarded fd00::2:80 docker0 " NOT_LINK_LOCAL);
}

static void test_routing_by_mark(void **state) {
    _lab_ lab = lab_new();
    uint32_t mangle = filter_chain(lab, PREROUTING, -150, false);
    (void)state;
    lab_route(lab, NG_ROUTE_UNICAST, 100, "0.0.0.0/0", ETH1);
    lab_route_rule(lab,
                   (struct ng_route_rule){
                       .family = NG_IP4, .action = 1, .table = 100, .fwmark = 1, .fwmask = 0xff});
    RULE(lab, mangle, from(lab, "128.0.0.0/1"), set_mark(lab, 0, 0x101));
    assert_string_equal(ask(lab, ETH0, "172.17.0.2", NG_TCP, 80),
                        "forwarded docker0 0.0.0.0/1; forwarded eth1 128.0.0.0/1");
    RULE(lab, mangle, from(lab, "128.0.0.0/1"), forget_mark(lab));
    assert_string_equal(ask(lab, ETH0, "172.17.0.2", NG_TCP, 80),
                        "forwarded docker0 0.0.0.0/1; forwarded eth1 128.0.0.0/1; forwarded "
                        "docker0 128.0.0.0/1 ? routing by mark, user or type of service, or to one "
                        "of several hops");
}

static void test_no_way_out(void **state) {
    _lab_ lab = lab_new();
    (void)state;
    lab_route(lab, NG_ROUTE_BLACKHOLE, 254, "198.51.100.0/24", 0);
    lab_route(lab, NG_ROUTE_UNICAST, 254, "198.51.101.0/24", 99);
    assert_string_equal(ask(lab, ETH0, "198.51.100.1", NG_TCP, 80), "no-route all");
    assert_string_equal(ask(lab, ETH0, "198.51.101.1", NG_TCP, 80), "no-route all");
    lab->links[DOCKER0 - 1].up = false;
    assert_string_equal(ask(lab, ETH0, "172.17.0.2", NG_TCP, 80), "no-route all");
    lab->world.n_routes = 0;
    assert_string_equal(ask_host(lab), "no-route all");
}

static void test_routing_by_source(void **state) {
    _lab_ lab = lab_new();
    (void)state;
    lab_route(lab, NG_ROUTE_UNICAST, 100, "0.0.0.0/0", ETH1);
    lab_route_rule(lab, (struct ng_route_rule){.family = NG_IP4,
                                               .action = 1,
                                               .table = 100,
                                               .src = addr("128.0.0.0"),
                                               .src_len = 1,
                                               .sport_lo = 1024,
                                               .sport_hi = 65535});
    assert_string_equal(ask_container(lab),
                        "forwarded docker0 all:0-1023+0.0.0.0/1:1024-65535; forwarded eth1 "
                        "128.0.0.0/1:1024-65535");
    assert_string_equal(ask(lab, ETH0, "fd00::2", NG_UDP, 53),
                        "no-route fe80::/10; forwarded docker0 " NOT_LINK_LOCAL);
    lab->route_rules[0].sport_lo = lab->route_rules[0].sport_hi = 0;
    assert_string_equal(ask_container(lab), "forwarded docker0 0.0.0.0/1; forwarded eth1 "
                                            "128.0.0.0/1");
    lab->route_rules[0].sport_lo = 1024;
    lab->route_rules[0].sport_hi = 65535;
    /* A protocol without ports has none that a rule could ask for. */
    assert_string_equal(ask(lab, ETH0, "172.17.0.2", 47, 0),
                        "forwarded docker0 all:0-1023+0.0.0.0/1:1024-65535; forwarded docker0 "
                        "128.0.0.0/1:1024-65535");
}

/* Within their own link, link-local addresses are carried on. */
static void test_back_out_where_it_came_from(void **state) {
    _lab_ lab = lab_new();
    (void)state;
    assert_string_equal(ask(lab, ETH0, "2001:db8::2", NG_TCP, 80), "forwarded eth0 all");
}

static void test_routing_by_protocol_and_port(void **state) {
    static const struct {
        struct ng_route_rule rule;
        bool eth1; /* is that where it goes? */
    } table_[] = {
        {{.proto = NG_TCP}, true},
        {{.proto = NG_UDP}, false},
        {{.dport_lo = 80, .dport_hi = 80}, true},
        {{.dport_lo = 81, .dport_hi = 90}, false},
        {{.dport_lo = 70, .dport_hi = 79}, false},
        {{.proto = NG_TCP, .invert = true}, false},
        {{.proto = NG_UDP, .invert = true}, true},
        {{.iif = "eth0"}, true},
        {{.iif = "eth1"}, false},
        {{.dst = {NG_IP4, 0xac110000}, .dst_len = 16}, true},
        {{.dst = {NG_IP4, 0xac120000}, .dst_len = 16}, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        struct ng_route_rule rule = table_[i].rule;
        rule.family = NG_IP4;
        rule.action = 1;
        rule.table = 100;
        lab_route(lab, NG_ROUTE_UNICAST, 100, "0.0.0.0/0", ETH1);
        lab_route_rule(lab, rule);
        /* Source validation may ask for the way back, to which this port is the other one. */
        const char *answer = ask_container(lab);
        if ((strstr(answer, "eth1") != NULL) != table_[i].eth1 ||
            (strstr(answer, "docker0") != NULL) == table_[i].eth1)
            fail_msg("%zu: %s", i, answer);
    }
}

/* The port that it was translated to, not the one that was asked for. */
static void test_routing_by_a_port_that_was_translated(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    (void)state;
    lab_route(lab, NG_ROUTE_UNICAST, 100, "0.0.0.0/0", ETH1);
    lab_route_rule(
        lab, (struct ng_route_rule){
                 .family = NG_IP4, .action = 1, .table = 100, .dport_lo = 443, .dport_hi = 443});
    RULE(lab, nat, dport(lab, 80), dnat(lab, NULL, 443));
    struct ng_question question = question_to(ETH0, "172.17.0.2", NG_TCP, 80);
    assert_string_equal(ask_this(lab, asked_from(question, "1.2.3.4", 5)),
                        "forwarded 172.17.0.2:443 eth1 1.2.3.4:5-5");
}

/* An address that a rule has written is the one that is routed by. */
static void test_routing_by_a_source_that_was_written(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
    (void)state;
    lab_route(lab, NG_ROUTE_UNICAST, 100, "0.0.0.0/0", ETH1);
    lab_route_rule(lab, (struct ng_route_rule){.family = NG_IP4,
                                               .action = 1,
                                               .table = 100,
                                               .src = addr("198.51.100.7"),
                                               .src_len = 32,
                                               .sport_lo = 53,
                                               .sport_hi = 53});
    RULE(lab, raw, set_field(lab, NG_FIELD_SADDR, addr("198.51.100.7").value),
         set_field(lab, NG_FIELD_SPORT, 53));
    struct ng_question question = question_to(ETH0, "172.17.0.2", NG_TCP, 80);
    assert_string_equal(ask_this(lab, asked_from(question, "1.2.3.4", 5)),
                        "forwarded eth1 1.2.3.4:5-5");
}

/* -- groups and everybody ------------------------------------------------------------- */

static void test_broadcast_is_delivered(void **state) {
    _lab_ lab = lab_new();
    filter_chain(lab, INPUT, 0, true);
    (void)state;
    assert_string_equal(ask(lab, ETH0, "192.0.2.255", NG_UDP, 67), "dropped all by policy of 0");
}

static void test_everybody_and_nobody(void **state) {
    _lab_ lab = lab_new();
    (void)state;
    assert_string_equal(ask(lab, ETH0, "255.255.255.255", NG_UDP, 67), "local all");
    assert_string_equal(ask(lab, ETH0, "0.0.0.0", NG_UDP, 67),
                        "no-route 0.0.0.1-255.255.255.255; local 0.0.0.0");
    assert_string_equal(ask(lab, ETH0, "10.0.0.255", NG_UDP, 67), "local all");
}

/* Some groups every machine is in; of others nobody tells. */
static void test_groups(void **state) {
    static const struct {
        const char *group;
        bool joined;
    } table_[] = {
        {"224.0.0.1", true},       {"224.0.0.2", false},        {"239.1.2.3", false},
        {"ff02::1", true},         {"ff02::2", false},          {"ff05::1", false},
        {"ff02::1:ff00:1", true},  {"ff02::1:ff00:2", false},   {"ff02::1:ff77:1", false},
        {"ff02::1:fe00:1", false}, {"ff02::1:ff56:789a", true}, {"ff02::1:ff00:789a", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        lab_addr(lab, ETH0, "2001:db8::12:3456:789a", 64);
        assert_string_equal(ask(lab, ETH0, table_[i].group, NG_UDP, 5353),
                            table_[i].joined
                                ? "local all"
                                : "no-route all; local all ? who has joined a multicast group");
    }
    _lab_ lab = lab_new();
    filter_chain(lab, INPUT, 0, true);
    /* eth1 has no address to be asked for; none of docker0's is asked for there. */
    assert_non_null(strstr(ask(lab, ETH1, "ff02::1:ff00:1", NG_UDP, 5353), "who has joined"));
    /* Of the machine alone, or of nothing at all. */
    assert_string_equal(ask(lab, ETH0, "ff01::1", NG_UDP, 5353), "no-route all");
    assert_string_equal(ask(lab, ETH0, "ff10::1", NG_UDP, 5353), "no-route all");
    assert_non_null(strstr(ask(lab, ETH0, "ff12::1", NG_UDP, 5353), "dropped all by policy of 0"));
}

/* Loopback and link-local destinations are looked for on the packet's own link. */
static void test_ip6_destinations_of_one_link(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    (void)state;
    lab_addr(lab, ETH0, "fe80::1", 64);
    RULE(lab, nat, dport(lab, 1), dnat(lab, "::1", 0));
    assert_string_equal(ask(lab, ETH0, "fe80::1", NG_TCP, 80), "local all");
    assert_string_equal(ask(lab, ETH1, "fe80::1", NG_TCP, 80), "no-route all");
    /* Out by the default route, as the kernel takes it. */
    assert_string_equal(ask(lab, ETH0, "2001:db8::1", NG_TCP, 1), "forwarded ::1:1 eth0 all");
    assert_string_equal(ask(lab, ETH1, "2001:db8::1", NG_TCP, 1), "no-route ::1:1 all");
    assert_string_equal(ask(lab, ETH1, "2001:db8::1", NG_TCP, 2), "local all");
}

/* What its link is asked for and is not here goes back out by it, whatever its source; only to
 * another link no link-local source is carried (ip6_forward). */
static void test_ip6_destinations_on_the_same_link(void **state) {
    _lab_ lab = lab_new();
    (void)state;
    lab_addr(lab, ETH0, "fe80::1", 64);
    assert_string_equal(ask(lab, ETH0, "fe80::1234", NG_TCP, 80), "forwarded eth0 all");
    struct ng_question question = question_to(ETH0, "fe80::1234", NG_TCP, 80);
    assert_string_equal(ask_this(lab, asked_from(question, "fe80::77", 5)),
                        "forwarded eth0 fe80::77:5-5");
    assert_string_equal(ask_this(lab, asked_from(question, "2001:db8:9::9", 5)),
                        "forwarded eth0 2001:db8:9::9:5-5");
    assert_string_equal(ask(lab, ETH1, "fe80::1234", NG_TCP, 80), "no-route all");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ingress_of_the_link_below),
        cmocka_unit_test(test_a_stack_of_links),
        cmocka_unit_test(test_packet_types_below_a_macvlan),
        cmocka_unit_test(test_below_ip),
        cmocka_unit_test(test_link_types_on_the_way_out),
        cmocka_unit_test(test_ethernet_addresses_on_the_way_out),
        cmocka_unit_test(test_links_in_a_circle),
        cmocka_unit_test(test_ports_with_chains_of_their_own),
        cmocka_unit_test(test_egress),
        cmocka_unit_test(test_bridge_chains_by_port),
        cmocka_unit_test(test_bridge_chains_of_one_port),
        cmocka_unit_test(test_bridges_and_connections),
        cmocka_unit_test(test_prerouting_twice_in_a_vrf),
        cmocka_unit_test(test_forwarding_off),
        cmocka_unit_test(test_martian_destinations),
        cmocka_unit_test(test_loopback6),
        cmocka_unit_test(test_routing_by_mark),
        cmocka_unit_test(test_no_way_out),
        cmocka_unit_test(test_routing_by_source),
        cmocka_unit_test(test_back_out_where_it_came_from),
        cmocka_unit_test(test_routing_by_protocol_and_port),
        cmocka_unit_test(test_routing_by_a_port_that_was_translated),
        cmocka_unit_test(test_routing_by_a_source_that_was_written),
        cmocka_unit_test(test_broadcast_is_delivered),
        cmocka_unit_test(test_everybody_and_nobody),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_ip6_destinations_of_one_link),
        cmocka_unit_test(test_ip6_destinations_on_the_same_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
