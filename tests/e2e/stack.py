#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""stack.py 20|26: the image, and packaging/swarm/stack.yaml on a swarm of two real engines.

A store publishes a port on both nodes, which a host that is part of neither asks for. The policy
comes as a config: it is told of, then closed; a policy with a fault is taken back. On the worker
another daemon stands for the unit."""
import concurrent.futures
import contextlib
import gzip
import hashlib
import http.server
import io
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import types

from doors import Daemon
from lab import HERE, NETGUARD, LabError, Tap, inside, netguard, same
from swarm import MANAGER4, OUTSIDER4, WORKER4, Swarm, prove, tcp, until

PACKAGING = HERE.parents[1] / "packaging/swarm"
STORE, HOOK, TOKEN = 16379, 9000, "a-token-of-ours"
SERVICE = "netguard_netguard"
COMPRESSED_MAX_BYTES = 15_000_000

MONITOR = f"""\
version: 1
rules:
  - {{id: store, deny: [{STORE}], action: block, severity: critical}}
default: allow
alerts:
  journal: {{}}
  webhook: {{url: "http://{OUTSIDER4}:{HOOK}/", token_file: /run/secrets/token}}
"""
ENFORCE = MONITOR + "mode: enforce\n"
FAULTY = ENFORCE.replace("severity: critical", "severity: grave")


# -- the image -----------------------------------------------------------------------------------


def build(output):
    done = subprocess.run([PACKAGING / "build-image", output, NETGUARD], check=True,
                          stdout=subprocess.PIPE, text=True)  # fmt: skip
    return done.stdout.strip()


def image(tap, file, folder):
    """Its name."""
    name = build(file)
    packed = tarfile.open(file)

    def member(path):
        return packed.extractfile(path).read()

    (manifest,) = json.loads(member("manifest.json"))
    layer = member(manifest["Layers"][0])
    with tap.case("image: the stack runs what is built, and a second build is the very same"):
        same("".join(re.search(r'image: "(.*)\$\{VERSION:-(.*)\}"', stack_yaml()).groups()), name,
             "name")  # fmt: skip
        time.sleep(1.1 - time.time() % 1)  # at another second
        build(folder / "again.tar")
        same((folder / "again.tar").read_bytes() == file.read_bytes(), True, "bytes alike")
    with tap.case("image: its parts have the names that their contents demand"):
        config = member(manifest["Config"])
        same(manifest["Config"], hashlib.sha256(config).hexdigest() + ".json", "config")
        same(json.loads(config)["rootfs"]["diff_ids"],
             ["sha256:" + hashlib.sha256(layer).hexdigest()], "layer")  # fmt: skip
    with tap.case("image: a program, its libraries and certificates, no shell; and it is small"):
        size = len(gzip.compress(file.read_bytes(), compresslevel=6))
        print(f"# image: {file.stat().st_size} bytes, compressed {size}")
        assert size < COMPRESSED_MAX_BYTES, size
        inner = tarfile.open(fileobj=io.BytesIO(layer)).getmembers()
        same([m.name for m in inner if m.isfile() and not re.match(r"lib(64)?/.*\.so", m.name)],
             ["etc/group", "etc/nsswitch.conf", "etc/passwd",
              "etc/ssl/certs/ca-certificates.crt", "usr/sbin/netguard"], "files")  # fmt: skip
        same({m.name for m in inner if m.mode & 0o7022 or m.uid or m.gid}, set(),
             "what is not root's alone to write")  # fmt: skip
    return name


# -- the stack -----------------------------------------------------------------------------------


def stack_yaml():
    return (PACKAGING / "stack.yaml").read_text()


class Stack:
    """As its administrator deploys it; but for health, which is asked for sooner."""

    def __init__(self, swarm):
        self.swarm, self.manager = swarm, swarm.manager
        self.folder = pathlib.Path(swarm.manager.socket).parent  # which is /lab there
        text = stack_yaml()
        same(text.count("interval: 10s"), 1, "health checks")
        (self.folder / "stack.yaml").write_text(text.replace("interval: 10s", "interval: 1s"))
        (self.folder / "token.yaml").write_text((PACKAGING / "token.yaml").read_text())
        (self.folder / "token").write_text(TOKEN + "\n")
        self.manager.docker("secret", "create", "netguard-token-1", "/lab/token")

    def deploy(self, number, policy):
        (self.folder / "policy.yaml").write_text(policy)
        self.manager.sh("env", f"POLICY={number}", "docker", "stack", "deploy",
                        "--resolve-image", "never", "--compose-file", "/lab/stack.yaml",
                        "--compose-file", "/lab/token.yaml", "netguard")  # fmt: skip

    def healthy(self, node):
        """The task that runs there."""
        return node.docker("ps", "-q", "--no-trunc", "--filter", "health=healthy", "--filter",
                           f"label=com.docker.swarm.service.name={SERVICE}")  # fmt: skip

    def everywhere(self):
        return until("a healthy task on each node",
                     lambda: all(tasks := [self.healthy(n) for n in self.swarm.nodes]) and tasks)

    def status(self, node):
        """What the daemon says of itself; None while there is none."""
        with contextlib.suppress(LabError):  # no task, or one that has just ended
            return json.loads(node.docker("exec", self.healthy(node), "/usr/sbin/netguard",
                                          "status", "--alive", "--format", "json"))  # fmt: skip

    def rolled_out(self, mode):
        """Each node's daemon is healthy, and of that policy."""
        def is_so():
            found = [self.status(node) for node in self.swarm.nodes]
            return all(found) and {status["policy"]["mode"] for status in found} == {mode} and found

        return until(f"mode {mode} on both nodes", is_so)

    def update(self):
        return self.manager.docker("service", "inspect", "-f", "{{.UpdateStatus.State}}", SERVICE)

    def logs(self):
        return self.manager.sh("sh", "-c", f"docker service logs --raw {SERVICE} 2>&1")


