#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_first_match.py [SEED...]   generated worlds, judged by netguard and by first_match.py

Draws a host and a policy from each seed and compares what `netguard check` finds with what the
manual's words come to: which rule, how severe, what is done, in which state and for which zones.
Without a seed: 500 of them, always the same. With one: prints the policy of a world that differs.

    NETGUARD    the binary (default: build/netguard)

Prints TAP.
"""
import collections
import json
import os
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import first_match
from drawn_policy import OBSERVED, Policy
from drawn_world import World

HERE = os.path.dirname(os.path.abspath(__file__))
NETGUARD = os.environ.get("NETGUARD", os.path.join(HERE, "..", "..", "build", "netguard"))
ALL = 500
WORLDS = ALL // int(os.environ.get("NETGUARD_PART", "1"))
SHOWN = 5  # worlds that differ are told of one by one, up to so many


def check(seed, folder):
    """What netguard says; of that the findings; and those that are expected."""
    rnd = random.Random(seed)
    world, policy = World(rnd), Policy(rnd)
    snapshot = os.path.join(folder, f"{seed}.json")
    rules = os.path.join(folder, f"{seed}.yaml")
    with open(snapshot, "w", encoding="utf-8") as file:
        json.dump(world.snapshot, file)
    with open(rules, "w", encoding="utf-8") as file:
        file.write(policy.text())
    run = subprocess.run([NETGUARD, "check", "--format", "json", "--snapshot", snapshot,
                          "--policy", rules], capture_output=True, text=True, check=False)
    if run.returncode not in (0, 1, 3):  # 3: a rule that it does not understand
        raise AssertionError(f"status {run.returncode}: {run.stderr}")
    result = json.loads(run.stdout)
    found = sorted((each["exposure"], each["rule"], each["id"], each["severity"], each["action"],
                    each["state"], tuple(each["zones"])) for each in result["findings"])
    return result, found, first_match.expected(policy.sections, result["exposures"], world.fact,
                                               OBSERVED)


def difference(result, found, expected):
    """In lines, with what each is about; none: there is none."""
    exposures = {each["id"]: each for each in result["exposures"]}
    lines = []
    for sign, ours, others in (("only netguard", found, expected),
                               ("only expected", expected, found)):
        for finding in (collections.Counter(ours) - collections.Counter(others)).elements():
            exposure = exposures[finding[0]]
            about = {key: exposure[key] for key in ("kind", "proto", "host_addr", "host_port",
                                                    "container_port", "process", "role")}
            name = (exposure["container"] or {}).get("name")
            lines.append(f"{sign}: {finding[1:]} of {name} {about}")
    return lines


class Census:
    """What the worlds had in them: a run that compares nothing shows nothing."""

    def __init__(self):
        self.kinds, self.states, self.ids = (collections.Counter() for _ in range(3))

    def add(self, result, expected):
        self.kinds.update(each["kind"] for each in result["exposures"])
        self.ids.update(each[2] for each in expected)
        self.states.update(each[5] for each in expected)

    def missing(self):
        wanted = ((self.kinds, ("published", "ingress", "host-network", "host", "direct", "l2")),
                  (self.states, ("open", "blocked", "excepted")),
                  (self.ids, ("NG001", "NG002", "NG003", "NG004", "NG005")))
        return [name for counted, names in wanted for name in names if counted[name] < 20]

    def text(self):
        return ", ".join(f"{name} {count}" for counted in (self.kinds, self.ids, self.states)
                         for name, count in counted.items())


def compare(seeds, folder):
    """(worlds that differ, as lines, and what there was)."""
    differing, census = {}, Census()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for seed, (result, found, expected) in zip(
                seeds, pool.map(lambda seed: check(seed, folder), seeds)):
            census.add(result, expected)
            lines = difference(result, found, expected)
            if lines:
                differing[seed] = lines
    return differing, census


def main():
    if any(not seed.isdigit() for seed in sys.argv[1:]):
        sys.exit(__doc__)
    os.umask(0o077)
    seeds = [int(seed) for seed in sys.argv[1:]] or range(WORLDS)
    with tempfile.TemporaryDirectory() as folder:
        differing, census = compare(seeds, folder)
    verdict = "not ok" if differing else "ok"
    print(f"{verdict} 1 - first match # {len(seeds)} worlds: {census.text()}")
    for seed, lines in list(differing.items())[:SHOWN]:
        for line in [f"world {seed}", *lines]:
            print(f"#   {line}")
        if len(sys.argv) > 1:
            rnd = random.Random(seed)
            World(rnd)
            print("\n".join(f"# {line}" for line in Policy(rnd).text().splitlines()))
    missing = census.missing() if len(seeds) == ALL else []
    print(f"{'not ok' if missing else 'ok'} 2 - everything occurred # {' '.join(missing)}\n1..2")
    sys.exit(1 if differing or missing else 0)


if __name__ == "__main__":
    main()
