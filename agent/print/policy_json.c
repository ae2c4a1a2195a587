/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/print/policy_text.h"

#include <errno.h>
#include <string.h>

#include "agent/print/json_writer.h"

struct writer {
    struct ng_json json;
    struct ng_arena *arena;
    const struct ng_policy *policy;
    const struct ng_policy_trees *trees;
};

static void put_text(struct writer *writer, const char *key, const char *text) {
    ng_json_key(&writer->json, key);
    ng_json_string_or_null(&writer->json, text);
}

static void put_texts(struct writer *writer, const char *key, struct ng_strings texts) {
    ng_json_key(&writer->json, key);
    ng_json_strings(&writer->json, texts);
}

/* null: it was not written. */
static void put_place(struct writer *writer, struct ng_place place) {
    struct ng_json *json = &writer->json;

    ng_json_key(json, "place");
    if (!place.source) {
        ng_json_null(json);
        return;
    }
    ng_json_open(json, '{');
    put_text(writer, "file", writer->policy->built_in ? NULL : place.source);
    ng_json_key(json, "line");
    ng_json_number(json, place.line);
    ng_json_key(json, "column");
    ng_json_number(json, place.column);
    ng_json_close(json, '}');
}

/* {"value":…,"place":…} */
static void put_value(struct writer *writer, const char *key, const char *value,
                      struct ng_place place) {
    ng_json_key(&writer->json, key);
    ng_json_open(&writer->json, '{');
    put_text(writer, "value", value);
    put_place(writer, place);
    ng_json_close(&writer->json, '}');
}

/* -- zones and ports --------------------------------------------------------------------- */

static void put_prefix(struct ng_addr prefix, unsigned len, void *context) {
    char text[NG_ADDR_TEXT];

    ng_json_string(context, ng_prefix_text(prefix, len, text));
}

static void put_match(struct writer *writer, const struct ng_zone_match *match) {
    struct ng_json *json = &writer->json;

    ng_json_open(json, '{');
    if (match->interfaces.count)
        put_texts(writer, "interfaces", match->interfaces);
    if (match->has_sources) {
        ng_json_key(json, "sources");
        ng_json_open(json, '[');
        ng_addrset_each_prefix(match->sources4, NG_IP4, put_prefix, json);
        ng_addrset_each_prefix(match->sources6, NG_IP6, put_prefix, json);
        ng_json_close(json, ']');
    }
    ng_json_close(json, '}');
}

