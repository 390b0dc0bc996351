// How many more characters the box takes, once there are few: a question that is too long is not asked.

import { language, say } from "./texts.js";
import { announce, element } from "./tools.js";

const MOST = Number(document.querySelector('meta[name="b12qa-most"]').content);
const TOLD_BELOW = 100;
const PAUSE_MILLISECONDS = 1500; // whoever hears the page is told once they pause

let timer = 0;

function place() {
  const emergency = document.getElementById("emergency");
  if (!emergency) return null;
  if (!document.querySelector("#asking .left")) emergency.before(element("p", { className: "b12qa left say", hidden: true }));
  return document.querySelector("#asking .left");
}

function words(left) {
  return left < 0 ? say("Characters too many: {count}", { count: -left }) : say("Characters left: {count}", { count: left });
}

document.addEventListener("input", (event) => {
  if (!event.target.matches("#question textarea")) return;
  const told = place();
  if (!told) return;
  clearTimeout(timer);
  const left = MOST - [...event.target.value.trim()].length;
  told.hidden = left >= TOLD_BELOW;
  told.classList.toggle("over", left < 0);
  Object.assign(told, { lang: language, textContent: told.hidden ? "" : words(left) });
  if (!told.hidden) timer = setTimeout(() => announce(told.textContent), PAUSE_MILLISECONDS);
});
