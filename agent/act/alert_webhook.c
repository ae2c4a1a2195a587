/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/act/alert_webhook.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "agent/act/webhook_queue.h"
#include "agent/clock.h"

#define SOURCE "webhook"

enum {
    CONNECT_MS = 5000,
    ANSWER_MS = 15000,
    FIRST_DELAY_MS = 1000,
    LONGEST_DELAY_MS = 5 * 60 * 1000,
    TOKEN_BYTES = 8192,
    DIRECTORY_MS = 500, /* after which one that could not be had is tried again */
};

/* On its way from the caller to the thread. */
struct letter {
    struct letter *next;
    char *body;
};

struct ng_webhook {
    struct ng_webhook_options options;
    char *directory;
    char where[128]; /* the receiver, without what may be secret in its URL */
    pthread_t thread;
    CURLM *multi; /* of the thread; anybody may wake it up */

    pthread_mutex_t mutex;
    struct letter *letters, **last_letter;
    size_t n_letters;
    uint64_t n_dropped; /* letters */
    bool ends;
    struct ng_webhook_state state; /* without the letters */

    /* The thread's own. */
    struct ng_webhook_queue queue;
    CURL *curl;
    char curl_says[CURL_ERROR_SIZE];
    bool delivers; /* queue.held */
    char *body;
    struct curl_slist *headers;
    int64_t due_ms; /* CLOCK_MONOTONIC: not before */
    int delay_ms;
    uint64_t delivered, refused;
    char fault[256];
};

static void free_letter(struct letter *letter) {
    if (letter)
        free(letter->body);
    free(letter);
}

static void fail(struct ng_webhook *webhook, const char *format, ...) _printf_(2, 3);

static void fail(struct ng_webhook *webhook, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(webhook->fault, sizeof(webhook->fault), format, arguments);
    va_end(arguments);
}

/* -- when to try again ----------------------------------------------------------------- */

/* Between half of it and all of it: many that wait for one receiver shall not all come at once. */
static int spread(int delay_ms) {
    unsigned char random = 0;
    (void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
    return delay_ms - (int)((int64_t)delay_ms * random / (2 * 256));
}

static void try_again(struct ng_webhook *webhook, int64_t asked_s) {
    webhook->delay_ms = webhook->delay_ms == 0                     ? FIRST_DELAY_MS
                        : webhook->delay_ms < LONGEST_DELAY_MS / 2 ? webhook->delay_ms * 2
                                                                   : LONGEST_DELAY_MS;
    int64_t delay_ms = spread(webhook->delay_ms);
    if (asked_s > 0)
        delay_ms = asked_s < LONGEST_DELAY_MS / 1000 ? asked_s * 1000 : LONGEST_DELAY_MS;
    webhook->due_ms = ng_now_ms() + delay_ms;
}

static void go_on(struct ng_webhook *webhook) {
    webhook->delay_ms = 0;
    webhook->due_ms = 0;
}

/* -- one delivery ---------------------------------------------------------------------- */

/* The first line of a file, of characters that a header may have. -ENOKEY: there is none, and
 * `fault` says why. */
static int read_token(const char *path, char token[static TOKEN_BYTES],
                      struct ng_webhook *webhook) {
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, token, TOKEN_BYTES - 1);
    int code = len < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    if (code) {
        fail(webhook, "cannot read %.100s: %s", path, strerror(code));
        return -ENOKEY;
    }
    token[len] = '\0';
    token[strcspn(token, "\r\n")] = '\0';
    for (const char *c = token; *c; c++)
        if (*c <= ' ' || *c > '~') {
            fail(webhook, "%.100s: its first line is no token", path);
            return -ENOKEY;
        }
    if (!*token || len == TOKEN_BYTES - 1) {
        fail(webhook, "%.100s: its first line is %s", path, *token ? "too long" : "empty");
        return -ENOKEY;
    }
    return 0;
}

static bool add_header(struct ng_webhook *webhook, const char *header) {
    struct curl_slist *longer = curl_slist_append(webhook->headers, header);
    if (longer)
        webhook->headers = longer;
    return longer;
}

