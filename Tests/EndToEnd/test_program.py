"""The compositor's program: what speakers send is found in the decoded picture and sound, changes when REST says, and is
back when any process is killed.

The changes are made first, one after the other; the tests then look at the segments that were recorded meanwhile.
"""

import time

import pytest
from selenium.webdriver.common.by import By

from harness import processes
from harness.browser import chromium, screenshot, wait_script
from harness.files import make_pdf, make_png
from harness.picture import FRAME_MS, colour_of, distance, inner, is_near, rising_edges, tiles
from harness.receiver import RoomReceiver
from harness.segments import (
    GRID_MS, check_bit_rates, check_continuity, check_decodes_alone, check_grid, check_no_gap, check_same_cuts,
    check_starts_and_sizes, off_grid, probe_all,
)  # fmt: skip
from harness.show import ALICE, JOINED, WHITE, Show, is_alice
from harness.sound import drift, onsets, pair_up, sound_between
from harness.speakers import Ground
from harness.waiting import wait_until

GROUND = (16, 24, 40)  # of the built-in layouts
PAGES = [(200, 30, 30), (30, 60, 200)]
BACKGROUND = (200, 110, 20)
SYNC_MS = 20

# What lies where, in grid units, by layouts/*.json.
SIDE = tiles((49, 1.2, 14, 33.6), 1, "column")[0]
CONTENT = (1, 3, 47, 30)
GRID = tiles((1, 1, 62, 34), 3, "grid")
# Where Alice's test picture has only its ground: neither the ball nor the letters come there.
PLAIN = (0.01, 0.3, 0.08, 0.7)


def alice_in(rect):
    return lambda frame: is_alice(frame.mean(*inner(rect, *PLAIN)))


is_full = alice_in((0, 0, 64, 36))


# What the layout draws around who speaks: a fifth of the outermost pixel of a tile on the grid.
BORDER = (92, 200, 255)


def is_alice_at_edge(colour):
    grounds = (colour_of(ALICE), WHITE)
    mixed = [tuple(0.8 * part + 0.2 * edge for part, edge in zip(ground, BORDER)) for ground in grounds]
    return is_alice(colour) or any(is_near(colour, each) for each in mixed)


def is_beside(frame):
    """Alice in the column at the right, the ground at the left edge."""
    return is_alice_at_edge(frame.mean(*inner(SIDE, *PLAIN))) and is_near(frame.mean(0, 8, 1, 20), GROUND, 30)


def shows_page(index):
    return lambda frame: is_near(frame.mean(10, 10, 28, 14), PAGES[index])


def is_decorated(frame):
    """The uploaded background at the left edge, and on it the lower third's dark panel, a quarter of which is there at once."""
    return is_near(frame.mean(0, 8, 1, 14), BACKGROUND) and distance(frame.mean(2, 31, 1, 2), BACKGROUND) > 35


def is_grid(frame):
    return alice_in(GRID[0])(frame) and is_near(frame.mean(*inner(GRID[2], 0.1, 0.84, 0.9, 0.96)), Ground.rgb)


@pytest.fixture(scope="module")
def show(make_studio, artefacts, tmp_path_factory):
    """A running event whose processes are killed in the end."""
    studio = make_studio("program", "--preset", "ultrafast", "--program-preset", "ultrafast")
    show = Show(studio, artefacts, tmp_path_factory.mktemp("program"))
    try:
        yield show.open()
    finally:
        show.close()
        studio.stop()


