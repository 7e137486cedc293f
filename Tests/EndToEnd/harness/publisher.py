"""ffmpeg as an outside encoder: 1080p30 with a key frame every two seconds, over RTMPS."""

import subprocess
import threading

from .waiting import wait_until


class Publisher:
    """Publishes until stopped, and comes back after a break as encoders do: a new connection, stamps from zero."""

    def __init__(self, url, log, size="1920x1080", rate="3800k"):
        self.url = url
        self.size = size
        self.rate = rate
        self.log = log
        self.connections = 0
        self._stopping = threading.Event()
        self._process = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="publisher")

    def start(self):
        self._thread.start()
        return self

    @property
    def is_running(self):
        return self._process is not None and self._process.poll() is None

    def _command(self):
        return [
            "ffmpeg", "-hide_banner", "-nostdin", "-nostats", "-loglevel", "warning",
            "-re", "-f", "lavfi", "-i", f"testsrc2=size={self.size}:rate=30",
            "-re", "-f", "lavfi", "-i", "sine=frequency=440:beep_factor=4:sample_rate=48000",
            "-map", "0:v", "-map", "1:a",
            "-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", "-pix_fmt", "yuv420p", "-bf", "0",
            "-g", "60", "-keyint_min", "60", "-sc_threshold", "0",
            "-b:v", self.rate, "-maxrate", self.rate, "-bufsize", self.rate,
            "-c:a", "aac", "-b:a", "128k", "-ac", "2",
            "-f", "flv", self.url,
        ]  # fmt: skip

    def _run(self):
        while not self._stopping.is_set():
            with open(self.log, "ab") as log, self._lock:
                if self._stopping.is_set():
                    return
                self._process = subprocess.Popen(
                    self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
                self.connections += 1
            self._process.wait()
            # An encoder waits a moment before it connects again.
            self._stopping.wait(0.5)

    def stop(self):
        self._stopping.set()
        with self._lock:
            process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
        self._thread.join(10)

    def log_tail(self, lines=30):
        try:
            with open(self.log, errors="replace") as file:
                return "".join(file.readlines()[-lines:])
        except FileNotFoundError:
            return "(no log)"


def publish_once(url, seconds=10):
    """Tries to publish a small picture; returns ffmpeg's exit status and what it said, None when it went on."""
    command = [
        "ffmpeg", "-hide_banner", "-nostdin", "-nostats", "-loglevel", "error",
        "-re", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30", "-c:v", "libx264", "-preset", "ultrafast",
        "-g", "60", "-pix_fmt", "yuv420p", "-f", "flv", url,
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until(lambda: process.poll() is not None, seconds, "still publishing")
    except AssertionError:
        process.kill()
        process.communicate()
        return None, ""
    return process.returncode, process.communicate()[1]
