#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""alerts.py [--starts N] [--seed S]: who is told what, on a host booted by systemd with a real
engine, a real journal, a real rsyslog and a receiver of webhooks.

Of each container that is open against the policy there is one alert when it opens and one when it
is gone, by every way out, whatever happens meanwhile to the engine, the daemon, the journal, the
receiver or the disk. At the end a row of N starts, in which the engine is restarted, is
compared with what was really started."""
import argparse
import collections
import contextlib
import datetime
import http.server
import json
import random
import re
import socketserver
import sys
import threading
import time

from booted import POLICY_FILE, TREE, Booted
from doors import tell, until
from lab import HERE, Host, LabError, Tap, inside, same

PORT, HOOK, SYSLOG = 6379, 8099, 6010
GONE_S = 10  # NG_LIFE_GONE_S
STATE = "var/lib/netguard"
LOG = "var/log/netguard-alerts"
RESTARTS = 2

POLICY = f"""\
version: 1
rules:
  - {{id: no-stores, deny: [{PORT}], severity: critical, reason: "stores stay inside"}}
default: allow
alerts:
  journal: {{}}
  syslog: {{address: "tcp://127.0.0.1:{SYSLOG}", facility: local3}}
  webhook: {{url: "http://127.0.0.1:{HOOK}/hook", token_file: /etc/netguard/token}}
"""
RSYSLOG = f"""\
module(load="imtcp")
input(type="imtcp" port="{SYSLOG}")
template(name="alert" type="string"
         string="%syslogfacility-text% %syslogseverity% %msgid% %structured-data% %msg%\\n")
if $app-name == "netguard" and $msgid != "-" then
    action(type="omfile" file="/{LOG}" template="alert")
