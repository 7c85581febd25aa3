import type { Evaluation } from '../../src/policy/evaluate.ts';
import type {
  ExternalQuestion,
  Identity,
  PersonIdentity,
  Policy,
  Rule,
  RuleLists,
  Surroundings,
} from '../../src/policy/rules.ts';
import { liesIn } from './reference-addresses.ts';

/*
 * docs/policies.md once more, as plainly as it can be said: value by value, rule by rule, nothing kept and nothing
 * left out. What decides in earnest is compared with this.
 */

export type Three = 'yes' | 'no' | 'unknown';

export interface World {
  readonly identity: Identity;
  readonly surroundings: Surroundings;
  readonly groups: ReadonlyMap<string, RuleLists>;
  readonly lists: ReadonlyMap<string, PlainList>;
  readonly postures: ReadonlyMap<string, PlainPosture>;
  /** undefined: it was not asked yet. */
  readonly answer: (question: ExternalQuestion) => boolean | null | undefined;
}

export interface PlainList {
  readonly type: 'email' | 'ip' | 'device';
  readonly items: readonly string[];
}

/** A posture rule, of the plain kinds: a device of one of these platforms, and what else it asks. */
export type PlainPosture =
  | { readonly type: 'warp'; readonly platforms: readonly string[] }
  | { readonly type: 'unique_client_id'; readonly platforms: readonly string[]; readonly list: string }
  | {
      readonly type: 'os_version';
      readonly platforms: readonly string[];
      readonly atLeast: readonly number[];
    };

/** How one rule came out, and within which groups it stands, outermost first. */
export type Observe = (rule: Rule, three: Three, path: readonly string[]) => void;

export interface Place {
  readonly world: World;
  readonly parts: Parts;
  /** The groups that are being judged, outermost first. */
  readonly path: readonly string[];
  readonly questions: ExternalQuestion[];
  readonly observe: Observe;
}

type Content<Type> = Type extends keyof Any<Rule> ? Any<Rule>[Type] : never;
type Any<Union> = { [Key in KeyOf<Union>]: Union extends Record<Key, infer Value> ? Value : never };
type KeyOf<Union> = Union extends unknown ? keyof Union : never;
export type RuleType = KeyOf<Rule>;
export type Judges = { readonly [Type in RuleType]: (content: Content<Type>, place: Place) => Three };

/** What the evaluator is made of, so that a test can put in a faulty part. */
export interface Parts {
  readonly any: (threes: readonly Three[]) => Three;
  readonly none: (threes: readonly Three[]) => Three;
  readonly all: (threes: readonly Three[]) => Three;
  readonly isMeant: (policy: Policy, identity: Identity) => boolean;
  readonly applies: (policy: Policy, three: Three, identity: Identity) => boolean;
  readonly denyOutweighs: (deny: Policy, admitting: Policy) => boolean;
  readonly goesBefore: (one: Policy, other: Policy) => boolean;
  readonly judges: Judges;
}

type Table = Readonly<Record<Three, Readonly<Record<Three, Three>>>>;

const AND: Table = {
  yes: { yes: 'yes', no: 'no', unknown: 'unknown' },
  no: { yes: 'no', no: 'no', unknown: 'no' },
  unknown: { yes: 'unknown', no: 'no', unknown: 'unknown' },
};

const OR: Table = {
  yes: { yes: 'yes', no: 'yes', unknown: 'yes' },
  no: { yes: 'yes', no: 'no', unknown: 'unknown' },
  unknown: { yes: 'yes', no: 'unknown', unknown: 'unknown' },
};

const NOT: Readonly<Record<Three, Three>> = { yes: 'no', no: 'yes', unknown: 'unknown' };

/** A bypass is asked about before any credential is looked at, and not again. */
const KINDS_OF_DECISION: Readonly<Record<Policy['decision'], readonly Identity['kind'][]>> = {
  allow: ['person'],
  non_identity: ['service', 'certificate'],
  bypass: ['nobody'],
  deny: ['person', 'service', 'certificate', 'nobody'],
};

