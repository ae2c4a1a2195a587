# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases one after the other: loaded, fired at, compared; what fails is made small."""
import collections
import os
import random
import re
import time
from dataclasses import dataclass, field

from . import frames, pools, verdicts
from .case import BATCH, Case, Refused
from .lab import Lab

REACH_QUESTIONS = 12  # of a case
REACH_ARRIVED = 6  # of them, if so many packets have arrived
THOROUGHLY = 3  # of them, from everywhere
VARIANTS = 8  # sources of the others
SUSPECTS = 30  # of a case that are looked at alone
SNAPSHOT_EVERY = 10  # cases
SOURCE_PORTS = sorted({port + by for port in (65000, *pools.SOURCE_PORTS, *pools.PORTS)
                       for by in (-1, 0, 1) if port + by <= 65535})
OWN = {addr for family in (4, 6) for addr in pools.OWN[family]} | {"192.0.2.5", "10.9.1.1",
                                                                 "203.0.113.10", "2001:db8:5::1"}


@dataclass
class Figures:
    """What a campaign has shown."""
    cases: int = 0
    packets: int = 0
    hard_cases: int = 0
    hard_packets: int = 0
    delivered: int = 0
    unknown: int = 0
    hard_unknown: int = 0
    reach: int = 0
    snapshots: int = 0
    interplay: int = 0  # differed in company, and agreed alone
    failed: list = field(default_factory=list)
    refused: collections.Counter = field(default_factory=collections.Counter)
    reasons: collections.Counter = field(default_factory=collections.Counter)
    examples: dict = field(default_factory=dict)

    def unknown_share(self):
        return self.unknown / max(1, self.packets - self.hard_packets)

    def lines(self):
        yield f"{self.cases} rulesets, {self.packets} packets, of which {self.delivered} arrived"
        yield f"{self.hard_cases} rulesets ({self.hard_packets} packets) hold what is undecidable"
        names = " ".join(one.name for one in self.failed)
        yield f"disagreements: {len(self.failed)} rulesets {names}"
        yield f"unknown without undecidable matches: {self.unknown} ({self.unknown_share():.3%})"
        yield f"unknown with them: {self.hard_unknown} " \
              f"({self.hard_unknown / max(1, self.hard_packets):.3%})"
        yield f"sources compared with reach: {self.reach}"
        yield f"answers from a snapshot compared with live ones: {self.snapshots}"
        yield f"differed among others and agreed alone: {self.interplay}"
        yield f"rules that a tool refused: {sum(self.refused.values())}"


@dataclass
class Failure:
    name: str
    complaint: verdicts.Complaint
    case: Case  # as small as it was made
    packet: object
    came: set
    answer: dict

    def text(self):
        path = " > ".join(f"{one.get('hook')} {one.get('table')} {one.get('chain')} "
                          f"{one.get('handle')} {one.get('verdict')}"
                          for one in self.answer.get("path", []))
        answer = {key: value for key, value in self.answer.items() if key != "path"}
        places = "; ".join(f"{one.where} {one.dst} {one.dport}" for one in self.came)
        return "\n".join([
            f"## {self.complaint.kind}: case {self.name}", "", "```", self.case.shown(), "```", "",
            f"packet: `{self.packet.question()}`", "",
            f"kernel: {places or 'nowhere'}",
            "", f"netguard: `{answer}`, path: {path}", "", f"=> {self.complaint.text}", ""])


def broken(case, packet, reason, command="trace"):
    return Failure(case.name, verdicts.Complaint(f"broken {command}", str(reason)), case, packet,
                   set(), {})


