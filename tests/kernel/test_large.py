#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Sets of 100,000 elements, and a ruleset that changes while it is read: `netguard check` is
exact or says what it has not seen, in bounded time and memory.

    NETGUARD    the binary

Needs root, iproute2 and nft. Prints TAP. Everything it makes lives in a namespace of its own.
"""
import ipaddress
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

from topology import Namespace, Process, end_on_signals

NETGUARD = os.path.abspath(os.environ["NETGUARD"])
PORT = 8080
ELEMENTS = 100_000
MOST_CPU_S, MOST_BYTES = 20, 600 << 20  # of address space: an ended allocation, not a machine
# AddressSanitizer reserves more address space than any limit of use, and takes its time.
SANITIZED = "ASAN_OPTIONS" in os.environ
LIMITS = [] if SANITIZED else ["prlimit", f"--as={MOST_BYTES}"]
EVERYBODY = (0, (1 << 32) - 1)


class Host:
    """One uplink, and a service that listens everywhere."""

    def __init__(self):
        self.netns = Namespace("large")
        self.netns.ip(["link set lo up", "link add eth0 type veth peer name peer0",
                       "address add 192.0.2.1/24 dev eth0", "link set eth0 up",
                       "link set peer0 up"])  # fmt: skip
        with self.netns:
            self.service = socket.socket()
            self.service.bind(("0.0.0.0", PORT))
            self.service.listen()

    def close(self):
        self.service.close()
        self.netns.remove()

    def load(self, ruleset):
        with tempfile.NamedTemporaryFile("w", suffix=".nft") as file:
            file.write("flush ruleset\n" + ruleset)
            file.flush()
            self.netns.run("nft", "-f", file.name)

    def check(self):
        """Exit status, document and CPU seconds."""
        with tempfile.TemporaryFile("w+") as out, open(os.devnull, "wb") as null:
            pid = os.posix_spawnp(
                "nsenter",
                ["nsenter", f"--net=/run/netns/{self.netns.name}", *LIMITS, NETGUARD, "check",
                 "--format", "json"], os.environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, out.fileno(), 1),
                              (os.POSIX_SPAWN_DUP2, null.fileno(), 2)])  # fmt: skip
            _, status, usage = os.wait4(pid, 0)
            out.seek(0)
            text = out.read()
        status = os.waitstatus_to_exitcode(status)
        assert status in (0, 1, 3), f"exit {status}"
        return status, json.loads(text), usage.ru_utime + usage.ru_stime

    def reach(self, document):
        """What is said of the service and the uplink."""
        for exposure in document["exposures"]:
            if exposure["host_port"] == PORT and exposure["family"] == "ip":
                return next(r for r in exposure["reach"] if r["interface"] == "eth0")
        raise AssertionError("the service is not told")


# -- sets ----------------------------------------------------------------------------------------


def intervals(prefixes):
    """Of IPv4; sorted, neighbours joined. There are millions: too many for module ipaddress."""
    joined = []
    for prefix in prefixes:
        addr, _, bits = prefix.partition("/")
        lo = int.from_bytes(socket.inet_aton(addr), "big")
        hi = lo + (1 << 32 - int(bits or 32)) - 1
        if joined and joined[-1][1] + 1 == lo:
            joined[-1][1] = hi
        else:
            joined.append([lo, hi])
    return [tuple(one) for one in joined]


def all_but(taken):
    """`taken`: sorted and disjoint."""
    rest, at = [], EVERYBODY[0]
    for lo, hi in taken:
        if at < lo:
            rest.append((at, lo - 1))
        at = hi + 1
    return rest + ([(at, EVERYBODY[1])] if at <= EVERYBODY[1] else [])


def text(number):
    return str(ipaddress.ip_address(number))


def some_addresses(seed):
    dice = random.Random(seed)
    return sorted({dice.randrange(1 << 24, 224 << 24) for _ in range(ELEMENTS)})


def ruleset(declaration, elements, rules):
    return (f"table ip filter {{\n{declaration} elements = {{ {', '.join(elements)} }}\n}}\n"
            f"chain input {{\ntype filter hook input priority 0\n{rules}\n}}\n}}\n")  # fmt: skip


def exact(host, rules, dropped):
    host.load(rules)
    status, document, cpu_s = host.check()
    print(f"# {cpu_s:.2f} s", flush=True)
    assert status != 3 and document["complete"], document["gaps"]
    assert intervals(host.reach(document)["sources"]) == all_but(dropped), "other sources"
    assert cpu_s < MOST_CPU_S, f"{cpu_s:.1f} s"


def test_addresses(host):
    dropped = some_addresses(1)
    exact(host, ruleset("set s { type ipv4_addr;", map(text, dropped), "ip saddr @s drop"),
          [(n, n) for n in dropped])  # fmt: skip


def test_ranges(host):
    ends = some_addresses(2)
    ranges = [(lo, hi) for lo, hi in zip(ends[::2], ends[1::2]) if lo + 1 < hi]
    exact(host, ruleset("set s { type ipv4_addr; flags interval;",
                        (f"{text(lo)}-{text(hi - 1)}" for lo, hi in ranges), "ip saddr @s drop"),
          [(lo, hi - 1) for lo, hi in ranges])  # fmt: skip


def test_a_verdict_map(host):
    dropped = some_addresses(3)
    exact(host, ruleset("map m { type ipv4_addr : verdict;",
                        (f"{text(n)} : drop" for n in dropped), "ip saddr vmap @m"),
          [(n, n) for n in dropped])  # fmt: skip


def test_concatenations(host):
    dropped = some_addresses(4)
    elements = (f"{text(n)} . {PORT if i % 2 else PORT + 1}" for i, n in enumerate(dropped))
    exact(host, ruleset("set s { type ipv4_addr . inet_service;", elements,
                        "ip saddr . tcp dport @s drop"),
          [(n, n) for n in dropped[1::2]])  # fmt: skip


# -- changes while it is read --------------------------------------------------------------------


def churn(host, seconds):
    """Another process changes a set all the time; for ever where `seconds` is 0."""

    def work(ready):
        end = time.monotonic() + seconds
        ready()
        while not seconds or time.monotonic() < end:
            for change in "add", "delete":
                subprocess.run(["nsenter", f"--net=/run/netns/{host.netns.name}", "nft", change,
                                "element ip filter s { 192.0.2.77 }"], check=True)  # fmt: skip

    return Process("changer", work)


def changing_ruleset():
    # Reading these takes longer than the pause between two changes.
    many = "".join(f"tcp dport {10000 + n} counter accept\n" for n in range(20000))
    return ruleset("set s { type ipv4_addr;", ["192.0.2.66"], f"{many} ip saddr @s drop")


def test_never_settles(host):
    """Says so, and nothing of what it has not read; or meets a quiet moment and is exact."""
    host.load(changing_ruleset())
    changer = churn(host, 0)
    try:
        unsettled = 0
        for _ in range(5):
            status, document, cpu_s = host.check()
            reach = host.reach(document)
            assert cpu_s < MOST_CPU_S, f"{cpu_s:.1f} s"
            if document["complete"]:
                sources = intervals(reach["sources"])
                with_it = (int(ipaddress.ip_address("192.0.2.77")),) * 2
                assert sources in (all_but([HELD]), all_but([HELD, with_it])), reach
                continue
            unsettled += 1
            assert status == 3 and reach["verdict"] == "unknown", (status, reach["verdict"])
            assert any("never settled" in gap["reason"] for gap in document["gaps"]), document
        print(f"# {unsettled} of 5 times it never settled", flush=True)
    finally:
        changer.end()


HELD = (int(ipaddress.ip_address("192.0.2.66")),) * 2


def test_settles_at_last(host):
    host.load(changing_ruleset())
    changer = churn(host, 0.1)
    try:
        status, document, _ = host.check()
    finally:
        changer.end()
    assert status != 3 and document["complete"], document["gaps"]
    assert intervals(host.reach(document)["sources"])[0][0] == 0


TESTS = [test_addresses, test_ranges, test_a_verdict_map, test_concatenations, test_never_settles,
         test_settles_at_last]  # fmt: skip


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root: it makes network namespaces")
        return 0
    end_on_signals()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    print(f"1..{len(TESTS)}", flush=True)
    host, good = Host(), True
    try:
        for number, test in enumerate(TESTS, 1):
            name = test.__name__[5:].replace("_", " ")
            try:
                test(host)
            except (AssertionError, OSError, ValueError) as error:
                good = False
                print(f"not ok {number} - {name}\n# " + str(error)[:1000].replace("\n", "\n# "),
                      flush=True)
            else:
                print(f"ok {number} - {name}", flush=True)
    finally:
        host.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
