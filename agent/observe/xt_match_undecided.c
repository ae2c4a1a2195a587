/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/xt_parts.h"

#include <limits.h>
#include <linux/filter.h>
#include <linux/netfilter/nfnetlink_osf.h>
#include <linux/netfilter/xt_bpf.h>
#include <linux/netfilter/xt_cgroup.h>
#include <linux/netfilter/xt_cpu.h>
#include <linux/netfilter/xt_dscp.h>
#include <linux/netfilter/xt_ecn.h>
#include <linux/netfilter/xt_esp.h>
#include <linux/netfilter/xt_hashlimit.h>
#include <linux/netfilter/xt_ipcomp.h>
#include <linux/netfilter/xt_ipvs.h>
#include <linux/netfilter/xt_l2tp.h>
#include <linux/netfilter/xt_length.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_nfacct.h>
#include <linux/netfilter/xt_osf.h>
#include <linux/netfilter/xt_quota.h>
#include <linux/netfilter/xt_rateest.h>
#include <linux/netfilter/xt_realm.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_socket.h>
#include <linux/netfilter/xt_statistic.h>
#include <linux/netfilter/xt_string.h>
#include <linux/netfilter/xt_tcpmss.h>
#include <linux/netfilter/xt_time.h>
#include <linux/netfilter/xt_u32.h>
#include <linux/netfilter_ipv4/ipt_ah.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>
#include <linux/netfilter_ipv6/ip6t_hl.h>

/* What no ruleset and no address tells: rates, clocks, memory of other packets, and the fields of
 * a packet that a question about a port leaves open. Said in the words of iptables. */

#define undecided(xt, ...) ng_op_add_text((xt)->list, NG_OP_UNDECIDED, __VA_ARGS__)

/* -- rates --------------------------------------------------------------------------- */

/* "3/minute": `period` is the time between packets, of which a second has `scale`. */
static void put_rate(struct xt_text *text, uint64_t period, uint64_t scale) {
    static const struct {
        uint32_t seconds;
        const char *name;
    } units[] = {{1, "second"}, {60, "minute"}, {3600, "hour"}, {86400, "day"}};
    for (size_t i = 0; period && i < ARRAY_SIZE(units); i++)
        if (units[i].seconds * scale / period > 0) {
            xt_put(text, " %llu/%s", (unsigned long long)(units[i].seconds * scale / period),
                   units[i].name);
            return;
        }
}

static int limit(const struct xt *xt) {
    const struct xt_rateinfo *match = xt->info;
    struct xt_text text = {.len = 0};
    xt_put(&text, "limit rate");
    put_rate(&text, match->avg, XT_LIMIT_SCALE);
    if (match->burst != 5) /* else it is what nobody asked for */
        xt_put(&text, " burst %u packets", match->burst);
    return xt_add_words(xt->list, NG_OP_UNDECIDED, &text);
}

/* `period` is the time between packets, of which a second has `scale`. */
static int hashlimit(const struct xt *xt, const char *name, size_t name_size, uint32_t mode,
                     uint64_t period, uint64_t scale) {
    static const struct {
        uint32_t bit;
        const char *name;
    } keys[] = {{XT_HASHLIMIT_HASH_SIP, "srcip"},
                {XT_HASHLIMIT_HASH_SPT, "srcport"},
                {XT_HASHLIMIT_HASH_DIP, "dstip"},
                {XT_HASHLIMIT_HASH_DPT, "dstport"}};
    struct xt_text text = {.len = 0};
    xt_put(&text, "hashlimit --hashlimit-%s", mode & XT_HASHLIMIT_INVERT ? "above" : "upto");
    if (mode & XT_HASHLIMIT_BYTES)
        xt_put(&text, " a rate of bytes");
    else
        put_rate(&text, period, scale);
    for (size_t i = 0, n = 0; i < ARRAY_SIZE(keys); i++)
        if (mode & keys[i].bit)
            xt_put(&text, "%s%s", n++ ? "," : " --hashlimit-mode ", keys[i].name);
    xt_put(&text, " --hashlimit-name %.*s", (int)strnlen(name, name_size), name);
    return xt_add_words(xt->list, NG_OP_UNDECIDED, &text);
}

