"""WHEP: the program with little delay, for who may watch the event, in Chromium and by aiortc.

A page of another origin publishes a canvas that flashes and a tone, which is the whole program; the same page watches it.
"""

import re
import statistics
import time

import pytest

from harness import guests
from harness.browser import chromium, screenshot, wait_script
from harness.sdp_client import SDPPage
from harness.viewers import WhepViewer
from harness.waiting import wait_until

EVENT = "whep"
PATH = f"/v1/events/{EVENT}"
SDP = {"Content-Type": "application/sdp"}


@pytest.fixture(scope="module")
def studio(make_studio):
    studio = make_studio("whep", "--preset", "ultrafast", "--program-preset", "ultrafast", "--whep-viewers", "4")
    yield studio
    studio.stop()


@pytest.fixture(scope="module")
def admin(studio):
    admin = studio.admin()
    admin.post("/v1/events", {"id": EVENT, "title": "WHEP"}, expect=201)
    admin.post(f"{PATH}/start", expect=202)
    return admin


def bearer(studio, admin, role, name=None):
    wanted = {"role": role} | ({"name": name} if name else {})
    return guests.bearer(studio, guests.invite(admin, EVENT, **wanted))


@pytest.fixture(scope="module")
def attendee(studio, admin):
    return bearer(studio, admin, "attendee")


@pytest.fixture(scope="module")
def whep(attendee):
    """Where the program can be watched, as playback says."""
    playback = wait_until(
        lambda: (answer := attendee.post(f"{PATH}/playback")).status_code == 200 and answer.json().get("whep") and answer.json(),
        60, lambda: f"no program: {attendee.post(f'{PATH}/playback').text}", 0.5,
    )  # fmt: skip
    return playback["whep"]


@pytest.fixture(scope="module")
def page(studio, admin, artefacts, tmp_path_factory):
    speaker = bearer(studio, admin, "speaker", "Paula Page")
    with chromium(tmp_path_factory.mktemp("whep"), artefacts / "chromedriver-whep.log") as driver:
        page = SDPPage(driver, f"{studio.origin}{PATH}/whip", speaker.token, "send")
        assert page.call("open")["status"] == 201
        listed = lambda: admin.get(f"{PATH}/participants", expect=200).json()["items"]  # noqa: E731
        person = wait_until(lambda: next((one["id"] for one in listed() if one["tracks"]), None), 20, lambda: f"{listed()}")
        admin.put(f"{PATH}/program", {"layout": "full"}, expect=200)
        admin.put(f"{PATH}/stage/{person}", {}, expect=(200, 204))
        page.participant = person
        yield page


def series(studio, name):
    found = re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", studio.metrics(), re.MULTILINE)
    return sum(float(value) for value in found)


def encoders(studio):
    """The encoders of the program's small picture that are open, by codec."""
    found = re.findall(r"^proscenium_compositor_return_encoders\{(.*)\} (\S+)$", studio.metrics(), re.MULTILINE)
    return {re.search(r'codec="(\w+)"', labels).group(1): float(value) for labels, value in found}


def cost(studio):
    """What the program's small pictures have cost so far, in seconds of a core, and how many there were."""
    return tuple(series(studio, f"proscenium_compositor_return_{name}_total") for name in ("encode_seconds", "frames_sent"))


def inbound(page, client="viewer"):
    return {report["kind"]: report for report in page.call("inbound", client=client)}


def wait_media(page, seconds=30, client="viewer"):
    """Waits until pictures and sound come; returns the reports."""
    first = inbound(page, client)
    before = first.get("video", {}).get("framesDecoded") or 0, first.get("audio", {}).get("totalAudioEnergy") or 0

    def comes():
        found = inbound(page, client)
        shown, heard = found.get("video", {}).get("framesDecoded") or 0, found.get("audio", {}).get("totalAudioEnergy") or 0
        return shown > before[0] + 10 and heard > before[1] + 1e-4 and found

    return wait_until(comes, seconds, lambda: f"no pictures or no sound: {inbound(page, client)}, {page.call('path', client=client)}", 0.2)


