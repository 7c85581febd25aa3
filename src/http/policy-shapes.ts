import { Type } from 'typebox';

/** A permission group wherever it is shown; its attributes are texts, as the SDK types them. */
export const PermissionGroup = Type.Object({
  id: Type.String(),
  name: Type.String(),
  meta: Type.Object({
    label: Type.String({ description: 'The name in lower case, joined by underscores.' }),
    scopes: Type.String(),
    category: Type.String(),
    editable: Type.Literal('false'),
    deprecated: Type.Literal('false'),
  }),
});

/** A named set of resources of an account: all of it (`*`), or some of its zones. */
export const ResourceGroup = Type.Object({
  id: Type.String(),
  name: Type.String(),
  scope: Type.Object({
    key: Type.String({ description: 'com.cloudflare.api.account.<id>' }),
    objects: Type.Array(
      Type.Object({ key: Type.String({ description: '*, or com.cloudflare.api.account.zone.<id>' }) }),
    ),
  }),
  meta: Type.Object({ key: Type.String(), value: Type.String() }),
});

/** A policy of a member or a user group (reference §3.7). */
export const MemberPolicy = Type.Object({
  id: Type.String(),
  access: Type.Literal('allow'),
  permission_groups: Type.Array(PermissionGroup),
  resource_groups: Type.Array(ResourceGroup),
});

const Named = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) });
const some = Type.Array(Named, { minItems: 1, maxItems: 200 });

/** Such a policy as callers write it; an `id` is what an update was told of an earlier one. */
export const MemberPolicyInput = Type.Object({
  id: Type.Optional(Type.String({ maxLength: 64 })),
  access: Type.Union([Type.Literal('allow'), Type.Literal('deny')]),
  permission_groups: some,
  resource_groups: some,
});

export const MemberPolicyInputs = Type.Array(MemberPolicyInput, { maxItems: 100 });
