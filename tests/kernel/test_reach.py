#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel judges what `netguard check` says about reach.

Rulesets as Docker, ufw and their users write them are loaded in a namespace; first packets
from many sources are sent to every port that netguard lists, and where they arrive has to be
what it says:

    arrived          => among the sources, or perhaps (`maybe`)
    among sources    => arrived
    perhaps          => only where a rule asks for what no ruleset tells (a rate, a clock)

    NETGUARD            the binary (default: build/netguard)
    NETGUARD_SEED       of the generated rulesets (default: always the same)
    NETGUARD_CASES      how many of them (default 12)
    NETGUARD_RULESETS   a folder of recorded rulesets with measured answers, compared if there

Needs root, iproute2, nftables and iptables-nft. Prints TAP.
"""
import bisect
import functools
import glob
import ipaddress
import json
import os
import random
import re
import subprocess
import sys
import time

import generated
from docker_rules import docker20, docker28, docker29, ufw
from topology import (Container, Layout, Network, Published, Socket, Topology, Uplink, address,
                      end_on_signals, family_of, link_local, pin_to_one_cpu, settle_links)

HERE = os.path.dirname(os.path.abspath(__file__))
NETGUARD = os.environ.get("NETGUARD", os.path.join(HERE, "../../build/netguard"))
# The same in every run: what no one has changed must not fail. A campaign goes farther.
SEED = os.environ.get("NETGUARD_SEED", "1")
CASES = int(os.environ.get("NETGUARD_CASES", "12"))
RULESETS = os.environ.get("NETGUARD_RULESETS", "")

# What no ruleset tells; only here may netguard be unsure.
UNDECIDABLE = re.compile(r"-m (recent|hashlimit|connlimit|statistic|time|quota)\b"
                         r"|-m limit\b(?!.*-j (LOG|NFLOG))")
SOURCE_PORT = 40000
SOURCES_PER_PORT = 200
SOURCES_PER_PORT_GENERATED = 40
SOURCES_PER_OWN_PORT = 12  # a container's own address, beside the port that leads there

EVERYWHERE = {4: ["192.0.2.2", "10.9.0.2", "8.8.8.8", "198.51.100.7", "0.1.2.3", "240.0.0.1",
                  "172.17.0.2", "172.17.0.99", "192.0.2.255", "127.0.0.1", "224.0.0.1"],
              6: ["2001:db8:1::2", "fd00:9::2", "2001:db8:ffff::1", "fe80::77", "fd00:17::2",
                  "fd00:18::99", "::ffff:1.2.3.4", "::1", "ff02::1"]}


def layout(**changes):
    """Two uplinks, two networks, ports published in all the ways there are."""
    published = [
        Published("web", "tcp", "0.0.0.0", 8080, 80), Published("web", "tcp", "::", 8080, 80),
        Published("web", "tcp", "127.0.0.1", 8081, 80),
        Published("web", "tcp", "192.0.2.1", 8443, 443),
        Published("web", "udp", "0.0.0.0", 5353, 53), Published("web", "udp", "::", 5353, 53),
        Published("db", "tcp", "0.0.0.0", 6379, 6379), Published("db", "tcp", "::", 6379, 6379),
        Published("db", "tcp", "10.9.0.1", 16379, 6379),
    ]
    both = ("0.0.0.0", "::")
    parts = {
        "uplinks": (Uplink("eth0", ("192.0.2.1/24", "2001:db8:1::1/64"),
                           ("192.0.2.2/24", "2001:db8:1::2/64")),
                    Uplink("eth1", ("10.9.0.1/24", "fd00:9::1/64"),
                           ("10.9.0.2/24", "fd00:9::2/64"))),
        "networks": (Network("bridge", "docker0", ("172.17.0.1/16", "fd00:17::1/64")),
                     Network("app", "br-app", ("172.18.0.1/16", "fd00:18::1/64"))),
        "containers": (
            Container("web", "bridge", ("172.17.0.2", "fd00:17::2"),
                      tuple(Socket("web", proto, addr, port) for addr in both
                            for proto, port in (("tcp", 80), ("tcp", 443), ("udp", 53)))),
            Container("db", "app", ("172.18.0.2", "fd00:18::2"),
                      tuple(Socket("db", "tcp", addr, 6379) for addr in both))),
        "sockets": (*(Socket("docker-proxy", one.proto, one.addr, one.port) for one in published),
                    Socket("sshd", "tcp", "::", 22, v6only=False),
                    Socket("named", "udp", "0.0.0.0", 53), Socket("named", "udp", "::", 53),
                    Socket("exporter", "tcp", "10.9.0.1", 9100),
                    Socket("admin", "tcp", "127.0.0.1", 9200)),
        "published": tuple(published),
    }
    return Layout(**{**parts, **changes})


# -- sets of addresses ---------------------------------------------------------------------------


class Addresses:
    def __init__(self, prefixes):
        ends = sorted((int(net.network_address), int(net.broadcast_address))
                      for net in map(ipaddress.ip_network, prefixes))
        self.intervals = []
        for low, high in ends:
            if self.intervals and self.intervals[-1][1] + 1 >= low:
                self.intervals[-1][1] = max(self.intervals[-1][1], high)
            else:
                self.intervals.append([low, high])
        self.lows = [low for low, _ in self.intervals]

    def __contains__(self, number):
        at = bisect.bisect_right(self.lows, number) - 1
        return at >= 0 and number <= self.intervals[at][1]


def around(intervals):
    """Both ends of each interval and their neighbours outside."""
    for low, high in intervals:
        yield from (low - 1, low, high, high + 1)


@functools.cache
def named_intervals(text, family):
    """What a ruleset names as an address, prefix or range."""
    found = []
    for word in re.split(r"[\s,{}]+", text):
        try:
            if "-" in word:
                low, high = map(address, word.split("-"))
            else:
                net = ipaddress.ip_network(word.strip("[]"), strict=False)
                low, high = net[0], net[-1]
        except ValueError:
            continue
        if low.version == high.version == family:
            found.append((int(low), int(high)))
    return found


def candidates(text, family, reach, most):
    """Sources worth asking from: next to every border in the rules and in the answer."""
    wide = (1 << (32 if family == 4 else 128)) - 1
    numbers = {int(address(one)) for one in EVERYWHERE[family]}
    borders = set(around(named_intervals(text, family)))
    borders.update(one for sets in reach for one in around(sets.intervals))
    if len(borders) > most:
        borders = set(random.Random(0).sample(sorted(borders), most))
    make = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
    return [make(one) for one in sorted(numbers | borders) if 0 <= one <= wide]


def source_ports(text, answered):
    """Source ports worth asking from: next to every border in the rules and in the answer."""
    borders = [end for part in answered if len(part) < 65536 for end in (part[0], part[-1])]
    for words in re.findall(r"--(?:s?ports?|source-ports?) ([\d:,]+)", text):
        borders += map(int, re.split("[:,]", words))
    ports = {port for end in borders for port in (end - 1, end, end + 1) if 0 < port < 65535}
    return [SOURCE_PORT, *sorted(ports - {SOURCE_PORT})]


# -- one world -----------------------------------------------------------------------------------


def check(top):
    done = subprocess.run(["nsenter", f"--net=/run/netns/{top.host.name}", NETGUARD, "check",
                           "--docker", f"unix://{top.api}", "--format", "json"],
                          stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode in (0, 1), f"netguard check: exit {done.returncode}"
    world = json.loads(done.stdout)
    assert world["complete"] and not world["gaps"], world["gaps"]
    return world["exposures"]


def place_of(exposure):
    """The address and port that are asked for."""
    if exposure["kind"] == "direct":
        return exposure["container_addr"], exposure["container_port"]
    return exposure["host_addr"], exposure["host_port"]


def name_of(exposure):
    who = exposure["container"]["name"] if exposure["container"] else exposure["process"]
    addr, port = place_of(exposure)
    return f"{who} {addr}:{port}/{exposure['proto']}"


def unlisted(top, listed):
    """Containers' own addresses of which netguard says nothing: nobody gets there."""
    told = {(one["proto"], *place_of(one)) for one in listed if one["kind"] == "direct"}
    for published in top.layout.published:
        container = next(one for one in top.layout.containers if one.name == published.container)
        for addr in container.addrs:
            if (published.proto, addr, published.container_port) not in told:
                told.add((published.proto, addr, published.container_port))
                yield {"kind": "direct", "family": "ip" if family_of(addr) == 4 else "ip6",
                       "proto": published.proto, "container": {"name": container.name},
                       "container_addr": addr, "container_port": published.container_port,
                       "reach": [{"interface": one.name, "verdict": "blocked", "sources": [],
                                  "maybe": [], "unsure": [], "source_ports": None}
                                 for one in top.layout.uplinks]}  # fmt: skip


