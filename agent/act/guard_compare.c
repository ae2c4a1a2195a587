/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/guard_parts.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if.h>
#include <string.h>

#include "agent/act/guard_text.h"

struct comparison {
    struct ng_arena *arena;
    struct ng_guard_step *steps;
    size_t n_steps, capacity;
};

static int add_step(struct comparison *comparison, struct ng_guard_step step) {
    struct ng_guard_step *own = NG_ARENA_APPEND(comparison->arena, comparison->steps,
                                                comparison->n_steps, comparison->capacity);
    if (!own)
        return -ENOMEM;
    *own = step;
    return 0;
}

/* -- the table as a whole -------------------------------------------------------------- */

static bool is_same_shape(const struct ng_guard_set *set, const struct ng_installed_set *found) {
    const struct ng_guard_shape a = ng_guard_shape(set), b = found->shape;
    return !b.more && a.flags == b.flags && a.key_type == b.key_type && a.key_len == b.key_len &&
           a.data_type == b.data_type && a.size == b.size && a.timeout_ms == b.timeout_ms;
}

static bool is_same_chain(const struct ng_guard_chain *chain,
                          const struct ng_installed_chain *found) {
    if (found->more || chain->base != found->base)
        return false;
    return !chain->base || (chain->hook == found->hook && chain->priority == found->priority);
}

/* Who shall own it and who does. A table that is left behind by an owner keeps its flag to persist,
 * and can be taken over with it and in no other way. */
static bool is_same_hold(const struct ng_guard_installed *installed, enum ng_guard_owner owner) {
    bool dormant = installed->contents->flags & NFT_TABLE_F_DORMANT;
    if (dormant || installed->persist != (owner == NG_GUARD_OWNED_PERSISTENT))
        return false;
    if (owner == NG_GUARD_OWNED_PERSISTENT)
        return installed->hold == NG_GUARD_OWN || installed->hold == NG_GUARD_FREE;
    return installed->hold == (owner == NG_GUARD_OWNED ? NG_GUARD_OWN : NG_GUARD_FREE);
}

static bool is_same_table(const struct ng_guard *guard, const struct ng_guard_contents *contents) {
    if (contents->more || contents->n_sets != guard->n_sets ||
        contents->n_chains != guard->n_chains)
        return false;
    for (size_t i = 0; i < guard->n_sets; i++) {
        const struct ng_installed_set *set = ng_installed_set_named(contents, guard->sets[i].name);
        if (!set || !is_same_shape(&guard->sets[i], set))
            return false;
    }
    for (size_t i = 0; i < guard->n_chains; i++) {
        const struct ng_installed_chain *chain =
            ng_installed_chain_named(contents, guard->chains[i].name);
        if (!chain || !is_same_chain(&guard->chains[i], chain))
            return false;
    }
    return true;
}

/* -- rules ----------------------------------------------------------------------------- */

static int compare_rules(struct comparison *comparison, const struct ng_guard_chain *chain,
                         const struct ng_installed_chain *found) {
    bool same = chain->n_rules == found->n_rules;
    for (size_t i = 0; same && i < chain->n_rules; i++) {
        int r = ng_guard_rule_is(&chain->rules[i], found->rules[i], &same);
        if (r < 0)
            return r;
    }
    return same ? 0
                : add_step(comparison,
                           (struct ng_guard_step){.kind = NG_CHANGE_CHAIN, .chain = chain});
}

/* -- elements -------------------------------------------------------------------------- */

static ng_u128 number_of(const uint8_t *bytes, size_t len) {
    ng_u128 number = 0;
    for (size_t i = 0; i < len; i++)
        number = number << 8 | bytes[i];
    return number;
}

static int read_key(struct ng_arena *arena, const struct ng_guard_set *set, const uint8_t *bytes,
                    struct ng_guard_value *ret_key) {
    for (size_t i = 0; i < set->n_fields; i++) {
        size_t len = ng_guard_field_len(set->fields[i]);
        if (ng_guard_field_is_name(set->fields[i])) {
            ret_key[i].name =
                ng_arena_strndup(arena, (const char *)bytes, strnlen((const char *)bytes, len));
            if (!ret_key[i].name)
                return -ENOMEM;
        } else {
            ret_key[i].number = number_of(bytes, len);
        }
        bytes += MNL_ALIGN(len);
    }
    return 0;
}

