/*
 * The load: one thread, one epoll loop, N kept-alive connections, one fixed request.
 *
 * Without -r each connection asks again as soon as it has its answer (closed loop). With -r requests
 * are due at a fixed rate whatever the answers do, and a latency counts from the moment a request was
 * due, not from the moment a connection was free for it. Every answer is read to its end and judged;
 * every latency is kept, so a percentile is exact. Writes one line of JSON.
 */

#define _GNU_SOURCE
#include "http.h"

enum { EVENTS_MAX = 512, READ_BYTES = 1 << 18, HEAD_MAX = 1 << 14, ERRORS_MAX = 2000 };
enum phase { CLOSED, IDLE, HEAD, LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER };
enum error { CONNECT, STATUS, CUT, WRONG_END, UNFINISHED, ERRORS };

static const char *const error_names[] = {"connect", "status", "cut", "wrong_end", "unfinished"};

struct connection {
    int fd;
    enum phase phase;
    int64_t due; /* when its request should have left */
    size_t unsent;
    size_t left; /* of the body, of a chunk, or of a line end */
    size_t body_bytes;
    int events, stream, closing;
    size_t head_length;
    size_t tail_length;
    char tail[16]; /* the last bytes of the body */
    char head[HEAD_MAX];
};

static int port, connections = 1, expected_events, expected_bytes, epoll_fd, timer_fd;
static double seconds = 5, warm_up = 1, rate;
static long limit;
static char *request;
static size_t request_length;
static int64_t begun, measured_from, ends, waited;
static long issued, complete, measured, errors[ERRORS], error_count;
static struct connection *all, **idle;
static int idle_count, busy_count;
static uint32_t *latencies; /* in us */
static size_t latency_room;
static char first_wrong[256];

static void issue(struct connection *c, int64_t due);

static void wrong(struct connection *c, enum error error)
{
    errors[error]++;
    if (error_count++) return;
    size_t size = c->head_length < sizeof first_wrong - 1 ? c->head_length : sizeof first_wrong - 1;
    for (size_t i = 0; i < size; i++) { /* fit for a JSON string */
        char letter = c->head[i];
        first_wrong[i] = letter < ' ' || letter == '"' || letter == '\\' ? ' ' : letter;
    }
}

static void reopen(struct connection *c)
{
    struct sockaddr_in address = loopback(port);
    if (c->fd >= 0) close(c->fd);
    c->phase = IDLE;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address)) {
        wrong(c, CONNECT);
        c->phase = CLOSED;
        return;
    }
    no_delay(c->fd);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    watch(epoll_fd, EPOLL_CTL_ADD, c->fd, EPOLLIN, c);
}

static int64_t due_time(long number) { return begun + (int64_t)((double)number / rate * SECOND); }

/* Give work to idle connections: at a rate as it falls due, else at once. */
static void dispatch(int64_t now)
{
    while (idle_count && now < ends && error_count < ERRORS_MAX && (!limit || issued < limit)) {
        int64_t due = rate > 0 ? due_time(issued) : now;
        if (due > now) {
            alarm_at(timer_fd, due);
            return;
        }
        issued++;
        issue(idle[--idle_count], due);
    }
}

static void send_request(struct connection *c)
{
    ssize_t sent = send(c->fd, request + request_length - c->unsent, c->unsent, MSG_NOSIGNAL);
    if (sent < 0) return; /* full, or closed: then reading says so */
    int was_watched = c->unsent < request_length;
    c->unsent -= (size_t)sent;
    if (c->unsent) watch(epoll_fd, EPOLL_CTL_MOD, c->fd, EPOLLIN | EPOLLOUT, c);
    else if (was_watched) watch(epoll_fd, EPOLL_CTL_MOD, c->fd, EPOLLIN, c);
}

static void rest(struct connection *c)
{
    busy_count--;
    idle[idle_count++] = c;
}

static void issue(struct connection *c, int64_t due)
{
    busy_count++;
    c->head_length = c->body_bytes = c->tail_length = 0;
    c->events = c->stream = c->closing = 0;
    c->due = due;
    if (c->phase == CLOSED) reopen(c);
    if (c->phase == CLOSED) {
        rest(c);
        return;
    }
    c->phase = HEAD;
    c->unsent = request_length;
    send_request(c);
}

static void record(int64_t due, int64_t now)
{
    complete++;
    if (rate > 0 ? due < measured_from : now < measured_from || now > ends) return;
    if ((size_t)measured == latency_room) {
        latency_room = latency_room ? 2 * latency_room : 1 << 16;
        latencies = must(realloc(latencies, latency_room * sizeof *latencies));
    }
    latencies[measured++] = (uint32_t)((now - due) / 1000);
    if (complete == limit) ends = now;
}

