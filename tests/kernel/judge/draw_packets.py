# SPDX-License-Identifier: GPL-2.0-or-later
"""First packets, drawn at random: some as clients send them, some as nobody should."""
from . import pools
from .frames import NUMBERS, WITH_PORTS, Packet

PROTOCOLS = {4: ["tcp"] * 9 + ["udp"] * 5 + ["icmp"] * 3 + ["sctp"] * 2 + ["gre", "esp", "ospf"],
             6: ["tcp"] * 9 + ["udp"] * 5 + ["icmpv6"] * 3 + ["sctp"] * 2 + ["gre", "esp"]}
FLAGS = ["S"] * 12 + ["SEC", "A", "PA", "SA", "R", "F", "FA", "", "FPU", "SF", "RA", "SU", "P"]
# No redirects: the kernel's own, which quote a packet, would look like them.
ICMP = {4: [8, 8, 8, 0, 3, 11, 12, 13, 14, 17, 9, 10, 42],
        6: [128, 128, 128, 129, 1, 2, 3, 4, 133, 134, 135, 136, 143, 130, 200]}
NEAR = {"eth0": {4: "192.0.2.2", 6: "2001:db8:1::2"}, "eth1": {4: "10.9.0.2", 6: "fd00:9::2"},
        "mv0": {4: "10.20.0.9", 6: "fd00:20::9"}, "docker0": {4: "172.17.0.2", 6: "fd00:17::2"},
        "br-app": {4: "172.18.0.2", 6: "fd00:18::2"}}
LINKS = ["eth0"] * 5 + ["eth1"] * 3 + ["mv0", "docker0", "br-app"]


def draw_source(rnd, family, iif):
    kind = rnd.random()
    if kind < 0.25:
        return NEAR[iif][family]
    if kind < 0.75:
        return rnd.choice(pools.borders(family))
    if kind < 0.9:
        return rnd.choice(pools.SINGLE[family])
    return rnd.choice(pools.STRANGE[family] + pools.OWN[family])


def draw_destination(rnd, family, iif):
    kind = rnd.random()
    if kind < 0.45:
        return rnd.choice(pools.OWN[family] + ([pools.LINK_LOCAL[iif]] if family == 6 else []))
    if kind < 0.7:
        return rnd.choice(pools.CONTAINERS[family])
    return rnd.choice(pools.ROUTED[family])


def draw_port(rnd):
    kind = rnd.random()
    if kind < 0.75:
        return rnd.choice(pools.PORTS)
    if kind < 0.95:
        return min(65535, max(1, rnd.choice(rnd.choice(pools.PORT_RANGES)) + rnd.choice((-1, 0,
                                                                                         1))))
    return rnd.randrange(1, 65536)


def draw_packet(rnd):
    family = rnd.choice((4, 4, 6))
    iif = rnd.choice(LINKS)
    src, dst = draw_source(rnd, family, iif), draw_destination(rnd, family, iif)
    # Copies of a frame to a group reach a macvlan later, by a work queue, and other ports of a
    # bridge without any IP hook.
    if iif not in ("eth0", "eth1") and (dst.startswith(("224.", "255.",
                                                        "ff02")) or dst.endswith((".255", ".15",
                                                                                  "::"))):
        dst = pools.OWN[family][2]
    proto = rnd.choice(PROTOCOLS[family])
    packet = Packet(iif, src, dst, proto, smac=rnd.choice(pools.STATION))
    if NUMBERS[proto] in WITH_PORTS:
        sport = rnd.randrange(32768, 60999)
        if rnd.random() < 0.3 and src not in pools.OWN[family] + pools.CONTAINERS[family]:
            sport = rnd.choice(pools.SOURCE_PORTS) + rnd.choice((-1, 0, 0, 1))
        packet = packet._replace(sport=min(65535, sport), dport=draw_port(rnd))
        if proto == "tcp":
            packet = packet._replace(flags=rnd.choice(FLAGS))
    elif "icmp" in proto:
        kind = rnd.choice(ICMP[family])
        code = rnd.choice((0, 0, 1, 3)) if kind in (3, 11, 1) else rnd.choice((0, 0, 0, 1))
        packet = packet._replace(sport=rnd.randrange(1, 65535), icmp_type=kind, icmp_code=code)
    return packet


def draw(rnd, count):
    """No two of them could belong to one connection."""
    packets, seen = [], set()
    for _ in range(count * 2):
        packet = draw_packet(rnd)
        pair = frozenset((packet.src, packet.dst))
        known = {packet.key, (packet.proto, pair) if packet.sport == 0 else packet.key}
        if packet.sport in range(1, 32768) and packet.sport in pools.PORTS:
            known.add((packet.proto, pair, packet.sport))
        if known & seen:
            continue
        seen |= known
        packets.append(packet)
        if len(packets) == count:
            break
    return packets
