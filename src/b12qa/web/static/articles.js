// Several articles are not sent with the page: the one that is opened is fetched, and stands in the pane alone. A
// link names the text that its answer was cut from, and no other text is ever shown for it.

import { language, say } from "./texts.js";
import { announce, element } from "./tools.js";

const SAY_AFTER_MILLISECONDS = 1000; // what comes at once need not be announced
const KEPT = 20; // so many are at hand when they are opened again
const GONE = new Error("another text");

const kept = new Map(); // HTML by the id of the article, which names its text
let wishes = 0;
let isAwaited = false; // by a person who asked for it
let again = () => {};
let replaced = () => {};

export const pane = () => document.querySelector("#articles .pane");

/** What to do once something else stands in the pane. */
export function whenReplaced(action) {
  replaced = action;
}

/** The document that the id of a place or of an article belongs to. */
export function nameIn(id) {
  const match = /^(.+)(?:-\d+|~[0-9a-f]+)$/.exec(id);
  return match ? match[1] : "";
}

/** The text that a link leads into; nothing where it does not say. */
export const versionOf = (link) => (/(?:^| )of-([0-9a-f]+)/.exec(link.className) || [])[1];

/** The article that a link leads into, if that very text stands in the pane. */
export const shownFor = (link) => shown(nameIn(link.getAttribute("href").slice(1)), versionOf(link));

/** An article that stands in the pane: of any text, unless one is named. */
export function shown(name, version) {
  const isIt = ({ id }) => (version ? id === `${name}~${version}` : nameIn(id) === name);
  return [...document.querySelectorAll("#articles article")].find(isIt);
}

function parsed(html) {
  const part = document.createElement("template"); // nothing in it runs or loads
  part.innerHTML = html;
  return part.content;
}

/** The HTML of an article, or without a name that of the list. */
async function html(name, version) {
  const id = `${name}~${version}`;
  if (kept.has(id)) return kept.get(id);
  const asked = name === undefined ? {} : { name, ...(version && { version }) };
  const response = await fetch(`articles?${new URLSearchParams(asked)}`);
  if (response.status === 404) throw GONE;
  if (!response.ok) throw new Error(String(response.status));
  const got = await response.text();
  if (name === undefined) return got;
  const article = parsed(got).querySelector("article");
  if (!article || (version && article.id !== id)) throw GONE;
  if (kept.size === KEPT) kept.delete(kept.keys().next().value);
  kept.set(article.id, got);
  return got;
}

/** An article as it stands in the pane or else at the server, to look into; nothing in it if there is none. */
export async function lookUp(name) {
  const here = shown(name);
  if (here) return here;
  try {
    return parsed(await html(name)).querySelector("article");
  } catch (error) {
    if (error === GONE) return element("article", {});
    throw error;
  }
}

/**
 * Have an article in the pane, or without a name the list of all: whether it is there in the end.
 *
 * `retry` does the whole again. Where nobody asked for it, it comes only if it still `may`, and nothing is said
 * aloud.
 */
export async function bring(name, version, retry, may) {
  if (name !== undefined && shown(name, version)) return true;
  if (may && isAwaited) return false;
  wishes += 1;
  const wish = wishes;
  isAwaited = !may;
  if (!may) put(told(say("Loading the article …")));
  const wait = may ? 0 : setTimeout(() => announce(say("Loading the article …")), SAY_AFTER_MILLISECONDS);
  const isWanted = () => wish === wishes && (!may || may());
  try {
    const got = parsed(await html(name, version));
    if (!isWanted()) return false;
    put(got);
    return true;
  } catch (error) {
    if (isWanted()) sayWhyNot(error, retry, !may);
    return false;
  } finally {
    clearTimeout(wait);
    if (wish === wishes) isAwaited = false;
  }
}

/** Say in the pane why an article is not there. */
export function sayWhyNot(error, retry, aloud) {
  const words = error === GONE
    ? say("This article has changed or is gone. Ask again to see what it says now.")
    : say("The article cannot be loaded now. Wait a little or check your connection, then try again.");
  const button = element("button", { type: "button", className: "again say", lang: language, textContent: say("Try again") });
  put(told(words), ...(error === GONE ? [] : [button]));
  again = retry;
  if (aloud) announce(words);
}

const told = (textContent) => element("p", { className: "told say", lang: language, textContent });

function put(...parts) {
  if (!pane()) return;
  pane().replaceChildren(...parts);
  document.getElementById("articles").scrollTop = 0;
  replaced();
}

document.addEventListener("click", (event) => {
  if (event.target.closest && event.target.closest("#articles button.again")) again();
});
