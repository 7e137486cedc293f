"""A room's manners: who has the floor, who is let in, who is seen."""

from contextlib import ExitStack

import pytest
from selenium.webdriver.common.by import By

from harness.browser import chromium, screenshot, wait_script
from harness.speakers import Page
from harness.waiting import wait_until

EVENT = "manners"
JOINED = "window.proscenium.state === 'joined'"

# A voice in place of the test picture's beeps: a tone that a test turns on and off.
VOICE = """
const done = arguments[0];
const context = new AudioContext({sampleRate: 48000});
const tone = new OscillatorNode(context, {type: "sawtooth", frequency: 180});
window.voice = new GainNode(context, {gain: 0});
const output = new MediaStreamAudioDestinationNode(context, {channelCount: 1});
tone.connect(window.voice).connect(output);
tone.start();
const sender = window.proscenium.publishConnection.getSenders().find(({track}) => track?.kind === "audio");
context.resume().then(() => sender.replaceTrack(output.stream.getAudioTracks()[0])).then(() => done(true));
"""


@pytest.fixture(scope="module")
def room(admin):
    admin.post("/v1/events", {"id": EVENT, "title": "Manners"}, expect=201)
    return admin


def invite(admin, **options):
    return admin.post(f"/v1/events/{EVENT}/invitations", {"role": "speaker"} | options, expect=201).json()


def people(admin):
    return {entry["name"]: entry for entry in admin.get(f"/v1/events/{EVENT}/participants", expect=200).json()["items"]}


@pytest.fixture(scope="module")
def pair(room, artefacts, tmp_path_factory):
    """Anna and Ben in two browsers, each with a voice that is silent."""
    with ExitStack() as stack:
        pages = {}
        for name in ("Anna", "Ben"):
            driver = stack.enter_context(
                chromium(tmp_path_factory.mktemp(name), artefacts / f"chromedriver-rooms-{name}.log", size=(960, 720))
            )
            driver.get(f"{invite(room, name=name)['url']}?media=canvas")
            wait_script(driver, "document.querySelector('#preview').videoWidth > 0", 15, "the picture in the mirror")
            driver.find_element(By.ID, "join").click()
            wait_script(driver, JOINED, 20, f"{name} is in the room")
            assert driver.execute_async_script(VOICE)
            pages[name] = Page(driver)
        yield pages


def speak(pages, speaker):
    for name, page in pages.items():
        page.driver.execute_script(f"window.voice.gain.value = {0.5 if name == speaker else 0}")


def test_the_floor_goes_to_and_fro_with_two_who_speak_in_turn(room, pair, artefacts):
    for turn in range(4):
        speaker = ("Anna", "Ben")[turn % 2]
        speak(pair, speaker)
        floor = pair[speaker].participant
        for name, page in pair.items():
            wait_script(page.driver, f"window.proscenium.speaker === '{floor}'", 10, f"{name} hears that {speaker} speaks")
            wait_script(
                page.driver,
                f"[...document.querySelectorAll('.tile[data-dominant]')].map(({{dataset}}) => dataset.participant).join() === '{floor}'",
                5, f"the tile of {speaker} is marked at {name}'s",
            )
        listed = people(room)
        assert {name: entry["dominant"] for name, entry in listed.items()} == {"Anna": speaker == "Anna", "Ben": speaker == "Ben"}
    screenshot(pair["Anna"].driver, artefacts, "rooms-floor.png")
    # Who falls silent keeps the floor; who leaves has it no more.
    speak(pair, None)
    assert pair["Anna"].value("window.proscenium.speaker") == pair["Ben"].participant
