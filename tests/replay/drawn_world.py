# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts drawn at random, as `netguard snapshot` would write them down."""
import base64

import nft_dump

PORTS = [22, 53, 80, 80, 123, 443, 443, 2375, 2376, 2377, 3306, 4789, 5432, 6379, 6379, 7000, 7005,
         7946, 8000, 8009, 8080, 8443, 9000, 11211, 16379, 65535]  # fmt: skip
# What built-in groups name for TCP and for UDP they name for SCTP, too: not read from the manual.
NO_SCTP = {4648, 7946, 8301, 8302, 11211}
PROTOS = ["tcp", "tcp", "tcp", "udp", "sctp"]
NAMES = ["api", "cache-1", "cache-2", "db", "gateway", "legacy-redis", "node-exporter", "redis",
         "web.1", "web.2", "Web"]  # fmt: skip
IMAGES = ["redis:7", "registry.example/shop/redis:6", "postgres", "nginx:1.25",
          "shop/api@sha256:77"]  # fmt: skip
PROCESSES = ["sshd", "nginx", "postgres", "systemd-resolve", "dockerd", None]
LABELS = {"role": ["gateway", "data", ""], "tier": ["1", "2"], "com.example.owner": ["a*b", "ops"]}
HOST_ADDRS = ["0.0.0.0", "::", "192.0.2.1", "10.1.0.1", "2001:db8:1::1", "127.0.0.1"]
LINKS = {1: "lo", 2: "eth0", 3: "eth1", 4: "wg0", 5: "docker0", 6: "br-0123456789ab",
         7: "docker_gwbridge"}  # fmt: skip
SUBNETS = [(2, "192.0.2.1", "192.0.2.0", 24), (2, "2001:db8:1::1", "2001:db8:1::", 64),
           (3, "10.1.0.1", "10.1.0.0", 16), (4, "10.8.0.1", "10.8.0.0", 24),
           (5, "172.17.0.1", "172.17.0.0", 16), (6, "172.18.0.1", "172.18.0.0", 16),
           (6, "2001:db8:d::1", "2001:db8:d::", 64),
           (7, "172.19.0.1", "172.19.0.0", 16)]  # fmt: skip
NETWORKS = [("backend", "bridge", "br-0123456789ab"), ("bridge", "bridge", "docker0"),
            ("host", "host", None), ("ingress", "overlay", None), ("lan", "macvlan", None),
            ("mesh", "overlay", None)]  # fmt: skip
INGRESS_SANDBOX = "172.19.0.2"


def identity(number):
    return f"{number:064x}"


def is_ip6(addr):
    return ":" in addr


