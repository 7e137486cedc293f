"""Flash and beep of an exact sender through the whole line: media server, compositor, RTMP, Output, decoded HLS.

The sender's clock runs 200 ppm fast all the while. Its flashes begin elsewhere on the program's frames each time, in steps of a
fifth of a frame: a flash is shown up to half a frame (17 ms) before or after its moment, so that single ones say little and
their median tells how sound and pictures lie. All of them are printed. `scripts/prove sync` watches loss and an outage, too, and the
drift for ten minutes.
"""

import os
import statistics

import pytest

from harness.exact import PERIOD_MS, ExactSpeaker
from harness.metrics import describe_latencies
from harness.picture import rising_edges
from harness.show import Show
from harness.sound import onsets, pair_up, sound_between

SYNC_MS = 20
# What is lost holds pictures up, as a machine does that stands still for a moment: some flashes are then not seen at all.
FLASHES, FLASHES_IN_TROUBLE, LEAST_FLASHES = 8, 8, 4
DRIFT_PPM = 200
DRIFT_SECONDS = float(os.environ.get("PROSCENIUM_SYNC_SECONDS", 0))
LABELS = ["join", "mute"] + ["loss", "outage", "drift"] * (DRIFT_SECONDS > 0)


class Line(Show):
    """A running event with one exact speaker, recorded."""

    event = "sync"

    def open(self):
        self.stretches = {}
        self.begin()
        return self.record()

    def hold(self, seconds):
        end = self.program_now() + 1000 * seconds
        while self.program_now() < end:
            self.wait_program_time(min(end, self.program_now() + 30_000))

    def watch(self, label, flashes):
        """Lets a stretch of the program go by that holds so many flashes."""
        begin = self.mark()
        self.hold(flashes * PERIOD_MS / 1000 + 0.5)
        self.stretches[label] = begin, self.program_now()

    def skews(self, label):
        begin, end = self.stretches[label]
        lights = [(frame.program_time, sum(frame.mean(16, 8, 32, 20))) for frame in self.decoded.between(begin, end)]
        return pair_up(rising_edges(lights), onsets(sound_between(self.decoded, begin, end)))


@pytest.fixture(scope="module")
def line(make_studio, artefacts, tmp_path_factory):
    """All that happens to the speaker, one after the other."""
    studio = make_studio("sync", "--preset", "ultrafast", "--program-preset", "ultrafast")
    line = Line(studio, artefacts, tmp_path_factory.mktemp("sync"))
    try:
        line.open()
        with ExactSpeaker(line.bearer(name="Elsa Exact"), line.event, ppm=DRIFT_PPM) as speaker:
            speaker.publish()
            line.put_on_stage(line.participant("Elsa Exact"))
            line.show({"layout": "full"}, hold=1.5)
            line.watch("join", FLASHES)

            speaker.microphone.is_muted = speaker.camera.is_muted = True
            line.hold(2)
            speaker.microphone.is_muted = speaker.camera.is_muted = False
            line.hold(1)
            line.watch("mute", FLASHES)

            if DRIFT_SECONDS:
                speaker.loss = 0.05
                line.hold(1)
                line.watch("loss", FLASHES_IN_TROUBLE)
                assert speaker.lost > 0.02 * speaker.passed / 4, (speaker.lost, speaker.passed)
                speaker.loss = 0

                speaker.is_cut_off = True
                line.hold(2)
                speaker.is_cut_off = False
                line.hold(1)
                line.watch("outage", FLASHES_IN_TROUBLE)
                line.watch("drift", DRIFT_SECONDS * 1000 / PERIOD_MS)
            line.metrics = studio.metrics()
        yield line
    finally:
        line.close()
        studio.stop()


@pytest.mark.parametrize("label", LABELS)
def test_flash_and_beep_are_together(line, label):
    skews = line.skews(label)
    print(f"{label}: flash after beep {[round(skew) for skew in skews]} ms")
    assert len(skews) >= LEAST_FLASHES, skews
    off = statistics.median(skews)
    print(f"{label}: {off:+.1f} ms apart in the median, {max(skews, key=abs):+.1f} ms at worst")
    assert abs(off) <= SYNC_MS
    # Where it is long: at its end, too.
    assert abs(statistics.median(skews[-10:])) <= SYNC_MS, skews[-10:]


def test_the_way_of_the_pictures_is_measured(line):
    print(describe_latencies(line.metrics))
