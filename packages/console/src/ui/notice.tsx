// The two sentences a panel may need: what would appear here, and what went wrong.

import type { ComponentChildren, JSX } from "preact";
import type { Trouble } from "../denial";

interface EmptyProps {
  children: ComponentChildren;
  command?: string;
}

export function Empty({ children, command }: EmptyProps): JSX.Element {
  return (
    <div class="notice" data-testid="empty">
      <p>{children}</p>
      {command ? (
        <p>
          <code>{command}</code>
        </p>
      ) : null}
    </div>
  );
}

interface BrokenProps {
  trouble: Trouble;
  retry?: () => void;
  children?: ComponentChildren;
}

export function Broken({ trouble, retry, children }: BrokenProps): JSX.Element {
  return (
    <div class="notice bad" role="alert" data-testid="trouble">
      <p>
        <strong>{trouble.what}.</strong> {trouble.why}.
      </p>
      <p>
        {trouble.advice} {trouble.command ? <code>{trouble.command}</code> : null}
      </p>
      {retry || children ? (
        <p class="acts">
          {retry ? (
            <button type="button" class="btn" onClick={retry}>
              Try again
            </button>
          ) : null}
          {children}
        </p>
      ) : null}
    </div>
  );
}
