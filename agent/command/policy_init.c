/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/command/command.h"
#include "agent/print/policy_init.h"

static void free_text(char **text) {
    free(*text);
}

static int make_text(const struct ng_proposal *proposal, char **ret_text, struct ng_error *error) {
    _cleanup_(free_text) char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return ng_error_set(error, -ENOMEM, "", "out of memory");
    int r = ng_print_proposal(out, proposal);
    if (fclose(out) != 0 || r < 0)
        return ng_error_set(error, -ENOMEM, "", "out of memory while printing the policy");
    *ret_text = TAKE_PTR(text);
    return 0;
}

/* What has more rules than a policy may have is told of now and not when it is first read. */
static int check_text(const char *text, struct ng_error *error) {
    _cleanup_(ng_policy_freep) struct ng_policy *policy = NULL;
    const struct ng_policy_text own = {
        .name = "the policy that fits this host", .bytes = text, .len_bytes = strlen(text)};

    return ng_policy_parse(&own, 1, &policy, error);
}

static int write_all(int fd, const char *text) {
    size_t left = strlen(text);

    while (left) {
        ssize_t n = write(fd, text, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        text += n;
        left -= (size_t)n;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

/* Nobody's policy is overwritten, and half a one is not left behind. */
static int write_file(const char *path, const char *text, struct ng_error *error) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    if (fd < 0 && errno == EEXIST)
        return ng_error_set(error, -EEXIST, path,
                            "is there already and is not overwritten; name another file");
    if (fd < 0)
        return ng_error_set(error, -errno, path, "cannot create: %s", strerror(errno));
    int r = write_all(fd, text);
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0)
        return 0;
    unlink(path);
    return ng_error_set(error, r, path, "cannot write: %s", strerror(-r));
}

enum ng_exit ng_command_policy_init(const struct ng_options *options) {
    static const struct ng_policy asks_for_all = {.habits[NG_HABIT_CAPABILITIES].asked = true};
    _cleanup_(ng_world_freep) struct ng_world *world = NULL;
    _cleanup_(ng_ruleset_freep) struct ng_ruleset *ruleset = NULL;
    _cleanup_(ng_proposal_freep) struct ng_proposal *proposal = NULL;
    _cleanup_(free_text) char *text = NULL;
    struct ng_error error = {0};

    int r = ng_load_for(&asks_for_all, options, &world, &ruleset, &error);
    if (r == 0)
        r = ng_propose(world, ruleset, &proposal, &error);
    if (r == 0)
        r = make_text(proposal, &text, &error);
    if (r == 0)
        r = check_text(text, &error);
    if (r == 0 && options->output)
        r = write_file(options->output, text, &error);
    else if (r == 0)
        fputs(text, stdout);
    if (r < 0) {
        ng_diagnose(&error);
        return r == -EEXIST ? NG_EXIT_USAGE : NG_EXIT_INCOMPLETE;
    }
    ng_diagnose_gaps(proposal->probed->gaps, proposal->probed->n_gaps);
    return proposal->probed->complete ? NG_EXIT_CLEAN : NG_EXIT_INCOMPLETE;
}
