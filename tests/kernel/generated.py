# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules as users of iptables and ufw write them, drawn at random."""
from docker_rules import docker20, docker28

SOURCES = {
    4: ["192.0.2.0/24", "192.0.2.2", "192.0.2.0/29", "10.0.0.0/8", "10.9.0.0/24", "10.9.0.2/31",
        "198.51.100.7", "198.51.100.0/25", "172.16.0.0/12", "0.0.0.0/1", "203.0.113.64/26",
        "172.17.0.0/16"],
    6: ["2001:db8:1::/64", "2001:db8:1::2", "2001:db8:1::/126", "fd00::/8", "fd00:9::/64",
        "fe80::/10", "2001:db8::/32", "2000::/3", "fd00:17::/64"],
}
RANGES = {4: ["192.0.2.2-192.0.2.9", "10.0.0.0-10.9.0.3", "198.51.100.7-198.51.100.7",
              "0.0.0.5-203.0.113.7"],
          6: ["2001:db8:1::2-2001:db8:1::9", "fd00::-fd00:9::3", "fe80::-fe80::77"]}
DESTINATIONS = {4: ["192.0.2.1", "10.9.0.1", "172.17.0.2", "172.18.0.0/16", "127.0.0.0/8",
                    "10.0.0.0/8"],
                6: ["2001:db8:1::1", "fd00:9::1", "fd00:17::2", "fd00:18::/64", "fe80::/10"]}
PORTS = ["80", "443", "53", "22", "6379", "8080", "8081", "5353", "6000:7000", "1:1023",
         "8080:8443", "0:65535", "16379"]
SOURCE_PORTS = ["1024:40000", "53", "40001:65535"]
STATES = ["NEW", "RELATED,ESTABLISHED", "INVALID", "DNAT", "NEW,DNAT", "ESTABLISHED,DNAT",
          "UNTRACKED", "SNAT"]
TYPES = ["LOCAL", "UNICAST", "MULTICAST", "LOCAL,MULTICAST"]
MARKS = ["0x1", "0x10/0xf0", "0x0/0x1", "0x11", "0x0"]


def by_table(lines):
    """["mangle -A PREROUTING ...", "-A INPUT ..."] as {table: lines}; filter is not written."""
    tables = {}
    for line in lines:
        table, _, rest = line.partition(" ")
        if table[0] in ":-":
            table, rest = "filter", line
        tables.setdefault(table, []).append(rest)
    return tables


