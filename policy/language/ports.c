/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Port items: `443`, `53/udp`, `7000-7005`, `8443->443` and the names of groups. */
#include "policy/language/ports.h"

#include <errno.h>
#include <string.h>

#define MAX_GROUPS   256
#define MAX_MATCHES  65536 /* of all rules and groups, expanded */
#define MAX_BUILT_IN 16    /* groups, at most */

/* -- one item ------------------------------------------------------------------------ */

/* Digits to a port; false when there are none. What is too big comes back as 65536. */
static bool take_port(const char **p, uint32_t *ret_port) {
    const char *digit = *p;
    uint32_t port = 0;
    for (; *digit >= '0' && *digit <= '9'; digit++) {
        port = port * 10 + (uint32_t)(*digit - '0');
        if (port > UINT16_MAX)
            port = UINT16_MAX + 1;
    }
    if (digit == *p)
        return false;
    *p = digit;
    *ret_port = port;
    return true;
}

static bool take(const char **p, const char *token) {
    size_t len = strlen(token);
    if (strncmp(*p, token, len) != 0)
        return false;
    *p += len;
    return true;
}

static int bad_port(const struct ng_node *node, struct ng_faults *faults) {
    char found[NG_FOUND_TEXT];
    return ng_node_fault(faults, node, -EINVAL, "a port is 0 to 65535, found %s",
                         ng_node_found(node, found));
}

static int bad_item(const struct ng_node *node, struct ng_faults *faults) {
    char found[NG_FOUND_TEXT];
    return ng_node_fault(faults, node, -EINVAL,
                         "expected a port (443), a range (7000-7005), either with /tcp, /udp or "
                         "/sctp, a pair (\"8443->443\") or the name of a group, found %s",
                         ng_node_found(node, found));
}

static int take_proto(const struct ng_node *node, const char *text, uint8_t *ret_proto,
                      struct ng_faults *faults) {
    static const char *const names[] = {"tcp", "udp", "sctp"};
    static const uint8_t protos[] = {NG_TCP, NG_UDP, NG_SCTP};
    char found[NG_FOUND_TEXT], hint[NG_HINT_TEXT];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(text, names[i]) == 0) {
            *ret_proto = protos[i];
            return 0;
        }
    return ng_node_fault(faults, node, -EINVAL, "expected tcp, udp or sctp after '/', found %s%s",
                         ng_quote(text, found), ng_hint(text, names, ARRAY_SIZE(names), hint));
}

/* What follows the host port or range: "->443", "/tcp", both or nothing. */
static int take_rest(const struct ng_node *node, const char *p, struct ng_port_match *match,
                     struct ng_faults *faults) {
    char found[NG_FOUND_TEXT];
    uint32_t to;

    if (take(&p, "->")) {
        if (!take_port(&p, &to))
            return bad_item(node, faults);
        if (to > UINT16_MAX)
            return bad_port(node, faults);
        if (*p == '-')
            return ng_node_fault(faults, node, -EINVAL,
                                 "a pair leads to one container port, found %s; write one pair "
                                 "for each",
                                 ng_node_found(node, found));
        match->pair = true;
        match->to = (uint16_t)to;
    }
    if (take(&p, "/"))
        return take_proto(node, p, &match->proto, faults);
    if (*p == ':')
        return ng_node_fault(faults, node, -EINVAL,
                             "a pair is written \"HOST->CONTAINER\", such as \"8443->443\", "
                             "found %s",
                             ng_node_found(node, found));
    return *p ? bad_item(node, faults) : 0;
}

static int read_item(const struct ng_node *node, struct ng_port_match *ret_match,
                     struct ng_faults *faults) {
    char found[NG_FOUND_TEXT];
    const char *p = node->text;
    uint32_t lo, hi;

    if (!take_port(&p, &lo))
        return bad_item(node, faults);
    hi = lo;
    if (*p == '-' && p[1] != '>') {
        p++;
        if (!take_port(&p, &hi))
            return bad_item(node, faults);
    }
    if (lo > UINT16_MAX || hi > UINT16_MAX)
        return bad_port(node, faults);
    if (lo > hi)
        return ng_node_fault(faults, node, -EINVAL,
                             "a range begins with its lower port, found %s; write %u-%u",
                             ng_node_found(node, found), hi, lo);
    struct ng_port_match match = {.lo = (uint16_t)lo, .hi = (uint16_t)hi};
    int r = take_rest(node, p, &match, faults);
    if (r == 0)
        *ret_match = match;
    return r;
}

static int read_number(const struct ng_node *node, struct ng_port_match *ret_match,
                       struct ng_faults *faults) {
    if (node->number < 0 || node->number > UINT16_MAX)
        return bad_port(node, faults);
    *ret_match = (struct ng_port_match){.lo = (uint16_t)node->number, .hi = (uint16_t)node->number};
    return 0;
}

