/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/command/question.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/command/json_object.h"
#include "agent/print/escape.h"
#include "netguard/policy.h"
#include "netguard/trace.h"

enum {
    QUOTE_TEXT = 96,
    ECHO_REQUEST = 8,    /* RFC 792 */
    ECHO_REQUEST6 = 128, /* RFC 4443 */
    NEAR_MAX = 256,      /* links that are looked through for a near name */
};

enum key {
    KEY_IIF,
    KEY_SRC,
    KEY_SPORT,
    KEY_DST,
    KEY_PROTO,
    KEY_DPORT,
    KEY_ICMP_TYPE,
    KEY_ICMP_CODE,
    KEY_FLAGS,
    KEY_MARK,
    KEY_SMAC,
    KEY_CT,
    KEY_COUNT,
};

static const char *const key_names[KEY_COUNT] = {
    [KEY_IIF] = "iif",
    [KEY_SRC] = "src",
    [KEY_SPORT] = "sport",
    [KEY_DST] = "dst",
    [KEY_PROTO] = "proto",
    [KEY_DPORT] = "dport",
    [KEY_ICMP_TYPE] = "icmp_type",
    [KEY_ICMP_CODE] = "icmp_code",
    [KEY_FLAGS] = "flags",
    [KEY_MARK] = "mark",
    [KEY_SMAC] = "smac",
    [KEY_CT] = "ct",
};

struct reader {
    const struct ng_world *world;
    struct ng_json_member members[KEY_COUNT];
    struct ng_question question;
    struct ng_error *error;
};

static const char *quote(const char *text, char buffer[static QUOTE_TEXT]) {
    ng_escape(buffer, QUOTE_TEXT, text);
    return buffer;
}

/* -- names --------------------------------------------------------------------------- */

static const struct proto_name {
    uint8_t proto;
    const char *name;
} proto_names[] = {
    /* IANA */
    {NG_TCP, "tcp"}, {NG_UDP, "udp"},  {NG_SCTP, "sctp"}, {NG_ICMP, "icmp"}, {NG_ICMP6, "icmpv6"},
    {33, "dccp"},    {136, "udplite"}, {47, "gre"},       {50, "esp"},       {51, "ah"},
};

const char *ng_proto_name(uint8_t proto) {
    for (size_t i = 0; i < ARRAY_SIZE(proto_names); i++)
        if (proto_names[i].proto == proto)
            return proto_names[i].name;
    return NULL;
}

int ng_proto_parse(const char *text, uint8_t *ret_proto) {
    char *end;

    for (size_t i = 0; i < ARRAY_SIZE(proto_names); i++)
        if (strcmp(proto_names[i].name, text) == 0) {
            *ret_proto = proto_names[i].proto;
            return 0;
        }
    if (*text < '0' || *text > '9' || strlen(text) > 3)
        return -EINVAL;
    unsigned long number = strtoul(text, &end, 10);
    if (*end || number > UINT8_MAX)
        return -EINVAL;
    *ret_proto = (uint8_t)number;
    return 0;
}

static int unknown_link(const struct ng_world *world, const char *name, struct ng_error *error) {
    const char *names[NEAR_MAX];
    char found[QUOTE_TEXT], near_text[QUOTE_TEXT] = "";
    size_t count = 0;

    for (size_t i = 0; i < world->n_links && count < NEAR_MAX; i++)
        names[count++] = world->links[i].name;
    const char *near = ng_near_name(name, names, count);
    if (near)
        quote(near, near_text);
    return ng_error_set(error, -EINVAL, "", "there is no interface \"%s\"%s%s%s",
                        quote(name, found), near ? "; did you mean \"" : "", near_text,
                        near ? "\"?" : "");
}

int ng_interface_find(const struct ng_world *world, const char *name,
                      const struct ng_link **ret_link, struct ng_error *error) {
    char found[QUOTE_TEXT];

    for (size_t i = 0; i < world->n_links; i++) {
        const struct ng_link *link = &world->links[i];

        if (strcmp(link->name, name) != 0)
            continue;
        if (!link->up)
            return ng_error_set(error, -EINVAL, "",
                                "interface \"%s\" is down, so nothing comes in there",
                                quote(name, found));
        *ret_link = link;
        return 0;
    }
    if (!world->links_read)
        return ng_error_set(error, -EINVAL, "", "the interfaces of this host could not be read");
    return unknown_link(world, name, error);
}

/* -- values -------------------------------------------------------------------------- */

