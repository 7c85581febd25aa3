import { policyRoutes } from './access/applications/policy-routes.ts';
import { applicationRoutes } from './access/applications/routes.ts';
import { identityProviderRoutes } from './access/identity-providers/routes.ts';
import { keyRoutes } from './access/keys/routes.ts';
import { accessLogRoutes } from './access/logs/routes.ts';
import { organizationRoutes } from './access/organizations/routes.ts';
import { serviceTokenRoutes } from './access/service-tokens/routes.ts';
import { userRoutes } from './access/users/routes.ts';
import { accountRoutes } from './accounts/accounts/routes.ts';
import { auditLogRoutes } from './accounts/audit-logs/routes.ts';
import { memberRoutes } from './accounts/members/routes.ts';
import { tokenRoutes } from './accounts/tokens/routes.ts';
import { zoneRoutes } from './accounts/zones/routes.ts';
import type { Config } from './config.ts';
import type { Route } from './http/route.ts';
import { permissionGroupRoutes } from './iam/permission-groups/routes.ts';
import { resourceGroupRoutes } from './iam/resource-groups/routes.ts';
import { userGroupRoutes } from './iam/user-groups/routes.ts';
import type { Vault } from './kernel/crypto.ts';
import { gateRoutes } from './portcullis/gates/routes.ts';
import type { Control } from './removal/act.ts';
import { ownHosts } from './server/own-hosts.ts';

/** What the routes are made of. */
export interface ApiParts {
  readonly config: Config;
  readonly control: Control;
  readonly vault: Vault;
}

/** Every route of the API, in the order of the OpenAPI document. */
export function listRoutes({ control, vault, config }: ApiParts): Route[] {
  return [
    ...accountRoutes(control),
    ...memberRoutes(control),
    ...tokenRoutes(control),
    ...auditLogRoutes(control),
    ...zoneRoutes(control),
    ...permissionGroupRoutes(),
    ...resourceGroupRoutes(control),
    ...userGroupRoutes(control),
    ...userRoutes(control),
    ...organizationRoutes(control),
    ...keyRoutes({ control, vault }),
    ...identityProviderRoutes(control, { vault }),
    ...applicationRoutes(control, { reservedHosts: ownHosts(config) }),
    ...policyRoutes(control),
    ...serviceTokenRoutes(control),
    ...accessLogRoutes(control),
    ...gateRoutes(control),
  ];
}
