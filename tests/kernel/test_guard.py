#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard by packets: what `netguard apply` closes is closed, and nothing else.

    NETGUARD    the binary (default: build/netguard)

An outside host, this one, and behind it a container on docker0 and a virtual machine on virbr0;
no engine, so that what is closed is what is closed before anything is known of a container. Needs
root, iproute2, nftables and iptables. Prints TAP.
"""
import contextlib
import difflib
import json
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
NETGUARD = os.path.abspath(os.environ.get("NETGUARD", os.path.join(HERE, "../../build/netguard")))
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
    ip daddr 198.51.100.1 tcp dport 80 dnat to 172.17.0.2:80
  }
}
table ip6 nat {
  chain PREROUTING {
    type nat hook prerouting priority dstnat; policy accept;
    ip6 daddr 2001:db8:1::1 tcp dport 16379 dnat to [fd00:17::2]:6379
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
# A line for each address and port: whether somebody says hello there.
ASK = """
import socket, sys
for word in sys.argv[1:]:
    host, _, port = word.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=0.4) as sock:
            print(word, sock.recv(5) == b"hello", flush=True)
    except OSError:
        print(word, False, flush=True)
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
    told = run(*inside(place, sys.executable, "-c", ASK, *targets)).split("\n")
    return {line.split()[0] for line in told if line.endswith("True")}


def nft(text):
    run(*inside("host", "nft", "-f", "-"), input=text)


def listing():
    return run(*inside("host", "nft", "list", "ruleset"))


def wire(place, address4, address6, bridge=None, more=()):
    """A link from `place` to this host, or to a bridge of it."""
    there = NAME + "-" + place
    link = f"{place}0"
    run("ip", "-n", f"{NAME}-host", "link", "add", link, "type", "veth", "peer", "name", "eth0",
        "netns", there)  # fmt: skip
    if bridge:
        run("ip", "-n", f"{NAME}-host", "link", "set", link, "master", bridge)
    run("ip", "-n", f"{NAME}-host", "link", "set", link, "up")
    run("ip", "-n", there, "link", "set", "lo", "up")
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


# -- what is asked ------------------------------------------------------------------------------

DENIED = {"198.51.100.1:6379", "198.51.100.1:16379", "172.17.0.2:6379", "[fd00:17::2]:6379",
          "[2001:db8:1::1]:16379"}  # fmt: skip
OTHERS = {"198.51.100.1:80", "172.17.0.2:80", "198.51.100.1:22", "198.51.100.1:5432",
          "[2001:db8:1::1]:5432", "192.168.122.2:6379", "[fd00:122::2]:6379"}  # fmt: skip


class Guard:
    def __init__(self, folder):
        self.policy = os.path.join(folder, "policy.yaml")
        with open(self.policy, "w", encoding="ascii") as file:
            file.write(POLICY)

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

    def changes(self):
        return json.loads(self.plan("--format", "json"))["changes"]

    def remove(self):
        return self.call("remove")


def open_without(_):
    for _ in range(20):  # until neighbours know each other
        answered = ask("out", *DENIED, *OTHERS)
        if answered == DENIED | OTHERS:
            return
    raise AssertionError(f"never answered: {(DENIED | OTHERS) - answered}")


def closed_with(guard):
    guard.apply()
    assert ask("out", *DENIED, *OTHERS) == OTHERS
    assert "counter packets 0" not in run(*inside(
        "host", "nft", "list", "chain", "inet", "netguard", "rule_no-stores"))


def what_goes_out_goes_on(_):
    """A port is closed to who comes in by it, not to who asks there."""
    assert ask("host", "198.51.100.2:6379") and ask("ct", "198.51.100.2:6379")
    assert ask("vm", "198.51.100.2:6379") and ask("host", "172.17.0.2:6379")


def plan_and_installed_are_one(guard):
    assert not guard.changes(), guard.changes()
    assert "as it was" in guard.apply()
    before = listing()
    run(*inside("host", "nft", "-f", "-"), input=guard.plan())
    same(strip(listing()), strip(before))
    assert not guard.changes(), guard.changes()


def same(found, wanted):
    difference = "\n".join(difflib.unified_diff(wanted, found, "wanted", "found", lineterm=""))
    assert found == wanted, difference


def strip(text):
    """Without what counts."""
    return [" ".join(w for i, w in enumerate(words) if not w.isdigit())
            for words in (line.split() for line in text.splitlines())]


def established_ones_end(guard):
    guard.remove()
    with python("out", TALK, "198.51.100.1", "16379") as talk:
        assert talk.stdout.readline() == "True\n"
        guard.apply()
        print("go", file=talk.stdin, flush=True)
        assert talk.stdout.readline() == "False\n"
        talk.stdin.close()


def not_tracked_and_closed(_):
    nft("table ip raw {\n"
        "chain PREROUTING { type filter hook prerouting priority raw; tcp dport 6379 notrack; }\n"
        "chain REPLIES { type filter hook prerouting priority raw; tcp sport 6379 notrack; }\n}\n")
    assert not ask("out", "172.17.0.2:6379", "198.51.100.1:6379")
    nft("delete table ip raw")