static int wrong(const struct reader *reader, enum key key, const char *expected) {
    const struct ng_json_member *value = &reader->members[key];
    const char *name = key_names[key];
    char found[QUOTE_TEXT];

    switch (value->kind) {
    case NG_JSON_ABSENT:
        return ng_error_set(reader->error, -EINVAL, name, "is missing; expected %s", expected);
    case NG_JSON_STRING:
        return ng_error_set(reader->error, -EINVAL, name, "found \"%s%s\", expected %s",
                            quote(value->text, found), value->cut ? "…" : "", expected);
    case NG_JSON_INTEGER:
        return ng_error_set(reader->error, -EINVAL, name, "found %lld, expected %s",
                            (long long)value->number, expected);
    case NG_JSON_OTHER:
        break;
    }
    return ng_error_set(reader->error, -EINVAL, name, "found something else, expected %s",
                        expected);
}

static bool is_there(const struct reader *reader, enum key key) {
    return reader->members[key].kind != NG_JSON_ABSENT;
}

/* NULL for what is no string. */
static const char *text_of(const struct reader *reader, enum key key) {
    const struct ng_json_member *value = &reader->members[key];

    return value->kind == NG_JSON_STRING && !value->cut ? value->text : NULL;
}

/* A whole number up to `max`; 0 and nothing returned where the key is absent. */
static int read_number(const struct reader *reader, enum key key, uint32_t max,
                       const char *expected, uint32_t *ret_number) {
    const struct ng_json_member *value = &reader->members[key];

    if (value->kind == NG_JSON_ABSENT)
        return 0;
    if (value->kind != NG_JSON_INTEGER || value->number < 0 || value->number > max)
        return wrong(reader, key, expected);
    *ret_number = (uint32_t)value->number;
    return 0;
}

static int read_port(const struct reader *reader, enum key key, uint16_t *ret_port) {
    static const char expected[] = "a port, 0 to 65535";
    uint32_t port = 0;

    if (!is_there(reader, key))
        return wrong(reader, key, expected);
    int r = read_number(reader, key, UINT16_MAX, expected, &port);
    if (r == 0)
        *ret_port = (uint16_t)port;
    return r;
}

static int read_addr(const struct reader *reader, enum key key, struct ng_addr *ret_addr) {
    const char *text = text_of(reader, key);

    if (!text || ng_addr_parse(text, ret_addr) < 0)
        return wrong(reader, key, "an IPv4 or IPv6 address");
    return 0;
}

/* -- keys ---------------------------------------------------------------------------- */

static int read_iif(struct reader *reader) {
    const char *text = text_of(reader, KEY_IIF);
    struct ng_error fault = {0};
    const struct ng_link *link;

    if (!text)
        return wrong(reader, KEY_IIF, "the name of the interface by which the packet arrives");
    int r = ng_interface_find(reader->world, text, &link, &fault);
    if (r < 0)
        return ng_error_set(reader->error, r, "iif", "%s", fault.message);
    reader->question.iif = link->index;
    return 0;
}

static int read_proto(struct reader *reader) {
    static const char expected[] = "tcp, udp, sctp, icmp, icmpv6, udplite, dccp, gre, esp, ah or "
                                   "a protocol number";
    const char *text = text_of(reader, KEY_PROTO);
    uint32_t number = 0;

    if (text) {
        if (ng_proto_parse(text, &reader->question.proto) < 0)
            return wrong(reader, KEY_PROTO, expected);
        return 0;
    }
    if (!is_there(reader, KEY_PROTO))
        return wrong(reader, KEY_PROTO, expected);
    int r = read_number(reader, KEY_PROTO, UINT8_MAX, expected, &number);
    reader->question.proto = (uint8_t)number;
    return r;
}

static int read_addrs(struct reader *reader) {
    struct ng_addr dst, src;
    int r = read_addr(reader, KEY_DST, &dst);

    if (r < 0)
        return r;
    reader->question.family = dst.family;
    reader->question.daddr = dst.value;
    if (!reader->question.one_source)
        return 0;
    r = read_addr(reader, KEY_SRC, &src);
    if (r < 0)
        return r;
    if (src.family != dst.family)
        return wrong(reader, KEY_SRC,
                     dst.family == NG_IP4 ? "an IPv4 address, as dst is one"
                                          : "an IPv6 address, as dst is one");
    reader->question.saddr = src.value;
    return 0;
}

