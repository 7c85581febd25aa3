import { policyRoutes } from './access/applications/policy-routes.ts';
import { applicationRoutes } from './access/applications/routes.ts';
import { applicationSettingsRoutes } from './access/applications/settings-routes.ts';
import { certificateRoutes } from './access/certificates/routes.ts';
import { customPageRoutes } from './access/custom-pages/routes.ts';
import { groupRoutes } from './access/groups/routes.ts';
import { identityProviderRoutes } from './access/identity-providers/routes.ts';
import { keyRoutes } from './access/keys/routes.ts';
import { accessLogRoutes } from './access/logs/routes.ts';
import { organizationAfterZones } from './access/organizations/organization-zones.ts';
import { organizationRoutes } from './access/organizations/routes.ts';
import { reusablePolicyRoutes } from './access/policies/routes.ts';
import { policyTestRoutes } from './access/policy-tests/routes.ts';
import { seatRoutes } from './access/seats/routes.ts';
import { serviceTokenRoutes } from './access/service-tokens/routes.ts';
import { tagRoutes } from './access/tags/routes.ts';
import { userRoutes } from './access/users/routes.ts';
import { accountRoutes } from './accounts/accounts/routes.ts';
import { auditLogRoutes } from './accounts/audit-logs/routes.ts';
import { createAccountOnce } from './accounts/bootstrap/create-once.ts';
import { refuseExcess } from './accounts/holdings/holdings.ts';
import { auditRoutes } from './accounts/logs/routes.ts';
import { memberRoutes } from './accounts/members/routes.ts';
import { membershipRoutes } from './accounts/memberships/routes.ts';
import { roleRoutes } from './accounts/roles/routes.ts';
import { tokenRoutes } from './accounts/tokens/routes.ts';
import { userDetailRoutes } from './accounts/user/routes.ts';
import { zoneRoutes } from './accounts/zones/routes.ts';
import type { Config } from './config.ts';
import { physicalDeviceRoutes } from './devices/physical-devices/routes.ts';
import { postureRoutes } from './devices/posture/routes.ts';
import { legacyDeviceRoutes } from './devices/registrations/legacy-routes.ts';
import { registrationRoutes } from './devices/registrations/routes.ts';
import { deviceSettingsRoutes } from './devices/settings/routes.ts';
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
    ...accountRoutes(control, {
      create: (asking) => createAccountOnce({ control, vault, reservedHosts: ownHosts(config) }, asking),
    }),
    ...memberRoutes(control),
    ...roleRoutes(),
    ...membershipRoutes(control),
    ...tokenRoutes(control),
    ...userDetailRoutes(control),
    ...auditLogRoutes(control),
    ...auditRoutes(control),
    ...zoneRoutes(control, { reservedHosts: ownHosts(config), afterZones: organizationAfterZones }),
    ...permissionGroupRoutes(),
    ...resourceGroupRoutes(control, { refuseExcess }),
    ...userGroupRoutes(control),
    ...userRoutes(control),
    ...seatRoutes(control),
    ...customPageRoutes(control),
    ...organizationRoutes(control),
    ...keyRoutes({ control, vault }),
    ...identityProviderRoutes(control, { vault, canMail: config.mail !== null }),
    ...groupRoutes(control),
    ...applicationRoutes(control, { reservedHosts: ownHosts(config) }),
    ...applicationSettingsRoutes(control),
    ...policyRoutes(control),
    ...tagRoutes(control),
    ...reusablePolicyRoutes(control),
    ...serviceTokenRoutes(control),
    ...certificateRoutes(control, { reservedHosts: ownHosts(config) }),
    ...gatewayListRoutes(control),
    ...postureRoutes(control),
    ...registrationRoutes(control),
    ...physicalDeviceRoutes(control),
    ...deviceSettingsRoutes(),
    ...legacyDeviceRoutes(control),
    ...policyTestRoutes(control, { onFault }),
    ...accessLogRoutes(control),
    ...gateRoutes(control),
    ...blockedUserRoutes(control),
  ];
}
