# SPDX-License-Identifier: GPL-2.0-or-later
"""Policies drawn at random, about what drawn_world.py draws."""
import json

from drawn_world import IMAGES, LABELS, NAMES, PORTS

ZONES = {
    "office": [{"interfaces": ["wg*"]}, {"interfaces": "eth0", "sources": ["198.51.100.0/24"]}],
    "private": [{"interfaces": ["eth1"]}],
    "monitor": [{"sources": ["10.0.0.0/8", "2001:db8:7::/48"]}],
}
GROUPS = {"stores": ["@databases", "9000/tcp"], "web": [80, "443/tcp", "8080->80"],
          "mine": ["stores", "7000-7005", 53]}  # fmt: skip
SEVERITIES = ["info", "low", "medium", "high", "critical"]
GLOBS = {
    "name": ["redis", "*redis*", "cache-?", "web.*", "Web", "*", "shop_gateway", "gateway"],
    "image": ["redis:7", "*redis*", "redis", "postgres", "*/*", "nginx:?.*"],
    "service": ["shop_*", "*", "metrics", "shop_redis"], "stack": ["shop", "*", "sho"],
    "network": ["bridge", "back*", "ingress", "host", "lan", "*"],
}  # fmt: skip
OBSERVED = "2026-11-22"  # when drawn_world.py's worlds are


class Policy:
    """Draws one. `sections` is what the file says."""

    def __init__(self, rnd):
        self.rnd = rnd
        self.zones = rnd.sample(sorted(ZONES), rnd.randint(0, 3))
        self.sections = {"version": 1}
        self.maybe(0.5, "mode", lambda: rnd.choice(["monitor", "enforce"]))
        self.maybe(0.5, "defaults", self.draw_defaults)
        self.maybe(1, "ports", lambda: GROUPS)
        self.maybe(1, "zones", lambda: [{"id": zone, "match": ZONES[zone]} for zone in self.zones])
        self.maybe(1, "rules", lambda: [self.draw_rule(i) for i in range(rnd.randint(0, 12))])
        self.maybe(0.8, "default", lambda: rnd.choice(["allow", "alert", "block"]))
        self.maybe(0.5, "usage", self.draw_usage)
        self.maybe(0.7, "exceptions", self.draw_exceptions)

    def maybe(self, chance, key, draw):
        if self.rnd.random() < chance:
            self.sections[key] = draw()

    def text(self):
        """A key to a line, and below it a line for each item."""
        lines = []
        for key, value in self.sections.items():
            if isinstance(value, list) and value:
                lines += [f"{key}:", *(f"  - {json.dumps(item)}" for item in value)]
            else:
                lines.append(f"{key}: {json.dumps(value)}")
        return "\n".join(lines) + "\n"

    def some(self, draw, most=2):
        """One, or a list of some."""
        count = self.rnd.randint(0, most)
        return [draw() for _ in range(count)] if count else draw()

    def draw_judgement(self):
        judgement = {"action": self.rnd.choice(["alert", "block"]),
                     "severity": self.rnd.choice(SEVERITIES)}
        return {key: value for key, value in judgement.items() if self.rnd.random() < 0.5}

    draw_defaults = draw_judgement

    # -- ports ---------------------------------------------------------------------------

    def draw_range(self):
        rnd = self.rnd
        first = rnd.choice([0, 1, rnd.choice(PORTS)])
        last = min(65535, first + rnd.choice([0, 1, 10, 1000, 65535]))
        return f"{first}-{last}"

    def draw_port(self):
        rnd = self.rnd
        kind = rnd.random()
        proto = rnd.choice(["", "", "/tcp", "/udp", "/sctp"])
        if kind < 0.3:
            port = rnd.choice(PORTS)
            return f"{port}{proto}" if proto else port
        if kind < 0.5:
            return self.draw_range() + proto
        if kind < 0.65:
            outer = rnd.choice([self.draw_range(), rnd.choice(PORTS)])
            return f"{outer}->{rnd.choice(PORTS)}{proto}"
        return rnd.choice(["@any", "@databases", "@cluster", "@docker-api", *GROUPS])

    # -- selectors -----------------------------------------------------------------------

    def draw_globs(self, key):
        return self.some(lambda: self.rnd.choice(GLOBS[key]))

    def draw_labels(self):
        rnd = self.rnd
        values = {key: [*own, "*", "?"] for key, own in LABELS.items()}
        return {key: self.some(lambda own=key: rnd.choice(values[own]))
                for key in rnd.sample(sorted(LABELS), rnd.choice([1, 1, 2]))}

    def draw_selector(self):
        rnd = self.rnd
        if rnd.random() < 0.25:
            processes = ["sshd", "*", "nginx", "docker?", "postgres"]
            return {"host": rnd.choice([{}, {"process": self.some(lambda: rnd.choice(processes))}])}
        keys = rnd.sample([*GLOBS, "label"], rnd.choice([1, 1, 2, 3]))
        return {key: self.draw_labels() if key == "label" else self.draw_globs(key) for key in keys}

    # -- sections ------------------------------------------------------------------------

    def draw_zone(self):
        return self.rnd.choice([*self.zones, "public", "public", "containers"])

    def draw_zones(self):
        zones = self.some(self.draw_zone, 3)
        return zones if isinstance(zones, str) else list(dict.fromkeys(zones))

    def draw_rule(self, number):
        rnd = self.rnd
        verb = rnd.choice(["allow", "deny", "deny"])
        rule = {"id": f"rule-{number}", verb: self.some(self.draw_port, 3)}
        if rnd.random() < 0.6:
            rule["from"] = self.draw_zones()
        if rnd.random() < 0.5:
            rule["to"] = self.some(self.draw_selector)
        if verb == "deny":
            rule.update(self.draw_judgement())
        return rule

    def draw_usage(self):
        usage = {}
        for name in "docker_api", "cluster":
            if self.rnd.random() < 0.7:
                usage[name] = self.draw_judgement()
                if self.rnd.random() < 0.7:  # all of them: there is nothing to object to
                    zones = [*self.zones, "containers", "public"]
                    usage[name]["zones"] = self.rnd.sample(zones, self.rnd.randrange(len(zones)))
        return usage

    def draw_exceptions(self):
        """For what makes findings, and until the day before, that very day, the next or ever."""
        rnd = self.rnd
        rules = [each["id"] for each in self.sections["rules"] if "deny" in each] + ["default"]
        rules += [f"usage.{name}" for name in self.sections.get("usage", {})]
        exceptions = []
        for _ in range(rnd.randint(0, 3)):
            exception = {"rule": rnd.choice(rules), "to": self.some(self.draw_selector)}
            until = rnd.choice([None, "2026-11-21", OBSERVED, "2026-11-23", "2024-02-29"])
            if until:
                exception["until"] = until
            exceptions.append(exception)
        return exceptions
