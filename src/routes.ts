import { policyRoutes } from './access/applications/policy-routes.ts';
import { applicationRoutes } from './access/applications/routes.ts';
import { certificateRoutes } from './access/certificates/routes.ts';
import { customPageRoutes } from './access/custom-pages/routes.ts';
import { groupRoutes } from './access/groups/routes.ts';
import { identityProviderRoutes } from './access/identity-providers/routes.ts';
import { keyRoutes } from './access/keys/routes.ts';
import { accessLogRoutes } from './access/logs/routes.ts';
import { organizationRoutes } from './access/organizations/routes.ts';
import { reusablePolicyRoutes } from './access/policies/routes.ts';
import { policyTestRoutes } from './access/policy-tests/routes.ts';
import { serviceTokenRoutes } from './access/service-tokens/routes.ts';
import { userRoutes } from './access/users/routes.ts';
import { accountRoutes } from './accounts/accounts/routes.ts';
import { auditLogRoutes } from './accounts/audit-logs/routes.ts';
import { memberRoutes } from './accounts/members/routes.ts';
import { tokenRoutes } from './accounts/tokens/routes.ts';
import { zoneRoutes } from './accounts/zones/routes.ts';
import type { Config } from './config.ts';
import { gatewayListRoutes } from './gateway/lists/routes.ts';
import type { Route } from './http/route.ts';
import { permissionGroupRoutes } from './iam/permission-groups/routes.ts';
import { resourceGroupRoutes } from './iam/resource-groups/routes.ts';
import { userGroupRoutes } from './iam/user-groups/routes.ts';
import type { Vault } from './kernel/crypto.ts';
import { blockedUserRoutes } from './portcullis/blocked-users/routes.ts';
import { gateRoutes } from './portcullis/gates/routes.ts';
import type { Control } from './removal/act.ts';
import { ownHosts } from './server/own-hosts.ts';

/** What the routes are made of. */
export interface ApiParts {
  readonly config: Config;
  readonly control: Control;
  readonly vault: Vault;
  /** Told of what went wrong in work that no answer waits for. */
  readonly onFault?: (error: unknown) => void;
}

/** Every route of the API, in the order of the OpenAPI document. */
export function listRoutes({ control, vault, config, onFault = () => {} }: ApiParts): Route[] {
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
    ...customPageRoutes(control),
    ...organizationRoutes(control),
    ...keyRoutes({ control, vault }),
    ...identityProviderRoutes(control, { vault, canMail: config.mail !== null }),
    ...groupRoutes(control),
    ...applicationRoutes(control, { reservedHosts: ownHosts(config) }),
    ...policyRoutes(control),
    ...reusablePolicyRoutes(control),
    ...serviceTokenRoutes(control),
    ...certificateRoutes(control, { reservedHosts: ownHosts(config) }),
    ...gatewayListRoutes(control),
    ...policyTestRoutes(control, { onFault }),
    ...accessLogRoutes(control),
    ...gateRoutes(control),
    ...blockedUserRoutes(control),
  ];
}
