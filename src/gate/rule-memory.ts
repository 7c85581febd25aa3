import { type BoundedMap, createBoundedMap } from '../kernel/bounded-map.ts';
import { type Answers, type Evaluation, evaluate } from '../policy/evaluate.ts';
import { toNamedList } from '../policy/named-sets.ts';
import type { PostureRule, ProvenDevice } from '../policy/posture.ts';
import { createRuleIndexes } from '../policy/rule-index.ts';
import type {
  CertificateIdentity,
  Identity,
  NamedList,
  NamedSets,
  Nobody,
  PersonIdentity,
  Policy,
  ServiceIdentity,
  Surroundings,
} from '../policy/rules.ts';
import type { StateKind } from '../protocol/feed.ts';
import type {
  ApplicationState,
  GroupState,
  ListState,
  PolicyLink,
  PolicyState,
  ServiceTokenState,
  SessionState,
} from '../protocol/state.ts';
import type { CountingCertificate } from './client-certificate.ts';
import { createHandOffJudge } from './hand-off-judge.ts';

/** Who asks for an application, from where, and what external services said of them. */
export interface Evaluated {
  readonly application: ApplicationState;
  readonly identity: Identity;
  readonly surroundings: Surroundings;
  readonly answers: Answers;
}

/** What policies of an account rest on, and what they say. */
export interface RuleMemory {
  /** Groups, lists and posture rules, as rules name them. */
  readonly sets: NamedSets;
  /**
   * What the current policies say. It is remembered for an identity, an application and a place until any rule changes:
   * most requests are like one before. Revocations are no part of it, and are asked each time.
   */
  evaluate(evaluated: Evaluated): Evaluation;
  /**
   * What they say of a person who is on the way to an application, where the certificate of the connection to it and the
   * word of external services are not known yet: denied is whoever would be denied whatever those are (hand-off-judge.ts).
   */
  judge(session: SessionState, on: { application: ApplicationState; ip: string }): Evaluation;
  /** The person behind a session, always the same object while the session is the same. */
  personOf(session: SessionState): PersonIdentity;
  /** The same for a service token. */
  serviceOf(token: ServiceTokenState): ServiceIdentity;
  /** The same for a client certificate that is all that somebody has. */
  certificateOf(certificate: CountingCertificate): CertificateIdentity;
  /** Whoever is not asked who they are. */
  readonly nobody: Nobody;
  /** Whether any policy of the application may let in somebody who is not asked who they are. */
  hasBypass(application: ApplicationState): boolean;
  /** The policies of an application, reusable ones in their place. */
  policiesOf(application: ApplicationState): readonly Policy[];
  putPolicy(id: string, policy: PolicyState | null): void;
  putGroup(id: string, group: GroupState | null): void;
  putList(id: string, list: ListState | null): void;
  putPosture(id: string, rule: PostureRule | null): void;
  /** Something that decides has changed. */
  forget(): void;
}

/** By where somebody comes from. */
type Remembered = BoundedMap<string, Evaluation>;

/** Of how many places it is remembered what was said: a person is in few at a time, everybody else in many. */
const PLACES_OF_A_PERSON = 8;
const PLACES_OF_OTHERS = 1000;

/** Client certificates of which an identity is kept. */
const MOST_CERTIFICATES = 10_000;

/** Whether a change of such an object may change what policies say. */
export function isOfRules(kind: StateKind | 'revocation'): boolean {
  return OF_RULES.has(kind);
}

const OF_RULES: ReadonlySet<string> = new Set([
  'organization',
  'application',
  'policy',
  'group',
  'list',
  'posture_rule',
  'certificate',
  'provider',
] satisfies StateKind[]);

