#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is observed equals what ip, ss and nft say, in a network namespace made for it.

    test_observe.py NETGUARD...     the command line that prints a snapshot of this host
                                    (default: $NETGUARD snapshot)

Needs root, iproute2, nftables and iptables-nft. Prints TAP. Everything it makes lives in
namespaces of its own and goes with its processes.
"""
import base64
import os
import signal
import socket
import struct
import subprocess
import sys
import time

from observed import (ATTACH_XDP, XDP, NETGUARD, Attached, equal, in_namespace, link_names, read,
                      run, run_json, run_tests, settle, shell, snapshot, sysctl, write)

# -- the world to observe ------------------------------------------------------------------------

SETUP = """
ip link set lo up
ip link add br0 type bridge
ip link add v0 type veth peer name v1
ip link add v2 type veth peer name v3
ip link set v0 master br0
ip link set v3 group 7
ip link add dot.ted type veth peer name v4
ip link add link dot.ted name mac7 type macvlan
for l in br0 v0 v1 v2 v3 dot.ted; do ip link set $l up; done
ip addr add 192.0.2.1/24 dev v1
ip addr add 192.0.2.9/32 dev v1
ip addr add 198.51.100.1 peer 198.51.100.2/32 dev v2
ip addr add 172.17.0.1/16 dev br0
ip addr add 2001:db8:1::1/64 dev v1 nodad
ip addr add 2001:db8:2::1 peer 2001:db8:2::2/128 dev v2 nodad
ip route add default via 192.0.2.254 dev v1
ip route add 10.1.0.0/16 via 192.0.2.253 metric 7
ip route add 10.1.0.0/16 via 192.0.2.252 metric 8
ip route add blackhole 10.2.0.0/16
ip route add unreachable 10.3.0.0/16 metric 50
ip route add prohibit 10.4.0.0/16 table 1000
ip route add 10.5.0.0/16 dev v2 table 4000000000
ip route add 10.6.0.0/16 nexthop via 192.0.2.3 dev v1 weight 1 nexthop via 198.51.100.2 dev v2 weight 3
ip route add 10.7.0.0/16 via inet6 2001:db8:1::9 dev v1
ip -6 route add default via 2001:db8:1::fe dev v1
ip -6 route add 2001:db8:5::/48 via 2001:db8:1::fd dev v1 metric 3
ip -6 route add blackhole 2001:db8:6::/48
ip -6 route add 2001:db8:a::/48 dev v1 expires 3000
ip -6 route add throw 2001:db8:b::/48 table 1000
ip -6 route add 2001:db8:7::/48 nexthop via 2001:db8:1::3 dev v1 nexthop via 2001:db8:2::2 dev v2
ip rule add from 10.0.0.0/8 lookup 1000 priority 100
ip rule add not to 10.9.0.0/16 iif v1 lookup 1000 priority 101
ip rule add fwmark 0x1/0xff lookup 1000 priority 102
ip rule add fwmark 7 oif v2 unreachable priority 103
ip rule add uidrange 1-2 lookup 1000 priority 104
ip rule add not uidrange 1-2 iif v1 lookup 1000 priority 104
ip rule add uidrange 0-2 iif v1 lookup 1000 priority 104
ip rule add ipproto tcp dport 80-90 lookup 1000 priority 105
ip rule add ipproto udp sport 53 dport 1024-65534 lookup 1000 priority 105
ip rule add goto 200 priority 106
ip rule add goto 199 priority 109
ip rule add tos 0x10 lookup 1000 priority 107
ip rule add l3mdev priority 108
ip rule add blackhole priority 200
ip rule add lookup main suppress_prefixlength 0 priority 201
ip rule add lookup main suppress_prefixlength 24 priority 202
ip rule add lookup main suppress_ifgroup 7 priority 203
ip rule add from all priority 300 lookup 1000
ip rule add from all priority 300 lookup 1001
ip -6 rule add from 2001:db8::/32 lookup 1000 priority 100
ip -6 rule add to 2001:db8:9::1 iif v1 prohibit priority 101
"""

SYSCTLS = {
    "ipv4/conf/all/rp_filter": "1",
    "ipv4/conf/v1/rp_filter": "2",
    "ipv4/conf/v2/rp_filter": "0",
    "ipv4/conf/v2/route_localnet": "1",
    "ipv4/conf/v1/accept_local": "1",
    "ipv4/conf/v2/src_valid_mark": "1",
    "ipv4/conf/v1/forwarding": "1",
    "ipv4/conf/br0/forwarding": "1",
    "ipv4/conf/dot.ted/forwarding": "0",
}

RULESET = """
table inet t {
    comment "a table"
    counter c { }
    quota q { over 1 mbytes }
    set addresses { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.0-192.0.2.7 } }
    set pairs { type ipv4_addr . inet_service; elements = { 10.1.1.1 . 80, 10.1.1.2 . 443 } }
    set empty { type ifname; }
    map verdicts { type inet_service : verdict; elements = { 22 : accept, 23 : drop } }
    chain in {
        type filter hook input priority filter; policy accept;
        tcp dport vmap @verdicts
        ip saddr @addresses counter name c drop
        tcp dport { 1, 2, 3-5 } accept
        ct state established,related accept
        jump other
    }
    chain other { }
}
table ip nat {
    chain pre {
        type nat hook prerouting priority dstnat;
        tcp dport 8080 dnat to 10.9.9.9:80
    }
}
table ip6 six { }
table bridge b { chain f { type filter hook forward priority 0; }; }
table arp a { chain i { type filter hook input priority 0; }; }
table netdev n { chain g { type filter hook ingress device "v1" priority 0; }; }
"""

IPTABLES = """
iptables-nft -N DOCKER
iptables-nft -A FORWARD -o br0 -j DOCKER
iptables-nft -A DOCKER -d 172.17.0.2/32 ! -i br0 -o br0 -p tcp -m tcp --dport 6379 -j ACCEPT
iptables-nft -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j RETURN
"""


def listen(family, kind, address, *options):
    sock = socket.socket(family, kind)
    for option in options:
        sock.setsockopt(*option)
    sock.bind(address)
    if kind == socket.SOCK_STREAM:
        sock.listen()
    return sock


def open_sockets():
    tcp, udp, four, six = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.AF_INET, socket.AF_INET6)
    only = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    dual = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    share = (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    device = (socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"v1\0")
    sockets = [
        listen(four, tcp, ("0.0.0.0", 1001)),
        listen(four, tcp, ("127.0.0.1", 1002)),
        listen(four, tcp, ("192.0.2.1", 1003), device),
        listen(six, tcp, ("::", 1004), dual),
        listen(six, tcp, ("::", 1005), only),
        listen(six, tcp, ("::ffff:127.0.0.1", 1006), dual),
        listen(six, tcp, ("2001:db8:1::1", 1007), only),
        listen(four, tcp, ("0.0.0.0", 1008), share),
        listen(four, tcp, ("0.0.0.0", 1008), share),
        listen(four, udp, ("0.0.0.0", 2001)),
        listen(six, udp, ("::", 2002), dual),
        listen(six, udp, ("::1", 2003)),
        listen(four, udp, ("0.0.0.0", 2004), device),
    ]
    # What takes nothing from outside: bound only, connected, or a connection.
    bound = socket.socket(four, tcp)
    bound.bind(("127.0.0.1", 1100))
    peer = socket.socket(four, udp)
    peer.bind(("127.0.0.1", 2100))
    peer.connect(("127.0.0.1", 2001))
    client = socket.create_connection(("127.0.0.1", 1002))
    return sockets + [bound, peer, client]


# -- what the other tools say --------------------------------------------------------------------


def told_link(link, indexes):
    kind = link.get("linkinfo", {}).get("info_kind", "")
    # `link` of a veth is its other end; of one elsewhere there is no name.
    lower = None if kind == "veth" else link.get("link")
    group = link.get("group", "default")
    return (link["ifname"], link["ifindex"], indexes.get(link.get("master"), 0), kind,
            "UP" in link["flags"], "LOOPBACK" in link["flags"],
            {"loopback": 772, "ether": 1}.get(link["link_type"]), indexes.get(lower, 0),
            0 if group == "default" else int(group))


def test_links(world):
    indexes = {link["ifname"]: link["ifindex"] for link in run_json("ip", "-j", "link")}
    told = [told_link(link, indexes) for link in run_json("ip", "-j", "-d", "link")]
    observed = [(link["name"], link["index"], link["master"], link["kind"], link["up"],
                 link["loopback"], link["type"] if link["type"] in (1, 772) else None,
                 link["lower"], link["group"]) for link in world["links"]]
    equal("links", observed, told)
    assert {link[7] for link in told} == {0, indexes["dot.ted"]}
    assert {link[8] for link in told} == {0, 7}
    assert not any(link["xdp"] or link["tc"] or link["vrf_table"] for link in world["links"])


def test_sysctls(world):
    told = []
    for link in world["links"]:
        name = link["name"]
        told.append((name,
                     max(sysctl("ipv4/conf/all/rp_filter"), sysctl(f"ipv4/conf/{name}/rp_filter")),
                     bool(sysctl("ipv4/conf/all/route_localnet")
                          or sysctl(f"ipv4/conf/{name}/route_localnet")),
                     bool(sysctl("ipv4/conf/all/accept_local")
                          or sysctl(f"ipv4/conf/{name}/accept_local")),
                     bool(sysctl("ipv4/conf/all/src_valid_mark")
                          or sysctl(f"ipv4/conf/{name}/src_valid_mark")),
                     bool(sysctl(f"ipv4/conf/{name}/forwarding")),
                     bool(sysctl("ipv6/conf/all/forwarding")
                          or sysctl(f"ipv6/conf/{name}/force_forwarding"))))
    equal("sysctls", [(link["name"], link["rp_filter"], link["route_localnet"],
                       link["accept_local"], link["src_valid_mark"], link["forwarding4"],
                       link["forwarding6"]) for link in world["links"]], told)


def test_more_sysctls(_):
    """The switches that the setup leaves alone."""
    for path in ("ipv4/conf/all/route_localnet", "ipv4/conf/all/accept_local",
                 "ipv4/conf/all/src_valid_mark", "ipv6/conf/all/forwarding",
                 "ipv6/conf/v1/force_forwarding"):
        if read(f"/proc/sys/net/{path}") is None:
            continue
        write(f"/proc/sys/net/{path}", "1")
        test_sysctls(snapshot())
        write(f"/proc/sys/net/{path}", "0")


def test_addresses(world):
    names = link_names(world)
    told = [(link["ifname"], addr["local"], addr["prefixlen"])
            for link in run_json("ip", "-j", "addr") for addr in link["addr_info"]]
    equal("addresses",
          [(names[a["link"]], a["addr"], a["prefix_len"]) for a in world["addresses"]], told)


TABLES = {"main": 254, "local": 255, "default": 253}
TYPES = {"unicast": 1, "local": 2, "broadcast": 3, "anycast": 4, "multicast": 5, "blackhole": 6,
         "unreachable": 7, "prohibit": 8, "throw": 9}
SCOPES = {"global": 0, "site": 200, "link": 253, "host": 254, "nowhere": 255}


def told_routes(route, family):
    """A route as often as it has hops, each as the world tells it."""
    dst = route["dst"]
    if dst == "default":
        dst = "0.0.0.0/0" if family == "-4" else "::/0"
    if "/" not in dst:
        dst += "/32" if family == "-4" else "/128"
    table = route.get("table", "main")
    return [(dst, TYPES[route.get("type", "unicast")], TABLES.get(table) or int(table),
             route.get("metric", 0), hop.get("dev"), "gateway" in hop or "via" in hop,
             SCOPES[route.get("scope", "global")] if family == "-4" else 0)
            for hop in route.get("nexthops", [route])]


def test_routes(world):
    names = link_names(world)
    told = [told for family in ("-4", "-6")
            for route in run_json("ip", family, "-j", "-d", "route", "show", "table", "all")
            for told in told_routes(route, family)]
    equal("routes",
          [(f"{r['dst']}/{r['prefix_len']}", r["type"], r["table"], r["priority"],
            names.get(r["oif"]), r["has_gateway"], r["scope"]) for r in world["routes"]], told)


def test_more_routes(_):
    """A router answers at the anycast address of each of its networks."""
    write("/proc/sys/net/ipv6/conf/all/forwarding", "1")
    world = snapshot()
    test_routes(world)
    write("/proc/sys/net/ipv6/conf/all/forwarding", "0")
    assert {2, 4, 5} <= {route["type"] for route in world["routes"] if ":" in route["dst"]}


ACTIONS = {None: 1, "to_tbl": 1, "goto": 2, "nop": 3, "blackhole": 6, "unreachable": 7,
           "prohibit": 8}
OTHERS = {"tos", "suppress_ifgroup", "tun_id"}
PROTOCOLS = {"tcp": 6, "udp": 17}


def told_ports(rule, which):
    return (rule.get(which) or rule.get(f"{which}_start", 0),
            rule.get(which) or rule.get(f"{which}_end", 0))


def told_rule(rule, family):
    """A rule as it is for packets that arrive, which are root's."""
    if rule.get("uid_start", 0) > 0:
        kept = {"priority", "src", "table"} & set(rule)
        return told_rule({**{key: rule[key] for key in kept}, "src": "all",
                          **({} if "not" in rule else {"action": "nop"})}, family)
    table = rule.get("table", 0)
    mark = int(rule.get("fwmark", "0"), 16)
    mask = int(rule["fwmask"], 16) if "fwmask" in rule else 0xffffffff if mark else 0
    # ip prints the action unless it is a table, and names what a goto leads to.
    leads = "goto" in rule and "unresolved" not in rule
    action = "goto" if leads else "nop" if "goto" in rule else rule.get("action")
    return (family, rule["priority"], TABLES.get(table) or int(table), ACTIONS[action],
            "not" in rule, bool(OTHERS & set(rule)), mark, mask,
            None if rule["src"] == "all" else rule["src"],
            rule.get("srclen", 0) if rule["src"] != "all" else 0,
            rule.get("dst"), rule.get("dstlen", 0), rule.get("iif"), rule.get("oif"),
            rule["goto"] if leads else 0, PROTOCOLS.get(rule.get("ipproto"), 0),
            *told_ports(rule, "sport"), *told_ports(rule, "dport"),
            "suppress_prefixlen" in rule, rule.get("suppress_prefixlen", 0))


