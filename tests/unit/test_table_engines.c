/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What the table says of engines, their networks, and the ways in beside published ports. */

#include "tests/unit/fixture_engines.h"
#include "tests/unit/fixture_print.h"

/* clang-format off */
static const char whole_table[] =
    "host      node-1, 1970-01-01 00:00:00 UTC\n"
    "engine    Docker 28.5.2 at unix:///run/docker.sock, 5 containers running,\n"
    "          firewall backend iptables, swarm manager, userns-remap\n"
    "policy    built-in: no data store, cluster-control or Docker API port reachable\n"
    "          from outside\n"
    "\n"
    "EXPOSURES (10)\n"
    "WHO             WHAT                             FROM         REACH      VIA\n"
    "camera          192.0.2.50:80/tcp                public eth0  reachable  LAN\n"
    "redis           172.17.0.2:6379/tcp              public eth0  reachable  route\n"
    "shop_web        *:8080/tcp -> 80                 public eth0  reachable  ingress\n"
    "                *:53/udp                         public eth0  blocked    ingress\n"
    "(host)          0.0.0.0:4789/udp swarm data      public       unknown    local\n"
    "                path                             eth0:\n"
    "                                                 perhaps any\n"
    "                                                 address\n"
    "                                                 office wg0   reachable\n"
    "                0.0.0.0/esp swarm data path,     public eth0  reachable  local\n"
    "                encrypted\n"
    "dockerd (host)  0.0.0.0:2375/tcp Docker API, no  public eth0  reachable  local\n"
    "                TLS\n"
    "                0.0.0.0:2376/tcp Docker API,     public eth0  blocked    local\n"
    "                TLS without client certificate\n"
    "                0.0.0.0:2377/tcp swarm           public eth0  reachable  local\n"
    "                management\n"
    "                0.0.0.0:7946/tcp swarm gossip    public eth0  reachable  local\n"
    "\n"
    "CONTAINERS (5)\n"
    "app      links to gone as old\n"
    "no port  app, route\n"
    "\n"
    "NOTES (11)\n"
    "Docker API  0.0.0.0:2375 without TLS, reachable from public (eth0): whoever gets\n"
    "            there is root on this host\n"
    "Docker API  192.0.2.1:2376 with TLS that asks for no client certificate, not\n"
    "            reachable from outside: whoever gets there is root on this host\n"
    "registries  no TLS demanded, so that others on the way can change images:\n"
    "            10.0.0.0/8, reg:5000\n"
    "overlays    not encrypted between nodes: ingress, shop_back; data path 4789/udp,\n"
    "            reachable from office (wg0), perhaps public (eth0)\n"
    "attachable  overlays that any container of the swarm may join: shop_back\n"
    "ingress     open on every address of every node, whatever the stack file says:\n"
    "            8080/tcp (shop_web), 53/udp (shop_web)\n"
    "bridge      the default bridge, where links alone open ports (ICC is off): app,\n"
    "            redis\n"
    "lan         macvlan on eth0: on the LAN, past this host's firewall; the guard\n"
    "            will not block them: camera\n"
    "routes      gateway mode routed (IPv6): the engine leaves published ports open\n"
    "            at the containers' own addresses: route\n"
    "routes      gateway mode nat-unprotected (IPv4): the engine leaves every port\n"
    "            open at the containers' own addresses: route\n"
    "link        app -> redis as cache on bridge: opens 6379/tcp, which ICC off\n"
    "            closes for others\n"
    "\n"
    "result    no open finding in 10 exposures\n";
/* clang-format on */

static void test_whole(void **state) {
    (void)state;
    const struct ng_result result = fixture_manager_result();
    char *text = fixture_print(&result, &fixture_plain);

    assert_string_equal(text, whole_table);
    free(text);
}

static void test_widths(void **state) {
    (void)state;
    const struct ng_result result = fixture_manager_result();

    for (unsigned width = NG_TABLE_WIDTH_MIN; width <= 200; width++) {
        const struct ng_print_options options = {.width = width, .verbose = width % 2};
        char *text = fixture_print(&result, &options);

        assert_tidy(text, width);
        free(text);
    }
}

/* A result of one engine, with nothing but what the test adds. */
struct host {
    struct ng_engine engine;
    struct ng_world world;
    struct ng_result result;
};

