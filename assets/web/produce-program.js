// The program on the producer's desk: its picture, layout, lower third and background, and the preview that becomes it.

import { Problem, request, requestTagged } from "/assets/client.js";
import { $, announce, attempt, base, repeat } from "/assets/console.js";
import { element } from "/assets/polls.js";

/** What the program shows, as the studio said last; null before. */
export let program = null;
let layouts = [], pictures = [], preview = null, previewTag = null;
const followers = [];

/** Calls a function with each scene that the program shows from now on. */
export function followProgram(follower) { followers.push(follower); }

function take(scene) {
    program = scene;
    for (const follower of followers) follower(scene);
    drawProgram();
}

/** Brings the program's scene up to date. */
export async function refreshProgram() { take(await request("GET", `${base}/program`)); }

/** Changes parts of the program's scene; says when that is seen. */
export async function changeProgram(changes) {
    const answer = await request("PATCH", `${base}/program`, changes);
    tellShown(answer);
    take(answer);
}

function tellShown({ programTime, ready }) {
    if (programTime === null || programTime === undefined) return $("shown").replaceChildren("Kept for when the program runs.");
    const moment = new Date(programTime).toISOString().slice(11, 23);
    $("shown").textContent = `Shown at ${moment} program time${ready === false ? "; a card stands in until everything is there." : "."}`;
}

// Pictures of what is out and what comes next

/** Keeps one picture up to date: one request at a time, none while the page is hidden. */
class Still {
    #picture; #blank; #path; #address = null; #isWanted;

