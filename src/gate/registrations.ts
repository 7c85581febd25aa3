import type { RegistrationState } from '../protocol/state.ts';

/** The enrolled devices of an account that have a device session, as far as gates are told of them. */
export interface Registrations {
  /** By the thumbprint of its key. */
  find(thumbprint: string): RegistrationState | null;
  get(id: string): RegistrationState | null;
  /** The newest state of one; null: it has no device session, or is gone. */
  put(id: string, state: RegistrationState | null): void;
  /** Forgets those whose device session has run out. */
  sweep(now: number): void;
}

export function createRegistrations(): Registrations {
  const byId = new Map<string, RegistrationState>();
  const byThumbprint = new Map<string, RegistrationState>();

  const drop = (id: string) => {
    const known = byId.get(id);
    if (!known) return;
    byId.delete(id);
    // Its key may be another registration's by now: one that was deleted is enrolled anew with a new id.
    if (byThumbprint.get(known.thumbprint) === known) byThumbprint.delete(known.thumbprint);
  };

  return {
    find: (thumbprint) => byThumbprint.get(thumbprint) ?? null,
    get: (id) => byId.get(id) ?? null,
    put: (id, state) => {
      drop(id);
      if (state === null) return;
      byId.set(id, state);
      byThumbprint.set(state.thumbprint, state);
    },
    sweep: (now) => {
      for (const { id, session_ends_at: end } of byId.values()) if (!(now < end)) drop(id);
    },
  };
}
