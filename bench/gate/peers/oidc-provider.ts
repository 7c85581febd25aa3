import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';
import { createOpenIdStore } from '../../../test/support/openid-store.ts';
import { servePeer } from '../../harness/peer.ts';
import { toRequest } from '../../harness/requests.ts';

/** Token introspection (RFC 7662) as oidc-provider does it, with everything in one Map. */
export interface OidcProviderSetup {
  readonly tokens: number;
}

/** One request for each token. */
export interface OidcProviderTold {
  readonly requests: readonly string[];
}

const CLIENT = {
  client_id: 'gate',
  client_secret: 'a secret for a bench',
  redirect_uris: ['http://app.localhost/callback'],
};

async function createRequests(provider: Provider, count: number): Promise<string[]> {
  const client = await provider.Client.find(CLIENT.client_id);
  if (!client) throw new Error('the client is unknown');
  const credential = Buffer.from(`${CLIENT.client_id}:${encodeURIComponent(CLIENT.client_secret)}`);
  const headers = [
    ['host', 'localhost'],
    ['authorization', `Basic ${credential.toString('base64')}`],
    ['content-type', 'application/x-www-form-urlencoded'],
    ['accept', 'application/json'],
  ] as const;
  const requests: string[] = [];
  for (let n = 1; n <= count; n += 1) {
    const accountId = `person-${n}`;
    const grant = new provider.Grant({ clientId: CLIENT.client_id, accountId });
    grant.addOIDCScope('openid');
    const access = {
      accountId,
      client,
      grantId: await grant.save(),
      scope: 'openid',
      gty: 'authorization_code',
    };
    const token = await new provider.AccessToken(access as never).save();
    const body = `token=${token}&token_type_hint=access_token`;
    requests.push(toRequest({ method: 'POST', target: '/token/introspection', headers, body }));
  }
  return requests;
}

await servePeer<OidcProviderSetup>(async ({ tokens }) => {
  const provider = new Provider('http://localhost', {
    adapter: createOpenIdStore(() => CLIENT),
    features: { introspection: { enabled: true }, devInteractions: { enabled: false } },
    ttl: { AccessToken: 3600, Grant: 3600 },
  });
  return {
    server: createServer(provider.callback()),
    told: { requests: await createRequests(provider, tokens) },
  };
});
