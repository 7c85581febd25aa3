import chromium from '@sparticuz/chromium';
import { type Browser, chromium as playwright } from 'playwright-core';

/** Flags of the package that switch off what these tests are about, or end the browser with its first page. */
const UNWANTED =
  /^--(?:disable-web-security|allow-running-insecure-content|disable-site-isolation-trials|single-process)$/;

/** A real Chromium, or in words why it cannot start on this machine (in CI: an error). It resolves `*.localhost` to loopback. */
export async function startChromium(): Promise<Browser | string> {
  try {
    const executablePath = await chromium.executablePath();
    const args = chromium.args.filter((flag) => !UNWANTED.test(flag));
    return await playwright.launch({ executablePath, args, headless: true });
  } catch (error) {
    // In CI nothing may be passed over in silence.
    if (process.env.CI) throw error;
    return `Chromium cannot start here: ${(error as Error).message.split('\n')[0]}`;
  }
}
