#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_samples.py   Each policy in policy/samples does what it says, on a world that it is about

The worlds are recorded ones (tests/replay/worlds), with other names or more in them where a sample
wants that. Prints TAP.

    NETGUARD    the binary (default: build/netguard)
"""
import base64
import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT / "tests" / "e2e"), str(ROOT / "tests" / "replay")]

import nft_dump  # noqa: E402
from lab import NETGUARD, Tap, same  # noqa: E402

SAMPLES = ROOT / "policy" / "samples"


def recorded(name):
    return json.loads((ROOT / "tests/replay/worlds" / f"{name}.json").read_text(encoding="utf-8"))


class Lab:
    def __init__(self, folder):
        self.folder = folder

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def run(self, sample, world, *words):
        """What a command says of the world, judged by the sample: (status, what it printed)."""
        policy = self.write(sample, (SAMPLES / sample).read_text(encoding="utf-8"))
        snapshot = self.write("world.json", json.dumps(world))
        run = subprocess.run([NETGUARD, *words, "--snapshot", snapshot, "--policy", policy],
                             capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if not run.stdout:
            raise AssertionError(f"status {run.returncode}: {run.stderr}")
        return run.returncode, run.stdout

    def check(self, sample, world, *words):
        status, text = self.run(sample, world, "check", "--format", "json", *words)
        return status, json.loads(text)


def found(result, *rules):
    """(id, rule, subject) of what is open, by these rules or by any."""
    return sorted({(each["id"], each["rule"], each["subject"]) for each in result["findings"]
                   if each["state"] == "open" and (not rules or each["rule"] in rules)})


def container(world, name):
    return next(each for each in world["engines"][0]["containers"] if each["name"] == name)


# -- one host, with ufw ------------------------------------------------------------------------


def single_host(tap, lab):
    sample, world = "single-host-ufw.yaml", recorded("engine-28-ufw")
    with tap.case("single-host-ufw: finds what is published past ufw, and nothing else"):
        status, result = lab.check(sample, world)
        same(status, 1, "status")
        same(found(result, "no-stores"), [("NG001", "no-stores", "cache"),
                                          ("NG001", "no-stores", "redis")], "data stores")
        others = {each[2] for each in found(result, "default")}
        same(others, {"app", "dns", "range", "sts"}, "others")
        same({each["severity"] for each in result["findings"] if each["rule"] == "no-stores"},
             {"critical"}, "severity")
        exposures = {each["id"]: each for each in result["exposures"]}
        for finding in result["findings"]:
            ufw = exposures[finding["exposure"]]["host_firewall"]["ufw"]
            same(ufw, "bypassed", finding["message"])
    with tap.case("single-host-ufw: who comes by the VPN may"):
        vpn = copy.deepcopy(world)
        for link in vpn["links"]:
            if link["name"] == "eth0":
                link["name"] = "wg0"
        status, result = lab.check(sample, vpn)
        same((status, found(result)), (0, []), "findings")


# -- frontend and backend ----------------------------------------------------------------------


def tiers():
    """Two networks, kept apart by the rules of a real engine; `sts` serves the backend."""
    world = recorded("engine-28-ufw")
    names = {"bridge": "shop_frontend", "orders": "shop_backend"}
    for network in world["engines"][0]["networks"]:
        network["name"] = names.get(network["name"], network["name"])
    for each in world["engines"][0]["containers"]:
        for endpoint in each["endpoints"]:
            endpoint["network"] = names.get(endpoint["network"], endpoint["network"])
    return world


def add_to_backend(world, name):
    joined = container(world, name)
    joined["endpoints"] = [{**container(world, "worker")["endpoints"][0], "addr4": "172.18.0.9"},
                           *joined["endpoints"]]
    return joined


def frontend_backend(tap, lab):
    sample = "frontend-backend.yaml"
    with tap.case("frontend-backend: nothing on the backend publishes"):
        same(found(lab.check(sample, tiers())[1], "tiers"), [("NG021", "tiers", "sts")], "findings")
    world = tiers()
    container(world, "sts")["published"] = []
    with tap.case("frontend-backend: two networks that are apart are"):
        same(found(lab.check(sample, world)[1], "tiers"), [], "findings")
    with tap.case("frontend-backend: only a gateway is on both"):
        joined = add_to_backend(world, "app")
        result = lab.check(sample, world)[1]
        same([each for each in found(result, "tiers") if each[0] == "NG020"],
             [("NG020", "tiers", "app"), ("NG020", "tiers", "sidecar")], "findings")
        for each in joined, container(world, "sidecar"):  # which shares its network
            each["labels"] = [{"key": "role", "value": "gateway"}]
        same(found(lab.check(sample, world)[1], "tiers"), [], "findings of a gateway")
    with tap.case("frontend-backend: a link is told of, and who is on the host's network"):
        names = {each[1:] for each in found(result, "usage.links", "usage.host_network")}
        same(names, {("usage.links", "app"), ("usage.host_network", "exporter")}, "findings")
        container(world, "exporter")["name"] = "node-exporter"
        world["engines"][0]["containers"].sort(key=lambda each: each["name"])
        same(found(lab.check(sample, world)[1], "usage.host_network"), [], "one that may")


# -- a swarm -----------------------------------------------------------------------------------

CLUSTER = [("tcp", 2377, "dockerd"), ("tcp", 7946, "dockerd"), ("udp", 7946, "dockerd"),
           ("udp", 4789, None)]  # fmt: skip


def swarm(closed):
    """A manager with a private eth1; `closed`: eth0 leads to none of the swarm's ports."""
    world = recorded("engine-20-no-proxy")
    eth0 = next(each for each in world["links"] if each["name"] == "eth0")
    index = max(each["index"] for each in world["links"]) + 1
    world["links"].append({**eth0, "name": "eth1", "index": index})
    world["addresses"].append({"addr": "10.1.0.1", "prefix_len": 24, "link": index})
    world["routes"] += [
        {**world["routes"][0], "dst": dst, "prefix_len": length, "type": kind, "table": table,
         "oif": index, "has_gateway": False, "priority": 0}
        for dst, length, kind, table in (("10.1.0.0", 24, 1, 254), ("10.1.0.1", 32, 2, 255))]
    world["engines"][0] |= {"swarm": True, "manager": True, "node_addr": "10.1.0.1",
                            "data_path_addr": "10.1.0.1"}
    world["listeners"] += [
        {"addr": "0.0.0.0", "port": port, "proto": proto, "v6only": False, "link": 0, "pid": 7,
         "process": process, "container_id": None} for proto, port, process in CLUSTER]
    if closed:
        rules = nft_dump.Ruleset()
        place = rules.chain("inet", "own", "input", nft_dump.INPUT, -10)
        others = {each["name"] for each in world["links"]} - {"eth1", "lo"}
        for link in sorted(others):
            for proto, port, _ in CLUSTER:
                rules.rule(place, *nft_dump.comes_in_by(link), *nft_dump.goes_to(proto, port),
                           nft_dump.verdict(nft_dump.DROP))
        dump = base64.b64decode(world["nftables"]["dump"]) + rules.dump()
        world["nftables"]["dump"] = base64.b64encode(dump).decode()
    return world


