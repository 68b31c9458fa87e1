import { signal } from "@preact/signals";
import { type Trouble, troubleOf } from "../denial";
import { complain, door, onEvent, say } from "../house";
import type { Companion } from "../wire";

export const companion = signal<Companion | null>(null);
export const trouble = signal<Trouble | null>(null);

export async function loadCompanion(): Promise<void> {
  try {
    companion.value = await door.read<Companion>("/api/pairings");
    trouble.value = null;
  } catch (cause) {
    trouble.value = troubleOf(cause, "The pairings could not be listed");
  }
}

export async function forget(keyId: string, origin: string): Promise<void> {
  try {
    await door.remove(`/api/pairings/${encodeURIComponent(keyId)}`);
    say(`Forgot ${origin}.`);
  } catch (cause) {
    complain(cause, `${origin} was not forgotten`);
  }
  await loadCompanion();
}

onEvent((event) => {
  if (event === "pairing.changed" || (event === "back" && companion.value)) void loadCompanion();
});
