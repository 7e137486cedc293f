"""The producer's page in a browser: clips, fonts, saved scenes, several lower thirds and takes at a program time, each seen by REST."""

import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from harness.browser import chromium, screenshot, wait_script
from harness.files import make_clip, make_tone
from harness.waiting import wait_until

EVENT = "desk"
PATH = f"/v1/events/{EVENT}"
FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf")
SECONDS = 60


class Desk:
    """The page of a producer, and the studio's own view of what they do."""

    def __init__(self, admin, page):
        self.admin, self.page = admin, page

    def get(self, what):
        return self.admin.get(f"{PATH}/{what}", expect=200).json()

    def wait(self, what, condition, seconds=15):
        """Waits until the studio says of a scene, a list or a take what is expected, and returns it."""
        seen = []

        def look():
            seen[:] = [self.get(what)]
            return seen[0] if condition(seen[0]) else None

        return wait_until(look, seconds, lambda: f"{what} is {seen[0]}; {self.errors()}", 0.1)

    def script(self, expression, what, seconds=15):
        return wait_script(self.page, expression, seconds, what)

    def open(self, tab):
        self.find(f"#tab-{tab}").click()

    def find(self, selector):
        return self.page.find_element(By.CSS_SELECTOR, selector)

    def fill(self, selector, text):
        self.wait_free(selector)
        field = self.find(selector)
        field.clear()
        field.send_keys(str(text))

    def wait_free(self, selector):
        """Waits until a control is seen and can be used: what is being done holds it for so long."""
        found = f"document.querySelector('{selector}')"
        self.script(f"{found}?.disabled === false && {found}.checkVisibility()", f"{selector} can't be used")

    def choose(self, selector, value):
        self.wait_free(selector)
        self.script(f"[...document.querySelector('{selector}').options].some((option) => option.value === '{value}')", value)
        Select(self.find(selector)).select_by_value(value)

    def press(self, selector):
        """Presses a button by the keyboard, as soon as it can be pressed."""
        self.wait_free(selector)
        self.find(selector).send_keys(Keys.ENTER)

    @contextmanager
    def held(self, method, what):
        """Holds back what the page asks of a path until the block has ended, as a slow line does."""
        self.page.execute_script("""
            const [method, path] = arguments, send = window.fetch;
            const held = new Promise((release) => {
                window.release = () => {
                    window.fetch = send;
                    release();
                };
            });
            window.held = 0;
            window.fetch = async (asked, options = {}) => {
                if (asked === path && options.method === method) {
                    window.held++;
                    await held;
                }
                return send(asked, options);
            };
        """, method, f"{PATH}/{what}")
        try:
            yield
        finally:
            self.page.execute_script("window.release()")

    def errors(self):
        return self.page.execute_script("return window.proscenium.summary.errors")


@pytest.fixture(scope="module")
def desk(studio, admin, artefacts, tmp_path_factory):
    """An event that runs, and a producer who has its page open."""
    admin.post("/v1/events", {"id": EVENT, "title": "The desk"}, expect=201)
    admin.post(f"{PATH}/start", expect=202)
    folder = tmp_path_factory.mktemp("desk")
    try:
        with chromium(folder / "profile", artefacts / "chromedriver-desk.log", size=(1440, 900)) as page:
            page.get(f"{studio.origin}/produce/{EVENT}#{studio.token('producer', EVENT, 'Petra')}")
            desk = Desk(admin, page)
            desk.folder = folder
            desk.script("window.proscenium?.state === 'producing' && window.proscenium.program && window.proscenium.preview", "the desk", 30)
            desk.script("window.proscenium.summary.event === 'live'", "the program", 30)
            yield desk
            screenshot(page, artefacts, "produce-desk.png")
    finally:
        wait_until(lambda: admin.post(f"{PATH}/stop").status_code == 202, 30, "the program does not stop", 1)


def lower_thirds(scene):
    return [(line["name"], line.get("title")) for line in scene["overlays"]["lowerThirds"]]


