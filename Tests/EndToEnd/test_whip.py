"""WHIP as RFC 9725 has it: a page of another origin publishes with late candidates, restarts ICE and leaves."""

import re

import pytest

from harness.browser import chromium
from harness.sdp_client import SDPPage
from harness.waiting import wait_until

EVENT = "whip"
PATH = f"/v1/events/{EVENT}"
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}


@pytest.fixture(scope="module")
def studio(make_studio):
    studio = make_studio("whip")
    yield studio
    studio.stop()


@pytest.fixture(scope="module")
def admin(studio):
    admin = studio.admin()
    admin.post("/v1/events", {"id": EVENT, "title": "WHIP"}, expect=201)
    return admin


@pytest.fixture(scope="module")
def speaker(studio, admin):
    invitation = admin.post(f"{PATH}/invitations", {"role": "speaker", "name": "Paula Page"}, expect=201).json()
    return studio.api(studio.api().post(f"/v1/invitations/{invitation['token']}/accept", {}, expect=(200, 201)).json()["token"])


@pytest.fixture(scope="module")
def page(studio, speaker, artefacts, tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("whip"), artefacts / "chromedriver-whip.log") as driver:
        yield SDPPage(driver, f"{studio.origin}{PATH}/whip", speaker.token, "send")


def packets_in(studio):
    found = re.search(r"^proscenium_sfu_packets_in_total\S* (\S+)$", studio.metrics(), re.MULTILINE)
    return float(found[1]) if found else 0


def wait_connected(page, **named):
    return wait_until(
        lambda: (path := page.call("path"))["state"] == "connected" and all(path[key] == value for key, value in named.items()) and path,
        20, lambda: f"no path by {named}: {page.call('path')}", 0.1,
    )  # fmt: skip


def wait_packets(studio, more=100):
    first = packets_in(studio)
    return wait_until(lambda: packets_in(studio) > first + more, 30, lambda: f"no packets come: {packets_in(studio)} after {first}", 0.2)


def test_it_publishes_before_it_knows_its_addresses(studio, admin, page):
    answer = page.call("open")
    assert answer["status"] == 201, answer
    assert answer["etag"].startswith('"') and answer["etag"].endswith('"'), "a strong tag, which a page of another origin may read"
    assert answer["accept-patch"] == "application/trickle-ice-sdpfrag"
    trickled = page.call("trickle")
    assert (trickled["status"], trickled["text"], trickled["etag"]) == (204, "", None)
    wait_connected(page)
    wait_packets(studio)
    person = admin.get(f"{PATH}/participants", expect=200).json()["items"][0]
    assert sorted(track["source"] for track in person["tracks"]) == ["camera", "microphone"], person


@pytest.mark.parametrize("says_so", [True, False])
def test_ice_begins_anew_and_media_goes_on(studio, page, says_so):
    before, tag = wait_connected(page), page.driver.execute_script("return client.tag")
    answer = page.call("restart", "*" if says_so else tag)
    assert answer["status"] == 200, answer
    assert answer["etag"] not in (None, tag)
    assert answer["content-type"].startswith("application/trickle-ice-sdpfrag")
    ufrag = re.search(r"^a=ice-ufrag:(\S+)", answer["text"], re.MULTILINE)[1]
    after = wait_until(
        # A browser may also change between its addresses in the generation before.
        lambda: (path := page.call("path"))["local"] != before["local"] and path["remote"] in (ufrag, None)
        and path["state"] == "connected" and path,
        20, lambda: f"no path by {ufrag}, other than {before}: {page.call('path')}", 0.1,
    )  # fmt: skip
    print(f"from {before} to {after}")
    assert after["dtls"] == "connected"
    assert page.call("trickle")["status"] == 204
    wait_packets(studio)
    # Candidates of the generation before are late.
    assert page.call("trickle", '"of-before"')["status"] == 412


def test_what_is_wrong_is_said(studio, speaker, page):
    session = page.driver.execute_script("return client.session").removeprefix(studio.origin)
    wrong = speaker.request("PATCH", session, data="a=end-of-candidates\r\n", headers=FRAGMENT, expect=428).json()
    assert "If-Match" in wrong["detail"]
    tag = page.driver.execute_script("return client.tag")
    speaker.request("PATCH", session, data="hello", headers=FRAGMENT | {"If-Match": tag}, expect=400)
    speaker.request("PATCH", session, data="v=0\r\n", headers={"Content-Type": "application/sdp"}, expect=415)
    bare = "a=ice-ufrag:other\r\n"
    speaker.request("PATCH", session, data=bare, headers=FRAGMENT | {"If-Match": tag}, expect=422)
    assert speaker.request("GET", session, expect=204).text == ""
    refused = speaker.request("PUT", session, data="", expect=405)
    assert refused.headers["Allow"] == "GET, HEAD, PATCH, DELETE, OPTIONS"
    speaker.request("POST", f"{PATH}/whip", data="hello", headers={"Content-Type": "application/sdp"}, expect=400)
    # Half of what is offered is not taken for the whole.
    offer = page.driver.execute_script("return client.connection.localDescription.sdp")
    strange = re.sub(r"(a=rtpmap:\d+) (VP8|VP9|H264)/", r"\1 H265/", offer)
    assert strange != offer
    whole = speaker.request("POST", f"{PATH}/whip", data=strange, headers={"Content-Type": "application/sdp"}, expect=422).json()
    assert "H.264" in whole["detail"], whole
    # It is all without harm.
    wait_packets(studio)


def test_it_leaves(admin, page):
    assert page.call("close")["status"] == 200
    wait_until(lambda: admin.get(f"{PATH}/participants", expect=200).json()["items"] == [], 10, "she is still there")
    assert page.call("trickle")["status"] == 404
    assert page.call("close")["status"] == 404
    wait_until(lambda: page.call("path")["dtls"] != "connected" or page.call("path")["state"] != "connected", 30, lambda: page.call("path"))
