#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_rule_text.py [RULE_TEXTS]   rules read as `nft list ruleset` prints them

    NETGUARD     the binary (default: build/netguard)
    RULE_TEXTS   what prints each rule of a snapshot (default: build/tests/rule_texts)

Needs root, iproute2 and nftables. Prints TAP.
"""
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
NETGUARD = os.environ.get("NETGUARD", os.path.join(HERE, "../../build/netguard"))
RULE_TEXTS = sys.argv[1] if sys.argv[1:] else os.path.join(HERE, "../../build/tests/rule_texts")
NETNS = f"netguard-text-{os.getpid()}"

TABLES = """
table inet filter {
    set ports { type inet_service; elements = { 22, 80 }; }
    set nets { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 }; }
    set pairs { type ipv4_addr . inet_service; elements = { 192.0.2.1 . 22 }; }
    set seen { type ipv4_addr; flags dynamic,timeout; timeout 1m; }
    map verdicts { type inet_service : verdict; elements = { 22 : accept }; }
    map marks { type inet_service : mark; elements = { 22 : 0x00000001 }; }
    chain user { }
    chain forward { type filter hook forward priority 0; policy accept; }
    chain pre { type filter hook prerouting priority -150; policy accept; }
    chain nat { type nat hook prerouting priority -100; policy accept; }
    chain raw { type filter hook prerouting priority -300; policy accept; }
}
table ip nat {
    map targets {
        type inet_service : ipv4_addr . inet_service
        elements = { 80 : 10.0.0.2 . 8080 }
    }
    chain pre { type nat hook prerouting priority -100; policy accept; }
    chain post { type nat hook postrouting priority 100; policy accept; }
}
table ip6 nat {
    chain pre { type nat hook prerouting priority -100; policy accept; }
}
"""

# Written as nft prints them.
RULES = {
    "inet filter forward": """
