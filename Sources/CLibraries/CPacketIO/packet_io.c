#include "packet_io.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef SO_RXQ_OVFL
#define SO_RXQ_OVFL 40
#endif

enum { RECEIVE_BATCH = 64, SEND_BATCH = 64, SEGMENTS = 48, SEGMENT_BYTES = 60000, GROUP_LIMIT = 2048, GROUP_SLOTS = 8192 };

int proscenium_eventfd(void) {
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void proscenium_eventfd_signal(int descriptor) {
    uint64_t one = 1;
    ssize_t written = write(descriptor, &one, sizeof one);
    (void)written;
}

void proscenium_eventfd_clear(int descriptor) {
    uint64_t value;
    ssize_t got = read(descriptor, &value, sizeof value);
    (void)got;
}

int proscenium_timerfd(void) {
    return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
}

void proscenium_timerfd_set(int descriptor, int64_t nanoseconds) {
    struct itimerspec time = {0};
    if (nanoseconds > 0) {
        time.it_value.tv_sec = nanoseconds / 1000000000;
        time.it_value.tv_nsec = nanoseconds % 1000000000;
    }
    timerfd_settime(descriptor, TFD_TIMER_ABSTIME, &time, NULL);
}

void proscenium_timerfd_clear(int descriptor) {
    proscenium_eventfd_clear(descriptor);
}

int proscenium_epoll(void) {
    return epoll_create1(EPOLL_CLOEXEC);
}

int proscenium_epoll_add(int epoll, int descriptor) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

int proscenium_epoll_change(int epoll, int descriptor, int reads, int writes) {
    struct epoll_event event = {.events = (reads ? EPOLLIN : 0) | (writes ? EPOLLOUT : 0), .data.fd = descriptor};
    return epoll_ctl(epoll, EPOLL_CTL_MOD, descriptor, &event);
}

int proscenium_epoll_wait(int epoll, int *descriptors, int capacity) {
    struct epoll_event events[64];
    int count = epoll_wait(epoll, events, capacity < 64 ? capacity : 64, -1);
    if (count < 0) return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++) descriptors[i] = events[i].data.fd;
    return count;
}

static int is_ipv4(proscenium_address address) {
    return address.high == 0 && address.low >> 32 == 0xFFFF;
}

static socklen_t to_socket(proscenium_address address, int ipv4, struct sockaddr_storage *storage) {
    memset(storage, 0, sizeof *storage);
    if (ipv4) {
        struct sockaddr_in *four = (struct sockaddr_in *)storage;
        four->sin_family = AF_INET;
        four->sin_port = htons(address.port);
        four->sin_addr.s_addr = htonl((uint32_t)address.low);
        return sizeof *four;
    }
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)storage;
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(address.port);
    uint64_t halves[2] = {__builtin_bswap64(address.high), __builtin_bswap64(address.low)};
    memcpy(&six->sin6_addr, halves, sizeof halves);
    return sizeof *six;
}

static proscenium_address from_socket(const struct sockaddr_storage *storage) {
    proscenium_address address = {0};
    if (storage->ss_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)storage;
        address.low = 0xFFFF00000000ULL | ntohl(four->sin_addr.s_addr);
        address.port = ntohs(four->sin_port);
    } else if (storage->ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)storage;
        uint64_t halves[2];
        memcpy(halves, &six->sin6_addr, sizeof halves);
        address.high = __builtin_bswap64(halves[0]);
        address.low = __builtin_bswap64(halves[1]);
        address.port = ntohs(six->sin6_port);
    }
    return address;
}

