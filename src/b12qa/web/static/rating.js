// Thumbs, and what became of one. Gradio would say it in a box over the page; it stands beside the thumb instead.

import { language } from "./texts.js";
import { announce, element } from "./tools.js";

const seen = new WeakSet(); // what Gradio said
let pressed; // the place of the thumbs that were pressed last

document.addEventListener("click", (event) => {
  const thumbs = event.target.closest("#conversation .message-buttons");
  if (thumbs) pressed = thumbs;
}, true);

/**
 * Gradio draws a thumb down, then one up, both without words. They are named in words that everybody sees, the one up
 * first.
 */
export function nameThumbs() {
  document.querySelectorAll("#conversation .message-buttons .icon-button-wrapper").forEach((thumbs) => {
    const [down, up] = thumbs.querySelectorAll("button");
    if (!up) return;
    if (!thumbs.querySelector(".say")) {
      down.append(element("span", { className: "say", lang: "en", textContent: "Not helpful" }));
      up.append(element("span", { className: "say", lang: "en", textContent: "Helpful" }));
      down.before(up);
    }
    // What is heard is what is seen; Gradio gives its own words again when one is pressed.
    [down, up].forEach((thumb) => ["aria-label", "title"].forEach((name) => thumb.removeAttribute(name)));
  });
}

/** Move what the server said of a thumb. */
export function sayBesideThumb() {
  document.querySelectorAll(".toast-message-item.info").forEach((told) => {
    if (seen.has(told) || !pressed || !pressed.isConnected) return;
    seen.add(told);
    told.closest(".toast-body").hidden = true;
    const words = told.textContent.trim();
    pressed.querySelectorAll(".thumbed").forEach((before) => before.remove());
    pressed.append(element("p", { className: "b12qa thumbed say", lang: language, textContent: words }));
    announce(words);
  });
}
