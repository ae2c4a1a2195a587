/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NETGUARD_PRINT_CATALOG_H
#define NETGUARD_PRINT_CATALOG_H

/* What `netguard explain NG001` prints. */

#include "agent/print/print.h"
#include "netguard/catalog.h"

/* 0 or -ENOMEM. */
int ng_print_page(FILE *out, const struct ng_catalog_page *page,
                  const struct ng_print_options *options) _must_check_;
void ng_print_page_json(FILE *out, const struct ng_catalog_page *page);

#endif
