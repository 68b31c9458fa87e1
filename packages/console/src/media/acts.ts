// What a person can do with an entry or a live URL. Each act says aloud how it went.

import { without } from "../flow";
import { complain, door, live, say, shelve, state } from "../house";
import { merged } from "../live";
import { copyText } from "../ui/copy";
import type { Disposition, Entry, Minted, Source, State } from "../wire";
import { onFreeLane } from "./lanes";
import { amend, sizes } from "./listing";
import { parseLocation } from "./location";

const ROOM_WITHIN_MS = 1_500;
const ROOM_AGAIN_MS = [2_500, 5_000, 10_000];

/** Mints one URL for an entry. */
export async function mint(source: string, key: string, disposition: Disposition): Promise<Minted> {
  const body = { sources: [`${source}:${key}`], disposition };
  const { grants } = await door.post<{ grants: Minted[] }>("/api/grants", body);
  const minted = grants[0];
  if (!minted) throw new Error("The daemon minted no URL");
  return minted;
}

/** Gives an entry whose URL was revoked or ran out a new one. */
export async function renewEntry(source: string, entry: Entry): Promise<void> {
  try {
    const { url, id } = await mint(source, entry.key, "inline");
    if (entry.size !== null) sizes.set(id, entry.size);
    amend((one) => one.key === entry.key, { url, grantId: id });
    say(`New URL for ${entry.name}.`);
  } catch (cause) {
    complain(cause, `No URL for ${entry.name}`);
  }
}

export async function copyUrl(entry: Entry | undefined): Promise<void> {
  if (!entry?.url) return say("Select a file with a URL first.", true);
  const copied = await copyText(entry.url);
  say(copied ? `Copied the URL of ${entry.name}.` : "The browser did not allow copying.", !copied);
}

export async function revoke(id: string, name: string): Promise<void> {
  try {
    await door.remove(`/api/grants/${encodeURIComponent(id)}`);
    live.value = without(live.value, id);
    amend((entry) => entry.grantId === id, { url: null, grantId: null });
    say(`Revoked the URL of ${name}.`);
  } catch (cause) {
    complain(cause, `${name} was not revoked`);
  }
}

/** Gives a URL that is being played more time. Whether it was given. */
export async function renewQuietly(id: string): Promise<boolean> {
  try {
    const { expiresAt } = await door.post<{ expiresAt: string }>(
      `/api/grants/${encodeURIComponent(id)}/renew`,
    );
    const grant = live.value.get(id);
    if (grant) live.value = new Map(live.value).set(id, { ...grant, expiresAt });
    return true;
  } catch {
    return false;
  }
}

/** Asks again while nothing of a preview has come: players that paused just now count only after a moment. */
function keepMakingRoom(id: string, signal: AbortSignal): void {
  const asked = (): number => live.value.get(id)?.requests ?? 0;
  const before = asked();
  for (const wait of ROOM_AGAIN_MS) {
    const timer = setTimeout(() => asked() === before && void makeRoom(id), wait);
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  }
}

/**
 * The URL of the grant `id` on a port to which the browser has a connection left. Where it has none, players that
 * stand still are asked to give way, for as long as the preview waits.
 */
export async function withConnection(url: string, id: string, signal: AbortSignal): Promise<string> {
  const known = state.value ?? (await door.read<State>("/api/state", signal).catch(() => null));
  const free = await onFreeLane(url, known?.lanes ?? []);
  if (free !== null || signal.aborted) return free ?? url;
  keepMakingRoom(id, signal);
  await makeRoom(id);
  return url;
}

async function makeRoom(id: string): Promise<void> {
  const late = new Promise<void>((done) => setTimeout(done, ROOM_WITHIN_MS));
  // Without room there is no preview yet, but no harm either.
  const made = door.post(`/api/grants/${encodeURIComponent(id)}/room`).catch(() => {});
  await Promise.race([made, late]);
}

export async function extend(id: string, name: string): Promise<void> {
  try {
    const { expiresAt } = await door.post<{ expiresAt: string }>(
      `/api/grants/${encodeURIComponent(id)}/renew`,
    );
    const grant = live.value.get(id);
    if (grant) live.value = merged(live.value, [{ ...grant, expiresAt }], Date.now());
    say(`Extended the URL of ${name}.`);
  } catch (cause) {
    complain(cause, `${name} was not extended`);
  }
}

/** Asks for the file as an attachment; looks first, so that a refusal never replaces the page. */
export async function download(source: string, entry: Entry): Promise<void> {
  try {
    const { url } = await mint(source, entry.key, "download");
    const answer = await fetch(url, { method: "HEAD", credentials: "omit", cache: "no-store" });
    if (!answer.ok) throw new Error(`The content listener answered ${answer.status}`);
    location.assign(url);
    say(`Downloading ${entry.name}.`);
  } catch (cause) {
    complain(cause, `${entry.name} was not downloaded`);
  }
}

export async function addSource(text: string): Promise<Source | null> {
  const parsed = parseLocation(text);
  if ("problem" in parsed) {
    say(parsed.problem, true);
    return null;
  }
  try {
    const source = await door.post<Source>("/api/sources", parsed);
    shelve(source);
    say(`Added ${source.name}.`);
    return source;
  } catch (cause) {
    complain(cause, `${parsed.location} was not added`);
    return null;
  }
}
