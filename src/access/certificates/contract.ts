import { Type } from 'typebox';
import { pageQuery, Time, Uuid } from '../../http/shapes.ts';

/** An authority as it is shown. */
export const Certificate = Type.Object({
  id: Type.String(),
  name: Type.String(),
  fingerprint: Type.String({
    description: 'Of the DER form: `MD5 Fingerprint=` and hex, as Cloudflare has it.',
  }),
  fingerprint_sha256: Type.String({
    description: 'Of the DER form, in lower-case hex. An extension of ours.',
  }),
  associated_hostnames: Type.Array(Type.String()),
  expires_on: Time,
  created_at: Time,
  updated_at: Time,
});

const name = Type.String({ minLength: 1, maxLength: 350 });

const hostnames = Type.Array(Type.String({ minLength: 1, maxLength: 253 }), {
  maxItems: 100,
  description: 'Host names, each on which client certificates of this authority count.',
});

export const CreateCertificate = Type.Object({
  certificate: Type.String({ minLength: 1, maxLength: 16_384, description: 'PEM of one root certificate.' }),
  name,
  associated_hostnames: Type.Optional(hostnames),
});

export const UpdateCertificate = Type.Object({
  associated_hostnames: hostnames,
  name: Type.Optional(name),
});

export const CertificateParams = Type.Object({ certificate_id: Uuid('UUID of the certificate.') });

export const CertificateQuery = Type.Object(pageQuery({ most: 1000, usual: 1000 }));

export const Deleted = Type.Object({ id: Type.String() });

/** What holds on one host name that a certificate is associated with. */
export const CertificateSettings = Type.Object({
  hostname: Type.String(),
  china_network: Type.Boolean(),
  client_certificate_forwarding: Type.Boolean(),
});

export const UpdateSettings = Type.Object({
  settings: Type.Array(
    Type.Object({
      hostname: Type.String({ minLength: 1, maxLength: 253 }),
      china_network: Type.Boolean(),
      client_certificate_forwarding: Type.Boolean(),
    }),
    { maxItems: 1000 },
  ),
});
