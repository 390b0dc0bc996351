// The page's words in the reader's language. Our words stand in English in the code and in the page; a
// file of /page/locales/ gives them in another language. The article stays in its own.

const NAMES = new Map(
  document.querySelector('meta[name="b12qa-languages"]').content.split(";").map((pair) => pair.split("=")),
);
const ENGLISH = "en";

let phrases = {};
let english = {}; // the English words by the ones that are shown
const originals = new WeakMap(); // the English words of elements that came with them
export let language = ENGLISH;

export const languages = () => [...NAMES];

/** Our English words in the reader's language; what stands in braces is filled in. */
export function say(words, values = {}) {
  const said = phrases[words] || words;
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
  const original = originals.get(element) || english[shown];
  const said = !original ? null : language === ENGLISH ? original : translated(original);
  if (said === null) return;
  element.lang = language;
  if (said !== shown) element.textContent = said;
}

/** Words that may hold a number or a name in the place of braces. */
function translated(words) {
  if (phrases[words]) return phrases[words];
  for (const key of Object.keys(phrases)) {
    if (key.includes("{")) {
      const parts = key.split(/\{\w+\}/);
      const value = words.slice(parts[0].length, words.length - parts[1].length);
      if (parts.length === 2 && words === parts[0] + value + parts[1]) {
        return phrases[key].replace(/\{\w+\}/, phrases[value] || value);
      }
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
    english = {};
    Object.keys(loaded).forEach((key) => {
      english[loaded[key]] = key;
    });
    // What stands on the page still speaks the language before.
    Object.keys(phrases).forEach((key) => {
      english[phrases[key]] = key;
    });
    phrases = loaded;
    language = tag;
    document.documentElement.lang = tag;
  } catch (error) {
    // The server may be gone; the words on the page are still right.
  }
}

async function load(tag) {
  const response = await fetch(`page/locales/${tag}.json`);
  if (!response.ok) throw new Error(String(response.status));
  return (await response.json()).phrases;
}
