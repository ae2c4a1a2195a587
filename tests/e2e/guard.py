#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""guard.py 20|26|28: `netguard run` beside a real engine. What is allowed opens, what is denied
stays closed: as containers, the engine and the daemon itself start again."""
import contextlib
import datetime
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

from lab import HOST4, HOST6, NETGUARD, PATIENCE_S, SILENCE_S, Engine, Tap, ask, netguard, same
from window import ADDRESS, halt

POLICY = """\
version: 1
mode: enforce
rules:
  - {id: gate, allow: [6380], to: {label: {role: gate}}}
  - {id: store, deny: [6379, 6380, 7000], action: block}
default: allow
"""
GATE, STORE, HOSTED = 6380, 6379, 7000
DENIED = [(address, port) for address in (HOST4, HOST6) for port in (STORE, HOSTED)]


def until(condition, what):
    """How long it took, in ms."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > PATIENCE_S:
            raise AssertionError(f"{what}: not within {PATIENCE_S} s")
        time.sleep(0.002)
    return 1000 * (time.monotonic() - begin)


class Daemon:
    def __init__(self, engine, folder):
        self.engine, self.folder = engine, pathlib.Path(folder)
        (self.folder / "policy.yaml").write_text(POLICY)
        self.env = {**os.environ, "RUNTIME_DIRECTORY": folder}

    def start(self):
        command = ["nsenter", f"--net={self.engine.host}", NETGUARD, "run", "--policy",
                   self.folder / "policy.yaml", "--docker",
                   f"unix://{self.engine.socket}"]  # fmt: skip
        with open(self.folder / "log", "a", encoding="utf-8") as log:
            self.child = subprocess.Popen(command, env=self.env, stderr=log)

    def end(self, how=signal.SIGTERM):
        self.child.send_signal(how)
        self.child.wait(PATIENCE_S)
        return self.child.returncode

    def status(self):
        return json.loads((self.folder / "status.json").read_text())

    def log(self):
        return (self.folder / "log").read_text()


class Knocks:
    """Asks at one door without end, from outside."""

    def __init__(self, engine, address, port):
        self.ask = lambda: ask(engine.out, address, port, wait_s=SILENCE_S)
        self.answers, self.silences, self.over = 0, 0, False

    def __enter__(self):
        self.thread = threading.Thread(target=self.knock)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join()

    def knock(self):
        while not self.over:
            if self.ask():
                self.answers += 1
            else:
                self.silences += 1


def gate_answers(engine, address=HOST4):
    return ask(engine.out, address, GATE, wait_s=0.05) == "gate"


def started(engine, container):
    """When, by the engine's word; to be asked once it is."""
    state = engine.api(f"/containers/{container}/json")["State"]
    return datetime.datetime.fromisoformat(state["StartedAt"]).timestamp()


def closed(engine):
    engine.prove({place: None for place in DENIED})


def cycles(tap, engine, daemon):
    with tap.case("what is denied is closed and what is allowed opens, when the daemon starts"):
        for place in (HOST4, GATE), *DENIED:
            same(ask(engine.out, *place) is not None, True, f"open before, {place}")
        daemon.start()
        print(f"# allowed after {until(lambda: 'followed' in daemon.log(), 'followed'):.0f} ms")
        until(lambda: gate_answers(engine) and gate_answers(engine, HOST6), "the gate opens")
        closed(engine)
        status = daemon.status()
        same([e["connected"] for e in status["engines"]], [True], "engines connected")
        same((status["gaps"], status["guard"]["error"]), ([], None), "gaps and faults")

    for times in range(3):
        with tap.case(f"docker restart, {times + 1}: the gate opens, the store does not"):
            engine.docker("restart", "store", "hosted")
            restarting = threading.Thread(target=engine.docker, args=("restart", "gate"))
            restarting.start()
            until(lambda: not gate_answers(engine), "the gate is gone")
            until(lambda: gate_answers(engine), "the gate opens")
            took = time.time() - started(engine, "gate")
            restarting.join()
            print(f"# the gate answers {1000 * took:.0f} ms after the engine has started it")
            closed(engine)

    for how in "TERM", "KILL":
        with tap.case(f"the engine is restarted by {how}: the gate opens, the store does not"):
            count = daemon.log().count("followed")
            halt(engine, getattr(signal, "SIG" + how))()
            # Nobody knocks without an end here, and the container's address is its engine's choice.
            engine.net("ip", "neighbour", "del", ADDRESS, "dev", "docker0")
            until(lambda: daemon.log().count("followed") > count, "it is followed again")
            took = until(lambda: gate_answers(engine), "the gate opens")
            print(f"# the gate answers {took:.0f} ms after the engine is followed")
            closed(engine)


def without_a_break(tap, engine, daemon):
    for how in signal.SIGKILL, signal.SIGTERM:
        with tap.case(f"the daemon is restarted by {how.name}: no door opens or closes"), \
                Knocks(engine, HOST4, GATE) as gate, Knocks(engine, HOST4, STORE) as store, \
                Knocks(engine, HOST6, HOSTED) as hosted:  # fmt: skip
            for _ in range(3):
                time.sleep(0.1)
                daemon.end(how)
                time.sleep(0.1)
                count = daemon.log().count("followed")
                daemon.start()
                until(lambda: daemon.log().count("followed") > count, "the engine is followed")
            time.sleep(0.5)
            gate.__exit__()
            same((gate.silences, store.answers, hosted.answers), (0, 0, 0),
                 "silences at the gate, answers at the store and at the one on the host's network")
            print(f"# {gate.answers} answers at the gate")


def comes_and_goes(tap, engine, daemon):
    def table():
        return engine.net("nft", "list", "table", "inet", "netguard")

    with tap.case("what was allowed is closed again when its container goes"):
        address = engine.address("gate")
        same(address in table(), True, "it is in the table")
        engine.docker("rm", "-f", "gate")
        until(lambda: address not in table(), "it goes from the table")
    with tap.case("a container that comes opens"):
        gate(engine)
        took = until(lambda: gate_answers(engine), "the gate opens")
        print(f"# the gate answers {took:.0f} ms after it is seen to serve")


def gate(engine):
    engine.run("gate", "-p", f"{GATE}:{GATE}", "--label", "role=gate", "--restart", "always",
               "--stop-signal", "KILL", serve=(GATE,))  # fmt: skip


def main():
    tap = Tap()
    with Engine(*sys.argv[1:]) as engine, tempfile.TemporaryDirectory() as folder:
        gate(engine)
        engine.run("store", "-p", f"{STORE}:6379", "--restart", "always", "--stop-signal", "KILL",
                   serve=(6379,))  # fmt: skip
        engine.run("hosted", "--network", "host", "--restart", "always", "--stop-signal", "KILL",
                   serve=(HOSTED,))  # fmt: skip
        daemon = Daemon(engine, folder)
        try:
            cycles(tap, engine, daemon)
            without_a_break(tap, engine, daemon)
            comes_and_goes(tap, engine, daemon)
            with tap.case("it ends, and remove takes the guard away"):
                same(daemon.end(), 0, "status of run")
                same(netguard("remove", netns=engine.host).returncode, 0, "status of remove")
                same(gate_answers(engine) and ask(engine.out, HOST4, STORE), "store", "the store")
        finally:
            with contextlib.suppress(ProcessLookupError):
                daemon.child.kill()
            print("# " + daemon.log().replace("\n", "\n# ")[-4000:])
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
