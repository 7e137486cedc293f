// The attendee's page: the program, and beside it what happens at its moment.

import {
    LiveChannel, askForCredential, jitter, pause, request, signIn, takeCredential,
} from "/assets/client.js";
import { Player } from "/assets/player.js";
import { PollCard, element } from "/assets/polls.js";
import { Timeline } from "/assets/timeline.js";
import { LowDelay } from "/assets/whep.js";

const event = decodeURIComponent(location.pathname.split("/").filter(Boolean)[1] ?? "");
const $ = (id) => document.getElementById(id);
const REACTIONS = {
    applause: "👏", heart: "❤️", laugh: "😄", wow: "😮", thumbsUp: "👍", celebrate: "🎉",
};
const REACTION_NAMES = {
    applause: "Applause", heart: "Heart", laugh: "Laugh", wow: "Wow", thumbsUp: "Thumbs up", celebrate: "Celebrate",
};

const timeline = new Timeline();
const player = new Player($("video"), onPlayer);
const cards = new Map();
const shown = [];
let phase = "starting";
let channel;
let askAgain;
/** The playlist that is played, where the program comes with less delay, and the connection by which it comes so now. */
let playing = "";
let whep;
let lowDelay;

/** Where the one who watches is on the program clock; the wall clock where no program runs. */
const programTime = () => player.programTime ?? Date.now();

// What tests and curious people may look at.
window.proscenium = {
    event,
    polls: shown,
    get state() { return phase; },
    get player() { return lowDelay ? "whep" : player.kind; },
    get playhead() { return player.programTime; },
    get positions() { return channel?.positions ?? {}; },
    get summary() {
        return {
            state: phase, player: player.kind, playback: player.state, playhead: player.programTime,
            channel: channel?.state, waiting: timeline.length, polls: shown,
        };
    },
};

function announce(text) {
    // A live region speaks when its content changes: the same text twice needs a break between.
    $("announcements").textContent = "";
    setTimeout(() => { $("announcements").textContent = text; }, 50);
}

function onPlayer({ state }) {
    // A player that starts anew may have lost a program that goes on elsewhere.
    if (state === "loading") askAgain?.();
    $("curtain").hidden = state === "playing" || Boolean(lowDelay);
    $("play").hidden = state !== "blocked";
    $("curtain-title").textContent = {
        none: "The program has not started yet", loading: "The program is coming", blocked: "Ready",
    }[state] ?? "";
    $("curtain-text").textContent = { none: "It begins here by itself.", loading: "One moment." }[state] ?? "";
}

/** How far the timeline may go on: to the playhead; as it comes where no program can be seen. */
function horizon() {
    if (player.state === "none") return Infinity;
    return player.programTime ?? (player.kind === "native" && player.state === "playing" ? Date.now() - player.lagMs : -Infinity);
}

/** Changes between the playlist and the connection with less delay; what is behind the timeline comes at once with that. */
async function changeDelay() {
    const isLess = !lowDelay;
    lowDelay?.stop();
    lowDelay = undefined;
    showDelay("");
    if (!isLess) return askAgain?.();
    const made = lowDelay = new LowDelay($("video"), {
        event, url: whep,
        onEnd: () => { if (lowDelay === made) endLowDelay("The connection has ended."); },
    });
    playing = "";
    player.stop();
    showDelay("Smaller, and less than a second behind.");
    try { await made.start(); } catch (problem) { if (lowDelay === made) endLowDelay(problem.message); }
}

function endLowDelay(text) {
    lowDelay?.stop();
    lowDelay = undefined;
    showDelay(text);
    onPlayer(player);
    askAgain?.();
}

function showDelay(text) {
    $("less-delay").setAttribute("aria-pressed", String(Boolean(lowDelay)));
    $("delay-text").textContent = text;
    $("delay").hidden = !whep && !lowDelay;
}

function advance() {
    timeline.advance(horizon());
    requestAnimationFrame(advance);
}

function showPoll(poll) {
    const known = cards.get(poll.id);
    if (known && known.poll.run === poll.run) {
        if (known.state === "closed" && poll.state === "open") known.reopen(poll);
        return;
    }
    known?.element.remove();
    const card = new PollCard(event, poll, { programTime, announce });
    cards.set(poll.id, card);
    $("polls").prepend(card.element);
    $("no-polls").hidden = true;
    // The moment at which it can be seen is that of the next frame.
    requestAnimationFrame(() => {
        shown.push({ id: poll.id, run: poll.run, openedAt: poll.openedAt, shownAtPlayhead: player.programTime ?? null });
    });
    announce(`New poll: ${poll.question}`);
}

const kinds = {
    "poll.opened": (data) => showPoll(data),
    "poll.results": (data) => cards.get(data.poll)?.update(data),
    "poll.closed": (data) => cards.get(data.poll)?.close(data.closeAt),
};

function onEntry({ log, kind, programTime: time, data }) {
    if (log === "live") {
        if (kind === "reactions") showReactions(data.counts);
    } else if (kinds[kind]) {
        timeline.add(time, () => kinds[kind](data));
    }
}

