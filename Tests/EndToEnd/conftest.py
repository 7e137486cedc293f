"""Fixtures: installations, the running event that watching and HLS tests share, and artefacts of what failed."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness.hls import Recorder, Viewer  # noqa: E402
from harness.publisher import Publisher  # noqa: E402
from harness.show import playing  # noqa: E402
from harness.studio import REPOSITORY, Studio  # noqa: E402
from harness.waiting import wait_until  # noqa: E402

LIVE = []  # the installations whose logs are shown when a test fails
FAILED = []  # what failed, said once more at the very end


def pytest_collection_modifyitems(items):
    """The quick files first; what needs the shared program, which runs from then on, together; what takes a process down last."""
    if not os.environ.get("PROSCENIUM_WHOLE_MATRIX"):
        items[:] = [item for item in items if item.get_closest_marker("whole_matrix") is None]
    order = [
        "test_harness.py",
        "test_openapi.py", "test_access.py", "test_edge.py", "test_poll.py", "test_produce.py", "test_outputs.py", "test_ingests.py",
        "test_speakers.py", "test_whip.py", "test_whep.py", "test_rooms.py", "test_fifty.py", "test_layers.py", "test_svc.py", "test_adaptation.py",
        "test_relay.py", "test_network.py", "test_rotation.py", "test_rotation_ways.py", "test_interop.py", "test_impairment.py", "test_load.py",
        "test_demo.py", "test_layouts.py", "test_overlays.py", "test_colour.py", "test_sound.py", "test_sync.py",
        "test_return_feed.py", "test_trouble.py", "test_rolls.py", "test_music.py",
        "test_program.py", "test_codecs.py", "test_watch.py", "test_hls.py",
    ]
    items.sort(
        key=lambda item: (
            item.get_closest_marker("takes_down_output") is not None,
            order.index(item.path.name) if item.path.name in order else len(order),
        )
    )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.failed:
        FAILED.append((item.nodeid, getattr(report.longrepr, "reprcrash", None)))
        # One that has been stopped has nothing to do with it.
        for studio in LIVE:
            if studio.supervisor is not None and studio.supervisor.poll() is None:
                report.sections.append((f"log of {studio.log}", studio.log_tail()))


def pytest_unconfigure():
    """Whoever reads only the end of a long output finds what failed there, with the whole of what it says."""
    for name, crash in FAILED:
        print(f"failed: {name}\n{crash.message if crash else '(no message)'}", file=sys.stderr)


@pytest.fixture(scope="session")
def artefacts():
    """A folder for logs and screenshots that outlives the run."""
    folder = Path(os.environ.get("PROSCENIUM_ARTEFACTS", REPOSITORY / ".cache/e2e"))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="session")
def make_studio(artefacts, tmp_path_factory):
    """Starts an installation; it is stopped, and looked after for left processes, by whoever asked."""

    def make(name, *options, certificate=None):
        studio = Studio(tmp_path_factory.mktemp(name), options, certificate)
        studio.log = artefacts / f"{name}.log"
        LIVE.append(studio)
        try:
            return studio.start()
        except BaseException:
            studio.stop()
            raise

    yield make
    LIVE.clear()


@pytest.fixture(scope="session")
def studio(make_studio):
    """The installation that tests share when they leave every process alone."""
    studio = make_studio("shared", "--preset", "ultrafast", "--program-preset", "ultrafast")
    yield studio
    studio.stop()


@pytest.fixture(scope="session")
def admin(studio):
    return studio.admin()


@pytest.fixture
def event(admin, request):
    """An event of this test's own."""
    slug = request.node.name.replace("test_", "").replace("_", "-").split("[")[0][:48].strip("-")
    admin.post("/v1/events", {"id": slug, "title": request.node.name}, expect=201)
    return slug


@dataclass
class Program:
    """A running event: ffmpeg publishes, a viewer watches, a recorder keeps every segment."""

    event: str
    publisher: Publisher
    playback: dict
    viewer: Viewer
    recorder: Recorder
    ingest: dict


@pytest.fixture(scope="session")
def program(studio, admin, artefacts, tmp_path_factory):
    """Publishes to an event until the session ends; ready when all five rungs list a segment."""
    event = "main-stage"
    admin.post("/v1/events", {"id": event, "title": "Main stage"}, expect=201)
    ingest = admin.post(f"/v1/events/{event}/ingests", {"name": "encoder", "kind": "primary"}, expect=201).json()
    admin.post(f"/v1/events/{event}/start", expect=202)
    url = f"rtmps://127.0.0.1:{studio.ports['rtmps']}/live/{ingest['key']}"
    publisher = Publisher(url, artefacts / "publisher.log").start()
    recorder = None
    try:
        guest = studio.attendee(admin, event, "Rita Recorder")
        viewer, playback = wait_until(
            lambda: playing(guest, event), 30,
            lambda: f"no master playlist with five rungs that list a segment\n{publisher.log_tail()}", 0.25,
        )
        folder = tmp_path_factory.mktemp("segments")
        recorder = Recorder(viewer, playback["hls"], folder).start()
        yield Program(event, publisher, playback, viewer, recorder, ingest)
    finally:
        if recorder is not None:
            recorder.stop()
        publisher.stop()
