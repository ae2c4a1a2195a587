/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/xt_dump.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent/observe/proc.h"

#define LIMIT_BYTES ((size_t)256 << 20)

/* How often tables that changed under our eyes are read again, and how long (times the number
 * of the attempt) their writer is left alone first. */
#define ATTEMPTS 10
#define PAUSE_MS 5

_Static_assert((int)IPT_SO_GET_INFO == (int)IP6T_SO_GET_INFO &&
                   (int)IPT_SO_GET_ENTRIES == (int)IP6T_SO_GET_ENTRIES &&
                   sizeof(struct ipt_getinfo) == sizeof(struct ip6t_getinfo) &&
                   offsetof(struct ipt_get_entries, entrytable) ==
                       offsetof(struct ip6t_get_entries, entrytable),
               "both families are asked in the same words");

/* One of the two families. To ask for a table that is not there creates it: only those that
 * the kernel lists are asked for. */
struct side {
    uint8_t family;
    int domain, level;
    const char *list, *command;
};

static const struct side sides[] = {
    {NG_IP4, AF_INET, IPPROTO_IP, "/proc/net/ip_tables_names", "iptables-legacy"},
    {NG_IP6, AF_INET6, IPPROTO_IPV6, "/proc/net/ip6_tables_names", "ip6tables-legacy"},
};

/* One reading of all tables. */
struct reading {
    struct ng_arena *arena;
    struct ng_xt_table *tables;
    size_t n_tables, tables_capacity;
};

static int refused(const struct side *side, const char *name, int code, struct ng_error *error) {
    return ng_error_set(error, code, side->command, "cannot read table %s: %s%s", name,
                        strerror(-code),
                        code == -EPERM ? "; CAP_NET_ADMIN is needed, run as root" : "");
}

static int read_info(const struct side *side, int fd, const char *name,
                     struct ipt_getinfo *ret_info) {
    struct ipt_getinfo info = {0};
    socklen_t len = sizeof(info);

    strncpy(info.name, name, sizeof(info.name) - 1);
    if (getsockopt(fd, side->level, IPT_SO_GET_INFO, &info, &len) < 0)
        return -errno;
    if (len != sizeof(info))
        return -EBADMSG;
    *ret_info = info;
    return 0;
}

/* -EAGAIN when the table has another size by now. */
static int read_entries(const struct side *side, int fd, const struct ipt_getinfo *info,
                        uint8_t *entries) {
    size_t header = offsetof(struct ipt_get_entries, entrytable);
    socklen_t len = (socklen_t)(header + info->size);
    struct ipt_get_entries *asked = calloc(1, len);
    int r = 0;

    if (!asked)
        return -ENOMEM;
    memcpy(asked->name, info->name, sizeof(asked->name));
    asked->size = info->size;
    if (getsockopt(fd, side->level, IPT_SO_GET_ENTRIES, asked, &len) < 0)
        r = -errno;
    else
        memcpy(entries, (uint8_t *)asked + header, info->size);
    free(asked);
    return r;
}

static int read_table(struct reading *reading, const struct side *side, int fd, const char *name,
                      struct ng_error *error) {
    struct ng_xt_table *table;
    struct ipt_getinfo info;
    uint8_t *bytes;
    int r = read_info(side, fd, name, &info);

    if (r == -ENOENT)
        return -EAGAIN; /* it has gone since it was listed */
    if (r < 0)
        return refused(side, name, r, error);
    if (info.size > LIMIT_BYTES)
        return refused(side, name, -EFBIG, error);
    bytes = ng_arena_alloc(reading->arena, 1, sizeof(info) + info.size);
    table = NG_ARENA_APPEND(reading->arena, reading->tables, reading->n_tables,
                            reading->tables_capacity);
    if (!bytes || !table)
        return -ENOMEM;
    memcpy(bytes, &info, sizeof(info));
    r = read_entries(side, fd, &info, bytes + sizeof(info));
    if (r < 0)
        return r == -EAGAIN ? r : refused(side, name, r, error);
    *table = (struct ng_xt_table){
        .family = side->family,
        .name = ng_proc_utf8(reading->arena, info.name, sizeof(info.name)),
        .bytes = bytes,
        .len_bytes = sizeof(info) + info.size,
    };
    return table->name ? 0 : -ENOMEM;
}