    constructor(name, path, intervalMs, isWanted) {
        this.#picture = $(`${name}-picture`);
        this.#blank = $(`${name}-blank`);
        this.#path = path;
        this.#isWanted = isWanted;
        this.look = repeat(() => this.#look(), intervalMs);
    }

    async #look() {
        if (!this.#isWanted()) return this.#clear();
        let response;
        try {
            response = await fetch(this.#path, { credentials: "same-origin", cache: "no-store" });
        } catch {
            return this.#clear("The studio can't be reached.");
        }
        if (!response.ok) {
            const problem = new Problem(response.status, await response.json().catch(() => ({})));
            return this.#clear(problem.message);
        }
        const address = URL.createObjectURL(await response.blob());
        this.#picture.src = address;
        await this.#picture.decode().catch(() => {});
        if (this.#address) URL.revokeObjectURL(this.#address);
        this.#address = address;
        this.#picture.hidden = false;
        this.#blank.hidden = true;
    }

    #clear(text) {
        this.#picture.hidden = true;
        this.#blank.hidden = false;
        if (text) this.#blank.textContent = text;
    }
}

// The program

function drawProgram() {
    for (const button of $("layouts").children) button.setAttribute("aria-pressed", String(button.dataset.layout === program.layout));
    const lines = program.overlays?.lowerThirds ?? [];
    $("lower-hide").disabled = lines.length === 0;
    $("lower-shown").textContent = lines.length ? `${lines.map(({ name }) => name).join(", ")} is shown` : "";
    drawBackground();
}

function drawLayouts() {
    $("layouts").replaceChildren(...layouts.map(({ name, title }) => {
        const button = element("button", { type: "button", textContent: title ?? name, dataset: { layout: name } });
        button.onclick = () => attempt($("program-error"), async () => {
            // What filled the slots of one layout means nothing in another.
            const slots = Object.fromEntries(Object.keys(program?.slots ?? {}).map((slot) => [slot, null]));
            await changeProgram({ layout: name, slots });
            announce(`${title ?? name} is shown.`);
        }, button);
        return button;
    }));
    $("next-layout").replaceChildren(...layouts.map(({ name, title }) => new Option(title ?? name, name)));
}

function lowerThirds(name, title, theme) {
    const line = { name: name.trim() };
    if (title.trim()) line.title = title.trim();
    if (theme) line.theme = theme;
    return line.name ? [line] : [];
}

$("lower").onsubmit = (submission) => {
    submission.preventDefault();
    const form = submission.target;
    const { name, title, theme } = Object.fromEntries(new FormData(form));
    attempt(form.querySelector(".error"), async () => {
        await changeProgram({ overlays: { lowerThirds: lowerThirds(name, title, theme) } });
        announce(`The lower third of ${name} is shown.`);
    }, form.querySelector(".primary"));
};
$("lower-hide").onclick = () => attempt($("lower").querySelector(".error"), async () => {
    await changeProgram({ overlays: { lowerThirds: [] } });
    announce("The lower third is hidden.");
});

/** Fills in who is to be named. */
export function nameInLowerThird(name, title) {
    $("lower-name").value = name;
    $("lower-title").value = title ?? "";
    $("lower-name").focus();
}

// Backgrounds

function backgroundOptions(current) {
    const options = [new Option("As the layout says", ""), new Option("A colour", "colour")];
    const known = new Set();
    for (const [index, { id }] of pictures.entries()) {
        known.add(`image:${id}`);
        options.push(new Option(labelOf("pictures", id) ?? `Picture ${index + 1}`, `image:${id}`));
    }
    if (current?.startsWith("image:") && !known.has(current)) options.push(new Option("A picture", current));
    return options;
}

function setBackground(select, current) {
    select.replaceChildren(...backgroundOptions(current));
    select.value = current?.startsWith("#") ? "colour" : current ?? "";
}

function drawBackground() {
    // Not under the hand of somebody who is choosing.
    if (document.activeElement === $("background-choice")) return;
    setBackground($("background-choice"), program?.background);
    if (program?.background?.startsWith("#")) $("background-colour").value = program.background;
    $("colour-field").hidden = $("background-choice").value !== "colour";
}

const chosenBackground = () => {
    const { value } = $("background-choice");
    return value === "colour" ? $("background-colour").value : value || null;
};
const applyBackground = () => attempt($("background-error"), () => changeProgram({ background: chosenBackground() }));
$("background-choice").onchange = () => {
    $("colour-field").hidden = $("background-choice").value !== "colour";
    applyBackground();
};
$("background-colour").onchange = applyBackground;
$("background").onsubmit = (submission) => submission.preventDefault();
$("background-file").onchange = ({ target }) => attempt($("background-error"), async () => {
    const [file] = target.files;
    if (!file) return;
    const { id } = await upload(`${base}/assets`, file);
    remember("pictures", id, file.name);
    target.value = "";
    await refreshPictures();
    await changeProgram({ background: `image:${id}` });
    setBackground($("next-background"), $("next-background").value || null);
    announce("The background is shown.");
}, target);

async function refreshPictures() {
    const { items } = await request("GET", `${base}/assets?limit=100`);
    pictures = items.filter(({ kind }) => kind === "picture");
}

/** Sends a file as it is; returns what the studio made of it. */
export async function upload(path, file) {
    const type = file.type || (/\.pdf$/i.test(file.name) ? "application/pdf" : "application/octet-stream");
    return request("POST", path, file, { "Content-Type": type, "Idempotency-Key": crypto.randomUUID() });
}

/** The names of uploaded files are this browser's own affair: the studio knows their ids. */
export function remember(kind, id, label) {
    const labels = Object.entries({ ...recalled(kind), [id]: label }).slice(-100);
    localStorage.setItem(`${base}/${kind}`, JSON.stringify(Object.fromEntries(labels)));
}

/** What this browser knows a file as, if it does. */
export const labelOf = (kind, id) => recalled(kind)[id];

function recalled(kind) {
    try { return JSON.parse(localStorage.getItem(`${base}/${kind}`)) ?? {}; } catch { return {}; }
}

// The preview

async function refreshPreview() {
    preview = await request("GET", `${base}/preview`).catch((problem) => {
        if (problem.status === 404) return null;
        throw problem;
    });
    drawPreview();
}

function drawPreview() {
    if ($("next").contains(document.activeElement) && document.activeElement.matches("input, select")) return;
    const scene = preview ?? program;
    if (!scene) return;
    $("next-layout").value = scene.layout;
    setBackground($("next-background"), scene.background?.startsWith("#") ? null : scene.background);
    const [line] = scene.overlays?.lowerThirds ?? [];
    $("next-name").value = line?.name ?? "";
    $("next-title").value = line?.title ?? "";
}

async function putPreview() {
    const { layout, background, name, title } = Object.fromEntries(new FormData($("next")));
    // What else lies over the picture goes on over the take, and so does the theme of who is named there again.
    const theme = [...preview?.overlays?.lowerThirds ?? [], ...program?.overlays?.lowerThirds ?? []]
        .find((line) => line.name === name.trim())?.theme;
    const scene = { layout, overlays: { ...program?.overlays, lowerThirds: lowerThirds(name, title, theme) } };
    const picked = background === "colour" ? program?.background : background;
    if (picked) scene.background = picked;
    if (program?.slides) scene.slides = program.slides;
    if (program?.audio) scene.audio = program.audio;
    ({ json: preview, etag: previewTag } = await requestTagged("PUT", `${base}/preview`, scene));
    stills.preview.look();
}

$("next").onsubmit = (submission) => {
    submission.preventDefault();
    attempt($("next-error"), async () => {
        await putPreview();
        announce("The preview is ready.");
    }, submission.submitter ?? $("take"));
};
$("next").onchange = ({ target }) => {
    if (target.id !== "transition") attempt($("next-error"), putPreview);
};
$("take").onclick = () => attempt($("next-error"), async () => {
    await putPreview();
    const transition = $("transition").value;
    // What is taken is what was put there just now, and not what another producer has put there since.
    const body = { transition, durationMs: transition === "cut" ? 0 : 500 };
    const answer = await request("POST", `${base}/take`, body, { "If-Match": previewTag });
    tellShown(answer);
    await refreshProgram();
    announce("The preview is the program now.");
}, $("take"));

// The page

const stills = {};

/** Begins to show and to follow the program; `isRunning()` says whether there is a picture to ask for. */
export async function startProgram(isRunning) {
    await refreshPictures();
    ({ items: layouts } = await request("GET", `${base}/layouts`));
    drawLayouts();
    await refreshProgram();
    await refreshPreview();
    repeat(refreshProgram, 2000);
    stills.program = new Still("program", `${base}/program.jpg`, 1000, isRunning);
    stills.preview = new Still("preview", `${base}/preview.jpg`, 3000, () => isRunning() && preview !== null);
}

/** Says that the program does not run. */
export function sayProgramState(text) { $("program-blank").textContent = text; }
