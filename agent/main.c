/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "agent/command/command.h"
#include "agent/print/escape.h"

/* A report of a thousand exposures is megabytes: written in few pieces. */
enum { STDOUT_BUFFER_BYTES = 64 * 1024 };

/* clang-format off */
static const struct ng_command commands[] = {
    {"check", ng_command_check, "what is reachable on this host, from where, and is it allowed",
     "Reads what the container engine, the packet filter and the sockets of this host\n"
     "say, computes what is really reachable from where, judges that by the policy\n"
     "and prints it. Changes nothing. Needs root to see everything.\n\n"
     "Exit status: 0 nothing to report; 1 open findings; 2 wrong usage or policy;\n"
     "3 not everything could be observed.",
     NG_OPTION_POLICY | NG_OPTION_PROFILE | NG_OPTION_DOCKER | NG_OPTION_SNAPSHOT |
         NG_OPTION_FORMAT | NG_OPTION_FAIL_ON | NG_OPTION_COLOR | NG_OPTION_VERBOSE,
     NULL},
    {"explain", ng_command_explain, "why something is reachable or blocked, rule by rule",
     "Shows what packets meet on their way to TARGET: rule by rule, who is let in, who\n"
     "is stopped and by what, and where they end. TARGET is\n\n"
     "  6379, 53/udp           a port: published by a container, or of this host\n"
     "  192.0.2.1:6379/tcp     an address and port, [2001:db8::1]:443 in IPv6\n"
     "  redis, 4f1c09          a container by its name, or by the start of its id\n"
     "  redis:6379             one of its ports\n"
     "  NG001                  what a finding means, why it matters and how to fix it\n\n"
     "Exit status: 0 explained; 2 wrong usage, or no such target; 3 not everything\n"
     "could be observed.",
     NG_OPTION_FROM | NG_OPTION_INTERFACE | NG_OPTION_DOCKER | NG_OPTION_SNAPSHOT |
         NG_OPTION_FORMAT | NG_OPTION_COLOR | NG_OPTION_VERBOSE,
     "TARGET"},
    {"trace", ng_command_trace, "where one packet ends: JSON lines in, JSON lines out",
     "Reads from FILE, or from standard input, one packet a line, the first of a\n"
     "connection:\n\n"
     "  {\"iif\":\"eth0\",\"src\":\"203.0.113.7\",\"sport\":40000,\"dst\":\"192.0.2.1\",\n"
     "   \"proto\":\"tcp\",\"dport\":6379}\n\n"
     "and writes for each on one line where it ends and which rules it met. A line that\n"
     "is no packet gets {\"error\":\"...\"}.\n\n"
     "Exit status: 0 all answered; 2 wrong usage, or a line that is no packet; 3 not\n"
     "everything could be observed.",
     NG_OPTION_DOCKER | NG_OPTION_SNAPSHOT, "[FILE]"},
    {"reach", ng_command_reach, "who gets in: JSON lines in, JSON lines out",
     "Reads from FILE, or from standard input, one question a line:\n\n"
     "  {\"iif\":\"eth0\",\"dst\":\"192.0.2.1\",\"proto\":\"tcp\",\"dport\":6379}\n\n"
     "and writes for each on one line the exact set of sources that get in. A line that\n"
     "is no question gets {\"error\":\"...\"}.\n\n"
     "Exit status: 0 all answered; 2 wrong usage, or a line that is no question; 3 not\n"
     "everything could be observed.",
     NG_OPTION_DOCKER | NG_OPTION_SNAPSHOT, "[FILE]"},
    {"snapshot", ng_command_snapshot, "write what was observed as one JSON document",
     "Observes this host as check does and writes all of it as one JSON document,\n"
     "which `netguard check --snapshot` judges later, on any machine. Holds no\n"
     "environment and no command line of any container.\n\n"
     "Exit status: 0 written; 2 wrong usage; 3 not everything could be observed or\n"
     "written.",
     NG_OPTION_DOCKER | NG_OPTION_OUTPUT, NULL},
    {"plan", ng_command_plan, "the table that enforces the policy, and what it would change",
     "Prints the guard, the table `inet netguard` that blocks what the policy blocks, as\n"
     "text for `nft -f`; before it, in comments, how it differs from what is installed\n"
     "and who would get where no longer, or again. Changes nothing.\n\n"
     "Exit status: 0 printed; 2 wrong usage or policy; 3 not everything could be observed.",
     NG_OPTION_POLICY | NG_OPTION_DOCKER | NG_OPTION_SNAPSHOT | NG_OPTION_FORMAT, NULL},
    {"apply", ng_command_apply, "install the guard, without a daemon",
     "Installs in one transaction what `netguard plan` shows. Nothing follows containers\n"
     "that come later: what is not known stays closed until apply is run again.\n\n"
     "Refuses to block the connection that it is run by, and a policy of mode monitor.\n\n"
     "Exit status: 0 in force; 2 wrong usage or policy, or refused; 3 not installed.",
     NG_OPTION_POLICY | NG_OPTION_DOCKER | NG_OPTION_FOR | NG_OPTION_CONFIRM |
         NG_OPTION_DRY_RUN | NG_OPTION_FORCE,
     NULL},
    {"remove", ng_command_remove, "take the guard away",
     "Removes the table `inet netguard`, and nothing else.\n\n"
     "Exit status: 0 it is gone, or was not there; 2 wrong usage; 3 it could not be\n"
     "removed.",
     0, NULL},
    {"run", ng_command_run, "the daemon: keep the guard in force and up to date",
     "Installs the guard before it connects to any engine, then follows the engines, the\n"
     "packet filter and the sockets of this host and keeps the guard fitting. Started by\n"
     "netguard.service; SIGHUP reads the policy again, SIGTERM ends it and leaves the\n"
     "guard in force. In mode monitor it installs nothing.\n\n"
     "Exit status: 0 told to end; 2 wrong usage or policy, nothing was touched; 3 it could\n"
     "not begin.",
     NG_OPTION_POLICY | NG_OPTION_DOCKER | NG_OPTION_FOREGROUND | NG_OPTION_METRICS_FILE, NULL},
    {"status", ng_command_status, "what the daemon sees now",
     "Prints what the daemon, `netguard run`, has written of itself: findings, policy, guard,\n"
     "engines, what it could not see and what has happened last.\n\n"
     "Exit status, the first of these that applies: 2 wrong usage; 3 no daemon runs; 1 open\n"
     "findings; 3 not everything is seen, or as the policy wants it; 0.",
     NG_OPTION_FORMAT | NG_OPTION_FAIL_ON | NG_OPTION_ALIVE, NULL},
    {"policy check", ng_command_policy_check, "what is wrong with a policy, all of it at once",
     "Reads the policy, or the FILEs in place of it, and shows each fault at its place.\n"
     "Then warns of what is hardly meant: rules that never decide, exceptions that have\n"
     "ended, and names that nothing on this host bears.\n\n"
     "Exit status: 0 no fault, perhaps warnings; 2 faults, or wrong usage; 3 a recorded\n"
     "world cannot be read.",
     NG_OPTION_POLICY | NG_OPTION_DOCKER | NG_OPTION_SNAPSHOT | NG_OPTION_FORMAT,
     "[FILE...]"},
    {"policy show", ng_command_policy_show, "the policy in effect, and where each part came from",
     "Prints what all files of the policy come to, as one policy that means the same, with\n"
     "all that was left to defaults, and says of each part where it was written.\n\n"
     "Exit status: 0 printed; 2 wrong usage or policy.",
     NG_OPTION_POLICY | NG_OPTION_FORMAT, NULL},
    {"policy init", ng_command_policy_init, "a first policy, which fits what runs now",
     "Writes a policy, with comments, that allows what is reachable now, and points out\n"
     "what hardly should be.\n\n"
     "Exit status: 0 written; 2 wrong usage; 3 not everything could be observed.",
     NG_OPTION_DOCKER | NG_OPTION_SNAPSHOT | NG_OPTION_OUTPUT, NULL},
    {"policy test", ng_command_policy_test, "does what is expected of this host hold?",
     "Reads expectations such as `{from: public, to: \"redis:6379\", is: blocked}` from FILE,\n"
     "holds each against what is really reachable and says in TAP which hold.\n\n"
     "Exit status: 0 all hold; 1 some do not; 2 wrong usage, policy or FILE; 3 not\n"
     "everything could be observed.",
     NG_OPTION_POLICY | NG_OPTION_DOCKER | NG_OPTION_SNAPSHOT, "FILE"},
};
/* clang-format on */

