// The source switcher, and the field that adds one. Dropping a bucket URL or a path on the page does the same.

import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { say, sources } from "../house";
import { formatRoute, go, mediaRoute, route } from "../router";
import { Bucket, Folder, Plus } from "../ui/icons";
import { addSource } from "./acts";

const adding = signal(false);

export function Sources(): JSX.Element {
  const here = route.value.panel === "media" ? route.value.source : null;
  return (
    <>
      <nav class="sources" aria-label="Sources" data-testid="sources">
        <ul>
          {(sources.value ?? []).map((source) => (
            <li key={source.id}>
              <a
                href={formatRoute(mediaRoute(source.id))}
                aria-current={source.id === here ? "true" : undefined}
                class={source.state === "failed" ? "failed" : undefined}
                title={source.location}
                data-source={source.id}
                data-state={source.state}
              >
                {source.kind === "folder" ? <Folder /> : <Bucket />}
                {source.name}
                {source.state === "failed" ? <span class="chip r">failed</span> : null}
              </a>
            </li>
          ))}
        </ul>
        <button
          type="button"
          class="btn quiet"
          aria-expanded={adding.value}
          onClick={() => {
            adding.value = !adding.value;
          }}
          data-testid="add-source"
        >
          <Plus /> Add source
        </button>
      </nav>
      {adding.value ? <AddForm /> : null}
    </>
  );
}

function AddForm(): JSX.Element {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  // Not a <form>: the console's policy has `form-action 'none'`, and Enter needs none.
  const add = async (): Promise<void> => {
    if (await admit(field.current?.value ?? "")) adding.value = false;
  };
  return (
    <div class="add">
      <label for="new-source">Bucket or folder</label>
      <input
        id="new-source"
        ref={field}
        placeholder="s3://bucket/prefix or /path/to/folder"
        spellcheck={false}
        autocomplete="off"
        onKeyDown={(event) => {
          if (event.key === "Enter") void add();
          if (event.key === "Escape") adding.value = false;
        }}
      />
      <button type="button" class="btn main" onClick={() => void add()}>
        Add
      </button>
    </div>
  );
}

async function admit(text: string): Promise<boolean> {
  const source = await addSource(text);
  if (source) go(mediaRoute(source.id));
  return source !== null;
}

/** True while something is dragged over the page. */
export const hovering = signal(false);

export function useDrop(): void {
  useEffect(() => {
    const over = (event: DragEvent): void => {
      event.preventDefault();
      hovering.value = true;
    };
    const leave = (event: DragEvent): void => {
      if (event.relatedTarget === null) hovering.value = false;
    };
    const drop = (event: DragEvent): void => {
      event.preventDefault();
      hovering.value = false;
      const data = event.dataTransfer;
      const text = data?.getData("text/uri-list") || data?.getData("text/plain") || "";
      if (text) void admit(text);
      else
        say("Browsers keep the path of a dropped file to themselves: paste its path into Add source.", true);
    };
    addEventListener("dragover", over);
    addEventListener("dragleave", leave);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", over);
      removeEventListener("dragleave", leave);
      removeEventListener("drop", drop);
    };
  }, []);
}
