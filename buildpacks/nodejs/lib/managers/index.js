// Which package manager an app uses.

'use strict';

const berry = require('./berry.js');
const npm = require('./npm.js');
const pnpm = require('./pnpm.js');
const yarn = require('./yarn.js');
const { warn } = require('../output.js');

/** The lockfile decides; without one, what package.json names. */
function of(app) {
    if (app.lockfile === 'yarn.lock') return berry.isLockfile(app.read('yarn.lock')) ? berry : yarn;
    if (app.lockfile === 'pnpm-lock.yaml') return pnpm;
    if (app.lockfile) return npm;
    const named = app.packageManager?.name ?? ['yarn', 'pnpm'].find((name) => app.engines[name]) ?? 'npm';
    if (named === 'pnpm') return pnpm;
    if (named === 'npm') return npm;
    const version = app.packageManager?.version ?? app.engines.yarn;
    return app.has('.yarnrc.yml') || /^\D*([2-9]|\d\d)/.test(version) ? berry : yarn;
}

/** Says what package.json and the files beside it want that is not done. */
function warnOf(app, manager) {
    const bun = ['bun.lock', 'bun.lockb'].find((name) => app.has(name));
    if (bun && !app.lockfile) warn(`${bun} is not read: Bun is not supported. Versions are chosen by ${manager.name}.`);
    const { packageManager, engines } = app;
    if (!packageManager) return;
    if (packageManager.name !== manager.name) {
        warn(
            `packageManager in package.json names ${packageManager.name}, but ${app.lockfile} is one of ${manager.name}, which is used.`,
        );
    } else if (engines[manager.name]) {
        warn(
            `two versions of ${manager.name} are declared; packageManager (${packageManager.version}) counts, and engines.${manager.name} (${engines[manager.name]}) does not.`,
        );
    }
    if (manager === berry && packageManager.name === 'yarn' && app.setting('.yarnrc.yml', 'yarnPath')) {
        warn(`yarnPath in .yarnrc.yml wins over packageManager (${packageManager.version}). Remove one of them.`);
    }
}

/** Hints that hold for each manager. */
function commonAdvice(text) {
    if (/Host key verification failed/.test(text)) {
        return [
            'A dependency is a private git repository by SSH, and builds have no SSH key. Use an https address with a token, or a registry.',
        ];
    }
    if (/\b(E401|E403|401 Unauthorized|403 Forbidden|ERR_PNPM_FETCH_40[13]|YN0041)\b/.test(text)) {
        return [
            'The registry refused the login. Is the config var that .npmrc or .yarnrc.yml names set? heroku config',
        ];
    }
    if (/\b(ECONNRESET|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ESOCKETTIMEDOUT)\b/.test(text)) {
        return [
            'The network, or the server that the words above name, did not answer. Push again; if it stays so, ask the operator.',
        ];
    }
    if (/\bENOSPC\b/.test(text)) return ['The disk of the build is full.'];
    if (/GLIBC_[\d.]+. not found/.test(text))
        return ['This Node.js, or a dependency, was made for another system. Ask for another version in engines.node.'];
    return [];
}

module.exports = { of, warnOf, commonAdvice, npm };
