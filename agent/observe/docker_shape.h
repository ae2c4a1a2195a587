/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_OBSERVE_DOCKER_SHAPE_H
#define NETGUARD_OBSERVE_DOCKER_SHAPE_H

/* JSON of an expected shape: each function reads one member of an object, checks what it
 * is and copies it into the arena, or says where in the answer something else stood. */

#include "agent/observe/docker_codec.h"

#include <jansson.h>

struct shape {
    struct ng_arena *arena;
    struct ng_docker_body body;
    struct ng_error *error;
};

/* A place in the answer: a member of the place above it, or an element when key is NULL. */
struct place {
    const struct place *up;
    const char *key;
    size_t index;
};

/* -EPROTO: "GET /info: info.Swarm: expected an object, found a string". */
int shape_wrong(const struct shape *shape, const struct place *at, const char *expected,
                const json_t *found);

/* The whole body as one JSON value; the caller's to json_decref. */
int shape_document(const struct shape *shape, const struct place *at,
                   json_t **ret_document) _must_check_;

/* The elements of a body that is one array (or null, which is an array of none), one at a
 * time, so that a long list never is in memory as a tree. Start from a zeroed list. Gives 1
 * and an element, the caller's to json_decref; 0 at the end of the list. */
struct shape_list {
    size_t offset; /* into the body */
    size_t count;  /* elements given so far */
};
int shape_list_next(const struct shape *shape, const struct place *at, struct shape_list *list,
                    json_t **ret_element) _must_check_;

/* The same, but the element as bytes of the body, for one that holds what must not be copied. */
int shape_list_next_part(const struct shape *shape, const struct place *at, struct shape_list *list,
                         struct shape *ret_element) _must_check_;

/* The value of a member of the object that the body is, as bytes of the body: nothing beside it
 * is copied or parsed. 1, or 0 where it is missing. */
int shape_member_part(const struct shape *shape, const struct place *at, const char *key,
                      struct shape *ret_value) _must_check_;

/* That value parsed, the caller's to json_decref; NULL where it is missing or null. */
int shape_member_document(const struct shape *shape, const struct place *at, const char *key,
                          json_type type, json_t **ret_document) _must_check_;

int shape_object(const struct shape *shape, const struct place *at,
                 const json_t *value) _must_check_;

/* A member of that type; NULL where it is missing or null, which jansson reads as empty. */
int shape_member(const struct shape *shape, const struct place *at, const json_t *object,
                 const char *key, json_type type, const json_t **ret_value) _must_check_;

/* "" where it is missing or null. */
int shape_string(const struct shape *shape, const struct place *at, const json_t *object,
                 const char *key, size_t max_bytes, const char **ret_text) _must_check_;

/* false where it is missing or null. */
int shape_bool(const struct shape *shape, const struct place *at, const json_t *object,
               const char *key, bool *ret_value) _must_check_;

/* 64 hex digits. */
int shape_id(const struct shape *shape, const struct place *at, const json_t *object,
             const char *key, const char **ret_id) _must_check_;

/* 1 to 65535. */
int shape_port(const struct shape *shape, const struct place *at, const json_t *object,
               const char *key, uint16_t *ret_port) _must_check_;

/* "tcp", "udp" or "sctp". */
int shape_proto(const struct shape *shape, const struct place *at, const json_t *object,
                const char *key, uint8_t *ret_proto) _must_check_;

/* An address of that family (0: of either); family 0 in the result where it is missing,
 * null or "". */
int shape_address(const struct shape *shape, const struct place *at, const json_t *object,
                  const char *key, uint8_t family, struct ng_addr *ret_addr) _must_check_;

/* "192.0.2.1:5000", "[::1]:5000", "reg.example:5000", "reg.example", and what stands before
 * white space: the host's length, and its start without a bracket. */
const char *shape_host_of(const char *text, size_t *ret_len);

/* An address, perhaps with the interface that it is on: fe80::1%eth0. Whoever is told to listen
 * on "localhost" listens on IPv4. */
bool shape_parse_host(const char *host, size_t len, struct ng_addr *ret_addr);

/* At most `max_bytes` of the text, cut between characters. NULL: out of memory. */
const char *shape_copy(const struct shape *shape, const char *text, size_t len_bytes,
                       size_t max_bytes) _must_check_;

#endif
