import type { Static } from 'typebox';
import type { DeviceSettings } from './contract.ts';

/** The same for every account: no traffic is proxied, no certificate installed, no address given out. */
export function deviceSettings(): Static<typeof DeviceSettings> {
  return {
    gateway_proxy_enabled: false,
    gateway_udp_proxy_enabled: false,
    root_certificate_installation_enabled: false,
    use_zt_virtual_ip: false,
    external_emergency_signal_enabled: false,
    disable_for_time: 0,
  };
}
