/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A world, a ruleset and a policy in; exposures and findings out. */
#include "tests/unit/fixture_host.h"

/* -- exposures --------------------------------------------------------------------------------- */

static void test_published(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    add_container(host, ID_A, "web");
    publish(host, "0.0.0.0", 8080, 80);
    publish(host, "10.0.0.1", 8443, 443);
    assert_string_equal(exposures_text(host),
                        "published tcp 0.0.0.0:8080 web:80 dnat [public eth0 reachable all] "
                        "[public eth1 reachable all]\n"
                        "published tcp 10.0.0.1:8443 web:443 dnat [public eth0 reachable all] "
                        "[public eth1 reachable all]\n");
}

static void test_verdicts(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    RULE(host->lab, host->forward, dport(host->lab, 1), from(host->lab, "0.0.0.0/1"), DROP);
    RULE(host->lab, host->forward, dport(host->lab, 2), DROP);
    RULE(host->lab, host->forward, dport(host->lab, 3), UNDECIDED("limit"), DROP);
    RULE(host->lab, host->forward, dport(host->lab, 4), named(host->lab, NG_FIELD_IIFNAME, "eth0"),
         DROP);
    add_container(host, ID_A, "web");
    for (uint16_t port = 1; port <= 4; port++)
        publish(host, "0.0.0.0", port, port);
    assert_string_equal(exposures_text(host),
                        "published tcp 0.0.0.0:1 web:1 dnat [public eth0 partly 128.0.0.0/1] "
                        "[public eth1 partly 128.0.0.0/1]\n"
                        "published tcp 0.0.0.0:2 web:2 dnat [public eth0 blocked ] [public eth1 "
                        "blocked ]\n"
                        "published tcp 0.0.0.0:3 web:3 dnat [public eth0 unknown  maybe all] "
                        "[public eth1 unknown  maybe all]\n"
                        "published tcp 0.0.0.0:4 web:4 dnat [public eth0 blocked ] [public eth1 "
                        "reachable all]\n");
    const struct ng_reach *reach = &host->result->exposures[0].reach[0];
    assert_string_equal(reach->decided_by->table, "inet filter");
    assert_string_equal(reach->decided_by->rule, "ip daddr 172.17.0.2 th dport 1 accept");
    assert_int_equal(reach->n_deciders, 2);
    reach = &host->result->exposures[2].reach[0];
    assert_int_equal(reach->unsure.count, 1);
    assert_string_equal(reach->unsure.items[0], "limit (inet filter filter handle 3)");
}

static void test_source_ports(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    add_container(host, ID_A, "web");
    RULE(host->lab, host->forward, is_between(host->lab, NG_FIELD_SPORT, 0, 1023), DROP);
    publish(host, "0.0.0.0", 80, 80);
    judge(host);
    const struct ng_reach *reach = &host->result->exposures[0].reach[0];
    assert_int_equal(reach->verdict, NG_PARTLY);
    assert_int_equal(reach->n_source_ports, 1);
    assert_int_equal(reach->source_ports[0].lo, 1024);
    assert_int_equal(reach->source_ports[0].hi, 65535);
}

static void test_sockets(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    add_container(host, ID_A, "exporter")->network_mode = "host";
    host->containers[0].n_endpoints = 0;
    listen_on(host, "0.0.0.0", 22, "sshd", NULL);
    listen_on(host, "127.0.0.1", 53, "resolved", NULL);
    listen_on(host, "::", 80, "nginx", NULL);
    listen_on(host, "0.0.0.0", 9100, "exporter", ID_A);
    RULE(host->lab, host->input, dport(host->lab, 22), DROP);
    assert_string_equal(
        exposures_text(host),
        "host-network tcp 0.0.0.0:9100 exporter:9100 local [public eth0 reachable all] [public "
        "eth1 reachable all]\n"
        "host tcp 0.0.0.0:22 local [public eth0 blocked ] [public eth1 blocked ]\n"
        "host tcp 127.0.0.1:53 [public eth0 blocked ] [public eth1 blocked ]\n"
        "host tcp 0.0.0.0:80 local [public eth0 reachable all] [public eth1 reachable all]\n"
        "host tcp :::80 local [public eth0 reachable all] [public eth1 reachable all]\n");
}

