/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names that a policy goes by and that nothing bears: mostly slips of the pen. */
#include "policy/judge/lint.h"

#include <errno.h>
#include <string.h>

/* -- what there is --------------------------------------------------------------------- */

/* Every text of one kind in the world, none twice next to each other. */
struct texts {
    const char **items;
    size_t count, capacity;
};

static int add_text(struct ng_arena *arena, struct texts *texts, const char *text) {
    if (!text || (texts->count && strcmp(texts->items[texts->count - 1], text) == 0))
        return 0;
    const char **slot = NG_ARENA_APPEND(arena, texts->items, texts->count, texts->capacity);
    if (!slot)
        return -ENOMEM;
    *slot = text;
    return 0;
}

struct known {
    const struct ng_world *world;
    struct texts names, images, services, stacks, networks, registries, links;
};

static int know_container(struct ng_arena *arena, struct known *known,
                          const struct ng_container *container) {
    int r = add_text(arena, &known->names, container->name);
    if (r == 0)
        r = add_text(arena, &known->images, container->image);
    if (r == 0)
        r = add_text(arena, &known->services, container->service);
    if (r == 0)
        r = add_text(arena, &known->stacks, container->stack);
    for (size_t i = 0; r == 0 && i < container->n_endpoints; i++)
        r = add_text(arena, &known->networks, container->endpoints[i].network);
    return r;
}

/* An ingress port is its service's, by the service's name and on the ingress network. */
static int know_service(struct ng_arena *arena, struct known *known,
                        const struct ng_service *service) {
    int r = add_text(arena, &known->names, service->name);
    if (r == 0)
        r = add_text(arena, &known->services, service->name);
    return r < 0 ? r : add_text(arena, &known->stacks, service->stack);
}

static int know_engine(struct ng_arena *arena, struct known *known,
                       const struct ng_engine *engine) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < engine->n_containers; i++)
        r = know_container(arena, known, &engine->containers[i]);
    for (size_t i = 0; r == 0 && i < engine->n_services; i++)
        r = know_service(arena, known, &engine->services[i]);
    for (size_t i = 0; r == 0 && i < engine->n_networks; i++)
        r = add_text(arena, &known->networks, engine->networks[i].name);
    for (size_t i = 0; r == 0 && i < engine->n_insecure_registries; i++)
        r = add_text(arena, &known->registries, engine->insecure_registries[i].name);
    return r;
}

/* -- what is asked for ------------------------------------------------------------------ */

static bool is_borne(struct ng_linter *linter, const char *glob, const struct texts *texts) {
    for (size_t i = 0; i < texts->count; i++)
        if (ng_lint_is_tired(linter) || ng_glob_match(glob, texts->items[i]))
            return true;
    return false;
}

/* `place` is of the part of the policy that has them. */
static int lint_globs(struct ng_linter *linter, struct ng_place place, const char *what,
                      struct ng_strings globs, const struct texts *texts) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < globs.count; i++)
        if (!is_borne(linter, globs.items[i], texts))
            r = ng_lint(linter, place, "nothing here matches the %s \"%s\"", what, globs.items[i]);
    return r;
}

static bool label_is_borne(struct ng_linter *linter, const struct ng_label *label,
                           const struct ng_container *container) {
    for (size_t i = 0; i < container->n_labels; i++)
        if (ng_lint_is_tired(linter) || (strcmp(container->labels[i].key, label->key) == 0 &&
                                         ng_glob_match(label->value, container->labels[i].value)))
            return true;
    return false;
}

static int lint_label(struct ng_linter *linter, struct ng_place place, const struct ng_label *label,
                      const struct ng_world *world) {
    for (size_t i = 0; i < world->n_engines; i++)
        for (size_t k = 0; k < world->engines[i].n_containers; k++)
            if (label_is_borne(linter, label, &world->engines[i].containers[k]))
                return 0;
    return ng_lint(linter, place, "no container here has the label %s: \"%s\"", label->key,
                   label->value);
}

