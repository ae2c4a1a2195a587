# SPDX-License-Identifier: GPL-2.0-or-later
"""Rulesets that stand in files (tests/kernel/rulesets/): sections that begin with @, each what one
tool is given. Their packets are drawn as those of generated rulesets are."""
import glob
import os
import random
import re

from . import draw_packets
from .case import Case
from .draw_tables import Unit
from .draw_world import Setting, line

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../rulesets")


def sections(text):
    """[(name, lines)]"""
    found = []
    for one in text.splitlines():
        if one.startswith("@"):
            found.append((one[1:], []))
        elif found and one and not one.startswith("#"):
            found[-1][1].append(one)
    return found


class Written(Case):
    """One file. Nothing of it is left out but what lies outside the rulesets' text."""

    def __init__(self, path, packets):  # pylint: disable=super-init-not-called
        with open(path, encoding="utf-8") as file:
            parts = sections(file.read())
        self.name = os.path.basename(path)[:-len(".rules")]
        self.hard, self.engine, self.gone, self.tables = False, True, set(), []
        self.settings, self.ipsets, self.xt, self.texts, self.nft = [], [], [], [], ""
        for name, lines in parts:
            self.read(name, lines)
        self.packets = draw_packets.draw(random.Random(self.name), packets)

    def read(self, name, lines):
        if name == "undecidable":
            self.hard = True
        elif name == "sysctl":
            self.settings += [Setting(one, re.sub(r"=.*", "=0", one)) for one in lines]
        elif name in ("ip", "ip6"):
            self.settings += [line(one, 6 if name == "ip6" else 4) for one in lines]
        elif name == "ipset":
            self.ipsets += map(Unit, lines)
        elif name == "nft":
            self.nft = "\n".join(lines) + "\n"
        else:
            self.texts.append((name, "\n".join(lines) + "\n"))

    def whole(self, parts):
        return parts is self.tables and bool(self.nft)

    def nft_text(self):
        return self.nft

    def xt_texts(self):
        return self.texts


def written_cases(packets):
    return [Written(path, packets) for path in sorted(glob.glob(os.path.join(FOLDER, "*.rules")))]
