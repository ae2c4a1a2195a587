# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules of iptables and ip6tables, drawn at random: every extension that netguard decides."""
from dataclasses import dataclass, field

from . import pools
from .draw_tables import Unit
from .draw_values import Values

CHAINS = {"filter": ["INPUT", "FORWARD"], "mangle": ["PREROUTING", "INPUT", "FORWARD",
                                                     "POSTROUTING"],
          "raw": ["PREROUTING"], "nat": ["PREROUTING", "INPUT", "POSTROUTING"],
          "security": ["INPUT", "FORWARD"]}
ALL_CHAINS = {"filter": ["INPUT", "FORWARD", "OUTPUT"],
              "mangle": ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
              "raw": ["PREROUTING", "OUTPUT"],
              "nat": ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
              "security": ["INPUT", "FORWARD", "OUTPUT"]}
STATES = ["NEW", "RELATED,ESTABLISHED", "INVALID", "DNAT", "NEW,DNAT", "ESTABLISHED,DNAT",
          "UNTRACKED", "UNTRACKED", "NEW,UNTRACKED", "SNAT", "INVALID,NEW", "ESTABLISHED"]
TYPES = ["LOCAL", "UNICAST", "MULTICAST", "BROADCAST", "LOCAL,MULTICAST", "UNICAST,BROADCAST",
         "BLACKHOLE", "UNREACHABLE", "UNSPEC"]
TYPES6 = ["LOCAL", "UNICAST", "MULTICAST", "LOCAL,MULTICAST", "LOCAL,UNICAST"]
STATUSES = ["NONE", "SEEN_REPLY", "ASSURED", "CONFIRMED", "EXPECTED"]
UNDECIDABLE = ["-m limit --limit 1/sec --limit-burst 3",
               "-m statistic --mode nth --every 2 --packet 0",
               "-m recent --name judge --set", "-m recent --name judge --rcheck --seconds 60",
               "-m hashlimit --hashlimit-above 2/sec --hashlimit-mode srcip --hashlimit-name judge",
               "-m connlimit --connlimit-above 3", "-m quota --quota 2000",
               "-m time --timestart 00:00 --timestop 12:00", "-m length --length 0:60",
               "-m statistic --mode random --probability 0.5", "-m connbytes --connbytes 0:100 "
               "--connbytes-dir both --connbytes-mode bytes", "-m dscp --dscp 0", "-m tos --tos 0",
               "-m conntrack --ctexpire 1:100", "-m string --algo bm --string GET",
               "-m u32 --u32 0>>22&0x3C@0>>16=40000",
               "-m bpf --bytecode \"4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0\"", "-m cpu --cpu 0",
               "-m helper --helper ftp", "-m ecn --ecn-ip-ect 0"]