const JUDGES: Judges = {
  everyone: () => 'yes',
  email: ({ email }, place) => ofPerson(place, (person) => person.email === email),
  email_domain: ({ domain }, place) => ofPerson(place, (person) => person.email.split('@').at(-1) === domain),
  email_list: ({ id }, place) => {
    const list = place.world.lists.get(id);
    return ofPerson(place, (person) =>
      list?.type === 'email' ? list.items.some((item) => item === person.email) : null,
    );
  },
  ip: ({ ip }, { world }) => three(liesIn(world.surroundings.ip, ip)),
  ip_list: ({ id }, { world }) => {
    const list = world.lists.get(id);
    if (list?.type !== 'ip') return 'unknown';
    return three(list.items.some((item) => liesIn(world.surroundings.ip, item)));
  },
  group: ({ id }, place) => {
    const group = place.world.groups.get(id);
    if (!group || place.path.includes(id)) return 'unknown';
    return judgeLists(group, { ...place, path: [...place.path, id] });
  },
  login_method: ({ id }, place) => ofPerson(place, (person) => person.providerId === id),
  auth_method: ({ auth_method: method }, place) =>
    ofPerson(place, (person) => person.amr.some((one) => one === method)),
  oidc: ({ claim_name: name, claim_value: value, identity_provider_id: provider }, place) =>
    ofPerson(place, (person) => isFrom(person, provider) && hasClaim(person, name, value)),
  saml: ({ attribute_name: name, attribute_value: value, identity_provider_id: provider }, place) =>
    ofPerson(place, (person) => isFrom(person, provider) && hasClaim(person, name, value)),
  azureAD: ({ id, identity_provider_id: provider }, place) =>
    ofPerson(place, (person) => isFrom(person, provider) && hasClaim(person, 'groups', id)),
  okta: ({ name, identity_provider_id: provider }, place) =>
    ofPerson(place, (person) => isFrom(person, provider) && hasClaim(person, 'groups', name)),
  'github-organization': ({ name, team, identity_provider_id: provider }, place) => {
    const value = team === null ? name : `${name}/${team}`;
    return ofPerson(
      place,
      (person) => isFrom(person, provider) && hasClaim(person, 'github_organizations', value),
    );
  },
  service_token: ({ token_id: id }, place) => ofService(place, (tokenId) => tokenId === id),
  any_valid_service_token: (_, place) => ofService(place, () => true),
  certificate: (_, { world }) => three(world.surroundings.certificate !== null),
  common_name: ({ common_name: name }, { world }) =>
    three(world.surroundings.certificate !== null && world.surroundings.certificate.commonName === name),
  device_posture: ({ integration_uid: id }, { world }) => {
    const rule = world.postures.get(id);
    if (!rule || world.identity.kind === 'nobody') return 'unknown';
    const { device } = world.surroundings;
    if (!device || (rule.platforms.length > 0 && !rule.platforms.includes(device.facts.type))) return 'no';
    if (rule.type === 'warp') return 'yes';
    if (rule.type === 'os_version') return reaches(device.facts.os_version, rule.atLeast);
    const list = world.lists.get(rule.list);
    return list?.type === 'device' ? three(list.items.includes(device.device_id)) : 'unknown';
  },
  external_evaluation: (question, { world, questions }) => {
    if (world.identity.kind === 'nobody') return 'unknown';
    const answer = world.answer(question);
    if (answer === undefined) questions.push(question);
    return three(answer ?? null);
  },
};

/** Filled up with -1, so that of two that begin alike the longer is the newer. */
function reaches(version: string | null, least: readonly number[]): Three {
  if (version === null) return 'unknown';
  const numbers = version.split('.').map(Number);
  for (let at = 0; at < 8; at++) {
    const difference = (numbers[at] ?? -1) - (least[at] ?? -1);
    if (difference !== 0) return three(difference > 0);
  }
  return 'yes';
}

export const PARTS: Parts = {
  any: (threes) => threes.reduce((one, other) => OR[one][other], 'no'),
  none: (threes) => NOT[threes.reduce((one, other) => OR[one][other], 'no')],
  all: (threes) => threes.reduce((one, other) => AND[one][other], 'yes'),
  judges: JUDGES,
  isMeant: (policy, identity) => KINDS_OF_DECISION[policy.decision].includes(identity.kind),
  applies: (policy, truth, identity) => {
    if (policy.decision !== 'deny' || identity.kind === 'nobody') return truth === 'yes';
    return truth === 'yes' || truth === 'unknown';
  },
  denyOutweighs: () => true,
  goesBefore: (one, other) =>
    one.precedence < other.precedence || (one.precedence === other.precedence && one.id < other.id),
};

