/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/print/json_writer.h"
#include "agent/print/print.h"

/* One exposure or finding is one line, so that two results can be compared with diff as well as
 * read with jq. */

static void put_decider(struct ng_json *json, const struct ng_decider *decider) {
    if (!decider) {
        ng_json_null(json);
        return;
    }
    ng_json_open(json, '{');
    ng_json_key(json, "table");
    ng_json_string(json, decider->table);
    ng_json_key(json, "chain");
    ng_json_string(json, decider->chain);
    ng_json_key(json, "handle");
    ng_json_number_or_null(json, decider->handle);
    ng_json_key(json, "rule");
    ng_json_string(json, decider->rule);
    if (decider->legacy) {
        ng_json_key(json, "legacy");
        ng_json_bool(json, true);
    }
    ng_json_close(json, '}');
}

static void put_reach(struct ng_json *json, const struct ng_reach *reach, uint8_t family) {
    ng_json_open(json, '{');
    ng_json_key(json, "zone");
    ng_json_string(json, reach->zone);
    ng_json_key(json, "interface");
    ng_json_string(json, reach->interface);
    ng_json_key(json, "verdict");
    ng_json_string(json, ng_reach_verdict_text(reach->verdict));
    ng_json_key(json, "sources");
    ng_json_prefixes(json, reach->sources, family);
    ng_json_key(json, "source_ports");
    ng_json_ranges(json, reach->source_ports, reach->n_source_ports);
    ng_json_key(json, "decided_by");
    put_decider(json, reach->decided_by);
    ng_json_key(json, "deciders");
    ng_json_open(json, '[');
    for (size_t i = 0; i < reach->n_deciders; i++)
        put_decider(json, &reach->deciders[i]);
    ng_json_close(json, ']');
    ng_json_key(json, "unsure");
    ng_json_strings(json, reach->unsure);
    ng_json_key(json, "maybe");
    ng_json_prefixes(json, reach->maybe, family);
    ng_json_close(json, '}');
}

static void put_container(struct ng_json *json, const struct ng_container *container) {
    if (!container) {
        ng_json_null(json);
        return;
    }
    ng_json_open(json, '{');
    ng_json_key(json, "id");
    ng_json_string(json, container->id);
    ng_json_key(json, "name");
    ng_json_string(json, container->name);
    ng_json_key(json, "image");
    ng_json_string(json, container->image);
    ng_json_key(json, "service");
    ng_json_string_or_null(json, container->service);
    ng_json_key(json, "stack");
    ng_json_string_or_null(json, container->stack);
    ng_json_key(json, "networks");
    ng_json_open(json, '[');
    for (size_t i = 0; i < container->n_endpoints; i++)
        ng_json_string(json, container->endpoints[i].network);
    ng_json_close(json, ']');
    ng_json_close(json, '}');
}

static void put_paths(struct ng_json *json, unsigned paths) {
    ng_json_open(json, '[');
    for (unsigned bit = NG_PATH_DNAT; bit <= NG_PATH_IPVS; bit <<= 1)
        if (paths & bit)
            ng_json_string(json, ng_path_text((enum ng_path)bit));
    ng_json_close(json, ']');
}

static void put_exposure(struct ng_json *json, const struct ng_exposure *exposure) {
    ng_json_open(json, '{');
    ng_json_key(json, "id");
    ng_json_string(json, exposure->id);
    ng_json_key(json, "kind");
    ng_json_string(json, ng_kind_text(exposure->kind));
    ng_json_key(json, "family");
    ng_json_string(json, ng_family_text(exposure->family));
    ng_json_key(json, "proto");
    ng_json_string(json, ng_proto_text(exposure->proto));
    ng_json_key(json, "host_addr");
    ng_json_addr_or_null(json, exposure->host_addr);
    ng_json_key(json, "host_port");
    ng_json_number_or_null(json, exposure->host_port);
    ng_json_key(json, "container");
    put_container(json, exposure->container);
    ng_json_key(json, "container_addr");
    ng_json_addr_or_null(json, exposure->container_addr);
    ng_json_key(json, "container_port");
    ng_json_number_or_null(json, exposure->container_port);
    ng_json_key(json, "process");
    ng_json_string_or_null(json, exposure->process);
    ng_json_key(json, "paths");
    put_paths(json, exposure->paths);
    ng_json_key(json, "reach");
    ng_json_open(json, '[');
    for (size_t i = 0; i < exposure->n_reach; i++)
        put_reach(json, &exposure->reach[i], exposure->family);
    ng_json_close(json, ']');
    ng_json_key(json, "host_firewall");
    ng_json_open(json, '{');
    ng_json_key(json, "ufw");
    ng_json_string(json, ng_host_firewall_text(exposure->ufw));
    ng_json_key(json, "firewalld");
    ng_json_string(json, ng_host_firewall_text(exposure->firewalld));
    ng_json_close(json, '}');
    ng_json_close(json, '}');
}

