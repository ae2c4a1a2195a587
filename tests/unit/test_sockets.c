/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>

#include "agent/observe/sockets.h"
#include "agent/observe/sockets_proc.h"

static int set_up(void **state) {
    struct ng_sockets *sockets = test_calloc(1, sizeof(*sockets));

    sockets->arena = ng_arena_new();
    *state = sockets;
    return sockets->arena ? 0 : -1;
}

static int tear_down(void **state) {
    struct ng_sockets *sockets = *state;

    ng_arena_free(sockets->arena);
    test_free(sockets);
    return 0;
}

static const char *text(struct ng_addr addr) {
    static char buffer[NG_ADDR_TEXT];

    return ng_addr_text(addr, buffer);
}

/* -- sock_diag ----------------------------------------------------------------------- */

union answer {
    struct nlmsghdr message;
    uint8_t room[1024];
};

static struct inet_diag_msg *put(union answer *answer, uint8_t family, uint8_t state,
                                 const char *addr, uint16_t port) {
    struct inet_diag_msg *body;

    memset(answer, 0, sizeof(*answer));
    mnl_nlmsg_put_header(answer);
    answer->message.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    body = mnl_nlmsg_put_extra_header(&answer->message, sizeof(*body));
    body->idiag_family = family;
    body->idiag_state = state;
    inet_pton(family, addr, body->id.idiag_src);
    body->id.idiag_sport = htons(port);
    return body;
}

static void sock_diag_is_read(void **state) {
    struct ng_sockets *sockets = *state;
    struct inet_diag_msg *body;
    union answer answer;

    body = put(&answer, AF_INET, TCP_LISTEN, "192.0.2.1", 6379);
    body->idiag_inode = 4711;
    body->id.idiag_if = 3;
    assert_int_equal(ng_sockets_decode(sockets, NG_TCP, &answer.message), 0);
    put(&answer, AF_INET6, TCP_LISTEN, "::", 22);
    mnl_attr_put_u8(&answer.message, INET_DIAG_SKV6ONLY, 1);
    assert_int_equal(ng_sockets_decode(sockets, NG_TCP, &answer.message), 0);
    put(&answer, AF_INET6, TCP_CLOSE, "::", 53);
    mnl_attr_put_u8(&answer.message, INET_DIAG_SKV6ONLY, 0);
    assert_int_equal(ng_sockets_decode(sockets, NG_UDP, &answer.message), 0);

    assert_int_equal(sockets->count, 3);
    assert_string_equal(text(sockets->items[0].listener.addr), "192.0.2.1");
    assert_int_equal(sockets->items[0].listener.port, 6379);
    assert_int_equal(sockets->items[0].listener.proto, NG_TCP);
    assert_int_equal(sockets->items[0].listener.link, 3);
    assert_int_equal(sockets->items[0].inode, 4711);
    assert_false(sockets->items[0].unsure);
    assert_true(sockets->items[1].listener.v6only);
    assert_int_equal(sockets->items[1].listener.addr.family, NG_IP6);
    assert_false(sockets->items[2].listener.v6only);
    assert_int_equal(sockets->items[2].listener.proto, NG_UDP);
}

static void what_takes_nothing_from_outside_is_left_out(void **state) {
    struct ng_sockets *sockets = *state;
    union answer answer;

    put(&answer, AF_INET, TCP_CLOSE, "0.0.0.0", 80);
    assert_int_equal(ng_sockets_decode(sockets, NG_TCP, &answer.message), 0);
    put(&answer, AF_INET, TCP_ESTABLISHED, "0.0.0.0", 80);
    assert_int_equal(ng_sockets_decode(sockets, NG_UDP, &answer.message), 0);
    put(&answer, AF_INET, TCP_CLOSE, "0.0.0.0", 80)->id.idiag_dport = htons(9);
    assert_int_equal(ng_sockets_decode(sockets, NG_UDP, &answer.message), 0);
    put(&answer, AF_INET, TCP_CLOSE, "0.0.0.0", 0);
    assert_int_equal(ng_sockets_decode(sockets, NG_UDP, &answer.message), 0);
    put(&answer, AF_UNIX, TCP_LISTEN, "", 80);
    assert_int_equal(ng_sockets_decode(sockets, NG_TCP, &answer.message), 0);
    assert_int_equal(sockets->count, 0);

    answer.message.nlmsg_len = NLMSG_HDRLEN + 8;
    assert_int_equal(ng_sockets_decode(sockets, NG_TCP, &answer.message), -EBADMSG);
}

