#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel judges what `segregation:` finds.

A stack on two networks, in namespaces, with the rules that Docker engines would write for it and
with what users do to them. Packets go from every container of one side to every address by which
one of the other side may be reached, at ports that are known, named by a rule, or neither; what
arrives has to be what netguard finds: the network that it comes from, the container, the ports.

    NETGUARD            the binary (default: build/netguard)
    NETGUARD_SEED       of the drawn rules (default: always the same)
    NETGUARD_DRAWN      how many rulesets are drawn (default 12)

Needs root, iproute2, nftables and iptables-nft. Prints TAP.
"""
import contextlib
import json
import os
import random
import re
import socket
import subprocess
import sys
import time

from docker_rules import docker20, docker28, docker29
from topology import (ETH_P_IP, ETH_P_IP6, PROBE_WORD, Container, ContainerEars, Layout, Network,
                      Published, Socket, Topology, Uplink, build, end_on_signals, family_of, mac,
                      pin_to_one_cpu, roomy, serve, serve_api, settle_links)

HERE = os.path.dirname(os.path.abspath(__file__))
NETGUARD = os.environ.get("NETGUARD", os.path.join(HERE, "../../build/netguard"))
# The same in every run: what no one has changed must not fail.
SEED = os.environ.get("NETGUARD_SEED", "1")
DRAWN = int(os.environ.get("NETGUARD_DRAWN", "12"))

POLICY = """
version: 1
default: allow
segregation:
  - {id: tiers, apart: [frontend, backend], gateways: [{name: gateway}]}
