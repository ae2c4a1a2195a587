/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_BPF_H
#define NETGUARD_AGENT_OBSERVE_BPF_H

/* BPF programs that judge packets and that netlink does not tell of: those of tcx, and those on
 * netfilter hooks. A kernel without bpf(), or of before such programs, has none. */

#include <stddef.h>
#include <stdint.h>

#include "netguard/base.h"

/* Whether tcx programs are attached to a link, on the way in or out: 1, 0, or a negative errno,
 * -EPERM without CAP_NET_ADMIN. */
int ng_bpf_tcx(uint32_t link) _must_check_;

/* How many programs are attached to netfilter hooks on the whole machine: which of its network
 * namespaces they are in is not told. 0 or a negative errno, -EPERM without CAP_SYS_ADMIN. */
int ng_bpf_netfilter(size_t *ret_count) _must_check_;

#endif