int proscenium_udp_open(proscenium_address address, int buffer_bytes) {
    int ipv4 = is_ipv4(address);
    int descriptor = socket(ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    if (!ipv4) {
        int only = 0;
        setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    }
    int on = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    setsockopt(descriptor, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
    setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes);
    struct sockaddr_storage storage;
    socklen_t length = to_socket(address, ipv4, &storage);
    if (bind(descriptor, (struct sockaddr *)&storage, length) != 0) {
        int error = errno;
        close(descriptor);
        return -error;
    }
    return descriptor;
}

int proscenium_udp_name(int descriptor, proscenium_address *address, int *receive_bytes, int *send_bytes) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage, size = sizeof(int);
    if (getsockname(descriptor, (struct sockaddr *)&storage, &length) != 0) return -errno;
    *address = from_socket(&storage);
    getsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, receive_bytes, &size);
    size = sizeof(int);
    getsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, send_bytes, &size);
    return 0;
}

static int64_t read_clock(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int64_t proscenium_clock_offset(int64_t last) {
    int64_t before = read_clock(CLOCK_MONOTONIC), wall = read_clock(CLOCK_REALTIME), after = read_clock(CLOCK_MONOTONIC);
    // Whoever was put aside in between has read two moments.
    return after - before < 100000 ? before + (after - before) / 2 - wall : last;
}

// Reads when a datagram came; and how many were dropped before it, which is told only from the first one on.
static int64_t read_controls(struct msghdr *message, uint32_t *dropped) {
    int64_t stamp = 0;
    for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control)) {
        if (control->cmsg_level != SOL_SOCKET) continue;
        if (control->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec time;
            memcpy(&time, CMSG_DATA(control), sizeof time);
            stamp = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
        } else if (control->cmsg_type == SO_RXQ_OVFL) {
            memcpy(dropped, CMSG_DATA(control), sizeof *dropped);
        }
    }
    return stamp;
}

int proscenium_udp_receive(int descriptor, uint8_t *slots, int slot_size, int count, int *lengths, proscenium_address *sources,
                           int64_t *stamps, uint32_t *dropped) {
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(uint32_t))];
    } controls[RECEIVE_BATCH];
    struct mmsghdr messages[RECEIVE_BATCH];
    struct iovec vectors[RECEIVE_BATCH];
    struct sockaddr_storage names[RECEIVE_BATCH];
    if (count > RECEIVE_BATCH) count = RECEIVE_BATCH;
    for (int i = 0; i < count; i++) {
        vectors[i] = (struct iovec){slots + (size_t)i * (size_t)slot_size, (size_t)slot_size};
        messages[i] = (struct mmsghdr){
            .msg_hdr = {.msg_name = &names[i], .msg_namelen = sizeof names[i], .msg_iov = &vectors[i], .msg_iovlen = 1,
                        .msg_control = &controls[i], .msg_controllen = sizeof controls[i]}};
    }
    int got = recvmmsg(descriptor, messages, (unsigned)count, MSG_DONTWAIT, NULL);
    if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
    for (int i = 0; i < got; i++) {
        // A datagram that did not fit is useless; length 0 says so.
        lengths[i] = messages[i].msg_hdr.msg_flags & MSG_TRUNC ? 0 : (int)messages[i].msg_len;
        sources[i] = from_socket(&names[i]);
        stamps[i] = read_controls(&messages[i].msg_hdr, dropped);
    }
    return got;
}

static int same_target(const proscenium_datagram *one, const proscenium_datagram *two) {
    return one->target.high == two->target.high && one->target.low == two->target.low && one->target.port == two->target.port;
}

// Orders datagrams so that those of one target are neighbours; each target's own order stays.
static void group_by_target(const proscenium_datagram *datagrams, int count, uint16_t *order) {
    uint16_t heads[GROUP_SLOTS], first[GROUP_LIMIT], last[GROUP_LIMIT], following[GROUP_LIMIT];
    int groups = 0, place = 0;
    memset(heads, 0xFF, sizeof heads);
    for (int i = 0; i < count; i++) {
        uint64_t key = (datagrams[i].target.low ^ datagrams[i].target.high) * 0x9E3779B97F4A7C15ULL
                       ^ datagrams[i].target.port * 0xC2B2AE3D27D4EB4FULL;
        uint32_t slot = (uint32_t)(key >> 40) & (GROUP_SLOTS - 1);
        while (heads[slot] != 0xFFFF && !same_target(&datagrams[first[heads[slot]]], &datagrams[i]))
            slot = (slot + 1) & (GROUP_SLOTS - 1);
        following[i] = 0xFFFF;
        if (heads[slot] == 0xFFFF) {
            heads[slot] = (uint16_t)groups;
            first[groups] = last[groups] = (uint16_t)i;
            groups++;
        } else {
            uint16_t group = heads[slot];
            following[last[group]] = (uint16_t)i;
            last[group] = (uint16_t)i;
        }
    }
    for (int group = 0; group < groups; group++)
        for (uint16_t i = first[group]; i != 0xFFFF; i = following[i]) order[place++] = i;
}

