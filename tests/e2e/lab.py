# SPDX-License-Identifier: GPL-2.0-or-later
"""What the end-to-end tests share: a real engine, real packets, netguard's word, TAP.

Needs nothing beyond Python 3.11 and its standard library. The binary under test is
named by NETGUARD in the environment; without it, that of the build directory is taken.
"""
import concurrent.futures
import contextlib
import ctypes
import errno
import http.client
import ipaddress
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
LAB = HERE.parent / "lab"
NETGUARD = os.path.abspath(os.environ.get("NETGUARD", HERE.parents[1] / "build" / "netguard"))

HOST4, HOST6 = "192.0.2.1", "2001:db8:1::1"  # the engine's host, as the outside host knows it
LINK = "eth0"  # the host's interface to the outside
ANY = {4: "0.0.0.0", 6: "::"}
EVERYBODY = {4: ["0.0.0.0/0"], 6: ["::/0"]}
# Whom the kernel carries over to another link: everybody but IPv6's link-local sources.
CARRIED = {4: EVERYBODY[4], 6: [str(network) for network in sorted(
    ipaddress.ip_network("::/0").address_exclude(ipaddress.ip_network("fe80::/10")))]}  # fmt: skip

# An answer inside the lab takes well under a millisecond, unless the machine is busy. A port
# counts as closed when it stays silent for SILENCE_S.
SILENCE_S = 0.8
PATIENCE_S = 20

for number in signal.SIGTERM, signal.SIGHUP:  # so that an engine is taken down
    signal.signal(number, lambda number, _: sys.exit(128 + number))


# -- TAP -------------------------------------------------------------------------------------


class Tap:
    """Cases as TAP on stdout; `finish` is the exit status."""

    count = failed = 0

    @contextlib.contextmanager
    def case(self, name):
        self.count += 1
        try:
            yield
        except Exception as error:
            self.failed += 1
            print(f"not ok {self.count} - {name}")
            steps = traceback.extract_tb(error.__traceback__)
            script = sys.modules["__main__"].__file__
            lines = [step.lineno for step in steps if step.filename == script]
            for line in f"{type(error).__name__}: {error} (line {lines[-1]})".splitlines():
                print(f"# {line}")
        else:
            print(f"ok {self.count} - {name}")
        sys.stdout.flush()

    def skip(self, name, reason):
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP {reason}", flush=True)

    def finish(self):
        print(f"1..{self.count}")
        return 1 if self.failed else 0


def same(got, want, what):
    if got != want:
        raise AssertionError(f"{what}: expected {want!r}, got {got!r}")


def skip_all(reason):
    print(f"1..0 # SKIP {reason}")
    sys.exit(0)


# -- namespaces ------------------------------------------------------------------------------

_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def inside(netns):
    """In another network namespace. A socket or process made there stays there."""
    with open("/proc/thread-self/ns/net", "rb") as home, open(netns, "rb") as there:
        _setns(there.fileno())
        try:
            yield
        finally:
            _setns(home.fileno())


