"""Colours from a browser's canvas to the program and to HLS: within two code values before the encoder, tagged and true after it.

The patches are drawn by a page in a real Chromium, which sends them as its camera; the studio's meter reads the picture as
it goes into the encoder, and the segments are decoded by what they say of themselves.
"""

import json
import subprocess

import pytest
from selenium.webdriver.common.by import By

from harness import guests
from harness.browser import chromium, screenshot, wait_script
from harness.picture import AS_STAMPED, run_decoder
from harness.probe import CLOCK, probe
from harness.sdp_client import SDPPage
from harness.show import JOINED, Show
from harness.waiting import wait_until

COLUMNS, ROWS = 6, 4
PATCHES = [
    # Bars of 75 %.
    (191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0),
    (0, 0, 191), (0, 0, 0),
    # Bars of 100 %.
    (255, 255, 255), (255, 255, 0), (0, 255, 255), (0, 255, 0),
    (255, 0, 255), (255, 0, 0), (0, 0, 255),
    # Greys, skin from dark to light, and colours of the middle.
    (128, 128, 128), (64, 64, 64), (232, 190, 172),
    (141, 85, 36), (198, 134, 66), (255, 219, 172), (96, 57, 30), (30, 60, 200), (40, 120, 90),
]  # fmt: skip
# The camera of a page that asks for one: a canvas with the patches, and a corner that changes so that pictures go on.
CAMERA = """
const patches = %s, columns = %d, rows = %d;
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 1280, height: 720 });
    const context = canvas.getContext("2d");
    let count = 0;
    const draw = () => {
        patches.forEach((patch, index) => {
            const [x, y] = [index %% columns * canvas.width / columns, Math.floor(index / columns) * canvas.height / rows];
            context.fillStyle = `rgb(${patch})`;
            context.fillRect(Math.round(x), Math.round(y), Math.ceil(canvas.width / columns), Math.ceil(canvas.height / rows));
        });
        context.fillStyle = count++ %% 2 ? "#000" : "#111";
        context.fillRect(0, 0, 4, 4);
    };
    draw();
    setInterval(draw, 1000 / 30);
    const sound = wanted.audio ? (await open({ audio: wanted.audio })).getTracks() : [];
    return new MediaStream([...canvas.captureStream(30).getTracks(), ...sound]);
};
""" % (json.dumps(PATCHES), COLUMNS, ROWS)

# A phone held upright: its camera's pictures lie on their side, and each says that it is to be turned clockwise.
BLUE, RED = (32, 32, 192), (192, 32, 32)
PHONE = """
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
    const canvas = new OffscreenCanvas(1280, 720), context = canvas.getContext("2d");
    context.fillStyle = "rgb(%d %d %d)";
    context.fillRect(0, 0, 640, 720);
    context.fillStyle = "rgb(%d %d %d)";
    context.fillRect(640, 0, 640, 720);
    const track = new MediaStreamTrackGenerator({ kind: "video" }), writer = track.writable.getWriter();
    setInterval(() => writer.write(new VideoFrame(canvas, { timestamp: performance.now() * 1000, rotation: 90 })), 1000 / 30);
    const sound = wanted.audio ? (await open({ audio: wanted.audio })).getTracks() : [];
    return new MediaStream([track, ...sound]);
};
""" % (*BLUE, *RED)


def bt709(rgb):
    """Returns the code values of BT.709, limited range, not rounded."""
    red, green, blue = (value / 255 for value in rgb)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748


def inner_area(index, width=1920, height=1080):
    """Returns the middle of a patch in pixels: its edges belong to both neighbours."""
    tile = width // COLUMNS, height // ROWS
    return (
        index % COLUMNS * tile[0] + tile[0] // 4 & ~1, index // COLUMNS * tile[1] + tile[1] // 4 & ~1,
        tile[0] // 2 & ~1, tile[1] // 2 & ~1,
    )  # fmt: skip


def read(show, areas):
    query = "&".join("area=" + ",".join(map(str, area)) for area in areas)
    answer = show.admin.get(f"{show.path}/program/meter?{query}", expect=200).json()
    assert (answer["width"], answer["height"]) == (1920, 1080), answer
    return [(area["luma"], area["cb"], area["cr"]) for area in answer["areas"]]


def differences(found, wanted):
    return [max(abs(one - other) for one, other in zip(*pair)) for pair in zip(found, wanted)]


