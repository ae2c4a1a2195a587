#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The schema and the parser say the same, by a validator that is not ours.

    test_schema.py PARSE_POLICIES

What the schema refuses the parser refuses; what the parser refuses the schema refuses, unless it
is one of the things that a schema cannot say (UNSAYABLE). Asked of policies that are drawn from
the grammar, of each with one thing in it changed, and of all policies of samples, documentation
and unit tests. Needs python3-jsonschema and python3-yaml. Prints TAP.
"""
import copy
import glob
import json
import os
import random
import re
import subprocess
import sys

import jsonschema
import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../..")
SEED, DRAWN, CHANGES = 7, 40, 16

RULE = {"id": "a", "allow": [1]}
# What the parser says -> why a schema cannot, and a policy that shows it.
UNSAYABLE = {
    r"there is already a (rule|segregation|zone) '":
        ("an id is unique in lists of several kinds", {"rules": [RULE, RULE]}),
    r"there is no zone ":
        ("the name of what is written elsewhere", {"rules": [{**RULE, "from": "lan"}]}),
    r"there is no port group ":
        ("the name of what is written elsewhere", {"ports": {"a": "b"}}),
    r"an exception names a rule, a segregation":
        ("the name of what is written elsewhere",
         {"exceptions": [{"rule": "a", "to": {"name": "a"}}]}),
    r"the rule '.*' allows: there is nothing":
        ("it depends on what the name stands for",
         {"rules": [RULE], "exceptions": [{"rule": "a", "to": {"name": "a"}}]}),
    r"the port group '.*' contains itself":
        ("it depends on what the name stands for", {"ports": {"a": "a"}}),
    r"a port is 0 to 65535, found \"":
        ("a number within a text", {"ports": {"a": "65536/tcp"}}),
    r"a range begins with its lower port":
        ("numbers within a text", {"ports": {"a": "2-1"}}),
    r"expected a date for 'until'":
        ("which days there are",
         {"exceptions": [{"rule": "default", "to": {"name": "a"}, "until": "2027-02-30"}]}),
    r"the address bits behind the prefix":
        ("addresses", {"zones": [{"id": "a", "match": {"sources": "10.8.0.1/16"}}]}),
    r"expected an address or prefix":
        ("addresses", {"zones": [{"id": "a", "match": {"sources": "10.8.0"}}]}),
    r"expected at most 366d for 'repeat'":
        ("a number within a text", {"alerts": {"repeat": "367d"}}),
    r"expected local, udp://":
        ("addresses, and numbers within a text",
         {"alerts": {"syslog": {"address": "udp://a:65536"}}}),
    r"expected HOST or HOST:PORT":
        ("addresses, and numbers within a text", {"alerts": {"webhook": {"url": "http://1.2.3"}}}),
    r"'webhook' needs a 'url'": ("another file may have it", {"alerts": {"webhook": {}}}),
    r"has more than 1024 bytes":
        ("a schema counts characters",
         {"zones": [{"id": "a", "match": {"interfaces": "\u00fc" * 600}}]}),
}
# The same of what begins each file alone.
NO_VERSION = "the policy does not say its version"
# Of the text, before there is a tree that a schema could speak of.
NO_TREE = re.compile(
    r"UTF-8|YAML|invisible|carriage return|NUL|anchor|alias|tags |%TAG|merge key|duplicate key|"
    r"second document|must be quoted|expected '|a quoted text|indentation|'\?' key|escape|"
    r"a ':' is|put a space|expected a value here|a list item|a key |levels deep|"
    r"values in one file|the file has|policy is empty|policy has ended"
)

JUNK = [None, True, 7, -1, 70000, 1.5, "", " ", "zzz", "a b", "x" * 1100, "\u00fc" * 600, "host",
        "default", "usage.x", "public", "block", "allow", "alert", "@any", "@nobody", "80->81/tcp",
        "80->", "9-8", "70000/udp", "10.0.0.1/8", "::1", "2027-02-30", "2027-2-3", "1d", "400d",
        "0s", "udp://a:70000", "http://[::1]:8/x", "http://u@h", "/a", "tab\there", [], {}, [[]],
        ["a", 1], {"zzz": 1}, [{}], {"name": "*"}, [{"host": {}}], {"host": {}, "name": "a"},
        {"label": {"a": None}}, {"label": {"a": ["", "*"]}}]  # fmt: skip


class Fault(Exception):
    pass


def check(good, message):
    if not good:
        raise Fault(message)


# -- a policy, drawn ----------------------------------------------------------------------------

class Draw:
    def __init__(self, random_):
        self.random = random_

    def one_or_more(self, item):
        many = [item() for _ in range(self.random.randint(1, 3))]
        return many[0] if len(many) == 1 and self.random.random() < 0.5 else many

    def some_of(self, **makers):
        """Each of the keys or not."""
        return {key: make() for key, make in makers.items() if self.random.random() < 0.6}

    def word(self, *words):
        return self.random.choice(words)

    def severity(self):
        return self.word("info", "low", "medium", "high", "critical")

    def action(self):
        return self.word("alert", "block")

    def alert(self):
        return "alert"

    def text(self):
        return self.word("*", "redis-?", "\u00fcber", "a/b:1", "22:22")

    def texts(self):
        return self.one_or_more(self.text)

    def prose(self):
        return self.word("because", "two\nlines", " blanks  ")

    def port(self):
        return self.word(0, 443, 65535, "53/udp", "7000-7005", "8443->443", "1-2->3/tcp", "@any",
                         "@caches", "@cluster", "@databases", "@docker-api", "@metrics",
                         "@orchestration", "@queues", "@remote-admin", "cache", "_x")  # fmt: skip

    def ports(self):
        return self.one_or_more(self.port)

    def selector(self):
        if self.random.random() < 0.2:
            return {"host": self.some_of(process=self.texts)}
        labels = {"role": self.word("", "gateway", ["a", "b*"])}
        keys = dict.fromkeys(("name", "image", "service", "stack", "network"), self.texts)
        return self.some_of(label=lambda: labels, **keys) or {"name": "*"}

    def selectors(self):
        return self.one_or_more(self.selector)

    def none_or(self, make):
        return lambda: [] if self.random.random() < 0.2 else make()

    def zone_ids(self):
        return self.one_or_more(lambda: self.word("lan", "wg.1", "containers", "public"))

    def match(self):
        sources = lambda: self.one_or_more(lambda: self.word("10.8.0.0/16", "::1", "192.0.2.1"))
        return self.some_of(interfaces=self.texts, sources=sources) or {"interfaces": "eth0"}

    def rule(self, number):
        if self.random.random() < 0.4:
            kind = {"allow": self.ports()}
        else:
            kind = {"deny": self.ports(),
                    **self.some_of(action=self.action, severity=self.severity)}
        scope = {"from": self.zone_ids, "to": self.selectors, "reason": self.prose}
        return {"id": f"r{number}", **kind, **self.some_of(**scope)}

    def segregation(self, number):
        networks = self.some_of(apart=self.texts, unpublished=self.texts) or {"apart": "*"}
        return {"id": f"s{number}", **networks,
                **self.some_of(gateways=self.selectors, action=self.alert, severity=self.severity,
                               reason=self.prose)}  # fmt: skip

    def habit(self, allow, action):
        return lambda: self.some_of(allow=self.none_or(allow), action=action,
                                    severity=self.severity)

    def usage(self):
        kept = self.habit(self.selectors, self.alert)
        named = self.habit(self.texts, self.alert)
        engine = lambda: self.some_of(zones=self.none_or(self.zone_ids), action=self.action,
                                      severity=self.severity)
        return {"links": {}, **self.some_of(
            host_network=kept, links=kept, default_bridge=kept, capabilities=kept,
            unencrypted_overlay=named, insecure_registry=named, docker_api=engine, cluster=engine,
            direct_routing=self.habit(self.selectors, self.action))}  # fmt: skip

    def exception(self, names):
        return {"rule": self.word(*names), "to": self.selectors(),
                **self.some_of(until=lambda: "2027-01-31", reason=self.prose)}

    def alerts(self):
        address = lambda: self.word("local", "udp://h", "tcp://[::1]:601", "tcp://192.0.2.1:1")
        syslog = lambda: self.some_of(address=address, facility=lambda: "authpriv")
        webhook = lambda: {"url": self.word("https://h/x?y", "http://[::1]:8"), **self.some_of(
            token_file=lambda: "/run/t", format=lambda: self.word("json", "alertmanager", "slack"))}
        return self.some_of(journal=dict, syslog=syslog, webhook=webhook,
                            min_severity=self.severity,
                            repeat=lambda: self.word("90s", "1h", "366d"))  # fmt: skip

    def policy(self):
        rules = [self.rule(i) for i in range(3)] + [{"id": "r3", "deny": [1]}]
        names = ["r3", "s0", "usage.links", "default"]
        names += [rule["id"] for rule in rules if "deny" in rule]
        always = {
            "version": 1,
            "zones": [{"id": "lan", "match": self.one_or_more(self.match)},
                      {"id": "wg.1", "match": self.match()}],
            "ports": {"cache": self.one_or_more(lambda: self.word(1, "2/udp", "@queues", "_x")),
                      "_x": [6379]},
            "rules": rules,
            "segregation": [self.segregation(i) for i in range(2)],
            "usage": self.usage(),
        }
        defaults = lambda: self.some_of(action=self.action, severity=self.severity)
        return {**always, **self.some_of(
            mode=lambda: self.word("monitor", "enforce"), defaults=defaults, alerts=self.alerts,
            default=lambda: self.word("allow", "alert", "block"),
            exceptions=lambda: [self.exception(names) for _ in range(2)])}  # fmt: skip


def places(value):
    """Every mapping and list in it, with each of its keys."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield value, key
        if isinstance(item, (dict, list)):
            yield from places(item)


