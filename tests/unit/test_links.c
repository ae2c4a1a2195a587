/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>

#include "agent/observe/links.h"
#include "tests/unit/fixture_answer.h"

static struct ifinfomsg *put_link(union answer *answer, const char *name, int index) {
    struct ifinfomsg *header = begin_answer(answer, RTM_NEWLINK, sizeof(*header));

    header->ifi_index = index;
    header->ifi_type = ARPHRD_ETHER;
    header->ifi_flags = IFF_UP;
    if (name)
        mnl_attr_put_strz(&answer->message, IFLA_IFNAME, name);
    return header;
}

/* A link's IFLA_AF_SPEC; `conf4` is indexed by IPV4_DEVCONF_…. */
static void put_confs(union answer *answer, const uint32_t conf4[IPV4_DEVCONF_MAX + 1],
                      const uint32_t *conf6, size_t n_v6) {
    struct nlattr *spec = mnl_attr_nest_start(&answer->message, IFLA_AF_SPEC), *family;

    family = mnl_attr_nest_start(&answer->message, AF_INET);
    mnl_attr_put(&answer->message, IFLA_INET_CONF, IPV4_DEVCONF_MAX * sizeof(uint32_t), conf4 + 1);
    mnl_attr_nest_end(&answer->message, family);
    family = mnl_attr_nest_start(&answer->message, AF_INET6);
    mnl_attr_put(&answer->message, IFLA_INET6_CONF, n_v6 * sizeof(uint32_t), conf6);
    mnl_attr_nest_end(&answer->message, family);
    mnl_attr_nest_end(&answer->message, spec);
}

static void put_sysctls(union answer *answer, uint32_t rp_filter, uint32_t localnet, uint32_t v4,
                        uint32_t force_v6, size_t n_v6) {
    const uint32_t conf4[IPV4_DEVCONF_MAX + 1] = {
        [IPV4_DEVCONF_RP_FILTER] = rp_filter,
        [IPV4_DEVCONF_ROUTE_LOCALNET] = localnet,
        [IPV4_DEVCONF_FORWARDING] = v4,
    };
    const uint32_t conf6[80] = {
        [0] = 1 /* a link's own forwarding does not count */, [59] = force_v6};

    put_confs(answer, conf4, conf6, n_v6);
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

static void a_source_switch_for_all_or_for_one_is_on(void **state) {
    const struct ng_links_all alls[] = {
        {0}, {.accept_local = true}, {.src_valid_mark = true}, {.send_redirects = true}};
    const uint32_t accept[IPV4_DEVCONF_MAX + 1] = {[IPV4_DEVCONF_ACCEPT_LOCAL] = 1};
    const uint32_t mark[IPV4_DEVCONF_MAX + 1] = {[IPV4_DEVCONF_SRC_VMARK] = 1};
    const uint32_t redirects[IPV4_DEVCONF_MAX + 1] = {[IPV4_DEVCONF_SEND_REDIRECTS] = 1};
    const uint32_t none[IPV4_DEVCONF_MAX + 1] = {0};
    const uint32_t *const confs[] = {none, accept, mark, redirects};
    struct ng_link link;
    union answer answer;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(alls); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(confs); j++) {
            put_link(&answer, "a", 1);
            put_confs(&answer, confs[j], none, 1);
            assert_int_equal(decode(&answer, alls[i], &link), 0);
            assert_int_equal(link.accept_local, i == 1 || j == 1);
            assert_int_equal(link.src_valid_mark, i == 2 || j == 2);
            assert_int_equal(link.send_redirects, i == 3 || j == 3);
        }
    }
}

/* Begins the link's IFLA_LINKINFO. */
static struct nlattr *put_kind(union answer *answer, const char *kind) {
    struct nlattr *info = mnl_attr_nest_start(&answer->message, IFLA_LINKINFO);

    mnl_attr_put_strz(&answer->message, IFLA_INFO_KIND, kind);
    return info;
}

