/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guard holds for a policy and what runs: which ports are closed from the start, who is
 * let through, who is not. */
#include "tests/unit/fixture_host.h"

#include "agent/act/guard_text.h"
#include "netguard/guard.h"

static struct ng_guard make(struct host *host, unsigned armed_s) {
    struct ng_guard guard;
    assert_int_equal(ng_guard_make(judge(host), armed_s, host->lab->arena, &guard), 0);
    return guard;
}

/* "ports_tcp_public: 6379 : goto rule_no-stores", a line for each set that has elements. */
static const char *sets_text(struct host *host) {
    struct ng_arena *arena = host->lab->arena;
    struct ng_guard guard = make(host, 0);
    const char *text = "";
    for (size_t i = 0; i < guard.n_sets; i++) {
        const struct ng_guard_set *set = &guard.sets[i];
        for (size_t k = 0; k < set->n_elements; k++)
            text = ng_arena_printf(arena, "%s%s%s", text,
                                   k ? ", " : ng_arena_printf(arena, "%s: ", set->name),
                                   ng_guard_element_text(arena, set, &set->elements[k]));
        if (set->n_elements)
            text = ng_arena_printf(arena, "%s\n", text);
    }
    return text;
}

/* The rules of one chain, a line each. */
static const char *chain_text(struct host *host, const char *name) {
    struct ng_arena *arena = host->lab->arena;
    struct ng_guard guard = make(host, 0);
    const char *text = "";
    for (size_t i = 0; i < guard.n_chains; i++)
        for (size_t k = 0; strcmp(guard.chains[i].name, name) == 0 && k < guard.chains[i].n_rules;
             k++)
            text = ng_arena_printf(arena, "%s%s\n", text,
                                   ng_guard_rule_text(arena, &guard.chains[i].rules[k]));
    return text;
}

#define DENY "version: 1\nmode: enforce\nrules: [{id: no-redis, deny: [6379/tcp], action: block}]\n"

/* -- what is closed before anything runs ------------------------------------------------ */

static void test_a_denied_port_is_closed_before_anything_runs(void **state) {
    _host_ host = host_new(DENY);
    (void)state;
    assert_string_equal(sets_text(host), "bridges: \"docker0\"\n"
                                         "ports_tcp_public: 6379 : goto closed_public_no-redis\n");
    assert_string_equal(chain_text(host, "forward"), "iifname \"lo\" accept\n"
                                                     "iifname @bridges accept\n"
                                                     "goto forward_public\n");
    assert_non_null(strstr(chain_text(host, "forward_public"),
                           "meta l4proto tcp ct direction original ct original proto-dst vmap "
                           "@ports_tcp_public\n"
                           "meta l4proto tcp th dport vmap @ports_tcp_public\n"));
    assert_non_null(strstr(chain_text(host, "input_public"),
                           "meta l4proto tcp th dport vmap @ports_tcp_public\n"));
    assert_string_equal(chain_text(host, "closed_public_no-redis"),
                        "meta oifkind \"bridge\" goto closed_public_no-redis_to_container\n"
                        "jump listeners_public\n"
                        "goto rule_no-redis\n");
    assert_string_equal(chain_text(host, "closed_public_no-redis_to_container"),
                        "jump containers_public\n"
                        "goto rule_no-redis\n");
    assert_string_equal(chain_text(host, "rule_no-redis"),
                        "limit rate 10/second burst 20 packets log prefix \"no-redis\" group 4789\n"
                        "counter drop\n");
}

/* Whatever containers it is about: closed until it is known that it is not about this one. */
static void test_a_selector_closes_the_port_as_well(void **state) {
    _host_ host = host_new("version: 1\nrules: [{id: a, deny: [1-3, 2-5/udp], action: block, "
                           "to: [{name: x}]}, {id: b, deny: [3-4], action: block}]\n");
    (void)state;
    assert_string_equal(sets_text(host),
                        "bridges: \"docker0\"\n"
                        "ports_sctp_public: 1-3 : goto closed_public_a, 4 : goto closed_public_b\n"
                        "ports_tcp_public: 1-3 : goto closed_public_a, 4 : goto closed_public_b\n"
                        "ports_udp_public: 1-5 : goto closed_public_a\n");
}

static void test_alerts_and_allows_close_nothing(void **state) {
    _host_ host = host_new("version: 1\nrules: [{id: a, deny: [1]}, {id: b, allow: [2]}]\n");
    (void)state;
    assert_string_equal(sets_text(host), "bridges: \"docker0\"\n");
    assert_string_equal(chain_text(host, "forward"), "iifname \"lo\" accept\n"
                                                     "iifname @bridges accept\n");
}

