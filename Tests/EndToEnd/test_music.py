"""Music under the program, found in its decoded sound: a tone that begins again every three seconds, goes down while somebody
speaks, goes on through a take, and goes without a click.
"""

import statistics

import pytest

from harness.files import make_tone
from harness.show import Show
from harness.sound import RATE, decibels, levels, sharpest_bend, waveform
from harness.speakers import Tone, WhipSpeaker
from harness.waiting import wait_until

FREQUENCY, LEVEL = 500, 0.25
SPEAKER = "Tina Tone"
PLAIN = {"layout": "full", "background": "#204080"}


@pytest.fixture(scope="module")
def stage(make_studio, artefacts, tmp_path_factory):
    studio = make_studio("music", "--preset", "ultrafast", "--program-preset", "ultrafast")
    stage = Show(studio, artefacts, tmp_path_factory.mktemp("music"))
    try:
        stage.begin()
        yield stage.record()
    finally:
        stage.close()
        studio.stop()


def upload(stage, path, kind):
    answer = stage.admin.request(
        "POST", f"{stage.path}/assets", data=path.read_bytes(), headers={"Content-Type": kind}, expect=201, timeout=60
    )
    return answer.json()


def order(stage, asset, verb, body=None):
    return stage.admin.post(f"{stage.path}/media/{asset}/{verb}", body or {}, expect=200).json()


@pytest.fixture(scope="module")
def played(stage):
    """All that happens to the music, one after the other."""
    piece = upload(stage, make_tone(stage.folder / "tone.wav", FREQUENCY, 3), "audio/wav")
    assert piece["kind"] == "audio" and abs(piece["durationMs"] - 3000) <= 1, piece
    stage.asset = piece["id"]
    stage.show(PLAIN, "plain", hold=2)
    answer = stage.note("begun", lambda: order(stage, stage.asset, "play"), hold=8)
    assert answer["ready"] and answer["music"]["state"] == "playing" and answer["media"] is None, answer

    with WhipSpeaker(stage.bearer(name=SPEAKER), stage.event, [Tone]) as speaker:
        speaker.publish()
        stage.put_on_stage(stage.participant(SPEAKER))

        def ducking():
            return stage.admin.get(f"{stage.path}/program/sound", expect=200).json()["duckingDb"]

        wait_until(lambda: ducking() <= -11.9, 20, "nobody is heard to speak", 0.1)
        stage.wait_program_time(stage.mark("speech") + 3000)
    wait_until(lambda: ducking() >= -0.1, 20, "they are heard to speak on and on", 0.1)
    stage.wait_program_time(stage.mark("alone") + 2000)

    preview = {"layout": "grid", "background": "#C86E14", "audio": {"music": {"asset": stage.asset, "state": "playing"}}}
    stage.admin.put(f"{stage.path}/preview", preview, expect=200)
    taken = stage.note("taken", lambda: stage.admin.post(f"{stage.path}/take", {"transition": "fade"}, expect=200).json(), hold=3)
    assert taken["layout"] == "grid" and taken["audio"]["music"]["run"] == answer["music"]["run"], taken
    paused = stage.note("paused", lambda: order(stage, stage.asset, "pause"), hold=3)
    assert paused["music"]["state"] == "paused", paused
    stage.note("resumed", lambda: order(stage, stage.asset, "play"), hold=3)
    stopped = stage.note("stopped", lambda: order(stage, stage.asset, "stop"), hold=4)
    assert stopped["music"] is None, stopped
    return stage


def time_of(played, label):
    return played.answers[label]["programTime"]


def heard(played, begin, end, window_ms=50):
    """Returns the levels of the tone between two program times, in decibels of what was uploaded."""
    found = levels(waveform(played.decoded, begin, end), FREQUENCY, window_ms)
    return [decibels(level / LEVEL) for level in found]


def is_steady(found):
    return all(abs(level) <= 1 for level in found)


def test_music_is_heard_from_the_time_of_its_answer_and_begins_again_without_a_gap(played):
    begun = time_of(played, "begun")
    before = heard(played, begun - 1000, begun - 100)
    # It comes within 0.3 s.
    first = played.settled("begun", 500)
    after = heard(played, first, begun + 7800)
    print(f"before {max(before):.0f} dB, then {min(after):+.2f} to {max(after):+.2f} dB")
    assert max(before) < -50
    assert len(after) > 100 and is_steady(after), after
    steady = sharpest_bend(waveform(played.decoded, begun + 1000, begun + 2000))
    bends = sharpest_bend(waveform(played.decoded, begun - 500, begun + 7800))
    print(f"bends of at most {bends:.5f}, {steady:.5f} in the tone itself")
    assert bends <= 4 * steady


