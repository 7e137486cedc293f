"""Ports of the loopback for what a run starts: no two runs on a machine have the same one at the same time."""

import random
import socket
from contextlib import ExitStack
from pathlib import Path

CLAIMS = []  # the sockets whose names say which ports are this run's; closed by the kernel when it ends, however that is


def claim(port):
    """Makes a port this run's until it ends; returns whether it was nobody's.

    What a run starts listens a moment after its port was looked for, and not while it is killed and started again. The claim is a
    name that the kernel gives to one socket at a time; like ports, such names are the same for all processes of a network.
    """
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0proscenium-tests-port-{port}")
    except OSError:
        name.close()
        return False
    CLAIMS.append(name)
    return True


def free_ports(count):
    """Returns ports that nobody listens on, for UDP too, and that no other run gets.

    They lie below those that the kernel gives to connections and to sockets that ask for any: what is killed finds its own again.
    """
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    chance = random.SystemRandom()
    with ExitStack() as stack:
        ports = []
        while len(ports) < count:
            port = chance.randrange(10_100, first) if first > 12_000 else 0
            tcp = stack.enter_context(socket.socket())
            udp = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", tcp.getsockname()[1]))
            except OSError:
                continue
            if claim(tcp.getsockname()[1]):
                ports.append(tcp.getsockname()[1])
        return ports


def own_address():
    """Returns the IPv4 address by which this machine reaches others, or that of the loopback where it has none.

    Firefox offers no loopback address beside another one, and pairs none of the others with a peer on the loopback.
    """
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # says which way it would go, and sends nothing
        except OSError:
            return "127.0.0.1"
        return probe.getsockname()[0]
