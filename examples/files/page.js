// A file manager for the folders that the person shares with this page, on the client library and nothing else.
// `?ports=40123` looks there instead of at 7319 to 7323.

import { connect } from "/doorward/index.js";
import { Actions, parent } from "./actions.js";
import { details } from "./details.js";
import { Directory } from "./directory.js";
import { $, act, el, icon, say } from "./dom.js";
import { chosen, takeDrops } from "./drop.js";
import { introduce } from "./introduce.js";
import { takeKeys } from "./keys.js";
import { List } from "./list.js";
import { askConflict, showKeys } from "./question.js";
import { Selection } from "./selection.js";
import { Sheet } from "./sheet.js";
import { thumbs } from "./thumbs.js";
import { Transfers } from "./transfers.js";
import { bytes, count, explain, isFile, isFolder } from "./words.js";

const LOOK = "doorward.files.look";
const FOLDER_ICONS = { folder: "folder" };
const STATE_WORDS = { absent: "not plugged in", denied: "no access", gone: "not shared any more" };

const ports = new URLSearchParams(location.search).get("ports")?.split(",").map(Number);
const door = await connect(ports ? { ports } : {});
const { drives } = door;

let folders = [];
const thumbOf = thumbs(drives);
const directory = new Directory(door);
const selection = new Selection(() => directory.entries);
const acts = {
  open: (entry) => entry && (isFolder(entry) ? go(directory.folder, entry.path) : acts.preview(entry)),
  preview: (entry) => entry && (isFolder(entry) ? acts.open(entry) : sheet.show(directory.folder, entry)),
  up: () => directory.path && go(directory.folder, parent(directory.path)),
  sort: (by) => sortBy(by, directory.sort.sort === by && directory.sort.order === "asc" ? "desc" : "asc"),
  cut: (path) => actions.isCut(path),
  keys: showKeys,
  newFolder: () => actions.may("write") && actions.newFolder(),
  download: (entries) => actions.download(entries),
  openThere: (entry) => actions.openThere(entry),
};
const list = new List(directory, selection, thumbOf, acts);
const transfers = new Transfers(drives, askConflict);
// What the person granted, cut to what the folder itself allows: both may change.
const rights = (name) => folders.find((folder) => folder.name === name)?.rights ?? [];
const actions = new Actions(drives, { directory, selection, list, transfers, rights });
const sheet = new Sheet(drives, {
  files: () => directory.entries.filter(isFile),
  moved: (entry) => {
    selection.only(entry.path);
    list.reveal();
  },
  download: (entry) => actions.download([entry]),
  open: (entry) => actions.openThere(entry),
});
introduce(door);
takeKeys({ directory, selection, list, actions, acts });
takeDrops($("desk"), {
  place: () => (actions.may("write") ? directory.path.split("/").at(-1) || directory.folder : ""),
  dragged: (path) => {
    if (!selection.has(path)) selection.only(path);
    return selection.entries.map((entry) => entry.path);
  },
  send: (into, files) => actions.send(into, files),
  move: (into, paths, copies) => {
    const entries = directory.entries.filter(({ path }) => paths.includes(path) && path !== into);
    return actions.transfer({ folder: directory.folder, entries, cuts: !copies }, { folder: directory.folder, path: into });
  },
});
details({ directory, selection, thumbOf, acts });
actions.changed = () => {
  list.draw();
  drawPicked();
};

// === where it is ===

const hashOf = (folder, path) => `#/${[folder, ...path.split("/")].filter(Boolean).map(encodeURIComponent).join("/")}`;
const go = (folder, path = "") => {
  location.hash = hashOf(folder, path);
};

function arrive() {
  const [folder = "", ...path] = location.hash.slice(2).split("/").map(decodeURIComponent);
  if (!folder && folders.length > 0) return go(folders[0].name);
  if (sheet.isOpen) $("sheet").close();
  $("search").value = "";
  const from = directory.path;
  selection.clear();
  directory.open(folder, path.join("/"));
  list.element.scrollTop = 0;
  // Coming up from a directory, the keyboard is at it.
  if (from && parent(from) === directory.path) selection.only(from);
  drawFrame();
}
addEventListener("hashchange", arrive);

// === the frame ===