static void ipv4_in_ipv6_is_ipv4(void **state) {
    struct ng_sockets *sockets = *state;
    union answer answer;

    put(&answer, AF_INET6, TCP_LISTEN, "::ffff:127.0.0.1", 80);
    assert_int_equal(ng_sockets_decode(sockets, NG_TCP, &answer.message), 0);
    put(&answer, AF_INET6, TCP_LISTEN, "::ffff:0.0.0.0", 81);
    assert_int_equal(ng_sockets_decode(sockets, NG_TCP, &answer.message), 0);
    assert_string_equal(text(sockets->items[0].listener.addr), "127.0.0.1");
    assert_string_equal(text(sockets->items[1].listener.addr), "0.0.0.0");
}

static void sctp_listens_on_each_of_its_addresses(void **state) {
    struct ng_sockets *sockets = *state;
    struct sockaddr_storage locals[3] = {0};
    union answer answer;

    locals[0].ss_family = AF_INET;
    inet_pton(AF_INET, "192.0.2.1", &((struct sockaddr_in *)&locals[0])->sin_addr);
    locals[1].ss_family = AF_INET6;
    inet_pton(AF_INET6, "2001:db8::1", &((struct sockaddr_in6 *)&locals[1])->sin6_addr);
    put(&answer, AF_INET, TCP_LISTEN, "192.0.2.1", 2905);
    mnl_attr_put(&answer.message, INET_DIAG_LOCALS, sizeof(locals), locals);
    assert_int_equal(ng_sockets_decode(sockets, NG_SCTP, &answer.message), 0);
    assert_int_equal(sockets->count, 2);
    assert_string_equal(text(sockets->items[0].listener.addr), "192.0.2.1");
    assert_string_equal(text(sockets->items[1].listener.addr), "2001:db8::1");
    assert_int_equal(sockets->items[1].listener.port, 2905);
}

/* -- /proc/net ----------------------------------------------------------------------- */

static void proc_is_read(void **state) {
    struct ng_sockets *sockets = *state;

    assert_int_equal(
        ng_sockets_proc_decode(sockets, NG_TCP,
                               "   0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 "
                               "00:00000000 00000000     0        0 4711 1 0000000000000000 100\n"),
        0);
    assert_int_equal(
        ng_sockets_proc_decode(sockets, NG_TCP,
                               "   1: 0000000000000000FFFF00000100007F:0050 "
                               "00000000000000000000000000000000:0000 0A 00000000:00000000 "
                               "00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0\n"),
        0);
    assert_int_equal(
        ng_sockets_proc_decode(sockets, NG_UDP,
                               "  123: B80D0120000000000000000001000000:0035 "
                               "00000000000000000000000000000000:0000 07 00000000:00000000 "
                               "00:00000000 00000000   101        0 4713 2 0000000000000000 0\n"),
        0);
    assert_int_equal(sockets->count, 3);
    assert_string_equal(text(sockets->items[0].listener.addr), "127.0.0.1");
    assert_int_equal(sockets->items[0].listener.port, 6379);
    assert_int_equal(sockets->items[0].inode, 4711);
    assert_true(sockets->items[0].unsure);
    assert_string_equal(text(sockets->items[1].listener.addr), "127.0.0.1");
    assert_string_equal(text(sockets->items[2].listener.addr), "2001:db8::1");
    assert_int_equal(sockets->items[2].listener.port, 53);
}

static void other_lines_of_proc_are_not(void **state) {
    static const char *const lines[] = {
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n",
        "   0: 0100007F:18EB 0100007F:0001 01 00000000:00000000 00:00000000 00000000 0 0 4711\n",
        "   0: 0100007F:18EB 0100007F:0001 0A 00000000:00000000 00:00000000 00000000 0 0 4711\n",
        "   0: 0100007F:0000 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711\n",
        "   0: 0100007F0:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711\n",
        "   0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000\n",
        "",
    };
    struct ng_sockets *sockets = *state;

    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        assert_int_equal(ng_sockets_proc_decode(sockets, NG_TCP, lines[i]), 0);
    assert_int_equal(sockets->count, 0);
}

static void sctp_of_proc_is_read(void **state) {
    struct ng_sockets *sockets = *state;

    assert_int_equal(ng_sockets_proc_decode_sctp(
                         sockets, " ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS\n"),
                     0);
    assert_int_equal(
        ng_sockets_proc_decode_sctp(sockets, "ffff8 ffff9 2   10  29   2905      0 4711 192.0.2.1 "
                                             "2001:0db8:0000:0000:0000:0000:0000:0001 \n"),
        0);
    assert_int_equal(ng_sockets_proc_decode_sctp(
                         sockets, "ffff8 ffff9 2   7   29   2906      0 4712 192.0.2.1 \n"),
                     0);
    assert_int_equal(sockets->count, 2);
    assert_string_equal(text(sockets->items[0].listener.addr), "192.0.2.1");
    assert_string_equal(text(sockets->items[1].listener.addr), "2001:db8::1");
    assert_int_equal(sockets->items[1].listener.port, 2905);
    assert_int_equal(sockets->items[1].inode, 4711);
}

