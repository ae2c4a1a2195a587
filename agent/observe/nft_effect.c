/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nft_set.h"

#include <errno.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_log.h>
#include <linux/netfilter/nf_synproxy.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

enum { EFFECT_TEXT = 512 };

static uint16_t attribute_be16(const struct nlattr *attribute, uint16_t absent) {
    return attribute && mnl_attr_get_payload_len(attribute) == sizeof(uint16_t)
               ? (uint16_t)ng_wire_number(mnl_attr_get_payload(attribute), sizeof(uint16_t), false)
               : absent;
}

/* -- limits --------------------------------------------------------------------------------- */

/* The largest unit that bytes are a whole number of. */
static const char *byte_unit(uint64_t *bytes) {
    static const char *const units[] = {"bytes", "kbytes", "mbytes"};
    size_t i = 0;
    while (i + 1 < ARRAY_SIZE(units) && *bytes && *bytes % 1024 == 0) {
        *bytes /= 1024;
        i++;
    }
    return units[i];
}

int ng_decode_limit(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_LIMIT_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_LIMIT_MAX);
    if (r < 0)
        return r;
    uint64_t unit_s = ng_attribute_be64(attributes[NFTA_LIMIT_UNIT], 1);
    uint64_t rate = ng_attribute_be64(attributes[NFTA_LIMIT_RATE], 0);
    enum { BURST_UNSAID = 5 }; /* packets, where nobody says how many */
    uint64_t burst = ng_attribute_be32(attributes[NFTA_LIMIT_BURST], 0);
    bool over = ng_attribute_be32(attributes[NFTA_LIMIT_FLAGS], 0) & NFT_LIMIT_F_INV;
    bool of_bytes =
        ng_attribute_be32(attributes[NFTA_LIMIT_TYPE], NFT_LIMIT_PKTS) != NFT_LIMIT_PKTS;
    const char *per = unit_s == 60       ? "minute"
                      : unit_s == 3600   ? "hour"
                      : unit_s == 86400  ? "day"
                      : unit_s == 604800 ? "week"
                                         : "second";
    char text[EFFECT_TEXT];
    const char *unit = of_bytes ? byte_unit(&rate) : "", *space = of_bytes ? " " : "";
    snprintf(text, sizeof(text), "limit rate %s%llu%s%s/%s", over ? "over " : "",
             (unsigned long long)rate, space, unit, per);
    if (burst && (of_bytes || burst != BURST_UNSAID)) {
        unit = of_bytes ? byte_unit(&burst) : "packets";
        ng_append(text, EFFECT_TEXT, " burst %llu %s", (unsigned long long)burst, unit);
    }
    return ng_op_add_text(run->list, NG_OP_UNDECIDED, "%s", text);
}

int ng_decode_quota(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_QUOTA_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_QUOTA_MAX);
    if (r < 0)
        return r;
    uint64_t bytes = ng_attribute_be64(attributes[NFTA_QUOTA_BYTES], 0);
    bool over = ng_attribute_be32(attributes[NFTA_QUOTA_FLAGS], 0) & NFT_QUOTA_F_INV;
    const char *unit = byte_unit(&bytes);
    return ng_op_add_text(run->list, NG_OP_UNDECIDED, "quota %s%llu %s", over ? "over " : "",
                          (unsigned long long)bytes, unit);
}

int ng_decode_connlimit(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_CONNLIMIT_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_CONNLIMIT_MAX);
    if (r < 0)
        return r;
    bool over = ng_attribute_be32(attributes[NFTA_CONNLIMIT_FLAGS], 0) & NFT_CONNLIMIT_F_INV;
    run->list->tracks = true;
    return ng_op_add_text(run->list, NG_OP_UNDECIDED, "ct count %s%u", over ? "over " : "",
                          ng_attribute_be32(attributes[NFTA_CONNLIMIT_COUNT], 0));
}

/* -- log ------------------------------------------------------------------------------------ */

