/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_LANGUAGE_FAULTS_H
#define NETGUARD_LANGUAGE_FAULTS_H

/* What is wrong with a policy, as it is found. Reading goes on after a fault, so that all of them
 * are told at once:
 *
 *  - a reader tells of a fault, returns its code and leaves its result as it was; what is read
 *    after that is read for its own faults alone, for a policy with faults is thrown away;
 *  - what only follows from a fault is none: a name counts as given although what bears it has
 *    faults, and where names could not be read no other is called unknown;
 *  - loops over what somebody wrote end when enough has been found (ng_faults_go_on). */

#include "netguard/base.h"

enum { NG_FAULTS_MAX = 100 };

struct ng_fault {
    struct ng_error error;
    int code;
    size_t file;   /* index of the source */
    size_t number; /* in the order of reading */
};

struct ng_faults {
    struct ng_arena *arena;
    const char **sources; /* names of the files, in their order; known by their addresses */
    size_t n_sources;
    struct ng_fault *items;
    size_t count, capacity;
    bool out_of_memory;
};

/* Both return the code. */
int ng_fault_add(struct ng_faults *faults, int code, const char *source, unsigned line,
                 unsigned column, const char *format, ...) _printf_(6, 7);
int ng_faults_no_memory(struct ng_faults *faults);

/* Is there any use in reading on? */
bool ng_faults_go_on(const struct ng_faults *faults);

/* By file and place; the code of the first, 0: there are none. In the arena of the faults. */
int ng_faults_finish(struct ng_faults *faults, const struct ng_error **ret_errors,
                     size_t *ret_count) _must_check_;

#endif
