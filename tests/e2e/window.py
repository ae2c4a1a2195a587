#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""window.py --engine 20|26|28 [--starts N] [--guard apply|run]: is there a moment at which a
container that starts can be reached from outside?

Without a guard: how long before the engine tells of its start, and how long before the engine's
API answers where the engine itself starts: so much too late is a firewall that waits to be told.
With one: however a container starts, nobody gets in; and one that is allowed opens."""
import argparse
import contextlib
import dataclasses
import http.client
import itertools
import json
import os
import pathlib
import queue
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import types
import urllib.parse

from lab import HOST4, HOST6, NETGUARD, PATIENCE_S, Engine, Tap, ask, inside, netguard, same

ADDRESS, MAC = "172.17.0.2", "02:42:ac:11:00:02"  # of the one container on the default bridge
SETTLE_S = 0.15  # knocked on after a container has begun to answer
# How long before or after its start event an open container answers at most. Where its bridge
# has yet to find its neighbour, it seems closed for 700 ms and more, guarded or not.
PROMPT_S = 0.5
SEEN_S = 3  # what nobody can be certain of is closed by then
GATE_STARTS = 3


@dataclasses.dataclass
class Place:
    """Where the outside host knocks."""

    address: str
    port: int
    forwarded: bool = True  # else a socket of the host takes it
    until: int = 99  # the last engine that leaves it open

    @property
    def name(self):
        return f"{self.address}:{self.port}"


ROUTE = Place(ADDRESS, 6379, until=27)
WAYS = {
    "-p 6379:6379": [Place(HOST4, 6379), Place(HOST6, 6379, forwarded=False), ROUTE],
    "-p 16379:6379": [Place(HOST4, 16379), Place(HOST6, 16379, forwarded=False), ROUTE],
    "-p 127.0.0.1:6379:6379": [Place("127.0.0.1", 6379, until=27), ROUTE],
    "--network host": [Place(HOST4, 6379, forwarded=False), Place(HOST6, 6379, forwarded=False)],
}
GATE = "-p 6380:6380", [Place(HOST4, 6380), Place(HOST6, 6380, forwarded=False)]


@dataclasses.dataclass
class Policy:
    text: str
    closed: tuple = ()  # options of a container that must stay closed
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
  - {id: store, deny: [6379, 6380], action: block}
default: allow
""", named=(6379, 6380)),
    "deny with `to`": Policy("""\
version: 1
mode: enforce
rules:
  - {id: gate, allow: [6380], to: {name: gate}}
  - {id: store, deny: [6379, 6380], to: {label: {tier: data}}, action: block}
default: allow
""", closed=("--label", "tier=data"), named=(6379, 6380)),
    "default: block": Policy("""\
version: 1
mode: enforce
rules:
  - {id: gate, allow: [6380], to: {label: {role: gate}}}
default: block
"""),
}  # fmt: skip


