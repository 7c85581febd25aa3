import { Type } from 'typebox';
import { cursorQuery, Direction, Nullable, Time, Uuid } from '../../http/shapes.ts';

/** How many ids one call can name. */
export const MOST_IDS = 200;

const ids = (most: number) => Type.Array(Uuid('UUID of a registration.'), { minItems: 1, maxItems: most });

/** The one profile of device settings that there is. */
export const Profile = Type.Object({
  id: Type.Literal('default'),
  name: Type.Literal('Default'),
  default: Type.Literal(true),
  deleted: Type.Literal(false),
  updated_at: Time,
});

export const DeviceUser = Type.Object({ id: Type.String(), email: Type.String(), name: Type.String() });

export const Registration = Type.Object({
  id: Type.String(),
  created_at: Time,
  updated_at: Time,
  last_seen_at: Time,
  revoked_at: Nullable(Time),
  deleted_at: Type.Null(),
  device: Type.Object({
    id: Type.String(),
    name: Type.String(),
    client_version: Type.Optional(Type.String()),
  }),
  user: DeviceUser,
  key: Type.String({ description: 'The public key: the uncompressed point of P-256, in base64.' }),
  key_type: Type.Literal('secp256r1'),
  registration_type: Type.Literal('warp'),
  tunnel_type: Type.Null(),
  virtual_ipv4: Type.Null(),
  virtual_ipv6: Type.Null(),
  policy: Type.Optional(Profile),
});

/** What list and get can be asked to add. */
const include = Type.Optional(Type.String({ maxLength: 64, description: '`policy`, or nothing.' }));

/** A kind of client; there are no browser extensions. */
const ClientType = Type.Union([Type.Literal('warp'), Type.Literal('browser_extension')]);

export const RegistrationQuery = Type.Object({
  ...cursorQuery({ most: 100, usual: 50 }),
  id: Type.Optional(ids(MOST_IDS)),
  'user.id': Type.Optional(Type.Array(Uuid('UUID of a user.'), { maxItems: MOST_IDS })),
  'device.id': Type.Optional(Uuid('UUID of a physical device.')),
  'policy.id': Type.Optional(Type.String({ maxLength: 64 })),
  registration_type: Type.Optional(ClientType),
  status: Type.Optional(Type.Union([Type.Literal('active'), Type.Literal('all'), Type.Literal('revoked')])),
  search: Type.Optional(
    Type.String({ maxLength: 350, description: 'Part of what is known of its user or device, in any case.' }),
  ),
  seen_after: Type.Optional(Time),
  seen_before: Type.Optional(Time),
  sort_by: Type.Optional(
    Type.Union([
      Type.Literal('id'),
      Type.Literal('user.name'),
      Type.Literal('user.email'),
      Type.Literal('last_seen_at'),
      Type.Literal('created_at'),
    ]),
  ),
  sort_order: Direction,
  include,
});

export const OneQuery = Type.Object({ include });

export const RegistrationParams = Type.Object({ registration_id: Uuid('UUID of the registration.') });

export const IdsQuery = Type.Object({ id: ids(MOST_IDS) });

/** A device as it was before registrations and physical devices were told apart: one registration. */
export const LegacyDevice = Type.Object({
  id: Type.String({ description: 'Of the registration.' }),
  gateway_device_id: Type.String({ description: 'Of the physical device.' }),
  created: Time,
  updated: Time,
  last_seen: Time,
  revoked_at: Type.Optional(Time),
  deleted: Type.Literal(false),
  name: Type.String(),
  device_type: Type.String(),
  ip: Type.Optional(Type.String()),
  key: Type.String(),
  key_type: Type.Literal('secp256r1'),
  mac_address: Type.Optional(Type.String()),
  manufacturer: Type.Optional(Type.String()),
  model: Type.Optional(Type.String()),
  os_distro_name: Type.Optional(Type.String()),
  os_distro_revision: Type.Optional(Type.String()),
  os_version: Type.Optional(Type.String()),
  os_version_extra: Type.Optional(Type.String()),
  serial_number: Type.Optional(Type.String()),
  version: Type.Optional(Type.String()),
  user: DeviceUser,
});

export const LegacyParams = Type.Object({ device_id: Uuid('UUID of a registration.') });

export const LegacyIds = Type.Array(Uuid('UUID of a registration, or of a physical device.'), {
  minItems: 1,
  maxItems: MOST_IDS,
});