static void make_host(struct host *host) {
    *host = (struct host){
        .engine = {.endpoint = "unix:///x",
                   .version = "20.10.24",
                   .api_version = "1.41",
                   .name = "h",
                   .containers = fixture_e_containers,
                   .n_containers = ARRAY_SIZE(fixture_e_containers)},
        .world = {.host = "h", .n_engines = 1},
        .result = {.complete = true},
    };
    host->world.engines = &host->engine;
    host->result.world = &host->world;
}

static void assert_table_has(const struct host *host, const char *part) {
    char *text = fixture_print(&host->result, &fixture_plain);

    assert_has(text, part);
    free(text);
}

static void assert_table_has_not(const struct host *host, const char *part) {
    char *text = fixture_print(&host->result, &fixture_plain);

    assert_has_not(text, part);
    free(text);
}

/* -- the head ------------------------------------------------------------------------ */

static void test_engine_line(void **state) {
    (void)state;
    struct host host;

    make_host(&host);
    assert_table_has(&host, "engine    Docker 20.10.24 at unix:///x, 5 containers running\n");
    host.engine.swarm = true;
    assert_table_has(&host, "5 containers running, swarm worker\n");
    host.engine.manager = true;
    assert_table_has(&host, "5 containers running, swarm manager\n");
    host.engine.swarm = host.engine.manager = false;
    host.engine.podman = host.engine.rootless = true;
    assert_table_has(&host, "engine    Podman 20.10.24 at unix:///x, 5 containers running, "
                            "rootless\n");
}

/* Whose containers and networks are told of. */
static void test_several_engines(void **state) {
    (void)state;
    const struct ng_container other = {.id = "", .name = "o", .image = "", .network_mode = ""};
    struct host host;

    make_host(&host);
    host.engine.networks = &fixture_e_networks[FIXTURE_N_LAN];
    host.engine.n_networks = 1;
    assert_table_has_not(&host, "\nengine    unix:");
    struct ng_engine engines[2] = {host.engine, host.engine};
    engines[1].endpoint = "unix:///y";
    engines[1].n_networks = 0;
    engines[1].containers = &other;
    engines[1].n_containers = 1;
    host.result.talks = fixture_talks;
    host.result.n_talks = 1;
    host.world.engines = engines;
    host.world.n_engines = 2;
    char *text = fixture_print(&host.result, &fixture_plain);
    assert_has(text, "CONTAINERS (5)\nengine    unix:///x\n");
    assert_has(text, "CONTAINERS (1)\nengine    unix:///y\nno port  o\n");
    assert_has(text, "NOTES (2)\nengine    unix:///x\n");
    assert_has_not(text, "NOTES (1)"); /* the other has none */
    free(text);
}

/* -- findings ------------------------------------------------------------------------ */

static void assert_port_line(const struct ng_exposure *exposure, const char *expected) {
    static const char *const zones[] = {"public"};
    const struct ng_finding finding = {.id = "NG001",
                                       .rule = "r",
                                       .severity = NG_HIGH,
                                       .action = NG_ALERT,
                                       .exposure = exposure,
                                       .subject = "s",
                                       .zones = {zones, 1},
                                       .message = "m",
                                       .fix = ""};
    struct ng_result result = fixture_manager_result();

    result.exposures = exposure;
    result.n_exposures = 1;
    result.findings = &finding;
    result.n_findings = 1;
    const struct ng_print_options wide = {.width = 200};
    char *text = fixture_print(&result, &wide);
    assert_has(text, expected);
    free(text);
}

