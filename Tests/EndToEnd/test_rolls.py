"""Video rolls: uploaded, played on the program, found in its decoded picture and sound when the answers say, and gone after
their end. What is no video is refused, and nothing on stage changes.

The rolls flash white and beep in the first tenth of each second. They are made by ffmpeg for the run.
"""

import statistics
import subprocess

import pytest

from harness import processes
from harness.picture import FRAME_MS, is_near, rising_edges
from harness.show import Show
from harness.sound import onsets, pair_up, sound_between
from harness.waiting import wait_until

GROUND = (200, 110, 20)
BLUE = (32, 64, 128)
WHITE = (255, 255, 255)
SECONDS = 5
SYNC_MS = 40
PLAIN = {"layout": "full", "background": "#C86E14"}


def make_roll(path, *codecs, rate=30, seconds=SECONDS):
    """Makes a roll that flashes and beeps in the first tenth of each second."""
    subprocess.run(
        [
            "ffmpeg", "-v", "error", "-y",
            "-f", "lavfi", "-i",
            f"color=0x204080:s=1280x720:r={rate}:d={seconds},drawbox=w=iw:h=ih:t=fill:c=white:enable='lt(mod(t,1),0.095)'",
            "-f", "lavfi", "-i", f"aevalsrc='0.5*sin(2*PI*1000*t)*lt(mod(t,1),0.1)':s=44100:d={seconds}",
            "-pix_fmt", "yuv420p", "-colorspace", "bt709", *codecs, path,
        ],
        check=True, timeout=120,
    )  # fmt: skip
    return path.read_bytes()


class Stage(Show):
    """A running event with nobody in it, recorded."""

    def open(self):
        self.begin()
        return self.record()

    def upload(self, data, kind, expect=201):
        answer = self.admin.request(
            "POST", f"{self.path}/assets", data=data, headers={"Content-Type": kind}, expect=expect, timeout=60
        )
        return answer.json()

    def roll(self, asset, verb, body=None):
        return self.admin.post(f"{self.path}/media/{asset}/{verb}", body or {}, expect=200).json()

    def scene(self):
        answer = self.admin.get(f"{self.path}/program", expect=200)
        return answer.json(), answer.headers["ETag"]


@pytest.fixture(scope="module")
def stage(make_studio, artefacts, tmp_path_factory):
    studio = make_studio("rolls", "--preset", "ultrafast", "--program-preset", "ultrafast")
    stage = Stage(studio, artefacts, tmp_path_factory.mktemp("rolls"))
    try:
        yield stage.open()
    finally:
        stage.close()
        studio.stop()


@pytest.fixture(scope="module")
def played(stage):
    """An MP4 and a WebM, played one after the other, and what the answers told."""
    folder = stage.folder
    h264 = make_roll(folder / "roll.mp4", "-c:v", "libx264", "-preset", "veryfast", "-c:a", "aac", "-movflags", "+faststart")
    vp9 = make_roll(folder / "roll.webm", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "2M",
                    "-c:a", "libopus", rate=25)  # fmt: skip
    stage.whole = h264
    mp4, webm = stage.upload(h264, "video/mp4"), stage.upload(vp9, "video/webm")
    for asset in (mp4, webm):
        assert asset["kind"] == "video" and (asset["width"], asset["height"]) == (1280, 720), asset
        assert abs(asset["durationMs"] - 1000 * SECONDS) < 100, asset
    stage.show(PLAIN, "plain", hold=1)
    for name, asset in (("mp4", mp4), ("webm", webm)):
        # It stands at its first picture, and then runs: what is loaded already is there at once.
        paused = stage.roll(asset["id"], "pause")
        assert paused["ready"] and paused["media"]["state"] == "paused", paused
        stage.answers[f"{name} paused"] = paused
        stage.wait_program_time(paused["programTime"] + 1000)
        stage.note(name, lambda: stage.roll(asset["id"], "play"), hold=SECONDS + 2)
        assert stage.scene()[0].get("media") is None, stage.scene()
    return stage


def is_ground(frame):
    return is_near(frame.mean(10, 10, 20, 10), GROUND)


def is_white(frame):
    return is_near(frame.mean(20, 10, 20, 10), WHITE, 60)


def is_roll(frame):
    return is_white(frame) or is_near(frame.mean(20, 10, 20, 10), BLUE, 50)