@pytest.fixture(scope="module")
def rehearsed(show):
    """All changes of the picture, with the program times that their answers told."""
    admin, path = show.admin, show.path
    alice = show.alice.participant
    show.put_on_stage(alice)
    show.show({"layout": "full"}, hold=0.1)
    show.wait_still(is_full, 20, "Alice is not in the program")
    with RoomReceiver(show.bearer(name="Rex Receiver"), show.event) as receiver:
        receiver.subscribe(alice)
        show.wait_program_time(show.mark("sync") + 9000)
        show.mark("sync end")
        tracks = receiver.tracks[alice, "camera"], receiver.tracks[alice, "microphone"]
        show.source_skews = pair_up(rising_edges(tracks[0].captured()), onsets(tracks[1].captured()))
    deck = admin.request(
        "POST", f"{path}/decks", data=make_pdf(PAGES), headers={"Content-Type": "application/pdf"}, expect=201
    ).json()
    assert deck["pages"] == 2, deck
    picture = admin.request(
        "POST", f"{path}/assets", data=make_png(BACKGROUND), headers={"Content-Type": "image/png"}, expect=201
    ).json()
    assert (picture["width"], picture["height"]) == (640, 360), picture
    show.deck, show.picture = deck["id"], picture["id"]

    show.show({"layout": "share-with-speakers"}, "beside")
    turn = f"{path}/slides"
    show.note("page 1", lambda: admin.put(turn, {"deck": deck["id"], "page": 1}, expect=200).json())
    turner = show.bearer(name="Tina Turner", can=["slides"])
    show.note("page 2", lambda: turner.put(turn, {"deck": deck["id"], "page": 2}, expect=200).json())
    show.show(
        {
            "layout": "share-with-speakers", "background": f"image:{picture['id']}",
            "slides": {"deck": deck["id"], "page": 2},
            "overlays": {"lowerThirds": [{"name": ALICE, "title": "Chair"}]},
        },
        "decorated", hold=2,
    )  # fmt: skip

    show.bring_in()
    for name in ("Cora Card", "Freda Frost"):
        show.put_on_stage(show.participant(name))
    show.show({"layout": "grid"}, hold=0.1)
    show.wait_still(is_grid, 15, "the three are not in the grid")
    show.show({"layout": "full"}, hold=0.5)
    show.show({"layout": "grid"}, "grid", hold=2.5)
    show.freda.tracks[1].is_frozen.set()
    show.wait_program_time(show.mark("frozen") + 7000)

    admin.put(f"{path}/preview", {"layout": "full"}, expect=200)
    show.preview = show.still("preview")
    show.note(
        "fade", lambda: admin.post(f"{path}/take", {"transition": "fade", "durationMs": 1000}, expect=200).json(), hold=3
    )
    return show


def test_a_speaker_is_found_where_the_layout_says(rehearsed):
    moment = rehearsed.answers["sync"]["programTime"]
    frames = rehearsed.decoded.between(moment + 1000, moment + 5000)
    ground = colour_of(ALICE)
    for frame in frames:
        assert is_full(frame), f"{frame.mean(*inner((0, 0, 64, 36), *PLAIN))} at {frame.program_time - moment}"
    assert any(distance(frame.mean(0, 10, 4, 10), ground) < 30 for frame in frames)
    # The ball moves: this is no still.
    assert max(one.difference(other) for one, other in zip(frames, frames[15:])) > 2
    beside = rehearsed.decoded.at(rehearsed.settled("beside", 500))
    rehearsed.screenshot("program-alice.png")
    x, y, width, height = SIDE
    inside = [beside.mean(x + 0.2, y + height * part, 0.5, 0.5) for part in (0.3, 0.5, 0.7)]
    assert all(is_alice_at_edge(colour) for colour in inside), inside
    outside = [beside.mean(x - 1.5, y + height / 2), beside.mean(x + width / 2, y - 2), beside.mean(x + 5, y + height + 1)]
    assert all(is_near(colour, GROUND, 30) for colour in outside), outside


def test_flash_and_beep_are_together(rehearsed):
    begin, end = (rehearsed.answers[label]["programTime"] for label in ("sync", "sync end"))
    # As bright as the left edge, where there is nothing but ground and flash.
    lights = [(frame.program_time, sum(frame.mean(0, 2, 3, 32))) for frame in rehearsed.decoded.between(begin, end)]
    skews = pair_up(rising_edges(lights), onsets(sound_between(rehearsed.decoded, begin, end)))
    source = rehearsed.source_skews
    print(f"flash after beep in the program: {[round(skew) for skew in skews]} ms; at the source: {[round(s) for s in source]} ms")
    assert len(skews) >= 3, f"flashes {rising_edges(lights)}"
    assert len(source) >= 3, source
    off = drift(skews, source)
    print(f"beep and flash are {off:+.1f} ms apart, the source's own skew taken off")
    assert abs(off) <= SYNC_MS


def test_a_layout_is_shown_when_the_answer_says(rehearsed):
    rehearsed.assert_shown("beside", is_beside)


