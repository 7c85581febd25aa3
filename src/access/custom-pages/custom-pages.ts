import type { Static } from 'typebox';
import type { Reader, Snapshot, Tx } from '../../database/database.ts';
import type { KeyedList } from '../../database/paging.ts';
import type { CustomPageRow } from '../../database/tables.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { newUuid } from '../../kernel/ids.ts';
import type { JsonObject } from '../../kernel/json.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import type { CustomPageState } from '../../protocol/state.ts';
import type { Change } from '../../removal/act.ts';
import { type CustomPage, type CustomPageInput, type CustomPageWithoutHtml, MOST_HTML } from './contract.ts';
import {
  countCustomPages,
  deleteCustomPageRow,
  findCustomPage,
  holdCustomPages,
  insertCustomPage,
  listAllCustomPages,
  listCustomPages,
  lockCustomPage,
  updateCustomPageRow,
  usersOfCustomPage,
} from './store.ts';

export type PresentedCustomPage = Static<typeof CustomPageWithoutHtml>;

interface Write {
  readonly accountId: string;
  readonly input: Static<typeof CustomPageInput>;
  readonly now: string;
}

/** An account's gates hold every page of it in memory. */
const MOST_PAGES = 100;

/** A custom page as lists and changes answer it. */
export function presentCustomPage({
  id,
  name,
  type,
  created_at,
  updated_at,
}: CustomPageRow): PresentedCustomPage {
  return { uid: id, name, type, created_at, updated_at };
}

export async function getCustomPage(
  reader: Reader,
  accountId: string,
  id: string,
): Promise<Static<typeof CustomPage>> {
  const row = await findCustomPage(reader, accountId, id);
  if (!row) throw unknownCustomPage();
  return { ...presentCustomPage(row), custom_html: row.custom_html };
}

/** The custom pages of an account, oldest first, without their HTML. */
export function customPageList(reader: Reader, accountId: string): KeyedList<CustomPageRow> {
  return {
    fetch: (start) => listCustomPages(reader, accountId, start),
    keyOf: (row) => [row.created_at, row.id],
    total: () => countCustomPages(reader, accountId),
  };
}

/** The custom pages of an account, for gates. */
export async function customPageStates(snapshot: Snapshot, accountId: string): Promise<FeedItem[]> {
  return (await listAllCustomPages(snapshot, accountId)).map(stateItem);
}

export async function createCustomPage(
  tx: Tx,
  { accountId, input, now }: Write,
): Promise<Change<PresentedCustomPage>> {
  refuseInvalid(input);
  if ((await countCustomPages(tx, accountId)) >= MOST_PAGES) {
    throw refusal('conflictAccess', { detail: `an account has at most ${MOST_PAGES} custom pages` });
  }
  const { name, type, custom_html } = input;
  const times = { created_at: now, updated_at: now };
  const row = { id: newUuid(), account_id: accountId, name, type, custom_html, ...times };
  await insertCustomPage(tx, row);
  return { ...changed(row, 'create'), onlyAdds: true };
}

export async function updateCustomPage(
  tx: Tx,
  { accountId, id, input, now }: Write & { id: string },
): Promise<Change<PresentedCustomPage>> {
  refuseInvalid(input);
  const row = await lockCustomPage(tx, accountId, id);
  if (!row) throw unknownCustomPage();
  const { name, type, custom_html } = input;
  const change = { name, type, custom_html, updated_at: now };
  await updateCustomPageRow(tx, row, change);
  const guard = type === row.type ? {} : { guard: (again: Tx) => refuseInUse(again, row) };
  return { ...changed({ ...row, ...change }, 'update'), ...guard };
}

/** A page that somebody shows is not deleted: they would be shown another without having asked for it. */
export async function deleteCustomPage(
  tx: Tx,
  { accountId, id }: { accountId: string; id: string },
): Promise<Change<{ id: string }>> {
  const row = await lockCustomPage(tx, accountId, id);
  if (!row) throw unknownCustomPage();
  await deleteCustomPageRow(tx, row);
  const { audit } = changed(row, 'delete');
  return {
    result: { id },
    items: [{ kind: 'custom_page', id, state: null }],
    audit,
    guard: (again) => refuseInUse(again, row),
  };
}

/**
 * The types of those of these pages that the account has, by id. They cannot be deleted until the transaction ends, so
 * that nothing comes to name one that is gone.
 */
export async function customPageTypes(
  tx: Tx,
  accountId: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await holdCustomPages(tx, accountId, ids);
  return new Map(rows.map(({ id, type }) => [id, type]));
}

/** A page is shown as it is, so a template is refused, and so are pages that have to do something. */
function refuseInvalid({ type, custom_html: html, contract_version: version = 0 }: Write['input']): void {
  const asked = [
    ...(type === 'login' || type === 'interstitial' ? [{ pointer: '/type', message: `"${type}"` }] : []),
    ...(version === 0 ? [] : [{ pointer: '/contract_version', message: 'templates' }]),
  ];
  if (asked.length > 0) throw invalidInput(asked, 'notSupported');
  if (Buffer.byteLength(html) <= MOST_HTML) return;
  throw invalidInput([{ pointer: '/custom_html', message: 'has more than 64 KB' }], 'invalidAccess');
}

async function refuseInUse(tx: Tx, row: CustomPageRow): Promise<void> {
  const { organization, applications } = await usersOfCustomPage(tx, row);
  const named = applications.map((name) => `application ${JSON.stringify(name)}`);
  const users = [...(organization ? ['the organization'] : []), ...named];
  if (users.length === 0) return;
  throw refusal('conflictAccess', { detail: `the custom page is in use by ${users.join(', ')}` });
}

function changed(row: CustomPageRow, what: 'create' | 'update' | 'delete'): Change<PresentedCustomPage> {
  return {
    result: presentCustomPage(row),
    items: [stateItem(row)],
    audit: {
      action: `custom_page.${what}`,
      resource: { type: 'custom_page', id: row.id },
      metadata: { name: row.name, type: row.type },
    },
  };
}

function stateItem({ id, type, custom_html: html }: CustomPageRow): FeedItem {
  const state: CustomPageState = { id, type, html };
  return { kind: 'custom_page', id, state: { ...state } as JsonObject };
}

function unknownCustomPage() {
  return refusal('notFoundAccess', { detail: 'custom page not found' });
}
