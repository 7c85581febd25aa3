import { readableOn } from './contrast.ts';

/** The colours of an organization, as `#rrggbb`; null leaves them to us. */
export interface Colours {
  readonly text_color: string | null;
  readonly background_color: string | null;
}

const LIGHT = { ground: '#f2f4f8', ink: '#1c2333' };
const DARK = { ground: '#11141b', ink: '#e7eaf0' };

/**
 * The style of every page. The organization's background recolours the ground alone; what stands on the ground has
 * its text colour where that can be read there, and else one of ours.
 */
export function styleOf(colours: Colours | null): string {
  return `:root{color-scheme:light dark;${LIGHT_COLOURS}${groundOf(LIGHT, colours)}}
@media (prefers-color-scheme:dark){:root{${DARK_COLOURS}${groundOf(DARK, colours)}}}
${LAYOUT}`;
}

function groundOf(ours: { ground: string; ink: string }, colours: Colours | null): string {
  const ground = colours?.background_color ?? ours.ground;
  return `--ground:${ground};--on-ground:${readableOn(ground, [colours?.text_color ?? null, ours.ink])}`;
}

const LIGHT_COLOURS =
  '--ink:#1c2333;--quiet:#566074;--line:#d8dde7;--card:#fff;--soft:#f2f4f8;--accent:#2b59c3;--on:#fff;--bad:#a3262b;--shade:0 1px 2px #1c233314,0 8px 24px #1c23330f;';
const DARK_COLOURS =
  '--ink:#e7eaf0;--quiet:#a3abbb;--line:#363e4f;--card:#1b202a;--soft:#252b38;--accent:#8fb0ff;--on:#10141c;--bad:#ff9c9c;--shade:none;';

const LAYOUT = `
*{box-sizing:border-box}
body{background:var(--ground);color:var(--ink);display:flex;flex-direction:column;font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;
gap:1.5rem;margin:0 auto;min-height:100vh;padding:clamp(1.5rem,11vh,7rem) 1rem 2rem}
header,footer,main{margin:0 auto;max-width:27rem;overflow-wrap:anywhere;width:100%}
.wide header,.wide footer,.wide main{max-width:46rem}
.wide{padding-top:clamp(1.5rem,6vh,4rem)}
header,footer{color:var(--on-ground);text-align:center}
header:empty,footer:empty{display:none}
.logo{display:block;height:auto;margin:0 auto .75rem;max-height:4rem;max-width:min(14rem,100%);object-fit:contain}
.name{font-weight:600;margin:0}
header p+p{margin:.25rem 0 0}
footer{font-size:.875rem;margin-top:auto;white-space:pre-line}
main{background:var(--card);border:1px solid var(--line);border-radius:.875rem;box-shadow:var(--shade);padding:clamp(1.25rem,6vw,2rem)}
h1{font-size:1.375rem;letter-spacing:-.01em;line-height:1.25;margin:0 0 .5rem}
h2{font-size:1rem;margin:2rem 0 .25rem}
p{margin:.5rem 0}
a{color:var(--accent)}
ul{list-style:none;margin:1.25rem 0 0;padding:0}
form{margin:1.25rem 0 0}
label{display:block;font-weight:600;margin:1rem 0 .35rem}
input:not([type=hidden]){background:var(--card);border:1px solid var(--quiet);border-radius:.5rem;color:inherit;font:inherit;padding:.65rem .8rem;width:100%}
.code{font-size:1.375rem!important;font-variant-numeric:tabular-nums;letter-spacing:.35em;text-align:center}
.act{background:var(--accent);border:1px solid transparent;border-radius:.5rem;color:var(--on);cursor:pointer;display:block;font:inherit;
font-weight:600;margin:.625rem 0 0;padding:.7rem 1rem;text-align:center;text-decoration:none;width:100%}
.out{background:none;border-color:var(--line);color:var(--ink)}
input+.act,p>.act{margin-top:1rem}
.act:hover{filter:brightness(1.06)}
.out:hover{background:var(--soft);filter:none}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.quiet{color:var(--quiet);font-size:.875rem}
.bad{color:var(--bad)}
.said{background:var(--soft);border-radius:.5rem;padding:.7rem 1rem}
.lines{white-space:pre-line}
p.request{border-top:1px solid var(--line);color:var(--quiet);font-size:.875rem;margin:1.5rem 0 0;padding-top:1rem}
code{font-family:ui-monospace,SFMono-Regular,Menlo,monospace;font-size:.9em}
.tiles{display:grid;gap:.75rem;grid-template-columns:repeat(auto-fill,minmax(min(13rem,100%),1fr));margin-top:1.25rem}
.tile{align-items:center;border:1px solid var(--line);border-radius:.625rem;color:var(--ink);display:flex;font-weight:600;gap:.75rem;height:100%;padding:.75rem;text-decoration:none}
.tile:hover{background:var(--soft);border-color:var(--accent)}
.tile span,.tile img{flex:none;height:2.25rem;width:2.25rem}
.tile img{object-fit:contain}
.tile span{align-items:center;background:var(--soft);border-radius:.5rem;color:var(--accent);display:flex;justify-content:center}
.tile b{font-weight:600;line-height:1.3;min-width:0}
.sessions{margin-top:.75rem}
.sessions li{align-items:center;border-top:1px solid var(--line);display:flex;flex-wrap:wrap;gap:.5rem 1rem;padding:1rem 0}
.sessions li>div{flex:1 1 15rem;min-width:0}
.sessions form{margin:0}
.sessions p{margin:0}
.sessions .act{font-size:.9375rem;margin:0;padding:.3rem .9rem}
.here{background:var(--soft);border-radius:1rem;color:var(--ink);display:inline-block;font-size:.8125rem;font-weight:600;padding:0 .6rem;white-space:nowrap}
.who{align-items:center;display:flex;flex-wrap:wrap;gap:.5rem 1rem;justify-content:space-between}
.who p,.who form{margin:0}
.who .act{font-size:.9375rem;margin:0;padding:.3rem .9rem;width:auto}
.sessions .act{width:auto}`;
