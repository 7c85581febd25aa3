/** Every page forbids scripts, frames and foreign content; forms may only be sent back to where it came from. */
export const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const STYLE = `
:root{color-scheme:light dark;--ink:#1d2433;--quiet:#5b6577;--line:#d5dae3;--card:#fff;--ground:#f3f5f9;--accent:#2b59c3;--on:#fff}
@media (prefers-color-scheme:dark){:root{--ink:#e8ebf1;--quiet:#a0a9ba;--line:#3a4254;--card:#1d222d;--ground:#12151c;--accent:#8fb0ff;--on:#10141c}}
body{font:1rem/1.55 system-ui,sans-serif;color:var(--ink);background:var(--ground);margin:0;padding:12vh 1rem 2rem}
main{background:var(--card);border:1px solid var(--line);border-radius:.75rem;box-sizing:border-box;margin:0 auto;max-width:27rem;padding:2rem}
h1{font-size:1.4rem;line-height:1.25;margin:0 0 .75rem;overflow-wrap:anywhere}
p{margin:.75rem 0;overflow-wrap:anywhere}
ul{list-style:none;margin:1.25rem 0 0;padding:0}
.act{background:var(--accent);border:0;border-radius:.5rem;box-sizing:border-box;color:var(--on);cursor:pointer;display:block;
font:inherit;font-weight:600;margin:.6rem 0 0;overflow-wrap:anywhere;padding:.7rem 1rem;text-align:center;text-decoration:none;width:100%}
.out{background:none;border:1px solid var(--line);color:var(--ink)}
.act:hover{filter:brightness(1.08)}
.act:focus-visible{outline:3px solid var(--ink);outline-offset:2px}
.quiet{color:var(--quiet);font-size:.875rem;margin-bottom:0}
code{overflow-wrap:anywhere}`;

/** Text as HTML: nothing that came from outside reaches a page in any other way. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
}

/** A whole page of ours, without a script. The title is text, the body HTML; `goOn` is where it leads by itself. */
export function page(title: string, body: string, goOn: string | null = null): string {
  const refresh = goOn === null ? '' : `<meta http-equiv="refresh" content="0; url=${escapeHtml(goOn)}">\n`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
${refresh}<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
${body}
</main>
</body>
</html>
`;
}
