import type { Evaluation } from '../../src/policy/evaluate.ts';
import type { Asker, Case } from './reference-cases.ts';
import type { Observe } from './reference-evaluator.ts';
import { byTheBook, cloudflares, inEarnest, isCircular } from './reference-property.ts';

/** How often each thing has come up, by name. */
export type Tally = Map<string, number>;

/** Counts what a case was about: who asked, how every rule came out, what was decided, and what was asked first. */
export function tellOf(given: Case, tally: Tally): void {
  const count = (name: string) => tally.set(name, (tally.get(name) ?? 0) + 1);
  count(given.isSpelled ? 'case: spelled' : 'case: plain');
  for (const asker of given.askers) {
    for (const name of namesOf(given, asker)) count(name);
  }
}

function namesOf(given: Case, asker: Asker): Set<string> {
  const names = new Set<string>();
  const judged = new Map<string, number>();
  const observe: Observe = (rule, three, path) => {
    const [type = ''] = Object.keys(rule);
    names.add(`rule: ${type} ${three}`).add(`depth: ${path.length}`);
    if ('group' in rule) judged.set(rule.group.id, (judged.get(rule.group.id) ?? 0) + 1);
  };
  const evaluation = byTheBook(given, undefined, observe)(asker, given.full);
  if ([...judged.values()].some((times) => times > 1)) names.add('groups: one within several');
  if (isCircular(given, asker)) names.add('groups: one within itself');
  const { questions } = inEarnest(given)(asker, given.given);
  names.add(questions.length > 0 ? 'questions: some' : 'questions: none');
  names.add(`identity: ${asker.identity.kind}`).add(addressName(asker));
  for (const name of decisionNames(given, asker, evaluation)) names.add(name);
  return names.add('asked');
}

function addressName({ meant: { ip } }: Asker): string {
  if (!ip.includes(':')) return 'address: IPv4';
  return ip.includes('.') ? 'address: mapped' : 'address: IPv6';
}

function decisionNames(given: Case, asker: Asker, evaluation: Evaluation): string[] {
  const { verdict, reason, policy, sessionDuration } = evaluation;
  const decision = given.meant.policies.find(({ id }) => id === policy)?.decision ?? 'none';
  return [
    `verdict: ${verdict}`,
    `reason: ${reason}`,
    `decided by: ${decision} for ${asker.identity.kind}`,
    `policies: ${given.meant.policies.length}`,
    ...(sessionDuration === null ? [] : ['session duration: named']),
    `Cloudflare's order: ${cloudflares(given, asker)}, here ${verdict}`,
  ];
}
