"""Speakers in a room: real browsers and aiortc see and hear each other, and come back when the media server dies."""

import json
import random
import re
import socket
import time
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone

import pytest
import websocket
from selenium.webdriver.common.by import By

from harness import guests
from harness.browser import chromium, screenshot, wait_script
from harness.speakers import Page, RoomSocket, WhipSpeaker
from harness.waiting import PATIENCE, wait_until

EVENT = "panel"
JOINED = "window.proscenium.state === 'joined'"


@pytest.fixture(scope="module")
def studio(make_studio):
    """An installation whose media server is killed in the end."""
    studio = make_studio("speakers")
    yield studio
    studio.stop()


@pytest.fixture(scope="module")
def admin(studio):
    admin = studio.admin()
    admin.post("/v1/events", {"id": EVENT, "title": "Panel"}, expect=201)
    return admin


@pytest.fixture(scope="module")
def pair(studio, admin, artefacts, tmp_path_factory):
    """Two browsers in the room: Alice, who is named by her invitation, and Boris, who says his name."""
    with ExitStack() as stack:
        pages = []
        for name in ("alice", "boris"):
            driver = stack.enter_context(
                chromium(tmp_path_factory.mktemp(name), artefacts / f"chromedriver-{name}.log", size=(960, 720))
            )
            invitation = guests.invite(admin, EVENT, **({"name": "Alice Ahlberg"} if name == "alice" else {}))
            driver.get(f"{invitation['url']}?media=canvas")
            guests.in_the_mirror(driver)
            if name == "boris":
                driver.find_element(By.ID, "name").send_keys("Boris Berg")
            screenshot(driver, artefacts, f"join-{name}-lobby.png")
            driver.find_element(By.ID, "join").click()
            pages.append(Page(driver))
        for page in pages:
            wait_script(page.driver, JOINED, 20, "the page is in the room")
        yield pages


def assert_in_the_room_all_the_while(pages, joins=1):
    for page in pages:
        assert page.value("window.proscenium.state") == "joined"
        assert page.value("window.proscenium.joins") == joins


def names_shown(page):
    return page.value("[...document.querySelectorAll('.tile .name')].map((name) => name.textContent)")


def test_two_browsers_see_and_hear_each_other(pair, artefacts):
    alice, boris = pair
    for page, other in ((alice, boris), (boris, alice)):
        page.wait_source(other.participant, "camera", 10)
        page.wait_frames(other.participant, 20, more=30)
        page.wait_sound(other.participant, 10)
        report = page.received(other.participant, "camera")
        print(f"{report['framesDecoded']} frames of {report['frameWidth']}x{report['frameHeight']}")
        transport = page.driver.execute_async_script(TRANSPORT)
        assert transport["dtlsState"] == "connected" and transport["srtpCipher"] == "SRTP_AEAD_AES_128_GCM", transport
        # Nobody gets what they send.
        assert page.participant not in page.value("window.proscenium.received.map((track) => track.participant)")
    assert "Boris Berg" in names_shown(alice) and "Alice Ahlberg (you)" in names_shown(alice)
    assert "Alice Ahlberg" in names_shown(boris) and "Boris Berg (you)" in names_shown(boris)
    light = boris.driver.execute_async_script(BRIGHTNESS, alice.participant)
    print(f"brightness of Alice's picture at Boris's: {min(light):.0f} to {max(light):.0f}")
    assert max(light) - min(light) > 80, "the flash is not in the picture"
    for page, name in ((alice, "alice"), (boris, "boris")):
        screenshot(page.driver, artefacts, f"join-{name}-room.png")


TRANSPORT = """
const done = arguments[0];
window.proscenium.publishConnection.getStats()
    .then((reports) => done([...reports.values()].find(({type}) => type === "transport")));
"""

