import { isDeepStrictEqual } from 'node:util';
import type { CertificateIdentity, Identity } from '../policy/rules.ts';
import type { ServiceTokenState, SessionState } from '../protocol/state.ts';
import type { RuleMemory } from './rule-memory.ts';

/** Who was found behind a request. */
export type Visitor =
  | {
      readonly kind: 'user';
      readonly session: SessionState;
      /** The device of theirs that the request was proven to come from, by its registration's id. */
      readonly registrationId?: string;
    }
  | { readonly kind: 'service'; readonly serviceToken: ServiceTokenState }
  | CertificateVisitor
  | Anyone;

/** Whoever has nothing but a client certificate. */
export interface CertificateVisitor {
  readonly kind: 'certificate';
  /** Always the same object for the same certificate. */
  readonly identity: CertificateIdentity;
  readonly commonName: string | null;
  /** Id of the Access certificate that stands for it. */
  readonly authorityId: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** Whoever comes where policies ask nobody who they are. */
export interface Anyone {
  readonly kind: 'anyone';
}

export const ANYONE: Anyone = Object.freeze({ kind: 'anyone' });

/** What policies are evaluated on; always the same object for the same visitor. */
export function identityOf(rules: RuleMemory, visitor: Visitor): Identity {
  switch (visitor.kind) {
    case 'user':
      return rules.personOf(visitor.session);
    case 'service':
      return rules.serviceOf(visitor.serviceToken);
    case 'certificate':
      return visitor.identity;
    case 'anyone':
      return rules.nobody;
  }
}

/** Whether policies are evaluated on the same of both, so that what somebody else said of one holds for the other. */
export function isSameIdentity(rules: RuleMemory, one: Visitor, other: Visitor): boolean {
  const [first, second] = [identityOf(rules, one), identityOf(rules, other)];
  return first === second || isDeepStrictEqual(first, second);
}
