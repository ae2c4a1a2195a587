/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/guard_table.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent/act/guard_parts.h"
#include "agent/observe/nft_dump.h"
#include "agent/observe/proc.h"

enum {
    /* How often a table is looked at and changed again, and how long (times the number of the
     * attempt) others are let finish first. */
    ATTEMPTS = 10,
    PAUSE_MS = 5,
};

struct ng_guard_table {
    int fd;
    uint32_t portid; /* what the kernel knows the socket by, and the owner of a table */
    uint32_t seq;
};

/* -- the socket ------------------------------------------------------------------------ */

static int option_of(int fd, int option) {
    int value = -1;
    socklen_t len = sizeof(value);
    return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -1 : value;
}

static int open_socket(struct ng_guard_table *table, struct ng_error *error) {
    const struct sockaddr_nl any = {.nl_family = AF_NETLINK};
    table->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (table->fd >= 0 && bind(table->fd, (const struct sockaddr *)&any, sizeof(any)) == 0)
        return 0;
    int r = -errno;
    return ng_error_set(error, r, NG_GUARD_SOURCE, "cannot open a netlink socket: %s",
                        strerror(-r));
}

/* -- made anew ------------------------------------------------------------------------- */

/* In one transaction the new table takes the place of the old one, but not for each packet: one
 * that has passed the new chain before, while it was empty, may come to the old one after, when it
 * is empty. So a second table with the same in it stands beside them meanwhile. The kernel takes it
 * away when our socket closes, whatever has become of us. */
#define STAND_IN NG_GUARD_TABLE_NAME "_next"

/* One of ours is left where a process ended meanwhile whose socket systemd has kept. */
static bool has_stand_in(const struct ng_guard_table *table) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_nft_dump dump = {0};
    const struct nlmsghdr *message;
    bool found = false;
    size_t at = 0;
    if (!arena || ng_nft_dump_read_table(arena, NFPROTO_INET, STAND_IN, &dump, NULL) < 0)
        return false;
    while (!found && ng_guard_next_message(&dump, &at, &message) > 0)
        found = ng_guard_is_owned_table(message, STAND_IN, table->portid);
    return found;
}

static int commit_stand_in(struct ng_guard_table *table, const struct ng_guard *guard) {
    _cleanup_(ng_guard_writer_clear) struct ng_guard_writer writer = {.table = STAND_IN};
    struct ng_guard_outcome outcome = {0};
    if (guard)
        ng_guard_write(&writer, guard, NFT_TABLE_F_OWNER);
    else
        ng_guard_write_table_removal(&writer);
    int r = writer.error;
    return r < 0 ? r : ng_guard_commit(table->fd, &table->seq, 0, &writer, &outcome);
}

static void take_stand_in_away(struct ng_guard_table *table) {
    if (has_stand_in(table))
        (void)commit_stand_in(table, NULL);
}

/* Where the kernel knows no owners (before Linux 5.12), or another table has that name, there is
 * none: then single packets may pass. */
static void put_stand_in(struct ng_guard_table *table, const struct ng_guard *guard) {
    struct ng_nft_dump dump = {0};
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    take_stand_in_away(table);
    if (arena && ng_nft_dump_read_table(arena, NFPROTO_INET, STAND_IN, &dump, NULL) == 0 &&
        dump.len_bytes == 0)
        (void)commit_stand_in(table, guard);
}

/* -- open and close -------------------------------------------------------------------- */

