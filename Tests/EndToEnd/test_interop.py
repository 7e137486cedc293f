"""Other people's WebRTC: Firefox and GStreamer publish and subscribe beside Chromium, over what their network leaves them."""

import os
from contextlib import ExitStack

import pytest
from selenium.webdriver.common.by import By

from harness import guests
from harness.browser import chromium, screenshot, wait_script
from harness.firefox import firefox
from harness.gstreamer import GStreamerPeer
from harness.paths import PATH, WAYS
from harness.ports import own_address
from harness.speakers import Page
from harness.waiting import wait_until

EVENT = "interop"
# `scripts/prove network` runs every browser over every way.
WHOLE_MATRIX = bool(os.environ.get("PROSCENIUM_WHOLE_MATRIX"))

# What is sent of the camera: the codec, and the layers that have gone out.
SENT = """
const done = arguments[0];
window.proscenium.publishConnection.getStats().then((reports) => {
    const sent = [...reports.values()].filter(({type, kind}) => type === "outbound-rtp" && kind === "video");
    done(sent.map((report) => ({
        rid: report.rid ?? null, frames: report.framesEncoded ?? 0, height: report.frameHeight ?? 0,
        codec: reports.get(report.codecId)?.mimeType ?? null,
    })));
}, (error) => done([{failed: String(error)}]));
"""

# A screen of a shape that no camera here has: 1024 x 640, red, with a bar that moves. Without a display Firefox has none to share.
SCREEN = """
navigator.mediaDevices.getDisplayMedia = async () => {
    const canvas = Object.assign(document.createElement("canvas"), {width: 1024, height: 640});
    const pen = canvas.getContext("2d", {alpha: false});
    setInterval(() => {
        pen.fillStyle = "rgb(200, 20, 20)";
        pen.fillRect(0, 0, 1024, 640);
        pen.fillStyle = "white";
        pen.fillRect(performance.now() / 4 % 1024, 480, 40, 160);
    }, 66);
    return canvas.captureStream(15);
};
"""

# The colour in the middle of a shared screen's tile.
MIDDLE = """
const video = document.querySelector(`.tile[data-participant="${arguments[0]}"][data-kind=screen] video`);
if (!video?.videoWidth) return null;
const canvas = Object.assign(document.createElement("canvas"), {width: 16, height: 10}), pen = canvas.getContext("2d");
pen.drawImage(video, 0, 0, 16, 10);
return [...pen.getImageData(8, 3, 1, 1).data].slice(0, 3);
"""


class Room:
    """An installation whose media server is told to be at an address, its event, and somebody in Chromium who stays in it."""

    def __init__(self, stack, make_studio, artefacts, folder, address):
        studio = make_studio(f"interop-{address}", "--media-address", address, "--media-bind-address", address)
        stack.callback(studio.stop)
        self.admin = studio.admin()
        self.admin.post("/v1/events", {"id": EVENT, "title": "Interop"}, expect=201)
        driver = stack.enter_context(chromium(folder, artefacts / f"chromedriver-interop-{address}.log", size=(960, 720)))
        self.olga = join(driver, self.admin, "Olga Open", "?media=canvas")


@pytest.fixture(scope="module")
def rooms(make_studio, artefacts, tmp_path_factory):
    """Makes a room for a way to it: Firefox goes to no address of the loopback from another one, and no other from a relay's there."""
    made = {}
    with ExitStack() as stack:

        def room(way):
            address = own_address() if way in ("udp", "tcp") else "127.0.0.1"
            if address not in made:
                made[address] = Room(stack, make_studio, artefacts, tmp_path_factory.mktemp("olga"), address)
            return made[address]

        yield room


def join(driver, admin, name, query="", way="udp"):
    """Takes a browser into the room, over one way."""
    driver.get(f"{guests.invite(admin, EVENT, name=name)['url']}{query}")
    guests.in_the_mirror(driver)
    driver.execute_script(WAYS[way])
    guests.join(driver)
    return Page(driver)


@pytest.fixture(scope="module")
def fox(artefacts, tmp_path_factory):
    with firefox(tmp_path_factory.mktemp("fox"), artefacts / "firefox-interop.log") as driver:
        yield driver


def assert_both_ways(one, other):
    for page, sender in ((one, other), (other, one)):
        page.wait_source(sender.participant, "camera", 20)
        page.wait_frames(sender.participant, 20, more=30)
        page.wait_sound(sender.participant, 15)


