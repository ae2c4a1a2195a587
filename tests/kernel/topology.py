# SPDX-License-Identifier: GPL-2.0-or-later
"""A Docker host without Docker, in network namespaces of its own.

    netguard-kernel-PID-out         netguard-kernel-PID-host        netguard-kernel-PID-c0, -c1 ...
    out0 -------------------------- eth0      docker0 ------------- eth0
    out1 -------------------------- eth1      br-app -------------- eth0

Frames are sent from the outside with any source address; where one arrives is seen on a raw
socket behind the host's input hooks and on the far end of each container's veth. No rule of
the machine itself is ever read or written: every command runs in a namespace by its name.
"""
import ctypes
import functools
import ipaddress
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
ETH_P_ALL, ETH_P_IP, ETH_P_IP6 = 0x0003, 0x0800, 0x86DD
ETH_P_MARKER = 0x88B5  # IEEE's for local experiments
TCP, UDP = 6, 17
PROTOS = {"tcp": TCP, "udp": UDP}
PREFIX = f"netguard-kernel-{os.getpid()}-"
PROBE_WORD = 0x6E670000  # upper half of what each probe carries

# Reading the same few thousand addresses again and again took most of a test's time.
address = functools.lru_cache(1 << 16)(ipaddress.ip_address)


@functools.lru_cache(1 << 16)
def family_of(text):
    return address(text).version


def command(words, stdin=None, netns=None):
    """Runs a command that has to succeed, in a namespace if one is named."""
    if netns:
        words = ["nsenter", f"--net=/run/netns/{netns}", *words]
    done = subprocess.run(words, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: exit {done.returncode}: {done.stderr.strip()}\n"
                             f"{stdin or ''}")
    return done.stdout


class Namespace:
    """A named network namespace; within `with` this thread is in it."""

    def __init__(self, name):
        self.name = PREFIX + name
        command(["ip", "netns", "add", self.name])
        self.fd = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        self.home = -1

    def __enter__(self):
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        enter(self.fd)
        return self

    def __exit__(self, *_):
        enter(self.home)
        os.close(self.home)

    def run(self, *words, stdin=None):
        return command(list(words), stdin, self.name)

    def ip(self, lines):
        command(["ip", "-n", self.name, "-batch", "-"], "\n".join(lines) + "\n")

    def sysctl(self, **values):
        with self:
            for path, value in values.items():
                path = "/proc/sys/net/" + path.replace("__", "/")
                with open(path, "w", encoding="ascii") as file:
                    file.write(str(value))

    def remove(self):
        os.close(self.fd)
        command(["ip", "netns", "del", self.name])


def enter(fd):
    if LIBC.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


# -- processes -----------------------------------------------------------------------------------


class Process:
    """A forked child that serves until it is ended; ready when it has said so."""

    def __init__(self, name, work):
        ready, told = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                os.sched_setaffinity(0, range(os.cpu_count()))
                LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                LIBC.prctl(PR_SET_NAME, name.encode())
                os.close(ready)
                work(lambda: os.write(told, b"1"))
            except BaseException as reason:  # pylint: disable=broad-except
                os.write(told, f"{name}: {reason!r}".encode())
            finally:
                os._exit(1)
        os.close(told)
        answer = os.read(ready, 1000)
        os.close(ready)
        if answer != b"1":
            self.end()
            raise AssertionError(answer.decode() or f"{name} died")

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


@dataclass(frozen=True)
class Socket:
    """A listening socket: who holds it (the process's name) and where it is bound."""
    owner: str
    proto: str
    addr: str
    port: int
    v6only: bool = True
    accepts: bool = True

    def open(self):
        kind = socket.SOCK_STREAM if self.proto == "tcp" else socket.SOCK_DGRAM
        sock = socket.socket(socket.AF_INET if family_of(self.addr) == 4 else socket.AF_INET6, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family_of(self.addr) == 6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, self.v6only)
        sock.bind((self.addr, self.port))
        if self.proto == "tcp":
            sock.listen(4096)
        return sock

    def takes(self, proto, dst, port):
        if (self.proto, self.port) != (proto, port) or not self.accepts:
            return False
        own, asked = address(self.addr), address(dst)
        if own.version == asked.version:
            return own == asked or int(own) == 0
        return own.version == 6 and int(own) == 0 and not self.v6only


