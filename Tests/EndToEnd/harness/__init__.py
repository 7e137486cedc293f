"""What the end-to-end tests drive: the studio's processes, and the clients of every one of its faces."""
