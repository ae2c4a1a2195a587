#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""ways.py 20|26|28: the ways to a container that no published port stands for: by a route to
its own address, past the IP hooks, on the host's network, by links; and engines told to do less."""
import concurrent.futures
import contextlib
import ipaddress
import itertools
import json
import socket
import struct
import sys
import tempfile

from lab import CARRIED, EVERYBODY, HOST4, HOST6, LINK, PATIENCE_S, SILENCE_S, Engine, Tap
from lab import inside, same

INNER = "198.51.100.1"  # the host's address on another link than the outside host's
CONTAINERS6 = "2001:db8:d::/64"  # where they have IPv6
ON_LAN = "192.0.2.64", "2001:db8:1::64"  # a container's on the outside host's own network
IP_TRANSPARENT = 19  # socket option: bind to an address of somebody else


def knows_the_way(engine):
    """The outside host has routes to what is behind the engine's host."""
    engine.outside("ip", "route", "add", "172.16.0.0/12", "via", HOST4)
    engine.outside("ip", "route", "add", f"{INNER}/32", "via", HOST4)
    engine.outside("ip", "route", "add", CONTAINERS6, "via", HOST6)


@contextlib.contextmanager
def policy(engine, chain, target, command="iptables"):
    """Of a chain of the filter table, for a while."""
    before = engine.sh(command, "-S", chain).split()[2]
    engine.sh(command, "-P", chain, target)
    try:
        yield
    finally:
        engine.sh(command, "-P", chain, before)


# -- by a route --------------------------------------------------------------------------------


def sctp_init(port):
    """The first packet of an association, for a raw socket; with its CRC-32C, which connection
    tracking looks at."""
    header = struct.pack("!HHI", 40000, port, 0)
    chunk = struct.pack("!BBHIIHHI", 1, 0, 20, 1, 65536, 1, 1, 1)
    crc = 0xFFFFFFFF
    for byte in header + bytes(4) + chunk:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    return header + struct.pack("<I", crc ^ 0xFFFFFFFF) + chunk


def sctp_arrives(engine, name, address, port, source=None):
    """Does the outside host's packet get there? Needs no kernel that speaks SCTP itself, as an
    engine would to publish a port of it."""
    with inside(engine.netns(name)):
        receiver = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_SCTP)
    with inside(engine.out):
        sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_SCTP)
    with sender, receiver:
        receiver.settimeout(SILENCE_S)
        if source:
            sender.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)
            sender.bind((source, 0))
        sender.sendto(sctp_init(port), (address, 0))
        try:
            return sctp_init(port) in receiver.recv(256)
        except TimeoutError:
            return False


