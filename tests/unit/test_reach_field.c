/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a packet answers when a rule asks: connection, interfaces, protocols, and what it does not
 * have. */
#include "tests/unit/fixture_reach.h"

/* -- connections ---------------------------------------------------------------------- */

static void test_state_of_a_first_packet(void **state) {
    static const struct {
        enum ng_hook hook;
        int32_t priority;
        unsigned expected;
    } places[] = {
        {NG_HOOK_PREROUTING, -300, 1}, {NG_HOOK_PREROUTING, -201, 1}, {NG_HOOK_PREROUTING, -199, 8},
        {NG_HOOK_PREROUTING, 0, 8},    {NG_HOOK_INPUT, -300, 8},      {NG_HOOK_INPUT, 0, 8},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        for (unsigned bit = 1; bit <= 64; bit <<= 1) {
            _lab_ lab = lab_new();
            uint32_t own = filter_chain(lab, places[i].hook, places[i].priority, false);
            RULE(lab, own, has_bit(lab, NG_FIELD_CT_STATE, bit), DROP);
            bool dropped = strcmp(ask_host(lab), "dropped all by 1") == 0;
            assert_int_equal(dropped, bit == places[i].expected);
        }
}

static void test_notrack_counts_only_before_conntrack(void **state) {
    static const struct {
        enum ng_hook hook;
        int32_t priority;
        bool untracked;
    } places[] = {{NG_HOOK_PREROUTING, -300, true},
                  {NG_HOOK_PREROUTING, -150, false},
                  {NG_HOOK_INPUT, -300, false}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        _lab_ lab = lab_new();
        uint32_t own = filter_chain(lab, places[i].hook, places[i].priority, false);
        uint32_t input = filter_chain(lab, INPUT, 0, true);
        RULE(lab, own, NOTRACK);
        RULE(lab, input, has_bit(lab, NG_FIELD_CT_STATE, 64), ACCEPT);
        RULE(lab, input, has_bit(lab, NG_FIELD_CT_STATE, 8), DROP);
        assert_string_equal(ask_host(lab),
                            places[i].untracked ? "local all by 2" : "dropped all by 3");
    }
}

/* What `ct state` is at input, as its bit; 0: it is none, or several. */
static unsigned state_at_input(struct lab *lab, struct ng_question question) {
    unsigned found = 0;
    for (unsigned bit = 1; bit <= 64; bit <<= 1) {
        lab->ruleset.n_tables = lab->ruleset.n_chains = lab->ruleset.n_rules = 0;
        uint32_t input = filter_chain(lab, INPUT, 0, true);
        RULE(lab, input, has_bit(lab, NG_FIELD_CT_STATE, bit), ACCEPT);
        if (lets_in(lab, question))
            found = found ? 0 : bit;
    }
    return found;
}

static void test_state_by_tcp_flags(void **state) {
    enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, ECE = 64, CWR = 128 };
    static const struct {
        uint8_t flags;
        unsigned loose, strict;
    } table_[] = {
        {SYN, 8, 8},       {SYN | URG, 8, 8}, {SYN | ECE | CWR, 8, 8}, {SYN | PSH, 8, 8},
        {ACK, 8, 1},       {ACK | PSH, 8, 1}, {ACK | URG, 8, 1},       {ACK | ECE, 8, 1},
        {SYN | ACK, 1, 1}, {RST, 1, 1},       {RST | ACK, 1, 1},       {FIN, 1, 1},
        {FIN | ACK, 1, 1}, {0, 1, 1},         {SYN | FIN, 1, 1},       {FIN | PSH | URG, 1, 1},
        {URG, 1, 1},       {SYN | RST, 1, 1},
    };
    _lab_ lab = lab_new();
    struct ng_question question = question_to(ETH0, "192.0.2.1", NG_TCP, 80);
    (void)state;
    assert_int_equal(state_at_input(lab, question), 8); /* a plain SYN */
    question.has_tcp_flags = true;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        question.tcp_flags = table_[i].flags;
        lab->world.conntrack_strict = false;
        unsigned loose = state_at_input(lab, question);
        lab->world.conntrack_strict = true;
        unsigned strict = state_at_input(lab, question);
        if (loose != table_[i].loose || strict != table_[i].strict)
            fail_msg("flags %x: %u, %u", table_[i].flags, loose, strict);
    }
}

static void test_state_by_icmp_type(void **state) {
    static const uint8_t new4[] = {8, 13, 15, 17};
    static const uint8_t new6[] = {128, 139};
    static const uint8_t untracked6[] = {130, 131, 132, 133, 134, 135, 136, 143};
    _lab_ lab = lab_new();
    struct ng_question ping4 = question_to(ETH0, "192.0.2.1", NG_ICMP, 0);
    struct ng_question ping6 = question_to(ETH0, "2001:db8::1", NG_ICMP6, 0);
    (void)state;
    for (unsigned type = 0; type <= 150; type++) {
        unsigned expected4 = memchr(new4, (int)type, sizeof(new4)) ? 8 : 1;
        unsigned expected6 = memchr(new6, (int)type, sizeof(new6))               ? 8
                             : memchr(untracked6, (int)type, sizeof(untracked6)) ? 64
                                                                                 : 1;
        ping4.icmp_type = ping6.icmp_type = (uint8_t)type;
        if (state_at_input(lab, ping4) != expected4 || state_at_input(lab, ping6) != expected6)
            fail_msg("type %u", type);
    }
}

