# SPDX-License-Identifier: GPL-2.0-or-later
"""Routes, rules, addresses and sysctls, drawn at random: what decides beside the ruleset."""
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Setting:
    """A sysctl (in the lab's default before and after), or a line for `ip -batch` and what takes
    it back."""
    text: str
    undo: str
    family: int = 4

    @property
    def sysctl(self):
        return self.text.startswith("net/")


def sysctl(path, value, default):
    return Setting(f"net/{path}={value}", f"net/{path}={default}")


def line(text, family=4):
    words = text.split(" ")
    words[1] = "del"
    return Setting(text, " ".join(words), family)


DEFAULT = [line("route add default via 192.0.2.2 dev eth0"),
           line("route add default via 2001:db8:1::2 dev eth0", 6)]
TABLES = [line("route add local 0.0.0.0/0 dev lo table 100"),
          line("route add default via 10.9.0.2 dev eth1 table 101"),
          line("route add 198.51.100.0/24 via 10.9.0.2 dev eth1 table 102"),
          line("route add unreachable 8.8.8.0/24 table 102"),
          line("route add throw 203.0.113.0/24 table 102"),
          line("route add local ::/0 dev lo table 100", 6),
          line("route add default via fd00:9::2 dev eth1 table 101", 6),
          line("route add 2001:db8:2::/48 via fd00:9::2 dev eth1 table 102", 6),
          line("route add unreachable 2001:db8:ffff::/48 table 102", 6)]

SYSCTLS = [
    *(sysctl(f"ipv4/conf/{name}/rp_filter", value, 0)
      for name in ("all", "all", "eth0", "eth1", "docker0") for value in (1, 1, 2)),
    *(sysctl(f"ipv4/conf/{name}/{which}", 1, 0) for name in ("all", "all", "eth0", "docker0")
      for which in ("route_localnet", "route_localnet", "accept_local", "src_valid_mark")),
    sysctl("ipv4/conf/all/send_redirects", 1, 0), sysctl("ipv4/conf/all/send_redirects", 1, 0),
    sysctl("ipv4/ip_forward", 0, 1), sysctl("ipv4/conf/eth1/forwarding", 0, 1),
    sysctl("ipv6/conf/all/forwarding", 0, 1), sysctl("ipv4/conf/docker0/forwarding", 0, 1),
    sysctl("netfilter/nf_conntrack_tcp_loose", 0, 1),
]
ROUTES = [
    line("addr add 192.0.2.5/24 dev eth0"), line("addr add 203.0.113.10/32 dev lo"),
    line("addr add 10.9.1.1/24 dev eth1"), line("addr add 2001:db8:5::1/128 dev lo", 6),
    line("route add blackhole 198.51.100.128/25"), line("route add unreachable 198.51.100.0/26"),
    line("route add prohibit 203.0.113.64/26"), line("route add throw 8.8.8.0/24"),
    line("route add 198.51.100.0/24 via 10.9.0.2 dev eth1"),
    line("route add 203.0.113.0/24 dev eth1"), line("route add local 203.0.113.0/25 dev lo"),
    line("route add 8.8.8.8 dev eth1 metric 5"), line("route add 8.8.8.0/24 dev mv0 metric 50"),
    line("route add blackhole 2001:db8:ffff::/48", 6),
    line("route add unreachable 2001:db8:2::/64", 6),
    line("route add 2001:db8:2::/48 via fd00:9::2 dev eth1", 6),
    line("route add local 2001:db8:5::/64 dev lo", 6),
    line("route add prohibit 2001:db8:1::77/128", 6),
]
SELECTORS = {
    4: ["fwmark 0x1", "fwmark 0x1", "fwmark 0x2/0xf", "fwmark 0x10/0x10", "from 198.51.100.0/25",
        "from 192.0.2.0/24", "to 8.8.8.0/24", "iif eth1", "iif eth0 to 203.0.113.0/24",
        "not from 10.0.0.0/8", "ipproto udp", "ipproto tcp dport 80", "sport 1024-40000",
        "not fwmark 0x1", "from 172.17.0.0/28 iif docker0"],
    6: ["fwmark 0x1", "fwmark 0x1", "fwmark 0x2/0xf", "from 2001:db8:2::/48",
        "to 2001:db8:ffff::/48", "iif eth1", "not from fd00::/8", "ipproto tcp dport 80",
        "ipproto udp", "sport 1024-40000"],
}
ACTIONS = ["lookup 100", "lookup 101", "lookup 102", "lookup 101", "blackhole", "unreachable",
           "prohibit", "lookup main suppress_prefixlength 0", "goto 30000"]


def draw_rule(rnd, family, number):
    selector, action = rnd.choice(SELECTORS[family]), rnd.choice(ACTIONS)
    # A table of local routes for everybody would leave no other way to be tried.
    if "fwmark" not in selector and action == "lookup 100":
        action = "lookup 102"
    return line(f"rule add pref {rnd.choice((100, 1000, 20000)) + number} {selector} {action}",
                family)


def draw(rnd):
    settings = [one for one in DEFAULT if rnd.random() < 0.9]
    if rnd.random() < 0.5:
        chosen = rnd.sample(SYSCTLS, rnd.randint(1, 3))
        settings += {one.text.partition("=")[0]: one for one in chosen}.values()
    if rnd.random() < 0.5:
        settings += rnd.sample(ROUTES, rnd.randint(1, 4))
    if rnd.random() < 0.5:
        settings += TABLES
        for family in (4, 6):
            settings += [line("rule add pref 30000 lookup main", family)]
            settings += [draw_rule(rnd, family, number) for number in range(rnd.randint(0, 3))]
    return settings
