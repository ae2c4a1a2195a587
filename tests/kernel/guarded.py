# SPDX-License-Identifier: GPL-2.0-or-later
"""A host in a namespace of its own, whose guard `apply` installs or `run` holds.

NETGUARD in the environment names the binary (default: build/netguard).
"""
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
NETGUARD = os.path.abspath(os.environ.get("NETGUARD", os.path.join(HERE, "../../build/netguard")))
LAB = os.path.join(HERE, "../lab")
PATIENCE_S = 20
POLICY = """
version: 1
mode: enforce
rules:
  - {{id: no-stores, deny: [{ports}], action: block}}
default: allow
"""

for number in signal.SIGTERM, signal.SIGHUP:  # so that all is taken down
    signal.signal(number, lambda number, _: sys.exit(128 + number))


def run(*command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **more)  # fmt: skip
    assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}: {done.stdout}"
    return done.stdout


def lab(script, *words):
    """What it prints, or None where it cannot be had here."""
    done = subprocess.run([os.path.join(LAB, script), *words], stdout=subprocess.PIPE, text=True,
                          check=False)  # fmt: skip
    assert done.returncode in (0, 3), f"{script}: {done.returncode}"
    return done.stdout.strip() if done.returncode == 0 else None


def same(got, want, what):
    assert got == want, f"{what}: {got!r}, expected {want!r}"


class Host:
    """A namespace; gone, with the daemon, at the end."""

    count = 0

    def __init__(self):
        Host.count += 1
        self.netns = f"netguard-guarded-{os.getpid()}-{Host.count}"
        self.stack = contextlib.ExitStack()
        self.daemon = None

    def __enter__(self):
        try:
            self.prepare()
        except BaseException:
            self.__exit__()
            raise
        return self

    def prepare(self):
        self.folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        run("ip", "netns", "add", self.netns)
        self.stack.callback(run, "ip", "netns", "del", self.netns)
        run("ip", "-n", self.netns, "link", "set", "lo", "up")
        self.policy = os.path.join(self.folder, "policy.yaml")
        self.write_policy("6379")

    def __exit__(self, *_):
        try:
            self.end()
        finally:
            self.stack.close()

    def write_policy(self, ports):
        with open(self.policy, "w", encoding="ascii") as file:
            file.write(POLICY.format(ports=ports))

    def inside(self, *command):
        return ["nsenter", f"--net=/run/netns/{self.netns}", *command]

    def run(self, *command, **more):
        return run(*self.inside(*command), **more)

    def call(self, *command, **more):
        """Whatever its status is."""
        return subprocess.run(self.inside(*command), capture_output=True, text=True, check=False,
                              **more)  # fmt: skip

    def netguard(self, *words, before=()):
        """One of its commands, whatever its status is; `before` is what it is called by."""
        return self.call(*before, NETGUARD, *words, env=self.environment())

    def apply(self):
        done = self.netguard("apply", "--policy", self.policy)
        same(done.returncode, 0, f"status of apply ({done.stderr})")

    # -- the daemon ------------------------------------------------------------------------------

    def environment(self, **more):
        env = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
        return env | dict.fromkeys(("RUNTIME_DIRECTORY", "STATE_DIRECTORY"), self.folder) | more

    def start(self, before=()):
        """Returns once it is ready; nobody keeps its socket."""
        path = os.path.join(self.folder, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            notify.settimeout(PATIENCE_S)
            self.log = self.stack.enter_context(
                open(f"{self.folder}/log", "w+", encoding="utf-8"))  # fmt: skip
            self.daemon = subprocess.Popen(
                self.inside(*before, NETGUARD, "run", "--policy", self.policy, "--docker",
                            f"unix://{self.folder}/none.sock"),
                stderr=self.log, env=self.environment(NOTIFY_SOCKET=path))  # fmt: skip
            while b"READY=1" not in notify.recv(4096):
                pass
        os.unlink(path)

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def end(self, kill=False):
        """Told to, or killed."""
        daemon, self.daemon = self.daemon, None
        if not daemon:
            return
        daemon.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            status = daemon.wait(PATIENCE_S)
        finally:
            daemon.kill()
        same(status, -9 if kill else 0, f"status of the daemon ({self.said()})")


def main(tests):
    """Each a name and a function: TAP, and the exit status."""
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return 0
    failed = 0
    print(f"1..{len(tests)}")
    for number, (name, test) in enumerate(tests, 1):
        try:
            skipped = test()
            print(f"ok {number} - {name}{f' # SKIP {skipped}' if skipped else ''}", flush=True)
        except (AssertionError, OSError, ValueError, LookupError,
                subprocess.SubprocessError) as reason:  # fmt: skip
            failed += 1
            print(f"not ok {number} - {name}")
            for line in f"{type(reason).__name__}: {reason}"[:3000].splitlines():
                print(f"# {line}", flush=True)
    return 1 if failed else 0
