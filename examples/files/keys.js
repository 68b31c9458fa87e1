// The keyboard. What is for the list works while the list has the focus.

import { $ } from "./dom.js";

/** Letters that follow within as many milliseconds spell one name. */
const SPELLS = 800;

/** @param to what keys reach: `directory`, `selection`, `list`, `actions`, and the page's own acts */
export function takeKeys({ directory, selection, list, actions, acts }) {
  let [spelt, spells] = ["", 0];

  const go = (by, event) => {
    const { entries } = directory;
    if (entries.length === 0) return;
    const from = selection.at;
    const to = Math.min(Math.max(from < 0 ? 0 : from + by, 0), entries.length - 1);
    const { path } = entries[to];
    if (event.shiftKey) selection.through(path);
    else selection.only(path);
    list.reveal();
  };
  const spell = (letter) => {
    if (performance.now() - spells > SPELLS) spelt = "";
    spelt += letter.toLowerCase();
    spells = performance.now();
    const { entries } = directory;
    const from = Math.max(selection.at, 0) + (spelt.length === 1 ? 1 : 0);
    const found = [...entries.slice(from), ...entries.slice(0, from)].find(({ name }) => name.toLowerCase().startsWith(spelt));
    if (!found) return;
    selection.only(found.path);
    list.reveal();
  };
  const KEYS = {
    ArrowDown: (event) => go(list.columns, event),
    ArrowUp: (event) => go(-list.columns, event),
    ArrowRight: (event) => list.tiles && go(1, event),
    ArrowLeft: (event) => list.tiles && go(-1, event),
    Home: (event) => go(-Infinity, event),
    End: (event) => go(Infinity, event),
    PageDown: (event) => go(list.page * list.columns, event),
    PageUp: (event) => go(-list.page * list.columns, event),
    Enter: () => acts.open(directory.entries[selection.at]),
    " ": () => acts.preview(directory.entries[selection.at]),
    Backspace: () => acts.up(),
    F2: () => actions.rename(directory.entries[selection.at]),
    Delete: (event) => actions.remove(event.shiftKey),
    Escape: () => (actions.shelf ? actions.drop() : selection.none()),
  };
  const COMMANDS = {
    a: () => selection.all(),
    c: () => actions.take(false),
    x: () => actions.may("write") && actions.take(true),
    v: () => actions.may("write") && actions.paste(),
  };

  list.element.addEventListener("keydown", (event) => {
    if (event.target !== list.element) return;
    const command = event.ctrlKey || event.metaKey;
    const does = command && !event.shiftKey ? COMMANDS[event.key] : event.altKey || command ? null : KEYS[event.key];
    if (does) does(event);
    else if (!command && !event.altKey && event.key.length === 1 && /[\p{L}\p{N}]/u.test(event.key)) spell(event.key);
    else return;
    event.preventDefault();
  });
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, dialog");
    if ($("desk").hidden || typing) return;
    const command = event.ctrlKey || event.metaKey;
    if (event.key === "/" && !command) $("search").focus();
    else if (event.key === "?" && !command) acts.keys();
    else if (command && event.shiftKey && event.key.toLowerCase() === "n") acts.newFolder();
    else if (event.altKey && event.key === "ArrowUp") acts.up();
    else return;
    event.preventDefault();
  });
}
