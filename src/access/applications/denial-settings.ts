import type { Static } from 'typebox';
import { invalidInput } from '../../kernel/errors.ts';
import { below, type Problem } from '../../kernel/result.ts';
import type { ApplicationInput as Contract } from './contract.ts';
import { type Destination, hostnameOf } from './destinations.ts';

/** What whoever is denied by an application is told, or where they are sent. Absent in rows of an earlier version. */
export interface DenialSettings {
  readonly custom_deny_message?: string | null;
  readonly custom_deny_url?: string | null;
  readonly custom_non_identity_deny_url?: string | null;
  /** By id. */
  readonly custom_pages?: readonly string[];
}

const URLS = ['custom_deny_url', 'custom_non_identity_deny_url'] as const;

/** Reads them from a body; 400 with pointers. Whether the account has the pages is asked elsewhere. */
export function readDenial(
  input: Static<typeof Contract>,
  destinations: readonly Destination[],
): DenialSettings {
  const problems = URLS.flatMap((name) => {
    const text = input[name];
    return text ? urlProblems(text, { pointer: below('', name), destinations }) : [];
  });
  if (problems.length > 0) throw invalidInput(problems, 'invalidAccess');
  return {
    custom_deny_message: input.custom_deny_message || null,
    custom_deny_url: input.custom_deny_url || null,
    custom_non_identity_deny_url: input.custom_non_identity_deny_url || null,
    custom_pages: [...new Set(input.custom_pages?.map((id) => id.toLowerCase()))],
  };
}

/** Those that say something, as the API answers them. */
export function presentDenial({ custom_pages: pages = [], ...texts }: DenialSettings) {
  return {
    ...(texts.custom_deny_message ? { custom_deny_message: texts.custom_deny_message } : {}),
    ...(texts.custom_deny_url ? { custom_deny_url: texts.custom_deny_url } : {}),
    ...(texts.custom_non_identity_deny_url
      ? { custom_non_identity_deny_url: texts.custom_non_identity_deny_url }
      : {}),
    ...(pages.length > 0 ? { custom_pages: [...pages] } : {}),
  };
}

const LOOPBACK = /^(?:127\.\d+\.\d+\.\d+|\[::1\]|(?:[^.]+\.)*localhost)$/;

function urlProblems(
  text: string,
  { pointer, destinations }: { pointer: string; destinations: readonly Destination[] },
): Problem[] {
  // A header is made of it, so it has to be one as it stands.
  const url = /^https?:\/\/[\x21-\x7e]+$/i.test(text) && URL.canParse(text) ? new URL(text) : null;
  const isSafe = url && (url.protocol === 'https:' || LOOPBACK.test(url.hostname));
  if (!isSafe || url.username || url.password) {
    return [{ pointer, message: 'must be an https URL without credentials (http is for loopback alone)' }];
  }
  if (!destinations.some((destination) => leadsTo(destination, url))) return [];
  return [{ pointer, message: 'leads back to the application, whose door is closed to those sent there' }];
}

function leadsTo({ host, path }: Destination, url: URL): boolean {
  const isHost = host === url.host || (host === hostnameOf(host) && host === url.hostname);
  return isHost && (url.pathname === path || url.pathname.startsWith(`${path}/`));
}
