import type { Tx } from '../../database/database.ts';
import { normaliseEmail } from '../../kernel/email.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { refuseAsked } from '../../kernel/off.ts';
import type { Problem } from '../../kernel/result.ts';
import type { Change } from '../../removal/act.ts';
import { type PresentedAccount, presentAccount, settingsOf } from './accounts.ts';
import { lockAccount, updateAccountRow } from './store.ts';

export interface AccountInput {
  readonly id?: string;
  readonly name: string;
  readonly type?: 'standard' | 'enterprise';
  readonly managed_by?: Readonly<Record<string, unknown>> | null;
  readonly settings?: {
    readonly abuse_contact_email?: string | null;
    readonly enforce_twofactor?: boolean;
  };
}

/** Changes the name and whatever else is given; the rest stays. Nobody is asked for a second factor here: 400. */
export async function updateAccount(
  tx: Tx,
  { accountId, input }: { accountId: string; input: AccountInput },
): Promise<Change<PresentedAccount>> {
  const row = await lockAccount(tx, accountId);
  if (!row) throw refusal('forbidden');
  refuseAsked(input.managed_by ?? {}, ['parent_org_id', 'parent_org_name'], '/managed_by');
  refuseAsked(input.settings ?? {}, ['enforce_twofactor'], '/settings');
  const problems = problemsOf(accountId, input);
  if (problems.length > 0) throw invalidInput(problems);
  const contact = input.settings?.abuse_contact_email;
  const settings = { ...settingsOf(row) };
  if (contact) settings.abuse_contact_email = contact.normalize('NFC');
  else if (contact !== undefined) delete settings.abuse_contact_email;
  const change = {
    name: input.name,
    type: input.type ?? row.type,
    settings: JSON.stringify(settings),
  };
  await updateAccountRow(tx, accountId, change);
  return {
    result: presentAccount({ ...row, ...change }),
    audit: {
      action: 'account.update',
      resource: { type: 'account', id: accountId },
      metadata: { name: { from: row.name, to: input.name }, type: change.type, settings },
    },
  };
}

function problemsOf(accountId: string, { id, settings }: AccountInput): Problem[] {
  const problems: Problem[] = [];
  const contact = settings?.abuse_contact_email;
  if (id !== undefined && id.toLowerCase() !== accountId)
    problems.push({ pointer: '/id', message: 'is not the account of the path' });
  if (contact && normaliseEmail(contact) === null)
    problems.push({ pointer: '/settings/abuse_contact_email', message: 'is not an e-mail address' });
  return problems;
}
