#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Ipsets: what `netguard trace` says of rules that look something up in them, beside where the
kernel lets the packets go. One set of each type after the other, asked by iptables-nft and by
iptables-legacy, from both sides of every border.

    test_ipset.py [DUMP]    with the program made of ipset_dump.c, the old protocol is compared, too
    NETGUARD                the binary (default: build/netguard)

Needs root, iproute2, iptables and ipset; a type that the kernel does not have is a skipped test.
Prints TAP. Everything it makes lives in namespaces of its own.
"""
import itertools
import os
import struct
import subprocess
import sys
import time
from typing import NamedTuple

from judge import frames, verdicts
from judge.frames import Packet
from judge.lab import Lab
from topology import command, end_on_signals, pin_to_one_cpu

MAC, OTHER_MAC = "02:00:00:00:01:01", "02:00:00:00:01:02"
HOST, CONTAINER = "192.0.2.1", "172.17.0.2"


class Way(NamedTuple):
    """What packets are made of: every combination of these."""
    src: tuple = ("203.0.113.1",)
    dst: tuple = (HOST,)
    iif: tuple = ("eth0",)
    what: tuple = ("tcp 40000 22",)
    smac: tuple = (MAC,)

    def packets(self):
        for src, dst, iif, what, smac in itertools.product(*self):
            proto, *numbers = what.split()
            numbers = list(map(int, numbers))
            if "icmp" in proto:
                yield Packet(iif, src, dst, proto, icmp_type=numbers[0], icmp_code=numbers[1],
                             smac=smac)
            else:
                yield Packet(iif, src, dst, proto, *numbers, smac=smac)


class Scene(NamedTuple):
    name: str
    sets: str  # for `ipset restore`
    matches: tuple  # of iptables, each a rule of its own
    way: Way
    forward: bool = False
    before: str = ""  # a rule that comes first
    unsure: bool = False  # it may also say that it cannot tell
    family: int = 4


def run_in(namespace, words, stdin=None):
    return command(words, stdin, namespace.name)


def one(direction, name="s", more=""):
    return (f"--match-set {name} {direction} {more}", f"! --match-set {name} {direction} {more}")


PORTS = ("tcp 40000 22", "tcp 22 40000", "tcp 40000 23", "udp 40000 22", "udp 22 53",
         "sctp 40000 22", "icmp 8 0", "icmp 8 1", "icmp 13 0", "gre", "ospf")
NETS = ("9.255.255.255", "10.0.0.0", "10.0.255.255", "10.1.0.0", "10.1.1.255", "10.1.2.0",
        "10.1.2.255", "10.1.3.0", "10.1.255.255", "10.2.0.0", "10.255.255.255", "11.0.0.0",
        "192.0.2.77")
NESTED = "\n".join(("add s 10.0.0.0/8{0}", "add s 10.1.0.0/16{0} nomatch", "add s 10.1.2.0/24{0}",
                    "add s 192.0.2.77{0} nomatch"))
SIX = ("2001:db8::", "2001:db8:1::5", "2001:db8:1:ffff::", "2001:db9::", "fd00::1", "2001:db8:2::1")

SCENES = [
    Scene("bitmap:ip", "create s bitmap:ip range 203.0.113.0/24\nadd s 203.0.113.1\n"
          "add s 203.0.113.7-203.0.113.9", one("src") + one("dst"),
          Way(src=("203.0.113.0", "203.0.113.1", "203.0.113.2", "203.0.113.6", "203.0.113.7",
                   "203.0.113.9", "203.0.113.10", "198.51.100.1"))),
    Scene("bitmap:ip netmask", "create s bitmap:ip range 198.18.0.0/16 netmask 24\nadd s 198.18.3.0",
          one("src"), Way(src=("198.18.2.255", "198.18.3.0", "198.18.3.255", "198.18.4.0",
                               "198.19.3.0"))),
    Scene("bitmap:ip,mac", f"create s bitmap:ip,mac range 203.0.113.0/24\nadd s 203.0.113.1,{MAC}\n"
          "add s 203.0.113.2", one("src,src") + one("src"),
          Way(src=("203.0.113.1", "203.0.113.2", "203.0.113.3"), smac=(MAC, OTHER_MAC)),
          unsure=True),
    Scene("bitmap:port", "create s bitmap:port range 0-1024\nadd s 22\nadd s 53",
          one("dst") + one("src"), Way(what=PORTS)),
    Scene("hash:ip", "create s hash:ip\nadd s 203.0.113.1\nadd s 203.0.113.16/30",
          one("src") + one("src,dst") + one("dst"),
          Way(src=("203.0.113.1", "203.0.113.2", "203.0.113.15", "203.0.113.16", "203.0.113.19",
                   "203.0.113.20"), dst=(HOST, "192.0.2.5"))),
    Scene("hash:ip netmask", "create s hash:ip netmask 24\nadd s 203.0.113.77", one("src"),
          Way(src=("203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"))),
    Scene("hash:ip bitmask", "create s hash:ip bitmask 255.0.255.0\nadd s 203.0.113.77\n"
          f"add s {HOST}", one("dst") + one("src"), Way(src=("203.9.113.1", "203.0.114.1")),
          unsure=True),
    Scene("hash:ip timeout", "create s hash:ip timeout 600\nadd s 203.0.113.1\n"
          "add s 203.0.113.2 timeout 0", one("src"),
          Way(src=("203.0.113.1", "203.0.113.2", "203.0.113.3")), unsure=True),
    Scene("hash:ip six", "create s hash:ip family inet6\nadd s 2001:db8::", one("src"),
          Way(src=SIX, dst=("2001:db8:1::1",)), family=6),
    Scene("hash:mac", f"create s hash:mac\nadd s {MAC}", one("src"), Way(smac=(MAC, OTHER_MAC))),
    Scene("hash:ip,mac", f"create s hash:ip,mac\nadd s 203.0.113.1,{MAC}", one("src,src"),
          Way(src=("203.0.113.1", "203.0.113.2"), smac=(MAC, OTHER_MAC))),
    Scene("hash:ip,mark", "create s hash:ip,mark\nadd s 203.0.113.1,0x10", one("src,src"),
          Way(src=("203.0.113.1", "203.0.113.2")),
          before="-t mangle -A PREROUTING -p tcp -j MARK --set-mark 0x10"),
    Scene("hash:net", "create s hash:net\n" + NESTED.format(""),
          one("src") + one("src", more="--return-nomatch"), Way(src=NETS)),
    Scene("hash:net six", "create s hash:net family inet6\nadd s 2001:db8::/32\n"
          "add s 2001:db8:1::/48 nomatch\nadd s 2001:db8:1::5", one("src"),
          Way(src=SIX, dst=("2001:db8:1::1",)), family=6),
    Scene("hash:net timeout", "create s hash:net timeout 600\nadd s 10.0.0.0/8 timeout 0\n"
          "add s 10.1.0.0/16 nomatch\nadd s 10.1.2.0/24 timeout 0", one("src"), Way(src=NETS),
          unsure=True),
    Scene("hash:net,net", "create s hash:net,net\nadd s 10.0.0.0/8,192.0.2.0/24\n"
          f"add s 10.1.0.0/16,{HOST} nomatch", one("src,dst"),
          Way(src=NETS, dst=(HOST, "192.0.2.5"))),
    Scene("hash:ip,port", "create s hash:ip,port\nadd s 203.0.113.1,tcp:22\n"
          "add s 203.0.113.1,sctp:22\nadd s 203.0.113.1,icmp:8/0\nadd s 203.0.113.1,gre:0",
          one("src,dst") + one("src,src") + one("src"),
          Way(src=("203.0.113.1", "203.0.113.2"), what=PORTS)),
    Scene("hash:ip,port six", "create s hash:ip,port family inet6\nadd s 2001:db8::,tcp:22\n"
          "add s 2001:db8::,icmpv6:128/0", one("src,dst"),
          Way(src=SIX, dst=("2001:db8:1::1",),
              what=("tcp 40000 22", "tcp 40000 23", "icmpv6 128 0", "icmpv6 128 1")), family=6),
    Scene("hash:ip,port,ip", f"create s hash:ip,port,ip\nadd s 203.0.113.1,tcp:22,{HOST}\n"
          "add s 203.0.113.1,tcp:22,203.0.113.1", one("src,dst,dst") + one("src,dst,src"),
          Way(src=("203.0.113.1", "203.0.113.2"), dst=(HOST, "10.9.0.1"), what=PORTS)),
    Scene("hash:ip,port,net", "create s hash:ip,port,net\nadd s 203.0.113.1,tcp:22,0.0.0.0/1\n"
          f"add s 203.0.113.1,tcp:22,192.0.0.0/8\nadd s 203.0.113.1,tcp:22,{HOST} nomatch",
          one("src,dst,dst") + one("src,dst,dst", more="--return-nomatch"),
          Way(src=("203.0.113.1", "203.0.113.2"), dst=(HOST, "10.9.0.1", "10.20.0.1"),
              what=PORTS)),
    Scene("hash:net,port", "create s hash:net,port\n" + NESTED.format(",tcp:22") +
          "\nadd s 10.1.0.0/16,udp:22", one("src,dst") + one("src,src"),
          Way(src=NETS, what=PORTS)),
    Scene("hash:net,port,net", "create s hash:net,port,net\nadd s 10.0.0.0/8,tcp:22,192.0.2.0/24",
          one("src,dst,dst"), Way(src=NETS, what=PORTS)),
    Scene("hash:net,iface", "create s hash:net,iface\nadd s 10.0.0.0/8,eth0\n"
          "add s 10.1.0.0/16,eth1\nadd s 10.1.2.0/24,eth0 nomatch\nadd s 0.0.0.0/0,eth1",
          one("src,src") + one("src,dst"), Way(src=NETS, iif=("eth0", "eth1"))),
    Scene("hash:net,iface wildcard", "create s hash:net,iface\nadd s 10.0.0.0/8,eth wildcard\n"
          "add s 10.1.0.0/16,eth0\nadd s 10.1.2.0/24,e nomatch wildcard", one("src,src"),
          Way(src=NETS, iif=("eth0", "eth1", "mv0"))),
    Scene("hash:net,iface out", "create s hash:net,iface\nadd s 10.0.0.0/8,docker0\n"
          "add s 10.1.0.0/16,eth1", one("src,dst"), Way(src=NETS, dst=(CONTAINER,)), forward=True),
    Scene("list:set", "create a hash:ip\nadd a 203.0.113.1\ncreate b hash:net,port\n"
          "add b 10.0.0.0/8,tcp:22\ncreate c hash:ip family inet6\nadd c 2001:db8::\n"
          "create s list:set\nadd s a\nadd s b\nadd s c", one("src") + one("src,dst"),
          Way(src=(*NETS, "203.0.113.1", "203.0.113.2"), what=PORTS)),
    Scene("list:set six", "create a hash:ip\nadd a 203.0.113.1\ncreate c hash:net family inet6\n"
          "add c 2001:db8::/32\nadd c 2001:db8:1::/48 nomatch\ncreate s list:set\nadd s a\n"
          "add s c", one("src") + one("src", more="--return-nomatch"),
          Way(src=SIX, dst=("2001:db8:1::1",)), family=6),
    Scene("counters", "create s hash:net counters\n" + NESTED.format(""),
          one("src", more="--packets-gt 0") + one("src", more="--bytes-lt 1"), Way(src=NETS),
          unsure=True),
    Scene("add-set", "create s hash:ip\nadd s 203.0.113.1", one("src"),
          Way(src=("203.0.113.1", "203.0.113.2", "203.0.113.3")), unsure=True,
          before="-A INPUT -s 203.0.113.2 -j SET --add-set s src"),
    Scene("del-set", "create s hash:ip\nadd s 203.0.113.1\nadd s 203.0.113.2", one("src"),
          Way(src=("203.0.113.1", "203.0.113.2", "203.0.113.3")), unsure=True,
          before="-A INPUT -s 203.0.113.2 -j SET --del-set s src"),
]


class Bench:
    """A lab, one of iptables' back ends, and what each has shown."""

    def __init__(self, backend):
        self.backend, self.binary = backend, verdicts.netguard_binary()
        self.lab = Lab(f"ipset-{backend}")
        self.compared = self.unknown = 0

    def iptables(self, family, line):
        run_in(self.lab.host, [f"{'ip' if family == 4 else 'ip6'}tables-{self.backend}", "-w",
                               *line.split()])

    def load(self, scene, match):
        chain = "FORWARD" if scene.forward else "INPUT"
        if scene.before:
            self.iptables(scene.family, scene.before)
        self.iptables(scene.family, f"-A {chain} -m set {match} -j ACCEPT")
        self.iptables(scene.family, f"-P {chain} DROP")

    def unload(self, scene):
        for table in ("filter", "mangle"):
            self.iptables(scene.family, f"-t {table} -F")
        for chain in ("INPUT", "FORWARD"):
            self.iptables(scene.family, f"-P {chain} ACCEPT")

    def compare(self, scene, match):
        packets = list(scene.way.packets())
        # Asked first: packets change some of the sets.
        answers = verdicts.ask(self.lab, self.binary, "trace", [one.question() for one in packets])
        came = self.lab.arrivals(packets)
        passed = set(map(bool, came))
        for packet, answer, places in zip(packets, answers, came):
            for complaint in verdicts.judge_packet(packet, answer, places, False):
                unsure = complaint.kind == "unknown"
                self.unknown += unsure
                assert unsure and scene.unsure, \
                    f"{match}: {packet.question()}: {complaint.kind}: {complaint.text}"
        self.compared += len(packets)
        return passed

    def play(self, scene):
        """Both ways out have to be taken by some packet, or nothing was compared."""
        passed = set()
        run_in(self.lab.host, ["ipset", "restore"], scene.sets + "\n")
        try:
            for match in scene.matches:
                run_in(self.lab.host, ["ipset", "restore"],
                       "flush\n" + "\n".join(line for line in scene.sets.splitlines()
                                             if line.startswith("add")) + "\n")
                self.load(scene, match)
                try:
                    passed |= self.compare(scene, match)
                finally:
                    self.unload(scene)
        finally:
            destroy(self.lab)
        assert passed == {True, False}, f"all packets went one way: {passed}"

    def run(self, test):
        """A test of its own kind; what it leaves behind goes."""
        try:
            return test(self)
        finally:
            self.unload(SCENES[0])
            destroy(self.lab)

    def close(self):
        self.lab.close()


