"""Pages that change their keys every few seconds: new connections take over, and nobody misses a picture or a sound."""

import re
from contextlib import ExitStack

import pytest
from aiortc.rtcrtpreceiver import RTCRtpReceiver

from harness import guests
from harness.browser import chromium, wait_script
from harness.receiver import RoomReceiver
from harness.rotation import KEYS, WATCH
from harness.speakers import Page, RoomSocket
from harness.waiting import wait_until

EVENT = "rotation"

# The page's connections by hand: none of those that are made from now on ever stands.
NEVER = """
const Plain = RTCPeerConnection;
window.RTCPeerConnection = class extends Plain {
    setRemoteDescription(description) { return super.setRemoteDescription({...description, sdp: description.sdp.replace(/^a=candidate.*\\r\\n/gm, "")}); }
};
window.getBack = () => { window.RTCPeerConnection = Plain; };
"""


@pytest.fixture(scope="module")
def admin(make_studio):
    studio = make_studio("rotation", "--key-rotation-seconds", "10")
    try:
        admin = studio.admin()
        admin.post("/v1/events", {"id": EVENT, "title": "Other keys"}, expect=201)
        yield admin
    finally:
        studio.stop()


# A pair for each test: those after the first would come into any moment of a change.
@pytest.fixture
def pair(admin, artefacts, tmp_path_factory):
    with ExitStack() as stack:
        pages = []
        for name in ("Carla", "Rosa"):
            log = artefacts / f"chromedriver-rotation-{name}.log"
            driver = stack.enter_context(chromium(tmp_path_factory.mktemp(name), log, size=(700, 600)))
            pages.append(Page(guests.enter(driver, guests.invite(admin, EVENT, name=name))))
        yield pages


def counted(admin, name):
    found = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", admin.studio.metrics(), re.M)
    return float(found[1]) if found else 0


def people(admin):
    return admin.get(f"/v1/events/{EVENT}/participants", expect=200).json()["items"]


def tracks(admin):
    return {track["id"] for person in people(admin) for track in person["tracks"]}


def connection(admin, participant):
    return admin.get(f"/v1/events/{EVENT}/participants/{participant}/connection", expect=200).json()["items"]


def sessions(admin, participant):
    return {(item["session"], item["direction"]) for item in connection(admin, participant)}


def steps(packets, rate):
    """Between one packet of a stream and the next, in the order of their coming: numbers, and seconds by their timestamps."""
    pairs = list(zip(packets, packets[1:]))
    numbers = [(later[0] - earlier[0] + 2**15) % 2**16 - 2**15 for earlier, later in pairs]
    return numbers, [((later[1] - earlier[1] + 2**31) % 2**32 - 2**31) / rate for earlier, later in pairs]


