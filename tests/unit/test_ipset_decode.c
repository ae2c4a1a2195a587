/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ipsets to tests of a rule: every type against packets that are in it and not, and dumps that are
 * torn or hold what is not known. tests/kernel/test_ipset.py compares
 * the types that the kernel at hand has with real packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <errno.h>

#include "tests/unit/fixture_ipset.h"

static void check_undecided(const struct ng_op *op, bool undecoded, const char *text) {
    assert_int_equal(op->kind, NG_OP_UNDECIDED);
    assert_int_equal(op->undecoded, undecoded);
    assert_string_equal(op->text, text);
}

/* -- each type ----------------------------------------------------------------------- */

static void test_addresses(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct lab *lab = LAB(i ? "hash:ip" : "bitmap:ip", NFPROTO_IPV4, {.ip = "192.0.2.1"},
                              {.ip = "192.0.2.9", .timeout = 30});
        struct packet packet = {.src = "192.0.2.1", .dst = "192.0.2.9"};
        assert_int_equal(answer(lab, 1, SRC_ANY, packet), YES);
        assert_int_equal(answer(lab, 1, 0, packet), MAYBE);
        packet.src = "192.0.2.2";
        assert_int_equal(answer(lab, 1, SRC_ANY, packet), NO);
        assert_int_equal(answer(lab, 1, SRC_ANY | IPSET_INV_MATCH, packet), YES);
        assert_int_equal(answer(lab, 1, IPSET_INV_MATCH, packet), MAYBE);
        /* A rule may name more dimensions than the set has, and flags it does not know. */
        assert_int_equal(answer(lab, 3, SRC_ANY | IPSET_RETURN_NOMATCH, packet), NO);
        packet.src = "192.0.2.1";
        assert_int_equal(answer(lab, 3, SRC_ANY | IPSET_RETURN_NOMATCH, packet), YES);
        assert_string_equal(ask(lab, 1, SRC_ANY)->set_name, "it");
        lab_free(lab);
    }
}

static void test_ipv6(void **state) {
    (void)state;
    struct lab *lab = LAB("hash:net", NFPROTO_IPV6, {.ip = "2001:db8::/32"},
                          {.ip = "2001:db8:1::/48", .flags = IPSET_FLAG_NOMATCH},
                          {.ip = "8000::/1"}, {.ip = "ff00::/8", .flags = IPSET_FLAG_NOMATCH});
    static const struct {
        const char *src;
        unsigned found;
    } cases[] = {{"2001:db8::1", YES},
                 {"2001:db8:1:ffff:ffff:ffff:ffff:ffff", NO},
                 {"2001:db8:2::", YES},
                 {"2001:db9::", NO},
                 {"feff::", YES},
                 {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NO},
                 {"::", NO}};
    const struct ng_op *op = ask_at(lab, NFPROTO_IPV6, 0, 1, SRC_ANY);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct packet packet = {.src = cases[i].src};
        assert_int_equal(matches(op->match, &packet), cases[i].found);
    }
    assert_int_equal(op->match->operands[0].family, NG_IP6);
    lab_free(lab);
}

static void test_ports(void **state) {
    (void)state;
    struct lab *lab = LAB("bitmap:port", 0, {.has_port = true, .port = 80},
                          {.has_port = true, .port = 443, .timeout = 1});
    struct packet packet = {.src = "192.0.2.1", .dst = "192.0.2.2", .proto = 6, .dport = 80};
    assert_int_equal(answer(lab, 1, 0, packet), YES);
    assert_int_equal(answer(lab, 1, SRC_ANY, packet), NO);
    packet.dport = 443;
    assert_int_equal(answer(lab, 1, 0, packet), MAYBE);
    packet.dport = 80;
    packet.proto = 17;
    assert_int_equal(answer(lab, 1, 0, packet), YES);
    packet.proto = 132; /* neither TCP nor UDP: no port for this type */
    assert_int_equal(answer(lab, 1, 0, packet), NO);
    packet.proto = 1;
    assert_int_equal(answer(lab, 1, 0, packet), NO);
    assert_int_equal(answer(lab, 1, IPSET_INV_MATCH, packet), YES);
    const struct ng_op *op = ask_at(lab, NFPROTO_BRIDGE, 0, 1, 0);
    packet.proto = 6;
    assert_int_equal(matches(op->match, &packet), NO);
    lab_free(lab);
}

