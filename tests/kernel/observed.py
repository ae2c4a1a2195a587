# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of observation share: a namespace of their own to look at, with what looks at it.

    test_….py NETGUARD...           the command line that prints a snapshot of this host
                                    (default: $NETGUARD snapshot)
"""
import ctypes
import json
import os
import socket
import struct
import subprocess
import sys
import time

NETGUARD = sys.argv[1:] or [os.path.abspath(os.environ["NETGUARD"]), "snapshot"]
INSIDE = "NETGUARD_TEST_INSIDE"


def run(*command, **more):
    """The output of a command that has to succeed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit {done.returncode}")
    return done.stdout


def run_json(*command):
    return json.loads(run(*command) or "[]")


def shell(lines):
    for line in lines.strip().splitlines():
        if line.strip():
            run("sh", "-c", line.strip())


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def read(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:
        return None


def snapshot(*prefix):
    done = subprocess.run([*prefix, *NETGUARD], stdout=subprocess.PIPE, text=True, check=False)
    world = json.loads(done.stdout)
    assert world["schema"] == "netguard.snapshot/1", world["schema"]
    return world


def equal(what, observed, told):
    """Compares two lists of tuples regardless of order."""
    observed, told = sorted(observed, key=repr), sorted(told, key=repr)
    missing = [x for x in told if x not in observed]
    extra = [x for x in observed if x not in told]
    assert not missing and not extra, f"{what}: missing {missing}, not there {extra}"
    assert len(observed) == len(told), f"{what}: {len(observed)} instead of {len(told)}"
    assert observed, f"{what}: nothing there, nothing compared"


def link_names(world):
    return {link["index"]: link["name"] for link in world["links"]}


def sysctl(path):
    return int(read(f"/proc/sys/net/{path}") or 0)


# -- what is left behind -------------------------------------------------------------------------


def sysctls():
    """The namespace's settings, but for the counters among them."""
    settings = {}
    for folder, _, names in os.walk("/proc/sys/net"):
        for name in names:
            path = os.path.join(folder, name)
            try:
                settings[path] = read(path)
            except OSError:  # some can only be written
                continue
    return {path: text for path, text in settings.items() if "nf_conntrack_count" not in path}


def traces():
    """All that looking could leave behind, by name."""
    files = ("modules", "net/ip_tables_names", "net/ip6_tables_names", "net/netfilter/nf_log",
             "net/protocols", "net/ptype", "filesystems")
    commands = [["nft", "--stateless", "list", "ruleset"],  # not what counts and runs out by itself
                *(["ip", "-j", *words] for words in (
                    ["link"], ["addr"], ["route", "show", "table", "all"], ["rule"], ["nexthop"],
                    ["-6", "rule"], ["-6", "route", "show", "table", "all"])),
                ["ip", "xfrm", "policy"], ["tc", "qdisc"]]
    return {**{name: read(f"/proc/{name}") for name in files},
            **{" ".join(words): run(*words, stderr=subprocess.DEVNULL) for words in commands},
            "sysctls": sysctls()}


def assert_untouched(before, after):
    for name, one in before.items():
        assert one == after[name], f"{name}: {one}\nhas become\n{after[name]}"


# -- BPF without a library -----------------------------------------------------------------------

XDP, SCHED_CLS, NETFILTER = 6, 3, 32  # kinds of programs
ATTACH_XDP, ATTACH_NETFILTER, ATTACH_TCX_INGRESS, ATTACH_TCX_EGRESS = 37, 45, 46, 47


def bpf(command, attributes_):
    buffer = ctypes.create_string_buffer(attributes_.ljust(128, b"\0"))
    libc = ctypes.CDLL(None, use_errno=True)
    number = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
    fd = libc.syscall(number, command, buffer, 128)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "bpf")
    return fd, buffer


class Attached:
    """Within `with`: a program that returns `verdict`, attached by a link that goes with it.

    Raises OSError or KeyError where the kernel refuses.
    """

    def __init__(self, kind, verdict, attach_type, target=0, more=b""):
        code = struct.pack("=BBhi", 0xb7, 0, 0, verdict) + struct.pack("=BBhi", 0x95, 0, 0, 0)
        instructions = ctypes.create_string_buffer(code)
        licence = ctypes.create_string_buffer(b"GPL")
        expected = attach_type if kind == NETFILTER else 0
        self.program, _ = bpf(5, struct.pack("=IIQQ", kind, 2, ctypes.addressof(instructions),
                                             ctypes.addressof(licence)).ljust(68, b"\0")
                              + struct.pack("=I", expected))
        try:
            self.link, _ = bpf(28, struct.pack("=IIII", self.program, target, attach_type, 0)
                               + more)
        except OSError:
            os.close(self.program)
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.link)
        os.close(self.program)


# -- the namespace -------------------------------------------------------------------------------


def settle():
    """Waits until the kernel has done what a link that comes up makes it do."""
    before = None
    for _ in range(100):
        now = run("ip", "-j", "addr") + run("ip", "-6", "-j", "route", "show", "table", "all")
        if now == before and "tentative" not in now:
            return
        before = now
        time.sleep(0.1)
    raise AssertionError("addresses and routes never settled")


def run_tests(tests, world):
    """TAP; what a test returns is why it was skipped."""
    failed = 0
    print(f"1..{len(tests)}")
    for number, test in enumerate(tests, 1):
        name = test.__name__[5:].replace("_", " ")
        try:
            skipped = test(world)
            print(f"ok {number} - {name}" + (f" # SKIP {skipped}" if skipped else ""), flush=True)
        except (AssertionError, OSError, ValueError, KeyError) as reason:
            failed += 1
            print(f"not ok {number} - {name}")
            for line in f"{type(reason).__name__}: {reason}"[:4000].splitlines():
                print(f"# {line}", flush=True)
    return 1 if failed else 0


def in_namespace(script, inside):
    """Starts `script` again in network and mount namespaces of its own, where it runs `inside`."""
    if os.environ.get(INSIDE):
        return inside()
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        return 0
    # /run of its own, so that an engine of the machine is not seen.
    mount = 'mount -t tmpfs none /run && exec "$@"'
    return subprocess.call(["unshare", "--net", "--mount", "sh", "-c", mount, "sh",
                            sys.executable, os.path.abspath(script), *NETGUARD],
                           env={**os.environ, INSIDE: "1"})
