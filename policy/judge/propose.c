/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/judge/propose.h"
#include "policy/judge/parts.h"
#include "policy/language/built_in.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The host is judged by a policy that asks for everything and allows nothing; what that finds is
 * what has to be allowed, excepted or not to be asked yet. */

enum {
    EXCEPTED_S = 31 * 24 * 60 * 60, /* a month */
    ID_BYTES_MAX = 64,
};

static const char usage_prefix[] = "usage.", cis_prefix[] = "cis.";

static const struct ng_proposed_usage usage_keys[] = {
    {.key = "docker_api", .zones = ""},
    {.key = "cluster", .zones = NG_PROPOSED_ZONE}, /* if there is one */
    {.key = "direct_routing"},
    {.key = "host_network"},
    {.key = "links"},
    {.key = "default_bridge"},
    {.key = "capabilities"},
    {.key = "unencrypted_overlay"},
    {.key = "insecure_registry"},
};

/* -- the probe ----------------------------------------------------------------------- */

/* `text` and one more item of a list. */
static const char *with_item(struct ng_arena *arena, const char *text, const char *item) {
    const char *quoted = ng_yaml_text(arena, item);
    if (!text || !quoted)
        return NULL;
    return ng_arena_printf(arena, "%s%s%s", text, *text ? ", " : "", quoted);
}

static const char *zones_of_usage(const struct ng_proposal *proposal, size_t i) {
    const char *zones = usage_keys[i].zones;
    return zones && !proposal->has_private ? "" : zones;
}

static const char *probe_text(const struct ng_proposal *proposal) {
    struct ng_arena *arena = proposal->arena;
    const char *links = "", *apart = "";
    for (size_t i = 0; i < proposal->n_links; i++)
        if (proposal->links[i].is_private)
            links = with_item(arena, links, proposal->links[i].name);
    for (size_t i = 0; i < proposal->apart.count; i++)
        apart = with_item(arena, apart, proposal->apart.items[i]);
    if (!links || !apart)
        return NULL;
    const char *text = "version: 1\ndefault: alert\n";
    if (*links)
        text = ng_arena_printf(arena,
                               "%szones: [{id: " NG_PROPOSED_ZONE ", match: {interfaces: [%s]}}]\n",
                               text, links);
    if (text && proposal->apart.count > 1)
        text = ng_arena_printf(arena, "%ssegregation: [{id: " NG_PROPOSED_APART ", apart: [%s]}]\n",
                               text, apart);
    if (text)
        text = ng_arena_printf(arena, "%susage:\n", text);
    for (size_t i = 0; text && i < ARRAY_SIZE(usage_keys); i++) {
        const char *zones = zones_of_usage(proposal, i);
        text = ng_arena_printf(arena, "%s  %s: {%s%s%s}\n", text, usage_keys[i].key,
                               zones ? "zones: [" : "", zones ? zones : "", zones ? "]" : "");
    }
    return text;
}

static int make_probe(struct ng_proposal *proposal, const struct ng_ruleset *ruleset,
                      struct ng_error *error) {
    const char *text = probe_text(proposal);
    if (!text)
        return -ENOMEM;
    const struct ng_policy_text texts[] = {
        ng_built_in_policy, {.name = "probe", .bytes = text, .len_bytes = strlen(text)}};
    int r = ng_policy_parse(texts, ARRAY_SIZE(texts), &proposal->probe, error);
    if (r == 0)
        r = ng_judge(proposal->world, ruleset, proposal->probe, &proposal->probed, error);
    if (r < 0)
        return r;
    const struct ng_policy *probe = proposal->probe;
    while (proposal->n_denied < probe->n_rules &&
           !probe->rules[probe->n_rules - proposal->n_denied - 1].usage)
        proposal->n_denied++;
    proposal->denied = &probe->rules[probe->n_rules - proposal->n_denied];
    return 0;
}

/* -- who ----------------------------------------------------------------------------- */

