// The sound on the producer's desk: how loud each source comes in and the program goes out, faders, ducking and levelling.

import { request } from "/assets/client.js";
import { $, announce, attempt, base, repeat } from "/assets/console.js";
import { element } from "/assets/polls.js";
import { assets, nameOf } from "/assets/produce-files.js";
import { Form, Lines } from "/assets/produce-forms.js";
import { people, refreshPeople } from "/assets/produce-people.js";
import { changeProgram, followProgram, isOnAir, program } from "/assets/produce-program.js";
import { followTabs, isOpen } from "/assets/produce-tabs.js";

// What was read last; null while nothing is to be heard. And why it can't be read now, if so.
let sound = null, problem = null;

// Faders: decibels, with silence at the lower end.
const FLOOR = -40, CEILING = 12;
const decibels = (volume) => volume > 0 ? Math.min(CEILING, Math.max(FLOOR, 20 * Math.log10(volume))) : FLOOR;
const factor = (db) => db <= FLOOR ? 0 : Math.min(4, Math.round(1000 * 10 ** (db / 20)) / 1000);
const sayVolume = (volume) => volume > 0 ? `${decibels(volume) > 0 ? "+" : ""}${Math.round(decibels(volume))} dB` : "off";
/** A level as a part of the meter, which goes down to −60 dBFS. */
const part = (db) => Math.min(1, Math.max(0, 1 + db / 60));

/** Who or what a source is, as people know it. */
function sayName(source) {
    if (source === "program") return "Everything";
    const [kind, id] = source.split(/:(.*)/s);
    if (kind === "participant") return people().find((person) => person.id === id)?.name ?? "Speaker";
    if (kind === "screen") return `${people().find((person) => person.id === id)?.name ?? "Speaker"}'s screen`;
    if (kind === "media") return nameOf(assets.find((asset) => asset.id === id) ?? { id, kind: "video" });
    return id ?? source;
}

/** The level of a source, as the studio says. */
function levelOf(source) {
    const person = source.startsWith("participant:") && people().find(({ id }) => `participant:${id}` === source);
    const said = source === "program" ? program?.audio?.program : program?.audio?.sources?.[source];
    const { volume = 1, muted = false } = person || said || {};
    return { volume, muted };
}

async function setLevel(source, level) {
    if (source === "program") return changeProgram({ audio: { program: level } });
    if (!source.startsWith("participant:")) return changeProgram({ audio: { sources: { [source]: level } } });
    await request("PATCH", `${base}/participants/${encodeURIComponent(source.slice(12))}`, level);
    await refreshPeople();
}

/** One line of the mixer: meter, fader, and a switch. */
function makeLine(source) {
    const name = element("strong"), said = element("output", { className: "muted time" });
    const level = element("span", { className: "level" }, element("i"), element("b"));
    const fader = element("input", { type: "range", min: FLOOR, max: CEILING, step: 1 });
    const mute = element("button", { type: "button", className: "small" });
    level.setAttribute("role", "meter");
    level.setAttribute("aria-valuemin", -60);
    level.setAttribute("aria-valuemax", 0);
    let isHeld = false;
    fader.oninput = () => {
        isHeld = true;
        said.textContent = sayVolume(factor(Number(fader.value)));
    };
    fader.onchange = () => attempt($("mixer-error"), () => setLevel(source, { volume: factor(Number(fader.value)) })).then(() => {
        isHeld = false;
        draw();
    });
    mute.onclick = () => attempt($("mixer-error"), async () => {
        const muted = !levelOf(source).muted;
        await setLevel(source, { muted });
        announce(`${sayName(source)} is ${muted ? "muted" : "heard"}.`);
    }, mute).then(draw);
    return {
        element: element("li", { dataset: { source } }, name, level, fader, said, mute),
        draw({ heard }) {
            const { volume, muted } = levelOf(source), label = sayName(source);
            name.textContent = label;
            fader.setAttribute("aria-label", `Volume of ${label}`);
            fader.setAttribute("aria-valuetext", sayVolume(volume));
            level.setAttribute("aria-label", `Level of ${label}`);
            mute.textContent = muted ? "Unmute" : "Mute";
            mute.setAttribute("aria-label", `${mute.textContent}: ${label}`);
            mute.setAttribute("aria-pressed", String(muted));
            if (!isHeld) {
                fader.value = Math.round(decibels(volume));
                said.textContent = sayVolume(volume);
            }
            level.hidden = source === "program";
            level.style.setProperty("--rms", heard ? part(heard.rmsDb) : 0);
            level.style.setProperty("--peak", heard ? part(heard.peakDb) : 0);
            level.toggleAttribute("data-speaking", Boolean(heard?.speaking));
            level.setAttribute("aria-valuenow", heard ? Math.max(-60, Math.round(heard.rmsDb)) : -60);
        },
    };
}

