import { foldCase } from '../../kernel/text.ts';

/**
 * The key under which an e-mail is blocked, of one of `normaliseEmail`: spellings of the local part that look alike,
 * or that mail systems take for one, have the same. Coarser than who is who, since refusing too many is the safe side.
 */
export function blockKey(emailKey: string): string {
  const at = emailKey.lastIndexOf('@');
  return foldLocal(emailKey.slice(0, at)) + emailKey.slice(at);
}

/** The block keys that keep an e-mail out, always two: its own, and that without its `+tag`. */
export function blockKeysOf(emailKey: string): readonly [string, string] {
  const key = blockKey(emailKey);
  const at = key.lastIndexOf('@');
  const [untagged = ''] = key.slice(0, at).split('+');
  return [key, untagged === '' ? key : untagged + key.slice(at)];
}

function foldLocal(local: string): string {
  const shown = local.normalize('NFKC').replaceAll(/\p{Default_Ignorable_Code_Point}/gu, '');
  return foldCase(shown).normalize('NFKC');
}
