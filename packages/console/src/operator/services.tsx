// What the gateway runs, and what it can be asked to launch: probed first, then launched with the grants that were
// chosen for it.

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Trouble } from "../denial";
import { Broken } from "../ui/notice";
import { launch, launchers, launches, loadLaunchers, loadServices, probe, services } from "./calls";
import type { LauncherVm, LaunchVm, ServiceVm } from "./wire";
import { launchWords } from "./words";

export function Services(): JSX.Element {
  useEffect(() => {
    if (!services.value) void loadServices();
  }, [services.value]);
  const listed = services.value;
  return (
    <section class="card" aria-labelledby="services" data-testid="services">
      <header>
        <h2 id="services">Services</h2>
        <button type="button" class="link calm n" onClick={() => void loadServices()}>
          List again
        </button>
      </header>
      {listed?.trouble ? <Untold trouble={listed.trouble} /> : null}
      {listed?.result?.length === 0 ? <p class="row muted">The gateway tells of none.</p> : null}
      <ul>
        {listed?.result?.map((service) => (
          <ServiceRow key={service.label} service={service} />
        ))}
      </ul>
    </section>
  );
}

/** A list that did not come is no alarm: what is there works without it. */
function Untold({ trouble }: { trouble: Trouble }): JSX.Element {
  return (
    <p class="row muted" data-testid="untold">
      {trouble.what}. {trouble.why}. {trouble.advice}
    </p>
  );
}

function ServiceRow({ service }: { service: ServiceVm }): JSX.Element {
  return (
    <li class="row told" data-testid="service">
      <div class="a">
        <b>{service.label}</b>
        <span class="chip">{service.status}</span>
        {service.ref ? (
          <button type="button" class="link calm" onClick={() => show(service.ref)}>
            Use
          </button>
        ) : null}
      </div>
      <span class="muted">{service.summary}</span>
    </li>
  );
}

function show(ref: string | null): void {
  const title = document.getElementById(`cap-${ref}`);
  title?.scrollIntoView({ block: "start" });
  title?.focus({ preventScroll: true });
}

export function Launchers(): JSX.Element {
  useEffect(() => {
    if (!launchers.value) void loadLaunchers();
  }, [launchers.value]);
  const listed = launchers.value;
  return (
    <section class="card" aria-labelledby="launchers" data-testid="launchers">
      <header>
        <h2 id="launchers">Launch</h2>
        <button type="button" class="link calm n" onClick={() => void loadLaunchers()}>
          List again
        </button>
      </header>
      {listed?.trouble ? <Untold trouble={listed.trouble} /> : null}
      {listed?.result?.length === 0 ? (
        <p class="row muted">The gateway launches nothing for this session.</p>
      ) : null}
      <ul>
        {listed?.result?.map((launcher) => (
          <LauncherRow key={launcher.profile} launcher={launcher} />
        ))}
      </ul>
    </section>
  );
}

function LauncherRow({ launcher }: { launcher: LauncherVm }): JSX.Element {
  const answered = launches.value.get(launcher.profile);
  const busy = answered?.busy ?? false;
  const told = answered?.result ?? null;
  const { profile, label, summary } = launcher;
  return (
    <li class="row told" data-testid="launcher" data-profile={profile}>
      <div class="a">
        <b>{label}</b>
        {label === profile ? null : <code>{profile}</code>}
        {told ? null : <Status of={launcher} />}
        <button
          type="button"
          class="btn"
          aria-disabled={busy}
          aria-label={`Probe ${label}`}
          onClick={() => void probe(launcher)}
          data-testid="probe"
        >
          {busy ? "Asking …" : "Probe"}
        </button>
      </div>
      {summary === profile ? null : <span class="muted">{summary}</span>}
      {answered?.trouble ? <Broken trouble={answered.trouble} /> : null}
      {told ? <Told told={told} /> : null}
      {told?.supported ? <Grants launcher={launcher} busy={busy} /> : null}
    </li>
  );
}

function Status({ of }: { of: LauncherVm | LaunchVm }): JSX.Element {
  const { word, tone } = launchWords(of);
  return <span class={tone}>{word}</span>;
}

function Told({ told }: { told: LaunchVm }): JSX.Element {
  return (
    <p role="status" data-testid="launch-told">
      <Status of={told} /> {told.message}
      {told.grants.length > 0 ? <span class="muted"> It was given {told.grants.join(", ")}.</span> : null}
    </p>
  );
}

/** What it cannot run without is given; the rest is the person's choice. */
function Grants({ launcher, busy }: { launcher: LauncherVm; busy: boolean }): JSX.Element {
  const [given, setGiven] = useState<ReadonlySet<string>>(new Set());
  const set = (name: string, on: boolean): void => {
    const next = new Set(given);
    if (on) next.add(name);
    else next.delete(name);
    setGiven(next);
  };
  const names = launcher.grants
    .filter(({ name, required }) => required || given.has(name))
    .map(({ name }) => name);
  return (
    <div class="fields">
      {launcher.grants.length > 0 ? (
        <fieldset>
          <legend>It is given</legend>
          {launcher.grants.map(({ name, label, required }) => (
            <label class="tick" key={name}>
              <input
                type="checkbox"
                checked={required || given.has(name)}
                disabled={required}
                onChange={(event) => set(name, event.currentTarget.checked)}
              />{" "}
              {label || name}
              {required ? <span class="muted"> needed</span> : null}
            </label>
          ))}
        </fieldset>
      ) : null}
      <p>
        <button
          type="button"
          class="btn main"
          aria-disabled={busy}
          aria-label={`Launch ${launcher.label}`}
          onClick={() => busy || void launch(launcher, names)}
          data-testid="launch"
        >
          Launch
        </button>
      </p>
    </div>
  );
}
