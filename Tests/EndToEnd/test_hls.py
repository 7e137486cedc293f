"""RTMPS in, HLS out: five aligned rungs behind signed cookies, and what a viewer sees when Output dies."""

import base64
import json
import time

import pytest

from harness.hls import Viewer
from harness.publisher import Publisher, publish_once
from harness.segments import (
    LADDER, check_bit_rates, check_continuity, check_decodes_alone, check_grid, check_no_gap, check_same_cuts,
    check_starts_and_sizes, probe_all,
)  # fmt: skip
from harness.waiting import wait_until


@pytest.fixture(scope="module")
def segments(program):
    """At least four segments of every rung, as ffprobe sees them: {rung name: {number: (segment, probe)}}."""
    recorder = program.recorder
    wait_until(
        lambda: len(recorder.complete_numbers()) >= 4, 45,
        lambda: f"segments so far: {recorder.complete_numbers()}; {recorder.violations}", 0.25,
    )
    return probe_all(recorder, recorder.complete_numbers())


def test_the_master_playlist_offers_the_ladder(program):
    rungs = program.viewer.master(program.playback["hls"])
    assert {rung.name for rung in rungs} == set(LADDER)
    for rung in rungs:
        nominal = LADDER[rung.name]
        assert nominal <= rung.average_bandwidth <= rung.bandwidth <= 1.6 * nominal, rung
        assert rung.codecs.startswith("avc1.") and "mp4a.40.2" in rung.codecs, rung
        playlist = program.viewer.media(rung.url)
        assert playlist.target_duration == 6 and not playlist.ended
        assert len(playlist.segments) <= 5


def test_without_a_valid_cookie_there_is_nothing(studio, program):
    master = program.playback["hls"]
    record = program.recorder.rungs[0]
    urls = [master, record.rung.url, record.segments[max(record.segments)].url]
    visitors = {"no cookie": Viewer(studio)}
    good = program.viewer.cookies
    assert set(good) == {"CloudFront-Policy", "CloudFront-Signature", "CloudFront-Key-Pair-Id", "CloudFront-Hash-Algorithm"}
    visitors["an expired policy"] = Viewer(studio, good | {"CloudFront-Policy": with_expiry(good, time.time() - 60)})
    visitors["a later expiry"] = Viewer(studio, good | {"CloudFront-Policy": with_expiry(good, time.time() + 1e6)})
    visitors["no signature"] = Viewer(studio, {n: v for n, v in good.items() if n != "CloudFront-Signature"})
    visitors["a garbled signature"] = Viewer(studio, good | {"CloudFront-Signature": "AAAA"})
    visitors["an unknown key"] = Viewer(studio, good | {"CloudFront-Key-Pair-Id": "nobody"})
    for who, visitor in visitors.items():
        for url in urls:
            assert visitor.fetch(url).status_code == 403, f"{who}: {url}"
    for url in urls:
        assert program.viewer.fetch(url).status_code == 200, url
    # The cookie is for its folder: climbing out of it is another path.
    for path in ("/../../etc/passwd", "/..%2f..%2fstate.json", "/no-such-file.ts"):
        assert program.viewer.fetch(master.rsplit("/", 1)[0] + path).status_code in (400, 403, 404), path


def with_expiry(cookies, seconds):
    """The policy of the cookies with another end; its signature is then that of another text."""
    text = cookies["CloudFront-Policy"].translate(str.maketrans("-_~", "+=/"))
    policy = json.loads(base64.b64decode(text))
    policy["Statement"][0]["Condition"]["DateLessThan"]["AWS:EpochTime"] = int(seconds)
    made = base64.b64encode(json.dumps(policy, separators=(",", ":")).encode()).decode()
    return made.translate(str.maketrans("+=/", "-_~"))