// How many datagrams from `first` on can go as one segmented message: equal sizes, the last may be shorter.
static int run_length(const proscenium_datagram *datagrams, const uint16_t *order, int first, int count) {
    int run = 1;
    uint32_t size = datagrams[order[first]].length, total = size;
    while (first + run < count && run < SEGMENTS) {
        const proscenium_datagram *next = &datagrams[order[first + run]];
        if (next->length > size || total + next->length > SEGMENT_BYTES || !same_target(next, &datagrams[order[first]])) break;
        total += next->length;
        run++;
        if (next->length < size) break;
    }
    return run;
}

static void send_in_order(int descriptor, int ipv4, const uint8_t *arena, const proscenium_datagram *datagrams, const uint16_t *order,
                          int count, int *segment_run, proscenium_send_result *result) {
    struct mmsghdr messages[SEND_BATCH];
    struct iovec vectors[SEND_BATCH * 4];
    struct sockaddr_storage names[SEND_BATCH];
    union {
        char bytes[CMSG_SPACE(sizeof(uint16_t))];
        struct cmsghdr align;
    } controls[SEND_BATCH];
    int runs[SEND_BATCH];
    // Up to here everything goes one by one: a run before it was refused.
    int next = 0, single_until = 0;
    while (next < count) {
        int batch = 0, vector = 0, start = next;
        while (next < count && batch < SEND_BATCH) {
            int run = *segment_run > 0 && next >= single_until ? run_length(datagrams, order, next, count) : 1;
            if (run < *segment_run) run = 1;
            if (vector + run > SEND_BATCH * 4) break;
            struct msghdr header = {.msg_name = &names[batch], .msg_iov = &vectors[vector], .msg_iovlen = (size_t)run};
            header.msg_namelen = to_socket(datagrams[order[next]].target, ipv4, &names[batch]);
            for (int i = 0; i < run; i++)
                vectors[vector++] = (struct iovec){(void *)(arena + datagrams[order[next + i]].offset), datagrams[order[next + i]].length};
            if (run > 1) {
                memset(&controls[batch], 0, sizeof controls[batch]);
                header.msg_control = controls[batch].bytes;
                header.msg_controllen = sizeof controls[batch].bytes;
                struct cmsghdr *control = CMSG_FIRSTHDR(&header);
                control->cmsg_level = SOL_UDP;
                control->cmsg_type = UDP_SEGMENT;
                control->cmsg_len = CMSG_LEN(sizeof(uint16_t));
                uint16_t size = (uint16_t)datagrams[order[next]].length;
                memcpy(CMSG_DATA(control), &size, sizeof size);
            }
            messages[batch] = (struct mmsghdr){.msg_hdr = header};
            runs[batch++] = run;
            next += run;
        }
        int done = 0;
        while (done < batch) {
            int sent = sendmmsg(descriptor, messages + done, (unsigned)(batch - done), MSG_DONTWAIT | MSG_NOSIGNAL);
            result->system_calls++;
            for (int i = 0; i < sent; i++) {
                result->sent += (uint64_t)runs[done + i];
                if (runs[done + i] > 1) result->segmented += (uint64_t)runs[done + i];
            }
            if (sent > 0) {
                done += sent;
                continue;
            }
            if (errno == EINTR) continue;
            if (runs[done] > 1 && (errno == EIO || errno == EINVAL || errno == EMSGSIZE || errno == ENOPROTOOPT)) {
                // This machine has no segmentation, or the path to this peer takes only smaller datagrams, which the kernel then
                // cuts itself: those of the run go one by one.
                if (errno == EIO || errno == ENOPROTOOPT) *segment_run = 0;
                next = start;
                for (int i = 0; i < done; i++) next += runs[i];
                single_until = next + runs[done];
                break;
            }
            if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
                // The socket is full. Waiting would make everybody late: what does not fit now is lost.
                for (; done < batch; done++) result->dropped += (uint64_t)runs[done];
                break;
            }
            // An unreachable or refused target concerns only its own datagram.
            result->dropped += (uint64_t)runs[done];
            done++;
        }
    }
}