/* -- this machine -------------------------------------------------------------------- */

/* A socket of this process on some free port of the loopback address. */
static int open_socket(int family, int type, int v6only, uint16_t *ret_port) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
    struct sockaddr_in address4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = family == AF_INET ? sizeof(address4) : sizeof(address);
    struct sockaddr *any = family == AF_INET ? (void *)&address4 : (void *)&address;
    int fd = socket(family, type | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (family == AF_INET6)
        assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)), 0);
    assert_int_equal(bind(fd, any, len), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, any, &len), 0);
    *ret_port = ntohs(family == AF_INET ? address4.sin_port : address.sin6_port);
    return fd;
}

static const struct ng_listener *find(const struct ng_world *world, uint8_t proto, uint16_t port) {
    for (size_t i = 0; i < world->n_listeners; i++)
        if (world->listeners[i].proto == proto && world->listeners[i].port == port)
            return &world->listeners[i];
    fail_msg("no socket with port %u", port);
    return NULL;
}

static void own_sockets_are_found_with_their_process(void **state) {
    struct ng_sockets *sockets = *state;
    struct ng_world world = {.arena = sockets->arena};
    const struct ng_listener *listener;
    struct ng_error error = {0};
    uint16_t tcp, udp, only = 0;
    int fds[] = {open_socket(AF_INET, SOCK_STREAM, 0, &tcp),
                 open_socket(AF_INET, SOCK_DGRAM, 0, &udp),
                 open_socket(AF_INET6, SOCK_STREAM, 1, &only)};
    size_t unsure = 99;

    prctl(PR_SET_NAME, "listening");
    assert_int_equal(ng_sockets_read(&world, NULL, &unsure, &error), 0);
    assert_true(world.listeners_read);
    listener = find(&world, NG_TCP, tcp);
    assert_string_equal(text(listener->addr), "127.0.0.1");
    assert_int_equal(listener->pid, getpid());
    assert_string_equal(listener->process, "listening");
    assert_int_equal(find(&world, NG_UDP, udp)->pid, getpid());
    if (fds[2] >= 0)
        assert_true(find(&world, NG_TCP, only)->v6only);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        close(fds[i]);
}

/* Read from /proc/net, and what is not there asked of the sockets: the same as sock_diag. */
static void proc_settles_to_the_same(void **state) {
    struct ng_sockets *sockets = *state;
    uint16_t ports[3];
    int fds[] = {open_socket(AF_INET, SOCK_STREAM, 0, &ports[0]),
                 open_socket(AF_INET6, SOCK_STREAM, 0, &ports[1]),
                 open_socket(AF_INET6, SOCK_STREAM, 1, &ports[2])};
    struct ng_holder *holders;
    struct ng_error error = {0};
    unsigned found = 0;
    int process_fd;

    if (fds[1] < 0)
        skip();
    process_fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(ng_sockets_proc_read(sockets, NG_TCP, process_fd, &error), 0);
    close(process_fd);
    holders = ng_arena_alloc(sockets->arena, sockets->count, sizeof(*holders));
    for (size_t i = 0; i < sockets->count; i++) {
        assert_true(sockets->items[i].unsure);
        holders[i].inode = sockets->items[i].inode;
    }
    assert_int_equal(ng_holders_find(sockets->arena, NULL, holders, sockets->count, NG_HOLDER_USER),
                     0);
    ng_sockets_proc_settle(sockets, holders, sockets->count);
    for (size_t i = 0; i < sockets->count; i++) {
        for (size_t k = 0; k < ARRAY_SIZE(ports); k++) {
            if (sockets->items[i].listener.port != ports[k])
                continue;
            found++;
            assert_false(sockets->items[i].unsure);
            assert_int_equal(sockets->items[i].listener.v6only, k == 2);
            assert_int_equal(sockets->items[i].listener.link, 0);
        }
    }
    assert_int_equal(found, 3);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        close(fds[i]);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(sock_diag_is_read),
        TEST(what_takes_nothing_from_outside_is_left_out),
        TEST(ipv4_in_ipv6_is_ipv4),
        TEST(sctp_listens_on_each_of_its_addresses),
        TEST(proc_is_read),
        TEST(other_lines_of_proc_are_not),
        TEST(sctp_of_proc_is_read),
        TEST(own_sockets_are_found_with_their_process),
        TEST(proc_settles_to_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
