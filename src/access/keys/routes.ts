import { type Route, route } from '../../http/route.ts';
import { commitAct } from '../../removal/act.ts';
import { KeyConfiguration, KeyConfigurationUpdate } from './contract.ts';
import { getConfiguration, type KeyMaker, rotateByCall, updateConfiguration } from './rotation.ts';

const base = { scope: 'account', tag: 'Access key configuration' } as const;
const PATH = '/access/keys';
const write = 'Access: Organizations, Identity Providers, and Groups Write';
const read = 'Access: Organizations, Identity Providers, and Groups Read';

/** /accounts/:account_id/access/keys (reference §3.6). */
export function keyRoutes(maker: KeyMaker): Route[] {
  const { control } = maker;
  const now = () => control.clock.now();
  return [
    route({
      ...base,
      method: 'GET',
      path: PATH,
      operation: 'access-key-configuration-get-the-access-key-configuration',
      summary: 'Get the Access key configuration',
      permission: [write, read],
      status: 200,
      result: KeyConfiguration,
      handler: ({ accountId }) => getConfiguration(control.database.reader, { accountId, now: now() }),
    }),
    route({
      ...base,
      method: 'PUT',
      path: PATH,
      operation: 'access-key-configuration-update-the-access-key-configuration',
      summary: 'Update the Access key configuration',
      permission: [write],
      status: 200,
      body: KeyConfigurationUpdate,
      result: KeyConfiguration,
      handler: ({ act, accountId, body: { key_rotation_interval_days: days } }) =>
        commitAct(control, act, (tx) => updateConfiguration(tx, { accountId, days, now: now() })),
    }),
    route({
      ...base,
      method: 'POST',
      path: `${PATH}/rotate`,
      operation: 'access-key-configuration-rotate-access-keys',
      summary: 'Rotate Access keys',
      permission: [write],
      status: 200,
      result: KeyConfiguration,
      handler: ({ act }) => rotateByCall(maker, act),
    }),
  ];
}
