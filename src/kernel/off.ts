/**
 * Whether a setting is in the state that asks for nothing: absent, null, false, empty, or an object of such.
 * A client that sends a whole object back sends these too; only another value asks for something.
 */
export function isOff(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === '') return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === 'object' && Object.values(value).every(isOff);
}
