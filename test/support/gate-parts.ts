import type { Admissions } from '../../src/gate/admission.ts';
import { createAdmissions } from '../../src/gate/admission.ts';
import type { Assertions } from '../../src/gate/assertions.ts';
import type { Asking } from '../../src/gate/decide.ts';
import type { ExternalAnswers } from '../../src/gate/external-answers.ts';
import type { GateState } from '../../src/gate/state.ts';
import type { TokenVerifier } from '../../src/gate/verify.ts';
import type { Clock } from '../../src/kernel/clock.ts';
import type { SessionToken } from '../../src/protocol/claims.ts';
import { lockedLease } from '../../src/protocol/lease.ts';
import type { Rev } from '../../src/protocol/rev.ts';
import type { ApplicationState, OrganizationState } from '../../src/protocol/state.ts';

/** What a gate asks that takes time, each in the hand of a test. */
export interface SlowParts {
  readonly state: GateState;
  readonly clock: Clock;
  /** Checks the signature of whatever token. */
  readonly verify?: () => Promise<SessionToken | null>;
  /** Signs an assertion. */
  readonly sign?: () => Promise<string>;
  readonly externalAnswers?: ExternalAnswers;
  readonly catchUp?: (accountId: string) => Promise<void>;
  readonly onAhead?: (accountId: string, rev: Rev) => void;
}

/** Admissions over these parts, which remember what they were told as the real ones do. */
export function admissionsOver(parts: SlowParts): Admissions {
  const { state, clock, verify, sign, catchUp, onAhead, externalAnswers } = parts;
  return createAdmissions({
    state,
    clock,
    lease: lockedLease,
    verifier: verifierOver(verify ?? (async () => null)),
    assertions: assertionsOver(sign ?? (async () => 'assertion')),
    externalAnswers: externalAnswers ?? { recall: () => null, ask: async () => {} },
    catchUp: catchUp ?? (async () => {}),
    ...(onAhead ? { onAhead } : {}),
  });
}

function verifierOver(verify: () => Promise<SessionToken | null>): TokenVerifier {
  let known: SessionToken | null = null;
  return {
    recall: () => known,
    verify: async () => {
      known = await verify();
      return known;
    },
  };
}

function assertionsOver(sign: () => Promise<string>): Assertions {
  let known: string | null = null;
  return {
    recall: () => known,
    make: async () => {
      known = await sign();
    },
  };
}

/** An application on the whole of wiki.example that everyone may use. */
export function applicationState(parts: Partial<ApplicationState> = {}): ApplicationState {
  const everyone = {
    id: 'a',
    name: 'everyone',
    decision: 'allow' as const,
    precedence: 1,
    include: [{ everyone: {} }],
    exclude: [],
    require: [],
    session_duration: null,
  };
  return {
    id: 'wiki',
    aud: 'aud',
    name: 'Wiki',
    type: 'self_hosted',
    session_duration: null,
    destinations: [{ host: 'wiki.example', path: '', upstream: null }],
    policies: [everyone],
    allowed_idps: [],
    auto_redirect_to_identity: false,
    http_only_cookie: true,
    same_site_cookie: null,
    binding_cookie: false,
    service_token_header: null,
    strict_service_tokens: false,
    service_auth_401: false,
    allow_authenticate_via_warp: false,
    app_launcher_visible: true,
    logo_url: null,
    deny_message: null,
    deny_url: null,
    non_identity_deny_url: null,
    custom_pages: [],
    ...parts,
  };
}

/** A request from one address, with nothing else that policies ask about. */
export function asking(now: number, ip = '127.0.0.1'): Asking {
  return { now, surroundings: { ip, certificate: null, device: null }, device: null, answers: null };
}

/** An organization that asks for nothing. */
export function organizationState(parts: Partial<OrganizationState> = {}): OrganizationState {
  return {
    name: 'Acme',
    auth_domain: 'team.example',
    session_duration: 1,
    auto_redirect_to_identity: true,
    strict_service_tokens: false,
    allow_authenticate_via_warp: false,
    deny_unmatched_requests: true,
    unmatched_exempted_zones: [],
    zones: [],
    design: { header_text: null, footer_text: null, logo: null, text_color: null, background_color: null },
    custom_pages: { forbidden: null, identity_denied: null },
    ...parts,
  };
}
