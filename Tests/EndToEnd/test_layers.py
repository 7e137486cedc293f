"""Layers: a browser sends its camera in three sizes, and everybody gets the one that fits what they show."""

import json
import time
from contextlib import ExitStack

import pytest
from aiortc.rtcrtpreceiver import RTCRtpReceiver

from harness import guests
from harness.browser import chromium, screenshot
from harness.composed import Composed
from harness.picture import decode_still
from harness.receiver import RoomReceiver
from harness.speakers import Page, RoomSocket
from harness.waiting import wait_until

EVENT = "layers"

# What is sent of the camera, the smallest first.
SENT = """
const done = arguments[0];
window.proscenium.publishConnection.getStats().then((reports) => {
    const all = [...reports.values()];
    const pair = all.find(({type, nominated}) => type === "candidate-pair" && nominated);
    done({
        available: pair?.availableOutgoingBitrate,
        layers: all.filter(({type, kind}) => type === "outbound-rtp" && kind === "video").map((report) => ({
            rid: report.rid, width: report.frameWidth ?? 0, height: report.frameHeight ?? 0, fps: report.framesPerSecond ?? 0,
            active: report.active, target: report.targetBitrate, limit: report.qualityLimitationReason,
            keyFrames: report.keyFramesEncoded, asked: report.pliCount,
        })).sort((one, other) => one.height - other.height),
    });
});
"""

# In how many pixels of the screen a participant's picture is shown.
SHOWN = """
const video = document.querySelector(`[data-participant="${arguments[0]}"][data-kind="person"] video`);
return [video.clientWidth * devicePixelRatio, video.clientHeight * devicePixelRatio];
"""


@pytest.fixture(scope="module")
def admin(make_studio):
    studio = make_studio("layers")
    try:
        admin = studio.admin()
        admin.post("/v1/events", {"id": EVENT, "title": "Layers"}, expect=201)
        yield admin
    finally:
        studio.stop()


@pytest.fixture(scope="module")
def pair(admin, artefacts, tmp_path_factory):
    """Clara, whose browser has a camera of 1280 x 720, and Willi, who watches in a small window."""
    with ExitStack() as stack:
        pages = []
        for name, size, query in (("Clara", (700, 600), ""), ("Willi", (660, 560), "?media=canvas")):
            driver = stack.enter_context(
                chromium(tmp_path_factory.mktemp(name), artefacts / f"chromedriver-layers-{name}.log", size=size)
            )
            pages.append(Page(guests.enter(driver, guests.invite(admin, EVENT, name=name), query)))
        yield pages


def sent(page):
    return page.driver.execute_async_script(SENT)


def fitting(page, layers, participant):
    """The height of the smallest layer that need not be enlarged, else of the largest."""
    width, height = page.driver.execute_script(SHOWN, participant)
    heights = [layer["height"] for layer in layers if layer["width"] >= width or layer["height"] >= height]
    return heights[0] if heights else layers[-1]["height"]


def wait_fitting(watcher, sender, seconds=60):
    """Waits until what comes is what fits, of what is sent now; returns its height."""
    participant = sender.participant

    def fits():
        layers = [layer for layer in sent(sender)["layers"] if layer["fps"] > 0]
        height = watcher.received(participant, "camera").get("frameHeight")
        return len(layers) > 1 and height == fitting(watcher, layers, participant) and height

    return wait_until(
        fits, seconds,
        lambda: f"shown in {watcher.driver.execute_script(SHOWN, participant)}; sent {json.dumps(sent(sender))}; "
        f"received {watcher.received(participant, 'camera')}", 0.5,
    )  # fmt: skip


def test_a_small_tile_gets_a_small_picture_and_a_large_one_a_large(pair, artefacts):
    clara, willi = pair
    settings = clara.value("window.proscenium.publishConnection.getSenders().find(({track}) => track?.kind === 'video').track.getSettings()")
    assert (settings["width"], settings["height"]) == (1280, 720), settings
    wait_until(lambda: len(sent(clara)["layers"]) == 3, 20, lambda: f"no three layers: {sent(clara)}", 0.5)
    wait_until(
        lambda: all(layer["fps"] > 0 for layer in sent(clara)["layers"]), 60, lambda: f"not all are sent: {sent(clara)}", 0.5
    )
    heights = []
    for size in ((660, 560), (1100, 800), (2400, 1500), (660, 560)):
        willi.driver.set_window_size(*size)
        heights.append(wait_fitting(willi, clara))
        print(f"window {size}: {willi.driver.execute_script(SHOWN, clara.participant)} shows {heights[-1]}; {sent(clara)}")
        willi.wait_frames(clara.participant, 15)
        screenshot(willi.driver, artefacts, f"layers-{size[0]}.png")
    assert heights[0] < heights[1] < heights[2] and heights[3] == heights[0], heights
    report = willi.received(clara.participant, "camera")
    print(f"freezes {report.get('freezeCount')}, {report['framesDecoded']} frames, {report.get('pliCount')} requests")
    assert willi.value("window.proscenium.joins") == clara.value("window.proscenium.joins") == 1


