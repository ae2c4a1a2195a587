#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_run.py [OLD_KERNEL]   `netguard run` on a host without an engine

    OLD_KERNEL  a netguard that finds the kernel unable to keep a table without its owner
                (default: build/tests/netguard_old_kernel)
    NETGUARD    the binary (default: build/netguard)

An outside host and this one, in namespaces; this test is systemd to the daemon. Needs root,
iproute2 and nftables. Prints TAP.
"""
import array
import contextlib
import ctypes
import datetime
import json
import os
import re
import select
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(HERE, "../../build")
FAKE_ENGINE = os.path.join(HERE, "../lab/fake-engine")
NETGUARD = os.path.abspath(os.environ.get("NETGUARD", f"{BUILD}/netguard"))
OLD_KERNEL = os.path.abspath(sys.argv[1] if sys.argv[1:] else f"{BUILD}/tests/netguard_old_kernel")
NAME = f"netguard-run-{os.getpid()}"
HOST, OUT = "198.51.100.1", "198.51.100.2"
HOST6, OUT6 = "2001:db8::1", "2001:db8::2"
PATIENCE_S = 20
POLICY = """
version: 1
mode: {mode}
rules:
  - {{id: no-stores, deny: [{ports}], action: block}}
default: allow
"""
NFNLGRP_NFTABLES, NETLINK_NETFILTER, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 7, 12, 270, 1
NEWTABLE, DELTABLE = 0xA00, 0xA02
REPAIRS, FLOOD_S = 20, 2
# A sanitizer keeps for a while what was freed.
ROOM_KIB = 1 << 20 if "ASAN_OPTIONS" in os.environ else 8192
LIBC, CLONE_NEWNET = ctypes.CDLL(None), 0x40000000


def run(*command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **more)  # fmt: skip
    assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}: {done.stdout}"
    return done.stdout


def inside(place, *command):
    return ["nsenter", f"--net=/run/netns/{NAME}-{place}", *command]


def nft(*words):
    return run(*inside("host", "nft", *words))


def tables():
    return nft("list", "tables").split("\n")[:-1]


def elements(name):
    """Of a set, as nft lists them."""
    listing = nft("list", "set", "inet", "netguard", name)
    return listing.partition("elements = {")[2].partition("}")[0].strip()


def ports():
    return nft("list", "map", "inet", "netguard", "ports_tcp_public")


def enter(file):
    assert LIBC.setns(file.fileno(), CLONE_NEWNET) == 0


@contextlib.contextmanager
def home(place):
    """A socket that is made in here belongs to that namespace."""
    with open("/proc/thread-self/ns/net", "rb") as before, \
            open(f"/run/netns/{NAME}-{place}", "rb") as there:  # fmt: skip
        enter(there)
        try:
            yield
        finally:
            enter(before)


def reaches(port, wait_s=0.4, host=HOST):
    with home("out"):
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    with sock:
        sock.settimeout(wait_s)
        return sock.connect_ex((host, port)) == 0


def until(condition, what, patience_s=PATIENCE_S):
    """How long it took."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < patience_s, f"{what}: not within {patience_s} s"
        time.sleep(0.005)
    return time.monotonic() - begin


def same(got, want, what):
    assert got == want, f"{what}: {got!r}, expected {want!r}"


class Systemd:
    """The part of it that the daemon talks to."""

    def __init__(self, folder):
        self.path = f"{folder}/notify"
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.sock.settimeout(PATIENCE_S)
        self.kept = None  # the descriptor in its store
        self.said = []

    def close(self):
        self.sock.close()
        self.drop()

    def drop(self):
        if self.kept is not None:
            os.close(self.kept)
        self.kept = None

    def forget(self):
        """What one that is gone has said."""
        while select.select([self.sock], [], [], 0)[0]:
            self.sock.recv(4096)

    def hear(self):
        data, rest, _, _ = self.sock.recvmsg(4096, socket.CMSG_SPACE(4))
        fields = dict(line.split("=", 1) for line in data.decode().splitlines())
        for _, _, content in rest:
            fds = array.array("i")
            fds.frombytes(content)
            same((fields.get("FDSTORE"), fields.get("FDNAME"), fields.get("FDPOLL")),
                 ("1", "guard", "0"), "what comes with a descriptor")  # fmt: skip
            self.drop()
            self.kept = fds[0]
        self.said.append(fields)
        return fields

    def await_word(self, key, value="1"):
        while (fields := self.hear()).get(key) != value:
            pass
        return fields


