/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks that are to be apart: the stack as it is meant, and each way to break it. */
#include "tests/unit/fixture_stack.h"

#define BOTH_REACHED "NG022 frontend -> cache reachable\nNG022 frontend -> db reachable\n"

static void assert_told(struct stack *stack, const char *about, const char *message) {
    assert_non_null(strstr(stack_finding(stack, about)->message, message));
}

/* -- as it is meant ---------------------------------------------------------------------- */

static void test_clean(void **state) {
    _stack_ stack = stack_new();
    (void)state;
    assert_string_equal(stack_findings(stack), "");
}

/* What a gateway publishes, and who gets to it, is what it is there for. */
static void test_gateway(void **state) {
    _stack_ stack = stack_new();
    (void)state;
    stack_publish(stack, "gateway", 443, 443, true);
    assert_string_equal(stack_findings(stack), "");
}

/* On a network that is neither side nobody gets to anybody without ICC. */
static void test_without_icc(void **state) {
    _stack_ stack = stack_new();
    (void)state;
    stack_join(stack, "web", "tools", "172.20.0.2", NULL);
    stack_join(stack, "db", "tools", "172.20.0.3", NULL);
    assert_string_equal(stack_findings(stack), "");
}

/* -- on both sides ----------------------------------------------------------------------- */

static void test_member(void **state) {
    _stack_ stack = stack_new();
    (void)state;
    stack_join(stack, "db", "frontend", "172.18.0.4", NULL);
    assert_string_equal(stack_findings(stack), "NG020 db reachable\n");
    assert_told(stack, "db", "backend, frontend");
    assert_non_null(strstr(stack_finding(stack, "db")->fix, "disconnect frontend db"));
    assert_int_equal(stack->result->findings[0].severity, NG_HIGH);
    assert_string_equal(stack->result->findings[0].rule, "tiers");
}

/* Who joins a gateway's network is on both sides, and no gateway. */
static void test_joined(void **state) {
    _stack_ stack = stack_new();
    (void)state;
    stack_container(stack, "zombie")->network_of = stack_find(stack, "gateway")->id;
    assert_string_equal(stack_findings(stack), "NG020 zombie reachable\n");
    assert_told(stack, "zombie", "shares the network of container gateway");
}

/* One pattern: each of its networks is apart from the others. */
static void test_one_pattern(void **state) {
    _stack_ stack = stack_new();
    static const char *const all[] = {"*"};
    (void)state;
    stack->segregation.apart = (struct ng_strings){all, 1};
    assert_string_equal(stack_findings(stack), "");
    stack_join(stack, "db", "tools", "172.20.0.2", NULL);
    assert_string_equal(stack_findings(stack), "NG020 db reachable\n");
}

/* A network belongs to the first that it matches. */
static void test_first_match(void **state) {
    _stack_ stack = stack_new();
    static const char *const overlapping[] = {"*end", "backend"};
    (void)state;
    stack->segregation.apart = (struct ng_strings){overlapping, 2};
    stack_join(stack, "db", "frontend", "172.18.0.4", NULL);
    assert_string_equal(stack_findings(stack), "");
}

/* -- published --------------------------------------------------------------------------- */

static void test_published(void **state) {
    _stack_ stack = stack_new();
    (void)state;
    stack_publish(stack, "db", 15432, 5432, false); /* and nobody serves who comes by a bridge */
    stack_container(stack, "zombie")->network_of = stack_find(stack, "db")->id;
    assert_string_equal(stack_findings(stack), "NG021 db reachable\nNG021 zombie reachable\n");
    assert_told(stack, "db", "publishes 15432->5432/tcp, and is on network backend");
    stack->segregation.unpublished.count = 0;
    assert_string_equal(stack_findings(stack), "");
}

static void test_ingress(void **state) {
    _stack_ stack = stack_new();
    static const struct ng_ingress_port ports[] = {{NG_TCP, 8080, 80}};
    static const struct ng_service services[] = {{.name = "store", .ports = ports, .n_ports = 1}};
    (void)state;
    stack->engine.services = services;
    stack->engine.n_services = 1;
    assert_string_equal(stack_findings(stack), "");
    stack_find(stack, "db")->service = "store";
    assert_string_equal(stack_findings(stack), "NG021 db reachable\n");
    assert_told(stack, "db", "8080->80/tcp");
}

/* -- across all the same ----------------------------------------------------------------- */

