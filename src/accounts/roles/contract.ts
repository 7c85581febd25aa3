import { Type } from 'typebox';
import { pageQuery, Tag } from '../../http/shapes.ts';

export const RoleParams = Type.Object({ role_id: Tag('Identifier of the role.') });

export const RoleQuery = Type.Object(pageQuery({ most: 1000, usual: 20 }));