static int add_authorization(struct ng_webhook *webhook) {
    static const char scheme[] = "Authorization: Bearer ";
    char header[sizeof(scheme) + TOKEN_BYTES];
    if (!webhook->options.token_file)
        return 0;
    memcpy(header, scheme, sizeof(scheme));
    int r = read_token(webhook->options.token_file, header + strlen(scheme), webhook);
    if (r == 0 && !add_header(webhook, header))
        r = -ENOMEM;
    explicit_bzero(header, sizeof(header));
    return r;
}

/* The connection is kept as long as there is more to send. */
static int post(struct ng_webhook *webhook) {
    const long is_last = webhook->queue.count == 1;
    int r = ng_webhook_queue_load(&webhook->queue, &webhook->body);
    if (r < 0)
        return r;
    if (!add_header(webhook, "Content-Type: application/json"))
        return -ENOMEM;
    r = add_authorization(webhook);
    if (r < 0)
        return r;
    webhook->curl_says[0] = '\0';
    if (curl_easy_setopt(webhook->curl, CURLOPT_POSTFIELDS, webhook->body) != CURLE_OK ||
        curl_easy_setopt(webhook->curl, CURLOPT_POSTFIELDSIZE, (long)strlen(webhook->body)) !=
            CURLE_OK ||
        curl_easy_setopt(webhook->curl, CURLOPT_HTTPHEADER, webhook->headers) != CURLE_OK ||
        curl_easy_setopt(webhook->curl, CURLOPT_FORBID_REUSE, is_last) != CURLE_OK ||
        curl_multi_add_handle(webhook->multi, webhook->curl) != CURLM_OK)
        return -ENOMEM;
    webhook->delivers = true;
    webhook->queue.held = webhook->queue.entries[0].number;
    return 0;
}

static void clear(struct ng_webhook *webhook) {
    if (webhook->delivers)
        curl_multi_remove_handle(webhook->multi, webhook->curl);
    webhook->delivers = false;
    webhook->queue.held = 0;
    curl_slist_free_all(TAKE_PTR(webhook->headers));
    free(TAKE_PTR(webhook->body));
}

static void begin(struct ng_webhook *webhook) {
    int r = post(webhook);
    if (r == 0)
        return;
    clear(webhook);
    if (r == -EBADMSG) {
        ng_webhook_queue_remove(&webhook->queue, webhook->queue.entries[0].number);
        webhook->queue.lost++;
        return;
    }
    if (r != -ENOKEY)
        fail(webhook, "cannot be prepared: %s", strerror(-r));
    try_again(webhook, 0);
}

/* -- answers --------------------------------------------------------------------------- */

static bool is_for_now(long status) {
    return status == 408 || status == 425 || status == 429 || status >= 500;
}

static void answered(struct ng_webhook *webhook, uint64_t number) {
    curl_off_t asked_s = 0;
    long status = 0;
    curl_easy_getinfo(webhook->curl, CURLINFO_RESPONSE_CODE, &status);
    if (is_for_now(status)) {
        curl_easy_getinfo(webhook->curl, CURLINFO_RETRY_AFTER, &asked_s);
        fail(webhook, "%s answered HTTP %ld", webhook->where, status);
        try_again(webhook, asked_s);
        return;
    }
    if (status >= 200 && status < 300) {
        webhook->delivered++;
        webhook->fault[0] = '\0';
    } else {
        webhook->refused++;
        fail(webhook, "%s refused an alert: HTTP %ld", webhook->where, status);
    }
    ng_webhook_queue_remove(&webhook->queue, number);
    go_on(webhook);
}

static void ended(struct ng_webhook *webhook, CURLcode code) {
    const uint64_t number = webhook->queue.held;
    if (code == CURLE_OK) {
        answered(webhook, number);
    } else {
        fail(webhook, "%s: %s", webhook->where,
             webhook->curl_says[0] ? webhook->curl_says : curl_easy_strerror(code));
        try_again(webhook, 0);
    }
    clear(webhook);
}

/* -- the thread ------------------------------------------------------------------------ */

