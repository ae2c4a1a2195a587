/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_AGENT_OBSERVE_IPSEC_H
#define NETGUARD_AGENT_OBSERVE_IPSEC_H

/* Whether packets may come out of IPsec. Only counts are asked for, never an association, whose
 * keys are among its attributes (linux/xfrm.h). */

#include <linux/netlink.h>

#include "netguard/base.h"

/* True when there are security associations or policies, and where that cannot be told. */
bool ng_ipsec_present(void);

/* Whether the message, an answer to XFRM_MSG_GETSADINFO or XFRM_MSG_GETSPDINFO, counts anything.
 * -EBADMSG for any other one. */
int ng_ipsec_decode(const struct nlmsghdr *message, bool *ret_some) _must_check_;

#endif
