// Mocha's spec reporter, which also writes the totals of the run as one JSON line into the file named by TEST_RESULTS:
// .ci/run adds these lines up. Failed hooks count as failures, and so does a run that found no test.
import { appendFileSync } from 'node:fs';
import Mocha from 'mocha';

export default class CountingSpec extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    // A test that needed a second try (`--retries`) is told of, with what went wrong at the first.
    const again = [];
    runner.on('retry', (test, error) => again.push(`${test.fullTitle()}: ${String(error?.message ?? error).split('\n')[0]}`));
    runner.once('end', () => {
      if (again.length > 0) console.log(`\n  tried again:\n    ${again.join('\n    ')}\n`);
    });
    runner.once('end', () => {
      const file = process.env.TEST_RESULTS;
      if (file === undefined || file === '') return;
      const { passes = 0, failures = 0, pending = 0 } = this.stats ?? {};
      const empty = passes + failures + pending === 0;
      const skipped = [];
      runner.suite.eachTest((test) => {
        if (test.isPending()) skipped.push(test.fullTitle());
      });
      appendFileSync(file, `${JSON.stringify({ passed: passes, failed: empty ? 1 : failures, skipped: pending, titles: skipped })}\n`);
    });
  }
}
