"""ffprobe, as an opinion on our segments that is not ours."""

import json
import subprocess
from dataclasses import dataclass

CLOCK = 90_000


@dataclass(frozen=True)
class Packet:
    pts: int
    dts: int
    size: int
    is_key: bool


@dataclass(frozen=True)
class Probe:
    """The packets and streams of one segment; stamps in 1/90000 s."""

    width: int
    height: int
    video: tuple
    audio: tuple

    @property
    def first_video(self):
        return min(packet.pts for packet in self.video)

    @property
    def video_bytes(self):
        return sum(packet.size for packet in self.video)


def probe(path):
    """Reads a transport stream segment."""
    done = subprocess.run(
        [
            "ffprobe", "-v", "error", "-show_entries", "packet=codec_type,pts,dts,size,flags",
            "-show_entries", "stream=codec_name,codec_type,width,height,time_base", "-of", "json", str(path),
        ],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0 and not done.stderr.strip(), f"{path}: {done.stderr}"
    found = json.loads(done.stdout)
    streams = {stream["codec_type"]: stream for stream in found["streams"]}
    assert set(streams) == {"video", "audio"}, f"{path} has the streams {sorted(streams)}"
    assert streams["video"]["codec_name"] == "h264" and streams["audio"]["codec_name"] == "aac", streams
    packets = {"video": [], "audio": []}
    for packet in found["packets"]:
        assert "pts" in packet, f"{path}: a packet without PTS"
        packets[packet["codec_type"]].append(
            Packet(packet["pts"], packet.get("dts", packet["pts"]), int(packet["size"]), "K" in packet["flags"])
        )
    return Probe(
        streams["video"]["width"], streams["video"]["height"], tuple(packets["video"]), tuple(packets["audio"])
    )


def decode_errors(path):
    """Decodes a segment on its own; returns what the decoder complains about."""
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-i", str(path), "-f", "null", "-"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return done.stderr.strip() or ("" if done.returncode == 0 else f"exit {done.returncode}")
