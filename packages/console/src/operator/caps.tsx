// What the session may use: a card for each capability, a row for each of its operations.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { now } from "../ui/now";
import { placeOf, results, run } from "./calls";
import { isChat } from "./chat";
import { ChatRoom } from "./chatroom";
import { FieldsForm } from "./form";
import { Result } from "./result";
import type { CapVm, OperationVm, SessionVm } from "./wire";
import { effectWords, leftWords, lentUntil } from "./words";

export function Cap({ cap, session }: { cap: CapVm; session: SessionVm }): JSX.Element {
  const title = `cap-${cap.ref}`;
  const lent = lentUntil(cap, session);
  return (
    <section class="card cap" aria-labelledby={title} data-testid="cap" data-cap={cap.name}>
      <header>
        <h2 id={title} class="told" tabIndex={-1}>
          {cap.contractLabel} <code>{cap.name}</code>
        </h2>
        {lent ? <span class="n">lent for {leftWords(lent, now.value)}</span> : null}
      </header>
      {isChat(cap) ? <ChatRoom cap={cap} /> : <Operations cap={cap} />}
    </section>
  );
}

function Operations({ cap }: { cap: CapVm }): JSX.Element {
  if (cap.operations.length === 0) {
    return (
      <p class="row muted">Nothing to fill in: it is behind the lists below, or of a kind unknown here.</p>
    );
  }
  return (
    <ul>
      {cap.operations.map((operation) => (
        <Row key={operation.name} cap={cap} operation={operation} />
      ))}
    </ul>
  );
}

function Row({ cap, operation }: { cap: CapVm; operation: OperationVm }): JSX.Element {
  const [open, setOpen] = useState(false);
  const place = placeOf(cap, operation);
  const answered = results.value.get(place);
  const busy = answered?.busy ?? false;
  const { word, tone } = effectWords(operation.effect);
  const plain = operation.fields.length === 0;
  const id = `op-${cap.ref}-${operation.name}`;
  return (
    <li class="row op" data-testid="operation" data-operation={operation.name}>
      <div class="a">
        <b class="told" id={`${id}-label`}>
          {operation.label}
        </b>
        <span class={tone}>{word}</span>
        {plain ? (
          <button
            type="button"
            class="btn"
            aria-disabled={busy}
            aria-describedby={`${id}-label`}
            onClick={() => busy || run(cap, operation, {})}
            data-testid="run"
          >
            {busy ? "Asking …" : "Run"}
          </button>
        ) : (
          <button
            type="button"
            class="btn"
            aria-expanded={open}
            aria-describedby={`${id}-label`}
            onClick={() => setOpen(!open)}
            data-testid="open-form"
          >
            {open ? "Close" : "Fill in"}
          </button>
        )}
      </div>
      {open ? (
        <FieldsForm
          id={id}
          fields={operation.fields}
          act={operation.label}
          acting="Asking …"
          busy={busy}
          main
          onGiven={(values) => run(cap, operation, values)}
        />
      ) : null}
      <Result label={operation.label} answered={answered} />
    </li>
  );
}
