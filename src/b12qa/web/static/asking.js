// What a person asks, one question after the other: what is asked while another waits is asked once its answer
// is there, as it stood when it was sent. With each go those before it, so that a server that was started again,
// or has forgotten a page that was quiet for long, still knows what "and for how long?" is about.

import { awaited, dropQueued, showAwaited, showQueued, whenFree } from "./awaiting.js";
import { forgetName, nameOfPage, pageWasNamed } from "./returning.js";
import { say } from "./texts.js";
import { announce, type } from "./tools.js";

// More than these are of no use to the server, which says how many; a long request counts as several questions.
const MAX_EARLIER = Number(document.querySelector('meta[name="b12qa-earlier"]').content);
const MAX_EARLIER_CHARACTERS = 6000;
const BACK_WITHIN_MILLISECONDS = 3000; // what is asked until then waits for what was said before

let current; // the question whose answer has not come
let lost; // one whose answer did not come in time; the server may have it
let earlier = []; // those that were answered on this page, oldest first
let queue = [];
let isComingBack = false; // what was said before the page was loaded again
let instead; // what is done once the question that waits is answered, instead of asking the next one

const box = () => document.querySelector("#question textarea");

/** Ask a question now, or once those before it are answered. */
export function ask(question, { literal = false, typed = false } = {}) {
  const wanted = { question, literal, typed };
  // A button that was pressed twice asks once.
  const isSame = (other) => other && other.question === question && other.literal === literal;
  if (!typed && [current, ...queue].some(isSame)) return;
  if (!awaited() && !isComingBack && !instead) {
    send(wanted);
    return;
  }
  queue.push(wanted);
  showQueued(question);
  announce(say("Will be asked next."));
}

/** Ask what stands in the box, and empty it: what is typed from now on is another question. */
export function askTyped() {
  const question = box().value.trim();
  if (!question) return;
  type(box(), "");
  ask(question, { typed: true });
}

/** The questions that were to be asked next, where the one before them got no answer. */
export function takeQueued() {
  const questions = queue.map(({ question }) => question);
  queue = [];
  lost = current || lost;
  current = undefined;
  instead = undefined;
  isComingBack = false;
  dropQueued();
  return questions;
}

/**
 * Begin anew: in the tab at once, and on the server once it is done with what waits, whose answer would come back to
 * a conversation that was begun anew. It may know this load of the page not yet, so the name is written down for it.
 *
 * @param tellTheServer presses the button that Gradio listens to.
 */
export function beginAnew(tellTheServer) {
  queue = [];
  dropQueued();
  current = undefined;
  lost = undefined;
  earlier = [];
  if (pageWasNamed()) note({ question: "", literal: false, history: [] });
  forgetName();
  instead = tellTheServer;
  if (!awaited() && !isComingBack) setTimeout(goOn, 0); // once Gradio has taken it in
}

/** Where the page was loaded again, have what was said on it before. */
export function bringBack() {
  if (!pageWasNamed()) return;
  isComingBack = true;
  write({ question: "", literal: false, history: [] });
  // There may be nothing any more.
  setTimeout(() => isComingBack && goOn(), BACK_WITHIN_MILLISECONDS);
}

/** The newest questions that are not too much to send. */
function history() {
  const newest = [];
  let room = MAX_EARLIER_CHARACTERS;
  for (const question of earlier.slice(-MAX_EARLIER).reverse()) {
    room -= question.length;
    if (room < 0) break;
    newest.unshift(question);
  }
  return newest;
}

function send(wanted) {
  current = wanted;
  showAwaited(wanted.question, wanted.typed);
  const { question, literal } = wanted;
  const again = Boolean(lost) && lost.question === question && lost.literal === literal;
  write({ question, literal, again, history: history() });
}

/** Ask through a field that Gradio listens to, as if somebody had typed into it. */
function write(asked) {
  note(asked);
  setTimeout(() => document.querySelector("#wanted .submit-button").click(), 0); // once Gradio has taken it in
}

function note(asked) {
  type(document.querySelector("#wanted textarea"), JSON.stringify({ ...asked, page: nameOfPage(), time: Date.now() }));
}

function goOn() {
  if (isComingBack && !instead) cameBack();
  isComingBack = false;
  if (current) {
    earlier.push(current.question);
    lost = undefined;
  }
  current = undefined;
  if (instead) {
    const beginsAnew = instead;
    instead = undefined;
    beginsAnew();
    return;
  }
  const next = queue.shift();
  if (!next) return;
  dropQueued(1);
  send(next);
}

/** What was said before stands there again, or that it is gone. */
function cameBack() {
  earlier = [...document.querySelectorAll("#conversation .b12qa.question")].map((one) => one.textContent);
  const gone = document.querySelector("#conversation .rebuilt");
  if (gone && !earlier.length) announce(gone.textContent);
}

// What was typed and not asked is kept nowhere: browsers write whatever outlives a page to the disk. So whoever
// loads the page again or leaves it is asked first by the browser. In a frame that would be another site's matter.
addEventListener("beforeunload", (event) => {
  if (window.parent === window && box() && box().value.trim()) event.preventDefault();
});

whenFree(goOn);
