// The producer's page: the event's state, entrances for encoders, and polls with their live tally.

import {
    LiveChannel, askForCredential, pause, request, signIn, takeCredential,
} from "/assets/client.js";
import { drawTally, element } from "/assets/polls.js";

const event = decodeURIComponent(location.pathname.split("/").filter(Boolean)[1] ?? "");
const base = `/v1/events/${event}`;
const $ = (id) => document.getElementById(id);
const polls = new Map();
const cards = new Map();
let phase = "starting";

window.proscenium = {
    event,
    get state() { return phase; },
    get polls() { return [...polls.values()]; },
    get summary() { return { state: phase, event: $("event-state").textContent, polls: [...polls.values()] }; },
};

/** Runs what a form or a button asks for; what goes wrong is said beside it. */
async function attempt(error, work, ...buttons) {
    error.textContent = "";
    for (const button of buttons) button.disabled = true;
    try {
        return await work();
    } catch (problem) {
        if (problem.status === 401) location.reload();
        error.textContent = problem.message;
    } finally {
        for (const button of buttons) button.disabled = false;
    }
}

// Polls

function drawPoll(poll) {
    polls.set(poll.id, { ...polls.get(poll.id), ...poll });
    poll = polls.get(poll.id);
    const error = element("p", { className: "error" });
    error.setAttribute("role", "alert");
    const state = element("span", { className: "pill", textContent: poll.state, dataset: { state: poll.state } });
    const list = element("ul", { className: "tally" });
    const count = element("p", { className: "muted" });
    const row = element("div", { className: "row" });
    const card = element("article", { className: "card stack", dataset: { poll: poll.id, state: poll.state } },
        element("div", { className: "head" }, element("h3", { textContent: poll.question }), state), list, count, row, error);
    const actions = { draft: [["open", "Open"]], open: [["close", "Close"]], closed: [["reopen", "Open again"]] }[poll.state];
    if (poll.state === "closed" && poll.resultsVisibility === "onReveal") actions.push(["reveal", "Show the results"]);
    for (const [action, label] of actions) {
        const button = element("button", {
            type: "button", textContent: label, className: action === "open" ? "primary" : "", dataset: { action },
        });
        button.onclick = () => attempt(error, async () => {
            drawPoll(await request("POST", `${base}/polls/${poll.id}/${action}`));
            await refreshTally(poll.id);
        }, button);
        row.append(button);
    }
    drawTally(list, poll, poll.results?.tally ?? {});
    count.textContent = tallyLine(poll);
    const known = cards.get(poll.id);
    if (known) known.replaceWith(card);
    else $("polls").prepend(card);
    cards.set(poll.id, card);
}

function tallyLine(poll) {
    if (poll.state === "draft") return "Not open yet";
    const voters = poll.results?.voters ?? 0;
    const isFinal = poll.state === "closed" && poll.results?.provisional === false;
    return `${voters} ${voters === 1 ? "vote" : "votes"}${isFinal ? " · final" : poll.state === "closed" ? " · not final yet" : ""}`;
}

async function refreshTally(id) {
    const results = await request("GET", `${base}/polls/${id}/results`);
    const poll = polls.get(id);
    poll.results = results;
    const card = cards.get(id);
    drawTally(card.querySelector(".tally"), poll, results.tally);
    card.querySelector(".tally + .muted").textContent = tallyLine(poll);
}

async function followTallies() {
    for (;;) {
        for (const poll of polls.values()) {
            const isMoving = poll.state === "open" || (poll.state === "closed" && poll.results?.provisional !== false);
            if (isMoving) await refreshTally(poll.id).catch(() => {});
            if (poll.state === "open" && poll.closeAt && poll.closeAt < Date.now()) drawPoll({ id: poll.id, state: "closed" });
        }
        await pause(1000);
    }
}

$("new-poll").onsubmit = (submission) => {
    submission.preventDefault();
    const form = submission.target;
    const { question, options, duration, visibility } = Object.fromEntries(new FormData(form));
    const body = {
        kind: "single", question, resultsVisibility: visibility,
        options: options.split("\n").map((line) => line.trim()).filter(Boolean),
        open: submission.submitter?.value !== "draft",
    };
    if (duration) body.durationMs = Math.round(Number(duration) * 1000);
    attempt(form.querySelector(".error"), async () => {
        drawPoll(await request("POST", `${base}/polls`, body));
        form.reset();
    }, ...form.querySelectorAll("button"));
};

