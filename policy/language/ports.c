/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Port items: `443`, `53/udp`, `7000-7005`, `8443->443` and the names of groups. */
#include "policy/language/ports.h"

#include <errno.h>
#include <string.h>

#define MAX_GROUPS  256
#define MAX_MATCHES 65536 /* of all rules and groups, expanded */

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

static int bad_port(const struct ng_node *node, struct ng_error *error) {
    char found[NG_FOUND_TEXT];
    return ng_node_error(error, node, -EINVAL, "a port is 0 to 65535, found %s",
                         ng_node_found(node, found));
}

static int bad_item(const struct ng_node *node, struct ng_error *error) {
    char found[NG_FOUND_TEXT];
    return ng_node_error(error, node, -EINVAL,
                         "expected a port (443), a range (7000-7005), either with /tcp, /udp or "
                         "/sctp, a pair (\"8443->443\") or the name of a group, found %s",
                         ng_node_found(node, found));
}

static int take_proto(const struct ng_node *node, const char *text, uint8_t *ret_proto,
                      struct ng_error *error) {
    static const char *const names[] = {"tcp", "udp", "sctp"};
    static const uint8_t protos[] = {NG_TCP, NG_UDP, NG_SCTP};
    char found[NG_FOUND_TEXT], hint[NG_HINT_TEXT];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(text, names[i]) == 0) {
            *ret_proto = protos[i];
            return 0;
        }
    return ng_node_error(error, node, -EINVAL, "expected tcp, udp or sctp after '/', found %s%s",
                         ng_quote(text, found), ng_hint(text, names, ARRAY_SIZE(names), hint));
}

/* What follows the host port or range: "->443", "/tcp", both or nothing. */
static int take_rest(const struct ng_node *node, const char *p, struct ng_port_match *match,
                     struct ng_error *error) {
    char found[NG_FOUND_TEXT];
    uint32_t to;

    if (take(&p, "->")) {
        if (!take_port(&p, &to))
            return bad_item(node, error);
        if (to > UINT16_MAX)
            return bad_port(node, error);
        if (*p == '-')
            return ng_node_error(error, node, -EINVAL,
                                 "a pair leads to one container port, found %s; write one pair "
                                 "for each",
                                 ng_node_found(node, found));
        match->pair = true;
        match->to = (uint16_t)to;
    }
    if (take(&p, "/"))
        return take_proto(node, p, &match->proto, error);
    if (*p == ':')
        return ng_node_error(error, node, -EINVAL,
                             "a pair is written \"HOST->CONTAINER\", such as \"8443->443\", "
                             "found %s",
                             ng_node_found(node, found));
    return *p ? bad_item(node, error) : 0;
}

static int read_item(const struct ng_node *node, struct ng_port_match *ret_match,
                     struct ng_error *error) {
    char found[NG_FOUND_TEXT];
    const char *p = node->text;
    uint32_t lo, hi;

    if (!take_port(&p, &lo))
        return bad_item(node, error);
    hi = lo;
    if (*p == '-' && p[1] != '>') {
        p++;
        if (!take_port(&p, &hi))
            return bad_item(node, error);
    }
    if (lo > UINT16_MAX || hi > UINT16_MAX)
        return bad_port(node, error);
    if (lo > hi)
        return ng_node_error(error, node, -EINVAL,
                             "a range begins with its lower port, found %s; write %u-%u",
                             ng_node_found(node, found), hi, lo);
    struct ng_port_match match = {.lo = (uint16_t)lo, .hi = (uint16_t)hi};
    int r = take_rest(node, p, &match, error);
    if (r == 0)
        *ret_match = match;
    return r;
}

static int read_number(const struct ng_node *node, struct ng_port_match *ret_match,
                       struct ng_error *error) {
    if (node->number < 0 || node->number > UINT16_MAX)
        return bad_port(node, error);
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
};

struct matches {
    struct ng_port_match *items;
    size_t count, capacity;
};

static int resolve(struct ng_port_groups *groups, struct written_group *group,
                   struct ng_error *error);

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
                           const char **ret_name, struct ng_error *error) {
    char found[NG_FOUND_TEXT];

    if (key->text[0] == '@')
        return ng_node_error(error, key, -EINVAL,
                             "names that begin with '@' are built in, found %s; leave out the '@'",
                             ng_quote(key->text, found));
    if (key->type == NG_NODE_NUMBER || (key->text[0] >= '0' && key->text[0] <= '9'))
        return ng_node_error(error, key, -EINVAL,
                             "the name of a port group begins with a letter, found %s",
                             ng_quote(key->text, found));
    return ng_read_id(groups->arena, key, "the name of a port group", ret_name, error);
}

static int add_group(struct ng_port_groups *groups, const struct ng_node *list,
                     struct ng_error *error) {
    const char *name;
    int r = read_group_name(groups, list->key, &name, error);
    if (r < 0)
        return r;
    struct written_group *group = find_written(groups, name);
    if (!group) {
        if (groups->n_groups == MAX_GROUPS)
            return ng_node_error(error, list->key, -E2BIG, "more than %d port groups", MAX_GROUPS);
        group = NG_ARENA_APPEND(groups->arena, groups->groups, groups->n_groups, groups->capacity);
        if (!group)
            return ng_error_set(error, -ENOMEM, list->source, "out of memory");
        group->name = name;
    }
    const struct ng_node **slot =
        NG_ARENA_APPEND(groups->arena, group->lists, group->n_lists, group->lists_capacity);
    if (!slot)
        return ng_error_set(error, -ENOMEM, list->source, "out of memory");
    *slot = list;
    return 0;
}