def test_slides_are_turned_by_a_producer_and_by_a_speaker_who_may(rehearsed):
    rehearsed.assert_shown("page 1", shows_page(0))
    rehearsed.assert_shown("page 2", shows_page(1))
    slides, deck = f"{rehearsed.path}/slides", rehearsed.deck
    rehearsed.bearer(name="Nora Never").put(slides, {"deck": deck, "page": 1}, expect=403)
    rehearsed.admin.put(slides, {"deck": deck, "page": 3}, expect=422)
    rehearsed.admin.put(slides, {"deck": "no-such-deck", "page": 1}, expect=(404, 422))
    page = rehearsed.admin.get(f"{rehearsed.path}/decks/{deck}/pages/1.png", expect=200)
    assert page.headers["Content-Type"] == "image/png" and page.content.startswith(b"\x89PNG")


def test_background_and_lower_third_are_seen(rehearsed):
    rehearsed.assert_shown("decorated", is_decorated)
    panel = rehearsed.decoded.full_size(rehearsed.settled("decorated", 500), (2, 29.5, 12, 4.5))
    bright = sum(min(panel.data[at : at + 3]) > 200 for at in range(0, len(panel.data), 3))
    print(f"{bright} bright pixels of letters in the lower third")
    assert bright > 500, "no letters in the lower third"


def test_a_speaker_without_a_camera_is_a_name_card(rehearsed):
    card = rehearsed.decoded.full_size(rehearsed.settled("grid", 1300), GRID[1])
    bright = sum(min(card.data[at : at + 3]) > 190 for at in range(0, len(card.data), 3))
    print(f"{bright} bright pixels of letters on the card")
    assert bright > 1000, "no name on the card"
    before = rehearsed.decoded.full_size(rehearsed.settled("grid", 300), GRID[1])
    assert before.difference(card) < 3, "the card moves"


def test_a_frozen_speaker_holds_the_last_picture(rehearsed):
    moment = rehearsed.answers["frozen"]["programTime"]
    tile = GRID[2]
    # Where the machine stands still for a moment, two pictures may be the same.
    first, *others = (rehearsed.decoded.full_size(moment + at, tile) for at in range(-2100, 0, 300))
    moves = max(first.difference(other) for other in others)
    # What was under way is played: up to a second, on a slow machine.
    held = [rehearsed.decoded.full_size(moment + at, tile) for at in (3500, 6500)]
    green = rehearsed.decoded.at(moment + 6500).mean(*inner(tile, 0.1, 0.84, 0.9, 0.96))
    print(f"difference while it moves {moves:.1f}, while it is frozen {held[0].difference(held[1]):.1f}")
    assert moves > 5
    assert held[0].difference(held[1]) < 2, "the frozen picture changed"
    assert is_near(green, Ground.rgb), f"the frozen picture is gone: {green}"


def test_the_preview_is_taken_with_a_fade(rehearsed):
    assert is_full(rehearsed.preview), rehearsed.preview.mean(*inner((0, 0, 64, 36), *PLAIN))
    moment = rehearsed.answers["fade"]["programTime"]
    # The green tile gives way to Alice bit by bit.
    frames, hitches = rehearsed.decoded.between(moment - 200, moment + 1300), rehearsed.hitches(moment, 1300)
    x, y, width, height = inner(GRID[2], 0.1, 0.84, 0.9, 0.96)
    old = [is_near(frame.mean(x, y, width, height), Ground.rgb) for frame in frames]
    at = [frame.program_time - moment for frame in frames]
    assert all(is_old for is_old, when in zip(old, at) if when < -2.5 * FRAME_MS), "the fade begins before the answer says"
    assert sum(is_old for is_old, when in zip(old, at) if when > 1000 + 2 * FRAME_MS) <= hitches, "the old picture stays"
    assert is_full(rehearsed.decoded.at(rehearsed.settled("fade", 1100 + 2 * FRAME_MS)))
    left = [frame.mean(0, 4, 1, 28) for frame in frames]
    mixed = sum(not is_near(colour, GROUND, 12) and not is_alice(colour) for colour in left)
    print(f"{mixed} frames of the fade lie clearly between the two pictures, {hitches} were late")
    assert mixed >= min(3, 30 - hitches), left