class ColourShow(Show):
    """An event whose only speaker has a colour chart before the camera."""

    event = "colours"

    def open(self):
        self.begin()
        self.driver = self.join("Carl Chart", CAMERA)
        self.put_on_stage(self.participant("Carl Chart"))
        self.show({"layout": "full"}, hold=0)
        return self.record()

    def join(self, name, camera):
        """Brings a speaker in whose page has this camera; returns the browser."""
        label = name.split()[0].lower()
        driver = self._stack.enter_context(
            chromium(self.folder / label, self.artefacts / f"chromedriver-{label}.log", size=(960, 760))
        )
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": camera})
        driver.get(self.invite(name=name)["url"])
        wait_script(driver, "document.querySelector('#preview').videoWidth > 0", 15, "the picture in the mirror")
        driver.find_element(By.ID, "join").click()
        wait_script(driver, JOINED, 20, f"{name} is in the room")
        return driver


@pytest.fixture(scope="module")
def show(studio, artefacts, tmp_path_factory):
    show = ColourShow(studio, artefacts, tmp_path_factory.mktemp("colour"))
    try:
        yield show.open()
        # The installation is shared: its next tests have the machine to themselves.
        show.admin.post(f"{show.path}/stop", expect=202)
    finally:
        show.close()


@pytest.fixture(scope="module")
def settled(show):
    """Waits until the browser's encoder has had its time; returns what the meter reads then."""
    wanted, areas = [bt709(patch) for patch in PATCHES], [inner_area(index) for index in range(len(PATCHES))]
    found = []

    def look():
        found[:] = read(show, areas)
        return max(differences(found, wanted)) <= 2

    def table():
        screenshot(show.driver, show.artefacts, "colour.png")
        rows = zip(PATCHES, found, wanted, differences(found, wanted))
        return "\n".join(
            f"{patch}: {tuple(round(v, 2) for v in seen)}, drawn {tuple(round(v, 2) for v in want)}: {off:.2f}"
            for patch, seen, want, off in rows
        )

    wait_until(look, 40, table, 0.3)
    print(table())
    show.steady = show.note(None, lambda: show.admin.patch(f"{show.path}/program", {}, expect=200).json(), hold=0)
    return found


def test_patches_of_a_canvas_are_in_the_program_to_two_code_values(settled):
    off = differences(settled, [bt709(patch) for patch in PATCHES])
    print(f"the worst of {len(off)} patches is {max(off):.2f} off, the mean of them {sum(off) / len(off):.2f}")
    assert max(off) <= 2


def test_the_browser_tells_its_colours_and_is_read_by_what_it_tells(show):
    """Both sides have agreed on the extension; without it the picture above would be BT.709 in full range, read as BT.601."""
    answer = show.driver.execute_script("return window.proscenium.publishConnection.remoteDescription.sdp")
    assert "http://www.webrtc.org/experiments/rtp-hdrext/color-space" in answer, answer
    assert "urn:3gpp:video-orientation" in answer, answer


