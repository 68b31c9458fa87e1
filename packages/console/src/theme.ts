// Light, dark, or what the system says: one `color-scheme` on the root, from which every colour follows.

import { signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";

const SHELF = "doorward.theme";
const ORDER: readonly Theme[] = ["auto", "light", "dark"];

export const theme = signal<Theme>("auto");

export function startTheme(): void {
  const kept = read();
  if (kept) set(kept);
}

export function nextTheme(): void {
  set(ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length] ?? "auto");
}

function set(to: Theme): void {
  theme.value = to;
  document.documentElement.style.colorScheme = to === "auto" ? "" : to;
  try {
    localStorage.setItem(SHELF, to);
  } catch {
    // Storage may be off: the choice then lasts as long as the page.
  }
}

function read(): Theme | null {
  try {
    return ORDER.find((one) => one === localStorage.getItem(SHELF)) ?? null;
  } catch {
    return null;
  }
}