static int open_tcp(proscenium_address address) {
    int ipv4 = is_ipv4(address);
    int descriptor = socket(ipv4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    if (!ipv4) {
        int only = 0;
        setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    }
    return descriptor;
}

// Media is small and late at once: nothing is gathered, little is kept in the kernel where it can't be dropped any more,
// and a peer that confirms nothing for 15 s is gone.
static void tune_tcp(int descriptor) {
    int yes = 1, unsent = 32768;
    unsigned int timeout = 15000;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(descriptor, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    setsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
}

int proscenium_tcp_listen(proscenium_address address) {
    int descriptor = open_tcp(address);
    if (descriptor < 0) return descriptor;
    int yes = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_storage storage;
    socklen_t length = to_socket(address, is_ipv4(address), &storage);
    if (bind(descriptor, (struct sockaddr *)&storage, length) != 0 || listen(descriptor, 256) != 0) {
        int error = errno;
        close(descriptor);
        return -error;
    }
    return descriptor;
}

int proscenium_tcp_accept(int listener, proscenium_address *peer) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    int descriptor = accept4(listener, (struct sockaddr *)&storage, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) return -errno;
    tune_tcp(descriptor);
    *peer = from_socket(&storage);
    return descriptor;
}

int proscenium_tcp_dial(proscenium_address address) {
    int descriptor = open_tcp(address);
    if (descriptor < 0) return descriptor;
    tune_tcp(descriptor);
    struct sockaddr_storage storage;
    socklen_t length = to_socket(address, is_ipv4(address), &storage);
    if (connect(descriptor, (struct sockaddr *)&storage, length) != 0 && errno != EINPROGRESS) {
        int error = errno;
        close(descriptor);
        return -error;
    }
    return descriptor;
}

int proscenium_tcp_read(int descriptor, uint8_t *bytes, int capacity) {
    for (;;) {
        ssize_t got = recv(descriptor, bytes, (size_t)capacity, MSG_DONTWAIT);
        if (got >= 0) return (int)got;
        if (errno != EINTR) return -errno;
    }
}

int proscenium_tcp_write(int descriptor, const uint8_t *first, int first_bytes, const uint8_t *second, int second_bytes) {
    struct iovec pieces[2] = {{(void *)first, (size_t)first_bytes}, {(void *)second, (size_t)second_bytes}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = second_bytes > 0 ? 2 : 1};
    for (;;) {
        ssize_t sent = sendmsg(descriptor, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) return (int)sent;
        if (errno != EINTR) return -errno;
    }
}

void proscenium_udp_send(int descriptor, int ipv4, const uint8_t *arena, const proscenium_datagram *datagrams, int count,
                         int *segment_run, proscenium_send_result *result) {
    uint16_t order[GROUP_LIMIT];
    for (int start = 0; start < count; start += GROUP_LIMIT) {
        int part = count - start < GROUP_LIMIT ? count - start : GROUP_LIMIT;
        // Forwarding queues packet by packet; who is to get a run of them has it scattered over the queue.
        if (*segment_run > 0 && part >= 2 * *segment_run) group_by_target(datagrams + start, part, order);
        else
            for (int i = 0; i < part; i++) order[i] = (uint16_t)i;
        send_in_order(descriptor, ipv4, arena, datagrams + start, order, part, segment_run, result);
    }
}
