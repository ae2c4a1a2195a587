# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes over the links of a booted host: connections from outside that last, and whatever
leaves for the store."""
import bisect
import contextlib
import socket
import struct
import threading
import time

from booted import ADDRESS, BRIDGE, GATE, HOSTED, OWN, THIN_LINEAR_TIMEOUTS
from doors import until
from lab import HOST4, PATIENCE_S, inside, same

PAUSE_S = 0.005  # between two exchanges


class Leaving(threading.Thread):
    """The TCP segments that leave for the store, whoever sends them and whether it is there or
    not."""

    SYN = 2
    OUTGOING = 4  # PACKET_OUTGOING of linux/if_packet.h
    ALL, IP = 3, 0x800  # ETH_P_… of linux/if_ether.h; what leaves is told to nobody but ALL

    def __init__(self, host):
        super().__init__(daemon=True)
        with inside(host.host):
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
            self.sock.bind(("data0", self.ALL))
        self.seen, self.told = [], 0
        self.start()

    def run(self):
        store, proxy = socket.inet_aton(ADDRESS["store"]), socket.inet_aton(BRIDGE)
        while True:
            packet, (_, protocol, kind, *_) = self.sock.recvfrom(256)
            if (protocol, kind, packet[9], packet[16:20]) != (self.IP, self.OUTGOING, 6, store):
                continue
            tcp = packet[4 * (packet[0] & 15):]
            # docker-proxy ends its connections when it likes.
            if packet[12:16] != proxy or tcp[13] & self.SYN:
                source = f"{socket.inet_ntoa(packet[12:16])}:{int.from_bytes(tcp[:2])}"
                self.seen.append((time.monotonic(), f"{source}, flags {tcp[13]:#x}"))

    def look(self):
        """Those since it was last asked: when, and what."""
        time.sleep(PAUSE_S)  # for the last to come here
        told, self.told = self.told, len(self.seen)
        return self.seen[told:self.told]


class Talk(threading.Thread):
    """A connection from outside that exchanges bytes all the time."""

    def __init__(self, host, port):
        super().__init__(daemon=True)
        with inside(host.out):
            self.sock = socket.create_connection((HOST4, port), timeout=1)
        self.sock.settimeout(None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setsockopt(socket.IPPROTO_TCP, THIN_LINEAR_TIMEOUTS, 1)
        self.at, self.broken = [time.monotonic()], None  # when each exchange was done
        self.start()

    def run(self):
        try:
            while True:
                word = struct.pack(">Q", len(self.at))
                self.sock.sendall(word)
                answer = self.sock.recv(8, socket.MSG_WAITALL)
                if answer != word:
                    self.broken = f"{answer!r} for {word!r}"
                    return
                self.at.append(time.monotonic())
                time.sleep(PAUSE_S)
        except OSError as error:
            self.broken = error

    def longest_pause(self, since):
        at = self.at[max(0, bisect.bisect(self.at, since) - 1):] + [time.monotonic()]
        return max(b - a for a, b in zip(at, at[1:]))

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.join()
        self.sock.close()


class Talks:
    """One to each that is allowed: to a container by translation, to one on the host's network, to
    the machine's own service."""

    PORTS = {"published": GATE, "hosted": HOSTED, "own": OWN}

    def __init__(self, host):
        self.host, self.now, self.all = host, {}, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for talk in self.now.values():
            talk.close()

    def begin(self):
        """Those that are not there, where others' rules let them."""
        for name in self.PORTS.keys() - self.now.keys():
            with contextlib.suppress(OSError):
                self.now[name] = Talk(self.host, self.PORTS[name])
                self.all.append(self.now[name])

    def end_broken(self):
        """Returns why they are, by name."""
        broken = {name: talk.broken for name, talk in self.now.items() if talk.broken}
        for name in broken:
            self.now.pop(name).close()
        return broken

    def flowing(self, within_s):
        """The names of those that go on, once all do or have had so much time."""
        deadline = time.monotonic() + within_s
        counts = {name: len(talk.at) + 2 for name, talk in self.now.items()}
        while True:
            found = {name for name, count in counts.items() if len(self.now[name].at) >= count}
            if found == counts.keys() or time.monotonic() > deadline:
                return found
            time.sleep(PAUSE_S)

    def all_flow(self):
        """Each is there, or is there again, and goes on."""
        self.end_broken()
        until(lambda: self.begin() or self.now.keys() == self.PORTS.keys(), "all are let in")
        same(self.flowing(PATIENCE_S), set(self.PORTS), "going on")
