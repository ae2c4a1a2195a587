/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/observe/engine_socket.h"
#include "agent/observe/holders.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void containers_are_known_by_their_cgroup(void **state) {
    static const struct {
        const char *cgroup, *tail; /* what follows the id; NULL: no container */
    } cases[] = {
        {"0::/docker/" ID "\n", "\n"},
        {"0::/system.slice/docker-" ID ".scope\n", ".scope\n"},
        {"0::/machine.slice/libpod-" ID ".scope/container\n", ".scope/container\n"},
        {"0::/machine.slice/libpod-conmon-" ID ".scope\n", ".scope\n"},
        {"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope\n",
         ".scope\n"},
        {"12:pids:/docker/" ID "\n11:cpu:/docker/" ID "\n", "\n11:cpu:/docker/" ID "\n"},
        {"0::/docker/" ID, ""},
        {"0::/docker/" ID "/docker/f" ID "\n", "/docker/f" ID "\n"},
        {"0::/system.slice/ssh.service\n", NULL},
        {"0::/docker/" ID "0\n", NULL},
        {"0::/docker/0" ID "\n", NULL},
        {"0::/docker/g" ID "\n", NULL},
        {"0::/docker/0123456789ABCDEF\n", NULL},
        {"0::/x/0123456789abcdef\n", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *id = ng_holders_container_id(cases[i].cgroup);

        if (!cases[i].tail) {
            assert_null(id);
            continue;
        }
        assert_non_null(id);
        assert_memory_equal(id, ID, 64);
        assert_string_equal(id + 64, cases[i].tail);
    }
}

/* A child of that name which holds all our sockets until the pipe closes. */
static pid_t fork_holder(const char *name, int pipe_fds[2]) {
    pid_t pid;
    char byte;

    assert_int_equal(pipe(pipe_fds), 0);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_NAME, name);
        (void)!write(pipe_fds[1], "x", 1);
        close(pipe_fds[1]);
        pause();
        _exit(0);
    }
    assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
    return pid;
}

static struct ng_holder find(struct ng_arena *arena, uint64_t inode) {
    struct ng_holder holders[] = {{.inode = inode}, {.inode = 1}, {.inode = 0}};
    const struct ng_holder *found;

    assert_int_equal(ng_holders_find(arena, NULL, holders, ARRAY_SIZE(holders), NG_HOLDER_USER), 0);
    assert_null(ng_holders_get(holders, ARRAY_SIZE(holders), 2));
    found = ng_holders_get(holders, ARRAY_SIZE(holders), inode);
    assert_non_null(found);
    return *found;
}

/* dockerd holds the sockets of its docker-proxies: the later process counts. */
static void the_process_that_uses_a_socket_counts(void **state) {
    struct ng_arena *arena = ng_arena_new();
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), pipe_fds[2];
    struct ng_holder holder;
    struct stat status;
    pid_t child;

    (void)state;
    assert_int_equal(fstat(fd, &status), 0);
    prctl(PR_SET_NAME, "dockerd");
    holder = find(arena, status.st_ino);
    assert_int_equal(holder.kind, NG_HOLDER_ENGINE);
    assert_int_equal(holder.pid, getpid());
    assert_int_equal(holder.fd, fd);
    assert_string_equal(holder.process, "dockerd");

    child = fork_holder("docker-proxy", pipe_fds);
    holder = find(arena, status.st_ino);
    assert_int_equal(holder.kind, NG_HOLDER_USER);
    assert_int_equal(holder.pid, child);
    assert_string_equal(holder.process, "docker-proxy");

    /* Of two of a kind the lower pid. */
    prctl(PR_SET_NAME, "nginx \xff");
    holder = find(arena, status.st_ino);
    assert_int_equal(holder.pid, child < getpid() ? child : getpid());
    if (holder.pid == (uint32_t)getpid())
        assert_string_equal(holder.process, "nginx \xef\xbf\xbd");

    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    close(fd);
    ng_arena_free(arena);
}

