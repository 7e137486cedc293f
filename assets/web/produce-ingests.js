// Entrances for encoders on the producer's desk, and their keys, which are shown once.

import { request } from "/assets/client.js";
import { $, announce, attempt, base } from "/assets/console.js";
import { element } from "/assets/polls.js";

function showKey(ingest) {
    $("key-url").value = ingest.url ?? "";
    $("key-value").value = ingest.key;
    $("key").hidden = false;
}

$("hide-key").onclick = () => {
    $("key-value").value = "";
    $("key").hidden = true;
};
$("copy-key").onclick = async () => {
    try {
        await navigator.clipboard.writeText($("key-value").value);
        announce("The key is copied.");
    } catch {
        $("key-value").select();
    }
};

$("new-ingest").onsubmit = (submission) => {
    submission.preventDefault();
    const form = submission.target;
    attempt(form.querySelector(".error"), async () => {
        showKey(await request("POST", `${base}/ingests`, Object.fromEntries(new FormData(form))));
        form.reset();
        await refreshIngests();
    }, ...form.querySelectorAll("button"));
};

/** Brings the list of entrances up to date. */
export async function refreshIngests() {
    const { items } = await request("GET", `${base}/ingests`);
    const names = { primary: "the program", backup: "its backup", source: "a source" };
    $("ingests").replaceChildren(...items.map((ingest) => {
        const error = element("p", { className: "error" });
        const rotate = element("button", { type: "button", textContent: "New key" });
        const remove = element("button", { type: "button", textContent: "Remove" });
        rotate.onclick = () => attempt(error, async () =>
            showKey(await request("POST", `${base}/ingests/${ingest.id}/rotate`)), rotate);
        remove.onclick = () => attempt(error, async () => {
            await request("DELETE", `${base}/ingests/${ingest.id}`);
            await refreshIngests();
        }, remove);
        return element("div", { className: "card item" }, element("strong", { textContent: ingest.name }),
            element("span", { className: "muted", textContent: names[ingest.kind] ?? ingest.kind }),
            element("span", {
                className: "pill", textContent: ingest.isConnected ? "connected" : "free",
                dataset: { state: ingest.isConnected ? "live" : "idle" },
            }), rotate, remove, error);
    }));
}
