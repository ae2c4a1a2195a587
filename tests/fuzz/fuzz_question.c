/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a line of `trace` or `reach`, and as what `explain` is asked about. A refusal has a
 * message that may be printed; what is accepted is a question that the engine can be asked. */
#include <stdlib.h>
#include <string.h>

#include "agent/command/question.h"
#include "agent/command/target.h"
#include "tests/fuzz/fuzz.h"

static const struct ng_link links[] = {{.name = "lo", .index = 1, .up = true},
                                       {.name = "eth0", .index = 7, .up = true}};
static const struct ng_container containers[] = {{.id = "4f1c09", .name = "redis"}};
static const struct ng_engine engine = {.containers = containers, .n_containers = 1};
static const struct ng_world world = {
    .links = links, .n_links = 2, .links_read = true, .engines = &engine, .n_engines = 1};

static void require(bool condition) {
    if (!condition)
        abort();
}

static void require_refusal(const struct ng_error *error) {
    require(error->message[0] && !strpbrk(error->message, "\n\r\x1b") &&
            !strpbrk(error->source, "\n\r\x1b"));
}

static void read_line(const uint8_t *bytes, size_t len, bool one_source) {
    struct ng_question question;
    struct ng_error error = {0};

    if (ng_question_read(&world, (const char *)bytes, len, one_source, &question, &error) < 0) {
        require_refusal(&error);
        return;
    }
    require(question.iif == 1 || question.iif == 7);
    require(question.family == NG_IP4 || question.family == NG_IP6);
    require(question.daddr <= ng_family_max(question.family));
    require(question.one_source == one_source);
    require(question.saddr <= ng_family_max(question.family));
    require(question.has_smac || !question.smac);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes) {
    struct ng_explain_target target;
    struct ng_error error = {0};

    read_line(bytes, len_bytes, true);
    read_line(bytes, len_bytes, false);
    char *text = strndup((const char *)bytes, len_bytes);
    require(text);
    if (ng_target_parse(text, &world, &target, &error) < 0)
        require_refusal(&error);
    else
        require(target.has_port || target.container || target.addr.family);
    free(text);
    return 0;
}
