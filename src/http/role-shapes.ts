import { Type } from 'typebox';

const Grant = Type.Object({ read: Type.Boolean(), write: Type.Boolean() });

/** The older, coarser form of what somebody may do (reference §3.8): only what there is here. */
export const Permissions = Type.Object({
  logs: Type.Optional(Grant),
  organization: Type.Optional(Grant),
  zone_settings: Type.Optional(Grant),
  zones: Type.Optional(Grant),
});

/** A role, as members have it and as lists show it. */
export const Role = Type.Object({
  id: Type.String(),
  name: Type.String(),
  description: Type.String(),
  permissions: Permissions,
});
