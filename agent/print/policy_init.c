/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/print/policy_init.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "agent/print/escape.h"

enum {
    SHOWN_MAX = 8, /* of what is only told of: a policy is read by people */
    COMMENT_BYTES = 512,
    REASON_BYTES = 600, /* within what a text of the policy may have */
    ITEM_BYTES = 40,    /* "\"65535->65535/sctp\"" */
    LINE_COLUMNS = 100,
};

struct printer {
    FILE *out;
    struct ng_arena *arena;
    bool failed; /* memory ran out */
};

/* -- words --------------------------------------------------------------------------- */

static void put_quoted(struct printer *printer, const char *text) {
    const char *quoted = ng_yaml_text(printer->arena, text);
    printer->failed |= !quoted;
    fputs(quoted ? quoted : "", printer->out);
}

/* One line, whatever the text holds. */
static void put_comment(struct printer *printer, const char *before, const char *text) {
    char escaped[COMMENT_BYTES];
    bool cut = ng_escape(escaped, sizeof(escaped), text) >= sizeof(escaped);
    fprintf(printer->out, "%s%s%s\n", before, escaped, cut ? " ..." : "");
}

static void put_comments(struct printer *printer, const char *before, struct ng_strings texts) {
    size_t shown = texts.count > SHOWN_MAX ? SHOWN_MAX : texts.count;
    for (size_t i = 0; i < shown; i++)
        put_comment(printer, before, texts.items[i]);
    if (shown < texts.count)
        fprintf(printer->out, "%s... and %zu more\n", before, texts.count - shown);
}

static void put_quoted_list(struct printer *printer, struct ng_strings texts) {
    fputc('[', printer->out);
    for (size_t i = 0; i < texts.count; i++) {
        fputs(i ? ", " : "", printer->out);
        put_quoted(printer, texts.items[i]);
    }
    fputc(']', printer->out);
}

static struct tm utc_of(int64_t time_s) {
    static const int64_t last_s = INT64_C(253402300799); /* of the year 9999 */
    time_t seconds = (time_t)(time_s < 0 ? 0 : time_s > last_s ? last_s : time_s);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    return utc;
}

static void put_date(struct printer *printer, int64_t time_s) {
    struct tm utc = utc_of(time_s);
    fprintf(printer->out, "%04d-%02d-%02d", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday);
}

static void put_clock(struct printer *printer, int64_t time_s) {
    struct tm utc = utc_of(time_s);
    fprintf(printer->out, "%02d:%02d:%02d UTC", utc.tm_hour, utc.tm_min, utc.tm_sec);
}

/* -- sections ------------------------------------------------------------------------ */

static void put_head(struct printer *printer, const struct ng_proposal *proposal) {
    FILE *out = printer->out;
    const struct ng_result *result = proposal->probed;
    put_comment(printer, "# A first policy for ", proposal->world->host);
    fputs("# Written by `netguard policy init` from what was there on ", out);
    put_date(printer, proposal->world->time_s);
    fputs(" at ", out);
    put_clock(printer, proposal->world->time_s);
    fputs(".\n#\n"
          "# What can be reached now is allowed, container by container; what comes later is told "
          "of.\n",
          out);
    if (proposal->n_exceptions) {
        fputs("# What hardly anybody means to be reachable is not allowed, but excepted: until ",
              out);
        put_date(printer, proposal->until_s);
        fputs(".\n# That is the list to work on first: see `exceptions` at the end.\n", out);
    }
    fputs("#\n"
          "#   netguard policy check FILE      is it written right?\n"
          "#   netguard check --policy FILE    what does it find?\n"
          "#\n"
          "# netguard reads it as /etc/netguard/policy.yaml.\n",
          out);
    if (!result->complete) {
        fputs("#\n# NOT EVERYTHING WAS SEEN, so that something may be missing here:\n", out);
        for (size_t i = 0; i < result->n_gaps; i++) {
            fputs("#   ", out);
            char escaped[COMMENT_BYTES];
            ng_escape(escaped, sizeof(escaped), result->gaps[i].source);
            fputs(escaped, out);
            put_comment(printer, ": ", result->gaps[i].reason);
        }
    }
    fputs("\nversion: 1\n"
          "\n"
          "# monitor: tell, and block nothing. To block, look at each rule below that is to do so "
          "and\n"
          "# give it `action: block`; see what that comes to with `netguard plan`; then say "
          "enforce here.\n"
          "mode: monitor\n",
          out);
}

