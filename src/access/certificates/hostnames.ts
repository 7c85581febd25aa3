import type { Tx } from '../../database/database.ts';
import { invalidInput } from '../../kernel/errors.ts';
import { misread, type Parsed, type Problem, parsed } from '../../kernel/result.ts';
import { isWithinZone, parseDestination } from '../applications/destinations.ts';
import { refuseHost } from '../applications/hosts.ts';

/** A host name as certificates keep it: lower case, ASCII, without a port. */
export interface AskedHostname {
  readonly host: string;
  readonly pointer: string;
}

/** Reads host names, each once, or refuses those that are none (400, a pointer each). */
export function readHostnames(texts: readonly string[], pointer: string): AskedHostname[] {
  const problems: Problem[] = [];
  const asked = new Map<string, AskedHostname>();
  for (const [index, text] of texts.entries()) {
    const reading = parseHostname(text, `${pointer}/${index}`);
    if (reading.ok) asked.set(reading.value.host, asked.get(reading.value.host) ?? reading.value);
    else problems.push(...reading.problems);
  }
  if (problems.length > 0) throw invalidInput(problems.slice(0, 20), 'invalidAccess');
  return [...asked.values()];
}

/** As hosts of applications are read, so that both are the same text. */
function parseHostname(text: string, pointer: string): Parsed<AskedHostname> {
  const reading = parseDestination(text, pointer);
  if (!reading.ok || reading.value.host !== reading.value.uri || reading.value.host.includes(':'))
    return misread(pointer, 'must be a host name, without scheme, port, path or wildcard');
  return parsed({ host: reading.value.host, pointer });
}

/** Refuses hosts that the account cannot have an application on, or that lie outside the zone of the path. */
export async function refuseHostnames(
  tx: Tx,
  asked: readonly AskedHostname[],
  where: { accountId: string; zone: string | null; reservedHosts: readonly string[] },
): Promise<void> {
  for (const one of asked) {
    if (where.zone !== null && !isWithinZone(one.host, where.zone))
      throw invalidInput(
        [{ pointer: one.pointer, message: 'domain does not belong to zone' }],
        'invalidAccess',
      );
    await refuseHost(tx, one, where);
  }
}
