/* SPDX-License-Identifier: GPL-2.0-or-later */

/* knock ADDRESS:PORT...   connect to each without a pause, until stdin ends
 * knock answer PORT...    be the one who answers there, over IPv4 and IPv6
 *
 * For each line on stdin, and at its end, a JSON line for each place tells what came of it: how
 * many connections were tried, how many handshakes were completed, how many brought a byte of an
 * answer (docker-proxy takes connections for a container that is not there), and when the first
 * and the last of them did, in seconds of CLOCK_MONOTONIC. The line "forget" has it count anew.
 *
 * Every TRY_NS one place is tried, each in its turn, whatever became of the tries before. Static,
 * as it answers in containers: at once, where an interpreter would start for longer than a window
 * lasts. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    TRY_NS = 100 * 1000,
    HANDSHAKE_NS = 3 * 1000 * 1000, /* a hundred times what it takes in the lab */
    ANSWER_NS = 20 * 1000 * 1000,
    ANSWERED_NS = 10 * 1000 * 1000, /* who is known to be open is left some time for others */
    OUTSTANDING = 8,
    PLACES_MAX = 16,
    PORTS_MAX = 8,
    BACKLOG = 128,
    S_NS = 1000 * 1000 * 1000,
};

static _Noreturn void die(const char *what) {
    fprintf(stderr, "knock: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * (int64_t)S_NS + now.tv_nsec;
}

/* -- the one who answers --------------------------------------------------------------- */

static int listen_at(const char *port) {
    const struct sockaddr_in6 any = {.sin6_family = AF_INET6,
                                     .sin6_port = htons((uint16_t)atoi(port))};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, sizeof(int));
    if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, BACKLOG) < 0)
        die(port);
    return fd;
}

static _Noreturn void answer(size_t n, char **ports) {
    struct pollfd listeners[PORTS_MAX];
    for (size_t i = 0; i < n; i++)
        listeners[i] = (struct pollfd){.fd = listen_at(ports[i]), .events = POLLIN};
    for (;;) {
        if (poll(listeners, n, -1) < 0)
            die("poll");
        for (size_t i = 0; i < n; i++) {
            int fd = listeners[i].revents ? accept(listeners[i].fd, NULL, NULL) : -1;
            if (fd < 0)
                continue;
            (void)send(fd, "!", 1, MSG_NOSIGNAL);
            close(fd);
        }
    }
}

/* -- the one who knocks ---------------------------------------------------------------- */

struct place {
    const char *name;
    union {
        struct sockaddr any;
        struct sockaddr_in ip4;
        struct sockaddr_in6 ip6;
    } address;
    int64_t due_ns;
    struct tally {
        unsigned long attempts, handshakes, answers;
        int64_t first_handshake_ns, last_handshake_ns, first_answer_ns, last_answer_ns;
    } tally;
};

struct attempt {
    struct place *place;
    int fd; /* -1: none is under way */
    bool connected;
    int64_t deadline_ns;
};

static void parse_place(struct place *place, char *name) {
    *place = (struct place){.name = strdup(name)};
    char *colon = strrchr(name, ':');
    uint16_t port = colon ? htons((uint16_t)atoi(colon + 1)) : 0;
    if (colon)
        *colon = '\0';
    place->address.ip4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
    if (inet_pton(AF_INET, name, &place->address.ip4.sin_addr) == 1)
        return;
    place->address.ip6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
    errno = EINVAL;
    if (inet_pton(AF_INET6, name, &place->address.ip6.sin6_addr) != 1)
        die(place->name);
}

static void end(struct attempt *attempt) {
    close(attempt->fd);
    attempt->fd = -1;
}