static void put_zones(struct printer *printer, const struct ng_proposal *proposal) {
    FILE *out = printer->out;
    size_t n = 0;
    fputs("\n# Where packets come from, by the interface that they come in on.\n", out);
    for (int is_private = 1; is_private >= 0; is_private--)
        for (size_t i = 0; i < proposal->n_links; i++) {
            const struct ng_proposed_link *link = &proposal->links[i];
            char escaped[64];
            if (link->is_private != is_private)
                continue;
            ng_escape(escaped, sizeof(escaped), link->name);
            fprintf(out, "#   %-7s  %s: ", is_private ? NG_PROPOSED_ZONE : NG_ZONE_PUBLIC, escaped);
            put_comment(printer, "", link->why);
        }
    if (!proposal->has_private) {
        fputs("# So all of it is `public`. A network that is trusted more is a zone of its own:\n"
              "# zones:\n"
              "#   - {id: office, match: [{interfaces: [eth0], sources: [198.51.100.0/24]}]}\n",
              out);
        return;
    }
    fputs("zones:\n"
          "  - id: " NG_PROPOSED_ZONE "\n"
          "    match:\n"
          "      - interfaces: [",
          out);
    for (size_t i = 0; i < proposal->n_links; i++)
        if (proposal->links[i].is_private) {
            fputs(n++ ? ", " : "", out);
            put_quoted(printer, proposal->links[i].name);
        }
    fputs("]\n", out);
}

static void put_who(struct printer *printer, const struct ng_proposed_who *who) {
    static const char *const keys[] = {
        [NG_WHO_CONTAINER] = "name", [NG_WHO_SERVICE] = "service", [NG_WHO_HOST] = "host"};
    FILE *out = printer->out;
    fprintf(out, "    to: {%s: ", keys[who->kind]);
    if (who->kind == NG_WHO_HOST)
        fputs(who->glob ? "{process: " : "{", out);
    if (who->glob)
        put_quoted(printer, who->glob);
    fputs(who->kind == NG_WHO_HOST ? "}}" : "}", out);
    if (who->glob && strpbrk(who->glob, "*?"))
        fputs(" # `?` and `*` match any character: the name cannot be written as it is", out);
    fputc('\n', out);
}

static void port_text(char text[static ITEM_BYTES], const struct ng_proposed_port *port,
                      uint16_t last) {
    const char *proto = ng_proto_text(port->proto);
    if (port->host != port->container)
        snprintf(text, ITEM_BYTES, "\"%u->%u/%s\"", port->host, port->container, proto);
    else if (last != port->host)
        snprintf(text, ITEM_BYTES, "%u-%u/%s", port->host, last, proto);
    else
        snprintf(text, ITEM_BYTES, "%u/%s", port->host, proto);
}

/* Is `next` the same as `port` at the port after `last`? */
static bool goes_on(const struct ng_proposed_port *port, const struct ng_proposed_port *next,
                    uint16_t last) {
    return port->host == port->container && next->host == next->container &&
           next->proto == port->proto && next->host == last + 1;
}

static void put_ports(struct printer *printer, const struct ng_proposed_rule *rule) {
    size_t column = (size_t)fprintf(printer->out, "    allow: [");
    for (size_t i = 0; i < rule->n_ports; i++) {
        const struct ng_proposed_port *port = &rule->ports[i];
        uint16_t last = port->host;
        char text[ITEM_BYTES];
        bool first = i == 0;
        while (i + 1 < rule->n_ports && goes_on(port, &rule->ports[i + 1], last)) {
            i++;
            last++;
        }
        port_text(text, port, last);
        if (!first && column + strlen(text) + 3 > LINE_COLUMNS)
            column = (size_t)fprintf(printer->out, ",\n      %s", text) - 2;
        else
            column += (size_t)fprintf(printer->out, "%s%s", first ? "" : ", ", text);
    }
    fputs("]\n", printer->out);
}

static void put_rules(struct printer *printer, const struct ng_proposal *proposal) {
    FILE *out = printer->out;
    fputs(
        "\n# The first rule that matches decides. Rules that say nothing else are about `public`.\n"
        "rules:\n"
        "  # What should not be reachable, whoever serves it; first, so that nothing below takes "
        "it\n"
        "  # back. `action: block` here closes it once the mode is enforce.\n",
        out);
    for (size_t i = 0; i < proposal->n_denied; i++) {
        const struct ng_rule_policy *rule = &proposal->denied[i];
        fprintf(out, "  - id: %s\n    deny: [\"%s\"]\n    severity: %s\n    reason: ", rule->id,
                rule->ports[0].group, ng_severity_text(rule->severity));
        put_quoted(printer, rule->reason);
        fputc('\n', out);
    }
    if (proposal->n_rules)
        fputs("\n  # What can be reached now: 80/tcp is port 80 of host and container, "
              "\"8080->80/tcp\" a\n"
              "  # pair of both. Take out what should not be, and it will be told of.\n",
              out);
    for (size_t i = 0; i < proposal->n_rules; i++) {
        const struct ng_proposed_rule *rule = &proposal->rules[i];
        if (rule->own_address)
            fputs("  # Not published alone, but open at the container's own address to whoever "
                  "routes to it.\n",
                  out);
        fputs("  - id: ", out);
        put_quoted(printer, rule->id);
        fputc('\n', out);
        put_ports(printer, rule);
        fputs("    from: [", out);
        for (size_t k = 0; k < rule->from.count; k++)
            fprintf(out, "%s%s", k ? ", " : "", rule->from.items[k]);
        fputs("]\n", out);
        put_who(printer, &rule->who);
    }
    fputs("\n# A port of a container that no rule names is told of, where public can reach it.\n"
          "default: alert\n",
          out);
}

