/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "agent/print/engine_words.h"
#include "agent/print/json_writer.h"
#include "agent/print/print.h"
#include "netguard/cis.h"

/* One engine, exposure, link or finding is one line, so that two results can be compared with diff
 * as well as read with jq. */

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

/* Of an ingress port the service, whose containers may run anywhere in the swarm. */
static void put_container(struct ng_json *json, const struct ng_exposure *exposure) {
    const struct ng_container *container = exposure->container;
    bool is_service = exposure->kind == NG_KIND_INGRESS;

    if (!container) {
        ng_json_null(json);
        return;
    }
    ng_json_open(json, '{');
    ng_json_key(json, "id");
    ng_json_string_or_null(json, is_service ? NULL : container->id);
    ng_json_key(json, "name");
    ng_json_string(json, container->name);
    ng_json_key(json, "image");
    ng_json_string_or_null(json, is_service ? NULL : container->image);
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
    for (unsigned bit = NG_PATH_DNAT; bit <= NG_PATH_L2; bit <<= 1)
        if (paths & bit)
            ng_json_string(json, ng_path_text((enum ng_path)bit));
    ng_json_close(json, ']');
}

static void put_role(struct ng_json *json, const struct ng_exposure *exposure) {
    ng_json_key(json, "role");
    ng_json_string_or_null(json, ng_role_text(exposure->role));
    ng_json_key(json, "verified");
    if (exposure->role == NG_ROLE_DOCKER_API_TLS)
        ng_json_bool(json, !exposure->unverified);
    else
        ng_json_null(json);
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
    put_container(json, exposure);
    ng_json_key(json, "container_addr");
    ng_json_addr_or_null(json, exposure->container_addr);
    ng_json_key(json, "container_port");
    ng_json_number_or_null(json, exposure->container_port);
    ng_json_key(json, "process");
    ng_json_string_or_null(json, exposure->process);
    put_role(json, exposure);
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
    ng_json_string_or_null(json, finding->exposure ? finding->exposure->id : NULL);
    ng_json_key(json, "subject");
    ng_json_string(json, finding->subject);
    ng_json_key(json, "zones");
    ng_json_strings(json, finding->zones);
    ng_json_key(json, "message");
    ng_json_string(json, finding->message);
    ng_json_key(json, "fix");
    ng_json_string(json, finding->fix);
    ng_json_key(json, "path");
    ng_json_strings(json, finding->path);
    ng_json_key(json, "cis");
    ng_json_cis(json, ng_catalog_find(finding->id));
    ng_json_close(json, '}');
}

/* -- engines ------------------------------------------------------------------------- */

static void put_flag(struct ng_json *json, const char *key, bool value) {
    ng_json_key(json, key);
    ng_json_bool(json, value);
}

static void put_network(struct ng_json *json, const struct ng_network *network) {
    ng_json_open(json, '{');
    ng_json_key(json, "name");
    ng_json_string(json, network->name);
    ng_json_key(json, "driver");
    ng_json_string(json, network->driver);
    ng_json_key(json, "bridge");
    ng_json_string_or_null(json, network->bridge);
    ng_json_key(json, "parent");
    ng_json_string_or_null(json, network->parent);
    put_flag(json, "internal", network->internal);
    put_flag(json, "ingress", network->ingress);
    put_flag(json, "attachable", network->attachable);
    put_flag(json, "encrypted", network->encrypted);
    put_flag(json, "ipv6", network->ipv6);
    put_flag(json, "icc", !network->icc_off);
    put_flag(json, "default_bridge", network->is_default);
    ng_json_key(json, "gateway_mode_ipv4");
    ng_json_string(json, ng_gateway_mode_text(network->gateway4));
    ng_json_key(json, "gateway_mode_ipv6");
    ng_json_string(json, ng_gateway_mode_text(network->gateway6));
    ng_json_close(json, '}');
}

/* Those that somebody is on, and those that reach beyond this host. */
static void put_networks(struct ng_json *json, const struct ng_engine *engine) {
    ng_json_open(json, '[');
    for (size_t i = 0; i < engine->n_networks; i++) {
        const struct ng_network *network = &engine->networks[i];

        if (ng_network_is_overlay(network) || ng_network_in_use(engine, network))
            put_network(json, network);
    }
    ng_json_close(json, ']');
}

static void put_swarm(struct ng_json *json, const struct ng_engine *engine) {
    if (!engine->swarm) {
        ng_json_null(json);
        return;
    }
    ng_json_open(json, '{');
    put_flag(json, "manager", engine->manager);
    ng_json_key(json, "node_addr");
    ng_json_addr_or_null(json, engine->node_addr);
    ng_json_key(json, "data_path_port");
    ng_json_number(json, ng_engine_data_path_port(engine));
    ng_json_key(json, "peers");
    ng_json_open(json, '[');
    for (size_t i = 0; i < engine->n_peers; i++)
        ng_json_addr_or_null(json, engine->peers[i]);
    ng_json_close(json, ']');
    ng_json_close(json, '}');
}

