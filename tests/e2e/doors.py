# SPDX-License-Identifier: GPL-2.0-or-later
"""Containers of a real engine, started in all the ways that containers start, who knocks at their
doors from outside, and the guard that keeps those closed."""
import concurrent.futures
import contextlib
import dataclasses
import http.client
import ipaddress
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import statistics
import subprocess
import time
import types
import urllib.parse

from lab import HOST4, HOST6, NETGUARD, PATIENCE_S, ask, inside, netguard, same

SETTLE_S = 0.15  # knocked for, before a door counts as closed
NETWORK = "172.30.0.0/24"  # of the user's own network "data"
BRIDGES = {"bridge": "docker0", "data": "data0"}


@dataclasses.dataclass(frozen=True)
class Place:
    """Where the outside host knocks."""

    address: str
    port: int
    forwarded: bool = True  # else a socket of the host takes it
    until: int = 99  # the last engine that leaves it open

    @property
    def name(self):
        return f"{self.address}:{self.port}"


@dataclasses.dataclass(frozen=True)
class Way:
    """How a container is reached: one of several that start at once, so each has its own port
    and, but for the host's network, an address that its bridge knows beforehand."""

    options: str  # what a user would write
    places: tuple
    port: int = 6379  # that it answers on
    published: tuple = ()  # host address and port
    network: str = "data"
    address: str = ""

    @property
    def mac(self):
        return "02:42:" + ipaddress.ip_address(self.address).packed.hex(":")


WAYS = [
    Way("-p 6379:6379", (Place(HOST4, 6379), Place(HOST6, 6379, forwarded=False),
                         Place("172.17.0.2", 6379, until=27)),
        published=("", 6379), network="bridge", address="172.17.0.2"),
    Way("-p 16379:6379", (Place(HOST4, 16379), Place(HOST6, 16379, forwarded=False),
                          Place("172.30.0.3", 6379, until=27)),
        published=("", 16379), address="172.30.0.3"),
    Way("-p 127.0.0.1:6378:6379", (Place("127.0.0.1", 6378, until=27),
                                   Place("172.30.0.4", 6379, until=27)),
        published=("127.0.0.1", 6378), address="172.30.0.4"),
    Way("--network host", (Place(HOST4, 7379, forwarded=False),
                           Place(HOST6, 7379, forwarded=False)), port=7379, network="host"),
]  # fmt: skip
GATE = Way("-p 6380:6380", (Place(HOST4, 6380), Place(HOST6, 6380, forwarded=False)), port=6380,
           published=("", 6380), address="172.30.0.5")  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Policy:
    text: str
    labels: dict  # of containers that must stay closed
    named: tuple = ()  # ports that a rule blocks

    def certain(self, place):
        """That it is never open. A listener on the host at a port that no rule names might be
        the machine's own, until it is seen to be a container's."""
        return place.forwarded or place.port in self.named


POLICIES = {
    "deny": Policy("""\
version: 1
mode: enforce
rules:
  - {id: gate, allow: [6380], to: {label: {role: gate}}}
  - {id: store, deny: [6379, 6380, 7379], action: block}
default: allow
""", {}, named=(6379, 6380, 7379)),
    "deny with `to`": Policy("""\
version: 1
mode: enforce
rules:
  - {id: gate, allow: [6380], to: {name: gate}}
  - {id: store, deny: [6379, 6380, 7379], to: {label: {tier: data}}, action: block}
default: allow
""", {"tier": "data"}, named=(6379, 6380, 7379)),
    "default: block": Policy("""\
version: 1
mode: enforce
rules:
  - {id: gate, allow: [6380], to: {label: {role: gate}}}
default: block
""", {}),
}  # fmt: skip


def until(condition, what, pause_s=0.01):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {PATIENCE_S} s")
        time.sleep(pause_s)


def figures(seconds):
    """Least, median and most."""
    ms = [1000 * s for s in seconds]
    return f"{min(ms):.1f} / {statistics.median(ms):.1f} / {max(ms):.1f} ms"


# -- the outside host ----------------------------------------------------------------------------


class Knock:
    """Knocks at all these places for as long as it lasts."""

    def __init__(self, engine, places):
        self.netns, self.places = engine.out, places

    def __enter__(self):
        command = [pathlib.Path(NETGUARD).parent / "tests" / "knock"]
        with inside(self.netns):
            self.child = subprocess.Popen(command + [place.name for place in self.places],
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                          text=True)  # fmt: skip
        return self

    def __exit__(self, *_):
        self.child.communicate()

    def said(self, word="say"):
        """What came of it, by place."""
        print(word, file=self.child.stdin, flush=True)
        return {place: types.SimpleNamespace(**json.loads(self.child.stdout.readline()))
                for place in self.places}  # fmt: skip

    def forget(self):
        """The same, and it begins anew without a pause."""
        return self.said("forget")

    def answered(self, places):
        """What came of it once all of these have answered."""
        said = {}

        def all_have():
            said.update(self.said())
            return all(said[place].answers for place in places)

        until(all_have, f"{', '.join(place.name for place in places)} open")
        return said