def test_large_set(bench):
    """A hundred thousand elements, and some that change while they are read."""
    lines = ["create s hash:ip maxelem 200000", "create t hash:ip maxelem 200000"]
    lines += [f"add s 10.{i >> 16}.{i >> 8 & 255}.{i & 255}" for i in range(0, 200000, 2)]
    run_in(bench.lab.host, ["ipset", "restore"], "\n".join(lines) + "\n")
    bench.iptables(4, "-A INPUT -m set --match-set s src -j ACCEPT")
    bench.iptables(4, "-P INPUT DROP")
    packets = list(Way(src=("10.0.0.0", "10.0.0.1", "10.3.13.62", "10.3.13.63", "10.3.13.64"),
                       iif=("eth0",)).packets())
    churn = subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{bench.lab.host.name}", "sh", "-c",
         "while :; do ipset -exist add s 11.0.0.1; ipset -exist del s 11.0.0.1; sleep 0.01; done"])
    try:
        started = time.monotonic()
        answers = verdicts.ask(bench.lab, bench.binary, "trace",
                               [one.question() for one in packets])
        took = time.monotonic() - started
    finally:
        churn.kill()
        churn.wait()
    came = bench.lab.arrivals(packets)
    assert [bool(places) for places in came] == [True, False, True, False, False], came
    assert [one["verdict"] for one in answers] == \
        ["delivered" if places else "dropped" for places in came], answers
    assert took < 20, f"{took:.1f} s"


