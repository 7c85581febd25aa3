import { actIn } from '../../database/act.ts';
import { type Route, route } from '../../http/route.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import { EditUser, User } from './contract.ts';
import { editUser, getUser, placesOfUser } from './user.ts';

const base = { scope: 'user', path: '', tag: 'User', status: 200, result: User } as const;

/** /user: whoever asks (SDK `user.get`, `user.edit`). A token of an account is nobody: 403. */
export function userDetailRoutes(control: Control): Route[] {
  const { reader } = control.database;
  return [
    route({
      ...base,
      method: 'GET',
      operation: 'user-user-details',
      summary: 'User details',
      permission: ['User Details Read', 'User Details Write'],
      handler: ({ principal }) => getUser(reader, principal),
    }),
    route({
      ...base,
      method: 'PATCH',
      operation: 'user-edit-user',
      summary: 'Edit user',
      permission: ['User Details Write'],
      body: EditUser,
      handler: async ({ principal, act, body: input }) => {
        const [accountId, ...alsoAccountIds] = await placesOfUser(reader, principal);
        return await commitAct(control, actIn(act, accountId), async (tx) => ({
          ...(await editUser(tx, { principal, input })),
          alsoAccountIds,
        }));
      },
    }),
  ];
}
