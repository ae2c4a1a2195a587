#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""window.py --engine 20|26|28 [--unguarded N] [--run N] [--apply N]: is there a moment at which a
container that starts can be reached from outside?

Without a guard, so many starts: how long before the engine tells of a start, and how long before
the engine's API answers where the engine itself starts: so much too late is a firewall that waits
to be told. With one, of the daemon's or of `apply`: however containers start, nobody gets in; and
one that is allowed opens."""
import argparse
import collections
import itertools
import signal
import sys
import tempfile
import time

from doors import (GATE, GUARDS, POLICIES, SETTLE_S, WAYS, Container, Containers, Knock, Place,
                   answers_api, figures, halt, pin_neighbours, prepare, until)  # fmt: skip
from lab import HOST4, HOST6, Engine, Tap, same

# How long before or after its start event an open container answers at most. Where its bridge
# has yet to find its neighbour, it seems closed for 700 ms and more, guarded or not.
PROMPT_S = 0.5
SEEN_S = 10  # what nobody can be certain of is closed by then
GATE_STARTS = 2
LATE = 7380  # where one listens later than its container starts
BOOTS = 2  # of an engine without a guard
PLACES = [place for way in WAYS for place in way.places]
STARTS = [Containers.engine_restarts, Containers.run, Containers.engine_crashes,
          Containers.restart, Containers.crash, Containers.stop_and_start]  # fmt: skip


def stores_of(engine, labels=None):
    """One for each way."""
    return Containers(engine, [Container(engine, f"store{i}", way, labels)
                               for i, way in enumerate(WAYS)])  # fmt: skip


def not_overrun(engine):
    """Nothing was dropped for want of room, and so looked closed."""
    head, *rows = engine.net("cat", "/proc/net/stat/nf_conntrack").splitlines()
    columns = zip(head.split(), zip(*(row.split() for row in rows)))
    counts = {name: sum(int(n, 16) for n in column) for name, column in columns}
    same((counts["drop"], counts["early_drop"]), (0, 0), "dropped by connection tracking")


# -- without a guard -----------------------------------------------------------------------------


def left_open(engine, places):
    return [place for place in places if engine.version <= place.until]


def all_open(engine, knock):
    """What came of it, where all is open that this engine leaves open, and nothing else."""
    said = knock.answered(left_open(engine, knock.places))
    same([place.name for place, came in said.items() if came.handshakes],
         [place.name for place in left_open(engine, knock.places)], "open")  # fmt: skip
    return {place: came for place, came in said.items() if came.answers}


def leads(said, event):
    """How long before an event each place was open: (its name, by handshakes, by answers)."""
    return [(place.name, event - came.first_handshake, event - came.first_answer)
            for place, came in said.items()]  # fmt: skip


def say_leads(way, event, rows):
    for place in dict.fromkeys(place for place, _, _ in rows):
        _, handshakes, answers = zip(*(row for row in rows if row[0] == place))
        print(f"# {way.options}: {place} before {event}: answer {figures(answers)}, "
              f"handshake {figures(handshakes)}", flush=True)  # fmt: skip


def starts_unguarded(tap, engine, starts):
    for way in WAYS:
        with tap.case(f"{way.options}: {starts} starts, open from outside at once"), \
                Container(engine, "store", way) as store, Knock(engine, way.places) as knock:
            rows = []
            for _ in range(starts):
                knock.forget()
                since = time.time()
                store.tell("start")
                rows += leads(all_open(engine, knock), store.started(since))
                store.tell("kill")
            say_leads(way, "the start event", rows)
            same([row for row in rows if abs(row[2]) > PROMPT_S], [],
                 "answers that do not come with the start")  # fmt: skip


def boots_unguarded(tap, engine):
    way = WAYS[0]
    with tap.case(f"{way.options}: {BOOTS} boots of the engine, open from outside at once"), \
            Container(engine, "store", way) as store, Knock(engine, way.places) as knock:
        store.tell("start")
        before_api, before_event = [], []
        for _ in range(BOOTS):
            all_open(engine, knock)
            boot = halt(engine, signal.SIGTERM)
            pin_neighbours(engine)
            knock.forget()
            since = time.time()
            boot()
            until(lambda: answers_api(engine), "the API answers", pause_s=0.001)
            api = time.monotonic()
            said = all_open(engine, knock)
            before_api += leads(said, api)
            before_event += leads(said, store.started(since))
        say_leads(way, "the API's first answer", before_api)
        say_leads(way, "the start event", before_event)


# -- with a guard --------------------------------------------------------------------------------


class Tally:
    """Of all that was tried while a guard was in force."""

    def __init__(self, policy):
        self.policy = policy
        self.starts, self.attempts, self.leaks = 0, 0, []
        # By place, where it takes a while till it is seen: from first to last.
        self.handshakes = collections.defaultdict(list)
        self.answers = collections.defaultdict(list)
        self.since_event = collections.defaultdict(list)

    def add(self, how, heard, events):
        """`events`: when the engine told of each place's start; none where it is long known."""
        self.attempts += sum(came.attempts for came in heard.values())
        for place, came in heard.items():
            if came.handshakes and (self.policy.certain(place) or place not in events):
                self.leaks.append((how, place.name, came.handshakes, came.answers))
            elif came.handshakes:
                self.handshakes[place].append(came.last_handshake - came.first_handshake)
                self.answers[place].append(came.last_answer - came.first_answer)
                self.since_event[place].append(came.last_handshake - events[place])

    def say(self, title):
        print(f"# {title}: {self.starts} starts, {self.attempts} connections tried, "
              f"{sum(leak[2] for leak in self.leaks)} came through")  # fmt: skip
        for place in self.handshakes:
            print(f"# {title}: {place.name}: seen {len(self.handshakes[place])} times, "
                  f"{figures(self.since_event[place])} after its start event; till then "
                  f"handshakes for {figures(self.handshakes[place])}, "
                  f"answers for {figures(self.answers[place])}", flush=True)  # fmt: skip


