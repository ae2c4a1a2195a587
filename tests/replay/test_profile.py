#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_profile.py   `check --profile cis` on recorded worlds, and the pages of `explain NG001`

What of a world is bound to which address is changed, and what gets there is not: the one is what a
bench reads, the other what counts.

    NETGUARD    the binary (default: build/netguard)

Prints TAP.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[1:1] = [str(HERE.parent / "e2e")]

from lab import NETGUARD, Tap, same  # noqa: E402

HEADER = HERE.parent.parent / "include/netguard/catalog.h"


def netguard(*words, text=None, **options):
    return subprocess.run([NETGUARD, *words], capture_output=True, check=False, text=True,
                          input=text or "", timeout=60, **options)  # fmt: skip


def world(name):
    return json.loads((HERE / "worlds" / f"{name}.json").read_text())


def profile(recorded, *words, policy="version: 1\ndefault: allow\n"):
    """(document, {item: (verdict, findings)}, exit status)"""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(policy)
        file.flush()
        done = netguard("check", "--profile", "cis", "--format", "json", "--snapshot", "-",
                        "--policy", file.name, *words, text=json.dumps(recorded))  # fmt: skip
    if done.returncode not in (0, 1):
        raise AssertionError(done.stderr)
    document = json.loads(done.stdout)
    items = {i["item"]: (i["verdict"], i["findings"]) for i in document["profile"]["items"]}
    return document, items, done.returncode


def subjects(document, finding_id):
    return sorted({f["subject"] for f in document["findings"] if f["id"] == finding_id})


def explains_every_finding():
    ids = re.findall(r'"(NG\d+)"', HEADER.read_text())
    for finding_id in ids:
        done = netguard("explain", finding_id.lower(), env={})
        same((done.returncode, done.stderr), (0, ""), finding_id)
        same(done.stdout.split()[0], finding_id, "the page")
        page = json.loads(netguard("explain", finding_id, "--format", "json").stdout)
        same(page["schema"], "netguard.explain/1", "schema")
        same(page["finding"]["id"], finding_id, "the page in JSON")
    same(len(ids) > 20, True, "ids")


def explains_to_anybody():
    options = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    same(netguard("explain", "NG001", env={}, **options).returncode, 0, "status")


def says_which_findings_there_are():
    done = netguard("explain", "NG091")
    same((done.returncode, done.stdout), (2, ""), "status and output")
    known = re.search(r"no finding NG091; did you mean NG0\d\d\?; there are NG001, ", done.stderr)
    same(bool(known), True, done.stderr)


def tells_of_each_item():
    document, items, status = profile(world("engine-28-ufw"))
    same(document["profile"]["version"], "1.6.0", "version")
    same(list(items), ["2.2", "2.4", "2.5", "2.7", "2.16", "5.8", "5.9", "5.10", "5.14", "5.30",
                       "7.2", "7.3", "7.9"], "items")  # fmt: skip
    same(items["5.10"], ("fail", 1), "5.10")
    same(items["5.14"][0], "fail", "5.14")
    same(status, 1, "status")
    for finding in document["findings"]:
        same(bool(finding["cis"]), True, finding["message"])
        same(all(items[item][0] == "fail" for item in finding["cis"]), True, finding["message"])


def bound_to_ipv6_alone():
    """ip6tables leads there in the one world; in the other ufw's input is in the way."""
    for name, found in (("engine-28-ipv6", ["redis"]), ("engine-28-ufw", [])):
        recorded = world(name)
        for each in recorded["engines"][0]["containers"]:
            each["published"] = [p for p in each["published"] if p["host_addr"] == "::"]
        document, items, _ = profile(recorded)
        same(subjects(document, "NG033"), found, name)
        same(items["5.14"], ("fail", 1) if found else ("pass", 0), name)


def bound_to_one_address():
    recorded = world("engine-28-ipv6")
    for each in recorded["engines"][0]["containers"]:
        each["published"] = [{**p, "host_addr": "192.0.2.1"} for p in each["published"]
                             if p["host_addr"] == "0.0.0.0"]  # fmt: skip
    document, items, _ = profile(recorded)
    same(items["5.14"], ("pass", 0), "5.14")
    same(items["5.9"][0], "fail", "5.9")


def needed_ports_and_exceptions():
    recorded = world("engine-28-ipv6")
    allowed = "version: 1\nrules: [{id: stores, allow: [6379], to: {name: redis}}]\n"
    same(profile(recorded, policy=allowed)[1]["5.9"], ("pass", 0), "allowed")
    excepted = allowed.replace("allow:", "deny:") + \
        "exceptions: [{rule: stores, to: {name: redis}}]\n"
    document, items, _ = profile(recorded, policy=excepted)
    same(items["5.9"], ("pass", 0), "excepted")
    same({f["state"] for f in document["findings"] if f["rule"] == "stores"}, {"excepted"}, "state")


def habits_that_the_policy_allows():
    allow = "version: 1\nusage: {host_network: {allow: [{name: exporter}]}}\n"
    same(profile(world("engine-28-ufw"), policy=allow)[1]["5.10"], ("pass", 0), "5.10")


def podman_has_no_settings_of_docker_s():
    recorded = world("engine-28-ipv6")
    recorded["engines"][0]["podman"] = True
    _, items, _ = profile(recorded)
    for item in "2.2", "2.4", "5.30":
        same(items[item], ("pass", 0), item)


def is_an_option_of_its_own():
    done = netguard("check", "--profile", "sic")
    same((done.returncode, done.stdout), (2, ""), "status and output")
    same("expected cis" in done.stderr, True, done.stderr)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write("version: 1\ndefault: allow\n")
        file.flush()
        done = netguard("check", "--format", "json", "--snapshot", "-", "--policy", file.name,
                        text=json.dumps(world("engine-28-ufw")))  # fmt: skip
    document = json.loads(done.stdout)
    same((done.returncode, document["findings"], "profile" in document), (0, [], False), "without")


def main():
    tap = Tap()
    for case in (explains_every_finding, explains_to_anybody, says_which_findings_there_are,
                 tells_of_each_item, bound_to_ipv6_alone, bound_to_one_address,
                 needed_ports_and_exceptions, habits_that_the_policy_allows,
                 podman_has_no_settings_of_docker_s, is_an_option_of_its_own):  # fmt: skip
        with tap.case(case.__name__.replace("_", " ")):
            case()
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