static void test_how_it_is_reached(void **state) {
    (void)state;
    const struct ng_exposure *exposures = fixture_e_exposures;
    struct ng_exposure routed6 = exposures[FIXTURE_X_DIRECT];
    struct ng_exposure elsewhere = exposures[FIXTURE_X_CAMERA];

    assert_port_line(&exposures[FIXTURE_X_INGRESS],
                     "  port      *:8080/tcp -> shop_web:80 (swarm service, on every address of "
                     "every node, whatever the stack file says)\n");
    assert_port_line(&exposures[FIXTURE_X_DIRECT], "  port      172.17.0.2:6379/tcp (by route)\n");
    assert_port_line(&exposures[FIXTURE_X_CAMERA],
                     "  port      192.0.2.50:80/tcp (on the LAN, past this host's firewall: "
                     "macvlan on eth0)\n");
    elsewhere.container_addr.value++; /* on no network that is known */
    assert_port_line(&elsewhere,
                     "  port      192.0.2.51:80/tcp (on the LAN, past this host's firewall)\n");
    assert_port_line(&exposures[FIXTURE_X_API],
                     "  port      0.0.0.0:2375/tcp Docker API, no TLS (local)\n");
    assert_port_line(&exposures[FIXTURE_X_ESP],
                     "  port      0.0.0.0/esp swarm data path, encrypted (local)\n");
    routed6.family = routed6.container_addr.family = NG_IP6;
    assert_port_line(&routed6, "  port      [::ac11:2]:6379/tcp (by route)\n");
}

static void test_roles_are_no_run(void **state) {
    (void)state;
    struct ng_exposure exposures[3] = {fixture_e_exposures[FIXTURE_X_API],
                                       fixture_e_exposures[FIXTURE_X_API],
                                       fixture_e_exposures[FIXTURE_X_API]};
    struct host host;

    make_host(&host);
    host.result.exposures = exposures;
    host.result.n_exposures = 3;
    for (size_t i = 0; i < 3; i++) {
        exposures[i].host_port = (uint16_t)(2375 + i);
        exposures[i].role = NG_ROLE_NONE;
    }
    assert_table_has(&host, " 0.0.0.0:2375-2377/tcp ");
    exposures[1].role = NG_ROLE_DOCKER_API_TLS;
    assert_table_has(&host, " 0.0.0.0:2376/tcp Docker API, TLS ");
    assert_table_has_not(&host, "2375-");
    exposures[0].role = NG_ROLE_DOCKER_API_TLS;
    assert_table_has(&host, " 0.0.0.0:2375-2376/tcp Docker API, ");
    exposures[1].unverified = true;
    assert_table_has_not(&host, "2375-");
}

/* A service stands for its containers: neither has it an id, nor are they without a port. */
static void test_services(void **state) {
    (void)state;
    struct ng_container unnamed = fixture_service;
    struct ng_exposure exposure = fixture_e_exposures[FIXTURE_X_INGRESS];
    struct host host;

    make_host(&host);
    host.result.exposures = &exposure;
    host.result.n_exposures = 1;
    assert_table_has(&host, "no port  app, camera, redis, route\n");
    assert_table_has_not(&host, "NOTES");
    host.engine.swarm = true;
    assert_table_has(&host, "NOTES (1)\ningress  open on every address of every node, whatever the "
                            "stack file says:\n         8080/tcp (shop_web)\n");
    char *text = fixture_print(&host.result, &fixture_verbose);
    assert_has(text, "shop_web  *:8080/tcp -> shop_web:80\n    exposure  e2 (ingress)\n"
                     "    from      public");
    free(text);

    unnamed.service = NULL; /* known by its rules alone */
    unnamed.name = "a service of the swarm";
    exposure.container = &unnamed;
    assert_table_has(&host, "\na service of the swarm  *:8080/tcp -> 80 ");
    assert_table_has(&host, "no port  app, camera, redis, route, shop_web.1.x\n");
}

/* -- notes --------------------------------------------------------------------------- */

static void test_nothing_of_note(void **state) {
    (void)state;
    const struct ng_network networks[] = {
        /* Of those that note something where somebody is on them, none. */
        {.id = "x1", .name = "bridge", .driver = "bridge", .is_default = true},
        {.id = "x2", .name = "lan", .driver = "ipvlan", .parent = "eth0"},
        {.id = "x3", .name = "open", .driver = "bridge", .gateway4 = NG_GATEWAY_ROUTED},
        /* The usual one. */
        {.id = "n1", .name = "shop_default", .driver = "bridge", .bridge = "br-1"},
        {.id = "n3", .name = "sealed", .driver = "bridge", .gateway4 = NG_GATEWAY_ISOLATED},
        {.id = "n2", .name = "cut", .driver = "macvlan", .internal = true},
        {.id = "x4", .name = "attach", .driver = "bridge", .attachable = true},
        {.id = "x5", .name = "secret", .driver = "overlay", .encrypted = true},
    };
    struct host host;

    make_host(&host);
    host.engine.networks = networks;
    host.engine.n_networks = ARRAY_SIZE(networks);
    assert_table_has_not(&host, "NOTES");
}