def test_rules(world):
    def full(rule, which):
        bits = 32 if rule["family"] == "ip" else 128
        length = rule[f"{which}_len"]
        return 0 if length == bits else length  # ip leaves out the length of a single address

    told = [told_rule(rule, family) for family, option in (("ip", "-4"), ("ip6", "-6"))
            for rule in run_json("ip", option, "-j", "rule")]
    observed = [(r["family"], r["priority"], r["table"], r["action"], r["invert"],
                 r["other_selectors"], r["fwmark"], r["fwmask"], r["src"], full(r, "src"),
                 r["dst"], full(r, "dst"), r["iif"], r["oif"], r["target"], r["proto"],
                 r["sport_lo"], r["sport_hi"], r["dport_lo"], r["dport_hi"], r["suppresses"],
                 r["suppress_len"]) for r in world["route_rules"]]
    equal("rules", observed, told)
    assert {3, 2} <= {r[3] for r in told} and any(r[5] for r in told) and any(r[21] for r in told)
    order = [(r[0], r[1], r[2]) for r in observed]
    assert order == [(r[0], r[1], r[2]) for r in told], f"order of rules: {order}"


def told_sockets():
    for proto, option in (("tcp", "-tl"), ("udp", "-ua")):
        for line in run("ss", "-Hneip", option).splitlines():
            if not line or line[0].isspace():
                continue
            fields = line.split()
            state, local, peer = fields[0], fields[3], fields[4]
            if state not in ("LISTEN", "UNCONN") or not peer.endswith(":*"):
                continue
            addr, port = local.rsplit(":", 1)
            addr, _, device = addr.partition("%")
            addr = addr.strip("[]")
            if "%" in local and "]" in device:
                device = device.strip("]")
            v6only = "v6only:1" in fields
            if addr == "*":
                addr = "::"
            if addr.startswith("::ffff:"):
                addr, v6only = addr[7:], False
            pid = min(int(part.split(",")[0]) for part in line.split("pid=")[1:])
            yield (proto, addr, int(port), v6only, device or None, pid)


