import { type Answer, json } from './answers.ts';
import { LogoutRefused } from './logout-token.ts';
import { KeysUnavailable } from './provider-keys.ts';
import { type AccessRequest, field } from './request.ts';
import type { SignIn } from './service.ts';

/** The largest form that holds a logout token, in bytes. */
export const LOGOUT_LIMIT = 16 * 1024;

/**
 * Where an OpenID provider says that it has ended a session (Back-Channel Logout §2.5). 200 when that is in force here,
 * also if there was nothing to end; 400 for a token that says nothing; 503 for what cannot be told now, so that the
 * provider tries again.
 */
export async function backchannelLogout(
  signIn: SignIn,
  request: AccessRequest,
  { providerId, onRefused }: { providerId: string; onRefused: (reason: string) => void },
): Promise<Answer> {
  const token = field(request, 'logout_token');
  try {
    if (!token) throw new LogoutRefused('logout_token must come exactly once');
    const { team, ip, requestId } = request;
    await signIn.providerLogouts.take(team, { providerId, token, ip, requestId });
    return { status: 200, headers: {}, body: '' };
  } catch (error) {
    if (!(error instanceof LogoutRefused || error instanceof KeysUnavailable)) throw error;
    onRefused(error.message);
    if (error instanceof LogoutRefused) return problem(400, 'invalid_request', error.message);
    return problem(503, 'temporarily_unavailable', 'the keys of the provider cannot be read now');
  }
}

function problem(status: number, error: string, message: string): Answer {
  return json(status, { error, error_description: message.slice(0, 200) });
}
