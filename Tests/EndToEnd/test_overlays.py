"""What lies over the picture, put on and taken off from the producer's page in a browser, and found in the decoded program."""

import re
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from harness.browser import chromium, screenshot, wait_script
from harness.files import make_png
from harness.picture import COLUMNS, FRAME_MS, ROWS, is_near
from harness.show import Show
from harness.waiting import wait_until

GROUND = (200, 110, 20)
LOGO = (20, 180, 60)
# The panels of two themes (themes/*.json): the one is nearly opaque, the other wholly.
LIGHT = tuple(0.94 * 255 + 0.06 * part for part in GROUND)
LIGHT_MS = 240
BAND = (91, 42, 134)
ACCENT = (255, 210, 63)
WHITE = (255, 255, 255)

# Where things lie on the picture, in grid units, and around them.
LOWER = (2, 29, 24, 5)
PLACES = {
    "ticker": (0, 34, 64, 2), "clock": (1, 1, 14, 7), "countdown": (18, 13, 20, 10), "comment": (1, 24, 36, 10),
    "poll": (38, 1, 25, 11), "logo": (54, 29, 10, 5),
}  # fmt: skip
NEWS = "Doors open at nine · الأبواب تفتح في التاسعة · 開場は九時です · " * 3
SCRIPTS = [
    {"name": "Zoë 👩🏽‍💻 Müller 👍🏿", "title": "Emoji with skin tones 🧑🏾‍🚀🇨🇭", "theme": "default"},
    {"name": "محمد عبد الله الأنصاري", "title": "مدير التقنية 2026 (القاهرة)", "theme": "light"},
    {"name": "שלום בן־דוד", "title": "מנהל טכנולוגיה, ACME 42%", "theme": "band"},
    {"name": "श्रीमती कविता क्षत्रिय", "title": "मुख्य कार्यकारी अधिकारी", "theme": "outline"},
    {"name": "สมชาย น้ำใจ ผู้ใหญ่", "title": "ผู้อำนวยการฝ่ายเทคโนโลยี", "theme": "light"},
    {"name": "田中 愛子 直骨角", "title": "最高技術責任者", "theme": "band", "lang": "ja"},
]


class Desk(Show):
    """A running event with nobody in it, and a producer at the desk."""

    def open(self):
        self.admin.post("/v1/events", {"id": self.event, "title": "Overlays"}, expect=201)
        self.admin.post(f"{self.path}/start", expect=202)
        picture = self.admin.request(
            "POST", f"{self.path}/assets", data=make_png(LOGO), headers={"Content-Type": "image/png"}, expect=201
        ).json()
        self.logo = picture["id"]
        self.poll = self.admin.post(
            f"{self.path}/polls", {"kind": "single", "question": "Which way shall we go?", "options": ["Left", "Right"]},
            expect=201,
        ).json()  # fmt: skip
        self.poll = self.admin.post(f"{self.path}/polls/{self.poll['id']}/open", {}, expect=200).json()
        self.record()
        self.show({"layout": "full", "background": "#C86E14"}, hold=0.5)
        log = self.artefacts / "chromedriver-overlays.log"
        self.page = self._stack.enter_context(chromium(self.folder / "desk", log, size=(1400, 2600)))
        self.page.get(f"{self.studio.origin}/produce/{self.event}#{self.studio.token('producer', self.event, 'Petra')}")
        wait_script(self.page, "window.proscenium?.state === 'producing'", 15, "the desk")
        wait_script(self.page, "document.querySelector('#overlay-theme').options.length >= 4", 10, "the themes")
        self.find("#tab-overlays").click()
        self.page.execute_script("for (const fold of document.querySelectorAll('#overlay-mount details')) fold.open = true")
        return self

    def find(self, selector):
        return self.page.find_element(By.CSS_SELECTOR, selector)

    def choose(self, select, value):
        """Chooses from a list as somebody does who has the page before them: by going there first."""
        element = self.find(select)
        self.page.execute_script("arguments[0].blur(); arguments[0].focus()", element)
        wait_script(self.page, f"[...document.querySelector('{select}').options].some(({{ value }}) => value === '{value}')", 10, value)
        Select(element).select_by_value(value)

    def fill(self, field, text):
        element = self.find(field)
        element.clear()
        element.send_keys(text)

    def press(self, label, act, hold=1.0):
        """Does something at the desk; keeps the program time that the page says it is seen at, and lets it stand."""
        if isinstance(act, str):
            act = self.find(act).click
        said = "document.querySelector('#shown').textContent"
        before = self.page.execute_script(f"return {said}")
        act()
        wait_script(self.page, f"{said}.startsWith('Shown at') && {said} !== {before!r}", 10, f"{label}: when it is shown", 0.03)
        text = self.page.execute_script(f"return {said}")
        clock = re.search(r"(\d+):(\d+):(\d+)\.(\d+)", text)
        hours, minutes, seconds, milliseconds = map(int, clock.groups())
        now = datetime.fromtimestamp(self.program_now() / 1000, timezone.utc)
        moment = now.replace(hour=hours, minute=minutes, second=seconds, microsecond=1000 * milliseconds)
        moment = min((moment + timedelta(days=days) for days in (-1, 0, 1)), key=lambda at: abs(at - now))
        answer = self.answers[label] = {"programTime": round(moment.timestamp() * 1000), "said": text}
        self.wait_program_time(answer["programTime"] + 1000 * hold)
        return answer

    def overlays(self):
        return self.admin.get(f"{self.path}/program", expect=200).json()["overlays"]

    def seen(self, label, after_ms, place):
        """Returns a part of the picture some time after something was shown, in full size."""
        moment = self.settled(label, after_ms) if after_ms > 0 else self.answers[label]["programTime"] + after_ms
        return self.decoded.full_size(moment, place)

    def keep(self, label, after_ms, name):
        """Keeps a frame as a picture for whoever wants to look at it."""
        picture = self.seen(label, after_ms, (0, 0, COLUMNS, ROWS))
        path = self.artefacts / name
        subprocess.run(
            ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{picture.width}x{picture.height}",
             "-i", "-", "-frames:v", "1", path],
            input=picture.data, check=True, timeout=60,
        )  # fmt: skip
        print(f"program: {path}")


