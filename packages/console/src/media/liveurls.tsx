// What is live now: playing, bytes, rate, when it ends; revoke and extend. Changed by the event stream only.

import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { bytes, clock, count, rate, span } from "../format";
import { listMore, live, unlisted } from "../house";
import { type LiveGrant, ordered, rateNow } from "../live";
import { now } from "../ui/now";
import { extend, revoke } from "./acts";
import { sizes } from "./listing";

const FEW = 4;
const all = signal(false);

export function LiveUrls(): JSX.Element {
  const at = now.value;
  const grants = ordered(live.value, at);
  const playing = grants.filter((grant) => grant.streams > 0).length;
  const shown = all.value ? grants : grants.slice(0, Math.max(FEW, playing));
  return (
    <section class="card" aria-labelledby="live-title" data-testid="live">
      <header>
        <h2 id="live-title">Live URLs</h2>
        <span class="n">
          {playing} playing · {grants.length + unlisted.value} used
        </span>
      </header>
      {shown.map((grant) => (
        <Row key={grant.id} grant={grant} at={at} />
      ))}
      {grants.length === 0 ? (
        <p class="row muted">
          A URL shows here from its first request on: preview a file, or copy its URL into a player.
        </p>
      ) : null}
      {grants.length > shown.length || all.value ? (
        <p class="row">
          <button type="button" class="link calm" onClick={() => (all.value = !all.value)}>
            {all.value
              ? "Show fewer"
              : `Show all ${grants.length}${unlisted.value > 0 ? " that are listed" : ""}`}
          </button>
        </p>
      ) : null}
      {unlisted.value > 0 ? (
        <p class="row muted" data-testid="unlisted">
          <span>
            The newest {grants.length} are listed. {unlisted.value} older{" "}
            {unlisted.value === 1 ? "one is" : "ones are"} in use, too.
          </span>
          <button type="button" class="link calm" onClick={() => void listMore()}>
            List more
          </button>
        </p>
      ) : null}
    </section>
  );
}

function Row({ grant, at }: { grant: LiveGrant; at: number }): JSX.Element {
  const size = sizes.get(grant.id) ?? null;
  const flow = rateNow(grant, at);
  const idle = grant.lastUsedAt ? at - Date.parse(grant.lastUsedAt) : null;
  const parts = [
    size === null || grant.bytes > size
      ? `${bytes(grant.bytes)} served`
      : `${bytes(grant.bytes)} of ${bytes(size)}`,
    flow > 0 ? rate(flow) : grant.streams === 0 && idle !== null ? `idle ${span(idle)}` : "",
    count(grant.requests, "request"),
    `ends ${clock(grant.expiresAt, false)}`,
  ];
  return (
    <div class="row" data-testid="live-row" data-grant={grant.id} data-streams={grant.streams}>
      <div class="a">
        <b title={grant.source}>{grant.name}</b>
        {grant.streams > 0 ? (
          <span class="chip g">{grant.streams > 1 ? `${grant.streams} streams` : "playing"}</span>
        ) : (
          <span class="chip">idle</span>
        )}
        <span class="acts">
          <button
            type="button"
            class="link calm"
            onClick={() => void extend(grant.id, grant.name)}
            aria-label={`Extend ${grant.name}`}
            data-testid="extend"
          >
            Extend
          </button>
          <button
            type="button"
            class="link"
            onClick={() => void revoke(grant.id, grant.name)}
            aria-label={`Revoke ${grant.name}`}
            data-testid="revoke"
          >
            Revoke
          </button>
        </span>
      </div>
      {size ? <Meter part={Math.min(1, grant.bytes / size)} name={grant.name} /> : null}
      <div class="muted">{parts.filter(Boolean).join(" · ")}</div>
    </div>
  );
}

function Meter({ part, name }: { part: number; name: string }): JSX.Element {
  const percent = Math.round(part * 100);
  return (
    <div
      class="meter"
      role="meter"
      aria-label={`${name} served`}
      aria-valuenow={percent}
      aria-valuemin={0}
      aria-valuemax={100}
    >
      <i style={{ width: `${percent}%` }} />
    </div>
  );
}
