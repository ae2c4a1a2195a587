#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""others.py rootless|podman: engines that publish in a way of their own. In rootless Docker a
process of its user listens on the host and carries over what it hears; Podman has rules, and a
process that holds the port and serves nobody."""
import os
import socket
import sys

from lab import (ANY, HOST4, HOST6, LINK, SILENCE_S, Engine, LabError, Tap, inside, lab, same,
                 skip_all)  # fmt: skip
from ways import IP_TRANSPARENT, policy

BEHIND = "172.16.0.0/12", "10.88.0.0/16"  # where Docker and Podman place their containers
CLAIMED, HOST_OUT = "10.88.0.200", "192.0.2.2"  # of no container; the outside host's own


class Other(Engine):
    """Such an engine in place of the lab's; `sh` runs where it runs."""

    def __init__(self, kind):
        super().__init__(20)
        self.kind = kind
        self.name = f"e2e-{kind}-{os.getpid()}"
        self.host = f"/run/netns/netguard-lab-{self.name}-host"
        self.out = f"/run/netns/netguard-lab-{self.name}-out"

    def __enter__(self):
        try:
            self.socket = lab("other-engine", "up", self.name, self.kind).strip()
            for network in BEHIND:
                self.outside("ip", "route", "add", network, "via", HOST4)
        except BaseException as error:  # interrupted half-way, too
            self.__exit__()
            if isinstance(error, LabError) and error.status == 3:
                skip_all(error.stderr.splitlines()[-1])
            raise
        print(f"# engine {self.docker('version', '-f', '{{.Server.Version}}')}", flush=True)
        return self

    def docker(self, *arguments):
        return self.sh("docker", "-H", "unix:///lab/other/docker.sock", *arguments)

    def is_told(self, product, rootless):
        """Demand that the report names it, and nothing that was missed."""
        report = self.check()
        same([(e["product"], e["version"], e["rootless"]) for e in report.json["engines"]],
             [(product, self.docker("version", "-f", "{{.Server.Version}}"), rootless)],
             "product, version and rootless")  # fmt: skip
        same([one["name"] for one in report.json["engines"][0]["networks"]],
             ["podman"] if product == "Podman" else ["bridge", "host"], "networks in use")  # fmt: skip
        same((report.json["gaps"], report.json["complete"]), ([], True), "gaps and complete")


def rootless(tap):
    ports = (8080, "tcp"), (8081, "udp")
    with Other("rootless") as engine:
        engine.run("web", "-p", "8080:8080", "-p", "8081:8081/udp", "-p", "127.0.0.1:8082:8082",
                   serve=(8080, "8081/udp", 8082, 9000), within=True)  # fmt: skip
        engine.run("exporter", "--network", "host", serve=(9100,), within=True)
        address = engine.address("web")
        with tap.case("the engine is told, with all that it says of itself"):
            engine.is_told("Docker", True)
        with tap.case("rootlesskit listens, as a user who is not root, and no rule is at work"):
            sockets = engine.net("ss", "-Hltnpe", "sport", "=", "8080").splitlines()
            same(["rootlesskit" in line and "uid:1000" in line for line in sockets],
                 [True, True], f"{sockets}")  # fmt: skip
            same(engine.sh("nft", "list", "ruleset"), "", "ruleset")
        for (port, proto), host in ((p, h) for p in ports for h in (HOST4, HOST6)):
            with tap.case(f"published, {port}/{proto} at {host}: by proxy, past FORWARD"), \
                    policy(engine, "FORWARD", "DROP"), \
                    policy(engine, "FORWARD", "DROP", "ip6tables"):  # fmt: skip
                exposure, _, _ = engine.agree("web", host, port, proto, reachable=True)
                same(exposure["paths"], ["proxy"], "paths")
            with tap.case(f"published, {port}/{proto} at {host}: closed by INPUT"), \
                    policy(engine, "INPUT", "DROP"), \
                    policy(engine, "INPUT", "DROP", "ip6tables"):  # fmt: skip
                engine.agree("web", host, port, proto, reachable=False)
        with tap.case("published on 127.0.0.1: closed"):
            engine.agree("web", "127.0.0.1", 8082, reachable=False, published="127.0.0.1")
        with tap.case("what is in the engine's own namespace only is no exposure of this host"):
            engine.net("ip", "link", "add", "beside", "type", "bridge")
            engine.net("ip", "address", "add", f"{engine.networks('web')['bridge']['Gateway']}/16",
                       "dev", "beside")  # fmt: skip
            engine.net("ip", "link", "set", "beside", "up")
            engine.sh("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
            engine.prove({(address, 8080): None, (address, 9000): None, (HOST4, 9000): None,
                          (HOST4, 9100): None, (HOST6, 9100): None})  # fmt: skip
            report = engine.check()
            same({e["kind"] for e in report.of("web")}, {"published"}, "kinds of web")
            same(report.of("exporter"), [], "exposures of exporter")


def arrives(engine, address, port, source):
    """Does the outside host's packet get to web, if it says to be from there? Its answer to that
    would be lost."""
    with inside(engine.netns("web")):
        receiver = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
    with inside(engine.out):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sender, receiver:
        receiver.settimeout(SILENCE_S)
        sender.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)
        sender.bind((source, 0))
        sender.sendto(b"claim", (address, port))
        try:
            return receiver.recv(256).endswith(b"claim")
        except TimeoutError:
            return False