/** Decides as the documentation says; `questions` are all that have no answer yet, whether they matter or not. */
export function evaluateByTheBook(
  policies: readonly Policy[],
  world: World,
  { parts = PARTS, observe = () => {} }: { parts?: Parts; observe?: Observe } = {},
): Evaluation {
  const questions: ExternalQuestion[] = [];
  const applying = policies.filter((policy) => {
    if (!parts.isMeant(policy, world.identity)) return false;
    const place = { world, parts, path: [], questions, observe };
    return parts.applies(policy, judgeLists(policy, place), world.identity);
  });
  const deny = first(
    applying.filter(({ decision }) => decision === 'deny'),
    parts,
  );
  const admitting = first(
    applying.filter(({ decision }) => decision !== 'deny'),
    parts,
  );
  return { ...toVerdict(deny, admitting, parts), questions };
}

/** What Cloudflare's order makes of it: bypass and service policies first, then the first match by precedence. */
export function evaluateInCloudflaresOrder(policies: readonly Policy[], world: World): 'allow' | 'deny' {
  const nobody: World = { ...world, identity: { kind: 'nobody' } };
  const isApplying = (policy: Policy) =>
    evaluateByTheBook([policy], policy.decision === 'bypass' ? nobody : world).policy !== null;
  const applying = policies.filter(isApplying);
  if (applying.some(({ decision }) => decision === 'bypass' || decision === 'non_identity')) return 'allow';
  return first(applying, PARTS)?.decision === 'allow' ? 'allow' : 'deny';
}

function toVerdict(deny: Policy | null, admitting: Policy | null, parts: Parts) {
  if (deny && (!admitting || parts.denyOutweighs(deny, admitting))) {
    return { verdict: 'deny', reason: 'policy_deny', policy: deny.id, sessionDuration: null } as const;
  }
  if (!admitting) {
    return { verdict: 'deny', reason: 'no_policy_matched', policy: null, sessionDuration: null } as const;
  }
  const reason = admitting.decision === 'bypass' ? 'policy_bypass' : 'policy_allow';
  return {
    verdict: 'allow',
    reason,
    policy: admitting.id,
    sessionDuration: admitting.session_duration,
  } as const;
}

function first(policies: readonly Policy[], { goesBefore }: Parts): Policy | null {
  return policies.reduce<Policy | null>(
    (best, policy) => (best === null || goesBefore(policy, best) ? policy : best),
    null,
  );
}

export function judgeLists({ include, exclude, require }: RuleLists, place: Place): Three {
  const { any, none, all } = place.parts;
  const judged = (rules: readonly Rule[]) => rules.map((rule) => judgeRule(rule, place));
  return AND[AND[any(judged(include))][none(judged(exclude))]][all(judged(require))];
}

function judgeRule(rule: Rule, place: Place): Three {
  const [[type, content] = []] = Object.entries(rule);
  const judge = place.parts.judges[type as RuleType] as (content: unknown, place: Place) => Three;
  const came = judge(content, place);
  place.observe(rule, came, place.path);
  return came;
}

/** Services and certificates have nothing of a person; of nobody it is not known. */
export function ofPerson({ world }: Place, test: (person: PersonIdentity) => boolean | null): Three {
  if (world.identity.kind === 'nobody') return 'unknown';
  return world.identity.kind === 'person' ? three(test(world.identity)) : 'no';
}

function ofService({ world }: Place, test: (tokenId: string) => boolean): Three {
  if (world.identity.kind === 'nobody') return 'unknown';
  return world.identity.kind === 'service' ? three(test(world.identity.serviceTokenId)) : 'no';
}

export function isFrom({ providerId }: PersonIdentity, provider: string | null): boolean {
  return provider === null || provider === providerId;
}

export function hasClaim({ claims }: PersonIdentity, name: string, value: string): boolean {
  return Object.entries(claims).some(([key, values]) => key === name && values.some((one) => one === value));
}

export function three(value: boolean | null): Three {
  if (value === null) return 'unknown';
  return value ? 'yes' : 'no';
}