class World:
    """Draws one. `snapshot` is what netguard is given, `fact(exposure)` what it is about."""

    def __init__(self, rnd):
        self.rnd = rnd
        self.taken = set()  # ports of the host, by protocol
        self.ruleset = nft_dump.Ruleset()
        self.listeners, self.listener_facts = [], {}
        self.swarm = rnd.random() < 0.5
        self.manager = self.swarm and rnd.random() < 0.6
        self.data_path_port = rnd.choice([4789, 4789, 8000])
        self.open_apis = []
        self.uplinks = rnd.sample([2, 3, 4], rnd.randint(1, 3))
        self.services = self.draw_services() if self.swarm else []
        count = rnd.choice([0, 1, 2, 3, 4, 5, 6])
        self.containers = [self.draw_container(*each)
                           for each in enumerate(sorted(rnd.sample(NAMES, count)))]
        self.draw_listeners()
        self.draw_rules()
        self.snapshot = self.write()

    # -- containers ----------------------------------------------------------------------

    def draw_port(self, proto):
        port = self.rnd.choice([*PORTS, self.rnd.randint(1, 65535)])
        return self.draw_port(proto) if proto == "sctp" and port in NO_SCTP else port

    def free_port(self, proto, port=None):
        """`port`, or another that nobody has."""
        while port is None or (proto, port) in self.taken:
            port = self.draw_port(proto)
        self.taken.add((proto, port))
        return port

    def draw_labels(self):
        return {key: self.rnd.choice(values) for key, values in LABELS.items()
                if self.rnd.random() < 0.5}

    def draw_networks(self):
        rnd = self.rnd
        if rnd.random() < 0.2:
            return ["host"]
        choice = ["backend", "bridge", "lan"] + (["mesh"] if self.swarm else [])
        return sorted(rnd.sample(choice, rnd.choice([1, 1, 1, 2, 2, 3])))

    def endpoint(self, network, number):
        own = {"backend": (f"172.18.0.{number + 2}", f"2001:db8:d::{number + 2:x}"),
               "bridge": (f"172.17.0.{number + 2}", None), "lan": (f"192.0.2.{number + 100}", None),
               "mesh": (f"10.0.1.{number + 2}", None), "host": (None, None)}[network]
        ids = [name for name, _, _ in NETWORKS]
        return {"network": network, "network_id": identity(ids.index(network) + 900),
                "addr4": own[0], "addr6": own[1]}

    def draw_published(self):
        rnd, published = self.rnd, []
        for _ in range(rnd.choice([0, 0, 1, 1, 2, 3])):
            proto = rnd.choice(PROTOS)
            inner = self.draw_port(proto)
            outer = self.free_port(proto, inner if rnd.random() < 0.5 else None)
            for addr in rnd.choice([["0.0.0.0"], ["0.0.0.0", "::"], [rnd.choice(HOST_ADDRS)],
                                    rnd.sample(HOST_ADDRS[2:], 2)]):
                published.append({"host_addr": addr, "host_port": outer,
                                  "container_port": inner, "proto": proto})
        return sorted(published, key=lambda p: (nft_dump.PROTO[p["proto"]], p["host_port"]))

    def draw_container(self, number, name):
        rnd = self.rnd
        networks = self.draw_networks()
        is_task = rnd.random() < 0.4
        exposed = {(proto, self.draw_port(proto))
                   for proto in rnd.sample(PROTOS, rnd.choice([0, 0, 1, 2]))}
        return {
            "id": identity(number + 1), "name": name, "image": rnd.choice(IMAGES),
            # Some are replicas of one service, whose ports no id tells apart.
            "service": f"shop_{rnd.choice([name, 'web'])}" if is_task else None,
            "stack": rnd.choice(["shop", None]) if is_task else None,
            "network_mode": "host" if networks == ["host"] else "default", "network_of": None,
            "labels": [{"key": key, "value": value}
                       for key, value in sorted(self.draw_labels().items())],
            "endpoints": [self.endpoint(network, number) for network in networks],
            "published": [] if networks == ["host"] else self.draw_published(),
            "links": [],
            "exposed": [{"port": port, "proto": proto} for proto, port in sorted(
                exposed, key=lambda each: (nft_dump.PROTO[each[0]], each[1]))],
        }  # fmt: skip

    def draw_services(self):
        services = []
        for name in sorted(self.rnd.sample(["shop_gateway", "shop_redis", "metrics"],
                                           self.rnd.choice([0, 1, 2]))):
            proto = self.rnd.choice(["tcp", "udp"])
            port = self.free_port(proto)
            services.append({
                "name": name, "stack": "shop" if name.startswith("shop_") else None,
                "ports": [{"proto": nft_dump.PROTO[proto], "port": port,
                           "target": self.rnd.choice([port, 80, 6379, 0])}],
            })  # fmt: skip
        return services

    # -- sockets -------------------------------------------------------------------------

    def listen(self, addr, proto, port, process, container_id=None, role=None):
        v6only = is_ip6(addr) and process == "docker-proxy"
        self.listeners.append({
            "addr": addr, "port": port, "proto": proto, "v6only": v6only, "link": 0, "pid": 77,
            "process": process, "container_id": container_id})  # fmt: skip
        self.listener_facts[proto, port] = {"process": process, "role": role}

    def draw_engine_sockets(self):
        """Of dockerd, and the kernel's for overlay networks: what they are for is known."""
        rnd, addr = self.rnd, self.rnd.choice(HOST_ADDRS[:4])
        for role, port in ("docker-api", 2375), ("docker-api-tls", 2376), ("docker-api", 9000), \
                ("docker-api-tls", 8443):
            if ("tcp", port) not in self.taken and rnd.random() < 0.2:
                self.listen(addr, "tcp", self.free_port("tcp", port), "dockerd", role=role)
                if port in (9000, 8443):
                    self.open_apis.append({"addr": addr, "port": port, "tls": port == 8443})
        own = [("tcp", 7946, "dockerd", "swarm-gossip"), ("udp", 7946, "dockerd", "swarm-gossip"),
               ("udp", self.data_path_port, None, "swarm-data-path"),
               ("tcp", 2377, "dockerd", "swarm-management")]  # fmt: skip
        for proto, port, process, role in own[:4 if self.manager else 3] if self.swarm else []:
            if (proto, port) not in self.taken:
                self.listen("::", proto, self.free_port(proto, port), process, role=role)

    def draw_listeners(self):
        rnd = self.rnd
        for container in self.containers:
            for published in container["published"]:
                if rnd.random() < 0.6:
                    self.listen(published["host_addr"], published["proto"], published["host_port"],
                                "docker-proxy")
        self.draw_engine_sockets()
        on_host = [each["id"] for each in self.containers if each["network_mode"] == "host"]
        for _ in range(rnd.choice([0, 1, 2, 3, 4])):
            proto = rnd.choice(PROTOS)
            port = self.free_port(proto)
            process = rnd.choice(PROCESSES)
            if process in ("dockerd", None) and port in (2375, 2376, 2377, 7946, 4789, 8000):
                process = "nginx"  # else it were the engine's
            holder = rnd.choice(on_host) if on_host and rnd.random() < 0.6 else None
            self.listen(rnd.choice(HOST_ADDRS), proto, port, process, holder)
        self.listeners.sort(key=lambda each: (nft_dump.PROTO[each["proto"]], each["port"],
                                              is_ip6(each["addr"])))

    # -- the firewall --------------------------------------------------------------------

    def draw_rules(self):
        """Ways in by address translation; then who keeps whom out: the guard or another."""
        rnd, ruleset = self.rnd, self.ruleset
        for container in self.containers:
            addr = next((each["addr4"] for each in container["endpoints"]
                         if each["network"] in ("bridge", "backend")), None)
            for published in container["published"]:
                if addr and not is_ip6(published["host_addr"]) and rnd.random() < 0.6:
                    place = ruleset.chain("ip", "nat", "DOCKER", nft_dump.PREROUTING, -100, "nat")
                    asked = nft_dump.goes_to(published["proto"], published["host_port"])
                    ruleset.rule(place, *asked,
                                 *nft_dump.leads_to(addr, published["container_port"]))
        for service in self.services:
            port = service["ports"][0]
            proto = {6: "tcp", 17: "udp"}[port["proto"]]
            place = ruleset.chain("ip", "nat", "DOCKER-INGRESS", nft_dump.PREROUTING, -100, "nat")
            ruleset.rule(place, *nft_dump.goes_to(proto, port["port"]),
                         *nft_dump.leads_to(INGRESS_SANDBOX, port["port"]))
        for _ in range(rnd.choice([0, 0, 1, 2, 4])):
            self.draw_drop()

    def draw_drop(self):
        rnd, ruleset = self.rnd, self.ruleset
        guard, other = ("inet", "netguard", "early", -310), ("ip", "filter", "early", -300)
        place = rnd.choice([guard, guard, other])
        known = [(each["proto"], each["port"]) for each in self.listeners] + [("esp", None)]
        known += [(port["proto"], port["port"]) for each in self.containers
                  for port in each["exposed"]]
        known += [(port["proto"], port["host_port"]) for each in self.containers
                  for port in each["published"]]
        tests = nft_dump.goes_to(*rnd.choice(known))
        if rnd.random() < 0.4:
            tests += nft_dump.comes_in_by(LINKS[rnd.choice(self.uplinks)])
        if place == other and rnd.random() < 0.4:
            tests += nft_dump.comes_from(rnd.choice([10, 198]))
        elif rnd.random() < 0.2:
            tests += nft_dump.undecidable()
        family, table, chain, priority = place
        ruleset.rule(ruleset.chain(family, table, chain, nft_dump.PREROUTING, priority), *tests,
                     nft_dump.verdict(nft_dump.DROP))  # fmt: skip

    # -- as a snapshot -------------------------------------------------------------------

    def encrypts(self):
        return self.swarm and any(each["network"] == "mesh" for container in self.containers
                                  for each in container["endpoints"])

    def write_engine(self):
        return {
            "endpoint": "unix:///run/docker.sock", "version": "28.5.2", "api_version": "1.51",
            "name": "vm", "firewall_backend": "iptables", "swarm": self.swarm, "rootless": False,
            "manager": self.manager, "node_addr": "192.0.2.1" if self.swarm else None,
            "data_path_port": self.data_path_port if self.swarm else 0,
            "containers": self.containers,
            "networks": [{
                "id": identity(number + 900), "name": name, "driver": driver, "bridge": bridge,
                "internal": False, "ingress": name == "ingress", "attachable": False,
                "ipv6": name == "backend", "parent": "eth0" if name == "lan" else None,
                "is_default": name == "bridge", "encrypted": name == "mesh",
            } for number, (name, driver, bridge) in enumerate(NETWORKS)],
            "services": self.services, "open_apis": self.open_apis,
        }  # fmt: skip

    def write_links(self):
        return [{
            "name": name, "index": index, "master": 0,
            "kind": "bridge" if index >= 5 else "", "type": 772 if index == 1 else 1,
            "up": index == 1 or index >= 5 or index in self.uplinks, "loopback": index == 1,
            "xdp": False, "rp_filter": self.rnd.choice([0, 1, 2]), "route_localnet": False,
            "forwarding4": True, "forwarding6": True,
        } for index, name in LINKS.items()]  # fmt: skip

    def write_routes(self):
        def route(dst, length, kind, table, oif, via=False):
            return {"dst": dst, "prefix_len": length, "type": kind, "scope": 0, "has_gateway": via,
                    "table": table, "priority": 0, "oif": oif}  # fmt: skip
        routes = [route("127.0.0.0", 8, 2, 255, 1), route("0.0.0.0", 0, 1, 254, 2, True),
                  route("::", 0, 1, 254, 2, True)]  # fmt: skip
        for link, addr, subnet, length in SUBNETS:
            routes += [route(subnet, length, 1, 254, link),
                       route(addr, 128 if is_ip6(addr) else 32, 2, 255, link)]
        return sorted(routes, key=lambda each: (is_ip6(each["dst"]), each["table"],
                                                -each["prefix_len"], each["dst"]))

    def write(self):
        rules = [(family, priority, table) for family in ("ip", "ip6")
                 for priority, table in ((0, 255), (32766, 254))]
        return {
            "schema": "netguard.snapshot/1", "host": "vm", "time": "2026-11-22T12:00:00Z",
            "gaps": [], "no_engine": None, "engines": [self.write_engine()],
            "links_read": True, "links": self.write_links(),
            "addresses": [{"addr": "127.0.0.1", "prefix_len": 8, "link": 1}] + [
                {"addr": addr, "prefix_len": length, "link": link}
                for link, addr, _, length in SUBNETS],
            "routes_read": True, "routes": self.write_routes(),
            "route_rules": [{
                "family": family, "action": 1, "invert": False, "other_selectors": False,
                "priority": priority, "table": table, "fwmark": 0, "fwmask": 0, "src": None,
                "dst": None, "src_len": 0, "dst_len": 0, "iif": None, "oif": None,
            } for family, priority, table in rules],
            "listeners_read": True, "listeners": self.listeners,
            "nftables": {"generation": 1, "read": True, "byte_order": "little",
                         "dump": base64.b64encode(self.ruleset.dump()).decode()},
        }  # fmt: skip

    # -- what an exposure is about ---------------------------------------------------------

    def container_fact(self, container_id):
        container = next(each for each in self.containers if each["id"] == container_id)
        return {
            **{key: container[key] for key in ("name", "image", "service", "stack")},
            "labels": {each["key"]: each["value"] for each in container["labels"]},
            "networks": [each["network"] for each in container["endpoints"]],
        }

    def service_fact(self, name):
        service = next(each for each in self.services if each["name"] == name)
        return {"name": name, "image": None, "service": name, "stack": service["stack"],
                "labels": {}, "networks": ["ingress"]}  # fmt: skip

    def fact(self, exposure):
        """Of what netguard tells of it nothing is taken over but whose port it is, and which."""
        fact = {key: exposure[key] for key in ("proto", "host_port", "container_port")}
        if exposure["kind"] == "host":
            own = {"process": None, "role": "swarm-data-path"}
            if exposure["proto"] != "esp":
                own = self.listener_facts[exposure["proto"], exposure["host_port"]]
            return {**fact, "container": None, **own}
        if exposure["kind"] == "ingress":
            container = self.service_fact(exposure["container"]["name"])
        else:
            container = self.container_fact(exposure["container"]["id"])
        return {**fact, "container": container, "process": None, "role": None}
