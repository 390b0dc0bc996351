// What the page does beyond Gradio: it opens places of the article, brings a new answer into view,
// and gives the parts of the page the names and the focus that people without a mouse need.

"use strict";

(() => {
  let origin = null; // the link that was followed last
  let shownAnswer; // the newest one that was brought into view

  const conversation = () => document.getElementById("conversation");
  const articles = () => document.getElementById("articles");

  function openPlace(link) {
    const place = document.getElementById(link.getAttribute("href").slice(1));
    if (!place) return;
    origin = link;
    document.querySelector(".b12qa-back").hidden = false;
    document.querySelectorAll(".place.opened").forEach((other) => other.classList.remove("opened"));
    place.classList.add("opened");
    place.tabIndex = -1;
    place.focus({ preventScroll: true });
    place.scrollIntoView({ block: "center" });
  }

  function goBack() {
    const target = origin?.isConnected ? origin : document.querySelector("#question textarea");
    target.focus({ preventScroll: true });
    target.scrollIntoView({ block: "center" });
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]');
    if (link) {
      event.preventDefault(); // the page has a <base>, so following the link would load it anew
      openPlace(link);
    } else if (event.target.closest?.(".b12qa-back")) {
      goBack();
    }
  });

  function namePanels() {
    const panel = articles();
    if (panel && !panel.hasAttribute("role")) {
      panel.setAttribute("role", "region");
      panel.setAttribute("aria-label", "The article");
      panel.tabIndex = 0; // so that the arrow keys can scroll it
      const back = document.createElement("button");
      back.type = "button";
      back.className = "b12qa-back";
      back.hidden = true;
      back.textContent = "Back to the conversation";
      panel.before(back);
    }
    // Gradio names every message with its source, tags and all.
    document.querySelectorAll("#conversation [data-testid][aria-label]").forEach((message) => {
      message.removeAttribute("aria-label");
    });
  }

  function showNewest() {
    const answers = conversation()?.querySelectorAll(".b12qa.answer") ?? [];
    const newest = answers[answers.length - 1];
    const isNew = newest && newest !== shownAnswer;
    shownAnswer = newest;
    if (!isNew) return;
    const row = newest.closest(".message-row");
    // From the question on, where there is one: a reply to a question that was too long has none.
    const before = row.previousElementSibling;
    (before?.matches(".user-row") ? before : row).scrollIntoView({ block: "start" });
    // A button that was pressed may be gone, and the focus with it. On a phone the keyboard stays down.
    if (document.activeElement === document.body && matchMedia("(pointer: fine)").matches) {
      document.querySelector("#question textarea").focus({ preventScroll: true });
    }
  }

  new MutationObserver(() => {
    namePanels();
    showNewest();
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
