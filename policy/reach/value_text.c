/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/reach/text.h"

#include "netguard/world.h"

#include <stdio.h>
#include <string.h>

/* -- text ---------------------------------------------------------------------------- */

void ng_text_start(struct text *text) {
    text->len = 0, text->cut = false, text->bytes[0] = '\0'; /* not all of it needs clearing */
}

void ng_text_word(struct text *text, const char *word) {
    size_t len = strlen(word);
    if (len >= sizeof(text->bytes) - text->len) {
        text->cut = true;
        return;
    }
    memcpy(text->bytes + text->len, word, len + 1);
    text->len += len;
}

void ng_text_put(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t left = sizeof(text->bytes) - text->len;
    int n = vsnprintf(text->bytes + text->len, left, format, arguments);
    va_end(arguments);
    if (n < 0 || (size_t)n >= left) {
        text->bytes[text->len] = '\0';
        text->cut = true;
        return;
    }
    text->len += (size_t)n;
}

/* -- names of values ----------------------------------------------------------------- */

struct value_name {
    uint16_t value;
    const char *name;
};

/* As nft knows them; numbers of IANA, linux/if_packet.h, linux/if_arp.h, linux/rtnetlink.h. */
static const struct value_name transports[] = {
    {1, "icmp"}, {2, "igmp"}, {6, "tcp"},        {17, "udp"},   {33, "dccp"},    {47, "gre"},
    {50, "esp"}, {51, "ah"},  {58, "ipv6-icmp"}, {132, "sctp"}, {136, "udplite"}};
static const struct value_name icmp_types[] = {
    {0, "echo-reply"},           {3, "destination-unreachable"},
    {4, "source-quench"},        {5, "redirect"},
    {8, "echo-request"},         {9, "router-advertisement"},
    {10, "router-solicitation"}, {11, "time-exceeded"},
    {12, "parameter-problem"},   {13, "timestamp-request"},
    {14, "timestamp-reply"},     {15, "info-request"},
    {16, "info-reply"},          {17, "address-mask-request"},
    {18, "address-mask-reply"}};
static const struct value_name icmp6_types[] = {
    {1, "destination-unreachable"}, {2, "packet-too-big"},        {3, "time-exceeded"},
    {4, "parameter-problem"},       {128, "echo-request"},        {129, "echo-reply"},
    {130, "mld-listener-query"},    {131, "mld-listener-report"}, {132, "mld-listener-done"},
    {133, "nd-router-solicit"},     {134, "nd-router-advert"},    {135, "nd-neighbor-solicit"},
    {136, "nd-neighbor-advert"},    {137, "nd-redirect"},         {138, "router-renumbering"},
    {141, "ind-neighbor-solicit"},  {142, "ind-neighbor-advert"}, {143, "mld2-listener-report"}};
static const struct value_name icmp_codes[] = {{0, "net-unreachable"},  {1, "host-unreachable"},
                                               {2, "prot-unreachable"}, {3, "port-unreachable"},
                                               {4, "frag-needed"},      {9, "net-prohibited"},
                                               {10, "host-prohibited"}, {13, "admin-prohibited"}};
static const struct value_name icmp6_codes[] = {{0, "no-route"},         {1, "admin-prohibited"},
                                                {3, "addr-unreachable"}, {4, "port-unreachable"},
                                                {5, "policy-fail"},      {6, "reject-route"}};
static const struct value_name packet_types[] = {
    {0, "host"}, {1, "broadcast"}, {2, "multicast"}, {3, "other"}};
static const struct value_name link_types[] = {{1, "ether"},   {512, "ppp"},      {768, "ipip"},
                                               {769, "ipip6"}, {772, "loopback"}, {776, "sit"},
                                               {778, "ipgre"}};
static const struct value_name route_types[] = {
    {0, "unspec"},    {1, "unicast"},   {2, "local"},       {3, "broadcast"}, {4, "anycast"},
    {5, "multicast"}, {6, "blackhole"}, {7, "unreachable"}, {8, "prohibit"}};
static const struct value_name ether_types[] = {
    {0x0800, "ip"}, {0x0806, "arp"}, {0x86dd, "ip6"}, {0x8100, "8021q"}, {0x88a8, "8021ad"}};
static const struct value_name protocol_families[] = {{2, "ipv4"}, {10, "ipv6"}};
static const struct value_name directions[] = {{0, "original"}, {1, "reply"}};
static const struct value_name presences[] = {{0, "missing"}, {1, "exists"}};

static const char *name_of(const struct value_name *names, size_t count, ng_u128 value) {
    for (size_t i = 0; i < count; i++)
        if (names[i].value == value)
            return names[i].name;
    return NULL;
}

#define NAME_OF(names, value) name_of((names), ARRAY_SIZE(names), (value))

const char *ng_transport_name(ng_u128 number) {
    return NAME_OF(transports, number);
}

