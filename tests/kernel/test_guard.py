#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard by packets: what `netguard apply` closes is closed, and nothing else.

    NETGUARD    the binary (default: build/netguard)

An outside host, this one, and behind it a container on docker0 and a virtual machine on virbr0;
no engine, so that what is closed is what is closed before anything is known of a container; where
it shall be known, tests/lab/fake-engine tells of it. Needs root, iproute2, nftables and iptables.
Prints TAP.
"""
import contextlib
import difflib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

from guard_lab import (ENGINE_RULES, FORGET, NAME, NETGUARD, POLICY, TALK, Guard, answer, ask,
                       build, engine, inside, listing, nft, python, run)
from wires import SCTP, UDP, Wires, home

# -- what is asked ------------------------------------------------------------------------------

DENIED = {"198.51.100.1:6379", "198.51.100.1:16379", "172.17.0.2:6379", "[fd00:17::2]:6379",
          "[2001:db8:1::1]:16379"}  # fmt: skip
OTHERS = {"198.51.100.1:80", "172.17.0.2:80", "198.51.100.1:22", "198.51.100.1:5432",
          "[2001:db8:1::1]:5432", "192.168.122.2:6379", "[fd00:122::2]:6379"}  # fmt: skip


def open_without(_):
    answer("out", DENIED | OTHERS)


def closed_with(guard):
    guard.apply()
    answer("out", OTHERS, *DENIED)
    assert "counter packets 0" not in run(*inside(
        "host", "nft", "list", "chain", "inet", "netguard", "rule_no-stores"))


def what_goes_out_goes_on(_):
    """A port is closed to who comes in by it, not to who asks there."""
    for place in "host", "ct", "vm":
        answer(place, {"198.51.100.2:6379"})
    answer("host", {"172.17.0.2:6379"})


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


def traced():
    """To which of all targets the reach engine says that packets get."""
    asked = [(target, *target.rpartition(":")[::2]) for target in sorted(DENIED | OTHERS)]
    lines = [json.dumps({"iif": "out0", "src": "2001:db8:1::2" if "[" in host else "198.51.100.2",
                         "sport": 40000, "dst": host.strip("[]"), "proto": "tcp",
                         "dport": int(port)}) for _, host, port in asked]  # fmt: skip
    told = run(*inside("host", NETGUARD, "trace"), input="\n".join(lines) + "\n").splitlines()
    return {target for (target, *_), answer in zip(asked, told, strict=True)
            if json.loads(answer)["verdict"] == "delivered"}


def predicted_and_packets_are_one(guard):
    assert traced() == OTHERS, traced()
    guard.remove()
    assert traced() == DENIED | OTHERS, traced()


def counted(guard):
    """Packets that the rule has dropped."""
    return json.loads(guard.plan("--format", "json"))["dropped"][0]["packets"]


def what_is_found_is_blocked(guard):
    """By plan, by check, by packets; and what the policy allows is open, by all three."""
    target = "198.51.100.1:20000"

    def found(*words):
        told = json.loads(run(*inside("host", NETGUARD, "check", "--policy", guard.policy,
                                      "--fail-on", "critical", "--format", "json", *words)))
        kinds = {exposure["id"]: exposure["kind"] for exposure in told["exposures"]}
        return {(kinds[finding["exposure"]], finding["state"]) for finding in told["findings"]
                if finding["rule"] == "no-stores" and "public" in finding["zones"]}

    guard.write(POLICY.replace("6379, 5432]", "80]"))
    with engine(os.path.dirname(guard.policy)) as endpoint:
        where = "--docker", endpoint
        assert found(*where) == {("published", "open")}
        answer("out", {target})
        effects = json.loads(guard.plan("--format", "json", *where))["effects"]
        assert ("web-0", "public", "reachable", "blocked") in {
            (e["subject"], e["zone"], e["now"], e["then"]) for e in effects}, effects
        told = guard.apply(*where)
        assert "web-0 0.0.0.0:20000/tcp -> 80 from public (out0): reachable, then blocked" in told
        assert found(*where) == {("published", "blocked")}
        assert not ask("out", target, "172.17.0.2:80")
        guard.write(POLICY.replace("rules:\n", "rules:\n  - {id: web, allow: [\"20000->80\"], to: "
                                   "{name: \"web-*\"}}\n").replace("6379, 5432]", "80]"))
        changes = [" ".join(change.values()) for change in guard.changes(*where)]
        assert changes == ["add asked_tcp_public 20000",
                           *(f"delete known_public {ip} . tcp . 20000 : goto rule_no-stores"
                             for ip in ("ipv4", "ipv6")),
                           "add to4_public tcp . 172.17.0.2 . 80"], changes  # fmt: skip
        before = counted(guard)
        assert before > 0 and "in force" in guard.apply(*where)
        assert found(*where) == {("direct", "blocked")}
        answer("out", {target}, "198.51.100.1:80", "172.17.0.2:80")
        assert counted(guard) > before and not guard.changes(*where)
    guard.write(POLICY)
    guard.remove()


def own_addresses_are_closed(guard):
    """Of containers, tracked or not: but not what is published, nor what they ask for, nor who is
    no container, nor a container that may."""
    own = {"172.17.0.2:6379", "172.17.0.2:80", "[fd00:17::2]:6379"}
    direct = ("version: 1\nmode: enforce\ndefault: %s\nrules: [{id: all, allow: [\"@any\"]}]\n"
              "usage: {direct_routing: {action: block, allow: %s}}\n")
    for default in "allow", "block":
        guard.write(direct % (default, "[]"))
        guard.apply()
        if default == "allow":
            answer("out", (DENIED | OTHERS) - own, *own)
        what_goes_out_goes_on(guard)
        nft("table ip raw { chain c { type filter hook prerouting priority -300; "
            "ip daddr 172.17.0.2 notrack; }; }")
        assert not ask("out", *own)
        nft("delete table ip raw")
    with engine(os.path.dirname(guard.policy)) as endpoint:
        guard.write(direct % ("allow", "{name: \"web-*\"}"))
        guard.apply("--docker", endpoint)
        answer("out", {"172.17.0.2:80"}, *(own - {"172.17.0.2:80"}))
    guard.write(POLICY)
    guard.remove()


def established_ones_end(guard):
    guard.remove()
    with python("out", TALK, "198.51.100.1", "16379") as talk:
        assert talk.stdout.readline() == "True\n"
        guard.apply()
        print("go", file=talk.stdin, flush=True)
        assert talk.stdout.readline() == "False\n"
        talk.stdin.close()


NOTRACK = """
table inet raw {
  chain PREROUTING { type filter hook prerouting priority raw; th dport {6379, 16379} notrack; }
  chain REPLIES { type filter hook prerouting priority raw; th sport {6379, 16379} notrack; }
}
"""


def not_tracked_and_closed(_):
    nft(NOTRACK)
    assert not ask("out", "172.17.0.2:6379", "198.51.100.1:6379", "[fd00:17::2]:6379")
    nft("delete table inet raw")


def tracked_the_wrong_way_round_and_closed(guard):
    """The server speaks first on a connection that is forgotten meanwhile."""
    guard.remove()
    with python("out", TALK, "172.17.0.2", "6379") as talk, \
            python("out", TALK, "fd00:17::2", "6379") as talk6:  # fmt: skip
        assert talk.stdout.readline() == talk6.stdout.readline() == "True\n"
        guard.apply()
        # Only what is tracked has a direction, and nobody tracks where no rule asks for it.
        run(*inside("host", sys.executable, "-c", FORGET))
        go_on(talk, talk6)


def go_on(*talks):
    """They end."""
    for talk in talks:
        print("go", file=talk.stdin, flush=True)
    for talk in talks:
        assert talk.stdout.readline() == "False\n"
        talk.stdin.close()


def tracked_late_and_closed(guard):
    """Nobody tracks connections before the guard comes."""
    guard.remove()
    nft("flush ruleset")
    with python("out", TALK, "172.17.0.2", "6379") as talk, \
            python("out", TALK, "fd00:17::2", "6379") as talk6:  # fmt: skip
        assert talk.stdout.readline() == talk6.stdout.readline() == "True\n"
        guard.apply()
        go_on(talk, talk6)
    nft(ENGINE_RULES)


# -- what is no TCP -----------------------------------------------------------------------------


def of_no_tcp(guard):
    """UDP and SCTP, by what is asked for and by what is got, tracked or not."""
    guard.remove()
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wires(f"{NAME}-out", f"{NAME}-ct", proto, ip6))
                 for proto in (UDP, SCTP) for ip6 in (False, True)]
        targets = [[(host, 16379), (container, 6379), (container, 6380)] for host, container in (
            ("198.51.100.1", "172.17.0.2"), ("2001:db8:1::1", "fd00:17::2"))]  # fmt: skip
        for closed in False, True:
            for wire_ in wires:
                there = targets[wire_.ip6]
                found = wire_.arrive(*there)
                assert found == set(there[2:] if closed else there), (wire_.proto, closed, found)
            guard.apply()
        nft(NOTRACK)
        for wire_ in wires:
            found = wire_.arrive(*targets[wire_.ip6])
            assert found == set(targets[wire_.ip6][2:]), (wire_.proto, "not tracked", found)
        nft("delete table inet raw")


def connects(address, port):
    """At once, from outside."""
    with home(f"{NAME}-out"):
        sock = socket.socket()
    with sock:
        sock.settimeout(0.05)
        return sock.connect_ex((address, port)) == 0


def out_of_force_by_itself(guard):
    """No process lives to do it; and what was in force for good before does not come back."""
    guard.remove()
    told = guard.apply("--for", "2s")
    begin = time.monotonic()
    assert "for 2 seconds" in told and "does not come back" not in told
    assert not ask("out", *DENIED)
    while not connects("172.17.0.2", 6379):
        assert time.monotonic() < begin + 5
    took = time.monotonic() - begin
    print(f"# out of force after {took:.2f} s")
    assert 1.8 < took < 3, took
    answer("out", DENIED)
    assert "# Its time has run out: it is not in force." in guard.plan()
    guard.apply("--for", "60s")
    assert json.loads(guard.plan("--format", "json"))["seconds_left"] in (59, 60)
    told = guard.apply("--for", "1s")  # counts anew
    assert "for 1 seconds" in told and "does not come back" not in told, told
    time.sleep(1.1)
    answer("out", {"172.17.0.2:6379"})
    guard.apply("--for", "1s")
    guard.apply("--confirm")
    time.sleep(1.1)
    assert not ask("out", "172.17.0.2:6379")
    assert "the one before does not come back" in guard.apply("--for", "1s")
    time.sleep(1.1)
    answer("out", {"172.17.0.2:6379"})
    guard.apply("--confirm")  # late
    assert not ask("out", *DENIED)


def traces():
    """What there is of the host that looking could change."""
    files = "/proc/modules /proc/net/ip*_tables_names /proc/net/netfilter/nf_log"
    return listing() + run(*inside("host", "sh", "-c", f"cat {files} 2>/dev/null; "
                                   "cd /proc/sys/net; grep -r . ipv4 ipv6 netfilter bridge core "
                                   "2>/dev/null | grep -v -e count -e random; true"))  # fmt: skip


def dry_run_changes_nothing(guard):
    guard.remove()
    before = traces()
    assert "nothing was changed" in guard.apply("--dry-run")
    guard.plan()
    same(traces().splitlines(), before.splitlines())


def bad_policy_changes_nothing(guard):
    guard.apply()
    before = listing()
    guard.write("version: 1\nmode: enforce\nrules: [{id: a, deny: [80], acton: block}]\n")
    for words in ([], ["--for", "5m"], ["--confirm"], ["--force"], ["--dry-run"]):
        assert "policy.yaml:3:" in guard.apply(*words, status=2)
    same(strip(listing()), strip(before))
    guard.write(POLICY)


def without_privilege_changes_nothing(guard):
    guard.apply()
    before = listing()
    for command in (["apply", "--policy", guard.policy], ["remove"]):
        done = subprocess.run(inside("host", "setpriv", "--bounding-set=-all", "--inh-caps=-all",
                                     NETGUARD, *command), stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT, check=False)  # fmt: skip
        assert done.returncode == 3 and "nftables: " in done.stdout, done.stdout
        assert "Operation not permitted; CAP_NET_ADMIN is needed" in done.stdout, done.stdout
    same(strip(listing()), strip(before))


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
    guard.apply()
    before = listing()
    guard.write(POLICY.replace("enforce", "monitor"))
    assert "mode is monitor" in guard.apply(status=2)
    assert "nothing of this is installed" in guard.plan()
    same(strip(listing()), strip(before))
    guard.write(POLICY)
    guard.remove()


# -- the connection by which it is applied --------------------------------------------------------

# Stands in for sshd: takes a connection and runs a command for it, as sshd does for who logs in.
LOGIN = """
import os, socket, subprocess, sys
with open("/proc/self/comm", "w") as name:
    name.write(sys.argv[1])