"""
SIDES = {"frontend": ("web", "app"), "backend": ("db", "cache")}
TOOLS = Network("tools", "br-tools", ("172.20.0.1/16",))
ON_TOOLS = {"web": "172.20.0.2", "db": "172.20.0.3"}
SIDECAR_PORT, NAMED_PORT, OTHER_PORT = 9000, 9999, 61234
SIDECAR_ID = f"{os.getpid():064x}"
OTHERS = {("tcp", OTHER_PORT), ("udp", OTHER_PORT)}
ASKED = [*(("tcp", port) for port in (80, 443, 5432, 6379, 6543, 8080, 15432, NAMED_PORT)),
         *sorted(OTHERS)]
EVERY, UNNAMED = "every port", "ports that no rule names"
PUBLISHED = (Published("db", "tcp", "0.0.0.0", 15432, 5432),
             Published("db", "tcp", "::", 15432, 5432),
             Published("cache", "tcp", "0.0.0.0", 16379, 6379))


def container(name, network, number, port):
    net = {"frontend": 18, "backend": 19}[network]
    return Container(name, network, (f"172.{net}.0.{number}", f"fd{net}::{number}"),
                     (Socket(name, "tcp", "::", port, v6only=False),))


def stack(published=()):
    return Layout(
        (Uplink("eth0", ("192.0.2.1/24", "2001:db8:1::1/64"),
                ("192.0.2.2/24", "2001:db8:1::2/64")),),
        (Network("frontend", "br-front", ("172.18.0.1/16", "fd18::1/64")),
         Network("backend", "br-back", ("172.19.0.1/16", "fd19::1/64")), TOOLS),
        (container("web", "frontend", 2, 80), container("app", "frontend", 3, 8080),
         container("db", "backend", 2, 5432), container("cache", "backend", 3, 6379)),
        # The daemon keeps a port and serves nobody.
        (*(Socket("docker-proxy", one.proto, one.addr, one.port) for one in PUBLISHED[:2]),
         Socket("dockerd", "tcp", "0.0.0.0", 16379, accepts=False)),
        tuple(published))


class Stack(Topology):
    """With a third network that web and db are on as well, for cases that say so; containers
    send."""

    def __init__(self):
        self.own, self.apis, self.sport = {}, {}, 20000
        super().__init__(stack())

    def add_container(self, i, container):  # pylint: disable=redefined-outer-name
        super().add_container(i, container)
        inner = self.namespaces[-1]
        if container.name in ON_TOOLS:
            self.host.ip([f"link add vtool{i} type veth peer name eth1 address {mac(4, i)} "
                          f"netns {inner.name}",
                          f"link set vtool{i} master br-tools", f"link set vtool{i} up",
                          f"neigh add {ON_TOOLS[container.name]} lladdr {mac(4, i)} dev br-tools "
                          "nud permanent"])
            inner.ip(["link set eth1 up", f"addr add {ON_TOOLS[container.name]}/16 dev eth1"])
        links = ["eth0", "eth1"] if container.name in ON_TOOLS else ["eth0"]
        for link in links:
            with inner:
                sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
                sock.bind((link, 0))
            self.own[container.name, link] = (sock, i)
        if container.name in ON_TOOLS:
            with inner:
                more = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
                more.bind(("eth1", ETH_P_IP))
            self.ears[container.name].sockets.append(roomy(more))

    def documents(self, shared=False, sidecar=False):
        """With the gateway, which is on both sides, and ports that images expose."""
        documents = super().documents()
        if not hasattr(self, "out"):
            return documents
        own = {network["Name"]: network["Id"] for network in documents["/networks"]}
        told = documents["/containers/json"]
        for one, made in zip(told, self.layout.containers):
            one["Ports"] += [{"PrivatePort": each.port, "Type": each.proto}
                             for each in made.sockets]
            if shared and made.name in ON_TOOLS:
                one["NetworkSettings"]["Networks"]["tools"] = {
                    "NetworkID": own["tools"], "IPAddress": ON_TOOLS[made.name],
                    "GlobalIPv6Address": ""}
        told.append({**told[0], "Id": f"{0xFF:064x}", "Names": ["/gateway"], "Ports": [],
                     "NetworkSettings": {"Networks": {
                         name: {"NetworkID": own[name], "IPAddress": f"172.{net}.0.9",
                                "GlobalIPv6Address": f"fd{net}::9"}
                         for name, net in (("frontend", 18), ("backend", 19))}}})
        if sidecar:
            told.append({**told[0], "Id": SIDECAR_ID, "Names": ["/sidecar"], "Ports": [],
                         "HostConfig": {"NetworkMode": "host"},
                         "NetworkSettings": {"Networks": {}}})
        return documents

    def engine(self, published, shared, sidecar):
        """Its endpoint, as it tells of this."""
        key = (bool(published), shared, sidecar)
        if key not in self.apis:
            self.layout = stack(published)
            path = os.path.join(self.directory, f"{len(self.apis)}.sock")
            self.processes.append(serve_api(path, self.documents(shared, sidecar)))
            self.apis[key] = path
        return self.apis[key]

    def close(self):
        for path in self.apis.values():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        for sock, _ in self.own.values():
            sock.close()
        super().close()

    def post(self, name, link, probe_to, packet):
        """A frame to the bridge, or to a neighbour on it by name."""
        sock, i = self.own[name, link]
        network = next(n for n, one in enumerate(self.layout.networks) if one.name == (
            "tools" if link == "eth1" else self.layout.containers[i].network))
        target = mac(4, self.own[probe_to, "eth1"][1]) if probe_to else mac(2, network)
        kind = ETH_P_IP if packet[0] >> 4 == 4 else ETH_P_IP6
        sock.send(bytes.fromhex((target + mac(4 if link == "eth1" else 3, i)).replace(":", ""))
                  + kind.to_bytes(2, "big") + packet)

    def heard_from(self, probes):
        """For each (name, link, neighbour or None, dst, proto, dport) where it came to."""
        self.forget_connections()
        words, heard = {}, [[] for _ in probes]
        for number, (name, link, neighbour, dst, proto, dport) in enumerate(probes):
            self.words = (self.words + 1) & 0xFFFF
            self.sport = 20000 + (self.sport + 1) % 40000
            words[PROBE_WORD | self.words] = number
            made = next(one for one in self.layout.containers if one.name == name)
            src = ON_TOOLS[name] if link == "eth1" else next(
                addr for addr in made.addrs if family_of(addr) == family_of(dst))
            self.post(name, link, neighbour,
                      build(src, dst, proto, self.sport, dport, PROBE_WORD | self.words))
        self.settle()
        for name, ears in self.ears.items():
            for _, dst, port, word in ears.hear():
                if word in words:
                    heard[words[word]].append((name, dst, port))
        return heard


# -- what packets show -----------------------------------------------------------------------------


class Case:
    def __init__(self, name, engine=docker20, extra=None, without=None, published=(), shared=False,
                 calls=True, sidecar=False, families=(4, 6), translated=None, **options):
        self.name, self.engine, self.published = name, engine, published
        self.extra, self.without = extra or {}, without
        self.shared, self.calls, self.sidecar = shared, calls, sidecar
        self.families, self.options = families, options
        # Somebody's own DNAT: lines, and (container, its port, what is asked for) of what they do.
        self.nat, self.led = translated or ([], [])

    def load(self, topology):
        layout = stack(self.published)
        if self.engine is docker29:
            texts = [docker29(layout, family) for family in self.families]
            topology.load(nft="\n".join(texts))
            for family in self.extra:
                raise ValueError(f"{self.name}: no lines for {family} with nftables")
        else:
            texts = {family: self.engine(layout, family, **self.options,
                                         extra={"filter": self.extra.get(family, []),
                                                "nat": self.nat if family == 4 else []})
                     for family in self.families}
            if self.without:
                texts = {family: "\n".join(line for line in text.splitlines()
                                           if self.without not in line) + "\n"
                         for family, text in texts.items()}
            topology.load(texts.get(4, ""), texts.get(6, ""))
        topology.host.sysctl(**{f"bridge/bridge-nf-call-{name}tables": int(self.calls)
                                for name in ("ip", "ip6")})

    def probes(self, topology):
        """((network, container that is asked for or None: the sidecar, its port), probe)"""
        hosts = [one for one in topology.layout.host_addresses() if one != "::1"]
        for network, names in SIDES.items():
            others = [one for one in topology.layout.containers if one.network != network]
            for to, dst, proto, port, inner in self.targets(others, hosts):
                for name in names:
                    for way in self.ways(name, to, dst):
                        yield (network, to, inner), (*way, proto, port)

    def ways(self, name, to, dst):
        """(name, link, neighbour or None, dst) by each link that the container has."""
        yield name, "eth0", None, dst
        if self.shared and name in ON_TOOLS and family_of(dst) == 4:
            yield name, "eth1", to if dst == ON_TOOLS.get(to) else None, dst

    def addresses(self, container):  # pylint: disable=redefined-outer-name
        tools = self.shared and ON_TOOLS.get(container.name)
        return [*container.addrs, *([tools] if tools else [])]

    def targets(self, others, hosts):
        for one in others:
            for dst in self.addresses(one):
                for proto, port in [(each.proto, each.port) for each in one.sockets] + ASKED:
                    yield one.name, dst, proto, port, (proto, port)
            for each in self.published:
                if each.container == one.name:
                    for dst in hosts:
                        if family_of(dst) == family_of(each.addr):
                            yield one.name, dst, each.proto, each.port, ("tcp", each.container_port)
        for name, port, dst, asked in self.led:
            if any(one.name == name for one in others):
                yield name, dst, "tcp", asked, ("tcp", port)
        if self.sidecar:
            for dst in hosts:
                yield None, dst, "tcp", SIDECAR_PORT, None

    def shown(self, topology):
        """{(network, container): ports} of what gets there."""
        asked = list(self.probes(topology))
        heard = topology.heard_from([probe for _, probe in asked])
        shown = {}
        for ((network, to, port), probe), places in zip(asked, heard):
            for name, dst, dport in places:
                if to and (name == to or name is None and self.proxied(probe[4], dst, dport)):
                    shown.setdefault((network, to), set()).add(port)
                elif not to and name is None:
                    for other in SIDES["backend" if network == "frontend" else "frontend"]:
                        shown.setdefault((network, other), set()).add(EVERY)
        return shown

    def proxied(self, proto, dst, port):
        return bool(self.published) and any(one.takes(proto, dst, port) for one in stack().sockets)

    # -- what netguard finds --

    def found(self, topology, policy):
        docker = topology.engine(self.published, self.shared, self.sidecar)
        done = subprocess.run(["nsenter", f"--net=/run/netns/{topology.host.name}", NETGUARD,
                               "check", "--format", "json", "--docker", f"unix://{docker}",
                               "--policy", policy], capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), f"exit {done.returncode}: {done.stderr}"
        found = {}
        for finding in json.loads(done.stdout)["findings"]:
            assert finding["id"] == "NG022", finding["message"]
            words = re.search(r"(?:network|of network) (\w+)\b.* get(?:s)? to container (\w+) of "
                              r"network \w+ at (.*), with no gateway", finding["message"])
            assert words, finding["message"]
            network, name, ports = words.groups()
            assert finding["path"] and (network, name) not in found, finding["message"]
            found[network, name] = ports
        return found

    def run(self, topology, policy):
        self.load(topology)
        shown, found = self.shown(topology), self.found(topology, policy)
        told = {key: in_words(key[1], ports) for key, ports in shown.items()}
        for key, text in found.items():
            if key in told and told[key] is None:
                self.confirm(topology, key, text, shown[key])
                told[key] = text
        assert told == found, f"packets: {told}\n netguard: {found}"
        return shown

    def confirm(self, topology, key, text, shown):
        """Which port is told of those that are not known depends on what rules name."""
        network, to = key
        if text == UNNAMED:
            assert shown & OTHERS, f"{key}: told {text}, packets get to {shown}"
            return
        ports = [(proto, int(port)) for port, proto in re.findall(r"(\d+)/(\w+)", text)]
        own = next(one for one in topology.layout.containers if one.name == to)
        probes = [(*way, proto, port) for proto, port in ports for name in SIDES[network]
                  for dst in self.addresses(own) for way in self.ways(name, to, dst)]
        heard = topology.heard_from(probes)
        reached = {(probe[4], probe[5]) for probe, places in zip(probes, heard)
                   if any(name == to for name, _, _ in places)}
        assert ports and reached == set(ports), f"{key}: told {text}, packets get to {reached}"


def in_words(name, ports):
    """As the message has it; None: some that are not known of it."""
    known = {(each.proto, each.port) for one in stack().containers if one.name == name
             for each in one.sockets}
    if EVERY in ports:
        return EVERY
    if known | OTHERS <= ports:
        return "every port asked"
    if known & ports:
        return ", ".join(f"{port}/{proto}" for proto, port in sorted(known & ports)) + "".join(
            f" and others of {proto}" for proto, _ in sorted(OTHERS & ports))
    return None


# -- cases -----------------------------------------------------------------------------------------


BETWEEN = "-A DOCKER-USER -i br-front -o br-back"
LET_TRANSLATED = "-A DOCKER-USER -m conntrack --ctstate DNAT -j ACCEPT"
CASES = [
    *(Case(f"as {engine.__name__} writes it", engine) for engine in (docker20, docker28, docker29)),
    *(Case(f"published, {engine.__name__}", engine, published=PUBLISHED)
      for engine in (docker20, docker28, docker29)),
    *(Case(f"ACCEPT between the bridges, {engine.__name__}", engine, {4: [f"{BETWEEN} -j ACCEPT"]})
      for engine in (docker20, docker28)),
    Case("one port", extra={4: [f"{BETWEEN} -p tcp -m tcp --dport 5432 -j ACCEPT"]}),
    Case("one port that nobody has", extra={
        4: [f"{BETWEEN} -p tcp -m tcp --dport {NAMED_PORT} -j ACCEPT"]}),
    Case("one source", extra={4: ["-A DOCKER-USER -s 172.18.0.3 -j ACCEPT"]}),
    Case("the other direction alone, by IPv6", extra={6: ["-A DOCKER-USER -i br-back -j ACCEPT"]}),
    Case("no isolation", without="-j DOCKER-ISOLATION-STAGE-1"),
    Case("no isolation, and forward accepts", without="-j DOCKER-ISOLATION-STAGE-1",
         forward="ACCEPT"),
    Case("no isolation, and published", without="-j DOCKER-ISOLATION-STAGE-1",
         published=PUBLISHED),
    Case("no IPv6 filter", families=(4,)),
    Case("no IPv6 filter, and published, 28", docker28, families=(4,), published=PUBLISHED),
    Case("published, and input drops", published=PUBLISHED, no_input="DROP"),
    Case("published, and input lets one address pass", published=PUBLISHED, no_input="DROP",
         extra={4: ["-A INPUT -d 192.0.2.1 -i br-front -j ACCEPT"]}),
    Case("a DNAT of somebody's own", extra={4: [LET_TRANSLATED]}, translated=(
        ["-A PREROUTING -p tcp -m tcp --dport 7777 -j DNAT --to-destination 172.19.0.2:5432"],
        [("db", 5432, "192.0.2.1", 7777), ("db", 5432, "172.18.0.1", 7777)])),
    Case("a DNAT of nobody's address", extra={4: [LET_TRANSLATED]}, translated=(
        ["-A PREROUTING -d 10.9.9.9/32 -p tcp -j DNAT --to-destination 172.19.0.2"],
        [("db", 5432, "10.9.9.9", 5432), ("db", OTHER_PORT, "10.9.9.9", OTHER_PORT)])),
    Case("a DROP of every port before an ACCEPT", extra={4: [
        "-A DOCKER-USER -s 172.18.0.99 -p tcp -m tcp --dport 1:65535 -j DROP",
        f"{BETWEEN} -p tcp -m tcp --dport 5432 -j DROP",
        f"{BETWEEN} -p tcp -m tcp --dport 6379 -j DROP", f"{BETWEEN} -p tcp -j ACCEPT"]}),
    Case("a third network", shared=True),
    Case("a third network without ICC", shared=True, icc=False),
    Case("a third network without ICC, past the rules", shared=True, icc=False, calls=False),
    Case("a sidecar", sidecar=True),
    Case("a sidecar, and input drops", sidecar=True, no_input="DROP"),
]


def drawn(rnd, number):
    """What a user may have written into DOCKER-USER and INPUT."""
    def line(family, chain="DOCKER-USER", verdicts=("ACCEPT", "ACCEPT", "DROP", "RETURN")):
        net = {4: ["172.18.0.0/16", "172.18.0.2", "172.19.0.2", "172.19.0.3"],
               6: ["fd18::/64", "fd18::2", "fd19::2", "fd19::3"]}[family]
        words = []
        for option, values in (("-i", ["br-front", "br-back", "br-+"]),
                               ("-o", ["br-back", "br-front", "eth0"]), ("-s", net), ("-d", net)):
            if rnd.random() < 0.4 and (chain, option) != ("INPUT", "-o"):
                words.append(f"{rnd.choice(['', '', '! '])}{option} {rnd.choice(values)}")
        if rnd.random() < 0.5:
            port = rnd.choice([5432, 6379, 80, NAMED_PORT, "6000:7000", "1:61000", 15432])
            words.append(f"-p tcp -m tcp {rnd.choice(['', '', '! '])}--dport {port}")
        return " ".join([f"-A {chain}", *words, "-j", rnd.choice(verdicts)])

    engine = rnd.choice([docker20, docker28])
    more = {"icc": rnd.choice([True, False])} if engine is docker20 else {}
    extra = {family: [line(family) for _ in range(rnd.randint(0, 4))] +
             [line(family, "INPUT", ("ACCEPT", "DROP")) for _ in range(rnd.randint(0, 2))]
             for family in (4, 6)}
    return Case(f"drawn {number}", engine, extra, published=rnd.choice([(), PUBLISHED]),
                shared=rnd.random() < 0.3, calls=rnd.random() < 0.8,
                forward=rnd.choice(["DROP", "ACCEPT"]), no_input=rnd.choice(["ACCEPT", "DROP"]),
                **more)


# -- all of it -------------------------------------------------------------------------------------


@contextlib.contextmanager
def in_cgroup(process):
    """As an engine has it: by this a container's listener is known."""
    with open("/proc/self/mounts", encoding="utf-8") as file:
        mounts = [line.split() for line in file]
    root = sorted((kind, where) for _, where, kind, *_ in mounts
                  if kind in ("cgroup", "cgroup2"))[-1][1]
    path = f"{root}/{SIDECAR_ID}"
    os.mkdir(path)
    try:
        with open(f"{path}/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(process.pid))
        yield
    finally:
        process.end()
        for _ in range(50):
            with contextlib.suppress(OSError):
                os.rmdir(path)
                break
            time.sleep(0.1)


def run(topology, policy, cases):
    failed = 0
    for number, case in enumerate(cases, 1):
        try:
            if case.sidecar:
                with in_cgroup(serve(topology.host, "sidecar",
                                     [Socket("sidecar", "tcp", "0.0.0.0", SIDECAR_PORT)])):
                    shown = case.run(topology, policy)
            else:
                shown = case.run(topology, policy)
            print(f"ok {number} - {case.name} # {len(shown)} ways", flush=True)
        except (AssertionError, OSError, ValueError, KeyError) as reason:
            failed += 1
            print(f"not ok {number} - {case.name}")
            for line in f"{type(reason).__name__}: {reason}"[:4000].splitlines():
                print(f"# {line}", flush=True)
    return failed


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return 0
    pin_to_one_cpu()
    end_on_signals()
    rnd = random.Random(SEED)
    cases = CASES + [drawn(rnd, number) for number in range(DRAWN)]
    cases = [one for one in cases if all(word in one.name for word in sys.argv[1:])]
    print(f"1..{len(cases)}", flush=True)
    with Stack() as topology:
        policy = os.path.join(topology.directory, "policy")
        with open(policy, "w", encoding="ascii") as file:
            file.write(POLICY)
        try:
            settle_links(topology.host)
            failed = run(topology, policy, cases)
        finally:
            os.unlink(policy)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