static const char *value_name(const struct ng_operand *operand, ng_u128 value) {
    bool ip6 = operand->family == NG_IP6;
    switch (operand->field) {
    case NG_FIELD_L4PROTO:
    case NG_FIELD_CT_L4PROTO:
        return ng_transport_name(value);
    case NG_FIELD_NFPROTO:
        return NAME_OF(protocol_families, value);
    case NG_FIELD_ETHERTYPE:
        return NAME_OF(ether_types, value);
    case NG_FIELD_CT_DIRECTION:
        return NAME_OF(directions, value);
    case NG_FIELD_FIB_TYPE:
        return NAME_OF(route_types, value);
    case NG_FIELD_FIB_PRESENT:
    case NG_FIELD_SECPATH:
    case NG_FIELD_RT_IPSEC:
    case NG_FIELD_EXTHDR_PRESENT:
        return NAME_OF(presences, value);
    case NG_FIELD_PKTTYPE:
        return NAME_OF(packet_types, value);
    case NG_FIELD_IIFTYPE:
    case NG_FIELD_OIFTYPE:
        return NAME_OF(link_types, value);
    case NG_FIELD_ICMP_TYPE:
        return ip6 ? NAME_OF(icmp6_types, value) : NAME_OF(icmp_types, value);
    case NG_FIELD_ICMP_CODE:
        return ip6 ? NAME_OF(icmp6_codes, value) : NAME_OF(icmp_codes, value);
    default:
        return NULL;
    }
}

/* -- fields -------------------------------------------------------------------------- */

/* "fib saddr . iif oif" */
static void put_fib(struct text *text, const struct ng_operand *operand) {
    ng_text_put(text, "fib %s%s%s%s %s", operand->fib & NG_FIB_SADDR ? "saddr" : "daddr",
                operand->fib & NG_FIB_MARK ? " . mark" : "",
                operand->fib & NG_FIB_IIF ? " . iif" : "",
                operand->fib & NG_FIB_OIF ? " . oif" : "",
                operand->field == NG_FIELD_FIB_TYPE      ? "type"
                : operand->field == NG_FIELD_FIB_OIFNAME ? "oifname"
                                                         : "oif");
}

/* "ct original ip saddr" */
static void put_ct_addr(struct text *text, const struct ng_operand *operand) {
    bool reply =
        operand->field == NG_FIELD_CT_REPLY_SADDR || operand->field == NG_FIELD_CT_REPLY_DADDR;
    bool source = operand->field == NG_FIELD_CT_SADDR || operand->field == NG_FIELD_CT_REPLY_SADDR;
    ng_text_put(text, "ct %s %s%s", reply ? "reply" : "original",
                operand->family == NG_IP4   ? "ip "
                : operand->family == NG_IP6 ? "ip6 "
                                            : "",
                source ? "saddr" : "daddr");
}

