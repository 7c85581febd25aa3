import { sha256 } from './crypto.ts';
import { type Colours, styleOf } from './page-style.ts';
import { words } from './words.ts';

/** What an organization's pages look like (`DesignState`); null leaves it to us. */
export interface Design extends Colours {
  readonly header_text: string | null;
  readonly footer_text: string | null;
  /** URL of an image. */
  readonly logo: string | null;
}

/** Whose page it is. */
export interface Look {
  readonly name: string;
  readonly design: Design;
}

export interface PageParts {
  /** Text: the title and the one heading. */
  readonly title: string;
  /** HTML: what came from outside is in it by `escapeHtml` alone. */
  readonly body: string;
  /** null or absent: nobody's page, in our own colours. */
  readonly look?: Look | null;
  /** Where the page leads by itself, at once. */
  readonly goOn?: string;
  /** URLs of images in the body. */
  readonly images?: readonly string[];
  /**
   * Origins beside our own to which the answer to a form of this page may lead: some browsers hold every redirect
   * after a form to `form-action`.
   */
  readonly formsLeadTo?: readonly string[];
  /** For what needs more room than a card. */
  readonly wide?: boolean;
}

/** A page and the policy under which it is sent; they belong together. */
export interface Page {
  readonly html: string;
  /** For the header `content-security-policy`. */
  readonly policy: string;
}

/** Text as HTML: nothing that came from outside reaches a page in any other way. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
}

/** An image's URL that a page may show: https, or http on this machine. null for anything else. */
export function imageUrl(text: string | null): string | null {
  if (!text || text.length > 2048 || !URL.canParse(text)) return null;
  const { protocol, hostname, href, username, password } = new URL(text);
  // A host of other characters would say more in the page's policy than where images come from.
  if (username !== '' || password !== '' || !/^(?:[a-z0-9.-]+|\[[0-9a-f:]+\])$/.test(hostname)) return null;
  const isOk = protocol === 'https:' || (protocol === 'http:' && LOOPBACK.test(hostname));
  return isOk ? href : null;
}

const LOOPBACK = /^(?:(?:[a-z0-9-]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/**
 * A whole page of ours, without a script. Its policy forbids scripts, frames and foreign content; its one style is
 * allowed by its hash, and images from the origins of those that it shows.
 */
export function page(parts: PageParts): Page {
  const { title, body, look = null, goOn, wide = false } = parts;
  const style = styleOf(look?.design ?? null);
  const refresh =
    goOn === undefined ? '' : `<meta http-equiv="refresh" content="0; url=${escapeHtml(goOn)}">\n`;
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
${refresh}<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body${wide ? ' class="wide"' : ''}>
<header>${headerOf(look)}</header>
<main>
<h1>${escapeHtml(title)}</h1>
${body}
</main>
<footer>${escapeHtml(look?.design.footer_text ?? '')}</footer>
</body>
</html>
`;
  return { html, policy: policyOf(parts, style) };
}

function headerOf(look: Look | null): string {
  if (!look) return '';
  const { name, design } = look;
  const logo = imageUrl(design.logo);
  const image = logo && `<img class="logo" src="${escapeHtml(logo)}" alt="">`;
  const text = design.header_text && `<p class="lines">${escapeHtml(design.header_text)}</p>`;
  return [image, `<p class="name">${escapeHtml(name)}</p>`, text].filter(Boolean).join('\n');
}

function policyOf({ look, images = [], formsLeadTo = [] }: PageParts, style: string): string {
  const shown = [look?.design.logo ?? null, ...images].map(imageUrl).filter((url) => url !== null);
  const origins = [...new Set(shown.map((url) => new URL(url).origin))];
  const digest = Buffer.from(sha256(style), 'hex').toString('base64');
  return [
    "default-src 'none'",
    `style-src 'sha256-${digest}'`,
    ...(origins.length > 0 ? [`img-src ${origins.join(' ')}`] : []),
    "base-uri 'none'",
    `form-action ${["'self'", ...formsLeadTo].join(' ')}`,
    "frame-ancestors 'none'",
  ].join('; ');
}

/** The number by which an administrator finds the request in the log; HTML. */
export function requestLine(requestId: string): string {
  return `<p class="request">${words.common.request} <code>${escapeHtml(requestId)}</code></p>`;
}
