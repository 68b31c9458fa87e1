import { signal } from "@preact/signals";
import { type Trouble, troubleOf } from "../denial";
import { listed, without } from "../flow";
import { complain, door, onEvent, say } from "../house";
import { copyText } from "../ui/copy";
import type { Relay, RelayMinted } from "../wire";
import { merged, type Open } from "./open";

export const open = signal<Open | null>(null);
export const trouble = signal<Trouble | null>(null);
/** A URL that was made just now: it is told once. */
export const fresh = signal<{ upstream: string; url: string } | null>(null);

export async function loadRelays(): Promise<void> {
  try {
    const { relays } = await door.read<{ relays: Relay[] }>("/api/relays");
    open.value = listed(open.value ?? new Map(), relays, Date.now());
    trouble.value = null;
  } catch (cause) {
    trouble.value = troubleOf(cause, "The relay could not be listed");
  }
}

export async function openUpstream(upstream: string, livekit: boolean): Promise<boolean> {
  try {
    const { url } = await door.post<RelayMinted>("/api/relays", { upstream, livekit });
    fresh.value = { upstream, url };
    say(`Opened ${upstream}.`);
    await loadRelays();
    return true;
  } catch (cause) {
    complain(cause, `${upstream} was not opened`);
    return false;
  }
}

export async function copyFresh(): Promise<void> {
  if (!fresh.value) return;
  const copied = await copyText(fresh.value.url);
  say(copied ? `Copied the URL of ${fresh.value.upstream}.` : "The browser did not allow copying.", !copied);
}

export async function revoke(id: string, upstream: string): Promise<void> {
  try {
    await door.remove(`/api/relays/${encodeURIComponent(id)}`);
    if (open.value) open.value = without(open.value, id);
    say(`Revoked ${upstream}.`);
  } catch (cause) {
    complain(cause, `${upstream} was not revoked`);
  }
}

onEvent((event, data) => {
  switch (event) {
    case "relay.stats":
      open.value = merged(open.value ?? new Map(), data.relays as Relay[], Date.now());
      break;
    case "relay.revoked":
      if (open.value) open.value = without(open.value, String(data.id));
      break;
    case "relay.networkChanged":
      say("The network changed: relayed connections were closed, so that they come back on the new way.");
      break;
    case "back":
      void loadRelays();
      break;
  }
});
