// The Media panel's keys. They stand back while something else has a better claim: a field, a button, the preview.

import { go, mediaRoute, parentOf, route } from "../router";
import { copyUrl, revoke } from "./acts";
import { drawn, openEntry } from "./grid";
import { folder } from "./listing";
import { move } from "./moves";
import { entryAt } from "./pages";
import { selected } from "./selection";

/** The entry that Space opened is to play at once. */
export const playing = { key: null as string | null };

export function onMediaKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]")) return;
  const target = event.target as HTMLElement;
  if (target.matches("input, textarea, select")) return;
  const now = folder.value;
  const entry = now ? (entryAt(now.pages, selected.value) ?? undefined) : undefined;
  const onControl = target.matches("button, a, summary");
  switch (event.key) {
    case "/":
      document.getElementById("search")?.focus();
      break;
    case "Enter":
    case " ":
      if (onControl || !now || !entry) return;
      playing.key = event.key === " " ? entry.key : null;
      openEntry(now.source, entry);
      break;
    case "c":
      void copyUrl(entry);
      break;
    case "Delete":
      if (entry?.grantId) void revoke(entry.grantId, entry.name);
      break;
    case "Backspace":
      if (route.value.panel !== "media" || !route.value.prefix) return;
      go(mediaRoute(route.value.source, parentOf(route.value.prefix)));
      break;
    case "Escape":
      selected.value = -1;
      break;
    default: {
      const to = move(event.key, selected.value, drawn.grid());
      if (to === null) return;
      selected.value = to;
      drawn.reveal(to);
      if (onControl) document.querySelector<HTMLElement>("[role=listbox]")?.focus({ preventScroll: true });
    }
  }
  event.preventDefault();
}
