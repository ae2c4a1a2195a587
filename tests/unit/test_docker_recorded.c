/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What engines answered, under several versions of their API, to the same few containers and
 * networks: whichever engine and version it was, the same facts (tests/unit/data/docker). */

#include "tests/unit/fixture_docker.h"

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

#define DATA "tests/unit/data/docker/"

/* -- reading ------------------------------------------------------------------------- */

/* A file's text, the caller's to free; NULL where there is none. */
static char *read_file(const char *directory, const char *name, size_t *ret_len) {
    char path[PATH_MAX];
    struct stat status;
    snprintf(path, sizeof(path), DATA "%s/%s", directory, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    assert_int_equal(fstat(fileno(file), &status), 0);
    char *text = malloc((size_t)status.st_size + 1);
    assert_non_null(text);
    *ret_len = fread(text, 1, (size_t)status.st_size, file);
    assert_int_equal(*ret_len, status.st_size);
    text[*ret_len] = '\0';
    fclose(file);
    return text;
}

/* The body is the caller's to free; without bytes where nothing was recorded. */
static struct ng_docker_body recorded(const char *directory, const char *name) {
    struct ng_docker_body body = {.source = directory, .request = name};
    body.bytes = read_file(directory, name, &body.len_bytes);
    return body;
}

static struct ng_docker_body demanded(const char *directory, const char *name) {
    struct ng_docker_body body = recorded(directory, name);
    if (!body.bytes)
        fail_msg("no %s/%s", directory, name);
    return body;
}

/* The answers of one engine, in the order in which it is asked. */
static void decode(struct fixture *f, const char *directory, struct ng_docker_api spoken,
                   struct ng_engine *engine) {
    struct ng_docker_version version;
    struct ng_docker_body body = demanded(directory, "version.json");
    int r = ng_docker_decode_version(f->arena, body, &version, &f->error);
    free(body.bytes);
    if (r == 0) {
        engine->podman = version.podman;
        body = demanded(directory, "info.json");
        r = ng_docker_decode_info(f->arena, body, engine, &f->error);
        free(body.bytes);
    }
    if (r == 0) {
        body = demanded(directory, "containers.json");
        r = ng_docker_decode_containers(f->arena, body, spoken, &f->containers,
                                        &engine->n_containers, &f->error);
        free(body.bytes);
    }
    if (r == 0) {
        body = demanded(directory, "networks.json");
        r = ng_docker_decode_networks(f->arena, body, engine->podman, &engine->networks,
                                      &engine->n_networks, &f->error);
        free(body.bytes);
    }
    if (r < 0)
        fail_msg("%s: %s", directory, f->error.message);
    engine->containers = f->containers;
}

static void decode_details(struct fixture *f, const char *directory, struct ng_engine *engine) {
    struct ng_docker_body body;
    int r = 0;
    if (engine->manager) {
        body = demanded(directory, "services.json");
        r = ng_docker_decode_services(f->arena, body, engine, &f->error);
        free(body.bytes);
        body = demanded(directory, "nodes.json");
        r = r < 0 ? r : ng_docker_decode_nodes(f->arena, body, engine, &f->error);
        free(body.bytes);
    } else if (engine->swarm) {
        body = demanded(directory, "ingress.json");
        r = ng_docker_decode_ingress(f->arena, body, engine, &f->error);
        free(body.bytes);
    }
    for (size_t i = 0; r == 0 && i < engine->n_containers; i++) {
        char name[300];
        snprintf(name, sizeof(name), "%s.json", f->containers[i].name);
        body = recorded(directory, name);
        if (!body.bytes)
            continue;
        r = ng_docker_decode_inspect(f->arena, body, f->containers, engine->n_containers,
                                     &f->containers[i], &f->error);
        free(body.bytes);
    }
    if (r < 0)
        fail_msg("%s: %s", directory, f->error.message);
}

/* -- telling ------------------------------------------------------------------------- */

static void tell_engine(FILE *out, const struct ng_engine *e) {
    char addr[NG_ADDR_TEXT];
    fprintf(out, "engine %s %s%s%s\n", e->podman ? "Podman" : "Docker", e->name,
            e->rootless ? " rootless" : "", e->userns ? " userns" : "");
    if (e->swarm)
        fprintf(out, "swarm %s %s %u\n", e->manager ? "manager" : "worker",
                ng_addr_text(e->node_addr, addr), e->data_path_port);
    for (size_t i = 0; i < e->n_peers; i++)
        fprintf(out, "peer %s\n", ng_addr_text(e->peers[i], addr));
    for (size_t i = 0; i < e->n_open_apis; i++)
        fprintf(out, "api %s %u%s\n", ng_addr_text(e->open_apis[i].addr, addr),
                e->open_apis[i].port, e->open_apis[i].tls ? " tls" : "");
    for (size_t i = 0; i < e->n_insecure_registries; i++)
        fprintf(out, "registry %s\n", e->insecure_registries[i].name);
    for (size_t i = 0; i < e->n_services; i++) {
        const struct ng_service *s = &e->services[i];
        fprintf(out, "service %s%s%s", s->name, s->stack ? " of " : "", s->stack ? s->stack : "");
        for (size_t k = 0; k < s->n_ports; k++)
            fprintf(out, " %u/%u>%u", s->ports[k].port, s->ports[k].proto, s->ports[k].target);
        fprintf(out, "\n");
    }
}

static void tell_network(FILE *out, const struct ng_network *n) {
    char by_id[20];
    snprintf(by_id, sizeof(by_id), "br-%.12s", n->id);
    fprintf(out, "network %s %s", n->name, n->driver);
    if (n->bridge)
        fprintf(out, " bridge %s", strcmp(n->bridge, by_id) == 0 ? "by id" : n->bridge);
    if (n->parent)
        fprintf(out, " parent %s", n->parent);
    fprintf(out, "%s%s%s%s%s%s%s\n", n->internal ? " internal" : "", n->ingress ? " ingress" : "",
            n->attachable ? " attachable" : "", n->ipv6 ? " ipv6" : "",
            n->is_default ? " default" : "", n->icc_off ? " icc-off" : "",
            n->encrypted ? " encrypted" : "");
}

static const char *name_by_id(const struct ng_engine *e, const char *id) {
    for (size_t i = 0; i < e->n_containers; i++)
        if (strcmp(e->containers[i].id, id) == 0)
            return e->containers[i].name;
    return "?";
}

/* Of a task, without what the scheduler and the address pool have settled by chance. */
static void tell_container(FILE *out, const struct ng_engine *e, const struct ng_container *c) {
    char addr4[NG_ADDR_TEXT], addr6[NG_ADDR_TEXT];
    if (c->service)
        fprintf(out, "task of %s%s%s", c->service, c->stack ? " of " : "",
                c->stack ? c->stack : "");
    else
        fprintf(out, "container %s", c->name);
    if (c->network_of)
        fprintf(out, " joined %s", name_by_id(e, c->network_of));
    else if (strcmp(c->network_mode, "host") == 0 || strcmp(c->network_mode, "") == 0)
        fprintf(out, " mode \"%s\"", c->network_mode);
    for (size_t i = 0; i < c->n_endpoints; i++) {
        const struct ng_endpoint *at = &c->endpoints[i];
        fprintf(out, "\n  on %s", at->network);
        if (!c->service && at->addr4.family)
            fprintf(out, " %s", ng_addr_text(at->addr4, addr4));
        if (!c->service && at->addr6.family)
            fprintf(out, " %s", ng_addr_text(at->addr6, addr6));
    }
    for (size_t i = 0; i < c->n_published; i++)
        fprintf(out, "\n  published %s %u/%u>%u", ng_addr_text(c->published[i].host_addr, addr4),
                c->published[i].host_port, c->published[i].proto, c->published[i].container_port);
    for (size_t i = 0; i < c->n_exposed; i++)
        fprintf(out, "\n  exposed %u/%u", c->exposed[i].port, c->exposed[i].proto);
    for (size_t i = 0; i < c->n_links; i++)
        fprintf(out, "\n  link %s=%s", c->links[i].alias, c->links[i].to);
    fprintf(out, "\n");
}

/* Tasks of these run on whatever node there was room on. */
static bool is_placed_anywhere(const struct ng_container *c) {
    return c->service && (strcmp(c->service, "quiet") == 0 || strcmp(c->service, "rand") == 0);
}

static char *tell(const struct ng_engine *engine) {
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    tell_engine(out, engine);
    for (size_t i = 0; i < engine->n_networks; i++)
        tell_network(out, &engine->networks[i]);
    for (size_t i = 0; i < engine->n_containers; i++)
        if (!is_placed_anywhere(&engine->containers[i]))
            tell_container(out, engine, &engine->containers[i]);
    fclose(out);
    return text;
}

/* -- the comparison ------------------------------------------------------------------ */

/* "28.5-1.51-manager" */
static struct ng_docker_api api_of(const char *directory) {
    const char *at = strstr(directory, "-1.");
    assert_non_null(at);
    return (struct ng_docker_api){1, (unsigned)atoi(at + strlen("-1."))};
}

static void engines_tell_the_same_facts(void **state) {
    DIR *all = opendir(DATA);
    const struct dirent *entry;
    size_t count = 0;
    assert_non_null(all);
    while ((entry = readdir(all))) {
        const char *directory = entry->d_name;
        if (!strchr(directory, '-'))
            continue;
        struct fixture f = {.arena = ng_arena_new()};
        struct ng_engine engine = {0};
        decode(&f, directory, api_of(directory), &engine);
        decode_details(&f, directory, &engine);
        const char *kind = engine.podman    ? "podman.txt"
                           : engine.manager ? "manager.txt"
                           : engine.swarm   ? "worker.txt"
                                            : "alone.txt";
        size_t len;
        char *expected = read_file("", kind, &len), *told = tell(&engine);
        if (!expected || strcmp(told, expected) != 0) {
            fputs(told, stderr); /* longer than what cmocka prints */
            fail_msg("%s is not as %s says", directory, kind);
        }
        assert_null(strstr(told, "hunter2"));
        free(expected);
        free(told);
        ng_arena_free(f.arena);
        count++;
    }
    closedir(all);
    assert_int_equal(count, 17);
    (void)state;
}

static void backends_are_told_since_1_49(void **state) {
    static const struct {
        const char *directory, *backend;
    } cases[] = {
        {"20.10-1.41", NULL},      {"26.1-1.45", NULL},       {"28.5-1.48", NULL},
        {"28.5-1.51", "iptables"}, {"made-1.52", "nftables"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct ng_engine engine = {0};
        decode(f, cases[i].directory, api_of(cases[i].directory), &engine);
        if (cases[i].backend)
            assert_string_equal(engine.firewall_backend, cases[i].backend);
        else
            assert_null(engine.firewall_backend);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(engines_tell_the_same_facts),
        TEST(backends_are_told_since_1_49),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
