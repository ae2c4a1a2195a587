/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/ruleset_change.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "agent/observe/ruleset_parts.h"

#define TYPE(message) ((uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | (message)))

/* The rules are read by the decoder of dumps: out of a dump that has everything but the other
 * rules. Sets that are larger than this are not read once more for a rule. */
enum { REST_MAX_BYTES = 256 << 10 };

static const struct nlmsghdr *message_at(const uint8_t *bytes, size_t at) {
    return (const struct nlmsghdr *)(const void *)(bytes + at);
}

static bool fits(size_t len_bytes, size_t at, const uint8_t *bytes) {
    return len_bytes - at >= sizeof(struct nlmsghdr) &&
           message_at(bytes, at)->nlmsg_len >= MNL_NLMSG_HDRLEN + sizeof(struct nfgenmsg) &&
           MNL_ALIGN((size_t)message_at(bytes, at)->nlmsg_len) <= len_bytes - at;
}

/* What comes before the first rule: rules are dumped last. */
static size_t rest_of(const struct ng_nft_dump *dump) {
    size_t at = 0;
    while (at < dump->len_bytes && fits(dump->len_bytes, at, dump->bytes) &&
           message_at(dump->bytes, at)->nlmsg_type != TYPE(NFT_MSG_NEWRULE))
        at += MNL_ALIGN((size_t)message_at(dump->bytes, at)->nlmsg_len);
    return at;
}

/* -- plain rules ----------------------------------------------------------------------- */

/* Does an expression tell of nothing but its own rule? Those that fill sets or look something up in
 * one are left to a whole dump: what is in a set changes, and by whom is told by all rules. */
static bool is_plain_expression(const struct nlattr *nest) {
    static const char *const plain[] = {
        "bitwise",   "byteorder", "cmp",   "counter", "ct",     "fib",
        "immediate", "limit",     "log",   "masq",    "match",  "meta",
        "nat",       "payload",   "range", "redir",   "reject", "target",
    };
    const struct nlattr *attributes[NFTA_EXPR_MAX + 1], *xt[NFTA_MATCH_MAX + 1] = {NULL};
    if (ng_attributes_in(nest, attributes, NFTA_EXPR_MAX) < 0)
        return false;
    const char *name = ng_attribute_text(attributes[NFTA_EXPR_NAME]);
    bool known = false;
    for (size_t i = 0; name && i < ARRAY_SIZE(plain); i++)
        known = known || strcmp(name, plain[i]) == 0;
    if (!known || (strcmp(name, "match") != 0 && strcmp(name, "target") != 0))
        return known;
    /* Of iptables' extensions these ask ipsets, or fill them. */
    if (!attributes[NFTA_EXPR_DATA] ||
        ng_attributes_in(attributes[NFTA_EXPR_DATA], xt, NFTA_MATCH_MAX) < 0)
        return false;
    const char *extension = ng_attribute_text(xt[NFTA_MATCH_NAME]);
    return extension && strcasecmp(extension, "set") != 0;
}

static bool is_plain_message(const struct nlmsghdr *message) {
    const struct nlattr *attributes[NFTA_RULE_MAX + 1], *expression;
    if ((message->nlmsg_type != TYPE(NFT_MSG_NEWRULE) &&
         message->nlmsg_type != TYPE(NFT_MSG_DELRULE)) ||
        ng_attributes_of(message, sizeof(struct nfgenmsg), attributes, NFTA_RULE_MAX) < 0 ||
        !attributes[NFTA_RULE_HANDLE])
        return false;
    if (!attributes[NFTA_RULE_EXPRESSIONS])
        return true;
    if (ng_attributes_check(attributes[NFTA_RULE_EXPRESSIONS]) < 0)
        return false;
    mnl_attr_for_each_nested(
        expression,
        attributes[NFTA_RULE_EXPRESSIONS]) if (!is_plain_expression(expression)) return false;
    return true;
}

/* Values that mean another thing where some rule gives them to connections. */
static bool asks_label(const struct ng_op *op) {
    if (op->kind != NG_OP_MATCH)
        return false;
    for (size_t i = 0; i < op->match->n_operands; i++)
        if (op->match->operands[i].field == NG_FIELD_CT_LABEL ||
            op->match->operands[i].field == NG_FIELD_CT_ZONE)
            return true;
    return false;
}