def test_a_small_test_picture_is_sent_in_two_sizes_the_full_one_among_them(pair):
    clara, willi = pair
    wait_until(
        lambda: [(layer["width"], layer["height"]) for layer in sent(willi)["layers"]][-1] == (640, 360)
        or any(layer["limit"] == "cpu" for layer in sent(willi)["layers"]), 40, lambda: f"{sent(willi)}", 0.5,
    )  # fmt: skip
    print(f"of 640 x 360: {sent(willi)}")
    assert [layer["rid"] for layer in sent(willi)["layers"]] == ["h", "f"]
    clara.wait_frames(willi.participant, 15)


def coming(page):
    """Width and height of the layers that are sent now, the smallest first."""
    return [(layer["width"], layer["height"]) for layer in sent(page)["layers"] if layer["fps"] > 0]


def detail(jpeg, width=1280, height=720):
    """How much two pixels side by side differ at the sharpest edges: in a picture that was enlarged they differ little."""
    green = decode_still(jpeg, width, height).data[1::3]
    return sum(sorted((abs(one - other) for one, other in zip(green, green[1:])), reverse=True)[:1000]) / 1000


def test_the_compositor_gets_the_smallest_picture_that_fills_its_tile(admin, pair, artefacts):
    clara, willi = pair
    path, composed = f"/v1/events/{EVENT}", Composed(admin.studio, EVENT)
    admin.post(f"{path}/start", expect=202)
    wait_until(lambda: admin.get(f"{path}/program.jpg").status_code == 200, 40, "no program")
    wait_until(lambda: len(coming(clara)) == 3, 60, lambda: f"no three layers: {sent(clara)}", 0.5)
    print(f"Clara sends {coming(clara)}")

    def small(layers):
        return layers[0]

    def large(layers):
        return layers[-1]

    def fitting_inset(layers):
        # 420 x 264 pixels of the canvas, of which nothing is enlarged.
        return next((layer for layer in layers if layer[1] >= 264), layers[-1])

    def wait_pixels(choose, what):
        """Waits until what is decoded is what is to be chosen of what is sent by now: a busy browser sends smaller ones."""
        seen = []

        def fits():
            before, pixels, after = coming(clara), composed.pixels(), coming(clara)
            width, height = choose(after) if after else (0, 0)
            seen.append((pixels, width, height))
            return before == after and len(after) > 1 and pixels == width * height

        wait_until(fits, 60, lambda: f"{what}: {seen}, of {sent(clara)}", 0.1)

    # On stage, but without a place: the smallest.
    admin.put(f"{path}/stage/{clara.participant}", {}, expect=(200, 204))
    full = {"layout": "full", "slots": {"main": f"participant:{clara.participant}"}}
    shown = admin.put(f"{path}/program", full, expect=200).json()
    assert shown["ready"], shown
    wait_pixels(large, "the whole canvas")
    admin.put(f"{path}/program", {"layout": "holding"}, expect=200)
    wait_pixels(small, "no place")
    # What is shown waits for the larger picture, for a second at most: the first ones are as sharp as those that follow.
    sharpness = []
    for _ in range(3):
        asked = time.monotonic()
        shown = admin.put(f"{path}/program", full, expect=200).json()
        waited = time.monotonic() - asked
        assert shown["ready"], shown
        first = detail(admin.get(f"{path}/program.jpg", expect=200).content)
        wait_pixels(large, "the whole canvas again")
        last = admin.get(f"{path}/program.jpg", expect=200).content
        print(f"shown after {waited:.3f} s, detail {first}, then {detail(last)}, enlarged {detail(last, 320, 180) / 4}")
        if waited < 1:
            sharpness.append((first, detail(last), detail(last, 320, 180) / 4))
        admin.put(f"{path}/program", {"layout": "holding"}, expect=200)
        wait_pixels(small, "no place again")
    # Enlarged from 320 x 180 an edge is four pixels wide: what that would be tells both apart.
    assert sharpness, "no larger picture has come within a second"
    assert all(enlarged < 0.5 * last and first > 0.6 * last for first, last, enlarged in sharpness), sharpness
    # A small place.
    inset = {"layout": "pip", "slots": {"main": "none", "inset": f"participant:{clara.participant}"}}
    admin.put(f"{path}/program", inset, expect=200)
    wait_pixels(fitting_inset, "an inset of 420 x 264")
    # A preview of the whole is as good as the program would be.
    preview = admin.put(f"{path}/preview", full, expect=200)
    assert preview.json()["layout"] == "full"
    wait_until(lambda: admin.get(f"{path}/preview.jpg").status_code == 200, 20, "no preview")
    wait_pixels(large, "a preview of the whole canvas")
    wait_pixels(fitting_inset, "nobody looks at the preview any more")