/* False: it is to end. */
static bool take_letters(struct ng_webhook *webhook) {
    pthread_mutex_lock(&webhook->mutex);
    struct letter *letter = TAKE_PTR(webhook->letters);
    webhook->last_letter = &webhook->letters;
    webhook->state.waiting += webhook->n_letters;
    webhook->n_letters = 0;
    const bool goes_on = !webhook->ends;
    pthread_mutex_unlock(&webhook->mutex);
    while (letter) {
        struct letter *next = letter->next;
        ng_webhook_queue_append(&webhook->queue, TAKE_PTR(letter->body));
        free_letter(letter);
        letter = next;
    }
    return goes_on;
}

static void publish(struct ng_webhook *webhook) {
    const struct ng_webhook_queue *queue = &webhook->queue;
    struct ng_webhook_state *state = &webhook->state;
    pthread_mutex_lock(&webhook->mutex);
    state->waiting = queue->count;
    state->delivered = webhook->delivered;
    state->lost = queue->lost + webhook->refused;
    snprintf(state->fault, sizeof(state->fault), "%s%s%s", webhook->fault,
             webhook->fault[0] && queue->fault[0] ? "; " : "", queue->fault);
    pthread_mutex_unlock(&webhook->mutex);
}

static void turn(struct ng_webhook *webhook) {
    int running, left;
    if (!webhook->delivers && webhook->queue.count && ng_now_ms() >= webhook->due_ms)
        begin(webhook);
    curl_multi_perform(webhook->multi, &running);
    const CURLMsg *message = curl_multi_info_read(webhook->multi, &left);
    if (message)
        ended(webhook, message->data.result);
}

/* libcurl has timeouts of its own while something is delivered. */
static int wait_ms(const struct ng_webhook *webhook) {
    const struct ng_webhook_queue *queue = &webhook->queue;
    const int64_t left_ms = webhook->due_ms - ng_now_ms();
    /* Before a reload it was another's, with what it leaves behind in it. */
    const int longest_ms = queue->directory && queue->directory_fd < 0 ? DIRECTORY_MS : INT_MAX;
    if (webhook->delivers || queue->count == 0)
        return longest_ms;
    return left_ms < 0 ? 0 : left_ms < longest_ms ? (int)left_ms : longest_ms;
}

static void *run(void *context) {
    struct ng_webhook *webhook = context;
    ng_webhook_queue_open(&webhook->queue, webhook->directory, webhook->options.format);
    while (take_letters(webhook)) {
        ng_webhook_queue_store(&webhook->queue);
        turn(webhook);
        publish(webhook);
        curl_multi_poll(webhook->multi, NULL, 0, wait_ms(webhook), NULL);
    }
    ng_webhook_queue_store(&webhook->queue);
    clear(webhook);
    ng_webhook_queue_close(&webhook->queue);
    return NULL;
}

/* Signals are for the loop; and the receiver that hangs up on TLS is none. */
static int start(struct ng_webhook *webhook) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&webhook->thread, NULL, run, webhook);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}

/* -------------------------------------------------------------------------------------- */

static size_t ignore(char *bytes, size_t size, size_t count, void *context) {
    (void)bytes, (void)context;
    return size * count;
}

/* Nothing of the caller's environment may lead it elsewhere: no proxy, no redirect, no other
 * protocol. */
static int configure(struct ng_webhook *webhook) {
    CURLcode failed = CURLE_OK;
#define SET(option, value)                                                                         \
    do {                                                                                           \
        CURLcode code = curl_easy_setopt(webhook->curl, option, value);                            \
        if (code != CURLE_OK)                                                                      \
            failed = code;                                                                         \
    } while (0)
    SET(CURLOPT_URL, webhook->options.url);
    SET(CURLOPT_ERRORBUFFER, webhook->curl_says);
    SET(CURLOPT_USERAGENT, "netguard");
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* else freeing waits for a name server that hangs */
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    SET(CURLOPT_TIMEOUT_MS, (long)ANSWER_MS);
    SET(CURLOPT_WRITEFUNCTION, ignore);
#undef SET
    return failed == CURLE_OK ? 0 : failed == CURLE_OUT_OF_MEMORY ? -ENOMEM : -ENOTSUP;
}

