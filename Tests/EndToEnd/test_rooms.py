"""A room's manners: who has the floor, who is let in, who is seen."""

import re
from contextlib import ExitStack

import pytest
import websocket
from selenium.webdriver.common.by import By

from harness import guests
from harness.browser import chromium, screenshot, wait_script
from harness.speakers import Page, RoomSocket, WhipSpeaker
from harness.waiting import wait_until

EVENT = "manners"

SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15"
)
# How many layers a browser sends of which picture, where the table has nothing else to say.
STEPS = [{"layers": 3, "pixels": 518_400}, {"layers": 2, "pixels": 129_600}]

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
            guests.enter(driver, guests.invite(room, EVENT, name=name))
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
    # Who falls silent keeps the floor: it is decided every 300 ms, and nothing is told.
    told = pair["Anna"].driver.execute_async_script("""
        const done = arguments[0], told = [], {participants} = window.proscenium;
        const look = setInterval(() => told.push(window.proscenium.speaker), 100);
        setTimeout(() => { clearInterval(look); done(told); }, 2000);
        window.voice.gain.value = 0;
    """)
    speak(pair, None)
    assert set(told) == {pair["Ben"].participant}, told


def test_a_producer_sees_how_a_connection_is(studio, room, pair):
    anna = pair["Anna"]
    path = f"/v1/events/{EVENT}/participants/{anna.participant}/connection"

    def reports():
        found = {entry["direction"]: entry for entry in room.get(path, expect=200).json()["items"]}
        up, down = found.get("publishes"), found.get("receives")
        return found if up and down and up["bitrateIn"] > 50_000 and down["bitrateOut"] > 50_000 and "rttMs" in up and "rttMs" in down else None

    found = wait_until(reports, 20, lambda: room.get(path).text)
    print(found)
    for report in found.values():
        assert report["state"] == "connected" and report["protection"] == "SRTP_AEAD_AES_128_GCM"
        assert report["path"]["transport"] == "udp" and 0 <= report["loss"] < 0.5 and 0 <= report["rttMs"] < 1000
    assert {track["participant"] for track in found["publishes"]["tracks"]} == {anna.participant}
    camera = next(track for track in found["receives"]["tracks"] if track["id"].startswith("camera."))
    assert camera["participant"] == pair["Ben"].participant and camera["flowing"] and camera["layer"] >= 0
    sent = next(track for track in found["publishes"]["tracks"] if track["id"].startswith("camera."))
    assert any(layer["active"] and layer["width"] * layer["height"] > 0 for layer in sent["layers"]), sent
    listed = people(room)["Anna"]["connection"]
    assert listed["state"] == "connected" and listed["bitrate"] > 0 and listed["rttMs"] >= 0 and listed["loss"] < 0.5

    def forwarded():
        # What a worker counts is told every second.
        buckets.update(re.findall(r'proscenium_sfu_forwarding_latency_seconds_bucket{le="([^"]+)"[^}]*} (\S+)', studio.metrics()))
        return float(buckets.get("+Inf", 0)) > 100

    buckets = {}
    wait_until(forwarded, 10, lambda: buckets)
    assert len(buckets) == 12 and float(buckets["0.05"]) >= 0.9 * float(buckets["+Inf"]), buckets


def test_who_is_hidden_gets_everything_and_is_seen_by_producers_only(studio, room, pair):
    guest = guests.bearer(studio, guests.invite(room, EVENT, name="Greta", can=["hidden"]))
    with RoomSocket(guest, EVENT) as socket:
        hello = socket.receive(lambda message: "hello" in message)["hello"]
        me = hello["participant"]
        assert hello["quirks"] == {"avoids": [], "layers": STEPS, "reusesSections": True}, hello
        offered = socket.ask({"publish": {"offer": "v=0"}})
        assert offered["error"]["status"] == 403, offered
        assert socket.ask({"subscribe": True})["ok"]
        offer = socket.receive(lambda message: "offer" in message)["offer"]
        for page in pair.values():
            assert f"a=msid:{page.participant} camera." in offer, "she is offered what everybody sends"
        listed = wait_until(lambda: people(room).get("Greta"), 10, lambda: f"{people(room)}")
        assert listed["hidden"] is True and listed["id"] == me
        for page in pair.values():
            assert me not in page.value("window.proscenium.participants.map(({id}) => id)")
        assert me not in [person["id"] for person in guest.get(f"/v1/events/{EVENT}/participants", expect=200).json()["items"]]
        wait_until(lambda: room.get(f"/v1/events/{EVENT}/room", expect=200).json()["participants"] == 3, 10, "three are there")
    # Nobody has heard that she is gone either.
    wait_until(lambda: "Greta" not in people(room), 60, lambda: f"{people(room)}")


