import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { contrast } from './contrast.ts';
import { type Design, escapeHtml, imageUrl, page } from './page.ts';

const EVIL = `</title></style></p><script>alert(1)</script>"'&<img src=x onerror=alert(1)>`;
const PLAIN: Design = {
  header_text: null,
  footer_text: null,
  logo: null,
  text_color: null,
  background_color: null,
};

function lookWith(design: Partial<Design>, name = 'Example') {
  return { name, design: { ...PLAIN, ...design } };
}

describe('a page', () => {
  test('shows whatever an organization calls itself, and says above and below, as text', () => {
    const look = lookWith({ header_text: EVIL, footer_text: EVIL }, EVIL);
    const { html } = page({ title: EVIL, body: '', look });
    assert.equal(html.split(escapeHtml(EVIL)).length, 6, 'title, heading, name, header, footer');
    assert.doesNotMatch(html, /<script|<img|onerror=alert\(1\)>/);
    assert.equal(html.split('</style>').length, 2);
  });

  test('takes no image that could be anything else', () => {
    const wrong = [
      'javascript:alert(1)',
      'data:image/svg+xml,<svg/>',
      'http://logo.example/a.png',
      '//logo.example/a.png',
      'https://me:secret@logo.example/',
      'https://logo.example/\u0000'.repeat(200),
      '',
      null,
    ];
    for (const logo of wrong) {
      assert.equal(imageUrl(logo), null, String(logo));
      const { html, policy } = page({ title: 'x', body: '', look: lookWith({ logo }) });
      assert.doesNotMatch(html, /<img/);
      assert.doesNotMatch(policy, /img-src/);
    }
  });

  test('allows the origin of its logo and no word more, however the URL is written', () => {
    const logo = `https://logo.example:8443/a"onload='x'>b.png?;script-src *`;
    const { html, policy } = page({ title: 'x', body: '', look: lookWith({ logo }) });
    assert.match(policy, /img-src https:\/\/logo\.example:8443;/);
    assert.doesNotMatch(policy, /script-src/);
    const [tag = ''] = /<img[^>]*>/.exec(html) ?? [];
    assert.equal(tag.split('"').length, 7, tag);
    assert.doesNotMatch(tag, /'/);
  });

  test('allows no style but its own', () => {
    for (const design of [{}, { background_color: '#102030' }, { text_color: '#ffffff' }]) {
      const { html, policy } = page({ title: 'x', body: '', look: lookWith(design) });
      const [, style = ''] = /<style>([\s\S]*)<\/style>/.exec(html) ?? [];
      const digest = createHash('sha256').update(style).digest('base64');
      assert.ok(policy.includes(`style-src 'sha256-${digest}';`), policy);
      assert.doesNotMatch(policy, /unsafe/);
      assert.doesNotMatch(html, / style=/);
    }
  });

  test('sends its forms to nobody else, unless it is told', () => {
    assert.match(page({ title: 'x', body: '' }).policy, /form-action 'self';/);
    const { policy } = page({ title: 'x', body: '', formsLeadTo: ['https://app.example'] });
    assert.match(policy, /form-action 'self' https:\/\/app\.example;/);
  });

  test('can be read on the ground of the organization, in the light and in the dark', () => {
    const designs: Partial<Design>[] = [
      {},
      { text_color: '#eeeeee' },
      { text_color: '#111111' },
      { background_color: '#ffff00', text_color: '#ffffff' },
      { background_color: '#000080', text_color: '#101010' },
      { background_color: '#777777' },
    ];
    for (const design of designs) {
      const { html } = page({ title: 'x', body: '', look: lookWith(design) });
      const pairs = [...html.matchAll(/--ground:(#[0-9a-f]{6});--on-ground:(#[0-9a-f]{6})/g)];
      assert.equal(pairs.length, 2);
      for (const [, ground = '', ink = ''] of pairs) assert.ok(contrast(ground, ink) >= 4.5);
      if (design.background_color) assert.equal(pairs[1]?.[1], design.background_color);
    }
    const kept = page({ title: 'x', body: '', look: lookWith({ text_color: '#335577' }) }).html;
    const [light, dark] = [...kept.matchAll(/--on-ground:(#[0-9a-f]{6})/g)].map(([, ink]) => ink);
    assert.equal(light, '#335577', 'where it can be read');
    assert.notEqual(dark, '#335577', 'where it cannot');
  });

  test('has every text in colours that can be read, in the light and in the dark', () => {
    const { html } = page({ title: 'x', body: '' });
    const schemes = html.split('@media (prefers-color-scheme:dark)');
    assert.equal(schemes.length, 2);
    for (const scheme of schemes) {
      const colour = (name: string) => {
        const [, value = ''] = new RegExp(`--${name}:(#[0-9a-f]{3,6});`).exec(scheme) ?? [];
        return value.length === 4 ? value.replaceAll(/[0-9a-f]/g, '$&$&') : value;
      };
      for (const ground of ['card', 'soft']) {
        for (const ink of ['ink', 'quiet', 'accent', 'bad']) {
          const ratio = contrast(colour(ink), colour(ground));
          assert.ok(ratio >= 4.5, `${ink} on ${ground}: ${ratio}`);
        }
      }
      assert.ok(contrast(colour('on'), colour('accent')) >= 4.5);
    }
  });
});
