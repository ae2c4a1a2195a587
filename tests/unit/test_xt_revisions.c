/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iptables' and ebtables' extensions to operations: structures made by hand, of older revisions,
 * of extensions that few kernels have, of those that need an ipset or a bridge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <linux/filter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_CONNMARK.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/netfilter/xt_TPROXY.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_bpf.h>
#include <linux/netfilter/xt_cgroup.h>
#include <linux/netfilter/xt_connlabel.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_hashlimit.h>
#include <linux/netfilter/xt_ipvs.h>
#include <linux/netfilter/xt_l2tp.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_nfacct.h>
#include <linux/netfilter/xt_rateest.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter/xt_socket.h>
#include <linux/netfilter/xt_state.h>
#include <linux/netfilter/xt_string.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_bridge/ebt_ip.h>
#include <linux/netfilter_bridge/ebt_ip6.h>
#include <linux/netfilter_bridge/ebt_limit.h>
#include <linux/netfilter_bridge/ebt_mark_m.h>
#include <linux/netfilter_bridge/ebt_mark_t.h>
#include <linux/netfilter_bridge/ebt_nat.h>
#include <linux/netfilter_bridge/ebt_pkttype.h>

#include "tests/unit/fixture_ipset.h"
#include "tests/unit/fixture_xt.h"

/* -- older revisions ----------------------------------------------------------------- */

static union nf_inet_addr addr4(const char *text) {
    union nf_inet_addr addr = {{0}};
    assert_int_equal(inet_pton(AF_INET, text, &addr.ip), 1);
    return addr;
}

/* Single ports in network order, and a shorter mask in the first of them. */
static void test_conntrack_revisions(void **test_state) {
    (void)test_state;
    struct xt_conntrack_mtinfo2 two = {
        .origdst_addr = addr4("192.0.2.7"),
        .origdst_mask = addr4("255.255.255.0"),
        .origdst_port = htons(80),
        .repldst_port = htons(5000),
        .match_flags = XT_CONNTRACK_STATE | XT_CONNTRACK_ORIGDST | XT_CONNTRACK_ORIGDST_PORT |
                       XT_CONNTRACK_REPLDST_PORT | XT_CONNTRACK_STATUS,
        .invert_flags = XT_CONNTRACK_REPLDST_PORT,
        .state_mask = XT_CONNTRACK_STATE_BIT(IP_CT_NEW),
        .status_mask = IPS_SEEN_REPLY,
    };
    static const char expected[] = "tracks\n"
                                   "match ct_state&0x8 in 0x1-max\n"
                                   "match ct_daddr/4 in 0xc0000200-0xc00002ff\n"
                                   "match ct_dport in 0x50\n"
                                   "match not ct_reply_dport in 0x1388\n"
                                   "match ct_status&0x2 in 0x1-max\n";
    MATCH(NFPROTO_IPV4, "conntrack", 2, two, expected);
    struct xt_conntrack_mtinfo1 one;
    memcpy(&one, &two, sizeof(one));
    one.state_mask = (uint8_t)two.state_mask;
    one.status_mask = (uint8_t)two.status_mask;
    MATCH(NFPROTO_IPV4, "conntrack", 1, one, expected);
    const struct xt_state_info state = {XT_STATE_BIT(IP_CT_NEW) | XT_STATE_UNTRACKED};
    MATCH(NFPROTO_IPV6, "state", 0, state, "tracks\nmatch ct_state&0x48 in 0x1-max\n");
}

static void test_address_revisions(void **state) {
    (void)state;
    const struct xt_addrtype_info types = {
        .source = XT_ADDRTYPE_LOCAL, .dest = XT_ADDRTYPE_BROADCAST, .invert_source = 1};
    MATCH(NFPROTO_IPV4, "addrtype", 0, types,
          "match not fib_type/fib129 in 0x2\nmatch fib_type/fib130 in 0x3\n");
    const struct {
        uint32_t src_min, src_max, dst_min, dst_max;
        uint8_t flags;
    } range = {htonl(1), htonl(5), htonl(9), htonl(9), 0x01 | 0x02 | 0x20};
    MATCH(NFPROTO_IPV4, "iprange", 0, range,
          "match saddr/4 in 0x1-0x5\nmatch not daddr/4 in 0x9\n");
}

