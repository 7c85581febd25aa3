import type { PolicyRow } from '../../database/tables.ts';
import { invalidInput } from '../../kernel/errors.ts';

/** Of the rules of an application's own policies together, in bytes of their JSON: gates get them as one item. */
const MOST_BYTES = 2 * 1024 * 1024;

type Rules = Pick<PolicyRow, 'include' | 'exclude' | 'require'>;

/** Refuses with a 400 that points at the policy with which an application's own ones become too much. */
export function refuseTooMuch(own: readonly { readonly row: Rules; readonly pointer: string }[]): void {
  let size = 0;
  for (const { row, pointer } of own) {
    size += [row.include, row.exclude, row.require].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    if (size > MOST_BYTES) throw invalidInput([{ pointer, message: TOO_MUCH }], 'invalidAccess');
  }
}

const TOO_MUCH = `the policies of an application may have ${MOST_BYTES / 1024 / 1024} MiB of rules together`;
