#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""cleanup.py 20|26|28: the lab leaves nothing behind, however it ends, and the machine's own
firewall as it was."""
import os
import pathlib
import signal
import subprocess
import sys
import time

from lab import HOST4, PATIENCE_S, Engine, LabError, Tap, same


def traces(engine_name):
    """Whatever is left of an engine of the lab on this machine."""
    mark = f"netguard-lab-{engine_name}"
    state = pathlib.Path(os.environ.get("NETGUARD_LAB", "/var/tmp/netguard-lab"), "run",
                         engine_name)
    found = [str(path) for path in pathlib.Path("/run/netns").glob(f"{mark}-*")]
    found += [str(path) for path in pathlib.Path("/sys/fs/cgroup").glob(f"**/{mark}*")]
    found += [str(state)] if state.exists() else []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            known = (process / "cgroup").read_text() + (process / "mountinfo").read_text()
            name = (process / "comm").read_text().strip()
        except OSError:  # ended meanwhile, or a zombie that init has yet to reap
            continue
        if mark in known or str(state) in known:
            found.append(f"{process}: {name}")
    return found


def ruleset():
    command = ["nft", "--stateless", "list", "ruleset"]  # without what counts and runs out by itself
    return subprocess.run(command, check=True, capture_output=True).stdout


def use(engine):
    engine.run("redis", "-p", "6379:6379", serve=(6379,))
    engine.expect("redis", HOST4, 6379)
    same(len(traces(engine.name)) > 6, True, f"it is seen in {traces(engine.name)}")


def interrupted(version):
    """In a process of its own, which is told to end while it waits."""
    with Engine(version) as engine:
        print(f"name {engine.name}", flush=True)
        time.sleep(PATIENCE_S)


def main():
    version = sys.argv[1]
    if sys.argv[2:] == ["interrupted"]:
        return interrupted(version)
    tap = Tap()
    before = ruleset()

    with tap.case("an engine with a container"):
        with Engine(version) as engine:
            use(engine)
        same(traces(engine.name), [], "left behind")
    with tap.case("an engine that was killed"):
        with Engine(version) as engine:
            use(engine)
            pid = pathlib.Path(engine.socket).with_name("pid").read_text()
            os.kill(int(pid), signal.SIGKILL)
        same(traces(engine.name), [], "left behind")
    with tap.case("an engine that does not start"):
        engine = Engine(version, "--no-such-option")
        try:
            with engine:
                raise AssertionError("it started")
        except LabError as error:
            same("no-such-option" in str(error), True, f"the reason stands in {error}")
        same(traces(engine.name), [], "left behind")
    with tap.case("a test that was told to end"):
        test = subprocess.Popen([sys.executable, __file__, version, "interrupted"],
                                stdout=subprocess.PIPE, text=True)  # fmt: skip
        name = next(line.split()[1] for line in test.stdout if line.startswith("name"))
        same(bool(traces(name)), True, "it runs")
        test.terminate()
        same(test.wait(PATIENCE_S), 128 + signal.SIGTERM, "status")
        same(traces(name), [], "left behind")
    with tap.case("the machine's own firewall is as it was"):
        same(ruleset(), before, "ruleset")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
