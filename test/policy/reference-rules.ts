import type { Rule } from '../../src/policy/rules.ts';
import type { RuleType } from './reference-evaluator.ts';
import {
  COMMON_NAMES,
  drawBlock,
  drawDomain,
  drawEmail,
  drawId,
  drawName,
  drawQuestion,
  drawText,
  IDS,
  METHODS,
  type Spelled,
  type Tape,
} from './reference-pools.ts';

/** A rule as it is meant, and as somebody may have written it. */
export interface SpelledRule {
  readonly clean: Rule;
  readonly raw: unknown;
}

const TYPES: readonly [RuleType, ...RuleType[]] = [
  ...(['everyone', 'email', 'email_domain', 'email_list', 'ip', 'ip_list', 'group', 'group'] as const),
  ...([
    'login_method',
    'auth_method',
    'oidc',
    'oidc',
    'saml',
    'azureAD',
    'okta',
    'github-organization',
  ] as const),
  ...(['service_token', 'any_valid_service_token', 'certificate', 'common_name', 'device_posture'] as const),
  ...(['external_evaluation', 'group', 'group', 'ip', 'email', 'everyone'] as const),
];

/** A rule of any type; a group that it names is one from `groupsFrom` on. */
export function drawRule(tape: Tape, groupsFrom: number): SpelledRule {
  const type = tape.pick(TYPES);
  const { clean, raw } = DRAWN[type](tape, groupsFrom);
  return { clean: { [type]: clean } as unknown as Rule, raw: { [type]: raw } };
}

type Draw = (tape: Tape, groupsFrom: number) => Spelled<unknown>;

const nothing: Draw = () => ({ clean: {}, raw: {} });
const text: Draw = (tape) => same(drawText(tape));
const ofClaims =
  (name: string, value: string): Draw =>
  (tape) =>
    fields({ [name]: text(tape, 0), [value]: text(tape, 0), identity_provider_id: drawId(tape) });

const DRAWN: Readonly<Record<RuleType, Draw>> = {
  everyone: nothing,
  certificate: nothing,
  any_valid_service_token: nothing,
  email: (tape) => fields({ email: drawEmail(tape) }),
  email_domain: (tape) => fields({ domain: drawDomain(tape) }),
  email_list: (tape) => fields({ id: drawId(tape) }),
  ip: (tape) => fields({ ip: drawBlock(tape) }),
  ip_list: (tape) => fields({ id: drawId(tape) }),
  group: (tape, from) => {
    const later = IDS.slice(from);
    const clean = later[tape.draw(later.length || 1)] ?? 'a1b2c3d4-0000-4000-8000-ffffffffffff';
    return fields({ id: { clean, raw: clean.toUpperCase() } });
  },
  login_method: (tape) => fields({ id: drawId(tape) }),
  auth_method: (tape) => fields({ auth_method: same(tape.pick(METHODS)) }),
  oidc: (tape) => {
    const provider =
      tape.draw(2) === 0 ? { clean: null, raw: tape.pick([undefined, null, '']) } : drawId(tape);
    return fields({ claim_name: text(tape, 0), claim_value: text(tape, 0), identity_provider_id: provider });
  },
  saml: ofClaims('attribute_name', 'attribute_value'),
  azureAD: (tape) => fields({ id: text(tape, 0), identity_provider_id: drawId(tape) }),
  okta: (tape) => fields({ name: text(tape, 0), identity_provider_id: drawId(tape) }),
  'github-organization': (tape) => {
    const team = tape.draw(2) === 0 ? { clean: null, raw: null } : drawName(tape);
    return fields({ name: drawName(tape), team, identity_provider_id: drawId(tape) });
  },
  service_token: (tape) => fields({ token_id: drawId(tape) }),
  common_name: (tape) => fields({ common_name: same(tape.pick(COMMON_NAMES)) }),
  device_posture: (tape) => fields({ integration_uid: drawId(tape) }),
  external_evaluation: drawQuestion,
};

function same<Value>(value: Value): Spelled<Value> {
  return { clean: value, raw: value };
}

function fields(spelled: Readonly<Record<string, Spelled<unknown>>>): Spelled<unknown> {
  const entries = Object.entries(spelled);
  return {
    clean: Object.fromEntries(entries.map(([key, { clean }]) => [key, clean])),
    raw: Object.fromEntries(entries.map(([key, { raw }]) => [key, raw])),
  };
}
