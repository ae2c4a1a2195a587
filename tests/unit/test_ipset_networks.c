/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks in networks, some of them `nomatch`: against a lookup written as the kernel does it, on
 * random sets and packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/fixture_ipset.h"
#include "tests/unit/fixture_random.h"

static void test_nomatch(void **state) {
    (void)state;
    struct lab *lab = LAB("hash:net", NFPROTO_IPV4, {.ip = "10.0.0.0/8"},
                          {.ip = "10.1.0.0/16", .flags = IPSET_FLAG_NOMATCH}, {.ip = "10.1.2.0/24"},
                          {.ip = "10.2.0.0/16", .flags = IPSET_FLAG_NOMATCH, .timeout = 5},
                          {.ip = "11.0.0.0/8", .timeout = 5});
    static const struct {
        const char *src;
        unsigned found, returned;
    } cases[] = {
        {"10.0.255.255", YES, NO},  {"10.1.0.0", NO, YES},   {"10.1.1.255", NO, YES},
        {"10.1.2.0", YES, NO},      {"10.1.2.255", YES, NO}, {"10.1.3.0", NO, YES},
        {"10.2.0.1", MAYBE, MAYBE}, {"10.3.0.0", YES, NO},   {"11.255.255.255", MAYBE, NO},
        {"9.255.255.255", NO, NO},  {"12.0.0.0", NO, NO},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct packet packet = {.src = cases[i].src};
        assert_int_equal(answer(lab, 1, SRC_ANY, packet), cases[i].found);
        assert_int_equal(answer(lab, 1, SRC_ANY | IPSET_RETURN_NOMATCH, packet), cases[i].returned);
    }
    /* 10.0.0.0/15 without 10.1.0.0/16 but with 10.1.2.0/24, and from 10.3.0.0 on: three. */
    assert_int_equal(ask(lab, 1, SRC_ANY)->values.count, 3);
    lab_free(lab);
}

/* An element of the random sets, and the lookup as the kernel does it. */
struct item {
    uint32_t ip[2];
    uint8_t len[2];
    uint8_t proto;
    uint16_t port;
    char iface[8];
    uint32_t flags;
    bool expires, gone;
    bool counted, passed; /* its counters are asked for, and are not what was asked */
};

struct shape {
    const char *type;
    bool port, pair, iface;
    uint8_t dim;
};

static bool net_holds(const struct item *item, int which, uint32_t ip) {
    uint32_t mask = item->len[which] ? ~0U << (32 - item->len[which]) : 0;
    return (ip & mask) == item->ip[which];
}

static bool iface_holds(const struct item *item, const char *name) {
    return item->flags & IPSET_FLAG_IFACE_WILDCARD
               ? strncmp(name, item->iface, strlen(item->iface)) == 0
               : strcmp(name, item->iface) == 0;
}

/* mtype_test_cidrs: 1 found, -1 found a nomatch element, 0 nothing. */
static int kernel_lookup(const struct shape *shape, const struct item *items, size_t count,
                         const uint32_t *ips, uint8_t proto, uint16_t port, const char *iface) {
    bool multi = false;
    for (int len = 32; len >= 0 && !multi; len--)
        for (int len2 = shape->pair ? 32 : 0; len2 >= 0; len2--)
            for (size_t i = 0; i < count; i++) {
                const struct item *item = &items[i];
                if (item->gone || item->len[0] != len || !net_holds(item, 0, ips[0]))
                    continue;
                if (shape->pair && (item->len[1] != len2 || !net_holds(item, 1, ips[1])))
                    continue;
                if (shape->port && (item->proto != proto || item->port != port))
                    continue;
                multi = shape->iface;
                if (shape->iface && !iface_holds(item, iface))
                    continue;
                if (item->passed)
                    multi = false;
                else
                    return item->flags & IPSET_FLAG_NOMATCH ? -1 : 1;
            }
    return 0;
}

/* Every choice of elements that are not found by then, one after the other. */
static unsigned kernel_answers(const struct shape *shape, struct item *items, size_t count,
                               bool return_nomatch, const uint32_t *ips, uint8_t proto,
                               uint16_t port, const char *iface) {
    unsigned expiring = 0, answers = 0;
    for (size_t i = 0; i < count; i++)
        expiring += items[i].expires || items[i].counted;
    for (unsigned choice = 0; choice < 1U << expiring; choice++) {
        unsigned bit = 0;
        for (size_t i = 0; i < count; i++)
            if (items[i].expires || items[i].counted) {
                bool away = choice >> bit++ & 1;
                items[i].passed = items[i].counted && away;
                items[i].gone = !items[i].counted && away;
            }
        int found = kernel_lookup(shape, items, count, ips, proto, port, iface);
        answers |= found == (return_nomatch ? -1 : 1) ? YES : NO;
    }
    return answers;
}