/* `ret_who->glob` stays NULL of a container without a name, which no selector can tell. */
static int who_is(struct ng_arena *arena, const struct ng_exposure *exposure,
                  struct ng_proposed_who *ret_who) {
    const struct ng_container *container = exposure->container;
    const char *name = !container           ? exposure->process
                       : container->service ? container->service
                                            : container->name;
    *ret_who = (struct ng_proposed_who){.kind = !container           ? NG_WHO_HOST
                                                : container->service ? NG_WHO_SERVICE
                                                                     : NG_WHO_CONTAINER};
    if (!name || !*name)
        return 0;
    ret_who->glob = ng_glob_exactly(arena, name);
    return ret_who->glob ? 0 : -ENOMEM;
}

static int compare_who(const struct ng_proposed_who *a, const struct ng_proposed_who *b) {
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return strcmp(a->glob ? a->glob : "", b->glob ? b->glob : "");
}

/* -- what is found, one by one ------------------------------------------------------- */

enum { FROM_PRIVATE = 1, FROM_PUBLIC = 2 };

/* A port that somebody may have. */
struct opening {
    struct ng_proposed_who who;
    struct ng_proposed_port port;
    bool own_address; /* and at no port of the host */
    unsigned zones;   /* FROM_… bits */
};

/* Something that is excepted for a while. */
struct risk {
    const char *rule;
    struct ng_proposed_who who;
    const char *text;
};

struct findings {
    struct opening *openings;
    size_t n_openings, openings_capacity;
    struct risk *risks;
    size_t n_risks, risks_capacity;
};

static int add_risk(struct ng_arena *arena, struct findings *found, struct risk risk) {
    struct risk *own = NG_ARENA_APPEND(arena, found->risks, found->n_risks, found->risks_capacity);
    if (!own || !risk.text)
        return -ENOMEM;
    *own = risk;
    return 0;
}

static struct ng_proposed_port port_of(const struct ng_exposure *exposure) {
    uint16_t inner = exposure->container_port, outer = exposure->host_port;
    return (struct ng_proposed_port){exposure->proto, outer ? outer : inner, inner ? inner : outer};
}

static const char *risk_text(struct ng_arena *arena, const struct ng_exposure *exposure,
                             const char *zone) {
    struct ng_proposed_port port = port_of(exposure);
    const char *proto = ng_proto_text(port.proto);
    if (port.proto == NG_ESP)
        return ng_arena_printf(arena, "ESP from %s", zone);
    if (port.host != port.container)
        return ng_arena_printf(arena, "%u->%u/%s from %s", port.host, port.container, proto, zone);
    return ng_arena_printf(arena, "%u/%s%s from %s", port.host, proto,
                           exposure->host_port ? "" : " at its own address", zone);
}

/* What its rules say of it, without that of neighbours who route to containers: where that finds
 * something it is not asked yet, and the others have their turn. */
static int sort_out(struct ng_proposal *proposal, const struct ng_policy *rules,
                    const struct ng_exposure *exposure, struct findings *found) {
    struct opening opening = {.port = port_of(exposure), .own_address = !exposure->host_port};
    int r = who_is(proposal->arena, exposure, &opening.who);
    if (r < 0 || (exposure->container && !opening.who.glob))
        return r;
    for (size_t i = 0; r == 0 && i < exposure->n_reach; i++) {
        const struct ng_reach *reach = &exposure->reach[i];
        struct offence offence = {.exposure = exposure};
        bool objected = ng_policy_objects(rules, exposure, reach->zone, &offence);
        if (reach->verdict == NG_BLOCKED || (offence.rule && offence.rule->usage))
            continue;
        if (objected && offence.rule)
            r = add_risk(proposal->arena, found,
                         (struct risk){offence.rule->id, opening.who,
                                       risk_text(proposal->arena, exposure, reach->zone)});
        else if (strcmp(reach->zone, NG_ZONE_PUBLIC) == 0)
            opening.zones |= FROM_PUBLIC;
        else if (strcmp(reach->zone, NG_PROPOSED_ZONE) == 0)
            opening.zones |= FROM_PRIVATE;
    }
    if (r < 0 || !exposure->container || !opening.zones)
        return r;
    struct opening *own = NG_ARENA_APPEND(proposal->arena, found->openings, found->n_openings,
                                          found->openings_capacity);
    if (!own)
        return -ENOMEM;
    *own = opening;
    return 0;
}

