"""What networks do to speakers: no UDP at all, a socket that is cut, a page that goes."""

import json
import subprocess
import time
from contextlib import ExitStack

import pytest
from selenium.webdriver.common.by import By

from harness import guests
from harness.browser import chromium, wait_script
from harness.impairment import impaired
from harness.paths import PATH, WITHOUT_UDP
from harness.ports import free_ports
from harness.speakers import Page, RoomSocket, WhipSpeaker
from harness.studio import BINARY, REPOSITORY
from harness.waiting import wait_until

EVENT = "network"

# Keeps the page's sockets, so that a test can cut them.
SOCKETS = """
window.sockets = [];
const Plain = WebSocket;
window.WebSocket = class extends Plain {
    constructor(...options) { super(...options); window.sockets.push(this); }
};
"""

# How a connection's media goes: the pair that is used, with the protocol of both ends.
PAIR = """
const [name, done] = arguments;
(async () => {
    const reports = [...(await window.proscenium[name].getStats()).values()];
    const transport = reports.find(({type}) => type === "transport");
    const pair = reports.find(({id}) => id === transport?.selectedCandidatePairId);
    const end = (id) => { const one = reports.find((report) => report.id === id); return one && [one.protocol, one.tcpType, one.port]; };
    return pair ? {local: end(pair.localCandidateId), remote: end(pair.remoteCandidateId), state: pair.state} : {};
})().then(done, (error) => done({failed: String(error)}));
"""

# What a browser says of itself when its path was dead for half a minute, and says no more when it has found another.
FAIL_AND_HEAL = """
const connection = window.proscenium[arguments[0]];
Object.defineProperty(connection, "connectionState", {value: "failed", configurable: true});
connection.dispatchEvent(new Event("connectionstatechange"));
delete connection.connectionState;
"""


@pytest.fixture(scope="module")
def studio(make_studio):
    studio = make_studio("network")
    yield studio
    studio.stop()


@pytest.fixture(scope="module")
def admin(studio):
    admin = studio.admin()
    admin.post("/v1/events", {"id": EVENT, "title": "Network"}, expect=201)
    return admin


def enter(stack, admin, artefacts, tmp_path_factory, name, *scripts):
    """A browser in the room; scripts run before those of the page."""
    driver = stack.enter_context(
        chromium(tmp_path_factory.mktemp(name), artefacts / f"chromedriver-network-{name}.log", size=(800, 600))
    )
    for script in scripts:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    return Page(guests.enter(driver, guests.invite(admin, EVENT, name=name)))


@pytest.fixture(scope="module")
def pair(studio, admin, artefacts, tmp_path_factory):
    """Carla's network lets no UDP out; David's does."""
    with ExitStack() as stack:
        carla = enter(stack, admin, artefacts, tmp_path_factory, "carla", WITHOUT_UDP, SOCKETS)
        david = enter(stack, admin, artefacts, tmp_path_factory, "david", SOCKETS)
        yield carla, david


def test_a_browser_without_udp_sends_and_receives_by_tcp(studio, pair):
    carla, david = pair
    for page, other in ((carla, david), (david, carla)):
        page.wait_source(other.participant, "camera", 15)
        page.wait_frames(other.participant, 30, more=30)
        page.wait_sound(other.participant, 15)
    for name in ("publishConnection", "subscribeConnection"):
        by = carla.driver.execute_async_script(PAIR, name)
        assert by["local"][0] == "tcp" and by["remote"] == ["tcp", "passive", studio.ports["media"]], by
        assert david.driver.execute_async_script(PAIR, name)["remote"][0] == "udp"
    assert wait_until(lambda: metric(studio, "proscenium_sfu_tcp_connections") == 2, 10, "the connections are not counted")


def metric(studio, name):
    lines = [line for line in studio.metrics().splitlines() if line.startswith(name) and line[len(name)] in " {"]
    # Nothing is told before the first heartbeat.
    return float(lines[0].split()[-1]) if lines else 0


