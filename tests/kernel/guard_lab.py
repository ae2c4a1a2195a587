# SPDX-License-Identifier: GPL-2.0-or-later
"""An outside host, this one, and behind it a container on docker0 and a virtual machine on virbr0,
each in a namespace of its own; servers in them, and what asks them."""
import contextlib
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
NETGUARD = os.path.abspath(os.environ.get("NETGUARD", os.path.join(HERE, "../../build/netguard")))
FAKE_ENGINE = os.path.join(HERE, "../lab/fake-engine")
NAME = f"netguard-guard-{os.getpid()}"
POLICY = """
version: 1
mode: enforce
rules:
  - {id: no-stores, deny: [6379, 5432], action: block}
"""
# As an engine writes them: 6379 as it is, and by another port.
ENGINE_RULES = """
table ip nat {
  chain PREROUTING {
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr 198.51.100.1 tcp dport 6379 dnat to 172.17.0.2:6379
    ip daddr 198.51.100.1 tcp dport 16379 dnat to 172.17.0.2:6379
    ip daddr 198.51.100.1 udp dport 16379 dnat to 172.17.0.2:6379
    ip daddr 198.51.100.1 sctp dport 16379 dnat to 172.17.0.2:6379
    ip daddr 198.51.100.1 tcp dport {80, 20000} dnat to 172.17.0.2:80
  }
}
table ip6 nat {
  chain PREROUTING {
    type nat hook prerouting priority dstnat; policy accept;
    ip6 daddr 2001:db8:1::1 tcp dport 16379 dnat to [fd00:17::2]:6379
    ip6 daddr 2001:db8:1::1 udp dport 16379 dnat to [fd00:17::2]:6379
    ip6 daddr 2001:db8:1::1 sctp dport 16379 dnat to [fd00:17::2]:6379
  }
}
"""
# Speaks first, and says every line again.
SERVER = """
import socket, sys, threading
def serve(peer):
    with peer:
        peer.sendall(b"hello")
        while data := peer.recv(100):
            peer.sendall(data)
def accept(server):
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
for port in sys.argv[1:]:
    server = socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
    threading.Thread(target=accept, args=(server,), daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""
# A line for each address and port that somebody says hello at; all are asked at once.
ASK = """
import socket, sys, threading
def ask(word):
    host, _, port = word.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=0.4) as sock:
            if sock.recv(5) == b"hello":
                sys.stdout.write(word + "\\n")
    except OSError:
        pass
for word in sys.argv[1:]:
    threading.Thread(target=ask, args=(word,)).start()
"""
# One connection, and on every line of input whether it still answers.
TALK = """
import socket, sys
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=0.6)
print(sock.recv(5) == b"hello", flush=True)
for line in sys.stdin:
    try:
        sock.sendall(b"x")
        print(sock.recv(1) == b"x", flush=True)
    except OSError:
        print(False, flush=True)
