import type { Answers } from '../policy/evaluate.ts';
import { questionKey } from '../policy/evaluate.ts';
import { type Asking, type Credential, decide, type Undecided, type Verdict } from './decide.ts';
import type { ExternalAnswers } from './external-answers.ts';
import type { Destination } from './state.ts';

/** A verdict, and what external services said that it rests on. */
export interface Decided {
  readonly verdict: Verdict;
  readonly answers: Answers;
}

/** One request's verdict, for which external services may have to be asked first. */
export interface Enquiry {
  /** The verdict in this turn, or what has to be asked before there can be one. */
  decide(
    destination: Destination,
    credential: Credential | null,
    asking: Asking,
  ): Decided | (() => Promise<void>);
}

/** The verdict, if it rests on nobody else's word. */
export function withoutAsking(
  destination: Destination,
  credential: Credential | null,
  asking: Asking,
): Decided | null {
  const verdict = decide(destination, credential, asking);
  return verdict.verdict === 'undecided' ? null : { verdict, answers: null };
}

/** How often a request may ask, each time all that is known to be missing; what is missing then has no answer. */
const MOST_ROUNDS = 3;

export function createEnquiry(external: ExternalAnswers): Enquiry {
  let rounds = 0;

  const answersTo = (
    { questions, visitor }: Undecided,
    { destination, asking }: { destination: Destination; asking: Asking },
  ): Answers | (() => Promise<void>) => {
    const { now, surroundings } = asking;
    const about = { destination, visitor, ip: surroundings.ip, now };
    const found = questions.map((question) => [question, external.recall(about, question)] as const);
    const missing = found.flatMap(([question, answer]) => (answer === undefined ? [question] : []));
    if (missing.length > 0 && rounds < MOST_ROUNDS) {
      return async () => {
        rounds += 1;
        await external.ask(about, missing);
      };
    }
    const told = found.map(([question, answer]) => [questionKey(question), answer ?? null] as const);
    return new Map([...(asking.answers ?? []), ...told]);
  };

  return {
    decide: (destination, credential, first) => {
      let asking = first;
      let verdict = decide(destination, credential, asking);
      // Each turn answers at least one question more, and policies have finitely many.
      while (verdict.verdict === 'undecided') {
        const answers = answersTo(verdict, { destination, asking });
        if (typeof answers === 'function') return answers;
        asking = { ...asking, answers };
        verdict = decide(destination, credential, asking);
      }
      return { verdict, answers: asking.answers };
    },
  };
}
