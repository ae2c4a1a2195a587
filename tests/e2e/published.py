#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""published.py 20|26|28: each way of publishing a port, on a host without a firewall."""
import json
import pathlib
import sys
import tempfile

from lab import HOST4, HOST6, Engine, Tap, same

POLICY = """\
version: 1
rules:
  - {{id: edge, allow: {allow}}}
default: alert
"""


def order_processing(tap, engine, policies):
    """Two containers on a network of their own; must be the only ones on the engine."""
    engine.docker("network", "create", "orders")
    engine.run("sts", "--network", "orders", "-p", "8443:8443", "-p", "9443:9443",
               serve=(8443, 9443))  # fmt: skip
    engine.run("worker", "--network", "orders", serve=(7000,))

    def policy(allow):
        file = policies / f"{len(allow)}.yaml"
        file.write_text(POLICY.format(allow=allow))
        return "--policy", file

    for port in 8443, 9443:
        for address in HOST4, HOST6:
            with tap.case(f"sts: {port} over {address} is reachable"):
                exposure, _, _ = engine.agree("sts", address, port, reachable=True)
                same(exposure["container"]["networks"], ["orders"], "networks")
    with tap.case("sts: a policy that allows both ports finds nothing, status 0"):
        report = engine.check(*policy([8443, 9443]))
        same(len(report.of("sts")) >= 4, True, "both ports of both families are seen")
        report.clean()
    with tap.case("sts: a policy that allows one finds the other, status 1"):
        report = engine.check(*policy([8443]))
        same(
            sorted(f["exposure"] for f in report.findings()),
            sorted(e["id"] for e in report.of("sts") if e["host_port"] == 9443),
            "exposures found",
        )
        same({(f["rule"], f["subject"], f["action"]) for f in report.findings()},
             {("default", "sts", "alert")}, "rule, subject and action")  # fmt: skip
        same(report.status, 1, "status")
    with tap.case("sts: the built-in policy has nothing against either"):
        engine.check().clean()


def data_stores(tap, engine):
    engine.run("redis", "-p", "6379:6379", serve=(6379,))
    engine.run("cache", "-p", "16379:6379", serve=(6379,))
    for name, port in ("redis", 6379), ("cache", 16379):
        for address, path in (HOST4, "dnat"), (HOST6, "proxy"):
            with tap.case(f"{name}: {port}->6379 over {address}, by {path}, is a critical finding"):
                exposure, reach, report = engine.agree(name, address, port, reachable=True)
                same(exposure["container_port"], 6379, "container port")
                same(exposure["paths"], [path], "paths")
                same(exposure["host_firewall"]["ufw"], "absent", "ufw")
                if path == "dnat":
                    rule = reach["decided_by"]
                    same((rule["table"], rule["chain"]), ("ip filter", "DOCKER"), "decided by")
                    same(rule["handle"] > 0 and rule["rule"] != "", True, "handle and rule")
                findings = report.findings(exposure)
                found = [(f["severity"], f["subject"]) for f in findings]
                same(found, [("critical", name)], "found")
                same("" in (findings[0]["message"], findings[0]["fix"]), False, "no words")
                same(report.status, 1, "status")