static int ends_well(struct connection *c)
{
    if (c->stream) {
        int done = c->tail_length >= 14 && !memcmp(c->tail + c->tail_length - 14, "data: [DONE]\n\n", 14);
        return done && (!expected_events || c->events == expected_events + 1);
    }
    return c->body_bytes && (!expected_bytes || c->body_bytes == (size_t)expected_bytes);
}

static void finish(struct connection *c, int64_t now)
{
    if (strncmp(c->head + 8, " 200", 4)) wrong(c, STATUS);
    else if (!ends_well(c)) wrong(c, WRONG_END);
    else record(c->due, now);
    c->phase = IDLE;
    if (c->closing) {
        close(c->fd);
        c->fd = -1;
        c->phase = CLOSED;
    }
    rest(c);
}

static void lose(struct connection *c)
{
    close(c->fd);
    c->fd = -1;
    if (c->phase != IDLE) {
        wrong(c, CUT);
        rest(c);
    }
    c->phase = CLOSED;
}

static void keep_tail(struct connection *c, const char *data, size_t length)
{
    size_t room = sizeof c->tail;
    if (length >= room) {
        memcpy(c->tail, data + length - room, room);
        c->tail_length = room;
        return;
    }
    size_t kept = c->tail_length < room - length ? c->tail_length : room - length;
    memmove(c->tail, c->tail + c->tail_length - kept, kept);
    memcpy(c->tail + kept, data, length);
    c->tail_length = kept + length;
}

static void take_body(struct connection *c, const char *data, size_t length)
{
    if (c->stream && length) {
        if (c->tail_length && c->tail[c->tail_length - 1] == '\n' && *data == '\n') c->events++;
        for (const char *at = data, *end = data + length; (at = memmem(at, (size_t)(end - at), "\n\n", 2)); at += 2)
            c->events++;
    }
    c->body_bytes += length;
    keep_tail(c, data, length);
}

/* Collect the head; return how many bytes of `data` belonged to it. */
static size_t take_head(struct connection *c, const char *data, size_t length)
{
    size_t before = c->head_length, room = HEAD_MAX - 1 - before;
    size_t taken = length < room ? length : room;
    memcpy(c->head + before, data, taken);
    size_t size = head_length(c->head, before + taken);
    c->head_length = size ? size : before + taken;
    c->head[c->head_length] = 0;
    if (!size) {
        if (c->head_length == HEAD_MAX - 1) die("a head of 16 kB");
        return taken;
    }
    const char *value = header(c->head, size, "\r\ncontent-length:");
    c->closing = header(c->head, size, "\r\nconnection: close") != NULL;
    c->stream = header(c->head, size, "\r\ncontent-type: text/event-stream") != NULL;
    c->left = value ? strtoul(value, NULL, 10) : 0;
    c->phase = value ? LENGTH : CHUNK_SIZE;
    return size - before;
}

static size_t take_line(struct connection *c, const char *data, size_t length)
{
    const char *end = memchr(data, '\n', length);
    size_t taken = end ? (size_t)(end - data) + 1 : length;
    for (const char *at = data; c->phase == CHUNK_SIZE && at < data + taken; at++) {
        if (*at >= '0' && *at <= '9') c->left = c->left * 16 + (size_t)(*at - '0');
        else if ((*at | 32) >= 'a' && (*at | 32) <= 'f') c->left = c->left * 16 + (size_t)((*at | 32) - 'a' + 10);
        else if (*at != '\r' && *at != '\n') die("a chunk with an extension");
    }
    return taken;
}

/* Take what one phase can take of `data`; return how much that was, and set *done at the very end. */
static size_t take(struct connection *c, const char *data, size_t length, int *done)
{
    size_t part = c->left < length ? c->left : length;
    switch (c->phase) {
    case HEAD:
        part = take_head(c, data, length);
        *done = c->phase == LENGTH && !c->left;
        return part;
    case LENGTH:
    case CHUNK_DATA:
        take_body(c, data, part);
        c->left -= part;
        if (c->left) return part;
        *done = c->phase == LENGTH;
        c->phase = CHUNK_END;
        c->left = 2;
        return part;
    case CHUNK_END:
        c->left -= part;
        if (!c->left) c->phase = CHUNK_SIZE;
        return part;
    case CHUNK_SIZE:
        part = take_line(c, data, length);
        if (data[part - 1] != '\n') return part;
        c->phase = c->left ? CHUNK_DATA : TRAILER;
        return part;
    default: /* TRAILER: left counts the bytes of the line under way */
        part = take_line(c, data, length);
        c->left += part;
        if (data[part - 1] != '\n') return part;
        *done = c->left <= 2;
        c->left = 0;
        return part;
    }
}