def test_who_says_nothing_gets_the_whole_and_who_shows_nothing_gets_nothing(admin, pair):
    clara, _ = pair
    api = admin.studio.api()
    api.sign_in(invitation=guests.invite(admin, EVENT, name="Rudi")["token"])
    receiver = RoomReceiver(api, EVENT)
    try:
        receiver.subscribe(clara.participant)
        camera = receiver.tracks[(clara.participant, "camera")]
        wait_until(lambda: len(camera.samples) > 20, 30, lambda: f"{len(camera.samples)} pictures")
        track = next(
            track["id"] for person in clara.value("window.proscenium.participants") if person["id"] == clara.participant
            for track in person["tracks"] if track["source"] == "camera"
        )  # fmt: skip
        assert receiver.socket.ask({"layers": {track: {"width": 0, "height": 0}}})["ok"]
        counted = []
        # What was under way still comes.
        wait_until(lambda: counted.append(len(camera.samples)) or len(counted) > 3 and counted[-3] == counted[-1], 20, "pictures come", 1)
        assert receiver.socket.ask({"layers": {track: {"width": 320, "height": 180}}})["ok"]
        wait_until(lambda: len(camera.samples) > counted[-1] + 10, 30, lambda: f"{len(camera.samples)} pictures, {counted}")
    finally:
        receiver.close()


def test_sizes_that_make_no_sense_are_refused(admin):
    api = admin.studio.api()
    api.sign_in(invitation=guests.invite(admin, EVENT, name="Nele")["token"])
    with RoomSocket(api, EVENT) as room:
        assert room.ask({"layers": {}})["error"]["status"] == 409
        assert room.ask({"subscribe": True})["ok"]
        for layers in (
            {"t": {"width": -1, "height": 1}}, {"t": {"width": 1, "height": 16385}}, {"t": {"width": 1}},
            {"t": {"width": 1, "height": 1, "depth": 1}}, {"t": 1}, [], {f"t{number}": {"width": 1, "height": 1} for number in range(200)},
        ):  # fmt: skip
            error = room.ask({"layers": layers})["error"]
            assert error["status"] in (400, 422) and error["title"], error
        assert room.ask({"layers": {"nobody's": {"width": 1, "height": 1}}})["ok"]


def test_who_agrees_is_told_when_each_packet_left(admin, pair, monkeypatch):
    clara, _ = pair
    told, handle = [], RTCRtpReceiver._handle_rtp_packet

    async def note(self, packet, arrival_time_ms):
        if packet.extensions.abs_send_time is not None:
            told.append((time.monotonic(), packet.extensions.abs_send_time / 2**18))
        await handle(self, packet, arrival_time_ms)

    monkeypatch.setattr(RTCRtpReceiver, "_handle_rtp_packet", note)
    api = admin.studio.api()
    api.sign_in(invitation=guests.invite(admin, EVENT, name="Timo")["token"])
    receiver = RoomReceiver(api, EVENT)
    try:
        receiver.subscribe(clara.participant)
        wait_until(lambda: told and told[-1][0] - told[0][0] > 3, 30, lambda: f"{len(told)} packets tell when they were sent")
    finally:
        receiver.close()
    # Seconds of any clock, which wrap at 64: from packet to packet they go as the clock here does.
    late = [((came - sent) - (told[0][0] - told[0][1]) + 32) % 64 - 32 for came, sent in told]
    print(f"{len(told)} packets, {min(late):.4f} to {max(late):.4f} s later than the first")
    assert len(told) > 100 and -0.5 < min(late) and max(late) < 1, late
