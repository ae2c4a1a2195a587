/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/traffic_control.h"

#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "agent/observe/bpf.h"
#include "agent/observe/netlink.h"

#define SOURCE "tc"

/* Sides of the disciplines that queue nothing and only filter. */
#define PARENT_INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define PARENT_EGRESS  TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)

int ng_traffic_control_decode_qdisc(const struct nlmsghdr *message,
                                    struct ng_tc_place ret_places[2], size_t *ret_n_places) {
    const struct tcmsg *header = mnl_nlmsg_get_payload(message);
    const struct nlattr *attrs[TCA_KIND + 1];
    const char *kind;
    uint32_t link;
    size_t n = 0;
    int r;

    *ret_n_places = 0;
    if (message->nlmsg_type != RTM_NEWQDISC)
        return 0;
    r = ng_attributes_of(message, sizeof(*header), attrs, TCA_KIND);
    kind = r == 0 ? ng_attribute_text(attrs[TCA_KIND]) : NULL;
    if (!kind)
        return -EBADMSG;
    link = (uint32_t)header->tcm_ifindex;
    if (strcmp(kind, "ingress") == 0 || strcmp(kind, "clsact") == 0)
        ret_places[n++] = (struct ng_tc_place){.link = link, .parent = PARENT_INGRESS};
    if (strcmp(kind, "clsact") == 0)
        ret_places[n++] = (struct ng_tc_place){.link = link, .parent = PARENT_EGRESS};
    /* What the kernel itself puts in place has no handle, and so no filters. */
    if (n == 0 && header->tcm_handle != 0)
        ret_places[n++] =
            (struct ng_tc_place){.link = link, .parent = header->tcm_handle, .queue = true};
    *ret_n_places = n;
    return 0;
}

/* Kinds of filters that only sort, unless they have actions or a rate to police. */
static const struct {
    const char *name;
    uint16_t act, police; /* attributes in TCA_OPTIONS */
} sorters[] = {
    {"basic", TCA_BASIC_ACT, TCA_BASIC_POLICE},
    {"cgroup", TCA_CGROUP_ACT, TCA_CGROUP_POLICE},
    {"flow", TCA_FLOW_ACT, TCA_FLOW_POLICE},
    {"flower", TCA_FLOWER_ACT, TCA_FLOWER_ACT},
    {"fw", TCA_FW_ACT, TCA_FW_POLICE},
    {"matchall", TCA_MATCHALL_ACT, TCA_MATCHALL_ACT},
    {"route", TCA_ROUTE4_ACT, TCA_ROUTE4_POLICE},
    {"u32", TCA_U32_ACT, TCA_U32_POLICE},
};

#define SORTER_ATTRS 16

int ng_traffic_control_decode_filter(const struct nlmsghdr *message, bool queue, bool *ret_judges) {
    const struct nlattr *attrs[TCA_OPTIONS + 1], *options[SORTER_ATTRS + 1] = {0};
    const char *kind;
    int r;

    *ret_judges = false;
    if (message->nlmsg_type != RTM_NEWTFILTER)
        return 0;
    r = ng_attributes_of(message, sizeof(struct tcmsg), attrs, TCA_OPTIONS);
    kind = r == 0 ? ng_attribute_text(attrs[TCA_KIND]) : NULL;
    if (!kind)
        return -EBADMSG;
    if (attrs[TCA_OPTIONS])
        r = ng_attributes_in(attrs[TCA_OPTIONS], options, SORTER_ATTRS);
    if (r < 0)
        return r;
    *ret_judges = true;
    for (size_t i = 0; queue && i < ARRAY_SIZE(sorters); i++)
        if (strcmp(kind, sorters[i].name) == 0)
            *ret_judges = options[sorters[i].act] || options[sorters[i].police];
    return 0;
}

/* -- asking -------------------------------------------------------------------------- */

struct reading {
    struct ng_arena *arena;
    struct ng_tc_place *places;
    size_t n_places, places_capacity;
    const struct ng_tc_place *place; /* asked for */
    bool judges;                     /* some filter there does */
};

