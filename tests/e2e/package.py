#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian package: what is in it, and how it is installed, upgraded and removed by apt on a host
that systemd has booted, while somebody outside knocks at a denied port without a pause."""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from booted import DENIED, TREE, Booted
from doors import SETTLE_S, Knock, until
from lab import HERE, LAB, NETGUARD, Host, Tap, same

ROOT = HERE.parents[1]
PACKAGING, BUILD = ROOT / "packaging", pathlib.Path(NETGUARD).parent
ADDED = "etc/netguard/policy.d/10-enforce.yaml"
ENFORCE = "mode: enforce\ndefaults: {action: block}\n"
# What the lab's root has not, of this machine.
TOOLS = ["apt", "diffutils", "dpkg", "init-system-helpers", "libc-bin", "perl-base", "tar"]
# Only in the package, and what is elsewhere in it than `meson install` puts it.
DEBIAN = {"usr/share/doc/netguard/changelog.gz", "usr/share/doc/netguard/copyright",
          "usr/share/lintian/overrides/netguard"}  # fmt: skip
MOVED = [("usr/local/", "usr/"), ("lib/systemd/system/", "usr/lib/systemd/system/"),
         ("zsh/site-functions/", "zsh/vendor-completions/")]  # fmt: skip
EVERYWHERE = {"--help", "--version"}
TARGETS = {"bash": "bash-completion/completions/netguard",
           "zsh": "zsh/vendor-completions/_netguard",
           "fish": "fish/vendor_completions.d/netguard.fish"}  # fmt: skip


def run(*command, **how):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **how)  # fmt: skip
    if done.returncode:
        raise AssertionError(f"{command[0]} ended with {done.returncode}: {done.stdout[-4000:]}")
    return done.stdout


# -- the package ---------------------------------------------------------------------------------


def build(folder, **env):
    """A package, built somewhere in this folder."""
    folder.mkdir()
    run("nice", PACKAGING / "build-deb", folder, env=os.environ | {"TMPDIR": str(folder)} | env)
    (deb,) = folder.glob("*.deb")
    return deb


def unpack(deb):
    """Where all of it is: its files, and DEBIAN/ with what dpkg reads."""
    folder = deb.with_suffix("")
    run("dpkg-deb", "--raw-extract", deb, folder)
    return folder


def newer(deb, version):
    """The same under another version, in its control file and in the program."""
    folder = unpack(shutil.copy(deb, deb.with_name(f"netguard_{version}.deb")))
    old = run("dpkg-deb", "--field", deb, "Version").strip()
    same(len(old), len(version), "bytes of a version")
    for path in folder / "DEBIAN/control", folder / "usr/sbin/netguard":
        new = path.read_bytes().replace(old.encode(), version.encode())
        path.write_bytes(new)
    run("dpkg-deb", "--root-owner-group", "-Znone", "--build", folder, f"{folder}.deb")
    return pathlib.Path(f"{folder}.deb")


def files(folder):
    """What is in there, by path."""
    return {str(path.relative_to(folder)): path for path in folder.rglob("*")
            if not path.is_dir()}  # fmt: skip


def moved(path):
    for here, there in MOVED:
        if path.startswith(here) or "/" + here in path:
            path = path.replace(here, there)
    return path.replace("usr/usr/", "usr/")


def contents(tap, deb, folder):
    with tap.case("lintian has nothing to say"):
        same(run("lintian", "--fail-on", "error,warning", "--allow-root", deb), "", "of lintian")
    with tap.case("it is small"):
        program, package = (folder / "usr/sbin/netguard").stat().st_size, deb.stat().st_size
        print(f"# stripped program: {program} bytes, package: {package} bytes")
        assert program < 1_000_000 and package < 500_000
    with tap.case("`meson install` gives the same files"), \
            tempfile.TemporaryDirectory() as other:  # fmt: skip
        run("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", other)
        theirs = {moved(path): file for path, file in files(pathlib.Path(other)).items()}
        ours = {moved(path): file for path, file in files(folder).items()
                if not path.startswith("DEBIAN/") and path not in DEBIAN}  # fmt: skip
        same(sorted(path.removesuffix(".gz") for path in ours), sorted(theirs), "files")
        for path in ours.keys() & theirs.keys() - {"usr/sbin/netguard"}:
            text = theirs[path].read_bytes().replace(b"/usr/local/sbin", b"/usr/sbin")
            same(ours[path].read_bytes(), text, path)
        for page in [path for path in ours if path.endswith(".gz")]:
            same(run("zcat", ours[page]), theirs[page.removesuffix(".gz")].read_text(), page)
            assert re.match(r'(?s)\.\\" .*?\n\.SH\nNAME\n\.LP\nnetguard', run("zcat", ours[page]))


def says_so_itself(tap):
    with tap.case("packages to build with, versions and policies stand in two places alike"):
        control = (PACKAGING / "debian/control").read_text()
        wanted = re.search(r"Build-Depends:((?:\n .*)+)", control)[1]
        names = set(re.findall(r"^ ([a-z0-9.+-]+)", wanted, re.MULTILINE)) - {"debhelper-compat"}
        script = re.sub(r"\\\n", " ", (PACKAGING / "build-deps").read_text())
        listed = set(re.search(r'for package in (.*) "\$@"', script)[1].split())
        # Each build of Debian has the first two, and meson the third.
        same(listed - {"gcc", "libc6-dev", "ninja-build"}, names, "packages to build with")
        same(re.search(r"\((\S+)\)", (PACKAGING / "debian/changelog").read_text())[1],
             re.search(r"version : '([^']+)'", (ROOT / "meson.build").read_text())[1], "version")
        built_in = (ROOT / "policy/language/built_in.c").read_text()
        lines = re.findall(r'^    "(.*)\\n"', built_in, re.MULTILINE)
        default = (PACKAGING / "policy.yaml").read_text().splitlines()
        same([line for line in default if line and not line.startswith("#")],
             [line.replace('\\"', '"') for line in lines if line], "policy")  # fmt: skip


# -- completions ---------------------------------------------------------------------------------


# Each shell is asked what may follow some lines of words, and answers in as many lines of words.


def bash_offers(file, asked):
    script = """
        source "$1"
        shift
        compopt() { :; }
        for line; do
            read -ra COMP_WORDS <<<"$line."
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            COMP_WORDS[COMP_CWORD]=${COMP_WORDS[COMP_CWORD]%.}
            _netguard netguard "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            echo "${COMPREPLY[@]}"
        done"""
    return run("bash", "-c", script, "bash", file, *asked)


def fish_offers(file, asked):
    script = """
        source $argv[1]
        for line in $argv[2..]
            echo (complete --do-complete $line | string replace -r '\\t.*' '' |
                  string replace -r '.*=' '')
        end"""
    return run("fish", "--no-config", "-c", script, file, *asked)


# Its completion wants a terminal, on which it shows what we write into a file instead.
ZSH = """\
fpath=({file.parent} $fpath)
LISTMAX=10000
autoload -Uz compinit && compinit -D
compadd() {{
    if [[ " $* " != *" -"[OAD]* ]]; then
        local -a all
        builtin compadd -O all "$@"
        print -rn -- "${{all[*]%%(=|:)*}} " >>{said}
    fi
    builtin compadd "$@"
}}
show() {{
    _main_complete
    print >>{said}
}}
zle -C show list-choices show
bindkey '^T' show
PROMPT=READY
"""


def zsh_offers(file, asked):
    with tempfile.TemporaryDirectory() as folder:
        setup, said = pathlib.Path(folder, "setup"), pathlib.Path(folder, "said")
        setup.write_text(ZSH.format(file=file, said=said))
        script = """
            zmodload zsh/zpty
            zpty z zsh -fi
            zpty -w z "source $1"
            shift
            zpty -r -m z ready '*READY*'
            for line; do zpty -w -n z "$line"$'\\C-T\\C-U'; done
            zpty -w z exit
            while zpty -r z rest; do :; done"""
        run("zsh", "-f", "-c", script, "zsh", setup, *asked, timeout=60)
        return said.read_text()


def listed(text, title, entry):
    part = text.partition(f"\n{title}:\n")[2].partition("\n\n")[0]
    return set(re.findall(entry, part, re.MULTILINE))


def completions(tap, folder):
    help_of = {(): run(NETGUARD, "--help")}
    names = listed(help_of[()], "Commands", r"^  (\S+(?: \S+)*)  ")
    commands = [tuple(name.split()) for name in names]
    shown = {(): {words[0] for words in commands}}
    shown |= {words[:1]: {other[1] for other in commands if words[:1] == other[:1]}
              for words in commands if len(words) > 1}  # fmt: skip
    options = {words: listed(run(NETGUARD, *words, "--help"), "Options", r"^  (--[a-z-]+)")
               for words in commands}  # fmt: skip
    wanted = {" ".join(("netguard", *words, "")): names for words, names in shown.items()}
    wanted |= {" ".join(("netguard", *words, "--")): names for words, names in options.items()}
    wanted["netguard check --color "] = {"auto", "always", "never"}
    for shell, offers in (("bash", bash_offers), ("zsh", zsh_offers), ("fish", fish_offers)):
        with tap.case(f"{shell} offers the commands, options and values that --help tells"):
            said = offers(folder / "usr/share" / TARGETS[shell], list(wanted)).splitlines()
            got = {line: set(words.split()) for line, words in zip(wanted, said, strict=True)}
            for line, names in wanted.items():
                same(got[line] - EVERYWHERE, names - EVERYWHERE, f"after {line}")


# -- a host --------------------------------------------------------------------------------------


def tools():
    """apt and dpkg of this machine, and a list of packages that has those netguard needs."""
    listed = run("dpkg", "-L", *TOOLS).split("\n")
    wanted = {line for line in listed
              if re.match(r"(/usr)?/s?bin/|/(usr/)?lib/|/usr/share/(dpkg|perl5)/", line)}
    programs = [line for line in wanted if os.access(line, os.X_OK) and os.path.isfile(line)]
    linked = subprocess.run(["ldd", *programs], capture_output=True, text=True).stdout
    libraries = set(re.findall(r" => (/\S+)", linked))
    tree = {}
    for line in wanted | libraries:
        path = re.sub(r"^/(?=s?bin/|lib/)", "usr/", line).lstrip("/")
        if os.path.islink(line) and line not in libraries:
            tree[path] = (os.readlink(line),)
        elif os.path.isfile(line):
            tree[path] = pathlib.Path(line).read_bytes()
    return tree


def installed(deb):
    """What dpkg knows of the packages that this one depends on."""
    names = re.findall(r"[a-z][a-z0-9.+-]+(?= \(|,|$)", run("dpkg-deb", "-f", deb, "Depends"),
                       re.MULTILINE)  # fmt: skip
    form = ("Package: ${Package}\nStatus: install ok installed\nMaintainer: nobody\n"
            "Architecture: ${Architecture}\nVersion: ${Version}\nDescription: there\n\n")
    return run("dpkg-query", "-W", "-f", form, *names)


class Packaged(Booted):
    def __init__(self, name, debs):
        tree = {path: TREE[path] for path in TREE
                if path.startswith(("lab/", "etc/ufw/", "etc/systemd/system/docker"))}  # fmt: skip
        tree |= tools() | {f"lab/{deb.name}": deb.read_bytes() for deb in debs} | {
            ADDED: "version: 1\n", "var/lib/dpkg/status": installed(debs[0]),
            "var/lib/dpkg/available": "", "var/lib/dpkg/info/format": "1\n"}  # fmt: skip
        tree |= {f"{folder}/.keep": "" for folder in (
            "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial", "var/log/apt", "etc/apt/preferences.d")}  # fmt: skip
        Host.__init__(self, name, tree)
        self.killed = self.back = 0

    def apt(self, *words):
        """What it and the package's scripts say."""
        return run(LAB / "host", "sh", self.name, "apt-get", "-q", "-y", "-o", "Dpkg::Use-Pty=0",
                   "-o", "APT::Sandbox::User=root", *words)  # fmt: skip

    def install(self, deb):
        return self.apt("install", f"/lab/{deb.name}")

    def pid(self):
        return int(self.show("netguard", "MainPID"))

    def running(self):
        """The version of what runs, whatever is installed by now."""
        return self.sh(f"/proc/{self.pid()}/exe", "--version").split()[1]

    def table(self):
        """The kernel's number of the guard's table, which another in its place would not have."""
        said = json.loads(self.sh("nft", "-j", "list", "ruleset"))["nftables"]
        found = [entry["table"]["handle"] for entry in said
                 if entry.get("table", {}).get("name") == "netguard"]  # fmt: skip
        return found[0] if found else None


