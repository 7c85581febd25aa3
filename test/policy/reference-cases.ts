import fc from 'fast-check';
import { type Answers, questionKey } from '../../src/policy/evaluate.ts';
import { toNamedList } from '../../src/policy/named-sets.ts';
import type { PostureRule, ProvenDevice } from '../../src/policy/posture.ts';
import { parseRules } from '../../src/policy/rule-reader.ts';
import type { Identity, NamedSets, Policy, Rule, RuleLists, Surroundings } from '../../src/policy/rules.ts';
import type { PlainList, PlainPosture } from './reference-evaluator.ts';
import {
  COMMON_NAMES,
  canonical,
  createTape,
  drawAddress,
  drawBlock,
  drawEmail,
  drawKnownId,
  drawText,
  IDS,
  METHODS,
  ORGANIZATIONS,
  QUESTIONS,
  type Tape,
} from './reference-pools.ts';
import { drawRule, type SpelledRule } from './reference-rules.ts';

/** Policies and who asks, twice: as they are meant, and as they are after having been written and read. */
export interface Case {
  readonly meant: Material;
  readonly read: Material;
  readonly lists: ReadonlyMap<string, PlainList>;
  readonly postures: ReadonlyMap<string, PlainPosture>;
  readonly sets: NamedSets;
  readonly askers: readonly Asker[];
  readonly isSpelled: boolean;
  /** What every external service would say. */
  readonly full: ReadonlyMap<string, boolean | null>;
  /** What is known of that to begin with. */
  readonly given: Answers;
}

interface Material {
  readonly policies: readonly Policy[];
  readonly groups: ReadonlyMap<string, RuleLists>;
}

export interface Asker {
  readonly identity: Identity;
  readonly meant: Surroundings;
  readonly read: Surroundings;
}

const DEVICE_IDS = ['d1', 'd2', 'd3'] as const;

/** Under the ids of which groups and lists are as well; the last is of none. */
const POSTURES: ReadonlyMap<string, PlainPosture> = new Map<string, PlainPosture>([
  [IDS[0], { type: 'warp', platforms: [] }],
  [IDS[1] ?? '', { type: 'warp', platforms: ['mac', 'windows'] }],
  [IDS[2] ?? '', { type: 'unique_client_id', platforms: [], list: IDS[0] }],
  [IDS[3] ?? '', { type: 'os_version', platforms: ['linux'], atLeast: [6, 12] }],
  [IDS[4] ?? '', { type: 'os_version', platforms: [], atLeast: [14, 5, 0] }],
]);

const POSTURE_RULES: ReadonlyMap<string, PostureRule> = new Map(
  [...POSTURES].map(([id, rule]) => [id, toPostureRule(id, rule)]),
);

function toPostureRule(id: string, rule: PlainPosture): PostureRule {
  const { type } = rule;
  const platforms = rule.platforms as PostureRule['platforms'];
  const version = rule.type === 'os_version' ? rule.atLeast.join('.') : '';
  const nothing = { os_version_extra: null, os_distro_name: null, os_distro_revision: null };
  const os_version = rule.type === 'os_version' ? ({ operator: '>=', version, ...nothing } as const) : null;
  return {
    id,
    name: id,
    type,
    platforms,
    os_version,
    list_id: rule.type === 'unique_client_id' ? rule.list : null,
  };
}

/** How many ask in one case, of the same policies. */
export const ASKERS = 4;

export const cases: fc.Arbitrary<Case> = fc
  .uint8Array({ minLength: 80, maxLength: 480, size: 'max' })
  .map((bytes) => drawCase(createTape(bytes)));

function drawCase(tape: Tape): Case {
  const isSpelled = tape.draw(2) === 1;
  const askers = Array.from({ length: ASKERS }, () => drawAsker(tape));
  const answers = drawAnswers(tape);
  const policies = drawPolicies(tape);
  const isOrderly = tape.draw(2) === 0;
  const groups = IDS.map((id, at) => [id, drawGroup(tape, isOrderly ? at + 1 : 0)] as const);
  const lists = new Map(IDS.flatMap((id, at) => drawList(tape, at).map((list) => [id, list] as const)));
  const read = readAll({ policies, groups }, isSpelled ? readRules : meantRules);
  const named = new Map([...lists].map(([id, list]) => [id, toNamedList(list)]));
  const sets = {
    group: (id: string) => read.groups.get(id),
    list: (id: string) => named.get(id),
    posture: (id: string) => POSTURE_RULES.get(id),
  };
  const meant = isSpelled ? readAll({ policies, groups }, meantRules) : read;
  return { meant, read, lists, postures: POSTURES, sets, askers, isSpelled, ...answers };
}

type SpelledLists = Readonly<Record<keyof RuleLists, readonly SpelledRule[]>>;
type SpelledPolicy = Omit<Policy, keyof RuleLists> & SpelledLists;
interface SpelledMaterial {
  readonly policies: readonly SpelledPolicy[];
  readonly groups: readonly (readonly [string, SpelledLists | null])[];
}
type Read = (rules: readonly SpelledRule[]) => Rule[];

const meantRules: Read = (rules) => rules.map(({ clean }) => clean);

const readRules: Read = (rules) => {
  const result = parseRules(
    rules.map(({ raw }) => raw),
    '',
  );
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.value;
};