/* -- groups -------------------------------------------------------------------------- */

enum group_state {
    NOT_RESOLVED,
    IN_PROGRESS, /* met again in this state, a group contains itself */
    RESOLVED,
};

struct written_group {
    const char *name;
    const struct ng_node **lists; /* one of every file that names the group */
    size_t n_lists, lists_capacity;
    enum group_state state;
    struct ng_port_group resolved;
};

struct ng_port_groups {
    struct ng_arena *arena;
    struct written_group *groups;
    size_t n_groups, capacity;
    size_t n_matches; /* made so far, groups and rules together */
    bool incomplete;  /* there may be more: some could not be read */
};

struct matches {
    struct ng_port_match *items;
    size_t count, capacity;
};

static void resolve(struct ng_port_groups *groups, struct written_group *group,
                    struct ng_faults *faults);

struct ng_port_groups *ng_port_groups_new(struct ng_arena *arena) {
    struct ng_port_groups *groups = ng_arena_alloc(arena, 1, sizeof(*groups));
    if (groups)
        groups->arena = arena;
    return groups;
}

static struct written_group *find_written(struct ng_port_groups *groups, const char *name) {
    for (size_t i = 0; i < groups->n_groups; i++)
        if (strcmp(groups->groups[i].name, name) == 0)
            return &groups->groups[i];
    return NULL;
}

static const struct ng_port_group *find_built_in(const char *name) {
    for (size_t i = 0; i < ng_n_built_in_groups; i++)
        if (strcmp(ng_built_in_groups[i].name, name) == 0)
            return &ng_built_in_groups[i];
    return NULL;
}

static int read_group_name(struct ng_port_groups *groups, const struct ng_node *key,
                           const char **ret_name, struct ng_faults *faults) {
    char found[NG_FOUND_TEXT];

    *ret_name = key->text; /* it is there for those who name it */
    if (key->text[0] == '@')
        return ng_node_fault(faults, key, -EINVAL,
                             "names that begin with '@' are built in, found %s; leave out the '@'",
                             ng_quote(key->text, found));
    if (key->type == NG_NODE_NUMBER || (key->text[0] >= '0' && key->text[0] <= '9'))
        return ng_node_fault(faults, key, -EINVAL,
                             "the name of a port group begins with a letter, found %s",
                             ng_quote(key->text, found));
    return ng_read_id(groups->arena, key, "the name of a port group", ret_name, faults);
}

static int add_group(struct ng_port_groups *groups, const struct ng_node *list,
                     struct ng_faults *faults) {
    const char *name = NULL;
    read_group_name(groups, list->key, &name, faults);
    struct written_group *group = find_written(groups, name);
    if (!group) {
        if (groups->n_groups == MAX_GROUPS) {
            groups->incomplete = true;
            return ng_node_fault(faults, list->key, -E2BIG, "more than %d port groups", MAX_GROUPS);
        }
        group = NG_ARENA_APPEND(groups->arena, groups->groups, groups->n_groups, groups->capacity);
        if (!group)
            return ng_faults_no_memory(faults);
        group->name = name;
    }
    const struct ng_node **slot =
        NG_ARENA_APPEND(groups->arena, group->lists, group->n_lists, group->lists_capacity);
    if (!slot)
        return ng_faults_no_memory(faults);
    *slot = list;
    return 0;
}

void ng_port_groups_add(struct ng_port_groups *groups, const struct ng_node *node,
                        struct ng_faults *faults) {
    char found[NG_FOUND_TEXT];

    if (node->type != NG_NODE_MAPPING) {
        ng_node_fault(faults, node, -EINVAL,
                      "expected a mapping of names to port lists for 'ports', found %s",
                      ng_node_found(node, found));
        groups->incomplete = true;
        return;
    }
    int r = 0;
    for (size_t i = 0; r == 0 && i < node->count && ng_faults_go_on(faults); i++)
        r = add_group(groups, node->items[i], faults);
}

void ng_port_groups_may_be_more(struct ng_port_groups *groups) {
    groups->incomplete = true;
}

static int append(struct ng_port_groups *groups, struct matches *to, struct ng_port_match match,
                  const struct ng_node *node, struct ng_faults *faults) {
    if (groups->n_matches > MAX_MATCHES)
        return -E2BIG; /* which has been told */
    if (++groups->n_matches > MAX_MATCHES)
        return ng_node_fault(faults, node, -E2BIG,
                             "the rules name more than %d ports and ranges in all", MAX_MATCHES);
    struct ng_port_match *slot = NG_ARENA_APPEND(groups->arena, to->items, to->count, to->capacity);
    if (!slot)
        return ng_faults_no_memory(faults);
    *slot = match;
    return 0;
}

