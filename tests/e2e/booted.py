# SPDX-License-Identifier: GPL-2.0-or-later
"""A host booted by systemd, with the daemon as its unit starts it and containers on its engine: a
store that is denied, and others that are allowed. And what happens to such a host."""
import contextlib
import json
import pathlib
import socket
import time

from doors import Place, tell, until
from lab import HERE, HOST4, HOST6, NETGUARD, Host, LabError

STORE, GATE, HOSTED, OWN, LATE = 6379, 6380, 6390, 2222, 6381
NETWORK, BRIDGE = "172.30.0.0/24", "172.30.0.1"
ADDRESS = {"store": "172.30.0.2", "gate": "172.30.0.3", "late": "172.30.0.4"}
MAC = {name: "02:42:" + socket.inet_aton(address).hex(":") for name, address in ADDRESS.items()}

ALLOWED = f"{GATE}, {LATE}, {HOSTED}"
POLICY = f"""\
version: 1
mode: enforce
rules:
  - {{id: gate, allow: [{ALLOWED}], to: {{label: {{role: gate}}}}}}
"""
POLICIES = {
    "deny": POLICY + f"""\
  - {{id: all, deny: [{STORE}, {ALLOWED}], action: block}}
default: allow
""",
    "deny with `to`": POLICY + f"""\
  - {{id: data, deny: [{STORE}, {ALLOWED}], to: {{label: {{tier: data}}}}, action: block}}
default: allow
""",
    "default: block": POLICY + "default: block\n",
}
RULES = {"deny": "all", "deny with `to`": "data", "default: block": "default"}  # that block

# 6379->6379 and 16379->6379: by translation, to the container's own address, by docker-proxy.
DENIED = [Place(HOST4, STORE), Place(HOST4, 16379), Place(ADDRESS["store"], STORE)]
PROXIED = Place(HOST6, STORE, forwarded=False)

# Each byte comes back. Of what is lost the next attempt is made soon, however long it has been.
THIN_LINEAR_TIMEOUTS = 16  # TCP_THIN_LINEAR_TIMEOUTS of linux/tcp.h
ECHO = f"""\
import socket, sys, threading
def echo(peer):
    peer.setsockopt(socket.IPPROTO_TCP, {THIN_LINEAR_TIMEOUTS}, 1)
    try:
        while data := peer.recv(4096):
            peer.sendall(data)
    except OSError:
        pass
    peer.close()
server = socket.create_server(("", int(sys.argv[1])))
while True:
    threading.Thread(target=echo, args=server.accept()[:1], daemon=True).start()
"""

POLICY_FILE = "etc/netguard/policy.yaml"
UNIT = HERE.parents[1] / "packaging/netguard.service"
TREE = {
    "usr/sbin/netguard": pathlib.Path(NETGUARD).read_bytes(),
    "lab/knock": (pathlib.Path(NETGUARD).parent / "tests/knock").read_bytes(),
    "lab/echo.py": ECHO,
    POLICY_FILE: POLICIES["deny"],
    "etc/systemd/system/netguard.service": UNIT.read_text(),
    "etc/systemd/system/multi-user.target.wants/netguard.service": ("../netguard.service",),
    # The machine's own service.
    "etc/systemd/system/own.service": f"[Service]\nExecStart=python3 /lab/echo.py {OWN}\n",
    "etc/systemd/system/multi-user.target.wants/own.service": ("../own.service",),
    "etc/systemd/system/docker.service.d/often.conf": "[Unit]\nStartLimitIntervalSec=0\n",
    "etc/ufw/ufw.conf": "ENABLED=yes\nLOGLEVEL=off\n",
}


