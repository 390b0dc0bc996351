// What the other scripts share.

export function element(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}

/** Fill in a field as if somebody had typed into it, so that Gradio takes it in. */
export function type(field, words) {
  const setter = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), "value").set;
  setter.call(field, words);
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Without animation: a page that moves by itself makes some people ill. */
export function scrollTo(target, block) {
  target.scrollIntoView({ block, behavior: "auto" });
}

/** Say something once to people who do not see the page, without interrupting them. */
export function announce(words) {
  let region = document.getElementById("b12qa-said");
  if (!region) {
    region = element("div", { id: "b12qa-said", className: "out-of-sight" });
    region.setAttribute("role", "status");
    document.body.append(region);
  }
  region.lang = document.documentElement.lang;
  // The same words twice would not be said twice.
  region.textContent = words && region.textContent === words ? `${words}\u00a0` : words;
}