def count(picture, colour, tolerance=16):
    """How many pixels have a colour."""
    return sum(
        is_near(picture.data[at : at + 3], colour, tolerance) for at in range(0, len(picture.data), 3)
    )


@pytest.fixture(scope="module")
def desk(make_studio, artefacts, tmp_path_factory):
    studio = make_studio("overlays", "--preset", "ultrafast", "--program-preset", "ultrafast")
    desk = Desk(studio, artefacts, tmp_path_factory.mktemp("overlays"))
    try:
        yield desk.open()
    finally:
        desk.close()
        studio.stop()


@pytest.fixture(scope="module")
def named(desk):
    """A lower third with a theme of its own, put on and taken off again."""
    desk.choose("#lower-theme", "light")
    desk.fill("#lower-name", "Zoë Ferreira")
    desk.fill("#lower-title", "رئيسة القسم")
    desk.press("named", "#lower .primary", hold=2.5)
    shown = [{key: line.get(key) for key in ("name", "title", "theme")} for line in desk.overlays()["lowerThirds"]]
    assert shown == [{"name": "Zoë Ferreira", "title": "رئيسة القسم", "theme": "light"}]
    wait_script(desk.page, "!document.querySelector('#lower-hide').disabled", 5, "the way to hide it")
    desk.press("unnamed", "#lower-hide", hold=2.5)
    assert desk.overlays()["lowerThirds"] == []
    return desk


def passage(desk, label, before, after):
    """What one place of the lower third's panel shows around a change: the frames before, on the way, and after."""
    moment = desk.answers[label]["programTime"]
    # So many pictures came late, for want of time: what was before stands meanwhile.
    late = desk.hitches(moment, LIGHT_MS + 500)
    frames = desk.decoded.between(moment - 400, moment + LIGHT_MS + 500)
    looks = [(frame.program_time - moment, frame.mean(2, 30, 1, 2)) for frame in frames]
    print(f"{label}: {late} late, {[(round(at), tuple(round(part) for part in colour)) for at, colour in looks]}")
    assert all(is_near(colour, before, 12) for at, colour in looks if at < -2.5 * FRAME_MS), "it begins before the page says"
    assert sum(not is_near(colour, after, 12) for at, colour in looks if at > LIGHT_MS + 2.5 * FRAME_MS) <= late, "it does not end"
    way = [colour for _, colour in looks if not is_near(colour, before, 12) and not is_near(colour, after, 12)]
    assert way or late >= LIGHT_MS / FRAME_MS - 2, f"{label}: nothing between the two"


