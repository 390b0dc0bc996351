// The article: it opens beside the conversation, or over it on a small screen; passages are marked by their
// offsets, which are the ids of their elements. Nothing is looked for by its words but what the reader types.

import { bring, lookUp, nameIn, pane, sayWhyNot, shown, shownFor, versionOf, whenReplaced } from "./articles.js";
import { language, say, sayAgain } from "./texts.js";
import { announce, element, scrollTo } from "./tools.js";

const small = matchMedia("(max-width: 56.25em), (max-height: 30em)"); // as in page.css
const READS_ON_MILLISECONDS = 3000; // after the last turn of a wheel
const MARK_AT_MOST = 2000; // matches of what the reader looks for
let origin = null; // what opened the article, and gets the focus back

const panel = () => document.getElementById("reading");
const articles = () => document.getElementById("articles");
const others = () => ["top", "chat"].map((id) => document.getElementById(id)).filter(Boolean);

const isOpen = () => document.body.classList.contains(small.matches ? "reading-open" : "reading-beside");
const isSheetOpen = () => small.matches && isOpen();

export function open(from) {
  if (from) origin = from;
  document.body.classList.add("reading-open", "reading-beside");
  arrange();
  // The sheet covers the page, so the browser's way back leads to what it covers.
  if (small.matches && !isSheet(history.state)) history.pushState({ ...history.state, b12qa: "sheet" }, "");
}

export function close() {
  document.body.classList.remove("reading-open", "reading-beside");
  arrange();
  goBack();
  if (isSheet(history.state)) history.back();
}

const isSheet = (state) => Boolean(state && state.b12qa === "sheet");

addEventListener("popstate", (event) => {
  if (!small.matches || isSheet(event.state) === isOpen()) return;
  if (isOpen()) close();
  else if (articles()) {
    open(null); // forward again
    readOn();
  }
});

/** Put the focus at the place that was opened last, which the sheet forgot while it was closed. */
function readOn() {
  const place = document.querySelector("#articles .place.opened");
  if (place) show(place);
  else articles().focus({ preventScroll: true });
}

function goBack() {
  const target = origin && origin.isConnected ? origin : document.querySelector("#question textarea");
  target.focus({ preventScroll: true });
  if (target !== origin) return;
  const box = target.getBoundingClientRect();
  if (box.top < 0 || box.bottom > innerHeight) scrollTo(target, "center");
}

/** A dialog over the page on a small screen, a region beside the conversation on a large one. */
function arrange() {
  const over = isSheetOpen();
  const reading = panel();
  if (!reading) return;
  if (reading.getAttribute("role") !== (over ? "dialog" : "region")) {
    reading.setAttribute("role", over ? "dialog" : "region");
    if (over) reading.setAttribute("aria-modal", "true");
    else reading.removeAttribute("aria-modal");
  }
  others().forEach((part) => {
    part.inert = over;
  });
  offerToRead();
}

/** Where the article is open already, nothing need open it. */
export function offerToRead() {
  document.querySelectorAll("button.read").forEach((button) => {
    if (button.hidden !== isOpen()) button.hidden = isOpen();
  });
}

small.addEventListener("change", arrange);

// Places.

/** Open the place that a link leads to, in the text that it was found in, and mark what its answer quotes. */
export async function openPlace(link) {
  const id = link.getAttribute("href").slice(1);
  const figure = link.closest("figure");
  const answer = link.closest(".b12qa.answer");
  const contents = link.closest("details.contents");
  tellAboutLink("");
  if (contents) contents.open = false;
  open(panel().contains(link) ? null : link);
  if (!contents && !(await inPane(nameIn(id), versionOf(link), () => openPlace(link)))) return;
  const focused = document.activeElement;
  const wentOn = focused !== link && focused !== document.body && !panel().contains(focused);
  markPassages(answer ? quotedBy(answer) : [], figure ? passagesOf(figure) : []);
  const place = [...articles().querySelectorAll(".place")].find((one) => one.id === id);
  if (place) show(place, wentOn ? focused : place);
  else if (!wentOn) articles().focus({ preventScroll: true });
}

/** Have an article in the pane, or the list of all; the focus waits there, since what had it may go. */
async function inPane(name, version, retry) {
  const waits = isSheetOpen() || panel().contains(document.activeElement);
  if (waits && !(name && shown(name, version))) articles().focus({ preventScroll: true });
  return bring(name, version, retry);
}

async function showAll() {
  if (await inPane(undefined, undefined, showAll)) articles().focus({ preventScroll: true });
}

/**
 * The elements of the article that a quote shows: its passage, or some of the passage's sentences. There are none
 * where another text stands in the pane, in which the same offsets are other words.
 */
