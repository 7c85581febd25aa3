import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientOf, gatedOnBothDatabases } from '../../../test/support/gated.ts';
import { startOpenIdProvider } from '../../../test/support/openid-provider.ts';
import { readRows } from '../../../test/support/rows.ts';

/* The secret of an identity provider goes to that provider, and nowhere else that anybody could read it. */

gatedOnBothDatabases('the secret of an identity provider', (world) => {
  test('is in no answer, no page, no line of the log, no row: when it works, when it is wrong, when it is replaced', async () => {
    const { app, account_id, site, log, database, providerId, signedIn, person } = world();
    const right = clientOf(app.teamDomain).client_secret;
    const wrong = 'another secret, which the provider does not know';
    const texts: string[] = [];
    const api = async (method: string, target: string, body?: object) => {
      const answer = await app.api(method, target, body === undefined ? {} : { body });
      texts.push(JSON.stringify([answer.body, [...answer.headers]]));
      return answer;
    };
    const providers = `/accounts/${account_id}/access/identity_providers`;
    const read = async () => {
      await api('GET', providers);
      await api('GET', `/zones/${app.credentials.zone_id}/access/identity_providers/${providerId}`);
      await api('GET', `/accounts/${account_id}/audit_logs?per_page=1000`);
    };

    const browser = await signedIn(person());
    texts.push((await browser.follow(site)).text);
    const { body: known } = await api('GET', `${providers}/${providerId}`);
    const put = (config: object) =>
      api('PUT', `${providers}/${providerId}`, {
        ...known.result,
        config: { ...known.result.config, ...config },
      });
    assert.equal((await put({ client_secret: wrong })).status, 200);
    await assert.rejects(signedIn(person()), ({ message }: Error) => texts.push(message) > 0);
    await read();
    assert.equal((await put({ client_secret: right, token_url: 'https://127.0.0.1:1/' })).status, 400);
    assert.equal((await put({ client_secret: right, surprise: right.length })).status, 400);
    assert.equal((await put({ client_secret: right })).status, 200);
    await signedIn(person());
    // Without one the provider keeps what it has.
    assert.equal((await put({})).status, 200);
    await signedIn(person());
    await read();
    await api('DELETE', `${providers}/${providerId}`);
    await read();

    const rows = await readRows(database);
    const said = [...texts, ...log.map((line) => JSON.stringify(line)), ...Object.values(rows).flat()];
    assert.ok(log.length > 20 && texts.length > 10);
    for (const secret of [right, wrong]) {
      const forms = [
        secret,
        encodeURIComponent(secret),
        new URLSearchParams({ secret }).toString().slice('secret='.length),
        Buffer.from(secret).toString('base64url').slice(0, -1),
        Buffer.from(secret).toString('hex'),
      ];
      for (const form of forms) {
        const where = said.find((one) => one.includes(form));
        assert.equal(where, undefined, `${form} is in ${where}`);
      }
    }
  });

  test('is not repeated by a refusal, whatever is wrong with it', async () => {
    const { app, account_id } = world();
    await using provider = await startOpenIdProvider({ people: [] });
    const { authUrl: auth_url, tokenUrl: token_url, jwksUri: certs_url } = provider;
    const long = 'secret'.repeat(400);
    const bodies = [
      { client_secret: long },
      { client_secret: [long] },
      { client_secret: { [long]: long } },
      { client_secret: long.slice(0, 2048), token_url: auth_url },
    ];
    for (const config of bodies) {
      const answer = await app.api('POST', `/accounts/${account_id}/access/identity_providers`, {
        body: {
          name: 'Wrong',
          type: 'oidc',
          config: { client_id: 'a', auth_url, token_url, certs_url, ...config },
        },
      });
      assert.equal(answer.status, 400);
      assert.ok(!JSON.stringify(answer.body).includes('secretsecret'));
    }
    assert.ok(!JSON.stringify(world().log).includes('secretsecret'));
  });
});
