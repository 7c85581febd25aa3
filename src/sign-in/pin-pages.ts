import { escapeHtml, type Page, page } from '../kernel/page.ts';
import { words } from '../kernel/words.ts';
import { lookOf } from '../protocol/denial.ts';
import type { OrganizationState } from '../protocol/state.ts';
import { PIN_PATH } from './pin.ts';

const said = words.pin;

interface Parts {
  readonly organization: OrganizationState;
  /** The secret by which the sign-in is found again. */
  readonly state: string;
  /** What is wrong with what was sent; null for nothing. */
  readonly problem: string | null;
}

/** Which e-mail to send a code to. */
export function emailPage({ organization, state, problem }: Parts): Page {
  const input = field({
    name: 'email',
    label: said.email,
    more: 'type="email" autocomplete="email" maxlength="320" autocapitalize="none" spellcheck="false"',
    problem,
  });
  const body = `<p>${escapeHtml(said.emailAbout)}</p>
${form(state, `${input}\n<button class="act">${escapeHtml(said.send)}</button>`)}`;
  return page({ title: said.title(organization.name), body, look: lookOf(organization) });
}

/** Where the code is entered; it says the same whether one was sent or not. */
export function codePage({ organization, state, problem, email }: Parts & { readonly email: string }): Page {
  const input = field({
    name: 'code',
    label: said.code,
    more: 'class="code" inputmode="numeric" autocomplete="one-time-code" maxlength="12"',
    problem,
  });
  const again = `<input type="hidden" name="again" value="1">
<button class="act out">${escapeHtml(said.again)}</button>`;
  const other = `${addressOf(state)}&other=1`;
  const body = `<p>${escapeHtml(said.codeAbout(email))}</p>
${form(state, `${input}\n<button class="act">${escapeHtml(said.enter)}</button>`)}
${form(state, again)}
<p><a href="${escapeHtml(other)}">${escapeHtml(said.other)}</a></p>`;
  return page({ title: said.codeTitle, body, look: lookOf(organization) });
}

export function addressOf(state: string): string {
  return `${PIN_PATH}?${new URLSearchParams({ state })}`;
}

function form(state: string, fields: string): string {
  return `<form method="post" action="${escapeHtml(addressOf(state))}">
${fields}
</form>`;
}

/** A field with its label and, if something is wrong with it, what that is. */
function field(parts: { name: string; label: string; more: string; problem: string | null }): string {
  const { name, label, more, problem } = parts;
  const isBad = problem === null ? '' : ` aria-invalid="true" aria-describedby="${name}-problem"`;
  const told =
    problem === null ? '' : `\n<p class="bad" id="${name}-problem" role="alert">${escapeHtml(problem)}</p>`;
  return `<label for="${name}">${escapeHtml(label)}</label>
<input id="${name}" name="${name}" ${more} required autofocus${isBad}>${told}`;
}