function passagesOf(figure) {
  const link = figure.querySelector("a.open");
  const article = link && shownFor(link);
  if (!article) return [];
  const id = (figure.querySelector("blockquote").getAttribute("cite") || "#").slice(1);
  const passage = [...article.querySelectorAll(".passage")].find((one) => one.id === id);
  if (passage) return [passage];
  const match = /^(.+)~(\d+)~(\d+)~[0-9a-f]+$/.exec(id);
  if (!match) return [];
  const prefix = `${match[1]}-`;
  return [...article.querySelectorAll(".sentence")].filter((sentence) => {
    const start = Number(sentence.id.slice(prefix.length));
    return sentence.id.startsWith(prefix) && start >= Number(match[2]) && start < Number(match[3]);
  });
}

const quotedBy = (answer) =>
  [...answer.querySelectorAll("figure.quote")].reduce((all, figure) => all.concat(passagesOf(figure)), []);

/** Mark what an answer quotes; beside the conversation, bring the first of it into sight. */
export async function markAnswer(answer) {
  marked = answer;
  markPassages(quotedBy(answer), []);
  const link = answer.querySelector("figure.quote a.open");
  const may = () => !small.matches && isOpen() && !isBeingRead() && marked === answer;
  if (!link || !may()) return;
  const name = nameIn(link.getAttribute("href").slice(1));
  if (!(await bring(name, versionOf(link), () => openPlace(link), may))) return;
  const passages = quotedBy(answer);
  markPassages(passages, []);
  if (passages.length) bringIntoSight(passages[0]);
}

let marked = null; // the answer whose quotes were marked last
let known = null; // the pane that stood here last

/** A new generation comes with a pane of its own, before or after the answer that is cut from it. */
export function noticePane() {
  if (pane() === known) return;
  if (known) forgetFound();
  if (known && marked && marked.isConnected) markAnswer(marked);
  known = pane();
}

/** Scroll the article alone: the window shows the answer, and the focus is where a person asks. */
function bringIntoSight(passage) {
  const pane = articles().getBoundingClientRect();
  const { top, bottom } = passage.getBoundingClientRect();
  if (top >= pane.top && bottom <= pane.bottom) return;
  articles().scrollTop += top - pane.top - pane.height / 4;
}

let moved = -Infinity; // when the reader last did something in the article

["wheel", "touchmove", "pointerdown", "keydown"].forEach((kind) => {
  const note = (event) => {
    if (panel() && panel().contains(event.target)) moved = performance.now();
  };
  document.addEventListener(kind, note, { capture: true, passive: true });
});

const isBeingRead = () =>
  performance.now() - moved < READS_ON_MILLISECONDS ||
  panel().contains(document.activeElement) ||
  document.getElementById("find").value.trim() !== "";

function markPassages(used, chosen) {
  document.querySelectorAll("#articles :is(.used, .chosen)").forEach((other) => {
    other.classList.remove("used", "chosen");
  });
  used.forEach((passage) => passage.classList.add("used"));
  chosen.forEach((passage) => passage.classList.add("used", "chosen"));
}

function show(place, focused = place) {
  document.querySelectorAll(".place.opened").forEach((other) => other.classList.remove("opened"));
  place.classList.add("opened");
  place.tabIndex = -1;
  focused.focus({ preventScroll: true });
  scrollTo(place, /^H\d$/.test(place.tagName) ? "start" : "center");
}

// Links to an answer: document, offsets, a hash of the words and one of the article, for each passage.

/** Open what a link in the address bar names, and say what became of it. */
export async function openLinked() {
  if (!location.hash.startsWith("#quote=")) return;
  const parts = location.hash.slice("#quote=".length).split("&").map(named).filter(Boolean);
  if (!parts.length) return;
  open(null);
  let found;
  try {
    found = await Promise.all(parts.map(resolve));
  } catch (error) {
    sayWhyNot(error, openLinked, true);
    return;
  }
  const first = found.find((one) => one.passage);
  if (first && !(await bring(first.name, first.version, openLinked))) return;
  const here = found.filter((one) => one.passage).map((one) => document.getElementById(one.passage)).filter(Boolean);
  markPassages(here, here.slice(0, 1));
  const states = found.map((one) => say(one.state));
  const same = states.every((state) => state === states[0]);
  const each = states.map((state, number) => `${say("Passage {number}", { number: number + 1 })}: ${state}`);
  const changed = found.some((one) => one.elsewhere) ? [say("Other parts of the article have changed.")] : [];
  tellAboutLink([...(same ? [states[0]] : each), ...changed].join(" "));
  if (here.length) show(here[0]); // the link does not say which of its sentences answered
}

/** What a part of such a link names. */
function named(part) {
  const match = /^(.+)~(\d+)~(\d+)~([0-9a-f]+)~([0-9a-f]+)$/.exec(decoded(part));
  if (!match) return null;
  const [, name, start, end, words, version] = match;
  return { name, start, end, words, version };
}