def test_sockets(world):
    names = link_names(world)
    equal("sockets",
          [(s["proto"], s["addr"], s["port"], s["v6only"], names.get(s["link"]), s["pid"])
           for s in world["listeners"]], told_sockets())
    for listener in world["listeners"]:
        assert listener["process"] == read(f"/proc/{listener['pid']}/comm").rstrip("\n"), listener


def test_kernel_sockets(_):
    """The sockets of tunnels belong to no process, and take packets all the same; the links tell
    their ports."""
    links = {"vx4": "id 7 dstport 4789 dev v1", "vx6": "id 8 dstport 4790 local ::1",
             "vxm": "external dstport 4791"}  # fmt: skip
    add = "".join(f"link add {name} type vxlan {words}\nlink set {name} up\n"
                  for name, words in links.items())  # fmt: skip
    try:
        if subprocess.run(["ip", "-batch", "-"], input=add, text=True, check=False,
                          stderr=subprocess.DEVNULL).returncode != 0:  # fmt: skip
            return "no VXLAN here"
        world = snapshot()
    finally:
        for name in links:
            subprocess.run(["ip", "link", "delete", name], stderr=subprocess.DEVNULL, check=False)
    found = [(s["proto"], s["addr"], s["port"], s["pid"], s["process"], s["container_id"])
             for s in world["listeners"] if s["port"] in (4789, 4790, 4791)]  # fmt: skip
    assert found == [("udp", addr, port, 0, None, None) for addr, port in
                     (("0.0.0.0", 4789), ("::", 4790), ("0.0.0.0", 4791), ("::", 4791))], found
    told = {link["name"]: (link["udp_port4"], link["udp_port6"]) for link in world["links"]}
    assert {name: ports for name, ports in told.items() if any(ports)} == {
        "vx4": (4789, 0), "vx6": (0, 4790), "vxm": (4791, 4791)}, told
    return None