function readAll({ policies, groups }: SpelledMaterial, read: Read): Material {
  const readLists = ({ include, exclude, require }: SpelledLists): RuleLists => ({
    include: read(include),
    exclude: read(exclude),
    require: read(require),
  });
  return {
    policies: policies.map((policy) => ({ ...policy, ...readLists(policy) })),
    groups: new Map(groups.flatMap(([id, lists]) => (lists ? [[id, readLists(lists)]] : []))),
  };
}

function drawPolicies(tape: Tape): SpelledPolicy[] {
  const start = tape.draw(8);
  return tape
    .several(8, () => 0)
    .map((_, at) => {
      // Ids in an order that is not the order of the list.
      const id = `b${(at * 3 + start) % 8}`;
      const decision = tape.pick(['allow', 'deny', 'non_identity', 'bypass', 'allow', 'bypass'] as const);
      const precedence = tape.draw(4);
      const duration = tape.draw(2) === 0 ? null : `${at + 1}h`;
      return { id, name: id, decision, precedence, session_duration: duration, ...drawLists(tape, 0) };
    });
}

function drawGroup(tape: Tape, groupsFrom: number): SpelledLists | null {
  return tape.draw(6) === 0 ? null : drawLists(tape, groupsFrom);
}

function drawLists(tape: Tape, groupsFrom: number): SpelledLists {
  const rule = () => drawRule(tape, groupsFrom);
  const shape = tape.draw(8);
  return {
    include: [...drawCrowd(tape), ...(shape === 7 ? [] : [rule()]), ...tape.several(2, rule)],
    exclude: shape % 3 === 1 ? [rule(), ...(shape > 3 ? [rule(), ...drawCrowd(tape)] : [])] : [],
    require: shape % 3 === 2 ? [rule(), ...(shape > 3 ? [rule()] : [])] : [],
  };
}

/** Now and then many rules of one type, as real policies have them. */
function drawCrowd(tape: Tape): SpelledRule[] {
  if (tape.draw(16) !== 15) return [];
  const make = tape.pick([
    (at: number): Rule => ({ email: { email: `u${at}@example.com` } }),
    (at: number): Rule => ({ ip: { ip: `198.51.100.${at}/32` } }),
    (at: number): Rule => ({ okta: { name: `a${at}`, identity_provider_id: IDS[0] } }),
  ]);
  return Array.from({ length: 1 + tape.draw(40) }, (_, at) => ({ clean: make(at), raw: make(at) }));
}

function drawAsker(tape: Tape): Asker {
  const { raw } = drawAddress(tape);
  const commonName = tape.draw(3) === 0 ? null : tape.pick(COMMON_NAMES);
  const certificate = tape.draw(2) === 0 ? null : { commonName };
  const device = drawDevice(tape);
  return {
    identity: drawIdentity(tape),
    meant: { ip: raw, certificate, device },
    read: { ip: canonical(raw), certificate, device },
  };
}

/** One of a few; the id of the one is in lists, and the other's is not. */
function drawDevice(tape: Tape): ProvenDevice | null {
  const kind = tape.draw(4);
  if (kind === 0) return null;
  const [type, version] = kind === 1 ? (['mac', '14.5'] as const) : (['linux', '6.12.48'] as const);
  const nothing = { os_version_extra: null, os_distro_name: null, os_distro_revision: null, model: null };
  const more = { serial_number: null, manufacturer: null, mac_address: null, client_version: null };
  const os_version = kind === 3 ? null : version;
  return { device_id: tape.pick(DEVICE_IDS), facts: { type, os_version, ...nothing, ...more } };
}

function drawIdentity(tape: Tape): Identity {
  const kind = tape.pick(['person', 'person', 'person', 'service', 'certificate', 'nobody'] as const);
  if (kind === 'service') return { kind, serviceTokenId: drawKnownId(tape) };
  if (kind !== 'person') return { kind };
  const claims = tape.several(3, () => [drawText(tape), tape.several(2, () => drawText(tape))] as const);
  const inGroups = tape.several(2, () => drawText(tape));
  const organizations = tape.several(2, () => drawMembership(tape));
  return {
    kind,
    email: drawEmail(tape).clean,
    providerId: drawKnownId(tape),
    claims: Object.fromEntries([...claims, ['groups', inGroups], ['github_organizations', organizations]]),
    amr: tape.several(2, () => tape.pick(METHODS)),
  };
}

function drawMembership(tape: Tape): string {
  const organization = tape.pick(ORGANIZATIONS);
  return tape.draw(2) === 0 ? organization : `${organization}/${tape.pick(ORGANIZATIONS)}`;
}

function drawList(tape: Tape, at: number): PlainList[] {
  const kind = tape.draw(8);
  if (kind === 0) return [];
  if (kind === 1) return [{ type: 'device', items: tape.several(2, () => tape.pick(DEVICE_IDS)) }];
  const isIp = (kind + at) % 2 === 0;
  if (isIp) return [{ type: 'ip', items: tape.several(4, () => drawBlock(tape).clean) }];
  return [{ type: 'email', items: tape.several(4, () => drawEmail(tape).clean) }];
}

function drawAnswers(tape: Tape): Pick<Case, 'full' | 'given'> {
  const isNoneAsked = tape.draw(8) === 1;
  const drawn = QUESTIONS.map((question) => {
    const entry = [questionKey(question), tape.pick([true, false, true, false, null])] as const;
    return { entry, isGiven: tape.draw(2) === 0 };
  });
  const given = drawn.filter(({ isGiven }) => isGiven).map(({ entry }) => entry);
  return { full: new Map(drawn.map(({ entry }) => entry)), given: isNoneAsked ? null : new Map(given) };
}
