# SPDX-License-Identifier: GPL-2.0-or-later
"""What a rule of nft can ask for, drawn at random: every expression that netguard decides."""
from . import pools
from .draw_values import Values

IN_HOOKS = ("prerouting", "input", "forward", "postrouting")
STATES = ["new", "established", "related", "invalid", "untracked", "established,related",
          "new,invalid", "new,untracked"]
TYPES = ["local", "unicast", "broadcast", "multicast", "blackhole", "unreachable", "prohibit"]
# netguard knows these matches and cannot know their outcome.
UNDECIDABLE = ["limit rate 1/second burst 3 packets", "limit rate over 100/second",
               "quota 3000 bytes", "meta length 1-60", "numgen random mod 2 0", "meta cpu 0",
               "meta hour \"00:00\"-\"12:00\"", "meta skuid 0", "meta day \"Monday\""]
UNDECIDABLE_TRACKED = ["ct expiration 1h", "ct count over 3", "ct bytes < 2000", "ct avgpkt 0-40"]
UNDECIDABLE_OF = {4: ["ip ttl 64", "ip dscp cs1", "ip id 0", "jhash ip saddr mod 2 1",
                      "ip length < 60"],
                  6: ["ip6 hoplimit 64", "ip6 dscp cs1", "jhash ip6 saddr mod 2 1",
                      "ip6 flowlabel 0"]}


def braces(values):
    return "{ " + ", ".join(values) + " }"