static int read_icmp(struct reader *reader) {
    struct ng_question *question = &reader->question;
    uint32_t type = question->proto == NG_ICMP ? ECHO_REQUEST : ECHO_REQUEST6, code = 0;

    if ((question->proto == NG_ICMP) != (question->family == NG_IP4))
        return wrong(reader, KEY_PROTO,
                     question->family == NG_IP4 ? "icmp, as dst is an IPv4 address"
                                                : "icmpv6, as dst is an IPv6 address");
    int r = read_number(reader, KEY_ICMP_TYPE, UINT8_MAX, "a number from 0 to 255", &type);
    if (r == 0)
        r = read_number(reader, KEY_ICMP_CODE, UINT8_MAX, "a number from 0 to 255", &code);
    question->icmp_type = (uint8_t)type;
    question->icmp_code = (uint8_t)code;
    return r;
}

static int read_tcp_flags(struct reader *reader) {
    static const char letters[] = "FSRPAUEC"; /* bit 0 first, as they stand in the header */
    static const char expected[] = "TCP flags, letters of FSRPAUEC";
    const char *text = text_of(reader, KEY_FLAGS);

    if (!is_there(reader, KEY_FLAGS))
        return 0;
    if (!text)
        return wrong(reader, KEY_FLAGS, expected);
    for (const char *c = text; *c; c++) {
        const char *letter = strchr(letters, *c);

        if (!letter)
            return wrong(reader, KEY_FLAGS, expected);
        reader->question.tcp_flags |= (uint8_t)(1U << (letter - letters));
    }
    reader->question.has_tcp_flags = true;
    return 0;
}

/* What the protocol has of its own. */
static int read_transport(struct reader *reader) {
    struct ng_question *question = &reader->question;
    int r = 0;

    if (question->proto == NG_ICMP || question->proto == NG_ICMP6)
        return read_icmp(reader);
    if (!ng_proto_has_ports(question->proto))
        return 0;
    if (question->one_source)
        r = read_port(reader, KEY_SPORT, &question->sport);
    if (r == 0)
        r = read_port(reader, KEY_DPORT, &question->dport);
    return r == 0 && question->proto == NG_TCP ? read_tcp_flags(reader) : r;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_smac(struct reader *reader) {
    static const char expected[] = "an Ethernet address such as 02:00:00:00:00:01";
    const char *text = text_of(reader, KEY_SMAC);
    uint64_t mac = 0;

    if (!is_there(reader, KEY_SMAC))
        return 0;
    if (!text || strlen(text) != 17)
        return wrong(reader, KEY_SMAC, expected);
    for (const char *c = text; *c; c += c[2] ? 3 : 2) {
        int high = hex_digit(c[0]), low = hex_digit(c[1]);

        if (high < 0 || low < 0 || (c[2] && c[2] != ':'))
            return wrong(reader, KEY_SMAC, expected);
        mac = mac << 8 | (unsigned)(high << 4 | low);
    }
    reader->question.smac = mac;
    reader->question.has_smac = true;
    return 0;
}

static int read_ct(struct reader *reader) {
    static const struct {
        const char *name;
        uint8_t bit; /* of NG_FIELD_CT_STATE */
    } states[] = {
        {"new", 8}, {"established", 2}, {"related", 4}, {"invalid", 1}, {"untracked", 64}};
    const char *text = text_of(reader, KEY_CT);

    if (!is_there(reader, KEY_CT))
        return 0;
    for (size_t i = 0; text && i < ARRAY_SIZE(states); i++)
        if (strcmp(text, states[i].name) == 0) {
            reader->question.ct_state = states[i].bit;
            return 0;
        }
    return wrong(reader, KEY_CT, "new, established, related, invalid or untracked");
}

/* -- the line ------------------------------------------------------------------------ */

static int read_question(struct reader *reader) {
    int r = read_iif(reader);

    if (r == 0)
        r = read_addrs(reader);
    if (r == 0)
        r = read_proto(reader);
    if (r == 0)
        r = read_transport(reader);
    if (r == 0)
        r = read_number(reader, KEY_MARK, UINT32_MAX, "a number from 0 to 4294967295",
                        &reader->question.mark);
    if (r == 0)
        r = read_smac(reader);
    return r == 0 ? read_ct(reader) : r;
}

int ng_question_read(const struct ng_world *world, const char *line, size_t len_bytes,
                     bool one_source, struct ng_question *ret_question, struct ng_error *error) {
    struct reader reader;

    reader.world = world, reader.error = error; /* not all of it needs clearing */
    reader.question = (struct ng_question){.one_source = one_source};
    int r = ng_json_object_read(line, len_bytes, key_names, KEY_COUNT, reader.members, error);
    if (r == 0)
        r = read_question(&reader);
    if (r == 0)
        *ret_question = reader.question;
    return r;
}
