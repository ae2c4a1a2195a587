/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_COMMAND_COMMAND_H
#define NETGUARD_COMMAND_COMMAND_H

/* What the commands share: their options, exit statuses and the two streams. */

#include <stdio.h>

#include "netguard/policy.h"
#include "netguard/ruleset.h"
#include "netguard/world.h"

/* Tested in the order USAGE, FINDINGS, INCOMPLETE: the first that applies is the status. */
enum ng_exit {
    NG_EXIT_CLEAN = 0,
    NG_EXIT_FINDINGS = 1,   /* at least one that counts */
    NG_EXIT_USAGE = 2,      /* command line or policy */
    NG_EXIT_INCOMPLETE = 3, /* not all was observed, or the result could not be written */
};

enum ng_option { /* bits: which options a command takes, beside --help and --version */
                 NG_OPTION_POLICY = 1 << 0,
                 NG_OPTION_DOCKER = 1 << 1,
                 NG_OPTION_SNAPSHOT = 1 << 2,
                 NG_OPTION_OUTPUT = 1 << 3,
                 NG_OPTION_FORMAT = 1 << 4,
                 NG_OPTION_FAIL_ON = 1 << 5,
                 NG_OPTION_COLOR = 1 << 6,
                 NG_OPTION_VERBOSE = 1 << 7,
                 NG_OPTION_HELP = 1 << 8,
                 NG_OPTION_VERSION = 1 << 9,
                 NG_OPTION_FROM = 1 << 10,
                 NG_OPTION_INTERFACE = 1 << 11,
                 NG_OPTION_FOR = 1 << 12,
                 NG_OPTION_CONFIRM = 1 << 13,
                 NG_OPTION_DRY_RUN = 1 << 14,
                 NG_OPTION_FORCE = 1 << 15,
                 NG_OPTION_METRICS_FILE = 1 << 16,
                 NG_OPTION_FOREGROUND = 1 << 17,
                 NG_OPTION_PROFILE = 1 << 18,
                 NG_OPTION_ALIVE = 1 << 19,
};

enum ng_format {
    NG_FORMAT_TABLE,
    NG_FORMAT_JSON,
};

enum ng_color {
    NG_COLOR_AUTO,
    NG_COLOR_ALWAYS,
    NG_COLOR_NEVER,
};

enum {
    NG_ENGINES_MAX = 32, /* of one command line: more are a mistake */
};

/* Strings are those of the command line, NULL where not given. */
struct ng_options {
    const char *policy, *snapshot, *output, *interface, *metrics_file;
    const char *docker[NG_ENGINES_MAX];
    size_t n_docker;
    const char *operand;
    char *const *operands; /* all of them, where a command takes several */
    size_t n_operands;
    struct ng_addr from; /* family 0: not given */
    enum ng_format format;
    enum ng_severity fail_on;
    enum ng_color color;
    unsigned for_s; /* 0: not given */
    bool cis; /* --profile cis */
    bool alive, confirm, dry_run, force, foreground;
    bool verbose, help, version;
};

struct ng_command {
    const char *name;
    enum ng_exit (*run)(const struct ng_options *options);
    const char *summary; /* one line for `netguard --help` */
    const char *help;    /* what it does, for `netguard NAME --help` */
    unsigned options;    /* enum ng_option bits */
    const char *operand; /* what its one argument is called in the help, in brackets where it may be
                            left out, "[FILE...]" where there may be several; NULL: takes none */
};

/* argv[0] is the command's name. May reorder `argv`. -EINVAL with what is wrong in `error`. */
int ng_options_parse(const struct ng_command *command, int argc, char *argv[],
                     struct ng_options *ret_options, struct ng_error *error) _must_check_;

void ng_options_help(FILE *out, const struct ng_command *command);

/* One line on stderr, escaped: "netguard: source:line:column: message". */
void ng_diagnose(const struct ng_error *error);

/* One line for each: whoever started the command learns what is missing in its document. */
void ng_diagnose_gaps(const struct ng_gap *gaps, size_t count);

/* Flushes stdout; what could not be written (ENOSPC, EPIPE) goes to stderr and makes of
 * `status` one that is not "clean". */
enum ng_exit ng_finish_stdout(enum ng_exit status);

/* Reads the world that `netguard snapshot` wrote; "-" is stdin. `error` must not be NULL. */
int ng_snapshot_load(const char *path, struct ng_world **ret_world,
                     struct ng_error *error) _must_check_;

/* The world that the options ask for, this host's or a recorded one, and its ruleset. `error`
 * must not be NULL. */
int ng_load(const struct ng_options *options, struct ng_world **ret_world,
            struct ng_ruleset **ret_ruleset, struct ng_error *error) _must_check_;
/* The same, to be judged by a policy: with what costs time and only some ask about. */
int ng_load_for(const struct ng_policy *policy, const struct ng_options *options,
                struct ng_world **ret_world, struct ng_ruleset **ret_ruleset,
                struct ng_error *error) _must_check_;

/* How to print for people: width and colours of stdout. */
unsigned ng_stdout_width(void);
bool ng_stdout_color(enum ng_color when);

enum ng_exit ng_command_apply(const struct ng_options *options);
enum ng_exit ng_command_check(const struct ng_options *options);
enum ng_exit ng_command_explain(const struct ng_options *options);
enum ng_exit ng_command_plan(const struct ng_options *options);
enum ng_exit ng_command_policy_check(const struct ng_options *options);
enum ng_exit ng_command_policy_init(const struct ng_options *options);
enum ng_exit ng_command_policy_show(const struct ng_options *options);
enum ng_exit ng_command_policy_test(const struct ng_options *options);
enum ng_exit ng_command_reach(const struct ng_options *options);
enum ng_exit ng_command_remove(const struct ng_options *options);
enum ng_exit ng_command_run(const struct ng_options *options);
enum ng_exit ng_command_snapshot(const struct ng_options *options);
enum ng_exit ng_command_status(const struct ng_options *options);
enum ng_exit ng_command_trace(const struct ng_options *options);

#endif
