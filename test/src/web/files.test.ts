import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';

const folder = new URL('../../../src/web/', import.meta.url);
const files = new Map(readdirSync(folder).map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]));

describe('the files of the timeline page', () => {
  it('name no other host and no script or style inside the page', () => {
    const html = files.get('index.html') ?? '';
    assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:/i);
    assert.deepEqual([...html.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1]).sort(), ['#handovers', 'app.js', 'icon.svg', 'style.css']);
    for (const [name, text] of files) assert.deepEqual((text.match(/\b(?:https?:)?\/\/[a-z0-9.-]+\.[a-z]+\S*/gi) ?? []).filter((url) => !url.startsWith('http://www.w3.org/2000/svg')), [], name);
  });

  it('put nothing into the document as markup or as code', () => {
    for (const name of ['app.js', 'timeline.js']) {
      assert.doesNotMatch(files.get(name) ?? '', /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|createContextualFragment|srcdoc|\.style\b|setAttribute\('on/, name);
    }
  });

  it('say what is needed by who does not see the picture', () => {
    const html = files.get('index.html') ?? '';
    assert.match(html, /<html lang="en">/);
    assert.match(html, /<meta name="viewport" content="width=device-width, initial-scale=1">/);
    assert.match(html, /role="status"/);
    const app = files.get('app.js') ?? '';
    for (const part of ["role: 'img'", "draw('title'", "draw('desc'", "scope: 'col'", "make('caption'"]) assert.ok(app.includes(part), part);
  });
});