static void put_open_apis(struct ng_json *json, const struct ng_engine *engine) {
    ng_json_open(json, '[');
    for (size_t i = 0; i < engine->n_open_apis; i++) {
        ng_json_open(json, '{');
        ng_json_key(json, "addr");
        ng_json_addr_or_null(json, engine->open_apis[i].addr);
        ng_json_key(json, "port");
        ng_json_number(json, engine->open_apis[i].port);
        put_flag(json, "tls", engine->open_apis[i].tls);
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
}

static void put_registries(struct ng_json *json, const struct ng_engine *engine) {
    ng_json_open(json, '[');
    for (size_t i = 0; i < engine->n_insecure_registries; i++)
        ng_json_string(json, engine->insecure_registries[i].name);
    ng_json_close(json, ']');
}

static void put_engine(struct ng_json *json, const struct ng_engine *engine) {
    ng_json_open(json, '{');
    ng_json_key(json, "endpoint");
    ng_json_string(json, engine->endpoint);
    ng_json_key(json, "product");
    ng_json_string(json, ng_product_text(engine));
    ng_json_key(json, "version");
    ng_json_string(json, engine->version);
    ng_json_key(json, "api_version");
    ng_json_string(json, engine->api_version);
    ng_json_key(json, "name");
    ng_json_string(json, engine->name);
    ng_json_key(json, "firewall_backend");
    ng_json_string_or_null(json, engine->firewall_backend);
    put_flag(json, "rootless", engine->rootless);
    put_flag(json, "userns", engine->userns);
    ng_json_key(json, "swarm");
    put_swarm(json, engine);
    ng_json_key(json, "open_apis");
    put_open_apis(json, engine);
    ng_json_key(json, "insecure_registries");
    put_registries(json, engine);
    ng_json_key(json, "networks");
    put_networks(json, engine);
    ng_json_close(json, '}');
}

static void put_link(struct ng_json *json, const struct ng_talk *talk) {
    ng_json_open(json, '{');
    ng_json_key(json, "from");
    ng_json_string(json, talk->from->name);
    ng_json_key(json, "to");
    ng_json_string(json, talk->to->name);
    ng_json_key(json, "alias");
    ng_json_string(json, talk->alias);
    ng_json_key(json, "network");
    ng_json_string(json, talk->network);
    ng_json_key(json, "ports");
    ng_json_open(json, '[');
    for (size_t i = 0; i < talk->n_ports; i++) {
        char text[16]; /* "65535/sctp" */

        snprintf(text, sizeof(text), "%u/%s", talk->ports[i].port,
                 ng_proto_text(talk->ports[i].proto));
        ng_json_string(json, text);
    }
    ng_json_close(json, ']');
    ng_json_key(json, "verdict");
    ng_json_string(json, ng_reach_verdict_text(talk->verdict));
    put_flag(json, "opens", talk->opens);
    ng_json_close(json, '}');
}

/* -- the document -------------------------------------------------------------------- */

static int put_profile(struct ng_json *json, const struct ng_result *result) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    const struct ng_cis_item *items;
    size_t count;

    if (!arena || ng_cis_items(result, arena, &items, &count) < 0)
        return -ENOMEM;
    ng_json_key(json, "profile");
    ng_json_open(json, '{');
    ng_json_key(json, "name");
    ng_json_string(json, "cis");
    ng_json_key(json, "version");
    ng_json_string(json, NG_CIS_VERSION);
    ng_json_key(json, "items");
    ng_json_open(json, '[');
    for (size_t i = 0; i < count; i++) {
        ng_json_open(json, '{');
        ng_json_key(json, "item");
        ng_json_string(json, items[i].item);
        ng_json_key(json, "verdict");
        ng_json_string(json, ng_cis_verdict_text(items[i].verdict));
        ng_json_key(json, "findings");
        ng_json_number(json, items[i].n_findings);
        ng_json_key(json, "note");
        ng_json_string_or_null(json, items[i].note);
        ng_json_close(json, '}');
    }
    ng_json_close(json, ']');
    ng_json_close(json, '}');
    return 0;
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
    int r = 0;

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
    ng_json_key(json, "warnings");
    ng_json_warnings(json, result->world->warnings, result->world->n_warnings);
    ng_json_key(json, "engines");
    PUT_LINES(json, result->world->engines, result->world->n_engines, put_engine);
    ng_json_key(json, "backends");
    ng_json_strings(json, result->backends);
    ng_json_key(json, "exposures");
    PUT_LINES(json, result->exposures, result->n_exposures, put_exposure);
    ng_json_key(json, "links");
    PUT_LINES(json, result->talks, result->n_talks, put_link);
    ng_json_key(json, "findings");
    PUT_LINES(json, result->findings, result->n_findings, put_finding);
    ng_json_key(json, "summary");
    put_summary(json, result);
    if (result->policy && result->policy->cis)
        r = put_profile(json, result);
    ng_json_close(json, '}');
    putc_unlocked('\n', out);
    return r;
}