class XtRule:
    """Draws one rule for a chain. `theme`, as in draw_nft.py: what it asks for more often."""

    def __init__(self, rnd, family, table, chain, below, sets, hard, theme):
        self.rnd, self.family, self.table, self.chain = rnd, family, table, chain
        self.below, self.ipsets, self.hard, self.theme = below, sets, hard, theme
        self.draw = Values(rnd, family)
        self.hook = chain if chain.isupper() else None
        self.proto = None

    def no(self, chance=0.2):
        return "! " if self.rnd.random() < chance else ""

    # -- tests --

    def address(self):
        draw, side = self.draw, self.rnd.choice("ssd")
        value = draw.prefix() if self.rnd.random() < 0.6 else \
            draw.single("src" if side == "s" else "dst")
        if self.rnd.random() < 0.1:
            value = "0.0.0.2/0.0.0.255" if self.family == 4 else "::2/::ff"
        return f"{self.no()}-{side} {value}"

    def iprange(self):
        low, _, high = self.draw.range().partition("-")
        side = self.rnd.choice(("src", "src", "dst"))
        return f"-m iprange {self.no()}--{side}-range {low}-{high}"

    def links(self):
        name = self.rnd.choice(pools.INTERFACES + ["eth+", "lo", "br-+"])
        if self.chain in ("FORWARD", "POSTROUTING") and self.rnd.random() < 0.5 or \
                self.chain == "POSTROUTING":
            return f"{self.no()}-o {name}"
        return f"{self.no()}-i {name}"

    def mark(self):
        which = self.rnd.choice(("mark", "mark", "connmark"))
        return f"-m {which} {self.no()}--mark " + self.rnd.choice(
            [hex(self.rnd.choice(pools.MARKS)), "0x10/0xf0", "0x0/0x1", "0x1/0xff", "0x1f/0x1f",
             "0x1000000/0xff000000"])

    def types(self):
        side = self.rnd.choice(("dst", "dst", "src"))
        limit = ""
        if self.chain in ("PREROUTING", "INPUT") and self.rnd.random() < 0.2:
            limit = " --limit-iface-in"
        kinds = TYPES if self.family == 4 else TYPES6
        return f"-m addrtype {self.no()}--{side}-type {self.rnd.choice(kinds)}{limit}"

    def connection(self):
        rnd, draw, neg = self.rnd, self.draw, self.no()
        if rnd.random() < 0.15:
            return f"-m state {neg}--state {rnd.choice(STATES[:3] + ['UNTRACKED'])}"
        single = draw.prefix() if rnd.random() < 0.5 else draw.single()
        if self.theme == "state" and rnd.random() < 0.7:
            return f"-m conntrack {neg}--ctstate {rnd.choice(STATES)}"
        if self.theme == "nat" and rnd.random() < 0.7:
            proto, (low, high) = rnd.choice(("tcp", "udp")), rnd.choice(pools.PORT_RANGES)
            return "-m conntrack " + rnd.choice(
                [f"{neg}--ctstate DNAT", f"{neg}--ctreplsrc {single}",
                 f"--ctproto {proto} {neg}--ctreplsrcport {low}:{high}",
                 f"--ctproto {proto} {neg}--ctorigdstport {low}:{high}"])
        return "-m conntrack " + rnd.choice(
            [f"{neg}--ctstate {rnd.choice(STATES)}"] * 5 + [
                f"{neg}--ctorigsrc {single}", f"{neg}--ctorigdst {single}",
                f"{neg}--ctreplsrc {single}", f"{neg}--ctrepldst {single}",
                f"--ctproto tcp {neg}--ctorigdstport {draw.port()}",
                f"--ctproto udp {neg}--ctorigdstport 6000:9000",
                f"--ctproto tcp {neg}--ctorigsrcport 1024:40000",
                f"--ctproto tcp {neg}--ctreplsrcport {draw.port()}",
                f"--ctproto udp {neg}--ctrepldstport 1024:65535",
                f"--ctdir {rnd.choice(('ORIGINAL', 'REPLY'))}",
                f"{neg}--ctproto {rnd.choice(('tcp', 'udp', '132'))}",
                f"{neg}--ctstatus {rnd.choice(STATUSES)}",
                f"{neg}--ctstate DNAT,SNAT", f"--ctstate NEW {neg}--ctorigdst {single}"])

    def ipset(self):
        if not self.ipsets:
            return None
        name, dimensions = self.rnd.choice(self.ipsets)
        flags = [self.rnd.choice(("src", "src", "dst"))]
        flags += [self.rnd.choice(("dst", "dst", "src")) for _ in range(dimensions - 1)]
        return f"-m set {self.no()}--match-set {name} {','.join(flags)}"

    def odd(self):
        rnd = self.rnd
        kind = rnd.choice(("unicast", "broadcast", "multicast"))
        ways = [f"-m pkttype {self.no()}--pkt-type {kind}",
                '-m comment --comment "some words"', f"-m physdev {self.no()}--physdev-is-bridged",
                "-m comment --comment x"]
        if self.hook in ("PREROUTING", "INPUT", "FORWARD"):
            ways += [f"-m devgroup {self.no()}--src-group 5", "-m devgroup --src-group 0x4/0xc"]
            ways += [f"-m mac {self.no()}--mac-source {rnd.choice(pools.STATION)}",
                     f"-m policy --dir in --pol {rnd.choice(('none', 'ipsec'))}",
                     f"-m physdev {self.no()}--physdev-in {rnd.choice(('vc0', 'vc2', 'eth0'))}"]
        if self.hook == "PREROUTING" and self.table in ("raw", "mangle"):
            ways += [f"-m rpfilter{flag}" for flag in
                     ("", " --invert", " --loose", " --validmark", " --accept-local",
                      " --loose --invert")]
        if self.hook == "POSTROUTING":
            ways += ["-m owner --uid-owner 0", "-m owner ! --uid-owner 0",
                     "-m policy --dir out --pol none"]
        if self.family == 6:
            ways += ["-m rt --rt-type 0", "-m hbh ! --hbh-len 3",
                     "-m dst --dst-len 8"]
        else:
            ways += ["! -f", "-f"]
        return rnd.choice(ways)

    def protocol(self):
        rnd = self.rnd
        proto = rnd.choice(["tcp"] * 4 + ["udp"] * 2 + ["sctp", "icmp", "other"])
        if proto == "other":
            return [rnd.choice(["! -p tcp", "-p gre", "-p esp", "! -p udp", "-p 89"])]
        if proto == "icmp":
            if self.family == 4:
                kind = rnd.choice(["echo-request", "8/0", "destination-unreachable", "3/1", "any",
                                   "timestamp-request", "redirect"])
                return [f"-p icmp -m icmp {self.no()}--icmp-type {kind}"]
            kind = rnd.choice(["echo-request", "128", "1/1", "135", "neighbor-advertisement",
                               "packet-too-big"])
            return [f"-p ipv6-icmp -m icmp6 {self.no()}--icmpv6-type {kind}"]
        words = [f"-p {proto}"]
        self.proto = proto
        kind = rnd.random()
        ports = self.draw.port() if rnd.random() < 0.7 else \
            "%d:%d" % rnd.choice(pools.PORT_RANGES)
        if kind < 0.45:
            words.append(f"-m {proto} {self.no()}--dport {ports}")
        elif kind < 0.6:
            many = [one.replace("-", ":") for one in self.draw.ports(6)]
            if proto != "sctp":
                which = rnd.choice(("dports", "dports", "ports", "sports"))
                words.append(f"-m multiport {self.no()}--{which} "
                             f"{','.join(many)}")
        elif kind < 0.7:
            low, high = rnd.choice(pools.SOURCE_RANGES)
            words.append(f"-m {proto} {self.no()}--sport {low}:{high}")
        elif proto == "tcp":
            words.append("-m tcp " + rnd.choice(
                ["--syn", "! --syn", "--tcp-flags SYN,ACK SYN,ACK", "! --tcp-flags ALL NONE",
                 "--tcp-flags FIN,SYN,RST,ACK SYN", "--tcp-flags ALL FIN,PSH,URG",
                 "--tcp-flags SYN,RST SYN,RST", "! --tcp-flags FIN FIN"]))
        elif proto == "sctp" and self.hard:
            words.append("-m sctp --chunk-types any INIT")
        return words

    def tests(self):
        words, theme = [], self.theme
        for often, way in ((0.55, self.address), (0.2, self.links), (0.1, self.iprange),
                           (0.6 if theme == "mark" else 0.12, self.mark),
                           (0.6 if theme == "fib" else 0.12, self.types),
                           (0.7 if theme in ("state", "nat") else 0.25, self.connection),
                           (0.15, self.odd), (0.3, self.ipset)):
            if self.rnd.random() < often:
                words.append(way())
        if self.rnd.random() < 0.6:
            words += self.protocol()
        if self.hard and self.rnd.random() < 0.25:
            words.append(self.rnd.choice(UNDECIDABLE))
        return [one for one in words if one]

    # -- targets --

    def address_to(self):
        return self.rnd.choice(pools.CONTAINERS[self.family] * 3 + pools.OWN[self.family] +
                               ["127.0.0.1" if self.family == 4 else "::1"])

    def nat_target(self):
        rnd = self.rnd
        if self.hook == "POSTROUTING":
            return rnd.choice(["MASQUERADE", f"SNAT --to-source {self.draw.single()}"])
        if self.hook == "INPUT":
            return f"SNAT --to-source {self.draw.single()}"
        if self.hook is None:
            return None
        addr = self.address_to()
        ways = [f"DNAT --to-destination {addr}", "REDIRECT",
                "NETMAP --to " + ("172.17.0.0/28" if self.family == 4 else "fd00:17::/124")]
        if self.proto:
            shown = f"[{addr}]" if self.family == 6 else addr
            ways += [f"DNAT --to-destination {shown}:{self.draw.port()}",
                     f"DNAT --to-destination {shown}:{self.draw.port()}",
                     f"DNAT --to-destination :{self.draw.port()}",
                     f"REDIRECT --to-ports {self.draw.port()}"]
            if self.hard:
                ways += [f"REDIRECT --to-ports 7000-7010", f"DNAT --to-destination {shown}:80-90"]
        if self.hard:
            low, high = pools.CONTAINERS[self.family][:2]
            ways.append(f"DNAT --to-destination {low}-{high}")
        return rnd.choice(ways)

    def target(self):
        rnd = self.rnd
        plain = ["ACCEPT"] * 3 + ["RETURN"] * 2 + [None, None] + \
            ["LOG --log-prefix judge", "NFLOG --nflog-group 3"]
        if self.table == "nat":
            special = self.nat_target()
            if special and rnd.random() < 0.75:
                return "-j " + special
        else:
            plain += ["DROP"] * 5
        if self.table in ("mangle", "filter", "raw", "security"):
            plain += [f"MARK --set-mark {hex(rnd.choice(pools.MARKS))}",
                      "MARK --set-xmark 0x10/0xf0"]
        if self.table == "mangle":
            plain += ["MARK --or-mark 0x1", "MARK --and-mark 0xfffffffe", "MARK --xor-mark 0x11",
                      "CONNMARK --save-mark", "CONNMARK --restore-mark", "CONNMARK --set-mark 0x1",
                      "CONNMARK --set-xmark 0x10/0xf0", "MARK --set-mark 0x1",
                      "CONNMARK --save-mark "
                      "--nfmask 0xf --ctmask 0xf0",
                      "CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff",
                      "DSCP --set-dscp 8", "CONNMARK --or-mark 0x2", "CONNMARK --and-mark 0xf"]
            if self.hook == "PREROUTING" and self.proto in ("tcp", "udp") and rnd.random() < 0.3:
                plain += [f"TPROXY --on-port {rnd.choice((50080, 9))} --tproxy-mark 0x1/0x1"] * 4
        if self.table == "raw":
            plain += ["CT --notrack", "NOTRACK", "CT --notrack", "CONNMARK --set-mark 0x1"]
        if self.table == "filter":
            plain += ["REJECT", "REJECT"]
            if self.proto == "tcp":
                plain.append("REJECT --reject-with tcp-reset")
        plain += [f"@jump {one}" for one in self.below] * 3 + [f"@goto {one}" for one in self.below]
        if self.hard:
            plain.append("LOG")
        chosen = rnd.choice(plain)
        if chosen is None:
            return ""
        if chosen.startswith("@"):
            return f"-{'j' if chosen[1] == 'j' else 'g'} {chosen.split()[1]}"
        return "-j " + chosen

    def spotlight(self):
        """As that of draw_nft.py."""
        ways = {"mark": self.mark, "state": self.connection, "nat": self.connection,
                "fib": self.types}
        if self.theme not in ways:
            return self.rule()
        if self.theme == "nat" and self.table == "nat" and self.hook:
            self.proto = self.rnd.choice(("tcp", "udp"))
            return f"-A {self.chain} -p {self.proto} -j {self.nat_target()}"
        target = self.target() if self.table == "nat" else \
            f"-j {self.rnd.choice(('ACCEPT', 'DROP', 'DROP', 'RETURN'))}"
        if self.theme == "state" and self.table == "raw" and self.rnd.random() < 0.6:
            return f"-A {self.chain} {self.rnd.choice((self.address(), ''))} -j CT --notrack"
        if self.theme == "mark" and self.table in ("raw", "mangle") and self.rnd.random() < 0.5:
            return f"-A {self.chain} {self.target()}"
        return f"-A {self.chain} {ways[self.theme]()} {target}"

    def rule(self):
        tests = " ".join(self.tests())
        return " ".join(["-A", self.chain, *filter(None, (tests, self.target()))])