def test_two_lower_thirds_are_shown_at_once_changed_and_hidden_one_by_one(desk):
    desk.open("overlays")
    for name, title in (("Ada", "Host"), ("Ben", "Guest")):
        desk.fill("#lower-name", name)
        desk.fill("#lower-title", title)
        desk.press("#lower .primary")
        desk.wait("program", lambda scene, name=name: (name, {"Ada": "Host", "Ben": "Guest"}[name]) in lower_thirds(scene))
    both = desk.get("program")["overlays"]["lowerThirds"]
    assert [(line["name"], line["title"]) for line in both] == [("Ada", "Host"), ("Ben", "Guest")]
    desk.script("document.querySelectorAll('#overlays-shown > li').length === 2", "both of them in the list")
    desk.press("#overlays-shown > li:first-child [data-act=edit]")
    desk.script("document.querySelector('#lower-name').value === 'Ada'", "Ada in the form")
    desk.fill("#lower-title", "Chair")
    desk.press("#lower .primary")
    changed = desk.wait("program", lambda scene: ("Ada", "Chair") in lower_thirds(scene))
    # The same one in its place, and not another one.
    assert [line["id"] for line in changed["overlays"]["lowerThirds"]] == [line["id"] for line in both]
    desk.script("document.querySelector('#overlays-shown').textContent.includes('Chair')", "the new title in the list")
    desk.press("#overlays-shown > li:first-child [data-act=hide]")
    desk.wait("program", lambda scene: lower_thirds(scene) == [("Ben", "Guest")])


def test_a_font_is_uploaded_and_chosen(desk):
    desk.open("overlays")
    wrong = desk.folder / "wrong.ttf"
    wrong.write_bytes(b"no font")
    desk.find("#font-file").send_keys(str(wrong))
    said = desk.script("document.querySelector('#look > .error').textContent", "what is wrong with the file")
    assert "neither TTF" in said, said
    desk.find("#font-file").send_keys(str(FONT))
    font = desk.wait("assets", lambda page: page["items"])["items"][0]
    assert font["kind"] == "font", font
    desk.script(f"document.querySelector('#overlay-font').textContent.includes('{FONT.name}')", "its name in the list")
    desk.choose("#overlay-font", font["id"])
    desk.wait("program", lambda scene: scene["overlays"].get("font") == font["id"])
    desk.choose("#overlay-font", "")
    desk.wait("program", lambda scene: "font" not in scene["overlays"])
    assert not desk.errors(), desk.errors()


def test_a_scene_is_saved_called_up_and_taken(desk):
    desk.open("overlays")
    saved = desk.get("program")
    desk.fill("#preset-name", "Opening Titles")
    desk.press("#save-preset .primary")
    kept = desk.wait("presets", lambda page: page["items"])["items"][0]
    assert kept["name"] == "opening-titles" and kept["scene"] == saved, kept
    desk.script("document.querySelector('[data-layout=grid]')", "the layouts")
    desk.press("[data-layout=grid]")
    desk.wait("program", lambda scene: scene["layout"] == "grid")
    desk.press("#lower-hide")
    desk.wait("program", lambda scene: not lower_thirds(scene))
    desk.press("[data-preset=opening-titles] .recall")
    desk.wait("preview", lambda scene: scene["layout"] == saved["layout"] and lower_thirds(scene) == [("Ben", "Guest")])
    desk.script("document.querySelector('#next-overlays').value === 'own'", "that it brings its own overlays")
    assert desk.get("program")["layout"] == "grid"
    desk.press("#take")
    desk.wait("program", lambda scene: scene["layout"] == saved["layout"] and lower_thirds(scene) == [("Ben", "Guest")])
    # Once to ask, once to do it.
    desk.press("[data-preset=opening-titles] button.small")
    desk.script("document.querySelector('[data-preset=opening-titles] .armed')", "the question")
    assert desk.get("presets")["items"]
    desk.press("[data-preset=opening-titles] button.small")
    desk.wait("presets", lambda page: not page["items"])