# -- the engine ----------------------------------------------------------------------------------


def connect(engine):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(engine.socket)
    connection = http.client.HTTPConnection("engine")
    connection.sock = sock
    return connection


def tell(engine, method, path, body=None):
    """Have the engine do it, in words that all of them understand."""
    with contextlib.closing(connect(engine)) as asked:
        asked.request(method, f"/v1.41{path}", json.dumps(body) if body else None,
                      {"Content-Type": "application/json"})  # fmt: skip
        answer = asked.getresponse()
        said = answer.read().decode()
        if answer.status >= 400:
            raise OSError(f"{method} {path}: {said}")


def prepare(engine):
    state = pathlib.Path(engine.socket).parent  # which is /lab where the engine runs
    shutil.copy(pathlib.Path(NETGUARD).parent / "tests" / "knock", state)
    tell(engine, "POST", "/networks/create", {
        "Name": "data", "IPAM": {"Config": [{"Subnet": NETWORK}]},
        "Options": {"com.docker.network.bridge.name": BRIDGES["data"]}})  # fmt: skip
    engine.outside("ip", "route", "add", "172.16.0.0/12", "via", HOST4)
    engine.net("sh", "-c", "echo 1 >/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close")
    pin_neighbours(engine)


def pin_neighbours(engine):
    """Else a knock before a container is there has its bridge look for it in vain, and on
    engines before 28 it goes on doing so for most of a second after it has come."""
    pin = "ip neighbour replace {} lladdr {} dev {} nud permanent"
    engine.net("sh", "-ec", "\n".join(pin.format(way.address, way.mac, BRIDGES[way.network])
                                      for way in (*WAYS, GATE) if way.address))  # fmt: skip


def pinned(engine):
    said = json.loads(engine.net("ip", "-4", "-json", "neighbour", "show", "nud", "permanent"))
    same(sorted((way["dst"], way["lladdr"], way["dev"]) for way in said),
         sorted((way.address, way.mac, BRIDGES[way.network])
                for way in (*WAYS, GATE) if way.address), "what bridges know")  # fmt: skip


def halt(engine, how):
    """End the engine; returns what starts it again. Its root is memory, gone with the last
    process in there: so its successor is there before it goes. Where init is slow to reap, that
    would take the containerd which died with the engine for one that lives."""
    state = pathlib.Path(engine.socket).parent
    old = int((state / "pid").read_text())
    command = pathlib.Path(f"/proc/{old}/cmdline").read_text().split("\0")[:-1]
    ours = f"netguard-lab-{engine.name}/engine/cgroup.procs"
    groups = pathlib.Path("/sys/fs/cgroup")
    (group,) = [*groups.glob(ours), *groups.glob(f"*/{ours}")]
    script = ('echo; read -r _; rm -f /run/docker/containerd/*.pid; '
              'exec "$@" >>/lab/log 2>&1')  # fmt: skip
    successor = subprocess.Popen(
        ["nsenter", f"--target={old}", "--mount", "--net", "--root", "--wd", "env", "-i",
         "PATH=/usr/sbin:/usr/bin", "HOME=/root",
         "sh", "-c", script, "sh", *command],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)  # fmt: skip
    group.write_text(str(successor.pid))
    successor.stdout.readline()  # it is inside
    ended = os.pidfd_open(old)
    os.kill(old, how)
    select.select([ended], [], [])
    os.close(ended)
    for left in "pid", "docker.sock":
        (state / left).unlink(missing_ok=True)

    def boot():
        successor.stdin.write(b"\n")
        successor.stdin.close()
        successor.stdout.close()

    return boot


def answers_api(engine):
    with contextlib.suppress(OSError):
        return engine.api("/version")