static bool is_of_usage(const struct ng_finding *finding, const char *key) {
    return strncmp(finding->rule, usage_prefix, strlen(usage_prefix)) == 0 &&
           strcmp(finding->rule + strlen(usage_prefix), key) == 0;
}

/* Of the engine's own ports nothing may look as if it were nobody's concern: they are excepted. */
static int except_engine_ports(struct ng_proposal *proposal, struct findings *found) {
    struct ng_arena *arena = proposal->arena;
    const struct ng_result *result = proposal->probed;
    int r = 0;
    for (size_t i = 0; r == 0 && i < result->n_findings; i++) {
        const struct ng_finding *finding = &result->findings[i];
        struct risk risk = {.rule = finding->rule, .who = {.kind = NG_WHO_HOST}};
        bool about = is_of_usage(finding, "docker_api") || is_of_usage(finding, "cluster");
        if (finding->state != NG_OPEN || !about)
            continue;
        if (!finding->exposure) {
            risk.text = finding->message;
            r = add_risk(arena, found, risk);
        }
        for (size_t k = 0; r == 0 && finding->exposure && k < finding->zones.count; k++) {
            risk.text = risk_text(arena, finding->exposure, finding->zones.items[k]);
            r = add_risk(arena, found, risk);
        }
    }
    return r;
}

static int find_all(struct ng_proposal *proposal, struct findings *found) {
    struct ng_policy rules = *proposal->probe;
    struct ng_rule_policy *others = ng_arena_alloc(proposal->arena, rules.n_rules, sizeof(*others));
    size_t n = 0;
    if (!others)
        return -ENOMEM;
    for (size_t i = 0; i < rules.n_rules; i++)
        if (rules.rules[i].usage != NG_USAGE_DIRECT)
            others[n++] = rules.rules[i];
    rules.rules = others;
    rules.n_rules = n;
    int r = except_engine_ports(proposal, found);
    for (size_t i = 0; r == 0 && i < proposal->probed->n_exposures; i++)
        r = sort_out(proposal, &rules, &proposal->probed->exposures[i], found);
    return r;
}

/* -- put together -------------------------------------------------------------------- */

static int compare_ports(const struct ng_proposed_port *a, const struct ng_proposed_port *b) {
    if (a->proto != b->proto)
        return a->proto < b->proto ? -1 : 1;
    if (a->host != b->host)
        return a->host < b->host ? -1 : 1;
    return (int)a->container - (int)b->container;
}

static int by_port(const void *left, const void *right) {
    const struct opening *a = left, *b = right;
    int order = compare_who(&a->who, &b->who);
    return order ? order : compare_ports(&a->port, &b->port);
}

static int by_zones(const void *left, const void *right) {
    const struct opening *a = left, *b = right;
    int order = compare_who(&a->who, &b->who);
    if (order == 0)
        order = (int)b->zones - (int)a->zones; /* public first */
    return order ? order : compare_ports(&a->port, &b->port);
}

static int compare_risks(const void *left, const void *right) {
    const struct risk *a = left, *b = right;
    int order = strcmp(a->rule, b->rule);
    if (order == 0)
        order = compare_who(&a->who, &b->who);
    return order ? order : strcmp(a->text, b->text);
}

static bool is_taken(const struct ng_proposal *proposal, const char *id) {
    if (strcmp(id, "default") == 0 || strcmp(id, NG_PROPOSED_APART) == 0)
        return true;
    for (size_t i = 0; i < proposal->n_denied; i++)
        if (strcmp(proposal->denied[i].id, id) == 0)
            return true;
    for (size_t i = 0; i < proposal->n_rules; i++)
        if (strcmp(proposal->rules[i].id, id) == 0)
            return true;
    return false;
}