static void test_port_revisions(void **state) {
    (void)state;
    const struct xt_multiport ports = {
        .flags = XT_MULTIPORT_DESTINATION, .count = 3, .ports = {80, 22, 81}};
    MATCH(NFPROTO_IPV4, "multiport", 0, ports, "match dport in 0x16, 0x50-0x51\n");
    const struct xt_udp udplite = {
        .spts = {0, 65535}, .dpts = {7, 7}, .invflags = XT_UDP_INV_DSTPT};
    MATCH(NFPROTO_IPV6, "udplite", 0, udplite, "match not dport in 0x7\n");
}

static void test_text_revisions(void **state) {
    (void)state;
    const struct xt_recent_mtinfo recent = {
        .seconds = 60, .check_set = XT_RECENT_UPDATE, .name = "knock"};
    MATCH(NFPROTO_IPV4, "recent", 0, recent,
          "undecided: recent --update --seconds 60 --name knock\n");
    const struct xt_hashlimit_mtinfo1 limit1 = {
        .name = "h", .cfg = {.mode = XT_HASHLIMIT_HASH_DIP, .avg = XT_HASHLIMIT_SCALE / 5}};
    MATCH(NFPROTO_IPV4, "hashlimit", 1, limit1,
          "undecided: hashlimit --hashlimit-upto 5/second --hashlimit-mode dstip "
          "--hashlimit-name h\n");
    const struct xt_hashlimit_mtinfo2 limit2 = {
        .name = "h", .cfg = {.mode = XT_HASHLIMIT_INVERT, .avg = XT_HASHLIMIT_SCALE_v2 * 12}};
    MATCH(NFPROTO_IPV4, "hashlimit", 2, limit2,
          "undecided: hashlimit --hashlimit-above 5/minute --hashlimit-name h\n");
    const struct xt_string_info string = {.pattern = "ab", .patlen = 2, .u.v0.invert = 1};
    MATCH(NFPROTO_IPV4, "string", 0, string, "undecided: string ! --string \"ab\"\n");
    const struct xt_cgroup_info_v0 cgroup0 = {.id = 5, .invert = 1};
    MATCH(NFPROTO_IPV4, "cgroup", 0, cgroup0, "undecided: cgroup ! --cgroup 5\n");
    const struct xt_cgroup_info_v1 cgroup1 = {.has_path = 1, .path = "/a"};
    MATCH(NFPROTO_IPV4, "cgroup", 1, cgroup1, "undecided: cgroup --path /a\n");
    const struct xt_bpf_info bpf0 = {.bpf_program_num_elem = 4};
    MATCH(NFPROTO_IPV4, "bpf", 0, bpf0, "undecided: bpf --bytecode of 4 instructions\n");
    const struct xt_bpf_info_v1 bpf1 = {.mode = XT_BPF_MODE_PATH_PINNED, .path = "/sys/fs/bpf/x"};
    MATCH(NFPROTO_IPV4, "bpf", 1, bpf1, "undecided: bpf --object-pinned /sys/fs/bpf/x\n");
    const struct xt_socket_mtinfo2 socket2 = {.flags = XT_SOCKET_NOWILDCARD};
    MATCH(NFPROTO_IPV4, "socket", 2, socket2, "undecided: socket --nowildcard\n");
    assert_becomes(false, NFPROTO_IPV4, "socket", 0, "", 0, "undecided: socket\n");
}

