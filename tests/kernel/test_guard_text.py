#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_guard_text.py [PRINT_GUARD]   nft reads the guard as it is meant

    PRINT_GUARD  what prints guards that are made up (default: build/tests/print_guard)

Needs root, iproute2 and nftables. Prints TAP.
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PRINT_GUARD = sys.argv[1] if sys.argv[1:] else os.path.join(HERE, "../../build/tests/print_guard")
NETNS = f"netguard-guard-{os.getpid()}"
TABLE = ("list", "table", "inet", "netguard")

SAMPLES = ["empty", "tests", "fields", "sets", "many", "names", "star", "armed"]
# nft 1.0.6 lists the element "br\*" as "br*", which it does not read.
ONE_WAY = ["star"]

WRITTEN = ["a\\b", "a\\", "a*b", "#x", "$x", "@x;}{,.:", "a'b", "123", "0x10", "b\u00fcro",
           "!-x=&|<>", "drop", "\ufffd", "(a)[b]^", "abcdefghijklmno"]  # fmt: skip
LEFT_OUT = 12  # of the set; of the rules two more

UNTRANSLATED = re.compile(
    r"\[ ct load status => reg 1 \]\s+"
    r"\[ bitwise reg 1 = \( reg 1 & 0x00000020 \) \^ 0x00000000 \]\s+"
    r"\[ cmp eq reg 1 0x00000000 \]"
)

RULE = re.compile(r"^inet netguard \w.*\n", re.MULTILINE)
EXPRESSION = re.compile(r"^  \[ (\w.*) \]$", re.MULTILINE)

COMMENT = re.compile(r"^\s*#.*\n", re.MULTILINE)
BLOCK = re.compile(r"^\t(\w[^\n]*) \{\n(.*?)^\t\}$", re.MULTILINE | re.DOTALL)
ELEMENTS = re.compile(r'elements = \{((?:"[^"]*"|[^"}])*)\}\n')
ELEMENT = re.compile(r'(?:"[^"]*"|[^",])+')

# How nft prints what it was told otherwise, and what changes by itself.
AS_LISTED = [
    (re.compile(r'meta l4proto tcp ([^"\n]*)\bth dport'), r"\1tcp dport"),
    (re.compile(r'\\\*"'), '*"'),
    (re.compile(r"priority -1;"), "priority filter - 1;"),
    (re.compile(r"\bicmpv6\b"), "ipv6-icmp"),
    (re.compile(r"meta l4proto 0 "), "meta l4proto ip "),
    (re.compile(r"\btimeout 300s"), "timeout 5m"),
    (re.compile(r" expires \w+"), ""),
    (re.compile(r"\bcounter packets \d+ bytes \d+"), "counter"),
]


def plain(text):
    for found, instead in AS_LISTED:
        text = found.sub(instead, text)
    return text


def meaning(text):
    """What stands in each chain, set and map, with the elements in no order."""
    blocks = {}
    for head, body in BLOCK.findall(COMMENT.sub("", plain(text))):
        elements = ELEMENTS.search(body)
        lines = [line.strip() for line in ELEMENTS.sub("", body).splitlines()]
        pieces = ELEMENT.findall(elements[1]) if elements else []
        assert head not in blocks, head
        blocks[head] = (lines, sorted(piece.strip() for piece in pieces))
    return blocks


class Fault(Exception):
    pass


def check(good, message):
    if not good:
        raise Fault(message)


def nft(*arguments, text=None):
    done = subprocess.run(["ip", "netns", "exec", NETNS, "nft", *arguments], input=text,
                          text=True, capture_output=True, check=False)  # fmt: skip
    check(done.returncode == 0, f"nft {' '.join(arguments)}: {done.stderr[:400]}")
    return done.stdout


def expressions():
    """Of each rule what the kernel runs, in no order: nft loads a listing's with some exchanged."""
    code = nft("--debug=netlink", *TABLE)
    return [sorted(EXPRESSION.findall(rule)) for rule in RULE.split(code)[1:]]


