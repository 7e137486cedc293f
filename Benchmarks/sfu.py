"""What forwarding costs, beside Janus's video room and beside the bare limit of the machine, in one run.

Each server gets one core and the load tool the other: four speakers with 720p VP8 and Opus, and as many subscribers as fill most
of the server's core. CPU seconds of the server's process count, user and system; the medians of the runs. The bare limit is
AES-GCM by OpenSSL and sendmmsg for the same datagrams. Then both forward at half of that load, for the way of the packets.
"""

import argparse
import ctypes
import json
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
BINARY = os.environ.get("PROSCENIUM_BINARY", str(REPOSITORY / ".build/release/proscenium"))
PACKAGES = "janus util-linux gcc libc6-dev"
PUBLISHERS = 4
PLUGINS = [Path("/usr/lib") / triple / "janus" for triple in ("x86_64-linux-gnu", "aarch64-linux-gnu")]
NAMES = {"gcm": "AEAD_AES_128_GCM", "cm": "AES_CM_128_HMAC_SHA1_80"}


class Failure(Exception):
    """What the benchmark ends with when there is nothing to measure."""


def missing():
    """Returns what has to be installed first."""
    return [tool for tool in ("janus", "taskset", "gcc") if shutil.which(tool) is None]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def host_address():
    """Returns an IPv4 address of this machine that is not loopback: Janus gathers no other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
            address = probe.getsockname()[0]
        except OSError:
            address = "127.0.0.1"
    if address.startswith("127."):
        raise Failure("this machine has no IPv4 address but loopback, and Janus gathers no candidate there")
    return address


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Server:
    """A server on core 0, as a process that can be measured."""

    common = []  # what every load is asked besides

    def __init__(self, folder, address):
        self.folder, self.address, self.process = Path(folder), address, None

    def start(self, command, preload=None, **environment):
        log = open(self.folder / f"{self.name}.log", "ab")
        # The library goes into the server only, not into the tool that pins it.
        pinned = ["taskset", "-c", "0"] + (["env", f"LD_PRELOAD={preload}"] if preload else []) + command
        self.process = subprocess.Popen(
            pinned, stdin=subprocess.PIPE, stdout=log, stderr=log, preexec_fn=die_with_parent, cwd=self.folder,
            env=os.environ | environment,
        )  # fmt: skip
        log.close()
        return self

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def tail(self):
        return (self.folder / f"{self.name}.log").read_text(errors="replace")[-1500:]

    def load(self, *options, seconds, subscribers, publishers=PUBLISHERS, rooms=1, srtp="gcm"):
        """Makes load on it from core 1; returns the line of the load tool."""
        command = [
            # Janus's ICE does not answer loopback addresses, so each peer has a port, with both.
            "taskset", "-c", "1", BINARY, "load", *self.joining(), "--own-sockets", "--pid", str(self.process.pid), "--seconds", str(seconds),
            "--subscribers", str(subscribers), "--publishers", str(publishers), "--rooms", str(rooms), "--srtp", srtp, *Server.common, *options,
        ]  # fmt: skip
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            raise Failure(f"the load on {self.name} failed: {done.stderr.strip()[-600:]}\n{self.tail()}")
        return json.loads(done.stdout.strip().splitlines()[-1])


class Ours(Server):
    """Proscenium's SFU worker; the load tool stands where Studio does, and commands it."""

    name = "proscenium"

    def __init__(self, folder, address, segments=True, preload=None, **environment):
        super().__init__(folder, address)
        self.control = free_port()
        self.start(
            [BINARY, "sfu", "--studio", f"http://127.0.0.1:{self.control}", "--bind-address", address, "--media-address", address,
             "--media-port", str(free_port()), "--log-level", "warning"] + ([] if segments else ["--segment-run", "0"]),
            preload, **environment,
        )  # fmt: skip
        # Whoever stands where Studio does looks at no token.
        self.process.stdin.write(b"bench\n")
        self.process.stdin.close()

    def joining(self):
        return ["--peer", "sfu", "--control-port", str(self.control)]