def test_music_makes_way_for_who_speaks_by_12_decibels(played):
    speech = time_of(played, "speech")
    # A machine that stands still breaks the speech off, and the music comes back for a moment.
    found = heard(played, speech + 500, speech + 2500, window_ms=500)
    print(f"under speech {[round(level, 1) for level in found]} dB")
    assert abs(statistics.median(sorted(found)[:2]) + 12) <= 2, found
    alone = time_of(played, "alone")
    assert is_steady(heard(played, alone + 500, alone + 1500))


def test_music_goes_on_through_a_take_that_names_it(played):
    taken = time_of(played, "taken")
    found = heard(played, taken - 1000, taken + 2500)
    print(f"through the take {min(found):+.2f} to {max(found):+.2f} dB")
    assert is_steady(found), found


@pytest.mark.parametrize(("label", "fade_ms"), [("paused", 300), ("stopped", 1000)])
def test_music_goes_without_a_click(played, label, fade_ms):
    moment = time_of(played, label)
    steady = sharpest_bend(waveform(played.decoded, moment - 1200, moment - 200))
    silent = played.settled(label, fade_ms + 500)
    bends = sharpest_bend(waveform(played.decoded, moment - 200, silent + 1000))
    after = heard(played, silent, silent + 1000)
    print(f"{label}: bends of at most {bends:.5f}, {steady:.5f} in the tone itself; then {max(after):.0f} dB")
    assert bends <= 4 * steady and max(after) < -60, after
    if label == "paused":
        resumed = played.settled("resumed", 500)
        assert is_steady(heard(played, resumed, time_of(played, "resumed") + 2500))


def test_music_that_does_not_loop_leaves_the_scene_at_its_end(played):
    started = order(played, played.asset, "play", {"loop": False, "audio": "mix", "positionMs": 1000})
    assert started["music"]["loop"] is False and started["music"]["positionMs"] == 1000, started

    def music():
        return played.admin.get(f"{played.path}/program", expect=200).json()["audio"].get("music")

    wait_until(lambda: music() is None, 20, lambda: f"it is still there: {music()}", 0.1)
    answer = played.admin.post(f"{played.path}/media/{played.asset}/play", {"audio": "exclusive"}, expect=422).json()
    assert answer["pointer"] == "/audio", answer
    # The preview plays it still.
    played.admin.request("DELETE", f"{played.path}/assets/{played.asset}", expect=409)
    played.admin.put(f"{played.path}/preview", PLAIN, expect=200)
    played.admin.request("DELETE", f"{played.path}/assets/{played.asset}", expect=204)
    played.recorder.assert_clean()


def test_music_goes_on_where_it_would_be_when_a_compositor_is_killed(played):
    # A tone for each second of it: 200 Hz in the first, 20 Hz more in each that follows.
    scale = upload(played, make_tone(played.folder / "scale.wav", "(200+20*floor(t))", 40), "audio/wav")["id"]
    played.note("scale", lambda: order(played, scale, "play"), hold=2)
    old = played.studio.kill_role("compositor")
    played.studio.wait_restarted("compositor", old)

    def is_shown():
        return played.admin.patch(f"{played.path}/program", {}, expect=200).json()["programTime"] is not None

    wait_until(is_shown, 20, "no compositor says when it shows what", 0.1)
    back = played.mark() + 3000
    samples, places = waveform(played.decoded, back, back + 2000), []
    for at in range(0, 2000, 100):
        window = samples[at * RATE // 1000 : (at + 100) * RATE // 1000]
        found = {second: levels(window, 200 + 20 * second, 100)[0] for second in range(40)}
        second = max(found, key=found.get)
        # Where a second ends within the window both are heard.
        assert abs(decibels(found[second] / LEVEL)) <= 6, (at, found)
        places.append((back + at + 50 - time_of(played, "scale")) / 1000 - second)
    # Each says how late the place is to a second, and all of them to a tenth.
    print(f"{max(places) - 1:+.1f} to {min(places):+.1f} s behind where it would be")
    assert max(places) - 1 <= min(places) + 0.15, places
    assert -0.1 <= min(places) and max(places) - 1 <= 3, places
    stopped = order(played, scale, "stop")
    assert stopped["music"] is None, stopped
