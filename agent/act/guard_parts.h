/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_GUARD_PARTS_H
#define NETGUARD_ACT_GUARD_PARTS_H

/* What the files behind guard_table.h share: the guard as messages of nf_tables, what is installed
 * taken out of such messages, the steps from one to the other, and the transaction. */

#include "agent/act/guard_table.h"
#include "agent/observe/netlink.h"
#include "netguard/world.h"

#define NG_GUARD_SOURCE "nftables" /* in errors */

/* Linux 6.9; not in older headers. */
#define NG_GUARD_TABLE_F_PERSIST 0x4

/* -- guard_writer.c: messages, one after the other ------------------------------------------ */

/* Begins as zeroes; what is written after a failure is dropped, so that only its end is checked. */
struct ng_guard_writer {
    struct ng_netlink_buffer buffer;
    size_t message;    /* where the last message begins in it */
    const char *table; /* that they are about; NULL: NG_GUARD_TABLE_NAME */
    bool numbered;     /* chains and rules have handles, as in a dump */
    uint64_t handle;
    int error; /* 0, -ENOMEM, or -E2BIG for what fits in no message */
};

void ng_guard_writer_clear(struct ng_guard_writer *writer);
const char *ng_guard_table_of(const struct ng_guard_writer *writer);

/* Zeroed bytes at the end of the last message, valid until the next call; NULL: a failure. */
void *ng_guard_extend(struct ng_guard_writer *writer, size_t len_bytes);
/* `type`: NFT_MSG_…, `flags`: NLM_F_… */
void ng_guard_begin(struct ng_guard_writer *writer, uint16_t type, uint16_t flags);
void ng_guard_put(struct ng_guard_writer *writer, uint16_t type, const void *data,
                  size_t len_bytes);
void ng_guard_put_text(struct ng_guard_writer *writer, uint16_t type, const char *text);
void ng_guard_put_be32(struct ng_guard_writer *writer, uint16_t type, uint32_t value);
void ng_guard_put_be64(struct ng_guard_writer *writer, uint16_t type, uint64_t value);
size_t ng_guard_nest(struct ng_guard_writer *writer, uint16_t type);
void ng_guard_nest_end(struct ng_guard_writer *writer, size_t nest);

/* -- guard_encode.c: the guard as messages -------------------------------------------------- */

enum {
    NG_GUARD_KEY_BYTES = NG_GUARD_FIELDS_MAX * 16, /* the longest key */
};

/* What makes a set other than its name and elements, as the kernel tells it. */
struct ng_guard_shape {
    uint32_t flags; /* NFT_SET_… */
    uint32_t key_type, key_len, data_type;
    uint32_t size; /* 0: no limit */
    uint64_t timeout_ms;
    bool more; /* something that no set of a guard has */
};

struct ng_guard_shape ng_guard_shape(const struct ng_guard_set *set);

bool ng_guard_field_is_name(enum ng_guard_field field);
/* A value as it stands in a packet, NUL-padded or in network order; `bytes` has room for 16. */
size_t ng_guard_value_bytes(enum ng_guard_field field, struct ng_guard_value value, uint8_t *bytes);

uint32_t ng_guard_table_flags(enum ng_guard_owner owner); /* NFT_TABLE_F_… */
void ng_guard_write_table(struct ng_guard_writer *writer, uint32_t flags);
void ng_guard_write_table_removal(struct ng_guard_writer *writer);
void ng_guard_write(struct ng_guard_writer *writer, const struct ng_guard *guard, uint32_t flags);

/* -- guard_rule.c: rules, by libnftnl ------------------------------------------------------- */

void ng_guard_write_rule(struct ng_guard_writer *writer, const char *chain,
                         const struct ng_guard_rule *rule);
/* Does the message tell of this rule, whatever its counters say? -ENOMEM */
int ng_guard_rule_is(const struct ng_guard_rule *rule, const struct nlmsghdr *message,
                     bool *ret_same) _must_check_;
/* Adds up what the counters of the rule say; false: it has none. */
bool ng_guard_rule_counts(const struct nlmsghdr *message, uint64_t *packets, uint64_t *bytes);

/* -- guard_contents.c: what is installed ---------------------------------------------------- */

struct ng_installed_element {
    const uint8_t *key;
    const char *chain; /* of a verdict map */
    bool end;          /* of an interval that lies before it */
};

