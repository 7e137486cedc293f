"""Bad days: what happens in the room does not reach the program's clock, and what is lost is counted."""

import re
import threading

import pytest

from harness.hls import Recorder
from harness.segments import FRAME_MS, probe_all
from harness.show import playing
from harness.speakers import WhipSpeaker
from harness.waiting import wait_until

EVENT = "storm"
PATH = f"/v1/events/{EVENT}"
SPEAKERS, ROUNDS = 4, 6


@pytest.fixture(scope="module")
def studio(make_studio):
    studio = make_studio("trouble", "--preset", "ultrafast", "--program-preset", "ultrafast")
    yield studio
    studio.stop()


@pytest.fixture(scope="module")
def admin(studio):
    admin = studio.admin()
    admin.post("/v1/events", {"id": EVENT, "title": "A storm"}, expect=201)
    admin.post(f"{PATH}/start", expect=202)
    return admin


@pytest.fixture(scope="module")
def recorder(studio, admin, tmp_path_factory):
    guest = studio.attendee(admin, EVENT, "Rita Recorder")
    viewer, playback = wait_until(lambda: playing(guest, EVENT), 40, lambda: studio.log_tail(), 0.2)
    with_files = Recorder(viewer, playback["hls"], tmp_path_factory.mktemp("trouble")).start()
    yield with_files
    with_files.stop()


def participants(admin):
    return admin.get(f"{PATH}/participants", expect=200).json()["items"]


def counted(studio, names):
    """Returns the sum of the compositor's counters of these names."""
    text = studio.metrics()
    return sum(
        float(value)
        for name in names
        for value in re.findall(rf"^proscenium_compositor_frames_{name}_total\{{[^}}]*\}} (\S+)$", text, re.MULTILINE)
    )  # fmt: skip


def come_and_go(studio, admin, index, errors):
    """Joins, goes on stage, leaves, as often as a storm needs; every other time without saying goodbye."""
    try:
        for turn in range(ROUNDS):
            name = f"Stormy {index}-{turn}"
            invitation = admin.post(f"{PATH}/invitations", {"role": "speaker", "name": name}, expect=201).json()
            accepted = studio.api().post(f"/v1/invitations/{invitation['token']}/accept", {}, expect=(200, 201)).json()
            with WhipSpeaker(studio.api(accepted["token"]), EVENT) as speaker:
                speaker.publish()
                person = wait_until(
                    lambda: next((entry["id"] for entry in participants(admin) if entry["name"] == name), None), 15,
                    f"{name} is not in the room",
                )  # fmt: skip
                admin.put(f"{PATH}/stage/{person}", {}, expect=(200, 204))
                if turn % 2:
                    admin.put(f"{PATH}/program", {"layout": "grid" if turn % 4 == 1 else "full"}, expect=(200, 412))
                    speaker.leave()
    except BaseException as error:  # noqa: BLE001  told by the test
        errors.append(error)


def test_a_storm_of_joins_and_leaves_does_not_touch_the_programs_frames(studio, admin, recorder):
    before = wait_until(recorder.complete_numbers, 30, "no segment is complete")[-1]
    lost = ("missed", "left_out")
    lost_before = counted(studio, lost)
    errors = []
    storm = [threading.Thread(target=come_and_go, args=(studio, admin, index, errors)) for index in range(SPEAKERS)]
    for thread in storm:
        thread.start()
    for thread in storm:
        thread.join(600)
    assert not errors and not any(thread.is_alive() for thread in storm), errors
    after = recorder.complete_numbers()[-1]
    last = wait_until(
        lambda: (numbers := recorder.complete_numbers())[-1] > after and numbers[-1], 30, "no segment after the storm"
    )
    found = probe_all(recorder, range(before + 1, last + 1))
    segments = found["1920x1080"]
    missing = 0
    for number, (segment, seen) in segments.items():
        frames = round(segment.duration_ms / FRAME_MS)
        missing += frames - len(seen.video)
        assert not segment.discontinuity, f"segment {number} is discontinuous"
        audio = sorted(packet.pts for packet in seen.audio)
        gaps = [later - earlier for earlier, later in zip(audio, audio[1:]) if abs(later - earlier - 1920) > 3]
        assert not gaps, f"segment {number} has gaps in its sound: {gaps}"
    # Counters come with the worker's heartbeat, a second or two after the frames.
    lost_in_storm = wait_until(
        lambda: (count := counted(studio, lost) - lost_before) >= missing and count or missing == 0, 5,
        lambda: f"{missing} frames are missing, {counted(studio, lost) - lost_before:.0f} are counted",
    )  # fmt: skip
    print(f"{SPEAKERS * ROUNDS} joins over {len(segments)} segments: {missing} frames not there, {lost_in_storm:.0f} counted")
    recorder.assert_clean()


def test_nobody_is_left_behind(studio, admin):
    """Who said goodbye is gone at once; who did not is gone when consent has run out."""
    wait_until(lambda: not participants(admin), 60, lambda: f"still there: {participants(admin)}", 0.5)
