/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "agent/command/command.h"
#include "agent/observe/docker_client.h"
#include "agent/print/escape.h"

enum {
    QUOTE_TEXT = 128,
    HELP_COLUMN = 24,
};

/* -- values -------------------------------------------------------------------------- */

static const char *quote(const char *text, char buffer[static QUOTE_TEXT]) {
    ng_escape(buffer, QUOTE_TEXT, text);
    return buffer;
}

/* The place of `value` among the names, or -EINVAL. */
static int choose(const char *option, const char *value, const char *const *names, size_t count,
                  struct ng_error *error) {
    char expected[QUOTE_TEXT] = "", found[QUOTE_TEXT];
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        const char *between = i == 0 ? "" : i + 1 == count ? " or " : ", ";

        if (strcmp(value, names[i]) == 0)
            return (int)i;
        if (used < sizeof(expected))
            used += (size_t)snprintf(expected + used, sizeof(expected) - used, "%s%s", between,
                                     names[i]);
    }
    const char *near = ng_near_name(value, names, count);
    return ng_error_set(error, -EINVAL, option, "found \"%s\", expected %s%s%s%s",
                        quote(value, found), expected, near ? "; did you mean \"" : "",
                        near ? near : "", near ? "\"?" : "");
}

/* Now and not when the engine is asked: what is no address is wrong usage, not a gap. */
static int set_docker(struct ng_options *options, const char *value, struct ng_error *error) {
    struct ng_error fault = {0};
    char found[QUOTE_TEXT];
    int r = ng_docker_endpoint_check(value, &fault);

    if (r < 0)
        return ng_error_set(error, r, "--docker", "found \"%s\": %s", quote(value, found),
                            fault.message);
    if (options->n_docker == NG_ENGINES_MAX)
        return ng_error_set(error, -EINVAL, "--docker", "is given more than %d times",
                            NG_ENGINES_MAX);
    options->docker[options->n_docker++] = value;
    return 0;
}

static int set_format(struct ng_options *options, const char *value, struct ng_error *error) {
    static const char *const names[] = {
        [NG_FORMAT_TABLE] = "table",
        [NG_FORMAT_JSON] = "json",
    };
    int r = choose("--format", value, names, ARRAY_SIZE(names), error);

    if (r < 0)
        return r;
    options->format = (enum ng_format)r;
    return 0;
}

static int set_fail_on(struct ng_options *options, const char *value, struct ng_error *error) {
    const char *names[NG_CRITICAL + 2];

    for (int i = NG_INFO; i <= NG_CRITICAL; i++)
        names[i] = ng_severity_text((enum ng_severity)i);
    names[NG_CRITICAL + 1] = "any";
    int r = choose("--fail-on", value, names, ARRAY_SIZE(names), error);

    if (r < 0)
        return r;
    options->fail_on = r > NG_CRITICAL ? NG_INFO : (enum ng_severity)r;
    return 0;
}

static int set_profile(struct ng_options *options, const char *value, struct ng_error *error) {
    static const char *const names[] = {"cis"};
    int r = choose("--profile", value, names, ARRAY_SIZE(names), error);

    options->cis = r >= 0;
    return r;
}

static int set_color(struct ng_options *options, const char *value, struct ng_error *error) {
    static const char *const names[] = {
        [NG_COLOR_AUTO] = "auto",
        [NG_COLOR_ALWAYS] = "always",
        [NG_COLOR_NEVER] = "never",
    };
    int r = choose("--color", value, names, ARRAY_SIZE(names), error);

    if (r < 0)
        return r;
    options->color = (enum ng_color)r;
    return 0;
}

static int set_from(struct ng_options *options, const char *value, struct ng_error *error) {
    char found[QUOTE_TEXT];

    if (ng_addr_parse(value, &options->from) < 0)
        return ng_error_set(error, -EINVAL, "--from",
                            "found \"%s\", expected an IPv4 or IPv6 address", quote(value, found));
    return 0;
}

