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
COPIES = {"mov": "video/quicktime", "mkv": "video/x-matroska"}
COPY_SECONDS = 1.5
SYNC_MS = 20
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


def copy_roll(roll, path):
    """Copies the first flashes and beeps of a roll into another container."""
    command = ["ffmpeg", "-v", "error", "-y", "-i", roll, "-t", str(COPY_SECONDS), "-c", "copy", path]
    subprocess.run(command, check=True, timeout=60)
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

    def roll_ready(self, asset, verb, body=None):
        """Repeats it until all is there; returns the first answer, from which on something else may be seen, and the last."""
        answers = []

        def is_ready():
            # From a place it would begin anew each time.
            answers.append(self.roll(asset, verb, None if answers else body))
            return answers[-1]["ready"]

        wait_until(is_ready, 10, lambda: f"{asset} is not ready: {answers}", 0.2)
        return answers[0], answers[-1]

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
    """An MP4 and a WebM, played one after the other, then shorter a MOV and a Matroska file, and what the answers told."""
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
        asked, paused = stage.roll_ready(asset["id"], "pause", {"positionMs": 0})
        assert paused["media"]["state"] == "paused", paused
        stage.answers[f"{name} asked"], stage.answers[f"{name} paused"] = asked, paused
        stage.wait_program_time(paused["programTime"] + 2000)
        stage.note(name, lambda: stage.roll(asset["id"], "play"), hold=SECONDS + 4)
        wait_until(lambda: stage.scene()[0].get("media") is None, 5, lambda: f"it is still there: {stage.scene()}")
    for name, kind in COPIES.items():
        copy = stage.upload(copy_roll(folder / "roll.mp4", folder / f"roll.{name}"), kind)
        stage.roll_ready(copy["id"], "pause", {"positionMs": 0})
        stage.note(name, lambda: stage.roll(copy["id"], "play"), hold=COPY_SECONDS)
        wait_until(lambda: stage.scene()[0].get("media") is None, 5, lambda: f"it is still there: {stage.scene()}")
    stage.long = mp4["id"]
    return stage


def is_ground(frame):
    return is_near(frame.mean(10, 10, 20, 10), GROUND)


def is_white(frame):
    return is_near(frame.mean(20, 10, 20, 10), WHITE, 60)


def is_roll(frame):
    return is_white(frame) or is_near(frame.mean(20, 10, 20, 10), BLUE, 50)


@pytest.mark.parametrize("name", ["mp4", "webm"])
def test_a_roll_is_seen_from_the_time_of_its_answer_and_the_scene_comes_back(played, name):
    asked, paused, start = (played.answers[label]["programTime"] for label in (f"{name} asked", f"{name} paused", name))
    # So many pictures were late, or did not come, because the machine had no time for them: what came before stands until then.
    late = played.hitches(paused, start - paused) + played.hitches(start, 1000 * SECONDS)
    before = played.decoded.between(asked - 500, asked - 3 * FRAME_MS)
    assert all(map(is_ground, [*before, played.decoded.at(asked - 3 * FRAME_MS)]))
    # Its first picture is a flash.
    standing = played.decoded.between(paused + 3 * FRAME_MS, start)
    assert is_white(played.decoded.at(start - FRAME_MS)) and sum(not is_white(frame) for frame in standing) <= late
    frames = played.decoded.between(start, start + 1000 * SECONDS - 2 * FRAME_MS)
    assert frames and all(map(is_roll, frames)), [round(f.program_time - start) for f in frames if not is_roll(f)]
    flashes = rising_edges([(frame.program_time, sum(frame.mean(20, 10, 20, 10))) for frame in frames])
    off = [flash - start - 1000 * max(1, round((flash - start) / 1000)) for flash in flashes]
    print(f"{name}: flashes {[round(value) for value in off]} ms from where the answer puts them, {late} pictures were late")
    # A flash is gone where three pictures were.
    assert SECONDS - 1 - late // 2 <= len(off) < SECONDS, off
    assert sum(abs(value) > 2.5 * FRAME_MS for value in off) <= late // 2, off
    end = played.settled(name, 1000 * SECONDS + 1000)
    after = [*played.decoded.between(end, end + 500), played.decoded.at(end)]
    assert all(map(is_ground, after))
    gone = next(f.program_time for f in played.decoded.between(start + 4500, end + 500) if is_ground(f))
    print(f"{name}: the scene is back {gone - start - 1000 * SECONDS:+.0f} ms after the end of the roll")


@pytest.mark.parametrize("name", ["mp4", "webm"])
def test_a_roll_is_heard_with_its_picture(played, name):
    start = played.answers[name]["programTime"]
    end = start + 1000 * SECONDS
    # The first beep has no quiet before it: it is found by the second.
    beeps = onsets(sound_between(played.decoded, start - 500, end + 500))
    frames = played.decoded.between(start, end)
    flashes = rising_edges([(frame.program_time, sum(frame.mean(20, 10, 20, 10))) for frame in frames])
    skews, late = pair_up(flashes, beeps), played.hitches(start, 1000 * SECONDS)
    print(f"{name}: flash after beep {[round(skew) for skew in skews]} ms, {late} pictures were late")
    assert len(skews) >= SECONDS - 1 - late // 2, (flashes, beeps)
    # A picture that there was no time for makes one flash late, and not the clock.
    steady = [skew for skew in skews if abs(skew) <= 2.5 * FRAME_MS]
    assert len(skews) - len(steady) <= late // 2 and (not steady or abs(statistics.median(steady)) <= SYNC_MS), skews
    quiet = played.settled(name, 1000 * SECONDS + 600)
    silent = [value for at, value in sound_between(played.decoded, quiet, quiet + 900)]
    assert silent and max(silent) < 50


