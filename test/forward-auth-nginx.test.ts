import { testAttacks } from './support/attacks.ts';
import { behind } from './support/behind-proxy.ts';
import { testHappyPath } from './support/happy-path.ts';
import { nginx } from './support/nginx.ts';

behind(nginx, (world) => {
  testAttacks(world);
  testHappyPath(world);
});
