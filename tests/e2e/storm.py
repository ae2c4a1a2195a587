#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""storm.py [--events N] [--seed S]: the guard under a real systemd, while others take the rules
away, engines restart and the daemon is killed, in an order drawn from the seed.

Outside, somebody connects to every denied door without a pause, and connections that are allowed
exchange bytes all the time. Nothing gets through a denied door: outside no handshake, and not one
TCP segment leaves for the container behind it. An allowed connection ends only where the same act
ends it without a guard, which is tried first, or where its own container is ended."""
import argparse
import collections
import contextlib
import datetime
import random
import socket
import sys
import time

from booted import DENIED, GATE, LATE, PROXIED, STORE, Booted
from doors import SETTLE_S, Knock, until
from lab import HOST4, Tap, inside, same
from traffic import Leaving, Talks
from window import figures

# How often of 50 times.
KINDS = {
    Booted.flush_ruleset: 9, Booted.iptables_flush: 6, Booted.iptables_restore: 9,
    Booted.ufw_reload: 2, Booted.restart_engine_live: 3, Booted.restart_engine: 2,
    Booted.kill: 6, Booted.kill_and_flush: 6, Booted.reload: 7,
}  # fmt: skip
OTHERS = [Booted.flush_ruleset, Booted.iptables_flush, Booted.ufw_reload,
          Booted.restart_engine_live]  # fmt: skip
OURS = [Booted.kill, Booted.reload]  # in which nobody but the guard changes
KILLS = [Booted.kill, Booted.kill_and_flush]
QUICK = [Booted.flush_ruleset, Booted.iptables_flush, Booted.iptables_restore, *OURS,
         Booted.kill_and_flush]  # fmt: skip

PAUSE_S = 1.0  # for which an allowed connection may stand still while only the guard changes
WITHOUT_STORE = 15  # events
STOPPED_S = 2.5  # each second the daemon looks whether a stopped engine is back
STARTS = 3


def nothing(found, what):
    if found:
        raise AssertionError("\n".join([f"{what}:", *found]))


def closed(knock, leaving):
    """And has been, since it was last asked."""
    time.sleep(SETTLE_S)
    nothing([f"{came.handshakes} at {place.name}" for place, came in knock.forget().items()
             if came.handshakes], "got through")  # fmt: skip
    nothing([what for _, what in leaving.look()], "segments that left for the store")


def answers(host, port):
    with inside(host.out):
        sock = socket.socket()
    with sock, contextlib.suppress(OSError):
        sock.settimeout(0.05)
        sock.connect((HOST4, port))
        sock.sendall(b"?")
        return sock.recv(1) != b""
    return False


# -- the storm -----------------------------------------------------------------------------------


def deck(kinds, events, rng):
    """So many events, of each kind its share, in a random order."""
    weights = [KINDS[kind] for kind in kinds]
    cards = [kind for kind, weight in zip(kinds, weights)
             for _ in range(events * weight // sum(weights))]  # fmt: skip
    cards += rng.choices(kinds, weights, k=events - len(cards))
    rng.shuffle(cards)
    return cards


def may_end(kind, name, ends):
    """Whether this event ends this connection whatever a guard does."""
    if kind is Booted.restart_engine:
        return name != "own"  # their containers end
    return name in ends.get(Booted.flush_ruleset if kind is Booted.kill_and_flush else kind, ())


class Log:
    """What came of the events of a storm."""

    def __init__(self, title):
        self.title, self.times = title, collections.defaultdict(list)  # by kind
        self.through, self.ended, self.pauses = [], [], [(0, "")]
        self.lost = []  # where a loss is expected: what came of it, by place
        self.stayed = []  # lost at a port that a rule names, with the daemon back
        self.knocks = self.unseen = 0

    def say(self):
        for kind, took in self.times.items():
            print(f"# {self.title}: {kind.__name__}: {len(took)} times, {figures(took)}")
        print(f"# {self.title}: {sum(map(len, self.times.values()))} events in "
              f"{sum(map(sum, self.times.values())):.1f} s, {self.knocks} knocks, {self.unseen} of "
              "them let in by docker-proxy at a port that no rule names, before it was seen; the "
              "longest pause of an allowed connection while only the guard changed: "
              f"{1000 * max(self.pauses)[0]:.0f} ms")  # fmt: skip


def trace(number, cards, host, begin, wall, came, segments):
    """The event at which something got through, and what is known of it."""
    return "\n".join([
        f"event {number}, {cards[number - 1].__name__}, policy {host.policy}, after "
        f"{', '.join(card.__name__ for card in cards[max(0, number - 4):number - 1])}:",
        *(f"{at.handshakes} at {place.name}, {1000 * (at.first_handshake - begin):.0f} to "
          f"{1000 * (at.last_handshake - begin):.0f} ms after it began"
          for place, at in came.items()),
        *(f"segment from {what}, {1000 * (at - begin):.0f} ms after" for at, what in segments[:9]),
        host.journal(wall)])  # fmt: skip


def storm(host, knock, leaving, talks, ends, cards, title, lossy=()):
    """Of the kinds in `lossy` it is expected that something gets through."""
    log, excused = Log(title), set()
    talks.all_flow()
    leaving.look()
    knock.forget()
    for number, kind in enumerate(cards, 1):
        flowing = talks.flowing(SETTLE_S)
        excused -= flowing
        policies, begin, wall = {host.policy}, time.monotonic(), time.time()
        kind(host)
        log.times[kind].append(time.monotonic() - begin)
        policies.add(host.policy)
        if kind in lossy:
            host.settle()
        said, segments = knock.forget(), leaving.look()
        log.knocks += sum(came.attempts for came in said.values())

        came = {place: at for place, at in said.items() if at.handshakes}
        named = "default: block" not in policies
        if PROXIED in came and not named:
            log.unseen += came.pop(PROXIED).handshakes
        if kind in lossy:
            log.lost.append(came)
            log.stayed += [f"event {number}: at {place.name}, "
                           f"{1000 * (at.last_handshake - host.back):.0f} ms after it was back"
                           for place, at in came.items()
                           if named and place.port == STORE and at.last_handshake > host.back]
        elif came or segments:
            log.through.append(trace(number, cards, host, begin, wall, came, segments))

        excused |= {name for name in talks.PORTS if may_end(kind, name, ends)}
        log.ended += [f"event {number}, {kind.__name__}: {name}: {why}"
                      for name, why in talks.end_broken().items() if name not in excused]
        if kind in OURS:
            log.pauses += [(talks.now[name].longest_pause(begin), f"event {number}: {name}")
                           for name in flowing & talks.now.keys()]  # fmt: skip
        if kind in (Booted.iptables_restore, Booted.restart_engine):
            talks.begin()
    log.say()
    return log


def with_store(tap, host, knock, leaving, talks, ends, cards):
    killed = host.killed
    log = storm(host, knock, leaving, talks, ends, cards, "storm")
    with tap.case(f"{len(cards)} events: nothing gets through a denied door"):
        nothing(log.through, "got through")
        same(log.knocks > len(cards), True, "knocked")
    with tap.case("allowed connections end and stand still by no act of the guard"):
        nothing(log.ended, "ended")
        nothing([what for pause, what in log.pauses if pause > PAUSE_S], f"for {PAUSE_S} s")
    with tap.case("and go on once others' rules are back"):
        host.iptables_restore()
        talks.all_flow()
        print(f"# {sum(len(talk.at) for talk in talks.all)} exchanges over {len(talks.all)} "
              "connections")  # fmt: skip
    with tap.case("the daemon was restarted when it was killed, and at no other time"):
        same(int(host.show("netguard", "NRestarts")), host.killed, "restarts")
        same(host.killed - killed, sum(card in KILLS for card in cards), "killed")
        same(host.status()["guard"]["error"], None, "faults")


def without_store(tap, host, knock, leaving, talks, ends, rng):
    """Expected: between `kill -9` and the take-over nobody owns the table, and a foreign `flush
    ruleset` at that time deletes it. What a rule names is lost until the next daemon has put it
    back, what only docker-proxy lets in until that daemon has asked the engine. Nothing else."""
    name = ("without systemd's store: lost is what comes between a kill with a flush and the "
            "daemon's return, and no more")  # fmt: skip
    with tap.case(name), host.drop_in("FileDescriptorStoreMax=0"):
        host.sh("sh", "-c", "systemctl stop netguard; systemctl start netguard")  # and not kept yet
        host.settle()
        same(host.status()["guard"]["kept_by_systemd"], False, "kept by systemd")
        cards = deck(QUICK, WITHOUT_STORE, rng)
        log = storm(host, knock, leaving, talks, ends, cards, "without the store",
                    lossy=[Booted.kill_and_flush])  # fmt: skip
        for place in dict.fromkeys(place for came in log.lost for place in came):
            lost = [came[place] for came in log.lost if place in came]
            print(f"# without the store: lost at {place.name}, {len(lost)} of {len(log.lost)} "
                  f"times: {sum(at.handshakes for at in lost)} connections, "
                  f"for {figures([at.last_handshake - at.first_handshake for at in lost])}")
        same(all(log.lost), True, "lost each time")
        nothing(log.stayed, "lost with the daemon back")
        nothing(log.through, "got through at other times")
        nothing(log.ended, "allowed connections that ended")


# -- the other cases -----------------------------------------------------------------------------


def boots(tap, host):
    with tap.case("the guard is in force before the engine begins"):
        ready = int(host.show("netguard", "ActiveEnterTimestampMonotonic"))
        begun = int(host.show("docker", "ExecMainStartTimestampMonotonic"))
        same(0 < ready < begun, True, f"ready at {ready}, begun at {begun}")
        same(host.show("netguard", "NFileDescriptorStore"), "1", "descriptors that systemd keeps")
        guard = host.status()["guard"]
        same([guard[key] for key in ("installed", "hold", "persist", "kept_by_systemd", "error")],
             [True, "own", True, True, None], "guard")  # fmt: skip


def stops(tap, host, knock):
    with tap.case("it stops, and the guard stays in force; remove takes it away"):
        host.sh("systemctl", "stop", "netguard")
        knock.forget()
        time.sleep(SETTLE_S)
        nothing([place.name for place, came in knock.forget().items() if came.handshakes], "open")
        host.sh("netguard", "remove")
        knock.answered(DENIED)


def without_a_guard(tap, host, knock, talks):
    """Returns which connections each act of others ends."""
    ends = {}
    with tap.case("without a guard: others end connections, and every door is open"):
        host.iptables_save()
        talks.all_flow()
        knock.forget()
        for act in OTHERS:
            act(host)
            time.sleep(SETTLE_S)  # for something to be sent
            host.iptables_restore()
            time.sleep(SETTLE_S)
            ends[act] = set(talks.end_broken())
            talks.all_flow()
        for act, names in ends.items():
            print(f"# without a guard {act.__name__} ends {', '.join(sorted(names)) or 'none'}")
        nothing([place.name for place, came in knock.said().items() if not came.answers], "closed")
    return ends


def begins(tap, host, knock):
    """Returns who sees what leaves for the store."""
    with tap.case("it begins, and what was open is closed"):
        leaving = Leaving(host)
        until(leaving.look, "some leave for the store")
        host.sh("systemctl", "start", "netguard")
        host.settle()
        leaving.look()
        knock.forget()
        closed(knock, leaving)
        return leaving


def opens(tap, host):
    with tap.case("an allowed container that is started opens"):
        took = []
        for _ in range(STARTS):
            host.begin_late()
            until(lambda: answers(host, LATE), "it opens")
            now = time.time()
            started = host.api("/containers/late/json")["State"]["StartedAt"]
            took.append(now - datetime.datetime.fromisoformat(started).timestamp())
            host.end_late()
        print(f"# open after the engine has started it: {figures(took)}")


def dead(tap, host, knock, leaving):
    with tap.case("killed: systemd keeps the guard, and what starts meanwhile stays closed"):
        host.settle()  # of a late one at this address it knows no more
        knock.forget()
        with host.drop_in("RestartSec=1h"):
            host.sh("systemctl", "kill", "-s", "KILL", "netguard")
            until(lambda: host.show("netguard", "SubState") == "auto-restart", "it is dead")
            host.flush_ruleset()
            host.iptables_restore()
            host.begin_late()
            time.sleep(SETTLE_S)
            same((answers(host, LATE), answers(host, GATE)), (False, True),
                 "open: the new one, the old one")  # fmt: skip
        begin = time.monotonic()
        until(lambda: answers(host, LATE), "it opens")
        print(f"# open {1000 * (time.monotonic() - begin):.0f} ms after the daemon is back")
        host.end_late()
        closed(knock, leaving)
        same(host.status()["guard"]["hold"], "own", "hold")


def hangs(tap, host, knock, leaving):
    with tap.case("a daemon that hangs is restarted by the watchdog"):
        knock.forget()
        with host.drop_in("WatchdogSec=500ms\nLimitCORE=0"):
            host.sh("systemctl", "restart", "netguard")
            old = host.status()["pid"]
            host.sh("systemctl", "kill", "-s", "STOP", "netguard")
            until(lambda: host.status()["pid"] != old, "another one runs")
            same(host.show("netguard", "NRestarts"), "1", "restarts")
        closed(knock, leaving)


def engine_stops(tap, host, knock, leaving):
    with tap.case("an engine that is stopped stays so, though its socket listens"):
        host.live_restore(False)
        host.begin_late()
        knock.forget()
        host.end_late()  # so that the daemon is about to ask the engine
        host.sh("systemctl", "stop", "docker.service")
        time.sleep(STOPPED_S)
        same((host.show("docker.service", "ActiveState"), host.show("docker.socket", "SubState")),
             ("inactive", "listening"), "states of the engine and its socket")  # fmt: skip
    with tap.case("as it starts, allowed containers open and denied ones do not"):
        begin = time.monotonic()
        host.sh("systemctl", "start", "docker.service")
        up = time.monotonic()
        until(lambda: answers(host, GATE), "the gate opens")
        print(f"# the engine was up after {up - begin:.1f} s, the gate open after "
              f"{time.monotonic() - begin:.1f} s")  # fmt: skip
        host.all_serve()
        host.settle()
        closed(knock, leaving)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(f"# seed {asked.seed}")
    rng, tap = random.Random(asked.seed), Tap()
    with Booted("storm") as host:
        boots(tap, host)
        host.begin_all()
        with Knock(host, [*DENIED, PROXIED]) as knock, Talks(host) as talks:
            stops(tap, host, knock)
            ends = without_a_guard(tap, host, knock, talks)
            leaving = begins(tap, host, knock)
            cards = deck(list(KINDS), asked.events, rng)
            with_store(tap, host, knock, leaving, talks, ends, cards)
            opens(tap, host)
            dead(tap, host, knock, leaving)
            hangs(tap, host, knock, leaving)
            engine_stops(tap, host, knock, leaving)
            without_store(tap, host, knock, leaving, talks, ends, rng)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
