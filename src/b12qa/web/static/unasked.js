// A question that the server refused, or that never reached it. Gradio covers the conversation then, and says
// something for ten seconds. Both are hidden, and the page says what to do: one sentence above the box, where
// the question still stands, until a question gets through.

import { language, say } from "./texts.js";
import { element, scrollTo } from "./tools.js";

const ASKING = "/gradio_api/queue/";
const LEVELS = { emergency: "Emergency: get help now", urgent: "Urgent: get help today", soon: "See someone soon" };
const seen = new WeakSet(); // what Gradio said

function words(status) {
  if (status === 429) return say("That was too much at once, so nothing was asked. Wait a few seconds, then ask again.");
  if (status === 503) return say("Many people are asking just now, so nothing was asked. Wait a few seconds, then ask again.");
  if (status === 0) return say("The server cannot be reached, so there is no answer. Check your connection, then load this page again.");
  return say("Something went wrong, so there is no answer. Ask again, or load this page again.");
}

/** What to do first about a red flag in a question that was refused, if there is one. */
async function cardIn(response) {
  try {
    return (await response.json()).care_card;
  } catch (error) {
    return null;
  }
}

/** A care card as it stands above answers; the page says it again in the reader's language. */
function careCard(card) {
  const lines = (tag, texts, kind = "") =>
    texts.map((textContent) => element(tag, { className: `say ${kind}`, lang: "en", textContent }));
  const section = element("section", { className: `care ${card.level}` });
  const steps = element("ul", {});
  steps.append(...lines("li", card.steps));
  section.append(...lines("p", [LEVELS[card.level]], "level"), ...lines("h2", [card.title]), ...lines("p", [card.text]), steps);
  if (language !== "en") {
    section.append(...lines("p", ["Translated from English. No doctor or nurse has checked it."], "unreviewed"));
  }
  return section;
}

function tell(status, card) {
  clear();
  const place = document.getElementById("asking");
  if (!place) return;
  const notice = element("div", { className: "b12qa unasked" });
  notice.setAttribute("role", "alert");
  if (card) notice.append(careCard(card));
  notice.append(element("p", { className: "say", lang: language, textContent: words(status) }));
  place.prepend(notice);
  if (card) scrollTo(notice, "nearest");
}

function clear() {
  document.querySelectorAll(".unasked").forEach((notice) => notice.remove());
}

/** Whatever else Gradio complains of, say in a sentence of ours. */
export function sayInOurWords() {
  document.querySelectorAll(".toast-message-item.error").forEach((complaint) => {
    if (seen.has(complaint)) return;
    seen.add(complaint);
    if (!document.querySelector(".unasked")) tell(-1);
  });
}

/** The answer comes in a stream. One that ends before there is any was cut off. */
async function watchTheEnd(stream) {
  try {
    if (!/process_completed|close_stream/.test(await stream.text())) tell(0);
  } catch (error) {
    if (error.name !== "AbortError") tell(0);
  }
}

/** See what becomes of the requests that ask, whoever makes them. */
export function watchRequests() {
  const fetchAsBefore = window.fetch;
  window.fetch = async (...request) => {
    const address = request[0] instanceof Request ? request[0].url : String(request[0]);
    if (!address.includes(ASKING)) return fetchAsBefore(...request);
    try {
      const response = await fetchAsBefore(...request);
      if (!response.ok) tell(response.status, await cardIn(response.clone()));
      else if (address.includes("/data")) watchTheEnd(response.clone());
      else clear();
      return response;
    } catch (error) {
      if (error.name !== "AbortError") tell(0);
      throw error;
    }
  };
}