static void test_routed(void **state) {
    _stack_ stack = stack_new();
    (void)state;
    RULE(stack->lab, stack->user[0], by(stack, NG_FIELD_IIFNAME, "br-front"),
         by(stack, NG_FIELD_OIFNAME, "br-back"), tcp(stack), dport(stack->lab, 5432), ACCEPT);
    assert_string_equal(stack_findings(stack), BOTH_REACHED);
    assert_string_equal(
        stack_path(stack, "frontend -> db"),
        "app (frontend, 172.18.0.3) -> br-front; ip filter DOCKER-USER handle 55: iifname "
        "\"br-front\" oifname \"br-back\" tcp dport 5432 accept; db (backend, "
        "172.19.0.2), port 5432/tcp");
    assert_told(stack, "frontend -> db", "2 containers of network frontend (app, web) get to");
    assert_told(stack, "frontend -> db", "at 5432/tcp, with no gateway");
    assert_told(stack, "frontend -> cache", "at 5432/tcp"); /* which it is not known to have */
    assert_non_null(strstr(stack_finding(stack, "frontend -> db")->fix, "DOCKER-USER handle 55"));
}

/* A rule for one of them is told of one. */
static void test_one_source(void **state) {
    _stack_ stack = stack_new();
    (void)state;
    RULE(stack->lab, stack->user[0], from(stack->lab, "172.18.0.2"), ACCEPT);
    assert_string_equal(stack_findings(stack), BOTH_REACHED);
    assert_told(stack, "frontend -> db", "container web of network frontend gets to");
    assert_told(stack, "frontend -> db", "at every port asked");
    assert_non_null(strstr(stack_path(stack, "frontend -> db"), "web (frontend, 172.18.0.2)"));
}

/* Ports of a range of which a rule before takes the first, and what nobody names. */
static void test_port_ranges(void **state) {
    _stack_ stack = stack_new();
    (void)state;
    RULE(stack->lab, stack->user[0], to(stack->lab, "172.19.0.2"), tcp(stack),
         is_between(stack->lab, NG_FIELD_DPORT, 7000, 7000), RETURN);
    RULE(stack->lab, stack->user[0], to(stack->lab, "172.19.0.2"), tcp(stack),
         is_between(stack->lab, NG_FIELD_DPORT, 7000, 7010), ACCEPT);
    assert_string_equal(stack_findings(stack), "NG022 frontend -> db reachable\n");
    assert_told(stack, "frontend -> db", "at 7001/tcp,");
}

static void test_all_but_known(void **state) {
    _stack_ stack = stack_new();
    (void)state;
    RULE(stack->lab, stack->user[0], tcp(stack), not(dport(stack->lab, 5432)),
         to(stack->lab, "172.19.0.2"), ACCEPT);
    assert_string_equal(stack_findings(stack), "NG022 frontend -> db reachable\n");
    assert_told(stack, "frontend -> db", "at ports that no rule names");
}

static void test_ip6(void **state) {
    _stack_ stack = stack_new();
    (void)state;
    RULE(stack->lab, stack->user[1], by(stack, NG_FIELD_IIFNAME, "br-back"), ACCEPT);
    assert_string_equal(stack_findings(stack),
                        "NG022 backend -> app reachable\nNG022 backend -> web reachable\n");
    assert_string_equal(stack_path(stack, "backend -> web"),
                        "cache (backend, fd19::3) -> br-back; ip6 filter DOCKER-USER handle 55: "
                        "iifname \"br-back\" accept; web (frontend, fd18::2), port 80/tcp");
}

/* What a rule or a route tells apart is asked for apart. */
static void test_unlike_addresses(void **state) {
    _stack_ stack = stack_new();
    (void)state;
    RULE(stack->lab, stack->user[0], by(stack, NG_FIELD_OIFNAME, "br-back"), ACCEPT);
    lab_route(stack->lab, NG_ROUTE_BLACKHOLE, 254, "172.19.0.3", 0);
    assert_string_equal(stack_findings(stack), "NG022 frontend -> db reachable\n");
    stack->lab->world.n_routes = 0;
    assert_string_equal(stack_findings(stack), "");
}

/* Perhaps is open, and what stands in the way is said. */
static void test_unknown(void **state) {
    _stack_ stack = stack_new();
    (void)state;
    RULE(stack->lab, stack->user[0], to(stack->lab, "172.19.0.2"), UNDECIDED("limit rate 5/second"),
         ACCEPT);
    assert_string_equal(stack_findings(stack), "NG022 frontend -> db unknown\n");
    assert_told(stack, "frontend -> db", "may get to");
    assert_non_null(strstr(stack_path(stack, "frontend -> db"),
                           "it cannot be decided: limit rate 5/second (ip filter DOCKER-USER "
                           "handle 55)"));
}

