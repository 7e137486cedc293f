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
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from selenium.webdriver.common.by import By

from harness import guests
from harness.browser import chromium, wait_script
from harness.paths import walled
from harness.secrets import where
from harness.speakers import Page, WhipSpeaker

EVENT = "behind-walls"
# Of one name: six connections, and one more for each that is to take its place, by UDP, TCP and TLS, by IPv4 and IPv6.
RELAYS = 6 * 2 * 3 * 2

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
    # The most verbose logs: secrets are looked for in them.
    studio = make_studio("relay", "--log-level", "trace")
    yield studio
    studio.stop()


@pytest.fixture(scope="module")
def admin(studio):
    admin = studio.admin()
    admin.post("/v1/events", {"id": EVENT, "title": "Behind walls"}, expect=201)
    return admin


def enter(stack, admin, artefacts, folder, name, walls=None):
    """Returns the page of somebody who has joined; with walls, by TURN over that scheme and transport alone."""
    driver = stack.enter_context(chromium(folder, artefacts / f"chromedriver-{name}.log", size=(960, 720)))
    if walls is not None:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": walled(*walls)})
    return Page(guests.enter(driver, guests.invite(admin, EVENT, name=name)))


@pytest.fixture(scope="module")
def olga(studio, admin, artefacts, tmp_path_factory):
    """Somebody without a wall."""
    with ExitStack() as stack:
        yield enter(stack, admin, artefacts, tmp_path_factory.mktemp("olga"), "Olga Open")


def test_a_browser_without_a_way_out_speaks_and_hears_by_relay(olga, admin, artefacts, tmp_path):
    # By TURN over UDP: `test_interop.py`, with the networks.
    with ExitStack() as stack:
        page = enter(stack, admin, artefacts, tmp_path, "walled", ("turns", "tcp"))
        for one, other in ((page, olga), (olga, page)):
            one.wait_source(other.participant, "camera", 20)
            one.wait_frames(other.participant, 20, more=30)
            one.wait_sound(other.participant, 10)
        paths = page.driver.execute_async_script(PATHS)
        assert paths == [["relay", "tls"]] * 2, paths


class Client:
    """A TURN client over UDP that asks for what it likes."""

    def __init__(self, port, username, credential):
        self.port, self.username, self.credential = port, username, credential

    async def dial(self):
        """Opens a socket to the server; returns it with the client on it."""
        server = ("127.0.0.1", self.port)
        return await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: aioice.turn.TurnClientUdpProtocol(
                server, username=self.username, password=self.credential, lifetime=600, channel_refresh_time=500
            ),
            remote_addr=server,
        )

    def bind(self, peer):
        """Makes a relay and a channel to a peer; returns the error code of what was refused, or None."""

        async def run():
            transport, client = await self.dial()
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

    def hold(self, relays):
        """Makes relays and keeps them for as long as it lasts; returns what the server said to each, None for a relay."""

        async def run():
            answers, kept = [], []
            for _ in range(relays):
                transport, client = await self.dial()
                try:
                    await client.connect()
                    kept.append(client)
                    answers.append(None)
                except aioice.stun.TransactionFailed as failure:
                    answers.append(failure.response.error_code)
                    transport.close()
            others = await asyncio.to_thread(self.meanwhile)
            for client in kept:
                await client.delete()
            return answers, others

        return asyncio.run(asyncio.wait_for(run(), 60))


@pytest.fixture(scope="module")
def server(studio, admin):
    """What a speaker is told."""
    answer = guests.bearer(studio, guests.invite(admin, EVENT, name="Trudy")).get(f"/v1/events/{EVENT}/ice-servers", expect=200)
    assert answer.headers["Cache-Control"] == "no-store"
    (server,) = answer.json()["iceServers"]
    return server


