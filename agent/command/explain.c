/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "agent/command/command.h"
#include "agent/command/question.h"
#include "agent/command/target.h"
#include "agent/print/catalog.h"
#include "agent/print/explain.h"
#include "netguard/catalog.h"

static enum ng_exit fail(const struct ng_error *error, enum ng_exit status) {
    ng_diagnose(error);
    return status;
}

static int read_options(const struct ng_options *options, const struct ng_world *world,
                        struct ng_explain_target *ret_target, struct ng_explain_options *ret_asked,
                        struct ng_error *error) {
    struct ng_explain_options asked = {.from = options->from};
    struct ng_error fault = {0};

    if (options->interface && ng_interface_find(world, options->interface, &asked.link, &fault) < 0)
        return ng_error_set(error, -EINVAL, "--interface", "%s", fault.message);
    int r = ng_target_parse(options->operand, world, ret_target, error);
    if (r < 0)
        return r;
    if (ret_target->addr.family && asked.from.family &&
        ret_target->addr.family != asked.from.family)
        return ng_error_set(error, -EINVAL, "--from", "no packet goes from an %s to an %s address",
                            asked.from.family == NG_IP4 ? "IPv4" : "IPv6",
                            asked.from.family == NG_IP4 ? "IPv6" : "IPv4");
    *ret_asked = asked;
    return 0;
}

static int print(const struct ng_options *options, const struct ng_tracer *tracer,
                 const struct ng_explanation *explanation, const struct ng_explain_options *asked) {
    struct ng_print_options looks = {
        .width = ng_stdout_width(),
        .color = ng_stdout_color(options->color),
        .verbose = options->verbose,
    };

    return options->format == NG_FORMAT_JSON
               ? ng_print_explanation_json(stdout, tracer, explanation, asked, &looks)
               : ng_print_explanation(stdout, tracer, explanation, asked, &looks);
}

static int answer(const struct ng_options *options, const struct ng_world *world,
                  const struct ng_ruleset *ruleset, const struct ng_explain_target *target,
                  const struct ng_explain_options *asked, struct ng_error *error) {
    _cleanup_(ng_tracer_freep) struct ng_tracer *tracer = NULL;
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct ng_explanation explanation;

    int r = arena ? ng_tracer_new(world, ruleset, &tracer) : -ENOMEM;
    if (r == 0)
        r = ng_explain(tracer, target, asked, arena, &explanation);
    if (r == 0)
        r = print(options, tracer, &explanation, asked);
    if (r < 0)
        return ng_error_set(error, r, "", "out of memory");
    if (explanation.n_subjects == 0)
        ng_error_set(error, 0, "explain",
                     target->container ? "container \"%s\" publishes no port; ask for one of its "
                                         "ports: %s:PORT"
                                       : "no address of this host and no interface that leads "
                                         "outside fits",
                     options->operand, options->operand);
    return 0;
}

/* -- a finding in place of a target ------------------------------------------------------ */

/* "NG001": a container that is called so is asked for by one of its ports. */
static bool is_finding_id(const char *text) {
    return strlen(text) == strlen("NG001") && strncasecmp(text, "NG", strlen("NG")) == 0 &&
           strspn(text + strlen("NG"), "0123456789") == strlen("001");
}

static int unknown_finding(const char *id, struct ng_error *error) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    const char **ids = arena ? ng_arena_alloc(arena, ng_catalog_count, sizeof(*ids)) : NULL;
    const char *all = "", *near;

    if (!ids)
        return ng_error_set(error, -ENOMEM, "", "out of memory");
    for (size_t i = 0; all && i < ng_catalog_count; i++) {
        ids[i] = ng_catalog[i].id;
        all = ng_arena_printf(arena, "%s%s%s", all, i ? ", " : "", ids[i]);
    }
    near = ng_near_name(id, ids, ng_catalog_count);
    return ng_error_set(error, -EINVAL, "explain", "there is no finding %s%s%s%s; there are %s", id,
                        near ? "; did you mean " : "", near ? near : "", near ? "?" : "",
                        all ? all : "others");
}

/* It says the same on any machine: nothing is observed for it. */
static enum ng_exit explain_finding(const struct ng_options *options) {
    const struct ng_catalog_page *page = ng_catalog_find(options->operand);
    const struct ng_print_options looks = {
        .width = ng_stdout_width(),
        .color = ng_stdout_color(options->color),
    };
    struct ng_error error = {0};
    int r;

    if (!page) {
        r = unknown_finding(options->operand, &error);
        return fail(&error, r == -EINVAL ? NG_EXIT_USAGE : NG_EXIT_INCOMPLETE);
    }
    if (options->format == NG_FORMAT_JSON) {
        ng_print_page_json(stdout, page);
        return NG_EXIT_CLEAN;
    }
    if (ng_print_page(stdout, page, &looks) < 0) {
        ng_error_set(&error, -ENOMEM, "", "out of memory");
        return fail(&error, NG_EXIT_INCOMPLETE);
    }
    return NG_EXIT_CLEAN;
}

enum ng_exit ng_command_explain(const struct ng_options *options) {
    _cleanup_(ng_world_freep) struct ng_world *world = NULL;
    _cleanup_(ng_ruleset_freep) struct ng_ruleset *ruleset = NULL;
    struct ng_explain_target target;
    struct ng_explain_options asked;
    struct ng_error error = {0};

    if (is_finding_id(options->operand))
        return explain_finding(options);
    if (ng_load(options, &world, &ruleset, &error) < 0)
        return fail(&error, NG_EXIT_INCOMPLETE);
    if (read_options(options, world, &target, &asked, &error) < 0)
        return fail(&error, NG_EXIT_USAGE);
    if (answer(options, world, ruleset, &target, &asked, &error) < 0)
        return fail(&error, NG_EXIT_INCOMPLETE);
    if (error.message[0])
        ng_diagnose(&error);
    ng_diagnose_gaps(world->gaps, world->n_gaps);
    return world->n_gaps ? NG_EXIT_INCOMPLETE : NG_EXIT_CLEAN;
}
