import { type BoundedMap, createBoundedMap } from '../kernel/bounded-map.ts';
import { type Clock, MINUTE, SECOND } from '../kernel/clock.ts';
import { questionKey } from '../policy/evaluate.ts';
import type { ExternalQuestion, Identity } from '../policy/rules.ts';
import type { CallExternal } from './external-call.ts';
import type { Destination } from './state.ts';
import { identityOf, type Visitor } from './visitor.ts';

/** Whom services of others are asked about: a visitor whose credential is genuine, and what they ask for. */
export interface About {
  readonly destination: Destination;
  readonly visitor: Visitor;
  readonly ip: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * What services of others say of visitors. An answer is kept for a minute at most, for this identity as it is, this
 * application and this address: when the provider tells something else of the person, it is asked anew.
 */
export interface ExternalAnswers {
  /** null: the service did not answer as it should; undefined: it has to be asked. */
  recall(about: About, question: ExternalQuestion): boolean | null | undefined;
  /** Resolves when each of them is answered or has failed, for `recall` to find; never rejects. */
  ask(about: About, questions: readonly ExternalQuestion[]): Promise<void>;
}

export interface ExternalAnswersOptions {
  readonly call: CallExternal;
  readonly clock: Clock;
  /** Told of a service that did not answer as it should. */
  readonly onFailure: (error: unknown, question: ExternalQuestion) => void;
}

interface Kept {
  readonly at: number;
  readonly until: number;
  readonly answer: boolean | null;
}

const KEEP_FOR = MINUTE;
/** A service that failed is spared for so long, and nobody is let in by it. */
const KEEP_FAILURE_FOR = 5 * SECOND;
const MOST_KEPT = 200;
/** At once, for one account; whoever is beyond that is not let in. */
const MOST_ASKED = 128;

export function createExternalAnswers({ call, clock, onFailure }: ExternalAnswersOptions): ExternalAnswers {
  // By the identity itself: when it is another, nothing of this is found again.
  const kept = new WeakMap<Identity, BoundedMap<string, Kept>>();
  const asking = new WeakMap<Identity, Map<string, Promise<void>>>();
  const asked = new Map<string, number>();

  const keep = (about: About, question: ExternalQuestion, one: Omit<Kept, 'at'>) => {
    const identity = identityAbout(about);
    const known = kept.get(identity) ?? createBoundedMap(MOST_KEPT);
    kept.set(identity, known);
    known.set(keyOf(about, question), { at: about.now, ...one });
  };

  const answerTo = async (about: About, question: ExternalQuestion): Promise<Omit<Kept, 'at'>> => {
    const { accountId } = about.destination.account;
    const before = asked.get(accountId) ?? 0;
    if (before >= MOST_ASKED) return { until: clock.now() + SECOND, answer: null };
    asked.set(accountId, before + 1);
    try {
      const said = await call({ accountId, question, about: tell(about), now: about.now });
      // One that is over when it comes is the answer to this request all the same.
      const until = Math.max(clock.now() + SECOND, Math.min(about.now + KEEP_FOR, said.expiresAt));
      return { until, answer: said.success };
    } catch (error) {
      onFailure(error, question);
      return { until: clock.now() + KEEP_FAILURE_FOR, answer: null };
    } finally {
      asked.set(accountId, (asked.get(accountId) ?? 1) - 1);
    }
  };

  const askOne = async (about: About, question: ExternalQuestion) =>
    keep(about, question, await answerTo(about, question));

  const askOnce = (about: About, question: ExternalQuestion) => {
    const identity = identityAbout(about);
    const running = asking.get(identity) ?? new Map<string, Promise<void>>();
    asking.set(identity, running);
    const key = keyOf(about, question);
    const one = running.get(key) ?? askOne(about, question).finally(() => running.delete(key));
    running.set(key, one);
    return one;
  };

  return {
    recall: (about, question) => {
      const known = kept.get(identityAbout(about))?.get(keyOf(about, question));
      return known && about.now >= known.at && about.now < known.until ? known.answer : undefined;
    },
    ask: async (about, questions) => {
      await Promise.all(questions.map((question) => askOnce(about, question)));
    },
  };
}

function identityAbout({ destination, visitor }: About): Identity {
  return identityOf(destination.account.rules, visitor);
}

function keyOf({ destination, ip }: About, question: ExternalQuestion): string {
  return `${destination.application.id} ${ip} ${questionKey(question)}`;
}

/** What a service is told: the identity in the shape of get-identity, as far as it is known here. */
function tell(about: About): Record<string, unknown> {
  const { account, application } = about.destination;
  const { accountId: account_id } = account;
  return {
    identity: { ...naming(about), account_id, ip: about.ip },
    application: { id: application.id, name: application.name, aud: application.aud },
  };
}

function naming({ destination, visitor }: About): Record<string, unknown> {
  switch (visitor.kind) {
    case 'user': {
      const { email, user_id: user_uuid, provider_id: id, claims, amr } = visitor.session;
      const type = destination.account.providers.get(id)?.type ?? null;
      return { email, user_uuid, idp: { id, type }, amr, groups: claims.groups ?? [], claims };
    }
    case 'service': {
      const { id, client_id: common_name } = visitor.serviceToken;
      return { service_token_id: id, service_token_status: true, common_name };
    }
    default:
      return { common_name: visitor.kind === 'certificate' ? (visitor.commonName ?? '') : '' };
  }
}
