#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard's table beside everybody else's tools: ufw, firewalld, both kinds of iptables, nft.

One script of what their users do, run three times on one host - without the guard, with one that
`apply` has installed, with one that `run` holds - has to say the same each time: same output, same
errors, same status. And the guard has to be whole after each step.

See guarded.py for the binary; needs root and the lab's unpacked engine 20, in whose root a real
firewalld and a bus run in namespaces of their own. Prints TAP.
"""
import difflib
import functools
import json
import os
import re
import shlex
import subprocess
import sys
import time

from guarded import PATIENCE_S, Host, lab, main, run, same

# What becomes of firewalld and ufw is theirs to write: all of it goes to memory. $1: engine 20's
# root, $2: what is laid over it, $3: a directory for the mounts.
ROOT = """
set -e
mount -t tmpfs netguard "$3"
cd "$3"
mkdir upper work new
mount -t overlay -o "lowerdir=$2:$1,upperdir=upper,workdir=work" netguard new
cd new
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mkdir tmp/old
pivot_root . tmp/old
cd /
umount -l /tmp/old
cat >/run/bus.conf <<end
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
end
mkdir /run/dbus
export PATH=/usr/sbin:/usr/bin
dbus-daemon --config-file=/run/bus.conf --fork --nopidfile
exec firewalld --nofork --nopid
"""
# What each has of its own; firewalld brings its rules along.
RULES = """
firewall-cmd --permanent --zone=public --add-interface=eth0
firewall-cmd --reload
iptables -A INPUT -p tcp --dport 9 -m comment --comment "mine" -j DROP
iptables -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080
ip6tables -A FORWARD -m conntrack --ctstate INVALID -j DROP
iptables-legacy -A INPUT -p udp --dport 9 -j DROP
ip6tables-legacy -A INPUT -p udp --dport 9 -j DROP
nft table inet mine { set some { type ipv4_addr; elements = { 192.0.2.7 }; }; \
chain input { type filter hook input priority filter - 1; ip saddr @some counter drop; }; }
ufw --force enable
ufw allow 22/tcp
iptables-save -f /run/v4
ip6tables-save -f /run/v6
sh -c "iptables-legacy-save >/run/legacy"
sh -c "nft list table inet mine >/run/mine"
iptables-restore /run/v4
ip6tables-restore /run/v6
"""
# They end where they began. firewalld itself flushes what iptables has, and puts nothing back.
ACTS = """
firewall-cmd --add-port=8080/tcp
firewall-cmd --reload
iptables-restore /run/v4
ip6tables-restore /run/v6
ufw allow 99/tcp
ufw reload
ufw delete allow 99/tcp
ufw disable
ufw --force enable
iptables-restore /run/v4
ip6tables-restore /run/v6
iptables -I INPUT -s 192.0.2.1 -j ACCEPT
iptables -C INPUT -s 192.0.2.1 -j ACCEPT
iptables -D INPUT -s 192.0.2.1 -j ACCEPT
iptables -F
iptables -t nat -F
iptables-restore /run/v4
iptables-legacy -F
iptables-legacy-restore /run/legacy
nft add element inet mine some { 192.0.2.8 }
nft delete table inet mine
nft -f /run/mine
"""
SAVES = """
iptables-save -c
ip6tables-save -c
iptables-legacy-save -c
ip6tables-legacy-save -c
nft list ruleset
"""
LISTINGS = """
iptables -S
iptables -t nat -S
iptables -vnL
ip6tables -S
iptables-legacy -S
cat /proc/net/ip_tables_names
nft -j list ruleset
nft -s list tables
nft list hooks
ufw status verbose
firewall-cmd --state
firewall-cmd --list-all
"""


def table_of(thing):
    """Of nft's JSON, the family and name of its table."""
    (part,) = thing.values()
    return part.get("family", ""), part.get("table", part.get("name", ""))


def without_guard(words, text):
    """Also without what says when, or in which order, something was made."""
    if words[:3] == ["nft", "-j", "list"]:
        things = [thing for thing in json.loads(text)["nftables"]
                  if table_of(thing) != ("inet", "netguard")]  # fmt: skip
        return [{kind: {**part, "handle": None} for kind, part in thing.items()}
                for thing in sorted(things, key=table_of)]  # fmt: skip
    if words[0] == "nft":
        tables = re.split(r"^(?=table )", text, flags=re.M)
        return sorted(table for table in tables if not table.startswith("table inet netguard"))
    return re.sub(r"^# (Generated|Completed) .*\n", "", text, flags=re.M)


