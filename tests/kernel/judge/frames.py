# SPDX-License-Identifier: GPL-2.0-or-later
"""First packets of every kind, as bytes and as questions to netguard; and read back from where
they have come to.

Every packet ends with eight bytes that say which one it is, whatever was done to its headers
on the way.
"""
import functools
import json
import socket
import struct
from typing import NamedTuple

from topology import checksum

TAIL = struct.Struct("!4sI")
MAGIC = b"nGjD"
NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "icmpv6": 58, "gre": 47, "esp": 50,
           "ospf": 89}
WITH_PORTS = {6, 17, 132}
ICMP_ERRORS = {1: (3, 4, 5, 11, 12), 58: (1, 2, 3, 4)}
FLAG_BITS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32, "E": 64, "C": 128}


class Packet(NamedTuple):
    iif: str
    src: str
    dst: str
    proto: str
    sport: int = 0
    dport: int = 0
    icmp_type: int = 0
    icmp_code: int = 0
    flags: str = "S"
    smac: str = "02:00:00:00:01:01"

    @property
    def family(self):
        return 6 if ":" in self.src else 4

    @property
    def key(self):
        """Two packets of one key could belong to one connection, whatever NAT makes of them."""
        return self.proto, self.src, self.sport

    def question(self):
        asked = {"iif": self.iif, "src": self.src, "dst": self.dst, "smac": self.smac}
        number = NUMBERS[self.proto]
        asked["proto"] = self.proto if number in WITH_PORTS or "icmp" in self.proto else number
        if number in WITH_PORTS:
            asked.update(sport=self.sport, dport=self.dport)
        elif "icmp" in self.proto:
            asked.update(icmp_type=self.icmp_type, icmp_code=self.icmp_code)
        if self.proto == "tcp":
            asked["flags"] = self.flags
        return json.dumps(asked)


@functools.lru_cache(maxsize=4096)
def packed(text):
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


# -- making --------------------------------------------------------------------------------------


def crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


CRC32C = crc32c_table()


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value = CRC32C[(value ^ byte) & 255] ^ value >> 8
    return struct.pack("<I", value ^ 0xFFFFFFFF)


def quoted(packet):
    """What an ICMP error quotes: a datagram that nobody has sent."""
    body = struct.pack("!HHHH", 33001, 33002, 8, 0)
    dst, src = packed(packet.src), packed(packet.dst)
    if packet.family == 6:
        return struct.pack("!IHBB", 6 << 28, 8, 17, 64) + src + dst + body
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 0, 0, 64, 17, 0, src, dst)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def icmp_body(packet, number):
    kind = packet.icmp_type
    if kind in ICMP_ERRORS[number]:
        return struct.pack("!I", 1400 if number == 58 else 0) + quoted(packet)
    if number == 58 and kind in (135, 136, 137):  # neighbour discovery names its target
        return struct.pack("!I", 0) + packed(packet.dst)
    return struct.pack("!HH", packet.sport, 1) + bytes(12)


def transport(packet, number, tail):
    """(bytes, where the checksum stands or None, whether it covers the addresses)"""
    if number == 6:
        flags = sum(FLAG_BITS[one] for one in packet.flags)
        return struct.pack("!HHIIBBHHH", packet.sport, packet.dport, 1000,
                           1 if flags & 16 else 0, 5 << 4, flags, 64240, 0, 0) + tail, 16
    if number == 17:
        return struct.pack("!HHHH", packet.sport, packet.dport, 8 + len(tail), 0) + tail, 6
    if number == 132:
        # INIT, and in a parameter that receivers skip (RFC 9260, 3.2.1) the tail.
        chunk = struct.pack("!BBHIIHHI", 1, 0, 32, 1, 65536, 1, 1, 1) + \
            struct.pack("!HH", 0x8000, 12) + tail
        head = struct.pack("!HHI", packet.sport, packet.dport, 0)
        return head + crc32c(head + bytes(4) + chunk) + chunk, None
    if number in (1, 58):
        return struct.pack("!BBH", packet.icmp_type, packet.icmp_code, 0) + \
            icmp_body(packet, number) + tail, 2
    if number == 47:
        return struct.pack("!HH", 0, 0x0800) + bytes(20) + tail, None
    # Of ESP routing rules read the SPI as ports.
    return struct.pack("!II", 1, 1) + bytes(16) + tail, None


def build(packet, identity):
    """The IP packet."""
    number = NUMBERS[packet.proto]
    src, dst = packed(packet.src), packed(packet.dst)
    payload, at = transport(packet, number, TAIL.pack(MAGIC, identity))
    if at is not None:
        pseudo = b"" if number == 1 else src + dst + struct.pack("!II", len(payload), number)
        total = checksum(pseudo + payload) or 0xFFFF
        payload = payload[:at] + struct.pack("!H", total) + payload[at + 2:]
    # Neighbour discovery is only taken from the link itself (RFC 4861).
    hops = 255 if number == 58 and packet.icmp_type >= 133 else 64
    if len(src) == 16:
        return struct.pack("!IHBB", 6 << 28, len(payload), number, hops) + src + dst + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0x4000, hops, number, 0,
                       src, dst)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


# -- reading -------------------------------------------------------------------------------------


class Arrival(NamedTuple):
    identity: int
    where: str  # "host", or the host's interface that it has left by
    dst: str
    dport: int
    icmp: tuple  # (type, code), () of other protocols


def text_of(raw):
    return socket.inet_ntop(socket.AF_INET6 if len(raw) == 16 else socket.AF_INET, raw)


def read(where, number, dst, payload):
    """An Arrival; None for all that none of our packets is or begins with."""
    if len(payload) < 12:
        return None
    magic, identity = TAIL.unpack_from(payload, len(payload) - 8)
    if magic != MAGIC:
        return None
    dport, icmp = 0, ()
    if number in WITH_PORTS:
        dport = payload[2] << 8 | payload[3]
    elif number in (1, 58):
        icmp = (payload[0], payload[1])
    return Arrival(identity, where, text_of(dst), dport, icmp)


def read_packet(where, packet):
    if packet[0] >> 4 == 4:
        return read(where, packet[9], packet[16:20], packet[(packet[0] & 15) * 4:])
    return read(where, packet[6], packet[24:40], packet[40:])