@contextlib.contextmanager
def stays(host, knock):
    """The very table is in force, before, meanwhile and after; and nobody gets in."""
    before = host.table()
    assert before, "no table"
    knock.forget()
    yield
    silent(knock)
    same(host.table(), before, "the kernel's number of the table")


def silent(knock):
    time.sleep(SETTLE_S)
    same({place.name: came.handshakes for place, came in knock.forget().items()
          if came.handshakes or not came.attempts}, {}, "who got in")  # fmt: skip


def installs(tap, host, knock, deb):
    with tap.case("installed, it runs, tells, and closes nothing"):
        host.install(deb)
        same([host.show("netguard", what) for what in ("ActiveState", "UnitFileState")],
             ["active", "enabled"], "unit")  # fmt: skip
        same((host.status()["policy"]["mode"], host.table()), ("monitor", None), "mode, table")
        knock.answered(DENIED)
        until(lambda: host.status()["findings"], "findings")
        host.sh("journalctl", "--update-catalog")
        assert "is reachable against the policy" in host.sh("journalctl", "--list-catalog")
    with tap.case("a reload closes what the policy now closes"):
        (host.root / ADDED).write_text(ENFORCE)
        host.sh("systemctl", "reload", "netguard")
        until(host.table, "it is closed")
        silent_from_now(knock)
        same(host.status()["guard"]["kept_by_systemd"], True, "kept by systemd")