accept
drop
return
continue
jump user
goto user
reject
reject with tcp reset
reject with icmp port-unreachable
reject with icmpx admin-prohibited
ip saddr 10.0.0.1 accept
ip saddr 10.0.0.0/8 drop
ip saddr != 10.0.0.0/8 drop
ip saddr 10.0.0.1-10.0.0.9 drop
ip saddr { 10.0.0.1, 10.0.0.7 } drop
ip saddr != { 10.0.0.1, 192.0.2.0/24 } drop
ip saddr @nets accept
ip saddr != @nets drop
ip saddr . tcp dport @pairs accept
ip daddr . tcp dport { 192.0.2.1 . 80, 192.0.2.2 . 443 } accept
ip6 saddr 2001:db8::/32 accept
ip6 daddr 2001:db8::1 accept
ip protocol tcp accept
ip6 nexthdr udp accept
meta l4proto tcp accept
meta l4proto { tcp, udp } accept
meta l4proto != 47 accept
meta l4proto { tcp, udp } th dport 53 accept
meta nfproto ipv4 accept
meta protocol ip accept
tcp dport 22 accept
tcp dport != 22 drop
tcp dport { 22, 80, 443 } accept
tcp dport 1024-65535 accept
tcp dport != 1024-65535 drop
tcp dport { 80, 8000-8999 } accept
tcp dport @ports accept
tcp sport 53 accept
udp dport 53 accept
udp sport 53 udp dport 1024-65535 accept
sctp dport 80 accept
tcp dport vmap @verdicts
tcp dport vmap { 22 : accept, 80 : drop }
tcp dport vmap { 22 : jump user, 80-90 : goto user }
meta l4proto vmap { icmp : accept, tcp : jump user }
ct state vmap { invalid : drop, established : accept, related : accept }
tcp flags syn accept
tcp flags == syn accept
tcp flags & (fin | syn | rst | ack) == syn accept
tcp flags & (fin | syn) == fin | syn drop
tcp flags & (fin | syn | rst | psh | ack | urg) == 0x0 drop
iif "lo" accept
iifname "eth0" accept
iifname "wg*" accept
iifname != "eth0" drop
oifname "docker0" accept
iifname { "eth0", "wg0" } accept
iifname . tcp dport { "eth0" . 22, "eth1" . 80 } accept
iifname "eth0" oifname "docker0" ip daddr 172.17.0.2 tcp dport 80 accept
ct state established,related accept
ct state new accept
ct state invalid drop
ct state != established drop
ct state { established, new } accept
ct status dnat accept
ct direction original accept
ct direction reply accept
ct original ip daddr 192.0.2.1 accept
meta l4proto tcp ct original proto-dst 80 accept
ct mark 0x00000001 accept
ct mark and 0xff == 0x1 accept
meta mark 0x00000010 accept
meta mark != 0x00000010 accept
meta mark { 0x00000001, 0x00000003 } accept
meta mark set 0x00000010
meta mark set ct mark
ct mark set 0x00000001
ct mark set meta mark
meta mark set tcp dport map @marks
icmp type echo-request accept
icmp type { echo-reply, echo-request } accept
icmp type destination-unreachable icmp code 1 accept
icmpv6 type echo-request accept
icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept
fib daddr type local accept
fib daddr . iif type local accept
fib saddr . iif oif 0 drop
limit rate 5/second accept
limit rate over 10/minute burst 20 packets drop
limit rate 1 mbytes/second accept
log
log prefix "dropped: "
log prefix "in " level info
log group 3
counter accept
accept comment "let it in"
tcp dport 22 counter accept comment "ssh, from anywhere"
meta pkttype broadcast drop
meta pkttype { broadcast, multicast } drop
ether saddr 02:00:00:00:00:01 accept
meta skuid 0 accept
meta iiftype ether accept
ip ttl 64 accept
ip length 100-200 accept
ip frag-off & 0x1fff != 0x0 drop
ip version 4 accept
quota over 10 mbytes drop
iif 77 accept
meta iiftype ppp accept
tcp dport != { 1, 5-9 } accept
ip saddr 10.0.0.1 reject with icmp port-unreachable
meta l4proto tcp reject with tcp reset
ct original ip6 daddr ::1 accept
icmpv6 type destination-unreachable icmpv6 code port-unreachable accept
meta nfproto ipv6 tcp dport 5 drop
meta l4proto ipv6-icmp accept
meta l4proto icmp accept
ip protocol icmp accept
ip saddr 10.0.0.1 icmp type echo-request accept
ct reply ip saddr 10.0.0.1 accept
ct zone 1 accept
th dport 80 accept
ip saddr vmap { 10.0.0.0/8 : accept, 192.168.0.0/16 : drop }
ip saddr . ip daddr vmap { 10.0.0.1 . 10.0.0.2 : accept }
fib daddr oifname "eth0" accept
fib daddr . mark type local accept
fib daddr type { local, broadcast } accept
fib saddr . iif oif missing drop
meta ipsec exists accept
iifgroup "default" accept
meta oifkind "bridge" accept
ip saddr & 255.0.255.0 == 10.0.5.0 accept
ct mark set meta mark | 0x00000001
meta mark set ct mark & 0x000000ff
meta mark set meta mark ^ 0x00000001
meta mark set meta mark & 0x000001ff | 0x00000100
meta mark 0x00000001-0x00000005 accept
meta mark & 0x0000ff00 != 0x00000000 accept
tcp flags != syn / syn,ack accept
tcp flags ! syn accept
ct status ! dnat accept
ct status snat,dnat accept
ct state new / established,new accept
ct state ! new accept
ct state != { established, new } accept
ct count over 10 drop
""",
    "inet filter pre": """
tcp dport 80 tproxy ip to 127.0.0.1:3128
tcp dport 80 tproxy ip to :3128 meta mark set 0x00000001
""",
    "inet filter raw": """
notrack
udp dport 53 notrack
""",
    "ip nat pre": """
dnat to 10.0.0.2
tcp dport 80 dnat to 10.0.0.2:8080
tcp dport 80 dnat to 10.0.0.2-10.0.0.9:8080-8090
fib daddr type local tcp dport 8080 redirect to :80
tcp dport 8080 redirect
tcp dport 80-90 redirect to :80-90
tcp dport 5 dnat to :80
dnat to tcp dport map { 80 : 10.0.0.5 }
dnat to ip saddr . tcp dport map { 10.0.0.1 . 80 : 10.0.0.5 }
dnat ip to tcp dport map @targets
dnat ip to tcp dport map { 80 : 10.0.0.2 . 8080, 443 : 10.0.0.3 . 8443 }
""",
    "ip nat post": """
