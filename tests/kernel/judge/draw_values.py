# SPDX-License-Identifier: GPL-2.0-or-later
"""Constants for rules, and lists of them that do not overlap, as sets demand it."""
import ipaddress

from topology import address

from . import pools


def interval(text):
    """(low, high) of an address, prefix, range or number."""
    if "-" in text:
        low, _, high = text.partition("-")
        return interval(low)[0], interval(high)[1]
    if text.isdigit():
        return int(text), int(text)
    if "/" in text:
        net = ipaddress.ip_network(text, strict=False)
        return int(net[0]), int(net[-1])
    return int(address(text)), int(address(text))


def disjoint(texts):
    """Of these, each that overlaps with none before it."""
    chosen, taken = [], []
    for text in texts:
        low, high = interval(text)
        if all(high < a or b < low for a, b in taken):
            chosen.append(text)
            taken.append((low, high))
    return chosen


class Values:
    """Draws constants of one family."""

    def __init__(self, rnd, family):
        self.rnd, self.family = rnd, family

    def single(self, where="any"):
        family = self.family
        pool = {"src": pools.SINGLE[family],
                "dst": pools.OWN[family] + pools.CONTAINERS[family],
                "any": pools.SINGLE[family] + pools.OWN[family]}[where]
        return self.rnd.choice(pool)

    def prefix(self):
        return self.rnd.choice(pools.PREFIXES[self.family])

    def range(self):
        return self.rnd.choice(pools.RANGES[self.family])

    def addr(self, where="any"):
        """One address, prefix or range."""
        kind = self.rnd.random()
        return self.single(where) if kind < 0.3 else self.prefix() if kind < 0.8 else self.range()

    def addrs(self, most=5, where="any", intervals=True):
        wanted = [self.addr(where) if intervals else self.single(where)
                  for _ in range(self.rnd.randint(1, most))]
        return disjoint(wanted)

    def port(self):
        return str(self.rnd.choice(pools.PORTS))

    def port_range(self):
        return "%d-%d" % self.rnd.choice(pools.PORT_RANGES)

    def ports(self, most=5, intervals=True):
        return disjoint([self.port_range() if intervals and self.rnd.random() < 0.3 else
                         self.port() for _ in range(self.rnd.randint(1, most))])

    def mark(self):
        return hex(self.rnd.choice(pools.MARKS))

    def marks(self, most=4):
        return [hex(one) for one in
                sorted(set(self.rnd.choice(pools.MARKS) for _ in range(most)))]

    def link(self):
        return self.rnd.choice(pools.INTERFACES)

    def links(self, most=3):
        return self.rnd.sample(pools.INTERFACES, self.rnd.randint(1, most))
