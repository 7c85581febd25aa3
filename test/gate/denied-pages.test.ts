import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gatedOnBothDatabases } from '../support/gated.ts';
import { signIn } from '../support/openid-provider.ts';
import { assertPage } from '../support/sign-in-steps.ts';

const BOARD = { name: 'Board', decision: 'allow', include: [{ email: { email: 'board@example.com' } }] };
const NAVIGATION = { accept: 'text/html' };

gatedOnBothDatabases('whoever is denied', (world) => {
  const host = (name: string) => `${name}.localhost:${new URL(world().site).port}`;
  const pages = () => world().sdk.zeroTrust.access.customPages;

  const createPage = async (type: 'identity_denied' | 'forbidden', html: string): Promise<string> => {
    const { account_id } = world();
    return (await pages().create({ account_id, name: type, type, custom_html: html })).uid ?? '';
  };

  const organization = (change: object) =>
    world().sdk.zeroTrust.organizations.update({ account_id: world().account_id, ...change });

  /** What a person whom no policy lets in is told by the team domain; and what who brings two credentials is. */
  const denyAt = async (site: string) => {
    const person = await signIn(world().browser(), site, {
      login: world().person().sub,
      until: ({ hostname }) => hostname === 'help.example',
    });
    const cookie = 'CF_Authorization=x; CF_Authorization=y';
    const other = await world()
      .browser()
      .get(site, { ...NAVIGATION, cookie });
    return { person, other };
  };

  test('meets the pages of the organization, each of its own kind, from the next request on', async () => {
    const board = await world().createApplication(host('first'), { policies: [BOARD] });
    const ours = await denyAt(board.site);
    assert.deepEqual([ours.person.status, ours.other.status], [403, 403]);
    for (const page of [ours.person, ours.other]) assert.match(page.text, /Access denied/);
    assertPage(ours.person);
    assert.match(ours.person.text, /Sign in as somebody else/);
    assert.doesNotMatch(ours.other.text, /Sign in as somebody else/);
    const identity_denied = await createPage('identity_denied', '<h1>Not for you</h1><script>1</script>');
    const forbidden = await createPage('forbidden', '<h1>Closed</h1>');
    await organization({ custom_pages: { identity_denied, forbidden } });
    const { person, other } = await denyAt(board.site);
    assert.deepEqual(
      [person.status, person.text, other.status, other.text],
      [403, '<h1>Not for you</h1><script>1</script>', 403, '<h1>Closed</h1>'],
    );
    for (const { headers } of [person, other]) {
      assert.match(String(headers['content-security-policy']), /^sandbox; default-src 'none';/);
      assert.equal(headers['cache-control'], 'no-store');
    }
    await organization({ custom_pages: { identity_denied: '', forbidden: '' } });
    assert.match((await denyAt(board.site)).person.text, /Access denied/);
  });

  test('meets what the application says before what the organization does', async () => {
    const identity_denied = await createPage('identity_denied', '<h1>Of the organization</h1>');
    await organization({ custom_pages: { identity_denied } });
    const own = await createPage('identity_denied', '<h1>Of the application</h1>');
    const { account_id, sdk } = world();
    const second = await world().createApplication(host('second'), {
      policies: [BOARD],
      custom_pages: [own],
    });
    assert.equal((await denyAt(second.site)).person.text, '<h1>Of the application</h1>');
    await assert.rejects(pages().delete(own, { account_id }), /in use by application/);
    const third = await world().createApplication(host('third'), {
      policies: [BOARD],
      custom_deny_message: 'Ask <b>Ana</b>.',
    });
    const said = (await denyAt(third.site)).person;
    assert.match(said.text, /Ask &#60;b&#62;Ana&#60;\/b&#62;\./);
    assertPage(said);
    const fourth = await world().createApplication(host('fourth'), {
      policies: [BOARD],
      custom_deny_url: 'https://help.example/denied?a=b',
      custom_non_identity_deny_url: 'https://help.example/other',
    });
    const { person, other } = await denyAt(fourth.site);
    assert.deepEqual([person.status, person.location?.href], [302, 'https://help.example/denied?a=b']);
    assert.deepEqual([other.status, other.location?.href], [302, 'https://help.example/other']);
    await sdk.zeroTrust.access.applications.delete(second.id, { account_id });
    await pages().delete(own, { account_id });
    await organization({ custom_pages: { identity_denied: '' } });
  });

  test('is told in text what they cannot read as a page', async () => {
    const fifth = await world().createApplication(host('fifth'), { policies: [BOARD] });
    const forbidden = await createPage('forbidden', '<h1>Closed</h1>');
    await organization({ custom_pages: { forbidden } });
    const cookie = 'CF_Authorization=x; CF_Authorization=y';
    const program = { accept: '*/*', 'sec-fetch-mode': null, 'sec-fetch-dest': null, cookie };
    const page = await world().browser().get(fifth.site, program);
    assert.deepEqual([page.status, page.headers['content-type']], [403, 'text/plain; charset=utf-8']);
    await organization({ custom_pages: { forbidden: '' } });
  });
});

gatedOnBothDatabases('an organization', (world) => {
  const organization = (change: object) =>
    world().sdk.zeroTrust.organizations.update({ account_id: world().account_id, ...change });

  test('that wants to be seen first shows the choice even of one provider', async () => {
    const { providerId, site } = world();
    const straight = await world().browser().follow(site, { until: atProvider });
    assert.equal(straight.location?.origin, world().provider.issuer);
    await organization({ auto_redirect_to_identity: false });
    const choice = await world().browser().follow(site);
    assert.equal(choice.status, 200);
    assertPage(choice);
    assert.match(choice.text, new RegExp(`idp=${providerId}`));
    const own = await world().createApplication(`own.localhost:${new URL(site).port}`, {
      allowed_idps: [providerId],
      auto_redirect_to_identity: true,
    });
    const again = await world().browser().follow(own.site, { until: atProvider });
    assert.equal(again.location?.origin, world().provider.issuer, 'the application decides for itself');
    await organization({ auto_redirect_to_identity: true });
  });

  const atProvider = ({ origin }: URL) => origin === world().provider.issuer;

  test('for which only service tokens count sends nobody to sign in, on no application', async () => {
    await organization({ strict_service_token_auth: true });
    const page = await world().browser().get(world().site);
    assert.deepEqual([page.status, page.location], [401, null]);
    assertPage(page);
    assert.match(String(page.headers['www-authenticate']), /^Bearer realm=/);
    await organization({ strict_service_token_auth: false });
    assert.equal((await world().browser().get(world().site)).status, 302);
  });
});
