// Video clips on the producer's desk: the list of them, putting one on air or into the preview, and what plays now.

import { $, announce, attempt, base, hasJustPassed, programNow, sayLength } from "/assets/console.js";
import { element } from "/assets/polls.js";
import { assets, followFiles, nameOf, uploadChosen, videos } from "/assets/produce-files.js";
import { Form, Lines } from "/assets/produce-forms.js";
import { editPreview } from "/assets/produce-preview.js";
import { followProgram, isOnAir, layouts, orderProgram, program, refreshProgram } from "/assets/produce-program.js";

// Every event has these; they are drawn without a file.
const BUILT_IN = { bars: "Colour bars", slate: "Slate", countdown: "Countdown clip" };

const clips = () => [...videos(), ...Object.keys(BUILT_IN).map((id) => ({ id, kind: "video", isBuiltIn: true }))];
const clipName = (id) => BUILT_IN[id] ?? nameOf(assets.find((asset) => asset.id === id) ?? { id, kind: "video" });
const lengthOf = (id) => assets.find((asset) => asset.id === id)?.durationMs ?? null;
const pathOf = (asset, verb) => `${base}/media/${encodeURIComponent(asset)}/${verb}`;

// How clips are played

const form = new Form({
    id: "clip-form", card: false, status: true,
    rows: [[
        {
            name: "then", id: "clip-then", label: "After a clip", kind: "select",
            options: [["returnToScene", "back to the scene"], ["next", "on with the list"], ["hold", "stay at its last picture"]],
        },
        {
            name: "audio", id: "clip-audio", label: "Other sound", kind: "select",
            options: [["exclusive", "is off"], ["duck", "is lowered"], ["mix", "goes on"]],
        },
    ], [{
        name: "file", id: "clip-file", label: "Upload videos", kind: "file",
        attributes: { accept: "video/mp4,video/quicktime,video/webm,video/x-matroska,.mkv,.mov", multiple: "" },
        onchange: () => form.attempt(() => uploadChosen(form, "file"), form.control("file")),
    }]],
});
$("clips-mount").replaceWith(form.element);

/** How a clip is to be played, as the form says. */
function orderOf(id) {
    const { then, audio } = form.values();
    const list = videos().map((video) => video.id), following = list.slice(list.indexOf(id) + 1).slice(0, 32);
    // The last one of the list has nothing to go on with.
    if (then !== "next" || !list.includes(id) || !following.length) return { then: then === "next" ? "returnToScene" : then, audio };
    return { then, audio, next: following };
}

async function play(id) {
    await order(id, "play", { ...orderOf(id), positionMs: 0 });
    announce(`${clipName(id)} is on air.`);
}

async function cue(id) {
    await order(id, "pause", { ...orderOf(id), positionMs: 0 });
    announce(`${clipName(id)} is on air and stands at its first picture.`);
}

async function queue(id) {
    const { asset, next = [] } = program.media;
    const verb = program.media.state === "playing" ? "play" : "pause";
    await order(asset, verb, { then: "next", next: [...next, id] });
    announce(`${clipName(id)} follows.`);
}

/** Makes a clip the preview: it begins when the preview is taken, and goes back to what was on air then. */
async function prepare(id) {
    const takes = ({ accepts }) => !accepts || accepts.includes("media");
    const fit = layouts.filter(({ slots }) => slots.some(takes)), layout = fit.find(({ name }) => name === "media-full") ?? fit[0];
    if (!layout) throw new Error("No layout takes a video.");
    const { then, audio, next } = orderOf(id);
    const media = { asset: id, state: "playing", then, audio, ...(next && { next }) };
    await editPreview((scene) => ({ ...scene, layout: layout.name, slots: { [layout.slots.find(takes).id]: `media:${id}` }, media }));
    announce(`${clipName(id)} is in the preview.`);
}

// The list

function makeLine(id) {
    const name = element("strong"), what = element("span", { className: "muted" });
    const error = element("p", { className: "error" });
    error.setAttribute("role", "alert");
    const button = (label, act, does, className = "") => {
        const made = element("button", { type: "button", className: `small ${className}`, textContent: label, dataset: { act: does } });
        made.onclick = () => attempt(error, () => act(id), made).then(drawClips);
        return made;
    };
    const buttons = [
        [button("Play", play, "play", "primary"), "Play %s on air"], [button("Cue", cue, "cue"), "Put %s on air, standing at its first picture"],
        [button("Preview", prepare, "preview"), "Put %s into the preview"], [button("Queue", queue, "queue"), "Let %s follow what plays"],
    ];
    return {
        element: element("li", { dataset: { clip: id } }, element("span", { className: "grow" }, name, " ", what),
            element("span", { className: "row" }, ...buttons.map(([made]) => made)), error),
        draw(clip) {
            name.textContent = clipName(id);
            const isOn = program?.media?.asset === id, follows = (program?.media?.next ?? []).indexOf(id);
            what.textContent = [
                clip.durationMs && sayLength(clip.durationMs),
                isOn ? "on air" : follows >= 0 && program.media.then === "next" ? `follows as ${follows + 1}.` : "",
            ].filter(Boolean).join(" · ");
            this.element.toggleAttribute("data-on-air", isOn);
            for (const [made, label] of buttons) made.setAttribute("aria-label", label.replace("%s", clipName(id)));
            buttons[3][0].hidden = !program?.media || isOn;
        },
    };
}

const lines = new Lines($("clips"), makeLine);
function drawClips() { lines.draw(clips()); }

// What plays now

