import { type Asking, endOfWhence } from './decide.ts';
import type { Destination } from './state.ts';
import { ANYONE, type Anyone } from './visitor.ts';

/** A request that is let in whoever sent it. */
export interface Bypassed {
  readonly verdict: 'allow';
  readonly reason: 'policy_bypass';
  readonly visitor: Anyone;
  /** When it has to be over by itself, in milliseconds since the epoch. */
  readonly endsAt: number;
}

/**
 * Whether policies let anybody in from there, before any credential is looked at; null if it depends on who it is.
 * From memory alone, in one turn, and without asking anybody else. A deny outweighs it that is certain of everybody
 * who comes from there.
 */
export function bypass(
  { account: { rules }, application }: Destination,
  { surroundings }: Pick<Asking, 'surroundings'>,
): Bypassed | null {
  if (!rules.hasBypass(application)) return null;
  const identity = rules.nobody;
  const judged = rules.evaluate({ application, identity, surroundings, answers: null });
  if (judged.reason !== 'policy_bypass') return null;
  const endsAt = endOfWhence({ rules }, { application, identity }, { surroundings, answers: null });
  return { verdict: 'allow', reason: 'policy_bypass', visitor: ANYONE, endsAt };
}
