// Thumbs, and what became of one. Gradio would say it in a box over the page; it stands beside the thumb instead.
// An answer is rated once, also where the page was loaded again: what the editors' file holds tells of nobody, so
// nothing in it can be found again and changed.

import { language } from "./texts.js";
import { announce, element } from "./tools.js";

const KEPT = "Thank you. Your question and your thumb were kept for the editors.";

const seen = new WeakSet(); // what Gradio said
const rated = new WeakMap(); // places of thumbs, and which one counts
let pressed = {}; // the thumb that was pressed last, and its place

document.addEventListener("click", (event) => {
  const place = event.target.closest("#conversation .message-buttons");
  const thumb = event.target.closest("#conversation .message-buttons button");
  if (!thumb) return;
  if (thumb.getAttribute("aria-disabled") === "true") event.stopPropagation();
  else pressed = { place, which: thumb.matches(".up") ? "up" : "down" };
}, true);

/**
 * Gradio draws a thumb down, then one up, both without words. They are named in words that everybody sees, the one up
 * first.
 */
export function nameThumbs() {
  document.querySelectorAll("#conversation .message-buttons").forEach((place) => {
    const [first, second] = place.querySelectorAll(".icon-button-wrapper button");
    if (!second) return;
    if (!place.querySelector("button .say")) {
      first.append(element("span", { className: "say", lang: "en", textContent: "Not helpful" }));
      second.append(element("span", { className: "say", lang: "en", textContent: "Helpful" }));
      second.classList.add("up");
      first.before(second);
    }
    // What is heard is what is seen; Gradio gives its own words again when one is pressed.
    [first, second].forEach((thumb) => ["aria-label", "title"].forEach((name) => thumb.removeAttribute(name)));
    sayWhichCounts(place);
  });
}

/** A thumb that counts is pressed, and neither can be pressed any more. */
function sayWhichCounts(place) {
  const before = place.previousElementSibling && place.previousElementSibling.querySelector(".b12qa.rated");
  if (before && !rated.has(place)) {
    rated.set(place, before.matches(".up") ? "up" : "down");
    if (!place.querySelector(".thumbed")) tell(place, KEPT, "en");
  }
  const counts = rated.get(place);
  place.classList.toggle("rated", Boolean(counts));
  place.querySelectorAll("button").forEach((thumb) => {
    // Gradio draws a pressed thumb anew, and with it its classes.
    const which = thumb === place.querySelector("button") ? "up" : "down";
    thumb.classList.toggle("up", which === "up");
    thumb.setAttribute("aria-pressed", String(counts === which));
    thumb.setAttribute("aria-disabled", String(Boolean(counts)));
  });
}

function tell(place, textContent, lang) {
  place.querySelectorAll(".thumbed").forEach((before) => before.remove());
  place.append(element("p", { className: "b12qa thumbed say", lang, textContent }));
}

/** Move what the server said of a thumb. */
export function sayBesideThumb() {
  document.querySelectorAll(".toast-message-item:is(.info, .warning)").forEach((told) => {
    const { place, which } = pressed;
    if (seen.has(told) || !place || !place.isConnected) return;
    seen.add(told);
    told.closest(".toast-body").hidden = true;
    const words = told.textContent.trim();
    if (told.matches(".info") && !rated.has(place)) rated.set(place, which);
    tell(place, words, language);
    announce(words);
  });
}
