/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_ACT_LOOKUP_H
#define NETGUARD_ACT_LOOKUP_H

/* Addresses of a name, without waiting for a name server. */

#include <netdb.h>

struct ng_lookup;

/* Begins to ask, on a thread that ends with the answer. 0 or a negative errno. */
int ng_lookup_new(const char *host, const char *port, int socket_type,
                  struct ng_lookup **ret_lookup);
/* An answer that is still to come is not waited for. */
void ng_lookup_free(struct ng_lookup *lookup);

/* Readable once there is an answer. */
int ng_lookup_fd(const struct ng_lookup *lookup);

/* 0 and what freeaddrinfo() frees, or the code of getaddrinfo(). Only when there is an answer, and
 * once. */
int ng_lookup_take(struct ng_lookup *lookup, struct addrinfo **ret_addresses);

#endif
