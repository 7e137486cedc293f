// What lies over the picture, on the producer's desk: themes, ticker, logo, countdown, clock, a comment, a poll.

import { request } from "/assets/client.js";
import { $, announce, attempt, base } from "/assets/console.js";
import { polls } from "/assets/produce-polls.js";
import { changeProgram, followProgram, labelOf, program } from "/assets/produce-program.js";

const fields = (form) => Object.fromEntries(new FormData(form));

/** Each overlay by its form: what it says as JSON, or nothing when it has nothing to say. */
const overlays = {
    ticker: ({ text }) => text.trim() && { text: text.trim() },
    logo: ({ asset, corner, size }) => asset && { asset, corner, size: Number(size) },
    countdown: ({ minutes, title }) => Number(minutes) > 0 && {
        untilProgramTime: Math.round(Date.now() / 1000 + Number(minutes) * 60) * 1000,
        ...(title.trim() && { title: title.trim() }),
    },
    clock: ({ timeZone, hours }) => ({ timeZone: timeZone.trim() || "UTC", hours: Number(hours) }),
    comment: ({ name, text }) => text.trim() && { name: name.trim(), text: text.trim() },
    poll: ({ id }) => id && { id },
};

for (const [name, read] of Object.entries(overlays)) {
    const form = $(`${name}-overlay`), error = form.querySelector(".error");
    const show = form.querySelector(".primary"), hide = form.querySelector("[data-hide]");
    form.onsubmit = (submission) => {
        submission.preventDefault();
        attempt(error, async () => {
            const value = read(fields(form));
            if (!value) throw new Error("There is nothing to show yet.");
            // What stood in the old one and not in the new one must not stay: a patch only adds.
            const old = Object.fromEntries(Object.keys(program?.overlays?.[name] ?? {}).map((key) => [key, null]));
            await changeProgram({ overlays: { [name]: { ...old, ...value } } });
            announce(`The ${name} is shown.`);
        }, show);
    };
    hide.onclick = () => attempt(error, async () => {
        await changeProgram({ overlays: { [name]: null } });
        announce(`The ${name} is hidden.`);
    });
}

$("overlay-theme").onchange = ({ target }) => attempt($("theme-error"), async () => {
    await changeProgram({ overlays: { theme: target.value } });
}, target);

followProgram((scene) => {
    const shown = scene.overlays ?? {};
    for (const name of Object.keys(overlays)) {
        $(`${name}-overlay`).querySelector("[data-hide]").disabled = !shown[name];
        $(`${name}-overlay`).querySelector("[role=status]").textContent = shown[name] ? "On screen" : "";
    }
    if (document.activeElement !== $("overlay-theme")) $("overlay-theme").value = shown.theme ?? "default";
});

function fill(select, options) {
    const before = select.value, known = [...select.options];
    // A list that is open under somebody's hand is not replaced by the same one.
    const isSame = known.length === options.length
        && options.every(([value, label], index) => known[index].value === value && known[index].textContent === label);
    if (isSame) return;
    select.replaceChildren(...options.map(([value, label]) => new Option(label, value)));
    if (options.some(([value]) => value === before)) select.value = before;
}

// What can be chosen is looked up when somebody is about to choose.
$("logo-asset").onfocus = async () => {
    const { items } = await request("GET", `${base}/assets?limit=100`);
    const pictures = items.filter(({ kind }) => kind === "picture");
    fill($("logo-asset"), pictures.map(({ id }, index) => [id, labelOf("pictures", id) ?? `Picture ${index + 1}`]));
};
$("poll-choice").onfocus = () => fill($("poll-choice"), [...polls.values()].map(({ id, question }) => [id, question]));

/** Begins to offer themes, pictures and polls. */
export async function startOverlays() {
    const { items } = await request("GET", "/v1/themes");
    const themes = items.map(({ name, title }) => [name, title]);
    fill($("overlay-theme"), themes);
    fill($("lower-theme"), [["", "As all overlays"], ...themes]);
    $("overlay-theme").value = program?.overlays?.theme ?? "default";
    $("clock-zone").value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";
    await $("logo-asset").onfocus();
    $("poll-choice").onfocus();
}