def silent_from_now(knock):
    knock.forget()
    silent(knock)


def boots(tap, host, knock):
    with tap.case("at boot the guard is in force before the engine starts its containers"):
        host.sh("systemctl", "stop", "docker.service", "docker.socket", "netguard")
        host.sh("netguard", "remove")
        same(host.table(), None, "table")
        knock.forget()
        host.sh("systemctl", "start", "multi-user.target")
        host.all_serve()
        silent(knock)
        ready = int(host.show("netguard", "ActiveEnterTimestampMonotonic"))
        begun = int(host.show("docker", "ExecMainStartTimestampMonotonic"))
        same(0 < ready < begun, True, f"ready at {ready}, begun at {begun}")


def ends_badly(tap, host, knock):
    with tap.case("killed, it is back, and the table was never gone"), stays(host, knock):
        host.kill()
    with tap.case("hung, it is restarted by the watchdog, and the table was never gone"), \
            stays(host, knock), host.drop_in("WatchdogSec=1s\nLimitCORE=0"):  # fmt: skip
        host.sh("systemctl", "restart", "netguard")
        old = host.pid()
        host.sh("systemctl", "kill", "-s", "STOP", "netguard")
        until(lambda: host.pid() not in (0, old), "another one runs", 0.05)


def upgrades(tap, host, knock, newer_deb, newest_deb):
    with tap.case("upgraded, the new one runs, and the table was never gone"), stays(host, knock):
        old = host.pid()
        host.install(newer_deb)
        same((host.running(), host.pid() != old), ("0.1.1", True), "version, another process")
        guard = host.status()["guard"]
        same((guard["kept_by_systemd"], guard["error"]), (True, None), "kept, error")
    with tap.case("a policy that the new one cannot read leaves the old one running"), \
            stays(host, knock):  # fmt: skip
        old = host.pid()
        (host.root / ADDED).write_text(f"{ENFORCE}rulez: []\n")
        said = host.install(newest_deb)
        assert "netguard 0.1.1 goes on running" in said and "rulez" in said, said
        same((host.pid(), host.running(), host.sh("netguard", "--version")),
             (old, "0.1.1", "netguard 0.1.2"), "process, version, installed")  # fmt: skip
        (host.root / ADDED).write_text(ENFORCE)
        host.sh("systemctl", "restart", "netguard")
        same(host.running(), "0.1.2", "version")