static int lint_selectors(struct ng_linter *linter, struct ng_place place,
                          const struct ng_selector *any_of, size_t count,
                          const struct known *known) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        const struct ng_selector *selector = &any_of[i];
        const struct {
            const char *what;
            struct ng_strings globs;
            const struct texts *texts;
        } keys[] = {
            {"name", selector->name, &known->names},
            {"image", selector->image, &known->images},
            {"service", selector->service, &known->services},
            {"stack", selector->stack, &known->stacks},
            {"network", selector->network, &known->networks},
        };
        for (size_t k = 0; r == 0 && k < ARRAY_SIZE(keys); k++)
            r = lint_globs(linter, place, keys[k].what, keys[k].globs, keys[k].texts);
        for (size_t k = 0; r == 0 && k < selector->n_labels; k++)
            r = lint_label(linter, place, &selector->labels[k], known->world);
    }
    return r;
}

/* The first of the items that the network matches from `from` on; the count: none. */
static size_t find_item(struct ng_linter *linter, struct ng_strings items, const char *network,
                        size_t from) {
    while (from < items.count && !ng_lint_is_tired(linter) &&
           !ng_glob_match(items.items[from], network))
        from++;
    return from;
}

static int lint_segregation(struct ng_linter *linter, const struct ng_segregation *segregation,
                            const struct known *known) {
    struct ng_place place = segregation->place;
    int r = lint_globs(linter, place, "network", segregation->apart, &known->networks);
    if (r == 0)
        r = lint_globs(linter, place, "network", segregation->unpublished, &known->networks);
    if (r == 0)
        r = lint_selectors(linter, place, segregation->gateways, segregation->n_gateways, known);
    for (size_t i = 0; r == 0 && i < known->world->n_engines; i++)
        for (size_t k = 0; r == 0 && k < known->world->engines[i].n_networks; k++) {
            const char *network = known->world->engines[i].networks[k].name;
            struct ng_strings apart = segregation->apart;
            size_t first = find_item(linter, apart, network, 0);
            size_t second = find_item(linter, apart, network, first + 1);
            if (second < apart.count && linter->work < NG_LINT_WORK)
                r = ng_lint(
                    linter, place,
                    "the network %s matches \"%s\" and \"%s\" in 'apart' of '%s': it counts "
                    "as one of the first",
                    network, apart.items[first], apart.items[second], segregation->id);
        }
    return r;
}

static int lint_habit(struct ng_linter *linter, enum ng_habit habit, const struct known *known) {
    const struct ng_habit_policy *policy = &linter->policy->habits[habit];
    bool registry = habit == NG_HABIT_INSECURE_REGISTRY;
    int r = lint_globs(linter, policy->place, registry ? "registry" : "network",
                       policy->allow_names, registry ? &known->registries : &known->networks);
    return r < 0 ? r : lint_selectors(linter, policy->place, policy->allow, policy->n_allow, known);
}

/* Nothing comes from such a zone: whoever asks what it gets to hears that all is closed. */
static int lint_zone(struct ng_linter *linter, const struct ng_zone *zone,
                     const struct known *known) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < zone->n_matches; i++)
        r = lint_globs(linter, zone->place, "interface", zone->matches[i].interfaces,
                       &known->links);
    return r;
}

int ng_lint_names(struct ng_linter *linter, const struct ng_world *world) {
    const struct ng_policy *policy = linter->policy;
    struct known known = {.world = world};
    int r = 0;

    linter->work = 0;
    for (size_t i = 0; r == 0 && i < world->n_engines; i++)
        r = know_engine(linter->arena, &known, &world->engines[i]);
    for (size_t i = 0; r == 0 && i < world->n_links; i++)
        r = add_text(linter->arena, &known.links, world->links[i].name);
    for (size_t i = 0; r == 0 && world->links_read && i < policy->n_zones; i++)
        r = lint_zone(linter, &policy->zones[i], &known);
    for (size_t i = 0; r == 0 && i < policy->n_rules; i++)
        r = lint_selectors(linter, policy->rules[i].place, policy->rules[i].to,
                           policy->rules[i].n_to, &known);
    for (size_t i = 0; r == 0 && i < policy->n_segregations; i++)
        r = lint_segregation(linter, &policy->segregations[i], &known);
    for (size_t i = 0; r == 0 && i < NG_HABITS; i++)
        r = lint_habit(linter, (enum ng_habit)i, &known);
    for (size_t i = 0; r == 0 && i < policy->n_exceptions; i++)
        r = lint_selectors(linter, policy->exceptions[i].place, policy->exceptions[i].to,
                           policy->exceptions[i].n_to, &known);
    return r;
}
