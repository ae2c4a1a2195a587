# SPDX-License-Identifier: GPL-2.0-or-later
"""One generated world with its packets: drawn from a seed, loaded in a lab, and the same with
parts left out."""
import random
import re
import subprocess
import time

from . import draw_packets, draw_world
from .draw_tables import THEMES, draw_table
from .draw_xt import XtTable, draw_ipsets, draw_xt_table

BATCH = 25  # cases in one lab; in every third one iptables-legacy has its tables
HARD_EVERY = 5  # of so many cases one holds what no ruleset tells


def has_legacy(number):
    return number // BATCH % 3 == 1


class Refused(Exception):
    """A tool does not load it."""


class Case:
    def __init__(self, seed, number, packets):
        rnd = random.Random(f"{seed}/{number}")
        self.name = f"{seed}/{number}"
        self.hard = number % HARD_EVERY == 4
        self.settings = draw_world.draw(rnd)
        self.tables, self.xt, self.ipsets, self.gone = [], [], [], set()
        self.engine = rnd.random() < 0.5
        kind = rnd.random()
        theme = rnd.choice(THEMES)
        if kind < 0.7:
            self.tables = [draw_table(rnd, at, self.hard, theme) for at in range(rnd.randint(1, 3))]
        if kind > 0.4 or has_legacy(number):
            self.draw_xt(rnd, has_legacy(number), theme)
        self.packets = draw_packets.draw(rnd, packets)

    def draw_xt(self, rnd, legacy, theme):
        sets = {4: [], 6: []}
        if rnd.random() < 0.35:
            for family in (4, 6):
                sets[family], lines = draw_ipsets(rnd, family)
                self.ipsets += lines
        backends = rnd.choice((["nft"], ["legacy"], ["nft", "legacy"])) if legacy else ["nft"]
        for backend in backends:
            for family in (4, 4, 6)[rnd.randint(0, 2):] if rnd.random() < 0.6 else (4, 6):
                if any((one.backend, one.family) == (backend, family) for one in self.xt):
                    continue
                often = {"filter": 0.8, "mangle": 0.5, "nat": 0.6, "raw": 0.3, "security": 0.1}
                for table, chance in often.items():
                    if rnd.random() < chance:
                        self.xt.append(draw_xt_table(rnd, backend, family, table,
                                                     sets[family], (self.hard, theme)))

    # -- what it is made of --

    def units(self):
        """All that can be left out, what leaves out most first."""
        everything = [*self.settings]
        for table in (*self.tables, *self.xt):
            everything += table.units()
        return [one for one in everything + self.ipsets if one not in self.gone]

    def without(self, units):
        smaller = object.__new__(Case)
        smaller.__dict__.update(self.__dict__)
        smaller.gone = self.gone | set(units)
        return smaller

    def with_packets(self, packets):
        smaller = self.without(())
        smaller.packets = packets
        return smaller

    def whole(self, parts):
        """Tables of which something is left."""
        return [one for one in parts if any(unit not in self.gone for unit in one.units())]

    def nft_text(self):
        lines = []
        for table in self.whole(self.tables):
            lines += table.render(self.gone)
        return "\n".join(lines) + "\n"

    def xt_texts(self):
        """[(tool, text)], one run of the tool for each back end and family."""
        texts = {}
        for table in self.whole(self.xt):
            texts.setdefault(table.tool, []).extend(table.render(self.gone))
        return [(tool, "\n".join(lines) + "\n") for tool, lines in texts.items()]

    def ipset_text(self):
        return "".join(one.text + "\n" for one in self.ipsets if one not in self.gone)

    def shown(self):
        """The case for people: a script that makes the same."""
        kept = [one for one in self.settings if one not in self.gone]
        lines = [f"sysctl {one.text}" if one.sysctl else f"ip -{one.family} {one.text}"
                 for one in kept]
        if self.ipset_text():
            lines += ["ipset restore:", self.ipset_text().rstrip()]
        if self.whole(self.tables):
            lines += ["nft -f:", self.nft_text().rstrip()]
        for tool, text in self.xt_texts():
            lines += [f"{tool}:", text.rstrip()]
        return "\n".join(lines)

    # -- loading --

    def load(self, lab, refused=None):
        """Loads it; what a tool refuses is left out and told in `refused`, or is an error where
        that is None."""
        while True:
            try:
                self.try_load(lab)
                return
            except Refused as reason:
                self.unload(lab)
                unit = self.culprit(str(reason)) if refused is not None else None
                if unit is None:
                    raise
                refused.append((unit.text, first_line(reason)))
                self.gone = self.gone | {unit}

    def try_load(self, lab):
        kept = [one for one in self.settings if one not in self.gone]
        set_sysctls(lab, [one.text for one in kept if one.sysctl])
        # From the first of these on, and for ever, the namespace looks up all sources in full
        # (fib_has_custom_rules, fib_has_custom_local_routes): not what a later case describes.
        lab.stained = lab.stained or any(
            one.text.startswith(("rule add", "route add local")) for one in kept)
        for family in (4, 6):
            run_ip(lab, family, [one.text for one in kept
                                 if not one.sysctl and one.family == family])
        if self.ipset_text():
            run(lab, ["ipset", "restore"], self.ipset_text())
        if self.whole(self.tables):
            run(lab, ["nft", "-f", "-"], self.nft_text())
        for tool, text in self.xt_texts():
            run(lab, [tool], text)

    def unload(self, lab):
        """Back to a lab without rules; whatever of it was loaded."""
        run(lab, ["nft", "flush ruleset"])
        for tool, text in self.xt_texts():
            if "legacy" in tool:
                run(lab, [tool], empty_tables(text))
        if self.ipsets:
            destroy_ipsets(lab)
        for family in (4, 6):
            undo = [one.undo for one in self.settings if not one.sysctl and one.family == family]
            run_ip(lab, family, list(reversed(undo)), force=True)
        set_sysctls(lab, [one.undo for one in self.settings if one.sysctl])

    def culprit(self, reason):
        """The unit that an error names by its line."""
        for word, pattern, text in self.error_places():
            found = re.search(pattern, reason) if word in reason else None
            if not found:
                continue
            lines = text.split("\n")
            at = int(found.group(1)) - 1
            # A table or chain is refused for one of its rules: the next named one.
            line = lines[at].strip() if at < len(lines) else ""
            for unit in self.units():
                if line and (unit.text == line or line.startswith(unit.text)):
                    return unit
        return None

    def error_places(self):
        yield "nft -f", r"(?:/dev/stdin|-):(\d+):", self.nft_text()
        for tool, text in self.xt_texts():
            yield tool, r"line:? (\d+)", text
            yield tool, r"-restore: line (\d+) failed", text
        yield "ipset", r"line (\d+):", self.ipset_text()


