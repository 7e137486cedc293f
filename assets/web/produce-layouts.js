// Layouts and backgrounds on the producer's desk: one press puts them on air.

import { $, announce, attempt } from "/assets/console.js";
import { element } from "/assets/polls.js";
import { followFiles, nameOf, pictures, uploadChosen } from "/assets/produce-files.js";
import { fillOptions, Form } from "/assets/produce-forms.js";
import { changeProgram, followProgram, layouts, program } from "/assets/produce-program.js";

const SVG = "http://www.w3.org/2000/svg";

/** A layout's name as people read it. */
export function sayLayout(name) { return name.charAt(0).toUpperCase() + name.slice(1).replaceAll("-", " "); }

/** A layout as a small drawing: its slots, those that hold several cut into parts. */
export function drawLayout(name) {
    const layout = layouts.find((one) => one.name === name);
    const picture = document.createElementNS(SVG, "svg");
    const [across, down] = layout?.canvas ?? [16, 9], unit = 36 / Math.min(across, down);
    picture.setAttribute("viewBox", `0 0 ${across * unit} ${down * unit}`);
    picture.setAttribute("aria-hidden", "true");
    for (const { rect: [x, y, width, height], flow } of layout?.slots ?? []) {
        const [columns, rows] = { row: [3, 1], column: [1, 3], grid: [2, 2] }[flow?.direction] ?? [1, 1];
        for (let part = 0; part < columns * rows; part++) {
            const tile = document.createElementNS(SVG, "rect");
            const place = {
                x: x + (width / columns) * (part % columns) + 0.7, y: y + (height / rows) * Math.floor(part / columns) + 0.7,
                width: width / columns - 1.4, height: height / rows - 1.4, rx: 1,
            };
            for (const [key, value] of Object.entries(place)) tile.setAttribute(key, value);
            picture.append(tile);
        }
    }
    return picture;
}

function drawLayouts() {
    $("layouts").replaceChildren(...layouts.map(({ name, title }) => {
        const button = element("button", { type: "button", dataset: { layout: name }, title: title ?? name },
            drawLayout(name), element("span", { textContent: sayLayout(name) }));
        button.setAttribute("aria-label", title ? `${sayLayout(name)}: ${title}` : sayLayout(name));
        button.onclick = () => attempt($("program-error"), async () => {
            // What filled the slots of one layout means nothing in another.
            const slots = Object.fromEntries(Object.keys(program?.slots ?? {}).map((slot) => [slot, null]));
            await changeProgram({ layout: name, slots });
            announce(`${sayLayout(name)} is shown.`);
        }, button);
        return button;
    }));
}

followProgram((scene) => {
    if ($("layouts").children.length !== layouts.length) drawLayouts();
    for (const button of $("layouts").children) button.setAttribute("aria-pressed", String(button.dataset.layout === scene.layout));
    drawBackground();
});

// Backgrounds

/** What can lie behind everything: pairs of value and label. */
export function backgroundOptions(current) {
    const options = [["", "The layout's"], ["colour", "A colour"], ...pictures().map((one) => [`image:${one.id}`, nameOf(one)])];
    if (current?.startsWith("image:") && !options.some(([value]) => value === current)) options.push([current, "A picture"]);
    return options;
}

/** The value of a list of backgrounds for a scene's background. */
export const backgroundValue = (current) => current?.startsWith("#") ? "colour" : current ?? "";

/** The colour that is set for backgrounds. */
export const chosenColour = () => form.control("colour").value;

const apply = () => form.attempt(async () => {
    const { choice } = form.values();
    await changeProgram({ background: choice === "colour" ? chosenColour() : choice || null });
}).then(() => drawBackground(true));

const form = new Form({
    id: "background", card: false, status: true,
    rows: [[
        {
            name: "choice", key: "background", id: "background-choice", label: "Background on air", kind: "select",
            options: backgroundOptions(), onchange: () => { showColour(); apply(); },
        },
        { name: "colour", id: "background-colour", label: "Colour", kind: "color", wide: false, value: "#1d2b53", onchange: apply },
        {
            name: "file", id: "background-file", label: "Upload a picture", kind: "file",
            attributes: { accept: "image/png,image/jpeg,image/webp" },
            onchange: () => form.attempt(async () => {
                const [made] = await uploadChosen(form, "file");
                if (made) await changeProgram({ background: `image:${made.id}` });
            }, form.control("file")),
        },
    ]],
});
$("background-mount").replaceWith(form.element);

function showColour() { form.fields.colour.box.hidden = form.control("choice").value !== "colour"; }

function drawBackground(isDone = false) {
    // Not under the hand of somebody who is choosing; but what was chosen stays only where the studio took it.
    if (!isDone && [form.control("choice"), form.control("colour")].includes(document.activeElement)) return;
    fillOptions(form.control("choice"), backgroundOptions(program?.background));
    form.control("choice").value = backgroundValue(program?.background);
    if (program?.background?.startsWith("#")) form.control("colour").value = program.background.toLowerCase();
    showColour();
}

followFiles(() => drawBackground());
