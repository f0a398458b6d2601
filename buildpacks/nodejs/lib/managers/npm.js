// npm: package-lock.json or npm-shrinkwrap.json, or no lockfile at all.

'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { npmMajorFor } = require('../runtime.js');
const { semverRangeOf } = require('./request.js');

const name = 'npm';
// Run by `npm install` for the app itself, in this order.
const lifecycle = ['preinstall', 'install', 'postinstall', 'prepublish', 'preprepare', 'prepare', 'postprepare'];

/** Which npm to get; without a package name it is there already. */
async function request(app, node, registry) {
    const { semver } = registry;
    const { range, reason, hash } = semverRangeOf(app, name);
    const wanted = range || '*';
    if (node.source !== 'registry') {
        const own = versionOf(
            node.source === 'stack' ? '/usr/share/nodejs/npm' : `${app.folder}/.heroku/node/lib/node_modules/npm`,
        );
        if (own && semver.satisfies(own, wanted)) return { version: own };
        return { name, packageName: name, version: await registry.newest(name, wanted), range: wanted, reason, hash };
    }
    // The one that belongs to this Node.js if it will do.
    const usual = `${npmMajorFor(node.version)}.x`;
    const versions = await registry.candidates(name, wanted);
    const fitting = versions.filter((version) => semver.satisfies(version, wanted));
    const version = semver.maxSatisfying(fitting, usual) ?? semver.maxSatisfying(fitting, '*') ?? undefined;
    return {
        name,
        packageName: name,
        version,
        range: wanted,
        reason: range ? reason : `the npm of Node.js ${node.version}`,
        hash,
    };
}

function versionOf(folder) {
    const file = path.join(folder, 'package.json');
    return fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')).version : undefined;
}

const isProduction = (env) => env.get('NPM_CONFIG_PRODUCTION') === 'true';

function environment({ cache }) {
    return { npm_config_cache: path.join(cache, 'npm') };
}

function installCommand({ app, env, version }, { dev }) {
    const major = Number(version.split('.')[0]);
    const verb =
        app.lockfile && major >= 6 && !app.hasModules && env.get('USE_NPM_INSTALL') !== 'true' ? 'ci' : 'install';
    const production = major >= 7 ? '--omit=dev' : '--only=production';
    const all = major >= 7 ? '--include=dev' : '--production=false';
    // What the lockfile names is taken out of the cache without asking.
    return ['npm', verb, dev ? all : production, '--loglevel=notice', ...(verb === 'ci' ? ['--prefer-offline'] : [])];
}

const pruneSkip = (env) =>
    env.get('NPM_CONFIG_PRODUCTION') && `NPM_CONFIG_PRODUCTION is '${env.get('NPM_CONFIG_PRODUCTION')}'`;

function pruneCommands({ version }) {
    const production = Number(version.split('.')[0]) >= 7 ? '--omit=dev' : '--production';
    return [['npm', 'prune', production, '--ignore-scripts', '--loglevel=error']];
}

const runCommand = (script, flags) => ['npm', 'run', script, ...(flags.length ? ['--', ...flags] : [])];

/** What to do about a failed install, if the words tell. */
function advice(text, app) {
    if (app.lockfile && /EUSAGE|in sync|can only install/.test(text)) {
        return [
            `${app.lockfile} does not fit package.json, so npm ci refuses it (its words are above).`,
            'Run `npm install` on your machine, and commit the lockfile that it writes.',
        ];
    }
    if (/ERESOLVE/.test(text))
        return ["The dependencies want versions that exclude each other (npm's words are above)."];
    if (/EBADPLATFORM/.test(text))
        return ['A dependency does not support this system (its name is above). Move it to optionalDependencies.'];
    return undefined;
}

/** Whether the lockfile says all: nothing is copied out of the app's own folders. */
function isClosed(app) {
    if (!app.lockfile) return false;
    return !/"(resolved|version)":\s*"file:/.test(
        app.read(app.lockfile).replace(/"resolved":\s*"file:[^"]*",?\s*"link":\s*true/g, ''),
    );
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
    versionOf,
    onlyProductionInstalls: true,
};
