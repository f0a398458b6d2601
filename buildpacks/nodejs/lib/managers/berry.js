// Yarn 2 and later, "berry": with node_modules or Plug'n'Play.

'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { fail } = require('../output.js');
const { semverRangeOf } = require('./request.js');

const name = 'yarn';
const lifecycle = ['preinstall', 'install', 'postinstall'];
// yarn.lock's __metadata.version, as each major version writes it.
const MAJOR_BY_METADATA = [
    [8, 4],
    [5, 3],
    [0, 2],
];

const isLockfile = (text) => /^__metadata:/m.test(text);
const metadataVersion = (app) => Number(app.read('yarn.lock').match(/^__metadata:\s*\n\s+version: (\d+)/m)?.[1] ?? 8);
const yarnPath = (app) => app.setting('.yarnrc.yml', 'yarnPath');
const usesModules = (app) => ['node-modules', 'pnpm'].includes(app.setting('.yarnrc.yml', 'nodeLinker'));
const hasCache = (app) =>
    fs.existsSync(cacheInApp(app)) && fs.readdirSync(cacheInApp(app)).some((file) => file.endsWith('.zip'));
const cacheInApp = (app) => path.join(app.folder, '.yarn/cache');

async function request(app, node, registry) {
    if (yarnPath(app)) return useReleaseOf(app);
    const { range, reason, hash } = semverRangeOf(app, name);
    // Yarn 1 used to be named there by those who have a yarnPath beside it.
    const asked = range && !/^[~^]?1(\.|$)/.test(range) ? range : undefined;
    const major = MAJOR_BY_METADATA.find(([metadata]) => metadataVersion(app) >= metadata)[1];
    const wanted = asked ?? `${major}.x`;
    const packageName = '@yarnpkg/cli-dist';
    const versions = await registry.candidates(packageName, wanted);
    // Of ranges such as `>=2`, what wrote this lockfile.
    const fitting = versions.filter((version) => registry.semver.satisfies(version, wanted));
    const version =
        registry.semver.maxSatisfying(fitting, `${major}.x`) ??
        registry.semver.maxSatisfying(fitting, '*') ??
        undefined;
    return {
        name,
        packageName,
        version,
        range: wanted,
        reason: asked ? reason : 'as yarn.lock was written',
        hash: asked && hash,
    };
}

/** The release in the repository; a small script makes it the command `yarn`, in the build and in dynos. */
function useReleaseOf(app) {
    const release = yarnPath(app);
    if (!app.has(release)) {
        fail(
            `yarnPath in .yarnrc.yml names ${release}, which is not in the repository.`,
            'Add it: git add -f .yarn/releases. Or remove yarnPath, and set packageManager in package.json: corepack use yarn@4',
        );
    }
    const bin = path.join(app.folder, '.heroku/node/bin');
    fs.mkdirSync(bin, { recursive: true });
    const inApp = path.relative(app.folder, path.resolve(app.folder, release));
    const quoted = `'${inApp.replaceAll("'", "'\\''")}'`;
    fs.writeFileSync(path.join(bin, 'yarn'), `#!/bin/sh\nexec node "\${0%/*}/../../../"${quoted} "$@"\n`, {
        mode: 0o755,
    });
    return { release: inApp };
}

const isProduction = () => false;

/** Refuses config vars at which every yarn command would stop. */
function check(env) {
    if (!env.get('YARN_PRODUCTION')) return;
    fail(
        'Unsupported Yarn configuration: YARN_PRODUCTION',
        '',
        'Yarn 2 and later stop at the variable YARN_PRODUCTION. Instead of it, YARN2_SKIP_PRUNING',
        'says whether devDependencies are kept after the build:',
        '  heroku config:unset YARN_PRODUCTION',
        `  heroku config:set YARN2_SKIP_PRUNING=${env.get('YARN_PRODUCTION') !== 'true'}`,
    );
}

function environment({ app, cache, env, registry }) {
    const isOwnRegistry = env.get('npm_config_registry') && !app.setting('.yarnrc.yml', 'npmRegistryServer');
    const url = isOwnRegistry && URL.canParse(registry.url) ? new URL(registry.url) : undefined;
    return {
        // With Plug'n'Play the app runs from the cache, which must be in the slug.
        YARN_CACHE_FOLDER: hasCache(app) || !usesModules(app) ? cacheInApp(app) : path.join(cache, 'berry'),
        YARN_ENABLE_GLOBAL_CACHE: 'false',
        YARN_ENABLE_IMMUTABLE_CACHE: hasCache(app) ? 'true' : undefined,
        YARN_ENABLE_TELEMETRY: '0',
        YARN_ENABLE_PROGRESS_BARS: 'false',
        YARN_NPM_REGISTRY_SERVER: url && registry.url.replace(/\/$/, ''),
        YARN_UNSAFE_HTTP_WHITELIST: url?.protocol === 'http:' ? url.hostname : undefined,
        YARN_HTTP_PROXY: env.get('HTTP_PROXY') ?? env.get('http_proxy'),
        YARN_HTTPS_PROXY: env.get('HTTPS_PROXY') ?? env.get('https_proxy'),
    };
}

const installCommand = ({ app }) => ['yarn', 'install', app.lockfile ? '--immutable' : '--no-immutable'];

function pruneSkip(env) {
    return env.get('YARN2_SKIP_PRUNING') === 'true' && "YARN2_SKIP_PRUNING is 'true'";
}

const pruneCommands = () => [['yarn', 'renga', 'prune']];
const pruneEnvironment = () => ({
    YARN_PLUGINS: path.join(__dirname, '../yarn-prune-plugin.js'),
    YARN_ENABLE_IMMUTABLE_CACHE: 'false',
});

const runCommand = (script, flags) => ['yarn', 'run', script, ...flags];

function advice(text) {
    if (/YN0028/.test(text)) {
        return [
            'yarn.lock does not fit package.json, so yarn refuses it (its words are above).',
            'Run `yarn install` on your machine, and commit the yarn.lock that it writes.',
        ];
    }
    if (/YN0056|YN0018/.test(text)) {
        return [
            '.yarn/cache does not fit yarn.lock. Run `yarn install` on your machine, and commit .yarn/cache with yarn.lock.',
        ];
    }
    return undefined;
}

const isClosed = (app) => app.lockfile !== '' && !/@(file|portal):/.test(app.read('yarn.lock'));

/** What an install makes beside node_modules. */
function alsoInstalls(app) {
    const state = ['.yarn/install-state.gz', '.yarn/build-state.yml'];
    return usesModules(app)
        ? state
        : [...state, '.pnp.cjs', '.pnp.js', '.pnp.loader.mjs', '.yarn/cache', '.yarn/unplugged'];
}

module.exports = {
    name,
    lifecycle,
    request,
    check,
    environment,
    isProduction,
    installCommand,
    pruneSkip,
    pruneCommands,
    pruneEnvironment,
    runCommand,
    advice,
    isClosed,
    alsoInstalls,
    isLockfile,
    usesModules,
    onlyProductionInstalls: false,
};