def test_unknown_things_are_named(rehearsed):
    admin, path = rehearsed.admin, rehearsed.path
    assert "colour" in admin.put(f"{path}/program", {"layout": "full", "colour": "red"}, expect=422).text
    assert admin.put(f"{path}/program", {"layout": "no-such-layout"}, expect=422).json()["pointer"] == "/layout"
    admin.put(f"{path}/program", {"layout": "full", "background": "image:no-such-asset"}, expect=422)
    admin.put(f"{path}/stage/nobody", {}, expect=404)
    upload = {"Content-Type": "application/pdf"}
    admin.request("POST", f"{path}/decks", data=b"%PDF-1.4 but garbled", headers=upload, expect=(415, 422))
    admin.request("POST", f"{path}/assets", data=b"\x89PNG garbled", headers={"Content-Type": "image/png"}, expect=(415, 422))
    admin.request("POST", f"{path}/assets", data=b"GIF89a", headers={"Content-Type": "image/gif"}, expect=415)
    answer = admin.get(f"{path}/program", expect=200)
    stale = {"If-Match": '"stale"'}
    admin.put(f"{path}/program", {"layout": "grid"}, headers=stale, expect=412)
    assert admin.get(f"{path}/program", expect=200).json() == answer.json()


def test_a_hidden_camera_is_a_name_card_until_its_next_picture(rehearsed):
    page, toggle = rehearsed.alice.driver, "document.querySelector('#camera')"
    rehearsed.wait_still(is_full, 20, "Alice is not in the program")
    page.find_element(By.ID, "camera").click()
    # The ground of every card is darker than any that Alice draws.
    is_card = lambda frame: max(frame.mean(*inner((0, 0, 64, 36), *PLAIN))) < 95  # noqa: E731
    rehearsed.wait_still(is_card, 20, "the picture of a hidden camera stays")
    begin = rehearsed.mark("hidden")
    rehearsed.wait_program_time(begin + 2500)
    frames = rehearsed.decoded.between(begin + 300, begin + 2000)
    assert frames and all(is_card(frame) for frame in frames), [frame.mean(0, 10, 4, 10) for frame in frames]
    assert frames[0].difference(frames[-1]) < 2, "the card moves"
    wait_script(page, f"!{toggle}.disabled", 10, "the way to show it again")
    page.find_element(By.ID, "camera").click()
    rehearsed.wait_still(is_full, 20, "the camera does not come back")
    begin = rehearsed.mark("seen again")
    rehearsed.wait_program_time(begin + 2500)
    frames = rehearsed.decoded.between(begin + 300, begin + 2000)
    assert all(is_full(frame) for frame in frames)
    assert max(one.difference(other) for one, other in zip(frames, frames[10:])) > 2, "the picture stands still"


@pytest.fixture(scope="module")
def segments(rehearsed):
    recorder = rehearsed.recorder
    wait_until(lambda: len(recorder.complete_numbers()) >= 4, 30, lambda: f"{recorder.complete_numbers()}", 0.25)
    return probe_all(recorder, recorder.complete_numbers())


def test_every_rung_keeps_to_the_rules(rehearsed, segments):
    check_starts_and_sizes(segments)
    check_same_cuts(segments)
    check_no_gap(segments, video_limit_ms=2000)  # a busy machine leaves pictures out, but no key frame, and no sound
    check_grid(segments)
    check_bit_rates(segments, rehearsed.recorder)
    check_decodes_alone(segments, rehearsed.recorder)
    assert check_continuity(rehearsed.recorder) == []
    top = [packet for _, seen in segments["1920x1080"].values() for packet in seen.video]
    assert all(packet.pts == packet.dts for packet in top), "the top rung has B-frames"


