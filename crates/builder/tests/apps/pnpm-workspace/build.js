require('fs').writeFileSync('built', String(require('is-odd')(3)));
