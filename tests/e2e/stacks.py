#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""stacks.py 20|26|28: the stacks of the security guides, each with its right verdict, and the
engine's own API."""
import concurrent.futures
import http.client
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile

from lab import (EVERYBODY, HOST4, HOST6, PATIENCE_S, SILENCE_S, Engine, Tap, inside, netguard,
                 same)  # fmt: skip

REGISTRY = "registry.example:5000"  # one that the engine was told to trust without TLS


# -- who talks to whom ---------------------------------------------------------------------------


def talk(engine, asker, name, address, port):
    """Packets of a container on the same network: no rule of the host is asked about them."""
    engine.prove({(address, port): name}, engine.netns(asker))


def trace(engine, asker, network, *places):
    """What becomes of its packets that this network's bridge takes to the host."""
    at = engine.networks(asker)[network]
    bridge = "docker0" if network == "bridge" else f"br-{at['NetworkID'][:12]}"
    return engine.questions("trace", [
        {"iif": bridge, "src": at["IPAddress"], "sport": 40000, "dst": address, "proto": "tcp",
         "dport": port} for address, port in places
    ])  # fmt: skip


def kept_apart(engine, asker, network, *places):
    """A container on another network gets to none of these."""
    engine.prove({place: None for place in places}, engine.netns(asker))
    same([said["verdict"] for said in trace(engine, asker, network, *places)],
         ["dropped"] * len(places), "verdicts of trace")  # fmt: skip


def link(report, name, to):
    (found,) = (at for at in report.json["links"] if (at["from"], at["to"]) == (name, to))
    return found["network"], found["alias"], found["ports"], found["verdict"], found["opens"]


# -- stacks --------------------------------------------------------------------------------------


def order_processing(tap, engine):
    """A token service and what asks it, on the network `test`, and one who is not on it."""
    engine.docker("network", "create", "test")
    engine.run("sts", "--network", "test", "-p", "8443:8443", serve=(8443,))
    engine.run("order-processing", "--network", "test", serve=(7000,))
    engine.run("outsider", serve=(7000,))
    sts, orders = (engine.address(name, "test") for name in ("sts", "order-processing"))

    with tap.case("sts: what it publishes is reachable, and it alone"):
        for address in HOST4, HOST6:
            exposure, _, report = engine.agree("sts", address, 8443, reachable=True)
            same((exposure["container"]["networks"], report.findings(exposure)), (["test"], []),
                 "networks and findings")  # fmt: skip
    with tap.case("order-processing and sts talk to each other"):
        talk(engine, "order-processing", "sts", sts, 8443)
        talk(engine, "sts", "order-processing", orders, 7000)
    with tap.case("outsider: does not reach the network test, where it publishes a port or not"):
        kept_apart(engine, "outsider", "bridge", (sts, 8443), (orders, 7000))
    with tap.case("outsider: a published port is published for it, too: docker-proxy serves it"):
        talk(engine, "outsider", "sts", HOST4, 8443)
        (said,) = trace(engine, "outsider", "bridge", (HOST4, 8443))
        same((said["verdict"], said["to"], said["listener"]), ("delivered", "host", True), "trace")


def clair(tap, engine):
    """A scanner and its database, by the default bridge and a link."""
    engine.run("postgres", "--expose", "5432", serve=(5432,))
    engine.run("clair", "--link", "postgres", "-p", "6060-6061:6060-6061", serve=(6060, 6061))
    with tap.case("clair: both its ports are reachable"):
        for port in 6060, 6061:
            engine.agree("clair", HOST4, port, reachable=True)
    with tap.case("postgres: reached by clair, and by all others on the default bridge"):
        talk(engine, "clair", "postgres", engine.address("postgres"), 5432)
        talk(engine, "outsider", "postgres", engine.address("postgres"), 5432)
        same(link(engine.check(), "clair", "postgres"),
             ("bridge", "postgres", ["5432/tcp"], "reachable", False), "link")  # fmt: skip


def linked_store(tap, engine):
    engine.run("redis", serve=(6379,))
    engine.run("app", "--link", "redis", "-p", "8080:8080", serve=(8080,))
    with tap.case("app --link redis: app is reachable from outside, redis by app"):
        engine.agree("app", HOST4, 8080, reachable=True)
        talk(engine, "app", "redis", engine.address("redis"), 6379)
        same(link(engine.check(), "app", "redis"),
             ("bridge", "redis", ["6379/tcp"], "reachable", False), "link")  # fmt: skip