# The mean brightness of a participant's picture until it has changed much, or for half a minute.
BRIGHTNESS = """
const [participant, done] = arguments;
const video = document.querySelector(`[data-participant="${participant}"][data-kind="person"] video`);
const pen = Object.assign(document.createElement("canvas"), {width: 16, height: 9}).getContext("2d", {willReadFrequently: true});
const found = [];
const begin = performance.now();
const timer = setInterval(() => {
    pen.drawImage(video, 0, 0, 16, 9);
    const pixels = pen.getImageData(0, 0, 16, 9).data;
    let sum = 0;
    for (let index = 0; index < pixels.length; index += 4) sum += pixels[index] + pixels[index + 1] + pixels[index + 2];
    found.push(sum / (pixels.length / 4) / 3);
    if (Math.max(...found) - Math.min(...found) <= 80 && performance.now() < begin + 30000) return;
    clearInterval(timer);
    done(found);
}, 25);
"""


def test_a_mute_shows_at_the_others(pair):
    alice, boris = pair
    badge = f"!document.querySelector('[data-participant=\"{alice.participant}\"][data-kind=person] .badge').hidden"
    alice.driver.find_element(By.ID, "microphone").click()
    wait_script(boris.driver, badge, 5, "the badge appears")
    # What was under way may still be played; after that, a second and more without a beep.
    wait_until(lambda: is_silent(boris, alice.participant), 10, "Alice is heard although she is muted", 0.1)
    boris.wait_frames(alice.participant, 5)
    alice.driver.find_element(By.ID, "microphone").click()
    wait_script(boris.driver, f"!({badge})", 5, "the badge goes")
    boris.wait_sound(alice.participant, 10)


def is_silent(page, participant, seconds=1.5):
    """Whether no beep comes for so long: `totalAudioEnergy` stands still."""
    first, end = page.energy(participant), time.monotonic() + seconds
    return wait_until(
        lambda: page.energy(participant) > first + 1e-4 or time.monotonic() >= end, seconds + 5, "no end", 0.1
    ) and page.energy(participant) <= first + 1e-4  # fmt: skip


def test_a_shared_screen_arrives_and_goes_on_the_same_connection(pair, artefacts):
    alice, boris = pair
    alice.driver.execute_script("window.before = window.proscenium.publishConnection")
    alice.driver.find_element(By.ID, "screen").click()
    boris.wait_source(alice.participant, "screen", 10)
    boris.wait_frames(alice.participant, 15, source="screen")
    boris.wait_frames(alice.participant, 10)
    # A browser without time sends it smaller at first.
    wait_until(
        lambda: boris.received(alice.participant, "screen").get("frameWidth", 0) >= 480, 20,
        lambda: f"the screen is small: {boris.received(alice.participant, 'screen')}", 0.2,
    )  # fmt: skip
    wait_script(boris.driver, "document.querySelector('.tile[data-kind=screen] video').videoWidth > 0", 5, "the screen's tile")
    screenshot(boris.driver, artefacts, "join-screen.png")
    alice.driver.find_element(By.ID, "screen").click()
    boris.wait_source(alice.participant, "screen", 10, is_there=False)
    wait_script(boris.driver, "!document.querySelector('.tile[data-kind=screen]')", 5, "the screen's tile goes")
    boris.wait_frames(alice.participant, 10)
    assert alice.value("window.before === window.proscenium.publishConnection"), "sharing made a new connection"
    # The same again: what was given back can be taken again.
    alice.driver.find_element(By.ID, "screen").click()
    boris.wait_frames(alice.participant, 15, source="screen")
    alice.driver.find_element(By.ID, "screen").click()
    boris.wait_source(alice.participant, "screen", 10, is_there=False)
    assert_in_the_room_all_the_while(pair)


