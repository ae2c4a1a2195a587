/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <linux/genetlink.h>
#include <linux/wireguard.h>

#include "agent/observe/netlink.h"
#include "agent/observe/wireguard.h"
#include "tests/unit/fixture_answer.h"

/* A kernel that has WireGuard: not each that this is tested on has. What it is asked and what it
 * answers goes by here (the linker's --wrap). */

#define FAMILY 0x1f
#define PORT   51820
#define KEY    "the private key, as it is       "

static struct {
    bool lacks_wireguard;
    int refusal;          /* of questions about a link */
    size_t cut;           /* of its answers */
    unsigned of_families; /* questions so far */
    unsigned of_links;
    uint32_t asked; /* which link */
    union answer request;
    unsigned sent; /* datagrams of the answer */
    const void *received;
    size_t received_bytes;
} kernel;

static void *begin_generic(union answer *answer, uint16_t type, uint8_t command) {
    struct genlmsghdr *header = begin_answer(answer, type, sizeof(*header));

    header->cmd = command;
    return header;
}

static void put_family(union answer *answer, const char *name, uint16_t number) {
    begin_generic(answer, GENL_ID_CTRL, CTRL_CMD_NEWFAMILY);
    mnl_attr_put_strz(&answer->message, CTRL_ATTR_FAMILY_NAME, name);
    mnl_attr_put_u16(&answer->message, CTRL_ATTR_FAMILY_ID, number);
}

/* In the order of the kernel's wg_get_device_dump(). */
static void put_device(union answer *answer, uint32_t link) {
    begin_generic(answer, FAMILY, WG_CMD_GET_DEVICE);
    mnl_attr_put_u16(&answer->message, WGDEVICE_A_LISTEN_PORT, PORT);
    mnl_attr_put_u32(&answer->message, WGDEVICE_A_FWMARK, 1);
    mnl_attr_put_u32(&answer->message, WGDEVICE_A_IFINDEX, link);
    mnl_attr_put_strz(&answer->message, WGDEVICE_A_IFNAME, "wg0");
    mnl_attr_put(&answer->message, WGDEVICE_A_PRIVATE_KEY, WG_KEY_LEN, KEY);
    mnl_attr_put(&answer->message, WGDEVICE_A_PUBLIC_KEY, WG_KEY_LEN, KEY);

    struct nlattr *peers = mnl_attr_nest_start(&answer->message, WGDEVICE_A_PEERS);
    struct nlattr *peer = mnl_attr_nest_start(&answer->message, 0);
    mnl_attr_put(&answer->message, WGPEER_A_PRESHARED_KEY, WG_KEY_LEN, KEY);
    mnl_attr_nest_end(&answer->message, peer);
    mnl_attr_nest_end(&answer->message, peers);
}

static void put_end(union answer *answer, int error) {
    *(int *)begin_answer(answer, NLMSG_DONE, sizeof(int)) = error;
}

/* -- between the library and it -------------------------------------------------------- */

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *socket, const void *bytes, size_t len);
ssize_t __wrap_recvmsg(int fd, struct msghdr *header, int flags);
void __real_ng_netlink_closep(struct ng_netlink **netlink);
void __wrap_ng_netlink_closep(struct ng_netlink **netlink);

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *socket, const void *bytes, size_t len) {
    const struct nlattr *attrs[WGDEVICE_A_IFINDEX + 1];

    (void)socket;
    memcpy(&kernel.request, bytes, len);
    kernel.sent = 0;
    assert_int_equal(kernel.request.message.nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
    assert_int_equal(
        ng_attributes_of(&kernel.request.message, GENL_HDRLEN, attrs, WGDEVICE_A_IFINDEX), 0);
    if (kernel.request.message.nlmsg_type == GENL_ID_CTRL) {
        kernel.of_families++;
        assert_null(attrs[CTRL_ATTR_FAMILY_ID]); /* all of them, and so no module is loaded */
    } else {
        kernel.of_links++;
        assert_int_equal(kernel.request.message.nlmsg_type, FAMILY);
        kernel.asked = ng_attribute_u32(attrs[WGDEVICE_A_IFINDEX], 0);
    }
    return (ssize_t)len;
}

static void answer_families(union answer *answer) {
    if (kernel.sent == 0)
        put_family(answer, "nlctrl", GENL_ID_CTRL);
    else if (kernel.sent == 1 && !kernel.lacks_wireguard)
        put_family(answer, "wireguard", FAMILY);
    else
        put_end(answer, 0);
}

static void answer_link(union answer *answer) {
    assert_int_equal(kernel.sent, 0); /* nobody wants to know more */
    if (kernel.refusal) {
        put_end(answer, kernel.refusal);
        return;
    }
    put_device(answer, kernel.asked);
    answer->message.nlmsg_len -= kernel.cut;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *header, int flags) {
    struct sockaddr_nl own;
    socklen_t own_len = sizeof(own);
    union answer answer;

    (void)flags;
    if (kernel.request.message.nlmsg_type == GENL_ID_CTRL)
        answer_families(&answer);
    else
        answer_link(&answer);
    kernel.sent++;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &own_len), 0);
    answer.message.nlmsg_seq = kernel.request.message.nlmsg_seq;
    answer.message.nlmsg_pid = own.nl_pid;
    kernel.received = header->msg_iov->iov_base;
    kernel.received_bytes = answer.message.nlmsg_len;
    memcpy(header->msg_iov->iov_base, &answer, kernel.received_bytes);
    return (ssize_t)kernel.received_bytes;
}

/* No key is left behind. */
void __wrap_ng_netlink_closep(struct ng_netlink **netlink) {
    if (kernel.received)
        assert_null(memmem(kernel.received, kernel.received_bytes, KEY, WG_KEY_LEN));
    kernel.received = NULL;
    __real_ng_netlink_closep(netlink);
}