static void test_state_of_other_protocols(void **state) {
    static const uint8_t protos[] = {NG_UDP, NG_SCTP, 33, 136, 47, 50, 2};
    _lab_ lab = lab_new();
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(protos); i++)
        assert_int_equal(state_at_input(lab, question_to(ETH0, "192.0.2.1", protos[i], 80)), 8);
    /* ICMP of the other family is a protocol like any other. */
    assert_int_equal(state_at_input(lab, question_to(ETH0, "2001:db8::1", NG_ICMP, 0)), 8);
    assert_int_equal(state_at_input(lab, question_to(ETH0, "192.0.2.1", NG_ICMP6, 0)), 8);
}

/* The question says what conntrack made of the packet. */
static void test_a_state_that_is_told(void **state) {
    struct ng_question question = question_to(ETH0, "192.0.2.1", NG_TCP, 80);
    _lab_ lab = lab_new();
    (void)state;
    for (unsigned bit = 1; bit <= 64; bit <<= 1) {
        if (bit == 16 || bit == 32) /* none of these */
            continue;
        question.ct_state = (uint8_t)bit;
        assert_int_equal(state_at_input(lab, question), bit);
    }
    /* Before conntrack there is none all the same. */
    lab->ruleset.n_tables = lab->ruleset.n_chains = lab->ruleset.n_rules = 0;
    uint32_t raw = filter_chain(lab, PREROUTING, -300, true);
    RULE(lab, raw, has_bit(lab, NG_FIELD_CT_STATE, 1), ACCEPT);
    assert_string_equal(ask_this(lab, question), "local all");
}