/* What of the URL may be shown: a path or a password can be all that it takes to post there. */
static int read_url(struct ng_webhook *webhook) {
    char *scheme = NULL, *host = NULL, *port = NULL;
    CURLU *url = curl_url();
    int r = -EINVAL;
    if (!url)
        return -ENOMEM;
    if (curl_url_set(url, CURLUPART_URL, webhook->options.url, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
        (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0)) {
        snprintf(webhook->where, sizeof(webhook->where), "%s://%.100s:%s", scheme, host, port);
        r = 0;
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(url);
    return r;
}

static int prepare(struct ng_webhook *webhook) {
    const char *directory = webhook->options.directory;
    webhook->curl = curl_easy_init();
    webhook->multi = curl_multi_init();
    webhook->directory = directory ? strdup(directory) : NULL;
    if (!webhook->curl || !webhook->multi || (directory && !webhook->directory))
        return -ENOMEM;
    int r = configure(webhook);
    return r < 0 ? r : start(webhook);
}

static void free_all(struct ng_webhook *webhook) {
    curl_easy_cleanup(webhook->curl);
    curl_multi_cleanup(webhook->multi);
    pthread_mutex_destroy(&webhook->mutex);
    free(webhook->directory);
    free(webhook);
}

int ng_webhook_new(const struct ng_webhook_options *options, struct ng_webhook **ret_webhook,
                   struct ng_error *error) {
    struct ng_webhook *webhook = calloc(1, sizeof(*webhook));
    if (!webhook)
        return ng_error_set(error, -ENOMEM, SOURCE, "out of memory");
    webhook->options = *options;
    webhook->last_letter = &webhook->letters;
    pthread_mutex_init(&webhook->mutex, NULL);
    int r = read_url(webhook);
    if (r == -EINVAL)
        ng_error_set(error, r, SOURCE, "not a URL of http:// or https://");
    if (r == 0)
        r = prepare(webhook);
    if (r < 0) {
        free_all(webhook);
        return ng_error_set(error, r, SOURCE, "cannot be prepared: %s", strerror(-r));
    }
    *ret_webhook = webhook;
    return 0;
}

void ng_webhook_free(struct ng_webhook *webhook) {
    if (!webhook)
        return;
    pthread_mutex_lock(&webhook->mutex);
    webhook->ends = true;
    pthread_mutex_unlock(&webhook->mutex);
    curl_multi_wakeup(webhook->multi);
    pthread_join(webhook->thread, NULL);
    free_all(webhook);
}

void ng_webhook_freep(struct ng_webhook **webhook) {
    ng_webhook_free(*webhook);
    *webhook = NULL;
}

static struct letter *letter_of(char *body) {
    struct letter *letter = body ? calloc(1, sizeof(*letter)) : NULL;
    if (letter)
        letter->body = body;
    else
        free(body);
    return letter;
}

static struct letter *take_first(struct ng_webhook *webhook) {
    struct letter *letter = webhook->letters;
    webhook->letters = letter->next;
    webhook->n_letters--;
    return letter;
}

void ng_webhook_send(struct ng_webhook *webhook, const struct ng_alert *alert) {
    const struct ng_webhook_options *options = &webhook->options;
    struct letter *letter = letter_of(ng_webhook_body(alert, options->format, options->repeat_s));
    struct letter *oldest = NULL;
    pthread_mutex_lock(&webhook->mutex);
    if (letter && webhook->n_letters == NG_WEBHOOK_ROOM)
        oldest = take_first(webhook);
    webhook->n_dropped += oldest || !letter;
    if (letter) {
        *webhook->last_letter = letter;
        webhook->last_letter = &letter->next;
        webhook->n_letters++;
    }
    pthread_mutex_unlock(&webhook->mutex);
    curl_multi_wakeup(webhook->multi);
    free_letter(oldest);
}

void ng_webhook_state(struct ng_webhook *webhook, struct ng_webhook_state *ret_state) {
    pthread_mutex_lock(&webhook->mutex);
    *ret_state = webhook->state;
    ret_state->waiting += webhook->n_letters;
    ret_state->lost += webhook->n_dropped;
    pthread_mutex_unlock(&webhook->mutex);
}
