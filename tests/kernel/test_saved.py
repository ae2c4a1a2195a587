#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole ruleset saved and loaded again with the guard in it, by each nft and whoever holds it.

What comes of it is what other programs and the kernel do; here it is written down, because
`netguard check`, `status` and the daemon's log tell of it. See guarded.py for the binary; needs
root, iproute2 and the lab's unpacked engines, whose nft it is. Prints TAP.
"""
import functools
import glob
import json
import os
import re
import signal
import sys
import time

from guarded import PATIENCE_S, Host, lab, main, same

OTHERS = "table inet mine {\n\tchain input {\n\t\ttype filter hook input priority filter;\n\t}\n}\n"
ADVICE = r"take it out: (sed -i '[^']*' \S+)$"
CUT = r"nft list ruleset \| (sed '[^']*');"
# The line of flags that nft prints; whether what it prints can be loaded in place of what is
# there, and on a host that has just booted; whether the guard is there after that.
FACTS = {
    ("applied", "20"): (None, True, True, True),
    ("held", "20"): ("flags owner", False, True, False),  # owned by nft, and gone with it
    ("left behind", "20"): ("flags", False, False, False),
    ("applied", "26"): (None, True, True, True),
    ("held", "26"): ("flags owner,persist", False, True, True),
    ("left behind", "26"): ("flags persist", True, True, True),
}


@functools.cache
def nft_of(engine):
    """The nft of that engine's suite, by its own libraries."""
    root = lab("rootfs", engine)
    if not root:
        return None
    loaders = glob.glob(f"{root}/usr/lib*/ld-linux*.so.*")
    libraries = glob.glob(f"{root}/usr/lib/*-linux-gnu*")
    return [loaders[0], "--library-path", libraries[0], f"{root}/usr/sbin/nft"]


def install(host, hold):
    if hold == "applied":
        host.apply()
    else:
        host.start()
        if hold == "left behind":
            host.end(kill=True)


def tables(host, nft):
    return host.run(*nft, "list", "tables").split("\n")[:-1]


class Saved:
    """A file that the configuration of the boot includes."""

    def __init__(self, host, text):
        self.path, self.main = f"{host.folder}/saved.nft", f"{host.folder}/nftables.conf"
        self.write(text)
        with open(self.main, "w", encoding="ascii") as file:
            file.write(f'flush ruleset\ninclude "{self.path}"\n')

    def write(self, text):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)

    def seen(self):
        """The command before one that finds it where this host has its own."""
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                'mount --bind "$0" /etc/nftables.conf && exec "$@"', self.main]  # fmt: skip


def check(host, before=()):
    done = host.netguard("check", "--policy", host.policy, "--format", "json", before=before)
    answer = json.loads(done.stdout)
    return answer.pop("warnings"), (done.returncode, {**answer, "time": None})


def load(host, nft, path):
    """As nftables.service does on a restart."""
    host.run(*nft, "flush", "ruleset")
    return host.call(*nft, "-f", path)


def warned_of(host, saved, readable):
    none, usual = check(host)
    same(none, [], "warnings without a file")
    warnings, answer = check(host, saved.seen())
    same(answer, usual, "all but the warnings")
    (warning,) = warnings
    same(warning["source"], saved.path, "source")
    part = "while netguard runs, the kernel refuses" if readable else "that no nft can read"
    assert part in warning["text"], warning
    return re.search(ADVICE, warning["text"])[1]


def saved_and_loaded(hold, engine):
    nft = nft_of(engine)
    if not nft:
        return f"no nft of engine {engine}"
    flags, loads, boots, is_there = FACTS[hold, engine]
    with Host() as host:
        host.run(*nft, OTHERS)
        install(host, hold)
        text = host.run(*nft, "list", "ruleset")
        lines = [line.strip() for line in text.splitlines()]
        same(next((line for line in lines if line.startswith("flags") and "interval" not in line),
                  None), flags, "what nft prints of its flags")  # fmt: skip
        saved = Saved(host, text)
        done = load(host, nft, saved.main)
        same(done.returncode == 0, loads, f"loads ({done.stderr})")
        assert loads or "not permitted" in done.stderr or flags == "flags", done.stderr
        same("table inet mine" in text, True, "others are saved")
        same("table inet mine {" in host.run(*nft, "list", "ruleset"), loads, "others are back")
        booted(nft, saved, boots, is_there)
        advice = warned_of(host, saved, flags != "flags")
        host.run("sh", "-c", advice)
        same(check(host, saved.seen())[0], [], "warnings when the advice was taken")
        done = load(host, nft, saved.main)
        same(done.returncode, 0, f"status of nft then ({done.stderr})")
        same("table inet mine {" in host.run(*nft, "list", "ruleset"), True, "others are back")


def booted(nft, saved, boots, is_there):
    """On a new kernel first the saved rules, then netguard by a policy that has changed since."""
    for start in Host.apply, Host.start:
        with Host() as host:
            host.write_policy("5432")
            done = host.call(*nft, "-f", saved.main)
            same(done.returncode == 0, boots, f"loads at boot ({done.stderr})")
            same("table inet netguard" in tables(host, nft), is_there, "guard after the boot")
            start(host)
            same("table inet mine" in host.run(*nft, "list", "ruleset"), boots, "others' table")
            ports = host.run(*nft, "list", "map", "inet", "netguard", "ports_tcp_public")
            same(("5432" in ports, "6379" in ports), (True, False), f"ports closed ({ports})")


def told_by_the_daemon():
    """Once in its log, and by status as long as it is so."""
    nft = ["nft"]
    with Host() as host:
        host.apply()
        saved = Saved(host, host.run(*nft, "list", "ruleset"))
        host.start(before=saved.seen())
        warned = f"netguard: {saved.path}: holds in line 1 a copy of the guard"
        same(host.said().count(warned), 1, f"lines of the log ({host.said()})")
        (warning,) = json.loads(host.netguard("status", "--format", "json").stdout)["warnings"]
        same(warning["source"], saved.path, "source")
        told = host.netguard("status").stdout
        assert f"warning: {saved.path}: holds in line 1" in told, told
        cut = re.search(CUT, told)[1]
        host.run(*nft, OTHERS)
        saved.write(host.run("sh", "-c", f"nft list ruleset | {cut}"))
        same(load(host, nft, saved.main).returncode, 0, "status of nft")
        same(tables(host, nft), ["table inet netguard", "table inet mine"], "tables")
        host.daemon.send_signal(signal.SIGHUP)
        begin = time.monotonic()
        while "warning: " in host.netguard("status").stdout:
            assert time.monotonic() - begin < PATIENCE_S, "status goes on to warn"
        same(host.said().count(warned), 1, f"lines of the log ({host.said()})")


def told_in_the_table():
    with Host() as host:
        saved = Saved(host, "")
        host.apply()
        saved.write(host.run("nft", "list", "ruleset"))
        done = host.netguard("check", "--policy", host.policy, before=saved.seen())
        _, _, rest = done.stdout.partition("\nWARNINGS (1)\n")
        assert rest.startswith(saved.path) and "\nresult" in rest, done.stdout


TESTS = [(f"{hold}, saved by the nft of engine {engine}",
          functools.partial(saved_and_loaded, hold, engine))
         for hold, engine in FACTS]  # fmt: skip
TESTS += [("told by the daemon", told_by_the_daemon), ("told in the table", told_in_the_table)]

if __name__ == "__main__":
    sys.exit(main(TESTS))
