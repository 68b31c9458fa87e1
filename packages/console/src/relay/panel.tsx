// Relay: every upstream that is open under a URL of this computer, what passes through it, and how it ends.

import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { rateNow } from "../flow";
import { bytes, clock, count, rate } from "../format";
import { Fact } from "../ui/fact";
import { Plus } from "../ui/icons";
import { Broken, Empty } from "../ui/notice";
import { now } from "../ui/now";
import { connectionWords, endsIn, endWords, type OpenRelay, ordered, rttWords } from "./open";
import { copyFresh, fresh, loadRelays, open, openUpstream, revoke, trouble } from "./store";

const adding = signal(false);

export function RelayPanel(): JSX.Element {
  useEffect(() => void loadRelays(), []);
  if (trouble.value && !open.value) return <Broken trouble={trouble.value} retry={() => void loadRelays()} />;
  if (!open.value) return <div class="bone big" aria-hidden="true" />;
  const at = now.value;
  const relays = ordered(open.value, at);
  return (
    <div class="relays">
      <p class="acts">
        <button
          type="button"
          class="btn"
          aria-expanded={adding.value}
          onClick={() => {
            adding.value = !adding.value;
          }}
          data-testid="open-upstream"
        >
          <Plus /> Open an upstream
        </button>
      </p>
      {adding.value ? <OpenForm /> : null}
      <Fresh />
      {relays.length === 0 ? (
        <Empty command="doorward relay add wss://host">
          Each open upstream appears here, with what passes through it, until it is revoked or its time is
          over.
        </Empty>
      ) : (
        relays.map((relay) => <RelayCard key={relay.id} relay={relay} at={at} />)
      )}
    </div>
  );
}

function OpenForm(): JSX.Element {
  const field = useRef<HTMLInputElement>(null);
  const livekit = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  // Not a <form>: the console's policy has `form-action 'none'`, and Enter needs none.
  const add = async (): Promise<void> => {
    const upstream = field.current?.value.trim() ?? "";
    if (upstream && (await openUpstream(upstream, livekit.current?.checked ?? false))) adding.value = false;
  };
  return (
    <div class="add">
      <label for="new-upstream">Upstream</label>
      <input
        id="new-upstream"
        ref={field}
        placeholder="wss://host/path"
        spellcheck={false}
        autocomplete="off"
        onKeyDown={(event) => {
          if (event.key === "Enter") void add();
          if (event.key === "Escape") adding.value = false;
        }}
      />
      <label class="tick">
        <input type="checkbox" ref={livekit} /> map LiveKit's URLs
      </label>
      <button type="button" class="btn main" onClick={() => void add()}>
        Open
      </button>
    </div>
  );
}

/** The URL of the one that was opened last: whoever has it may connect, and nobody is told it again. */
function Fresh(): JSX.Element | null {
  const made = fresh.value;
  if (!made) return null;
  return (
    <div class="notice" role="status" data-testid="fresh">
      <p>
        <strong>{made.upstream}</strong> is open. Copy its URL now: it is not shown again.
      </p>
      <p>
        <code data-testid="fresh-url">{made.url}</code>
      </p>
      <p class="acts">
        <button type="button" class="btn main" onClick={() => void copyFresh()}>
          Copy
        </button>
        <button
          type="button"
          class="btn"
          onClick={() => {
            fresh.value = null;
          }}
        >
          Hide
        </button>
      </p>
    </div>
  );
}

function RelayCard({ relay, at }: { relay: OpenRelay; at: number }): JSX.Element {
  const title = `relay-${relay.id}`;
  const flow = rateNow(relay, at);
  const busy = relay.connections > 0;
  return (
    <section class="card" aria-labelledby={title} data-testid="relay" data-relay={relay.id}>
      <header>
        <span class={busy ? "chip g" : "chip"}>{busy ? connectionWords(relay) : "idle"}</span>
        <h2 id={title}>
          {relay.name ? `${relay.name}: ` : ""}
          <span class="muted">pages</span> ⇄ 127.0.0.1 ⇄ <code>{relay.upstream}</code>
        </h2>
        <span class="n">
          <button
            type="button"
            class="link"
            onClick={() => void revoke(relay.id, relay.upstream)}
            aria-label={`Revoke ${relay.upstream}`}
            data-testid="revoke-relay"
          >
            Revoke
          </button>
        </span>
      </header>
      <dl class="facts">
        <Fact name="To the upstream">
          {bytes(relay.bytesUp)} · {count(relay.framesUp, "frame")}
        </Fact>
        <Fact name="To the page">
          {bytes(relay.bytesDown)} · {count(relay.framesDown, "frame")}
        </Fact>
        <Fact name="Now">{flow > 0 ? rate(flow) : "quiet"}</Fact>
        <Fact name="Round trip">{rttWords(relay)}</Fact>
        <Fact name="Requests">
          {relay.requests.toLocaleString("en-GB")}
          {relay.lastUsedAt ? `, last at ${clock(relay.lastUsedAt)}` : ""}
        </Fact>
        <Fact name="Last end">{relay.lastEnd ? endWords(relay.lastEnd) : "none yet"}</Fact>
        <Fact name="Ends">in {endsIn(relay, at)}</Fact>
      </dl>
    </section>
  );
}