def closed(tap, engine, guard, title, rounds):
    """Not one connection succeeds, however containers start."""
    tally = Tally(guard.policy)
    with tap.case(f"{title}: {len(WAYS) * len(rounds)} starts, closed"), \
            stores_of(engine, guard.policy.labels) as stores, Knock(engine, PLACES) as knock:
        for start in rounds:
            since = time.time()
            start(stores)
            stores.answered()
            guard.see()
            until_silent(knock)
            tally.starts += len(stores.containers)
            tally.add(start.__name__, knock.forget(), stores.started(since))
        guard.end()
        guard.begin()
        until_silent(knock)
        tally.add("the guard begins anew", knock.forget(), {})
        tally.say(title)
        same(tally.leaks, [], "start, place, handshakes and answers")


def until_silent(knock):
    """Knocked at for a while, nothing came of it."""
    deadline = time.monotonic() + SEEN_S
    before = knock.said()
    while time.monotonic() < deadline:
        time.sleep(SETTLE_S)
        now = knock.said()
        loud = [place.name for place in now if now[place].handshakes > before[place].handshakes
                or now[place].attempts == before[place].attempts]  # fmt: skip
        if not loud:
            return
        before = now
    raise AssertionError(f"after {SEEN_S} s still open, or not knocked at: {loud}")


def opens(tap, engine, guard, title):
    """Who is allowed gets what it is allowed, once it is seen, and not before."""
    places = [place for place in GATE.places if guard.policy.certain(place)]
    with Container(engine, "gate", GATE, {"role": "gate"}) as gate, Knock(engine, places) as knock:
        with tap.case(f"{title}: {GATE.options}: allowed, closed as long as nobody sees it"):
            guard.end()
            gate.tell("start")
            gate.answered()
            time.sleep(SETTLE_S)
            same([came.handshakes for came in knock.forget().values()], [0] * len(places),
                 "handshakes")  # fmt: skip
            begin = time.monotonic()
            guard.begin()
            delays = [came.first_answer - begin for came in knock.answered(places).values()]
            print(f"# {title}: it opens {figures(delays)} after the guard is begun anew")
            gone(guard, gate)
        if guard.sees_by_itself:
            with tap.case(f"{title}: {GATE.options}: allowed, opens"):
                opens_by_itself(guard, title, gate, knock)


def opens_by_itself(guard, title, gate, knock):
    delays = []
    for _ in range(GATE_STARTS):
        knock.forget()
        since = time.time()
        gate.tell("start")
        said = knock.answered(knock.places)
        event = gate.started(since)
        delays += [came.first_answer - event for came in said.values()]
        gone(guard, gate)
    print(f"# {title}: it opens {figures(delays)} after its start event")


def comes_late(tap, engine, guard, title):
    """Nobody tells of a listener that comes when its container has long been running."""
    places = [Place(HOST4, LATE, forwarded=False), Place(HOST6, LATE, forwarded=False)]
    with tap.case(f"{title}: a listener on the host's network that comes later, closed"), \
            Container(engine, "store", WAYS[3]) as store, Knock(engine, places) as knock:
        store.tell("start")
        store.answered()
        engine.docker("exec", "-d", store.name, "/knock", "answer", str(LATE))
        knock.answered(places)
        guard.see()
        until_silent(knock)
        seconds = [came.last_handshake - came.first_handshake for came in knock.said().values()]
        print(f"# {title}: seen {figures(seconds)} after it began to listen")


def gone(guard, gate):
    """So that the next to come is a new one, not one in the place of an old one."""
    gate.tell("kill")
    guard.see()
    until(lambda: gate.way.address not in guard.table(), "it goes from the table")


def shares(number, parts):
    return [number // parts + (i < number % parts) for i in range(parts)]


def guarded(tap, engine, how, starts):
    turns = itertools.cycle(STARTS)
    rounds = shares(-(-starts // len(WAYS)), len(POLICIES))
    for (title, policy), share in zip(POLICIES.items(), rounds):
        title = f"{how}: {title}"
        with tempfile.TemporaryDirectory() as folder, GUARDS[how](engine, policy, folder) as guard:
            ours = [Containers.start, *itertools.islice(turns, max(share - 1, 0))]
            closed(tap, engine, guard, title, ours)
            opens(tap, engine, guard, title)
            if not policy.named:
                comes_late(tap, engine, guard, title)


def control(tap, engine):
    """Each of these doors stands open without a guard, and whoever knocks as here gets in."""
    with tap.case("without a guard all of them are open"), stores_of(engine) as stores, \
            Knock(engine, PLACES) as knock:  # fmt: skip
        since = time.time()
        stores.start()
        said, events = all_open(engine, knock), stores.started(since)
        before = [events[place] - came.first_answer for place, came in said.items()]
        print(f"# without a guard: all at once, answers {figures(before)} before the start event")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", required=True)
    parser.add_argument("--unguarded", type=int, default=0)
    for how in GUARDS:
        parser.add_argument(f"--{how}", type=int, default=0)
    asked = parser.parse_args()
    tap = Tap()
    with Engine(asked.engine) as engine:
        prepare(engine)
        if asked.unguarded:
            starts_unguarded(tap, engine, asked.unguarded)
            boots_unguarded(tap, engine)
        else:
            control(tap, engine)
        for how in GUARDS:
            if starts := getattr(asked, how):
                guarded(tap, engine, how, starts)
        with tap.case("connection tracking had room for all"):
            not_overrun(engine)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
