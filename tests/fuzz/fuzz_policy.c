/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a policy, or as two files of one with a form feed (which no policy can hold)
 * between them. Beyond not crashing: a refusal has a message, an acceptance is whole. */
#include "tests/fuzz/fuzz.h"

#include "netguard/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void require(bool condition) {
    if (!condition)
        abort();
}

static void check_rule(const struct ng_rule_policy *rule) {
    static const struct ng_label labels[] = {{"role", "gateway"}};
    static const struct ng_endpoint endpoints[] = {{.network = "backend"}};
    static const struct ng_container container = {
        .name = "redis",
        .image = "redis:7",
        .labels = labels,
        .n_labels = ARRAY_SIZE(labels),
        .endpoints = endpoints,
        .n_endpoints = ARRAY_SIZE(endpoints),
    };

    require(rule->id && *rule->id && strcmp(rule->id, "default") != 0);
    require((rule->n_ports > 0 || rule->usage == NG_USAGE_DIRECT) && rule->from.count > 0);
    require(rule->allow == (rule->action == NG_ALLOW));
    for (size_t i = 0; i < rule->n_ports; i++)
        require(rule->ports[i].lo <= rule->ports[i].hi);
    for (size_t i = 0; i < rule->from.count; i++)
        require(strcmp(rule->from.items[i], NG_ZONE_HOST) != 0);
    bool host = ng_selector_match(rule->to, rule->n_to, NULL, "sshd");
    bool some = ng_selector_match(rule->to, rule->n_to, &container, NULL);
    require(rule->n_to > 0 || (!host && !some));
}

static void check_alerts(const struct ng_alerts *alerts) {
    require(alerts->journal || alerts->syslog_address || alerts->webhook_url);
    require(!alerts->syslog_address || alerts->syslog_facility > 0);
    require(alerts->syslog_facility < 24 && alerts->repeat_s >= 0);
    require(!alerts->webhook_url || strncmp(alerts->webhook_url, "http", 4) == 0);
    require(!alerts->webhook_token_file || alerts->webhook_token_file[0] == '/');
}

static void check_segregation(const struct ng_segregation *segregation) {
    require(segregation->id && *segregation->id && segregation->place.line > 0);
    require(segregation->apart.count > 0 || segregation->unpublished.count > 0);
}

static void check_policy(const struct ng_policy *policy) {
    require(!policy->built_in);
    check_alerts(&policy->alerts);
    for (size_t i = 0; i < policy->n_rules; i++)
        check_rule(&policy->rules[i]);
    for (size_t i = 0; i < policy->n_zones; i++)
        require(policy->zones[i].n_matches > 0);
    for (size_t i = 0; i < policy->n_segregations; i++)
        check_segregation(&policy->segregations[i]);
    for (size_t i = 0; i < NG_HABITS; i++)
        require(policy->habits[i].asked == (policy->habits[i].place.line > 0));
    for (size_t i = 0; i < policy->n_exceptions; i++)
        require(policy->exceptions[i].n_to > 0 && policy->exceptions[i].until_s >= 86400);
}

static bool is_before(const struct ng_error *a, const struct ng_error *b) {
    return a->line < b->line || (a->line == b->line && a->column <= b->column);
}

/* What is told alone is what is told first of all; of each file in the order of places, and the
 * last may say that there are more. */
static void check_faults(const struct ng_policy_text *texts, size_t count,
                         const struct ng_error *first) {
    struct ng_arena *arena = ng_arena_new();
    struct ng_policy *policy = NULL;
    const struct ng_error *faults = NULL;
    size_t n = 0;
    require(arena);
    int r = ng_policy_check(texts, count, arena, &policy, &faults, &n);
    require((r < 0) == (n > 0) && (r < 0) == !policy && (r < 0) == (first->message[0] != 0));
    require(n <= 101 && (!n || memcmp(&faults[0], first, sizeof(*first)) == 0));
    for (size_t i = 1; i < n && i < 100; i++)
        require(strcmp(faults[i].source, texts[0].name) != 0 ||
                is_before(&faults[i - 1], &faults[i]));
    ng_policy_free(policy);
    ng_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes) {
    const uint8_t *feed = len_bytes > 0 ? memchr(bytes, '\f', len_bytes) : NULL;
    size_t first = feed ? (size_t)(feed - bytes) : len_bytes;
    const struct ng_policy_text texts[] = {
        {.name = "policy.yaml", .bytes = (const char *)bytes, .len_bytes = first},
        {.name = "policy.d/10.yaml",
         .bytes = feed ? (const char *)feed + 1 : NULL,
         .len_bytes = feed ? len_bytes - first - 1 : 0},
    };
    struct ng_policy *policy = NULL;
    struct ng_error error = {0};

    int r = ng_policy_parse(texts, feed ? 2 : 1, &policy, &error);
    if (r == 0) {
        require(policy && !error.message[0]);
        check_policy(policy);
    } else {
        require(r == -EINVAL || r == -E2BIG);
        require(!policy && error.message[0] && error.source[0]);
        require(r == -E2BIG || (error.line > 0 && error.column > 0));
    }
    ng_policy_free(policy);
    check_faults(texts, feed ? 2 : 1, &error);
    return 0;
}
