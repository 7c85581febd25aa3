import { words } from '../kernel/words.ts';
import { SESSION_COOKIE } from '../protocol/cookies.ts';
import { lookOf } from '../protocol/denial.ts';
import type { SessionState } from '../protocol/state.ts';
import { type Answer, html, htmlWithForms, redirect } from './answers.ts';
import { askCodePage, askPage, DEVICE_PATH, signInAgainPage } from './device-pages.ts';
import { type ApprovalReason, ApprovalRefused } from './device-refused.ts';
import { readForm } from './form.ts';
import { currentSession, signInFirst } from './login.ts';
import { saidPage } from './pages.ts';
import { type AccessRequest, parameter } from './request.ts';
import type { SignIn } from './service.ts';
import { readUserCode, showUserCode } from './user-code.ts';

const said = words.device;

interface Parts {
  readonly signIn: SignIn;
  /** Told of every refusal, with the reason. */
  readonly onRefused: (reason: ApprovalReason, requestId: string) => void;
}

/**
 * Where a person says yes or no to a device (RFC 8628 §3.3): whoever has no session signs in first and comes back, the
 * code is asked for where the link has none, and then the device is shown.
 */
export async function devicePage(parts: Parts, request: AccessRequest): Promise<Answer> {
  const { signIn } = parts;
  const session = await currentSession(signIn, request);
  const given = parameter(request, 'user_code');
  const userCode = given === null ? null : readUserCode(given);
  const wantsAgain = parameter(request, 'again') !== null;
  if (!session || wantsAgain) {
    const fresh = wantsAgain || request.cookies.has(SESSION_COOKIE);
    return await signInFirst(signIn, request, { returnTo: addressOf(userCode), fresh });
  }
  if (userCode === null) return askCode(request, given === null ? null : said.noCode);
  return await orRefused(parts, { request, userCode }, () => ask(signIn, request, { session, userCode }));
}

/** What its forms post: a code that was typed, or the answer to the device. */
export async function devicePosted(parts: Parts, request: AccessRequest): Promise<Answer> {
  const { signIn } = parts;
  const form = readForm(request, ['code', 'token', 'decision']);
  const userCode = readUserCode(form.get('code') ?? '');
  const session = await currentSession(signIn, request);
  if (!session) return seeOther(addressOf(userCode));
  if (userCode === null) return askCode(request, said.noCode);
  const decision = form.get('decision');
  if (decision === undefined) return seeOther(addressOf(userCode));
  return await orRefused(parts, { request, userCode }, async () => {
    const token = form.get('token') ?? '';
    if (!signIn.devices.isFormToken(request.team, { session, userCode, token }))
      throw new ApprovalRefused('form_invalid');
    return await answer(signIn, request, { session, userCode, decision });
  });
}

async function ask(
  signIn: SignIn,
  request: AccessRequest,
  { session, userCode }: { session: SessionState; userCode: string },
): Promise<Answer> {
  const { team, ip } = request;
  const device = await signIn.devices.find(team, { session, userCode, ip });
  const formToken = signIn.devices.formToken(team, session, userCode);
  return htmlWithForms(200, askPage(team.organization, { device, email: session.email, formToken }));
}

async function answer(
  signIn: SignIn,
  request: AccessRequest,
  { session, userCode, decision }: { session: SessionState; userCode: string; decision: string },
): Promise<Answer> {
  const { team, ip } = request;
  const answering = { session, userCode, ip };
  if (decision === 'enrol') {
    const { name, isNew } = await signIn.devices.approve(team, answering);
    return tell(request, 200, isNew ? said.enrolled : said.signedIn, said.enrolledAbout(name));
  }
  if (decision !== 'refuse') throw new ApprovalRefused('form_invalid');
  const { name } = await signIn.devices.refuse(team, answering);
  return tell(request, 200, said.refused, said.refusedAbout(name));
}

const TOLD: Readonly<Record<Exclude<ApprovalReason, Asked>, readonly [status: number, text: string]>> = {
  form_invalid: [403, said.forged],
  device_of_another: [403, said.ofAnother],
  device_revoked: [403, said.revoked],
  too_many_devices: [403, said.tooMany],
  seat_limit: [403, said.noSeat],
};

type Asked = 'code_unknown' | 'too_many_codes' | 'session_ended' | 'sign_in_again';

/** Does it, and says why a device is not enrolled, with the way on where there is one. */
async function orRefused(
  { onRefused }: Parts,
  { request, userCode }: { request: AccessRequest; userCode: string },
  work: () => Promise<Answer>,
): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApprovalRefused)) throw error;
    const { reason } = error;
    onRefused(reason, request.requestId);
    if (reason === 'code_unknown') return askCode(request, said.unknownCode, 404);
    if (reason === 'too_many_codes') return askCode(request, said.tooManyCodes, 429);
    if (reason === 'session_ended' || reason === 'sign_in_again')
      return signInAgain(request, userCode, reason);
    const [status, text] = TOLD[reason];
    return tell(request, status, said.notEnrolled, text);
  }
}

function askCode(
  { team }: AccessRequest,
  problem: string | null,
  status = problem === null ? 200 : 400,
): Answer {
  return htmlWithForms(status, askCodePage(team.organization, problem));
}

function signInAgain(
  { team, requestId }: AccessRequest,
  userCode: string,
  reason: 'session_ended' | 'sign_in_again',
): Answer {
  const text = reason === 'session_ended' ? said.ended : said.signInAgain;
  const href = `${addressOf(userCode)}&again=1`;
  return html(403, signInAgainPage(team.organization, { text, href, requestId }));
}

function tell({ team, requestId }: AccessRequest, status: number, title: string, text: string): Answer {
  return html(status, saidPage(lookOf(team.organization), { title, text, requestId }));
}

function addressOf(userCode: string | null): string {
  if (userCode === null) return DEVICE_PATH;
  return `${DEVICE_PATH}?${new URLSearchParams({ user_code: showUserCode(userCode) })}`;
}

function seeOther(location: string): Answer {
  return { ...redirect(location), status: 303 };
}
