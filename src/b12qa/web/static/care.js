// What to do first in an emergency stands on the first screen, however large the letters are and whatever enlarged
// them. Only measuring tells: letters that a browser enlarges by itself are unknown to the queries of a style sheet.

import { language, sayAgain } from "./texts.js";
import { element, scrollTo } from "./tools.js";

const MARGIN = 8;
// What moves the first step up, the least change first.
const CLOSER = ["why-last", "step-first", "no-frame", "level-last"];

const UNREVIEWED = "Translated from English. No doctor or nurse has checked it.";

// In the words of the region; the page says them again in the reader's language.
const WHOM_TO_CALL = ["b12qa-emergency", "b12qa-crisis"].map((name) => document.querySelector(`meta[name="${name}"]`).content);

/** Whom to call, whatever was asked: what no server has read may tell of an emergency. */
export function whomToCall() {
  const told = element("p", { className: "help" });
  WHOM_TO_CALL.forEach((textContent) => {
    const words = element("span", { className: "say", lang: "en", textContent });
    sayAgain(words);
    told.append(words, " ");
  });
  return told;
}

const height = (from, to) => to.getBoundingClientRect().bottom - from.getBoundingClientRect().top;

/** How much of the conversation is seen at once. */
function room() {
  const log = document.querySelector("#conversation [role=log]");
  const asking = document.getElementById("asking");
  const floats = getComputedStyle(asking).position === "sticky" ? asking.offsetHeight : 0;
  return Math.min(innerHeight - floats, log.scrollHeight > log.clientHeight ? log.clientHeight : Infinity) - MARGIN;
}

/** Have the first step of a card on a screen that begins with the card. */
export function fit(card) {
  card.classList.remove(...CLOSER);
  const above = parseFloat(getComputedStyle(card).scrollMarginTop); // is left free where the screen begins with it
  CLOSER.forEach((change) => {
    if (height(card, card.querySelector("li")) > room() - above) card.classList.add(change);
  });
}

/** Show a card: from its question on, or where there is no room for that, alone and with nothing over it. */
export function showCard(card, question) {
  document.body.classList.remove("care-needs-room");
  card.classList.remove(...CLOSER);
  const hasRoom = height(question, card.querySelector("li")) <= room();
  document.body.classList.toggle("care-needs-room", !hasRoom);
  fit(card);
  scrollTo(hasRoom ? question : card, "start");
}

/** Say cards, and what stands around them in an emergency, in the language that the reader chose since. */
export function sayCards() {
  document.querySelectorAll("#conversation .b12qa.answer.urgent :is(p.outcome, .notice p)").forEach(sayHere);
  document.querySelectorAll("section.care").forEach((card) => {
    const before = card.textContent;
    card.querySelectorAll(":is(p, h2, li):not(.unreviewed)").forEach(sayHere);
    sayWhetherChecked(card);
    if (card.textContent !== before && card.matches(".emergency, .urgent")) fit(card);
  });
}

/** Where nothing is said of its language, words speak that of what they stand in. */
function sayHere(words) {
  if (!words.lang) words.lang = words.closest("[lang]").lang;
  sayAgain(words);
}

function sayWhetherChecked(card) {
  let told = card.querySelector("p.unreviewed");
  if (!told && language !== "en") {
    told = element("p", { className: "unreviewed", lang: "en", textContent: UNREVIEWED });
    card.append(told);
  }
  if (!told) return;
  sayHere(told);
  if (told.hidden !== (language === "en")) told.hidden = language === "en";
}