/* What stays with a container holds its ports as long as nobody else does. */
static void monitors_count_when_they_are_alone(void **state) {
    static const char *const names[] = {"conmon", "containerd-shim-runc-v2"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct ng_arena *arena = ng_arena_new();
        int fd = socket(AF_UNIX, SOCK_STREAM, 0), pipe_fds[2];
        struct ng_holder holder;
        struct stat status;
        pid_t child;

        assert_int_equal(fstat(fd, &status), 0);
        prctl(PR_SET_NAME, names[i]);
        holder = find(arena, status.st_ino);
        assert_int_equal(holder.kind, NG_HOLDER_ENGINE);
        assert_int_equal(holder.pid, getpid());
        assert_memory_equal(holder.process, names[i], strlen(holder.process));

        child = fork_holder("nginx", pipe_fds);
        holder = find(arena, status.st_ino);
        assert_int_equal(holder.pid, child);
        assert_string_equal(holder.process, "nginx");

        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        close(fd);
        ng_arena_free(arena);
    }
}

static void nobody_holds_what_is_closed(void **state) {
    struct ng_arena *arena = ng_arena_new();
    struct ng_holder holder = {.inode = 1};

    (void)state;
    assert_int_equal(ng_holders_find(arena, NULL, &holder, 1, NG_HOLDER_USER), 0);
    assert_int_equal(holder.kind, NG_HOLDER_NONE);
    assert_int_equal(holder.pid, 0);
    assert_null(holder.process);
    assert_int_equal(ng_holders_find(arena, NULL, NULL, 0, NG_HOLDER_USER), 0);
    assert_null(ng_holders_get(NULL, 0, 1));
    ng_arena_free(arena);
}

static void listening_unix_sockets_are_told(void **state) {
    static const char path[] = "/run/docker.sock";

    (void)state;
    assert_int_equal(ng_engine_socket_inode("0000000000000000: 00000002 00000000 00010000 0001 01 "
                                            "4711 /run/docker.sock\n",
                                            path),
                     4711);
    assert_int_equal(ng_engine_socket_inode("0000000000000000: 00000003 00000000 00000000 0001 03 "
                                            "4712 /run/docker.sock\n",
                                            path),
                     0);
    assert_int_equal(ng_engine_socket_inode("0000000000000000: 00000002 00000000 00010000 0001 01 "
                                            "4713 /run/other.sock\n",
                                            path),
                     0);
    assert_int_equal(ng_engine_socket_inode("0000000000000000: 00000002 00000000 00010000 0001 01 "
                                            "4714\n",
                                            path),
                     0);
    assert_int_equal(ng_engine_socket_inode("0000000000000000: 00000002 00000000 00010000 0001 01 "
                                            "4715 @/run/docker.sock\n",
                                            path),
                     0);
    assert_int_equal(
        ng_engine_socket_inode("Num       RefCount Protocol Flags    Type St Inode Path\n", path),
        0);
    assert_int_equal(ng_engine_socket_look("/nonexistent/docker.sock", NULL),
                     NG_ENGINE_SOCKET_NONE);
    assert_int_equal(ng_engine_socket_look("/dev/null", NULL), NG_ENGINE_SOCKET_AWAKE);
}

static int listen_at(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void who_listens_is_found_again(void **state) {
    char path[] = "/tmp/test-holders-XXXXXX";
    struct ng_engine_listener listener = {0};
    int fd = mkstemp(path);

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        if (i % 2 == 0) { /* another one now, at the same path and with another number */
            int other = dup(fd);
            close(fd);
            unlink(path);
            fd = listen_at(path);
            close(other);
        }
        assert_int_equal(ng_engine_socket_look(path, &listener), NG_ENGINE_SOCKET_AWAKE);
        assert_int_equal(listener.pid, getpid());
        assert_int_equal(listener.fd, fd);
    }
    unlink(path);
    close(fd);
    assert_int_equal(ng_engine_socket_look(path, &listener), NG_ENGINE_SOCKET_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(containers_are_known_by_their_cgroup),
        cmocka_unit_test(the_process_that_uses_a_socket_counts),
        cmocka_unit_test(monitors_count_when_they_are_alone),
        cmocka_unit_test(nobody_holds_what_is_closed),
        cmocka_unit_test(listening_unix_sockets_are_told),
        cmocka_unit_test(who_listens_is_found_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