static void test_proxy(void **state) {
    _stack_ stack = stack_new();
    (void)state;
    stack->segregation.unpublished.count = 0;
    stack_publish(stack, "db", 15432, 5432, true);
    assert_string_equal(stack_findings(stack), "NG022 frontend -> db reachable\n");
    assert_string_equal(stack_path(stack, "frontend -> db"),
                        "app (frontend, 172.18.0.3) -> 172.18.0.1:15432; no rule stands in the "
                        "way; docker-proxy on this host; db (backend, 172.19.0.2), port 5432/tcp");
    assert_told(stack, "frontend -> db", "at 5432/tcp");
    /* The rules for forwarded packets have no say in that, those for the host's own have. */
    uint32_t input =
        base_chain(stack->lab, stack->filter[0], "INPUT", NG_HOOK_INPUT, NG_CHAIN_FILTER, 0, false);
    RULE(stack->lab, input, by(stack, NG_FIELD_IIFNAME, "br-front"), DROP);
    assert_string_equal(stack_findings(stack), "");
}

/* Translated, into rules that let it pass. */
static void test_translated(void **state) {
    _stack_ stack = stack_new();
    (void)state;
    RULE(stack->lab, stack->nat[0], RETURN); /* those of the engine are not reached any more */
    uint32_t own = base_chain(stack->lab, table(stack->lab, NG_TABLE_IP, "own"), "nat",
                              NG_HOOK_PREROUTING, NG_CHAIN_NAT, -110, false);
    RULE(stack->lab, own, to(stack->lab, "192.0.2.1"), tcp(stack), dport(stack->lab, 15432),
         dnat(stack->lab, "172.19.0.2", 5432));
    stack->segregation.unpublished.count = 0;
    stack_publish(stack, "db", 15432, 5432, false);
    assert_string_equal(stack_findings(stack), "");
    RULE(stack->lab, stack->user[0], has_bit(stack->lab, NG_FIELD_CT_STATUS, 32), ACCEPT);
    assert_string_equal(stack_findings(stack), "NG022 frontend -> db reachable\n");
    assert_non_null(strstr(stack_path(stack, "frontend -> db"),
                           "-> 192.0.2.1:15432; ip filter DOCKER-USER handle"));
    assert_non_null(strstr(stack_path(stack, "frontend -> db"), "translated to 172.19.0.2:5432"));
}

/* A network that is neither side: with ICC, or by rules that nobody asks. */
static void test_shared_network(void **state) {
    _stack_ stack = stack_new();
    static const struct ng_link_to link = {.to = "db", .alias = "database"};
    (void)state;
    stack_join(stack, "web", "tools", "172.20.0.2", NULL);
    stack_join(stack, "db", "tools", "172.20.0.3", NULL);
    stack->lab->links[BR_TOOLS - 1].bridge_calls4 = false;
    assert_string_equal(stack_findings(stack),
                        "NG022 frontend -> db reachable\nNG022 backend -> web reachable\n");
    stack_find(stack, "web")->links = &link;
    stack_find(stack, "web")->n_links = 1;
    stack_judge(stack);
    assert_string_equal(stack_path(stack, "frontend -> db"),
                        "web (tools, 172.20.0.2) -> br-tools; from port to port of br-tools: no "
                        "rule of IP is asked; link db as database; db (tools, 172.20.0.3), port "
                        "5432/tcp");
    assert_told(stack, "frontend -> db",
                "container web of network frontend gets to container db "
                "of network backend at every port asked");
    /* Rules of the bridge family are asked, and not followed. */
    uint32_t family = table(stack->lab, NG_TABLE_BRIDGE, "filter");
    base_chain(stack->lab, family, "forward", NG_HOOK_FORWARD, NG_CHAIN_FILTER, 0, true);
    assert_string_equal(stack_findings(stack),
                        "NG022 frontend -> db unknown\nNG022 backend -> web unknown\n");
}

/* Whoever is on an overlay network is on docker_gwbridge, too, and has no say in it. */
static void test_networks_of_the_engine_itself(void **state) {
    static const char *const all[] = {"*"}, *const named[] = {"*end", "docker_gwbridge"};
    _stack_ stack = stack_new();
    (void)state;
    stack->networks[2].name = "docker_gwbridge";
    stack_join(stack, "db", "docker_gwbridge", "172.20.0.2", NULL);
    stack->segregation.apart = (struct ng_strings){all, 1};
    assert_null(strstr(stack_findings(stack), "NG020"));
    stack->segregation.apart = (struct ng_strings){named, 2};
    assert_non_null(strstr(stack_findings(stack), "NG020"));
}