def test_the_relay_leads_to_the_media_server_and_nowhere_else(studio, server):
    ports = studio.ports
    assert server["urls"] == [
        f"turn:127.0.0.1:{ports['turn']}?transport=udp", f"turn:127.0.0.1:{ports['turn']}?transport=tcp",
        f"turns:localhost:{ports['turns']}?transport=tcp",
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
    assert (studio.data / "keys/turnserver.conf").stat().st_mode & 0o777 == 0o600

    def signed(end):
        name = f"{end}:somebody"
        return name, base64.b64encode(hmac.new(secret.encode(), name.encode(), hashlib.sha1).digest()).decode()

    assert Client(port, *signed(int(time.time()) + 60)).bind(media) is None
    assert Client(port, *signed(int(time.time()) - 60)).bind(media) == 401
    # Another end than the one that was signed.
    name, credential = signed(int(time.time()) - 60)
    assert Client(port, f"{int(time.time()) + 60}:somebody", credential).bind(media) == 401


def test_viewers_share_their_relays_and_speakers_have_their_own(studio, admin, server):
    media = ("127.0.0.1", studio.ports["media"])
    told = studio.attendee(admin, EVENT).get(f"/v1/events/{EVENT}/ice-servers", expect=200).json()["iceServers"][0]
    assert ":viewers-" in told["username"] and ":viewers-" not in server["username"]
    viewer = Client(studio.ports["turn"], told["username"], told["credential"])
    speaker = Client(studio.ports["turn"], server["username"], server["credential"])
    viewer.meanwhile = lambda: speaker.bind(media)
    answers, spoken = viewer.hold(RELAYS + 2)
    # Allocation quota reached (RFC 8656 section 7.2).
    assert answers == [None] * RELAYS + [486] * 2 and spoken is None, (answers, spoken)


# What Studio says of relays ends in six seconds, for as long as a page asks for it.
SHORT_LIVED = """
const ask = window.fetch;
window.asked = 0;
window.fetch = async (path, options) => {
    const answer = await ask(path, options);
    if (!String(path).endsWith("/ice-servers")) return answer;
    const told = await answer.json();
    window.asked += 1;
    told.expiresAt = new Date(Date.now() + 6000).toISOString();
    for (const server of told.iceServers) server.credential = `secret ${window.asked}`;
    return new Response(JSON.stringify(told), { status: 200, headers: { "Content-Type": "application/json" } });
};
"""


def test_a_page_that_stays_for_long_has_names_for_the_relay_that_are_good(olga, admin, artefacts, tmp_path):
    with chromium(tmp_path, artefacts / "chromedriver-renewal.log", size=(960, 720)) as driver:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": SHORT_LIVED})
        guests.enter(driver, guests.invite(admin, EVENT, name="Rena"))
        credential = (
            "[window.proscenium.publishConnection, window.proscenium.subscribeConnection]"
            ".filter(Boolean).map((connection) => connection.getConfiguration().iceServers[0].credential)"
        )
        wait_script(
            driver, f"window.asked >= 3 && {credential}.length === 2 && {credential}.every((one) => one === `secret ${{window.asked}}`)", 20,
            "both connections have the third name, or a later one",
        )  # fmt: skip
        assert driver.execute_script("return window.proscenium.joins") == 1
        driver.find_element(By.ID, "leave").click()
        wait_script(driver, "window.proscenium.state === 'left'", 5, "the page has left")


def test_a_publisher_by_whip_is_told_of_the_relay(studio, admin):
    with WhipSpeaker(guests.bearer(studio, guests.invite(admin, EVENT, name="Wanda")), EVENT) as speaker:
        link = speaker.publish().answer.headers["Link"]
    assert link.count('rel="ice-server"') == 3 and link.count('credential-type="password"') == 3, link
    assert f"<turns:localhost:{studio.ports['turns']}?transport=tcp>" in link


def test_no_master_key_and_no_secret_stands_in_a_log_or_in_data_but_among_the_keys(studio, admin):
    with WhipSpeaker(guests.bearer(studio, guests.invite(admin, EVENT, name="Wilma")), EVENT) as speaker:
        secrets = speaker.publish().master_keys()
        assert len(secrets) == 4 and len(set(secrets.values())) == 4
    keys = studio.data / "keys"
    secrets["the relay's"] = (keys / "turn.secret").read_bytes().strip()
    signing = load_pem_private_key((keys / "signing.pem").read_bytes(), None)
    secrets["the signing key"] = signing.private_numbers().private_value.to_bytes(32, "big")
    assert where(secrets["the relay's"], [studio.data]) == {keys / "turn.secret", keys / "turnserver.conf"}
    for name, secret in secrets.items():
        assert len(secret) >= 12, name
        found = where(secret, [studio.data, studio.log])
        assert all(file.is_relative_to(keys) for file in found), f"{name} stands in {found}"


def test_a_relay_that_dies_is_started_again(studio, server):
    old = studio.process("-c")
    assert "turnserver" in old.arguments[0], old.arguments
    old.kill()
    studio.wait_restarted("-c", old)
    client = Client(studio.ports["turn"], server["username"], server["credential"])
    assert client.bind(("127.0.0.1", studio.ports["media"])) is None
