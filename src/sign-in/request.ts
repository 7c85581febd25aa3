import type { Cookies } from '../protocol/cookies.ts';
import type { Team } from './directory.ts';

/** A request below /cdn-cgi/access, on the team domain or on an application's host, whoever brought it here. */
export interface AccessRequest {
  readonly team: Team;
  /** Path and query as the client sent them, beginning with one slash. */
  readonly target: string;
  readonly cookies: Cookies;
  /** Whether a page of another site sent the browser here, as far as the browser says. */
  readonly crossSite: boolean;
  /** Whether a page of this very origin sent it, as the browser must say; false on the host of an application. */
  readonly sameOrigin?: boolean;
  readonly ip: string;
  readonly requestId: string;
  /** What was posted as a form, if anything was; nothing on the host of an application. */
  readonly form?: URLSearchParams;
}

export const PREFIX = '/cdn-cgi/access';

/** The query of the target, without its question mark. */
export function queryOf({ target }: AccessRequest): string {
  const mark = target.indexOf('?');
  return mark < 0 ? '' : target.slice(mark + 1);
}

/** The value of a parameter that came exactly once. */
export function parameter(request: AccessRequest, name: string): string | null {
  const values = new URLSearchParams(queryOf(request)).getAll(name);
  return values.length === 1 ? (values[0] ?? null) : null;
}

/** The value of a field of the form that came exactly once. */
export function field({ form }: AccessRequest, name: string): string | null {
  const values = form?.getAll(name) ?? [];
  return values.length === 1 ? (values[0] ?? null) : null;
}