def test_nothing_is_there_before_there_is_a_program(studio, attendee):
    # The event runs already, or will in a moment: one that was never started has none.
    admin = studio.admin()
    admin.post("/v1/events", {"id": "idle", "title": "Idle"}, expect=201)
    refused = admin.request("POST", "/v1/events/idle/whep", data="v=0\r\n", headers=SDP, expect=409)
    assert refused.headers["Retry-After"] == "2" and refused.json()["type"] == "not-live"


def test_a_page_sees_and_hears_the_program(studio, attendee, page, whep, artefacts):
    page.make(whep, attendee.token, "receive", "viewer")
    answer = page.call("open", client="viewer")
    assert answer["status"] == 201, answer
    assert answer["accept-patch"] == "application/trickle-ice-sdpfrag" and answer["etag"]
    assert page.call("trickle", client="viewer")["status"] == 204
    found = wait_media(page)
    print(f"picture and sound at the viewer: {found}")
    assert (found["video"]["frameWidth"], found["video"]["frameHeight"]) == (640, 360)
    screenshot(page.driver, artefacts, "whep-viewer.png")
    # Nobody in the room notices, and nobody else is in it.
    people = studio.admin().get(f"{PATH}/participants", expect=200).json()["items"]
    assert [one["name"] for one in people] == ["Paula Page"]
    wait_until(lambda: series(studio, "proscenium_sfu_viewers") == 1, 10, "one watches")


def test_the_delay_is_measured(page):
    ways, deadline = [], time.monotonic() + 60
    while len(ways) < 5 and time.monotonic() < deadline:
        seen = page.call("brightened", 6, client="viewer")
        drawn = page.driver.execute_script("return client.flashes")
        ways += [way for at in seen if (way := min((at - flash for flash in drawn if at > flash), default=9999)) < 990]
    assert len(ways) >= 5, ways
    print(f"from canvas to canvas through speaker, compositor and WHEP: {sorted(round(way) for way in ways)} ms, median {statistics.median(ways):.0f} ms")


def test_a_player_is_told_when_it_was_captured(page):
    ages = wait_until(
        lambda: (found := {one["kind"]: one["age"] for one in page.call("ages", client="viewer")}).get("video") is not None
        and found.get("audio") is not None and found,
        20, lambda: f"nothing is told: {page.call('ages', client='viewer')}", 0.1,
    )  # fmt: skip
    print(f"captured so many milliseconds ago: {ages}")
    assert all(-500 < age < 5000 for age in ages.values()), ages


def test_ice_begins_anew_and_the_program_goes_on(page):
    before = page.call("path", client="viewer")
    assert page.call("restart", client="viewer")["status"] == 200
    wait_until(
        lambda: (path := page.call("path", client="viewer"))["local"] != before["local"] and path["state"] == "connected",
        20, lambda: f"no other path than {before}: {page.call('path', client='viewer')}", 0.1,
    )  # fmt: skip
    wait_media(page)
    assert page.call("trickle", '"of-before"', client="viewer")["status"] == 412


def test_aiortc_watches_beside_it_and_one_feed_serves_both(studio, admin, attendee, page):
    with WhepViewer(attendee, EVENT) as viewer:
        viewer.publish()
        wait_until(lambda: viewer.frames["video"] > 15 and viewer.frames["audio"] > 50, 30, lambda: f"{viewer.frames}")
        seen = set()
        wait_until(lambda: seen.add(viewer.brightness() > 150) or seen == {True, False}, 10, lambda: f"no flash: {viewer.brightness()}", 0.02)
        wait_until(lambda: series(studio, "proscenium_sfu_viewers") == 2, 10, "two watch")
        # Who is in the room and may see the back stage watches one participant as well.
        with WhepViewer(admin, EVENT, page.participant) as close:
            close.publish()
            wait_until(lambda: close.frames["video"] > 15 and close.frames["audio"] > 50, 30, lambda: f"{close.frames}")
            assert close.last["video"].width == 320
            close.leave()
        viewer.leave()
        viewer.api.request("DELETE", viewer.location, expect=404)
    wait_until(lambda: series(studio, "proscenium_sfu_viewers") == 1, 10, lambda: studio.metrics())
    assert series(studio, "proscenium_compositor_return_connections_opened_total") == 1


