/*
 * A provider for measuring: one thread, one epoll loop, so little work per answer that it is never
 * the bottleneck.
 *
 * POST to any path is a chat call: a JSON answer of about 600 bytes, or with "stream":true in the
 * body a stream of server-sent events, one chunk and one write each, the usage event only when asked
 * for. GET /_count tells what was asked for; GET /_set?delay_ms=20&pace_ms=512 changes the answers to
 * come: `delay_ms` before each whole answer, `pace_ms` as the length of each stream.
 *
 * It trusts its clients (they are ours): one request at a time on a connection, bodies with a length
 * or chunked without trailers.
 */

#define _GNU_SOURCE
#include "http.h"

enum { EVENTS_MAX = 256, READ_BYTES = 1 << 16, WAITING_MAX = 1 << 16 };

struct connection {
    int fd;
    int chunks_left; /* of the stream under way */
    int wants_usage;
    int64_t due; /* when its next bytes leave; 0 when nothing waits */
    char *in;
    size_t in_length, in_room;
    char *out; /* what the kernel did not take */
    size_t out_length, out_sent;
    struct connection *next_dead;
};

static int epoll_fd, timer_fd, chunks = 50, cut_after = -1;
static int64_t delay_ns, pace_ns;
static long requests, streams, finished;
static struct connection *waiting[WAITING_MAX]; /* a heap by due time */
static int waiting_count;
static struct connection *dead; /* closed in this turn of the loop, freed at its end */
static char answer[1024], first_chunk[1024], chunk[512], last_chunks[512], usage_chunk[512];
static size_t answer_length, first_length, chunk_length, last_length, usage_length;

static void put(int at, struct connection *c) { waiting[at] = c; }

