import { benches } from './benches.ts';
import { runCall } from './harness/call.ts';

/* npm run bench -- NAME… [--quick] [--json]; see docs/performance.md. */

const code = await runCall(process.argv.slice(2), benches, {
  write: (text) => console.log(text),
  say: (line) => console.error(line),
});
// A bench that was given up may still hold the loop.
process.exit(code);