/**
 * Where the clip on air is: `heldMs` had run when it stood last, `since` is the program time from which on it runs, or null. The
 * studio tells that time to whoever starts it; who looks later finds out to a second or so (`isExact`), or not at all (`isKnown`).
 */
let roll = null, wasLooked = false;
const store = `roll:${base}`;

function observe(media, shownFrom) {
    const isFirst = !wasLooked;
    wasLooked = true;
    if (!media) {
        roll = null;
        return sessionStorage.removeItem(store);
    }
    const key = `${media.asset}/${media.run}/${media.positionMs ?? 0}`, isPlaying = media.state === "playing";
    // A poll finds what has begun since the last one, two seconds ago.
    const at = shownFrom ?? programNow() - 1000, isTold = typeof shownFrom === "number";
    if (roll?.key !== key) {
        const kept = isFirst ? JSON.parse(sessionStorage.getItem(store) ?? "null") : null;
        const end = endOf(roll), isNext = roll && end !== null && roll.media.next?.[0] === media.asset && !isTold;
        const begun = { key, media, heldMs: 0, since: isPlaying ? at : null };
        if (kept?.key === key) roll = { ...kept, media };
        else if (isNext) roll = { ...begun, since: isPlaying ? end : null, isExact: roll.isExact, isKnown: roll.isKnown };
        else roll = { ...begun, isExact: isTold || !isPlaying, isKnown: isTold || !isPlaying || (!isFirst && isOnAir) };
    }
    if (isPlaying && roll.since === null) Object.assign(roll, { since: at, isExact: roll.isExact && isTold });
    else if (!isPlaying && roll.since !== null) {
        Object.assign(roll, { heldMs: roll.heldMs + Math.max(0, at - roll.since), since: null, isExact: roll.isExact && isTold });
    }
    roll.media = media;
    sessionStorage.setItem(store, JSON.stringify(roll));
}

/** Where a clip is, in milliseconds of its own. */
function positionOf({ media, heldMs, since }) {
    const position = (media.positionMs ?? 0) + heldMs + (since === null ? 0 : Math.max(0, programNow() - since));
    return Math.min(position, lengthOf(media.asset) ?? position);
}

/** The program time at which a clip ends; null where nobody knows. */
function endOf(one) {
    const length = one && lengthOf(one.media.asset);
    return !length || one.since === null ? null : one.since + length - (one.media.positionMs ?? 0) - one.heldMs;
}

async function order(asset, verb, body) {
    await orderProgram("POST", pathOf(asset, verb), body, { isClip: true });
}

const STATES = { playing: "plays", paused: "stands", stopped: "is stopped" };

function sayAfter({ then = "returnToScene", next = [] }) {
    if (then === "hold") return "Stays at its last picture.";
    if (then === "next" && next.length) return `Then ${next.map(clipName).join(", ")}.`;
    return "Then back to the scene.";
}

function drawRoll() {
    const media = program?.media;
    $("roll").hidden = !media;
    if (!media) return;
    $("roll-name").textContent = clipName(media.asset);
    $("roll-state").textContent = STATES[media.state] ?? media.state;
    $("roll-after").textContent = sayAfter(media);
    $("roll-pause").textContent = media.state === "playing" ? "Pause" : "Play";
    drawPosition();
}

function drawPosition() {
    const { asset } = program.media, length = lengthOf(asset), slider = $("roll-position"), isKnown = isOnAir && Boolean(roll?.isKnown);
    slider.hidden = !length;
    slider.toggleAttribute("data-unknown", !isKnown);
    if (length) slider.max = length;
    const position = isKnown ? positionOf(roll) : 0, about = roll?.isExact ? "" : "about ";
    // Neither under somebody's hand nor while it is ahead of the clip.
    if (!isSeeking && (document.activeElement !== slider || !slider.matches(":active"))) slider.value = position;
    const place = isKnown ? `${about}${sayLength(position)}` : "";
    $("roll-time").textContent = length ? `${place || "–"} / ${sayLength(length)}` : place;
    slider.setAttribute("aria-valuetext", $("roll-time").textContent);
}

$("roll-pause").onclick = () => attempt($("roll-error"), () => {
    const { asset, state } = program.media;
    return order(asset, state === "playing" ? "pause" : "play", {});
}, $("roll-pause"));
$("roll-stop").onclick = () => attempt($("roll-error"), () => order(program.media.asset, "stop"), $("roll-stop"));

// A key that is held asks for many places: one seek is sent at a time, and of those that wait only the newest.
let sought = null, isSeeking = false;

async function seek() {
    isSeeking = true;
    try {
        while (sought && sought.asset === program.media?.asset) {
            const { asset, positionMs } = sought;
            sought = null;
            await order(asset, "seek", { positionMs });
        }
    } finally {
        sought = null;
        isSeeking = false;
    }
}

$("roll-position").onchange = ({ target }) => {
    if (!program?.media) return;
    const { asset } = program.media, last = Math.max(0, (lengthOf(asset) ?? 0) - 1);
    sought = { asset, positionMs: Math.min(Math.round(Number(target.value)), last) };
    if (!isSeeking) attempt($("roll-error"), seek);
};

followProgram((scene, shownFrom) => {
    observe(scene.media ?? null, shownFrom);
    drawRoll();
    drawClips();
});
followFiles(() => {
    drawClips();
    if (program) drawRoll();
});

setInterval(() => {
    if (!program?.media) return;
    drawPosition();
    const end = endOf(roll);
    // The studio says what came after it.
    if (end !== null && hasJustPassed(end) && program.media.then !== "hold") refreshProgram().catch(() => {});
}, 500);