"""

# As `conntrack -F` does: IPCTNL_MSG_CT_DELETE without a tuple.
FORGET = """
import socket, struct
sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
sock.send(struct.pack("=IHHIIBBH", 20, 0x0102, 5, 1, 0, 0, 0, 0))
assert struct.unpack_from("=i", sock.recv(4096), 16)[0] == 0
"""


def run(*command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **more)  # fmt: skip
    assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}: {done.stdout}"
    return done.stdout


def inside(place, *command):
    return ["nsenter", f"--net=/run/netns/{NAME}-{place}", *command]


def python(place, script, *words):
    return subprocess.Popen(inside(place, sys.executable, "-c", script, *words), text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL)  # fmt: skip


def ask(place, *targets):
    """Those of the targets that answer."""
    return set(run(*inside(place, sys.executable, "-c", ASK, *targets)).split())


def answer(place, expected, *others):
    """All that are expected, if not at once; and of the others none, ever."""
    for _ in range(20):
        answered = ask(place, *expected, *others)
        assert answered <= set(expected), answered - set(expected)
        if answered == set(expected):
            return
    raise AssertionError(f"never answered: {set(expected) - answered}")


def nft(text):
    run(*inside("host", "nft", "-f", "-"), input=text)


def listing():
    return run(*inside("host", "nft", "list", "ruleset"))


def wire(place, address4, address6, bridge=None, more=()):
    """A link from `place` to this host, or to a bridge of it."""
    host, there, link = f"{NAME}-host", f"{NAME}-{place}", f"{place}0"
    run("ip", "-n", there, "link", "set", "lo", "up")
    run("ip", "-n", host, "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns",
        there)  # fmt: skip
    run("ip", "-n", host, "link", "set", link, "up")
    if bridge == "virbr0":  # a container may hang on a veth pair as well
        run("ip", "-n", host, "link", "add", "link", link, "name", "tap0", "type", "macvlan",
            "mode", "passthru")  # fmt: skip
        run("ip", "-n", host, "link", "set", link := "tap0", "up")
    if bridge:
        run("ip", "-n", host, "link", "set", link, "master", bridge)
    run("ip", "-n", there, "link", "set", "eth0", "up")
    run("ip", "-n", there, "addr", "add", address4, "dev", "eth0")
    run("ip", "-n", there, "addr", "add", address6, "dev", "eth0", "nodad")
    for words in more:
        run("ip", "-n", there, *words.split())


def build(stack):
    for place in ("host", "out", "ct", "vm"):
        run("ip", "netns", "add", f"{NAME}-{place}")
        stack.callback(run, "ip", "netns", "del", f"{NAME}-{place}")
    host = ["ip", "-n", f"{NAME}-host"]
    run(*host, "link", "set", "lo", "up")
    for bridge, address4, address6 in (("docker0", "172.17.0.1/16", "fd00:17::1/64"),
                                       ("virbr0", "192.168.122.1/24", "fd00:122::1/64")):
        run(*host, "link", "add", bridge, "type", "bridge")
        run(*host, "link", "set", bridge, "up")
        run(*host, "addr", "add", address4, "dev", bridge)
        run(*host, "addr", "add", address6, "dev", bridge, "nodad")
    wire("out", "198.51.100.2/24", "2001:db8:1::2/64",
         more=("route add default via 198.51.100.1", "-6 route add default via 2001:db8:1::1"))
    run(*host, "addr", "add", "198.51.100.1/24", "dev", "out0")
    run(*host, "addr", "add", "2001:db8:1::1/64", "dev", "out0", "nodad")
    wire("ct", "172.17.0.2/16", "fd00:17::2/64", "docker0",
         ("route add default via 172.17.0.1", "-6 route add default via fd00:17::1"))
    wire("vm", "192.168.122.2/24", "fd00:122::2/64", "virbr0",
         ("route add default via 192.168.122.1", "-6 route add default via fd00:122::1"))
    run(*inside("host", "sysctl", "-q", "-w", "net.ipv4.ip_forward=1",
                "net.ipv6.conf.all.forwarding=1"))
    for place, ports in (("ct", ("6379", "80")), ("vm", ("6379",)), ("out", ("6379", "80")),
                         ("host", ("5432", "22"))):
        server = stack.enter_context(python(place, SERVER, *ports))
        stack.callback(server.kill)
        assert server.stdout.readline() == "ready\n"


@contextlib.contextmanager
def engine(folder):
    """Tells of web-0 at the container's address, which publishes its port 80 as 20000."""
    endpoint = f"unix://{folder}/docker.sock"
    with subprocess.Popen(inside("host", FAKE_ENGINE, endpoint), stdout=subprocess.PIPE,
                          text=True) as child:  # fmt: skip
        try:
            assert child.stdout.readline().strip() == endpoint
            yield endpoint
        finally:
            child.terminate()


class Guard:
    def __init__(self, folder):
        self.policy = os.path.join(folder, "policy.yaml")
        self.write(POLICY)

    def write(self, text):
        with open(self.policy, "w", encoding="ascii") as file:
            file.write(text)

    def call(self, name, *words, status=0):
        done = subprocess.run(inside("host", NETGUARD, name, *words), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)  # fmt: skip
        assert done.returncode == status, (
            f"{name} {words}: {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def apply(self, *words, **more):
        return self.call("apply", "--policy", self.policy, *words, **more)

    def plan(self, *words):
        return self.call("plan", "--policy", self.policy, *words)

    def changes(self, *words):
        return json.loads(self.plan("--format", "json", *words))["changes"]

    def remove(self):
        return self.call("remove")
