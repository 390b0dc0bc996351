// What to do first in an emergency stands on the first screen, however large the letters are and whatever enlarged
// them. Only measuring tells: letters that a browser enlarges by itself are unknown to the queries of a style sheet.

import { scrollTo } from "./tools.js";

const MARGIN = 8;
const CLOSER = ["why-last", "step-first"]; // what moves the first step up, the least change first

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
  CLOSER.forEach((change) => {
    if (height(card, card.querySelector("li")) > room()) card.classList.add(change);
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
