// What the page does beyond Gradio: it brings a new answer into view and announces it, asks what a button
// stands for, opens the article, and gives the parts of the page the names and the focus that people
// without a mouse need.

import { ask, askTyped, bringBack } from "./asking.js";
import { replied } from "./awaiting.js";
import { sayCards, showCard } from "./care.js";
import "./counting.js";
import { addressOf, copy, quoteText, save } from "./keeping.js";
import { listContents, markAnswer, noticePane, offerToRead, openLinked, openPlace, prepare, relabel } from "./reading.js";
import { nameThumbs, sayBesideThumb } from "./rating.js";
import { sayStartOver } from "./startover.js";
import { language, languages, say, sayAgain, sayIn, speak, wanted, whenLearnt } from "./texts.js";
import { announce, element, scrollTo } from "./tools.js";
import { sayInOurWords, watchRequests } from "./unasked.js";

let shownAnswer; // the newest one that was brought into view
let askedByButton = false;
let linkOpened = false;
let broughtBack = false;

const box = () => document.querySelector("#question textarea");
const answers = () => document.querySelectorAll("#conversation .b12qa.answer");

// Asking.

/** Ask what a button stands for. */
function askByButton(question, literal) {
  askedByButton = true;
  ask(question, { literal });
}

/** The question that an answer is to: the nearest one above it. */
function questionOf(answer) {
  const all = [...document.querySelectorAll("#conversation :is(.b12qa.question, .b12qa.answer)")];
  const before = all.slice(0, all.indexOf(answer)).filter((part) => part.matches(".question"));
  return before.length ? before[before.length - 1].textContent : "";
}

document.addEventListener("click", (event) => {
  const hit = (selector) => event.target.closest && event.target.closest(selector);
  const link = hit('a[href^="#"]');
  if (link) event.preventDefault(); // the page has a <base>, so following the link would load it anew
  if (hit("a.share")) copy(addressOf(link), link, say("Link copied"));
  else if (link) openPlace(link);
  else if (hit("button.copy")) copy(quoteText(hit("figure")), hit("button.copy"), say("Copied"));
  else if (hit("button.ask")) askByButton(hit("button.ask").textContent, false);
  else if (hit("button.literal")) askByButton(questionOf(hit(".b12qa.answer")), true);
  else if (hit("button.save")) save();
  else if (hit("button.skip")) {
    scrollTo(shownAnswer, "start");
    focusOn(shownAnswer.querySelector("p.outcome"));
  }
  else if (hit("button.to-found")) {
    const found = hit(".b12qa.answer").querySelector(".noted.found");
    scrollTo(found, "start");
    focusOn(found);
  }
  else if (hit("button.jump")) {
    scrollTo(box(), "center");
    box().focus({ preventScroll: true });
  }
  else if (hit("button.language")) change(hit("button.language").value);
});

// Gradio reads the box when it gets round to it. Whoever goes on typing would have half a question asked.

document.addEventListener("click", (event) => {
  if (!event.target.closest("#question .submit-button")) return;
  event.stopPropagation();
  askTyped();
}, true);

