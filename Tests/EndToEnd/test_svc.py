"""Layers within one stream: a browser sends its camera in VP9 with three sizes at three rates, and everybody gets what they show
and what their line carries."""

import json
import re
import time
from contextlib import ExitStack

import pytest
from selenium.webdriver.common.by import By

from harness.browser import chromium, screenshot, wait_script
from harness.composed import Composed
from harness.impairment import impaired
from harness.ports import free_ports
from harness.speakers import Page
from harness.waiting import wait_until

JOINED = "window.proscenium.state === 'joined'"

SENT = """
const done = arguments[0];
window.proscenium.publishConnection.getStats().then((reports) => {
    const sent = [...reports.values()].find(({type, kind}) => type === "outbound-rtp" && kind === "video");
    done({
        mimeType: reports.get(sent?.codecId)?.mimeType, mode: sent?.scalabilityMode, width: sent?.frameWidth ?? 0,
        height: sent?.frameHeight ?? 0, fps: sent?.framesPerSecond ?? 0, limit: sent?.qualityLimitationReason,
        keyFrames: sent?.keyFramesEncoded, asked: sent?.pliCount, implementation: sent?.encoderImplementation,
    });
});
"""

# In how many pixels of the screen a participant's picture is shown.
SHOWN = """
const video = document.querySelector(`[data-participant="${arguments[0]}"][data-kind="person"] video`);
return [video.clientWidth * devicePixelRatio, video.clientHeight * devicePixelRatio];
"""


# Browsers know dependency descriptors, and agree to them when a page says so.
DESCRIBE = """
const URI = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
const agree = (transceiver) => transceiver.setHeaderExtensionsToNegotiate(transceiver.getHeaderExtensionsToNegotiate()
    .map((extension) => extension.uri === URI ? {...extension, direction: "sendrecv"} : extension));
const add = RTCPeerConnection.prototype.addTransceiver, take = RTCPeerConnection.prototype.setRemoteDescription;
RTCPeerConnection.prototype.addTransceiver = function (track, options) {
    const transceiver = add.call(this, track, options);
    if (track.kind === "video") agree(transceiver);
    return transceiver;
};
RTCPeerConnection.prototype.setRemoteDescription = async function (description) {
    await take.call(this, description);
    if (description.type === "offer") for (const one of this.getTransceivers()) if (one.receiver.track.kind === "video") agree(one);
};
window.describes = (connection) => connection.getTransceivers().filter((one) => one.receiver.track.kind === "video" && one.getNegotiatedHeaderExtensions()
    .some(({uri, direction}) => uri === URI && direction !== "stopped")).length;
"""


@pytest.fixture(scope="module")
def admin(make_studio):
    studio = make_studio("svc", "--preset", "ultrafast", "--program-preset", "ultrafast")
    try:
        yield studio.admin()
    finally:
        studio.stop()


