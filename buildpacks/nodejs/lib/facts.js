// Reads package.json and what lies beside it, and chooses the versions.
// Prints shell assignments for bin/compile.
//
// Usage: node facts.js BUILD_DIR VERSIONS_FILE
// VERSIONS_FILE holds the versions of Node.js that the registry offers (JSON,
// a list), or is absent.

'use strict';

const fs = require('fs');
const path = require('path');
const { createRequire } = require('module');

// Wide ranges end here, and it is the default.
const LTS_MAJOR = 24;

const [buildDir, versionsFile] = process.argv.slice(2);
const quoted = (text) => `'${String(text).replace(/'/g, "'\\''")}'`;
const assign = (name, value) => console.log(`${name}=${quoted(value)}`);
const fail = (text) => {
  assign('FAILURE', text);
  process.exit(0);
};
const exists = (name) => fs.existsSync(path.join(buildDir, name));

function semver() {
  const folders = (process.env.PATH || '').split(':');
  const npm = folders.map((folder) => path.join(folder, 'npm')).find((file) => fs.existsSync(file));
  return createRequire(fs.realpathSync(npm))('semver');
}

function readPackage() {
  try {
    const text = fs.readFileSync(path.join(buildDir, 'package.json'), 'utf8').replace(/^\uFEFF/, '');
    const found = JSON.parse(text);
    if (found === null || typeof found !== 'object' || Array.isArray(found)) throw new Error('it is no JSON object');
    return found;
  } catch (error) {
    return fail(`package.json can't be read: ${error.message}`);
  }
}

// The version for a range: the newest up to the LTS major, else the newest.
function choose(semver, range, versions) {
  const fitting = versions.filter((version) => semver.satisfies(version, range));
  const settled = fitting.filter((version) => semver.major(version) <= LTS_MAJOR);
  const list = settled.length ? settled : fitting;
  return list.length ? list.reduce((best, version) => (semver.gt(version, best) ? version : best)) : undefined;
}

const manifest = readPackage();
const scripts = manifest.scripts && typeof manifest.scripts === 'object' ? manifest.scripts : {};
const engines = manifest.engines && typeof manifest.engines === 'object' ? manifest.engines : {};
const ranges = semver();

const asked = typeof engines.node === 'string' ? engines.node.trim() : '';
assign('NODE_ASKED', asked);
assign('NPM_ASKED', typeof engines.npm === 'string' ? engines.npm.trim() : '');
if (asked && !ranges.validRange(asked)) {
  fail(`engines.node in package.json is not a version range: ${asked.slice(0, 100)}`);
}
const range = asked && ranges.validRange(asked) !== '*' ? asked : `${LTS_MAJOR}.x`;
assign('NODE_RANGE', range);

const own = process.versions.node;
const known = versionsFile && fs.existsSync(versionsFile) ? JSON.parse(fs.readFileSync(versionsFile, 'utf8')) : [];
const versions = [].concat(known).filter((version) => ranges.valid(version) && !ranges.prerelease(version));
const chosen = choose(ranges, range, versions);
const ownFits = ranges.satisfies(own, range);
// The stack's own needs no download and is kept current with the stack.
if (ownFits && (!chosen || ranges.major(chosen) === ranges.major(own))) {
  assign('NODE_VERSION', own);
  assign('NODE_SOURCE', 'stack');
} else if (chosen) {
  assign('NODE_VERSION', chosen);
  assign('NODE_SOURCE', 'registry');
} else {
  assign('NODE_VERSION', '');
  const majors = [...new Set(versions.map((version) => ranges.major(version)))].sort((a, b) => a - b);
  assign('NODE_MAJORS', majors.slice(-10).join(' '));
}

const lock = ['npm-shrinkwrap.json', 'package-lock.json'].find(exists) || '';
assign('LOCKFILE', lock);
assign('OTHER_LOCKFILES', ['yarn.lock', 'pnpm-lock.yaml', 'bun.lock', 'bun.lockb'].filter(exists).join(' '));
assign('HAS_MODULES', exists('node_modules') ? 'yes' : '');

const has = (name) => typeof scripts[name] === 'string' && scripts[name] !== '';
assign('PREBUILD', has('heroku-prebuild') ? 'heroku-prebuild' : '');
assign('BUILD', ['heroku-postbuild', 'build'].find(has) || '');
assign('CLEANUP', has('heroku-cleanup') ? 'heroku-cleanup' : '');
assign('STARTS', has('start') || exists('server.js') ? 'yes' : '');
const lifecycle = ['preinstall', 'install', 'postinstall', 'prepublish', 'preprepare', 'prepare', 'postprepare'];
// npm runs these whenever it installs; they may need development dependencies.
assign('INSTALL_SCRIPTS', lifecycle.filter(has).join(' '));

// Whether node_modules depends on nothing but the lockfile: then the same
// lockfile means the same node_modules.
let portable = lock !== '' && !manifest.workspaces;
if (lock) {
  const text = fs.readFileSync(path.join(buildDir, lock), 'utf8');
  if (/"link":\s*true|"(resolved|version)":\s*"file:/.test(text)) portable = false;
}
assign('PORTABLE', portable ? 'yes' : '');
const dev = manifest.devDependencies;
assign('HAS_DEV', dev && typeof dev === 'object' && Object.keys(dev).length ? 'yes' : '');
