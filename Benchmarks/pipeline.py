"""What the whole line costs: three synthetic speakers, compositor, ladder, HLS, on one machine.

Starts `proscenium serve --demo` with a data folder and ports of its own, waits for the first segments, lets it warm up, and then
measures for a minute: CPU seconds per media second and memory of each process, and frames late, repeated, dropped and missed.
"""

import argparse
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
BINARY = os.environ.get("PROSCENIUM_BINARY", str(REPOSITORY / ".build/release/proscenium"))
EVENT = "demo"
RUNGS = 5
TICK = os.sysconf("SC_CLK_TCK")
COMPOSITOR = ("emitted", "late", "missed", "dropped", "repeated")
SPEAKERS = "demo"


class Failure(Exception):
    """What the benchmark ends with when there is nothing to measure."""


def free_ports(count):
    """Returns ports that were free a moment ago, for TCP and UDP."""
    held, ports = [], []
    try:
        while len(ports) < count:
            tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
            held += [tcp, udp]
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(("127.0.0.1", tcp.getsockname()[1]))
            except OSError:
                continue
            ports.append(tcp.getsockname()[1])
    finally:
        for each in held:
            each.close()
    return ports


class Installation:
    """A running studio, and what the benchmark asks of it."""

    def __init__(self, folder, options):
        self.folder = Path(folder)
        self.data = self.folder / "data"
        names = ("https", "hls", "rtmps", "media", "internal")
        self.ports = dict(zip(names, free_ports(len(names))))
        self.log = self.folder / "serve.log"
        self.arguments = ["--data-directory", str(self.data)]
        for name, port in self.ports.items():
            self.arguments += [f"--{name}-port", str(port)]
        self.options = options
        self.token = None
        self.tls = None

    def __enter__(self):
        command = [BINARY, "token", "--role", "admin", "--data-directory", str(self.data)]
        self.token = subprocess.run(command, check=True, capture_output=True, text=True, cwd=REPOSITORY).stdout.strip()
        self.started = time.monotonic()
        with open(self.log, "wb") as log:
            self.supervisor = subprocess.Popen(
                [BINARY, "serve", "--demo", *self.arguments, *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=REPOSITORY, start_new_session=True,
            )
        return self

    def __exit__(self, *_):
        self.supervisor.send_signal(signal.SIGTERM)
        try:
            self.supervisor.wait(20)
        except subprocess.TimeoutExpired:
            self.supervisor.kill()
            self.supervisor.wait()

    def fetch(self, url, method="GET", headers=None):
        """Returns status, headers and text of an answer; a refused connection counts as status 0."""
        if url.startswith("https:") and self.tls is None:
            try:
                self.tls = ssl.create_default_context(cafile=str(self.data / "tls/certificate.pem"))
            except OSError:
                return 0, None, ""
        data = b"{}" if method == "POST" else None
        request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=5, context=self.tls) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, ""
        except OSError:
            return 0, None, ""

    def has_segments(self):
        """Whether the master playlist is there and each of its playlists lists a segment."""
        status, headers, text = self.fetch(
            f"https://localhost:{self.ports['https']}/v1/events/{EVENT}/playback", "POST",
            {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        if status != 200:
            return False
        pairs = (value.partition(";")[0] for value in headers.get_all("Set-Cookie", []))
        cookies = {"Cookie": "; ".join(pair for pair in pairs if pair.startswith("CloudFront-"))}
        master = json.loads(text)["hls"]
        status, _, text = self.fetch(master, headers=cookies)
        playlists = [line for line in text.splitlines() if line and not line.startswith("#")]
        if status != 200 or len(playlists) != RUNGS:
            return False
        return all("#EXTINF" in self.fetch(urllib.parse.urljoin(master, name), headers=cookies)[2] for name in playlists)

    def wait_segments(self, seconds=90):
        """Returns the seconds from the start of the process to the first segments."""
        while time.monotonic() - self.started < seconds:
            if self.supervisor.poll() is not None:
                raise Failure(f"serve ended with {self.supervisor.returncode}")
            if self.has_segments():
                return time.monotonic() - self.started
            time.sleep(0.1)
        raise Failure(f"no five playlists with a segment each within {seconds} s")

    def counters(self):
        """Returns the counters of the internal listener by name, summed over their labels."""
        status, _, text = self.fetch(f"http://127.0.0.1:{self.ports['internal']}/metrics")
        if status != 200:
            raise Failure("/metrics does not answer")
        sums = {}
        for name, value in re.findall(r"^(\w+)(?:\{[^}]*\})? (\S+)$", text, re.MULTILINE):
            sums[name] = sums.get(name, 0) + float(value)
        return sums

    def processes(self):
        """Returns, by pid, the role, the CPU seconds and the resident memory in MB of every process of the installation."""
        found = {}
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                stat = Path(f"/proc/{entry}/stat").read_text(errors="replace")
                arguments = Path(f"/proc/{entry}/cmdline").read_text(errors="replace").split("\0")
                status = Path(f"/proc/{entry}/status").read_text(errors="replace")
            except OSError:
                continue
            # The name stands in parentheses and may hold any character: the fields start after the last one.
            fields = stat[stat.rindex(")") + 2 :].split()
            if int(entry) != self.supervisor.pid and int(fields[1]) != self.supervisor.pid:
                continue
            resident = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
            if resident is None:
                continue
            role = "supervisor" if int(entry) == self.supervisor.pid else arguments[1]
            found[int(entry)] = (role, (int(fields[11]) + int(fields[12])) / TICK, int(resident[1]) / 1024)
        return found


def measure(installation, seconds):
    """Returns the CPU seconds per second and the memory of each process, and how far each counter went."""
    began, before, counted = time.monotonic(), installation.processes(), installation.counters()
    time.sleep(seconds)
    ended, after, counters = time.monotonic(), installation.processes(), installation.counters()
    changed = before.keys() ^ after.keys()
    if changed:
        roles = sorted({(before | after)[pid][0] for pid in changed})
        raise Failure(f"started anew or ended while it was measured: {', '.join(roles)}")
    rows = []
    for pid, (role, used, memory) in after.items():
        rows.append((role, (used - before[pid][1]) / (ended - began), memory))
    went = {name: counters[name] - counted.get(name, 0) for name in counters}
    return sorted(rows, key=lambda row: -row[1]), went, ended - began


def report(first, rows, went, seconds):
    """Prints the table, and returns what the last line says."""
    for name in COMPOSITOR:
        if f"proscenium_compositor_frames_{name}_total" not in went:
            raise Failure(f"/metrics has no proscenium_compositor_frames_{name}_total: no compositor runs")
    compositor = {name: int(went[f"proscenium_compositor_frames_{name}_total"]) for name in COMPOSITOR}
    print(f"first segment in every playlist after {first:.1f} s; then {seconds:.0f} s of media on {os.cpu_count()} CPUs\n")
    print(f"{'process':<14}{'CPU s per media s':>19}{'memory, MB':>13}")
    for role, cores, memory in rows:
        print(f"{role:<14}{cores:>19.3f}{memory:>13.0f}")
    print("\ncompositor's frames:", ", ".join(f"{count} {name}" for name, count in compositor.items()))
    prefix, suffix = "proscenium_output_frames_", "_total"
    output = {
        name.removeprefix(prefix).removesuffix(suffix): int(count)
        for name, count in sorted(went.items()) if name.startswith(prefix)
    }  # fmt: skip
    print("output's frames:    ", ", ".join(f"{count} {name}" for name, count in output.items()))
    ours = [row for row in rows if row[0] != SPEAKERS]
    return {
        "bench": "pipeline",
        "missedFrames": compositor["missed"],
        "lateFrames": compositor["late"],
        "cores": round(sum(cores for _, cores, _ in ours), 3),
        "coresWithSpeakers": round(sum(cores for _, cores, _ in rows), 3),
        "rssMB": round(sum(memory for _, _, memory in ours)),
        "firstSegmentSeconds": round(first, 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="how long to measure (60)")
    parser.add_argument("--warm-up", type=float, default=20, help="how long to run before that (20)")
    parser.add_argument("--keep", metavar="FOLDER", help="keeps data and log there instead of in a temporary folder")
    parser.add_argument("serve", nargs="*", help="after --: more options for `proscenium serve`")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="proscenium-bench-") as folder:
        folder = options.keep or folder
        Path(folder).mkdir(parents=True, exist_ok=True)
        with Installation(folder, options.serve) as installation:
            try:
                first = installation.wait_segments()
                time.sleep(options.warm_up)
                rows, went, seconds = measure(installation, options.seconds)
                print(f"\n{json.dumps(report(first, rows, went, seconds), separators=(',', ':'))}")
            except Failure as failure:
                log = installation.log.read_text(errors="replace").splitlines()
                # Links stand alone on their lines and are no part of the log.
                print(*(line for line in log[-25:] if line.startswith("{")), sep="\n", file=sys.stderr)
                print(f"pipeline: {failure}", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
