import { Type } from 'typebox';
import { Tag } from '../../http/shapes.ts';

export const ResourceGroupParams = Type.Object({
  resource_group_id: Tag('Identifier of the resource group.'),
});

export const ResourceGroupQuery = Type.Object({
  id: Type.Optional(Type.String({ maxLength: 64, fold: true, description: 'Exactly this id.' })),
  name: Type.Optional(Type.String({ maxLength: 256, description: 'Exactly this name.' })),
});