/* What is in the set as elements of a guard, sorted as those are. -EBADMSG: it holds what no guard
 * would put there. */
static int read_elements(struct ng_arena *arena, const struct ng_guard_set *set,
                         const struct ng_installed_set *found,
                         struct ng_guard_element **ret_elements, size_t *ret_count) {
    struct ng_guard_element *elements = ng_arena_alloc(arena, found->n_elements, sizeof(*elements));
    size_t count = 0;
    bool inside = false;
    if (!elements)
        return -ENOMEM;
    for (size_t i = 0; i < found->n_elements; i++) {
        const struct ng_installed_element *raw = &found->elements[i];
        struct ng_guard_element *element = &elements[count];
        if (raw->end) {
            ng_u128 next = number_of(raw->key, found->shape.key_len);
            if (inside)
                elements[count - 1].end = next - 1;
            else if (i > 0 || next != 0)
                return -EBADMSG;
            inside = false;
        } else {
            if (inside)
                return -EBADMSG;
            int r = read_key(arena, set, raw->key, element->key);
            if (r < 0)
                return r;
            element->chain = raw->chain;
            element->end = ~(ng_u128)0 >> (128 - 8 * ng_guard_field_len(set->fields[0]));
            inside = set->intervals;
            count++;
        }
    }
    *ret_elements = elements;
    *ret_count = count;
    return 0;
}

/* Names beyond their room are cut off where they are written. */
static int compare_keys(const struct ng_guard_set *set, const struct ng_guard_element *a,
                        const struct ng_guard_element *b) {
    for (size_t i = 0; i < set->n_fields; i++) {
        const struct ng_guard_value left = a->key[i], right = b->key[i];
        if (ng_guard_field_is_name(set->fields[i])) {
            int order = strncmp(left.name, right.name, IFNAMSIZ);
            if (order)
                return order;
        } else if (left.number != right.number) {
            return left.number < right.number ? -1 : 1;
        }
    }
    return 0;
}

static bool is_same_element(const struct ng_guard_set *set, const struct ng_guard_element *a,
                            const struct ng_guard_element *b) {
    return (!set->intervals || a->end == b->end) &&
           (!set->is_map || strcmp(a->chain, b->chain) == 0);
}

/* Both are sorted. */
static int compare_elements(struct comparison *comparison, const struct ng_guard_set *set,
                            const struct ng_guard_element *found, size_t n_found) {
    struct ng_guard_step gone = {.kind = NG_CHANGE_DELETE, .set = set};
    struct ng_guard_step made = {.kind = NG_CHANGE_ADD, .set = set};
    size_t i = 0, k = 0;
    int r = 0;
    while (r == 0 && (i < n_found || k < set->n_elements)) {
        int order = i == n_found           ? 1
                    : k == set->n_elements ? -1
                                           : compare_keys(set, &found[i], &set->elements[k]);
        if (order == 0 && is_same_element(set, &found[i], &set->elements[k])) {
            i++, k++;
            continue;
        }
        if (order <= 0) {
            gone.element = &found[i++];
            r = add_step(comparison, gone);
        }
        if (r == 0 && order >= 0) {
            made.element = &set->elements[k++];
            r = add_step(comparison, made);
        }
    }
    return r;
}

/* -- what is kept ---------------------------------------------------------------------- */

/* Sets with a timeout are the guard's clock. What does not follow from the policy tells of
 * containers, listeners and bridges. */
static bool is_kept(const struct ng_guard_set *set) {
    return !set->of_policy && !set->timeout;
}

/* The elements of the set and, in their order, those that are found beside them. */
static int keep_elements(struct ng_arena *arena, struct ng_guard_set *set,
                         const struct ng_guard_element *found, size_t n_found) {
    struct ng_guard_element *all = ng_arena_alloc(arena, set->n_elements + n_found, sizeof(*all));
    size_t count = 0, i = 0, k = 0;
    if (!all)
        return -ENOMEM;
    while (i < n_found || k < set->n_elements) {
        int order = i == n_found           ? 1
                    : k == set->n_elements ? -1
                                           : compare_keys(set, &found[i], &set->elements[k]);
        all[count++] = order < 0 ? found[i] : set->elements[k];
        i += order <= 0;
        k += order >= 0;
    }
    set->elements = all;
    set->n_elements = count;
    return 0;
}

