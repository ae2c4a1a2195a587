/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Policies that are YAML and wrong: the exact place and words. */

#include "tests/unit/fixture_policy.h"

#include <dirent.h>
#include <errno.h>

static const struct bad bad_top_level[] = {
    BAD("[]\n", "1:1: expected a mapping for a policy (version, mode, defaults, zones, ports, "
                "rules, default, segregation, usage, exceptions or alerts), found an empty list"),
    BAD("version\n",
        "1:1: expected a mapping for a policy (version, mode, defaults, zones, ports, rules, "
        "default, segregation, usage, exceptions or alerts), found \"version\""),
    BAD("mode: monitor\n", "1:1: the policy does not say its version; expected 'version: 1'"),
    BAD("version: 2\n", "1:10: expected 1 for 'version', the policy language this netguard reads, "
                        "found the number 2"),
    BAD("version: \"1\"\n",
        "1:10: expected 1 for 'version', the policy language this netguard reads, found \"1\""),
    BAD("version: 1.0\n", "1:10: expected 1 for 'version', the policy language this netguard "
                          "reads, found the number 1.0"),
    BAD("version:\n",
        "1:9: expected 1 for 'version', the policy language this netguard reads, found nothing"),
    BAD("vrsion: 1\n",
        "1:1: unknown key \"vrsion\" in a policy; expected version, mode, defaults, zones, ports, "
        "rules, default, segregation, usage, exceptions or alerts; did you mean \"version\"?"),
    BAD("version: 1\n"
        "foo: 1\n",
        "2:1: unknown key \"foo\" in a policy; expected version, mode, defaults, zones, ports, "
        "rules, default, segregation, usage, exceptions or alerts"),
    BAD("version: 1\n"
        "Rules: []\n",
        "2:1: unknown key \"Rules\" in a policy; expected version, mode, defaults, zones, ports, "
        "rules, default, segregation, usage, exceptions or alerts; did you mean \"rules\"?"),
    BAD("version: 1\n"
        "mode: enforced\n",
        "2:7: expected monitor or enforce for 'mode', found \"enforced\"; did you mean "
        "\"enforce\"?"),
    BAD("version: 1\n"
        "mode: no\n",
        "2:7: expected monitor or enforce for 'mode', found \"no\""),
    BAD("version: 1\n"
        "mode: true\n",
        "2:7: expected monitor or enforce for 'mode', found the truth value true"),
    BAD("version: 1\n"
        "mode:\n",
        "2:6: expected monitor or enforce for 'mode', found nothing"),
    BAD("version: 1\n"
        "mode: [monitor]\n",
        "2:7: expected monitor or enforce for 'mode', found a list"),
    BAD("version: 1\n"
        "default: deny\n",
        "2:10: expected allow, alert or block for 'default', found \"deny\""),
    BAD("version: 1\n"
        "default: 5\n",
        "2:10: expected allow, alert or block for 'default', found the number 5"),
    BAD("version: 1\n"
        "defaults: {action: allow}\n",
        "2:20: expected alert or block for 'action', found \"allow\""),
    BAD("version: 1\n"
        "defaults: {severity: hgih}\n",
        "2:22: expected info, low, medium, high or critical for 'severity', found \"hgih\"; did "
        "you mean \"high\"?"),
    BAD("version: 1\n"
        "defaults: {severty: high}\n",
        "2:12: unknown key \"severty\" in 'defaults'; expected action or severity; did you mean "
        "\"severity\"?"),
    BAD("version: 1\n"
        "defaults: alert\n",
        "2:11: expected a mapping for 'defaults' (action or severity), found \"alert\""),
    BAD("version: 1\n"
        "defaults:\n",
        "2:10: expected a mapping for 'defaults' (action or severity), found nothing"),
};

static void test_top_level(void **state) {
    (void)state;
    assert_all_refused(bad_top_level, ARRAY_SIZE(bad_top_level));
}

