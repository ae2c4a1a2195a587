#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""blind_spots.py: where it is easy to call closed what the kernel lets through.

Each case proves with a connection from another namespace that the port is open, with an engine
of paper beside a real ruleset, and demands that check does not say "blocked" of it."""
import contextlib
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading

from alone import WELL, Done, Script, alone, check, http, sh
from lab import Tap, ask, inside, same

HOST4, HOST6, OUT4, OUT6 = "192.0.2.1", "2001:db8:1::1", "192.0.2.2", "2001:db8:1::2"
REDIS = 6379

# As the engine writes it for a port of a container behind `bridge`.
PUBLISHED = """
table ip nat {{
  chain DOCKER {{
    iifname != "{bridge}" tcp dport 6379 dnat to {address}:6379
  }}
  chain PREROUTING {{
    type nat hook prerouting priority dstnat
    fib daddr type local jump DOCKER
  }}
}}
table ip filter {{
  chain FORWARD {{
    type filter hook forward priority filter; policy drop
    ct state related,established accept
    iifname != "{bridge}" oifname "{bridge}" ip daddr {address} tcp dport 6379 accept
  }}
}}
"""


class Namespace:
    """Another network namespace, connected to ours by a link `ours`, which is `theirs` there."""

    def __init__(self, ours, theirs="eth0"):
        self.process = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec cat"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
        self.process.stdout.readline()
        self.path = f"/proc/{self.process.pid}/ns/net"
        sh("ip", "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns",
           str(self.process.pid))  # fmt: skip
        sh("ip", "link", "set", ours, "up")
        self.ip("link", "set", "lo", "up")
        self.ip("link", "set", theirs, "up")

    def ip(self, *arguments):
        sh("nsenter", f"--net={self.path}", "ip", *arguments)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


@contextlib.contextmanager
def serving(netns, address, port=REDIS):
    """Whoever connects there is answered "redis"."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with inside(netns):
        listener = socket.create_server((address, port), family=family)

    def serve():
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client:
                    client.send(b"redis\n")

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def container(address, network="bridge"):
    """As the engine lists one that publishes Redis to everyone, on IPv4."""
    return {"Id": "a" * 64, "Names": ["/redis"], "Image": "redis", "Labels": {},
            "HostConfig": {"NetworkMode": network},
            "Ports": [{"IP": "0.0.0.0", "PrivatePort": REDIS, "PublicPort": REDIS, "Type": "tcp"}],
            "NetworkSettings": {"Networks": {network: {"IPAddress": address}}}}  # fmt: skip


def network(bridge):
    return {"Id": "n", "Name": "lan", "Driver": "bridge",
            "Options": {"com.docker.network.bridge.name": bridge}}  # fmt: skip


def bridge(name, address, *ports):
    sh("ip", "link", "add", name, "type", "bridge")
    sh("ip", "address", "add", address, "dev", name)
    sh("ip", "link", "set", name, "up")
    for port in ports:
        sh("ip", "link", "set", port, "master", name)


class Lab:
    """The host is where we are; outside is a neighbour on its eth0."""

    def __init__(self, directory):
        self.directory = directory
        self.out = Namespace("eth0")
        self.out.ip("address", "add", f"{OUT4}/24", "dev", "eth0")
        self.out.ip("address", "add", f"{OUT6}/64", "dev", "eth0", "nodad")
        sh("ip", "address", "add", f"{HOST4}/24", "dev", "eth0")
        sh("ip", "address", "add", f"{HOST6}/64", "dev", "eth0", "nodad")
        pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")

    def open(self, address, interface, family, engine, allowed=("reachable",)):
        """The port answers outside, and check says so of the interface it is asked through."""
        same(ask(self.out.path, address, REDIS), "redis", f"the answer of {address}")
        answers = {f"/{'containers/json' if key == 'containers' else key}": http(value)
                   for key, value in engine.items()}  # fmt: skip
        with Script(self.directory, WELL | answers) as script:
            report = check("--docker", script.endpoint)
        verdicts = [reach["verdict"] for exposure in report.json["exposures"]
                    if exposure["host_port"] == REDIS and exposure["family"] == family
                    for reach in exposure["reach"]
                    if (reach["zone"], reach["interface"]) == ("public", interface)]  # fmt: skip
        same([v in allowed for v in verdicts], [True], f"is one of {allowed} in {verdicts}")
        same(report.status, 1, "status")