int ng_guard_keep(const struct ng_guard *guard, const struct ng_guard_installed *installed,
                  struct ng_arena *arena, struct ng_guard *ret_guard) {
    struct ng_guard_set *sets = ng_arena_alloc(arena, guard->n_sets, sizeof(*sets));
    if (!sets)
        return -ENOMEM;
    *ret_guard = *guard;
    if (!is_same_table(guard, installed->contents))
        return 0;
    for (size_t i = 0; i < guard->n_sets; i++) {
        struct ng_guard_element *found;
        size_t n_found;
        sets[i] = guard->sets[i];
        if (!is_kept(&sets[i]))
            continue;
        int r = read_elements(arena, &sets[i],
                              ng_installed_set_named(installed->contents, sets[i].name), &found,
                              &n_found);
        if (r == 0)
            r = keep_elements(arena, &sets[i], found, n_found);
        if (r < 0)
            return r == -EBADMSG ? 0 : r;
    }
    ret_guard->sets = sets;
    return 0;
}

/* -- all of it ------------------------------------------------------------------------- */

static int compare_contents(struct comparison *comparison, const struct ng_guard *guard,
                            const struct ng_guard_contents *contents) {
    for (size_t i = 0; i < guard->n_sets; i++) {
        const struct ng_guard_set *set = &guard->sets[i];
        struct ng_guard_element *found;
        size_t n_found;
        int r = read_elements(comparison->arena, set, ng_installed_set_named(contents, set->name),
                              &found, &n_found);
        if (r == 0)
            r = compare_elements(comparison, set, found, n_found);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < guard->n_chains; i++) {
        const struct ng_guard_chain *chain = &guard->chains[i];
        int r = compare_rules(comparison, chain, ng_installed_chain_named(contents, chain->name));
        if (r < 0)
            return r;
    }
    return 0;
}

int ng_guard_steps(const struct ng_guard *guard, const struct ng_guard_installed *installed,
                   enum ng_guard_owner owner, struct ng_arena *arena,
                   struct ng_guard_step **ret_steps, size_t *ret_count) {
    struct comparison comparison = {.arena = arena};
    int r = -EBADMSG;
    if (is_same_hold(installed, owner) && is_same_table(guard, installed->contents))
        r = compare_contents(&comparison, guard, installed->contents);
    if (r == -EBADMSG) {
        comparison.n_steps = 0;
        r = add_step(&comparison, (struct ng_guard_step){.kind = NG_CHANGE_TABLE});
    }
    if (r < 0)
        return r;
    *ret_steps = comparison.steps;
    *ret_count = comparison.n_steps;
    return 0;
}

/* Nobody asks whether a table persists: it may go on as it does. One that another holds is
 * compared by what it says. */
static enum ng_guard_owner owner_asked(const struct ng_guard_installed *installed, bool owned) {
    if (owned || installed->hold == NG_GUARD_HELD)
        return installed->persist ? NG_GUARD_OWNED_PERSISTENT : NG_GUARD_OWNED;
    return NG_GUARD_UNOWNED;
}

int ng_guard_compare(const struct ng_guard *guard, const struct ng_guard_installed *installed,
                     bool owned, struct ng_arena *arena, struct ng_guard_change **ret_changes,
                     size_t *ret_count) {
    struct ng_guard_installed seen = *installed;
    struct ng_guard_step *steps;
    size_t count;
    if (!owned && seen.hold == NG_GUARD_HELD)
        seen.hold = NG_GUARD_OWN;
    int r = ng_guard_steps(guard, &seen, owner_asked(installed, owned), arena, &steps, &count);
    if (r < 0)
        return r;
    struct ng_guard_change *changes = ng_arena_alloc(arena, count, sizeof(*changes));
    if (!changes)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const struct ng_guard_step *step = &steps[i];
        changes[i] = (struct ng_guard_change){.kind = step->kind};
        if (step->chain)
            changes[i].name = step->chain->name;
        if (!step->set)
            continue;
        changes[i].name = step->set->name;
        changes[i].text = ng_guard_element_text(arena, step->set, step->element);
        if (!changes[i].text)
            return -ENOMEM;
    }
    *ret_changes = changes;
    *ret_count = count;
    return 0;
}