static void test_addresses_and_ports(void **state) {
    (void)state;
    struct lab *lab = LAB("hash:ip,port", NFPROTO_IPV4,
                          {.ip = "192.0.2.1", .proto = 6, .has_port = true, .port = 22},
                          {.ip = "192.0.2.1", .proto = 132, .has_port = true, .port = 22},
                          {.ip = "192.0.2.1", .proto = 1, .has_port = true, .port = 8 << 8 | 0},
                          {.ip = "192.0.2.1", .proto = 47, .has_port = true},
                          {.ip = "192.0.2.1", .proto = 50, .has_port = true, .port = 7});
    struct packet packet = {.src = "192.0.2.1", .dst = "192.0.2.5", .proto = 6, .dport = 22};
    assert_int_equal(answer(lab, 2, SRC_ANY, packet), YES);
    assert_int_equal(answer(lab, 2, SRC_SRC, packet), NO);
    assert_int_equal(answer(lab, 2, 0, packet), NO);
    packet.dport = 23;
    assert_int_equal(answer(lab, 2, SRC_ANY, packet), NO);
    packet.dport = 22;
    packet.proto = 17;
    assert_int_equal(answer(lab, 2, SRC_ANY, packet), NO);
    packet.proto = 132;
    assert_int_equal(answer(lab, 2, SRC_ANY, packet), YES);
    packet.proto = 1;
    packet.icmp_type = 8;
    assert_int_equal(answer(lab, 2, SRC_ANY, packet), YES);
    assert_int_equal(answer(lab, 2, SRC_ANY | IPSET_INV_MATCH, packet), NO);
    packet.icmp_code = 1;
    assert_int_equal(answer(lab, 2, SRC_ANY, packet), NO);
    packet.proto = 47; /* has no ports, and is looked up with 0 */
    assert_int_equal(answer(lab, 2, SRC_ANY, packet), YES);
    packet.proto = 50;
    assert_int_equal(answer(lab, 2, SRC_ANY, packet), NO);
    assert_int_equal(answer(lab, 2, SRC_ANY | IPSET_INV_MATCH, packet), YES);
    lab_free(lab);
}

static void test_three_dimensions(void **state) {
    (void)state;
    static const struct {
        const char *type, *ip, *ip2;
    } types[] = {{"hash:ip,port,ip", "192.0.2.1", "198.51.100.7"},
                 {"hash:ip,port,net", "192.0.2.1", "198.51.100.0/24"},
                 {"hash:net,port,net", "192.0.2.0/28", "198.51.100.0/24"}};
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        struct lab *lab =
            LAB(types[i].type, NFPROTO_IPV4,
                {.ip = types[i].ip, .proto = 6, .has_port = true, .port = 22, .ip2 = types[i].ip2});
        struct packet packet = {
            .src = "192.0.2.1", .dst = "198.51.100.7", .proto = 6, .sport = 9, .dport = 22};
        assert_int_equal(answer(lab, 3, IPSET_DIM_ONE_SRC, packet), YES);
        assert_int_equal(answer(lab, 3, IPSET_DIM_ONE_SRC | IPSET_DIM_THREE_SRC, packet), NO);
        assert_int_equal(answer(lab, 3, 0, packet), NO);
        assert_int_equal(answer(lab, 2, IPSET_DIM_ONE_SRC, packet), NO);
        packet.dst = "198.51.99.7";
        assert_int_equal(answer(lab, 3, IPSET_DIM_ONE_SRC, packet), NO);
        packet.dst = "198.51.100.7";
        packet.src = "192.0.2.16";
        assert_int_equal(answer(lab, 3, IPSET_DIM_ONE_SRC, packet), NO);
        lab_free(lab);
    }
}

/* "src,dst,src" of a set with two addresses: both of them are the source. */
static void test_one_thing_twice(void **state) {
    (void)state;
    struct lab *lab =
        LAB("hash:ip,port,net", NFPROTO_IPV4,
            {.ip = "192.0.2.1", .proto = 6, .has_port = true, .port = 22, .ip2 = "192.0.2.0/24"},
            {.ip = "192.0.2.9", .proto = 6, .has_port = true, .port = 22, .ip2 = "10.0.0.0/8"});
    struct packet packet = {.src = "192.0.2.1", .dst = "203.0.113.1", .proto = 6, .dport = 22};
    assert_int_equal(answer(lab, 3, IPSET_DIM_ONE_SRC | IPSET_DIM_THREE_SRC, packet), YES);
    packet.src = "192.0.2.9";
    assert_int_equal(answer(lab, 3, IPSET_DIM_ONE_SRC | IPSET_DIM_THREE_SRC, packet), NO);
    lab_free(lab);
}

