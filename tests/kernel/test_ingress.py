#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A swarm's ports in ingress mode, by recorded rules: a kernel without IPVS lets no engine write
them, so those of tests/kernel/rulesets/docker-*-swarm.rules are loaded, with a namespace that
answers in the ingress sandbox's place. What netguard says is compared with where packets go;
the engine's answers are fake, as a worker and a manager give them.

    NETGUARD    the binary (default: build/netguard)

Needs root, iproute2, nftables and iptables-nft. Prints TAP.
"""
import contextlib
import ipaddress
import os
import sys
import tempfile

from judge.written import FOLDER, sections
from test_reach import NETGUARD, check, report
from topology import (Container, Layout, Network, Socket, Topology, Uplink, end_on_signals,
                      pin_to_one_cpu, serve_api, settle_links)

SANDBOX = "ingress_sbox"
WEB, DNS = ("tcp", 8080), ("udp", 5353)
TARGETS = {WEB: 80, DNS: 53}
SERVICES = {WEB: "orders_web", DNS: "orders_dns"}
SOURCES = ["192.0.2.2", "8.8.8.8", "198.51.100.7", "198.51.101.7", "10.0.0.5", "172.18.0.9"]
DROPPED = ipaddress.ip_network("198.51.100.0/24")

LAYOUT = Layout(
    uplinks=(Uplink("eth0", ("192.0.2.1/24", "2001:db8:1::1/64"),
                    ("192.0.2.2/24", "2001:db8:1::2/64")),),
    networks=(Network("bridge", "docker0", ("172.17.0.1/16",)),
              Network("docker_gwbridge", "docker_gwbridge", ("172.18.0.1/16",))),
    containers=(Container(SANDBOX, "docker_gwbridge", ("172.18.0.2",),
                          tuple(Socket(SANDBOX, proto, "0.0.0.0", port)
                                for proto, port in SERVICES)),
                Container("orders_web.1", "docker_gwbridge", ("172.18.0.3",),
                          (Socket("orders_web.1", "tcp", "0.0.0.0", 80),))),
    # The engine holds the ports, so that nobody else takes them, and never accepts.
    sockets=tuple(Socket("dockerd", proto, "::", port, v6only=False, accepts=False)
                  for proto, port in SERVICES))


# -- what a swarm's engines say ------------------------------------------------------------------


def ingress_network(services):
    return {"Name": "ingress", "Id": "z" * 25, "Scope": "swarm", "Driver": "overlay",
            "EnableIPv6": False, "IPAM": {"Driver": "default", "Options": None, "Config": [
                {"Subnet": "10.0.0.0/24", "Gateway": "10.0.0.1"}]},
            "Internal": False, "Attachable": False, "Ingress": True, "Containers": {},
            "Options": {"com.docker.network.driver.overlay.vxlanid_list": "4096"}, "Labels": {},
            "Peers": [{"Name": "a", "IP": "192.0.2.1"}],
            **({"Services": services} if services is not None else {})}


def balanced():
    """The services that the ingress network knows of; those of protocols it does not tell."""
    own = {"": {"VIP": "<nil>", "Ports": [], "LocalLBIndex": 0, "Tasks": []}}
    return own | {name: {"VIP": "10.0.0.4", "LocalLBIndex": 256, "Tasks": [],
                         "Ports": [f"Target: {TARGETS[one]}, Publish: {one[1]}"]}
                  for one, name in SERVICES.items()}


def service(one, name):
    ports = [{"Protocol": one[0], "TargetPort": TARGETS[one], "PublishedPort": one[1],
              "PublishMode": "ingress"}]
    return {"ID": name, "Version": {"Index": 1},
            "Spec": {"Name": name, "Labels": {"com.docker.stack.namespace": "orders"},
                     "EndpointSpec": {"Mode": "vip", "Ports": ports}},
            "Endpoint": {"Spec": {"Mode": "vip", "Ports": ports}, "Ports": ports}}


class Node(Topology):
    """A host of a swarm."""

    def node_documents(self, manager, services):
        """A worker's answers, and a manager's; `services` of the ingress network, None: it tells
        nothing of them."""
        told = super().documents()
        network = ingress_network(services)
        task = next(one for one in told["/containers/json"] if one["Names"] != ["/" + SANDBOX])
        task["Labels"] = {"com.docker.swarm.service.name": "orders_web",
                          "com.docker.stack.namespace": "orders"}
        task["NetworkSettings"]["Networks"] = {"ingress": {
            "NetworkID": network["Id"], "IPAddress": "10.0.0.5", "GlobalIPv6Address": ""}}
        told["/containers/json"] = [task]  # the sandbox is none
        told["/networks"].append(ingress_network(None))
        told["/networks/ingress"] = told["/networks/" + network["Id"]] = network
        told["/info"]["Swarm"] = {"LocalNodeState": "active", "ControlAvailable": manager,
                                  "NodeAddr": "192.0.2.1"}
        if manager:
            told["/services"] = [service(*one) for one in SERVICES.items()]
        return told

    def documents(self):
        return self.node_documents(manager=False, services=balanced())

    def tell(self, manager=False, services=None):
        """Another engine in the place of the one that there is."""
        self.processes.pop().end()
        os.unlink(self.api)
        self.processes.append(serve_api(self.api, self.node_documents(manager, services)))

    def recorded(self, name, lines=()):
        """Loads a ruleset's file, with lines of the operator's in front of DOCKER-USER."""
        with open(os.path.join(FOLDER, name + ".rules"), encoding="utf-8") as file:
            (_, rules), = sections(file.read())
        self.load(v4="\n".join(rules) + "\n")
        for line in lines:
            self.host.run("iptables-nft", "-I", *line.split())


# -- packets and netguard's word -----------------------------------------------------------------


def arriving(top, one):
    """From which of SOURCES first packets come to the sandbox; the same at all addresses, as the
    rules do not ask for one."""
    proto, port = one
    destinations = [addr for addr in top.layout.host_addresses() if ":" not in addr]
    probes = [("eth0", src, dst, proto, 40000, port) for src in SOURCES for dst in destinations]
    places = dict(zip(probes, top.arrivals(probes)))
    arrived = set()
    for src in SOURCES:
        came = {dst for dst in destinations
                if (SANDBOX, "172.18.0.2", port) in places["eth0", src, dst, proto, 40000, port]}
        assert came in (set(), set(destinations)), f"{src} comes in at {came} alone"
        arrived |= {src} if came else set()
    return arrived


def answered(top):
    """Real clients are, by the sandbox, at the addresses that are theirs to ask for."""
    asked = [("eth0", dst, *one) for one in SERVICES for dst in ("192.0.2.1", "2001:db8:1::1")]
    for (_, dst, *one), answer in zip(asked, top.answers(asked)):
        assert answer == (None if ":" in dst else SANDBOX), f"{one} at {dst}: {answer} answers"


def exposure_of(exposures, one):
    """The one of kind ingress; no other is of this port over IPv4, as nobody else serves there."""
    found = [each for each in exposures
             if (each["proto"], each["host_port"]) == one and each["family"] == "ip"]
    kinds = [each["kind"] for each in found]
    assert kinds == ["ingress"], f"{one}: {kinds}"
    return found[0]


def agree(top, expected, targets, names, stack=None, paths=("dnat", "ipvs")):
    """netguard's list of both ports has these targets and service names, and the reach that the
    packets have. `expected`: sources of each port that are to come in. Returns both exposures."""
    exposures, agreed = check(top), []
    listed = [(one["proto"], one["host_port"]) for one in exposures if one["kind"] == "ingress"]
    assert sorted(listed) == sorted(SERVICES), listed
    for one in SERVICES:
        arrived = arriving(top, one)
        assert arrived == expected[one], f"{one}: {sorted(arrived)} arrive"
        exposure = exposure_of(exposures, one)
        assert (exposure["host_addr"], exposure["container_port"], exposure["paths"]) == \
            ("0.0.0.0", targets.get(one), list(paths)), exposure
        container = exposure["container"]
        assert (container["service"], container["id"], container["image"],
                container["networks"]) == (names.get(one), None, None, ["ingress"]), container
        assert not names.get(one) or container["name"] == names[one], container
        assert stack is None or container["stack"] == stack, container
        (reach,) = exposure["reach"]
        assert (reach["zone"], reach["interface"], reach["maybe"], reach["unsure"]) == \
            ("public", "eth0", [], []), reach
        sources = [ipaddress.ip_network(net) for net in reach["sources"]]
        said = {src for src in SOURCES if any(ipaddress.ip_address(src) in net for net in sources)}
        assert said == arrived, f"{one}: {sorted(said)} are said to arrive, {sorted(arrived)} do"
        verdict = {0: "blocked", len(SOURCES): "reachable"}.get(len(arrived), "partly")
        assert reach["verdict"] == verdict, f"{one}: {reach['verdict']}"
        agreed.append(exposure)
    return agreed


def everybody(*ports):
    return {one: set(SOURCES) if one in ports else set() for one in SERVICES}


def test_worker_that_is_told(top, ruleset):
    """By the ingress network: names and targets. The protocols are in the rules alone."""
    top.tell(services=balanced())
    top.recorded(ruleset)
    answered(top)
    agree(top, everybody(WEB, DNS), TARGETS, SERVICES)
    return "both are open on every address, by service and target"


def test_worker_that_is_not_told(top, ruleset):
    top.tell()
    top.recorded(ruleset)
    agree(top, everybody(WEB, DNS), {}, {})
    return "both are open on every address; rules tell no service"


def test_manager(top, ruleset):
    top.tell(manager=True)
    top.recorded(ruleset)
    agree(top, everybody(WEB, DNS), TARGETS, SERVICES, "orders")
    return "both are open on every address, by service, stack and target"


def test_input_drop(top, ruleset):
    """Which is not on the way."""
    top.tell(manager=True)
    top.recorded(ruleset)
    top.host.run("iptables-nft", "-P", "INPUT", "DROP")
    agree(top, everybody(WEB, DNS), TARGETS, SERVICES)
    return "open all the same"


def test_docker_user_drops_some(top, ruleset):
    top.tell(manager=True)
    top.recorded(ruleset, [f"DOCKER-USER -s {DROPPED} -j DROP"])
    some = {src for src in SOURCES if ipaddress.ip_address(src) not in DROPPED}
    assert some != set(SOURCES)
    agree(top, dict.fromkeys(SERVICES, some), TARGETS, SERVICES)
    return "partly open"


def test_docker_user_drops_one(top, ruleset):
    for manager, told in (True, (TARGETS, SERVICES)), (False, ({}, {})):
        top.tell(manager)
        top.recorded(ruleset, ["DOCKER-USER -i eth0 -p tcp -m conntrack --ctorigdstport 8080 "
                               "-j DROP"])
        web, _ = agree(top, everybody(DNS), *told)
        (reach,) = web["reach"]
        assert reach["decided_by"]["chain"] == "DOCKER-USER", reach["decided_by"]
    return "8080/tcp is blocked by DOCKER-USER, 5353/udp open"


@contextlib.contextmanager
def guarded(top, *rules):
    """With the guard in force, made for what the engine tells now."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as policy:
        policy.write("version: 1\nmode: enforce\nrules:\n" +
                     "".join(f"  - {{{rule}}}\n" for rule in rules))
        policy.flush()
        top.host.run(NETGUARD, "apply", "--policy", policy.name, "--docker", f"unix://{top.api}")
        yield
        top.host.run(NETGUARD, "remove")


