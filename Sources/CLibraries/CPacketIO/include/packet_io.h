// What the importer can't see of Linux's datagram and event interfaces.
#pragma once
#include <stdint.h>

int proscenium_eventfd(void);
// Adds 1 to an eventfd, or takes all of it.
void proscenium_eventfd_signal(int descriptor);
void proscenium_eventfd_clear(int descriptor);

int proscenium_timerfd(void);
// Sets an absolute moment of the monotonic clock in nanoseconds; 0 or less switches it off.
void proscenium_timerfd_set(int descriptor, int64_t nanoseconds);
void proscenium_timerfd_clear(int descriptor);

int proscenium_epoll(void);
int proscenium_epoll_add(int epoll, int descriptor);
// Changes what is waited for: reading, writing, both or neither (errors are always told).
int proscenium_epoll_change(int epoll, int descriptor, int reads, int writes);
// Waits; writes the ready descriptors and returns their number, 0 when interrupted.
int proscenium_epoll_wait(int epoll, int *descriptors, int capacity);

// An address in its IPv6 form: two big-endian halves as numbers, and a port.
typedef struct {
    uint64_t high, low;
    uint16_t port;
} proscenium_address;

// Opens a non-blocking UDP socket. An IPv6 wildcard takes IPv4 too. Returns the descriptor or -errno.
int proscenium_udp_open(proscenium_address address, int buffer_bytes);
// The address the socket is bound to, and the sizes of its buffers that the kernel granted.
int proscenium_udp_name(int descriptor, proscenium_address *address, int *receive_bytes, int *send_bytes);

// Receives up to `count` datagrams, one per slot of `slot_size` bytes; returns the number, 0 when none waits. `stamps` gets when the
// kernel took each, in nanoseconds of the wall clock, 0 where it does not say; `dropped` how many the kernel has thrown away since the
// socket was opened because its buffer was full (it wraps), and stays as it is where that is not said.
int proscenium_udp_receive(int descriptor, uint8_t *slots, int slot_size, int count, int *lengths, proscenium_address *sources,
                           int64_t *stamps, uint32_t *dropped);
// What the monotonic clock shows beyond the wall clock, in nanoseconds; `last` where the two could not be read at one moment.
int64_t proscenium_clock_offset(int64_t last);

typedef struct {
    uint32_t offset, length;
    proscenium_address target;
} proscenium_datagram;

typedef struct {
    uint64_t sent, dropped, system_calls, segmented;
} proscenium_send_result;

// Sends datagrams that lie in one arena, each target's in their order. Runs of at least `segment_run` of one target and one
// size go as one message with UDP_SEGMENT; 0 switches that off. What the kernel does not take is dropped. Clears *segment_run when the
// device can't segment.
void proscenium_udp_send(int descriptor, int is_ipv4, const uint8_t *arena, const proscenium_datagram *datagrams, int count,
                         int *segment_run, proscenium_send_result *result);

// Opens a non-blocking TCP listener. An IPv6 wildcard takes IPv4 too. Returns the descriptor or -errno.
int proscenium_tcp_listen(proscenium_address address);
// Accepts one connection; returns its descriptor or -errno.
int proscenium_tcp_accept(int listener, proscenium_address *peer);
// Begins a connection without waiting for it; returns its descriptor or -errno.
int proscenium_tcp_dial(proscenium_address address);
// Reads what is there; returns the number of bytes, 0 at the end, or -errno.
int proscenium_tcp_read(int descriptor, uint8_t *bytes, int capacity);
// Writes two pieces in one go and never raises SIGPIPE; returns the number of bytes taken, or -errno.
int proscenium_tcp_write(int descriptor, const uint8_t *first, int first_bytes, const uint8_t *second, int second_bytes);
