#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_soak.py [--minutes M] [--seed N]   `netguard run` grows by nothing, whatever goes on

    --minutes   of churn (default: 0.1); six hold 3,500 changes of containers, 500 for each day of
                a week
    --seed      of the order in which things happen
    NETGUARD    the binary (default: build/netguard)

Containers come and go, rules, links and policies change, an engine is lost and found, doors are
knocked at: in an order drawn at random, and at the end all is as it was. Then the daemon holds as
much anonymous memory as it did after a first part of the same, and as many descriptors and threads.
Needs root, iproute2, nftables and iptables-nft. Prints TAP.
"""
import argparse
import collections
import contextlib
import importlib.machinery
import importlib.util
import json
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from test_run import FAKE_ENGINE, HOST, NAME, Daemon, World, build, home, inside, nft, run, until

CONTAINERS, MANY, DOORS, CONNECTIONS = 20, 150, 64, 6
WARM_UP_S, SETTLE_S, SAMPLES_S = 4, 2, 1
GROWTH_KIB = 1024
POLICY = """
version: 1
mode: enforce
rules:
  - {{id: closed, deny: [6379, 20000-20009], action: block}}
  - {{id: alerted, deny: [{alerted}]}}
default: allow
"""


def load(path):
    loader = importlib.machinery.SourceFileLoader("fake_engine", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("fake_engine", loader))
    loader.exec_module(module)
    return module


FAKE = load(FAKE_ENGINE)


class Handler(FAKE.Handler):
    def setup(self):
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self):
        self.server.connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def do_GET(self):
        if "/events" not in self.path:
            super().do_GET()
            return
        told = queue.SimpleQueue()
        self.server.followers.append(told)
        self.head()
        self.wfile.flush()
        while (line := told.get()) is not None:
            with contextlib.suppress(OSError):
                self.chunk(line)
                self.wfile.flush()
        self.close_connection = True


class Engine:
    """Its containers change while it runs, and it tells of that."""

    def __init__(self, path):
        self.path, self.server = path, None
        self.network = FAKE.network("bridge", "bridge", {
            "com.docker.network.bridge.name": "docker0",
            "com.docker.network.bridge.default_bridge": "true"})  # fmt: skip
        self.answers = FAKE.answers(0, 1, "ok", False)
        self.containers = {}  # by number
        self.begin()

    def begin(self):
        self.server = FAKE.server_for(f"unix://{self.path}")
        self.server.RequestHandlerClass = Handler
        self.server.mode, self.server.at, self.server.answers = "ok", "containers", self.answers
        self.server.connections, self.server.followers = set(), []
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()
        os.unlink(self.path)
        for told in self.server.followers:
            told.put(None)
        for connection in list(self.server.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def tell(self, action, container):
        self.answers["/containers/json"] = json.dumps(list(self.containers.values())).encode()
        line = json.dumps({"Type": "container", "Action": action, "Actor": {
            "ID": container["Id"], "Attributes": {"name": container["Names"][0][1:]}}})  # fmt: skip
        for told in self.server.followers:
            told.put(line.encode() + b"\n")

    def start(self, number, generation, ports=1):
        one = FAKE.container(number, ports, "default", self.network)
        one["Id"] = FAKE.identity(f"container {number} of generation {generation}")
        self.containers[number] = one
        self.tell("start", one)

    def stop(self, number):
        self.tell("die", self.containers.pop(number))

    def rename(self, number, name):
        self.containers[number]["Names"] = [f"/{name}"]
        self.tell("rename", self.containers[number])


class Churn:
    """What may happen. All of it is undone in the end."""

    def __init__(self, world, engine, daemon, seed):
        self.world, self.engine, self.daemon = world, engine, daemon
        self.random = random.Random(seed)
        self.done = collections.Counter()
        self.rules, self.links, self.closed = set(), set(), set()
        self.many = False
        for number in range(CONTAINERS):
            engine.start(number, 0)
        nft("add table ip other; add chain ip other some { type filter hook forward priority 5; }")

    def container(self):
        number = self.random.randrange(CONTAINERS)
        kind = self.random.choice(("stop", "recreate", "rename"))
        if number not in self.engine.containers:
            self.engine.start(number, self.random.random())
        elif kind == "stop":
            self.engine.stop(number)
        elif kind == "rename":
            self.engine.rename(number, f"web-{number}" + self.random.choice(("", "-new")))
        else:
            self.engine.stop(number)
            self.engine.start(number, self.random.random())

    def rule(self):
        port = self.random.randrange(1000, 1100)
        if port in self.rules:
            nft("flush chain ip other some")
            self.rules.clear()
        else:
            nft(f"add rule ip other some tcp dport {port} drop")
            self.rules.add(port)

    def door(self):
        """By iptables, to a container."""
        port = 80 + self.random.randrange(DOORS)
        run(*inside("host", "iptables-nft", "-D" if port in self.closed else "-I", "FORWARD",
                    "-p", "tcp", "--dport", str(port), "-j", "DROP"))  # fmt: skip
        self.closed ^= {port}

    def link(self):
        name = f"br{self.random.randrange(8)}"
        run("ip", "-n", f"{NAME}-host", "link", *(("del", name) if name in self.links else
                                                  ("add", name, "type", "bridge")))  # fmt: skip
        self.links ^= {name}

    def policy(self):
        """The last is none."""
        alerted = self.random.choice(('"20010-20019"', '"20000-30000"', '"1-'))
        self.world.write(text=POLICY.format(alerted=alerted))
        os.kill(self.daemon.pid, signal.SIGHUP)

    def findings(self):
        """As many at once as a container has ports."""
        if self.many:
            self.engine.stop(CONTAINERS)
        else:
            self.engine.start(CONTAINERS, self.random.random(), MANY)
        self.many = not self.many

    def engine_away(self):
        self.engine.end()
        time.sleep(self.random.random() / 2)
        self.engine.begin()

    def knock(self):
        with home("out"):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock, home("out"):
            for _ in range(self.random.randrange(20)):
                with socket.socket() as client:
                    client.setblocking(False)
                    client.connect_ex((HOST, 6379))

    def undo(self):
        """With connections to the engine that are all as old."""
        self.engine_away()
        for number in range(CONTAINERS):
            if number in self.engine.containers:
                self.engine.stop(number)
            self.engine.start(number, 0)
        if not self.many:
            self.findings()
        nft("flush chain ip other some")
        for port in self.closed:
            run(*inside("host", "iptables-nft", "-D", "FORWARD", "-p", "tcp", "--dport", str(port),
                        "-j", "DROP"))  # fmt: skip
        for name in self.links:
            run("ip", "-n", f"{NAME}-host", "link", "del", name)
        for of in self.rules, self.links, self.closed:
            of.clear()
        self.world.write(text=POLICY.format(alerted='"20000-30000"'))
        os.kill(self.daemon.pid, signal.SIGHUP)

    def go_on(self, seconds):
        often = {self.container: 20, self.rule: 10, self.door: 10, self.link: 4, self.policy: 2,
                 self.findings: 3, self.knock: 4, self.engine_away: 1}  # fmt: skip
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            (what,) = self.random.choices(list(often), often.values())
            what()
            self.done[what.__name__] += 1
            time.sleep(self.random.random() / 20)
        self.undo()
        until(lambda: self.engine.server.followers, "the engine is followed")
        time.sleep(SETTLE_S)


def hear(systemd):
    """Or the daemon would wait for that."""
    systemd.sock.settimeout(None)
    with contextlib.suppress(OSError):
        while True:
            systemd.hear()


def held(pid, engine):
    """KiB of anonymous memory, descriptors and threads; the least of some time, for each look at
    the world takes some of all. Without connections to the engine: how many are kept for the next
    look is chance."""
    found, end = [], time.monotonic() + SAMPLES_S
    while time.monotonic() < end:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            fields = dict(line.split(":", 1) for line in file)
        connections = len(engine.server.connections)
        assert connections <= CONNECTIONS, f"{connections} connections to the engine"
        descriptors = len(os.listdir(f"/proc/{pid}/fd")) - connections
        found.append((int(fields["RssAnon"].split()[0]), descriptors, int(fields["Threads"])))
        time.sleep(0.02)
    return tuple(map(min, zip(*found)))


def soak(world, minutes, seed):
    world.write(text=POLICY.format(alerted='"20000-30000"'))
    engine = Engine(f"{world.folder}/engine.sock")
    with Daemon(world, engine=f"unix://{engine.path}", STATE_DIRECTORY=world.folder) as daemon:
        threading.Thread(target=hear, args=(world.systemd,), daemon=True).start()
        churn = Churn(world, engine, daemon, seed)
        churn.go_on(WARM_UP_S)
        before = held(daemon.pid, engine)
        churn.done.clear()
        churn.go_on(60 * minutes)
        after = held(daemon.pid, engine)
        assert daemon.child.poll() is None, daemon.text()
        told = json.loads(world.netguard("status", "--format", "json")[1])
    print(f"# seed {seed}: {dict(churn.done)}")
    print(f"# {told['counters']}")
    print("# {} KiB, {} descriptors, {} threads; before {}, {}, {}".format(*after, *before))
    engine.end()
    assert after[0] - before[0] <= GROWTH_KIB, f"memory: {before[0]} KiB, then {after[0]} KiB"
    assert after[1:] == before[1:], f"descriptors and threads: {before[1:]}, then {after[1:]}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return 0
    for number in signal.SIGTERM, signal.SIGHUP:  # so that all is taken down
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    print("1..1")
    with contextlib.ExitStack() as stack:
        world = World(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.callback(world.systemd.close)
        build(stack)
        try:
            soak(world, options.minutes, options.seed)
        except (AssertionError, OSError, ValueError, subprocess.SubprocessError) as reason:
            print("not ok 1 - nothing grows")
            for line in f"{type(reason).__name__}: {reason}"[:3000].splitlines():
                print(f"# {line}", flush=True)
            return 1
        print("ok 1 - nothing grows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