def podman(tap):
    ports = (8080, "tcp", ANY[4]), (8081, "udp", ANY[4]), (8082, "tcp", HOST4)
    with Other("podman") as engine:
        engine.run("web", "--cgroup-parent", f"/netguard-lab-{engine.name}", "-p", "8080:8080",
                   "-p", "8081:8081/udp", "-p", f"{HOST4}:8082:8082", "-p", "127.0.0.1:8083:8083",
                   serve=(8080, "8081/udp", 8082, 8083, 9000))  # fmt: skip
        address = engine.address("web", "podman")
        own = [(address, port, proto) for port, proto, _ in ports] + [(address, 9000, "tcp")]
        with tap.case("the engine is told, with all that it says of itself"):
            engine.is_told("Podman", False)
        for port, proto, published in ports:
            with tap.case(f"published on {published}, {port}/{proto}: reachable, by dnat"):
                exposure, _, _ = engine.agree("web", HOST4, port, proto, reachable=True,
                                              published=published)  # fmt: skip
                same(exposure["paths"], ["dnat"], "paths")
        with tap.case("published on 127.0.0.1: reachable too, by those on the same link"):
            engine.agree("web", "127.0.0.1", 8083, reachable=True, published="127.0.0.1")
        with tap.case("published over IPv4 only: blocked over IPv6"):
            engine.agree("web", HOST6, 8080, reachable=False)
        with tap.case("by route: every port open, published or not"):
            engine.prove({place: "web" for place in own})
            report = engine.check()
            for place in own:
                report.own_address("web", *place, reachable=True)

        with tap.case("FORWARD DROP: open to those alone who say that they are containers"), \
                policy(engine, "FORWARD", "DROP"):  # fmt: skip
            engine.prove({place: None for place in own}
                         | {(HOST4, port, proto): None for port, proto, _ in ports})  # fmt: skip
            same([arrives(engine, place, 8081, source)
                  for place in (HOST4, address) for source in (CLAIMED, HOST_OUT)],
                 [True, False, True, False], "arrives")  # fmt: skip
            report = engine.check()
            for place in own:
                report.own_address("web", *place, reachable=True, sources=[BEHIND[1]])
            for port, proto, published in ports:
                reach = report.public(report.exposure("web", 4, proto, port, kind="published",
                                                      host_addr=published))  # fmt: skip
                same((reach["verdict"], reach["sources"]), ("partly", [BEHIND[1]]), "reach")

        with tap.case("FORWARD closed on the link to the outside: blocked, at all addresses"):
            rule = "FORWARD", "-i", LINK, "-j", "DROP"
            engine.sh("iptables", "-I", *rule)
            engine.prove({place: None for place in own})
            same([arrives(engine, place, 8081, CLAIMED) for place in (HOST4, address)],
                 [False, False], "arrives")  # fmt: skip
            report = engine.check()
            for place in own:
                report.own_address("web", *place, reachable=False)
            for port, proto, published in ports:
                engine.agree("web", HOST4, port, proto, reachable=False, published=published)
            # Its own bridges, whose names it does not tell, are no way in from outside.
            same({r["interface"] for e in report.of("web") for r in e["reach"]}, {LINK}, "links")
            engine.sh("iptables", "-D", *rule)

        with tap.case("without rules its monitor takes connections, and never answers: blocked"):
            engine.sh("iptables", "-t", "nat", "-F", "PREROUTING")
            sockets = engine.net("ss", "-Hltnp", "sport", "=", "8080")
            same("conmon" in sockets, True, f"conmon holds it: {sockets}")
            engine.agree("web", HOST4, 8080, reachable=False)


def main():
    tap = Tap()
    {"rootless": rootless, "podman": podman}[sys.argv[1]](tap)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