/* What is known of the connection of a packet with this state: mark and status. */
static void test_connections_that_are_not_new(void **state) {
    struct ng_question question = question_to(ETH0, "192.0.2.1", NG_TCP, 80);
    static const struct {
        uint8_t ct_state;
        enum ng_field field;
        ng_u128 value;
        const char *answer;
    } table_[] = {
        {8, NG_FIELD_CT_MARK, 0, "local all by 1"},
        {4, NG_FIELD_CT_MARK, 0, "local all by 1"},
        {8, NG_FIELD_CT_LABEL, 0, "local all by 1"},
        {8, NG_FIELD_CT_ZONE, 0, "local all by 1"},
        {8, NG_FIELD_CT_STATUS, 0, "local all by 1"},
        {4, NG_FIELD_CT_STATUS, 1, "local all by 1"}, /* expected */
        {8, NG_FIELD_CT_STATUS, 1, "dropped all by policy of 0"},
        {1, NG_FIELD_CT_MARK, 0, "dropped all by policy of 0"}, /* there is no connection */
        {64, NG_FIELD_CT_STATUS, 0, "dropped all by policy of 0"},
        {2, NG_FIELD_CT_DIRECTION, 0, "local all by 1"},
        {2, NG_FIELD_CT_MARK, 0, "dropped all by policy of 0; local all by 1 ? ct mark 0x00000000"},
        {2, NG_FIELD_CT_LABEL, 0, "dropped all by policy of 0; local all by 1 ? ct label 0"},
        {2, NG_FIELD_CT_ZONE, 0, "dropped all by policy of 0; local all by 1 ? ct zone 0"},
        {2, NG_FIELD_CT_STATUS, 0, "dropped all by policy of 0; local all by 1 ? ct status == 0x0"},
        {8, NG_FIELD_CT_EXPIRATION, 0,
         "dropped all by policy of 0; local all by 1 ? ct expiration 0"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        uint32_t input = filter_chain(lab, INPUT, 0, true);
        RULE(lab, input, is(lab, table_[i].field, table_[i].value), ACCEPT);
        question.ct_state = table_[i].ct_state;
        assert_string_equal(ask_this(lab, question), table_[i].answer);
    }
}

/* The bits that NAT sets: 32 for a destination that was translated, 256 and 128 when it has looked
 * at destination and source. */
static void test_status_bits_of_nat(void **state) {
    static const struct {
        enum ng_hook hook;
        int32_t priority;
        unsigned mapped, not_mapped, without_nat;
    } table_[] = {
        {PREROUTING, -199, 0, 0, 0},
        {PREROUTING, -101, 0, 0, 0},
        {PREROUTING, -99, 256 + 32, 256, 0},
        {FORWARD, -300, 256 + 32, 256, 0},
        {FORWARD, 300, 256 + 32, 256, 0},
        {POSTROUTING, 99, 256 + 32, 256, 0},
        {POSTROUTING, 101, 256 + 128 + 32, 256 + 128, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++)
        for (unsigned nat = 0; nat < 3; nat++) {
            _lab_ lab = lab_new();
            uint32_t own = filter_chain(lab, table_[i].hook, table_[i].priority, true);
            unsigned expected = nat == 0   ? table_[i].without_nat
                                : nat == 1 ? table_[i].not_mapped
                                           : table_[i].mapped;
            RULE(lab, own, is(lab, NG_FIELD_CT_STATUS, expected), ACCEPT);
            if (nat) {
                uint32_t chain_ = nat_chain(lab, PREROUTING, -100, false);
                RULE(lab, chain_, dport(lab, nat == 2 ? 80 : 81), dnat(lab, "10.0.0.9", 0));
            }
            if (strncmp(ask_container(lab), "forwarded", 9) != 0)
                fail_msg("%zu, %u", i, nat);
        }
    /* A nat chain of the other family alone is none. */
    _lab_ lab = lab_new();
    base_chain(lab, table(lab, NG_TABLE_IP6, "t"), "nat", PREROUTING, NG_CHAIN_NAT, -100, false);
    uint32_t input =
        base_chain(lab, table(lab, NG_TABLE_INET, "f"), "f", INPUT, NG_CHAIN_FILTER, 0, true);
    RULE(lab, input, is(lab, NG_FIELD_CT_STATUS, 0), ACCEPT);
    assert_string_equal(ask_host(lab), "local all by 1");
    assert_string_equal(ask(lab, ETH0, "2001:db8::1", NG_TCP, 80), "dropped all by policy of 1");
}

/* At its own priority NAT may have its turn before or after a chain: nobody tells. */
static void test_status_bits_beside_nat(void **state) {
    static const struct {
        enum ng_hook hook;
        int32_t priority;
        unsigned before, own;
    } table_[] = {{PREROUTING, -100, 0, 256}, {INPUT, 100, 256, 128}, {POSTROUTING, 100, 256, 128}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        bool forwarded = table_[i].hook == POSTROUTING;
        for (unsigned k = 0; k < 2; k++) {
            _lab_ lab = lab_new();
            uint32_t own = filter_chain(lab, table_[i].hook, table_[i].priority, true);
            nat_chain(lab, table_[i].hook, table_[i].priority, false);
            unsigned status = table_[i].before + k * table_[i].own;
            RULE(lab, own, is(lab, NG_FIELD_CT_STATUS, status), ACCEPT);
            struct ng_question question =
                question_to(ETH0, forwarded ? "172.17.0.2" : "192.0.2.1", NG_TCP, 80);
            assert_int_equal(lab_ask(lab, &question).n_outcomes, 2);
            /* The other bits are as certain as ever. */
            lab->ruleset.n_rules = 0;
            RULE(lab, own, not(has_bit(lab, NG_FIELD_CT_STATUS, 32)), ACCEPT);
            assert_true(lets_in(lab, question));
        }
    }
}

/* Whom a rule has translated, NAT has looked at. */
static void test_status_bits_beside_nat_of_who_is_translated(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    uint32_t own = filter_chain(lab, PREROUTING, -100, false);
    (void)state;
    RULE(lab, nat, dnat(lab, "172.17.0.2", 0));
    RULE(lab, own, has_bit(lab, NG_FIELD_CT_STATUS, 32), is(lab, NG_FIELD_CT_STATUS, 256 + 32),
         DROP);
    RULE(lab, own, has_bit(lab, NG_FIELD_CT_STATUS, 32), DROP);
    assert_non_null(strstr(ask_host(lab), "by 2"));
    assert_null(strstr(ask_host(lab), "by 3"));
}

/* NAT's own chains run before it has made up its mind. */
static void test_status_bits_within_nat(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -90, false);
    uint32_t input = nat_chain(lab, INPUT, 110, false);
    (void)state;
    RULE(lab, nat, not(is(lab, NG_FIELD_CT_STATUS, 0)), DROP);
    RULE(lab, input, not(is(lab, NG_FIELD_CT_STATUS, 256)), DROP);
    assert_string_equal(ask_host(lab), "local all");
}

/* Both directions of a connection, after its destination was translated or not. */
static void test_tuples(void **state) {
    _lab_ lab = lab_new();
    uint32_t nat = nat_chain(lab, PREROUTING, -100, false);
    uint32_t forward = filter_chain(lab, FORWARD, 0, true);
    (void)state;
    RULE(lab, nat, dport(lab, 8080), dnat(lab, "172.17.0.2", 80));
    RULE(lab, forward, in_prefix_of(lab, NG_FIELD_CT_SADDR, "128.0.0.0/1"),
         in_prefix_of(lab, NG_FIELD_CT_REPLY_DADDR, "128.0.0.0/2"),
         is_between(lab, NG_FIELD_CT_SPORT, 0, 1023),
         is_between(lab, NG_FIELD_CT_REPLY_DPORT, 1000, 65535),
         in_prefix_of(lab, NG_FIELD_CT_DADDR, "192.0.2.1"), is(lab, NG_FIELD_CT_DPORT, 8080),
         in_prefix_of(lab, NG_FIELD_CT_REPLY_SADDR, "172.17.0.2"),
         is(lab, NG_FIELD_CT_REPLY_SPORT, 80), is(lab, NG_FIELD_CT_L4PROTO, NG_TCP), ACCEPT);
    RULE(lab, forward, in_prefix_of(lab, NG_FIELD_CT_REPLY_SADDR, "10.0.0.9"),
         in_prefix_of(lab, NG_FIELD_CT_DADDR, "10.0.0.9"), is(lab, NG_FIELD_CT_REPLY_SPORT, 81),
         is(lab, NG_FIELD_CT_DPORT, 81), ACCEPT);
    assert_string_equal(ask(lab, ETH0, "192.0.2.1", NG_TCP, 8080),
                        "dropped 172.17.0.2:80 all:0-999+0.0.0.0/1,192.0.0.0/2:1000-1023+all:1024-"
                        "65535 by policy of 1; forwarded 172.17.0.2:80 docker0 "
                        "128.0.0.0/2:1000-1023 by 2");
    assert_string_equal(ask(lab, ETH0, "10.0.0.9", NG_TCP, 81), "forwarded eth1 all by 3");
    /* An IPv4 packet's connection has no IPv6 addresses: the rule ends. */
    lab->ruleset.n_rules = 0;
    RULE(lab, forward, not(in_prefix_of(lab, NG_FIELD_CT_SADDR, "2001:db8::/32")), ACCEPT);
    RULE(lab, forward, not(in_prefix_of(lab, NG_FIELD_CT_REPLY_DADDR, "2001:db8::/32")), ACCEPT);
    RULE(lab, forward, not(in_prefix_of(lab, NG_FIELD_CT_DADDR, "2001:db8::/32")), ACCEPT);
    RULE(lab, forward, not(in_prefix_of(lab, NG_FIELD_CT_REPLY_SADDR, "2001:db8::/32")), ACCEPT);
    assert_string_equal(ask_container(lab), "dropped all by policy of 1");
}

/* Ingress is before conntrack, whatever the priority. */
static void test_no_connection_at_ingress(void **state) {
    _lab_ lab = lab_new();
    uint32_t ingress = device_chain(lab, NG_HOOK_INGRESS, "eth0", false);
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, ingress, has_bit(lab, NG_FIELD_CT_STATE, 8), DROP);
    RULE(lab, ingress, not(is(lab, NG_FIELD_CT_MARK, 7)), DROP);
    RULE(lab, ingress, has_bit(lab, NG_FIELD_CT_STATE, 1), NOTRACK);
    RULE(lab, input, has_bit(lab, NG_FIELD_CT_STATE, 64), ACCEPT);
    assert_string_equal(ask_host(lab), "local all by 4");
}

