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
import json
import os
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
NETGUARD = os.path.abspath(os.environ.get("NETGUARD", f"{BUILD}/netguard"))
OLD_KERNEL = os.path.abspath(sys.argv[1] if sys.argv[1:] else f"{BUILD}/tests/netguard_old_kernel")
NAME = f"netguard-run-{os.getpid()}"
HOST, OUT = "198.51.100.1", "198.51.100.2"
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
REPAIRS = 20
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


def reaches(port, wait_s=0.4):
    with home("out"):
        sock = socket.socket()
    with sock:
        sock.settimeout(wait_s)
        return sock.connect_ex((HOST, port)) == 0


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


class Daemon:
    def __init__(self, world, binary=NETGUARD, restored=False, **more):
        env = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
        env |= {"NOTIFY_SOCKET": world.systemd.path, "RUNTIME_DIRECTORY": world.folder,
                "FDSTORE": "1", **more}  # fmt: skip
        command = inside("host", binary, "run", "--policy", world.policy, "--docker",
                         f"unix://{world.folder}/none.sock")  # fmt: skip
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
        status, out, error = self.netguard("status", "--format", "json")
        same(status, 0, f"status of status ({error})")
        return json.loads(out)

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
        nft("flush", "ruleset")
        same(tables(), ["table inet netguard"], "tables after a flush")
        for command in ["remove"], ["apply", "--policy", world.policy, "--force"]:
            status, _, error = world.netguard(*command)
            assert status == 3 and f"process {daemon.pid}" in error, (status, error)
        second = Daemon(world)
        same(second.wait(), 3, "status of a second daemon")
        assert f"process {daemon.pid}" in second.text(), second.text()
        status, out, _ = world.netguard("status")
        assert status == 0 and "in force, owned" in out, out


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
        assert "9000" in ports(), ports()
        assert "not reloaded" in daemon.text(), daemon.text()
        world.write()
        os.kill(daemon.pid, signal.SIGHUP)
        world.systemd.await_word("READY")
        assert "9000" not in ports(), ports()
        until(lambda: not world.status()["policy"]["reload_error"], "status forgets it")


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
    with Daemon(world) as daemon:
        for _ in range(3):
            assert not reaches(6379, 0.05)
        until(lambda: world.status()["guard"]["dropped"][0]["packets"] >= 3, "status counts")
        said = f"rule no-stores: kept {OUT} out of {HOST} port 6379/tcp, at least "
        until(lambda: said in daemon.text(), "it is told")
        same(daemon.text().count("rule no-stores"), 1, "lines about it")


TESTS = [a_bad_policy_touches_nothing, in_force_before_it_is_ready, others_cannot_take_it_away,
         killed_and_kept_by_systemd, killed_and_left_behind, taken_over_from_apply,
         stays_when_it_is_told_to_end, put_back_on_an_old_kernel, reloads, lets_own_listeners_be,
         follows_the_mode, leaves_a_table_of_others_alone, feeds_the_watchdog,
         tells_who_knocks]  # fmt: skip


def build(stack):
    for place in "host", "out":
        run("ip", "netns", "add", f"{NAME}-{place}")
        stack.callback(run, "ip", "netns", "del", f"{NAME}-{place}")
        run("ip", "-n", f"{NAME}-{place}", "link", "set", "lo", "up")
    run("ip", "-n", f"{NAME}-host", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0",
        "netns", f"{NAME}-out")  # fmt: skip
    for place, addr in ("host", HOST), ("out", OUT):
        run("ip", "-n", f"{NAME}-{place}", "addr", "add", f"{addr}/24", "dev", "eth0")
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
