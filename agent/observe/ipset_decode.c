/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/ipset_parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

/* Newer than some headers: linux/netfilter/ipset/ip_set.h of Linux 6.2. */
enum { IPSET_ATTR_BITMASK_ = 12 };

#define SOURCE "ipsets"

static const ng_u128 whole = ~(ng_u128)0;

static const struct ng_ipset_type types[] = {
    {"bitmap:ip", {NG_IPSET_ADDR}, false},
    {"bitmap:ip,mac", {NG_IPSET_ADDR, NG_IPSET_MAC}, false},
    {"bitmap:port", {NG_IPSET_BARE_PORT}, false},
    {"hash:ip", {NG_IPSET_ADDR}, false},
    {"hash:ip,mac", {NG_IPSET_ADDR, NG_IPSET_MAC}, false},
    {"hash:ip,mark", {NG_IPSET_ADDR, NG_IPSET_MARK}, false},
    {"hash:ip,port", {NG_IPSET_ADDR, NG_IPSET_PORT}, false},
    {"hash:ip,port,ip", {NG_IPSET_ADDR, NG_IPSET_PORT, NG_IPSET_ADDR}, false},
    {"hash:ip,port,net", {NG_IPSET_ADDR, NG_IPSET_PORT, NG_IPSET_NET}, false},
    {"hash:mac", {NG_IPSET_MAC}, false},
    {"hash:net", {NG_IPSET_NET}, false},
    {"hash:net,iface", {NG_IPSET_NET, NG_IPSET_NAME}, false},
    {"hash:net,net", {NG_IPSET_NET, NG_IPSET_NET}, false},
    {"hash:net,port", {NG_IPSET_NET, NG_IPSET_PORT}, false},
    {"hash:net,port,net", {NG_IPSET_NET, NG_IPSET_PORT, NG_IPSET_NET}, false},
    {"list:set", {NG_IPSET_NONE}, true},
};

/* -- values -------------------------------------------------------------------------- */

/* Numbers say themselves in which byte order they are. */
static uint32_t number(const struct nlattr *attribute, uint32_t absent) {
    if (!attribute)
        return absent;
    size_t len = mnl_attr_get_payload_len(attribute);
    if (len > sizeof(uint32_t))
        return absent;
    return (uint32_t)ng_wire_number(mnl_attr_get_payload(attribute), len,
                                    !(attribute->nla_type & NLA_F_NET_BYTEORDER));
}

/* IPSET_ATTR_IP and its kin hold one address of either family. */
static int address(const struct nlattr *nest, uint8_t bits, ng_u128 *ret_value) {
    const struct nlattr *attributes[IPSET_ATTR_IPADDR_MAX + 1];
    if (!nest || ng_attributes_in(nest, attributes, IPSET_ATTR_IPADDR_MAX) < 0)
        return -EBADMSG;
    const struct nlattr *value =
        attributes[bits == 32 ? IPSET_ATTR_IPADDR_IPV4 : IPSET_ATTR_IPADDR_IPV6];
    if (!bits || !value || mnl_attr_get_payload_len(value) != bits / 8)
        return -EBADMSG;
    *ret_value = ng_wire_number(mnl_attr_get_payload(value), bits / 8, false);
    return 0;
}

/* Is there an attribute beyond those of a list (bits of `known`)? */
static bool has_unknown(const struct nlattr *nest, uint32_t known) {
    const struct nlattr *attribute;
    mnl_attr_for_each_nested(attribute, nest) {
        uint16_t type = mnl_attr_get_type(attribute);
        if (type >= 32 || !(known & 1U << type))
            return true;
    }
    return false;
}

/* -- sets ---------------------------------------------------------------------------- */

#define BIT(attribute) (1U << (attribute))

