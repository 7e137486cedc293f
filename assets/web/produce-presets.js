// Saved scenes on the producer's desk: kept under a name, called up into the preview, removed.

import { request, requestAll } from "/assets/client.js";
import { $, announce, attempt, base, makeDeliberate, repeat } from "/assets/console.js";
import { element } from "/assets/polls.js";
import { Form, Lines, refuse } from "/assets/produce-forms.js";
import { drawLayout, sayLayout } from "/assets/produce-layouts.js";
import { knownPreview, recallPreset, sayOverlays } from "/assets/produce-preview.js";
import { followProgram, knownProgram, layouts } from "/assets/produce-program.js";

/** The saved scenes, by name. */
export let presets = [];

async function refreshPresets() {
    presets = await requestAll(`${base}/presets`);
    drawPresets();
    $("no-presets").hidden = presets.length > 0;
    sayWhatSaves();
}

/** The name under which the studio keeps what somebody has typed: small letters, digits and hyphens. */
const slugOf = (text) => text.normalize("NFD").toLowerCase().replace(/\p{M}/gu, "").replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "").slice(0, 64);

const pathOf = (name) => `${base}/presets/${encodeURIComponent(name)}`;

function makeLine(name) {
    const picture = element("span", { className: "drawing" });
    const recall = element("button", { type: "button", className: "recall" }, picture, element("span", { textContent: name }));
    const error = element("p", { className: "error" });
    error.setAttribute("role", "alert");
    recall.onclick = () => attempt(error, async () => {
        const missing = await recallPreset(name);
        announce(`${name} is in the preview.`);
        // The line speaks by itself.
        if (missing) error.textContent = `It is in the preview, but what its clip was to go back to is gone: ${missing}.`;
    }, recall);
    const remove = makeDeliberate(element("button", { type: "button", className: "small", textContent: "Remove" }), () =>
        attempt(error, async () => {
            await request("DELETE", pathOf(name));
            await refreshPresets();
            announce(`${name} is removed.`);
        }, remove));
    remove.setAttribute("aria-label", `Remove ${name}`);
    let drawn = "";
    return {
        element: element("li", { dataset: { preset: name } }, recall, remove, error),
        draw({ scene }) {
            // The layouts may come to be known later.
            const wanted = `${scene.layout}/${layouts.length}`;
            if (wanted !== drawn) picture.replaceChildren(drawLayout(scene.layout));
            drawn = wanted;
            const over = sayOverlays(scene.overlays);
            recall.title = `${sayLayout(scene.layout)}${over && ` · ${over}`}: into the preview`;
            recall.setAttribute("aria-label", `Put ${name} into the preview`);
        },
    };
}

const lines = new Lines($("presets"), makeLine);
function drawPresets() { lines.draw(presets, ({ name }) => name); }
followProgram(drawPresets);

const form = new Form({
    id: "save-preset", card: false, submit: "Save", status: true,
    rows: [[
        { name: "name", id: "preset-name", label: "Save under a name", attributes: { maxlength: 64, required: "", placeholder: "Opening" } },
        {
            name: "of", id: "preset-of", label: "What", kind: "select", wide: false,
            options: [["program", "what is on air"], ["preview", "the preview"]],
        },
    ]],
    onsubmit: async (values) => {
        const { name, of } = values, slug = slugOf(name);
        if (!slug) throw refuse("name", "A name needs letters from a to z, or digits.");
        const { programTime, ready, ...scene } = of === "preview" ? knownPreview() : knownProgram();
        await request("PUT", pathOf(slug), scene);
        form.resetAfter(values);
        await refreshPresets();
        announce(`Saved as ${slug}.`);
    },
});
$("preset-mount").replaceWith(form.element);
form.control("name").oninput = sayWhatSaves;

function sayWhatSaves() {
    const typed = form.control("name").value, slug = slugOf(typed), isThere = presets.some(({ name }) => name === slug);
    form.submit.textContent = isThere ? "Replace" : "Save";
    form.status.textContent = !slug ? "" : isThere ? `${slug} is there already.` : slug === typed.trim() ? "" : `It will be called ${slug}.`;
}

/** Begins to follow which scenes are saved. */
export function startPresets() { repeat(refreshPresets, 5000); }