def swarm_private(tap, lab):
    sample = "swarm-private.yaml"
    with tap.case("swarm-private: the swarm's ports are for the private network alone"):
        result = lab.check(sample, swarm(closed=False))[1]
        zones = {zone for each in result["findings"] if each["rule"] == "usage.cluster"
                 for zone in each["zones"]}  # fmt: skip
        same(("NG005", "usage.cluster", "dockerd") in found(result), True, "findings")
        same("public" in zones and "private" not in zones, True, f"zones {zones}")
        same(found(result, "no-stores"), [("NG001", "no-stores", "redis")], "data stores")
    with tap.case("swarm-private: closed elsewhere there is nothing to tell"):
        result = lab.check(sample, swarm(closed=True))[1]
        same(found(result, "usage.cluster"), [], "findings")
        reached = {(reach["interface"], reach["verdict"]) for each in result["exposures"]
                   if each["role"] for reach in each["reach"]}  # fmt: skip
        same(("eth1", "reachable") in reached, True, f"the nodes get there: {reached}")


# -- CI, and all closed ------------------------------------------------------------------------


def ci_gate(tap, lab):
    sample, world = "ci-gate.yaml", recorded("engine-28-ufw")
    with tap.case("ci-gate: a published data store fails the build"):
        status, result = lab.check(sample, world, "--fail-on", "critical")
        same(status, 1, "status")
        same({each[2] for each in found(result, "no-stores")}, {"cache", "redis"}, "data stores")
    lab.write("expected.yaml", (SAMPLES / "ci-gate.test.yaml").read_text(encoding="utf-8"))
    expected = os.path.join(lab.folder, "expected.yaml")
    container(world, "sts").update(name="gateway", labels=[{"key": "role", "value": "gateway"}])
    with tap.case("ci-gate: what is expected does not hold of it"):
        status, text = lab.run(sample, world, "policy", "test", expected)
        same((status, "ok 1" in text, "not ok 2" in text, "not ok 3" in text),
             (1, True, True, True), text)  # fmt: skip
    with tap.case("ci-gate: a stack that publishes only what it should passes"):
        for each in world["engines"][0]["containers"]:
            if each["name"] in ("cache", "redis"):
                each |= {"published": [], "listeners_read": True, "listeners": []}
        world["listeners"] = [each for each in world["listeners"]
                              if each["port"] not in (6379, 16379)]
        same(lab.check(sample, world, "--fail-on", "critical")[0], 0, "status")
        status, text = lab.run(sample, world, "policy", "test", expected)
        same(status, 0, text)


def default_block(tap, lab):
    sample, world = "default-block.yaml", recorded("engine-28-ufw")
    with tap.case("default-block: what no rule allows is closed"):
        text = lab.run(sample, world, "plan")[1]
        closed = set(re.findall(r"^#   (\w+) .* from public .* then blocked$", text, re.M))
        same(closed, {"app", "cache", "range", "redis", "sts"}, "closed")
    with tap.case("default-block: what a rule allows stays open"):
        open_again = copy.deepcopy(world)
        container(open_again, "dns")["name"] = "resolver"
        text = lab.run(sample, open_again, "plan")[1]
        same("#   resolver 192.0.2.1:53/udp" in text, True, "without its name it is closed")


def main():
    os.umask(0o077)
    tap = Tap()
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(folder)
        tests = {"single-host-ufw": single_host, "frontend-backend": frontend_backend,
                 "swarm-private": swarm_private, "ci-gate": ci_gate, "default-block": default_block}
        for test in tests.values():
            test(tap, lab)
        with tap.case("each sample has its test"):
            same(sorted(each.stem for each in SAMPLES.glob("*.yaml") if "." not in each.stem),
                 sorted(tests), "samples")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
