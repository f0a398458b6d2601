// Yarn 1, "classic".

'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { semverRangeOf } = require('./request.js');

const name = 'yarn';
const lifecycle = ['preinstall', 'install', 'postinstall', 'prepublish', 'prepare'];

async function request(app, node, registry) {
    const { range, reason, hash } = semverRangeOf(app, name);
    const wanted = range || '1.22.x';
    // Of ranges such as `>=1.22`, what can read this lockfile.
    const versions = await registry.candidates(name, wanted);
    const classic = versions.filter((version) => registry.semver.major(version) < 2);
    const version = registry.semver.maxSatisfying(classic, wanted) ?? undefined;
    return { name, packageName: name, version, range: wanted, reason: reason ?? 'the default for yarn.lock', hash };
}

const isProduction = (env) => env.get('YARN_PRODUCTION') === 'true';

function environment({ cache }) {
    return { YARN_CACHE_FOLDER: path.join(cache, 'yarn') };
}

const frozen = (app) => (app.lockfile ? ['--frozen-lockfile'] : []);
const common = ['--ignore-engines', '--prefer-offline', '--non-interactive'];

function installCommand({ app }, { dev }) {
    return ['yarn', 'install', `--production=${!dev}`, ...frozen(app), ...common];
}

const pruneSkip = (env) => env.get('YARN_PRODUCTION') && `YARN_PRODUCTION is '${env.get('YARN_PRODUCTION')}'`;

function pruneCommands({ app }) {
    return [['yarn', 'install', '--production=true', '--ignore-scripts', ...frozen(app), ...common]];
}

const runCommand = (script, flags) => ['yarn', 'run', script, ...flags];

function advice(text) {
    if (/Your lockfile needs to be updated/.test(text)) {
        return [
            'yarn.lock does not fit package.json, so yarn refuses it (its words are above).',
            'Run `yarn install` on your machine, and commit the yarn.lock that it writes.',
        ];
    }
    if (/Couldn't find any versions for|404 Not Found/.test(text))
        return ['A package, or its version, is not in the registry (yarn names it above).'];
    return undefined;
}

const isClosed = (app) =>
    app.lockfile !== '' && !/@(file|link|portal):|^\s+resolved "file:/m.test(app.read('yarn.lock'));

/**
 * yarn.lock names the registry of whoever wrote it. If the build has one of
 * its own, the packages come from there. Answers how to undo it.
 */
function prepare({ app, registry }) {
    const file = path.join(app.folder, 'yarn.lock');
    const text = app.read('yarn.lock');
    const own = registry.url.replace(/\/?$/, '/');
    const isPublic = /^https:\/\/registry\.(npmjs\.org|yarnpkg\.com)\/$/.test(own);
    const moved = isPublic
        ? text
        : text.replace(/^(\s+resolved ")https:\/\/registry\.(?:npmjs\.org|yarnpkg\.com)\//gm, `$1${own}`);
    if (moved === text) return () => {};
    fs.writeFileSync(file, moved);
    return () => fs.writeFileSync(file, text);
}

module.exports = {
    name,
    lifecycle,
    request,
    environment,
    isProduction,
    installCommand,
    pruneSkip,
    pruneCommands,
    runCommand,
    advice,
    isClosed,
    prepare,
    onlyProductionInstalls: true,
};
