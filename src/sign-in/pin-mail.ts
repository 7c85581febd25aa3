import { escapeHtml } from '../kernel/page.ts';
import { words } from '../kernel/words.ts';
import type { Mail } from './mailer.ts';

/**
 * The mail with a code. Nothing in it is a link: a link that signs in would be followed by whoever scans mails. The
 * code is not in the subject, which screens show to whoever stands by.
 */
export function pinMail(parts: {
  to: string;
  organization: string;
  code: string;
  ip: string;
  now: number;
}): Mail {
  const { to, code, ip, now } = parts;
  const organization = oneLine(parts.organization);
  const said = words.pin.mail;
  const at = `${new Date(now).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  const after = [said.until, said.asked(ip, at), said.notYou];
  const before = [said.about(organization), said.code];
  const html = [
    ...before.map(paragraph),
    `<p style="font-size:1.75em;letter-spacing:.25em"><strong>${escapeHtml(code)}</strong></p>`,
    ...after.map(paragraph),
  ];
  return {
    to,
    subject: said.subject(organization),
    text: [...before, code, ...after].join('\n\n').concat('\n'),
    html: html.join('\n'),
  };
}

function paragraph(text: string): string {
  return `<p>${escapeHtml(text)}</p>`;
}

/** A name that administrators chose; never more than a part of a line. */
function oneLine(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .slice(0, 100)
    .toWellFormed();
}
