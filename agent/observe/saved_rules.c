/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/observe/saved_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/observe/proc.h"
#include "netguard/guard.h"

/* Debian, Ubuntu and Arch; Fedora and RHEL; Alpine; Gentoo. */
static const char *const boot_files[] = {"/etc/nftables.conf", "/etc/sysconfig/nftables.conf",
                                         "/etc/nftables.nft", "/var/lib/nftables/rules-save", NULL};

/* Where nft looks for a file that is included by a relative name. */
#define INCLUDE_DIRECTORY "/etc/"

enum {
    DEPTH_MAX = 16, /* of files that include files: nft goes no further */
    /* What is looked into in all: more than any ruleset, and not more than may be read each time
     * that something on this host changes. A file counts for no less than SMALLEST. */
    BYTES_MAX = 32 << 20,
    SMALLEST = 64 << 10,
};

struct looking {
    struct ng_arena *arena;
    struct ng_warning *warnings;
    size_t n_warnings, warnings_capacity;
    const char **seen; /* paths */
    size_t n_seen, seen_capacity;
    size_t left_bytes;
};

static int look_into(struct looking *looking, const char *path, unsigned depth);

static int warn(struct looking *looking, const char *path, const char *text) {
    struct ng_warning *warning = NG_ARENA_APPEND(looking->arena, looking->warnings,
                                                 looking->n_warnings, looking->warnings_capacity);
    if (!warning || !text)
        return -ENOMEM;
    warning->source = ng_proc_utf8(looking->arena, path, strlen(path));
    warning->text = ng_proc_utf8(looking->arena, text, strlen(text)); /* has the path in it */
    return warning->source && warning->text ? 0 : -ENOMEM;
}

/* -- the text, as far as nft's grammar matters here ---------------------------------------- */

enum token_kind { END, NEXT_STATEMENT, OPEN, CLOSE, WORD, STRING };

struct token {
    enum token_kind kind;
    const char *text; /* of a word, and of a string without its quotes */
    size_t len_bytes;
};

struct scanner {
    const char *start, *at, *end;
    unsigned line;
};

/* Words, and whatever ends one of them or has a place between them. */
static bool ends_word(char c) {
    return strchr(" \t\r,\n;{}\"#", c) != NULL; /* a NUL, too */
}

static void skip_blanks(struct scanner *scanner) {
    for (; scanner->at < scanner->end; scanner->at++) {
        char c = *scanner->at;
        bool goes_on = c == '\\' && scanner->end - scanner->at > 1 && scanner->at[1] == '\n';
        if (c == '#') {
            const char *newline = memchr(scanner->at, '\n', (size_t)(scanner->end - scanner->at));
            scanner->at = newline ? newline : scanner->end;
            return;
        }
        if (goes_on) {
            scanner->at++;
            scanner->line++;
        } else if (!strchr(" \t\r,", c)) {
            return;
        }
    }
}

static struct token next_token(struct scanner *scanner) {
    skip_blanks(scanner);
    const char *text = scanner->at;
    if (text == scanner->end)
        return (struct token){.kind = END};
    scanner->at++;
    switch (*text) {
    case '\n':
        scanner->line++;
        return (struct token){.kind = NEXT_STATEMENT};
    case ';':
        return (struct token){.kind = NEXT_STATEMENT};
    case '{':
        return (struct token){.kind = OPEN};
    case '}':
        return (struct token){.kind = CLOSE};
    case '"':
        text++;
        while (scanner->at < scanner->end && *scanner->at != '"')
            scanner->line += *scanner->at++ == '\n';
        struct token string = {STRING, text, (size_t)(scanner->at - text)};
        scanner->at += scanner->at < scanner->end;
        return string;
    default:
        while (scanner->at < scanner->end && !ends_word(*scanner->at))
            scanner->at++;
        return (struct token){WORD, text, (size_t)(scanner->at - text)};
    }
}

/* What stands between two of ; { } and the ends of lines. */
struct statement {
    struct token tokens[4]; /* the first of them; what is not there is an END */
    size_t n_tokens;
    unsigned line;
    bool at_margin;
    enum token_kind end;
};

static struct statement next_statement(struct scanner *scanner) {
    struct statement statement = {0};
    skip_blanks(scanner);
    statement.line = scanner->line;
    statement.at_margin = scanner->at == scanner->start || scanner->at[-1] == '\n';
    for (;;) {
        struct token token = next_token(scanner);
        if (token.kind != WORD && token.kind != STRING) {
            statement.end = token.kind;
            return statement;
        }
        if (statement.n_tokens < ARRAY_SIZE(statement.tokens))
            statement.tokens[statement.n_tokens] = token;
        statement.n_tokens++;
    }
}

static bool is(struct token token, enum token_kind kind, const char *text) {
    return token.kind == kind && token.len_bytes == strlen(text) &&
           memcmp(token.text, text, token.len_bytes) == 0;
}

/* [add|create] table inet netguard { */
static bool begins_guard(const struct statement *statement) {
    const struct token *tokens = statement->tokens;
    bool verb = is(tokens[0], WORD, "add") || is(tokens[0], WORD, "create");
    return statement->end == OPEN && statement->n_tokens == 3U + verb &&
           is(tokens[verb], WORD, "table") && is(tokens[verb + 1], WORD, "inet") &&
           is(tokens[verb + 2], WORD, NG_GUARD_TABLE_NAME);
}

/* A table of the guard's name, from its brace to the other. */
struct copy {
    unsigned line;  /* 0: not inside of one */
    bool as_listed; /* by nft, so that it can be cut out as such */
    bool ours;
    bool unreadable; /* flags that whoever saved it had no names for */
};