def registries(tap, engine):
    """In the open; and behind a proxy that speaks TLS, which alone is published."""
    engine.run("open-registry", "-p", "5000:5000", serve=(5000,))
    for address in HOST4, HOST6:
        with tap.case(f"open-registry: 5000 over {address} is reachable"):
            engine.agree("open-registry", address, 5000, reachable=True)
    engine.docker("rm", "-f", "open-registry")

    engine.docker("network", "create", "registry")
    engine.run("registry", "--network", "registry", serve=(5000,))
    engine.run("tls-proxy", "--network", "registry", "-p", "443:443", serve=(443,))
    with tap.case("registry: behind a proxy that is published in its place"):
        engine.agree("tls-proxy", HOST4, 443, reachable=True)
        talk(engine, "tls-proxy", "registry", engine.address("registry", "registry"), 5000)
    with tap.case("the engine trusts a registry without TLS, and says which"):
        same(engine.check().json["engines"][0]["insecure_registries"], [REGISTRY], "registries")


def gateway(tap, engine):
    """One container on two networks, the only one that gets to the data store."""
    for network in "frontend", "backend":
        engine.docker("network", "create", network)
    engine.run("store", "--network", "backend", serve=(6379,))
    engine.run("web", "--network", "frontend", serve=(8000,))
    engine.run("gateway", "--network", "frontend", "-p", "80:80", serve=(80,))
    engine.docker("network", "connect", "backend", "gateway")
    store = engine.address("store", "backend")
    with tap.case("gateway: published, on both networks, and talks to both sides"):
        exposure, _, _ = engine.agree("gateway", HOST4, 80, reachable=True)
        same(exposure["container"]["networks"], ["backend", "frontend"], "networks")
        talk(engine, "gateway", "store", store, 6379)
        talk(engine, "gateway", "web", engine.address("web", "frontend"), 8000)
        talk(engine, "web", "gateway", engine.address("gateway", "frontend"), 80)
    with tap.case("store: on the backend alone, out of reach of web"):
        kept_apart(engine, "web", "frontend", (store, 6379))


def unpublished(tap, engine):
    """What no stack publishes, nobody from outside gets to: at the host or by a route."""
    ports = {"order-processing": ("test", 7000), "postgres": ("bridge", 5432),
             "redis": ("bridge", 6379), "registry": ("registry", 5000),
             "store": ("backend", 6379), "web": ("frontend", 8000)}  # fmt: skip
    with tap.case(f"out of reach from outside: {', '.join(ports)}"):
        engine.prove({
            (address, port): None for name, (network, port) in ports.items()
            for address in (engine.address(name, network), HOST4, HOST6)
        })  # fmt: skip
        report = engine.check()
        for name in ports:
            same([e for e in report.of(name) if report.public(e)["verdict"] != "blocked"], [],
                 f"what of {name} is not blocked")  # fmt: skip
        same({f["subject"] for f in report.findings()} & set(ports), set(), "findings about them")


def bench(tap, engine):
    """The auditor has all of the host, and listens nowhere."""
    with tap.case("docker-bench: on the host's network and among its processes, exposes nothing"):
        before = {e["id"] for e in engine.check().exposures}
        engine.run("docker-bench", "--net", "host", "--pid", "host", "--cap-add", "audit_control")
        after = engine.check().exposures
        same([e for e in after if e["id"] not in before], [], "new exposures")


# -- the engine's API ----------------------------------------------------------------------------


def answers_api(engine, address, port, context=None, wait_s=PATIENCE_S):
    """Does the engine obey the outside host?"""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with inside(engine.out):
        sock = socket.socket(family)
    sock.settimeout(wait_s)
    asked = http.client.HTTPConnection("engine")
    try:
        sock.connect((address, port))
        asked.sock = context.wrap_socket(sock) if context else sock
        asked.request("GET", "/info")
        return asked.getresponse().status == 200
    except ssl.SSLError:  # in TLS 1.3 the client learns only on reading that it was refused
        return False
    except TimeoutError:
        return None
    finally:
        sock.close()
        asked.close()