/* docker-proxy's socket is the published port once more, not a service of the machine. */
static void test_proxy(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    add_container(host, ID_A, "web");
    publish(host, "0.0.0.0", 8080, 80);
    host->lab->ruleset.n_rules = 0; /* no DNAT: only the proxy is left */
    listen_on(host, "0.0.0.0", 8080, "docker-proxy", NULL);
    assert_string_equal(exposures_text(host),
                        "published tcp 0.0.0.0:8080 web:80 proxy [public eth0 reachable all] "
                        "[public eth1 reachable all]\n");
    static const char *const holders[] = {"dockerd", "conmon"}; /* they serve nobody */
    for (size_t i = 0; i < ARRAY_SIZE(holders); i++) {
        host->listeners[0].process = holders[i];
        assert_string_equal(exposures_text(host),
                            "published tcp 0.0.0.0:8080 web:80 [public eth0 blocked ] [public eth1 "
                            "blocked ]\n");
    }
}

/* A port that is published for IPv4 hides no service of the machine on IPv6. */
static void test_a_service_beside_a_published_port(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    add_container(host, ID_A, "web");
    publish(host, "0.0.0.0", 80, 80);
    listen_on(host, "::", 80, "nginx", NULL);
    judge(host);
    assert_string_equal(exposures_text(host),
                        "published tcp 0.0.0.0:80 web:80 dnat [public eth0 reachable all] [public "
                        "eth1 reachable all]\n"
                        "host tcp :::80 local [public eth0 reachable all] [public eth1 reachable "
                        "all]\n");
}

/* An id is of the name, not of the container that happens to bear it. */
static void test_ids(void **state) {
    char before[3][17], key[17];
    _host_ one = host_new("version: 1\nrules:\n- {id: r, deny: [80]}\ndefault: allow\n");
    _host_ other = host_new("version: 1\nrules:\n- {id: r, deny: [80]}\ndefault: allow\n");
    (void)state;
    add_container(one, ID_A, "web");
    publish(one, "0.0.0.0", 80, 80);
    publish(one, "0.0.0.0", 81, 80);
    publish(one, "10.0.0.1", 82, 80);
    judge(one);
    for (size_t i = 0; i < 3; i++) {
        strcpy(before[i], one->result->exposures[i].id);
        assert_int_equal(strspn(before[i], "0123456789abcdef"), 16);
    }
    assert_string_not_equal(before[0], before[1]);
    assert_string_not_equal(before[1], before[2]);
    strcpy(key, one->result->findings[0].key);

    add_container(other, ID_A, "aaa"); /* another address for web, and another id */
    add_container(other, ID_B, "web");
    publish(other, "0.0.0.0", 80, 80);
    judge(other);
    assert_string_equal(other->result->exposures[0].id, before[0]);
    assert_string_equal(other->result->findings[0].key, key);
    other->containers[1].service = "stack_web"; /* a service's tasks come and go */
    judge(other);
    assert_string_not_equal(other->result->exposures[0].id, before[0]);
    strcpy(before[0], other->result->exposures[0].id);
    other->containers[1].name = "stack_web.1.xyz";
    judge(other);
    assert_string_equal(other->result->exposures[0].id, before[0]);
}

/* -- zones ------------------------------------------------------------------------------------- */

#define ZONES                                                                                      \
    "version: 1\ndefault: allow\nzones:\n"                                                         \
    "- {id: office, match: [{interfaces: [eth0], sources: [192.168.0.0/16, "                       \
    "\"2001:db8:1::/48\"]}]}"                                                                      \
    "\n- {id: private, match: [{interfaces: [\"eth1\"]}, {sources: [10.0.0.0/8]}]}\n"              \
    "- {id: late, match: [{sources: [10.1.0.0/16, 192.168.0.0/15]}]}\n"

