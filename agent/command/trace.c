/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/command/answers.h"

enum ng_exit ng_command_trace(const struct ng_options *options) {
    return ng_answer_lines(options, true, ng_print_packet);
}
