// pnpm 8 and later.

'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { quiet } = require('../command.js');
const { warn } = require('../output.js');
const { semverRangeOf } = require('./request.js');

const name = 'pnpm';
const lifecycle = ['pnpm:devPreinstall', 'preinstall', 'install', 'postinstall', 'prepublish', 'prepare'];

// Before pnpm 10 the file had to list packages; since then it may hold settings alone.
const hasWorkspaces = (app) =>
    /^packages:[ \t]*(\[.*\S.*\]|(\n[ \t]*(#.*)?)*\n[ \t]*-)/m.test(app.read('pnpm-workspace.yaml'));

/** The major version that reads and writes this lockfile, and keeps it as it is. */
function majorFor(app) {
    const lockfile = Number.parseFloat(app.setting('pnpm-lock.yaml', 'lockfileVersion') ?? '9');
    if (lockfile < 6) return 7;
    if (lockfile < 9) return 8;
    return app.has('pnpm-workspace.yaml') && !hasWorkspaces(app) ? 10 : 9;
}

async function request(app, node, registry) {
    const { range, reason, hash } = semverRangeOf(app, name);
    const usual = `${majorFor(app)}.x`;
    const wanted = range || usual;
    const versions = await registry.candidates(name, wanted);
    const fitting = versions.filter((version) => registry.semver.satisfies(version, wanted));
    // Of ranges such as `>=8`, what wrote this lockfile.
    const version =
        registry.semver.maxSatisfying(fitting, usual) ?? registry.semver.maxSatisfying(fitting, '*') ?? undefined;
    const lockfile = app.setting('pnpm-lock.yaml', 'lockfileVersion');
    const because = lockfile ? `for lockfileVersion ${lockfile} of pnpm-lock.yaml` : 'the default';
    return { name, packageName: name, version, range: wanted, reason: reason ?? because, hash };
}

const isProduction = () => false;

function environment({ cache, version }) {
    const store = path.join(cache, 'pnpm');
    const major = Number(version.split('.')[0]);
    // pnpm 11 reads variables of its own name.
    return major >= 11 ? { pnpm_config_store_dir: store } : { npm_config_store_dir: store };
}

function installCommand({ app, env }, { dev }) {
    const reporter = env.get('PNPM_INSTALL_REPORTER');
    return [
        'pnpm',
        'install',
        dev ? '--prod=false' : '--prod',
        app.lockfile ? '--frozen-lockfile' : '--no-frozen-lockfile',
        '--prefer-offline',
        ...(reporter ? [`--reporter=${reporter}`] : []),
    ];
}

const pruneSkip = (env) => env.get('PNPM_SKIP_PRUNING') === 'true' && "PNPM_SKIP_PRUNING is 'true'";

/** Undefined, with a word about it, if pruning would run the app's own scripts again. */
async function pruneCommands({ app, env, version, registry }) {
    if (!hasWorkspaces(app)) {
        const quietly = registry.semver.gte(version, '8.15.6');
        if (!quietly && lifecycle.some((script) => app.hasScript(script)))
            return unprunable(`pnpm ${version} runs install scripts when it prunes; 8.15.6 and later do not`);
        return [['pnpm', 'prune', '--prod', ...(quietly ? ['--ignore-scripts'] : [])]];
    }
    // `pnpm prune` knows the root alone: workspaces are installed anew, out of the store.
    const listed = await quiet(['pnpm', 'list', '--recursive', '--json', '--depth', '-1'], {
        cwd: app.folder,
        env: env.all,
    });
    const folders = listed.ok ? JSON.parse(listed.stdout).map((project) => project.path) : [app.folder];
    for (const folder of folders) {
        const { scripts = {} } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
        const script = lifecycle.find((candidate) => scripts[candidate]);
        if (script)
            return unprunable(
                `${path.relative(app.folder, folder) || 'the root'} has the script ${script}, which the installation for production would run again`,
            );
    }
    return [
        ['rm', '-rf', ...folders.map((folder) => path.join(folder, 'node_modules'))],
        ['pnpm', 'install', '--prod', '--frozen-lockfile', '--prefer-offline'],
    ];
}

function unprunable(why) {
    warn(`Pruning skipped due to presence of lifecycle scripts: ${why}.`);
    return undefined;
}

const runCommand = (script, flags) => ['pnpm', 'run', script, ...flags];

function advice(text, app) {
    if (/ERR_PNPM_OUTDATED_LOCKFILE|ERR_PNPM_LOCKFILE_CONFIG_MISMATCH/.test(text)) {
        return [
            'pnpm-lock.yaml does not fit package.json, so pnpm refuses it (its words are above).',
            'Run `pnpm install` on your machine, and commit the pnpm-lock.yaml that it writes.',
        ];
    }
    if (
        /ERR_PNPM_LOCKFILE_BREAKING_CHANGE|ERR_PNPM_NO_LOCKFILE|not compatible with current pnpm/.test(text) &&
        app.lockfile
    ) {
        return [
            "This pnpm can't read pnpm-lock.yaml. Name the one that wrote it in package.json: corepack use pnpm@VERSION",
        ];
    }
    if (/ERR_PNPM_UNSUPPORTED_ENGINE/.test(text))
        return ['engines in package.json excludes the versions that are used here (see above).'];
    return undefined;
}

const isClosed = (app) => app.lockfile !== '' && !/\bfile:/.test(app.read('pnpm-lock.yaml'));

/** pnpm 11 checks node_modules before it runs a script, by paths that are those of the build. */
function profile(version) {
    if (Number(version.split('.')[0]) < 11) return undefined;
    return 'export pnpm_config_verify_deps_before_run="${pnpm_config_verify_deps_before_run:-warn}"\n';
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
    profile,
    onlyProductionInstalls: true,
    linksStore: true,
};