static void test_sidecar(void **state) {
    _stack_ stack = stack_new();
    (void)state;
    struct ng_container *sidecar = stack_container(stack, "sidecar");
    sidecar->network_mode = "host";
    stack_listen(stack, "127.0.0.1", 9000, "sidecar", "sidecar");
    uint32_t input =
        base_chain(stack->lab, stack->filter[0], "INPUT", NG_HOOK_INPUT, NG_CHAIN_FILTER, 0, false);
    RULE(stack->lab, input, by(stack, NG_FIELD_IIFNAME, "br-back"), DROP);
    assert_string_equal(stack_findings(stack), "");
    stack->listeners[0].addr = addr("0.0.0.0");
    assert_string_equal(stack_findings(stack), BOTH_REACHED);
    assert_string_equal(
        stack_path(stack, "frontend -> db"),
        "app (frontend, 172.18.0.3) -> 172.18.0.1:9000; ip filter INPUT: policy accept; "
        "sidecar (sidecar, host network); db (backend, 172.19.0.2)");
    assert_told(stack, "frontend -> db", "at every port, with");
    /* One of the machine's own services is none, nor is a gateway. */
    stack->listeners[0].container_id = NULL;
    assert_string_equal(stack_findings(stack), "");
    stack->listeners[0].container_id = sidecar->id;
    sidecar->name = "gateway";
    assert_string_equal(stack_findings(stack), "");
}

/* Beside this host no rule of it decides. */
static void test_on_the_lan(void **state) {
    _stack_ stack = stack_new();
    (void)state;
    stack_network(stack, "frontend", "macvlan", NULL)->parent = "eth1";
    stack->networks[4].name = "front-lan";
    stack_network(stack, "back-lan", "ipvlan", NULL)->parent = "eth0";
    static const char *const lans[] = {"front*", "back*"};
    stack->segregation.apart = (struct ng_strings){lans, 2};
    stack_join(stack, "web", "front-lan", "10.0.0.5", NULL);
    stack_join(stack, "db", "back-lan", "10.0.0.6", NULL);
    assert_string_equal(stack_findings(stack), "");
    stack->networks[5].parent = "eth1";
    assert_string_equal(stack_findings(stack),
                        "NG022 front-lan -> db unknown\nNG022 frontend -> db unknown\n"
                        "NG022 back-lan -> web unknown\nNG022 backend -> web unknown\n");
}

/* -- what cannot be told ----------------------------------------------------------------- */

static void test_blind(void **state) {
    _stack_ stack = stack_new();
    (void)state;
    stack_join(stack, "db", "frontend", "172.18.0.4", NULL);
    stack->lab->world.nft.read = false;
    assert_string_equal(stack_findings(stack), "NG020 db reachable\nNG022  unknown\n");
    assert_told(stack, "", "the nf_tables ruleset was not read");
}

static void test_untold(void **state) {
    _stack_ stack = stack_new();
    (void)state;
    stack->networks[BACKEND].bridge = "br-gone";
    assert_string_equal(stack_findings(stack), "NG022 backend unknown\n");
    stack->networks[BACKEND].bridge = "br-back";
    stack->engine.rootless = true;
    assert_string_equal(stack_findings(stack), "NG022 backend unknown\nNG022 frontend unknown\n");
}

/* Who may not see what listens cannot tell of sidecars or proxies. */
static void test_listeners_untold(void **state) {
    _stack_ stack = stack_new();
    (void)state;
    stack->lab->world.listeners_read = false;
    assert_string_equal(stack_findings(stack), "");
    stack_container(stack, "sidecar")->network_mode = "host";
    assert_string_equal(stack_findings(stack), "NG022  unknown\n");
    stack->segregation.unpublished.count = 0;
    stack_publish(stack, "db", 15432, 5432, true);
    assert_string_equal(stack_findings(stack), "NG022 frontend -> db unknown\nNG022  unknown\n");
    assert_told(stack, "frontend -> db", "who listens is not known");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_gateway),
        cmocka_unit_test(test_without_icc),
        cmocka_unit_test(test_member),
        cmocka_unit_test(test_joined),
        cmocka_unit_test(test_one_pattern),
        cmocka_unit_test(test_first_match),
        cmocka_unit_test(test_published),
        cmocka_unit_test(test_ingress),
        cmocka_unit_test(test_routed),
        cmocka_unit_test(test_one_source),
        cmocka_unit_test(test_port_ranges),
        cmocka_unit_test(test_all_but_known),
        cmocka_unit_test(test_ip6),
        cmocka_unit_test(test_unlike_addresses),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_proxy),
        cmocka_unit_test(test_translated),
        cmocka_unit_test(test_shared_network),
        cmocka_unit_test(test_networks_of_the_engine_itself),
        cmocka_unit_test(test_sidecar),
        cmocka_unit_test(test_on_the_lan),
        cmocka_unit_test(test_blind),
        cmocka_unit_test(test_untold),
        cmocka_unit_test(test_listeners_untold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
