import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { applicationState, organizationState } from '../../test/support/gate-parts.ts';
import { deniedAnswer } from './denial.ts';
import type { CustomPageState, OrganizationState } from './state.ts';

const EVIL = `</p></main><script>alert(1)</script><img src="x" onerror='y'>&`;

const organization = organizationState({
  name: EVIL,
  custom_pages: { forbidden: 'of-others', identity_denied: 'of-people' },
});

const pages: CustomPageState[] = [
  { id: 'of-people', type: 'identity_denied', html: '<h1>organization: people' },
  { id: 'of-others', type: 'forbidden', html: '<h1>organization: others' },
  { id: 'own-people', type: 'identity_denied', html: '<h1>application: people' },
  { id: 'own-others', type: 'forbidden', html: '<h1>application: others' },
];
const customPages = new Map(pages.map((page) => [page.id, page]));
const plain = { organization: { ...organization, custom_pages: { forbidden: null, identity_denied: null } } };

function told(
  parts: Parameters<typeof applicationState>[0],
  { isPerson = true, own = plain.organization }: { isPerson?: boolean; own?: OrganizationState | null } = {},
) {
  const denied = { application: applicationState(parts), isPerson, requestId: 'abc' };
  return deniedAnswer({ organization: own, customPages }, denied);
}

describe('who is denied', () => {
  test('is told nothing but the request id, in text, whatever the names and messages are', () => {
    const { status, headers, body } = told({ name: EVIL, deny_message: EVIL });
    assert.equal(status, 403);
    assert.doesNotMatch(body, /<script|<img/);
    assert.equal(body.split('&#60;script&#62;alert(1)&#60;/script&#62;').length, 3, 'name and message');
    assert.match(body, /Request <code>abc<\/code>/);
    assert.match(String(headers['content-security-policy']), /^default-src 'none'; style-src 'sha256-/);
  });

  test('is sent nowhere but to a web address', () => {
    for (const deny_url of ['javascript:alert(1)', 'data:text/html,x', '/here', '//there', 'ftp://x/', '']) {
      assert.equal(told({ deny_url }).status, 403, deny_url);
    }
  });

  test('is sent where the application says: a person, or anybody else', () => {
    const urls = { deny_url: 'https://help.example/a?b=c', non_identity_deny_url: 'http://help.example/' };
    const [person, other] = [told(urls), told(urls, { isPerson: false })];
    assert.deepEqual([person.status, person.headers], [302, { location: 'https://help.example/a?b=c' }]);
    assert.deepEqual([other.status, other.headers], [302, { location: 'http://help.example/' }]);
    assert.equal(told({ deny_url: urls.deny_url }, { isPerson: false }).status, 403);
    assert.equal(told({ non_identity_deny_url: urls.deny_url }).status, 403);
  });

  test('is shown the page of the application, else its message, else the page of the organization', () => {
    const own = organization;
    const both = { custom_pages: ['gone', 'own-others', 'own-people'], deny_message: 'Ask Ana.' };
    assert.equal(told(both, { own }).body, '<h1>application: people');
    assert.equal(told(both, { own, isPerson: false }).body, '<h1>application: others');
    assert.match(told({ deny_message: 'Ask Ana.' }, { own }).body, /<p class="lines">Ask Ana\.<\/p>/);
    assert.equal(told({}, { own }).body, '<h1>organization: people');
    assert.equal(told({}, { own, isPerson: false }).body, '<h1>organization: others');
    const mixed = { ...own, custom_pages: { forbidden: 'of-people', identity_denied: 'gone' } };
    for (const isPerson of [true, false]) {
      assert.match(told({}, { own: mixed, isPerson }).body, /Access denied/, 'of another type, or gone');
    }
  });

  test('meets a custom page that can do nothing', () => {
    const { status, headers } = told({}, { own: organization });
    assert.equal(status, 403);
    const policy = String(headers['content-security-policy']);
    assert.match(policy, /^sandbox; default-src 'none';/);
    assert.match(policy, /form-action 'none'; frame-ancestors 'none'$/);
    assert.doesNotMatch(policy, /script|allow-/);
  });

  test('may come back as somebody else if they are signed in', () => {
    assert.match(told({}).body, /href="\/cdn-cgi\/access\/logout"/);
    assert.doesNotMatch(told({}, { isPerson: false }).body, /logout/);
    assert.match(told({}, { own: null }).body, /<header><\/header>/);
  });
});
