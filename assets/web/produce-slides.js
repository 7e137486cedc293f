// The slides on the producer's desk: a deck, its pages as small pictures, forward and back.

import { request } from "/assets/client.js";
import { $, announce, attempt, base } from "/assets/console.js";
import { element } from "/assets/polls.js";
import { labelOf, remember, upload } from "/assets/produce-files.js";
import { followProgram, orderProgram, program } from "/assets/produce-program.js";

let decks = [];
let drawn = "", missed = "";

const deckOf = (id) => decks.find((deck) => deck.id === id);

/** Asks which decks there are. */
export async function refreshDecks() {
    ({ items: decks } = await request("GET", `${base}/decks?limit=100`));
    drawSlides();
}

/** Shows a page of a deck. */
async function turn(deck, page) {
    await orderProgram("PUT", `${base}/slides`, { deck, page });
    announce(`Slide ${page}`);
}

const attemptTurn = (deck, page, ...buttons) => attempt($("slides-error"), () => turn(deck, page), ...buttons).then(drawSlides);

function drawSlides() {
    const slides = program?.slides ?? null;
    drawDecks(slides);
    const pages = deckOf(slides?.deck)?.pages ?? 0;
    if (slides && !pages && missed !== slides.deck) {
        // A colleague's, or a speaker's: asked for once.
        missed = slides.deck;
        refreshDecks().catch(() => {});
    }
    $("slide-back").disabled = !slides || slides.page <= 1;
    $("slide-forward").disabled = !slides || (pages > 0 && slides.page >= pages);
    const place = !slides ? "No slides yet" : pages ? `Slide ${slides.page} of ${pages}` : `Slide ${slides.page}`;
    if ($("slide-place").textContent !== place) $("slide-place").textContent = place;
    drawPages(slides, pages);
}

function drawDecks(slides) {
    const choice = $("deck-choice");
    if (document.activeElement === choice) return;
    choice.replaceChildren(...decks.map(({ id, pages }, index) =>
        new Option(`${labelOf("decks", id) ?? `Deck ${index + 1}`} · ${pages === 1 ? "1 page" : `${pages} pages`}`, id)));
    choice.disabled = decks.length === 0;
    if (slides) choice.value = slides.deck;
    else choice.selectedIndex = -1;
}

function drawPages(slides, count) {
    const list = $("pages");
    const wanted = slides ? `${slides.deck}/${count}` : "";
    if (wanted !== drawn) {
        drawn = wanted;
        list.replaceChildren(...Array.from({ length: Math.min(count, 500) }, (_, index) => {
            const page = index + 1;
            const picture = element("img", {
                loading: "lazy", alt: "", src: `${base}/decks/${encodeURIComponent(slides.deck)}/pages/${page}.png`,
            });
            const button = element("button", { type: "button", dataset: { page } }, picture, element("span", { textContent: String(page) }));
            button.setAttribute("aria-label", `Slide ${page}`);
            button.onclick = () => attemptTurn(slides.deck, page);
            return element("li", {}, button);
        }));
    }
    for (const button of list.querySelectorAll("button")) {
        const isShown = Number(button.dataset.page) === slides?.page;
        // Along the list alone: the page stays where somebody has it.
        if (isShown && !button.hasAttribute("aria-current")) list.scrollLeft = button.offsetLeft - (list.clientWidth - button.offsetWidth) / 2;
        if (isShown) button.setAttribute("aria-current", "true");
        else button.removeAttribute("aria-current");
    }
}

$("slide-back").onclick = () => attemptTurn(program.slides.deck, program.slides.page - 1, $("slide-back"));
$("slide-forward").onclick = () => attemptTurn(program.slides.deck, program.slides.page + 1, $("slide-forward"));
$("deck-choice").onchange = ({ target }) => attemptTurn(target.value, 1, target);
$("deck-file").onchange = ({ target }) => attempt($("slides-error"), async () => {
    const [file] = target.files;
    if (!file) return;
    const deck = await upload(`${base}/decks`, file);
    remember("decks", deck.id, file.name);
    target.value = "";
    await refreshDecks();
    await turn(deck.id, 1);
}, target).then(drawSlides);

followProgram(drawSlides);
