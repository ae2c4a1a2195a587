/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/xt_parts.h"

#include <errno.h>
#include <linux/netfilter/x_tables.h>
#include <stdio.h>

/* -- how operations are made --------------------------------------------------------- */

int xt_add_boxes(struct op_list *list, const struct ng_operand *operands, size_t n_operands,
                 const struct ng_interval *sides, size_t n_boxes, bool negate) {
    struct {
        struct ng_match match;
        struct ng_operand operands[XT_OPERANDS];
    } *own = ng_arena_alloc(list->arena, 1, sizeof(*own));
    struct ng_box *boxes = ng_arena_alloc(list->arena, n_boxes, sizeof(*boxes));
    struct ng_interval *own_sides =
        ng_arena_alloc(list->arena, n_boxes * n_operands, sizeof(*own_sides));
    if (!own || !boxes || !own_sides)
        return -ENOMEM;
    memcpy(own->operands, operands, n_operands * sizeof(*operands));
    memcpy(own_sides, sides, n_boxes * n_operands * sizeof(*sides));
    for (size_t i = 0; i < n_boxes; i++)
        boxes[i].sides = &own_sides[i * n_operands];
    own->match = (struct ng_match){
        .operands = own->operands,
        .n_operands = n_operands,
        .negate = negate,
        .any_of = true,
        .boxes = boxes,
        .n_boxes = n_boxes,
    };
    return ng_op_add(list, (struct ng_op){.kind = NG_OP_MATCH, .match = &own->match});
}

int xt_add_present(struct op_list *list, struct ng_operand operand, ng_u128 lo, ng_u128 hi,
                   bool negate) {
    const struct ng_interval side = {lo, hi};
    return negate ? xt_add_boxes(list, &operand, 1, &side, 1, true)
                  : ng_op_add_interval(list, operand, lo, hi, false);
}

int xt_add_missing_header(struct op_list *list, const char *format, ...) {
    struct ng_operand header = xt_field(NG_FIELD_EXTHDR);
    struct xt_text text = {.len = 0};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text.bytes, sizeof(text.bytes), format, arguments);
    va_end(arguments);
    header.name = ng_arena_strdup(list->arena, text.bytes);
    return header.name ? ng_op_add_interval(list, header, 0, XT_WHOLE, false) : -ENOMEM;
}

void xt_put(struct xt_text *text, const char *format, ...) {
    size_t left = sizeof(text->bytes) - text->len;
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text->bytes + text->len, left, format, arguments);
    va_end(arguments);
    if (n > 0)
        text->len += (size_t)n < left ? (size_t)n : left - 1;
}

/* -- which extension it is ----------------------------------------------------------- */

static bool fits_family(const struct xt_extension *extension, uint8_t family) {
    if (extension->family == NFPROTO_INET)
        return family == NFPROTO_IPV4 || family == NFPROTO_IPV6;
    return extension->family == family || extension->family == NFPROTO_UNSPEC;
}

static bool fits_len(const struct xt_extension *extension, size_t len_bytes) {
    size_t len = extension->len_bytes;
    return len == XT_ANY_LEN || len_bytes == len || len_bytes == XT_ALIGN(len);
}

static const struct xt_extension *find(const struct xt_extension *const *lists, const char *name,
                                       uint32_t revision, uint8_t family, size_t len_bytes) {
    for (; *lists; lists++)
        for (const struct xt_extension *extension = *lists; extension->name; extension++)
            if (extension->revision == revision && fits_family(extension, family) &&
                strcmp(extension->name, name) == 0 && fits_len(extension, len_bytes))
                return extension;
    return NULL;
}

static int decode(const struct xt_extension *extension, struct op_list *list, uint8_t family,
                  const void *info, size_t len_bytes) {
    /* A netlink attribute is aligned to four bytes; cgroup's path makes the longest structure. */
    _Alignas(max_align_t) uint8_t aligned[8192];
    if ((uintptr_t)info % _Alignof(max_align_t) != 0 && len_bytes <= sizeof(aligned)) {
        memcpy(aligned, info, len_bytes);
        info = aligned;
    }
    const struct xt xt = {.list = list, .family = family, .info = info};
    int r = extension->decode(&xt);
    if (r == 0 && extension->tracks)
        list->tracks = true;
    return r;
}

int ng_decode_xt_match(struct op_list *list, uint8_t family, const char *name, uint32_t revision,
                       const void *info, size_t len_bytes) {
    static const struct xt_extension *const lists[] = {
        ng_xt_bridge_matches,    ng_xt_header_matches,    ng_xt_host_matches,
        ng_xt_conntrack_matches, ng_xt_undecided_matches, NULL};
    const struct xt_extension *extension = find(lists, name, revision, family, len_bytes);
    return extension ? decode(extension, list, family, info, len_bytes)
                     : ng_op_add_undecoded(list, NG_OP_UNDECIDED, "xt match \"%s\" revision %u",
                                           name, revision);
}

int ng_decode_xt_target(struct op_list *list, uint8_t family, const char *name, uint32_t revision,
                        const void *info, size_t len_bytes) {
    static const struct xt_extension *const lists[] = {ng_xt_bridge_targets, ng_xt_nat_targets,
                                                       ng_xt_plain_targets, NULL};
    const struct xt_extension *extension = find(lists, name, revision, family, len_bytes);
    return extension ? decode(extension, list, family, info, len_bytes)
                     : ng_op_add_undecoded(list, NG_OP_UNKNOWN, "xt target \"%s\" revision %u",
                                           name, revision);
}
