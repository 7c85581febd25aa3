import { Type } from 'typebox';
import { pageQuery, Tag } from '../../http/shapes.ts';

export const PermissionGroupParams = Type.Object({
  permission_group_id: Tag('Identifier of the permission group.'),
});

export const PermissionGroupQuery = Type.Object({
  ...pageQuery({ most: 1000, usual: 20 }),
  id: Type.Optional(
    Type.Array(Type.String({ maxLength: 64 }), { maxItems: 100, description: 'Exactly one of these ids.' }),
  ),
  name: Type.Optional(Type.String({ maxLength: 256, description: 'Exactly this name.' })),
  label: Type.Optional(Type.String({ maxLength: 256, description: 'Exactly this label.' })),
});