def ask(netns, address, port, proto="tcp", source=None, wait_s=PATIENCE_S):
    """What the one who serves this port answers to a client in `netns`; None: nobody does."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_DGRAM if proto == "udp" else socket.SOCK_STREAM
    with inside(netns):
        sock = socket.socket(family, kind)
    with sock:
        sock.settimeout(wait_s)
        try:
            if source:
                sock.bind((source, 0))
            sock.connect((address, port))
            if proto == "udp":
                sock.send(b"who?\n")
            return sock.recv(256).decode().strip() or None
        except (TimeoutError, ConnectionError):
            return None
        except OSError as error:
            if error.errno not in (errno.ENETUNREACH, errno.EHOSTUNREACH):  # told by a router
                raise
            return None


# -- the engine ------------------------------------------------------------------------------


class LabError(Exception):
    def __init__(self, arguments, status, stderr):
        super().__init__(f"{' '.join(arguments)}: {stderr}")
        self.status, self.stderr = status, stderr


def lab(script, *arguments):
    """Run a script of the lab and return what it says."""
    command = [LAB / script, *map(str, arguments)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise LabError(command[1:], done.returncode, done.stderr.strip())
    return done.stdout


class Engine:
    """A running engine of the lab, and the host outside."""

    def __init__(self, version, *options):
        self.version = int(version)
        self.options = options
        self.name = f"e2e-{version}-{os.getpid()}"
        self.host = f"/run/netns/netguard-lab-{self.name}-host"
        self.out = f"/run/netns/netguard-lab-{self.name}-out"

    def __enter__(self):
        try:
            self.socket = lab("engine", "up", self.name, self.version, *self.options).strip()
            print(f"# engine {self.docker('version', '-f', '{{.Server.Version}}')}", flush=True)
        except BaseException as error:  # interrupted half-way, too
            self.__exit__()
            if isinstance(error, LabError) and error.status == 3 and self.version != 20:
                skip_all(error.stderr.splitlines()[0])  # but 20 is what we must have
            raise
        return self

    def __exit__(self, *_):
        lab("engine", "down", self.name)

    def sh(self, *command):
        """Run a command where the engine runs, with the tools of its own Debian suite."""
        return lab("engine", "sh", self.name, *command).strip()

    def net(self, *command):
        """Run one of this machine's commands in the engine's network."""
        return lab("engine", "net", self.name, *command).strip()

    def docker(self, *arguments):
        return self.sh("docker", *arguments)

    def inspect(self, container, template):
        return self.docker("inspect", "-f", template, container)

    def api(self, path):
        """What the engine answers, sooner than its client would start."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(self.socket)
            asked = http.client.HTTPConnection("engine")
            asked.sock = sock
            asked.request("GET", path)
            answer = asked.getresponse()
            same(answer.status, 200, f"status of {path}")
            return json.load(answer)

    def netns(self, container):
        """The network namespace that it is in."""
        return f"/proc/{self.api(f'/containers/{container}/json')['State']['Pid']}/ns/net"

    def networks(self, container):
        """Those that it is on, by name."""
        return self.api(f"/containers/{container}/json")["NetworkSettings"]["Networks"]

    def address(self, container, network="bridge", family=4):
        network = self.networks(container)[network]
        return network["IPAddress" if family == 4 else "GlobalIPv6Address"]

    def run(self, name, *options, serve=(), within=False):
        """Start a container that answers with its name, and wait until it does.

        Asked from the host, at its own address: so a port that is silent from outside is
        closed and not unattended, and the bridge knows its neighbour. As long as it does
        not, an open port looks closed. Where the host has no way to it, `within` itself."""
        self.docker("run", "-d", "--name", name, "-v", "/usr:/usr:ro", *options,
                    "lab", name, *serve)  # fmt: skip
        addresses = [
            network[key] for network in self.networks(name).values()
            for key in ("IPAddress", "GlobalIPv6Address") if network[key]
        ]  # fmt: skip
        places = [(self.host, address) for address in addresses]
        if within or not places:  # or in the host's or another container's network
            places = [(self.netns(name), "127.0.0.1")]
        for netns, address in places:
            for spec in serve:
                port, _, proto = str(spec).partition("/")
                deadline = time.monotonic() + PATIENCE_S
                while ask(netns, address, int(port), proto or "tcp", wait_s=0.2) != name:
                    if time.monotonic() > deadline:
                        raise AssertionError(f"{name} does not serve {spec} at {address}")
                    time.sleep(0.02)

    def outside(self, *command):
        """Run a command of this machine's in the network of the outside host."""
        return lab("engine", "out", self.name, *command).strip()

    def expect(self, answer, address, port, proto="tcp", source=None):
        """Demand what the outside host is answered; None: nothing."""
        wait_s = SILENCE_S if answer is None else PATIENCE_S
        same(ask(self.out, address, port, proto, source, wait_s), answer,
             f"the answer to {source or 'a packet'} for {address} {port}/{proto}")  # fmt: skip

    def prove(self, answers, netns=None):
        """`expect` of many at once: so silence is waited for no longer than once.

        `answers`: (address, port) or (address, port, proto) to the answer; from `netns`, else
        the outside host."""
        def answer(place):
            wait_s = SILENCE_S if answers[place] is None else PATIENCE_S
            return ask(netns or self.out, *place, wait_s=wait_s)

        with concurrent.futures.ThreadPoolExecutor(len(answers)) as pool:
            same(dict(zip(answers, pool.map(answer, answers))), answers, "answers")

    def netguard(self, *arguments, stdin=None):
        """Run netguard on the engine's host, as its administrator would."""
        return netguard(*arguments, "--docker", f"unix://{self.socket}", netns=self.host,
                        stdin=stdin)  # fmt: skip

    def check(self, *arguments):
        return Report(self.netguard("check", "--format", "json", *arguments))

    def questions(self, command, questions):
        """What `trace` or `reach` says to each."""
        lines = "".join(json.dumps(question) + "\n" for question in questions)
        done = self.netguard(command, stdin=lines)
        same((done.returncode, done.stderr), (0, ""), f"status and diagnostics of {command}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def agree(self, name, address, port, proto="tcp", *, reachable, answer=None, published=None,
              kind="published", sources=None):  # fmt: skip
        """The heart of these tests: what the packets say is as the caller claims, and netguard
        says the same. Returns the exposure, its reach from public, and the whole report."""
        family = ipaddress.ip_address(address).version
        self.expect((answer or name) if reachable else None, address, port, proto)
        report = self.check()
        more = {"host_addr": published or ANY[family]} if kind == "published" else {}
        exposure = report.exposure(name, family, proto, port, kind=kind, **more)
        reach = report.public(exposure)
        same(reach["verdict"], "reachable" if reachable else "blocked", "verdict")
        everybody = sources or EVERYBODY[family]
        same(reach["sources"], everybody if reachable else [], "sources")
        same(reach["unsure"], [], "unsure")
        return exposure, reach, report