def check_sample(name):
    text = subprocess.run([PRINT_GUARD, name], check=True, text=True,
                          stdout=subprocess.PIPE).stdout  # fmt: skip
    nft("flush", "ruleset")
    nft("-c", "-f", "-", text=text)
    check(nft("list", "ruleset") == "", "a mere check left something behind")
    nft("-f", "-", text=text)
    listing = nft(*TABLE)
    first = plain(listing)
    check('\tcomment "made by netguard, see netguard(8)"\n' in first, "no comment")
    ours, theirs = meaning(text), meaning(listing)
    check(ours.keys() == theirs.keys(), f"{sorted(ours)}, nft: {sorted(theirs)}")
    for head, (lines, elements) in ours.items():
        check(lines == theirs[head][0], f"{head}: {lines}, nft: {theirs[head][0]}")
        check(elements == theirs[head][1],
              f"{head}: {sorted(set(elements) ^ set(theirs[head][1]))}")  # fmt: skip

    nft("-f", "-", text=text)
    check(plain(nft(*TABLE)) == first, "another table when it is loaded again")
    check(nft("list", "tables") == "table inet netguard\n", "more than one table")
    if name not in ONE_WAY:
        code = expressions()
        nft("flush", "ruleset")
        nft("-f", "-", text=listing)
        check(plain(nft(*TABLE)) == first, "another table when its listing is loaded")
        check(expressions() == code, "other rules when its listing is loaded")
    return text, theirs


def check_empty(_text, blocks):
    check(not blocks, f"{blocks}")


def check_tests(_text, _blocks):
    found = UNTRANSLATED.findall(nft("--debug=netlink", *TABLE))
    check(len(found) == 1, f"ct status ! dnat is {len(found)} times the test of that bit")


def check_fields(text, _blocks):
    """`ip netns exec` mounts for itself, so that nobody else misses the names of protocols."""
    hidden = "test ! -e /etc/protocols || mount --bind /dev/null /etc/protocols; exec nft -c -f -"
    done = subprocess.run(["ip", "netns", "exec", NETNS, "sh", "-c", hidden], input=text,
                          text=True, capture_output=True, check=False)  # fmt: skip
    check(done.returncode == 0, f"without /etc/protocols: {done.stderr[:400]}")


def check_many(_text, blocks):
    counts = {head: len(elements) for head, (_, elements) in blocks.items() if elements}
    expected = {"set ports": 10000, "set ranges": 10000, "map verdicts": 10000}
    check(counts == expected, f"{counts}")


def check_names(text, blocks):
    elements = [f'"{name}" . {number}' for number, name in enumerate(WRITTEN)]
    check(blocks["set written"][1] == sorted(elements), f"{blocks['set written']}")
    check(blocks["set left_out"][1] == [], f"{blocks['set left_out']}")
    named = [line for line in blocks["chain forward"][0] if 'iifname "' in line]
    check(named == [f'meta l4proto tcp iifname "{name}" accept' for name in WRITTEN]
          + ['meta l4proto tcp iifname "a\\b*" accept',
             'meta l4proto tcp iifname "abcdefghijklmn*" accept'], f"{named}")  # fmt: skip
    comments = COMMENT.findall(text)
    # As prefixes two of the names that are no names of interfaces can be written.
    check(len(comments) == LEFT_OUT + LEFT_OUT - 2 + 2, "".join(comments))
    check(all(c.isprintable() or c in "\n\t" for c in text), "characters that do not print")


def check_star(_text, _blocks):
    raw = nft("--debug=netlink", *TABLE)
    check("element 002a7262 00000000 00000000 00000000 " in raw, f"not the name br*: {raw}")


def check_armed(_text, blocks):
    check(blocks["set armed"][1] == ["ipv4 timeout 5m", "ipv6 timeout 5m"], f"{blocks}")


def check_all(number, name):
    try:
        more = globals().get(f"check_{name}", lambda text, blocks: None)
        more(*check_sample(name))
    except Fault as fault:
        print(f"not ok {number} - {name}")
        print("# " + str(fault)[:4000].replace("\n", "\n# "))
        return False
    print(f"ok {number} - {name}")
    return True


def main():
    subprocess.run(["ip", "netns", "add", NETNS], check=True)
    try:
        print(f"1..{len(SAMPLES)}")
        results = [check_all(number, name) for number, name in enumerate(SAMPLES, 1)]
    finally:
        subprocess.run(["ip", "netns", "del", NETNS], check=False)
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
