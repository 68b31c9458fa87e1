// Which entry is selected, and how the folder is drawn.

import { signal } from "@preact/signals";

export const selected = signal(-1);

/** Tiles or list; a choice that lasts as long as the page. */
export const shape = signal<"tiles" | "list">("tiles");
