// The session on the gateway: who it is, what was proven, how long it lasts, and how it ends.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { clock, count } from "../format";
import { Fact } from "../ui/fact";
import { now } from "../ui/now";
import type { Values } from "./fields";
import { FieldsForm } from "./form";
import { health, leave, loadCaps, loadHealth, operator, renew } from "./store";
import type { FieldVm, SessionVm } from "./wire";
import { healthWords, leftWords, strengthWords } from "./words";

/** A pulse is enough: an end of the connection is told at once. */
const PULSE_MS = 30_000;

export function SessionFacts({ session }: { session: SessionVm }): JSX.Element {
  const [asking, setAsking] = useState(false);
  const owner = operator.value?.owner;
  const caps = operator.value?.caps.length ?? 0;
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
        {session.expiresAt ? (
          <button
            type="button"
            class="btn"
            aria-expanded={asking}
            onClick={() => setAsking(!asking)}
            data-testid="more-time"
          >
            More time
          </button>
        ) : null}
        <button type="button" class="btn" onClick={() => void loadCaps()}>
          List again
        </button>
      </p>
      {asking ? <MoreTime done={() => setAsking(false)} /> : null}
    </div>
  );
}

const MINUTES_MOST = 720;

const TIME: FieldVm[] = [
  {
    name: "minutes",
    label: "Minutes",
    kind: "number",
    required: true,
    least: 1,
    most: MINUTES_MOST,
    choices: [],
  },
  {
    name: "proof",
    label: "Password, if the gateway asks for it again",
    kind: "secret",
    required: false,
    least: null,
    most: 2_048,
    choices: [],
  },
];

function MoreTime({ done }: { done: () => void }): JSX.Element {
  const [busy, setBusy] = useState(false);
  const ask = async ({ minutes, proof }: Values): Promise<void> => {
    setBusy(true);
    const given = await renew(Number(minutes) * 60, typeof proof === "string" ? proof : "");
    setBusy(false);
    if (given) done();
  };
  return (
    <div class="row">
      <FieldsForm
        id="more-time"
        fields={TIME}
        act="Ask for it"
        acting="Asking …"
        busy={busy}
        main
        onGiven={(values) => void ask(values)}
      />
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