static void test_lan(void **state) {
    (void)state;
    struct ng_network network = fixture_e_networks[FIXTURE_N_LAN];
    struct host host;

    make_host(&host);
    host.engine.networks = &network;
    host.engine.n_networks = 1;
    network.driver = "ipvlan";
    assert_table_has(&host,
                     "NOTES (1)\nlan  ipvlan on eth0: on the LAN, past this host's firewall; "
                     "the guard will not\n     block them: camera\n");
    network.parent = NULL; /* not told */
    assert_table_has(&host, "NOTES (1)\nlan  ipvlan: on the LAN, ");
    const struct ng_finding finding = {.id = "NG001",
                                       .rule = "r",
                                       .exposure = &fixture_e_exposures[FIXTURE_X_CAMERA],
                                       .subject = "s",
                                       .message = "m",
                                       .fix = ""};
    host.result.exposures = finding.exposure;
    host.result.n_exposures = 1;
    host.result.findings = &finding;
    host.result.n_findings = 1;
    assert_table_has(&host, "192.0.2.50:80/tcp (on the LAN, past this host's firewall)\n");
}

static void test_default_bridge(void **state) {
    (void)state;
    struct ng_network network = fixture_e_networks[FIXTURE_N_BRIDGE];
    struct host host;

    make_host(&host);
    host.engine.networks = &network;
    host.engine.n_networks = 1;
    network.icc_off = false;
    assert_table_has(&host, "NOTES (1)\nbridge  the default bridge, where each gets to all ports "
                            "of the others: app,\n        redis\n");
}

static void test_gateway_modes(void **state) {
    (void)state;
    struct ng_network network = fixture_e_networks[FIXTURE_N_ROUTES];
    struct host host;

    make_host(&host);
    host.engine.networks = &network;
    host.engine.n_networks = 1;
    network.gateway4 = NG_GATEWAY_ROUTED;
    assert_table_has(&host, "NOTES (1)\nroutes  gateway mode routed: the engine leaves");
    network.ipv6 = false; /* then its mode counts for nothing */
    assert_table_has(&host, "NOTES (1)\nroutes  gateway mode routed (IPv4): ");
}

/* One by the network's id, the other by its name. */
static void test_networks_are_known_by_id(void **state) {
    (void)state;
    struct ng_network networks[2] = {fixture_e_networks[FIXTURE_N_LAN],
                                     fixture_e_networks[FIXTURE_N_ROUTES]};
    struct host host;

    make_host(&host);
    host.engine.networks = networks;
    host.engine.n_networks = 2;
    networks[0].name = networks[1].name = "routes";
    networks[1].id = "n3";
    networks[0].id = "n9";
    networks[1].gateway4 = networks[1].gateway6 = NG_GATEWAY_NAT;
    assert_table_has(&host, "routes  macvlan on eth0: on the LAN, past this host's firewall; the "
                            "guard will\n        not block them: route\n");
}

static void test_data_path(void **state) {
    (void)state;
    struct ng_exposure exposure = fixture_e_exposures[FIXTURE_X_DATA_PATH];
    struct host host;

    make_host(&host);
    host.engine.networks = &fixture_e_networks[FIXTURE_N_SHOP];
    host.engine.n_networks = 1;
    host.engine.data_path_port = 9000;
    assert_table_has(&host, "overlays    not encrypted between nodes: shop_back; data path "
                            "9000/udp\nattachable  overlays");
    host.result.exposures = &exposure;
    host.result.n_exposures = 1; /* that of another port */
    assert_table_has(&host, "data path 9000/udp\n");
    exposure.host_port = 9000;
    exposure.n_reach = 1;
    assert_table_has(&host, "data path 9000/udp, perhaps\n            reachable from public "
                            "(eth0)\n");
    exposure.proto = NG_ESP;
    assert_table_has(&host, "data path 9000/udp\n");
    exposure.proto = NG_UDP;
    exposure.role = NG_ROLE_NONE;
    assert_table_has(&host, "data path 9000/udp\n");
    exposure.role = NG_ROLE_SWARM_DATA_PATH;
    exposure.reach = fixture_reach_blocked;
    assert_table_has(&host, "data path 9000/udp, not\n            reachable from outside\n");
}