// Entrances

function showKey(ingest) {
    $("key-url").value = ingest.url ?? "";
    $("key-value").value = ingest.key;
    $("key").hidden = false;
}

$("hide-key").onclick = () => {
    $("key-value").value = "";
    $("key").hidden = true;
};
$("copy-key").onclick = async () => {
    try {
        await navigator.clipboard.writeText($("key-value").value);
        $("announcements").textContent = "The key is copied.";
    } catch {
        $("key-value").select();
    }
};

$("new-ingest").onsubmit = (submission) => {
    submission.preventDefault();
    const form = submission.target;
    attempt(form.querySelector(".error"), async () => {
        showKey(await request("POST", `${base}/ingests`, Object.fromEntries(new FormData(form))));
        form.reset();
        await refreshIngests();
    }, ...form.querySelectorAll("button"));
};

async function refreshIngests() {
    const { items } = await request("GET", `${base}/ingests`);
    const names = { primary: "the program", backup: "its backup", source: "a source" };
    $("ingests").replaceChildren(...items.map((ingest) => {
        const error = element("p", { className: "error" });
        const rotate = element("button", { type: "button", textContent: "New key" });
        const remove = element("button", { type: "button", textContent: "Remove" });
        rotate.onclick = () => attempt(error, async () =>
            showKey(await request("POST", `${base}/ingests/${ingest.id}/rotate`)), rotate);
        remove.onclick = () => attempt(error, async () => {
            await request("DELETE", `${base}/ingests/${ingest.id}`);
            await refreshIngests();
        }, remove);
        return element("div", { className: "card item" }, element("strong", { textContent: ingest.name }),
            element("span", { className: "muted", textContent: names[ingest.kind] ?? ingest.kind }),
            element("span", {
                className: "pill", textContent: ingest.isConnected ? "connected" : "free",
                dataset: { state: ingest.isConnected ? "live" : "idle" },
            }), rotate, remove, error);
    }));
}

// The page

async function refreshEvent() {
    const { title, state } = await request("GET", base);
    $("title").textContent = title;
    document.title = `${title} · Proscenium`;
    $("event-state").textContent = state;
    $("event-state").dataset.state = state;
}

async function enter(credential) {
    if (credential) {
        try { await signIn(credential); } catch (problem) { $("sign-in-error").textContent = problem.message; }
    }
    for (;;) {
        try {
            return await refreshEvent();
        } catch (problem) {
            if (problem.status === 0 || problem.status >= 500) {
                await pause(1000);
                continue;
            }
            phase = "signedOut";
            $("event-state").hidden = true;
            if (problem.status !== 401) $("sign-in-error").textContent = problem.message;
            await askForCredential($("gate"));
        }
    }
}

async function start() {
    await enter(takeCredential());
    $("event-state").hidden = false;
    $("desk").hidden = false;
    $("watch-link").href = `/watch/${event}`;
    $("watch-link").hidden = false;
    phase = "producing";
    setInterval(() => {
        refreshEvent().catch(() => { $("event-state").dataset.state = "lost"; });
        refreshIngests().catch(() => {});
    }, 3000);
    await refreshIngests().catch(() => {});
    const { items } = await request("GET", `${base}/polls`);
    for (const poll of items) drawPoll(poll);
    // What colleagues open and close comes by the channel.
    new LiveChannel(event, {
        onEntry: ({ kind, data }) => {
            // What we did ourselves is known already, and may have gone on since.
            const known = polls.get(data.id);
            if (kind === "poll.opened" && (known?.run !== data.run || known?.openedAt !== data.openedAt)) drawPoll(data);
            else if (kind === "poll.closed" && polls.has(data.poll)) drawPoll({ id: data.poll, state: "closed", closeAt: data.closeAt });
        },
        onState: (state) => { if (state === "refused") location.reload(); },
    });
    followTallies();
}

start();
