// Audit: decisions newest first, live. Filters, a pause, whether the chain holds, and an export as JSON lines.

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { clock, count } from "../format";
import { say } from "../house";
import { go, route } from "../router";
import { copyText } from "../ui/copy";
import { Broken, Empty } from "../ui/notice";
import { AuditRows } from "./rows";
import { busy, chain, earlier, open, reached, tail, trouble } from "./store";
import { type Filter, jsonLines, paused, seen } from "./tail";

export function AuditPanel(): JSX.Element {
  const here = route.value.panel === "audit" ? route.value : { kind: "", surface: "" };
  const [asText, setAsText] = useState(false);
  useEffect(() => void open({ kind: here.kind, surface: here.surface }), [here.kind, here.surface]);
  const { shown, held, paused: still } = tail.value;
  const filtered = here.kind !== "" || here.surface !== "";
  return (
    <section class="card audit" aria-label="Audit log">
      <header>
        <Filters filter={here} />
        <span class="grow" />
        <Chain />
        <button
          type="button"
          class="btn"
          aria-pressed={still}
          onClick={() => {
            tail.value = paused(tail.value, !still);
          }}
          data-testid="pause"
        >
          {still ? `Resume${held.length ? ` (${held.length} new)` : ""}` : "Pause"}
        </button>
        <button
          type="button"
          class="btn"
          aria-pressed={asText}
          onClick={() => setAsText(!asText)}
          data-testid="as-text"
        >
          {asText ? "As rows" : "As JSON lines"}
        </button>
        <button
          type="button"
          class="btn main"
          disabled={shown.length === 0}
          onClick={() => void copyAll()}
          data-testid="copy-audit"
        >
          Copy
        </button>
      </header>
      {trouble.value ? <Broken trouble={trouble.value} retry={() => void open(here)} /> : null}
      {asText ? (
        <textarea
          class="lines"
          readOnly
          spellcheck={false}
          aria-label="Audit entries as JSON lines, oldest first"
          value={jsonLines(shown)}
        />
      ) : (
        <AuditRows events={shown} />
      )}
      {shown.length === 0 && !busy.value && !trouble.value ? (
        <Empty command={filtered ? "doorward audit tail" : "doorward open"}>
          {filtered
            ? "Nothing was decided that fits this filter."
            : "Claims, mints, revokes and refusals appear here as they happen."}
        </Empty>
      ) : null}
      {reached.value > 1 ? (
        <p class="row">
          <button type="button" class="btn" disabled={busy.value} onClick={() => void earlier()}>
            {busy.value ? "Reading …" : "Show earlier entries"}
          </button>
        </p>
      ) : null}
    </section>
  );
}

function Filters({ filter }: { filter: Filter }): JSX.Element {
  const known = useKnown();
  const pick = (change: Partial<Filter>): void =>
    go({ panel: "audit", kind: filter.kind, surface: filter.surface, ...change }, "replace");
  return (
    <>
      <h2 class="hear">Decisions</h2>
      <Choice label="Kind" value={filter.kind} of={known.kinds} onPick={(kind) => pick({ kind })} />
      <Choice
        label="Surface"
        value={filter.surface}
        of={known.surfaces}
        onPick={(surface) => pick({ surface })}
      />
    </>
  );
}

/** Every kind and surface met so far: a filter must not take the other choices away. */
function useKnown(): { kinds: string[]; surfaces: string[] } {
  const known = useRef({ kinds: new Set<string>(), surfaces: new Set<string>() });
  for (const kind of seen(tail.value.shown, "kind")) known.current.kinds.add(kind);
  for (const surface of seen(tail.value.shown, "surface")) known.current.surfaces.add(surface);
  return { kinds: [...known.current.kinds], surfaces: [...known.current.surfaces] };
}

interface ChoiceProps {
  label: string;
  value: string;
  of: readonly string[];
  onPick: (value: string) => void;
}

function Choice({ label, value, of, onPick }: ChoiceProps): JSX.Element {
  const options = [...new Set(value ? [value, ...of] : of)].sort();
  return (
    <label class="choice">
      <span>{label}</span>
      <select
        value={value}
        onChange={(event) => onPick(event.currentTarget.value)}
        data-testid={`filter-${label.toLowerCase()}`}
      >
        <option value="">all</option>
        {options.map((option) => (
          <option key={option} value={option}>
            {option}
          </option>
        ))}
      </select>
    </label>
  );
}

function Chain(): JSX.Element | null {
  const now = chain.value;
  if (!now) return null;
  return now.verified ? (
    <span class="pill ok" data-testid="chain" data-verified="true">
      <span class="dot" />
      chain verified {clock(now.at)}
    </span>
  ) : (
    <span class="pill bad" role="alert" data-testid="chain" data-verified="false">
      <span class="dot" />
      chain broken at {clock(now.at)}: run doorward audit verify
    </span>
  );
}

async function copyAll(): Promise<void> {
  const { shown } = tail.value;
  const copied = await copyText(jsonLines(shown));
  say(
    copied
      ? `Copied ${count(shown.length, "entry", "entries")} as JSON lines.`
      : "The browser did not allow copying: show them as JSON lines instead.",
    !copied,
  );
}
