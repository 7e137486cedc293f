"""`serve --demo`: synthetic speakers that a real browser sees and hears, links that work, and speakers that come back."""

import re
import time

import pytest
from selenium.webdriver.common.by import By

from harness.browser import chromium, screenshot, wait_script
from harness.metrics import describe_latencies
from harness.speakers import Page
from harness.waiting import wait_until

EVENT = "demo"
NAMES = {"Zoë Ferreira", "Aiko Tanaka", "Jonas Lindqvist"}


@pytest.fixture(scope="module")
def studio(make_studio):
    """An installation with the demo; its media server and its speakers are killed in the end."""
    studio = make_studio("demo", "--demo", "--preset", "ultrafast")
    yield studio
    studio.stop()


@pytest.fixture(scope="module")
def admin(studio):
    return studio.admin()


def speakers(admin, without=frozenset()):
    """Returns the demo's speakers in the room by name: their ids, and the ids of their tracks.

    Only who has a camera and a microphone counts; the tracks in `without` are those of connections that have ended.
    """
    answer = admin.get(f"/v1/events/{EVENT}/participants")
    found = {}
    for entry in answer.json()["items"] if answer.status_code == 200 else []:
        tracks = [track for track in entry["tracks"] if track["id"] not in without]
        if (
            entry["name"] in NAMES and entry["connection"]["state"] == "connected"
            and {track["source"] for track in tracks} == {"camera", "microphone"}
        ):  # fmt: skip
            found[entry["name"]] = (entry["id"], {track["id"] for track in tracks})
    return found


def wait_speakers(admin, seconds, without=frozenset()):
    return wait_until(
        lambda: (found := speakers(admin, without)).keys() == NAMES and found, seconds,
        lambda: f"three speakers in the room, not {admin.get(f'/v1/events/{EVENT}/participants').text}",
    )


@pytest.fixture(scope="module")
def links(studio):
    """The links that the demo has printed."""

    def printed():
        return dict(re.findall(r"^ +(produce|join|watch) +(https:\S+)$", studio.log.read_text(), re.MULTILINE))

    return wait_until(lambda: len(found := printed()) == 3 and found, 20, studio.log_tail)


def test_a_browser_that_joins_by_the_printed_link_sees_and_hears_all_three(
    studio, admin, links, artefacts, tmp_path_factory
):
    ids = wait_speakers(admin, 15)
    with chromium(tmp_path_factory.mktemp("guest"), artefacts / "chromedriver-demo.log") as driver:
        driver.get(f"{links['join']}?media=canvas")
        wait_script(driver, "document.querySelector('#preview').videoWidth > 0", 15, "the picture in the mirror")
        driver.find_element(By.ID, "name").send_keys("Gerda Guest")
        driver.find_element(By.ID, "join").click()
        wait_script(driver, "window.proscenium.state === 'joined'", 20, "the page is in the room")
        page = Page(driver)
        for participant, _ in ids.values():
            page.wait_frames(participant, 20, more=45)
            page.wait_sound(participant, 10)
            report = page.received(participant, "camera")
            assert (report["frameWidth"], report["frameHeight"]) == (640, 360), report
        screenshot(driver, artefacts, "demo-room.png")


def test_the_printed_links_sign_their_bearers_in(studio, links):
    for name, role in (("produce", "producer"), ("watch", "attendee")):
        page, _, token = links[name].partition("#")
        assert studio.api().get(page.removeprefix(studio.origin), expect=200).text
        guest = studio.api()
        guest.sign_in(invitation=token, name="Gerda Guest")
        assert guest.me["role"] == role and guest.me["event"] == EVENT


def test_the_way_of_the_pictures_is_measured(studio):
    def described():
        try:
            return describe_latencies(studio.metrics())
        except AssertionError:  # nothing is counted yet
            return None

    print(wait_until(described, 15, "nothing is measured", 0.5))


def test_no_secret_is_in_the_log(studio, links):
    secrets = {re.split("[/#]", link)[-1] for link in links.values()}
    for line in studio.log.read_text().splitlines():
        if line.startswith("{"):
            assert not any(secret in line for secret in secrets), line


@pytest.mark.parametrize("role", ["sfu", "demo"])
def test_the_speakers_come_back_under_the_same_identity_when_a_process_dies(studio, admin, role):
    before = wait_speakers(admin, 20)
    gone = set().union(*(tracks for _, tracks in before.values()))
    killed = studio.kill_role(role)
    killed_at = time.monotonic()
    studio.wait_restarted(role, killed)
    after = wait_speakers(admin, 30, without=gone)
    print(f"{role}: the speakers are back after {time.monotonic() - killed_at:.1f} s")
    assert {name: who for name, (who, _) in after.items()} == {name: who for name, (who, _) in before.items()}
