import { listRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import { Seat, SeatChanges, SeatLimit, SetSeatLimit } from './contract.ts';
import { changeSeats, getSeatLimit, setSeatLimit } from './seats.ts';

const writers = ['Zero Trust: Seats Write'] as const;
const readers = ['Access: Audit Logs Read', 'Access: Users Read', 'Access: Users Write', ...writers] as const;
const LIMIT = '/portcullis/seats';

/**
 * /accounts/:account_id/access/seats (reference §3.2), and /accounts/:account_id/portcullis/seats, which is ours, at a
 * path that Cloudflare does not use.
 */
export function seatRoutes(control: Control): Route[] {
  const { database, clock } = control;
  return [
    listRoute({
      method: 'PATCH',
      scope: 'account',
      path: '/access/seats',
      operation: 'zero-trust-seats-update-a-user-seat',
      summary: 'Update a user seat',
      tag: 'Zero Trust seats',
      permission: writers,
      status: 200,
      body: SeatChanges,
      result: Seat,
      handler: ({ act, accountId, body }) =>
        commitAct(control, act, (tx) =>
          changeSeats(tx, { accountId, asked: body, now: timestamp(clock.now()) }),
        ),
    }),
    route({
      method: 'GET',
      scope: 'account',
      path: LIMIT,
      operation: 'portcullis-seats-get-the-limit',
      summary: 'Get the seat limit',
      tag: 'Portcullis seats',
      permission: readers,
      status: 200,
      result: SeatLimit,
      handler: ({ accountId }) => getSeatLimit(database.reader, accountId),
    }),
    route({
      method: 'PUT',
      scope: 'account',
      path: LIMIT,
      operation: 'portcullis-seats-set-the-limit',
      summary: 'Set the seat limit',
      tag: 'Portcullis seats',
      permission: writers,
      status: 200,
      body: SetSeatLimit,
      result: SeatLimit,
      handler: ({ act, accountId, body: { limit } }) =>
        commitAct(control, act, (tx) => setSeatLimit(tx, { accountId, limit })),
    }),
  ];
}
