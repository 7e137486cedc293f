"""Speakers in VP9 and in H.264, from Chromium and from aiortc: found in the program, seen by who has the codec, and heard
by who has not."""

import pytest
from selenium.webdriver.common.by import By

from harness.browser import chromium, screenshot, wait_script
from harness.picture import colour_of, inner, is_near
from harness.receiver import RoomReceiver
from harness.show import JOINED, Show
from harness.speakers import Ground, Page, Tone, WhipSpeaker
from harness.waiting import wait_until

FULL = (0, 0, 64, 36)
# Where a page's test picture has only its ground, and where the WHIP speaker's has.
PLAIN, LOW = (0.01, 0.3, 0.08, 0.7), (0.1, 0.84, 0.9, 0.96)
PAGES = {"vp9": "Vera Nine", "h264": "Hal Four"}

SENT = """
const done = arguments[0];
window.proscenium.publishConnection.getStats().then((reports) => {
    const sent = [...reports.values()].find(({type, kind}) => type === "outbound-rtp" && kind === "video");
    done({...sent, mimeType: reports.get(sent?.codecId)?.mimeType});
});
"""

# What a browser without H.264 makes of an offer.
WITHOUT_H264 = """
const take = RTCPeerConnection.prototype.setRemoteDescription;
RTCPeerConnection.prototype.setRemoteDescription = function ({type, sdp}) {
    return take.call(this, {type, sdp: sdp.replaceAll("H264/90000", "unheard-of/90000")});
};
"""

# What a browser without VP8 makes of the offer of what it gets.
WITHOUT_VP8 = """
const take = RTCPeerConnection.prototype.setRemoteDescription;
RTCPeerConnection.prototype.setRemoteDescription = function ({type, sdp}) {
    return take.call(this, {type, sdp: type === "offer" ? sdp.replaceAll("VP8/90000", "unheard-of/90000") : sdp});
};
"""
PROGRAM = "proscenium-compositor"
# In which codecs pictures of the program come.
PROGRAM_CODEC = """
const done = arguments[0], page = window.proscenium;
const mids = page.received.filter(({source}) => source === "program").map(({mid}) => mid);
page.subscribeConnection.getStats().then((reports) => done([...reports.values()]
    .filter(({type, mid}) => type === "inbound-rtp" && mids.includes(mid))
    .map(({codecId}) => reports.get(codecId)?.mimeType)));
"""


class CodecShow(Show):
    """An event with a compositor, whose speakers come and go."""

    event = "codecs"

    def begin(self):
        super().begin()
        self.driver = self._stack.enter_context(
            chromium(self.folder / "page", self.artefacts / "chromedriver-codecs.log", size=(960, 760))
        )
        return self

    def page(self, name, codec):
        """Joins by the browser, which leaves the room under its name of before."""
        self.driver.get(f"{self.invite(name=name)['url']}?media=canvas&codec={codec}")
        wait_script(self.driver, "document.querySelector('#preview').videoWidth > 0", 15, "the picture in the mirror")
        self.driver.find_element(By.ID, "join").click()
        wait_script(self.driver, JOINED, 20, f"{name} is in the room")
        return Page(self.driver)

    def put_in_full(self, participant):
        for person in self.participants():
            if person["onStage"] and person["id"] != participant:
                self.take_off_stage(person["id"])
        self.put_on_stage(participant)
        self.show({"layout": "full"}, hold=0)

    def codec_of(self, participant, source="camera"):
        tracks = next((person["tracks"] for person in self.participants() if person["id"] == participant), [])
        return next((track["codec"] for track in tracks if track["source"] == source), None)


@pytest.fixture(scope="module")
def show(make_studio, artefacts, tmp_path_factory):
    studio = make_studio("codecs", "--preset", "ultrafast", "--program-preset", "ultrafast")
    show = CodecShow(studio, artefacts, tmp_path_factory.mktemp("codecs"))
    try:
        yield show.begin()
    finally:
        show.close()
        studio.stop()


