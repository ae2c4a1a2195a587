#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""swarm.py 20|26|28: a swarm of two real engines, seen from a host that is part of neither.

The manager and the worker are on one LAN with the host outside. What gets to them is shown by
packets first; then netguard has to say the same on each node, asking that node's engine alone.
"""
import concurrent.futures
import ipaddress
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import time

from cleanup import traces
from lab import (EVERYBODY, LINK, SILENCE_S, Engine, LabError, Tap, ask, inside, lab,
                 same, skip_all)  # fmt: skip

MANAGER4, WORKER4, OUTSIDER4 = "192.0.2.1", "192.0.2.2", "192.0.2.100"
MANAGER6, WORKER6 = "2001:db8:1::1", "2001:db8:1::2"
STRANGER = "198.51.100.7"  # an address of the outsider's that is not of the LAN
LAN = "192.0.2.0/24"
MANAGEMENT, GOSSIP, VXLAN, ESP = 2377, 7946, 4789, 50
PATIENCE_S = 60  # until a task runs

# The short form of `ports` is ingress mode, with an address that the swarm takes no notice of.
STACK = """\
version: "3.7"
services:
  store:
    image: lab
    command: [store, "6379", 6379/udp]
    volumes: ["/usr:/usr:ro"]
    networks: [backend]
    ports: [{target: 6379, published: 16379, protocol: tcp, mode: host}]
    deploy: {mode: global}
  web:
    image: lab
    command: [web, "80"]
    volumes: ["/usr:/usr:ro"]
    ports: ["127.0.0.1:8081:80"]
networks:
  backend: {driver: overlay, attachable: true}
"""

POLICY = f"""\
version: 1
zones:
  - {{id: cluster, match: [{{interfaces: [{LINK}], sources: [{LAN}]}}]}}
default: alert
"""


def until(what, found, wait_s=PATIENCE_S):
    """What `found` finds, as soon as it does."""
    deadline = time.monotonic() + wait_s
    while not (result := found()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {wait_s} s: {what}")
        time.sleep(0.05)
    return result


class Node(Engine):
    """One of the swarm's engines; outside is the host that stands outside of both."""

    def __init__(self, swarm, number, addr4, addr6):
        super().__init__(swarm.version)
        self.name = f"{swarm.name}-{number}"
        self.host = f"/run/netns/netguard-lab-{self.name}-host"
        self.out = f"/run/netns/netguard-lab-{swarm.name}-1-out"
        self.addr4, self.addr6 = addr4, addr6

    @property
    def log(self):
        return pathlib.Path(self.socket).with_name("log").read_text(errors="replace")

    def task(self, service):
        """Its one container of a service, as soon as that runs."""
        return until(f"a task of {service} runs on {self.name}", lambda: self.docker(
            "ps", "-q", "--no-trunc", "--filter",
            f"label=com.docker.swarm.service.name={service}"))  # fmt: skip

    def serves(self, service, name, port, proto="tcp"):
        """Wait until its task answers to those who are in its own network."""
        netns = self.netns(self.task(service))
        until(f"{service} serves {port}/{proto} on {self.name}",
              lambda: ask(netns, "127.0.0.1", port, proto, wait_s=0.2) == name)  # fmt: skip


class Swarm:
    def __init__(self, version):
        self.version, self.name = version, f"e2e-swarm-{version}-{os.getpid()}"
        self.manager = Node(self, 1, MANAGER4, MANAGER6)
        self.worker = Node(self, 2, WORKER4, WORKER6)
        self.nodes = [self.manager, self.worker]

    def __enter__(self):
        try:
            sockets = lab("swarm", "up", self.name, self.version).split()
            for node, node.socket in zip(self.nodes, sockets):
                print(f"# engine {node.docker('version', '-f', '{{.Server.Version}}')}")
            sys.stdout.flush()
        except BaseException as error:  # interrupted half-way, too
            self.__exit__()
            if isinstance(error, LabError) and error.status == 3 and self.version != "20":
                skip_all(error.stderr.splitlines()[0])  # but 20 is what we must have
            raise
        return self

    def __exit__(self, *_):
        lab("swarm", "down", self.name)

    def create_service(self, name, *options, serve):
        """By the manager; no registry is asked, which would only take time."""
        self.manager.docker("service", "create", "--quiet", "--detach", "--no-resolve-image",
                            "--name", name, "--mount", "type=bind,src=/usr,dst=/usr,ro",
                            *options, "lab", name, *serve)  # fmt: skip

    def vni(self, network):
        return int(self.manager.docker(
            "network", "inspect", "-f",
            '{{index .Options "com.docker.network.driver.overlay.vxlanid_list"}}', network))


