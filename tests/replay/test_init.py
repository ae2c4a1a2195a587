#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_init.py [SEED...]   what `netguard policy init` writes fits the world it was written for

For each recorded world and for generated ones, some of whose names are out to be misread: the
policy is valid and nothing that it finds is open; what the built-in policy objects to and public
can reach is excepted and not allowed; it is found a month later; and so is a container that comes
later.

    NETGUARD    the binary (default: build/netguard)

Prints TAP.
"""
import copy
import datetime
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).resolve().parent
sys.path[1:1] = [str(HERE.parent / "docs"), str(HERE.parent / "e2e")]

from drawn_world import World  # noqa: E402
from lab import NETGUARD, PATIENCE_S, Tap, same  # noqa: E402
from pages import load  # noqa: E402

WORLDS = 40 // int(os.environ.get("NETGUARD_PART", "1"))
NEW_PORT = 61234
NAMES = ['a"b', "it's", "*", "a*", "?", "@any", "- x", "# none", "key: value", "{x}", "[y",
         "%YAML 1.2", "null", "true", "~", "0600", "2026-01-31", "back\\slash", "\u202egnol",
         "größe 日本", "\U0001f600",
         "line\nbreak", "tab\tx", "\x1b[31m", "\x7f", "default", "usage.links", "apart",
         "no-data-stores", "-dash", ".dot", "x" * 200, "é" * 600, " blank "]  # fmt: skip


def netguard(*words):
    return subprocess.run([NETGUARD, *words], capture_output=True, check=False,
                          stdin=subprocess.DEVNULL, timeout=PATIENCE_S)  # fmt: skip


class Lab:
    """Judges worlds in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(text)
        return path

    def snapshot(self, name, world):
        return self.write(name + ".json", json.dumps(world).encode())

    def check(self, snapshot, policy=None):
        run = netguard("check", "--format", "json", "--snapshot", snapshot,
                       *(["--policy", policy] if policy else []))
        if run.returncode not in (0, 1, 3):
            raise AssertionError(f"check: status {run.returncode}: {run.stderr.decode()}")
        return run.returncode, json.loads(run.stdout)


def findings(result, *states):
    return [each for each in result["findings"] if each["state"] in states]


def from_public(exposure):
    return any(reach["zone"] == "public" and reach["verdict"] != "blocked"
               for reach in exposure["reach"])


def later(world, days):
    time = datetime.datetime.strptime(world["time"], "%Y-%m-%dT%H:%M:%SZ")
    return {**world, "time": f"{time + datetime.timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"}


def with_newcomer(world):
    world = copy.deepcopy(world)
    engine = world["engines"][0]
    engine["containers"].append({
        "id": "f" * 64, "name": "newcomer", "image": "new:1", "service": None, "stack": None,
        "network_mode": "default", "network_of": None, "labels": [], "links": [], "exposed": [],
        "capabilities_read": True, "endpoints": [],
        "published": [{"host_addr": "0.0.0.0", "host_port": NEW_PORT,
                       "container_port": NEW_PORT, "proto": "tcp"}],
    })  # fmt: skip
    engine["containers"].sort(key=lambda each: each["name"].encode())
    world["listeners"].append({
        "addr": "0.0.0.0", "port": NEW_PORT, "proto": "tcp", "v6only": False, "link": 0, "pid": 77,
        "process": "docker-proxy", "container_id": None})  # fmt: skip
    return world


def is_sayable(name):
    return len(name.encode()) <= 1000 and all(c not in "*?\x7f" and c >= " " for c in name)


def names_in(policy):
    """Whom its rules are about."""
    return {each["to"][key] for each in policy["rules"] if "to" in each
            for key in ("name", "service") if key in each["to"]}


def check_world(lab, name, world):
    snapshot = lab.snapshot(name, world)
    run, again = (netguard("policy", "init", "--snapshot", snapshot) for _ in range(2))
    same(run.stdout, again.stdout, "the same world twice")
    assert run.stdout, run.stderr.decode()
    policy = lab.write(name + ".yaml", run.stdout)
    status, result = lab.check(snapshot, policy)
    same(run.returncode, status, f"status of init ({run.stderr.decode()}), as that of check")
    same([each["message"] for each in findings(result, "open")], [], "open findings")

    rules = names_in(load(run.stdout.decode()))
    exposures = {each["id"]: each for each in result["exposures"]}
    for exposure in exposures.values():
        container = exposure["container"]
        who = container and (container["service"] or container["name"])
        allowed = who and exposure["kind"] != "direct" and from_public(exposure) \
            and exposure["id"] not in {each["exposure"] for each in result["findings"]}
        if allowed and is_sayable(who) and who not in rules:
            raise AssertionError(f"no rule is about {who!r}: {rules}")

    excepted = findings(result, "excepted")
    known = {each["exposure"] for each in excepted}
    for finding in findings(lab.check(snapshot)[1], "open"):
        exposure = exposures[finding["exposure"]]
        if exposure["kind"] != "direct" and from_public(exposure):
            assert finding["exposure"] in known, f"blessed: {finding['message']}"
    status, result = lab.check(lab.snapshot(name + "-later", later(world, 31)), policy)
    same(len(findings(result, "open")), 0, "open on the last day")
    status, result = lab.check(lab.snapshot(name + "-too-late", later(world, 32)), policy)
    same(len(findings(result, "open")), len(excepted), "open when the exceptions have ended")

    status, result = lab.check(lab.snapshot(name + "-new", with_newcomer(world)), policy)
    reached = [each for each in result["exposures"] if each["host_port"] == NEW_PORT]
    if any(from_public(each) for each in reached):
        same([(each["rule"], each["subject"]) for each in findings(result, "open")],
             [("default", "newcomer")], "findings of a newcomer")
    return len(excepted), any(from_public(each) for each in reached)


