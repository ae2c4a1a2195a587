# SPDX-License-Identifier: GPL-2.0-or-later
"""What netguard says of packets, beside where the kernel has let them arrive."""
import ipaddress
import json
import os
import subprocess
from typing import NamedTuple

from . import frames
from .lab import BROADCASTS, CONTAINERS, SOCKETS, TRANSPARENT

MOST_MEMORY = 1 << 30  # bytes; ten times what the largest of these rulesets should take
MOST_SECONDS = 30
# AddressSanitizer reserves more address space than any limit of use.
BOUNDS = [f"--cpu={MOST_SECONDS}", *([] if "ASAN_OPTIONS" in os.environ
                                     else [f"--as={MOST_MEMORY}"])]
KNOWN = {addr for _, *addrs in CONTAINERS.values() for addr in addrs}


class Complaint(NamedTuple):
    kind: str  # "unsound", "inexact", "place", "listener", "unknown", "unexplained", "error"
    text: str


def run_netguard(lab, netguard, words, stdin=""):
    """Within bounds: a fault may not take the machine with it."""
    with lab.host:
        return subprocess.run(["prlimit", *BOUNDS, netguard, *words], input=stdin,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False)


def engine_words(lab, engine):
    return ["--docker", f"unix://{lab.api}"] if engine else []


def snapshot(lab, netguard, engine, path):
    """The world as one document, for `ask`."""
    done = run_netguard(lab, netguard, ["snapshot", *engine_words(lab, engine)])
    with open(path, "w", encoding="utf-8") as file:
        file.write(done.stdout)
    return ["--snapshot", path]


def ask(lab, netguard, command, lines, world=()):
    """The answers of `netguard trace` or `netguard reach`, one for each line. `world`: options
    that say what is observed."""
    done = run_netguard(lab, netguard, [command, *world], "\n".join(lines) + "\n")
    answers = []
    for line in done.stdout.split("\n")[:-1]:
        try:
            answers.append(json.loads(line))
        except ValueError:
            break  # it ended in the middle of one
    # 3: something could not be read, which the answers take into account.
    if done.returncode not in (0, 3) or len(answers) != len(lines):
        bad = next((one["error"] for one in answers if "error" in one), "")
        raise Broken(f"netguard {command}: exit {done.returncode}, {len(answers)} answers to "
                     f"{len(lines)} lines: {done.stderr.strip()[-600:]} {bad}", len(answers))
    return answers


class Broken(AssertionError):
    """netguard has not answered all lines, but only so many."""

    def __init__(self, text, answered):
        super().__init__(text)
        self.answered = answered


def listens(proto, dst, port):
    return any(one.takes(proto, dst, port) for one in (*SOCKETS, *TRANSPARENT))


def same(addr, text):
    return text is not None and ipaddress.ip_address(text) == ipaddress.ip_address(addr)


def is_way(packet, way, arrival):
    """Is it there that the packet has come to?"""
    ports = frames.NUMBERS[packet.proto] in frames.WITH_PORTS
    return arrival.where == ("host" if way["to"] == "host" else way["oif"]) and \
        same(arrival.dst, way["dst"]) and (not ports or arrival.dport == way["dport"])


def judge_delivered(packet, answer, came, engine):
    """Complaints about a packet that is said to be delivered, perhaps in one of several ways."""
    ways = answer.get("ways") or [answer]
    if len(ways) > 1 and not answer["unsure"]:
        yield Complaint("unexplained", f"{len(ways)} ways, and no reason for doubt")
    told = ", or ".join(f"{one['to']} {one.get('oif')} {one.get('dst')} {one.get('dport')}"
                        for one in ways)
    if not came:
        yield Complaint("inexact", f"said delivered to {told}, and arrives nowhere")
        return
    for arrival in came:
        way = next((one for one in ways if is_way(packet, one, arrival)), None)
        if way is None:
            yield Complaint("place", f"said delivered to {told}, arrives at {arrival.where} "
                                     f"{arrival.dst} {arrival.dport}")
        elif way["to"] != "host":
            known = engine and any(same(one, way["dst"]) for one in KNOWN)
            if (way["to"] == "container") != known:
                yield Complaint("place", f"{way['dst']} is said to be \"{way['to']}\"")
        elif packet.proto in ("tcp", "udp") and way["listener"] is not None \
                and not by_proxy(answer):
            expected = listens(packet.proto, arrival.dst, arrival.dport)
            if way["listener"] != expected:
                yield Complaint("listener", f"listener {way['listener']} at {arrival.dst} port "
                                            f"{arrival.dport}, where there is {expected}")


def by_proxy(answer):
    return any(step.get("verdict") == "tproxy" for step in answer.get("path", []))


def judge_packet(packet, answer, came, engine):
    """All complaints about the answer to one packet; "unknown" is one of its own kind."""
    if answer["verdict"] == "unknown":
        if not answer["unsure"]:
            yield Complaint("unexplained", "unknown, and no reason for doubt")
        yield Complaint("unknown", "; ".join(map(str, answer["unsure"])))
    elif answer["verdict"] == "dropped":
        if came:
            arrival = next(iter(came))
            yield Complaint("unsound", f"said dropped, arrives at {arrival.where} {arrival.dst} "
                                       f"{arrival.dport}")
    elif answer["verdict"] == "delivered":
        yield from judge_delivered(packet, answer, came, engine)
    else:
        yield Complaint("error", f"verdict {answer['verdict']}")


def netguard_binary():
    here = os.path.dirname(os.path.abspath(__file__))
    return os.environ.get("NETGUARD", os.path.join(here, "../../../build/netguard"))


# -- reach -----------------------------------------------------------------------------------------


def reach_question(packet):
    asked = json.loads(packet.question())
    for key in ("src", "sport", "smac"):
        asked.pop(key, None)
    return json.dumps(asked, sort_keys=True)


def holds(cidrs, addr):
    addr = ipaddress.ip_address(addr)
    return any(addr in ipaddress.ip_network(one) for one in cidrs)


REFUSED = [ipaddress.ip_network(one) for one in
           ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/127", "fe80::/10", "ff00::/8",
            "203.0.113.0/25", "2001:db8:5::/64")]  # the last two: draw_world's local routes


def refused_by_nature(addr, own):
    """Sources that IP refuses whatever the rules say, some of them only where it looks up sources
    at all, and that `reach` leaves in."""
    addr = ipaddress.ip_address(addr)
    return str(addr) in own or str(addr) in BROADCASTS or any(addr in net for net in REFUSED)


def judge_reach(packet, answer, traced, came, own):
    """Is the source in the set where it should be?"""
    sure, maybe = holds(answer["sources"], packet.src), holds(answer["maybe"], packet.src)
    if maybe and not answer["unsure"]:
        yield Complaint("unexplained reach", f"{packet.src} may get in, and no reason for doubt")
    if came and not sure and not maybe:
        yield Complaint("reach", f"{packet.src} arrives, and is not among the sources")
    if traced["verdict"] == "delivered" and not sure and not maybe:
        yield Complaint("reach", f"trace delivers {packet.src}, reach does not")
    by_port = packet.sport is None or answer["source_ports"] is None or \
        any(low <= packet.sport <= high for low, high in answer["source_ports"])
    if came and sure and not by_port and not maybe:
        yield Complaint("reach",
                        f"{packet.src} arrives from port {packet.sport}, which is not told")
    if sure and by_port and not maybe and not came and not refused_by_nature(packet.src, own):
        yield Complaint("reach", f"{packet.src} is among the sources, and does not arrive")