static const struct bad bad_zones[] = {
    BAD("version: 1\n"
        "zones: {id: a}\n",
        "2:8: expected a list for 'zones', found a mapping"),
    BAD("version: 1\n"
        "zones: [a]\n",
        "2:9: expected a mapping for a zone (id or match), found \"a\""),
    BAD("version: 1\n"
        "zones: [{match: {interfaces: eth0}}]\n",
        "2:9: a zone needs an 'id'"),
    BAD("version: 1\n"
        "zones: [{id: a}]\n",
        "2:9: a zone needs a 'match', such as [{interfaces: [\"eth1\"]}]"),
    BAD("version: 1\n"
        "zones: [{id: a b, match: {interfaces: eth0}}]\n",
        "2:14: the id of a zone is 1 to 64 letters, digits, '.', '_' or '-' and begins with a "
        "letter, a digit or '_', found \"a b\""),
    BAD("version: 1\n"
        "zones: [{id: 1, match: {interfaces: eth0}}]\n",
        "2:14: expected text for the id of a zone, found the number 1; put it in quotes"),
    BAD("version: 1\n"
        "zones: [{id: public, match: {interfaces: eth0}}]\n",
        "2:14: the zone 'public' is built in; choose another id"),
    BAD("version: 1\n"
        "zones:\n"
        "  - {id: a, match: {interfaces: eth0}}\n"
        "  - {id: a, match: {interfaces: eth1}}\n",
        "4:10: there is already a zone 'a'; write its alternatives in one 'match'"),
    BAD("version: 1\n"
        "zones: [{id: a, match: []}]\n",
        "2:24: expected at least one alternative for 'match', found an empty list"),
    BAD("version: 1\n"
        "zones: [{id: a, match: [{}]}]\n",
        "2:25: an empty 'match' would take every packet; expected interfaces, sources or both"),
    BAD("version: 1\n"
        "zones: [{id: a, match: [{iface: eth0}]}]\n",
        "2:26: unknown key \"iface\" in the 'match' of a zone; expected interfaces or sources"),
    BAD("version: 1\n"
        "zones: [{id: a, match: [{interface: eth0}]}]\n",
        "2:26: unknown key \"interface\" in the 'match' of a zone; expected interfaces or sources; "
        "did you mean \"interfaces\"?"),
    BAD("version: 1\n"
        "zones: [{id: a, match: [{interfaces: []}]}]\n",
        "2:38: expected at least one text for 'interfaces', found an empty list"),
    BAD("version: 1\n"
        "zones: [{id: a, match: [{interfaces: [\"\"]}]}]\n",
        "2:39: 'interfaces' is empty; expected at least one character"),
    BAD("version: 1\n"
        "zones: [{id: a, match: [{interfaces: [0]}]}]\n",
        "2:39: expected text for 'interfaces', found the number 0; put it in quotes"),
    BAD("version: 1\n"
        "zones: [{id: a, match: [{sources: [10.8.0.1/16]}]}]\n",
        "2:36: the address bits behind the prefix length must be zero, found \"10.8.0.1/16\"; "
        "write 10.8.0.0/16"),
    BAD("version: 1\n"
        "zones: [{id: a, match: [{sources: [\"2001:db8::1/32\"]}]}]\n",
        "2:36: the address bits behind the prefix length must be zero, found \"2001:db8::1/32\"; "
        "write 2001:db8::/32"),
    BAD("version: 1\n"
        "zones: [{id: a, match: [{sources: [10.8.0.0/33]}]}]\n",
        "2:36: expected an address or prefix for 'sources', such as 10.8.0.0/16 or "
        "\"2001:db8::/32\", found \"10.8.0.0/33\""),
    BAD("version: 1\n"
        "zones: [{id: a, match: [{sources: [10.8.0/16]}]}]\n",
        "2:36: expected an address or prefix for 'sources', such as 10.8.0.0/16 or "
        "\"2001:db8::/32\", found \"10.8.0/16\""),
    BAD("version: 1\n"
        "zones: [{id: a, match: [{sources: [10]}]}]\n",
        "2:36: expected an address or prefix for 'sources', such as 10.8.0.0/16 or "
        "\"2001:db8::/32\", found the number 10"),
    BAD("version: 1\n"
        "zones: [{id: a, match: [{sources: []}]}]\n",
        "2:35: expected at least one prefix for 'sources', found an empty list"),
    BAD("version: 1\n"
        "zones: [{id: a, match: [{sources: [2001:db8::/32, ::1]}]}]\n",
        "2:51: expected a value here; quote a text that begins with ':', such as \"::1\""),
};

static void test_zones(void **state) {
    (void)state;
    assert_all_refused(bad_zones, ARRAY_SIZE(bad_zones));
}

