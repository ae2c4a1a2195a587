# SPDX-License-Identifier: GPL-2.0-or-later
"""Recorded rulesets with measured answers: the recorded topology is made in a namespace, the
ruleset loaded, and netguard asked what was measured then. No packet is sent.

A folder holds `iptables/NAME.{v4,v6}.rules`, `nft/NAME.nft` and beside each `NAME….json.gz` with
`meta` (topology, what of the ruleset has a memory) and `results`, one first packet each.
"""
import glob
import gzip
import ipaddress
import json
import os
import re
from dataclasses import dataclass

from topology import Namespace

from . import verdicts
from .frames import Arrival

NUMBERS = {"ipv6-icmp": "icmpv6"}
# What no snapshot tells.
NOT_OBSERVED = "who has joined a multicast group"
# What no ruleset tells, beside what `meta` lists as having a memory.
UNDECIDABLE = re.compile(r"-m (hl|ttl|length|dscp|tos|u32|string|bpf|time|ecn)\b"
                         r"|\b(hoplimit|ttl|dscp|length)\b")


@dataclass
class Recording:
    path: str
    world: dict
    backend: str  # "nft", "iptables-nft" or "iptables-legacy"

    def files(self):
        folder = os.path.dirname(self.path)
        for kind, name in self.world["meta"]["rulesets"]:
            with open(os.path.join(folder, os.path.basename(name)), encoding="utf-8") as file:
                yield kind, file.read()

    @property
    def is_decidable(self):
        return not self.world["meta"]["stateful_features"] and \
            not any(UNDECIDABLE.search(text) for _, text in self.files())

    @property
    def name(self):
        return f"{os.path.basename(self.path)[:-len('.json.gz')]} ({self.backend})"


def recordings(folder):
    """Where a ruleset has a memory, the recording in which each packet met it fresh."""
    paths = sorted(glob.glob(os.path.join(folder, "*", "*.json.gz")))
    for path in paths:
        if path.replace(".json.gz", ".fresh.json.gz") in paths:
            continue
        with gzip.open(path, "rt", encoding="utf-8") as file:
            world = json.load(file)
        if "nft" in [kind for kind, _ in world["meta"]["rulesets"]]:
            yield Recording(path, world, "nft")
        else:
            yield Recording(path, world, "iptables-nft")
            yield Recording(path, world, "iptables-legacy")


# -- making it -----------------------------------------------------------------------------------


def interfaces(topology):
    """Lines for `ip -batch`; addresses and routes after all links are up."""
    links, addresses, routes = [], [], []
    for number, one in enumerate(topology["ifaces"]):
        name = one["name"]
        if one["kind"] == "bridge":
            links += [f"link add {name} type bridge", f"link add p{number} type veth peer name "
                      f"q{number}", f"link set p{number} master {name}", f"link set p{number} up",
                      f"link set q{number} up"]
        else:
            links += [f"link add {name} type veth peer name q{number}", f"link set q{number} up"]
        links += [f"link set {name} up"]
        addresses += [f"addr add {addr} dev {name}{' nodad' if ':' in addr else ''}"
                      for addr in one["addr"]]
        routes += [f"route add {net} dev {name}" for net in one.get("routes", [])]
        if one.get("default"):
            routes += [f"route add default dev {name}", f"-6 route add default dev {name}"]
    addresses += [f"addr add {addr}/32 dev lo" for addr in topology["host_addrs"]]
    return links + addresses + routes


