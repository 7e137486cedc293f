// What lies over the picture, on the producer's desk: what is on air, ticker, logo, countdown, clock, comment and poll, theme and font.

import { request } from "/assets/client.js";
import { $, announce, attempt, programNow } from "/assets/console.js";
import { element } from "/assets/polls.js";
import { followFiles, fonts, nameOf, pictures, uploadChosen } from "/assets/produce-files.js";
import { fillOptions, Form, Lines } from "/assets/produce-forms.js";
import { editLowerThird, hideLowerThird, isOver, offerThemes } from "/assets/produce-lower.js";
import { polls } from "/assets/produce-polls.js";
import { changeProgram, followProgram, program } from "/assets/produce-program.js";
import { badge } from "/assets/produce-tabs.js";

const CORNERS = [["topRight", "upper right"], ["topLeft", "upper left"], ["bottomRight", "lower right"], ["bottomLeft", "lower left"]];
const pollOptions = () => [...polls.values()].map(({ id, question }) => [id, question]);
const logoOptions = () => pictures().map((picture) => [picture.id, nameOf(picture)]);

/**
 * Each overlay: its fields; what they say as JSON, or nothing when there is nothing to say; the fields for what is on air, so that it
 * can be changed; and what it says in a few words.
 */
const OVERLAYS = {
    ticker: {
        title: "Ticker",
        rows: [[{ name: "text", id: "ticker-text", label: "Text", attributes: { maxlength: 500 } }]],
        read: ({ text }) => text && { text },
        write: ({ text }) => ({ text }),
        say: ({ text }) => text,
    },
    logo: {
        title: "Logo",
        rows: [[
            { name: "asset", id: "logo-asset", label: "Picture", kind: "select", onfocus: ({ target }) => fillOptions(target, logoOptions()) },
            { name: "corner", id: "logo-corner", label: "Corner", kind: "select", options: CORNERS, wide: false },
            { name: "size", id: "logo-size", label: "Size", kind: "number", value: 8, wide: false, attributes: { min: 1, max: 32, step: 0.5 } },
        ]],
        read: ({ asset, corner, size }) => asset && { asset, corner, size: Number(size) },
        write: ({ asset, corner = "topRight", size = 8 }) => ({ asset, corner, size }),
        say: ({ asset }) => nameOf(pictures().find(({ id }) => id === asset) ?? { id: asset, kind: "picture" }),
    },
    countdown: {
        title: "Countdown",
        rows: [[
            {
                name: "minutes", key: "untilProgramTime", id: "countdown-minutes", label: "Minutes", kind: "number", value: 5, wide: false,
                attributes: { min: 0.1, max: 1440, step: 0.1 },
            },
            { name: "title", id: "countdown-title", label: "Line above", attributes: { maxlength: 60, placeholder: "We start soon" } },
        ]],
        read: ({ minutes, title }) => Number(minutes) > 0 && {
            untilProgramTime: Math.round(programNow() / 1000 + Number(minutes) * 60) * 1000, ...(title && { title }),
        },
        write: ({ untilProgramTime, title }) =>
            ({ minutes: Math.max(0.1, Math.round((untilProgramTime - programNow()) / 6000) / 10), title }),
        say: ({ untilProgramTime, title }) =>
            `${title ? `${title}, ` : ""}until ${new Date(untilProgramTime).toLocaleTimeString([], { hour12: false })}`,
    },
    clock: {
        title: "Clock",
        rows: [[
            { name: "timeZone", id: "clock-zone", label: "Time zone", attributes: { maxlength: 64, placeholder: "Europe/Zurich" } },
            { name: "hours", id: "clock-hours", label: "Hours", kind: "select", options: [["24", "24"], ["12", "12"]], wide: false },
        ]],
        read: ({ timeZone, hours }) => ({ timeZone: timeZone || "UTC", hours: Number(hours) }),
        write: ({ timeZone = "UTC", hours = 24 }) => ({ timeZone, hours }),
        say: ({ timeZone = "UTC" }) => timeZone,
    },
    comment: {
        title: "Comment or question",
        rows: [
            [{ name: "name", id: "comment-name", label: "Who", attributes: { maxlength: 120 } }],
            [{ name: "text", id: "comment-text", label: "What", kind: "textarea", attributes: { maxlength: 500 } }],
        ],
        read: ({ name, text }) => text && { name, text },
        write: ({ name, text }) => ({ name, text }),
        say: ({ name, text }) => `${name ? `${name}: ` : ""}${text}`,
    },
    poll: {
        title: "Poll with its results",
        rows: [[{
            name: "id", id: "poll-choice", label: "Poll", kind: "select", onfocus: ({ target }) => fillOptions(target, pollOptions()),
        }]],
        read: ({ id }) => id && { id },
        write: ({ id }) => (id ? { id } : {}),
        say: ({ id, question }) => polls.get(id)?.question ?? question ?? "",
    },
};

const forms = {}, folds = {};

const hide = async (name) => {
    await changeProgram({ overlays: { [name]: null } });
    announce(`The ${name} is hidden.`);
};