"""
CATALOG = HERE.parents[1] / "packaging/netguard.catalog"
SECRET = "correct-horse"


# -- what was told -------------------------------------------------------------------------------


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Authorization"] == f"Bearer {SECRET}", self.headers
        self.server.came.append(json.loads(body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


class Alerted(Booted):
    def __init__(self, name):
        Host.__init__(self, name, TREE | {
            POLICY_FILE: POLICY,
            "etc/netguard/token": f"{SECRET}\n",
            "etc/rsyslog.d/netguard.conf": RSYSLOG,
            # As its package enables it.
            "etc/systemd/system/syslog.service": ("/lib/systemd/system/rsyslog.service",),
            "usr/lib/systemd/catalog/netguard.catalog": CATALOG.read_text()})  # fmt: skip
        self.came = []  # at the receiver
        self.killed = self.back = 0

    @contextlib.contextmanager
    def receives(self):
        with inside(self.host):
            server = Server(("127.0.0.1", HOOK), Receiver)
        server.came = self.came
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def open(self, name, port):
        self.begin(name, f"/lab/knock answer {PORT}", network="bridge", published=[(PORT, (port,))])

    def close(self, name):
        tell(self, "DELETE", f"/containers/{name}?force=1")

    def away_s(self, name):
        """For how long it was down before it came back, as its engine tells."""
        def state():
            return self.api(f"/containers/{name}/json")["State"]

        until(lambda: state()["Running"], f"{name} runs again")
        ends, begins = (datetime.datetime.fromisoformat(state()[key][:26].rstrip("Z"))
                        for key in ("FinishedAt", "StartedAt"))  # fmt: skip
        return (begins - ends).total_seconds()

    # -- by each way: (kind, container) of every alert --

    def in_journal(self):
        said = self.sh("journalctl", "-q", "-o", "json", "--no-pager", "-t", "netguard",
                       "--output-fields=NETGUARD_KIND,CONTAINER_NAME")  # fmt: skip
        entries = map(json.loads, said.splitlines())
        return [(entry["NETGUARD_KIND"], entry.get("CONTAINER_NAME"))
                for entry in entries if "NETGUARD_KIND" in entry]  # fmt: skip

    def in_syslog(self):
        lines = []
        with contextlib.suppress(FileNotFoundError):
            lines = (self.root / LOG).read_text().splitlines()
        found = []
        for line in lines:
            name = re.search(r' container_name="([^"]*)"', line)
            found.append((line.split()[2], name and name[1]))
        return found

    def at_receiver(self):
        return [(alert["kind"], alert.get("container_name")) for alert in list(self.came)]

    def ways(self):
        return {"journal": self.in_journal, "syslog": self.in_syslog, "webhook": self.at_receiver}

    def told(self, kind, container, times=1):
        """By every way so often."""
        for name, way in self.ways().items():
            until(lambda way=way: way().count((kind, container)) >= times,
                  f"{kind} of {container} by {name}", 0.05)  # fmt: skip
            same(way().count((kind, container)), times,
                 f"{kind} of {container} by {name}, in {self.history(container)}")  # fmt: skip

    def history(self, container):
        return self.sh("journalctl", "-q", "-o", "short-precise", f"CONTAINER_NAME={container}")

    def entry(self, kind, container=None):
        """The last of its kind in the journal, whole."""
        match = [f"NETGUARD_KIND={kind}"] + ([f"CONTAINER_NAME={container}"] if container else [])
        return json.loads(self.sh("journalctl", "-q", "-o", "json", "-n", "1", *match))

    def hang(self, unit, how):
        self.sh("systemctl", "kill", "--kill-whom=main", "-s", how, unit)


@contextlib.contextmanager
def hung(host, unit):
    host.hang(unit, "STOP")
    try:
        yield
    finally:
        host.hang(unit, "CONT")


# -- one container -------------------------------------------------------------------------------


def begins(tap, host):
    with tap.case("nothing is told of a host where nothing is wrong"):
        host.sh("journalctl", "--update-catalog")
        host.sh("systemctl", "start", "rsyslog")
        host.settle()
        time.sleep(1)
        for name, way in host.ways().items():
            same([what for what in way() if what[0] != "reload-succeeded"], [], f"alerts by {name}")


def opens(tap, host):
    with tap.case("opened: by every way, once, with its fields"):
        host.open("redis", 16379)
        host.told("finding-opened", "redis")
        entry = host.entry("finding-opened", "redis")
        found = host.api("/containers/redis/json")["Id"]
        for field, value in {
                "PRIORITY": "2", "SYSLOG_IDENTIFIER": "netguard", "NETGUARD_RULE": "no-stores",
                "NETGUARD_SEVERITY": "critical", "NETGUARD_FINDING": "NG001",
                "NETGUARD_HOST_PORT": "16379", "NETGUARD_CONTAINER_PORT": str(PORT),
                "NETGUARD_ZONES": "public", "CONTAINER_ID": found[:12],
                "CONTAINER_ID_FULL": found, "IMAGE_NAME": "lab"}.items():  # fmt: skip
            same(entry.get(field), value, field)
        assert len(entry["MESSAGE_ID"]) == 32 and "container redis" in entry["MESSAGE"], entry
        lines = (host.root / LOG).read_text().splitlines()
        line = next(line for line in lines if "finding-opened" in line)
        for part in "local3 2 finding-opened [netguard@", ' rule="no-stores"', ' host_port="16379"':
            assert part in line, line
        alert = next(alert for alert in host.came if alert["kind"] == "finding-opened")
        same([alert[key] for key in ("schema", "rule", "severity", "over", "image_name")],
             ["netguard.alert/1", "no-stores", "critical", False, "lab"], "the document")
    with tap.case("the journal explains it"):
        said = host.sh("journalctl", "-q", "-x", "-n", "1", "NETGUARD_KIND=finding-opened")
        assert "redis is reachable against the policy" in said, said
        assert "netguard explain redis" in said and "-p 127.0.0.1:" in said, said
    with tap.case("the sandbox of the unit hides nothing from it"):
        host.settle()
        seen, whole = host.status(), json.loads(host.sh("sh", "-c", "netguard check --format json "
                                                                    "|| [ $? = 1 ]"))  # fmt: skip
        same((seen["complete"], seen["gaps"], seen["exposures"]),
             (True, [], len(whole["exposures"])), "what is seen")
        exposed = host.sh("systemd-analyze", "security", "--no-pager", "netguard").splitlines()[-1]
        print(f"# {exposed.encode('ascii', 'ignore').decode().strip()}")
    with tap.case("no secret is told"):
        for where in host.sh("journalctl", "-q", "-o", "export"), json.dumps(host.came), \
                (host.root / "run/netguard/status.json").read_text():  # fmt: skip
            assert SECRET not in where


def restarts(tap, host):
    with tap.case("a restart of the daemon repeats nothing, nor does one of the engine"):
        before = {name: way() for name, way in host.ways().items()}
        host.sh("systemctl", "restart", "netguard")
        host.settle()
        host.kill()
        host.settle()
        host.sh("systemctl", "restart", "docker")
        host.settle()
        time.sleep(1)
        new = {name: collections.Counter(way()) - collections.Counter(before[name])
               for name, way in host.ways().items()}  # fmt: skip
        for name, more in new.items():
            same([what for what in more if what[0].startswith("finding")], [], f"told by {name}")


def others_change(tap, host):
    with tap.case("others change the firewall: who did, and what came of it"):
        host.sh("nft", "add table ip other; add chain ip other c { type filter hook forward "
                       "priority -5; }; add rule ip other c tcp dport 6379 drop")  # fmt: skip
        until(lambda: ("reach-changed", "redis") in host.in_journal(), "it is told")
        entry = host.entry("reach-changed")
        same(entry["NETGUARD_CHANGED_BY"], "nft", "by whom")
        assert int(entry["NETGUARD_CHANGED_BY_PID"]) > 1 and "16379/tcp" in entry["MESSAGE"], entry
        host.sh("nft", "delete table ip other")
        until(lambda: host.in_journal().count(("reach-changed", "redis")) == 2, "and the other way")
        assert "is reachable" in host.entry("reach-changed")["MESSAGE"]


def engine_hangs(tap, host):
    with tap.case("an engine that hangs is missed, and seen again"):
        with hung(host, "docker.service"):
            begin = time.monotonic()
            while ("sight-lost", None) not in host.in_journal():  # it is asked every 10 s
                assert time.monotonic() < begin + 40, "it is not missed"
                time.sleep(0.2)
            print(f"# missed after {time.monotonic() - begin:.1f} s")
            assert "docker" in host.entry("sight-lost")["NETGUARD_SIGHT"], host.entry("sight-lost")
        until(lambda: ("sight-regained", None) in host.in_journal(), "it is seen again", 0.2)
        same(host.in_journal().count(("sight-lost", None)), 1, "times")


def journal_hangs(tap, host):
    with tap.case("a journal that takes nothing holds nobody up"):
        with hung(host, "systemd-journald"):
            host.open("hidden", 16380)
            until(lambda: ("finding-opened", "hidden") in host.at_receiver(), "the webhook has it")
        host.told("finding-opened", "hidden")


def receiver_down(tap, host):
    with tap.case("what a receiver misses waits for it, also over a restart"):
        host.open("missed", 16381)
        until(lambda: ("finding-opened", "missed") in host.in_journal(), "the journal has it")
        until(lambda: any(sink["waiting"] for sink in host.status()["alerts"]["sinks"]),
              "status tells that it waits", 0.1)  # fmt: skip
        host.sh("systemctl", "restart", "netguard")
        time.sleep(0.5)
        with host.receives():
            host.told("finding-opened", "missed")


def disk_full(tap, host):
    with tap.case("a full disk is told of, and keeps nothing from being told"):
        host.sh("systemctl", "stop", "netguard")
        host.sh("sh", "-c", f"cp /{STATE}/findings.json /run/; "
                            f"mount -t tmpfs -o size=64k tmpfs /{STATE}; "
                            f"mv /run/findings.json /{STATE}/; cat /dev/zero >/{STATE}/rest || :")
        host.sh("systemctl", "start", "netguard")
        host.settle()
        host.open("full", 16382)
        host.told("finding-opened", "full")
        until(lambda: "No space left" in json.dumps(host.status()), "status tells of it")
        host.sh("rm", f"/{STATE}/rest")
        host.open("room", 16383)
        host.told("finding-opened", "room")
        until(lambda: '"room"' in (host.root / STATE / "findings.json").read_text(), "it is kept")
        host.sh("systemctl", "stop", "netguard")
        host.sh("sh", "-c", f"cp /{STATE}/findings.json /run/; umount /{STATE}; "
                            f"mv /run/findings.json /{STATE}/")
        host.sh("systemctl", "start", "netguard")
        host.settle()


def closes(tap, host):
    with tap.case("resolved: by every way, once"):
        names = "redis", "hidden", "missed", "full", "room"
        for name in names:
            host.close(name)
        for name in names:
            host.told("finding-resolved", name)
            host.told("finding-opened", name)
        same(host.status()["findings"], [], "findings")


# -- many ----------------------------------------------------------------------------------------


def many(tap, host, starts, rng):
    with tap.case(f"{starts} starts, the engine restarted in between: all told, none twice"):
        restart_at = set(rng.sample(range(2, starts - 1), RESTARTS + starts // 100))
        begin, started, running, slow = time.monotonic(), [], [], []
        for number in range(starts):
            name = f"store-{number}"
            host.open(name, 20000 + number)
            started.append(name)
            running.append(name)
            if number in restart_at:
                host.sh("systemctl", "restart", "docker")
                slow += [name for name in running if host.away_s(name) > GONE_S - 2]
            if len(running) > 12:
                host.close(running.pop(rng.randrange(len(running) - 2)))
        for name in running:
            host.close(name)
        want = {(kind, name): 1 for name in started for kind in ("finding-opened",
                                                                 "finding-resolved")}  # fmt: skip
        for name, way in host.ways().items():
            def of_these(way=way):
                return collections.Counter(what for what in way()
                                           if what in want and "store-" in what[1])  # fmt: skip
            with contextlib.suppress(AssertionError):
                until(lambda: sum(of_these().values()) >= len(want), name, 0.3)  # noqa: B023
            lost = [what for what in want if what not in of_these()]
            # Who was really away for long was told of twice, and rightly.
            doubled = {what: count for what, count in of_these().items()
                       if count > 1 + slow.count(what[1])}  # fmt: skip
            same((lost, doubled), ([], {}), f"lost and doubled by {name}")
        same(host.status()["findings"], [], "findings at the end")
        print(f"# {starts} starts, {len(restart_at)} restarts of the engine in "
              f"{time.monotonic() - begin:.0f} s")  # fmt: skip


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--starts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(f"# seed {asked.seed}")
    tap, rng = Tap(), random.Random(asked.seed)
    with Alerted("alerts") as host:
        with host.receives():
            begins(tap, host)
            opens(tap, host)
            restarts(tap, host)
            others_change(tap, host)
            engine_hangs(tap, host)
            journal_hangs(tap, host)
        receiver_down(tap, host)
        with host.receives():
            disk_full(tap, host)
            closes(tap, host)
            many(tap, host, asked.starts, rng)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
