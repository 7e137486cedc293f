"""A poll from its opening to its tally, and what is left of it when processes are killed."""

import pytest

from harness import processes
from harness.waiting import wait_until

QUESTION = "Which way shall we go?"


@pytest.fixture(scope="module")
def mortal(make_studio):
    """An installation whose processes are killed."""
    studio = make_studio("mortal")
    yield studio
    studio.stop()


def make_event(admin, slug):
    admin.post("/v1/events", {"id": slug, "title": slug}, expect=201)
    return f"/v1/events/{slug}"


def open_poll(admin, path, question=QUESTION, **options):
    """Creates a draft and opens it; returns the open poll."""
    draft = {"kind": "single", "question": question, "options": ["Left", "Right"]} | options
    created = admin.post(f"{path}/polls", draft, expect=201)
    assert created.headers["Location"].endswith(f"/polls/{created.json()['id']}")
    assert created.headers["ETag"]
    assert created.json()["state"] == "draft"
    opened = admin.post(f"{path}/polls/{created.json()['id']}/open", {}, expect=200).json()
    assert opened["state"] == "open" and isinstance(opened["openedAt"], int)
    return opened


def ballot(poll, index):
    return {"choices": [poll["options"][index]["id"]], "playhead": poll["openedAt"]}


def tally(admin, path, poll):
    return admin.get(f"{path}/polls/{poll['id']}/results", expect=200).json()["tally"]


def test_a_poll_reaches_every_reader_and_counts_each_voter_once(studio, admin, event):
    path = f"/v1/events/{event}"
    voters = [studio.attendee(admin, event, f"Voter {number}") for number in range(3)]
    with voters[0].socket(event) as socket, voters[1].events(event) as stream:
        for reader in (socket, stream):
            assert reader.hello["serverTime"].endswith("Z") and reader.hello["reconnectAfterMs"] > 0
            assert set(reader.hello["positions"]) == {"live", "timeline"}
        poll = open_poll(admin, path)
        for reader in (socket, stream):
            entry = reader.wait_entry("poll.opened")
            assert entry["log"] == "timeline" and entry["key"] == poll["id"]
            assert entry["programTime"] == poll["openedAt"] == entry["data"]["openedAt"]
            assert entry["data"]["question"] == QUESTION
            assert [option["text"] for option in entry["data"]["options"]] == ["Left", "Right"]
        mine = f"{path}/polls/{poll['id']}/ballots/me"
        voters[0].put(mine, ballot(poll, 0) | {"choices": ["no-such-option"]}, expect=422)
        voters[0].put(mine, ballot(poll, 0) | {"choices": []}, expect=422)
        voters[0].put(mine, ballot(poll, 0) | {"choices": [o["id"] for o in poll["options"]]}, expect=422)
        receipt = voters[0].put(mine, ballot(poll, 0), expect=200).json()
        assert receipt["choices"] == [poll["options"][0]["id"]] and receipt["receipt"]
        # The same vote again is the same vote; another one comes too late.
        assert voters[0].put(mine, ballot(poll, 0), expect=200).json()["receipt"] == receipt["receipt"]
        voters[0].put(mine, ballot(poll, 1), expect=409)
        voters[1].put(mine, ballot(poll, 1), expect=200)
        voters[2].put(mine, ballot(poll, 1), expect=200)
        left, right = (option["id"] for option in poll["options"])
        assert tally(admin, path, poll) == {left: 1, right: 2}
        for reader in (socket, stream):
            reader.wait_for(
                lambda message: message.get("kind") == "poll.results"
                and message["data"]["tally"] == {left: 1, right: 2} and message["data"]["voters"] == 3,
                10, "the tally 1 : 2",
            )  # fmt: skip
        closed = admin.post(f"{path}/polls/{poll['id']}/close", {}, expect=200).json()
        assert closed["state"] == "closed"
        for reader in (socket, stream):
            assert reader.wait_entry("poll.closed")["data"]["closeAt"] == closed["closeAt"]
            reader.assert_contiguous("timeline")
        late = ballot(poll, 0) | {"playhead": closed["closeAt"] + 60_000}
        studio.attendee(admin, event, "Late").put(mine, late, expect=(200, 409))
        admin.get(f"{path}/polls/no-such-poll/results", expect=404)