/* The name, as far as an id can bear it. */
static const char *make_id(const struct ng_proposal *proposal, const char *name) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    char base[ID_BYTES_MAX - sizeof("-100000")];
    size_t n = 0;
    if (*name == '.' || *name == '-' || strncmp(name, usage_prefix, strlen(usage_prefix)) == 0 ||
        strncmp(name, cis_prefix, strlen(cis_prefix)) == 0)
        base[n++] = '_';
    for (; *name && n < sizeof(base) - 1; name++)
        base[n++] = strchr(allowed, *name) ? *name : '_';
    base[n] = '\0';
    const char *id = ng_arena_strdup(proposal->arena, base);
    for (unsigned i = 2; id && is_taken(proposal, id); i++)
        id = ng_arena_printf(proposal->arena, "%s-%u", base, i);
    return id;
}

static struct ng_strings zones_text(unsigned zones) {
    static const char *const both[] = {NG_PROPOSED_ZONE, NG_ZONE_PUBLIC};
    return (struct ng_strings){zones & FROM_PRIVATE ? both : both + 1,
                               zones == (FROM_PRIVATE | FROM_PUBLIC) ? 2 : 1};
}

static void merge_openings(struct findings *found) {
    struct opening *all = found->openings;
    size_t kept = 0;
    if (found->n_openings)
        qsort(all, found->n_openings, sizeof(*all), by_port);
    for (size_t i = 0; i < found->n_openings; i++)
        if (kept && by_port(&all[kept - 1], &all[i]) == 0) {
            all[kept - 1].zones |= all[i].zones;
            all[kept - 1].own_address &= all[i].own_address;
        } else {
            all[kept++] = all[i];
        }
    found->n_openings = kept;
    if (kept)
        qsort(all, kept, sizeof(*all), by_zones);
}

static int make_rules(struct ng_proposal *proposal, struct findings *found) {
    merge_openings(found);
    const struct opening *all = found->openings;
    struct ng_proposed_rule *rules =
        ng_arena_alloc(proposal->arena, found->n_openings, sizeof(*rules));
    struct ng_proposed_port *ports =
        ng_arena_alloc(proposal->arena, found->n_openings, sizeof(*ports));
    if (!rules || !ports)
        return -ENOMEM;
    proposal->rules = rules;
    for (size_t i = 0; i < found->n_openings; i++) {
        bool begins = i == 0 || compare_who(&all[i - 1].who, &all[i].who) != 0 ||
                      all[i - 1].zones != all[i].zones;
        ports[i] = all[i].port;
        if (begins) {
            const char *id = make_id(proposal, all[i].who.glob);
            if (!id)
                return -ENOMEM;
            rules[proposal->n_rules++] = (struct ng_proposed_rule){
                .id = id, .who = all[i].who, .ports = &ports[i], .from = zones_text(all[i].zones)};
        }
        struct ng_proposed_rule *rule = &rules[proposal->n_rules - 1];
        rule->n_ports++;
        rule->own_address |= all[i].own_address;
    }
    return 0;
}

static int make_exceptions(struct ng_proposal *proposal, struct findings *found) {
    struct risk *all = found->risks;
    struct ng_proposed_exception *exceptions =
        ng_arena_alloc(proposal->arena, found->n_risks, sizeof(*exceptions));
    const char **texts = ng_arena_alloc(proposal->arena, found->n_risks, sizeof(*texts));
    if (!exceptions || !texts)
        return -ENOMEM;
    if (found->n_risks)
        qsort(all, found->n_risks, sizeof(*all), compare_risks);
    proposal->exceptions = exceptions;
    for (size_t i = 0; i < found->n_risks; i++) {
        bool begins = i == 0 || strcmp(all[i - 1].rule, all[i].rule) != 0 ||
                      compare_who(&all[i - 1].who, &all[i].who) != 0;
        texts[i] = all[i].text;
        if (begins)
            exceptions[proposal->n_exceptions++] =
                (struct ng_proposed_exception){all[i].rule, all[i].who, {&texts[i], 0}};
        struct ng_strings *risks = &exceptions[proposal->n_exceptions - 1].risks;
        if (begins ||
            strcmp(all[i - 1].text, all[i].text) != 0) /* sorted: doubles stand together */
            ((const char **)risks->items)[risks->count++] = texts[i];
    }
    return 0;
}

