// Music on the producer's desk: the pieces, which one plays under the program, and whether it begins again.

import { $, announce, attempt, base, sayLength } from "/assets/console.js";
import { element } from "/assets/polls.js";
import { followFiles, nameOf, SOUND_TYPES, sounds, uploadChosen } from "/assets/produce-files.js";
import { Form, Lines } from "/assets/produce-forms.js";
import { changeProgram, followProgram, orderProgram, program } from "/assets/produce-program.js";

/** What plays under the program, or stands there; missing when nothing does. */
const current = () => program?.audio?.music;

// Sound alone comes in containers of pictures, too.
const ENDINGS = ".mp3,.m4a,.wav,.flac,.ogg,.oga,.opus,.weba,.mp4,.mov,.webm,.mka,.mkv";

const form = new Form({
    id: "music-form", card: false, status: true,
    rows: [
        [{ name: "loop", id: "music-loop", label: "Begin again at the end", kind: "check", value: true, onchange: () => apply() }],
        [{ name: "duck", id: "music-duck", label: "Lower it while somebody speaks", kind: "check", value: true, onchange: () => apply() }],
        [{
            name: "file", id: "music-file", label: "Upload music", kind: "file",
            attributes: { accept: ENDINGS, multiple: "" },
            onchange: () => form.attempt(() => uploadChosen(form, "file", SOUND_TYPES), form.control("file")),
        }],
    ],
});
$("music-mount").replaceWith(form.element);

async function order(asset, verb, body) {
    await orderProgram("POST", `${base}/media/${encodeURIComponent(asset)}/${verb}`, body);
}

/** How music is to be played, as the form says. */
function orderOf() {
    const { loop, duck } = form.values();
    return { loop, audio: duck ? "duck" : "mix" };
}

/** Tells what plays of another choice in the form; what has ended meanwhile does not begin again for that. */
const apply = () => form.attempt(async () => {
    const { loop, duck } = form.values();
    if (current()) await changeProgram({ audio: { music: { loop, duck } } });
});

function makeLine(id) {
    const name = element("strong"), what = element("span", { className: "muted" });
    const error = element("p", { className: "error" });
    error.setAttribute("role", "alert");
    const isOn = () => current()?.asset === id, plays = () => isOn() && current().state === "playing";
    const label = () => nameOf(sounds().find((sound) => sound.id === id) ?? { id, kind: "audio" });
    const play = element("button", { type: "button", className: "small primary", dataset: { act: "play" } });
    const stop = element("button", { type: "button", className: "small", textContent: "Stop", dataset: { act: "stop" } });
    play.onclick = () => attempt(error, async () => {
        if (plays()) return order(id, "pause", {});
        await order(id, "play", isOn() ? {} : orderOf());
        announce(`${label()} plays.`);
    }, play).then(drawMusic);
    stop.onclick = () => attempt(error, async () => {
        await order(id, "stop");
        announce(`${label()} has been stopped.`);
    }, stop).then(drawMusic);
    return {
        element: element("li", { dataset: { music: id } }, element("span", { className: "grow" }, name, " ", what),
            element("span", { className: "row" }, play, stop), error),
        draw(sound) {
            name.textContent = label();
            what.textContent = [
                sound.durationMs && sayLength(sound.durationMs),
                plays() ? "plays" : isOn() && "stands", isOn() && current().loop && "over and over",
            ].filter(Boolean).join(" · ");
            this.element.toggleAttribute("data-on-air", isOn());
            play.textContent = plays() ? "Pause" : "Play";
            play.setAttribute("aria-label", `${play.textContent} ${label()}`);
            stop.setAttribute("aria-label", `Stop ${label()}`);
            stop.hidden = !isOn();
        },
    };
}

const lines = new Lines($("music"), makeLine);
function drawMusic() { lines.draw(sounds()); }

followProgram(() => {
    const music = current();
    if (music && !form.isInUse) form.fill({ loop: music.loop, duck: music.duck });
    drawMusic();
});
followFiles(drawMusic);
