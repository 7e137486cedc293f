// The preview on the producer's desk: what comes next, and how it becomes the program: at once or at a program time.

import { request, requestTagged } from "/assets/client.js";
import { $, announce, attempt, base, hasJustPassed, programNow, repeat, sayLength, single } from "/assets/console.js";
import { followFiles } from "/assets/produce-files.js";
import { fillOptions, Form, refuse } from "/assets/produce-forms.js";
import { backgroundOptions, backgroundValue, chosenColour, sayLayout } from "/assets/produce-layouts.js";
import { followProgram, layouts, orderProgram, program, refreshProgram, Still } from "/assets/produce-program.js";

/** The preview's scene, as the studio said last; null before. */
export let preview = null;
/** The take that waits, as the studio said last; null when none does. */
export let pending = null;
// `turn` counts what was taken over and changed; `asked` the questions for the take that waits; `told` is the newest answered.
let tag = null, pendingTag = null, turn = 0, asked = 0, told = 0;
const followers = [];
// Its picture; null before.
let still = null;

/** The preview's scene; refuses while it is not known. */
export function knownPreview() {
    if (!preview) throw new Error("It is not known yet what the preview shows.");
    return preview;
}

/** Calls a function with each scene of the preview from now on. */
export function followPreview(follower) { followers.push(follower); }

function accept(scene, etag) {
    turn++;
    const isOther = etag !== tag;
    [preview, tag] = [scene, etag];
    if (isOther) still?.look();
    for (const follower of followers) follower(scene);
    draw();
}

/** Brings the preview's scene up to date. */
export const refreshPreview = single(async () => {
    const before = turn;
    const { json, etag } = await requestTagged("GET", `${base}/preview`);
    if (before === turn && !underway) accept(json, etag);
});

// The change of the preview that is under way: the next one, and a take, come after it.
let underway = null;

/** Does something with the preview after what is under way, and not at all when that goes wrong. */
function inTurn(work) {
    const run = (underway ?? Promise.resolve()).then(work).finally(() => { if (underway === run) underway = null; });
    return underway = run;
}

async function ask(method, path, body, headers) {
    turn++;
    const { json, etag, headers: said } = await requestTagged(method, path, body, headers);
    accept(json, etag);
    return said;
}

const put = (scene) => ask("PUT", `${base}/preview`, scene, { "If-Match": tag });

async function look() {
    const { json, etag } = await requestTagged("GET", `${base}/preview`);
    accept(json, etag);
}

/** Changes the preview: `make(scene)` says how, and is asked again when somebody else was quicker. */
export function editPreview(make) {
    return inTurn(async () => {
        for (let attempts = 0; ; attempts++) {
            try {
                return await put(make(knownPreview()));
            } catch (problem) {
                if (problem.status !== 412 || attempts === 3) throw problem;
                await look();
            }
        }
    });
}

/** Makes a saved scene the preview, with what lies over its own picture. Returns pointers to what of it is gone, or nothing. */
export function recallPreset(name) {
    return inTurn(async () => {
        const said = await ask("POST", `${base}/presets/${encodeURIComponent(name)}/recall`);
        bringOverlays("own");
        return said.get("Missing-Parts");
    });
}

/** Says whose overlays a take brings: `air`, those that are on air; `own`, the preview's. */
export function bringOverlays(whose) {
    next.control("overlays").value = whose;
    still?.look();
    draw();
}

/** Whether a take brings the preview's own overlays. */
export const hasOwnOverlays = () => next.control("overlays").value === "own";

/** What of the program goes on over a take: music and levels always, overlays and slides unless the preview brings its own. */
function kept() {
    const isOwn = hasOwnOverlays();
    return ["music", "levels", ...(isOwn ? [] : ["overlays"]), ...(isOwn && preview?.slides ? [] : ["slides"])];
}

// What comes next

const next = new Form({
    id: "next", card: false,
    rows: [[
        { name: "layout", id: "next-layout", label: "Layout", kind: "select" },
        { name: "background", id: "next-background", label: "Background", kind: "select", options: backgroundOptions() },
        {
            name: "overlays", id: "next-overlays", label: "Overlays", kind: "select",
            options: [["air", "as on air"], ["own", "its own"]],
        },
    ]],
});
$("next-mount").replaceWith(next.element);
next.element.onchange = ({ target }) => {
    // Whose overlays a take brings is said with the take.
    if (target === next.control("overlays")) return bringOverlays(target.value);
    next.attempt(() => editPreview((scene) => {
        const { layout, background } = next.values(), made = { ...scene };
        if (layout !== scene.layout) {
            // What filled the slots of one layout, and the clip in them, mean nothing in another.
            Object.assign(made, { layout, slots: {} });
            delete made.media;
        }
        delete made.background;
        if (background) made.background = background === "colour" ? chosenColour() : background;
        return made;
    })).then(() => draw(true));
};

const NAMES = { ticker: "ticker", logo: "logo", countdown: "countdown", clock: "clock", comment: "comment", poll: "poll" };

/** What lies over a scene's picture, in words. */
export function sayOverlays({ lowerThirds = [], ...others } = {}) {
    const words = Object.keys(NAMES).filter((name) => others[name]);
    return [...lowerThirds.map(({ name }) => name), ...words].join(", ");
}

