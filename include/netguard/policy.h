/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_POLICY_H
#define NETGUARD_POLICY_H

/* The policy: what an operator allows to be reachable, from where. Parsed from YAML, then
 * immutable; lives in one arena. The language is documented in packaging/man/netguard-policy.md
 * and policy/policy.schema.json. */

#include "netguard/world.h"

enum ng_severity { /* ascending */
                   NG_INFO,
                   NG_LOW,
                   NG_MEDIUM,
                   NG_HIGH,
                   NG_CRITICAL,
};

enum ng_action {
    NG_ALLOW,
    NG_ALERT,
    NG_BLOCK,
};

enum ng_mode {
    NG_MONITOR,
    NG_ENFORCE,
};

/* "info" … "critical"; the parser returns -EINVAL for any other text. */
const char *ng_severity_text(enum ng_severity severity);
int ng_severity_parse(const char *text, enum ng_severity *ret_severity) _must_check_;
const char *ng_action_text(enum ng_action action);

/* Shell-style globs: `*` any run of characters, `?` one; no classes, no escapes. */
bool ng_glob_match(const char *glob, const char *text);

/* The known name that `text` is probably a slip of the pen for, or NULL. */
const char *ng_near_name(const char *text, const char *const *names, size_t count);

struct ng_strings {
    const char *const *items;
    size_t count;
};

/* Where something stands in the policy, for messages. */
struct ng_place {
    const char *source;    /* name of the file; NULL: it is not written, but follows */
    unsigned line, column; /* from 1 on */
};

bool ng_strings_contain(struct ng_strings strings, const char *text);

/* One alternative of a zone: every key that is given must match. */
struct ng_zone_match {
    struct ng_strings interfaces;         /* globs; empty: any interface */
    bool has_sources;                     /* false: any source */
    struct ng_addrset sources4, sources6; /* of `sources`, split by family */
};

struct ng_zone {
    const char *id;
    const struct ng_zone_match *matches; /* alternatives: any */
    size_t n_matches;
    struct ng_place place;
};

/* The names of the built-in zones; `host` and `containers` are tested before the policy's
 * own zones, `public` is what nothing else matched. */
#define NG_ZONE_HOST       "host"
#define NG_ZONE_CONTAINERS "containers"
#define NG_ZONE_PUBLIC     "public"

/* A resolved port item. Groups (@databases, cache) are already expanded. */
struct ng_port_match {
    bool any;          /* @any: every port of every protocol */
    bool pair;         /* "8443->443": host port lo..hi AND container port == to */
    uint8_t proto;     /* enum ng_proto; 0: every protocol */
    uint16_t lo, hi;   /* inclusive */
    uint16_t to;       /* only with pair */
    const char *group; /* "@databases" when it came from a group, else NULL */
};

/* Which containers, or which of the machine's own services. Every key that is given must
 * match; a key with several patterns matches if any does. */
struct ng_selector {
    bool host;                 /* {host: …}: the machine's own services */
    struct ng_strings process; /* with host: globs on the process name; empty: all */
    struct ng_strings name, image, service, stack, network; /* globs; empty: not asked */
    const struct ng_label *labels;                          /* value is a glob */
    size_t n_labels;
};

/* What the engine's own ports are for. */
enum ng_usage {
    NG_USAGE_NONE,
    NG_USAGE_DOCKER_API,
    NG_USAGE_CLUSTER, /* what the nodes of a swarm say to each other */
    NG_USAGE_DIRECT,  /* no port of the engine: containers at their own addresses */
};

struct ng_rule_policy {
    const char *id;
    bool allow; /* else deny */
    /* Of `usage:`: a deny of the ports that the engine itself listens on for that, whatever their
     * numbers; its `ports` are the usual ones, and `to` is empty. Such rules stand before all
     * others. */
    enum ng_usage usage;
    const struct ng_port_match *ports;
    size_t n_ports;
    struct ng_strings from;       /* zone ids, never empty */
    const struct ng_selector *to; /* any of; n_to == 0: any container (and see ng_judge) */
    size_t n_to;
    enum ng_action action; /* of a deny: NG_ALERT or NG_BLOCK */
    enum ng_severity severity;
    const char *reason; /* NULL: none */
    struct ng_place place;
};

/* Ways to use the engine that `usage:` has an eye on and that are no matter of a port; the others
 * are rules (enum ng_usage). A finding of one names "usage.host_network" … as its rule. */
enum ng_habit {
    NG_HABIT_HOST_NETWORK,        /* containers without a network of their own */
    NG_HABIT_LINKS,               /* --link */
    NG_HABIT_DEFAULT_BRIDGE,      /* containers on the engine's default bridge */
    NG_HABIT_CAPABILITIES,        /* what lets a container undo a network policy */
    NG_HABIT_UNENCRYPTED_OVERLAY, /* overlay networks whose data path is not encrypted */
    NG_HABIT_INSECURE_REGISTRY,   /* registries that the engine talks to without TLS */
    NG_HABITS,
};