@pytest.mark.parametrize("way", WAYS if WHOLE_MATRIX else ["udp", "tcp", "turns"])
def test_firefox_speaks_and_hears_over(way, rooms, fox, artefacts):
    room = rooms(way)
    page = join(fox, room.admin, f"Fox {way}", way=way)
    assert_both_ways(page, room.olga)
    assert fox.execute_async_script(PATH) == [way] * 2
    assert {layer["codec"] for layer in fox.execute_async_script(SENT)} == {"video/VP8"}
    assert page.value("window.proscenium.joins") == 1
    screenshot(fox, artefacts, f"interop-firefox-{way}.png")
    if way == "udp":
        # Its camera goes out in three sizes, each counted at the encoder; who watches gets one of them at a time.
        wait_until(
            lambda: sorted(layer["rid"] for layer in fox.execute_async_script(SENT) if layer["frames"] > 30) == ["f", "h", "q"],
            30, lambda: f"{fox.execute_async_script(SENT)}", 0.3,
        )  # fmt: skip


@pytest.mark.whole_matrix  # test_network and test_relay have Chromium's ways one by one
@pytest.mark.parametrize("way", WAYS)
def test_chromium_speaks_and_hears_over(way, rooms, artefacts, tmp_path):
    room = rooms(way)
    with chromium(tmp_path, artefacts / "chromedriver-interop-way.log", size=(960, 720)) as driver:
        page = join(driver, room.admin, f"Chris {way}", "?media=canvas", way)
        assert_both_ways(page, room.olga)
        assert driver.execute_async_script(PATH) == [way] * 2


def test_firefox_sees_a_screen_that_chromium_shares(rooms, fox, artefacts):
    room = rooms("udp")
    olga, page = room.olga, join(fox, room.admin, "Fox Screen")
    olga.driver.find_element(By.ID, "screen").click()
    try:
        page.wait_source(olga.participant, "screen", 15)
        page.wait_frames(olga.participant, 20, source="screen")
        page.wait_frames(olga.participant, 15)
        assert page.received(olga.participant, "screen")["frameWidth"] >= 320
        wait_script(fox, "document.querySelector('.tile[data-kind=screen] video').videoWidth > 0", 10, "the screen's tile")
        screenshot(fox, artefacts, "interop-firefox-screen.png")
    finally:
        olga.driver.find_element(By.ID, "screen").click()
    page.wait_source(olga.participant, "screen", 15, is_there=False)


def test_chromium_sees_a_screen_that_firefox_shares(rooms, fox, artefacts):
    room = rooms("udp")
    olga, page = room.olga, join(fox, room.admin, "Fox Shares")
    fox.execute_script(SCREEN)
    fox.find_element(By.ID, "screen").click()
    olga.wait_source(page.participant, "screen", 15)
    olga.wait_frames(page.participant, 20, source="screen")
    report = olga.received(page.participant, "screen")
    # Firefox sends less of it where it has little time, in its own shape.
    assert report["frameWidth"] * 640 == report["frameHeight"] * 1024, report

    def is_red():
        red, green, blue = olga.driver.execute_script(MIDDLE, page.participant) or (0, 255, 255)
        return red > 150 and max(green, blue) < 80

    wait_until(is_red, 10, lambda: f"{olga.driver.execute_script(MIDDLE, page.participant)}", 0.2)
    screenshot(olga.driver, artefacts, "interop-chromium-screen.png")
    # Its camera goes on beside it.
    olga.wait_frames(page.participant, 15)
    fox.find_element(By.ID, "screen").click()
    olga.wait_source(page.participant, "screen", 15, is_there=False)
    olga.wait_frames(page.participant, 15)
    assert page.value("window.proscenium.joins") == 1


def bearer(room, name):
    return guests.bearer(room.admin.studio, guests.invite(room.admin, EVENT, name=name))


def test_gstreamer_publishes_by_whip_and_subscribes(rooms, artefacts):
    room, address = rooms("udp"), own_address()
    with GStreamerPeer("publish", address, artefacts / "gstreamer-publish.log") as sender:
        sender.publish(bearer(room, "Gus Stream"), EVENT)
        who = "window.proscenium.participants.find(({name}) => name === 'Gus Stream')?.id ?? null"
        gus = wait_script(room.olga.driver, who, 15, "Gus is in the room")
        room.olga.wait_frames(gus, 20)
        room.olga.wait_sound(gus, 15)
        report = room.olga.received(gus, "camera")
        assert (report["frameWidth"], report["frameHeight"]) == (320, 180)
        with GStreamerPeer("subscribe", address, artefacts / "gstreamer-subscribe.log") as receiver:
            with receiver.subscribe(bearer(room, "Greta Stream"), EVENT):
                # Olga's and those of Gus.
                wait_until(
                    lambda: receiver.frames.get("video", 0) > 60 and receiver.frames.get("audio", 0) > 100, 30, lambda: str(receiver), 0.2
                )
        assert not sender.errors and not receiver.errors, (sender.errors, receiver.errors)