static void test_labels(void **state) {
    (void)state;
    struct xt_connlabel_mtinfo label = {.bit = 5, .options = XT_CONNLABEL_OP_INVERT};
    MATCH(NFPROTO_IPV4, "connlabel", 0, label, "tracks\nmatch not any-of ct_label&0x20 in 0x20\n");
    label.options = XT_CONNLABEL_OP_SET;
    MATCH(NFPROTO_IPV4, "connlabel", 0, label,
          "tracks\nsets a label\nmatch ct_direction in 0x0-max\n"
          "nothing: connlabel --label 5 --set\n");
    label.options |= XT_CONNLABEL_OP_INVERT;
    MATCH(NFPROTO_IPV4, "connlabel", 0, label,
          "tracks\nsets a label\nmatch ct_state&0x41 in 0x1-max\n"
          "nothing: connlabel ! --label 5 --set\n");
}

/* What the kernel that recorded had not. */
static void test_rare_matches(void **state) {
    (void)state;
    const struct xt_nfacct_match_info account = {.name = "web"};
    MATCH(NFPROTO_IPV4, "nfacct", 0, account, "undecided: nfacct --nfacct-name web\n");
    MATCH(NFPROTO_IPV4, "nfacct", 1, account, "undecided: nfacct --nfacct-name web\n");
    const struct xt_l2tp_info tunnel = {.tid = 5, .sid = 6, .flags = XT_L2TP_TID | XT_L2TP_SID};
    MATCH(NFPROTO_IPV4, "l2tp", 0, tunnel, "undecided: l2tp --tid 5 --sid 6\n");
    const struct xt_ipvs_mtinfo balanced = {.bitmask = XT_IPVS_IPVS_PROPERTY};
    MATCH(NFPROTO_IPV4, "ipvs", 0, balanced, "undecided: ipvs\n");
    const struct xt_rateest_match_info rate = {.name1 = "r", .flags = XT_RATEEST_MATCH_INVERT};
    MATCH(NFPROTO_IPV4, "rateest", 0, rate, "undecided: rateest ! --rateest1 r\n");
    assert_becomes(false, NFPROTO_IPV6, "srh", 1, "", 0, "match exthdr'srh' in 0x0-max\n");
}

/* -- ipsets -------------------------------------------------------------------------- */

/* One address in a set with index 5, one network in a set with index 6. */
static const struct ng_ipsets *make_ipsets(struct ng_arena *arena) {
    struct listing listing = {.bytes = ng_arena_alloc(arena, 1, LISTING_BYTES)};
    const struct ng_ipsets *ipsets = NULL;
    assert_non_null(listing.bytes);
    begin_set(&listing, 5, "five", "hash:ip", AF_INET);
    begin_elements(&listing);
    put_member(&listing, (struct member){.ip = "192.0.2.1"});
    end_set(&listing);
    begin_set(&listing, 6, "six", "hash:net", AF_INET);
    begin_elements(&listing);
    put_member(&listing, (struct member){.ip = "192.0.2.0/24"});
    end_set(&listing);
    const struct ng_ipset_dump dump = {listing.bytes, listing.len_bytes, true};
    assert_int_equal(ng_ipsets_decode(arena, &dump, &ipsets, NULL), 0);
    return ipsets;
}

static void assert_asks(const char *name, uint32_t revision, const void *info, size_t len,
                        const char *expected) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    char *text = become(false, NFPROTO_IPV4, name, revision, info, len, make_ipsets(arena));
    assert_string_equal(text, expected);
    free(text);
}