static void the_link_below_is_told(void **state) {
    static const struct {
        const char *kind;
        uint32_t lower;
    } cases[] = {{"vlan", 4},   {"macvlan", 4}, {"vxlan", 4}, {"dsa", 4},  {"veth", 0},
                 {"netkit", 0}, {"vxcan", 0},   {"", 4},      {"vethx", 4}};
    struct ng_link link;
    union answer answer;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        put_link(&answer, "a", 7);
        mnl_attr_put_u32(&answer.message, IFLA_LINK, 4);
        mnl_attr_put_u32(&answer.message, IFLA_GROUP, 9);
        mnl_attr_nest_end(&answer.message, put_kind(&answer, cases[i].kind));
        assert_int_equal(decode(&answer, (struct ng_links_all){0}, &link), 0);
        assert_int_equal(link.lower, cases[i].lower);
        assert_int_equal(link.group, 9);
        /* A number of another namespace */
        mnl_attr_put_u32(&answer.message, IFLA_LINK_NETNSID, 0);
        assert_int_equal(decode(&answer, (struct ng_links_all){0}, &link), 0);
        assert_int_equal(link.lower, 0);
    }
    put_link(&answer, "a", 7);
    mnl_attr_put_u32(&answer.message, IFLA_LINK, 7);
    assert_int_equal(decode(&answer, (struct ng_links_all){0}, &link), 0);
    assert_int_equal(link.lower, 0);
}

static void put_number(union answer *answer, uint16_t nest_type, uint16_t type, uint32_t value) {
    struct nlattr *nest = mnl_attr_nest_start(&answer->message, nest_type);

    mnl_attr_put_u32(&answer->message, type, value);
    mnl_attr_nest_end(&answer->message, nest);
}

static void the_table_of_a_vrf_is_told(void **state) {
    struct ng_link link;
    union answer answer;
    struct nlattr *info;

    (void)state;
    put_link(&answer, "red", 7);
    info = put_kind(&answer, "vrf");
    put_number(&answer, IFLA_INFO_DATA, IFLA_VRF_TABLE, 1000);
    mnl_attr_nest_end(&answer.message, info);
    assert_int_equal(decode(&answer, (struct ng_links_all){0}, &link), 0);
    assert_int_equal(link.vrf_table, 1000);

    /* A VLAN that belongs to one; its own data have other attributes of that number. */
    put_link(&answer, "a", 8);
    info = put_kind(&answer, "vlan");
    put_number(&answer, IFLA_INFO_DATA, 1, 55);
    mnl_attr_put_strz(&answer.message, IFLA_INFO_SLAVE_KIND, "vrf");
    put_number(&answer, IFLA_INFO_SLAVE_DATA, IFLA_VRF_PORT_TABLE, 1001);
    mnl_attr_nest_end(&answer.message, info);
    assert_int_equal(decode(&answer, (struct ng_links_all){0}, &link), 0);
    assert_int_equal(link.vrf_table, 1001);

    put_link(&answer, "a", 8);
    info = put_kind(&answer, "vlan");
    mnl_attr_put_strz(&answer.message, IFLA_INFO_SLAVE_KIND, "bridge");
    put_number(&answer, IFLA_INFO_SLAVE_DATA, 1, 3);
    mnl_attr_nest_end(&answer.message, info);
    assert_int_equal(decode(&answer, (struct ng_links_all){0}, &link), 0);
    assert_int_equal(link.vrf_table, 0);
}

static void put_bridge(union answer *answer, uint8_t four, uint8_t six) {
    struct nlattr *info, *data;

    put_link(answer, "br0", 7);
    info = put_kind(answer, "bridge");
    data = mnl_attr_nest_start(&answer->message, IFLA_INFO_DATA);
    mnl_attr_put_u8(&answer->message, IFLA_BR_NF_CALL_IPTABLES, four);
    mnl_attr_put_u8(&answer->message, IFLA_BR_NF_CALL_IP6TABLES, six);
    mnl_attr_nest_end(&answer->message, data);
    mnl_attr_nest_end(&answer->message, info);
}