def routed(tap, engine):
    """What a container's own address answers, by how its ports are published and by the policy
    of FORWARD. Engines from 28 on drop packets for it where they come in."""
    old = engine.version < 28
    engine.net("ip", "link", "add", "inner0", "type", "bridge")
    engine.net("ip", "address", "add", f"{INNER}/24", "dev", "inner0")
    engine.net("ip", "link", "set", "inner0", "up")
    engine.run("mixed", "-p", "7001:7001", "-p", f"{INNER}:7002:7002", "-p", "127.0.0.1:7003:7003",
               serve=(7000, 7001, 7002, 7003))  # fmt: skip
    engine.run("redis", "--expose", "7132/sctp", serve=(6379, "6379/udp"))
    engine.run("sidecar", "--network", "container:redis", serve=(7100,))
    engine.docker("network", "create", "--internal", "inner")
    engine.run("inner", "--network", "inner", "-p", "7020:7020", serve=(7020,))
    mixed, redis = engine.address("mixed"), engine.address("redis")
    inner = engine.address("inner", "inner")
    subnet = f"{inner}/{engine.networks('inner')['inner']['IPPrefixLen']}"
    subnet = ipaddress.ip_interface(subnet).network

    published = [("mixed", mixed, port, "tcp") for port in (7001, 7002, 7003)]
    # The sidecar listens in redis's network: its port is one of redis's address.
    unpublished = [("mixed", mixed, 7000, "tcp"), ("redis", redis, 6379, "tcp"),
                   ("redis", redis, 6379, "udp"), ("redis", redis, 7100, "tcp")]  # fmt: skip
    for target in "DROP", "ACCEPT":
        reached = published * old + unpublished * (old and target == "ACCEPT")
        what = {0: "none", len(published): "published ones"}.get(len(reached), "all")
        with tap.case(f"by route, FORWARD {target}: open ports: {what}"), \
                policy(engine, "FORWARD", target):  # fmt: skip
            # An internal network is open to whoever claims to be of it, where nothing else
            # closes it: the answer is lost, the packet is not.
            sctp, claims = old and target == "ACCEPT", target == "ACCEPT"
            with concurrent.futures.ThreadPoolExecutor() as pool:
                arrive = [pool.submit(sctp_arrives, engine, *packet) for packet in (
                    ("redis", redis, 7132), ("inner", inner, 7020, str(subnet[-2]))
                )]  # fmt: skip
                engine.prove({
                    (address, port, proto): ("sidecar" if port == 7100 else name)
                    if (name, address, port, proto) in reached else None
                    for name, address, port, proto in published + unpublished
                } | {(inner, 7020): None, (HOST4, 7020): None, (HOST6, 7020): None})  # fmt: skip
            same([a.result() for a in arrive], [sctp, claims], "SCTP arrives at redis and inner")
            report = engine.check()
            for place in published + unpublished:
                report.own_address(*place, reachable=place in reached)
            report.own_address("redis", redis, 7132, "sctp", reachable=sctp)
            same(report.of("sidecar"), [], "exposures of one without an address of its own")
            report.own_address("inner", inner, 7020, reachable=claims, sources=[str(subnet)])
            same(report.of("inner", kind="published"), [], "published ports of inner")
    with tap.case("by route: a port that is published and routed to is two exposures"):
        found = engine.check().of("mixed", family="ip", container_port=7001)
        same(sorted((e["kind"], e["host_port"], e["paths"]) for e in found),
             [("direct", None, ["route"])] * old + [("published", 7001, ["dnat"])],
             "kind, host port and paths")  # fmt: skip


def any_local_address(tap, engine):
    """A host answers at all its addresses on all its links; `mixed` is published on some."""
    old = engine.version < 28
    gateway = engine.networks("mixed")["bridge"]["Gateway"]
    anywhere = HOST4, INNER, gateway, "127.0.0.1"
    answers = {(address, port): None for address in anywhere for port in (7001, 7002, 7003)}
    answers |= {(address, 7001): "mixed" for address in anywhere}
    answers |= {(INNER, 7002): "mixed", ("127.0.0.1", 7003): "mixed" if old else None}
    with tap.case("mixed: asked at addresses of other links, answers where it is published"):
        engine.prove(answers)
        said = engine.questions("reach", [
            {"iif": LINK, "dst": address, "proto": "tcp", "dport": port}
            for address, port in answers
        ])  # fmt: skip
        # What is not translated is for this host, where nobody listens.
        same([a["verdict"] if a["to"] == "container" else None for a in said],
             ["reachable" if answer else None for answer in answers.values()],
             "verdicts")  # fmt: skip
    with tap.case("mixed: one exposure for each address that it is published on"):
        report = engine.check()
        for address, port, reachable in (
            ("0.0.0.0", 7001, True), (INNER, 7002, True), ("127.0.0.1", 7003, old),
        ):  # fmt: skip
            exposure = report.exposure("mixed", 4, "tcp", port, kind="published", host_addr=address)
            same(report.public(exposure)["verdict"], "reachable" if reachable else "blocked",
                 f"verdict of {address}:{port}")  # fmt: skip


# -- IPv6 --------------------------------------------------------------------------------------


def ipv6(tap, engine, name, filtered, network="bridge"):
    """A container with a global IPv6 address and no NAT in between, whose ports 7060 and 7061
    answer, the latter published: what gets there is for ip6tables alone to say."""
    old = engine.version < 28
    address = engine.address(name, network, family=6)
    ports = {7060: not filtered, 7061: not filtered or old}
    with tap.case(f"{name}: over IPv6 at its own address open: {[p for p in ports if ports[p]]}"):
        engine.prove({(address, port): name if ports[port] else None for port in ports})
        report = engine.check()
        for port in ports:
            report.own_address(name, address, port, reachable=ports[port])