static const char *const ifaces[] = {"eth0", "eth1", "eth", "br0", "b"};
static const uint8_t lens[] = {0, 1, 26, 27, 28, 29, 30, 31, 32};

static size_t random_items(struct dice *dice, const struct shape *shape, struct item *items) {
    size_t wanted = 1 + roll(dice, 12), count = 0, expiring = 0;
    for (size_t i = 0; i < wanted; i++) {
        struct item item = {.proto = roll(dice, 2) ? 6 : 17,
                            .port = (uint16_t)(22 + roll(dice, 2))};
        for (int k = 0; k < 2; k++) {
            item.len[k] = lens[roll(dice, ARRAY_SIZE(lens))];
            item.ip[k] =
                (0xc0000200U | roll(dice, 64)) & (item.len[k] ? ~0U << (32 - item.len[k]) : 0);
        }
        snprintf(item.iface, sizeof(item.iface), "%s", ifaces[roll(dice, ARRAY_SIZE(ifaces))]);
        item.flags = roll(dice, 3) ? 0 : IPSET_FLAG_NOMATCH;
        if (shape->iface && roll(dice, 3) == 0)
            item.flags |= IPSET_FLAG_IFACE_WILDCARD;
        item.expires = expiring < 4 && roll(dice, 4) == 0;
        bool twin = false;
        for (size_t k = 0; k < count; k++)
            twin =
                twin ||
                (items[k].ip[0] == item.ip[0] && items[k].len[0] == item.len[0] &&
                 (!shape->pair ||
                  (items[k].ip[1] == item.ip[1] && items[k].len[1] == item.len[1])) &&
                 (!shape->port || (items[k].proto == item.proto && items[k].port == item.port)) &&
                 (!shape->iface || strcmp(items[k].iface, item.iface) == 0));
        if (twin)
            continue;
        expiring += item.expires;
        items[count++] = item;
    }
    return count;
}

static struct lab *lab_of_items(const struct shape *shape, const struct item *items, size_t count) {
    struct lab *lab = lab_new();
    begin_set(&lab->listing, 0, "it", shape->type, NFPROTO_IPV4);
    begin_elements(&lab->listing);
    for (size_t i = 0; i < count; i++) {
        char ip[32], ip2[32];
        net_text(ip, items[i].ip[0], items[i].len[0]);
        net_text(ip2, items[i].ip[1], items[i].len[1]);
        put_member(&lab->listing, (struct member){
                                      .ip = ip,
                                      .ip2 = shape->pair ? ip2 : NULL,
                                      .proto = shape->port ? items[i].proto : 0,
                                      .has_port = shape->port,
                                      .port = items[i].port,
                                      .iface = shape->iface ? items[i].iface : NULL,
                                      .flags = items[i].flags,
                                      .timeout = items[i].expires ? 60 : 0,
                                  });
    }
    end_set(&lab->listing);
    assert_int_equal(decode(lab, NULL), 0);
    return lab;
}

static void compare_with_kernel(struct dice *dice, const struct shape *shape, unsigned round) {
    struct item items[16];
    size_t count = random_items(dice, shape, items);
    struct lab *lab = lab_of_items(shape, items, count);
    bool return_nomatch = roll(dice, 4) == 0, expiring = false;
    /* Counters may keep any element from being found, as if it were gone. */
    bool counted = count <= 6 && roll(dice, 4) == 0;
    uint8_t flags = SRC_ANY | (return_nomatch ? IPSET_RETURN_NOMATCH : 0);
    if (shape->iface)
        flags |= IPSET_DIM_TWO_SRC;
    const struct ng_match *match =
        counted ? ask_counted(lab, shape->dim, flags) : ask(lab, shape->dim, flags);
    for (size_t i = 0; counted && i < count; i++)
        items[i].counted = true;
    for (size_t i = 0; i < count; i++)
        expiring = expiring || items[i].expires || counted;
    for (int i = 0; i < 60; i++) {
        uint32_t ips[2] = {0xc0000200U | roll(dice, 64), 0xc0000200U | roll(dice, 64)};
        char src[32], dst[32];
        net_text(src, ips[0], 32);
        net_text(dst, ips[1], 32);
        *strchr(src, '/') = *strchr(dst, '/') = '\0';
        const char *iface = ifaces[roll(dice, ARRAY_SIZE(ifaces))];
        struct packet packet = {.src = src,
                                .dst = dst,
                                .proto = roll(dice, 2) ? 6 : 17,
                                .dport = (uint16_t)(22 + roll(dice, 2)),
                                .iif = iface};
        unsigned told = matches(match, &packet);
        unsigned is = kernel_answers(shape, items, count, return_nomatch, ips, packet.proto,
                                     packet.dport, iface);
        /* Where interfaces are asked for, an expired element may go on counting for a while. */
        bool fits = shape->iface && expiring ? (told & is) == is : told == is;
        if (!fits)
            fail_msg("%s, round %u: %s %s %u %u %s: told %u, is %u", shape->type, round, src, dst,
                     packet.proto, packet.dport, iface, told, is);
    }
    lab_free(lab);
}