static void put_zones(struct writer *writer) {
    struct ng_json *json = &writer->json;

    ng_json_key(json, "zones");
    ng_json_open(json, '[');
    for (size_t i = 0; i < writer->policy->n_zones; i++) {
        const struct ng_zone *zone = &writer->policy->zones[i];

        ng_json_open(json, '{');
        put_text(writer, "id", zone->id);
        ng_json_key(json, "match");
        ng_json_open(json, '[');
        for (size_t k = 0; k < zone->n_matches; k++)
            put_match(writer, &zone->matches[k]);
        ng_json_close(json, ']');
        put_place(writer, zone->place);
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
}

static void put_port(struct ng_json *json, const struct ng_port_match *match) {
    char text[NG_PORT_TEXT];

    ng_json_string(json, ng_port_text(match, text));
}

static int put_groups(struct writer *writer) {
    struct ng_json *json = &writer->json;

    ng_json_key(json, "ports");
    ng_json_open(json, '{');
    for (int built_in = 1; built_in >= 0; built_in--) {
        struct ng_port_items groups;
        int r = ng_find_groups(writer->arena, writer->policy, built_in, &groups);

        if (r < 0)
            return r;
        for (size_t i = 0; i < groups.count; i++) {
            ng_json_key(json, groups.items[i].group);
            ng_json_open(json, '[');
            for (size_t k = 0; k < groups.items[i].n_matches; k++)
                put_port(json, &groups.items[i].match[k]);
            ng_json_close(json, ']');
        }
    }
    ng_json_close(json, '}');
    return 0;
}

static void put_ports(struct writer *writer, const struct ng_rule_policy *rule) {
    struct ng_json *json = &writer->json;

    ng_json_key(json, rule->allow ? "allow" : "deny");
    ng_json_open(json, '[');
    for (size_t i = 0; i < rule->n_ports;) {
        struct ng_port_item item = ng_port_item_at(rule->ports, rule->n_ports, i);

        if (item.group)
            ng_json_string(json, item.group);
        else
            put_port(json, item.match);
        i += item.n_matches;
    }
    ng_json_close(json, ']');
}

/* -- selectors ---------------------------------------------------------------------------- */

/* Globs of one label stand together. A key is not ours, and so is no key of the document. */
static void put_labels(struct writer *writer, const struct ng_selector *selector) {
    struct ng_json *json = &writer->json;

    ng_json_key(json, "label");
    ng_json_open(json, '[');
    for (size_t i = 0; i < selector->n_labels; i++) {
        ng_json_open(json, '{');
        put_text(writer, "key", selector->labels[i].key);
        put_text(writer, "value", selector->labels[i].value);
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
}

static void put_selector(struct writer *writer, const struct ng_selector *selector) {
    const struct {
        const char *key;
        struct ng_strings globs;
    } keys[] = {
        {"name", selector->name},   {"image", selector->image},     {"service", selector->service},
        {"stack", selector->stack}, {"network", selector->network},
    };

    ng_json_open(&writer->json, '{');
    if (selector->host) {
        ng_json_key(&writer->json, "host");
        ng_json_open(&writer->json, '{');
        if (selector->process.count)
            put_texts(writer, "process", selector->process);
        ng_json_close(&writer->json, '}');
    }
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (keys[i].globs.count)
            put_texts(writer, keys[i].key, keys[i].globs);
    if (selector->n_labels)
        put_labels(writer, selector);
    ng_json_close(&writer->json, '}');
}

static void put_selectors(struct writer *writer, const char *key, const struct ng_selector *any_of,
                          size_t count) {
    ng_json_key(&writer->json, key);
    ng_json_open(&writer->json, '[');
    for (size_t i = 0; i < count; i++)
        put_selector(writer, &any_of[i]);
    ng_json_close(&writer->json, ']');
}

/* -- what is judged by -------------------------------------------------------------------- */

static void put_consequence(struct writer *writer, enum ng_action action,
                            enum ng_severity severity) {
    put_text(writer, "action", ng_action_text(action));
    put_text(writer, "severity", ng_severity_text(severity));
}

/* Those of `usage:` as well: they are tried first. */
static void put_rules(struct writer *writer) {
    struct ng_json *json = &writer->json;

    ng_json_key(json, "rules");
    ng_json_open(json, '[');
    for (size_t i = 0; i < writer->policy->n_rules; i++) {
        const struct ng_rule_policy *rule = &writer->policy->rules[i];

        ng_json_open(json, '{');
        put_text(writer, "id", rule->id);
        put_ports(writer, rule);
        put_texts(writer, "from", rule->from);
        put_selectors(writer, "to", rule->to, rule->n_to);
        if (!rule->allow)
            put_consequence(writer, rule->action, rule->severity);
        put_text(writer, "reason", rule->reason);
        put_place(writer, rule->place);
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
}

static void put_segregations(struct writer *writer) {
    struct ng_json *json = &writer->json;

    ng_json_key(json, "segregation");
    ng_json_open(json, '[');
    for (size_t i = 0; i < writer->policy->n_segregations; i++) {
        const struct ng_segregation *segregation = &writer->policy->segregations[i];

        ng_json_open(json, '{');
        put_text(writer, "id", segregation->id);
        put_texts(writer, "apart", segregation->apart);
        put_selectors(writer, "gateways", segregation->gateways, segregation->n_gateways);
        put_texts(writer, "unpublished", segregation->unpublished);
        put_consequence(writer, NG_ALERT, segregation->severity);
        put_text(writer, "reason", segregation->reason);
        put_place(writer, segregation->place);
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
}

static void put_habits(struct writer *writer) {
    struct ng_json *json = &writer->json;

    ng_json_key(json, "usage");
    ng_json_open(json, '[');
    for (size_t i = 0; i < NG_HABITS; i++) {
        const struct ng_habit_policy *habit = &writer->policy->habits[i];

        if (!habit->asked)
            continue;
        ng_json_open(json, '{');
        put_text(writer, "id", ng_habit_rule((enum ng_habit)i));
        put_selectors(writer, "allow", habit->allow, habit->n_allow);
        put_texts(writer, "allow_names", habit->allow_names);
        put_consequence(writer, NG_ALERT, habit->severity);
        put_place(writer, habit->place);
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
}

static void put_exceptions(struct writer *writer) {
    struct ng_json *json = &writer->json;
    char day[NG_DATE_TEXT];

    ng_json_key(json, "exceptions");
    ng_json_open(json, '[');
    for (size_t i = 0; i < writer->policy->n_exceptions; i++) {
        const struct ng_exception *exception = &writer->policy->exceptions[i];

        ng_json_open(json, '{');
        put_text(writer, "rule", exception->rule);
        put_selectors(writer, "to", exception->to, exception->n_to);
        put_text(writer, "until",
                 exception->until_s == INT64_MAX ? NULL : ng_until_text(exception->until_s, day));
        put_text(writer, "reason", exception->reason);
        put_place(writer, exception->place);
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
}

/* -- alerts ------------------------------------------------------------------------------- */

static int put_alerts(struct writer *writer) {
    static const char *const formats[] = {
        [NG_WEBHOOK_JSON] = "json",
        [NG_WEBHOOK_ALERTMANAGER] = "alertmanager",
        [NG_WEBHOOK_SLACK] = "slack",
    };
    const struct ng_alerts *alerts = &writer->policy->alerts;
    struct ng_json *json = &writer->json;
    const char *url = alerts->webhook_url ? ng_url_shown(writer->arena, alerts->webhook_url) : NULL;

    if (alerts->webhook_url && !url)
        return -ENOMEM;
    ng_json_key(json, "alerts");
    ng_json_open(json, '{');
    ng_json_key(json, "journal");
    ng_json_bool(json, alerts->journal);
    ng_json_key(json, "syslog");
    if (alerts->syslog_address) {
        ng_json_open(json, '{');
        put_text(writer, "address", alerts->syslog_address);
        put_text(writer, "facility", ng_facility_text(alerts->syslog_facility));
        ng_json_close(json, '}');
    } else {
        ng_json_null(json);
    }
    ng_json_key(json, "webhook");
    if (alerts->webhook_url) {
        ng_json_open(json, '{');
        put_text(writer, "url", url);
        put_text(writer, "token_file", alerts->webhook_token_file);
        put_text(writer, "format", formats[alerts->webhook_format]);
        ng_json_close(json, '}');
    } else {
        ng_json_null(json);
    }
    put_text(writer, "min_severity", ng_severity_text(alerts->min_severity));
    ng_json_key(json, "repeat_seconds");
    ng_json_number_or_null(json, (uint64_t)alerts->repeat_s);
    put_place(writer, ng_place_of(writer->trees, "alerts", NULL, NULL));
    ng_json_close(json, '}');
    return 0;
}

int ng_print_policy_json(FILE *out, const struct ng_policy *policy,
                         const struct ng_policy_trees *trees) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct writer writer = {.json = {.out = out}, .arena = arena, .policy = policy, .trees = trees};

    if (!arena)
        return -ENOMEM;
    ng_json_open(&writer.json, '{');
    put_text(&writer, "schema", "netguard.policy/1");
    ng_json_key(&writer.json, "built_in");
    ng_json_bool(&writer.json, policy->built_in);
    put_value(&writer, "mode", policy->mode == NG_ENFORCE ? "enforce" : "monitor",
              ng_place_of(trees, "mode", NULL, NULL));
    put_value(&writer, "default", ng_action_text(policy->default_action),
              ng_place_of(trees, "default", NULL, NULL));
    put_value(&writer, "default_severity", ng_severity_text(policy->default_severity),
              ng_place_of(trees, "defaults", "severity", NULL));
    put_zones(&writer);
    int r = put_groups(&writer);
    put_rules(&writer);
    put_segregations(&writer);
    put_habits(&writer);
    put_exceptions(&writer);
    if (r == 0)
        r = put_alerts(&writer);
    ng_json_close(&writer.json, '}');
    fputc('\n', out);
    return r;
}
