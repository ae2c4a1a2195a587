#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_link_events.py [FOLLOW_LINKS]   what is told of changes of links, addresses and routes

    FOLLOW_LINKS  prints a line for each (default: build/tests/follow_links)

In a namespace of its own. Needs root and iproute2. Prints TAP.
"""
import contextlib
import os
import select
import signal
import subprocess
import sys
import time

from guarded import PATIENCE_S, main, run, same

HERE = os.path.dirname(os.path.abspath(__file__))
FOLLOW_LINKS = sys.argv[1] if sys.argv[1:] else f"{HERE}/../../build/tests/follow_links"
NETNS = f"netguard-links-{os.getpid()}"
FLOOD = 12000
QUIET_S = 0.03
# Routes and addresses as one that makes them for the kernel prolongs their lives.
ADDRESS = "2001:db8::1/64 dev eth0 nodad valid_lft {0} preferred_lft {0}"
ROUTE = "default via 2001:db8::2 dev eth0 proto ra metric 100 expires {0}"


class Follower:
    """The kernel has told of a change when `ip` ends."""

    def __init__(self):
        self.child = subprocess.Popen(
            ["ip", "netns", "exec", NETNS, FOLLOW_LINKS], stdout=subprocess.PIPE)
        same(self.read(), "follows", "first line")

    def read(self, patience_s=PATIENCE_S):
        """A line; None where none comes. Nothing of it is buffered."""
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([self.child.stdout], [], [], patience_s)[0]:
                return None
            byte = os.read(self.child.stdout.fileno(), 1)
            assert byte, f"it has ended: {self.child.wait()}"
            line += byte
        return line.decode().rstrip()

    def drain(self):
        while self.read(QUIET_S):
            pass

    def tells(self, *words):
        self.change(*words)
        same(self.read(), "changed", f"ip {' '.join(words)}")
        self.drain()

    def is_silent(self, *words):
        self.change(*words)
        same(self.read(QUIET_S), None, f"ip {' '.join(words)}")

    @staticmethod
    def change(*words):
        run("ip", "-n", NETNS, *words)


def write(name, value):
    run("ip", "netns", "exec", NETNS, "sh", "-c", f"echo {value} >/proc/sys/net/{name}")


@contextlib.contextmanager
def following():
    run("ip", "netns", "add", NETNS)
    try:
        write("ipv6/conf/default/addr_gen_mode", 1)  # no address that comes by itself
        for words in ("link add br0 type bridge", "link set br0 up",
                      "link add eth0 type veth peer name eth1", "link set eth0 up",
                      "link set eth1 up"):  # fmt: skip
            run("ip", "-n", NETNS, *split(words))
        until(lambda: run("ip", "-n", NETNS, "link").count("state UP") == 2, "the pair is up")
        follower = Follower()
        try:
            follower.drain()
            yield follower
        finally:
            follower.child.kill()
            follower.child.wait()
            follower.child.stdout.close()
    finally:
        run("ip", "netns", "del", NETNS)


def until(condition, what):
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < PATIENCE_S, f"{what}: not within {PATIENCE_S} s"
        time.sleep(0.01)


def split(text):
    return text.split(" ")


def tells_of_what_changes():
    """Each at once, and by itself."""
    with following() as follower:
        for words in ("link add veth0 type veth peer name veth1", "link set veth0 master br0",
                      "link set veth0 up", "link set veth0 nomaster", "link set veth0 name data0",
                      "link set br0 type bridge nf_call_iptables 1",
                      "addr add 192.0.2.1/24 dev eth0", "addr add 192.0.2.3/24 dev eth0",
                      # On a link that is down no route tells of them.
                      "addr add 2001:db8:2::1/64 dev veth1", "addr add 2001:db8:2::2/64 dev veth1",
                      "route add 198.51.100.0/24 via 192.0.2.2",
                      "route replace 198.51.100.0/24 dev eth0",
                      "route replace 198.51.100.0/24 via 192.0.2.2",
                      "route del 198.51.100.0/24", "-6 route add 2001:db8:1::/64 dev eth0",
                      "rule add from 192.0.2.0/24 table 100", "-6 rule add fwmark 1 table 100",
                      "nexthop add id 1 via 192.0.2.2 dev eth0",
                      "route add 203.0.113.0/24 nhid 1", "nexthop replace id 1 dev eth0",
                      "addr del 192.0.2.3/24 dev eth0", "addr add 192.0.2.3/24 dev eth0",
                      "link set eth0 down", "link set eth0 up", "link del data0"):  # fmt: skip
            follower.tells(*split(words))


def tells_of_sysctls():
    with following() as follower:
        for name, value in (("ipv4/ip_forward", 1), ("ipv4/conf/eth0/rp_filter", 2),
                            ("ipv6/conf/all/forwarding", 1)):  # fmt: skip
            write(name, value)
            same(follower.read(), "changed", name)
            follower.drain()


def is_silent_about_the_same_once_more():
    with following() as follower:
        follower.tells(*split("addr add " + ADDRESS.format(600)))
        follower.tells(*split("-6 route replace " + ROUTE.format(600)))
        follower.tells(*split("link set eth1 master br0"))
        for seconds in 700, 800, 900:
            follower.is_silent(*split("addr change " + ADDRESS.format(seconds)))
            follower.is_silent(*split("-6 route replace " + ROUTE.format(seconds)))
        for words in ("link set eth1 alias other", "link set eth1 promisc on",
                      "link set eth1 txqueuelen 77", "link set eth1 type bridge_slave cost 7",
                      "neigh replace 2001:db8::9 dev eth0 "
                      "lladdr 02:00:00:00:00:09"):  # fmt: skip
            follower.is_silent(*split(words))
        # What is away in between, or another one, is told of.
        follower.tells(*split("addr del 2001:db8::1/64 dev eth0"))
        follower.tells(*split("addr add " + ADDRESS.format(600)))
        follower.tells(*split("-6 route replace " + ROUTE.format(600)))
        follower.tells(*split("-6 route replace unreachable default metric 100"))
        follower.tells(*split("-6 route replace " + ROUTE.format(600)))


def says_that_it_missed_some():
    with following() as follower:
        os.kill(follower.child.pid, signal.SIGSTOP)
        run("ip", "-n", NETNS, "-batch", "-",
            input="".join(f"route add unreachable 10.{i >> 8}.{i & 255}.0/24\n"
                          for i in range(FLOOD)))  # fmt: skip
        os.kill(follower.child.pid, signal.SIGCONT)
        lines = {follower.read()}
        while line := follower.read(0.2):
            lines.add(line)
        assert "overrun" in lines, lines
        follower.tells("link", "set", "eth0", "down")


TESTS = [(test.__name__.replace("_", " "), test)
         for test in (tells_of_what_changes, tells_of_sysctls, is_silent_about_the_same_once_more,
                      says_that_it_missed_some)]  # fmt: skip

if __name__ == "__main__":
    sys.exit(main(TESTS))