const char *ng_habit_rule(enum ng_habit habit); /* "usage.host_network" … */

struct ng_habit_policy {
    bool asked; /* false: nobody wants to know, and the rest is nothing */
    enum ng_severity severity;
    const struct ng_selector *allow; /* containers that may: any of; n_allow == 0: none */
    size_t n_allow;
    struct ng_strings allow_names; /* globs, of what is no container: networks, registries */
    struct ng_place place;         /* where it is said first */
};

/* Networks that must stay apart. */
struct ng_segregation {
    const char *id; /* no rule has the same */
    /* Globs on networks' names. What matches one is apart from what matches another; where there
     * is only one, each network that it matches is apart from the others. A network belongs to the
     * first that it matches. Empty: not asked. */
    struct ng_strings apart;
    const struct ng_selector *gateways; /* containers that may be on both sides: any of */
    size_t n_gateways;
    struct ng_strings unpublished; /* globs on networks whose containers publish no port */
    enum ng_severity severity;
    const char *reason; /* NULL: none */
    struct ng_place place;
};

struct ng_exception {
    const char *rule; /* id of a rule or segregation, "usage.…", or "default" */
    const struct ng_selector *to;
    size_t n_to;
    int64_t until_s; /* first second that is no longer covered (until is inclusive, UTC); INT64_MAX:
                        none */
    const char *reason;
    struct ng_place place;
};

enum ng_webhook_format {
    NG_WEBHOOK_JSON,
    NG_WEBHOOK_ALERTMANAGER, /* API v2 */
    NG_WEBHOOK_SLACK,
};

/* Whom to tell, and of what. Where no way out is named it is the journal. */
struct ng_alerts {
    bool journal;
    const char *syslog_address; /* "local", "udp://HOST[:PORT]" or "tcp://…"; NULL: no syslog */
    uint8_t syslog_facility;    /* number of RFC 5424, table 1 */
    const char *webhook_url;    /* NULL: none */
    const char *webhook_token_file; /* whose first line authorizes us; NULL: none */
    enum ng_webhook_format webhook_format;
    enum ng_severity min_severity;
    int64_t repeat_s; /* what is still open is told of again; 0: never */
};

struct ng_policy {
    struct ng_arena *arena;
    bool built_in; /* no policy file: the built-in one */
    enum ng_mode mode;
    enum ng_action default_action; /* what no rule names and public can reach */
    enum ng_severity default_severity;
    const struct ng_zone *zones; /* the policy's own, in order; without the built-in ones */
    size_t n_zones;
    const struct ng_rule_policy *rules;
    size_t n_rules;
    struct ng_habit_policy habits[NG_HABITS];
    const struct ng_segregation *segregations;
    size_t n_segregations;
    const struct ng_exception *exceptions;
    size_t n_exceptions;
    struct ng_alerts alerts;
    bool cis; /* judged by the profile `cis` (catalog.h) and by nothing else but its exceptions */
};

/* One policy file as text. `name` is what messages call it. */
struct ng_policy_text {
    const char *name;
    const char *bytes;
    size_t len_bytes;
};

/* Parses the files in order (lists append, later scalars win) and validates the whole.
 * -EINVAL with file:line:column in `error`; -E2BIG when a bound is exceeded; -ENOMEM.
 * No file at all (count == 0) gives the built-in policy. */
int ng_policy_parse(const struct ng_policy_text *texts, size_t count, struct ng_policy **ret_policy,
                    struct ng_error *error) _must_check_;

/* The same, but goes on after a fault as far as it makes sense: all that is wrong, in the order of
 * the files and of places in them, each as ng_policy_parse() would tell it alone. With faults
 * `*ret_policy` is NULL, and the return value is that of the first. They live in `arena`. */
int ng_policy_check(const struct ng_policy_text *texts, size_t count, struct ng_arena *arena,
                    struct ng_policy **ret_policy, const struct ng_error **ret_faults,
                    size_t *ret_n_faults) _must_check_;

/* What is no fault and hardly meant: rules that can never match, or that an earlier one covers;
 * exceptions that have ended; names and networks that nothing bears. `world` NULL: without the
 * last. Each with its place, in their order; in `arena`. 0 or -ENOMEM. */
int ng_policy_lint(const struct ng_policy *policy, const struct ng_world *world, int64_t now_s,
                   struct ng_arena *arena, const struct ng_error **ret_warnings,
                   size_t *ret_n_warnings) _must_check_;

void ng_policy_free(struct ng_policy *policy);
void ng_policy_freep(struct ng_policy **policy);

/* `container` NULL and `process` the name (or NULL) for a service of the machine itself.
 * True when any of the selectors matches. */
bool ng_selector_match(const struct ng_selector *any_of, size_t count,
                       const struct ng_container *container, const char *process);

#endif
