/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/print/addresses.h"

const char *ng_layout_socket(struct ng_layout *layout, struct ng_addr addr, unsigned port,
                             unsigned length) {
    char text[NG_ADDR_TEXT];
    const char *ports = length > 1 ? ng_layout_text(layout, "%u-%u", port, port + length - 1)
                                   : ng_layout_text(layout, "%u", port);

    if (!addr.family)
        return ports;
    ng_addr_text(addr, text);
    return ng_layout_text(layout, addr.family == NG_IP6 ? "[%s]:%s" : "%s:%s", text, ports);
}

struct prefix_list {
    struct ng_layout *layout;
    const char *text;
    size_t count, shown;
};

static void add_prefix(struct ng_addr prefix, unsigned len, void *context) {
    struct prefix_list *list = context;
    char text[NG_ADDR_TEXT];

    if (list->count++ >= list->shown)
        return;
    if (len == ng_family_bits(prefix.family))
        ng_addr_text(prefix, text);
    else
        ng_prefix_text(prefix, len, text);
    list->text = ng_layout_join(list->layout, list->text, ng_layout_text(list->layout, "%s", text));
}

static struct prefix_list list_prefixes(struct ng_layout *layout, struct ng_addrset set,
                                        uint8_t family, size_t most) {
    struct prefix_list list = {
        .layout = layout,
        .text = "",
        .shown = most,
    };

    ng_addrset_each_prefix(set, family, add_prefix, &list);
    if (list.count > list.shown)
        list.text =
            ng_layout_text(layout, "%s and %zu" NG_KEEP "more", list.text, list.count - list.shown);
    return list;
}

/* What `set` leaves out of all addresses that can be a source at all: that 127.0.0.0/8 or a
 * multicast address does not get in goes without saying. */
static int left_out(struct ng_arena *arena, struct ng_addrset set, uint8_t family,
                    struct ng_addrset *ret_rest) {
    static const struct ng_interval never4[] = {
        {0, 0},
        {0x7f000000, 0x7fffffff},
        {0xe0000000, 0xefffffff},
        {0xffffffff, 0xffffffff},
    };
    static const struct ng_interval never6[] = {
        {0, 1},
        {(ng_u128)0xff << 120, ~(ng_u128)0},
    };
    struct ng_addrset never = {never4, ARRAY_SIZE(never4)};
    struct ng_addrset all;

    if (family == NG_IP6)
        never = (struct ng_addrset){never6, ARRAY_SIZE(never6)};
    int r = ng_addrset_range(arena, 0, ng_family_max(family), &all);
    if (r < 0)
        return r;
    r = ng_addrset_subtract(arena, all, never, &all);
    if (r < 0)
        return r;
    return ng_addrset_subtract(arena, all, set, ret_rest);
}

/* The smallest prefix around the set. */
static struct ng_interval hull_of(struct ng_addrset set) {
    ng_u128 lo = set.intervals[0].lo, hi = set.intervals[set.count - 1].hi, rest = 0;

    while ((lo | rest) != (hi | rest))
        rest = rest << 1 | 1;
    return (struct ng_interval){lo & ~rest, hi | rest};
}

const char *ng_layout_sources(struct ng_layout *layout, struct ng_addrset set, uint8_t family,
                              size_t most) {
    struct ng_addrset rest, within;

    if (ng_addrset_empty(set))
        return "";
    struct ng_interval around = hull_of(set);
    struct ng_addrset hull = {&around, 1};
    if (left_out(layout->arena, set, family, &rest) < 0 ||
        ng_addrset_subtract(layout->arena, hull, set, &within) < 0) {
        layout->failed = true;
        return "";
    }
    if (ng_addrset_empty(rest))
        return "any address";
    struct prefix_list in = list_prefixes(layout, set, family, most);
    struct prefix_list out = list_prefixes(layout, rest, family, most);
    struct prefix_list hole = list_prefixes(layout, within, family, most);
    if (out.count < in.count && out.count <= hole.count)
        return ng_layout_text(layout, "any but %s", out.text);
    if (hole.count && hole.count + 1 < in.count)
        return ng_layout_text(layout, "%s but not %s",
                              list_prefixes(layout, hull, family, most).text, hole.text);
    return in.text;
}

const char *ng_layout_ports(struct ng_layout *layout, const struct ng_port_range *ranges,
                            size_t count) {
    const char *text = "";

    for (size_t i = 0; i < count; i++)
        text = ng_layout_join(layout, text,
                              ranges[i].lo == ranges[i].hi
                                  ? ng_layout_text(layout, "%u", ranges[i].lo)
                                  : ng_layout_text(layout, "%u-%u", ranges[i].lo, ranges[i].hi));
    return text;
}