/* "90s", "5m", "1h". */
static int set_for(struct ng_options *options, const char *value, struct ng_error *error) {
    enum { LONGEST_S = 24 * 60 * 60 };
    char found[QUOTE_TEXT], *end;
    unsigned long number = strtoul(value, &end, 10);
    unsigned long unit = strcmp(end, "s") == 0   ? 1
                         : strcmp(end, "m") == 0 ? 60
                         : strcmp(end, "h") == 0 ? 60 * 60
                                                 : 0;

    if (*value < '1' || *value > '9' || !unit || number > LONGEST_S / unit)
        return ng_error_set(error, -EINVAL, "--for",
                            "found \"%s\", expected a time up to a day such as 90s, 5m or 1h",
                            quote(value, found));
    options->for_s = (unsigned)(number * unit);
    return 0;
}

/* -- the options --------------------------------------------------------------------- */

static const struct spec {
    enum ng_option bit;
    const char *name;
    const char *argument; /* what it is called in the help; NULL: takes none */
    const char *help;     /* lines separated by \n */
    int (*set)(struct ng_options *options, const char *value, struct ng_error *error);
    size_t field; /* without `set`: the place in struct ng_options, a text or a bool */
} specs[] = {
    {.bit = NG_OPTION_POLICY,
     .name = "policy",
     .argument = "FILE",
     .help = "judge by this policy alone (default: /etc/netguard/policy.yaml,\n"
             "then policy.d/*.yaml beside it, else the built-in policy)",
     .field = offsetof(struct ng_options, policy)},
    {.bit = NG_OPTION_DOCKER,
     .name = "docker",
     .argument = "ENDPOINT",
     .help = "a container engine: unix:///path or tcp://host:port; may be\n"
             "given several times (default: the local Docker socket, if\n"
             "there is one)",
     .set = set_docker},
    {.bit = NG_OPTION_SNAPSHOT,
     .name = "snapshot",
     .argument = "FILE",
     .help = "use a recorded world in place of this host; - is stdin",
     .field = offsetof(struct ng_options, snapshot)},
    {.bit = NG_OPTION_FROM,
     .name = "from",
     .argument = "ADDRESS",
     .help = "what a packet of this source meets (default: of every source)",
     .set = set_from},
    {.bit = NG_OPTION_INTERFACE,
     .name = "interface",
     .argument = "NAME",
     .help = "coming in there (default: by each that leads outside)",
     .field = offsetof(struct ng_options, interface)},
    {.bit = NG_OPTION_FOR,
     .name = "for",
     .argument = "TIME",
     .help = "out of force by itself after so long (90s, 5m, 1h), unless\n"
             "`netguard apply --confirm` follows; the kernel sees to it",
     .set = set_for},
    {.bit = NG_OPTION_CONFIRM,
     .name = "confirm",
     .help = "in force for good, after --for",
     .field = offsetof(struct ng_options, confirm)},
    {.bit = NG_OPTION_DRY_RUN,
     .name = "dry-run",
     .help = "tell what would be done, and change nothing",
     .field = offsetof(struct ng_options, dry_run)},
    {.bit = NG_OPTION_FORCE,
     .name = "force",
     .help = "also if it blocks the connection this command comes by",
     .field = offsetof(struct ng_options, force)},
    {.bit = NG_OPTION_FOREGROUND,
     .name = "foreground",
     .help = "every alert is a line on stderr, also where that goes to the\n"
             "journal, which has it anyhow; netguard never goes to the\n"
             "background by itself",
     .field = offsetof(struct ng_options, foreground)},
    {.bit = NG_OPTION_METRICS_FILE,
     .name = "metrics-file",
     .argument = "FILE",
     .help = "also write what status tells there, for Prometheus: a file\n"
             "*.prom for the textfile collector of node_exporter",
     .field = offsetof(struct ng_options, metrics_file)},
    {.bit = NG_OPTION_OUTPUT,
     .name = "output",
     .argument = "FILE",
     .help = "write there instead of to stdout; only its owner may read it",
     .field = offsetof(struct ng_options, output)},
    {.bit = NG_OPTION_FORMAT,
     .name = "format",
     .argument = "FORMAT",
     .help = "table (default) or json",
     .set = set_format},
    {.bit = NG_OPTION_FAIL_ON,
     .name = "fail-on",
     .argument = "SEVERITY",
     .help = "exit with 1 only for open findings from this severity on:\n"
             "any (default), info, low, medium, high or critical",
     .set = set_fail_on},
    {.bit = NG_OPTION_ALIVE,
     .name = "alive",
     .help = "exit with 0 as long as a daemon runs, whatever it sees: for\n"
             "health checks, as what fails one is ended",
     .field = offsetof(struct ng_options, alive)},
    {.bit = NG_OPTION_PROFILE,
     .name = "profile",
     .argument = "PROFILE",
     .help = "cis: judge by what the CIS Docker Benchmark says of networks;\n"
             "of the policy only its zones, exceptions, allow lists and\n"
             "rules about containers count",
     .set = set_profile},
    {.bit = NG_OPTION_COLOR,
     .name = "color",
     .argument = "WHEN",
     .help = "auto (default: on a terminal), always or never",
     .set = set_color},
    {.bit = NG_OPTION_VERBOSE,
     .name = "verbose",
     .help = "also every rule, source and id behind the result",
     .field = offsetof(struct ng_options, verbose)},
    {.bit = NG_OPTION_HELP,
     .name = "help",
     .help = "print this help",
     .field = offsetof(struct ng_options, help)},
    {.bit = NG_OPTION_VERSION,
     .name = "version",
     .help = "print the version",
     .field = offsetof(struct ng_options, version)},
};