def test_every_rung_is_tagged_bt709_and_true_to_it(show, settled):
    recorder = show.recorder
    # The rungs' encoders have had their time, too: a key frame has come.
    moment = show.steady["programTime"] + 2200

    def segments():
        found = [recorder.covering(moment, record) for record in recorder.rungs]
        return all(s is not None and s.number in r.files for s, r in zip(found, recorder.rungs)) and found

    covering = wait_until(segments, 40, "the segment of the settled picture is not listed in every rung", 0.2)
    for record, segment in zip(recorder.rungs, covering):
        name, path = record.rung.name, record.files[segment.number]
        width, height = map(int, name.split("x"))
        done = subprocess.run(
            ["ffprobe", "-v", "error", "-select_streams", "v", "-of", "json", "-show_entries",
             "stream=pix_fmt,color_range,color_space,color_transfer,color_primaries", str(path)],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        stream = json.loads(done.stdout)["streams"][0]
        assert stream == {
            "pix_fmt": "yuv420p", "color_range": "tv", "color_space": "bt709", "color_transfer": "bt709",
            "color_primaries": "bt709",
        }, f"{name}: {stream} {done.stderr}"  # fmt: skip
        # The picture that is out at the moment, decoded from the segment's beginning: behind the last key frame nothing can begin.
        stamps = sorted(packet.pts for packet in probe(path).video)
        index = sum(segment.start + (stamp - stamps[0]) * 1000 / CLOCK <= moment for stamp in stamps[1:])
        # Once as numbers, and once as a player shows them that goes by the tags.
        for form, wanted, limit in (("yuv444p", [bt709(p) for p in PATCHES], 3), ("gbrp", PATCHES, 5)):
            data = run_decoder(
                ["-i", str(path), "-map", "0:v", *AS_STAMPED, "-frames:v", "1", "-vf",
                 f"select=eq(n\\,{index}),scale=flags=bilinear+accurate_rnd+full_chroma_int+full_chroma_inp,format={form}", "-f", "rawvideo", "-"]
            )  # fmt: skip
            assert len(data) == 3 * width * height, f"{name}: {len(data)} bytes of {form}"
            planes = [data[at * width * height : (at + 1) * width * height] for at in range(3)]
            if form == "gbrp":
                planes = [planes[2], planes[0], planes[1]]
            found = [patch_mean(planes, width, inner_area(index, width, height)) for index in range(len(PATCHES))]
            off = differences(found, wanted)
            worst = off.index(max(off))
            print(f"{name} as {form}: the worst patch {PATCHES[worst]} is {max(off):.2f} off, mean {sum(off) / len(off):.2f}")
            assert max(off) <= limit, f"{name} {form}: {PATCHES[worst]} is {found[worst]}, drawn {wanted[worst]}"


def patch_mean(planes, width, area):
    x, y, columns, rows = area
    return tuple(
        sum(sum(plane[row * width + x : row * width + x + columns]) for row in range(y, y + rows)) / (columns * rows)
        for plane in planes
    )


@pytest.fixture(scope="module")
def viewer(show, settled, tmp_path_factory):
    """A browser that watches the program by WHEP."""
    attendee = guests.bearer(show.studio, show.invite("attendee"))
    playback = attendee.post(f"{show.path}/playback", expect=200).json()
    with chromium(tmp_path_factory.mktemp("viewer"), show.artefacts / "chromedriver-viewer.log") as driver:
        yield SDPPage(driver, playback["whep"], attendee.token, "receive")


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_a_browser_shows_the_program_by_whep_in_its_true_colours(show, viewer, codec):
    """What a page reads from its video, in either codec: nothing but the codec differs between the two."""
    viewer.make(viewer.url, viewer.token, "receive" if codec == "VP8" else "receiveH264", codec)
    viewer.driver.execute_script(f"document.querySelectorAll('video').forEach((one) => one !== {codec}.video && one.remove())")
    answer = viewer.call("open", client=codec)
    assert answer["status"] == 201, answer
    areas, found = [inner_area(index, 640, 360) for index in range(len(PATCHES))], []

    def look():
        found[:] = viewer.call("colours", areas, client=codec) or []
        return found and max(differences(found, PATCHES)) <= 5

    def table():
        screenshot(viewer.driver, show.artefacts, f"colour-{codec}.png")
        return "\n".join(
            f"{patch}: {tuple(round(v, 1) for v in seen)}: {off:.1f}" for patch, seen, off in zip(PATCHES, found, differences(found, PATCHES))
        )

    wait_until(look, 40, table, 0.3)
    print(f"{codec}: the worst of {len(PATCHES)} patches is {max(differences(found, PATCHES)):.1f} off\n{table()}")
    reports = {report["kind"]: report for report in viewer.call("inbound", client=codec)}
    assert reports["video"]["codec"] == f"video/{codec}" and reports["video"]["frameWidth"] == 640, reports
    assert viewer.call("close", client=codec)["status"] == 200


def test_a_phone_that_is_held_upright_is_upright_in_the_program(show, settled):
    """The picture lies on its side until it is turned: then what was at its left is at the top."""
    show.take_off_stage(show.participant("Carl Chart"))
    driver = show.join("Paula Phone", PHONE)
    assert driver.execute_script("return document.querySelector('#preview').videoWidth < document.querySelector('#preview').videoHeight")
    show.put_on_stage(show.participant("Paula Phone"))
    # The upright picture is seen whole, 607 wide in the middle, before its own blurred self; the colours meet half way down.
    areas = [(x, y, 160, 160) for y in (40, 340, 640, 880) for x in (700, 1040)]
    wanted = [bt709(BLUE)] * 4 + [bt709(RED)] * 4
    found = []

    def look():
        found[:] = read(show, areas)
        return max(differences(found, wanted)) <= 2

    wait_until(look, 30, lambda: f"{found}, and {wanted} is upright", 0.3)
    print(f"upright to {max(differences(found, wanted)):.2f} code values")