def test_a_socket_that_is_cut_comes_back_without_a_gap_in_the_media(pair):
    carla, david = pair
    person, joins = carla.participant, carla.value("window.proscenium.joins")
    resumes = carla.value("window.proscenium.resumes")
    # A busy machine may have stood still before.
    freezes = david.received(person, "camera").get("freezeCount", 0)
    carla.driver.execute_script("""
        window.before = [window.proscenium.publishConnection, window.proscenium.subscribeConnection];
        window.sockets.at(-1).close();
    """)
    wait_script(carla.driver, f"window.proscenium.resumes === {resumes} + 1", 20, "the socket is back")
    for page, other in ((carla, david), (david, carla)):
        page.wait_frames(other.participant, 15)
        page.wait_sound(other.participant, 10)
    assert carla.participant == person and carla.value("window.proscenium.joins") == joins
    assert carla.value("window.proscenium.state") == "joined"
    assert carla.value(
        "window.before[0] === window.proscenium.publishConnection && window.before[1] === window.proscenium.subscribeConnection"
    ), "there are new connections"
    assert david.received(person, "camera").get("freezeCount", 0) <= freezes + 1
    # What the socket is for works again: a mute is told, and a shared screen negotiates on the same connections.
    carla.driver.find_element(By.ID, "screen").click()
    david.wait_frames(person, 20, source="screen")
    carla.driver.find_element(By.ID, "screen").click()
    david.wait_source(person, "screen", 15, is_there=False)


def test_ice_starts_again_on_the_same_connections_when_a_path_is_lost(pair):
    carla, david = pair
    joins, restarts = carla.value("window.proscenium.joins"), carla.value("window.proscenium.restarts")
    carla.driver.execute_script("window.before = window.proscenium.publishConnection")
    for name, number in (("publishConnection", 1), ("subscribeConnection", 2)):
        ufrag = f"window.proscenium.{name}.remoteDescription.sdp.match(/ice-ufrag:(.*)/)[1]"
        before = carla.value(ufrag)
        carla.driver.execute_script(FAIL_AND_HEAL, name)
        wait_script(carla.driver, f"window.proscenium.restarts === {restarts} + {number}", 20, "ICE has started again")
        wait_script(carla.driver, f"{ufrag} !== {json.dumps(before)}", 10, "other credentials")
        for page, other in ((carla, david), (david, carla)):
            page.wait_frames(other.participant, 15)
            page.wait_sound(other.participant, 10)
    assert carla.value("window.proscenium.joins") == joins and carla.value("window.proscenium.state") == "joined"
    assert carla.value("window.before === window.proscenium.publishConnection")


# What the studio says of TCP is not heard by the browser.
WITHOUT_TCP = WITHOUT_UDP.replace(" udp ", " tcp ")


@pytest.mark.parametrize(
    "way, scripts", [("tcp", []), pytest.param("turn-tcp", [WITHOUT_TCP], marks=pytest.mark.whole_matrix)]
)
def test_a_page_whose_udp_loses_half_of_everything_goes_another_way(way, scripts, studio, admin, pair, artefacts, tmp_path_factory):
    _, david = pair
    with ExitStack() as stack:
        relay = stack.enter_context(impaired(free_ports(1)[0], studio.ports["media"]))
        lara = enter(stack, admin, artefacts, tmp_path_factory, f"lara-{way}", *scripts, relay.way(keeps_tcp=True))
        for page, other in ((lara, david), (david, lara)):
            page.wait_frames(other.participant, 20, more=30)
        assert lara.driver.execute_async_script(PATH) == ["udp"] * 2
        joins, tracks = lara.value("window.proscenium.joins"), track_ids(admin, lara.participant)
        # As much as radio may lose is nothing to leave for: repeats mend it.
        relay.set(up={"loss": 0.15, "delay_ms": 20}, down={"loss": 0.15, "delay_ms": 20, "seed": 2})
        wait_until(lambda: worst_loss(admin, lara.participant) > 0.1, 15, lambda: f"{worst_loss(admin, lara.participant)}", 0.3)
        lara.wait_frames(david.participant, 15, more=60)
        assert lara.driver.execute_async_script(PATH) == ["udp"] * 2 and lara.value("window.proscenium.rotations") == 0
        relay.set(up={"loss": 0.5}, down={"loss": 0.5, "seed": 2})
        begin = time.monotonic()
        wait_until(lambda: lara.driver.execute_async_script(PATH) == [way] * 2, 20, lambda: f"{lara.driver.execute_async_script(PATH)}", 0.3)
        print(json.dumps({"way": way, "movedSeconds": round(time.monotonic() - begin, 1)}))
        for page, other in ((lara, david), (david, lara)):
            page.wait_frames(other.participant, 10, more=30)
            page.wait_sound(other.participant, 10)
        assert lara.value("window.proscenium.joins") == joins and lara.value("window.proscenium.state") == "joined"
        assert track_ids(admin, lara.participant) == tracks, "they are other tracks to the others"


def track_ids(admin, participant):
    people = admin.get(f"/v1/events/{EVENT}/participants", expect=200).json()["items"]
    return sorted(track["id"] for person in people if person["id"] == participant for track in person["tracks"])