async function drawFolders() {
  try {
    folders = await drives.folders();
  } catch (cause) {
    return say(explain(cause), true);
  }
  const shared = new Set(folders.map(({ name }) => name));
  for (const { folder } of door.scopes) {
    if (!shared.has(folder)) folders.push({ name: folder, rights: [], kind: "folder", state: "gone", freeBytes: null });
  }
  drawFrame();
}

function drawFrame() {
  const { folder, path } = directory;
  $("folders").replaceChildren(
    ...folders.map(({ name, rights, kind, state, freeBytes, totalBytes }) => {
      const words = STATE_WORDS[state] ?? (rights.includes("write") ? (freeBytes === null ? "" : `${bytes(freeBytes)} free`) : "look only");
      const used = totalBytes ? 1 - freeBytes / totalBytes : null;
      const meter = used !== null && state === "ready" && kind !== "folder" && el("span", { class: "meter" }, el("i", {}));
      if (meter) meter.firstElementChild.style.width = `${100 * used}%`;
      const link = el("a", { href: hashOf(name, ""), "aria-current": name === folder ? "page" : null }, icon(FOLDER_ICONS[kind] ?? "drive"), el("b", {}, name), el("small", {}, words), meter);
      return el("li", {}, link);
    }),
  );
  const names = [folder, ...path.split("/").filter(Boolean)];
  const crumbs = names.map((name, at) => {
    const there = names.slice(1, at + 1).join("/");
    const last = at === names.length - 1;
    const link = el("a", { href: hashOf(folder, there), "aria-current": last ? "page" : null, "data-drop": there, "data-name": name }, name);
    return el("li", {}, link);
  });
  $("crumbs").replaceChildren(...crumbs);
  $("title").textContent = names.at(-1) || "Files";
  document.title = `${names.at(-1) || "Files"} – Files on this computer`;
  $("search").placeholder = `Search in ${names.at(-1) || "…"}`;
  for (const id of ["upload", "new-folder"]) $(id).disabled = !actions.may("write");
  drawState();
  drawPicked();
}

const LIVE = { live: ["ok", "live"], behind: ["busy", "connecting"], off: ["", "not live"] };

function drawState() {
  const { entries, trouble, loading, live, query, searched, total } = directory;
  const [look, words] = LIVE[live];
  $("live").className = `pill ${look}`;
  $("live").textContent = words;
  $("live").title = live === "live" ? "What changes on the computer shows here at once" : "";
  const said = !directory.folder ? nowhere() : trouble ? broken(trouble) : !loading && entries.length === 0 ? empty() : null;
  $("said").hidden = !said;
  $("list").hidden = Boolean(said);
  $("list").setAttribute("aria-busy", loading);
  if (said) $("said").replaceChildren(...said);
  const all = total ?? `${entries.length}${directory.isWhole ? "" : "+"}`;
  const found = searched && `${count(entries.length, "match", "matches")} for “${query}”${searched.complete ? "" : ", and there may be more: say more of the name"}`;
  $("foot").textContent = query ? (found ?? `looks for “${query}” …`) : said ? "" : loading ? "reading …" : `${all.toLocaleString()} ${all === 1 ? "entry" : "entries"}`;
}

function nowhere() {
  return [icon("folder"), el("h2", {}, "No folders"), el("p", {}, "This page was introduced without any. Forget it, and introduce it again with the names of the folders that you share.")];
}

function broken(cause) {
  const again = act("again", "Look again", () => arrive());
  const folder = directory.folder;
  const shares = el("code", {}, `doorward serve --companion --share ${folder}=PATH:rw`);
  if (cause.code === "folderUnknown") return [el("h2", {}, `“${folder}” is not shared with this page`), el("p", {}, "Share it on this computer, and introduce the page anew if it never asked for it: ", shares), again];
  if (cause.code === "pathUnknown" || cause.code === "notAFolder") return [el("h2", {}, "It is no longer there"), el("p", {}, "It was moved, renamed or deleted."), act("up", "One folder up", acts.up), again];
  return [el("h2", {}, "This folder cannot be shown"), el("p", {}, explain(cause)), again];
}

function empty() {
  if (directory.query) return [el("h2", {}, "Nothing of that name"), el("p", {}, "Only names are searched, here and in all folders below.")];
  const sends = actions.may("write");
  return [icon("folder"), el("h2", {}, "Nothing in here yet"), el("p", {}, sends ? "Drop files here, or upload some. What other programs put here shows at once." : "What other programs put here shows at once.")];
}