class Rule:
    """Draws one rule."""

    def __init__(self, rnd, family, chain, table="filter"):
        self.rnd, self.family, self.chain, self.table = rnd, family, chain, table

    def maybe_not(self, chance=0.25):
        return "! " if self.rnd.random() < chance else ""

    def protocol(self):
        """The protocol and what may be asked only of it."""
        rnd = self.rnd
        proto = rnd.choice(["tcp", "tcp", "tcp", "udp"])
        words = [f"-p {proto}"]
        kind = rnd.random()
        if kind < 0.45:
            words.append(f"-m {proto} {self.maybe_not(0.15)}--dport {rnd.choice(PORTS)}")
        elif kind < 0.65:
            which = rnd.choice(["dports", "dports", "ports"])
            ports = rnd.sample([*PORTS[:8], "6000:7000"], rnd.randint(1, 5))
            words.append(f"-m multiport {self.maybe_not(0.2)}--{which} {','.join(ports)}")
        elif kind < 0.72:
            words.append(f"-m {proto} {self.maybe_not()}--sport {rnd.choice(SOURCE_PORTS)}")
        elif kind < 0.8 and proto == "tcp":
            words.append(rnd.choice(["-m tcp --syn", "-m tcp ! --syn",
                                     "-m tcp --tcp-flags SYN,ACK SYN,ACK",
                                     "-m tcp --tcp-flags FIN,SYN,RST,ACK SYN"]))
        return words

    def connection(self):
        rnd = self.rnd
        return "-m conntrack " + rnd.choice([
            f"{self.maybe_not()}--ctstate {rnd.choice(STATES)}",
            f"{self.maybe_not()}--ctorigdstport {rnd.choice(['8080', '6379', '22', '6000:9000'])}",
            f"{self.maybe_not()}--ctorigdst {rnd.choice(DESTINATIONS[self.family])}",
            f"{self.maybe_not()}--ctorigsrc {rnd.choice(SOURCES[self.family])}",
            f"--ctdir {rnd.choice(['ORIGINAL', 'REPLY'])}",
            f"{self.maybe_not()}--ctproto {rnd.choice(['tcp', 'udp'])}",
            f"{self.maybe_not()}--ctstatus {rnd.choice(['NONE', 'SEEN_REPLY', 'ASSURED'])}",
        ])

    def tests(self):
        rnd, words, family = self.rnd, [], self.family
        # (how often, may it be negated, the option, its values)
        options = [(0.6, "", "-s", SOURCES[family]), (0.2, "", "-d", DESTINATIONS[family]),
                   (0.3, "", "-i", ["eth0", "eth1", "eth+", "docker0", "lo"])]
        if self.table == "filter" and self.chain != "INPUT":
            options.append((0.2, "", "-o", ["docker0", "br-app", "eth0", "br-+"]))
        options += [(0.15, "-m iprange ", "--src-range", RANGES[family]),
                    (0.15, "-m mark ", "--mark", MARKS),
                    (0.1, "-m addrtype ", "--dst-type", TYPES)]
        for often, module, option, values in options:
            if rnd.random() < often:
                words.append(f"{module}{self.maybe_not()}{option} {rnd.choice(values)}")
        if rnd.random() < 0.6:
            words += self.protocol()
        elif rnd.random() < 0.1:
            words.append("! -p udp")
        if rnd.random() < 0.25:
            words.append(self.connection())
        for often, match in ((0.05, "-m pkttype --pkt-type unicast"),
                             (0.1, '-m comment --comment "a comment"'),
                             (0.02, "-m limit --limit 5/min")):
            if rnd.random() < often:
                words.append(match)
        return words

    def target(self):
        rnd = self.rnd
        if self.table == "mangle":
            return rnd.choice(["-j MARK --set-xmark 0x10/0xf0", "-j MARK --set-mark 0x1",
                               "-j MARK --or-mark 0x1", "-j MARK --and-mark 0xfffffffe",
                               "-j MARK --xor-mark 0x11", "-j DROP", "-j ACCEPT", "-j RETURN"])
        if self.table == "raw":
            return rnd.choice(["-j CT --notrack", "-j DROP", "-j ACCEPT", "-j RETURN"])
        ways = ["-j DROP"] * 5 + ["-j ACCEPT"] * 3 + ["-j RETURN"] * 3 + \
            ["-j REJECT", "-j LOG", "-j MARK --set-mark 0x11"]
        below = {"ONE": ["TWO"], "TWO": []}.get(self.chain, ["ONE", "ONE", "TWO"])
        ways += [f"-{rnd.choice('jjjg')} {chain}" for chain in below]
        return rnd.choice(ways)

    def draw(self):
        table = "" if self.table == "filter" else self.table + " "
        return " ".join([f"{table}-A {self.chain}", *self.tests(), self.target()])


class Case:
    """A generated ruleset: an engine's rules and (family, line)s on top of them."""

    def __init__(self, rnd):
        self.engine = rnd.choice([docker20, docker20, docker28])
        self.policies = {"forward": rnd.choice(["DROP", "DROP", "ACCEPT"]),
                         "no_input": rnd.choice(["ACCEPT", "DROP"])}
        self.lines = []
        for family in (4, 6):
            rules = [Rule(rnd, family, chain) for chain in ("ONE", "TWO")
                     for _ in range(rnd.randint(0, 3))]
            rules += [Rule(rnd, family, "DOCKER-USER") for _ in range(rnd.randint(0, 6))]
            rules += [Rule(rnd, family, "INPUT") for _ in range(rnd.randint(0, 6))]
            rules += [Rule(rnd, family, "PREROUTING", "mangle") for _ in range(rnd.randint(-2, 3))]
            rules += [Rule(rnd, family, "PREROUTING", "raw") for _ in range(rnd.randint(-4, 2))]
            self.lines += [(family, rule.draw()) for rule in rules]

    def without(self, lines):
        smaller = object.__new__(Case)
        smaller.engine, smaller.policies = self.engine, self.policies
        gone = set(map(id, lines))
        smaller.lines = [one for one in self.lines if id(one) not in gone]
        return smaller

    def texts(self, layout):
        """What to load, IPv4 and IPv6."""
        return tuple(self.engine(layout, family, **self.policies, extra=by_table(
            [":ONE - [0:0]", ":TWO - [0:0]", *(line for own, line in self.lines if own == family)]))
            for family in (4, 6))