void ng_text_field(struct text *text, const struct ng_operand *operand,
                   const struct context *context) {
    static const char *const names[NG_FIELD_COUNT] = {
        [NG_FIELD_L4PROTO] = "meta l4proto",
        [NG_FIELD_NFPROTO] = "meta nfproto",
        [NG_FIELD_ETHERTYPE] = "meta protocol",
        [NG_FIELD_IIF] = "iif",
        [NG_FIELD_OIF] = "oif",
        [NG_FIELD_IIFNAME] = "iifname",
        [NG_FIELD_OIFNAME] = "oifname",
        [NG_FIELD_IIFTYPE] = "meta iiftype",
        [NG_FIELD_OIFTYPE] = "meta oiftype",
        [NG_FIELD_IIFKIND] = "meta iifkind",
        [NG_FIELD_OIFKIND] = "meta oifkind",
        [NG_FIELD_MARK] = "meta mark",
        [NG_FIELD_PKTTYPE] = "meta pkttype",
        [NG_FIELD_FRAGMENT] = "ip frag-off",
        [NG_FIELD_TCP_FLAGS] = "tcp flags",
        [NG_FIELD_CT_STATE] = "ct state",
        [NG_FIELD_CT_STATUS] = "ct status",
        [NG_FIELD_CT_DIRECTION] = "ct direction",
        [NG_FIELD_CT_MARK] = "ct mark",
        [NG_FIELD_CT_SPORT] = "ct original proto-src",
        [NG_FIELD_CT_DPORT] = "ct original proto-dst",
        [NG_FIELD_CT_L4PROTO] = "ct protocol",
        [NG_FIELD_CT_EXPIRATION] = "ct expiration",
        [NG_FIELD_CT_REPLY_SPORT] = "ct reply proto-src",
        [NG_FIELD_CT_REPLY_DPORT] = "ct reply proto-dst",
        [NG_FIELD_CT_LABEL] = "ct label",
        [NG_FIELD_CT_ZONE] = "ct zone",
        [NG_FIELD_ETHER_SADDR] = "ether saddr",
        [NG_FIELD_ETHER_DADDR] = "ether daddr",
        [NG_FIELD_IIFGROUP] = "iifgroup",
        [NG_FIELD_OIFGROUP] = "oifgroup",
        [NG_FIELD_SECPATH] = "meta ipsec",
        [NG_FIELD_RT_IPSEC] = "rt ipsec",
        [NG_FIELD_SKUID] = "meta skuid",
        [NG_FIELD_SKGID] = "meta skgid",
    };
    bool ip6 = operand->family == NG_IP6;
    const char *th = context->transport ? context->transport : "th";
    switch (operand->field) {
    case NG_FIELD_SADDR:
    case NG_FIELD_DADDR:
        ng_text_put(text, "%s %s", ip6 ? "ip6" : "ip",
                    operand->field == NG_FIELD_SADDR ? "saddr" : "daddr");
        break;
    case NG_FIELD_SPORT:
    case NG_FIELD_DPORT:
        ng_text_put(text, "%s %s", th, operand->field == NG_FIELD_SPORT ? "sport" : "dport");
        break;
    case NG_FIELD_ICMP_TYPE:
    case NG_FIELD_ICMP_CODE:
        ng_text_put(text, "%s %s", ip6 ? "icmpv6" : "icmp",
                    operand->field == NG_FIELD_ICMP_TYPE ? "type" : "code");
        break;
    case NG_FIELD_CT_SADDR:
    case NG_FIELD_CT_DADDR:
    case NG_FIELD_CT_REPLY_SADDR:
    case NG_FIELD_CT_REPLY_DADDR:
        put_ct_addr(text, operand);
        break;
    case NG_FIELD_FIB_TYPE:
    case NG_FIELD_FIB_OIF:
    case NG_FIELD_FIB_OIFNAME:
    case NG_FIELD_FIB_PRESENT:
        put_fib(text, operand);
        break;
    default:
        if (operand->name)
            ng_text_word(text, operand->name);
        else if (operand->field == NG_FIELD_L4PROTO && operand->family)
            ng_text_word(text, ip6 ? "ip6 nexthdr" : "ip protocol");
        else
            ng_text_word(text, names[operand->field] ? names[operand->field] : "?");
        break;
    }
}

/* -- bits ---------------------------------------------------------------------------- */

bool ng_text_has_bits(enum ng_field field) {
    return field == NG_FIELD_CT_STATE || field == NG_FIELD_CT_STATUS || field == NG_FIELD_TCP_FLAGS;
}

void ng_text_bits(struct text *text, enum ng_field field, ng_u128 bits) {
    enum { MOST = 8 };
    static const char *const states[MOST] = {"invalid", "established", "related",  "new",
                                             NULL,      NULL,          "untracked"};
    static const char *const statuses[MOST] = {"expected",  "seen-reply", "assured",
                                               "confirmed", "snat",       "dnat"};
    static const char *const flags[MOST] = {"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"};
    const char *const *names = field == NG_FIELD_CT_STATE    ? states
                               : field == NG_FIELD_CT_STATUS ? statuses
                                                             : flags;
    const char *separator = "";
    for (unsigned i = 0; i < MOST; i++)
        if (bits >> i & 1 && names[i]) {
            ng_text_put(text, "%s%s", separator, names[i]);
            separator = ",";
        }
    if (!*separator)
        ng_text_put(text, "0x%llx", (unsigned long long)bits);
}

/* -- values -------------------------------------------------------------------------- */

static bool is_name(enum ng_field field) {
    return field == NG_FIELD_IIFNAME || field == NG_FIELD_OIFNAME || field == NG_FIELD_IIFKIND ||
           field == NG_FIELD_OIFKIND || field == NG_FIELD_FIB_OIFNAME;
}

static bool is_addr(enum ng_field field) {
    return field == NG_FIELD_SADDR || field == NG_FIELD_DADDR || field == NG_FIELD_CT_SADDR ||
           field == NG_FIELD_CT_DADDR || field == NG_FIELD_CT_REPLY_SADDR ||
           field == NG_FIELD_CT_REPLY_DADDR;
}

static void put_name(struct text *text, struct ng_interval value) {
    char name[17] = {0};
    for (unsigned i = 0; i < 16; i++)
        name[i] = (char)(value.lo >> (8 * (15 - i)));
    /* A test of the leading bytes leaves the rest open; an exact one ends in a NUL. */
    size_t len = strlen(name);
    bool prefix = len < 16 && value.lo != value.hi && (uint8_t)value.hi == 0xff &&
                  (uint8_t)(value.hi >> (8 * (15 - len))) == 0xff;
    ng_text_put(text, "\"%s%s\"", name, prefix ? "*" : "");
}

