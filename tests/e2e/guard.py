#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""guard.py 20|26|28: `netguard run` beside a real engine. What is allowed opens, what is denied
stays closed: as containers, the engine and the daemon itself start again."""
import json
import signal
import sys
import tempfile
import threading
import time

from doors import (GATE, POLICIES, SETTLE_S, WAYS, Container, Containers, Daemon, Knock, prepare,
                   until)  # fmt: skip
from lab import HOST4, SILENCE_S, Engine, Tap, ask, netguard, same

STORE, HOSTED = WAYS[0], WAYS[3]
# An engine 28 that is asked to end waits for five seconds till nobody follows its events.
ENDS = {20: (signal.SIGTERM, signal.SIGKILL)}


class Asked:
    """Asks at the gate without end, from outside."""

    def __init__(self, engine):
        self.engine, self.answers, self.silences, self.over = engine, 0, 0, False

    def __enter__(self):
        self.thread = threading.Thread(target=self.ask)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join()

    def ask(self):
        while not self.over:
            if ask(self.engine.out, HOST4, GATE.port, wait_s=SILENCE_S):
                self.answers += 1
            else:
                self.silences += 1


def opens(gate):
    gate.forget()
    gate.answered(GATE.places)


def stays_closed(denied):
    time.sleep(SETTLE_S)
    until(lambda: all(came.attempts for came in denied.said().values()), "knocked at each")
    same([place.name for place, came in denied.forget().items() if came.handshakes], [], "open")


def begins(tap, daemon, gate, denied):
    with tap.case("what is denied is closed and what is allowed opens, when the daemon starts"):
        denied.answered(denied.places)
        daemon.begin()
        opens(gate)
        denied.forget()
        stays_closed(denied)
        status = json.loads((daemon.folder / "status.json").read_text())
        same([e["connected"] for e in status["engines"]], [True], "engines connected")
        same((status["gaps"], status["guard"]["error"]), ([], None), "gaps and faults")


def starts_again(tap, engine, daemon, containers, gate, denied):
    with tap.case("containers are restarted: the gate opens, the others do not"):
        containers.restart()
        containers.answered()
        opens(gate)
        stays_closed(denied)
    for how in ENDS.get(engine.version, (signal.SIGKILL,)):
        with tap.case(f"the engine is restarted by {how.name}: the gate opens, the others do not"):
            count = daemon.followed()
            containers.engine_restarts(how)
            until(lambda: daemon.followed() > count, "it is followed again")
            containers.answered()
            opens(gate)
            stays_closed(denied)


def without_a_break(tap, engine, daemon, denied):
    for how in signal.SIGKILL, signal.SIGTERM:
        with tap.case(f"the daemon is restarted by {how.name}: no door opens or closes"):
            with Asked(engine) as asked:
                for _ in range(3):
                    daemon.end(how)
                    time.sleep(0.05)
                    daemon.begin()
                stays_closed(denied)
            same(asked.silences, 0, "silences at the gate")
            print(f"# {asked.answers} answers at the gate")


def ends(tap, engine, daemon, denied):
    with tap.case("it ends, and remove takes the guard away"):
        same(daemon.end(), 0, "status of run")
        stays_closed(denied)
        same(netguard("remove", netns=engine.host).returncode, 0, "status of remove")
        denied.answered(denied.places)


def main():
    tap = Tap()
    with Engine(*sys.argv[1:]) as engine, tempfile.TemporaryDirectory() as folder:
        prepare(engine)
        doors = [place for way in (STORE, HOSTED) for place in way.places
                 if engine.version <= place.until]  # fmt: skip
        daemon = Daemon(engine, POLICIES["deny"], folder)
        containers = Containers(engine, [
            Container(engine, "gate", GATE, {"role": "gate"}),
            Container(engine, "store", STORE), Container(engine, "hosted", HOSTED)])  # fmt: skip
        with containers, Knock(engine, GATE.places) as gate, Knock(engine, doors) as denied:
            containers.start()
            containers.answered()
            try:
                begins(tap, daemon, gate, denied)
                starts_again(tap, engine, daemon, containers, gate, denied)
                without_a_break(tap, engine, daemon, denied)
                ends(tap, engine, daemon, denied)
            finally:
                daemon.end(signal.SIGKILL)
                print("# " + daemon.log().replace("\n", "\n# ")[-4000:])
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