def test_into_a_locked_room_comes_who_was_there_and_nobody_else(studio, room, pair, artefacts):
    anna, ben = pair["Anna"], pair["Ben"]
    path = f"/v1/events/{EVENT}/room"
    assert room.patch(path, {"locked": True}, expect=200).json()["locked"] is True
    late = guests.bearer(studio, guests.invite(room, EVENT, name="Late"))
    with RoomSocket(late, EVENT) as socket:
        for body in ({"subscribe": True}, {"publish": {"offer": "v=0"}}):
            error = socket.ask(body)["error"]
            assert error["status"] == 403 and error["type"].endswith("room-locked"), error
        assert not any("participants" in message for message in socket._passed), socket._passed
    # Who was there reloads the page, and is in again as the same person.
    who, before = ben.participant, people(room)
    ben.driver.refresh()
    guests.in_the_mirror(ben.driver)
    guests.join(ben.driver)
    assert ben.participant == who
    assert set(people(room)) == set(before)
    anna.wait_frames(who, 20)
    # Somebody new is told why they stand outside, and comes in when the door is open.
    ben.driver.find_element(By.ID, "leave").click()
    ben.driver.get(f"{guests.invite(room, EVENT, name='Nora')['url']}?media=canvas")
    guests.in_the_mirror(ben.driver)
    ben.driver.find_element(By.ID, "join").click()
    wait_script(ben.driver, "window.proscenium.state === 'refused'", 15, "Nora is not let in")
    assert "locked" in ben.driver.find_element(By.ID, "outside-text").text
    screenshot(ben.driver, artefacts, "rooms-locked.png")
    assert room.patch(path, {"locked": False}, expect=200).json()["locked"] is False
    ben.driver.find_element(By.ID, "back").click()
    guests.in_the_mirror(ben.driver)
    guests.join(ben.driver)


def test_the_producers_page_shows_who_is_hidden_and_has_the_door(studio, room, pair, artefacts, tmp_path_factory):
    guest = guests.bearer(studio, guests.invite(room, EVENT, name="Greta", can=["hidden"]))
    profile, log = tmp_path_factory.mktemp("petra"), artefacts / "chromedriver-rooms-petra.log"
    with RoomSocket(guest, EVENT) as socket, chromium(profile, log, size=(1440, 900)) as page:
        assert socket.ask({"subscribe": True})["ok"]
        page.get(f"{studio.origin}/produce/{EVENT}#{studio.token('producer', EVENT, 'Petra')}")
        rows = "[...document.querySelectorAll('#people > li')].map(({textContent}) => textContent)"
        wait_script(page, f"{rows}.length === 3", 30, "three people in the list")
        wait_script(page, f"{rows}.some((row) => row.includes('Greta') && row.includes('hidden'))", 5, "Greta is hidden")
        shown = "document.querySelector('#locked').checkVisibility()"
        for is_locked in (True, False):
            page.find_element(By.ID, "lock").click()
            wait_script(page, f"{shown} === {str(is_locked).lower()}", 10, "the door is as it was asked to be")
            assert room.get(f"/v1/events/{EVENT}/room", expect=200).json()["locked"] is is_locked
            if is_locked:
                page.execute_script("document.querySelector('#lock').scrollIntoView({block: 'center'})")
                screenshot(page, artefacts, "rooms-producer.png")


