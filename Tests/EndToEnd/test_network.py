"""What networks do to speakers: no UDP at all."""

from contextlib import ExitStack

import pytest
from selenium.webdriver.common.by import By

from harness.browser import chromium, wait_script
from harness.speakers import Page
from harness.waiting import wait_until

EVENT = "network"
JOINED = "window.proscenium.state === 'joined'"

# Runs before the page's own scripts, as a network would: what the studio says of UDP is not heard by the browser.
WITHOUT_UDP = """
const setRemoteDescription = RTCPeerConnection.prototype.setRemoteDescription;
RTCPeerConnection.prototype.setRemoteDescription = function (description) {
    const sdp = description.sdp.replace(/^a=candidate:\\S+ \\d+ udp .*\\r?\\n/gim, "");
    return setRemoteDescription.call(this, {type: description.type, sdp});
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


def invite(admin, name):
    return admin.post(f"/v1/events/{EVENT}/invitations", {"role": "speaker", "name": name}, expect=201).json()


def enter(stack, admin, artefacts, tmp_path_factory, name, *scripts):
    """A browser in the room; scripts run before those of the page."""
    driver = stack.enter_context(
        chromium(tmp_path_factory.mktemp(name), artefacts / f"chromedriver-network-{name}.log", size=(800, 600))
    )
    for script in scripts:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    driver.get(f"{invite(admin, name)['url']}?media=canvas")
    wait_script(driver, "document.querySelector('#preview').videoWidth > 0", 15, "the picture in the mirror")
    driver.find_element(By.ID, "join").click()
    wait_script(driver, JOINED, 30, "the page is in the room")
    return Page(driver)


@pytest.fixture(scope="module")
def pair(studio, admin, artefacts, tmp_path_factory):
    """Carla's network lets no UDP out; David's does."""
    with ExitStack() as stack:
        carla = enter(stack, admin, artefacts, tmp_path_factory, "carla", WITHOUT_UDP)
        david = enter(stack, admin, artefacts, tmp_path_factory, "david")
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
    return float(lines[0].split()[-1]) if lines else None
