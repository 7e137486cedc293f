// Further destinations of the program on the producer's desk, each with its own state.

import { request } from "/assets/client.js";
import { $, attempt, base, makeDeliberate } from "/assets/console.js";
import { element } from "/assets/polls.js";
import { Form } from "/assets/produce-forms.js";
import { badge } from "/assets/produce-tabs.js";

const form = new Form({
    id: "new-output", title: "Add a destination", submit: "Add",
    rows: [
        [{ name: "name", id: "output-name", label: "Name", attributes: { maxlength: 100 } }],
        [{
            name: "url", id: "output-url", label: "Server",
            attributes: { maxlength: 1024, placeholder: "rtmps://…", required: "", inputmode: "url" },
        }],
        [{
            name: "key", id: "output-key", label: "Stream key", kind: "password",
            attributes: { maxlength: 512, autocomplete: "off", required: "" },
        }],
    ],
    onsubmit: async (values) => {
        await request("POST", `${base}/outputs`, Object.fromEntries(Object.entries(values).filter(([, value]) => value)));
        form.resetAfter(values);
        await refreshOutputs();
    },
});
$("output-mount").replaceWith(form.element);

const COLOURS = { live: "live", connecting: "starting", retrying: "lost", failed: "lost" };
let drawn = "";

/** Brings the list of destinations up to date. */
export async function refreshOutputs() {
    const { items } = await request("GET", `${base}/outputs`);
    const news = JSON.stringify(items);
    badge("outputs", items.filter(({ state }) => state === "live").length);
    // What somebody is about to remove is not replaced under their hand.
    if (news === drawn || $("outputs").querySelector(".armed")) return;
    drawn = news;
    $("outputs").replaceChildren(...items.map((output) => {
        const error = element("p", { className: "error" });
        error.setAttribute("role", "alert");
        const remove = makeDeliberate(element("button", { type: "button", className: "small", textContent: "Remove" }), () =>
            attempt(error, async () => {
                await request("DELETE", `${base}/outputs/${output.id}`);
                await refreshOutputs();
            }, remove));
        remove.setAttribute("aria-label", `Remove ${output.name ?? output.url}`);
        const rate = output.state === "live" ? ` ${(output.bitrate / 1e6).toFixed(1)} Mbit/s` : "";
        const lost = output.droppedFrames ? `${output.droppedFrames} frames left out. ` : "";
        return element("div", { className: "card item" },
            element("strong", { textContent: output.name ?? output.url }),
            element("span", {
                className: "pill", textContent: output.state + rate, dataset: { state: COLOURS[output.state] ?? "idle" },
            }), element("span", { className: "muted", textContent: lost + (output.reason ?? "") }), remove, error);
    }));
}
