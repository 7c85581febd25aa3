import { setTimeout as pause } from 'node:timers/promises';
import type { ClusterNode, Estate, EstateCall } from './estate.ts';
import type { Attempt, History, RemovalEvent } from './history.ts';
import type { SignedIn } from './people.ts';
import { emailOf } from './provider.ts';
import type { Random } from './random.ts';

/** Names of what credentials hang on. */
export const rootOf = {
  person: (person: string) => `person ${person}`,
  serviceToken: (id: string) => `service token ${id}`,
  application: (id: string) => `application ${id}`,
  provider: (id: string) => `provider ${id}`,
  apiToken: (id: string) => `API token ${id}`,
};

/** A removal to be called. */
export interface Removal extends Pick<RemovalEvent, 'what' | 'subject' | 'root'> {
  readonly call: Pick<EstateCall, 'method' | 'path' | 'body'>;
  /** Whether a 404 says that it is gone already. */
  readonly isGoneBy404: boolean;
}

type Who = Pick<SignedIn, 'userId' | 'person'>;

export function deleteUser({ userId, person }: Who): Removal {
  return {
    what: 'delete user',
    subject: { type: 'user', id: userId },
    root: rootOf.person(person),
    call: { method: 'DELETE', path: `/access/users/${userId}` },
    isGoneBy404: true,
  };
}

export function revokeUser({ userId, person }: Who): Removal {
  return {
    what: 'revoke user',
    subject: { type: 'user', id: userId },
    root: rootOf.person(person),
    call: {
      method: 'POST',
      path: '/access/organizations/revoke_user',
      body: { email: emailOf(person) },
    },
    isGoneBy404: false,
  };
}

export function deleteServiceToken(id: string): Removal {
  return {
    what: 'delete service token',
    subject: { type: 'service_token', id },
    root: rootOf.serviceToken(id),
    call: { method: 'DELETE', path: `/access/service_tokens/${id}` },
    isGoneBy404: true,
  };
}

export function revokeApplication(id: string): Removal {
  return {
    what: 'revoke application tokens',
    subject: { type: 'application', id },
    root: rootOf.application(id),
    call: { method: 'POST', path: `/access/apps/${id}/revoke_tokens` },
    isGoneBy404: false,
  };
}

/** Of a token of the API: what it may do ends. */
export function deleteApiToken(id: string): Removal {
  return {
    what: 'delete API token',
    subject: { type: 'token', id },
    root: rootOf.apiToken(id),
    call: { method: 'DELETE', path: `/tokens/${id}` },
    isGoneBy404: true,
  };
}

/** Points a provider elsewhere: whoever came through it is somebody else's to vouch for. */
export function repointProvider(id: string, body: object): Removal {
  return {
    what: 're-point provider',
    subject: { type: 'provider', id },
    root: rootOf.provider(id),
    call: { method: 'PUT', path: `/access/identity_providers/${id}`, body },
    isGoneBy404: false,
  };
}

/** About half a minute, where it is answered at once that it cannot be done now. */
const MOST_ATTEMPTS = 32;

/**
 * Calls it on a node, and again on others while no answer comes or one that asks for a retry, as the SDK does. Tells
 * the history, and resolves with the event.
 */
export async function callRemoval(
  estate: Estate,
  history: History,
  { removal, random, first }: { removal: Removal; random: Random; first?: ClusterNode },
): Promise<RemovalEvent> {
  const attempts: Attempt[] = [];
  const call = history.now();
  let status = 0;
  let returned: number | null = null;
  let node = first ?? random.pick(estate.nodes);
  for (let retry = 0; retry < MOST_ATTEMPTS && returned === null; retry += 1) {
    const begin = history.now();
    status = await attempt(estate, node, { ...removal.call, retry });
    attempts.push({ node: node.name, begin, end: history.now(), status });
    if (isOver(removal, status)) returned = history.now();
    else if (status !== 0 && status < 500 && status !== 409 && status !== 429) break;
    else await pause(Math.min(100 * 2 ** retry, 1000));
    node = random.pick(estate.nodes);
  }
  const { what, subject, root } = removal;
  const id = history.events.length;
  const event = { kind: 'removal', id, what, subject, root, call, returned, status, attempts } as const;
  history.add(event);
  return event;
}

/** Longer than any removal may take: what is not answered by then has to be asked again. */
async function attempt(estate: Estate, node: ClusterNode, call: EstateCall): Promise<number> {
  const timeout = estate.options.lease * 1200 + 4000;
  try {
    return (await estate.api(node, { ...call, timeout })).status;
  } catch {
    return 0;
  }
}

function isOver({ isGoneBy404 }: Removal, status: number): boolean {
  return (status >= 200 && status < 300) || (isGoneBy404 && status === 404);
}