def test_who_has_no_vp8_watches_in_h264_as_long_as_they_do(studio, attendee, page, whep, artefacts):
    wait_until(lambda: encoders(studio) == {"vp8": 1, "h264": 0}, 20, lambda: f"{encoders(studio)}", 0.5)
    before, paid = inbound(page)["video"], cost(studio)
    assert before["codec"] == "video/VP8"
    wait_until(lambda: cost(studio)[1] > paid[1] + 60, 30, lambda: f"{cost(studio)}", 0.5)
    alone = cost(studio)
    page.make(whep, attendee.token, "receiveH264", "hal")
    assert page.call("open", client="hal")["status"] == 201
    found = wait_media(page, client="hal")["video"]
    assert (found["codec"], found["frameWidth"], found["frameHeight"]) == ("video/H264", 640, 360)
    print(f"from the first word to the first picture in H.264: {page.driver.execute_script('return hal.firstPictureMs'):.0f} ms")
    assert page.call("brightened", 3, client="hal"), "the flash is not seen"
    screenshot(page.driver, artefacts, "whep-h264.png")
    with WhepViewer(attendee, EVENT, codec="H264") as viewer:
        viewer.publish()
        wait_until(lambda: viewer.frames["video"] > 15 and viewer.frames["audio"] > 50, 30, lambda: f"{viewer.frames}")
        assert (viewer.last["video"].width, viewer.last["video"].height) == (640, 360)
        seen = set()
        wait_until(lambda: seen.add(viewer.brightness() > 150) or seen == {True, False}, 10, lambda: f"no flash: {viewer.brightness()}", 0.02)
        wait_until(lambda: encoders(studio) == {"vp8": 1, "h264": 1}, 20, lambda: f"{encoders(studio)}", 0.5)
        begun = cost(studio)
        wait_until(lambda: cost(studio)[1] > begun[1] + 120, 30, lambda: f"{cost(studio)}", 0.5)
        both = cost(studio)
        viewer.leave()
    each = [1000 * (now[0] - then[0]) / (now[1] - then[1]) for then, now in ((paid, alone), (begun, both))]
    print(f"a picture costs {each[0]:.2f} ms of a core in VP8 alone, and {each[1]:.2f} ms in the mean of both codecs")
    # The viewer in VP8 beside them has noticed nothing: their key frames are not its own.
    after = wait_media(page)["video"]
    assert after["codec"] == "video/VP8"
    asked = after["pliCount"] - before["pliCount"]
    print(f"beside them in VP8: {after['framesDecoded'] - before['framesDecoded']} pictures, {asked} requests for key frames")
    assert after["keyFramesDecoded"] - before["keyFramesDecoded"] <= asked
    assert page.call("close", client="hal")["status"] == 200
    page.driver.execute_script("hal.connection.close(); hal.video.remove()")
    wait_until(lambda: encoders(studio) == {"vp8": 1, "h264": 0}, 30, lambda: f"{encoders(studio)}", 0.5)
    wait_media(page)


def test_the_first_picture_comes_at_once(studio, attendee, page, whep):
    replayed, ways = series(studio, "proscenium_sfu_groups_replayed_total"), []
    for _ in range(6):
        page.make(whep, attendee.token, "receive", "late")
        assert page.call("open", client="late")["status"] == 201
        ways.append(wait_until(lambda: page.driver.execute_script("return late.firstPictureMs"), 20, "no picture", 0.02))
        assert page.call("close", client="late")["status"] == 200
        page.driver.execute_script("late.connection.close(); late.video.remove()")
    wait_until(lambda: series(studio, "proscenium_sfu_groups_replayed_total") > replayed, 5, "each has asked for a key frame", 0.5)
    print(
        f"from the first word to the first picture: {[round(way) for way in ways]} ms; "
        f"{series(studio, 'proscenium_sfu_groups_replayed_total') - replayed:.0f} of {len(ways)} without a key frame of their own"
    )