/* -- asking ---------------------------------------------------------------------------- */

static int begin(void **state) {
    (void)state;
    memset(&kernel, 0, sizeof(kernel));
    return 0;
}

static void only_wireguard_links_are_asked_about(void **state) {
    struct ng_link links[] = {
        {.index = 1, .kind = "", .up = true},
        {.index = 2, .kind = "wireguard"}, /* down: has no socket */
        {.index = 3, .kind = "vxlan", .up = true, .udp_port4 = 4789},
        {.index = 4, .kind = "wireguard", .up = true},
        {.index = 5, .kind = "wireguard", .up = true},
    };
    struct ng_error error = {0};

    (void)state;
    assert_int_equal(ng_wireguard_read_ports(links, 3, &error), 0);
    assert_int_equal(kernel.of_families + kernel.of_links, 0);

    assert_int_equal(ng_wireguard_read_ports(links, ARRAY_SIZE(links), &error), 0);
    assert_int_equal(kernel.of_families, 1);
    assert_int_equal(kernel.of_links, 2);
    assert_int_equal(kernel.asked, 5);
    assert_int_equal(links[1].udp_port4 + links[1].udp_port6, 0);
    assert_int_equal(links[2].udp_port4, 4789);
    for (size_t i = 3; i < 5; i++) {
        assert_int_equal(links[i].udp_port4, PORT);
        assert_int_equal(links[i].udp_port6, PORT);
    }
}

static void what_is_not_told_is_not_known(void **state) {
    struct ng_link link = {.index = 4, .kind = "wireguard", .up = true};
    struct ng_error error = {0};

    (void)state;
    kernel.lacks_wireguard = true;
    assert_int_equal(ng_wireguard_read_ports(&link, 1, &error), 0);
    assert_int_equal(kernel.of_links, 0);
    kernel.lacks_wireguard = false;
    kernel.refusal = -EPERM;
    assert_int_equal(ng_wireguard_read_ports(&link, 1, &error), 0);
    assert_int_equal(kernel.of_links, 1);
    assert_int_equal(link.udp_port4 + link.udp_port6, 0);
}

static void failures_are_told(void **state) {
    struct ng_link link = {.index = 4, .kind = "wireguard", .up = true};
    struct ng_error error = {0};

    (void)state;
    kernel.refusal = -ENODEV; /* gone: links are looked at again */
    assert_int_equal(ng_wireguard_read_ports(&link, 1, &error), -EINTR);
    assert_string_equal(error.message, "");
    kernel.refusal = -ENOBUFS;
    assert_int_equal(ng_wireguard_read_ports(&link, 1, &error), -ENOBUFS);
    assert_string_equal(error.source, "wireguard");
    assert_non_null(strstr(error.message, "WireGuard"));
    kernel.refusal = 0;
    kernel.cut = 1;
    assert_int_equal(ng_wireguard_read_ports(&link, 1, &error), -EBADMSG);
    assert_int_equal(link.udp_port4 + link.udp_port6, 0);
}

/* -- messages -------------------------------------------------------------------------- */

static void a_family_is_known_by_its_name(void **state) {
    union answer answer;
    uint16_t family = 0;

    (void)state;
    put_family(&answer, "wireguard", FAMILY);
    assert_int_equal(ng_wireguard_decode_family(&answer.message, &family), 0);
    assert_int_equal(family, FAMILY);
    put_family(&answer, "wireguards", 9 + FAMILY);
    assert_int_equal(ng_wireguard_decode_family(&answer.message, &family), 1);
    put_family(&answer, "wireguard", NLMSG_DONE); /* no family has that */
    assert_int_equal(ng_wireguard_decode_family(&answer.message, &family), -EBADMSG);
    begin_generic(&answer, GENL_ID_CTRL, CTRL_CMD_NEWFAMILY);
    mnl_attr_put_u16(&answer.message, CTRL_ATTR_FAMILY_ID, FAMILY);
    assert_int_equal(ng_wireguard_decode_family(&answer.message, &family), -EBADMSG);
    mnl_attr_put(&answer.message, CTRL_ATTR_FAMILY_NAME, 9, "wireguard"); /* without its end */
    assert_int_equal(ng_wireguard_decode_family(&answer.message, &family), -EBADMSG);
    assert_int_equal(family, FAMILY);
}

static void a_port_is_of_the_link_that_was_asked_about(void **state) {
    union answer answer;
    uint16_t port = 0;

    (void)state;
    put_device(&answer, 7);
    assert_int_equal(ng_wireguard_decode_port(&answer.message, 8, &port), -EBADMSG);
    assert_int_equal(port, 0);
    assert_int_equal(ng_wireguard_decode_port(&answer.message, 7, &port), 0);
    assert_int_equal(port, PORT);
    answer.message.nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN - 1;
    assert_int_equal(ng_wireguard_decode_port(&answer.message, 7, &port), -EBADMSG);
    /* As those that go on with the peers are. */
    begin_generic(&answer, FAMILY, WG_CMD_GET_DEVICE);
    mnl_attr_put_u32(&answer.message, WGDEVICE_A_IFINDEX, 7);
    assert_int_equal(ng_wireguard_decode_port(&answer.message, 7, &port), -EBADMSG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(only_wireguard_links_are_asked_about, begin),
        cmocka_unit_test_setup(what_is_not_told_is_not_known, begin),
        cmocka_unit_test_setup(failures_are_told, begin),
        cmocka_unit_test(a_family_is_known_by_its_name),
        cmocka_unit_test(a_port_is_of_the_link_that_was_asked_about),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
