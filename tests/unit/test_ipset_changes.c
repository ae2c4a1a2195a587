/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ipsets that rules add packets to or take them out of: what is decoded of them before and after
 * such a rule is known says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/fixture_ipset.h"

static void test_changes(void **state) {
    (void)state;
    struct lab *lab = LAB("hash:ip", NFPROTO_IPV4, {.ip = "192.0.2.1"});
    const struct packet in = {.src = "192.0.2.1"}, out = {.src = "192.0.2.2"};
    const struct ng_match *before = ask(lab, 1, SRC_ANY);
    assert_int_equal(matches(before, &out), NO);
    assert_int_equal(ng_decode_ipset_change(&lab->list, IPSET_INVALID_ID, false), 0);
    assert_int_equal(matches(before, &out), NO);
    assert_int_equal(ng_decode_ipset_change(&lab->list, 0, false), 0);
    assert_int_equal(matches(before, &in), YES);
    assert_int_equal(matches(before, &out), MAYBE);
    const struct ng_match *after = ask(lab, 1, SRC_ANY | IPSET_INV_MATCH);
    assert_int_equal(matches(after, &in), NO);
    assert_int_equal(matches(after, &out), MAYBE);
    assert_int_equal(ng_decode_ipset_change(&lab->list, 0, true), 0);
    assert_int_equal(matches(before, &in), MAYBE);
    assert_int_equal(matches(after, &in), MAYBE);
    lab_free(lab);
}

/* What is added again to a set with timeouts gets one; a full set may push something out. */
static void test_changes_of_other_elements(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct lab *lab = lab_new();
        begin_set(&lab->listing, 0, "it", "hash:ip,port", NFPROTO_IPV4);
        if (i)
            put_be32(lab->listing.message, IPSET_ATTR_TIMEOUT, 0);
        else
            put_be32(lab->listing.message, IPSET_ATTR_CADT_FLAGS, IPSET_FLAG_WITH_FORCEADD);
        begin_elements(&lab->listing);
        put_member(&lab->listing,
                   (struct member){.ip = "192.0.2.1", .proto = 6, .has_port = true, .port = 22});
        end_set(&lab->listing);
        assert_int_equal(decode(lab, NULL), 0);
        const struct packet packet = {.src = "192.0.2.1", .proto = 6, .dport = 22};
        assert_int_equal(answer(lab, 2, SRC_ANY, packet), YES);
        assert_int_equal(ng_decode_ipset_change(&lab->list, 0, false), 0);
        assert_int_equal(answer(lab, 2, SRC_ANY, packet), MAYBE);
        lab_free(lab);
    }
}

static void test_changes_through_a_list(void **state) {
    (void)state;
    struct lab *lab = lab_new();
    begin_set(&lab->listing, 1, "member", "hash:ip", NFPROTO_IPV4);
    begin_elements(&lab->listing);
    end_set(&lab->listing);
    begin_set(&lab->listing, 0, "list", "list:set", 0);
    begin_elements(&lab->listing);
    put_member(&lab->listing, (struct member){.set = "member"});
    end_set(&lab->listing);
    assert_int_equal(decode(lab, NULL), 0);
    const struct packet packet = {.src = "192.0.2.1"};
    const struct ng_match *list = ask(lab, 1, SRC_ANY);
    const struct ng_match *member = ask_at(lab, NFPROTO_IPV4, 1, 1, SRC_ANY)->match;
    assert_int_equal(matches(list, &packet), NO);
    assert_int_equal(ng_decode_ipset_change(&lab->list, 1, false), 0);
    assert_int_equal(matches(list, &packet), MAYBE);
    assert_int_equal(matches(member, &packet), MAYBE);
    lab_free(lab);

    lab = LAB("hash:ip", NFPROTO_IPV4, {.ip = "192.0.2.1"});
    begin_set(&lab->listing, 7, "list", "list:set", 0);
    begin_elements(&lab->listing);
    put_member(&lab->listing, (struct member){.set = "it"});
    end_set(&lab->listing);
    assert_int_equal(decode(lab, NULL), 0);
    member = ask(lab, 1, SRC_ANY);
    assert_int_equal(ng_decode_ipset_change(&lab->list, 7, false), 0);
    const struct packet other = {.src = "192.0.2.2"};
    assert_int_equal(matches(member, &other), MAYBE);
    lab_free(lab);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_changes_of_other_elements),
        cmocka_unit_test(test_changes_through_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
