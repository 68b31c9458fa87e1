// A form for typed fields. What is typed stays in its inputs, and what is secret leaves them once it is given.

import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { type Filled, hintWords, readFields, type Values, type Wrongs } from "./fields";
import type { FieldVm } from "./wire";

interface Props {
  /** Starts the ids of the inputs. */
  id: string;
  fields: readonly FieldVm[];
  /** What the button says, and while it is busy. */
  act: string;
  acting: string;
  busy: boolean;
  main?: boolean;
  onGiven: (values: Values) => void;
}

/** Not a <form>: the console's policy has `form-action 'none'`, and Enter needs none. */
export function FieldsForm({ id, fields, act, acting, busy, main = false, onGiven }: Props): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const [wrongs, setWrongs] = useState<Wrongs>(new Map());
  const give = (): void => {
    if (busy) return;
    const inputs = inputsOf(box.current);
    const read = readFields(fields, filledIn(inputs));
    if ("wrongs" in read) {
      setWrongs(read.wrongs);
      inputs.find((input) => read.wrongs.has(nameOf(input)))?.focus();
      return;
    }
    setWrongs(new Map());
    for (const input of inputs) if (input.type === "password") input.value = "";
    onGiven(read.values);
  };
  return (
    <div class="fields" ref={box}>
      {fields.map((field) => (
        <Field
          key={field.name}
          id={`${id}-${field.name}`}
          field={field}
          wrong={wrongs.get(field.name)}
          onEnter={give}
          onInput={() => setWrongs(without(wrongs, field.name))}
        />
      ))}
      <p>
        <button
          type="button"
          class={main ? "btn main" : "btn"}
          aria-disabled={busy}
          onClick={give}
          data-testid="run"
        >
          {busy ? acting : act}
        </button>
      </p>
    </div>
  );
}

interface FieldProps {
  id: string;
  field: FieldVm;
  wrong: string | undefined;
  onEnter: () => void;
  onInput: () => void;
}

function Field({ id, field, wrong, onEnter, onInput }: FieldProps): JSX.Element {
  const hint = hintWords(field);
  const below = wrong ?? hint;
  const common = {
    id,
    "data-field": field.name,
    "aria-invalid": wrong !== undefined,
    "aria-required": field.required && field.kind !== "flag",
    "aria-describedby": below ? `${id}-hint` : undefined,
    onInput,
  };
  const label = field.label || field.name;
  return (
    <div class={field.kind === "flag" ? "field tick" : "field"}>
      {field.kind === "flag" ? <input {...common} type="checkbox" /> : null}
      <label for={id}>{label}</label>
      {field.kind === "flag" ? null : <Input field={field} common={common} onEnter={onEnter} />}
      {below ? (
        <small id={`${id}-hint`} class={wrong ? "wrong" : "muted"}>
          {below}
        </small>
      ) : null}
    </div>
  );
}

interface InputProps {
  field: FieldVm;
  common: object;
  onEnter: () => void;
}

function Input({ field, common, onEnter }: InputProps): JSX.Element {
  const plain = { ...common, autocomplete: "off", spellcheck: false } as const;
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || event.isComposing) return;
    // Else the same stroke would press the button that gets the focus: the nearer answer of a question.
    event.preventDefault();
    onEnter();
  };
  switch (field.kind) {
    case "text":
      return <textarea {...plain} rows={4} />;
    case "secret":
      return <input {...plain} type="password" onKeyDown={onKeyDown} />;
    case "number":
      return <input {...plain} inputMode="numeric" onKeyDown={onKeyDown} />;
    case "choice":
      return (
        <select {...common}>
          <option value="">{field.required ? "choose" : "–"}</option>
          {field.choices.map((choice) => (
            <option key={choice} value={choice}>
              {choice}
            </option>
          ))}
        </select>
      );
    default:
      return <input {...plain} onKeyDown={onKeyDown} />;
  }
}

/** What is being mended is not wrong any more. */
const without = (wrongs: Wrongs, name: string): Wrongs =>
  wrongs.has(name) ? new Map([...wrongs].filter(([other]) => other !== name)) : wrongs;

type AnyInput = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

const inputsOf = (box: HTMLElement | null): AnyInput[] => [
  ...(box?.querySelectorAll<AnyInput>("[data-field]") ?? []),
];

const nameOf = (input: AnyInput): string => input.dataset.field ?? "";

const filledIn = (inputs: readonly AnyInput[]): Filled =>
  new Map(
    inputs.map((input) => [
      nameOf(input),
      input instanceof HTMLInputElement && input.type === "checkbox" ? input.checked : input.value,
    ]),
  );
