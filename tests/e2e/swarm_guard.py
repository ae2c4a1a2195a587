#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""swarm_guard.py 26: a swarm of two real engines under the guard, by `apply` on the manager and by
`run` on the worker. The ports of its services and its own are closed to the host that is part of
neither, and the swarm lives; what would cut it in two is refused."""
import json
import pathlib
import sys
import tempfile
import types

from doors import Daemon, Guard
from lab import LINK, Tap, ask, netguard, same
from swarm import (GOSSIP, MANAGEMENT, MANAGER4, OUTSIDER4, VXLAN, WORKER4, Swarm, ask_overlay,
                   esp_arrives, gossip_hears, prove, reaches, tcp, until)  # fmt: skip

POLICY = """\
version: 1
mode: enforce
zones:
  - {{id: nodes, match: [{{interfaces: [%s], sources: [%s, %s]}}]}}
usage:
  cluster: {{zones: [{}], action: block}}
rules:
  - {{id: gate, allow: ["16380->6380"], to: {{service: gate}}}}
  - {{id: stores, deny: [6379, 16380], action: block}}
default: allow
""" % (LINK, MANAGER4, WORKER4)
POLICIES = {zones: types.SimpleNamespace(text=POLICY.format(zones))
            for zones in ("nodes", "public", "")}  # fmt: skip
STORE, GATE = 16379, 16380  # to 6379 and 6380


def publish(swarm, service, port, target, *networks):
    """On both nodes, each at its own port."""
    swarm.create_service(service, "--mode", "global", *(f"--network={one}" for one in networks),
                         "--publish", f"mode=host,published={port},target={target}",
                         serve=[str(target), f"{target}/udp"])  # fmt: skip
    for node in swarm.nodes:
        node.serves(service, service, target)


def cluster_is(state, swarm):
    """What who is part of neither node gets from the swarm's own ports: to be proved."""
    is_open = state == "open"
    for node in swarm.nodes:
        for address in node.addr4, node.addr6:
            yield state, tcp, node, address, GOSSIP
            if node is swarm.manager:
                yield state, tcp, node, address, MANAGEMENT
        yield is_open, gossip_hears, node, OUTSIDER4
        yield is_open, esp_arrives, node
    task = swarm.worker.address(swarm.worker.task("store"), network="backend")
    yield ("store" if is_open else None, ask_overlay, swarm.worker, swarm.vni("backend"), task,
           6379)  # fmt: skip


def ports_are(state, port, *nodes):
    for node in nodes:
        yield from ((state, tcp, node, address, port) for address in (node.addr4, node.addr6))


# -- the cases ---------------------------------------------------------------------------------


def without(tap, swarm):
    with tap.case("all of it is open without the guard"):
        prove(*cluster_is("open", swarm), *ports_are("open", STORE, *swarm.nodes))


def refused(tap, swarm, folder):
    manager, worker = swarm.nodes
    for node, zones, peer in (manager, "", WORKER4), (worker, "public", MANAGER4):
        with tap.case(f"apply with zones: [{zones}] is refused for {peer}, and installs nothing"):
            guard = Guard(node, POLICIES[zones], folder)
            done = node.netguard("apply", "--policy", guard.file)
            same((done.returncode, f"{peer} from zone nodes" in done.stderr, bool(guard.table())),
                 (2, True, False), f"status, node and table: {done.stderr}")  # fmt: skip
    with tap.case("apply --force cuts the nodes from each other, and remove mends it"):
        same(worker.netguard("apply", "--force", "--policy", guard.file).returncode, 0, "status")
        prove(("silent", tcp, worker, WORKER4, GOSSIP, None, manager.host),
              (False, esp_arrives, worker, MANAGER4, manager.host))  # fmt: skip
        same(netguard("remove", netns=worker.host).returncode, 0, "status of remove")
        same(tcp(worker, WORKER4, GOSSIP, None, manager.host), "open", "the manager's connection")


def withheld(tap, swarm, folder):
    with tap.case("run with zones: [] leaves the swarm's ports open, and says so; not the store"), \
            Daemon(swarm.worker, POLICIES[""], folder) as daemon:  # fmt: skip
        def limits():
            return json.loads((daemon.folder / "status.json").read_text())["guard"]["limits"]

        until("status names the node",
              lambda: any(f"{MANAGER4} from zone nodes" in line for line in limits()))  # fmt: skip
        prove(*cluster_is("open", swarm), *ports_are("silent", STORE, swarm.worker))


