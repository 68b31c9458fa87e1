// What happened here, beside what is done: the transcript with its export, and the decisions that the audit has of it.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { clock, count, day } from "../format";
import { complain, door, say } from "../house";
import { copyText } from "../ui/copy";
import { Broken } from "../ui/notice";
import { saveText } from "../ui/save";
import { decisions, loadDecisions } from "./calls";
import { folded, type Line } from "./rows";
import { rows } from "./store";
import type { AuditRowVm } from "./wire";
import { kindWords, outcomeColour, outcomeWords } from "./words";

const PATH = "/api/operator/transcript/redacted";

export function Transcript(): JSX.Element {
  const lines = folded(rows.value);
  const none = lines.length === 0;
  return (
    <section class="card" aria-labelledby="transcript" data-testid="transcript">
      <header>
        <h2 id="transcript">Transcript</h2>
        <span class="acts n">
          <button
            type="button"
            class="link calm"
            disabled={none}
            aria-label="Save the transcript as text"
            onClick={() => void exported("text")}
            data-testid="save-text"
          >
            Text
          </button>
          <button
            type="button"
            class="link calm"
            disabled={none}
            aria-label="Save the transcript as JSON"
            onClick={() => void exported("json")}
            data-testid="save-json"
          >
            JSON
          </button>
          <button
            type="button"
            class="link calm"
            disabled={none}
            aria-label="Copy the transcript"
            onClick={() => void copied()}
            data-testid="copy-transcript"
          >
            Copy
          </button>
        </span>
      </header>
      {none ? (
        <p class="row muted">Sign-ins, calls and what became of them appear here. Secrets are not in it.</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls is reached by keyboard.
        <ol class="rows scroll" tabIndex={0} aria-labelledby="transcript">
          {lines.map((line) => (
            <TranscriptRow key={line.row.seq} line={line} />
          ))}
        </ol>
      )}
    </section>
  );
}

function TranscriptRow({ line }: { line: Line }): JSX.Element {
  const { row, count: times, until } = line;
  return (
    <li class="row" data-testid="transcript-row" data-kind={row.kind} data-outcome={row.outcome}>
      <div class="a">
        <time dateTime={until} title={`${day(until, new Date())} ${clock(until)}`}>
          {clock(until)}
        </time>
        <span class="muted">{kindWords(row.kind)}</span>
        {times > 1 ? <span class="muted">× {times}</span> : null}
        <span class={`chip ${outcomeColour(row.outcome)}`}>{outcomeWords(row.outcome)}</span>
      </div>
      <span class="told">{row.summary}</span>
    </li>
  );
}

async function exported(as: "text" | "json"): Promise<void> {
  try {
    if (as === "text") saveText("transcript.txt", "text/plain", await asText());
    else saveText("transcript.json", "application/json", await asJson());
    say("The transcript was handed to the browser to save.");
  } catch (cause) {
    complain(cause, "The transcript was not saved");
  }
}

async function copied(): Promise<void> {
  try {
    const done = await copyText(await asText());
    say(
      done
        ? `Copied ${count(rows.value.length, "row")}.`
        : "The browser did not allow copying: save it instead.",
      !done,
    );
  } catch (cause) {
    complain(cause, "The transcript was not copied");
  }
}

const asText = (): Promise<string> => door.readText(`${PATH}?format=text`);

const asJson = async (): Promise<string> => `${JSON.stringify(await door.read(PATH), null, 2)}\n`;

export function Decisions(): JSX.Element {
  const [open, setOpen] = useState(false);
  const last = rows.value.at(-1)?.seq;
  useEffect(() => {
    if (open) void loadDecisions();
  }, [open, last]);
  const told = decisions.value;
  return (
    <section class="card" aria-labelledby="decisions" data-testid="decisions">
      <header>
        <h2 id="decisions">Recent decisions</h2>
        <button
          type="button"
          class="link calm n"
          aria-expanded={open}
          onClick={() => setOpen(!open)}
          data-testid="open-decisions"
        >
          {open ? "Hide" : "Show"}
        </button>
      </header>
      {open && told?.trouble ? <Broken trouble={told.trouble} /> : null}
      {open && told?.result?.length === 0 ? <p class="row muted">Nothing was decided yet.</p> : null}
      {open && told?.result && told.result.length > 0 ? (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls is reached by keyboard.
        <ol class="rows scroll" tabIndex={0} aria-labelledby="decisions">
          {told.result
            .map((event, n) => ({ event, n }))
            .reverse()
            .map(({ event, n }) => (
              <Decision key={n} event={event} />
            ))}
        </ol>
      ) : null}
    </section>
  );
}

function Decision({ event }: { event: AuditRowVm }): JSX.Element {
  return (
    <li class="row" data-testid="decision">
      <div class="a">
        <time dateTime={event.at}>{clock(event.at)}</time>
        <span class="muted">{event.kind}</span>
        <span class={event.denial ? "chip r" : "chip g"}>
          {event.denial ? `refused: ${event.denial}` : "allowed"}
        </span>
      </div>
      <span class="told">{event.detail}</span>
    </li>
  );
}
