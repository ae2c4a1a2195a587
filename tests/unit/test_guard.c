/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guard holds for a policy and what runs: which ports are closed from the start, who is
 * let through, who is not. */
#include "tests/unit/fixture_guarded.h"

#define DENY "version: 1\nmode: enforce\nrules: [{id: no-redis, deny: [6379/tcp], action: block}]\n"

/* -- what is closed before anything runs ------------------------------------------------ */

static void test_a_denied_port_is_closed_before_anything_runs(void **state) {
    _host_ host = host_new(DENY);
    (void)state;
    assert_string_equal(sets_text(host), "bridges: \"docker0\"\n"
                                         "ports_tcp_public: 6379 : goto closed_public/no-redis\n");
    assert_string_equal(chain_text(host, "forward"), "iifname \"lo\" accept\n"
                                                     "iifname @bridges accept\n"
                                                     "goto forward_public\n");
    assert_non_null(strstr(chain_text(host, "forward_public"),
                           "meta l4proto tcp ct direction original ct original proto-dst vmap "
                           "@ports_tcp_public\n"
                           "meta l4proto tcp th dport vmap @ports_tcp_public\n"));
    assert_non_null(strstr(chain_text(host, "input_public"),
                           "meta l4proto tcp th dport vmap @ports_tcp_public\n"));
    assert_string_equal(chain_text(host, "closed_public/no-redis"),
                        "meta oifkind \"bridge\" goto closed_public/no-redis/to_container\n"
                        "jump listeners_public\n"
                        "goto rule_no-redis\n");
    assert_string_equal(chain_text(host, "closed_public/no-redis/to_container"),
                        "jump containers_public\n"
                        "goto rule_no-redis\n");
    assert_string_equal(chain_text(host, "rule_no-redis"),
                        "limit rate 10/second burst 20 packets log prefix \"no-redis\" group 4789\n"
                        "counter drop\n");
}

/* Whatever containers it is about: closed until it is known that it is not about this one. */
static void test_a_selector_closes_the_port_as_well(void **state) {
    _host_ host = host_new("version: 1\nrules: [{id: a, deny: [1-2, 2-3/udp], action: block, "
                           "to: [{name: x}]}, {id: b, deny: [2-3], action: block}]\n");
    (void)state;
    assert_string_equal(
        sets_text(host),
        "bridges: \"docker0\"\n"
        "ports_sctp_public: 1 : goto closed_public/a, 2 : goto closed_public/a, 3 : "
        "goto closed_public/b\n"
        "ports_tcp_public: 1 : goto closed_public/a, 2 : goto closed_public/a, 3 : "
        "goto closed_public/b\n"
        "ports_udp_public: 1 : goto closed_public/a, 2 : goto closed_public/a, 3 : "
        "goto closed_public/a\n");
}

/* No set of intervals closes a port: the kernel lets it come into force after the rules. */
static void test_long_runs_of_ports_are_rules(void **state) {
    _host_ host = host_new("version: 1\nrules: [{id: b, deny: [2000/tcp], action: block}, {id: a, "
                           "deny: [1000-3000/tcp, 7000-7001/tcp], action: block}]\n");
    (void)state;
    assert_string_equal(sets_text(host),
                        "bridges: \"docker0\"\n"
                        "ports_tcp_public: 2000 : goto closed_public/b, 7000 : goto "
                        "closed_public/a, 7001 : goto closed_public/a\n");
    assert_non_null(
        strstr(chain_text(host, "forward_public"),
               "meta l4proto tcp th dport vmap @ports_tcp_public\n"
               "meta l4proto tcp ct direction original ct original proto-dst 1000-1999 goto "
               "closed_public/a\n"
               "meta l4proto tcp th dport 1000-1999 goto closed_public/a\n"
               "meta l4proto tcp ct direction original ct original proto-dst 2001-3000 goto "
               "closed_public/a\n"
               "meta l4proto tcp th dport 2001-3000 goto closed_public/a\n"));
    assert_non_null(strstr(chain_text(host, "input_public"),
                           "meta l4proto tcp th dport 1000-1999 goto closed_public/a\n"
                           "meta l4proto tcp th dport 2001-3000 goto closed_public/a\n"));
    struct ng_guard guard = make_guard(host, 0);
    for (size_t i = 0; i < guard.n_sets; i++)
        assert_false(guard.sets[i].intervals);
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
                           "th dport 443 goto closed_public/a\n"));
}

