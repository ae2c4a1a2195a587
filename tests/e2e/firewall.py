#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""firewall.py 20|26|28: what a host's firewall stops, and what passes around it."""
import ipaddress
import sys

from lab import EVERYBODY, HOST4, HOST6, Engine, Tap, same

DROPPED = ipaddress.ip_network("198.51.100.0/24")
FROM_DROPPED, FROM_ELSEWHERE = "198.51.100.7", "198.51.101.7"


def but(everybody, network):
    """All addresses but those of one network, as the shortest sorted list of networks."""
    network = ipaddress.ip_network(network)
    return [str(n) for n in sorted(ipaddress.ip_network(everybody).address_exclude(network))]


def docker_user(tap, engine):
    """A rule of the administrator's own, where Docker asks for it to be."""
    for address in FROM_DROPPED, FROM_ELSEWHERE:
        engine.outside("ip", "addr", "add", f"{address}/32", "dev", "eth0")
    rule = ["DOCKER-USER", "-s", str(DROPPED), "-j", "DROP"]

    with tap.case("redis: reachable from every source while no rule drops any"):
        for source in FROM_DROPPED, FROM_ELSEWHERE:
            engine.expect("redis", HOST4, 6379, source=source)
        engine.agree("redis", HOST4, 6379, reachable=True)

    engine.sh("iptables", "-I", *rule)
    with tap.case(f"redis: DOCKER-USER drops {DROPPED}: partly reachable, from exactly the rest"):
        engine.expect(None, HOST4, 6379, source=FROM_DROPPED)
        for source in FROM_ELSEWHERE, None:
            engine.expect("redis", HOST4, 6379, source=source)
        report = engine.check()
        exposure = report.exposure("redis", 4, "tcp", 6379)
        reach = report.public(exposure)
        same(reach["verdict"], "partly", "verdict")
        same(reach["sources"], but(EVERYBODY[4][0], DROPPED), "sources")
        same("DOCKER-USER" in {d["chain"] for d in reach["deciders"]}, True, "DOCKER-USER decides")
        same(len(report.findings(exposure)), 1, "number of findings")
        same(report.status, 1, "status")
    with tap.case("redis: the rule is for IPv4, over IPv6 every source gets in"):
        engine.agree("redis", HOST6, 6379, reachable=True)
    engine.sh("iptables", "-D", *rule)


def exporter(engine, address, reachable):
    """A container on the host's network, which input rules judge as any other service."""
    return engine.agree("exporter", address, 9100, reachable=reachable, kind="host-network")


def ufw(tap, engine):
    """The real one, with its defaults: incoming denied."""
    for address in HOST4, HOST6:
        with tap.case(f"exporter: on the host's network, open over {address} without ufw"):
            exposure, _, _ = exporter(engine, address, True)
            same(exposure["host_firewall"]["ufw"], "absent", "ufw")

    engine.sh("ufw", "--force", "enable")
    status = engine.sh("ufw", "status", "verbose")
    same("Status: active" in status and "deny (incoming)" in status, True, "ufw is in force")

    with tap.case("redis: ufw denies, but 6379 over IPv4 is open through DNAT: critical, status 1"):
        exposure, reach, report = engine.agree("redis", HOST4, 6379, reachable=True)
        same(exposure["paths"], ["dnat"], "paths")
        same(exposure["host_firewall"]["ufw"], "bypassed", "ufw")
        same(reach["decided_by"]["chain"], "DOCKER", "decided by")
        findings = report.findings(exposure)
        same([(f["severity"], f["subject"]) for f in findings], [("critical", "redis")], "found")
        same(report.status, 1, "status")
    with tap.case("redis: over IPv6 it needs docker-proxy, and ufw closes the way there"):
        exposure, reach, report = engine.agree("redis", HOST6, 6379, reachable=False)
        same(exposure["paths"], ["proxy"], "paths")
        same(exposure["host_firewall"]["ufw"], "honoured", "ufw")
        same(report.findings(exposure), [], "open findings")
    for address in HOST4, HOST6:
        with tap.case(f"exporter: on the host's network, ufw closes it over {address}"):
            exposure, _, _ = exporter(engine, address, False)
            same(exposure["host_firewall"]["ufw"], "honoured", "ufw")

    engine.sh("ufw", "allow", "9100/tcp")
    engine.sh("ufw", "allow", "6379/tcp")
    for address in HOST4, HOST6:
        with tap.case(f"exporter: ufw allows 9100, open over {address}"):
            exposure, _, _ = exporter(engine, address, True)
            same(exposure["host_firewall"]["ufw"], "honoured", "ufw")
    with tap.case("redis: ufw allows 6379, open over IPv6 too"):
        exposure, _, report = engine.agree("redis", HOST6, 6379, reachable=True)
        same(exposure["host_firewall"]["ufw"], "honoured", "ufw")
        same(len(report.findings(exposure)), 1, "number of findings")


def ipv6_networks(tap, version):
    """With IPv6 in the containers' network, IPv6 is translated as well and passes ufw."""
    options = ["--ipv6", "--fixed-cidr-v6", "2001:db8:d::/64"]
    if int(version) < 27:  # later ones filter IPv6 by themselves
        options += ["--experimental", "--ip6tables"]
    with Engine(version, *options) as engine:
        engine.run("redis", "-p", "6379:6379", serve=(6379,))
        engine.run("exporter", "--network", "host", serve=(9100,))
        engine.sh("ufw", "--force", "enable")
        with tap.case("exporter: ufw closes IPv6"):
            exporter(engine, HOST6, False)
        with tap.case("redis: on a network with IPv6, open through DNAT over IPv6 past ufw"):
            # The kernel carries no link-local source over to another link.
            exposure, _, report = engine.agree("redis", HOST6, 6379, reachable=True,
                                               sources=but("::/0", "fe80::/10"))  # fmt: skip
            same("dnat" in exposure["paths"], True, "dnat among the paths")
            same(exposure["host_firewall"]["ufw"], "bypassed", "ufw")
            same(len(report.findings(exposure)), 1, "number of findings")


def main():
    tap = Tap()
    with Engine(sys.argv[1]) as engine:
        engine.run("redis", "-p", "6379:6379", serve=(6379,))
        engine.run("exporter", "--network", "host", serve=(9100,))
        docker_user(tap, engine)
        ufw(tap, engine)
    ipv6_networks(tap, sys.argv[1])
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
