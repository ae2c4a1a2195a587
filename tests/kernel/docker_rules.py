# SPDX-License-Identifier: GPL-2.0-or-later
"""The packet filters that Docker engines and ufw write for a Layout, in our words.

Written by the documented behaviour of each version; what real engines write is tested with
real engines. `extra` adds lines to a table: {"filter": ["-A DOCKER-USER ...", ":MINE - [0:0]"]}.
"""
import ipaddress

from topology import family_of

LOOPBACK = {4: "127.0.0.0/8", 6: "::1/128"}
UFW_STAGES = ("before-logging", "before", "after", "after-logging", "reject", "track")


def restore(tables):
    """Text for iptables-restore out of {table: lines}; declarations of chains come first."""
    text = ""
    for table, lines in tables.items():
        chains = [line for line in lines if line.startswith(":")]
        rules = [line for line in lines if not line.startswith(":")]
        text += "\n".join([f"*{table}", *chains, *rules, "COMMIT", ""])
    return text


def merged(tables, extra):
    for table, lines in extra.items():
        tables.setdefault(table, [])
        tables[table] = tables[table] + list(lines)
    return tables


def bracketed(addr):
    return f"[{addr}]" if ":" in addr else addr


class View:
    """A layout as one address family sees it."""

    def __init__(self, layout, family):
        self.layout, self.family = layout, family
        self.networks = [(one.bridge, str(ipaddress.ip_interface(addr).network))
                         for one in layout.networks for addr in one.own
                         if family_of(addr.partition("/")[0]) == family]
        self.bridges = [bridge for bridge, _ in self.networks]
        self.containers = [(one.name, self.bridge_of(one.name), addr)
                           for one in layout.containers for addr in one.addrs
                           if family_of(addr) == family]

    def bridge_of(self, name):
        network = next(one.network for one in self.layout.containers if one.name == name)
        return next(one.bridge for one in self.layout.networks if one.name == network)

    def published(self):
        """(host address or None, protocol, port, bridge, container's address and port)"""
        for one in self.layout.published:
            for name, bridge, addr in self.containers:
                if name == one.container and family_of(one.addr) == self.family:
                    any_addr = int(ipaddress.ip_address(one.addr)) == 0
                    yield (None if any_addr else one.addr, one.proto, one.port, bridge, addr,
                           one.container_port)


def nat_table(view):
    family = view.family
    lines = [":PREROUTING ACCEPT [0:0]", ":INPUT ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]",
             ":POSTROUTING ACCEPT [0:0]", ":DOCKER - [0:0]",
             "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
             f"-A OUTPUT ! -d {LOOPBACK[family]} -m addrtype --dst-type LOCAL -j DOCKER"]
    lines += [f"-A POSTROUTING -s {subnet} ! -o {bridge} -j MASQUERADE"
              for bridge, subnet in view.networks]
    lines += [f"-A DOCKER -i {bridge} -j RETURN" for bridge in view.bridges]
    for host, proto, port, bridge, addr, inner in view.published():
        lines += [f"-A POSTROUTING -s {addr} -d {addr} -p {proto} -m {proto} --dport {inner} "
                  "-j MASQUERADE",
                  f"-A DOCKER {f'-d {host} ' if host else ''}! -i {bridge} -p {proto} -m {proto} "
                  f"--dport {port} -j DNAT --to-destination {bracketed(addr)}:{inner}"]
    return lines


def isolation(bridges):
    lines = [":DOCKER-ISOLATION-STAGE-1 - [0:0]", ":DOCKER-ISOLATION-STAGE-2 - [0:0]"]
    lines += [f"-A DOCKER-ISOLATION-STAGE-1 -i {one} ! -o {one} -j DOCKER-ISOLATION-STAGE-2"
              for one in bridges]
    return lines + [f"-A DOCKER-ISOLATION-STAGE-2 -o {one} -j DROP" for one in bridges]


def accepts(view):
    return [f"-A DOCKER -d {addr} ! -i {bridge} -o {bridge} -p {proto} -m {proto} "
            f"--dport {inner} -j ACCEPT"
            for _, proto, _, bridge, addr, inner in view.published()]


def docker20(layout, family, forward="DROP", no_input="ACCEPT", extra=None, icc=True):
    """20.10 to 27: one jump and three rules a bridge in FORWARD."""
    view = View(layout, family)
    lines = [f":INPUT {no_input} [0:0]", f":FORWARD {forward} [0:0]", ":OUTPUT ACCEPT [0:0]",
             ":DOCKER - [0:0]", ":DOCKER-USER - [0:0]", *isolation(view.bridges),
             "-A FORWARD -j DOCKER-USER", "-A FORWARD -j DOCKER-ISOLATION-STAGE-1"]
    for bridge in view.bridges:
        lines += [f"-A FORWARD -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                  f"-A FORWARD -o {bridge} -j DOCKER",
                  f"-A FORWARD -i {bridge} ! -o {bridge} -j ACCEPT",
                  f"-A FORWARD -i {bridge} -o {bridge} -j {'ACCEPT' if icc else 'DROP'}"]
    lines += accepts(view)
    return restore(merged({"nat": nat_table(view), "filter": lines}, extra or {}))


