/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netguard/catalog.h"

#include "netguard/base.h"

/* What stands here stands in packaging/man/netguard-findings.md as well; tests/unit/test_catalog.c
 * holds one to the other. Items of the benchmark are named by their numbers alone. */

#define ITEMS(...) ((const char *const[]){__VA_ARGS__, NULL})

const struct ng_catalog_page ng_catalog[] = {
    {
        .id = NG_ID_DENIED_CONTAINER,
        .title = "a denied port of a container is reachable",
        .means = "A container's port is reachable from a zone for which a deny rule of the policy "
                 "names the port on the host or the one in the container: 16379->6379 is still "
                 "Redis.",
        .why = "Publishing a port writes rules of its own in front of the host's firewall: ufw and "
               "most others go on saying deny while packets pass around them. What was meant for "
               "other containers then answers to everybody.",
        .fix = "Publish the port on an address that only those who need it reach: -p "
               "127.0.0.1:6379:6379.\n"
               "Drop the -p. Containers that share a network reach each other without.\n"
               "Let the guard close it: action: block in the rule, mode: enforce, netguard apply.\n"
               "If it is meant to be open, let an allow rule in front of this one name the "
               "container, or write an exception with a date at which it ends.",
        .cis = ITEMS("5.9"),
    },
    {
        .id = NG_ID_UNNAMED,
        .title = "a port of a container that no rule names is reachable",
        .means = "A container's port is reachable from the zone public, no rule of the policy "
                 "names it, and the policy's default is not allow.",
        .why = "What nobody has thought of is what is open by accident: a debug port, a metrics "
               "endpoint, a database that was published to try something out.",
        .fix = "If it is meant to be open, say so: an allow rule that names the port and the "
               "containers.\n"
               "If it is not, publish it on one address or not at all.\n"
               "Let the guard close whatever no rule names: default: block.",
        .cis = ITEMS("5.9"),
    },
    {
        .id = NG_ID_DENIED_HOST,
        .title = "a denied port of the host itself is reachable",
        .means = "A service of the machine itself, in no container, is reachable from a zone for "
                 "which a deny rule names its port.",
        .why = "The rule says that nobody should get there, whoever serves it. The host's firewall "
               "does see this traffic, and lets it in.",
        .fix = "Let the service listen on 127.0.0.1 or a private address.\n"
               "Close the port in the host's firewall: ufw deny 6379/tcp.\n"
               "If the rule is about containers only, say to whom it applies with to.",
    },
    {
        .id = NG_ID_DOCKER_API,
        .title = "the engine's API is reachable on TCP",
        .means = "The container engine serves its API on a TCP port, and that port is reachable "
                 "from a zone that usage does not list for docker_api.",
        .why =
            "Whoever may give the engine orders is root on the machine: one container with the "
            "host's file system mounted is enough. Without TLS and client certificates everybody "
            "who reaches the port may.",
        .fix = "Drop -H tcp:// and use the socket; from elsewhere by ssh: docker -H ssh://host.\n"
               "If it has to be TCP, demand certificates (--tlsverify) and listen on a private "
               "address.\n"
               "List the zone in usage: docker_api: zones, if it is only the administrators'.",
        .cis = ITEMS("2.7"),
    },
    {
        .id = NG_ID_CLUSTER,
        .title = "a port of the swarm is reachable from outside the cluster",
        .means = "A port by which the nodes of a swarm talk to each other - management (2377/tcp), "
                 "gossip (7946), the data path of overlay networks (4789/udp unless told "
                 "otherwise) or the ESP of encrypted ones - is reachable from a zone that is not "
                 "for the cluster.",
        .why = "The data path takes packets from whoever sends them: with the number of an overlay "
               "network anybody puts frames into it. Management and gossip are protected by "
               "certificates and keys, but are worth no attacker's try.",
        .fix = "Let the swarm use a private network: docker swarm init or join with "
               "--advertise-addr, --listen-addr and --data-path-addr.\n"
               "Let the host's firewall admit the other nodes only.\n"
               "Let the guard close them: usage: cluster: {zones: […], action: block}.",
        .cis = ITEMS("7.2"),
    },
    {
        .id = NG_ID_DIRECT,
        .title = "a container is reachable at its own address",
        .means = "Packets for a container's own address, sent by way of this host, are forwarded "
                 "to it from a zone that usage does not allow direct routing.",
        .why = "A neighbour needs nothing but a route to get to ports that were never published. "
               "Engines before 28 close that only where the policy of the FORWARD chain is drop.",
        .fix = "Let the policy of FORWARD be drop, or drop in DOCKER-USER what comes from outside "
               "for the containers' networks.\n"
               "Upgrade the engine: from 28 on it closes its containers' own addresses.\n"
               "Put a network in gateway mode nat, if it is routed or nat-unprotected.\n"
               "Let the guard close it: usage: direct_routing: {action: block}.",
    },
    {
        .id = NG_ID_CLUSTER_ADDRESS,
        .title = "the nodes of the swarm talk by way of a zone that is not for it",
        .means = "Other nodes of the swarm are reached by way of a zone that usage does not list "
                 "for cluster: this node, or they, advertise an address there.",
        .why =
            "The swarm's ports then have to be open to that zone, or nodes lose each other and "
            "the quorum with them. Overlay networks that are not encrypted cross it in the clear.",
        .fix = "Let the nodes join again with addresses of the private network: docker swarm join "
               "--advertise-addr and --data-path-addr.\n"
               "Define a zone for the network that the nodes are on and list it in usage: cluster: "
               "zones, if it is private.",
    },
    {
        .id = NG_ID_HOST_NETWORK,
        .title = "a container has the network of the host",
        .means = "A container was started with --network host, or joined one that was.",
        .why = "It listens wherever it likes without publishing anything, reaches what the host "
               "serves on loopback only, and is apart from no network: policies about networks do "
               "not hold for it.",
        .fix = "Give it a network of its own and publish the ports that others need.\n"
               "If it has to see the host's own network, as an exporter of metrics has, name it in "
               "usage: host_network: allow.",
        .cis = ITEMS("5.10"),
    },
    {
        .id = NG_ID_LINK,
        .title = "a container is linked to another",
        .means =
            "A container was started with --link. The message says what that comes to: where "
            "the network lets containers talk only when linked (ICC off) the link opens ports, "
            "elsewhere it is a name and nothing more.",
        .why = "Links are a legacy of the engine's and will go. They suggest a separation that the "
               "default bridge does not have, and bind two containers to each other: when one is "
               "made anew the other has to be, too.",
        .fix =
            "Put both containers on a network of their own; there they find each other by name.\n"
            "Of a network without ICC, give those who talk to each other a second network.",
    },
    {
        .id = NG_ID_DEFAULT_BRIDGE,
        .title = "a container is on the default bridge",
        .means = "A container was started without --network, so it is on the engine's default "
                 "bridge, docker0, or joined a container that is.",
        .why = "All containers that nobody thought about are on it, and each reaches every port of "
               "the others, published or not. They do not know each other by name, either.",
        .fix = "Make a network for those who have to talk to each other: docker network create "
               "NAME, then --network NAME, or networks: in a compose file.\n"
               "Switch off ICC on the default bridge (NG030), so that it matters less.",
        .cis = ITEMS("5.30"),
    },
    {
        .id = NG_ID_PRIVILEGED,
        .title = "a container is privileged",
        .means = "A container was started with --privileged: with all capabilities, all devices "
                 "and without a filter for system calls.",
        .why = "It can be root on the host whenever it likes, and so change the firewall, leave "
               "its networks and undo whatever a policy says of them.",
        .fix = "Grant what it needs by name: --cap-add, --device.\n"
               "Run what has to manage the host outside containers.\n"
               "If it may, name it in usage: capabilities: allow.",
    },
    {
        .id = NG_ID_NETWORK_CAPABILITY,
        .title = "a container may change or read the host's network",
        .means = "A container has the network of the host and with it NET_ADMIN or NET_RAW. The "
                 "latter every container has that does not drop it.",
        .why = "With NET_ADMIN it can rewrite the host's firewall, addresses and routes. With "
               "NET_RAW it reads what other services send and receive, and forges packets.",
        .fix = "Drop what it does not need: --cap-drop NET_RAW.\n"
               "Give it a network of its own: there both concern nobody else.\n"
               "If it may, name it in usage: capabilities: allow.",
    },
    {
        .id = NG_ID_ENGINE_SOCKET,
        .title = "the engine's socket is mounted in a container",
        .means = "A socket by which a container engine is ruled, such as /var/run/docker.sock, is "
                 "mounted in a container. That it is mounted read-only changes nothing: requests "
                 "are written to a socket all the same.",
        .why = "Who controls the container starts others with the host's file system mounted, and "
               "so is root. A dashboard or proxy that is reachable from outside is then as good as "
               "the API itself.",
        .fix =
            "Drop the mount.\n"
            "Let a proxy stand between that passes on only the requests that are needed, reading "
            "most often.\n"
            "If it may, name it in usage: capabilities: allow, and keep its ports private.",
    },
    {
        .id = NG_ID_UNENCRYPTED_OVERLAY,
        .title = "an overlay network is not encrypted",
        .means = "An overlay network of the swarm was made without --opt encrypted. The network "
                 "ingress, by which published ports of services are passed on, is so by default.",
        .why = "What containers say to each other across nodes goes in the clear through the "
               "network between them: VXLAN hides nothing and lets anybody there put frames in.",
        .fix = "Make it anew: docker network create --driver overlay --opt encrypted NAME.\n"
               "Of ingress: take the services away that publish ports, docker network rm ingress, "
               "docker network create --driver overlay --ingress --opt encrypted ingress.\n"
               "Let the nodes talk by a network that nobody else is on, and name the overlay in "
               "usage: unencrypted_overlay: allow.",
        .cis = ITEMS("7.3"),
    },
    {
        .id = NG_ID_INSECURE_REGISTRY,
        .title = "a registry is used without demanding TLS",
        .means = "The engine is told to talk to a registry, or to a range of addresses, without "
                 "TLS or without looking at the certificate. Loopback, for which every engine does "
                 "so, does not count.",
        .why = "Whoever is on the way to the registry can put another image in place of the one "
               "that was asked for, and read the password that it is asked with.",
        .fix = "Give the registry a certificate, the engine its CA in "
               "/etc/docker/certs.d/REGISTRY/ca.crt, and take it out of insecure-registries in "
               "/etc/docker/daemon.json.\n"
               "If it is on a network of its own, name it in usage: insecure_registry: allow.",
        .cis = ITEMS("2.5"),
    },
    {
        .id = NG_ID_SEGREGATION_MEMBER,
        .title = "a container is on networks that are to be apart",
        .means = "A container that is no gateway is on two networks, or joined one that is, of "
                 "which the policy's segregation says that they are apart.",
        .why = "Who breaks into it stands on both sides. It is the one way past every rule between "
               "the networks, for inside the container there is none.",
        .fix = "Take it off one of them: docker network disconnect NETWORK CONTAINER, and in the "
               "compose file.\n"
               "If it has to be on both, it is a gateway: name it in gateways.",
    },
    {
        .id = NG_ID_SEGREGATION_PUBLISH,
        .title = "a port is published where nothing is to be",
        .means = "A container publishes a port and is on a network that the policy's segregation "
                 "lists under unpublished.",
        .why = "The network is meant for what only other containers talk to. A published port is a "
               "way in from the host's addresses, past the gateway.",
        .fix = "Drop the -p; containers on the same network reach it without.\n"
               "Let the gateway publish it and pass it on.",
    },
    {
        .id = NG_ID_SEGREGATION_REACH,
        .title = "a container gets to another that it is to be apart from",
        .means = "Packets from a container of one network arrive at a container of another, though "
                 "the policy's segregation says that the networks are apart. The path names each "
                 "hop: an address of the host where a port is published, a rule that accepts, a "
                 "container that is on the host's network.",
        .why =
            "That two networks have different names does not keep them apart; rules do, and here "
            "they do not.",
        .fix = "Take away what the path names: the rule in DOCKER-USER, the published port, the "
               "link.\n"
               "Publish on 127.0.0.1 what only the host needs: other networks do not get there.\n"
               "Make networks internal that need no way out: docker network create --internal.",
    },
    {
        .id = NG_ID_BRIDGE_ICC,
        .title = "containers on the default bridge get to each other",
        .means = "The engine's default bridge lets all containers on it talk to each other (ICC). "
                 "Told by the profile cis, also where no container is on it now.",
        .why = "Whatever is started without --network lands there, and reaches every port of "
               "whatever else did.",
        .fix = "Let the engine close it: \"icc\": false in /etc/docker/daemon.json.\n"
               "Do without a default bridge: \"bridge\": \"none\". Every container then needs a "
               "--network.",
        .cis = ITEMS("2.2"),
    },
    {
        .id = NG_ID_USERLAND_PROXY,
        .title = "a docker-proxy serves published ports",
        .means = "The engine runs a docker-proxy for each published port, a process that takes "
                 "connections on the host and passes them on. Told by the profile cis.",
        .why = "What the proxy takes comes in as to any service of the host, past FORWARD and "
               "DOCKER-USER, where people expect to close published ports; the container sees the "
               "host's address in place of the client's. Each is a process of root's.",
        .fix =
            "Switch it off: \"userland-proxy\": false in /etc/docker/daemon.json. Published ports "
            "are then served by address translation alone.\n"
            "Try first whether somebody uses published ports by ::1 or from old kernels: that "
            "is what it is for.",
        .cis = ITEMS("2.16"),
    },
    {
        .id = NG_ID_PRIVILEGED_PORT,
        .title = "a port below 1024 of the host is a container's",
        .means = "A container or service publishes a port below 1024 of the host, and somebody "
                 "outside reaches it. Told by the profile cis.",
        .why =
            "Low ports are those of well-known services, for which only root may listen; clients "
            "trust them for that. The engine is root and gives them to any container that asks.",
        .fix = "Publish it on a port from 1024 on, and let a load balancer have the low one.\n"
               "If a web server is meant to have 80 and 443, except it: {rule: cis.5.8, to: {name: "
               "edge}}.",
        .cis = ITEMS("5.8"),
    },
    {
        .id = NG_ID_ANY_ADDRESS,
        .title = "a port is published on every address of the host",
        .means = "A container's port is published on 0.0.0.0 or [::], and somebody outside reaches "
                 "it. Told by the profile cis. One that is bound so and that a rule closes to all "
                 "outside is none.",
        .why = "The port is open on every network the host is on, also on those that are added "
               "later. Bound to one address it is open where it is meant to be.",
        .fix = "Name the address: -p 192.0.2.1:443:443, or -p 127.0.0.1:… for what the host alone "
               "needs.\n"
               "Let the engine do so where none is named: \"ip\": \"127.0.0.1\" in "
               "/etc/docker/daemon.json; of networks of your own the option "
               "com.docker.network.bridge.host_binding_ipv4.",
        .cis = ITEMS("5.14"),
    },
    {
        .id = NG_ID_SERVICE_ANY_ADDRESS,
        .title = "a port of a swarm's service is open on every address",
        .means =
            "A service of the swarm publishes a port, in mode ingress or, on this node, in mode "
            "host, and somebody outside reaches it at any address of the host. Told by the "
            "profile cis.",
        .why = "An ingress port is open on every address of every node, whether a task runs there "
               "or not; an address in a stack file changes nothing. No inspection of containers "
               "shows it.",
        .fix = "Publish in mode host on nodes that only those who need it reach: --publish "
               "mode=host,published=8080,target=80.\n"
               "Let the host's DOCKER-USER chain, or the guard, close it to other zones.\n"
               "Services that share an overlay network need no published port for each other.",
        .cis = ITEMS("5.14", "7.2"),
    },
    {
        .id = NG_ID_ONE_PLANE,
        .title = "management and data of the swarm go by one address",
        .means = "This node advertises the address to the swarm by which the data of its overlay "
                 "networks goes as well. Told by the profile cis. Where no container is on an "
                 "overlay network it is told only of a node that has one address outside.",
        .why = "Load on the overlay networks then delays what holds the swarm together, and who "
               "gets to the one gets to the other.",
        .fix = "Give the nodes a second network and let them join with --advertise-addr on one and "
               "--data-path-addr on the other.",
        .cis = ITEMS("7.9"),
    },
    {
        .id = NG_ID_NO_ENGINE_RULES,
        .title = "the engine's rules are not in the packet filter",
        .means = "The engine has networks on bridges of this host, and none of its chains is in "
                 "the packet filter: it may not write them (\"iptables\": false), or somebody has "
                 "flushed them. Told by the profile cis.",
        .why = "Published ports are then served by docker-proxy alone, networks are not kept apart "
               "from each other, and containers' own addresses are as open as the FORWARD chain "
               "lets them be.",
        .fix =
            "Take \"iptables\": false out of /etc/docker/daemon.json and restart the engine.\n"
            "If they were flushed, restart the engine, and keep what flushes them from doing so.",
        .cis = ITEMS("2.4"),
    },
};

const size_t ng_catalog_count = ARRAY_SIZE(ng_catalog);

static char upper(char c) {
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

const struct ng_catalog_page *ng_catalog_find(const char *id) {
    for (size_t i = 0; i < ng_catalog_count; i++) {
        const char *own = ng_catalog[i].id;
        size_t same = 0;
        while (own[same] && upper(id[same]) == own[same])
            same++;
        if (!own[same] && !id[same])
            return &ng_catalog[i];
    }
    return NULL;
}
