"""Adaptation: browsers and the media server tell each other when each packet has come, and send what the line carries."""

import re
from contextlib import ExitStack

import pytest

from harness import guests
from harness.browser import chromium
from harness.speakers import Page
from harness.waiting import wait_until

EVENT = "adaptation"
NUMBER = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

AVAILABLE = """
const done = arguments[0];
window.proscenium.publishConnection.getStats().then((reports) => {
    const pair = [...reports.values()].find(({type, nominated}) => type === "candidate-pair" && nominated);
    done(pair?.availableOutgoingBitrate ?? 0);
});
"""

SECTIONS = """
const connection = window.proscenium[arguments[0]];
return [connection.localDescription.sdp, connection.remoteDescription.sdp];
"""


@pytest.fixture(scope="module")
def admin(make_studio):
    studio = make_studio("adaptation")
    try:
        admin = studio.admin()
        admin.post("/v1/events", {"id": EVENT, "title": "Adaptation"}, expect=201)
        yield admin
    finally:
        studio.stop()


@pytest.fixture(scope="module")
def pair(admin, artefacts, tmp_path_factory):
    """Two browsers in a room, each with a camera and a microphone."""
    with ExitStack() as stack:
        pages = []
        for name, query in (("Clara", ""), ("Willi", "?media=canvas")):
            driver = stack.enter_context(
                chromium(tmp_path_factory.mktemp(name), artefacts / f"chromedriver-adaptation-{name}.log", size=(700, 600))
            )
            pages.append(Page(guests.enter(driver, guests.invite(admin, EVENT, name=name), query, 20)))
        for page, other in (pages, reversed(pages)):
            page.wait_frames(other.participant, 15)
        yield pages


def metric(admin, name):
    found = re.search(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", admin.studio.metrics(), re.MULTILINE)
    return float(found[1]) if found else 0


def test_both_sides_number_all_packets_of_a_connection_in_both_directions(pair):
    clara, willi = pair
    for page in (clara, willi):
        for name in ("publishConnection", "subscribeConnection"):
            for text in page.driver.execute_script(SECTIONS, name):
                sections = [part for part in text.split("m=")[1:] if not part.startswith("application")]
                assert sections
                ids = {re.search(rf"a=extmap:(\d+)\S* {re.escape(NUMBER)}", part)[1] for part in sections}
                assert len(ids) == 1, ids
                assert all(re.search(r"a=rtcp-fb:\d+ transport-cc", part) for part in sections), text


def test_a_publisher_learns_from_the_feedback_that_its_line_is_wide(pair):
    clara, _ = pair
    seen = []

    def grown():
        seen.append(round(clara.driver.execute_async_script(AVAILABLE)))
        return seen[-1] > 1_500_000

    wait_until(grown, 40, lambda: f"{seen}", 0.25)
    print(f"available to the publisher: {seen}")


def test_subscribers_tell_when_each_packet_has_come_and_get_the_whole_over_a_wide_line(admin, pair):
    wait_until(lambda: metric(admin, "proscenium_sfu_lines_measured") == 2, 20, "two lines are measured", 0.5)
    wait_until(
        lambda: metric(admin, "proscenium_sfu_subscriptions_limited") + metric(admin, "proscenium_sfu_subscriptions_paused") == 0,
        30, lambda: f"{metric(admin, 'proscenium_sfu_lines_bits_per_second')} bit/s", 0.5,
    )  # fmt: skip
    print(f"both lines carry {metric(admin, 'proscenium_sfu_lines_bits_per_second'):.0f} bit/s")