static int hashlimit_1(const struct xt *xt) {
    const struct xt_hashlimit_mtinfo1 *match = xt->info;
    return hashlimit(xt, match->name, sizeof(match->name), match->cfg.mode, match->cfg.avg,
                     XT_HASHLIMIT_SCALE);
}

static int hashlimit_2(const struct xt *xt) {
    const struct xt_hashlimit_mtinfo2 *match = xt->info;
    return hashlimit(xt, match->name, sizeof(match->name), match->cfg.mode, match->cfg.avg,
                     XT_HASHLIMIT_SCALE_v2);
}

static int hashlimit_3(const struct xt *xt) {
    const struct xt_hashlimit_mtinfo3 *match = xt->info;
    return hashlimit(xt, match->name, sizeof(match->name), match->cfg.mode, match->cfg.avg,
                     XT_HASHLIMIT_SCALE_v2);
}

static int quota(const struct xt *xt) {
    const struct xt_quota_info *match = xt->info;
    return undecided(xt, "quota%s --quota %llu", xt_not(match->flags & XT_QUOTA_INVERT),
                     (unsigned long long)match->quota);
}

static int rateest(const struct xt *xt) {
    const struct xt_rateest_match_info *match = xt->info;
    return undecided(xt, "rateest%s --rateest1 %.*s",
                     xt_not(match->flags & XT_RATEEST_MATCH_INVERT), XT_CHARS(match->name1));
}

static int statistic(const struct xt *xt) {
    const struct xt_statistic_info *match = xt->info;
    const char *inverse = xt_not(match->flags & XT_STATISTIC_INVERT);
    if (match->mode == XT_STATISTIC_MODE_RANDOM)
        return undecided(xt, "statistic --mode random%s --probability %.4f", inverse,
                         match->u.random.probability / 2147483648.0);
    return undecided(xt, "statistic --mode nth%s --every %u --packet %u", inverse,
                     match->u.nth.every + 1, match->u.nth.packet);
}

/* An accounting object may have a quota, of which the rule does not tell. */
static int nfacct(const struct xt *xt) {
    const struct xt_nfacct_match_info *match = xt->info;
    return undecided(xt, "nfacct --nfacct-name %.*s", XT_CHARS(match->name));
}

/* -- memory of other packets --------------------------------------------------------- */

/* Revision 1 appends a mask. */
static int recent(const struct xt *xt) {
    const struct xt_recent_mtinfo *match = xt->info;
    struct xt_text text = {.len = 0};
    uint8_t what = match->check_set;
    xt_put(&text, "recent%s --%s", xt_not(match->invert),
           what & XT_RECENT_SET      ? "set"
           : what & XT_RECENT_REMOVE ? "remove"
           : what & XT_RECENT_UPDATE ? "update"
                                     : "rcheck");
    if (match->seconds)
        xt_put(&text, " --seconds %u", match->seconds);
    if (match->hit_count)
        xt_put(&text, " --hitcount %u", match->hit_count);
    xt_put(&text, " --name %.*s", XT_CHARS(match->name));
    if (match->side == XT_RECENT_DEST)
        xt_put(&text, " --rdest");
    /* To remember a packet always works. */
    bool always = what & XT_RECENT_SET && !match->invert;
    return xt_add_words(xt->list, always ? NG_OP_NOTHING : NG_OP_UNDECIDED, &text);
}

static int socket_(const struct xt *xt) {
    const struct xt_socket_mtinfo1 *match = xt->info;
    return undecided(xt, "socket%s%s%s",
                     match->flags & XT_SOCKET_TRANSPARENT ? " --transparent" : "",
                     match->flags & XT_SOCKET_NOWILDCARD ? " --nowildcard" : "",
                     match->flags & XT_SOCKET_RESTORESKMARK ? " --restore-skmark" : "");
}

static int socket_0(const struct xt *xt) {
    return undecided(xt, "socket");
}

static int ipvs(const struct xt *xt) {
    const struct xt_ipvs_mtinfo *match = xt->info;
    return undecided(xt, "ipvs%s", match->invert ? " with inverted options" : "");
}

/* -- the host ------------------------------------------------------------------------ */

