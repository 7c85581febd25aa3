import { identitySubject, type Subject } from '../protocol/feed.ts';
import { type Fingerprints, fingerprintsOf } from '../protocol/revocation-table.ts';
import type { ApplicationState, RegistrationState, SessionState } from '../protocol/state.ts';

/** Subjects of a session's lineage: a revocation of any of them that is newer than its `rev` ends it. */
export function lineageOf(accountId: string, session: SessionState): Subject[] {
  return [
    { type: 'account', id: accountId },
    { type: 'user', id: session.user_id },
    { type: 'email', id: session.email },
    identitySubject(session),
    { type: 'session', id: session.nonce },
    { type: 'provider', id: session.provider_id },
  ];
}

/** The same, as they are looked up; made once for each state and forgotten with it. */
export interface Lineages {
  ofSession(session: SessionState): Fingerprints;
  ofApplication(application: ApplicationState): Fingerprints;
  /** A registration falls with itself and its account: what ends a person's sessions leaves them their devices. */
  ofRegistration(registration: RegistrationState): Fingerprints;
}

export function createLineages(accountId: string): Lineages {
  const sessions = new WeakMap<SessionState, Fingerprints>();
  const applications = new WeakMap<ApplicationState, Fingerprints>();
  const registrations = new WeakMap<RegistrationState, Fingerprints>();
  return {
    ofSession: (session) => once(sessions, session, () => lineageOf(accountId, session)),
    ofRegistration: (one) =>
      once(registrations, one, () => [
        { type: 'account', id: accountId },
        { type: 'registration', id: one.id },
      ]),
    ofApplication: (one) => once(applications, one, () => [{ type: 'application', id: one.id }]),
  };
}

function once<T extends object>(known: WeakMap<T, Fingerprints>, of: T, subjects: () => Subject[]) {
  const found = known.get(of);
  if (found) return found;
  const prints = fingerprintsOf(subjects());
  known.set(of, prints);
  return prints;
}
