#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""iptables-legacy: read as the kernel has it, decided as iptables-nft's same rules are, and as
real packets go.

    NETGUARD    the binary (default: build/netguard)

Needs root, iproute2, nftables, iptables with both back ends. Prints TAP.
"""
import json
import os
import shutil
import subprocess
import sys

import generated
from docker_rules import docker20, docker28, restore, ufw
from test_reach import (NETGUARD, OPERATOR4, OPERATOR6, UFW_RULES, judge, layout, report)
from topology import Process, Topology, end_on_signals, enter, pin_to_one_cpu, settle_links

LISTS = {4: "/proc/net/ip_tables_names", 6: "/proc/net/ip6_tables_names"}
RESTORE = {4: "iptables-legacy-restore", 6: "ip6tables-legacy-restore"}
HOOKS = {"raw": ("PREROUTING", "OUTPUT"),
         "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
         "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
         "filter": ("INPUT", "FORWARD", "OUTPUT"), "security": ("INPUT", "FORWARD", "OUTPUT")}


def tables_of(top):
    """What the kernel lists, per family: in what order is its own business."""
    return {family: sorted(top.host.run("cat", path).split()) for family, path in LISTS.items()}


def load_legacy(top, v4="", v6=""):
    """Replaces the rules of all legacy tables that are there, and adds those that are not."""
    for family, text in ((4, v4), (6, v6)):
        empty = {table: [f":{chain} ACCEPT [0:0]" for chain in HOOKS[table]]
                 for table in tables_of(top)[family]}
        if empty or text:
            top.host.run(RESTORE[family], stdin=restore(empty) + text)


def netguard(top, *words):
    done = subprocess.run(["nsenter", f"--net=/run/netns/{top.host.name}", NETGUARD, *words],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    # 3: something is not seen, as a program that another test attaches meanwhile.
    assert done.returncode in (0, 1, 3), f"{' '.join(words)}: {done.returncode}: {done.stderr}"
    return done.stdout


def check(top, *words):
    world = json.loads(netguard(top, "check", "--docker", f"unix://{top.api}", "--format", "json",
                                *words))
    assert not gaps_of(world), world["gaps"]
    return world


def gaps_of(world):
    return [one["reason"] for one in world["gaps"]
            if one["source"] in ("xtables", "nftables", "ipsets")]


def answers(world):
    """Who gets where, without which rule says so: {(exposure, zone, interface): answer}."""
    return {(one["id"], part["zone"], part["interface"]):
            [part[key] for key in ("verdict", "sources", "maybe", "source_ports")]
            for one in world["exposures"] for part in one["reach"]}


def assert_same(told, expected, what):
    differ = [key for key in {**told, **expected} if told.get(key) != expected.get(key)]
    assert not differ, "\n".join([f"{what}: {len(differ)} answers differ",
                                  *(f"{key}: legacy {told.get(key)} nft {expected.get(key)}"
                                    for key in differ[:6])])


# -- what is written ------------------------------------------------------------------------------

# What an entry itself can ask for, chains that call each other, and every table there is.
ODD = {
    4: ["raw -A PREROUTING -i eth1 -p udp -m udp --dport 5353 -s 10.9.0.0/25 -j DROP",
        "mangle -A PREROUTING -i eth+ -s 10.0.0.0/8 -j MARK --set-mark 7",
        "mangle -A FORWARD -m mark --mark 7 ! -d 172.17.0.2 ! -i eth0 -j DROP",
        "nat -A PREROUTING -p tcp -m tcp --dport 9100 -s 198.51.100.0/24 -j REDIRECT --to-ports 22",
        "security -A INPUT -p tcp -m tcp --dport 9100 ! -s 192.0.2.0/24 -j DROP",
        ":one - [0:0]", ":two - [0:0]", ":three - [0:0]",
        "-A INPUT -f -j DROP", "-A INPUT ! -f -p udp -m udp --dport 53 -s 192.0.2.0/27 -j DROP",
        "-A INPUT ! -p tcp -m comment --comment no-target",
        "-A INPUT -p tcp -j one", "-A INPUT -d 192.0.0.1/255.0.255.255 -p tcp -j ACCEPT",
        "-A INPUT ! -p tcp ! -i eth1 -j ACCEPT", "-A INPUT -s 8.8.8.8 -j RETURN",
        "-A INPUT -d 10.0.0.0/8 -j ACCEPT",
        "-A one -s 192.0.2.0/24 -g two", "-A one -s 10.9.0.0/24 -j three",
        "-A one -i eth1 -j RETURN", "-A two ! -s 192.0.2.0/25 -j RETURN",
        "-A two -m tcp -p tcp ! --dport 22 -j DROP", "-A three -d 10.9.0.1 -j three-on",
        ":three-on - [0:0]", "-A three-on -s 10.9.0.2 -j ACCEPT", "-A three-on -j RETURN",
        "-A three -p tcp -m tcp --dport 22 -j REJECT --reject-with tcp-reset",
        "-A DOCKER-USER -o br+ -s 192.0.2.0/30 -j DROP", "-A DOCKER-USER ! -o docker0 -i eth1 "
        "-s 10.9.0.128/25 -j DROP"],
    6: ["raw -A PREROUTING -i eth1 -p udp -m udp --dport 5353 -j DROP",
        "mangle -A PREROUTING -i eth+ -s fd00:9::/64 -j MARK --set-mark 7",
        "mangle -A INPUT -m mark --mark 7 -p tcp -m tcp --dport 22 -j DROP",
        "security -A INPUT -p tcp -m tcp --dport 8080 -s 2001:db8:1::/126 -j DROP",
        ":one - [0:0]", ":two - [0:0]",
        "-A INPUT -p tcp -j one", "-A INPUT -s fe80::/10 -j RETURN",
        "-A INPUT -d 2001:db8::1/ffff:ffff::ffff ! -p tcp -j ACCEPT",
        "-A one ! -s 2001:db8:1::/64 -g two", "-A one -m tcp -p tcp --dport 22 -j ACCEPT",
        "-A two -i eth1 -j ACCEPT", "-A two -s 2001:db8:ffff::1 -j ACCEPT"],
}
HOLES = {4: ["-A INPUT -s 10.9.0.2/255.255.0.255 -p tcp -j ACCEPT", "-A INPUT -p tcp -j DROP"],
         6: ["-A INPUT -s fd00:9::2/ffff:ffff:ffff:ffff:ffff:ffff:00ff:ffff -p udp -j DROP"]}


def of_docker(top, writer, lines4=(), lines6=(), **more):
    return {"v4": writer(top.layout, 4, extra=generated.by_table(lines4), **more),
            "v6": writer(top.layout, 6, extra=generated.by_table(lines6), **more)}


def rulesets(top):
    for writer in (docker20, docker28):
        yield writer.__name__, of_docker(top, writer)
        for name, lines in OPERATOR4.items():
            yield f"{writer.__name__}, {name}", of_docker(top, writer, lines)
        for name, lines in OPERATOR6.items():
            yield f"{writer.__name__}, {name}", of_docker(top, writer, (), lines)
    yield "ufw", {f"v{family}": docker20(top.layout, family, no_input="DROP",
                                         extra=ufw(family, UFW_RULES[family]))
                  for family in (4, 6)}
    yield "odd rules", of_docker(top, docker20, ODD[4], ODD[6], no_input="DROP")
    yield "masks with holes", of_docker(top, docker20, HOLES[4], HOLES[6])


# -- tests ----------------------------------------------------------------------------------------


def test_looking_makes_no_table(top):
    """First: a table cannot be taken away again."""
    nothing = {4: [], 6: []}
    assert tables_of(top) == nothing, "another test has left tables behind"
    top.load(**of_docker(top, docker20))
    assert check(top)["backends"] == ["nf_tables"]
    assert not json.loads(netguard(top, "snapshot"))["xtables"]
    assert tables_of(top) == nothing, tables_of(top)

    top.host.run("iptables-legacy", "-A", "FORWARD", "-s", "198.51.100.7", "-j", "DROP")
    before = {4: ["filter"], 6: []}
    assert tables_of(top) == before
    world = check(top)
    assert tables_of(top) == before, tables_of(top)
    assert world["backends"] == ["nf_tables", "iptables-legacy"]
    told = netguard(top, "check", "--docker", f"unix://{top.api}", "--color", "never")
    assert "nf_tables and iptables-legacy both hold rules" in " ".join(told.split())


def test_same_as_iptables_nft(top):
    compared = 0
    for name, rules in rulesets(top):
        load_legacy(top)
        top.load(**rules)
        expected = check(top)
        top.load()
        load_legacy(top, **rules)
        world = check(top)
        assert expected["backends"] == ["nf_tables"], expected["backends"]
        assert world["backends"] == ["iptables-legacy"], world["backends"]
        assert_same(answers(world), answers(expected), name)
        compared += len(answers(world))
    return f"{compared} answers"


def test_packets(top):
    """The kernel is the judge of the legacy tables, too."""
    asked, failed = 0, []
    top.load()
    for name, rules in rulesets(top):
        if name.startswith("docker28, "):
            continue
        load_legacy(top, **rules)
        probes, complaints = judge(top, rules["v4"] + rules["v6"], 60)
        asked += probes
        failed += [f"{name}: {one}" for one in complaints[:6]]
    assert not failed, "\n".join(failed)
    return f"{asked} probes"


def test_both_at_once(top):
    """Each back end lets through what the other does not."""
    nft = {4: ["-A DOCKER-USER -s 192.0.2.0/24 -j DROP",
               "-A INPUT -p tcp -m tcp --dport 22 -s 10.0.0.0/8 -j DROP"],
           6: ["-A INPUT -s 2001:db8:1::/64 -p tcp -m tcp --dport 22 -j DROP"]}
    legacy = {4: ["-A FORWARD -i eth1 -s 10.9.0.0/25 -j DROP", ":ssh - [0:0]",
                  "-A INPUT -p tcp -m tcp --dport 22 -j ssh", "-A ssh -s 192.0.2.64/26 -j DROP",
                  "raw -A PREROUTING -s 198.51.100.0/28 -j DROP"],
              6: ["-A INPUT -s fd00:9::/64 -p tcp -m tcp --dport 22 -j DROP"]}
    own = {family: restore(generated.by_table(lines)) for family, lines in legacy.items()}
    rules = of_docker(top, docker20, nft[4], nft[6])
    top.load(**rules)
    load_legacy(top, own[4], own[6])
    assert check(top)["backends"] == ["nf_tables", "iptables-legacy"]
    probes, complaints = judge(top, rules["v4"] + rules["v6"] + own[4] + own[6])
    assert not complaints, "\n".join(complaints[:12])
    return f"{probes} probes"


def test_snapshot(top):
    """Live and recorded, the same answer."""
    load_legacy(top, **of_docker(top, docker20, ODD[4], ODD[6], no_input="DROP"))
    top.load()
    path = os.path.join(top.directory, "world.json")
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(netguard(top, "snapshot", "--docker", f"unix://{top.api}"))
        told = json.loads(subprocess.run([NETGUARD, "check", "--snapshot", path, "--format", "json"],
                                         stdout=subprocess.PIPE, check=False).stdout)
    finally:
        os.unlink(path)
    live = check(top)
    for part in ("exposures", "findings", "backends"):
        assert told[part] == live[part], f"{part} differ"


def test_tables_that_change(top):
    """Whoever looks while tables are replaced sees one ruleset or the other, or says that it saw
    neither."""
    top.load()
    texts = [restore(generated.by_table(lines)) for lines in (
        ["-A INPUT -p tcp -m tcp --dport 22 -j DROP"],
        [*(f"-A INPUT -s 198.51.100.{number} -j ACCEPT" for number in range(100)),
         ":own - [0:0]", "-A INPUT -p tcp -j own", "-A own -p tcp -m tcp --dport 22 -j RETURN"])]
    expected = []
    for text in texts:
        load_legacy(top, text)
        expected.append(answers(check(top)))
    assert expected[0] != expected[1]

    def change(ready):
        enter(top.host.fd)
        ready()
        while True:
            for text in texts:
                subprocess.run([RESTORE[4]], input=text, text=True, check=True)

    writer = Process("writer", change)
    try:
        seen = []
        for _ in range(20):
            world = json.loads(netguard(top, "check", "--docker", f"unix://{top.api}", "--format",
                                        "json"))
            if gaps_of(world):
                assert "never settled" in gaps_of(world)[0], world["gaps"]
            else:
                assert answers(world) in expected, "half of one and half of the other"
                seen.append(expected.index(answers(world)))
    finally:
        writer.end()
    return f"saw {seen.count(0)} and {seen.count(1)} times"


def test_tables_that_nobody_may_read(top):
    """Without privilege nothing can be told, and nothing is called blocked."""
    done = subprocess.run(["nsenter", f"--net=/run/netns/{top.host.name}", "setpriv",
                           "--bounding-set=-net_admin", "--inh-caps=-net_admin", NETGUARD, "check",
                           "--docker", f"unix://{top.api}", "--format", "json"],
                          stdout=subprocess.PIPE, text=True, check=False)
    world = json.loads(done.stdout)
    assert not world["complete"]
    gaps = [one["reason"] for one in world["gaps"] if one["source"] == "xtables"]
    assert len(gaps) == 1 and "iptables-legacy" in gaps[0] and "root" in gaps[0], world["gaps"]
    verdicts = {part["verdict"] for one in world["exposures"] for part in one["reach"]}
    assert verdicts == {"unknown"}, verdicts


TESTS = [test_looking_makes_no_table, test_same_as_iptables_nft, test_packets, test_both_at_once,
         test_snapshot, test_tables_that_change, test_tables_that_nobody_may_read]


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return 0
    if not shutil.which("iptables-legacy-restore"):
        print("1..0 # SKIP no iptables-legacy here")
        return 0
    if not os.access(NETGUARD, os.X_OK):
        print(f"Bail out! no netguard at {NETGUARD}: build it first, or set NETGUARD")
        return 1
    pin_to_one_cpu()
    end_on_signals()
    print(f"1..{len(TESTS)}", flush=True)
    failed = 0
    with Topology(layout()) as top:
        settle_links(top.host)
        for number, test in enumerate(TESTS, 1):
            failed += report(number, test.__name__[5:].replace("_", " "), test, top)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
