/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/language/alerts.h"
#include "policy/language/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS  "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

enum {
    MAX_HOST_BYTES = 253, /* of a name in the DNS */
    MAX_REPEAT_S = 366 * 24 * 3600,
};

/* -- where to: HOST[:PORT] ----------------------------------------------------------------- */

static bool is_port(const char *text) {
    size_t len = strspn(text, DIGITS);
    if (len == 0 || len > 5 || text[len])
        return false;
    unsigned long port = strtoul(text, NULL, 10);
    return port >= 1 && port <= UINT16_MAX;
}

/* What is digits and dots alone is an address or a slip of the pen, and no name. */
static bool is_host(const char *text) {
    struct ng_addr addr;
    size_t len = strlen(text);
    if (strspn(text, DIGITS ".") == len)
        return ng_addr_parse(text, &addr) == 0;
    return len <= MAX_HOST_BYTES && strspn(text, LETTERS DIGITS ".-_") == len && text[0] != '-' &&
           text[0] != '.';
}

/* A name, an IPv4 address or an IPv6 address in brackets; a port may follow. */
static bool is_host_port(const char *text, size_t len) {
    struct ng_addr addr;
    char host[MAX_HOST_BYTES + sizeof("[]:65535")];
    if (len >= sizeof(host))
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    char *end = strchr(host, ']'), *colon = strchr(end ? end : host, ':');
    if (end && end + 1 != colon && end[1])
        return false;
    if (colon)
        *colon = '\0';
    if (colon && !is_port(colon + 1))
        return false;
    if (!end)
        return is_host(host);
    *end = '\0';
    return host[0] == '[' && ng_addr_parse(host + 1, &addr) == 0 && addr.family == NG_IP6;
}

/* What stands behind `scheme`; NULL: it is another one. */
static const char *behind(const char *text, const char *scheme) {
    size_t len = strlen(scheme);
    return strncmp(text, scheme, len) == 0 ? text + len : NULL;
}

/* -- syslog -------------------------------------------------------------------------------- */

/* RFC 5424, table 1, without those that no program has for its own: what the kernel says, and
 * four that have no name. */
static const char *const facility_words[] = {
    "user",   "mail",   "daemon",   "auth",   "syslog", "lpr",    "news",
    "uucp",   "cron",   "authpriv", "ftp",    "local0", "local1", "local2",
    "local3", "local4", "local5",   "local6", "local7",
};

enum {
    FACILITY_USER = 1,
    FACILITY_DAEMON = 3,
    FACILITY_FTP = 11,
    FACILITY_LOCAL0 = 16,
};

static int read_facility(const struct ng_node *node, uint8_t *ret_facility,
                         struct ng_faults *faults) {
    size_t i;
    int r =
        ng_read_word(node, "'facility'", facility_words, ARRAY_SIZE(facility_words), &i, faults);
    if (r < 0)
        return r;
    size_t number = FACILITY_USER + i;
    *ret_facility =
        (uint8_t)(number <= FACILITY_FTP ? number : number - FACILITY_FTP - 1 + FACILITY_LOCAL0);
    return 0;
}

static int read_address(struct ng_arena *arena, const struct ng_node *node,
                        const char **ret_address, struct ng_faults *faults) {
    const char *text = NULL;
    int r = ng_read_text(arena, node, "'address'", &text, faults);
    if (r < 0)
        return r;
    const char *udp = behind(text, "udp://"), *tcp = behind(text, "tcp://"), *at = udp ? udp : tcp;
    if (strcmp(text, "local") != 0 && !(at && is_host_port(at, strlen(at))))
        return ng_node_fault(faults, node, -EINVAL,
                             "expected local, udp://HOST[:PORT] or tcp://HOST[:PORT] for "
                             "'address', an IPv6 address in brackets");
    *ret_address = text;
    return 0;
}