int ng_port_groups_add(struct ng_port_groups *groups, const struct ng_node *node,
                       struct ng_error *error) {
    char found[NG_FOUND_TEXT];

    if (node->type != NG_NODE_MAPPING)
        return ng_node_error(error, node, -EINVAL,
                             "expected a mapping of names to port lists for 'ports', found %s",
                             ng_node_found(node, found));
    for (size_t i = 0; i < node->count; i++) {
        int r = add_group(groups, node->items[i], error);
        if (r < 0)
            return r;
    }
    return 0;
}

static int append(struct ng_port_groups *groups, struct matches *to, struct ng_port_match match,
                  const struct ng_node *node, struct ng_error *error) {
    if (++groups->n_matches > MAX_MATCHES)
        return ng_node_error(error, node, -E2BIG,
                             "the rules name more than %d ports and ranges in all", MAX_MATCHES);
    struct ng_port_match *slot = NG_ARENA_APPEND(groups->arena, to->items, to->count, to->capacity);
    if (!slot)
        return ng_error_set(error, -ENOMEM, node->source, "out of memory");
    *slot = match;
    return 0;
}

static int unknown_group(struct ng_port_groups *groups, const struct ng_node *node,
                         struct ng_error *error) {
    char found[NG_FOUND_TEXT], hint[NG_HINT_TEXT], known[160];
    const char *names[MAX_GROUPS + 8];
    size_t n = 0;

    for (size_t i = 0; i < groups->n_groups; i++)
        names[n++] = groups->groups[i].name;
    names[n++] = NG_ANY_PORT;
    for (size_t i = 0; i < ng_n_built_in_groups; i++)
        names[n++] = ng_built_in_groups[i].name;
    return ng_node_error(error, node, -EINVAL, "there is no port group %s; expected %s%s",
                         ng_quote(node->text, found), ng_enumerate(names, n, known, sizeof(known)),
                         ng_hint(node->text, names, n, hint));
}

/* Appends what the name stands for. The name that stands in the list is the one that matches
 * carry, also where the group takes its ports from another: it is what the reader wrote. */
static int append_group(struct ng_port_groups *groups, struct matches *to,
                        const struct ng_node *node, struct ng_error *error) {
    if (strcmp(node->text, NG_ANY_PORT) == 0)
        return append(groups, to,
                      (struct ng_port_match){.any = true, .hi = UINT16_MAX, .group = NG_ANY_PORT},
                      node, error);

    const struct ng_port_group *group = find_built_in(node->text);
    struct written_group *written = group ? NULL : find_written(groups, node->text);
    if (written) {
        if (written->state == IN_PROGRESS)
            return ng_node_error(error, node, -EINVAL, "the port group '%s' contains itself",
                                 written->name);
        int r = resolve(groups, written, error);
        if (r < 0)
            return r;
        group = &written->resolved;
    }
    if (!group)
        return unknown_group(groups, node, error);
    for (size_t i = 0; i < group->n_ports; i++) {
        struct ng_port_match match = group->ports[i];
        match.group = group->name;
        int r = append(groups, to, match, node, error);
        if (r < 0)
            return r;
    }
    return 0;
}

static int append_item(struct ng_port_groups *groups, struct matches *to,
                       const struct ng_node *node, struct ng_error *error) {
    struct ng_port_match match = {0};
    int r;

    if (node->type == NG_NODE_NUMBER)
        r = read_number(node, &match, error);
    else if (node->type != NG_NODE_TEXT || !*node->text)
        r = bad_item(node, error);
    else if (node->text[0] >= '0' && node->text[0] <= '9')
        r = read_item(node, &match, error);
    else
        return append_group(groups, to, node, error);
    return r < 0 ? r : append(groups, to, match, node, error);
}

static int append_list(struct ng_port_groups *groups, struct matches *to,
                       const struct ng_node *list, struct ng_error *error) {
    size_t count = ng_node_count(list);
    if (count == 0)
        return ng_node_error(error, list, -EINVAL,
                             "expected at least one port, found an empty list; "
                             "\"@any\" stands for every port");
    for (size_t i = 0; i < count; i++) {
        int r = append_item(groups, to, ng_node_item(list, i), error);
        if (r < 0)
            return r;
    }
    return 0;
}

static int resolve(struct ng_port_groups *groups, struct written_group *group,
                   struct ng_error *error) {
    struct matches matches = {0};

    if (group->state == RESOLVED)
        return 0;
    group->state = IN_PROGRESS;
    for (size_t i = 0; i < group->n_lists; i++) {
        int r = append_list(groups, &matches, group->lists[i], error);
        if (r < 0)
            return r;
    }
    group->resolved = (struct ng_port_group){group->name, matches.items, matches.count};
    group->state = RESOLVED;
    return 0;
}

int ng_port_groups_resolve(struct ng_port_groups *groups, struct ng_error *error) {
    for (size_t i = 0; i < groups->n_groups; i++) {
        int r = resolve(groups, &groups->groups[i], error);
        if (r < 0)
            return r;
    }
    return 0;
}

int ng_ports_read(struct ng_port_groups *groups, const struct ng_node *node,
                  const struct ng_port_match **ret_ports, size_t *ret_count,
                  struct ng_error *error) {
    struct matches matches = {0};
    int r = append_list(groups, &matches, node, error);
    if (r < 0)
        return r;
    *ret_ports = matches.items;
    *ret_count = matches.count;
    return 0;
}
