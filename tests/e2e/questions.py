#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""questions.py: `trace`, `reach` and `explain` by their contract: JSON lines in, JSON lines out,
live as from a snapshot, and explanations that fit a terminal."""
import ipaddress
import json
import os
import re
import subprocess
import sys
import tempfile

from alone import Done, alone, fake_engine, harmless, sh
from lab import NETGUARD, Tap, same

LINE_MAX = 64 * 1024
WIDTH = 80

# Docker's rules for container 0 of the fake engine, and an operator's own before them.
RULES = r"""
*nat
:PREROUTING ACCEPT
:DOCKER -
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 20000 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:INPUT DROP
:FORWARD DROP
:DOCKER -
:DOCKER-USER -
:EMPTY -
-A INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -s 192.0.2.0/24 -p tcp -m tcp --dport 22 -m limit --limit 5/second -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A FORWARD -j EMPTY
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A EMPTY -j RETURN
-A DOCKER-USER -s 203.0.113.0/24 -m comment --comment "hostile \033[31m\342\200\256" -j DROP
-A DOCKER-USER -j RETURN
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
COMMIT
"""
# One rule that does one thing or another.
MAP = """
table inet own {
    chain input {
        type filter hook input priority -10; policy accept;
        tcp dport vmap { 24 : drop, 25 : accept }
    }
}
"""


def host():
    # No link-local address comes into use behind our back.
    for scope in "all", "default":
        with open(f"/proc/sys/net/ipv6/conf/{scope}/accept_dad", "w") as file:
            file.write("0")
    sh("ip", "link", "set", "lo", "up")
    sh("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "wire")
    sh("ip", "link", "add", "unused", "type", "bridge")
    sh("ip", "link", "add", "docker0", "type", "bridge")
    sh("ip", "address", "add", "192.0.2.1/24", "dev", "eth0")
    sh("ip", "address", "add", "172.17.0.1/16", "dev", "docker0")
    for link in "eth0", "wire", "docker0":
        sh("ip", "link", "set", link, "up")
    sh("ip", "route", "add", "default", "via", "192.0.2.254")
    with open("/proc/sys/net/ipv4/ip_forward", "w") as file:
        file.write("1")
    rules = RULES.encode().decode("unicode_escape").encode("latin-1")
    subprocess.run(["iptables-nft-restore"], input=rules, check=True)
    subprocess.run(["nft", "-f", "-"], input=MAP.encode(), check=True)


def packet(**changes):
    return {"iif": "eth0", "src": "198.51.100.7", "sport": 40000, "dst": "192.0.2.1",
            "proto": "tcp", "dport": 20000, **changes}  # fmt: skip


def question(**changes):
    return {"iif": "eth0", "dst": "192.0.2.1", "proto": "tcp", "dport": 20000, **changes}


def ask(command, lines, *options, status=0, said=()):
    """Answers to the lines, which are objects or text."""
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    done = subprocess.run([NETGUARD, command, *options], input=text.encode(), capture_output=True,
                          check=False)  # fmt: skip
    same(done.returncode, status, f"status of {command} ({done.stderr!r})")
    for word in said:
        if word not in done.stderr.decode():
            raise AssertionError(f"{word!r} is not said: {done.stderr!r}")
    harmless(done.stdout.decode())
    harmless(done.stderr.decode())
    return [json.loads(line) for line in done.stdout.splitlines()]


def explain(*arguments, status=0):
    done = Done("explain", *arguments)
    same(done.status, status, f"status of explain ({done.stderr!r})")
    harmless(done.stdout)
    for line in done.stdout.splitlines():
        if len(line) > WIDTH or line != line.rstrip():
            raise AssertionError(f"{line!r} does not fit")
    return done.stdout


def says(text, *words):
    for word in words:
        if word not in " ".join(text.split()):
            raise AssertionError(f"{word!r} is not in:\n{text}")


# -- trace -----------------------------------------------------------------------------------


def traces(tap, engine):
    with tap.case("trace: a published port, as the contract has it"):
        (answer,) = ask("trace", [packet(note="an unknown key")], "--docker", engine)
        same({key: answer[key] for key in ("verdict", "to", "dst", "dport", "oif", "listener")},
             {"verdict": "delivered", "to": "container", "dst": "172.17.0.2", "dport": 80,
              "oif": "docker0", "listener": None}, "the answer")  # fmt: skip
        same((answer["by"]["table"], answer["by"]["chain"], answer["unsure"]),
             ("ip filter", "DOCKER", []), "who let it in")  # fmt: skip
        same([(step["hook"], step.get("chain"), step["verdict"]) for step in answer["path"]
              if "policy" not in step],
             [("prerouting", "PREROUTING", "jump"), ("prerouting", "DOCKER", "dnat"),
              ("routing", None, "forward"), ("forward", "FORWARD", "jump"),
              ("forward", "EMPTY", "return"), ("forward", "FORWARD", "jump"),
              ("forward", "DOCKER-USER", "return"), ("forward", "FORWARD", "jump"),
              ("forward", "DOCKER", "accept")], "the path")  # fmt: skip
    with tap.case("trace: without an engine a container is an address like any other"):
        (answer,) = ask("trace", [packet()])
        same((answer["to"], answer["dst"]), ("forwarded", "172.17.0.2"), "where it ends")
    with tap.case("trace: dropped by a rule, by a policy, by routing"):
        by_rule, by_policy, by_routing = ask("trace", [
            packet(src="203.0.113.7"), packet(dport=23), packet(src="127.0.0.1")])  # fmt: skip
        same([(one["verdict"], one["to"]) for one in (by_rule, by_policy, by_routing)],
             [("dropped", None)] * 3, "verdicts and targets")  # fmt: skip
        same((by_rule["by"]["chain"], by_rule["path"][-1]["verdict"]),
             ("DOCKER-USER", "drop"), "rule")  # fmt: skip
        same(by_policy["by"], {"table": "ip filter", "chain": "INPUT", "handle": None,
                               "policy": True}, "policy")  # fmt: skip
        same((by_routing["by"], by_routing["path"][-1]),
             (None, {"hook": "routing", "verdict": "no-route"}), "routing")  # fmt: skip
    with tap.case("trace: a rule that does now this, now that"):
        answers = ask("trace", [packet(dport=port) for port in (24, 25, 24, 25)])
        same([next(step["verdict"] for step in one["path"] if step.get("table") == "inet own")
              for one in answers], ["drop", "accept"] * 2, "what it does")  # fmt: skip
    with tap.case("trace: what cannot be decided is unknown, and named"):
        (answer,) = ask("trace", [packet(src="192.0.2.9", dport=22)])
        same(answer["verdict"], "unknown", "verdict")
        says(" ".join(answer["unsure"]), "limit", "ip filter INPUT handle")
        same(any(step.get("doubtful") for step in answer["path"]), True, "a doubtful step")
    with tap.case("trace: who listens"):
        with subprocess.Popen([sys.executable, "-c", LISTEN], stdout=subprocess.PIPE) as server:
            server.stdout.readline()
            answers = ask("trace", [packet(src="10.0.0.1", dport=22),
                                    packet(proto="icmp")])  # fmt: skip
            server.kill()
        same([one["listener"] for one in answers], [True, None], "listener")
        same(ask("trace", [packet(src="10.0.0.1", dport=22)])[0]["listener"], False, "listener")


LISTEN = """
import socket, time
server = socket.create_server(("0.0.0.0", 22))
print("ready", flush=True)
time.sleep(60)
"""

BAD = {
    "no JSON": ("{", "at byte 2: expected a string"),
    "no object": ("[1]", "expected one JSON object"),
    "an unknown interface": (packet(iif="eth1"), 'did you mean "eth0"'),
    "an interface that is down": (packet(iif="unused"), "is down"),
    "no source": ({"iif": "eth0", "dst": "192.0.2.1", "proto": "tcp"}, "src: is missing"),
    "a port that is none": (packet(dport=70000), "dport: found 70000"),
    "a hostile name": (packet(iif="\x1b[2J\u202e"), "\\x1b[2J\\u202e"),
    "an endless line": ("x" * (LINE_MAX + 1), f"longer than {LINE_MAX} bytes"),
    "a deep line": ('{"x":' + "[" * 60000, "fewer values within values"),
}


def bad_lines(tap):
    for name, (line, message) in BAD.items():
        with tap.case(f"a bad line, {name}: an error in its place, and the run goes on"):
            good = packet()
            before, answer, after = ask("trace", [good, line, good], status=2,
                                        said=["1 of 3 lines could not be answered"])  # fmt: skip
            same(list(answer), ["error"], "keys of the answer")
            says(answer["error"], message)
            same((before["verdict"], after), ("delivered", before), "the other lines")
    with tap.case("empty lines are passed over, a last one needs no end"):
        text = "\n  \r\n" + json.dumps(packet()) + "\r\n\n" + json.dumps(packet())
        done = subprocess.run([NETGUARD, "trace"], input=text.encode(), capture_output=True,
                              check=True)  # fmt: skip
        same(len(done.stdout.splitlines()), 2, "answers")


def streams(tap, directory):
    path = os.path.join(directory, "packets")
    with open(path, "w") as file:
        file.write(json.dumps(packet()) + "\n")
    with tap.case("lines of a file, of standard input, and of a dialogue"):
        same(ask("trace", [], path), ask("trace", [packet()], "-"), "answers")
        with subprocess.Popen([NETGUARD, "trace"], stdin=subprocess.PIPE, bufsize=0,
                              stdout=subprocess.PIPE) as child:  # fmt: skip
            for port in range(20000, 20010):
                child.stdin.write(json.dumps(packet(dport=port)).encode() + b"\n")
                same("verdict" in json.loads(child.stdout.readline()), True, "an answer at once")
            child.stdin.close()
            same(child.wait(), 0, "status")
    with tap.case("nobody reads the answers"):
        done = Done("trace", path, stdout=open("/dev/full", "w"))
        same(done.status, 3, "status")
        done.says("the result could not be written")
    with tap.case("a file that is not there, a folder, one thing too many"):
        Done("trace", "/nonexistent").refused(2, "/nonexistent", "cannot open")
        Done("trace", directory).refused(3, "cannot read")
        Done("trace", path, path).refused(2, "unexpected argument")
        Done("reach", "--snapshot", "-").refused(2, "standard input cannot hold")
        Done("reach", "--snapshot", "-", "-").refused(2, "standard input cannot hold")
        Done("trace", "--from", "192.0.2.1").refused(2, "unknown option")
    with tap.case("an engine that is named and not there: answers, and status 3"):
        (answer,) = ask("trace", [packet()], "--docker", "unix:///nonexistent", status=3,
                        said=["docker: not seen"])  # fmt: skip
        same(answer["verdict"], "delivered", "verdict")


# -- reach -----------------------------------------------------------------------------------


def reaches(tap, engine):
    with tap.case("reach: everybody but who is dropped"):
        (answer,) = ask("reach", [question()], "--docker", engine)
        same((answer["verdict"], answer["to"], answer["maybe"], answer["source_ports"]),
             ("partly", "container", [], None), "the answer")  # fmt: skip
        same("203.0.112.0/24" in answer["sources"], True, "a neighbour of who is dropped")
        same("203.0.113.0/24" in answer["sources"], False, "who is dropped")
    with tap.case("reach: who certainly gets in, and who perhaps"):
        (answer,) = ask("reach", [question(dport=22)])
        same((answer["verdict"], answer["sources"], answer["maybe"]),
             ("partly", ["10.0.0.0/8"], ["192.0.2.0/24"]), "sets")  # fmt: skip
        says(" ".join(answer["unsure"]), "limit")
    with tap.case("reach: nobody, and who says so"):
        (answer,) = ask("reach", [question(dport=23)])
        same((answer["verdict"], answer["sources"], answer["maybe"], answer["to"]),
             ("blocked", [], [], None), "sets")  # fmt: skip
        same((answer["by"]["chain"], answer["by"]["policy"]), ("INPUT", True), "by")
    with tap.case("reach contains every source that trace delivers"):
        for port in 20000, 22, 23:
            (everybody,) = ask("reach", [question(dport=port)])
            sources = ["198.51.100.7", "203.0.113.7", "10.1.1.1", "192.0.2.9", "203.0.112.255"]
            for src, one in zip(sources, ask("trace", [packet(src=src, dport=port)
                                                       for src in sources])):  # fmt: skip
                inside = is_in(src, everybody["sources"] + everybody["maybe"])
                same(inside, one["verdict"] != "dropped", f"{src} to {port}")


def is_in(addr, prefixes):
    return any(ipaddress.ip_address(addr) in ipaddress.ip_network(one) for one in prefixes)


# -- explain ---------------------------------------------------------------------------------


def explanations(tap, engine):
    docker = ["--docker", engine]
    with tap.case("explain a port: rule by rule, with the sets that it splits"):
        text = explain("20000", *docker)
        says(text, "0.0.0.0:20000/tcp: port 80 of container web-0",
             "fib daddr type local jump DOCKER", "dnat to 172.17.0.2:80",
             "(for 203.0.113.0/24; left: any but 203.0.113.0/24)",
             "partly: any but 203.0.113.0/24",
             "stopped 203.0.113.0/24: ip filter DOCKER-USER handle",
             "container web-0 at 172.17.0.2:80/tcp, by docker0",
             'comment "hostile \\x1b[31m')  # fmt: skip
        same(text.count("(for "), 1, "sets told, once where they split")
    with tap.case("explain only what matters, unless all is wanted"):
        same("EMPTY" in text, False, "a jump that comes back")
        says(explain("20000", "--verbose", *docker), "EMPTY", "return")
    with tap.case("explain for one source, by one interface"):
        text = explain("192.0.2.1:20000/tcp", "--from", "203.0.113.7", "--interface", "eth0",
                       *docker)  # fmt: skip
        says(text, "blocked", "stopped 203.0.113.7: ip filter DOCKER-USER handle")
        says(explain("192.0.2.1:20000", "--from", "127.0.0.1", *docker), "routing, not a rule")
    with tap.case("explain a container: its ports, and its own addresses"):
        text = explain("web-0", *docker)
        says(text, "0.0.0.0:20000/tcp", "[::]:20000/tcp", "172.17.0.2:80/tcp: address of container")
        same(explain("web-0:80", *docker).count("address of container"), 1, "own addresses")
    with tap.case("explain where nothing is, and a protocol without ports"):
        text = explain("9", "--interface", "eth0")
        says(text, "not published by a container, and nothing listens", "policy drop", "blocked")
        says(explain("192.0.2.1/icmp", "--interface", "eth0"), "reachable: any address")
    with tap.case("explain as JSON"):
        done = Done("explain", "20000", "--format", "json", *docker)
        same((done.status, done.json["schema"], done.json["complete"]),
             (0, "netguard.explain/1", True), "head")  # fmt: skip
        way = done.json["subjects"][0]["ways"][0]
        rules = [step["rule"] for step in way["path"] if "rule" in step]
        same(any(rule.endswith("dnat to 172.17.0.2:80") for rule in rules), True, f"{rules}")
    with tap.case("explain what is not there"):
        Done("explain").refused(2, "explain: needs a TARGET")
        Done("explain", "web0", *docker).refused(2, 'did you mean "web-0"?')
        Done("explain", "web-0").refused(2, "no container engine was found")
        Done("explain", "80", "--interface", "eth00").refused(2, 'did you mean "eth0"?')
        Done("explain", "80", "--interface", "unused").refused(2, "is down")
        Done("explain", "80", "--from", "nowhere").refused(2, "expected an IPv4 or IPv6 address")
        Done("explain", "[::1]:80", "--from", "192.0.2.1").refused(2, "from an IPv4 to an IPv6")


def snapshots(tap, engine, directory):
    world = os.path.join(directory, "world.json")
    with tap.case("live and from a snapshot the same, byte for byte"):
        same(Done("snapshot", "--docker", engine, "--output", world).status, 0, "status")
        os.chmod(world, 0o644)
        lines = [packet(dport=port, src=src) for port in (20000, 22, 23)
                 for src in ("203.0.113.7", "10.1.1.1", "192.0.2.9")]  # fmt: skip
        for command in "trace", "reach":
            same(ask(command, lines, "--snapshot", world), ask(command, lines, "--docker", engine),
                 command)  # fmt: skip
        recorded = Done("explain", "web-0", "--verbose", "--snapshot", world, prefix=NOBODY)
        same(recorded.stdout, Done("explain", "web-0", "--verbose", "--docker", engine).stdout,
             "explain")  # fmt: skip
        same(bool(re.search("policy accept", recorded.stdout)), True, "every step")


NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def main():
    alone()
    tap = Tap()
    host()
    with tempfile.TemporaryDirectory() as directory, \
            fake_engine(directory, "--containers", "1") as engine:  # fmt: skip
        os.chmod(directory, 0o755)
        traces(tap, engine)
        bad_lines(tap)
        streams(tap, directory)
        reaches(tap, engine)
        explanations(tap, engine)
        snapshots(tap, engine, directory)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