static void test_mac(void **state) {
    (void)state;
    struct packet packet = {.src = "192.0.2.1", .dst = "192.0.2.9", .mac = 0x020000000001};
    struct lab *lab = LAB("hash:mac", 0, {.mac = "\2\0\0\0\0\1"});
    assert_int_equal(answer(lab, 1, SRC_ANY, packet), YES);
    packet.mac = 0; /* from a link without such addresses */
    assert_int_equal(answer(lab, 1, SRC_ANY, packet), NO);
    assert_int_equal(answer(lab, 1, SRC_ANY | IPSET_INV_MATCH, packet), YES);
    check_undecided(ask_at(lab, NFPROTO_IPV4, 0, 1, 0), false,
                    "set @it (kernels differ in what the destination's MAC is compared with)");
    lab_free(lab);

    lab = LAB("hash:ip,mac", NFPROTO_IPV4, {.ip = "192.0.2.1", .mac = "\2\0\0\0\0\1"});
    packet.mac = 0x020000000001;
    assert_int_equal(answer(lab, 2, SRC_SRC, packet), YES);
    assert_int_equal(answer(lab, 2, DST_SRC, packet), NO);
    packet.mac++;
    assert_int_equal(answer(lab, 2, SRC_SRC, packet), NO);
    lab_free(lab);

    /* An address without a MAC gets that of the first packet that it matches. */
    lab = LAB("bitmap:ip,mac", NFPROTO_IPV4, {.ip = "192.0.2.1", .mac = "\2\0\0\0\0\1"},
              {.ip = "192.0.2.2"});
    packet.mac = 0x020000000001;
    assert_int_equal(answer(lab, 2, SRC_SRC, packet), YES);
    packet.src = "192.0.2.2";
    assert_int_equal(answer(lab, 2, SRC_SRC, packet), MAYBE);
    packet.src = "192.0.2.3";
    assert_int_equal(answer(lab, 2, SRC_SRC, packet), NO);
    lab_free(lab);
}

static void test_mark(void **state) {
    (void)state;
    struct lab *lab = lab_new();
    begin_set(&lab->listing, 0, "it", "hash:ip,mark", NFPROTO_IPV4);
    mnl_attr_put_u32(lab->listing.message, IPSET_ATTR_MARKMASK, 0xff0); /* in host order */
    begin_elements(&lab->listing);
    put_member(&lab->listing, (struct member){.ip = "192.0.2.1", .has_mark = true, .mark = 0x120});
    end_set(&lab->listing);
    assert_int_equal(decode(lab, NULL), 0);
    struct packet packet = {.src = "192.0.2.1", .mark = 0xf123};
    assert_int_equal(answer(lab, 2, SRC_ANY, packet), YES);
    packet.mark = 0x133;
    assert_int_equal(answer(lab, 2, SRC_ANY, packet), NO);
    lab_free(lab);
}