/* What a set was created with, and its sizes: IPSET_ATTR_DATA of its first message. */
static int read_header(struct ng_ipset *set, const struct nlattr *nest) {
    static const uint32_t known =
        BIT(IPSET_ATTR_IP) | BIT(IPSET_ATTR_IP_TO) | BIT(IPSET_ATTR_CIDR) | BIT(IPSET_ATTR_PORT) |
        BIT(IPSET_ATTR_PORT_TO) | BIT(IPSET_ATTR_TIMEOUT) | BIT(IPSET_ATTR_CADT_FLAGS) |
        BIT(IPSET_ATTR_MARKMASK) | BIT(IPSET_ATTR_BITMASK_) | BIT(IPSET_ATTR_INITVAL) |
        BIT(IPSET_ATTR_HASHSIZE) | BIT(IPSET_ATTR_MAXELEM) | BIT(IPSET_ATTR_NETMASK) |
        BIT(IPSET_ATTR_BUCKETSIZE) | BIT(IPSET_ATTR_RESIZE) | BIT(IPSET_ATTR_SIZE) |
        BIT(IPSET_ATTR_ELEMENTS) | BIT(IPSET_ATTR_REFERENCES) | BIT(IPSET_ATTR_MEMSIZE);
    static const uint32_t known_flags = IPSET_FLAG_WITH_COUNTERS | IPSET_FLAG_WITH_COMMENT |
                                        IPSET_FLAG_WITH_SKBINFO | IPSET_FLAG_WITH_FORCEADD;
    const struct nlattr *attributes[IPSET_ATTR_CREATE_MAX + 1];
    int r = ng_attributes_in(nest, attributes, IPSET_ATTR_CREATE_MAX);
    if (r < 0)
        return r;
    uint32_t flags = number(attributes[IPSET_ATTR_CADT_FLAGS], 0);
    set->strange = set->strange || has_unknown(nest, known) || flags & ~known_flags;
    set->has_timeouts = attributes[IPSET_ATTR_TIMEOUT];
    set->evicts = flags & IPSET_FLAG_WITH_FORCEADD;
    set->mark_mask = number(attributes[IPSET_ATTR_MARKMASK], UINT32_MAX);
    set->addr_mask = set->addr_bits == 32 ? UINT32_MAX : whole;
    if (attributes[IPSET_ATTR_BITMASK_] &&
        address(attributes[IPSET_ATTR_BITMASK_], set->addr_bits, &set->addr_mask) < 0)
        set->strange = true;
    uint32_t len = number(attributes[IPSET_ATTR_NETMASK], set->addr_bits);
    if (len > set->addr_bits)
        set->strange = true;
    else if (len < set->addr_bits)
        set->addr_mask = ng_prefix_mask(set->addr_bits == 32 ? NG_IP4 : NG_IP6, len);
    return 0;
}

