/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/attributes.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

int ng_attributes_collect(const void *bytes, size_t len_bytes, const struct nlattr *ret_attrs[],
                          unsigned max) {
    const struct nlattr *attr = bytes;
    size_t left = len_bytes;

    memset(ret_attrs, 0, (max + 1) * sizeof(*ret_attrs));
    while (left >= sizeof(*attr)) {
        size_t step = MNL_ALIGN(attr->nla_len);

        if (attr->nla_len < sizeof(*attr) || attr->nla_len > left)
            return -EBADMSG;
        if (mnl_attr_get_type(attr) <= max)
            ret_attrs[mnl_attr_get_type(attr)] = attr;
        if (step >= left)
            return 0;
        left -= step;
        attr = (const struct nlattr *)(const void *)((const uint8_t *)attr + step);
    }
    return left == 0 ? 0 : -EBADMSG;
}

int ng_attributes_of(const struct nlmsghdr *message, size_t header_bytes,
                     const struct nlattr *ret_attrs[], unsigned max) {
    size_t skip = NLMSG_HDRLEN + MNL_ALIGN(header_bytes);

    if (message->nlmsg_len < NLMSG_HDRLEN + header_bytes)
        return -EBADMSG;
    if (message->nlmsg_len < skip)
        skip = message->nlmsg_len;
    return ng_attributes_collect((const uint8_t *)message + skip, message->nlmsg_len - skip,
                                 ret_attrs, max);
}

int ng_attributes_in(const struct nlattr *nest, const struct nlattr *ret_attrs[], unsigned max) {
    return ng_attributes_collect(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest),
                                 ret_attrs, max);
}

uint8_t ng_attribute_u8(const struct nlattr *attr, uint8_t absent) {
    return attr && mnl_attr_get_payload_len(attr) >= sizeof(uint8_t) ? mnl_attr_get_u8(attr)
                                                                     : absent;
}

uint16_t ng_attribute_u16(const struct nlattr *attr, uint16_t absent) {
    return attr && mnl_attr_get_payload_len(attr) >= sizeof(uint16_t) ? mnl_attr_get_u16(attr)
                                                                      : absent;
}

uint32_t ng_attribute_u32(const struct nlattr *attr, uint32_t absent) {
    return attr && mnl_attr_get_payload_len(attr) >= sizeof(uint32_t) ? mnl_attr_get_u32(attr)
                                                                      : absent;
}

int ng_attributes_check(const struct nlattr *list) {
    const struct nlattr *none[1];

    return ng_attributes_in(list, none, 0);
}

uint16_t ng_attribute_be16(const struct nlattr *attribute, uint16_t absent) {
    uint16_t value;
    if (!attribute || mnl_attr_get_payload_len(attribute) != sizeof(value))
        return absent;
    memcpy(&value, mnl_attr_get_payload(attribute), sizeof(value));
    return be16toh(value);
}

uint32_t ng_attribute_be32(const struct nlattr *attribute, uint32_t absent) {
    uint32_t value;
    if (!attribute || mnl_attr_get_payload_len(attribute) != sizeof(value))
        return absent;
    memcpy(&value, mnl_attr_get_payload(attribute), sizeof(value));
    return be32toh(value);
}

uint64_t ng_attribute_be64(const struct nlattr *attribute, uint64_t absent) {
    uint64_t value;
    if (!attribute || mnl_attr_get_payload_len(attribute) != sizeof(value))
        return absent;
    memcpy(&value, mnl_attr_get_payload(attribute), sizeof(value));
    return be64toh(value);
}

const char *ng_attribute_text(const struct nlattr *attribute) {
    if (!attribute)
        return NULL;
    size_t len = mnl_attr_get_payload_len(attribute);
    const char *text = mnl_attr_get_payload(attribute);
    return len > 0 && memchr(text, '\0', len) ? text : NULL;
}
