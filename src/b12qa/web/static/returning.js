// What a page is known by when it is loaded again, as a phone does with a page that was out of sight. It stands with
// the page in the tab's way back and goes with the tab. Nothing of what was asked is kept in the browser.

const held = () => (history.state || {}).b12qaPage;

/** Whether something was asked on this page before it was loaded. */
export const pageWasNamed = () => Boolean(held());

/** The name; it is drawn by lot when something is asked for the first time. */
export function nameOfPage() {
  if (!held()) {
    const name = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0"));
    history.replaceState({ ...history.state, b12qaPage: name.join("") }, "");
  }
  return held();
}

/** Be another page from now on. */
export function forgetName() {
  if (held()) history.replaceState({ ...history.state, b12qaPage: undefined }, "");
}
