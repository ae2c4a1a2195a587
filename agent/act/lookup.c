/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/lookup.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "netguard/base.h"

/* Belongs to the thread and to whoever asked; the last to leave frees it. */
struct ng_lookup {
    atomic_int owners;
    int fd;
    char *host, *port;
    int socket_type;
    atomic_bool answered; /* what follows is no longer the thread's */
    int code;
    struct addrinfo *addresses;
};

void ng_lookup_free(struct ng_lookup *lookup) {
    if (!lookup || atomic_fetch_sub(&lookup->owners, 1) > 1)
        return;
    if (lookup->fd >= 0)
        close(lookup->fd);
    if (lookup->addresses)
        freeaddrinfo(lookup->addresses);
    free(lookup->host);
    free(lookup->port);
    free(lookup);
}

static void *run(void *context) {
    struct ng_lookup *lookup = context;
    const struct addrinfo hints = {.ai_socktype = lookup->socket_type};
    const uint64_t one = 1;
    lookup->code = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->addresses);
    atomic_store(&lookup->answered, true);
    (void)!write(lookup->fd, &one, sizeof(one));
    ng_lookup_free(lookup);
    return NULL;
}

/* Signals are for the loop. */
static int begin(struct ng_lookup *lookup) {
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&thread, &attributes, run, lookup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return -r;
}

int ng_lookup_new(const char *host, const char *port, int socket_type,
                  struct ng_lookup **ret_lookup) {
    struct ng_lookup *lookup = calloc(1, sizeof(*lookup));
    if (!lookup)
        return -ENOMEM;
    atomic_init(&lookup->owners, 2);
    lookup->socket_type = socket_type;
    lookup->host = strdup(host);
    lookup->port = strdup(port);
    lookup->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = lookup->fd < 0 ? -errno : !lookup->host || !lookup->port ? -ENOMEM : begin(lookup);
    if (r < 0) { /* there is no thread */
        atomic_store(&lookup->owners, 1);
        ng_lookup_free(lookup);
        return r;
    }
    *ret_lookup = lookup;
    return 0;
}

int ng_lookup_fd(const struct ng_lookup *lookup) {
    return lookup->fd;
}

int ng_lookup_take(struct ng_lookup *lookup, struct addrinfo **ret_addresses) {
    if (!atomic_load(&lookup->answered))
        return EAI_AGAIN;
    if (lookup->code == 0)
        *ret_addresses = TAKE_PTR(lookup->addresses);
    return lookup->code;
}