static const struct bad bad_ports[] = {
    BAD("version: 1\n"
        "ports: [80]\n",
        "2:8: expected a mapping of names to port lists for 'ports', found a list"),
    BAD("version: 1\n"
        "ports: {\"@x\": [80]}\n",
        "2:9: names that begin with '@' are built in, found \"@x\"; leave out the '@'"),
    BAD("version: 1\n"
        "ports: {80: [80]}\n",
        "2:9: the name of a port group begins with a letter, found \"80\""),
    BAD("version: 1\n"
        "ports: {3com: [80]}\n",
        "2:9: the name of a port group begins with a letter, found \"3com\""),
    BAD("version: 1\n"
        "ports: {a b: [80]}\n",
        "2:9: the name of a port group is 1 to 64 letters, digits, '.', '_' or '-' and begins with "
        "a letter, a digit or '_', found \"a b\""),
    BAD("version: 1\n"
        "ports: {web: []}\n",
        "2:14: expected at least one port, found an empty list; \"@any\" stands for every port"),
    BAD("version: 1\n"
        "ports: {web:}\n",
        "2:12: put a space after the ':' of a key; quote a text that ends with ':'"),
    BAD("version: 1\n"
        "ports: {web: [70000]}\n",
        "2:15: a port is 0 to 65535, found the number 70000"),
    BAD("version: 1\n"
        "ports: {web: [-1]}\n",
        "2:15: a port is 0 to 65535, found the number -1"),
    BAD("version: 1\n"
        "ports: {web: [99999999999999999999]}\n",
        "2:15: a port is 0 to 65535, found the number 99999999999999999999"),
    BAD("version: 1\n"
        "ports: {web: [80-70000]}\n",
        "2:15: a port is 0 to 65535, found \"80-70000\""),
    BAD("version: 1\n"
        "ports: {web: [7005-7000]}\n",
        "2:15: a range begins with its lower port, found \"7005-7000\"; write 7000-7005"),
    BAD("version: 1\n"
        "ports: {web: [80/tpc]}\n",
        "2:15: expected tcp, udp or sctp after '/', found \"tpc\"; did you mean \"tcp\"?"),
    BAD("version: 1\n"
        "ports: {web: [80/]}\n",
        "2:15: expected tcp, udp or sctp after '/', found \"\""),
    BAD("version: 1\n"
        "ports: {web: [80/http]}\n",
        "2:15: expected tcp, udp or sctp after '/', found \"http\""),
    BAD("version: 1\n"
        "ports: {web: [80-]}\n",
        "2:15: expected a port (443), a range (7000-7005), either with /tcp, /udp or /sctp, a pair "
        "(\"8443->443\") or the name of a group, found \"80-\""),
    BAD("version: 1\n"
        "ports: {web: [\"22:22\"]}\n",
        "2:15: a pair is written \"HOST->CONTAINER\", such as \"8443->443\", found \"22:22\""),
    BAD("version: 1\n"
        "ports: {web: [22:22]}\n",
        "2:15: a pair is written \"HOST->CONTAINER\", such as \"8443->443\", found \"22:22\""),
    BAD("version: 1\n"
        "ports: {web: [\"80->\"]}\n",
        "2:15: expected a port (443), a range (7000-7005), either with /tcp, /udp or /sctp, a pair "
        "(\"8443->443\") or the name of a group, found \"80->\""),
    BAD("version: 1\n"
        "ports: {web: [\"80->70000\"]}\n",
        "2:15: a port is 0 to 65535, found \"80->70000\""),
    BAD("version: 1\n"
        "ports: {web: [\"80-90->80-90\"]}\n",
        "2:15: a pair leads to one container port, found \"80-90->80-90\"; write one pair for "
        "each"),
    BAD("version: 1\n"
        "ports: {web: [80 tcp]}\n",
        "2:15: expected a port (443), a range (7000-7005), either with /tcp, /udp or /sctp, a pair "
        "(\"8443->443\") or the name of a group, found \"80 tcp\""),
    BAD("version: 1\n"
        "ports: {web: [1.5]}\n",
        "2:15: expected a port (443), a range (7000-7005), either with /tcp, /udp or /sctp, a pair "
        "(\"8443->443\") or the name of a group, found the number 1.5"),
    BAD("version: 1\n"
        "ports: {web: [true]}\n",
        "2:15: expected a port (443), a range (7000-7005), either with /tcp, /udp or /sctp, a pair "
        "(\"8443->443\") or the name of a group, found the truth value true"),
    BAD("version: 1\n"
        "ports: {web: [[80]]}\n",
        "2:15: expected a port (443), a range (7000-7005), either with /tcp, /udp or /sctp, a pair "
        "(\"8443->443\") or the name of a group, found a list"),
    BAD("version: 1\n"
        "ports: {web: [\"\"]}\n",
        "2:15: expected a port (443), a range (7000-7005), either with /tcp, /udp or /sctp, a pair "
        "(\"8443->443\") or the name of a group, found \"\""),
    BAD("version: 1\n"
        "ports: {a: [b], b: [c], c: [a]}\n",
        "2:29: the port group 'a' contains itself"),
    BAD("version: 1\n"
        "ports: {web: [databases]}\n",
        "2:15: there is no port group \"databases\"; expected web, @any, @caches, @cluster, "
        "@databases, @docker-api, @metrics, @orchestration, @queues or @remote-admin; did you mean "
        "\"@databases\"?"),
    BAD("version: 1\n"
        "ports: {web: [\"@datbases\"]}\n",
        "2:15: there is no port group \"@datbases\"; expected web, @any, @caches, @cluster, "
        "@databases, @docker-api, @metrics, @orchestration, @queues or @remote-admin; did you mean "
        "\"@databases\"?"),
};