/* What the source was translated to is not followed; what the client sent conntrack still knows. */
static void test_sources_after_source_nat(void **state) {
    static const struct {
        enum ng_field field;
        bool known;
    } table_[] = {{NG_FIELD_SADDR, false},          {NG_FIELD_SPORT, false},
                  {NG_FIELD_CT_REPLY_DADDR, false}, {NG_FIELD_CT_REPLY_DPORT, false},
                  {NG_FIELD_CT_SADDR, true},        {NG_FIELD_CT_SPORT, true},
                  {NG_FIELD_FIB_OIF, false},        {NG_FIELD_CT_STATUS, false},
                  {NG_FIELD_CT_DADDR, true},        {NG_FIELD_DPORT, true}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++)
        for (unsigned mapped = 0; mapped < 2; mapped++) {
            _lab_ lab = lab_new();
            uint32_t nat = nat_chain(lab, POSTROUTING, 100, false);
            uint32_t later = filter_chain(lab, POSTROUTING, 150, false);
            struct ng_op test = is_between(lab, table_[i].field, 0, 1000);
            if (table_[i].field == NG_FIELD_FIB_OIF)
                ((struct ng_operand *)test.match->operands)->fib = NG_FIB_SADDR;
            RULE(lab, nat, dport(lab, mapped ? 80 : 81), MASQUERADE);
            RULE(lab, later, test, DROP);
            bool doubt = strchr(ask_container(lab), '?') != NULL;
            assert_int_equal(doubt, mapped && !table_[i].known);
        }
}

/* -- what is not there ---------------------------------------------------------------- */

/* Not there means the rule ends, negated or not. */
static void test_missing_fields(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
    (void)state;
    RULE(lab, raw, is(lab, NG_FIELD_CT_DIRECTION, 0), DROP);
    RULE(lab, raw, not(is(lab, NG_FIELD_CT_DIRECTION, 0)), DROP);
    RULE(lab, raw, is(lab, NG_FIELD_EXTHDR, 0), DROP);
    RULE(lab, raw, not(is(lab, NG_FIELD_EXTHDR, 0)), DROP);
    RULE(lab, raw, not(is(lab, NG_FIELD_OIFTYPE, 1)), DROP);
    RULE(lab, raw, not(named(lab, NG_FIELD_IIFKIND, "bridge")), DROP); /* eth0 has no kind */
    RULE(lab, raw, is(lab, NG_FIELD_EXTHDR_PRESENT, 1), DROP);
    assert_string_equal(ask_host(lab), "local all");
    RULE(lab, raw, is(lab, NG_FIELD_EXTHDR_PRESENT, 0), DROP);
    assert_string_equal(ask_host(lab), "dropped all by 8");
}