document.addEventListener("keydown", (event) => {
  if (event.target !== box() || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  event.stopPropagation();
  askTyped();
}, true);

document.addEventListener("input", (event) => {
  // Who types the next question keeps the focus in the box.
  if (event.isTrusted && event.target === box()) askedByButton = false;
});

document.addEventListener("keydown", (event) => {
  if (event.key !== " " || !event.target.matches('a[role="button"]')) return;
  event.preventDefault(); // a button answers to the space bar, a link does not
  event.target.click();
});

// Paper has no button that shows more.

matchMedia("print").addEventListener("change", ({ matches: prints }) => {
  document.querySelectorAll(prints ? "details.more:not([open])" : "details.more.for-print").forEach((more) => {
    more.classList.toggle("for-print", prints);
    more.open = prints;
  });
});

// Languages.

async function change(tag) {
  await speak(tag);
  const address = new URL(location.href);
  address.searchParams.set("lang", language);
  history.replaceState(history.state, "", address); // Gradio sends it along with each question
  sayAll();
}

function sayAll() {
  if (document.title !== say("Ask the article")) document.title = say("Ask the article");
  document.querySelectorAll(".say").forEach(sayAgain);
  sayCards();
  relabel();
  const field = box();
  if (field) field.placeholder = say("Your question");
  // Gradio's label holds the button too.
  if (field && field.ariaLabel !== say("Your question")) field.ariaLabel = say("Your question");
  sayIn(document.querySelector('#question [data-testid="block-info"]'), "Your question");
  sayIn(document.querySelector("#question .submit-button"), "Ask");
  sayStartOver();
  document.querySelectorAll("button.language").forEach((button) => {
    button.setAttribute("aria-pressed", String(button.value === language));
  });
}

// What Gradio leaves out.

function prepareConversation() {
  const log = document.querySelector("#conversation [role=log]");
  if (!log) return;
  // An answer is long; it is announced in a few words, see showNewest.
  if (log.getAttribute("aria-live") !== "off") log.setAttribute("aria-live", "off");
  log.tabIndex = 0; // it scrolls, and an urgent answer holds nothing else that takes the focus
  if (log.getAttribute("aria-label") !== say("Conversation")) log.setAttribute("aria-label", say("Conversation"));
  // Gradio names every message with its source, tags and all.
  document.querySelectorAll("#conversation [data-testid][aria-label]").forEach((message) => {
    message.removeAttribute("aria-label");
  });
  const asking = document.getElementById("asking");
  if (asking && !asking.querySelector(".skip")) {
    // The focus stays in the box for the next question; one step back from it leads to the answer.
    const skip = element("button", { type: "button", className: "skip say", lang: "en" });
    skip.textContent = "Go to the newest answer";
    asking.prepend(skip);
  }
  const below = document.getElementById("below");
  if (below && !below.querySelector(".save")) {
    const keep = element("button", { type: "button", className: "save say", lang: "en" });
    keep.textContent = "Save this conversation";
    const choice = element("div", { className: "languages" });
    choice.setAttribute("role", "group");
    choice.setAttribute("aria-label", say("Language"));
    languages().forEach(([tag, name]) => {
      choice.append(element("button", { type: "button", className: "language", value: tag, lang: tag, textContent: name }));
    });
    below.append(keep, choice);
  }
  document.querySelectorAll("#conversation .nearest_sections a.open:not([role])").forEach((link) => {
    link.setAttribute("role", "button");
  });
}

/**
 * Where letters are large or a phone lies on its side, the box is screens away, and one press leads to it. There
 * is no room to float over: it stands where a person begins to read, at the newest answer or at the top.
 */
function placeJump(newest) {
  const place = newest || document.querySelector("#top .head");
  if (!place || place.querySelector(".jump")) return;
  document.querySelectorAll(".jump").forEach((other) => other.remove());
  // Nothing comes before what to do in an emergency.
  if (place.querySelector("section.care:is(.emergency, .urgent)") || place.matches(".urgent")) return;
  const jump = element("button", { type: "button", className: "jump say", lang: "en", textContent: "Ask a question" });
  if (newest) newest.prepend(jump);
  else place.append(jump);
}

let named = 0;

function nameOf(part) {
  if (!part.id) {
    named += 1;
    part.id = `b12qa-named-${named}`;
  }
  return part.id;
}

/** Names and headings for who hears the page: Gradio strips what says so in an answer. */
function nameParts() {
  // A question runs as its letters do, whatever the language of the page.
  document.querySelectorAll("#question textarea, #conversation .b12qa.question").forEach((question) => {
    if (question.dir !== "auto") question.dir = "auto";
  });
  // Whoever goes from heading to heading hears the question, and below it what kind of answer it got.
  document.querySelectorAll("#conversation .b12qa.question").forEach((question) => asHeading(question, "2"));
  document.querySelectorAll("#conversation .b12qa.answer").forEach((answer) => {
    const level = rowOfQuestion(answer) ? "3" : "2";
    answer.querySelectorAll("p.outcome, section.care h2").forEach((part) => asHeading(part, level));
  });
  document.querySelectorAll("#conversation .b12qa.answer").forEach((answer) => {
    const quotes = [...answer.querySelectorAll("figure.quote")];
    const leafOf = (figure) => figure.querySelector(".leaf").textContent;
    quotes.filter((figure) => !figure.hasAttribute("aria-labelledby")).forEach((figure) => {
      const alike = quotes.filter((other) => leafOf(other) === leafOf(figure));
      // Quotes of one section are told apart by their number.
      const which = alike.length > 1 ? ` ${nameOf(numberOf(figure, alike.indexOf(figure) + 1))}` : "";
      figure.setAttribute("aria-labelledby", nameOf(figure.querySelector(".where")) + which);
      figure.querySelectorAll(".acts > *").forEach((act) => {
        act.setAttribute("aria-labelledby", `${nameOf(act)} ${nameOf(figure.querySelector(".leaf"))}${which}`);
      });
    });
  });
}

/** An editor's note is told from the article by its role and its name, and named where its sentence is heard. */
function nameNotes() {
  document.querySelectorAll("aside.note:not([aria-labelledby])").forEach((note) => {
    note.setAttribute("role", "note");
    note.setAttribute("aria-labelledby", nameOf(note.querySelector(".heading")));
    note.removeAttribute("aria-label"); // its heading changes with the language
  });
  document.querySelectorAll("#articles .has-note[id]:not([aria-describedby])").forEach((sentence) => {
    sentence.setAttribute("aria-describedby", `${sentence.id}-note`);
  });
}

function asHeading(part, level) {
  if (part.getAttribute("aria-level") === level) return;
  part.setAttribute("role", "heading");
  part.setAttribute("aria-level", level);
}

/** Where the question of an answer stands; one that was too long is not shown. */
function rowOfQuestion(answer) {
  const before = answer.closest(".message-row").previousElementSibling;
  return before && before.matches(".user-row") ? before : null;
}

function numberOf(figure, number) {
  const unseen = element("span", { hidden: true, textContent: String(number) });
  figure.append(unseen);
  return unseen;
}

/** What to hear of a reply: in an emergency what it is and what to do first, then what else there is. */
function heard(reply) {
  const card = reply.querySelector("section.care");
  if (!card) return heardOfAnswer(reply);
  // The card is an alert, but one that comes with the rest of a reply need not be said.
  const first = ["p.level", "h2", "li"].map((part) => card.querySelector(part).textContent);
  const words = first.map((text) => (/[.!?]$/.test(text) ? text : `${text}.`)).join(" ");
  return reply.matches(".urgent") ? words : `${words} ${heardOfAnswer(reply)}`;
}

/** Our notice to a person, or where the first quote stands. */
function heardOfAnswer(answer) {
  const notices = [...answer.querySelectorAll(".notice:is(.personal, .medicine, .test_first) > p")];
  if (notices.length) return notices.map((notice) => notice.textContent).join(" ");
  const where = answer.querySelector("figure.quote .leaf");
  const label = answer.querySelector("p.outcome").textContent;
  return where ? `${label}: ${where.textContent}` : label;
}

function focusOn(target) {
  target.tabIndex = -1;
  target.focus({ preventScroll: true });
}

function startAtTheTop() {
  scrollTo(document.getElementById("top"), "start");
  document.querySelector("#conversation [role=log]").scrollTop = 0;
  // A box that is in sight stays where it is; where it is screens away, the view goes with the focus.
  box().focus({ preventScroll: box().getBoundingClientRect().bottom <= innerHeight });
  announce(say("All deleted. You can ask a new question."));
}

function showNewest() {
  const all = answers();
  const newest = all[all.length - 1];
  const isNew = newest && newest !== shownAnswer;
  if (shownAnswer && !newest) startAtTheTop();
  shownAnswer = newest;
  const keep = document.querySelector("button.save");
  if (keep) keep.hidden = !newest;
  const skip = document.querySelector("button.skip");
  if (skip) skip.hidden = !newest;
  const needsCare = newest && newest.querySelector("section.care:is(.emergency, .urgent)");
  document.body.classList.toggle("has-answer", Boolean(newest));
  document.body.classList.toggle("care-shown", Boolean(needsCare));
  if (!needsCare) document.body.classList.remove("care-needs-room");
  placeJump(newest);
  if (!isNew) return;
  replied(newest.matches(".refused"));
  const fromQuestion = rowOfQuestion(newest) || newest.closest(".message-row"); // one is not shown
  if (needsCare) showCard(needsCare, fromQuestion);
  else scrollTo(fromQuestion, "start");
  markAnswer(newest);
  announce(heard(newest));
  if (askedByButton) {
    // The button may be gone, or far above; from here on a person reads the answer.
    focusOn(newest.querySelector("p.outcome"));
    askedByButton = false;
  } else if (document.activeElement === document.body && matchMedia("(pointer: fine)").matches) {
    // On a phone the keyboard stays down.
    box().focus({ preventScroll: true });
  }
}

function look() {
  prepare();
  prepareConversation();
  nameParts();
  nameNotes();
  noticePane();
  listContents();
  offerToRead();
  sayInOurWords();
  nameThumbs();
  sayBesideThumb();
  sayAll();
  showNewest();
  if (!broughtBack && document.querySelector("#wanted .submit-button")) {
    broughtBack = true;
    bringBack();
  }
  if (!linkOpened && document.querySelector("#articles .pane") && document.querySelector("#reading .tools")) {
    linkOpened = true;
    openLinked();
  }
}

watchRequests();
whenLearnt(sayAll);
addEventListener("hashchange", openLinked);
speak(wanted()).then(() => {
  look();
  new MutationObserver(look).observe(document.documentElement, { childList: true, subtree: true });
});
