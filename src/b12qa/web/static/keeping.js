// What a person may take along: a quote, a link, the whole conversation. All of it is made on their machine.

import { language, say } from "./texts.js";
import { announce, element } from "./tools.js";

const text = (part, selector) => {
  const found = part.querySelector(selector);
  return found ? found.textContent.trim() : "";
};

/** A quote with all that it must not be parted from. */
export function quoteText(figure) {
  const words = [...figure.querySelectorAll("blockquote .context, blockquote .words")].map(wordsOf).join("\n");
  const noted = figure.closest(".noted");
  const found = (selector) => (noted ? [...noted.querySelectorAll(selector)].map(noteText) : []);
  const notes = found(".note .heading, .note div > p");
  const title = text(document, "header.b12qa .titles");
  const lines = [`“${words}”`, `— ${text(figure, ".where")}`];
  if (!text(figure, ".where").includes(title)) lines.push(title);
  lines.push(text(figure, ".version"), ...found(".role"));
  if (notes.length) lines.push("", ...notes); // apart from the article's words
  lines.push("", text(document, "header.b12qa .disclaimer"));
  return lines.join("\n");
}

/** Our words on a quote; the marks around what they name are drawn by the browser, and not in the text. */
function noteText(note) {
  const copied = note.cloneNode(true);
  copied.querySelectorAll("q").forEach((named) => named.replaceWith(`“${named.textContent}”`));
  return copied.textContent.trim();
}

const wordsOf = (part) =>
  part.tagName === "P" || part.tagName === "PRE"
    ? part.textContent
    : [...part.querySelectorAll("tr")].map((row) => [...row.children].map((cell) => cell.textContent).join("\t")).join("\n");

export async function copy(words, button, done) {
  const kept = (await copied(words)) ? done : say("This browser does not let the page copy.");
  announce(kept);
  const before = button.textContent;
  if (before === done) return;
  button.textContent = done;
  setTimeout(() => {
    button.textContent = before;
  }, 2000);
}

async function copied(words) {
  try {
    await navigator.clipboard.writeText(words);
    return true;
  } catch (error) {
    // Browsers give no clipboard to a page without TLS, but do what a person asks with a key.
    const box = element("textarea", { value: words, className: "out-of-sight" });
    document.body.append(box);
    box.select();
    const worked = document.execCommand("copy");
    box.remove();
    return worked;
  }
}

/** The address of an answer. What stands behind # is never sent to a server. */
export const addressOf = (link) => `${location.origin}${location.pathname}${link.getAttribute("href")}`;

const LOOK = `
body { max-width: 42rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.6 system-ui, sans-serif; color: #1f2528; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; } .question { font-weight: 650; margin-top: 2rem; white-space: pre-wrap; }
.answer { border-top: 1px solid #999; padding-top: .5rem; } .outcome { font-weight: 650; }
figure { margin: 1rem 0; padding-left: 1rem; border-left: 4px solid #17596a; break-inside: avoid; }
blockquote { margin: 0; font-family: Georgia, serif; font-size: 1.05rem; } mark { background: #fdeeb0; text-decoration: underline; }
pre { white-space: pre-wrap; } table { display: block; overflow-x: auto; } td, th { border: 1px solid #999; padding: .2rem .5rem; }
figcaption span { display: block; font-size: .85rem; color: #444; }
.noted:not(.answer, .found) mark { background: none; text-decoration: none; } .role { font-weight: 650; }
.note { margin: .5rem 0; padding: .3rem .7rem; border: 1px dashed #8a5300; font-size: .9rem; }
.care { border: 3px solid #a3171b; padding: .5rem 1rem; } .notice, .about { font-size: .9rem; } .version { font-style: italic; }`;

/** The conversation as one page that needs nothing else and loads nothing. */
export function conversationPage() {
  const page = document.implementation.createHTMLDocument(document.title);
  page.documentElement.lang = language;
  const policy = page.createElement("meta");
  policy.httpEquiv = "Content-Security-Policy";
  policy.content = "default-src 'none'; style-src 'unsafe-inline'";
  const charset = page.createElement("meta");
  charset.setAttribute("charset", "utf-8");
  const viewport = page.createElement("meta");
  viewport.name = "viewport";
  viewport.content = "width=device-width, initial-scale=1"; // a phone would lay it out for a desk
  const style = page.createElement("style");
  style.textContent = LOOK;
  page.head.prepend(charset, policy, viewport, style);
  page.body.append(page.importNode(document.querySelector("header.b12qa"), true));
  const saved = page.createElement("p");
  saved.textContent = say("Saved on {day}.", { day: new Date().toLocaleDateString(language) });
  page.body.append(saved);
  document.querySelectorAll("#conversation :is(.b12qa.question, .b12qa.answer, .b12qa.rebuilt)").forEach((part) => {
    page.body.append(page.importNode(part, true));
  });
  page.querySelectorAll("button, .acts, .following, summary").forEach((part) => part.remove());
  page.querySelectorAll("a").forEach((link) => link.replaceWith(...link.childNodes));
  page.querySelectorAll("[id]").forEach((part) => part.removeAttribute("id"));
  page.querySelectorAll("details").forEach((part) => part.replaceWith(...part.childNodes));
  return `<!doctype html>\n${page.documentElement.outerHTML}`;
}

export function save() {
  const address = URL.createObjectURL(new Blob([conversationPage()], { type: "text/html" }));
  const link = element("a", { href: address, download: `${say("conversation")}.html` });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
  announce(say("Saved."));
}