static void append_log_flags(char *text, uint32_t flags) {
    if ((flags & NF_LOG_MASK) == NF_LOG_MASK) {
        ng_append(text, EFFECT_TEXT, " flags all");
        return;
    }
    if (flags & (NF_LOG_TCPSEQ | NF_LOG_TCPOPT))
        ng_append(text, EFFECT_TEXT, " flags tcp %s%s%s", flags & NF_LOG_TCPSEQ ? "sequence" : "",
                  (flags & NF_LOG_TCPSEQ) && (flags & NF_LOG_TCPOPT) ? "," : "",
                  flags & NF_LOG_TCPOPT ? "options" : "");
    if (flags & NF_LOG_IPOPT)
        ng_append(text, EFFECT_TEXT, " flags ip options");
    if (flags & NF_LOG_UID)
        ng_append(text, EFFECT_TEXT, " flags skuid");
    if (flags & NF_LOG_MACDECODE)
        ng_append(text, EFFECT_TEXT, " flags ether");
}

int ng_decode_log(struct run *run, const struct nlattr *data) {
    static const char *const levels[] = {"emerg",  "alert", "crit",  "err",  "warn",
                                         "notice", "info",  "debug", "audit"};
    const struct nlattr *attributes[NFTA_LOG_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_LOG_MAX);
    if (r < 0)
        return r;
    const char *prefix = ng_attribute_text(attributes[NFTA_LOG_PREFIX]);
    uint32_t level = ng_attribute_be32(attributes[NFTA_LOG_LEVEL], NFT_LOGLEVEL_WARNING);
    char text[EFFECT_TEXT] = "log";
    if (prefix)
        ng_append(text, EFFECT_TEXT, " prefix \"%s\"", prefix);
    if (attributes[NFTA_LOG_GROUP]) {
        ng_append(text, EFFECT_TEXT, " group %u", attribute_be16(attributes[NFTA_LOG_GROUP], 0));
        uint32_t snaplen = ng_attribute_be32(attributes[NFTA_LOG_SNAPLEN], 0);
        uint16_t threshold = attribute_be16(attributes[NFTA_LOG_QTHRESHOLD], 0);
        if (snaplen)
            ng_append(text, EFFECT_TEXT, " snaplen %u", snaplen);
        if (threshold)
            ng_append(text, EFFECT_TEXT, " queue-threshold %u", threshold);
    } else {
        if (level != NFT_LOGLEVEL_WARNING && level < ARRAY_SIZE(levels))
            ng_append(text, EFFECT_TEXT, " level %s", levels[level]);
        append_log_flags(text, ng_attribute_be32(attributes[NFTA_LOG_FLAGS], 0));
    }
    return ng_op_add_text(run->list, NG_OP_NOTHING, "%s", text);
}

/* -- verdicts ------------------------------------------------------------------------------- */

static int add_verdict(struct run *run, enum ng_verdict_kind kind, const char *text) {
    char *own = ng_arena_strdup(run->decoder->arena, text);
    return own ? ng_op_add(run->list, (struct ng_op){.kind = NG_OP_VERDICT,
                                                     .verdict = {.kind = kind, .text = own}})
               : -ENOMEM;
}

int ng_decode_queue(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_QUEUE_MAX + 1];
    char text[EFFECT_TEXT] = "queue";
    int r = ng_attributes_in(data, attributes, NFTA_QUEUE_MAX);
    if (r < 0)
        return r;
    uint16_t first = attribute_be16(attributes[NFTA_QUEUE_NUM], 0);
    uint16_t total = attribute_be16(attributes[NFTA_QUEUE_TOTAL], 1);
    uint16_t flags = attribute_be16(attributes[NFTA_QUEUE_FLAGS], 0);
    bool bypass = flags & NFT_QUEUE_FLAG_BYPASS, fanout = flags & NFT_QUEUE_FLAG_CPU_FANOUT;
    if (flags)
        ng_append(text, EFFECT_TEXT, " flags %s%s%s", bypass ? "bypass" : "",
                  bypass && fanout ? "," : "", fanout ? "fanout" : "");
    if (attributes[NFTA_QUEUE_SREG_QNUM])
        ng_append(text, EFFECT_TEXT, " to a computed number");
    else
        ng_append(text, EFFECT_TEXT, " to %u", first);
    if (total > 1)
        ng_append(text, EFFECT_TEXT, "-%u", first + total - 1U);
    return add_verdict(run, NG_VERDICT_UNKNOWN, text);
}