def test_aiortc_publishes_by_whip_and_a_browser_sees_and_hears_it(studio, admin, pair, artefacts):
    alice, _ = pair
    known = set(alice.value("window.proscenium.participants.map(({id}) => id)"))
    with WhipSpeaker(guests.bearer(studio, guests.invite(admin, EVENT, name="Wilma Whip")), EVENT) as speaker:
        speaker.publish()
        assert re.fullmatch(r"/v1/\S+", speaker.location), speaker.location
        wilma = wait_until(
            lambda: next(
                (entry["id"] for entry in alice.value("window.proscenium.participants") if entry["id"] not in known), None
            ), 10, "Wilma is not in the room",
        )  # fmt: skip
        alice.wait_source(wilma, "camera", 10)
        alice.wait_source(wilma, "microphone", 10)
        alice.wait_frames(wilma, 15)
        alice.wait_sound(wilma, 10)
        assert "Wilma Whip" in names_shown(alice)
        report = alice.received(wilma, "camera")
        assert (report["frameWidth"], report["frameHeight"]) == (320, 180)
        sent = speaker.sent()
        assert sent["video"] > 0 and sent["audio"] > 0
        screenshot(alice.driver, artefacts, "join-whip.png")
        speaker.leave()
        alice.wait_source(wilma, "camera", 10, is_there=False)
        wait_script(alice.driver, f"!document.querySelector('[data-participant=\"{wilma}\"]')", 10, "Wilma's tile goes")
        # What is gone is gone.
        speaker.api.request("DELETE", speaker.location, expect=(404, 410))
    assert_in_the_room_all_the_while(pair)


def whip(api, body, expect, **headers):
    return api.request(
        "POST", f"/v1/events/{EVENT}/whip", data=body, headers={"Content-Type": "application/sdp"} | headers, expect=expect
    )