@pytest.mark.parametrize("name", ["mp4", "webm"])
def test_a_roll_is_seen_from_the_time_of_its_answer_and_the_scene_comes_back(played, name):
    paused, start = played.answers[f"{name} paused"]["programTime"], played.answers[name]["programTime"]
    before = played.decoded.between(paused - 500, paused - 3 * FRAME_MS)
    assert before and all(map(is_ground, before))
    # Its first picture is a flash.
    standing = played.decoded.between(paused + 3 * FRAME_MS, start)
    # A machine without time leaves every second picture out.
    assert len(standing) >= (start - paused) / FRAME_MS / 2 - 5 and all(map(is_white, standing))
    frames = played.decoded.between(start, start + 1000 * SECONDS - 2 * FRAME_MS)
    assert all(map(is_roll, frames)), [round(f.program_time - start) for f in frames if not is_roll(f)]
    flashes = rising_edges([(frame.program_time, sum(frame.mean(20, 10, 20, 10))) for frame in frames])
    off = [flash - start - 1000 * (index + 1) for index, flash in enumerate(flashes)]
    print(f"{name}: flashes {[round(value) for value in off]} ms from where the answer puts them")
    assert len(off) == SECONDS - 1 and all(abs(value) <= 2.5 * FRAME_MS for value in off), off
    after = played.decoded.between(start + 1000 * SECONDS + 1000, start + 1000 * SECONDS + 1500)
    assert after and all(map(is_ground, after))
    gone = next(f.program_time for f in played.decoded.between(start + 4500, start + 1000 * SECONDS + 1500) if is_ground(f))
    print(f"{name}: the scene is back {gone - start - 1000 * SECONDS:+.0f} ms after the end of the roll")


@pytest.mark.parametrize("name", ["mp4", "webm"])
def test_a_roll_is_heard_with_its_picture(played, name):
    start = played.answers[name]["programTime"]
    end = start + 1000 * SECONDS
    # The first beep has no quiet before it: it is found by the second.
    beeps = onsets(sound_between(played.decoded, start - 500, end + 500))
    frames = played.decoded.between(start, end)
    flashes = rising_edges([(frame.program_time, sum(frame.mean(20, 10, 20, 10))) for frame in frames])
    skews = pair_up(flashes, beeps)
    print(f"{name}: flash after beep {[round(skew) for skew in skews]} ms")
    assert len(skews) >= SECONDS - 1, (flashes, beeps)
    # A picture that is left out for want of time makes one flash late, and not the clock.
    assert abs(statistics.median(skews)) <= SYNC_MS and all(abs(skew) <= 2.5 * FRAME_MS for skew in skews), skews
    silent = [value for at, value in sound_between(played.decoded, end + 600, end + 1500)]
    assert silent and max(silent) < 50


def test_what_is_no_video_is_refused_and_nothing_on_stage_changes(played):
    before = played.scene()
    whole = played.whole
    cases = [
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttps://127.0.0.1/a.ts\n", "an HLS playlist"),
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "a list of files"),
        (whole[: len(whole) // 2], "cut off"),
        (whole[:64], "no picture track"),
        (b"", "neither MP4"),
    ]
    for data, reason in cases:
        problem = played.upload(data, "video/mp4", expect=415)
        assert reason in problem["detail"], problem
    assert played.scene() == before
    listed = played.admin.get(f"{played.path}/assets", expect=200).json()["items"]
    assert len(listed) == 2, listed


def test_bars_are_played_without_an_upload(played):
    answer = played.note("bars", lambda: played.roll("bars", "play"), hold=1)
    assert answer["ready"], answer
    frame = played.decoded.at(answer["programTime"] + 500)
    bars = [(191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0), (0, 0, 191), (0, 0, 0)]
    seen = [frame.mean(8 * index + 3, 10, 2, 10) for index in range(8)]
    assert all(is_near(one, bar, 12) for one, bar in zip(seen, bars)), seen
    played.note("no bars", lambda: played.roll("bars", "stop"), hold=0.5)
    assert is_ground(played.decoded.at(played.answers["no bars"]["programTime"] + 300))


def test_a_roll_whose_process_dies_gives_the_scene_back(played):
    asset = played.admin.get(f"{played.path}/assets", expect=200).json()["items"][0]["id"]
    start = played.roll(asset, "play")
    compositor = played.studio.process("compositor")
    reader = wait_until(
        lambda: next(
            (one for one in processes.of_session(played.studio.supervisor.pid) if "roll" in one.arguments[1:2]), None
        ), 5, "no process reads the roll", 0.02,
    )  # fmt: skip
    reader.kill()
    wait_until(lambda: played.scene()[0].get("media") is None, 10, "the roll stays in the scene", 0.05)
    ended = played.note("died", lambda: played.admin.patch(f"{played.path}/program", {}, expect=200).json(), hold=1)
    assert is_ground(played.decoded.at(ended["programTime"] + 500))
    assert compositor.is_running(), "the compositor did not outlive the roll"
    played.recorder.assert_clean()
    assert ended["programTime"] > start["programTime"]
