// Files of the event on the producer's desk: uploading with progress, what each is called here, and the list of all of them.

import { Problem, request, requestAll } from "/assets/client.js";
import { $, announce, attempt, base, makeDeliberate, repeat, sayLength } from "/assets/console.js";
import { element } from "/assets/polls.js";
import { Lines } from "/assets/produce-forms.js";

/** Pictures, videos, sounds and fonts, as the studio lists them. */
export let assets = [];
const followers = [];

/** Calls a function whenever there are other files. */
export function followFiles(follower) { followers.push(follower); }

export const pictures = () => assets.filter(({ kind }) => kind === "picture");
export const videos = () => assets.filter(({ kind }) => kind === "video");
export const sounds = () => assets.filter(({ kind }) => kind === "audio");
export const fonts = () => assets.filter(({ kind }) => kind === "font");

/** Asks which files there are. */
async function refreshFiles() {
    const found = await requestAll(`${base}/assets`);
    if (JSON.stringify(found) === JSON.stringify(assets)) return;
    assets = found;
    for (const follower of followers) follower();
    drawFiles();
}

// Some systems name no type, or another one, for these.
const TYPES = {
    pdf: "application/pdf", ttf: "font/ttf", otf: "font/otf", mp4: "video/mp4", m4v: "video/mp4", mov: "video/quicktime",
    webm: "video/webm", mkv: "video/x-matroska", mp3: "audio/mpeg", m4a: "audio/mp4", wav: "audio/wav", flac: "audio/flac",
    ogg: "audio/ogg", oga: "audio/ogg", opus: "audio/ogg", weba: "audio/webm",
};

/** Those of what is to be heard alone. Videos have some of these endings, too: where there is a picture after all, the studio says so. */
export const SOUND_TYPES = {
    ...TYPES, mp4: "audio/mp4", m4v: "audio/mp4", mov: "audio/mp4", webm: "audio/webm", mkv: "audio/webm", mka: "audio/webm",
};

/**
 * Sends a file as it is; `onProgress` is told the part that has gone, 0 to 1; `types` are content types by the ending of its name.
 * Returns what the studio made of it.
 */
export function upload(path, file, onProgress = () => {}, types = TYPES) {
    const ending = file.name.split(".").at(-1).toLowerCase();
    return new Promise((resolve, reject) => {
        // fetch does not tell how much of a body has gone.
        const sending = new XMLHttpRequest();
        sending.open("POST", path);
        sending.setRequestHeader("Content-Type", types[ending] ?? (file.type || "application/octet-stream"));
        sending.setRequestHeader("Idempotency-Key", crypto.randomUUID());
        sending.upload.onprogress = ({ loaded, total }) => onProgress(total ? loaded / total : 0);
        sending.onload = () => {
            let json = null;
            try { json = JSON.parse(sending.responseText); } catch { /* the status says enough */ }
            if (sending.status >= 200 && sending.status < 300) resolve(json);
            else reject(new Problem(sending.status, json ?? {}));
        };
        sending.onerror = () => reject(new Problem(0, { title: "The file could not be sent." }));
        sending.send(file);
    });
}

/** Uploads what was chosen in a form's field of files; the status line says how far it is. Returns the assets. */
export async function uploadChosen(form, name, types) {
    const control = form.control(name), made = [];
    const files = [...control.files];
    try {
        for (const file of files) {
            const say = (part) => {
                form.status.textContent = part < 1 ? `${file.name}: ${Math.floor(100 * part)} %` : `${file.name} is being looked at`;
            };
            say(0);
            const asset = await upload(`${base}/assets`, file, say, types);
            remember(LABELS[asset.kind], asset.id, file.name);
            made.push(asset);
        }
    } finally {
        control.value = "";
        form.status.textContent = "";
        await refreshFiles();
    }
    announce(made.length === 1 ? `${files[0].name} is there.` : `${made.length} files are there.`);
    return made;
}

// Names

const LABELS = { picture: "pictures", video: "videos", audio: "sounds", font: "fonts" };
const WORDS = { picture: "Picture", video: "Clip", audio: "Sound", font: "Font" };

/** The names of uploaded files are this browser's own affair: the studio knows their ids. */
export function remember(kind, id, label) {
    const labels = Object.entries({ ...recalled(kind), [id]: label }).slice(-200);
    try {
        localStorage.setItem(`${base}/${kind}`, JSON.stringify(Object.fromEntries(labels)));
    } catch { /* full or not allowed: the file is there all the same, under a name of the page's own */ }
}

/** What this browser knows a file as, if it does. */
export const labelOf = (kind, id) => recalled(kind)[id];

/** What an asset is called on this page. */
export function nameOf(asset) {
    const known = labelOf(LABELS[asset.kind], asset.id);
    return known ?? `${WORDS[asset.kind]} ${asset.id.slice(0, 4)}`;
}

function recalled(kind) {
    try { return JSON.parse(localStorage.getItem(`${base}/${kind}`)) ?? {}; } catch { return {}; }
}

// The list of all files

function makeLine(id) {
    const name = element("strong"), what = element("span", { className: "muted" }), error = element("p", { className: "error" });
    error.setAttribute("role", "alert");
    const remove = makeDeliberate(element("button", { type: "button", textContent: "Remove" }), () => attempt(error, async () => {
        await request("DELETE", `${base}/assets/${encodeURIComponent(id)}`);
        await refreshFiles();
    }, remove));
    return {
        element: element("li", { dataset: { asset: id } }, element("span", { className: "grow" }, name, " ", what), remove, error),
        draw(asset) {
            name.textContent = nameOf(asset);
            remove.setAttribute("aria-label", `Remove ${nameOf(asset)}`);
            what.textContent = [
                asset.width && `${asset.width} × ${asset.height}`, asset.durationMs && sayLength(asset.durationMs),
                asset.kind,
            ].filter(Boolean).join(" · ");
        },
    };
}

const lines = new Lines($("files"), makeLine);
function drawFiles() {
    lines.draw(assets);
    $("files-card").hidden = assets.length === 0;
}
drawFiles();

/** Begins to follow which files there are. */
export async function startFiles() {
    await refreshFiles();
    repeat(refreshFiles, 10_000);
}
