"""The sound of the program through the whole line: beep and flash together after a join, a mute and another join.

The measure takes its own part off: what a subscriber of the same tracks finds between flash and beep by the sender's reports.
"""

import pytest
from selenium.webdriver.common.by import By

from harness.browser import wait_script
from harness.picture import rising_edges
from harness.receiver import RoomReceiver
from harness.show import ALICE, JOINED, Show
from harness.sound import drift, onsets, pair_up, sound_between
from harness.waiting import wait_until

SYNC_MS = 20
STRETCH_MS = 10_000


class Stretch:
    """Some seconds of the program, and of what its speaker sent meanwhile."""

    def __init__(self, show, label):
        self.label = label
        participant = show.participant(ALICE)
        with RoomReceiver(show.bearer(name=f"Rex {label}"), show.event) as receiver:
            receiver.subscribe(participant)
            self.begin = show.mark()
            show.wait_program_time(self.begin + STRETCH_MS)
            self.end = show.program_now()
            camera, microphone = (receiver.tracks[participant, source] for source in ("camera", "microphone"))
            self.source = pair_up(rising_edges(camera.captured()), onsets(microphone.captured()))

    def skews(self, show):
        """Returns by how much each flash of the decoded program comes after its beep."""
        frames = show.decoded.between(self.begin, self.end)
        # As bright as the left edge, where there is nothing but ground and flash.
        lights = [(frame.program_time, sum(frame.mean(0, 2, 3, 32))) for frame in frames]
        return pair_up(rising_edges(lights), onsets(sound_between(show.decoded, self.begin, self.end)))

    def check(self, show):
        skews = self.skews(show)
        print(f"{self.label}: flash after beep {[round(skew) for skew in skews]} ms, at the source {[round(skew) for skew in self.source]} ms")
        assert len(skews) >= 5 and len(self.source) >= 5
        off = drift(skews, self.source)
        print(f"{self.label}: {off:+.1f} ms apart, the source's own skew taken off")
        assert abs(off) <= SYNC_MS


@pytest.fixture(scope="module")
def show(make_studio, artefacts, tmp_path_factory):
    studio = make_studio("sound", "--preset", "ultrafast", "--program-preset", "ultrafast")
    show = Show(studio, artefacts, tmp_path_factory.mktemp("sound"))
    try:
        yield show.open()
    finally:
        show.close()
        studio.stop()


@pytest.fixture(scope="module")
def stretches(show):
    """All that happens to the speaker, one after the other."""
    driver, found = show.alice.driver, {}
    show.put_on_stage(show.alice.participant)
    show.show({"layout": "full"}, hold=4)
    found["join"] = Stretch(show, "after the join")

    driver.find_element(By.ID, "microphone").click()
    wait_script(driver, "document.querySelector('#microphone').hasAttribute('data-active')", 10, "the microphone is off")
    show.wait_program_time(show.program_now() + 5000)
    driver.find_element(By.ID, "microphone").click()
    wait_script(driver, "!document.querySelector('#microphone').hasAttribute('data-active')", 10, "the microphone is on")
    show.wait_program_time(show.program_now() + 4000)
    found["mute"] = Stretch(show, "after the mute")

    before = show.alice.participant
    driver.refresh()
    wait_script(driver, "document.querySelector('#preview').videoWidth > 0", 15, "the picture in the mirror")
    driver.find_element(By.ID, "join").click()
    wait_script(driver, JOINED, 20, "Alice is back in the room")
    if show.alice.participant != before:
        show.put_on_stage(show.alice.participant)
    show.wait_program_time(show.program_now() + 4000)
    found["rejoin"] = Stretch(show, "after another join")
    return found


@pytest.mark.parametrize("label", ["join", "mute", "rejoin"])
def test_beep_and_flash_are_together(show, stretches, label):
    stretches[label].check(show)


def test_the_sound_has_no_hole(show, stretches):
    recorder = show.recorder
    first, last = (stretches[label] for label in ("join", "rejoin"))
    times = [at for at, _ in sound_between(show.decoded, first.begin, last.end)]
    steps = [later - earlier for earlier, later in zip(times, times[1:])]
    print(f"{len(times)} ms of sound in {len(recorder.rungs)} rungs, steps from {min(steps):.1f} to {max(steps):.1f} ms")
    # Segments end with a whole frame, whose last fraction of a millisecond is not counted.
    assert max(steps) < 3 and min(steps) > -3


def test_the_producer_reads_how_loud_the_speaker_is(show, stretches):
    source = f"participant:{show.alice.participant}"

    def heard():
        reading = show.admin.get(f"{show.path}/program/sound", expect=200).json()
        levels = {one["source"]: one for one in reading["sources"]}
        return reading if levels.get(source, {}).get("peakDb", -120) > -20 else None

    reading = wait_until(heard, 10, "no level of the speaker's microphone", 0.1)
    print(reading)
    loudness = reading["loudness"]
    # Beeps of a tenth of a second: the mean is far below their peaks.
    assert -60 < loudness["integratedLufs"] < 0 and -60 < loudness["truePeakDb"] <= 0