@contextlib.contextmanager
def fake_engine(world, *more, name="engine"):
    """Tells of a container web-0, which publishes port 20000."""
    endpoint = f"unix://{world.folder}/{name}.sock"
    with subprocess.Popen([FAKE_ENGINE, endpoint, *more], stdout=subprocess.PIPE,
                          text=True) as child:  # fmt: skip
        try:
            same(child.stdout.readline(), endpoint + "\n", "endpoint")
            yield endpoint
        finally:
            child.terminate()


class Daemon:
    def __init__(self, world, binary=NETGUARD, restored=False, engine=None, options=(), **more):
        env = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
        env |= {"NOTIFY_SOCKET": world.systemd.path, "RUNTIME_DIRECTORY": world.folder,
                "STATE_DIRECTORY": world.folder, "FDSTORE": "1", **more}  # fmt: skip
        command = inside("host", binary, "run", "--policy", world.policy, "--docker",
                         engine or f"unix://{world.folder}/none.sock",
                         "--metrics-file", world.metrics, *options)  # fmt: skip
        if restored:
            env |= {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "guard"}
            command = ["bash", "-c", f'exec 3<&{world.systemd.kept}; export LISTEN_PID=$$; '
                       'exec "$@"', "bash", *command]  # fmt: skip
        self.log = open(f"{world.folder}/log", "w+", encoding="utf-8")
        passed = [world.systemd.kept] if restored else []
        self.child = subprocess.Popen(command, env=env, stderr=self.log, pass_fds=passed)
        self.pid = self.child.pid
        self.world = world

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def wait(self):
        status = self.child.wait(PATIENCE_S)
        assert status in (0, 2, 3, -9), f"ended with {status}: {self.text()}"
        return status

    def cost(self):
        """CPU time in seconds, memory in KiB."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii", errors="replace") as stat, \
                open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as status:
            ticks = stat.read().rpartition(")")[2].split()[11:13]
            rss = next(line for line in status if line.startswith("VmRSS:"))
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"), int(rss.split()[1])

    def kill(self):
        self.child.kill()
        self.wait()

    def end(self):
        """Told to."""
        if self.child.poll() is None:
            self.child.terminate()
        same(self.wait(), 0, f"status ({self.text()})")

    def __enter__(self):
        """Once it is ready."""
        self.world.systemd.await_word("READY")
        return self

    def __exit__(self, *_):
        try:
            if self.child.poll() is None:
                self.end()
        finally:
            if self.child.poll() is None:
                self.child.kill()
            self.log.close()


class World:
    def __init__(self, folder):
        self.folder = folder
        self.policy = f"{folder}/policy.yaml"
        self.metrics = f"{folder}/netguard.prom"
        self.systemd = Systemd(folder)
        self.write()

    def write(self, mode="enforce", denied="6379", text=None):
        with open(self.policy, "w", encoding="ascii") as file:
            file.write(text or POLICY.format(mode=mode, ports=denied))

    def netguard(self, *words):
        done = subprocess.run(inside("host", NETGUARD, *words), text=True, capture_output=True,
                              check=False, env={**os.environ, "RUNTIME_DIRECTORY": self.folder})
        return done.returncode, done.stdout, done.stderr

    def status(self):
        """As it is told, with the exit status that belongs to it."""
        status, out, error = self.netguard("status", "--format", "json")
        assert out, error
        state = json.loads(out)
        fault = (not state["complete"] or state["guard"]["error"]
                 or state["policy"]["reload_error"])  # fmt: skip
        same(status, 1 if state["summary"]["open"] else 3 if fault else 0, f"status ({out})")
        return state

    def metric(self, name):
        with open(self.metrics, encoding="utf-8") as file:
            (line,) = [line for line in file if line.startswith(f"netguard_{name} ")]
        return line.split()[1]

    def reset(self):
        self.systemd.drop()
        self.systemd.forget()
        self.write()
        same(self.netguard("remove")[0], 0, "status of remove")
        nft("flush", "ruleset")


# -- tests ---------------------------------------------------------------------------------------


def a_bad_policy_touches_nothing(world):
    world.write(text="version: 1\nrulez: []\n")
    daemon = Daemon(world)
    same(daemon.wait(), 2, "status")
    assert "policy.yaml:2:1" in daemon.text(), daemon.text()
    same(tables(), [], "tables")


def in_force_before_it_is_ready(world):
    with Daemon(world) as daemon:
        os.kill(daemon.pid, signal.SIGSTOP)
        found = tables()
        os.kill(daemon.pid, signal.SIGCONT)
        same(found, ["table inet netguard"], "tables when it said READY")
        assert "6379" in ports(), ports()
        assert not reaches(6379)


def others_cannot_take_it_away(world):
    with Daemon(world) as daemon:
        state = world.status()
        same((state["schema"], state["pid"]), ("netguard.status/1", daemon.pid), "status")
        same([state["guard"][key] for key in ("installed", "hold", "persist", "kept_by_systemd")],
             [True, "own", True, True], "guard")  # fmt: skip
        same(world.metric("guard_in_force"), "1", "metric")
        nft("flush", "ruleset")
        same(tables(), ["table inet netguard"], "tables after a flush")
        apply = ["apply", "--policy", world.policy]
        for command in ["remove"], [*apply, "--force"], [*apply, "--for", "5m"]:
            status, _, error = world.netguard(*command)
            assert status == 3 and f"process {daemon.pid}" in error, (status, error)
        second = Daemon(world)
        same(second.wait(), 3, "status of a second daemon")
        assert f"process {daemon.pid}" in second.text(), second.text()
        status, out, _ = world.netguard("status")
        assert status == 0 and "in force, owned" in out, out


def status_says_how_it_is_held(world):
    for mode, binary, room, words, loads in (
            ("enforce", NETGUARD, "1", "in force, owned: nobody else can change it, systemd keeps",
             False),
            ("enforce", NETGUARD, "0", "in force, owned: nobody else can change it as long as net",
             False),
            ("enforce", OLD_KERNEL, "1", "in force, owned by nobody: put back where others", True),
            ("monitor", NETGUARD, "1", "not installed\n", True)):  # fmt: skip
        world.write(mode=mode)
        with Daemon(world, binary, FDSTORE=room):
            told = world.netguard("status")[1]
            assert f"\nguard: {words}" in told, told
            same("  to save the ruleset: " in told, not loads, f"advice ({told})")
        world.systemd.drop()


def killed_and_kept_by_systemd(world):
    with Daemon(world) as daemon:
        assert world.systemd.kept is not None, "no descriptor was given to systemd"
        daemon.kill()
    same(world.netguard("status")[0], 3, "status of status when it is dead")
    nft("flush", "ruleset")
    same(tables(), ["table inet netguard"], "tables after a flush")
    before = ports()
    world.write(denied="6379, 9000")
    with Daemon(world, restored=True):
        same(world.status()["guard"]["hold"], "own", "hold of the next")
        assert "9000" in ports() and "9000" not in before, ports()
        nft("flush", "ruleset")
        same(tables(), ["table inet netguard"], "tables after another flush")


def killed_and_left_behind(world):
    with Daemon(world) as daemon:
        world.systemd.drop()
        daemon.kill()
    same(tables(), ["table inet netguard"], "tables when it is dead")
    assert not reaches(6379)
    nft("add", "element", "inet", "netguard", "to4_public", "{ tcp . 172.17.0.2 . 6379 }")
    with Daemon(world):
        same(world.status()["guard"]["hold"], "own", "hold of the next")
        time.sleep(0.3)
        same(elements("to4_public"), "tcp . 172.17.0.2 . 6379", "what was allowed")
        nft("flush", "ruleset")
        same(tables(), ["table inet netguard"], "tables after a flush")


def taken_over_from_apply(world):
    same(world.netguard("apply", "--policy", world.policy)[0], 0, "status of apply")
    nft("add", "element", "inet", "netguard", "to4_public", "{ tcp . 172.17.0.2 . 6379 }")
    with Daemon(world):
        same(world.status()["guard"]["hold"], "own", "hold")
        same(elements("to4_public"), "tcp . 172.17.0.2 . 6379", "what was allowed")


def stays_when_it_is_told_to_end(world):
    with Daemon(world) as daemon:
        pass
    assert daemon.world.systemd.await_word("STOPPING")
    world.systemd.drop()
    same(tables(), ["table inet netguard"], "tables")
    status, out, error = world.netguard("status")
    assert (status, out) == (3, "") and "no daemon runs" in error, (status, out, error)


class Gaps(threading.Thread):
    """How long the table was away each time, as the kernel tells of it."""

    def __init__(self):
        super().__init__(daemon=True)
        self.found, self.begin = [], 0
        with home("host"):
            self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self.sock.bind((0, 0))
        self.sock.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)
        self.sock.settimeout(PATIENCE_S)

    def run(self):
        while len(self.found) < REPAIRS:
            data, at = self.sock.recv(65536), time.monotonic()
            while data:
                length, kind = struct.unpack_from("=IH", data)
                data = data[(length + 3) & ~3:]  # fmt: skip
                if kind == DELTABLE:
                    self.begin = at
                elif kind == NEWTABLE and self.begin:
                    self.found.append(at - self.begin)
                    self.begin = 0


def put_back_on_an_old_kernel(world):
    with Daemon(world, OLD_KERNEL):
        same(world.status()["guard"]["hold"], "free", "hold")
        assert world.systemd.kept is None, "a socket that owns nothing is kept"
        gaps = Gaps()
        gaps.start()
        for _ in range(REPAIRS):
            nft("flush", "ruleset")
            until(lambda: tables() == ["table inet netguard"], "it is put back", 1)
            time.sleep(0.02)
        gaps.join(PATIENCE_S)
        gaps.sock.close()
        ms = sorted(1000 * s for s in gaps.found)
        same(len(ms), REPAIRS, "repairs")
        print(f"# gone for {ms[0]:.1f} / {statistics.median(ms):.1f} / {ms[-1]:.1f} ms")
        assert statistics.median(ms) < 100, ms
        nft("flush", "chain", "inet", "netguard", "input")
        until(lambda: not reaches(6379, 0.05) and "goto" in nft("list", "chain", "inet", "netguard",
                                                                "input"),
              "a change of it is taken back", 1)  # fmt: skip


def reloads(world):
    with Daemon(world) as daemon:
        world.write(denied="6379, 9000")
        os.kill(daemon.pid, signal.SIGHUP)
        assert int(world.systemd.await_word("RELOADING")["MONOTONIC_USEC"]) > 0
        world.systemd.await_word("READY")
        assert "9000" in ports(), ports()
        world.write(text="version: 1\nmode: enfarce\n")
        os.kill(daemon.pid, signal.SIGHUP)
        world.systemd.await_word("RELOADING")
        said = world.systemd.await_word("READY")
        assert "enfarce" in said["STATUS"] or "policy.yaml:2:7" in said["STATUS"], said
        until(lambda: world.status()["policy"]["reload_error"], "status tells of it")
        until(lambda: world.metric("policy_reload_failed") == "1", "metrics tell of it")
        assert "9000" in ports(), ports()
        assert "not reloaded" in daemon.text(), daemon.text()
        world.write()
        os.kill(daemon.pid, signal.SIGHUP)
        world.systemd.await_word("READY")
        assert "9000" not in ports(), ports()
        until(lambda: not world.status()["policy"]["reload_error"], "status forgets it")


# Stands in for sshd: has a connection that somebody is logged in by.
SSHD = """
import socket, sys
with open("/proc/self/comm", "w") as name:
    name.write("sshd")
