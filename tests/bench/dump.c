/* SPDX-License-Identifier: GPL-2.0-or-later */

/* dump [SOCKET]   the least that a host can be read for
 *
 * Dumps the nf_tables ruleset of this network namespace as netguard does, through libmnl, and
 * looks at nothing but the messages' headers; where SOCKET is given, makes the four requests that
 * netguard makes to the engine on that unix socket and parses the answers with jansson. Keeps
 * nothing. What this costs is what tests/bench/check and tests/bench/engine measure netguard
 * against. */

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    READ_BYTES = 64 * 1024, /* the kernel fills half of it at most */
    RECEIVE_BUFFER_BYTES = 1 << 20,
    REQUEST_BYTES = 1024,
    ANSWER_BYTES = 64 << 20,
    MAX_SETS = 100000,
};

static _Noreturn void die(const char *what) {
    fprintf(stderr, "dump: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* -- the ruleset --------------------------------------------------------------------- */

/* The sets, whose elements are asked for one by one: requests, but for the headers. */
struct set {
    uint8_t family;
    char table[NFT_NAME_MAXLEN], name[NFT_NAME_MAXLEN];
};

struct dump {
    struct mnl_socket *socket;
    unsigned seq;
    uint32_t generation;
    struct set *sets;
    size_t n_sets;
    size_t n_messages, n_bytes;
};

static int take_attribute(const struct nlattr *attribute, void *context) {
    struct set *set = context;
    if (mnl_attr_get_type(attribute) == NFTA_SET_TABLE)
        snprintf(set->table, sizeof(set->table), "%s", mnl_attr_get_str(attribute));
    else if (mnl_attr_get_type(attribute) == NFTA_SET_NAME)
        snprintf(set->name, sizeof(set->name), "%s", mnl_attr_get_str(attribute));
    return MNL_CB_OK;
}

static int take_generation(const struct nlattr *attribute, void *context) {
    if (mnl_attr_get_type(attribute) == NFTA_GEN_ID)
        *(uint32_t *)context = ntohl(mnl_attr_get_u32(attribute));
    return MNL_CB_OK;
}

static int take_message(const struct nlmsghdr *message, void *context) {
    struct dump *dump = context;
    const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
    dump->n_messages++;
    dump->n_bytes += message->nlmsg_len;
    switch (NFNL_MSG_TYPE(message->nlmsg_type)) {
    case NFT_MSG_NEWGEN:
        return mnl_attr_parse(message, sizeof(*header), take_generation, &dump->generation);
    case NFT_MSG_NEWSET:
        if (dump->n_sets == MAX_SETS)
            return MNL_CB_ERROR;
        dump->sets[dump->n_sets].family = header->nfgen_family;
        return mnl_attr_parse(message, sizeof(*header), take_attribute,
                              &dump->sets[dump->n_sets++]);
    default:
        return MNL_CB_OK;
    }
}

static void ask(struct dump *dump, uint16_t type, uint16_t flags, const struct set *set) {
    static char request[REQUEST_BYTES], answer[READ_BYTES];
    struct nlmsghdr *message = mnl_nlmsg_put_header(request);
    message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
    message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    message->nlmsg_seq = ++dump->seq;
    struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
    header->nfgen_family = set ? set->family : AF_UNSPEC;
    if (set) {
        mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, set->table);
        mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set->name);
    }
    if (mnl_socket_sendto(dump->socket, message, message->nlmsg_len) < 0)
        die("cannot ask");
    for (int more = MNL_CB_OK; more > MNL_CB_STOP;) {
        ssize_t n = mnl_socket_recvfrom(dump->socket, answer, sizeof(answer));
        if (n < 0)
            die("no answer");
        more = mnl_cb_run(answer, (size_t)n, dump->seq, mnl_socket_get_portid(dump->socket),
                          take_message, dump);
        if (more < 0)
            die("the kernel refuses");
    }
}

static void read_ruleset(void) {
    const int receive_bytes = RECEIVE_BUFFER_BYTES;
    struct dump dump = {.socket = mnl_socket_open(NETLINK_NETFILTER)};
    dump.sets = calloc(MAX_SETS, sizeof(*dump.sets));
    if (!dump.sets || !dump.socket || mnl_socket_bind(dump.socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
        setsockopt(mnl_socket_get_fd(dump.socket), SOL_SOCKET, SO_RCVBUF, &receive_bytes,
                   sizeof(receive_bytes)) < 0)
        die("no netlink socket");

    ask(&dump, NFT_MSG_GETGEN, NLM_F_ACK, NULL);
    uint32_t before = dump.generation;
    static const uint16_t kinds[] = {NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETSET};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        ask(&dump, kinds[i], NLM_F_DUMP, NULL);
    for (size_t i = 0; i < dump.n_sets; i++)
        ask(&dump, NFT_MSG_GETSETELEM, NLM_F_DUMP, &dump.sets[i]);
    static const uint16_t rest[] = {NFT_MSG_GETOBJ, NFT_MSG_GETFLOWTABLE, NFT_MSG_GETRULE};
    for (size_t i = 0; i < sizeof(rest) / sizeof(*rest); i++)
        ask(&dump, rest[i], NLM_F_DUMP, NULL);
    ask(&dump, NFT_MSG_GETGEN, NLM_F_ACK, NULL);
    if (dump.generation != before)
        die("the ruleset changed meanwhile");

    printf("%zu messages, %zu bytes of ruleset\n", dump.n_messages, dump.n_bytes);
    mnl_socket_close(dump.socket);
    free(dump.sets);
}

/* -- the engine ---------------------------------------------------------------------- */

static int connect_to(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        die(path);
    }
    strcpy(address.sun_path, path);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        die(path);
    return fd;
}

/* One connection a request: its end is the end of the answer, which HTTP/1.0 gets in one piece. */
static void read_document(const char *socket_path, const char *url, char *room) {
    char request[REQUEST_BYTES];
    int len = snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\nHost: docker\r\n\r\n", url);
    int fd = connect_to(socket_path);
    if (write(fd, request, (size_t)len) != len)
        die(url);
    size_t used = 0;
    for (ssize_t n; (n = read(fd, room + used, ANSWER_BYTES - 1 - used)) != 0; used += (size_t)n)
        if (n < 0)
            die(url);
    close(fd);
    room[used] = '\0';

    const char *body = strstr(room, "\r\n\r\n");
    json_t *document =
        body ? json_loadb(body + 4, used - (size_t)(body + 4 - room), 0, NULL) : NULL;
    if (!document) {
        errno = EBADMSG;
        die(url);
    }
    printf("%zu bytes of %s\n", used, url);
    json_decref(document);
}

int main(int argc, char **argv) {
    static const char *const urls[] = {"/version", "/v1.41/info", "/v1.41/containers/json",
                                       "/v1.41/networks"};
    if (argc > 2) {
        fprintf(stderr, "usage: dump [SOCKET]\n");
        return 2;
    }
    read_ruleset();
    if (argc == 1)
        return 0;
    char *room = malloc(ANSWER_BYTES);
    if (!room)
        die("no room");
    for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++)
        read_document(argv[1], urls[i], room);
    free(room);
    return 0;
}
