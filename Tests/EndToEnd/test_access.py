"""Who gets in: tokens, invitations, sessions, tickets, and the form of every refusal."""

import base64
import json
import subprocess
from datetime import datetime, timedelta, timezone

import pytest
import websocket

from harness.studio import BINARY
from harness.waiting import wait_until

POLL = {"kind": "single", "question": "Tea or coffee?", "options": ["Tea", "Coffee"]}


def refused_handshake(api, event, ticket):
    """Opens the live channel; returns the status with which the handshake was refused."""
    with pytest.raises(websocket.WebSocketBadStatusException) as refusal:
        api.socket(event, ticket=ticket)
    return refusal.value.status_code


def test_health_and_unknown_paths(studio):
    api = studio.api()
    api.get("/healthz", expect=200)
    api.get("/v1/there-is-no-such-thing", expect=404)


def test_tokens_that_are_missing_garbled_or_expired_are_refused(studio, admin, event):
    path = f"/v1/events/{event}"
    studio.api().get(path, expect=401)
    good = studio.token("producer", event)
    studio.api(good).get(path, expect=200)
    head, claims, signature = good.split(".")
    flipped = signature[:10] + ("A" if signature[10] != "A" else "B") + signature[11:]
    unsigned = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).decode().rstrip("=")
    for token in (
        "garbage", "a.b.c", f"{head}.{claims}", f"{head}.{claims}.{flipped}", f"{unsigned}.{claims}.",
        "A" * 6000,
    ):  # fmt: skip
        studio.api(token).get(path, expect=401)
    for command in (["--role", "king"], ["--role", "producer"], ["--role", "admin", "--hours", "0"]):
        done = subprocess.run(
            [str(BINARY), "token", "--data-directory", str(studio.data), *command], capture_output=True, text=True,
            timeout=30,
        )  # fmt: skip
        assert done.returncode != 0 and done.stderr.strip() and not done.stdout.strip(), command


def test_a_token_ends_when_it_says(studio, admin, event):
    end = datetime.now(timezone.utc) + timedelta(seconds=6)
    invitation = admin.post(
        f"/v1/events/{event}/invitations",
        {"role": "attendee", "expiresAt": end.isoformat(timespec="milliseconds").replace("+00:00", "Z")}, expect=201,
    ).json()  # fmt: skip
    accepted = studio.api().post(f"/v1/invitations/{invitation['token']}/accept", {}, expect=201).json()
    guest = studio.api(accepted["token"])
    guest.get("/v1/sessions", expect=200)
    wait_until(lambda: guest.get("/v1/sessions").status_code == 401, 12, "the token is still good after its end")
    studio.api().sign_in(invitation=invitation["token"], expect=404)


def test_a_token_reaches_no_other_event(studio, admin, event):
    other = f"{event[:40]}-other"
    admin.post("/v1/events", {"id": other, "title": "Another"}, expect=201)
    producer = studio.api(studio.token("producer", event=event))
    producer.get(f"/v1/events/{event}", expect=200)
    producer.get(f"/v1/events/{other}", expect=(403, 404))
    producer.post(f"/v1/events/{other}/polls", POLL, expect=(403, 404))
    producer.post(f"/v1/events/{other}/playback", expect=(403, 404))
    # A ticket for one event opens the channel of no other.
    ticket = producer.ticket(event, expect=(200, 201)).json()["ticket"]
    assert refused_handshake(producer, other, ticket) in (401, 403, 404)
    response = producer.ticket(other)
    assert response.status_code in (401, 403, 404) or refused_handshake(
        producer, other, response.json()["ticket"]
    ) in (401, 403, 404)


def test_roles_hold(studio, admin, event):
    attendee = studio.attendee(admin, event)
    attendee.post(f"/v1/events/{event}/polls", POLL, expect=403)
    attendee.post(f"/v1/events/{event}/ingests", {"name": "mine", "kind": "primary"}, expect=403)
    attendee.post(f"/v1/events/{event}/invitations", {"role": "producer"}, expect=403)
    attendee.post("/v1/events", {"title": "Mine"}, expect=403)
    poll = admin.post(f"/v1/events/{event}/polls", POLL | {"open": True}, expect=201).json()
    ballot = {"choices": [poll["options"][0]["id"]], "playhead": poll["openedAt"]}
    # Who runs the vote does not vote.
    admin.put(f"/v1/events/{event}/polls/{poll['id']}/ballots/me", ballot, expect=403)