def test_a_lower_third_fades_in_with_its_theme_and_out_again(named):
    for label, before, after in (("named", GROUND, LIGHT), ("unnamed", LIGHT, GROUND)):
        passage(named, label, before, after)
    shown, gone = named.seen("named", 1200, LOWER), named.seen("unnamed", 900, LOWER)
    letters, panel = count(shown, (18, 22, 31), 40), count(shown, LIGHT)
    print(f"{letters} pixels of letters on {panel} of the panel")
    assert letters > 1500 and panel > 10_000
    # As wide as its text, and no wider.
    assert is_near(named.seen("named", 1200, (28, 29, 8, 5)).mean(0, 0, 240, 150), GROUND, 12)
    assert count(gone, LIGHT) == 0 and is_near(gone.mean(0, 0, gone.width, gone.height), GROUND, 12)


@pytest.fixture(scope="module")
def laid(named):
    """Each kind of overlay shown from the page, in a theme of all of them."""
    desk = named
    desk.press("theme", lambda: desk.choose("#overlay-theme", "band"), hold=0)
    desk.fill("#ticker-text", NEWS[:200])
    desk.press("ticker", "#ticker-overlay .primary", hold=0)
    desk.choose("#logo-asset", desk.logo)
    desk.choose("#logo-corner", "bottomRight")
    desk.press("logo", "#logo-overlay .primary", hold=0)
    desk.fill("#countdown-title", "We go on soon")
    desk.press("countdown", "#countdown-overlay .primary", hold=0)
    desk.fill("#clock-zone", "Europe/Zurich")
    desk.press("clock", "#clock-overlay .primary", hold=0)
    desk.fill("#comment-name", "Priya")
    desk.fill("#comment-text", "क्या सब लोग एक साथ मतदान कर सकते हैं? Can all of us vote at the same time?")
    desk.press("comment", "#comment-overlay .primary", hold=0)
    desk.choose("#poll-choice", desk.poll["id"])
    desk.press("poll", "#poll-overlay .primary", hold=3)
    assert desk.overlays()["theme"] == "band" and desk.overlays()["poll"]["id"] == desk.poll["id"]
    for number in range(3):
        voter = desk.studio.attendee(desk.admin, desk.event, f"Voter {number}")
        ballot = {"choices": [desk.poll["options"][0]["id"]], "playhead": desk.poll["openedAt"]}
        voter.put(f"{desk.path}/polls/{desk.poll['id']}/ballots/me", ballot, expect=200)
    desk.note("voted", lambda: desk.admin.patch(f"{desk.path}/program", {}, expect=200).json(), hold=6)
    screenshot(desk.page, desk.artefacts, "produce-overlays.png")
    # A take brings what lies over the picture along.
    desk.choose("#next-layout", "full")
    desk.choose("#next-background", "colour")
    desk.press("taken", "#take", hold=1)
    assert set(PLACES) <= {name for name, value in desk.overlays().items() if value}, desk.overlays()
    for name in PLACES:
        wait_script(desk.page, f"!document.querySelector('#{name}-overlay [data-hide]').disabled", 5, f"the way to hide {name}")
        desk.press(f"no {name}", f"#{name}-overlay [data-hide]", hold=0)
    desk.wait_program_time(desk.answers["no logo"]["programTime"] + 2500)
    return desk


def test_every_kind_is_shown_by_the_page_in_the_theme_of_all(laid):
    laid.keep("voted", 4500, "overlays.png")
    for name, place in PLACES.items():
        shown = laid.seen("voted", 4500, place)
        panel, letters = count(shown, LOGO if name == "logo" else BAND), count(shown, WHITE, 60)
        print(f"{name}: {panel} pixels of its panel, {letters} of letters, of {shown.width * shown.height}")
        assert panel > 0.15 * shown.width * shown.height, name
        assert letters > 300 or name == "logo", name
        first = laid.seen(name, -200, place)
        assert count(first, LOGO if name == "logo" else BAND) == 0, f"{name} is there before the page says"


