# SPDX-License-Identifier: GPL-2.0-or-later
"""A router in a namespace, and one other namespace that holds the far end of every link.

    far      f0 ---- eth0     192.0.2.1/24    2001:db8:1::1/64   the way out
             f1 ---- eth1     10.9.0.1/24     fd00:9::1/64
             f2 ---- eth2
                      mv0     10.20.0.1/24    fd00:20::1/64      a macvlan on eth2
         c0, c1 ---- docker0  172.17.0.1/28   fd00:17::1/124     a bridge
         c2, c3 ---- br-app   172.18.0.1/28   fd00:18::1/124     a bridge
             m1 ---- m0                                          for markers, beside all rules

Nobody answers on the far side: no packet but ours is ever under way. On point-to-point veths
neighbours need no resolution; on bridges those of the small subnets are stated.
"""
import ctypes
import errno
import os
import socket
import struct

from topology import (ETH_P_IP, ETH_P_IP6, ETH_P_MARKER, Namespace, Process, Socket, enter, roomy,
                      serve_api)

from . import frames

FAR_OF = {"eth0": "f0", "eth1": "f1", "mv0": "f2", "docker0": "c0", "br-app": "c2"}
HOST_OF = {"f0": "eth0", "f1": "eth1", "f2": "mv0", "c0": "docker0", "c1": "docker0",
           "c2": "br-app", "c3": "br-app"}
PORTS = ("c0", "c1", "c2", "c3")  # frames never go back by the port that they have come by
MACS = {name: f"02:00:00:00:01:{number:02x}"
        for number, name in enumerate(("eth0", "eth1", "eth2", "mv0", "docker0", "br-app"), 16)}
ADDRESSES = {
    "eth0": ("192.0.2.1/24", "2001:db8:1::1/64", "fe80::1:1/64"),
    "eth1": ("10.9.0.1/24", "fd00:9::1/64", "fe80::2:1/64"),
    "mv0": ("10.20.0.1/24", "fd00:20::1/64", "fe80::3:1/64"),
    "docker0": ("172.17.0.1/28", "fd00:17::1/124", "fe80::4:1/64"),
    "br-app": ("172.18.0.1/28", "fd00:18::1/124", "fe80::5:1/64"),
}
CONTAINERS = {"web": ("bridge", "172.17.0.2", "fd00:17::2"),
              "cache": ("bridge", "172.17.0.3", "fd00:17::3"),
              "db": ("app", "172.18.0.2", "fd00:18::2")}
SOCKETS = (
    Socket("sshd", "tcp", "::", 22, v6only=False), Socket("web", "tcp", "0.0.0.0", 80),
    Socket("web", "tcp", "::", 80), Socket("web", "tcp", "::", 8080, v6only=False),
    Socket("named", "udp", "0.0.0.0", 53), Socket("named", "udp", "::", 53),
    Socket("exporter", "tcp", "10.9.0.1", 9100), Socket("admin", "tcp", "127.0.0.1", 9200),
)
TRANSPARENT = tuple(Socket("proxy", proto, addr, 50080) for proto in ("tcp", "udp")
                    for addr in ("0.0.0.0", "::"))
IP_TRANSPARENT, IPV6_TRANSPARENT = 19, 75


def neighbours():
    """Of the bridges: every address there is, the others being the bridge's own."""
    for bridge, v4, v6 in (("docker0", "172.17.0.", "fd00:17::"), ("br-app", "172.18.0.",
                                                                    "fd00:18::")):
        for number in range(16):
            for addr in ([v4 + str(number)] if 2 <= number <= 14 else []) + \
                    ([v6 + format(number, "x")] if number != 1 else []):
                yield f"neigh replace {addr} lladdr 02:00:00:00:09:{number:02x} " \
                      f"nud permanent dev {bridge}"


def open_sockets(ready):
    opened = [one.open() for one in SOCKETS]
    for one in TRANSPARENT:
        kind = socket.SOCK_STREAM if one.proto == "tcp" else socket.SOCK_DGRAM
        family = socket.AF_INET6 if ":" in one.addr else socket.AF_INET
        sock = socket.socket(family, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, IP_TRANSPARENT, 1)
        sock.bind((one.addr, one.port))
        if one.proto == "tcp":
            sock.listen(64)
        opened.append(sock)
    ready()
    while True:
        ctypes.CDLL(None).pause()


