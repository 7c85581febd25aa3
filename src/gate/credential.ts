import { sha256 } from '../kernel/crypto.ts';
import { BINDING_COOKIE, onlyCookie, SESSION_COOKIE } from '../protocol/cookies.ts';
import type { ApplicationState } from '../protocol/state.ts';
import type { Credential, Refusal } from './decide.ts';
import { acceptsDevices } from './device.ts';
import type { Question } from './question.ts';
import type { Destination } from './state.ts';

/** What came as a credential, not yet looked at: a token in compact form, or a service token's two parts. */
export type Presented =
  | { readonly kind: 'token'; readonly token: string; readonly binding: string | null }
  | Extract<Credential, { kind: 'service_token' }>
  /** Nothing but the proof of a device, where the application lets that be enough. */
  | { readonly kind: 'device' };

const LONGEST_SERVICE_HEADER = 1024;

/**
 * Exactly one credential (design §5): the cookie, the header that programs send a token in, the two headers of a
 * service token, or the one header that this application reads a service token from. Without any of them the proof of a
 * device is one, where organization and application say so; beside one it only tells what the request comes from.
 */
export function presentedCredential(question: Question, destination: Destination): Presented | Refusal {
  const { application } = destination;
  const tokens = sentTokens(question);
  const services = sentServices(question, application);
  // Signing in would add another one, and send the browser round in circles.
  if (tokens.length + services.length > 1) return { verdict: 'deny', reason: 'several_credentials' };
  const [token] = tokens;
  const [service] = services;
  if (token) return { kind: 'token', token, binding: bindingOf(question) };
  if (service) return readService(service);
  if (question.device !== null && acceptsDevices(destination)) return { kind: 'device' };
  return { verdict: 'sign_in', reason: 'no_credential' };
}

/** Whether whoever asks does so with a service token, right or wrong, and nothing else. */
export function bringsServiceToken(question: Question, application: ApplicationState): boolean {
  return sentServices(question, application).length > 0 && sentTokens(question).length === 0;
}

function sentTokens({ cookies, accessToken }: Question): string[] {
  return [...(cookies.get(SESSION_COOKIE) ?? []), ...(accessToken === null ? [] : [accessToken])];
}

function sentServices(question: Question, application: ApplicationState): SentServiceToken[] {
  const inHeader = singleHeaderToken(question, application);
  return [question.serviceToken, inHeader].filter((sent) => sent !== null);
}

/** The two parts of a service token as they came; null where a part is missing. */
export interface SentServiceToken {
  readonly clientId: string | null;
  readonly secret: string | null;
}

function readService({ clientId, secret }: SentServiceToken): Presented | Refusal {
  if (!clientId || !secret) return { verdict: 'sign_in', reason: 'credential_invalid' };
  return { kind: 'service_token', clientId, secretHash: sha256(secret) };
}

/** `{"cf-access-client-id": …, "cf-access-client-secret": …}` (reference §5); anything else there is not ours. */
function singleHeaderToken(
  { header }: Question,
  { service_token_header: name }: ApplicationState,
): SentServiceToken | null {
  const text = name === null ? null : header(name);
  if (!text?.trimStart().startsWith('{') || text.length > LONGEST_SERVICE_HEADER) return null;
  const parts = parseObject(text);
  if (!parts) return null;
  const clientId = textAt(parts, 'cf-access-client-id');
  const secret = textAt(parts, 'cf-access-client-secret');
  return clientId === null && secret === null ? null : { clientId, secret };
}

function parseObject(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

function textAt(value: object, key: string): string | null {
  const found: unknown = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : null;
  return typeof found === 'string' ? found : null;
}

function bindingOf({ cookies }: Question): string | null {
  const value = onlyCookie(cookies, BINDING_COOKIE);
  return value === null ? null : sha256(value);
}