# -- nf_tables -----------------------------------------------------------------------------------

NEWTABLE, NEWCHAIN, NEWRULE, NEWSET, NEWSETELEM, NEWOBJ = 0, 3, 6, 9, 12, 18
FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}


def messages(dump):
    while dump:
        length, kind, _, seq, pid = struct.unpack_from("=IHHII", dump)
        assert length >= 20 and seq == 0 and pid == 0, (length, seq, pid)
        assert kind >> 8 == 10, kind  # NFNL_SUBSYS_NFTABLES
        yield kind & 0xff, FAMILIES[dump[16]], attributes(dump[20:length])
        dump = dump[(length + 3) & ~3:]


def attributes(data):
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3fff] = data[4:length]
        data = data[(length + 3) & ~3:]
    return found


def text(value):
    return value.rstrip(b"\0").decode()


def observed_ruleset(world):
    """Tables, chains, sets, objects by name, rules by handle, and elements counted by set."""
    found = {"table": [], "chain": [], "set": [], "rule": [], "object": []}
    kinds = []
    for kind, family, attrs in messages(base64.b64decode(world["nftables"]["dump"])):
        kinds.append(kind)
        if kind == NEWTABLE:
            found["table"].append((family, text(attrs[1])))
        elif kind == NEWCHAIN:
            found["chain"].append((family, text(attrs[1]), text(attrs[3])))
        elif kind == NEWRULE:
            handle = struct.unpack(">Q", attrs[3])[0]
            found["rule"].append((family, text(attrs[1]), text(attrs[2]), handle))
        elif kind == NEWSET:
            found["set"].append((family, text(attrs[1]), text(attrs[2])))
        elif kind == NEWOBJ:
            found["object"].append((family, text(attrs[1]), text(attrs[2])))
        else:
            assert kind == NEWSETELEM, kind
    order = {NEWTABLE: 0, NEWCHAIN: 1, NEWSET: 2, NEWSETELEM: 3, NEWOBJ: 4, NEWRULE: 6}
    assert [order[k] for k in kinds] == sorted(order[k] for k in kinds), kinds
    return found