static void a_bridge_calls_the_hooks_of_ip(void **state) {
    struct ng_links_all all = {.bridge_netfilter = true};
    struct ng_link link;
    union answer answer;

    (void)state;
    put_bridge(&answer, 1, 0);
    assert_int_equal(decode(&answer, all, &link), 0);
    assert_true(link.bridge_calls4 && !link.bridge_calls6);
    put_bridge(&answer, 0, 1);
    assert_int_equal(decode(&answer, all, &link), 0);
    assert_true(!link.bridge_calls4 && link.bridge_calls6);
    /* Without br_netfilter nobody looks at the switch. */
    assert_int_equal(decode(&answer, (struct ng_links_all){0}, &link), 0);
    assert_false(link.bridge_calls4 || link.bridge_calls6);

    all.bridge_calls4 = true;
    put_bridge(&answer, 0, 0);
    assert_int_equal(decode(&answer, all, &link), 0);
    assert_true(link.bridge_calls4 && !link.bridge_calls6);
    put_link(&answer, "a", 8);
    assert_int_equal(decode(&answer, all, &link), 0);
    assert_false(link.bridge_calls4);
}

/* A link of this kind; its IFLA_INFO_DATA, begun, and below it IFLA_LINKINFO. */
static struct nlattr *put_tunnel(union answer *answer, const char *kind, struct nlattr **ret_info) {
    put_link(answer, "vx0", 7);
    *ret_info = put_kind(answer, kind);
    return mnl_attr_nest_start(&answer->message, IFLA_INFO_DATA);
}

static void the_ports_of_tunnels_are_told(void **state) {
    static const struct {
        const char *kind;
        uint16_t port, address, metadata, metadata_len; /* attributes; 0: not there */
        uint8_t value;
        bool four, six;
    } cases[] = {
        {"vxlan", IFLA_VXLAN_PORT, .four = true},
        {"vxlan", IFLA_VXLAN_PORT, IFLA_VXLAN_LOCAL, .four = true},
        {"vxlan", IFLA_VXLAN_PORT, IFLA_VXLAN_LOCAL6, .six = true},
        {"vxlan", IFLA_VXLAN_PORT, IFLA_VXLAN_GROUP6, .six = true},
        {"vxlan", IFLA_VXLAN_PORT, 0, IFLA_VXLAN_COLLECT_METADATA, 1, 0, true, false},
        {"vxlan", IFLA_VXLAN_PORT, 0, IFLA_VXLAN_COLLECT_METADATA, 1, 1, true, true},
        {"vxlan", IFLA_VXLAN_PORT, IFLA_VXLAN_LOCAL6, IFLA_VXLAN_COLLECT_METADATA, 1, 1, true,
         true},
        {"geneve", IFLA_GENEVE_PORT, IFLA_GENEVE_REMOTE, .four = true},
        {"geneve", IFLA_GENEVE_PORT, IFLA_GENEVE_REMOTE6, .six = true},
        {"geneve", IFLA_GENEVE_PORT, 0, IFLA_GENEVE_COLLECT_METADATA, 0, 0, true, true},
        {"bareudp", IFLA_BAREUDP_PORT, .six = true},
        {"vxlan", .port = 0},
        {"ipip", IFLA_VXLAN_PORT, .four = false},
    };
    const uint8_t addr[16] = {1};
    struct ng_link link;
    union answer answer;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct nlattr *info, *data = put_tunnel(&answer, cases[i].kind, &info);

        if (cases[i].port)
            mnl_attr_put_u16(&answer.message, cases[i].port, htons(51820));
        if (cases[i].address)
            mnl_attr_put(&answer.message, cases[i].address, sizeof(addr), addr);
        if (cases[i].metadata)
            mnl_attr_put(&answer.message, cases[i].metadata, cases[i].metadata_len,
                         &cases[i].value);
        mnl_attr_nest_end(&answer.message, data);
        mnl_attr_nest_end(&answer.message, info);
        assert_int_equal(decode(&answer, (struct ng_links_all){0}, &link), 0);
        assert_int_equal(link.udp_port4, cases[i].four ? 51820 : 0);
        assert_int_equal(link.udp_port6, cases[i].six ? 51820 : 0);
        /* It has come from there, and its socket has not. */
        mnl_attr_put_u32(&answer.message, IFLA_LINK_NETNSID, 0);
        assert_int_equal(decode(&answer, (struct ng_links_all){0}, &link), 0);
        assert_int_equal(link.udp_port4 + link.udp_port6, 0);
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
    mnl_attr_put(&answer.message, IFLA_LINKINFO, 3, "abc");
    assert_int_equal(decode(&answer, (struct ng_links_all){0}, &link), -EBADMSG);
    struct nlattr *info, *data = put_tunnel(&answer, "vxlan", &info);
    mnl_attr_put(&answer.message, IFLA_VXLAN_PORT, 1, "a"); /* is none */
    mnl_attr_nest_end(&answer.message, data);
    mnl_attr_nest_end(&answer.message, info);
    assert_int_equal(decode(&answer, (struct ng_links_all){0}, &link), 0);
    assert_int_equal(link.udp_port4, 0);
    put_link(&answer, "a", 1);
    info = put_kind(&answer, "vxlan");
    mnl_attr_put(&answer.message, IFLA_INFO_DATA, 3, "abc");
    mnl_attr_nest_end(&answer.message, info);
    assert_int_equal(decode(&answer, (struct ng_links_all){0}, &link), -EBADMSG);
    put_link(&answer, "a", 1);
    answer.message.nlmsg_type = RTM_DELLINK;
    assert_int_equal(decode(&answer, (struct ng_links_all){0}, &link), 1);
}