class Session:
    """A lab and what runs in it."""

    def __init__(self, seed, packets, name="judge"):
        self.seed, self.count, self.name = seed, packets, name
        self.binary = verdicts.netguard_binary()
        self.lab, self.batch = None, None
        self.figures = Figures()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.lab:
            self.lab.close()
        self.lab = None

    def fresh_lab(self, number):
        """Every batch has a new one: a legacy table, once there, never goes."""
        if self.lab is None or self.lab.stained or number // BATCH != self.batch:
            self.close()
            self.lab, self.batch = Lab(self.name), number // BATCH

    def run(self, numbers, shrink_seconds=30):
        for number in numbers:
            self.fresh_lab(number)
            failure = self.run_case(Case(self.seed, number, self.count), number)
            if failure:
                self.figures.failed.append(self.shrink(failure, shrink_seconds))
                yield self.figures.failed[-1]

    def run_alone(self, case):
        """A case that is in no batch; its Failure, not made smaller, or None."""
        self.close()
        self.lab, self.batch = Lab(self.name), 0
        return self.run_case(case, 0)

    # -- one case --

    def run_case(self, case, number):
        figures, refused = self.figures, []
        case.load(self.lab, refused)
        figures.refused.update(f"{reason}: {text}" for text, reason in refused)
        try:
            return self.compare(case, number)
        finally:
            case.unload(self.lab)

    def compare(self, case, number):
        came = self.lab.arrivals(case.packets)
        try:
            answers = self.trace(case, case.packets)
        except verdicts.Broken as reason:
            packet = case.packets[min(reason.answered, len(case.packets) - 1)]
            return broken(case, packet, reason)
        self.tally(case, came)
        suspects = []
        for packet, answer, places in zip(case.packets, answers, came):
            for complaint in verdicts.judge_packet(packet, answer, places, case.engine):
                if complaint.kind == "unknown":
                    self.count_unknown(case, packet, complaint)
                else:
                    suspects.append(packet)
        # Without ports one connection often keeps another from being translated.
        suspects.sort(key=lambda one: frames.NUMBERS[one.proto] not in frames.WITH_PORTS)
        for packet in suspects[:SUSPECTS]:
            failure = self.alone(case, packet)
            if failure:
                return failure
            self.figures.interplay += 1
        if number % SNAPSHOT_EVERY == 0:
            failure = self.compare_snapshot(case, answers)
            if failure:
                return failure
        return self.compare_reach(case, number, came)

    def trace(self, case, packets, world=None):
        if world is None:
            world = verdicts.engine_words(self.lab, case.engine)
        return verdicts.ask(self.lab, self.binary, "trace", [one.question() for one in packets],
                            world)

    def tally(self, case, came):
        figures, count = self.figures, len(case.packets)
        figures.cases += 1
        figures.packets += count
        figures.delivered += sum(map(bool, came))
        figures.hard_cases += case.hard
        figures.hard_packets += count if case.hard else 0

    def compare_snapshot(self, case, answers):
        """A recorded world gives the same answers as the live one."""
        path = f"/tmp/{self.lab.far.name}.json"
        try:
            world = verdicts.snapshot(self.lab, self.binary, case.engine, path)
            for packet, live, recorded in zip(case.packets, answers,
                                              self.trace(case, case.packets, world)):
                if live != recorded:
                    complaint = verdicts.Complaint("snapshot", f"from a snapshot: {recorded}")
                    return Failure(case.name, complaint, case, packet, set(), live)
        except verdicts.Broken as reason:
            return broken(case, case.packets[0], reason)
        finally:
            if os.path.exists(path):
                os.unlink(path)
        self.figures.snapshots += len(answers)
        return None

    def count_unknown(self, case, packet, complaint):
        if case.hard:
            self.figures.hard_unknown += 1
            return
        self.figures.unknown += 1
        self.figures.reasons[complaint.text] += 1
        self.figures.examples.setdefault(complaint.text, (case.name, packet))

    def alone(self, case, packet):
        """The Failure that a packet is without any other packet under way; None."""
        came = self.lab.arrivals([packet])[0]
        try:
            answer = self.trace(case, [packet])[0]
        except verdicts.Broken as reason:
            return broken(case, packet, reason)
        for complaint in verdicts.judge_packet(packet, answer, came, case.engine):
            if complaint.kind != "unknown":
                return Failure(case.name, complaint, case, packet, came, answer)
        return None

    # -- reach --

    def reach(self, questions):
        return verdicts.ask(self.lab, self.binary, "reach", questions)

    def compare_reach(self, case, number, came):
        """For some questions: is each packet's source where `reach` has it? More sources are sent
        from for each, as the drawn packets seldom ask the same; those first with which somebody
        gets in, where sources matter most."""
        rnd = random.Random(number)
        arrived = [packet for packet, places in zip(case.packets, came) if places]
        chosen = rnd.sample(arrived, min(REACH_ARRIVED, len(arrived)))
        rest = [packet for packet in case.packets if packet not in chosen]
        chosen += rnd.sample(rest, min(REACH_QUESTIONS - len(chosen), len(rest)))
        packets = [one for at, packet in enumerate(chosen)
                   for one in variants(rnd, packet, all_borders=at < THOROUGHLY)]
        came = self.lab.arrivals(packets)
        asked = list(dict.fromkeys(map(verdicts.reach_question, packets)))
        try:
            traced = self.trace(case, packets, ())
            told = dict(zip(asked, self.reach(asked)))
        except verdicts.Broken as reason:
            return broken(case, chosen[min(reason.answered, len(chosen) - 1)], reason, "reach")
        self.figures.reach += len(packets)
        for packet, trace, places in zip(packets, traced, came):
            answer = told[verdicts.reach_question(packet)]
            if any(verdicts.judge_reach(packet, answer, trace, places, OWN)):
                failure = self.reach_alone(case, packet)
                if failure:
                    return failure
                self.figures.interplay += 1
        return None

    def reach_alone(self, case, packet):
        """`reach` speaks of addresses from which some source port gets in: of one that is said to
        and does not, several are tried."""
        ports = SOURCE_PORTS if frames.NUMBERS[packet.proto] in frames.WITH_PORTS else []
        tried = [packet, *(packet._replace(sport=port) for port in ports)]
        try:
            told = self.reach([verdicts.reach_question(packet)])[0]
            traced = self.trace(case, tried, ())
        except verdicts.Broken as reason:
            return broken(case, packet, reason, "reach")
        first = None
        for one, trace in zip(tried, traced):
            came = self.lab.arrivals([one])[0]
            found = [Failure(case.name, complaint, case, one, came, told) for complaint in
                     verdicts.judge_reach(one, told, trace, came, OWN)]
            if found and came:
                return found[0]
            if came:
                return None
            first = first or (found[0] if found else None)
        return first

    # -- making it small --

    def shrink(self, failure, seconds):
        """Leaves out parts, many at once and then fewer, as long as the complaint stays."""
        until = time.monotonic() + seconds
        units = failure.case.units()
        size = max(1, len(units) // 2)
        while time.monotonic() < until:
            at, before = 0, len(units)
            while at < len(units) and time.monotonic() < until:
                smaller = self.again(failure, failure.case.without(units[at:at + size]))
                if smaller:
                    failure = smaller
                    units = failure.case.units()
                else:
                    at += size
            if size == 1 and len(units) == before:
                break
            size = max(1, size // 2)
        return failure

    def again(self, failure, case):
        """The same complaint about a smaller case; None."""
        if self.lab.stained:
            self.fresh_lab(self.batch * BATCH)
        try:
            case.load(self.lab)
        except Refused:
            return None
        try:
            about = self.reach_alone if "reach" in failure.complaint.kind else self.alone
            again = about(case, failure.packet)
        except AssertionError:
            return None
        finally:
            case.unload(self.lab)
        return again if again and again.complaint.kind == failure.complaint.kind else None


def variants(rnd, packet, all_borders):
    """The packet from several sources, or from all that lie next to a border."""
    sources = [*pools.borders(packet.family), *pools.SINGLE[packet.family]]
    if not all_borders:
        sources = rnd.choices(sources, k=VARIANTS)
    return [packet._replace(src=src, sport=rnd.randrange(40001, 60999))
            for src in dict.fromkeys(sources) if src != packet.src and src not in OWN]


def brief(text):
    return re.sub(r"\s+", " ", text)[:200]
