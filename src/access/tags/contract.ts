import { Type } from 'typebox';
import { pageQuery, Time } from '../../http/shapes.ts';

/** How long the name of a tag can be. */
const LONGEST_TAG = 100;

const name = Type.String({ minLength: 1, maxLength: LONGEST_TAG });

export const Tag = Type.Object({
  name: Type.String(),
  app_count: Type.Integer({ description: 'How many applications have it.' }),
  created_at: Time,
  updated_at: Time,
});

/** Body of create and update. */
export const TagInput = Type.Object({ name });

export const DeletedTag = Type.Object({ name: Type.String() });

export const TagParams = Type.Object({
  tag_name: Type.String({ minLength: 1, maxLength: 512, description: 'The name of the tag.' }),
});

export const TagQuery = Type.Object(pageQuery({ most: 1000, usual: 1000 }));
