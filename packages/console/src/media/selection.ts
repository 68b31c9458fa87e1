// Which entry is selected, and how it relates to the one in the preview.

import { signal } from "@preact/signals";
import type { Entry } from "../wire";

export const selected = signal(-1);

/** Tiles or list; a choice that lasts as long as the page. */
export const shape = signal<"tiles" | "list">("tiles");

/** The next file before or after `key`; folders are stepped over. Null at either end. */
export function neighbour(entries: readonly Entry[], key: string, by: 1 | -1): Entry | null {
  const at = entries.findIndex((entry) => entry.key === key);
  if (at < 0) return null;
  for (let i = at + by; i >= 0 && i < entries.length; i += by) {
    const entry = entries[i];
    if (entry?.kind === "file") return entry;
  }
  return null;
}

export function select(entries: readonly Entry[], key: string): void {
  selected.value = entries.findIndex((entry) => entry.key === key);
}
