// A question that the server refused, or that never reached it. Gradio covers the conversation then, and says
// something for ten seconds. Both are hidden, and the page says what to do: one sentence above the box, where
// the question still stands, until a question gets through.

import { takeQueued } from "./asking.js";
import { endSoon, unanswered } from "./awaiting.js";
import { fit, whomToCall } from "./care.js";
import { language, say } from "./texts.js";
import { announce, element, scrollTo } from "./tools.js";

const ASKING = "/gradio_api/queue/";
const LEVELS = { emergency: "Emergency: get help now", urgent: "Urgent: get help today", soon: "See someone soon" };
const LOOK_AGAIN_MILLISECONDS = 3000;
// A server that is well says so every 15 seconds, however long an answer takes.
const SILENT_MILLISECONDS = 30000;
const WAIT_MILLISECONDS = 90000;
const LATE = new Error("late");
const seen = new WeakSet(); // what Gradio said

function words(status) {
  if (status === 429) return say("That was too much at once, so nothing was asked. Wait a few seconds, then ask again.");
  if (status === 503) return say("Many people are asking just now, so nothing was asked. Wait a few seconds, then ask again.");
  if (status === 413) return say("That is too long to be read, so nothing was asked. Ask in a few short sentences.");
  if (status === 504) return say("The server takes too long, so there is no answer. Wait a little, then ask again.");
  if (status === 0) return say("The server cannot be reached, so there is no answer. Check your connection, then ask again.");
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
  return section;
}

function tell(status, card) {
  clear();
  announce(""); // that an answer is looked for is over; the notice says itself
  const questions = [unanswered(), ...takeQueued()].filter(Boolean);
  const place = document.getElementById("asking");
  if (!place) return;
  const notice = element("div", { className: "b12qa unasked" });
  notice.setAttribute("role", "alert");
  if (card) notice.append(careCard(card));
  const told = element("p", {});
  told.append(element("span", { className: "say", lang: language, textContent: words(status) }));
  notice.append(told);
  if (!card) notice.append(" ", whomToCall());
  notice.append(...questions.map((textContent) => element("button", { type: "button", className: "ask", textContent })));
  place.prepend(notice);
  if (status === 0) waitForTheServer(notice);
  if (!card) return;
  fit(notice.querySelector("section.care"));
  scrollTo(notice, "nearest");
}

/** Say when the server can be reached again: then nothing need be loaded anew. */
function waitForTheServer(notice) {
  const hint = element("p", { className: "b12qa unasked wait say", lang: language });
  hint.textContent = say("Or wait here. This page will tell you when the server is back.");
  notice.after(hint);
  const look = async () => {
    if (!notice.isConnected) return;
    try {
      if ((await fetch("healthz", { cache: "no-store" })).ok) {
        hint.remove();
        const textContent = say("The server is back. Please ask again.");
        notice.querySelectorAll(":scope > .help").forEach((part) => part.remove());
        notice.querySelector(":scope > p").replaceWith(element("p", { className: "say", lang: language, textContent }));
        return;
      }
    } catch (error) {
      // Not yet.
    }
    setTimeout(look, LOOK_AGAIN_MILLISECONDS);
  };
  setTimeout(look, LOOK_AGAIN_MILLISECONDS);
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

// Where Gradio hears that a connection broke, it asks nothing any more until the page is loaded anew. So it
// hears that the question failed, as if the server had said so, and asks again when a person does.

const asked = new Map(); // since when Gradio waits for what, by the server's names

/** What a promise gives, if it does so in time. */
function inTime(promise, milliseconds) {
  let timer = 0;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(LATE), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** How long the next word of the server may take. */
function patience() {
  const last = Math.min(...asked.values()) + WAIT_MILLISECONDS - performance.now();
  return Math.max(0, Math.min(SILENT_MILLISECONDS, last));
}

/** Note what the server says of a question, and whether it gives all of them up. */
function givesUp(line) {
  if (!line.startsWith("data:")) return false;
  try {
    const { msg, event_id: event } = JSON.parse(line.slice("data:".length));
    if (msg === "process_completed") {
      asked.delete(event);
      if (!asked.size) endSoon();
    }
    return msg === "unexpected_error";
  } catch (error) {
    return false; // not for us
  }
}

/** What a server would say that has no answer. */
function failed() {
  const ends = [...asked.keys()].map((event) => ({
    msg: "process_completed", event_id: event, success: false, output: { error: "No answer" },
  }));
  asked.clear();
  return [...ends, { msg: "close_stream" }].map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
}

/** The stream that answers come in. One that ends before they have come was cut off. */
function toItsEnd(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let status = 0;
  /** The next bytes, or null where no more can be used. */
  const read = async () => {
    const { done, value } = await inTime(reader.read(), patience());
    if (done) return null;
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop();
    if (!lines.some(givesUp)) return value;
    status = -1;
    reader.cancel();
    return null;
  };
  return new ReadableStream({
    async pull(controller) {
      let value = null;
      try {
        value = await read();
      } catch (error) {
        if (error.name === "AbortError") {
          controller.error(error);
          return;
        }
        if (error === LATE) {
          status = 504;
          reader.cancel();
        }
      }
      if (value) {
        controller.enqueue(value);
        return;
      }
      if (asked.size) tell(status);
      controller.enqueue(new TextEncoder().encode(`\n\n${failed()}`));
      controller.close();
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

const stream = (body) => new Response(body, { headers: { "content-type": "text/event-stream" } });

/** See what becomes of the requests that ask, whoever makes them. */
export function watchRequests() {
  const fetchAsBefore = window.fetch;
  window.fetch = async (...request) => {
    const address = request[0] instanceof Request ? request[0].url : String(request[0]);
    if (!address.includes(ASKING)) return fetchAsBefore(...request);
    const isStream = address.includes("/data");
    let response;
    try {
      response = await inTime(fetchAsBefore(...request), SILENT_MILLISECONDS);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      tell(error === LATE ? 504 : 0);
      return isStream ? stream(failed()) : Response.json({ detail: "No answer" }, { status: 502 });
    }
    if (!response.ok) {
      tell(response.status, await cardIn(response.clone()));
      return isStream ? stream(failed()) : response;
    }
    if (isStream) return stream(toItsEnd(response.body));
    clear();
    if (address.includes("/join")) asked.set((await response.clone().json()).event_id, performance.now());
    return response;
  };
}
