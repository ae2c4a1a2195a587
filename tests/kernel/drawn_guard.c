/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/kernel/drawn_guard.h"
#include "tests/unit/fixture_host.h"
#include "tests/unit/fixture_random.h"

#define A16 "aaaaaaaaaaaaaaaa"
#define A64 A16 A16 A16 A16 /* the longest id */

/* Names made of some of these are one another's beginning or end. */
static const char *const drawn_ids[] = {"a",  "a_b", "b",       "b_c", "c",   "a_to_container",
                                        "b_", "_",   "4.x-y.z", "0x",  "tcp", A64};
static const char *const drawn_links[] = {"eth0", "eth1", "wg*", "e?h1", "*", "br-lan", "docker0"};
static const char *const drawn_sources[] = {
    "0.0.0.0/0",    "0.0.0.0/1", "128.0.0.0/1",        "10.0.0.0/8",  "10.0.0.0/9",
    "10.128.0.0/9", "10.1.2.3",  "255.255.255.255/32", "::/0",        "fd00::/8",
    "fd00::/9",     "::1/128",   "2001:db8::/32",      "fe80::1/128", "ffff::/16"};
static const char *const drawn_ports[] = {"80",
                                          "443/tcp",
                                          "53/udp",
                                          "\"@any\"",
                                          "\"@databases\"",
                                          "0",
                                          "65535",
                                          "\"0-65535\"",
                                          "\"1-65535/udp\"",
                                          "\"1000-2000\"",
                                          "\"1500-2500/sctp\"",
                                          "\"8443->443\"",
                                          "\"7000-7005->80/sctp\"",
                                          "6379",
                                          "\"80->6379/tcp\""};
static const char *const drawn_selectors[] = {"", ", to: {name: \"web*\"}",
                                              ", to: {host: {process: sshd}}",
                                              ", to: [{label: {role: x}}, {image: \"image:1\"}]"};

static void draw_list(FILE *out, struct dice *dice, const char *const *items, size_t count,
                      bool quoted) {
    size_t n = 1 + roll(dice, 4);
    putc('[', out);
    for (size_t i = 0; i < n; i++)
        fprintf(out, quoted ? "%s\"%s\"" : "%s%s", i ? ", " : "",
                items[roll(dice, (unsigned)count)]);
    putc(']', out);
}

/* Each id at most once: `used` is a bit for each. */
static const char *draw_id(struct dice *dice, unsigned *used) {
    unsigned at;
    do
        at = roll(dice, ARRAY_SIZE(drawn_ids));
    while (*used & 1U << at);
    *used |= 1U << at;
    return drawn_ids[at];
}

static void draw_zone(FILE *out, struct dice *dice, const char *id) {
    fprintf(out, "  - {id: \"%s\", match: [", id);
    for (unsigned i = 0, n = 1 + roll(dice, 2); i < n; i++) {
        unsigned keys = 1 + roll(dice, 3);
        fputs(i ? ", {" : "{", out);
        if (keys & 1) {
            fputs("interfaces: ", out);
            draw_list(out, dice, drawn_links, ARRAY_SIZE(drawn_links), true);
        }
        if (keys & 2) {
            fputs(keys & 1 ? ", sources: " : "sources: ", out);
            draw_list(out, dice, drawn_sources, ARRAY_SIZE(drawn_sources), true);
        }
        putc('}', out);
    }
    fputs("]}\n", out);
}

static void draw_from(FILE *out, struct dice *dice, const char *const *zones, size_t count) {
    fputs(", from: [", out);
    for (size_t i = 0; i < count; i++)
        if (roll(dice, 2))
            fprintf(out, "\"%s\", ", zones[i]);
    fputs(roll(dice, 2) ? "public]" : "public, containers]", out);
}

static void draw_rule(FILE *out, struct dice *dice, const char *id, const char *const *zones,
                      size_t count) {
    bool allow = roll(dice, 3) == 0;
    fprintf(out, "  - {id: \"%s\", %s: ", id, allow ? "allow" : "deny");
    draw_list(out, dice, drawn_ports, ARRAY_SIZE(drawn_ports), false);
    draw_from(out, dice, zones, count);
    fputs(drawn_selectors[roll(dice, ARRAY_SIZE(drawn_selectors))], out);
    fputs(allow ? "}\n" : roll(dice, 4) ? ", action: block}\n" : ", action: alert}\n", out);
}

