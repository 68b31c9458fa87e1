// What an operation gave, in its shape: text, names and values, or a table. All of it is text of somebody else.

import type { JSX } from "preact";
import { clock } from "../format";
import { Broken } from "../ui/notice";
import type { Answered } from "./calls";
import type { CallResultVm, PairVm } from "./wire";

/** Letters that fit into a column of facts, in a few lines. */
const SHORT = 80;

interface Props {
  /** What was asked for. */
  label: string;
  answered: Answered<CallResultVm> | undefined;
}

export function Result({ label, answered }: Props): JSX.Element | null {
  if (!answered) return null;
  if (answered.busy) return <p class="muted">Waiting for the gateway …</p>;
  if (answered.trouble) return <Broken trouble={answered.trouble} />;
  if (!answered.result) return null;
  const { truncated, requestId, shape } = answered.result;
  return (
    <div class="result" data-testid="result" data-shape={shape}>
      <Shaped label={label} result={answered.result} />
      {truncated ? <p class="cut">Some of it was left out: there is more than is shown here.</p> : null}
      <p class="muted" title={`Request ${requestId}`}>
        {clock(new Date(answered.at).toISOString())}
      </p>
    </div>
  );
}

function Shaped({ label, result }: { label: string; result: CallResultVm }): JSX.Element {
  switch (result.shape) {
    case "nothing":
      return <p>Done.</p>;
    case "text":
      return result.text ? (
        <Text label={`${label}: what it gave`} text={result.text} />
      ) : (
        <p>It gave an empty text.</p>
      );
    case "fields":
      return (
        <dl class="facts told">
          {numbered(result.fields).map(({ n, of }) => (
            <Field key={n} label={label} field={of} />
          ))}
        </dl>
      );
    case "table":
      return <Table label={label} result={result} />;
  }
}

function Text({ label, text }: { label: string; text: string }): JSX.Element {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls is reached by keyboard.
    <pre class="told scroll" tabIndex={0} aria-label={label} role="region">
      {text}
    </pre>
  );
}

/** What a command said is a text of its own; what is short stands beside the others. */
function Field({ label, field: { name, value } }: { label: string; field: PairVm }): JSX.Element {
  const long = value.includes("\n") || value.length > SHORT;
  return (
    <div class={long ? "long" : undefined}>
      <dt>{name}</dt>
      <dd>{long ? <Text label={`${label}: ${name}`} text={value} /> : value || "nothing"}</dd>
    </div>
  );
}

function Table({ label, result }: { label: string; result: CallResultVm }): JSX.Element {
  if (result.rows.length === 0) return <p>It gave no rows.</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls is reached by keyboard.
    <div class="told scroll" tabIndex={0} role="region" aria-label={`${label}: what it gave`}>
      <table>
        <thead>
          <tr>
            {numbered(result.columns).map(({ n, of }) => (
              <th key={n} scope="col">
                {of}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {numbered(result.rows).map(({ n, of }) => (
            <tr key={n}>
              {numbered(of).map((cell) => (
                <td key={cell.n}>{cell.of ?? <Absent />}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** No value, which is neither an empty text nor the word itself. */
const Absent = (): JSX.Element => (
  <em class="muted" title="No value">
    NULL
  </em>
);

/** Nothing in what a gateway gives names a row: its place does. */
const numbered = <T,>(list: readonly T[]): { n: number; of: T }[] => list.map((of, n) => ({ n, of }));