def test_the_wrong_people_are_refused(studio, admin):
    expires = (datetime.now(timezone.utc) + timedelta(seconds=6)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    short = guests.bearer(studio, guests.invite(admin, EVENT, expiresAt=expires))
    offer = "v=0\r\n"
    whip(studio.api(), offer, 401)
    whip(studio.api("not-a-token"), offer, 401)
    token = guests.bearer(studio, guests.invite(admin, EVENT)).token
    head, payload, signature = token.split(".")
    flipped = ("A" if signature[5] != "A" else "B").join((signature[:5], signature[6:]))
    whip(studio.api(f"{head}.{payload}.{flipped}"), offer, 401)
    attendee = studio.attendee(admin, EVENT)
    whip(attendee, offer, 403)
    whip(guests.bearer(studio, guests.invite(admin, EVENT, role="attendee")), offer, 403)
    for ticket in ("", "garbled"):
        with pytest.raises(websocket.WebSocketBadStatusException) as refusal:
            RoomSocket(attendee, EVENT, ticket)
        assert refusal.value.status_code == 401
    with pytest.raises(websocket.WebSocketBadStatusException) as refusal:
        RoomSocket(attendee, EVENT)
    assert refusal.value.status_code == 403
    wait_until(lambda: datetime.now(timezone.utc) > datetime.fromisoformat(expires.replace("Z", "+00:00")), 8, "time passes")
    wait_until(
        lambda: short.request("POST", f"/v1/events/{EVENT}/whip", data=offer, headers={"Content-Type": "application/sdp"})
        .status_code == 401, 3, "an expired token is taken",
    )  # fmt: skip


def test_garbled_descriptions_are_refused_and_touch_nobody(studio, admin, pair):
    api = guests.bearer(studio, guests.invite(admin, EVENT, name="Gregor Garble"))
    bad = ["", "garbled", "v=0\r\n", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", "m=" * 20_000, "\0\r\n" * 50]
    for body in bad:
        answer = whip(api, body.encode(), (400, 413, 422)).json()
        assert answer["type"] and answer["title"], answer
    speaker = studio.api()
    speaker.sign_in(invitation=guests.invite(admin, EVENT, name="Gerda Garble")["token"])
    with RoomSocket(speaker, EVENT) as room:
        hello = room.receive(lambda message: "hello" in message)["hello"]
        assert hello["participant"] and hello["name"] == "Gerda Garble" and hello["role"] == "speaker"
        for body in bad[1:4]:
            error = room.ask({"publish": {"offer": body, "sources": {}}})["error"]
            assert error["status"] in (400, 422) and error["type"] and error["title"], error
        # What cannot be read has no number that an answer could carry.
        for body in ('{"id": 99, "colour": "red"}', "{not json"):
            room.socket.send(body)
            error = room.receive(lambda message: "error" in message)["error"]
            assert error["status"] in (400, 422) and error["type"] and error["title"], error
        assert room.ask({"subscribe": True})["ok"], "the connection does not go on"
    for page, other in (pair, pair[::-1]):
        page.wait_frames(other.participant, 10)
    assert_in_the_room_all_the_while(pair)


def test_noise_at_the_media_port_touches_nobody(studio, pair):
    alice, boris = pair
    chance = random.Random(7)
    with socket.socket(type=socket.SOCK_DGRAM) as noise:
        for number in range(3000):
            datagram = bytearray(chance.randbytes(chance.choice((1, 2, 3, 12, 20, 28, 64, 200, 1200, 1472))))
            # The first byte says what a datagram claims to be (RFC 7983): STUN, DTLS, RTP and RTCP, or nothing.
            datagram[0] = chance.choice((0, 1, 20, 22, 23, 63, 128, 144, 200, 255))
            if datagram[0] < 2 and len(datagram) >= 20:
                datagram[4:8] = b"\x21\x12\xa4\x42"
            noise.sendto(datagram, ("127.0.0.1", studio.ports["media"]))
            if number % 100 == 0:
                time.sleep(0.005)
    for page, other in ((alice, boris), (boris, alice)):
        page.wait_frames(other.participant, 10)
        page.wait_sound(other.participant, 10)
    assert_in_the_room_all_the_while(pair)


def test_a_reload_comes_back_as_the_same_person(pair):
    _, boris = pair
    person = boris.participant
    boris.driver.refresh()
    wait_script(boris.driver, "window.proscenium?.state === 'lobby' && document.querySelector('#name').disabled", 10, "the lobby")
    assert boris.value("document.querySelector('#name').value") == "Boris Berg"
    boris.driver.find_element(By.ID, "join").click()
    wait_script(boris.driver, JOINED, 20, "the page is in the room again")
    assert boris.participant == person
    boris.wait_frames(pair[0].participant, 15)
    pair[0].wait_frames(person, 15)


# A state that takes half a minute of a dead path to come about by itself.
FAIL_CONNECTION = """
const connection = window.proscenium[arguments[0]];
Object.defineProperty(connection, "connectionState", {value: "failed"});
connection.dispatchEvent(new Event("connectionstatechange"));
"""


@pytest.mark.parametrize("connection", ["publishConnection", "subscribeConnection"])
def test_a_page_comes_back_when_a_connection_fails(pair, connection):
    alice, boris = pair
    person, joins = alice.participant, alice.value("window.proscenium.joins")
    alice.driver.execute_script(FAIL_CONNECTION, connection)
    wait_script(alice.driver, f"{JOINED} && window.proscenium.joins > {joins}", 15, "Alice is back")
    assert alice.participant == person
    boris.wait_frames(person, 15)
    alice.wait_frames(boris.participant, 15)


def test_an_unknown_invitation_is_told_so(studio, pair):
    _, boris = pair
    driver = boris.driver
    here = driver.current_window_handle
    driver.switch_to.new_window("tab")
    try:
        driver.get(f"{studio.origin}/join/no-such-invitation?media=canvas")
        wait_script(driver, "window.proscenium?.state === 'lobby' && !document.querySelector('#lobby').hidden", 10, "the lobby")
        driver.find_element(By.ID, "name").send_keys("Nobody")
        driver.find_element(By.ID, "join").click()
        wait_script(driver, "window.proscenium.state === 'refused'", 10, "the page says no")
        assert "invitation" in driver.find_element(By.ID, "outside").text
    finally:
        driver.close()
        driver.switch_to.window(here)


def test_pages_come_back_by_themselves_when_the_media_server_is_killed(studio, pair):
    alice, boris = pair
    before = [page.value("window.proscenium.joins") for page in pair]
    people = [page.participant for page in pair]
    killed = time.monotonic()
    old = studio.kill_role("sfu")
    for page, joins in zip(pair, before):
        wait_script(page.driver, f"{JOINED} && window.proscenium.joins > {joins}", 30, "the page is back")
    joined = time.monotonic() - killed
    for page, other in ((alice, boris), (boris, alice)):
        page.wait_frames(other.participant, 20)
        page.wait_sound(other.participant, 10)
    print(
        f"after kill -9 of the sfu: both pages joined again after {joined:.1f} s, "
        f"seen and heard after {time.monotonic() - killed:.1f} s"
    )
    assert [page.participant for page in pair] == people
    studio.wait_restarted("sfu", old)
    print(json.dumps({"rejoinSeconds": round(joined, 2)}))


# How long no new picture of somebody was decoded at the longest, while it is watched.
LONGEST_GAP = """
const [participant] = arguments, page = window.proscenium;
const track = page.received.find((one) => one.participant === participant && one.source === "camera");
const watch = window.watched = { gap: 0, frames: 0, id: track.id };
const video = document.createElement("video");
video.muted = true;
video.srcObject = new MediaStream([page.subscribeConnection.getReceivers().find(({track: {id}}) => id === track.trackId).track]);
video.play();
let last = performance.now();
const next = () => {
    const now = performance.now();
    if (watch.frames++) watch.gap = Math.max(watch.gap, now - last);
    last = now;
    video.requestVideoFrameCallback(next);
};
video.requestVideoFrameCallback(next);
"""


def test_media_goes_on_and_everybody_stays_when_studio_is_killed(studio, admin, pair):
    alice, boris = pair
    joins, resumes = ([page.value(f"window.proscenium.{name}") for page in pair] for name in ("joins", "resumes"))
    people = [page.participant for page in pair]

    def listed():
        answer = admin.get(f"/v1/events/{EVENT}/participants", expect=200).json()["items"]
        return {entry["id"]: sorted(track["id"] for track in entry["tracks"]) for entry in answer}

    with WhipSpeaker(guests.bearer(studio, guests.invite(admin, EVENT, name="Wim Whip")), EVENT) as speaker:
        speaker.publish()
        before = wait_until(lambda: len(found := listed()) == 3 and all(found.values()) and found, 15, lambda: f"{listed()}")
        for page, other in ((alice, boris), (boris, alice)):
            page.driver.execute_script(LONGEST_GAP, other.participant)
            wait_script(page.driver, "window.watched.frames > 10", 15, "pictures are watched")
        killed = time.monotonic()
        old = studio.kill_role("studio")
        for page, count in zip(pair, resumes):
            wait_script(page.driver, f"{JOINED} && window.proscenium.resumes > {count}", 30, "the socket is back")
        back = time.monotonic() - killed
        studio.wait_restarted("studio", old)
        assert [page.value("window.proscenium.joins") for page in pair] == joins, "somebody has joined anew"
        assert [page.participant for page in pair] == people
        wait_until(lambda: listed() == before, 10, lambda: f"{listed()}, and before {before}")
        gaps = [page.value("window.watched.gap") for page in pair]
        print(f"after kill -9 of Studio: sockets back after {back:.1f} s, longest pauses of the pictures {gaps[0]:.0f} and {gaps[1]:.0f} ms")
        assert max(gaps) < 1000 * PATIENCE, gaps
        # The new Studio has a say in what goes on: tracks are held back, sessions end.
        alice.driver.find_element(By.ID, "camera").click()
        muted = f"window.proscenium.participants.find(({{id}}) => id === '{people[0]}').tracks.some(({{source, muted}}) => source === 'camera' && muted)"
        wait_script(boris.driver, muted, 10, "Boris is told that Alice hides her camera")
        alice.driver.find_element(By.ID, "camera").click()
        boris.wait_frames(people[0], 15)
        speaker.leave()
    wait_until(lambda: set(listed()) == set(people), 10, lambda: f"{listed()}")
    for page in pair:
        assert page.value("window.proscenium.joins") == joins[pair.index(page)]
