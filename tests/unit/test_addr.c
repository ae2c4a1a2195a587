/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses and prefixes: text to number and back, as RFC 5952 writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "netguard/addr.h"
#include "tests/unit/fixture_random.h"

static void test_parse(void **state) {
    static const struct {
        const char *text;
        uint8_t family;
        uint64_t high, low;
    } good[] = {
        {"0.0.0.0", NG_IP4, 0, 0},
        {"192.0.2.1", NG_IP4, 0, 0xc0000201},
        {"255.255.255.255", NG_IP4, 0, 0xffffffff},
        {"::", NG_IP6, 0, 0},
        {"::1", NG_IP6, 0, 1},
        {"2001:DB8::a", NG_IP6, 0x20010db800000000, 10},
        {"::ffff:192.0.2.1", NG_IP6, 0, 0xffffc0000201},
        {"::1.2.3.4", NG_IP6, 0, 0x01020304},
        {"1:2:3:4:5:6:7:8", NG_IP6, 0x0001000200030004, 0x0005000600070008},
        {"1::", NG_IP6, 0x0001000000000000, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        struct ng_addr addr;
        if (ng_addr_parse(good[i].text, &addr) < 0 || addr.family != good[i].family ||
            addr.value != ((ng_u128)good[i].high << 64 | good[i].low))
            fail_msg("%s", good[i].text);
    }
}

static void test_parse_refuses(void **state) {
    static const char *const bad[] = {
        "",
        " 192.0.2.1",
        "192.0.2.1 ",
        "192.0.2",
        "192.0.2.256",
        "192.0.2.1.1",
        "192.0.2.01",
        "0x7f.0.0.1",
        "192.0.2.1/24",
        ":::",
        "1:2:3:4:5:6:7",
        "1::2::3",
        "fe80::1%eth0",
        "[::1]",
        "::12345",
        "::1.2.3",
        "localhost",
        "1:2:3:4:5:6:7:8:9",
        "-1.0.0.0",
        "+1.0.0.0",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct ng_addr addr = {.family = 99};
        if (ng_addr_parse(bad[i], &addr) != -EINVAL || addr.family != 99)
            fail_msg("\"%s\"", bad[i]);
    }
}

static void test_prefix(void **state) {
    static const struct {
        const char *text;
        int result;
        unsigned len;
    } table[] = {
        {"192.0.2.0/24", 0, 24},
        {"192.0.2.1", 0, 32},
        {"192.0.2.1/32", 0, 32},
        {"0.0.0.0/0", 0, 0},
        {"128.0.0.0/1", 0, 1},
        {"::/0", 0, 0},
        {"::1", 0, 128},
        {"2001:db8::/32", 0, 32},
        {"2001:db8::1/128", 0, 128},
        {"192.0.2.1/24", -ERANGE, 0},
        {"0.0.0.1/0", -ERANGE, 0},
        {"2001:db8::1/32", -ERANGE, 0},
        {"::1/0", -ERANGE, 0},
        {"192.0.2.0/33", -EINVAL, 0},
        {"::/129", -EINVAL, 0},
        {"192.0.2.0/", -EINVAL, 0},
        {"192.0.2.0/024", -EINVAL, 0},
        {"192.0.2.0/+24", -EINVAL, 0},
        {"192.0.2.0/-1", -EINVAL, 0},
        {"192.0.2.0/ 24", -EINVAL, 0},
        {"192.0.2.0/24 ", -EINVAL, 0},
        {"0.0.0.0/00", -EINVAL, 0},
        {"192.0.2.0/0x8", -EINVAL, 0},
        {"192.0.2.0/1111", -EINVAL, 0},
        {"/24", -EINVAL, 0},
        {"192.0.2.0/24/8", -EINVAL, 0},
        {"192.0.2.0/255.255.255.0", -EINVAL, 0},
        {"", -EINVAL, 0},
        {"::/4294967296", -EINVAL, 0},
        {"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", -EINVAL, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct ng_addr addr = {.family = 99};
        unsigned len = 999;
        int r = ng_prefix_parse(table[i].text, &addr, &len);
        bool untouched = addr.family == 99 && len == 999;
        if (r != table[i].result || (r == 0 ? len != table[i].len : !untouched))
            fail_msg("\"%s\": %d, /%u", table[i].text, r, len);
    }
}

/* Every length of every text it prints is read back, and one bit too many is refused. */
static void test_prefix_there_and_back(void **state) {
    struct dice dice = {0xfeed};
    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        uint8_t family = roll(&dice, 2) ? NG_IP4 : NG_IP6;
        unsigned bits = ng_family_bits(family), len = roll(&dice, bits + 1), back_len;
        ng_u128 any = (ng_u128)dice_next(&dice) << 64 | dice_next(&dice);
        struct ng_addr addr = {family, any & ng_prefix_mask(family, len)}, back;
        char text[NG_ADDR_TEXT];
        assert_int_equal(ng_prefix_parse(ng_prefix_text(addr, len, text), &back, &back_len), 0);
        assert_true(ng_addr_equal(addr, back));
        assert_int_equal(len, back_len);
        if (len < bits) {
            addr.value |= (ng_u128)1 << roll(&dice, bits - len);
            assert_int_equal(ng_prefix_parse(ng_prefix_text(addr, len, text), &back, &back_len),
                             -ERANGE);
        }
    }
}

/* RFC 5952, sections 4 and 5, letter by letter: lower case, no leading zeros, "::" for the
 * first longest run of at least two zero groups, dotted quads behind ::ffff:. */
static void model_text6(ng_u128 value, char *text) {
    unsigned groups[8], best = 8, best_len = 1;
    for (unsigned i = 0; i < 8; i++)
        groups[i] = (unsigned)(value >> (112 - 16 * i)) & 0xffff;
    if (value >> 32 == 0xffff) {
        sprintf(text, "::ffff:%u.%u.%u.%u", groups[6] >> 8, groups[6] & 255, groups[7] >> 8,
                groups[7] & 255);
        return;
    }
    for (unsigned i = 0; i < 8; i++) {
        unsigned len = 0;
        while (i + len < 8 && groups[i + len] == 0)
            len++;
        if (len > best_len) {
            best = i;
            best_len = len;
        }
    }
    *text = '\0';
    for (unsigned i = 0; i < 8; i++) {
        if (i == best) {
            strcat(text, "::");
            i += best_len - 1;
            continue;
        }
        bool colon = i > 0 && text[strlen(text) - 1] != ':';
        sprintf(text + strlen(text), "%s%x", colon ? ":" : "", groups[i]);
    }
}

static void test_text6(void **state) {
    static const ng_u128 groups[] = {0, 0, 0, 1, 0xab, 0xffff, 0x20};
    struct dice dice = {0xabcdef};
    (void)state;
    for (unsigned round = 0; round < 50000; round++) {
        struct ng_addr addr = {.family = NG_IP6}, back;
        for (unsigned i = 0; i < 8; i++)
            addr.value = addr.value << 16 | groups[roll(&dice, ARRAY_SIZE(groups))];
        if (roll(&dice, 8) == 0)
            addr.value = (ng_u128)roll(&dice, 2) * 0xffff << 32 | (uint32_t)dice_next(&dice);
        char text[NG_ADDR_TEXT], expected[NG_ADDR_TEXT];
        model_text6(addr.value, expected);
        assert_string_equal(ng_addr_text(addr, text), expected);
        assert_int_equal(ng_addr_parse(text, &back), 0);
        assert_true(ng_addr_equal(addr, back));
    }
}

static void test_text(void **state) {
    static const struct {
        struct ng_addr addr;
        const char *text;
    } table[] = {
        {{NG_IP4, 0}, "0.0.0.0"},
        {{NG_IP4, 0xc0000201}, "192.0.2.1"},
        {{NG_IP4, 0xffffffff}, "255.255.255.255"},
        {{NG_IP6, 0}, "::"},
        {{NG_IP6, 1}, "::1"},
        {{NG_IP6, 0xffff}, "::ffff"},
        {{NG_IP6, 0x10000}, "::1:0"},
        {{NG_IP6, 0x01020304}, "::102:304"},
        {{NG_IP6, 0xffffc0000201}, "::ffff:192.0.2.1"},
        {{NG_IP6, (ng_u128)0x0001000000020000 << 64 | 3}, "1:0:2::3"},
        {{NG_IP6, (ng_u128)0x0001000000000002 << 64 | 0x000300000000}, "1::2:0:3:0:0"},
        {{NG_IP6, ~(ng_u128)0}, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    char text[NG_ADDR_TEXT];
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        assert_string_equal(ng_addr_text(table[i].addr, text), table[i].text);
    assert_string_equal(ng_prefix_text((struct ng_addr){NG_IP6, ~(ng_u128)0}, 128, text),
                        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
}

static void test_mask(void **state) {
    (void)state;
    for (unsigned len = 0; len <= 32; len++) {
        ng_u128 model = 0;
        for (unsigned i = 0; i < len; i++)
            model |= (ng_u128)1 << (31 - i);
        assert_true(ng_prefix_mask(NG_IP4, len) == model);
    }
    for (unsigned len = 0; len <= 128; len++) {
        ng_u128 model = 0;
        for (unsigned i = 0; i < len; i++)
            model |= (ng_u128)1 << (127 - i);
        assert_true(ng_prefix_mask(NG_IP6, len) == model);
    }
    assert_true(ng_family_max(NG_IP4) == 0xffffffff);
    assert_true(ng_family_max(NG_IP6) + 1 == 0);
}

static void test_from_wire(void **state) {
    static const uint8_t wire[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    (void)state;
    struct ng_addr four = ng_addr_from_wire(wire, 4), six = ng_addr_from_wire(wire, 16);
    assert_int_equal(four.family, NG_IP4);
    assert_true(four.value == 0x20010db8);
    assert_int_equal(six.family, NG_IP6);
    assert_true(six.value == ((ng_u128)0x20010db800000000 << 64 | 1));
}

static void test_loopback_and_any(void **state) {
    static const struct {
        const char *text;
        bool loopback, any;
    } table[] = {
        {"127.0.0.1", true, false},
        {"127.255.255.255", true, false},
        {"126.255.255.255", false, false},
        {"128.0.0.0", false, false},
        {"0.0.0.0", false, true},
        {"::1", true, false},
        {"::", false, true},
        {"::2", false, false},
        {"::7f00:1", false, false},
        {"0.0.0.1", false, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct ng_addr addr;
        assert_int_equal(ng_addr_parse(table[i].text, &addr), 0);
        if (ng_addr_is_loopback(addr) != table[i].loopback || ng_addr_is_any(addr) != table[i].any)
            fail_msg("%s", table[i].text);
    }
    assert_false(ng_addr_is_loopback((struct ng_addr){.value = 1})); /* no address at all */
    assert_false(ng_addr_equal((struct ng_addr){NG_IP4, 1}, (struct ng_addr){NG_IP6, 1}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_prefix_there_and_back),
        cmocka_unit_test(test_text6),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_from_wire),
        cmocka_unit_test(test_loopback_and_any),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