/** What became of that: the id of its passage, if the article has it, and the text that it stands in now. */
async function resolve({ name, start, end, words, version }) {
  const article = await lookUp(name);
  const all = [...article.querySelectorAll(".passage")].map((passage) => passage.id);
  const now = { name, version: article.id.slice(name.length + 1), elsewhere: article.id !== `${name}~${version}` };
  const exact = `${name}~${start}~${end}~${words}`;
  if (all.includes(exact)) {
    const state = "This passage stands as it did when the link was made.";
    return { ...now, passage: exact, state };
  }
  const same = all.filter((id) => id.startsWith(`${name}~`) && id.endsWith(`~${words}`));
  const distance = (id) => Math.abs(Number(id.slice(name.length + 1).split("~")[0]) - Number(start));
  same.sort((one, other) => distance(one) - distance(other));
  if (same.length) {
    const state = "The same words, but they have moved since the link was made.";
    return { ...now, passage: same[0], state };
  }
  return { ...now, state: "This passage was edited or removed since the link was made." };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    return part;
  }
}

function tellAboutLink(words) {
  const place = document.querySelector("#reading .from-link");
  place.hidden = !words;
  place.textContent = words;
  if (words) announce(words);
}

// The tools above the article.

/** Build them once; Gradio builds the panel a moment after the page. */
export function prepare() {
  const reading = panel();
  if (!reading || !articles() || reading.querySelector(".tools")) return;
  const field = element("input", { type: "search", id: "find", autocomplete: "off", enterKeyHint: "search" });
  const label = element("label", { htmlFor: "find", className: "out-of-sight" });
  const count = element("span", { className: "count" });
  const button = (name, words, sign) => {
    const made = element("button", { type: "button", className: name });
    made.append(element("span", { textContent: sign, ariaHidden: "true" }));
    made.append(element("span", { className: "out-of-sight say", textContent: words }));
    return made;
  };
  const find = element("div", { className: "find" });
  find.setAttribute("role", "search");
  find.append(label, field, count, button("previous", "Previous match", "↑"), button("next", "Next match", "↓"));
  const title = element("p", { className: "reading-title say", id: "reading-title", textContent: "The article" });
  const shut = element("button", { type: "button", className: "close say", textContent: "Close the article" });
  const head = element("div", { className: "head" });
  head.append(title, shut);
  const contents = element("details", { className: "contents" });
  contents.append(element("summary", { className: "say", textContent: "Contents" }), element("nav", {}));
  const told = element("p", { className: "from-link", hidden: true });
  const tools = element("div", { className: "tools" });
  tools.append(head, find, contents, told);
  tools.querySelectorAll(".say").forEach((part) => {
    part.lang = "en";
  });
  reading.prepend(tools);
  reading.setAttribute("aria-labelledby", "reading-title");
  articles().tabIndex = 0; // so that the arrow keys can scroll it
  articles().setAttribute("role", "group");
  articles().setAttribute("aria-labelledby", "reading-title");
  if (!small.matches) document.body.classList.add("reading-beside");
  arrange();
}

export function listContents() {
  const nav = document.querySelector("#reading .contents nav");
  const headings = [...document.querySelectorAll("#articles :is(h2, h3, h4, h5, h6).place")];
  const all = headings.map((heading) => heading.id).join("\n");
  if (!nav || nav.shown === all) return;
  nav.shown = all;
  document.querySelector("#reading .contents").classList.toggle("empty", !headings.length);
  nav.setAttribute("aria-label", say("Contents"));
  const list = element("ul", {});
  headings.forEach((heading) => {
    const link = element("a", { textContent: heading.textContent, className: `open depth-${heading.tagName[1]}` });
    link.setAttribute("href", `#${heading.id}`);
    const item = element("li", { lang: heading.closest("article").lang });
    item.append(link);
    list.append(item);
  });
  nav.replaceChildren(list);
}

// Find in the article.

let matches = []; // each a list of <mark>: a match may run through emphasis
let current = -1;
let waiting = 0;

function find() {
  clearMatches();
  const words = document.getElementById("find").value.trim();
  if (words.length > 1) {
    document.querySelector("#reading .contents").open = false; // on a phone it leaves no room for what is found
    const pattern = new RegExp(words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\s+/g, "\\s+"), "giu");
    // Notes are no words of the article.
    const blocks = "#articles :is(p, li, td, th, pre, h2, h3, h4, h5, h6):not(aside.note *)";
    document.querySelectorAll(blocks).forEach((block) => {
      if (matches.length < MARK_AT_MOST) matches.push(...markIn(block, pattern));
    });
  }
  const field = document.querySelector("#reading .find");
  field.classList.toggle("nothing", words.length > 1 && !matches.length);
  if (matches.length) goToMatch(0);
  else tellCount(words.length > 1 ? say("Not found") : "");
}