def elements_of(world, table, name):
    count = 0
    for kind, _, attrs in messages(base64.b64decode(world["nftables"]["dump"])):
        if kind == NEWSETELEM and (text(attrs[1]), text(attrs[2])) == (table, name):
            count += walk_count(attrs.get(3, b""))
    return count


def walk_count(data):
    count = 0
    while len(data) >= 4:
        length, = struct.unpack_from("=H", data)
        data, count = data[(length + 3) & ~3:], count + 1
    return count


def told_ruleset():
    told = {"table": [], "chain": [], "set": [], "rule": [], "object": []}
    for item in run_json("nft", "-j", "-a", "list", "ruleset")["nftables"]:
        (kind, body), = item.items()
        if kind == "metainfo":
            continue
        key = (body["family"], body["name" if kind == "table" else "table"])
        if kind == "table":
            told["table"].append(key)
        elif kind == "chain":
            told["chain"].append((*key, body["name"]))
        elif kind == "rule":
            told["rule"].append((*key, body["chain"], body["handle"]))
        elif kind in ("set", "map"):
            told["set"].append((*key, body["name"]))
        elif kind in ("counter", "quota"):
            told["object"].append((*key, body["name"]))
        else:
            raise AssertionError(f"nft told of a {kind}")
    return told


def test_ruleset(world):
    assert world["nftables"]["read"] and world["nftables"]["generation"] > 0
    observed, told = observed_ruleset(world), told_ruleset()
    # nft writes anonymous sets into their rules.
    anonymous = [s for s in observed["set"] if s[2].startswith("__")]
    assert len(anonymous) == 1, anonymous
    observed["set"] = [s for s in observed["set"] if s not in anonymous]
    for kind, items in told.items():
        equal(kind, observed[kind], items)


