"""Speakers whose network lets no UDP through: media by TURN, from coturn as `serve` starts it."""

import asyncio
import base64
import hashlib
import hmac
import time
from contextlib import ExitStack

import aioice.stun
import aioice.turn
import pytest
from selenium.webdriver.common.by import By

from harness.browser import chromium, wait_script
from harness.paths import walled
from harness.speakers import Page, WhipSpeaker

EVENT = "behind-walls"

# The local candidates of the pairs that carry a page's two connections.
PATHS = """
const done = arguments[0];
Promise.all([window.proscenium.publishConnection, window.proscenium.subscribeConnection].map(async (connection) => {
    const reports = await connection.getStats();
    const transport = [...reports.values()].find(({ type }) => type === "transport");
    const local = reports.get(reports.get(transport.selectedCandidatePairId).localCandidateId);
    return [local.candidateType, local.relayProtocol];
})).then(done);
"""


@pytest.fixture(scope="module")
def studio(make_studio):
    studio = make_studio("relay")
    yield studio
    studio.stop()


@pytest.fixture(scope="module")
def admin(studio):
    admin = studio.admin()
    admin.post("/v1/events", {"id": EVENT, "title": "Behind walls"}, expect=201)
    return admin


def invite(admin, name):
    return admin.post(f"/v1/events/{EVENT}/invitations", {"role": "speaker", "name": name}, expect=201).json()


def enter(stack, admin, artefacts, folder, name, walls=None):
    """Returns the page of somebody who has joined; with walls, by TURN over that scheme and transport alone."""
    driver = stack.enter_context(chromium(folder, artefacts / f"chromedriver-{name}.log", size=(960, 720)))
    if walls is not None:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": walled(*walls)})
    driver.get(f"{invite(admin, name)['url']}?media=canvas")
    wait_script(driver, "document.querySelector('#preview').videoWidth > 0", 15, "the picture in the mirror")
    driver.find_element(By.ID, "join").click()
    wait_script(driver, "window.proscenium.state === 'joined'", 30, f"{name} is in the room")
    return Page(driver)


@pytest.fixture(scope="module")
def olga(studio, admin, artefacts, tmp_path_factory):
    """Somebody without a wall."""
    with ExitStack() as stack:
        yield enter(stack, admin, artefacts, tmp_path_factory.mktemp("olga"), "Olga Open")


@pytest.mark.parametrize("scheme, transport, protocol", [("turns", "tcp", "tls"), ("turn", "udp", "udp")])
def test_a_browser_without_a_way_out_speaks_and_hears_by_relay(olga, admin, artefacts, tmp_path, scheme, transport, protocol):
    with ExitStack() as stack:
        page = enter(stack, admin, artefacts, tmp_path, f"walled-{protocol}", (scheme, transport))
        for one, other in ((page, olga), (olga, page)):
            one.wait_source(other.participant, "camera", 20)
            one.wait_frames(other.participant, 20, more=30)
            one.wait_sound(other.participant, 10)
        paths = page.driver.execute_async_script(PATHS)
        assert paths == [["relay", protocol]] * 2, paths


class Client:
    """A TURN client over UDP that asks for what it likes."""

    def __init__(self, port, username, credential):
        self.port, self.username, self.credential = port, username, credential

    def bind(self, peer):
        """Makes a relay and a channel to a peer; returns the error code of what was refused, or None."""

        async def run():
            loop = asyncio.get_running_loop()
            server = ("127.0.0.1", self.port)
            transport, client = await loop.create_datagram_endpoint(
                lambda: aioice.turn.TurnClientUdpProtocol(
                    server, username=self.username, password=self.credential, lifetime=600, channel_refresh_time=500
                ),
                remote_addr=server,
            )
            try:
                await client.connect()
                await client.channel_bind(0x4000, peer)
                await client.delete()
            except aioice.stun.TransactionFailed as failure:
                return failure.response.error_code
            finally:
                transport.close()
            return None

        return asyncio.run(asyncio.wait_for(run(), 30))


@pytest.fixture(scope="module")
def server(studio, admin):
    """What a speaker is told."""
    accepted = studio.api().post(f"/v1/invitations/{invite(admin, 'Trudy')['token']}/accept", {}, expect=(200, 201)).json()
    answer = studio.api(accepted["token"]).get(f"/v1/events/{EVENT}/ice-servers", expect=200)
    assert answer.headers["Cache-Control"] == "no-store"
    (server,) = answer.json()["iceServers"]
    return server


def test_the_relay_leads_to_the_media_server_and_nowhere_else(studio, server):
    ports = studio.ports
    assert server["urls"] == [
        f"turn:127.0.0.1:{ports['turn']}?transport=udp", f"turn:127.0.0.1:{ports['turn']}?transport=tcp",
        f"turns:127.0.0.1:{ports['turns']}?transport=tcp",
    ]  # fmt: skip
    client = Client(ports["turn"], server["username"], server["credential"])
    assert client.bind(("127.0.0.1", ports["media"])) is None
    for peer in ("127.0.0.2", "10.0.0.1", "192.168.1.1", "169.254.169.254", "8.8.8.8", "224.0.0.1"):
        assert client.bind((peer, 80)) == 403, peer


def test_the_relay_lets_in_whom_studio_has_let_in(studio, server):
    port = studio.ports["turn"]
    media = ("127.0.0.1", studio.ports["media"])
    assert Client(port, server["username"], "wrong").bind(media) == 401
    secret = (studio.data / "keys/turn.secret").read_text()
    assert (studio.data / "keys/turn.secret").stat().st_mode & 0o777 == 0o600
    assert (studio.data / "turn/turnserver.conf").stat().st_mode & 0o777 == 0o600

    def signed(end):
        name = f"{end}:somebody"
        return name, base64.b64encode(hmac.new(secret.encode(), name.encode(), hashlib.sha1).digest()).decode()

    assert Client(port, *signed(int(time.time()) + 60)).bind(media) is None
    assert Client(port, *signed(int(time.time()) - 60)).bind(media) == 401
    # Another end than the one that was signed.
    name, credential = signed(int(time.time()) - 60)
    assert Client(port, f"{int(time.time()) + 60}:somebody", credential).bind(media) == 401


def test_a_publisher_by_whip_is_told_of_the_relay(studio, admin):
    accepted = studio.api().post(f"/v1/invitations/{invite(admin, 'Wanda')['token']}/accept", {}, expect=(200, 201)).json()
    with WhipSpeaker(studio.api(accepted["token"]), EVENT) as speaker:
        link = speaker.publish().answer.headers["Link"]
    assert link.count('rel="ice-server"') == 3 and link.count('credential-type="password"') == 3, link
    assert f"<turns:127.0.0.1:{studio.ports['turns']}?transport=tcp>" in link


def test_a_relay_that_dies_is_started_again(studio, server):
    old = studio.process("-c")
    assert "turnserver" in old.arguments[0], old.arguments
    old.kill()
    studio.wait_restarted("-c", old)
    client = Client(studio.ports["turn"], server["username"], server["credential"])
    assert client.bind(("127.0.0.1", studio.ports["media"])) is None
