import { testAttacks } from './support/attacks.ts';
import { behind } from './support/behind-proxy.ts';
import { testHappyPath } from './support/happy-path.ts';
import { haproxy } from './support/haproxy.ts';

behind(haproxy, (world) => {
  testAttacks(world);
  testHappyPath(world);
});
