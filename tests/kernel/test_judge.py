#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel judges `netguard trace` and `netguard reach`, for two minutes or so.

Generated rulesets, those of tests/kernel/rulesets and, if there, recorded ones: where first
packets really arrive has to be what netguard says. tests/kernel/campaign does more of the first.

    NETGUARD            the binary (default: build/netguard)
    NETGUARD_SEED       of the generated rulesets (default: always the same)
    NETGUARD_CASES      how many of them (default 80)
    NETGUARD_RULESETS   a folder of recorded rulesets with measured answers, compared if there

Needs root, iproute2, nftables, iptables (both back ends) and ipset. Prints TAP.
"""
import os
import sys
import time

from judge import recorded, verdicts
from judge.case import Refused
from judge.session import Session, brief
from judge.written import written_cases
from topology import end_on_signals, pin_to_one_cpu

# The same in every run: what no one has changed must not fail. A campaign goes farther.
SEED = os.environ.get("NETGUARD_SEED", "1")
CASES = int(os.environ.get("NETGUARD_CASES", "80"))
RULESETS = os.environ.get("NETGUARD_RULESETS", "")
PACKETS, PACKETS_WRITTEN = 520, 2500
UNKNOWN_MOST = 0.01


def check(figures):
    assert not figures.failed, figures.failed[0].text()
    reasons = "\n".join(f"{count} times: {brief(text)}"
                        for text, count in figures.reasons.most_common(10))
    share = figures.unknown_share()
    assert share <= UNKNOWN_MOST, f"{share:.2%} unknown\n{reasons}"
    return f"{figures.packets} packets, {figures.delivered} arrived, {figures.unknown} unknown, " \
           f"{figures.reach} compared with reach"


def test_generated():
    with Session(SEED, PACKETS) as session:
        for _ in session.run(range(CASES)):
            break
        return f"{CASES} rulesets, {check(session.figures)}, NETGUARD_SEED={SEED}"


def test_written(case):
    with Session(case.name, PACKETS_WRITTEN) as session:
        failure = session.run_alone(case)
        session.figures.failed += [failure] if failure else []
        return check(session.figures)


def test_recorded(recording):
    count, wrong, unknown = recorded.compare(recording, verdicts.netguard_binary())
    complaints = [f"{len(rows)} times: {text}, as for {rows[0][0]}: {rows[0][1]}"
                  for text, rows in wrong.items()]
    assert not complaints, "\n".join(complaints)
    if recording.is_decidable:
        assert sum(unknown.values()) <= count * UNKNOWN_MOST, f"unknown: {unknown}"
    return f"{count} measured answers, {sum(unknown.values())} unknown"


def report(number, name, test, *arguments):
    """Runs one test and prints its line of TAP. Returns 1 if it failed."""
    started = time.monotonic()
    try:
        done = test(*arguments)
        print(f"ok {number} - {name} # {done}, {time.monotonic() - started:.1f} s", flush=True)
        return 0
    except (AssertionError, OSError, ValueError, KeyError, Refused) as reason:
        print(f"not ok {number} - {name}")
        for line in f"{type(reason).__name__}: {reason}"[:8000].splitlines():
            print(f"# {line}", flush=True)
        return 1


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return 0
    if not os.access(verdicts.netguard_binary(), os.X_OK):
        print(f"Bail out! no netguard at {verdicts.netguard_binary()}: build it first, or set "
              "NETGUARD")
        return 1
    pin_to_one_cpu()
    end_on_signals()
    tests = [("generated rulesets", test_generated)]
    tests += [(f"{case.name}.rules", test_written, case) for case in written_cases(PACKETS_WRITTEN)]
    if RULESETS:
        tests += [(one.name, test_recorded, one) for one in recorded.recordings(RULESETS)]
    words = sys.argv[1:]
    chosen = [one for one in tests if not words or any(word in one[0] for word in words)]
    print(f"1..{len(chosen)}", flush=True)
    failed = sum([report(number, *one) for number, one in enumerate(chosen, 1)])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