/* What is not understood is told as a gap of the world. */
static bool is_plain_rule(const struct ng_rule *rule) {
    for (size_t i = 0; i < rule->n_ops; i++)
        if (rule->ops[i].undecoded || asks_label(&rule->ops[i]))
            return false;
    return true;
}

/* -- reading them ---------------------------------------------------------------------- */

/* All messages as rules that were added, behind the rest of the dump. */
static int join(const struct ng_nft_dump *dump, const uint8_t *messages, size_t len_bytes,
                struct ng_arena *scratch, struct ng_nft_dump *ret_dump) {
    size_t rest = rest_of(dump);
    if (rest > REST_MAX_BYTES)
        return -EAGAIN;
    uint8_t *bytes = ng_arena_alloc(scratch, rest + len_bytes, 1);
    if (!bytes)
        return -ENOMEM;
    if (rest)
        memcpy(bytes, dump->bytes, rest);
    memcpy(bytes + rest, messages, len_bytes);
    for (size_t at = 0; at < len_bytes;) {
        struct nlmsghdr *message = (struct nlmsghdr *)(void *)(bytes + rest + at);
        if (!fits(len_bytes, at, messages) || !is_plain_message(message))
            return -EAGAIN;
        message->nlmsg_type = TYPE(NFT_MSG_NEWRULE);
        at += MNL_ALIGN((size_t)message->nlmsg_len);
    }
    *ret_dump = (struct ng_nft_dump){.bytes = bytes, .len_bytes = rest + len_bytes, .read = true};
    return 0;
}

static int read_rules(const struct ng_world *world, const uint8_t *messages, size_t len_bytes,
                      struct decoder *decoder) {
    struct ng_error ignored;
    struct ng_nft_dump dump;
    int r = join(&world->nft, messages, len_bytes, decoder->scratch, &dump);
    if (r < 0)
        return r;
    r = ng_nft_decode(decoder, &dump, &ignored);
    if (r < 0)
        return r == -ENOMEM ? r : -EAGAIN;
    bool plain = !decoder->sets_label && !decoder->sets_zone;
    for (size_t i = 0; i < decoder->n_rules; i++)
        plain = plain && is_plain_rule(&decoder->rules[i]);
    return plain ? 0 : -EAGAIN;
}

/* -- putting them in their places --------------------------------------------------------- */

/* A ruleset that is being changed. */
struct edit {
    struct ng_rule *rules; /* with room for those that come */
    size_t n_rules;
    struct ng_chain *chains;
    size_t n_chains;
    bool *lost; /* one per chain: a rule was taken from it */
};

/* SIZE_MAX: there is none. */
static size_t find_rule(const struct edit *edit, const struct ng_chain *chain, uint64_t handle) {
    for (size_t i = chain->first_rule; i < chain->first_rule + chain->n_rules; i++)
        if (edit->rules[i].handle == handle)
            return i;
    return SIZE_MAX;
}

static void shift_chains(struct edit *edit, uint32_t behind, size_t by) {
    for (size_t i = behind + 1; i < edit->n_chains; i++)
        edit->chains[i].first_rule += by;
    edit->chains[behind].n_rules += by;
    edit->n_rules += by;
}

/* The kernel tells after which rule it stands, unless it is the first or the last (an older one:
 * the first), and of these NLM_F_APPEND tells the last. It is also there when a rule replaces the
 * first: then that has just been taken out. */
static int insert(struct edit *edit, const struct ng_rule *rule, const struct nlmsghdr *message,
                  const struct nlattr *position) {
    const struct ng_chain *chain = &edit->chains[rule->chain];
    size_t at = chain->first_rule;
    bool append = message->nlmsg_flags & NLM_F_APPEND;
    if (find_rule(edit, chain, rule->handle) != SIZE_MAX)
        return -EAGAIN;
    if (position) {
        size_t before = find_rule(edit, chain, ng_attribute_be64(position, 0));
        if (before == SIZE_MAX)
            return -EAGAIN;
        at = before + 1;
    } else if (append) {
        if (edit->lost[rule->chain])
            return -EAGAIN;
        at += chain->n_rules;
    }
    memmove(&edit->rules[at + 1], &edit->rules[at], (edit->n_rules - at) * sizeof(*edit->rules));
    edit->rules[at] = *rule;
    shift_chains(edit, rule->chain, 1);
    return 0;
}

