import { Type } from 'typebox';
import { accessPolicy, accessPolicyInput } from '../../http/access-policy-shapes.ts';
import { pageQuery, Uuid } from '../../http/shapes.ts';

export const ReusablePolicy = Type.Object({
  ...accessPolicy,
  reusable: Type.Literal(true),
  app_count: Type.Integer({ description: 'How many applications use it.' }),
});

/** Body of create and update; its precedence is each application's. */
export const PolicyInput = Type.Object(accessPolicyInput);

export const PolicyParams = Type.Object({ policy_id: Uuid('UUID of the policy.') });

export const PolicyQuery = Type.Object(pageQuery({ most: 1000, usual: 1000 }));

export const Deleted = Type.Object({ id: Type.String() });
