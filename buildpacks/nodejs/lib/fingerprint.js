// What an installation of modules depends on, as one hash.

'use strict';

const crypto = require('node:crypto');
const { find } = require('./command.js');

// To be raised if what is kept, or what makes the hash, changes its meaning.
const FORMAT = 2;
const CONFIGURATION = '.npmrc .yarnrc .yarnrc.yml .pnpmfile.cjs .pnpmfile.mjs pnpm-workspace.yaml'.split(' ');
const PATCHES = ['patches', '.yarn/patches', '.yarn/plugins', '.yarn/releases'];
// Of package.json, what no installation looks at. Scripts count if an installation runs them.
const UNIMPORTANT = new Set(
    (
        'version description keywords author contributors license homepage bugs repository main module types typings ' +
        'jest eslintConfig prettier browserslist lint-staged nodemonConfig cacheDirectories scripts'
    ).split(' '),
);

/** What compiled modules depend on. */
const signature = ({ manager, node }) => JSON.stringify([process.env.STACK, node, manager.name]);

/** The hash, or undefined if an installation depends on files of the app that can't be told. */
function fingerprint(build) {
    const { app, vars, env, manager, version, dev } = build;
    const manifests = find(app.folder, [
        '-name',
        'node_modules',
        '-prune',
        '-o',
        '-name',
        'package.json',
        '-type',
        'f',
    ]);
    if (!manager.isClosed(app) || app.has('binding.gyp')) return undefined;
    if (manifests.some((file) => file !== 'package.json' && installs(app, manager, file))) return undefined;

    const hash = crypto.createHash('sha256');
    const add = (...parts) => parts.forEach((part) => hash.update(`${String(part).length}:${part}`));
    add(FORMAT, signature(build), version, env.get('NODE_ENV'), dev);
    // Install scripts may read any of them.
    if (hasInstallScripts(app, manager)) add(JSON.stringify(vars));
    for (const [name, value] of Object.entries(env.all).sort()) {
        // Where caches lie, and they move with the build, changes nothing.
        if (/^(npm_config|yarn|pnpm)_/i.test(name) && !/(cache|nodedir|cache_folder|store_dir)$/i.test(name)) {
            add(name, value);
        }
    }
    for (const file of manifests) add(file, essence(app, manager, file));
    const patches = PATCHES.filter((name) => app.has(name)).flatMap((folder) => {
        return find(app.folder, ['-path', `./${folder}/*`, '-type', 'f']);
    });
    for (const file of [app.lockfile, ...CONFIGURATION, ...patches]) if (app.has(file)) add(file, app.read(file));
    return hash.digest('hex');
}

/** A package.json of the app; undefined for a file that only bears the name. */
function parsed(app, file) {
    try {
        return JSON.parse(app.read(file)) ?? undefined;
    } catch {
        return undefined;
    }
}

/** Whether an installation runs scripts of that package, such as a workspace. */
function installs(app, manager, file) {
    const scripts = parsed(app, file)?.scripts ?? {};
    return manager.lifecycle.some((script) => scripts[script]);
}

function essence(app, manager, file) {
    const manifest = parsed(app, file);
    if (manifest === undefined) return app.read(file);
    const scripts = Object.entries(manifest.scripts ?? {}).filter(([name]) => manager.lifecycle.includes(name));
    return JSON.stringify([Object.entries(manifest).filter(([name]) => !UNIMPORTANT.has(name)), scripts]);
}

/** Only npm's lockfiles tell, from version 2 on. */
function hasInstallScripts(app, manager) {
    return manager.name !== 'npm' || /"(hasInstallScript|lockfileVersion)": *(true|1)\b/.test(app.read(app.lockfile));
}

module.exports = { fingerprint, signature };