static void test_set_revisions(void **state) {
    (void)state;
    static const char source[] = "match saddr/4 in 0xc0000201\n";
    static const char no_destination[] = "match not daddr/4 in 0xc0000201\n";
    const struct xt_set_info_match_v0 zero = {{.index = 5, .u.flags = {IPSET_SRC}}};
    assert_asks("set", 0, &zero, sizeof(zero), source);
    const struct xt_set_info_match_v0 zero_not = {
        {.index = 5, .u.flags = {IPSET_DST | IPSET_MATCH_INV}}};
    assert_asks("set", 0, &zero_not, sizeof(zero_not), no_destination);
    const struct xt_set_info_match_v1 one = {{5, 1, IPSET_DIM_ONE_SRC}};
    assert_asks("set", 1, &one, sizeof(one), source);
    const struct xt_set_info_match_v1 two = {{5, 1, IPSET_INV_MATCH}};
    assert_asks("set", 2, &two, sizeof(two), no_destination);
    const struct xt_set_info_match_v3 three = {.match_set = {5, 1, IPSET_DIM_ONE_SRC},
                                               .bytes = {IPSET_COUNTER_LT, 9}};
    assert_asks("set", 3, &three, sizeof(three), "match saddr/4 maybe in 0xc0000201\n");
    const struct xt_set_info_match_v4 four = {
        .match_set = {5, 1, IPSET_DIM_ONE_SRC},
        .packets = {.op = IPSET_COUNTER_GT, .value = 3},
    };
    assert_asks("set", 4, &four, sizeof(four), "match saddr/4 maybe in 0xc0000201\n");
}

/* Only what was put in the set as an exception is asked for: nothing was. */
static void test_set_nomatch(void **state) {
    (void)state;
    const struct xt_set_info_match_v4 four = {.match_set = {6, 1, IPSET_DIM_ONE_SRC},
                                              .flags = IPSET_FLAG_RETURN_NOMATCH};
    const struct xt_set_info_match_v1 two = {{6, 1, IPSET_DIM_ONE_SRC | IPSET_RETURN_NOMATCH}};
    assert_asks("set", 4, &four, sizeof(four), "match saddr/4\n");
    assert_asks("set", 2, &two, sizeof(two), "match saddr/4\n");
}

static void test_set_targets(void **state) {
    (void)state;
    enum { NONE = IPSET_INVALID_ID };
    const struct xt_set_info_target_v0 zero = {{.index = 5}, {.index = NONE}};
    TARGET(NFPROTO_IPV4, "SET", 0, zero, "nothing: SET --add-set\n");
    const struct xt_set_info_target_v1 one = {{NONE, 0, 0}, {5, 1, 0}};
    TARGET(NFPROTO_IPV4, "SET", 1, one, "nothing: SET --del-set\n");
    const struct xt_set_info_target_v2 two = {.add_set = {5, 1, 0}, .del_set = {NONE, 0, 0}};
    TARGET(NFPROTO_IPV4, "SET", 2, two, "nothing: SET --add-set\n");
    struct xt_set_info_target_v3 three = {{NONE, 0, 0}, {NONE, 0, 0}, {5, 1, 0}, 0, 0};
    TARGET(NFPROTO_IPV4, "SET", 3, three, "nothing: SET\n");
    three.flags = IPSET_FLAG_MAP_SKBMARK;
    TARGET(NFPROTO_IPV4, "SET", 3, three, "nothing: SET\nassign mark := unknown\n");
    three.map_set.index = NONE;
    TARGET(NFPROTO_IPV4, "SET", 3, three, "nothing: SET\n");
}

/* What a rule adds to a set another one may find there. */
static void test_set_that_grows(void **state) {
    (void)state;
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct op_list list = {.arena = arena, .ipsets = make_ipsets(arena)};
    const struct xt_set_info_match_v1 match = {{5, 1, IPSET_DIM_ONE_SRC}};
    const struct xt_set_info_target_v1 target = {{5, 1, IPSET_DIM_ONE_SRC},
                                                 {IPSET_INVALID_ID, 0, 0}};
    assert_int_equal(ng_decode_xt_target(&list, NFPROTO_IPV4, "SET", 1, &target, sizeof(target)),
                     0);
    assert_int_equal(ng_decode_xt_match(&list, NFPROTO_IPV4, "set", 1, &match, sizeof(match)), 0);
    assert_int_equal(list.ops[1].kind, NG_OP_MATCH);
    assert_true(list.ops[1].match->dynamic);
}