static void put_usages(struct printer *printer, const struct ng_proposal *proposal) {
    FILE *out = printer->out;
    bool waits = false;
    fputs("\n# How the engine may be used: all that nothing on this host goes against.\nusage:\n",
          out);
    for (size_t i = 0; i < proposal->n_usages; i++) {
        const struct ng_proposed_usage *usage = &proposal->usages[i];
        if (usage->finds.count) {
            waits = true;
            continue;
        }
        fprintf(out, "  %s: {", usage->key);
        if (usage->zones)
            fprintf(out, "zones: [%s], ", usage->zones);
        fputs("action: alert}\n", out);
    }
    if (waits)
        fputs("  # Worth asking as well, once what each would find now is mended or allowed:\n",
              out);
    for (size_t i = 0; i < proposal->n_usages; i++)
        if (proposal->usages[i].finds.count) {
            fprintf(out, "  # %s: {action: alert}\n", proposal->usages[i].key);
            put_comments(printer, "  #     ", proposal->usages[i].finds);
        }
}

static void put_apart(struct printer *printer, const struct ng_proposal *proposal) {
    FILE *out = printer->out;
    const char *mark = proposal->apart_finds.count ? "# " : "";
    if (proposal->apart.count < 2)
        return;
    fputs(
        "\n# Networks that have no container in common: none should come to have one, nor should\n"
        "# containers of one get to those of another.\n",
        out);
    if (proposal->joined.count) {
        fputs("# Left out, for some container is on another as well:\n", out);
        put_comments(printer, "#     ", proposal->joined);
    }
    if (*mark) {
        fputs("# It is not in force, for this is what it would find now:\n", out);
        put_comments(printer, "#     ", proposal->apart_finds);
    }
    fprintf(out, "%ssegregation:\n%s  - id: " NG_PROPOSED_APART "\n%s    apart: ", mark, mark,
            mark);
    put_quoted_list(printer, proposal->apart);
    fprintf(out, "\n%s    action: alert\n", mark);
}

static const char *reason_text(struct printer *printer, const struct ng_proposed_exception *of) {
    char escaped[COMMENT_BYTES];
    const char *text = "written by netguard policy init; risky:";
    size_t i = 0;
    for (; text && i < of->risks.count && strlen(text) < REASON_BYTES / 2; i++) {
        ng_escape(escaped, sizeof(escaped) / 2, of->risks.items[i]);
        text = ng_arena_printf(printer->arena, "%s%s %s", text, i ? "," : "", escaped);
    }
    if (text && i < of->risks.count)
        text = ng_arena_printf(printer->arena, "%s and %zu more", text, of->risks.count - i);
    printer->failed |= !text;
    return text ? text : "";
}

static void put_exceptions(struct printer *printer, const struct ng_proposal *proposal) {
    FILE *out = printer->out;
    if (!proposal->n_exceptions)
        return;
    fputs("\n# RISKY, and open now. Close it, or say here why it has to stay and until when: after "
          "that\n"
          "# day it is told of.\n"
          "exceptions:\n",
          out);
    for (size_t i = 0; i < proposal->n_exceptions; i++) {
        const struct ng_proposed_exception *exception = &proposal->exceptions[i];
        fprintf(out, "  - rule: %s\n", exception->rule);
        put_who(printer, &exception->who);
        fputs("    until: ", out);
        put_date(printer, proposal->until_s);
        fputs("\n    reason: ", out);
        put_quoted(printer, reason_text(printer, exception));
        fputc('\n', out);
    }
}

int ng_print_proposal(FILE *out, const struct ng_proposal *proposal) {
    _cleanup_(ng_arena_freep) struct ng_arena *arena = ng_arena_new();
    struct printer printer = {.out = out, .arena = arena};
    if (!arena)
        return -ENOMEM;
    put_head(&printer, proposal);
    put_zones(&printer, proposal);
    put_rules(&printer, proposal);
    put_usages(&printer, proposal);
    put_apart(&printer, proposal);
    put_exceptions(&printer, proposal);
    return printer.failed ? -ENOMEM : 0;
}
