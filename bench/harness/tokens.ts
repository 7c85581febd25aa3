import { readFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { createVault } from '../../src/kernel/crypto.ts';
import { openKey, signWith } from '../../test/support/forge.ts';
import type { Estate } from './estate.ts';
import { type Names, namesOf, renamer } from './seed.ts';

/**
 * Application tokens of the first copies of an estate's template person: its own token with other names in it,
 * signed with the key that signed it. `aud` makes them for another application of the estate.
 */
export function signTokens(
  estate: Estate,
  { template, count, aud }: { template: Names; count: number; aud?: string },
): string[] {
  const header = decodeProtectedHeader(estate.token);
  const claims = { ...decodeJwt(estate.token), ...(aud === undefined ? {} : { aud: [aud] }) };
  const rename = renamer(JSON.stringify(claims), template);
  const key = openSigningKey(estate, String(header.kid));
  return Array.from({ length: count }, (_, at) => {
    const renamed = JSON.parse(String(rename(namesOf(at + 1))));
    return signWith(key, renamed, { ...header });
  });
}

function openSigningKey({ data }: Estate, kid: string) {
  using database = new DatabaseSync(path.join(data, 'portcullis.db'), { readOnly: true });
  const row = database.prepare('select private_jwk from signing_keys where id = ?').get(kid);
  const vault = createVault(Buffer.from(readFileSync(path.join(data, 'master.key'), 'utf8').trim(), 'hex'));
  return openKey(JSON.parse(vault.open(`signing_keys/${kid}`, String(row?.private_jwk))));
}