masquerade
oifname "eth0" masquerade
ip saddr 10.0.0.0/8 oifname != "docker0" masquerade
tcp dport 81 masquerade to :1024-65535
masquerade random
snat to 192.0.2.1
tcp dport 80 snat to 192.0.2.1:1024-2048
""",
    "inet filter nat": """
tcp dport 80 dnat ip to 10.0.0.2:80
dnat ip to 10.0.0.2
tcp dport 80 dnat ip6 to [fd00::1]:80
dnat ip to tcp dport map { 80 : 10.0.0.5 }
tcp dport 80 redirect to :81
""",
    "ip6 nat pre": """
tcp dport 80 dnat to [fd00::2]:8080
dnat to fd00::2
""",
}

COUNTERS = re.compile(r"\bcounter( packets \d+ bytes \d+)? ?")
# What nft 1.1 prints otherwise than 1.0.6.
NEWER = {"ip frag-off & 8191 != 0 drop": "ip frag-off & 0x1fff != 0x0 drop"}


def plain(rule):
    """Without counters, and with sets sorted: the kernel tells their elements in any order."""
    rule = COUNTERS.sub("", rule).strip()
    rule = re.sub(r"\{ (.*) \}",
                  lambda found: "{ %s }" % ", ".join(sorted(found[1].split(", "))), rule)  # fmt: skip
    return NEWER.get(rule, rule)


def inside(*command, **options):
    return subprocess.run(["ip", "netns", "exec", NETNS, *command], check=True, text=True,
                          **options)  # fmt: skip


def load():
    """Each rule on its own, as this nft may not know all of them."""
    inside("nft", "-f", "-", input=TABLES)
    for chain, rules in RULES.items():
        for rule in rules.strip().splitlines():
            done = subprocess.run(["ip", "netns", "exec", NETNS, "nft", "-f", "-"], text=True,
                                  input=f"add rule {chain} {rule}\n", stderr=subprocess.PIPE,
                                  check=False)  # fmt: skip
            if done.returncode:
                print(f"# this nft or kernel refuses: {rule}")


def listed():
    """(table, handle) is not unique to netguard's list, which has no names: rules in order."""
    text = inside("nft", "-a", "list", "ruleset", stdout=subprocess.PIPE).stdout
    found = re.findall(r"^\t\t(.+) # handle (\d+)$", text, re.MULTILINE)
    return [(int(handle), plain(rule)) for rule, handle in found]


def ours(folder):
    snapshot = os.path.join(folder, "world.json")
    inside(NETGUARD, "snapshot", "--output", snapshot)
    text = subprocess.run([RULE_TEXTS, snapshot], check=True, text=True,
                          stdout=subprocess.PIPE).stdout  # fmt: skip
    pairs = (line.partition(" ") for line in text.splitlines())
    return [(int(handle), plain(rule)) for handle, _, rule in pairs]


def main():
    subprocess.run(["ip", "netns", "add", NETNS], check=True)
    try:
        load()
        with tempfile.TemporaryDirectory() as folder:
            theirs, own = listed(), ours(folder)
    finally:
        subprocess.run(["ip", "netns", "del", NETNS], check=False)
    # Both list chain by chain, but not the chains in the same order.
    print(f"1..{len(theirs) + 1}")
    good = len(theirs) == len(own) > 100
    print(f"{'ok' if good else 'not ok'} 1 - {len(theirs)} rules, {len(own)} texts")
    failed = not good
    pool = list(own)
    for number, rule in enumerate(theirs, 2):
        same = rule in pool
        if same:
            pool.remove(rule)
        failed |= not same
        print(f"{'ok' if same else 'not ok'} {number} - {rule[1]}")
        if not same:
            near = [text for handle, text in own if handle == rule[0]]
            print(f"#   here: {near}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