enum {
    FIRST_VALUE = 256, /* getopt_long's values for long options, apart from any character */
};

static int set_option(const struct spec *spec, struct ng_options *options, const char *value,
                      struct ng_error *error) {
    void *field = (char *)options + spec->field;

    if (spec->set)
        return spec->set(options, value, error);
    if (!spec->argument)
        *(bool *)field = true;
    else if (*value)
        *(const char **)field = value;
    else
        return ng_error_set(error, -EINVAL, "", "--%s: its value is empty", spec->name);
    return 0;
}

/* -- the command line ---------------------------------------------------------------- */

static bool takes(const struct ng_command *command, const struct spec *spec) {
    return (command->options | NG_OPTION_HELP | NG_OPTION_VERSION) & spec->bit;
}

/* Puts the options that the command takes into `ret_long` (which ends zeroed); getopt_long
 * returns FIRST_VALUE and the place in `specs`. */
static void make_long_options(const struct ng_command *command,
                              struct option ret_long[static ARRAY_SIZE(specs) + 1]) {
    size_t count = 0;

    memset(ret_long, 0, (ARRAY_SIZE(specs) + 1) * sizeof(*ret_long));
    for (size_t i = 0; i < ARRAY_SIZE(specs); i++)
        if (takes(command, &specs[i]))
            ret_long[count++] = (struct option){
                .name = specs[i].name,
                .has_arg = specs[i].argument ? required_argument : no_argument,
                .val = FIRST_VALUE + (int)i,
            };
}

static int unknown_option(const struct ng_command *command, const char *given,
                          struct ng_error *error) {
    const char *names[ARRAY_SIZE(specs)];
    char name[QUOTE_TEXT], found[QUOTE_TEXT];
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_SIZE(specs); i++)
        if (takes(command, &specs[i]))
            names[count++] = specs[i].name;
    given += strspn(given, "-");
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(given, "="), given);
    const char *near = ng_near_name(name, names, count);
    return ng_error_set(error, -EINVAL, command->name, "unknown option \"--%s\"%s%s%s",
                        quote(name, found), near ? "; did you mean --" : "", near ? near : "",
                        near ? "?" : "");
}

/* `value` is what getopt_long returned for an option that is not right. */
static int wrong_option(const struct ng_command *command, int value, char *argv[],
                        struct ng_error *error) {
    if (optopt >= FIRST_VALUE)
        return ng_error_set(error, -EINVAL, command->name,
                            value == ':' ? "--%s needs a value" : "--%s takes no value",
                            specs[optopt - FIRST_VALUE].name);
    if (optopt)
        return ng_error_set(error, -EINVAL, command->name,
                            "there are no one-letter options, but \"-%c\" was found", optopt);
    return unknown_option(command, argv[optind - 1], error);
}

