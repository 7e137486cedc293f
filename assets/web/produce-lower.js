// Lower thirds on the producer's desk: several at once, each of which can be changed and hidden.

import { $, announce, programNow } from "/assets/console.js";
import { Form, fillOptions } from "/assets/produce-forms.js";
import { bringOverlays, editPreview, hasOwnOverlays } from "/assets/produce-preview.js";
import { changeProgram, editProgram, followProgram, knownProgram, program } from "/assets/produce-program.js";
import { openTab } from "/assets/produce-tabs.js";

// The one on air that the form changes; null when it adds one.
let edited = null;

/** Whether a lower third has been seen for as long as it was to be. */
export const isOver = ({ untilProgramTime }) => untilProgramTime !== undefined && untilProgramTime <= programNow();

const isSame = (one, other) => one.id !== undefined ? one.id === other.id : JSON.stringify(one) === JSON.stringify(other);

/** Changes the list that is on air; what is over is left out of the new one. */
const editLines = (make) => editProgram(({ overlays }) => {
    const lines = (overlays?.lowerThirds ?? []).filter((line) => !isOver(line));
    return { overlays: { lowerThirds: make(lines) } };
});

function read({ name, title, theme }) {
    const line = { name };
    if (title) line.title = title;
    if (theme) line.theme = theme;
    return line;
}

const newId = () => crypto.randomUUID().slice(0, 13);

async function show(values) {
    const line = read(values), seconds = Number(values.seconds);
    if (seconds) line.untilProgramTime = Math.round(programNow() + 1000 * seconds);
    const old = edited;
    // The same one with another text: it changes where it stands.
    const kept = old && { ...(old.id && { id: old.id }), ...(old.lang && { lang: old.lang }) };
    if (old) await editLines((lines) => lines.map((one) => isSame(one, old) ? { ...kept, ...line } : one));
    else await editLines((lines) => [...lines, { id: newId(), ...line }]);
    leaveAfter(values, old);
    announce(`The lower third of ${line.name} is ${old ? "changed" : "shown"}.`);
}

async function prepare() {
    if (!form.element.reportValidity()) return;
    const values = form.values(), old = edited, line = { id: newId(), ...read(values) };
    if (Number(values.seconds)) line.durationMs = Math.round(1000 * Number(values.seconds));
    await editPreview((scene) => {
        const overlays = hasOwnOverlays() ? scene.overlays : knownProgram().overlays;
        return { ...scene, overlays: { ...overlays, lowerThirds: [...overlays?.lowerThirds ?? [], line] } };
    });
    bringOverlays("own");
    leaveAfter(values, old);
    announce(`The lower third of ${line.name} is in the preview.`);
}

const form = new Form({
    id: "lower", title: "Lower third", submit: "Show", status: true, within: "/overlays/lowerThirds",
    rows: [[
        { name: "name", id: "lower-name", label: "Name", attributes: { maxlength: 120, required: "" } },
        { name: "title", id: "lower-title", label: "Title", attributes: { maxlength: 120 } },
    ], [
        { name: "theme", id: "lower-theme", label: "Theme", kind: "select", options: [["", "As all overlays"]] },
        {
            name: "seconds", key: "untilProgramTime", id: "lower-seconds", label: "Seconds", kind: "number", wide: false,
            attributes: { min: 0.5, max: 86_400, step: 0.5, placeholder: "until hidden" },
        },
    ]],
    buttons: [
        { label: "Into the preview", id: "lower-prepare" }, { label: "Cancel", id: "lower-cancel", hidden: true },
        { label: "Hide all", id: "lower-hide", disabled: true },
    ],
    onsubmit: show,
});
$("lower-mount").replaceWith(form.element);
const [prepareButton, cancelButton, hideButton] = form.buttons;
prepareButton.onclick = () => form.attempt(prepare, prepareButton);
cancelButton.onclick = leave;
hideButton.onclick = () => form.attempt(async () => {
    await changeProgram({ overlays: { lowerThirds: [] } });
    leave();
    announce("All lower thirds are hidden.");
}).then(draw);

/** Leaves what was sent; what somebody has typed since, or begun to edit, stays. */
function leaveAfter(values, old) {
    if (edited && edited !== old) return draw();
    form.resetAfter(values);
    edited = null;
    draw();
}

function leave() {
    edited = null;
    form.element.reset();
    draw();
}

/** Fills the form with a lower third that is on air. */
export function editLowerThird(line) {
    edited = line;
    form.fill({ name: line.name, title: line.title, theme: line.theme ?? "" });
    draw();
    form.control("name").focus();
}

/** Takes one lower third off the air; the others stay. */
export async function hideLowerThird(line) {
    await editLines((lines) => lines.filter((one) => !isSame(one, line)));
    if (edited && isSame(edited, line)) leave();
    announce(`The lower third of ${line.name} is hidden.`);
}

/** Fills in who is to be named. */
export function nameInLowerThird(name, title) {
    openTab("overlays");
    edited = null;
    form.fill({ name, title });
    draw();
    form.control("name").focus();
}

/** Offers themes for each lower third of its own. */
export function offerThemes(themes) { fillOptions(form.control("theme"), [["", "As all overlays"], ...themes]); }

function draw() {
    const lines = program?.overlays?.lowerThirds ?? [];
    form.title.textContent = edited ? `Change the lower third of ${edited.name}` : "Lower third";
    form.submit.textContent = edited ? "Change" : "Show";
    prepareButton.hidden = Boolean(edited);
    cancelButton.hidden = !edited;
    hideButton.disabled = lines.length === 0;
}

followProgram(({ overlays }) => {
    // A colleague has hidden it: what is in the form can be shown anew.
    if (edited && !(overlays?.lowerThirds ?? []).some((line) => isSame(line, edited))) edited = null;
    draw();
});
