import { type Route, route } from '../../http/route.ts';
import { DeviceSettings } from './contract.ts';
import { deviceSettings } from './settings.ts';

/** GET /devices/settings: the SDK's `zeroTrust.devices.settings.get`. */
export function deviceSettingsRoutes(): Route[] {
  return [
    route({
      method: 'GET',
      scope: 'account',
      tag: 'Devices',
      status: 200,
      path: '/devices/settings',
      operation: 'zero-trust-accounts-get-device-settings-for-zero-trust-account',
      summary: 'Get device settings',
      permission: ['Zero Trust Read', 'Zero Trust Write', 'Zero Trust Report'],
      result: DeviceSettings,
      handler: async () => deviceSettings(),
    }),
  ];
}
