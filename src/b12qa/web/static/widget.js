// Opens the chat in a frame of its own, on a site that the chat's operator allows:
//
//   <script src="https://chat.example/widget.js" data-label="Ask about vitamin B12" defer></script>
//
// The frame sees nothing of the page, and the page nothing of the frame. No cookie is set, nothing is kept.
// No sandbox parts them if both come from one origin: there the chat opens in a window of its own.
(() => {
  const script = document.currentScript;
  if (!script || document.getElementById("b12qa-open")) return;
  const base = new URL("./", script.src);
  const label = script.dataset.label || "Ask the article";

  const style = {
    button: `position:fixed;right:1rem;bottom:1rem;z-index:2147483646;min-height:44px;padding:.6rem 1.1rem;
      font:600 1rem/1.2 system-ui,sans-serif;color:#fff;background:#0b4f6c;border:2px solid #fff;
      border-radius:1.5rem;cursor:pointer`,
    panel: `position:fixed;right:0;bottom:0;z-index:2147483647;display:none;flex-direction:column;
      width:min(27rem,100vw);height:min(44rem,100vh);background:#fff;border:1px solid #555;
      box-shadow:0 0 1rem #0006`,
    close: `align-self:flex-end;min-height:44px;padding:.4rem 1rem;font:600 1rem/1.2 system-ui,sans-serif;
      color:#0b4f6c;background:#fff;border:0;cursor:pointer`,
    frame: "flex:1;width:100%;border:0",
  };
  const make = (tag, css, attributes) => {
    const element = document.createElement(tag);
    element.style.cssText = css; // set by script, so that a strict style policy of the page allows it
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };

  const button = make("button", style.button, {
    id: "b12qa-open", type: "button", "aria-expanded": "false", "aria-controls": "b12qa-panel",
  });
  button.textContent = label;
  const panel = make("div", style.panel, { id: "b12qa-panel", role: "dialog", "aria-label": label });
  const close = make("button", style.close, { type: "button", "aria-label": "Close the chat" });
  close.textContent = "Close ✕";
  panel.append(close);
  let frame = null;

  const open = () => {
    if (base.origin === location.origin) {
      window.open(base.href, "_blank", "noopener");
      return;
    }
    if (!frame) {
      // Made when it is wanted: a page that nobody asks on asks nothing of the chat.
      frame = make("iframe", style.frame, {
        title: label,
        // Its own origin, so that it may talk to its server; never the page around it, nor the whole window.
        sandbox: "allow-scripts allow-same-origin allow-forms allow-downloads allow-modals",
        referrerpolicy: "no-referrer",
        allow: "camera 'none'; microphone 'none'; geolocation 'none'; clipboard-write",
        src: base.href,
      });
      panel.append(frame);
    }
    panel.style.display = "flex";
    button.setAttribute("aria-expanded", "true");
    close.focus();
  };
  const shut = () => {
    if (panel.style.display === "none") return;
    panel.style.display = "none";
    button.setAttribute("aria-expanded", "false");
    button.focus();
  };

  button.addEventListener("click", open);
  close.addEventListener("click", shut);
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") shut();
  });
  window.addEventListener("message", (event) => {
    const ours = frame && event.source === frame.contentWindow && event.origin === base.origin;
    if (ours && event.data && event.data.b12qa === "close") shut();
  });
  document.body.append(button, panel);
})();