static void test_pairs_are_closed_as_pairs(void **state) {
    _host_ host = host_new("version: 1\nrules: [{id: a, deny: [\"8443->443\"], action: block}]\n");
    (void)state;
    assert_string_equal(sets_text(host), "bridges: \"docker0\"\n");
    assert_non_null(strstr(chain_text(host, "forward_public"),
                           "meta l4proto tcp ct direction original ct original proto-dst 8443 "
                           "th dport 443 goto closed_public_a\n"));
}

static void test_default_block_closes_all(void **state) {
    _host_ host = host_new("version: 1\nmode: enforce\ndefault: block\n");
    (void)state;
    assert_non_null(strstr(chain_text(host, "forward_public"),
                           "meta l4proto tcp goto closed_public_default\n"
                           "meta l4proto udp goto closed_public_default\n"
                           "meta l4proto sctp goto closed_public_default\n"));
    assert_null(strstr(chain_text(host, "input_public"), "goto closed_public_default"));
}

/* -- zones ------------------------------------------------------------------------------ */

static void test_zones_are_asked_in_order(void **state) {
    _host_ host = host_new(
        "version: 1\nzones:\n  - {id: office, match: [{interfaces: [\"wg*\", eth1], "
        "sources: [10.0.0.0/8, fd00::/8]}]}\n  - {id: lab, match: [{interfaces: [\"?th0\"]}]}\n"
        "rules:\n  - {id: a, deny: [1], from: [office, containers], action: block}\n");
    (void)state;
    assert_string_equal(chain_text(host, "input"),
                        "iifname \"lo\" accept\n"
                        "iifname @bridges goto input_containers\n"
                        "iifname \"wg*\" ip saddr @zone4_1_office goto input_office\n"
                        "iifname \"wg*\" ip6 saddr @zone6_1_office goto input_office\n"
                        "iifname \"eth1\" ip saddr @zone4_1_office goto input_office\n"
                        "iifname \"eth1\" ip6 saddr @zone6_1_office goto input_office\n"
                        "iifname \"eth0\" accept\n");
}

/* -- who is known ----------------------------------------------------------------------- */

static void test_allowed_containers_are_let_through(void **state) {
    _host_ host = host_new("version: 1\nrules: [{id: ours, allow: [6379], to: {name: cache}}, "
                           "{id: no-redis, deny: [6379/tcp], action: block}]\n");
    (void)state;
    add_container(host, ID_A, "cache");
    publish(host, "0.0.0.0", 6379, 6379);
    publish(host, "192.0.2.1", 6380, 6379);
    publish(host, "0.0.0.0", 80, 80);
    add_container(host, ID_B, "other");
    publish(host, "0.0.0.0", 16379, 6379);
    /* 6380 is not allowed, for both ports have to be listed; 80 is closed to nobody. Of 16379,
     * which no rule names, a proxy may listen. */
    assert_string_equal(sets_text(host),
                        "asked_tcp_public: 6379\n"
                        "bridges: \"docker0\"\n"
                        "direct4_public: tcp . 172.17.0.2 . 6379\n"
                        "known4_public: tcp . 192.0.2.1 . 6380 : goto rule_no-redis\n"
                        "known_public: ipv4 . tcp . 16379 : goto rule_no-redis\n"
                        "own_public: ipv4 . tcp . 6379\n"
                        "ports_tcp_public: 6379 : goto closed_public_no-redis\n"
                        "to4_public: tcp . 172.17.0.2 . 6379\n");
}

static void test_one_address_is_let_through_at_that_address(void **state) {
    _host_ host = host_new("version: 1\ndefault: block\nrules: [{id: ours, allow: [80]}]\n");
    (void)state;
    add_container(host, ID_A, "web");
    publish(host, "192.0.2.1", 80, 80);
    assert_non_null(strstr(sets_text(host), "bound4_public: tcp . 192.0.2.1 . 172.17.0.2 . 80\n"));
    assert_null(strstr(sets_text(host), "to4_public"));
}

/* The machine's own services stay as they are, on whatever port. */
static void test_own_listeners_are_let_be(void **state) {
    _host_ host = host_new(DENY);
    (void)state;
    listen_on(host, "0.0.0.0", 6379, "redis-server", NULL);
    listen_on(host, "192.0.2.1", 22, "sshd", NULL);
    assert_string_equal(sets_text(host), "bridges: \"docker0\"\n"
                                         "own_public: ipv4 . tcp . 6379\n"
                                         "ports_tcp_public: 6379 : goto closed_public_no-redis\n");
    /* But not one that a container listens on, too. */
    add_container(host, ID_A, "redis");
    listen_on(host, "0.0.0.0", 6379, "redis-server", ID_A);
    assert_null(strstr(sets_text(host), "own_public"));
}

