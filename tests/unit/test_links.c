/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>

#include "agent/observe/links.h"

union answer {
    struct nlmsghdr message;
    uint8_t room[2048];
};

static struct ifinfomsg *put_link(union answer *answer, const char *name, int index) {
    struct ifinfomsg *header;

    memset(answer, 0, sizeof(*answer));
    mnl_nlmsg_put_header(answer);
    answer->message.nlmsg_type = RTM_NEWLINK;
    header = mnl_nlmsg_put_extra_header(&answer->message, sizeof(*header));
    header->ifi_index = index;
    header->ifi_type = ARPHRD_ETHER;
    header->ifi_flags = IFF_UP;
    if (name)
        mnl_attr_put_strz(&answer->message, IFLA_IFNAME, name);
    return header;
}

static void put_sysctls(union answer *answer, uint32_t rp_filter, uint32_t localnet, uint32_t v4,
                        uint32_t force_v6, size_t n_v6) {
    uint32_t conf4[IPV4_DEVCONF_MAX] = {0}, conf6[80] = {0};
    struct nlattr *spec = mnl_attr_nest_start(&answer->message, IFLA_AF_SPEC), *family;

    conf4[IPV4_DEVCONF_RP_FILTER - 1] = rp_filter;
    conf4[IPV4_DEVCONF_ROUTE_LOCALNET - 1] = localnet;
    conf4[IPV4_DEVCONF_FORWARDING - 1] = v4;
    conf6[0] = 1; /* a link's own forwarding does not count */
    conf6[59] = force_v6;
    family = mnl_attr_nest_start(&answer->message, AF_INET);
    mnl_attr_put(&answer->message, IFLA_INET_CONF, sizeof(conf4), conf4);
    mnl_attr_nest_end(&answer->message, family);
    family = mnl_attr_nest_start(&answer->message, AF_INET6);
    mnl_attr_put(&answer->message, IFLA_INET6_CONF, n_v6 * sizeof(uint32_t), conf6);
    mnl_attr_nest_end(&answer->message, family);
    mnl_attr_nest_end(&answer->message, spec);
}

static int decode(union answer *answer, struct ng_links_all all, struct ng_link *ret_link) {
    static char kept[2][64];
    struct ng_arena *arena = ng_arena_new();
    int r = ng_links_decode_link(arena, &answer->message, &all, ret_link);

    if (r == 0) {
        strcpy(kept[0], ret_link->name);
        strcpy(kept[1], ret_link->kind);
        ret_link->name = kept[0];
        ret_link->kind = kept[1];
    }
    ng_arena_free(arena);
    return r;
}

static void a_link_is_read(void **state) {
    struct ng_link link;
    struct nlattr *nest;
    union answer answer;

    (void)state;
    put_link(&answer, "veth1", 7);
    mnl_attr_put_u32(&answer.message, IFLA_MASTER, 3);
    nest = mnl_attr_nest_start(&answer.message, IFLA_LINKINFO);
    mnl_attr_put_strz(&answer.message, IFLA_INFO_KIND, "veth");
    mnl_attr_nest_end(&answer.message, nest);
    put_sysctls(&answer, 2, 0, 1, 0, 60);
    assert_int_equal(decode(&answer, (struct ng_links_all){0}, &link), 0);
    assert_string_equal(link.name, "veth1");
    assert_string_equal(link.kind, "veth");
    assert_int_equal(link.index, 7);
    assert_int_equal(link.master, 3);
    assert_int_equal(link.type, ARPHRD_ETHER);
    assert_true(link.up);
    assert_false(link.loopback || link.xdp || link.route_localnet || link.forwarding6);
    assert_int_equal(link.rp_filter, 2);
    assert_true(link.forwarding4);

    put_link(&answer, "\xff", 1)->ifi_flags = IFF_LOOPBACK;
    assert_int_equal(decode(&answer, (struct ng_links_all){0}, &link), 0);
    assert_string_equal(link.name, "\xef\xbf\xbd");
    assert_string_equal(link.kind, "");
    assert_true(link.loopback && !link.up);
}

static void what_holds_for_all_holds_for_each(void **state) {
    const struct ng_links_all all = {.rp_filter = 1, .route_localnet = true, .forwarding6 = true};
    struct ng_link link;
    union answer answer;

    (void)state;
    put_link(&answer, "a", 1);
    put_sysctls(&answer, 0, 0, 0, 0, 58);
    assert_int_equal(decode(&answer, all, &link), 0);
    assert_int_equal(link.rp_filter, 1);
    assert_true(link.route_localnet && link.forwarding6 && !link.forwarding4);

    put_link(&answer, "a", 1);
    put_sysctls(&answer, 2, 1, 0, 1, 60);
    assert_int_equal(decode(&answer, (struct ng_links_all){.rp_filter = 1}, &link), 0);
    assert_int_equal(link.rp_filter, 2);
    assert_true(link.route_localnet && link.forwarding6);
}