def serve(namespace, name, sockets):
    """Answers everybody with the name of the server and the namespace."""

    def work(ready):
        enter(namespace.fd)
        opened = [(one, one.open()) for one in sockets]
        ready()
        poll = [sock for one, sock in opened if one.accepts]
        while True:
            for sock in select.select(poll, [], [])[0]:
                try:
                    if sock.type == socket.SOCK_STREAM:
                        with sock.accept()[0] as client:
                            client.sendall(name.encode())
                    else:
                        # Not to the probes: a late answer would be a connection of its own.
                        asked, client = sock.recvfrom(2000)
                        if asked == b"?":
                            sock.sendto(name.encode(), client)
                except OSError:
                    pass  # an answer that the host's own rules refuse

    return Process(name, work)


def serve_api(path, documents):
    """A container engine's API: these documents and nothing else."""

    def answer(client):
        data = b""
        while True:
            while b"\r\n\r\n" not in data:
                more = client.recv(65536)
                if not more:
                    return
                data += more
            head, _, data = data.partition(b"\r\n\r\n")
            asked = head.split()[1].decode().partition("?")[0]
            asked = "/" + asked.split("/", 2)[2] if asked.startswith("/v1.") else asked
            status = "200 OK" if asked in documents else "404 Not Found"
            body = json.dumps(documents.get(asked, {"message": "page not found"})).encode()
            client.sendall(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
                           f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def serve(client):
        with client:
            answer(client)

    def work(ready):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            ready()
            while True:  # several at a time, as netguard asks for details
                client = listener.accept()[0]
                threading.Thread(target=serve, args=(client,), daemon=True).start()

    return Process("engine", work)


# -- frames --------------------------------------------------------------------------------------


def checksum(data):
    """RFC 1071, by the remainder: a sum in one's complement is one modulo 65535."""
    if len(data) % 2:
        data += b"\0"
    return 0xFFFF - (int.from_bytes(data, "big") % 0xFFFF or (0xFFFF if any(data) else 0))


def build(src, dst, proto, sport, dport, word):
    """An IP packet: a SYN with `word` as sequence number, or a datagram that holds it."""
    src, dst = address(src), address(dst)
    if proto == "tcp":
        payload = struct.pack("!HHIIBBHHHBBH", sport, dport, word, 0, 6 << 4, 2, 64240, 0, 0,
                              2, 4, 1460)
        at = 16
    else:
        payload = struct.pack("!HHHHI", sport, dport, 12, 0, word)
        at = 6
    number = PROTOS[proto]
    pseudo = src.packed + dst.packed + struct.pack("!II", len(payload), number)
    total = checksum(pseudo + payload) or 0xFFFF
    payload = payload[:at] + struct.pack("!H", total) + payload[at + 2:]
    if src.version == 6:
        return struct.pack("!IHBB", 6 << 28, len(payload), number, 64) + src.packed + dst.packed \
            + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, number, 0,
                       src.packed, dst.packed)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def read_transport(proto, payload):
    """(destination port, word) of a probe; None for all else."""
    if proto == TCP and len(payload) >= 20 and payload[13] & 0x3F == 2:
        word = struct.unpack_from("!I", payload, 4)[0]
    elif proto == UDP and len(payload) >= 12:
        word = struct.unpack_from("!I", payload, 8)[0]
    else:
        return None
    if word >> 16 != PROBE_WORD >> 16:
        return None
    return struct.unpack_from("!H", payload, 2)[0], word


def read_packet(packet):
    """(protocol, destination, port, word) of a probe's IP packet; None for all else."""
    if packet[0] >> 4 == 4:
        proto, dst, payload = packet[9], packet[16:20], packet[(packet[0] & 15) * 4:]
    else:
        proto, dst, payload = packet[6], packet[24:40], packet[40:]
    told = read_transport(proto, payload)
    return told and (proto, str(address(dst)), *told)


def roomy(sock):
    sock.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    sock.setblocking(False)
    return sock


class HostEars:
    """What has passed the host's input hooks: raw sockets stand behind them."""

    def __init__(self):
        self.sockets = []
        for family in (socket.AF_INET, socket.AF_INET6):
            for proto in (TCP, UDP):
                sock = roomy(socket.socket(family, socket.SOCK_RAW, proto))
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
                self.sockets.append((sock, family, proto))

    def hear(self):
        for sock, family, proto in self.sockets:
            while True:
                try:
                    data, more, _, _ = sock.recvmsg(2000, 200)
                except BlockingIOError:
                    break
                if family == socket.AF_INET:
                    told = read_packet(data)
                else:
                    told = read_transport(proto, data)
                    told = told and (proto, str(address(more[0][2][:16])), *told)
                if told:
                    yield told


