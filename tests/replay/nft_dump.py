# SPDX-License-Identifier: GPL-2.0-or-later
"""A ruleset as the kernel dumps it (linux/netfilter/nf_tables.h), for worlds that no kernel saw."""
import struct

ACCEPT, DROP = 1, 0
PREROUTING, INPUT, FORWARD = 0, 1, 2
NFPROTO = {"inet": 1, "ip": 2}
PROTO = {"tcp": 6, "udp": 17, "esp": 50, "sctp": 132}

NEW_TABLE, NEW_CHAIN, NEW_RULE = 0, 3, 6
NESTED = 0x8000
REGISTER_1, REGISTER_2 = 1, 2
META_IIFNAME, META_L4PROTO = 6, 16
NETWORK_HEADER, TRANSPORT_HEADER = 1, 2


def be32(value):
    return struct.pack(">I", value)


def text(value):
    return value.encode() + b"\0"


def attribute(kind, payload):
    padding = b"\0" * (-len(payload) % 4)
    return struct.pack("=HH", 4 + len(payload), kind) + payload + padding


def nest(kind, *attributes):
    return attribute(kind | NESTED, b"".join(attributes))


def message(kind, family, *attributes):
    payload = struct.pack("=BBH", NFPROTO[family], 0, 0) + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(payload), 10 << 8 | kind, 2, 0, 0) + payload


def expression(name, *attributes):
    return nest(1, attribute(1, text(name)), nest(2, *attributes))


def loads(name, **where):
    """An expression whose attributes are all numbers, in order."""
    return expression(name, *(attribute(i + 1, be32(n)) for i, n in enumerate(where.values())))


def equals(value):
    return expression("cmp", attribute(1, be32(REGISTER_1)), attribute(2, be32(0)),
                      nest(3, attribute(1, value)))


def sets(register, value):
    return expression("immediate", attribute(1, be32(register)), nest(2, attribute(1, value)))


def verdict(code):
    return expression("immediate", attribute(1, be32(0)),
                      nest(2, nest(2, attribute(1, be32(code)))))


def comes_in_by(interface):
    return [loads("meta", to=REGISTER_1, key=META_IIFNAME),
            equals(interface.encode().ljust(16, b"\0"))]


def goes_to(proto, port):
    """`port` None: whatever it is."""
    asked = [loads("meta", to=REGISTER_1, key=META_L4PROTO), equals(bytes([PROTO[proto]]))]
    if port is None:
        return asked
    return [*asked, loads("payload", to=REGISTER_1, base=TRANSPORT_HEADER, offset=2, length=2),
            equals(struct.pack(">H", port))]


def comes_from(first_byte):
    """Of IPv4."""
    return [loads("payload", to=REGISTER_1, base=NETWORK_HEADER, offset=12, length=1),
            equals(bytes([first_byte]))]


def undecidable():
    """What no netguard knows."""
    return [expression("wibble")]


def leads_to(addr, port):
    return [sets(REGISTER_1, bytes(map(int, addr.split(".")))),
            sets(REGISTER_2, struct.pack(">H", port)),
            expression("nat", attribute(1, be32(1)), attribute(2, be32(NFPROTO["ip"])),
                       attribute(3, be32(REGISTER_1)), attribute(5, be32(REGISTER_2)))]


class Ruleset:
    def __init__(self):
        self.tables, self.chains, self.rules, self.known = [], [], [], set()

    def chain(self, family, table, chain, hook, priority, kind="filter"):
        """What of it is not there yet is made."""
        if (family, table) not in self.known:
            self.tables.append(message(NEW_TABLE, family, attribute(1, text(table)),
                                       attribute(2, be32(0))))
        if (family, table, chain) not in self.known:
            at = nest(4, attribute(1, be32(hook)), attribute(2, struct.pack(">i", priority)))
            self.chains.append(message(
                NEW_CHAIN, family, attribute(1, text(table)), attribute(3, text(chain)),
                attribute(2, struct.pack(">Q", 1 + len(self.chains))), at,
                attribute(5, be32(ACCEPT)), attribute(7, text(kind))))
        self.known |= {(family, table), (family, table, chain)}
        return family, table, chain

    def rule(self, place, *expressions):
        family, table, chain = place
        self.rules.append(message(
            NEW_RULE, family, attribute(1, text(table)), attribute(2, text(chain)),
            attribute(3, struct.pack(">Q", 100 + len(self.rules))), nest(4, *expressions)))

    def dump(self):
        return b"".join(self.tables + self.chains + self.rules)
