/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/bpf.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of Linux 6.4 and 6.6, which older headers lack. */
enum {
    LINK_TYPE_NETFILTER = 10,
    ATTACH_TCX_INGRESS = 46,
    ATTACH_TCX_EGRESS = 47,
};

/* All of it: the kernel refuses a request with a bit set past what its command knows. */
static union bpf_attr cleared(void) {
    union bpf_attr attr;

    memset(&attr, 0, sizeof(attr));
    return attr;
}

static int bpf(enum bpf_cmd command, union bpf_attr *attr) {
    long r = syscall(SYS_bpf, command, attr, sizeof(*attr));

    return r < 0 ? -errno : (int)r;
}

/* What a kernel answers that knows no such program or command, so that there can be none. */
static bool is_unknown(int r) {
    return r == -ENOSYS || r == -EINVAL || r == -EOPNOTSUPP;
}

static int query(uint32_t link, uint32_t attach_type) {
    union bpf_attr attr = cleared();
    int r;

    /* With room for none, only their number is told. */
    attr.query.target_fd = link;
    attr.query.attach_type = attach_type;
    r = bpf(BPF_PROG_QUERY, &attr);
    if (is_unknown(r) || r == -ENODEV || r == -ENOENT)
        return 0;
    return r < 0 ? r : attr.query.prog_cnt > 0;
}

int ng_bpf_tcx(uint32_t link) {
    int r = query(link, ATTACH_TCX_INGRESS);

    return r == 0 ? query(link, ATTACH_TCX_EGRESS) : r;
}

/* Whether the BPF link of that id is one to a netfilter hook: 1, 0 or a negative errno. */
static int is_netfilter(uint32_t id) {
    union bpf_attr attr = cleared();
    struct bpf_link_info info;
    int r, fd;

    memset(&info, 0, sizeof(info));
    attr.link_id = id;
    fd = bpf(BPF_LINK_GET_FD_BY_ID, &attr);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd; /* gone meanwhile */
    attr = cleared();
    attr.info.bpf_fd = (uint32_t)fd;
    attr.info.info_len = sizeof(info);
    attr.info.info = (uintptr_t)&info;
    r = bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
    close(fd);
    return r < 0 ? r : info.type == LINK_TYPE_NETFILTER;
}

int ng_bpf_netfilter(size_t *ret_count) {
    union bpf_attr attr = cleared();
    size_t count = 0;
    int r;

    while ((r = bpf(BPF_LINK_GET_NEXT_ID, &attr)) == 0) {
        uint32_t id = attr.next_id;

        r = is_netfilter(id);
        if (r < 0)
            return r;
        count += (size_t)r;
        attr = cleared();
        attr.start_id = id;
    }
    if (r != -ENOENT && !is_unknown(r)) /* -ENOENT: that was the last one */
        return r;
    *ret_count = count;
    return 0;
}
