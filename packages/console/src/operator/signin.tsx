// Signing in to a gateway, in one step or several. Nothing is filled in beforehand: who reads over a shoulder learns
// no account's name.

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { say } from "../house";
import { copyText } from "../ui/copy";
import type { Values } from "./fields";
import { FieldsForm } from "./form";
import { kindOf } from "./kinds";
import { operator, refused, signIn, signingIn } from "./store";
import type { AuthKind, AuthMethodVm, FieldVm, GatewayVm, StepVm } from "./wire";

const ROUTES: Readonly<Record<AuthKind, string>> = {
  password: "password",
  publicKey: "publickey",
  guest: "guest",
  anonymous: "anonymous",
};

const HINTS: Readonly<Record<Exclude<AuthKind, "publicKey">, string>> = {
  password: "The password goes to the gateway and is kept nowhere here.",
  guest: "Without an account, with what the gateway allows guests.",
  anonymous: "As nobody in particular, with what the gateway allows everybody.",
};

const ACCOUNT_BYTES = 256;
const PROOF_BYTES = 2_048;

export function SignIn({ gateway }: { gateway: GatewayVm }): JSX.Element {
  const offered = gateway.methods.filter((method) => method.enabled);
  const [picked, setPicked] = useState<AuthKind | null>(null);
  const method = offered.find((one) => one.kind === picked) ?? offered[0];
  const elsewhere = operator.value?.owner.state === "trying" && !signingIn.value;
  if (!method) {
    return <p class="row muted">The gateway offers no way to sign in that this console knows.</p>;
  }
  return (
    <div class="row signin" data-testid="sign-in">
      <div class="ways" role="group" aria-label="How to sign in">
        {gateway.methods.map((one) => (
          <button
            key={one.kind}
            type="button"
            class="btn"
            aria-pressed={one.kind === method.kind}
            disabled={!one.enabled}
            title={one.enabled ? undefined : "The gateway does not offer this"}
            onClick={() => {
              setPicked(one.kind);
              refused.value = null;
            }}
            data-way={one.kind}
          >
            {one.label || one.kind}
          </button>
        ))}
      </div>
      <p class="muted">{method.kind === "publicKey" ? kindOf(gateway.kind).key : HINTS[method.kind]}</p>
      <FieldsForm
        key={method.kind}
        id={`sign-in-${method.kind}`}
        fields={fieldsOf(gateway, method)}
        act="Sign in"
        acting="Signing in …"
        busy={signingIn.value}
        main
        onGiven={(values) => void signIn(ROUTES[method.kind], values)}
      />
      {elsewhere ? (
        <p class="muted" role="status">
          Another tab of this browser is signing in.
        </p>
      ) : null}
    </div>
  );
}

function fieldsOf(gateway: GatewayVm, method: AuthMethodVm): FieldVm[] {
  const { account, profiles } = kindOf(gateway.kind);
  const blank = { required: true, least: null, most: ACCOUNT_BYTES, choices: [] };
  const fields: FieldVm[] = [];
  if (method.kind === "password" || method.kind === "publicKey") {
    fields.push({ ...blank, name: "account", label: account, kind: "line" });
  }
  if (method.kind === "password") {
    fields.push({ ...blank, name: "password", label: "Password", kind: "secret", most: PROOF_BYTES });
  }
  if (profiles) {
    const choices = method.profiles;
    const kind = choices.length > 0 ? "choice" : "line";
    fields.push({ ...blank, name: "profile", label: "Profile", kind, required: false, choices });
  }
  return fields;
}

interface StepProps {
  /** Starts the ids of the inputs. */
  id: string;
  step: StepVm;
  busy: boolean;
  onAnswer: (values: Values) => void;
  onGiveUp: () => void;
}

/** A step of signing in, or of asking for more time. */
export function NextStep({ id, step, busy, onAnswer, onGiveUp }: StepProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  useEffect(
    () => box.current?.querySelector<HTMLElement>("[data-field]")?.focus(),
    [step.prompt, step.challenge],
  );
  const field: FieldVm = {
    name: "answer",
    label: step.challenge ? "Signature, in base64" : step.prompt || "Answer",
    kind: step.secret && !step.challenge ? "secret" : "line",
    required: true,
    least: null,
    most: PROOF_BYTES,
    choices: [],
  };
  return (
    <div class="row signin" ref={box} data-testid="step">
      {step.challenge ? <Challenge prompt={step.prompt} challenge={step.challenge} /> : null}
      <FieldsForm
        id={id}
        fields={[field]}
        act="Go on"
        acting="Asking …"
        busy={busy}
        main
        onGiven={onAnswer}
      />
      <p>
        <button type="button" class="link" onClick={onGiveUp} data-testid="give-up">
          Give up
        </button>
      </p>
    </div>
  );
}

/** What it takes to sign where the key is: with OpenSSL, as an example. */
function Challenge({ prompt, challenge }: { prompt: string; challenge: string }): JSX.Element {
  const copy = async (): Promise<void> => {
    const done = await copyText(challenge);
    say(done ? "Copied what is to be signed." : "The browser did not allow copying.", !done);
  };
  return (
    <>
      <p class="told">{prompt}</p>
      <p>
        <code class="told" data-testid="challenge">
          {challenge}
        </code>{" "}
        <button type="button" class="link calm" onClick={() => void copy()}>
          Copy
        </button>
      </p>
      <p class="muted">
        It is base64 of the bytes to sign. With them in a file:{" "}
        <code>openssl pkeyutl -sign -rawin -inkey KEY -in FILE | base64 -w0</code>
      </p>
    </>
  );
}
