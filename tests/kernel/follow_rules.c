/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/print/print.h"
#include "agent/view.h"

/* follow_rules ENDPOINT   judges each change of nf_tables again, and everything anew
 *
 * For each change a line: "same", or "left" (to a whole look), who made it, and where the two
 * answers are not the same what they are: "other". Before the first a line "ready". Ends with its
 * standard input. */

struct follower {
    sd_event *loop;
    struct ng_law *law;
    struct ng_observe_options where;
    struct ng_view *view;
};

static void fail(const char *message) {
    fprintf(stderr, "follow_rules: %s\n", message);
    exit(2);
}

static struct ng_view *look(struct follower *follower) {
    struct ng_error error = {0};
    struct ng_view *view = ng_view_new(follower->law);
    if (!view || ng_view_look(view, &follower->where, &error) < 0)
        fail(error.message);
    view->world->time_s = 0;
    return view;
}

static char *print(const struct ng_view *view) {
    const struct ng_print_options options = {.verbose = true};
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (!out || ng_print_json(out, view->result, &options) < 0 || fclose(out) != 0)
        fail("out of memory");
    return text;
}

static void on_changed(const struct ng_nft_change *change, void *context) {
    struct follower *follower = context;
    struct ng_error error = {0};
    int r = ng_view_follow(follower->view, change, &error);
    struct ng_view *whole = look(follower);
    char *found = print(follower->view), *expected = print(whole);
    bool same = r == 0 && strcmp(found, expected) == 0;
    printf("%s %u %s\n", r < 0 ? "left" : same ? "same" : "other", change->pid, change->program);
    if (r == 0 && !same)
        fprintf(stderr, "%s\nis not\n%s\n", found, expected);
    fflush(stdout);
    free(found);
    free(expected);
    /* As long as it lasts. */
    if (r == 0) {
        ng_view_free(whole);
    } else {
        ng_view_free(follower->view);
        follower->view = whole;
    }
}

static int on_input(sd_event_source *source, int fd, uint32_t ready, void *context) {
    struct follower *follower = context;
    (void)source, (void)fd, (void)ready;
    return sd_event_exit(follower->loop, 0);
}

int main(int argc, char **argv) {
    struct ng_error error = {0};
    struct ng_nft_events *events = NULL;
    struct follower follower = {0};
    if (argc != 2)
        fail("one endpoint");
    const char *endpoints[] = {argv[1]};
    follower.where = (struct ng_observe_options){.endpoints = endpoints, .n_endpoints = 1};
    const struct ng_nft_listener listener = {
        .family = NFPROTO_INET, .table = "netguard", .changed = on_changed, .context = &follower};
    if (ng_law_read(NULL, &follower.law, &error) < 0 || sd_event_new(&follower.loop) < 0 ||
        sd_event_add_io(follower.loop, NULL, 0, 1, on_input, &follower) < 0 ||
        ng_nft_events_new(follower.loop, &listener, &events, &error) < 0)
        fail(error.message);
    follower.view = look(&follower);
    puts("ready");
    fflush(stdout);
    int r = sd_event_loop(follower.loop);
    ng_nft_events_free(events);
    ng_view_free(follower.view);
    ng_law_unref(follower.law);
    sd_event_unref(follower.loop);
    return r < 0;
}
