"""Layout files: checked by the command line, read again while the studio runs. And a take that waits: it comes at its
moment although Studio or the compositor was killed meanwhile."""

import json
import shutil
import subprocess
import time

import pytest
from harness.picture import decode_still, is_near
from harness.studio import BINARY, REPOSITORY
from harness.waiting import wait_until

EVENT = "layouts"
PATH = f"/v1/events/{EVENT}"


def check(*files):
    command = [str(BINARY), "layouts", "check", *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=REPOSITORY)


def test_every_shipped_layout_is_good():
    files = sorted((REPOSITORY / "layouts").glob("*.json"))
    done = check(*files)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(files) >= 16


def test_a_bad_layout_is_refused_with_its_path_and_place(tmp_path):
    good = tmp_path / "good.json"
    good.write_text('{"name": "good", "slots": [{"id": "a", "rect": [0, 0, 9, 9]}]}')
    for name, text, place in [
        ("cut", "{", ""), ("other", '{"name": "good", "slots": []}', "/slots"),
        ("wide", '{"name": "wide", "slots": [{"id": "a", "rect": [0, 0, 99, 9]}]}', "/slots/0/rect"),
        ("misnamed", '{"name": "x", "slots": [{"id": "a", "rect": [0, 0, 9, 9]}]}', "/name"),
        ("lonely", '{"name": "lonely", "share": "nowhere", "slots": [{"id": "a", "rect": [0, 0, 9, 9]}]}', "/share"),
    ]:
        bad = tmp_path / f"{name}.json"
        bad.write_text(text)
        done = check(good, bad)
        assert done.returncode == 1, (name, done)
        assert done.stdout.strip() == f"{good}: good"
        assert done.stderr.startswith(f"{bad}: {place}"), done.stderr
        bad.unlink()
    missing = check(tmp_path / "missing.json")
    assert missing.returncode == 1 and "cannot be read" in missing.stderr
    assert check().returncode == 64


@pytest.fixture(scope="module")
def running(make_studio, tmp_path_factory):
    """An event that runs without anybody in it, on layouts of its own folder."""
    folder = tmp_path_factory.mktemp("layouts")
    for file in (REPOSITORY / "layouts").glob("*.json"):
        shutil.copy(file, folder)
    studio = make_studio("layouts", "--layouts-directory", str(folder), "--preset", "ultrafast", "--program-preset", "ultrafast")
    try:
        admin = studio.admin()
        admin.post("/v1/events", {"id": EVENT, "title": "Layouts"}, expect=201)
        admin.post(f"{PATH}/start", expect=202)
        shows(studio, admin, (16, 24, 40))
        yield studio, admin, folder
    finally:
        studio.stop()


def shows(studio, admin, colour):
    def look():
        answer = admin.get(f"{PATH}/program.jpg")
        return answer.status_code == 200 and is_near(decode_still(answer.content).mean(4, 4, 8, 8), colour, 20)

    wait_until(look, 40, lambda: f"{colour} is not seen\n{studio.log_tail(30)}", 0.2)


def test_a_changed_file_is_shown_and_a_bad_one_changes_nothing(running):
    studio, admin, folder = running
    file = folder / "full.json"
    layout = json.loads(file.read_text())
    layout["background"] = "#a01010"
    file.write_text(json.dumps(layout))
    shows(studio, admin, (160, 16, 16))
    file.write_text(json.dumps(layout | {"slots": [{"id": "main", "rect": [0, 0, 65, 36]}]}))

    def refused():
        return next((line for line in studio.log.read_text(errors="replace").splitlines() if "/slots/0/rect" in line), None)

    line = wait_until(refused, 10, lambda: studio.log_tail(30))
    assert str(file) in line, line
    layouts = {item["name"]: item for item in admin.get("/v1/layouts", expect=200).json()["items"]}
    assert layouts["full"]["background"] == "#a01010" and layouts["full"]["slots"][0]["rect"][2] == 64
    shows(studio, admin, (160, 16, 16))
    file.write_text(json.dumps(layout))


@pytest.mark.parametrize("role, colour", [("studio", "#10a010"), ("compositor", "#1010a0")])
def test_a_take_that_waits_comes_although_a_process_was_killed(running, role, colour):
    studio, admin, _ = running
    rgb = tuple(bytes.fromhex(colour[1:]))
    admin.put(f"{PATH}/preview", {"layout": "full", "background": colour}, expect=200)
    at = int(time.time() * 1000) + 9000
    answer = admin.post(f"{PATH}/take", {"transition": "fade", "durationMs": 300, "at": at}, expect=202).json()
    assert answer["programTime"] == at and answer["ready"] is True, answer
    assert admin.get(f"{PATH}/take", expect=200).json()["at"] == at
    old = studio.kill_role(role)
    studio.wait_restarted(role, old)
    shows(studio, admin, rgb)
    assert time.time() * 1000 >= at, "it came too early"

    def is_program():
        return admin.get(f"{PATH}/program", expect=200).json().get("background") == colour

    wait_until(is_program, 10, lambda: f"the scene is not the program's\n{studio.log_tail(30)}")
    wait_until(lambda: admin.get(f"{PATH}/take").status_code == 404, 10, "the take still waits")
