// A question that waits for its answer: it stands below the conversation at once, with words that say so.

import { whomToCall } from "./care.js";
import { language, say } from "./texts.js";
import { announce, element, scrollTo, type } from "./tools.js";

// An answer that comes at once is all that needs to be said.
const SAY_AFTER_MILLISECONDS = 1000;
const LONG_AFTER_MILLISECONDS = 8000;
const DRAWN_AFTER_MILLISECONDS = 1000;

let timers = [];
let typed = ""; // the question as it was typed; nothing where a button was pressed
let goOn = () => {};

const box = () => document.querySelector("#question textarea");
const shown = () => document.querySelector("#conversation .awaiting:not(.queued)");
const queued = () => document.querySelectorAll("#conversation .queued");

/** The question whose answer has not come, if there is one. */
export function awaited() {
  const part = shown();
  return part ? part.querySelector(".asked").textContent : "";
}

/** What to do once a question has got its answer. */
export function whenFree(action) {
  goOn = action;
}

/** Show a question; the box is free for the next one. */
export function showAwaited(question, isTyped) {
  endAwaited();
  typed = isTyped ? question : "";
  const [part, tell] = asked(question, "b12qa awaiting");
  const next = queued()[0];
  if (next) next.before(part);
  tell(say("Looking in the article …"));
  scrollTo(part, "nearest");
  timers = [
    setTimeout(() => announce(say("Looking in the article …")), SAY_AFTER_MILLISECONDS),
    setTimeout(() => {
      const words = say("This takes longer than it should. Wait a little, or check your connection.");
      tell(words);
      const help = whomToCall();
      part.append(help);
      announce(`${words} ${help.textContent.trim()}`);
      scrollTo(part, "nearest");
    }, LONG_AFTER_MILLISECONDS),
  ];
}

/** Show a question that is asked once those before it are answered. */
export function showQueued(question) {
  const [part, tell] = asked(question, "b12qa awaiting queued");
  tell(say("Will be asked next."));
  scrollTo(part, "nearest");
}

/** Show some of them, the oldest first, no longer so. */
export function dropQueued(count = Infinity) {
  [...queued()].slice(0, count).forEach((part) => part.remove());
}

/** A question at the end of the conversation, and what says how it stands with it. */
function asked(question, className) {
  const part = element("div", { className });
  const state = element("p", { className: "looking say" });
  const lead = element("p", { className: "out-of-sight say", lang: language, textContent: say("You asked") });
  part.append(lead, element("div", { className: "asked", dir: "auto", textContent: question }), state);
  // It must not come to stand behind the box, which holds more than that where a notice stands above it.
  part.style.scrollMarginBottom = `${document.getElementById("asking").offsetHeight + 8}px`;
  document.querySelector("#conversation [role=log]").append(part);
  const tell = (words) => {
    state.lang = language;
    state.textContent = words;
  };
  return [part, tell];
}

/** The reply is there; what was too long goes back into the box, before whatever was typed since. */
export function replied(isTooLong) {
  endAwaited();
  if (isTooLong && typed) type(box(), [typed, box().value.trim()].filter(Boolean).join("\n"));
  typed = "";
  goOn();
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
    if (part !== shown()) return;
    endAwaited();
    goOn();
  }, DRAWN_AFTER_MILLISECONDS);
}

function endAwaited() {
  timers.forEach(clearTimeout);
  timers = [];
  const part = shown();
  if (part) part.remove();
}