static void receive(struct connection *c)
{
    static char data[READ_BYTES];
    ssize_t got = recv(c->fd, data, sizeof data, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        lose(c);
        return;
    }
    int64_t now = now_ns();
    for (size_t at = 0; at < (size_t)got;) {
        int done = 0;
        if (c->phase == IDLE) { /* bytes that nobody asked for */
            wrong(c, WRONG_END);
            return;
        }
        at += take(c, data + at, (size_t)got - at, &done);
        if (done) finish(c, now);
        if (c->phase == CLOSED) return;
    }
}

static int by_size(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static double percentile(double share)
{
    if (!measured) return 0;
    size_t at = (size_t)(share * (double)measured);
    return latencies[at < (size_t)measured ? at : (size_t)measured - 1];
}

static void report(void)
{
    double busy = 1 - (double)waited / (double)(now_ns() - begun);
    if (measured) qsort(latencies, (size_t)measured, sizeof *latencies, by_size);
    printf("{\"complete\":%ld,\"measured\":%ld,\"seconds\":%.6f,\"rps\":%.1f,\"p50_us\":%.0f,\"p90_us\":%.0f,"
           "\"p99_us\":%.0f,\"p999_us\":%.0f,\"max_us\":%.0f,\"busy\":%.3f,\"errors\":{",
           complete, measured, (double)(ends - measured_from) / SECOND,
           (double)measured / ((double)(ends - measured_from) / SECOND), percentile(.5), percentile(.9),
           percentile(.99), percentile(.999), percentile(1), busy);
    for (int i = 0; i < ERRORS; i++) printf("%s\"%s\":%ld", i ? "," : "", error_names[i], errors[i]);
    printf("},\"first_wrong\":\"%s\"}\n", first_wrong);
}

static void read_request(const char *path, const char *headers, const char *body_file)
{
    static char body[1 << 22];
    FILE *file = fopen(body_file, "r");
    if (!file) die(body_file);
    size_t length = fread(body, 1, sizeof body, file);
    fclose(file);
    size_t room = length + strlen(headers) + strlen(path) + 256;
    request = must(malloc(room));
    int size = snprintf(request, room,
                        "POST %s HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-type: application/json\r\n%scontent-length: %zu\r\n\r\n",
                        path, port, headers, length);
    memcpy(request + size, body, length);
    request_length = (size_t)size + length;
}

static void parse(int count, char **arguments)
{
    static char headers[1 << 14];
    const char *path = "/v1/chat/completions", *body = NULL;
    for (int option; (option = getopt(count, arguments, "p:c:t:w:r:n:b:u:h:e:l:")) != -1;) {
        if (option == 'p') port = atoi(optarg);
        else if (option == 'c') connections = atoi(optarg);
        else if (option == 't') seconds = atof(optarg);
        else if (option == 'w') warm_up = atof(optarg); /* seconds, not measured */
        else if (option == 'r') rate = atof(optarg); /* requests per second */
        else if (option == 'n') limit = atol(optarg); /* requests in all, then it ends */
        else if (option == 'b') body = optarg; /* file */
        else if (option == 'u') path = optarg;
        else if (option == 'e') expected_events = atoi(optarg); /* of a stream, without [DONE] */
        else if (option == 'l') expected_bytes = atoi(optarg); /* of a whole answer */
        else if (option == 'h') strcat(strcat(headers, optarg), "\r\n");
        else exit(2);
    }
    if (!port || !body || connections < 1) die("-p PORT and -b FILE are needed");
    read_request(path, headers, body);
}

static void set_up(void)
{
    signal(SIGPIPE, SIG_IGN);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    watch(epoll_fd, EPOLL_CTL_ADD, timer_fd, EPOLLIN, NULL);
    all = must(calloc((size_t)connections, sizeof *all));
    idle = must(calloc((size_t)connections, sizeof *idle));
    for (int i = connections; i--;) {
        all[i].fd = -1;
        idle[idle_count++] = &all[i];
        if (rate == 0) reopen(&all[i]);
    }
    begun = now_ns();
    measured_from = begun + (int64_t)(warm_up * SECOND);
    ends = measured_from + (int64_t)(seconds * SECOND);
}

int main(int count, char **arguments)
{
    parse(count, arguments);
    set_up();
    for (struct epoll_event events[EVENTS_MAX];;) {
        int64_t now = now_ns();
        dispatch(now);
        int over = now >= ends || error_count >= ERRORS_MAX || (limit && issued >= limit);
        if (over && (!busy_count || now >= ends + 10 * SECOND)) break;
        int ready = look(epoll_fd, events, EVENTS_MAX);
        if (!ready) waited += now_ns() - now;
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c) silence_alarm(timer_fd);
            else if (events[i].events & EPOLLOUT) send_request(c);
            else receive(c);
        }
    }
    errors[UNFINISHED] = busy_count;
    report();
    return 0;
}
