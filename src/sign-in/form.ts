import { SignInRefused } from './refused.ts';
import type { AccessRequest } from './request.ts';

/**
 * The fields of a form that was posted, each of these names and at most once, without control characters. Refuses one
 * that no page of this very origin posted (`form_invalid`). What ties it to this browser is not asked here.
 */
export function readForm(
  { sameOrigin, form = new URLSearchParams() }: AccessRequest,
  names: readonly string[],
): ReadonlyMap<string, string> {
  const fields = new Map(form);
  const isPlain = [...form].every(([name, value]) => names.includes(name) && !NOT_TYPED.test(value));
  if (!sameOrigin || !isPlain || fields.size !== form.size) throw new SignInRefused('form_invalid');
  return fields;
}

/** Controls, lone surrogates, and what stands where bytes were no UTF-8. */
const NOT_TYPED = /[\p{Cc}\p{Cs}\ufffd]/u;