static void test_ports(void **state) {
    (void)state;
    assert_all_refused(bad_ports, ARRAY_SIZE(bad_ports));
}

static const struct bad bad_rules[] = {
    BAD("version: 1\n"
        "rules: {id: a}\n",
        "2:8: expected a list for 'rules', found a mapping"),
    BAD("version: 1\n"
        "rules: [a]\n",
        "2:9: expected a mapping for a rule (id, allow, deny, from, to, action, severity or "
        "reason), found \"a\""),
    BAD("version: 1\n"
        "rules: [{deny: [80]}]\n",
        "2:9: a rule needs an 'id': findings and exceptions name it"),
    BAD("version: 1\n"
        "rules: [{id: a}]\n",
        "2:9: a rule needs 'allow' or 'deny' with a list of ports"),
    BAD("version: 1\n"
        "rules: [{id: -a, deny: [80]}]\n",
        "2:14: the id of a rule is 1 to 64 letters, digits, '.', '_' or '-' and begins with a "
        "letter, a digit or '_', found \"-a\""),
    BAD("version: 1\n"
        "rules: [{id: default, deny: [80]}]\n",
        "2:14: the id 'default' stands for the policy's default; choose another"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], allow: [80]}]\n",
        "2:9: a rule has 'allow' or 'deny', and this one both; make it two rules"),
    BAD("version: 1\n"
        "rules:\n"
        "  - {id: a, deny: [80]}\n"
        "  - {id: b, deny: [80]}\n"
        "  - {id: a, deny: [81]}\n",
        "5:10: there is already a rule 'a' at policy.yaml:3"),
    BAD("version: 1\n"
        "rules: [{id: a, sevrity: low, deny: [80]}]\n",
        "2:17: unknown key \"sevrity\" in a rule; expected id, allow, deny, from, to, action, "
        "severity or reason; did you mean \"severity\"?"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], xyz: 1}]\n",
        "2:29: unknown key \"xyz\" in a rule; expected id, allow, deny, from, to, action, severity "
        "or reason"),
    BAD("version: 1\n"
        "ports: {cache: [6379]}\n"
        "rules: [{id: a, deny: [cahce]}]\n",
        "3:24: there is no port group \"cahce\"; expected cache, @any, @caches, @cluster, "
        "@databases, @docker-api, @metrics, @orchestration, @queues or @remote-admin; did you mean "
        "\"cache\"?"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [something]}]\n",
        "2:24: there is no port group \"something\"; expected @any, @caches, @cluster, @databases, "
        "@docker-api, @metrics, @orchestration, @queues or @remote-admin"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: []}]\n",
        "2:23: expected at least one port, found an empty list; \"@any\" stands for every port"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], from: [host]}]\n",
        "2:36: 'host' cannot stand in 'from': what this machine sends to itself is not judged"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], from: [pubic]}]\n",
        "2:36: there is no zone \"pubic\"; expected containers or public; did you mean "
        "\"public\"?"),
    BAD("version: 1\n"
        "zones: [{id: private, match: {interfaces: eth1}}]\n"
        "rules: [{id: a, deny: [80], from: [vpn]}]\n",
        "3:36: there is no zone \"vpn\"; expected private, containers or public"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], from: []}]\n",
        "2:35: expected at least one text for 'from', found an empty list"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], action: allow}]\n",
        "2:37: expected alert or block for 'action', found \"allow\""),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], severity: severe}]\n",
        "2:39: expected info, low, medium, high or critical for 'severity', found \"severe\""),
    BAD("version: 1\n"
        "rules: [{id: a, allow: [80], action: alert}]\n",
        "2:30: 'action' belongs to deny rules: what is allowed makes no finding; remove it"),
    BAD("version: 1\n"
        "rules: [{id: a, allow: [80], severity: low}]\n",
        "2:30: 'severity' belongs to deny rules: what is allowed makes no finding; remove it"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], reason: 5}]\n",
        "2:37: expected text for 'reason', found the number 5; put it in quotes"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], reason: \" \"}]\n",
        "2:37: 'reason' is empty; expected at least one word"),
};