def removes(tap, host, knock, deb):
    with tap.case("removed, it has ended and the guard is gone"):
        host.apt("remove", "netguard")
        same((host.table(), host.show("netguard", "ActiveState")), (None, "inactive"), "left")
        knock.answered(DENIED)
        same([(host.root / path).exists() for path in ("etc/netguard/policy.yaml",
                                                      "var/lib/netguard", "usr/sbin/netguard")],
             [True, True, False], "policy, state, program")  # fmt: skip
    with tap.case("installed again, it closes at once what it closed before"):
        host.install(deb)
        silent_from_now(knock)
        same(bool(host.table()), True, "a table")
    with tap.case("purged, nothing is left but what others wrote"):
        host.apt("purge", "netguard")
        knock.answered(DENIED)
        tops = ("etc", "run", "usr/lib/systemd", "usr/sbin", "usr/share", "var/lib/netguard",
                "var/lib/systemd")  # fmt: skip
        paths = [os.path.relpath(f"{path}/{name}", host.root) for top in tops
                 for path, _, names in os.walk(host.root / top) for name in names]  # fmt: skip
        same((host.table(), [path for path in paths if "netguard" in path]), (None, [ADDED]),
             "table, files")  # fmt: skip


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as scratch, \
            concurrent.futures.ThreadPoolExecutor(1) as pool:  # fmt: skip
        scratch = pathlib.Path(scratch)
        deb = build(scratch / "one")
        again = pool.submit(build, scratch / "another-folder", TZ="Asia/Tokyo", LC_ALL="C.UTF-8")
        folder = unpack(deb)
        says_so_itself(tap)
        contents(tap, deb, folder)
        completions(tap, folder)
        debs = [deb, newer(deb, "0.1.1"), newer(deb, "0.1.2")]
        with Packaged("package", debs) as host:
            host.begin_all()
            with Knock(host, DENIED) as knock:
                installs(tap, host, knock, deb)
                boots(tap, host, knock)
                ends_badly(tap, host, knock)
                upgrades(tap, host, knock, *debs[1:])
                removes(tap, host, knock, deb)
        with tap.case("built elsewhere and later, it is the same package, byte for byte"):
            same(again.result().read_bytes() == deb.read_bytes(), True, "the same")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