def test_reactions_are_sent_on_as_sums(studio, admin, event):
    guests = [studio.attendee(admin, event, f"Guest {number}") for number in range(2)]
    with guests[0].socket(event) as socket:
        assert socket.hello
        for guest in guests:
            guest.post(f"/v1/events/{event}/reactions", {"kind": "applause", "count": 2}, expect=202)
        wait_until(
            lambda: sum(
                entry["data"]["counts"].get("applause", 0) for entry in socket.entries("reactions", log="live")
            ) == 4,
            10, lambda: f"four times applause; came: {socket.entries('reactions')}",
        )  # fmt: skip
        guests[0].post(f"/v1/events/{event}/reactions", {"kind": "no-such-kind", "count": 1}, expect=422)
        guests[0].post(f"/v1/events/{event}/reactions", {"kind": "applause", "count": 10**9}, expect=422)


def test_an_acknowledged_vote_survives_the_death_of_studio(mortal):
    admin = mortal.admin()
    path = make_event(admin, "studio-dies")
    voter, reader = mortal.attendee(admin, "studio-dies", "Vera"), mortal.attendee(admin, "studio-dies", "Rolf")
    socket, stream = reader.socket("studio-dies"), reader.events("studio-dies")
    poll = open_poll(admin, path)
    for client in (socket, stream):
        client.wait_entry("poll.opened", key=poll["id"])
    victim = mortal.process("studio")

    receipt = voter.put(f"{path}/polls/{poll['id']}/ballots/me", ballot(poll, 1), expect=200).json()
    victim.kill()

    wait_until(lambda: not victim.is_running(), 5, "studio survived SIGKILL")
    assert socket.wait_closed(10) and stream.wait_closed(10)
    mortal.wait_restarted("studio", victim)
    left, right = (option["id"] for option in poll["options"])
    assert tally(admin, path, poll) == {left: 0, right: 1}
    again = voter.put(f"{path}/polls/{poll['id']}/ballots/me", ballot(poll, 1), expect=200).json()
    assert again["receipt"] == receipt["receipt"]

    # What happens while a client is away is there, once and in order, when it comes back with its positions.
    second = open_poll(admin, path, "Did you miss anything?")
    with reader.socket("studio-dies", resume=socket.resume) as back, reader.events(
        "studio-dies", resume=stream.last_id
    ) as stream_back:
        for before, after in ((socket, back), (stream, stream_back)):
            assert after.hello["positions"]["timeline"]["recovered"] is True
            after.wait_entry("poll.opened", key=second["id"])
            assert after.entries("poll.opened", "timeline")[0]["key"] != poll["id"], "an entry came twice"
            before.messages += after.entries(log="timeline")
            before.assert_contiguous("timeline")


def test_a_position_of_another_epoch_gets_a_snapshot(mortal):
    admin = mortal.admin()
    path = make_event(admin, "other-epoch")
    poll = open_poll(admin, path)
    guest = mortal.attendee(admin, "other-epoch")
    for resume in ("timeline:no-such-epoch:1", "timeline:::,live", None):
        with guest.socket("other-epoch", resume=resume) as socket:
            snapshot = socket.wait_for(
                lambda message: message.get("kind") == "snapshot" and message["log"] == "timeline", 10, "snapshot"
            )
            assert [known["id"] for known in snapshot["data"]["polls"]] == [poll["id"]]


def test_nothing_outlives_the_supervisor_and_it_starts_again(mortal):
    admin = mortal.admin()
    path = make_event(admin, "supervisor-dies")
    voter = mortal.attendee(admin, "supervisor-dies")
    poll = open_poll(admin, path)
    voter.put(f"{path}/polls/{poll['id']}/ballots/me", ballot(poll, 0), expect=200)
    session = mortal.supervisor.pid
    assert len(processes.of_session(session)) > 1, "the supervisor has no children"

    mortal.kill_supervisor()

    processes.wait_gone(session, 5)
    mortal.start()
    left, right = (option["id"] for option in poll["options"])
    assert tally(admin, path, poll) == {left: 1, right: 0}
    # The session of before is still good.
    with voter.socket("supervisor-dies") as socket:
        assert socket.hello
