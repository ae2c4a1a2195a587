/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/keeper.h"

#include <dirent.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "agent/log.h"
#include "agent/observe/proc.h"

/* Of the socket in systemd's store of file descriptors. */
#define FD_NAME "guard"

enum {
    READ_US = 1000 * 1000, /* for which systemd is waited for */
};

/* The socket that systemd has kept, or -1. What else it has is closed. */
static int take_kept(void) {
    char **names = NULL;
    int n = sd_listen_fds_with_names(true, &names), found = -1;
    for (int i = 0; i < n; i++) {
        int fd = SD_LISTEN_FDS_START + i;
        if (found < 0 && strcmp(names[i], FD_NAME) == 0)
            found = fd;
        else
            close(fd);
        free(names[i]);
    }
    free(names);
    return found;
}

int ng_keeper_open(struct ng_keeper *keeper, struct ng_error *error) {
    struct ng_error useless = {0};
    struct sockaddr_nl own = {0};
    socklen_t len = sizeof(own);
    int fd = take_kept();
    keeper->owner = NG_GUARD_OWNED_PERSISTENT;
    if (fd >= 0 && ng_guard_table_open(fd, &keeper->table, &useless) < 0) {
        ng_log("%s", useless.message);
        close(fd);
        fd = -1;
    }
    int r = keeper->table ? 0 : ng_guard_table_open(-1, &keeper->table, error);
    if (r < 0)
        return r;
    keeper->restored = keeper->offered = keeper->kept = fd >= 0;
    if (getsockname(ng_guard_table_fd(keeper->table), (struct sockaddr *)&own, &len) == 0)
        keeper->portid = own.nl_pid;
    return 0;
}

void ng_keeper_clear(struct ng_keeper *keeper) {
    ng_guard_table_free(TAKE_PTR(keeper->table));
}

static bool init_has(int fd) {
    const struct dirent *file;
    struct stat own, its;
    DIR *files = opendir("/proc/1/fd");
    bool found = false;
    if (!files)
        return false;
    if (fstat(fd, &own) == 0)
        while (!found && (file = readdir(files)))
            found =
                fstatat(dirfd(files), file->d_name, &its, 0) == 0 && ng_proc_is_same(&own, &its);
    closedir(files);
    return found;
}

/* Systemd tells since 254 how much it keeps; before, it is looked at once it has read the offer. */
static bool is_kept(int fd) {
    const char *room = getenv("FDSTORE");
    if (room)
        return atoi(room) > 0;
    return sd_notify_barrier(0, READ_US) >= 0 && init_has(fd);
}

/* Systemd must not poll the socket: one that has missed a message counts as one in error, and would
 * be thrown away. */
static void offer(struct ng_keeper *keeper) {
    int fd = ng_guard_table_fd(keeper->table);
    keeper->offered = true;
    keeper->kept =
        sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDNAME=" FD_NAME "\nFDPOLL=0", &fd, 1) > 0 &&
        is_kept(fd);
}

int ng_keeper_install(struct ng_keeper *keeper, const struct ng_guard *guard, bool all_known,
                      size_t *ret_count, struct ng_error *error) {
    int (*const install)(struct ng_guard_table *, const struct ng_guard *, enum ng_guard_owner,
                         size_t *, struct ng_error *) =
        all_known ? ng_guard_table_install : ng_guard_table_extend;
    struct ng_error why = {0};
    int r = install(keeper->table, guard, keeper->owner, ret_count, &why);
    if (r == -EOPNOTSUPP && keeper->owner != NG_GUARD_UNOWNED) {
        ng_log("%s: the guard is owned by nobody, and put back where others take it away",
               why.message);
        keeper->owner = NG_GUARD_UNOWNED;
        why = (struct ng_error){0};
        r = install(keeper->table, guard, keeper->owner, ret_count, &why);
    }
    if (r < 0)
        return ng_error_set(error, r, why.source, "%s", why.message);
    if (keeper->owner != NG_GUARD_UNOWNED && !keeper->offered)
        offer(keeper);
    return 0;
}
