import { fetchOutbound } from '../kernel/outbound.ts';
import { isObject } from '../kernel/result.ts';
import { type ProvenIdentity, shownName } from './proven-identity.ts';
import { invalidAnswer } from './refused.ts';
import { keepClaims } from './told-claims.ts';

type Person = Pick<ProvenIdentity, 'subject' | 'email' | 'emailVerified' | 'name' | 'claims'>;

/** Asks for one page of the API, below its root. */
type Ask = (path: string) => Promise<{ body: unknown; hasMore: boolean }>;

const TIMEOUT_MS = 20_000;
const PER_PAGE = 100;
/** More than what is kept of anybody. */
const MOST_PAGES = 5;

/**
 * Who the owner of the token is, as GitHub's API says: the number that stays when the login name changes, the primary
 * e-mail and whether it was verified, and every organization (`org`) and team (`org/team`), in lower case. Refuses a
 * sign-in rather than leave any of them out.
 */
export async function readGithubPerson(apiUrl: string, token: string): Promise<Person> {
  const ask = asking(apiUrl, token);
  const { body: user } = await ask('/user');
  if (!isObject(user) || !Number.isSafeInteger(user.id)) throw invalidAnswer('/user names nobody');
  const primary = (await askAll(ask, '/user/emails')).find(({ primary }) => primary === true);
  const organizations = (await askAll(ask, '/user/orgs')).map(({ login }) => nameOf(login));
  const teams = (await askAll(ask, '/user/teams')).map(({ organization, slug }) => {
    if (!isObject(organization)) throw invalidAnswer('a team of no organization');
    return `${nameOf(organization.login)}/${nameOf(slug)}`;
  });
  const email = primary?.email;
  return {
    subject: String(user.id),
    email: typeof email === 'string' ? email : null,
    emailVerified: primary?.verified === true,
    name: typeof user.name === 'string' ? shownName(user.name) : null,
    claims: keepClaims({ github_organizations: [...organizations, ...teams] }, ['github_organizations']),
  };
}

function asking(apiUrl: string, token: string): Ask {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const headers = {
    accept: 'application/vnd.github+json',
    authorization: `Bearer ${token}`,
    'user-agent': 'portcullis',
    'x-github-api-version': '2022-11-28',
  };
  return async (path) => {
    const answer = await fetchOutbound(apiUrl + path, { headers, signal });
    if (answer.status >= 500) throw new TypeError(`${path}: ${answer.status}`);
    if (answer.status !== 200) throw invalidAnswer(`${path}: ${answer.status}`);
    const body: unknown = await answer.json();
    return { body, hasMore: /;\s*rel="next"/.test(answer.headers.get('link') ?? '') };
  };
}

/** Every entry of a list, page by page. */
async function askAll(ask: Ask, path: string): Promise<Record<string, unknown>[]> {
  const all: Record<string, unknown>[] = [];
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const { body, hasMore } = await ask(
      `${path}?${new URLSearchParams({ per_page: `${PER_PAGE}`, page: `${page}` })}`,
    );
    if (!Array.isArray(body) || !body.every(isObject)) throw invalidAnswer(`${path} is no list`);
    all.push(...body);
    if (!hasMore) return all;
  }
  throw invalidAnswer(`${path} has too many pages`);
}

/** Names of organizations and slugs of teams are compared without their case; a slash would make one of the other. */
function nameOf(name: unknown): string {
  if (typeof name !== 'string' || !/^[\w.-]+$/.test(name)) throw invalidAnswer('a name that cannot be one');
  return name.toLowerCase();
}
