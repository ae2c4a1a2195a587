/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/docker_codec.h"

#include "agent/observe/docker_shape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAME_BYTES = 255,
    VERSION_BYTES = 128,
    ERROR_BYTES = 64 * 1024, /* an honest one is one sentence */
};

#define OPTION_BRIDGE       "com.docker.network.bridge.name"
#define OPTION_GATEWAY_MODE "com.docker.network.bridge.gateway_mode_ipv" /* and 4 or 6 */

/* -- version ------------------------------------------------------------------------- */

/* What engines speak, by their own answers to GET /version; the oldest is the engine's
 * choice and has moved both ways, hence nothing is asked before it is known:
 *
 *   engine       newest  oldest
 *   20.10        1.41    1.12
 *   25 to 27     1.44+   1.24
 *   28.0 - 28.5  1.48+   1.24
 *   29.0 - 29.2  1.52    1.44
 *   29.3         1.52+   1.40 */
static const struct ng_docker_api newest_known = {1, 52};
static const struct ng_docker_api oldest_known = {1, 24}; /* Docker 1.12, 2016 */

static int compare_api(struct ng_docker_api a, struct ng_docker_api b) {
    return a.major != b.major ? (a.major > b.major) - (a.major < b.major)
                              : (a.minor > b.minor) - (a.minor < b.minor);
}

/* "1.41", digits and one dot; at most five digits each. */
static bool parse_api(const char *text, struct ng_docker_api *ret_api) {
    unsigned part[2] = {0};
    for (size_t i = 0; i < 2; i++) {
        size_t digits = strspn(text, "0123456789");
        if (digits == 0 || digits > 5 || text[digits] != (i == 0 ? '.' : '\0'))
            return false;
        part[i] = (unsigned)strtoul(text, NULL, 10);
        text += digits + 1;
    }
    *ret_api = (struct ng_docker_api){part[0], part[1]};
    return true;
}

static int read_api(const struct shape *shape, const struct place *at, const json_t *object,
                    const char *key, struct ng_docker_api *ret_api) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value) || !parse_api(json_string_value(value), ret_api))
        return shape_wrong(shape, &(struct place){at, key, 0}, "a version like \"1.41\"", value);
    return 0;
}

static int decode_version(const struct shape *shape, const struct place *at, const json_t *document,
                          struct ng_docker_version *version) {
    int r = shape_object(shape, at, document);
    if (r < 0)
        return r;
    r = shape_string(shape, at, document, "Version", VERSION_BYTES, &version->engine);
    if (r < 0)
        return r;
    r = read_api(shape, at, document, "ApiVersion", &version->newest);
    if (r < 0)
        return r;
    if (json_object_get(document, "MinAPIVersion")) {
        r = read_api(shape, at, document, "MinAPIVersion", &version->oldest);
        if (r < 0)
            return r;
    }
    return 0;
}

int ng_docker_decode_version(struct ng_arena *arena, struct ng_docker_body body,
                             struct ng_docker_version *ret_version, struct ng_error *error) {
    struct shape shape = {.arena = arena, .body = body, .error = error};
    const struct place at = {NULL, "version", 0};
    struct ng_docker_version version = {0};
    json_t *document;
    int r = shape_document(&shape, &at, &document);
    if (r < 0)
        return r;
    r = decode_version(&shape, &at, document, &version);
    json_decref(document);
    if (r == 0)
        *ret_version = version;
    return r;
}

int ng_docker_negotiate(const struct ng_docker_version *version, const char *source,
                        struct ng_docker_api *ret_spoken, struct ng_error *error) {
    if (compare_api(version->newest, version->oldest) < 0)
        return ng_error_set(error, -EPROTO, source,
                            "the engine contradicts itself: its newest API is %u.%u, its oldest "
                            "%u.%u",
                            version->newest.major, version->newest.minor, version->oldest.major,
                            version->oldest.minor);
    if (compare_api(version->newest, oldest_known) < 0)
        return ng_error_set(error, -EPROTONOSUPPORT, source,
                            "engine %s is too old: it speaks API %u.%u, netguard needs %u.%u "
                            "(Docker 1.12) or newer",
                            version->engine, version->newest.major, version->newest.minor,
                            oldest_known.major, oldest_known.minor);

    struct ng_docker_api spoken = version->newest;
    if (compare_api(spoken, newest_known) > 0)
        spoken = newest_known;
    /* An engine of the future that no longer speaks what this code knows: its own oldest is
     * the nearest there is, and what does not fit is refused where it is read. */
    if (compare_api(spoken, version->oldest) < 0)
        spoken = version->oldest;
    *ret_spoken = spoken;
    return 0;
}