class Question:
    """One exposure as seen from one interface, with netguard's answer and the probes for it."""

    def __init__(self, top, exposure, uplink, rules, most):
        self.top, self.exposure, self.uplink = top, exposure, uplink
        self.family = 4 if exposure["family"] == "ip" else 6
        most = min(most, SOURCES_PER_OWN_PORT) if exposure["kind"] == "direct" else most
        own = [one for one in exposure["reach"] if one["interface"] == uplink]
        assert own, f"{name_of(exposure)}: nothing is said of {uplink}"
        self.sources = Addresses([one for part in own for one in part["sources"]])
        self.maybe = Addresses([one for part in own for one in part["maybe"]])
        self.reasons = [one for part in own for one in part["unsure"]]
        self.verdicts = {part["verdict"] for part in own}
        self.ports = [range(low, high + 1) for part in own
                      for low, high in part["source_ports"] or [(0, 65535)]]
        addrs = list(map(str, candidates(rules, self.family, (self.sources, self.maybe), most)))
        ports = source_ports(rules, self.ports)
        # From every port only where rules tell ports apart, and then from some addresses; not
        # from the host's and containers' own, where one probe could be the answer to another.
        own = {*top.layout.host_addresses(),
               *(addr for one in top.layout.containers for addr in one.addrs)}
        strangers = [src for src in addrs if src not in own]
        some = random.Random(0).sample(strangers, min(10, len(strangers)))
        self.fully = set(addrs if len(ports) == 1 else some)
        self.asked = [(src, port) for src in addrs
                      for port in (ports if src in self.fully else [SOURCE_PORT])]
        self.arrived = {}

    @functools.cached_property
    def destinations(self):
        host, _ = place_of(self.exposure)
        if int(address(host)):
            return [host]
        own = [one for one in self.top.layout.host_addresses() if family_of(one) == self.family]
        names = [one.name for one in self.top.layout.uplinks]
        return own + ([link_local(names.index(self.uplink))] if self.family == 6 else [])

    def probes(self):
        _, port = place_of(self.exposure)
        for src, sport in self.asked:
            for dst in self.destinations:
                yield (self.uplink, src, dst, self.exposure["proto"], sport, port)

    def note(self, arrived):
        for probe in self.probes():
            key = (probe[1], probe[4])
            self.arrived[key] = self.arrived.get(key, False) or \
                any(map(self.is_here, arrived[probe]))

    def is_here(self, place):
        where, dst, port = place
        container, layout_ = self.exposure["container"], self.top.layout
        if where is None:
            return any(one.takes(self.exposure["proto"], dst, port) for one in layout_.sockets)
        return bool(container) and where == container["name"] \
            and port == self.exposure["container_port"] \
            and dst in next(one.addrs for one in layout_.containers if one.name == where)

    def refused_by_nature(self, src):
        """Sources that IP refuses whatever the rules say, and that netguard leaves in."""
        src = address(src)
        own = str(src) in self.top.layout.host_addresses()
        refused = src.is_multicast or src.is_loopback or int(src) == 0
        if src.version == 4:
            refused = refused or own or int(src) == 0xFFFFFFFF
            # Without validation these are let in.
            broadcast = any(src == ipaddress.ip_interface(one).network.broadcast_address
                            for part in (*self.top.layout.uplinks, *self.top.layout.networks)
                            for one in part.own)
            refused = refused or self.top.validates and (
                broadcast or int(src) >> 24 == 0 or int(src) >> 29 == 7)
        return refused

    def complaints(self, undecidable):
        for src in dict.fromkeys(src for src, _ in self.arrived):
            number = int(address(src))
            sure, perhaps = number in self.sources, number in self.maybe
            ports = [port for (one, port), came in self.arrived.items() if one == src and came]
            strays = [port for port in ports if not any(port in one for one in self.ports)]
            if ports and not sure and not perhaps:
                yield f"{src} arrives, and is said not to (UNSOUND)"
            elif sure and not ports and src in self.fully and not self.refused_by_nature(src):
                yield f"{src} does not arrive, and is said to"
            elif sure and strays and not undecidable:
                yield f"{src} arrives from port {strays[0]}, and is said not to (UNSOUND)"
            if perhaps and not undecidable:
                yield f"{src}: perhaps, because of {self.reasons}"
        if "blocked" in self.verdicts and len(self.verdicts) == 1 \
                and (self.sources.intervals or self.maybe.intervals):
            yield "blocked, with sources"