def test_a_page_goes_by_the_table_of_its_browser(pair):
    anna, other = pair["Anna"], pair["Ben"]
    anna.driver.execute_cdp_cmd("Network.setUserAgentOverride", {"userAgent": SAFARI})
    anna.driver.refresh()
    guests.in_the_mirror(anna.driver)
    guests.join(anna.driver)
    other.wait_frames(anna.participant, 20)
    # Two layers of a small picture are not sent there, and a section that rested is not used again.
    sender = "window.proscenium.publishConnection.getSenders().find(({track}) => track?.kind === 'video')"
    assert anna.value(f"{sender}.getParameters().encodings.length") == 1
    for _ in range(2):
        anna.driver.find_element(By.ID, "screen").click()
        other.wait_source(anna.participant, "screen", 10)
        other.wait_frames(anna.participant, 15, source="screen")
        anna.driver.find_element(By.ID, "screen").click()
        other.wait_source(anna.participant, "screen", 10, is_there=False)
    directions = anna.value("window.proscenium.publishConnection.getTransceivers().map(({currentDirection}) => currentDirection)")
    assert "inactive" not in directions and directions.count("sendonly") == 2, directions
    other.wait_frames(anna.participant, 10)


def test_an_invitation_to_speak_without_a_picture(studio, room, pair):
    anna, ben = pair["Anna"].driver, pair["Ben"]
    ben.driver.find_element(By.ID, "leave").click()
    ben.driver.get(f"{guests.invite(room, EVENT, name='Vera Voice', can=['microphone'])['url']}?media=canvas")
    wait_script(ben.driver, "document.querySelector('#join').checkVisibility() && !document.querySelector('#join').disabled", 15, "the entrance")
    guests.join(ben.driver)
    vera = ben.participant
    sends = f"window.proscenium.participants.find(({{id}}) => id === '{vera}')?.tracks.map(({{source}}) => source).join()"
    wait_script(anna, f"{sends} === 'microphone'", 10, "she sends her voice and nothing else")
    pair["Anna"].wait_sound(vera, 10)
    for source, is_offered in (("microphone", True), ("camera", False), ("screen", False)):
        assert ben.driver.find_element(By.ID, source).is_displayed() is is_offered
    # Who goes by another door is told why.
    listener = guests.bearer(studio, guests.invite(room, EVENT, name="Vic", can=["microphone"]))
    with pytest.raises(AssertionError, match="does not let you send your camera"), WhipSpeaker(listener, EVENT) as speaker:
        speaker.publish()


def test_a_producer_mutes_somebody_in_the_room_and_their_own_unmute_does_not_help(room, pair, artefacts):
    anna, vera = pair["Anna"], pair["Ben"]
    who = vera.participant
    path = f"/v1/events/{EVENT}/participants/{who}"
    anna.wait_sound(who, 15)
    assert room.patch(path, {"mutedInRoom": True}, expect=200).json()["mutedInRoom"] is True
    held = f"window.proscenium.participants.find(({{id}}) => id === '{who}')?.tracks.every(({{muted}}) => muted)"
    wait_script(anna.driver, held, 10, "her track is held back")
    note = f"document.querySelector('.tile[data-participant=\"{who}\"]').textContent.includes('The producer has muted you')"
    wait_script(vera.driver, note, 10, "she is told")
    screenshot(vera.driver, artefacts, "rooms-silenced.png")
    # Her page sends on, and nothing of it arrives.
    before = anna.received(who, "microphone")["packetsReceived"]
    sent = vera.driver.execute_async_script("""
        const done = arguments[0], connection = window.proscenium.publishConnection;
        const count = async () => [...(await connection.getStats()).values()]
            .find(({type, kind}) => type === "outbound-rtp" && kind === "audio").packetsSent;
        count().then((first) => setTimeout(() => count().then((last) => done(last - first)), 2000));
    """)
    assert sent > 50 and anna.received(who, "microphone")["packetsReceived"] - before <= 2, sent
    # She mutes and unmutes herself: that is refused, said, and changes nothing.
    vera.driver.find_element(By.ID, "microphone").click()
    wait_script(vera.driver, "document.querySelector('#microphone').textContent === 'Unmute microphone'", 5, "muted by herself")
    wait_script(vera.driver, "!document.querySelector('#microphone').disabled", 5, "it was told")
    vera.driver.find_element(By.ID, "microphone").click()
    wait_script(vera.driver, "document.querySelector('#room-error').textContent.includes('producer')", 5, "it is refused")
    wait_script(vera.driver, "document.querySelector('#microphone').textContent === 'Unmute microphone'", 5, "still muted")
    # Let go she is heard when she says so herself.
    assert room.patch(path, {"mutedInRoom": False}, expect=200).json()["mutedInRoom"] is False
    wait_script(vera.driver, f"!{note}", 10, "she is told")
    vera.driver.find_element(By.ID, "microphone").click()
    anna.wait_sound(who, 15)