static int time_(const struct xt *xt) {
    const struct xt_time_info *match = xt->info;
    struct xt_text text = {.len = 0};
    uint32_t start = match->daytime_start, stop = match->daytime_stop;
    xt_put(&text, "time");
    if (start != XT_TIME_MIN_DAYTIME || stop != XT_TIME_MAX_DAYTIME)
        xt_put(&text, " --timestart %02u:%02u:%02u --timestop %02u:%02u:%02u", start / 3600,
               start / 60 % 60, start % 60, stop / 3600, stop / 60 % 60, stop % 60);
    static const char *const days[] = {NULL, "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    if (match->weekdays_match != XT_TIME_ALL_WEEKDAYS)
        for (unsigned day = 1, n = 0; day < ARRAY_SIZE(days); day++)
            if (match->weekdays_match >> day & 1)
                xt_put(&text, "%s%s", n++ ? "," : " --weekdays ", days[day]);
    if (match->monthdays_match != XT_TIME_ALL_MONTHDAYS)
        xt_put(&text, " --monthdays 0x%x", match->monthdays_match);
    if (match->date_start != 0)
        xt_put(&text, " --datestart %u", match->date_start);
    if (match->date_stop != (uint32_t)INT_MAX)
        xt_put(&text, " --datestop %u", match->date_stop);
    return xt_add_words(xt->list, NG_OP_UNDECIDED, &text);
}

static int cpu(const struct xt *xt) {
    const struct xt_cpu_info *match = xt->info;
    return undecided(xt, "cpu%s --cpu %u", xt_not(match->invert), match->cpu);
}

static int realm(const struct xt *xt) {
    const struct xt_realm_info *match = xt->info;
    return undecided(xt, "realm%s --realm 0x%x/0x%x", xt_not(match->invert), match->id,
                     match->mask);
}

static int cgroup_id(const struct xt *xt, bool inverted, uint32_t id) {
    return undecided(xt, "cgroup%s --cgroup %u", xt_not(inverted), id);
}

static int cgroup_path(const struct xt *xt, bool inverted, const char *path, size_t size) {
    return undecided(xt, "cgroup%s --path %.*s", xt_not(inverted), (int)strnlen(path, size), path);
}

static int cgroup_0(const struct xt *xt) {
    const struct xt_cgroup_info_v0 *match = xt->info;
    return cgroup_id(xt, match->invert, match->id);
}

static int cgroup_1(const struct xt *xt) {
    const struct xt_cgroup_info_v1 *match = xt->info;
    return match->has_path ? cgroup_path(xt, match->invert_path, match->path, sizeof(match->path))
                           : cgroup_id(xt, match->invert_classid, match->classid);
}

static int cgroup_2(const struct xt *xt) {
    const struct xt_cgroup_info_v2 *match = xt->info;
    return match->has_path ? cgroup_path(xt, match->invert_path, match->path, sizeof(match->path))
                           : cgroup_id(xt, match->invert_classid, match->classid);
}

/* -- what a question leaves open of the packet --------------------------------------- */

static int length(const struct xt *xt) {
    const struct xt_length_info *match = xt->info;
    return undecided(xt, "length%s --length %u:%u", xt_not(match->invert), match->min, match->max);
}

/* struct ipt_ttl_info and struct ip6t_hl_info are alike. */
static int hops(const struct xt *xt, const char *what) {
    static const char *const modes[] = {"-eq", "-ne", "-lt", "-gt"};
    const struct ipt_ttl_info *match = xt->info;
    return undecided(xt, "%s --%s%s %u", what, what,
                     match->mode < ARRAY_SIZE(modes) ? modes[match->mode] : "?", match->ttl);
}

static int ttl(const struct xt *xt) {
    return hops(xt, "ttl");
}

static int hl(const struct xt *xt) {
    return hops(xt, "hl");
}

static int dscp(const struct xt *xt) {
    const struct xt_dscp_info *match = xt->info;
    return undecided(xt, "dscp%s --dscp 0x%02x", xt_not(match->invert), match->dscp);
}

static int tos(const struct xt *xt) {
    const struct xt_tos_match_info *match = xt->info;
    return undecided(xt, "tos%s --tos 0x%02x/0x%02x", xt_not(match->invert), match->tos_value,
                     match->tos_mask);
}

static int ecn(const struct xt *xt) {
    const struct xt_ecn_info *match = xt->info;
    struct xt_text text = {.len = 0};
    xt_put(&text, "ecn");
    if (match->operation & XT_ECN_OP_MATCH_ECE)
        xt_put(&text, "%s --ecn-tcp-ece", xt_not(match->invert & XT_ECN_OP_MATCH_ECE));
    if (match->operation & XT_ECN_OP_MATCH_CWR)
        xt_put(&text, "%s --ecn-tcp-cwr", xt_not(match->invert & XT_ECN_OP_MATCH_CWR));
    if (match->operation & XT_ECN_OP_MATCH_IP)
        xt_put(&text, "%s --ecn-ip-ect %u", xt_not(match->invert & XT_ECN_OP_MATCH_IP),
               match->ip_ect);
    return xt_add_words(xt->list, NG_OP_UNDECIDED, &text);
}

static int tcpmss(const struct xt *xt) {
    const struct xt_tcpmss_match_info *match = xt->info;
    return undecided(xt, "tcpmss%s --mss %u:%u", xt_not(match->invert), match->mss_min,
                     match->mss_max);
}

static int spis(const struct xt *xt, const char *what, const uint32_t range[static 2],
                bool inverted) {
    /* 0 to the highest is how "any" is written. */
    if (range[0] == 0 && range[1] == UINT32_MAX && !inverted)
        return 0;
    return undecided(xt, "%s%s --%sspi %u:%u", what, xt_not(inverted), what, range[0], range[1]);
}

static int esp(const struct xt *xt) {
    const struct xt_esp *match = xt->info;
    return spis(xt, "esp", match->spis, match->invflags & XT_ESP_INV_SPI);
}

static int ah(const struct xt *xt) {
    const struct ipt_ah *match = xt->info;
    return spis(xt, "ah", match->spis, match->invflags & IPT_AH_INV_SPI);
}

static int ipcomp(const struct xt *xt) {
    const struct xt_ipcomp *match = xt->info;
    return spis(xt, "ipcomp", match->spis, match->invflags & XT_IPCOMP_INV_SPI);
}

static int l2tp(const struct xt *xt) {
    const struct xt_l2tp_info *match = xt->info;
    struct xt_text text = {.len = 0};
    xt_put(&text, "l2tp");
    if (match->flags & XT_L2TP_TID)
        xt_put(&text, " --tid %u", match->tid);
    if (match->flags & XT_L2TP_SID)
        xt_put(&text, " --sid %u", match->sid);
    return xt_add_words(xt->list, NG_OP_UNDECIDED, &text);
}

static int eui64(const struct xt *xt) {
    return undecided(xt, "eui64");
}

/* -- what is inside ------------------------------------------------------------------ */

static int string_of(const struct xt *xt, bool inverted) {
    const struct xt_string_info *match = xt->info;
    unsigned len = match->patlen < sizeof(match->pattern) ? match->patlen : sizeof(match->pattern);
    struct xt_text text = {.len = 0};
    xt_put(&text, "string%s --string \"", xt_not(inverted));
    for (unsigned i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)match->pattern[i];
        if (byte >= ' ' && byte <= '~')
            xt_put(&text, "%c", byte);
        else
            xt_put(&text, "|%02x|", byte);
    }
    xt_put(&text, "\"");
    return xt_add_words(xt->list, NG_OP_UNDECIDED, &text);
}

