// Entrances for encoders on the producer's desk, and their keys, which are shown once.

import { request } from "/assets/client.js";
import { $, announce, attempt, base, makeDeliberate } from "/assets/console.js";
import { element } from "/assets/polls.js";
import { Form } from "/assets/produce-forms.js";

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

const form = new Form({
    id: "new-ingest", title: "Make an entrance", submit: "Make it",
    rows: [[
        {
            name: "name", id: "ingest-name", label: "Name",
            attributes: { maxlength: 64, pattern: "[a-z0-9][a-z0-9\\-]*", required: "", title: "Lower-case letters, digits and dashes" },
        },
        {
            name: "kind", id: "ingest-kind", label: "Use", kind: "select",
            options: [["primary", "the program"], ["backup", "its backup"], ["source", "a source on the stage"]],
        },
    ]],
    onsubmit: async (values) => {
        showKey(await request("POST", `${base}/ingests`, values));
        form.resetAfter(values);
        await refreshIngests();
    },
});
$("ingest-mount").replaceWith(form.element);

let drawn = "";

/** Brings the list of entrances up to date. */
export async function refreshIngests() {
    const { items } = await request("GET", `${base}/ingests`);
    const news = JSON.stringify(items);
    // What somebody is about to press is not replaced under their hand.
    if (news === drawn || $("ingests").querySelector(".armed")) return;
    drawn = news;
    const names = { primary: "the program", backup: "its backup", source: "a source" };
    $("ingests").replaceChildren(...items.map((ingest) => {
        const error = element("p", { className: "error" });
        error.setAttribute("role", "alert");
        const rotate = makeDeliberate(element("button", { type: "button", className: "small", textContent: "New key" }), () =>
            attempt(error, async () => showKey(await request("POST", `${base}/ingests/${ingest.id}/rotate`)), rotate));
        const remove = makeDeliberate(element("button", { type: "button", className: "small", textContent: "Remove" }), () =>
            attempt(error, async () => {
                await request("DELETE", `${base}/ingests/${ingest.id}`);
                await refreshIngests();
            }, remove));
        rotate.setAttribute("aria-label", `New key for ${ingest.name}`);
        remove.setAttribute("aria-label", `Remove ${ingest.name}`);
        return element("div", { className: "card item" }, element("strong", { textContent: ingest.name }),
            element("span", { className: "muted", textContent: names[ingest.kind] ?? ingest.kind }),
            element("span", {
                className: "pill", textContent: ingest.isConnected ? "connected" : "free",
                dataset: { state: ingest.isConnected ? "live" : "idle" },
            }), rotate, remove, error);
    }));
}