static void unknown_group(struct ng_port_groups *groups, const struct ng_node *node,
                          struct ng_faults *faults) {
    char found[NG_FOUND_TEXT], hint[NG_HINT_TEXT], known[160];
    const char *names[MAX_GROUPS + 1 + MAX_BUILT_IN];
    size_t n = 0;

    for (size_t i = 0; i < groups->n_groups; i++)
        names[n++] = groups->groups[i].name;
    names[n++] = NG_ANY_PORT;
    for (size_t i = 0; i < ng_n_built_in_groups; i++)
        names[n++] = ng_built_in_groups[i].name;
    ng_node_fault(faults, node, -EINVAL, "there is no port group %s; expected %s%s",
                  ng_quote(node->text, found), ng_enumerate(names, n, known, sizeof(known)),
                  ng_hint(node->text, names, n, hint));
}

static int append_ports(struct ng_port_groups *groups, struct matches *to,
                        const struct ng_port_group *group, const char *name,
                        const struct ng_node *node, struct ng_faults *faults) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < group->n_ports; i++) {
        struct ng_port_match match = group->ports[i];
        match.group = name;
        r = append(groups, to, match, node, faults);
    }
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(group->also) && group->also[i]; i++)
        r = append_ports(groups, to, find_built_in(group->also[i]), name, node, faults);
    return r;
}

/* Appends what the name stands for. The name that stands in the list is the one that matches
 * carry, also where the group takes its ports from another: it is what the reader wrote. */
static void append_group(struct ng_port_groups *groups, struct matches *to,
                         const struct ng_node *node, struct ng_faults *faults) {
    static const struct ng_port_match any = {.any = true, .hi = UINT16_MAX, .group = NG_ANY_PORT};
    if (strcmp(node->text, NG_ANY_PORT) == 0) {
        append(groups, to, any, node, faults);
        return;
    }

    const struct ng_port_group *group = find_built_in(node->text);
    struct written_group *written = group ? NULL : find_written(groups, node->text);
    if (written && written->state == IN_PROGRESS) {
        ng_node_fault(faults, node, -EINVAL, "the port group '%s' contains itself", written->name);
        return;
    }
    if (written) {
        resolve(groups, written, faults);
        group = &written->resolved;
    }
    if (!group && !groups->incomplete)
        unknown_group(groups, node, faults);
    if (group)
        append_ports(groups, to, group, group->name, node, faults);
}

static void append_item(struct ng_port_groups *groups, struct matches *to,
                        const struct ng_node *node, struct ng_faults *faults) {
    struct ng_port_match match = {0};
    int r;

    if (node->type == NG_NODE_NUMBER)
        r = read_number(node, &match, faults);
    else if (node->type != NG_NODE_TEXT || !*node->text)
        r = bad_item(node, faults);
    else if (node->text[0] >= '0' && node->text[0] <= '9')
        r = read_item(node, &match, faults);
    else {
        append_group(groups, to, node, faults);
        return;
    }
    if (r == 0)
        append(groups, to, match, node, faults);
}

static void append_list(struct ng_port_groups *groups, struct matches *to,
                        const struct ng_node *list, struct ng_faults *faults) {
    size_t count = ng_node_count(list);
    if (count == 0)
        ng_node_fault(faults, list, -EINVAL,
                      "expected at least one port, found an empty list; "
                      "\"@any\" stands for every port");
    for (size_t i = 0; i < count && ng_faults_go_on(faults); i++)
        append_item(groups, to, ng_node_item(list, i), faults);
}

static void resolve(struct ng_port_groups *groups, struct written_group *group,
                    struct ng_faults *faults) {
    struct matches matches = {0};

    if (group->state == RESOLVED)
        return;
    group->state = IN_PROGRESS;
    for (size_t i = 0; i < group->n_lists; i++)
        append_list(groups, &matches, group->lists[i], faults);
    group->resolved = (struct ng_port_group){
        .name = group->name, .ports = matches.items, .n_ports = matches.count};
    group->state = RESOLVED;
}

void ng_port_groups_resolve(struct ng_port_groups *groups, struct ng_faults *faults) {
    for (size_t i = 0; i < groups->n_groups; i++)
        resolve(groups, &groups->groups[i], faults);
}

void ng_ports_read(struct ng_port_groups *groups, const struct ng_node *node,
                   const struct ng_port_match **ret_ports, size_t *ret_count,
                   struct ng_faults *faults) {
    struct matches matches = {0};
    append_list(groups, &matches, node, faults);
    *ret_ports = matches.items;
    *ret_count = matches.count;
}