def test_elements(world):
    counts = {name: elements_of(world, "t", name)
              for name in ("addresses", "pairs", "empty", "verdicts", "__set0")}
    # Intervals are a start and an end each; { 1, 2, 3-5 } is merged by nothing but nft 1.0.
    assert counts["pairs"] == 2 and counts["verdicts"] == 2 and counts["empty"] == 0, counts
    assert counts["addresses"] >= 4 and counts["__set0"] >= 2, counts


def test_same_bytes(world):
    again = snapshot()
    assert again["nftables"] == world["nftables"]
    world, again = dict(world), dict(again)
    del world["time"], again["time"]
    assert again == world


def test_big_ruleset(_):
    rules = "\n".join(f"add rule inet big c ip saddr 10.{i >> 8}.{i & 255}.1 tcp dport {i + 1} accept"
                      for i in range(5000))
    elements = ", ".join(f"10.{i >> 8}.{i & 255}.0/24" for i in range(0, 20000, 2))
    run("nft", "-f", "-", input="add table inet big\nadd chain inet big c\n"
        "add set inet big s { type ipv4_addr; flags interval; }\n"
        f"add element inet big s {{ {elements} }}\n{rules}\n")
    world = snapshot()
    rules = [r for r in observed_ruleset(world)["rule"] if r[1] == "big"]
    assert len(rules) == 5000, len(rules)
    assert elements_of(world, "big", "s") >= 20000, elements_of(world, "big", "s")
    run("nft", "delete", "table", "inet", "big")


