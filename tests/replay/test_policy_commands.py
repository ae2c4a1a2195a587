#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`netguard policy check|show|test` on a recorded world, as CI would call them."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

NETGUARD = os.path.realpath(os.environ["NETGUARD"])
WORLDS = pathlib.Path(__file__).resolve().parent / "worlds"
MANUAL = WORLDS.parents[2] / "packaging/man/netguard.md"
WORLD = str(WORLDS / "engine-28-ufw.json")

failed = 0
count = 0


def say(good, what, more=""):
    global failed, count
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {what}")
    if not good:
        print("".join(f"# {line}\n" for line in str(more).splitlines()), end="")


def run(*words):
    return subprocess.run([NETGUARD, "policy", *words], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60)  # fmt: skip


def expect(what, done, status, stdout=None, stderr=None):
    good = done.returncode == status and stdout in (None, done.stdout)
    good = good and (stderr is None or stderr in done.stderr)
    say(good, what, f"status {done.returncode}\n{done.stdout}\n{done.stderr}")


def write(name, text):
    path = pathlib.Path(name)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return name


POLICY = """version: 1
rules:
  - {id: web, allow: [8080, "8080->80"]}
  - {id: web-again, allow: 8080, to: {name: "nobody-*"}}
  - {id: stores, deny: ["@databases"]}
exceptions:
  - {rule: stores, to: {name: redis}, until: 2999-01-31}
"""

FAULTY = """version: 1
rules:
  - {id: a, deny: 80, from: publik}
  - {id: b, sevrity: high, allow: 80}
"""


def test_check():
    write("p.yaml", POLICY)
    write("faulty.yaml", FAULTY)
    expect("warnings are shown at their places", run("check", "--snapshot", WORLD, "p.yaml"), 0,
           """p.yaml:4:5: warning: nothing here matches the name "nobody-*"
     4 |   - {id: web-again, allow: 8080, to: {name: "nobody-*"}}
       |     ^
p.yaml:4:5: warning: the rule 'web-again' never decides: 'web' at p.yaml:3 comes first and matches \
all that it does
     4 |   - {id: web-again, allow: 8080, to: {name: "nobody-*"}}
       |     ^
p.yaml: valid; 3 rules, 0 zones, 1 exception; 2 warnings
""")  # fmt: skip
    expect("all faults of a file are shown at once", run("check", "faulty.yaml"), 2,
           """faulty.yaml:3:29: there is no zone "publik"; expected containers or public
     3 |   - {id: a, deny: 80, from: publik}
       |                             ^ did you mean "public"?
faulty.yaml:4:13: unknown key "sevrity" in a rule; expected id, allow, deny, from, to, action, \
severity or reason
     4 |   - {id: b, sevrity: high, allow: 80}
       |             ^ did you mean "severity"?
faulty.yaml: 2 faults
""")  # fmt: skip
    done = run("check", "--format", "json", "faulty.yaml")
    answer = json.loads(done.stdout)
    say(done.returncode == 2 and answer["schema"] == "netguard.policy-check/1"
        and not answer["valid"] and answer["warnings"] == []
        and [(f["file"], f["line"], f["column"]) for f in answer["faults"]]
        == [("faulty.yaml", 3, 29), ("faulty.yaml", 4, 13)], "so they are as JSON",
        done.stdout)  # fmt: skip
    expect("two files are one policy", run("check", "p.yaml", write("q.yaml", "default: block\n"),
                                           "--snapshot", WORLD), 0)  # fmt: skip
    expect("a file that is not there is a fault", run("check", "none.yaml"), 2,
           "none.yaml: cannot open: No such file or directory\nnone.yaml: 1 fault\n")  # fmt: skip
    expect("one policy at a time", run("check", "--policy", "p.yaml", "q.yaml"), 2, "",
           "leave one of them out")
    expect("a world that is not there", run("check", "p.yaml", "--snapshot", "none.json"), 3)


def test_show():
    done = run("show", "--policy", "p.yaml")
    expect("the policy in effect", done, 0)
    write("shown.yaml", done.stdout)
    again = run("show", "--policy", "shown.yaml")

    def bare(text):
        return [line.split("  # ")[0] for line in text.splitlines()]

    say(bare(done.stdout) == bare(again.stdout), "what is shown shows the same", again.stdout)
    say("  - id: web  # p.yaml:3\n" in done.stdout, "with places", done.stdout)
    judged = [subprocess.run([NETGUARD, "check", "--snapshot", WORLD, "--format", "json",
                              "--policy", policy], stdout=subprocess.PIPE, check=False).stdout
              for policy in ("p.yaml", "shown.yaml")]  # fmt: skip
    say(judged[0] == judged[1] and judged[0], "and judges the same")
    answer = json.loads(run("show", "--policy", "p.yaml", "--format", "json").stdout)
    say(answer["schema"] == "netguard.policy/1" and answer["rules"][0]["place"]["line"] == 3
        and answer["exceptions"][0]["until"] == "2999-01-31", "so it is as JSON",
        answer)  # fmt: skip
    expect("a policy with faults is not shown", run("show", "--policy", "faulty.yaml"), 2, "")


