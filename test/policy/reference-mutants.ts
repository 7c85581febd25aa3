import { type Evaluation, evaluate } from '../../src/policy/evaluate.ts';
import { createRuleIndexes } from '../../src/policy/rule-index.ts';
import type { NamedSets, RuleLists } from '../../src/policy/rules.ts';
import { liesIn } from './reference-addresses.ts';
import type { Case } from './reference-cases.ts';
import {
  hasClaim,
  type Judges,
  judgeLists,
  ofPerson,
  PARTS,
  type Parts,
  type Place,
  type Three,
  three,
} from './reference-evaluator.ts';
import { byTheBook, type Candidate, inEarnest } from './reference-property.ts';

/** A way of deciding with one fault in it. */
export interface Mutant {
  readonly fault: string;
  make(given: Case): Candidate;
}

/** The reference with one part that is wrong. */
function withPart(fault: string, part: Partial<Parts>): Mutant {
  return { fault, make: (given) => byTheBook(given, { ...PARTS, ...part }) };
}

function withJudge(fault: string, judge: Partial<Judges>): Mutant {
  return withPart(fault, { judges: { ...PARTS.judges, ...judge } });
}

/** What decides in earnest, with something else said afterwards. */
function afterwards(fault: string, change: (said: Evaluation) => Evaluation): Mutant {
  return { fault, make: (given) => (asker, answers) => change(inEarnest(given)(asker, answers)) };
}

function withSets(fault: string, change: (sets: NamedSets) => NamedSets): Mutant {
  return { fault, make: (given) => inEarnest({ ...given, sets: change(given.sets) }) };
}

const has = (threes: readonly Three[], one: Three) => threes.includes(one);
const withoutPerson = (place: Place): Place => ({
  ...place,
  world: { ...place.world, identity: { kind: 'certificate' } },
});
const isV6 = (block: string) => block.includes(':');

function shifted(block: string, by: number): string {
  const [network, prefix] = block.split('/');
  return `${network}/${Math.max(0, Number(prefix) + by)}`;
}

const { judges } = PARTS;

