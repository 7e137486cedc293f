// A UDP socket that stands for many peers of one machine: each has a loopback address of its own.
#pragma once
#include "packet_io.h"
#include <stdint.h>

typedef struct {
    // The address that the datagram came to, an IPv4 number; 0 where the kernel does not say.
    uint32_t local;
    // Bytes; 0 for one that did not fit.
    int32_t length;
    // When the kernel took it, in nanoseconds since the Unix epoch; 0 where it does not say.
    int64_t nanoseconds;
    proscenium_address source;
} proscenium_arrival;

typedef struct {
    uint32_t offset, length;
    // The address that it goes out from, an IPv4 number; 0 for what the route gives.
    uint32_t local;
    proscenium_address target;
} proscenium_departure;

// Opens a non-blocking IPv4 socket on every address and a port of the system's choice; returns the descriptor or -errno.
int proscenium_peers_open(int buffer_bytes, int stamps, uint16_t *port, int *receive_bytes);
// Reads up to 64 datagrams, one per slot; returns how many, 0 when none waits.
int proscenium_peers_receive(int descriptor, uint8_t *slots, int slot_size, proscenium_arrival *arrivals, int count);
// Sends datagrams of one arena; returns how many the kernel took. What it does not take is dropped.
int proscenium_peers_send(int descriptor, const uint8_t *arena, const proscenium_departure *departures, int count);
// How many datagrams the kernel has dropped because the socket was full.
uint64_t proscenium_peers_drops(int descriptor);
// Nanoseconds since the Unix epoch, on the clock that arrivals are stamped with.
int64_t proscenium_wall_nanoseconds(void);
// Waits for the descriptors of an epoll, at most so long; returns how many are ready.
int proscenium_epoll_wait_for(int epoll, int *descriptors, int capacity, int milliseconds);
