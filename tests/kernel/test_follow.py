#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_follow.py [DRIVER]   changes of a few rules, judged again and anew

    DRIVER  tests/kernel/follow_rules.c (default: build/tests/follow_rules)

Draws changes of an engine's rules in a namespace, by iptables and by nft, one by one and a few in a
transaction: what is judged again from the kernel's notifications alone has to be what a whole look
comes to. Needs root, iproute2, iptables-nft and nftables. Prints TAP.
"""
import contextlib
import ipaddress
import os
import random
import select
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
DRIVER = sys.argv[1] if sys.argv[1:] else os.path.join(HERE, "../../build/tests/follow_rules")
FAKE_ENGINE = os.path.join(HERE, "../lab/fake-engine")
NAME = f"netguard-follow-{os.getpid()}"
CHANGES, PATIENCE_S = 80, 20
ADDRS = [f"172.17.0.{2 + i}" for i in range(3)]  # where fake-engine says its containers are
# Chain by chain: its tables' handles are known from the kernel, never from here.
CHAINS = [("filter", "DOCKER-USER"), ("filter", "DOCKER"), ("filter", "INPUT"),
          ("filter", "FORWARD"), ("nat", "DOCKER"), ("nat", "POSTROUTING")]  # fmt: skip
RULES = f"""*nat
:PREROUTING ACCEPT
:POSTROUTING ACCEPT
:OUTPUT ACCEPT
:DOCKER -
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
{''.join(f'''-A DOCKER ! -i docker0 -p tcp --dport {20000 + i} -j DNAT --to-destination {
    ADDRS[i // 2]}:{80 + i % 2}
''' for i in range(6))}COMMIT
*filter
:INPUT ACCEPT
:FORWARD DROP
:OUTPUT ACCEPT
:DOCKER -
:DOCKER-USER -
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
{''.join(f'''-A DOCKER -d {ADDRS[i // 2]}/32 ! -i docker0 -o docker0 -p tcp --dport {80 + i % 2
    } -j ACCEPT
''' for i in range(6))}-A DOCKER-USER -j RETURN
COMMIT
"""


def run(*command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **more)  # fmt: skip
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}"
    return done.stdout


def inside(*command, **more):
    return run("ip", "netns", "exec", NAME, *command, **more)


@contextlib.contextmanager
def host():
    run("ip", "netns", "add", NAME)
    try:
        for command in ("link set lo up", "link add eth0 type veth peer name peer0",
                        "link add docker0 type bridge", "addr add 192.0.2.1/24 dev eth0",
                        "addr add 172.17.0.1/16 dev docker0", "link set peer0 up",
                        "link set eth0 up", "link set docker0 up"):  # fmt: skip
            run("ip", "-n", NAME, *command.split())
        inside("sysctl", "-qw", "net.ipv4.ip_forward=1")
        inside("iptables-nft-restore", input=RULES)
        inside("nft", "add table ip filter { set s { type ipv4_addr; }; }")
        yield
    finally:
        run("ip", "netns", "del", NAME)


@contextlib.contextmanager
def process(*command, **more):
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **more) as started:
        try:
            yield started
        finally:
            started.terminate()


def answer(driver):
    assert select.select([driver.stdout], [], [], PATIENCE_S)[0], "the driver says nothing"
    return driver.stdout.readline().split()


# -- changes -------------------------------------------------------------------------------------


def handles(chain):
    """Of the rules of a chain, in order."""
    listing = inside("nft", "-a", "list", "chain", "ip", *chain)
    return [line.split()[-1] for line in listing.split("\n")
            if "# handle" in line and not line.lstrip().startswith("chain")]  # fmt: skip


def xt_rule(dice, chain):
    """What iptables is told of a rule."""
    tests = []
    if dice.random() < 0.3:
        tests += ["-s", dice.choice(["203.0.113.0/24", "10.0.0.0/8"])]
    if dice.random() < 0.4:
        tests += ["-d", dice.choice([*ADDRS, "192.0.2.1", "172.17.0.0/16"])]
    if dice.random() < 0.7:
        tests += ["-p", "tcp", "-m", "tcp", "--dport", str(dice.choice([22, 80, 81, 20000, 20003]))]
        if chain[0] == "filter" and dice.random() < 0.3:
            tests += ["-m", "conntrack", "--ctorigdstport", str(20000 + dice.randrange(7))]
    if dice.random() < 0.1:
        tests += ["-m", "limit", "--limit", "5/s"]
    targets = {"filter": ["ACCEPT", "DROP", "RETURN", "DROP"], "nat": ["ACCEPT", "RETURN"]}
    return [*tests, "-j", dice.choice(targets[chain[0]])]


def nft_rule(dice, chain):
    """What nft is told of one."""
    tests = []
    if dice.random() < 0.3:
        tests.append("ip saddr 203.0.113.0/24")
    if dice.random() < 0.3:
        tests.append(f"ip daddr {dice.choice(ADDRS)}")
    if dice.random() < 0.8:
        tests.append(f"tcp dport {dice.choice([22, 80, 81, 20000, 20003])}")
    if chain == ("nat", "DOCKER") and tests and "tcp" in tests[-1] and dice.random() < 0.5:
        return f"{' '.join(tests)} dnat to {dice.choice(ADDRS)}:{dice.choice([80, 81])}"
    verdict = "return" if chain[0] == "nat" else dice.choice(["accept", "drop"])
    return f"{' '.join(tests)} counter {verdict}"


def by_iptables(dice):
    chain = dice.choice(CHAINS)
    count = len(handles(chain))
    command = ["iptables-nft", "-t", chain[0]]
    what = dice.choice(["-A", "-I", "-I", "-D", "-D", "-R"])
    if what in ("-D", "-R") and not count:
        what = "-I"
    at = [str(dice.randrange(count) + 1)] if count and what != "-A" else []
    rule = [] if what == "-D" else xt_rule(dice, chain)
    inside(*command, what, chain[1], *at, *rule)
    return "iptables-nft"


def statement(dice, gone):
    chain = dice.choice(CHAINS)
    name, known = " ".join(chain), [one for one in handles(chain) if one not in gone]
    what = dice.choice(["add", "insert", "after", "before", "delete", "delete", "replace"])
    if not known or what in ("add", "insert"):
        return f"{'insert' if what == 'insert' else 'add'} rule ip {name} {nft_rule(dice, chain)}"
    handle = dice.choice(known)
    if what in ("after", "before"):
        return (f"{'add' if what == 'after' else 'insert'} rule ip {name} handle {handle} "
                f"{nft_rule(dice, chain)}")  # fmt: skip
    gone.add(handle)
    rule = nft_rule(dice, chain) if what == "replace" else ""
    return f"{what} rule ip {name} handle {handle} {rule}"


def by_nft(dice):
    gone = set()
    statements = [statement(dice, gone) for _ in range(dice.choice([1, 1, 1, 2, 3]))]
    inside("nft", "-f", "-", input="\n".join(statements))
    return "nft"


def by_others(dice):
    """More than rules, or a rule that means more than itself; never what is there already, for
    that is no change."""
    other = dice.randrange(1 << 32)
    inside("nft", dice.choice([
        "add rule ip filter INPUT ip saddr @s drop",
        "add rule ip filter INPUT tcp dport {22, 23} drop",
        "add rule ip filter INPUT add @s { ip saddr }",
        "add rule ip filter INPUT ct zone 1 drop",
        "add rule ip filter DOCKER-USER drop; flush chain ip filter DOCKER-USER",
        f"add chain ip filter c{other}",
        f"add element ip filter s {{ {ipaddress.ip_address(other)} }}",
    ]))  # fmt: skip
    return "nft"


def main():
    dice = random.Random(6)
    count = {"same": 0, "left": 0, "other": 0}
    print("1..2", flush=True)
    with tempfile.TemporaryDirectory() as folder, host():
        endpoint = f"unix://{folder}/docker.sock"
        with process(FAKE_ENGINE, endpoint, "--containers", "3", "--ports", "2") as engine, \
                open(f"{folder}/errors", "w+", encoding="utf-8") as errors:  # fmt: skip
            engine.stdout.readline()
            with process("ip", "netns", "exec", NAME, DRIVER, endpoint, stdin=subprocess.PIPE,
                         stderr=errors) as driver:  # fmt: skip
                assert answer(driver) == ["ready"]
                authors = True
                for _ in range(CHANGES):
                    program = dice.choice([by_iptables, by_iptables, by_nft, by_nft, by_nft,
                                           by_others] if dice.random() < 0.3 else
                                          [by_iptables, by_nft])(dice)  # fmt: skip
                    found, pid, author = answer(driver)
                    count[found] += 1
                    authors = authors and author == program and int(pid) > 0
                errors.seek(0)
                for line in errors.read().split("\n")[:40]:
                    print("#", line)
    print(f"# {count}")
    same = count["other"] == 0 and count["same"] > CHANGES / 2
    print("ok" if same else "not ok", "1 what is judged again is what a whole look comes to")
    print("ok" if authors else "not ok", "2 who changed it is told")
    return not (same and authors)


if __name__ == "__main__":
    sys.exit(main())