class Hook(http.server.BaseHTTPRequestHandler):
    """The webhook, outside: who told it what, with which token."""

    heard = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.heard.append((self.client_address[0], self.headers["Authorization"], body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass

    @classmethod
    @contextlib.contextmanager
    def listening(cls, swarm):
        with inside(swarm.manager.out):
            server = http.server.ThreadingHTTPServer((OUTSIDER4, HOOK), cls)
        with server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield
            finally:
                server.shutdown()

    @classmethod
    def was_told(cls, kind):
        """By whom, about the store, and with which words of authorization."""
        return {(who, word) for who, word, body in list(cls.heard)
                if (body["kind"], body.get("rule")) == (kind, "store")}  # fmt: skip


def store_is(state, *nodes):
    prove(*((state, tcp, node, node.addr4, STORE) for node in nodes))


# -- the cases -----------------------------------------------------------------------------------


def begins(tap, swarm, stack):
    with tap.case("one healthy task on each node, of the least privilege"):
        tasks = stack.everywhere()
        for node, task in zip(swarm.nodes, tasks):
            how = node.api(f"/containers/{task}/json")
            host = how["HostConfig"]
            same((host["CapAdd"], host["CapDrop"], host["ReadonlyRootfs"], host["NetworkMode"],
                  host["Privileged"], how["Config"]["Hostname"]),
                 (["CAP_NET_ADMIN"], ["ALL"], True, "host", False, "vm"), "privileges")
    with tap.case("both tell of the store, with the token that is a secret; the worker's is in "
                  "the service's log"):  # fmt: skip
        nodes = {(addr, f"Bearer {TOKEN}") for addr in (MANAGER4, WORKER4)}
        until("both told the webhook", lambda: Hook.was_told("finding-opened") == nodes)
        told = re.findall("finding-opened: critical, .*store.*", stack.logs())
        same(len(told), 2, f"number of lines {told}")
        store_is("open", *swarm.nodes)


def rolls_out(tap, swarm, stack):
    with tap.case("a changed policy is rolled out, and closes the store on both nodes"):
        stack.deploy(2, ENFORCE)
        found = stack.rolled_out("enforce")
        same([(status["guard"]["hold"], [f["state"] for f in status["findings"]])
              for status in found], [("own", ["blocked"])] * 2, "hold and states")  # fmt: skip
        store_is("silent", *swarm.nodes)
    with tap.case("a policy with a fault is rolled back; meanwhile nothing opens"):
        stack.deploy(3, FAULTY)
        until("its fault is told of",
              lambda: "/etc/netguard/policy.yaml:3:" in stack.logs())  # fmt: skip
        until("it is taken back", lambda: stack.update().startswith("rollback"))
        store_is("silent", *swarm.nodes)
        stack.rolled_out("enforce")
        store_is("silent", *swarm.nodes)


def beside_the_unit(tap, swarm, stack, folder, cleanup):
    worker = swarm.worker
    node = swarm.manager.docker("node", "ls", "--filter", "role=worker", "-q")
    unit = Daemon(worker, types.SimpleNamespace(text=ENFORCE), folder)

    def table():
        """The kernel's number of the guard's, which another in its place would not have."""
        said = json.loads(worker.net("nft", "-j", "list", "tables"))["nftables"]
        return [one["table"]["handle"] for one in said
                if one.get("table", {}).get("name") == "netguard"]  # fmt: skip

    held = table()
    same(len(held), 1, "number of tables")
    with tap.case("a unit that begins while a task holds the table ends, and changes nothing"):
        own = [f"{name}_DIRECTORY={folder}" for name in ("RUNTIME", "STATE")]
        done = netguard("run", "--policy", unit.file, "--docker", f"unix://{worker.socket}",
                        netns=worker.host, prefix=["env", *own])  # fmt: skip
        same((done.returncode, "is owned by process" in done.stderr), (3, True), done.stderr)
        same(table(), held, "table")
    with tap.case("a node with the unit's label has no task; its table is the unit's then"):
        swarm.manager.docker("node", "update", "--label-add", "netguard=unit", node)
        until("no task runs", lambda: not stack.healthy(worker))
        unit.begin()
        cleanup.callback(unit.end)
        same(table(), held, "table")
        store_is("silent", worker)
    with tap.case("a task that begins while the unit holds it ends again, until the unit is gone"):
        before = stack.logs().count("is owned by process")
        swarm.manager.docker("node", "update", "--label-rm", "netguard", node)
        until("it ends", lambda: stack.logs().count("is owned by process") > before)
        store_is("silent", worker)
        cleanup.close()
        stack.rolled_out("enforce")
        same(table(), held, "table")
        store_is("silent", worker)


def load(swarm, file):
    """What `docker load` says, on both nodes."""
    for node in swarm.nodes:
        shutil.copy(file, pathlib.Path(node.socket).with_name("image.tar"))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return set(pool.map(lambda node: node.docker("load", "-i", "/lab/image.tar"), swarm.nodes))


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        file = folder / "image.tar"
        built = image(tap, file, folder)
        with Swarm(sys.argv[1]) as swarm, Hook.listening(swarm):
            same(load(swarm, file), {f"Loaded image: {built}"}, "what is loaded")
            stack = Stack(swarm)
            swarm.create_service("store", "--mode", "global", "--publish",
                                 f"mode=host,published={STORE},target=6379", serve=["6379"])
            for node in swarm.nodes:
                node.serves("store", "store", 6379)
            stack.deploy(1, MONITOR)
            begins(tap, swarm, stack)
            rolls_out(tap, swarm, stack)
            with contextlib.ExitStack() as cleanup:
                beside_the_unit(tap, swarm, stack, folder, cleanup)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
