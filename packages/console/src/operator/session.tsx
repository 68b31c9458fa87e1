// The session on the gateway: who it is, what was proven, how long it lasts, and how it ends.

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Trouble } from "../denial";
import { clock, count } from "../format";
import { Fact } from "../ui/fact";
import { Broken } from "../ui/notice";
import { now } from "../ui/now";
import type { Values } from "./fields";
import { FieldsForm } from "./form";
import { kindOf } from "./kinds";
import { NextStep } from "./signin";
import { answerRenewal, giveUpRenewal, health, leave, loadCaps, loadHealth, operator, renew } from "./store";
import type { FieldVm, GatewayVm, SessionVm } from "./wire";
import { healthWords, leftWords, renewalWords, strengthWords } from "./words";

/** A pulse is enough: an end of the connection is told at once. */
const PULSE_MS = 30_000;

interface Props {
  session: SessionVm;
  gateway: GatewayVm;
}

export function SessionFacts({ session, gateway }: Props): JSX.Element {
  const [asking, setAsking] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  // What waits is shown, in a tab that comes later too; and what became of it stays.
  const waits = session.renewal !== null;
  useEffect(() => {
    if (waits) setAsking(true);
  }, [waits]);
  const done = (): void => {
    setAsking(false);
    // What had the focus is gone.
    button.current?.focus();
  };
  const owner = operator.value?.owner;
  const caps = operator.value?.caps.length ?? 0;
  const { noMoreTime } = kindOf(gateway.kind);
  return (
    <div data-testid="gateway-session">
      <dl class="facts told">
        <Fact name="Signed in as">{session.principalLabel}</Fact>
        <Fact name="Profile">{session.profile}</Fact>
        <Fact name="Proven">{strengthWords(session.authStrength)}</Fact>
        <Fact name="Since">{owner?.since ? clock(owner.since) : "–"}</Fact>
        <Fact name="Time left">{leftWords(session.expiresAt, now.value)}</Fact>
        <Fact name="May use">{count(caps, "capability", "capabilities")}</Fact>
      </dl>
      <p class="row acts">
        <button type="button" class="btn bad" onClick={() => void leave()} data-testid="leave">
          Sign out of the gateway
        </button>
        {session.expiresAt && !noMoreTime ? (
          <button
            type="button"
            class="btn"
            ref={button}
            aria-expanded={asking}
            aria-disabled={waits}
            onClick={() => setAsking(waits || !asking)}
            data-testid="more-time"
          >
            More time
          </button>
        ) : null}
        <button type="button" class="btn" onClick={() => void loadCaps()}>
          List again
        </button>
      </p>
      {session.expiresAt && noMoreTime ? (
        <p class="row muted" data-testid="no-more-time">
          {noMoreTime}
        </p>
      ) : null}
      {asking ? <MoreTime session={session} done={done} /> : null}
    </div>
  );
}

const MINUTES_MOST = 720;

const TIME: FieldVm = {
  name: "minutes",
  label: "Minutes from now",
  kind: "number",
  required: true,
  least: 1,
  most: MINUTES_MOST,
  choices: [],
};

const PASSWORD: FieldVm = {
  name: "proof",
  label: "Your password, again",
  kind: "secret",
  required: true,
  least: null,
  most: 2_048,
  choices: [],
};

/** Who signed in otherwise has no password to give: what the gateway asks instead comes as a step. */
function MoreTime({ session, done }: { session: SessionVm; done: () => void }): JSX.Element {
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<Trouble | null>(null);
  const byPassword = session.authStrength === "password";
  const box = useRef<HTMLDivElement>(null);
  const waits = session.renewal !== null;
  const waited = useRef(waits);
  // A step that is over takes the focus with it.
  useEffect(() => {
    const lost = waited.current && !waits && document.activeElement === document.body;
    if (lost) box.current?.querySelector<HTMLElement>("[data-field]")?.focus();
    waited.current = waits;
  }, [waits]);
  const ask = async (asked: Promise<Trouble | null>): Promise<void> => {
    setBusy(true);
    const trouble = await asked;
    setBusy(false);
    setRefused(trouble);
    if (!trouble && !operator.value?.session?.renewal) done();
  };
  const begin = ({ minutes, proof }: Values): Promise<void> =>
    ask(renew(Number(minutes) * 60, typeof proof === "string" ? proof : ""));
  return (
    <div class="row" ref={box} data-testid="ask-more-time">
      <p class="muted">{renewalWords(session.authStrength)}It may give less time than you ask for.</p>
      {session.renewal ? (
        <NextStep
          id="renewal"
          step={session.renewal}
          busy={busy}
          onAnswer={(values) => void ask(answerRenewal(values))}
          onGiveUp={() => void giveUpRenewal().then(done)}
        />
      ) : (
        <FieldsForm
          id="more-time"
          fields={byPassword ? [TIME, PASSWORD] : [TIME]}
          act="Ask for more time"
          acting="Asking …"
          busy={busy}
          main
          onGiven={(values) => void begin(values)}
        />
      )}
      {refused ? <Broken trouble={refused} /> : null}
    </div>
  );
}

/** How the gateway is: asked while somebody looks, and on request. */
export function Health(): JSX.Element {
  useEffect(() => {
    const pulse = (): void => {
      if (document.visibilityState === "visible") void loadHealth();
    };
    pulse();
    const timer = setInterval(pulse, PULSE_MS);
    return () => clearInterval(timer);
  }, []);
  const { word, tone } = healthWords(health.value);
  return (
    <button
      type="button"
      class={`${tone} n`}
      title="Ask it now"
      onClick={() => void loadHealth()}
      data-testid="health"
      data-health={health.value?.state ?? ""}
    >
      <span class="dot" />
      {word}
    </button>
  );
}