def empty_tables(text):
    """The tables that `text` is for, without rules. Chains of one's own that are not named go."""
    lines = []
    for table in re.findall(r"^\*(\w+)", text, re.M):
        lines += XtTable("legacy", 4, table).render(())
    return "\n".join(lines) + "\n"


def first_line(reason):
    text = re.sub(r"^.*?exit \d+: ", "", str(reason))
    return text.strip().split("\n")[0][:160]


def run(lab, words, stdin=None):
    with lab.host:
        done = subprocess.run(words, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, check=False)
    if done.returncode != 0:
        raise Refused(f"{' '.join(words)}: exit {done.returncode}: {done.stderr}")


def destroy_ipsets(lab):
    """Lists let go of their members when flushed, rules of nf_tables a moment after they went."""
    run(lab, ["ipset", "flush"])
    for _ in range(200):
        try:
            run(lab, ["ipset", "destroy"])
            return
        except Refused:
            time.sleep(0.005)
    raise Refused("the ipsets stay in use")


def run_ip(lab, family, lines, force=False):
    if not lines:
        return
    words = ["ip", f"-{family}", *(["-force"] if force else []), "-batch", "-"]
    try:
        run(lab, words, "\n".join(lines) + "\n")
    except Refused:
        if not force:
            raise


def set_sysctls(lab, assignments):
    with lab.host:
        for one in assignments:
            path, _, value = one.partition("=")
            with open("/proc/sys/" + path, "w", encoding="ascii") as file:
                file.write(value)
