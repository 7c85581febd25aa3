import { escapeHtml, type Page, page, requestLine } from '../kernel/page.ts';
import { words } from '../kernel/words.ts';
import { lookOf } from '../protocol/denial.ts';
import type { OrganizationState } from '../protocol/state.ts';
import type { WaitingDevice } from './devices.ts';
import { PREFIX } from './request.ts';
import { showUserCode } from './user-code.ts';

/** Where a person answers a device. */
export const DEVICE_PATH = `${PREFIX}/device`;

const said = words.device;

/** Which device: its code is entered. */
export function askCodePage(organization: OrganizationState, problem: string | null): Page {
  const isBad = problem === null ? '' : ' aria-invalid="true" aria-describedby="code-problem"';
  const told =
    problem === null ? '' : `\n<p class="bad" id="code-problem" role="alert">${escapeHtml(problem)}</p>`;
  const body = `<p>${escapeHtml(said.codeAbout)}</p>
<form method="post" action="${DEVICE_PATH}">
<label for="code">${escapeHtml(said.code)}</label>
<input id="code" name="code" class="code" autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="20" required autofocus${isBad}>${told}
<button class="act">${escapeHtml(said.goOn)}</button>
</form>`;
  return page({ title: said.codeTitle, body, look: lookOf(organization) });
}

/** The device that asks, the code to compare, a warning, and the two answers. */
export function askPage(
  organization: OrganizationState,
  { device, email, formToken }: { device: WaitingDevice; email: string; formToken: string },
): Page {
  const { name, userCode, ip, isKnown } = device;
  const facts = [
    [said.name, name],
    [said.kind, kindOf(device)],
    [said.from, ip || said.unknown],
  ] as const;
  const items = facts.map(([label, text]) => `<li>${escapeHtml(label)}: <b>${escapeHtml(text)}</b></li>`);
  const title = isKnown ? said.againTitle(name) : said.title(name);
  const body = `<p>${escapeHtml(said.compare)}</p>
<p class="code"><code>${escapeHtml(showUserCode(userCode))}</code></p>
<ul>${items.join('\n')}</ul>
<p>${escapeHtml(isKnown ? said.againAs(email) : said.as(email))}</p>
<p class="bad">${escapeHtml(said.warning)}</p>
<form method="post" action="${DEVICE_PATH}">
<input type="hidden" name="token" value="${escapeHtml(formToken)}">
<input type="hidden" name="code" value="${escapeHtml(showUserCode(userCode))}">
<button class="act" name="decision" value="enrol">${escapeHtml(isKnown ? said.again : said.enrol)}</button>
<button class="act out" name="decision" value="refuse">${escapeHtml(said.refuse)}</button>
</form>`;
  return page({ title, body, look: lookOf(organization) });
}

function kindOf({ facts }: WaitingDevice): string {
  const system = [facts.os_distro_name, facts.os_distro_revision].filter(Boolean).join(' ');
  const make = [facts.manufacturer, facts.model].filter(Boolean).join(' ');
  const version = system || facts.os_version || '';
  return [said.kinds[facts.type], version, make].filter(Boolean).join(' · ');
}

/** The person has to sign in once more before they can go on. */
export function signInAgainPage(
  organization: OrganizationState,
  { text, href, requestId }: { text: string; href: string; requestId: string },
): Page {
  const body = `<p>${escapeHtml(text)}</p>
<p><a class="act" href="${escapeHtml(href)}">${escapeHtml(said.signInAgainLink)}</a></p>
${requestLine(requestId)}`;
  return page({ title: said.notEnrolled, body, look: lookOf(organization) });
}
