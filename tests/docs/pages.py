# SPDX-License-Identifier: GPL-2.0-or-later
"""The YAML of the documentation, and how a piece of it becomes a policy that can be checked.

A block that says `version:` is a policy. Any other is a fragment, a further file beside the
policy that was shown last before it on its page. Where that is not what is meant, a comment
before it names what it needs; each name then stands for a zone, a group of ports and a rule:

    <!-- with: office, no-stores -->
"""
import pathlib
import re
import textwrap

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = ["README.md", "packaging/man/netguard.md", "packaging/man/netguard-policy.md",
         "packaging/man/netguard-findings.md"]  # fmt: skip
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
INDENTED = re.compile(r"^    version: 1\n(?:    .*\n|\n(?=    ))*", re.M)
WITH = re.compile(r"<!-- with: (.*?) -->\s*\Z")
NOTHING = "version: 1\n"


class Core(yaml.SafeLoader):
    """YAML 1.2, core schema, as far as the policy language has it."""

    yaml_implicit_resolvers = {}


Core.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"),
                           ["~", "n", "N", ""])
Core.add_implicit_resolver("tag:yaml.org,2002:bool",
                           re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
Core.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"),
                           list("-+0123456789"))
Core.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+\.[0-9]*$"),
                           list("-+0123456789"))


def load(text):
    return yaml.load(text, Loader=Core)


class Block:
    def __init__(self, page, line, text, base):
        self.name = f"{page}:{line}"
        self.text, self.base = text, base

    def files(self):
        """What of it is checked together."""
        return [self.text] if self.base is None else [self.base, self.text]


def stand_ins(names):
    lines = [NOTHING.rstrip(), "zones:"]
    lines += [f"  - {{id: {name}, match: [{{interfaces: [{name}0]}}]}}" for name in names]
    lines += ["ports:"] + [f"  {name}: [1]" for name in names]
    lines += ["rules:"] + [f"  - {{id: {name}, deny: ['@databases']}}" for name in names]
    return "\n".join(lines) + "\n"


def blocks(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    found, policy = [], NOTHING
    for fence in FENCE.finditer(text):
        if fence[1] != "yaml":
            continue
        base, needs = policy, WITH.search(text[:fence.start()])
        if re.search(r"^version:", fence[2], re.M):
            base, policy = None, fence[2]
        elif needs:
            base = stand_ins(name.strip() for name in needs[1].split(","))
        found.append(Block(page, text.count("\n", 0, fence.start()) + 2, fence[2], base))
    for block in INDENTED.finditer(text):
        line = text.count("\n", 0, block.start()) + 1
        found.append(Block(page, line, textwrap.dedent(block[0]), None))
    return found