static void test_interfaces(void **state) {
    (void)state;
    struct lab *lab = LAB("hash:net,iface", NFPROTO_IPV4, {.ip = "10.0.0.0/8", .iface = "eth0"},
                          {.ip = "10.0.0.0/8", .iface = "veth", .flags = IPSET_FLAG_IFACE_WILDCARD},
                          {.ip = "10.1.0.0/16", .iface = "eth1"},
                          {.ip = "10.2.0.0/16", .iface = "eth0", .flags = IPSET_FLAG_NOMATCH},
                          {.ip = "192.0.2.0/24", .iface = "br0", .flags = IPSET_FLAG_PHYSDEV},
                          {.ip = "0.0.0.0/0", .iface = "lo"});
    static const struct {
        const char *src, *iif;
        unsigned found;
    } cases[] = {
        {"10.9.0.1", "eth0", YES},
        {"10.9.0.1", "eth1", NO},
        {"10.9.0.1", "veth", YES},
        {"10.9.0.1", "vethx", YES},
        {"10.9.0.1", "vet", NO},
        {"10.9.0.1", "veti", NO},
        {"10.9.0.1", NULL, NO},
        {"10.1.0.1", "eth1", YES},
        /* The most specific network ends the lookup, whatever its interface. */
        {"10.1.0.1", "eth0", NO},
        {"10.2.0.1", "eth0", NO},
        {"10.2.0.1", "vethx", NO},
        {"203.0.113.1", "lo", YES},
        {"10.1.0.1", "lo", NO},
        /* The port of a bridge: not to be had from a rule, but may end the lookup. */
        {"192.0.2.1", "br0", NO},
        {"192.0.2.1", "lo", MAYBE},
        {"192.0.3.1", "lo", YES},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct packet packet = {.src = cases[i].src, .iif = cases[i].iif, .oif = "none"};
        unsigned found = answer(lab, 2, SRC_SRC, packet);
        if (found != cases[i].found)
            fail_msg("%s of %s: %u", cases[i].src, cases[i].iif, found);
        packet.oif = cases[i].iif;
        packet.iif = "none";
        assert_int_equal(answer(lab, 2, SRC_ANY, packet), cases[i].found);
    }
    lab_free(lab);
    /* An element without a name, or for all names: no packet has none. */
    lab = LAB("hash:net,iface", NFPROTO_IPV4, {.ip = "10.0.0.0/8", .iface = ""},
              {.ip = "11.0.0.0/8", .iface = "", .flags = IPSET_FLAG_IFACE_WILDCARD},
              {.ip = "10.2.0.0/16", .iface = "eth0", .flags = IPSET_FLAG_NOMATCH});
    assert_int_equal(answer(lab, 2, SRC_SRC, (struct packet){.src = "10.0.0.1"}), NO);
    assert_int_equal(answer(lab, 2, SRC_SRC, (struct packet){.src = "11.0.0.1"}), NO);
    assert_int_equal(answer(lab, 2, SRC_SRC, (struct packet){.src = "11.0.0.1", .iif = "x"}), YES);
    /* With --return-nomatch what has no interface is still in no set. */
    const struct packet packet = {.src = "10.2.0.1", .iif = "eth0"};
    assert_int_equal(answer(lab, 2, SRC_SRC | IPSET_RETURN_NOMATCH, packet), YES);
    lab_free(lab);
}

static void test_masks(void **state) {
    (void)state;
    struct lab *lab = lab_new();
    begin_set(&lab->listing, 0, "nets", "hash:ip", NFPROTO_IPV4);
    mnl_attr_put_u8(lab->listing.message, IPSET_ATTR_NETMASK, 24);
    begin_elements(&lab->listing);
    put_member(&lab->listing, (struct member){.ip = "192.0.2.0"});
    end_set(&lab->listing);
    begin_set(&lab->listing, 1, "holes", "hash:ip", NFPROTO_IPV4);
    put_ip(lab->listing.message, 12 /* IPSET_ATTR_BITMASK */, 0, "255.0.255.0");
    begin_elements(&lab->listing);
    put_member(&lab->listing, (struct member){.ip = "10.0.3.0"});
    end_set(&lab->listing);
    assert_int_equal(decode(lab, NULL), 0);
    struct packet packet = {.src = "192.0.2.200", .dst = "10.77.3.4"};
    assert_int_equal(answer(lab, 1, SRC_ANY, packet), YES);
    packet.src = "192.0.3.0";
    assert_int_equal(answer(lab, 1, SRC_ANY, packet), NO);
    const struct ng_match *holes = ask_at(lab, NFPROTO_IPV4, 1, 1, 0)->match;
    assert_int_equal(matches(holes, &packet), YES);
    packet.dst = "10.77.4.4";
    assert_int_equal(matches(holes, &packet), NO);
    lab_free(lab);
}