def judge(top, rules, most=SOURCES_PER_PORT):
    """Everything netguard lists in this world, against the kernel. Returns how many probes were
    compared, and the complaints."""
    undecidable = UNDECIDABLE.search(rules) is not None
    exposures = check(top)
    assert exposures, "nothing is listed"
    questions = [Question(top, exposure, uplink.name, rules, most)
                 for exposure in (*exposures, *unlisted(top, exposures))
                 for uplink in top.layout.uplinks]
    listed = {(one["proto"], *place_of(one)) for one in exposures}
    for one in top.layout.published:
        assert (one.proto, one.addr, one.port) in listed, f"{one} is not listed"
    arrived = {}
    for uplink in top.layout.uplinks:
        # One after the other: the same packet by another interface is the same connection.
        probes = list(dict.fromkeys(probe for one in questions if one.uplink == uplink.name
                                    for probe in one.probes()))
        arrived.update(zip(probes, top.arrivals(probes)))
    for one in questions:
        one.note(arrived)
    complaints = [f"{name_of(one.exposure)} from {one.uplink}: {text}"
                  for one in questions for text in one.complaints(undecidable)]
    return len(arrived), complaints


def confirm(top):
    """Real clients are answered where raw probes arrive, and by whom they arrive at."""
    first = top.layout.uplinks[0]
    own = {family_of(one.partition("/")[0]): one.partition("/")[0] for one in first.own}
    peer = {family_of(one.partition("/")[0]): one.partition("/")[0] for one in first.peer}
    ports = {(one.proto, one.port) for one in (*top.layout.published, *top.layout.sockets)}
    asked = [(first.name, dst, proto, port) for proto, port in sorted(ports)
             for dst in own.values()]
    heard = top.arrivals([(uplink, peer[family_of(dst)], dst, proto, SOURCE_PORT, port)
                          for uplink, dst, proto, port in asked])
    answers = top.answers(asked)
    assert any(answers), "nobody answers at all"
    for one, places, answer in zip(asked, heard, answers):
        expected = None
        for where, dst, port in places:
            expected = where or next((each.owner for each in top.layout.sockets
                                      if each.takes(one[2], dst, port)), None)
        assert answer == expected, f"{one}: {answer} answers, but the probe came to {expected}"