static int take_qdisc(const struct nlmsghdr *message, void *context) {
    struct reading *reading = context;
    struct ng_tc_place places[2], *place;
    size_t n = 0;
    int r = ng_traffic_control_decode_qdisc(message, places, &n);

    for (size_t i = 0; r == 0 && i < n; i++) {
        place = NG_ARENA_APPEND(reading->arena, reading->places, reading->n_places,
                                reading->places_capacity);
        if (!place)
            return -ENOMEM;
        *place = places[i];
    }
    return r;
}

static int take_filter(const struct nlmsghdr *message, void *context) {
    struct reading *reading = context;
    bool judges = false;
    int r = ng_traffic_control_decode_filter(message, reading->place->queue, &judges);

    reading->judges |= judges;
    return r;
}

static int dump(struct ng_netlink *netlink, uint16_t type, struct ng_tc_place place,
                const char *what, ng_netlink_each *take, struct reading *reading,
                struct ng_error *error) {
    union {
        struct nlmsghdr message;
        uint8_t room[64];
    } request;
    struct ng_error refused = {0};
    struct tcmsg *header;
    int r;

    mnl_nlmsg_put_header(&request);
    request.message.nlmsg_type = type;
    header = mnl_nlmsg_put_extra_header(&request.message, sizeof(*header));
    header->tcm_ifindex = (int)place.link;
    header->tcm_parent = place.parent;
    r = ng_netlink_dump(netlink, &request.message, what, take, reading, &refused);
    if (r == -EOPNOTSUPP) /* a kernel without traffic control */
        return 0;
    return r < 0 && r != -EINTR ? ng_error_set(error, r, SOURCE, "%s", refused.message) : r;
}

static struct ng_link *find(struct ng_link *links, size_t n_links, uint32_t index) {
    for (size_t i = 0; i < n_links; i++)
        if (links[i].index == index)
            return &links[i];
    return NULL;
}

struct marking {
    struct reading reading;
    struct ng_link *links;
    size_t n_links;
};

/* Marks the links with filters; marks of an attempt that was interrupted stay. */
static int mark_filters(void *context, struct ng_error *error) {
    struct marking *marking = context;
    struct reading *reading = &marking->reading;
    _cleanup_(ng_netlink_closep) struct ng_netlink *netlink = NULL;
    int r;

    reading->n_places = 0;
    r = ng_netlink_open(NETLINK_ROUTE, SOURCE, &netlink, error);
    if (r == 0)
        r = dump(netlink, RTM_GETQDISC, (struct ng_tc_place){0}, "queueing disciplines", take_qdisc,
                 reading, error);
    for (size_t i = 0; r == 0 && i < reading->n_places; i++) {
        const struct ng_tc_place *place = &reading->places[i];
        struct ng_link *link = find(marking->links, marking->n_links, place->link);

        if (!link || link->tc)
            continue;
        reading->place = place;
        reading->judges = false;
        r = dump(netlink, RTM_GETTFILTER, *place, "filters", take_filter, reading, error);
        link->tc = reading->judges;
    }
    return r;
}

static int mark_programs(struct marking *marking, struct ng_error *error) {
    for (size_t i = 0; i < marking->n_links; i++) {
        struct ng_link *link = &marking->links[i];
        int r = ng_bpf_tcx(link->index);

        if (r < 0)
            return ng_error_set(error, r, SOURCE,
                                "cannot tell whether tcx programs are attached to links: %s%s",
                                strerror(-r), r == -EPERM ? "; run as root" : "");
        /* Programs are all that a netkit is for. */
        link->tc |= r > 0 || strcmp(link->kind, "netkit") == 0;
    }
    return 0;
}

int ng_traffic_control_read(struct ng_world *world, struct ng_error *error) {
    struct marking marking = {.reading = {.arena = world->arena}, .n_links = world->n_links};
    int r;

    if (world->n_links == 0)
        return 0;
    marking.links = ng_arena_alloc(world->arena, world->n_links, sizeof(*marking.links));
    if (!marking.links)
        return -ENOMEM;
    memcpy(marking.links, world->links, world->n_links * sizeof(*marking.links));
    r = ng_netlink_settle(mark_filters, &marking, SOURCE, "queueing disciplines", error);
    if (r == 0)
        r = mark_programs(&marking, error);
    world->links = marking.links;
    return r;
}