def ipv6_published(tap, engine, name, filtered):
    """Who takes port 7061 of the host. From 28 on, link-local sources get docker-proxy."""
    paths = ["proxy"] if not filtered else ["dnat"] if engine.version < 28 else ["dnat", "proxy"]
    with tap.case(f"{name}: published over IPv6, by {' and '.join(paths)}"):
        sources = CARRIED[6] if paths == ["dnat"] else EVERYBODY[6]
        exposure, _, _ = engine.agree(name, HOST6, 7061, reachable=True, sources=sources)
        same(exposure["paths"], paths, "paths")


def ipv6_network(tap, engine, filtered):
    """On a network of its own."""
    engine.docker("network", "create", "--ipv6", "--subnet", CONTAINERS6, "six")
    engine.run("six", "--network", "six", "-p", "7061:7061", serve=(7060, 7061))
    ipv6(tap, engine, "six", filtered, "six")
    ipv6_published(tap, engine, "six", filtered)


# -- on the host's own network, and on the outside host's ---------------------------------------


def host_network(tap, engine):
    """Sockets of the host, which belong to the container that made them."""
    engine.run("exporter", "--network", "host", serve=(9100, "9100/udp"))
    engine.run("joined", "--network", "container:exporter", serve=(9200, "9200/udp"))
    places = list(itertools.product(
        (("exporter", 9100), ("joined", 9200)), ((4, HOST4), (6, HOST6)), ("tcp", "udp")
    ))  # fmt: skip
    report = engine.check()
    for (name, port), (family, address), proto in places:
        with tap.case(f"{name}: on the host's network, {port}/{proto} over IPv{family}"):
            engine.expect(name, address, port, proto)
            exposure = report.exposure(name, family, proto, port, kind="host-network")
            reach = report.public(exposure)
            same((reach["verdict"], reach["sources"], exposure["paths"]),
                 ("reachable", EVERYBODY[family], ["local"]),
                 "verdict, sources and paths")  # fmt: skip
    with tap.case("exporter and joined: closed by INPUT, and no port but those they listen on"), \
            policy(engine, "INPUT", "DROP"), \
            policy(engine, "INPUT", "DROP", "ip6tables"):  # fmt: skip
        engine.prove({(address, port, proto): None for (_, port), (_, address), proto in places})
        report = engine.check()
        for name, port in ("exporter", 9100), ("joined", 9200):
            same({(e["kind"], e["host_port"], report.public(e)["verdict"])
                  for e in report.of(name)},
                 {("host-network", port, "blocked")}, "kind, port and verdict")  # fmt: skip


GUARD = """
table netdev guard {
    chain ingress {
        type filter hook ingress device "eth0" priority 0; policy accept;
        tcp dport 6379 drop
    }
}
"""


def on_the_lan(tap, engine):
    """macvlan: the container has addresses of the outside host's own network, and the host's IP
    hooks never see its packets. ipvlan, where the hardware address is shared as well, is not
    tested here: many a virtual machine's kernel has none."""
    engine.docker("network", "create", "-d", "macvlan", "--subnet", "192.0.2.0/24", "--ipv6",
                  "--subnet", "2001:db8:1::/64", "-o", f"parent={LINK}", "lan")  # fmt: skip
    engine.run("on-lan", "--network", "lan", "--ip", ON_LAN[0], "--ip6", ON_LAN[1],
               "-p", "6379:6379", serve=(6379, 6380), within=True)  # fmt: skip
    with contextlib.ExitStack() as policies:
        for command, chain in itertools.product(("iptables", "ip6tables"), ("INPUT", "FORWARD")):
            policies.enter_context(policy(engine, chain, "DROP", command))
        places = list(itertools.product(ON_LAN, (6379, 6380)))
        with tap.case("on-lan: a macvlan container, open although INPUT and FORWARD drop all"):
            engine.prove({place: "on-lan" for place in places})
            report = engine.check()
            for place in places:
                report.own_address("on-lan", *place, reachable=True, kind="l2")
            same({(e["kind"], *e["paths"]) for e in report.of("on-lan")}, {("l2", "l2")},
                 "kinds and paths")  # fmt: skip
        with tap.case("on-lan: a chain at the parent's ingress closes one port, and that alone"):
            engine.net("nft", GUARD)
            engine.prove({place: "on-lan" if place[1] == 6380 else None for place in places}
                         | {(HOST4, 6379): None, (HOST6, 6379): None})  # fmt: skip
            report = engine.check()
            for place in places:
                report.own_address("on-lan", *place, reachable=place[1] == 6380, kind="l2")
    with tap.case("on-lan: that the guard cannot close it is said beforehand"), \
            tempfile.NamedTemporaryFile("w", suffix=".yaml") as policy_file:  # fmt: skip
        policy_file.write("version: 1\nmode: enforce\nrules: "
                          "[{id: stores, deny: [6380], action: block}]\n")  # fmt: skip
        policy_file.flush()
        planned = engine.netguard("plan", "--format", "json", "--policy", policy_file.name)
        (limit,) = [one for one in json.loads(planned.stdout)["limits"] if "macvlan" in one]
        same((limit.split()[0], "cannot be blocked" in limit), ("on-lan", True), limit)
        found = [f for f in engine.check("--policy", policy_file.name).json["findings"]
                 if f["subject"] == "on-lan"]  # fmt: skip
        same([(f["state"], f["action"], "nor would a guard" in f["fix"]) for f in found],
             [("open", "block", True)] * 2, "findings")  # fmt: skip


