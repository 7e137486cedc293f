// The packet loop: one thread, epoll, batches of datagrams in and out.
