# SPDX-License-Identifier: GPL-2.0-or-later
"""For the tests that need no engine: namespaces of their own, an engine of paper, a run that is
kept within its bounds."""
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

from lab import LAB, NETGUARD, same, skip_all

# An engine has ten seconds for all its answers together. The rest is a busy machine.
BOUND_S = 12


def sh(*command):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def alone():
    """In network and mount namespaces of our own, where no engine's socket and no policy is."""
    if os.geteuid() != 0:
        skip_all("needs root")
    if os.environ.get("NETGUARD_ALONE") != "1":
        os.execvpe("unshare", ["unshare", "--net", "--mount", sys.executable, *sys.argv],
                   os.environ | {"NETGUARD_ALONE": "1"})  # fmt: skip
    for path in "/run", "/etc/netguard":
        if os.path.isdir(path):
            sh("mount", "-t", "tmpfs", "tmpfs", path)


# -- running netguard ------------------------------------------------------------------------


class Done:
    """What one run came to, within its bounds. A crash or a sanitizer's end is never a result."""

    def __init__(self, *arguments, prefix=(), binary=NETGUARD, cwd="/", stdout=None):
        command = [*prefix, binary, *map(str, arguments)]
        env = {k: v for k, v in os.environ.items() if not k.startswith("DOCKER_")}
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            start = time.monotonic()
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout or out,
                                     stderr=err, cwd=cwd, env=env)  # fmt: skip
            timer = threading.Timer(BOUND_S, child.kill)
            timer.start()
            _, status, usage = os.wait4(child.pid, 0)
            timer.cancel()
            child.returncode = self.status = os.waitstatus_to_exitcode(status)
            self.seconds = time.monotonic() - start
            self.peak_mib = usage.ru_maxrss / 1024
            out.seek(0)
            err.seek(0)
            self.raw, self.stderr = out.read(), err.read().decode()
        self.stdout = self.raw.decode()
        if self.status not in (0, 1, 2, 3):
            raise AssertionError(f"ended with {self.status} after {self.seconds:.1f} s: "
                                 f"{self.stderr}")  # fmt: skip
        harmless(self.stderr)

    def says(self, *words):
        for word in words:
            if word not in self.stderr:
                raise AssertionError(f"{word!r} is not said: {self.stderr!r}")

    def refused(self, status, *words):
        """Nothing but a message."""
        same((self.status, self.stdout), (status, ""), f"status and output ({self.stderr!r})")
        self.says("netguard: ", *words)
        return self

    def gap(self, source, *words):
        """A report that owns up to what it misses, here and on stderr."""
        same((self.status, self.json["complete"]), (3, False), "status and complete")
        reasons = [gap["reason"] for gap in self.json["gaps"] if gap["source"] == source]
        same(len(reasons), 1, f"number of gaps of {source} in {self.json['gaps']}")
        for word in words:
            if word not in reasons[0]:
                raise AssertionError(f"{word!r} is not in the gap: {reasons[0]!r}")
        self.says(f"{source}: not seen: ", *words)
        return self

    @property
    def json(self):
        return json.loads(self.stdout)


def harmless(text):
    """No control or direction character reaches a terminal."""
    found = re.search("[^\n\x20-\x7e\xa0-\u200a\u2010-\u2027\u2030-\u205f\u2070-\U0010ffff]", text)
    if found:
        raise AssertionError(f"{found[0]!r} in {text[max(0, found.start() - 40):found.end()]!r}")


def check(*arguments, **how):
    return Done("check", "--format", "json", *arguments, **how)


# -- engines ---------------------------------------------------------------------------------


@contextlib.contextmanager
def fake_engine(directory, *options):
    """The lab's fake engine; yields its endpoint."""
    endpoint = f"unix://{tempfile.mktemp(dir=directory)}"
    with subprocess.Popen([LAB / "fake-engine", endpoint, *options],
                          stdout=subprocess.PIPE, text=True) as child:  # fmt: skip
        try:
            same(child.stdout.readline().strip(), endpoint, "the fake engine is ready")
            yield endpoint
        finally:
            child.kill()


class Script:
    """An engine that answers each path with given bytes, whatever they are, then hangs up."""

    def __init__(self, directory, answers):
        self.answers, self.path = answers, tempfile.mktemp(dir=directory)
        self.endpoint, self.asked = f"unix://{self.path}", []

    def __enter__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        self.socket.listen(8)
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        os.unlink(self.path)

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                with client, contextlib.suppress(ConnectionError):
                    path = client.recv(4096).split()[1].decode().rpartition("/v1.41")[2]
                    self.asked.append(path)
                    client.sendall(self.answers.get(path, b""))


def http(body, status="200 OK", *headers):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


VERSION = {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}
WELL = {"/version": http(VERSION), "/info": http({"Name": "e"}),
        "/containers/json": http([]), "/networks": http([])}  # fmt: skip