/* A header of the other family is read whatever it holds. */
static void test_headers_of_the_other_family(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, input, from(lab, "2001:db8::/32"), ACCEPT);
    assert_string_equal(ask_host(lab), "dropped all by policy of 0; local all by 1 ? ip6 saddr "
                                       "2001:db8::/32");
}

/* Who has sent it, and whether it was or will be enciphered. */
static void test_senders_and_ipsec(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    (void)state;
    RULE(lab, input, not(is(lab, NG_FIELD_SKUID, 0)), ACCEPT);
    RULE(lab, input, is(lab, NG_FIELD_SKGID, 0), ACCEPT);
    RULE(lab, input, is(lab, NG_FIELD_SECPATH, 1), ACCEPT);
    RULE(lab, input, is(lab, NG_FIELD_RT_IPSEC, 1), ACCEPT);
    assert_string_equal(ask_host(lab), "dropped all by policy of 0");
    lab->world.ipsec = true;
    assert_non_null(strstr(ask_host(lab), "local all by 3; local all by 4 ?"));
}

/* Where any value will do, it need not be known: it must be there. */
static void test_that_there_is_one_is_all_that_is_asked(void **state) {
    static const struct {
        enum ng_field field;
        const char *answer;
    } table_[] = {
        {NG_FIELD_CT_EXPIRATION, "local all by 1"},
        {NG_FIELD_ETHER_DADDR, "local all by 1"},
        {NG_FIELD_SADDR, "local all by 1"},
        {NG_FIELD_EXTHDR, "dropped all by policy of 0"},
        {NG_FIELD_OTHER, "dropped all by policy of 0; local all by 1 ? meta cpu 0-"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        uint32_t input = filter_chain(lab, INPUT, 0, true);
        struct ng_operand of = operand(table_[i].field);
        of.name = table_[i].field == NG_FIELD_OTHER ? "meta cpu" : NULL;
        RULE(lab, input, match_set(lab, of, one_interval(lab, 0, lab_whole)), ACCEPT);
        assert_memory_equal(ask_host(lab), table_[i].answer, strlen(table_[i].answer));
    }
}

/* -- fields --------------------------------------------------------------------------- */

static void test_interfaces(void **state) {
    static const struct {
        enum ng_field field;
        const char *name;
        bool negate, host, container; /* does it match on the way there? */
    } table_[] = {
        {NG_FIELD_IIFNAME, "eth0", false, true, true},
        {NG_FIELD_IIFNAME, "eth1", false, false, false},
        {NG_FIELD_IIFNAME, "eth*", false, true, true},
        {NG_FIELD_IIFNAME, "eth", false, false, false},
        {NG_FIELD_IIFNAME, "absent", true, true, true},
        {NG_FIELD_IIFNAME, "eth0", true, false, false},
        {NG_FIELD_OIFNAME, "docker0", false, false, true},
        {NG_FIELD_OIFNAME, "docker0", true, true, false}, /* any `!=` at input */
        {NG_FIELD_OIFNAME, "docker*", true, true, false},
        {NG_FIELD_OIFKIND, "bridge", false, false, true},
        {NG_FIELD_OIFKIND, "vxlan", true, false, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        uint32_t input = filter_chain(lab, INPUT, 0, true);
        uint32_t forward = filter_chain(lab, FORWARD, 0, true);
        struct ng_op test = named(lab, table_[i].field, table_[i].name);
        if (table_[i].negate)
            test = not(test);
        RULE(lab, input, test, ACCEPT);
        RULE(lab, forward, test, ACCEPT);
        const char *host = ask_host(lab), *container = ask(lab, ETH0, "172.17.0.2", NG_TCP, 80);
        if ((strncmp(host, "local", 5) == 0) != table_[i].host ||
            (strncmp(container, "forwarded", 9) == 0) != table_[i].container)
            fail_msg("%zu: %s, %s", i, host, container);
    }
}

static void test_other_fields(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, false);
    (void)state;
    RULE(lab, input, is(lab, NG_FIELD_L4PROTO, NG_UDP), DROP);
    RULE(lab, input, is(lab, NG_FIELD_NFPROTO, 10), DROP);
    RULE(lab, input, is(lab, NG_FIELD_ETHERTYPE, 0x86dd), DROP);
    RULE(lab, input, is(lab, NG_FIELD_IIF, ETH1), DROP);
    RULE(lab, input, is(lab, NG_FIELD_IIFTYPE, 772), DROP);
    RULE(lab, input, is(lab, NG_FIELD_MARK, 1), DROP);
    RULE(lab, input, is(lab, NG_FIELD_PKTTYPE, 1), DROP);
    RULE(lab, input, not(is(lab, NG_FIELD_FRAGMENT, 0)), DROP);
    RULE(lab, input, is(lab, NG_FIELD_TCP_FLAGS, 0x12), DROP);
    RULE(lab, input, has_bit(lab, NG_FIELD_TCP_FLAGS, 0x15), DROP);
    RULE(lab, input, is(lab, NG_FIELD_CT_L4PROTO, NG_UDP), DROP);
    RULE(lab, input, is(lab, NG_FIELD_CT_DIRECTION, 1), DROP);
    RULE(lab, input, not(fib_type(lab, NG_FIB_DADDR, NG_ROUTE_LOCAL)), DROP);
    RULE(lab, input, not(fib_type(lab, NG_FIB_DADDR | NG_FIB_IIF, NG_ROUTE_LOCAL)), DROP);
    RULE(lab, input, is(lab, NG_FIELD_L4PROTO, NG_TCP), is(lab, NG_FIELD_NFPROTO, 2),
         is(lab, NG_FIELD_ETHERTYPE, 0x0800), is(lab, NG_FIELD_IIF, ETH0),
         is(lab, NG_FIELD_IIFTYPE, 1), is(lab, NG_FIELD_TCP_FLAGS, 2), ACCEPT);
    assert_string_equal(ask_host(lab), "local all by 15");
    /* eth0's address asked for on eth1: local, but not of that interface. */
    assert_string_equal(ask(lab, ETH1, "192.0.2.1", NG_TCP, 80), "dropped all by 4");
    lab->rules[3].n_ops = 1; /* goes on in its place */
    assert_string_equal(ask(lab, ETH1, "192.0.2.1", NG_TCP, 80), "dropped all by 14");
    assert_string_equal(ask(lab, ETH0, "2001:db8::1", NG_TCP, 80), "dropped all by 2");
}

static void test_groups_and_kinds_of_links(void **state) {
    static const struct {
        enum ng_field field;
        ng_u128 value;
        bool negate, host, container;
    } table_[] = {
        {NG_FIELD_IIFGROUP, 7, false, true, true},   {NG_FIELD_IIFGROUP, 8, true, true, true},
        {NG_FIELD_OIFGROUP, 9, false, false, true},  {NG_FIELD_OIFGROUP, 8, true, false, true},
        {NG_FIELD_OIF, DOCKER0, false, false, true}, {NG_FIELD_OIF, 0, false, true, false},
        {NG_FIELD_OIFTYPE, 1, false, false, true},   {NG_FIELD_OIFTYPE, 2, true, false, true},
        {NG_FIELD_IIF, ETH0, true, false, false},    {NG_FIELD_IIFTYPE, 1, false, true, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        uint32_t input = filter_chain(lab, INPUT, 0, true);
        uint32_t forward = filter_chain(lab, FORWARD, 0, true);
        struct ng_op test = is(lab, table_[i].field, table_[i].value);
        lab->links[ETH0 - 1].group = 7;
        lab->links[DOCKER0 - 1].group = 9;
        if (table_[i].negate)
            test = not(test);
        RULE(lab, input, test, ACCEPT);
        RULE(lab, forward, test, ACCEPT);
        if ((strncmp(ask_host(lab), "local", 5) == 0) != table_[i].host ||
            (strncmp(ask_container(lab), "forwarded", 9) == 0) != table_[i].container)
            fail_msg("%zu", i);
    }
}

static void test_ethernet_addresses(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, true);
    struct ng_question question = question_to(ETH0, "192.0.2.1", NG_TCP, 80);
    (void)state;
    RULE(lab, raw, is(lab, NG_FIELD_ETHER_SADDR, 0x020000000001), ACCEPT);
    assert_string_equal(ask_this(lab, question), "dropped all by policy of 0; local all ? "
                                                 "ether saddr 02:00:00:00:00:01");
    question.has_smac = true;
    question.smac = 0x020000000001;
    assert_string_equal(ask_this(lab, question), "local all");
    question.smac++;
    assert_string_equal(ask_this(lab, question), "dropped all by policy of 0");
    lab->ruleset.n_rules = 0;
    RULE(lab, raw, not(is(lab, NG_FIELD_ETHER_DADDR, 1)), ACCEPT);
    assert_non_null(strstr(ask_this(lab, question), "dropped all by policy of 0; local all ?"));
    lab->links[ETH0 - 1].type = 65534; /* ARPHRD_NONE: no such header */
    assert_string_equal(ask_this(lab, question), "dropped all by policy of 0");
    /* lo has headers like Ethernet's. */
    question.iif = LO;
    assert_non_null(strstr(ask_this(lab, question), "dropped all by policy of 0; local all ?"));
}

/* A frame to one, to all, or to a group. */
static void test_packet_types(void **state) {
    static const struct {
        const char *daddr;
        unsigned type;
    } table_[] = {{"192.0.2.1", 0},  {"192.0.2.255", 1},   {"255.255.255.255", 1}, {"224.0.0.1", 2},
                  {"239.1.2.3", 2},  {"172.17.0.2", 0},    {"2001:db8::1", 0},     {"ff02::1", 2},
                  {"10.0.0.255", 1}, {"172.17.255.255", 1}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++)
        for (unsigned type = 0; type < 4; type++) {
            _lab_ lab = lab_new();
            uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
            RULE(lab, raw, is(lab, NG_FIELD_PKTTYPE, type), DROP);
            bool dropped =
                strcmp(ask(lab, ETH0, table_[i].daddr, NG_UDP, 67), "dropped all by 1") == 0;
            assert_int_equal(dropped, type == table_[i].type);
        }
}

static void test_what_routing_says_of_the_destination(void **state) {
    static const struct {
        enum ng_field field;
        uint8_t about;
        ng_u128 value;
        uint32_t iif;
        const char *daddr;
        bool matches;
    } table_[] = {
        {NG_FIELD_FIB_TYPE, NG_FIB_DADDR, NG_ROUTE_LOCAL, ETH1, "192.0.2.1", true},
        {NG_FIELD_FIB_TYPE, NG_FIB_DADDR | NG_FIB_IIF, NG_ROUTE_LOCAL, ETH1, "192.0.2.1", false},
        {NG_FIELD_FIB_TYPE, NG_FIB_DADDR | NG_FIB_IIF, NG_ROUTE_LOCAL, ETH0, "192.0.2.1", true},
        {NG_FIELD_FIB_TYPE, NG_FIB_DADDR, NG_ROUTE_BROADCAST, ETH0, "192.0.2.255", true},
        {NG_FIELD_FIB_TYPE, NG_FIB_DADDR, NG_ROUTE_UNICAST, ETH0, "192.0.2.9", true},
        {NG_FIELD_FIB_TYPE, NG_FIB_DADDR, NG_ROUTE_MULTICAST, ETH0, "224.0.0.1", true},
        {NG_FIELD_FIB_OIF, NG_FIB_DADDR, DOCKER0, ETH0, "172.17.0.2", true},
        {NG_FIELD_FIB_OIF, NG_FIB_DADDR, 0, ETH0, "192.0.2.1", true},
        {NG_FIELD_FIB_OIF, NG_FIB_DADDR | NG_FIB_IIF, 0, ETH0, "172.17.0.2", true},
        {NG_FIELD_FIB_PRESENT, NG_FIB_DADDR, 1, ETH0, "172.17.0.2", true},
        {NG_FIELD_FIB_PRESENT, NG_FIB_DADDR, 1, ETH0, "192.0.2.1", false},
        {NG_FIELD_FIB_TYPE, NG_FIB_DADDR, NG_ROUTE_LOCAL, ETH0, "fe80::1", true},
        {NG_FIELD_FIB_TYPE, NG_FIB_DADDR, NG_ROUTE_LOCAL, ETH1, "fe80::1", false},
        {NG_FIELD_FIB_TYPE, NG_FIB_DADDR, NG_ROUTE_LOCAL, ETH1, "2001:db8::1", true},
        {NG_FIELD_FIB_TYPE, NG_FIB_DADDR, NG_ROUTE_ANYCAST, ETH1, "2001:db8::", true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        uint32_t raw = filter_chain(lab, PREROUTING, -300, false);
        lab_addr(lab, ETH0, "fe80::1", 64);
        lab_route(lab, NG_ROUTE_ANYCAST, 255, "2001:db8::/128", ETH0);
        RULE(lab, raw, fib_is(lab, table_[i].field, table_[i].about, table_[i].value), DROP);
        bool dropped =
            strcmp(ask(lab, table_[i].iif, table_[i].daddr, NG_UDP, 67), "dropped all by 1") == 0;
        if (dropped != table_[i].matches)
            fail_msg("%zu", i);
    }
    /* At forward, of the link it leaves by. */
    _lab_ lab = lab_new();
    uint32_t forward = filter_chain(lab, FORWARD, 0, true);
    RULE(lab, forward, fib_is(lab, NG_FIELD_FIB_OIF, NG_FIB_DADDR | NG_FIB_OIF, DOCKER0),
         fib_is(lab, NG_FIELD_FIB_OIFNAME, NG_FIB_DADDR, name_number("docker0", 0)), ACCEPT);
    assert_string_equal(ask_container(lab), "forwarded docker0 all by 1");
}

/* -- protocols ------------------------------------------------------------------------ */

/* Where a protocol has no ports, tests of them are decided by what stands there instead, or not at
 * all. */
static void test_protocols_without_ports(void **state) {
    static const struct {
        uint8_t proto;
        bool ports;
    } table_[] = {{NG_TCP, true}, {NG_UDP, true}, {NG_SCTP, true}, {33, true},
                  {136, true},    {47, false},    {50, false},     {NG_ICMP, false}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table_); i++) {
        _lab_ lab = lab_new();
        uint32_t input = filter_chain(lab, INPUT, 0, true);
        RULE(lab, input, dport(lab, 80), ACCEPT);
        for (unsigned port = 1; port < 20; port++) /* by index, where there are ports */
            RULE(lab, input, dport(lab, (uint16_t)port), DROP);
        const char *answer = ask(lab, ETH0, "192.0.2.1", table_[i].proto, 80);
        assert_int_equal(strcmp(answer, "local all by 1") == 0, table_[i].ports);
        assert_int_equal(strstr(answer, "local all by 1 ? th dport 80 ?") != NULL,
                         !table_[i].ports);
    }
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    RULE(lab, input, is_between(lab, NG_FIELD_SPORT, 0, 1023), ACCEPT);
    assert_string_equal(ask(lab, ETH0, "192.0.2.1", 47, 0),
                        "dropped all by policy of 0; local all by 1 ? th sport 0-1023");
    lab->ruleset.n_rules = 0;
    RULE(lab, input, is(lab, NG_FIELD_CT_DPORT, 0), ACCEPT);
    RULE(lab, input, is(lab, NG_FIELD_CT_REPLY_SPORT, 0), ACCEPT);
    RULE(lab, input, is(lab, NG_FIELD_CT_SPORT, 0), ACCEPT);
    RULE(lab, input, is(lab, NG_FIELD_TCP_FLAGS, 2), ACCEPT);
    assert_non_null(strstr(ask(lab, ETH0, "192.0.2.1", 47, 0), "local all by 1; local all by 2; "
                                                               "local all by 3; local all by 4"));
}

static void test_icmp(void **state) {
    _lab_ lab = lab_new();
    uint32_t input = filter_chain(lab, INPUT, 0, true);
    struct ng_question ping = question_to(ETH0, "192.0.2.1", NG_ICMP, 0);
    (void)state;
    ping.icmp_type = 8;
    ping.icmp_code = 3;
    RULE(lab, input, is(lab, NG_FIELD_ICMP_TYPE, 8), is(lab, NG_FIELD_ICMP_CODE, 3),
         is(lab, NG_FIELD_SPORT, 0x803), is(lab, NG_FIELD_CT_DPORT, 0x803), ACCEPT);
    assert_string_equal(ask_this(lab, ping), "local all by 1");
    ping.icmp_type = 13;
    assert_string_equal(ask_this(lab, ping), "dropped all by policy of 0");
    ping.proto = NG_UDP;
    lab->ruleset.n_rules = 0;
    RULE(lab, input, is(lab, NG_FIELD_ICMP_TYPE, 13), is(lab, NG_FIELD_ICMP_CODE, 3), ACCEPT);
    assert_string_equal(ask_this(lab, ping), "dropped all by policy of 0; local all by 1 ? icmp "
                                             "type timestamp-request ? icmp code port-unreachable");
}

/* A set of alternatives: a field that is not there fails only the elements that ask for it. */
static void test_alternatives_of_missing_fields(void **state) {
    _lab_ lab = lab_new();
    uint32_t raw = filter_chain(lab, PREROUTING, -300, true);
    const struct ng_operand by[] = {operand(NG_FIELD_CT_STATUS), operand(NG_FIELD_CT_STATE)};
    const struct ng_interval sides[] = {{32, 32}, {0, lab_whole}, {0, lab_whole}, {2, 2}};
    const struct ng_interval any[] = {{32, 32}, {0, lab_whole}, {0, lab_whole}, {1, 1}};
    struct ng_match *match = box_match(lab, by, 2, sides, 2);
    (void)state;
    match->any_of = true;
    RULE(lab, raw, match_op(lab, *match), ACCEPT);
    assert_string_equal(ask_host(lab), "dropped all by policy of 0");
    lab->ruleset.n_rules = 0;
    RULE(lab, raw, not(match_op(lab, *match)), ACCEPT); /* none of them holds */
    assert_string_equal(ask_host(lab), "local all");
    match = box_match(lab, by, 2, any, 2);
    match->any_of = true;
    lab->ruleset.n_rules = 0;
    RULE(lab, raw, match_op(lab, *match), ACCEPT);
    assert_string_equal(ask_host(lab), "local all");
    lab->ruleset.n_rules = 0;
    match->any_of = false; /* then the rule ends */
    RULE(lab, raw, match_op(lab, *match), ACCEPT);
    RULE(lab, raw, not(match_op(lab, *match)), ACCEPT);
    assert_string_equal(ask_host(lab), "dropped all by policy of 0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state_of_a_first_packet),
        cmocka_unit_test(test_notrack_counts_only_before_conntrack),
        cmocka_unit_test(test_state_by_tcp_flags),
        cmocka_unit_test(test_state_by_icmp_type),
        cmocka_unit_test(test_state_of_other_protocols),
        cmocka_unit_test(test_a_state_that_is_told),
        cmocka_unit_test(test_connections_that_are_not_new),
        cmocka_unit_test(test_status_bits_of_nat),
        cmocka_unit_test(test_status_bits_beside_nat),
        cmocka_unit_test(test_status_bits_beside_nat_of_who_is_translated),
        cmocka_unit_test(test_status_bits_within_nat),
        cmocka_unit_test(test_tuples),
        cmocka_unit_test(test_no_connection_at_ingress),
        cmocka_unit_test(test_sources_after_source_nat),
        cmocka_unit_test(test_missing_fields),
        cmocka_unit_test(test_headers_of_the_other_family),
        cmocka_unit_test(test_senders_and_ipsec),
        cmocka_unit_test(test_that_there_is_one_is_all_that_is_asked),
        cmocka_unit_test(test_interfaces),
        cmocka_unit_test(test_other_fields),
        cmocka_unit_test(test_groups_and_kinds_of_links),
        cmocka_unit_test(test_ethernet_addresses),
        cmocka_unit_test(test_packet_types),
        cmocka_unit_test(test_what_routing_says_of_the_destination),
        cmocka_unit_test(test_protocols_without_ports),
        cmocka_unit_test(test_icmp),
        cmocka_unit_test(test_alternatives_of_missing_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