static void test_rules(void **state) {
    (void)state;
    assert_all_refused(bad_rules, ARRAY_SIZE(bad_rules));
}

static const struct bad bad_selectors[] = {
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], to: redis}]\n",
        "2:33: expected a mapping for a selector (name, image, service, stack, network, label or "
        "host), found \"redis\""),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], to: []}]\n",
        "2:33: expected at least one selector for 'to', found an empty list"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], to: {}}]\n",
        "2:33: an empty selector would match every container; expected at least one key, or {name: "
        "\"*\"} to say so"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], to: {nmae: x}}]\n",
        "2:34: unknown key \"nmae\" in a selector; expected name, image, service, stack, network, "
        "label or host; did you mean \"name\"?"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], to: {name: 5}}]\n",
        "2:40: expected text for 'name', found the number 5; put it in quotes"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], to: {name: []}}]\n",
        "2:40: expected at least one text for 'name', found an empty list"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], to: {name: \"\"}}]\n",
        "2:40: 'name' is empty; expected at least one character"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], to: {name: \"a\\nb\"}}]\n",
        "2:40: 'name' holds a control character: \"a\\x0ab\""),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], to: {label: role}}]\n",
        "2:41: expected a mapping of label to glob for 'label', such as {role: gateway}, found "
        "\"role\""),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], to: {label: {}}}]\n",
        "2:41: expected a mapping of label to glob for 'label', such as {role: gateway}, found an "
        "empty mapping"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], to: {label: {role: }}}]\n",
        "2:48: expected a glob for the label, found nothing; \"*\" stands for any value"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], to: {label: {role: []}}}]\n",
        "2:48: expected at least one glob for the label, found an empty list"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], to: {label: {tier: 1.10}}}]\n",
        "2:48: expected text for the value of a label, found the number 1.10; put it in quotes"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], to: {host: sshd}}]\n",
        "2:40: expected a mapping for 'host', found \"sshd\"; {host: {process: sshd}} is one "
        "service of this machine, {host: {}} are all of them"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], to: {host: }}]\n",
        "2:40: expected a mapping for 'host', found nothing; {host: {process: sshd}} is one "
        "service of this machine, {host: {}} are all of them"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], to: {host: {proces: sshd}}}]\n",
        "2:41: unknown key \"proces\" in 'host'; expected process; did you mean \"process\"?"),
    BAD("version: 1\n"
        "rules: [{id: a, deny: [80], to: {name: a, host: {}}}]\n",
        "2:43: 'host' stands alone in a selector: the machine's own services have no name, image, "
        "network or label"),
};

static void test_selectors(void **state) {
    (void)state;
    assert_all_refused(bad_selectors, ARRAY_SIZE(bad_selectors));
}

static const struct bad bad_exceptions[] = {
    BAD("version: 1\n"
        "exceptions: {rule: a}\n",
        "2:13: expected a list for 'exceptions', found a mapping"),
    BAD("version: 1\n"
        "exceptions: [{to: {name: a}}]\n",
        "2:14: an exception needs 'rule': the id of the rule it is from"),
    BAD("version: 1\n"
        "rules: [{id: no-stores, deny: [80]}]\n"
        "exceptions: [{rule: no-store, to: {name: a}}]\n",
        "3:21: an exception names a rule, a segregation, usage.KEY of a key in 'usage', "
        "cis.ITEM of the profile, or default; there is no \"no-store\"; did you mean "
        "\"no-stores\"?"),
    BAD("version: 1\n"
        "rules: [{id: a, allow: [80]}]\n"
        "exceptions: [{rule: a, to: {name: a}}]\n",
        "3:21: the rule 'a' allows: there is nothing to except from it"),
    BAD("version: 1\n"
        "exceptions: [{rule: default}]\n",
        "2:14: an exception needs 'to': which containers it is for"),
    BAD("version: 1\n"
        "exceptions: [{rule: default, to: {name: a}, until: 2027-02-29}]\n",
        "2:52: expected a date for 'until', such as 2027-01-31 (the last day, UTC), found "
        "\"2027-02-29\""),
    BAD("version: 1\n"
        "exceptions: [{rule: default, to: {name: a}, until: 20270131}]\n",
        "2:52: expected a date for 'until', such as 2027-01-31 (the last day, UTC), found the "
        "number 20270131"),
    BAD("version: 1\n"
        "exceptions: [{rule: default, to: {name: a}, until: 2027-13-01}]\n",
        "2:52: expected a date for 'until', such as 2027-01-31 (the last day, UTC), found "
        "\"2027-13-01\""),
    BAD("version: 1\n"
        "exceptions: [{rule: default, to: {name: a}, till: 2027-01-01}]\n",
        "2:45: unknown key \"till\" in an exception; expected rule, to, until or reason"),
};