static const struct ng_ipset_type *find_type(const char *name) {
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

static int begin_set(struct ng_ipsets *ipsets, const struct nlattr *const *attributes) {
    const char *type_name = ng_attribute_text(attributes[IPSET_ATTR_TYPENAME]);
    if (!type_name || !attributes[IPSET_ATTR_FAMILY])
        return -EBADMSG;
    struct ng_ipset *set =
        NG_ARENA_APPEND(ipsets->scratch, ipsets->sets, ipsets->n_sets, ipsets->sets_capacity);
    if (!set)
        return -ENOMEM;
    *set = (struct ng_ipset){
        .name = ng_attribute_text(attributes[IPSET_ATTR_SETNAME]),
        .type_name = type_name,
        .type = find_type(type_name),
        .family = ng_attribute_u8(attributes[IPSET_ATTR_FAMILY], 0),
        .has_index = attributes[IPSET_ATTR_INDEX],
        .index = (uint16_t)number(attributes[IPSET_ATTR_INDEX], 0),
    };
    set->addr_bits = set->family == NFPROTO_IPV4 ? 32 : set->family == NFPROTO_IPV6 ? 128 : 0;
    return attributes[IPSET_ATTR_DATA] ? read_header(set, attributes[IPSET_ATTR_DATA]) : -EBADMSG;
}

/* Is every element whole, so that nobody has to ask again? */
static int check_list(const struct nlattr *list) {
    int r = ng_attributes_check(list);
    const struct nlattr *element;
    mnl_attr_for_each_nested(element, list) {
        if (r == 0)
            r = mnl_attr_get_type(element) == IPSET_ATTR_DATA ? ng_attributes_check(element)
                                                              : -EBADMSG;
    }
    return r;
}

/* One message of a listing: a set begins with its type and header, and goes on without. */
static int take_listed(struct ng_ipsets *ipsets, const struct nlattr *const *attributes) {
    const char *name = ng_attribute_text(attributes[IPSET_ATTR_SETNAME]);
    if (!name || strlen(name) >= IPSET_MAXNAMELEN)
        return -EBADMSG;
    int r = attributes[IPSET_ATTR_TYPENAME] ? begin_set(ipsets, attributes) : 0;
    if (r < 0)
        return r;
    struct ng_ipset *set = ipsets->n_sets ? &ipsets->sets[ipsets->n_sets - 1] : NULL;
    if (!set || strcmp(set->name, name) != 0)
        return -EBADMSG;
    if (!attributes[IPSET_ATTR_ADT])
        return 0;
    r = check_list(attributes[IPSET_ATTR_ADT]);
    if (r < 0)
        return r;
    const struct nlattr **list =
        NG_ARENA_APPEND(ipsets->scratch, set->lists, set->n_lists, set->lists_capacity);
    if (!list)
        return -ENOMEM;
    *list = attributes[IPSET_ATTR_ADT];
    return 0;
}

/* The index of a set that was listed without; the sets are sorted by now. */
static int take_index(const struct ng_ipsets *ipsets, const struct nlattr *const *attributes) {
    const char *name = ng_attribute_text(attributes[IPSET_ATTR_SETNAME]);
    struct ng_ipset *set = name ? ng_ipset_named(ipsets, name) : NULL;
    if (!set || !attributes[IPSET_ATTR_INDEX])
        return -EBADMSG;
    set->has_index = true;
    set->index = (uint16_t)number(attributes[IPSET_ATTR_INDEX], 0);
    return 0;
}

/* The messages of one command. */
static int walk(struct ng_ipsets *ipsets, const struct ng_ipset_dump *dump, enum ipset_cmd wanted) {
    for (size_t at = 0; at < dump->len_bytes;) {
        struct nlmsghdr header;
        if (dump->len_bytes - at < sizeof(header))
            return -EBADMSG;
        memcpy(&header, dump->bytes + at, sizeof(header));
        if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > dump->len_bytes - at)
            return -EBADMSG;
        unsigned command = header.nlmsg_type & 0xffU;
        if (header.nlmsg_type >> 8 != NFNL_SUBSYS_IPSET ||
            (command != IPSET_CMD_LIST && command != IPSET_CMD_GET_BYNAME))
            return -EBADMSG;
        if (command == (unsigned)wanted) {
            const struct nlattr *attributes[IPSET_ATTR_CMD_MAX + 1];
            const void *message = dump->bytes + at;
            int r =
                ng_attributes_of(message, sizeof(struct nfgenmsg), attributes, IPSET_ATTR_CMD_MAX);
            if (r == 0)
                r = wanted == IPSET_CMD_LIST ? take_listed(ipsets, attributes)
                                             : take_index(ipsets, attributes);
            if (r < 0)
                return r;
        }
        size_t step = MNL_ALIGN((size_t)header.nlmsg_len);
        at = step < dump->len_bytes - at ? at + step : dump->len_bytes;
    }
    return 0;
}

static int compare_names(const void *left, const void *right) {
    return strcmp(((const struct ng_ipset *)left)->name, ((const struct ng_ipset *)right)->name);
}

