#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""test_docs.py   Every policy that the documentation shows is one

Takes the YAML of each page, of the samples and of the schema's examples, and holds it against
netguard and against the schema; then the error messages that are shown. pages.py says how a
fragment becomes a policy. Prints TAP.

    NETGUARD    the binary (default: build/netguard)
"""
import json
import os
import re
import subprocess
import sys
import tempfile

import jsonschema

from messages import SHOWN, TABLE
from pages import PAGES, ROOT, Block, blocks, load

sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from lab import NETGUARD, Tap, same  # noqa: E402

SCHEMA = json.loads((ROOT / "policy/policy.schema.json").read_text(encoding="utf-8"))
WORLD = ROOT / "tests/replay/worlds/engine-28-ufw.json"
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def faults(*texts, words=("policy", "check")):
    """What netguard says of these files; "" of a policy without fault."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, f"{number}.yaml") for number in range(len(texts))]
        for path, text in zip(paths, texts):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        run = subprocess.run([NETGUARD, *words, *paths], capture_output=True, text=True,
                             stdin=subprocess.DEVNULL, check=False)
    if run.returncode not in (0, 2):
        raise AssertionError(f"status {run.returncode}: {run.stderr}")
    return run.stdout + run.stderr if run.returncode else ""


def hold_expectations(text):
    """They need not hold of this world, but have to be understood."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "expectations.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        run = subprocess.run([NETGUARD, "policy", "test", "--snapshot", WORLD, path],
                             capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if run.returncode not in (0, 1):
        raise AssertionError(f"status {run.returncode}: {run.stderr}")


def hold(block):
    if re.search(r"^expect:", block.text, re.M):
        return hold_expectations(block.text)
    said = faults(*block.files())
    if said:
        raise AssertionError(said)
    for error in VALIDATOR.iter_errors(load(block.text) or {}):
        raise AssertionError(f"by the schema: {error.json_path}: {error.message}")
    return None


def examples(node, at="$"):
    """Of the schema: where they stand, each with the schema that it is an example of."""
    if isinstance(node, dict):
        for number, example in enumerate(node.get("examples", [])):
            yield f"{at}.examples[{number}]", example, node
        for key, value in node.items():
            if key != "examples":
                yield from examples(value, f"{at}.{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from examples(value, f"{at}[{number}]")


def shown_messages(page):
    """Those with their place: (line, column, message)."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"\.yaml:(\d+):(\d+): (.*)", text)


def table_messages():
    text = (ROOT / "packaging/man/netguard-policy.md").read_text(encoding="utf-8")
    table = text.split("| message says |", 1)[1].split("\n\n", 1)[0]
    return [line.split(" | ")[0].strip("| ") for line in table.splitlines()[2:]]


def says(said, message):
    """`…` is whatever stands there."""
    pattern = ".*?".join(re.escape(part.strip()) for part in message.split("…"))
    if not re.search(pattern, said):
        raise AssertionError(f"expected {message!r}, got {said!r}")


def check_pages(tap):
    for page in PAGES:
        found = blocks(page) if (ROOT / page).exists() else []
        for block in found:
            with tap.case(f"YAML at {block.name}"):
                hold(block)
        text = (ROOT / page).read_text(encoding="utf-8") if found else ""
        with tap.case(f"all YAML of {page} was looked at"):
            same(len(found), text.count("```yaml") + text.count("\n    version: 1\n"), "blocks")


def check_files(tap):
    samples = sorted((ROOT / "policy/samples").glob("*.yaml"))
    with tap.case("there are samples"):
        assert samples
    for path in [*samples, ROOT / "packaging/policy.yaml"]:
        with tap.case(f"file {path.relative_to(ROOT)}"):
            hold(Block(path.name, 1, path.read_text(encoding="utf-8"), None))
    for at, example, schema in examples(SCHEMA):
        with tap.case(f"example of the schema at {at}"):
            jsonschema.Draft202012Validator({**schema, "$defs": SCHEMA.get("$defs", {})}).validate(
                example)


def check_messages(tap):
    for page in PAGES:
        for line, column, message in shown_messages(page) if (ROOT / page).exists() else []:
            with tap.case(f"{page} shows {message[:40]}..."):
                text = next(text for begin, text in SHOWN.items() if message.startswith(begin))
                says(faults(text, words=("check", "--policy")), f":{line}:{column}: {message}")
    for message in table_messages():
        with tap.case(f"the table has: {message}"):
            says(faults(TABLE[message]), message)


def main():
    os.umask(0o077)
    tap = Tap()
    check_pages(tap)
    check_files(tap)
    check_messages(tap)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
