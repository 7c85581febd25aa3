import { Type } from 'typebox';
import { Nullable, Time, Uuid } from '../../http/shapes.ts';

/** A seat as it is answered; both false: it was taken away. */
export const Seat = Type.Object({
  seat_uid: Type.String(),
  access_seat: Type.Boolean({ description: 'True if the seat was taken by signing in.' }),
  gateway_seat: Type.Boolean({ description: 'True if the seat was taken by enrolling a device.' }),
  created_at: Time,
  updated_at: Time,
});

/** A bare array of what seats are to be (reference §3.2). */
export const SeatChanges = Type.Array(
  Type.Object({
    seat_uid: Uuid('The seat.'),
    access_seat: Type.Boolean({ description: 'false: sessions and tokens of the user end.' }),
    gateway_seat: Type.Boolean({ description: 'false: device registrations of the user are deleted.' }),
  }),
  { minItems: 1, maxItems: 200 },
);

const limit = Nullable(
  Type.Integer({
    minimum: 0,
    maximum: 10_000_000,
    description: 'How many users may hold a seat; null: any number.',
  }),
);

export const SeatLimit = Type.Object({
  limit,
  used: Type.Integer({ description: 'How many users hold a seat.' }),
});

export const SetSeatLimit = Type.Object({ limit });
