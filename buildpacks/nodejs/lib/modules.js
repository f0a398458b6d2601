// The installed modules of an earlier build. If nothing that an installation
// depends on has changed, they take its place.
//
// Kept are the tree as the installation left it (`full`) and, if the build
// changed nothing in it, the tree without devDependencies (`slim`). Both are
// hard links into one set of files as long as builds leave the files alone;
// for an app whose build writes into them (as Prisma does) they are copied.

'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { run } = require('./command.js');

// To be raised if what is kept, or what makes the key, changes its meaning.
const FORMAT = 2;
const CONFIGURATION = [
  '.npmrc', '.yarnrc', '.yarnrc.yml', '.pnpmfile.cjs', '.pnpmfile.mjs', 'pnpm-workspace.yaml', 'binding.gyp', '.pnp.cjs',
];
const PATCHES = ['patches', '.yarn/patches', '.yarn/plugins', '.yarn/releases'];
// Of package.json, what no installation looks at.
const UNIMPORTANT = new Set([
  'version', 'description', 'keywords', 'author', 'contributors', 'license', 'homepage', 'bugs', 'repository', 'main', 'module',
  'types', 'typings', 'jest', 'eslintConfig', 'prettier', 'browserslist', 'lint-staged', 'nodemonConfig', 'cacheDirectories',
]);
// Scratch of bundlers: what they leave there is no change of the modules.
const SCRATCH = ['.cache', '.vite', '.vite-temp'];

// `find`, for all that is the app's own.
const FIND = ['find', '.', '(', '-name', '.git', '-o', '-path', './.heroku', ')', '-prune', '-o'];

class Modules {
  constructor(build) {
    this.build = build;
    this.folder = path.join(build.cache, 'modules');
    this.file = path.join(this.folder, 'kept.json');
    this.before = fs.existsSync(this.file) ? JSON.parse(fs.readFileSync(this.file, 'utf8')) : {};
    this.allowed = build.env.get('NODE_MODULES_CACHE') !== 'false';
    this.enabled = this.allowed && this.isAlone();
    this.now = { signature: this.signature(), key: this.enabled ? this.key() : undefined, copied: this.before.copied === true };
  }

  /** Whether the lockfile and the configuration alone determine what an installation makes. */
  isAlone() {
    const { app, manager } = this.build;
    if (this.trees().length || !manager.isClosed(app) || app.has('binding.gyp')) return false;
    const inPackages = this.manifests().filter((file) => file !== 'package.json');
    return !inPackages.some((file) => {
      const scripts = this.parsed(file)?.scripts ?? {};
      return manager.lifecycle.some((script) => scripts[script]);
    });
  }

  /** All package.json of the app, its workspaces among them. */
  manifests() {
    this.found ??= run([...FIND, '-name', 'node_modules', '-prune', '-o', '-name', 'package.json', '-type', 'f', '-printf', '%P\\n'], { cwd: this.build.app.folder })
      .split('\n').filter(Boolean).sort();
    return this.found;
  }

  parsed(file) {
    try {
      return JSON.parse(this.build.app.read(file));
    } catch {
      // Not one of the app's packages; its bytes count as they are.
      return undefined;
    }
  }

  /** What an installation has made: each outermost node_modules, and what Plug'n'Play needs. */
  trees() {
    const { app, manager, directories } = this.build;
    const all = run([...FIND, '-name', 'node_modules', '-prune', '-printf', '%P\\n'], { cwd: app.folder }).split('\n');
    const more = (manager.alsoInstalls?.(app) ?? []).filter((name) => app.has(name));
    // What the app keeps by cacheDirectories is no matter of ours.
    return [...all.filter((tree) => tree && !directories.names.includes(tree)).sort(), ...more];
  }

  key() {
    const { app, env, version, dev } = this.build;
    const hash = crypto.createHash('sha256');
    const add = (...parts) => parts.forEach((part) => hash.update(`${String(part).length}:${part}`));
    add(FORMAT, this.signature(), version, env.get('NODE_ENV'), dev);
    // Install scripts may read any of them.
    if (this.hasInstallScripts()) add(JSON.stringify(this.build.vars));
    for (const name of Object.keys(env.all).filter((known) => /^(npm_config|yarn|pnpm)_/i.test(known)).sort()) {
      if (!/(cache|nodedir|cache_folder|store_dir)$/i.test(name)) add(name, env.all[name]);
    }
    for (const file of this.manifests()) add(file, this.essence(file));
    const patches = PATCHES.filter((name) => app.has(name));
    const files = patches.length ? run(['find', ...patches, '-type', 'f', '-print'], { cwd: app.folder }).split('\n').filter(Boolean).sort() : [];
    for (const file of [app.lockfile, ...CONFIGURATION, ...files]) if (app.has(file)) add(file, app.read(file));
    return hash.digest('hex');
  }

  /** What compiled modules depend on. */
  signature() {
    const { manager, node } = this.build;
    return JSON.stringify([process.env.STACK, node, manager.name]);
  }

  hasInstallScripts() {
    const { app, manager } = this.build;
    const lock = app.read(app.lockfile);
    return manager.name !== 'npm' || /"(hasInstallScript|lockfileVersion)": *(true|1)\b/.test(lock);
  }

