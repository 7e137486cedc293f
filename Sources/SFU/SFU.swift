// Shards, rooms, forwarding.