static int string_0(const struct xt *xt) {
    const struct xt_string_info *match = xt->info;
    return string_of(xt, match->u.v0.invert);
}

static int string_1(const struct xt *xt) {
    const struct xt_string_info *match = xt->info;
    return string_of(xt, match->u.v1.flags & XT_STRING_FLAG_INVERT);
}

static int u32(const struct xt *xt) {
    const struct xt_u32 *match = xt->info;
    return undecided(xt, "u32%s of %u tests", xt_not(match->invert), match->ntests);
}

static int bpf_0(const struct xt *xt) {
    const struct xt_bpf_info *match = xt->info;
    return undecided(xt, "bpf --bytecode of %u instructions", match->bpf_program_num_elem);
}

static int bpf_1(const struct xt *xt) {
    const struct xt_bpf_info_v1 *match = xt->info;
    return match->mode == XT_BPF_MODE_BYTECODE
               ? undecided(xt, "bpf --bytecode of %u instructions", match->bpf_program_num_elem)
               : undecided(xt, "bpf --object-pinned %.*s", XT_CHARS(match->path));
}

static int osf(const struct xt *xt) {
    const struct xt_osf_info *match = xt->info;
    return undecided(xt, "osf%s --genre %.*s", xt_not(match->flags & XT_OSF_INVERT),
                     XT_CHARS(match->genre));
}