class Replayed:
    """A namespace as the recording describes it."""

    def __init__(self, recording):
        self.recording = recording
        self.namespace = Namespace("replay")
        try:
            self.build()
        except BaseException:
            self.namespace.remove()
            raise

    def build(self):
        topology = self.recording.world["meta"]["topology"]
        own = self.namespace
        own.sysctl(ipv6__conf__all__accept_dad=0, ipv6__conf__default__accept_dad=0,
                   ipv4__conf__all__rp_filter=topology["rp_filter"],
                   ipv4__conf__default__rp_filter=topology["rp_filter"],
                   ipv4__conf__all__send_redirects=0, ipv4__conf__default__send_redirects=0,
                   ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)
        own.ip(["link set lo up"])
        lines = interfaces(topology)
        own.ip([one for one in lines if not one.startswith("-6")])
        for one in lines:
            if one.startswith("-6"):
                own.run("ip", *one.split())
        for path, value in topology["sysctl"].items():
            own.sysctl(**{path.removeprefix("net.").replace(".", "__"): value})
        self.load()

    def load(self):
        for kind, text in self.recording.files():
            if kind == "nft":
                self.namespace.run("nft", "-f", "-", stdin=text)
            else:
                tool = self.recording.backend.replace("ip", "ip6", 1) if kind == "v6" else \
                    self.recording.backend
                self.namespace.run(f"{tool}-restore", stdin=text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.namespace.remove()


# -- comparing -------------------------------------------------------------------------------------


class Probe:
    """What verdicts.judge_packet wants to know of a packet."""

    def __init__(self, row):
        self.row = row
        self.proto = NUMBERS.get(row["proto"], row["proto"])

    def question(self):
        row, asked = self.row, {"iif": self.row["iif"], "src": self.row["src"],
                                "dst": self.row["dst"], "proto": self.proto}
        if self.proto in ("tcp", "udp", "sctp"):
            asked.update(sport=row["sport"], dport=row["dport"])
        if "icmp_type" in row:
            asked["icmp_type"] = row["icmp_type"]
        if "smac" in row:
            asked["smac"] = row["smac"]
        if "icmp" in str(self.proto) and (self.proto == "icmpv6") != (":" in row["dst"]):
            asked["proto"] = 58 if self.proto == "icmpv6" else 1
        return json.dumps(asked)


def is_compared(row, bridges):
    """Not what depended on a limiter; not protocols without ports, of which one connection keeps
    another from being translated; not what bridge netfilter sends back by the bridge that it came
    by, which that recording's only port does not let out again; nor what is for a link-local
    address that nobody answered for: it passes every hook, and no frame carries it on."""
    back = row["iif"] in bridges and row.get("baseline") != row["delivered_to"]
    unanswered = row["dst"].startswith("fe80:") and row["baseline"] == "none"
    return not row.get("unstable") and not row.get("legacy_differs") and not back and \
        not unanswered and row["proto"] not in ("igmp", "gre", "esp")


def measured(row):
    if row["delivered_to"] == "none":
        return set()
    at = row["at"]
    return {Arrival(0, at.get("oif", "host"), at["dst"], at["dport"], ())}


def differs(row, answer):
    """What is wrong with an answer; "unknown" for one; None."""
    if answer["verdict"] == "unknown":
        return "unknown"
    came = measured(row)
    if not came:
        return "delivered, measured nowhere" if answer["verdict"] == "delivered" else None
    arrival = came.pop()
    if answer["verdict"] == "dropped":
        return f"dropped, measured at {arrival.where}"
    where = "host" if answer["to"] == "host" else answer["oif"]
    # The recording names a veth's other end for links behind the machine.
    if (where == "host") != (arrival.where == "host"):
        return f"delivered to {where}, measured at {arrival.where}"
    if ipaddress.ip_address(answer["dst"]) != ipaddress.ip_address(arrival.dst):
        return f"arrives as {answer['dst']}, measured {arrival.dst}"
    if row["proto"] in ("tcp", "udp", "sctp") and answer["dport"] != arrival.dport:
        return f"arrives at port {answer['dport']}, measured {arrival.dport}"
    return None


def compare(recording, binary):
    """(packets compared, {what is wrong: [row, answer]}, reasons of unknown ones)"""
    with Replayed(recording) as replayed:
        bridges = {one["name"] for one in recording.world["meta"]["topology"]["ifaces"]
                   if one["kind"] == "bridge"}
        rows = [row for row in recording.world["results"] if is_compared(row, bridges)]
        place = type("Place", (), {"host": replayed.namespace, "api": ""})
        answers = verdicts.ask(place, binary, "trace", [Probe(row).question() for row in rows])
    wrong, unknown = {}, {}
    for row, answer in zip(rows, answers):
        text = differs(row, answer)
        if text == "unknown":
            for reason in answer["unsure"] or ["no reason"]:
                if reason != NOT_OBSERVED:
                    unknown[str(reason)] = unknown.get(str(reason), 0) + 1
        elif text:
            wrong.setdefault(text, []).append((row, answer))
    return len(rows), wrong, unknown
