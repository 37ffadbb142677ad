import { formatErrors } from '../../config/errors.ts';
import { parseConfig } from '../../config/parse.ts';

/** A configuration file. Either a configuration or errors, never neither, and never an exception. */
export function fuzz(bytes: Buffer): void {
  const { config, errors } = parseConfig(bytes.toString('utf8'), { file: 'landfall.yaml', environment: { NAME: 'value' }, hostName: 'node' });
  formatErrors(errors);
  if (config === undefined && errors.length === 0) throw new Error('refused without a word');
}