class Ears:
    """Where packets end: raw sockets behind the host's input hooks, and the far ends of links."""

    def __init__(self, lab):
        self.raw, self.far = [], []
        with lab.host:
            for name, number in frames.NUMBERS.items():
                if name != "icmpv6":
                    self.raw.append((roomy(socket.socket(
                        socket.AF_INET, socket.SOCK_RAW, number)), 4, number))
                if name != "icmp":
                    sock = roomy(socket.socket(socket.AF_INET6, socket.SOCK_RAW, number))
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
                    self.raw.append((sock, 6, number))
        with lab.far:
            for kind in (ETH_P_IP, ETH_P_IP6):
                self.far.append(roomy(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM,
                                                    socket.htons(kind))))

    def close(self):
        for sock in [*(one[0] for one in self.raw), *self.far]:
            sock.close()

    def hear(self):
        for sock, version, number in self.raw:
            while True:
                try:
                    data, more, _, _ = sock.recvmsg(2000, 200 if version == 6 else 0)
                except BlockingIOError:
                    break
                told = frames.read_packet("host", data) if version == 4 else \
                    frames.read("host", number, more[0][2][:16], data)
                if told:
                    yield told
        for sock in self.far:
            while True:
                try:
                    data, where = sock.recvfrom(2000)
                except BlockingIOError:
                    break
                told = frames.read_packet(HOST_OF.get(where[0], where[0]), data)
                if told:
                    yield told