class Janus(Server):
    """Janus's video room: its defaults, ICE-lite as ours, nothing loaded that is not needed."""

    name = "janus"

    def __init__(self, folder, address, event_loops=0):
        super().__init__(folder, address)
        self.port = free_port()
        # A port may come again.
        conf, base = Path(tempfile.mkdtemp(prefix="janus-", dir=self.folder)), next((path for path in PLUGINS if path.exists()), None)
        if base is None:
            raise Failure("Janus's plugins are not where Debian puts them")
        for part, library in (("plugins", "libjanus_videoroom.so"), ("transports", "libjanus_websockets.so")):
            (conf / part).mkdir(parents=True)
            (conf / part / library).symlink_to(base / part / library)
        (conf / "loggers").mkdir()
        loops = f"event_loops = {event_loops}" if event_loops else ""
        (conf / "janus.jcfg").write_text(
            f'general: {{ configs_folder = "{conf}" plugins_folder = "{conf}/plugins" transports_folder = "{conf}/transports"'
            f' loggers_folder = "{conf}/loggers" debug_level = 2 session_timeout = 600 {loops} }}\n'
            f'nat: {{ ice_lite = true ice_enforce_list = "{address}" }}\nmedia: {{ }}\nplugins: {{ }}\ntransports: {{ }}\n'
        )
        (conf / "janus.transport.websockets.jcfg").write_text(
            f'general: {{ json = "compact" ws = true ws_port = {self.port} ws_ip = "127.0.0.1" }}\n'
        )
        (conf / "janus.plugin.videoroom.jcfg").write_text("general: { }\n")
        self.start(["janus", "-F", str(conf), "-C", str(conf / "janus.jcfg"), "-o"])
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise Failure(f"Janus does not listen\n{self.tail()}")

    def joining(self):
        return ["--peer", "janus", "--url", f"ws://127.0.0.1:{self.port}"]


def once(make, *options, **load):
    """Starts a server, measures one load on it, and stops it."""
    server = make()
    try:
        return server.load(*options, **load)
    finally:
        server.stop()


def limit(seconds, subscribers):
    """Measures the bare limit."""
    command = [BINARY, "load", "limit", "--seconds", str(seconds), "--subscribers", str(min(1000, subscribers))]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise Failure(f"the limit could not be measured: {done.stderr.strip()[-600:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def fitting(seen, share, most=1000):
    """How many subscribers use such a share of the server's core, by what a smaller load has cost."""
    each = seen["packetsPerSecond"] / seen["subscribers"]
    return max(2, min(most, int(seen["packetsPerCPUSecond"] * share / each)))


def allocations(make, folder, seconds):
    """Returns how many allocations come with a forwarded packet, and how many there are for each in all.

    Reports, checks and heartbeats allocate with time. So the same people send once little and once much: what grows with the
    packets is the packets'.
    """
    library = Path(folder) / "allocations.so"
    source = REPOSITORY / "Tests/EndToEnd/harness/allocations.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", str(library), str(source)], check=True)
    points = []
    for bitrate in (300_000, 2_400_000):
        counts = Path(folder) / f"allocations-{bitrate}"
        server = make(preload=str(library), PROSCENIUM_ALLOCATIONS=str(counts))
        try:
            seen = server.load(
                "--bitrate", str(bitrate), "--allocations", str(counts), seconds=seconds, subscribers=20, publishers=2
            )
        finally:
            server.stop()
        points.append((seen["packetsReceived"], seen["allocations"]))
    (few, less), (many, more) = points
    # Chance may give the smaller load more of what comes with time.
    return max(0.0, (more - less) / (many - few)), more / many


