/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/docker_codec.h"

#include "agent/observe/docker_shape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    VERSION_BYTES = 128,
    ERROR_BYTES = 64 * 1024, /* an honest one is one sentence */
};

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

/* Podman names the parts it consists of, itself among them, and otherwise answers as Docker does.
 */
static int read_components(const struct shape *shape, const struct place *at,
                           const json_t *document, struct ng_docker_version *version) {
    const json_t *components;
    int r = shape_member(shape, at, document, "Components", JSON_ARRAY, &components);
    for (size_t i = 0; r == 0 && i < json_array_size(components); i++) {
        const json_t *name = json_object_get(json_array_get(components, i), "Name");
        if (json_is_string(name) && strcmp(json_string_value(name), "Podman Engine") == 0)
            version->podman = true;
    }
    return r;
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
    return read_components(shape, at, document, version);
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
