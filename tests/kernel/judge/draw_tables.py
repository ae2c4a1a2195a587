# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of nft: sets, maps, base chains on the hooks and the chains that they jump to."""
from dataclasses import dataclass, field

from .draw_nft import NftRule, braces
from .draw_values import Values

# At -200 itself the order of loading decides whether conntrack has been before.
PRIORITIES = [-400, -301, -300, -201, -199, -175, -151, -150, -150, -101, -99, -1, 0, 0, 0, 1, 10,
              50, 99, 225, 300]
EARLY = [one for one in PRIORITIES if one < -150]
TRACKED = [one for one in PRIORITIES if one > -200]
NAT_PRIORITIES = {-100: [-199, -199, -150, -100, -100, -99, 0, 50, 300],
                  100: [0, 99, 100, 100, 101, 300]}
THEMES = [None, None, "mark", "state", "nat", "nat", "vmap", "vmap", "fib"]
HOOKS = {"ip": ["prerouting"] * 3 + ["input"] * 3 + ["forward"] * 3 + ["postrouting"],
         "netdev": ["ingress"] * 3 + ["egress"]}


@dataclass(eq=False)
class Unit:
    """Something that can be left out: a rule, a policy, a set, a whole base chain."""
    text: str


@dataclass(eq=False)
class Chain:
    name: str
    head: Unit = None  # of a base chain
    policy: Unit = None  # "policy drop"
    role: str = ""  # "cause" or "question": all its rules are that
    rules: list = field(default_factory=list)

    def render(self, gone):
        if self.head and self.head in gone:
            return []
        lines = [f"  chain {self.name} {{"]
        if self.head:
            drop = self.policy and self.policy not in gone
            lines.append("    " + self.head.text + (" policy drop;" if drop else ""))
        return lines + ["    " + one.text for one in self.rules if one not in gone] + ["  }"]


@dataclass(eq=False)
class Table:
    family: str
    name: str
    dormant: Unit = None
    declarations: list = field(default_factory=list)
    chains: list = field(default_factory=list)

    def units(self):
        for chain in self.chains:
            yield from filter(None, (chain.head, chain.policy, *chain.rules))
        yield from self.declarations

    def render(self, gone):
        lines = [f"table {self.family} {self.name} {{"]
        if self.dormant:
            lines.append("  flags dormant;")
        lines += ["  " + one.text for one in self.declarations if one not in gone]
        for chain in reversed(self.chains):  # the jumped-to first: they are drawn last
            lines += chain.render(gone)
        return lines + ["}"]


def declare(table, rnd, hard):
    """Some sets and maps; what they are called, by kind."""
    sets = {}

    def add(kind, type_, flags, elements, word="set"):
        name = f"{kind}_{len(table.declarations)}"
        content = f" elements = {braces(elements)};" if elements else ""
        flagged = f" flags {flags};" if flags else ""
        table.declarations.append(Unit(f"{word} {name} {{ type {type_};{flagged}{content} }}"))
        sets.setdefault(kind, []).append(name)

    families = {"ip": (4,), "ip6": (6,)}.get(table.family, (4, 6))
    for family in families:
        draw, type_ = Values(rnd, family), "ipv4_addr" if family == 4 else "ipv6_addr"
        add(f"addr{family}", type_, "interval", draw.addrs(6))
        if rnd.random() < 0.5:
            add(f"addr{family}", type_, "", [] if rnd.random() < 0.2 else
                sorted({draw.single() for _ in range(4)}))
        if rnd.random() < 0.4:
            add(f"conc{family}", f"{type_} . inet_proto . inet_service", "interval",
                [f"{one} . {rnd.choice(('tcp', 'udp'))} . "
                 f"{draw.port_range() if rnd.random() < 0.4 else draw.port()}"
                 for one in draw.addrs(5)])
        if rnd.random() < 0.4:
            add(f"markmap{family}", f"{type_} : mark", "interval",
                [f"{one} : {draw.mark()}" for one in draw.addrs(4)], "map")
        if hard and rnd.random() < 0.7:
            add(f"addr{family}", type_, "interval, timeout",
                [f"{one} timeout 1h" for one in draw.addrs(3)])
    draw = Values(rnd, 4)
    if rnd.random() < 0.5:
        add("port", "inet_service", "interval", draw.ports(5))
    if rnd.random() < 0.3:
        add("link", "ifname", "", [f'"{one}"' for one in draw.links()])
    return sets