  essence(file) {
    const manifest = this.parsed(file);
    if (manifest === undefined || manifest === null) return this.build.app.read(file);
    const essential = Object.entries(manifest).filter(([name]) => !UNIMPORTANT.has(name));
    const scripts = Object.entries(manifest.scripts ?? {}).filter(([name]) => this.build.manager.lifecycle.includes(name));
    return JSON.stringify([essential.filter(([name]) => name !== 'scripts'), scripts]);
  }

  /** Puts the kept modules in place, if they fit; answers whether they do. */
  restore() {
    if (!this.enabled || this.before.key !== this.now.key || !fs.existsSync(this.path('full'))) return false;
    this.now.slim = this.before.slim;
    // The app's own scripts write into the modules, and so does pruning.
    const { dev, lifecycle, pruneSkip } = this.build;
    this.place('full', this.now.copied || lifecycle.length > 0 || (dev && !pruneSkip && !this.now.slim));
    this.restored = true;
    return true;
  }

  /** Without a lockfile: puts what there is in place, for the manager to bring up to date. */
  restoreAsIs() {
    if (this.allowed && this.before.signature === this.now.signature && fs.existsSync(this.path('full'))) this.place('full', true);
  }

  path(name) {
    return path.join(this.folder, name);
  }

  place(name, copied) {
    const entries = fs.readdirSync(this.path(name));
    if (entries.length) run(['cp', copied ? '-a' : '-al', '--', ...entries, this.build.app.folder], { cwd: this.path(name) });
  }

  keep(name, copied) {
    discard(this.path(name), this.build.work);
    fs.mkdirSync(this.path(name), { recursive: true });
    const trees = this.treesInstalled.filter((tree) => this.build.app.has(tree));
    if (trees.length) run(['cp', copied ? '-a' : '-al', '--parents', '--', ...trees, this.path(name)], { cwd: this.build.app.folder });
  }

  /** To be called when the modules are as an installation leaves them. */
  installed() {
    const { app, manager } = this.build;
    this.treesInstalled = this.trees();
    if (!this.restored) {
      discard(this.folder, this.build.work);
      // Modules that are links into a store of the manager's are so here, too.
      if (this.allowed && !app.hasModules) this.keep('full', this.now.copied || !manager.linksStore);
    }
    this.listed = this.listing();
    this.marker = path.join(this.build.work, 'installed');
    fs.writeFileSync(this.marker, '');
  }

  listing() {
    const folders = this.treesInstalled.map((tree) => path.join(this.build.app.folder, tree)).filter((tree) => fs.existsSync(tree) && fs.statSync(tree).isDirectory());
    return JSON.stringify(folders.map((tree) => fs.readdirSync(tree).filter((name) => !SCRATCH.includes(name)).sort()));
  }

  /** Whether something in the modules has been written, made or deleted since `installed`. */
  changed() {
    if (!this.treesInstalled.length) return false;
    if (this.treesInstalled.some((tree) => !this.build.app.has(tree)) || this.listing() !== this.listed) return true;
    const scratch = SCRATCH.flatMap((name) => ['-name', name, '-o']).slice(0, -1);
    const words = ['find', ...this.treesInstalled, '-mindepth', '1', '(', ...scratch, ')', '-prune', '-o', '-cnewer', this.marker, '-print', '-quit'];
    return run(words, { cwd: this.build.app.folder }) !== '';
  }

  /** To be called after the build: decides how long the kept modules serve. */
  built() {
    this.isChanged = this.changed();
    if (!this.isChanged || this.now.copied) return;
    // Kept files may be the very ones that were written.
    if (this.restored || this.build.manager.linksStore) discard(this.path('full'), this.build.work);
    this.now.copied = true;
  }

  /** Swaps the modules for those without devDependencies of an earlier build; answers whether it could. */
  takeSlim() {
    if (!this.restored || !this.now.slim || this.isChanged || !fs.existsSync(this.path('slim'))) return false;
    const aside = fs.mkdtempSync(path.join(this.build.work, 'full-'));
    this.treesInstalled.forEach((tree, index) => fs.renameSync(path.join(this.build.app.folder, tree), path.join(aside, String(index))));
    this.place('slim', this.now.copied);
    this.treesInstalled.forEach((tree, index) => {
      for (const name of SCRATCH) {
        const from = path.join(aside, String(index), name);
        const to = path.join(this.build.app.folder, tree, name);
        if (!fs.existsSync(from) || !fs.existsSync(path.dirname(to))) continue;
        fs.rmSync(to, { recursive: true, force: true });
        fs.renameSync(from, to);
      }
    });
    return true;
  }

  /** To be called when devDependencies have been removed. */
  pruned() {
    if (!this.enabled || this.isChanged) return;
    this.keep('slim', false);
    this.now.slim = true;
  }

  /** Writes down what is kept, at the end of a good build. */
  close() {
    fs.mkdirSync(this.folder, { recursive: true });
    fs.writeFileSync(this.file, JSON.stringify(this.now));
  }
}

/** Out of the way by renaming: the scratch folder is deleted with the build. */
function discard(folder, work) {
  if (fs.existsSync(folder)) fs.renameSync(folder, path.join(fs.mkdtempSync(path.join(work, 'old-')), 'x'));
}

module.exports = { Modules };