server = socket.create_server(("::", 2200), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
peer = server.accept()[0]
sys.stdin.read()
"""


def keeps_who_is_logged_in(world):
    """A policy that would cut off who may be about to load it is not loaded."""
    locks_out = POLICY.format(mode="enforce", ports="2200").replace(
        "], action", "], to: {host: {}}, action")
    with Daemon(world) as daemon, subprocess.Popen(
            inside("host", sys.executable, "-c", SSHD), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True) as sshd:  # fmt: skip
        same(sshd.stdout.readline(), "ready\n", "the server")
        with home("out"), socket.create_connection((HOST, 2200)) as client:
            port = client.getsockname()[1]
            world.write(text=locks_out)
            os.kill(daemon.pid, signal.SIGHUP)
            world.systemd.await_word("RELOADING")
            said = world.systemd.await_word("READY")["STATUS"]
            assert f"from {OUT} port {port} to {HOST} port 2200" in said, said
            until(lambda: world.status()["policy"]["reload_error"], "status tells of it")
            assert "2200" not in ports() and "6379" in ports(), ports()
        sshd.kill()
        sshd.wait(PATIENCE_S)
        os.kill(daemon.pid, signal.SIGHUP)  # nobody is logged in
        world.systemd.await_word("RELOADING")
        world.systemd.await_word("READY")
        assert "2200" in ports() and "6379" not in ports(), ports()


def lets_own_listeners_be(world):
    with Daemon(world):
        time.sleep(0.5)
        assert not reaches(6379)
        with home("host"):
            server = socket.create_server((HOST, 6379))
        with server:
            took = until(lambda: reaches(6379, 0.1), "it is reachable", 3)
            print(f"# reachable after {took:.2f} s")
            assert took < 2.5, took


def repeats_no_alert_where_the_journal_has_it(world):
    """To a daemon whose stderr is the journal's, alerts are lines of it only if it is asked to."""
    with open(f"{world.folder}/log", "a", encoding="utf-8") as log:
        status = os.fstat(log.fileno())
    stream = f"{status.st_dev}:{status.st_ino}"
    for options, journal_stream, lines in (
            ([], stream, 0), ([], f"{status.st_dev}:1", 1),
            (["--foreground"], stream, 1)):  # fmt: skip
        with Daemon(world, options=options, JOURNAL_STREAM=journal_stream) as daemon:
            os.kill(daemon.pid, signal.SIGHUP)
            world.systemd.await_word("RELOADING")
            world.systemd.await_word("READY")
            same(daemon.text().count("reload-succeeded: policy"), lines, f"lines with {options}")
        world.systemd.drop()


def follows_the_mode(world):
    same(world.netguard("apply", "--policy", world.policy)[0], 0, "status of apply")
    world.write(mode="monitor")
    with Daemon(world) as daemon:
        same(tables(), [], "tables in mode monitor")
        assert "taken away" in daemon.text(), daemon.text()
        assert reaches(6379) is False  # nobody listens, but the answer comes at once
        same(world.status()["policy"]["mode"], "monitor", "mode")
        same(world.status()["guard"]["installed"], False, "installed")
        world.write()
        os.kill(daemon.pid, signal.SIGHUP)
        world.systemd.await_word("READY")
        same(tables(), ["table inet netguard"], "tables in mode enforce")
        until(lambda: world.status()["guard"]["hold"] == "own", "status tells of it")
        world.write(mode="monitor")
        os.kill(daemon.pid, signal.SIGHUP)
        world.systemd.await_word("READY")
        same(tables(), [], "tables in mode monitor again")


def leaves_a_table_of_others_alone(world):
    nft("add", "table", "inet", "netguard")
    daemon = Daemon(world)
    same(daemon.wait(), 3, "status")
    assert "is not ours" in daemon.text(), daemon.text()
    same(tables(), ["table inet netguard"], "tables")
    nft("flush", "ruleset")


def feeds_the_watchdog(world):
    with Daemon(world, WATCHDOG_USEC="400000"):
        for _ in range(3):
            world.systemd.await_word("WATCHDOG")


def tells_who_knocks(world):
    """Of either family and protocol, and at whose door; a flood of knocks costs the daemon no more
    than a few."""
    world.write(text=POLICY.format(mode="enforce", ports="6379, 20000").replace("default", """
  - {id: 7.odd-id_x, deny: [7000-7099/udp], action: block}
default"""))
    with fake_engine(world) as engine, Daemon(world, engine=engine) as daemon:
        until(lambda: "followed" in daemon.text(), "the engine is followed")
        for _ in range(3):
            assert not reaches(6379, 0.05) and not reaches(6379, 0.05, HOST6)
        assert not reaches(20000, 0.05)
        cpu_s, rss_kib = daemon.cost()
        nft("add table inet came; add chain inet came seen { type filter hook prerouting priority "
            "-400; }; add rule inet came seen udp dport 7000-7099 counter")
        sent = flood(range(7000, 7100), FLOOD_S)
        os.kill(daemon.pid, signal.SIGHUP)
        took_s = until(lambda: world.systemd.hear().get("READY") == "1", "it reads the policy")
        cpu_s, rss_kib = (now - then for now, then in zip(daemon.cost(), (cpu_s, rss_kib)))
        print(f"# {sent / FLOOD_S:.0f} packets/s: {cpu_s:.2f} s of CPU, {rss_kib} KiB, "
              f"reload {took_s:.2f} s")
        assert cpu_s < 1 and rss_kib < ROOM_KIB and took_s < 2, (cpu_s, rss_kib, took_s)

        def dropped():
            return {rule["rule"]: rule["packets"] for rule in world.status()["guard"]["dropped"]}

        def came():  # the link loses what it has no room for while others are at work
            return int(nft("list", "chain", "inet", "came", "seen").split("packets ")[1].split()[0])

        until(lambda: dropped()["7.odd-id_x"] == came(), "each is counted")
        assert dropped()["no-stores"] >= 7 and came() > sent / 2, (dropped(), came(), sent)
        for rule, source, target, port in (
                ("no-stores", OUT, HOST, "6379/tcp"), ("no-stores", OUT6, HOST6, "6379/tcp"),
                ("no-stores", OUT, f"web-0, {HOST}", "20000/tcp"),
                ("7.odd-id_x", OUT, HOST, "7000/udp")):  # fmt: skip
            line = f"rule {rule}: kept {source} out of {target} port {port}, at least "
            until(lambda line=line: line in daemon.text(), line)
        same(daemon.text().count("rule no-stores: kept"), 3, "lines about it")
        assert daemon.text().count("rule 7.odd-id_x: kept") <= 100, daemon.text()


def keeps_up_with_events(world):
    """10,000 a second of an engine, after one of 10 MB, and it does what it is told."""
    with fake_engine(world, "--events", "10000") as engine, Daemon(world, engine=engine) as daemon:
        until(lambda: "followed" in daemon.text(), "the engine is followed")
        cpu_s, rss_kib = daemon.cost()
        time.sleep(FLOOD_S)
        os.kill(daemon.pid, signal.SIGHUP)
        took_s = until(lambda: world.systemd.hear().get("READY") == "1", "it reads the policy")
        cpu_s, rss_kib = (now - then for now, then in zip(daemon.cost(), (cpu_s, rss_kib)))
        seen = world.status()["counters"]
        print(f"# {seen['engine_events']} events, {seen['refreshes']} refreshes, {cpu_s:.2f} s of "
              f"CPU, {rss_kib} KiB, reload {took_s:.2f} s")
        assert seen["engine_events"] > 5000 * FLOOD_S * 0.8 and took_s < 2, (seen, took_s)
        assert "away" not in daemon.text() and rss_kib < ROOM_KIB, (daemon.text(), rss_kib)


def flood(ports, seconds):
    """10,000 datagrams a second; how many in all."""
    with home("out"):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        begin, count = time.monotonic(), 0
        while (now := time.monotonic() - begin) < seconds:
            while count < now * 10000:
                sock.sendto(b"x", (HOST, ports[count % len(ports)]))
                count += 1
            time.sleep(0.002)
    return count


def does_without_knocks(world):
    """Another program listens to what is logged."""
    with home("host"):
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    with sock:  # NFULNL_MSG_CONFIG with NFULNL_CFG_CMD_BIND
        sock.send(struct.pack("=IHHII BBH HHB3x", 28, 0x401, 5, 1, 0, 0, 0, socket.htons(4789),
                              5, 1, 1))  # fmt: skip
        same(struct.unpack_from("=i", sock.recv(4096), 16), (0,), "answer")
        with Daemon(world) as daemon:
            told = world.status()["guard"]["knocks_error"]
            assert f"NFLOG group 4789: process {sock.getsockname()[0]} listens to it" in told, told
            assert told in daemon.text() and told in world.netguard("status")[1]
            assert not reaches(6379, 0.1)


def ends_an_exception(world):
    """At midnight, by a clock that this netguard sees so far ahead."""
    world.write(text=POLICY.format(mode="enforce", ports="6379").replace(
        "], action", "], to: {host: {}}, action") + """
exceptions:
  - {rule: no-stores, to: {host: {process: "python*"}}, until: 2098-12-31, reason: "ticket"}
  - {rule: no-stores, to: {host: {process: "other"}}, until: 2098-12-30, reason: "over"}
  - {rule: no-stores, to: {host: {process: "another"}}, until: 2099-06-30, reason: "later"}
""")
    with home("host"):
        server = socket.create_server((HOST, 6379))
    midnight = datetime.datetime(2099, 1, 1, tzinfo=datetime.timezone.utc).timestamp()
    end = time.time() + 2
    with server, fake_engine(world) as engine, \
            Daemon(world, OLD_KERNEL, engine=engine, AHEAD_S=str(int(midnight - end))) as daemon:
        assert reaches(6379), daemon.text()
        while reaches(6379):
            assert time.time() < end + 3, daemon.text()
            time.sleep(0.05)  # nobody accepts them
        late_s = time.time() - end - 0.4
        print(f"# closed {late_s:.2f} s after its end")
        assert -0.5 < late_s < 3, late_s
        same(daemon.text().count("an exception has ended"), 1, "it says so")
        assert not reaches(6379)


def judges_anew_what_an_engine_told(world):
    """What an engine had open stays open while it is away, but not against another policy."""
    deny = "{id: web, deny: [20000], action: block}"
    ours = "{id: ours, allow: [\"@any\"], to: {name: \"web-*\"}}"
    policy = "version: 1\nmode: enforce\nrules: [{}]\n"
    world.write(text=policy.format(f"{ours}, {deny}"))
    with Daemon(world, engine=f"unix://{world.folder}/engine.sock") as daemon:
        with fake_engine(world):
            until(lambda: elements("asked_tcp_public"), "the container is let in")
        until(lambda: "away" in daemon.text(), "the engine is missed")
        os.kill(daemon.pid, signal.SIGHUP)  # so that all is looked at again
        world.systemd.await_word("RELOADING")
        world.systemd.await_word("READY")
        assert elements("asked_tcp_public"), daemon.text()
        world.write(text=policy.format(deny))
        os.kill(daemon.pid, signal.SIGHUP)
        world.systemd.await_word("RELOADING")
        world.systemd.await_word("READY")
        same(elements("asked_tcp_public"), "", "who is let in")


def with_one_of_two_engines_away_the_other_counts(world):
    """What its containers have open is over once it tells so; that of the other one stays."""
    world.write(text="version: 1\nrules: [{id: web, deny: [80-89]}]\n")
    for words in ("link add docker0 type bridge", "link set docker0 up",
                  "addr add 172.17.0.1/16 dev docker0"):  # fmt: skip
        run("ip", "-n", f"{NAME}-host", *words.split())
    run(*inside("host", "sysctl", "-qw", "net.ipv4.ip_forward=1"))
    nft("add table ip nat; add chain ip nat prerouting { type nat hook prerouting priority -100; }")
    for port, target in (20001, "172.17.0.3:80"), (20002, "172.17.0.2:82"):
        nft(f"add rule ip nat prerouting tcp dport {port} dnat to {target}")

    def told(daemon, what):
        return sorted(int(port) for port in re.findall(rf"{what}: .*port (2000[12])", daemon.text()))

    with fake_engine(world, "--ports", "3", name="other") as other:
        with fake_engine(world, "--containers", "2") as engine, \
                contextlib.ExitStack() as stack:  # fmt: skip
            daemon = stack.enter_context(Daemon(world, engine=engine, options=["--docker", other]))
            until(lambda: told(daemon, "opened") == [20001, 20002], "what both have open")
            stack = stack.pop_all()
    with stack:
        until(lambda: daemon.text().count("away") >= 2, "both engines are missed")
        with fake_engine(world, name="other"):
            until(lambda: told(daemon, "resolved") == [20002], "what the other one had is over")
        with fake_engine(world):
            until(lambda: told(daemon, "resolved") == [20001, 20002], "what this one had is over")
    run("ip", "-n", f"{NAME}-host", "link", "del", "docker0")


TESTS = [a_bad_policy_touches_nothing, in_force_before_it_is_ready, others_cannot_take_it_away,
         status_says_how_it_is_held, killed_and_kept_by_systemd, killed_and_left_behind,
         taken_over_from_apply, stays_when_it_is_told_to_end, put_back_on_an_old_kernel, reloads,
         repeats_no_alert_where_the_journal_has_it, keeps_who_is_logged_in, lets_own_listeners_be,
         follows_the_mode, leaves_a_table_of_others_alone, feeds_the_watchdog, tells_who_knocks,
         keeps_up_with_events, does_without_knocks, ends_an_exception,
         judges_anew_what_an_engine_told,
         with_one_of_two_engines_away_the_other_counts]  # fmt: skip


def build(stack):
    for place in "host", "out":
        run("ip", "netns", "add", f"{NAME}-{place}")
        stack.callback(run, "ip", "netns", "del", f"{NAME}-{place}")
        run("ip", "-n", f"{NAME}-{place}", "link", "set", "lo", "up")
    run("ip", "-n", f"{NAME}-host", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0",
        "netns", f"{NAME}-out")  # fmt: skip
    for place, addr, addr6 in ("host", HOST, HOST6), ("out", OUT, OUT6):
        run("ip", "-n", f"{NAME}-{place}", "addr", "add", f"{addr}/24", "dev", "eth0")
        run("ip", "-n", f"{NAME}-{place}", "addr", "add", f"{addr6}/64", "dev", "eth0", "nodad")
        run("ip", "-n", f"{NAME}-{place}", "link", "set", "eth0", "up")


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return 0
    for number in signal.SIGTERM, signal.SIGHUP:  # so that all is taken down
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    failed = 0
    print(f"1..{len(TESTS)}")
    with contextlib.ExitStack() as stack:
        world = World(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.callback(world.systemd.close)
        build(stack)
        for number, test in enumerate(TESTS, 1):
            name = test.__name__.replace("_", " ")
            try:
                test(world)
                world.reset()
                print(f"ok {number} - {name}", flush=True)
            except (AssertionError, OSError, ValueError, subprocess.SubprocessError) as reason:
                failed += 1
                print(f"not ok {number} - {name}")
                for line in f"{type(reason).__name__}: {reason}"[:3000].splitlines():
                    print(f"# {line}", flush=True)
                with contextlib.suppress(AssertionError):
                    world.reset()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