@contextlib.contextmanager
def published(address, name, bridge_address, listed):
    """A container behind a bridge, its rules, and what the engine lists as its address."""
    inner = Namespace("veth0")
    inner.ip("address", "add", f"{address}/16", "dev", "eth0")
    inner.ip("route", "add", "default", "via", bridge_address.partition("/")[0])
    bridge(name, bridge_address, "veth0")
    subprocess.run(["nft", "-f", "-"], check=True, text=True,
                   input=PUBLISHED.format(bridge=name, address=address))  # fmt: skip
    try:
        with serving(inner.path, address):
            yield {"containers": [container(listed)]}
    finally:
        inner.close()
        sh("ip", "link", "delete", name)
        sh("nft", "flush", "ruleset")


def other_family(tap, lab):
    with tap.case("a port published for IPv4 alone does not hide who has it on IPv6"):
        with serving("/proc/self/ns/net", "::"):
            lab.open(HOST6, "eth0", "ip6", {"containers": [container("172.17.0.2")]})


def overlay(tap, lab):
    with tap.case("a container on an overlay is published through an address that is not listed"):
        address, own = "172.18.0.3", "172.18.0.1/16"
        with published(address, "docker_gwbridge", own, listed="10.0.1.5") as engine:
            lab.open(HOST4, "eth0", "ip", engine)


def routing_rules(tap, lab):
    with tap.case("many routing rules by source: the main table is not lost behind them"):
        rules = [["from", f"198.51.100.{i}", "lookup", str(100 + i)] for i in range(1, 100)]
        for rule in rules:
            sh("ip", "rule", "add", *rule)
            sh("ip", "route", "add", "default", "via", OUT4, "table", rule[-1])
        with published("172.17.0.2", "docker0", "172.17.0.1/16", listed="172.17.0.2") as engine:
            lab.open(HOST4, "eth0", "ip", engine, allowed=("reachable", "partly", "unknown"))
        for rule in rules:
            sh("ip", "rule", "delete", *rule)


def uplinked_bridge(tap, lab):
    with tap.case("an engine's network on a bridge that leads outside: who comes in is anybody"):
        tunnel = ["tunnel", "type", "vxlan", "id", "7", "dstport", "4789"]
        lab.out.ip("link", "add", *tunnel, "local", OUT4, "remote", HOST4)
        lab.out.ip("address", "add", "203.0.113.2/24", "dev", "tunnel")
        lab.out.ip("link", "set", "tunnel", "up")
        sh("ip", "link", "add", *tunnel, "local", HOST4, "remote", OUT4)
        sh("ip", "link", "set", "tunnel", "up")
        bridge("br0", "203.0.113.1/24", "tunnel")
        with serving("/proc/self/ns/net", "203.0.113.1"):
            lab.open("203.0.113.1", "br0", "ip", {"networks": [network("br0")]})


def capabilities(tap, directory):
    """Of a container that has a network of its own they cost a request."""
    policy = pathlib.Path(directory, "policy.yaml")
    policy.write_text("version: 1\nusage: {capabilities: {action: alert}}\n")
    one = container("172.17.0.2")
    inspect = f"/containers/{one['Id']}/json"
    inspected = {"HostConfig": {"Privileged": True, "CapAdd": None, "CapDrop": None}}
    answers = WELL | {"/containers/json": http([one]), inspect: http(inspected)}
    for name, wanted, *arguments in (
            ("check", 0, "check"), ("check, by a policy that asks", 1, "check", "--policy", policy),
            ("snapshot", 1, "snapshot")):  # fmt: skip
        with tap.case(f"{name}: capabilities are asked about {wanted} times"):
            with Script(directory, answers) as script:
                said = Done(*arguments, "--docker", script.endpoint).stdout
            same(script.asked.count(inspect), wanted, "requests")
            told = re.search('"privileged": ?true|is privileged', said)
            same(bool(told), wanted == 1, "they are told")


def main():
    alone()
    tap = Tap()
    with tempfile.TemporaryDirectory() as directory:
        lab = Lab(directory)
        try:
            other_family(tap, lab)
            overlay(tap, lab)
            routing_rules(tap, lab)
            uplinked_bridge(tap, lab)
            capabilities(tap, directory)
        finally:
            lab.out.close()
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
