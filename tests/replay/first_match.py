# SPDX-License-Identifier: GPL-2.0-or-later
"""What a policy has to say of a host, by the words of netguard-policy(5) and as plainly as they
can be followed: every rule is held against every exposure and zone, one after the other.

Who gets where is not asked here: that is taken from the exposures of `netguard check`, and
everything else about them from the world as it was drawn.
"""
import os
import re

MANUAL = os.path.join(os.path.dirname(__file__), "..", "..", "packaging", "man",
                      "netguard-policy.md")
CLUSTER_ROLES = ("swarm-management", "swarm-gossip", "swarm-data-path")
API_ROLES = ("docker-api", "docker-api-tls")


def read_built_in_groups():
    """{"@databases": ["1433/tcp", ...]}, as the manual lists them: "80 443 TCP; 53 UDP"."""
    groups = {}
    with open(MANUAL, encoding="utf-8") as manual:
        for name, ports in re.findall(r"^\| `(@[a-z-]+)` \| (.*) \|$", manual.read(), re.M):
            groups[name] = [f"{port}/{proto.lower()}" for part in ports.split(";")
                            for port in re.findall(r"\d+(?:-\d+)?", part)
                            for proto in re.findall(r"TCP|UDP|SCTP", part)]
    return groups


BUILT_IN = read_built_in_groups()


# -- globs and selectors ---------------------------------------------------------------------

def glob(pattern, text):
    """`*` is any run of characters, `?` is one, everything else is itself."""
    if text is None:
        return False
    words = {"*": ".*", "?": "."}
    return bool(re.fullmatch("".join(words.get(c) or re.escape(c) for c in pattern), text, re.S))


def as_list(value):
    return value if isinstance(value, list) else [value]


def any_glob(patterns, texts):
    return any(glob(pattern, text) for pattern in as_list(patterns) for text in texts)


def selects(selector, container, process):
    if "host" in selector:
        asked = selector["host"].get("process")
        return container is None and (asked is None or any_glob(asked, [process]))
    if container is None:
        return False
    for key, asked in selector.items():
        if key == "label":
            if not all(name in container["labels"] and
                       any_glob(patterns, [container["labels"][name]])
                       for name, patterns in asked.items()):
                return False
        elif not any_glob(asked, container["networks"] if key == "network" else [container[key]]):
            return False
    return True


def any_selects(selectors, fact):
    return any(selects(each, fact["container"], fact["process"]) for each in as_list(selectors))


# -- ports -----------------------------------------------------------------------------------

def spell_out(policy, items):
    """The items with each group in the place of its name."""
    for item in map(str, as_list(items)):
        if item != "@any" and not item[0].isdigit():
            own = policy.get("ports", {}).get(item)
            yield from spell_out(policy, BUILT_IN[item] if own is None else own)
        else:
            yield item


def in_range(ports, port):
    first, _, last = ports.partition("-")
    return port is not None and int(first) <= port <= int(last or first)


def lists_port(items, proto, port):
    for item in items:
        ports, _, asked = item.partition("/")
        if item == "@any" or ("->" not in item and asked in ("", proto) and in_range(ports, port)):
            return True
    return False


def lists_pair(items, proto, host_port, container_port):
    for item in items:
        ports, _, asked = item.partition("/")
        outer, arrow, inner = ports.partition("->")
        if arrow and asked in ("", proto) and in_range(outer, host_port) \
                and container_port == int(inner):
            return True
    return False


def names_ports(policy, rule, fact):
    items = list(spell_out(policy, rule.get("allow", rule.get("deny"))))
    host_port, container_port = fact["host_port"], fact["container_port"]
    outer = container_port if host_port is None else host_port
    # The manual does not tell: a port of the machine's own, and one of a service of which the
    # container's port is not known, stands for both as well, even in a pair.
    inner = host_port if container_port is None else container_port
    listed = [lists_port(items, fact["proto"], port) for port in (outer, inner)]
    return lists_pair(items, fact["proto"], host_port, inner) or \
        (all(listed) if "allow" in rule else any(listed))


# -- rules -----------------------------------------------------------------------------------

def is_meant(rule, fact):
    if "to" in rule:
        return any_selects(rule["to"], fact)
    return fact["container"] is not None or "deny" in rule