CHANGE = "; ".join(f"add table inet {t}; add chain inet {t} b; add chain inet {t} a; "
                   f"add rule inet {t} a jump b" for t in "wx")
CHANGE_BACK = "delete table inet w; delete table inet x"
# Many small transactions from one process, as fast as nothing that starts one could be.
WRITER = """
import subprocess, sys, time
nft = subprocess.Popen(["nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
try:
    while True:
        for change in sys.argv[1:]:
            nft.stdin.write(change.encode() + b"\\n")
            nft.stdin.flush()
            time.sleep(0.0007)
except BrokenPipeError:
    sys.exit("nft has ended")
"""


def end_group(leader):
    """Ends a process and its children, and waits for all: nft still works off what it was told."""
    os.killpg(leader.pid, signal.SIGKILL)
    leader.wait()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.killpg(leader.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    raise AssertionError("the writer's nft does not end")


def test_changing_ruleset(_):
    """Half of a change is never seen: both tables of the writer or none."""
    with subprocess.Popen([sys.executable, "-c", WRITER, CHANGE, CHANGE_BACK],
                          start_new_session=True) as writer:
        try:
            seen, generations = set(), set()
            for _ in range(100):
                world = snapshot()
                if not world["nftables"]["read"]:
                    assert any("never settled" in gap["reason"] for gap in world["gaps"])
                    continue
                found = observed_ruleset(world)
                tables = {t[1] for t in found["table"]} & {"w", "x"}
                rules = [r for r in found["rule"] if r[1] in ("w", "x")]
                assert (tables, len(rules)) in (({"w", "x"}, 2), (set(), 0)), (tables, rules)
                seen.add(len(tables))
                generations.add(world["nftables"]["generation"])
            assert writer.poll() is None, "the writer has ended"
            assert seen == {0, 2} and len(generations) > 5, (seen, generations)
        finally:
            end_group(writer)
    subprocess.run(["nft", CHANGE_BACK], stderr=subprocess.DEVNULL, check=False)


# -- the edges -----------------------------------------------------------------------------------


def test_without_privilege(_):
    world = snapshot()
    seen = snapshot("setpriv", "--reuid=65534", "--clear-groups", "--bounding-set=-all")
    assert not seen["nftables"]["read"] and seen["nftables"]["dump"] == ""
    reasons = [gap["reason"] for gap in seen["gaps"] if gap["source"] == "nftables"]
    assert len(reasons) == 1 and "CAP_NET_ADMIN" in reasons[0], seen["gaps"]
    for source in ("bpf", "tc"):  # what only root may ask
        reasons = [gap["reason"] for gap in seen["gaps"] if gap["source"] == source]
        assert len(reasons) == 1 and "run as root" in reasons[0], seen["gaps"]
    for part in ("links", "addresses", "routes", "route_rules"):
        assert seen[part] == world[part], part
    assert len(seen["listeners"]) == len(world["listeners"])
    assert not any(listener["pid"] for listener in seen["listeners"])


def test_no_engine(world):
    assert world["engines"] == []
    assert world["no_engine"] == "unix:///run/docker.sock", world["no_engine"]
    assert world["gaps"] == [], world["gaps"]


def test_stale_engine(_):
    """A socket's file that nobody listens on is as good as none, unless it was asked for."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("/run/docker.sock")
    try:
        world = snapshot()
    finally:
        os.unlink("/run/docker.sock")
    assert world["no_engine"] == "unix:///run/docker.sock" and world["gaps"] == [], world["gaps"]


def test_forbidden_engine(_):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("/run/docker.sock")
        sock.listen()
        os.chmod("/run/docker.sock", 0o600)
        try:
            world = snapshot("setpriv", "--reuid=65534", "--clear-groups", "--bounding-set=-all")
        finally:
            os.unlink("/run/docker.sock")
    gaps = [gap["reason"] for gap in world["gaps"] if gap["source"] == "docker"]
    assert len(gaps) == 1 and world["no_engine"] is None, world["gaps"]


# Pid 1 of its namespace, by the name of systemd, listens for an engine that is not running.
SLEEPER = """
import json, socket, subprocess, sys
with open("/proc/self/comm", "w") as comm:
    comm.write("systemd")
sock = socket.socket(socket.AF_UNIX)
sock.bind("/run/docker.sock")
sock.listen()
sock.settimeout(0)
world = json.loads(subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, check=False).stdout)
assert "systemd would start it" in world["no_engine"], world["no_engine"]
assert not world["gaps"] and not world["engines"], world["gaps"]
try:
    sock.accept()
    sys.exit("the engine would have been woken")
