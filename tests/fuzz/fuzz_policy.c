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
    require(rule->n_ports > 0 && rule->from.count > 0);
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

static void check_policy(const struct ng_policy *policy) {
    require(!policy->built_in);
    check_alerts(&policy->alerts);
    for (size_t i = 0; i < policy->n_rules; i++)
        check_rule(&policy->rules[i]);
    for (size_t i = 0; i < policy->n_zones; i++)
        require(policy->zones[i].n_matches > 0);
    for (size_t i = 0; i < policy->n_exceptions; i++)
        require(policy->exceptions[i].n_to > 0 && policy->exceptions[i].until_s >= 86400);
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
    return 0;
}
