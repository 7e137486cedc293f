"""A room of fifty: a browser among forty-nine speakers of the load tool, who send a picture and a sound each."""

import subprocess

import pytest

from harness import guests
from harness.browser import chromium, screenshot
from harness.speakers import RECEIVED, Page
from harness.studio import BINARY, REPOSITORY
from harness.waiting import wait_until

EVENT = "fifty"
OTHERS = 49

# The tiles of people, and of those the ones that show a picture.
TILES = """
const people = [...document.querySelectorAll(".tile[data-kind=person]")];
return [people.length, people.filter((tile) => tile.querySelector("video")?.videoWidth > 0).length];
"""


@pytest.fixture(scope="module")
def studio(make_studio):
    studio = make_studio("fifty")
    yield studio
    studio.stop()


@pytest.fixture(scope="module")
def crowd(studio, artefacts):
    """The others; they stay until the test has seen enough."""
    admin = studio.admin()
    admin.post("/v1/events", {"id": EVENT, "title": "Fifty"}, expect=201)
    invitation = guests.invite(admin, EVENT, maxUses=OTHERS)
    with open(artefacts / "fifty-load.log", "wb") as log:
        load = subprocess.Popen(
            [
                str(BINARY), "load", "--url", studio.origin, "--event", EVENT, "--invitation", invitation["token"],
                "--certificate", str(studio.certificate), "--publishers", str(OTHERS), "--subscribers", "0", "--seconds", "600",
                "--width", "128", "--height", "72", "--bitrate", "60000",
            ],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=REPOSITORY,
        )  # fmt: skip
    try:
        people = lambda: admin.get(f"/v1/events/{EVENT}/participants", expect=200).json()["items"]  # noqa: E731
        wait_until(
            lambda: load.poll() is None and sum(len(one["tracks"]) == 2 for one in people()) == OTHERS, 90,
            lambda: f"{sum(bool(one['tracks']) for one in people())} send; {(artefacts / 'fifty-load.log').read_text()}", 0.5,
        )  # fmt: skip
        yield admin
        assert load.poll() is None, (artefacts / "fifty-load.log").read_text()
    finally:
        load.terminate()
        load.wait(30)


def test_a_browser_sees_fifty_people_and_hears_the_loudest(studio, crowd, artefacts, tmp_path):
    with chromium(tmp_path, artefacts / "chromedriver-fifty.log", size=(1600, 1200)) as driver:
        guests.enter(driver, guests.invite(crowd, EVENT, name="Fay Fifty"), seconds=90)
        page = Page(driver)
        wait_until(lambda: driver.execute_script(TILES) == [OTHERS + 1] * 2, 120, lambda: f"tiles, with pictures: {driver.execute_script(TILES)}", 1)

        def received(source, counter):
            reports = driver.execute_async_script(RECEIVED)
            assert isinstance(reports, list), reports
            return {one["participant"]: one.get(counter) or 0 for one in reports if one["source"] == source}

        # Each picture moves, and not only its first one came.
        first = received("camera", "framesDecoded")
        assert len(first) == OTHERS, f"{len(first)} pictures are received"
        moved = lambda: sum(now > first[who] + 30 for who, now in received("camera", "framesDecoded").items())  # noqa: E731
        wait_until(lambda: moved() == OTHERS, 120, lambda: f"{moved()} of {OTHERS} pictures move", 1)
        # Everybody has a track for their turn; the loudest six are sent.
        assert page.value("window.proscenium.received.filter(({source}) => source === 'microphone').length") == OTHERS
        heard = lambda: received("microphone", "packetsReceived")  # noqa: E731
        begun = sum(heard().values())
        wait_until(lambda: sum(heard().values()) > begun + 300 and sum(bool(count) for count in heard().values()) >= 6, 30, lambda: f"{heard()}", 0.5)
        frames = received("camera", "framesDecoded")
        print(f"{sum(frames.values())} pictures of {OTHERS} people, {min(frames.values())} to {max(frames.values())} each")
        screenshot(driver, artefacts, "room-of-fifty.png")
        assert page.value("window.proscenium.joins") == 1
        severe = [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
        assert not severe, severe
        # And everybody is told of the fiftieth, whose own picture arrives.
        me = page.participant
        item = next(one for one in crowd.get(f"/v1/events/{EVENT}/participants", expect=200).json()["items"] if one["id"] == me)
        assert {track["source"] for track in item["tracks"]} == {"camera", "microphone"}, item
