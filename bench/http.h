/* What the mock and the load generator share: the clock, sockets, and the head of an HTTP message. */

#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000LL /* nanoseconds */
#define SECOND 1000000000LL

static inline int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static inline void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "bad argument");
    exit(2);
}

static inline void *must(void *memory)
{
    if (!memory) die("memory");
    return memory;
}

static inline void no_delay(int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static inline struct sockaddr_in loopback(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static inline void watch(int epoll, int operation, int fd, uint32_t events, void *who)
{
    struct epoll_event event = {.events = events, .data.ptr = who};
    if (epoll_ctl(epoll, operation, fd, &event)) die("epoll_ctl");
}

/*
 * Return what is ready, perhaps nothing: it never sleeps. The far end of a network does not either,
 * and on a virtual machine waking a halted core costs whoever wrote to it more than a whole call
 * costs nginx.
 */
static inline int look(int epoll_fd, struct epoll_event *events, int max)
{
    int ready = epoll_wait(epoll_fd, events, max, 0);
    if (!ready) sched_yield();
    return ready;
}

/* Let the timer go off at a moment of now_ns(); a moment that has passed goes off at once. */
static inline void alarm_at(int timer, int64_t at)
{
    struct itimerspec spec = {.it_value = {at / SECOND, at % SECOND}};
    if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, NULL)) die("timerfd_settime");
}

static inline void silence_alarm(int timer)
{
    uint64_t times;
    if (read(timer, &times, sizeof times) < 0 && errno != EAGAIN) die("timerfd");
}

/* Return the length of a message's head, the blank line included, or 0 when it is not whole yet. */
static inline size_t head_length(const char *data, size_t length)
{
    const char *end = memmem(data, length, "\r\n\r\n", 4);
    return end ? (size_t)(end - data) + 4 : 0;
}

/* Return the value of the header `name` (spelt "\r\nname:") inside a head, or NULL. */
static inline const char *header(const char *head, size_t length, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = head; (at = memmem(at, length - (size_t)(at - head), "\r\n", 2)); at += 2) {
        if ((size_t)(head + length - at) < size) return NULL;
        if (strncasecmp(at, name, size)) continue;
        for (at += size; *at == ' ';) at++;
        return at;
    }
    return NULL;
}

#endif
