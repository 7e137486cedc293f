"""An encoder's stream as a source on the stage: seen and heard in the program, a card while it is away."""

import array
import json
import signal
import statistics
import subprocess

import pytest

from harness.destinations import FFmpegServer, wait_live
from harness.picture import AS_STAMPED, Picture, decode_still, is_near, rising_edges, run_decoder
from harness.publisher import publish_once
from harness.sound import RATE, loudness, onsets, pair_up
from harness.waiting import wait_until

GREEN, WHITE = (0, 128, 0), (255, 255, 255)
SYNC_MS = 20


class Camera:
    """ffmpeg: a green picture that flashes white with each beep, every 1.04 s; key frames each second.

    At 25 frames a second a flash begins elsewhere on the program's frames each time, in steps of a fifth of a frame.
    """

    def __init__(self, url, log):
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                [
                    "ffmpeg", "-hide_banner", "-nostdin", "-nostats", "-loglevel", "warning",
                    "-re", "-f", "lavfi", "-i",
                    "color=c=green:size=1280x720:rate=25,"
                    "drawbox=x=0:y=0:w=iw:h=ih:color=white:t=fill:enable='lt(mod(n,26),3)'",
                    "-re", "-f", "lavfi", "-i", "aevalsrc='if(lt(mod(n,49920),5760),0.6*sin(2*PI*1000*t),0)':s=48000",
                    "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-threads", "1",
                    "-pix_fmt", "yuv420p", "-g", "25", "-c:a", "aac", "-b:a", "96k", "-ac", "2", "-f", "flv", url,
                ],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(10)


class Stage:
    event = "ingests"

    def __init__(self, studio, artefacts):
        self.studio, self.admin, self.artefacts = studio, studio.admin(), artefacts
        self.path = f"/v1/events/{self.event}"
        self.admin.post("/v1/events", {"id": self.event, "title": "Ingests"}, expect=201)
        self.ingest = self.admin.post(
            f"{self.path}/ingests", {"name": "camera", "kind": "source"}, expect=201
        ).json()  # fmt: skip
        self.url = f"rtmps://127.0.0.1:{studio.ports['rtmps']}/live/{self.ingest['key']}"
        self.camera = None

    def publish(self):
        self.camera = Camera(self.url, self.artefacts / "camera.log")

    def still(self):
        """The colour in the middle of the program, as soon as there is a picture of it."""

        def drawn():
            answer = self.admin.get(f"{self.path}/program.jpg")
            return answer.content if answer.status_code == 200 else None

        return decode_still(wait_until(drawn, 15, "no picture of the program", 0.2)).mean(24, 14, 16, 8)

    def wait_still(self, colours, seconds=15):
        """Waits for a colour in the program, with an encoder that comes back when its connection is lost."""

        def is_seen():
            if self.camera.process.poll() is not None:
                self.publish()
            seen = self.still()
            return any(is_near(seen, colour) for colour in colours)

        wait_until(is_seen, seconds, lambda: f"the program shows {self.still()}", 0.2)


def stamps_ms(file, kind):
    """Returns when the pictures or the frames of sound of a file are due."""
    command = ["ffprobe", "-v", "error", "-show_entries", "packet=codec_type,pts_time", "-of", "json", str(file)]
    packets = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)["packets"]
    return [float(packet["pts_time"]) * 1000 for packet in packets if packet["codec_type"] == kind]


@pytest.fixture(scope="module")
def stage(make_studio, artefacts):
    studio = make_studio(
        "ingests", "--preset", "ultrafast", "--program-preset", "ultrafast", "--allow-private-outputs", "true"
    )
    stage = Stage(studio, artefacts)
    try:
        yield stage
    finally:
        if stage.camera:
            stage.camera.stop()
        studio.stop()