@pytest.mark.parametrize("name", COPIES)
def test_other_containers_are_seen_and_heard_as_well(played, name):
    start = played.answers[name]["programTime"]
    end, late = start + 1000 * COPY_SECONDS - 2 * FRAME_MS, played.hitches(start, 1000 * COPY_SECONDS)
    frames = played.decoded.between(start, end)
    assert frames and all(map(is_roll, frames)), [round(f.program_time - start) for f in frames if not is_roll(f)]
    # The first flash has no picture without one before it.
    flashes = rising_edges([(frame.program_time, sum(frame.mean(20, 10, 20, 10))) for frame in frames])
    beeps = onsets(sound_between(played.decoded, start - 500, end))
    off = [round(at - start - 1000 * round((at - start) / 1000)) for at in flashes + beeps]
    print(f"{name}: flash and beeps {off} ms from where the answer puts them, {late} pictures were late")
    # A flash is gone where three pictures were.
    assert len(beeps) == 2 and (len(flashes) == 1 or late > 2), (flashes, beeps)
    assert late or all(abs(value) <= 2.5 * FRAME_MS for value in off), off


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
    assert len(listed) == 2 + len(COPIES), listed


def test_sound_alone_is_an_asset_of_another_kind(played):
    for name, kind, codec in (
        ("song.mp3", "audio/mpeg", "libmp3lame"), ("song.m4a", "audio/mp4", "aac"), ("song.flac", "audio/flac", "flac"),
        ("song.wav", "audio/wav", "pcm_s16le"), ("song.ogg", "audio/ogg", "libopus"), ("song.webm", "audio/webm", "libopus"),
    ):  # fmt: skip
        file = played.folder / name
        subprocess.run(
            ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "sine=440:r=48000:d=3", "-c:a", codec, file],
            check=True, timeout=120,
        )  # fmt: skip
        asset = played.upload(file.read_bytes(), kind)
        assert asset["kind"] == "audio" and abs(asset["durationMs"] - 3000) <= 30 and "width" not in asset, asset
        played.admin.request("DELETE", f"{played.path}/assets/{asset['id']}", expect=204)
    problem = played.upload(played.whole, "audio/mp4", expect=415)
    assert problem["detail"] == "The file has a picture; upload it as a video.", problem
    problem = played.upload((played.folder / "song.m4a").read_bytes(), "video/mp4", expect=415)
    assert problem["detail"] == "The file has no picture track; sound alone is taken as audio.", problem
    assert len(played.admin.get(f"{played.path}/assets", expect=200).json()["items"]) == 2 + len(COPIES)


def test_bars_are_played_without_an_upload(played):
    played.note("bars", lambda: played.roll_ready("bars", "play")[1], hold=2)
    frame = played.decoded.at(played.settled("bars", 500))
    bars = [(191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0), (0, 0, 191), (0, 0, 0)]
    seen = [frame.mean(8 * index + 3, 10, 2, 10) for index in range(8)]
    assert all(is_near(one, bar, 12) for one, bar in zip(seen, bars)), seen
    played.note("no bars", lambda: played.roll("bars", "stop"), hold=2)
    assert is_ground(played.decoded.at(played.settled("no bars", 500)))


def test_a_preview_with_a_roll_is_taken_at_once_and_later_and_plays_each_time(played):
    asset = played.long
    preview = {"layout": "media-full", "slots": {"main": f"media:{asset}"}, "media": {"asset": asset, "state": "playing"}}
    played.admin.put(f"{played.path}/preview", preview, expect=200)
    before, runs = played.scene()[0], set()
    for label in ("taken", "taken again", "taken later"):
        body, status = ({"at": played.mark() + 2000}, 202) if label == "taken later" else ({}, 200)
        answer = played.note(label, lambda: played.admin.post(f"{played.path}/take", body, expect=status).json(), hold=0)
        run = answer["media"]["run"]
        assert run not in runs, (run, runs)
        runs.add(run)
        wait_until(lambda: played.scene()[0].get("media", {}).get("run") == run, 10, lambda: f"{label}: {played.scene()}", 0.05)
        wait_until(lambda: "media" not in played.scene()[0], SECONDS + 20, lambda: f"{label}: it stays: {played.scene()}", 0.05)
        assert played.scene()[0] == before
        over = f"{label}: over"
        played.note(over, lambda: played.admin.patch(f"{played.path}/program", {}, expect=200).json(), hold=2)
        start = played.settled(label, 2000)
        frames = played.decoded.between(start, start + 1500)
        # It runs: it flashes once a second.
        assert frames and all(map(is_roll, frames)) and any(map(is_white, frames)) and not all(map(is_white, frames)), label
        assert is_ground(played.decoded.at(played.settled(over, 500))), label


def test_a_roll_whose_process_dies_gives_the_scene_back(played):
    asset = played.long
    start = played.roll(asset, "play")
    compositor = played.studio.process("compositor")
    reader = wait_until(
        lambda: next(
            (one for one in processes.of_session(played.studio.supervisor.pid) if "roll" in one.arguments[1:2]), None
        ), 5, "no process reads the roll", 0.02,
    )  # fmt: skip
    reader.kill()
    wait_until(lambda: played.scene()[0].get("media") is None, 10, "the roll stays in the scene", 0.05)
    ended = played.note("died", lambda: played.admin.patch(f"{played.path}/program", {}, expect=200).json(), hold=2)
    assert is_ground(played.decoded.at(played.settled("died", 500)))
    assert compositor.is_running(), "the compositor did not outlive the roll"
    played.recorder.assert_clean()
    assert ended["programTime"] > start["programTime"]