class Host(Engine):
    """A whole host, booted by systemd, with engine 20 as its distribution has it.

    `tree`: files of its own, by path; a tuple is a symbolic link, bytes are a program."""

    def __init__(self, name, tree):
        super().__init__(20)
        self.name, self.tree = f"{name}-{os.getpid()}", tree
        self.host, self.out = (f"/run/netns/netguard-lab-{self.name}-{end}"
                               for end in ("host", "out"))  # fmt: skip

    def __enter__(self):
        with tempfile.TemporaryDirectory() as tree:
            for path, content in self.tree.items():
                write(pathlib.Path(tree, path), content)
            begin = time.monotonic()
            try:
                pid = lab("host", "up", self.name, tree).strip()
            except BaseException:
                self.__exit__()
                raise
        print(f"# booted in {time.monotonic() - begin:.1f} s", flush=True)
        self.root = pathlib.Path("/proc", pid, "root")
        self.socket = str(self.root / "run/docker.sock")
        return self

    def sh(self, *command):
        return lab("host", "sh", self.name, *command).strip()

    def netns(self, container):
        pid = self.api(f"/containers/{container}/json")["State"]["Pid"]  # as the host counts them
        return f"{self.root}/proc/{pid}/ns/net"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, tuple):
        path.symlink_to(*content)
    elif isinstance(content, bytes):
        path.write_bytes(content)
        path.chmod(0o755)
    else:
        path.write_text(content)


# -- netguard's word -------------------------------------------------------------------------


def netguard(*arguments, netns, prefix=(), binary=NETGUARD, stdin=None):
    """Run netguard; a sanitizer's or a signal's end is never a result."""
    command = ["nsenter", f"--net={netns}", *prefix, binary, *map(str, arguments)]
    env = {k: v for k, v in os.environ.items() if not k.startswith("DOCKER_")}
    done = subprocess.run(command, cwd="/", env=env, input=stdin, capture_output=True, text=True,
                          timeout=60)  # fmt: skip
    if done.returncode not in (0, 1, 2, 3):
        raise AssertionError(f"netguard ended with {done.returncode}: {done.stderr}")
    return done


class Report:
    """`check --format json`, by its contract."""

    def __init__(self, done):
        self.status = done.returncode
        if not done.stdout:
            raise AssertionError(f"status {done.returncode}, no report: {done.stderr}")
        self.json = json.loads(done.stdout)
        same(self.json["schema"], "netguard.check/1", "schema")
        self.exposures = self.json["exposures"]

    def of(self, name, **want):
        """The exposures of one container that have these fields."""
        return [
            e for e in self.exposures
            if e["container"] and e["container"]["name"] == name
            and all(e[key] == value for key, value in want.items())
        ]  # fmt: skip

    def exposure(self, name, family, proto, port, **more):
        """The one exposure of this container, family, protocol and host port."""
        want = {"family": "ip" if family == 4 else "ip6", "proto": proto, "host_port": port, **more}
        found = self.of(name, **want)
        if len(found) != 1:
            raise AssertionError(f"{len(found)} exposures of {name} with {want}: {self.of(name)}")
        return found[0]

    def public(self, exposure):
        """Its reach from whom we know nothing, on the outer interface."""
        found = [r for r in exposure["reach"] if (r["zone"], r["interface"]) == ("public", LINK)]
        same(len(found), 1, f"number of answers for public on {LINK} in {exposure['reach']}")
        return found[0]

    def own_address(self, name, address, port, proto="tcp", *, reachable, kind="direct",
                    sources=None):  # fmt: skip
        """Demand what it says of a container's own address, which is told where anybody from
        outside gets there. `sources`: those that do, where not all do."""
        found = self.of(name, kind=kind, container_addr=address, container_port=port, proto=proto)
        reaches = [self.public(exposure) for exposure in found]
        verdicts = [reach["verdict"] for reach in reaches]
        what = f"verdicts about {name}, {address} {port}/{proto}"
        if not reachable:
            return same(set(verdicts) - {"blocked"}, set(), what)
        same(verdicts, ["partly" if sources else "reachable"], what)
        family = ipaddress.ip_address(address).version
        same([(e["host_addr"], e["host_port"], e["family"]) for e in found],
             [(None, None, "ip" if family == 4 else "ip6")],
             "host address, host port and family")  # fmt: skip
        sources = sources or (EVERYBODY if kind == "l2" else CARRIED)[family]
        same((reaches[0]["sources"], reaches[0]["unsure"]), (sources, []), "sources and unsure")

    def findings(self, exposure=None):
        """The open ones, of one exposure or all."""
        return [
            f for f in self.json["findings"]
            if f["state"] == "open" and (exposure is None or f["exposure"] == exposure["id"])
        ]  # fmt: skip

    def clean(self):
        """Nothing found, and nothing that could have been missed."""
        same((self.findings(), self.json["gaps"], self.json["complete"], self.status),
             ([], [], True, 0), "findings, gaps, complete and status")  # fmt: skip
