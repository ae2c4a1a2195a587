#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""world.py 20|26|28: a recorded world says what the live one said, looking changes nothing,
and what cannot be looked at is named."""
import json
import pathlib
import re
import shutil
import sys
import tempfile

from lab import HOST4, NETGUARD, Engine, Report, Tap, inside, netguard, same

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all",
          "--inh-caps=-all", "--no-new-privs"]  # fmt: skip
# Without the sockets of an engine that this machine itself may have.
WITHOUT_RUN = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "-"]


def timeless(text):
    """Without the time of the observation, which is all that may differ."""
    text = re.sub(r'"time":\s*"[^"]*"', '"time":""', text)
    return re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(Z| UTC)?", "TIME", text)


def replay(tap, engine, directory):
    directory.chmod(0o755)  # an unprivileged user has to get at what is in it
    binary = directory / "netguard"
    file = directory / "world.json"

    with tap.case("snapshot: the world as one JSON document, status 0"):
        shutil.copy(NETGUARD, binary)
        done = engine.netguard("snapshot")
        same((done.returncode, done.stderr), (0, ""), "status and diagnostics")
        same(json.loads(done.stdout)["schema"], "netguard.snapshot/1", "schema")
        file.write_text(done.stdout)
    with tap.case("snapshot: who has the engine's socket, and which capabilities"):
        (told,) = json.loads(done.stdout)["engines"]
        facts = "engine_socket", "capabilities_read", "privileged", "net_admin", "net_raw"
        same({c["name"]: [c[fact] for fact in facts] for c in told["containers"]},
             {"redis": [True, True, False, False, False], "dns": [True, True, False, False, True],
              "exporter": [False, True, False, True, True],
              "app": [False, True, False, False, False]}, f"{facts}")  # fmt: skip
    for form in "json", "table":
        with tap.case(f"check --snapshot --format {form}: byte for byte what the live world gave"):
            live = engine.netguard("check", "--format", form)
            same("redis" in live.stdout, True, "redis is seen")
            replayed = netguard("check", "--snapshot", file, "--format", form, netns=engine.out)
            same(timeless(replayed.stdout), timeless(live.stdout), "report")
            same((replayed.returncode, live.returncode), (1, 1), "status")
        with tap.case(f"check --snapshot --format {form}: the same for a user without privilege"):
            once = netguard("check", "--snapshot", file, "--format", form, netns=engine.out)
            again = netguard("check", "--snapshot", file, "--format", form,
                             netns="/proc/self/ns/net", prefix=NOBODY, binary=binary)  # fmt: skip
            same((again.stdout, again.returncode, again.stderr), (once.stdout, 1, ""), "report")


def state(engine):
    """Whatever netguard could change by looking."""

    def read(path):
        try:
            return path.read_text()
        except OSError:  # absent, or not to be read
            return None

    with inside(engine.host):
        names = ["ip_tables_names", "ip6_tables_names", "arp_tables_names"]
        found = {name: read(pathlib.Path("/proc/net") / name) for name in names}
        found |= {
            str(path): read(path)
            for path in pathlib.Path("/proc/sys/net").rglob("*")
            if path.is_file() and path.name != "nf_conntrack_count"  # changes by itself
        }
    found["modules"] = read(pathlib.Path("/proc/modules"))
    found["ruleset"] = engine.sh("nft", "--stateless", "--handle", "list", "ruleset")
    return found


def difference(before, after):
    return sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))


def untouched(tap, engine):
    with tap.case("check and snapshot leave tables, modules, sysctls and rules as they were"):
        before = state(engine)
        same("DOCKER" in before["ruleset"], True, "the ruleset was read")
        same(before["/proc/sys/net/ipv4/ip_forward"], "1\n", "ip_forward")
        for arguments in ["check"], ["check", "--format", "json"], ["snapshot"]:
            same(engine.netguard(*arguments).stdout != "", True, f"{arguments} says something")
        same(difference(before, state(engine)), [], "what changed")

    name = "legacy tables: a look at one would have been noticed"
    if state(engine)["ip_tables_names"] is None:
        return tap.skip(name, "this kernel has none")
    with tap.case(name):
        before = state(engine)
        engine.sh("iptables-legacy", "-t", "mangle", "-S")
        same(difference(before, state(engine)), ["ip_tables_names"], "what changed")


def engine_absent(tap, engine):
    """On the outside host, where there is none."""

    def check(*arguments):
        return netguard("check", *arguments, netns=engine.out, prefix=WITHOUT_RUN)

    with tap.case("no engine, none asked for: says so, finds nothing, status 0"):
        Report(check("--format", "json")).clean()
        done = check()
        same(done.returncode, 0, "status")
        said = re.search(r"no (\w+ )?engine", done.stdout, re.IGNORECASE)
        same(bool(said), True, f"said in {done.stdout!r}")
    with tap.case("no engine where one was asked for: a gap that names it, status 3"):
        report = Report(check("--format", "json", "--docker", "unix:///nonexistent"))
        same((report.status, report.json["complete"]), (3, False), "status and complete")
        gaps = json.dumps(report.json["gaps"])
        same("/nonexistent" in gaps, True, f"named in {gaps}")
        same(check("--docker", "unix:///nonexistent").returncode, 3, "status of the table")


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as directory, Engine(sys.argv[1]) as engine:
        engine.run("redis", "-p", "6379:6379", "-v", "/var/run/docker.sock:/engine:ro",
                   "--cap-drop", "net_raw", serve=(6379,))  # fmt: skip
        engine.run("dns", "-p", f"{HOST4}:5353:53/udp", "-v", "/run:/host:ro", serve=("53/udp",))
        engine.run("exporter", "--network", "host", "--cap-add", "net_admin", serve=(9100,))
        engine.run("app", "--link", "redis", "--cap-drop", "all")
        engine.sh("ufw", "--force", "enable")
        replay(tap, engine, pathlib.Path(directory))
        engine_absent(tap, engine)
        untouched(tap, engine)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