function markIn(block, pattern) {
  const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walker.nextNode()) {
    if (!walker.currentNode.parentElement.closest("aside.note")) nodes.push(walker.currentNode);
  }
  const text = nodes.map((node) => node.data).join("");
  const found = [];
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    found.push([match.index, match.index + match[0].length]);
  }
  const marks = found.map(() => []);
  let start = 0;
  nodes.forEach((node) => {
    const end = start + node.data.length;
    // From the last on, so that what stands before keeps its offsets.
    for (let number = found.length - 1; number >= 0; number -= 1) {
      const from = Math.max(found[number][0], start) - start;
      const to = Math.min(found[number][1], end) - start;
      if (from < to) {
        const range = document.createRange();
        range.setStart(node, from);
        range.setEnd(node, to);
        const mark = element("mark", { className: "found" });
        range.surroundContents(mark);
        marks[number].push(mark);
      }
    }
    start = end;
  });
  return marks;
}

function clearMatches() {
  matches.forEach((marks) => {
    marks.forEach((mark) => {
      const parent = mark.parentNode;
      if (!parent) return;
      mark.replaceWith(...mark.childNodes);
      parent.normalize();
    });
  });
  matches = [];
  current = -1;
}

function goToMatch(number) {
  if (!matches.length) return;
  document.querySelectorAll("mark.found.current").forEach((mark) => mark.classList.remove("current"));
  current = (number + matches.length) % matches.length;
  matches[current].forEach((mark) => mark.classList.add("current"));
  scrollTo(matches[current][0], "center");
  tellCount(say("Match {number} of {count}", { number: current + 1, count: matches.length }));
}

function tellCount(words) {
  document.querySelector("#reading .count").textContent = words;
  if (words) announce(words);
}

/** What was looked for was looked for in what stood there. */
function forgetFound() {
  clearTimeout(waiting);
  clearMatches();
  document.getElementById("find").value = "";
  document.querySelector("#reading .find").classList.remove("nothing");
  tellCount("");
}

whenReplaced(forgetFound);

document.addEventListener("input", (event) => {
  if (event.target.id !== "find") return;
  clearTimeout(waiting);
  waiting = setTimeout(find, 200);
});

document.addEventListener("click", (event) => {
  const hit = (selector) => event.target.closest && event.target.closest(selector);
  if (hit("#reading .close")) close();
  else if (hit("#reading .next")) goToMatch(current + 1);
  else if (hit("#reading .previous")) goToMatch(current - 1);
  else if (hit("button.read")) {
    open(hit("button.read"));
    articles().focus({ preventScroll: true });
    if (articles().querySelector(".invitation")) showAll();
  } else if (hit("#articles button.all")) showAll();
});

document.addEventListener("keydown", (event) => {
  if (event.target.id === "find" && event.key === "Enter") {
    event.preventDefault();
    clearTimeout(waiting);
    const words = document.getElementById("find").value.trim();
    if (document.querySelector("#reading .find").words === words) goToMatch(current + (event.shiftKey ? -1 : 1));
    else find();
    document.querySelector("#reading .find").words = words;
  } else if (event.key === "Escape" && panel() && (isSheetOpen() || panel().contains(document.activeElement))) {
    event.preventDefault();
    if (small.matches) close();
    else goBack();
  } else if (event.key === "Tab" && isSheetOpen()) {
    stayInside(event);
  }
});

/** Browsers without `inert` would let the focus out of the sheet. */
function stayInside(event) {
  const stops = [...panel().querySelectorAll('a[href], button, input, summary, [tabindex="0"]')].filter(
    (stop) => stop.offsetParent !== null,
  );
  const first = stops[0];
  const last = stops[stops.length - 1];
  const inside = panel().contains(document.activeElement);
  if (event.shiftKey ? document.activeElement === first || !inside : document.activeElement === last || !inside) {
    event.preventDefault();
    (event.shiftKey ? last : first).focus();
  }
}

/** After a change of language. */
export function relabel() {
  document.querySelectorAll("#reading .tools .say").forEach(sayAgain);
  const nav = document.querySelector("#reading .contents nav");
  if (nav) nav.setAttribute("aria-label", say("Contents"));
  sayWhereToFind();
  if (panel()) panel().lang = language;
}

/** Words are found in what stands in the pane: of several articles in one, or in the list of all. */
function sayWhereToFind() {
  const field = document.getElementById("find");
  if (!field) return;
  const isOnly = !document.querySelector('#articles .pane[class*=" of-"]'); // one alone is of no generation
  const isList = document.querySelector("#articles ul.list");
  const words = isOnly ? say("Find in the article") : isList ? say("Find in this list") : say("Find in this article");
  const label = field.labels[0];
  if (label.textContent === words && label.lang === language) return;
  Object.assign(label, { textContent: words, lang: language });
  field.placeholder = words;
}
