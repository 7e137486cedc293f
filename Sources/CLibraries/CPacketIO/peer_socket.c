#include "peer_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif

// The place of the drops among what SO_MEMINFO tells (linux/sock_diag.h, SK_MEMINFO_DROPS).
enum { BATCH = 64, MEMINFO_DROPS = 8, MEMINFO_VARS = 9 };

int proscenium_peers_open(int buffer_bytes, int stamps, uint16_t *port, int *receive_bytes) {
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    int on = 1;
    // The first needs a privilege and passes the system's limit; the second does what the limit allows.
    if (setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof buffer_bytes) != 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
    if (setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &buffer_bytes, sizeof buffer_bytes) != 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes);
    setsockopt(descriptor, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    if (stamps) setsockopt(descriptor, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t length = sizeof name, size = sizeof *receive_bytes;
    if (bind(descriptor, (struct sockaddr *)&name, sizeof name) != 0
        || getsockname(descriptor, (struct sockaddr *)&name, &length) != 0) {
        int error = errno;
        close(descriptor);
        return -error;
    }
    *port = ntohs(name.sin_port);
    getsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, receive_bytes, &size);
    return descriptor;
}

int proscenium_peers_receive(int descriptor, uint8_t *slots, int slot_size, proscenium_arrival *arrivals, int count) {
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    struct sockaddr_in names[BATCH];
    union {
        char bytes[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(struct timespec))];
        struct cmsghdr align;
    } controls[BATCH];
    if (count > BATCH) count = BATCH;
    for (int i = 0; i < count; i++) {
        vectors[i] = (struct iovec){slots + (size_t)i * (size_t)slot_size, (size_t)slot_size};
        messages[i] = (struct mmsghdr){
            .msg_hdr = {.msg_name = &names[i], .msg_namelen = sizeof names[i], .msg_iov = &vectors[i], .msg_iovlen = 1,
                        .msg_control = controls[i].bytes, .msg_controllen = sizeof controls[i].bytes}};
    }
    int got = recvmmsg(descriptor, messages, (unsigned)count, MSG_DONTWAIT, NULL);
    if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ECONNREFUSED ? 0 : -errno;
    for (int i = 0; i < got; i++) {
        struct msghdr *header = &messages[i].msg_hdr;
        proscenium_arrival arrival = {0};
        arrival.length = header->msg_flags & MSG_TRUNC ? 0 : (int32_t)messages[i].msg_len;
        arrival.source.low = 0xFFFF00000000ULL | ntohl(names[i].sin_addr.s_addr);
        arrival.source.port = ntohs(names[i].sin_port);
        for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control; control = CMSG_NXTHDR(header, control)) {
            if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
                struct in_pktinfo information;
                memcpy(&information, CMSG_DATA(control), sizeof information);
                arrival.local = ntohl(information.ipi_addr.s_addr);
            } else if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_TIMESTAMPNS) {
                struct timespec time;
                memcpy(&time, CMSG_DATA(control), sizeof time);
                arrival.nanoseconds = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
            }
        }
        arrivals[i] = arrival;
    }
    return got;
}

int proscenium_peers_send(int descriptor, const uint8_t *arena, const proscenium_departure *departures, int count) {
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    struct sockaddr_in names[BATCH];
    union {
        char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
        struct cmsghdr align;
    } controls[BATCH];
    int next = 0, taken = 0;
    while (next < count) {
        int batch = count - next < BATCH ? count - next : BATCH;
        for (int i = 0; i < batch; i++) {
            const proscenium_departure *departure = &departures[next + i];
            vectors[i] = (struct iovec){(void *)(arena + departure->offset), departure->length};
            names[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(departure->target.port),
                                            .sin_addr.s_addr = htonl((uint32_t)departure->target.low)};
            struct msghdr header = {.msg_name = &names[i], .msg_namelen = sizeof names[i], .msg_iov = &vectors[i], .msg_iovlen = 1};
            if (departure->local) {
                memset(&controls[i], 0, sizeof controls[i]);
                header.msg_control = controls[i].bytes;
                header.msg_controllen = sizeof controls[i].bytes;
                struct cmsghdr *control = CMSG_FIRSTHDR(&header);
                control->cmsg_level = IPPROTO_IP;
                control->cmsg_type = IP_PKTINFO;
                control->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
                struct in_pktinfo information = {.ipi_spec_dst.s_addr = htonl(departure->local)};
                memcpy(CMSG_DATA(control), &information, sizeof information);
            }
            messages[i] = (struct mmsghdr){.msg_hdr = header};
        }
        int done = 0;
        while (done < batch) {
            int sent = sendmmsg(descriptor, messages + done, (unsigned)(batch - done), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent > 0) {
                done += sent;
                taken += sent;
            } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
                break;
            } else if (errno != EINTR) {
                done++;
            }
        }
        next += batch;
    }
    return taken;
}

uint64_t proscenium_peers_drops(int descriptor) {
    uint32_t values[MEMINFO_VARS] = {0};
    socklen_t length = sizeof values;
    if (getsockopt(descriptor, SOL_SOCKET, SO_MEMINFO, values, &length) != 0) return 0;
    return length >= sizeof values ? values[MEMINFO_DROPS] : 0;
}

int64_t proscenium_wall_nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int proscenium_epoll_wait_for(int epoll, int *descriptors, int capacity, int milliseconds) {
    struct epoll_event events[64];
    int count = epoll_wait(epoll, events, capacity < 64 ? capacity : 64, milliseconds);
    if (count < 0) return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++) descriptors[i] = events[i].data.fd;
    return count;
}
