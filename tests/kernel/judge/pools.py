# SPDX-License-Identifier: GPL-2.0-or-later
"""The constants that rules, worlds and packets are drawn from: packets come from next to the
borders that rules have drawn, or nothing would be found out about borders."""
import ipaddress

from topology import address

PREFIXES = {
    4: ["192.0.2.0/24", "192.0.2.0/29", "192.0.2.128/25", "10.0.0.0/8", "10.9.0.0/24",
        "10.9.0.2/31", "198.51.100.0/25", "198.51.100.128/26", "172.16.0.0/12", "172.17.0.0/28",
        "172.18.0.0/28", "0.0.0.0/1", "203.0.113.64/26", "10.20.0.0/24", "128.0.0.0/2"],
    6: ["2001:db8:1::/64", "2001:db8:1::/126", "2001:db8::/32", "fd00::/8", "fd00:9::/64",
        "fd00:9::2/127", "fd00:17::/124", "fd00:18::/124", "fe80::/10", "2000::/3",
        "2001:db8:ffff::/48", "fd00:20::/64", "2001:db8:2::/65"],
}
SINGLE = {
    4: ["192.0.2.2", "192.0.2.3", "192.0.2.77", "10.9.0.2", "10.9.0.77", "198.51.100.7",
        "198.51.100.200", "203.0.113.66", "203.0.113.10", "10.20.0.9", "172.17.0.2", "172.17.0.3",
        "172.18.0.2", "8.8.8.8", "172.17.0.9"],
    6: ["2001:db8:1::2", "2001:db8:1::77", "fd00:9::2", "fd00:9::77", "2001:db8:ffff::1",
        "2001:db8:2::9", "fd00:20::9", "fd00:17::2", "fd00:17::3", "fd00:18::2", "fe80::77",
        "2001:db8:5::1"],
}
RANGES = {
    4: ["192.0.2.2-192.0.2.9", "10.0.0.0-10.9.0.3", "198.51.100.7-198.51.100.200",
        "0.0.0.5-203.0.113.7", "172.17.0.3-172.17.0.9"],
    6: ["2001:db8:1::2-2001:db8:1::9", "fd00::-fd00:9::3", "fe80::-fe80::77",
        "2001:db8:2::-2001:db8:ffff::1"],
}
OWN = {
    4: ["192.0.2.1", "10.9.0.1", "10.20.0.1", "172.17.0.1", "172.18.0.1"],
    6: ["2001:db8:1::1", "fd00:9::1", "fd00:20::1", "fd00:17::1", "fd00:18::1"],
}
LINK_LOCAL = {"eth0": "fe80::1:1", "eth1": "fe80::2:1", "mv0": "fe80::3:1",
              "docker0": "fe80::4:1", "br-app": "fe80::5:1"}
CONTAINERS = {4: ["172.17.0.2", "172.17.0.3", "172.18.0.2"],
              6: ["fd00:17::2", "fd00:17::3", "fd00:18::2"]}
STRANGE = {
    4: ["127.0.0.1", "127.8.0.1", "0.0.0.0", "0.1.2.3", "224.0.0.1", "240.0.0.1",
        "255.255.255.255", "192.0.2.255", "10.9.0.255", "169.254.1.1", "192.0.2.0"],
    6: ["::1", "::", "::ffff:1.2.3.4", "ff02::1", "fe80::77", "fe80::1:1"],
}
ROUTED = {4: ["8.8.8.8", "198.51.100.99", "203.0.113.10", "203.0.113.77", "192.0.2.77",
              "10.9.0.77", "10.20.0.77", "172.17.0.9", "192.0.2.5", "10.9.1.1", "127.0.0.1",
              "192.0.2.255", "255.255.255.255", "224.0.0.1", "198.51.100.200", "172.17.0.15"],
          6: ["2001:db8:ffff::1", "2001:db8:5::1", "2001:db8:1::77", "fd00:9::77", "fd00:20::77",
              "fd00:17::9", "ff02::1", "::1", "2001:db8:2::9", "fd00:17::"]}
PORTS = [22, 53, 80, 443, 1023, 1024, 5353, 6000, 6379, 7000, 8080, 8443, 9100, 30000, 50080]
PORT_RANGES = [(1, 1023), (6000, 7000), (8080, 8443), (0, 65535), (1024, 65535), (80, 81)]
SOURCE_PORTS = [53, 1023, 1024, 40000, 65535]
SOURCE_RANGES = [(1024, 40000), (40001, 65535), (1, 1023), (53, 53)]
MARKS = [0x0, 0x1, 0x2, 0x10, 0x11, 0x1F, 0x100, 0x01000000, 0xFF00]
INTERFACES = ["eth0", "eth1", "mv0", "docker0", "br-app"]
STATION = ["02:00:00:00:01:01", "02:00:00:00:01:02", "52:54:00:12:34:56"]
BORDERS = {}


def borders(family):
    """Both ends of all that is named, and their neighbours outside."""
    if family not in BORDERS:
        wide = (1 << (32 if family == 4 else 128)) - 1
        found = set()
        for text in PREFIXES[family]:
            net = ipaddress.ip_network(text, strict=False)
            found.update((int(net[0]), int(net[-1])))
        for text in RANGES[family]:
            found.update(int(address(one)) for one in text.split("-"))
        found.update(int(address(one)) for one in SINGLE[family])
        found = {one + by for one in found for by in (-1, 0, 1)}
        make = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
        BORDERS[family] = [str(make(one)) for one in sorted(found) if 0 < one < wide]
    return BORDERS[family]


def family_word(family):
    return "ip" if family == 4 else "ip6"