static void test_zones_first_match_wins(void **state) {
    _host_ host = host_new(ZONES);
    (void)state;
    add_container(host, ID_A, "web");
    publish(host, "0.0.0.0", 80, 80);
    /* Nothing is left to late of 10.1.0.0/16, and of 192.168.0.0/15 what office did not take. */
    assert_string_equal(exposures_text(host),
                        "published tcp 0.0.0.0:80 web:80 dnat [office eth0 reachable "
                        "192.168.0.0/16] [private eth0 reachable 10.0.0.0/8] [private eth1 "
                        "reachable all] [late eth0 reachable 192.169.0.0/16] [public eth0 "
                        "reachable 0.0.0.0-9.255.255.255,11.0.0.0-192.167.255.255,"
                        "192.170.0.0-255.255.255.255]\n");
}

/* Packets of a zone that routing does not let in by its interface do not count against it. */
static void test_zones_and_source_validation(void **state) {
    _host_ host = host_new("version: 1\ndefault: allow\nzones:\n"
                           "- {id: here, match: [{sources: [10.0.0.0/24]}]}\n");
    (void)state;
    host->lab->links[ETH1 - 1].rp_filter = 1;
    add_container(host, ID_A, "web");
    publish(host, "0.0.0.0", 80, 80);
    judge(host);
    const struct ng_exposure *exposure = &host->result->exposures[0];
    assert_int_equal(exposure->n_reach, 4);
    assert_string_equal(exposure->reach[1].zone, "here");
    assert_string_equal(exposure->reach[1].interface, "eth1");
    assert_int_equal(exposure->reach[1].verdict, NG_REACHABLE);
    assert_string_equal(exposure->reach[3].interface, "eth1");
    assert_int_equal(exposure->reach[3].verdict, NG_REACHABLE);
}

/* Between containers is asked only where the policy has a word on it. */
static void test_containers_zone(void **state) {
    _host_ host = host_new("version: 1\ndefault: allow\nrules:\n"
                           "- {id: inner, deny: [80], from: [containers]}\n");
    (void)state;
    add_container(host, ID_A, "web");
    publish(host, "0.0.0.0", 80, 80);
    assert_string_equal(findings_text(host), "NG001 inner high alert open web:80 containers\n");
    assert_string_equal(host->result->exposures[0].reach[0].interface, "docker0");
}

static void test_which_interfaces(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    add_container(host, ID_A, "web");
    publish(host, "0.0.0.0", 80, 80);
    host->lab->links[ETH1 - 1].master = DOCKER0; /* a port of the engine's bridge */
    host->lab->links[ETH1 - 1].kind = "veth";
    judge(host);
    assert_int_equal(host->result->exposures[0].n_reach, 1);
    assert_string_equal(host->result->exposures[0].reach[0].interface, "eth0");
    host->lab->links[ETH1 - 1].kind = ""; /* leads outside: so does the bridge */
    judge(host);
    assert_int_equal(host->result->exposures[0].n_reach, 2);
    assert_string_equal(host->result->exposures[0].reach[0].interface, "docker0");
    assert_string_equal(host->result->exposures[0].reach[0].zone, "public");
    host->lab->links[ETH1 - 1].kind = "veth";
    host->lab->links[ETH0 - 1].up = false;
    judge(host);
    assert_int_equal(host->result->exposures[0].n_reach, 0);
}

/* -- rules ------------------------------------------------------------------------------------- */

static void test_deny_by_either_port(void **state) {
    _host_ host = host_new("version: 1\ndefault: allow\nrules:\n"
                           "- {id: r, deny: [6379], severity: critical}\n");
    (void)state;
    add_container(host, ID_A, "redis");
    publish(host, "0.0.0.0", 6379, 1);
    publish(host, "0.0.0.0", 16379, 6379);
    publish(host, "0.0.0.0", 6380, 6380);
    assert_string_equal(findings_text(host), "NG001 r critical alert open redis:6379 public\n"
                                             "NG001 r critical alert open redis:16379 public\n");
}

