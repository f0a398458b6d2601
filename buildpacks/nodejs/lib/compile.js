// The build of a Node.js app, from its first step to its last.
//
// Usage: node compile.js BUILD_DIR CACHE_DIR ENV_DIR

'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { App } = require('./app.js');
const { quiet, show } = require('./command.js');
const { Directories } = require('./directories.js');
const { Environment, configVars } = require('./environment.js');
const { furnish } = require('./furnish.js');
const managers = require('./managers/index.js');
const { Modules } = require('./modules.js');
const { Failure, blank, detail, fail, problem, step, warn } = require('./output.js');
const { Registry, registryOf } = require('./registry.js');
const runtime = require('./runtime.js');
const { Tools } = require('./tools.js');

// Below the memory of a build dyno, which is 2.5 GB.
const HEAP_MB = 2048;
// The variables that decide what a build does, and hold no secrets.
const SHOWN =
    /^(NODE_(ENV|OPTIONS|MODULES_CACHE|BUILD_FLAGS)|USE_NPM_INSTALL|(NPM_CONFIG|YARN)_PRODUCTION|(YARN2|PNPM)_SKIP_PRUNING)$/;
// For a registry that did not answer: all may be in the cache, but nobody is to wait for what can't come.
const IMPATIENT = {
    npm_config_fetch_retries: '0',
    npm_config_fetch_timeout: '10000',
    YARN_HTTP_RETRY: '0',
    YARN_HTTP_TIMEOUT: '10000',
};

async function main([folder, cache, envFolder]) {
    const build = open(folder, path.join(cache, 'node'), envFolder);
    try {
        await installBinaries(build);
        createEnvironment(build);
        await runScript(build, 'heroku-prebuild', 'Prebuild');
        await installDependencies(build);
        await buildApp(build);
        await prune(build);
        await runScript(build, 'heroku-cleanup', 'Cleanup');
        furnish(build, HEAP_MB);
        build.modules.close();
        build.tools.tidy();
        step('Build succeeded!');
    } finally {
        fs.rmSync(build.work, { recursive: true, force: true });
    }
}

function open(folder, cache, envFolder) {
    fs.mkdirSync(cache, { recursive: true });
    const app = new App(folder);
    const vars = configVars(envFolder);
    const env = new Environment(process.env, vars);
    const work = fs.mkdtempSync(path.join(os.tmpdir(), 'node-'));
    const registry = new Registry(env, { work, cache: path.join(cache, 'versions') });
    const tools = new Tools(path.join(cache, 'tools'), path.join(folder, '.heroku/node'), registry);
    return { app, cache, vars, env, work, registry, tools, manager: managers.of(app) };
}

async function installBinaries(build) {
    const { app, env, registry, tools, manager } = build;
    step('Installing binaries');
    detail(`engines.node (package.json):   ${app.engines.node || 'unspecified'}`);
    detail(`engines.npm (package.json):    ${app.engines.npm || 'unspecified (use default)'}`);
    if (manager.name !== 'npm') {
        detail(
            `${`engines.${manager.name} (package.json):`.padEnd(30)} ${app.engines[manager.name] || 'unspecified (use default)'}`,
        );
    }
    if (app.packageManager)
        detail(`packageManager (package.json): ${app.packageManager.name}@${app.packageManager.version}`);
    blank();
    managers.warnOf(app, manager);
    manager.check?.(env);

    const node = await runtime.resolve(app, env, registry);
    build.nodeFolder = await tools.node(node);
    const bin = path.join(app.folder, '.heroku/node/bin');
    const ofModules = path.join(app.folder, 'node_modules/.bin');
    env.set({ PATH: `${bin}:${env.all.PATH}:${ofModules}`, NODE_HOME: path.dirname(bin) });
    node.version ??= (await quiet(['node', '--version'], { cwd: build.work, env: env.all })).stdout.trim().slice(1);
    build.node = node.version;

    // npm comes with every Node.js, the app's own manager beside it.
    for (const one of new Set([managers.npm, manager])) {
        const wish = await one.request(app, node, registry);
        if (wish.packageName && !wish.version) {
            fail(`There is no ${one.name} in the npm registry that fits ${wish.range} (${wish.reason}).`);
        }
        if (wish.packageName) await tools.manager(wish);
        if (one === manager) build.version = wish.version ?? (await versionOf(build, wish.release));
    }
    detail(`Using ${manager.name} ${build.version}`);
    blank();
}