static int warn_of(struct looking *looking, const char *path, const struct copy *copy) {
    static const char unreadable[] =
        "that no nft can read, for the one that has saved it did not know its flags: at boot "
        "nothing of this file is loaded, and this host is left without its rules";
    static const char refused[] =
        "as old as the file: while netguard runs, the kernel refuses the whole file for it, so "
        "that a reload changes nothing, and after a flush this host is left without its rules";
    return warn(looking, path,
                ng_arena_printf(looking->arena,
                                "holds in line %u a copy of the guard %s; take it "
                                "out%s%s",
                                copy->line, copy->unreadable ? unreadable : refused,
                                copy->as_listed ? ": sed -i " NG_SAVED_RULES_CUT " " : "",
                                copy->as_listed ? path : ""));
}

static int include(struct looking *looking, struct token name, unsigned depth) {
    bool absolute = name.len_bytes && name.text[0] == '/';
    if (name.len_bytes >= PATH_MAX)
        return 0;
    char *pattern = ng_arena_printf(looking->arena, "%s%.*s", absolute ? "" : INCLUDE_DIRECTORY,
                                    (int)name.len_bytes, name.text);
    glob_t found = {0};
    if (!pattern)
        return -ENOMEM;
    int r = glob(pattern, 0, NULL, &found) == GLOB_NOSPACE ? -ENOMEM : 0;
    for (size_t i = 0; r == 0 && i < found.gl_pathc; i++)
        r = look_into(looking, found.gl_pathv[i], depth + 1);
    globfree(&found);
    return r;
}

static int scan(struct looking *looking, const char *path, const char *text, size_t len_bytes,
                unsigned depth) {
    struct scanner scanner = {.start = text, .at = text, .end = text + len_bytes, .line = 1};
    struct copy copy = {0};
    struct statement statement;
    size_t braces = 0;
    do {
        int r = 0;
        statement = next_statement(&scanner);
        const struct token *tokens = statement.tokens;
        if (is(tokens[0], WORD, "include") && tokens[1].kind == STRING)
            r = include(looking, tokens[1], depth);
        if (begins_guard(&statement))
            copy = (struct copy){.line = statement.line,
                                 .as_listed = statement.at_margin && statement.n_tokens == 3};
        if (braces == 1 && is(tokens[0], WORD, "flags") && statement.n_tokens == 1)
            copy.unreadable = true;
        if (braces == 1 && is(tokens[0], WORD, "comment") &&
            is(tokens[1], STRING, NG_GUARD_COMMENT))
            copy.ours = true;
        if (statement.end == OPEN)
            braces++;
        if (statement.end == CLOSE && braces && --braces == 0) {
            if (copy.line && copy.ours)
                r = r ? r : warn_of(looking, path, &copy);
            copy = (struct copy){0};
        }
        if (r < 0)
            return r;
    } while (statement.end != END);
    return 0;
}

/* -- files --------------------------------------------------------------------------------- */

static void close_fd(int *fd) {
    if (*fd >= 0)
        close(*fd);
}

/* Memory of malloc's. -EISDIR, -EINVAL: something else than a file; -EFBIG: it is too much. */
static int read_file(struct looking *looking, const char *path, char **ret_text, size_t *ret_len) {
    /* O_NONBLOCK: a FIFO in the place of the file must not hang us. */
    _cleanup_(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    size_t len = 0;
    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
    const size_t size = (size_t)status.st_size, cost = size < SMALLEST ? SMALLEST : size;
    if (cost > looking->left_bytes)
        return -EFBIG;
    looking->left_bytes -= cost;
    char *text = malloc(size + 1);
    ssize_t n = text ? 1 : 0;
    while (n > 0 && len < size) {
        n = read(fd, text + len, size - len);
        len += n > 0 ? (size_t)n : 0;
    }
    if (!text || n < 0) {
        int r = text ? -errno : -ENOMEM;
        free(text);
        return r;
    }
    *ret_text = text;
    *ret_len = len;
    return 0;
}

static int cannot_look(struct looking *looking, const char *path, int code) {
    const char *why = code == -EINVAL  ? "not a regular file"
                      : code == -EFBIG ? "too much is included"
                                       : strerror(-code);
    if (code == -ENOMEM)
        return code;
    if (code == -ENOENT || code == -ENOTDIR || code == -EISDIR)
        return 0;
    return warn(looking, path,
                ng_arena_printf(looking->arena,
                                "cannot be read, and may hold a copy of the guard: %s", why));
}

static int look_into(struct looking *looking, const char *path, unsigned depth) {
    char *text = NULL;
    size_t len = 0;
    for (size_t i = 0; i < looking->n_seen; i++)
        if (strcmp(looking->seen[i], path) == 0)
            return 0;
    if (depth > DEPTH_MAX)
        return 0;
    const char **seen =
        NG_ARENA_APPEND(looking->arena, looking->seen, looking->n_seen, looking->seen_capacity);
    if (!seen || !(*seen = ng_arena_strdup(looking->arena, path)))
        return -ENOMEM;
    int r = read_file(looking, path, &text, &len);
    if (r < 0)
        return cannot_look(looking, path, r);
    r = scan(looking, path, text, len, depth);
    free(text);
    return r;
}

int ng_saved_rules_read(struct ng_world *world, const char *const *files) {
    struct looking looking = {.arena = world->arena, .left_bytes = BYTES_MAX};
    int r = 0;
    for (files = files ? files : boot_files; r == 0 && *files; files++)
        r = look_into(&looking, *files, 0);
    world->warnings = looking.warnings;
    world->n_warnings = looking.n_warnings;
    return r;
}
