#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What listens in the containers' own networks is observed from outside, and several engines are.

    test_containers.py NETGUARD...  the command line that prints a snapshot of this host
                                    (default: $NETGUARD snapshot)

The engines are fake, the cgroups, processes and networks of their containers real. Needs root and
iproute2. Prints TAP. Everything it makes goes with it: namespaces, processes and one cgroup.
"""
import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

from observed import (NETGUARD, equal, in_namespace, read, run_tests, settle, shell, snapshot,
                      write)

FAKE_ENGINE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lab/fake-engine")

# Enters a cgroup, then runs the rest.
IN_CGROUP = 'echo $$ >"$0/cgroup.procs" && exec "$@"'
# Listens in a container, as argv says (family, protocol, address, port), until stdin closes.
LISTENER = """
import socket, sys
sockets = []
for word in sys.argv[1:]:
    family, proto, address, port = word.split()
    six = family == "6"
    sock = socket.socket(socket.AF_INET6 if family != "4" else socket.AF_INET,
                         socket.SOCK_DGRAM if proto == "udp" else socket.SOCK_STREAM,
                         132 if proto == "sctp" else 0)
    if family != "4":
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, six)
    address, _, device = address.partition("%")
    if device:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\\0")
    sock.bind((address, int(port)))
    if proto != "udp":
        sock.listen()
    sockets.append(sock)
peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
peer.connect(("127.0.0.1", 9))
print("ready", flush=True)
sys.stdin.read()
"""
NETWORK = ("ip link set lo up && ip link add d0 index 7 type veth peer name d1 && "
           "ip link set d0 up && ip link set d1 up && "
           "ip addr add 198.51.100.7/24 dev d0 && ip addr add 2001:db8:7::7/64 dev d0 nodad && "
           'exec "$@"')
# 46: an IPv6 socket that takes IPv4, too.
OPEN = ["4 tcp 0.0.0.0 80", "6 tcp :: 81", "46 tcp :: 82", "4 tcp 198.51.100.7 83",
        "6 tcp 2001:db8:7::7 84", "4 udp 0.0.0.0 53", "46 udp :: 54", "4 udp 0.0.0.0%d0 55",
        "46 tcp ::ffff:198.51.100.7 85"]
SCTP = ["4 sctp 0.0.0.0 2905", "46 sctp 2001:db8:7::7 2906"]
LOOPBACK = ["4 tcp 127.0.0.1 6379", "4 udp 127.0.0.11 40053", "6 tcp ::1 6380", "6 udp ::1 6381",
            "46 tcp ::ffff:127.0.0.1 6382", "4 tcp 127.255.255.254 6383"]


def told_listeners(words):
    """What OPEN and SCTP should come to: (proto, addr, port, v6only, link)."""
    for word in words:
        family, proto, addr, port = word.split()
        addr, _, device = addr.partition("%")
        yield (proto, addr.removeprefix("::ffff:"), int(port), family == "6", 7 if device else 0)


def listeners_of(container):
    assert container["listeners_read"], container["name"]
    assert not any(s["pid"] or s["process"] or s["container_id"] for s in container["listeners"])
    return [(s["proto"], s["addr"], s["port"], s["v6only"], s["link"])
            for s in container["listeners"]]


def ports_of(container):
    return [s["port"] for s in container["listeners"]]


class Containers:
    """Within `with`: the containers of a fake engine at /run/docker.sock, as far as sockets go: a
    cgroup named by the id, and processes in it."""

    def __init__(self, count):
        self.stack = contextlib.ExitStack()
        self.count = count
        mounts = [line.split() for line in read("/proc/self/mounts").splitlines()]
        cgroups = sorted((kind, where) for _, where, kind, *_ in mounts
                         if kind in ("cgroup", "cgroup2"))
        self.root = f"{cgroups[-1][1]}/netguard-test-{os.getpid()}"

    def __enter__(self):
        with self.stack as stack:
            self.start([FAKE_ENGINE, "unix:///run/docker.sock", "--containers", str(self.count)])
            stack.callback(lambda: os.path.exists("/run/docker.sock")
                           and os.unlink("/run/docker.sock"))
            self.make(self.root)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def make(self, path):
        os.mkdir(path)
        self.stack.callback(self.remove, path)

    @staticmethod
    def remove(path):
        """With what is left of its processes' children, some of them on their way out."""
        for _ in range(50):
            for pid in (read(f"{path}/cgroup.procs") or "").split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            try:
                return os.rmdir(path)
            except OSError:
                time.sleep(0.1)
        return os.rmdir(path)

    def start(self, command):
        process = self.stack.enter_context(subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        self.stack.callback(process.kill)
        assert process.stdout.readline(), command[:8]
        return process.pid

    def run(self, number, words, below="", own_network=True):
        """A process of a container that listens; its pid."""
        path = self.root
        for part in (self.id(number), *below.split("/")):
            path = os.path.join(path, part).rstrip("/")
            if not os.path.exists(path):
                self.make(path)
        network = ["unshare", "--net", "sh", "-c", NETWORK, "sh"] if own_network else []
        return self.start(["sh", "-c", IN_CGROUP, path, *network, sys.executable, "-c", LISTENER,
                           *words])

    @staticmethod
    def id(number):
        return hashlib.sha256(f"container {number}".encode()).hexdigest()


def containers_in(world):
    """By number; the fake engine calls them web-<number>."""
    return {int(c["name"].removeprefix("web-")): c for c in world["engines"][0]["containers"]}


def has_sctp():
    return os.path.exists("/proc/net/sctp/eps")


def test_containers(world):
    words = OPEN + (SCTP if has_sctp() else [])
    with Containers(3) as made:
        made.run(0, words + LOOPBACK)
        made.run(1, LOOPBACK)
        seen = snapshot()
        again = snapshot()
    containers = containers_in(seen)
    equal("listeners", listeners_of(containers[0]), told_listeners(words))
    assert listeners_of(containers[1]) == []  # read, and nothing there for anybody outside
    assert not containers[2]["listeners_read"] and not containers[2]["listeners"]
    assert containers_in(again) == containers
    # What is read after them is this namespace's.
    for part in ("links", "addresses", "routes", "listeners", "nftables"):
        assert seen[part] == world[part], part


def test_whose_network_it_is(_):
    """Not every process in a container's cgroup is on its network."""
    inner = "docker/" + "f" * 64
    with Containers(4) as made:
        made.run(0, ["4 tcp 0.0.0.0 3000"], own_network=False)  # a monitor
        made.run(0, ["4 tcp 0.0.0.0 80"])
        made.run(1, ["4 tcp 0.0.0.0 3001"], own_network=False)  # the host's network after all
        made.run(2, ["4 tcp 0.0.0.0 81"], below=inner)  # a container in the container
        made.run(2, ["4 tcp 0.0.0.0 81"], below=made.id(1))  # which would like to be another
        made.run(2, ["4 tcp 0.0.0.0 82"], below="init")
        first, later = made.run(3, ["4 tcp 0.0.0.0 83"]), made.run(3, ["4 tcp 0.0.0.0 84"])
        seen = snapshot()
        ids = {s["port"]: (s["container_id"], s["pid"] != 0) for s in seen["listeners"]}
        assert (ids[3000], ids[3001]) == ((made.id(0), True), (made.id(1), True)), ids
    containers = containers_in(seen)
    assert ports_of(containers[0]) == [80], containers[0]
    assert not containers[1]["listeners_read"] and ports_of(containers[1]) == [], containers[1]
    assert ports_of(containers[2]) == [82], containers[2]
    assert ports_of(containers[3]) == [83 if first < later else 84], containers[3]


def test_containers_without_privilege(_):
    words = OPEN + (SCTP if has_sctp() else [])
    with Containers(1) as made:
        made.run(0, words + LOOPBACK)
        # Not to be entered, but the files in /proc tell, though not of links and IPv4.
        container = containers_in(snapshot("setpriv", "--bounding-set=-sys_admin"))[0]
        equal("listeners", [known[:3] for known in listeners_of(container)],
              [told[:3] for told in told_listeners(words)])
        # Whose network it is cannot even be told.
        os.chmod("/run/docker.sock", 0o666)
        seen = snapshot("setpriv", "--reuid=65534", "--clear-groups", "--bounding-set=-all")
    container = containers_in(seen)[0]
    assert not container["listeners_read"] and not container["listeners"], container


def test_containers_that_come_and_go(_):
    """Processes end at any time, between any two looks at them."""
    serve = "import socket; sock = socket.socket(); sock.bind((str(), 80)); sock.listen()"
    with Containers(8) as made:
        for number in range(8):
            path = f"{made.root}/{made.id(number)}"
            made.make(path)
            made.start(["sh", "-c", IN_CGROUP, path, "sh", "-c",
                        'echo; while :; do unshare --net "$@"; done', "sh", sys.executable, "-c",
                        serve])
        seen = {(container["listeners_read"], *ports_of(container)) for _ in range(30)
                for container in containers_in(snapshot()).values()}
    assert seen <= {(False,), (True,), (True, 80)}, seen


def test_several_engines(_):
    def observed(*endpoints):
        options = [word for endpoint in endpoints for word in ("--docker", endpoint)]
        done = subprocess.run([*NETGUARD, *options], stdout=subprocess.PIPE, check=False)
        world = json.loads(done.stdout)
        return ([engine["endpoint"] for engine in world["engines"]],
                [gap["reason"] for gap in world["gaps"] if gap["source"] == "docker"
                 and "/nowhere" in gap["reason"]], done.returncode)

    first, second, nowhere = (f"unix:///run/{name}.sock" for name in ("docker", "b", "nowhere"))
    with Containers(2) as made:
        made.start([FAKE_ENGINE, second])
        os.symlink("/run/docker.sock", "/run/alias.sock")
        made.stack.callback(os.unlink, "/run/alias.sock")
        assert observed(second, first, second)[0] == [second, first]
        assert observed(first, "unix:///run/alias.sock")[0] == [first]
        engines, gaps, status = observed(nowhere, second, first)
        assert engines == [second, first] and len(gaps) == 1 and status == 3, (gaps, status)
        engines, gaps, status = observed(nowhere, "unix:///run/nowhere2.sock")
        assert engines == [] and len(gaps) == 2 and status == 3, (gaps, status)


TESTS = [test_containers, test_whose_network_it_is, test_containers_without_privilege,
         test_containers_that_come_and_go, test_several_engines]


def inside():
    write("/proc/sys/net/ipv6/conf/default/accept_dad", "0")
    shell("""
        ip link set lo up
        ip link add v0 type veth peer name v1
        ip link set v0 up
        ip link set v1 up
        ip addr add 192.0.2.1/24 dev v0
        ip addr add 2001:db8:1::1/64 dev v0 nodad
    """)
    settle()
    with socket.create_server(("0.0.0.0", 1001)):
        return run_tests(TESTS, snapshot())


sys.exit(in_namespace(__file__, inside))