server = socket.create_server(("::", int(sys.argv[2])), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
peer = server.accept()[0]
done = subprocess.run(sys.argv[3:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                      stderr=subprocess.STDOUT, text=True)
print(done.returncode, " ".join(done.stdout.split()), flush=True)
sys.stdin.read()
"""
# A program that has a connection of its own, and runs a command.
DEPLOY = """
import socket, subprocess, sys
sock = socket.create_connection(("198.51.100.2", 80))
sys.exit(subprocess.run(sys.argv[1:]).returncode)
"""
SESSION_POLICY = POLICY.replace("rules:", """
zones:
  - {id: outside, match: [{interfaces: [out0]}]}
rules:""").replace("6379, 5432]", "2200], from: [outside], to: {host: {}}")
# As some who let nobody in who knocks too often do it.
NO_NEW_ONES = "'table ip late { chain c { type filter hook prerouting priority mangle; " \
              "tcp dport 2200 ct state new drop; }; }'"


@contextlib.contextmanager
def login(name, address, port, *command):
    """Somebody is logged in; the port that he comes from, and what comes of his command."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(python("host", LOGIN, name, str(port), *command))
        stack.callback(server.kill)
        assert server.stdout.readline() == "ready\n"
        with home(f"{NAME}-out"):
            client = stack.enter_context(socket.create_connection((address, port)))
        yield client.getsockname()[1], server.stdout.readline


def keeps_the_session(guard):
    """Who comes by a connection that the policy blocks is told which, and may insist."""
    guard.write(SESSION_POLICY)
    apply = [NETGUARD, "apply", "--policy", guard.policy]
    deployed = [sys.executable, "-c", DEPLOY, *apply]
    script = ["setsid", "--fork", "script", "-qc", " ".join(apply), "/dev/null"]
    on_link = run("ip", "-n", f"{NAME}-host", "-6", "-o", "addr", "show", "dev", "out0", "scope",
                  "link").split()[3].partition("/")[0]  # fmt: skip
    for address, *command in [
            ("198.51.100.1", *apply), ("2001:db8:1::1", *apply), (on_link + "%eth0", *apply),
            ("198.51.100.1", "env", "-i", "sh", "-c", " ".join(apply) + "; exit $?"),
            ("2001:db8:1::1", *deployed),
            ("198.51.100.1", "sh", "-c", f"nft {NO_NEW_ONES}; exec {' '.join(apply)}")
    ]:  # fmt: skip
        with login("someone", address, 2200, *command) as (port, said):
            told = said()
            assert told.startswith("2 ") and "command comes by" in told, (command, told)
            assert f"port {port} to {address.partition('%')[0]} port 2200" in told, told
    nft("delete table ip late")
    with login("someone", "198.51.100.1", 2201, *apply) as (_, said):
        assert said().startswith("0 ")
    guard.remove()
    # Of a terminal multiplexer the parent has gone: it may be any login.
    with login("sshd", "2001:db8:1::1", 2200, "true") as (port, _), \
            login("sshd", "198.51.100.1", 2201, "true"), \
            login("nginx", "198.51.100.1", 2202, *script) as (_, said):  # fmt: skip
        told = said()
        assert "may come by" in told and f"port {port} to 2001:db8:1::1 port 2200" in told, told
    assert "netguard" not in listing()


def keeps_the_session_that_is_told_of(guard):
    """By SSH_CONNECTION, where nobody who has started it is left; and by which way it comes."""
    env = {**os.environ, "SSH_CONNECTION": "203.0.113.9 50000 198.51.100.1 2200"}
    command = inside("host", "setsid", NETGUARD, "apply", "--policy", guard.policy)
    host = ["ip", "-n", f"{NAME}-host"]
    guard.write(SESSION_POLICY)
    run(*host, "route", "add", "default", "via", "192.168.122.2")
    assert subprocess.run([*command, "--dry-run"], env=env, check=False,
                          stdout=subprocess.DEVNULL).returncode == 0  # fmt: skip
    run(*host, "route", "add", "default", "via", "198.51.100.2", "table", "100")
    run(*host, "rule", "add", "from", "198.51.100.1", "lookup", "100")
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 2 and "from 203.0.113.9 port 50000" in done.stdout, done.stdout
    assert "netguard" not in listing()
    run(*command, "--force", env=env)
    assert "closed_outside" in listing()
    run(*host, "rule", "del", "from", "198.51.100.1", "lookup", "100")
    run(*host, "route", "del", "default")
    guard.write(POLICY)
    guard.remove()


def leaves_no_trace(guard):
    guard.remove()
    guard.remove()  # where there is none
    before = listing()
    guard.apply()
    guard.remove()
    same(listing().splitlines(), before.splitlines())
    answer("out", DENIED | OTHERS)


def tunnels_are_let_be(guard):
    """Their sockets are the kernel's own: of a link of this host it says so, not of one that has
    been moved elsewhere."""
    for number, place in enumerate(("host", "ct")):
        link = f"type vxlan id 5 dstport {51820 + number}"
        for at, own, peer in (("host", 1, 2), ("out", 2, 1)):
            run("ip", "-n", f"{NAME}-{at}", "link", "add", f"vx{number}", *link.split(),
                "local", f"198.51.100.{own}", "remote", f"198.51.100.{peer}")  # fmt: skip
        run("ip", "-n", f"{NAME}-host", "link", "set", f"vx{number}", "netns", f"{NAME}-{place}")
        for at, own in ((place, 1), ("out", 2)):
            run("ip", "-n", f"{NAME}-{at}", "addr", "add", f"10.9.{number}.{own}/24", "dev",
                f"vx{number}")  # fmt: skip
            run("ip", "-n", f"{NAME}-{at}", "link", "set", f"vx{number}", "up")
    inner = {"10.9.0.1:22", "10.9.1.1:80"}
    answer("out", inner)
    guard.write(POLICY.replace("6379, 5432", '"@any"'))
    guard.apply()
    answer("out", {"10.9.0.1:22"}, "10.9.1.1:80")


TESTS = [open_without, closed_with, what_goes_out_goes_on, plan_and_installed_are_one,
         predicted_and_packets_are_one, what_is_found_is_blocked,
         own_addresses_are_closed, established_ones_end, not_tracked_and_closed, tracked_the_wrong_way_round_and_closed,
         tracked_late_and_closed, of_no_tcp, out_of_force_by_itself, dry_run_changes_nothing,
         bad_policy_changes_nothing, without_privilege_changes_nothing,
         beside_others, saved_and_loaded, of_others_is_left_alone, monitor_installs_nothing,
         keeps_the_session, keeps_the_session_that_is_told_of, leaves_no_trace,
         tunnels_are_let_be]  # fmt: skip


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