/* Two families that differ in who gets in are one zone here, zones of like names are two. */
static void test_zones_are_told_once(void **state) {
    (void)state;
    static const struct ng_reach back[] = {
        {.zone = "backoffice", .interface = "eth0", .verdict = NG_REACHABLE}};
    static const struct ng_reach front[] = {
        {.zone = "office", .interface = "eth0", .verdict = NG_REACHABLE}};
    static const struct ng_reach some[] = {{.zone = "office",
                                            .interface = "eth0",
                                            .verdict = NG_PARTLY,
                                            .sources = {fixture_all4, 1}}};
    struct ng_exposure exposures[3] = {fixture_e_exposures[FIXTURE_X_API],
                                       fixture_e_exposures[FIXTURE_X_API],
                                       fixture_e_exposures[FIXTURE_X_API]};
    struct host host;

    make_host(&host);
    exposures[0].reach = back;
    exposures[1].reach = front;
    exposures[2].reach = some;
    host.engine.open_apis = fixture_open_apis;
    host.engine.n_open_apis = 1;
    host.result.exposures = exposures;
    host.result.n_exposures = 3;
    assert_table_has(&host, "Docker API  0.0.0.0:2375 without TLS, reachable from backoffice "
                            "(eth0),\n            office (eth0): whoever");
}

static void assert_link_note(struct ng_talk talk, const char *expected) {
    struct host host;

    make_host(&host);
    host.result.talks = &talk;
    host.result.n_talks = 1;
    char *text = fixture_print(&host.result, &(struct ng_print_options){.width = 160});
    assert_has(text, expected);
    assert_has_not(text, "links to redis");
    assert_has(text, "links to gone as old");
    free(text);
}

static void test_links(void **state) {
    (void)state;
    struct ng_talk talk = fixture_talks[0];

    talk.n_ports = 2;
    talk.verdict = NG_PARTLY;
    assert_link_note(talk, "opens some of 6379/tcp, 16379/tcp, which ICC off closes for others\n");
    talk.opens = false;
    assert_link_note(talk, "names only: all on the network reach some of 6379/tcp, 16379/tcp "
                           "anyway\n");
    talk.verdict = NG_REACHABLE;
    assert_link_note(talk, "NOTES (1)\nlink  app -> redis as cache on bridge: names only: all on "
                           "the network reach 6379/tcp, 16379/tcp anyway\n");
    talk.verdict = NG_BLOCKED;
    assert_link_note(talk, "names only, and does not get to 6379/tcp, 16379/tcp\n");
    talk.verdict = NG_UNKNOWN;
    talk.n_ports = 0;
    assert_link_note(talk, "not known whether it gets to its ports\n");
}

/* Under another name, or of another container, it is another link. */
static void test_other_links_stay(void **state) {
    (void)state;
    struct ng_talk talk = fixture_talks[0];
    struct host host;

    make_host(&host);
    host.result.talks = &talk;
    host.result.n_talks = 1;
    assert_table_has(&host, "app      links to gone as old\n");
    talk.alias = "store";
    assert_table_has(&host, "app      links to redis as cache, links to gone as old\n");
    talk.alias = "cache";
    talk.from = &fixture_e_containers[FIXTURE_E_WEB];
    assert_table_has(&host, "app      links to redis as cache, links to gone as old\n");
    talk.from = fixture_talks[0].from;
    talk.to = talk.from;
    assert_table_has(&host, "app      links to redis as cache, links to gone as old\n");
}

static void test_many_names_are_counted(void **state) {
    (void)state;
    struct ng_registry registries[20];
    char names[20][16];
    struct host host;

    make_host(&host);
    for (size_t i = 0; i < ARRAY_SIZE(registries); i++) {
        snprintf(names[i], sizeof(names[i]), "r%02zu", i);
        registries[i].name = names[i];
    }
    host.engine.insecure_registries = registries;
    host.engine.n_insecure_registries = 12;
    assert_table_has(&host, " r10, r11\n");
    host.engine.n_insecure_registries = 20;
    assert_table_has(&host, " r10, r11 and 8 more\n");
    char *text = fixture_print(&host.result, &fixture_verbose);
    assert_has(text, " r18, r19\n");
    free(text);
}