static void test_exceptions(void **state) {
    (void)state;
    assert_all_refused(bad_exceptions, ARRAY_SIZE(bad_exceptions));
}

/* -- over several files -------------------------------------------------------------- */

static void test_several_files(void **state) {
    struct ng_policy_text texts[] = {
        {.name = "policy.yaml", .bytes = "version: 1\nrules: [{id: a, deny: [1]}]\n"},
        {.name = "policy.d/10.yaml"},
    };
    struct ng_policy *policy = NULL;
    struct ng_error error = {0};

    (void)state;
    texts[0].len_bytes = strlen(texts[0].bytes);
    texts[1].bytes = "rules:\n- {id: a, deny: [2]}\n";
    texts[1].len_bytes = strlen(texts[1].bytes);
    assert_refused(texts, 2, -EINVAL, "2:8: there is already a rule 'a' at policy.yaml:2");
    assert_int_equal(ng_policy_parse(texts, 2, &policy, &error), -EINVAL);
    assert_string_equal(error.source, "policy.d/10.yaml");

    /* The first file must say its version, whichever it is. */
    assert_refused(&texts[1], 1, -EINVAL,
                   "1:1: the policy does not say its version; expected 'version: 1'");
    texts[1].bytes = "version: 3\n";
    texts[1].len_bytes = strlen(texts[1].bytes);
    assert_refused(texts, 2, -EINVAL,
                   "1:10: expected 1 for 'version', the policy language this netguard reads, found "
                   "the number 3");
    /* A word that a later file replaces must still be one. */
    texts[0].bytes = "version: 1\nmode: off\n";
    texts[0].len_bytes = strlen(texts[0].bytes);
    texts[1].bytes = "mode: enforce\n";
    texts[1].len_bytes = strlen(texts[1].bytes);
    assert_refused(texts, 2, -EINVAL, "2:7: expected monitor or enforce for 'mode', found \"off\"");
}

/* -- files --------------------------------------------------------------------------- */

/* Every file in bad/ begins with a line "# expect LINE:COLUMN: MESSAGE". */
static void check_bad_file(const char *name) {
    static const char mark[] = "# expect ";
    char path[512], expected[512];
    size_t len;

    snprintf(path, sizeof(path), "%s/bad/%s", POLICY_DATA, name);
    char *bytes = read_policy_file(path, &len);
    assert_memory_equal(bytes, mark, sizeof(mark) - 1);
    snprintf(expected, sizeof(expected), "%.*s", (int)strcspn(bytes + sizeof(mark) - 1, "\n"),
             bytes + sizeof(mark) - 1);
    struct ng_policy_text text = {.name = name, .bytes = bytes, .len_bytes = len};
    assert_refused(&text, 1, -EINVAL, expected);
    free(bytes);
}

static void test_bad_files(void **state) {
    DIR *directory = opendir(POLICY_DATA "/bad");
    size_t count = 0;

    (void)state;
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        if (entry->d_name[0] != '.') {
            check_bad_file(entry->d_name);
            count++;
        }
    closedir(directory);
    assert_true(count >= 9);
}

/* What the contract shows is the language whole. */
static void test_contract_example_is_understood(void **state) {
    size_t len;
    char *bytes = read_policy_file(POLICY_DATA "/contract.yaml", &len);
    _cleanup_(ng_policy_freep) struct ng_policy *policy = parse_good(bytes);

    (void)state;
    assert_int_equal(policy->n_segregations, 1);
    assert_true(policy->habits[NG_HABIT_LINKS].asked);
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_top_level),
        cmocka_unit_test(test_zones),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_selectors),
        cmocka_unit_test(test_exceptions),
        cmocka_unit_test(test_several_files),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_contract_example_is_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