struct ng_installed_set {
    const char *name;
    struct ng_guard_shape shape;
    struct ng_installed_element *elements; /* by key, an end before what begins there */
    size_t n_elements, capacity;
};

struct ng_installed_chain {
    const char *name;
    bool base;
    enum ng_hook hook; /* of a base chain */
    int32_t priority;
    bool more; /* something that no chain of a guard has */
    const struct nlmsghdr **rules;
    size_t n_rules, capacity;
};

/* Lives with the dump in one arena. */
struct ng_guard_contents {
    uint32_t generation;
    bool present, ours; /* there is a table; with our comment */
    uint32_t flags;     /* NFT_TABLE_F_… */
    uint32_t owner;     /* netlink port id, 0: none */
    bool more;          /* something in it that is in no guard */
    uint64_t armed_ms;  /* until the last element with a timeout has gone; 0: there is none */
    struct ng_installed_set *sets; /* sorted by name */
    size_t n_sets, sets_capacity;
    struct ng_installed_chain *chains; /* sorted by name */
    size_t n_chains, chains_capacity;
};

/* The message at `*at`, which moves on behind it: 1, 0 at the end, or -EBADMSG. */
int ng_guard_next_message(const struct ng_nft_dump *dump, size_t *at,
                          const struct nlmsghdr **ret_message) _must_check_;
/* Is this of a dump the table of family inet and this name, and owned by this socket? */
bool ng_guard_is_owned_table(const struct nlmsghdr *message, const char *name, uint32_t portid);
/* Is this of a dump our table, or something in it? */
bool ng_guard_has_message(const struct nlmsghdr *message);
int ng_guard_contents_read(const struct ng_nft_dump *dump, struct ng_arena *arena,
                           struct ng_guard_contents **ret_contents) _must_check_;
const struct ng_installed_set *ng_installed_set_named(const struct ng_guard_contents *contents,
                                                      const char *name);
const struct ng_installed_chain *ng_installed_chain_named(const struct ng_guard_contents *contents,
                                                          const char *name);

/* -- guard_compare.c: the steps from what is installed to the guard ------------------------- */

struct ng_guard_step {
    enum ng_guard_change_kind kind;
    const struct ng_guard_chain *chain;     /* of CHAIN */
    const struct ng_guard_set *set;         /* of ADD and DELETE, */
    const struct ng_guard_element *element; /* those of a set one after the other */
};

int ng_guard_steps(const struct ng_guard *guard, const struct ng_guard_installed *installed,
                   enum ng_guard_owner owner, struct ng_arena *arena,
                   struct ng_guard_step **ret_steps, size_t *ret_count) _must_check_;

/* The guard and, where its sets and chains are those that are installed, what those hold of
 * containers, listeners and bridges beside it. 0 or -ENOMEM. */
int ng_guard_keep(const struct ng_guard *guard, const struct ng_guard_installed *installed,
                  struct ng_arena *arena, struct ng_guard *ret_guard) _must_check_;

/* guard_encode.c: what leads from these contents to the guard, and whatever runs out armed anew. */
void ng_guard_write_steps(struct ng_guard_writer *writer, const struct ng_guard *guard,
                          const struct ng_guard_contents *contents,
                          const struct ng_guard_step *steps, size_t count);

/* -- guard_batch.c: the transaction --------------------------------------------------------- */

/* What the kernel has said about one. */
struct ng_guard_outcome {
    const struct nlmsghdr *failed; /* the message that it refused; NULL: the batch as a whole */
    const char *expression;        /* of that, where it is a rule; NULL: it does not say */
    char text[256];                /* its own words, "": none */
};

/* Sends all of it in one transaction, unless the ruleset has changed since `generation` (0: however
 * that may be). -EAGAIN: it has, or nobody knows what has become of it: look again.
 * `seq` goes on with each message that the socket has sent. */
int ng_guard_commit(int fd, uint32_t *seq, uint32_t generation, struct ng_guard_writer *writer,
                    struct ng_guard_outcome *ret_outcome) _must_check_;
/* "rule 3 of chain forward", …; in `buffer`. */
const char *ng_guard_message_text(const struct ng_guard_writer *writer,
                                  const struct nlmsghdr *message, char *buffer, size_t size);

#endif