static void put_addr(struct text *text, uint8_t family, struct ng_interval value) {
    char buffer[NG_ADDR_TEXT];
    struct ng_addr lo = {family, value.lo}, hi = {family, value.hi};
    if (value.lo == value.hi) {
        ng_text_word(text, ng_addr_text(lo, buffer));
        return;
    }
    for (unsigned len = 0; len < ng_family_bits(family); len++) {
        ng_u128 rest = ng_family_max(family) ^ ng_prefix_mask(family, len);
        if ((value.lo & rest) == 0 && (value.lo | rest) == value.hi) {
            ng_text_word(text, ng_prefix_text(lo, len, buffer));
            return;
        }
    }
    ng_text_put(text, "%s-", ng_addr_text(lo, buffer));
    ng_text_word(text, ng_addr_text(hi, buffer));
}

static void put_link(struct text *text, const struct context *context, ng_u128 index) {
    const struct ng_ruleset *ruleset = context->ruleset;
    for (size_t i = 0; i < ruleset->n_links; i++)
        if (ruleset->links[i].index == index) {
            ng_text_put(text, "\"%s\"", ruleset->links[i].name);
            return;
        }
    ng_text_put(text, "%llu", (unsigned long long)index);
}

static void put_number(struct text *text, const struct ng_operand *operand, ng_u128 value,
                       const struct context *context) {
    unsigned long long number = (unsigned long long)value;
    const char *name = value_name(operand, value);
    if (name) {
        ng_text_word(text, name);
        return;
    }
    switch (operand->field) {
    case NG_FIELD_MARK:
    case NG_FIELD_CT_MARK:
        ng_text_put(text, "0x%08llx", number);
        return;
    case NG_FIELD_CT_STATE:
    case NG_FIELD_CT_STATUS:
    case NG_FIELD_TCP_FLAGS:
        ng_text_bits(text, operand->field, value);
        return;
    case NG_FIELD_ETHER_SADDR:
    case NG_FIELD_ETHER_DADDR:
        for (int shift = 40; shift >= 0; shift -= 8)
            ng_text_put(text, "%02x%s", (unsigned)(number >> shift & 0xff), shift ? ":" : "");
        return;
    case NG_FIELD_IIF:
    case NG_FIELD_OIF:
    case NG_FIELD_FIB_OIF:
        put_link(text, context, value);
        return;
    case NG_FIELD_IIFGROUP:
    case NG_FIELD_OIFGROUP:
        ng_text_put(text, number ? "%llu" : "\"default\"", number);
        return;
    default:
        ng_text_put(text, "%llu", number);
    }
}

void ng_text_value(struct text *text, const struct ng_operand *operand, struct ng_interval value,
                   const struct context *context) {
    if (is_name(operand->field)) {
        put_name(text, value);
    } else if (is_addr(operand->field) && operand->family) {
        put_addr(text, operand->family, value);
    } else {
        put_number(text, operand, value.lo, context);
        if (value.lo == value.hi)
            return;
        ng_text_word(text, "-");
        put_number(text, operand, value.hi, context);
    }
}

/* Neighbouring values that have names are listed, as nobody thinks of them as a range. */
static bool lists_each(const struct ng_operand *operand, struct ng_interval value) {
    if (value.hi - value.lo >= NG_TEXT_LISTED)
        return false;
    if (ng_text_has_bits(operand->field))
        return true;
    for (ng_u128 each = value.lo; each <= value.hi; each++)
        if (!value_name(operand, each))
            return false;
    return true;
}

struct listing {
    struct text *text;
    const struct ng_operand *operand;
    const struct context *context;
    size_t listed;
    bool more;
};

static void list_one(struct listing *listing, struct ng_interval value) {
    if (listing->listed == NG_TEXT_LISTED) {
        listing->more = true;
        return;
    }
    ng_text_word(listing->text, listing->listed++ ? ", " : "{ ");
    ng_text_value(listing->text, listing->operand, value, listing->context);
}

void ng_text_values(struct text *text, const struct ng_operand *operand, struct ng_addrset values,
                    const struct context *context) {
    struct listing listing = {.text = text, .operand = operand, .context = context};
    bool each = values.count == 1 && lists_each(operand, values.intervals[0]);
    if (values.count == 1 && (!each || values.intervals[0].lo == values.intervals[0].hi)) {
        ng_text_value(text, operand, values.intervals[0], context);
        return;
    }
    for (size_t i = 0; i < values.count && !listing.more; i++) {
        struct ng_interval value = values.intervals[i];
        if (!lists_each(operand, value))
            list_one(&listing, value);
        else
            for (ng_u128 one = value.lo; one <= value.hi; one++)
                list_one(&listing, (struct ng_interval){one, one});
    }
    ng_text_put(text, "%s%s }", listing.listed ? "" : "{", listing.more ? ", …" : "");
}
