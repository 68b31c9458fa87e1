// Companion: pages of other origins that the person introduced to this computer. A request is shown here, and
// answered where the person was asked: a page that got hold of the console must not pair itself.

import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { clock, span } from "../format";
import { state } from "../house";
import { Fact } from "../ui/fact";
import { Broken, Empty } from "../ui/notice";
import { now } from "../ui/now";
import type { Paired, Pending } from "../wire";
import { companion, forget, loadCompanion, trouble } from "./store";
import { modeWords, scopeWords, whereWords } from "./words";

export function CompanionPanel(): JSX.Element {
  const at = state.value?.companion;
  useEffect(() => {
    if (at) void loadCompanion();
  }, [at]);
  if (at === null) {
    return (
      <Empty command="doorward serve --companion">
        The companion is off: no page can be paired with this computer. Start doorward with it, or set enabled
        = true in [companion].
      </Empty>
    );
  }
  const open = companion.value;
  if (trouble.value && !open) return <Broken trouble={trouble.value} retry={() => void loadCompanion()} />;
  if (!open) return <div class="bone big" aria-hidden="true" />;
  return (
    <div class="relays">
      <p class="muted">
        Pages reach it at <code>{at}</code>. <Said>{modeWords(open.pairing, open.approve)}</Said>
      </p>
      {open.vault.state === "sound" || open.vault.state === "memory" ? null : (
        <div class="notice bad" role="status" data-testid="vault">
          <p>{open.vault.message}</p>
        </div>
      )}
      {open.pending ? <Request pending={open.pending} approve={open.approve} /> : null}
      {open.pairings.length === 0 ? (
        <Empty>
          No page is paired. One that asks appears here, and in the window that asks you about it.
        </Empty>
      ) : (
        open.pairings.map((page) => <PairedCard key={page.keyId} page={page} />)
      )}
    </div>
  );
}

function Request({ pending, approve }: { pending: Pending; approve: string }): JSX.Element {
  const left = Math.max(
    0,
    Math.ceil((Date.parse(pending.expiresAt) - Math.max(now.value, Date.now())) / 1_000),
  );
  return (
    <section class="card" aria-labelledby="pending" data-testid="pending">
      <header>
        <span class="chip y">asks</span>
        <h2 id="pending">
          <code>{pending.origin}</code>
        </h2>
      </header>
      <dl class="facts">
        <Fact name="Wants">{scopeWords(pending.scopes)}</Fact>
        <Fact name="Calls itself">{pending.label || "nothing"}</Fact>
        <Fact name="Confirmed on the page">{pending.confirmed ? "yes" : "not yet"}</Fact>
        <Fact name="Time left">{left} s</Fact>
      </dl>
      <p class="aside">
        Compare the digits that the page shows. <Said>{whereWords(approve)}</Said>
      </p>
    </section>
  );
}

function PairedCard({ page }: { page: Paired }): JSX.Element {
  const title = `paired-${page.keyId}`;
  return (
    <section class="card" aria-labelledby={title} data-testid="paired" data-paired={page.keyId}>
      <header>
        <span class="chip g">paired</span>
        <h2 id={title}>
          <code>{page.origin}</code>
        </h2>
        <span class="n">
          <button
            type="button"
            class="link"
            onClick={() => void forget(page.keyId, page.origin)}
            aria-label={`Forget ${page.origin}`}
            data-testid="forget"
          >
            Forget
          </button>
        </span>
      </header>
      <dl class="facts">
        <Fact name="May use">{scopeWords(page.scopes)}</Fact>
        <Fact name="Calls itself">{page.label || "nothing"}</Fact>
        <Fact name="Since">{ago(page.createdAt)}</Fact>
        <Fact name="Last request">
          {page.lastUsedAt ? clock(page.lastUsedAt) : "none since doorward started"}
        </Fact>
      </dl>
    </section>
  );
}

/** Words in which commands stand between backticks. */
function Said({ children }: { children: string }): JSX.Element {
  const parts = children.split("`");
  return <>{parts.map((part, at) => (at % 2 ? <code key={part}>{part}</code> : part))}</>;
}

const ago = (time: string): string => `${span(Math.max(0, now.value - Date.parse(time)))} ago`;
