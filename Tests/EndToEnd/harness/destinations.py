"""RTMP servers of others, which keep what an output brings: nginx with its RTMP module, and ffmpeg."""

import json
import os
import signal
import subprocess
import time
from datetime import datetime

from .ports import free_ports
from .waiting import wait_until

NGINX = """
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 64; }}
rtmp {{
    access_log {folder}/access.log;
    server {{
        listen 127.0.0.1:{port};
        application live {{
            live on;
            record all;
            record_path {folder};
            record_unique on;
        }}
        application closed {{
            live on;
            deny publish all;
        }}
    }}
}}
"""


class Server:
    """A process that listens on a port of its own."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        [self.port] = free_ports(1)
        self.process = None

    def launch(self, command):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        return self

    def holds_files(self):
        """Whether the process has a recording open."""
        folder = f"/proc/{self.process.pid}/fd"
        try:
            return any(os.readlink(f"{folder}/{name}").endswith(".flv") for name in os.listdir(folder))
        except FileNotFoundError:  # of one that was just closed
            return True

    def end(self, how=signal.SIGTERM):
        if self.process is None or self.process.poll() is not None:
            return
        os.kill(self.process.pid, how)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.end()


class NginxServer(Server):
    """nginx: application `live` records every stream, `closed` lets nobody publish."""

    def start(self):
        configuration = self.folder / "nginx.conf"
        configuration.write_text(NGINX.format(folder=self.folder, port=self.port))
        return self.launch(["nginx", "-p", str(self.folder), "-c", str(configuration)])

    def url(self, app="live"):
        return f"rtmp://127.0.0.1:{self.port}/{app}"

    def recordings(self):
        """The files of each connection, the oldest first."""
        return sorted(self.folder.glob("*.flv"), key=lambda file: file.stat().st_mtime_ns)


class FFmpegServer(Server):
    """ffmpeg as a server for one connection at a time; each start keeps its stream in a new file."""

    def __init__(self, folder):
        super().__init__(folder)
        self.files = []

    def start(self):
        self.files.append(self.folder / f"{len(self.files) + 1}.flv")
        return self.launch([
            "ffmpeg", "-hide_banner", "-nostdin", "-nostats", "-loglevel", "warning", "-listen", "1",
            "-analyzeduration", "1000000", "-i", f"{self.url()}/key", "-c", "copy", "-flush_packets", "1",
            "-f", "flv", str(self.files[-1]),
        ])  # fmt: skip

    def url(self):
        return f"rtmp://127.0.0.1:{self.port}/live"


def wait_live(api, path, seconds):
    """Waits until the output at a path of the API has been live for so many seconds on end."""

    def is_lasting():
        found = api.get(path, expect=200).json()
        if found["state"] != "live":
            return None
        since = datetime.fromisoformat(found["changedAt"].replace("Z", "+00:00")).timestamp()
        return time.time() - since >= seconds and found

    return wait_until(is_lasting, seconds + 20, lambda: api.get(path).text, 0.2)


def inspect(path):
    """Returns the streams and packets of an FLV file, packets by type with `pts` and `dts` in milliseconds."""
    done = subprocess.run(
        [
            "ffprobe", "-v", "error", "-show_streams", "-show_entries",
            "packet=codec_type,pts,dts,flags", "-of", "json", str(path),
        ],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, f"{path}: {done.stderr}"
    found = json.loads(done.stdout)
    streams = {stream["codec_type"]: stream for stream in found["streams"]}
    packets = {"video": [], "audio": []}
    for packet in found["packets"]:
        if packet["codec_type"] in packets:
            packets[packet["codec_type"]].append(packet)
    return streams, packets


# What the compositor has counted is known some seconds later.
UNTOLD_MS = 6000


def check_program(path, seconds, lost):
    """Checks that a file holds at least so many unbroken seconds of 1080p30 H.264 and AAC, from an IDR on.

    A machine without time leaves pictures out, but no IDR and no sound; `lost` is how many the compositor has counted.
    """
    streams, packets = inspect(path)
    video, audio = streams["video"], streams["audio"]
    assert (video["codec_name"], video["width"], video["height"]) == ("h264", 1920, 1080), video
    assert (audio["codec_name"], audio["sample_rate"], audio["channels"]) == ("aac", "48000", 2), audio
    assert "K" in packets["video"][0]["flags"]
    for kind, longest in (("video", 2001), ("audio", 22)):
        stamps = [packet["dts"] for packet in packets[kind]]
        assert stamps[0] <= 30, f"{path}: {kind} begins at {stamps[0]}"
        assert stamps[-1] >= seconds * 1000, f"{path}: {kind} ends at {stamps[-1]}"
        steps = [after - before for before, after in zip(stamps, stamps[1:])]
        assert max(steps) <= longest and min(steps) >= 0, f"{path}: {kind} {max(steps)} {min(steps)}"
    stamps = [packet["dts"] for packet in packets["video"]]
    told = [at for at in stamps if at <= stamps[-1] - UNTOLD_MS]
    missing = sum(round((after - before) * 30 / 1000) - 1 for before, after in zip(told, told[1:]))
    assert missing <= lost, f"{path}: {missing} pictures are missing, {lost} are counted"
    keys = [packet["dts"] for packet in packets["video"] if "K" in packet["flags"]]
    assert all(abs(after - before - 2000) <= 1 for before, after in zip(keys, keys[1:])), keys
    # Both go on to the end; pictures may wait for the encoder, of which a key frame goes out every two seconds.
    assert abs(packets["video"][-1]["dts"] - packets["audio"][-1]["dts"]) < 2300