static const char *reject_code(uint32_t type, uint8_t family, uint8_t code) {
    static const char *const icmp[] = {
        [ICMP_NET_UNREACH] = "net-unreachable",   [ICMP_HOST_UNREACH] = "host-unreachable",
        [ICMP_PROT_UNREACH] = "prot-unreachable", [ICMP_PORT_UNREACH] = "port-unreachable",
        [ICMP_NET_ANO] = "net-prohibited",        [ICMP_HOST_ANO] = "host-prohibited",
        [ICMP_PKT_FILTERED] = "admin-prohibited",
    };
    static const char *const icmp6[] = {
        [ICMPV6_NOROUTE] = "no-route",
        [ICMPV6_ADM_PROHIBITED] = "admin-prohibited",
        [ICMPV6_ADDR_UNREACH] = "addr-unreachable",
        [ICMPV6_PORT_UNREACH] = "port-unreachable",
        [ICMPV6_POLICY_FAIL] = "policy-fail",
        [ICMPV6_REJECT_ROUTE] = "reject-route",
    };
    static const char *const icmpx[] = {
        [NFT_REJECT_ICMPX_NO_ROUTE] = "no-route",
        [NFT_REJECT_ICMPX_PORT_UNREACH] = "port-unreachable",
        [NFT_REJECT_ICMPX_HOST_UNREACH] = "host-unreachable",
        [NFT_REJECT_ICMPX_ADMIN_PROHIBITED] = "admin-prohibited",
    };
    const char *const *names = type == NFT_REJECT_ICMPX_UNREACH ? icmpx
                               : family == NG_IP6               ? icmp6
                                                                : icmp;
    size_t count = type == NFT_REJECT_ICMPX_UNREACH ? ARRAY_SIZE(icmpx)
                   : family == NG_IP6               ? ARRAY_SIZE(icmp6)
                                                    : ARRAY_SIZE(icmp);
    return code < count && names[code] ? names[code] : "?";
}

int ng_decode_reject(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_REJECT_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_REJECT_MAX);
    if (r < 0)
        return r;
    uint32_t type = ng_attribute_be32(attributes[NFTA_REJECT_TYPE], NFT_REJECT_ICMP_UNREACH);
    uint8_t code = ng_attribute_u8(attributes[NFTA_REJECT_ICMP_CODE], 0), family = run->said.family;
    char text[EFFECT_TEXT];
    if (type == NFT_REJECT_TCP_RST)
        snprintf(text, sizeof(text), "reject with tcp reset");
    else
        snprintf(text, sizeof(text), "reject with %s %s",
                 type == NFT_REJECT_ICMPX_UNREACH ? "icmpx"
                 : family == NG_IP6               ? "icmpv6"
                                                  : "icmp",
                 reject_code(type, family, code));
    return add_verdict(run, NG_VERDICT_DROP, text);
}

/* The machine answers in the server's place: what reaches the server is another packet. */
int ng_decode_synproxy(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_SYNPROXY_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_SYNPROXY_MAX);
    if (r < 0)
        return r;
    uint32_t flags = ng_attribute_be32(attributes[NFTA_SYNPROXY_FLAGS], 0);
    char text[EFFECT_TEXT] = "synproxy";
    if (flags & NF_SYNPROXY_OPT_MSS)
        ng_append(text, EFFECT_TEXT, " mss %u", attribute_be16(attributes[NFTA_SYNPROXY_MSS], 0));
    if (flags & NF_SYNPROXY_OPT_WSCALE)
        ng_append(text, EFFECT_TEXT, " wscale %u",
                  ng_attribute_u8(attributes[NFTA_SYNPROXY_WSCALE], 0));
    if (flags & NF_SYNPROXY_OPT_TIMESTAMP)
        ng_append(text, EFFECT_TEXT, " timestamp");
    if (flags & NF_SYNPROXY_OPT_SACK_PERM)
        ng_append(text, EFFECT_TEXT, " sack-perm");
    run->list->tracks = true;
    return ng_op_add_text(run->list, NG_OP_UNKNOWN, "%s", text);
}

/* -- sets and objects ----------------------------------------------------------------------- */