def deciding_usage(policy, fact, zone):
    for name, roles in ("docker_api", API_ROLES), ("cluster", CLUSTER_ROLES):
        usage = policy.get("usage", {}).get(name)
        if usage is not None and fact["role"] in roles \
                and zone not in as_list(usage.get("zones", [])):
            return {"id": f"usage.{name}", "deny": None, "usage": name, **usage}
    return None


def deciding_rule(policy, fact, zone):
    """The rule that speaks; "default": none does, and that is not allowed; None: nobody objects."""
    usage = deciding_usage(policy, fact, zone)
    if usage:
        return usage
    for rule in policy.get("rules", []):
        if names_ports(policy, rule, fact) and zone in as_list(rule.get("from", "public")) \
                and is_meant(rule, fact):
            return None if "allow" in rule else rule
    if fact["container"] and zone == "public" and policy.get("default", "alert") != "allow":
        return {"id": "default"}
    return None


def is_excepted(policy, rule, fact, today):
    return any(each["rule"] == rule["id"] and today <= each.get("until", today)
               and any_selects(each["to"], fact) for each in policy.get("exceptions", []))


def describe(policy, rule, fact):
    """(id, severity, action)"""
    defaults = {"action": "alert", "severity": "high", **policy.get("defaults", {})}
    if rule["id"] == "default":
        return "NG002", defaults["severity"], policy.get("default", "alert")
    if "usage" in rule:
        own = {"docker_api": ("NG004", "critical"), "cluster": ("NG005", "high")}[rule["usage"]]
        return (own[0], rule.get("severity", own[1]), rule.get("action", defaults["action"]))
    severity = rule.get("severity", defaults["severity"])
    action = rule.get("action", defaults["action"])
    if fact["container"]:
        return "NG001", severity, action
    return "NG003", severity, action if "to" in rule else "alert"


# -- findings --------------------------------------------------------------------------------

def is_closed(reach):
    return reach["verdict"] == "blocked"


def state_of(policy, rule, fact, reaches, today):
    """None: there is nothing to tell, since somebody other than the guard keeps all of them out."""
    if all(map(is_closed, reaches)):  # blocked goes before excepted: the manual does not tell
        guarded = any((each["decided_by"] or {}).get("table") == "inet netguard"
                      for each in reaches)
        return "blocked" if guarded else None
    return "excepted" if is_excepted(policy, rule, fact, today) else "open"


def findings_of(policy, fact, exposure, today):
    """{rule: (id, severity, action, state, zones)} of one exposure."""
    objections = {}
    for reach in exposure["reach"]:
        rule = deciding_rule(policy, fact, reach["zone"])
        if rule:
            objections.setdefault(rule["id"], (rule, []))[1].append(reach)
    found = {}
    for name, (rule, reaches) in objections.items():
        state = state_of(policy, rule, fact, reaches, today)
        if state == "blocked":
            zones = [each["zone"] for each in reaches]
        else:
            zones = [each["zone"] for each in reaches if not is_closed(each)]
        if state:
            found[name] = (*describe(policy, rule, fact), state, tuple(dict.fromkeys(zones)))
    return found


def expected(policy, exposures, fact_of, today):
    """All findings, sorted: (exposure id, rule, id, severity, action, state, zones)."""
    found = [(each, fact_of(each)) for each in exposures]
    found = [(exposure, fact, findings_of(policy, fact, exposure, today))
             for exposure, fact in found]
    # The manual does not tell: what is found of a published port and again, by the same rule and
    # in the same state, of that port at the container's own address, is told once, unless a zone
    # gets to the address that does not get to the port.
    told = [(exposure["container"]["id"], exposure["family"], exposure["proto"],
             exposure["container_port"], rule, finding[3], set(finding[4]))
            for exposure, _, own in found for rule, finding in own.items()
            if exposure["kind"] == "published"]

    def is_told(exposure, rule, finding):
        about = (exposure["container"]["id"], exposure["family"], exposure["proto"],
                 exposure["container_port"], rule, finding[3])
        return any(each[:6] == about and set(finding[4]) <= each[6] for each in told)

    return sorted(
        (exposure["id"], rule, *finding) for exposure, _, own in found
        for rule, finding in own.items()
        if exposure["kind"] != "direct" or not is_told(exposure, rule, finding))
