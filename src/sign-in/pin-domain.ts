import { normaliseEmail } from '../kernel/email.ts';
import { words } from '../kernel/words.ts';
import { onlyCookie, stateCookie } from '../protocol/cookies.ts';
import { type Answer, html, htmlWithForms, redirect } from './answers.ts';
import { readForm } from './form.ts';
import { goOnPage } from './pages.ts';
import { MOST_TRIES } from './pin.ts';
import { addressOf, codePage, emailPage } from './pin-pages.ts';
import type { WaitingSignIn } from './pin-sending.ts';
import { SignInRefused } from './refused.ts';
import { type AccessRequest, parameter } from './request.ts';
import type { SignIn } from './service.ts';
import { finish } from './team-domain.ts';

type OnRefused = (refused: SignInRefused) => void;

/** The page of a one-time PIN: for the e-mail first, and for the code once one was asked for. */
export async function pinPage(signIn: SignIn, request: AccessRequest): Promise<Answer> {
  const held = heldBy(signIn, request);
  const { pin } = await signIn.pins.find(request.team, held);
  const wantsOther = parameter(request, 'other') !== null;
  return pin && !wantsOther
    ? askCode(request, held.state, { email: pin.email_key })
    : askEmail(request, held.state);
}

/**
 * What its forms post: an e-mail to send a code to, the wish for another code, or the code. The form must come from
 * this origin, the state from this browser.
 */
export async function pinPosted(
  signIn: SignIn,
  request: AccessRequest,
  onRefused: OnRefused,
): Promise<Answer> {
  const form = readForm(request, ['email', 'again', 'code']);
  const held = heldBy(signIn, request);
  const waiting = await signIn.pins.find(request.team, held);
  const [email, code] = [form.get('email'), form.get('code')];
  if (form.size !== 1) throw new SignInRefused('form_invalid');
  if (code !== undefined) return await enter(signIn, request, { ...held, waiting, code, onRefused });
  const emailKey = email === undefined ? waiting.pin?.email_key : normaliseEmail(email.trim());
  if (emailKey) return await ask(signIn, request, { state: held.state, waiting, emailKey });
  return askEmail(request, held.state, { problem: words.pin.noEmail, status: 400 });
}

function heldBy(signIn: SignIn, request: AccessRequest) {
  const state = parameter(request, 'state');
  if (!state) throw new SignInRefused('state_unknown');
  return { state, browser: onlyCookie(request.cookies, stateCookie(signIn.scheme)) };
}

/** Asks for a code, and goes on to the page on which it is entered, whether one was sent or not. */
async function ask(
  signIn: SignIn,
  request: AccessRequest,
  { state, waiting, emailKey }: { state: string; waiting: WaitingSignIn; emailKey: string },
): Promise<Answer> {
  const { team, ip, requestId } = request;
  const asked = await signIn.pins.ask(team, { state: waiting.state, emailKey, ip, requestId });
  if (asked === 'asked') return redirect(addressOf(state));
  if (asked === 'too_many_here')
    return askEmail(request, state, { problem: words.pin.tooManyHere, status: 429 });
  const email = waiting.pin?.email_key ?? emailKey;
  return askCode(request, state, { email, problem: words.pin.tooManyCodes, status: 429 });
}

/** The right code ends the sign-in; after a wrong one there are so many tries left. */
async function enter(
  signIn: SignIn,
  request: AccessRequest,
  {
    state,
    browser,
    waiting,
    code,
    onRefused,
  }: { state: string; browser: string | null; waiting: WaitingSignIn; code: string; onRefused: OnRefused },
): Promise<Answer> {
  try {
    const { organization } = request.team;
    return await finish(signIn, request, {
      came: { state, browser, query: '', fields: { code } },
      onRefused,
      // No redirect: browsers hold what follows a form to `form-action`, and this leads on to another host.
      goOn: (returnTo, cookies) => html(200, goOnPage(organization, returnTo), cookies),
    });
  } catch (error) {
    if (!(error instanceof SignInRefused) || error.reason !== 'pin_wrong') throw error;
    onRefused(error);
    const { pin } = await signIn.pins.find(request.team, { state, browser });
    const isCounted = pin !== null && pin.tries > (waiting.pin?.tries ?? 0);
    const problem = isCounted ? words.pin.wrong(Math.max(0, MOST_TRIES - pin.tries)) : words.pin.noCode;
    return askCode(request, state, { email: pin?.email_key ?? '', problem, status: 403 });
  }
}

interface Asking {
  readonly problem?: string;
  readonly status?: number;
}

function askEmail({ team: { organization } }: AccessRequest, state: string, asking: Asking = {}): Answer {
  return htmlWithForms(
    asking.status ?? 200,
    emailPage({ organization, state, problem: asking.problem ?? null }),
  );
}

function askCode(
  { team: { organization } }: AccessRequest,
  state: string,
  asking: Asking & { email: string },
): Answer {
  const { email, problem = null } = asking;
  return htmlWithForms(asking.status ?? 200, codePage({ organization, state, email, problem }));
}