# -- links -------------------------------------------------------------------------------------


def says_of_link(report, to, **want):
    """What the report says of app's link to another container."""
    found = [link for link in report.json["links"] if (link["from"], link["to"]) == ("app", to)]
    same([{key: link[key] for key in want} for link in found], [want], f"link of app to {to}")


def links_are_names(tap, engine):
    """Where containers of a network may talk to each other, a link opens nothing."""
    engine.run("app", "--link", "redis:store", serve=(8080,))
    engine.docker("network", "connect", "--link", "inner:base", "inner", "app")
    redis, inner = engine.address("redis"), engine.address("inner", "inner")
    with tap.case("app --link redis: no more than a name on a bridge where all may talk"):
        for name in "app", "mixed":
            engine.prove({(redis, 6379): "redis"}, engine.netns(name))
        says_of_link(engine.check(), "redis", alias="store", network="bridge",
                     ports=["6379/tcp", "7100/tcp", "6379/udp", "7132/sctp"],
                     verdict="reachable", opens=False)  # fmt: skip
    with tap.case("app linked to inner: on a network of their own, no more than a name either"):
        engine.prove({(inner, 7020): "inner"}, engine.netns("app"))
        engine.prove({(inner, 7020): None}, engine.netns("mixed"))
        says_of_link(engine.check(), "inner", alias="base", network="inner", ports=["7020/tcp"],
                     verdict="reachable", opens=False)  # fmt: skip


def links_open(tap, engine):
    """Without communication between containers, a link opens what its target exposes. Engine and
    network are without; and that is true of the default bridge's links alone."""
    engine.run("redis", "--expose", "6379", serve=(6379, 6380))
    engine.run("app", "--link", "redis:store", serve=(8080,))
    engine.run("outsider", serve=(5432,))
    redis = engine.address("redis")
    with tap.case("icc=false: app --link redis opens what redis exposes, to app alone"):
        engine.prove({(redis, 6379): "redis", (redis, 6380): None}, engine.netns("app"))
        engine.prove({(redis, 6379): None}, engine.netns("outsider"))
        says_of_link(engine.check(), "redis", alias="store", network="bridge",
                     ports=["6379/tcp", "6380/tcp"], verdict="partly", opens=True)  # fmt: skip
    engine.docker("network", "create", "-o", "com.docker.network.bridge.enable_icc=false", "mute")
    engine.docker("network", "connect", "mute", "outsider")
    engine.docker("network", "disconnect", "bridge", "outsider")
    engine.docker("network", "connect", "--link", "outsider:base", "mute", "app")
    outsider = engine.address("outsider", "mute")
    with tap.case("icc=false: on a network of one's own a link opens nothing"):
        engine.prove({(outsider, 5432): None}, engine.netns("app"))
        says_of_link(engine.check(), "outsider", alias="base", network="mute", ports=["5432/tcp"],
                     verdict="blocked", opens=False)  # fmt: skip


# -- gateway modes -----------------------------------------------------------------------------


MODES = {  # the ports that answer of 7000 and 7001, the latter published; and the host's
    "routed": ([7001], False),
    "nat-unprotected": ([7000, 7001], True),
    "isolated": ([], False),
}