/** The version of a manager that is in the repository. */
async function versionOf({ app, env, manager }, release) {
    const answer = await quiet([manager.name, '--version'], { cwd: app.folder, env: env.all });
    if (!answer.ok)
        fail(`${release} can't be run:`, ...`${answer.stdout}${answer.stderr}`.trim().split('\n').slice(0, 5));
    return answer.stdout.trim();
}

function createEnvironment(build) {
    const { app, env, manager, nodeFolder } = build;
    env.default({ NODE_ENV: 'production', NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` });
    env.default({ npm_config_update_notifier: 'false', npm_config_fund: 'false', npm_config_audit: 'false' });
    // A registry that does not answer is given up after seconds.
    env.default({ npm_config_fetch_retry_mintimeout: '1000', npm_config_fetch_retry_maxtimeout: '5000' });
    // Native modules are compiled with the headers that came with this Node.js.
    // The second name is the one of npm after 11.
    if (fs.existsSync(path.join(nodeFolder, 'include/node/node.h'))) {
        env.default({ npm_config_nodedir: nodeFolder, npm_package_config_node_gyp_nodedir: nodeFolder });
    }
    env.default(managers.npm.environment(build));
    env.default({ ...manager.environment(build) });
    step('Creating runtime environment');
    for (const [name, value] of Object.entries(env.all).sort()) {
        if (SHOWN.test(name)) detail(`${name}=${value}`);
    }
    blank();

    // devDependencies are installed if something is built here, or if they stay.
    build.scripts = ['heroku-postbuild', 'build'].filter((name) => app.hasScript(name)).slice(0, 1);
    build.lifecycle = manager.lifecycle.filter((name) => app.hasScript(name));
    build.pruneSkip =
        env.get('NODE_ENV') !== 'production' ? `NODE_ENV is '${env.get('NODE_ENV')}'` : manager.pruneSkip(env);
    const builds = [...manager.lifecycle, 'heroku-prebuild', 'heroku-postbuild', 'build', 'heroku-cleanup'];
    const needed = builds.some((name) => app.hasScript(name));
    build.dev = !manager.isProduction(env) && (!manager.onlyProductionInstalls || Boolean(build.pruneSkip) || needed);
    build.directories = new Directories(build);
    build.directories.restore(false);
}

async function runScript(build, name, title) {
    if (!build.app.hasScript(name)) return;
    step(title);
    await runNamed(build, name);
    blank();
}

async function runNamed({ app, env, manager }, name, flags = []) {
    detail(`Running ${name}${manager.name === 'npm' ? '' : ` (${manager.name})`}`);
    const { ok, text } = await show(manager.runCommand(name, flags), { cwd: app.folder, env: env.all });
    if (ok) return;
    const advice = [];
    if (/JavaScript heap out of memory/.test(text)) {
        advice.push('Node.js ran out of memory. Bundlers with many workers need less of them; see also NODE_OPTIONS.');
    } else if (/ERR_OSSL_EVP_UNSUPPORTED/.test(text)) {
        advice.push('The build wants a hash that OpenSSL 3 has given up: update webpack, or for the time being');
        advice.push('heroku config:set NODE_OPTIONS=--openssl-legacy-provider');
    }
    fail(`The script ${name} of package.json failed; what it printed is above.`, ...advice);
}

async function installDependencies(build) {
    const { app, env, manager } = build;
    // Not before the prebuild script has made what it makes.
    const modules = (build.modules = new Modules(build));
    step('Installing dependencies');
    if (app.hasModules && manager.name === 'npm') {
        await rebuildCheckedIn(build);
    } else if (modules.restore()) {
        detail(`Using node_modules from the cache: package.json and ${app.lockfile} are unchanged`);
    } else {
        if (app.hasModules) discardCheckedIn(build);
        if (!app.lockfile) modules.restoreAsIs();
        await install(build);
    }
    build.directories.restore(true);
    modules.installed();
    // What the app itself does at an installation may depend on all of its files.
    for (const script of modules.restored ? build.lifecycle : []) await runNamed(build, script);
    if (env.get('NODE_VERBOSE') === 'true')
        await show([manager.name, 'list', '--depth=0'], { cwd: app.folder, env: env.all });
    blank();
}

async function install(build) {
    const { app, env, manager, registry } = build;
    if (app.lockfile) {
        detail(`Installing node modules (${app.lockfile})`);
    } else {
        detail('Installing node modules (package.json)');
        warn(
            `there is no lockfile, so versions may differ from build to build. Run \`${manager.name} install\`, and commit its lockfile.`,
        );
    }
    const undo = manager.prepare?.(build) ?? (() => {});
    const unreachable = await registry.unreachable(registryOf(app, env));
    const settings = { ...env.all, ...(unreachable && IMPATIENT) };
    const { ok, text } = await show(manager.installCommand(build, { dev: build.dev }), {
        cwd: app.folder,
        env: settings,
    });
    undo();
    if (ok) return;
    const advice =
        manager.advice(text, app) ?? (unreachable ? [`${manager.name} install failed. ${unreachable}.`] : undefined);
    fail(...(advice ?? [`${manager.name} install failed; its words are above.`, ...managers.commonAdvice(text)]));
}

