import type { Static } from 'typebox';
import type { Reader, Tx } from '../../database/database.ts';
import type { KeyedList } from '../../database/paging.ts';
import type { AccessTagRow } from '../../database/tables.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { newUuid } from '../../kernel/ids.ts';
import type { Problem } from '../../kernel/result.ts';
import type { Change } from '../../removal/act.ts';
import type { Tag, TagInput } from './contract.ts';
import {
  applicationsWithTag,
  type CountedTag,
  countApplications,
  countTags,
  deleteTagRow,
  findTag,
  holdTags,
  insertTag,
  listApplicationTags,
  listTags,
  lockTag,
  putApplicationTags,
  updateTagRow,
} from './store.ts';

export type PresentedTag = Static<typeof Tag>;

interface Write {
  readonly accountId: string;
  readonly input: Static<typeof TagInput>;
  readonly now: string;
}

const MOST_TAGS = 1000;

export function presentTag({ name, app_count, created_at, updated_at }: CountedTag): PresentedTag {
  return { name, app_count, created_at, updated_at };
}

export async function getTag(reader: Reader, accountId: string, name: string): Promise<PresentedTag> {
  const row = await findTag(reader, accountId, name.normalize('NFC'));
  if (!row) throw unknownTag();
  return presentTag(await counted(reader, row));
}

/** The tags of an account, oldest first, as a list to be paged. */
export function tagList(reader: Reader, accountId: string): KeyedList<CountedTag> {
  return {
    fetch: (start) => listTags(reader, accountId, start),
    keyOf: (row) => [row.created_at, row.id],
    total: () => countTags(reader, accountId),
  };
}

/** A new tag; the database refuses a name that the account has already. */
export async function createTag(tx: Tx, { accountId, input, now }: Write): Promise<Change<PresentedTag>> {
  const name = readName(input.name);
  if ((await countTags(tx, accountId)) >= MOST_TAGS) {
    throw refusal('conflictAccess', { detail: `an account has at most ${MOST_TAGS} tags` });
  }
  const row = { id: newUuid(), account_id: accountId, name, created_at: now, updated_at: now };
  await insertTag(tx, row);
  return { result: presentTag({ ...row, app_count: 0 }), audit: auditOf(row, 'create') };
}

/** Another name; the applications that have the tag keep it. */
export async function renameTag(
  tx: Tx,
  { accountId, name, input, now }: Write & { name: string },
): Promise<Change<PresentedTag>> {
  const row = await lockTag(tx, accountId, name.normalize('NFC'));
  if (!row) throw unknownTag();
  const change = { name: readName(input.name), updated_at: now };
  await updateTagRow(tx, row, change);
  const after = { ...row, ...change };
  return { result: presentTag(await counted(tx, after)), audit: auditOf(after, 'update') };
}

/** A tag that applications have is not deleted: they would lose it without having been asked. */
export async function deleteTag(
  tx: Tx,
  { accountId, name }: { accountId: string; name: string },
): Promise<Change<{ name: string }>> {
  const row = await lockTag(tx, accountId, name.normalize('NFC'));
  if (!row) throw unknownTag();
  const holders = await applicationsWithTag(tx, row);
  if (holders.length > 0) {
    const named = holders.map((holder) => `application ${JSON.stringify(holder)}`).join(', ');
    throw refusal('conflictAccess', { detail: `the tag is in use by ${named}` });
  }
  await deleteTagRow(tx, row);
  return { result: { name: row.name }, audit: auditOf(row, 'delete') };
}

/** The tags of each application that has some, in the order in which it was given them; of all, or of one. */
export async function tagsOfApplications(
  reader: Reader,
  accountId: string,
  applicationId?: string,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const rows = await listApplicationTags(reader, accountId, applicationId);
  const grouped = Map.groupBy(rows, (row) => row.application_id);
  return new Map([...grouped].map(([id, tags]) => [id, tags.map(({ name }) => name)]));
}

/** Gives an application these tags and no others; 400 with a pointer to each that the account does not have. */
export async function putTags(
  tx: Tx,
  application: { account_id: string; id: string },
  names: readonly string[],
): Promise<void> {
  const known = await holdTags(tx, application.account_id, names);
  const ids = new Map(known.map(({ name, id }) => [name, id]));
  const problems = names.flatMap((name, index): Problem[] =>
    ids.has(name) ? [] : [{ pointer: `/tags/${index}`, message: 'tags contain a tag that does not exist' }],
  );
  if (problems.length > 0) throw invalidInput(problems.slice(0, 20), 'invalidAccess');
  const wanted = names.flatMap((name) => ids.get(name) ?? []);
  await putApplicationTags(tx, application, wanted);
}

/** A name stands in a path, so what a path cannot hold is refused. */
function readName(text: string): string {
  const name = text.normalize('NFC');
  const problem =
    name !== name.trim() || name === ''
      ? 'must not begin or end with a space'
      : /\p{Cc}|\p{Cs}/u.test(name)
        ? 'must not have control characters'
        : name === '.' || name === '..'
          ? 'cannot stand in a path'
          : null;
  if (problem !== null) throw invalidInput([{ pointer: '/name', message: problem }], 'invalidAccess');
  return name;
}

async function counted(reader: Reader, row: AccessTagRow): Promise<CountedTag> {
  return { ...row, app_count: (await countApplications(reader, [row.id])).get(row.id) ?? 0 };
}

function auditOf({ id, name }: AccessTagRow, what: 'create' | 'update' | 'delete') {
  return { action: `access_tag.${what}`, resource: { type: 'access_tag', id }, metadata: { name } };
}

function unknownTag() {
  return refusal('notFoundAccess', { detail: 'tag not found' });
}