function drawPicked() {
  const { entries } = selection;
  const { shelf } = actions;
  const [writes, deletes] = [actions.may("write"), actions.may("delete")];
  $("picked").hidden = entries.length === 0 && !shelf;
  const buttons = [];
  const add = (condition, ...args) => condition && buttons.push(act(...args));
  const some = entries.length > 0;
  add(some && entries.every(isFile), "down", "Download", () => actions.download());
  add(writes && entries.length === 1, "pen", "Rename", () => actions.rename());
  add(some, "copy", "Copy", () => actions.take(false));
  add(writes && some, "cut", "Cut", () => actions.take(true));
  add(deletes && some, "trash", "Delete", () => actions.remove(false), { class: "btn bad" });
  add(writes && shelf, "paste", `Paste ${shelf?.entries.length}`, () => actions.paste(), { class: "btn main" });
  const clear = () => {
    selection.none();
    actions.drop();
  };
  add(some || shelf, "cross", "Select nothing", clear, { shown: false });
  const size = entries.reduce((sum, entry) => sum + (entry.size ?? 0), 0);
  $("picked").replaceChildren(el("span", { class: "muted" }, some ? `${entries.length} selected${size ? `, ${bytes(size)}` : ""}` : ""), ...buttons);
}

// What is selected may have come or gone with what the directory holds now.
let picked = "";
directory.addEventListener("change", () => {
  drawState();
  const now = JSON.stringify(selection.entries);
  if (now === picked) return;
  picked = now;
  drawPicked();
});
selection.addEventListener("change", drawPicked);

// === the tools ===

function sortBy(sort, order) {
  $("sort").value = sort;
  const words = order === "asc" ? "Ascending" : "Descending";
  $("order").replaceChildren(icon(order === "asc" ? "up" : "down"));
  for (const name of ["aria-label", "title"]) $("order").setAttribute(name, words);
  if (directory.folder) void directory.sortBy(sort, order);
}

function look(tiles) {
  list.tiles = tiles;
  localStorage.setItem(LOOK, tiles ? "tiles" : "rows");
  $("look").replaceChildren(icon(tiles ? "rows" : "tiles"));
  for (const name of ["aria-label", "title"]) $("look").setAttribute(name, tiles ? "Show as a list" : "Show as tiles");
}

let typed;
$("search").oninput = () => {
  clearTimeout(typed);
  typed = setTimeout(() => void directory.search($("search").value.trim()), 200);
};
$("search").onkeydown = (event) => {
  if (event.key === "Escape" && $("search").value) {
    event.preventDefault();
    $("search").value = "";
    void directory.search("");
  }
  if (["Escape", "ArrowDown", "Enter"].includes(event.key)) $("list").focus();
};
$("sort").onchange = () => sortBy($("sort").value, directory.sort.order);
$("order").onclick = () => sortBy(directory.sort.sort, directory.sort.order === "asc" ? "desc" : "asc");
$("look").onclick = () => look(!list.tiles);
$("new-folder").onclick = () => actions.newFolder();
$("upload").onclick = (event) => $(event.shiftKey ? "tree" : "files").click();
for (const id of ["files", "tree"]) $(id).onchange = () => void actions.send(null, chosen($(id)));
$("forget").onclick = () => door.forget().catch((cause) => say(explain(cause), true));
$("sheet").addEventListener("close", () => list.element.focus());

sortBy("name", "asc");
look(localStorage.getItem(LOOK) === "tiles");

// === paired, or not ===

let knows = () => {};
door.state.subscribe(async (state) => {
  // A computer that does not answer for a moment leaves what is shown where it is.
  const stays = state === "paired" || (state === "unavailable" && !$("desk").hidden);
  $("desk").hidden = !stays;
  if (stays && state !== "paired") {
    $("outside").hidden = true;
    say("doorward does not answer. The page goes on as soon as it does.", true);
  }
  if (!stays) {
    directory.close();
    knows();
    knows = () => {};
  }
  if (state !== "paired") return;
  $("who").textContent = location.host;
  knows();
  // Also how a pairing that is ended there is noticed at once.
  knows = door.listen(({ kind }) => {
    if (kind === "hello") void drawFolders();
  });
  await drawFolders();
  if (directory.folder) void directory.reload();
  else arrive();
});