static void test_random_networks(void **state) {
    static const struct shape shapes[] = {
        {.type = "hash:net", .dim = 1},
        {.type = "hash:net,port", .port = true, .dim = 2},
        {.type = "hash:net,net", .pair = true, .dim = 2},
        {.type = "hash:net,port,net", .port = true, .pair = true, .dim = 3},
        {.type = "hash:net,iface", .iface = true, .dim = 2},
    };
    (void)state;
    struct dice dice = {.state = 20260};
    for (unsigned round = 0; round < 150; round++)
        for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
            compare_with_kernel(&dice, &shapes[i], round);
}

/* More pairs of networks than are taken apart one by one: coarser, and never wrong. */
static void test_many_pairs(void **state) {
    (void)state;
    struct lab *lab = lab_new();
    begin_set(&lab->listing, 0, "it", "hash:net,net", NFPROTO_IPV4);
    begin_elements(&lab->listing);
    put_member(&lab->listing, (struct member){.ip = "10.0.0.0/8", .ip2 = "10.0.0.0/8"});
    for (unsigned i = 0; i < 300; i++) {
        char ip[32];
        snprintf(ip, sizeof(ip), "10.%u.%u.0/24", i / 100, 2 * (i % 100));
        put_member(&lab->listing,
                   (struct member){.ip = ip, .ip2 = ip, .flags = IPSET_FLAG_NOMATCH});
    }
    end_set(&lab->listing);
    assert_int_equal(decode(lab, NULL), 0);
    const struct packet packet = {.src = "10.0.0.1", .dst = "10.0.0.1"};
    assert_int_equal(answer(lab, 2, SRC_ANY, packet), MAYBE);
    const struct packet other = {.src = "11.0.0.1", .dst = "10.0.0.1"};
    assert_int_equal(answer(lab, 2, SRC_ANY, other), NO);
    lab_free(lab);
}

/* So many that the exact answer would take for ever: then a coarser one, and never wrong. */
static void test_too_many(void **state) {
    enum { COUNT = 2100 };
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct lab *lab = lab_new();
        begin_set(&lab->listing, 0, "it", i ? "hash:net,iface" : "hash:net,net", NFPROTO_IPV4);
        begin_elements(&lab->listing);
        for (unsigned k = 0; k < COUNT; k++) {
            char ip[32], iface[16];
            if (k % 500 == 499)
                next_message(&lab->listing, "it");
            net_text(ip, 0x0a000000 + (k << 8), 24);
            snprintf(iface, sizeof(iface), "if%u", k);
            put_member(&lab->listing, (struct member){.ip = ip,
                                                      .ip2 = i ? NULL : ip,
                                                      .iface = i ? iface : NULL,
                                                      .flags = k ? 0 : IPSET_FLAG_NOMATCH});
        }
        end_set(&lab->listing);
        assert_int_equal(decode(lab, NULL), 0);
        uint8_t flags = i ? SRC_SRC : SRC_ANY;
        struct packet packet = {.src = "10.0.1.1", .dst = "10.0.1.1", .iif = "if1"};
        assert_int_equal(answer(lab, 2, flags, packet), MAYBE);
        packet.src = "10.0.2.1";
        assert_int_equal(answer(lab, 2, flags, packet), NO);
        assert_int_equal(answer(lab, 2, flags | IPSET_RETURN_NOMATCH, packet), NO);
        lab_free(lab);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nomatch),
        cmocka_unit_test(test_random_networks),
        cmocka_unit_test(test_many_pairs),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
