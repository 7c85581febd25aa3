import { Type } from 'typebox';
import { Tag } from '../../http/shapes.ts';

export const ResourceGroupParams = Type.Object({
  resource_group_id: Tag('Identifier of the resource group.'),
});

export const ResourceGroupQuery = Type.Object({
  id: Type.Optional(Type.String({ maxLength: 64, fold: true, description: 'Exactly this id.' })),
  name: Type.Optional(Type.String({ maxLength: 256, description: 'Exactly this name.' })),
});

const key = Type.String({ minLength: 1, maxLength: 128 });

const Scope = Type.Object({
  key,
  objects: Type.Array(Type.Object({ key }), { minItems: 1, maxItems: 200 }),
});

const name = Type.String({ minLength: 1, maxLength: 256 });

export const CreateResourceGroup = Type.Object({ name, scope: Scope });

export const UpdateResourceGroup = Type.Object({ name: Type.Optional(name), scope: Type.Optional(Scope) });