static void test_lists(void **state) {
    (void)state;
    struct lab *lab = lab_new();
    begin_set(&lab->listing, 3, "addrs", "hash:ip", NFPROTO_IPV4);
    begin_elements(&lab->listing);
    put_member(&lab->listing, (struct member){.ip = "192.0.2.1"});
    put_member(&lab->listing, (struct member){.ip = "192.0.2.3", .timeout = 9});
    end_set(&lab->listing);
    begin_set(&lab->listing, 4, "ports", "hash:ip,port", NFPROTO_IPV4);
    begin_elements(&lab->listing);
    put_member(&lab->listing,
               (struct member){.ip = "192.0.2.2", .proto = 6, .has_port = true, .port = 22});
    end_set(&lab->listing);
    begin_set(&lab->listing, 5, "addrs6", "hash:ip", NFPROTO_IPV6);
    begin_elements(&lab->listing);
    put_member(&lab->listing, (struct member){.ip = "2001:db8::1"});
    end_set(&lab->listing);
    begin_set(&lab->listing, 6, "temporary", "hash:ip", NFPROTO_IPV4);
    begin_elements(&lab->listing);
    put_member(&lab->listing, (struct member){.ip = "192.0.2.4"});
    end_set(&lab->listing);
    begin_set(&lab->listing, 0, "all", "list:set", 0);
    begin_elements(&lab->listing);
    put_member(&lab->listing, (struct member){.set = "addrs"});
    put_member(&lab->listing, (struct member){.set = "ports"});
    put_member(&lab->listing, (struct member){.set = "addrs6"});
    put_member(&lab->listing, (struct member){.set = "temporary", .timeout = 60});
    end_set(&lab->listing);
    assert_int_equal(decode(lab, NULL), 0);

    static const struct {
        const char *src;
        unsigned one, two; /* dimensions that the rule names */
    } cases[] = {{"192.0.2.1", YES, YES},
                 {"192.0.2.2", NO, YES},
                 {"192.0.2.3", MAYBE, MAYBE},
                 {"192.0.2.4", MAYBE, MAYBE},
                 {"192.0.2.5", NO, NO}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct packet packet = {.src = cases[i].src, .proto = 6, .dport = 22};
        assert_int_equal(answer(lab, 1, SRC_ANY, packet), cases[i].one);
        assert_int_equal(answer(lab, 2, SRC_ANY, packet), cases[i].two);
        const struct packet ping = {.src = cases[i].src, .proto = 1};
        assert_int_equal(answer(lab, 2, SRC_ANY, ping), cases[i].one);
    }
    /* Where the counters are asked for, those of the list's own elements are: they decide. */
    const struct packet counted = {.src = "192.0.2.1"};
    assert_int_equal(matches(ask_counted(lab, 1, SRC_ANY), &counted), MAYBE);
    assert_int_equal(answer(lab, 1, SRC_ANY, counted), YES);
    const struct packet stranger = {.src = "192.0.2.5"};
    assert_int_equal(matches(ask_counted(lab, 1, SRC_ANY), &stranger), NO);
    assert_int_equal(matches(ask_counted(lab, 1, SRC_ANY | IPSET_INV_MATCH), &stranger), MAYBE);
    /* One thing alone is asked for by value. */
    assert_null(ask(lab, 1, SRC_ANY)->boxes);
    const struct packet six = {.src = "2001:db8::1"};
    assert_int_equal(matches(ask_at(lab, NFPROTO_IPV6, 0, 1, SRC_ANY)->match, &six), YES);
    lab_free(lab);
}

/* Members that look at addresses under different masks with holes are no one test. */
static void test_list_of_masks(void **state) {
    (void)state;
    struct lab *lab = lab_new();
    for (uint16_t i = 0; i < 2; i++) {
        begin_set(&lab->listing, i, i ? "a" : "b", "hash:ip", NFPROTO_IPV4);
        put_ip(lab->listing.message, 12, 0, i ? "255.0.255.0" : "255.0.0.255");
        begin_elements(&lab->listing);
        put_member(&lab->listing, (struct member){.ip = "10.0.0.0"});
        end_set(&lab->listing);
    }
    begin_set(&lab->listing, 2, "it", "list:set", 0);
    begin_elements(&lab->listing);
    put_member(&lab->listing, (struct member){.set = "a"});
    put_member(&lab->listing, (struct member){.set = "b"});
    end_set(&lab->listing);
    assert_int_equal(decode(lab, NULL), 0);
    check_undecided(ask_at(lab, NFPROTO_IPV4, 2, 1, SRC_ANY), false,
                    "set @it (its sets look at one thing under several masks)");
    lab_free(lab);
}