static void begin(struct attempt *attempt, int64_t now, size_t n_places) {
    struct place *place = attempt->place;
    const struct linger reset = {.l_onoff = 1}; /* no TIME_WAIT, so that ports never run out */
    bool ip4 = place->address.any.sa_family == AF_INET;
    socklen_t len = ip4 ? sizeof(place->address.ip4) : sizeof(place->address.ip6);
    *attempt = (struct attempt){.place = place, .deadline_ns = now + HANDSHAKE_NS};
    attempt->fd = socket(place->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(attempt->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    place->due_ns = now + (int64_t)n_places * TRY_NS;
    place->tally.attempts++;
    if (connect(attempt->fd, &place->address.any, len) == 0 || errno == EINPROGRESS)
        return;
    /* Whatever hinders us here would pass for a closed port. */
    if (errno != ECONNREFUSED && errno != EHOSTUNREACH)
        die(place->name);
    end(attempt);
}

static void note(unsigned long *count, int64_t *first, int64_t *last, int64_t now) {
    if (!(*count)++)
        *first = now;
    *last = now;
}

/* Something has happened to it. */
static void advance(struct attempt *attempt, int64_t now) {
    struct tally *tally = &attempt->place->tally;
    int error = 0;
    if (!attempt->connected) {
        getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof(error)});
        if (error)
            return end(attempt);
        attempt->connected = true;
        attempt->deadline_ns = now + ANSWER_NS;
        note(&tally->handshakes, &tally->first_handshake_ns, &tally->last_handshake_ns, now);
    }
    char byte;
    ssize_t n = recv(attempt->fd, &byte, 1, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n == 1) {
        attempt->place->due_ns = now + ANSWERED_NS;
        note(&tally->answers, &tally->first_answer_ns, &tally->last_answer_ns, now);
    }
    end(attempt);
}

static void report(const struct place *places, size_t n) {
    for (const struct place *at = places; at < places + n; at++) {
        const struct tally *tally = &at->tally;
        printf("{\"place\": \"%s\", \"attempts\": %lu, \"handshakes\": %lu, \"answers\": %lu, "
               "\"first_handshake\": %.6f, \"last_handshake\": %.6f, "
               "\"first_answer\": %.6f, \"last_answer\": %.6f}\n",
               at->name, tally->attempts, tally->handshakes, tally->answers,
               (double)tally->first_handshake_ns / S_NS, (double)tally->last_handshake_ns / S_NS,
               (double)tally->first_answer_ns / S_NS, (double)tally->last_answer_ns / S_NS);
    }
    fflush(stdout);
}

static void forget(struct place *places, size_t n) {
    for (struct place *at = places; at < places + n; at++)
        at->tally = (struct tally){0};
}

static void knock(struct place *places, size_t n_places) {
    struct attempt attempts[PLACES_MAX * OUTSTANDING];
    struct pollfd fds[PLACES_MAX * OUTSTANDING + 1];
    size_t n = n_places * OUTSTANDING;
    for (size_t i = 0; i < n; i++)
        attempts[i] = (struct attempt){.place = &places[i % n_places], .fd = -1};
    for (;;) {
        int64_t now = now_ns(), next = now + ANSWERED_NS;
        for (size_t i = 0; i < n; i++) {
            struct attempt *at = &attempts[i];
            if (at->fd >= 0 && at->deadline_ns <= now)
                end(at);
            if (at->fd < 0 && at->place->due_ns <= now)
                begin(at, now, n_places);
            int64_t when = at->fd >= 0 ? at->deadline_ns : at->place->due_ns;
            next = when < next ? when : next;
            fds[i] = (struct pollfd){.fd = at->fd, .events = at->connected ? POLLIN : POLLOUT};
        }
        fds[n] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
        struct timespec wait = {.tv_nsec = next > now ? next - now : 0};
        if (ppoll(fds, n + 1, &wait, NULL) < 0)
            die("poll");
        now = now_ns();
        for (size_t i = 0; i < n; i++)
            if (attempts[i].fd >= 0 && fds[i].revents)
                advance(&attempts[i], now);
        char line[64];
        if (fds[n].revents) {
            ssize_t len = read(STDIN_FILENO, line, sizeof(line));
            report(places, n_places);
            if (len <= 0)
                return;
            if (line[0] == 'f')
                forget(places, n_places);
        }
    }
}

int main(int argc, char **argv) {
    static struct place places[PLACES_MAX];
    bool answers = argc > 1 && strcmp(argv[1], "answer") == 0;
    int n = argc - 1 - answers;
    if (n < 1 || n > (answers ? PORTS_MAX : PLACES_MAX))
        return 2;
    if (answers)
        answer((size_t)n, argv + 2);
    for (int i = 0; i < n; i++)
        parse_place(&places[i], argv[1 + i]);
    knock(places, (size_t)n);
    return 0;
}