static bool takes_several(const struct ng_command *command) {
    return command->operand && strstr(command->operand, "...");
}

static int check_together(const struct ng_command *command, const struct ng_options *options,
                          struct ng_error *error) {
    char found[QUOTE_TEXT];

    if (options->snapshot && options->n_docker)
        return ng_error_set(error, -EINVAL, "--snapshot",
                            "a recorded world holds its engines already: leave out --docker");
    if (options->confirm && options->for_s)
        return ng_error_set(error, -EINVAL, "--confirm", "is for good: leave out --for");
    if (options->policy && options->n_operands)
        return ng_error_set(error, -EINVAL, "--policy",
                            "is one policy and \"%s\" another: leave one of them out",
                            quote(options->operand, found));
    bool reads_stdin = command->operand && *command->operand == '[' && !takes_several(command) &&
                       (!options->operand || strcmp(options->operand, "-") == 0);
    if (options->snapshot && strcmp(options->snapshot, "-") == 0 && reads_stdin)
        return ng_error_set(error, -EINVAL, "--snapshot",
                            "standard input cannot hold the recorded world and the lines, too: "
                            "name a FILE");
    return 0;
}

/* What stands on the command line beside options: at most one thing, for most commands. */
static int set_operand(const struct ng_command *command, int argc, char *argv[],
                       struct ng_options *options, struct ng_error *error) {
    char found[QUOTE_TEXT];

    if (takes_several(command) && optind < argc) {
        options->operands = argv + optind;
        options->n_operands = (size_t)(argc - optind);
        options->operand = argv[optind];
        optind = argc;
    } else if (command->operand && optind < argc) {
        options->operand = argv[optind++];
    }
    if (optind < argc)
        return ng_error_set(error, -EINVAL, command->name, "unexpected argument \"%s\"",
                            quote(argv[optind], found));
    if (command->operand && !options->operand && *command->operand != '[')
        return ng_error_set(error, -EINVAL, command->name, "needs a %s", command->operand);
    if (options->operand && !*options->operand)
        return ng_error_set(error, -EINVAL, command->name, "%s is empty", command->operand);
    return 0;
}

int ng_options_parse(const struct ng_command *command, int argc, char *argv[],
                     struct ng_options *ret_options, struct ng_error *error) {
    struct option long_options[ARRAY_SIZE(specs) + 1];
    struct ng_options options = {0};
    int value;

    make_long_options(command, long_options);
    opterr = 0;
    optind = 0; /* GNU: start over, so that this can be called more than once */
    while ((value = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        if (value < FIRST_VALUE)
            return wrong_option(command, value, argv, error);
        int r = set_option(&specs[value - FIRST_VALUE], &options, optarg, error);
        if (r < 0)
            return r;
    }
    int r = options.help || options.version ? 0 : set_operand(command, argc, argv, &options, error);
    if (r == 0)
        r = check_together(command, &options, error);
    if (r < 0)
        return r;
    *ret_options = options;
    return 0;
}

/* -- help ---------------------------------------------------------------------------- */

static void print_option(FILE *out, const struct spec *spec) {
    int column = fprintf(out, "  --%s%s%s", spec->name, spec->argument ? " " : "",
                         spec->argument ? spec->argument : "");

    for (const char *line = spec->help; *line;) {
        int len = (int)strcspn(line, "\n");

        fprintf(out, "%*s%.*s\n", column < HELP_COLUMN ? HELP_COLUMN - column : 1, "", len, line);
        line += len + (line[len] == '\n');
        column = 0;
    }
}

void ng_options_help(FILE *out, const struct ng_command *command) {
    fprintf(out, "Usage: netguard %s [OPTION]...%s%s\n\n%s\n\nOptions:\n", command->name,
            command->operand ? " " : "", command->operand ? command->operand : "", command->help);
    for (size_t i = 0; i < ARRAY_SIZE(specs); i++)
        if (takes(command, &specs[i]))
            print_option(out, &specs[i]);
}
