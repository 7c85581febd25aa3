import { Type } from 'typebox';
import { Direction, Nullable, pageQuery, Time } from '../../http/shapes.ts';

export const Account = Type.Object({
  id: Type.String(),
  name: Type.String(),
  type: Type.Union([Type.Literal('standard'), Type.Literal('enterprise')]),
  settings: Type.Object({
    enforce_twofactor: Type.Literal(false),
    abuse_contact_email: Type.Optional(Type.String()),
  }),
  created_on: Time,
});

export const AccountQuery = Type.Object({
  ...pageQuery({ most: 1000, usual: 20 }),
  name: Type.Optional(Type.String({ maxLength: 256, description: 'Exactly this name.' })),
  direction: Direction,
});

const Name = Type.String({ minLength: 1, maxLength: 160 });
const Kind = Type.Optional(Type.Union([Type.Literal('standard'), Type.Literal('enterprise')]));

export const UpdateAccount = Type.Object({
  id: Type.Optional(Type.String({ maxLength: 64, description: 'Only that of the path.' })),
  name: Name,
  type: Kind,
  managed_by: Type.Optional(
    Nullable(
      Type.Object({
        parent_org_id: Type.Optional(Nullable(Type.String())),
        parent_org_name: Type.Optional(Nullable(Type.String())),
      }),
    ),
  ),
  settings: Type.Optional(
    Type.Object({
      abuse_contact_email: Type.Optional(Nullable(Type.String({ maxLength: 320 }))),
      enforce_twofactor: Type.Optional(Type.Boolean({ description: 'Only false.' })),
    }),
  ),
});

export const CreateAccount = Type.Object({
  name: Name,
  type: Kind,
  standalone: Type.Optional(Type.Boolean({ description: 'Every account stands alone here.' })),
  unit: Type.Optional(
    Type.Object({ id: Type.Optional(Type.String({ maxLength: 64 })) }, { description: 'Not supported.' }),
  ),
});
