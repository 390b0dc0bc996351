"use strict";

// The map: draws the points, and says what lies under the pointer or the arrow keys.

(() => {
  const data = JSON.parse(document.getElementById("map-data").textContent);
  const canvas = document.getElementById("map");
  const point = document.getElementById("point");
  const pen = canvas.getContext("2d");
  const [SENTENCE, QUESTION] = [0, 1];
  const [X, Y, KIND, SECTION, TEXT] = [0, 1, 2, 3, 4];
  const MARGIN = 24;
  const MAX_ZOOM = 60;
  const REACH = 14; // how far a pointer may miss a point, in pixels
  const DRAG = 4; // a pointer that moves less than this taps
  const ZOOM_STEP = 1.5;
  const kinds = new Set(data.kinds.keys());
  const sections = new Set(data.sections.keys());
  const view = { zoom: 1, x: data.size / 2, y: data.size / 2 };
  let visible = data.points;
  let chosen = null;
  let waiting = false;
  let ink = "";
  let colours = [];

  const scale = () =>
    (view.zoom * (Math.min(canvas.clientWidth, canvas.clientHeight) - 2 * MARGIN)) / data.size;
  const across = (p) => (p[X] - view.x) * scale() + canvas.clientWidth / 2;
  const down = (p) => (p[Y] - view.y) * scale() + canvas.clientHeight / 2;

  function draw() {
    waiting = false;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const size = Math.min(2.2 + Math.log2(view.zoom), 6);
    for (let kind = data.kinds.length - 1; kind >= 0; kind--) {
      pen.globalAlpha = kind === SENTENCE ? 1 : 0.6;
      for (const p of visible) {
        if (p[KIND] === kind) mark(p, size);
      }
    }
    pen.globalAlpha = 1;
    if (chosen) ring(chosen, size);
  }

  function mark(p, size) {
    const [x, y] = [across(p), down(p)];
    pen.fillStyle = pen.strokeStyle = colours[p[SECTION]];
    pen.lineWidth = 1.2;
    pen.beginPath();
    if (p[KIND] === SENTENCE) {
      pen.rect(x - size - 2, y - size - 2, 2 * size + 4, 2 * size + 4);
      pen.fill();
      pen.strokeStyle = ink;
      pen.stroke();
    } else if (p[KIND] === QUESTION) {
      pen.arc(x, y, size, 0, 2 * Math.PI);
      pen.fill();
    } else {
      pen.moveTo(x, y - size - 1);
      pen.lineTo(x + size + 1, y + size);
      pen.lineTo(x - size - 1, y + size);
      pen.closePath();
      pen.stroke();
    }
  }

  function ring(p, size) {
    pen.beginPath();
    pen.arc(across(p), down(p), size + 7, 0, 2 * Math.PI);
    pen.strokeStyle = ink;
    pen.lineWidth = 2.5;
    pen.stroke();
  }

  // The colours of the page change with the reader's setting.
  function readColours() {
    ink = getComputedStyle(document.body).color;
    colours = Array.from(
      document.querySelectorAll(".names circle"),
      (circle) => getComputedStyle(circle).fill,
    );
    redraw();
  }

  function redraw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(draw);
  }

  function choose(p) {
    if (p === chosen) return;
    chosen = p;
    point.replaceChildren();
    if (p) {
      const what = document.createElement("p");
      what.className = "quiet";
      what.append(`${data.kinds[p[KIND]]}, `, isolated(data.sections[p[SECTION]]));
      const words = document.createElement("p");
      words.append(isolated(p[TEXT]));
      point.append(what, words);
    }
    redraw();
  }

  function isolated(text) {
    const element = document.createElement("bdi");
    element.textContent = text;
    return element;
  }

  function nearest(x, y) {
    let [best, least] = [null, REACH * REACH];
    for (const p of visible) {
      const distance = (across(p) - x) ** 2 + (down(p) - y) ** 2;
      if (distance < least || (distance === least && best && p[KIND] < best[KIND])) {
        [best, least] = [p, distance];
      }
    }
    return best;
  }

  // The next point in a direction: near, and not far off to the side.
  function next(dx, dy) {
    if (!chosen) return visible[0] || null;
    let [best, least] = [null, Infinity];
    for (const p of visible) {
      const [x, y] = [p[X] - chosen[X], p[Y] - chosen[Y]];
      const ahead = x * dx + y * dy;
      const aside = Math.abs(x * dy) + Math.abs(y * dx);
      if (ahead > 0 && ahead + 3 * aside < least) [best, least] = [p, ahead + 3 * aside];
    }
    return best || chosen;
  }

  function zoomAt(factor, x, y) {
    const zoom = Math.min(Math.max(view.zoom * factor, 1), MAX_ZOOM);
    const before = scale();
    view.x += (x - canvas.clientWidth / 2) / before;
    view.y += (y - canvas.clientHeight / 2) / before;
    view.zoom = zoom;
    move(-(x - canvas.clientWidth / 2), -(y - canvas.clientHeight / 2));
  }

  // Move the view by so many pixels, and never out of sight of everything.
  function move(dx, dy) {
    view.x = Math.min(Math.max(view.x + dx / scale(), 0), data.size);
    view.y = Math.min(Math.max(view.y + dy / scale(), 0), data.size);
    redraw();
  }

  function bringIntoView(p) {
    const [x, y] = [across(p), down(p)];
    const inside =
      x > MARGIN && x < canvas.clientWidth - MARGIN && y > MARGIN && y < canvas.clientHeight - MARGIN;
    if (!inside) [view.x, view.y] = [p[X], p[Y]];
    redraw();
  }

  const views = {
    in: () => zoomAt(ZOOM_STEP, canvas.clientWidth / 2, canvas.clientHeight / 2),
    out: () => zoomAt(1 / ZOOM_STEP, canvas.clientWidth / 2, canvas.clientHeight / 2),
    left: () => move(-canvas.clientWidth / 4, 0),
    right: () => move(canvas.clientWidth / 4, 0),
    up: () => move(0, -canvas.clientHeight / 4),
    down: () => move(0, canvas.clientHeight / 4),
    all: () => {
      [view.zoom, view.x, view.y] = [1, data.size / 2, data.size / 2];
      redraw();
    },
  };
  const keys = { "+": views.in, "=": views.in, "-": views.out, 0: views.all };
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  for (const button of document.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () => views[button.dataset.view]());
  }

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in keys) keys[event.key]();
    else if (event.key in arrows) {
      const found = next(...arrows[event.key]);
      choose(found);
      if (found) bringIntoView(found);
    } else return;
    event.preventDefault();
  });

  // The page scrolls past the map until the map has been clicked, so that nobody gets stuck in it.
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      zoomAt(event.deltaY < 0 ? ZOOM_STEP : 1 / ZOOM_STEP, event.offsetX, event.offsetY);
    },
    { passive: false },
  );

  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.offsetX, y: event.offsetY, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = [event.offsetX, event.offsetY];
    if (!drag) {
      choose(nearest(x, y) || chosen);
      return;
    }
    drag.moved ||= Math.hypot(x - drag.x, y - drag.y) > DRAG;
    if (drag.moved) {
      move(drag.x - x, drag.y - y);
      [drag.x, drag.y] = [x, y];
    }
  });
  canvas.addEventListener("pointerup", (event) => {
    if (drag && !drag.moved) choose(nearest(event.offsetX, event.offsetY));
    drag = null;
  });
  canvas.addEventListener("pointercancel", () => {
    drag = null;
  });

  function filter() {
    for (const box of document.querySelectorAll("[data-kind]")) {
      kinds[box.checked ? "add" : "delete"](Number(box.dataset.kind));
    }
    for (const box of document.querySelectorAll("[data-section]")) {
      sections[box.checked ? "add" : "delete"](Number(box.dataset.section));
    }
    visible = data.points.filter((p) => kinds.has(p[KIND]) && sections.has(p[SECTION]));
    if (chosen && !visible.includes(chosen)) choose(null);
    redraw();
  }

  document.querySelector(".legend").addEventListener("change", filter);
  for (const button of document.querySelectorAll("[data-sections]")) {
    button.addEventListener("click", () => {
      for (const box of document.querySelectorAll("[data-section]")) {
        box.checked = button.dataset.sections === "all";
      }
      filter();
    });
  }

  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", readColours);
  new ResizeObserver(redraw).observe(canvas);
  readColours();
  filter();
})();