static void test_allow_by_both_ports(void **state) {
    _host_ host = host_new("version: 1\nrules:\n- {id: r, allow: [80, \"8443->443\"]}\n");
    (void)state;
    add_container(host, ID_A, "web");
    publish(host, "192.0.2.1", 80, 80);
    publish(host, "0.0.0.0", 81, 80);
    publish(host, "10.0.0.1", 80, 6379);
    publish(host, "0.0.0.0", 8443, 443);
    publish(host, "0.0.0.0", 443, 8443);
    assert_string_equal(findings_text(host), "NG002 default high alert open web:80 public\n"
                                             "NG002 default high alert open web:81 public\n"
                                             "NG002 default high alert open web:443 public\n");
}

static void test_first_rule_wins(void **state) {
    _host_ host = host_new("version: 1\ndefault: allow\nrules:\n"
                           "- {id: a, allow: [6379], to: {name: cache}}\n"
                           "- {id: b, deny: [6379], severity: low}\n"
                           "- {id: c, deny: [\"@any\"], severity: info}\n");
    (void)state;
    add_container(host, ID_A, "cache");
    publish(host, "0.0.0.0", 6379, 6379);
    add_container(host, ID_B, "redis");
    publish(host, "0.0.0.0", 6380, 6379);
    publish(host, "0.0.0.0", 80, 80);
    assert_string_equal(findings_text(host), "NG001 b low alert open redis:6380 public\n"
                                             "NG001 c info alert open redis:80 public\n");
}

