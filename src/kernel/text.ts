/**
 * The form in which names are compared and searched: two texts that differ in case alone have the same one.
 * Made here and never by a database, since they fold differently. Idempotent.
 */
export function foldCase(text: string): string {
  // A sigma has a form of its own at the end of a word, and a part of a word does not know where that is.
  const lower = text.normalize('NFC').toLowerCase().replaceAll('ς', 'σ');
  // What has no composed form in upper case may have one in lower case.
  return lower.normalize('NFC');
}