@pytest.mark.parametrize("codec", PAGES)
def test_a_page_in_another_codec_is_in_the_program(show, artefacts, codec):
    name = PAGES[codec]
    page = show.page(name, codec)
    sent = wait_until(
        lambda: (report := show.driver.execute_async_script(SENT)).get("framesEncoded", 0) > 20 and report, 20,
        lambda: f"the page sends {show.driver.execute_async_script(SENT)}", 0.3,
    )  # fmt: skip
    print(f"{sent['mimeType']} by {sent.get('encoderImplementation')}, {sent['frameWidth']}x{sent['frameHeight']}")
    assert sent["mimeType"].lower() == f"video/{codec}"
    wait_until(
        lambda: show.codec_of(page.participant) == codec and show.codec_of(page.participant, "microphone") == "opus", 5,
        lambda: f"{show.participants()}",
    )  # fmt: skip
    show.put_in_full(page.participant)
    show.wait_still(
        lambda frame: is_near(frame.mean(*inner(FULL, *PLAIN)), colour_of(name)), 30, f"{name} is not in the program"
    )
    first = show.still()
    wait_until(lambda: show.still().difference(first) > 0.3, 10, "the picture stands still", 0.5)
    (artefacts / f"program-{codec}.jpg").write_bytes(show.admin.get(f"{show.path}/program.jpg", expect=200).content)
    # aiortc has H.264, and has not VP9.
    with RoomReceiver(show.bearer(name="Rex Receiver"), show.event) as receiver:
        receiver.subscribe(page.participant)
        sounds, pictures = (receiver.tracks[page.participant, source].samples for source in ("microphone", "camera"))
        wait_until(lambda: len(sounds) > 500, 15, "nothing is heard")
        if codec == "h264":
            wait_until(lambda: len(pictures) > 10, 15, "nothing is seen")
        else:
            assert not pictures


def test_an_encoder_in_h264_by_whip_is_in_the_program_and_on_a_page(show, artefacts):
    with WhipSpeaker(show.bearer(name="Greta Green"), show.event, [Tone, Ground], video="H264") as greta:
        greta.publish()
        participant = show.participant("Greta Green")
        wait_until(lambda: show.codec_of(participant) == "h264", 10, lambda: f"{show.participants()}")
        show.put_in_full(participant)
        show.wait_still(
            lambda frame: is_near(frame.mean(*inner(FULL, *LOW)), Ground.rgb), 30, "Greta is not in the program"
        )
        page = show.page("Paul Page", "vp8")
        page.wait_frames(participant, 20)
        assert not page.value("window.proscenium.received.some(({lacks}) => lacks)")
        show.wait_still(lambda frame: is_near(frame.mean(*inner(FULL, *LOW)), Ground.rgb), 5, "Greta is no more in the program")


def test_a_browser_without_h264_hears_the_speaker_and_says_what_is_missing(show, artefacts):
    script = show.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WITHOUT_H264})
    try:
        with WhipSpeaker(show.bearer(name="Gail Gray"), show.event, [Tone, Ground], video="H264") as gail:
            gail.publish()
            participant = show.participant("Gail Gray")
            page = show.page("Fay Fox", "vp8")
            page.wait_sound(participant, 20)
            assert page.frames(participant) == 0
            tile = f"[data-participant=\"{participant}\"]"
            wait_script(show.driver, f"document.querySelector('{tile} .note')?.textContent.includes('H264')", 10, "the note")
            assert page.value(f"document.querySelector('{tile} .initials').hidden") is False
            screenshot(show.driver, artefacts, "join-without-h264.png")
            # The same section serves the next speaker.
            gail.leave()
            with WhipSpeaker(show.bearer(name="Vic Eight"), show.event, [Tone, Ground]) as vic:
                vic.publish()
                page.wait_frames(show.participant("Vic Eight"), 20)
    finally:
        show.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": script["identifier"]})


def test_a_browser_without_vp8_sees_the_program_in_h264(show, artefacts):
    script = show.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WITHOUT_VP8})
    try:
        page = show.page("Hanna Four", "h264")
        show.put_in_full(page.participant)
        page.wait_frames(PROGRAM, 30, source="program")
        seen = show.driver.execute_async_script(PROGRAM_CODEC)
        assert seen == ["video/H264"], seen
        assert not page.value("window.proscenium.received.some(({source, lacks}) => source === 'program' && lacks)")
        screenshot(show.driver, artefacts, "join-without-vp8.png")
    finally:
        show.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": script["identifier"]})