def tracked_the_wrong_way_round_and_closed(guard):
    """The server speaks first on a connection that is forgotten meanwhile."""
    guard.remove()
    with python("out", TALK, "172.17.0.2", "6379") as talk:
        assert talk.stdout.readline() == "True\n"
        guard.apply()
        # Only what is tracked has a direction, and nobody tracks where no rule asks for it.
        run(*inside("host", sys.executable, "-c", FORGET))
        print("go", file=talk.stdin, flush=True)
        assert talk.stdout.readline() == "False\n"
        talk.stdin.close()


def out_of_force_by_itself(guard):
    guard.remove()
    assert "for 2 seconds" in guard.apply("--for", "2s")
    assert not ask("out", *DENIED)
    time.sleep(2.2)
    assert ask("out", *DENIED) == DENIED
    guard.apply("--for", "2s")
    assert not ask("out", "172.17.0.2:6379")
    guard.apply("--confirm")
    time.sleep(2.2)
    assert not ask("out", *DENIED)


def dry_run_changes_nothing(guard):
    guard.remove()
    before = listing()
    assert "nothing was changed" in guard.apply("--dry-run")
    assert listing() == before


def beside_others(guard):
    """Neither back end of iptables loses a rule, or the way to list them."""
    guard.apply()
    for tool in ("iptables", "ip6tables", "iptables-legacy"):
        run(*inside("host", tool, "-A", "INPUT", "-p", "tcp", "--dport", "9", "-j", "DROP"))
        for command in ([tool, "-S"], [f"{tool}-save"]):
            assert "--dport 9" in run(*inside("host", *command)), command
    json.loads(run(*inside("host", "nft", "-j", "list", "ruleset")))
    guard.remove()
    for tool in ("iptables", "ip6tables", "iptables-legacy"):
        assert "--dport 9" in run(*inside("host", tool, "-S"))
        run(*inside("host", tool, "-F"))


def saved_and_loaded(guard):
    """What an operator saves as his ruleset can be loaded again, the guard in it."""
    guard.apply()
    saved = listing()
    run(*inside("host", "nft", "-f", "-"), input="flush ruleset\n" + saved)
    same(strip(listing()), strip(saved))
    assert not ask("out", *DENIED)
    guard.apply()  # takes it for its own
    assert not guard.changes(), guard.changes()


def of_others_is_left_alone(guard):
    guard.remove()
    nft("add table inet netguard\nadd chain inet netguard x\n")
    assert "is not ours" in guard.apply(status=3)
    assert "is not ours" in guard.call("remove", status=3)
    nft("delete table inet netguard")


def monitor_installs_nothing(guard):
    with open(guard.policy, "r+", encoding="ascii") as file:
        text = file.read().replace("enforce", "monitor")
        file.seek(0)
        file.write(text)
    assert "mode is monitor" in guard.apply(status=2)
    assert "nothing of this is installed" in guard.plan()
    with open(guard.policy, "w", encoding="ascii") as file:
        file.write(POLICY)


def keeps_the_session(guard):
    """Who comes by a connection that the policy blocks is told, and may insist."""
    with open(guard.policy, "w", encoding="ascii") as file:
        file.write(POLICY.replace("6379, 5432]", "5432], to: {host: {}}"))
    env = {**os.environ, "SSH_CONNECTION": "198.51.100.2 50000 198.51.100.1 5432"}
    command = inside("host", "setsid", NETGUARD, "apply", "--policy", guard.policy)
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 2 and "from 198.51.100.2 port 50000" in done.stdout, done.stdout
    assert "netguard" not in listing()
    run(*command, "--force", env=env)
    assert not ask("out", "198.51.100.1:5432") and ask("out", "198.51.100.1:22")
    with open(guard.policy, "w", encoding="ascii") as file:
        file.write(POLICY)
    guard.remove()


def leaves_no_trace(guard):
    before = listing()
    guard.apply()
    guard.remove()
    same(listing().splitlines(), before.splitlines())
    assert ask("out", *DENIED, *OTHERS) == DENIED | OTHERS


TESTS = [open_without, closed_with, what_goes_out_goes_on, plan_and_installed_are_one,
         established_ones_end, not_tracked_and_closed, tracked_the_wrong_way_round_and_closed,
         out_of_force_by_itself, dry_run_changes_nothing, beside_others, saved_and_loaded,
         of_others_is_left_alone, monitor_installs_nothing, keeps_the_session,
         leaves_no_trace]  # fmt: skip


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return 0
    failed = 0
    print(f"1..{len(TESTS)}")
    with contextlib.ExitStack() as stack:
        guard = Guard(stack.enter_context(tempfile.TemporaryDirectory()))
        build(stack)
        nft(ENGINE_RULES)
        for number, test in enumerate(TESTS, 1):
            name = test.__name__.replace("_", " ")
            try:
                test(guard)
                print(f"ok {number} - {name}", flush=True)
            except (AssertionError, OSError, ValueError) as reason:
                failed += 1
                print(f"not ok {number} - {name}")
                for line in f"{type(reason).__name__}: {reason}"[:3000].splitlines():
                    print(f"# {line}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
