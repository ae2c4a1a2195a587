/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Generated rulesets and changes of a few of their rules: what ng_judge_again() makes of them is
 * what ng_judge() does, byte for byte. */
#include "agent/print/print.h"
#include "tests/unit/fixture_host.h"
#include "tests/unit/fixture_random.h"

enum {
    HOSTS = 200,
    CHANGES = 8,    /* one after the other */
    SOURCE_NAT = 3, /* a chain of every host */
};

static const char *policy = "version: 1\n"
                            "mode: enforce\n"
                            "zones:\n"
                            "  - {id: office, match: [{sources: [203.0.113.0/24]}]}\n"
                            "rules:\n"
                            "  - {id: office, allow: ['@any'], from: [office]}\n"
                            "  - {id: stores, deny: [80, 8080], action: block}\n"
                            "  - {id: web, allow: [443, 8443]}\n"
                            "default: alert\n";

/* -- hosts ----------------------------------------------------------------------------------- */

static uint16_t some_port(struct dice *dice) {
    static const uint16_t ports[] = {22, 80, 80, 443, 8080, 8443, 9100};
    return ports[roll(dice, ARRAY_SIZE(ports))];
}

static const char *some_addr(struct dice *dice) {
    static const char *const addrs[] = {"192.0.2.1",     "10.0.0.1",    "172.17.0.1",
                                        "172.17.0.2",    "172.17.0.3",  "172.17.0.9",
                                        "172.17.0.0/16", "198.51.100.9"};
    return addrs[roll(dice, ARRAY_SIZE(addrs))];
}

static struct ng_op some_test(struct lab *lab, struct dice *dice) {
    static const char *const links[] = {"eth0", "eth1", "docker0"};
    static const char *const sources[] = {"203.0.113.0/24", "10.0.0.0/8", "0.0.0.0/1"};
    struct ng_op op;
    switch (roll(dice, 20)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        op = dport(lab, some_port(dice));
        break;
    case 5:
    case 6:
        op = to(lab, some_addr(dice));
        break;
    case 7:
        op = is(lab, NG_FIELD_CT_DPORT, some_port(dice));
        break;
    case 8:
        op = is(lab, NG_FIELD_CT_DADDR, addr("192.0.2.1").value);
        break;
    case 9:
        op = is(lab, NG_FIELD_L4PROTO, roll(dice, 3) ? NG_TCP : NG_UDP);
        break;
    case 10:
        op = is(lab, NG_FIELD_NFPROTO, roll(dice, 2) ? 2 : 10);
        break;
    case 11:
    case 12:
        op = named(lab, roll(dice, 2) ? NG_FIELD_IIFNAME : NG_FIELD_OIFNAME,
                   links[roll(dice, ARRAY_SIZE(links))]);
        break;
    case 13:
    case 14:
        op = from(lab, sources[roll(dice, ARRAY_SIZE(sources))]);
        break;
    case 15:
        op = is_between(lab, NG_FIELD_SPORT, 0, roll(dice, 2) ? 1023 : 52);
        break;
    case 16:
        op = has_bit(lab, NG_FIELD_CT_STATE, 1U << roll(dice, 4));
        break;
    case 17:
        op = is(lab, NG_FIELD_CT_REPLY_SADDR, addr("172.17.0.2").value);
        break;
    case 18: /* may be gone in a moment */
        op = dport(lab, some_port(dice));
        ((struct ng_match *)op.match)->expiring = op.match->values;
        ((struct ng_match *)op.match)->values = (struct ng_addrset){0};
        break;
    default:
        return UNDECIDED("limit");
    }
    return roll(dice, 5) ? op : not(op);
}

static struct ng_op some_end(struct lab *lab, struct dice *dice, uint32_t chain, uint32_t user) {
    if (chain == 0 && roll(dice, 3))
        return dnat(lab, roll(dice, 2) ? "172.17.0.2" : "172.17.0.3", some_port(dice));
    if (chain == SOURCE_NAT && roll(dice, 2))
        return MASQUERADE;
    switch (roll(dice, 12)) {
    case 0:
        return roll(dice, 6) ? ACCEPT : UNKNOWN("queue");
    case 1:
        return ACCEPT;
    case 2:
        return RETURN;
    case 3:
    case 4:
        return chain != user ? JUMP(user) : DROP;
    case 5:
        return set_mark(lab, 0, 1 + roll(dice, 3));
    case 6:
        return roll(dice, 6) ? NOTHING : NOTRACK;
    case 7:
        return chain == 0 && roll(dice, 6) == 0
                   ? nat_op(lab, NG_OP_REDIRECT, nat_to(NULL, some_port(dice)))
                   : DROP;
    case 8:
        return roll(dice, 12) ? DROP : set_field(lab, NG_FIELD_DPORT, some_port(dice));
    default:
        return DROP;
    }
}

/* Not yet among the others. */
static struct ng_rule some_rule(struct lab *lab, struct dice *dice, uint64_t handle) {
    struct ng_op *ops = lab_alloc(lab, 5, sizeof(*ops));
    uint32_t user = (uint32_t)lab->ruleset.n_chains - 1;
    struct ng_rule rule = {.chain = roll(dice, user + 1), .handle = handle, .ops = ops};
    for (unsigned tests = roll(dice, 4); tests; tests--)
        ops[rule.n_ops++] = some_test(lab, dice);
    ops[rule.n_ops++] = some_end(lab, dice, rule.chain, user);
    return rule;
}

static void insert_rule(struct lab *lab, size_t at, struct ng_rule rule) {
    assert_true(lab->ruleset.n_rules < LAB_RULES);
    memmove(&lab->rules[at + 1], &lab->rules[at],
            (lab->ruleset.n_rules - at) * sizeof(lab->rules[0]));
    lab->rules[at] = rule;
    lab->ruleset.n_rules++;
}