static int compare_indexes(const void *left, const void *right) {
    const struct ng_ipset *a = *(struct ng_ipset *const *)left;
    const struct ng_ipset *b = *(struct ng_ipset *const *)right;
    return (a->index > b->index) - (a->index < b->index);
}

static int sort_by_index(struct ng_ipsets *ipsets) {
    ipsets->by_index = ng_arena_alloc(ipsets->scratch, ipsets->n_sets, sizeof(*ipsets->by_index));
    if (!ipsets->by_index)
        return -ENOMEM;
    for (size_t i = 0; i < ipsets->n_sets; i++)
        if (ipsets->sets[i].has_index)
            ipsets->by_index[ipsets->n_by_index++] = &ipsets->sets[i];
    if (ipsets->n_by_index)
        qsort(ipsets->by_index, ipsets->n_by_index, sizeof(*ipsets->by_index), compare_indexes);
    return 0;
}

/* Two of one name or index: which of them a rule would find cannot be told. */
static void doubt_twins(const struct ng_ipsets *ipsets) {
    for (size_t i = 1; i < ipsets->n_sets; i++)
        if (strcmp(ipsets->sets[i - 1].name, ipsets->sets[i].name) == 0)
            ipsets->sets[i - 1].strange = ipsets->sets[i].strange = true;
    for (size_t i = 1; i < ipsets->n_by_index; i++)
        if (ipsets->by_index[i - 1]->index == ipsets->by_index[i]->index)
            ipsets->by_index[i - 1]->strange = ipsets->by_index[i]->strange = true;
}

int ng_ipsets_decode(struct ng_arena *scratch, const struct ng_ipset_dump *dump,
                     const struct ng_ipsets **ret_ipsets, struct ng_error *error) {
    if (!dump->read)
        return 0;
    struct ng_ipsets *ipsets = ng_arena_alloc(scratch, 1, sizeof(*ipsets));
    if (!ipsets)
        return ng_error_set(error, -ENOMEM, SOURCE, "out of memory");
    ipsets->scratch = scratch;
    int r = walk(ipsets, dump, IPSET_CMD_LIST);
    if (r == 0 && ipsets->n_sets)
        qsort(ipsets->sets, ipsets->n_sets, sizeof(*ipsets->sets), compare_names);
    r = r ? r : walk(ipsets, dump, IPSET_CMD_GET_BYNAME);
    r = r ? r : sort_by_index(ipsets);
    if (r < 0)
        return ng_error_set(error, r, SOURCE,
                            r == -ENOMEM ? "out of memory"
                                         : "the dump of the ipsets is malformed; take it again");
    doubt_twins(ipsets);
    *ret_ipsets = ipsets;
    return 0;
}

struct ng_ipset *ng_ipset_named(const struct ng_ipsets *ipsets, const char *name) {
    const struct ng_ipset key = {.name = name};
    return ipsets->n_sets ? bsearch(&key, ipsets->sets, ipsets->n_sets, sizeof(key), compare_names)
                          : NULL;
}

struct ng_ipset *ng_ipset_at(const struct ng_ipsets *ipsets, uint16_t index) {
    struct ng_ipset key = {.index = index};
    struct ng_ipset *wanted = &key, **found = NULL;
    if (ipsets->n_by_index)
        found =
            bsearch(&wanted, ipsets->by_index, ipsets->n_by_index, sizeof(wanted), compare_indexes);
    return found ? *found : NULL;
}

/* -- elements ------------------------------------------------------------------------ */

/* An address with the bits that the set's mask and its own prefix leave of it. A mask with holes
 * stays a mask: ipset_region.c asks for the address under it. */
