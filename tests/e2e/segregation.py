#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""segregation.py 20|26|28   A three-tier stack on two networks, and every way to break it

Packets between the containers come first: netguard has to find what they show, and to name the way.
"""
import concurrent.futures
import contextlib
import itertools
import sys
import tempfile

from lab import SILENCE_S, Engine, Tap, ask, same

POLICY = """
version: 1
default: allow
segregation:
  - id: tiers
    apart: ["frontend*", "backend*"]
    gateways: [{name: gateway}]
    unpublished: [backend]
    reason: data stores are for the gateway alone
usage:
  links: {action: alert}
"""
# Container to the port it serves.
SERVES = {"web": 80, "app": 8080, "db": 5432, "cache": 6379}
FRONT, BACK = ("web", "app"), ("db", "cache")
SIDECAR_PORT = 9000
MEMBER, PUBLISH, REACH, LINK = "NG020", "NG021", "NG022", "NG011"


class Stack:
    def __init__(self, engine, file):
        self.engine, self.file = engine, file
        # Before 28 an engine keeps networks apart by IPv4 alone, unless it is told otherwise.
        self.filters6 = engine.version >= 28
        self.network("frontend", 1, self.filters6)
        self.network("backend", 2, self.filters6)
        self.network("tools", 3, False, "-o", "com.docker.network.bridge.enable_icc=false")
        for name, network in zip(SERVES, ["frontend"] * 2 + ["backend"] * 2):
            engine.run(name, "--network", network, serve=[SERVES[name]])
        engine.run("gateway", "--network", "frontend", serve=[443])
        engine.docker("network", "connect", "backend", "gateway")

    def network(self, name, number, ip6, *options):
        more = ["--ipv6", "--subnet", f"fd00:{number}::/64"] if ip6 else []
        self.engine.docker("network", "create", "--subnet", f"172.30.{number}.0/24", *more,
                           *options, name)  # fmt: skip

    def addresses(self, name, network=None):
        networks = self.engine.networks(name)
        return [networks[each][key] for each in networks if network in (None, each)
                for key in ("IPAddress", "GlobalIPv6Address") if networks[each][key]]  # fmt: skip

    def reached(self, sources, targets):
        """By packets: (source, target) of all pairs that get through to any address."""
        netns = {name: self.engine.netns(name) for name in sources}
        asked = [(source, target, address) for source, target in itertools.product(sources, targets)
                 for address in self.addresses(target)]  # fmt: skip

        def answers(question):
            source, target, address = question
            return ask(netns[source], address, SERVES[target], wait_s=SILENCE_S) == target

        with concurrent.futures.ThreadPoolExecutor(len(asked)) as pool:
            return {(source, target) for (source, target, _), answered
                    in zip(asked, pool.map(answers, asked)) if answered}  # fmt: skip

    def across(self):
        return self.reached(FRONT, BACK) | self.reached(BACK, FRONT)

    def check(self):
        return self.engine.check("--policy", self.file)

    def found(self, *ids):
        """Of the open findings (id, subject), and those of REACH whole; no other ids."""
        report = self.check()
        findings = report.findings()
        same((report.json["gaps"], {finding["id"] for finding in findings}), ([], set(ids)),
             f"gaps and ids of {[finding['message'] for finding in findings]}")  # fmt: skip
        return ({(finding["id"], finding["subject"]) for finding in findings},
                [finding for finding in findings if finding["id"] == REACH])  # fmt: skip


def names(finding, *words):
    """The way that the finding names goes over all of these."""
    path = " ".join(finding["path"])
    same([word for word in words if word not in path], [], f"what is missing in {path!r}")


@contextlib.contextmanager
def undone(engine, *command):
    try:
        yield
    finally:
        engine.docker(*command)


def clean(tap, stack):
    with tap.case("as it is meant nobody gets across, and nothing is found"):
        same(stack.across(), set(), "who gets across")
        same(stack.reached(["gateway"], SERVES), {("gateway", name) for name in SERVES},
             "whom the gateway reaches")  # fmt: skip
        stack.check().clean()


def joined(tap, stack):
    engine = stack.engine
    with tap.case("a data store on the frontend as well"), \
            undone(engine, "network", "disconnect", "frontend", "db"):
        engine.docker("network", "connect", "frontend", "db")
        same(stack.reached(FRONT, ["db"]), {("web", "db"), ("app", "db")}, "who gets to it")
        found, _ = stack.found(MEMBER)
        same(found, {(MEMBER, "db")}, "findings")


def published(tap, stack):
    engine = stack.engine
    with tap.case("a backend port that is published"), undone(engine, "rm", "-f", "store"):
        engine.run("store", "--network", "backend", "-p", "15432:5432", serve=[5432])
        engine.expect("store", "192.0.2.1", 15432)
        # What comes from a bridge of its own an engine leaves to its proxy, which stands on no side.
        for address in "192.0.2.1", "172.30.1.1", "172.30.2.1":
            same(ask(engine.netns("web"), address, 15432), "store", f"who answers at {address}")
        found, (finding,) = stack.found(PUBLISH, REACH)
        same(found, {(PUBLISH, "store"), (REACH, "store")}, "findings")
        names(finding, "frontend", "15432", "docker-proxy", "store")


def linked(tap, stack):
    engine = stack.engine
    with tap.case("a link on a network that is neither"):
        engine.docker("network", "connect", "tools", "db")
        engine.docker("network", "connect", "tools", "web")
        same(stack.across(), set(), "who gets across without the link")
        stack.check().clean()
        engine.docker("network", "disconnect", "tools", "web")
        engine.docker("network", "disconnect", "tools", "db")
    with tap.case("a third network that both are on"):
        engine.docker("network", "create", "--subnet", "172.30.4.0/24", "shared")
        try:
            engine.docker("network", "connect", "shared", "db")
            engine.docker("network", "connect", "--link", "db:database", "shared", "web")
            same(stack.across(), {("web", "db"), ("db", "web")}, "who gets across")
            found, reach = stack.found(REACH, LINK)
            same(found, {(REACH, "db"), (REACH, "web"), (LINK, "web")}, "findings")
            (finding,) = [finding for finding in reach if finding["subject"] == "db"]
            names(finding, "web", "shared", "db", "5432", "database")
        finally:
            for name in "web", "db":
                engine.docker("network", "disconnect", "shared", name)
            engine.docker("network", "rm", "shared")


def ip6(tap, stack):
    engine = stack.engine
    if stack.filters6:
        return
    with tap.case("networks with IPv6, of an engine that does not filter it"):
        stack.network("frontend6", 6, True)
        stack.network("backend6", 7, True)
        engine.run("web6", "--network", "frontend6", serve=[80])
        engine.run("db6", "--network", "backend6", serve=[5432])
        try:
            for address in stack.addresses("db6"):
                same(ask(engine.netns("web6"), address, 5432, wait_s=SILENCE_S),
                     "db6" if ":" in address else None, f"who answers at {address}")  # fmt: skip
            found, reach = stack.found(REACH)
            same(found, {(REACH, "db6"), (REACH, "web6")}, "findings")
            (finding,) = [finding for finding in reach if finding["subject"] == "db6"]
            names(finding, "web6", "fd00:7::", "5432")
        finally:
            engine.docker("rm", "-f", "web6", "db6")
            engine.docker("network", "rm", "frontend6", "backend6")


def sidecar(tap, stack):
    engine = stack.engine
    with tap.case("a sidecar on the host's network"), undone(engine, "rm", "-f", "sidecar"):
        engine.run("sidecar", "--network", "host", serve=[SIDECAR_PORT])
        same(ask(engine.netns("web"), "172.30.1.1", SIDECAR_PORT), "sidecar", "the first leg")
        same(ask(engine.netns("sidecar"), stack.addresses("db")[0], 5432), "db", "the second leg")
        found, reach = stack.found(REACH)
        same({(REACH, name) for name in SERVES} - found, set(), "who is not found")
        (finding,) = [finding for finding in reach if finding["subject"] == "db"]
        names(finding, "frontend", str(SIDECAR_PORT), "sidecar", "db")


def accepted(tap, stack):
    engine = stack.engine
    bridges = {name: "br-" + engine.inspect(name, "{{.Id}}")[:12]
               for name in ("frontend", "backend")}  # fmt: skip
    for command in "iptables", "ip6tables":
        if command == "ip6tables" and not stack.filters6:
            continue
        with tap.case(f"an ACCEPT between the bridges, by {command}"):
            address = stack.addresses("db")[command == "ip6tables"]
            words = ["DOCKER-USER", "-i", bridges["frontend"], "-o", bridges["backend"], "-d",
                     address, "-p", "tcp", "--dport", "5432", "-j", "ACCEPT"]  # fmt: skip
            back = ["DOCKER-USER", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT"]
            engine.sh(command, "-I", *words)
            engine.sh(command, "-I", *back)
            try:
                # Engines differ in what stands beside that: packets say.
                across = stack.across()
                print(f"# engine {engine.version}: {sorted(across)}")
                want = {(REACH, "db")} if across else set()
                same(across, {("web", "db"), ("app", "db")} if want else set(), "who gets across")
                found, reach = stack.found(*([REACH] if want else []))
                same(found, want, "findings")
                for finding in reach:
                    names(finding, "frontend", "DOCKER-USER", "db", "5432")
            finally:
                engine.sh(command, "-D", *words)
                engine.sh(command, "-D", *back)
    with tap.case("all of that undone nothing is found any more"):
        stack.check().clean()


def main(version):
    tap = Tap()
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as policy, Engine(version) as engine:
        policy.write(POLICY)
        policy.flush()
        stack = Stack(engine, policy.name)
        for part in clean, joined, published, linked, ip6, sidecar, accepted:
            part(tap, stack)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
