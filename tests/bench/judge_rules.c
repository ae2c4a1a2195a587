/* SPDX-License-Identifier: GPL-2.0-or-later */

/* judge_rules RULES EXPOSURES   what a policy's rules cost
 *
 * Judges so many published ports, each open from three zones, by a policy of so many rules: some
 * name ports that nobody has, some ports of one container, some whole groups. Prints the CPU
 * milliseconds of reading the policy and of judging by it (the median of several runs), and how
 * many findings there are. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/judge/parts.h"

enum {
    EACH = 10,          /* ports of a container */
    FIRST_PORT = 20000, /* and on, as tests/bench/check has them */
    RUNS = 5,
};

static _Noreturn void die(const char *what) {
    fprintf(stderr, "judge_rules: %s\n", what);
    exit(1);
}

static void *must(void *memory) {
    return memory ? memory : (die("out of memory"), NULL);
}

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int compare(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static const char *policy_text(struct ng_arena *arena, size_t n_rules) {
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        die("out of memory");
    fprintf(out, "version: 1\n"
                 "zones:\n"
                 "  - {id: office, match: [{interfaces: [wg0]}]}\n"
                 "  - {id: private, match: [{interfaces: [eth1]}]}\n"
                 "rules:\n");
    for (size_t i = 0; i < n_rules; i++) {
        size_t port = FIRST_PORT + 7 * i;
        fprintf(out, "  - {id: rule-%zu, ", i);
        switch (i % 4) {
        case 0:
            fprintf(out, "allow: [\"%zu->%zu\"], to: {name: \"app-%zu\"}}\n", port, 80 + i % EACH,
                    7 * i / EACH);
            break;
        case 1:
            fprintf(out, "deny: [\"@databases\"], from: [office, private]}\n");
            break;
        case 2:
            fprintf(out, "deny: [%zu-%zu], to: {label: {role: \"data*\"}, image: \"*/app:1*\"}}\n",
                    port, port + 20);
            break;
        default:
            fprintf(out, "deny: [%zu/tcp, %zu/udp]}\n", i, port);
        }
    }
    if (fclose(out) != 0)
        die("out of memory");
    const char *own = must(ng_arena_strndup(arena, text, len));
    free(text);
    return own;
}

static struct ng_exposure *make_exposures(struct ng_arena *arena, size_t count) {
    static const struct ng_label labels[] = {{"role", "data"}};
    static const struct ng_endpoint endpoints[] = {{.network = "bridge", .network_id = ""}};
    static const struct ng_reach reach[] = {
        {.zone = "office", .interface = "wg0", .verdict = NG_REACHABLE},
        {.zone = "private", .interface = "eth1", .verdict = NG_REACHABLE},
        {.zone = "public", .interface = "eth0", .verdict = NG_REACHABLE},
    };
    size_t n_containers = count / EACH + 1;
    struct ng_container *containers =
        must(ng_arena_alloc(arena, n_containers, sizeof(*containers)));
    for (size_t i = 0; i < n_containers; i++)
        containers[i] = (struct ng_container){
            .id = "",
            .name = must(ng_arena_printf(arena, "app-%zu", i)),
            .image = must(ng_arena_printf(arena, "registry.example/app:%zu", i)),
            .network_mode = "default",
            .labels = labels,
            .n_labels = ARRAY_SIZE(labels),
            .endpoints = endpoints,
            .n_endpoints = ARRAY_SIZE(endpoints),
        };
    struct ng_exposure *exposures = must(ng_arena_alloc(arena, count, sizeof(*exposures)));
    for (size_t i = 0; i < count; i++)
        exposures[i] = (struct ng_exposure){
            .kind = NG_KIND_PUBLISHED,
            .family = NG_IP4,
            .proto = NG_TCP,
            .host_addr = {.family = NG_IP4},
            .host_port = (uint16_t)(FIRST_PORT + i),
            .container = &containers[i / EACH],
            .container_port = (uint16_t)(80 + i % EACH),
            .reach = reach,
            .n_reach = ARRAY_SIZE(reach),
        };
    return exposures;
}

int main(int argc, char **argv) {
    if (argc != 3)
        die("RULES EXPOSURES");
    size_t n_rules = strtoul(argv[1], NULL, 10), n_exposures = strtoul(argv[2], NULL, 10);
    struct ng_arena *arena = must(ng_arena_new());
    const char *bytes = policy_text(arena, n_rules);
    struct ng_policy_text text = {"policy", bytes, strlen(bytes)};
    struct ng_policy *policy;
    struct ng_error error;

    double start_ms = now_ms();
    if (ng_policy_parse(&text, 1, &policy, &error) < 0)
        die(error.message);
    double reading_ms = now_ms() - start_ms, judging_ms[RUNS];

    struct ng_world world = {.host = "bench"};
    struct ng_exposure *exposures = make_exposures(arena, n_exposures);
    size_t n_findings = 0;
    for (size_t run = 0; run < RUNS; run++) {
        struct ng_arena *own = must(ng_arena_new());
        struct judgement judgement = {
            .arena = own,
            .world = &world,
            .policy = policy,
            .exposures = exposures,
            .n_exposures = n_exposures,
        };
        start_ms = now_ms();
        if (ng_find_findings(&judgement) < 0)
            die("out of memory");
        judging_ms[run] = now_ms() - start_ms;
        n_findings = judgement.n_findings;
        ng_arena_free(own);
    }
    qsort(judging_ms, RUNS, sizeof(*judging_ms), compare);
    printf("%.2f %.2f %zu\n", reading_ms, judging_ms[RUNS / 2], n_findings);
    ng_policy_free(policy);
    ng_arena_free(arena);
    return 0;
}