def test_guard(top, ruleset):
    """What was asked for and what the service has it lead to, of services that are told; of those
    that are not, what was asked for alone, and no name opens them."""
    by_name = ("id: names, allow: ['5353->53'], to: {service: orders_dns}",
               "id: rest, deny: ['@any'], action: block")
    for services, told in (balanced(), (TARGETS, SERVICES)), (None, ({}, {})):
        top.tell(services=services)
        top.recorded(ruleset)
        for rules, opened, untold in (
            (["id: web, deny: [8080], action: block"], (DNS,), (DNS,)),
            (["id: web, deny: [80], action: block"], (DNS,), (WEB, DNS)),
            (by_name, (DNS,), ()),
        ):
            with guarded(top, *rules):
                agree(top, everybody(*(opened if services else untold)), *told)
    return "closed by port, by target and by name"


def test_no_rules(top, _):
    """As with a kernel that lacks IPVS: a port that its service asks for, and nobody leads on."""
    top.tell(manager=True)
    top.load()
    agree(top, everybody(), TARGETS, SERVICES, "orders", paths=())
    return "both are blocked"


TESTS = [test_worker_that_is_told, test_worker_that_is_not_told, test_manager, test_input_drop,
         test_docker_user_drops_some, test_docker_user_drops_one, test_guard]
TITLE = "ingress by recorded rules" + \
    ("" if os.path.exists("/proc/net/ip_vs") else " (this kernel lacks IPVS)")


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return 0
    if not os.access(NETGUARD, os.X_OK):
        print(f"Bail out! no netguard at {NETGUARD}: build it first, or set NETGUARD")
        return 1
    pin_to_one_cpu()
    end_on_signals()
    cases = [(test, name) for name in ("docker-20-swarm", "docker-28-swarm") for test in TESTS]
    cases.append((test_no_rules, "no rules"))
    print(f"1..{len(cases)}", flush=True)
    failed = 0
    with Node(LAYOUT) as top:
        settle_links(top.host)
        for number, (test, name) in enumerate(cases, 1):
            title = test.__name__[5:].replace("_", " ")
            failed += report(number, f"{TITLE}: {name}: {title}", test, top, name)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
