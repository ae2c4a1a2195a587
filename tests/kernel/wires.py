# SPDX-License-Identifier: GPL-2.0-or-later
"""First packets of UDP and SCTP from one network namespace to another, whether or not this kernel
has sockets for them."""
import contextlib
import ctypes
import select
import socket
import struct

LIBC, CLONE_NEWNET = ctypes.CDLL(None), 0x40000000
UDP, SCTP = socket.IPPROTO_UDP, 132


@contextlib.contextmanager
def home(netns):
    """A socket that is made in here stays in that namespace."""
    with open("/proc/thread-self/ns/net", "rb") as before, \
            open(f"/run/netns/{netns}", "rb") as there:  # fmt: skip
        assert LIBC.setns(there.fileno(), CLONE_NEWNET) == 0
        try:
            yield
        finally:
            assert LIBC.setns(before.fileno(), CLONE_NEWNET) == 0


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return struct.pack("<I", crc ^ 0xFFFFFFFF)


def first_packet(proto, port, word):
    """Of a connection: UDP with the checksum for the kernel to make, or INIT of SCTP."""
    ports = struct.pack("!HH", 40000, port)
    if proto == UDP:
        return ports + struct.pack("!HH", 8 + len(word), 0) + word
    chunk = struct.pack("!BBHIIHHI", 1, 0, 20, 7, 65535, 1, 1, 7)
    more = struct.pack("!HH", 0x8000 | 4 + len(word), 4 + len(word)) + word  # of no known type
    chunk = struct.pack("!BBH", 1, 0, 20 + len(more)) + chunk[4:] + more
    return ports + bytes(4) + crc32c(ports + bytes(8) + chunk) + chunk


class Wires:
    """Raw sockets in two namespaces; those of the second see what passes all hooks on the way."""

    def __init__(self, outside, inside, proto, ip6):
        self.proto, self.ip6, self.count = proto, ip6, 0
        family = socket.AF_INET6 if ip6 else socket.AF_INET
        with home(outside):
            self.out = socket.socket(family, socket.SOCK_RAW, proto)
        with home(inside):
            self.there = socket.socket(family, socket.SOCK_RAW, proto)
        if ip6 and proto == UDP:
            self.out.setsockopt(socket.IPPROTO_IPV6, 7, 6)  # IPV6_CHECKSUM, and where it is

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.out.close()
        self.there.close()

    def arrive(self, *targets):
        """Those of (address, port) whose first packet comes there."""
        words = {}
        for address, port in targets:
            self.count += 1
            word = f"{self.proto}/{self.ip6}/{self.count:08}".encode()
            words[word] = address, port
            self.out.sendto(first_packet(self.proto, port, word), (address, 0))
        found = set()
        while len(found) < len(words) and select.select([self.there], [], [], 0.15)[0]:
            data = self.there.recv(2048)
            found |= {target for word, target in words.items() if word in data}
        return found