# -- packets from outside ----------------------------------------------------------------------


def datagrams(node, source, port=0):
    with inside(node.out):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((source, port))
    return sock


def tcp(node, address, port, source=None, netns=None):
    """What becomes of a connection, of the outside host's or from `netns`: "open", "refused", or
    "silent" where nothing comes back."""
    with inside(netns or node.out):
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    with sock:
        sock.settimeout(SILENCE_S)
        if source:
            sock.bind((source, 0))
        try:
            sock.connect((address, port))
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            return "silent"
        return "open"


def udp_is_refused(node, port):
    """By the host itself, for want of a socket."""
    with datagrams(node, OUTSIDER4) as sock:
        sock.settimeout(SILENCE_S)
        sock.connect((node.addr4, port))
        sock.send(b"?")
        try:
            sock.recv(100)
        except ConnectionRefusedError:
            return True
        except TimeoutError:
            return False


def gossip_hears(node, source):
    """Whether the engine itself gets a datagram: it logs those that it cannot decrypt."""
    with datagrams(node, source) as sock:
        sock.sendto(b"not encrypted", (node.addr4, GOSSIP))
        mark = f"from={source}:{sock.getsockname()[1]}"
    deadline = time.monotonic() + SILENCE_S
    while mark not in node.log:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def checksum(header):
    """RFC 1071, for a header with its own checksum 0."""
    return 0xFFFF - int.from_bytes(header, "big") % 0xFFFF


def ask_overlay(node, vni, target, port, source=OUTSIDER4):
    """What is answered on `port`/udp by a task inside of an overlay network to one who is on no
    node, and wraps frames in VXLAN. None: nothing.

    The task has to know where its answer goes: a question for its own address tells it. The
    node learns from both which host is behind that station."""
    station = bytes.fromhex("020000000063")
    target = ipaddress.ip_address(target).packed
    asking = target[:3] + b"\xfa"  # 250: past what the swarm has given out so far
    arp = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, station, asking, bytes(6), target)
    datagram = struct.pack("!HHHH", 40000, port, 12, 0) + b"who?"
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 0, 0, 64,
                         socket.IPPROTO_UDP, 0, asking, target)  # fmt: skip
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    with datagrams(node, source, VXLAN) as sock:
        sock.settimeout(SILENCE_S)
        for kind, body in (0x0806, arp), (0x0800, header + datagram):
            frame = b"\xff" * 6 + station + struct.pack("!H", kind) + body
            sock.sendto(struct.pack("!II", 0x08000000, vni << 8) + frame, (node.addr4, VXLAN))
        try:
            return sock.recv(2000)[8 + 14 + 20 + 8 :].decode().strip()
        except TimeoutError:
            return None


def esp_arrives(node, source=OUTSIDER4, netns=None):
    """Whether it gets past the node's input hooks, behind which a raw socket stands."""
    with inside(node.host):
        ear = socket.socket(socket.AF_INET, socket.SOCK_RAW, ESP)
    with inside(netns or node.out):
        mouth = socket.socket(socket.AF_INET, socket.SOCK_RAW, ESP)
    with ear, mouth:
        ear.settimeout(SILENCE_S)
        mouth.bind((source, 0))
        mouth.sendto(struct.pack("!II", 0x1000, 1) + bytes(16), (node.addr4, 0))
        try:
            while ear.recvfrom(2000)[1][0] != source:
                pass
            return True
        except TimeoutError:
            return False


def prove(*expected):
    """(answer, question, argument...) of each, all at once: so silence is waited for no longer
    than once."""
    with concurrent.futures.ThreadPoolExecutor(len(expected)) as pool:
        got = [pool.submit(question, *arguments) for _, question, *arguments in expected]
    for (answer, question, _, *arguments), future in zip(expected, got):
        same(future.result(), answer, f"{question.__name__}{(*arguments,)}")


# -- what netguard says ------------------------------------------------------------------------


def of_role(report, role, proto, family="ip"):
    """The one exposure of a port of the swarm's own."""
    found = [e for e in report.exposures
             if (e["role"], e["proto"], e["family"]) == (role, proto, family)]
    same(len(found), 1, f"number of exposures of {role} by {proto} over {family}")
    same((found[0]["kind"], found[0]["container"]), ("host", None), f"kind and container of {role}")
    return found[0]