except BlockingIOError:
    pass
# Once a dockerd has the socket too, it is asked.
child = subprocess.Popen(["python3", "-c", "import time; open('/proc/self/comm', 'w').write"
                          "('dockerd'); print(flush=True); time.sleep(99)"],
                         pass_fds=[sock.fileno()], stdout=subprocess.PIPE)
child.stdout.readline()
observer = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
sock.settimeout(20)
connection = sock.accept()[0]
connection.close()
world = json.loads(observer.communicate()[0])
assert [gap for gap in world["gaps"] if gap["source"] == "docker"], world["gaps"]
child.kill()
"""


def test_sleeping_engine(_):
    try:
        run("unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", SLEEPER, *NETGUARD)
    finally:
        os.unlink("/run/docker.sock")


def test_xdp(_):
    """A program that passes everything, attached to v1 by a bpf link."""
    try:
        attached = Attached(XDP, 2, ATTACH_XDP, socket.if_nametoindex("v1"))
    except (OSError, KeyError) as reason:
        return f"no XDP here: {reason}"
    with attached:
        world = snapshot()
    assert [n["name"] for n in world["links"] if n["xdp"]] == ["v1"]
    assert [g for g in world["gaps"] if g["source"] == "xdp" and "v1" in g["reason"]], world["gaps"]
    return None


def test_legacy_tables(_):
    """Last: a table of iptables-legacy cannot be taken away again."""
    done = subprocess.run(["iptables-legacy", "-t", "raw", "-S"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        return "no iptables-legacy here"
    world = snapshot()
    equal("legacy tables", [(table["family"], table["name"]) for table in world["xtables"]],
          [(family, name) for family in ("ip", "ip6")
           for name in (read(f"/proc/net/{family}_tables_names") or "").split()])
    assert all(base64.b64decode(table["entries"]) for table in world["xtables"])
    return None


TESTS = [test_no_engine, test_links, test_sysctls, test_more_sysctls, test_addresses, test_routes,
         test_more_routes, test_rules, test_sockets, test_kernel_sockets, test_ruleset,
         test_elements, test_same_bytes, test_big_ruleset, test_changing_ruleset,
         test_without_privilege, test_stale_engine, test_forbidden_engine, test_sleeping_engine,
         test_xdp, test_legacy_tables]


def inside():
    for name in ("all", "default"):
        write(f"/proc/sys/net/ipv6/conf/{name}/accept_dad", "0")
    shell(SETUP)
    settle()
    for path, value in SYSCTLS.items():
        write(f"/proc/sys/net/{path}", value)
    run("nft", "-f", "-", input=RULESET)
    shell(IPTABLES)
    sockets = open_sockets()
    status = run_tests(TESTS, snapshot())
    for sock in sockets:
        sock.close()
    return status


sys.exit(in_namespace(__file__, inside))
