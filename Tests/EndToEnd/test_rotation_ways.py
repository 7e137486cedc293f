"""Keys that change under everything a page may send, from both browsers and by a relay: it goes on as it was, in sight and in sound."""

import re
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from selenium.webdriver.common.by import By

from harness import guests
from harness.browser import chromium, screenshot
from harness.firefox import firefox
from harness.paths import PATH, WAYS
from harness.ports import own_address
from harness.rotation import KEYS, WATCH
from harness.speakers import Page
from harness.waiting import wait_until

pytestmark = pytest.mark.whole_matrix  # `test_rotation.py` has Chromium with one picture over UDP, and aiortc
EVENT = "other-ways"


@dataclass
class Case:
    """Who changes keys: the browser, what its page is asked for, the way that is left to it, and whether it shares its screen."""

    query: str = "?media=canvas"
    way: str = "udp"
    is_firefox: bool = False
    shares: bool = False
    layers: int = 0


CASES = {
    "three sizes": Case(query="", layers=3),
    "VP9 in three sizes": Case(query="?codec=vp9&scalability=L3T3_KEY", layers=3),
    "a screen": Case(shares=True),
    "TCP": Case(way="tcp"),
    "TURN by UDP": Case(way="turn"),
    "TURN by TLS": Case(way="turns"),
    "Firefox": Case(query="", is_firefox=True),
    "Firefox by TURN by TLS": Case(query="", is_firefox=True, way="turns"),
}


@pytest.fixture(scope="module")
def rooms(make_studio):
    """Makes the installation for a way: Firefox goes to no address of the loopback from another one, and no other from a relay's there."""
    made = {}

    def room(way):
        address = own_address() if way in ("udp", "tcp") else "127.0.0.1"
        if address not in made:
            options = ("--media-address", address, "--media-bind-address", address, "--key-rotation-seconds", "20")
            made[address] = make_studio(f"rotation-{address}", *options)
            made[address].admin().post("/v1/events", {"id": EVENT, "title": "Other keys"}, expect=201)
        return made[address].admin()

    yield room
    for studio in made.values():
        studio.stop()


def people(admin):
    return admin.get(f"/v1/events/{EVENT}/participants", expect=200).json()["items"]


def tracks(admin, *pages):
    """What the pages send; who was here before them may not be forgotten yet."""
    ids = {page.participant for page in pages}
    return {track["id"] for person in people(admin) if person["id"] in ids for track in person["tracks"]}


def connections(admin, participant):
    return admin.get(f"/v1/events/{EVENT}/participants/{participant}/connection", expect=200).json()["items"]


def heights(admin, participant):
    """The heights of the layers of a camera that come now, the smallest first."""
    sent = (track for item in connections(admin, participant) if item["direction"] == "publishes" for track in item["tracks"])
    camera = next((track for track in sent if track["id"].startswith("camera")), {"layers": []})
    return sorted(layer["height"] for layer in camera["layers"] if layer["active"] and layer.get("height"))


@pytest.mark.parametrize("name", CASES)
def test_keys_change_with(name, rooms, artefacts, tmp_path):
    case = CASES[name]
    admin = rooms(case.way)
    with ExitStack() as stack:
        log = artefacts / "rotation-ways-rosa.log"
        rosa = stack.enter_context(chromium(tmp_path / "rosa", log, size=(1100, 800)))
        rosa = Page(guests.enter(rosa, guests.invite(admin, EVENT, name="Rosa")))
        browser = firefox if case.is_firefox else chromium
        driver = stack.enter_context(browser(tmp_path / "carla", artefacts / "rotation-ways-carla.log", size=(960, 720)))
        driver.get(f"{guests.invite(admin, EVENT, name='Carla')['url']}{case.query}")
        guests.in_the_mirror(driver)
        driver.execute_script(WAYS[case.way])
        guests.join(driver)
        carla = Page(driver)
        if case.shares:
            driver.find_element(By.ID, "screen").click()
            rosa.wait_source(carla.participant, "screen", 15)
            rosa.wait_frames(carla.participant, 20, source="screen")
        for one, other in ((carla, rosa), (rosa, carla)):
            one.wait_frames(other.participant, 20, more=30)
            one.wait_sound(other.participant, 20)
        if case.layers:
            carla.keep_sizes()
            wait_until(lambda: len(heights(admin, carla.participant)) == case.layers, 60, lambda: f"{connections(admin, carla.participant)}", 0.5)
        kinds = ["person", "screen"] if case.shares else ["person"]
        for kind in kinds:
            rosa.driver.execute_script(WATCH, carla.participant, kind)
        carla.driver.execute_script(WATCH, rosa.participant)
        names, before = tracks(admin, carla, rosa), carla.driver.execute_async_script(KEYS)
        assert len(names) == (6 if case.shares else 4), names  # a screen may have a sound
        begun = carla.value("window.proscenium.rotations")
        wait_until(
            lambda: carla.value("window.proscenium.rotations") >= begun + 2 and rosa.value("window.proscenium.rotations") >= 1, 120,
            lambda: f"{carla.value('window.proscenium.rotations')} and {rosa.value('window.proscenium.rotations')} changes of keys; "
            f"{carla.driver.get_log('browser')[-5:]}", 0.5,
        )  # fmt: skip
        for one, other in zip(before, carla.driver.execute_async_script(KEYS)):
            assert one["said"] != other["said"], (one, other)
            assert case.is_firefox or one["fingerprint"] != other["fingerprint"] and other["state"] == "connected", (one, other)
        assert driver.execute_async_script(PATH) == [case.way] * 2
        assert tracks(admin, carla, rosa) == names
        assert all(page.value("window.proscenium.joins") == 1 for page in (carla, rosa))
        for page, watched in ((rosa, kinds), (carla, ["person"])):
            seen, heard = page.value("window.seenPictures"), page.value("window.heardSound")
            print(f"{name}: {'Rosa' if page is rosa else 'Carla'} saw {seen}, heard {heard}")
            for kind in watched:
                assert seen[kind]["count"] > 200 and seen[kind]["longest"] < 1000, (kind, seen)
            assert heard["connections"] >= 2 and heard["longest"] < 500, heard
        screenshot(rosa.driver, artefacts, f"rotation-{re.sub(' ', '-', name)}.png")
        for one, other in ((carla, rosa), (rosa, carla)):
            one.wait_frames(other.participant, 20)
            one.wait_sound(other.participant, 20)
        if case.shares:
            rosa.wait_frames(carla.participant, 20, source="screen")
        if case.layers:
            # The layers are there as before, and who watches gets the one that fits.
            for size, which in (((2400, 1500), -1), ((660, 560), 0)):
                rosa.driver.set_window_size(*size)
                wait_until(
                    lambda: len(sent := heights(admin, carla.participant)) > 1
                    and rosa.received(carla.participant, "camera").get("frameHeight") == sent[which], 60,
                    lambda: f"{size}: {heights(admin, carla.participant)}, {rosa.received(carla.participant, 'camera')}", 0.5,
                )  # fmt: skip