static void add_syslog(struct ng_alerts_list *list, const struct ng_node *node,
                       struct ng_faults *faults) {
    enum { ADDRESS, FACILITY, N_KEYS };
    static const char *const keys[N_KEYS] = {[ADDRESS] = "address", [FACILITY] = "facility"};
    const struct ng_node *values[N_KEYS];
    struct ng_alerts *alerts = &list->alerts;

    ng_read_mapping(node, "'syslog'", keys, N_KEYS, values, faults);
    if (!alerts->syslog_address) {
        alerts->syslog_address = "local";
        alerts->syslog_facility = FACILITY_DAEMON;
    }
    if (values[ADDRESS])
        read_address(list->arena, values[ADDRESS], &alerts->syslog_address, faults);
    if (values[FACILITY])
        read_facility(values[FACILITY], &alerts->syslog_facility, faults);
}

/* -- webhook ------------------------------------------------------------------------------- */

/* Whatever is wrong with it, a URL may hold a secret: it is never quoted. */
static int read_url(struct ng_arena *arena, const struct ng_node *node, const char **ret_url,
                    struct ng_faults *faults) {
    static const char characters[] = LETTERS DIGITS "-._~:/?#[]@!$&'()*+,;=%";
    const char *url = NULL;
    if (node->type == NG_NODE_TEXT && node->text[strspn(node->text, characters)])
        return ng_node_fault(faults, node, -EINVAL,
                             "'url' holds a character that no URL has; write it as %%XX");
    int r = ng_read_text(arena, node, "'url'", &url, faults);
    if (r < 0)
        return r;
    const char *https = behind(url, "https://"), *host = https ? https : behind(url, "http://");
    if (!host)
        return ng_node_fault(faults, node, -EINVAL,
                             "expected a URL that begins with https:// or http:// for 'url'");
    size_t len = strcspn(host, "/?#");
    if (memchr(host, '@', len))
        return ng_node_fault(faults, node, -EINVAL,
                             "'url' holds a name or a password; put what authorizes netguard into "
                             "a file and name that in 'token_file'");
    if (!is_host_port(host, len))
        return ng_node_fault(faults, node, -EINVAL,
                             "expected HOST or HOST:PORT behind the // of 'url', an IPv6 address "
                             "in brackets");
    *ret_url = url;
    return 0;
}

static int read_token_file(struct ng_arena *arena, const struct ng_node *node,
                           const char **ret_path, struct ng_faults *faults) {
    char found[NG_FOUND_TEXT];
    const char *path = NULL;
    int r = ng_read_text(arena, node, "'token_file'", &path, faults);
    if (r < 0)
        return r;
    if (path[0] != '/')
        return ng_node_fault(faults, node, -EINVAL,
                             "expected a path that begins with / for 'token_file', found %s",
                             ng_node_found(node, found));
    *ret_path = path;
    return 0;
}

static int read_format(const struct ng_node *node, enum ng_webhook_format *ret_format,
                       struct ng_faults *faults) {
    static const char *const words[] = {
        [NG_WEBHOOK_JSON] = "json",
        [NG_WEBHOOK_ALERTMANAGER] = "alertmanager",
        [NG_WEBHOOK_SLACK] = "slack",
    };
    size_t i;
    int r = ng_read_word(node, "'format'", words, ARRAY_SIZE(words), &i, faults);
    if (r == 0)
        *ret_format = (enum ng_webhook_format)i;
    return r;
}

static void add_webhook(struct ng_alerts_list *list, const struct ng_node *node,
                        struct ng_faults *faults) {
    enum { URL, TOKEN_FILE, FORMAT, N_KEYS };
    static const char *const keys[N_KEYS] = {
        [URL] = "url", [TOKEN_FILE] = "token_file", [FORMAT] = "format"};
    const struct ng_node *values[N_KEYS];
    struct ng_alerts *alerts = &list->alerts;

    int r = ng_read_mapping(node, "'webhook'", keys, N_KEYS, values, faults);
    if (!list->webhook)
        list->webhook = node;
    list->url_said = list->url_said || r < 0 || values[URL];
    if (values[URL])
        read_url(list->arena, values[URL], &alerts->webhook_url, faults);
    if (values[TOKEN_FILE])
        read_token_file(list->arena, values[TOKEN_FILE], &alerts->webhook_token_file, faults);
    if (values[FORMAT])
        read_format(values[FORMAT], &alerts->webhook_format, faults);
}

