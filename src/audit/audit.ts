import type { ActRequest } from '../database/act.ts';
import type { Tx } from '../database/database.ts';
import type { Actor } from '../kernel/actor.ts';
import { newTag } from '../kernel/ids.ts';
import type { JsonObject } from '../kernel/json.ts';
import type { Rev } from '../protocol/rev.ts';
import { insertEntry } from './store.ts';

/** What an act did, for the audit log: never a secret, never a whole credential. */
export interface AuditFacts {
  /** `<noun>.<verb>`, for example `user.delete`. */
  readonly action: string;
  readonly resource: { readonly type: string; readonly id: string };
  readonly metadata?: JsonObject;
}

/** Writes the audit entry of an act, in the act's own transaction: no audit, no act (design §4.1). */
export async function recordAudit(
  tx: Tx,
  entry: { accountId: string; at: Rev; now: string; actor: Actor; facts: AuditFacts; request?: ActRequest },
): Promise<void> {
  const { accountId, at, now, actor, facts, request } = entry;
  await insertEntry(tx, {
    id: newTag(),
    account_id: accountId,
    position: at.position,
    at: now,
    action: facts.action,
    result: 'success',
    actor_id: actor.id,
    actor_email: actor.email,
    actor_type: actor.type,
    actor_ip: actor.ip,
    actor_token_id: actor.tokenId,
    resource_type: facts.resource.type,
    resource_id: facts.resource.id,
    request_id: actor.requestId,
    interface: actor.interface,
    metadata: JSON.stringify(facts.metadata ?? {}),
    actor_token_name: actor.tokenName ?? null,
    method: request?.method ?? null,
    uri: request?.uri ?? null,
    status_code: request?.status ?? null,
    user_agent: request?.userAgent ?? null,
    zone_id: request?.zone?.id ?? null,
    zone_name: request?.zone?.name ?? null,
  });
}
