// The chat in a frame on another site: Escape asks that site to close it. Nothing else is said to it.
if (window.parent !== window) {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) {
      window.parent.postMessage({ b12qa: "close" }, "*");
    }
  });
}