def add_verdict_map(table, rnd, sets, below):
    """After the chains that it leads to are known."""
    family = {"ip": 4, "ip6": 6}.get(table.family) or rnd.choice((4, 6))
    draw, type_ = Values(rnd, family), "ipv4_addr" if family == 4 else "ipv6_addr"
    verdicts = ["accept", "drop", "return", "continue"] + [f"jump {one}" for one in below] * 2
    rows = [f"{one} : {rnd.choice(verdicts)}" for one in draw.addrs(5)]
    table.declarations.append(Unit(f"map vmap_{family} {{ type {type_} : verdict; flags interval; "
                                   f"elements = {braces(rows)}; }}"))
    sets.setdefault(f"vmap{family}", []).append(f"vmap_{family}")


def base_chain(rnd, table, number):
    """(hook, kind, Chain)"""
    hook = rnd.choice(HOOKS.get(table.family, HOOKS["ip"]))
    if table.family == "inet" and rnd.random() < 0.08:
        hook = "ingress"
    kind, where = "filter", ""
    if hook in ("prerouting", "postrouting", "input") and rnd.random() < (0.15 if hook == "input"
                                                                          else 0.5):
        kind = "nat"
    priority = rnd.choice(PRIORITIES)
    if kind == "nat":
        priority = rnd.choice(NAT_PRIORITIES[-100 if hook == "prerouting" else 100])
    if hook in ("ingress", "egress"):
        devices = rnd.sample(["eth0", "eth1", "eth2", "mv0", "docker0", "br-app"],
                             rnd.randint(1, 2))
        where = f" device {devices[0]}" if len(devices) == 1 else f" devices = {braces(devices)}"
        priority = rnd.choice((-500, -1, 0, 0, 10))
    head = Unit(f"type {kind} hook {hook}{where} priority {priority};")
    policy = Unit("policy drop") if kind == "filter" and rnd.random() < 0.12 else None
    return hook, kind, Chain(f"{hook}_{number}", head, policy)


def themed_chains(rnd, focus):
    """One chain that does what there is to ask about, and one that asks, either before the other;
    as base_chain() returns them."""
    causes = {"nat": ("nat", NAT_PRIORITIES[-100]), "state": ("filter", EARLY),
              "mark": ("filter", EARLY)}

    def made(role, kind, priorities):
        head = Unit(f"type {kind} hook prerouting priority {rnd.choice(priorities)};")
        return "prerouting", kind, Chain(role, head, role=role)

    if focus in causes:
        yield made("cause", *causes[focus])
    if focus:
        yield made("question", "filter", TRACKED)


def draw_table(rnd, number, hard, theme):
    family = rnd.choice(["ip", "ip", "ip6", "inet", "inet", "inet", "netdev"])
    table = Table(family, f"t{number}", Unit("dormant") if rnd.random() < 0.04 else None)
    sets = declare(table, rnd, hard)
    focus = theme if rnd.random() < 0.8 else None
    bases = [base_chain(rnd, table, at) for at in range(rnd.randint(1, 4))]
    if family != "netdev":
        bases += themed_chains(rnd, focus)
    if rnd.random() < 0.3:  # equals run in an order of their own
        hook, kind, chain = bases[0]
        bases.append((hook, kind, Chain(f"{chain.name}_again", Unit(chain.head.text))))
    # Chains that only what runs at one kind of hook may jump to: what they may hold differs.
    for hook, kind in dict.fromkeys((hook, kind) for hook, kind, _ in bases):
        short = f"{hook}_{kind}"
        names = [f"{short}_a", f"{short}_b", f"{short}_c"][:rnd.randint(0, 3)]
        own = dict(sets)
        if names and kind == "filter" and f"vmap_{short}" not in own and rnd.random() < 0.3 \
                and not any("vmap_" in one.text for one in table.declarations):
            add_verdict_map(table, rnd, own, names)
        for base_hook, base_kind, chain in bases:
            if (base_hook, base_kind) == (hook, kind):
                fill(rnd, table, chain, hook, kind, own, names, (hard, focus))
        own = {key: value for key, value in own.items() if not key.startswith("vmap")}
        for at, name in enumerate(names):
            chain = Chain(name)
            fill(rnd, table, chain, hook, kind, own, names[at + 1:], (hard, focus))
            table.chains.append(chain)
    table.chains = [chain for _, _, chain in bases] + table.chains
    return table


def fill(rnd, table, chain, hook, kind, sets, below, flavour):
    for at in range(rnd.randint(1, 3 if chain.role else 5)):
        rule = NftRule(rnd, table.family, hook, kind, sets, *flavour)
        if chain.role == "cause":
            text = rule.cause()
        elif chain.role == "question":
            text = rule.question(below)
        else:
            first = at == 0 and chain.head and rnd.random() < 0.6
            text = rule.spotlight(below) if first else rule.rule(below)
        chain.rules.append(Unit(text))