def scenario(top, v4="", v6="", nft=""):
    top.load(v4, v6, nft)
    probes, complaints = judge(top, v4 + v6 + nft)
    assert not complaints, "\n".join([f"{len(complaints)} disagreements", *complaints[:12]])
    confirm(top)
    return f"{probes} probes"


# -- what Docker and ufw write ---------------------------------------------------------------------


def both(writer, top, **more):
    return {"v4": writer(top.layout, 4, **more), "v6": writer(top.layout, 6, **more)}


def test_no_rules(top):
    return scenario(top)


def test_docker_20(top):
    return scenario(top, **both(docker20, top))


def test_docker_20_forward_accept(top):
    return scenario(top, **both(docker20, top, forward="ACCEPT"))


def test_docker_20_no_icc_input_drop(top):
    return scenario(top, **both(docker20, top, no_input="DROP", icc=False))


def test_docker_20_without_ip6tables(top):
    return scenario(top, v4=docker20(top.layout, 4))


def test_docker_20_without_ip6tables_input_drop(top):
    return scenario(top, v4=docker20(top.layout, 4),
                    v6="*filter\n:INPUT DROP [0:0]\n"
                       "-A INPUT -s 2001:db8:1::/64 -p tcp --dport 8080 -j ACCEPT\nCOMMIT\n")


def test_docker_28(top):
    return scenario(top, **both(docker28, top))


def test_docker_28_forward_accept(top):
    return scenario(top, **both(docker28, top, forward="ACCEPT"))


def test_docker_29_nftables(top):
    return scenario(top, nft=docker29(top.layout, 4) + docker29(top.layout, 6))