def of_service(report, service, kind, family="ip"):
    """The one exposure of a service."""
    found = [e for e in report.exposures
             if e["container"] and e["container"]["service"] == service
             and (e["kind"], e["family"]) == (kind, family)]  # fmt: skip
    same(len(found), 1, f"number of exposures of {service} as {kind} over {family}")
    return found[0]


def reaches(exposure):
    """{zone: verdict} on the interface to the outside."""
    return {r["zone"]: r["verdict"] for r in exposure["reach"] if r["interface"] == LINK}


def is_open(report, exposure):
    reach = report.public(exposure)
    everybody = EVERYBODY[4 if exposure["family"] == "ip" else 6]
    same((reach["verdict"], reach["sources"], reach["unsure"]), ("reachable", everybody, []),
         "verdict, sources, unsure")  # fmt: skip


def networks(report):
    (engine,) = report.json["engines"]
    return {n["name"]: n for n in engine["networks"]}


# -- the cases ---------------------------------------------------------------------------------


def own_ports(tap, swarm):
    """A swarm without a service: its ingress network is an overlay network like others."""
    until("the data path opens",
          lambda: not any(udp_is_refused(node, VXLAN) for node in swarm.nodes))  # fmt: skip
    for node, word in (swarm.manager, "manager"), (swarm.worker, "worker"):
        is_manager = node is swarm.manager
        with tap.case(f"{word}: 7946 by TCP and UDP, 4789/udp, 2377 only on a manager: by packets"):
            for address in node.addr4, node.addr6:
                same(tcp(node, address, GOSSIP), "open", f"{address} 7946/tcp")
                same(tcp(node, address, MANAGEMENT), "open" if is_manager else "refused",
                     f"{address} 2377/tcp")  # fmt: skip
            same(gossip_hears(node, OUTSIDER4), True, "7946/udp")
            same(udp_is_refused(node, VXLAN), False, "4789/udp is refused")
            same(udp_is_refused(node, VXLAN + 1), True, "4790/udp is refused")
        with tap.case(f"{word}: netguard lists them with their roles, open to everybody"):
            report = node.check()
            exposure = of_role(report, "swarm-data-path", "udp")
            same((exposure["host_port"], exposure["process"]), (VXLAN, None), "port and process")
            is_open(report, exposure)
            for family in "ip", "ip6":
                for proto in "tcp", "udp":
                    exposure = of_role(report, "swarm-gossip", proto, family)
                    same((exposure["host_port"], exposure["process"]), (GOSSIP, "dockerd"),
                         "port and process")  # fmt: skip
                    is_open(report, exposure)
                if is_manager:
                    exposure = of_role(report, "swarm-management", "tcp", family)
                    same(exposure["host_port"], MANAGEMENT, "port")
                    is_open(report, exposure)
            roles = {e["role"] for e in report.exposures if e["role"]}
            same(roles, {"swarm-gossip", "swarm-data-path"}
                 | ({"swarm-management"} if is_manager else set()), "roles")  # fmt: skip
        with tap.case(f"{word}: netguard tells the engine's part in the swarm"):
            (engine,) = node.check().json["engines"]
            same(engine["swarm"], {"manager": is_manager, "node_addr": node.addr4,
                                   "data_path_port": VXLAN, "peers": [MANAGER4, WORKER4]},
                 "swarm")  # fmt: skip


def deploy(swarm):
    file = pathlib.Path(swarm.manager.socket).with_name("stack.yaml")
    file.write_text(STACK)
    swarm.manager.docker("stack", "deploy", "--resolve-image", "never",
                         "--compose-file", f"/lab/{file.name}", "orders")  # fmt: skip
    for node in swarm.nodes:
        node.serves("orders_store", "store", 6379)


