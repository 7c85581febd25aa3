import { Type } from 'typebox';
import { Nullable } from '../../http/shapes.ts';

const text = Nullable(Type.String());

const Organization = Type.Object({
  id: Type.String(),
  name: Type.String(),
  status: Type.Literal('member'),
  roles: Type.Array(Type.String()),
  permissions: Type.Array(Type.String(), { maxItems: 0 }),
});

/** Whoever asks, as a person. What Cloudflare sells and enforces by person is not here, and never on. */
export const User = Type.Object({
  id: Type.String(),
  email: Type.String(),
  first_name: text,
  last_name: text,
  country: text,
  telephone: text,
  zipcode: text,
  suspended: Type.Literal(false),
  two_factor_authentication_enabled: Type.Literal(false),
  two_factor_authentication_locked: Type.Literal(false),
  has_pro_zones: Type.Literal(false),
  has_business_zones: Type.Literal(false),
  has_enterprise_zones: Type.Literal(false),
  betas: Type.Array(Type.String(), { maxItems: 0 }),
  organizations: Type.Array(Organization, { description: 'The accounts that the person has joined.' }),
});

/** Null or empty takes it away; what is absent stays. The longest are Cloudflare's. */
const changed = (maxLength: number) => Type.Optional(Nullable(Type.String({ maxLength })));

export const EditUser = Type.Object({
  first_name: changed(60),
  last_name: changed(60),
  country: changed(30),
  telephone: changed(20),
  zipcode: changed(20),
});