def test_the_producers_page_runs_the_program(rehearsed, artefacts, tmp_path_factory):
    studio, path = rehearsed.studio, rehearsed.path
    with chromium(tmp_path_factory.mktemp("producer"), artefacts / "chromedriver-producer.log", size=(1400, 1500)) as page:
        page.get(f"{studio.origin}/produce/{rehearsed.event}#{studio.token('producer', rehearsed.event, 'Petra')}")
        wait_script(page, "window.proscenium?.state === 'producing'", 15, "the desk")
        wait_script(page, "document.querySelector('#program-picture').naturalWidth > 0", 15, "the program's picture")
        wait_script(page, "document.querySelectorAll('#people li').length >= 3", 10, "the people")
        page.find_element(By.CSS_SELECTOR, "[data-layout=share-with-speakers]").click()
        program = lambda: rehearsed.admin.get(f"{path}/program", expect=200).json()  # noqa: E731
        wait_until(lambda: program()["layout"] == "share-with-speakers", 5, "the layout does not change")
        wait_script(page, "document.querySelector('[data-layout=share-with-speakers]').ariaPressed === 'true'", 5, "the button")
        deck = tmp_path_factory.mktemp("deck") / "talk.pdf"
        deck.write_bytes(make_pdf(PAGES))
        page.find_element(By.ID, "deck-file").send_keys(str(deck))
        wait_script(page, "document.querySelectorAll('#pages img').length === 2", 15, "the pages")
        wait_script(page, "[...document.querySelectorAll('#pages img')].every((image) => image.naturalWidth > 0)", 10, "thumbnails")
        wait_script(page, "!document.querySelector('#slide-forward').disabled", 5, "the way forward")
        page.find_element(By.ID, "slide-forward").click()
        wait_until(lambda: program().get("slides", {}).get("page") == 2, 5, lambda: str(program()))
        page.find_element(By.ID, "tab-overlays").click()
        page.find_element(By.ID, "lower-name").send_keys("Alice Ahlberg")
        page.find_element(By.CSS_SELECTOR, "#lower .primary").click()
        wait_until(lambda: program()["overlays"]["lowerThirds"], 5, "no lower third")
        screenshot(page, artefacts, "produce.png")
        wait_script(page, "!document.querySelector('#lower-hide').disabled", 5, "the way to hide it")
        page.find_element(By.ID, "lower-hide").click()
        wait_until(lambda: not program()["overlays"]["lowerThirds"], 5, "the lower third stays")
        stage = page.find_element(By.CSS_SELECTOR, f"[data-participant='{rehearsed.participant('Freda Frost')}'] button")
        stage.click()
        wait_until(lambda: not on_stage(rehearsed, "Freda Frost"), 5, "Freda is still on stage")
        # The speaker who may turns back, on her own page.
        alice = rehearsed.alice.driver
        wait_script(alice, "!document.querySelector('#slide-back').disabled", 10, "Alice's buttons")
        alice.find_element(By.ID, "slide-back").click()
        wait_until(lambda: program()["slides"]["page"] == 1, 5, lambda: str(program()))
        page.find_element(By.CSS_SELECTOR, "#transition option[value=fade]").click()
        page.find_element(By.CSS_SELECTOR, "#next-layout option[value=full]").click()
        page.find_element(By.ID, "take").click()
        wait_until(lambda: program()["layout"] == "full", 5, "the preview is not taken")
        errors = page.execute_script("return window.proscenium.summary.errors")
        assert not errors, errors
    rehearsed.screenshot("join-slides.png")


def on_stage(show, name):
    return next(person["onStage"] for person in show.participants() if person.get("name") == name)


class Death:
    """What was before a process was killed, and how long it took until all was as before."""

    def __init__(self, show, role):
        self.show, self.role = show, role
        self.stage = [(person["id"], person["onStage"]) for person in show.participants() if person.get("name") == ALICE]
        self.scene = show.admin.get(f"{show.path}/program", expect=200).json()
        self.joins = show.alice.value("window.proscenium.joins")
        self.last = {record.rung.name: record.playlist.last for record in show.recorder.rungs}
        self.offset_ms = show.clock_offset()
        self.killed_at, self.killed_wall = time.monotonic(), time.time() * 1000

    def say(self, what):
        print(f"after kill -9 of {self.role}: {what} after {time.monotonic() - self.killed_at:.1f} s")

    def wait_program(self, seconds=40, rejoins=False):
        """Waits until Alice's page is in the room and in the program's picture, untouched, and new segments are listed."""
        show = self.show
        if rejoins:
            wait_script(show.alice.driver, f"{JOINED} && window.proscenium.joins > {self.joins}", seconds, "Alice is back")
            self.say("the page has joined again")

        def is_listed():
            return all(record.playlist.last > self.last[record.rung.name] for record in show.recorder.rungs)

        # A still may be up to half a second old.
        wait_until(lambda: time.monotonic() - self.killed_at > 0.6 and self._is_seen(), seconds, lambda: f"Alice is not seen\n{show.studio.log_tail()}", 0.2)
        self.say("the speaker is in the picture")
        wait_until(is_listed, seconds, lambda: f"nothing new is listed\n{show.studio.log_tail()}", 0.1)
        self.say("a new segment is listed in every rung")

    def _is_seen(self):
        try:
            self.show.wait_still(is_full, 0, "")
            return True
        except (AssertionError, OSError):
            return False

    def check_same(self):
        """The stage, the scene and the clock are as before."""
        show = self.show

        def stage():
            return [(person["id"], person["onStage"]) for person in show.participants() if person.get("name") == ALICE]

        wait_until(lambda: stage() == self.stage, 5, lambda: f"{stage()}, and {self.stage} before", 0.2)
        assert show.admin.get(f"{show.path}/program", expect=200).json() == self.scene
        # An answer may be slow; another clock stays another one.
        moved = wait_until(
            lambda: (moved := show.clock_offset() - self.offset_ms) and abs(moved) < 300 and [moved], 10,
            lambda: f"the program has another clock: {show.clock_offset() - self.offset_ms:+.0f} ms", 0.2,
        )  # fmt: skip
        print(f"the program's clock moved by {moved[0]:+.0f} ms against the wall, the answers' ways included")