/* What may be a container's stays closed until it is known whose it is. */
static void test_unidentified_listeners_stay_closed(void **state) {
    static const struct {
        const char *process, *container_id;
    } cases[] = {{NULL, NULL}, {"redis-server", ID_B}, {"docker-proxy", NULL}, {"dockerd", NULL}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _host_ host = host_new(DENY);
        listen_on(host, "0.0.0.0", 6379, cases[i].process, cases[i].container_id);
        assert_null(strstr(sets_text(host), "own_public"));
    }
}

static void test_named_services_are_closed(void **state) {
    _host_ host = host_new("version: 1\nrules: [{id: no-api, deny: [2375], action: block, "
                           "to: {host: {process: dockerd}}}]\n");
    (void)state;
    listen_on(host, "0.0.0.0", 2375, "dockerd", NULL);
    assert_null(strstr(sets_text(host), "own_public"));
    host->listeners[0].process = "other";
    assert_non_null(strstr(sets_text(host), "own_public: ipv4 . tcp . 2375\n"));
}

static void test_exceptions_are_let_through_while_they_last(void **state) {
    _host_ host = host_new(
        DENY "exceptions: [{rule: no-redis, to: {name: old}, until: 2026-01-31, reason: x}]\n");
    (void)state;
    add_container(host, ID_A, "old");
    publish(host, "0.0.0.0", 6379, 6379);
    host->lab->world.time_s = 1769817600; /* 2026-01-31 */
    assert_non_null(strstr(sets_text(host), "to4_public: tcp . 172.17.0.2 . 6379\n"));
    host->lab->world.time_s += 24 * 60 * 60;
    assert_null(strstr(sets_text(host), "to4_public"));
}

/* -- bridges ---------------------------------------------------------------------------- */

static void add_link(struct host *host, const char *name, const char *kind, uint32_t master) {
    struct ng_world *world = &host->lab->world;
    struct ng_link *link = &host->lab->links[world->n_links++];
    *link = (struct ng_link){.name = name,
                             .kind = kind,
                             .index = (uint32_t)world->n_links + 10,
                             .master = master,
                             .up = true};
}

static void test_bridges_of_others_are_let_be(void **state) {
    _host_ host = host_new(DENY);
    (void)state;
    add_link(host, "virbr0", "bridge", 0);
    assert_null(strstr(sets_text(host), "others"));
    add_link(host, "vnet0", "tun", host->lab->links[host->lab->world.n_links - 1].index);
    assert_non_null(strstr(sets_text(host), "others: \"virbr0\"\n"));
    /* What bears an engine's name may be a network that no list tells of yet. */
    add_link(host, "br-0123456789ab", "bridge", 0);
    add_link(host, "veth1", "veth", host->lab->links[host->lab->world.n_links - 1].index);
    assert_non_null(strstr(sets_text(host), "others: \"virbr0\"\n"));
}

static void test_names_that_nft_cannot_read_are_told(void **state) {
    _host_ host = host_new(DENY);
    (void)state;
    add_link(host, "vm*", "bridge", 0);
    add_link(host, "vnet0", "tun", host->lab->links[host->lab->world.n_links - 1].index);
    assert_null(strstr(sets_text(host), "others"));
    struct ng_guard guard = make(host, 0);
    assert_int_equal(guard.limits.count, 1);
    assert_non_null(strstr(guard.limits.items[0], "nft cannot name the bridge vm*"));
}

/* -- for a time ------------------------------------------------------------------------- */

static void test_armed_for_a_time(void **state) {
    _host_ host = host_new(DENY);
    (void)state;
    struct ng_guard guard = make(host, 300);
    assert_int_equal(guard.armed_s, 300);
    const struct ng_guard_chain *input = &guard.chains[guard.n_chains - 1];
    assert_string_equal(input->name, "input");
    assert_string_equal(ng_guard_rule_text(host->lab->arena, &input->rules[0]),
                        "meta nfproto != @armed accept");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_denied_port_is_closed_before_anything_runs),
        cmocka_unit_test(test_a_selector_closes_the_port_as_well),
        cmocka_unit_test(test_alerts_and_allows_close_nothing),
        cmocka_unit_test(test_pairs_are_closed_as_pairs),
        cmocka_unit_test(test_default_block_closes_all),
        cmocka_unit_test(test_zones_are_asked_in_order),
        cmocka_unit_test(test_allowed_containers_are_let_through),
        cmocka_unit_test(test_one_address_is_let_through_at_that_address),
        cmocka_unit_test(test_own_listeners_are_let_be),
        cmocka_unit_test(test_unidentified_listeners_stay_closed),
        cmocka_unit_test(test_named_services_are_closed),
        cmocka_unit_test(test_exceptions_are_let_through_while_they_last),
        cmocka_unit_test(test_bridges_of_others_are_let_be),
        cmocka_unit_test(test_names_that_nft_cannot_read_are_told),
        cmocka_unit_test(test_armed_for_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
