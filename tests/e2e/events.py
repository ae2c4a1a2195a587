#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""events.py FOLLOW-EVENTS 20|26|28: what happens on a real engine is told of, and an engine that
comes back is found again."""
import contextlib
import pathlib
import queue
import subprocess
import sys
import threading
import time

from lab import PATIENCE_S, Engine, Tap, same

# In the engine's mount namespace, which ends with the last process in it. $0: its cgroup; then its
# command line.
RESTART = """
echo $$ >"$0/cgroup.procs"
pid=$(cat /lab/pid)
kill -"$1" "$pid"
shift
while [ -e "/proc/$pid" ]; do sleep 0.02; done
setsid "$@" </dev/null >>/lab/log 2>&1 &
"""


class Follower:
    """The lines of follow_events as they come."""

    def __init__(self, binary, socket):
        self.lines, self.command = queue.Queue(), [binary, f"unix://{socket}"]

    def __enter__(self):
        self.child = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()

    def read(self):
        for line in self.child.stdout:
            self.lines.put(line.split())

    def next(self):
        try:
            return self.lines.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise AssertionError("nothing is told") from None

    def tells(self, *events):
        """These and no others, in this order; an event by its kind and name."""
        for event in events:
            same(self.next()[:len(event)], list(event), "what is told")

    def quiet(self):
        with contextlib.suppress(queue.Empty):
            raise AssertionError(f"told besides: {self.lines.get(timeout=0.3)}")


def restart(engine, how):
    pid = pathlib.Path(engine.socket).with_name("pid").read_text().strip()
    command = pathlib.Path("/proc", pid, "cmdline").read_bytes().decode().split("\0")[:-1]
    cgroup = next(pathlib.Path("/sys/fs/cgroup").glob(f"**/netguard-lab-{engine.name}/engine"))
    engine.sh("sh", "-c", RESTART, cgroup, how, *command)


def main():
    binary, version = sys.argv[1:]
    tap = Tap()
    with Engine(version) as engine, Follower(binary, engine.socket) as follower:
        with tap.case("it subscribes"):
            follower.tells(["connected"])
            while not follower.lines.empty():  # of the second before
                follower.next()

        with tap.case("a container comes"):
            engine.run("web", "-p", "8080:8080", serve=(8080,))
            follower.tells(["container", "create", "web"], ["network", "connect", "bridge"],
                           ["container", "start", "web"])  # fmt: skip
            follower.quiet()

        with tap.case("a command in it is no event"):
            engine.docker("exec", "web", "/usr/bin/true")
            follower.quiet()

        with tap.case("a network comes, the container joins it and gets a name"):
            engine.docker("network", "create", "app")
            engine.docker("network", "connect", "app", "web")
            engine.docker("rename", "web", "shop")
            follower.tells(["network", "create", "app"], ["network", "connect", "app"],
                           ["container", "rename", "shop"])  # fmt: skip

        with tap.case("both go"):
            engine.docker("rm", "-f", "shop")
            engine.docker("network", "rm", "app")
            told = sorted(follower.next()[:3] for _ in range(5))  # engines differ in the order
            same(told, [["container", "destroy", "shop"], ["container", "die", "shop"],
                        ["network", "destroy", "app"], ["network", "disconnect", "app"],
                        ["network", "disconnect", "bridge"]], "what is told")  # fmt: skip

        for how in "TERM", "KILL":
            with tap.case(f"the engine is restarted by {how}"):
                before = time.monotonic()
                restart(engine, how)
                follower.tells(["lost", "104"])
                while (line := follower.next())[0] == "lost":
                    same(line[1] in ("2", "111", "104", "71"), True, f"reason in {line}")
                same(line, ["connected"], "what is told")
                print(f"# back after {time.monotonic() - before:.1f} s")
                engine.docker("network", "create", f"after-{how}")
                while follower.next()[:3] != ["network", "create", f"after-{how}"]:
                    pass  # what the engine makes anew as it starts
    return tap.finish()


sys.exit(main())
