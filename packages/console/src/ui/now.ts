import { signal } from "@preact/signals";

/** The wall clock, once a second while the page is seen: for rates that fade and times that run out. */
export const now = signal(Date.now());

setInterval(() => {
  if (document.visibilityState === "visible") now.value = Date.now();
}, 1_000);