/* Nothing that an engine, a container or a stack chose gets to the terminal as it is. */
static void test_hostile_strings(void **state) {
    (void)state;
    static const char hostile[] = "x\x1b[2J\n\u202eevil\xff";
    static const char safe[] = "x\\x1b[2J\\x0a\\u202eevil\\xff";
    const struct ng_endpoint on = {
        .network = hostile, .network_id = "", .addr4 = FIXTURE_ADDR4(192, 0, 2, 9)};
    const struct ng_container container = {.id = "1",
                                           .name = hostile,
                                           .image = hostile,
                                           .service = hostile,
                                           .network_mode = hostile,
                                           .endpoints = &on,
                                           .n_endpoints = 1};
    struct ng_network networks[] = {
        {.id = "", .name = hostile, .driver = hostile, .parent = hostile},
        {.id = "", .name = hostile, .driver = "macvlan", .parent = hostile},
        {.id = "", .name = hostile, .driver = "bridge", .is_default = true},
        {.id = "", .name = hostile, .driver = "bridge", .gateway4 = NG_GATEWAY_ROUTED},
        {.id = "", .name = hostile, .driver = "overlay", .attachable = true},
    };
    const struct ng_registry registry = {hostile};
    const struct ng_reach reach = {.zone = hostile, .interface = hostile, .verdict = NG_REACHABLE};
    const struct ng_talk talk = {
        .from = &container, .to = &container, .alias = hostile, .network = hostile};
    struct ng_exposure exposures[] = {
        fixture_e_exposures[FIXTURE_X_CAMERA],
        fixture_e_exposures[FIXTURE_X_INGRESS],
        fixture_e_exposures[FIXTURE_X_DATA_PATH],
    };
    static const char *const zones[] = {hostile};
    struct ng_finding findings[2] = {{.id = "NG001", .exposure = &exposures[0]},
                                     {.id = "NG001", .exposure = &exposures[1]}};
    struct host host;

    make_host(&host);
    exposures[0].container_addr = on.addr4;
    for (size_t i = 0; i < ARRAY_SIZE(exposures); i++) {
        exposures[i].reach = &reach;
        exposures[i].n_reach = 1;
        exposures[i].container = i < 2 ? &container : NULL;
    }
    for (size_t i = 0; i < ARRAY_SIZE(findings); i++) {
        findings[i].rule = findings[i].subject = findings[i].message = findings[i].fix = hostile;
        findings[i].zones = (struct ng_strings){zones, 1};
    }
    host.engine.endpoint = host.engine.version = host.engine.firewall_backend = hostile;
    host.engine.swarm = true;
    host.engine.containers = &container;
    host.engine.n_containers = 1;
    host.engine.networks = networks;
    host.engine.n_networks = ARRAY_SIZE(networks);
    host.engine.insecure_registries = &registry;
    host.engine.n_insecure_registries = 1;
    struct ng_engine engines[2] = {host.engine, host.engine};
    host.world.engines = engines;
    host.world.n_engines = 2;
    host.result.exposures = exposures;
    host.result.n_exposures = ARRAY_SIZE(exposures);
    host.result.findings = findings;
    host.result.n_findings = ARRAY_SIZE(findings);
    host.result.talks = &talk;
    host.result.n_talks = 1;
    for (unsigned width = NG_TABLE_WIDTH; width <= 400; width += 320) {
        char *text = fixture_print(&host.result,
                                   &(struct ng_print_options){.width = width, .verbose = true});

        assert_tidy(text, width);
        if (width == 400)
            assert_has(text, safe);
        free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_engine_line),
        cmocka_unit_test(test_several_engines),
        cmocka_unit_test(test_how_it_is_reached),
        cmocka_unit_test(test_roles_are_no_run),
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_nothing_of_note),
        cmocka_unit_test(test_lan),
        cmocka_unit_test(test_default_bridge),
        cmocka_unit_test(test_gateway_modes),
        cmocka_unit_test(test_networks_are_known_by_id),
        cmocka_unit_test(test_data_path),
        cmocka_unit_test(test_zones_are_told_once),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_other_links_stay),
        cmocka_unit_test(test_many_names_are_counted),
        cmocka_unit_test(test_hostile_strings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
