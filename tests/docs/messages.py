# SPDX-License-Identifier: GPL-2.0-or-later
"""Inputs that get each error message which the documentation shows."""

# The rest of a message that is shown with its place, "…:12:5: unknown key …".
SHOWN = {
    'unknown key "sevrity" in a rule': """\
version: 1

# What may be reached from outside.
zones:
  - {id: office, match: [{interfaces: [eth1]}]}
ports:
  stores: ["@databases"]
rules:
  - {id: web, allow: [80, 443]}
  - id: no-stores
    deny: [stores]
    sevrity: critical
""",
    'there is no port group "@database"': """\
version: 1
rules:
  - {id: web, allow: [80, 443]}
  - {id: stores, deny: ["@database"]}
""",
    'there is no zone "offce"': """\
version: 1
rules:
  - {id: web, allow: [80, 443]}
  - {id: stores, deny: ["@cluster" ], from: [offce]}
zones:
  - {id: office, match: [{sources: [10.8.0.0/16]}]}
""",
}

# The table of messages: what its left column says.
TABLE = {
    "a tab stands in the indentation": "version: 1\nrules:\n\t- {id: web, allow: [80]}\n",
    "a name that begins with '@' must be quoted":
        "version: 1\nrules: [{id: a, deny: [@databases]}]\n",
    "a text that begins with '*' or '&' must be quoted":
        "version: 1\nrules: [{id: a, deny: [1], to: {name: *redis*}}]\n",
    'a pair is written "HOST->CONTAINER"': 'version: 1\nrules: [{id: a, allow: ["8443:443"]}]\n',
    "expected text …, found the number …; put it in quotes":
        "version: 1\nrules: [{id: a, deny: [1], to: {label: {version: 1.10}}}]\n",
    "there is no packet to block here": "version: 1\nusage: {links: {action: block}}\n",
    "'url' holds a name or a password":
        'version: 1\nalerts: {webhook: {url: "https://me:secret@alerts.example/"}}\n',
}  # fmt: skip