static struct ifaddrmsg *put_address(union answer *answer, uint8_t family, uint8_t len) {
    struct ifaddrmsg *header = begin_answer(answer, RTM_NEWADDR, sizeof(*header));

    header->ifa_family = family;
    header->ifa_prefixlen = len;
    header->ifa_index = 4;
    return header;
}

static void an_address_not_yet_in_use_is_none(void **state) {
    static const struct {
        uint8_t family, flags;
        int r;
    } cases[] = {
        {AF_INET6, IFA_F_TENTATIVE, 1},
        {AF_INET6, IFA_F_TENTATIVE | IFA_F_DADFAILED, 1},
        {AF_INET6, IFA_F_TENTATIVE | IFA_F_OPTIMISTIC, 0},
        {AF_INET6, IFA_F_DEPRECATED | IFA_F_PERMANENT, 0},
        {AF_INET, IFA_F_TENTATIVE, 0},
    };
    struct ng_ifaddr ifaddr;
    union answer answer;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        bool six = cases[i].family == AF_INET6;

        put_address(&answer, cases[i].family, 32)->ifa_flags = cases[i].flags;
        put_addr(&answer, IFA_LOCAL, cases[i].family, six ? "2001:db8::1" : "192.0.2.1");
        assert_int_equal(ng_links_decode_address(&answer.message, &ifaddr), cases[i].r);
    }
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

static void a_bridge_is_known_by_its_address(void **state) {
    const struct ng_link links[] = {{.index = 1, .name = "eth0", .kind = ""},
                                    {.index = 2, .name = "podman0", .kind = "bridge"}};
    const struct ng_ifaddr ifaddrs[] = {{.addr = {NG_IP4, 1}, .link = 1},
                                        {.addr = {NG_IP4, 2}, .link = 2}};
    const struct ng_world world = {
        .links = links, .n_links = 2, .ifaddrs = ifaddrs, .n_ifaddrs = 2};
    (void)state;
    assert_string_equal(ng_links_bridge_with(&world, (struct ng_addr){NG_IP4, 2}), "podman0");
    assert_null(ng_links_bridge_with(&world, (struct ng_addr){NG_IP4, 1})); /* no bridge */
    assert_null(ng_links_bridge_with(&world, (struct ng_addr){NG_IP6, 2}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bridge_is_known_by_its_address),
        cmocka_unit_test(a_link_is_read),
        cmocka_unit_test(what_holds_for_all_holds_for_each),
        cmocka_unit_test(an_xdp_program_is_noticed),
        cmocka_unit_test(a_source_switch_for_all_or_for_one_is_on),
        cmocka_unit_test(the_link_below_is_told),
        cmocka_unit_test(the_table_of_a_vrf_is_told),
        cmocka_unit_test(a_bridge_calls_the_hooks_of_ip),
        cmocka_unit_test(the_ports_of_tunnels_are_told),
        cmocka_unit_test(malformed_links_are_refused),
        cmocka_unit_test(an_address_not_yet_in_use_is_none),
        cmocka_unit_test(the_own_end_of_an_address_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