def test_a_take_waits_for_its_moment_and_is_taken_back(desk, admin):
    desk.choose("#next-layout", "split-2")
    desk.wait("preview", lambda scene: scene["layout"] == "split-2")
    before = desk.get("program")["layout"]
    desk.choose("#transition", "fade")
    desk.choose("#take-when", "in")
    desk.fill("#take-seconds", 600)
    desk.press("#take")
    desk.script("window.proscenium.pending && !document.querySelector('#pending-take').hidden", "the take that waits")
    waiting = desk.get("take")
    assert waiting["scene"]["layout"] == "split-2" and (waiting["transition"], waiting["durationMs"]) == ("fade", 500)
    # The scene that was called up brings its own overlays.
    assert waiting["keeps"] == ["music", "levels", "slides"], waiting
    assert 500_000 < waiting["at"] - time.time() * 1000 <= 601_000, waiting["at"]
    assert "Split 2" in desk.find("#pending-take").text
    desk.press("#cancel-take")
    desk.script("document.querySelector('#pending-take').hidden", "that nothing waits")
    admin.get(f"{PATH}/take", expect=404)
    assert desk.get("program")["layout"] == before
    desk.choose("#next-overlays", "air")
    desk.fill("#take-seconds", 3)
    pressed = time.time()
    desk.press("#take")
    # What a colleague does before its moment stays.
    ours = desk.get("program")["overlays"]["lowerThirds"]
    admin.patch(f"{PATH}/program", {"overlays": {"lowerThirds": [*ours, {"name": "Cleo"}]}, "audio": {"program": {"volume": 0.5}}}, expect=200)
    taken = desk.wait("program", lambda scene: scene["layout"] == "split-2", 30)
    # Not to the frame: that is what test_layouts and the compositor's tests look at.
    assert time.time() - pressed >= 2.5, "it came before its moment"
    assert lower_thirds(taken) == [("Ben", "Guest"), ("Cleo", None)], "what is on air goes on over the take"
    assert taken["audio"]["program"]["volume"] == 0.5, taken
    desk.script("window.proscenium.pending === null && document.querySelector('#pending-take').hidden", "that nothing waits")
    desk.choose("#take-when", "now")
    admin.patch(f"{PATH}/program", {"overlays": {"lowerThirds": ours}, "audio": {"program": {"volume": 1}}}, expect=200)