def changed(random_, policy):
    """One thing in it is another, is gone, or is there that nobody knows."""
    policy = copy.deepcopy(policy)
    holder, key = random_.choice(list(places(policy)))
    change = random_.random()
    if change < 0.15:
        del holder[key]
    elif change < 0.3 and isinstance(holder, dict):
        holder[random_.choice(["zzz", key + "s", "id", "action", "allow"])] = holder[key]
    elif change < 0.4 and isinstance(holder, list):
        holder.append(holder[key])
    else:
        holder[key] = random_.choice(JUNK)
    return policy


# -- policies that somebody wrote ----------------------------------------------------------------

class Core(yaml.SafeLoader):
    """YAML 1.2, core schema."""

    yaml_implicit_resolvers = {}


NUMBER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
                   r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")  # fmt: skip


def scalar(loader, node):
    text = loader.construct_scalar(node)
    if node.style:
        return text
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text.lower() in ("true", "false") and text in (text.lower(), text.title(), text.upper()):
        return text.lower() == "true"
    if NUMBER.fullmatch(text):
        return int(text, 0 if text[:2] in ("0o", "0x") else 10)
    return 1.5 if FLOAT.fullmatch(text) else text


Core.add_constructor("tag:yaml.org,2002:str", scalar)
Core.add_constructor(None, scalar)


