/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_LOG_H
#define NETGUARD_AGENT_LOG_H

#include "netguard/base.h"

/* What the daemon does, one fact a line on stderr, which the journal takes; escaped. */
void ng_log(const char *format, ...) _printf_(1, 2);

#endif
