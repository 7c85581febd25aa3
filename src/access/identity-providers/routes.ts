import { readPage } from '../../database/paging.ts';
import { pagedRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import type { Vault } from '../../kernel/crypto.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import {
  Deleted,
  IdentityProvider,
  IdentityProviderInput,
  ProviderParams,
  ProviderQuery,
} from './contract.ts';
import {
  createProvider,
  deleteProvider,
  examineNew,
  examineUpdate,
  getProvider,
  presentProvider,
  providerList,
  updateProvider,
} from './identity-providers.ts';

const tag = 'Access identity providers';
const writers = ['Access: Organizations, Identity Providers, and Groups Write'] as const;
const readers = [...writers, 'Access: Organizations, Identity Providers, and Groups Read'] as const;
const base = { scope: 'account_or_zone', tag } as const;
const COLLECTION = '/access/identity_providers';
const ITEM = `${COLLECTION}/:identity_provider_id`;

/** /access/identity_providers of an account or zone (reference §3.5). One-time PINs need a way to send mail. */
export function identityProviderRoutes(
  control: Control,
  { vault, canMail = true }: { vault: Vault; canMail?: boolean },
): Route[] {
  const { database, clock } = control;
  const now = () => timestamp(clock.now());
  return [
    pagedRoute({
      ...base,
      method: 'GET',
      path: COLLECTION,
      operation: 'access-identity-providers-list-access-identity-providers',
      summary: 'List Access identity providers',
      permission: [...readers],
      status: 200,
      query: ProviderQuery,
      result: IdentityProvider,
      handler: async ({ accountId, query, walk }) => {
        const page = await readPage(control, walk, providerList(database.reader, { accountId, ...query }));
        return { ...page, items: page.items.map(presentProvider) };
      },
    }),
    route({
      ...base,
      method: 'POST',
      path: COLLECTION,
      operation: 'access-identity-providers-add-an-access-identity-provider',
      summary: 'Add an Access identity provider',
      permission: [...writers],
      status: 201,
      body: IdentityProviderInput,
      result: IdentityProvider,
      handler: async ({ act, accountId, body: input }) => {
        const examined = await examineNew(input, { now: clock.now(), canMail });
        return await commitAct(control, act, (tx) =>
          createProvider(tx, { accountId, examined, vault, now: now() }),
        );
      },
    }),
    route({
      ...base,
      method: 'GET',
      path: ITEM,
      operation: 'access-identity-providers-get-an-access-identity-provider',
      summary: 'Get an Access identity provider',
      permission: [...readers],
      status: 200,
      params: ProviderParams,
      result: IdentityProvider,
      handler: async ({ accountId, params }) =>
        presentProvider(await getProvider(database.reader, accountId, params.identity_provider_id)),
    }),
    route({
      ...base,
      method: 'PUT',
      path: ITEM,
      operation: 'access-identity-providers-update-an-access-identity-provider',
      summary: 'Update an Access identity provider',
      permission: [...writers],
      status: 200,
      params: ProviderParams,
      body: IdentityProviderInput,
      result: IdentityProvider,
      handler: async ({ act, accountId, params: { identity_provider_id: id }, body: input }) => {
        const examined = await examineUpdate(database.reader, { accountId, id, input, now: clock.now() });
        return await commitAct(control, act, (tx) =>
          updateProvider(tx, { id, accountId, examined, vault, now: now() }),
        );
      },
    }),
    route({
      ...base,
      method: 'DELETE',
      path: ITEM,
      operation: 'access-identity-providers-delete-an-access-identity-provider',
      summary: 'Delete an Access identity provider',
      permission: [...writers],
      status: 202,
      params: ProviderParams,
      result: Deleted,
      handler: ({ act, accountId, params }) =>
        commitAct(control, act, (tx) => deleteProvider(tx, { accountId, id: params.identity_provider_id })),
    }),
  ];
}