static void put_finding(struct ng_json *json, const struct ng_finding *finding) {
    ng_json_open(json, '{');
    ng_json_key(json, "id");
    ng_json_string(json, finding->id);
    ng_json_key(json, "key");
    ng_json_string(json, finding->key);
    ng_json_key(json, "rule");
    ng_json_string(json, finding->rule);
    ng_json_key(json, "severity");
    ng_json_string(json, ng_severity_text(finding->severity));
    ng_json_key(json, "action");
    ng_json_string(json, ng_action_text(finding->action));
    ng_json_key(json, "state");
    ng_json_string(json, ng_finding_state_text(finding->state));
    ng_json_key(json, "exposure");
    ng_json_string(json, finding->exposure->id);
    ng_json_key(json, "subject");
    ng_json_string(json, finding->subject);
    ng_json_key(json, "zones");
    ng_json_strings(json, finding->zones);
    ng_json_key(json, "message");
    ng_json_string(json, finding->message);
    ng_json_key(json, "fix");
    ng_json_string(json, finding->fix);
    ng_json_close(json, '}');
}

static void put_engines(struct ng_json *json, const struct ng_world *world) {
    ng_json_open(json, '[');
    for (size_t i = 0; i < world->n_engines; i++) {
        ng_json_open(json, '{');
        ng_json_key(json, "endpoint");
        ng_json_string(json, world->engines[i].endpoint);
        ng_json_key(json, "version");
        ng_json_string(json, world->engines[i].version);
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
}

static void put_summary(struct ng_json *json, const struct ng_result *result) {
    size_t by_severity[NG_CRITICAL + 1] = {0};

    for (size_t i = 0; i < result->n_findings; i++)
        by_severity[result->findings[i].severity]++;

    ng_json_open(json, '{');
    ng_json_key(json, "exposures");
    ng_json_number(json, result->n_exposures);
    ng_json_key(json, "findings");
    ng_json_number(json, result->n_findings);
    ng_json_key(json, "by_severity");
    ng_json_open(json, '{');
    for (int severity = NG_CRITICAL; severity >= NG_INFO; severity--) {
        if (!by_severity[severity])
            continue;
        ng_json_key(json, ng_severity_text((enum ng_severity)severity));
        ng_json_number(json, by_severity[severity]);
    }
    ng_json_close(json, '}');
    ng_json_close(json, '}');
}

/* A list at the top of the document: one element a line. */
#define PUT_LINES(json, items, count, put)                                                         \
    do {                                                                                           \
        ng_json_open((json), '[');                                                                 \
        for (size_t _i = 0; _i < (count); _i++) {                                                  \
            fputs(_i ? ",\n" : "\n", (json)->out);                                                 \
            (json)->comma = false;                                                                 \
            put((json), &(items)[_i]);                                                             \
        }                                                                                          \
        ng_json_close((json), ']');                                                                \
    } while (0)

int ng_print_json(FILE *out, const struct ng_result *result,
                  const struct ng_print_options *options) {
    struct ng_json writer = {.out = out}, *json = &writer;

    (void)options; /* a document for programs has no looks */
    ng_json_open(json, '{');
    ng_json_key(json, "schema");
    ng_json_string(json, "netguard.check/1");
    ng_json_key(json, "host");
    ng_json_string(json, result->world->host);
    ng_json_key(json, "time");
    ng_json_time(json, result->world->time_s);
    ng_json_key(json, "complete");
    ng_json_bool(json, result->complete);
    ng_json_key(json, "gaps");
    ng_json_gaps(json, result->gaps, result->n_gaps);
    ng_json_key(json, "engines");
    put_engines(json, result->world);
    ng_json_key(json, "backends");
    ng_json_strings(json, result->backends);
    ng_json_key(json, "exposures");
    PUT_LINES(json, result->exposures, result->n_exposures, put_exposure);
    ng_json_key(json, "findings");
    PUT_LINES(json, result->findings, result->n_findings, put_finding);
    ng_json_key(json, "summary");
    put_summary(json, result);
    ng_json_close(json, '}');
    putc_unlocked('\n', out);
    return 0;
}