def test_docker_29_and_a_table_of_the_operator(top):
    own = """
        table inet mine {
            set office { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 198.51.100.7 } }
            chain forward {
                type filter hook forward priority filter - 1; policy accept;
                ct state established,related accept
                iifname "eth0" ip saddr != @office tcp dport { 80, 443 } drop
                iifname "eth*" ip6 saddr 2001:db8:1::/65 meta l4proto { tcp, udp } drop
                ct original ip daddr 192.0.2.1 tcp dport 6379 reject
            }
            chain input {
                type filter hook input priority filter; policy drop;
                iif lo accept
                ct state vmap { established : accept, related : accept, invalid : drop }
                tcp dport 22 ip saddr @office accept
                ip6 saddr fe80::/10 accept
                meta nfproto ipv4 udp dport 53 accept
            }
        }
    """
    return scenario(top, nft=docker29(top.layout, 4) + docker29(top.layout, 6) + own)


UFW_RULES = {
    4: [{"verdict": "deny", "source": "192.0.2.128/25"},
        {"verdict": "allow", "source": "10.0.0.0/8", "proto": "tcp", "port": 22},
        {"verdict": "reject", "source": "198.51.100.0/24", "port": 53},
        {"verdict": "allow", "port": 53},
        {"verdict": "allow", "source": "192.0.2.0/26", "to": "10.9.0.1", "proto": "tcp",
         "port": 9100},
        {"verdict": "deny", "source": "10.9.0.0/30", "to": "172.17.0.2", "proto": "tcp",
         "port": 80, "route": True}],
    6: [{"verdict": "allow", "source": "fd00::/8", "proto": "tcp", "port": 22},
        {"verdict": "deny", "source": "2001:db8:1::/120"},
        {"verdict": "allow", "source": "2001:db8:1::/64", "proto": "tcp", "port": 8080}],
}


def test_ufw(top):
    return scenario(top, **{
        f"v{family}": docker20(top.layout, family, no_input="DROP",
                               extra=ufw(family, UFW_RULES[family])) for family in (4, 6)})


def test_ufw_without_ip6tables(top):
    """IPv6 then goes to docker-proxy through ufw's input chains."""
    bare = Layout(top.layout.uplinks, (), ())
    return scenario(top, v4=docker20(top.layout, 4, no_input="DROP", extra=ufw(4, UFW_RULES[4])),
                    v6=docker20(bare, 6, no_input="DROP", extra=ufw(6, UFW_RULES[6])))


def test_ufw_limit(top):
    limits = {family: [*UFW_RULES[family], {"verdict": "limit", "proto": "tcp", "port": 22}]
              for family in (4, 6)}
    return scenario(top, **{f"v{family}": docker20(top.layout, family, no_input="DROP",
                                                   extra=ufw(family, limits[family]))
                            for family in (4, 6)})


# -- what people put into DOCKER-USER and INPUT ----------------------------------------------------

