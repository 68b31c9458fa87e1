import { signal } from "@preact/signals";
import { type Trouble, troubleOf } from "../denial";
import { door, onEvent } from "../house";
import type { AuditEvent, Listener } from "../wire";
import { refusedAlso } from "./words";

export const listeners = signal<Listener[] | null>(null);
export const trouble = signal<Trouble | null>(null);

export async function loadDoors(): Promise<void> {
  try {
    listeners.value = (await door.read<{ listeners: Listener[] }>("/api/routes")).listeners;
    trouble.value = null;
  } catch (cause) {
    trouble.value = troubleOf(cause, "The doors could not be listed");
  }
}

onEvent((event, data) => {
  if (event === "resync") void loadDoors();
  if (event !== "audit" || !listeners.value) return;
  const decision = data.event as AuditEvent;
  if (decision.outcome !== "refused" || decision.denial === null || decision.surface === null) return;
  const { denial, count } = decision;
  listeners.value = listeners.value.map((listener) => ({
    ...listener,
    surfaces: listener.surfaces.map((surface) =>
      surface.name === decision.surface
        ? { ...surface, refused: refusedAlso(surface.refused, denial, count) }
        : surface,
    ),
  }));
});