static int read_addr(const struct ng_ipset *set, const struct nlattr *ip, const struct nlattr *cidr,
                     struct ng_interval *ret_side, uint8_t *ret_len) {
    uint8_t family = set->addr_bits == 32 ? NG_IP4 : NG_IP6;
    uint8_t len = ng_attribute_u8(cidr, set->addr_bits);
    ng_u128 value;
    if (address(ip, set->addr_bits, &value) < 0 || len > set->addr_bits)
        return -EBADMSG;
    ng_u128 mask = set->addr_mask & ng_prefix_mask(family, len);
    ng_u128 rest = ng_family_max(family) & ~mask;
    bool holes = rest & (rest + 1);
    if (holes && cidr)
        return -EBADMSG;
    ret_side->lo = value & mask;
    ret_side->hi = holes ? ret_side->lo : ret_side->lo | rest;
    *ret_len = len;
    return 0;
}

static int read_port(const struct nlattr *port, struct ng_interval *ret_side) {
    ret_side->lo = ret_side->hi = number(port, 0);
    return port && ret_side->hi <= UINT16_MAX ? 0 : -EBADMSG;
}

static int read_mac(const struct nlattr *ether, struct ng_ipset_element *element,
                    struct ng_interval *ret_side) {
    if (!ether) {
        /* Of a bitmap: matches now, and gets the address of the packet that it matches. */
        *ret_side = (struct ng_interval){0, whole};
        element->expires = true;
        return 0;
    }
    if (mnl_attr_get_payload_len(ether) != 6)
        return -EBADMSG;
    ret_side->lo = ret_side->hi = ng_wire_number(mnl_attr_get_payload(ether), 6, false);
    return 0;
}

static int read_name(const struct nlattr *iface, uint32_t flags, struct ng_interval *ret_side) {
    const char *name = ng_attribute_text(iface);
    size_t len = name ? strlen(name) : IFNAMSIZ;
    uint8_t bytes[IFNAMSIZ] = {0};
    if (len >= IFNAMSIZ)
        return -EBADMSG;
    memcpy(bytes, name, len);
    ret_side->lo = ret_side->hi = ng_wire_number(bytes, sizeof(bytes), false);
    if (flags & IPSET_FLAG_IFACE_WILDCARD)
        ret_side->hi |= whole >> 8 * len;
    /* A packet without an interface has the empty name, and is in no such set. */
    if (ret_side->lo == 0)
        ret_side->lo = 1;
    return 0;
}

static int read_side(const struct ng_ipset *set, size_t dimension,
                     const struct nlattr *const *attributes, bool second_addr,
                     struct ng_ipset_element *element) {
    struct ng_interval *side = &element->sides[dimension];
    switch (set->type->kinds[dimension]) {
    case NG_IPSET_ADDR:
        return read_addr(set, attributes[second_addr ? IPSET_ATTR_IP2 : IPSET_ATTR_IP], NULL, side,
                         &element->lens[dimension]);
    case NG_IPSET_NET:
        return read_addr(set, attributes[second_addr ? IPSET_ATTR_IP2 : IPSET_ATTR_IP],
                         attributes[second_addr ? IPSET_ATTR_CIDR2 : IPSET_ATTR_CIDR], side,
                         &element->lens[dimension]);
    case NG_IPSET_PORT:
        if (!attributes[IPSET_ATTR_PROTO])
            return -EBADMSG;
        element->proto = ng_attribute_u8(attributes[IPSET_ATTR_PROTO], 0);
        return read_port(attributes[IPSET_ATTR_PORT], side);
    case NG_IPSET_BARE_PORT:
        return read_port(attributes[IPSET_ATTR_PORT], side);
    case NG_IPSET_MAC:
        return read_mac(attributes[IPSET_ATTR_ETHER], element, side);
    case NG_IPSET_MARK:
        side->lo = side->hi = number(attributes[IPSET_ATTR_MARK], 0);
        return attributes[IPSET_ATTR_MARK] ? 0 : -EBADMSG;
    case NG_IPSET_NAME:
        return read_name(attributes[IPSET_ATTR_IFACE], number(attributes[IPSET_ATTR_CADT_FLAGS], 0),
                         side);
    case NG_IPSET_NONE:
        break;
    }
    return 0;
}

