/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "agent/print/escape.h"
#include "agent/print/print.h"

/* The document is written as it goes, not built as a tree first: two thousand exposures then
 * cost no memory and little time. One exposure or finding is one line, so that two results
 * can be compared with diff as well as read with jq. */
struct json {
    FILE *out;
    bool comma; /* before the next value or key */
};

static void separate(struct json *json) {
    if (json->comma)
        putc_unlocked(',', json->out);
    json->comma = true;
}

static void open_with(struct json *json, char bracket) {
    separate(json);
    putc_unlocked(bracket, json->out);
    json->comma = false;
}

static void close_with(struct json *json, char bracket) {
    putc_unlocked(bracket, json->out);
    json->comma = true;
}

static void put_escaped(FILE *out, uint32_t code) {
    if (code == NG_CHAR_INVALID)
        code = 0xfffd;
    if (code == '"' || code == '\\')
        fprintf(out, "\\%c", (char)code);
    else if (code == '\n')
        fputs("\\n", out);
    else if (code > 0xffff) /* RFC 8259: as a pair of UTF-16 surrogates */
        fprintf(out, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd7c0 + (code >> 10),
                0xdc00 + (code & 0x3ff));
    else
        fprintf(out, "\\u%04" PRIx32, code);
}

/* Printable ASCII that JSON takes as it is: nearly all there ever is. */
static bool is_plain(char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Escapes more than JSON asks for: people read these documents on terminals too. */
static void put_string(struct json *json, const char *text) {
    const char *start = text;

    separate(json);
    putc_unlocked('"', json->out);
    for (;;) {
        uint32_t code;

        while (is_plain(*text))
            text++;
        if (!*text)
            break;
        size_t len = ng_char_decode(text, &code);

        if (code == '"' || code == '\\' || ng_char_is_hostile(code)) {
            fwrite_unlocked(start, 1, (size_t)(text - start), json->out);
            put_escaped(json->out, code);
            start = text + len;
        }
        text += len;
    }
    fwrite_unlocked(start, 1, (size_t)(text - start), json->out);
    putc_unlocked('"', json->out);
}

static void put_null(struct json *json) {
    separate(json);
    fputs_unlocked("null", json->out);
}

static void put_string_or_null(struct json *json, const char *text) {
    if (text)
        put_string(json, text);
    else
        put_null(json);
}

static void put_bool(struct json *json, bool value) {
    separate(json);
    fputs(value ? "true" : "false", json->out);
}

static void put_number(struct json *json, uint64_t value) {
    separate(json);
    fprintf(json->out, "%" PRIu64, value);
}

static void put_number_or_null(struct json *json, uint64_t value) {
    if (value)
        put_number(json, value);
    else
        put_null(json);
}

static void put_addr_or_null(struct json *json, struct ng_addr addr) {
    char text[NG_ADDR_TEXT];

    put_string_or_null(json, addr.family ? ng_addr_text(addr, text) : NULL);
}

/* Keys are ours and need no escaping. */
static void put_key(struct json *json, const char *key) {
    separate(json);
    putc_unlocked('"', json->out);
    fputs_unlocked(key, json->out);
    fputs_unlocked("\":", json->out);
    json->comma = false;
}

static void put_strings(struct json *json, struct ng_strings strings) {
    open_with(json, '[');
    for (size_t i = 0; i < strings.count; i++)
        put_string(json, strings.items[i]);
    close_with(json, ']');
}

static void put_prefix(struct ng_addr prefix, unsigned len, void *context) {
    struct json *json = context;
    char text[NG_ADDR_TEXT];

    put_string(json, ng_prefix_text(prefix, len, text));
}

static void put_source_ports(struct json *json, const struct ng_reach *reach) {
    if (!reach->source_ports) {
        put_null(json);
        return;
    }
    open_with(json, '[');
    for (size_t i = 0; i < reach->n_source_ports; i++) {
        open_with(json, '[');
        put_number(json, reach->source_ports[i].lo);
        put_number(json, reach->source_ports[i].hi);
        close_with(json, ']');
    }
    close_with(json, ']');
}

static void put_decider(struct json *json, const struct ng_decider *decider) {
    if (!decider) {
        put_null(json);
        return;
    }
    open_with(json, '{');
    put_key(json, "table");
    put_string(json, decider->table);
    put_key(json, "chain");
    put_string(json, decider->chain);
    put_key(json, "handle");
    put_number_or_null(json, decider->handle);
    put_key(json, "rule");
    put_string(json, decider->rule);
    close_with(json, '}');
}

static void put_reach(struct json *json, const struct ng_reach *reach, uint8_t family) {
    open_with(json, '{');
    put_key(json, "zone");
    put_string(json, reach->zone);
    put_key(json, "interface");
    put_string(json, reach->interface);
    put_key(json, "verdict");
    put_string(json, ng_reach_verdict_text(reach->verdict));
    put_key(json, "sources");
    open_with(json, '[');
    ng_addrset_each_prefix(reach->sources, family, put_prefix, json);
    close_with(json, ']');
    put_key(json, "source_ports");
    put_source_ports(json, reach);
    put_key(json, "decided_by");
    put_decider(json, reach->decided_by);
    put_key(json, "deciders");
    open_with(json, '[');
    for (size_t i = 0; i < reach->n_deciders; i++)
        put_decider(json, &reach->deciders[i]);
    close_with(json, ']');
    put_key(json, "unsure");
    put_strings(json, reach->unsure);
    put_key(json, "maybe");
    open_with(json, '[');
    ng_addrset_each_prefix(reach->maybe, family, put_prefix, json);
    close_with(json, ']');
    close_with(json, '}');
}

static void put_container(struct json *json, const struct ng_container *container) {
    if (!container) {
        put_null(json);
        return;
    }
    open_with(json, '{');
    put_key(json, "id");
    put_string(json, container->id);
    put_key(json, "name");
    put_string(json, container->name);
    put_key(json, "image");
    put_string(json, container->image);
    put_key(json, "service");
    put_string_or_null(json, container->service);
    put_key(json, "stack");
    put_string_or_null(json, container->stack);
    put_key(json, "networks");
    open_with(json, '[');
    for (size_t i = 0; i < container->n_endpoints; i++)
        put_string(json, container->endpoints[i].network);
    close_with(json, ']');
    close_with(json, '}');
}

static void put_paths(struct json *json, unsigned paths) {
    open_with(json, '[');
    for (unsigned bit = NG_PATH_DNAT; bit <= NG_PATH_IPVS; bit <<= 1)
        if (paths & bit)
            put_string(json, ng_path_text((enum ng_path)bit));
    close_with(json, ']');
}

static void put_exposure(struct json *json, const struct ng_exposure *exposure) {
    open_with(json, '{');
    put_key(json, "id");
    put_string(json, exposure->id);
    put_key(json, "kind");
    put_string(json, ng_kind_text(exposure->kind));
    put_key(json, "family");
    put_string(json, ng_family_text(exposure->family));
    put_key(json, "proto");
    put_string(json, ng_proto_text(exposure->proto));
    put_key(json, "host_addr");
    put_addr_or_null(json, exposure->host_addr);
    put_key(json, "host_port");
    put_number_or_null(json, exposure->host_port);
    put_key(json, "container");
    put_container(json, exposure->container);
    put_key(json, "container_addr");
    put_addr_or_null(json, exposure->container_addr);
    put_key(json, "container_port");
    put_number_or_null(json, exposure->container_port);
    put_key(json, "process");
    put_string_or_null(json, exposure->process);
    put_key(json, "paths");
    put_paths(json, exposure->paths);
    put_key(json, "reach");
    open_with(json, '[');
    for (size_t i = 0; i < exposure->n_reach; i++)
        put_reach(json, &exposure->reach[i], exposure->family);
    close_with(json, ']');
    put_key(json, "host_firewall");
    open_with(json, '{');
    put_key(json, "ufw");
    put_string(json, ng_host_firewall_text(exposure->ufw));
    put_key(json, "firewalld");
    put_string(json, ng_host_firewall_text(exposure->firewalld));
    close_with(json, '}');
    close_with(json, '}');
}

static void put_finding(struct json *json, const struct ng_finding *finding) {
    open_with(json, '{');
    put_key(json, "id");
    put_string(json, finding->id);
    put_key(json, "key");
    put_string(json, finding->key);
    put_key(json, "rule");
    put_string(json, finding->rule);
    put_key(json, "severity");
    put_string(json, ng_severity_text(finding->severity));
    put_key(json, "action");
    put_string(json, ng_action_text(finding->action));
    put_key(json, "state");
    put_string(json, ng_finding_state_text(finding->state));
    put_key(json, "exposure");
    put_string(json, finding->exposure->id);
    put_key(json, "subject");
    put_string(json, finding->subject);
    put_key(json, "zones");
    put_strings(json, finding->zones);
    put_key(json, "message");
    put_string(json, finding->message);
    put_key(json, "fix");
    put_string(json, finding->fix);
    close_with(json, '}');
}

static void put_gaps(struct json *json, const struct ng_result *result) {
    open_with(json, '[');
    for (size_t i = 0; i < result->n_gaps; i++) {
        open_with(json, '{');
        put_key(json, "source");
        put_string(json, result->gaps[i].source);
        put_key(json, "reason");
        put_string(json, result->gaps[i].reason);
        close_with(json, '}');
    }
    close_with(json, ']');
}

static void put_engines(struct json *json, const struct ng_world *world) {
    open_with(json, '[');
    for (size_t i = 0; i < world->n_engines; i++) {
        open_with(json, '{');
        put_key(json, "endpoint");
        put_string(json, world->engines[i].endpoint);
        put_key(json, "version");
        put_string(json, world->engines[i].version);
        close_with(json, '}');
    }
    close_with(json, ']');
}

static void put_summary(struct json *json, const struct ng_result *result) {
    size_t by_severity[NG_CRITICAL + 1] = {0};

    for (size_t i = 0; i < result->n_findings; i++)
        by_severity[result->findings[i].severity]++;

    open_with(json, '{');
    put_key(json, "exposures");
    put_number(json, result->n_exposures);
    put_key(json, "findings");
    put_number(json, result->n_findings);
    put_key(json, "by_severity");
    open_with(json, '{');
    for (int severity = NG_CRITICAL; severity >= NG_INFO; severity--) {
        if (!by_severity[severity])
            continue;
        put_key(json, ng_severity_text((enum ng_severity)severity));
        put_number(json, by_severity[severity]);
    }
    close_with(json, '}');
    close_with(json, '}');
}

static void put_time(struct json *json, int64_t time_s) {
    char text[64] = "";
    time_t when = (time_t)time_s;
    struct tm utc;

    if (gmtime_r(&when, &utc))
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    put_string(json, text);
}

/* A list at the top of the document: one element a line. */
#define PUT_LINES(json, items, count, put)                                                         \
    do {                                                                                           \
        open_with((json), '[');                                                                    \
        for (size_t _i = 0; _i < (count); _i++) {                                                  \
            fputs(_i ? ",\n" : "\n", (json)->out);                                                 \
            (json)->comma = false;                                                                 \
            put((json), &(items)[_i]);                                                             \
        }                                                                                          \
        close_with((json), ']');                                                                   \
    } while (0)

int ng_print_json(FILE *out, const struct ng_result *result,
                  const struct ng_print_options *options) {
    struct json writer = {.out = out}, *json = &writer;

    (void)options; /* a document for programs has no looks */
    open_with(json, '{');
    put_key(json, "schema");
    put_string(json, "netguard.check/1");
    put_key(json, "host");
    put_string(json, result->world->host);
    put_key(json, "time");
    put_time(json, result->world->time_s);
    put_key(json, "complete");
    put_bool(json, result->complete);
    put_key(json, "gaps");
    put_gaps(json, result);
    put_key(json, "engines");
    put_engines(json, result->world);
    put_key(json, "exposures");
    PUT_LINES(json, result->exposures, result->n_exposures, put_exposure);
    put_key(json, "findings");
    PUT_LINES(json, result->findings, result->n_findings, put_finding);
    put_key(json, "summary");
    put_summary(json, result);
    close_with(json, '}');
    putc_unlocked('\n', out);
    return 0;
}
