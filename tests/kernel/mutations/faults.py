# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults that are planted one at a time: (what, file, the text as it is, the text as it is then).
Each text stands once in its file."""

RULES = "policy/reach/rules.c"
REACH = "policy/reach/reach.c"
BASE_CHAIN = "policy/reach/base_chain.c"
FIELD = "policy/reach/field.c"
MATCH = "policy/reach/match.c"
COMPILE = "policy/reach/compile.c"
ROUTE = "policy/reach/route.c"
SOURCE = "policy/reach/source.c"
TRANSLATE = "policy/reach/translate.c"

FAULTS = [
    ("a goto comes back", RULES,
     "return ng_run_chain(walk, verdict->chain, flow, run->depth + 1, run->returned);",
     "return ng_run_chain(walk, verdict->chain, flow, run->depth + 1, run->next);"),
    ("return goes on in the same chain", RULES,
     "return ng_walk_add_flow(walk, run->returned, &flow);",
     "return ng_walk_add_flow(walk, run->next, &flow);"),
    ("a mark cannot be set twice", RULES, "flow->mark = is_known ? (uint32_t)value : 0;",
     "flow->mark |= is_known ? (uint32_t)value : 0;"),
    ("notrack works after conntrack", RULES,
     "    if (!ng_has_connection(&run->walk->place, &run->flow))\n"
     "        run->flow.untracked = true;",
     "    run->flow.untracked = true;"),
    ("ct mark of no connection can be set", RULES,
     "        if (!ng_has_connection(&run->walk->place, flow))\n            return 0;\n", ""),
    ("dnat ip of an inet table is for IPv6 too", RULES,
     "nat->has_addr && nat->addr_lo.family != run->walk->place.question->family;", "false;"),
    ("an element of a map does not take the packet from later ones", RULES,
     "    return r < 0 ? r\n"
     "                 : ng_region_subtract(walk->place.arena, run->flow.region, certain,\n"
     "                                      &run->flow.region);\n", "    return r;\n"),
    ("a catch-all is taken with elements before it", RULES,
     "same_result(first, box) && !is_catch_all(match, box)", "same_result(first, box)"),
    ("policies accept", BASE_CHAIN, "if (chain->policy_drop)", "if (false && chain->policy_drop)"),
    ("127.0.0.1 is reached by route", REACH, "!iif->loopback && !iif->route_localnet)",
     "!iif->loopback && iif->route_localnet)"),
    ("equal chains run in the order of their making", COMPILE,
     "return a->handle > b->handle ? -1 : 1;", "return a->handle < b->handle ? -1 : 1;"),
    ("priorities from high to low", COMPILE, "return pa < pb ? -1 : 1;",
     "return pa > pb ? -1 : 1;"),
    ("nat chains have their own priority", COMPILE, "if (chain->type != NG_CHAIN_NAT)",
     "if (true)"),
    ("connections are known from priority -150 on", FIELD,
     "place->priority >= PRIORITY_CONNTRACK;", "place->priority >= PRIORITY_CONNTRACK + 50;"),
    ("untracked packets are new", FIELD,
     "    if (flow->untracked)\n        return CT_UNTRACKED;\n", ""),
    ("dnat leaves no status", FIELD, "status |= CT_STATUS_DST_NAT;", "status |= 0;"),
    ("original and reply port are one", FIELD, "flow->translated ? flow->nat_dport : flow->ct_dport",
     "flow->ct_dport"),
    ("broadcasts are for the host", FIELD, "return broadcast ? PACKET_BROADCAST_ : PACKET_HOST_;",
     "return broadcast ? PACKET_HOST_ : PACKET_HOST_;"),
    ("the shortest prefix wins", ROUTE, "main->prefix_len > route->prefix_len",
     "main->prefix_len < route->prefix_len"),
    ("not in a routing rule means nothing", ROUTE, "return answer == YES ? NO : YES;",
     "return answer;"),
    ("a port below a rule's range is in it", ROUTE, "(port < lo || port > hi)", "(port > hi)"),
    ("loose source validation is strict", SOURCE,
     "link->rp_filter == 2 || results[i].oif == link->index",
     "results[i].oif == link->index"),
    ("netmap takes the other bits", TRANSLATE,
     "(nat->addr_lo.value & ~kept) | (flow->daddr & kept);",
     "(nat->addr_lo.value & kept) | (flow->daddr & ~kept);"),
    ("host byte order is the network's", "agent/observe/nft_load.c",
     "ng_whole_field(key->field, key->len_bytes, key->host_order);",
     "ng_whole_field(key->field, key->len_bytes, false);"),
    ("nft range without its upper end", "agent/observe/nft_test.c",
     "part_number(&part, hi) >> shift, &values);",
     "(part_number(&part, hi) >> shift) - (part_number(&part, hi) > part_number(&part, lo)),\n"
     "                             &values);"),
    ("--ctstate UNTRACKED is no state", "agent/observe/xt_match_conntrack.c",
     "(mask & XT_CONNTRACK_STATE_UNTRACKED ? 64 : 0);", "0;"),
    ("--ctstate DNAT is SNAT", "agent/observe/xt_match_conntrack.c",
     "(mask & XT_CONNTRACK_STATE_DNAT ? IPS_DST_NAT : 0U);",
     "(mask & XT_CONNTRACK_STATE_DNAT ? IPS_SRC_NAT : 0U);"),
    ("! of a legacy -s is not seen", "agent/observe/xt_table.c",
     "return ng_op_add_interval(list, operand, addr, addr, negate);",
     "return ng_op_add_interval(list, operand, addr, addr, false);"),
    ("! --mark is --mark", "agent/observe/xt_match.c", "match->mark, match->invert);",
     "match->mark, false);"),
]