def out_of(anna, who):
    """Waits until somebody is gone from Anna's page: from the list and from the picture."""
    wait_script(
        anna.driver,
        f"!window.proscenium.participants.some(({{id}}) => id === '{who}') && !document.querySelector('.tile[data-participant=\"{who}\"]')",
        10, "who was removed is gone at the others'",
    )  # fmt: skip


def test_who_is_removed_loses_the_media_at_once_and_stays_out(room, pair, artefacts):
    anna, kurt = pair["Anna"], pair["Ben"]
    kurt.driver.find_element(By.ID, "leave").click()
    invitation = guests.invite(room, EVENT, name="Kurt")
    guests.enter(kurt.driver, invitation)
    who = kurt.participant
    anna.wait_frames(who, 20)
    kurt.wait_frames(anna.participant, 20)
    kurt.driver.execute_script(
        "window.ways = [window.proscenium.publishConnection, window.proscenium.subscribeConnection];"
        "window.told = []; for (const way of ways) way.addEventListener('connectionstatechange', () => told.push(way.connectionState))"
    )
    room.request("DELETE", f"/v1/events/{EVENT}/participants/{who}", expect=204)
    wait_script(kurt.driver, "window.proscenium.state === 'refused'", 10, "Kurt is out")
    wait_script(kurt.driver, "window.ways.every(({connectionState}) => connectionState === 'closed')", 5, "nothing goes to or from him")
    assert "asked to leave" in kurt.driver.find_element(By.ID, "outside-text").text
    screenshot(kurt.driver, artefacts, "rooms-removed.png")
    out_of(anna, who)
    assert "Kurt" not in people(room)
    # The same token is worth nothing: neither by the page's own session nor by the link that made it.
    status = kurt.driver.execute_async_script("""
        const done = arguments[0];
        fetch("/v1/tickets", {method: "POST", headers: {"Content-Type": "application/json"}, body: "{}"})
            .then(({status}) => done(status), (error) => done(String(error)));
    """)
    assert status == 401, status
    kurt.driver.get(f"{invitation['url']}?media=canvas")
    guests.in_the_mirror(kurt.driver)
    kurt.driver.find_element(By.ID, "join").click()
    wait_script(kurt.driver, "window.proscenium.state === 'refused'", 15, "Kurt does not come in again")
    assert "Kurt" not in people(room)


def test_who_is_removed_is_out_however_their_program_goes_on(studio, room, pair):
    """The studio ends it, and not the page's good will: aiortc and a bare socket do nothing by themselves."""
    anna = pair["Anna"]
    guest = guests.bearer(studio, guests.invite(room, EVENT, name="Willi"))
    with RoomSocket(guest, EVENT) as socket, WhipSpeaker(guest, EVENT) as speaker:
        who = socket.receive(lambda message: "hello" in message)["hello"]["participant"]
        assert socket.ask({"subscribe": True})["ok"]
        speaker.publish()
        anna.wait_frames(who, 20)
        room.request("DELETE", f"/v1/events/{EVENT}/participants/{who}", expect=204)
        socket.socket.settimeout(20)
        opcode, data = socket.socket.recv_data()
        while opcode != websocket.ABNF.OPCODE_CLOSE:
            opcode, data = socket.socket.recv_data()
        assert int.from_bytes(data[:2], "big") == 4401, data
        wait_until(lambda: speaker.connection.connectionState == "closed", 10, lambda: speaker.connection.connectionState)
        out_of(anna, who)
        guest.ticket(EVENT, expect=401)
        with pytest.raises(AssertionError, match="401"):
            speaker.publish()
    assert "Willi" not in people(room)