class Firewalls(Host):
    """A host on which all of them run."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = layers

    def prepare(self):
        super().prepare()
        run("ip", "-n", self.netns, "link", "add", "eth0", "type", "bridge")
        mounts = os.path.join(self.folder, "root")
        os.mkdir(mounts)
        self.unshared = subprocess.Popen(
            self.inside("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation",
                        "private", "bash", "-c", ROOT, "bash", *self.layers, mounts),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        self.stack.callback(self.unshared.wait)
        self.stack.callback(self.unshared.kill)
        self.await_firewalld()
        for command in lines(RULES):
            status, _, error = self.do(command)
            same(status, 0, f"status of {command} ({error})")

    def await_firewalld(self):
        begin = time.monotonic()
        path = f"/proc/{self.unshared.pid}/task/{self.unshared.pid}/children"
        while True:
            with open(path, encoding="ascii") as file:
                self.leader = file.read().strip()
            if self.leader and self.do("firewall-cmd --state")[0] == 0:
                return
            assert self.unshared.poll() is None, "firewalld has ended"
            assert time.monotonic() - begin < PATIENCE_S, "firewalld does not answer"
            time.sleep(0.1)

    def do(self, command):
        """Its status, output and errors."""
        done = subprocess.run(
            ["nsenter", f"--target={self.leader}", "--mount", "--net", "--pid", "--root", "--wd",
             "env", "-i", "PATH=/usr/sbin:/usr/bin", "HOME=/root", *shlex.split(command)],
            capture_output=True, text=True, check=False)  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    def guard(self):
        return self.do("nft list table inet netguard")

    def session(self, guarded):
        """All of it, step by step: what each has said."""
        said = []
        whole = self.guard()
        same(whole[0], 0 if guarded else 1, f"status of listing the guard ({whole})")
        for command in lines(SAVES + LISTINGS + ACTS + SAVES):
            status, out, error = self.do(command)
            out = without_guard(shlex.split(command), out)
            said.append((command, status, out, sorted(error.split("\n"))))
            same(self.guard(), whole, f"the guard after {command}")
        return said


def lines(script):
    return [line for line in script.split("\n") if line]


class Beside:
    def __init__(self, host):
        self.host = host
        self.usual, self.now = [], []

    def without(self):
        self.usual = self.host.session(False)
        for command, status, out, error in self.usual:
            same(status, 0, f"status of {command} ({out} {error})")
        said = {command: out for command, _, out, _ in self.usual}
        same(said["firewall-cmd --state"], "running\n", "state of firewalld")
        assert "Status: active" in said["ufw status verbose"], said["ufw status verbose"]

    def applied(self):
        self.now = []
        self.host.apply()
        self.now = self.host.session(True)
        plan = self.host.netguard("plan", "--policy", self.host.policy, "--format", "json").stdout
        same(json.loads(plan)["changes"], [], "changes")

    def held(self):
        self.now = []
        self.host.start()
        self.now = self.host.session(True)
        said = self.host.said()
        same(said.count("netguard: guard: "), 1, f"lines of the log about it ({said})")

    def says_the_same(self, tool):
        """As without."""
        ours = [step for step in zip(self.usual, self.now) if is_of(tool, step[0][0])]
        assert ours, f"no step of {tool}"
        for usual, now in ours:
            difference = difflib.unified_diff(text_of(usual), text_of(now), "without", "beside")
            assert now == usual, "\n".join(difference)

    def flushed(self):
        """By the one that owns all of nf_tables; what is held is nobody else's."""
        whole = self.host.guard()
        same(self.host.do("nft flush ruleset"), (0, "", ""), "nft flush ruleset")
        same(self.host.guard(), whole, "the guard after nft flush ruleset")
        same(self.host.do("nft list tables")[1], "table inet netguard\n", "tables")
        for command in "iptables-restore /run/v4", "ufw reload":
            status, _, error = self.host.do(command)
            same((status, error), (0, ""), f"status and errors of {command}")
            same(self.host.guard(), whole, f"the guard after {command}")


TOOLS = {"iptables": ("iptables", "ip6tables"), "nft": ("nft",), "ufw": ("ufw",),
         "iptables-legacy": ("iptables-legacy", "ip6tables-legacy", "cat"),
         "firewalld": ("firewall-cmd",)}  # fmt: skip


def text_of(step):
    return json.dumps(step, indent=1).replace("\\n", "\n").split("\n")


def is_of(tool, command):
    return re.sub(r"-(save|restore)$", "", command.split()[0]) in TOOLS[tool]


def tests_of(beside):
    yield "all of them without a guard", beside.without
    for hold in "applied", "held":
        yield f"{hold}: the guard is whole after each step", getattr(beside, hold)
        for tool in TOOLS:
            yield f"{hold}: {tool} says the same", functools.partial(beside.says_the_same, tool)
    yield "held: others' flush and what they put back", beside.flushed


def all_of_it():
    if os.geteuid() != 0:
        return main([])
    layers = lab("rootfs", "20"), lab("firewalld")
    if None in layers:
        print("1..0 # SKIP no firewalld, or no root of engine 20, to be had")
        return 0
    with Firewalls(*layers) as host:
        return main(list(tests_of(Beside(host))))


if __name__ == "__main__":
    sys.exit(all_of_it())
