/* SPDX-License-Identifier: GPL-2.0-or-later */

/* blast ADDRESS PORT SECONDS   sends small UDP packets as fast as it can
 *
 * Prints for how long it did, the time left out in which others had the processor. Who wants to
 * know how many arrived counts them where they do. */

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

enum {
    BATCH = 64,
    PAYLOAD_BYTES = 18, /* the smallest frame of Ethernet */
};

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Not the processor time itself: what the kernel does about packets may not count as ours. */
static double waited_s(void) {
    unsigned long long ran_ns, waited_ns = 0;
    FILE *file = fopen("/proc/self/schedstat", "re");
    if (!file || fscanf(file, "%llu %llu", &ran_ns, &waited_ns) != 2) {
        perror("blast: /proc/self/schedstat");
        exit(1);
    }
    fclose(file);
    return (double)waited_ns / 1e9;
}

int main(int argc, char **argv) {
    static char payload[PAYLOAD_BYTES];
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct iovec piece = {payload, sizeof(payload)};
    struct mmsghdr packets[BATCH] = {0};
    if (argc != 4 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
        fprintf(stderr, "usage: blast ADDRESS PORT SECONDS\n");
        return 2;
    }
    to.sin_port = htons((uint16_t)atoi(argv[2]));
    for (size_t i = 0; i < BATCH; i++)
        packets[i].msg_hdr = (struct msghdr){.msg_iov = &piece, .msg_iovlen = 1};

    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
        perror("blast");
        return 1;
    }
    double waited = waited_s(), start = now_s(), end = start + atof(argv[3]);
    while (now_s() < end)
        if (sendmmsg(fd, packets, BATCH, 0) < 0) {
            perror("blast");
            return 1;
        }
    printf("%.6f\n", now_s() - start - (waited_s() - waited));
    return 0;
}