def docker28(layout, family, forward="DROP", no_input="ACCEPT", extra=None):
    """28: DOCKER-FORWARD, a drop at the end of DOCKER, direct access dropped in raw."""
    view = View(layout, family)
    raw = [":PREROUTING ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]"]
    raw += [f"-A PREROUTING -d {addr} ! -i {bridge} -j DROP" for _, bridge, addr in view.containers]
    raw += [f"-A PREROUTING -d {host} ! -i lo -p {proto} -m {proto} --dport {port} -j DROP"
            for host, proto, port, *_ in view.published() if host == "127.0.0.1"]
    lines = [f":INPUT {no_input} [0:0]", f":FORWARD {forward} [0:0]", ":OUTPUT ACCEPT [0:0]",
             *(f":DOCKER{one} - [0:0]" for one in ("", "-BRIDGE", "-CT", "-FORWARD", "-USER")),
             *isolation(view.bridges),
             "-A FORWARD -j DOCKER-USER", "-A FORWARD -j DOCKER-FORWARD",
             "-A DOCKER-FORWARD -j DOCKER-CT", "-A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1",
             "-A DOCKER-FORWARD -j DOCKER-BRIDGE", *accepts(view)]
    for bridge in view.bridges:
        lines += [f"-A DOCKER-FORWARD -i {bridge} -j ACCEPT",
                  f"-A DOCKER-BRIDGE -o {bridge} -j DOCKER",
                  f"-A DOCKER-CT -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                  f"-A DOCKER ! -i {bridge} -o {bridge} -j DROP"]
    return restore(merged({"raw": raw, "nat": nat_table(view), "filter": lines}, extra or {}))


def docker29(layout, family):
    """29 with its nftables back end: a table of its own, verdict maps by interface."""
    view = View(layout, family)
    ip = "ip" if family == 4 else "ip6"
    jumps = {"filter-forward-in": "", "filter-forward-out": "", "nat-postrouting-out": ""}
    text = f"table {ip} docker-bridges {{\n"
    for bridge, subnet in view.networks:
        published = [one for one in view.published() if one[3] == bridge]
        for prefix in jumps:
            jumps[prefix] += f'"{bridge}" : jump {prefix}__{bridge}, '
        text += "\n".join([
            f"chain filter-forward-in__{bridge} {{", "ct state established,related counter accept",
            f'iifname "{bridge}" counter accept comment "ICC"',
            *(f"{ip} daddr {addr} {proto} dport {inner} counter accept"
              for _, proto, _, _, addr, inner in published),
            "counter drop", "}",
            f"chain filter-forward-out__{bridge} {{", "ct state established,related counter accept",
            "counter accept", "}",
            f"chain nat-postrouting-out__{bridge} {{",
            f'oifname != "{bridge}" {ip} saddr {subnet} counter masquerade', "}", ""])
    text += "".join(f"map {name}-jumps {{ type ifname : verdict; elements = {{ {all_} }} }}\n"
                    for name, all_ in jumps.items())
    dnats = [f'iifname != "{bridge}" {f"{ip} daddr {host} " if host else ""}{proto} dport {port} '
             f"counter dnat to {bracketed(addr)}:{inner}"
             for host, proto, port, bridge, addr, inner in view.published()]
    drops = [f'{ip} daddr {addr} iifname != "{bridge}" counter drop'
             for _, bridge, addr in view.containers]
    drops += [f"{ip} daddr {host} iifname != lo {proto} dport {port} counter drop"
              for host, proto, port, *_ in view.published() if host == "127.0.0.1"]
    return text + "\n".join([
        "chain nat-prerouting-and-output {", *dnats, "}",
        "chain filter-FORWARD { type filter hook forward priority filter; policy accept;",
        "oifname vmap @filter-forward-in-jumps", "iifname vmap @filter-forward-out-jumps", "}",
        "chain nat-OUTPUT { type nat hook output priority -100; policy accept;",
        f"{ip} daddr != {LOOPBACK[family]} fib daddr type local counter jump "
        "nat-prerouting-and-output", "}",
        "chain nat-POSTROUTING { type nat hook postrouting priority srcnat; policy accept;",
        "iifname vmap @nat-postrouting-out-jumps", "}",
        "chain nat-PREROUTING { type nat hook prerouting priority dstnat; policy accept;",
        "fib daddr type local counter jump nat-prerouting-and-output", "}",
        "chain raw-PREROUTING { type filter hook prerouting priority raw; policy accept;",
        *drops, "}", "}", ""])


# -- ufw -----------------------------------------------------------------------------------------


def ufw_user(name, verdict, source=None, proto=None, port=None, route=False, to=None):
    """The lines of one user rule: `ufw [route] allow from SOURCE to TO port PORT proto PROTO`."""
    chain = f"{name}-user-{'forward' if route else 'input'}"
    lines = []
    for each in [proto] if proto or not port else ["tcp", "udp"]:
        match = (f"{f'-s {source} ' if source else ''}{f'-d {to} ' if to else ''}"
                 f"{f'-p {each} ' if each else ''}"
                 f"{f'-m {each} --dport {port} ' if port else ''}")
        recent = "-m conntrack --ctstate NEW -m recent --name DEFAULT --rsource"
        lines += {
            "allow": [f"-A {chain} {match}-j ACCEPT"],
            "deny": [f"-A {chain} {match}-j DROP"],
            "reject": [f"-A {chain} {match}-j REJECT"],
            "limit": [f"-A {chain} {match}{recent} --set",
                      f"-A {chain} {match}{recent} --update --seconds 30 --hitcount 6 "
                      f"-j {name}-user-limit",
                      f"-A {chain} {match}-j {name}-user-limit-accept"],
        }[verdict]
    return lines


def ufw(family, rules):
    """The filter table's part of ufw with incoming and routed traffic denied by default, as
    `extra` for an engine's rules. A rule: arguments of ufw_user."""
    name = "ufw" if family == 4 else "ufw6"
    rate = "-m limit --limit 3/min --limit-burst 10"
    state = "-m conntrack --ctstate"
    lines = [f":{name}-logging-deny - [0:0]", f":{name}-skip-to-policy-input - [0:0]",
             f":{name}-user-limit - [0:0]", f":{name}-user-limit-accept - [0:0]"]
    for hook in ("input", "forward", "output"):
        lines += [f":{name}-{stage}-{hook} - [0:0]" for stage in (*UFW_STAGES, "user")]
        lines += [f"-A {hook.upper()} -j {name}-{stage}-{hook}" for stage in UFW_STAGES]
    for hook in ("input", "forward"):
        lines += [f"-A {name}-before-{hook} -m rt --rt-type 0 -j DROP"] if family == 6 else []
        lines += [f"-A {name}-after-logging-{hook} {rate} -j LOG --log-prefix \"[UFW BLOCK] \"",
                  f"-A {name}-before-{hook} {state} RELATED,ESTABLISHED -j ACCEPT"]
    lines += [f"-A {name}-before-input -i lo -j ACCEPT",
              f"-A {name}-before-input {state} INVALID -j {name}-logging-deny",
              f"-A {name}-before-input {state} INVALID -j DROP",
              f"-A {name}-logging-deny {state} INVALID {rate} -j RETURN",
              f"-A {name}-logging-deny {rate} -j LOG --log-prefix \"[UFW BLOCK] \""]
    lines += {
        4: ["-A ufw-before-input -p icmp -m icmp --icmp-type 8 -j ACCEPT",
            "-A ufw-before-input -p udp -m udp --sport 67 --dport 68 -j ACCEPT",
            ":ufw-not-local - [0:0]", "-A ufw-before-input -j ufw-not-local",
            *(f"-A ufw-not-local -m addrtype --dst-type {one} -j RETURN"
              for one in ("LOCAL", "MULTICAST", "BROADCAST")),
            f"-A ufw-not-local {rate} -j ufw-logging-deny", "-A ufw-not-local -j DROP",
            "-A ufw-before-input -d 224.0.0.251 -p udp -m udp --dport 5353 -j ACCEPT"],
        6: ["-A ufw6-before-input -p ipv6-icmp -m icmp6 --icmpv6-type 135 -m hl --hl-eq 255 "
            "-j ACCEPT",
            "-A ufw6-before-input -p ipv6-icmp -m icmp6 --icmpv6-type 136 -m hl --hl-eq 255 "
            "-j ACCEPT",
            "-A ufw6-before-input -s fe80::/10 -d fe80::/10 -p udp -m udp --sport 547 --dport 546 "
            "-j ACCEPT",
            "-A ufw6-before-input -d ff02::fb -p udp -m udp --dport 5353 -j ACCEPT"],
    }[family]
    lines += [f"-A {name}-before-{hook} -j {name}-user-{hook}" for hook in ("input", "forward")]
    lines += [f"-A {name}-after-input -p udp -m udp --dport 137 -j {name}-skip-to-policy-input",
              f"-A {name}-skip-to-policy-input -j DROP",
              f"-A {name}-user-limit {rate} -j LOG --log-prefix \"[UFW LIMIT BLOCK] \"",
              f"-A {name}-user-limit -j REJECT", f"-A {name}-user-limit-accept -j ACCEPT",
              f"-A {name}-before-output -j ACCEPT"]
    for rule in rules:
        lines += ufw_user(name, **rule)
    return {"filter": lines}