OPERATOR4 = {
    "drop all but one network": ["-A DOCKER-USER -i eth0 ! -s 198.51.100.0/24 -j DROP"],
    "accept some, drop the rest": [
        "-A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
        "-A DOCKER-USER -s 192.0.2.0/28 -j RETURN",
        "-A DOCKER-USER -s 10.0.0.0/8 -p tcp -m multiport --dports 80,443 -j ACCEPT",
        "-A DOCKER-USER -i eth+ -j DROP", "-A DOCKER-USER -j RETURN"],
    "ranges": [
        "-A DOCKER-USER -m iprange --src-range 192.0.2.10-192.0.2.20 -j DROP",
        "-A DOCKER-USER -p tcp -m multiport --dports 6000:7000 -m iprange ! --src-range "
        "10.0.0.5-10.9.0.9 -j REJECT"],
    "by interface": ["-A DOCKER-USER ! -i eth1 -o docker0 -j DROP",
                     "-A DOCKER-USER ! -i docker0 -o br-app ! -s 10.9.0.0/24 -j DROP"],
    "by the port asked for": [
        "-A DOCKER-USER -p tcp -m conntrack --ctorigdstport 8080 --ctdir ORIGINAL -s 192.0.2.0/25 "
        "-j DROP",
        "-A DOCKER-USER -p tcp -m conntrack --ctorigdst 192.0.2.1 --ctorigdstport 6379 -j DROP",
        "-A DOCKER-USER -m conntrack --ctstate DNAT -s 198.51.100.7 -j DROP"],
    "marks": [
        "mangle -A PREROUTING -s 10.0.0.0/8 -j MARK --set-xmark 0x10/0xf0",
        "mangle -A PREROUTING -i eth0 -p tcp --dport 8080 -j MARK --or-mark 0x1",
        "-A DOCKER-USER -m mark ! --mark 0x10/0xf0 -o br-app -j DROP",
        "-A DOCKER-USER -m mark --mark 0x1/0x1 -s 192.0.2.0/26 -j DROP",
        "-A INPUT -m mark --mark 0x10 -p tcp --dport 22 -j ACCEPT",
        "-A INPUT -p tcp --dport 22 -j DROP"],
    "chains of their own": [
        ":TRUSTED - [0:0]", ":CHECK - [0:0]",
        "-A TRUSTED -s 192.0.2.0/24 -j RETURN", "-A TRUSTED -s 10.0.0.0/9 -g CHECK",
        "-A TRUSTED -j DROP", "-A CHECK -p udp -j ACCEPT", "-A CHECK -p tcp ! --dport 80 -j DROP",
        "-A DOCKER-USER -p tcp -j TRUSTED", "-A DOCKER-USER -s 192.0.2.7 -j DROP",
        "-A INPUT -p udp -m udp ! --dport 53 -j CHECK", "-A INPUT -g TRUSTED"],
    "source ports": ["-A DOCKER-USER -p tcp -m tcp --sport 1024:2047 -j DROP",
                     "-A INPUT -p tcp -m tcp ! --sport 1:1023 --dport 22 -j DROP"],
    "before the connection is known": [
        "raw -A PREROUTING -s 172.17.0.0/16 -m conntrack ! --ctstate NEW,DNAT -j DROP",
        "raw -A PREROUTING -s 10.9.0.0/28 -m conntrack ! --ctorigdstport 1 -j DROP"],
    "untracked": ["raw -A PREROUTING -s 198.51.100.0/24 -j CT --notrack",
                  "raw -A PREROUTING -p udp --dport 53 -j NOTRACK",
                  "-A INPUT -m conntrack --ctstate UNTRACKED -p udp -j DROP",
                  "-A DOCKER-USER -m conntrack ! --ctstate NEW -j DROP"],
    "negated twice": ["-A INPUT ! -s 10.0.0.0/8 ! -i eth1 ! -p udp -j DROP",
                      "-A INPUT ! -d 192.0.2.1 -m pkttype --pkt-type unicast -j REJECT",
                      "-A DOCKER-USER -m addrtype ! --dst-type LOCAL -m tcp -p tcp --syn "
                      "-s 240.0.0.0/4 -j DROP"],
}

OPERATOR6 = {
    "types of addresses, which IPv6 reads in its own way": [
        "-A INPUT -m addrtype --dst-type UNICAST -s 2001:db8:1::/126 -j DROP",
        "-A INPUT -m addrtype ! --dst-type LOCAL,MULTICAST -s fd00:9::/120 -j DROP",
        "-A INPUT -m addrtype --dst-type LOCAL,UNICAST -s 2001:db8:ffff::/64 -j DROP",
        "-A DOCKER-USER -m addrtype --dst-type UNICAST -s fd00:17::/96 -j DROP"],
    "neighbours": ["-A INPUT -s fe80::/10 -p tcp -m tcp --dport 22 -j ACCEPT",
                   "-A INPUT -p tcp -m tcp --dport 22 -j DROP",
                   "-A DOCKER-USER -i eth0 ! -s 2001:db8:1::/64 -j DROP"],
}


def test_operator(top):
    """What operators write, one after the other, on 20 and on 28."""
    asked, failed = 0, []
    cases = [(4, *one) for one in OPERATOR4.items()] + [(6, *one) for one in OPERATOR6.items()]
    for family, name, lines in cases:
        for writer in (docker20, docker28):
            rules = {f"v{each}": writer(top.layout, each, extra=generated.by_table(
                lines if each == family else [])) for each in (4, 6)}
            top.load(**rules)
            probes, complaints = judge(top, rules[f"v{family}"])
            asked += probes
            failed += [f"{name} ({writer.__name__}): {one}" for one in complaints[:6]]
    assert not failed, "\n".join(failed)
    return f"{asked} probes"


