"""An event whose program the compositor makes: its people, its recording, and what was changed when."""

import time
from contextlib import ExitStack

import aiortc
from selenium.webdriver.common.by import By

from . import guests
from .browser import chromium, screenshot, wait_script
from .hitches import Hitches
from .hls import Recorder, Viewer
from .picture import FRAME_MS, DecodedProgram, colour_of, decode_still, is_near
from .speakers import Ground, Page, WhipSpeaker
from .waiting import wait_until

JOINED = "window.proscenium.state === 'joined'"
WHITE = (255, 255, 255)
ALICE = "Alice Ahlberg"


def is_alice(colour):
    """Whether a colour is the ground of Alice's picture, or its flash."""
    return is_near(colour, colour_of(ALICE)) or is_near(colour, WHITE)


class Show:
    """A running event with Alice in a browser, Cora who sends only sound, and Freda whose picture may freeze."""

    event = "show"

    def __init__(self, studio, artefacts, folder):
        self.studio, self.artefacts, self.folder = studio, artefacts, folder
        self.admin = studio.admin()
        self.path = f"/v1/events/{self.event}"
        self.answers = {}
        self.deaths = {}
        self.offset_ms = None
        self._stack = ExitStack()
        self.alice = self.cora = self.freda = self.recorder = self.decoded = self._hitches = None

    # People

    def invite(self, role="speaker", **options):
        return guests.invite(self.admin, self.event, role, **options)

    def bearer(self, **options):
        """Returns a client with the token of a new speaker."""
        return guests.bearer(self.studio, self.invite(**options))

    def participants(self):
        return self.admin.get(f"{self.path}/participants", expect=200).json()["items"]

    def participant(self, name, seconds=15):
        """Returns the id of somebody who is in the room."""
        return wait_until(
            lambda: next((person["id"] for person in self.participants() if person.get("name") == name), None), seconds,
            lambda: f"{name} is not among {self.participants()}", 0.1,
        )  # fmt: skip

    # The event

    def begin(self):
        """Starts the event."""
        self.admin.post("/v1/events", {"id": self.event, "title": "The show"}, expect=201)
        self.admin.post(f"{self.path}/start", expect=202)

    def open(self):
        """Starts the event, brings everybody in, and records from when all rungs list a segment."""
        begun = time.monotonic()
        self.begin()
        driver = self._stack.enter_context(
            chromium(self.folder / "alice", self.artefacts / "chromedriver-show.log", size=(960, 760))
        )
        driver.get(f"{self.invite(name=ALICE, can=['slides'])['url']}?media=canvas")
        wait_script(driver, "document.querySelector('#preview').videoWidth > 0", 15, "the picture in the mirror")
        driver.find_element(By.ID, "join").click()
        wait_script(driver, JOINED, 20, "Alice is in the room")
        self.alice = Page(driver)
        self.record()
        print(f"five rungs list a segment {time.monotonic() - begun:.1f} s after the start")
        return self

    def record(self):
        """Keeps the segments from when all rungs list one."""
        guest = self.studio.attendee(self.admin, self.event, "Rita Recorder")
        viewer, playback = wait_until(
            lambda: playing(guest, self.event), 40, lambda: f"no rung lists a segment\n{self.studio.log_tail()}", 0.2
        )
        self.viewer, self.playback = viewer, playback
        self.recorder = Recorder(viewer, playback["hls"], self.folder).start()
        self._stack.callback(self.recorder.stop)
        self.decoded = DecodedProgram(self.recorder)
        self._hitches = Hitches(self.studio)
        self._stack.callback(self._hitches.stop)
        return self

    def bring_in(self):
        """Cora and Freda join by WHIP."""
        self.cora = self._stack.enter_context(
            WhipSpeaker(self.bearer(name="Cora Card"), self.event, [aiortc.AudioStreamTrack])
        ).publish()
        self.freda = self._stack.enter_context(
            WhipSpeaker(self.bearer(name="Freda Frost"), self.event, [aiortc.AudioStreamTrack, Ground])
        ).publish()
        return self

    def close(self):
        self._stack.close()

    # Changes

    def put_on_stage(self, participant):
        self.admin.put(f"{self.path}/stage/{participant}", {}, expect=(200, 204))

    def take_off_stage(self, participant):
        self.admin.request("DELETE", f"{self.path}/stage/{participant}", expect=(200, 204))

    def show(self, scene, label=None, hold=1.0):
        """Puts a scene into the program, notes when it is shown, and lets it stand for a while."""
        return self.note(label, lambda: self.admin.put(f"{self.path}/program", scene, expect=200).json(), hold)

    def note(self, label, change, hold=1.0):
        """Makes a change, keeps the program time of its answer, and waits until that has stood for `hold` seconds."""
        answer = change()
        assert isinstance(answer.get("programTime"), int), answer
        self.offset_ms = answer["programTime"] - time.time() * 1000
        if label is not None:
            self.answers[label] = answer
        self.wait_program_time(answer["programTime"] + 1000 * hold)
        return answer

    def clock_offset(self):
        """Returns how far the program's clock is ahead of the wall, to the accuracy of the quickest of three answers."""
        self.offset_ms = max(
            self.note(None, lambda: self.admin.patch(f"{self.path}/program", {}, expect=200).json(), hold=0)
            and self.offset_ms for _ in range(3)
        )  # fmt: skip
        return self.offset_ms

    def mark(self, label=None):
        """Keeps the program time of now, and returns it."""
        # An answer that was slow says too little.
        self.clock_offset()
        now = round(self.program_now())
        if label is not None:
            self.answers[label] = {"programTime": now}
        return now

    def program_now(self):
        """Returns the program time, to the accuracy of an answer's way."""
        return time.time() * 1000 + self.offset_ms

    def wait_program_time(self, program_time):
        wait_until(lambda: self.program_now() >= program_time, 60, f"{program_time} does not come", 0.02)

    def still(self, name="program"):
        """Returns the studio's own picture of the program or the preview."""
        answer = self.admin.get(f"{self.path}/{name}.jpg", expect=200)
        assert answer.headers["Content-Type"] == "image/jpeg", answer.headers
        return decode_still(answer.content)

    def wait_still(self, condition, seconds, what):
        """Waits until the program's still shows something."""

        def look():
            answer = self.admin.get(f"{self.path}/program.jpg")
            return answer.status_code == 200 and condition(decode_still(answer.content))

        wait_until(look, seconds, lambda: f"{what}\n{self.studio.log_tail(30)}", 0.15)

    # What the decoded program shows

    def hitches(self, moment, span_ms):
        """Returns how many pictures the machine had no time for around a program time, or somewhat before or after, at most."""
        wall = moment - self.offset_ms
        return self._hitches.between(wall - 1000, wall + span_ms)

    def settled(self, label, after_ms):
        """Returns a program time so long after the answer's; later by as much as the machine stood still meanwhile, at most a second."""
        moment = self.answers[label]["programTime"]
        return moment + after_ms + min(1000, self.hitches(moment, after_ms) * FRAME_MS)

    def assert_shown(self, label, condition, span_ms=500, frames_off=2):
        """Asserts that a look begins at the answer's program time, to two frames, in the decoded program.

        Where the machine had no time to draw, the picture before was sent again, and counted as late: so many may be.
        """
        moment, hitches = self.answers[label]["programTime"], self.hitches(self.answers[label]["programTime"], span_ms)
        # Where something was not there within a second, a card is seen first.
        is_ready = self.answers[label].get("ready", True)
        extra_ms = 1000 if not is_ready else min(1000, hitches * FRAME_MS)
        frames = self.decoded.between(moment - span_ms, moment + span_ms + extra_ms)
        looks = [(frame.program_time, bool(condition(frame))) for frame in frames]
        first = next((at for at, is_new in looks if is_new), None)
        assert first is not None, f"{label}: told {moment}, never seen in {len(frames)} frames around it, {hitches} late"
        early = [at for at, is_new in looks if is_new and at < moment - (frames_off + 0.5) * FRAME_MS]
        late = [at for at, is_new in looks if not is_new and moment + (frames_off + 0.5) * FRAME_MS < at < first]
        gone = [at for at, is_new in looks if not is_new and first < at < moment + span_ms]
        assert not early and not gone and (len(late) <= hitches or not is_ready), (
            f"{label}: told {moment}, seen {first - moment:+.1f} ms from it, {hitches} pictures were late; early "
            f"{[round(at - moment) for at in early]}, late {[round(at - moment) for at in late]}, gone {[round(at - moment) for at in gone]}"
        )
        print(f"{label}: seen {first - moment:+.1f} ms from what the answer says, {hitches} pictures were late meanwhile")

    def screenshot(self, name):
        screenshot(self.alice.driver, self.artefacts, name)


def playing(guest, event):
    """Returns viewer and playback once all five rungs list a segment, else None."""
    response = guest.post(f"/v1/events/{event}/playback")
    if response.status_code != 200:
        assert response.status_code in (404, 409, 503), response.text
        return None
    viewer, playback = Viewer.of(guest, event)
    answer = viewer.fetch(playback["hls"])
    if answer.status_code != 200:
        assert answer.status_code == 404, f"{playback['hls']}: {answer.status_code} {answer.text[:200]}"
        return None
    rungs = viewer.master(playback["hls"])
    for rung in rungs:
        media = viewer.fetch(rung.url)
        if media.status_code != 200 or "#EXTINF" not in media.text:
            return None
    return (viewer, playback) if len(rungs) == 5 else None