/* -- info ---------------------------------------------------------------------------- */

/* "name=rootless", perhaps with more after a comma. */
static bool is_rootless_option(const json_t *option) {
    static const char rootless[] = "name=rootless";
    const char *text = json_string_value(option);
    size_t len = sizeof(rootless) - 1;
    return text && strncmp(text, rootless, len) == 0 && (text[len] == '\0' || text[len] == ',');
}

static int decode_info(const struct shape *shape, const struct place *at, const json_t *document,
                       struct ng_docker_info *info) {
    const json_t *swarm, *options, *backend;
    const char *state, *driver;
    int r = shape_object(shape, at, document);
    if (r < 0)
        return r;
    if (!json_is_string(json_object_get(document, "Name")))
        return shape_wrong(shape, &(struct place){at, "Name", 0}, "a string",
                           json_object_get(document, "Name"));
    r = shape_string(shape, at, document, "Name", NAME_BYTES, &info->name);
    if (r < 0)
        return r;

    const struct place at_swarm = {at, "Swarm", 0};
    r = shape_member(shape, at, document, "Swarm", JSON_OBJECT, &swarm);
    if (r < 0)
        return r;
    r = shape_string(shape, &at_swarm, swarm, "LocalNodeState", NAME_BYTES, &state);
    if (r < 0)
        return r;
    info->swarm = strcmp(state, "active") == 0;

    r = shape_member(shape, at, document, "SecurityOptions", JSON_ARRAY, &options);
    if (r < 0)
        return r;
    for (size_t i = 0; i < json_array_size(options); i++)
        info->rootless = info->rootless || is_rootless_option(json_array_get(options, i));

    const struct place at_backend = {at, "FirewallBackend", 0};
    r = shape_member(shape, at, document, "FirewallBackend", JSON_OBJECT, &backend);
    if (r < 0)
        return r;
    r = shape_string(shape, &at_backend, backend, "Driver", NAME_BYTES, &driver);
    if (r < 0)
        return r;
    info->firewall_backend = driver[0] ? driver : NULL;
    return 0;
}

int ng_docker_decode_info(struct ng_arena *arena, struct ng_docker_body body,
                          struct ng_docker_info *ret_info, struct ng_error *error) {
    struct shape shape = {.arena = arena, .body = body, .error = error};
    const struct place at = {NULL, "info", 0};
    struct ng_docker_info info = {0};
    json_t *document;
    int r = shape_document(&shape, &at, &document);
    if (r < 0)
        return r;
    r = decode_info(&shape, &at, document, &info);
    json_decref(document);
    if (r == 0)
        *ret_info = info;
    return r;
}

/* -- networks ------------------------------------------------------------------------ */

/* Since engine 27. A mode of the future is taken for the default: what the rules really do about
 * outsiders is asked of the rules. */
static int read_gateway_mode(const struct shape *shape, const struct place *at,
                             const json_t *options, const char *option, uint8_t *ret_mode) {
    static const char *const modes[] = {
        [NG_GATEWAY_NAT] = "nat",
        [NG_GATEWAY_NAT_UNPROTECTED] = "nat-unprotected",
        [NG_GATEWAY_ROUTED] = "routed",
        [NG_GATEWAY_ISOLATED] = "isolated",
    };
    const char *mode;
    int r = shape_string(shape, at, options, option, NAME_BYTES, &mode);
    if (r < 0)
        return r;
    for (uint8_t i = 0; i < ARRAY_SIZE(modes); i++)
        if (strcmp(mode, modes[i]) == 0)
            *ret_mode = i;
    return 0;
}

/* The bridge driver's link is named in an option, or after the network's id. Other drivers
 * have no bridge, whatever their options say. */