def host_mode(tap, swarm):
    for node, word in (swarm.manager, "manager"), (swarm.worker, "worker"):
        for address, family in (node.addr4, "ip"), (node.addr6, "ip6"):
            with tap.case(f"{word}: port of a service in host mode over {address}, with its stack"):
                node.expect("store", address, 16379)
                report = node.check()
                exposure = of_service(report, "orders_store", "published", family)
                same((exposure["host_port"], exposure["container_port"]), (16379, 6379), "ports")
                same((exposure["container"]["stack"], exposure["container"]["networks"]),
                     ("orders", ["docker_gwbridge", "orders_backend"]),
                     "stack and networks")  # fmt: skip
                is_open(report, exposure)
    for node, word in (swarm.manager, "manager"), (swarm.worker, "worker"):
        with tap.case(f"{word}: a snapshot tells where its tunnels to other nodes end"):
            (engine,) = json.loads(node.netguard("snapshot").stdout)["engines"]
            same((engine["data_path_addr"], engine["peers"]),
                 (node.addr4, [{"addr": MANAGER4}, {"addr": WORKER4}]), "address and peers")
    with tap.case("worker: the task at its own address on docker_gwbridge, for who routes there"):
        node = swarm.worker
        task = node.netns(node.task("orders_store"))
        shown = subprocess.run(["nsenter", f"--net={task}", "ip", "-4", "-j", "addr"], check=True,
                               capture_output=True).stdout  # fmt: skip
        (own,) = {one["local"] for link in json.loads(shown) for one in link["addr_info"]
                  if one["local"].startswith("172.")}  # fmt: skip
        swarm.manager.outside("ip", "route", "add", f"{own}/32", "via", node.addr4)
        is_closed = swarm.version == "28"  # by its rules in raw PREROUTING
        node.expect(None if is_closed else "store", own, 6379)
        swarm.manager.outside("ip", "route", "del", f"{own}/32")
        found = [e for e in node.check().exposures
                 if e["kind"] == "direct" and e["container_addr"] == own]  # fmt: skip
        same([e["container_port"] for e in found], [] if is_closed else [6379], "direct ports")


def ingress(tap, swarm):
    """Which needs IPVS. Without it engines neither write rules nor listen: the port is closed,
    and that is what netguard has to say of it; what it says where there are rules is shown by
    recorded ones, in tests/kernel/test_ingress.py."""
    has_ipvs = os.path.exists("/proc/net/ip_vs")
    for node, word in (swarm.manager, "manager"), (swarm.worker, "worker"):
        with tap.case(f"{word}: a port in ingress mode, by service, on all addresses: "
                      f"{'open' if has_ipvs else 'closed, this kernel lacks IPVS'}"):
            if has_ipvs:
                until("the mesh answers", lambda n=node: ask(n.out, n.addr4, 8081) == "web")
            else:
                for address in node.addr4, node.addr6:
                    same(tcp(node, address, 8081), "refused", f"{address} 8081/tcp")
            report = node.check()
            exposure = of_service(report, "orders_web", "ingress")
            container = exposure["container"]
            same((container["id"], container["name"], container["image"], container["networks"]),
                 (None, "orders_web", None, ["ingress"]), "container")  # fmt: skip
            same((exposure["proto"], exposure["host_addr"], exposure["host_port"],
                  exposure["container_port"], exposure["paths"]),
                 ("tcp", "0.0.0.0", 8081, 80, ["dnat", "ipvs"] if has_ipvs else []),
                 "exposure")  # fmt: skip
            same(reaches(exposure), {"public": "reachable" if has_ipvs else "blocked"}, "verdict")
            if node is swarm.manager:
                same(container["stack"], "orders", "stack")


def overlay(tap, swarm):
    with tap.case("worker: who is on no node asks a task inside an overlay network by VXLAN, and "
                  "is answered"):  # fmt: skip
        worker = swarm.worker
        target = worker.address(worker.task("orders_store"), network="orders_backend")
        same(ask_overlay(worker, swarm.vni("orders_backend"), target, 6379), "store", "answer")
    for node, word in (swarm.manager, "manager"), (swarm.worker, "worker"):
        with tap.case(f"{word}: netguard tells of the overlay networks"):
            told = networks(node.check())
            same({key: told["orders_backend"][key] for key in
                  ("driver", "attachable", "encrypted", "ingress", "internal", "bridge")},
                 {"driver": "overlay", "attachable": True, "encrypted": False, "ingress": False,
                  "internal": False, "bridge": None}, "orders_backend")  # fmt: skip
            same((told["ingress"]["driver"], told["ingress"]["ingress"]), ("overlay", True),
                 "ingress")  # fmt: skip


