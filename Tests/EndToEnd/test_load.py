"""The load tool against a real installation: everybody gets everything, and how long it took is known."""

import json
import os
import subprocess
from pathlib import Path

from harness.ports import free_ports
from harness.studio import BINARY, REPOSITORY

SECONDS = 4


def load(*options, timeout=120):
    """Runs the load tool; returns its exit status, what it printed as JSON or nothing, and what it complained of."""
    done = subprocess.run(
        [str(BINARY), "load", *options], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, cwd=REPOSITORY
    )
    lines = done.stdout.strip().splitlines()
    return done.returncode, json.loads(lines[-1]) if lines else None, done.stderr


def test_subscribers_of_the_load_get_all_that_its_publishers_send(studio, admin, event):
    invitation = admin.post(f"/v1/events/{event}/invitations", {"role": "speaker", "maxUses": 8}, expect=201).json()
    sfu = studio.process("sfu")
    status, seen, errors = load(
        "--url", studio.origin, "--event", event, "--invitation", invitation["token"], "--certificate", str(studio.certificate),
        "--publishers", "2", "--subscribers", "6", "--seconds", str(SECONDS), "--settle", "1", "--pid", str(sfu.pid),
        # Small pictures: what is asserted is that nothing is lost, also on a busy machine.
        "--width", "320", "--height", "180", "--bitrate", "200000",
    )  # fmt: skip
    assert status == 0, errors
    assert (seen["load"], seen["publishers"], seen["subscribers"], seen["streams"]) == ("proscenium", 2, 6, 24), seen
    assert seen["profile"] == "AEAD_AES_128_GCM"
    # 50 packets of sound and 30 pictures a second at least, of two publishers to six subscribers.
    assert seen["packetsReceived"] > 0.8 * 80 * 2 * 6 * SECONDS, seen
    assert seen["packetsReceived"] >= 6 * seen["packetsSent"] * 0.97, seen
    assert seen["lost"] == 0 and seen["kernelDrops"] == 0, seen
    # Subscribers tell when each packet came, as browsers do, and the server tells its publishers.
    assert seen["feedbackSent"] > 2 * 6 * SECONDS and seen["feedbackReceived"] > 2 * 2 * SECONDS, seen
    assert seen["latencySamples"] > 0.8 * 30 * 2 * 6 * SECONDS, seen
    assert 0 < seen["latencyP50Ms"] <= seen["latencyP99Ms"], seen
    assert 0 < seen["serverCPUSeconds"] < SECONDS and seen["serverMemoryKB"] > 1000, seen


def test_the_load_says_what_is_wrong_with_its_arguments():
    for options, words in [
        (["--peer", "sfu", "--publishers", "0"], "publishers is 1 to 60, not 0"),
        (["--peer", "sfu", "--srtp", "none"], "srtp is both, gcm or cm"),
        (["--peer", "proscenium"], "needs --url"),
        (["--peer", "janus", "--url", "http://127.0.0.1"], "ws:// address of Janus"),
        (["limit", "--subscribers", "0"], "subscribers is 1 to 1000"),
    ]:
        status, seen, errors = load(*options)
        assert status != 0 and seen is None, options
        assert words in errors, errors


def test_the_load_says_that_nobody_is_let_in_without_an_invitation(studio, event):
    status, seen, errors = load(
        "--url", studio.origin, "--event", event, "--invitation", "no-such-invitation", "--certificate", str(studio.certificate),
        "--width", "128", "--height", "72",
    )  # fmt: skip
    assert status != 0 and seen is None
    assert "The server answered 404 to POST" in errors, errors


def test_forwarding_allocates_nothing(tmp_path):
    """Reports, checks and heartbeats allocate with time; so the same people send little, then much."""
    library = tmp_path / "allocations.so"
    source = Path(__file__).parent / "harness/allocations.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(source)], check=True)
    points = []
    for bitrate in (300_000, 2_000_000):
        counts = tmp_path / f"count-{bitrate}"
        control, media = free_ports(2)
        with open(tmp_path / "sfu.log", "ab") as log:
            sfu = subprocess.Popen(
                [str(BINARY), "sfu", "--studio", f"http://127.0.0.1:{control}", "--bind-address", "127.0.0.1", "--media-port", str(media)],
                stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=REPOSITORY,
                env=os.environ | {"LD_PRELOAD": str(library), "PROSCENIUM_ALLOCATIONS": str(counts)},
            )  # fmt: skip
        try:
            sfu.stdin.write(b"token\n")
            sfu.stdin.close()
            status, seen, errors = load(
                "--peer", "sfu", "--control-port", str(control), "--publishers", "2", "--subscribers", "16", "--seconds", str(SECONDS),
                # Until each line is known to carry everything.
                "--settle", "15",
                "--width", "640", "--height", "360", "--bitrate", str(bitrate), "--allocations", str(counts), "--pid", str(sfu.pid),
            )  # fmt: skip
        finally:
            sfu.terminate()
            sfu.wait(30)
        assert status == 0, errors
        points.append((seen["packetsReceived"], seen["allocations"], seen["feedbackSent"]))
    (few, less, before), (many, more, told) = points
    assert many > 1.5 * few > 1000, points
    # What subscribers tell is read into three arrays, each time. A hundredth of an allocation with each packet would be seen: each
    # allocation for a forwarded packet counts a whole one.
    assert (more - less - 3 * (told - before)) / (many - few) < 0.01, points
    assert 0 < more - 3 * told < many / 5, points
