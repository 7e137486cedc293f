// The producer's page: signing in, the event's state, and the parts of the desk.

import { LiveChannel, askForCredential, jitter, pause, request, signIn, takeCredential } from "/assets/client.js";
import { $, attempt, base, event, repeat, setClock } from "/assets/console.js";
import { startFiles } from "/assets/produce-files.js";
import { refreshIngests } from "/assets/produce-ingests.js";
import { refreshOutputs } from "/assets/produce-outputs.js";
import { startOverlays } from "/assets/produce-overlays.js";
import { startPeople } from "/assets/produce-people.js";
import { drawPoll, followTallies, polls, startPolls } from "/assets/produce-polls.js";
import { presets, startPresets } from "/assets/produce-presets.js";
import { pending, preview, startPreview } from "/assets/produce-preview.js";
import { program, sayProgramState, startProgram } from "/assets/produce-program.js";
import { startSound } from "/assets/produce-sound.js";
import "/assets/produce-rolls.js";
import "/assets/produce-music.js";
import { refreshDecks } from "/assets/produce-slides.js";

let phase = "starting";
let state = "idle";

window.proscenium = {
    event,
    get state() { return phase; },
    get polls() { return [...polls.values()]; },
    get program() { return program; },
    get preview() { return preview; },
    get pending() { return pending; },
    get presets() { return presets; },
    get summary() {
        const errors = [...document.querySelectorAll(".error")].map((line) => line.textContent).filter(Boolean);
        return { state: phase, event: state, program, polls: [...polls.values()], errors };
    },
};

const BLANKS = {
    idle: "The program is not running.", starting: "The program is starting.", live: "The program is on its way.",
    stopping: "The program is stopping.", ended: "The program has ended.",
};

async function refreshEvent() {
    const known = await request("GET", base);
    state = known.state;
    $("title").textContent = known.title;
    document.title = `${known.title} · Proscenium`;
    const isRunning = state === "starting" || state === "live";
    if ($("event-state").textContent !== state) {
        $("event-state").textContent = state;
        sayProgramState(BLANKS[state] ?? "", state === "live");
    }
    $("event-state").dataset.state = state;
    $("start").hidden = isRunning;
    $("stop").hidden = !isRunning;
    $("start").disabled = state === "stopping";
}

for (const action of ["start", "stop"]) {
    $(action).onclick = () => attempt($("event-error"), async () => {
        await request("POST", `${base}/${action}`);
        await refreshEvent();
    }, $(action));
}

async function enter(credential) {
    if (credential) {
        try { await signIn(credential); } catch (problem) { $("sign-in-error").textContent = problem.message; }
    }
    for (;;) {
        try {
            return await refreshEvent();
        } catch (problem) {
            if (problem.isPassing) {
                await pause(problem.retryAfterMs ?? 1000);
                continue;
            }
            phase = "signedOut";
            $("event-state").hidden = $("start").hidden = $("stop").hidden = true;
            if (problem.status !== 401) $("sign-in-error").textContent = problem.message;
            await askForCredential($("gate"));
        }
    }
}

/** Starts a part of the desk, whatever becomes of the others: what may pass is said and tried again, anything else is said. */
function begin(error, part) {
    return attempt(error, async () => {
        for (let isFirst = true; ; isFirst = false) {
            try {
                await part();
                if (!isFirst) error.textContent = "";
                return;
            } catch (problem) {
                if (!problem.isPassing) throw problem;
                if (error.textContent !== problem.message) error.textContent = problem.message;
                await pause((problem.retryAfterMs ?? 1000) + jitter(1000));
            }
        }
    });
}

async function start() {
    await enter(takeCredential());
    $("event-state").hidden = false;
    $("desk").hidden = false;
    $("watch-link").href = `/watch/${event}`;
    $("watch-link").hidden = false;
    phase = "producing";
    repeat(() => refreshEvent().catch(() => { $("event-state").dataset.state = "lost"; }), 2000);
    repeat(refreshIngests, 3000);
    repeat(refreshOutputs, 2000);
    startPeople();
    startPresets();
    startSound();
    const isRunning = () => state === "starting" || state === "live";
    begin($("program-error"), () => startProgram(isRunning));
    begin($("program-error"), () => startPreview(isRunning));
    begin($("clips-error"), startFiles);
    begin($("shown-error"), startOverlays);
    begin($("slides-error"), refreshDecks);
    begin($("event-error"), startPolls);
    // What colleagues open and close comes by the channel.
    new LiveChannel(event, {
        onHello: ({ serverTime }) => setClock(serverTime),
        onEntry: ({ kind, data }) => {
            // What we did ourselves is known already, and may have gone on since.
            const known = polls.get(data.id);
            if (kind === "poll.opened" && (known?.run !== data.run || known?.openedAt !== data.openedAt)) drawPoll(data);
            else if (kind === "poll.closed" && polls.has(data.poll)) drawPoll({ id: data.poll, state: "closed", closeAt: data.closeAt });
        },
        onState: (channel) => { if (channel === "refused") location.reload(); },
    });
    followTallies();
}

start();