class NftRule:
    """Draws one rule for a chain. `sets` are the table's: {kind: [name, ...]}; `focus`, what its
    rules ask for and do more often than others: one rule has to undo what another did."""

    def __init__(self, rnd, table, hook, kind, sets, hard, focus):
        self.rnd, self.table, self.hook, self.kind, self.sets = rnd, table, hook, kind, sets
        self.hard, self.focus = hard, focus
        self.family = {"ip": 4, "ip6": 6}.get(table) or rnd.choice((4, 6))
        self.ip = pools.family_word(self.family)
        self.draw = Values(rnd, self.family)
        self.tracked = table != "netdev" and hook in IN_HOOKS
        self.l4 = None  # the protocol that the rule is about, once something in it has settled that

    def over(self, *protos):
        """Of these one that the rule may be about; None where it is about another."""
        if self.l4 is None:
            self.l4 = self.rnd.choice(protos)
        return self.l4 if self.l4 in protos else None

    def neq(self, chance=0.2):
        return "!= " if self.rnd.random() < chance else ""

    def named(self, kind):
        """A set of the table, as @name; None where there is none."""
        return "@" + self.rnd.choice(self.sets[kind]) if self.sets.get(kind) else None

    # -- addresses --

    def saddr(self):
        side = self.rnd.choice(("saddr", "saddr", "daddr"))
        where = "src" if side == "saddr" else "dst"
        kind = self.rnd.random()
        if kind < 0.5:
            return f"{self.ip} {side} {self.neq()}{self.draw.addr(where)}"
        if kind < 0.75:
            return f"{self.ip} {side} {self.neq()}{braces(self.draw.addrs(5, where))}"
        name = self.named(f"addr{self.family}")
        return name and f"{self.ip} {side} {self.neq()}{name}"

    def saddr_arithmetic(self):
        side = self.rnd.choice(("saddr", "daddr"))
        if self.family == 4:
            return f"ip {side} " + self.rnd.choice([
                "& 255.255.0.255 == 192.0.0.2", "& 0.0.0.255 < 0.0.0.100", "& 0.0.0.1 == 0.0.0.1",
                "& 0.0.0.3 != 0.0.0.2", "< 10.9.0.77", "> 192.0.2.3", ">= 172.17.0.3",
                "<= 198.51.100.7", "& 255.0.255.0 != 10.0.0.0", "& 0.0.0.255 { 0.0.0.2, 0.0.0.3 }",
                "| 0.0.0.1 == 192.0.2.3", "^ 192.0.2.0 == 0.0.0.2"])
        return f"ip6 {side} " + self.rnd.choice([
            "& ::ff == ::2", "& ffff::ffff == fd00::2", "< fd00:9::77", "> 2001:db8:1::77",
            "& ::1 != ::1", "& ffff:ffff:0:0:0:0:0:0 == 2001:db8::"])

    def concatenation(self):
        ip, draw = self.ip, self.draw
        named = self.named(f"conc{self.family}")
        if named and self.rnd.random() < 0.5 and self.over("th"):
            return f"meta l4proto {{ tcp, udp, sctp }} {ip} saddr . meta l4proto . th dport " \
                   f"{self.neq()}{named}"
        proto = self.over("tcp", "udp") or "meta l4proto"
        parts = [(f"{ip} saddr", lambda: draw.addr("src")), (f"{proto} dport", draw.port),
                 (f"{ip} daddr", lambda: draw.single("dst")),
                 ("meta l4proto", lambda: self.rnd.choice(("tcp", "udp", "sctp"))),
                 ("iifname", lambda: f'"{draw.link()}"'), ("meta mark", draw.mark)]
        if self.tracked:
            parts += [("ct state", lambda: self.rnd.choice(STATES[:5])), ("ct mark", draw.mark)]
        first = self.rnd.random() < 0.7
        chosen = ([parts[0]] if first else []) + self.rnd.sample(parts[1:], 2)
        chosen = [one for one in chosen if not one[0].startswith("meta l4proto ")]
        seconds = self.draw.addrs(4, "src") if first else None
        count = len(seconds) if first else 3
        rows = {" . ".join([seconds[row] if first and at == 0 else make()
                            for at, (_, make) in enumerate(chosen)]) for row in range(count)}
        keys = " . ".join(name for name, _ in chosen)
        if len(chosen) < 2:
            return None
        if len({row.partition(" ")[0] for row in rows}) < len(rows) and first:
            return None
        return f"{keys} {self.neq()}{braces(sorted(rows))}"

    # -- transport --

    def ports(self):
        proto, rnd = self.over("tcp", "tcp", "udp", "sctp", "th"), self.rnd
        if proto is None:
            return None
        side = "dport" if rnd.random() < 0.75 else "sport"
        kind = rnd.random()
        port = self.draw.port() if side == "dport" else str(rnd.choice(pools.SOURCE_PORTS))
        if kind < 0.35:
            test = f"{self.neq()}{port}"
        elif kind < 0.55:
            test = f"{self.neq()}{braces(self.draw.ports())}"
        elif kind < 0.7:
            test = self.neq() + ("%d-%d" % rnd.choice(pools.SOURCE_RANGES) if side == "sport" else
                                 self.draw.port_range())
        elif kind < 0.85:
            test = f"{rnd.choice(('<', '>', '<=', '>='))} {port}"
        elif kind < 0.92:
            test = rnd.choice(["& 0xff00 == 0x1f00", "& 0x1 == 0x1", "& 0xf0 != 0x90",
                               "& 0x3 == 0x0"])
        else:
            name = self.named("port")
            return name and f"{proto} {side} {self.neq()}{name}"
        # Elsewhere these are bytes that a question does not tell: of a checksum.
        gate = "meta l4proto { tcp, udp, sctp } " if proto == "th" else ""
        return f"{gate}{proto} {side} {test}"

    def protocol(self):
        if self.over("any") is None:
            return None
        own = self.rnd.choice(("tcp", "udp", "icmp", "icmpv6", "gre", "89"))
        ways = [f"meta l4proto {self.neq()}{own}", "meta l4proto { tcp, udp }",
                "meta l4proto != { tcp, 58, esp }", "meta l4proto < 18"]
        if self.family == 4:
            ways += [f"ip protocol {self.neq()}{{ tcp, udp }}", "ip protocol gre"]
        else:
            ways += ["ip6 nexthdr tcp", "ip6 nexthdr != { udp, sctp }"]
        if self.table == "netdev":
            ways += [f"meta protocol {self.ip}", "meta protocol { ip, ip6 }"]
        if self.table == "inet":
            ways += [f"meta nfproto ipv{self.family}", f"meta protocol {self.ip}",
                     f"meta nfproto != ipv{10 - self.family}",
                     "meta protocol { ip, ip6 }"]
        return self.rnd.choice(ways)

    def tcp_flags(self):
        return self.over("tcp") and "tcp flags " + self.rnd.choice([
            "syn", "== syn", "!= syn", "& (fin|syn|rst|ack) == syn", "& (syn|ack) == (syn|ack)",
            "& (fin|syn|rst|psh|ack|urg) == 0x0", "syn / syn,ack", "!= syn / fin,syn,rst,ack",
            "{ syn, syn|ack, ack }", "fin,rst", "& fin != 0", "< 0x10", "& (ecn|cwr) == 0x0",
            "! syn", "& (fin|syn) == (fin|syn)"])

    def icmp(self):
        if not self.over("icmp"):
            return None
        if self.family == 4:
            return self.rnd.choice([
                "icmp type echo-request", "icmp type != echo-request", "icmp code 0",
                "icmp code > 0",
                "icmp type { echo-request, destination-unreachable, time-exceeded }",
                "icmp type timestamp-request", "icmp type 3 icmp code { 0, 3 }", "icmp type < 9",
                "icmp type . icmp code { 3 . 1, 8 . 0 }"])
        return self.rnd.choice([
            "icmpv6 type echo-request", "icmpv6 type { nd-neighbor-solicit, nd-router-advert }",
            "icmpv6 type != { echo-request, 135 }", "icmpv6 code 0", "icmpv6 type 133-137",
            "icmpv6 type >= 128", "icmpv6 type . icmpv6 code { 1 . 1, 128 . 0 }"])

    def raw_payload(self):
        ways = [
            "@th,16,16 80", "@th,0,16 1024-40000",
            "@nh,72,8 6" if self.family == 4 else "@nh,48,8 6", "@th,16,16 & 0xff00 == 0x1f00",
            "@nh,96,32 0xc0000202" if self.family == 4 else "@nh,64,32 0x20010db8",
            "@nh,128,16 0xac11" if self.family == 4 else "@nh,192,16 0xfd00",
            "@th,16,16 { 22, 443 }", "@th,0,32 & 0x0000ffff == 0x50", "@nh,0,4 4", "@th,8,8 0x40",
            "@nh,96,8 10" if self.family == 4 else "@nh,64,8 0xfd",
            "@nh,120,40 0x02ac110002" if self.family == 4 else "@nh,184,8 0x02",
            "@th,0,32 > 0x9c400000", "@ll,96,16 0x0800"]
        over = self.over("tcp", "udp")
        network = [one for one in ways if one.startswith(("@n", "@l"))]
        return f"meta l4proto {over} {self.rnd.choice(ways)}" if over else self.rnd.choice(network)

    # -- links --

    def links(self):
        name = self.draw.link()
        return self.rnd.choice([
            f'iifname {self.neq()}"{name}"', f'iifname {self.neq()}"eth*"',
            f"iif {self.neq()}{name}",
            "iifname " + self.neq() + braces(f'"{one}"' for one in self.draw.links()),
            'iifname { "eth*", "lo" }', "iif { eth0, mv0 }", 'iifname != "absent0"', "iif != lo",
            f"iifgroup {self.neq()}5", "iiftype ether", "iiftype != loopback",
            'meta iifkind "veth"', 'meta iifkind { "bridge", "macvlan" }',
            'meta iifkind != "bridge"',
            "iifgroup 0-4", "iifgroup > 2",
            self.named("link") and f"iifname {self.neq()}{self.named('link')}"])

    def outgoing(self):
        if self.hook not in ("forward", "postrouting", "egress") and self.rnd.random() < 0.9:
            return None
        name = self.draw.link()
        return self.rnd.choice([
            f'oifname {self.neq()}"{name}"', f'oifname {self.neq()}"br-*"',
            f"oif {self.neq()}{name}",
            "oifname " + self.neq() + braces(f'"{one}"' for one in self.draw.links()),
            'meta oifkind "bridge"', 'meta oifkind != "bridge"', "oifgroup 5", "oiftype ether",
            'oifname != "absent0"', "oif . meta l4proto { docker0 . tcp, eth1 . udp }"])

    def packet_type(self):
        return self.rnd.choice(["meta pkttype host", "meta pkttype != host",
                                "meta pkttype broadcast",
                                "meta pkttype { multicast, broadcast }"])

    def station(self):
        return self.rnd.choice([f"ether saddr {self.neq()}{pools.STATION[1]}",
                                "ether saddr " + braces(pools.STATION[:2]),
                                "ether saddr & ff:ff:00:00:00:00 == 52:54:00:00:00:00",
                                f"ether saddr . {self.ip} saddr {{ {pools.STATION[0]} . "
                                f"{self.draw.single('src')} }}"])

    # -- marks --

    def mark(self):
        which = self.rnd.choice(("meta", "ct") if self.tracked else ("meta",))
        return f"{which} mark " + self.rnd.choice([
            f"{self.neq()}{self.draw.mark()}", f"& 0xf {self.rnd.choice(('==', '!='))} 0x1",
            "& 0x10 == 0x10", "0x1-0x11", "> 0xff", "< 0x10", "0x100-0xff00", ">= 0x1000000",
            self.neq() + braces(self.draw.marks()), "& 0xff00 > 0x0", "!= 0x2-0xff",
            "{ 0x1-0xf, 0x100-0x1ff }", "& 0x11 { 0x1, 0x11 }"])

    # -- connections --

    def state(self):
        return self.rnd.choice([
            f"ct state {self.neq()}{self.rnd.choice(STATES)}", "ct state { new, invalid }",
            "ct state != { established, related }", "ct state new", "ct state == new",
            "ct state & (new|untracked) != 0", "ct state ! new"])

    def connection(self):
        ip, draw, neq = self.ip, self.draw, self.neq()
        ways = [
            "status dnat", "status != dnat", "status & dnat != 0", "status snat", "status ! dnat",
            "direction original", "direction reply",
            f"original {ip} saddr {neq}{draw.addr('src')}",
            f"original {ip} daddr {neq}{draw.addr('dst')}",
            f"reply {ip} saddr {neq}{draw.addr('dst')}",
            f"reply {ip} daddr {neq}{draw.addr('src')}",
            "l3proto ipv4" if self.table == "inet" else "direction original",
            "zone 0", "status seen-reply",
            "status confirmed", "status 0",
            f"original {ip} daddr {{ {', '.join(draw.addrs(3, 'dst'))} }}"]
        if self.over("tcp", "udp"):
            ports = [f"original proto-dst {neq}{draw.port()}",
                     f"original proto-src {neq}1024-40000",
                     f"reply proto-src {neq}{draw.port()}", "reply proto-dst 1024-40000",
                     "original proto-dst < 1024", "original proto-dst { 80, 8080, 6000-7000 }",
                     "reply proto-src < 1024", "reply proto-src { 80, 8080, 6000-7000 }"]
            if self.rnd.random() < 0.5:
                return f"meta l4proto {self.l4} ct {self.rnd.choice(ports)}"
        return "ct " + self.rnd.choice(ways)

    def translated(self):
        """A test that NAT has a say in."""
        ip, neq, draw = self.ip, self.neq(0.4), self.draw
        proto = self.over("tcp", "udp")
        ways = ["ct status dnat", "ct status ! dnat",
                f"ct reply {ip} saddr {neq}{draw.addr('dst')}",
                f"{ip} daddr {neq}{draw.addr('dst')}"]
        if proto:
            ways.append(f"{proto} dport {neq}{draw.port_range()}")
            ways += [f"meta l4proto {proto} ct {port} {neq}{draw.port_range()}"
                     for port in ["reply proto-src"] * 3 + ["original proto-dst"]]
        return self.rnd.choice(ways)

    # -- routes --

    def has_fib(self):
        return self.hook == "ingress" if self.table == "netdev" else self.hook in IN_HOOKS

    def fib(self):
        source = self.rnd.choice(("saddr", "daddr"))
        if self.hook == "postrouting":
            return f"fib {source} type {self.neq()}{self.rnd.choice(TYPES[:4])}"
        return "fib " + self.rnd.choice([
            f"daddr type {self.neq()}{self.rnd.choice(TYPES[:4])}",
            f"saddr type {self.neq()}{self.rnd.choice(TYPES)}", "daddr type { local, multicast }",
            "daddr . iif type local" if self.hook in ("prerouting", "input",
                                                      "ingress") else "daddr type local",
            "saddr . iif oif missing" if self.hook in ("prerouting",
                                                       "input") else "saddr oif missing",
            "saddr . iif oif exists" if self.hook in ("prerouting",
                                                      "input") else "saddr oif exists",
            "saddr . mark . iif oif missing" if self.hook == "prerouting" else
            "saddr . mark oif exists",
            f"{source} oif {self.neq()}eth0", f'{source} oifname {self.neq()}"eth1"',
            f"{source} oif exists", f"{source} oif missing",
            f'{source} oifname {{ "eth0", "eth1" }}',
            f"{source} . mark oifname \"eth1\"",
            "daddr . mark type local"])

    def tests(self):
        ways = [(self.saddr, 6), (self.saddr_arithmetic, 1), (self.concatenation, 2),
                (self.ports, 6),
                (self.protocol, 2), (self.tcp_flags, 1), (self.icmp, 1), (self.raw_payload, 1),
                (self.links, 2), (self.outgoing, 2), (self.packet_type, 0.5), (self.station, 0.5),
                (self.mark, 2), (self.headers, 0.7)]
        if self.tracked:
            ways += [(self.state, 2), (self.connection, 2)]
        if self.has_fib():
            ways.append((self.fib, 1.5))
        favoured = {"mark": self.mark}
        if self.has_fib():
            favoured["fib"] = self.fib
        if self.tracked:
            favoured.update(state=self.state, nat=self.translated)
        if self.focus in favoured:
            ways.append((favoured[self.focus], 15))
        words = []
        for _ in range(self.rnd.choice((0, 1, 1, 1, 2, 2, 3))):
            way = self.rnd.choices([one for one, _ in ways], [often for _, often in ways])[0]
            words.append(way())
        if self.hard and self.rnd.random() < 0.2:
            words.append(self.undecidable())
        return [one for one in words if one]

    def undecidable(self):
        ways = UNDECIDABLE + UNDECIDABLE_OF[self.family]
        if self.tracked:
            ways = ways + UNDECIDABLE_TRACKED
        if self.over("tcp"):
            ways = ways + ["tcp window 64240", "tcp option maxseg size 1-1500", "tcp sequence 1000"]
        if self.over("udp"):
            ways = ways + ["udp length 16"]
        if self.hook in ("prerouting", "input") and self.table != "netdev":
            ways = ways + ["socket transparent 1"]
        return self.rnd.choice(ways)

    def headers(self):
        ways = ["meta secpath missing", "meta secpath exists"] \
            if self.hook in IN_HOOKS[:3] and self.table != "netdev" else ["meta mark 0x0"]
        if self.family == 4:
            ways += ["ip frag-off & 0x1fff == 0", "ip frag-off & 0x1fff != 0", "ip version 4"]
        else:
            ways += ["exthdr frag exists", "exthdr hbh missing", "exthdr rt exists",
                     "ip6 version 6"]
        if self.hook in ("forward", "postrouting"):
            ways.append("rt ipsec missing")
        return self.rnd.choice(ways)

    # -- effects --

    def statement(self):
        rnd = self.rnd
        if self.focus == "state" and self.hook == "prerouting" and rnd.random() < 0.4:
            return "notrack"
        ways = ["counter", "log prefix \"judge\"", "meta nftrace set 0",
                               "counter packets 3 bytes 4"]
        by_source = self.mapped(self.draw.addrs(3, "src") + rnd.choice(([], ["*"])),
                                self.draw.mark)
        marks = [f"meta mark set {self.draw.mark()}", "meta mark set meta mark | 0x10",
                 "meta mark set meta mark & 0xf", "meta mark set meta mark ^ 0x11",
                 "meta mark set meta mark & 0xfffffff0 | 0x2", "meta mark set 0x1",
                 f"meta mark set {self.ip} saddr map {{ {by_source} }}",
                 f"meta mark set iifname map {{ \"eth0\" : 0x1, \"eth1\" : 0x10 }}",
                 "meta mark set meta l4proto map { tcp : 0x1, udp : 0x2, * : 0x10 }"]
        if self.over("tcp"):
            marks.append(f"meta mark set tcp dport map {{ "
                         f"{self.mapped(self.draw.ports(4), self.draw.mark)} }}")
        name = self.named(f"markmap{self.family}")
        if name:
            marks.append(f"meta mark set {self.ip} saddr map {name}")
        if self.tracked:
            marks += [f"ct mark set {self.draw.mark()}", "ct mark set meta mark",
                      "meta mark set ct mark",
                      "ct mark set ct mark | 0x10", "ct mark set meta mark & 0xf",
                      "meta mark set ct mark & 0xff"]
        if self.hook in ("prerouting", "output") and self.table != "netdev":
            ways.append("notrack")
        if self.kind == "filter" and rnd.random() < 0.1:
            marks = self.rewrites()
        if self.focus == "mark":
            return rnd.choice(marks if rnd.random() < 0.5 else
                              [one for one in marks if one.startswith("ct")] or marks)
        return rnd.choice(ways + marks * 2)

    def rewrites(self):
        ip, draw = self.ip, self.draw
        ways = [f"{ip} saddr set {draw.single('src')}", f"{ip} dscp set cs1",
                "ip ttl set 63" if self.family == 4 else "ip6 hoplimit set 63"]
        if self.hook in ("ingress", "prerouting"):  # later nobody knows that neighbour
            ways += [f"{ip} daddr set {draw.single('dst')}"] * 2
        proto = self.over("tcp", "udp")
        return ways + ([f"{proto} dport set {draw.port()}", f"{proto} sport set 40000"] if proto
                       else [])

    def mapped(self, keys, value):
        return ", ".join(f"{key} : {value()}" for key in keys)

    def verdict(self, below):
        """`below`: chains that may be jumped to. None: it goes on with the next rule."""
        rnd = self.rnd
        ways = ["accept"] * 4 + ["drop"] * 4 + ["return"] * 2 + ["continue", None, None, None]
        ways += [f"jump {one}" for one in below] * 3 + [f"goto {one}" for one in below]
        if self.kind == "filter" and self.hook in ("input", "forward") and self.table != "netdev":
            ways += ["reject"] + (["reject with icmpx type admin-prohibited"]
                                  if self.table == "inet" else [])
            ways.append("meta l4proto tcp reject with tcp reset")
        if rnd.random() < (0.6 if self.focus == "vmap" else 0.2):
            return self.verdict_map(below)
        return rnd.choice(ways)

    def verdict_map(self, below):
        rnd, draw = self.rnd, self.draw
        verdicts = ["accept", "drop", "return", "continue", "drop", "accept", "drop", "accept"] + \
            [f"jump {one}" for one in below] + [f"goto {one}" for one in below]
        # Of many elements some lead to the same, most often in or out.
        verdicts = rnd.choice((["accept", "drop"], rnd.choices(verdicts, k=3), verdicts))

        def pick():
            return rnd.choice(verdicts)

        sources = [(f"{self.ip} saddr", draw.addrs(8, "src"))]
        rows = sources * (14 if self.focus == "vmap" else 2) + [
            (f"{self.ip} daddr", draw.addrs(4, "dst")),
            ("meta l4proto", ["tcp", "udp", "icmp", "132"]),
            ("iifname", [f'"{one}"' for one in draw.links()]),
            ("iifname", ['"docker0"', '"eth*"', '"mv0"']),
            ("meta mark", draw.marks()),
            ("meta l4proto . th dport", sorted({f"{rnd.choice(('tcp', 'udp'))} . {draw.port()}"
                                                for _ in range(4)})),
            ("meta protocol", ["ip", "ip6"])]
        proto = self.over("tcp", "tcp", "udp", "icmp")
        if proto == "icmp":
            rows += [("icmp type" if self.family == 4 else "icmpv6 type",
                      ["echo-request", "destination-unreachable"])] * 5
        elif proto:
            rows += [(f"{proto} dport", draw.ports(5)), (f"{proto} dport", draw.ports(5)),
                     (f"{self.ip} saddr . {proto} dport", [f"{one} . {draw.port()}" for one in
                                                          draw.addrs(4, "src")])]
        if proto == "tcp":
            rows.append(("tcp flags & (syn|ack)", ["syn", "ack"]))
        if self.tracked:
            rows += [("ct state", ["new", "invalid", "untracked"]), ("ct mark", draw.marks()),
                     ("ct state . iifname", ['new . "eth0"', 'invalid . "eth0"', 'new . "eth1"']),
                     ("ct direction", ["original", "reply"]),
                     ("ct state", ["established", "related", "new"])]
            if self.focus == "vmap":  # packets without a connection have no such key
                rows += [("ct mark", draw.marks()), ("ct direction", ["reply"])] * 3
        if self.has_fib():
            rows.append(("fib daddr type", ["local", "broadcast", "unicast"]))
        key, values = rnd.choice(rows)
        named = self.named(f"vmap{self.family}")
        if named and rnd.random() < 0.3:
            return f"{self.ip} saddr vmap {named}"
        values = list(dict.fromkeys(values))
        # nft 1.0.6 loads no catch-all beside wildcards.
        catch = [f"* : {pick()}"] if rnd.random() < 0.6 and "eth*" not in str(values) else []
        rows = ", ".join([f"{one} : {pick()}" for one in values] + catch)
        # Who meets no element goes on, who has no key does not.
        return f"{key} vmap {{ {rows} }}" + rnd.choice(("", "", " drop", " accept"))

    # -- translation --

    def target(self, port=False):
        addr = self.rnd.choice(pools.CONTAINERS[self.family] * 3 + pools.OWN[self.family] +
                               ["127.0.0.1" if self.family == 4 else "::1"] +
                               pools.ROUTED[self.family][:2])
        if not port:
            return addr
        return f"{addr if self.family == 4 else f'[{addr}]'}:{self.draw.port()}"

    def translation(self):
        """(test that the statement needs or "", statement)"""
        rnd, draw, ip = self.rnd, self.draw, self.ip
        to = f"{ip} to" if self.table == "inet" else "to"
        proto = self.over("tcp", "udp", "th", "any") or "none"
        gate = {"tcp": rnd.choice((f"tcp dport {draw.port()} ", "meta l4proto tcp ")),
                "udp": f"udp dport {{ {', '.join(draw.ports(3))} }} ",
                "th": "meta l4proto { tcp, udp } ", "any": "meta l4proto { tcp, udp } "}.get(proto)
        whom = "" if self.table != "inet" or rnd.random() < 0.6 else \
            f"meta nfproto ipv{self.family} "
        if self.hook in ("postrouting", "input"):
            snat = [f"{whom}snat {to} {draw.single('src')}"]
            if self.hook == "postrouting":
                snat += ["masquerade", "masquerade random"]
                snat += [f"{gate}masquerade to :20000-30000"] if gate else []
            return rnd.choice(snat)
        container = pools.CONTAINERS[self.family]
        ways = [
            f"{whom}dnat {to} {self.target()}", "redirect",
            f"dnat {to} {ip} saddr map {{ "
            f"{self.mapped(draw.addrs(3, 'src') + rnd.choice(([], ['*'])), self.target)} }}"]
        if self.family == 4:
            ways.append("dnat ip prefix to ip daddr map { 192.0.2.0/28 : 172.17.0.0/28, "
                        "10.9.0.0/28 : 172.18.0.0/28 }")
        if gate:
            ways += [f"{gate}{whom}dnat {to} {self.target(True)}"] * 3 + \
                [f"{gate}redirect to :{draw.port()}"] * 2 + [f"{gate}redirect"] + \
                [f"{gate}{whom}dnat to :{draw.port()}"]
        if proto == "tcp":
            one, two = container[0], container[2]
            ways += [
                f"dnat {to} tcp dport map {{ 80 : {one}, 8080 : {two}, "
                f"6000-7000 : {self.target()} }}",
                f"dnat {ip} addr . port to tcp dport map {{ 80 : {one} . 8080, "
                f"443 : {two} . 443 }}",
                f"dnat {ip} addr . port to {ip} daddr . tcp dport map {{ "
                f"{pools.OWN[self.family][0]} . 80 : {two} . 22, "
                f"{pools.OWN[self.family][1]} . 8080 : {one} . 80 }}",
                "meta l4proto tcp redirect to :tcp dport map { 80 : 8080, 22 : 443 }"]
        if self.hard:
            ways.append(f"{whom}dnat {to} {container[0]}-{container[1]}")
            ways += [f"{gate}{whom}dnat {to} {self.target(True)}-65535"] if gate else []
        return rnd.choice(ways)

    def proxy(self):
        proto = self.over("tcp", "udp", "any")
        gate = "{ tcp, udp }" if proto == "any" else proto
        where = f" {self.ip}" if self.table == "inet" else ""
        addr = ("127.0.0.1" if self.family == 4 else "[::1]") if self.rnd.random() < 0.3 else ""
        mark = self.rnd.choice(("meta mark set 0x1 ", "meta mark set 0x1 ", ""))
        return proto and f"meta l4proto {gate} tproxy{where} to {addr}:" + \
            f"{self.rnd.choice((50080, 50080, 9))} {mark}" + self.rnd.choice(("accept", "", "drop"))

    def rule(self, below):
        words = self.tests()
        if self.kind == "nat" and self.rnd.random() < 0.7:
            return " ".join([*words, self.translation()])
        for _ in range(self.rnd.choice((0, 0, 0, 1, 1, 2) if self.focus != "mark" else (1, 2))):
            words.append(self.statement())
        if self.hook == "prerouting" and self.kind == "filter" and self.table != "netdev" \
                and self.rnd.random() < 0.04:
            return " ".join([*words, self.proxy() or "drop"])
        verdict = self.verdict(below)
        return " ".join([*words, *([verdict] if verdict else [])]) or "counter"

    # -- what a table is about --

    def cause(self):
        """What `question` asks about, done to nearly everybody: behind other tests it would hardly
        ever meet a packet."""
        if self.focus == "nat":
            return self.translation()
        if self.focus == "state":
            whom = self.rnd.choice((self.saddr, lambda: ""))()
            return f"{whom} notrack" if whom else "notrack"
        return self.statement()

    def question(self, below):
        """A rule that tells by hardly more than what the table is about."""
        verdict = self.rnd.choice(["accept", "drop", "drop", "return", *below])
        verdict = f"jump {verdict}" if verdict in below else verdict
        if self.focus == "vmap":
            return self.verdict_map(below)
        if self.focus == "fib" and self.has_fib():
            return f"{self.fib()} {verdict}"
        if self.focus == "mark":
            return f"{self.mark()} {verdict}"
        if self.focus == "state" and self.tracked:
            return f"{self.state()} {verdict}"
        if self.focus == "nat" and self.tracked:
            return f"{self.translated()} {verdict}"
        return self.rule(below)

    def spotlight(self, below):
        """Either of them."""
        if self.kind == "nat":
            return self.translation()
        causes = self.focus == "mark" or self.focus == "state" and self.hook == "prerouting"
        if causes and self.rnd.random() < 0.4:
            return self.cause()
        return self.question(below)
