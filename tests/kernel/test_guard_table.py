#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard table in the kernel: what is installed beside what nft makes of its text, what is sent
for a change, and who may touch it.

    test_guard_table.py [DRIVER [DRAWN]]

    DRIVER  what is made of guard_driver.c (default: in build/tests)
    DRAWN   how many policies are drawn by lot (default: 12)

Needs root, iproute2, nftables and util-linux. Prints TAP. Everything it makes lives in namespaces
of its own.
"""
import os
import re
import struct
import subprocess
import sys
import tempfile
import time

from topology import Namespace, end_on_signals

HERE = os.path.dirname(os.path.abspath(__file__))
DRIVER = os.path.abspath(sys.argv[1] if sys.argv[1:] else
                         os.path.join(HERE, "../../build/tests/guard_driver"))
TABLE = "inet netguard"
DRAWN = int(sys.argv[2]) if sys.argv[2:] else 12
COMMENT = "made by netguard, see netguard(8)"
ABSENT, FREE = "absent owner=0 persist=0", "free owner=0 persist=0"


class Driver:
    """One process with a socket of its own."""

    def __init__(self, netns, *prefix):
        self.netns = netns
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            ["nsenter", f"--net=/run/netns/{netns.name}", *prefix, DRIVER], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self.process.pid

    def __enter__(self):
        self.said("open")
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        status = self.process.wait()
        assert status == 0, f"the driver ended with {status}"

    def lines(self, *words):
        """All that is answered."""
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        lines = []
        while not lines or not re.match("(ok|error)\\b", lines[-1]):
            line = self.process.stdout.readline()
            assert line, f"no answer to {words}"
            lines.append(line.rstrip("\n"))
        return lines

    def said(self, *words):
        last = self.lines(*words)[-1]
        assert last.startswith("ok"), f"{words}: {last}"
        return last[3:]

    def refused(self, code, *words):
        last = self.lines(*words)[-1]
        assert last.startswith(f"error {code} nftables: "), f"{words}: {last}"
        return last.partition(": ")[2]

    def install(self, sample, owner="none"):
        """(changes, messages, bytes)"""
        return self.figures(sample, owner)[:3]

    def figures(self, sample, owner="none"):
        """The same, and how many transactions it took."""
        return tuple(map(int, re.findall(r"\d+", self.said("install", sample, owner))))

    def installed(self, sample, owner="none"):
        """It is there, and a second time nothing is to be done."""
        self.install(sample, owner)
        changes, messages, _ = self.install(sample, owner)
        armed = sample.startswith("armed")  # and always armed anew
        same((changes, messages), (0, 2 if armed else 0), f"{sample} again")
        same(self.compare(sample, owner != "none"), [], f"compared with {sample}")

    def compare(self, sample, owned=False):
        return self.lines("compare", sample, int(owned))[:-1]

    def look(self):
        return self.said("look").partition(" armed_ms=")[0]

    def listing(self):
        return plain(self.netns.run("nft", "list", "table", *TABLE.split()))

    def elements(self):
        """As the kernel holds them, with the marks between intervals, which nft does not list."""
        told = self.netns.run("nft", "--debug=netlink", "list", "table", *TABLE.split())
        return sorted(re.findall(r"element [^\[]*", told))

    def table_of(self, sample):
        """As nft lists the text of the sample, in place of what is there."""
        with tempfile.NamedTemporaryFile("w", suffix=".nft") as file:
            self.said("text", sample, file.name)
            self.netns.run("nft", "-f", file.name)
        return self.listing()

    def rules(self, *words):
        with tempfile.NamedTemporaryFile("r") as file:
            self.said(*words, file.name)
            return [boxes_sorted(line) for line in file.read().splitlines()]


def same(found, expected, what):
    assert found == expected, f"{what}: {found!r} instead of {expected!r}"


def plain(listing):
    """What is left of a time runs down."""
    return re.sub(r" expires \w+", "", listing)


def boxes_sorted(line):
    """The kernel tells elements in any order."""
    head, *boxes = re.split(r" (?=\()", line)
    return [head.strip(), *sorted(boxes)]


# -- what is installed ---------------------------------------------------------------------------


def lists_as_nft_does(netns):
    for sample in ["empty:0", "armed:300", "many:500", *(f"all:{i}" for i in range(1, 9))]:
        with Driver(netns) as driver:
            driver.installed(sample)
            ours, elements = driver.listing(), driver.elements()
            same(ours, driver.table_of(sample), sample)
            same(elements, driver.elements(), f"elements of {sample}")
            same(driver.compare(sample), [], f"{sample} as text")
            driver.said("remove")


def of_any_policy(netns):
    """Policies and hosts that are drawn by lot: nft reads the text, installed it is the same, and
    so it is when it takes the place of another."""
    with Driver(netns) as driver:
        for sample in ["rules:100", *(f"drawn:{seed}" for seed in range(1, DRAWN + 1))]:
            driver.install(sample)
            same(driver.compare(sample), [], f"compared with {sample}")
            ours = driver.listing()
            same(driver.table_of(sample), ours, sample)
            same(driver.compare(sample), [], f"{sample} as text")


def leads_from_any_to_any(netns):
    """Element by element and chain by chain, to what is there when all is made anew."""
    with Driver(netns) as driver:
        for seed in range(1, 25):
            changes, messages, _ = driver.install(f"all:{seed}")
            assert seed == 1 or (changes > 10 and messages < 60), (seed, changes, messages)
            driver.installed(f"all:{seed}")
            listing, elements = driver.listing(), driver.elements()
            with Driver(netns) as anew:
                anew.said("remove")
                anew.install(f"all:{seed}")
            same(listing, driver.listing(), f"all:{seed}")
            same(elements, driver.elements(), f"elements of all:{seed}")


def predicts(netns):
    netns.run("nft", "add table ip other; add chain ip other c")
    with Driver(netns) as driver:
        for sample in ("all:1", "armed:300", "many:10", "empty:0"):
            predicted = driver.rules("predict", sample)
            driver.install(sample)
            same(predicted, driver.rules("rules"), sample)
            same(driver.rules("predict", "all:2")[:1], [["ip other c 1"]], "what is another's")
            driver.said("remove")


def says_what_differs(netns):
    with Driver(netns) as driver:
        same(driver.compare("many:3"), ["table - -"], "nothing there")
        driver.install("many:3")
        same(driver.compare("many:2"), ["delete to4 tcp . 172.17.0.0 . 1002",
                                        "delete zone4 10.0.2.0/25"], "less")  # fmt: skip
        same(driver.compare("many:4"), ["add to4 tcp . 172.17.0.0 . 1003",
                                        "add zone4 10.0.3.0/25"], "more")  # fmt: skip
        driver.install("all:1")
        netns.run("nft", f"insert rule {TABLE} input counter drop")
        same(driver.compare("all:1"), ["chain input -"], "another's rule")
        same(driver.install("all:1")[0], 1, "changes")
        same(driver.compare("all:1"), [], "repaired")


def counts(netns):
    with Driver(netns) as driver:
        driver.install("all:1")
        log = 'limit rate 10/second burst 20 packets log prefix "netguard other " group 4789'
        netns.run("nft", f"flush chain {TABLE} rule_other; add rule {TABLE} rule_other {log}; "
                         f"add rule {TABLE} rule_other counter packets 7 bytes 700 drop")
        same(driver.lines("look")[:-1], ["count effects 0 0", "count rule_no-stores 0 0",
                                         "count rule_other 7 700"], "counts")  # fmt: skip
        same(driver.compare("all:1"), [], "counters are no difference")
        for other in (log.replace("10/", "11/"), log.replace("20 p", "21 p"),
                      log.replace("other ", "another "), log.replace("4789", "4790")):
            netns.run("nft", f"flush chain {TABLE} rule_other; add rule {TABLE} rule_other {other};"
                             f"add rule {TABLE} rule_other counter drop")
            same(driver.compare("all:1"), ["chain rule_other -"], other)


# -- what others do to it ------------------------------------------------------------------------

FOREIGN_CHANGES = [
    "add set {0} more {{ type inet_service; }}",
    "add chain {0} more",
    "add counter {0} more",
    "add chain {0} compares2 {{ type filter hook output priority 0; }}",
    "chain {0} input {{ policy drop; }}",
    "add table {0} {{ flags dormant; }}",
    "flush chain {0} compares",
    "add rule {0} effects accept",
    "insert rule {0} forward ip saddr 10.0.0.1 drop",
    "flush set {0} bound4",
    "add element {0} one_dport {{ 4711 }}",
    "add element {0} ranges_dport {{ 4711-4712 : goto rule_other }}",
    "add element {0} ranges_dport {{ 4711 : accept }}",
    "add element {0} map_to4 {{ tcp . 10.9.9.9 . 9 : drop }}",
    "flush table {0}",
]


def repairs(netns):
    with Driver(netns) as driver:
        driver.install("all:3")
        good = driver.listing()
        for change in FOREIGN_CHANGES:
            netns.run("nft", change.format(TABLE))
            assert driver.listing() != good, change
            assert driver.compare("all:3"), change
            assert driver.install("all:3")[0] > 0, change
            same(driver.listing(), good, change)
            same(driver.install("all:3"), (0, 0, 0), change)


def leaves_others_alone(netns):
    netns.run("nft", f"add table {TABLE}; add chain {TABLE} mine")
    before = netns.run("nft", "list ruleset")
    with Driver(netns) as driver:
        same(driver.look(), "foreign owner=0 persist=0", "look")
        for words in (("install", "all:1", "none"), ("remove",)):
            told = driver.refused("EEXIST", *words)
            assert COMMENT in told and "nft delete table inet netguard" in told, told
        same(netns.run("nft", "list ruleset"), before, "the ruleset")
        for comment in ("mine", COMMENT.replace("see", "not"), COMMENT + " "):
            netns.run("nft", f"delete table {TABLE}; "
                             f"add table {TABLE} {{ comment \"{comment}\"; }}")
            same(driver.look(), "foreign owner=0 persist=0", comment)


def changes_in_between(netns):
    with Driver(netns) as driver:
        driver.install("all:1")
        for change in (f"delete table {TABLE}", f"flush chain {TABLE} effects",
                       "add table ip elsewhere", f"add element {TABLE} one_dport {{ 4711 }}"):
            driver.said("before", f"nft '{change}'")
            driver.install("all:2")
            same(driver.compare("all:2"), [], change)
            driver.said("before", f"nft '{change}'" if "ip elsewhere" not in change
                        else "nft delete table ip elsewhere")  # fmt: skip
            driver.install("all:1")
            same(driver.compare("all:1"), [], change)
        driver.said("before", f"nft delete table {TABLE}")
        driver.said("remove")
        same(driver.look(), ABSENT, "removed by two")
        driver.said("each", "nft 'add table ip restless; delete table ip restless'")
        told = driver.refused("EBUSY", "install", "all:1", "none")
        assert "changed by others" in told, told
        same(driver.look(), ABSENT, "nothing half-way")


def answers_get_lost(netns):
    with Driver(netns) as driver:
        driver.said("lose")
        driver.install("all:1")
        same(driver.compare("all:1"), [], "compared")
        driver.said("lose")
        driver.said("remove")
        same(driver.look(), ABSENT, "removed")
        driver.said("lose")
        driver.refused("ENOENT", "install", "unknown-chain:0", "none")


# -- who owns it ---------------------------------------------------------------------------------


def is_owned(netns):
    with Driver(netns) as owner, Driver(netns) as other:
        owner.installed("all:1", "own")
        same(owner.look(), "own owner=0 persist=0", "the owner")
        same(other.look(), f"held owner={owner.pid} persist=0", "another")
        for words in (("install", "all:2", "own"), ("install", "all:2", "none"), ("remove",)):
            told = other.refused("EBUSY", *words)
            assert f"process {owner.pid} (guard_driver)" in told, told
        same(other.compare("all:1"), [], "another compares")
        same(other.compare("all:1", True), ["table - -"], "another wants to own it")
        netns.run("nft", "flush ruleset")
        same(owner.install("all:1", "own"), (0, 0, 0), "after a flush of others")
        owner.installed("all:2", "own")
        same(owner.compare("all:2", False), ["table - -"], "it shall be nobody's")
        owner.installed("all:2", "none")
        same(other.look(), FREE, "given up")
        netns.run("nft", "flush ruleset")
        same(other.look(), ABSENT, "flushed by others")
        other.installed("all:2", "own")
        same(owner.look(), f"held owner={other.pid} persist=0", "taken by another")
        other.said("close")
        same(owner.look(), ABSENT, "gone with its owner")


def stays_as_an_orphan(netns):
    with Driver(netns) as watcher:
        with Driver(netns) as owner:
            owner.installed("all:1", "persist")
            same(owner.look(), "own owner=0 persist=1", "the owner")
        same(watcher.look(), "free owner=0 persist=1", "an orphan")
        with Driver(netns) as heir:
            handle = handles(netns)
            same(heir.compare("all:1", True), [], "the same")
            same(heir.install("all:1", "persist")[:2], (0, 1), "taken over")
            same(handles(netns), handle, "nothing made anew")
            same(heir.look(), "own owner=0 persist=1", "the heir")
            same(watcher.look(), f"held owner={heir.pid} persist=1", "seen by another")
        with Driver(netns) as heir:
            assert 1 < heir.install("all:2", "persist")[1] < 60
            same(heir.compare("all:2", True), [], "taken over and changed")
            same(heir.look(), "own owner=0 persist=1", "the second heir")
        watcher.installed("all:2", "none")
        same(watcher.look(), FREE, "nobody's")
        watcher.installed("all:2", "persist")
        watcher.installed("all:2", "own")
        same(watcher.look(), "own owner=0 persist=0", "no orphan again")


def handles(netns):
    return re.findall(r"# handle \d+", netns.run("nft", "-a", "list", "table", *TABLE.split()))


def keeps_a_socket(netns):
    with Driver(netns) as driver:
        driver.installed("all:1", "own")
        kept = driver.said("close", "keep")
        driver.said("open", kept)
        same(driver.look(), "own owner=0 persist=0", "taken back")
        driver.installed("all:2", "own")
        driver.said("close")
        told = driver.refused("EINVAL", "open", 0)
        assert "descriptor 0" in told, told
        driver.said("open")


# -- times, sizes, refusals ----------------------------------------------------------------------


def left_ms(driver):
    found = re.search(r"armed_ms=(\d+) expired=(\d)", driver.said("look"))
    return int(found[1]), int(found[2])


def runs_out(netns):
    with Driver(netns) as driver:
        driver.install("many:1")
        same(left_ms(driver), (0, 0), "never")
        driver.install("armed:60")
        ms, expired = left_ms(driver)
        assert 50_000 < ms <= 60_000 and not expired, (ms, expired)
        same(driver.compare("armed:1"), [], "only another time")
        same(driver.install("armed:2")[:2], (0, 2), "armed anew")
        ms, expired = left_ms(driver)
        assert 1_000 < ms <= 2_000 and not expired, (ms, expired)
        end = time.monotonic() + 10
        while left_ms(driver) != (0, 1):
            assert time.monotonic() < end, "it does not run out"
            time.sleep(0.05)
        same(driver.compare("armed:2"), ["add armed ipv4", "add armed ipv6"], "gone")
        same(driver.install("armed:60")[:2], (2, 2), "in force again")
        assert left_ms(driver)[0] > 50_000
        driver.said("before", f"nft 'flush set {TABLE} armed'")
        driver.install("armed:60")
        assert left_ms(driver)[0] > 50_000


def is_never_away(netns):
    """While it is made anew, another stands in for it with the same in it; and goes."""
    with Driver(netns) as driver, tempfile.TemporaryDirectory() as folder:
        driver.install("all:1")
        for sample in "drawn:1", "all:2":
            driver.said("before", f"nft list table {TABLE}_next >{folder}/stand-in")
            driver.install(sample)
            with open(f"{folder}/stand-in", encoding="utf-8") as file:
                lines = [line.partition(" # progname")[0] for line in file
                         if line.strip() != "flags owner"]  # fmt: skip
            same(" ".join(lines).replace(f"{TABLE}_next", TABLE).split(),
                 driver.table_of(sample).split(), "what stands in")
            same(netns.run("nft", "list", "tables"), f"table {TABLE}\n", "tables then")
        # One that is somebody else's stays what it is.
        netns.run("nft", f"add table {TABLE}_next")
        driver.install("drawn:1")
        same(netns.run("nft", "list", "table", f"{TABLE}_next").split(),
             f"table {TABLE}_next {{ }}".split(), "another's")  # fmt: skip


def sends_the_difference(netns):
    with Driver(netns) as driver:
        _, _, whole = driver.install("many:10000")
        assert whole > 500_000, whole
        same(driver.install("many:10000"), (0, 0, 0), "again")
        changes, messages, length = driver.install("many:10001")
        same((changes, messages), (2, 2), "one element more in each of two sets")
        assert length < 1000, length
        same(driver.install("many:10000")[:2], (2, 2), "one less")
        ours = driver.listing()
        assert ours == driver.table_of("many:10000"), "nft lists another table"


def is_refused(netns):
    with Driver(netns) as driver:
        told = driver.refused("ENOENT", "install", "unknown-chain:0", "none")
        assert 'rule 2 of chain forward: the kernel says of its expression "immediate": No' in told
        driver.refused("E2BIG", "install", "too-long:0", "none")
        same(driver.look(), ABSENT, "nothing half-way")
    for user in (("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"),
                 ("unshare", "--user", "--map-root-user")):  # fmt: skip
        with Driver(netns, *user) as driver:
            for words in (("look",), ("install", "all:1", "none"), ("remove",)):
                told = driver.refused("EPERM", *words)
                assert "CAP_NET_ADMIN" in told, told


def attribute(kind, data):
    """Of a message, in hexadecimal."""
    raw = struct.pack("=HH", 4 + len(data), kind) + data
    return (raw + bytes(-len(raw) % 4)).hex()


def word(number):
    return struct.pack(">I", number)


def expression(name, end=""):
    return attribute(1, f"{name}{end}\0".encode())


TABLE_NAME = attribute(1, b"netguard\0")
# What a kernel may lack, the bytes that ask for it and others that no kernel knows, who shall own
# the table, and what is told. The kernel answers as one that lacks it, for it lacks the others.
LACKING = [
    *((name, expression(name), expression(name[:-1], "?"), "none", "ENOENT",
       f'the kernel says of its expression "{name[:-1]}?": No such file or directory')
      for name in ("ct", "log", "limit", "meta")),
    ("the address that was asked for (Linux 4.17)", attribute(2, word(20)),
     attribute(2, word(200)), "none", "EOPNOTSUPP",
     'of its expression "ct": Operation not supported'),
    ("tables with an owner", attribute(2, word(2)), attribute(2, word(0x82)), "own",
     "EOPNOTSUPP", "need Linux 5.12 (the kernel says: Operation not supported)"),
    ("tables that persist", attribute(2, word(6)), attribute(2, word(0x86)), "persist",
     "EOPNOTSUPP", "need Linux 6.9 (the kernel says: Operation not supported)"),
]  # fmt: skip


def lacks_something(netns):
    with Driver(netns) as driver:
        driver.said("forge", "01000000" + TABLE_NAME, "fa000000" + TABLE_NAME)
        told = driver.refused("EOPNOTSUPP", "install", "all:1", "none")
        assert "the table inet netguard: the kernel says: Operation not supported" in told, told
        same(netns.run("nft", "list", "ruleset"), "", "the ruleset without inet")
        driver.install("drawn:1")
        before = driver.listing()
        for what, *forged, owner, code, words in LACKING:
            driver.said("forge", *forged)
            told = driver.refused(code, "install", "all:1", owner)
            assert words in told, f"without {what}: {told}"
            same(driver.listing(), before, f"the table after {what}")


def has_no_room(netns):
    """For answers, for what is sent, at all."""
    with Driver(netns) as driver:
        driver.said("small")
        same(driver.figures("rules:100")[3], 1, "transactions")
        driver.said("fail", "EINTR")
        same(driver.figures("all:1")[3], 1, "transactions")
        before = driver.listing()
        driver.said("fail", "ENOBUFS")
        told = driver.refused("ENOBUFS", "install", "all:2", "none")
        assert "the kernel says: No buffer space available" in told, told
        driver.refused("ENOENT", "install", "unknown-chain:0", "none")
        same(driver.listing(), before, "the table after that")
    with Driver(netns, "unshare", "--user", "--map-root-user", "--net") as driver:
        driver.install("many:1")
        told = driver.refused("EMSGSIZE", "install", "many:150000", "none")
        assert "the kernel says: Message too long" in told and "wmem_max" in told, told
        same(driver.compare("many:1"), [], "nothing half-way")


def leaves_no_trace(netns):
    netns.run("nft", "add table ip other; add chain ip other c")
    before = netns.run("nft", "-a", "list ruleset")
    with Driver(netns) as driver:
        for owner in ("none", "own", "persist"):
            driver.install("all:1", owner)
            driver.said("remove")
            same(netns.run("nft", "-a", "list ruleset"), before, owner)
        driver.said("remove")


TESTS = [lists_as_nft_does, of_any_policy, leads_from_any_to_any, predicts, says_what_differs,
         counts, repairs, leaves_others_alone, changes_in_between, answers_get_lost, is_owned,
         stays_as_an_orphan, keeps_a_socket, runs_out, is_never_away, sends_the_difference, is_refused,
         lacks_something, has_no_room, leaves_no_trace]  # fmt: skip


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root: it makes network namespaces")
        return 0
    end_on_signals()
    failed = False
    print(f"1..{len(TESTS)}", flush=True)
    for number, test in enumerate(TESTS, 1):
        netns = Namespace(f"guard{number}")
        name = test.__name__.replace("_", " ")
        try:
            test(netns)
        except (AssertionError, OSError, ValueError) as error:
            failed = True
            print(f"not ok {number} - {name}\n# " + str(error)[:1000].replace("\n", "\n# "),
                  flush=True)
        else:
            print(f"ok {number} - {name}", flush=True)
        finally:
            netns.remove()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
