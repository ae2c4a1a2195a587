/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/xfrm.h>

#include "agent/observe/ipsec.h"
#include "tests/unit/fixture_answer.h"

static void associations_are_counted(void **state) {
    union answer answer;
    bool some;

    (void)state;
    for (uint32_t count = 0; count < 3; count++) {
        begin_answer(&answer, XFRM_MSG_NEWSADINFO, sizeof(uint32_t));
        mnl_attr_put_u32(&answer.message, XFRMA_SAD_CNT, count);
        assert_int_equal(ng_ipsec_decode(&answer.message, &some), 0);
        assert_int_equal(some, count > 0);
    }
}

static void policies_are_counted(void **state) {
    const struct xfrmu_spdinfo cases[] = {{0}, {.incnt = 1}, {.outcnt = 1}, {.fwdcnt = 1}};
    union answer answer;
    bool some;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        begin_answer(&answer, XFRM_MSG_NEWSPDINFO, sizeof(uint32_t));
        mnl_attr_put(&answer.message, XFRMA_SPD_INFO, sizeof(cases[i]), &cases[i]);
        assert_int_equal(ng_ipsec_decode(&answer.message, &some), 0);
        assert_int_equal(some, i > 0);
    }
}

static void other_answers_are_refused(void **state) {
    union answer answer;
    bool some;

    (void)state;
    begin_answer(&answer, XFRM_MSG_NEWSADINFO, sizeof(uint32_t));
    assert_int_equal(ng_ipsec_decode(&answer.message, &some), -EBADMSG);
    begin_answer(&answer, XFRM_MSG_NEWSPDINFO, sizeof(uint32_t));
    mnl_attr_put_u32(&answer.message, XFRMA_SPD_INFO, 0);
    assert_int_equal(ng_ipsec_decode(&answer.message, &some), -EBADMSG);
    begin_answer(&answer, XFRM_MSG_NEWSA, sizeof(uint32_t));
    mnl_attr_put_u32(&answer.message, XFRMA_SAD_CNT, 0);
    assert_int_equal(ng_ipsec_decode(&answer.message, &some), -EBADMSG);
    begin_answer(&answer, XFRM_MSG_NEWSADINFO, 0);
    assert_int_equal(ng_ipsec_decode(&answer.message, &some), -EBADMSG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(associations_are_counted),
        cmocka_unit_test(policies_are_counted),
        cmocka_unit_test(other_answers_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
