/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iptables' extensions to operations: the structures that the kernel gave back for real rules
 * (data/xt, made by the script `record` there), and what no kernel would give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_tcpudp.h>

#include "tests/unit/fixture_xt.h"

#define DATA "tests/unit/data/xt/"

/* -- as recorded --------------------------------------------------------------------- */

static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t len = 0;
    if (!file || getdelim(&text, &len, '\0', file) < 0)
        fail_msg("cannot read %s", path);
    fclose(file);
    return text;
}

/* Hex digits; a run of zero bytes is their number between dots, nothing a "-". */
static size_t unpack(const char *text, uint8_t *bytes, size_t size) {
    size_t n = 0;
    while (*text && *text != '-') {
        char *end;
        unsigned value;
        if (*text == '.') {
            n += strtoul(text + 1, &end, 10);
            text = end + 1;
        } else {
            assert_int_equal(sscanf(text, "%2x", &value), 1);
            assert_true(n < size);
            bytes[n++] = (uint8_t)value;
            text += 2;
        }
        assert_true(n <= size);
    }
    return n;
}

static void decode_recorded(FILE *out, const char *line, uint8_t family) {
    char kind[8], name[32], packed[8192];
    unsigned revision;
    uint8_t bytes[8192] = {0};
    assert_int_equal(sscanf(line, " %7s %31s %u %8191s", kind, name, &revision, packed), 4);
    size_t len = unpack(packed, bytes, sizeof(bytes));
    char *text = become(strcmp(kind, "target") == 0, family, name, revision, bytes, len, NULL);
    for (char *op = strtok(text, "\n"); op; op = strtok(NULL, "\n"))
        fprintf(out, "    %s\n", op);
    free(text);
}

static void test_recorded(void **state) {
    (void)state;
    char *recorded = read_file(DATA "recorded"), *expected = read_file(DATA "expected");
    char *found = NULL, *rest = recorded;
    size_t found_len;
    uint8_t family = 0;
    FILE *out = open_memstream(&found, &found_len);
    assert_non_null(out);
    for (char *line; (line = strsep(&rest, "\n")) && *line;) {
        if (*line == ' ') {
            decode_recorded(out, line, family);
            continue;
        }
        family = *line == '6' ? NFPROTO_IPV6 : NFPROTO_IPV4;
        fprintf(out, "%s\n", line);
    }
    fclose(out);
    /* The first line that differs, not all of them. */
    for (char *a = found, *b = expected; a || b;) {
        const char *one = strsep(&a, "\n"), *other = strsep(&b, "\n");
        assert_string_equal(one ? one : "(the end)", other ? other : "(the end)");
    }
    free(found);
    free(expected);
    free(recorded);
}

/* -- what is not known, and what nobody would write ---------------------------------- */

static void test_unknown(void **state) {
    (void)state;
    const struct xt_udp udp = {{0, 65535}, {53, 53}, 0};
    MATCH(NFPROTO_IPV4, "teleport", 3, udp,
          "undecoded, undecided: xt match \"teleport\" revision 3\n");
    MATCH(NFPROTO_IPV4, "udp", 1, udp, "undecoded, undecided: xt match \"udp\" revision 1\n");
    TARGET(NFPROTO_IPV4, "TELEPORT", 0, udp,
           "undecoded, unknown: xt target \"TELEPORT\" revision 0\n");
    TARGET(NFPROTO_IPV4, "LOG", 9, udp, "undecoded, unknown: xt target \"LOG\" revision 9\n");
    /* Of another size it is not what its name says. */
    const struct xt_udp two[2] = {udp, udp};
    char *text = become(false, NFPROTO_IPV4, "udp", 0, two, sizeof(two), NULL);
    assert_string_equal(text, "undecoded, undecided: xt match \"udp\" revision 0\n");
    free(text);
    text = become(false, NFPROTO_IPV4, "udp", 0, two, sizeof(udp) - 1, NULL);
    assert_string_equal(text, "undecoded, undecided: xt match \"udp\" revision 0\n");
    free(text);
    /* Nor is it in another family: whose addresses would it mean? */
    MATCH(NFPROTO_IPV6, "ttl", 0, udp, "undecoded, undecided: xt match \"ttl\" revision 0\n");
    const struct nf_nat_range2 range = {.flags = NF_NAT_RANGE_MAP_IPS};
    TARGET(NFPROTO_INET, "DNAT", 2, range, "undecoded, unknown: xt target \"DNAT\" revision 2\n");
}

static void test_reversed_ranges(void **state) {
    (void)state;
    const struct xt_udp udp = {{9, 5}, {9, 5}, XT_UDP_INV_DSTPT};
    MATCH(NFPROTO_IPV4, "udp", 0, udp, "match sport\nmatch not dport\n");
    struct xt_multiport_v1 ports = {
        .flags = XT_MULTIPORT_SOURCE, .count = 4, .ports = {9, 5, 1, 3}, .pflags = {1, 0, 1, 0}};
    MATCH(NFPROTO_IPV4, "multiport", 1, ports, "match sport in 0x1-0x3\n");
    /* A range that lacks its end ends where the kernel looks for it. */
    ports.count = 1, ports.ports[1] = 12;
    MATCH(NFPROTO_IPV4, "multiport", 1, ports, "match sport in 0x9-0xc\n");
    ports.count = 255;
    memset(ports.pflags, 1, sizeof(ports.pflags));
    MATCH(NFPROTO_IPV4, "multiport", 1, ports, "match sport in 0x0-0x3, 0x9-0xc\n");
}

/* Any bytes at all, for every name that was recorded. */
static void test_noise(void **state) {
    (void)state;
    char *recorded = read_file(DATA "recorded"), *rest = recorded;
    uint64_t seed = 88172645463325252U;
    unsigned tried = 0;
    for (char *line; (line = strsep(&rest, "\n"));) {
        char kind[8], name[32], packed[8192];
        unsigned revision;
        uint8_t bytes[8192] = {0};
        if (sscanf(line, "    %7s %31s %u %8191s", kind, name, &revision, packed) != 4)
            continue;
        size_t len = unpack(packed, bytes, sizeof(bytes));
        for (unsigned round = 0; round < 20; round++, tried++) {
            for (size_t i = 0; i < len; i++) {
                seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
                bytes[i] = round == 0 ? UINT8_MAX : (uint8_t)seed;
            }
            for (uint8_t family = NFPROTO_IPV4; family <= NFPROTO_IPV6; family += 8)
                free(become(*kind == 't', family, name, revision, bytes, len, NULL));
        }
    }
    free(recorded);
    assert_true(tried > 3000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_reversed_ranges),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
