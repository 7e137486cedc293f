"""A bad network in a process of its own: a UDP relay that loses, delays, disorders and throttles, the same way for the same seed.

Usage: impairment.py LISTEN-PORT SERVER-HOST SERVER-PORT. Hears JSON lines: {"up": {...}, "down": {...}} sets both ways (`Link`), and
{"count": true} is answered with what went through since the last time.
"""

import heapq
import json
import random
import select
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field




@dataclass
class Link:
    """One way through the network, in virtual time: says when a packet arrives, or that it does not.

    Loss is that of a chain with two states (Gilbert and Elliott): in the good one packets are lost by `loss`, in the bad one by
    `bad_loss`; `bad` and `good` are the chances, packet by packet, to go there and back. A bottleneck of `rate` bits per second has a
    queue of `queue_ms`, and what does not fit in is dropped. Jitter keeps the order; `reorder` is the share that comes `reorder_ms` late.
    """

    loss: float = 0
    bad: float = 0
    good: float = 0.3
    bad_loss: float = 0.8
    delay_ms: float = 0
    jitter_ms: float = 0
    reorder: float = 0
    reorder_ms: float = 30
    rate: float = 0
    queue_ms: float = 200
    seed: int = 1
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self):
        self._random = random.Random(self.seed)
        self._is_bad = False
        self._sent = self._last = 0.0
        self.clear()

    def clear(self):
        self.packets = self.bytes = self.lost = self.dropped = self.delivered = 0

    def pass_on(self, now, size):
        """Returns when a packet of so many bytes arrives, in seconds, or None."""
        self.packets += 1
        self.bytes += size
        self._is_bad = self._random.random() < (1 - self.good if self._is_bad else self.bad)
        is_lost = self._random.random() < (self.bad_loss if self._is_bad else self.loss)
        late, jitter = self._random.random() < self.reorder, self._random.random()
        if self.rate:
            # Whoever is lost behind the bottleneck has been through it.
            if self._sent - now > self.queue_ms / 1000:
                self.dropped += 1
                return None
            self._sent = max(self._sent, now) + size * 8 / self.rate
        if is_lost:
            self.lost += 1
            return None
        self.delivered += 1
        arrival = (self._sent if self.rate else now) + (self.delay_ms + jitter * self.jitter_ms) / 1000
        if late:
            return arrival + self.reorder_ms / 1000
        self._last = max(self._last, arrival)
        return self._last

    def counts(self):
        return {"packets": self.packets, "bytes": self.bytes, "lost": self.lost, "dropped": self.dropped, "delivered": self.delivered}


class Relay:
    """Datagrams between whoever sends to the listening port and the server; each peer has a socket of its own towards the server."""

    def __init__(self, port, server):
        self.server = server
        self.front = self._socket()
        self.front.bind(("127.0.0.1", port))
        self.backs = {}  # by peer
        self.peers = {}  # by socket
        self.up, self.down = Link(), Link()
        self.waiting = []  # (when, number, socket, datagram, receiver)
        self.number = 0
        self.poll = select.epoll()
        self.sockets = {self.front.fileno(): self.front, sys.stdin.fileno(): sys.stdin}
        for descriptor in self.sockets:
            self.poll.register(descriptor, select.EPOLLIN)

    @staticmethod
    def _socket():
        one = socket.socket(type=socket.SOCK_DGRAM)
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**21)
        return one

    def run(self):
        while True:
            now = time.monotonic()
            while self.waiting and self.waiting[0][0] <= now:
                _, _, out, datagram, receiver = heapq.heappop(self.waiting)
                try:
                    out.sendto(datagram, receiver) if receiver else out.send(datagram)
                except OSError:
                    pass  # whoever has gone gets nothing
            timeout = max(0, self.waiting[0][0] - now) if self.waiting else 1
            for descriptor, _ in self.poll.poll(timeout):
                if descriptor == sys.stdin.fileno():
                    if not self.command(sys.stdin.readline()):
                        return
                else:
                    self.read(self.sockets[descriptor])

    def command(self, line):
        if not line:
            return False
        message = json.loads(line)
        for name in ("up", "down"):
            if name in message:
                setattr(self, name, Link(**message[name]))
        if "count" in message:
            print(json.dumps({"up": self.up.counts(), "down": self.down.counts()}), flush=True)
            self.up.clear()
            self.down.clear()
        return True

    def read(self, one):
        for _ in range(64):
            try:
                datagram, sender = one.recvfrom(65_536)
            except OSError:
                return
            now = time.monotonic()
            if one is self.front:
                link, receiver = self.up, None
                out = self.backs.get(sender) or self.open(sender)
            else:
                link, out, receiver = self.down, self.front, self.peers[one.fileno()]
            arrival = link.pass_on(now, len(datagram))
            if arrival is not None:
                self.number += 1
                heapq.heappush(self.waiting, (arrival, self.number, out, datagram, receiver))

    def open(self, peer):
        back = self._socket()
        back.connect(self.server)
        self.backs[peer], self.peers[back.fileno()], self.sockets[back.fileno()] = back, peer, back
        self.poll.register(back.fileno(), select.EPOLLIN)
        return back


class Impairment:
    """The relay as the tests see it."""

    def __init__(self, process, port):
        self._process, self.port = process, port
        self._lock = threading.Lock()

    def _tell(self, message):
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def set(self, up=None, down=None):
        """Makes the network another one, from now on; what is not said of a way is perfect."""
        self._tell({"up": up or {}, "down": down or {}})

    def counts(self):
        """Returns what came, was lost, dropped and delivered since the last time, by way."""
        with self._lock:
            self._tell({"count": True})
            return json.loads(self._process.stdout.readline())

    def way(self, keeps_tcp=False):
        """Returns the script that makes a page's browser know of this way to the media server, and of no other.

        `keeps_tcp` leaves it the ways by TCP: the media server's own, and relays, which reach the media server by themselves.
        """
        other = "(?!)" if keeps_tcp else "^a=candidate:\\S+ \\d+ tcp .*\\r?\\n"
        return f"""{{
            const setRemoteDescription = RTCPeerConnection.prototype.setRemoteDescription;
            RTCPeerConnection.prototype.setRemoteDescription = function (description) {{
                if ({json.dumps(keeps_tcp)} && this.getConfiguration().iceTransportPolicy === "relay")
                    return setRemoteDescription.call(this, description);
                const sdp = description.sdp
                    .replace(/{other}/gim, "")
                    .replace(/^(a=candidate:\\S+ \\d+ udp \\d+) \\S+ \\d+ /gim, "$1 127.0.0.1 {self.port} ");
                return setRemoteDescription.call(this, {{type: description.type, sdp}});
            }};
        }}"""


@contextmanager
def impaired(port, server_port):
    """Runs a relay on a port of the loopback, in front of a server's."""
    process = subprocess.Popen(
        [sys.executable, __file__, str(port), "127.0.0.1", str(server_port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Impairment(process, port)
    finally:
        process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


if __name__ == "__main__":
    Relay(int(sys.argv[1]), (sys.argv[2], int(sys.argv[3]))).run()