def c_text(literals):
    """Of C string literals, one after the other, the bytes."""
    return "".join(
        re.sub(r"\\([0-7]{1,3}|x[0-9a-fA-F]{2}|.)",
               lambda found: chr(int(found[1], 8)) if found[1][0] in "01234567" else
               chr(int(found[1][1:], 16)) if found[1][0] == "x" else
               {"n": "\n", "t": "\t", "r": "\r"}.get(found[1], found[1]), literal[1:-1])
        for literal in re.findall(r'"(?:[^"\\]|\\.)*"', literals)).encode("latin-1")  # fmt: skip


def written():
    """Of samples, of documentation, and of unit tests, the good and the bad."""
    for pattern in ("policy/samples/*.yaml", "tests/unit/data/policy/*.yaml",
                    "tests/unit/data/policy/bad/*", "packaging/policy.yaml"):  # fmt: skip
        for path in sorted(glob.glob(os.path.join(ROOT, pattern))):
            with open(path, "rb") as file:
                yield path, file.read()
    with open(os.path.join(ROOT, "packaging/man/netguard-policy.md"), encoding="utf-8") as file:
        for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", file.read(), re.DOTALL)):
            version = "" if "version:" in block else "version: 1\n"
            yield f"block {number + 1} of the manual", (version + block).encode()
    literal = r'"(?:[^"\\\n]|\\.)*"'
    call = re.compile(rf"(?:BAD|parse_good)\(\s*((?:{literal}\s*)+)[,)]")
    for path in sorted(glob.glob(os.path.join(ROOT, "tests/unit/test_*.c"))):
        with open(path, encoding="utf-8") as file:
            for found in call.finditer(file.read()):
                text = c_text(found[1])
                if b"version" in text or b"rules" in text:
                    yield f"{os.path.basename(path)}: {text[:200]!r}", text