/* -- the section --------------------------------------------------------------------------- */

static void add_journal(struct ng_alerts_list *list, const struct ng_node *node,
                        struct ng_faults *faults) {
    char found[NG_FOUND_TEXT];
    if (node->type != NG_NODE_MAPPING || node->count)
        ng_node_fault(faults, node, -EINVAL,
                      "expected {} for 'journal', which has no keys, found %s",
                      ng_node_found(node, found));
    list->alerts.journal = true;
}

static int read_min_severity(const struct ng_node *node, enum ng_severity *ret_severity,
                             struct ng_faults *faults) {
    size_t i;
    int r = ng_read_word(node, "'min_severity'", ng_severity_words, NG_SEVERITY_WORDS, &i, faults);
    if (r == 0)
        *ret_severity = (enum ng_severity)i;
    return r;
}

/* "90s", "30m", "1h", "7d". */
static int read_repeat(const struct ng_node *node, int64_t *ret_s, struct ng_faults *faults) {
    static const char units[] = "smhd";
    static const int64_t seconds[] = {1, 60, 3600, 24 * 3600};
    char found[NG_FOUND_TEXT];
    const char *text = node->type == NG_NODE_TEXT ? node->text : "";
    size_t len = strspn(text, DIGITS);
    const char *unit = len && text[0] != '0' && text[len] ? strchr(units, text[len]) : NULL;
    if (!unit || text[len + 1])
        return ng_node_fault(faults, node, -EINVAL,
                             "expected a time such as 90s, 30m, 1h or 7d for 'repeat', found %s",
                             ng_node_found(node, found));
    int64_t count = len < 10 ? (int64_t)strtoul(text, NULL, 10) : MAX_REPEAT_S + 1;
    if (count > MAX_REPEAT_S / seconds[unit - units])
        return ng_node_fault(faults, node, -EINVAL, "expected at most 366d for 'repeat', found %s",
                             ng_node_found(node, found));
    *ret_s = count * seconds[unit - units];
    return 0;
}

void ng_alerts_add(struct ng_alerts_list *list, const struct ng_node *node,
                   struct ng_faults *faults) {
    enum { JOURNAL, SYSLOG, WEBHOOK, MIN_SEVERITY, REPEAT, N_KEYS };
    static const char *const keys[N_KEYS] = {
        [JOURNAL] = "journal",           [SYSLOG] = "syslog", [WEBHOOK] = "webhook",
        [MIN_SEVERITY] = "min_severity", [REPEAT] = "repeat",
    };
    const struct ng_node *values[N_KEYS];

    ng_read_mapping(node, "'alerts'", keys, N_KEYS, values, faults);
    if (values[JOURNAL])
        add_journal(list, values[JOURNAL], faults);
    if (values[SYSLOG])
        add_syslog(list, values[SYSLOG], faults);
    if (values[WEBHOOK])
        add_webhook(list, values[WEBHOOK], faults);
    if (values[MIN_SEVERITY])
        read_min_severity(values[MIN_SEVERITY], &list->alerts.min_severity, faults);
    if (values[REPEAT])
        read_repeat(values[REPEAT], &list->alerts.repeat_s, faults);
}

struct ng_alerts ng_alerts_finish(const struct ng_alerts_list *list, struct ng_faults *faults) {
    struct ng_alerts alerts = list->alerts;
    if (list->webhook && !list->url_said)
        ng_node_fault(faults, list->webhook, -EINVAL,
                      "'webhook' needs a 'url', such as https://alerts.example/hook");
    if (!alerts.syslog_address && !alerts.webhook_url)
        alerts.journal = true;
    return alerts;
}