/* -- what is not to be asked yet ----------------------------------------------------- */

static int find_messages(struct ng_proposal *proposal, const char *rule,
                         struct ng_strings *ret_messages) {
    const struct ng_result *result = proposal->probed;
    size_t n = 0;
    for (size_t i = 0; i < result->n_findings; i++)
        n += result->findings[i].state == NG_OPEN && strcmp(result->findings[i].rule, rule) == 0;
    const char **messages = ng_arena_alloc(proposal->arena, n, sizeof(*messages));
    if (!messages)
        return -ENOMEM;
    n = 0;
    for (size_t i = 0; i < result->n_findings; i++)
        if (result->findings[i].state == NG_OPEN && strcmp(result->findings[i].rule, rule) == 0)
            messages[n++] = result->findings[i].message;
    *ret_messages = ng_sort_texts(messages, n);
    return 0;
}

static bool is_excepted(const struct ng_proposal *proposal, const char *rule) {
    for (size_t i = 0; i < proposal->n_exceptions; i++)
        if (strcmp(proposal->exceptions[i].rule, rule) == 0)
            return true;
    return false;
}

static int make_usages(struct ng_proposal *proposal) {
    struct ng_proposed_usage *usages =
        ng_arena_alloc(proposal->arena, ARRAY_SIZE(usage_keys), sizeof(*usages));
    if (!usages)
        return -ENOMEM;
    for (size_t i = 0; i < ARRAY_SIZE(usage_keys); i++) {
        const char *rule =
            ng_arena_printf(proposal->arena, "%s%s", usage_prefix, usage_keys[i].key);
        usages[i] = usage_keys[i];
        usages[i].zones = zones_of_usage(proposal, i);
        int r = !rule                         ? -ENOMEM
                : is_excepted(proposal, rule) ? 0
                                              : find_messages(proposal, rule, &usages[i].finds);
        if (r < 0)
            return r;
    }
    proposal->usages = usages;
    proposal->n_usages = ARRAY_SIZE(usage_keys);
    return find_messages(proposal, NG_PROPOSED_APART, &proposal->apart_finds);
}

/* -- all of it ----------------------------------------------------------------------- */

static int propose(struct ng_proposal *proposal, const struct ng_ruleset *ruleset,
                   struct ng_error *error) {
    struct findings found = {0};
    int r = ng_propose_zones(proposal);
    if (r == 0)
        r = ng_propose_apart(proposal);
    if (r == 0)
        r = make_probe(proposal, ruleset, error);
    if (r == 0)
        r = find_all(proposal, &found);
    if (r == 0)
        r = make_rules(proposal, &found);
    if (r == 0)
        r = make_exceptions(proposal, &found);
    return r < 0 ? r : make_usages(proposal);
}

int ng_propose(const struct ng_world *world, const struct ng_ruleset *ruleset,
               struct ng_proposal **ret_proposal, struct ng_error *error) {
    struct ng_arena *arena = ng_arena_new();
    _cleanup_(ng_proposal_freep) struct ng_proposal *proposal =
        arena ? ng_arena_alloc(arena, 1, sizeof(*proposal)) : NULL;
    if (!proposal) {
        ng_arena_free(arena);
        return ng_error_set(error, -ENOMEM, "", "out of memory");
    }
    proposal->arena = arena;
    proposal->world = world;
    proposal->until_s = world->time_s + EXCEPTED_S;
    int r = propose(proposal, ruleset, error);
    if (r < 0)
        return ng_error_set(error, r, "", "out of memory");
    *ret_proposal = TAKE_PTR(proposal);
    return 0;
}

void ng_proposal_free(struct ng_proposal *proposal) {
    if (!proposal)
        return;
    ng_result_free(proposal->probed);
    ng_policy_free(proposal->probe);
    ng_arena_free(proposal->arena);
}

void ng_proposal_freep(struct ng_proposal **proposal) {
    ng_proposal_free(*proposal);
    *proposal = NULL;
}