/* A list that a forger made to grow out of all bounds. */
static void test_huge_list(void **state) {
    (void)state;
    struct lab *lab = lab_new();
    begin_set(&lab->listing, 0, "many", "hash:ip", NFPROTO_IPV4);
    begin_elements(&lab->listing);
    for (unsigned i = 0; i < 1100; i++) {
        char ip[32];
        net_text(ip, 0x0a000000 + 2 * i, 32);
        *strchr(ip, '/') = '\0';
        put_member(&lab->listing, (struct member){.ip = ip});
    }
    end_set(&lab->listing);
    begin_set(&lab->listing, 1, "it", "list:set", 0);
    begin_elements(&lab->listing);
    for (unsigned i = 0; i < 1000; i++)
        put_member(&lab->listing, (struct member){.set = "many"});
    end_set(&lab->listing);
    assert_int_equal(decode(lab, NULL), 0);
    check_undecided(ask_at(lab, NFPROTO_IPV4, 1, 1, SRC_ANY), false, "set @it (it holds too much)");
    lab_free(lab);
}

static void test_other_family(void **state) {
    (void)state;
    struct lab *lab = LAB("hash:ip", NFPROTO_IPV4, {.ip = "192.0.2.1"});
    const struct packet packet = {.src = "::c000:201"};
    const struct ng_match *match = ask_at(lab, NFPROTO_IPV6, 0, 1, SRC_ANY)->match;
    assert_int_equal(matches(match, &packet), NO);
    match = ask_at(lab, NFPROTO_IPV6, 0, 1, SRC_ANY | IPSET_INV_MATCH)->match;
    assert_int_equal(matches(match, &packet), YES);
    check_undecided(ask_at(lab, NFPROTO_INET, 0, 1, SRC_ANY), false,
                    "set @it (asked from an inet table)");
    lab_free(lab);
}

/* -- what is not known --------------------------------------------------------------- */

static void test_not_read(void **state) {
    (void)state;
    struct lab *lab = lab_new();
    const struct ng_ipset_dump dump = {.read = false};
    assert_int_equal(ng_ipsets_decode(lab->scratch, &dump, &lab->ipsets, NULL), 0);
    assert_null(lab->ipsets);
    lab->list = (struct op_list){.arena = lab->arena};
    check_undecided(ask_at(lab, NFPROTO_IPV4, 7, 1, 0), true, "set @7 (not read)");
    assert_int_equal(ng_decode_ipset_change(&lab->list, 7, true), 0);
    assert_int_equal(decode(lab, NULL), 0); /* read, and there are none */
    check_undecided(ask_at(lab, NFPROTO_IPV4, 7, 1, 0), true, "set @7 (it was not there)");
    lab_free(lab);
}