static void an_xdp_program_is_noticed(void **state) {
    struct ng_link link;
    union answer answer;

    (void)state;
    for (uint8_t attached = XDP_ATTACHED_NONE; attached <= XDP_ATTACHED_MULTI; attached++) {
        struct nlattr *nest;

        put_link(&answer, "a", 1);
        nest = mnl_attr_nest_start(&answer.message, IFLA_XDP);
        mnl_attr_put_u8(&answer.message, IFLA_XDP_ATTACHED, attached);
        mnl_attr_nest_end(&answer.message, nest);
        assert_int_equal(decode(&answer, (struct ng_links_all){0}, &link), 0);
        assert_int_equal(link.xdp, attached != XDP_ATTACHED_NONE);
    }
}

static void malformed_links_are_refused(void **state) {
    struct ng_link link;
    union answer answer;

    (void)state;
    put_link(&answer, NULL, 1);
    assert_int_equal(decode(&answer, (struct ng_links_all){0}, &link), -EBADMSG);
    put_link(&answer, "a", 0);
    assert_int_equal(decode(&answer, (struct ng_links_all){0}, &link), -EBADMSG);
    put_link(&answer, "a", 1);
    mnl_attr_put(&answer.message, IFLA_AF_SPEC, 3, "abc");
    assert_int_equal(decode(&answer, (struct ng_links_all){0}, &link), -EBADMSG);
    put_link(&answer, "a", 1);
    answer.message.nlmsg_type = RTM_DELLINK;
    assert_int_equal(decode(&answer, (struct ng_links_all){0}, &link), 1);
}

static struct ifaddrmsg *put_address(union answer *answer, uint8_t family, uint8_t len) {
    struct ifaddrmsg *header;

    memset(answer, 0, sizeof(*answer));
    mnl_nlmsg_put_header(answer);
    answer->message.nlmsg_type = RTM_NEWADDR;
    header = mnl_nlmsg_put_extra_header(&answer->message, sizeof(*header));
    header->ifa_family = family;
    header->ifa_prefixlen = len;
    header->ifa_index = 4;
    return header;
}

static void the_own_end_of_an_address_counts(void **state) {
    const uint8_t own[] = {192, 0, 2, 1}, other[] = {192, 0, 2, 2}, six[16] = {0xfd, [15] = 1};
    struct ng_ifaddr ifaddr;
    union answer answer;

    (void)state;
    put_address(&answer, AF_INET, 32);
    mnl_attr_put(&answer.message, IFA_ADDRESS, 4, other);
    mnl_attr_put(&answer.message, IFA_LOCAL, 4, own);
    assert_int_equal(ng_links_decode_address(&answer.message, &ifaddr), 0);
    assert_true(ifaddr.addr.value == 0xc0000201);
    assert_int_equal(ifaddr.addr.family, NG_IP4);
    assert_int_equal(ifaddr.prefix_len, 32);
    assert_int_equal(ifaddr.link, 4);

    put_address(&answer, AF_INET6, 64);
    mnl_attr_put(&answer.message, IFA_ADDRESS, 16, six);
    assert_int_equal(ng_links_decode_address(&answer.message, &ifaddr), 0);
    assert_int_equal(ifaddr.addr.family, NG_IP6);

    put_address(&answer, AF_INET, 33);
    mnl_attr_put(&answer.message, IFA_LOCAL, 4, own);
    assert_int_equal(ng_links_decode_address(&answer.message, &ifaddr), -EBADMSG);
    put_address(&answer, AF_INET6, 64);
    mnl_attr_put(&answer.message, IFA_LOCAL, 4, own);
    assert_int_equal(ng_links_decode_address(&answer.message, &ifaddr), -EBADMSG);
    put_address(&answer, AF_INET, 8);
    assert_int_equal(ng_links_decode_address(&answer.message, &ifaddr), -EBADMSG);
    put_address(&answer, AF_BRIDGE, 8);
    assert_int_equal(ng_links_decode_address(&answer.message, &ifaddr), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_is_read),
        cmocka_unit_test(what_holds_for_all_holds_for_each),
        cmocka_unit_test(an_xdp_program_is_noticed),
        cmocka_unit_test(malformed_links_are_refused),
        cmocka_unit_test(the_own_end_of_an_address_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