def test_a_stream_that_comes_in_is_seen_and_heard_in_the_program(stage, tmp_path):
    admin, path = stage.admin, stage.path
    admin.post(f"{path}/start", expect=202)
    scene = {"layout": "full", "slots": {"main": "ingest:camera"}}

    def show():
        shown = admin.put(f"{path}/program", scene, expect=200).json()
        return shown if shown["programTime"] else None

    answer = wait_until(show, 15, "no program", 0.3)
    assert answer["ready"] is False, answer  # a card: nobody publishes yet
    assert not is_near(stage.still(), GREEN, 60)
    stage.publish()
    stage.wait_still([GREEN, WHITE])
    with FFmpegServer(tmp_path) as server:
        made = admin.post(f"{path}/outputs", {"url": server.url(), "key": "key"}, expect=201).json()
        output = f"{path}/outputs/{made['id']}"
        wait_live(admin, output, 9)
        admin.request("DELETE", output, expect=204)
        wait_until(lambda: server.process.poll() is not None, 10, "the recording goes on")
        [file] = server.files
    size = (64, 36)
    data = run_decoder(
        ["-i", str(file), "-map", "0:v", *AS_STAMPED, "-vf", "scale=64:36:flags=area", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    )  # fmt: skip
    length = size[0] * size[1] * 3
    pictures, sounds = stamps_ms(file, "video"), stamps_ms(file, "audio")
    assert len(data) == length * len(pictures)
    frames = [Picture(*size, data[at : at + length], when) for at, when in zip(range(0, len(data), length), pictures)]
    assert pictures[-1] - pictures[0] > 6000, pictures
    colours = [frame.mean(16, 8, 32, 20) for frame in frames]
    assert all(is_near(colour, GREEN, 60) or is_near(colour, WHITE, 60) for colour in colours), colours
    sound = run_decoder(["-i", str(file), "-map", "0:a", "-ac", "1", "-ar", str(RATE), "-f", "s16le", "-"])
    samples = array.array("h", sound)
    beeps = onsets([(sounds[0] + at, value) for at, value in enumerate(loudness(samples))])
    flashes = rising_edges([(frame.program_time, sum(colour)) for frame, colour in zip(frames, colours)])
    skews = pair_up(flashes, beeps)
    print(f"flash after beep: {[round(skew) for skew in skews]} ms, {statistics.median(skews):+.1f} in the median")
    assert len(skews) >= 5, (flashes, beeps)
    assert abs(statistics.median(skews)) <= SYNC_MS, skews


def test_a_card_stands_in_while_the_stream_is_away(stage):
    stage.camera.stop()

    def is_away():
        seen = stage.still()
        return not is_near(seen, GREEN, 60) and not is_near(seen, WHITE, 60)

    wait_until(is_away, 10, "it stays", 0.2)

    def entrances():
        return stage.admin.get(f"{stage.path}/ingests", expect=200).json()["items"]

    # The listener tells Studio by another way than the program.
    wait_until(lambda: [one["isConnected"] for one in entrances()] == [False], 5, lambda: f"{entrances()}")
    stage.publish()
    stage.wait_still([GREEN, WHITE])
    wait_until(lambda: [one["isConnected"] for one in entrances()] == [True], 5, lambda: f"{entrances()}")


@pytest.mark.parametrize("role", ["compositor", "output"])
def test_it_is_seen_again_when_a_process_is_killed(stage, role):
    old = stage.studio.kill_role(role)
    stage.studio.wait_restarted(role, old)
    if role == "output":
        wait_until(lambda: stage.camera.process.poll() is not None, 15, "it publishes to nobody")
    stage.wait_still([GREEN, WHITE], 20)


def test_nobody_else_plays_a_source(stage):
    server, key = f"rtmps://127.0.0.1:{stage.studio.ports['rtmps']}", stage.ingest["key"]
    for name in (f"live/{key}", f"ingest/camera/{key}", f"ingest/camera/{stage.studio.token('admin')}"):
        done = subprocess.run(
            ["ffmpeg", "-v", "error", "-nostdin", "-i", f"{server}/{name}", "-t", "1", "-f", "null", "-"],
            capture_output=True, timeout=90,
        )  # fmt: skip
        assert done.returncode != 0, name
    status, said = publish_once(f"{server}/ingest/camera/{key}")
    assert status not in (0, None), said
