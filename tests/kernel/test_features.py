#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What else decides over packets is seen where it is, and nowhere else: traffic control, BPF,
IPsec, bridges that call the hooks of IP, nexthop objects. And looking leaves no trace.

    test_features.py NETGUARD...    the command line that prints a snapshot of this host
                                    (default: $NETGUARD snapshot)

Needs root, iproute2 and nftables. Prints TAP. Everything it makes lives in namespaces of its own
and goes with its processes.
"""
import contextlib
import os
import socket
import struct
import subprocess
import sys

from observed import (ATTACH_NETFILTER, ATTACH_TCX_EGRESS, ATTACH_TCX_INGRESS, NETFILTER, NETGUARD,
                      SCHED_CLS, Attached, assert_untouched, equal, in_namespace, link_names, read,
                      run, run_json, run_tests, settle, shell, snapshot, sysctl, traces, write)

SETUP = """
ip link set lo up
ip link add br0 type bridge
ip link add br1 type bridge
ip link add v0 type veth peer name v1
ip link add v2 type veth peer name v3
ip link set v0 master br0
for l in br0 v0 v1 v2 v3; do ip link set $l up; done
ip addr add 192.0.2.1/24 dev v1
ip addr add 198.51.100.1/24 dev v2
ip addr add 2001:db8:1::1/64 dev v1 nodad
"""

CALLS = ("iptables", "ip6tables")


@contextlib.contextmanager
def having(setup, undo):
    shell(setup)
    try:
        yield
    finally:
        shell(undo)


def possible(line):
    """Whether this kernel can do it at all."""
    done = subprocess.run(["sh", "-c", line], stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def judged():
    """Links with traffic control, and those the gaps name."""
    world = snapshot()
    links = {link["name"] for link in world["links"] if link["tc"]}
    named = {link for gap in world["gaps"] for link in link_names(world).values()
             if gap["source"] == "tc" and f"tc on {link}:" in gap["reason"]}
    assert links == named, (links, world["gaps"])
    assert links or not world["gaps"], world["gaps"]
    return links


# -- traffic control -----------------------------------------------------------------------------


MATCH = "protocol ip u32 match ip dst 10.0.0.1"


def test_queues_are_nothing(_):
    assert judged() == set()
    with having("tc qdisc add dev v1 clsact\ntc qdisc add dev v2 ingress",
                "tc qdisc del dev v1 clsact\ntc qdisc del dev v2 ingress"):
        assert judged() == set(), "without a filter"
    for kind in ("fq_codel", "pfifo", "tbf rate 1mbit burst 10k latency 1s", "htb"):
        if possible(f"tc qdisc add dev v1 root handle 1: {kind}"):
            assert judged() == set(), kind
            run("tc", "qdisc", "del", "dev", "v1", "root")


def test_filters(_):
    with having("tc qdisc add dev v1 clsact", "tc qdisc del dev v1 clsact"):
        for side in ("ingress", "egress"):
            with having(f"tc filter add dev v1 {side} {MATCH} flowid 1:1",
                        f"tc filter del dev v1 {side}"):
                assert judged() == {"v1"}, side
            assert judged() == set(), side
    with having("tc qdisc add dev v2 ingress", "tc qdisc del dev v2 ingress"):
        shell(f"tc filter add dev v2 parent ffff: {MATCH} flowid 1:1")
        assert judged() == {"v2"}


def test_filters_of_a_shared_block(_):
    with having("tc qdisc add dev v1 ingress_block 7 clsact\n"
                "tc qdisc add dev v2 egress_block 7 clsact",
                "tc qdisc del dev v1 clsact\ntc qdisc del dev v2 clsact"):
        assert judged() == set()
        shell(f"tc filter add block 7 {MATCH} flowid 1:1")
        assert judged() == {"v1", "v2"}


def test_filters_of_a_queue(_):
    if not possible("tc qdisc add dev v1 root handle 1: htb"):
        return "no htb here"
    with having("", "tc qdisc del dev v1 root"):
        shell(f"tc filter add dev v1 parent 1: {MATCH} flowid 1:1")
        assert judged() == set(), "one that sorts"
        if not possible(f"tc filter add dev v1 parent 1: {MATCH} action mirred egress redirect "
                        "dev v2"):
            return "no mirred here"
        assert judged() == {"v1"}, "one that redirects"
    return None


# -- BPF -----------------------------------------------------------------------------------------


def test_tcx_programs(_):
    for side in (ATTACH_TCX_INGRESS, ATTACH_TCX_EGRESS):
        try:
            attached = Attached(SCHED_CLS, -1, side, socket.if_nametoindex("v1"))
        except (OSError, KeyError) as reason:
            return f"no tcx here: {reason}"
        with attached:
            assert judged() == {"v1"}, side
        assert judged() == set(), side
    return None


def test_netfilter_programs(_):
    hook = struct.pack("=IIiI", 2, 1, 100, 0)  # IPv4, local in
    try:
        attached = Attached(NETFILTER, 1, ATTACH_NETFILTER, more=hook.rjust(16, b"\0"))
    except (OSError, KeyError) as reason:
        return f"no BPF on netfilter hooks here: {reason}"

    def count():
        gaps = [gap["reason"] for gap in snapshot()["gaps"] if gap["source"] == "bpf"]
        assert len(gaps) <= 1, gaps
        return int(gaps[0].split()[0]) if gaps else 0

    with attached:
        seen = count()
        with Attached(NETFILTER, 1, ATTACH_NETFILTER, more=struct.pack("=IIiI", 10, 1, 100, 0)):
            assert count() == seen + 1
    assert count() == seen - 1
    return None


# -- IPsec, conntrack ----------------------------------------------------------------------------


def test_ipsec(world):
    assert not world["ipsec"]
    policy = "dir in src 192.0.2.1 dst 192.0.2.2"
    if not possible(f"ip xfrm policy add {policy}"):
        return "no IPsec here"
    assert snapshot()["ipsec"], "a policy"
    shell(f"ip xfrm policy del {policy}")
    assert not snapshot()["ipsec"]
    # One that is still being agreed on, which needs no cipher of this kernel.
    shell("ip xfrm state allocspi src 192.0.2.1 dst 192.0.2.2 proto esp mode transport >/dev/null")
    assert snapshot()["ipsec"], "an association"
    shell("ip xfrm state flush")
    assert not snapshot()["ipsec"]
    return None


def test_strict_conntrack(world):
    path = "/proc/sys/net/netfilter/nf_conntrack_tcp_loose"
    if read(path) is None:
        return "no conntrack here"
    assert not world["conntrack_strict"]
    write(path, "0")
    assert snapshot()["conntrack_strict"]
    write(path, "1")
    assert not snapshot()["conntrack_strict"]
    return None


# -- bridges -------------------------------------------------------------------------------------


def test_bridge_calls(_):
    """By the switch of all bridges, or by their own where br_netfilter is there."""
    if read("/proc/sys/net/bridge/bridge-nf-call-iptables") is None:
        return "no br_netfilter here"
    for call in CALLS:
        for everywhere in (1, 0):
            write(f"/proc/sys/net/bridge/bridge-nf-call-{call}", str(everywhere))
            for own in (1, 0):
                run("ip", "link", "set", "br1", "type", "bridge", f"nf_call_{call}", str(own))
                world = snapshot()
                told = [(link["ifname"],
                         *(bool(sysctl(f"bridge/bridge-nf-call-{name}")
                                or link["linkinfo"]["info_data"][f"nf_call_{name}"])
                           for name in CALLS))
                        for link in run_json("ip", "-j", "-d", "link", "show", "type", "bridge")]
                equal("bridges", [(link["name"], link["bridge_calls4"], link["bridge_calls6"])
                                  for link in world["links"] if link["kind"] == "bridge"], told)
                assert not any(link["bridge_calls4"] or link["bridge_calls6"]
                               for link in world["links"] if link["kind"] != "bridge")
    return None


# -- routes and addresses ------------------------------------------------------------------------


NEXTHOPS = """
ip nexthop add id 1 dev v1
ip nexthop add id 2 via 198.51.100.9 dev v2
ip nexthop add id 3 group 1/2
ip nexthop add id 4 blackhole
ip nexthop add id 5 via 2001:db8:1::9 dev v1
ip -6 nexthop add id 6 dev v2
ip nexthop add id 7 group 5/6
ip route add 10.1.0.0/16 nhid 1
ip route add 10.2.0.0/16 nhid 2
ip route add 10.3.0.0/16 nhid 3
ip route add 10.4.0.0/16 nhid 4
ip -6 route add 2001:db8:8::/48 nhid 5
ip -6 route add 2001:db8:9::/48 nhid 7
"""


def test_nexthops(_):
    """A route is the same whether the kernel tells its way, or the name of a nexthop object."""
    if not possible("ip nexthop list"):
        return "no nexthop objects here"
    mode = "/proc/sys/net/ipv4/nexthop_compat_mode"
    with having(NEXTHOPS, "ip nexthop flush"):
        write(mode, "1")
        told = snapshot()["routes"]
        write(mode, "0")
        named = snapshot()
        write(mode, "1")
    for route in told:  # as if it led to lo
        if route["type"] == 6:
            route["oif"] = 0
    equal("routes", [tuple(route.items()) for route in named["routes"]],
          [tuple(route.items()) for route in told])
    names = link_names(named)
    ways = {dst: sorted((names.get(route["oif"]), route["has_gateway"], route["type"])
                        for route in named["routes"] if route["dst"] == dst)
            for dst in ("10.1.0.0", "10.2.0.0", "10.3.0.0", "2001:db8:8::", "2001:db8:9::")}
    assert ways == {"10.1.0.0": [("v1", False, 1)], "10.2.0.0": [("v2", True, 1)],
                    "10.3.0.0": [("v1", False, 1), ("v2", True, 1)],
                    "2001:db8:8::": [("v1", True, 1)],
                    "2001:db8:9::": [("v1", True, 1), ("v2", False, 1)]}, ways
    assert [r["type"] for r in named["routes"] if r["dst"] == "10.4.0.0"] == [6]
    assert named["gaps"] == [], named["gaps"]
    return None


def test_routes_left_out(_):
    with having("ip route add 10.5.0.0/16 dev v1 tos 0x10", "ip route del 10.5.0.0/16 tos 0x10"):
        world = snapshot()
    assert not [route for route in world["routes"] if route["dst"] == "10.5.0.0"]
    reasons = [gap["reason"] for gap in world["gaps"] if gap["source"] == "routes"]
    assert len(reasons) == 1 and reasons[0].startswith("1 routes"), world["gaps"]


def test_addresses_not_yet_in_use(_):
    """A bridge without a port never gets to ask whether somebody has its address."""
    write("/proc/sys/net/ipv6/conf/br1/accept_dad", "1")
    shell("ip addr add 2001:db8:d::1/64 dev br1\nip addr add 2001:db8:d::2/64 dev br1 nodad")
    told = {addr["local"]: addr for link in run_json("ip", "-j", "addr", "show", "br1")
            for addr in link["addr_info"]}
    assert told["2001:db8:d::1"].get("tentative") and "tentative" not in told["2001:db8:d::2"]
    world = snapshot()
    observed = {addr["addr"] for addr in world["addresses"]}
    assert "2001:db8:d::2" in observed and "2001:db8:d::1" not in observed
    local = {route["dst"] for route in world["routes"] if route["table"] == 255}
    assert "2001:db8:d::2" in local and "2001:db8:d::1" not in local
    shell("ip addr flush dev br1")


# -- no trace ------------------------------------------------------------------------------------


def look():
    snapshot()
    if NETGUARD[-1] == "snapshot":
        done = subprocess.run([*NETGUARD[:-1], "check"], stdout=subprocess.DEVNULL, check=False)
        assert done.returncode in (0, 1, 3), done.returncode


BUSY = NEXTHOPS + """
tc qdisc add dev v1 clsact
tc filter add dev v1 ingress protocol ip u32 match ip dst 10.0.0.1 flowid 1:1
ip xfrm policy add dir in src 192.0.2.1 dst 192.0.2.2
ip rule add goto 300 priority 7
ip rule add uidrange 1-2 lookup 1000 priority 300
nft add table inet t
nft 'add chain inet t c { type filter hook input priority 0; }'
nft add rule inet t c ct state new accept
"""


def test_looking_changes_nothing(_):
    shell(BUSY)
    for number in range(2):
        before = traces()
        look()
        assert_untouched(before, traces())
        assert number or before["tc qdisc"] and before["ip xfrm policy"], before


BARE = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import observed, test_features
before = observed.traces()
test_features.look()
observed.assert_untouched(before, observed.traces())
"""


def test_looking_changes_nothing_where_nothing_is(_):
    folder = os.path.dirname(os.path.abspath(__file__))
    run("unshare", "--net", "--mount", sys.executable, "-c", BARE, folder, *NETGUARD)


TESTS = [test_queues_are_nothing, test_filters, test_filters_of_a_shared_block,
         test_filters_of_a_queue, test_tcx_programs, test_netfilter_programs, test_ipsec,
         test_strict_conntrack, test_bridge_calls, test_nexthops, test_routes_left_out,
         test_addresses_not_yet_in_use, test_looking_changes_nothing,
         test_looking_changes_nothing_where_nothing_is]


def inside():
    for name in ("all", "default"):
        write(f"/proc/sys/net/ipv6/conf/{name}/accept_dad", "0")
    shell(SETUP)
    settle()
    return run_tests(TESTS, snapshot())


if __name__ == "__main__":
    sys.exit(in_namespace(__file__, inside))