class Booted(Host):
    def __init__(self, name):
        super().__init__(name, TREE)
        self.policy = "deny"
        self.killed = self.back = 0  # how often the daemon was, and when it was back

    # -- its containers --

    def begin(self, name, command, network="data", published=(), labels=None):
        host = {"Binds": ["/lab:/lab:ro", "/usr:/usr:ro"], "NetworkMode": network,
                "RestartPolicy": {"Name": "always"},
                "PortBindings": {f"{port}/tcp": [{"HostPort": str(outer)} for outer in outers]
                                 for port, outers in published}}  # fmt: skip
        body = {"Image": "lab", "Entrypoint": command.split(), "StopSignal": "KILL",
                "Labels": labels or {}, "HostConfig": host,
                "ExposedPorts": {port: {} for port in host["PortBindings"]}}  # fmt: skip
        if network == "data":
            ipam = {"IPAMConfig": {"IPv4Address": ADDRESS[name]}}
            body |= {"MacAddress": MAC[name],
                     "NetworkingConfig": {"EndpointsConfig": {"data": ipam}}}  # fmt: skip
            # On engines before 28 a bridge that has looked for its neighbour in vain goes on doing
            # so for most of a second after it has come, and it seems closed.
            self.net("ip", "neighbour", "replace", ADDRESS[name], "lladdr", MAC[name],
                     "dev", "data0", "nud", "permanent")  # fmt: skip
        tell(self, "POST", f"/containers/create?name={name}", body)
        tell(self, "POST", f"/containers/{name}/start")

    def begin_late(self):
        self.begin("late", f"/lab/knock answer {LATE}", labels={"role": "gate"},
                   published=[(LATE, (LATE,))])  # fmt: skip

    def end_late(self):
        tell(self, "DELETE", "/containers/late?force=1")

    def begin_all(self):
        """But the late one."""
        tell(self, "POST", "/networks/create", {
            "Name": "data", "IPAM": {"Config": [{"Subnet": NETWORK}]},
            "Options": {"com.docker.network.bridge.name": "data0"}})  # fmt: skip
        self.begin("store", f"/lab/knock answer {STORE}", labels={"tier": "data"},
                   published=[(STORE, (STORE, 16379))])  # fmt: skip
        self.begin("gate", f"python3 /lab/echo.py {GATE}", labels={"role": "gate"},
                   published=[(GATE, (GATE,))])  # fmt: skip
        self.begin("hosted", f"python3 /lab/echo.py {HOSTED}", labels={"role": "gate"},
                   network="host")  # fmt: skip
        self.sh("ufw", "allow", f"{OWN},{HOSTED}/tcp")
        self.outside("ip", "route", "add", NETWORK, "via", HOST4)
        self.all_serve()

    def all_serve(self):
        """None of them is asked: whatever comes to the store counts."""
        ports = {"store": STORE, "gate": GATE, "hosted": HOSTED}
        until(lambda: all(self.listens(name, ports[name]) for name in ports), "all of them listen")

    def listens(self, container, port):
        with contextlib.suppress(OSError):
            pid = self.api(f"/containers/{container}/json")["State"]["Pid"]
            tables = (self.root / f"proc/{pid}/net/{name}" for name in ("tcp", "tcp6"))
            return pid and any(f":{port:04X} " in line and " 0A " in line
                               for table in tables for line in table.open())  # fmt: skip

    # -- its daemon --

    def status(self):
        return json.loads((self.root / "run/netguard/status.json").read_text())

    def show(self, unit, what):
        return self.sh("systemctl", "show", "-P", what, unit)

    @contextlib.contextmanager
    def drop_in(self, text):
        """The daemon's unit with these settings of its section [Service]."""
        path = self.root / "run/systemd/system/netguard.service.d/drop-in.conf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"[Service]\n{text}\n")
        self.sh("systemctl", "daemon-reload")
        try:
            yield
        finally:
            path.unlink()
            self.sh("systemctl", "daemon-reload")
            self.sh("systemctl", "restart", "netguard")

    def settle(self):
        """Wait until the daemon follows the engine, and has looked at everything since."""
        until(lambda: all(engine["connected"] for engine in self.status()["engines"]), "followed")
        self.sh("systemctl", "reload", "netguard")  # comes back when it has

    def journal(self, since):
        with contextlib.suppress(LabError):
            return self.sh("journalctl", "-o", "short-precise", "--no-hostname", "-u", "netguard",
                           "-u", "docker.service", "_PID=1", "+", "_COMM=netguard",
                           "--since", f"@{since:.3f}")  # fmt: skip

    # -- what happens to it --

    def flush_ruleset(self):
        self.sh("nft", "flush", "ruleset")

    def iptables_flush(self):
        self.sh("iptables", "-F")

    def iptables_save(self):
        self.sh("sh", "-c", "iptables-save >/run/rules.v4; ip6tables-save >/run/rules.v6")

    def iptables_restore(self):
        self.sh("sh", "-c", "iptables-restore </run/rules.v4; ip6tables-restore </run/rules.v6")

    def ufw_reload(self):
        self.sh("ufw", "reload")

    def restart_engine(self):
        self.restart(live=False)

    def restart_engine_live(self):
        self.restart(live=True)

    def live_restore(self, live):
        """Whether containers outlive the engine."""
        if self.api("/info")["LiveRestoreEnabled"] != live:
            (self.root / "etc/docker/daemon.json").write_text(json.dumps({"live-restore": live}))
            self.sh("systemctl", "reload", "docker")
            until(lambda: self.api("/info")["LiveRestoreEnabled"] == live, "the engine reloads")

    def restart(self, live):
        self.live_restore(live)
        self.sh("systemctl", "restart", "docker")
        self.all_serve()
        if self.show("netguard", "ActiveState") == "active":
            self.settle()

    def kill(self, then="true"):
        """The daemon; `then` once it is dead."""
        old = self.status()["pid"]
        self.sh("sh", "-c", "systemctl kill -s KILL netguard; "
                f"while [ -e /proc/{old} ]; do :; done; {then}")  # fmt: skip
        until(lambda: self.status()["pid"] != old, "the daemon is back")
        self.killed, self.back = self.killed + 1, time.monotonic()

    def kill_and_flush(self):
        self.kill(then="nft flush ruleset")

    def reload(self):
        names = list(POLICIES)
        self.policy = names[(names.index(self.policy) + 1) % len(names)]
        new = self.root / f"{POLICY_FILE}.new"
        new.write_text(POLICIES[self.policy])
        new.rename(self.root / POLICY_FILE)
        self.sh("systemctl", "reload", "netguard")
        until(lambda: self.status()["guard"]["dropped"][0]["rule"] == RULES[self.policy],
              "the policy is in force")  # fmt: skip