class ContainerEars:
    """What has come to a container's interface, addressed to it."""

    def __init__(self):
        self.sockets = []
        for proto in (ETH_P_IP, ETH_P_IP6):
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(proto))
            sock.bind(("eth0", proto))
            self.sockets.append(roomy(sock))

    def hear(self):
        for sock in self.sockets:
            while True:
                try:
                    data, where = sock.recvfrom(2000)
                except BlockingIOError:
                    break
                told = read_packet(data) if where[2] == socket.PACKET_HOST else None
                if told:
                    yield told


# -- the topology --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Uplink:
    """An interface of the host towards the outside: "address/length" of it and of the neighbour."""
    name: str
    own: tuple
    peer: tuple


@dataclass(frozen=True)
class Network:
    name: str
    bridge: str
    own: tuple  # the gateway's addresses, "address/length"


@dataclass(frozen=True)
class Container:
    name: str
    network: str
    addrs: tuple  # without length
    sockets: tuple = ()


@dataclass(frozen=True)
class Published:
    container: str
    proto: str
    addr: str
    port: int
    container_port: int


@dataclass(frozen=True)
class Layout:
    uplinks: tuple
    networks: tuple
    containers: tuple
    sockets: tuple = ()  # on the host, of all processes
    published: tuple = ()
    sysctls: dict = field(default_factory=dict, hash=False)

    def host_addresses(self):
        """All addresses that the host answers to, with loopback; link-local ones are not stated."""
        own = [each for part in (*self.uplinks, *self.networks) for each in part.own]
        return [one.partition("/")[0] for one in own] + ["127.0.0.1", "::1"]


def mac(kind, number):
    return f"02:00:00:00:{kind:02x}:{number:02x}"


def link_local(number):
    return f"fe80::{number + 1:x}:1"


