// Elements, made and found.

export const $ = (id) => document.getElementById(id);

/** `el("p", { class: "muted" }, "words", child)`: functions are listeners, `null` and `false` are left out. */
export function el(name, { on = {}, ...given } = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    made.setAttribute(key, value === true ? "" : value);
  }
  for (const [event, listener] of Object.entries(on)) made.addEventListener(event, listener);
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** One of the drawings of index.html. The words beside it speak. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** A button with a drawing; its words are read where they are not shown. */
export function act(drawing, words, click, { shown = true, ...more } = {}) {
  const label = shown ? el("span", {}, words) : null;
  const named = shown ? { "aria-label": words } : { "aria-label": words, title: words };
  return el(
    "button",
    { type: "button", class: shown ? "btn" : "btn icon-only", ...named, ...more, on: { click } },
    drawing && icon(drawing),
    label,
  );
}

let hides;

/** Says something for a while, and to who listens instead of looking. */
export function say(words, bad = false) {
  const toast = $("toast");
  toast.textContent = words;
  toast.classList.toggle("bad", bad);
  toast.hidden = false;
  clearTimeout(hides);
  hides = setTimeout(() => {
    toast.hidden = true;
  }, bad ? 10_000 : 5_000);
}