export const MUTANTS: readonly Mutant[] = [
  withPart('an unknown exclude counts as false', { none: (threes) => three(!has(threes, 'yes')) }),
  withPart('an unknown exclude counts as true', {
    none: (threes) => three(!has(threes, 'yes') && !has(threes, 'unknown')),
  }),
  withPart('some of require are enough', {
    all: (threes) => (threes.length > 0 ? PARTS.any(threes) : 'yes'),
  }),
  withPart('an unknown require counts as true', { all: (threes) => three(!has(threes, 'no')) }),
  withPart('an unknown include counts as false', { any: (threes) => three(has(threes, 'yes')) }),
  withPart('the first match wins', { denyOutweighs: PARTS.goesBefore }),
  withPart('a deny needs certainty', { applies: (_, truth) => truth === 'yes' }),
  withPart('a deny needs no certainty of nobody', {
    applies: ({ decision }, truth) => truth === 'yes' || (decision === 'deny' && truth === 'unknown'),
  }),
  withPart('an unknown allow admits', { applies: (_, truth) => truth !== 'no' }),
  withPart('the highest precedence goes first', { goesBefore: (one, other) => PARTS.goesBefore(other, one) }),
  withPart('of equals the last goes first', {
    goesBefore: (one, other) => one.precedence <= other.precedence,
  }),
  withPart('an allow is for service tokens too', {
    isMeant: (policy, identity) =>
      PARTS.isMeant(policy, identity) || (policy.decision === 'allow' && identity.kind === 'service'),
  }),
  withPart('a deny is not for certificates', {
    isMeant: (policy, identity) =>
      PARTS.isMeant(policy, identity) && (policy.decision !== 'deny' || identity.kind !== 'certificate'),
  }),
  withJudge('nobody has no e-mail', {
    email: (rule, place) => (place.world.identity.kind === 'nobody' ? 'no' : judges.email(rule, place)),
  }),
  withJudge('the e-mail of a service is unknown', {
    email: (rule, place) => (place.world.identity.kind === 'service' ? 'unknown' : judges.email(rule, place)),
  }),
  withJudge('a domain is met by its end', {
    email_domain: ({ domain }, place) => ofPerson(place, ({ email }) => email.endsWith(domain)),
  }),
  withJudge('a group forgets its exclude', {
    group: ({ id }, place) => {
      const group = place.world.groups.get(id);
      if (!group || place.path.includes(id)) return 'unknown';
      return judgeLists({ ...group, exclude: [] }, { ...place, path: [...place.path, id] });
    },
  }),
  withJudge('a group that is gone matches nobody', {
    group: (rule, place) => (place.world.groups.has(rule.id) ? judges.group(rule, place) : 'no'),
  }),
  withJudge('a prefix of IPv6 is one too short', {
    ip: ({ ip }, place) => judges.ip({ ip: isV6(ip) ? shifted(ip, -1) : ip }, place),
  }),
  withJudge('a prefix of IPv4 is one too short', {
    ip: ({ ip }, place) => judges.ip({ ip: isV6(ip) ? ip : shifted(ip, -1) }, place),
  }),
  withJudge('a block without host bits holds the other family', {
    ip: (rule, place) => (rule.ip.endsWith('/0') ? 'yes' : judges.ip(rule, place)),
  }),
  withJudge('an attribute of another provider counts', {
    saml: ({ attribute_name: name, attribute_value: value }, place) =>
      ofPerson(place, (person) => hasClaim(person, name, value)),
  }),
  withJudge('a claim counts whatever its value', {
    oidc: (rule, place) =>
      ofPerson(place, ({ claims }) => Object.hasOwn(claims, rule.claim_name)) === 'yes'
        ? 'yes'
        : judges.oidc(rule, place),
  }),
  withJudge('the team is left out', {
    'github-organization': (rule, place) => judges['github-organization']({ ...rule, team: null }, place),
  }),
  withJudge('the type of a list is left out', {
    email_list: ({ id }, place) => {
      const list = place.world.lists.get(id);
      return ofPerson(place, ({ email }) => (list ? list.items.includes(email) : null));
    },
    ip_list: ({ id }, { world }) => {
      const items = world.lists.get(id)?.items.filter((item) => item.includes('/'));
      return items ? three(items.some((item) => liesIn(world.surroundings.ip, item))) : 'unknown';
    },
  }),
  withJudge('the case of a method is left out', {
    auth_method: ({ auth_method: method }, place) =>
      ofPerson(place, ({ amr }) => amr.some((one) => one.toLowerCase() === method.toLowerCase())),
  }),
  withJudge('a certificate counts as a service token', {
    any_valid_service_token: (rule, place) =>
      place.world.surroundings.certificate ? 'yes' : judges.any_valid_service_token(rule, place),
  }),
  withJudge('a certificate counts only for those who have nothing else', {
    certificate: (rule, place) =>
      place.world.identity.kind === 'certificate' ? judges.certificate(rule, place) : 'no',
  }),
  withJudge('a posture rule that is gone is met by none', {
    device_posture: (rule, place) =>
      place.world.postures.has(rule.integration_uid) ? judges.device_posture(rule, place) : 'no',
  }),
  withJudge('a device is met whatever its platform', {
    device_posture: (rule, place) => {
      const { device } = place.world.surroundings;
      const isKnown =
        place.world.postures.has(rule.integration_uid) && place.world.identity.kind !== 'nobody';
      return isKnown && device ? 'yes' : judges.device_posture(rule, place);
    },
  }),
  withJudge('of nobody an external service says no', {
    external_evaluation: (rule, place) =>
      place.world.identity.kind === 'nobody' ? 'no' : judges.external_evaluation(rule, place),
  }),
  withJudge('an external service that fails says no', {
    external_evaluation: (rule, place) =>
      place.world.answer(rule) === null ? 'no' : judges.external_evaluation(rule, place),
  }),
  withJudge('a person is not found in a list', {
    email_list: (rule, place) => judges.email_list(rule, withoutPerson(place)),
  }),
  afterwards('the session duration is lost', (said) => ({ ...said, sessionDuration: null })),
  afterwards('nothing is asked', (said) => ({ ...said, questions: [] })),
  afterwards('the reason does not tell of a bypass', (said) => ({
    ...said,
    reason: said.reason === 'policy_bypass' ? 'policy_allow' : said.reason,
  })),
  withSets('a group that is gone is empty', (sets) => ({
    ...sets,
    group: (id) => sets.group(id) ?? ({ include: [], exclude: [], require: [] } satisfies RuleLists),
  })),
  withSets('a list that is gone is empty', (sets) => ({
    ...sets,
    list: (id) => sets.list(id) ?? { type: 'ip', has: () => false },
  })),
  {
    fault: 'the indexes of whoever asked first are kept for the others',
    make: ({ read, sets, askers: [first] }) => {
      const { keysOf, ...others } = createRuleIndexes();
      const indexes = { ...others, keysOf: () => keysOf(first?.identity ?? { kind: 'nobody' }) };
      return ({ identity, read: surroundings }, answers) =>
        evaluate(read.policies, { identity, surroundings, sets, answers, indexes });
    },
  },
  {
    fault: 'the policies are cut off after six',
    make: (given) =>
      inEarnest({ ...given, read: { ...given.read, policies: given.read.policies.slice(0, 6) } }),
  },
];
