/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/command/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/command/question.h"
#include "agent/print/escape.h"
#include "netguard/policy.h"

enum {
    TARGET_MAX = 512,
    QUOTE_TEXT = 160,
    NEAR_MAX = 1024, /* containers that are looked through for a near name */
};

struct parsing {
    const struct ng_world *world;
    char text[TARGET_MAX]; /* gets cut in pieces */
    struct ng_explain_target target;
    struct ng_error *error;
};

static const char *quote(const char *text, char buffer[static QUOTE_TEXT]) {
    ng_escape(buffer, QUOTE_TEXT, text);
    return buffer;
}

static int wrong(const struct parsing *parsing, const char *found, const char *expected) {
    char text[QUOTE_TEXT];

    return ng_error_set(parsing->error, -EINVAL, "explain", "found \"%s\", expected %s",
                        quote(found, text), expected);
}

static bool all_digits(const char *text) {
    return *text && text[strspn(text, "0123456789")] == '\0';
}

/* -- parts --------------------------------------------------------------------------- */

static int parse_port(struct parsing *parsing, const char *text) {
    unsigned long port = all_digits(text) && strlen(text) <= 5 ? strtoul(text, NULL, 10) : 0;

    if (port == 0 || port > UINT16_MAX)
        return wrong(parsing, text, "a port from 1 to 65535");
    parsing->target.port = (uint16_t)port;
    parsing->target.has_port = true;
    return 0;
}

/* Takes "/tcp" off. */
static int parse_proto(struct parsing *parsing) {
    char *slash = strrchr(parsing->text, '/');

    if (!slash)
        return 0;
    *slash = '\0';
    if (ng_proto_parse(slash + 1, &parsing->target.proto) < 0 || parsing->target.proto == 0)
        return wrong(parsing, slash + 1,
                     "a protocol (tcp, udp, sctp, icmp, … or a number) after the \"/\"");
    return 0;
}

/* -- containers ---------------------------------------------------------------------- */

/* Visits each container of each engine, until `visit` says that it is enough. */
static void each_container(const struct ng_world *world,
                           bool (*visit)(const struct ng_container *container, void *context),
                           void *context) {
    for (size_t i = 0; i < world->n_engines; i++)
        for (size_t k = 0; k < world->engines[i].n_containers; k++)
            if (visit(&world->engines[i].containers[k], context))
                return;
}

struct container_search {
    const char *name;
    const struct ng_container *named, *by_id;
    size_t n_by_id;
    const char *names[NEAR_MAX];
    size_t n_names;
};

static bool visit(const struct ng_container *container, void *context) {
    struct container_search *search = context;

    if (strcmp(container->name, search->name) == 0)
        search->named = container;
    if (strncmp(container->id, search->name, strlen(search->name)) == 0) {
        search->by_id = container;
        search->n_by_id++;
    }
    if (search->n_names < NEAR_MAX)
        search->names[search->n_names++] = container->name;
    return search->named;
}

static int find_container(struct parsing *parsing, const char *name) {
    struct container_search search = {.name = name};
    char found[QUOTE_TEXT], near_text[QUOTE_TEXT] = "";

    each_container(parsing->world, visit, &search);
    parsing->target.container = search.named          ? search.named
                                : search.n_by_id == 1 ? search.by_id
                                                      : NULL;
    if (parsing->target.container)
        return 0;
    if (search.n_by_id > 1)
        return ng_error_set(parsing->error, -EINVAL, "explain",
                            "the ids of %zu containers begin with \"%s\": write more of it",
                            search.n_by_id, quote(name, found));
    if (parsing->world->n_engines == 0)
        return ng_error_set(parsing->error, -EINVAL, "explain",
                            "no container engine was found, so \"%s\" cannot be one of its "
                            "containers; expected PORT or ADDRESS:PORT",
                            quote(name, found));
    const char *near = ng_near_name(name, search.names, search.n_names);
    if (near)
        quote(near, near_text);
    return ng_error_set(parsing->error, -EINVAL, "explain",
                        "there is no running container \"%s\"%s%s%s", quote(name, found),
                        near ? "; did you mean \"" : "", near_text, near ? "\"?" : "");
}

/* -- the whole ----------------------------------------------------------------------- */

/* "[2001:db8::1]" or "[2001:db8::1]:443" */
static int parse_bracketed(struct parsing *parsing) {
    char *end = strchr(parsing->text, ']');

    if (!end || (end[1] && end[1] != ':'))
        return wrong(parsing, parsing->text, "[ADDRESS]:PORT");
    *end = '\0';
    if (ng_addr_parse(parsing->text + 1, &parsing->target.addr) < 0 ||
        parsing->target.addr.family != NG_IP6)
        return wrong(parsing, parsing->text + 1, "an IPv6 address in the brackets");
    return end[1] ? parse_port(parsing, end + 2) : 0;
}

static int parse_body(struct parsing *parsing) {
    char *text = parsing->text;

    if (*text == '[')
        return parse_bracketed(parsing);
    if (all_digits(text) && strlen(text) <= 5)
        return parse_port(parsing, text);
    if (ng_addr_parse(text, &parsing->target.addr) == 0)
        return 0;
    char *colon = strrchr(text, ':');
    if (colon) {
        *colon = '\0';
        int r = parse_port(parsing, colon + 1);
        if (r < 0)
            return r;
    }
    return ng_addr_parse(text, &parsing->target.addr) == 0 ? 0 : find_container(parsing, text);
}

static int check_whole(const struct parsing *parsing) {
    const struct ng_explain_target *target = &parsing->target;
    bool ports = !target->proto || ng_proto_has_ports(target->proto);
    char addr[NG_ADDR_TEXT];

    if (target->has_port && !ports)
        return ng_error_set(parsing->error, -EINVAL, "explain",
                            "the protocol after the \"/\" has no ports: leave out the port");
    if (!target->addr.family && !ports)
        return ng_error_set(parsing->error, -EINVAL, "explain",
                            "the protocol after the \"/\" has no ports: say ADDRESS/PROTOCOL");
    if (target->addr.family && !target->has_port && ports)
        return ng_error_set(
            parsing->error, -EINVAL, "explain", "a port is missing: say %s%s%s:PORT",
            target->addr.family == NG_IP6 ? "[" : "", ng_addr_text(target->addr, addr),
            target->addr.family == NG_IP6 ? "]" : "");
    return 0;
}

int ng_target_parse(const char *text, const struct ng_world *world,
                    struct ng_explain_target *ret_target, struct ng_error *error) {
    struct parsing parsing = {.world = world, .error = error};

    if (strlen(text) >= sizeof(parsing.text))
        return wrong(&parsing, text, "PORT, ADDRESS:PORT or the name of a container");
    memcpy(parsing.text, text, strlen(text) + 1);
    int r = parse_proto(&parsing);
    if (r == 0)
        r = parse_body(&parsing);
    if (r == 0)
        r = check_whole(&parsing);
    if (r == 0)
        *ret_target = parsing.target;
    return r;
}