def worst_loss(admin, participant):
    """What the media server says is lost of what it sends to somebody."""
    items = admin.get(f"/v1/events/{EVENT}/participants/{participant}/connection", expect=200).json()["items"]
    return max(item["loss"] for item in items if item["direction"] == "receives")


def test_a_session_is_resumed_by_its_own_person_alone_and_once(studio, admin):
    erin, frank = (guests.bearer(studio, guests.invite(admin, EVENT, name=name)) for name in ("Erin", "Frank"))
    with RoomSocket(erin, EVENT) as room:
        token = room.receive(lambda message: "hello" in message)["hello"]["resume"]
        assert room.ask({"subscribe": True})["ok"]
        with RoomSocket(frank, EVENT) as other:
            assert other.ask({"resume": token})["error"]["status"] == 404
            assert other.ask({"resume": "x" * 10_000})["error"]["status"] == 404
            assert other.ask({"resume": ""})["error"]["status"] == 404
        # The server may not know yet that the first socket is gone: the one with the word takes over.
        with RoomSocket(erin, EVENT) as again:
            fresh = again.receive(lambda message: "hello" in message)["hello"]["resume"]
            assert fresh != token
            assert again.ask({"resume": token})["ok"]
            assert again.ask({"subscribe": True})["error"]["status"] == 409, "the subscription came along"
            assert again.ask({"resume": token})["error"]["status"] in (404, 409)


def test_a_page_that_is_closed_is_gone_at_once(studio, admin, pair, artefacts, tmp_path_factory):
    _, david = pair
    with ExitStack() as stack:
        gina = enter(stack, admin, artefacts, tmp_path_factory, "gina")
        person = gina.participant
        david.wait_source(person, "camera", 15)
        begin = time.monotonic()
        gina.driver.get("about:blank")
        david.wait_source(person, "camera", 8, is_there=False)
        print(json.dumps({"goneSeconds": round(time.monotonic() - begin, 2)}))


def test_a_speaker_with_ipv6_alone_is_heard_and_seen(make_studio, monkeypatch):
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: ["::1"] if use_ipv6 else [])
    studio = make_studio("six", "--media-address", "::1", "--media-bind-address", "::1")
    try:
        admin = studio.admin()
        admin.post("/v1/events", {"id": EVENT, "title": "Six"}, expect=201)
        with WhipSpeaker(guests.bearer(studio, guests.invite(admin, EVENT, name="Sixtus")), EVENT) as speaker:
            speaker.publish()
            candidates = [line for line in speaker.connection.remoteDescription.sdp.splitlines() if line.startswith("a=candidate")]
            assert candidates and all(" ::1 " in line for line in candidates), candidates

            def tracks():
                people = admin.get(f"/v1/events/{EVENT}/participants", expect=200).json()["items"]
                return sorted(track["source"] for person in people for track in person["tracks"])

            wait_until(lambda: tracks() == ["camera", "microphone"], 10, tracks)
            arrived = metric(studio, "proscenium_sfu_packets_in_total")
            wait_until(lambda: metric(studio, "proscenium_sfu_packets_in_total") > arrived + 50, 15, "no media arrives")
    finally:
        studio.stop()


@pytest.mark.parametrize(
    "address, reason",
    [("studio.example", "IP addresses"), ("192.0.2.1:0", "port"), ("0.0.0.0", "not 0.0.0.0"), ("2001:db8::1", "media-bind-address")],
)
def test_an_address_that_nobody_could_reach_is_refused_at_the_start(tmp_path, address, reason):
    run = subprocess.run(
        [str(BINARY), "serve", "--data-directory", str(tmp_path), "--media-address", address],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.returncode != 0 and "media-address" in run.stderr and reason in run.stderr, run.stderr
    assert not list(tmp_path.iterdir()), "something was made before it was refused"


def test_an_address_that_leads_nowhere_is_told_of_at_the_start(make_studio):
    studio = make_studio("nowhere", "--media-address", "127.0.0.1,127.0.0.2", "--media-bind-address", "127.0.0.1")
    try:
        studio.admin()

        def told():
            lines = [json.loads(line) for line in studio.log.read_text().splitlines() if line.startswith("{")]
            return [line["address"] for line in lines if "does not lead here" in line["message"]]

        wait_until(lambda: metric(studio, "proscenium_sfu_rooms") is not None and told(), 15, studio.log_tail)
        assert [address.rsplit(":", 1)[0] for address in told()] == ["127.0.0.2"], told()
    finally:
        studio.stop()
