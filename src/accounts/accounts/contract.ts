import { Type } from 'typebox';
import { Direction, pageQuery, Time } from '../../http/shapes.ts';

export const Account = Type.Object({
  id: Type.String(),
  name: Type.String(),
  type: Type.Union([Type.Literal('standard'), Type.Literal('enterprise')]),
  settings: Type.Object({ enforce_twofactor: Type.Boolean() }),
  created_on: Time,
});

export const AccountQuery = Type.Object({
  ...pageQuery({ most: 1000, usual: 20 }),
  name: Type.Optional(Type.String({ maxLength: 256, description: 'Exactly this name.' })),
  direction: Direction,
});