def lives(tap, swarm, guard, daemon):
    manager, worker = swarm.nodes
    with tap.case("the swarm's ports and the store are closed to who is part of neither node"):
        until("the daemon knows of encrypted networks", lambda: ". esp" in daemon.table())
        prove(*cluster_is("silent", swarm), *ports_are("silent", STORE, *swarm.nodes))
    with tap.case("the nodes get through to each other, by connections that are new"):
        prove(("open", tcp, worker, WORKER4, GOSSIP, None, manager.host),
              ("open", tcp, manager, MANAGER4, GOSSIP, None, worker.host),
              ("open", tcp, manager, MANAGER4, MANAGEMENT, None, worker.host),
              (True, esp_arrives, worker, MANAGER4, manager.host))  # fmt: skip
    with tap.case("a service is deployed to both nodes; its port in host mode opens by its name"):
        publish(swarm, "gate", GATE, 6380, "backend")
        until("the daemon opens the gate",
              lambda: ask(worker.out, WORKER4, GATE, wait_s=0.2) == "gate")  # fmt: skip
        prove(*ports_are("open", GATE, worker), *ports_are("silent", GATE, manager),
              *ports_are("silent", STORE, *swarm.nodes))  # fmt: skip
        guard.see()
        prove(*ports_are("open", GATE, *swarm.nodes))
    with tap.case("tasks of both nodes talk by the overlay network, and both nodes are ready"):
        for here, there in (manager, worker), (worker, manager):
            address = there.address(there.task("gate"), network="backend")
            same(ask(here.netns(here.task("store")), address, 6380), "gate", "answer by VXLAN")
        states = manager.docker("node", "ls", "--format", "{{.Status}} {{.Availability}}")
        same(states.splitlines(), ["Ready Active"] * 2, "nodes")


def told(tap, swarm, guard):
    node = guard.engine
    roles = {"swarm-gossip", "swarm-data-path"}
    roles |= {"swarm-management"} if node is swarm.manager else set()
    with tap.case(f"{node.addr4}: netguard says of each of the swarm's ports that it is closed to "
                  "all but the nodes"):  # fmt: skip
        report = node.check("--policy", guard.file)
        found = [f for f in report.json["findings"] if f["rule"] == "usage.cluster"]
        same({(f["id"], f["state"], f["action"]) for f in found}, {("NG005", "blocked", "block")},
             "ids, states and actions")  # fmt: skip
        own = [e for e in report.exposures if (e["role"] or "").startswith("swarm-")]
        same({e["role"] for e in own}, roles, "roles")
        same({e["id"] for e in own}, {f["exposure"] for f in found}, "exposures with a finding")
        for exposure in own:
            # A rule of the engine's asks a datagram of the data path for the network's number.
            nodes = None if exposure["family"] == "ip6" else \
                "unknown" if exposure["host_port"] == VXLAN else "reachable"  # fmt: skip
            verdicts = reaches(exposure)
            same((verdicts.get("nodes"), verdicts["public"]), (nodes, "blocked"),
                 f"reach of {exposure['role']} by {exposure['proto']}")  # fmt: skip
        same({f["state"] for f in report.json["findings"] if f["rule"] == "stores"}, {"blocked"},
             "states of findings about the store")  # fmt: skip
    with tap.case(f"{node.addr4}: what is installed is what is planned; ESP is told of"):
        done = node.netguard("plan", "--format", "json", "--policy", guard.file)
        plan = json.loads(done.stdout)
        same((done.returncode, plan["changes"]), (0, []), "status and changes")
        same([" ".join(line.split()[:4]) for line in plan["limits"] if "ESP" in line],
             ["ESP from zone containers", "ESP from zone public"], "limits")  # fmt: skip


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as folder, Swarm(sys.argv[1]) as swarm:
        folders = [pathlib.Path(folder, node.name) for node in swarm.nodes]
        for one in folders:
            one.mkdir()
        manager, worker = swarm.nodes
        manager.docker("network", "create", "--driver", "overlay", "backend")
        manager.docker("network", "create", "--driver", "overlay", "--opt", "encrypted", "sealed")
        publish(swarm, "store", STORE, 6379, "backend", "sealed")
        without(tap, swarm)
        refused(tap, swarm, folder)
        withheld(tap, swarm, folder)
        with Guard(manager, POLICIES["nodes"], folders[0]) as guard, \
                Daemon(worker, POLICIES["nodes"], folders[1]) as daemon:  # fmt: skip
            lives(tap, swarm, guard, daemon)
            told(tap, swarm, guard)
            told(tap, swarm, daemon)
            print("# " + daemon.log().replace("\n", "\n# "))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
