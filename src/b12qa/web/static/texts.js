// The page's words in the reader's language. Our words stand in English in the code and in the page; a
// file of /page/locales/ gives them in another language. The article stays in its own.

const NAMES = new Map(
  document.querySelector('meta[name="b12qa-languages"]').content.split(";").map((pair) => pair.split("=")),
);
const ENGLISH = "en";

let phrases = table({});
const english = new Map(); // by language, the English words by those that it shows
const originals = new WeakMap(); // the English words of elements that came with them
export let language = ENGLISH;
let learnt = () => {};

export const languages = () => [...NAMES];

/** Our English words in the reader's language; what stands in braces is filled in. */
export function say(words, values = {}) {
  const said = phrases.words[words] || words;
  return said.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** Change the words of what Gradio drew, and leave the rest of it alone. */
export function sayIn(part, words) {
  const texts = part ? [...part.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE) : [];
  const node = texts.find((one) => one.data.trim());
  if (node && node.data.trim() !== say(words)) node.data = say(words);
}

/** Say again, in the reader's language, what an element says. */
export function sayAgain(element) {
  if (element.lang === language) return;
  const shown = element.textContent;
  if (element.lang === ENGLISH) originals.set(element, shown);
  const original = originals.get(element) || originalOf(shown, element.lang);
  const said = !original ? null : language === ENGLISH ? original : lookedUp(original, phrases);
  if (said === null) return;
  element.lang = language;
  if (said !== shown) element.textContent = said;
}

/** The English words of some in another language, which a page that was loaded again may never have spoken. */
function originalOf(shown, tag) {
  if (!english.has(tag) && NAMES.has(tag)) {
    english.set(tag, table({})); // asked for once: the server may be gone
    load(tag).then(() => learnt(), () => {});
  }
  return lookedUp(shown, english.get(tag) || table({}));
}

/** What to do once the words of one more language are known. */
export function whenLearnt(action) {
  learnt = action;
}

/** Words by others. In some a number or a name stands in the place of braces: the more is fixed, the better it fits. */
function table(words) {
  const places = /\{(\w+)\}/g;
  const patterns = Object.keys(words).filter((key) => key.includes("{"));
  const fixed = (key) => key.replace(places, "").length;
  patterns.sort((one, other) => fixed(other) - fixed(one));
  return {
    words,
    patterns: patterns.map((key) => {
      const parts = key.split(/\{\w+\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
      const names = [...key.matchAll(places)].map((place) => place[1]);
      return { pattern: new RegExp(`^${parts.join("(.+?)")}$`, "s"), names, said: words[key] };
    }),
  };
}

function lookedUp(shown, { words, patterns }) {
  if (words[shown]) return words[shown];
  for (const { pattern, names, said } of patterns) {
    const found = pattern.exec(shown);
    if (found) {
      const value = (name) => found[names.indexOf(name) + 1];
      return said.replace(/\{(\w+)\}/g, (whole, name) => words[value(name)] || value(name));
    }
  }
  return null;
}

/** The language to begin with: the one in the address, or the first of the browser's that we have. */
export function wanted() {
  const asked = new URLSearchParams(location.search).get("lang") || "";
  const tags = [asked, ...(navigator.languages || [navigator.language])];
  const known = tags.map((tag) => tag.toLowerCase().split("-")[0]).find((tag) => NAMES.has(tag));
  return known || ENGLISH;
}

/** Load the words of a language. Where that fails, the page goes on as it is. */
export async function speak(tag) {
  if (tag === language) return;
  try {
    const loaded = tag === ENGLISH ? {} : await load(tag);
    phrases = table(loaded);
    language = tag;
    document.documentElement.lang = tag;
  } catch (error) {
    // The server may be gone; the words on the page are still right.
  }
}

async function load(tag) {
  const response = await fetch(`page/locales/${tag}.json`);
  if (!response.ok) throw new Error(String(response.status));
  const loaded = (await response.json()).phrases;
  english.set(tag, table(Object.fromEntries(Object.entries(loaded).map(([key, words]) => [words, key]))));
  return loaded;
}