def api(tap, engine, port, role, verified, context=None):
    """Reachable at all addresses. Only without a certificate asked for is it anybody's."""
    obeys = not verified
    what = {"docker-api": "without TLS", "docker-api-tls": "with TLS"}[role]
    what += " and a certificate asked for" if verified else ""
    with tap.case(f"API {what}: a port of the machine's with a role of its own"):
        for address in HOST4, HOST6:
            same(answers_api(engine, address, port, context), obeys, f"obeys at {address}")
        report = engine.check()
        found = [e for e in report.exposures if e["role"] == role]
        same([(e["kind"], e["family"], e["container"], e["host_port"], e["verified"])
              for e in found],
             [("host", family, None, port, verified) for family in ("ip", "ip6")],
             "exposures")  # fmt: skip
        for exposure, family in zip(found, (4, 6)):
            reach = report.public(exposure)
            same((reach["verdict"], reach["sources"]), ("reachable", EVERYBODY[family]), "reach")
        (seen,) = report.json["engines"]
        same({(at["port"], at["tls"]) for at in seen["open_apis"]},
             {(port, context is not None)} if obeys else set(), "open APIs")  # fmt: skip
        if role == "docker-api":
            same([{f["severity"] for f in report.findings(e)} for e in found],
                 [{"critical"}, {"critical"}], "findings")  # fmt: skip


API_POLICY = """\
version: 1
mode: enforce
usage:
  docker_api: {zones: [], action: block}
default: allow
"""


def guarded_api(tap, engine):
    with tap.case("API without TLS: closed by the guard, and the engine's socket is not"), \
            tempfile.TemporaryDirectory() as directory:  # fmt: skip
        policy = pathlib.Path(directory, "policy.yaml")
        policy.write_text(API_POLICY)
        same(engine.netguard("apply", "--policy", policy).returncode, 0, "status of apply")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            answers = pool.map(lambda at: answers_api(engine, at, 2375, wait_s=SILENCE_S),
                               (HOST4, HOST6))  # fmt: skip
            same([*answers], [None, None], "answers to the outside host")
        report = engine.check("--policy", policy)
        found = [f for f in report.json["findings"] if f["rule"] == "usage.docker_api"]
        same([(f["id"], f["state"], f["severity"]) for f in found],
             [("NG004", "blocked", "critical")] * 2, "findings")  # fmt: skip
        same(netguard("remove", netns=engine.host).returncode, 0, "status of remove")
        same(answers_api(engine, HOST4, 2375), True, "obeys without the guard")


def with_tls(tap, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # The engine's root has this machine's /dev.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        key, certificate = f"{directory}/key.pem", f"{directory}/certificate.pem"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
                   "-subj", "/CN=engine", "-keyout", key, "-out", certificate]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
        for verified in False, True:  # by the certificate alone, an engine would ask for one
            with Engine(version, "-H", "tcp://0.0.0.0:2376", f"--tlskey={key}",
                        f"--tlscert={certificate}", f"--tlscacert={certificate}",
                        "--tls", f"--tlsverify={str(verified).lower()}") as engine:  # fmt: skip
                api(tap, engine, 2376, "docker-api-tls", verified, context)


# -- other users' ids ----------------------------------------------------------------------------


def remapped(tap, version):
    """Containers whose root is another user of the host: in the network that changes nothing."""
    with Engine(version, "--userns-remap=remapped") as engine:
        engine.run("redis", "-p", "6379:6379", serve=(6379,))
        engine.run("exporter", "--network", "host", "--userns", "host", serve=(9100,))
        with tap.case("userns-remap: the engine's containers are seen as ever"):
            pid = engine.api("/containers/redis/json")["State"]["Pid"]
            uids = pathlib.Path(f"/proc/{pid}/uid_map").read_text().split()
            same(uids[0] == uids[1], False, "root of the container is root of the host")
            engine.agree("redis", HOST4, 6379, reachable=True)
            _, _, report = engine.agree("exporter", HOST4, 9100, reachable=True,
                                        kind="host-network")  # fmt: skip
            same([at["userns"] for at in report.json["engines"]], [True], "userns")


def main():
    tap = Tap()
    version = sys.argv[1]
    with Engine(version, "-H", "tcp://0.0.0.0:2375", "--tls=false",
                "--insecure-registry", REGISTRY) as engine:  # fmt: skip
        engine.outside("ip", "route", "add", "172.16.0.0/12", "via", HOST4)
        api(tap, engine, 2375, "docker-api", None)
        if engine.version == 20:  # no engine has a rule about that port
            guarded_api(tap, engine)
        order_processing(tap, engine)
        clair(tap, engine)
        linked_store(tap, engine)
        registries(tap, engine)
        gateway(tap, engine)
        unpublished(tap, engine)
        bench(tap, engine)
    with_tls(tap, version)
    remapped(tap, version)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