def test_a_clip_is_uploaded_played_paused_moved_and_stopped(desk):
    desk.open("media")
    desk.find("#clip-file").send_keys(str(make_clip(desk.folder / "intro.mp4", SECONDS)))
    clip = next(one for one in desk.wait("assets", lambda page: len(page["items"]) == 2, 60)["items"] if one["kind"] == "video")
    line = f'[data-clip="{clip["id"]}"]'
    desk.script(f"document.querySelector('{line} strong')?.textContent === 'intro.mp4'", "its name in the list")
    before = desk.get("program")
    desk.choose("#clip-then", "hold")
    desk.choose("#clip-audio", "duck")
    desk.press(f"{line} [data-act=play]")
    media = desk.wait("program", lambda scene: scene.get("media", {}).get("state") == "playing")["media"]
    assert (media["asset"], media["then"], media["audio"]) == (clip["id"], "hold", "duck"), media
    desk.script("document.querySelector('#roll-name').textContent === 'intro.mp4'", "what plays")
    desk.script("/^0:(?!00).. [/] 1:00$/.test(document.querySelector('#roll-time').textContent)", "that it goes on, and how long it is")
    desk.press("[data-clip=slate] [data-act=queue]")
    media = desk.wait("program", lambda scene: scene["media"].get("next") == ["slate"])["media"]
    assert (media["asset"], media["then"]) == (clip["id"], "next"), media
    desk.press("#roll-pause")
    desk.wait("program", lambda scene: scene["media"]["state"] == "paused")
    desk.script("document.querySelector('#roll-pause').textContent === 'Play'", "the way to go on")
    # A key that is held: what it asks for while a seek is on its way becomes one more, to the place that was asked for last.
    desk.page.execute_script("""
        const slider = document.querySelector("#roll-position"), send = window.fetch;
        window.seeks = 0;
        window.fetch = (path, ...others) => {
            if (path.endsWith("/seek")) window.seeks++;
            return send(path, ...others);
        };
        for (const place of [10_000, 15_000, 20_000, 25_000, 30_000]) {
            slider.value = place;
            slider.onchange({ target: slider });
        }
    """)
    desk.wait("program", lambda scene: scene["media"].get("positionMs") == 30_000)
    assert desk.page.execute_script("return window.seeks") == 2
    desk.script("document.querySelector('#roll-time').textContent === '0:30 / 1:00'", "the new position")
    desk.press("#roll-stop")
    after = desk.wait("program", lambda scene: "media" not in scene)
    assert (after["layout"], after["slots"]) == (before["layout"], before["slots"])
    desk.script("document.querySelector('#roll').hidden", "that nothing plays")
    # By way of the preview it begins when it is taken.
    desk.press(f"{line} [data-act=preview]")
    preview = desk.wait("preview", lambda scene: scene.get("media", {}).get("asset") == clip["id"])
    assert preview["slots"], preview
    runs = set()
    for _ in range(2):
        desk.press("#take")
        taken = desk.wait("program", lambda scene: scene.get("media", {}).get("state") == "playing")
        assert taken["media"]["asset"] == clip["id"] and lower_thirds(taken) == [("Ben", "Guest")], taken
        assert taken["media"]["after"]["layout"] == before["layout"], taken
        runs.add(taken["media"]["run"])
        desk.script("!document.querySelector('#roll').hidden", "what plays")
        desk.press("#roll-stop")
        desk.wait("program", lambda scene: scene["layout"] == before["layout"] and "media" not in scene)
        desk.script("document.querySelector('#roll').hidden", "that nothing plays")
    assert len(runs) == 2, runs


def test_music_is_uploaded_played_paused_and_stopped(desk, admin):
    desk.open("media")
    desk.find("#music-file").send_keys(str(make_tone(desk.folder / "theme.mp3", 500, 300)))
    music = next(one for one in desk.wait("assets", lambda page: len(page["items"]) == 3, 60)["items"] if one["kind"] == "audio")
    line = f'[data-music="{music["id"]}"]'
    desk.script(f"document.querySelector('{line} strong')?.textContent === 'theme.mp3'", "its name in the list")
    before = desk.get("program")

    def wait_music(condition):
        return desk.wait("program", lambda scene: condition(scene["audio"].get("music")))["audio"].get("music")

    desk.press(f"{line} [data-act=play]")
    playing = wait_music(lambda music: music is not None)
    assert (playing["asset"], playing["state"], playing["loop"], playing["duck"]) == (music["id"], "playing", True, True), playing
    desk.script(f"document.querySelector('{line} .muted').textContent.includes('over and over')", "that it begins again")
    desk.find("#music-loop").click()
    wait_music(lambda music: music and music["loop"] is False)
    desk.press(f"{line} [data-act=play]")
    assert wait_music(lambda music: music and music["state"] == "paused")["run"] == playing["run"]
    desk.script(f"document.querySelector('{line} [data-act=play]').textContent === 'Play'", "the way to go on")
    desk.press(f"{line} [data-act=stop]")
    wait_music(lambda music: music is None)
    desk.script(f"document.querySelector('{line} [data-act=stop]').hidden", "that nothing plays")
    assert desk.get("program") == before
    # A container of pictures with sound alone is music where it is chosen as music.
    desk.find("#music-file").send_keys(str(make_tone(desk.folder / "second.webm", 400, 300)))
    assets = desk.wait("assets", lambda page: len(page["items"]) == 4, 60)["items"]
    other = next(one["id"] for one in assets if one["kind"] == "audio" and one["id"] != music["id"])
    desk.script(f"document.querySelector('[data-music=\"{other}\"] strong')?.textContent === 'second.webm'", "its name in the list")
    # What a colleague has replaced meanwhile is not brought back by pausing it.
    desk.press(f"{line} [data-act=play]")
    desk.script(f"document.querySelector('{line} [data-act=play]').textContent === 'Pause'", "the way to pause it")
    with desk.held("GET", "program"):
        desk.script("window.held", "the next look at the program on its way")
        admin.post(f"{PATH}/media/{other}/play", {}, expect=200)
        desk.press(f"{line} [data-act=play]")
        desk.script(f"document.querySelector('{line} .error').textContent", "why it is not paused")
    playing = wait_music(lambda music: music is not None)
    assert (playing["asset"], playing["state"]) == (other, "playing"), playing
    desk.press(f'[data-music="{other}"] [data-act=stop]')
    wait_music(lambda music: music is None)
    # Its own line says no longer what was wrong.
    desk.press(f"{line} [data-act=play]")
    wait_music(lambda music: music is not None)
    desk.press(f"{line} [data-act=stop]")
    wait_music(lambda music: music is None)
    assert not desk.errors(), desk.errors()


