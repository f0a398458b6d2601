// Starts other programs.

'use strict';

const { spawn, spawnSync } = require('node:child_process');
const readline = require('node:readline');
const { detail } = require('./output.js');

// Settings that the stack and this buildpack make, and that some npm does not know.
const NOISE = /^npm (warn|WARN) Unknown \w+ config "(globalignorefile|nodedir|store-dir|prefer-offline)"/;
// Enough to find the reason of a failure in.
const KEPT_LINES = 2000;

/**
 * Runs a program and shows what it prints, indented, as it prints it.
 * Answers `{ ok, text }`, `text` being the last lines of it.
 */
async function show(words, { cwd, env }) {
    // One pipe for both streams keeps their order.
    const child = spawn('bash', ['-c', 'exec "$@" 2>&1', 'bash', ...words], {
        cwd,
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
    const lines = [];
    for await (const line of readline.createInterface({ input: child.stdout, crlfDelay: Infinity })) {
        if (NOISE.test(line)) continue;
        // What a progress bar has overwritten is left out.
        detail(line.slice(line.lastIndexOf('\r') + 1));
        lines.push(line);
        if (lines.length > 2 * KEPT_LINES) lines.splice(0, KEPT_LINES);
    }
    return { ok: (await ended) === 0, text: lines.join('\n') };
}

/** Runs a program without showing its output. Answers `{ ok, stdout, stderr }`. */
async function quiet(words, { cwd, env } = {}) {
    const child = spawn(words[0], words.slice(1), { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const read = async (stream) => {
        const chunks = [];
        for await (const chunk of stream) chunks.push(chunk);
        return Buffer.concat(chunks).toString();
    };
    const ended = new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
    const [status, stdout, stderr] = await Promise.all([ended, read(child.stdout), read(child.stderr)]);
    return { ok: status === 0, stdout, stderr };
}

/** Runs a small tool of the system; throws what it says if it fails. */
function run(words, options = {}) {
    const { status, stdout, stderr, error } = spawnSync(words[0], words.slice(1), {
        encoding: 'utf8',
        maxBuffer: 64 * 1024 * 1024,
        ...options,
    });
    if (error) throw error;
    if (status !== 0) throw new Error(`${words[0]} failed: ${stderr.trim()}`);
    return stdout;
}

/** Files of the app that `find` selects by `words`, in order; not the platform's own, nor git's. */
function find(folder, words) {
    const skipped = ['(', '-name', '.git', '-o', '-path', './.heroku', ')', '-prune', '-o'];
    const found = run(['find', '.', ...skipped, ...words, '-printf', '%P\\0'], { cwd: folder });
    return found.split('\0').filter(Boolean).sort();
}

module.exports = { show, quiet, run, find };