def test_test():
    head = "version: 1\nexpect:\n"
    write("holds.yaml", head + """
  - {from: public, to: "redis:6379", is: reachable}
  - {from: public, to: "redis:6379/tcp", is: excepted}
  - {from: public, to: "host:9999", is: blocked}
  - {from: public, to: "host:6379", is: reachable}
  - {no_finding: NG001, on: redis}
  - {finding: any}
""")
    tap = """TAP version 13
1..6
ok 1 - from public, redis:6379 is reachable
ok 2 - from public, redis:6379/tcp is excepted
ok 3 - from public, host:9999 is blocked (nothing is there to reach)
ok 4 - from public, host:6379 is reachable
ok 5 - there is no finding NG001 on redis
ok 6 - there is a finding
"""
    world = ["--policy", "p.yaml", "--snapshot", WORLD]
    expect("all that is expected holds", run("test", *world, "holds.yaml"), 0, tap)
    write("fails.yaml", head + """
  - {from: public, to: "redis:6379", is: blocked}
  - {from: public, to: "rediss:6379", is: blocked}
  - {from: public, to: "redis:1", is: blocked}
  - {from: public, to: "redis:6379", is: denied}
""")
    done = run("test", *world, "fails.yaml")
    expect("what does not hold is told with the rule that decides", done, 1)
    for text in ("not ok 1 - from public, redis:6379 is blocked\n  ---\n  found: \"reachable\"\n"
                 "  decided by: \"ip filter DOCKER handle ",
                 "  found: \"no container or service of that name\"\n"
                 "  expected at: \"fails.yaml:5:5\"",
                 "not ok 3 - from public, redis:1 is blocked\n  ---\n  found: \"unknown\"\n"
                 "  because: \"what listens inside the container was not observed\"",
                 "  found: \"excepted\"\n  rule of the policy: \"stores\""):  # fmt: skip
        say(text in done.stdout, "it says " + text.strip().splitlines()[0], done.stdout)
    write("wrong.yaml", head + "  - {from: publik, to: redis, is: blockd}\n")
    done = run("test", *world, "wrong.yaml")
    expect("faults of the file are told", done, 2, "", "wrong.yaml:3:12: the policy has no zone")
    say("wrong.yaml:3:24: " in done.stderr and "wrong.yaml:3:35: " in done.stderr,
        "all of them", done.stderr)  # fmt: skip
    expect("a file that expects nothing is wrong", run("test", *world, write("e.yaml", head[:-1]
           + " []\n")), 2, "", "expected at least one expectation")  # fmt: skip
    # The same world when not all of it was seen: nothing that is not known counts as closed.
    blind = json.loads(pathlib.Path(WORLD).read_text(encoding="utf-8"))
    blind["gaps"] = [{"source": "sockets", "reason": "not permitted"}]
    write("blind.json", json.dumps(blind))
    world = ["--policy", "p.yaml", "--snapshot", "blind.json"]
    expect("what was not seen is not closed", run("test", *world, "holds.yaml"), 1)
    write("one.yaml", head + "  - {from: public, to: \"redis:6379\", is: reachable}\n")
    expect("an incomplete world is told", run("test", *world, "one.yaml"), 3)


def test_manual():
    """What the manual shows is a file of expectations."""
    text = MANUAL.read_text(encoding="utf-8").split("# EXPECTATIONS", 1)[1].split("`from`", 1)[0]
    lines = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    done = run("test", "--snapshot", WORLD, write("manual.yaml", "\n".join(lines) + "\n"))
    expect("the example of the manual is understood", done, 1)
    say("1..5\n" in done.stdout, "all of it", done.stdout)


def test_words():
    for words, status, text in (([], 2, "test"), (["--help"], 0, ""), (["chek"], 2, "\"check\""),
                                (["check", "--help"], 0, ""), (["test"], 2, "needs a FILE")):
        expect("policy " + " ".join(words), run(*words), status, stderr=text)


def main():
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        test_words()
        test_check()
        test_show()
        test_test()
        test_manual()
        os.chdir("/")
    print(f"1..{count}")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