def encrypted(tap, swarm):
    worker = swarm.worker
    with tap.case("worker: nothing of an encrypted overlay network before there is one"):
        same([e for e in worker.check().exposures if e["proto"] == "esp"], [], "by ESP")

    swarm.manager.docker("network", "create", "--driver", "overlay", "--opt", "encrypted", "sealed")
    swarm.create_service("vault", "--constraint", "node.role==worker", "--network", "sealed",
                         "--endpoint-mode", "dnsrr", serve=["6379/udp"])  # fmt: skip
    target = worker.address(worker.task("vault"), network="sealed")
    with tap.case("worker: an encrypted overlay network takes no frame that comes in the clear"):
        worker.serves("vault", "vault", 6379, "udp")
        same(ask_overlay(worker, swarm.vni("sealed"), target, 6379), None, "answer outside")
    with tap.case("worker: netguard tells that it is encrypted"):
        told = networks(worker.check())["sealed"]
        same((told["driver"], told["encrypted"], told["attachable"]), ("overlay", True, False),
             "driver, encrypted, attachable")  # fmt: skip
    with tap.case("worker: ESP gets past the input hooks, and netguard lists it"):
        same(esp_arrives(worker), True, "arrives")
        report = worker.check()
        exposure = of_role(report, "swarm-data-path", "esp")
        same((exposure["host_port"], exposure["container_port"]), (None, None), "ports")
        is_open(report, exposure)
    with tap.case("worker: the other overlay network still answers by VXLAN, and netguard does "
                  "not say that the port is closed"):  # fmt: skip
        target = worker.address(worker.task("orders_store"), network="orders_backend")
        same(ask_overlay(worker, swarm.vni("orders_backend"), target, 6379), "store", "answer")
        report = worker.check()
        reach = report.public(of_role(report, "swarm-data-path", "udp"))
        # A rule of the engine's asks for the network's number, inside of the datagram.
        same(sorted({*reach["sources"], *reach["maybe"]}), EVERYBODY[4], "who may get in")


def zones(tap, swarm, policy):
    """A firewall that lets the LAN in, and a policy that calls it a zone."""
    worker, manager = swarm.worker, swarm.manager
    manager.outside("ip", "addr", "add", f"{STRANGER}/32", "dev", "lan")
    for node in swarm.nodes:
        same(gossip_hears(node, STRANGER), True, "a stranger is heard while no rule drops him")
        for proto, port in ("tcp", MANAGEMENT), ("tcp", GOSSIP), ("udp", GOSSIP), ("udp", VXLAN):
            node.sh("iptables", "-I", "INPUT", "!", "-s", LAN, "-p", proto, "--dport", str(port),
                    "-j", "DROP")  # fmt: skip
        node.sh("iptables", "-I", "INPUT", "!", "-s", LAN, "-p", "esp", "-j", "DROP")

    with tap.case("both: a firewall lets in the LAN alone: shown by packets"):
        target = worker.address(worker.task("orders_store"), network="orders_backend")
        vni = swarm.vni("orders_backend")
        expected = []
        for source, is_in in (OUTSIDER4, True), (STRANGER, False):
            tcp_answer = "open" if is_in else "silent"
            for node in swarm.nodes:
                expected += [(tcp_answer, tcp, node, node.addr4, GOSSIP, source),
                             (is_in, gossip_hears, node, source),
                             (is_in, esp_arrives, node, source)]  # fmt: skip
            expected += [(tcp_answer, tcp, manager, MANAGER4, MANAGEMENT, source),
                         ("store" if is_in else None, ask_overlay, worker, vni, target, 6379,
                          source)]  # fmt: skip
        prove(*expected)
    for node, word in (swarm.manager, "manager"), (swarm.worker, "worker"):
        with tap.case(f"{word}: netguard tells each zone's reach"):
            report = node.check("--policy", policy)
            expected = [("swarm-gossip", "tcp"), ("swarm-gossip", "udp")]
            expected += [("swarm-management", "tcp")] if node is manager else \
                [("swarm-data-path", "esp")]  # fmt: skip
            for role, proto in expected:
                same(reaches(of_role(report, role, proto)),
                     {"cluster": "reachable", "public": "blocked"}, f"reach of {role}")  # fmt: skip
            same(reaches(of_role(report, "swarm-gossip", "tcp", "ip6"))["public"], "reachable",
                 "reach over IPv6, which that firewall does not know")  # fmt: skip
            data_path = reaches(of_role(report, "swarm-data-path", "udp"))
            same(data_path["public"], "blocked", "data path from public")
            same(data_path["cluster"] == "blocked", False, "data path closed to the cluster")
            # What is published in host mode passes the firewall by.
            node.expect("store", node.addr4, 16379, source=STRANGER)
            same(reaches(of_service(report, "orders_store", "published")),
                 {"cluster": "reachable", "public": "reachable"}, "reach of orders_store")


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as directory, Swarm(sys.argv[1]) as swarm:
        policy = pathlib.Path(directory, "policy.yaml")
        policy.write_text(POLICY)
        own_ports(tap, swarm)
        deploy(swarm)
        host_mode(tap, swarm)
        ingress(tap, swarm)
        overlay(tap, swarm)
        encrypted(tap, swarm)
        zones(tap, swarm, policy)
    with tap.case("nothing is left of both engines"):
        same([traces(node.name) for node in swarm.nodes], [[], []], "left behind")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