function draw(isDone = false) {
    if (!preview || !program) return;
    // Not under the hand of somebody who is choosing; but what was chosen stays only where the studio took it.
    if (isDone || !next.isInUse) {
        fillOptions(next.control("layout"), layouts.map(({ name }) => [name, sayLayout(name)]));
        fillOptions(next.control("background"), backgroundOptions(preview.background));
        next.fill({ layout: preview.layout, background: backgroundValue(preview.background) });
    }
    const over = sayOverlays(hasOwnOverlays() ? preview.overlays : program.overlays);
    $("next-summary").textContent = [preview.media && "Begins with a clip.", over && `Over it: ${over}`].filter(Boolean).join(" ");
}

followProgram(() => draw());
followFiles(() => draw());

// From the preview to the program

const switcher = new Form({
    card: false, submit: "Take", submitId: "take",
    rows: [
        [{
            name: "transition", id: "transition", label: "Transition", kind: "select", onchange: showFields,
            options: [["cut", "Cut"], ["fade", "Fade"], ["move", "Move"], ["wipe", "Wipe"], ["dip", "Dip"]],
        }],
        [{
            name: "durationMs", id: "transition-ms", label: "Milliseconds", kind: "number", value: 500,
            attributes: { min: 0, max: 5000, step: 50, required: "" },
        }],
        [{
            name: "when", id: "take-when", label: "When", kind: "select", onchange: showFields,
            options: [["now", "now"], ["in", "in seconds"], ["at", "at a time"]],
        }],
        [{
            name: "seconds", id: "take-seconds", label: "Seconds from now", kind: "number", value: 10,
            attributes: { min: 0.5, max: 86_400, step: 0.5 },
        }],
        [{ name: "time", key: "at", id: "take-time", label: "Time of day", kind: "time", attributes: { step: 1 } }],
    ],
    onsubmit: take,
});
$("switcher").append(switcher.element);

function showFields() {
    const { transition, when } = switcher.values();
    switcher.fields.durationMs.box.hidden = transition === "cut";
    switcher.fields.seconds.box.hidden = when !== "in";
    switcher.fields.time.box.hidden = when !== "at";
    switcher.submit.textContent = { now: "Take", in: "Take later", at: "Take then" }[when];
}
showFields();

/** The next moment of the program clock at which it is this time of day here. */
function momentOf(time) {
    const [hours, minutes, seconds = 0] = time.split(":").map(Number), now = programNow(), moment = new Date(now);
    moment.setHours(hours, minutes, seconds, 0);
    if (moment.getTime() <= now) moment.setDate(moment.getDate() + 1);
    return moment.getTime();
}

function take({ transition, durationMs, when, seconds, time }) {
    if (when === "in" && !(Number(seconds) > 0)) throw refuse("seconds", "How many seconds?");
    if (when === "at" && !time) throw refuse("time", "At what time?");
    const body = { transition, durationMs: transition === "cut" ? 0 : Number(durationMs) };
    return inTurn(() => takeNow(body, { when, seconds, time }));
}

async function takeNow(body, { when, seconds, time }) {
    const { media } = knownPreview();
    body.keeps = kept();
    if (when === "in") body.at = Math.round(programNow() + 1000 * Number(seconds));
    if (when === "at") body.at = momentOf(time);
    // What is taken is what is seen here, and not what another producer has put there since.
    const path = `${base}/take`, headers = { "If-Match": tag };
    try {
        if (body.at === undefined) await orderProgram("POST", path, body, { headers, isClip: Boolean(media) });
        else await request("POST", path, body, headers);
    } catch (problem) {
        if (problem.status === 412) await look();
        throw problem;
    }
    if (body.at === undefined) return announce("The preview is the program now.");
    await refreshPending();
    announce("The take waits for its moment.");
}

// The take that waits

const sayTime = (programTime) => new Date(programTime).toLocaleTimeString([], { hour12: false });

async function refreshPending() {
    const question = ++asked;
    let answer = { json: null, etag: null };
    try {
        answer = await requestTagged("GET", `${base}/take`);
    } catch (problem) {
        if (problem.status !== 404) throw problem;
    }
    if (question < told) return;
    told = question;
    [pending, pendingTag] = [answer.json, answer.etag];
    drawPending();
}

function drawPending() {
    $("pending-take").hidden = !pending;
    if (!pending) return;
    const { at, transition, durationMs, scene } = pending, left = at - programNow();
    $("pending-when").textContent = left > 0 ? `Take in ${sayLength(left + 999)}` : "Take now";
    $("pending-what").textContent
        = `at ${sayTime(at)} · ${sayLayout(scene.layout)}, ${transition}${durationMs ? ` ${durationMs} ms` : ""}`;
}

$("cancel-take").onclick = () => attempt($("pending-error"), async () => {
    try {
        await request("DELETE", `${base}/take`, undefined, { "If-Match": pendingTag });
        announce("The take is taken back.");
    } finally {
        await refreshPending();
    }
}, $("cancel-take"));

/** Begins to show and to follow the preview, and the take that waits; `isRunning()` says whether there is a picture to ask for. */
export async function startPreview(isRunning) {
    await refreshPreview();
    // With what goes on over it.
    const pathOf = () => `${base}/preview.jpg?${kept().map((part) => `keeps=${part}`).join("&")}`;
    still = new Still("preview", pathOf, 3000, isRunning);
    repeat(refreshPreview, 2000);
    // While none waits, only a colleague can make one.
    const followPending = single(refreshPending);
    let rests = 0;
    repeat(async () => { if (pending || rests++ % 3 === 0) await followPending(); }, 2000);
    setInterval(() => {
        if (!pending) return;
        drawPending();
        if (hasJustPassed(pending.at + 100)) Promise.all([followPending(), refreshProgram()]).catch(() => {});
    }, 500);
}
