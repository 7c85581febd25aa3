import { Type } from 'typebox';

/** What devices are made to do; here nothing goes through them, so none of it is on. */
export const DeviceSettings = Type.Object({
  gateway_proxy_enabled: Type.Literal(false),
  gateway_udp_proxy_enabled: Type.Literal(false),
  root_certificate_installation_enabled: Type.Literal(false),
  use_zt_virtual_ip: Type.Literal(false),
  external_emergency_signal_enabled: Type.Literal(false),
  disable_for_time: Type.Literal(0),
});