def test_tickers_run_clocks_tick_and_what_stands_still_stands_still(laid):
    # Where the machine stood still for a moment, both are later.
    begin = laid.settled("voted", 1500)
    one, other = (
        {name: laid.decoded.full_size(begin + at, place) for name, place in PLACES.items()} for at in (0, 1100)
    )
    differences = {name: one[name].difference(other[name]) for name in PLACES}
    print({name: round(value, 2) for name, value in differences.items()})
    assert differences["ticker"] > 5 and differences["countdown"] > 0.5
    assert differences["comment"] < 0.5 and differences["logo"] < 0.5


def test_votes_are_seen_on_the_poll_as_they_come(laid):
    before, after = (count(laid.seen(label, at, PLACES["poll"]), ACCENT) for label, at in (("poll", 1500), ("voted", 4500)))
    print(f"{before} pixels of bars before anybody has voted, {after} after")
    assert after > before + 3000


def test_all_is_gone_when_the_page_has_hidden_it(laid):
    gone = laid.seen("no logo", 1400, (0, 0, COLUMNS, ROWS))
    assert is_near(gone.mean(0, 0, gone.width, gone.height), GROUND, 6)
    assert count(gone, BAND) == count(gone, LOGO) == 0
    errors = laid.page.execute_script("return window.proscenium.summary.errors")
    assert not errors, errors
    wrong = laid.page.execute_script("return [...document.querySelectorAll('.error')].map((e) => e.textContent).join('')")
    assert not wrong, wrong


def test_names_of_many_scripts_are_seen_in_themes_of_their_own(laid):
    scene = {"layout": "full", "background": "#C86E14", "overlays": {"lowerThirds": SCRIPTS}}
    wait_until(lambda: laid.show(scene, "scripts", hold=2.5)["ready"], 10, lambda: f"they are not drawn: {laid.answers['scripts']}")
    laid.keep("scripts", 1200, "overlays-scripts.png")
    frame = laid.seen("scripts", 1200, (2, 2, 30, 32))
    for colour in (LIGHT, BAND, WHITE):
        assert count(frame, colour) > 3000, colour
    laid.recorder.assert_clean()


def test_a_theme_that_is_not_there_is_refused_and_nothing_changes(laid):
    before = laid.admin.get(f"{laid.path}/program", expect=200)
    names = [theme["name"] for theme in laid.admin.get("/v1/themes", expect=200).json()["items"]]
    assert names == ["band", "default", "light", "outline"]
    problem = laid.admin.patch(f"{laid.path}/program", {"overlays": {"theme": "nowhere"}}, expect=422).json()
    assert problem["pointer"] == "/overlays/theme"
    assert laid.admin.get(f"{laid.path}/program", expect=200).headers["ETag"] == before.headers["ETag"]


def test_names_are_written_in_an_uploaded_font(laid):
    def upload(data, kind="font/ttf", expect=201):
        answer = laid.admin.request("POST", f"{laid.path}/assets", data=data, headers={"Content-Type": kind}, expect=expect, timeout=60)
        return answer.json()

    data = Path("/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf").read_bytes()
    for wrong, kind, reason in (
        (data[: len(data) // 2], "font/ttf", "cut off"), (b"wOF2" + data[4:], "font/ttf", "WOFF"), (b"no font", "font/otf", "neither TTF"),
    ):  # fmt: skip
        assert reason in upload(wrong, kind, 415)["detail"]
    upload(data, "font/woff2", 415)
    font = upload(data)
    assert font["kind"] == "font" and "width" not in font, font
    name = {"name": "Illinois lilies", "title": "أبواب", "theme": "band"}
    scene = {"layout": "full", "background": "#C86E14", "overlays": {"lowerThirds": [name]}}
    laid.show(scene, "usual", hold=2.5)
    own = scene | {"overlays": {"font": font["id"], "lowerThirds": [name]}}
    wait_until(lambda: laid.show(own, "own", hold=2.5)["ready"], 10, lambda: f"the font is not ready: {laid.answers['own']}")
    laid.admin.request("DELETE", f"{laid.path}/assets/{font['id']}", expect=409)
    laid.keep("own", 900, "overlays-font.png")
    usual, own = (count(laid.seen(label, 900, LOWER), BAND) for label in ("usual", "own"))
    print(f"{usual} pixels of panel in the usual font, {own} in one whose letters are all as wide")
    assert own > 1.15 * usual
