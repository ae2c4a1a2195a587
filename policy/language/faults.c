/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/language/faults.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static size_t index_of(const struct ng_faults *faults, const char *source) {
    size_t i = 0;
    while (i < faults->n_sources && faults->sources[i] != source)
        i++;
    return i;
}

int ng_fault_add(struct ng_faults *faults, int code, const char *source, unsigned line,
                 unsigned column, const char *format, ...) {
    char message[sizeof(((struct ng_error *)0)->message)];
    va_list arguments;
    if (!ng_faults_go_on(faults))
        return code;
    struct ng_fault *fault =
        NG_ARENA_APPEND(faults->arena, faults->items, faults->count, faults->capacity);
    if (!fault)
        return ng_faults_no_memory(faults);
    fault->code = code;
    fault->file = index_of(faults, source);
    fault->number = faults->count;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    return ng_error_set_at(&fault->error, code, source, line, column, "%s", message);
}

int ng_faults_no_memory(struct ng_faults *faults) {
    faults->out_of_memory = true;
    return -ENOMEM;
}

bool ng_faults_go_on(const struct ng_faults *faults) {
    return faults->count < NG_FAULTS_MAX && !faults->out_of_memory;
}

static int compare_places(const void *left, const void *right) {
    const struct ng_fault *a = left, *b = right;
    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    if (a->error.line != b->error.line)
        return a->error.line < b->error.line ? -1 : 1;
    if (a->error.column != b->error.column)
        return a->error.column < b->error.column ? -1 : 1;
    return a->number < b->number ? -1 : 1;
}

int ng_faults_finish(struct ng_faults *faults, const struct ng_error **ret_errors,
                     size_t *ret_count) {
    bool all = ng_faults_go_on(faults);
    struct ng_error *errors = ng_arena_alloc(faults->arena, faults->count + 1, sizeof(*errors));
    if (!errors || faults->out_of_memory)
        return -ENOMEM;
    if (faults->count)
        qsort(faults->items, faults->count, sizeof(*faults->items), compare_places);
    for (size_t i = 0; i < faults->count; i++)
        errors[i] = faults->items[i].error;
    if (!all)
        ng_error_set(&errors[faults->count], -EINVAL, errors[faults->count - 1].source,
                     "there may be more faults: after %d of them the rest is not looked at",
                     NG_FAULTS_MAX);
    *ret_errors = errors;
    *ret_count = faults->count + !all;
    return faults->count ? faults->items[0].code : 0;
}