/* -- targets by hand ----------------------------------------------------------------- */

static void test_nat_revisions(void **state) {
    (void)state;
    const struct nf_nat_ipv4_multi_range_compat old = {
        1,
        {{NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED | NF_NAT_RANGE_PROTO_RANDOM,
          htonl(1),
          htonl(2),
          {htons(90)},
          {htons(80)}}}};
    TARGET(NFPROTO_IPV4, "DNAT", 0, old, "tracks\ndnat addr 0.0.0.1-0.0.0.2 port 80-90 random\n");
    TARGET(NFPROTO_IPV4, "SNAT", 0, old,
           "tracks\nsource nat: snat to 0.0.0.1-0.0.0.2:80-90 random\n");
    struct nf_nat_range range = {.flags = NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_OFFSET,
                                 .min_addr = addr4("192.0.2.1"),
                                 .max_addr = addr4("192.0.2.1")};
    TARGET(NFPROTO_IPV4, "DNAT", 1, range, "tracks\ndnat addr 192.0.2.1-192.0.2.1\n");
    const struct nf_nat_range ports = {.flags =
                                           NF_NAT_RANGE_PROTO_SPECIFIED | NF_NAT_RANGE_PROTO_OFFSET,
                                       .min_proto = {htons(1)},
                                       .max_proto = {htons(9)}};
    TARGET(NFPROTO_IPV4, "DNAT", 1, ports, "tracks\ndnat port 1-9\n");
    TARGET(NFPROTO_IPV4, "SNAT", 1, range, "tracks\nsource nat: snat to 192.0.2.1\n");
    range.max_addr = addr4("192.0.2.0");
    TARGET(NFPROTO_IPV4, "DNAT", 1, range,
           "tracks\nunknown: dnat to a range that ends before it begins\n");
}

static void test_mark_revisions(void **state) {
    (void)state;
    struct xt_connmark_tginfo1 one = {0x10, 0xf0, 0x0f, XT_CONNMARK_SET};
    TARGET(NFPROTO_IPV4, "CONNMARK", 1, one,
           "tracks\nassign ct_mark := ct_mark&0xffffff0f ^ 0x10\n");
    one.mode = XT_CONNMARK_SAVE;
    TARGET(NFPROTO_IPV4, "CONNMARK", 1, one,
           "tracks\nassign ct_mark := ct_mark&0xffffff0f ^ mark&0xf ^ 0x0\n");
    one.mode = XT_CONNMARK_RESTORE;
    TARGET(NFPROTO_IPV4, "CONNMARK", 1, one,
           "tracks\nassign mark := mark&0xfffffff0 ^ ct_mark&0xf0 ^ 0x0\n");
    one.mode = 77;
    TARGET(NFPROTO_IPV4, "CONNMARK", 1, one, "tracks\nnothing\n");
    struct xt_connmark_tginfo2 two = {.ctmask = 0xff,
                                      .nfmask = 0xff,
                                      .shift_dir = D_SHIFT_LEFT,
                                      .shift_bits = 8,
                                      .mode = XT_CONNMARK_RESTORE};
    TARGET(NFPROTO_IPV4, "CONNMARK", 2, two, "tracks\nassign mark := unknown\n");
    two.mode = XT_CONNMARK_SET;
    TARGET(NFPROTO_IPV4, "CONNMARK", 2, two, "tracks\nassign ct_mark := unknown\n");
    const struct xt_tproxy_target_info proxy = {0xff, 0x1, htonl(0xc0000201), htons(8080)};
    TARGET(
        NFPROTO_IPV4, "TPROXY", 0, proxy,
        "tproxy addr 192.0.2.1-192.0.2.1 port 8080-8080 xtables mark := mark&0xffffff00 ^ 0x1\n");
}