def test_the_watch_page_changes_to_less_delay_and_back(studio, admin, page, artefacts):
    invitation = admin.post(f"{PATH}/invitations", {"role": "attendee"}, expect=201).json()
    driver, first = page.driver, page.driver.current_window_handle
    driver.switch_to.new_window("tab")
    try:
        driver.get(f"{studio.origin}/watch/{EVENT}#invitation={invitation['token']}")
        wait_script(driver, "window.proscenium?.summary.playback === 'playing'", 60, "the playlist plays")
        driver.find_element("id", "less-delay").click()
        shown = "document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames"
        wait_script(driver, f"document.querySelector('video').srcObject && {shown} > 30", 30, "pictures with less delay")
        assert driver.execute_script("return window.proscenium.player") == "whep"
        assert driver.execute_script("return document.querySelector('#curtain').hidden")
        screenshot(driver, artefacts, "watch-less-delay.png")
        driver.find_element("id", "less-delay").click()
        wait_script(driver, "window.proscenium.player === 'hls.js' && window.proscenium.summary.playback === 'playing'", 60, "the playlist plays again")
        assert driver.execute_script("return document.querySelector('video').srcObject") is None
    finally:
        driver.close()
        driver.switch_to.window(first)
    wait_until(lambda: series(studio, "proscenium_sfu_viewers") == 1, 10, "the page has not left")


def test_who_may_not_is_refused_and_there_is_an_end_of_places(studio, admin, attendee, whep):
    place = f"{PATH}/whep"
    studio.api().request("POST", place, data="v=0\r\n", headers=SDP, expect=401)
    refused = attendee.request("POST", f"{place}?source=somebody", data="v=0\r\n", headers=SDP, expect=403)
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert attendee.request("POST", place, data="hello", headers=SDP, expect=400).json()["type"] == "malformed"
    attendee.request("POST", place, data="{}", headers={"Content-Type": "application/json"}, expect=415)
    attendee.request("GET", place, expect=204)
    # By cookie from a page of ours, and from none of others.
    guest = studio.attendee(admin, EVENT)
    guest.request("POST", place, data="hello", headers=SDP, expect=400)
    guest.request("POST", place, data="hello", headers=SDP | {"Origin": "https://elsewhere.example"}, expect=403)
    # What was refused holds no place: one watches, and three more may.
    viewers = [WhepViewer(attendee, EVENT).publish() for _ in range(3)]
    try:
        offer = viewers[0]._run(viewers[0]._offer())
        full = attendee.request("POST", place, data=offer, headers=SDP, expect=503)
        assert int(full.headers["Retry-After"]) > 0
    finally:
        for viewer in viewers:
            viewer.leave()
            viewer.close()


def test_it_comes_back_by_itself_when_the_compositor_is_another_one(studio, page):
    old = studio.kill_role("compositor")
    studio.wait_restarted("compositor", old)
    wait_media(page, 60)
    wait_until(lambda: (page.call("colour", client="viewer") or [0])[0] > 180, 20, "the flash is not seen again", 0.02)


def test_it_ends_with_the_event(admin, attendee, page):
    admin.post(f"{PATH}/stop", expect=202)
    wait_until(
        lambda: page.call("path", client="viewer")["state"] in ("closed", "failed", "disconnected"), 30,
        lambda: page.call("path", client="viewer"), 0.5,
    )  # fmt: skip
    assert page.call("close", client="viewer")["status"] == 404
    attendee.request("POST", f"{PATH}/whep", data="v=0\r\n", headers=SDP, expect=409)