def until(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {PATIENCE_S} s")
        time.sleep(0.002)


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

    def said(self):
        """What came of it since it was last asked, beside each place."""
        print(file=self.child.stdin, flush=True)
        lines = [json.loads(self.child.stdout.readline()) for _ in self.places]
        return [(place, types.SimpleNamespace(**line)) for place, line in zip(self.places, lines)]

    forget = said


def not_overrun(engine):
    """Nothing was dropped for want of room, and so looked closed."""
    head, *rows = engine.net("cat", "/proc/net/stat/nf_conntrack").splitlines()
    columns = zip(head.split(), zip(*(row.split() for row in rows)))
    counts = {name: sum(int(n, 16) for n in column) for name, column in columns}
    same((counts["drop"], counts["early_drop"]), (0, 0), "dropped by connection tracking")


# -- the engine ----------------------------------------------------------------------------------


def prepare(engine):
    state = pathlib.Path(engine.socket).parent  # which is /lab where the engine runs
    shutil.copy(pathlib.Path(NETGUARD).parent / "tests" / "knock", state)
    engine.outside("ip", "route", "add", "172.16.0.0/12", "via", HOST4)
    engine.net("sh", "-c", "echo 1 >/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close")
    pin_neighbour(engine)


def pin_neighbour(engine):
    """Else a knock before the container is there has the bridge look for it in vain, and on
    engines before 28 it goes on doing so for most of a second after it has come."""
    engine.net("ip", "neighbour", "replace", ADDRESS, "lladdr", MAC, "dev", "docker0",
               "nud", "permanent")  # fmt: skip


def neighbour(engine):
    return engine.net("ip", "neighbour", "show", ADDRESS, "dev", "docker0").split()[1:]


def start_events(engine):
    """When the engine told of each start, as a queue that fills while the engine lives."""
    told = queue.SimpleQueue()
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(engine.socket)
    asked = http.client.HTTPConnection("engine")
    asked.sock = sock
    filters = json.dumps({"type": ["container"], "event": ["start"]})
    asked.request("GET", f"/events?filters={urllib.parse.quote(filters)}")
    answer = asked.getresponse()

    def listen():
        with contextlib.suppress(OSError, http.client.HTTPException):
            for _ in answer:
                told.put(time.monotonic())

    threading.Thread(target=listen, daemon=True).start()
    return told


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
        pin_neighbour(engine)
        successor.stdin.write(b"\n")
        successor.stdin.close()
        successor.stdout.close()

    return boot


class Container:
    """Answers on a port; created, and started by each of the ways that containers start."""

    def __init__(self, engine, name, way, *options, port=6379):
        self.engine, self.name, self.pid, self.port = engine, name, 0, port
        self.network = () if "host" in way else ("--mac-address", MAC)
        self.command = ("--name", name, *way.split(), *self.network, *options,
                        "--restart", "always", "--stop-signal", "KILL",
                        "-v", "/lab/knock:/knock:ro", "--entrypoint", "/knock",
                        "lab", "answer", str(port))  # fmt: skip

    def __enter__(self):
        self.engine.docker("create", *self.command)
        return self

    def __exit__(self, *_):
        self.engine.docker("rm", "-f", self.name)

    def answers(self):
        """Another process than before does, asked in its own network."""
        with contextlib.suppress(OSError):  # it ended again, or the engine has yet to begin
            pid = self.engine.api(f"/containers/{self.name}/json")["State"]["Pid"]
            if pid not in (0, self.pid) and ask(f"/proc/{pid}/ns/net", "127.0.0.1", self.port):
                self.pid = pid
                return True
        return False

    def started(self):
        until(self.answers, f"{self.name} answers")
        if self.network:
            same((self.engine.address(self.name), neighbour(self.engine)),
                 (ADDRESS, ["lladdr", MAC, "PERMANENT"]), "address, what its bridge knows of it")
        time.sleep(SETTLE_S)

    def start(self):
        self.engine.docker("start", self.name)

    def kill(self):
        """By its user: it stays down."""
        self.engine.docker("kill", self.name)

    def run(self):
        self.engine.docker("rm", "-f", self.name)
        self.engine.docker("run", "-d", *self.command)

    def restart(self):
        self.engine.docker("restart", self.name)

    def stop_and_start(self):
        self.engine.docker("stop", self.name)
        self.start()

    def crash(self):
        """Its restart policy starts it."""
        os.kill(self.pid, signal.SIGKILL)

    def engine_restarts(self):
        halt(self.engine, signal.SIGTERM)()

    def engine_crashes(self):
        halt(self.engine, signal.SIGKILL)()


STARTS = [Container.run, Container.restart, Container.engine_restarts, Container.stop_and_start,
          Container.crash, Container.engine_crashes]  # fmt: skip


# -- without a guard -----------------------------------------------------------------------------


def leads(engine, said, event):
    """How long before an event each place was open: (its name, by handshakes, by answers). All
    are that this engine leaves open."""
    for place, came in said:
        is_open = engine.version <= place.until
        same((came.handshakes > 0, came.answers > 0), (is_open, is_open),
             f"handshakes and answers at {place.name}")  # fmt: skip
        if is_open:
            yield place.name, event - came.first_handshake, event - came.first_answer


def say_leads(way, event, rows):
    for place in dict.fromkeys(place for place, _, _ in rows):
        _, handshakes, answers = zip(*(row for row in rows if row[0] == place))
        print(f"# {way}: {place} before {event}: answer {figures(answers)}, "
              f"handshake {figures(handshakes)}", flush=True)  # fmt: skip


def starts_unguarded(tap, engine, starts):
    for way, places in WAYS.items():
        with tap.case(f"{way}: {starts} starts, open from outside at once"), \
                Container(engine, "store", way) as container, \
                Knock(engine, places) as knock:  # fmt: skip
            told, rows = start_events(engine), []
            for _ in range(starts):
                knock.forget()
                container.start()
                event = told.get(timeout=PATIENCE_S)
                container.started()
                rows += leads(engine, knock.said(), event)
                container.kill()
            say_leads(way, "the start event", rows)
            same([row for row in rows if abs(row[2]) > PROMPT_S], [],
                 "answers that do not come with the start")  # fmt: skip


def boots_unguarded(tap, engine, boots):
    way = "-p 6379:6379"
    with tap.case(f"{way}: {boots} boots of the engine, open from outside at once"), \
            Container(engine, "store", way) as container, \
            Knock(engine, WAYS[way]) as knock:  # fmt: skip
        container.start()
        container.started()
        before_api, before_event = [], []
        for _ in range(boots):
            boot = halt(engine, signal.SIGTERM)
            knock.forget()
            begin = time.time()
            boot()
            until(lambda: answers_api(engine), "the API answers")
            api = time.monotonic()
            container.started()
            said = knock.said()
            started = engine.docker("events", "--since", f"{begin:.6f}", "--until",
                                    f"{time.time():.6f}", "--filter", "event=start",
                                    "--format", "{{.TimeNano}}")  # fmt: skip
            event = int(started) / 1e9 - time.time() + time.monotonic()
            before_api += leads(engine, said, api)
            before_event += leads(engine, said, event)
        say_leads(way, "the API's first answer", before_api)
        say_leads(way, "the start event's own time", before_event)


def answers_api(engine):
    with contextlib.suppress(OSError):
        return engine.api("/version")


# -- with a guard --------------------------------------------------------------------------------


@contextlib.contextmanager
def guard(engine, how, policy):
    """netguard's table in force; yields what has it see what has started since."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file, contextlib.ExitStack() as stack:
        file.write(policy.text)
        file.flush()

        def in_force():
            return "table inet netguard" in engine.net("nft", "list", "tables")

        def see():
            if how == "apply":  # a daemon sees by itself
                done = engine.netguard("apply", "--policy", file.name)
                same(done.returncode, 0, f"status of apply ({done.stderr})")

        if how == "run":
            daemon = subprocess.Popen(
                ["nsenter", f"--net={engine.host}", NETGUARD, "run", "--policy", file.name,
                 "--docker", f"unix://{engine.socket}"])  # fmt: skip
            stack.callback(end, daemon)
            until(in_force, "the guard is in force")
        see()
        same(in_force(), True, "the guard is in force")
        yield see
        stack.close()
        done = netguard("remove", netns=engine.host)
        same((done.returncode, in_force()), (0, False), f"status, in force ({done.stderr})")


def end(daemon):
    daemon.terminate()
    try:
        daemon.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        daemon.kill()
        raise


def closed(tap, engine, policy, see, title, way, starts):
    """Not one connection succeeds, however it starts."""
    with tap.case(f"{title}: {way}: {len(starts)} starts, closed"), \
            Container(engine, "store", way, *policy.closed) as container, \
            Knock(engine, WAYS[way]) as knock:  # fmt: skip
        leaks, handshakes, answers = [], [], []
        for start in starts:
            start(container)
            container.started()
            see()
            heard = list(until_silent(knock))
            for place in knock.places:
                came = [came for at, came in heard if at is place and came.handshakes]
                answered = [at for at in came if at.answers]
                if came and policy.certain(place):
                    leaks.append((start.__name__, place.name, bool(answered)))
                elif came:
                    handshakes.append(came[-1].last - came[0].first_handshake)
                    if answered:
                        answers.append(answered[-1].last - answered[0].first_answer)
        for what, windows in ("handshakes", handshakes), ("answers", answers):
            if windows:
                print(f"# {title}: {way}: {what} until it is seen, {len(windows)} times: "
                      f"{figures(windows)}")  # fmt: skip
        same(leaks, [], "start, place and whether it was answered")


def until_silent(knock):
    """What came of all the knocks till nothing came of any."""
    deadline = time.monotonic() + SEEN_S
    while time.monotonic() < deadline:
        time.sleep(SETTLE_S)
        said = knock.said()
        same([place.name for place, came in said if not came.attempts], [], "not knocked at")
        yield from said
        if not any(came.handshakes for _, came in said):
            return
    raise AssertionError(f"still open after {SEEN_S} s: "
                         f"{[place.name for place, came in said if came.handshakes]}")  # fmt: skip


def opened(tap, engine, see, title):
    """Who is allowed gets what it is allowed."""
    way, places = GATE
    with tap.case(f"{title}: {way}: allowed, opens"), \
            Container(engine, "gate", way, "--label", "role=gate", port=6380) as container, \
            Knock(engine, places) as knock:  # fmt: skip
        told, delays = start_events(engine), {place.name: [] for place in places}
        for _ in range(GATE_STARTS):
            knock.forget()
            container.start()
            event = told.get(timeout=PATIENCE_S)
            see()
            container.started()
            for place, came in knock.said():
                same(came.answers > 0, True, f"{place.name} answers")
                delays[place.name].append(came.first_answer - event)
            container.kill()
        for place, seconds in delays.items():
            print(f"# {title}: {place} after the start event: answer {figures(seconds)}")


def guarded(tap, engine, how, starts):
    each = -(-starts // (len(POLICIES) * len(WAYS)))
    turns = itertools.cycle(STARTS)
    for title, policy in POLICIES.items():
        with guard(engine, how, policy) as see:
            for way in WAYS:
                ours = [Container.run, *itertools.islice(turns, each - 1)]
                closed(tap, engine, policy, see, title, way, ours)
            opened(tap, engine, see, title)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", required=True)
    parser.add_argument("--starts", type=int, default=50)
    parser.add_argument("--guard", choices=["apply", "run"])
    asked = parser.parse_args()
    tap = Tap()
    with Engine(asked.engine) as engine:
        prepare(engine)
        if asked.guard:
            guarded(tap, engine, asked.guard, asked.starts)
        else:
            starts_unguarded(tap, engine, asked.starts)
            boots_unguarded(tap, engine, asked.starts)
        with tap.case("connection tracking had room for all"):
            not_overrun(engine)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
