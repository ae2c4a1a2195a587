/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_GUARD_TABLE_H
#define NETGUARD_ACT_GUARD_TABLE_H

/* The table `inet netguard` in the kernel: read, changed in one transaction, taken away.
 * All changes go over one nfnetlink socket; who has opened it owns the table, if it is owned. Each
 * look takes a socket of its own. */

#include "netguard/guard.h"

enum ng_guard_hold {
    NG_GUARD_ABSENT,
    NG_GUARD_FOREIGN, /* a table of that name without our comment: left alone */
    NG_GUARD_FREE,    /* ours, owned by nobody: the next flush of others takes it away */
    NG_GUARD_OWN,     /* ours, owned by this socket */
    NG_GUARD_HELD,    /* ours, owned by another process, or by another socket of this one */
};

struct ng_guard_table;

/* `fd`: -1, or the socket that has been kept for us (sd_listen_fds), which is taken over. -EINVAL:
 * that is something else; -EPROTONOSUPPORT: the kernel has no such sockets, … */
int ng_guard_table_open(int fd, struct ng_guard_table **ret_table,
                        struct ng_error *error) _must_check_;
void ng_guard_table_free(struct ng_guard_table *table);
void ng_guard_table_freep(struct ng_guard_table **table);
int ng_guard_table_fd(const struct ng_guard_table *table);

/* How often each rule has dropped, by the name of the chain that counts: rule_<id>. */
struct ng_guard_count {
    const char *chain;
    uint64_t packets, bytes;
};

/* What is installed, as it was read in one piece. */
struct ng_guard_installed {
    enum ng_guard_hold hold;
    uint32_t owner_pid; /* of HELD: the netlink port id, which is mostly its pid; 0: not told */
    bool persist;       /* stays when the owner's socket closes */
    uint64_t armed_ms;  /* goes out of force by itself in so long; 0: it does not */
    bool expired;       /* it has gone out of force */
    struct ng_guard_count *counts; /* sorted by chain */
    size_t n_counts;
    struct ng_guard_contents *contents; /* for ng_guard_compare(); opaque */
};

/* The same out of a dump of the whole ruleset, which has to be the kernel's own words: libnftnl
 * trusts them. -EBADMSG, -ENOMEM. */
int ng_guard_installed_in(const struct ng_nft_dump *dump, struct ng_arena *arena,
                          struct ng_guard_installed *ret_installed,
                          struct ng_error *error) _must_check_;

/* -EINTR is repeated inside; -EBUSY: it changed again and again while it was read; -EPERM without
 * CAP_NET_ADMIN. */
int ng_guard_table_look(struct ng_guard_table *table, struct ng_arena *arena,
                        struct ng_guard_installed *ret_installed,
                        struct ng_error *error) _must_check_;

enum ng_guard_change_kind {
    NG_CHANGE_TABLE, /* all of it is made anew: it was absent, or its sets or chains differ */
    NG_CHANGE_CHAIN, /* the rules of one chain are replaced */
    NG_CHANGE_ADD,   /* an element */
    NG_CHANGE_DELETE,
};

struct ng_guard_change {
    enum ng_guard_change_kind kind;
    const char *name; /* of the chain or set; NULL of the table */
    const char *text; /* of an element, as nft writes it */
};

/* What has to change for the guard to be installed, in the order of the guard; none: it is.
 * Counters and remaining times are no difference. `owned`: it shall be owned by our socket; what an
 * owner has left behind is taken over as it is. Else it shall be owned by nobody, and of one that
 * is held by another only what it says counts. 0 or -ENOMEM. */
int ng_guard_compare(const struct ng_guard *guard, const struct ng_guard_installed *installed,
                     bool owned, struct ng_arena *arena, struct ng_guard_change **ret_changes,
                     size_t *ret_count) _must_check_;

enum ng_guard_owner {
    NG_GUARD_UNOWNED,
    NG_GUARD_OWNED,            /* by this socket, and gone with it */
    NG_GUARD_OWNED_PERSISTENT, /* stays when it closes (Linux 6.9) */
};

/* Installs the difference in one transaction and reads its result before it returns: all of it, or
 * nothing. `ret_count`: how many changes there were, 0: it was as it should be. What an owner has
 * left behind is taken over without being made anew, where the guard shall persist, too; and what
 * runs out is armed anew each time.
 *
 * -EEXIST       a table of that name is somebody else's
 * -EBUSY        owned by another process (named in the message)
 * -EPERM, …     as the kernel says; its own words are in the message
 * -EOPNOTSUPP   the kernel lacks what is asked for, such as NG_GUARD_OWNED_PERSISTENT
 * -E2BIG        a name or a rule is longer than a message can be */
int ng_guard_table_install(struct ng_guard_table *table, const struct ng_guard *guard,
                           enum ng_guard_owner owner, size_t *ret_count,
                           struct ng_error *error) _must_check_;

/* The same while not all is known, as without an engine: what is installed of containers, listeners
 * and bridges stays beside the guard's own, so that nobody who was let in is kept out. */
int ng_guard_table_extend(struct ng_guard_table *table, const struct ng_guard *guard,
                          enum ng_guard_owner owner, size_t *ret_count,
                          struct ng_error *error) _must_check_;

/* Takes it away; 0 also where there is none. Errors as above. */
int ng_guard_table_remove(struct ng_guard_table *table, struct ng_error *error) _must_check_;

/* The messages of a dump of this ruleset with the guard in it in place of what is installed, for
 * ng_ruleset_decode(): what it would come to. 0, -ENOMEM, -E2BIG as above, or -EBADMSG: the dump is
 * torn. */
int ng_guard_predict(const struct ng_nft_dump *dump, const struct ng_guard *guard,
                     struct ng_arena *arena, struct ng_nft_dump *ret_dump) _must_check_;

#endif