/* The tables of one family are read one after the other: none may have changed meanwhile. */
static int compare_again(const struct reading *reading, const struct side *side, int fd,
                         size_t first) {
    struct ipt_getinfo info;

    for (size_t i = first; i < reading->n_tables; i++) {
        const struct ng_xt_table *table = &reading->tables[i];

        if (read_info(side, fd, table->name, &info) < 0 ||
            memcmp(table->bytes, &info, sizeof(info)) != 0)
            return -EAGAIN;
    }
    return 0;
}

static int read_listed(struct reading *reading, const struct side *side, char *names,
                       struct ng_error *error) {
    size_t first = reading->n_tables;
    char *rest = NULL;
    int fd, r = 0;

    fd = socket(side->domain, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ng_error_set(error, -errno, side->command, "cannot open a socket: %s",
                            strerror(errno));
    for (char *name = strtok_r(names, "\n", &rest); name && r == 0;
         name = strtok_r(NULL, "\n", &rest))
        r = read_table(reading, side, fd, name, error);
    if (r == 0)
        r = compare_again(reading, side, fd, first);
    close(fd);
    return r;
}

static int read_side(struct reading *reading, const struct side *side, struct ng_error *error) {
    char names[4096];
    int r = ng_proc_read(AT_FDCWD, side->list, names, sizeof(names));

    if (r == -ENOENT || r == 0)
        return 0;
    if (r < 0)
        return ng_error_set(error, r, side->command,
                            "cannot tell whether its tables are in force: %s: %s; run as root",
                            side->list, strerror(-r));
    return read_listed(reading, side, names, error);
}

static int read_all(struct reading *reading, struct ng_error *error) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(sides); i++)
        r = read_side(reading, &sides[i], error);
    return r;
}

static int read_settled(struct reading *reading, struct ng_error *error) {
    for (unsigned i = 1; i <= ATTEMPTS; i++) {
        const struct timespec pause = {.tv_nsec = (long)i * PAUSE_MS * 1000000};
        int r = read_all(reading, error);

        if (r != -EAGAIN)
            return r;
        ng_arena_reset(reading->arena);
        *reading = (struct reading){.arena = reading->arena};
        (void)nanosleep(&pause, NULL);
    }
    return ng_error_set(error, -EAGAIN, "iptables-legacy",
                        "the tables never settled: they changed during each of %d readings",
                        ATTEMPTS);
}

static int keep(struct ng_world *world, const struct reading *reading) {
    struct ng_xt_table *tables = ng_arena_alloc(world->arena, reading->n_tables, sizeof(*tables));

    if (!tables)
        return -ENOMEM;
    for (size_t i = 0; i < reading->n_tables; i++) {
        const struct ng_xt_table *read = &reading->tables[i];
        uint8_t *bytes = ng_arena_alloc(world->arena, 1, read->len_bytes);

        tables[i] = *read;
        tables[i].name = ng_arena_strdup(world->arena, read->name);
        tables[i].bytes = bytes;
        if (!bytes || !tables[i].name)
            return -ENOMEM;
        memcpy(bytes, read->bytes, read->len_bytes);
    }
    world->xt_tables = tables;
    world->n_xt_tables = reading->n_tables;
    return 0;
}

int ng_xt_dump_read(struct ng_world *world, struct ng_error *error) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct reading reading = {.arena = arena};
    int r = arena ? read_settled(&reading, error) : -ENOMEM;

    return r < 0 ? r : keep(world, &reading);
}
