// Answers whether what it needs is there, and what it does not need is gone.
const has = (name) => {
  try {
    return Boolean(require(name));
  } catch {
    return false;
  }
};
const built = require('fs').readFileSync('built', 'utf8');
const answer = `built ${built} left-pad ${has('left-pad')} is-odd ${has('is-odd')} plugged ${Boolean(process.versions.pnp)}`;
require('http').createServer((request, response) => response.end(answer)).listen(process.env.PORT);