for (const [name, { title, rows, read }] of Object.entries(OVERLAYS)) {
    const form = forms[name] = new Form({
        id: `${name}-overlay`, card: false, submit: "Show", status: true, within: `/overlays/${name}`, rows,
        buttons: [{ label: "Hide", disabled: true, dataset: { hide: name } }],
        onsubmit: async (values) => {
            const value = read(values);
            if (!value) throw new Error("There is nothing to show yet.");
            // What stood in the old one and not in the new one must not stay: a patch only adds.
            const old = Object.fromEntries(Object.keys(program?.overlays?.[name] ?? {}).map((key) => [key, null]));
            await changeProgram({ overlays: { [name]: { ...old, ...value } } });
            announce(`The ${name} is shown.`);
        },
    });
    form.buttons[0].onclick = () => form.attempt(() => hide(name)).then(draw);
    const state = element("span", { className: "pill", textContent: "on air", hidden: true, dataset: { state: "live" } });
    folds[name] = element("details", {}, element("summary", {}, element("span", { className: "grow", textContent: title }), state), form.element);
    folds[name].state = state;
    $("overlay-mount").append(folds[name]);
}

// What is on air

function makeLine() {
    const name = element("strong"), what = element("span", { className: "muted" });
    const edit = element("button", { type: "button", className: "small", textContent: "Edit", dataset: { act: "edit" } });
    const off = element("button", { type: "button", className: "small", textContent: "Hide", dataset: { act: "hide" } });
    const line = {
        element: element("li", {}, element("span", { className: "grow" }, name, " ", what), edit, off),
        draw(item) {
            name.textContent = item.title;
            what.textContent = item.text;
            line.element.dataset.overlay = item.kind;
            edit.setAttribute("aria-label", `Edit ${item.title} ${item.text}`);
            off.setAttribute("aria-label", `Hide ${item.title} ${item.text}`);
            edit.onclick = item.edit;
            off.onclick = () => attempt($("shown-error"), item.hide, off);
        },
    };
    return line;
}

const lines = new Lines($("overlays-shown"), makeLine);

function draw() {
    const shown = program?.overlays ?? {}, items = [];
    for (const [index, line] of (shown.lowerThirds ?? []).entries()) {
        const words = [line.title, isOver(line) && "over", line.durationMs && `for ${line.durationMs / 1000} s`].filter(Boolean);
        items.push({
            key: `lower/${line.id ?? index}`, kind: "lower", title: line.name, text: words.join(" · ") || "lower third",
            edit: () => editLowerThird(line), hide: () => hideLowerThird(line),
        });
    }
    for (const [name, { title, write, say }] of Object.entries(OVERLAYS)) {
        const value = shown[name], form = forms[name];
        form.buttons[0].disabled = !value;
        form.submit.textContent = value ? "Change" : "Show";
        folds[name].state.hidden = !value;
        if (!value) continue;
        items.push({
            key: name, kind: name, title, text: say(value), hide: () => hide(name),
            edit() {
                folds[name].open = true;
                if (name === "logo") fillOptions(form.control("asset"), logoOptions());
                if (name === "poll") fillOptions(form.control("id"), pollOptions());
                form.fill(write(value));
                Object.values(form.fields)[0].control.focus();
            },
        });
    }
    lines.draw(items, ({ key }) => key);
    $("nothing-shown").hidden = items.length > 0;
    badge("overlays", items.length);
    drawLook();
}

followProgram(draw);

// How all of them look

// What was chosen stays only where the studio took it.
const change = (overlays, control) => look.attempt(() => changeProgram({ overlays }), control).then(() => drawLook(true));
const look = new Form({
    id: "look", title: "Look of all overlays", status: true, within: "/overlays",
    rows: [[
        { name: "theme", id: "overlay-theme", label: "Theme", kind: "select", onchange: ({ target }) => change({ theme: target.value }, target) },
        {
            name: "font", id: "overlay-font", label: "Font", kind: "select", options: [["", "The theme's own"]],
            onchange: ({ target }) => change({ font: target.value || null }, target),
        },
    ], [{
        name: "file", id: "font-file", label: "Upload a font (TTF or OTF)", kind: "file",
        attributes: { accept: ".ttf,.otf,font/ttf,font/otf" },
        onchange: () => look.attempt(() => uploadChosen(look, "file"), look.control("file")),
    }]],
});
$("look-mount").replaceWith(look.element);

function drawLook(isDone = false) {
    const { theme, font = "" } = program?.overlays ?? {}, control = look.control("font");
    const known = fonts().map((one) => [one.id, nameOf(one)]);
    if (font && !known.some(([id]) => id === font)) known.push([font, "A font"]);
    if (isDone || document.activeElement !== control || control.value === font) {
        fillOptions(control, [["", "The theme's own"], ...known]);
        control.value = font;
    }
    if (isDone || document.activeElement !== look.control("theme")) look.control("theme").value = theme ?? "default";
}

followFiles(() => {
    drawLook();
    if (document.activeElement !== forms.logo.control("asset")) fillOptions(forms.logo.control("asset"), logoOptions());
});

/** Begins to offer themes, pictures and polls. */
export async function startOverlays() {
    const { items } = await request("GET", "/v1/themes");
    const themes = items.map(({ name, title }) => [name, title]);
    fillOptions(look.control("theme"), themes);
    offerThemes(themes);
    drawLook();
    forms.clock.fill({ timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC" });
    fillOptions(forms.logo.control("asset"), logoOptions());
    fillOptions(forms.poll.control("id"), pollOptions());
}