static int read_bridge(const struct shape *shape, const struct place *at, const json_t *object,
                       struct ng_network *network) {
    const struct place at_options = {at, "Options", 0};
    const json_t *options;
    const char *name;
    int r = shape_member(shape, at, object, "Options", JSON_OBJECT, &options);
    if (r < 0 || strcmp(network->driver, "bridge") != 0)
        return r;
    r = shape_string(shape, &at_options, options, OPTION_BRIDGE, NAME_BYTES, &name);
    if (r == 0)
        r = read_gateway_mode(shape, &at_options, options, OPTION_GATEWAY_MODE "4",
                              &network->gateway4);
    if (r == 0)
        r = read_gateway_mode(shape, &at_options, options, OPTION_GATEWAY_MODE "6",
                              &network->gateway6);
    if (r < 0)
        return r;
    network->bridge = name[0] ? name : ng_arena_printf(shape->arena, "br-%.12s", network->id);
    return network->bridge ? 0 : -ENOMEM;
}

static int read_network(const struct shape *shape, const struct place *at, const json_t *object,
                        struct ng_network *network) {
    const struct {
        const char *key;
        const char **text;
    } strings[] = {
        {"Id", &network->id},
        {"Name", &network->name},
        {"Driver", &network->driver},
    };
    const struct {
        const char *key;
        bool *flag;
    } flags[] = {
        {"Internal", &network->internal},
        {"Ingress", &network->ingress},
        {"Attachable", &network->attachable},
        {"EnableIPv6", &network->ipv6},
    };
    int r = shape_object(shape, at, object);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
        if (!json_is_string(json_object_get(object, strings[i].key)))
            return shape_wrong(shape, &(struct place){at, strings[i].key, 0}, "a string",
                               json_object_get(object, strings[i].key));
        r = shape_string(shape, at, object, strings[i].key, NAME_BYTES, strings[i].text);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        r = shape_bool(shape, at, object, flags[i].key, flags[i].flag);
        if (r < 0)
            return r;
    }
    return read_bridge(shape, at, object, network);
}

static int compare_networks(const void *a, const void *b) {
    const struct ng_network *x = a, *y = b;
    int r = strcmp(x->name, y->name);
    return r ? r : strcmp(x->id, y->id);
}

int ng_docker_decode_networks(struct ng_arena *arena, struct ng_docker_body body,
                              const struct ng_network **ret_networks, size_t *ret_count,
                              struct ng_error *error) {
    const struct shape shape = {.arena = arena, .body = body, .error = error};
    const struct place at = {NULL, "networks", 0};
    struct ng_network *networks = NULL;
    size_t count = 0, capacity = 0;
    struct shape_list list = {0};
    json_t *element;
    int r;
    while ((r = shape_list_next(&shape, &at, &list, &element)) > 0) {
        struct ng_network *network = NG_ARENA_APPEND(arena, networks, count, capacity);
        r = network
                ? read_network(&shape, &(struct place){&at, NULL, list.count - 1}, element, network)
                : -ENOMEM;
        json_decref(element);
        if (r < 0)
            return r;
    }
    if (r < 0)
        return r;
    if (count > 0)
        qsort(networks, count, sizeof(*networks), compare_networks);
    *ret_networks = networks;
    *ret_count = count;
    return 0;
}

/* -- error answers ------------------------------------------------------------------- */

void ng_docker_error_message(const char *bytes, size_t len_bytes, char *ret_message,
                             size_t size_bytes) {
    json_error_t ignored;
    json_t *document = len_bytes <= ERROR_BYTES ? json_loadb(bytes, len_bytes, 0, &ignored) : NULL;
    const char *said = json_string_value(json_object_get(document, "message"));
    if (said) {
        bytes = said;
        len_bytes = strlen(said);
    }

    size_t len = 0;
    for (size_t i = 0; i < len_bytes && len + 1 < size_bytes; i++) {
        if (bytes[i] == '\n' || bytes[i] == '\r')
            break;
        bool printable = bytes[i] >= 0x20 && bytes[i] <= 0x7e;
        ret_message[len++] = printable ? bytes[i] : '?';
    }
    ret_message[len] = '\0';
    json_decref(document);
}
