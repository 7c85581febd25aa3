import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { testVault } from '../access/keys/keys.ts';
import type { Reader } from '../database/database.ts';
import { createVault, randomHex, type Vault } from '../kernel/crypto.ts';
import { writeFirst } from './private-file.ts';
import { StartError } from './start-error.ts';

/**
 * The vault over the master key: read from its file, or made at the first start. A database that holds sealed
 * rows but has no key, or another one, is refused: a new key would make them unreadable for good.
 */
export async function openVault(
  file: string,
  { reader, isNew }: { reader: Reader; isNew: boolean },
): Promise<Vault> {
  if (!existsSync(file)) {
    if (!isNew)
      throw new StartError(`the master key ${file} is missing, and the database was sealed with it`);
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    writeFirst(file, `${randomHex(32)}\n`);
  }
  const vault = createVault(readKey(file));
  try {
    await testVault(reader, vault);
  } catch (error) {
    throw new StartError(
      `the master key ${file} is not the one that the database was sealed with; every node needs the same`,
      { cause: error },
    );
  }
  return vault;
}

function readKey(file: string): Buffer {
  const text = readFileSync(file, 'utf8').trim();
  if (!/^[0-9a-f]{64}$/.test(text)) throw new StartError(`the master key ${file} must be 64 hex characters`);
  if ((statSync(file).mode & 0o077) !== 0)
    throw new StartError(`the master key ${file} can be read by others: chmod 600 it`);
  return Buffer.from(text, 'hex');
}
