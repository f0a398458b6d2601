// The environment of the programs that a build starts.

'use strict';

const fs = require('node:fs');
const path = require('node:path');

// Config vars that would break the build's tools: Heroku's list, and HOME.
const REFUSED = new Set([
    'PATH',
    'GIT_DIR',
    'CPATH',
    'CPPATH',
    'LD_PRELOAD',
    'LIBRARY_PATH',
    'LANG',
    'BUILD_DIR',
    'HOME',
]);

/** The config vars that the app's own programs get during the build. */
function configVars(folder) {
    const vars = {};
    for (const name of fs.existsSync(folder) ? fs.readdirSync(folder) : []) {
        const file = path.join(folder, name);
        if (!/^[A-Za-z_]\w*$/.test(name) || REFUSED.has(name) || !fs.statSync(file).isFile()) continue;
        // As a shell's `$(cat FILE)` has it, by which Heroku reads them.
        vars[name] = fs.readFileSync(file, 'utf8').replace(/\n+$/, '');
    }
    return vars;
}

/** Variables, and a way to set those that nobody has set. */
class Environment {
    constructor(...layers) {
        this.all = Object.assign({}, ...layers);
    }

    /** The value of the variable; npm's kind is written in any case. */
    get(name) {
        if (this.all[name] !== undefined) return this.all[name];
        if (!/^npm_config_/i.test(name)) return undefined;
        const other = Object.keys(this.all).find((known) => known.toLowerCase() === name.toLowerCase());
        return other && this.all[other];
    }

    set(values) {
        Object.assign(this.all, values);
    }

    /** Sets what is not set, or empty; `undefined` values are passed over. */
    default(values) {
        for (const [name, value] of Object.entries(values)) {
            if (value !== undefined && !this.get(name)) this.all[name] = value;
        }
    }
}

module.exports = { configVars, Environment };
