// The one dialog that asks: what to do with a conflict, and whether to delete for good.

import { $, act, el, icon } from "./dom.js";
import { bytes, DRAWINGS, kindOf, when } from "./words.js";

let before = Promise.resolve();

/** Shows a dialog until a choice is made, one after the other; Escape is `null`. */
function ask(...question) {
  before = before.then(() => asked(...question));
  return before;
}

function asked(title, body, choices, foot = null) {
  const dialog = $("question");
  return new Promise((resolve) => {
    let choice = null;
    const buttons = choices.map(([value, words, look = ""]) => {
      const button = act(null, words, () => {
        choice = value;
        dialog.close();
      });
      button.classList.add(...look.split(" ").filter(Boolean));
      return button;
    });
    const heading = el("h2", { id: "question-title" }, title);
    dialog.replaceChildren(el("header", {}, heading), el("div", { class: "asked" }, ...body), el("footer", {}, foot, ...buttons));
    dialog.onclose = () => resolve(choice);
    dialog.showModal();
    buttons.at(-1).focus();
  });
}

/**
 * What to do where something of the name is there.
 *
 * @param {{ existing, incoming }} conflict
 * @param {number} left how many more may ask the same
 * @returns {Promise<{choice: "replace" | "keepBoth" | "skip", all: boolean}>}
 */
export async function askConflict({ existing, incoming }, left) {
  const all = left > 0 && el("input", { type: "checkbox" });
  const foot = all && el("label", { class: "all" }, all, ` and for the next ${left}`);
  const isFolder = existing.kind === "directory";
  const body = [
    el("p", {}, isFolder ? "A folder of this name is already there." : "A file of this name is already there."),
    el("div", { class: "both" }, info("There now", existing), info("Comes in", incoming, existing)),
  ];
  const choice = await ask(`Replace “${existing.name}”?`, body, [["skip", "Skip"], ["replace", "Replace", "bad"], ["keepBoth", "Keep both", "main"]], foot);
  return { choice: choice ?? "skip", all: Boolean(all?.checked) };
}

/** Whether to delete what cannot be taken back. */
export async function askDelete(entries) {
  const what = entries.length === 1 ? `“${entries[0].name}”` : `${entries.length} entries`;
  const body = [el("p", {}, "It does not go to the trash, and cannot be taken back.")];
  return (await ask(`Delete ${what} for good?`, body, [["yes", "Delete for good", "bad"], ["no", "Keep", "main"]])) === "yes";
}

const KEYS = [
  ["↑ ↓ ← →", "move; with Shift, select"],
  ["Enter", "open"],
  ["Space", "preview"],
  ["Backspace", "one folder up"],
  ["F2", "rename"],
  ["Ctrl C, X, V", "copy, cut, paste"],
  ["Ctrl A", "select all"],
  ["Delete", "move to the trash"],
  ["Shift Delete", "delete for good"],
  ["Ctrl Shift N", "new folder"],
  ["/", "search"],
  ["letters", "go to a name"],
];

export async function showKeys() {
  const body = el("dl", { class: "keys" });
  for (const [keys, words] of KEYS) body.append(el("dt", {}, el("kbd", {}, keys)), el("dd", {}, words));
  await ask("Keys", [body], [["ok", "Close", "main"]]);
}

function info(title, entry, other) {
  const known = { name: entry.path.split("/").at(-1), kind: "file", mediaType: other?.mediaType, ...entry };
  const kind = kindOf(known);
  const newer = other && Date.parse(entry.modifiedAt) > Date.parse(other.modifiedAt);
  return el(
    "div",
    {},
    el("h3", {}, title, newer ? el("span", { class: "chip g" }, "newer") : null),
    el("p", { class: "what" }, icon(DRAWINGS[kind] ?? kind), known.name),
    el("p", { class: "muted" }, known.kind === "directory" ? "Folder" : bytes(known.size)),
    el("p", { class: "muted" }, when(known.modifiedAt)),
  );
}