static void test_ct_revisions(void **state) {
    (void)state;
    const struct xt_ct_target_info zero = {.zone = 5, .helper = "ftp"};
    TARGET(NFPROTO_IPV4, "CT", 0, zero, "tracks\nsets a zone\nnothing: CT --helper ftp --zone 5\n");
    struct xt_ct_target_info_v1 one = {.flags = XT_CT_ZONE_MARK, .timeout = "long"};
    TARGET(NFPROTO_IPV4, "CT", 1, one,
           "tracks\nsets a zone\nnothing: CT --timeout long --zone mark\n");
    one.flags = XT_CT_NOTRACK;
    TARGET(NFPROTO_IPV4, "CT", 2, one, "notrack\n");
    assert_becomes(true, NFPROTO_IPV6, "NOTRACK", 0, "", 0, "notrack\n");
}

static void test_queue_revisions(void **state) {
    (void)state;
    const struct xt_NFQ_info zero = {7};
    TARGET(NFPROTO_IPV4, "NFQUEUE", 0, zero, "verdict somebody decides: queue to 7\n");
    const struct xt_NFQ_info_v1 one = {7, 3};
    TARGET(NFPROTO_IPV4, "NFQUEUE", 1, one, "verdict somebody decides: queue to 7-9\n");
    const struct xt_NFQ_info_v2 two = {7, 1, 1};
    TARGET(NFPROTO_IPV4, "NFQUEUE", 2, two, "verdict somebody decides: queue flags bypass to 7\n");
}

static void test_rare_targets(void **state) {
    (void)state;
    static const struct {
        const char *name, *expected;
        uint32_t revision;
        uint8_t family;
    } targets[] = {
        {"SECMARK", "nothing: SECMARK\n", 1, NFPROTO_IPV4},
        {"SECMARK", "nothing: SECMARK\n", 0, NFPROTO_IPV4},
        {"IDLETIMER", "nothing: IDLETIMER\n", 0, NFPROTO_IPV4},
        {"LED", "nothing: LED\n", 0, NFPROTO_IPV6},
        {"ULOG", "nothing: ULOG\n", 0, NFPROTO_IPV4},
        {"CLUSTERIP", "tracks\nunknown: CLUSTERIP\n", 0, NFPROTO_IPV4},
    };
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
        assert_becomes(true, targets[i].family, targets[i].name, targets[i].revision, "", 0,
                       targets[i].expected);
}

/* -- ebtables ------------------------------------------------------------------------ */

static void test_bridge_matches(void **state) {
    (void)state;
    const struct ebt_ip_info ip = {
        .saddr = htonl(0x0a000001),
        .smsk = htonl(0xffffff00),
        .daddr = htonl(0x0a000000),
        .dmsk = htonl(0xffffff00),
        .protocol = 6,
        .dport = {80, 81},
        .bitmask = EBT_IP_SOURCE | EBT_IP_DEST | EBT_IP_PROTO | EBT_IP_DPORT,
        .invflags = EBT_IP_DEST,
    };
    /* 10.0.0.1 is never what 10.0.0.x has under a mask of 24 bits. */
    MATCH(NFPROTO_BRIDGE, "ip", 0, ip,
          "match saddr/4\nmatch not daddr/4 in 0xa000000-0xa0000ff\nmatch l4proto in 0x6\n"
          "match dport in 0x50-0x51\n");
    const struct ebt_ip6_info ip6 = {
        .tclass = 5, .protocol = 58, .bitmask = EBT_IP6_TCLASS | EBT_IP6_PROTO | EBT_IP6_ICMP6};
    MATCH(NFPROTO_BRIDGE, "ip6", 0, ip6,
          "match l4proto in 0x3a\nundecided: ebtables ip6 with class type\n");
    struct ebt_mark_m_info mark = {.mark = 1, .mask = 3, .invert = 1, .bitmask = EBT_MARK_AND};
    MATCH(NFPROTO_BRIDGE, "mark_m", 0, mark, "match not mark&0x3 in 0x1\n");
    mark.bitmask = EBT_MARK_OR;
    MATCH(NFPROTO_BRIDGE, "mark_m", 0, mark, "match not mark&0x3 in 0x1-max\n");
    const struct ebt_pkttype_info type = {.pkt_type = 2};
    MATCH(NFPROTO_BRIDGE, "pkttype", 0, type, "match pkttype in 0x2\n");
    const struct ebt_limit_info limit = {.avg = 1};
    MATCH(NFPROTO_BRIDGE, "limit", 0, limit, "undecided: ebtables limit\n");
    static const char *const names[] = {"among", "vlan", "stp", "arp", "802_3"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char expected[64];
        snprintf(expected, sizeof(expected), "undecided: ebtables %s\n", names[i]);
        assert_becomes(false, NFPROTO_BRIDGE, names[i], 0, "", 0, expected);
    }
}