static void test_default(void **state) {
    static const struct {
        const char *policy, *findings;
    } defaults[] = {
        {"version: 1\ndefault: allow\n", ""},
        {"version: 1\ndefault: alert\n", "NG002 default high alert open web:80 public\n"},
        {"version: 1\ndefault: block\ndefaults: {severity: low}\n",
         "NG002 default low block open web:80 public\n"},
        /* The default is about the public alone. */
        {"version: 1\ndefault: alert\nzones: [{id: all, match: [{interfaces: [\"*\"]}]}]\n", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
        _host_ host = host_new(defaults[i].policy);
        add_container(host, ID_A, "web");
        publish(host, "0.0.0.0", 80, 80);
        listen_on(host, "0.0.0.0", 22, "sshd", NULL); /* it is about containers alone */
        assert_string_equal(findings_text(host), defaults[i].findings);
    }
}

static void test_from(void **state) {
    _host_ host = host_new(ZONES "rules:\n- {id: r, deny: [80], from: [office, late]}\n");
    (void)state;
    add_container(host, ID_A, "web");
    publish(host, "0.0.0.0", 80, 80);
    assert_string_equal(findings_text(host), "NG001 r high alert open web:80 office,late\n");
}

/* Without a word on the host a deny tells of its services, and never blocks them. */
static void test_host_services(void **state) {
    _host_ host = host_new("version: 1\ndefault: block\nrules:\n"
                           "- {id: named, deny: [5432], action: block, to: {host: {process: pg}}}\n"
                           "- {id: all, deny: [22, 5432], action: block}\n");
    (void)state;
    listen_on(host, "0.0.0.0", 22, "sshd", NULL);
    listen_on(host, "0.0.0.0", 80, "nginx", NULL);
    listen_on(host, "0.0.0.0", 5432, "pg", NULL);
    listen_on(host, "10.0.0.1", 5432, "other", NULL);
    assert_string_equal(findings_text(host), "NG003 all high alert open other:5432 public\n"
                                             "NG003 named high block open pg:5432 public\n"
                                             "NG003 all high alert open sshd:22 public\n");
}

static void test_what_is_closed_is_no_finding(void **state) {
    _host_ host = host_new("version: 1\nrules:\n- {id: r, deny: [80]}\n");
    (void)state;
    RULE(host->lab, host->forward, DROP);
    add_container(host, ID_A, "web");
    publish(host, "0.0.0.0", 80, 80);
    assert_string_equal(findings_text(host), "");
    assert_false(ng_result_has_open(host->result, NG_INFO));
}

/* What cannot be decided counts as open. */
static void test_what_is_unknown_is_open(void **state) {
    _host_ host = host_new("version: 1\nrules:\n- {id: r, deny: [80]}\n");
    (void)state;
    RULE(host->lab, host->forward, UNDECIDED("limit"), DROP);
    add_container(host, ID_A, "web");
    publish(host, "0.0.0.0", 80, 80);
    assert_string_equal(findings_text(host), "NG001 r high alert open web:80 public\n");
    assert_true(ng_result_has_open(host->result, NG_HIGH));
    assert_false(ng_result_has_open(host->result, NG_CRITICAL));
}

/* Where a rule may send packets anywhere, nothing is blocked for certain, whatever the exposure. */
static void test_what_may_go_anywhere(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    RULE(host->lab, host->nat, UNKNOWN("dnat to a computed address"));
    RULE(host->lab, host->nat, DROP);
    add_container(host, ID_A, "web");
    publish(host, "0.0.0.0", 80, 80);
    assert_string_equal(exposures_text(host),
                        "published tcp 0.0.0.0:80 web:80 [public eth0 unknown  maybe all] "
                        "[public eth1 unknown  maybe all]\n");
}

static void test_dnat_to_one_of_several(void **state) {
    _host_ host = host_new(QUIET);
    struct ng_nat range = nat_to("172.17.0.200", 80);
    (void)state;
    range.addr_lo.value = 0xac110001; /* the first of the range is nobody's */
    RULE(host->lab, host->nat, nat_op(host->lab, NG_OP_DNAT, range));
    RULE(host->lab, host->forward, to(host->lab, "172.17.0.1"), DROP);
    add_container(host, ID_A, "web");
    publish(host, "0.0.0.0", 80, 80);
    assert_string_equal(exposures_text(host),
                        "published tcp 0.0.0.0:80 web:80 dnat [public eth0 unknown  maybe all] "
                        "[public eth1 unknown  maybe all]\n");
}

/* Closed by the guard's own table it stays a finding. */
static void test_blocked_by_the_guard(void **state) {
    _host_ host = host_new("version: 1\nrules:\n- {id: r, deny: [80], action: block}\n");
    (void)state;
    uint32_t guard = table(host->lab, NG_TABLE_INET, "netguard");
    uint32_t own =
        base_chain(host->lab, guard, "forward", NG_HOOK_FORWARD, NG_CHAIN_FILTER, -1, false);
    RULE(host->lab, own, DROP);
    add_container(host, ID_A, "web");
    publish(host, "0.0.0.0", 80, 80);
    assert_string_equal(findings_text(host), "NG001 r high block blocked web:80 public\n");
    assert_non_null(strstr(host->result->findings[0].fix, "the guard keeps it closed"));
    assert_false(ng_result_has_open(host->result, NG_INFO));
}

/* The last day is still covered, in UTC; the next is not. */
static void test_exceptions(void **state) {
    static const struct {
        int64_t time_s;
        const char *state;
    } times[] = {
        {1791036131, "excepted"}, /* 2026-10-03 14:02:11 */
        {1798761599, "excepted"}, /* 2026-12-31 23:59:59 */
        {1798761600, "open"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        _host_ host = host_new("version: 1\nrules:\n- {id: r, deny: [80]}\nexceptions:\n"
                               "- {rule: r, to: {name: old}, until: 2026-12-31, reason: ticket}\n"
                               "- {rule: default, to: {name: new}, reason: forever}\n");
        char expected[200];
        host->lab->world.time_s = times[i].time_s;
        add_container(host, ID_A, "new");
        publish(host, "0.0.0.0", 82, 80);
        publish(host, "0.0.0.0", 83, 83);
        add_container(host, ID_B, "old");
        publish(host, "0.0.0.0", 80, 80);
        snprintf(expected, sizeof(expected),
                 "NG001 r high alert open new:82 public\n"
                 "NG002 default high alert excepted new:83 public\n"
                 "NG001 r high alert %s old:80 public\n",
                 times[i].state);
        assert_string_equal(findings_text(host), expected);
    }
}

/* -- the whole ----------------------------------------------------------------------------------- */

static void test_order(void **state) {
    _host_ host = host_new("version: 1\nrules:\n- {id: z, deny: [3], severity: critical}\n"
                           "- {id: y, deny: [1, 2], severity: low}\n");
    (void)state;
    add_container(host, ID_A, "aaa");
    publish(host, "0.0.0.0", 2, 2);
    publish(host, "0.0.0.0", 1, 1);
    publish(host, "0.0.0.0", 9, 9);
    add_container(host, ID_B, "bbb");
    publish(host, "0.0.0.0", 3, 3);
    assert_string_equal(findings_text(host), "NG001 z critical alert open bbb:3 public\n"
                                             "NG002 default high alert open aaa:9 public\n"
                                             "NG001 y low alert open aaa:1 public\n"
                                             "NG001 y low alert open aaa:2 public\n");
    const char *exposures = exposures_text(host), *findings = findings_text(host);
    assert_string_equal(exposures_text(host), exposures);
    assert_string_equal(findings_text(host), findings);
}

/* Without an important part of the world everything may be reachable, and it says why. */
static void test_blind(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    RULE(host->lab, host->forward, DROP);
    add_container(host, ID_A, "web");
    publish(host, "0.0.0.0", 80, 80);
    host->lab->world.nft.read = false;
    assert_string_equal(exposures_text(host),
                        "published tcp 0.0.0.0:80 web:80 [public eth0 unknown  maybe all] [public "
                        "eth1 unknown  maybe all]\n");
    assert_string_equal(host->result->exposures[0].reach[0].unsure.items[0],
                        "the nf_tables ruleset was not read");
}

/* A packet filter is one that has a say: rules or a policy that drops, for IP packets. */
static void test_backends(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    judge(host);
    assert_int_equal(host->result->backends.count, 1); /* forward drops */
    assert_string_equal(host->result->backends.items[0], "nf_tables");

    uint32_t own = table(host->lab, NG_TABLE_IP, "filter");
    host->lab->tables[own].legacy = true;
    uint32_t input = base_chain(host->lab, own, "INPUT", NG_HOOK_INPUT, NG_CHAIN_FILTER, 0, false);
    judge(host);
    assert_int_equal(host->result->backends.count, 1);
    RULE(host->lab, input, ACCEPT);
    judge(host);
    assert_int_equal(host->result->backends.count, 2);
    assert_string_equal(host->result->backends.items[1], "iptables-legacy");

    for (uint32_t i = 0; i < own; i++)
        host->lab->tables[i].dormant = true;
    judge(host);
    assert_int_equal(host->result->backends.count, 1);
    assert_string_equal(host->result->backends.items[0], "iptables-legacy");
}

/* The same rule in both: whose it is is told. */
static void test_legacy_decider(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    uint32_t own = table(host->lab, NG_TABLE_IP, "filter");
    host->lab->tables[own].legacy = true;
    uint32_t input = base_chain(host->lab, own, "INPUT", NG_HOOK_INPUT, NG_CHAIN_FILTER, -1, false);
    RULE(host->lab, input, dport(host->lab, 80), DROP);
    listen_on(host, "0.0.0.0", 80, "httpd", NULL);
    judge(host);
    assert_true(host->result->exposures[0].reach[0].decided_by->legacy);
}

/* Tables of iptables-legacy that nobody may read could do anything. */
static void test_blind_to_legacy_tables(void **state) {
    _host_ host = host_new(QUIET);
    const struct ng_gap gap = {.source = "xtables", .reason = "not permitted"};
    (void)state;
    host->lab->world.gaps = &gap;
    host->lab->world.n_gaps = 1;
    listen_on(host, "0.0.0.0", 80, "httpd", NULL);
    judge(host);
    assert_int_equal(host->result->exposures[0].reach[0].verdict, NG_UNKNOWN);
    assert_string_equal(host->result->exposures[0].reach[0].unsure.items[0],
                        "it is not known what iptables-legacy tables hold");
}

static void test_gaps(void **state) {
    static const struct ng_gap gap = {.source = "docker", .reason = "not there"};
    _host_ host = host_new(QUIET);
    (void)state;
    assert_true(judge(host)->complete);
    host->lab->world.gaps = &gap;
    host->lab->world.n_gaps = 1;
    assert_false(judge(host)->complete);
    assert_int_equal(host->result->n_gaps, 1);
    assert_string_equal(host->result->gaps[0].reason, gap.reason);
}

static void test_ufw(void **state) {
    _host_ host = host_new(QUIET);
    (void)state;
    uint32_t own = table(host->lab, NG_TABLE_IP, "filter");
    uint32_t input = base_chain(host->lab, own, "INPUT", NG_HOOK_INPUT, NG_CHAIN_FILTER, 1, true);
    uint32_t ufw = chain(host->lab, own, "ufw-user-input");
    RULE(host->lab, input, JUMP(ufw));
    RULE(host->lab, ufw, dport(host->lab, 22), ACCEPT);
    add_container(host, ID_A, "web");
    publish(host, "0.0.0.0", 80, 80);
    listen_on(host, "0.0.0.0", 22, "sshd", NULL);
    listen_on(host, "0.0.0.0", 23, "telnetd", NULL);
    judge(host);
    assert_int_equal(host->result->n_exposures, 4);
    assert_int_equal(host->result->exposures[0].ufw, NG_FIREWALL_BYPASSED);
    assert_int_equal(host->result->exposures[1].ufw, NG_FIREWALL_BYPASSED); /* its own address */
    assert_int_equal(host->result->exposures[2].ufw, NG_FIREWALL_HONOURED);
    assert_int_equal(host->result->exposures[3].ufw, NG_FIREWALL_HONOURED);
    assert_int_equal(host->result->exposures[0].firewalld, NG_FIREWALL_ABSENT);
}

/* `ufw disable` leaves its chains and the way into them behind. */
static void test_ufw_disabled(void **state) {
    _host_ host = host_new("version: 1\nrules: [{id: no-web, deny: [80]}]\n");
    (void)state;
    uint32_t own = table(host->lab, NG_TABLE_IP, "filter");
    uint32_t input = base_chain(host->lab, own, "INPUT", NG_HOOK_INPUT, NG_CHAIN_FILTER, 1, false);
    uint32_t ufw = chain(host->lab, own, "ufw-before-input");
    RULE(host->lab, input, JUMP(ufw));
    listen_on(host, "0.0.0.0", 80, "httpd", NULL);
    judge(host);
    assert_int_equal(host->result->exposures[0].ufw, NG_FIREWALL_ABSENT);
    assert_int_equal(host->result->n_findings, 1);
    assert_null(strstr(host->result->findings[0].message, "ufw"));
    assert_null(strstr(host->result->findings[0].fix, "ufw"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_source_ports),
        cmocka_unit_test(test_sockets),
        cmocka_unit_test(test_proxy),
        cmocka_unit_test(test_a_service_beside_a_published_port),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_zones_first_match_wins),
        cmocka_unit_test(test_zones_and_source_validation),
        cmocka_unit_test(test_containers_zone),
        cmocka_unit_test(test_which_interfaces),
        cmocka_unit_test(test_deny_by_either_port),
        cmocka_unit_test(test_allow_by_both_ports),
        cmocka_unit_test(test_first_rule_wins),
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_from),
        cmocka_unit_test(test_host_services),
        cmocka_unit_test(test_what_is_closed_is_no_finding),
        cmocka_unit_test(test_what_is_unknown_is_open),
        cmocka_unit_test(test_what_may_go_anywhere),
        cmocka_unit_test(test_dnat_to_one_of_several),
        cmocka_unit_test(test_blocked_by_the_guard),
        cmocka_unit_test(test_exceptions),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_blind),
        cmocka_unit_test(test_backends),
        cmocka_unit_test(test_legacy_decider),
        cmocka_unit_test(test_blind_to_legacy_tables),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_ufw),
        cmocka_unit_test(test_ufw_disabled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