@dataclass(eq=False)
class XtTable:
    """One table of one back end ("nft" or "legacy")."""
    backend: str
    family: int
    table: str
    policies: dict = field(default_factory=dict)  # chain: Unit of "DROP"
    own: list = field(default_factory=list)
    rules: list = field(default_factory=list)

    @property
    def tool(self):
        return f"ip{'6' if self.family == 6 else ''}tables-{self.backend}-restore"

    def units(self):
        return [*self.policies.values(), *self.rules]

    def render(self, gone):
        lines = [f"*{self.table}"]
        for chain in ALL_CHAINS[self.table]:
            drop = chain in self.policies and self.policies[chain] not in gone
            lines.append(f":{chain} {'DROP' if drop else 'ACCEPT'} [0:0]")
        lines += [f":{chain} - [0:0]" for chain in self.own]
        return lines + [one.text for one in self.rules if one not in gone] + ["COMMIT"]


def draw_xt_table(rnd, backend, family, table, sets, flavour):
    made = XtTable(backend, family, table)
    made.own = [f"{table}_one", f"{table}_two"][:rnd.randint(0, 2)]
    for chain in CHAINS[table]:
        if table in ("filter", "mangle", "raw") and rnd.random() < 0.1:
            made.policies[chain] = Unit("DROP")
        for at in range(rnd.randint(0, 5)):
            rule = XtRule(rnd, family, table, chain, made.own, sets, *flavour)
            first = at == 0 and rnd.random() < 0.5
            made.rules.append(Unit(rule.spotlight() if first else rule.rule()))
    for at, chain in enumerate(made.own):
        for _ in range(rnd.randint(0, 4)):
            made.rules.append(Unit(XtRule(rnd, family, table, chain, made.own[at + 1:], sets,
                                          *flavour).rule()))
    return made