int ng_guard_table_open(int fd, struct ng_guard_table **ret_table, struct ng_error *error) {
    _cleanup_(ng_guard_table_freep) struct ng_guard_table *table = calloc(1, sizeof(*table));
    struct sockaddr_nl own = {0};
    socklen_t len = sizeof(own);
    const int one = 1;
    if (!table)
        return ng_error_set(error, -ENOMEM, NG_GUARD_SOURCE, "out of memory");
    table->fd = -1;
    if (fd < 0) {
        int r = open_socket(table, error);
        if (r < 0)
            return r;
    } else if (option_of(fd, SO_DOMAIN) != AF_NETLINK ||
               option_of(fd, SO_PROTOCOL) != NETLINK_NETFILTER ||
               fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        return ng_error_set(error, -EINVAL, NG_GUARD_SOURCE,
                            "the descriptor %d that was kept is no netlink socket of netfilter",
                            fd);
    }
    if (getsockname(fd < 0 ? table->fd : fd, (struct sockaddr *)&own, &len) < 0) {
        int r = -errno;
        return ng_error_set(error, r, NG_GUARD_SOURCE, "cannot ask a netlink socket its name: %s",
                            strerror(-r));
    }
    if (fd >= 0)
        table->fd = fd;
    table->portid = own.nl_pid;
    /* The kernel's own words in its answers, and not ours again. */
    (void)setsockopt(table->fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
    (void)setsockopt(table->fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
    if (fd >= 0)
        take_stand_in_away(table);
    *ret_table = TAKE_PTR(table);
    return 0;
}

void ng_guard_table_free(struct ng_guard_table *table) {
    if (!table)
        return;
    if (table->fd >= 0)
        close(table->fd);
    free(table);
}

void ng_guard_table_freep(struct ng_guard_table **table) {
    ng_guard_table_free(*table);
    *table = NULL;
}

int ng_guard_table_fd(const struct ng_guard_table *table) {
    return table->fd;
}

/* -- look ------------------------------------------------------------------------------ */

/* `table` NULL: seen by nobody who could own it. */
static enum ng_guard_hold hold_of(const struct ng_guard_table *table,
                                  const struct ng_guard_contents *contents) {
    if (!contents->present)
        return NG_GUARD_ABSENT;
    if (!contents->ours)
        return NG_GUARD_FOREIGN;
    if (!(contents->flags & NFT_TABLE_F_OWNER))
        return NG_GUARD_FREE;
    return table && contents->owner == table->portid ? NG_GUARD_OWN : NG_GUARD_HELD;
}

static bool runs_out(const struct ng_guard_contents *contents) {
    for (size_t i = 0; i < contents->n_sets; i++)
        if (contents->sets[i].shape.flags & NFT_SET_TIMEOUT)
            return true;
    return false;
}

static int count_drops(const struct ng_guard_contents *contents, struct ng_arena *arena,
                       struct ng_guard_installed *installed) {
    struct ng_guard_count *counts = ng_arena_alloc(arena, contents->n_chains, sizeof(*counts));
    if (!counts)
        return -ENOMEM;
    for (size_t i = 0; i < contents->n_chains; i++) {
        const struct ng_installed_chain *chain = &contents->chains[i];
        struct ng_guard_count count = {.chain = chain->name};
        bool counts_some = false;
        for (size_t k = 0; k < chain->n_rules; k++)
            if (ng_guard_rule_counts(chain->rules[k], &count.packets, &count.bytes))
                counts_some = true;
        if (counts_some)
            counts[installed->n_counts++] = count;
    }
    installed->counts = counts;
    return 0;
}

static int take_installed(const struct ng_guard_table *table, const struct ng_nft_dump *dump,
                          struct ng_arena *arena, struct ng_guard_installed *ret_installed,
                          struct ng_error *error) {
    struct ng_guard_contents *contents = NULL;
    int r = ng_guard_contents_read(dump, arena, &contents);
    if (r < 0)
        return ng_error_set(error, r, NG_GUARD_SOURCE, "cannot read the table inet %s: %s",
                            NG_GUARD_TABLE_NAME,
                            r == -ENOMEM ? "out of memory" : "the kernel's answer is malformed");
    struct ng_guard_installed installed = {
        .hold = hold_of(table, contents),
        .persist = contents->flags & NG_GUARD_TABLE_F_PERSIST,
        .armed_ms = contents->armed_ms,
        .expired = contents->armed_ms == 0 && runs_out(contents),
        .contents = contents,
    };
    if (installed.hold == NG_GUARD_HELD)
        installed.owner_pid = contents->owner;
    if (count_drops(contents, arena, &installed) < 0)
        return ng_error_set(error, -ENOMEM, NG_GUARD_SOURCE, "out of memory");
    *ret_installed = installed;
    return 0;
}

int ng_guard_installed_in(const struct ng_nft_dump *dump, struct ng_arena *arena,
                          struct ng_guard_installed *ret_installed, struct ng_error *error) {
    return take_installed(NULL, dump, arena, ret_installed, error);
}

int ng_guard_table_look(struct ng_guard_table *table, struct ng_arena *arena,
                        struct ng_guard_installed *ret_installed, struct ng_error *error) {
    struct ng_nft_dump dump = {0};
    /* By a socket of its own: one on which a dump has failed is of no more use, and ours may own
     * the table. */
    int r = ng_nft_dump_read_table(arena, NFPROTO_INET, NG_GUARD_TABLE_NAME, &dump, error);
    if (r < 0)
        return r == -EAGAIN ? -EBUSY : r;
    return take_installed(table, &dump, arena, ret_installed, error);
}

/* -- change ---------------------------------------------------------------------------- */

/* "123 (name)", as far as that can be known. */
static void owner_text(uint32_t pid, char *buffer, size_t size) {
    char path[64], name[32];
    snprintf(path, sizeof(path), "/proc/%u/comm", pid);
    if (ng_proc_read(AT_FDCWD, path, name, sizeof(name)) <= 0)
        name[0] = '\0';
    name[strcspn(name, "\n")] = '\0';
    for (char *c = name; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    snprintf(buffer, size, "%u%s%s%s", pid, name[0] ? " (" : "", name, name[0] ? ")" : "");
}

/* May it be touched at all? */
static int check_hold(const struct ng_guard_installed *installed, struct ng_error *error) {
    char owner[64];
    switch (installed->hold) {
    case NG_GUARD_FOREIGN:
        return ng_error_set(error, -EEXIST, NG_GUARD_SOURCE,
                            "there is a table inet %s without the comment \"%s\": it is not ours "
                            "and is left alone; rename it or delete it (nft delete table inet %s)",
                            NG_GUARD_TABLE_NAME, NG_GUARD_COMMENT, NG_GUARD_TABLE_NAME);
    case NG_GUARD_HELD:
        owner_text(installed->owner_pid, owner, sizeof(owner));
        return ng_error_set(error, -EBUSY, NG_GUARD_SOURCE,
                            "the table inet %s is owned by process %s, and nobody else can change "
                            "it: stop that first",
                            NG_GUARD_TABLE_NAME, owner);
    default:
        return 0;
    }
}

/* What is to be done in one transaction. */
struct change {
    const struct ng_guard *guard; /* NULL: it is taken away */
    enum ng_guard_owner owner;
    bool keep; /* what is installed of containers and listeners */
    bool has_stand_in;
    size_t count;
};

/* Nothing is written when it is as it should be. */
static int write_change(struct change *change, const struct ng_guard_installed *installed,
                        struct ng_arena *arena, struct ng_guard_writer *writer) {
    bool there = installed->hold != NG_GUARD_ABSENT;
    uint32_t flags = ng_guard_table_flags(change->owner);
    struct ng_guard_step *steps = NULL;
    if (!change->guard) {
        if (there)
            ng_guard_write_table_removal(writer);
        return writer->error;
    }
    struct ng_guard guard = *change->guard;
    int r = change->keep ? ng_guard_keep(change->guard, installed, arena, &guard) : 0;
    if (r == 0)
        r = ng_guard_steps(&guard, installed, change->owner, arena, &steps, &change->count);
    if (r < 0)
        return r;
    if (change->count && steps[0].kind == NG_CHANGE_TABLE) {
        if (there)
            ng_guard_write_table_removal(writer);
        ng_guard_write(writer, &guard, flags);
        return writer->error;
    }
    if (change->owner != NG_GUARD_UNOWNED && installed->hold == NG_GUARD_FREE)
        ng_guard_write_table(writer, flags); /* takes over what another has left behind */
    ng_guard_write_steps(writer, &guard, installed->contents, steps, change->count);
    return writer->error;
}

/* The flags of the table are the only thing of it that a kernel may not know. */
static const char *lacking(const struct change *change, const struct ng_guard_outcome *outcome,
                           int code) {
    bool of_table =
        outcome->failed && NFNL_MSG_TYPE(outcome->failed->nlmsg_type) == NFT_MSG_NEWTABLE;
    if (!of_table || (code != -EOPNOTSUPP && code != -EINVAL))
        return NULL;
    if (change->owner == NG_GUARD_OWNED_PERSISTENT)
        return "tables that persist without their owner need Linux 6.9";
    return change->owner == NG_GUARD_OWNED ? "tables with an owner need Linux 5.12" : NULL;
}

/* What to do about it; "": nobody knows. */
static const char *remedy(int code) {
    switch (code) {
    case -EPERM:
    case -EACCES:
        return "; CAP_NET_ADMIN is needed, run as root";
    case -EMSGSIZE:
        return "; so much at once only root may send, or who raises net.core.wmem_max";
    default:
        return "";
    }
}

static int refused(const struct change *change, const struct ng_guard_writer *writer,
                   const struct ng_guard_outcome *outcome, int code, struct ng_error *error) {
    const char *doing = change->guard ? "install" : "remove";
    const char *hint = lacking(change, outcome, code);
    char what[160], expression[64] = "";
    if (hint)
        return ng_error_set(error, -EOPNOTSUPP, NG_GUARD_SOURCE,
                            "cannot install the table inet %s: %s (the kernel says: %s)",
                            NG_GUARD_TABLE_NAME, hint, strerror(-code));
    if (outcome->failed)
        ng_guard_message_text(writer, outcome->failed, what, sizeof(what));
    else
        snprintf(what, sizeof(what), "table inet %s", NG_GUARD_TABLE_NAME);
    if (outcome->expression)
        snprintf(expression, sizeof(expression), " of its expression \"%s\"", outcome->expression);
    return ng_error_set(error, code, NG_GUARD_SOURCE,
                        "cannot %s the %s: the kernel says%s: %s%s%s%s%s", doing, what, expression,
                        strerror(-code), outcome->text[0] ? " (" : "", outcome->text,
                        outcome->text[0] ? ")" : "", remedy(code));
}

/* Does it replace a table that is in force? */
static bool replaces(const struct change *change, const struct ng_guard_installed *installed,
                     const struct ng_guard_writer *writer) {
    const struct nlmsghdr *first = (const void *)writer->buffer.bytes;
    return change->guard && installed->hold != NG_GUARD_ABSENT && writer->buffer.len_bytes &&
           NFNL_MSG_TYPE(first->nlmsg_type) == NFT_MSG_DELTABLE;
}

/* Looks, and changes what it has seen. -EAGAIN: it was changed in between, or what has become of
 * the change is not known. */
static int attempt(struct ng_guard_table *table, struct change *change, struct ng_error *error) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    _cleanup_(ng_guard_writer_clear) struct ng_guard_writer writer = {0};
    struct ng_guard_installed installed;
    struct ng_guard_outcome outcome = {0};
    if (!arena)
        return ng_error_set(error, -ENOMEM, NG_GUARD_SOURCE, "out of memory");
    int r = ng_guard_table_look(table, arena, &installed, error);
    if (r == 0)
        r = check_hold(&installed, error);
    if (r < 0)
        return r;
    r = write_change(change, &installed, arena, &writer);
    if (r == 0 && !change->has_stand_in && replaces(change, &installed, &writer)) {
        put_stand_in(table, change->guard);
        change->has_stand_in = true;
        return -EAGAIN; /* which has changed the ruleset */
    }
    if (r == 0 && writer.buffer.len_bytes)
        r = ng_guard_commit(table->fd, &table->seq, installed.contents->generation, &writer,
                            &outcome);
    if (r == 0 || r == -EAGAIN)
        return r;
    return refused(change, &writer, &outcome, r, error);
}

static int make_change(struct ng_guard_table *table, struct change *change,
                       struct ng_error *error) {
    for (unsigned i = 1; i <= ATTEMPTS; i++) {
        const struct timespec pause = {.tv_nsec = (long)i * PAUSE_MS * 1000000};
        int r = attempt(table, change, error);
        if (r != -EAGAIN)
            return r;
        (void)nanosleep(&pause, NULL);
    }
    return ng_error_set(error, -EBUSY, NG_GUARD_SOURCE,
                        "cannot change the table inet %s: the ruleset was changed by others during "
                        "each of %d attempts",
                        NG_GUARD_TABLE_NAME, ATTEMPTS);
}

static int install(struct ng_guard_table *table, struct change change, size_t *ret_count,
                   struct ng_error *error) {
    int r = make_change(table, &change, error);
    if (change.has_stand_in)
        take_stand_in_away(table);
    if (r < 0)
        return r;
    *ret_count = change.count;
    return 0;
}

int ng_guard_table_install(struct ng_guard_table *table, const struct ng_guard *guard,
                           enum ng_guard_owner owner, size_t *ret_count, struct ng_error *error) {
    return install(table, (struct change){.guard = guard, .owner = owner}, ret_count, error);
}

int ng_guard_table_extend(struct ng_guard_table *table, const struct ng_guard *guard,
                          enum ng_guard_owner owner, size_t *ret_count, struct ng_error *error) {
    return install(table, (struct change){.guard = guard, .owner = owner, .keep = true}, ret_count,
                   error);
}

int ng_guard_table_remove(struct ng_guard_table *table, struct ng_error *error) {
    struct change change = {0};
    return make_change(table, &change, error);
}