static void test_default_block_closes_all(void **state) {
    _host_ host = host_new("version: 1\nmode: enforce\ndefault: block\n");
    (void)state;
    assert_non_null(strstr(chain_text(host, "forward_public"),
                           "meta l4proto tcp goto closed_public/default\n"
                           "meta l4proto udp goto closed_public/default\n"
                           "meta l4proto sctp goto closed_public/default\n"));
    assert_null(strstr(chain_text(host, "input_public"), "goto closed_public/default"));
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
                        "iifname \"wg*\" ip saddr 10.0.0.0-10.255.255.255 goto input_office\n"
                        "iifname \"wg*\" ip6 saddr "
                        "fd00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff goto input_office\n"
                        "iifname \"eth1\" ip saddr 10.0.0.0-10.255.255.255 goto input_office\n"
                        "iifname \"eth1\" ip6 saddr "
                        "fd00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff goto input_office\n"
                        "iifname \"eth0\" accept\n");
}

static void test_many_sources_are_a_set(void **state) {
    char policy[4096] = "version: 1\nzones: [{id: many, match: [{sources: [2001:db8::/32";
    (void)state;
    for (unsigned i = 0; i < 33; i++)
        snprintf(policy + strlen(policy), sizeof(policy) - strlen(policy), ", 10.%u.0.0/24", i);
    strcat(policy, "]}]}]\nrules: [{id: a, deny: [1], from: [many], action: block}]\n");
    _host_ host = host_new(policy);
    assert_string_equal(chain_text(host, "input"),
                        "iifname \"lo\" accept\n"
                        "iifname @bridges accept\n"
                        "ip saddr @zone4_1_many goto input_many\n"
                        "ip6 saddr 2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff goto "
                        "input_many\n");
    assert_non_null(strstr(sets_text(host), "zone4_1_many: 10.0.0.0/24, 10.1.0.0/24, "));
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
                        "ports_tcp_public: 6379 : goto closed_public/no-redis\n"
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

/* Whether or not others' rules let anybody get there: what the guard says must not depend on
 * whether it is in force. */
static void test_own_addresses_are_let_be_by_the_policy_alone(void **state) {
    static const struct ng_port exposed[] = {{.port = 80, .proto = NG_TCP},
                                             {.port = 81, .proto = NG_TCP}};
    _host_ host = host_new("version: 1\ndefault: block\nrules: [{id: ours, allow: [80]}]\n");
    (void)state;
    struct ng_container *web = add_container(host, ID_A, "web");
    web->exposed = exposed;
    web->n_exposed = ARRAY_SIZE(exposed);
    assert_non_null(strstr(sets_text(host), "direct4_public: tcp . 172.17.0.2 . 80\n"));
    RULE(host->lab, host->forward, DROP);
    assert_non_null(strstr(sets_text(host), "direct4_public: tcp . 172.17.0.2 . 80\n"));
}

/* Of each container, whatever its ports; what is published comes on translated. */
static void test_own_addresses_are_closed(void **state) {
    static const struct ng_port exposed[] = {{.port = 80, .proto = NG_TCP}};
    _host_ host = host_new("version: 1\nrules: [{id: all, allow: [\"@any\"]}]\nusage: "
                           "{direct_routing: {allow: {name: router}, action: block}}\n");
    (void)state;
    struct ng_container *web = add_container(host, ID_A, "web");
    web->exposed = exposed;
    web->n_exposed = ARRAY_SIZE(exposed);
    struct ng_container *router = add_container(host, ID_B, "router");
    router->exposed = exposed;
    router->n_exposed = ARRAY_SIZE(exposed);
    const char *rules = chain_text(host, "forward_public");
    assert_non_null(strstr(rules, "ct status dnat accept\n"
                                  "meta l4proto tcp goto closed_public/usage.direct_routing\n"
                                  "meta l4proto udp goto closed_public/usage.direct_routing\n"
                                  "meta l4proto sctp goto closed_public/usage.direct_routing\n"));
    assert_string_equal(sets_text(host), "bridges: \"docker0\"\n"
                                         "direct4_public: tcp . 172.17.0.3 . 80\n");
    assert_null(strstr(chain_text(host, "input_public"), "direct_routing"));
}

static void test_own_addresses_are_closed_under_a_closed_default(void **state) {
    _host_ host =
        host_new("version: 1\ndefault: block\nusage: {direct_routing: {action: block}}\n");
    (void)state;
    const char *rules = chain_text(host, "forward_public");
    assert_non_null(strstr(
        rules, "meta l4proto tcp ct status ! dnat goto closed_public/usage.direct_routing\n"));
    assert_non_null(strstr(rules, "meta l4proto tcp goto closed_public/default\n"));
    assert_null(strstr(rules, "ct status dnat accept"));
}

/* The machine's own services stay as they are, on whatever port. */
static void test_own_listeners_are_let_be(void **state) {
    _host_ host = host_new(DENY);
    (void)state;
    listen_on(host, "0.0.0.0", 6379, "redis-server", NULL);
    listen_on(host, "192.0.2.1", 22, "sshd", NULL);
    assert_string_equal(sets_text(host), "bridges: \"docker0\"\n"
                                         "own_public: ipv4 . tcp . 6379\n"
                                         "ports_tcp_public: 6379 : goto closed_public/no-redis\n");
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

static struct ng_link *add_link(struct host *host, const char *name, const char *kind,
                                uint32_t master) {
    struct ng_world *world = &host->lab->world;
    struct ng_link *link = &host->lab->links[world->n_links++];
    *link = (struct ng_link){.name = name,
                             .kind = kind,
                             .index = (uint32_t)world->n_links + 10,
                             .master = master,
                             .up = true};
    return link;
}

/* A socket without a process is the kernel's own where the kernel says so, and nowhere else. */
static void test_tunnels_are_let_be(void **state) {
    static const struct ng_listener tunnel = {.addr = {NG_IP4, 0}, .port = 51820, .proto = NG_UDP};
    (void)state;
    _host_ host = host_new("version: 1\nrules: [{id: all, deny: [\"@any\"], action: block}]\n");
    struct ng_link *link = add_link(host, "wg0", "wireguard", 0);
    struct ng_listener *listener = &host->listeners[host->lab->world.n_listeners++];
    *listener = tunnel;
    assert_null(strstr(sets_text(host), "own")); /* at what port is not told */
    link->udp_port4 = 51820;
    assert_non_null(strstr(sets_text(host), "own_public: ipv4 . udp . 51820\n"));
    link->up = false;
    assert_null(strstr(sets_text(host), "own"));
    link->up = true;
    listener->port = 51821;
    assert_null(strstr(sets_text(host), "own"));
    *listener = tunnel;
    listener->proto = NG_TCP;
    assert_null(strstr(sets_text(host), "own"));
    *listener = tunnel;
    listener->link = 1;
    assert_null(strstr(sets_text(host), "own"));
    *listener = tunnel;
    listener->addr.value = 0xc0000201; /* 192.0.2.1 */
    assert_null(strstr(sets_text(host), "own"));
    /* Of the other family somebody else may have it. */
    listener->addr = (struct ng_addr){.family = NG_IP6};
    listener->v6only = true;
    assert_null(strstr(sets_text(host), "own"));
    link->udp_port6 = 51820;
    assert_non_null(strstr(sets_text(host), "own_public: ipv6 . udp . 51820\n"));
    /* One socket for both is of IPv6. */
    link->udp_port4 = 0;
    listener->v6only = false;
    assert_non_null(
        strstr(sets_text(host), "own_public: ipv4 . udp . 51820, ipv6 . udp . 51820\n"));
}

/* As the kernel's own NFS server: nobody is seen to hold it. By number alone, and never where a
 * process is known. */
static void test_the_operator_s_word_opens_what_nobody_holds(void **state) {
    _host_ host =
        host_new("version: 1\nmode: enforce\nrules: [{id: nfs, allow: [2049], to: {host: "
                 "{}}}, {id: any, allow: [\"@any\"], to: {host: {}}, from: [containers]}, "
                 "{id: all, deny: [\"@any\"], from: [containers, public], action: "
                 "block}]\n");
    (void)state;
    listen_on(host, "0.0.0.0", 2049, NULL, NULL);
    listen_on(host, "0.0.0.0", 3260, NULL, NULL);
    assert_non_null(strstr(sets_text(host), "own_public: ipv4 . tcp . 2049\n"));
    assert_null(strstr(sets_text(host), "own_containers"));
    struct ng_guard guard = make_guard(host, 0);
    assert_null(limit_with(&guard, "port 2049/tcp of this host stays closed to zone public"));
    assert_string_equal(
        limit_with(&guard, "port 3260/tcp of this host stays closed to zone public"),
        "port 3260/tcp of this host stays closed to zone public: who holds it is "
        "not known; if it is a service of the machine's own, a rule can say so: "
        "{id: …, allow: [3260/tcp], to: {host: {}}, from: [public]}");
    host->listeners[0].process = "docker-proxy";
    assert_null(strstr(sets_text(host), "own_public"));
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

/* An engine gives its networks' bridges any name that their user wants. */
static void test_a_bridge_of_pairs_is_nobody_else_s_before_engines_have_told(void **state) {
    static const struct ng_gap gap = {"docker", "it does not answer"};
    _host_ host = host_new(DENY);
    (void)state;
    add_link(host, "data0", "bridge", 0);
    add_link(host, "veth1", "veth", host->lab->links[host->lab->world.n_links - 1].index);
    assert_non_null(strstr(sets_text(host), "others: \"data0\"\n"));
    host->lab->world.gaps = &gap;
    host->lab->world.n_gaps = 1;
    assert_null(strstr(sets_text(host), "others"));
    host->lab->world.n_gaps = 0;
    host->lab->world.n_engines = 0;
    assert_null(strstr(sets_text(host), "others"));
    /* What a machine hangs on is none of theirs. */
    host->lab->links[host->lab->world.n_links - 1].kind = "tun";
    assert_non_null(strstr(sets_text(host), "others: \"data0\"\n"));
}

static void test_names_that_nft_cannot_read_are_told(void **state) {
    _host_ host = host_new(DENY);
    (void)state;
    add_link(host, "vm*", "bridge", 0);
    add_link(host, "vnet0", "tun", host->lab->links[host->lab->world.n_links - 1].index);
    assert_null(strstr(sets_text(host), "others"));
    struct ng_guard guard = make_guard(host, 0);
    assert_non_null(limit_with(&guard, "nft cannot name the bridge vm*"));
}

/* -- for a time ------------------------------------------------------------------------- */

static void test_armed_for_a_time(void **state) {
    _host_ host = host_new(DENY);
    (void)state;
    struct ng_guard guard = make_guard(host, 300);
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
        cmocka_unit_test(test_long_runs_of_ports_are_rules),
        cmocka_unit_test(test_alerts_and_allows_close_nothing),
        cmocka_unit_test(test_pairs_are_closed_as_pairs),
        cmocka_unit_test(test_default_block_closes_all),
        cmocka_unit_test(test_zones_are_asked_in_order),
        cmocka_unit_test(test_many_sources_are_a_set),
        cmocka_unit_test(test_allowed_containers_are_let_through),
        cmocka_unit_test(test_one_address_is_let_through_at_that_address),
        cmocka_unit_test(test_own_addresses_are_let_be_by_the_policy_alone),
        cmocka_unit_test(test_own_addresses_are_closed),
        cmocka_unit_test(test_own_addresses_are_closed_under_a_closed_default),
        cmocka_unit_test(test_own_listeners_are_let_be),
        cmocka_unit_test(test_unidentified_listeners_stay_closed),
        cmocka_unit_test(test_tunnels_are_let_be),
        cmocka_unit_test(test_the_operator_s_word_opens_what_nobody_holds),
        cmocka_unit_test(test_named_services_are_closed),
        cmocka_unit_test(test_exceptions_are_let_through_while_they_last),
        cmocka_unit_test(test_bridges_of_others_are_let_be),
        cmocka_unit_test(test_a_bridge_of_pairs_is_nobody_else_s_before_engines_have_told),
        cmocka_unit_test(test_names_that_nft_cannot_read_are_told),
        cmocka_unit_test(test_armed_for_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