def scaling(make, name, counts, seconds):
    """Prints what a subscriber costs as they grow, each getting one speaker; returns the memory of one at the largest number."""
    # 1000 subscribers of a large picture would be more than one core's work.
    print(f"\n{name}: one speaker of 300 kbit/s\n{'subscribers':>12}{'packets/s':>12}{'µs of CPU each packet':>24}{'p99 ms':>9}{'kB each':>9}{'lost %':>8}")
    memory = 0
    for count in counts:
        seen = once(make, "--bitrate", "300000", seconds=seconds, subscribers=count, publishers=1)
        memory = (seen["serverMemoryKB"] - seen["serverMemoryBeforeKB"]) / count
        print(
            f"{count:>12}{seen['packetsPerSecond']:>12.0f}{1e6 / max(1, seen['packetsPerCPUSecond']):>24.2f}"
            f"{seen.get('latencyP99Ms', 0):>9.2f}{memory:>9.0f}{seen['lossPercent']:>8.2f}", flush=True,
        )  # fmt: skip
    return memory


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="how often each is measured (5)")
    parser.add_argument("--seconds", type=int, default=6, help="how long each measurement is (6)")
    parser.add_argument("--settle", type=int, default=15, help="how long everything flows before, until each line is known to carry it (15)")
    parser.add_argument("--no-feedback", action="store_true", help="subscribers do not tell when packets came, so that no line is measured")
    parser.add_argument("--profiles", default="gcm,cm", help="the SRTP profiles (gcm,cm); the first one, as the server runs, is in the last line")
    parser.add_argument("--share", type=float, default=0.7, help="how much of its core a server is to use, 0.1 to 0.9 (0.7)")
    parser.add_argument("--scaling", action="store_true", help="also 1 to 1000 subscribers, and 50 speakers with 50 subscribers")
    options = parser.parse_args()
    if not 0.1 <= options.share <= 0.9 or options.runs < 1 or options.seconds < 1 or not set(options.profiles.split(",")) <= set(NAMES):
        parser.error("share is 0.1 to 0.9, runs and seconds at least 1, profiles of gcm and cm")
    gone = missing()
    if gone:
        print(f"sfu: missing: {', '.join(gone)}\napt-get install {PACKAGES}", file=sys.stderr)
        return 2
    if (os.cpu_count() or 1) < 2:
        print("sfu: two cores are needed, one for the server and one for the load", file=sys.stderr)
        return 2
    Server.common = ["--settle", str(options.settle)] + (["--no-feedback"] if options.no_feedback else [])
    # A socket for each peer.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most if most != resource.RLIM_INFINITY else 65_536, most))
    with tempfile.TemporaryDirectory(prefix="proscenium-bench-") as folder:
        try:
            print(f"\n{json.dumps(measure(options, folder), separators=(',', ':'))}")
        except Failure as failure:
            print(f"sfu: {failure}", file=sys.stderr)
            return 1
    return 0