def test_nothing_changes(bench):
    """Looking leaves the sets as they are."""
    run_in(bench.lab.host, ["ipset", "restore"], SCENES[0].sets + "\n")
    before = run_in(bench.lab.host, ["ipset", "save"])
    verdicts.ask(bench.lab, bench.binary, "trace", [next(Way().packets()).question()])
    after = run_in(bench.lab.host, ["ipset", "save"])
    assert before == after


def test_swapped_sets(bench):
    """Two sets that change places all the time: one of them always holds the source. While one is
    listed they cannot; a large one between them gives them the time."""
    lines = ["create a hash:ip", "add a 10.0.0.1", "create large hash:ip maxelem 200000",
             "create b hash:ip", "add b 11.0.0.1"]
    lines += [f"add large 12.{i >> 16}.{i >> 8 & 255}.{i & 255}" for i in range(100000)]
    run_in(bench.lab.host, ["ipset", "restore"], "\n".join(lines) + "\n")
    for name in "ab":
        bench.iptables(4, f"-A INPUT -m set --match-set {name} src -j ACCEPT")
    bench.iptables(4, "-P INPUT DROP")
    packets = list(Way(src=("10.0.0.1", "11.0.0.1", "12.0.0.1")).packets())
    swap = ["nsenter", f"--net=/run/netns/{bench.lab.host.name}", "sh", "-c",
            "while :; do for i in 1 2 3 4 5 6 7 8 9; do ipset swap a b; sleep 0.$i; done; done"]
    certain = 0
    with subprocess.Popen(swap, stderr=subprocess.DEVNULL) as swapping:
        try:
            for _ in range(20):
                answers = verdicts.ask(bench.lab, bench.binary, "trace",
                                       [one.question() for one in packets])
                told = [one["verdict"] for one in answers]
                assert told in (["delivered", "delivered", "dropped"], ["unknown"] * 3), told
                certain += told[0] == "delivered"
        finally:
            swapping.kill()
    assert certain > 10, f"decided {certain} times of 20"


