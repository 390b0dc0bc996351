// A question that waits for its answer: it stands below the conversation at once, with words that say so.

import { language, say } from "./texts.js";
import { announce, element, scrollTo, type } from "./tools.js";

// An answer that comes at once is all that needs to be said.
const SAY_AFTER_MILLISECONDS = 1000;
const LONG_AFTER_MILLISECONDS = 8000;
const DRAWN_AFTER_MILLISECONDS = 1000;

let timers = [];
let typed = ""; // the question as it was typed; nothing where a button was pressed

const box = () => document.querySelector("#question textarea");
const shown = () => document.querySelector("#conversation .awaiting");

/** The question whose answer has not come, if there is one. */
export function awaited() {
  const part = shown();
  return part ? part.querySelector(".asked").textContent : "";
}

/** Show a question; the box is free for the next one. */
export function showAwaited(question, isTyped) {
  endAwaited();
  typed = "";
  if (isTyped) {
    typed = question;
    type(box(), "");
  }
  const log = document.querySelector("#conversation [role=log]");
  if (!log) return;
  const part = element("div", { className: "b12qa awaiting" });
  const state = element("p", { className: "looking say" });
  const lead = element("p", { className: "out-of-sight say", lang: language, textContent: say("You asked") });
  part.append(lead, element("div", { className: "asked", dir: "auto", textContent: question }), state);
  log.append(part);
  const tell = (words) => {
    state.lang = language;
    state.textContent = words;
  };
  tell(say("Looking in the article …"));
  scrollTo(part, "nearest");
  timers = [
    setTimeout(() => announce(say("Looking in the article …")), SAY_AFTER_MILLISECONDS),
    setTimeout(() => {
      tell(say("This takes longer than it should. Wait a little, or check your connection."));
      announce(state.textContent);
      scrollTo(part, "nearest");
    }, LONG_AFTER_MILLISECONDS),
  ];
}

/** The reply is there; what was too long goes back into the box, before whatever was typed since. */
export function replied(isTooLong) {
  endAwaited();
  if (isTooLong && typed) type(box(), [typed, box().value.trim()].filter(Boolean).join("\n"));
  typed = "";
}

/** There is no reply. What was typed goes back into the box, or is returned if something else stands there. */
export function unanswered() {
  endAwaited();
  const question = typed;
  typed = "";
  if (!question || box().value.trim()) return question;
  type(box(), question);
  return "";
}

/** The server is done. An answer ends the waiting; what gets none, like blanks, must not wait for ever. */
export function endSoon() {
  const part = shown();
  setTimeout(() => {
    if (part && part === shown()) endAwaited();
  }, DRAWN_AFTER_MILLISECONDS);
}

function endAwaited() {
  timers.forEach(clearTimeout);
  timers = [];
  const part = shown();
  if (part) part.remove();
}