def measure(options, folder):
    """Runs everything, prints the tables, and returns what the last line says."""
    address, seconds = host_address(), options.seconds
    profiles = options.profiles.split(",")
    makers = {
        # Like the limit and like Janus, one message for each datagram; then as it is run.
        "proscenium": lambda: Ours(folder, address, segments=False),
        "segmented": lambda **more: Ours(folder, address, **more),
    }
    # As Debian has it, with a thread for each peer; and with one event loop for all, which suits one core.
    makers |= {"janus": lambda: Janus(folder, address), "janus, loop": lambda: Janus(folder, address, event_loops=1)}
    sizes = {name: fitting(once(make, seconds=3, subscribers=12 if "janus" in name else 40), options.share) for name, make in makers.items()}
    print(f"subscribers: {sizes}", flush=True)
    found = {(name, profile): [] for name in makers for profile in profiles}
    limits = []
    for run in range(options.runs):
        limits.append(limit(3, sizes["proscenium"]))
        for profile in profiles:
            for name, make in makers.items():
                found[name, profile].append(once(make, seconds=seconds, subscribers=sizes[name], srtp=profile))
        line = ", ".join(f"{name} {profile} {seen[-1]['packetsPerCPUSecond']:.0f}" for (name, profile), seen in found.items())
        print(f"run {run + 1} of {options.runs}: limit {limits[-1]['packetsPerCPUSecond']:.0f}, {line}", flush=True)
    half = {name: [once(make, seconds=seconds, subscribers=max(1, sizes[name] // 2)) for _ in range(options.runs)] for name, make in makers.items()}
    # A picture goes to all at once, so who has more subscribers takes longer: the same number for all, too.
    few = max(1, min(sizes.values()) // 2)
    alike = {name: [once(make, seconds=seconds, subscribers=few) for _ in range(options.runs)] for name, make in makers.items()}

    def median(seen, key):
        return statistics.median(one[key] for one in seen)

    best = statistics.median(one["packetsPerCPUSecond"] for one in limits)
    segmented = statistics.median(one["segmentedPacketsPerCPUSecond"] for one in limits)
    print(f"\n{'':<12}{'profile':<26}{'packets/CPU s':>14}{'of the limit':>14}{'CPU':>7}{'lost %':>8}{'dropped':>9}{'kB/subscriber':>15}")
    kilobytes = {}
    for (name, profile), seen in found.items():
        rate = median(seen, "packetsPerCPUSecond")
        kilobytes[name, profile] = statistics.median((one["serverMemoryKB"] - one["serverMemoryBeforeKB"]) / one["subscribers"] for one in seen)
        busy = statistics.median(one["serverCPUSeconds"] / one["seconds"] for one in seen)
        if any(one["profile"] != NAMES[profile] for one in seen):
            raise Failure(f"{name} did not agree to {profile}")
        print(
            f"{name:<12}{NAMES[profile]:<26}{rate:>14.0f}{rate / best:>14.0%}{busy:>7.0%}{median(seen, 'lossPercent'):>8.2f}"
            f"{median(seen, 'kernelDrops'):>9.0f}{kilobytes[name, profile]:>15.0f}"
        )  # fmt: skip
    print(f"{'bare limit':<12}{NAMES['gcm']:<26}{best:>14.0f}   with segmentation {segmented:.0f}")
    for title, table in (("half of that load", half), (f"{few} subscribers each", alike)):
        print(f"\nat {title}:")
        for name, seen in table.items():
            print(f"{name:<12}p50 {median(seen, 'latencyP50Ms'):.2f} ms, p99 {median(seen, 'latencyP99Ms'):.2f} ms, lost {median(seen, 'lossPercent'):.2f} %")
    each, all_together = allocations(makers["segmented"], folder, seconds)
    print(f"allocations: {each:.4f} with each packet; {all_together:.3f} for each packet with those that come with time")
    if options.scaling:
        for name, counts in (("segmented", (1, 10, 100, 300, 1000)), ("janus", (1, 10, 50, 100))):
            scaling(makers[name], name, counts, seconds)
        for name, make in makers.items():
            small = ("--width", "320", "--height", "180", "--bitrate", "100000")
            seen = once(make, *small, seconds=seconds, subscribers=50, publishers=50)
            print(f"{name}: 50 speakers, 50 subscribers: {seen['packetsPerSecond']:.0f} packets/s, {seen['packetsPerCPUSecond']:.0f} per CPU s, lost {seen['lossPercent']:.2f} %")
    ours, each_alone, theirs = (found[name, profiles[0]] for name in ("segmented", "proscenium", "janus"))
    return {
        "bench": "sfu",
        "packetsPerCPUSecond": round(median(ours, "packetsPerCPUSecond")),
        "unsegmentedPacketsPerCPUSecond": round(median(each_alone, "packetsPerCPUSecond")),
        "janusPacketsPerCPUSecond": round(median(theirs, "packetsPerCPUSecond")),
        "limitPacketsPerCPUSecond": round(best),
        "p99Ms": round(median(half["segmented"], "latencyP99Ms"), 3),
        "janusP99Ms": round(median(half["janus"], "latencyP99Ms"), 3),
        "kBPerSubscriber": round(kilobytes["segmented", profiles[0]]),
        "allocationsPerPacket": round(each, 3),
    }


if __name__ == "__main__":
    sys.exit(main())