IPSET_CMD_LIST, IPSET_CMD_GET_BYNAME = 7, 14
IPSET_ATTR_SETNAME, IPSET_ATTR_INDEX = 2, 11


def indexes(dump):
    """{name: index} as the messages of one protocol tell it, and of which commands they are."""
    told, commands, at = {}, set(), 0
    while at < len(dump):
        length, command = struct.unpack_from("=IH", dump, at)
        commands.add(command & 0xFF)
        name, inside = None, at + 20
        while inside < at + length:
            size, kind = struct.unpack_from("=HH", dump, inside)
            if kind & 0x3FFF == IPSET_ATTR_SETNAME:
                name = dump[inside + 4:inside + size - 1].decode()
            if kind & 0x3FFF == IPSET_ATTR_INDEX:
                told[name] = struct.unpack_from("!H", dump, inside + 4)[0]
            inside += size + 3 & ~3
        at += length + 3 & ~3
    return told, commands


def test_old_protocol(bench):
    """A kernel that does not tell indexes in its listing is asked for them one by one."""
    if len(sys.argv) < 2:
        return "without a program that dumps"
    run_in(bench.lab.host, ["ipset", "restore"],
           "\n".join(f"create {name} hash:ip" for name in "xyz") + "\n")
    run_in(bench.lab.host, ["ipset", "destroy", "x"])
    dumps = []
    for protocol in ("7", "6"):
        with bench.lab.host:
            dumps.append(indexes(subprocess.run([sys.argv[1], protocol], check=True,
                                                stdout=subprocess.PIPE).stdout))
    assert dumps == [({"y": 1, "z": 2}, {IPSET_CMD_LIST}),
                     ({"y": 1, "z": 2}, {IPSET_CMD_LIST, IPSET_CMD_GET_BYNAME})], dumps
    return None


