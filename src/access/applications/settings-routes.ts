import type { Static } from 'typebox';
import { type Route, route } from '../../http/route.ts';
import { refuseAsked } from '../../kernel/off.ts';
import type { Control } from '../../removal/act.ts';
import { getApplication, placeOf } from './applications.ts';
import { ApplicationParams, ApplicationSettings, ApplicationSettingsInput } from './contract.ts';

const SETTINGS = ['allow_iframe', 'skip_interstitial'] as const;

const base = {
  scope: 'account_or_zone',
  tag: 'Access applications',
  path: '/access/apps/:app_id/settings',
  permission: ['Access: Apps and Policies Write'],
  status: 200,
  params: ApplicationParams,
  body: ApplicationSettingsInput,
  result: ApplicationSettings,
} as const;

/**
 * /access/apps/:app_id/settings (reference §3.4). Sign-in is never framed, and there is no program on a person's own
 * machine that could sign in for them: what is switched off is answered so, what would be switched on is a 400.
 */
export function applicationSettingsRoutes({ database }: Control): Route[] {
  const answer = async (call: Parameters<typeof placeOf>[0] & Asked) => {
    refuseAsked(call.body, SETTINGS);
    await getApplication(database.reader, placeOf(call), call.params.app_id);
    return { allow_iframe: false, skip_interstitial: false };
  };
  return [
    route({
      ...base,
      method: 'PUT',
      operation: 'access-applications-update-settings',
      summary: 'Update the settings of an Access application',
      handler: answer,
    }),
    route({
      ...base,
      method: 'PATCH',
      operation: 'access-applications-patch-settings',
      summary: 'Change the settings of an Access application',
      handler: answer,
    }),
  ];
}

interface Asked {
  readonly params: Static<typeof ApplicationParams>;
  readonly body: Static<typeof ApplicationSettingsInput>;
}
