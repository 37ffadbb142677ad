import assert from 'node:assert/strict';
import { newHistogram, observe } from '../../../src/metrics/histogram.ts';
import { formatMetrics } from '../../../src/metrics/text-format.ts';

describe('metrics: text format', () => {
  it('has HELP and TYPE once, then every series', () => {
    const text = formatMetrics([
      { name: 'up', help: 'Is it?\nYes \\ no.', series: { type: 'gauge', samples: [{ labels: { peer: 'a', peer_asn: 65010 }, value: 1 }, { labels: {}, value: 0.25 }] } },
      { name: 'none_total', help: 'Nothing.', series: { type: 'counter', samples: [] } },
    ]);
    assert.equal(text, '# HELP landfall_up Is it?\\nYes \\\\ no.\n# TYPE landfall_up gauge\nlandfall_up{peer="a",peer_asn="65010"} 1\nlandfall_up 0.25\n'
      + '# HELP landfall_none_total Nothing.\n# TYPE landfall_none_total counter\n');
  });

  it('buckets are cumulative, an observation on a bound belongs to it, one beyond all is in +Inf only', () => {
    const histogram = newHistogram([0.001, 0.01]);
    for (const value of [0.001, 0.0011, 5, -3, NaN, Infinity]) observe(histogram, value);
    const text = formatMetrics([{ name: 's', help: 'x', series: { type: 'histogram', samples: [{ labels: { afi: 'ipv4' }, value: histogram }] } }]);
    assert.deepEqual(text.trimEnd().split('\n').slice(2), [
      'landfall_s_bucket{afi="ipv4",le="0.001"} 2', 'landfall_s_bucket{afi="ipv4",le="0.01"} 3', 'landfall_s_bucket{afi="ipv4",le="+Inf"} 4',
      'landfall_s_sum{afi="ipv4"} 5.0021', 'landfall_s_count{afi="ipv4"} 4',
    ]);
  });

  it('a name that tries to end its label, its line or the terminal\'s mode stays inside its quotes', () => {
    const vm = 'a"} 1\nlandfall_up{peer="x\x1b[2J\\\r\u202e';
    const text = formatMetrics([{ name: 'prefix_info', help: 'x', series: { type: 'gauge', samples: [{ labels: { vm }, value: 1 }] } }]);
    assert.match(text, /^[\x20-\x7e\n]*$/);
    const lines = text.trimEnd().split('\n');
    assert.equal(lines.length, 3);
    assert.match(lines[2] ?? '', /^landfall_prefix_info\{vm="(?:[^"\\\n]|\\\\|\\"|\\n)*"\} 1$/);
  });
});
