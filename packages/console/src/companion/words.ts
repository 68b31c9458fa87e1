// Pairings in words.

import type { PairingMode, Scope } from "../wire";

/** `Notes (read, write), Films (read)`. */
export function scopeWords(scopes: readonly Scope[]): string {
  if (scopes.length === 0) return "no folders";
  return scopes.map(({ folder, rights }) => `${folder} (${rights.join(", ")})`).join(", ");
}

/** Who may ask to be paired. Where nobody is asked, nobody is. */
export function modeWords(mode: PairingMode, approve: string): string {
  if (approve === "none") return "No page may ask: nobody would be asked about it.";
  switch (mode) {
    case "ask":
      return "Any page may ask.";
    case "window":
      return "Pages may ask for two minutes after `doorward pair allow`.";
    case "off":
      return "No page may ask.";
  }
}

/** Where the person answers. */
export function whereWords(approve: string): string {
  switch (approve) {
    case "dialog":
    case "window":
      return "Approve or deny it in the window on this computer.";
    case "terminal":
      return "Approve or deny it in the terminal that doorward runs in.";
    default:
      return "Approve it with `doorward pair approve`, deny it with `doorward pair deny`.";
  }
}
