/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/nexthops.h"

#include <errno.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

/* An array of struct nexthop_grp. */
static int decode_group(struct ng_arena *arena, const struct nlattr *attr,
                        struct ng_nexthop *nexthop) {
    size_t count = mnl_attr_get_payload_len(attr) / sizeof(struct nexthop_grp);
    uint32_t *members = ng_arena_alloc(arena, count, sizeof(*members));
    const uint8_t *at = mnl_attr_get_payload(attr);

    if (count == 0)
        return -EBADMSG;
    if (!members)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct nexthop_grp member;

        memcpy(&member, at + i * sizeof(member), sizeof(member));
        members[i] = member.id;
    }
    nexthop->members = members;
    nexthop->n_members = count;
    return 0;
}

int ng_nexthops_decode(struct ng_nexthops *nexthops, const struct nlmsghdr *message) {
    const struct nhmsg *header = mnl_nlmsg_get_payload(message);
    const struct nlattr *attrs[NHA_GATEWAY + 1];
    struct ng_nexthop nexthop = {0}, *place;
    int r;

    if (message->nlmsg_type != RTM_NEWNEXTHOP)
        return 0;
    r = ng_attributes_of(message, sizeof(*header), attrs, NHA_GATEWAY);
    if (r == 0 && attrs[NHA_GROUP])
        r = decode_group(nexthops->arena, attrs[NHA_GROUP], &nexthop);
    if (r < 0)
        return r;
    nexthop.id = ng_attribute_u32(attrs[NHA_ID], 0);
    nexthop.oif = ng_attribute_u32(attrs[NHA_OIF], 0);
    nexthop.has_gateway = attrs[NHA_GATEWAY];
    nexthop.blackhole = attrs[NHA_BLACKHOLE];
    nexthop.dead = header->nh_flags & RTNH_F_DEAD;
    if (nexthop.id == 0)
        return -EBADMSG;
    place = NG_ARENA_APPEND(nexthops->arena, nexthops->items, nexthops->count, nexthops->capacity);
    if (!place)
        return -ENOMEM;
    *place = nexthop;
    return 0;
}

static int compare_ids(const void *a, const void *b) {
    uint32_t x = ((const struct ng_nexthop *)a)->id, y = ((const struct ng_nexthop *)b)->id;

    return x < y ? -1 : x > y;
}

static const struct ng_nexthop *find(const struct ng_nexthops *nexthops, uint32_t id) {
    const struct ng_nexthop key = {.id = id};

    return nexthops->count == 0 ? NULL
                                : bsearch(&key, nexthops->items, nexthops->count,
                                          sizeof(*nexthops->items), compare_ids);
}

int ng_nexthops_resolve(const struct ng_nexthops *nexthops, uint32_t id, size_t hop,
                        struct ng_route *route) {
    const struct ng_nexthop *nexthop = find(nexthops, id);
    size_t n_members = nexthop && nexthop->n_members ? nexthop->n_members : 1;

    for (size_t i = 0; nexthop && i < n_members; i++) {
        const struct ng_nexthop *member =
            nexthop->n_members ? find(nexthops, nexthop->members[i]) : nexthop;

        if (!member)
            return -ENOENT;
        if (member->dead || hop-- > 0)
            continue;
        route->oif = member->oif;
        route->has_gateway = member->has_gateway;
        if (member->blackhole)
            route->type = NG_ROUTE_BLACKHOLE;
        return 0;
    }
    return nexthop ? 1 : -ENOENT;
}

/* -- asking -------------------------------------------------------------------------- */

static int take_nexthop(const struct nlmsghdr *message, void *context) {
    return ng_nexthops_decode(context, message);
}

int ng_nexthops_read(struct ng_netlink *netlink, struct ng_nexthops *nexthops,
                     struct ng_error *error) {
    union {
        struct nlmsghdr message;
        uint8_t room[64];
    } request;
    int r;

    mnl_nlmsg_put_header(&request);
    request.message.nlmsg_type = RTM_GETNEXTHOP;
    mnl_nlmsg_put_extra_header(&request.message, sizeof(struct nhmsg));
    nexthops->count = 0;
    r = ng_netlink_dump(netlink, &request.message, "nexthops", take_nexthop, nexthops, error);
    if (r == 0 && nexthops->count > 1)
        qsort(nexthops->items, nexthops->count, sizeof(*nexthops->items), compare_ids);
    return r;
}