int ng_decode_dynset(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_DYNSET_MAX + 1];
    struct value key;
    size_t at;
    int r = ng_attributes_in(data, attributes, NFTA_DYNSET_MAX);
    if (r < 0)
        return r;
    const char *name = ng_attribute_text(attributes[NFTA_DYNSET_SET_NAME]);
    struct raw_set *set = name ? ng_set_find(run->decoder, run->table, name) : NULL;
    if (!set || ng_register_at(attributes[NFTA_DYNSET_SREG_KEY], set->key_len_bytes, &at) < 0)
        return -EBADMSG;
    uint32_t op = ng_attribute_be32(attributes[NFTA_DYNSET_OP], UINT32_MAX);
    set->adds = set->adds || op != NFT_DYNSET_OP_DELETE;
    set->removes = set->removes || op == NFT_DYNSET_OP_DELETE;
    ng_registers_read(run, at, set->key_len_bytes, &key);
    r = ng_require_value(run, &key);
    if (r < 0)
        return r;
    switch (op) {
    case NFT_DYNSET_OP_DELETE:
        return ng_op_add_text(run->list, NG_OP_NOTHING, "delete @%s", set->name);
    case NFT_DYNSET_OP_ADD:
    case NFT_DYNSET_OP_UPDATE:
        /* A full set, or a limit that elements have, ends the rule. */
        return ng_op_add_text(run->list, NG_OP_UNDECIDED, "%s @%s",
                              op == NFT_DYNSET_OP_ADD ? "add" : "update", set->name);
    default:
        return ng_op_add_undecoded(run->list, NG_OP_UNKNOWN, "an unknown change of @%s", set->name);
    }
}

static int add_object(struct run *run, uint32_t type, const char *name, bool by_map) {
    static const struct {
        const char *text;
        enum ng_op_kind kind;
        bool known, tracks;
    } objects[] = {
        [NFT_OBJECT_COUNTER] = {"counter name", NG_OP_NOTHING, true, false},
        [NFT_OBJECT_QUOTA] = {"quota name", NG_OP_UNDECIDED, true, false},
        [NFT_OBJECT_CT_HELPER] = {"ct helper set", NG_OP_NOTHING, true, true},
        [NFT_OBJECT_LIMIT] = {"limit name", NG_OP_UNDECIDED, true, false},
        [NFT_OBJECT_CONNLIMIT] = {"ct count name", NG_OP_UNDECIDED, true, true},
        [NFT_OBJECT_TUNNEL] = {"tunnel name", NG_OP_NOTHING, true, false},
        [NFT_OBJECT_CT_TIMEOUT] = {"ct timeout set", NG_OP_NOTHING, true, true},
        [NFT_OBJECT_SECMARK] = {"meta secmark set", NG_OP_NOTHING, true, false},
        [NFT_OBJECT_CT_EXPECT] = {"ct expectation set", NG_OP_NOTHING, true, true},
        [NFT_OBJECT_SYNPROXY] = {"synproxy name", NG_OP_UNKNOWN, true, true},
    };
    if (type >= ARRAY_SIZE(objects) || !objects[type].known)
        return ng_op_add_undecoded(run->list, NG_OP_UNKNOWN, "object \"%s\"", name);
    run->list->tracks = run->list->tracks || objects[type].tracks;
    return ng_op_add_text(run->list, objects[type].kind, by_map ? "%s @%s" : "%s \"%s\"",
                          objects[type].text, name);
}

int ng_decode_objref(struct run *run, const struct nlattr *data) {
    const struct nlattr *attributes[NFTA_OBJREF_MAX + 1];
    int r = ng_attributes_in(data, attributes, NFTA_OBJREF_MAX);
    if (r < 0)
        return r;
    const char *name = ng_attribute_text(attributes[NFTA_OBJREF_IMM_NAME]);
    if (name)
        return add_object(run, ng_attribute_be32(attributes[NFTA_OBJREF_IMM_TYPE], UINT32_MAX),
                          name, false);
    const char *set_name = ng_attribute_text(attributes[NFTA_OBJREF_SET_NAME]);
    struct raw_set *set = set_name ? ng_set_find(run->decoder, run->table, set_name) : NULL;
    const struct reading *reading;
    if (!set)
        return -EBADMSG;
    /* A packet without an element ends the rule. */
    r = ng_add_lookup(run, set, attributes[NFTA_OBJREF_SET_SREG], false, &reading);
    return r < 0 ? r : add_object(run, set->object, set->name, true);
}