class Container:
    """Answers on a port, whoever asks, from when it is there till it is removed."""

    def __init__(self, engine, name, way, labels=None):
        self.engine, self.name, self.way, self.pid = engine, name, way, 0
        host = {"Binds": ["/lab/knock:/knock:ro"], "RestartPolicy": {"Name": "always"},
                "NetworkMode": way.network}  # fmt: skip
        self.body = {"Image": "lab", "Entrypoint": ["/knock"], "Cmd": ["answer", str(way.port)],
                     "StopSignal": "KILL", "Labels": labels or {}, "HostConfig": host}  # fmt: skip
        if way.published:
            address, port = way.published
            self.body["ExposedPorts"] = {f"{way.port}/tcp": {}}
            host["PortBindings"] = {f"{way.port}/tcp": [{"HostIp": address, "HostPort": str(port)}]}
        if way.address:
            self.body["MacAddress"] = way.mac
        if way.network == "data":
            ipam = {"IPAMConfig": {"IPv4Address": way.address}}
            self.body["NetworkingConfig"] = {"EndpointsConfig": {way.network: ipam}}

    def create(self):
        tell(self.engine, "POST", f"/containers/create?name={self.name}", self.body)

    def remove(self):
        tell(self.engine, "DELETE", f"/containers/{self.name}?force=1")

    def tell(self, what):
        tell(self.engine, "POST", f"/containers/{self.name}/{what}")

    def __enter__(self):
        self.create()
        return self

    def __exit__(self, *_):
        self.remove()

    def answers(self):
        """Another process than before does, asked in its own network."""
        with contextlib.suppress(OSError):  # it ended again, or the engine has yet to begin
            told = self.engine.api(f"/containers/{self.name}/json")
            pid, networks = told["State"]["Pid"], told["NetworkSettings"]["Networks"]
            if pid in (0, self.pid) or not ask(f"/proc/{pid}/ns/net", "127.0.0.1", self.way.port):
                return False
            self.pid = pid
            same([at["IPAddress"] for at in networks.values()], [self.way.address], "address")
            return True

    def answered(self):
        until(self.answers, f"{self.name} answers")

    def started(self, since):
        """When it was, by the engine's word; once since then."""
        now, filters = time.time(), {"container": [self.name], "event": ["start"]}
        told = self.engine.api(f"/events?filters={urllib.parse.quote(json.dumps(filters))}"
                               f"&since={since:.6f}&until={now:.6f}")  # fmt: skip
        return told["timeNano"] / 1e9 - now + time.monotonic()


class Containers:
    """Several, started all at once by each of the ways that containers start."""

    def __init__(self, engine, containers):
        self.engine, self.containers = engine, containers
        self.pool = concurrent.futures.ThreadPoolExecutor(len(containers))

    def __enter__(self):
        self.all(Container.create)
        return self

    def __exit__(self, *_):
        self.all(Container.remove)
        self.pool.shutdown()

    def all(self, action, *arguments):
        return list(self.pool.map(lambda at: action(at, *arguments), self.containers))

    def answered(self):
        self.all(Container.answered)
        pinned(self.engine)

    def started(self, since):
        """When the container behind each place was."""
        events = zip(self.containers, self.all(Container.started, since))
        return {place: event for container, event in events for place in container.way.places}

    def start(self):
        self.all(Container.tell, "start")

    def run(self):
        self.all(Container.remove)
        self.all(Container.create)
        self.start()

    def restart(self):
        self.all(Container.tell, "restart")

    def stop_and_start(self):
        self.all(Container.tell, "stop")
        self.start()

    def crash(self):
        """Their restart policy starts them."""
        for container in self.containers:
            os.kill(container.pid, signal.SIGKILL)

    def engine_restarts(self, how=signal.SIGTERM):
        boot = halt(self.engine, how)
        pin_neighbours(self.engine)
        boot()
        until(lambda: answers_api(self.engine), "the API answers")

    def engine_crashes(self):
        self.engine_restarts(signal.SIGKILL)


# -- the guard -----------------------------------------------------------------------------------


class Guard:
    """netguard's table, as `apply` makes it."""

    sees_by_itself = False

    def __init__(self, engine, policy, folder):
        self.engine, self.policy, self.folder = engine, policy, pathlib.Path(folder)
        self.file = self.folder / "policy.yaml"
        self.file.write_text(policy.text)

    def __enter__(self):
        self.begin()
        return self

    def __exit__(self, *_):
        self.end()
        done = netguard("remove", netns=self.engine.host)
        same((done.returncode, self.table()), (0, ""), f"status, table ({done.stderr})")

    def begin(self):
        self.see()

    def end(self):
        """From here on it is not told what starts."""

    def see(self):
        """It learns what has started."""
        done = self.engine.netguard("apply", "--policy", self.file)
        same(done.returncode, 0, f"status of apply ({done.stderr})")

    def table(self):
        """As text; empty where there is none."""
        return self.engine.net("sh", "-c", "nft list table inet netguard 2>/dev/null || :")


class Daemon(Guard):
    """netguard's table, as `run` keeps it."""

    sees_by_itself = True

    def begin(self):
        count = self.followed()
        with open(self.folder / "log", "a", encoding="utf-8") as log:
            self.child = subprocess.Popen(
                ["nsenter", f"--net={self.engine.host}", NETGUARD, "run", "--policy", self.file,
                 "--docker", f"unix://{self.engine.socket}"], stderr=log,
                env={**os.environ, "RUNTIME_DIRECTORY": str(self.folder),
                     "STATE_DIRECTORY": str(self.folder)})  # fmt: skip
        try:
            until(lambda: self.followed() > count, "the engine is followed")
        except BaseException:
            self.child.kill()
            raise

    def end(self, how=signal.SIGTERM):
        self.child.send_signal(how)
        try:
            return self.child.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            raise

    def see(self):
        pass

    def log(self):
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def followed(self):
        return self.log().count("followed")


GUARDS = {"run": Daemon, "apply": Guard}