const struct xt_extension ng_xt_undecided_matches[] = {
    {"limit", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_rateinfo), limit},
    {"recent", 1, NFPROTO_INET, false, sizeof(struct xt_recent_mtinfo_v1), recent},
    {"recent", 0, NFPROTO_INET, false, sizeof(struct xt_recent_mtinfo), recent},
    {"hashlimit", 3, NFPROTO_INET, false, sizeof(struct xt_hashlimit_mtinfo3), hashlimit_3},
    {"hashlimit", 2, NFPROTO_INET, false, sizeof(struct xt_hashlimit_mtinfo2), hashlimit_2},
    {"hashlimit", 1, NFPROTO_INET, false, sizeof(struct xt_hashlimit_mtinfo1), hashlimit_1},
    {"hl", 0, NFPROTO_IPV6, false, sizeof(struct ip6t_hl_info), hl},
    {"ttl", 0, NFPROTO_IPV4, false, sizeof(struct ipt_ttl_info), ttl},
    {"statistic", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_statistic_info), statistic},
    {"string", 1, NFPROTO_UNSPEC, false, sizeof(struct xt_string_info), string_1},
    {"string", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_string_info), string_0},
    {"length", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_length_info), length},
    {"dscp", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_dscp_info), dscp},
    {"tos", 1, NFPROTO_UNSPEC, false, sizeof(struct xt_tos_match_info), tos},
    {"tcpmss", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_tcpmss_match_info), tcpmss},
    {"time", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_time_info), time_},
    {"quota", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_quota_info), quota},
    {"socket", 0, NFPROTO_UNSPEC, false, XT_ANY_LEN, socket_0},
    {"socket", 1, NFPROTO_UNSPEC, false, sizeof(struct xt_socket_mtinfo1), socket_},
    {"socket", 2, NFPROTO_UNSPEC, false, sizeof(struct xt_socket_mtinfo2), socket_},
    {"socket", 3, NFPROTO_UNSPEC, false, sizeof(struct xt_socket_mtinfo3), socket_},
    {"bpf", 1, NFPROTO_UNSPEC, false, sizeof(struct xt_bpf_info_v1), bpf_1},
    {"bpf", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_bpf_info), bpf_0},
    {"u32", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_u32), u32},
    {"cgroup", 2, NFPROTO_UNSPEC, false, sizeof(struct xt_cgroup_info_v2), cgroup_2},
    {"cgroup", 1, NFPROTO_UNSPEC, false, sizeof(struct xt_cgroup_info_v1), cgroup_1},
    {"cgroup", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_cgroup_info_v0), cgroup_0},
    {"realm", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_realm_info), realm},
    {"rateest", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_rateest_match_info), rateest},
    {"ecn", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_ecn_info), ecn},
    {"esp", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_esp), esp},
    {"ah", 0, NFPROTO_IPV4, false, sizeof(struct ipt_ah), ah},
    {"ipcomp", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_ipcomp), ipcomp},
    {"l2tp", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_l2tp_info), l2tp},
    {"eui64", 0, NFPROTO_IPV6, false, XT_ANY_LEN, eui64},
    {"osf", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_osf_info), osf},
    {"ipvs", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_ipvs_mtinfo), ipvs},
    {"nfacct", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_nfacct_match_info), nfacct},
    {"nfacct", 1, NFPROTO_UNSPEC, false, sizeof(struct xt_nfacct_match_info_v1), nfacct},
    {"cpu", 0, NFPROTO_UNSPEC, false, sizeof(struct xt_cpu_info), cpu},
    {.name = NULL},
};
