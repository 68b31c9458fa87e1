// What cannot be undone is asked about once, over everything else. Keeping things as they are is the nearer answer.

import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { type Question, question } from "./calls";

export function Confirm(): JSX.Element | null {
  const asked = question.value;
  return asked ? <Ask asked={asked} /> : null;
}

function Ask({ asked }: { asked: Question }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const keep = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => {
    const box = dialog.current;
    const focused = document.activeElement;
    box?.showModal();
    keep.current?.focus();
    return () => {
      box?.close();
      if (focused instanceof HTMLElement) focused.focus();
    };
  }, []);
  const answer = (yes: boolean): void => {
    question.value = null;
    if (yes) asked.act();
  };
  return (
    <dialog
      ref={dialog}
      class="confirm"
      role="alertdialog"
      aria-labelledby="confirm-title"
      aria-describedby="confirm-text"
      data-testid="confirm"
      onCancel={(event) => {
        event.preventDefault();
        answer(false);
      }}
    >
      <h2 id="confirm-title">{asked.title}</h2>
      <p id="confirm-text">
        <span class="told">{asked.text}</span> {asked.warning}
      </p>
      <p class="acts">
        <button type="button" class="btn" ref={keep} onClick={() => answer(false)} data-testid="keep">
          Leave it
        </button>
        <button type="button" class="btn bad" onClick={() => answer(true)} data-testid="confirm-yes">
          {asked.yes}
        </button>
      </p>
    </dialog>
  );
}