def test_source_validation(top):
    """rp_filter, which is in no ruleset."""
    rules = both(docker20, top)
    asked = 0
    for mode in (1, 2):
        top.validate_sources(mode)
        try:
            top.load(**rules)
            probes, complaints = judge(top, rules["v4"] + rules["v6"])
        finally:
            top.validate_sources(0)
        asked += probes
        assert not complaints, "\n".join([f"rp_filter {mode}", *complaints[:12]])
    return f"{asked} probes"


# -- generated rulesets ----------------------------------------------------------------------------


def disagreement(top, case):
    v4, v6 = case.texts(top.layout)
    top.load(v4, v6)
    return judge(top, v4 + v6, SOURCES_PER_PORT_GENERATED)


def shrink(top, case, seconds=20):
    """Leaves out lines, many at once and then fewer, as long as there is a disagreement."""
    until = time.monotonic() + seconds
    size = len(case.lines) // 2
    while size:
        at = 0
        while at < len(case.lines) and time.monotonic() < until:
            smaller = case.without(case.lines[at:at + size])
            try:
                if disagreement(top, smaller)[1]:
                    case = smaller
                    continue
            except AssertionError:
                pass  # does not load without these
            at += size
        size //= 2
    return case


def test_generated(top):
    asked = 0
    for number in range(CASES):
        case = generated.Case(random.Random(f"{SEED}/{number}"))
        probes, complaints = disagreement(top, case)
        asked += probes
        if complaints:
            case = shrink(top, case)
            complaints = disagreement(top, case)[1] or complaints
            raise AssertionError("\n".join([
                f"case {number} of NETGUARD_SEED={SEED}", *map(str, case.lines), *complaints[:8]]))
    return f"{CASES} rulesets, {asked} probes, NETGUARD_SEED={SEED}"


# -- recorded rulesets -----------------------------------------------------------------------------


def recorded_layout(world):
    """The topology that a recording states, as a Layout."""
    host = world["host"]
    lengths = [host[key].partition("/")[2] for key in ("ext_v4", "ext_v6")]
    published = [
        Published(one["container"], one["proto"], addr, one["host_port"], one["container_port"])
        for one in world["published"]
        for addr in ([one["host_ip_requested"]] if one["host_ip_requested"] else ["0.0.0.0", "::"])]
    sockets = [Socket(one["owner"], one["proto"], one["bind"].strip("[]"), one["port"],
                      one.get("v6only", True), one["accepts"]) for one in world["sockets"]]
    networks = [Network(one["name"], one["bridge"], tuple(
        f"{one[gateway]}/{one[subnet].partition('/')[2]}"
        for gateway, subnet in (("gateway", "subnet"), ("gateway6", "subnet6")) if subnet in one))
        for one in world["networks"]]
    containers = [Container(one["name"], one["network"],
                            tuple(one[key] for key in ("ipv4", "ipv6") if key in one))
                  for one in world["containers"]]
    uplink = Uplink(host["ext_if"], (host["ext_v4"], host["ext_v6"]),
                    (f"{host['outside_v4']}/{lengths[0]}", f"{host['outside_v6']}/{lengths[1]}"))
    localnet = {f"ipv4__conf__{name}__route_localnet": value for name, value in re.findall(
        r"conf/(\S+)/route_localnet (\d)", "\n".join(world.get("sysctl_seen", [])))
        if name in {one.bridge for one in networks}}
    return Layout((uplink,), tuple(networks), tuple(containers), tuple(sockets), tuple(published),
                  localnet)


def told(exposures, proto, port, src):
    """What netguard says of a source: "in", "perhaps" or "out"."""
    family, answer = family_of(src), "out"
    for one in exposures:
        if (one["proto"], one["host_port"]) != (proto, port) \
                or one["family"] != ("ip" if family == 4 else "ip6"):
            continue
        for part in one["reach"]:
            if int(address(src)) in Addresses(part["sources"]):
                return "in"
            if int(address(src)) in Addresses(part["maybe"]):
                answer = "perhaps"
    return answer


