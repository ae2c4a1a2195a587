/* SPDX-License-Identifier: GPL-2.0-or-later */

/* How `explain` names what is asked for. What packets meet on the way there is shown by real ones:
 * tests/e2e/questions.py. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/print/explain.h"
#include "tests/unit/fixture_engines.h"

static void assert_subject(const struct ng_exposure *exposure, const char *expected) {
    const struct ng_subject subject = {.exposure = *exposure, .exists = true};
    const struct ng_explanation explanation = {.subjects = &subject, .n_subjects = 1};
    const struct ng_explain_options asked = {0};
    const struct ng_print_options options = {.width = NG_TABLE_WIDTH};
    const struct ng_ruleset ruleset = {0};
    struct ng_tracer *tracer = NULL;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    assert_int_equal(ng_tracer_new(&fixture_manager_world, &ruleset, &tracer), 0);
    assert_int_equal(ng_print_explanation(out, tracer, &explanation, &asked, &options), 0);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, expected);
    ng_tracer_free(tracer);
    free(text);
}

static void test_subjects(void **state) {
    (void)state;
    const struct ng_exposure *exposures = fixture_e_exposures;
    struct ng_exposure bare = exposures[FIXTURE_X_GOSSIP];

    assert_subject(&exposures[FIXTURE_X_CAMERA],
                   "192.0.2.50:80/tcp: container camera, on the LAN past this host's firewall\n");
    assert_subject(&exposures[FIXTURE_X_DIRECT],
                   "172.17.0.2:6379/tcp: address of container redis\n");
    assert_subject(&exposures[FIXTURE_X_INGRESS],
                   "0.0.0.0:8080/tcp: port 80 of swarm service shop_web\n");
    assert_subject(&exposures[FIXTURE_X_INGRESS_BARE], "0.0.0.0:53/udp: swarm service shop_web\n");
    assert_subject(&exposures[FIXTURE_X_MANAGEMENT],
                   "0.0.0.0:2377/tcp: dockerd of this host, swarm management\n");
    assert_subject(&exposures[FIXTURE_X_DATA_PATH],
                   "0.0.0.0:4789/udp: a socket of this host, swarm data path\n");
    assert_subject(&exposures[FIXTURE_X_ESP],
                   "0.0.0.0/esp: the kernel of this host, swarm data path, encrypted\n");
    bare.role = NG_ROLE_NONE;
    assert_subject(&bare, "0.0.0.0:7946/tcp: dockerd of this host\n");
    bare = fixture_exposures[FIXTURE_X_REDIS4];
    assert_subject(&bare, "0.0.0.0:6379/tcp: port 6379 of container redis\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_subjects)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
