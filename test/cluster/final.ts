import type { Final } from './checker.ts';
import type { Estate } from './estate.ts';

/** Reads, when all is over, what the primary of the database says. */
export async function readFinal({ database, accountId }: Estate): Promise<Final> {
  const rows = <T extends object>(text: string) => database.query<T>(text, [accountId]);
  const [head] = await rows<{ epoch: string; position: string }>(
    'SELECT epoch, position FROM feed_heads WHERE account_id = $1',
  );
  const audit = await rows<{ position: string; action: string; resource_id: string; actor_token_id: string }>(
    'SELECT position, action, resource_id, actor_token_id FROM audit_entries WHERE account_id = $1',
  );
  const revocations = await rows<{ position: string; subject_type: string; subject_id: string }>(
    `SELECT position, subject_type, subject_id FROM feed_entries WHERE account_id = $1 AND kind = 'revocation'`,
  );
  const sessions = await rows<{ user_id: string; position: string }>(
    'SELECT user_id, position FROM sessions WHERE account_id = $1',
  );
  return {
    head: { epoch: Number(head?.epoch), position: Number(head?.position) },
    audit: audit.map((row) => ({
      position: Number(row.position),
      action: row.action,
      resourceId: row.resource_id,
      tokenId: row.actor_token_id,
    })),
    revocations: revocations.map((row) => ({
      position: Number(row.position),
      type: row.subject_type,
      id: row.subject_id,
    })),
    living: new Set([
      ...(await ids(rows, 'users')),
      ...(await ids(rows, 'service_tokens')),
      ...(await ids(rows, 'api_tokens')),
    ]),
    sessions: sessions.map((row) => ({ userId: row.user_id, position: Number(row.position) })),
  };
}

type Rows = <T extends object>(text: string) => Promise<T[]>;

async function ids(rows: Rows, table: string): Promise<string[]> {
  return (await rows<{ id: string }>(`SELECT id FROM ${table} WHERE account_id = $1`)).map(({ id }) => id);
}
