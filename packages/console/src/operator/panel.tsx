// Operator: one session on one gateway, held by doorward. The browser sees names, forms and results, and never
// anything that would be good for something elsewhere.

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { clock, span } from "../format";
import { Broken, Empty } from "../ui/notice";
import { now } from "../ui/now";
import { question } from "./calls";
import { Cap } from "./caps";
import { Confirm } from "./confirm";
import { kindOf } from "./kinds";
import { Launchers, Services } from "./services";
import { Health, SessionFacts } from "./session";
import { NextStep, SignIn } from "./signin";
import {
  choose,
  ended,
  giveUp,
  loadOperator,
  loadRows,
  operator,
  refused,
  signIn,
  signingIn,
  trouble,
} from "./store";
import { Decisions, Transcript } from "./transcript";
import type { ChoiceVm, GatewayVm, OwnerVm, StateVm } from "./wire";

export function OperatorPanel(): JSX.Element {
  useEffect(() => {
    void loadOperator();
    void loadRows();
  }, []);
  const state = operator.value;
  if (trouble.value && !state) return <Broken trouble={trouble.value} retry={() => void loadOperator()} />;
  if (!state) return <div class="bone big" aria-hidden="true" />;
  if (!state.gateway) {
    return (
      <Empty command="doorward serve --demo">
        No gateway is configured. Name one under [[gateway]] in doorward.toml to sign in to it here; the demo
        brings one along, in which demo is both account and password.
      </Empty>
    );
  }
  const { session } = state;
  const kind = kindOf(state.gateway.kind);
  return (
    <div class="operator">
      <div class="stack">
        <Gateway state={state} gateway={state.gateway} />
        {session ? (
          <>
            {state.caps.map((cap) => (
              <Cap key={cap.ref} cap={cap} session={session} />
            ))}
            {kind.services ? <Services /> : null}
            {kind.launches ? <Launchers /> : null}
          </>
        ) : null}
      </div>
      <aside class="stack" aria-label="What happened">
        <Transcript />
        {session ? <Decisions /> : null}
      </aside>
      <Confirm />
    </div>
  );
}

function Gateway({ state, gateway }: { state: StateVm; gateway: GatewayVm }): JSX.Element {
  const title = useRef<HTMLHeadingElement>(null);
  const inside = state.session !== null;
  const was = useRef(inside);
  // The form that had the focus is gone then.
  useEffect(() => {
    if (was.current !== inside) title.current?.focus();
    was.current = inside;
  }, [inside]);
  const { word, tone } = ownerWords(state.owner);
  return (
    <section class="card" aria-labelledby="gateway" data-testid="gateway" data-owner={state.owner.state}>
      <header>
        <h2 id="gateway" ref={title} tabIndex={-1}>
          <span class="told">{gateway.name}</span> <span class="muted">{gateway.kind}</span>
        </h2>
        <span class={tone}>{word}</span>
        {inside ? <Health /> : null}
      </header>
      {state.gateways.length > 1 ? <Choices state={state} gateway={gateway} /> : null}
      {ended.value && !inside ? <Ended why={ended.value} /> : null}
      <Held state={state} gateway={gateway} />
      {refused.value && !inside ? <Broken trouble={refused.value} /> : null}
    </section>
  );
}

function Held({ state, gateway }: { state: StateVm; gateway: GatewayVm }): JSX.Element {
  if (state.session) return <SessionFacts session={state.session} gateway={gateway} />;
  if (state.owner.state === "inUse") return <InUse owner={state.owner} />;
  if (state.step) {
    return (
      <NextStep
        id="step"
        step={state.step}
        busy={signingIn.value}
        onAnswer={(values) => void signIn("step", values)}
        onGiveUp={() => void giveUp()}
      />
    );
  }
  return <SignIn key={gateway.name} gateway={gateway} />;
}

function Ended({ why }: { why: string }): JSX.Element {
  return (
    <div class="notice bad" role="status" data-testid="ended">
      <p>
        <strong>The session on the gateway is over</strong>: {why}.
      </p>
      <p>Sign in again to go on. Nothing of it is left here but the transcript.</p>
    </div>
  );
}

function InUse({ owner }: { owner: OwnerVm }): JSX.Element {
  const since = owner.since;
  return (
    <div class="notice" role="status" data-testid="in-use">
      <p>
        <strong>Another browser has the gateway</strong>
        {since ? (
          <>
            {" "}
            since <time dateTime={since}>{clock(since)}</time>, for {span(now.value - Date.parse(since))}
          </>
        ) : null}
        .
      </p>
      <p>Only one has it at a time. It is free once that one signs out of it, or its session ends.</p>
    </div>
  );
}

/** Turning away from a gateway ends the session on it, so that is asked about first. */
function Choices({ state, gateway }: { state: StateVm; gateway: GatewayVm }): JSX.Element {
  const turn = ({ name }: ChoiceVm): void => {
    if (name === gateway.name) return;
    if (state.owner.state !== "mine") {
      void choose(name);
      return;
    }
    question.value = {
      title: `Turn to ${name}?`,
      text: `You are signed out of ${gateway.name} first.`,
      warning: "",
      yes: "Sign out and turn",
      act: () => void choose(name),
    };
  };
  return (
    <div class="row">
      <div class="ways" role="group" aria-label="Gateways">
        {state.gateways.map((choice) => (
          <button
            key={choice.name}
            type="button"
            class="btn"
            aria-pressed={choice.name === gateway.name}
            disabled={state.owner.state === "inUse"}
            onClick={() => turn(choice)}
            data-gateway={choice.name}
          >
            {choice.name} <span class="muted">{choice.kind}</span>
          </button>
        ))}
      </div>
    </div>
  );
}

function ownerWords(owner: OwnerVm): { word: string; tone: string } {
  switch (owner.state) {
    case "free":
      return { word: "not signed in", tone: "chip" };
    case "trying":
      return { word: "signing in", tone: "chip b" };
    case "mine":
      return { word: "signed in", tone: "chip g" };
    case "inUse":
      return { word: "in use elsewhere", tone: "chip r" };
  }
}
