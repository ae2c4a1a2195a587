/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The closed vocabularies of the policy language. */
#include "policy/language/words.h"

#include <errno.h>
#include <string.h>

const char *const ng_severity_words[] = {
    [NG_INFO] = "info", [NG_LOW] = "low",           [NG_MEDIUM] = "medium",
    [NG_HIGH] = "high", [NG_CRITICAL] = "critical",
};

const char *const ng_action_words[] = {
    [NG_ALLOW] = "allow",
    [NG_ALERT] = "alert",
    [NG_BLOCK] = "block",
};

const char *const ng_mode_words[] = {
    [NG_MONITOR] = "monitor",
    [NG_ENFORCE] = "enforce",
};

_Static_assert(ARRAY_SIZE(ng_severity_words) == NG_SEVERITY_WORDS, "one word each");
_Static_assert(ARRAY_SIZE(ng_action_words) == NG_ACTION_WORDS, "one word each");
_Static_assert(ARRAY_SIZE(ng_mode_words) == NG_MODE_WORDS, "one word each");

const char *ng_severity_text(enum ng_severity severity) {
    return ng_severity_words[severity];
}

const char *ng_habit_rule(enum ng_habit habit) {
    static const char *const rules[] = {
        [NG_HABIT_HOST_NETWORK] = "usage.host_network",
        [NG_HABIT_LINKS] = "usage.links",
        [NG_HABIT_DEFAULT_BRIDGE] = "usage.default_bridge",
        [NG_HABIT_CAPABILITIES] = "usage.capabilities",
        [NG_HABIT_UNENCRYPTED_OVERLAY] = "usage.unencrypted_overlay",
        [NG_HABIT_INSECURE_REGISTRY] = "usage.insecure_registry",
    };
    return rules[habit];
}

const char *ng_action_text(enum ng_action action) {
    return ng_action_words[action];
}

int ng_severity_parse(const char *text, enum ng_severity *ret_severity) {
    for (size_t i = 0; i < NG_SEVERITY_WORDS; i++)
        if (strcmp(text, ng_severity_words[i]) == 0) {
            *ret_severity = (enum ng_severity)i;
            return 0;
        }
    return -EINVAL;
}
