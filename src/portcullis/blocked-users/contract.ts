import { Type } from 'typebox';
import { pageQuery, Time, Uuid } from '../../http/shapes.ts';

/** An e-mail with which nobody signs in. */
export const BlockedUser = Type.Object({
  id: Type.String(),
  email: Type.String(),
  reason: Type.String({ description: 'As it was given; empty if none was.' }),
  created_at: Time,
});

export const BlockUser = Type.Object({
  email: Type.String({
    minLength: 1,
    maxLength: 320,
    description: 'Of somebody who is a user, or of nobody yet.',
  }),
  reason: Type.Optional(
    Type.String({ maxLength: 1000, description: 'For administrators; nobody else sees it.' }),
  ),
});

export const UnblockedUser = Type.Object({ id: Type.String() });

export const BlockedUserParams = Type.Object({ blocked_user_id: Uuid('UUID of the block.') });

export const BlockedUserQuery = Type.Object({
  ...pageQuery({ most: 1000, usual: 100 }),
  email: Type.Optional(Type.String({ maxLength: 320, description: 'Exactly this e-mail.' })),
});