def test_answers_may_be_cached_and_read_by_our_pages_only(studio, program):
    record = program.recorder.rungs[0]
    segment = record.segments[max(record.segments)]
    for url, kind in (
        (program.playback["hls"], "application/vnd.apple.mpegurl"), (record.rung.url, "application/vnd.apple.mpegurl"),
        (segment.url, "video/mp2t"),
    ):  # fmt: skip
        answer = program.viewer.fetch(url, headers={"Origin": studio.origin})
        assert answer.headers["Content-Type"].split(";")[0].lower() == kind
        assert answer.headers["Access-Control-Allow-Origin"] == studio.origin
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert "origin" in answer.headers["Vary"].lower()
        elsewhere = program.viewer.fetch(url, headers={"Origin": "https://elsewhere.example"})
        assert elsewhere.headers.get("Access-Control-Allow-Origin") not in ("*", "https://elsewhere.example")
    assert "immutable" in program.viewer.fetch(segment.url).headers["Cache-Control"]


def test_every_segment_starts_with_a_key_frame_and_has_its_size(segments):
    check_starts_and_sizes(segments)


def test_every_rung_is_cut_at_the_same_stamps(segments):
    check_same_cuts(segments)


def test_there_is_no_gap(segments):
    check_no_gap(segments)


def test_program_date_times_lie_on_the_grid_and_follow_the_stamps(segments):
    check_grid(segments)


def test_bit_rates_stay_below_what_is_promised(segments, program):
    check_bit_rates(segments, program.recorder)


def test_a_segment_decodes_on_its_own(program, segments):
    check_decodes_alone(segments, program.recorder)


def test_a_cookie_opens_no_other_event(studio, admin, program, event, artefacts):
    ingest = admin.post(f"/v1/events/{event}/ingests", {"name": "small", "kind": "primary"}, expect=201).json()
    admin.post(f"/v1/events/{event}/start", expect=202)
    url = f"rtmps://127.0.0.1:{studio.ports['rtmps']}/live/{ingest['key']}"
    guest = studio.attendee(admin, event)
    neighbour = Publisher(url, artefacts / "neighbour.log", size="320x180", rate="300k").start()
    try:
        wait_until(
            lambda: guest.post(f"/v1/events/{event}/playback").status_code == 200, 30,
            lambda: f"the other event is not live\n{neighbour.log_tail()}", 0.25,
        )
        viewer, playback = Viewer.of(guest, event)
        wait_until(lambda: viewer.fetch(playback["hls"]).status_code == 200, 30, "no master playlist", 0.25)
    finally:
        neighbour.stop()
    record = program.recorder.rungs[0]
    for url in (program.playback["hls"], record.rung.url, record.segments[max(record.segments)].url):
        assert viewer.fetch(url).status_code == 403, url
    assert program.viewer.fetch(playback["hls"]).status_code == 403


def test_a_wrong_stream_key_is_refused(studio, program):
    for key in ("no-such-key", "A" * 5000, program.ingest["key"][:-1]):
        status, said = publish_once(f"rtmps://127.0.0.1:{studio.ports['rtmps']}/live/{key}")
        assert status not in (0, None), f"published with a wrong key: {said}"


def test_nothing_that_was_listed_was_missing(program):
    program.recorder.assert_clean()
    assert program.recorder.outages == 0


@pytest.mark.takes_down_output
def test_output_dies_and_numbers_go_on_with_one_discontinuity(studio, program):
    recorder = program.recorder
    before = {record.rung.name: record.playlist.last for record in recorder.rungs}
    killed_at = time.monotonic()
    studio.kill_role("output")

    def is_back():
        return all(
            sum(number > before[record.rung.name] for number in list(record.files)) >= 2 for record in recorder.rungs
        )

    wait_until(is_back, 60, lambda: f"no two new segments in every rung; {recorder.violations}\n{studio.log_tail()}")
    first_new = {record.rung.name: min(n for n in list(record.files) if n > before[record.rung.name]) for record in recorder.rungs}
    print(f"two segments of every rung {time.monotonic() - killed_at:.1f} s after Output was killed; {first_new}")
    for record in recorder.rungs:
        for segment in record.playlist.segments:
            assert program.viewer.fetch(segment.url).status_code == 200, segment.url
    assert len(check_continuity(recorder)) == 1
