# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel as judge of `netguard trace` and `netguard reach`: tests/kernel/campaign."""