def test_keys_change_and_nobody_sees_or_hears_it(admin, pair, monkeypatch):
    carla, rosa = pair
    came, handle = {"video": {}, "audio": {}}, RTCRtpReceiver._handle_rtp_packet

    async def note(self, packet, arrival_time_ms):
        # Each stream as it comes; repeats have another payload type.
        if packet.payload_type in (96, 111):
            came["audio" if packet.payload_type == 111 else "video"].setdefault(packet.ssrc, []).append((packet.sequence_number, packet.timestamp))
        await handle(self, packet, arrival_time_ms)

    monkeypatch.setattr(RTCRtpReceiver, "_handle_rtp_packet", note)
    api = admin.studio.api()
    api.sign_in(invitation=guests.invite(admin, EVENT, name="Rudi Receiver")["token"])
    with RoomReceiver(api, EVENT) as receiver:
        receiver.subscribe(carla.participant)
        rudi = next(person["id"] for person in people(admin) if person.get("name") == "Rudi Receiver")
        for one, other in (pair, reversed(pair)):
            one.wait_frames(other.participant, 20)
            one.wait_sound(other.participant, 20)
        rosa.driver.execute_script(WATCH, carla.participant)
        camera = receiver.tracks[carla.participant, "camera"]
        wait_until(
            lambda: len(camera.samples) > 30 and [len(came[kind]) for kind in came] == [2, 2], 20,
            lambda: f"{len(camera.samples)} pictures came to the receiver; {connection(admin, rudi)}",
        )  # fmt: skip
        names, before, held = tracks(admin), carla.driver.execute_async_script(KEYS), sessions(admin, carla.participant)
        begun = carla.value("window.proscenium.rotations")
        pictures = len(camera.samples)
        wait_until(
            lambda: carla.value("window.proscenium.rotations") >= begun + 2 and rosa.value("window.proscenium.rotations") >= 2, 120,
            lambda: f"{carla.value('window.proscenium.rotations')} and {rosa.value('window.proscenium.rotations')} changes of keys", 0.5,
        )  # fmt: skip
        assert counted(admin, "proscenium_sfu_sessions_replaced_total") >= 3
        after, now = carla.driver.execute_async_script(KEYS), sessions(admin, carla.participant)
        print(f"keys {before} became {after}; sessions {held} became {now}")
        for one, other in zip(before, after):
            assert one["fingerprint"] != other["fingerprint"] and one["said"] != other["said"], (one, other)
            assert other["state"] == "connected" and other["cipher"], other
        assert not {session for session, _ in held} & {session for session, _ in now}, (held, now)
        # The same people with the same tracks, who joined once.
        assert tracks(admin) == names
        assert all(page.value("window.proscenium.joins") == 1 for page in pair)
        # Between two changes each has two connections, and no more.
        wait_until(lambda: len(sessions(admin, carla.participant)) == 2, 20, lambda: f"{sessions(admin, carla.participant)}", 0.2)
        seen, heard = rosa.value("window.seenPictures.person"), rosa.value("window.heardSound")
        print(f"on the screen: {seen}; in the ear: {heard}")
        assert seen["count"] > 200 and seen["longest"] < 1000, seen
        assert heard["connections"] >= 2 and heard["longest"] < 500, heard
        # Who has changed nothing has got everything on the same streams: no number is missing, and time goes on.
        assert [len(came[kind]) for kind in came] == [2, 2] and len(camera.samples) > pictures + 100
        for kind, rate in (("video", 90_000), ("audio", 48_000)):
            for stream in came[kind].values():
                numbers, seconds = steps(stream, rate)
                print(f"{kind}: {len(stream)} packets, numbers by {min(numbers)} to {max(numbers)}, time by {min(seconds):.4f} to {max(seconds):.4f} s")
                # A picture that was broken off leaves a number out.
                assert len(stream) > 500 and min(numbers) > 0 and sum(numbers) - len(numbers) < 0.01 * len(stream), (kind, sorted(numbers)[-5:])
                assert min(seconds) >= 0 and max(seconds) < 1, (kind, sorted(seconds)[-5:])
                if kind == "audio":
                    assert min(seconds) > 0 and max(seconds) < 0.1, sorted(seconds)[-5:]
        for one, other in (pair, reversed(pair)):
            one.wait_frames(other.participant, 20)
            one.wait_sound(other.participant, 20)


def test_what_is_begun_after_a_change_is_sent_on_the_new_connection(admin, pair):
    carla, rosa = pair
    wait_script(carla.driver, "window.proscenium.rotations >= 1", 60, "Carla's keys have changed")
    carla.driver.execute_script("document.querySelector('#microphone').click()")
    muted = (
        f"window.proscenium.participants.find(({{id}}) => id === '{carla.participant}').tracks"
        ".find(({source}) => source === 'microphone').muted"
    )
    wait_script(rosa.driver, f"{muted} === true", 15, "the mute is told")
    carla.driver.execute_script("document.querySelector('#microphone').click()")
    wait_script(rosa.driver, f"{muted} === false", 15, "it is over")
    rosa.wait_sound(carla.participant, 20)
    rosa.wait_frames(carla.participant, 20)


