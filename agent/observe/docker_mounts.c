/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/docker_mounts.h"

#include <string.h>

/* /var/run is a link to /run, and either is written. */
static const char *without_var(const char *path) {
    static const char var[] = "/var", linked[] = "/var/run";
    const size_t len = sizeof(linked) - 1;
    bool is_linked = strncmp(path, linked, len) == 0 && (path[len] == '/' || path[len] == '\0');
    return is_linked ? path + sizeof(var) - 1 : path;
}

/* Is it the file itself, or a directory above it? */
static bool holds(const char *path, const char *file) {
    size_t len = strlen(path);
    while (len > 0 && path[len - 1] == '/')
        len--;
    return strncmp(path, file, len) == 0 && (file[len] == '/' || file[len] == '\0');
}

static bool has_base_name_of(const char *path, const char *file) {
    return strcmp(strrchr(path, '/'), strrchr(file, '/')) == 0;
}

static bool leads_to_engine(const char *source, const char *endpoint) {
    static const char *const sockets[] = {
        "/run/docker.sock",
        "/run/docker/containerd/containerd.sock",
        "/run/containerd/containerd.sock",
        "/run/k3s/containerd/containerd.sock",
        "/run/podman/podman.sock",
        "/run/crio/crio.sock",
    };
    static const char scheme[] = "unix://";
    const size_t len = sizeof(scheme) - 1;
    if (source[0] != '/')
        return false;
    source = without_var(source);
    for (size_t i = 0; i < ARRAY_SIZE(sockets); i++)
        if (holds(source, sockets[i]) || has_base_name_of(source, sockets[i]))
            return true;
    return strncmp(endpoint, scheme, len) == 0 && holds(source, without_var(endpoint + len));
}

int mounts_read(const struct shape *shape, const struct place *at, const json_t *container,
                bool *ret_engine_socket) {
    const struct place at_mounts = {at, "Mounts", 0};
    const json_t *mounts;
    bool found = false;
    int r = shape_member(shape, at, container, "Mounts", JSON_ARRAY, &mounts);
    for (size_t i = 0; r == 0 && i < json_array_size(mounts); i++) {
        const struct place at_mount = {&at_mounts, NULL, i};
        const json_t *mount = json_array_get(mounts, i);
        r = shape_object(shape, &at_mount, mount);
        if (r < 0)
            break;
        /* Bind mounts, though not called so by engines before 1.13: others have their files below
         * the engine's own directory, or none. */
        const char *source = json_string_value(json_object_get(mount, "Source"));
        found = found || (source && leads_to_engine(source, shape->body.source));
    }
    if (r == 0)
        *ret_engine_socket = found;
    return r;
}
