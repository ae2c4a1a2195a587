#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""replaced.py VERSION   The engine is replaced by another version while the daemon runs

Engine 20 and one of VERSION, each in a network of its own. The daemon runs in that of VERSION, and
what it follows is a symbolic link: to engine 20 at first, then to the other one. Needs root. Prints
TAP.
"""
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time

from lab import Engine, NETGUARD, PATIENCE_S, Tap, same

POLICY = "version: 1\nrules: [{id: no-stores, deny: [6379]}]\ndefault: allow\n"


class Daemon:
    def __init__(self, folder, netns):
        self.log = f"{folder}/log"
        env = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
        with open(f"{folder}/policy.yaml", "w", encoding="ascii") as policy:
            policy.write(POLICY)
        with open(self.log, "w", encoding="utf-8") as log:
            self.child = subprocess.Popen(
                ["nsenter", f"--net={netns}", NETGUARD, "run", "--foreground", "--policy",
                 policy.name, "--docker", f"unix://{folder}/docker.sock"], stderr=log,
                env={**env, "RUNTIME_DIRECTORY": folder, "STATE_DIRECTORY": folder})  # fmt: skip

    def said(self, pattern):
        with open(self.log, encoding="utf-8") as log:
            return re.findall(pattern, log.read())

    def await_word(self, pattern, count=1):
        begin = time.monotonic()
        while len(found := self.said(pattern)) < count:
            if time.monotonic() - begin > PATIENCE_S:
                raise AssertionError(f"{pattern}: not {count} times in {self.said('.+')}")
            time.sleep(0.02)
        same(len(found), count, pattern)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.terminate()
        same(self.child.wait(PATIENCE_S), 0, "status of the daemon")


def main(version):
    tap = Tap()
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(Engine(version))
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        link = f"{folder}/docker.sock"
        with Engine("20") as first:
            os.symlink(first.socket, link)
            daemon = stack.enter_context(Daemon(folder, other.host))
            with tap.case("the first one is followed"):
                daemon.await_word(r"docker\.sock: followed")
        with tap.case("it is missed"):
            daemon.await_word(r"docker\.sock: away.*no such socket")
        os.remove(link)
        os.symlink(other.socket, link)
        with tap.case("the one in its place is followed, and what it has open is found"):
            daemon.await_word(r"docker\.sock: followed", 2)
            other.run("redis", "-p", "6379:6379", serve=[6379])
            other.expect("redis", "192.0.2.1", 6379)
            daemon.await_word(r"opened: .*redis")
        with tap.case("and what it has closed is over"):
            other.docker("rm", "-f", "redis")
            daemon.await_word(r"resolved: .*redis")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