static char *draw_policy(struct dice *dice) {
    static const char *const defaults[] = {"allow", "alert", "block"};
    const char *zones[4];
    size_t n_zones = roll(dice, ARRAY_SIZE(zones)), len;
    unsigned used = 0;
    char *text = NULL;
    FILE *out = open_memstream(&text, &len);
    fprintf(out, "version: 1\nmode: enforce\ndefault: %s\n",
            defaults[roll(dice, ARRAY_SIZE(defaults))]);
    for (size_t i = 0; i < n_zones; i++) {
        fputs(i ? "" : "zones:\n", out);
        draw_zone(out, dice, zones[i] = draw_id(dice, &used));
    }
    used = 0;
    for (size_t i = 0, n = roll(dice, 7); i < n; i++) {
        fputs(i ? "" : "rules:\n", out);
        draw_rule(out, dice, draw_id(dice, &used), zones, n_zones);
    }
    if (roll(dice, 2))
        fputs("usage:\n  docker_api: {zones: [], action: block}\n"
              "  cluster: {zones: [containers], action: block}\n",
              out);
    fclose(out);
    return text;
}

/* -- what runs ------------------------------------------------------------------------- */

static void draw_containers(struct host *host, struct dice *dice) {
    static const char *const ids[] = {ID_A, ID_B}, *const names[] = {"cache", "web-1"};
    static const char *const addrs[] = {"0.0.0.0", "192.0.2.1", "127.0.0.1"};
    static const uint16_t ports[] = {80, 443, 6379, 8443, 65535};
    for (size_t i = 0, n = roll(dice, 3); i < n; i++) {
        add_container(host, ids[i], names[i]);
        if (roll(dice, 2))
            host->endpoints[i].addr6 = addr(i ? "fd00::3" : "fd00::2");
        for (size_t k = 0, count = roll(dice, 4); k < count; k++)
            publish(host, addrs[roll(dice, ARRAY_SIZE(addrs))],
                    ports[roll(dice, ARRAY_SIZE(ports))], ports[roll(dice, ARRAY_SIZE(ports))]);
    }
}

static void draw_listeners(struct host *host, struct dice *dice) {
    static const char *const addrs[] = {"0.0.0.0", "::", "192.0.2.1", "2001:db8::1"};
    static const char *const processes[] = {"sshd", "dockerd", NULL};
    static const uint16_t ports[] = {22, 53, 80, 2377, 6379, 65535};
    for (size_t i = 0, n = roll(dice, 5); i < n; i++)
        listen_on(host, addrs[roll(dice, ARRAY_SIZE(addrs))], ports[roll(dice, ARRAY_SIZE(ports))],
                  processes[roll(dice, ARRAY_SIZE(processes))],
                  host->engine.n_containers && roll(dice, 3) == 0 ? ID_A : NULL);
}

/* An engine's bridge, others', and one that nft cannot name. */
static void draw_links(struct host *host, struct dice *dice) {
    static const char *const names[] = {"br-lan", "br-0123456789ab", "we\"ird", "123"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (roll(dice, 2)) {
            uint32_t bridge = lab_link(host->lab, names[i], "bridge")->index;
            lab_link(host->lab, "veth", "veth")->master = roll(dice, 2) ? bridge : 0;
        }
}

static struct host *draw_host(unsigned seed) {
    struct dice dice = {.state = seed * 2654435761u + 88172645463325252u};
    char *text = draw_policy(&dice);
    struct host *host = host_new(text);
    free(text);
    draw_links(host, &dice);
    draw_containers(host, &dice);
    draw_listeners(host, &dice);
    return host;
}

/* A policy of so many rules, each with a range of ports of its own. */
static struct host *long_host(unsigned n_rules) {
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    fputs(
        "version: 1\nmode: enforce\nzones: [{id: office, match: [{interfaces: [eth1]}]}]\nrules:\n",
        out);
    for (unsigned i = 0; i < n_rules; i++)
        fprintf(out, "  - {id: r%u, deny: [\"%u-%u\"], from: [public, office], action: block}\n", i,
                1 + i * 64, 50 + i * 64);
    fclose(out);
    struct host *host = host_new(text);
    free(text);
    return host;
}

/* -- guards ---------------------------------------------------------------------------- */

/* Of what the last guard tells of. */
static struct host *drawn;

static struct ng_guard make(struct host *host, unsigned armed_s, struct ng_arena *arena) {
    const struct ng_guard_options how = {.armed_s = armed_s, .cut_peers = true};
    struct ng_guard guard;
    guard_drawn_free();
    drawn = host;
    if (ng_guard_make(judge(host), &how, arena, &guard) < 0)
        abort();
    return guard;
}

struct ng_guard guard_drawn(unsigned seed, struct ng_arena *arena) {
    return make(draw_host(seed), seed % 4 ? 0 : 300, arena);
}

struct ng_guard guard_of_rules(unsigned n_rules, struct ng_arena *arena) {
    return make(long_host(n_rules), 0, arena);
}

void guard_drawn_free(void) {
    if (drawn)
        host_free(&drawn);
    drawn = NULL;
}
