// A capability that is a chat: a channel, who is there, and what is said in it.

import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { clock } from "../format";
import { type Line, lineWords } from "./chat";
import type { Values } from "./fields";
import { FieldsForm } from "./form";
import { join, lines, look, part, send, talk, watch } from "./talk";
import type { CapVm, FieldVm } from "./wire";

export function ChatRoom({ cap }: { cap: CapVm }): JSX.Element {
  const now = talk.value;
  return now && now.ref === cap.ref ? <Channel cap={cap} /> : <Join cap={cap} />;
}

function Join({ cap }: { cap: CapVm }): JSX.Element {
  const [busy, setBusy] = useState(false);
  const go = async ({ channel, nickname }: Values): Promise<void> => {
    setBusy(true);
    await join(cap.ref, String(channel), String(nickname));
    setBusy(false);
  };
  return (
    <div class="row">
      <FieldsForm
        id={`join-${cap.ref}`}
        fields={fieldsOf(cap, "join")}
        act="Join"
        acting="Joining …"
        busy={busy}
        main
        onGiven={(values) => void go(values)}
      />
    </div>
  );
}

function Channel({ cap }: { cap: CapVm }): JSX.Element | null {
  const now = talk.value;
  useEffect(watch, []);
  if (!now) return null;
  const heard = lines.value.filter((line) => line.channel === now.channel);
  return (
    <div class="chat" data-testid="chat" data-channel={now.channel}>
      <div class="row">
        <div class="a">
          <b class="told">{now.channel}</b>
          <span class="muted told" data-testid="members">
            {now.members.length > 0 ? now.members.join(", ") : `as ${now.nickname}`}
          </span>
          <span class="acts">
            <button type="button" class="link calm" onClick={look}>
              Look now
            </button>
            <button type="button" class="link" onClick={() => void part()} data-testid="part">
              Leave
            </button>
          </span>
        </div>
      </div>
      <Said heard={heard} channel={now.channel} />
      <Say field={fieldsOf(cap, "send").find(({ name }) => name === "text")} id={`say-${cap.ref}`} />
    </div>
  );
}

function Said({ heard, channel }: { heard: readonly Line[]; channel: string }): JSX.Element {
  const end = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => end.current?.scrollTo({ top: end.current.scrollHeight }), [heard.at(-1)?.n]);
  return (
    <div
      class="said told scroll"
      ref={end}
      role="log"
      aria-label={`What is said in ${channel}`}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls is reached by keyboard.
      tabIndex={0}
    >
      {heard.length === 0 ? <p class="muted">Nothing yet since you joined.</p> : null}
      <ol>
        {heard.map((line) => (
          <li key={line.n} class={line.kind === "message" ? undefined : "muted"} data-testid="line">
            <time dateTime={line.at}>{clock(line.at, false)}</time>
            {line.kind === "message" ? <b>{line.sender}</b> : null}
            <span>{lineWords(line)}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}

function Say({ field, id }: { field: FieldVm | undefined; id: string }): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => input.current?.focus(), []);
  const go = async (): Promise<void> => {
    const text = input.current?.value ?? "";
    if (busy || text === "") return;
    setBusy(true);
    if ((await send(text)) && input.current) input.current.value = "";
    setBusy(false);
    input.current?.focus();
  };
  return (
    <div class="row say">
      <label for={id} class="hear">
        {field?.label || "Message"}
      </label>
      <input
        id={id}
        ref={input}
        placeholder={field?.label || "Message"}
        autocomplete="off"
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.isComposing) void go();
        }}
        data-testid="say"
      />
      <button type="button" class="btn main" aria-disabled={busy} onClick={() => void go()}>
        Send
      </button>
    </div>
  );
}

const fieldsOf = (cap: CapVm, name: string): readonly FieldVm[] =>
  cap.operations.find((operation) => operation.name === name)?.fields ?? [];