/** The state of before: polls that still matter take their place on the timeline; cards that are there stay. */
function onSnapshot(log, { polls = [] }) {
    if (log !== "timeline") return;
    timeline.clear();
    for (const { results, ...poll } of polls) {
        if (poll.state === "draft" || !poll.openedAt) continue;
        timeline.add(poll.openedAt, () => {
            const isNew = !cards.has(poll.id);
            // Somebody who comes late is not shown everything that is over.
            if (isNew && poll.closeAt && poll.closeAt < programTime() - 30_000) return;
            showPoll(isNew ? { ...poll, state: "open" } : poll);
            if (results) cards.get(poll.id)?.update(results);
        });
        if (poll.state === "closed") timeline.add(poll.closeAt, () => cards.get(poll.id)?.close(poll.closeAt));
    }
}

function showReactions(counts) {
    for (const [kind, count] of Object.entries(counts)) {
        const button = $("reactions").querySelector(`[data-kind="${CSS.escape(kind)}"]`);
        if (!button) continue;
        const sum = button.querySelector("b");
        sum.textContent = String(Number(sum.textContent || 0) + count);
        const float = element("span", { className: "float", textContent: REACTIONS[kind] });
        float.setAttribute("aria-hidden", "true");
        float.addEventListener("animationend", () => float.remove());
        setTimeout(() => float.remove(), 2500);
        button.append(float);
    }
}

function makeReactions() {
    for (const [kind, sign] of Object.entries(REACTIONS)) {
        const button = element("button", { type: "button", dataset: { kind }, title: REACTION_NAMES[kind] },
            element("span", { textContent: sign }), element("b"));
        button.setAttribute("aria-label", REACTION_NAMES[kind]);
        let count = 0;
        let timer;
        // Clicks are gathered for a second: sums are sent, and sums come back.
        button.onclick = () => {
            count = Math.min(count + 1, 5);
            timer ??= setTimeout(async () => {
                const sent = count;
                [count, timer] = [0, undefined];
                try {
                    await request("POST", `/v1/events/${event}/reactions`, { kind, count: sent });
                } catch (problem) {
                    if (problem.status === 429) button.disabled = true;
                    setTimeout(() => { button.disabled = false; }, problem.retryAfterMs ?? 1000);
                }
            }, 1000);
        };
        $("reactions").append(button);
    }
}

async function enter(credential) {
    if (credential) {
        try { await signIn(credential); } catch (problem) { $("sign-in-error").textContent = problem.message; }
    }
    for (let attempt = 0; ; attempt++) {
        try {
            // The channel's ticket tells whether a session is there, whether or not the program runs.
            await request("POST", "/v1/tickets", { event });
            return;
        } catch (problem) {
            if (problem.status === 401 || problem.status === 403) {
                phase = "signedOut";
                $("house").hidden = true;
                $("connection").hidden = true;
                if (problem.status === 403) $("sign-in-error").textContent = problem.message;
                await askForCredential($("gate"));
            } else {
                await pause(jitter(Math.min(15_000, 1000 * 2 ** attempt)));
            }
        }
    }
}

/** Asks for playback until the program is there, plays it, and renews the cookies before they end. */
async function followProgram() {
    let goneSince = Infinity;
    for (;;) {
        let waitMs = 2000 + jitter(2000);
        try {
            const playback = await request("POST", `/v1/events/${event}/playback`);
            whep = playback?.whep;
            showDelay($("delay-text").textContent);
            if (playback?.hls && playback.hls !== playing && !lowDelay && await isListed(playback.hls) && !lowDelay) {
                playing = playback.hls;
                player.load(playing);
            }
            goneSince = Infinity;
            if (playing || lowDelay) waitMs = Math.min(Math.max((new Date(playback.expiresAt) - Date.now()) * 0.8, 5000), 60_000);
        } catch (problem) {
            if (problem.status === 401) return location.reload();
            waitMs = Math.max(problem.retryAfterMs ?? 0, waitMs);
            // When the program has ended, what was sent of it is played to its end.
            if (problem.status === 409) goneSince = Math.min(goneSince, Date.now());
            if (Date.now() - goneSince > 60_000) {
                playing = "";
                player.stop();
            }
        }
        await Promise.race([pause(waitMs), new Promise((resolve) => { askAgain = () => setTimeout(resolve, jitter(2000)); })]);
        askAgain = undefined;
    }
}

/** Whether the playlist is there yet: before that, there is nothing to play and nothing to wait for. */
async function isListed(url) {
    try { return (await fetch(url, { credentials: "include" })).ok; } catch { return false; }
}

async function start() {
    document.title = `${event} · Proscenium`;
    $("title").textContent = event;
    makeReactions();
    await enter(takeCredential());
    $("house").hidden = false;
    $("connection").hidden = false;
    phase = "watching";
    onPlayer(player);
    channel = new LiveChannel(event, {
        onEntry, onSnapshot,
        onState: (state) => {
            $("connection").dataset.state = state === "open" ? "live" : "lost";
            $("connection").textContent = { open: "Connected", lost: "Connecting again", refused: "Signed out" }[state];
            if (state === "refused") location.reload();
        },
    });
    $("play").onclick = () => player.play();
    $("less-delay").onclick = changeDelay;
    setInterval(() => { for (const card of cards.values()) card.tick(); }, 500);
    // Frames drive the timeline; a page in the background gets none, and a timer stands in.
    requestAnimationFrame(advance);
    setInterval(() => timeline.advance(horizon()), 250);
    followProgram();
}

start();