def gateway_modes(tap, engine):
    """Since engine 27 a network says who gets to its containers' own addresses."""
    option = "com.docker.network.bridge.gateway_mode_ipv4"
    answers, addresses = {}, {}
    for host_port, (mode, (answering, at_host)) in enumerate(MODES.items(), 7040):
        internal = mode == "isolated"
        engine.docker("network", "create", *["--internal"] * internal, "-o", f"{option}={mode}",
                      mode)  # fmt: skip
        engine.run(mode, "--network", mode, "-p", f"{HOST4}:{host_port}:7001", serve=(7000, 7001),
                   within=internal)  # fmt: skip
        addresses[mode] = engine.address(mode, mode)
        answers |= {(addresses[mode], port): mode if port in answering else None
                    for port in (7000, 7001)}  # fmt: skip
        answers[HOST4, host_port] = mode if at_host else None
    with tap.case("gateway modes: packets from outside"):
        engine.prove(answers)
    report = engine.check()
    for mode, (answering, at_host) in MODES.items():
        with tap.case(f"gateway mode {mode}: at its own address answers {answering}, the host's "
                      f"{'as well' if at_host else 'never'}"):  # fmt: skip
            for port in 7000, 7001:
                report.own_address(mode, addresses[mode], port, reachable=port in answering)
            same([report.public(e)["verdict"] for e in report.of(mode, kind="published")],
                 ["reachable"] * at_host, "verdicts about published ports")  # fmt: skip
            (network,) = (n for e in report.json["engines"] for n in e["networks"]
                          if n["name"] == mode)  # fmt: skip
            same((network["gateway_mode_ipv4"], network["internal"]), (mode, mode == "isolated"),
                 "gateway mode and internal")  # fmt: skip


# -- engines -----------------------------------------------------------------------------------


def ordinary(tap, version):
    with Engine(version) as engine:
        knows_the_way(engine)
        routed(tap, engine)
        any_local_address(tap, engine)
        links_are_names(tap, engine)
        ipv6_network(tap, engine, filtered=engine.version >= 28)  # unasked
        host_network(tap, engine)
        if engine.version >= 27:
            gateway_modes(tap, engine)
        on_the_lan(tap, engine)


def without_icc(tap, version):
    """No communication between containers; and IPv6 filtered where that has to be asked for."""
    old = int(version) < 28
    with Engine(version, "--icc=false", *["--experimental", "--ip6tables"] * old) as engine:
        links_open(tap, engine)
        if old:
            knows_the_way(engine)
            ipv6_network(tap, engine, filtered=True)


IPV6 = ["--ipv6", "--fixed-cidr-v6", CONTAINERS6]  # on the default bridge


def without_iptables(tap, version):
    """No rule at all: docker-proxy serves what is published, and routing does the rest."""
    with Engine(version, *IPV6, "--iptables=false", "--ip6tables=false") as engine:
        knows_the_way(engine)
        engine.run("plain", "-p", "7061:7061", serve=(7060, 7061))
        with tap.case("iptables=false: published over IPv4, by proxy"):
            exposure, _, _ = engine.agree("plain", HOST4, 7061, reachable=True)
            same(exposure["paths"], ["proxy"], "paths")
        address = engine.address("plain")
        with tap.case("iptables=false: every port open at the container's own address"):
            engine.prove({(address, 7060): "plain", (address, 7061): "plain"})
            report = engine.check()
            for port in 7060, 7061:
                report.own_address("plain", address, port, reachable=True)
        ipv6(tap, engine, "plain", False)
        ipv6_published(tap, engine, "plain", False)


def without_proxy(tap, version):
    """Where IPv6 is not translated, the engine's own socket is all there is to a port published
    over it."""
    with Engine(version, *IPV6, "--userland-proxy=false", "--ip6tables=false") as engine:
        knows_the_way(engine)
        engine.run("held", "-p", "7061:7061", serve=(7060, 7061))
        ipv6(tap, engine, "held", False)
        with tap.case("held: over IPv6 the engine takes connections and never answers: blocked"):
            with inside(engine.out):
                caller = socket.socket(socket.AF_INET6)
            with caller:
                caller.settimeout(PATIENCE_S)
                caller.connect((HOST6, 7061))
            engine.agree("held", HOST6, 7061, reachable=False)
        with tap.case("held: over IPv4 it is published as ever"):
            exposure, _, _ = engine.agree("held", HOST4, 7061, reachable=True)
            same(exposure["paths"], ["dnat"], "paths")


def main():
    tap = Tap()
    for test in ordinary, without_icc, without_iptables, without_proxy:
        test(tap, sys.argv[1])
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
