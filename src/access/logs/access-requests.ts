import { setImmediate } from 'node:timers/promises';
import type { Static } from 'typebox';
import type { Reader } from '../../database/database.ts';
import type { KeyedList, Start } from '../../database/paging.ts';
import type { AccessRequestRow } from '../../database/tables.ts';
import { parseTimestamp, timestamp } from '../../kernel/clock.ts';
import { normaliseEmail } from '../../kernel/email.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { AccessRequest, type AccessRequestQuery } from './contract.ts';
import {
  type Condition,
  type EmailPart,
  findStepEnd,
  type Key,
  listRequests,
  type RequestFilter,
  type RequestQuestion,
} from './store.ts';

/** A line as the API answers it: Cloudflare's keys, then ours. All are always there; what is not known is null. */
export function presentRequest(row: AccessRequestRow) {
  return {
    action: row.action,
    allowed: row.verdict === 'allow',
    app_domain: row.host,
    app_uid: row.application_id,
    connection: row.connection,
    created_at: row.at,
    ip_address: row.ip,
    ray_id: row.request_id,
    user_email: row.email,
    verdict: row.verdict,
    reason: row.reason,
    method: row.method,
    via: row.via,
    count: row.count,
    idp: row.provider_id,
    user_id: row.user_id,
    service_token_id: row.service_token_id,
    registration_id: row.registration_id,
  };
}

type PresentedRequest = ReturnType<typeof presentRequest>;

/** How lines are presented when these fields are asked for; all of them if none is named. */
export function readFields(fields?: string): (row: AccessRequestRow) => Partial<PresentedRequest> {
  if (fields === undefined) return presentRequest;
  const names = new Set(fields.split(',').map((name) => name.trim()));
  const unknown = [...names].find((name) => !Object.hasOwn(AccessRequest.properties, name));
  if (unknown !== undefined) throw invalid('fields', `has no field ${JSON.stringify(unknown)}`);
  return (row) => Object.fromEntries(Object.entries(presentRequest(row)).filter(([name]) => names.has(name)));
}

export type AccessRequestQuestion = Static<typeof AccessRequestQuery>;

const USUAL_SIZE = 25;

/** `limit` and `per_page` both say how many lines one answer has; of two the smaller counts. */
export function pageSize({ limit, per_page: perPage }: AccessRequestQuestion): number {
  return Math.min(limit ?? perPage ?? USUAL_SIZE, perPage ?? limit ?? USUAL_SIZE);
}

/** The request log of an account as a list to be paged, newest first unless told otherwise; it is not counted. */
export function accessRequestList(
  reader: Reader,
  accountId: string,
  query: AccessRequestQuestion,
): KeyedList<AccessRequestRow> {
  refuseUnsupported(query);
  const filter = filterOf(query);
  const question = { accountId, filter, direction: query.direction ?? 'desc' };
  return {
    fetch: (start) =>
      isIndexed(filter) ? listRequests(reader, question, { start }) : search(reader, question, start),
    keyOf: ({ at, id }) => [at, id],
    total: async () => null,
  };
}

function refuseUnsupported({ country_code: country, app_type: type }: AccessRequestQuestion): void {
  if (country !== undefined) {
    throw refusal('notSupported', { detail: 'lines have no country', pointer: '/query/country_code' });
  }
  if (type !== undefined) {
    throw refusal('notSupported', {
      detail: 'lines have no type of application',
      pointer: '/query/app_type',
    });
  }
}

function filterOf(query: AccessRequestQuestion): RequestFilter {
  const { since, until, non_identity: isServiceToken } = query;
  const part = emailPart(query);
  return {
    ...(since === undefined ? {} : { since: readTime(since, 'since') }),
    ...(until === undefined ? {} : { until: readTime(until, 'until') }),
    ...(part === null ? {} : { emailPart: part }),
    ...(isServiceToken === undefined
      ? {}
      : { isServiceToken: isServiceToken === (query.non_identityOp !== 'neq') }),
    conditions: conditionsOf(query),
  };
}

function conditionsOf(query: AccessRequestQuestion): Condition[] {
  const verdict = { column: 'verdict', value: 'allow' } as const;
  const isDenied = query.allowed === (query.allowedOp === 'neq');
  const of = (
    column: Condition['column'],
    value: string | undefined,
    operator?: 'eq' | 'neq',
  ): Condition[] => (value === undefined ? [] : [{ column, value, isExcluded: operator === 'neq' }]);
  return [
    ...(query.allowed === undefined ? [] : [{ ...verdict, isExcluded: isDenied }]),
    ...of('application_id', query.app_uid, query.app_uidOp),
    ...of('provider_id', query.idp, query.idpOp),
    ...of('request_id', query.ray_id, query.ray_idOp),
    ...of('email', exactEmail(query), query.emailOp === 'neq' ? 'neq' : 'eq'),
  ];
}

/** `email_exact` outweighs the operator, which then only says whether the e-mail is wanted or left out. */
function isExact({ email_exact: exact, emailOp }: AccessRequestQuestion): boolean {
  return exact === true || emailOp === 'eq';
}

function exactEmail(query: AccessRequestQuestion): string | undefined {
  const { email } = query;
  return email === undefined || !isExact(query) ? undefined : (normaliseEmail(email) ?? email);
}

function emailPart(query: AccessRequestQuestion): EmailPart | null {
  const { email, emailOp } = query;
  return email === undefined || isExact(query) ? null : { text: email, isExcluded: emailOp === 'neq' };
}

function readTime(text: string, name: 'since' | 'until'): string {
  const milliseconds = parseTimestamp(text);
  if (milliseconds === null) throw invalid(name, 'is not an RFC 3339 time');
  return timestamp(milliseconds);
}

function invalid(name: string, message: string) {
  return invalidInput([{ pointer: `/query/${name}`, message }], 'invalidAccess');
}

/** Whether an index leads to the lines, so that none has to be looked at that is not wanted. */
function isIndexed({ conditions, emailPart, isServiceToken }: RequestFilter): boolean {
  if (emailPart || isServiceToken !== undefined) return false;
  const [only, ...more] = conditions;
  if (!only) return true;
  return more.length === 0 && !only.isExcluded && (only.column === 'email' || only.column === 'request_id');
}

/** How many lines are looked through at a time: a few milliseconds, after which others have their turn. */
const STEP = 2000;

/**
 * Looks through the lines in steps, as far as it takes to find what was asked for. They are as many as the log
 * keeps; SQLite would hold everybody up if it went through them at once.
 */
async function search(reader: Reader, question: RequestQuestion, start: Start): Promise<AccessRequestRow[]> {
  const found: AccessRequestRow[] = [];
  let after = start.after as Key | null;
  let skip = start.offset;
  for (;;) {
    const last = await findStepEnd(reader, question, { after, lines: STEP });
    const most = Math.min(STEP, skip + start.limit - found.length);
    const within = { start: { after, offset: 0, limit: most }, ...(last ? { last } : {}) };
    const rows = await listRequests(reader, question, within);
    found.push(...rows.slice(skip));
    skip = Math.max(0, skip - rows.length);
    if (!last || found.length >= start.limit) return found;
    after = last;
    await setImmediate();
  }
}