# -- what both say -------------------------------------------------------------------------------

def load_validator():
    with open(os.path.join(ROOT, "policy/policy.schema.json"), encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def parse(texts):
    """The faults of each."""
    done = subprocess.run([sys.argv[1]], input=b"".join(text + b"\0" for text in texts),
                          capture_output=True, check=True)  # fmt: skip
    answers, faults = [], []
    for line in done.stdout.decode().splitlines():
        if line == "end":
            answers.append(faults)
            faults = []
        else:
            faults.append(line.split(": ", 1)[1])
    check(len(answers) == len(texts), f"{len(answers)} answers about {len(texts)} policies")
    return answers


class Comparison:
    def __init__(self):
        self.validator = load_validator()
        self.count = {}

    def is_unsayable(self, fault):
        return NO_VERSION in fault or any(re.search(said, fault) for said in UNSAYABLE)

    def compare(self, name, value, faults):
        refused = next(self.validator.iter_errors(value), None)
        verdict = "refused" if refused else "accepted"
        self.count[verdict] = self.count.get(verdict, 0) + 1
        if refused:
            check(faults, f"the schema alone refuses ({refused.message[:300]}): {name}")
        else:
            left = [fault for fault in faults if not self.is_unsayable(fault)]
            check(not left, f"the parser alone refuses ({left}): {name}")


def drawn_are_good(comparison):
    random_ = random.Random(SEED)
    policies = [Draw(random_).policy() for _ in range(DRAWN)]
    for policy, faults in zip(policies, parse([json.dumps(p).encode() for p in policies])):
        check(not faults, f"{json.dumps(policy)}: {faults}")
        comparison.compare(json.dumps(policy), policy, faults)
    check(comparison.count == {"accepted": DRAWN}, f"{comparison.count}")


def changed_are_judged_alike(comparison):
    random_ = random.Random(SEED)
    policies = [Draw(random_).policy() for _ in range(DRAWN)]
    policies = [changed(random_, policy) for policy in policies for _ in range(CHANGES)]
    for policy, faults in zip(policies, parse([json.dumps(p).encode() for p in policies])):
        comparison.compare(json.dumps(policy), policy, faults)
    check(min(comparison.count.values()) > DRAWN * CHANGES // 4, f"{comparison.count}")


def written_are_judged_alike(comparison):
    policies = [(name, text) for name, text in written() if b"\0" not in text]
    check(len(policies) > 200, f"only {len(policies)}")
    for (name, text), faults in zip(policies, parse([text for _, text in policies])):
        if any(NO_TREE.search(fault) for fault in faults):
            continue
        comparison.compare(name, yaml.load(text, Core), faults)


def what_a_schema_cannot_say(comparison):
    policies = [{"version": 1, **policy} for _, policy in UNSAYABLE.values()]
    answers = parse([json.dumps(policy).encode() for policy in policies])
    for (said, policy), faults in zip(zip(UNSAYABLE, policies), answers):
        check(len(faults) == 1 and re.search(said, faults[0]), f"{policy}: {faults}")
        check(comparison.validator.is_valid(policy), f"the schema does say it: {said}")


TESTS = [drawn_are_good, changed_are_judged_alike, written_are_judged_alike,
         what_a_schema_cannot_say]


def main():
    failed = 0
    comparison = Comparison()
    print(f"1..{len(TESTS)}")
    for number, test in enumerate(TESTS, 1):
        name = test.__name__.replace("_", " ")
        try:
            test(comparison)
            print(f"ok {number} - {name}")
        except (Fault, yaml.YAMLError, ValueError) as reason:
            failed += 1
            print(f"not ok {number} - {name}\n# {reason}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