class Topology:
    def __init__(self, layout):
        self.layout = layout
        self.processes, self.namespaces, self.ears = [], [], {}
        self.directory = tempfile.mkdtemp(prefix="netguard-kernel-")
        self.api = os.path.join(self.directory, "docker.sock")
        self.senders, self.words, self.validates = {}, 0, False
        try:
            self.build()
        except BaseException:
            self.close()
            raise

    def namespace(self, name):
        made = Namespace(name)
        self.namespaces.append(made)
        made.sysctl(ipv6__conf__all__accept_dad=0, ipv6__conf__default__accept_dad=0,
                    ipv6__conf__default__accept_ra=0, ipv4__conf__all__rp_filter=0,
                    ipv4__conf__default__rp_filter=0, ipv4__conf__all__route_localnet=0,
                    ipv4__conf__default__route_localnet=0, ipv6__conf__all__disable_ipv6=0,
                    ipv6__conf__default__disable_ipv6=0, ipv4__tcp_syncookies=2)
        return made

    def build(self):
        self.out, self.host = self.namespace("out"), self.namespace("host")
        self.host.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)
        self.host.ip(["link set lo up"])
        self.out.ip(["link set lo up"])
        for i, uplink in enumerate(self.layout.uplinks):
            self.add_uplink(i, uplink)
        for i, network in enumerate(self.layout.networks):
            self.host.ip([f"link add {network.bridge} address {mac(2, i)} type bridge",
                          f"link set {network.bridge} up",
                          *(f"addr add {one} dev {network.bridge}{nodad(one)}"
                            for one in network.own)])
        for i, container in enumerate(self.layout.containers):
            self.add_container(i, container)
        self.host.sysctl(**self.layout.sysctls)
        with self.host:
            self.ears[None] = HostEars()
            self.sentinel = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM,
                                          socket.htons(ETH_P_MARKER))
        self.sentinel.settimeout(5)
        for owner in sorted({one.owner for one in self.layout.sockets}):
            self.processes.append(serve(self.host, owner, [
                one for one in self.layout.sockets if one.owner == owner]))
        self.processes.append(serve_api(self.api, self.documents()))

    def add_uplink(self, i, uplink):
        outer = f"out{i}"
        self.host.ip([f"link add {uplink.name} address {mac(0, i)} type veth peer name {outer} "
                      f"address {mac(1, i)} netns {self.out.name}",
                      # One that the test knows, and no other.
                      f"link set {uplink.name} addrgenmode none",
                      f"link set {uplink.name} up",
                      *(f"addr add {one} dev {uplink.name}{nodad(one)}" for one in uplink.own),
                      f"addr add {link_local(i)}/64 dev {uplink.name} nodad"])
        self.out.ip([f"link set {outer} addrgenmode none", f"link set {outer} up",
                     *(f"addr add {one} dev {outer}{nodad(one)}" for one in uplink.peer)])
        if i == 0:
            self.host.ip([f"route add default via {one.partition('/')[0]} dev {uplink.name}"
                          for one in uplink.peer])
        with self.out:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            sock.bind((outer, 0))
        self.senders[uplink.name] = (sock, bytes.fromhex((mac(0, i) + mac(1, i)).replace(":", "")))

    def add_container(self, i, container):
        inner = self.namespace(f"c{i}")
        network = next(one for one in self.layout.networks if one.name == container.network)
        gateways = {family_of(one.partition("/")[0]): one for one in network.own}
        self.host.ip([f"link add veth{i} type veth peer name eth0 address {mac(3, i)} "
                      f"netns {inner.name}",
                      f"link set veth{i} master {network.bridge}", f"link set veth{i} up"])
        lines = ["link set lo up", "link set eth0 up"]
        for addr in container.addrs:
            gateway, _, length = gateways[family_of(addr)].partition("/")
            lines += [f"addr add {addr}/{length} dev eth0{nodad(addr)}",
                      f"route add default via {gateway}"]
        inner.ip(lines)
        # Else the first probes would wait for the neighbour to be asked.
        self.host.ip([f"neigh add {addr} lladdr {mac(3, i)} dev {network.bridge} nud permanent"
                      for addr in container.addrs])
        with inner:
            self.ears[container.name] = ContainerEars()
        if container.sockets:
            self.processes.append(serve(inner, container.name, container.sockets))

    def documents(self):
        """What the engine's API says of this."""
        layout, networks, containers = self.layout, [], []
        for i, network in enumerate(layout.networks):
            networks.append({
                "Name": network.name, "Id": f"{i:064x}", "Scope": "local", "Driver": "bridge",
                "EnableIPv6": False, "Internal": False, "Attachable": False, "Ingress": False,
                "IPAM": {"Driver": "default", "Options": None, "Config": [
                    {"Subnet": str(ipaddress.ip_interface(one).network),
                     "Gateway": one.partition("/")[0]} for one in network.own]},
                "Options": {"com.docker.network.bridge.name": network.bridge}, "Labels": {}})
        ids = {network["Name"]: network["Id"] for network in networks}
        for i, container in enumerate(layout.containers):
            own = {family_of(addr): addr for addr in container.addrs}
            containers.append({
                "Id": f"{0xC0 + i:064x}", "Names": ["/" + container.name], "Image": "lab",
                "ImageID": "sha256:" + "0" * 64, "Command": "x", "Created": 1795310942,
                "Ports": [{"IP": one.addr, "PrivatePort": one.container_port,
                           "PublicPort": one.port, "Type": one.proto}
                          for one in layout.published if one.container == container.name],
                "Labels": {}, "State": "running", "Status": "Up",
                "HostConfig": {"NetworkMode": container.network},
                "NetworkSettings": {"Networks": {container.network: {
                    "NetworkID": ids[container.network], "IPAddress": own.get(4, ""),
                    "GlobalIPv6Address": own.get(6, "")}}}, "Mounts": []})
        return {"/version": {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12",
                             "Os": "linux", "Arch": "amd64"},
                "/info": {"ID": "KERNEL", "Containers": len(containers), "Name": "kernel",
                          "ServerVersion": "20.10.24", "Swarm": {"LocalNodeState": "inactive"}},
                "/containers/json": containers, "/networks": networks}

    def close(self):
        for process in self.processes:
            process.end()
        self.processes = []
        for namespace in reversed(self.namespaces):
            namespace.remove()
        self.namespaces = []
        if os.path.exists(self.api):
            os.unlink(self.api)
        if os.path.isdir(self.directory):
            os.rmdir(self.directory)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- rules --

    def load(self, v4="", v6="", nft=""):
        """Replaces the whole ruleset of the host namespace."""
        self.host.run("nft", "-f", "-", stdin="flush ruleset\n" + nft)
        if v4:
            self.host.run("iptables-nft-restore", stdin=v4)
        if v6:
            self.host.run("ip6tables-nft-restore", stdin=v6)

    def validate_sources(self, mode):
        self.host.sysctl(ipv4__conf__all__rp_filter=mode)
        self.validates = mode != 0

    def forget_connections(self):
        """Conntrack as after boot: a message of nfnetlink, as conntrack -F sends it."""
        with self.host:
            sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)  # NETLINK_NETFILTER
        with sock:
            # IPCTNL_MSG_CT_DELETE of NFNL_SUBSYS_CTNETLINK; NLM_F_REQUEST | NLM_F_ACK
            sock.send(struct.pack("=IHHIIBBH", 20, 1 << 8 | 2, 5, 1, 0, 0, 0, 0))
            error = struct.unpack_from("=i", sock.recv(4096), 16)[0]
        assert error == 0, f"conntrack: {os.strerror(-error)}"

    # -- packets --

    def send(self, uplink, packet):
        sock, macs = self.senders[uplink]
        kind = ETH_P_IP if packet[0] >> 4 == 4 else ETH_P_IP6
        sock.send(macs + struct.pack("!H", kind) + packet)

    def arrivals(self, probes):
        """For each (uplink, src, dst, proto, sport, dport) the places it came to: a list of
        (container name or None for the host, destination and port there)."""
        heard = [[] for _ in probes]
        self.forget_connections()
        for start in range(0, len(probes), 400):
            words = {}
            for number, probe in enumerate(probes[start:start + 400], start):
                self.words = (self.words + 1) & 0xFFFF
                words[PROBE_WORD | self.words] = number
                uplink, src, dst, proto, sport, dport = probe
                self.send(uplink, build(src, dst, proto, sport, dport, PROBE_WORD | self.words))
            self.settle()
            for name, ears in self.ears.items():
                for _, dst, port, word in ears.hear():
                    if word in words:
                        heard[words[word]].append((name, dst, port))
        return heard

    def settle(self):
        """Waits until a frame sent after all others has come, twice: to the host, and past
        the container's veth, which the second round gives time for."""
        sock, macs = next(iter(self.senders.values()))
        for _ in range(2):
            sock.send(macs + struct.pack("!H", ETH_P_MARKER) + bytes(46))
            self.sentinel.recv(100)

    def answers(self, asked):
        """What a real client next to `uplink` is told for each (uplink, dst, proto, dport): the
        name of the server, None for nothing."""
        told, waiting = [None] * len(asked), {}
        for number, (uplink, dst, proto, dport) in enumerate(asked):
            sock = self.client(uplink, dst, proto)
            waiting[sock] = number
            sock.connect_ex((dst, dport))
        for _ in range(6):
            # More than once, as a server that still reads the probes loses datagrams.
            for sock in waiting:
                if sock.type == socket.SOCK_DGRAM:
                    send_quietly(sock)
            time.sleep(0.03)
            for sock in select.select(list(waiting), [], [], 0)[0]:
                with sock:
                    number = waiting.pop(sock)
                    try:
                        told[number] = sock.recv(100).decode() or None
                    except OSError:
                        pass  # refused, by a rule or for want of a listener
        for sock in waiting:
            sock.close()
        return told

    def client(self, uplink, dst, proto):
        own = next(one for one in self.layout.uplinks if one.name == uplink)
        src = next(one.partition("/")[0] for one in own.peer
                   if family_of(one.partition("/")[0]) == family_of(dst))
        with self.out:
            sock = socket.socket(socket.AF_INET if family_of(dst) == 4 else socket.AF_INET6,
                                 socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind((src, 0))
        return sock


def send_quietly(sock):
    try:
        sock.send(b"?")
    except OSError:
        pass  # that nobody listens there, told about the one before


def nodad(addr):
    return " nodad" if ":" in addr else ""


def pin_to_one_cpu():
    """Frames sent on one CPU arrive in order, and the marker last."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def end_on_signals():
    """A signal unwinds the stack, so that everything is taken down."""
    def leave(number, _):
        sys.exit(128 + number)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, leave)


def settle_links(namespace):
    """Waits until no address is tentative any more."""
    for _ in range(100):
        if "tentative" not in namespace.run("ip", "-6", "addr"):
            return
        time.sleep(0.05)
    raise AssertionError("an address stays tentative")
