// Further destinations of the program on the producer's desk, each with its own state.

import { request } from "/assets/client.js";
import { $, attempt, base } from "/assets/console.js";
import { element } from "/assets/polls.js";

$("new-output").onsubmit = (submission) => {
    submission.preventDefault();
    const form = submission.target;
    attempt(form.querySelector(".error"), async () => {
        const given = Object.fromEntries([...new FormData(form)].filter(([, value]) => value));
        await request("POST", `${base}/outputs`, given);
        form.reset();
        await refreshOutputs();
    }, ...form.querySelectorAll("button"));
};

const COLOURS = { live: "live", connecting: "starting", retrying: "lost", failed: "lost" };
let drawn = "";

/** Brings the list of destinations up to date. */
export async function refreshOutputs() {
    const { items } = await request("GET", `${base}/outputs`);
    const news = JSON.stringify(items);
    if (news === drawn) return;
    drawn = news;
    $("outputs").replaceChildren(...items.map((output) => {
        const error = element("p", { className: "error" });
        const remove = element("button", { type: "button", textContent: "Remove" });
        remove.onclick = () => attempt(error, async () => {
            await request("DELETE", `${base}/outputs/${output.id}`);
            await refreshOutputs();
        }, remove);
        const rate = output.state === "live" ? ` ${(output.bitrate / 1e6).toFixed(1)} Mbit/s` : "";
        const lost = output.droppedFrames ? `${output.droppedFrames} frames left out. ` : "";
        return element("div", { className: "card item" },
            element("strong", { textContent: output.name ?? output.url }),
            element("span", {
                className: "pill", textContent: output.state + rate, dataset: { state: COLOURS[output.state] ?? "idle" },
            }), element("span", { className: "muted", textContent: lost + (output.reason ?? "") }), remove, error);
    }));
}