def other_kinds(tap, engine):
    loopback_is_open = engine.version < 28

    engine.run("registry", "-p", "5000:5000", serve=(5000,))
    for address in HOST4, HOST6:
        with tap.case(f"registry: 5000 over {address} is reachable"):
            engine.agree("registry", address, 5000, reachable=True)

    engine.run("admin", "-p", "127.0.0.1:7000:8080", serve=(8080,))
    word = "open" if loopback_is_open else "closed"
    with tap.case(f"admin: published on 127.0.0.1, {word} to a neighbour who routes that here"):
        engine.expect(None, HOST4, 7000)
        engine.expect(None, HOST6, 7000)
        engine.agree("admin", "127.0.0.1", 7000, reachable=loopback_is_open, published="127.0.0.1")
        same(len(engine.check().of("admin", kind="published")), 1, "number of exposures")

    engine.run("batch", serve=(7000,))
    with tap.case("batch: publishes nothing, and is not reachable by routing to it"):
        address = engine.inspect("batch", "{{.NetworkSettings.Networks.bridge.IPAddress}}")
        engine.expect(None, address, 7000)
        report = engine.check()
        same(bool(report.of("admin")), True, "others are seen")
        same({report.public(e)["verdict"] for e in report.of("batch")} - {"blocked"}, set(),
             "verdicts beside blocked")  # fmt: skip

    engine.run("single", "-p", f"{HOST4}:7001:8080", serve=(8080,))
    with tap.case("single: published on one address, reachable there only"):
        engine.agree("single", HOST4, 7001, reachable=True, published=HOST4)
        engine.expect(None, HOST6, 7001)
        engine.expect(None, "127.0.0.1", 7001)
        same(len(engine.check().of("single", kind="published")), 1, "number of exposures")

    engine.run("dns", "-p", "5353:53/udp", serve=("53/udp",))
    for address in HOST4, HOST6:
        with tap.case(f"dns: 5353/udp over {address} is reachable"):
            engine.agree("dns", address, 5353, "udp", reachable=True)

    engine.run("range", "-p", "9000-9002:9000-9002", serve=(9000, 9001, 9002))
    with tap.case("range: each of 9000-9002 is reachable, over IPv4 and IPv6"):
        for port in 9000, 9001, 9002:
            for address in HOST4, HOST6:
                engine.agree("range", address, port, reachable=True)
        engine.expect(None, HOST4, 9003)
        seen = {e["host_port"] for e in engine.check().of("range", kind="published")}
        same(seen, {9000, 9001, 9002}, "ports seen")

    engine.run("every", "-P", "--expose", "8080", "--expose", "8081", serve=(8080, 8081))
    with tap.case("every: -P publishes what the image exposes, on ports of the engine's choice"):
        for inner in 8080, 8081:
            for address, wildcard in (HOST4, "0.0.0.0"), (HOST6, "["):
                bound = engine.docker("port", "every", f"{inner}/tcp").splitlines()
                # "0.0.0.0:32768", "[::]:32768"; the oldest engine prints ":::32768"
                port = next(
                    int(b.rpartition(":")[2]) for b in bound
                    if b.replace(":::", "[::]:").startswith(wildcard)
                )  # fmt: skip
                exposure, _, _ = engine.agree("every", address, port, reachable=True)
                same(exposure["container_port"], inner, "container port")

    engine.run("exporter", "--network", "host", serve=(9100,))
    for address in HOST4, HOST6:
        with tap.case(f"exporter: on the host's network, 9100 over {address} is reachable"):
            exposure, _, _ = engine.agree(
                "exporter", address, 9100, reachable=True, kind="host-network"
            )
            same(exposure["paths"], ["local"], "paths")

    engine.run("web", "-p", "8081:8081")
    engine.run("sidecar", "--network", "container:web", serve=(8081,))
    with tap.case("sidecar: answers on a port published by the container whose network it joined"):
        engine.agree("web", HOST4, 8081, reachable=True, answer="sidecar")
    engine.run("shell", "--network", "container:exporter", serve=(9101,))
    with tap.case("shell: joined a container on the host's network, and is on it as well"):
        engine.agree("shell", HOST4, 9101, reachable=True, kind="host-network")

    engine.run("app", "--link", "redis:store", "-p", "8082:8082", serve=(8082,))
    with tap.case("app: linked to redis; both are seen and the link is in the snapshot"):
        hosts = engine.docker("exec", "app", "cat", "/etc/hosts")
        same("store" in hosts, True, "the alias stands in the container's /etc/hosts")
        engine.agree("app", HOST4, 8082, reachable=True)
        same(bool(engine.check().of("redis")), True, "redis is seen")
        same(links(engine, "app"), [("redis", "store")], "links")


def links(engine, name):
    """The links of a container, from wherever in the snapshot it stands."""

    def containers(node):
        if isinstance(node, dict) and node.get("name") == name and "links" in node:
            yield node
        if isinstance(node, (dict, list)):
            for child in node.values() if isinstance(node, dict) else node:
                yield from containers(child)

    done = engine.netguard("snapshot")
    same(done.returncode, 0, f"status of snapshot ({done.stderr})")
    (container,) = containers(json.loads(done.stdout))
    return [(link["to"], link["alias"]) for link in container["links"]]


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as policies, Engine(sys.argv[1]) as engine:
        # the outside host knows the way to the containers
        engine.outside("ip", "route", "add", "172.16.0.0/12", "via", HOST4)
        order_processing(tap, engine, pathlib.Path(policies))
        data_stores(tap, engine)
        other_kinds(tap, engine)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