class Lab:
    def __init__(self, name):
        self.name, self.namespaces, self.processes, self.words = name, [], [], 0
        self.ears, self.senders, self.sentinel = None, {}, None
        self.stained = False  # has had what no unloading takes back
        try:
            self.build()
        except BaseException:
            self.close()
            raise

    def namespace(self, name):
        made = Namespace(f"{self.name}-{name}")
        self.namespaces.append(made)
        made.sysctl(ipv6__conf__all__accept_dad=0, ipv6__conf__default__accept_dad=0,
                    ipv6__conf__default__accept_ra=0, ipv6__conf__default__autoconf=0)
        return made

    def build(self):
        self.far, self.host = self.namespace("far"), self.namespace("host")
        self.far.sysctl(ipv6__conf__default__disable_ipv6=1)
        self.host.sysctl(
            ipv4__icmp_echo_ignore_all=1, ipv6__icmp__echo_ignore_all=1, ipv4__tcp_syncookies=2,
            ipv4__conf__default__accept_redirects=0, ipv4__conf__all__accept_redirects=0,
            ipv6__conf__default__accept_redirects=0, ipv6__conf__all__accept_redirects=0,
            ipv4__conf__default__send_redirects=0, ipv4__conf__all__send_redirects=0,
            ipv4__icmp_echo_ignore_broadcasts=1, ipv4__conf__default__rp_filter=0,
            ipv4__conf__all__rp_filter=0, ipv4__ip_forward=1, ipv6__conf__all__forwarding=1,
            **{"bridge__bridge-nf-call-iptables": 0, "bridge__bridge-nf-call-ip6tables": 0})
        self.host.ip([
            "link set lo up",
            *(f"link add {own} address {MACS.get(own, MACS['docker0'])} type veth "
              f"peer name {far} netns {self.far.name}"
              for own, far in (("eth0", "f0"), ("eth1", "f1"), ("eth2", "f2"))),
            *(f"link add {name} address {MACS[name]} type bridge mcast_snooping 0"
              for name in ("docker0", "br-app")),
            *(f"link add v{far} type veth peer name {far} netns {self.far.name}"
              for far in PORTS),
            *(f"link set v{far} master {HOST_OF[far]}" for far in PORTS),
            *(f"link set v{far} type bridge_slave learning off" for far in PORTS),
            f"link add m0 type veth peer name m1 netns {self.far.name}",
            "link set m0 addrgenmode none", "link set m0 up",
            f"link add mv0 link eth2 address {MACS['mv0']} type macvlan mode private",
            *(f"link set {name} addrgenmode none" for name in
              ("eth0", "eth1", "eth2", "mv0", "docker0", "br-app", *(f"v{far}" for far in PORTS))),
            *(f"link set {name} arp off" for name in ("eth0", "eth1", "eth2", "mv0")),
            *(f"link set {name} up" for name in
              ("eth0", "eth1", "eth2", "mv0", "docker0", "br-app", *(f"v{far}" for far in PORTS))),
            "link set eth1 group 5",
            *(f"addr add {one} dev {name}{' nodad' if ':' in one else ''}"
              for name, all_of in ADDRESSES.items() for one in all_of),
            *neighbours(),
        ])
        self.far.ip([*(f"link set {far} arp off" for far in HOST_OF),
                     *(f"link set {far} up" for far in (*HOST_OF, "m1"))])
        self.open()

    def open(self):
        def work(ready):
            enter(self.host.fd)
            open_sockets(ready)

        self.processes.append(Process("listener", work))
        self.ears = Ears(self)
        with self.host:
            self.sentinel = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM,
                                          socket.htons(ETH_P_MARKER))
            self.sentinel.bind(("m0", ETH_P_MARKER))
        self.sentinel.settimeout(10)
        with self.far:
            for own, far in (*FAR_OF.items(), (None, "m1")):
                sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
                sock.bind((far, 0))
                self.senders[own] = sock
        with self.host:
            self.netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
        self.serve_engine()

    def serve_engine(self):
        """An engine that knows the containers."""
        path = f"/tmp/{self.far.name}.sock"
        ids = {"bridge": "a" * 64, "app": "b" * 64}
        containers = [{
            "Id": f"{0xC0 + number:064x}", "Names": ["/" + name], "Image": "lab", "ImageID": "",
            "Command": "x", "Created": 1795310942, "Ports": [], "Labels": {}, "State": "running",
            "Status": "Up", "HostConfig": {"NetworkMode": network}, "Mounts": [],
            "NetworkSettings": {"Networks": {network: {
                "NetworkID": ids[network], "IPAddress": v4, "GlobalIPv6Address": v6}}}}
            for number, (name, (network, v4, v6)) in enumerate(CONTAINERS.items())]
        networks = [{"Name": name, "Id": ids[name], "Driver": "bridge", "Scope": "local",
                     "EnableIPv6": True, "Internal": False, "Attachable": False, "Ingress": False,
                     "IPAM": {"Driver": "default", "Options": None, "Config": []}, "Labels": {},
                     "Options": {"com.docker.network.bridge.name": bridge}}
                    for name, bridge in (("bridge", "docker0"), ("app", "br-app"))]
        self.api = path
        self.processes.append(serve_api(path, {
            "/version": {"Version": "28.0.1", "ApiVersion": "1.48", "MinAPIVersion": "1.24",
                         "Os": "linux", "Arch": "amd64"},
            "/info": {"ID": "JUDGE", "Containers": 3, "Name": "judge", "ServerVersion": "28.0.1",
                      "Swarm": {"LocalNodeState": "inactive"}},
            "/containers/json": containers, "/networks": networks}))

    def close(self):
        for process in self.processes:
            process.end()
        if self.ears:
            self.ears.close()
        for sock in self.senders.values():
            sock.close()
        for namespace in reversed(self.namespaces):
            namespace.remove()
        if os.path.exists(getattr(self, "api", "")):
            os.unlink(self.api)
        self.processes, self.namespaces = [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- packets --

    def forget_connections(self):
        """Conntrack as after boot: IPCTNL_MSG_CT_DELETE of NFNL_SUBSYS_CTNETLINK."""
        self.netlink.send(struct.pack("=IHHIIBBH", 20, 1 << 8 | 2, 5, 1, 0, 0, 0, 0))
        error = struct.unpack_from("=i", self.netlink.recv(4096), 16)[0]
        assert error == 0, f"conntrack: {os.strerror(-error)}"

    def send(self, packet, identity):
        dst = frames.packed(packet.dst)
        if len(dst) == 4 and (dst[0] & 0xF0 == 0xE0):
            to = b"\x01\x00\x5e" + bytes([dst[1] & 0x7F]) + dst[2:]
        elif len(dst) == 16 and dst[0] == 0xFF:
            to = b"\x33\x33" + dst[12:]
        elif len(dst) == 4 and packet.dst in BROADCASTS:
            to = b"\xff" * 6
        else:
            to = bytes.fromhex(MACS[packet.iif].replace(":", ""))
        head = to + bytes.fromhex(packet.smac.replace(":", "")) + \
            struct.pack("!H", ETH_P_IP if len(dst) == 4 else ETH_P_IP6)
        try:
            self.senders[packet.iif].send(head + frames.build(packet, identity))
        except OSError as reason:  # ENOBUFS: egress of the far side is never filtered
            if reason.errno != errno.ENOBUFS:
                raise

    def settle(self):
        """Waits until a frame sent after all others has come, twice: to the host, and past the
        far end of its links, which the second round gives time for."""
        for _ in range(3):
            self.senders[None].send(b"\xff" * 6 + bytes(6) + struct.pack("!H", ETH_P_MARKER) +
                                    bytes(46))
            self.sentinel.recv(100)

    def arrivals(self, packets):
        """For each packet the set of Arrivals, without their identities."""
        self.forget_connections()
        came = [set() for _ in packets]
        for start in range(0, len(packets), 250):
            base, part = self.words, packets[start:start + 250]
            self.words = self.words + len(part) & 0xFFFFFFFF
            for number, packet in enumerate(part, base):
                self.send(packet, number)
            self.settle()
            for one in self.ears.hear():
                at = one.identity - base
                if 0 <= at < len(part) and not is_answer(part[at], one):
                    came[start + at].add(one._replace(identity=0))
        return came


BROADCASTS = {"255.255.255.255", "192.0.2.255", "10.9.0.255", "10.20.0.255", "172.17.0.15",
              "172.18.0.15"}


def is_answer(packet, arrival):
    """An ICMP message that is not what was sent quotes it, or echoes it."""
    return bool(arrival.icmp) and ("icmp" not in packet.proto or
                                   arrival.icmp != (packet.icmp_type, packet.icmp_code))

