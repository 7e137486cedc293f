"""A studio with the demo's event that a benchmark starts, asks and ends."""

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

REPOSITORY = Path(__file__).resolve().parents[2]
BINARY = os.environ.get("PROSCENIUM_BINARY", str(REPOSITORY / ".build/release/proscenium"))
EVENT = "demo"
RUNGS = 5
TICK = os.sysconf("SC_CLK_TCK")


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

    def print_log(self):
        """Prints the end of the log."""
        log = self.log.read_text(errors="replace").splitlines()
        # Links stand alone on their lines and are no part of the log.
        print(*(line for line in log[-25:] if line.startswith("{")), sep="\n", file=sys.stderr)

    def fetch(self, url, method="GET", headers=None, body=None):
        """Returns status, headers and bytes of an answer; a refused connection counts as status 0."""
        if url.startswith("https:") and self.tls is None:
            try:
                self.tls = ssl.create_default_context(cafile=str(self.data / "tls/certificate.pem"))
            except OSError:
                return 0, None, b""
        data = None if method == "GET" else json.dumps(body or {}).encode()
        request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=10, context=self.tls) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, b""
        except OSError:
            return 0, None, b""

    def call(self, method, path, body=None):
        """Asks Studio as its admin about the event; returns status, headers and what the JSON says."""
        status, headers, text = self.fetch(
            f"https://localhost:{self.ports['https']}/v1/events/{EVENT}{path}", method,
            {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}, body,
        )
        return status, headers, json.loads(text) if text else None

    def playlists(self):
        """Returns the addresses of the media playlists, the top rung first, and the headers that open them; none before there are."""
        status, headers, answer = self.call("POST", "/playback")
        if status != 200:
            return [], {}
        pairs = (value.partition(";")[0] for value in headers.get_all("Set-Cookie", []))
        cookies = {"Cookie": "; ".join(pair for pair in pairs if pair.startswith("CloudFront-"))}
        status, _, text = self.fetch(answer["hls"], headers=cookies)
        names = [line for line in text.decode().splitlines() if line and not line.startswith("#")]
        return [urllib.parse.urljoin(answer["hls"], name) for name in names] if status == 200 else [], cookies

    def has_segments(self):
        """Whether the master playlist is there and each of its playlists lists a segment."""
        playlists, cookies = self.playlists()
        return len(playlists) == RUNGS and all(
            b"#EXTINF" in self.fetch(url, headers=cookies)[2] for url in playlists
        )

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
        """Returns the counters of the internal listener by name, summed over their labels; buckets as `name<=bound`."""
        status, _, text = self.fetch(f"http://127.0.0.1:{self.ports['internal']}/metrics")
        if status != 200:
            raise Failure("/metrics does not answer")
        sums = {}
        for name, labels, value in re.findall(r"^(\w+)(?:\{([^}]*)\})? (\S+)$", text.decode(), re.MULTILINE):
            bound = re.search(r'le="([^"]*)"', labels)
            name = f"{name}<={bound[1]}" if bound else name
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


def run_benchmark(name, description, seconds, measure):
    """Runs a benchmark's command line; `measure` gets the installation, the seconds to wait first, those to measure, and a folder.

    It prints its tables and returns what the last line says.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=seconds, help=f"how long to measure ({seconds})")
    parser.add_argument("--warm-up", type=float, default=20, help="how long to run before that (20)")
    parser.add_argument("--keep", metavar="FOLDER", help="keeps data and log there instead of in a temporary folder")
    parser.add_argument("serve", nargs="*", help="after --: more options for `proscenium serve`")
    options = parser.parse_args()
    # Whoever ends the benchmark ends what it has started as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix=f"proscenium-{name}-") as folder:
        folder = Path(options.keep or folder)
        folder.mkdir(parents=True, exist_ok=True)
        with Installation(folder, options.serve) as installation:
            try:
                result = measure(installation, options.warm_up, options.seconds, folder)
                print(f"\n{json.dumps({'bench': name, **result}, separators=(',', ':'))}")
            except Failure as failure:
                installation.print_log()
                print(f"{name}: {failure}", file=sys.stderr)
                return 1
    return 0
