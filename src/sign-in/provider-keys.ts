import { createLocalJWKSet, errors, type JSONWebKeySet } from 'jose';
import { createBoundedMap } from '../kernel/bounded-map.ts';
import { type Clock, MINUTE, SECOND } from '../kernel/clock.ts';
import type { OutboundRequest } from '../kernel/outbound.ts';

export type KeySet = ReturnType<typeof createLocalJWKSet>;
type Fetch = (url: string, request?: OutboundRequest) => Promise<Response>;

/** The keys cannot be read just now. */
export class KeysUnavailable extends Error {}

/** The published keys of providers, for whoever is sent something that a provider signed. */
export interface ProviderKeys {
  /**
   * Does it with the keys that are at hand, and once more with newer ones if these do not fit. Throws KeysUnavailable
   * if there are none.
   */
  with<T>(url: string, work: (keys: KeySet) => Promise<T>): Promise<T>;
}

const FRESH_FOR = 5 * MINUTE;

/** Between two questions to one provider: whoever sends garbage does not make us call out each time. */
const PAUSE = 30 * SECOND;
const MOST_PROVIDERS = 200;

interface Held {
  readonly triedAt: number;
  readonly keys: Promise<KeySet | null>;
}

export function createProviderKeys({ clock, fetch }: { clock: Clock; fetch: Fetch }): ProviderKeys {
  const held = createBoundedMap<string, Held>(MOST_PROVIDERS);

  const isWithin = (at: number, span: number) => Math.abs(clock.now() - at) < span;

  const ask = (url: string): Held => {
    const keys = readKeys(fetch, url).catch(() => null);
    const asked = { triedAt: clock.now(), keys };
    held.set(url, asked);
    return asked;
  };

  /** Those at hand unless they are older than this; asks no more often than the pause allows. */
  const keysOf = async (url: string, freshFor: number): Promise<{ keys: KeySet; at: number }> => {
    const known = held.get(url);
    let used = known && isWithin(known.triedAt, freshFor) ? known : ask(url);
    let keys = await used.keys;
    if (!keys && !isWithin(used.triedAt, PAUSE)) {
      // Somebody else may have asked again meanwhile.
      const newest = held.get(url);
      used = newest && newest !== used ? newest : ask(url);
      keys = await used.keys;
    }
    if (!keys) throw new KeysUnavailable(`no keys at ${new URL(url).origin}`);
    return { keys, at: used.triedAt };
  };

  return {
    async with(url, work) {
      const first = await keysOf(url, FRESH_FOR);
      try {
        return await work(first.keys);
      } catch (error) {
        const mayBeOther =
          error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWSSignatureVerificationFailed;
        if (!mayBeOther || isWithin(first.at, PAUSE)) throw error;
        return await work((await keysOf(url, PAUSE)).keys);
      }
    },
  };
}

async function readKeys(fetch: Fetch, url: string): Promise<KeySet> {
  const answer = await fetch(url, { headers: { accept: 'application/json' } });
  if (answer.status !== 200) throw new KeysUnavailable(`status ${answer.status}`);
  return createLocalJWKSet((await answer.json()) as JSONWebKeySet);
}