async function rebuildCheckedIn(build) {
    const { app, env } = build;
    warn('node_modules is checked in. Remove it from git, and let npm install it from a lockfile.');
    detail('Rebuilding any native modules');
    const { ok } = await show(['npm', 'rebuild'], { cwd: app.folder, env: env.all });
    if (!ok) fail('npm rebuild failed; its words are above.');
    await install(build);
}

function discardCheckedIn({ app, env, work }) {
    if (env.get('SKIP_NODE_MODULES_CHECK') === 'true') return;
    warn('node_modules is checked in; it is not used. Remove it from git.');
    fs.renameSync(path.join(app.folder, 'node_modules'), path.join(work, 'node_modules'));
}

async function buildApp(build) {
    const { env, scripts, modules, directories } = build;
    const flags = scripts[0] === 'build' ? (env.get('NODE_BUILD_FLAGS') ?? '').split(/\s+/).filter(Boolean) : [];
    for (const script of scripts) {
        step('Build');
        if (build.app.hasScript('build') && script !== 'build')
            detail('Detected both "build" and "heroku-postbuild" scripts');
        await runNamed(build, script, flags);
        blank();
    }
    modules.built();
    directories.save();
}

async function prune(build) {
    const { app, env, manager, modules } = build;
    if (!build.dev) return;
    step('Pruning devDependencies');
    if (build.pruneSkip) {
        detail(`Skipping because ${build.pruneSkip}`);
    } else if (modules.takeSlim()) {
        detail('Using the modules without them from the cache');
    } else {
        const commands = (await manager.pruneCommands(build)) ?? [];
        for (const command of commands) {
            const { ok } = await show(command, {
                cwd: app.folder,
                env: { ...env.all, ...manager.pruneEnvironment?.() },
            });
            if (!ok) fail(`${command.slice(0, 2).join(' ')} failed; its words are above.`);
        }
        if (commands.length) modules.pruned();
    }
    blank();
}

main(process.argv.slice(2)).catch((error) => {
    blank();
    if (error instanceof Failure) {
        step('Build failed');
        error.lines.forEach(problem);
    } else {
        problem('The Node.js buildpack failed by a fault of its own. Please report it with these lines:');
        String(error.stack).split('\n').forEach(problem);
    }
    blank();
    process.exitCode = 1;
});