static void take_rule(struct lab *lab, size_t at) {
    lab->ruleset.n_rules--;
    memmove(&lab->rules[at], &lab->rules[at + 1],
            (lab->ruleset.n_rules - at) * sizeof(lab->rules[0]));
}

static struct host *some_host(struct dice *dice) {
    static const struct ng_link_to links[] = {{.to = "web", .alias = "w"}};
    struct host *host = host_new(policy);
    struct lab *lab = host->lab;
    lab->no_conntrack = roll(dice, 3) == 0;
    lab->links[DOCKER0 - 1].bridge_calls4 = true;
    nat_chain(lab, NG_HOOK_POSTROUTING, 100, false);
    filter_chain(lab, NG_HOOK_POSTROUTING, roll(dice, 6) ? -150 : 150, false);
    filter_chain(lab, NG_HOOK_PREROUTING, roll(dice, 4) ? -300 : -200, false);
    if (roll(dice, 4) == 0) /* of equal priority in another table */
        base_chain(lab, table(lab, NG_TABLE_IP, "own"), "own", NG_HOOK_FORWARD, NG_CHAIN_FILTER, 0,
                   false);
    chain(lab, 0, roll(dice, 3) ? "user" : "ufw-user");
    struct ng_container *app = add_container(host, ID_A, "app");
    publish(host, "0.0.0.0", 8080, 80);
    publish(host, "10.0.0.1", 8443, 443);
    app->links = links;
    app->n_links = 1;
    add_container(host, ID_B, "web");
    publish(host, "0.0.0.0", 443, 443);
    publish(host, "0.0.0.0", 80, 80);
    host->endpoints[2] =
        (struct ng_endpoint){.network = "bridge", .network_id = "", .addr4 = addr("172.17.0.9")};
    host->containers[1].n_endpoints = 2;
    listen_on(host, "0.0.0.0", 22, "sshd", NULL);
    listen_on(host, "10.0.0.1", 9100, "exporter", NULL);
    listen_on(host, "::", 8080, "docker-proxy", NULL);
    for (unsigned n = roll(dice, 20); n; n--)
        insert_rule(lab, roll(dice, (unsigned)lab->ruleset.n_rules + 1),
                    some_rule(lab, dice, 1000 + n));
    return host;
}

/* -- both ways --------------------------------------------------------------------------------- */

struct count {
    unsigned quick, left, other; /* changes: judged again, left to a whole judgement; of the first
                                    those that came to something */
};

static char *print(const struct ng_result *result) {
    static const struct ng_print_options options = {.verbose = true};
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    assert_int_equal(ng_print_json(out, result, &options), 0);
    fclose(out);
    return text;
}

/* Adds a rule, takes one out, or both. */
static size_t change(struct lab *lab, struct dice *dice, uint64_t handle,
                     const struct ng_rule *changed[static 2]) {
    size_t n = 0;
    unsigned what = roll(dice, 5);
    if (what >= 2 && lab->ruleset.n_rules) {
        size_t at = roll(dice, (unsigned)lab->ruleset.n_rules);
        struct ng_rule *own = lab_alloc(lab, 1, sizeof(*own));
        *own = lab->rules[at];
        changed[n++] = own;
        take_rule(lab, at);
    }
    if (what < 3) {
        struct ng_rule *own = lab_alloc(lab, 1, sizeof(*own));
        *own = some_rule(lab, dice, handle);
        changed[n++] = own;
        insert_rule(lab, roll(dice, (unsigned)lab->ruleset.n_rules + 1), *own);
    }
    return n;
}

static void follow(struct host *host, struct dice *dice, unsigned seed, struct count *count) {
    struct ng_result *result = NULL;
    struct ng_error error = {0};
    judge(host);
    assert_int_equal(
        ng_judge(&host->lab->world, lab_ruleset(host->lab), host->policy, &result, &error), 0);
    for (unsigned i = 0; i < CHANGES; i++) {
        const struct ng_rule *changed[2];
        struct ng_result *next;
        _cleanup_(ng_result_freep) struct ng_result *whole = NULL;
        size_t n = change(host->lab, dice, 2000 + i, changed);
        const struct ng_ruleset *ruleset = lab_ruleset(host->lab);
        char *before = print(result), *expected, *found;
        int r = ng_judge_again(result, ruleset, changed, n, &next, &error);
        assert_int_equal(ng_judge(&host->lab->world, ruleset, host->policy, &whole, &error), 0);
        expected = print(whole);
        if (r == -EAGAIN) {
            count->left++;
            ng_result_free(result);
            result = TAKE_PTR(whole);
        } else {
            assert_int_equal(r, 0);
            found = print(next);
            count->quick++;
            count->other += strcmp(before, found) != 0;
            if (strcmp(found, expected) != 0)
                fail_msg("seed %u, change %u:\n%s\nis not\n%s", seed, i, found, expected);
            free(found);
            found = print(result); /* stays as it was */
            assert_string_equal(found, before);
            free(found);
            result = next;
        }
        free(before);
        free(expected);
    }
    ng_result_free(result);
}

static void test_the_same(void **state) {
    struct count count = {0};
    (void)state;
    for (unsigned seed = 1; seed <= HOSTS; seed++) {
        struct dice dice = {seed * 0x9e3779b97f4a7c15};
        _host_ host = some_host(&dice);
        follow(host, &dice, seed, &count);
    }
    print_message("%u judged again, %u of them to another result; %u left\n", count.quick,
                  count.other, count.left);
    /* Else it shows nothing. */
    assert_in_range(count.quick, HOSTS * CHANGES / 3, HOSTS * CHANGES);
    assert_in_range(count.other, count.quick / 10, count.quick);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
