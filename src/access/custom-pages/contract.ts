import { Type } from 'typebox';
import { pageQuery, Time, Uuid } from '../../http/shapes.ts';

const fields = {
  uid: Type.String(),
  name: Type.String(),
  type: Type.String(),
  created_at: Time,
  updated_at: Time,
};

/** A custom page as lists and changes answer it. */
export const CustomPageWithoutHtml = Type.Object(fields);

export const CustomPage = Type.Object({ ...fields, custom_html: Type.String() });

/** Bytes of UTF-8 are counted when it is read. */
export const MOST_HTML = 64 * 1024;

const types = ['identity_denied', 'forbidden', 'login', 'interstitial'] as const;

/** A body of create and update. */
export const CustomPageInput = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 350 }),
  type: Type.Union(types.map((type) => Type.Literal(type))),
  custom_html: Type.String({ minLength: 1, maxLength: MOST_HTML }),
  contract_version: Type.Optional(Type.Integer()),
});

export const CustomPageParams = Type.Object({ custom_page_id: Uuid('UUID of the custom page.') });

export const DeletedCustomPage = Type.Object({ id: Type.String() });

export const CustomPageQuery = Type.Object(pageQuery({ most: 1000, usual: 1000 }));