static int read_element(const struct ng_ipsets *ipsets, struct ng_ipset *set,
                        const struct nlattr *const *attributes) {
    uint32_t flags = number(attributes[IPSET_ATTR_CADT_FLAGS], 0);
    struct ng_ipset_element element = {
        .nomatch = flags & IPSET_FLAG_NOMATCH,
        .physdev = flags & IPSET_FLAG_PHYSDEV,
        /* 0: for ever, in a set whose others go. */
        .expires = number(attributes[IPSET_ATTR_TIMEOUT], 0) != 0,
    };
    bool second_addr = false;
    for (size_t i = 0; i < NG_IPSET_DIMENSIONS; i++) {
        enum ng_ipset_kind kind = set->type->kinds[i];
        int r = read_side(set, i, attributes, second_addr, &element);
        if (r < 0) {
            set->strange = true;
            return 0;
        }
        second_addr = second_addr || kind == NG_IPSET_ADDR || kind == NG_IPSET_NET;
    }
    struct ng_ipset_element *own =
        NG_ARENA_APPEND(ipsets->scratch, set->elements, set->n_elements, set->elements_capacity);
    if (!own)
        return -ENOMEM;
    *own = element;
    return 0;
}

static int read_member(const struct ng_ipsets *ipsets, struct ng_ipset *set,
                       const struct nlattr *const *attributes) {
    const char *name = ng_attribute_text(attributes[IPSET_ATTR_NAME]);
    if (!name) {
        set->strange = true;
        return 0;
    }
    struct ng_ipset_member *own =
        NG_ARENA_APPEND(ipsets->scratch, set->members, set->n_members, set->members_capacity);
    if (!own)
        return -ENOMEM;
    own->name = name;
    own->expires = number(attributes[IPSET_ATTR_TIMEOUT], 0) != 0;
    return 0;
}

int ng_ipset_read(const struct ng_ipsets *ipsets, struct ng_ipset *set) {
    static const uint32_t known =
        BIT(IPSET_ATTR_IP) | BIT(IPSET_ATTR_CIDR) | BIT(IPSET_ATTR_PORT) | BIT(IPSET_ATTR_TIMEOUT) |
        BIT(IPSET_ATTR_PROTO) | BIT(IPSET_ATTR_CADT_FLAGS) | BIT(IPSET_ATTR_MARK) |
        BIT(IPSET_ATTR_ETHER) | BIT(IPSET_ATTR_NAME) | BIT(IPSET_ATTR_IP2) | BIT(IPSET_ATTR_CIDR2) |
        BIT(IPSET_ATTR_IFACE) | BIT(IPSET_ATTR_BYTES) | BIT(IPSET_ATTR_PACKETS) |
        BIT(IPSET_ATTR_COMMENT) | BIT(IPSET_ATTR_SKBMARK) | BIT(IPSET_ATTR_SKBPRIO) |
        BIT(IPSET_ATTR_SKBQUEUE) | BIT(IPSET_ATTR_PAD);
    static const uint32_t known_flags =
        IPSET_FLAG_NOMATCH | IPSET_FLAG_PHYSDEV | IPSET_FLAG_IFACE_WILDCARD;
    if (set->read || !set->type)
        return 0;
    for (size_t i = 0; i < set->n_lists; i++) {
        const struct nlattr *element;
        mnl_attr_for_each_nested(element, set->lists[i]) {
            const struct nlattr *attributes[IPSET_ATTR_ADT_MAX + 1];
            if (ng_attributes_in(element, attributes, IPSET_ATTR_ADT_MAX) < 0 ||
                has_unknown(element, known) ||
                number(attributes[IPSET_ATTR_CADT_FLAGS], 0) & ~known_flags) {
                set->strange = true;
                continue;
            }
            int r = (set->type->list ? read_member : read_element)(ipsets, set, attributes);
            if (r < 0)
                return r;
        }
    }
    set->read = true;
    return 0;
}
