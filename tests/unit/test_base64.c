/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/observe/base64.h"

/* RFC 4648, section 10. */
static const struct {
    const char *bytes, *text;
} vectors[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

static void vectors_hold_both_ways(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        size_t len = strlen(vectors[i].bytes), text_len = strlen(vectors[i].text), back_len = 99;
        char text[16];
        uint8_t back[16];

        assert_int_equal(ng_base64_text_len(len), text_len);
        ng_base64_encode((const uint8_t *)vectors[i].bytes, len, text);
        assert_memory_equal(text, vectors[i].text, text_len);
        assert_int_equal(ng_base64_decode(text, text_len, back, &back_len), 0);
        assert_int_equal(back_len, len);
        assert_memory_equal(back, vectors[i].bytes, len);
    }
}

static void every_byte_survives(void **state) {
    uint8_t bytes[256], back[260];
    char text[344];
    size_t back_len;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    ng_base64_encode(bytes, sizeof(bytes), text);
    assert_int_equal(ng_base64_decode(text, sizeof(text), back, &back_len), 0);
    assert_int_equal(back_len, sizeof(bytes));
    assert_memory_equal(back, bytes, sizeof(bytes));
}

static void any_other_text_is_refused(void **state) {
    static const char *const texts[] = {"Z",    "Zg",       "Zg=",    "Z===",    "====", "Zh==",
                                        "Zm9=", "Zg==Zg==", "Zm9v\n", "Zm9-",    "Zm9_", " m9v",
                                        "=m9v", "Zm=v",     "Zm9v=",  "Zm9v===="};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        uint8_t bytes[16];
        size_t len = 77;

        assert_int_equal(ng_base64_decode(texts[i], strlen(texts[i]), bytes, &len), -EINVAL);
        assert_int_equal(len, 77);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_hold_both_ways),
        cmocka_unit_test(every_byte_survives),
        cmocka_unit_test(any_other_text_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