@pytest.fixture(scope="module")
def alone(rehearsed):
    """Only Alice is on stage, full screen."""
    for name in ("Cora Card", "Freda Frost"):
        rehearsed.take_off_stage(rehearsed.participant(name))
    rehearsed.show({"layout": "full"}, hold=0.2)
    rehearsed.wait_still(is_full, 10, "Alice is not alone")
    return rehearsed


@pytest.mark.parametrize("role", ["sfu", "studio", "compositor", "output"])
def test_the_program_is_back_when_a_process_is_killed(alone, role):
    death = Death(alone, role)
    alone.deaths[role] = death
    old = alone.studio.kill_role(role)
    if role == "compositor":
        alone.studio.wait_restarted(role, old)
        death.say("another compositor runs")
    death.wait_program(rejoins=role == "sfu")
    alone.studio.wait_restarted(role, old)
    death.check_same()


def test_the_program_is_back_when_everything_was_killed(alone):
    death = Death(alone, "the supervisor")
    session = alone.studio.supervisor.pid
    alone.studio.kill_supervisor()
    processes.wait_gone(session, 5)
    alone.studio.start()
    death.say("everything is ready")
    death.wait_program(60, rejoins=True)
    death.check_same()


def test_a_viewer_saw_one_program_all_the_while(alone):
    recorder = alone.recorder
    last = max(recorder.complete_numbers())
    wait_until(lambda: max(recorder.complete_numbers()) >= last + 2, 30, "no two new segments", 0.2)
    marked = check_continuity(recorder)
    print(f"discontinuities in every rung at {marked}")
    # Without the media server and without Studio the program went on. The deaths after theirs broke it: the compositor's twice,
    # since what is held meanwhile is encoded anew, and its own pictures go out again from the next segment on; the others once. Of
    # two in one segment there is one mark, and a segment that Output died with is never listed.
    unbroken = alone.deaths["compositor"].last["1920x1080"]
    starts = {number: segment.start for number, segment in sorted(recorder.rungs[0].segments.items())}
    assert all(number > unbroken for number in marked) and 1 <= len(marked) <= 4, (unbroken, marked, starts)
    for record in recorder.rungs:
        for number, segment in record.segments.copy().items():
            # What comes back begins at once; from the next segment on the grid says where.
            begins_anew = number in marked or number == min(record.segments)
            grid = FRAME_MS if begins_anew else GRID_MS
            assert off_grid(segment.start, grid) <= 1.5, f"{record.rung.name} {number} starts at {segment.start}"
        for segment in record.playlist.segments:
            assert alone.viewer.fetch(segment.url).status_code == 200, segment.url
    segments = probe_all(recorder, recorder.complete_numbers())
    check_starts_and_sizes(segments)
    check_same_cuts(segments)
    final = alone.decoded.at(recorder.rungs[-1].segments[max(recorder.complete_numbers())].start + 3000)
    assert is_full(final), final.mean(*inner((0, 0, 64, 36), *PLAIN))
