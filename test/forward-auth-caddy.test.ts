import { testAttacks } from './support/attacks.ts';
import { behind } from './support/behind-proxy.ts';
import { caddy } from './support/caddy.ts';
import { testHappyPath } from './support/happy-path.ts';

behind(caddy, (world) => {
  testAttacks(world);
  testHappyPath(world);
});