static int take_out(struct edit *edit, const struct ng_rule *rule) {
    size_t at = find_rule(edit, &edit->chains[rule->chain], rule->handle);
    if (at == SIZE_MAX)
        return -EAGAIN;
    memmove(&edit->rules[at], &edit->rules[at + 1],
            (edit->n_rules - at - 1) * sizeof(*edit->rules));
    shift_chains(edit, rule->chain, (size_t)-1);
    edit->lost[rule->chain] = true;
    return 0;
}

static int apply(struct edit *edit, const struct decoder *decoder, const uint8_t *messages) {
    size_t at = 0;
    int r = 0;
    for (size_t i = 0; r == 0 && i < decoder->n_rules; i++) {
        const struct nlmsghdr *message = message_at(messages, at);
        const struct nlattr *attributes[NFTA_RULE_MAX + 1];
        r = ng_attributes_of(message, sizeof(struct nfgenmsg), attributes, NFTA_RULE_MAX);
        if (r == 0)
            r = message->nlmsg_type == TYPE(NFT_MSG_DELRULE)
                    ? take_out(edit, &decoder->rules[i])
                    : insert(edit, &decoder->rules[i], message, attributes[NFTA_RULE_POSITION]);
        at += MNL_ALIGN((size_t)message->nlmsg_len);
    }
    return r;
}

static int begin_edit(const struct ng_ruleset *before, const struct decoder *decoder,
                      struct edit *ret_edit) {
    struct ng_arena *arena = before->arena;
    struct edit edit = {
        .rules = ng_arena_alloc(arena, before->n_rules + decoder->n_rules, sizeof(*edit.rules)),
        .n_rules = before->n_rules,
        .chains = ng_arena_alloc(arena, before->n_chains, sizeof(*edit.chains)),
        .n_chains = before->n_chains,
        .lost = ng_arena_alloc(decoder->scratch, before->n_chains, sizeof(*edit.lost)),
    };
    if (!edit.rules || !edit.chains || !edit.lost)
        return -ENOMEM;
    if (before->n_rules)
        memcpy(edit.rules, before->rules, before->n_rules * sizeof(*edit.rules));
    if (before->n_chains)
        memcpy(edit.chains, before->chains, before->n_chains * sizeof(*edit.chains));
    *ret_edit = edit;
    return 0;
}

static int hand_over(const struct ng_ruleset *before, const struct edit *edit,
                     const struct decoder *decoder, struct ng_ruleset_change *ret_change) {
    struct ng_ruleset *ruleset = ng_arena_alloc(before->arena, 1, sizeof(*ruleset));
    struct ng_rule *rules = ng_arena_alloc(before->arena, decoder->n_rules, sizeof(*rules));
    const struct ng_rule **changed =
        ng_arena_alloc(before->arena, decoder->n_rules, sizeof(*changed));
    if (!ruleset || !rules || !changed)
        return -ENOMEM;
    *ruleset = *before;
    ruleset->rules = edit->rules;
    ruleset->n_rules = edit->n_rules;
    ruleset->chains = edit->chains;
    for (size_t i = 0; i < decoder->n_rules; i++) {
        rules[i] = decoder->rules[i];
        changed[i] = &rules[i];
    }
    *ret_change = (struct ng_ruleset_change){ruleset, changed, decoder->n_rules};
    return 0;
}

int ng_ruleset_change(const struct ng_world *world, const struct ng_ruleset *before,
                      const uint8_t *messages, size_t len_bytes,
                      struct ng_ruleset_change *ret_change) {
    _cleanup_(ng_arena_freep) struct ng_arena *scratch = ng_arena_new();
    struct decoder decoder = {.arena = before->arena, .scratch = scratch};
    struct edit edit;
    int r = scratch ? read_rules(world, messages, len_bytes, &decoder) : -ENOMEM;
    if (r == 0)
        r = begin_edit(before, &decoder, &edit);
    if (r == 0)
        r = apply(&edit, &decoder, messages);
    return r < 0 ? r : hand_over(before, &edit, &decoder, ret_change);
}

/* Where there is no memory for the rest, all of it stays. */
void ng_ruleset_forget_rules(struct ng_world *world) {
    struct ng_nft_dump *dump = &world->nft;
    const size_t rest = rest_of(dump);
    uint8_t *bytes = rest && rest < dump->len_bytes ? ng_arena_alloc(world->arena, rest, 1) : NULL;
    if (!bytes)
        return;
    memcpy(bytes, dump->bytes, rest);
    ng_arena_release(world->arena, dump->bytes);
    dump->bytes = bytes;
    dump->len_bytes = rest;
}