const lines = new Lines($("mixer"), makeLine);

function draw() {
    const heard = new Map((sound?.sources ?? []).map((one) => [one.source, one]));
    const named = Object.keys(program?.audio?.sources ?? {});
    const speakers = people().filter(({ onStage }) => onStage).map(({ id }) => `participant:${id}`);
    const sources = [...new Set([...speakers, ...heard.keys(), ...named])];
    sources.sort((one, other) => sayName(one).localeCompare(sayName(other)));
    lines.draw(["program", ...sources].map((source) => ({ source, heard: heard.get(source) })), ({ source }) => source);
    drawLoudness();
}

const FIGURES = [
    ["momentaryLufs", "Now", "LUFS"], ["shortTermLufs", "3 seconds", "LUFS"], ["integratedLufs", "All so far", "LUFS"],
    ["truePeakDb", "True peak", "dBTP"],
];
const figures = FIGURES.map(([, label, unit]) => {
    const value = element("dd", { textContent: "–" });
    const scale = element("dd", { className: "muted", textContent: unit });
    $("loudness").append(element("div", {}, element("dt", { textContent: label }), value, scale));
    return value;
});

function drawLoudness() {
    for (const [index, [key]] of FIGURES.entries()) {
        const value = sound?.loudness?.[key];
        figures[index].textContent = value === undefined || value <= -100 ? "–" : value.toFixed(1);
    }
    const does = sound ? [
        Math.abs(sound.levelingDb) >= 0.1 && `levelling ${sound.levelingDb > 0 ? "+" : ""}${sound.levelingDb.toFixed(1)} dB`,
        Math.abs(sound.duckingDb) >= 0.1 && `ducking ${sound.duckingDb.toFixed(1)} dB`,
        Math.abs(sound.limitingDb) >= 0.1 && `limiter ${sound.limitingDb.toFixed(1)} dB`,
    ].filter(Boolean) : [];
    $("sound-state").textContent = problem ? `The sound can't be read now: ${problem.message}`
        : !sound ? "There is nothing to hear: the program does not run."
        : does.length ? `Now: ${does.join(", ")}.` : "The sound goes out as it is mixed.";
}

// What the desk does by itself

const apply = () => form.attempt(async () => {
    const { leveling, enabled, depthDb } = form.values();
    await changeProgram({ audio: { leveling, ducking: { enabled, depthDb: Number(depthDb) } } });
}).then(fill);
const form = new Form({
    id: "sound-form", title: "By itself", within: "/audio",
    rows: [
        [{ name: "leveling", label: "Bring the program slowly to −16 LUFS", kind: "check", onchange: apply }],
        [{ name: "enabled", label: "Lower clips and music while somebody speaks", kind: "check", value: true, onchange: apply }],
        [{
            name: "depthDb", id: "ducking-depth", label: "By how many decibels", kind: "number", value: 12, onchange: apply,
            attributes: { min: 0, max: 40, step: 1, required: "" },
        }],
    ],
});
$("sound-mount").replaceWith(form.element);

function fill() {
    const { leveling = false, ducking: { enabled = true, depthDb = 12 } = {} } = program?.audio ?? {};
    form.fill({ leveling, enabled, depthDb });
}

followProgram(() => {
    if (!form.isInUse) fill();
    if (isOpen("sound")) draw();
});

async function listen() {
    if (!isOpen("sound")) return;
    try {
        sound = isOnAir ? await request("GET", `${base}/program/sound`) : null;
        problem = null;
    } catch (reason) {
        // The studio says by 404 that the program does not run; otherwise what was heard last stays.
        if (reason.status === 404) sound = null;
        problem = reason.status === 404 ? null : reason;
    }
    draw();
}

/** Begins to listen while the panel is open. */
export function startSound() {
    const look = repeat(listen, 400);
    followTabs((name) => { if (name === "sound") look(); });
}
