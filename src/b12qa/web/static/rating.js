// What became of a thumb. Gradio would say it in a box over the page; it stands beside the thumb instead.

import { language } from "./texts.js";
import { announce, element } from "./tools.js";

const seen = new WeakSet(); // what Gradio said
let pressed; // the place of the thumbs that were pressed last

document.addEventListener("click", (event) => {
  const thumbs = event.target.closest("#conversation .message-buttons");
  if (thumbs) pressed = thumbs;
}, true);

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