class Room:
    """Who sends, and Willi, who watches in a window of any size, over a line that can be made thin."""

    def __init__(self, admin, artefacts, folders, mode, script=None):
        self.admin, self.mode, self.script = admin, mode, script
        self.event = f"{mode.lower().replace('_', '-')}{'-described' if script else ''}"
        admin.post("/v1/events", {"id": self.event, "title": "Layers within a stream"}, expect=201)
        self._stack = ExitStack()
        try:
            self.relay = self._stack.enter_context(impaired(free_ports(1)[0], admin.studio.ports["media"]))
            query = f"?codec=vp9&scalability={mode}" if mode.startswith("L") else ""
            self.sender = self._page(artefacts, folders, f"Clara {mode}", (700, 600), query)
            self.willi = self._page(artefacts, folders, f"Willi {mode}", (660, 560), "?media=canvas", self.relay.way())
        except BaseException:
            self.close()
            raise

    def _page(self, artefacts, folders, name, size, query, script=""):
        log = artefacts / f"chromedriver-svc-{name.replace(' ', '-')}.log"
        driver = self._stack.enter_context(chromium(folders.mktemp(name), log, size=size))
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
        invitation = self.admin.post(f"/v1/events/{self.event}/invitations", {"role": "speaker", "name": name}, expect=201).json()
        if self.script:
            driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": self.script})
        driver.get(f"{invitation['url']}{query}")
        wait_script(driver, "document.querySelector('#preview').videoWidth > 0", 15, "the picture in the mirror")
        driver.find_element(By.ID, "join").click()
        wait_script(driver, JOINED, 20, f"{name} is in the room")
        return Page(driver)

    def sent(self):
        return self.sender.driver.execute_async_script(SENT)

    def layers(self):
        """What the media server says of the layers of the camera."""
        path = f"/v1/events/{self.event}/participants/{self.sender.participant}/connection"
        for connection in self.admin.get(path, expect=200).json()["items"]:
            for track in connection["tracks"]:
                if track["id"].startswith("camera") and connection["direction"] == "publishes":
                    return track["layers"]
        return []

    def line(self):
        """What the media server says of the line to Willi: what it carries, and what of the camera it has no room for."""
        path = f"/v1/events/{self.event}/participants/{self.willi.participant}/connection"
        down = next(item for item in self.admin.get(path, expect=200).json()["items"] if item["direction"] == "receives")
        camera = next((track for track in down["tracks"] if track["id"].startswith("camera.")), {})
        return down.get("capacity"), camera.get("limit"), camera.get("layer")

    def note(self):
        """What Willi's page says beside the picture."""
        tile = f'.tile[data-participant="{self.sender.participant}"][data-kind="person"]'
        return self.willi.value(f"document.querySelector({json.dumps(tile)})?.querySelector('.note:not([hidden])')?.textContent ?? ''")

    def received(self):
        return self.willi.received(self.sender.participant, "camera")

    def shown(self):
        return self.willi.driver.execute_script(SHOWN, self.sender.participant)

    def wait_fitting(self, seconds=60):
        """Waits until what comes is what fits, of what comes now; returns its height."""

        def fits():
            layers = [layer for layer in self.layers() if layer["active"] and layer.get("height")]
            width, height = self.shown()
            heights = [layer["height"] for layer in layers if layer["width"] >= width or layer["height"] >= height]
            wanted = heights[0] if heights else layers[-1]["height"] if layers else 0
            return len(layers) > 1 and self.received().get("frameHeight") == wanted and wanted

        return wait_until(
            fits, seconds,
            lambda: f"shown in {self.shown()}; layers {json.dumps(self.layers())}; sent {json.dumps(self.sent())}; "
            f"received {self.received()}", 0.5,
        )  # fmt: skip

    def close(self):
        self._stack.close()


# L3T3 is what the test with descriptors sends in every run.
@pytest.fixture(scope="module", params=["L3T3_KEY", pytest.param("L3T3", marks=pytest.mark.whole_matrix)])
def room(request, admin, artefacts, tmp_path_factory):
    room = Room(admin, artefacts, tmp_path_factory, request.param)
    yield room
    room.close()


def test_a_small_tile_gets_the_small_layer_and_a_large_one_the_large(room, artefacts):
    sent = wait_until(lambda: (report := room.sent())["fps"] > 0 and report, 30, lambda: f"{room.sent()}", 0.5)
    assert (sent["mimeType"], sent["mode"]) == ("video/VP9", room.mode), sent
    wait_until(
        lambda: [layer.get("height") for layer in room.layers()] == [180, 360, 720]
        and all(layer["active"] for layer in room.layers()), 60, lambda: f"{room.layers()}, of {room.sent()}", 0.5,
    )  # fmt: skip
    heights = []
    for size in ((660, 560), (1100, 800), (2400, 1500), (660, 560)):
        room.willi.driver.set_window_size(*size)
        heights.append(room.wait_fitting())
        print(f"window {size}: {room.shown()} shows {heights[-1]}; {room.sent()}; {room.layers()}")
        room.willi.wait_frames(room.sender.participant, 15)
        screenshot(room.willi.driver, artefacts, f"svc-{room.mode}-{size[0]}.png")
    assert heights[0] < heights[1] < heights[2] and heights[3] == heights[0], heights
    report = room.received()
    print(f"{report}")
    participants = room.admin.get(f"/v1/events/{room.event}/participants", expect=200).json()["items"]
    camera = next(
        track for person in participants if person["id"] == room.sender.participant for track in person["tracks"]
        if track["source"] == "camera"
    )  # fmt: skip
    assert camera["layers"] == 3, camera
    assert room.willi.value("window.proscenium.joins") == room.sender.value("window.proscenium.joins") == 1


