#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bad_input.py: whatever is wrong is told (what, where, what to do), with the status of the
contract, within bounds of time and memory, and never passes for clean.

Runs in network and mount namespaces of its own, where nothing is: what netguard misses there
is what a case has broken."""
import base64
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile

from alone import (BOUND_S, VERSION, WELL, Done, Script, alone, check, fake_engine, harmless,
                   http, sh)  # fmt: skip
from lab import HERE, NETGUARD, Tap, same

BAD_POLICIES = HERE.parent / "unit/data/policy/bad"
SANITIZED = "ASAN_OPTIONS" in os.environ
PEAK_MIB = 64

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all",
          "--inh-caps=-all", "--no-new-privs"]  # fmt: skip


def without(*capabilities):
    """As root without some capabilities."""
    listed = ",".join(f"-{name}" for name in capabilities)
    return ["setpriv", f"--bounding-set={listed}", f"--inh-caps={listed}"]


# -- engines that are not right --------------------------------------------------------------

REQUESTS = {"version": "GET /version", "info": "GET /v1.41/info",
            "containers": "GET /v1.41/containers/json", "networks": "GET /v1.41/networks"}

# Mode of the fake engine, what the gap says.
MODES = {
    "cut-body": ["was cut short"],
    "cut-chunk": ["was cut short"],
    "cut-json": ["the JSON is cut short at byte"],
    "http-500": ["HTTP 500: layer does not exist"],
    "http-403": ["HTTP 403", "allow GET on /version"],
    "not-json": ["no valid JSON at byte 1"],
    "wrong-shape": ["expected ", ", found "],
}

NOISE = b"\x1b]0;owned\x07\xe2\x80\xae" + b"long " * 2000
# What one request is answered, what the gap says.
ANSWERS = {
    "nothing at all": (b"", ["was cut short"]),
    "half a status line": (b"HTTP/1.", ["was cut short"]),
    "half a header": (b"HTTP/1.1 200 OK\r\nContent-Le", ["the JSON is cut short"]),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n", ["no HTTP answer"]),
    "a header without end": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 500000, ["header is too long"]),
    "a body longer than it says": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n[{}]", ["the JSON is cut short"]),
    "a redirect": (http(b"", "301 Moved", "Location: http://192.0.2.9/"), ["HTTP 301"]),
    "success without a body": (b"HTTP/1.1 204 No Content\r\n\r\n", ["HTTP 204"]),
    "HTTP 500 with a hostile message": (
        http({"message": NOISE.decode()}, "500 Oops"), ["HTTP 500: ?]0;owned?"]),
    "HTTP 500 with noise in place of JSON": (http(NOISE, "500 Oops"), ["HTTP 500: ?]0;owned?"]),
    "HTTP 500 without a word": (http(b"", "500 Oops"), ["HTTP 500: it does not say why"]),
    "JSON nested 100000 deep": (http(b"[" * 100000), ["no valid JSON"]),
    "a string where an object is expected": (http(["x"]), ["expected an object", "\"x\""]),
    "bytes that are not UTF-8": (http(b'[{"Id":"\xff\xfe"}]'), ["no valid JSON"]),
}  # fmt: skip


def hanging(tap, directory):
    """Starts what takes its ten seconds; the returned function demands the results."""
    pool = concurrent.futures.ThreadPoolExecutor(8)
    stack = contextlib.ExitStack()
    runs = {}

    def start(name, endpoint, words):
        runs[name] = pool.submit(check, "--docker", endpoint), words

    for at, request in REQUESTS.items():
        endpoint = stack.enter_context(fake_engine(directory, "--mode", "hang", "--at", at))
        start(f"hangs at {request}", endpoint, [request, "10.0 s", "hangs or is overloaded"])
    endpoint = stack.enter_context(fake_engine(directory, "--mode", "slow", "--containers", "9"))
    start("sends a byte now and then", endpoint, ["containers/json", "10.0 s"])
    for name, backlog in ("never accepts", 8), ("has a full queue", 0):
        listener = stack.enter_context(contextlib.closing(socket.socket(socket.AF_UNIX)))
        listener.bind(f"{directory}/{name.replace(' ', '-')}")
        listener.listen(backlog)
        if not backlog:
            waiting = stack.enter_context(contextlib.closing(socket.socket(socket.AF_UNIX)))
            waiting.connect(listener.getsockname())
        start(name, f"unix://{listener.getsockname()}", ["hangs or is overloaded"])

    def demand():
        with stack, pool:
            for name, (run, words) in runs.items():
                with tap.case(f"an engine that {name}: status 3 within {BOUND_S} s"):
                    run.result().gap("docker", *words)

    return demand


def places(tap, directory):
    def gap(name, path, *words, **how):
        with tap.case(f"--docker: {name}: a gap that names it, status 3"):
            check("--docker", f"unix://{path}", **how).gap("docker", str(path), *words)

    left, file, secret = (directory / name for name in ("left", "file", "secret"))
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(left))
    file.write_text("not a socket")
    gap("a path that is not there", directory / "absent", "is the engine installed and running?")
    gap("a file where a directory must be", file / "socket", "is the engine installed")
    gap("a socket that nobody listens on", left, "is the engine running?")
    gap("a directory", directory, "running?")
    gap("a regular file", file, "running?")
    gap("a device", "/dev/null", "running?")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(secret))
        listener.listen()
        secret.chmod(0o600)
        gap("a socket that one may not use", secret, "permission denied: run as root",
            prefix=NOBODY, binary=directory / "netguard")  # fmt: skip

    with tap.case("the table says it, too, and that it is incomplete"):
        done = Done("check", "--docker", f"unix://{directory}/absent")
        same(done.status, 3, "status")
        for word in "NOT SEEN", f"{directory}/absent", "incomplete":
            same(word in done.stdout, True, f"{word!r} in {done.stdout!r}")
    with tap.case("snapshot: the same gap, status 3, and status 3 again for who reads it"):
        done = Done("snapshot", "--docker", f"unix://{directory}/absent")
        same(done.status, 3, "status")
        done.says("docker: not seen: ", f"{directory}/absent")
        file.write_text(done.stdout)
        check("--snapshot", file).gap("docker", f"{directory}/absent")


# What is no address, by what is said about it.
MALFORMED = {
    "expected unix:///path or tcp://host:port": [
        "", "docker.sock", "/run/docker.sock", "unix:relative", "http://127.0.0.1:2375",
        "https://127.0.0.1", "ssh://root@host", "UNIX:///run/docker.sock"],
    "must be absolute": ["unix://", "unix:///", "unix://relative"],
    "is longer than": ["unix:///" + "x" * 300],
    "expected a host and a port": [
        "tcp://", "tcp://host", "tcp://host:", "tcp://host:0", "tcp://host:70000", "tcp://:2375",
        "tcp://host:2375/x", "tcp://a@host:2375", "tcp://::1:2375"],
    "printable ASCII": ["tcp://h\x1b:2375", "unix:///\x1b[31m", "unix:///\u202e"],
}  # fmt: skip


def malformed_endpoints(tap):
    for words, endpoints in MALFORMED.items():
        for endpoint in endpoints:
            with tap.case(f"--docker {ascii(endpoint[:30])}: status 2, with what is expected"):
                check("--docker", endpoint).refused(2, "--docker: found ", words)
                Done("snapshot", "--docker", endpoint).refused(2, "--docker: found ", words)


def engines(tap, directory):
    with tap.case("control: with an engine that answers well nothing is missing"):
        with Script(directory, WELL) as engine:
            done = check("--docker", engine.endpoint)
            same((done.status, done.json["complete"], done.stderr), (0, True, ""), "all is seen")
            same(len(engine.asked), 4, "requests")
    for at, request in REQUESTS.items():
        for mode, words in MODES.items():
            if (mode, at) == ("wrong-shape", "version"):
                continue  # below
            with tap.case(f"{request}: {mode}: a gap, status 3"):
                with fake_engine(directory, "--mode", mode, "--at", at) as endpoint:
                    check("--docker", endpoint).gap("docker", endpoint, request, *words)
    for path in WELL:
        for name, (answer, words) in ANSWERS.items():
            if "an object is expected" in name and path in ("/version", "/info"):
                continue  # which are no lists
            with tap.case(f"GET {path}: {name}: a gap, status 3"):
                with Script(directory, WELL | {path: answer}) as engine:
                    done = check("--docker", engine.endpoint).gap("docker", path, *words)
                    same(len(done.stderr) < 1000, True, "the message is short")
    with tap.case("an engine that is too old: a gap with its version, status 3"):
        with fake_engine(directory, "--mode", "old-version", "--at", "version") as endpoint:
            check("--docker", endpoint).gap("docker", endpoint, "too old", "1.18", "1.24")
    with tap.case("an engine that contradicts itself: a gap, status 3"):
        version = {"Version": "1", "ApiVersion": "1.30", "MinAPIVersion": "1.41"}
        with Script(directory, WELL | {"/version": http(version)}) as engine:
            check("--docker", engine.endpoint).gap("docker", "1.30", "1.41")


def huge(tap, directory):
    for at, request in REQUESTS.items():
        with tap.case(f"{request}: 100 MB of JSON: a gap, status 3, under {PEAK_MIB} MiB"):
            with fake_engine(directory, "--mode", "huge", "--at", at) as endpoint:
                done = check("--docker", endpoint).gap("docker", request, "is longer than")
                if not SANITIZED:
                    same(done.peak_mib < PEAK_MIB, True, f"{done.peak_mib:.0f} MiB at the peak")


# -- names that attack the reader ------------------------------------------------------------

ATTACK = "x\x1b[2J\x1b]0;t\x07\x9b31m\r\n\t\u202e\u2066\u200b\u2028\ufeff\U000e0041\\\"'<&$(id)"


def hostile_container(number):
    """A container whose every text attacks."""
    return {
        "Id": f"{number:064x}", "Names": [f"/{ATTACK}{number}", f"/{ATTACK}/{ATTACK}"],
        "Image": ATTACK, "HostConfig": {"NetworkMode": ATTACK},
        "Labels": {ATTACK: ATTACK, "big": "\x1b" * 1000000, "\x00": "\x00",
                   "com.docker.swarm.service.name": ATTACK, "com.docker.stack.namespace": ATTACK},
        "Ports": [{"IP": "0.0.0.0", "PrivatePort": 6379, "PublicPort": 6379, "Type": "tcp"}]
                 if number else [],
        "NetworkSettings": {"Networks": {ATTACK: {"IPAddress": "172.17.0.2"}}},
    }  # fmt: skip


def hostile_names(tap, directory):
    network = {"Id": "n", "Name": ATTACK, "Driver": "bridge",
               "Options": {"com.docker.network.bridge.name": ATTACK}}  # fmt: skip
    answers = WELL | {
        "/version": http(VERSION | {"Version": ATTACK}),
        "/info": http({"Name": ATTACK, "FirewallBackend": {"Driver": ATTACK}}),
        "/containers/json": http([hostile_container(0), hostile_container(1)]),
        "/networks": http([network]),
    }
    interface = "e\x1b[1m\u202e"
    with Script(directory, answers) as engine, listener_named("\x1b[5m\u202e!"):
        sh("ip", "link", "add", interface, "type", "veth")
        sh("ip", "address", "add", "198.51.100.1/24", "dev", interface)
        sh("ip", "link", "set", interface, "up")
        try:
            for more in [], ["--verbose"], ["--verbose", "--color", "never"]:
                with tap.case(f"hostile names: check {' '.join(more)} has no raw control in it"):
                    done = Done("check", "--docker", engine.endpoint, *more)
                    harmless(done.stdout)
                    for word in r"x\x1b[2J", r"\u202e", r"e\x1b[1m", r"\x1b[5m":
                        same(word in done.stdout, True, f"{word} in {done.stdout}")
                    same(done.status, 1, "status")
            with tap.case("hostile names: the JSON is valid and has each name as it is"):
                done = check("--docker", engine.endpoint)
                harmless(done.stdout)
                names = {e["container"]["name"] for e in done.json["exposures"] if e["container"]}
                same(names, {ATTACK + "1"}, "names")
                lines = [line for f in done.json["findings"] for line in f["fix"].split("\n")]
                same([line for line in lines if line.startswith("\t")], [], "a name's own lines")
                same("\x1b[5m\u202e!" in {e["process"] for e in done.json["exposures"]}, True,
                     "the process is among them")  # fmt: skip
            with tap.case("hostile names: a snapshot has no raw control in it and gives the same"):
                done = Done("snapshot", "--docker", engine.endpoint)
                same((done.status, done.stdout.isascii()), (0, True), "status, in ASCII alone")
                file = directory / "hostile.json"
                file.write_text(done.stdout)
                done = Done("check", "--snapshot", file)
                harmless(done.stdout)
                same(done.status, 1, "status")
        finally:
            sh("ip", "link", "delete", interface)


@contextlib.contextmanager
def listener_named(name):
    """A process of this name that listens on 6379/tcp and 6380/tcp of every address."""
    program = ("import ctypes, socket, sys\n"
               "ctypes.CDLL(None).prctl(15, sys.argv[1].encode(), 0, 0, 0)\n"
               "s = [socket.create_server(('', port)) for port in (6379, 6380)]\n"
               "print(flush=True)\nsys.stdin.read()")  # fmt: skip
    with subprocess.Popen([sys.executable, "-c", program, name], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as child:  # fmt: skip
        child.stdout.readline()
        try:
            yield
        finally:
            child.stdin.close()


# -- without privilege -----------------------------------------------------------------------


def privilege(tap, directory):
    sh("ip", "link", "add", "eth0", "type", "veth")
    sh("ip", "address", "add", "192.0.2.1/24", "dev", "eth0")
    sh("ip", "link", "set", "eth0", "up")
    sh("nft", "add table inet t; add chain inet t c { type filter hook input priority 0; }; "
       "add rule inet t c tcp dport 6379 drop")  # fmt: skip

    def reach(done):
        return {(e["host_port"], r["verdict"]) for e in done.json["exposures"]
                for r in e["reach"] if r["zone"] == "public"}  # fmt: skip

    with contextlib.closing(socket.create_server(("0.0.0.0", 6379))):
        with tap.case("control: with privilege, the ruleset closes the port"):
            done = check()
            same((done.status, reach(done)), (0, {(6379, "blocked")}), "status and reach")
        for name, prefix in (("nobody", NOBODY), ("no CAP_NET_ADMIN", without("net_admin")),
                             ("no capability", without("all"))):  # fmt: skip
            with tap.case(f"{name}: the port is unknown, not blocked; status 1; a gap says why"):
                done = check(prefix=prefix, binary=directory / "netguard")
                same((done.status, done.json["complete"]), (1, False), "status and complete")
                same(reach(done), {(6379, "unknown")}, "reach")
                reasons = [g["reason"] for g in done.json["gaps"] if g["source"] == "nftables"]
                same(["CAP_NET_ADMIN" in r and "run as root" in r for r in reasons], [True],
                     f"said in {reasons}")  # fmt: skip
                done.says("nftables: not seen: ", "CAP_NET_ADMIN")
        with tap.case("no CAP_SYS_PTRACE: whose socket it is may be unknown, no verdict changes"):
            done = check(prefix=without("sys_ptrace"), binary=directory / "netguard")
            same((done.status, reach(done)), (0, {(6379, "blocked")}), "status and reach")
        with tap.case("no CAP_DAC_*: status 0 or a gap, never a wrong verdict"):
            done = check(prefix=without("dac_override", "dac_read_search"),
                         binary=directory / "netguard")  # fmt: skip
            same((done.status, done.json["complete"]) in [(0, True), (3, False)], True, "status")
            same(reach(done), {(6379, "blocked")}, "reach")
    with tap.case("no CAP_NET_ADMIN, nothing listens: status 3, nothing is called clean"):
        done = check(prefix=without("net_admin"), binary=directory / "netguard")
        done.gap("nftables", "CAP_NET_ADMIN is needed", "run as root")
    sh("ip", "link", "delete", "eth0")


# -- policies --------------------------------------------------------------------------------

ASKED_FOR = {"typo", "duplicate-key", "unknown-key", "anchor-bomb", "tab", "port-70000",
             "overlapping-id", "wrong-cidr"}  # fmt: skip


def policies(tap, directory):
    """An engine stands by to notice who observes before the policy is known to be right."""
    home = directory / "policies"
    home.mkdir()
    with Script(directory, WELL) as engine:

        def refuse(name, *words, **how):
            with tap.case(f"policy: {name}: status 2, and nothing is observed"):
                check("--policy", name, "--docker", engine.endpoint, cwd=home, **how).refused(
                    2, f"netguard: {name}:", *words)  # fmt: skip
                same(engine.asked, [], "what the engine was asked")

        good = "version: 1\n"
        (home / "good.yaml").write_text(good)
        with tap.case("control: a right policy is taken, and the engine asked"):
            done = check("--policy", "good.yaml", "--docker", engine.endpoint, cwd=home)
            same((done.status, len(engine.asked)), (0, 4), "status and requests")
            engine.asked.clear()

        files = sorted(BAD_POLICIES.glob("*.yaml"))
        with tap.case("policy: there is a file for each of the mistakes that must be told"):
            same(ASKED_FOR - {file.stem for file in files}, set(), "what is missing")
        for file in files:
            expected = re.match(r"# expect (\d+:\d+: .+)\n", file.read_text())
            shutil.copy(file, home / file.name)
            refuse(file.name, f"netguard: {file.name}:{expected[1] if expected else '?'}\n")

        def make(name, content=good, mode=0o644, uid=0):
            (home / name).write_bytes(content.encode() if isinstance(content, str) else content)
            (home / name).chmod(mode)
            os.chown(home / name, uid, 0)
            return name

        refuse("absent.yaml", "cannot open: No such file")
        (home / "directory.yaml").mkdir()
        refuse("directory.yaml", "not a regular file")
        os.mkfifo(home / "fifo.yaml")
        refuse("fifo.yaml", "not a regular file")
        refuse("/dev/zero", "not a regular file")
        (home / "dangling.yaml").symlink_to("nowhere")
        refuse("dangling.yaml", "No such file")
        (home / "loop.yaml").symlink_to("loop.yaml")
        refuse("loop.yaml", "symbolic links")
        refuse(make("unreadable.yaml", mode=0o600), "cannot open: Permission denied",
               prefix=NOBODY, binary=directory / "netguard")  # fmt: skip
        refuse(make("group.yaml", mode=0o664), "chmod go-w")
        refuse(make("others.yaml", mode=0o646), "chmod go-w")
        refuse(make("foreign.yaml", uid=65534), "uid 65534", "chown root")
        refuse(make("empty.yaml", ""), "version")
        refuse(make("comment.yaml", "# nothing\n"), "version")
        refuse(make("nul.yaml", b"version: 1\n\0"), "nul.yaml:2:1: ")
        refuse(make("latin1.yaml", b"version: 1\nmode: \xe9\n"), "latin1.yaml:2:7: ")
        refuse(make("utf16.yaml", good.encode("utf-16")), "utf16.yaml:1:1: ")
        refuse(make("escape.yaml", "version: 1\n\"\\e[2J\\u202e\": 1\n"), "escape.yaml:2:1: ")
        refuse(make("deep.yaml", "version: 1\nrules: " + "[" * 100000), "deep.yaml:2:")
        refuse(make("large.yaml", good + "# x\n" * 500000), "larger than 1 MiB")
        refuse(make("wide.yaml", "version: 1\nports: {a: [" + "1," * 400000 + "1]}"),
               "wide.yaml:2:")  # fmt: skip

    with tap.case("policy: `--policy` without a file: status 2"):
        Done("check", "--policy").refused(2, "--policy needs a value")
        Done("check", "--policy", "").refused(2, "--policy")


# -- snapshots -------------------------------------------------------------------------------


def snapshots(tap, directory):
    good = json.loads(Done("snapshot").stdout)  # with the table that privilege() has left
    text = json.dumps(good, indent=1)
    dump = base64.b64decode(good["nftables"]["dump"])
    file = directory / "world.json"

    def refuse(name, content, *words):
        with tap.case(f"snapshot: {name}: status 3 and the place"):
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
            check("--snapshot", file).refused(3, str(file), *words)

    def with_dump(content):
        return json.dumps(good | {"nftables": good["nftables"] | {"dump": content}})

    with tap.case("control: a right snapshot is taken"):
        file.write_text(text)
        same((check("--snapshot", file).status, len(dump) > 100), (0, True), "status, a ruleset")

    refuse("0 bytes", "", "is empty")
    refuse("not JSON", "schema: netguard.snapshot/1\n", ":1:", "not JSON")
    for part in 1, 2, 3:
        cut = text[:len(text) * part // 4]
        refuse(f"{part}/4 of it", cut, f":{cut.count(chr(10)) + 1}:", "not JSON")
    refuse("all but the last brace", text[:-2], "not JSON")
    refuse("twice", text + text, "not JSON")
    refuse("binary", bytes(range(256)), "not JSON")
    refuse("nested 100000 deep", "[" * 100000, "not JSON")
    refuse("a list", "[]", "$: expected an object")
    refuse("another document", '{"schema":"netguard.check/1"}', "$.schema")
    refuse("a later schema", json.dumps(good | {"schema": "netguard.snapshot/2"}), "$.schema")
    refuse("a part missing", json.dumps({k: v for k, v in good.items() if k != "routes"}),
           "$.routes")  # fmt: skip
    refuse("a part of another type", json.dumps(good | {"listeners": {}}), "$.listeners")
    refuse("not base 64", with_dump("AAA"), "$.nftables.dump", "base 64")
    refuse("not base 64 within", with_dump("AA*A"), "$.nftables.dump", "base 64")
    for name, torn in (("cut in a message", dump[:-7]), ("cut in a header", dump[:9]),
                       ("a length beyond the end", b"\xff\xff\xff\x7f" + dump[4:]),
                       ("a length of nothing", bytes(4) + dump[4:])):  # fmt: skip
        with tap.case(f"snapshot: a ruleset with {name}: status 3"):
            file.write_text(with_dump(base64.b64encode(torn).decode()))
            done = check("--snapshot", file)
            same(done.status, 3, "status")
            done.says("nftables")
            if done.stdout:
                same(done.json["complete"], False, "complete")

    def refuse_path(name, path, *words, **how):
        with tap.case(f"snapshot: {name}: status 3"):
            check("--snapshot", path, **how).refused(3, *words)

    refuse_path("absent", directory / "absent", f"{directory}/absent: cannot open")
    refuse_path("a directory", directory, f"{directory}: ", "Is a directory")
    refuse_path("endless", "/dev/zero", "/dev/zero: ", "MiB")
    refuse_path("standard input, empty", "-", "stdin: is empty")
    refuse_path("standard input, closed", "-", "stdin: is empty",
                prefix=["sh", "-c", 'exec "$@" <&-', "-"])  # fmt: skip
    file.chmod(0o600)
    refuse_path("unreadable", file, "cannot open: Permission denied", prefix=NOBODY,
                binary=directory / "netguard")  # fmt: skip
    with tap.case("snapshot --output: where it cannot be written: status 3, nothing is left"):
        Done("snapshot", "--output", "/nonexistent/world.json").refused(3, "/nonexistent/")
        Done("snapshot", "--output", directory).refused(3, str(directory))
        Done("snapshot", "--output", "/dev/full").refused(3, "/dev/full")
        same(list(directory.glob("world.json.*")), [], "left files")


# -- usage and output ------------------------------------------------------------------------

USAGE = [
    ([], "Usage: netguard"),
    (["chekc"], 'did you mean "check"?'),
    (["frobnicate"], "see netguard --help"),
    ([""], "unknown command"),
    (["\x1b[31m"], "unknown command"),
    (["--hepl"], "--help"),
    (["check", "--polcy", "x"], "did you mean --policy?"),
    (["check", "--frobnicate"], "unknown option"),
    (["check", "-x"], "one-letter"),
    (["check", "-\x1b"], "one-letter"),
    (["check", "-\u202e"], "one-letter"),
    (["check", "--format"], "--format needs a value"),
    (["check", "--docker"], "--docker needs a value"),
    (["check", "--verbose=yes"], "--verbose takes no value"),
    (["check", "--format", "jsn"], 'did you mean "json"?'),
    (["check", "--format", "sarif"], "expected table or json"),
    (["check", "--format", ""], "expected table or json"),
    (["check", "--format", "\x1b]0;\u202e"], "expected table or json"),
    (["check", "--fail-on", "hihg"], 'did you mean "high"?'),
    (["check", "--fail-on", "5"], "expected info, low, medium, high, critical or any"),
    (["check", "--color", "alwyas"], 'did you mean "always"?'),
    (["check", "--color", "1"], "expected auto, always or never"),
    (["check", "now"], 'unexpected argument "now"'),
    (["check", "--", "--help"], "unexpected argument"),
    (["check", "--output", "x"], "unknown option"),
    (["check", "--snapshot", ""], "--snapshot"),
    (["check", "--snapshot", "-", "--docker", "unix:///x"], "leave out --docker"),
    (["snapshot", "--policy", "x"], "unknown option"),
    (["snapshot", "x"], "unexpected argument"),
]


def usage(tap):
    for arguments, words in USAGE:
        with tap.case(f"usage: {ascii(' '.join(arguments))}: status 2"):
            done = Done(*arguments)
            same((done.status, done.stdout), (2, ""), "status and output")
            done.says(words)


def output(tap):
    commands = (["check"], ["check", "--format", "json"], ["snapshot"], ["--help"], ["--version"],
                ["check", "--help"])  # fmt: skip
    for arguments in commands:
        name = " ".join(arguments)
        with tap.case(f"{name} > /dev/full: status 3, says so"):
            with open("/dev/full", "wb") as full:
                done = Done(*arguments, stdout=full)
            same(done.status, 3, "status")
            done.says("could not be written", "No space left")
        with tap.case(f"{name} without a standard output: status 3, says so"):
            done = Done(*arguments, prefix=["sh", "-c", 'exec "$@" >&-', "-"])
            same(done.status, 3, "status")
            done.says("could not be written")
        with tap.case(f"{name} to who is gone: status 3, says so"):
            reader, writer = os.pipe()
            os.close(reader)
            with open(writer, "wb") as pipe:
                done = Done(*arguments, stdout=pipe)
            same(done.status, 3, "status")
            done.says("could not be written", "Broken pipe")


# -- the whole -------------------------------------------------------------------------------


def main():
    alone()
    tap = Tap()
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)  # an unprivileged user has to get at what is in it
        shutil.copy(NETGUARD, directory / "netguard")
        demand_hanging = hanging(tap, directory)
        usage(tap)
        malformed_endpoints(tap)
        places(tap, directory)
        policies(tap, directory)
        engines(tap, directory)
        huge(tap, directory)
        demand_hanging()  # before anything listens that they would see
        hostile_names(tap, directory)
        privilege(tap, directory)
        snapshots(tap, directory)
        output(tap)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