/* Begins the names of the commands that are about the policy itself. */
static const char policy_group[] = "policy";

/* The command's name within its group, or whole where `group` is NULL; NULL: it is in another. */
static const char *name_within(const struct ng_command *command, const char *group) {
    size_t len = group ? strlen(group) : 0;

    if (!group)
        return command->name;
    return strncmp(command->name, group, len) == 0 && command->name[len] == ' '
               ? command->name + len + 1
               : NULL;
}

static void print_help(FILE *out, const char *group) {
    const char *before = group ? group : "", *space = group ? " " : "";

    fprintf(out, "Usage: netguard %s%sCOMMAND [OPTION]...\n\n%s\n\nCommands:\n", before, space,
            group ? "About the policy itself; netguard-policy(5) tells what it can say."
                  : "Tells what is really reachable on a Docker host.");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (name_within(&commands[i], group))
            fprintf(out, "  %-12s  %s\n", name_within(&commands[i], group), commands[i].summary);
    fprintf(out,
            "\nOptions:\n  --help      print this help\n  --version   print the version\n\n"
            "`netguard %s%sCOMMAND --help` tells more about one command.\n",
            before, space);
}

static void print_version(void) {
    puts("netguard " NETGUARD_VERSION);
}

static const struct ng_command *find_command(const char *group, const char *word) {
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        const char *name = name_within(&commands[i], group);

        if (name && strcmp(word, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static enum ng_exit unknown_word(const char *group, const char *word) {
    const char *names[ARRAY_SIZE(commands) + 1];
    size_t count = 0;
    struct ng_error error = {0};
    char found[128];

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (name_within(&commands[i], group))
            names[count++] = name_within(&commands[i], group);
    if (!group)
        names[count++] = policy_group;
    const char *near = ng_near_name(word, names, count);
    ng_escape(found, sizeof(found), word);
    ng_error_set(&error, -EINVAL, group ? group : "",
                 "unknown %s \"%s\"%s%s%s; see netguard %s%s--help",
                 *word == '-' ? "option" : "command", found, near ? "; did you mean \"" : "",
                 near ? near : "", near ? "\"?" : "", group ? group : "", group ? " " : "");
    ng_diagnose(&error);
    return NG_EXIT_USAGE;
}

static enum ng_exit run_command(const struct ng_command *command, int argc, char *argv[]) {
    struct ng_options options;
    struct ng_error error = {0};

    if (ng_options_parse(command, argc, argv, &options, &error) < 0) {
        ng_diagnose(&error);
        fprintf(stderr, "netguard: see netguard %s --help\n", command->name);
        return NG_EXIT_USAGE;
    }
    if (options.help)
        ng_options_help(stdout, command);
    else if (options.version)
        print_version();
    else
        return command->run(&options);
    return NG_EXIT_CLEAN;
}

/* A descriptor that we open must never become stdout or stderr because ours was closed: what
 * we print would go into it. Reading from /dev/null ends at once, writing to it fails. */
static void occupy_standard_descriptors(void) {
    int fd;

    do
        fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

int main(int argc, char *argv[]) {
    enum ng_exit status = NG_EXIT_CLEAN;

    occupy_standard_descriptors();
    setvbuf(stdout, NULL, _IOFBF, STDOUT_BUFFER_BYTES);
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away is an error of writing like others */

    const char *group = argc > 1 && strcmp(argv[1], policy_group) == 0 ? policy_group : NULL;
    int at = group ? 2 : 1;
    if (argc <= at) {
        print_help(stderr, group);
        return NG_EXIT_USAGE;
    }
    const struct ng_command *command = find_command(group, argv[at]);
    if (command)
        status = run_command(command, argc - at, argv + at);
    else if (strcmp(argv[at], "--help") == 0)
        print_help(stdout, group);
    else if (strcmp(argv[at], "--version") == 0)
        print_version();
    else
        status = unknown_word(group, argv[at]);
    return ng_finish_stdout(status);
}
