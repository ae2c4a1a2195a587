/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/guard/parts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sets while they are filled, and the memory that everything is made in. */

size_t ng_guard_field_len(enum ng_guard_field field) {
    static const uint8_t lens[] = {
        [NG_GUARD_NFPROTO] = 1, [NG_GUARD_IIFNAME] = 16, [NG_GUARD_OIFNAME] = 16,
        [NG_GUARD_SADDR4] = 4,  [NG_GUARD_SADDR6] = 16,  [NG_GUARD_DADDR4] = 4,
        [NG_GUARD_DADDR6] = 16, [NG_GUARD_ASKED4] = 4,   [NG_GUARD_ASKED6] = 16,
        [NG_GUARD_L4PROTO] = 1, [NG_GUARD_DPORT] = 2,    [NG_GUARD_ASKED_PORT] = 2,
    };
    return lens[field];
}

/* -- memory, which is asked for once at the end whether it was there ------------------- */

void *ng_guard_alloc(struct maker *maker, size_t count, size_t size) {
    void *memory = ng_arena_alloc(maker->arena, count, size);
    if (!memory)
        maker->error = -ENOMEM;
    return memory;
}

char *ng_guard_printf(struct maker *maker, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *own = len < 0 ? NULL : ng_guard_alloc(maker, (size_t)len + 1, 1);
    if (!own)
        return NULL;
    va_start(arguments, format);
    vsnprintf(own, (size_t)len + 1, format, arguments);
    va_end(arguments);
    return own;
}

void ng_guard_limit(struct maker *maker, const char *text) {
    const char **own =
        NG_ARENA_APPEND(maker->arena, maker->limits, maker->n_limits, maker->limits_capacity);
    if (own && text)
        *own = text;
    else
        maker->error = -ENOMEM;
}

const char *ng_guard_rule_chain(struct maker *maker, const struct ng_rule_policy *rule) {
    return ng_guard_printf(maker, "rule_%s", rule ? rule->id : "default");
}

const char *ng_guard_closed_chain(struct maker *maker, const struct zone *zone,
                                  const struct ng_rule_policy *rule) {
    return ng_guard_printf(maker, "closed_%s/%s", zone->id, rule ? rule->id : "default");
}

/* -- sets ---------------------------------------------------------------------------- */

struct list *ng_guard_add_set(struct maker *maker, struct ng_guard_set set) {
    struct list *list = ng_guard_alloc(maker, 1, sizeof(*list));
    struct list **place =
        NG_ARENA_APPEND(maker->arena, maker->lists, maker->n_lists, maker->lists_capacity);
    if (!list || !place) {
        maker->error = -ENOMEM;
        return NULL;
    }
    while (set.n_fields < NG_GUARD_FIELDS_MAX && set.fields[set.n_fields] != NG_GUARD_NO_FIELD)
        set.n_fields++;
    list->set = set;
    *place = list;
    return list;
}

void ng_guard_add(struct maker *maker, struct list *list, struct ng_guard_element element) {
    struct ng_guard_element *own =
        list ? NG_ARENA_APPEND(maker->arena, list->elements, list->count, list->capacity) : NULL;
    if (own)
        *own = element;
    else
        maker->error = -ENOMEM;
}

static int compare_values(const struct ng_guard_value *a, const struct ng_guard_value *b) {
    if (a->name && b->name)
        return strcmp(a->name, b->name);
    return a->number < b->number ? -1 : a->number > b->number;
}

static int compare_elements(const void *left, const void *right) {
    const struct ng_guard_element *a = left, *b = right;
    int order = 0;
    for (size_t i = 0; order == 0 && i < NG_GUARD_FIELDS_MAX; i++)
        order = compare_values(&a->key[i], &b->key[i]);
    return order;
}

void ng_guard_settle(struct list *list) {
    size_t kept = 0;
    if (list->count)
        qsort(list->elements, list->count, sizeof(*list->elements), compare_elements);
    for (size_t i = 0; i < list->count; i++)
        if (kept == 0 || compare_elements(&list->elements[kept - 1], &list->elements[i]) != 0)
            list->elements[kept++] = list->elements[i];
    list->count = kept;
}

void ng_guard_leave_out(struct list *list, const struct list *others) {
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (!others->count || !bsearch(&list->elements[i], others->elements, others->count,
                                       sizeof(*others->elements), compare_elements))
            list->elements[kept++] = list->elements[i];
    list->count = kept;
}

static int compare_sets(const void *left, const void *right) {
    const struct ng_guard_set *a = left, *b = right;
    return strcmp(a->name, b->name);
}

void ng_guard_hand_over_sets(struct maker *maker, struct ng_guard *guard) {
    struct ng_guard_set *sets = ng_guard_alloc(maker, maker->n_lists, sizeof(*sets));
    if (!sets)
        return;
    for (size_t i = 0; i < maker->n_lists; i++) {
        sets[i] = maker->lists[i]->set;
        sets[i].elements = maker->lists[i]->elements;
        sets[i].n_elements = maker->lists[i]->count;
    }
    if (maker->n_lists)
        qsort(sets, maker->n_lists, sizeof(*sets), compare_sets);
    guard->sets = sets;
    guard->n_sets = maker->n_lists;
}