# -- ipsets ----------------------------------------------------------------------------------------


def draw_ipsets(rnd, family):
    """[(name, dimensions)], and the lines for `ipset restore`, one Unit each."""
    draw, sets, lines = Values(rnd, family), [], []
    inet = "inet" if family == 4 else "inet6"

    def add(kind, options, dimensions, elements):
        name = f"{kind.replace(':', '_').replace(',', '_')}_{family}"
        sets.append((name, dimensions))
        lines.append(f"create {name} {kind} {options}")
        lines.extend(f"add {name} {one} -exist" for one in dict.fromkeys(elements))

    def port():
        return f"{rnd.choice(('tcp', 'udp'))}:{draw.port()}"

    narrow = [one for one in pools.PREFIXES[family] if family == 4 and int(one.split("/")[1]) > 0 or
              family == 6]
    ways = [
        lambda: add("hash:ip", f"family {inet}", 1, [draw.single() for _ in range(4)]),
        lambda: add("hash:net", f"family {inet}", 1, [rnd.choice(narrow) for _ in range(4)] +
                    [f"{draw.single()} nomatch"]),
        lambda: add("hash:ip,port", f"family {inet}", 2,
                    [f"{draw.single()},{port()}" for _ in range(5)]),
        lambda: add("hash:net,port", f"family {inet}", 2,
                    [f"{rnd.choice(narrow)},{port()}" for _ in range(4)] +
                    [f"{draw.single()},{port()} nomatch"]),
        lambda: add("hash:net,iface", f"family {inet}", 2,
                    [f"{rnd.choice(narrow)},{draw.link()}" for _ in range(4)]),
        lambda: add("hash:ip,port,ip", f"family {inet}", 3,
                    [f"{draw.single()},{port()},{draw.single('dst')}" for _ in range(4)]),
        lambda: add("hash:ip,port,net", f"family {inet}", 3,
                    [f"{draw.single()},{port()},{rnd.choice(narrow)}" for _ in range(4)]),
        lambda: add("bitmap:port", "range 1-65535", 1, [draw.port() for _ in range(4)]),
    ]
    if family == 4:
        ways += [lambda: add("bitmap:ip", "range 192.0.2.0/24", 1,
                             ["192.0.2.2", "192.0.2.77", "192.0.2.1"]),
                 lambda: add("hash:ip", "family inet netmask 24", 1, [draw.single(), "10.9.0.0"])]
    for way in rnd.sample(ways, 3):
        way()
    if rnd.random() < 0.4:
        members = [name for name, dimensions in sets if dimensions == 1]
        if members:
            add("list:set", "", 1, members)
    seen, kept = set(), []
    for line in lines:  # one kind drawn twice is one set
        if line.startswith("create"):
            if line.split()[1] in seen:
                continue
            seen.add(line.split()[1])
        kept.append(Unit(line))
    return list(dict(sets).items()), kept
