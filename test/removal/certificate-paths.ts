import { createAuthority, createClient } from '../support/client-certificates.ts';
import { type MutualApplication, type MutualTls, openMutualSocket } from '../support/mutual-tls.ts';

/* How the access of a client certificate ends, for completeness.test.ts. */

type Ending = 'ends' | 'stays';

/** The forms in which a program holds access by its certificate. */
export const CERTIFICATE_CHANNELS = ['next request', 'open connection', 'other authority'] as const;
type CertificateChannel = (typeof CERTIFICATE_CHANNELS)[number];

interface CertificatePath {
  readonly operations: readonly string[];
  readonly does: (held: HeldByCertificate) => Promise<unknown>;
  readonly cells: Readonly<Record<CertificateChannel, Ending>>;
}

const itself: CertificatePath['cells'] = {
  'next request': 'ends',
  'open connection': 'ends',
  'other authority': 'stays',
};

export const CERTIFICATE_PATHS: Readonly<Record<string, CertificatePath>> = {
  'its authority is deleted': {
    operations: ['access-mtls-authentication-delete-an-mtls-certificate'],
    does: ({ world: { sdk, account_id }, certificateId }) =>
      sdk.zeroTrust.access.certificates.delete(certificateId, { account_id }),
    cells: itself,
  },
  'its authority is associated with other hosts': {
    operations: ['access-mtls-authentication-update-an-mtls-certificate'],
    does: ({ world: { sdk, account_id }, certificateId }) =>
      sdk.zeroTrust.access.certificates.update(certificateId, {
        account_id,
        associated_hostnames: ['elsewhere.localhost'],
      }),
    cells: itself,
  },
};

/** A client certificate that is admitted in every form at once, and that of another authority of the host. */
interface HeldByCertificate {
  readonly world: MutualTls;
  readonly application: MutualApplication;
  readonly certificateId: string;
  readonly alive: Readonly<Record<CertificateChannel, () => Promise<boolean>>>;
}

export async function holdAsCertificate(world: MutualTls, name: string): Promise<HeldByCertificate> {
  const [root, otherRoot] = [await createAuthority(), await createAuthority()];
  const [client, other] = [await createClient(root), await createClient(otherRoot)];
  const include = [{ certificate: {} }];
  const policies = [{ name: 'Machines', decision: 'non_identity', include }];
  const application = await world.createApplication(name, policies);
  const certificateId = await world.addAuthority(root, application.hostname);
  await world.addAuthority(otherRoot, application.hostname);
  const webSocket = await openMutualSocket(world, application, { client });
  return {
    world,
    application,
    certificateId,
    alive: {
      'next request': async () => (await world.ask(application, { client })).status === 200,
      'open connection': () => webSocket.isAlive(),
      'other authority': async () => (await world.ask(application, { client: other })).status === 200,
    },
  };
}