static void push(struct connection *c)
{
    if (waiting_count == WAITING_MAX) die("too many waiting answers");
    int at = waiting_count++;
    while (at && waiting[(at - 1) / 2]->due > c->due) {
        put(at, waiting[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(at, c);
    if (!at) alarm_at(timer_fd, c->due);
}

static struct connection *pop(void)
{
    struct connection *first = waiting[0], *last = waiting[--waiting_count];
    int at = 0;
    for (int child; (child = 2 * at + 1) < waiting_count; at = child) {
        if (child + 1 < waiting_count && waiting[child + 1]->due < waiting[child]->due) child++;
        if (last->due <= waiting[child]->due) break;
        put(at, waiting[child]);
    }
    put(at, last);
    return first;
}

static void bury(struct connection *c)
{
    c->next_dead = dead;
    dead = c;
}

static void drop(struct connection *c)
{
    close(c->fd);
    c->fd = -1;
    if (!c->due) bury(c); /* else when its time comes */
}

static void free_dead(void)
{
    for (struct connection *c; (c = dead);) {
        dead = c->next_dead;
        free(c->in);
        free(c->out);
        free(c);
    }
}

static void transmit(struct connection *c, const char *data, size_t length)
{
    ssize_t sent = 0;
    if (c->fd < 0) return;
    if (!c->out_length) {
        sent = send(c->fd, data, length, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) return; /* the client left; its end of file comes by read */
        if (sent < 0) sent = 0;
        if ((size_t)sent == length) return;
        watch(epoll_fd, EPOLL_CTL_MOD, c->fd, EPOLLIN | EPOLLOUT, c);
    }
    c->out = must(realloc(c->out, c->out_length + length - (size_t)sent));
    memcpy(c->out + c->out_length, data + sent, length - (size_t)sent);
    c->out_length += length - (size_t)sent;
}

static void send_rest(struct connection *c)
{
    ssize_t sent = send(c->fd, c->out + c->out_sent, c->out_length - c->out_sent, MSG_NOSIGNAL);
    if (sent > 0) c->out_sent += (size_t)sent;
    if (c->out_sent < c->out_length) return;
    c->out_length = c->out_sent = 0;
    watch(epoll_fd, EPOLL_CTL_MOD, c->fd, EPOLLIN, c);
}

static void end_stream(struct connection *c)
{
    if (c->wants_usage) transmit(c, usage_chunk, usage_length);
    transmit(c, last_chunks, last_length);
    finished++;
}

/* Send the next chunk of a stream; return 0 when that was the last one. */
static int step_stream(struct connection *c)
{
    if (chunks - c->chunks_left == cut_after) {
        drop(c);
        return 0;
    }
    transmit(c, chunk, chunk_length);
    if (--c->chunks_left) return 1;
    end_stream(c);
    return 0;
}

static void run_due(void)
{
    int64_t now = now_ns();
    silence_alarm(timer_fd);
    while (waiting_count && waiting[0]->due <= now) {
        struct connection *c = pop();
        if (c->fd < 0) {
            bury(c);
            continue;
        }
        int64_t was_due = c->due;
        c->due = 0;
        if (!c->chunks_left) {
            transmit(c, answer, answer_length);
            finished++;
        } else if (step_stream(c)) {
            c->due = was_due + pace_ns / chunks;
            push(c);
        }
    }
    if (waiting_count) alarm_at(timer_fd, waiting[0]->due);
}

static void start_stream(struct connection *c)
{
    streams++;
    c->chunks_left = chunks;
    transmit(c, first_chunk, first_length);
    if (pace_ns) {
        c->due = now_ns() + pace_ns / chunks;
        push(c);
        return;
    }
    while (step_stream(c)) continue;
}

static void start_answer(struct connection *c)
{
    if (delay_ns) {
        c->due = now_ns() + delay_ns;
        push(c);
        return;
    }
    transmit(c, answer, answer_length);
    finished++;
}

static void control(struct connection *c, const char *head, size_t length)
{
    char body[256], text[512];
    const char *delay = memmem(head, length, "delay_ms=", 9), *pace = memmem(head, length, "pace_ms=", 8);
    if (delay) delay_ns = atol(delay + 9) * MS;
    if (pace) pace_ns = atol(pace + 8) * MS;
    int size = snprintf(body, sizeof body, "{\"requests\":%ld,\"streams\":%ld,\"finished\":%ld,\"bytes\":%zu}",
                        requests, streams, finished, (size_t)(answer + answer_length - strstr(answer, "{\"id\"")));
    int all = snprintf(text, sizeof text,
                       "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s", size, body);
    transmit(c, text, (size_t)all);
}

static int is_true(const char *body, size_t length, const char *name)
{
    const char *at = memmem(body, length, name, strlen(name));
    if (!at) return 0;
    at += strlen(name);
    return !strncmp(at, "true", 4) || !strncmp(at, " true", 5);
}

static void call(struct connection *c, const char *body, size_t length)
{
    requests++;
    c->wants_usage = is_true(body, length, "\"include_usage\":");
    if (is_true(body, length, "\"stream\":")) start_stream(c);
    else start_answer(c);
}

/* Return the length of a chunked body, or 0 when it is not whole yet. */
static size_t chunked_length(const char *body, size_t length)
{
    for (size_t at = 0;;) {
        const char *line = memmem(body + at, length - at, "\r\n", 2);
        if (!line) return 0;
        size_t size = strtoul(body + at, NULL, 16);
        at = (size_t)(line - body) + 2 + size + 2;
        if (at > length) return 0;
        if (!size) return at;
    }
}

/* Answer the request at the front of the buffer; return 0 when it is not whole yet. */
static int serve_one(struct connection *c)
{
    size_t head = head_length(c->in, c->in_length), body = 0;
    if (!head) return 0;
    const char *length = header(c->in, head, "\r\ncontent-length:");
    if (length) body = strtoul(length, NULL, 10);
    else if (header(c->in, head, "\r\ntransfer-encoding: chunked")) {
        body = chunked_length(c->in + head, c->in_length - head);
        if (!body) return 0;
    }
    if (c->in_length < head + body) return 0;
    if (*c->in == 'P') call(c, c->in + head, body);
    else control(c, c->in, head);
    c->in_length -= head + body;
    memmove(c->in, c->in + head + body, c->in_length);
    return c->fd >= 0 && c->in_length > 0;
}

static void receive(struct connection *c)
{
    if (c->in_room - c->in_length < READ_BYTES) {
        c->in_room = c->in_length + READ_BYTES;
        c->in = must(realloc(c->in, c->in_room + 1));
    }
    ssize_t got = recv(c->fd, c->in + c->in_length, c->in_room - c->in_length, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        drop(c);
        return;
    }
    c->in_length += (size_t)got;
    c->in[c->in_length] = 0; /* numbers in heads are read as C strings */
    while (serve_one(c)) continue;
}

static void accept_all(int listener)
{
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        struct connection *c = must(calloc(1, sizeof *c));
        no_delay(fd);
        c->fd = fd;
        watch(epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN, c);
    }
}

static size_t as_chunk(char *to, size_t room, const char *head, const char *event)
{
    return (size_t)snprintf(to, room, "%s%zx\r\n%s\r\n", head, strlen(event), event);
}

static void write_answers(void)
{
    const char *text = "The quick brown fox jumps over the lazy dog while seventeen grey geese fly south for "
                       "the winter, and nobody but the miller sees them go by his wheel in the morning fog, "
                       "long before the first cart comes up the road.";
    char body[1024], event[256];
    int size = snprintf(body, sizeof body,
                        "{\"id\":\"chatcmpl-bench0123456789abcdef\",\"object\":\"chat.completion\",\"created\":1790000000,"
                        "\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},"
                        "\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":120,\"completion_tokens\":40,"
                        "\"total_tokens\":160,\"prompt_tokens_details\":{\"cached_tokens\":20}},\"system_fingerprint\":\"fp_bench\"}",
                        text);
    answer_length = (size_t)snprintf(answer, sizeof answer,
                                     "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\n"
                                     "content-length: %d\r\n\r\n%s", size, body);
    const char *shape = "data: {\"id\":\"chatcmpl-bench0123456789abcdef\",\"object\":\"chat.completion.chunk\","
                        "\"created\":1790000000,\"model\":\"gpt-4o-mini\",\"choices\":[%s]%s}\n\n";
    const char *head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: req_bench\r\n"
                       "cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";
    /* The head goes out alone: time to it is the first byte. */
    first_length = (size_t)snprintf(first_chunk, sizeof first_chunk, "%s", head);
    snprintf(event, sizeof event, shape, "{\"index\":0,\"delta\":{\"content\":\" goose\"},\"finish_reason\":null}", "");
    chunk_length = as_chunk(chunk, sizeof chunk, "", event);
    char usage[320];
    snprintf(usage, sizeof usage, shape, "", ",\"usage\":{\"prompt_tokens\":120,\"completion_tokens\":50,\"total_tokens\":170}");
    usage_length = as_chunk(usage_chunk, sizeof usage_chunk, "", usage);
    last_length = as_chunk(last_chunks, sizeof last_chunks, "", "data: [DONE]\n\n");
    last_length += (size_t)sprintf(last_chunks + last_length, "0\r\n\r\n");
}

static int listen_on(int port)
{
    struct sockaddr_in address = loopback(port);
    socklen_t size = sizeof address;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, 4096)) die("listen");
    if (getsockname(fd, (struct sockaddr *)&address, &size)) die("getsockname");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int count, char **arguments)
{
    int port = 0;
    for (int option; (option = getopt(count, arguments, "p:d:s:n:x:")) != -1;) {
        if (option == 'p') port = atoi(optarg);
        else if (option == 'd') delay_ns = atol(optarg) * MS;
        else if (option == 's') pace_ns = atol(optarg) * MS;
        else if (option == 'n') chunks = atoi(optarg);
        else if (option == 'x') cut_after = atoi(optarg); /* chunks; then the connection is closed */
        else return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    write_answers();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    int listener = listen_on(port);
    watch(epoll_fd, EPOLL_CTL_ADD, listener, EPOLLIN, &epoll_fd);
    watch(epoll_fd, EPOLL_CTL_ADD, timer_fd, EPOLLIN, &timer_fd);
    for (struct epoll_event events[EVENTS_MAX];;) {
        int ready = look(epoll_fd, events, EVENTS_MAX);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if ((void *)c == &epoll_fd) accept_all(listener);
            else if ((void *)c == &timer_fd) run_due();
            else if (events[i].events & EPOLLOUT) send_rest(c);
            else receive(c);
        }
        free_dead();
    }
}
