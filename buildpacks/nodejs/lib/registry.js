// The npm registry, by way of the stack's npm: it knows proxies and logins.

'use strict';

const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { createRequire } = require('node:module');
const { quiet } = require('./command.js');
const { fail, warn } = require('./output.js');

const DEFAULT = 'https://registry.npmjs.org/';
const DAY_MS = 24 * 60 * 60 * 1000;
const CONNECT_MS = 5000;

/** The library by which the stack's npm compares versions. */
function semverOfStack() {
    const folders = (process.env.PATH ?? '').split(':');
    const npm = folders.map((folder) => path.join(folder, 'npm')).find((file) => fs.existsSync(file));
    return createRequire(fs.realpathSync(npm))('semver');
}

/** What npm, yarn or pnpm said, without prefixes, in a few lines. */
function words(text) {
    const lines = text.split('\n').map((line) => line.replace(/^npm (error|ERR!)\s*/i, '').trim());
    return lines
        .filter((line) => line && !/^(code|errno|syscall) |complete log of this run|^\/|^-+$/i.test(line))
        .slice(0, 4);
}

class Registry {
    /** `work` is a scratch folder, `cache` one that is kept. */
    constructor(env, { work, cache }) {
        Object.assign(this, { work, cache, probed: {} });
        const reaching = /^(npm_config_|https?_proxy$|no_proxy$|all_proxy$)/i;
        const settings = Object.entries(env.all).filter(([name]) => reaching.test(name));
        this.env = {
            ...process.env,
            ...Object.fromEntries(settings),
            npm_config_cache: path.join(work, 'npm-cache'),
            npm_config_audit: 'false',
            npm_config_fund: 'false',
            npm_config_update_notifier: 'false',
            npm_config_loglevel: 'error',
            npm_config_fetch_retries: '1',
            npm_config_fetch_retry_mintimeout: '1000',
            npm_config_fetch_timeout: '120000',
        };
        this.url = env.get('npm_config_registry') || DEFAULT;
        this.semver = semverOfStack();
        fs.mkdirSync(cache, { recursive: true });
    }

    async npm(...args) {
        return quiet(['npm', ...args], { cwd: this.work, env: this.env });
    }

    /** All released versions of a package; asked for anew once a day, or if `anew`. */
    async versions(name, anew = false) {
        const file = path.join(this.cache, `${name.replaceAll('/', '+')}.json`);
        const kept = fs.existsSync(file) && JSON.parse(fs.readFileSync(file, 'utf8'));
        if (kept && !anew && Date.now() - kept.asked < DAY_MS) return kept.versions;
        const unreachable = await this.unreachable();
        const answer = unreachable
            ? { ok: false, stderr: unreachable }
            : await this.npm('view', name, 'versions', '--json');
        if (answer.ok) {
            const isRelease = (version) => this.semver.valid(version) && !this.semver.prerelease(version);
            const versions = [].concat(JSON.parse(answer.stdout)).filter(isRelease);
            fs.writeFileSync(file, JSON.stringify({ asked: Date.now(), versions }));
            return versions;
        }
        if (/E404/.test(answer.stderr)) return [];
        if (kept) {
            warn(
                `the npm registry does not tell which versions of ${name} there are; going by its last answer.`,
                ...words(answer.stderr),
            );
            return kept.versions;
        }
        return fail(`The npm registry does not tell which versions of ${name} there are:`, ...words(answer.stderr));
    }

    /** The newest version in the range, or undefined. */
    async newest(name, range) {
        const newest = (versions) => this.semver.maxSatisfying(versions, range) ?? undefined;
        return newest(await this.candidates(name, range)) ?? newest(await this.versions(name, true));
    }

    /** The versions that a range may mean: an exact one is taken at its word. */
    async candidates(name, range) {
        const exact = this.semver.valid(range);
        return exact ? [exact] : this.versions(name);
    }

    /** Why a registry can't be reached, asked once per build; undefined if it can. */
    unreachable(url = this.url) {
        this.probed[url] ??= probe(url, this.env);
        return this.probed[url];
    }
}

/** The registry of the app's dependencies, if one is named. */
function registryOf(app, env) {
    const named =
        env.get('npm_config_registry') ??
        app.setting('.yarnrc.yml', 'npmRegistryServer') ??
        app.read('.npmrc').match(/^registry\s*=\s*(\S+)/m)?.[1] ??
        app.read('.yarnrc').match(/^registry\s+"?([^"\s]+)/m)?.[1];
    return named?.replace(/\$\{(\w+)[^}]*\}/g, (whole, name) => env.get(name) ?? whole);
}

/** Tries for five seconds to connect to a registry, or to the proxy that leads to it. */
async function probe(url, env) {
    if (!URL.canParse(url)) return `The npm registry's address is no URL: ${url}`;
    const target = new URL(url);
    const proxy = proxyFor(target, env);
    const next = proxy ? new URL(proxy.includes('://') ? proxy : `http://${proxy}`) : target;
    const port = Number(next.port) || (next.protocol === 'https:' ? 443 : 80);
    const why = await new Promise((resolve) => {
        const socket = net.connect({ host: next.hostname.replace(/^\[|\]$/g, ''), port });
        const end = (reason) => {
            clearTimeout(timer);
            socket.destroy();
            resolve(reason);
        };
        const timer = setTimeout(() => end(`no answer within ${CONNECT_MS / 1000} seconds`), CONNECT_MS);
        socket.once('connect', () => end());
        socket.once('error', (error) =>
            end(error.code === 'ENOTFOUND' || error.code === 'EAI_AGAIN' ? 'its name is not found' : error.message),
        );
    });
    if (!why) return undefined;
    return `The npm registry ${target.origin} can't be reached${proxy ? ` through the proxy ${next.host}` : ''}: ${why}`;
}

function proxyFor(target, env) {
    const excepted = (env.NO_PROXY || env.no_proxy || '').split(/[,\s]+/).filter(Boolean);
    if (excepted.some((name) => name === '*' || `.${target.hostname}`.endsWith(`.${name.replace(/^\.|:\d+$/g, '')}`)))
        return undefined;
    const secure = target.protocol === 'https:' && (env.npm_config_https_proxy || env.HTTPS_PROXY || env.https_proxy);
    return secure || env.npm_config_proxy || env.HTTP_PROXY || env.http_proxy;
}

module.exports = { Registry, registryOf, words };