def rename(world, rnd):
    """Gives containers, services, networks and processes names that are out to be misread."""
    engine = world["engines"][0]
    fresh = iter(rnd.sample(NAMES, len(NAMES)))
    for container in engine["containers"]:
        container["name"] = next(fresh)
        if container["service"]:
            container["service"] = next(fresh)
    engine["containers"].sort(key=lambda each: each["name"].encode())
    for service in engine["services"]:
        service["name"] = next(fresh)
    for network in engine["networks"]:
        if network["name"] == "backend":
            network["name"] = next(fresh)
            for container in engine["containers"]:
                for endpoint in container["endpoints"]:
                    if endpoint["network"] == "backend":
                        endpoint["network"] = network["name"]
                container["endpoints"].sort(key=lambda each: each["network"].encode())
    for listener in world["listeners"]:
        if listener["process"] in ("sshd", "nginx", "postgres"):
            listener["process"] = rnd.choice(NAMES)[:5]
    return world


def drawn(seed):
    rnd = random.Random(seed)
    world = World(rnd).snapshot
    for container in world["engines"][0]["containers"]:
        container |= {"capabilities_read": True, "privileged": rnd.random() < 0.2,
                      "net_admin": rnd.random() < 0.2, "engine_socket": rnd.random() < 0.2}
    return rename(world, rnd) if seed % 2 else world


def check_drawn(tap, lab, seeds):
    def check(seed):
        try:
            return check_world(lab, f"drawn-{seed}", drawn(seed))
        except AssertionError as error:
            return f"world {seed}: {error}"

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(check, seeds))
    with tap.case(f"{len(results)} generated worlds"):
        failed = [each for each in results if isinstance(each, str)]
        if failed:
            raise AssertionError(f"{len(failed)} do not fit\n" + "\n".join(failed[:5]))
    if seeds == range(WORLDS):
        with tap.case("everything occurred"):
            assert sum(each[0] for each in results) > WORLDS / 4, "exceptions"
            assert sum(each[1] for each in results) > WORLDS / 4, "newcomers"


def check_output(tap, lab):
    """Of the option --output, and of a world that was not seen whole."""
    snapshot = lab.snapshot("output", drawn(0))
    path = os.path.join(lab.folder, "policy-of-mine.yaml")
    with tap.case("--output writes it, and never over another"):
        run = netguard("policy", "init", "--snapshot", snapshot, "--output", path)
        same((run.returncode, run.stdout), (0, b""), "the first time")
        text = open(path, "rb").read()
        same(text, netguard("policy", "init", "--snapshot", snapshot).stdout, "what was written")
        run = netguard("policy", "init", "--snapshot", snapshot, "--output", path)
        same(run.returncode, 2, f"status, the second time ({run.stderr})")
        same(open(path, "rb").read(), text, "what is there then")
    with tap.case("half a policy is not left behind"):
        run = netguard("policy", "init", "--snapshot", snapshot, "--output", "/dev/full")
        same(run.returncode, 2, "a device that is there")
        missing = os.path.join(lab.folder, "missing", "policy.yaml")
        run = netguard("policy", "init", "--snapshot", snapshot, "--output", missing)
        same(run.returncode, 3, "a folder that is not there")
    with tap.case("what was not seen is named"):
        world = {**drawn(0), "gaps": [{"source": "docker", "reason": "no\nanswer: # none"}]}
        run = netguard("policy", "init", "--snapshot", lab.snapshot("gaps", world))
        same(run.returncode, 3, "status")
        assert b"docker: no\\x0aanswer: # none" in run.stdout, run.stdout.decode()
        load(run.stdout.decode())


def main():
    if any(not seed.isdigit() for seed in sys.argv[1:]):
        sys.exit(__doc__)
    os.umask(0o077)
    tap = Tap()
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(folder)
        if len(sys.argv) == 1:
            for path in sorted((HERE / "worlds").glob("*.json")):
                if not path.name.endswith(".expect.json"):
                    with tap.case(path.stem):
                        check_world(lab, path.stem, json.loads(path.read_text(encoding="utf-8")))
            check_output(tap, lab)
        check_drawn(tap, lab, [int(seed) for seed in sys.argv[1:]] or range(WORLDS))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