def test_a_change_that_fails_leaves_everything_as_it_was_and_is_tried_again(admin, pair):
    carla, rosa = pair
    rosa.wait_frames(carla.participant, 20)
    wait_script(carla.driver, "window.proscenium.rotations >= 1", 60, "Carla's keys have changed")
    rosa.driver.execute_script(WATCH, carla.participant)
    carla.driver.execute_script(NEVER)
    names, held = tracks(admin), sessions(admin, carla.participant)
    changes = carla.value("window.proscenium.rotations")
    # A second session stands beside the others for a while, and is gone again.
    wait_until(lambda: len(sessions(admin, carla.participant)) == 3, 40, lambda: f"{sessions(admin, carla.participant)}", 0.1)
    wait_until(lambda: len(sessions(admin, carla.participant)) == 2, 60, lambda: f"{sessions(admin, carla.participant)}", 0.2)
    assert sessions(admin, carla.participant) == held and tracks(admin) == names
    assert carla.value("window.proscenium.rotations") == changes and carla.value("window.proscenium.joins") == 1
    carla.driver.execute_script("window.getBack()")
    wait_script(carla.driver, f"window.proscenium.rotations > {changes}", 60, "the next one succeeds")
    assert tracks(admin) == names and carla.value("window.proscenium.joins") == 1
    seen = rosa.value("window.seenPictures.person")
    print(f"on the screen: {seen}; in the ear: {rosa.value('window.heardSound')}")
    assert seen["longest"] < 1000, seen


def test_a_change_of_keys_that_makes_no_sense_is_refused(admin):
    api = admin.studio.api()
    api.sign_in(invitation=guests.invite(admin, EVENT, name="Nora Nobody")["token"])
    with RoomSocket(api, EVENT) as room:
        assert room.receive(lambda message: "hello" in message)["hello"]["rotateMs"] == 10_000
        for rotate in ({"publish": {"offer": "v=0"}}, {"subscribe": True}, {"answer": "v=0"}, {"done": True}, {"done": 7}, {"what": True}):
            error = room.ask({"rotate": rotate})["error"]
            assert error["status"] in (400, 409, 422) and error["title"], (rotate, error)
        assert room.ask({"rotate": {"done": False}})["ok"]
        assert room.ask({"subscribe": True})["ok"]
        assert room.ask({"rotate": {"done": True}})["error"]["status"] == 409
        assert room.ask({"rotate": {"subscribe": True}})["ok"] and room.ask({"rotate": {"subscribe": True}})["ok"]
        nora = next(person["id"] for person in people(admin) if person.get("name") == "Nora Nobody")
        assert len(sessions(admin, nora)) == 2
        assert room.ask({"rotate": {"done": True}})["ok"]
        assert len(sessions(admin, nora)) == 1


def test_who_has_all_the_connections_there_may_be_changes_the_keys_of_each(admin):
    api = admin.studio.api()
    api.sign_in(invitation=guests.invite(admin, EVENT, name="Tara Tabs")["token"])
    with ExitStack() as stack:
        tabs = [stack.enter_context(RoomSocket(api, EVENT)) for _ in range(7)]
        assert all(tab.ask({"subscribe": True})["ok"] for tab in tabs[:6])
        assert tabs[6].ask({"subscribe": True})["error"]["status"] == 429
        assert all(tab.ask({"rotate": {"subscribe": True}})["ok"] for tab in tabs[:6])
        tara = next(person["id"] for person in people(admin) if person.get("name") == "Tara Tabs")
        first = sessions(admin, tara)
        assert len(first) == 12
        assert tabs[6].ask({"subscribe": True})["error"]["status"] == 429
        assert all(tab.ask({"rotate": {"done": True}})["ok"] for tab in tabs[:6])
        assert len(sessions(admin, tara)) == 6 and sessions(admin, tara) < first
        assert tabs[6].ask({"subscribe": True})["error"]["status"] == 429