def compare_recording(world, exposures, measured):
    """netguard's answer against what a recording has measured. An exposure is one for all the
    addresses that lead to it, so of each source and port the probes are taken together."""
    host, arrived = world["host"], {}
    for probe in [*measured["host"], *measured.get("loopback_via_l2", [])]:
        src = host["outside_v4"] if family_of(probe["addr"]) == 4 else \
            "fe80::1" if probe["addr"].startswith("fe80:") else host["outside_v6"]
        key = (probe["proto"], probe["port"], src)
        arrived[key] = arrived.get(key, False) or probe["reachable"]
    for (proto, port, src), came in arrived.items():
        said = told(exposures, proto, port, src)
        if said != ("in" if came else "out"):
            yield f"{src} to {port}/{proto}: {said}, measured {'in' if came else 'out'}"
    return len(arrived)


def recorded_variants(world):
    """(name, policies to set in FORWARD, measured answers)"""
    for name, measured in world["expected"].items():
        if isinstance(measured, dict):
            yield name, name.partition("forward_policy_")[2].upper(), measured


def test_recorded(path):
    with open(path, encoding="utf-8") as file:
        world = json.load(file)
    if world["swarm"] or any("container" not in one for one in world["published"]):
        return "SKIP published by a swarm's ingress, which is not told yet"
    texts = {"v4": "", "v6": "", "nft": ""}
    for name in world["files"]:
        with open(os.path.join(os.path.dirname(path), name), encoding="utf-8") as file:
            texts["nft" if name.endswith(".nft") else name.split(".")[-2]] += file.read()
    probes, compared, complaints = 0, 0, []
    with Topology(recorded_layout(world)) as top:
        settle_links(top.host)
        for name, policy, measured in recorded_variants(world):
            top.load(**texts)
            if policy:
                for tool in ("iptables-nft", "ip6tables-nft"):
                    top.host.run(tool, "-P", "FORWARD", policy)
            exposures = check(top)
            compared += len(measured["host"]) + len(measured.get("loopback_via_l2", []))
            complaints += [f"{name}: {one}"
                           for one in compare_recording(world, exposures, measured)]
            if exposures:
                more, found = judge(top, "".join(texts.values()))
                probes += more
                complaints += [f"{name}: {one}" for one in found]
    skipped = sum(len(measured.get("direct_to_container", []))
                  for _, _, measured in recorded_variants(world))
    assert not complaints, "\n".join(complaints[:12])
    return f"{compared} measured answers, {skipped} of direct routing left out, {probes} probes"


# -- all of it -------------------------------------------------------------------------------------

TESTS = [test_no_rules, test_docker_20, test_docker_20_forward_accept,
         test_docker_20_no_icc_input_drop, test_docker_20_without_ip6tables,
         test_docker_20_without_ip6tables_input_drop, test_docker_28,
         test_docker_28_forward_accept, test_docker_29_nftables,
         test_docker_29_and_a_table_of_the_operator, test_ufw, test_ufw_without_ip6tables,
         test_ufw_limit, test_operator, test_source_validation, test_generated]


def report(number, name, test, *arguments):
    """Runs one test and prints its line of TAP. Returns 1 if it failed."""
    started = time.monotonic()
    try:
        done = test(*arguments)
        print(f"ok {number} - {name} # {done}, {time.monotonic() - started:.1f} s", flush=True)
        return 0
    except (AssertionError, OSError, ValueError, KeyError) as reason:
        print(f"not ok {number} - {name}")
        for line in f"{type(reason).__name__}: {reason}"[:6000].splitlines():
            print(f"# {line}", flush=True)
        return 1


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return 0
    if not os.access(NETGUARD, os.X_OK):
        print(f"Bail out! no netguard at {NETGUARD}: build it first, or set NETGUARD")
        return 1
    pin_to_one_cpu()
    end_on_signals()
    recordings = sorted(glob.glob(os.path.join(RULESETS, "docker", "*.json"))) if RULESETS else []
    chosen = [test for test in TESTS if not sys.argv[1:] or test.__name__[5:] in sys.argv[1:]]
    failed = 0
    print(f"1..{len(chosen) + len(recordings)}", flush=True)
    with Topology(layout()) as top:
        settle_links(top.host)
        for number, test in enumerate(chosen, 1):
            failed += report(number, test.__name__[5:].replace("_", " "), test, top)
    for number, path in enumerate(recordings, len(chosen) + 1):
        failed += report(number, os.path.basename(path), test_recorded, path)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