static void test_bridge_targets(void **state) {
    (void)state;
    enum { ACCEPT = 0xf, DROP = 0xe, CONTINUE = 0xd, RETURN = 0xc };
    struct ebt_mark_t_info mark = {0x1, (int)(MARK_SET_VALUE | ACCEPT)};
    TARGET(NFPROTO_BRIDGE, "mark", 0, mark, "assign mark := 0x1\nverdict accept\n");
    mark.target = (int)(MARK_OR_VALUE | DROP);
    TARGET(NFPROTO_BRIDGE, "mark", 0, mark, "assign mark := mark&0xfffffffe ^ 0x1\nverdict drop\n");
    mark.target = (int)(MARK_AND_VALUE | CONTINUE);
    TARGET(NFPROTO_BRIDGE, "mark", 0, mark, "assign mark := mark&0x1 ^ 0x0\n");
    mark.target = (int)(MARK_XOR_VALUE | RETURN);
    TARGET(NFPROTO_BRIDGE, "mark", 0, mark,
           "assign mark := mark&0xffffffff ^ 0x1\nverdict return\n");
    mark.target = (int)MARK_XOR_VALUE;
    TARGET(NFPROTO_BRIDGE, "mark", 0, mark,
           "assign mark := mark&0xffffffff ^ 0x1\nundecoded, unknown: ebtables verdict -64\n");
    const struct ebt_nat_info nat = {.target = -1};
    TARGET(NFPROTO_BRIDGE, "snat", 0, nat, "nothing: ebtables snat\nverdict accept\n");
    TARGET(NFPROTO_BRIDGE, "dnat", 0, nat, "unknown: ebtables dnat\n");
    assert_becomes(true, NFPROTO_BRIDGE, "redirect", 0, "", 0, "unknown: ebtables redirect\n");
    assert_becomes(true, NFPROTO_BRIDGE, "arpreply", 0, "", 0, "unknown: ebtables arpreply\n");
    assert_becomes(true, NFPROTO_BRIDGE, "log", 0, "", 0, "nothing: log\n");
    assert_becomes(true, NFPROTO_BRIDGE, "nflog", 0, "", 0, "nothing: log\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conntrack_revisions),
        cmocka_unit_test(test_address_revisions),
        cmocka_unit_test(test_port_revisions),
        cmocka_unit_test(test_text_revisions),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_rare_matches),
        cmocka_unit_test(test_set_revisions),
        cmocka_unit_test(test_set_nomatch),
        cmocka_unit_test(test_set_targets),
        cmocka_unit_test(test_set_that_grows),
        cmocka_unit_test(test_nat_revisions),
        cmocka_unit_test(test_mark_revisions),
        cmocka_unit_test(test_ct_revisions),
        cmocka_unit_test(test_queue_revisions),
        cmocka_unit_test(test_rare_targets),
        cmocka_unit_test(test_bridge_matches),
        cmocka_unit_test(test_bridge_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