static void test_unknown_things(void **state) {
    static const char *const why = "set @it (it holds something that is not known)";
    (void)state;
    struct lab *lab = LAB("hash:shoe,size", NFPROTO_IPV4, {.ip = "192.0.2.1"});
    check_undecided(ask_at(lab, NFPROTO_IPV4, 0, 1, SRC_ANY), true,
                    "set @it (its type is not known)");
    lab_free(lab);

    const struct member strange[] = {
        {.ip = "192.0.2.1", .flags = 1U << 14}, /* a flag from the future */
        {.iface = "eth0"},                      /* no address */
        {.ip = "2001:db8::1"},
        {.ip = "192.0.2.0/33"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(strange); i++) {
        lab = lab_set("hash:net", NFPROTO_IPV4, &strange[i], 1);
        check_undecided(ask_at(lab, NFPROTO_IPV4, 0, 1, SRC_ANY), true, why);
        lab_free(lab);
    }
    lab = lab_new();
    begin_set(&lab->listing, 0, "it", "hash:net", NFPROTO_IPV4);
    mnl_attr_put_u8(lab->listing.message, 30, 1); /* an option from the future */
    end_set(&lab->listing);
    assert_int_equal(decode(lab, NULL), 0);
    check_undecided(ask_at(lab, NFPROTO_IPV4, 0, 1, SRC_ANY), true, why);
    lab_free(lab);
    lab = lab_new();
    begin_set(&lab->listing, 0, "it", "hash:net", NFPROTO_IPV4);
    begin_elements(&lab->listing);
    struct nlattr *element = mnl_attr_nest_start(lab->listing.message, IPSET_ATTR_DATA);
    put_ip(lab->listing.message, IPSET_ATTR_IP, IPSET_ATTR_CIDR, "192.0.2.0/24");
    put_ip(lab->listing.message, IPSET_ATTR_IP_TO, 0, "192.0.2.9"); /* no listing has ranges */
    mnl_attr_nest_end(lab->listing.message, element);
    end_set(&lab->listing);
    assert_int_equal(decode(lab, NULL), 0);
    check_undecided(ask_at(lab, NFPROTO_IPV4, 0, 1, SRC_ANY), true, why);
    lab_free(lab);
    lab = LAB("hash:ip", 0, {.ip = "192.0.2.1"}); /* addresses of no family */
    check_undecided(ask_at(lab, NFPROTO_IPV4, 0, 1, SRC_ANY), true, why);
    lab_free(lab);
    lab = LAB("list:set", 0, {.set = "gone"});
    check_undecided(ask_at(lab, NFPROTO_IPV4, 0, 1, SRC_ANY), true,
                    "set @it (one of its members was not read)");
    lab_free(lab);
}

/* Two sets of one index: the old way and the new way at once, or a list taken while sets moved. */
static void test_twins(void **state) {
    (void)state;
    struct lab *lab = lab_new();
    for (int i = 0; i < 2; i++) {
        begin_set(&lab->listing, 0, i ? "a" : "b", "hash:ip", NFPROTO_IPV4);
        end_set(&lab->listing);
    }
    assert_int_equal(decode(lab, NULL), 0);
    assert_int_equal(ask_at(lab, NFPROTO_IPV4, 0, 1, 0)->kind, NG_OP_UNDECIDED);
    lab_free(lab);
}

/* -- messages ------------------------------------------------------------------------ */

/* A set in three messages, the later ones without header; its index in one of its own. */
static void listing_in_parts(struct lab *lab) {
    struct listing *listing = &lab->listing;
    listing_begin(listing, IPSET_CMD_LIST);
    mnl_attr_put_strz(listing->message, IPSET_ATTR_SETNAME, "it");
    mnl_attr_put_strz(listing->message, IPSET_ATTR_TYPENAME, "hash:ip");
    mnl_attr_put_u8(listing->message, IPSET_ATTR_FAMILY, NFPROTO_IPV4);
    listing->header = mnl_attr_nest_start(listing->message, IPSET_ATTR_DATA);
    end_set(listing);
    for (int i = 0; i < 2; i++) {
        listing_begin(listing, IPSET_CMD_LIST);
        mnl_attr_put_strz(listing->message, IPSET_ATTR_SETNAME, "it");
        begin_elements(listing);
        put_member(listing, (struct member){.ip = i ? "192.0.2.2" : "192.0.2.1"});
        end_set(listing);
    }
    listing_begin(listing, IPSET_CMD_GET_BYNAME);
    mnl_attr_put_strz(listing->message, IPSET_ATTR_SETNAME, "it");
    put_be16(listing->message, IPSET_ATTR_INDEX, 0x1234);
    end_set(listing);
}

static void test_parts(void **state) {
    (void)state;
    struct lab *lab = lab_new();
    listing_in_parts(lab);
    assert_int_equal(decode(lab, NULL), 0);
    const struct ng_match *match = ask_at(lab, NFPROTO_IPV4, 0x1234, 1, SRC_ANY)->match;
    struct packet packet = {.src = "192.0.2.1"};
    assert_int_equal(matches(match, &packet), YES);
    packet.src = "192.0.2.2";
    assert_int_equal(matches(match, &packet), YES);
    packet.src = "192.0.2.3";
    assert_int_equal(matches(match, &packet), NO);
    lab_free(lab);
}

/* Cut anywhere but between messages, a dump is no dump. */
static void test_cut(void **state) {
    (void)state;
    struct lab *lab = lab_new();
    listing_in_parts(lab);
    size_t whole = lab->listing.len_bytes;
    for (size_t len = 0; len < whole; len++) {
        struct ng_error error = {0};
        bool between = len == 0;
        for (size_t at = 0; at < len;) {
            at += MNL_ALIGN(
                ((const struct nlmsghdr *)(const void *)(lab->listing.bytes + at))->nlmsg_len);
            between = at == len;
        }
        lab->listing.len_bytes = len;
        lab->ipsets = NULL;
        assert_int_equal(decode(lab, &error), between ? 0 : -EBADMSG);
        assert_int_equal(error.message[0] == '\0', between);
    }
    lab_free(lab);
}

static void test_torn(void **state) {
    (void)state;
    struct ng_error error = {0};
    struct lab *lab = LAB("hash:ip", NFPROTO_IPV4, {.ip = "192.0.2.1"});
    struct nlmsghdr *message = (struct nlmsghdr *)(void *)lab->listing.bytes;
    uint16_t type = message->nlmsg_type;
    message->nlmsg_type = NFNL_SUBSYS_IPSET << 8 | IPSET_CMD_DESTROY;
    assert_int_equal(decode(lab, NULL), -EBADMSG);
    message->nlmsg_type = type;
    message->nlmsg_len = 8;
    assert_int_equal(decode(lab, &error), -EBADMSG);
    assert_string_equal(error.message, "the dump of the ipsets is malformed; take it again");
    lab_free(lab);

    lab = LAB("hash:ip", NFPROTO_IPV4, {.ip = "192.0.2.1"}); /* an element that is torn */
    struct nlattr *ip = lab->listing.element;
    ip->nla_len += 4;
    assert_int_equal(decode(lab, NULL), -EBADMSG);
    lab_free(lab);

    lab = LAB("hash:ip", NFPROTO_IPV4, {.ip = "192.0.2.1"}); /* elements of another set */
    listing_begin(&lab->listing, IPSET_CMD_LIST);
    mnl_attr_put_strz(lab->listing.message, IPSET_ATTR_SETNAME, "other");
    begin_elements(&lab->listing);
    end_set(&lab->listing);
    assert_int_equal(decode(lab, NULL), -EBADMSG);
    lab_free(lab);

    lab = lab_new(); /* elements of a set that did not begin */
    listing_begin(&lab->listing, IPSET_CMD_LIST);
    mnl_attr_put_strz(lab->listing.message, IPSET_ATTR_SETNAME, "it");
    begin_elements(&lab->listing);
    end_set(&lab->listing);
    assert_int_equal(decode(lab, NULL), -EBADMSG);
    lab_free(lab);
}

/* -- many ---------------------------------------------------------------------------- */

static void test_shared(void **state) {
    (void)state;
    struct lab *lab = LAB("hash:ip", NFPROTO_IPV4, {.ip = "192.0.2.1"});
    assert_ptr_equal(ask(lab, 1, SRC_ANY), ask(lab, 1, SRC_ANY));
    assert_ptr_not_equal(ask(lab, 1, SRC_ANY), ask(lab, 1, 0));
    lab_free(lab);
}

static void test_large(void **state) {
    enum { COUNT = 100000 };
    (void)state;
    struct lab *lab = lab_new();
    begin_set(&lab->listing, 0, "it", "hash:net,port", NFPROTO_IPV4);
    begin_elements(&lab->listing);
    for (unsigned i = 0; i < COUNT; i++) {
        char ip[32];
        net_text(ip, 0x0a000000 + (i << 8), 24);
        put_member(&lab->listing,
                   (struct member){.ip = ip, .proto = 6, .has_port = true, .port = 22});
        if (i % 500 == 499)
            next_message(&lab->listing, "it");
    }
    end_set(&lab->listing);
    assert_int_equal(decode(lab, NULL), 0);
    /* Neighbours are one interval. */
    const struct ng_match *match = ask(lab, 2, SRC_ANY);
    assert_int_equal(match->n_boxes, 1);
    const struct packet packet = {.src = "11.134.159.255", .proto = 6, .dport = 22};
    assert_int_equal(matches(match, &packet), YES);
    const struct packet next = {.src = "11.134.160.0", .proto = 6, .dport = 22};
    assert_int_equal(matches(match, &next), NO);
    lab_free(lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_addresses_and_ports),
        cmocka_unit_test(test_three_dimensions),
        cmocka_unit_test(test_one_thing_twice),
        cmocka_unit_test(test_mac),
        cmocka_unit_test(test_mark),
        cmocka_unit_test(test_interfaces),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_list_of_masks),
        cmocka_unit_test(test_huge_list),
        cmocka_unit_test(test_other_family),
        cmocka_unit_test(test_not_read),
        cmocka_unit_test(test_unknown_things),
        cmocka_unit_test(test_twins),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_torn),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