def test_unknown_keys_and_broken_bodies_are_named(admin, event):
    answer = admin.post(f"/v1/events/{event}/polls", POLL | {"colour": "red"}, expect=422).json()
    assert "colour" in json.dumps(answer), answer
    admin.post(f"/v1/events/{event}/polls", POLL | {"options": ["Only one"]}, expect=422)
    admin.post(f"/v1/events/{event}/polls", data="{not json", expect=(400, 422))
    admin.post(f"/v1/events/{event}/polls", data="[" * 50_000, expect=(400, 413, 422))
    admin.post("/v1/events", {"id": event, "title": "Taken"}, expect=409)


def test_reading_an_invitation_never_uses_it_up(studio, admin, event):
    invitation = admin.post(
        f"/v1/events/{event}/invitations", {"role": "attendee", "maxUses": 1}, expect=201
    ).json()
    assert invitation["url"].startswith(studio.origin), invitation["url"]
    path = invitation["url"].removeprefix(studio.origin).partition("#")[0]
    scanner = studio.api()
    for method in ("GET", "HEAD", "GET", "GET"):
        page = scanner.request(method, path)
        if method == "HEAD":
            continue
        assert page.status_code == 200, page.text
        assert page.headers["Content-Type"].startswith("text/html"), page.headers
        assert page.headers.get("Referrer-Policy") == "no-referrer"
    guest = studio.api()
    guest.sign_in(invitation=invitation["token"])
    assert guest.me["role"] == "attendee" and guest.me["event"] == event


def test_a_single_use_link_is_bound_to_the_device_that_used_it(studio, admin, event):
    token = admin.post(
        f"/v1/events/{event}/invitations", {"role": "attendee", "maxUses": 1}, expect=201
    ).json()["token"]
    first, second = studio.api(), studio.api()
    first.sign_in(invitation=token)
    first.sign_in(invitation=token, expect=(200, 201))  # a reload of the page
    second.sign_in(invitation=token, expect=410)
    studio.api().sign_in(invitation="no-such-invitation", expect=(401, 404))


def test_a_revoked_invitation_ends_its_sessions(studio, admin, event):
    invitation = admin.post(f"/v1/events/{event}/invitations", {"role": "attendee"}, expect=201).json()
    guest = studio.api()
    guest.sign_in(invitation=invitation["token"])
    with guest.socket(event) as socket:
        assert socket.hello
        admin.request("DELETE", f"/v1/events/{event}/invitations/{invitation['id']}", expect=(200, 204))
        assert socket.wait_closed(10) == 4401
    guest.ticket(event, expect=401)
    studio.api().sign_in(invitation=invitation["token"], expect=(401, 404, 410))


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(studio, admin, event):
    invitation = admin.post(f"/v1/events/{event}/invitations", {"role": "attendee"}, expect=201).json()
    response = studio.api().sign_in(invitation=invitation["token"])
    cookies = response.raw.headers.getlist("Set-Cookie")
    cookie = next(header for header in cookies if header.startswith("__Host-proscenium="))
    flags = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "secure", "path=/"} <= flags, cookie
    assert flags & {"samesite=lax", "samesite=strict"}, cookie


def test_a_change_by_cookie_needs_our_origin_and_json(studio, admin, event):
    poll = admin.post(f"/v1/events/{event}/polls", POLL | {"open": True}, expect=201).json()
    guest = studio.attendee(admin, event)
    path = f"/v1/events/{event}/polls/{poll['id']}/ballots/me"
    ballot = {"choices": [poll["options"][0]["id"]], "playhead": poll["openedAt"]}
    guest.put(path, ballot, origin=False, expect=403)
    guest.put(path, ballot, headers={"Origin": "https://elsewhere.example"}, expect=403)
    guest.put(path, ballot, headers={"Origin": "null"}, expect=403)
    guest.put(path, ballot, headers={"Content-Type": "text/plain"}, expect=(403, 415))
    guest.put(path, ballot, expect=200)


def test_a_ticket_opens_one_connection(studio, admin, event):
    guest = studio.attendee(admin, event)
    ticket = guest.ticket(event, expect=(200, 201)).json()
    assert ticket["expiresAt"].endswith("Z")
    with guest.socket(event, ticket=ticket["ticket"]) as socket:
        assert socket.hello["positions"]
    assert refused_handshake(guest, event, ticket["ticket"]) == 401
    for bad in ("", "garbled", studio.token("attendee", event=event)):
        assert refused_handshake(guest, event, bad) == 401
