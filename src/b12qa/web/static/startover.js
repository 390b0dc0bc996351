// "Start over" deletes the whole conversation, and nothing brings it back. So what it says is asked first: the
// same button, pressed again, deletes.

import { beginAnew } from "./asking.js";
import { pageWasNamed } from "./returning.js";
import { say, sayIn } from "./texts.js";
import { announce } from "./tools.js";

const ASKED_MILLISECONDS = 8000; // long enough to hear the question and press again

let timer = 0; // runs while it is asked

const button = () => document.getElementById("again");
// Where something was asked before the page was loaded again, it may still be on its way back.
const something = () =>
  pageWasNamed() || document.querySelector("#conversation :is(.b12qa.question, .b12qa.answer, .awaiting)");

/** Whether a press means it. */
function isMeant(event) {
  if (timer) return event.detail < 2; // a double click is one press
  return !something();
}

function askFirst() {
  timer = setTimeout(askNoMore, ASKED_MILLISECONDS);
  sayStartOver();
  announce(say("Delete all? Press again"));
}

function askNoMore() {
  clearTimeout(timer);
  timer = 0;
  sayStartOver();
}

/** What the button says now, in the reader's language. */
export function sayStartOver() {
  const again = button();
  if (!again) return;
  sayIn(again, timer ? "Delete all? Press again" : "Start over");
  if (again.classList.contains("asks") !== Boolean(timer)) again.classList.toggle("asks");
}

document.addEventListener("click", (event) => {
  const again = event.target.closest("#again");
  if (!again || !event.isTrusted) return; // what is not trusted is our own press, for Gradio
  event.stopPropagation();
  if (!isMeant(event)) {
    if (!timer) askFirst();
    return;
  }
  askNoMore();
  beginAnew(() => again.click());
}, true);

document.addEventListener("focusout", (event) => {
  if (timer && event.target === button()) askNoMore();
});

document.addEventListener("keydown", (event) => {
  if (event.repeat && event.target === button()) event.preventDefault(); // a key that is held down is one press
});
