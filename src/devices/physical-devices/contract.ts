import { Type } from 'typebox';
import { cursorQuery, Direction, Nullable, Time, Uuid } from '../../http/shapes.ts';

const Text = Nullable(Type.String());

/** The one profile of device settings that there is. */
const Profile = Type.Object({
  id: Type.Literal('default'),
  name: Type.Literal('Default'),
  default: Type.Literal(true),
  deleted: Type.Literal(false),
  updated_at: Time,
});

export const PhysicalDevice = Type.Object({
  id: Type.String(),
  name: Type.String(),
  active_registrations: Type.Integer(),
  created_at: Time,
  updated_at: Time,
  last_seen_at: Nullable(Time),
  deleted_at: Type.Null(),
  tags: Type.Object({}, { description: 'There are no tags of devices.' }),
  client_version: Text,
  device_type: Text,
  hardware_id: Text,
  mac_address: Text,
  manufacturer: Text,
  model: Text,
  os_version: Text,
  os_version_extra: Text,
  public_ip: Text,
  serial_number: Text,
  last_seen_user: Nullable(Type.Object({ id: Type.String(), email: Type.String(), name: Type.String() })),
  last_seen_registration: Nullable(Type.Object({ policy: Type.Optional(Profile) })),
});

const include = Type.Optional(
  Type.String({ maxLength: 64, description: '`last_seen_registration.policy`, or nothing.' }),
);

export const PhysicalDeviceQuery = Type.Object({
  ...cursorQuery({ most: 100, usual: 50 }),
  id: Type.Optional(Type.Array(Uuid('UUID of a physical device.'), { minItems: 1, maxItems: 200 })),
  active_registrations: Type.Optional(
    Type.Union([Type.Literal('include'), Type.Literal('only'), Type.Literal('exclude')]),
  ),
  has_registration_type: Type.Optional(Type.Union([Type.Literal('warp'), Type.Literal('browser_extension')])),
  'last_seen_registration.policy': Type.Optional(Type.String({ maxLength: 64 })),
  'last_seen_user.email': Type.Optional(Type.String({ maxLength: 320 })),
  search: Type.Optional(
    Type.String({ maxLength: 350, description: 'Part of what is known of the device, in any case.' }),
  ),
  seen_after: Type.Optional(Time),
  seen_before: Type.Optional(Time),
  sort_by: Type.Optional(
    Type.Union([
      Type.Literal('name'),
      Type.Literal('id'),
      Type.Literal('client_version'),
      Type.Literal('last_seen_user.email'),
      Type.Literal('last_seen_at'),
      Type.Literal('active_registrations'),
      Type.Literal('created_at'),
    ]),
  ),
  sort_order: Direction,
  tag: Type.Optional(Type.Array(Type.String({ maxLength: 512 }), { maxItems: 50 })),
  include,
});

export const OneQuery = Type.Object({ include });

export const PhysicalDeviceParams = Type.Object({ device_id: Uuid('UUID of the physical device.') });