def lacks_type(lab, scene):
    """Why the scene is skipped; None where the kernel has all of it."""
    try:
        for line in scene.sets.splitlines():
            if line.startswith("create"):
                run_in(lab.host, ["ipset", *line.split()])
    except AssertionError as reason:
        if "not supported" not in str(reason):
            raise
        return "the kernel has no such type of set"
    finally:
        destroy(lab)
    return None


def destroy(lab):
    """All sets. A list holds on to its members until it is empty."""
    run_in(lab.host, ["ipset", "flush"])
    run_in(lab.host, ["ipset", "destroy"])


def report(number, name, work):
    try:
        skipped = work()
    except AssertionError as reason:
        text = str(reason).strip() or repr(reason)
        print(f"not ok {number} - {name}", *text.splitlines()[:12], sep="\n# ", flush=True)
        return False
    print(f"ok {number} - {name}" + (f" # SKIP {skipped}" if skipped else ""), flush=True)
    return True


def play_or_skip(bench, scene):
    skipped = lacks_type(bench.lab, scene)
    if not skipped:
        bench.play(scene)
    return skipped


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root: it makes network namespaces")
        return 0
    pin_to_one_cpu()
    end_on_signals()
    more = (test_large_set, test_swapped_sets, test_old_protocol, test_nothing_changes)
    print(f"1..{2 * len(SCENES) + len(more)}", flush=True)
    number, good = 0, True
    for backend in ("nft", "legacy"):
        bench = Bench(backend)
        try:
            for scene in SCENES:
                number += 1
                good &= report(number, f"{scene.name} by iptables-{backend}",
                               lambda scene=scene: play_or_skip(bench, scene))
            for test in more if backend == "nft" else ():
                number += 1
                good &= report(number, test.__name__[5:].replace("_", " "),
                               lambda test=test: bench.run(test))
            print(f"# iptables-{backend}: {bench.compared} packets compared, {bench.unknown} "
                  "unknown", flush=True)
        finally:
            bench.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
