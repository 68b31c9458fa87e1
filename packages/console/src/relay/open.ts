// The open upstreams, as one map that the listing and the event stream change. Pure: the clock is an argument.

import { count, span } from "../format";
import type { Relay } from "../wire";

export interface OpenRelay extends Relay {
  /** Bytes a second, both ways, from the last two reports. */
  rate: number;
  seenAt: number;
}

export type Open = ReadonlyMap<string, OpenRelay>;

/** Reports come at most once a second and only on change: silence for longer means nothing flows. */
const RATE_HOLDS_MS = 2_500;

const passed = (relay: Relay): number => relay.bytesUp + relay.bytesDown;

export function reported(open: Open, relay: Relay, now: number): Open {
  const before = open.get(relay.id);
  const seconds = before ? Math.max(0.25, (now - before.seenAt) / 1000) : 0;
  const grown = before ? passed(relay) - passed(before) : 0;
  const rate = seconds > 0 && grown > 0 ? grown / seconds : 0;
  return new Map(open).set(relay.id, { ...relay, rate, seenAt: now });
}

export function without(open: Open, id: string): Open {
  if (!open.has(id)) return open;
  const next = new Map(open);
  next.delete(id);
  return next;
}

/** Starts over from a listing; rates of those that stay are kept. */
export function listed(open: Open, relays: readonly Relay[], now: number): Open {
  return new Map(
    relays.map((relay) => {
      const before = open.get(relay.id);
      return [relay.id, { ...relay, rate: before?.rate ?? 0, seenAt: before?.seenAt ?? now }];
    }),
  );
}

export const rateNow = (relay: OpenRelay, now: number): number =>
  now - relay.seenAt < RATE_HOLDS_MS ? relay.rate : 0;

/** Those in use first, then the newest. */
export function ordered(open: Open, now: number): OpenRelay[] {
  return [...open.values()]
    .filter((relay) => Date.parse(relay.expiresAt) > now)
    .sort(
      (a, b) =>
        Number(b.connections > 0) - Number(a.connections > 0) ||
        Date.parse(b.createdAt) - Date.parse(a.createdAt) ||
        (a.id < b.id ? -1 : 1),
    );
}

const ENDS: Readonly<Record<string, string>> = {
  finished: "both sides were done",
  clientBroke: "the page broke off",
  upstreamBroke: "the upstream broke off",
  notDrained: "one side did not stop",
  revoked: "it was revoked",
  expired: "its time was over",
  sessionEnded: "its session ended",
  closed: "doorward stopped",
  stopping: "doorward stopped",
  silent: "nothing was sent for too long",
  networkChanged: "the network changed",
  messageTooBig: "a message was too big",
  messageUnreadable: "a message could not be read",
  framesMalformed: "its frames were malformed",
};

/** Why the last connection ended, in words. */
export const endWords = (word: string): string => ENDS[word] ?? word;

/** How long pings took, or what there is instead. Browsers send none, so the page's side is the usual one. */
export function rttWords(relay: Relay): string {
  const ms = (time: number): string => `${time < 10 ? time.toFixed(1) : Math.round(time)} ms`;
  const sides = [
    relay.rttPageMs === null ? "" : `${ms(relay.rttPageMs)} to the page`,
    relay.rttUpstreamMs === null ? "" : `${ms(relay.rttUpstreamMs)} to the upstream`,
  ].filter(Boolean);
  return sides.length > 0 ? sides.join(", ") : "no ping seen";
}

export const endsIn = (relay: Relay, now: number): string => span(Date.parse(relay.expiresAt) - now);

export const connectionWords = (relay: Relay): string =>
  relay.turnConnections > 0
    ? `${count(relay.connections, "connection")}, ${relay.turnConnections} to TURN`
    : count(relay.connections, "connection");