def test_what_is_typed_while_a_form_is_on_its_way_stays(desk):
    desk.open("outputs")
    field = "document.querySelector('#ingest-name')"
    desk.choose("#ingest-kind", "source")
    with desk.held("POST", "ingests"):
        desk.fill("#ingest-name", "first")
        desk.press("#ingest-name")
        desk.script("window.held === 1", "the first one on its way")
        desk.fill("#ingest-name", "second")
    desk.wait("ingests", lambda page: [one["name"] for one in page["items"]] == ["first"])
    desk.script("!document.querySelector('#new-ingest .primary').disabled", "the answer")
    assert desk.page.execute_script(f"return {field}.value") == "second"
    desk.press("#ingest-name")
    desk.wait("ingests", lambda page: len(page["items"]) == 2)
    desk.script(f"{field}.value === ''", "an empty form")
    desk.press("#hide-key")


def test_faders_change_the_program_and_a_refusal_stands_at_its_field(desk):
    desk.open("sound")
    desk.script("document.querySelector('[data-source=program] input')", "the mixer")
    desk.find("[data-source=program] input").send_keys(Keys.HOME)
    desk.wait("program", lambda scene: scene["audio"].get("program", {}).get("volume") == 0)
    desk.press("[data-source=program] button")
    desk.wait("program", lambda scene: scene["audio"]["program"]["muted"] is True)
    desk.open("outputs")
    assert not desk.errors(), desk.errors()
    desk.fill("#output-url", "https://example.com/live")
    desk.fill("#output-key", "secret")
    desk.press("#new-output .primary")
    desk.script("document.querySelector('#output-url-error').textContent && document.querySelector('#output-url').ariaInvalid === 'true'", "why")
    assert desk.page.execute_script("return document.activeElement.id") == "output-url"
    assert not desk.get("outputs")["items"]


def test_tabs_are_reached_by_arrow_keys_and_every_control_has_a_name(desk):
    desk.open("media")
    desk.find("#tab-media").send_keys(Keys.ARROW_RIGHT)
    desk.script("document.activeElement.id === 'tab-overlays' && !document.querySelector('#panel-overlays').hidden", "the next tab")
    assert desk.page.execute_script("return document.querySelector('#panel-media').hidden")
    nameless = desk.page.execute_script("""
        return [...document.querySelectorAll("#desk button, #desk input, #desk select, #desk textarea")].filter((control) =>
            !control.textContent.trim() && !control.ariaLabel && !control.labels?.length).map((control) => control.outerHTML)
    """)
    assert not nameless, nameless
