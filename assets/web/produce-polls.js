// Polls on the producer's desk, with their live tally.

import { pause, request } from "/assets/client.js";
import { $, attempt, base } from "/assets/console.js";
import { drawTally, element } from "/assets/polls.js";
import { Form } from "/assets/produce-forms.js";
import { badge } from "/assets/produce-tabs.js";

/** The polls by their id, as they were last heard of. */
export const polls = new Map();
const cards = new Map();

/** Draws a poll anew with what has come to be known of it. */
export function drawPoll(poll) {
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
    badge("interaction", [...polls.values()].filter(({ state }) => state === "open").length);
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

/** Draws the polls that there are. */
export async function startPolls() {
    const { items } = await request("GET", `${base}/polls`);
    // What has been heard of one meanwhile is newer.
    for (const poll of items) drawPoll({ ...poll, ...polls.get(poll.id) });
}

/** Keeps the tallies of polls that move up to date, for as long as the page is open. */
export async function followTallies() {
    for (;;) {
        for (const poll of polls.values()) {
            const isMoving = poll.state === "open" || (poll.state === "closed" && poll.results?.provisional !== false);
            if (isMoving) await refreshTally(poll.id).catch(() => {});
            if (poll.state === "open" && poll.closeAt && poll.closeAt < Date.now()) drawPoll({ id: poll.id, state: "closed" });
        }
        await pause(1000);
    }
}

const form = new Form({
    id: "new-poll", title: "New poll", submit: "Create and open", buttons: [{ label: "Keep as draft", type: "submit", value: "draft" }],
    rows: [
        [{ name: "question", id: "question", label: "Question", attributes: { maxlength: 500, required: "" } }],
        [{ name: "options", id: "options", label: "Options, one on each line", kind: "textarea", attributes: { required: "" } }],
        [{
            name: "seconds", key: "durationMs", id: "duration", label: "Open for, in seconds", kind: "number",
            attributes: { min: 1, max: 86_400, placeholder: "until closed" },
        }, {
            name: "resultsVisibility", id: "visibility", label: "Results are seen", kind: "select",
            options: [
                ["live", "as they come"], ["afterVote", "after voting"], ["afterClose", "when it is closed"], ["onReveal", "when revealed"],
                ["never", "by producers only"],
            ],
        }],
    ],
    onsubmit: async (values, submitter) => {
        const { question, options, seconds, resultsVisibility } = values, body = {
            kind: "single", question, resultsVisibility,
            options: options.split("\n").map((line) => line.trim()).filter(Boolean),
            open: submitter?.value !== "draft",
        };
        if (seconds) body.durationMs = Math.round(Number(seconds) * 1000);
        drawPoll(await request("POST", `${base}/polls`, body));
        form.resetAfter(values);
    },
});
$("poll-mount").replaceWith(form.element);
