import type { Answer } from './answers.ts';
import { SignInRefused } from './refused.ts';
import { type AccessRequest, field } from './request.ts';
import { samlMetadata } from './saml-metadata.ts';
import type { SignIn } from './service.ts';

/** The largest form that a SAML provider may post, in bytes. */
export const POSTED_LIMIT = 256 * 1024;

/**
 * The assertion consumer service: keeps the response and sends the browser on to the callback, by GET, since our cookie
 * goes along with that and not with a POST of another site. Whoever posts is not signed in by it.
 */
export async function takePosted(signIn: SignIn, request: AccessRequest): Promise<Answer> {
  const [response, state] = [field(request, 'SAMLResponse'), field(request, 'RelayState')];
  if (!response || !state || !STATE.test(state)) throw new SignInRefused('state_unknown');
  await signIn.keepPosted(request.team, { response, state });
  const location = `${signIn.callbackUrlOf(request.team)}?${new URLSearchParams({ state })}`;
  return { status: 303, headers: { location }, body: '' };
}

const STATE = /^[\w-]{43}$/;

/** Our side of a SAML federation, for whoever sets the provider up. */
export async function showSamlMetadata(signIn: SignIn, { team }: AccessRequest): Promise<Answer> {
  return samlMetadata(signIn.callbackUrlOf(team));
}