@pytest.mark.whole_matrix  # `test_impairment.py` has a thin line in every run
def test_over_a_thin_line_the_lower_layers_come_until_it_is_wide_again(room, artefacts):
    assert room.relay.counts()["down"]["delivered"] > 30, "the media goes another way"
    room.willi.driver.set_window_size(2400, 1500)
    whole = room.wait_fitting()
    wait_until(lambda: room.line()[1] is None, 30, room.line, 0.5)
    room.relay.set(up={"delay_ms": 25}, down={"delay_ms": 25, "rate": 4e5})
    begin = time.monotonic()
    try:
        wait_until(lambda: 0 < room.received().get("frameHeight", 0) < whole, 30, lambda: f"{room.line()} {room.received()}", 0.2)
        print(f"smaller after {time.monotonic() - begin:.1f} s: {room.line()}, {room.layers()}")
        wait_until(lambda: room.line()[1] == "smaller" and (room.line()[0] or 9e9) < 8e5, 30, room.line, 0.5)
        wait_until(lambda: "connection is slow" in room.note(), 15, room.note, 0.2)
        screenshot(room.willi.driver, artefacts, f"svc-{room.mode}-thin.png")
        room.relay.counts()
        first, begin = room.received(), time.monotonic()
        time.sleep(10)
        last, took, down = room.received(), time.monotonic() - begin, room.relay.counts()["down"]
        seen = (last["framesDecoded"] - first["framesDecoded"]) / took, down["bytes"] * 8 / took
        print(f"{seen[0]:.1f} pictures a second of {last['frameHeight']}, {seen[1]:.0f} bit/s: {room.line()}")
        # What goes on is a picture that the line carries, and no queue that never empties.
        assert seen[0] > 3 and seen[1] < 1.15 * 4e5 and last["frameHeight"] < whole, (seen, room.line(), room.layers())
    finally:
        room.relay.set()
    begin = time.monotonic()
    wait_until(lambda: room.received().get("frameHeight") == whole, 30, lambda: f"{room.line()} {room.received()}", 0.2)
    print(f"whole again after {time.monotonic() - begin:.1f} s")
    wait_until(lambda: room.line()[1] is None and not room.note(), 30, lambda: f"{room.line()} {room.note()}", 0.5)
    assert room.willi.value("window.proscenium.joins") == 1


def test_the_compositor_shows_the_picture_in_the_size_of_its_place(room, admin):
    path, composed = f"/v1/events/{room.event}", Composed(admin.studio, room.event)
    admin.request("POST", f"{path}/start")
    wait_until(lambda: admin.get(f"{path}/program.jpg").status_code == 200, 40, "no program")
    participant = room.sender.participant
    admin.put(f"{path}/stage/{participant}", {}, expect=(200, 204))
    try:
        # The whole canvas, then an inset of 420 x 264.
        for layout, slots in (("full", {"main": f"participant:{participant}"}), ("pip", {"main": "none", "inset": f"participant:{participant}"})):
            admin.put(f"{path}/program", {"layout": layout, "slots": slots}, expect=200)
            seen = []

            def fits():
                layers = [layer for layer in room.layers() if layer["active"] and layer.get("height")]
                pixels = composed.pixels()
                wanted = layers[-1] if layout == "full" else next(layer for layer in layers if layer["height"] >= 264)
                seen.append((pixels, wanted))
                return pixels == wanted["width"] * wanted["height"]

            wait_until(fits, 60, lambda: f"{layout}: {seen}", 0.1)
            print(f"{layout}: {seen[-1]}")
    finally:
        admin.request("DELETE", f"{path}/stage/{participant}", expect=(200, 204))
        # What comes next has the machine for itself.
        admin.request("POST", f"{path}/stop")


@pytest.mark.parametrize("mode", [pytest.param("Simulcast", marks=pytest.mark.whole_matrix), "L3T3"])
def test_pictures_go_on_through_changes_where_descriptors_tell_their_frames(admin, artefacts, tmp_path_factory, mode):
    room = Room(admin, artefacts, tmp_path_factory, mode, DESCRIBE)
    try:
        room.willi.wait_frames(room.sender.participant, 20)
        assert room.sender.value("window.describes(window.proscenium.publishConnection)") == 1
        assert room.willi.value("window.describes(window.proscenium.subscribeConnection)") == 1
        wait_until(
            lambda: len([layer for layer in room.layers() if layer["active"] and layer.get("height")]) == 3, 60,
            lambda: f"{room.layers()}, of {room.sent()}", 0.5,
        )  # fmt: skip
        heights = []
        for size in ((660, 560), (2400, 1500), (1100, 800), (2400, 1500), (660, 560)):
            room.willi.driver.set_window_size(*size)
            heights.append(room.wait_fitting())
            room.willi.wait_frames(room.sender.participant, 15)
        print(f"{heights}; {room.received()}")
        refused = re.search(r"^proscenium_sfu_descriptors_refused_total(?:{[^}]*})? (\S+)$", admin.studio.metrics(), re.M)
        assert refused and float(refused[1]) == 0, refused
        # Which layers come is the sender's matter too, whose machine may be short; that the picture fits of those was waited for.
        assert heights[0] == heights[4] < min(heights[1:4]), heights
    finally:
        room.close()