export function createRuleMemory(): RuleMemory {
  const policies = new Map<string, PolicyState>();
  const groups = new Map<string, GroupState>();
  const lists = new Map<string, NamedList>();
  const postures = new Map<string, PostureRule>();
  const placeOf = createPlaces();
  const indexes = createRuleIndexes();
  const persons = new WeakMap<SessionState, PersonIdentity>();
  const services = new WeakMap<ServiceTokenState, ServiceIdentity>();
  const certificates = createBoundedMap<string, CertificateIdentity>(MOST_CERTIFICATES);
  const nobody: Nobody = { kind: 'nobody' };
  let resolved = new WeakMap<ApplicationState, readonly Policy[]>();
  let bypassing = new WeakMap<ApplicationState, boolean>();
  let remembered = new WeakMap<Identity, WeakMap<ApplicationState, Remembered>>();
  const sets: NamedSets = {
    group: (id) => groups.get(id),
    list: (id) => lists.get(id),
    posture: (id) => postures.get(id),
  };
  const judge = createHandOffJudge({ sets, indexes });

  const resolve = ({ policies: own }: ApplicationState) =>
    own.map((policy) => (isLink(policy) ? linked(policy, policies.get(policy.reusable)) : policy));

  const policiesOf = (application: ApplicationState) => {
    const known = resolved.get(application) ?? resolve(application);
    resolved.set(application, known);
    return known;
  };

  const remember = ({ identity, application }: Evaluated, place: string, evaluation: Evaluation) => {
    const ofIdentity = remembered.get(identity) ?? new WeakMap<ApplicationState, Remembered>();
    const most = identity.kind === 'person' ? PLACES_OF_A_PERSON : PLACES_OF_OTHERS;
    const known = ofIdentity.get(application) ?? createBoundedMap<string, Evaluation>(most);
    known.set(place, evaluation);
    remembered.set(identity, ofIdentity.set(application, known));
  };

  const evaluateAll = (evaluated: Evaluated) => {
    const { application, identity, surroundings, answers } = evaluated;
    const place = placeOf(surroundings);
    const known = answers === null ? remembered.get(identity)?.get(application)?.get(place) : undefined;
    if (known) return known;
    const asked = { identity, surroundings, sets, answers, indexes };
    const evaluation = evaluate(policiesOf(application), asked);
    if (answers === null && evaluation.questions.length === 0) remember(evaluated, place, evaluation);
    return evaluation;
  };

  const personOf = (session: SessionState) => {
    const known = persons.get(session) ?? toPerson(session);
    persons.set(session, known);
    return known;
  };

  return {
    sets,
    policiesOf,
    evaluate: evaluateAll,
    judge: (session, { application, ip }) =>
      judge(policiesOf(application), { application, identity: personOf(session), ip }),
    nobody,
    hasBypass: (application) => {
      const known = bypassing.get(application);
      if (known !== undefined) return known;
      const has = policiesOf(application).some(({ decision }) => decision === 'bypass');
      bypassing.set(application, has);
      return has;
    },
    certificateOf: ({ authorityId, commonName, endsAt }) => {
      const key = JSON.stringify([authorityId, commonName, endsAt]);
      const known = certificates.get(key) ?? { kind: 'certificate' };
      certificates.set(key, known);
      return known;
    },
    personOf,
    serviceOf: (token) => {
      const known = services.get(token) ?? { kind: 'service', serviceTokenId: token.id };
      services.set(token, known);
      return known;
    },
    putPolicy: (id, policy) => put(policies, id, policy),
    putGroup: (id, group) => put(groups, id, group),
    putList: (id, list) => put(lists, id, list && toNamedList(list)),
    putPosture: (id, rule) => put(postures, id, rule),
    forget: () => {
      resolved = new WeakMap();
      bypassing = new WeakMap();
      remembered = new WeakMap();
    },
  };
}

/** All that policies ask of where a request comes from, as one text. What a device says anew makes it another one. */
function createPlaces(): (surroundings: Surroundings) => string {
  const numbers = new WeakMap<ProvenDevice, number>();
  let last = 0;
  const numberOf = (device: ProvenDevice) => {
    const number = numbers.get(device) ?? ++last;
    numbers.set(device, number);
    return number;
  };
  return ({ ip, certificate, device }) => {
    if (!certificate && !device) return ip;
    return JSON.stringify([ip, certificate && [certificate.commonName], device && numberOf(device)]);
  };
}

function put<T>(map: Map<string, T>, id: string, state: T | null): void {
  if (state === null) map.delete(id);
  else map.set(id, state);
}

function isLink(policy: Policy | PolicyLink): policy is PolicyLink {
  return 'reusable' in policy;
}

/** One that is in use cannot be deleted; were it gone all the same, nobody is let in. */
function linked({ reusable: id, precedence }: PolicyLink, policy: PolicyState | undefined): Policy {
  if (policy) return { ...policy, precedence };
  const lists = { include: [{ everyone: {} }], exclude: [], require: [] };
  return { id, name: '', decision: 'deny', precedence, ...lists, session_duration: null };
}

function toPerson({ email, provider_id: providerId, claims, amr }: SessionState): PersonIdentity {
  return { kind: 'person', email, providerId, claims, amr };
}
